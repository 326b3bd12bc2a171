//! An OFFSET without a TOP keeps the order of its rows: `DataFusion` drops the sort below it where
//! nothing above asks for an order (55.2, `EnforceDistribution`), and other rows are skipped.
//!
//! ```text
//! GlobalLimitExec: skip=5      ProjectionExec
//!   ProjectionExec               GlobalLimitExec: skip=5
//!     SortExec           -->       OutputRequirementExec: order by the same
//!                                    SortExec
//! ```
//! The projection may drop a column of the order. `DataFusion` takes the requirement away again at
//! the end of its passes.

use std::sync::Arc;

use datafusion::common::Result;
use datafusion::common::config::ConfigOptions;
use datafusion::common::tree_node::{Transformed, TreeNode};
use datafusion::physical_expr::{Distribution, OrderingRequirements};
use datafusion::physical_optimizer::PhysicalOptimizerRule;
use datafusion::physical_optimizer::output_requirements::OutputRequirementExec;
use datafusion::physical_plan::limit::GlobalLimitExec;
use datafusion::physical_plan::projection::ProjectionExec;
use datafusion::physical_plan::{
    ExecutionPlan, ExecutionPlanProperties as _, replace_children_if_necessary,
};

/// The limit over what has an order, below the projections that are above that; none where nothing
/// has.
fn over_order(
    limit: &GlobalLimitExec,
    input: &Arc<dyn ExecutionPlan>,
) -> Result<Option<Arc<dyn ExecutionPlan>>> {
    if let Some(projection) = input.downcast_ref::<ProjectionExec>() {
        let below = over_order(limit, projection.input())?;
        let above = |below| replace_children_if_necessary(Arc::clone(input), vec![below]);
        return below.map(above).transpose();
    }
    let Some(order) = input.output_ordering() else { return Ok(None) };
    let order = OrderingRequirements::from(order.clone());
    let one = Distribution::SinglePartition;
    let required = OutputRequirementExec::new(Arc::clone(input), Some(order), one, None);
    let (skip, fetch) = (limit.skip(), limit.fetch());
    Ok(Some(Arc::new(GlobalLimitExec::new(Arc::new(required), skip, fetch))))
}

/// The rule.
#[derive(Debug)]
pub(super) struct OrderedOffset;

impl PhysicalOptimizerRule for OrderedOffset {
    fn optimize(
        &self,
        plan: Arc<dyn ExecutionPlan>,
        _: &ConfigOptions,
    ) -> Result<Arc<dyn ExecutionPlan>> {
        let ordered = plan.transform_up(|node| {
            let Some(limit) = node.downcast_ref::<GlobalLimitExec>() else {
                return Ok(Transformed::no(node));
            };
            match over_order(limit, limit.input())? {
                Some(ordered) if limit.skip() > 0 => Ok(Transformed::yes(ordered)),
                _ => Ok(Transformed::no(node)),
            }
        });
        ordered.map(|ordered| ordered.data)
    }

    fn name(&self) -> &'static str {
        "ordered_offset"
    }

    fn schema_check(&self) -> bool {
        true
    }
}
