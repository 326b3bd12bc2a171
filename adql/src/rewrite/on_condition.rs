//! A condition with a sub-query in ON of a join becomes one of WHERE, and so does a condition with a
//! column of the query around its own: there DataFusion makes joins of sub-queries.
//!
//! ```text
//! a JOIN b ON a.id = b.id AND EXISTS (…)  -->  a JOIN b ON a.id = b.id WHERE EXISTS (…)
//! ```
//! Not of outer joins, for whose rows it would mean something else. Runs before the analyzer.

use datafusion::common::Result;
use datafusion::common::tree_node::{Transformed, TreeNode};
use datafusion::logical_expr::utils::{conjunction, split_conjunction_owned};
use datafusion::logical_expr::{Expr, Join, JoinType, LogicalPlan, LogicalPlanBuilder};

/// The plan with such conditions above the joins.
pub(crate) fn lift_on_conditions(plan: LogicalPlan) -> Result<LogicalPlan> {
    let lifted = plan.transform_up_with_subqueries(|node| match node {
        LogicalPlan::Join(join) if join.join_type == JoinType::Inner => lifted(join),
        other => Ok(Transformed::no(other)),
    });
    lifted.map(|lifted| lifted.data)
}

fn lifted(mut join: Join) -> Result<Transformed<LogicalPlan>> {
    let conditions = join.filter.take().map(split_conjunction_owned).unwrap_or_default();
    let (lifted, kept): (Vec<Expr>, _) = conditions.into_iter().partition(is_to_lift);
    join.filter = conjunction(kept);
    let join = LogicalPlan::Join(join);
    match conjunction(lifted) {
        Some(condition) => {
            LogicalPlanBuilder::from(join).filter(condition)?.build().map(Transformed::yes)
        }
        None => Ok(Transformed::no(join)),
    }
}

/// Whether a condition has a sub-query, or depends on the query around its own.
fn is_to_lift(condition: &Expr) -> bool {
    let found = condition.exists(|expr| {
        Ok(matches!(
            expr,
            Expr::Exists(_)
                | Expr::InSubquery(_)
                | Expr::ScalarSubquery(_)
                | Expr::OuterReferenceColumn(..)
        ))
    });
    found.unwrap_or(false)
}
