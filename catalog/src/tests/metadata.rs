//! `table.toml`: what it says wins, what it gets wrong is named, and no slack loses a row.

use std::fs;
use std::path::Path;
use std::sync::Arc;

use adql::sky::{Order, Pixel, Position};
use adql::{CoordinateSystem, System, Table, TimeSystem};

use super::fixture::{Row, Shape, ask, open, own_position, public, rows, write_table};
use crate::{Location, Snapshot};

const OBJECTS: &str = r#"
version = 1
title = "Objects"
description = "One row for each star."
utype = "model:Object"

[columns.mag]
unit = "mag"
ucd = "phot.mag;em.opt"
utype = "model:Object.mag"
description = "brightness"
indexed = true
principal = true

[columns.name]
xtype = "hms"
ucd = "no ucd!"

[[keys]]
target = "public.u"
columns = { id = "id" }
description = "the same row"

[[keys]]
target = "elsewhere.t"
columns = { id = "id" }
"#;

async fn table_with(text: &str, folder: &Path) -> Arc<Table> {
    write_table(&folder.join("t"), &Shape::default(), &rows(10));
    write_table(&folder.join("u"), &Shape::default(), &rows(10));
    fs::write(folder.join("t/table.toml"), text).unwrap();
    Arc::clone(open(folder).await.tiled_table(&public("t")).unwrap().table())
}

/// Each text as the description of a table, with what is said of it when it is opened.
async fn check_refusals(cases: &[(String, &str)]) {
    let folder = tempfile::tempdir().unwrap();
    write_table(&folder.path().join("t"), &Shape::default(), &rows(10));
    for (text, expected) in cases {
        fs::write(folder.path().join("t/table.toml"), text).unwrap();
        let opened = Snapshot::open(&Location::Folder(folder.path().to_owned())).await;
        let error = opened.unwrap_err().to_string();
        assert!(error.starts_with("t/table.toml: ") && error.contains(expected), "{error}: {text}");
    }
}

#[tokio::test]
async fn what_table_toml_says_wins_and_the_rest_stays() {
    let folder = tempfile::tempdir().unwrap();
    let table = table_with(OBJECTS, folder.path()).await;
    assert_eq!(table.title.as_deref(), Some("Objects"));
    assert_eq!(table.description.as_deref(), Some("One row for each star."));
    assert_eq!(table.utype.as_deref(), Some("model:Object"));
    let column = |name: &str| &table.columns[table.column_index(name).unwrap()];
    let mag = column("mag");
    assert_eq!((mag.unit.as_deref(), mag.ucd.as_deref()), (Some("mag"), Some("phot.mag;em.opt")));
    assert_eq!(mag.utype.as_deref(), Some("model:Object.mag"));
    assert!(mag.indexed && mag.principal && !column("id").principal && !column("id").indexed);
    let name = column("name");
    assert_eq!((name.xtype.as_deref(), name.ucd.as_deref()), (Some("hms"), None));
    assert_eq!(column("ra").ucd.as_deref(), Some("pos.eq.ra;meta.main"));
    assert!(column("ra").indexed && !column("ra").principal);
}

#[tokio::test]
async fn a_key_to_a_table_that_is_not_here_is_left_out() {
    let folder = tempfile::tempdir().unwrap();
    table_with(OBJECTS, folder.path()).await;
    let snapshot = open(folder.path()).await;
    let keys = snapshot.keys_from(&public("t"));
    assert_eq!(keys.len(), 1, "{keys:?}");
    assert_eq!((&keys[0].target, keys[0].columns.len()), (&public("u"), 1));
    // Without the other table the first key goes too.
    assert!(open(&folder.path().join("t")).await.keys_from(&public("t")).is_empty());
}

#[tokio::test]
async fn without_table_toml_the_first_columns_are_principal() {
    let folder = tempfile::tempdir().unwrap();
    write_table(&folder.path().join("t"), &Shape::default(), &rows(10));
    let snapshot = open(folder.path()).await;
    let table = snapshot.tiled_table(&public("t")).unwrap().table();
    assert!(table.visible_columns().all(|column| column.principal));
    assert_eq!((table.title.as_ref(), table.description.as_ref()), (None, None));
}

