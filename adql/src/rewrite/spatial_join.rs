//! Refuses a join by position of two tables that is no cross-match ([`super::cross_match`]): no
//! plan here evaluates it but by comparing every row of the one with every row of the other, which
//! would send a whole catalogue to every worker.

use datafusion::common::tree_node::{Transformed, TreeNode, TreeNodeRecursion};
use datafusion::common::{DFSchema, Result};
use datafusion::logical_expr::utils::split_conjunction;
use datafusion::logical_expr::{Expr, Join, JoinType, LogicalPlan};

use super::sky_predicate::is_spatial_call;
use crate::Error;
use crate::function::cross_match::is_call;
use crate::function::{CONTAINS, INTERSECTS};

/// Refuses a plan, as the optimizer leaves it, in which a join without an equality has a condition
/// that compares places of both sides and no condition that says how near they are. With an
/// equality the places of few pairs are compared, and so are those of a cross-match.
pub fn refuse_spatial_join(plan: &LogicalPlan) -> Result<(), Error> {
    let mut refused = None;
    plan.apply_with_subqueries(|node| {
        refused = match node {
            LogicalPlan::Join(join) if forms_all_pairs(join) => match &join.filter {
                Some(filter) => spatial_call_across(filter, join)?,
                None => None,
            },
            LogicalPlan::Filter(filter) => {
                let (predicate, input) = below_projections(&filter.predicate, &filter.input)?;
                match input {
                    LogicalPlan::Join(join) if forms_all_pairs(join) => {
                        spatial_call_across(&predicate, join)?
                    }
                    _ => None,
                }
            }
            _ => None,
        };
        Ok(if refused.is_some() { TreeNodeRecursion::Stop } else { TreeNodeRecursion::Continue })
    })?;
    let Some((function, join_type)) = refused else { return Ok(()) };
    let reason = match join_type {
        JoinType::Full => {
            "no task knows alone which rows of both sides have no match; write a LEFT JOIN, and by \
             UNION ALL the rows of the right side for which NOT EXISTS one of the left"
        }
        _ => {
            "it would compare every row of the one with every row of the other; say by AND how near \
             they are, as in DISTANCE(a.ra, a.dec, b.ra, b.dec) < 0.001, give a constant position \
             or region, or join on an equality too"
        }
    };
    Err(Error::NotEvaluable {
        construct: format!("{function} between columns of two tables"),
        reason: reason.to_owned(),
        place: None,
    })
}

/// Whether a join has neither an equality nor a condition that a cross-match evaluates.
fn forms_all_pairs(join: &Join) -> bool {
    let conjuncts = join.filter.as_ref().map(split_conjunction);
    join.on.is_empty() && !conjuncts.is_some_and(|all| all.into_iter().any(is_call))
}

/// A predicate in terms of what lies below the projections under it.
fn below_projections<'a>(
    predicate: &Expr,
    mut input: &'a LogicalPlan,
) -> Result<(Expr, &'a LogicalPlan)> {
    let mut predicate = predicate.clone();
    while let LogicalPlan::Projection(projection) = input {
        let columns = projection.schema.columns();
        predicate = predicate
            .transform(|node| {
                let source = match &node {
                    Expr::Column(column) => columns.iter().position(|known| known == column),
                    _ => None,
                };
                Ok(match source.map(|at| projection.expr[at].clone().unalias()) {
                    Some(source) => Transformed::new(source, true, TreeNodeRecursion::Jump),
                    None => Transformed::no(node),
                })
            })?
            .data;
        input = &projection.input;
    }
    Ok((predicate, input))
}

/// The ADQL name of a function that compares a place of the left side with one of the right, and
/// which join asks for it.
fn spatial_call_across(condition: &Expr, join: &Join) -> Result<Option<(&'static str, JoinType)>> {
    let mut found = None;
    for conjunct in split_conjunction(condition) {
        conjunct.apply(|node| {
            if is_spatial_call(node) && crosses(node, join.left.schema(), join.right.schema()) {
                found = Some((name_of(node), join.join_type));
                return Ok(TreeNodeRecursion::Stop);
            }
            Ok(TreeNodeRecursion::Continue)
        })?;
    }
    Ok(found)
}

fn crosses(call: &Expr, left: &DFSchema, right: &DFSchema) -> bool {
    let columns = call.column_refs();
    [left, right].into_iter().all(|side| columns.iter().any(|column| side.has_column(column)))
}

fn name_of(call: &Expr) -> &'static str {
    match call {
        Expr::ScalarFunction(call) if call.func.name() == CONTAINS => "CONTAINS",
        Expr::ScalarFunction(call) if call.func.name() == INTERSECTS => "INTERSECTS",
        Expr::Cast(cast) => name_of(&cast.expr),
        Expr::Alias(alias) => name_of(&alias.expr),
        _ => "DISTANCE",
    }
}
