//! From the filters of a query to the leaf of its plan: tiles, groups of files, and the predicate
//! by which the Parquet reader prunes row groups and pages.
//!
//! The leaf is DataFusion's own `DataSourceExec` over `shard://tiles/`, so that it travels to
//! workers without a codec of ours. It always has at least two groups of files: with one, an
//! aggregate above it becomes `mode=Single`, and several tasks would each deliver a part of the
//! answer as the whole (engine.md T6). No ordering, no partitioning and no statistics of columns
//! are declared.

use std::collections::BTreeSet;
use std::ops::Range;
use std::sync::Arc;

use adql::function::scalar_functions;
use adql::rewrite::{MovedRegion, coverage_of, moved_regions, prune_only};
use adql::sky::Coverage;
use datafusion::arrow::array::temporal_conversions::timestamp_ns_to_datetime;
use datafusion::arrow::datatypes::{Field, Schema};
use datafusion::catalog::Session;
use datafusion::common::config::TableParquetOptions;
use datafusion::common::{DFSchema, Statistics};
use datafusion::datasource::listing::PartitionedFile;
use datafusion::datasource::physical_plan::parquet::ParquetFileReaderFactory;
use datafusion::datasource::physical_plan::{
    FileGroup, FileGroupPartitioner, FileScanConfigBuilder, ParquetSource,
};
use datafusion::datasource::source::DataSourceExec;
use datafusion::error::{DataFusionError, Result};
use datafusion::execution::object_store::ObjectStoreUrl;
use datafusion::logical_expr::expr_rewriter::unnormalize_col;
use datafusion::logical_expr::{Expr, ident};
use datafusion::physical_expr::PhysicalExpr;
use datafusion::physical_expr::expressions::Column;
use datafusion::physical_plan::ExecutionPlan;
use datafusion::physical_plan::projection::{ProjectionExec, ProjectionExpr};

use crate::Error;
use crate::estimate::{self, Filtered};
use crate::far::FarReaders;
use crate::indexed::IndexedReaders;
use crate::lookup;
use crate::part::Part;
use crate::prune::touched_tiles;
use crate::table::TiledTable;
use crate::tile::Manifest;

/// The store in which every plan finds its tiles; each node registers its own under this URL.
pub const TILE_STORE: &str = "shard://tiles/";

/// Groups of files that every scan has at least.
pub(crate) const LEAST_GROUPS: usize = 2;

/// Up to so many files in each group are split where they are large.
const FILES_WORTH_SPLITTING: usize = 16;

/// How a session scans, as an extension of its configuration.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ScanOptions {
    /// Whether coverage and statistics leave out tiles, row groups and pages. Off, every row is
    /// read, which must not change an answer.
    pub prune: bool,
    /// Scan only the tiles of this part, of every table; none: all.
    pub part: Option<Part>,
}

impl Default for ScanOptions {
    fn default() -> Self {
        Self { prune: true, part: None }
    }
}

/// What a query wants of the rows of a scan.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Wanted<'a> {
    pub(crate) filters: &'a [Expr],
    pub(crate) limit: Option<usize>,
}

/// Plans the scan of some columns (places in the table's columns, in the order wanted).
pub(crate) async fn plan(
    table: &TiledTable,
    session: &dyn Session,
    columns: &[usize],
    wanted: &Wanted<'_>,
) -> Result<Arc<dyn ExecutionPlan>> {
    let options = session.config().get_extension::<ScanOptions>().unwrap_or_default();
    let positions = table.table().positions.as_ref();
    let coverage = match positions {
        Some(positions) if options.prune => coverage_of(wanted.filters, positions),
        _ => Coverage::all(),
    };
    let found = match options.prune {
        true => lookup::look_up(table, session.runtime_env(), wanted.filters).await,
        false => None,
    };
    let pruning = options.prune.then(|| {
        let stored = positions.filter(|_| !table.computes_spatial_index());
        prune_only(wanted.filters, stored, &coverage)
    });
    let pruning = pruning.flatten().map(unnormalize_col);
    let mut read = columns_to_read(table, columns, pruning.as_ref())?;
    let far = table.is_far().then(|| names(table, &read));
    // At the end, for what a plan may restrict to parts of the sky later; nothing is read for it.
    if let Some(index) = stored_spatial_index(table).filter(|index| !read.contains(index)) {
        read.push(index);
    }
    let schema = Arc::new(table.schema().project(&read)?);
    let source = source(session, &options, (&schema, far), pruning)?;
    let mut tiles = touched_tiles(table.manifest(), &coverage);
    if let Some(positions) = positions.filter(|_| options.prune) {
        tiles = reached(table, tiles, &moved_regions(wanted.filters, positions)?);
    }
    if let Some(found) = &found {
        tiles = lookup::common(&tiles, &found.tiles);
    }
    if let Some(part) = &options.part {
        tiles = part.of_tiles(table.manifest(), &tiles);
    }
    let statistics = if options.prune {
        let filtered = (!wanted.filters.is_empty())
            .then(|| Filtered { coverage: &coverage, rows_found: found.map(|found| found.rows) });
        estimate::statistics(table, &tiles, &schema, filtered.as_ref())
    } else {
        Statistics::new_unknown(&schema)
    };
    let groups = session.config().target_partitions().max(LEAST_GROUPS);
    let stored = stored_columns(table, columns);
    let projection = stored.iter().map(|c| place(&read, *c)).collect::<Result<Vec<_>>>()?;
    let config = FileScanConfigBuilder::new(ObjectStoreUrl::parse(TILE_STORE)?, Arc::new(source))
        .with_file_groups(split_large(file_groups(table, &tiles, groups)?, session))
        .with_statistics(statistics)
        .with_projection_indices(Some(projection))?
        .with_limit(wanted.limit)
        .build();
    let scan: Arc<dyn ExecutionPlan> = DataSourceExec::from_data_source(config);
    if stored == columns { Ok(scan) } else { with_spatial_index(table, session, columns, scan) }
}

