//! The memory of a node, shared out to queries: each has a budget of its own, and one that exceeds
//! it fails alone.
//!
//! All tasks of one query on a node share one pool, found by the name of the query; a pool grows
//! within the query's budget and the node's at once. Within a query the operators that can spill
//! have `shares`; on the node memory goes to who comes first, and a query that has less than its
//! fair share can grow to it. What a query holds goes back when its last task is gone.

mod shares;

use std::collections::HashMap;
use std::fmt;
use std::path::PathBuf;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};

use datafusion::common::{DataFusionError, Result as DataFusionResult};
use datafusion::execution::memory_pool::{
    MemoryConsumer, MemoryLimit, MemoryPool, MemoryReservation, human_readable_size,
};

use self::shares::{Need, Refusal, Shares};
use crate::Error;
use crate::holdings::NodeName;

/// What queries may use of a node.
#[derive(Debug, Clone)]
pub struct Budget {
    /// Memory of all queries together.
    pub memory_bytes: usize,
    /// Memory of one query.
    pub query_bytes: usize,
    /// Where queries spill: none for the system's folder for temporary files.
    pub spill: Option<PathBuf>,
    /// Size of what all queries spill together.
    pub spill_bytes: u64,
}

impl Budget {
    /// With less for each partition of a query, not even narrow rows can be sorted.
    const PARTITION_BYTES: usize = 4 * 1024 * 1024;

    /// What queries may spill unless it is said otherwise.
    pub const SPILL_BYTES: u64 = 100 * 1024 * 1024 * 1024;

    /// So much memory, half of it for one query.
    pub fn of(memory_bytes: usize) -> Self {
        Self {
            memory_bytes,
            query_bytes: memory_bytes.div_ceil(2),
            spill: None,
            spill_bytes: Self::SPILL_BYTES,
        }
    }

    /// Says whether queries of so many partitions can be sorted and grouped at all.
    ///
    /// # Errors
    /// When one may have too little.
    pub fn check(&self, partitions: usize) -> Result<(), Error> {
        let needed = partitions.saturating_mul(Self::PARTITION_BYTES);
        let given = self.query_bytes.min(self.memory_bytes);
        if given < needed {
            let [given, needed] = [given, needed].map(human_readable_size);
            return Err(Error::LittleMemory { given, needed, partitions });
        }
        Ok(())
    }
}

/// The memory of a node and of its queries.
#[derive(Debug)]
pub struct Memory {
    node: Arc<NodePool>,
    pool: Arc<dyn MemoryPool>,
    query_bytes: usize,
    queries: Mutex<HashMap<String, Weak<QueryPool>>>,
}

impl Memory {
    /// The memory that a budget names, for messages with the name of its node.
    pub fn new(budget: &Budget, name: NodeName) -> Self {
        let node = NodePool { bytes: budget.memory_bytes, name, state: Mutex::default() };
        let node = Arc::new(node);
        let query_bytes = budget.query_bytes.min(budget.memory_bytes);
        let pool = Arc::<NodePool>::clone(&node);
        Self { node, pool, query_bytes, queries: Mutex::default() }
    }

    /// The memory of the whole node.
    pub fn node(&self) -> &Arc<dyn MemoryPool> {
        &self.pool
    }

    /// The memory of a query, shared by all that name it; without a name, by none.
    pub fn of_query(&self, query: Option<&str>) -> Arc<dyn MemoryPool> {
        let Some(query) = query else { return Arc::new(self.new_pool()) };
        let mut queries = self.queries.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(pool) = queries.get(query).and_then(Weak::upgrade) {
            return pool;
        }
        queries.retain(|_, pool| pool.strong_count() > 0);
        let pool = Arc::new(self.new_pool());
        queries.insert(query.to_owned(), Arc::downgrade(&pool));
        pool
    }

    fn new_pool(&self) -> QueryPool {
        let shares = Mutex::new(Shares::new(self.query_bytes));
        QueryPool { shares, node: Arc::clone(&self.node) }
    }
}

/// The memory of all queries of a node.
///
/// Who comes first has it, up to a point: a query beyond its fair share leaves a quarter to those
/// below theirs, and an operator that can spill leaves an eighth to those that cannot. A query that
/// is alone has all of it. Fair shares are of the queries that hold something. What cannot wait is
/// not refused within them, nor are a few batches to begin and to end with: when many queries come
/// while a few hold nearly everything, all together hold more than they may for a while.
#[derive(Debug)]
struct NodePool {
    bytes: usize,
    name: NodeName,
    state: Mutex<NodeState>,
}

#[derive(Debug, Default)]
struct NodeState {
    used: usize,
    /// Queries that hold something.
    queries: usize,
}

impl NodePool {
    fn state(&self) -> MutexGuard<'_, NodeState> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Gives more to a query, or else says what all queries hold.
    fn take(&self, before: usize, after: usize, need: Need) -> Result<(), usize> {
        let more = after.saturating_sub(before);
        if more == 0 {
            return Ok(());
        }
        let mut state = self.state();
        let queries = state.queries + usize::from(before == 0);
        let (fair, is_alone) = (self.bytes / queries, queries == 1);
        let to_fair = if after <= fair || is_alone { 0 } else { self.bytes / 4 };
        let leaves = |left| state.used + more + left <= self.bytes;
        let granted = match need {
            Need::Batches => more <= fair || leaves(0),
            Need::Fixed => after <= fair || leaves(to_fair),
            Need::Spillable => leaves(if is_alone { 0 } else { to_fair + self.bytes / 8 }),
        };
        if !granted {
            return Err(state.used);
        }
        *state = NodeState { used: state.used + more, queries };
        Ok(())
    }

