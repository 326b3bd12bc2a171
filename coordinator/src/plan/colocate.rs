//! Joins that need no exchange run where their rows are, a piece of the sky at a time.
//!
//! A child table whose rows lie with those of its parent is joined with it tile by tile:
//!
//! ```text
//! HashJoinExec (o.id = s.oid)          InTurnExec                     as many pieces at once as cores
//!   RepartitionExec (hash)       ->      HashJoinExec (o.id = s.oid)  partition i is piece i
//!     scan of o                            scan of o                  each with the files of
//!   RepartitionExec (hash)                 scan of s                  the piece
//!     scan of s
//! ```
//!
//! and groups by the id need no exchange either. Over workers, a build side that every worker
//! holds is read by each task itself:
//!
//! ```text
//! HashJoinExec (collects v)            LocalJoinExec
//!   CoalescePartitionsExec       ->      InTurnExec                   one partition
//!     scan of v                            scan of v, whole in each slot
//!   …                                    …
//! ```
//!
//! A join by position beside such a table does the same. One whose sides are both large goes in
//! pieces too, each of which reads what lies around it of the side that is built ([`super::pieces`]).
//! Other joins stay as they are. Filters that a join sends to the scan of its other side are lost in
//! a rewritten join: in pieces that run in turn, some would wait for others.

use std::sync::Arc;

use datafusion::common::{JoinType, Result};
use datafusion::datasource::physical_plan::{FileGroup, FileScanConfig};
use datafusion::datasource::source::DataSourceExec;
use datafusion::physical_plan::aggregates::{AggregateExec, AggregateMode};
use datafusion::physical_plan::coalesce_partitions::CoalescePartitionsExec;
use datafusion::physical_plan::coop::CooperativeExec;
use datafusion::physical_plan::filter::FilterExec;
use datafusion::physical_plan::joins::{HashJoinExec, PartitionMode};
use datafusion::physical_plan::projection::ProjectionExec;
use datafusion::physical_plan::repartition::RepartitionExec;
use datafusion::physical_plan::sorts::sort::SortExec;
use datafusion::physical_plan::sorts::sort_preserving_merge::SortPreservingMergeExec;
use datafusion::physical_plan::{ExecutionPlan, replace_children_if_necessary};
use worker::cross_match::CrossMatchExec;
use worker::in_turn::InTurnExec;
use worker::local_join::LocalJoinExec;

use super::lineage::{Lineage, Origin};
use super::slot_leaf::SlotLeafExec;
use super::slots::{Slots, tile, tile_scan};

/// Where a plan runs.
#[derive(Debug, Clone, Copy)]
pub struct Place<'a> {
    /// What tells the origin of columns.
    pub lineage: Lineage<'a>,
    /// The slots of the query, and how small a table is that every worker holds; none in one
    /// process.
    pub over: Option<(&'a Slots, u64)>,
    /// How many partitions a task works on at once.
    pub partitions: usize,
}

