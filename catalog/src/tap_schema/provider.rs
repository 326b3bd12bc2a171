//! What a plan scans of `TAP_SCHEMA`: rows in memory.

use std::sync::Arc;

use async_trait::async_trait;
use datafusion::arrow::datatypes::SchemaRef;
use datafusion::arrow::record_batch::RecordBatch;
use datafusion::catalog::memory::{DataSourceExec, MemorySourceConfig};
use datafusion::catalog::{Session, TableProvider};
use datafusion::error::Result;
use datafusion::logical_expr::{Expr, TableType};
use datafusion::physical_plan::ExecutionPlan;

/// Rows of a batch of a scan, as other operators expect them.
const BATCH_ROWS: usize = 8192;

/// Some columns of one of its tables.
#[derive(Debug)]
pub(crate) struct MetadataTable {
    rows: RecordBatch,
}

impl MetadataTable {
    /// Narrows the rows of a table to the columns at these places.
    pub(crate) fn new(rows: &RecordBatch, columns: &[usize]) -> Result<Self> {
        Ok(Self { rows: rows.project(columns)? })
    }
}

#[async_trait]
impl TableProvider for MetadataTable {
    fn schema(&self) -> SchemaRef {
        self.rows.schema()
    }

    fn table_type(&self) -> TableType {
        TableType::Base
    }

    /// Two partitions, as every scan has at least: with one, an aggregate above it would run in
    /// each task of a stage as if it were the only one (engine.md T6).
    async fn scan(
        &self,
        _: &dyn Session,
        projection: Option<&Vec<usize>>,
        _: &[Expr],
        _: Option<usize>,
    ) -> Result<Arc<dyn ExecutionPlan>> {
        let count = self.rows.num_rows();
        let batches = (0..count)
            .step_by(BATCH_ROWS)
            .map(|start| self.rows.slice(start, BATCH_ROWS.min(count - start)))
            .collect();
        let partitions: [Vec<RecordBatch>; 2] = [batches, Vec::new()];
        let source = MemorySourceConfig::try_new(&partitions, self.schema(), projection.cloned())?;
        Ok(DataSourceExec::from_data_source(source))
    }
}
