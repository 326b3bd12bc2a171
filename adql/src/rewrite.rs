//! Rewrites that let a query read less of the sky, and one that makes NaN a missing value.
//!
//! One rule per file. A rewrite adds conservative predicates or replaces a predicate by an equal
//! one; the exact predicate always runs at the scan, so that pruning keeps too much, never too
//! little.
//! `nan_guard` acts right after the analyzer; `pixel_shift`, `long_list`, `on_condition`, `listed`,
//! `lone_aggregate` and `correlated` act before the analyzer; [`region_cover`] is an optimizer rule; what a scan does
//! with the result is in [`coverage`] (which sky), [`id_lookup`] (which values of a column) and
//! [`statistics`] (which row groups and pages); [`brought_values`] restricts what a table of the
//! query is joined with; `moving` bounds how far stars move, so that places at another epoch prune
//! too; [`cross_match`] recognizes joins by position, and [`spatial_join`] refuses those that would
//! compare every row with every other; [`nearest`] makes joins of conditions that rank rows by
//! their distances; `evaluable` tells which sub-queries are none; `scaled_distance` lets multiples
//! of distances be compared as well.

use std::sync::Arc;

use datafusion::common::Result;
use datafusion::common::tree_node::{TreeNode, TreeNodeRecursion};
use datafusion::logical_expr::{Expr, LogicalPlan};
use datafusion::optimizer::{Optimizer, OptimizerRule};

use crate::function::in_region;
use crate::schema::Schemas;

pub mod brought_values;
mod constant;
mod correlated;
pub mod coverage;
pub mod cross_match;
mod evaluable;
pub mod id_lookup;
mod listed;
mod lone_aggregate;
mod long_list;
mod moving;
pub(crate) mod nan_guard;
pub mod nearest;
mod on_condition;
mod pixel_predicate;
mod pixel_shift;
mod position_columns;
pub mod region_cover;
mod scaled_distance;
mod sky_predicate;
pub mod spatial_join;
pub mod statistics;

#[cfg(test)]
mod tests;

pub use brought_values::BroughtValues;
pub use coverage::coverage_of;
pub use cross_match::CrossMatch;
pub(crate) use evaluable::is_evaluable;
pub use id_lookup::{IdSet, ids_of};
pub use moving::{
    MovedRegion, RangeOf, columns_of_reach, describe_motion, displacement, moved_regions,
    physical_displacement, physical_range,
};
use nearest::NearestFilter;
pub use region_cover::RegionCover;
use scaled_distance::ScaledDistance;
pub use spatial_join::refuse_spatial_join;
pub use statistics::prune_only;

/// The passes before the analyzer, in their order.
pub(crate) fn before_analysis(plan: LogicalPlan, schemas: &dyn Schemas) -> Result<LogicalPlan> {
    let plan = pixel_shift::shift_pixels(plan, schemas)?;
    let plan = long_list::gather_long_lists(plan)?;
    let plan = nearest::recognize(plan)?;
    if !has_sub_query(&plan)? {
        return Ok(plan);
    }
    let plan = on_condition::lift_on_conditions(plan)?;
    let plan = listed::spell_out_lists(plan)?;
    let plan = lone_aggregate::part_aggregates(plan)?;
    correlated::tell_apart(plan)
}

/// Whether a query is in a condition or value of another.
pub(crate) fn has_sub_query(plan: &LogicalPlan) -> Result<bool> {
    any_expression(plan, |expr| {
        matches!(expr, Expr::Exists(_) | Expr::InSubquery(_) | Expr::ScalarSubquery(_))
    })
}

/// Whether an expression of a plan or of its sub-queries is one, at any depth. Passes ask this first:
/// a walk is cheap, but one that may change a plan names its expressions and makes its schemas anew.
pub(crate) fn any_expression(plan: &LogicalPlan, is_one: impl Fn(&Expr) -> bool) -> Result<bool> {
    let mut found = false;
    plan.apply_with_subqueries(|node| {
        node.apply_expressions(|expr| {
            found |= expr.exists(|expr| Ok(is_one(expr)))?;
            Ok(if found { TreeNodeRecursion::Stop } else { TreeNodeRecursion::Continue })
        })
    })?;
    Ok(found)
}

/// DataFusion's rules in their order, ours around the one that brings filters to scans.
pub fn optimizer_rules(schemas: Arc<dyn Schemas>) -> Vec<Arc<dyn OptimizerRule + Send + Sync>> {
    let mut rules = Optimizer::new().rules;
    let at = rules.iter().position(|rule| rule.name() == "push_down_filter");
    let at = at.unwrap_or(rules.len());
    rules.splice(at..at, [Arc::new(ScaledDistance) as _, Arc::new(NearestFilter) as _]);
    let after = (at + 3).min(rules.len());
    let brought = Arc::new(BroughtValues::new(Arc::clone(&schemas)));
    let cover = Arc::new(RegionCover::new(Arc::clone(&schemas))) as _;
    let ours = [cover, Arc::new(CrossMatch::new(schemas)) as _, brought as _];
    rules.splice(after..after, ours);
    rules
}

/// The regions that filters ask for, as ADQL text for humans.
pub fn describe(filters: &[Expr]) -> Vec<String> {
    let mut regions = Vec::new();
    for filter in filters {
        let walk = filter.apply(|expr| {
            if let Some(test) = in_region::test_of(expr) {
                let text = test.region().to_string();
                if !regions.contains(&text) {
                    regions.push(text);
                }
            }
            Ok(TreeNodeRecursion::Continue)
        });
        debug_assert!(walk.is_ok(), "the walk above returns no error");
    }
    regions
}