/// Those of some tiles in which a star may be that is in these regions at another epoch: each tile
/// by how far its own stars move.
fn reached(
    table: &TiledTable,
    tiles: Vec<Range<usize>>,
    regions: &[MovedRegion],
) -> Vec<Range<usize>> {
    if regions.is_empty() {
        return tiles;
    }
    let may_hold = |tile: &usize| {
        let pixel = table.manifest().pixel(*tile);
        let range_of = |column: &str| table.tile_range(*tile, column);
        regions.iter().all(|region| region.may_hold(pixel, &range_of))
    };
    lookup::runs(tiles.into_iter().flatten().filter(may_hold))
}

fn place(read: &[usize], column: usize) -> Result<usize> {
    read.iter().position(|c| *c == column).ok_or_else(|| {
        DataFusionError::Internal(format!("column {column} is not among those read: {read:?}"))
    })
}

/// The columns of the files that deliver the wanted ones: a computed spatial index takes the
/// positions, after the other columns.
fn stored_columns(table: &TiledTable, columns: &[usize]) -> Vec<usize> {
    let mut stored: Vec<usize> =
        columns.iter().copied().filter(|c| !table.is_computed(*c)).collect();
    if stored.len() < columns.len()
        && let Some(tiled_by) = table.tiled_by()
    {
        for name in tiled_by {
            if let Some(column) = table.table().column_index(name)
                && !stored.contains(&column)
            {
                stored.push(column);
            }
        }
    }
    stored
}

/// The columns of the reader's schema: what is wanted, and what the pruning predicate names.
fn columns_to_read(
    table: &TiledTable,
    columns: &[usize],
    pruning: Option<&Expr>,
) -> Result<Vec<usize>> {
    let mut read: BTreeSet<usize> = stored_columns(table, columns).into_iter().collect();
    for column in pruning.map(Expr::column_refs).unwrap_or_default() {
        let place = table.table().column_index(&column.name);
        let place = place.filter(|p| !table.is_computed(*p)).ok_or_else(|| {
            DataFusionError::Internal(format!("{} has no column {column}", table.name()))
        })?;
        read.insert(place);
    }
    Ok(read.into_iter().collect())
}

/// The place of the column of the files that has the spatial index, if there is one.
fn stored_spatial_index(table: &TiledTable) -> Option<usize> {
    let index = table.spatial_index_in_files()?;
    table.table().column_index(index)
}

fn names(table: &TiledTable, columns: &[usize]) -> Vec<String> {
    columns.iter().map(|column| table.schema().field(*column).name().clone()).collect()
}

/// The Parquet reader: filters run inside it, pruning uses all that a file offers, and footers are
/// kept. Of files that are far away these columns are read.
pub(crate) fn source(
    session: &dyn Session,
    options: &ScanOptions,
    (schema, far): (&Arc<Schema>, Option<Vec<String>>),
    pruning: Option<Expr>,
) -> Result<ParquetSource> {
    let prune = options.prune;
    let mut parquet = TableParquetOptions {
        global: session.config_options().execution.parquet.clone(),
        ..TableParquetOptions::default()
    };
    parquet.global.pushdown_filters = true;
    parquet.global.reorder_filters = true;
    parquet.global.pruning = prune;
    parquet.global.enable_page_index = prune;
    parquet.global.bloom_filter_on_read = prune;
    let runtime = session.runtime_env();
    let store = runtime.object_store(ObjectStoreUrl::parse(TILE_STORE)?)?;
    let reader = IndexedReaders::new(runtime, store);
    let reader: Arc<dyn ParquetFileReaderFactory> = match far {
        Some(columns) => Arc::new(FarReaders::new(reader, columns)),
        None => Arc::new(reader),
    };
    let source = ParquetSource::new(Arc::clone(schema))
        .with_table_parquet_options(parquet)
        .with_parquet_file_reader_factory(reader);
    let Some(pruning) = pruning else { return Ok(source) };
    let columns = DFSchema::try_from(Arc::clone(schema))?;
    Ok(source.with_predicate(session.create_physical_expr(pruning, &columns)?))
}

