//! Which side of a join by position is built and which streams past it, and how large a side is.
//!
//! The side that is built is kept whole in memory, and in a cluster in each task: so it may not be
//! one of which rows without a match are delivered, it is the one whose rows are ranked by their
//! distances, and of two it is the smaller. Of sides that are large it is one that is read as it
//! lies, which can be built a piece of the sky at a time.

use std::sync::Arc;

use adql::function::cross_match;
use datafusion::arrow::datatypes::{DataType, Schema};
use datafusion::common::tree_node::TreeNodeRecursion;
use datafusion::common::{JoinSide, JoinType, Result, internal_err};
use datafusion::datasource::source::DataSourceExec;
use datafusion::physical_expr::expressions::Literal;
use datafusion::physical_expr::{ScalarFunctionExpr, split_conjunction};
use datafusion::physical_expr_common::physical_expr::is_volatile;
use datafusion::physical_plan::coalesce_partitions::CoalescePartitionsExec;
use datafusion::physical_plan::coop::CooperativeExec;
use datafusion::physical_plan::execution_plan::reset_plan_states;
use datafusion::physical_plan::filter::FilterExec;
use datafusion::physical_plan::joins::utils::JoinFilter;
use datafusion::physical_plan::joins::{NestedLoopJoinExec, NestedLoopJoinExecBuilder};
use datafusion::physical_plan::projection::ProjectionExec;
use datafusion::physical_plan::repartition::RepartitionExec;
use datafusion::physical_plan::{
    ExecutionPlan, ExecutionPlanProperties, StatisticsArgs, StatisticsContext,
    replace_children_if_necessary,
};

use super::condition::Condition;
use super::operator::CrossMatchExec;

/// A side that takes so little is kept whole rather than a piece of the sky at a time.
pub const WHOLE_BYTES: usize = 32 << 20;

/// An outer join keeps so few rows that reading them twice costs less than building the other side.
const FEW_BYTES: usize = 128 << 20;

/// A row is taken to have no more matches than so many, where nobody knows.
const MATCHES: usize = 4;

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
    if let Some(reduced) = reduced(join, condition, turn)? {
        return oriented_as(&reduced, turn);
    }
    oriented_as(join, turn)
}

/// A join of few rows with a large side that has to be built, because the few are kept or the others
/// are ranked: of the large side only the rows near to one of the few are built.
///
/// ```text
/// Left: few, large       Left: few
///                          RightSemi: few, large
/// ```
/// The few rows are read twice, so that they have to be the same both times.
fn reduced(
    join: &NestedLoopJoinExec,
    condition: &Condition,
    turn: bool,
) -> Result<Option<NestedLoopJoinExec>> {
    let (few, large) = if turn { (join.left(), join.right()) } else { (join.right(), join.left()) };
    let is_worth_while = match (estimated_bytes(few), estimated_bytes(large)) {
        (Some(few), Some(large)) => few <= FEW_BYTES && large / 4 >= few,
        (Some(few), None) => few <= FEW_BYTES,
        (None, _) => false,
    };
    let has_to_build = *join.join_type() != JoinType::Inner || condition.ranking.is_some();
    if !has_to_build || !is_worth_while || !is_same_again(few) {
        return Ok(None);
    }
    let filter = match (&condition.ranking, join.filter()) {
        (None, filter) => filter.cloned(),
        // What else is asked of pairs may be asked of those that are the nearest.
        (Some(_), Some(filter)) => match only_near(filter) {
            Some(near) => Some(near),
            None => return Ok(None),
        },
        (Some(_), None) => None,
    };
    let again = collected(&in_partitions(&reset_plan_states(Arc::clone(few))?));
    let filter = if turn { filter } else { filter.as_ref().map(JoinFilter::swap) };
    let semi = NestedLoopJoinExecBuilder::new(again, in_partitions(large), JoinType::RightSemi)
        .with_filter(filter)
        .build()?;
    let matched: Arc<dyn ExecutionPlan> = Arc::new(CrossMatchExec::try_new(semi)?);
    let (left, right) =
        if turn { (Arc::clone(few), matched) } else { (collected(&matched), Arc::clone(few)) };
    let reduced = NestedLoopJoinExecBuilder::new(left, right, *join.join_type())
        .with_filter(join.filter().cloned())
        .with_projection_ref(join.projection().clone());
    reduced.build().map(Some)
}

/// A filter that only asks how near the places of a pair are, to a radius that is the same for all.
fn only_near(filter: &JoinFilter) -> Option<JoinFilter> {
    let conjuncts = split_conjunction(filter.expression());
    let near = conjuncts.into_iter().find(|conjunct| {
        let call = conjunct.downcast_ref::<ScalarFunctionExpr>();
        let call = call.filter(|call| call.name() == cross_match::NAME);
        call.and_then(|call| call.args().get(4)).is_some_and(|radius| radius.is::<Literal>())
    })?;
    let (columns, schema) = (filter.column_indices().to_vec(), Arc::clone(filter.schema()));
    Some(JoinFilter::new(Arc::clone(near), columns, schema))
}

/// Whether a plan has the same rows whenever it is read: scans, and what looks at single rows.
fn is_same_again(plan: &Arc<dyn ExecutionPlan>) -> bool {
    let is_plain = plan.is::<FilterExec>()
        || plan.is::<ProjectionExec>()
        || plan.is::<CooperativeExec>()
        || plan.is::<CoalescePartitionsExec>()
        || plan.is::<RepartitionExec>()
        || plan.is::<DataSourceExec>();
    let mut is_volatile_at_all = false;
    let walked = plan.apply_expressions(&mut |expr| {
        is_volatile_at_all |= is_volatile(expr);
        Ok(TreeNodeRecursion::Continue)
    });
    let is_limited = plan.fetch().is_some();
    is_plain
        && walked.is_ok()
        && !is_volatile_at_all
        && !is_limited
        && plan.children().into_iter().all(is_same_again)
}

fn oriented_as(join: &NestedLoopJoinExec, turn: bool) -> Result<Arc<dyn ExecutionPlan>> {
    if !turn {
        let join = NestedLoopJoinExecBuilder::from(join).build()?;
        return Ok(Arc::new(CrossMatchExec::try_new(join)?));
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
    if let Some(operator) = plan.downcast_ref::<CrossMatchExec>()
        && *operator.join().join_type() == JoinType::RightSemi
    {
        let [left, right] = [operator.join().left(), operator.join().right()].map(rows);
        return right.into_iter().chain(left.map(|left| left.saturating_mul(MATCHES))).min();
    }
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