#[tokio::test]
async fn contradictions_are_named_with_their_file() {
    let position = |ra: &str, slack: &str| {
        format!("version = 1\n[position]\nra = \"{ra}\"\ndec = \"dec\"\nslack_arcsec = {slack}\n")
    };
    let cases = [
        (
            "version = 1\n[columns.magg]\nunit = \"mag\"\n".to_owned(),
            "columns.\"magg\" is no column",
        ),
        (
            "version = 1\n[[keys]]\ntarget = \"public.u\"\ncolumns = { no = \"id\" }\n".to_owned(),
            "no",
        ),
        ("version = 1\n[[keys]]\ntarget = \"public.u\"\ncolumns = {}\n".to_owned(), "no columns"),
        (position("alpha", "1.0"), "position.ra = \"alpha\" is no column of its tiles"),
        (position("id", "1.0"), "position.ra = \"id\" is a column of type Int64, not a float"),
        (position("ra", "-1.0"), "position.slack_arcsec = -1 is no distance"),
        (position("ra", "nan"), "position.slack_arcsec = NaN is no distance"),
        ("version = 1\ntitel = \"x\"\n".to_owned(), "line 2: unknown field `titel`"),
    ];
    check_refusals(&cases).await;
}

#[tokio::test]
async fn the_schemas_of_tap_are_not_folders() {
    let folder = tempfile::tempdir().unwrap();
    write_table(&folder.path().join("tap_schema/t"), &Shape::default(), &rows(10));
    let opened = Snapshot::open(&Location::Folder(folder.path().to_owned())).await;
    let error = opened.unwrap_err().to_string();
    assert!(error.contains("tap_schema belongs to the service"), "{error}");
}

/// Rows at both sides of the borders of pixels, nearer than a row's own position is to it.
fn on_borders(order: Order) -> Vec<Row> {
    let pixel = |ra: f64, dec: f64| Pixel::of(order, &Position::from_degrees(ra, dec).unwrap());
    let mut found = Vec::new();
    for row in rows(400) {
        let (mut south, mut north) = (row.dec, row.dec + 8.0);
        if row.dec > 75.0 || row.dec < -75.0 || pixel(row.ra, south) == pixel(row.ra, north) {
            continue;
        }
        while north - south > 1e-7 {
            let middle = f64::midpoint(south, north);
            let same = pixel(row.ra, south) == pixel(row.ra, middle);
            if same { south = middle } else { north = middle }
        }
        let dec = south + 1.5 / 3600.0 * (row.id as f64 * 1.7).sin();
        found.push(Row { dec, id: found.len() as i64, ..row });
    }
    found
}

#[tokio::test]
async fn rows_that_lie_outside_their_tile_are_found() {
    let folder = tempfile::tempdir().unwrap();
    for (name, spatial_index) in [("stored", Some("_healpix_29")), ("computed", None)] {
        let shape = Shape { order: 2, own_positions: true, spatial_index, ..Shape::default() };
        let rows = on_borders(Order::new(2).unwrap());
        write_table(&folder.path().join(name), &shape, &rows);
        let text =
            "version = 1\n[position]\nra = \"own_ra\"\ndec = \"own_dec\"\nslack_arcsec = 3.0\n";
        fs::write(folder.path().join(name).join("table.toml"), text).unwrap();
        check_cones(&open(&folder.path().join(name)).await, name, &rows).await;
    }
}

async fn check_cones(snapshot: &Arc<Snapshot>, name: &str, rows: &[Row]) {
    let order = Order::new(2).unwrap();
    let place = |(ra, dec): (f64, f64)| Position::from_degrees(ra, dec).unwrap();
    let strays: Vec<&Row> = rows
        .iter()
        .filter(|r| {
            Pixel::of(order, &place(own_position(r))) != Pixel::of(order, &place((r.ra, r.dec)))
        })
        .collect();
    assert!(strays.len() > 10, "only {} rows lie outside their tile", strays.len());
    for stray in strays.into_iter().take(12) {
        let (ra, dec) = own_position(stray);
        for radius in [1e-4, 0.002, 3.0] {
            let near =
                |r: &&Row| place((ra, dec)).distance(&place(own_position(r))).degrees() < radius;
            let mut right: Vec<String> =
                rows.iter().filter(near).map(|r| r.id.to_string()).collect();
            right.sort();
            let circle = format!(
                "SELECT id FROM {name} WHERE DISTANCE(own_ra, own_dec, {ra}, {dec}) < {radius}"
            );
            let around = format!(
                "SELECT id FROM {name} WHERE NOT 1 <> \
                 CONTAINS(POINT({ra}, {dec}), CIRCLE(own_ra, own_dec, {radius}))"
            );
            for prune in [true, false] {
                assert_eq!(ask(snapshot, prune, &circle).await, right, "{circle}, prune {prune}");
                assert_eq!(ask(snapshot, prune, &around).await, right, "{around}, prune {prune}");
            }
        }
        let (west, east, south, north) = (ra - 1e-5, ra + 1e-5, dec - 1e-5, dec + 1e-5);
        let range = format!(
            "SELECT id FROM {name} WHERE own_ra BETWEEN {west} AND {east} \
             AND own_dec >= {south} AND own_dec <= {north}"
        );
        for prune in [true, false] {
            assert_eq!(ask(snapshot, prune, &range).await, [stray.id.to_string()], "{range}");
        }
    }
}