/// The files of the touched tiles: contiguous runs along the spatial index, of about equal bytes.
fn file_groups(
    table: &TiledTable,
    tiles: &[Range<usize>],
    groups: usize,
) -> Result<Vec<FileGroup>> {
    let manifest = table.manifest();
    let touched = || tiles.iter().flat_map(Range::clone);
    if let Some(missing) = touched().find(|tile| manifest.tile_bytes(*tile) == 0) {
        let (table, path) = (table.name().to_string(), manifest.tile(missing).path);
        return Err(Error::TileMissing { table, path, pixel: manifest.pixel(missing) }.into());
    }
    let files: usize = tiles.iter().map(|run| files_of(manifest, run).len()).sum();
    let total: u64 = touched().map(|tile| manifest.tile_bytes(tile)).sum();
    let groups = groups.min(files.max(LEAST_GROUPS));
    let mut grouped: Vec<Vec<PartitionedFile>> =
        (0..groups).map(|_| Vec::with_capacity(files.div_ceil(groups))).collect();
    let mut before: u64 = 0;
    for file in tiles.iter().flat_map(|run| files_of(manifest, run)) {
        let part = partitioned_file(manifest, file);
        let middle = u128::from(before) + u128::from(part.object_meta.size / 2);
        let group = middle * groups as u128 / u128::from(total.max(1));
        before += part.object_meta.size;
        grouped[usize::try_from(group).map_or(groups - 1, |g| g.min(groups - 1))].push(part);
    }
    Ok(grouped.into_iter().map(FileGroup::new).collect())
}

/// Cuts large files at their row groups, so that a scan of few tiles keeps all cores busy. Many
/// tiles balance by themselves, and looking at each of them again would cost more than planning
/// (so DataFusion's own repartitioning of files is off).
pub(crate) fn split_large(groups: Vec<FileGroup>, session: &dyn Session) -> Vec<FileGroup> {
    let files: usize = groups.iter().map(FileGroup::len).sum();
    if files > FILES_WORTH_SPLITTING * groups.len() {
        return groups;
    }
    let options = &session.config_options().optimizer;
    let split = FileGroupPartitioner::new()
        .with_target_partitions(session.config().target_partitions().max(LEAST_GROUPS))
        .with_repartition_file_min_size(options.repartition_file_min_size)
        .repartition_file_groups(&groups);
    split.filter(|split| split.len() >= LEAST_GROUPS).unwrap_or(groups)
}

/// The places of the files of a run of tiles.
fn files_of(manifest: &Manifest, tiles: &Range<usize>) -> Range<usize> {
    match tiles.end.checked_sub(1).filter(|last| *last >= tiles.start) {
        None => 0..0,
        Some(last) => manifest.files(tiles.start).start..manifest.files(last).end,
    }
}

pub(crate) fn partitioned_file(manifest: &Manifest, file: usize) -> PartitionedFile {
    let file = manifest.file(file);
    let mut part = PartitionedFile::new("", file.bytes);
    part.object_meta.location = file.path;
    // A footer in the cache is that of this tile only while size and time agree.
    if let Some(time) = timestamp_ns_to_datetime(file.modified_ns) {
        part.object_meta.last_modified = time.and_utc();
    }
    part
}

/// Computes the spatial index above the scan of a table whose files have none.
fn with_spatial_index(
    table: &TiledTable,
    session: &dyn Session,
    columns: &[usize],
    scan: Arc<dyn ExecutionPlan>,
) -> Result<Arc<dyn ExecutionPlan>> {
    let schema = scan.schema();
    let mut expressions = Vec::with_capacity(columns.len());
    for column in columns {
        let field = table.schema().field(*column);
        let expr: Arc<dyn PhysicalExpr> = if table.is_computed(*column) {
            let columns = DFSchema::try_from(Arc::clone(&schema))?;
            session.create_physical_expr(spatial_index_expr(table)?, &columns)?
        } else {
            Arc::new(Column::new_with_schema(field.name(), &schema)?)
        };
        expressions.push(ProjectionExpr { expr, alias: Field::name(field).clone() });
    }
    Ok(Arc::new(ProjectionExec::try_new(expressions, scan)?))
}

fn spatial_index_expr(table: &TiledTable) -> Result<Expr> {
    let function = scalar_functions().into_iter().find(|f| f.name() == "healpix_29");
    match (function, table.tiled_by()) {
        (Some(function), Some([ra, dec])) => {
            Ok(function.call(vec![ident(ra.as_str()), ident(dec.as_str())]))
        }
        _ => Err(DataFusionError::Internal(format!(
            "{} has no positions to compute a spatial index of",
            table.name()
        ))),
    }
}
