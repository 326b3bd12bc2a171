//! NaN in a floating-point column is NULL to ADQL (VOTable 1.5 §4.7): a table is scanned through
//! a projection that says so.
//!
//! ```text
//! TableScan: s.t            Projection: t.id, nan_to_null(t.x) AS x
//!                    -->      TableScan: s.t
//! ```
//! All that a query does with the column (comparisons, aggregates, order, joins, output) then sees
//! one kind of missing value, and nothing of DataFusion's reasoning on ranges and statistics of
//! the raw column carries over: it answers wrongly on columns with NaN.

use std::borrow::Cow;
use std::fmt;
use std::sync::Arc;

use datafusion::arrow::datatypes::SchemaRef;
use datafusion::common::TableReference;
use datafusion::logical_expr::logical_plan::TableScanBuilder;
use datafusion::logical_expr::{
    Expr, LogicalPlan, LogicalPlanBuilder, ScalarUDF, TableProviderFilterPushDown, TableSource,
};

use crate::Error;
use crate::function::nan_to_null::NanToNull;
use crate::schema::Table;

/// `nan_to_null(expr)`.
pub(crate) fn guard(expr: Expr) -> Expr {
    ScalarUDF::from(NanToNull::new()).call(vec![expr])
}

/// A source of these columns of a table (indices into [`Table::columns`], in the order of the
/// source's schema) in which no value is NaN; the source itself where none may be.
pub fn guarded_source(
    table: &Table,
    columns: &[usize],
    source: Arc<dyn TableSource>,
) -> Result<Arc<dyn TableSource>, Error> {
    let may_hold_nan = |index: &usize| table.columns.get(*index).is_some_and(|c| c.may_hold_nan);
    if !columns.iter().any(may_hold_nan) {
        return Ok(source);
    }
    let name = TableReference::partial(table.name.schema.as_str(), table.name.table.as_str());
    let scan = LogicalPlan::TableScan(TableScanBuilder::new(name, Arc::clone(&source)).build()?);
    let guarded = scan
        .schema()
        .columns()
        .into_iter()
        .map(|column| {
            let may_hold_nan =
                table.column_index(&column.name).is_some_and(|index| may_hold_nan(&index));
            let name = column.name.clone();
            let column = Expr::Column(column);
            if may_hold_nan { guard(column).alias(name) } else { column }
        })
        .collect::<Vec<_>>();
    let plan = LogicalPlanBuilder::from(scan).project(guarded)?.build()?;
    let schema = Arc::new(plan.schema().as_arrow().clone());
    Ok(Arc::new(GuardedSource { schema, plan, source }))
}

/// A table behind its guard, which the planner puts in its place as it does a view.
struct GuardedSource {
    schema: SchemaRef,
    plan: LogicalPlan,
    source: Arc<dyn TableSource>,
}

impl fmt::Debug for GuardedSource {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("GuardedSource").field("plan", &self.plan).finish_non_exhaustive()
    }
}

impl TableSource for GuardedSource {
    fn schema(&self) -> SchemaRef {
        Arc::clone(&self.schema)
    }

    fn get_logical_plan(&'_ self) -> Option<Cow<'_, LogicalPlan>> {
        Some(Cow::Borrowed(&self.plan))
    }

    fn supports_filters_pushdown(
        &self,
        filters: &[&Expr],
    ) -> datafusion::common::Result<Vec<TableProviderFilterPushDown>> {
        self.source.supports_filters_pushdown(filters)
    }
}
