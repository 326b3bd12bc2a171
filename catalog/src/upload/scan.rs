//! The scan of an upload: DataFusion's own leaf over the tile store, as that of a table with tiles.

use std::collections::BTreeSet;
use std::sync::Arc;

use adql::rewrite::{coverage_of, prune_only};
use adql::sky::Coverage;
use async_trait::async_trait;
use datafusion::arrow::array::temporal_conversions::timestamp_ns_to_datetime;
use datafusion::arrow::datatypes::SchemaRef;
use datafusion::catalog::{Session, TableProvider};
use datafusion::common::stats::Precision;
use datafusion::common::{Statistics, internal_datafusion_err};
use datafusion::datasource::listing::PartitionedFile;
use datafusion::datasource::physical_plan::{FileGroup, FileScanConfigBuilder};
use datafusion::datasource::source::DataSourceExec;
use datafusion::error::Result;
use datafusion::execution::object_store::ObjectStoreUrl;
use datafusion::logical_expr::expr_rewriter::unnormalize_col;
use datafusion::logical_expr::{Expr, TableProviderFilterPushDown, TableType};
use datafusion::physical_plan::ExecutionPlan;
use object_store::path::Path;

use super::UploadedTable;
use crate::scan::{LEAST_GROUPS, ScanOptions, TILE_STORE, source, split_large};

/// An upload with only the columns that a query touches.
#[derive(Debug)]
pub struct UploadScan {
    upload: Arc<UploadedTable>,
    location: Path,
    /// Places in the table's columns.
    columns: Vec<usize>,
    schema: SchemaRef,
}

impl UploadScan {
    /// Narrows an upload, whose file is at `location` of the tile store, to the columns at these
    /// places, in this order.
    pub fn new(upload: Arc<UploadedTable>, location: Path, columns: &[usize]) -> Result<Self> {
        let schema = Arc::new(upload.schema().project(columns)?);
        Ok(Self { upload, location, columns: columns.to_vec(), schema })
    }

    /// The whole upload.
    pub fn upload(&self) -> &Arc<UploadedTable> {
        &self.upload
    }

    fn file(&self) -> PartitionedFile {
        let mut file = PartitionedFile::new("", self.upload.bytes);
        file.object_meta.location = self.location.clone();
        if let Some(time) = timestamp_ns_to_datetime(self.upload.modified_ns) {
            file.object_meta.last_modified = time.and_utc();
        }
        file
    }

    /// The columns of the reader's schema: what is wanted, and what the pruning predicate names.
    fn read(&self, wanted: &[usize], pruning: Option<&Expr>) -> Result<Vec<usize>> {
        let mut read: BTreeSet<usize> = wanted.iter().copied().collect();
        for column in pruning.map(Expr::column_refs).unwrap_or_default() {
            let at = self.upload.table.column_index(&column.name);
            let name = self.upload.name();
            read.insert(at.ok_or_else(|| internal_datafusion_err!("{name} has no {column}"))?);
        }
        Ok(read.into_iter().collect())
    }

    /// The number of rows, and nothing of any column, as for tables with tiles.
    fn statistics(&self, schema: &SchemaRef, prune: bool) -> Statistics {
        let mut statistics = Statistics::new_unknown(schema);
        let known = |number: u64| usize::try_from(number).ok().filter(|_| prune);
        let precise = known(self.upload.rows).map(Precision::Exact);
        statistics.num_rows = precise.unwrap_or(Precision::Absent);
        let bytes = known(self.upload.bytes).map(Precision::Inexact);
        statistics.total_byte_size = bytes.unwrap_or(Precision::Absent);
        statistics
    }
}

#[async_trait]
impl TableProvider for UploadScan {
    fn schema(&self) -> SchemaRef {
        Arc::clone(&self.schema)
    }

    fn table_type(&self) -> TableType {
        TableType::Base
    }

    async fn scan(
        &self,
        session: &dyn Session,
        projection: Option<&Vec<usize>>,
        filters: &[Expr],
        limit: Option<usize>,
    ) -> Result<Arc<dyn ExecutionPlan>> {
        let wanted: Vec<usize> = match projection {
            None => self.columns.clone(),
            Some(kept) => kept.iter().map(|at| self.columns[*at]).collect(),
        };
        let options = session.config().get_extension::<ScanOptions>().unwrap_or_default();
        let positions = self.upload.table.positions.as_ref().filter(|_| options.prune);
        let coverage = positions.map_or_else(Coverage::all, |p| coverage_of(filters, p));
        let pruning = options.prune.then(|| prune_only(filters, positions, &coverage)).flatten();
        let pruning = pruning.map(unnormalize_col);
        let read = self.read(&wanted, pruning.as_ref())?;
        let schema = Arc::new(self.upload.schema().project(&read)?);
        let source = source(session, &options, (&schema, None), pruning)?;
        let mut groups = vec![FileGroup::new(vec![self.file()])];
        groups.resize_with(LEAST_GROUPS, || FileGroup::new(Vec::new()));
        let place = |column: &usize| {
            let at = read.iter().position(|c| c == column);
            at.ok_or_else(|| internal_datafusion_err!("column {column} is not read: {read:?}"))
        };
        let projection = wanted.iter().map(place).collect::<Result<Vec<_>>>()?;
        let store = ObjectStoreUrl::parse(TILE_STORE)?;
        let config = FileScanConfigBuilder::new(store, Arc::new(source))
            .with_file_groups(split_large(groups, session))
            .with_statistics(self.statistics(&schema, options.prune))
            .with_projection_indices(Some(projection))?
            .with_limit(limit)
            .build();
        Ok(DataSourceExec::from_data_source(config))
    }

    /// Every filter helps to prune and none is answered here.
    fn supports_filters_pushdown(
        &self,
        filters: &[&Expr],
    ) -> Result<Vec<TableProviderFilterPushDown>> {
        Ok(vec![TableProviderFilterPushDown::Inexact; filters.len()])
    }
}
