//! What a query will touch, and why, in words: the pages of `armilla explain`.
//!
//! Tiles come from the manifest, row groups from the footers of the touched tiles where this node
//! may open them; `analyze` runs the query and counts.

use std::borrow::Cow;
use std::fmt::Write as _;
use std::sync::Arc;
use std::time::Instant;

use adql::rewrite::describe_motion;
use adql::sky::Pixel;
use catalog::lookup::explain_lookup;
use catalog::{HatsTable, ScanOptions, Snapshot};
use datafusion::common::tree_node::{TreeNode, TreeNodeRecursion};
use datafusion::datasource::physical_plan::FileGroup;
use datafusion::datasource::source::DataSourceExec;
use datafusion::datasource::source_as_provider;
use datafusion::logical_expr::LogicalPlan;
use datafusion::physical_plan::{ExecutionPlan, ExecutionPlanProperties, execute_stream};
use futures::TryStreamExt;
use object_store::ObjectStore;
use worker::cross_match::{CrossMatchExec, estimated_bytes};
use worker::ranged_scan::{MarginFiles, RangedScanExec};

use crate::engine::Planned;
use crate::plan::slots::{Slots, tile, tile_scan};
use crate::{Error, distributed};

/// Of a line of the plan so many characters are shown.
const LINE_CHARS_MAX: usize = 2_000;

/// Describes the scans of a planned query and its stages.
///
/// # Errors
/// When the footer of a tile cannot be read.
pub async fn describe(
    planned: &Planned,
    snapshot: &Snapshot,
    footers: Option<&Arc<dyn ObjectStore>>,
) -> Result<String, Error> {
    let mut text = String::new();
    for line in regions(&planned.optimized) {
        push_line(&mut text, &line);
    }
    for line in lookups(planned).await {
        push_line(&mut text, &line);
    }
    let slots = distributed::slots(&planned.state);
    for line in cross_matches(&planned.physical, snapshot, slots.as_deref()) {
        push_line(&mut text, &line);
    }
    for scan in scans(&planned.physical) {
        push_line(&mut text, &report(&scan, snapshot, footers).await?);
    }
    for line in distributed::display(planned.physical.as_ref()).lines() {
        push_line(&mut text, &shortened(line));
    }
    Ok(text)
}

/// A line without what is beyond some screens of it: a list may have a hundred thousand values.
fn shortened(line: &str) -> Cow<'_, str> {
    match line.char_indices().nth(LINE_CHARS_MAX) {
        None => line.into(),
        Some((cut, _)) => {
            let more = line.len() - cut;
            format!("{} … ({more} bytes more)", &line[..cut]).into()
        }
    }
}

/// What the id indexes said of the filters of scans.
async fn lookups(planned: &Planned) -> Vec<String> {
    let prunes = planned.state.config().get_extension::<ScanOptions>().is_none_or(|o| o.prune);
    if !prunes {
        return Vec::new();
    }
    let mut filtered = Vec::new();
    let walked = planned.optimized.apply_with_subqueries(|node| {
        if let LogicalPlan::TableScan(scan) = node
            && let Ok(provider) = source_as_provider(&scan.source)
        {
            filtered.push((provider, scan.filters.clone()));
        }
        Ok(TreeNodeRecursion::Continue)
    });
    debug_assert!(walked.is_ok(), "collecting nodes does not fail");
    let mut lines = Vec::new();
    for (provider, filters) in filtered {
        if let Some(table) = provider.downcast_ref::<HatsTable>() {
            let runtime = planned.state.runtime_env();
            lines.extend(explain_lookup(table, runtime, &filters).await);
        }
    }
    lines
}

/// What one scan will touch: row groups and rows too where this node may open tiles.
async fn report(
    scan: &Arc<dyn ExecutionPlan>,
    snapshot: &Snapshot,
    footers: Option<&Arc<dyn ObjectStore>>,
) -> Result<String, Error> {
    if let (Some(store), Some(source)) = (footers, scan.downcast_ref::<DataSourceExec>()) {
        let report = catalog::explain::explain_scan(source, snapshot, store).await;
        if let Some(report) = report.map_err(Error::Execution)? {
            return Ok(report.to_string());
        }
    }
    let files = tile_scan(scan).map_or(0, |scan| scan.file_groups.iter().map(FileGroup::len).sum());
    Ok(format!("scan of {files} files of tiles; their row groups are known to the workers"))
}

