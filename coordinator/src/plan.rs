//! Physical passes of ours, in their order:
//!
//! 1. [`near`]: joins by position read the tiles near the other side.
//! 2. [`slots`]: the placement of one query. Slot i is the i-th reader of a tile that the query
//!    touches, the same for every table, so that tiles over the same sky meet on one worker;
//!    [`choice`] says which holder of a tile reads it.
//! 3. [`colocate`]: joins of tables that are tiled alike and joins by position, in [`pieces`] of the
//!    sky ([`units`]) with what is `around` them, and those beside a table that every worker holds.
//!    [`lineage`] tells which they are.
//! 4. The stages of `datafusion-distributed`, fed by [`crate::distributed`].
//! 5. [`invariants`]: what must hold of a plan with stages; a plan that breaks one is refused.
//!
//! A single process has only the first and the third. Among the passes of `DataFusion`, which come
//! before, are four of ours (`arguments`, `ordered_offset`, `sorted_union`, `limited_groups`). Each
//! process makes the joins of what it runs itself give way to others ([`worker::giving_way`]).
//! [`explain`] tells what a plan will touch.

mod arguments;
mod around;
pub mod choice;
pub mod colocate;
pub mod explain;
pub mod invariants;
mod limited_groups;
pub mod lineage;
pub mod near;
mod ordered_offset;
pub mod pieces;
pub mod slot_leaf;
pub mod slots;
mod sorted_union;
pub mod units;

use std::sync::Arc;

use datafusion::physical_optimizer::PhysicalOptimizerRule;
use datafusion::physical_optimizer::optimizer::PhysicalOptimizer;

use arguments::Arguments;
use limited_groups::LimitedGroups;
use ordered_offset::OrderedOffset;
use sorted_union::SortedUnion;

/// The passes of `DataFusion`, with ours around them.
pub fn physical_rules() -> Vec<Arc<dyn PhysicalOptimizerRule + Send + Sync>> {
    let mut rules = PhysicalOptimizer::new().rules;
    let first =
        [Arc::new(Arguments) as _, Arc::new(OrderedOffset) as _, Arc::new(SortedUnion::Seal) as _];
    rules.splice(0..0, first);
    // The last of them checks the plan.
    let last = rules.len() - 1;
    rules.splice(last..last, [Arc::new(SortedUnion::Open) as _, Arc::new(LimitedGroups) as _]);
    rules
}
