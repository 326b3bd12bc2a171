//! IN and NOT IN of a sub-query, of which DataFusion would make a join that takes NULL for a value
//! that is not there, or none, say with EXISTS what they mean.
//!
//! ```text
//! x IN (SELECT y …)      -->  EXISTS (… y = x)
//! x NOT IN (SELECT y …)  -->  NOT (EXISTS (… y = x) OR EXISTS (… y IS NULL)
//!                                  OR x IS NULL AND EXISTS (…))
//! ```
//! These are true where those are, and false where those are false or NULL, as a condition may be:
//! no other part of it sees which. A list of one, as an aggregate without GROUP BY is, becomes
//! `x = (SELECT y …)`. DataFusion's own join is right, and made, where the sub-query depends on
//! nothing around it and stands alone or among AND. Runs before the analyzer.

use std::sync::Arc;

use datafusion::common::tree_node::{Transformed, TreeNode};
use datafusion::common::{Column, DFSchema, ExprSchema, Result};
use datafusion::logical_expr::expr::InSubquery;
use datafusion::logical_expr::{
    BinaryExpr, Expr, ExprSchemable, Filter, LogicalPlan, LogicalPlanBuilder, Operator, exists,
    lit, not,
};

use super::lone_aggregate::aggregated;

/// The plan with EXISTS in the place of such lists.
pub(crate) fn spell_out_lists(plan: LogicalPlan) -> Result<LogicalPlan> {
    let spelled = plan.transform_up_with_subqueries(|node| match node {
        LogicalPlan::Filter(filter) if has_list(&filter.predicate) => {
            let predicate = spelled(filter.predicate, filter.input.schema(), Stand::Alone)?;
            Filter::try_new(predicate, filter.input).map(LogicalPlan::Filter).map(Transformed::yes)
        }
        other => Ok(Transformed::no(other)),
    });
    spelled.map(|spelled| spelled.data)
}

fn has_list(expr: &Expr) -> bool {
    expr.exists(|expr| Ok(matches!(expr, Expr::InSubquery(_)))).unwrap_or(false)
}

/// Where a condition stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Stand {
    /// The whole condition, or among AND.
    Alone,
    /// Where NULL is as good as false.
    Affirmed,
    /// Where NULL is as good as true: below NOT.
    Denied,
}

impl Stand {
    /// That of the operand of NOT.
    fn denied(self) -> Self {
        if self == Self::Denied { Self::Affirmed } else { Self::Denied }
    }
}

fn spelled(condition: Expr, schema: &DFSchema, stand: Stand) -> Result<Expr> {
    let below = |expr: Box<Expr>, stand| spelled(*expr, schema, stand).map(Box::new);
    match condition {
        Expr::BinaryExpr(BinaryExpr { left, op: op @ (Operator::And | Operator::Or), right }) => {
            let stand = match (stand, op) {
                (Stand::Alone, Operator::Or) => Stand::Affirmed,
                _ => stand,
            };
            let (left, right) = (below(left, stand)?, below(right, stand)?);
            Ok(Expr::BinaryExpr(BinaryExpr { left, op, right }))
        }
        Expr::Not(inner) => match *inner {
            Expr::InSubquery(list) => {
                let list = InSubquery { negated: !list.negated, ..list };
                spelled(Expr::InSubquery(list), schema, stand)
            }
            inner => spelled(inner, schema, stand.denied()).map(not),
        },
        Expr::InSubquery(list) => {
            let depends = !list.subquery.outer_ref_columns.is_empty();
            if depends && is_cut(&list.subquery.subquery) || !depends && stand == Stand::Alone {
                return Ok(Expr::InSubquery(list));
            }
            if let Some((_, LogicalPlan::Aggregate(_))) = aggregated(&list.subquery.subquery) {
                // A list of one.
                let InSubquery { expr: value, subquery, negated } = list;
                let only = Expr::ScalarSubquery(subquery);
                return Ok(if negated { value.not_eq(only) } else { Expr::eq(*value, only) });
            }
            let is_denied = (stand == Stand::Denied) != list.negated;
            as_exists(list, is_denied, schema)
        }
        // The conditions of CASE, for which NULL is as good as false, and what has none.
        other => {
            let spelled = other
                .map_children(|part| spelled(part, schema, Stand::Affirmed).map(Transformed::yes));
            spelled.map(|spelled| spelled.data)
        }
    }
}

/// Whether a plan ends with some of its rows: which these are, a condition below may not change.
fn is_cut(plan: &LogicalPlan) -> bool {
    match plan {
        LogicalPlan::Limit(_) => true,
        LogicalPlan::Projection(_) | LogicalPlan::Sort(_) | LogicalPlan::SubqueryAlias(_) => {
            plan.inputs().into_iter().any(is_cut)
        }
        _ => false,
    }
}

/// A list with EXISTS; where it is denied, NULL is as good as true.
fn as_exists(list: InSubquery, is_denied: bool, schema: &DFSchema) -> Result<Expr> {
    let InSubquery { expr: value, subquery, negated } = list;
    let outer = value.as_ref().clone().transform_up(|expr| match expr {
        Expr::Column(column) => {
            let field = Arc::clone(schema.field_from_column(&column)?);
            Ok(Transformed::yes(Expr::OuterReferenceColumn(field, column)))
        }
        other => Ok(Transformed::no(other)),
    })?;
    let rows = subquery.subquery.schema();
    let element = Expr::Column(Column::from(rows.qualified_field(0)));
    let list = subquery.subquery.as_ref();
    let mut is_among = exists_where(list, element.clone().eq(outer.data))?;
    if is_denied && rows.field(0).is_nullable() {
        is_among = is_among.or(exists_where(list, element.is_null())?);
    }
    if is_denied && value.nullable(schema)? {
        is_among = is_among.or(value.is_null().and(exists_where(list, lit(true))?));
    }
    Ok(if negated { not(is_among) } else { is_among })
}

fn exists_where(list: &LogicalPlan, condition: Expr) -> Result<Expr> {
    let mut rows = LogicalPlanBuilder::from(list.clone()).filter(condition)?;
    if rows.plan().all_out_ref_exprs().is_empty() {
        // It becomes a join of each row with all of them.
        rows = rows.limit(0, Some(1))?;
    }
    Ok(exists(rows.build()?.into()))
}