/// Executes the query and tells what it did.
///
/// # Errors
/// When the query fails.
pub async fn analyze(planned: &Planned) -> Result<String, Error> {
    let tested_before = adql::function::in_region::exact_tests();
    let start = Instant::now();
    let context = planned.task_context();
    let stream = execute_stream(Arc::clone(&planned.physical), context);
    let mut stream = stream.map_err(Error::Execution)?;
    let mut rows = 0;
    while let Some(batch) = stream.try_next().await.map_err(Error::Execution)? {
        rows += batch.num_rows();
    }
    let tested = adql::function::in_region::exact_tests() - tested_before;
    let mut text = String::new();
    let seconds = start.elapsed().as_secs_f64();
    push_line(&mut text, &format!("answered {rows} rows in {seconds:.3} s"));
    push_line(&mut text, &format!("positions tested exactly by this process: {tested}"));
    for scan in scans(&planned.physical) {
        push_line(&mut text, &measured(&scan));
    }
    Ok(text)
}

/// Metrics of a scan that tell what was read and what was spared.
const MEASURED: [&str; 7] = [
    "row_groups_pruned_statistics",
    "row_groups_pruned_bloom_filter",
    "page_index_rows_pruned",
    "pushdown_rows_matched",
    "pushdown_rows_pruned",
    "bytes_scanned",
    "output_rows",
];

fn measured(scan: &Arc<dyn ExecutionPlan>) -> String {
    let mut text = "scan".to_owned();
    let Some(metrics) = scan.metrics() else { return text };
    for metric in metrics.aggregate_by_name().iter() {
        let value = metric.value();
        if MEASURED.contains(&value.name()) {
            // Writing to a String cannot fail.
            let _ = write!(text, "  {}={}", value.name(), value);
        }
    }
    text
}

fn scans(plan: &Arc<dyn ExecutionPlan>) -> Vec<Arc<dyn ExecutionPlan>> {
    let mut scans = Vec::new();
    let walked = plan.apply(|node| {
        let leaf = distributed::original_leaf(node).unwrap_or(node);
        if tile_scan(leaf).is_some() && leaf.is::<DataSourceExec>() {
            scans.push(Arc::clone(leaf));
        }
        Ok(TreeNodeRecursion::Continue)
    });
    debug_assert!(walked.is_ok(), "collecting nodes does not fail");
    scans
}

/// How each join by position is evaluated: which of its sides is kept in memory, and whether a piece
/// of the sky at a time.
fn cross_matches(
    plan: &Arc<dyn ExecutionPlan>,
    snapshot: &Snapshot,
    slots: Option<&Slots>,
) -> Vec<String> {
    let mut lines = Vec::new();
    let walked = plan.apply(|node| {
        if let Some(operator) = node.downcast_ref::<CrossMatchExec>() {
            let join = operator.join();
            let [built, streamed] = [join.left(), join.right()].map(|side| tables(side, snapshot));
            let how = if operator.is_in_pieces() {
                let pieces = join.left().output_partitioning().partition_count();
                let on = if slots.is_some() { " on each worker" } else { "" };
                let fetched = slots.map_or(0, |slots| fetched(join.left(), slots));
                let mut border = match margins(join.left(), snapshot).as_slice() {
                    [] => String::new(),
                    margins => format!("; along borders rows of {}", margins.join(" and ")),
                };
                if fetched > 0 {
                    // Writing to a String cannot fail.
                    let _ =
                        write!(border, "; along borders {fetched} tiles of other workers are read");
                }
                format!(
                    "in up to {pieces} pieces of the sky{on}: builds what of {built} may be near \
                     to each, streams {streamed} past it{border}"
                )
            } else {
                let size = estimated_bytes(join.left());
                let size = size.map_or_else(
                    || "of unknown size".to_owned(),
                    |bytes| format!("about {bytes} B"),
                );
                format!("builds {built} ({size}), streams {streamed} past it")
            };
            let (kind, nearness) = (join.join_type(), operator.nearness());
            lines.push(format!("cross-match ({kind}), distance {nearness}: {how}"));
        }
        Ok(TreeNodeRecursion::Continue)
    });
    debug_assert!(walked.is_ok(), "collecting nodes does not fail");
    lines
}

