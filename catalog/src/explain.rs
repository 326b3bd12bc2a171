//! What a scan will touch, and why: tiles, row groups and rows, for `armilla explain`.
//!
//! The footers of the touched tiles are opened and judged as the Parquet reader will judge them
//! when it opens them for the query: statistics of row groups, then the page index. Bloom filters
//! are left to the reader, so the counts are upper bounds.

use std::collections::BTreeSet;
use std::fmt;
use std::sync::Arc;

use adql::TableName;
use datafusion::arrow::datatypes::SchemaRef;
use datafusion::datasource::listing::PartitionedFile;
use datafusion::datasource::physical_plan::parquet::metadata::DFParquetMetadata;
use datafusion::datasource::physical_plan::parquet::{
    PagePruningAccessPlanFilter, ParquetAccessPlan, RowGroupAccess, RowGroupAccessPlanFilter,
    apply_file_schema_type_coercions,
};
use datafusion::datasource::physical_plan::{
    FileGroup, FileScanConfig, FileSource, ParquetFileMetrics, ParquetSource,
};
use datafusion::datasource::source::DataSourceExec;
use datafusion::error::Result;
use datafusion::parquet::arrow::parquet_to_arrow_schema;
use datafusion::parquet::file::metadata::{PageIndexPolicy, ParquetMetaData};
use datafusion::physical_expr::simplifier::PhysicalExprSimplifier;
use datafusion::physical_expr_adapter::{
    DefaultPhysicalExprAdapterFactory, PhysicalExprAdapterFactory,
};
use datafusion::physical_optimizer::pruning::PruningPredicateBuilder;
use datafusion::physical_plan::PhysicalExpr;
use datafusion::physical_plan::metrics::ExecutionPlanMetricsSet;
use futures::{StreamExt, TryStreamExt};
use object_store::ObjectStore;

use crate::hats::tile_of_path;
use crate::scan::TILE_STORE;
use crate::snapshot::Snapshot;

/// Footers that are read at the same time.
const CONCURRENCY: usize = 16;

/// What one scan will touch.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct ScanReport {
    /// The table; unknown when no tile is touched.
    pub table: Option<TableName>,
    /// Tiles that are read.
    pub tiles: usize,
    /// Tiles of the table.
    pub tiles_total: usize,
    /// Row groups of those tiles that are read.
    pub row_groups: usize,
    /// Row groups of those tiles.
    pub row_groups_total: usize,
    /// Rows in the row groups and pages that are read: as many can be tested or returned.
    pub rows: u64,
    /// Rows of the table, where they are known.
    pub rows_total: Option<u64>,
    /// Why not more, one sentence for each cause.
    pub reasons: Vec<String>,
}

/// What one file adds to a report.
#[derive(Debug, Default)]
struct FileReport {
    row_groups: usize,
    row_groups_total: usize,
    rows_total: u64,
    rows_in_groups: u64,
    rows: u64,
}

/// Reports on a scan of tiles; `None` for a scan of anything else.
///
/// The tiles are read from `store`, in which they lie under the paths that the plan names.
pub async fn explain_scan(
    scan: &DataSourceExec,
    snapshot: &Snapshot,
    store: &Arc<dyn ObjectStore>,
) -> Result<Option<ScanReport>> {
    let Some(config) = scan.data_source().downcast_ref::<FileScanConfig>() else {
        return Ok(None);
    };
    let source = config.file_source().downcast_ref::<ParquetSource>();
    let Some(source) = source.filter(|_| config.object_store_url.as_str() == TILE_STORE) else {
        return Ok(None);
    };
    let mut files = distinct_files(config);
    let table_of = |file: &&PartitionedFile| snapshot.table_of_path(tile_of_path(file.path())?.0);
    let table = files.iter().find_map(table_of);
    // Others are those of a margin.
    files.retain(|file| table_of(file).is_some());
    let names: BTreeSet<(&str, adql::sky::Pixel)> =
        files.iter().filter_map(|f| tile_of_path(f.path())).collect();
    let reports: Vec<FileReport> = futures::stream::iter(files)
        .map(|file| async move { report_file(file, source, config, store).await })
        .buffer_unordered(CONCURRENCY)
        .try_collect()
        .await?;
    let sum = |part: fn(&FileReport) -> usize| reports.iter().map(part).sum::<usize>();
    let mut report = ScanReport {
        table: table.map(|t| t.name().clone()),
        tiles: names.len(),
        tiles_total: table.map_or(0, |t| t.manifest().len()),
        row_groups: sum(|f| f.row_groups),
        row_groups_total: sum(|f| f.row_groups_total),
        rows: reports.iter().map(|f| f.rows).sum(),
        rows_total: table.and_then(|t| t.rows()),
        reasons: Vec::new(),
    };
    report.reasons = reasons(&report, &reports);
    Ok(Some(report))
}

/// The files of a scan, each once, whatever ranges of it partitions read.
fn distinct_files(config: &FileScanConfig) -> Vec<&PartitionedFile> {
    let mut seen = BTreeSet::new();
    let files = config.file_groups.iter().flat_map(FileGroup::files);
    files.filter(|file| seen.insert(file.path())).collect()
}

