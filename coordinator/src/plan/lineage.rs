//! Which column of which table a column of a plan is, where it is one as it stands in the files.

use std::sync::Arc;

use datafusion::common::JoinType;
use datafusion::physical_expr::PhysicalExpr;
use datafusion::physical_expr::expressions::Column;
use datafusion::physical_plan::ExecutionPlan;
use datafusion::physical_plan::aggregates::AggregateExec;
use datafusion::physical_plan::coalesce_partitions::CoalescePartitionsExec;
use datafusion::physical_plan::coop::CooperativeExec;
use datafusion::physical_plan::filter::FilterExec;
use datafusion::physical_plan::joins::HashJoinExec;
use datafusion::physical_plan::projection::ProjectionExec;
use datafusion::physical_plan::repartition::RepartitionExec;

use super::slot_leaf::SlotLeafExec;
use super::slots::{tile, tile_scan};
use worker::in_turn::InTurnExec;
use worker::local_join::LocalJoinExec;

/// A column of the files of a table.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Origin {
    /// The folder of the table.
    pub table: String,
    /// The exact name of the column.
    pub column: String,
}

/// Where an expression over the rows of `plan` comes from, if it is a column as it was read.
pub fn origin(plan: &Arc<dyn ExecutionPlan>, expr: &Arc<dyn PhysicalExpr>) -> Option<Origin> {
    expr.downcast_ref::<Column>().and_then(|column| origin_of(plan, column.index()))
}

fn origin_of(plan: &Arc<dyn ExecutionPlan>, at: usize) -> Option<Origin> {
    if let Some(leaf) = plan.downcast_ref::<SlotLeafExec>() {
        return origin_of(&leaf.original, at);
    }
    if let Some(scan) = tile_scan(plan) {
        let name = match scan.file_source().projection() {
            Some(projection) => {
                let expr = &projection.as_ref().get(at)?.expr;
                expr.downcast_ref::<Column>()?.name().to_owned()
            }
            None => {
                scan.file_source().table_schema().table_schema().fields().get(at)?.name().clone()
            }
        };
        // A scan without a file has no rows to trace.
        let file = scan.file_groups.iter().find_map(|group| group.iter().next())?;
        let (table, _) = tile(&file.object_meta.location).ok()?;
        return Some(Origin { table: table.to_owned(), column: name });
    }
    if let Some(projection) = plan.downcast_ref::<ProjectionExec>() {
        return origin(projection.input(), &projection.expr().get(at)?.expr);
    }
    if let Some(filter) = plan.downcast_ref::<FilterExec>() {
        let at = match filter.projection() {
            Some(kept) => *kept.as_ref().get(at)?,
            None => at,
        };
        return origin_of(filter.input(), at);
    }
    if let Some(local) = plan.downcast_ref::<LocalJoinExec>() {
        return of_join(local.join(), at);
    }
    if let Some(join) = plan.downcast_ref::<HashJoinExec>() {
        return of_join(join, at);
    }
    if let Some(aggregate) = plan.downcast_ref::<AggregateExec>() {
        let (expr, _) = aggregate.group_expr().expr().get(at)?;
        return origin(aggregate.input(), expr);
    }
    let passes = plan.is::<CoalescePartitionsExec>()
        || plan.is::<RepartitionExec>()
        || plan.is::<CooperativeExec>()
        || plan.is::<InTurnExec>();
    match plan.children().as_slice() {
        [input] if passes => origin_of(input, at),
        _ => None,
    }
}

fn of_join(join: &HashJoinExec, at: usize) -> Option<Origin> {
    let at = match &join.projection {
        Some(kept) => *kept.as_ref().get(at)?,
        None => at,
    };
    let left = join.left().schema().fields().len();
    match join.join_type() {
        JoinType::Inner | JoinType::Left | JoinType::Right | JoinType::Full if at < left => {
            origin_of(join.left(), at)
        }
        JoinType::Inner | JoinType::Left | JoinType::Right | JoinType::Full => {
            origin_of(join.right(), at - left)
        }
        JoinType::LeftSemi | JoinType::LeftAnti => origin_of(join.left(), at),
        JoinType::RightSemi | JoinType::RightAnti => origin_of(join.right(), at),
        JoinType::LeftMark | JoinType::RightMark => None,
    }
}
