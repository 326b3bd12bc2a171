//! NaN in a floating-point column is NULL to ADQL (VOTable 1.5 §4.7): a table is scanned through
//! a projection that says so.
//!
//! ```text
//! TableScan: s.t            Projection: t.id, nan_to_null(t.x) AS x
//!                    -->      TableScan: s.t
//! ```
//! All that a query does with the column (comparisons, aggregates, order, joins, output) then sees
//! one kind of missing value, and nothing of DataFusion's reasoning on ranges and statistics of
//! the raw column carries over: it answers wrongly on columns with NaN. The planner meets a source
//! whose columns are those of the projection, which is put in its place after the analyzer: that
//! has nothing to do there, and would take a third of its time for it.

use std::fmt;
use std::sync::{Arc, LazyLock};

use datafusion::arrow::datatypes::{Field, FieldRef, Schema, SchemaRef};
use datafusion::common::tree_node::Transformed;
use datafusion::common::{Result, internal_err};
use datafusion::logical_expr::expr::ScalarFunction;
use datafusion::logical_expr::logical_plan::TableScanBuilder;
use datafusion::logical_expr::{
    Expr, LogicalPlan, Projection, ScalarUDF, TableProviderFilterPushDown, TableScan, TableSource,
};

use crate::function::nan_to_null::NanToNull;
use crate::schema::Table;

static FUNCTION: LazyLock<Arc<ScalarUDF>> =
    LazyLock::new(|| Arc::new(ScalarUDF::from(NanToNull::new())));

/// `nan_to_null(expr)`.
pub(crate) fn guard(expr: Expr) -> Expr {
    Expr::ScalarFunction(ScalarFunction::new_udf(Arc::clone(&FUNCTION), vec![expr]))
}

/// A source of these columns of a table (indices into [`Table::columns`], in the order of the
/// source's schema) that [`guard_scans`] guards; the source itself where none may hold NaN.
pub(crate) fn guarded_source(
    table: &Table,
    columns: &[usize],
    source: Arc<dyn TableSource>,
) -> Arc<dyn TableSource> {
    let may_hold_nan = |index: usize| table.columns.get(index).is_some_and(|c| c.may_hold_nan);
    if !columns.iter().copied().any(may_hold_nan) {
        return source;
    }
    let held = source.schema();
    let fields =
        columns.iter().zip(held.fields()).map(|(&index, field)| match may_hold_nan(index) {
            // What a function returns: it may be missing, and has no metadata.
            true => (true, Arc::new(Field::new(field.name(), field.data_type().clone(), true))),
            false => (false, Arc::clone(field)),
        });
    let (is_guarded, fields): (Vec<bool>, Vec<FieldRef>) = fields.unzip();
    let schema = Arc::new(Schema::new_with_metadata(fields, held.metadata().clone()));
    Arc::new(GuardedSource { schema, is_guarded, source })
}

/// The plan in which no column of a scan is NaN: guards are put above the scans of guarded sources.
pub(crate) fn guard_scans(plan: LogicalPlan) -> Result<LogicalPlan> {
    let guarded = plan.transform_up_with_subqueries(|node| {
        let LogicalPlan::TableScan(scan) = &node else { return Ok(Transformed::no(node)) };
        match scan.source.downcast_ref::<GuardedSource>() {
            Some(source) => source.above(scan).map(Transformed::yes),
            None => Ok(Transformed::no(node)),
        }
    });
    guarded.map(|guarded| guarded.data)
}

/// A table as it is behind its guard.
struct GuardedSource {
    schema: SchemaRef,
    /// Of each column, whether it is guarded.
    is_guarded: Vec<bool>,
    source: Arc<dyn TableSource>,
}

impl GuardedSource {
    /// The guard above a scan of the source, with the columns of a scan of this.
    fn above(&self, scan: &TableScan) -> Result<LogicalPlan> {
        if scan.projection.is_some() || !scan.filters.is_empty() {
            return internal_err!("a scan is optimized before it is guarded: {scan:?}");
        }
        let columns = scan.projected_schema.columns().into_iter().zip(&self.is_guarded);
        let columns = columns.map(|(column, is_guarded)| {
            if !is_guarded {
                return Expr::Column(column);
            }
            let (relation, name) = (column.relation.clone(), column.name.clone());
            guard(Expr::Column(column)).alias_qualified(relation, name)
        });
        let bare = TableScanBuilder::new(scan.table_name.clone(), Arc::clone(&self.source));
        let bare = Arc::new(LogicalPlan::TableScan(bare.build()?));
        let schema = Arc::clone(&scan.projected_schema);
        Projection::try_new_with_schema(columns.collect(), bare, schema)
            .map(LogicalPlan::Projection)
    }
}

impl fmt::Debug for GuardedSource {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("GuardedSource").field("schema", &self.schema).finish_non_exhaustive()
    }
}

impl TableSource for GuardedSource {
    fn schema(&self) -> SchemaRef {
        Arc::clone(&self.schema)
    }

    fn supports_filters_pushdown(
        &self,
        filters: &[&Expr],
    ) -> Result<Vec<TableProviderFilterPushDown>> {
        self.source.supports_filters_pushdown(filters)
    }
}
