//! Joins by position: an operator that pairs rows whose places are near each other, without forming
//! all pairs.
//!
//! ```text
//! NestedLoopJoinExec: cross_match(ra, dec, ra, dec, 0.001, <)        CrossMatchExec: …
//!   left                                                      -->      build
//!   right                                                              probe
//! ```
//! A nested loop whose condition holds a `cross_match` (`adql::function::cross_match`) is replaced
//! once DataFusion has planned: [`planned`] turns it round so that the side that may be built is on
//! the left (`sides`), and makes the operator (`operator`). `condition` reads the condition;
//! `build_side` collects and indexes the one side, `probe` finds the pairs of a batch of the
//! other (`nearest` how far the k nearest are), `rows` makes rows of them. `codec` sends it to workers.
//! It does not spill: the side that is built has to fit in the memory of the query.

mod build_side;
mod codec;
mod condition;
mod nearest;
mod operator;
mod probe;
mod rows;
mod sides;

use std::sync::Arc;

use datafusion::common::Result;
use datafusion::common::tree_node::{Transformed, TreeNode};
use datafusion::physical_plan::ExecutionPlan;
use datafusion::physical_plan::joins::NestedLoopJoinExec;

pub(crate) use codec::{CrossMatchCodec, MARK};
pub use operator::CrossMatchExec;
pub use sides::{WHOLE_BYTES, estimated_bytes};

/// The plan with every join by position as a [`CrossMatchExec`].
///
/// # Errors
/// When a node refuses its own children.
pub fn planned(plan: Arc<dyn ExecutionPlan>) -> Result<Arc<dyn ExecutionPlan>> {
    let planned = plan.transform_up(|node| {
        let Some(join) = node.downcast_ref::<NestedLoopJoinExec>() else {
            return Ok(Transformed::no(node));
        };
        let Some(condition) = condition::Condition::of(join)? else {
            return Ok(Transformed::no(node));
        };
        Ok(Transformed::yes(sides::oriented(join, &condition)?))
    });
    planned.map(|planned| planned.data)
}
