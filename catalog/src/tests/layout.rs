//! Layouts that HATS allows and data that is not as it should be.

use std::fs;

use datafusion::datasource::physical_plan::{FileGroup, FileScanConfig};

use super::fixture::{
    Row, Shape, answer, failure, open, public, rows, session, within, write_table,
};
use crate::hats::Leaf;
use crate::{Location, Snapshot};

const COUNT_NEAR: (f64, f64, f64) = (120.0, -35.0, 20.0);

fn near(rows: &[Row]) -> usize {
    let (ra, dec, radius) = COUNT_NEAR;
    let center = adql::sky::Position::from_degrees(ra, dec).unwrap();
    let inside = |row: &&Row| {
        let place = adql::sky::Position::from_degrees(row.ra, row.dec).unwrap();
        center.distance(&place).degrees() <= radius
    };
    rows.iter().filter(inside).count()
}

/// Writes a table, opens it and counts the rows in a circle, all rows, and all ids.
async fn check(shape: &Shape) {
    let folder = tempfile::tempdir().unwrap();
    let rows = rows(4_000);
    write_table(&folder.path().join("t"), shape, &rows);
    let snapshot = open(folder.path()).await;
    let table = snapshot.tiled_table(&public("t")).unwrap();
    assert_eq!(table.manifest().len(), 48, "{shape:?}");
    assert_eq!(table.manifest().rows(), Some(4_000), "{shape:?}");
    let (ra, dec, radius) = COUNT_NEAR;
    let (ra_name, dec_name) = shape.position_columns;
    let circle =
        within(ra, dec, radius).replacen("(ra, dec)", &format!("({ra_name}, {dec_name})"), 1);
    let index = &table.table().positions.as_ref().unwrap().spatial_index;
    for prune in [true, false] {
        let context = session(&snapshot, prune);
        let sql = format!("SELECT count(*) FROM public.t WHERE {circle}");
        assert_eq!(answer(&context, &sql).await, [near(&rows).to_string()], "{shape:?}");
        assert_eq!(answer(&context, "SELECT count(*) FROM public.t").await, ["4000"]);
        assert_eq!(answer(&context, "SELECT count(id) FROM public.t").await, ["4000"]);
        let wrong = format!(
            "SELECT count(*) FROM public.t WHERE \"{index}\" <> healpix_29({ra_name}, {dec_name})"
        );
        assert_eq!(answer(&context, &wrong).await, ["0"], "{shape:?}");
    }
}

#[tokio::test]
async fn a_tile_may_be_a_folder() {
    check(&Shape { leaf: Leaf::Folder, ..Shape::default() }).await;
}

#[tokio::test]
async fn the_partition_list_may_be_absent() {
    check(&Shape { partition_list: false, ..Shape::default() }).await;
}

#[tokio::test]
async fn the_spatial_index_may_be_absent_or_have_another_name() {
    check(&Shape { spatial_index: None, ..Shape::default() }).await;
    check(&Shape { spatial_index: Some("hpx"), ..Shape::default() }).await;
}

#[tokio::test]
async fn position_columns_and_endings_may_have_any_name() {
    let shape = Shape {
        position_columns: ("RAJ2000", "DEJ2000"),
        leaf: Leaf::File(".snappy.parquet".to_owned()),
        ..Shape::default()
    };
    let folder = tempfile::tempdir().unwrap();
    write_table(&folder.path().join("t"), &shape, &rows(500));
    let snapshot = open(folder.path()).await;
    let sql = "SELECT count(\"RAJ2000\") FROM public.t WHERE \"DEJ2000\" BETWEEN -90 AND 90";
    assert_eq!(answer(&session(&snapshot, true), sql).await, ["500"]);
    check(&Shape { position_columns: ("alpha", "delta"), ..Shape::default() }).await;
}

#[tokio::test]
async fn a_computed_index_is_filtered_inside_the_reader() {
    let folder = tempfile::tempdir().unwrap();
    write_table(
        &folder.path().join("t"),
        &Shape { spatial_index: None, ..Shape::default() },
        &rows(500),
    );
    let snapshot = open(folder.path()).await;
    let context = session(&snapshot, true);
    let sql =
        format!("SELECT id, \"_healpix_29\" FROM public.t WHERE {}", within(10.0, 10.0, 15.0));
    let plan = super::fixture::plan(&context, &sql).await;
    let nodes = super::fixture::nodes(&plan);
    assert!(!nodes.contains(&"FilterExec".to_owned()), "{nodes:?}");
    let read: usize = super::fixture::scans(&plan)
        .iter()
        .map(|s| s.data_source().downcast_ref::<FileScanConfig>().unwrap())
        .map(|c| c.file_groups.iter().map(FileGroup::len).sum::<usize>())
        .sum();
    assert!(read < 20, "{read} of 48 tiles");
}

