//! Wrong constants of aggregates are refused before a query runs: each aggregate is asked once for
//! an accumulator, which is where constants are read (`DataFusion` asks when rows arrive).

use std::sync::Arc;

use datafusion::common::Result;
use datafusion::common::config::ConfigOptions;
use datafusion::common::tree_node::{TreeNode, TreeNodeRecursion};
use datafusion::physical_optimizer::PhysicalOptimizerRule;
use datafusion::physical_plan::ExecutionPlan;
use datafusion::physical_plan::aggregates::AggregateExec;

/// The rule, which changes nothing.
#[derive(Debug)]
pub(super) struct Arguments;

impl PhysicalOptimizerRule for Arguments {
    fn optimize(
        &self,
        plan: Arc<dyn ExecutionPlan>,
        _: &ConfigOptions,
    ) -> Result<Arc<dyn ExecutionPlan>> {
        plan.apply(|node| {
            if let Some(groups) = node.downcast_ref::<AggregateExec>() {
                for aggregate in groups.aggr_expr() {
                    aggregate.create_accumulator()?;
                }
            }
            Ok(TreeNodeRecursion::Continue)
        })?;
        Ok(plan)
    }

    fn name(&self) -> &'static str {
        "arguments"
    }

    fn schema_check(&self) -> bool {
        true
    }
}
