//! Which side of a join by position is built and which streams past it, and how large a side is.
//!
//! The side that is built is kept whole in memory, and in a cluster in each task: so it may not be
//! one of which rows without a match are delivered, it is the one whose rows are ranked by their
//! distances, and of two it is the smaller.

use std::sync::Arc;

use datafusion::arrow::datatypes::{DataType, Schema};
use datafusion::common::{JoinSide, JoinType, Result, internal_err};
use datafusion::physical_plan::coalesce_partitions::CoalescePartitionsExec;
use datafusion::physical_plan::joins::{NestedLoopJoinExec, NestedLoopJoinExecBuilder};
use datafusion::physical_plan::{
    ExecutionPlan, ExecutionPlanProperties, StatisticsArgs, StatisticsContext,
    replace_children_if_necessary,
};

use super::condition::Condition;
use super::operator::CrossMatchExec;

/// What a text or a list is taken to have, where nobody knows.
const BYTES_OF_TEXT: usize = 32;

/// The operator for a join: its left child is what is built.
pub(super) fn oriented(
    join: &NestedLoopJoinExec,
    condition: &Condition,
) -> Result<Arc<dyn ExecutionPlan>> {
    let turn = match join.join_type() {
        JoinType::Right | JoinType::RightSemi | JoinType::RightAnti => false,
        JoinType::Left | JoinType::LeftSemi | JoinType::LeftAnti => true,
        JoinType::Inner if let Some(ranking) = &condition.ranking => {
            ranking.side == JoinSide::Right
        }
        JoinType::Inner => {
            let [left, right] = [join.left(), join.right()].map(estimated_bytes);
            left.zip(right).is_some_and(|(left, right)| right < left)
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