/// How many files of tiles a part of a plan reads where they do not lie.
fn fetched(plan: &Arc<dyn ExecutionPlan>, slots: &Slots) -> usize {
    let mut fetched = 0;
    let walked = plan.apply(|node| {
        for (slot, leaf) in distributed::leaf_variants(node).unwrap_or_default().iter().enumerate()
        {
            for scan in scans(leaf) {
                let pixels = files(&scan).into_iter().map(|(_, pixel)| pixel);
                fetched += pixels.filter(|pixel| !slots.holds(slot, *pixel)).count();
            }
        }
        Ok(TreeNodeRecursion::Continue)
    });
    debug_assert!(walked.is_ok(), "collecting nodes does not fail");
    fetched
}

/// Of each file of a scan of tiles the folder and the pixel.
fn files(scan: &Arc<dyn ExecutionPlan>) -> Vec<(&str, Pixel)> {
    let files = tile_scan(scan).into_iter().flat_map(|scan| &scan.file_groups);
    files
        .flat_map(FileGroup::iter)
        .filter_map(|file| tile(&file.object_meta.location).ok())
        .collect()
}

/// The margins that a part of a plan reads.
fn margins(plan: &Arc<dyn ExecutionPlan>, snapshot: &Snapshot) -> Vec<String> {
    let mut names = Vec::new();
    let walked = plan.apply(|node| {
        let variants = distributed::leaf_variants(node).unwrap_or_default();
        for scan in variants.iter().chain([node]) {
            let ranged = scan.downcast_ref::<RangedScanExec>();
            let Some(ranged) = ranged else { continue };
            let read = files(ranged.scan());
            let is_read = |margin: &&MarginFiles| {
                let mut folders = read.iter().map(|(folder, _)| folder);
                folders.any(|folder| *folder == margin.folder)
            };
            let Some(margin) = ranged.margin().filter(is_read) else { continue };
            let margins = snapshot.tiled_tables().iter().flat_map(|table| table.margins());
            let margin = margins.into_iter().find(|found| found.path() == margin.folder);
            let name = margin.map(|margin| {
                format!("the margin {} ({} arcsec)", margin.path(), margin.threshold_arcsec())
            });
            names.extend(name.filter(|name| !names.contains(name)));
        }
        Ok(TreeNodeRecursion::Continue)
    });
    debug_assert!(walked.is_ok(), "collecting nodes does not fail");
    names
}

/// The names of the tables whose tiles a part of a plan reads.
fn tables(plan: &Arc<dyn ExecutionPlan>, snapshot: &Snapshot) -> String {
    let mut names = Vec::new();
    for scan in scans(plan) {
        // Some files may be those of a margin.
        let mut folders = files(&scan).into_iter().map(|(folder, _)| folder);
        let table = folders.find_map(|folder| snapshot.table_of_path(folder));
        let name = table.map_or_else(|| "no tile".to_owned(), |table| table.name().to_string());
        if !names.contains(&name) {
            names.push(name);
        }
    }
    if names.is_empty() { "rows of no tile".to_owned() } else { names.join(" and ") }
}

/// The regions of the sky that the scans of a plan are restricted to, and how far stars move that
/// are asked for at another epoch.
fn regions(plan: &LogicalPlan) -> Vec<String> {
    let mut lines = Vec::new();
    let walked = plan.apply_with_subqueries(|node| {
        if let LogicalPlan::TableScan(scan) = node {
            for region in adql::rewrite::describe(&scan.filters) {
                lines.push(format!("{}: {region}", scan.table_name));
            }
            let provider = source_as_provider(&scan.source).ok();
            let table = provider.as_ref().and_then(|provider| provider.downcast_ref::<HatsTable>());
            if let Some(table) = table.map(HatsTable::tiled_table)
                && let Some(positions) = &table.table().positions
            {
                let range_of = |column: &str| table.range(column);
                for motion in describe_motion(&scan.filters, positions, &range_of) {
                    lines.push(format!("{}: {motion}", scan.table_name));
                }
            }
        }
        Ok(TreeNodeRecursion::Continue)
    });
    debug_assert!(walked.is_ok(), "collecting nodes does not fail");
    lines
}

fn push_line(text: &mut String, line: &str) {
    text.push_str(line.trim_end());
    text.push('\n');
}