impl Place<'_> {
    /// The plan with its local joins.
    ///
    /// # Errors
    /// When a scan names a file that is no tile, or a node refuses its own children.
    pub fn colocate(&self, plan: &Arc<dyn ExecutionPlan>) -> Result<Arc<dyn ExecutionPlan>> {
        self.rewrite(plan, true)
    }

    /// `free` says that nothing above relies on how the rows are shared out among partitions.
    pub(super) fn rewrite(
        &self,
        plan: &Arc<dyn ExecutionPlan>,
        free: bool,
    ) -> Result<Arc<dyn ExecutionPlan>> {
        if let Some(local) = self.in_pieces(plan, free)? {
            return Ok(local);
        }
        if let Some(join) = plan.downcast_ref::<HashJoinExec>()
            && let Some(local) = self.beside_everywhere(join, free)?
        {
            return Ok(local);
        }
        if let Some(operator) = plan.downcast_ref::<CrossMatchExec>()
            && let Some(left) = self.whole_everywhere(operator.join().left())?
        {
            let right = self.rewrite(operator.join().right(), free)?;
            return replace_children_if_necessary(Arc::clone(plan), vec![left, right]);
        }
        let free = frees_its_input(plan) || (free && !relies_on_its_input(plan));
        let children = plan.children().into_iter().map(|child| self.rewrite(child, free));
        let children = children.collect::<Result<Vec<_>>>()?;
        let plan = replace_children_if_necessary(Arc::clone(plan), children)?;
        Ok(self.grouped_in_place(&plan)?.unwrap_or(plan))
    }

    /// A join of tables that are tiled alike, in pieces. Rows of equal keys leave it from one piece
    /// only if they were paired: children without a parent lie where they like.
    fn in_pieces(
        &self,
        plan: &Arc<dyn ExecutionPlan>,
        free: bool,
    ) -> Result<Option<Arc<dyn ExecutionPlan>>> {
        let is_cut = if let Some(join) = plan.downcast_ref::<HashJoinExec>() {
            let pairs_by_key = *join.partition_mode() == PartitionMode::Partitioned
                && *join.join_type() == JoinType::Inner;
            (free || pairs_by_key) && self.lineage.meets_in_tiles(join)
        } else if let Some(operator) = plan.downcast_ref::<CrossMatchExec>() {
            free && self.reads_around(operator).is_some()
        } else {
            false
        };
        if is_cut { self.pieces(plan) } else { Ok(None) }
    }

    /// A join whose build side is a table that every worker holds.
    fn beside_everywhere(
        &self,
        join: &HashJoinExec,
        free: bool,
    ) -> Result<Option<Arc<dyn ExecutionPlan>>> {
        let collects = collects_for_each_row(join)
            || (free && *join.partition_mode() == PartitionMode::Partitioned && emits_probe(join));
        if !collects || join.null_aware {
            return Ok(None);
        }
        let Some(left) = self.whole_everywhere(join.left())? else { return Ok(None) };
        // What a join that collects does not share out anew, those above may rely on.
        let right = match join.partition_mode() {
            PartitionMode::Partitioned => without_exchange(join.right()),
            PartitionMode::CollectLeft | PartitionMode::Auto => join.right(),
        };
        let right = self.rewrite(right, free)?;
        let join = anew(join, PartitionMode::CollectLeft, left, right)?;
        Ok(Some(Arc::new(LocalJoinExec::new(join))))
    }

    /// The rows of one scan of a table that every worker holds, whole in each task.
    pub(super) fn whole_everywhere(
        &self,
        plan: &Arc<dyn ExecutionPlan>,
    ) -> Result<Option<Arc<dyn ExecutionPlan>>> {
        let Some((slots, small_table_bytes)) = self.over else { return Ok(None) };
        let Some(scan) = single_scan(plan) else { return Ok(None) };
        let mut files = scan.file_groups.iter().flat_map(FileGroup::iter);
        let Some(file) = files.next() else { return Ok(None) };
        let (folder, _) = tile(&file.object_meta.location)?;
        let table = self.lineage.snapshot.table_of_path(folder);
        if !table.is_some_and(|table| table.is_everywhere(small_table_bytes)) {
            return Ok(None);
        }
        let whole: Arc<dyn ExecutionPlan> = DataSourceExec::from_data_source(scan.clone());
        let variants = vec![Arc::clone(&whole); slots.urls().len()];
        let leaf: Arc<dyn ExecutionPlan> = Arc::new(SlotLeafExec { original: whole, variants });
        let rows = self.over_leaves(plan, &mut std::iter::once(leaf))?;
        Ok(Some(Arc::new(InTurnExec::new(rows, 1))))
    }

    /// Groups by the key of a join in pieces, each of which is in one piece.
    fn grouped_in_place(
        &self,
        plan: &Arc<dyn ExecutionPlan>,
    ) -> Result<Option<Arc<dyn ExecutionPlan>>> {
        let Some(last) = plan.downcast_ref::<AggregateExec>() else { return Ok(None) };
        let Some(exchange) = last.input().downcast_ref::<RepartitionExec>() else {
            return Ok(None);
        };
        let Some(first) = exchange.input().downcast_ref::<AggregateExec>() else {
            return Ok(None);
        };
        let modes = (*last.mode(), *first.mode());
        if modes != (AggregateMode::FinalPartitioned, AggregateMode::Partial)
            || !first.group_expr().is_single()
        {
            return Ok(None);
        }
        let Some(join) = join_in_pieces(first.input()) else { return Ok(None) };
        let keys = self.keys_in_one_piece(join);
        let groups = first.group_expr().expr().iter();
        let mut groups = groups.filter_map(|(expr, _)| self.lineage.origin(first.input(), expr));
        if !groups.any(|group| keys.contains(&group)) {
            return Ok(None);
        }
        let input = Arc::clone(exchange.input());
        replace_children_if_necessary(Arc::clone(plan), vec![input]).map(Some)
    }

    /// The columns by which rows of equal values leave a join in pieces from the same piece.
    fn keys_in_one_piece(&self, join: &HashJoinExec) -> Vec<Origin> {
        let mut keys = Vec::new();
        for (left, right) in join.on() {
            let lineage = self.lineage;
            let sides = (lineage.origin(join.left(), left), lineage.origin(join.right(), right));
            let (Some(left), Some(right)) = sides else { continue };
            let kind = *join.join_type();
            let (parent, parent_stays, child) = if lineage.is_parent(&left, &right) {
                (left, matches!(kind, JoinType::Inner | JoinType::Left), right)
            } else if lineage.is_parent(&right, &left) {
                (right, matches!(kind, JoinType::Inner | JoinType::Right), left)
            } else {
                continue;
            };
            if parent_stays {
                keys.push(parent);
            }
            // Children without a parent lie where they like.
            if kind == JoinType::Inner {
                keys.push(child);
            }
        }
        keys
    }
}

