//! Id lookup, against the rows of the tiles: the same answers with it and without, and the tiles
//! that are opened are those that hold the ids.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use adql::Schemas;
use datafusion::arrow::array::AsArray;
use datafusion::arrow::datatypes::Int64Type;
use datafusion::common::tree_node::{TreeNode, TreeNodeRecursion};
use datafusion::datasource::physical_plan::{FileGroup, FileScanConfig};
use datafusion::logical_expr::LogicalPlan;
use datafusion::physical_plan::ExecutionPlan;
use datafusion::prelude::DataFrame;

use super::fixture::{Row, ask, open, public, rows, scans, session};
use super::shared::shared;
use super::writing::{files, options, read, tiles, write};
use crate::hats::tile_pixel;
use crate::lookup::explain_lookup;
use crate::write::{TableKind, WriteOptions};
use crate::{HatsTable, Snapshot, tile_of_path};

/// A table of many tiles with indexes of `id` and `name`, each id in so many rows.
async fn written(rows_of_id: i64, groups: usize) -> (tempfile::TempDir, Arc<Snapshot>) {
    let folder = tempfile::tempdir().unwrap();
    let ids = 3_000 / rows_of_id;
    let repeated = |row: Row| Row { id: (row.id % ids) * 7 - 900, ..row };
    let rows: Vec<Row> = rows(3_000).into_iter().map(repeated).collect();
    let mut options = WriteOptions { kind: TableKind::Source, ..options(folder.path()) };
    options.layout.group_rows = groups;
    options.layout.page_rows = groups.div_ceil(4);
    write(options, &rows).unwrap();
    let snapshot = open(folder.path()).await;
    (folder, snapshot)
}

async fn planned(snapshot: &Arc<Snapshot>, text: &str) -> Arc<dyn ExecutionPlan> {
    let schemas = Arc::clone(snapshot) as Arc<dyn Schemas>;
    let query = adql::plan(text, schemas.as_ref(), &adql::Limits::default()).unwrap();
    let frame = DataFrame::new(session(snapshot, true).state(), query.plan);
    frame.create_physical_plan().await.unwrap_or_else(|e| panic!("{text}: {e}"))
}

/// The pixels of the tiles that a query opens, as texts.
async fn opened(snapshot: &Arc<Snapshot>, text: &str) -> BTreeSet<String> {
    let plan = planned(snapshot, text).await;
    let mut pixels = BTreeSet::new();
    for scan in scans(&plan) {
        let config = scan.data_source().downcast_ref::<FileScanConfig>().unwrap();
        let files = config.file_groups.iter().flat_map(FileGroup::files);
        pixels.extend(files.map(|file| tile_of_path(file.path()).unwrap().1.to_string()));
    }
    pixels
}

/// The pixels of the tiles that hold rows with one of these ids.
fn holding(table: &Path, ids: &[i64]) -> BTreeSet<String> {
    let held = tiles(table).into_iter();
    let held = held.filter(|(_, rows)| rows.iter().any(|(_, id)| ids.contains(id)));
    held.map(|(pixel, _)| pixel.to_string()).collect()
}

fn list(ids: &[i64]) -> String {
    ids.iter().map(ToString::to_string).collect::<Vec<_>>().join(", ")
}

async fn same_answers(snapshot: &Arc<Snapshot>, text: &str) -> Vec<String> {
    let found = ask(snapshot, true, text).await;
    assert_eq!(found, ask(snapshot, false, text).await, "{text}");
    found
}

#[tokio::test]
async fn tiles_that_are_opened_are_those_that_hold_the_ids() {
    for (rows_of_id, groups) in [(1, 131_072), (1, 40), (60, 16)] {
        let (folder, snapshot) = written(rows_of_id, groups).await;
        let table = folder.path().join("t/t");
        let many: Vec<i64> = (0..3_000 / rows_of_id).step_by(11).map(|id| id * 7 - 900).collect();
        let scattered: Vec<i64> = (-40..40).map(|id| id * 14).collect();
        let cases = [
            vec![-900],
            vec![-893, -893, -886],
            vec![i64::MAX, i64::MIN, -899],
            vec![-900, 5],
            many[..4].to_vec(),
            scattered,
            many,
        ];
        for ids in cases {
            let text = format!("SELECT id, ra, name FROM t WHERE id IN ({})", list(&ids));
            let found = same_answers(&snapshot, &text).await;
            let expected = holding(&table, &ids);
            assert_eq!(opened(&snapshot, &text).await, expected, "{text}");
            assert_eq!(found.is_empty(), expected.is_empty(), "{text}");
            let text = format!("SELECT id FROM t WHERE NOT id NOT IN ({})", list(&ids));
            assert_eq!(opened(&snapshot, &text).await, expected, "{text}");
        }
    }
}

