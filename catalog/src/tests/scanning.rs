//! What scans look like: groups of files, filters inside the reader, statistics, reports.

use std::sync::Arc;

use datafusion::catalog::TableProvider;
use datafusion::common::Statistics;
use datafusion::common::stats::Precision;
use datafusion::datasource::physical_plan::{FileGroup, FileScanConfig, FileSource, ParquetSource};
use datafusion::physical_plan::statistics::{StatisticsArgs, StatisticsContext};
use datafusion::physical_plan::{ExecutionPlan, collect};
use datafusion::prelude::{col, lit};

use super::fixture::{
    Shape, answer, nodes, open, plan, public, rows, scans, session, within, write_table,
};
use crate::explain::{ScanReport, explain_scan};
use crate::{HatsTable, Snapshot, tile_of_path};

/// A table of 12 tiles with many row groups and pages.
async fn written(count: i64) -> (tempfile::TempDir, Arc<Snapshot>) {
    let folder = tempfile::tempdir().unwrap();
    let shape = Shape { order: 0, ..Shape::default() };
    write_table(&folder.path().join("t"), &shape, &rows(count));
    let snapshot = open(folder.path()).await;
    (folder, snapshot)
}

fn config(plan: &Arc<dyn ExecutionPlan>) -> FileScanConfig {
    let scan = scans(plan).remove(0);
    scan.data_source().downcast_ref::<FileScanConfig>().unwrap().clone()
}

fn statistics_of(plan: &dyn ExecutionPlan) -> Arc<Statistics> {
    StatisticsContext::new().compute(plan, &StatisticsArgs::new()).unwrap()
}

#[tokio::test]
async fn filters_run_inside_the_reader() {
    let (_folder, snapshot) = written(2_000).await;
    let context = session(&snapshot, true);
    for condition in [within(10.0, 10.0, 3.0), "mag < 12".to_owned(), "name = 'row 7'".to_owned()] {
        let plan = plan(&context, &format!("SELECT id FROM public.t WHERE {condition}")).await;
        let names = nodes(&plan);
        assert!(!names.contains(&"FilterExec".to_owned()), "{condition}: {names:?}");
        let config = config(&plan);
        let source = config.file_source().downcast_ref::<ParquetSource>().unwrap();
        assert!(source.filter().is_some(), "{condition}");
        let options = &source.table_parquet_options().global;
        assert!(options.pushdown_filters && options.enable_page_index && options.pruning);
    }
}

#[tokio::test]
async fn a_scan_has_two_groups_at_least_and_each_file_once() {
    let (_folder, snapshot) = written(2_000).await;
    let context = session(&snapshot, true);
    for condition in ["1 = 1".to_owned(), within(10.0, 10.0, 0.1), "ra > 500".to_owned()] {
        let plan = plan(&context, &format!("SELECT id FROM public.t WHERE {condition}")).await;
        for scan in scans(&plan) {
            let config = scan.data_source().downcast_ref::<FileScanConfig>().unwrap();
            assert!(config.file_groups.len() >= 2, "{condition}");
            let files = config.file_groups.iter().flat_map(FileGroup::files);
            let mut paths: Vec<_> = files.map(|f| f.path().clone()).collect();
            assert!(paths.iter().all(|p| tile_of_path(p).is_some()));
            let count = paths.len();
            paths.dedup();
            assert_eq!(paths.len(), count);
        }
    }
}

#[tokio::test]
async fn groups_are_runs_of_about_equal_bytes() {
    let (_folder, snapshot) = written(6_000).await;
    let config = config(&plan(&session(&snapshot, true), "SELECT id FROM public.t").await);
    let bytes: Vec<u64> = config
        .file_groups
        .iter()
        .map(|g| g.files().iter().map(|f| f.object_meta.size).sum())
        .collect();
    assert_eq!(bytes.len(), 2);
    assert!(bytes[0].abs_diff(bytes[1]) * 4 < bytes[0] + bytes[1], "{bytes:?}");
}

