//! Which side of a join by position is built and which streams past it, and how large a side is.
//!
//! The side that is built is kept whole in memory, and in a cluster in each task: so it may not be
//! one of which rows without a match are delivered, and of two it is the smaller. Of sides that are
//! large it is one that is read as it lies, which can be built a piece of the sky at a time.

use std::sync::Arc;

use datafusion::arrow::datatypes::{DataType, Schema};
use datafusion::common::{JoinType, Result, internal_err};
use datafusion::physical_plan::coalesce_partitions::CoalescePartitionsExec;
use datafusion::physical_plan::joins::{NestedLoopJoinExec, NestedLoopJoinExecBuilder};
use datafusion::physical_plan::{
    ExecutionPlan, ExecutionPlanProperties, StatisticsArgs, StatisticsContext,
    replace_children_if_necessary,
};

use super::operator::CrossMatchExec;

/// A side that takes so little is kept whole rather than a piece of the sky at a time.
pub const WHOLE_BYTES: usize = 32 << 20;

/// What a text or a list is taken to have, where nobody knows.
const BYTES_OF_TEXT: usize = 32;

/// The operator for a join: its left child is what is built.
pub(super) fn oriented(join: &NestedLoopJoinExec) -> Result<Arc<dyn ExecutionPlan>> {
    let turn = match join.join_type() {
        JoinType::Right | JoinType::RightSemi | JoinType::RightAnti => false,
        JoinType::Left | JoinType::LeftSemi | JoinType::LeftAnti => true,
        JoinType::Inner => {
            let sides = [join.left(), join.right()];
            let [left, right] = sides.map(estimated_bytes);
            let turn = left.zip(right).is_some_and(|(left, right)| right < left);
            let (built, bytes) = if turn { (sides[1], right) } else { (sides[0], left) };
            let streamed = if turn { sides[0] } else { sides[1] };
            let is_small = bytes.is_some_and(|bytes| bytes <= WHOLE_BYTES);
            turn != (!is_small && has_join(built) && !has_join(streamed))
        }
        other @ (JoinType::Full | JoinType::LeftMark | JoinType::RightMark) => {
            return internal_err!("a {other} join by position is refused before it is planned");
        }
    };
    let builder = NestedLoopJoinExecBuilder::from(join);
    if !turn {
        return Ok(Arc::new(CrossMatchExec::try_new(builder.build()?)?));
    }
    let (left, right) = (in_partitions(join.left()), collected(join.right()));
    let open = NestedLoopJoinExecBuilder::new(left, right, *join.join_type())
        .with_filter(join.filter().cloned())
        .with_projection_ref(join.projection().clone())
        .build()?;
    let turned = open.swap_inputs()?;
    if let Some(join) = turned.downcast_ref::<NestedLoopJoinExec>() {
        let join = NestedLoopJoinExecBuilder::from(join).build()?;
        return Ok(Arc::new(CrossMatchExec::try_new(join)?));
    }
    // Above it a projection restores the order of the columns.
    let [below] = turned.children()[..] else {
        return internal_err!("a join that was turned round is one, or has one below");
    };
    let Some(join) = below.downcast_ref::<NestedLoopJoinExec>() else {
        return internal_err!("below a join that was turned round is the join");
    };
    let join = CrossMatchExec::try_new(NestedLoopJoinExecBuilder::from(join).build()?)?;
    replace_children_if_necessary(Arc::clone(&turned), vec![Arc::new(join)])
}

/// A side as it was before its partitions were made one for the sake of being built.
fn in_partitions(side: &Arc<dyn ExecutionPlan>) -> Arc<dyn ExecutionPlan> {
    match side.downcast_ref::<CoalescePartitionsExec>() {
        Some(coalesce) if coalesce.fetch().is_none() => Arc::clone(coalesce.input()),
        _ => Arc::clone(side),
    }
}

/// Whether rows of more than one table meet in a side.
fn has_join(side: &Arc<dyn ExecutionPlan>) -> bool {
    side.children().len() > 1 || side.children().into_iter().any(has_join)
}

fn collected(side: &Arc<dyn ExecutionPlan>) -> Arc<dyn ExecutionPlan> {
    if side.output_partitioning().partition_count() == 1 {
        return Arc::clone(side);
    }
    Arc::new(CoalescePartitionsExec::new(Arc::clone(side)))
}

/// About so many bytes are the rows of a plan in memory; none where nobody knows how many they are.
/// Where a plan does not tell, they are as many as those of its largest part.
pub fn estimated_bytes(plan: &Arc<dyn ExecutionPlan>) -> Option<usize> {
    Some(rows(plan)?.saturating_mul(width(&plan.schema())))
}

fn rows(plan: &Arc<dyn ExecutionPlan>) -> Option<usize> {
    let known = StatisticsContext::new().compute(plan.as_ref(), &StatisticsArgs::new()).ok();
    let known = known.and_then(|statistics| statistics.num_rows.get_value().copied());
    known.or_else(|| plan.children().into_iter().map(rows).max()?)
}

fn width(schema: &Schema) -> usize {
    let bytes = |data_type: &DataType| match data_type {
        DataType::FixedSizeList(_, length) => usize::try_from(*length).unwrap_or_default() * 8,
        other => other.primitive_width().unwrap_or(BYTES_OF_TEXT),
    };
    schema.fields().iter().map(|field| bytes(field.data_type())).sum::<usize>().max(1)
}