#[tokio::test]
async fn conditions_are_understood_as_far_as_they_are_exact() {
    let (folder, snapshot) = written(60, 131_072).await;
    let table = folder.path().join("t/t");
    let all = holding(&table, &(0..50).map(|id| id * 7 - 900).collect::<Vec<_>>());
    let (one, two) = (holding(&table, &[-900]), holding(&table, &[-893]));
    let either: BTreeSet<String> = one.union(&two).cloned().collect();
    let both: BTreeSet<String> = one.intersection(&two).cloned().collect();
    assert!(one.len() < all.len() && both != one, "{} {}", one.len(), all.len());
    let cases = [
        ("id = -900", &one),
        ("-900 = id AND mag > 3", &one),
        ("id = -900 OR id = -893", &either),
        ("(id = -900 AND mag > 3) OR (mag > 4 AND id IN (-893, 6))", &either),
        ("id = -900 AND id = -893", &both),
        ("CAST(id AS INTEGER) = -900", &one),
        ("id IN (-900, 9223372036854775808)", &one),
        ("id = -900 OR mag > 3", &all),
        ("id <> -900", &all),
        ("id + 1 = -899", &all),
        ("id IN (-900, NULL)", &one),
        ("NOT id = -900", &all),
        ("name = 'row 99'", &BTreeSet::new()),
        ("name = 'row 99' OR id = -900", &one),
    ];
    for (condition, expected) in cases {
        let text = format!("SELECT id, dec FROM t WHERE {condition}");
        same_answers(&snapshot, &text).await;
        assert!(opened(&snapshot, &text).await.is_subset(expected), "{condition}");
    }
    for condition in ["id = -900", "id = -900 OR id = -893", "CAST(id AS INTEGER) = -900"] {
        let text = format!("SELECT COUNT(*) AS n FROM t WHERE {condition}");
        let joined = format!(
            "SELECT a.id FROM t AS a JOIN t AS b ON a.id = b.id WHERE a.{condition} AND b.mag > 11"
        );
        assert_ne!(same_answers(&snapshot, &text).await, ["0"]);
        if !condition.contains("OR") && !condition.contains("CAST") {
            assert_eq!(opened(&snapshot, &joined).await, one, "{joined}");
            same_answers(&snapshot, &joined).await;
        }
    }
    let texts = "SELECT COUNT(*) AS n FROM t WHERE name IN ('row -4', 'row 2')";
    assert_ne!(same_answers(&snapshot, texts).await, ["0"]);
}

async fn told(snapshot: &Arc<Snapshot>, condition: &str) -> String {
    let context = session(snapshot, true);
    let table = snapshot.tiled_table(&public("t")).unwrap();
    let columns: Vec<usize> = (0..table.table().columns.len()).collect();
    let table = HatsTable::new(Arc::clone(table), &columns).unwrap();
    let frame = context.sql(&format!("SELECT * FROM public.t WHERE {condition}")).await.unwrap();
    let plan = frame.into_optimized_plan().unwrap();
    let mut filters = Vec::new();
    plan.apply(|node| {
        if let LogicalPlan::TableScan(scan) = node {
            filters.extend(scan.filters.clone());
        }
        Ok(TreeNodeRecursion::Continue)
    })
    .unwrap();
    explain_lookup(&table, &context.runtime_env(), &filters).await.join("\n")
}

#[tokio::test]
async fn it_is_told_what_was_looked_up() {
    let (folder, snapshot) = written(1, 131_072).await;
    let count = holding(&folder.path().join("t/t"), &[-900, -893]).len();
    let line = format!("public.t: id index of id: 3 ids lead to {count} tiles");
    let found = told(&snapshot, "id IN (-900, -893, 1)").await;
    assert!(found.starts_with(&line), "{found}");
    assert_eq!(told(&snapshot, "mag > 3").await, "");
    // Pages of ten rows.
    let (_folder, snapshot) = written(1, 40).await;
    let found = told(&snapshot, "id = -900").await;
    assert!(found.ends_with("1 id leads to 1 tiles (10 of its 3000 rows were read)"), "{found}");
}

/// Every answer is right, and no index was used for the reason that is told.
async fn unused(folder: &Path, reason: &str) {
    let snapshot = open(folder).await;
    let text = "SELECT id, ra FROM t WHERE id = -900";
    let found = same_answers(&snapshot, text).await;
    assert_eq!(found.len(), 1);
    let told = told(&snapshot, "id = -900").await;
    assert!(told.contains("is not used") && told.contains(reason), "{reason}: {told}");
    let total = snapshot.tiled_table(&public("t")).unwrap().manifest().len();
    assert_eq!(opened(&snapshot, text).await.len(), total, "{reason}");
}