/// A join over other inputs, with nothing that it has told other nodes.
pub(super) fn anew(
    join: &HashJoinExec,
    mode: PartitionMode,
    left: Arc<dyn ExecutionPlan>,
    right: Arc<dyn ExecutionPlan>,
) -> Result<HashJoinExec> {
    let join = join.builder().reset_state().with_partition_mode(mode);
    join.with_new_children(vec![left, right])?.recompute_properties().build()
}

/// The one scan of tiles below nodes that look at single rows.
pub(super) fn single_scan(plan: &Arc<dyn ExecutionPlan>) -> Option<&FileScanConfig> {
    if let Some(scan) = tile_scan(plan) {
        return Some(scan).filter(|scan| scan.limit.is_none());
    }
    match plan.children().as_slice() {
        [input] if plan.fetch().is_none() && (looks_at_single_rows(plan) || shares_out(plan)) => {
            single_scan(input)
        }
        _ => None,
    }
}

/// The join in pieces whose rows reach a node piece by piece.
fn join_in_pieces(plan: &Arc<dyn ExecutionPlan>) -> Option<&HashJoinExec> {
    if let Some(in_turn) = plan.downcast_ref::<InTurnExec>() {
        return in_turn.children().first()?.downcast_ref::<HashJoinExec>();
    }
    if let Some(local) = plan.downcast_ref::<LocalJoinExec>() {
        return join_in_pieces(local.join().right());
    }
    match plan.children().as_slice() {
        [input] if looks_at_single_rows(plan) => join_in_pieces(input),
        _ => None,
    }
}

/// Whether a join collects its left side and emits rows of its right side only as they come.
pub(super) fn collects_for_each_row(join: &HashJoinExec) -> bool {
    *join.partition_mode() == PartitionMode::CollectLeft && emits_probe(join)
}

fn emits_probe(join: &HashJoinExec) -> bool {
    let kinds = [JoinType::Inner, JoinType::Right, JoinType::RightSemi, JoinType::RightAnti];
    kinds.contains(join.join_type()) && join.fetch().is_none()
}

pub(super) fn looks_at_single_rows(plan: &Arc<dyn ExecutionPlan>) -> bool {
    plan.is::<FilterExec>() || plan.is::<ProjectionExec>() || plan.is::<CooperativeExec>()
}

/// Whether a node only shares rows out anew among partitions, in no order.
pub(super) fn shares_out(plan: &Arc<dyn ExecutionPlan>) -> bool {
    plan.is::<CoalescePartitionsExec>()
        || plan.downcast_ref::<RepartitionExec>().is_some_and(|plan| !plan.preserve_order())
}

fn without_exchange(plan: &Arc<dyn ExecutionPlan>) -> &Arc<dyn ExecutionPlan> {
    match plan.children().as_slice() {
        [input] if shares_out(plan) && plan.fetch().is_none() => input,
        _ => plan,
    }
}

/// Whether the rows of its input may be shared out among partitions in any way.
fn frees_its_input(plan: &Arc<dyn ExecutionPlan>) -> bool {
    shares_out(plan) || plan.is::<SortPreservingMergeExec>()
}

/// Whether a node takes it for granted that rows of some kind are in one partition, or in order.
fn relies_on_its_input(plan: &Arc<dyn ExecutionPlan>) -> bool {
    let single = looks_at_single_rows(plan);
    let partial = plan
        .downcast_ref::<AggregateExec>()
        .is_some_and(|aggregate| *aggregate.mode() == AggregateMode::Partial);
    !(single || partial || plan.is::<SortExec>())
}
