//! A value that depends on the query around it and is made of aggregates is made of values that are
//! one aggregate each.
//!
//! ```text
//! (SELECT 1 + COUNT(*) FROM b WHERE b.id = a.id)
//!     -->     1 + (SELECT COUNT(*) FROM b WHERE b.id = a.id)
//! ```
//! Of these DataFusion makes joins with what each is of no rows, 0 or NULL; of what is around them
//! it does not always know that. Runs before the analyzer.

use std::sync::Arc;

use datafusion::common::Result;
use datafusion::common::tree_node::{Transformed, TreeNode};
use datafusion::logical_expr::expr_rewriter::NamePreserver;
use datafusion::logical_expr::{
    Aggregate, Distinct, Expr, LogicalPlan, LogicalPlanBuilder, Subquery,
};

/// The plan with values of one aggregate each.
pub(crate) fn part_aggregates(plan: LogicalPlan) -> Result<LogicalPlan> {
    let parted = plan.transform_up_with_subqueries(|node| {
        let names = NamePreserver::new(&node);
        let node = node.map_expressions(|expr| {
            let name = names.save(&expr);
            let parted = expr.transform_up(|expr| match expr {
                Expr::ScalarSubquery(subquery) => match parted(&subquery)? {
                    Some(value) => Ok(Transformed::yes(value)),
                    None => Ok(Transformed::no(Expr::ScalarSubquery(subquery))),
                },
                other => Ok(Transformed::no(other)),
            })?;
            Ok(parted.update_data(|expr| name.restore(expr)))
        })?;
        node.map_data(LogicalPlan::recompute_schema)
    });
    parted.map(|parted| parted.data)
}

/// What a value is made of, if that is more than one aggregate.
fn parted(subquery: &Subquery) -> Result<Option<Expr>> {
    if subquery.outer_ref_columns.is_empty() {
        return Ok(None);
    }
    let is_distinct = matches!(subquery.subquery.as_ref(), LogicalPlan::Distinct(_));
    let Some((value, LogicalPlan::Aggregate(aggregate))) = aggregated(&subquery.subquery) else {
        return Ok(None);
    };
    let value = value.clone().unalias();
    if matches!(value, Expr::Column(_)) && !is_distinct {
        return Ok(None);
    }
    let parted = value.transform_up(|expr| match expr {
        Expr::Column(column) => {
            let at = aggregate.schema.index_of_column(&column)?;
            let alone = vec![aggregate.aggr_expr[at].clone()];
            let alone = Aggregate::try_new(Arc::clone(&aggregate.input), vec![], alone)?;
            let plan = LogicalPlanBuilder::from(LogicalPlan::Aggregate(alone))
                .project([Expr::Column(column)])?
                .build()?;
            let outer_ref_columns = plan.all_out_ref_exprs();
            let subquery = Subquery { outer_ref_columns, ..subquery.with_plan(plan.into()) };
            Ok(Transformed::yes(Expr::ScalarSubquery(subquery)))
        }
        Expr::OuterReferenceColumn(_, column) => Ok(Transformed::yes(Expr::Column(column))),
        other => Ok(Transformed::no(other)),
    });
    parted.map(|parted| Some(parted.data))
}

/// The value of a plan that has one row at most, made of aggregates without GROUP BY, and the plan
/// that it comes from: these, or HAVING above them.
pub(super) fn aggregated(plan: &LogicalPlan) -> Option<(&Expr, &LogicalPlan)> {
    let plan = match plan {
        LogicalPlan::Distinct(Distinct::All(rows)) => rows,
        plan => plan,
    };
    let LogicalPlan::Projection(projection) = plan else { return None };
    let having = match projection.input.as_ref() {
        LogicalPlan::Filter(having) => having.input.as_ref(),
        aggregate => aggregate,
    };
    match (projection.expr.as_slice(), having) {
        ([value], LogicalPlan::Aggregate(aggregate)) if aggregate.group_expr.is_empty() => {
            Some((value, projection.input.as_ref()))
        }
        _ => None,
    }
}
