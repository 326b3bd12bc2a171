//! A table that the query brings, joined by a column: only its values are looked for in the other
//! table.
//!
//! ```text
//! Join: u.id = o.objectId        Join: u.id = o.objectId
//!   u, an upload           -->     u
//!   o                              Filter: is_among(o.objectId, [… the values of u.id …])
//!                                    o
//! ```
//! The filter is true of every row that the join would pair. What brings filters to scans brings it
//! there, and it is looked up in the id index as any list of ids is ([`super::id_lookup`]).

use std::sync::Arc;

use datafusion::arrow::array::{Array as _, ArrayRef};
use datafusion::arrow::compute::{CastOptions, cast_with_options};
use datafusion::arrow::datatypes::DataType;
use datafusion::common::tree_node::{Transformed, TreeNode};
use datafusion::common::{Column, NullEquality, Result, ScalarValue};
use datafusion::logical_expr::expr::InList;
use datafusion::logical_expr::utils::split_conjunction;
use datafusion::logical_expr::{Expr, ExprSchemable, Filter, LogicalPlan, TableScan, lit};
use datafusion::optimizer::{ApplyOrder, OptimizerConfig, OptimizerRule};

use super::cross_match::restriction::{may_restrict_left, may_restrict_right};
use super::long_list::LENGTH_MIN;
use crate::function::is_among;
use crate::schema::{Schemas, TableName};

/// The rule.
#[derive(Debug)]
pub struct BroughtValues {
    schemas: Arc<dyn Schemas>,
}

impl BroughtValues {
    /// The rule over the tables of a query.
    pub fn new(schemas: Arc<dyn Schemas>) -> Self {
        Self { schemas }
    }

    /// The values of an expression over the rows of a plan, where they are those of a column of a
    /// table that was brought; there may be more.
    fn values(&self, plan: &LogicalPlan, expr: &Expr) -> Option<ArrayRef> {
        match expr {
            Expr::Alias(alias) => self.values(plan, &alias.expr),
            Expr::Cast(cast) => {
                let values = self.values(plan, &cast.expr)?;
                exactly(&values, cast.field.data_type())
            }
            Expr::Column(column) => self.values_of_column(plan, column),
            _ => None,
        }
    }

    fn values_of_column(&self, plan: &LogicalPlan, column: &Column) -> Option<ArrayRef> {
        match plan {
            LogicalPlan::Filter(filter) => self.values_of_column(&filter.input, column),
            LogicalPlan::Projection(projection) => {
                let at = projection.schema.maybe_index_of_column(column)?;
                self.values(&projection.input, &projection.expr[at])
            }
            LogicalPlan::SubqueryAlias(alias) => {
                let at = alias.schema.maybe_index_of_column(column)?;
                let below = Column::from(alias.input.schema().qualified_field(at));
                self.values_of_column(&alias.input, &below)
            }
            LogicalPlan::TableScan(scan) => self.schemas.few_values(&name_of(scan)?, &column.name),
            _ => None,
        }
    }
}

impl OptimizerRule for BroughtValues {
    fn name(&self) -> &'static str {
        "brought_values"
    }

    fn apply_order(&self) -> Option<ApplyOrder> {
        Some(ApplyOrder::BottomUp)
    }

    fn rewrite(
        &self,
        plan: LogicalPlan,
        _: &dyn OptimizerConfig,
    ) -> Result<Transformed<LogicalPlan>> {
        let LogicalPlan::Join(mut join) = plan else { return Ok(Transformed::no(plan)) };
        if join.null_aware || join.null_equality != NullEquality::NullEqualsNothing {
            // A NULL on the other side matters, and a list of values has none.
            return Ok(Transformed::no(LogicalPlan::Join(join)));
        }
        let mut changed = false;
        for (left_key, right_key) in &join.on {
            if may_restrict_right(join.join_type)
                && let Some(values) = self.values(&join.left, left_key)
                && let Some(narrower) = narrowed(&join.right, right_key, &values)?
            {
                join.right = Arc::new(LogicalPlan::Filter(narrower));
                changed = true;
            }
            if may_restrict_left(join.join_type)
                && let Some(values) = self.values(&join.right, right_key)
                && let Some(narrower) = narrowed(&join.left, left_key, &values)?
            {
                join.left = Arc::new(LogicalPlan::Filter(narrower));
                changed = true;
            }
        }
        let plan = LogicalPlan::Join(join);
        Ok(if changed { Transformed::yes(plan) } else { Transformed::no(plan) })
    }
}

/// A side of a join whose rows have one of these values; nothing where they have to already.
fn narrowed(side: &Arc<LogicalPlan>, key: &Expr, values: &ArrayRef) -> Result<Option<Filter>> {
    let data_type = key.get_type(side.schema())?;
    let key_type = is_among::key_type(&data_type).filter(|_| *values.data_type() == data_type);
    let Some(keys) = key_type.and_then(|key_type| exactly(values, &key_type)) else {
        return Ok(None);
    };
    let among = if values.len() < LENGTH_MIN {
        let valid = (0..values.len()).filter(|at| values.is_valid(*at));
        let literals = valid.map(|at| Ok(lit(ScalarValue::try_from_array(values, at)?)));
        let literals = literals.collect::<Result<_>>()?;
        Expr::InList(InList::new(Box::new(key.clone()), literals, false))
    } else {
        is_among::call(key.clone(), &keys)?
    };
    if asks_already(side, &among)? {
        return Ok(None);
    }
    Filter::try_new(among, Arc::clone(side)).map(Some)
}

/// Whether some filter of a plan asks for the same values, of whatever column.
fn asks_already(plan: &LogicalPlan, among: &Expr) -> Result<bool> {
    let is_same = |conjunct: &Expr| match (conjunct, among) {
        (Expr::InList(a), Expr::InList(b)) => !a.negated && a.list == b.list,
        (Expr::ScalarFunction(a), Expr::ScalarFunction(b)) => {
            a.func.name() == b.func.name() && a.args.last() == b.args.last()
        }
        _ => false,
    };
    let is_asked = |filter: &Expr| split_conjunction(filter).into_iter().any(is_same);
    plan.exists(|node| {
        Ok(match node {
            LogicalPlan::Filter(filter) => is_asked(&filter.predicate),
            LogicalPlan::TableScan(scan) => scan.filters.iter().any(is_asked),
            _ => false,
        })
    })
}

/// Values of another type; none if one of them has no such value.
fn exactly(values: &ArrayRef, data_type: &DataType) -> Option<ArrayRef> {
    let options = CastOptions { safe: false, ..CastOptions::default() };
    cast_with_options(values, data_type, &options).ok()
}

fn name_of(scan: &TableScan) -> Option<TableName> {
    let schema = scan.table_name.schema()?.to_owned();
    Some(TableName { schema, table: scan.table_name.table().to_owned() })
}
