//! Whether DataFusion can evaluate the sub-queries of a plan.
//!
//! Its optimizer makes joins of them, of some forms only: what it leaves fails when the query is to
//! run. Which forms these are is nowhere written, so that it is tried here, and for plans with
//! sub-queries that it may leave alone.

use std::sync::Arc;

use datafusion::common::Result;
use datafusion::common::tree_node::{TreeNode, TreeNodeRecursion};
use datafusion::logical_expr::{Expr, LogicalPlan};
use datafusion::optimizer::{Optimizer, OptimizerContext};

use super::has_sub_query;
use super::lone_aggregate::aggregated;
use crate::lower::options;

/// Whether no sub-query of an analyzed plan is left when it is optimized.
pub(crate) fn is_evaluable(plan: &LogicalPlan) -> Result<bool> {
    if !has_sub_query(plan)? {
        return Ok(true);
    }
    if any_node(plan, has_several_rows)? {
        return Ok(false);
    }
    if !any_node(plan, may_be_left)? {
        return Ok(true);
    }
    let context = OptimizerContext::new_with_config_options(Arc::new(options().clone()))
        .without_query_execution_start_time();
    let optimized = Optimizer::new().optimize(plan.clone(), &context, |_, _| {})?;
    any_node(&optimized, is_left).map(|left| !left)
}

fn any_node(plan: &LogicalPlan, is_so: fn(&LogicalPlan) -> bool) -> Result<bool> {
    let mut found = false;
    plan.apply_with_subqueries(|node| {
        found |= is_so(node);
        Ok(if found { TreeNodeRecursion::Stop } else { TreeNodeRecursion::Continue })
    })?;
    Ok(found)
}

fn any_expression(node: &LogicalPlan, is_so: impl Fn(&Expr) -> bool) -> bool {
    node.expressions().iter().any(|e| e.exists(|e| Ok(is_so(e))).unwrap_or(true))
}

/// A value that depends on the query around it and is not made of aggregates: where it has one row
/// nevertheless, it is taken as not NULL before it becomes a join, in which it may be.
fn has_several_rows(node: &LogicalPlan) -> bool {
    any_expression(node, |expression| match expression {
        Expr::ScalarSubquery(value) => {
            !value.outer_ref_columns.is_empty() && aggregated(&value.subquery).is_none()
        }
        _ => false,
    })
}

/// A sub-query that depends on the query around it, or a condition by one outside of filters.
fn may_be_left(node: &LogicalPlan) -> bool {
    any_expression(node, |expression| match expression {
        Expr::OuterReferenceColumn(..) => true,
        Expr::Exists(_) | Expr::InSubquery(_) => !matches!(node, LogicalPlan::Filter(_)),
        _ => false,
    })
}

/// A sub-query that is no join, or a column of which one was made too far from its table.
fn is_left(node: &LogicalPlan) -> bool {
    let inputs = node.inputs();
    let is_lost = |expression: &Expr| match expression {
        Expr::Column(column) => inputs.iter().all(|input| !input.schema().has_column(column)),
        _ => false,
    };
    let has_inputs = !inputs.is_empty() && !matches!(node, LogicalPlan::Extension(_));
    any_expression(node, |expression| match expression {
        Expr::OuterReferenceColumn(..) | Expr::Exists(_) | Expr::InSubquery(_) => true,
        Expr::ScalarSubquery(subquery) => !subquery.outer_ref_columns.is_empty(),
        other => has_inputs && is_lost(other),
    })
}
