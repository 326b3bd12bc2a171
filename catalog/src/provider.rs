//! What a plan scans: a table narrowed to the columns that one query touches.

use std::sync::Arc;

use async_trait::async_trait;
use datafusion::arrow::datatypes::SchemaRef;
use datafusion::catalog::{Session, TableProvider};
use datafusion::error::Result;
use datafusion::logical_expr::{Expr, TableProviderFilterPushDown, TableType};
use datafusion::physical_plan::ExecutionPlan;

use crate::scan;
use crate::table::TiledTable;

/// A HATS table with only the columns that a query touches, so that a table of 1,300 columns does
/// not pay for its width in every plan and task.
#[derive(Debug)]
pub struct HatsTable {
    table: Arc<TiledTable>,
    /// Places in the table's columns.
    columns: Vec<usize>,
    schema: SchemaRef,
}

impl HatsTable {
    /// Narrows a table to the columns at these places, in this order.
    pub fn new(table: Arc<TiledTable>, columns: &[usize]) -> Result<Self> {
        let schema = Arc::new(table.schema().project(columns)?);
        Ok(Self { table, columns: columns.to_vec(), schema })
    }

    /// The whole table.
    pub fn tiled_table(&self) -> &Arc<TiledTable> {
        &self.table
    }
}

#[async_trait]
impl TableProvider for HatsTable {
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
        let columns: Vec<usize> = match projection {
            None => self.columns.clone(),
            Some(kept) => kept.iter().map(|at| self.columns[*at]).collect(),
        };
        scan::plan(&self.table, session, &columns, &scan::Wanted { filters, limit }).await
    }

    /// Every filter helps to prune and none is answered here: the exact filter stays in the plan,
    /// from where DataFusion moves it into the Parquet reader.
    fn supports_filters_pushdown(
        &self,
        filters: &[&Expr],
    ) -> Result<Vec<TableProviderFilterPushDown>> {
        Ok(vec![TableProviderFilterPushDown::Inexact; filters.len()])
    }
}