const SYSTEMS: &str = r#"
version = 2
note = "More words."
index = 3

[origin]
release = "DR1"
doi = "10.1234/abc"

[columns.mag]
description = "brightness"
note = "Measured twice."
index = 1

[[frames]]
system = "ICRS"
epoch = 2016.0

[[frames]]
system = "galaxy"
columns = ["mag"]

[[times]]
scale = "TCB"
refposition = "BARYCENTER"
origin = "MJD"
columns = ["id"]
"#;

#[tokio::test]
async fn frames_times_notes_and_origin_are_of_the_table() {
    let folder = tempfile::tempdir().unwrap();
    let table = table_with(SYSTEMS, folder.path()).await;
    let system = |name: &str| {
        let column = &table.columns[table.column_index(name).unwrap()];
        column.system.as_deref().cloned()
    };
    let mut frame = CoordinateSystem::new("ICRS");
    frame.epoch = Some("J2016.0".to_owned());
    assert_eq!(system("ra"), Some(System::Space(frame)));
    assert_eq!(system("ra"), system("dec"));
    let time = TimeSystem {
        scale: "TCB".to_owned(),
        refposition: "BARYCENTER".to_owned(),
        origin: Some(2_400_000.5),
    };
    assert_eq!(system("id"), Some(System::Time(time)));
    // The vocabulary has no such frame.
    assert_eq!(system("mag"), None);
    let snapshot = open(folder.path()).await;
    let origin = snapshot.tiled_table(&public("t")).unwrap().origin();
    assert_eq!(origin.release.as_deref(), Some("DR1"));
    let words = "SELECT description FROM TAP_SCHEMA.columns WHERE column_name = 'mag' \
                 AND table_name LIKE '%.t'";
    let said = ask(&snapshot, true, words).await;
    assert!(said[0].contains("brightness") && said[0].contains("Measured twice."), "{said:?}");
    let first = "SELECT column_name FROM TAP_SCHEMA.columns WHERE table_name LIKE '%.t' \
                 AND column_index = 0";
    assert_eq!(ask(&snapshot, true, first).await, ["mag"]);
}

#[tokio::test]
async fn frames_and_times_that_cannot_be_are_named() {
    let frame = |rest: &str| format!("version = 2\n[[frames]]\n{rest}");
    let cases = [
        (
            frame("system = \"ICRS\"\ncolumns = [\"x\"]\n"),
            "frames: ICRS of \"x\", which is no column",
        ),
        (frame("system = \"FK4\"\ncolumns = [\"ra\"]\n"), "searched by it, in degrees of ICRS"),
        (frame("system = \"FK5\"\nequinox = \"J1975\"\n"), "searched by it, in degrees of ICRS"),
        (
            frame("system = \"ICRS\"\n[[frames]]\nsystem = \"ICRS\"\ncolumns = [\"dec\"]\n"),
            "frames: ICRS of dec, which has another",
        ),
        ("version = 2\n[[times]]\nscale = \"TT\"\n".to_owned(), "line 2: missing field `columns`"),
    ];
    check_refusals(&cases).await;
}

#[tokio::test]
async fn table_toml_is_the_master_of_what_our_own_files_repeat() {
    let folder = tempfile::tempdir().unwrap();
    let table = folder.path().join("t");
    super::writing::write(super::writing::options(folder.path()), &rows(10)).unwrap();
    let unit = async || {
        let snapshot = open(folder.path()).await;
        let table = snapshot.tiled_table(&public("t")).unwrap().table();
        table.columns[table.column_index("mag").unwrap()].unit.clone()
    };
    assert_eq!(unit().await.as_deref(), Some("mag"));
    // What an operator takes back is not said, although the files still say it.
    fs::write(table.join("table.toml"), "version = 2\n").unwrap();
    assert_eq!(unit().await, None);
    // A copy of the tiles alone is described all the same.
    fs::remove_file(table.join("table.toml")).unwrap();
    assert_eq!(unit().await.as_deref(), Some("mag"));
}