fn reasons(report: &ScanReport, files: &[FileReport]) -> Vec<String> {
    let mut reasons = Vec::new();
    if report.table.is_none() {
        reasons.push("no tile can hold what the query asks for".to_owned());
        return reasons;
    }
    let tiles = report.tiles_total.saturating_sub(report.tiles);
    if tiles > 0 {
        reasons.push(format!("{tiles} tiles lie outside of what is asked for"));
    }
    let groups = report.row_groups_total - report.row_groups;
    if groups > 0 {
        let rows: u64 = files.iter().map(|f| f.rows_total - f.rows_in_groups).sum();
        reasons.push(format!("statistics exclude {groups} row groups with {rows} rows"));
    }
    let rows: u64 = files.iter().map(|f| f.rows_in_groups - f.rows).sum();
    if rows > 0 {
        reasons.push(format!("the page index excludes {rows} rows more"));
    }
    reasons
}

async fn report_file(
    file: &PartitionedFile,
    source: &ParquetSource,
    config: &FileScanConfig,
    store: &Arc<dyn ObjectStore>,
) -> Result<FileReport> {
    let metadata = DFParquetMetadata::new(store.as_ref(), &file.object_meta)
        .with_page_index_policy(Some(PageIndexPolicy::Optional))
        .fetch_metadata()
        .await
        .map_err(|e| e.context(format!("cannot read the footer of tile {}", file.path())))?;
    let groups = metadata.row_groups();
    let plan = access_plan(&metadata, source, config.file_schema())?;
    let mut report = FileReport { row_groups_total: groups.len(), ..FileReport::default() };
    for (access, group) in plan.inner().iter().zip(groups) {
        let rows = u64::try_from(group.num_rows()).unwrap_or(0);
        report.rows_total += rows;
        if access.should_scan() {
            report.row_groups += 1;
            report.rows_in_groups += rows;
        }
        report.rows += match access {
            RowGroupAccess::Skip => 0,
            RowGroupAccess::Scan => rows,
            RowGroupAccess::Selection(selection) => selection.row_count() as u64,
        };
    }
    Ok(report)
}

/// What the Parquet reader will read of a file with this footer.
fn access_plan(
    metadata: &ParquetMetaData,
    source: &ParquetSource,
    table_schema: &SchemaRef,
) -> Result<ParquetAccessPlan> {
    let all = ParquetAccessPlan::new_all(metadata.num_row_groups());
    let options = &source.table_parquet_options().global;
    let Some(predicate) = source.filter().filter(|_| options.pruning) else { return Ok(all) };
    let file = metadata.file_metadata();
    let descriptor = file.schema_descr();
    let written = parquet_to_arrow_schema(descriptor, file.key_value_metadata())?;
    let schema: SchemaRef =
        apply_file_schema_type_coercions(table_schema, &written).unwrap_or(written).into();
    let predicate = adapted(predicate, table_schema, &schema)?;
    let metrics = ParquetFileMetrics::new(0, "", &ExecutionPlanMetricsSet::new());
    let mut groups = RowGroupAccessPlanFilter::new(all);
    let pruning = PruningPredicateBuilder::new()
        .with_file_schema(Arc::clone(&schema))
        .with_max_in_list_size(source.max_in_list_size());
    if let Ok(pruning) = pruning.try_build(Arc::clone(&predicate)) {
        let rows = metadata.row_groups();
        groups.prune_by_statistics(&schema, descriptor, rows, &pruning, &metrics);
    }
    let plan = groups.build();
    if !options.enable_page_index {
        return Ok(plan);
    }
    let pages = PagePruningAccessPlanFilter::new(&predicate, Arc::clone(&schema));
    Ok(pages.prune_plan_with_page_index(plan, &schema, descriptor, metadata, &metrics))
}

/// The predicate in terms of the columns of one file.
fn adapted(
    predicate: Arc<dyn PhysicalExpr>,
    table_schema: &SchemaRef,
    schema: &SchemaRef,
) -> Result<Arc<dyn PhysicalExpr>> {
    let adapter =
        DefaultPhysicalExprAdapterFactory.create(Arc::clone(table_schema), Arc::clone(schema))?;
    PhysicalExprSimplifier::new(schema).simplify(adapter.rewrite(predicate)?)
}

impl fmt::Display for ScanReport {
    /// One line of counts, then one for each reason.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.table {
            None => write!(f, "no tile")?,
            Some(table) => {
                let Self { tiles, tiles_total, row_groups, row_groups_total, rows, .. } = self;
                write!(f, "{table}: {tiles} of {tiles_total} tiles")?;
                write!(f, ", {row_groups} of their {row_groups_total} row groups")?;
                match self.rows_total {
                    Some(total) => write!(f, ", at most {rows} of {total} rows")?,
                    None => write!(f, ", at most {rows} rows")?,
                }
            }
        }
        self.reasons.iter().try_for_each(|reason| write!(f, "\n  {reason}"))
    }
}
