//! How the operators of one query share its memory on a node.
//!
//! A sort that runs out of memory merges what it holds before it spills it, and merges what it
//! spilled at the end. Both merges hold memory that they cannot give back, and fail without it. So
//! a sort and its merge are one *part* here: it never holds so much unsorted that its merge would
//! find no room, and keeps its room until the merge is done. `DataFusion`'s own pools look at each
//! consumer alone, so that what a sort frees for its merge is taken by the sort of the next
//! partition.
//!
//! All parts have the same share of what the others, which cannot spill, leave them; a little is
//! kept for the others, because the merge of sorted partitions asks last.

use std::collections::HashMap;

use datafusion::execution::memory_pool::{MemoryConsumer, MemoryReservation};

/// Kept for operators that cannot spill, of which a query has three times as much or more; and for the
/// merge of what an aggregate spilled.
const ASIDE_BYTES: usize = 64 * 1024 * 1024;

/// Rows on their way between nodes: bounded where they wait, and never refused.
const BETWEEN_NODES: [&str; 2] = ["NetworkBoundary", "WorkerConnection"];

/// All repartitions of a query are one part: each spills whatever it is refused.
const REPARTITION: &str = "RepartitionExec[";

/// The merge of sorted partitions holds a few batches of each. Their texts are views of what the
/// sorts hold for merges of their own, and each batch counts all that it has views of: the same
/// bytes many times.
const SORTED_MERGE: &str = "SortPreservingMergeExec[";

/// So many budgets such a merge may count, beside sorts: two or three batches of each partition.
const COUNTED_TIMES: usize = 3;

/// The part of all repartitions; consumers count from zero.
const OF_REPARTITIONS: usize = usize::MAX;

/// What the operators of a query hold of its memory.
#[derive(Debug)]
pub(super) struct Shares {
    bytes: usize,
    parts: HashMap<usize, Part>,
    /// The part of each consumer that has one, and whether it is its merge.
    members: HashMap<usize, (usize, bool)>,
    /// Held by those that cannot spill.
    fixed: usize,
    /// Held by merges of sorted partitions.
    sorted: usize,
    /// Held by rows between nodes.
    between: usize,
}

/// An operator that can spill, with the merge of what it spills.
#[derive(Debug, Clone, Default)]
pub(super) struct Part {
    sorts: bool,
    /// The partition of a sort whose merge is not there yet.
    awaits_merge: Option<String>,
    members: usize,
    spillable: usize,
    merging: usize,
    /// The most that it asked for at once: for a sort a batch and its sorted copy.
    largest: usize,
    charged: usize,
}

/// How much an operator needs what it asks its node for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Need {
    /// A few batches, without which it fails.
    Batches,
    /// It fails without.
    Fixed,
    /// It spills instead.
    Spillable,
}

/// Why an operator gets no more of its query's memory.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Refusal {
    /// Its share is used: it may hold so much, and would hold so much.
    Share { limit: usize, wanted: usize },
    /// All is used.
    Whole,
}

impl Part {
    fn held(&self) -> usize {
        self.spillable + self.merging
    }

    fn side(&mut self, merges: bool) -> &mut usize {
        if merges { &mut self.merging } else { &mut self.spillable }
    }

    /// Holds more on one of its sides. A sort of several batches is charged as much for their merge
    /// as for them.
    fn take(&mut self, merges: bool, more: usize, share: usize) {
        *self.side(merges) += more;
        let mut needs = self.held();
        if self.sorts && !merges && self.spillable > self.largest.max(more) {
            needs = needs.max(self.spillable.saturating_mul(2).min(share));
        }
        self.charged = self.charged.max(needs);
    }

    /// Holds less: a sort keeps its charge until it is empty, and any part what reading two spilled
    /// batches takes.
    fn put_back(&mut self, merges: bool, less: usize) {
        *self.side(merges) -= less;
        if self.sorts && self.held() > 0 {
            return;
        }
        let two_batches = self.largest.saturating_mul(2).min(ASIDE_BYTES);
        self.charged = self.held().max(two_batches).min(self.charged);
    }
}

impl Shares {
    pub(super) fn new(bytes: usize) -> Self {
        let (parts, members) = (HashMap::new(), HashMap::new());
        Self { bytes, parts, members, fixed: 0, sorted: 0, between: 0 }
    }

    /// What one query may have.
    pub(super) fn bytes(&self) -> usize {
        self.bytes
    }

    /// What counts for the query on its node.
    pub(super) fn charged(&self) -> usize {
        let sorted = if self.sorts() { self.sorted.min(self.aside()) } else { self.sorted };
        self.held() + sorted + self.between
    }

    /// What counts against the budget of the query.
    pub(super) fn held(&self) -> usize {
        self.parts.values().map(|part| part.charged).sum::<usize>() + self.fixed
    }

    /// What is kept for those that cannot spill.
    fn aside(&self) -> usize {
        (self.bytes / 3).min(ASIDE_BYTES)
    }

    fn sorts(&self) -> bool {
        self.parts.values().any(|part| part.sorts)
    }

    /// What one part may have.
    fn share(&self) -> usize {
        self.bytes.saturating_sub(self.fixed.max(self.aside())) / self.parts.len().max(1)
    }