#[tokio::test]
async fn schemas_are_folders_and_strays_are_passed_over() {
    let folder = tempfile::tempdir().unwrap();
    let at = |name: &str| folder.path().join(name);
    write_table(&at("survey/objects"), &Shape::default(), &rows(100));
    write_table(&at("top"), &Shape::default(), &rows(100));
    fs::write(at("README"), "hello").unwrap();
    fs::write(at("survey/notes.txt"), "hello").unwrap();
    fs::create_dir(at(".cache")).unwrap();
    fs::write(at(".cache/x.parquet"), "hello").unwrap();
    fs::create_dir(at("empty")).unwrap();
    let snapshot = open(folder.path()).await;
    let names: Vec<String> = snapshot.tiled_tables().iter().map(|t| t.name().to_string()).collect();
    assert_eq!(names, ["public.top", "survey.objects"]);
    let tile = snapshot.tiled_tables()[1].manifest().tile(0);
    assert!(tile.path.starts_with("survey/objects/dataset/Norder=1/"), "{}", tile.path);
}

async fn open_error(folder: &std::path::Path) -> String {
    Snapshot::open(&Location::Folder(folder.to_owned())).await.unwrap_err().to_string()
}

#[tokio::test]
async fn a_folder_that_is_not_hats_is_named_with_what_is_missing() {
    let folder = tempfile::tempdir().unwrap();
    write_table(&folder.path().join("good"), &Shape::default(), &rows(100));
    for bad in ["plain", "survey/plain"] {
        let files = write_table(&folder.path().join(bad), &Shape::default(), &rows(100));
        assert!(!files.is_empty());
        fs::remove_file(folder.path().join(bad).join("hats.properties")).unwrap();
        if bad.starts_with("survey") {
            write_table(&folder.path().join("survey/good"), &Shape::default(), &rows(100));
        }
        let error = open_error(folder.path()).await;
        let expected = format!(
            "{bad} is not a HATS table: it holds Parquet files, but none of hats.properties, \
             properties, collection.properties"
        );
        assert_eq!(error, expected);
        fs::remove_dir_all(folder.path().join(bad)).unwrap();
    }
    assert!(open_error(&folder.path().join("none")).await.contains("none as data: "));
    fs::write(folder.path().join("good/hats.properties"), "dataproduct_type=image").unwrap();
    let error = open_error(folder.path()).await;
    assert!(
        error.starts_with("good/hats.properties: dataproduct_type=image is none of"),
        "{error}"
    );
}

#[tokio::test]
async fn a_column_that_the_properties_name_must_exist() {
    let folder = tempfile::tempdir().unwrap();
    write_table(&folder.path().join("t"), &Shape::default(), &rows(100));
    let text = "dataproduct_type=object\nhats_col_ra=nope\nhats_col_dec=dec\n";
    fs::write(folder.path().join("t/hats.properties"), text).unwrap();
    assert_eq!(open_error(folder.path()).await, "t: hats_col_ra=nope is no column of its tiles");
}

#[tokio::test]
async fn a_missing_tile_fails_the_queries_that_need_it_and_no_other() {
    let folder = tempfile::tempdir().unwrap();
    let files = write_table(&folder.path().join("t"), &Shape::default(), &rows(2_000));
    let lost = files.iter().find(|f| f.ends_with("Npix=3.parquet")).unwrap();
    fs::remove_file(lost).unwrap();
    let snapshot = open(folder.path()).await;
    let table = snapshot.tiled_table(&public("t")).unwrap();
    assert_eq!((table.manifest().len(), table.manifest().rows()), (48, None));
    let context = session(&snapshot, true);
    for sql in ["SELECT count(*) FROM public.t", "SELECT id FROM public.t"] {
        let error = failure(&context, sql).await;
        let expected = "tile t/dataset/Norder=1/Dir=0/Npix=3.parquet of table public.t is missing";
        assert!(error.contains(expected), "{error}");
    }
    // The pixel 1/3 is far from the southern pole.
    let elsewhere = format!("SELECT count(*) FROM public.t WHERE {}", within(0.0, -89.0, 5.0));
    assert_eq!(answer(&context, &elsewhere).await.len(), 1);
}

#[tokio::test]
async fn a_truncated_tile_fails_the_queries_that_need_it_and_is_named() {
    let folder = tempfile::tempdir().unwrap();
    let files = write_table(&folder.path().join("t"), &Shape::default(), &rows(2_000));
    let cut = files.iter().find(|f| f.ends_with("Npix=3.parquet")).unwrap();
    let bytes = fs::read(cut).unwrap();
    fs::write(cut, &bytes[..bytes.len() / 2]).unwrap();
    let snapshot = open(folder.path()).await;
    let context = session(&snapshot, true);
    for sql in ["SELECT count(*) FROM public.t", "SELECT sum(mag) FROM public.t"] {
        let error = failure(&context, sql).await;
        assert!(error.contains("t/dataset/Norder=1/Dir=0/Npix=3.parquet"), "{error}");
    }
}

#[tokio::test]
async fn files_that_the_partition_list_lacks_are_no_tiles() {
    let folder = tempfile::tempdir().unwrap();
    write_table(&folder.path().join("t"), &Shape::default(), &rows(2_000));
    fs::write(folder.path().join("t/partition_info.csv"), "Norder,Npix\n1,3\n1,4\n").unwrap();
    let snapshot = open(folder.path()).await;
    assert_eq!(snapshot.tiled_table(&public("t")).unwrap().manifest().len(), 2);
}
