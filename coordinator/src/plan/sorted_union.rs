//! A sort stays above a union of which an operand repeats a column or has a constant: `DataFusion`
//! would push it into the operands, leave out there what is no order of theirs, and refuse the plan
//! as not sorted (55.2, `EnforceSorting`).
//!
//! ```text
//! SortExec: a, b            SortExec: a, b
//!   UnionExec         -->     SealedExec          taken away at the end of the passes
//!     id as a, id as b          UnionExec
//!     id as a, x as b             …
//! ```

use std::fmt;
use std::sync::Arc;

use datafusion::common::config::ConfigOptions;
use datafusion::common::tree_node::{Transformed, TreeNode, TreeNodeRecursion};
use datafusion::common::{Result, internal_err};
use datafusion::execution::{SendableRecordBatchStream, TaskContext};
use datafusion::physical_expr::PhysicalExpr;
use datafusion::physical_optimizer::PhysicalOptimizerRule;
use datafusion::physical_plan::sorts::sort::SortExec;
use datafusion::physical_plan::union::UnionExec;
use datafusion::physical_plan::{
    DisplayAs, DisplayFormatType, ExecutionPlan, ExecutionPlanProperties as _, PlanProperties,
    replace_children_if_necessary,
};

/// The rule that seals unions below sorts, or the one that takes the seals away.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum SortedUnion {
    Seal,
    Open,
}

impl PhysicalOptimizerRule for SortedUnion {
    fn optimize(
        &self,
        plan: Arc<dyn ExecutionPlan>,
        _: &ConfigOptions,
    ) -> Result<Arc<dyn ExecutionPlan>> {
        let changed = plan.transform_up(|node| {
            if let Some(sealed) = node.downcast_ref::<SealedExec>()
                && *self == Self::Open
            {
                return Ok(Transformed::yes(Arc::clone(&sealed.input)));
            }
            match node.downcast_ref::<SortExec>() {
                Some(sort) if *self == Self::Seal => {
                    let input = sealed(sort.input())?;
                    replace_children_if_necessary(node, vec![input]).map(Transformed::yes)
                }
                _ => Ok(Transformed::no(node)),
            }
        });
        changed.map(|changed| changed.data)
    }

    fn name(&self) -> &'static str {
        "sorted_union"
    }

    fn schema_check(&self) -> bool {
        true
    }
}

/// What is sorted, with a seal over the union to which the sort would be pushed.
fn sealed(plan: &Arc<dyn ExecutionPlan>) -> Result<Arc<dyn ExecutionPlan>> {
    let knows_equal =
        |operand: &&Arc<dyn ExecutionPlan>| !operand.equivalence_properties().eq_group().is_empty();
    if plan.is::<UnionExec>() && plan.children().iter().any(knows_equal) {
        return Ok(Arc::new(SealedExec { input: Arc::clone(plan) }));
    }
    match (plan.children().as_slice(), plan.maintains_input_order().as_slice()) {
        ([input], [true]) => replace_children_if_necessary(Arc::clone(plan), vec![sealed(input)?]),
        _ => Ok(Arc::clone(plan)),
    }
}

/// A node of planning through which no order passes.
#[derive(Debug)]
struct SealedExec {
    input: Arc<dyn ExecutionPlan>,
}

impl DisplayAs for SealedExec {
    fn fmt_as(&self, _: DisplayFormatType, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("SealedExec")
    }
}

impl ExecutionPlan for SealedExec {
    fn name(&self) -> &'static str {
        "SealedExec"
    }

    fn properties(&self) -> &Arc<PlanProperties> {
        self.input.properties()
    }

    fn children(&self) -> Vec<&Arc<dyn ExecutionPlan>> {
        vec![&self.input]
    }

    fn maintains_input_order(&self) -> Vec<bool> {
        vec![false]
    }

    fn benefits_from_input_partitioning(&self) -> Vec<bool> {
        vec![false]
    }

    fn apply_expressions(
        &self,
        _: &mut dyn FnMut(&Arc<dyn PhysicalExpr>) -> Result<TreeNodeRecursion>,
    ) -> Result<TreeNodeRecursion> {
        Ok(TreeNodeRecursion::Continue)
    }

    fn with_new_children(
        self: Arc<Self>,
        mut children: Vec<Arc<dyn ExecutionPlan>>,
    ) -> Result<Arc<dyn ExecutionPlan>> {
        match (children.pop(), children.is_empty()) {
            (Some(input), true) => Ok(Arc::new(Self { input })),
            _ => internal_err!("SealedExec has one child"),
        }
    }

    fn execute(&self, _: usize, _: Arc<TaskContext>) -> Result<SendableRecordBatchStream> {
        internal_err!("a seal is taken away before the plan runs")
    }
}
