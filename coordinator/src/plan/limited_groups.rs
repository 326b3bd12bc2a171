//! Groups that come in an order are all made before a TOP: `DataFusion` tells their aggregate of the
//! limit (55.2, `LimitedDistinctAggregation`), and that fails where it has an order of which nothing
//! says whether it ascends, as a column has of which a condition leaves one value.

use std::sync::Arc;

use datafusion::common::Result;
use datafusion::common::config::ConfigOptions;
use datafusion::common::tree_node::{Transformed, TreeNode};
use datafusion::physical_optimizer::PhysicalOptimizerRule;
use datafusion::physical_plan::ExecutionPlan;
use datafusion::physical_plan::aggregates::AggregateExec;

/// The rule.
#[derive(Debug)]
pub(super) struct LimitedGroups;

impl PhysicalOptimizerRule for LimitedGroups {
    fn optimize(
        &self,
        plan: Arc<dyn ExecutionPlan>,
        _: &ConfigOptions,
    ) -> Result<Arc<dyn ExecutionPlan>> {
        let unlimited = plan.transform_up(|node| {
            let Some(groups) = node.downcast_ref::<AggregateExec>() else {
                return Ok(Transformed::no(node));
            };
            let has_direction = groups.limit_options().is_none_or(|o| o.descending.is_some());
            if has_direction || groups.is_unordered_unfiltered_group_by_distinct() {
                return Ok(Transformed::no(node));
            }
            Ok(Transformed::yes(Arc::new(groups.clone().with_limit_options(None)) as _))
        });
        unlimited.map(|unlimited| unlimited.data)
    }

    fn name(&self) -> &'static str {
        "limited_groups"
    }

    fn schema_check(&self) -> bool {
        true
    }
}