#[tokio::test]
async fn statistics_are_rows_of_whole_scans_and_nothing_of_columns() {
    let (_folder, snapshot) = written(2_000).await;
    let context = session(&snapshot, true);
    let table = Arc::clone(snapshot.tiled_table(&public("t")).unwrap());
    let provider = HatsTable::new(table, &[0, 5]).unwrap();
    let state = context.state();
    let scan = provider.scan(&state, None, &[], None).await.unwrap();
    let statistics = statistics_of(scan.as_ref());
    assert_eq!(statistics.num_rows, Precision::Exact(2_000));
    for column in &statistics.column_statistics {
        assert_eq!(column.min_value, Precision::Absent);
        assert_eq!(column.max_value, Precision::Absent);
        assert_eq!(column.null_count, Precision::Absent);
    }
    let filtered = plan(&context, "SELECT id FROM public.t WHERE mag < 12").await;
    let rows = statistics_of(&scans(&filtered)[0]).num_rows;
    assert!(!matches!(rows, Precision::Exact(_)), "{rows:?}");
    let counted = plan(&context, "SELECT count(*) FROM public.t").await;
    assert!(scans(&counted).is_empty(), "{:?}", nodes(&counted));
}

#[tokio::test]
async fn narrow_schemas_read_wide_files_in_any_order() {
    let (_folder, snapshot) = written(300).await;
    let context = session(&snapshot, true);
    let table = Arc::clone(snapshot.tiled_table(&public("t")).unwrap());
    // name, id: neither the first nor the last of the file's columns, nor in its order.
    let provider = HatsTable::new(table, &[4, 0]).unwrap();
    context.register_table("narrow", Arc::new(provider)).unwrap();
    let found = answer(&context, "SELECT id, name FROM narrow WHERE name LIKE '%99'").await;
    assert_eq!(found, ["199|row 199", "299|row 299", "99|row 99"]);
}

async fn report(snapshot: &Arc<Snapshot>, sql: &str) -> ScanReport {
    let plan = plan(&session(snapshot, true), sql).await;
    let scan = &scans(&plan)[0];
    explain_scan(scan, snapshot, snapshot.store()).await.unwrap().unwrap()
}

#[tokio::test]
async fn a_report_counts_tiles_row_groups_and_rows() {
    let (_folder, snapshot) = written(24_000).await;
    let all = report(&snapshot, "SELECT id FROM public.t").await;
    assert_eq!((all.tiles, all.tiles_total), (12, 12));
    assert_eq!((all.rows, all.rows_total), (24_000, Some(24_000)));
    assert!(all.row_groups == all.row_groups_total && all.row_groups > 40, "{all}");
    let sql = format!("SELECT id FROM public.t WHERE {}", within(45.0, 20.0, 0.5));
    let few = report(&snapshot, &sql).await;
    assert!(few.tiles == 1 && few.row_groups < few.row_groups_total, "{few}");
    assert!(few.rows < 500, "the page index excludes pages: {few}");
    let text = few.to_string();
    assert!(text.starts_with("public.t: 1 of 12 tiles, "), "{text}");
    assert!(text.contains("11 tiles lie outside"), "{text}");
    assert!(text.contains("the page index excludes"), "{text}");
}

#[tokio::test]
async fn the_reader_touches_no_more_rows_than_the_report_says() {
    let (_folder, snapshot) = written(24_000).await;
    let context = session(&snapshot, true);
    let sql = format!("SELECT id FROM public.t WHERE {}", within(45.0, 20.0, 0.5));
    let plan = plan(&context, &sql).await;
    collect(Arc::clone(&plan), context.task_ctx()).await.unwrap();
    let metrics = scans(&plan)[0].metrics().unwrap();
    let sum = |name: &str| metrics.sum_by_name(name).map_or(0, |v| v.as_usize());
    let tested = sum("pushdown_rows_pruned") + sum("pushdown_rows_matched");
    let expected = report(&snapshot, &sql).await;
    assert!(expected.rows > 0);
    // Each of the predicates of a scan counts the rows that it tests.
    assert!(tested > 0 && tested as u64 <= expected.rows * 4, "{tested} {expected}");
}

#[tokio::test]
async fn a_report_of_nothing_says_why() {
    let (_folder, snapshot) = written(300).await;
    let table = Arc::clone(snapshot.tiled_table(&public("t")).unwrap());
    let provider = HatsTable::new(table, &[0, 5]).unwrap();
    let state = session(&snapshot, true).state();
    let never = [col("_healpix_29").lt(lit(0_i64))];
    let scan = provider.scan(&state, None, &never, None).await.unwrap();
    let scan = scans(&scan).remove(0);
    let report = explain_scan(&scan, &snapshot, snapshot.store()).await.unwrap().unwrap();
    assert_eq!((report.tiles, report.rows), (0, 0));
    assert!(report.to_string().starts_with("no tile\n"), "{report}");
}