    pub(super) fn register(&mut self, consumer: &MemoryConsumer) {
        let (name, id) = (consumer.name(), consumer.id());
        if let Some(partition) = name.strip_prefix("ExternalSorterMerge") {
            // It is made right after its sort: of several sorts the last one is its own.
            let waiting = self
                .parts
                .iter_mut()
                .filter(|(_, part)| part.awaits_merge.as_deref() == Some(partition));
            if let Some((key, part)) = waiting.max_by_key(|(key, _)| **key) {
                part.awaits_merge = None;
                part.members += 1;
                self.members.insert(id, (*key, true));
            }
            return;
        }
        if !consumer.can_spill() {
            return;
        }
        let key = if name.starts_with(REPARTITION) { OF_REPARTITIONS } else { id };
        let part = self.parts.entry(key).or_default();
        part.members += 1;
        if let Some(partition) = name.strip_prefix("ExternalSorter") {
            part.sorts = true;
            part.awaits_merge = Some(partition.to_owned());
        }
        self.members.insert(id, (key, false));
    }

    /// A consumer is gone, and its part with its last one.
    pub(super) fn unregister(&mut self, consumer: &MemoryConsumer) {
        let Some((key, _)) = self.members.remove(&consumer.id()) else { return };
        if let Some(part) = self.parts.get_mut(&key) {
            part.members -= 1;
            if part.members == 0 {
                self.parts.remove(&key);
            }
        }
    }

    /// Whether an operator may hold more of the query's memory, and how much it needs that.
    pub(super) fn ask(
        &mut self,
        reservation: &MemoryReservation,
        more: usize,
    ) -> Result<Need, Refusal> {
        let share = self.share();
        let Some((key, merges)) = self.members.get(&reservation.consumer().id()).copied() else {
            let times = if self.sorts() { COUNTED_TIMES } else { 1 };
            let (fits, need) = match Side::of(reservation) {
                Side::Fixed => (self.held() + more <= self.bytes, Need::Fixed),
                Side::Sorted => (self.sorted + more <= times * self.bytes, Need::Batches),
                Side::Between => (true, Need::Batches),
            };
            return if fits { Ok(need) } else { Err(Refusal::Whole) };
        };
        let part = self.parts.entry(key).or_default();
        let mut then = part.clone();
        then.take(merges, more, share);
        if !merges && key != OF_REPARTITIONS {
            part.largest = part.largest.max(more);
        }
        // What it has been given before is not refused to a merge, nor to a small correction.
        let is_small = more < part.largest / 4;
        if then.charged == part.charged && (merges || is_small) {
            return Ok(Need::Fixed);
        }
        // Without anything to merge with, one batch is sorted and spilled alone.
        let is_first = part.held() == 0;
        let (wanted, limit) = if merges || is_first {
            (then.held(), share)
        } else if part.sorts {
            // Its rows are no more one while they are sorted to be spilled or given away.
            let is_sorting = reservation.size() < part.spillable;
            (then.spillable, if is_sorting { share } else { share / 2 })
        } else {
            (reservation.size() + more, share - (share / 2).min(ASIDE_BYTES))
        };
        for (wanted, limit) in [(wanted, limit), (then.held(), share)] {
            if wanted > limit {
                return Err(Refusal::Share { limit, wanted });
            }
        }
        Ok(match (is_first, merges) {
            (true, _) => Need::Batches,
            (false, true) => Need::Fixed,
            (false, false) => Need::Spillable,
        })
    }

    /// An operator holds more; its part as it was before, if it has one.
    pub(super) fn grow(&mut self, reservation: &MemoryReservation, more: usize) -> Option<Part> {
        let share = self.share();
        let Some((key, merges)) = self.members.get(&reservation.consumer().id()) else {
            *self.side(reservation) += more;
            return None;
        };
        let part = self.parts.entry(*key).or_default();
        let before = part.clone();
        part.take(*merges, more, share);
        Some(before)
    }

    /// An operator does not hold more after all.
    pub(super) fn undo(&mut self, of: &MemoryReservation, more: usize, before: Option<Part>) {
        match (self.members.get(&of.consumer().id()), before) {
            (Some((key, _)), Some(before)) => {
                self.parts.insert(*key, before);
            }
            _ => *self.side(of) -= more,
        }
    }

    /// An operator holds less.
    pub(super) fn shrink(&mut self, reservation: &MemoryReservation, less: usize) {
        match self.members.get(&reservation.consumer().id()) {
            Some((key, merges)) => self.parts.entry(*key).or_default().put_back(*merges, less),
            None => *self.side(reservation) -= less,
        }
    }

    fn side(&mut self, reservation: &MemoryReservation) -> &mut usize {
        match Side::of(reservation) {
            Side::Fixed => &mut self.fixed,
            Side::Sorted => &mut self.sorted,
            Side::Between => &mut self.between,
        }
    }
}

/// Where a consumer that has no part counts.
enum Side {
    Fixed,
    Sorted,
    Between,
}

impl Side {
    fn of(reservation: &MemoryReservation) -> Self {
        match reservation.consumer().name() {
            name if name.starts_with(SORTED_MERGE) => Self::Sorted,
            name if BETWEEN_NODES.contains(&name) => Self::Between,
            _ => Self::Fixed,
        }
    }
}
