//! Conditions that ask for the nearest or the k nearest rows of a table become a join of their own.
//!
//! ```text
//! FROM a JOIN b ON DISTANCE(a, b) < r                  Nearest: cross_match(a, b, r, <), nearest(a, b, k)
//! WHERE k > (SELECT COUNT(*) FROM b AS n         -->     a
//!   WHERE DISTANCE(a, n) < DISTANCE(a, b))               b
//! ```
//! All forms of `ranking` say the same: of the rows of the table those are asked for than which
//! fewer than k are nearer. What a query puts on the table in the sub-query as well is tested before
//! its rows are ranked, all else after: so no other rule may bring a condition below the join, and
//! to DataFusion it is a node that it does not know (`node`) until the plan is optimized.
//! Runs before the analyzer, which refuses such sub-queries in the ON of a join.

mod join;
mod node;
mod ranking;
mod relations;

use std::sync::Arc;

use datafusion::common::Result;
use datafusion::common::tree_node::Transformed;
use datafusion::logical_expr::utils::split_conjunction;
use datafusion::logical_expr::{Expr, JoinType, LogicalPlan};

use crate::Error;
use ranking::Ranking;
use relations::Relations;

pub use node::joined;
pub(super) use node::{Nearest, NearestFilter, restricted};

/// The plan with a join of its own for every condition that ranks the rows of a table by distance.
///
/// # Errors
/// When there is such a condition that no join evaluates.
pub(crate) fn recognize(plan: LogicalPlan) -> Result<LogicalPlan> {
    let recognized = plan.transform_down_with_subqueries(|node| match &node {
        LogicalPlan::Filter(filter) if is_ranked(&node)? => {
            let condition = Some(&filter.predicate);
            join::inner(&Relations::of(&filter.input, condition)?).map(Transformed::yes)
        }
        LogicalPlan::Join(join) if join.join_type == JoinType::Inner && is_ranked(&node)? => {
            join::inner(&Relations::of(&node, None)?).map(Transformed::yes)
        }
        LogicalPlan::Join(join)
            if join.join_type != JoinType::Inner && ranks(join.filter.as_ref())? =>
        {
            join::outer(join).map(Transformed::yes)
        }
        _ => Ok(Transformed::no(node)),
    })?;
    if !recognized.transformed {
        return Ok(recognized.data);
    }
    let whole = recognized
        .data
        .transform_up_with_subqueries(|node| node.recompute_schema().map(Transformed::yes))?;
    Ok(whole.data)
}

/// Whether the condition of a filter, or of the inner joins right below it, ranks rows.
fn is_ranked(plan: &LogicalPlan) -> Result<bool> {
    match plan {
        LogicalPlan::Filter(filter) => {
            Ok(ranks(Some(&filter.predicate))? || is_ranked_join(&filter.input)?)
        }
        other => is_ranked_join(other),
    }
}

fn is_ranked_join(plan: &LogicalPlan) -> Result<bool> {
    match plan {
        LogicalPlan::Join(join) if join.join_type == JoinType::Inner => {
            Ok(ranks(join.filter.as_ref())?
                || is_ranked_join(&join.left)?
                || is_ranked_join(&join.right)?)
        }
        _ => Ok(false),
    }
}

fn ranks(condition: Option<&Expr>) -> Result<bool> {
    for conjunct in condition.into_iter().flat_map(split_conjunction) {
        if Ranking::read(conjunct)?.is_some() {
            return Ok(true);
        }
    }
    Ok(false)
}

/// Why a condition that ranks rows is not evaluated, and what to write.
fn refuse<T>(reason: impl Into<String>) -> Result<T> {
    Err(datafusion::common::DataFusionError::External(Box::new(Error::NotEvaluable {
        construct: "a condition on the nearest rows".to_owned(),
        reason: reason.into(),
        place: None,
    })))
}

/// A plan as the child of another.
fn child(plan: &LogicalPlan) -> Arc<LogicalPlan> {
    Arc::new(plan.clone())
}