fn replace(file: &Path, from: &str, to: &str) {
    let text = fs::read_to_string(file).unwrap();
    assert!(text.contains(from), "{from} in {text}");
    fs::write(file, text.replace(from, to)).unwrap();
}

fn parts(index: &Path) -> Vec<PathBuf> {
    let files = files(&index.join("dataset")).into_iter();
    files.filter(|file| file.extension().is_some_and(|ending| ending == "parquet")).collect()
}

#[tokio::test]
async fn an_index_that_is_not_of_the_table_is_not_used() {
    let (folder, _) = written(1, 131_072).await;
    let root = folder.path();
    let (table, index) = (root.join("t/t"), root.join("t/t_id"));
    for name in ["hats.properties", "properties"] {
        replace(&index.join(name), "hats_nrows=3000", "hats_nrows=3001");
    }
    unused(root, "it has 3000 rows, and its properties say 3001").await;
    for name in ["hats.properties", "properties"] {
        replace(
            &index.join(name),
            "hats_nrows=3001",
            "hats_nrows=3000\nhats_creation_date=2025-01-01T10:00UTC",
        );
        replace(
            &table.join(name),
            "hats_nrows=3000",
            "hats_nrows=3000\nhats_creation_date=2025-01-02T10:00UTC",
        );
    }
    unused(root, "made at 2025-01-01T10:00UTC, and its table at 2025-01-02T10:00UTC").await;
    for name in ["hats.properties", "properties"] {
        replace(&index.join(name), "2025-01-01", "2025-01-03");
    }
    let whole = fs::read(&parts(&index)[0]).unwrap();
    fs::write(&parts(&index)[0], &whole[..whole.len() - 9]).unwrap();
    unused(root, "part.0.parquet").await;
    fs::remove_file(&parts(&index)[0]).unwrap();
    unused(root, "it has 0 rows").await;
    // That of another table, with as many rows.
    let other = tempfile::tempdir().unwrap();
    let moved: Vec<Row> =
        rows(3_000).into_iter().map(|r| Row { id: r.id * 7 - 900, dec: -r.dec, ..r }).collect();
    let options = WriteOptions { kind: TableKind::Source, tile_rows: 37, ..options(other.path()) };
    write(options, &moved).unwrap();
    fs::copy(&parts(&other.path().join("t/t_id"))[0], index.join("dataset/index/part.0.parquet"))
        .unwrap();
    unused(root, "which the table has not").await;
}

/// The pixels of the tiles of another's table that hold rows with one of these ids.
fn holding_in(table: &Path, column: &str, ids: &[i64]) -> BTreeSet<String> {
    let dataset = table.join("dataset");
    let mut pixels = BTreeSet::new();
    for file in files(&dataset) {
        let name = file.strip_prefix(&dataset).unwrap().to_string_lossy().into_owned();
        let Some(pixel) = tile_pixel(&name) else { continue };
        let holds = read(&file).iter().any(|batch| {
            let values = batch.column_by_name(column).unwrap().as_primitive::<Int64Type>();
            values.iter().flatten().any(|value| ids.contains(&value))
        });
        if holds {
            pixels.insert(pixel.to_string());
        }
    }
    pixels
}

#[tokio::test]
async fn indexes_of_hats_import_are_used() {
    let Some(shared) = shared() else { return };
    let snapshot = open(&shared).await;
    let tables = [
        ("small_sky_order1_collection", "small_sky_order1", "id"),
        ("small_sky_order1_source_collection", "small_sky_order1_source", "object_id"),
    ];
    for (name, primary, column) in tables {
        let folder = shared.join(name).join(primary);
        let mut narrowed = 0;
        for ids in [&[707_i64][..], &[700, 701, 830], &[4], &[704, 705, 706, 707, 708, 709]] {
            let expected = holding_in(&folder, column, ids);
            let text = format!("SELECT * FROM {name} WHERE {column} IN ({})", list(ids));
            let found = same_answers(&snapshot, &text).await;
            assert_eq!(found.is_empty(), expected.is_empty(), "{text}");
            assert_eq!(opened(&snapshot, &text).await, expected, "{text}");
            narrowed += usize::from(expected.len() < 4);
        }
        assert!(narrowed > 1, "{name}");
    }
    let text = "SELECT * FROM small_sky_order1_source_collection WHERE band = 'none'";
    assert!(opened(&snapshot, text).await.is_empty());
}
