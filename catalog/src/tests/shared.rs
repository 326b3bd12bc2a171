//! The tables that hats-import wrote: what is found, and the answers of scans.

use std::path::PathBuf;
use std::sync::Arc;

use super::fixture::{answer, failure, open, public, session, within};
use crate::{Kind, Location, Snapshot, tile_of_path};

/// The shared tables, or `None` (said aloud) where they are not.
pub(super) fn shared() -> Option<PathBuf> {
    let folder = std::path::absolute("../../shared/data/hats").unwrap();
    if !folder.is_dir() {
        eprintln!("NOT TESTED: {} is absent", folder.display());
        return None;
    }
    Some(folder)
}

async fn count(snapshot: &Arc<Snapshot>, table: &str, column: &str) -> String {
    let sql = format!("SELECT count({column}) FROM public.{table}");
    answer(&session(snapshot, true), &sql).await.join(",")
}

#[tokio::test]
async fn every_table_is_found_with_its_rows() {
    let Some(folder) = shared() else { return };
    let snapshot = open(&folder).await;
    let names: Vec<String> = snapshot.tiled_tables().iter().map(|t| t.name().to_string()).collect();
    let expected = [
        ("opengc", 30, 13_962),
        ("small_sky", 1, 131),
        ("small_sky_order1_collection", 4, 131),
        ("small_sky_order1_source_collection", 5, 17_161),
        ("small_sky_xmatch", 3, 111),
    ];
    assert_eq!(names, expected.map(|(name, ..)| format!("public.{name}")));
    for (name, tiles, rows) in expected {
        let table = snapshot.tiled_table(&public(name)).unwrap();
        assert_eq!(
            (table.manifest().len(), table.manifest().rows()),
            (tiles, Some(rows)),
            "{name}"
        );
        assert_eq!(count(&snapshot, name, "*").await, rows.to_string(), "{name}, by metadata");
        let ra = &table.table().positions.as_ref().unwrap().ra;
        assert_eq!(count(&snapshot, name, ra).await, rows.to_string(), "{name}, by scan");
    }
}

#[tokio::test]
async fn margins_and_indexes_belong_to_their_tables() {
    let Some(folder) = shared() else { return };
    let snapshot = open(&folder).await;
    let attached = |name: &str| -> Vec<(String, Kind)> {
        let table = snapshot.tiled_table(&public(name)).unwrap();
        table.attachments().iter().map(|a| (a.path.clone(), a.kind.clone())).collect()
    };
    let margin = |threshold_arcsec| Kind::Margin { threshold_arcsec };
    assert_eq!(attached("opengc"), [("opengc_margin_10arcmin".to_owned(), margin(600.0))]);
    assert_eq!(attached("small_sky_xmatch").len(), 1);
    let collection = attached("small_sky_order1_collection");
    assert_eq!(
        collection[0],
        ("small_sky_order1_collection/small_sky_order1_margin_1deg".to_owned(), margin(3600.0))
    );
    assert_eq!(collection[2].1, Kind::Index { column: "id".to_owned() });
    assert_eq!(attached("small_sky_order1_source_collection").len(), 3);
}

#[tokio::test]
async fn columns_carry_what_the_properties_say() {
    let Some(folder) = shared() else { return };
    let snapshot = open(&folder).await;
    let table = snapshot.tiled_table(&public("opengc")).unwrap().table();
    let visible: Vec<&str> =
        table.columns.iter().filter(|c| !c.hidden).map(|c| c.name.as_str()).collect();
    assert_eq!(table.columns.len() - visible.len(), 1);
    assert!(table.columns[table.column_index("_healpix_29").unwrap()].hidden);
    assert_eq!(visible[..4], ["name", "type", "ra", "dec"]);
    let ra = &table.columns[table.column_index("ra").unwrap()];
    assert_eq!((ra.unit.as_deref(), ra.ucd.as_deref()), (Some("deg"), Some("pos.eq.ra;meta.main")));
    let sources = snapshot.tiled_table(&public("small_sky_order1_source_collection")).unwrap();
    let positions = sources.table().positions.as_ref().unwrap();
    assert_eq!((positions.ra.as_str(), positions.dec.as_str()), ("source_ra", "source_dec"));
    let indexed = sources.table().columns.iter().filter(|c| c.indexed && !c.hidden);
    let indexed: Vec<&str> = indexed.map(|c| c.name.as_str()).collect();
    assert_eq!(indexed, ["source_ra", "source_dec", "band", "object_id"], "two have an id index");
}

#[tokio::test]
async fn andromeda_and_its_companions_are_found() {
    let Some(folder) = shared() else { return };
    let snapshot = open(&folder).await;
    let near = within(10.6847, 41.269, 1.0);
    let sql = format!("SELECT name, type FROM public.opengc WHERE {near}");
    for prune in [true, false] {
        let found = answer(&session(&snapshot, prune), &sql).await;
        for name in ["NGC0205|G", "NGC0221|G", "NGC0224|G"] {
            assert!(found.contains(&name.to_owned()), "{name} is not in {found:?}");
        }
    }
}

#[tokio::test]
async fn one_table_or_collection_can_be_opened_alone() {
    let Some(folder) = shared() else { return };
    for (name, rows) in [("opengc", 13_962), ("small_sky_order1_collection", 131)] {
        let snapshot = open(&folder.join(name)).await;
        assert_eq!(snapshot.tiled_tables().len(), 1);
        let table = snapshot.tiled_table(&public(name)).unwrap();
        assert_eq!(count(&snapshot, name, "ra").await, rows.to_string());
        let tile = table.manifest().tile(0);
        let path = tile.path.as_str().into();
        assert_eq!(tile_of_path(&path), Some((table.path(), tile.pixel)));
    }
}

#[tokio::test]
async fn a_snapshot_has_the_number_of_its_content() {
    let Some(folder) = shared() else { return };
    let (one, two) = (open(&folder).await, open(&folder).await);
    assert_eq!(one.number(), two.number());
    assert_ne!(one.number(), open(&folder.join("opengc")).await.number());
}

#[tokio::test]
async fn a_margin_alone_is_no_table() {
    let Some(folder) = shared() else { return };
    let location = Location::Folder(folder.join("opengc_margin_10arcmin"));
    let error = Snapshot::open(&location).await.unwrap_err().to_string();
    assert!(error.contains("opengc_margin_10arcmin as data: it holds no HATS table"), "{error}");
}

#[tokio::test]
async fn an_unknown_column_is_an_error_of_the_query() {
    let Some(folder) = shared() else { return };
    let snapshot = open(&folder.join("opengc")).await;
    let error = failure(&session(&snapshot, true), "SELECT no FROM public.opengc").await;
    assert!(error.contains("no"), "{error}");
}
