//! What must hold of every stage that runs in several tasks; each was broken once and gave a
//! wrong answer (engine.md T5, T6).
//!
//! An operator that believes to see all rows sees those of its task only: a single-mode aggregate,
//! a limit or a sort of one partition would deliver one answer per task.

use std::sync::Arc;

use datafusion::physical_plan::aggregates::{AggregateExec, AggregateMode};
use datafusion::physical_plan::limit::GlobalLimitExec;
use datafusion::physical_plan::sorts::sort::SortExec;
use datafusion::physical_plan::{ExecutionPlan, ExecutionPlanProperties};

/// A node of a stage as this pass sees it.
#[derive(Debug)]
pub enum StageView<'a> {
    /// A leaf with one variant per task.
    Leaf(&'a [Arc<dyn ExecutionPlan>]),
    /// Any other node.
    Node(&'a Arc<dyn ExecutionPlan>),
}

/// Checks one node of a stage that runs in `tasks` tasks.
///
/// # Errors
/// The broken invariant, in words.
pub fn check_node(view: &StageView<'_>, tasks: usize) -> Result<(), String> {
    match view {
        StageView::Leaf(variants) => check_leaf(variants, tasks),
        StageView::Node(_) if tasks == 1 => Ok(()),
        StageView::Node(node) => check_operator(node, tasks),
    }
}

fn check_leaf(variants: &[Arc<dyn ExecutionPlan>], tasks: usize) -> Result<(), String> {
    if variants.len() != tasks {
        return Err(format!("a leaf has {} variants for {tasks} tasks", variants.len()));
    }
    let partitions = |plan: &Arc<dyn ExecutionPlan>| plan.output_partitioning().partition_count();
    let first = variants.first().map_or(0, partitions);
    if first < 2 {
        return Err(format!("a leaf has {first} partitions, which makes single-mode operators"));
    }
    if variants.iter().any(|variant| partitions(variant) != first) {
        return Err("the variants of a leaf have unlike partition counts".to_owned());
    }
    Ok(())
}

fn check_operator(node: &Arc<dyn ExecutionPlan>, tasks: usize) -> Result<(), String> {
    let broken = |what: &str| Err(format!("{what} in a stage of {tasks} tasks"));
    if node.children().is_empty() {
        return broken(&format!("a leaf that every task would read whole ({})", node.name()));
    }
    if let Some(aggregate) = node.downcast_ref::<AggregateExec>()
        && *aggregate.mode() == AggregateMode::Single
    {
        return broken("a single-mode aggregate");
    }
    if node.is::<GlobalLimitExec>() {
        return broken("a global limit");
    }
    if let Some(sort) = node.downcast_ref::<SortExec>()
        && !sort.preserve_partitioning()
    {
        return broken("a sort of one partition");
    }
    Ok(())
}
