//! The memory of a node, shared out to queries: each has a budget of its own, and one that exceeds
//! it fails alone.
//!
//! All tasks of one query on a node share one pool, found by the name of the query; a pool grows
//! within the query's budget and the node's at once. Operators that can spill do so at their share
//! of either; what a query holds goes back when its last task is gone.

use std::collections::HashMap;
use std::fmt;
use std::path::PathBuf;
use std::sync::{Arc, Mutex, PoisonError, Weak};

use datafusion::common::DataFusionError;
use datafusion::error::Result;
use datafusion::execution::memory_pool::{
    FairSpillPool, MemoryConsumer, MemoryLimit, MemoryPool, MemoryReservation, human_readable_size,
};

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
}

/// The memory of a node and of its queries.
#[derive(Debug)]
pub struct Memory {
    node: Arc<dyn MemoryPool>,
    query_bytes: usize,
    name: NodeName,
    queries: Mutex<HashMap<String, Weak<QueryPool>>>,
}

impl Memory {
    /// The memory that a budget names, for messages with the name of its node.
    pub fn new(budget: &Budget, name: NodeName) -> Self {
        let node = Arc::new(NodePool {
            fair: FairSpillPool::new(budget.memory_bytes),
            bytes: budget.memory_bytes,
            name: name.clone(),
        });
        let query_bytes = budget.query_bytes.min(budget.memory_bytes);
        Self { node, query_bytes, name, queries: Mutex::default() }
    }

    /// The memory of the whole node.
    pub fn node(&self) -> &Arc<dyn MemoryPool> {
        &self.node
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
        QueryPool {
            fair: FairSpillPool::new(self.query_bytes),
            bytes: self.query_bytes,
            node: Arc::clone(&self.node),
            name: self.name.clone(),
        }
    }
}

/// Says who asked for how much of what.
fn exceeded(
    reservation: &MemoryReservation,
    additional: usize,
    whose: &str,
    (held, bytes): (usize, usize),
    advice: &str,
) -> DataFusionError {
    let [more, held, limit] = [additional, held, bytes].map(human_readable_size);
    let operator = reservation.consumer().name();
    DataFusionError::ResourcesExhausted(format!(
        "{operator} asked for {more} more, and {whose} {held} of the {limit} that {advice}"
    ))
}

/// The memory of all queries of a node.
#[derive(Debug)]
struct NodePool {
    fair: FairSpillPool,
    bytes: usize,
    name: NodeName,
}

impl MemoryPool for NodePool {
    fn name(&self) -> &'static str {
        "node"
    }

    fn register(&self, consumer: &MemoryConsumer) {
        self.fair.register(consumer);
    }

    fn unregister(&self, consumer: &MemoryConsumer) {
        self.fair.unregister(consumer);
    }

    fn grow(&self, reservation: &MemoryReservation, additional: usize) {
        self.fair.grow(reservation, additional);
    }

    fn shrink(&self, reservation: &MemoryReservation, shrink: usize) {
        self.fair.shrink(reservation, shrink);
    }

    fn try_grow(&self, reservation: &MemoryReservation, additional: usize) -> Result<()> {
        self.fair.try_grow(reservation, additional).map_err(|_| {
            let whose = format!("the queries of {} hold", self.name);
            let advice =
                "they may have together: ask again when others have ended, or raise memory";
            let held = (self.reserved(), self.bytes);
            exceeded(reservation, additional, &whose, held, advice)
        })
    }

    fn reserved(&self) -> usize {
        self.fair.reserved()
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
    fair: FairSpillPool,
    bytes: usize,
    node: Arc<dyn MemoryPool>,
    name: NodeName,
}

impl MemoryPool for QueryPool {
    fn name(&self) -> &'static str {
        "query"
    }

    fn register(&self, consumer: &MemoryConsumer) {
        self.fair.register(consumer);
        self.node.register(consumer);
    }

    fn unregister(&self, consumer: &MemoryConsumer) {
        self.fair.unregister(consumer);
        self.node.unregister(consumer);
    }

    fn grow(&self, reservation: &MemoryReservation, additional: usize) {
        self.fair.grow(reservation, additional);
        self.node.grow(reservation, additional);
    }

    fn shrink(&self, reservation: &MemoryReservation, shrink: usize) {
        self.fair.shrink(reservation, shrink);
        self.node.shrink(reservation, shrink);
    }

    fn try_grow(&self, reservation: &MemoryReservation, additional: usize) -> Result<()> {
        self.fair.try_grow(reservation, additional).map_err(|_| {
            let whose = format!("the query holds on {}", self.name);
            let advice = "one query may have there: narrow the query, or raise query_memory";
            exceeded(reservation, additional, &whose, (self.reserved(), self.bytes), advice)
        })?;
        self.node
            .try_grow(reservation, additional)
            .inspect_err(|_| self.fair.shrink(reservation, additional))
    }

    fn reserved(&self) -> usize {
        self.fair.reserved()
    }

    fn memory_limit(&self) -> MemoryLimit {
        MemoryLimit::Finite(self.bytes)
    }
}

impl fmt::Display for QueryPool {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let bytes = human_readable_size(self.bytes);
        write!(f, "memory of one query on {} ({bytes})", self.name)
    }
}