    /// A query holds more or less, whatever there is.
    fn account(&self, before: usize, after: usize) {
        let mut state = self.state();
        state.used = state.used + after - before;
        state.queries = state.queries + usize::from(after > 0) - usize::from(before > 0);
    }

    fn exceeded(&self, operator: &str, more: usize, used: usize) -> DataFusionError {
        let is_left = used + more <= self.bytes;
        let left = if is_left { ", and leave the rest to queries that hold less" } else { "" };
        let [more, used, limit] = [more, used, self.bytes].map(human_readable_size);
        DataFusionError::ResourcesExhausted(format!(
            "{operator} asked for {more} more, and the queries of {} hold {used} of the {limit} \
             that they may have together{left}: ask again when others have ended, or raise memory",
            self.name
        ))
    }
}

/// What runs in no query is none of the queries, and comes first.
impl MemoryPool for NodePool {
    fn name(&self) -> &'static str {
        "node"
    }

    fn grow(&self, _: &MemoryReservation, additional: usize) {
        self.state().used += additional;
    }

    fn shrink(&self, _: &MemoryReservation, shrink: usize) {
        self.state().used -= shrink;
    }

    fn try_grow(&self, reservation: &MemoryReservation, additional: usize) -> DataFusionResult<()> {
        let mut state = self.state();
        if state.used + additional > self.bytes {
            return Err(self.exceeded(reservation.consumer().name(), additional, state.used));
        }
        state.used += additional;
        Ok(())
    }

    fn reserved(&self) -> usize {
        self.state().used
    }

    fn memory_limit(&self) -> MemoryLimit {
        MemoryLimit::Finite(self.bytes)
    }
}

impl fmt::Display for NodePool {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "memory of {} ({})", self.name, human_readable_size(self.bytes))
    }
}

/// The memory of one query on a node.
#[derive(Debug)]
struct QueryPool {
    shares: Mutex<Shares>,
    node: Arc<NodePool>,
}

impl QueryPool {
    fn shares(&self) -> MutexGuard<'_, Shares> {
        self.shares.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn exceeded(&self, operator: &str, more: usize, shares: &Shares, why: &Refusal) -> String {
        let name = &self.node.name;
        let (held, bytes) = (shares.held(), shares.bytes());
        let [more, held, query] = [more, held, bytes].map(human_readable_size);
        match why {
            Refusal::Whole => format!(
                "{operator} asked for {more} more, and the query holds on {name} {held} of the \
                 {query} that one query may have there: narrow the query, or raise query_memory"
            ),
            Refusal::Share { limit, wanted } => {
                let enough = bytes.saturating_mul(*wanted).div_ceil((*limit).max(1));
                let [limit, enough] = [*limit, enough].map(human_readable_size);
                format!(
                    "{operator} asked for {more} more, beyond the {limit} that are its share of \
                     the {query} that one query may have on {name}: narrow the query, or raise \
                     query_memory to {enough} or more"
                )
            }
        }
    }
}

impl MemoryPool for QueryPool {
    fn name(&self) -> &'static str {
        "query"
    }

    fn register(&self, consumer: &MemoryConsumer) {
        self.shares().register(consumer);
    }

    fn unregister(&self, consumer: &MemoryConsumer) {
        let mut shares = self.shares();
        let before = shares.charged();
        shares.unregister(consumer);
        self.node.account(before, shares.charged());
    }

    fn grow(&self, reservation: &MemoryReservation, additional: usize) {
        let mut shares = self.shares();
        let before = shares.charged();
        let _granted = shares.grow(reservation, additional);
        self.node.account(before, shares.charged());
    }

    fn shrink(&self, reservation: &MemoryReservation, shrink: usize) {
        let mut shares = self.shares();
        let before = shares.charged();
        shares.shrink(reservation, shrink);
        self.node.account(before, shares.charged());
    }

    fn try_grow(&self, reservation: &MemoryReservation, additional: usize) -> DataFusionResult<()> {
        let mut shares = self.shares();
        let operator = reservation.consumer().name();
        let need = shares.ask(reservation, additional).map_err(|why| {
            let text = self.exceeded(operator, additional, &shares, &why);
            DataFusionError::ResourcesExhausted(text)
        })?;
        let before = shares.charged();
        let undo = shares.grow(reservation, additional);
        let taken = self.node.take(before, shares.charged(), need);
        taken.map_err(|used| {
            shares.undo(reservation, additional, undo);
            self.node.exceeded(operator, additional, used)
        })
    }

    fn reserved(&self) -> usize {
        self.shares().charged()
    }

    fn memory_limit(&self) -> MemoryLimit {
        MemoryLimit::Finite(self.shares().bytes())
    }
}

impl fmt::Display for QueryPool {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let bytes = human_readable_size(self.shares().bytes());
        write!(f, "memory of one query on {} ({bytes})", self.node.name)
    }
}
