//! The session in which queries and tasks run: its stores, its limits, its functions.
//!
//! One place builds it for every role, because a plan made on one node is executed on another:
//! functions resolve by name, and ordinary session options do not travel (engine.md §2).

use std::num::NonZeroUsize;
use std::sync::Arc;

use datafusion::common::exec_datafusion_err;
use datafusion::error::Result;
use datafusion::execution::disk_manager::DiskManager;
use datafusion::execution::object_store::ObjectStoreRegistry;
use datafusion::execution::runtime_env::{RuntimeEnv, RuntimeEnvBuilder};
use datafusion::execution::{FunctionRegistry, SessionState};
use datafusion::prelude::SessionConfig;
use object_store::ObjectStore;
use url::Url;

use crate::holdings::NodeName;
use crate::memory::{Budget, Memory};
use crate::spill::Spill;
use crate::{Counters, Error};

/// Parsed Parquet footers are kept up to this share of the memory for queries, and beside it …
const FOOTERS_SHARE: usize = 8;

/// … but of so much at least: a footer of a thousand columns takes megabytes.
const FOOTERS_BYTES_MIN: usize = 256 * 1024 * 1024;

/// Knows the one store that a node has, `shard://`, and learns no other: a plan from the network
/// cannot name a file of the host.
#[derive(Debug)]
struct TileStoreRegistry {
    tiles: Arc<dyn ObjectStore>,
}

impl ObjectStoreRegistry for TileStoreRegistry {
    fn register_store(&self, _: &Url, _: Arc<dyn ObjectStore>) -> Option<Arc<dyn ObjectStore>> {
        None
    }

    fn get_store(&self, url: &Url) -> Result<Arc<dyn ObjectStore>> {
        if url.as_str().starts_with(catalog::TILE_STORE) {
            return Ok(Arc::clone(&self.tiles));
        }
        Err(exec_datafusion_err!(
            "store {url} is not configured on this node: it opens shard:// only"
        ))
    }
}

/// The stores and limits of a node, shared by all its sessions, and those of each query.
#[derive(Debug)]
pub struct NodeRuntime {
    node: Arc<RuntimeEnv>,
    memory: Arc<Memory>,
}

impl NodeRuntime {
    /// The runtime of a node that opens `tiles` and is called `name` in messages. Operators that
    /// can spill do so at their share of the budget; others fail alone.
    ///
    /// # Errors
    /// When the budget is too small for any query, or the folder for spilled data cannot be made.
    pub fn new(
        tiles: Arc<dyn ObjectStore>,
        budget: &Budget,
        name: &NodeName,
        counters: &Counters,
    ) -> std::result::Result<Self, Error> {
        budget.check(session_config().target_partitions())?;
        let memory = Memory::new(budget, name.clone());
        counters.watch_memory(Arc::clone(memory.node()));
        let spill = Spill::open(budget.spill.as_deref(), budget.spill_bytes, name.clone())?;
        let spill = DiskManager::builder().with_temp_file_factory(Arc::new(spill));
        let node = RuntimeEnvBuilder::new()
            .with_object_store_registry(Arc::new(TileStoreRegistry { tiles }))
            .with_memory_pool(Arc::clone(memory.node()))
            .with_disk_manager_builder(spill)
            .with_metadata_cache_limit((budget.memory_bytes / FOOTERS_SHARE).max(FOOTERS_BYTES_MIN))
            .build_arc()?;
        Ok(Self { node, memory: Arc::new(memory) })
    }

    /// The same node for queries that open other tiles: what they hold in memory, spill and keep of
    /// footers counts together.
    #[must_use]
    pub fn opening(&self, tiles: Arc<dyn ObjectStore>) -> Self {
        let object_store_registry = Arc::new(TileStoreRegistry { tiles });
        let node = RuntimeEnv { object_store_registry, ..RuntimeEnv::clone(&self.node) };
        Self { node: Arc::new(node), memory: Arc::clone(&self.memory) }
    }

    /// What all queries share. A session that runs something takes [`Self::of_query`].
    pub fn node(&self) -> &Arc<RuntimeEnv> {
        &self.node
    }

    /// The runtime of a query: that of the node with a budget of its own, shared by all sessions
    /// that name the query; one without a name has it alone.
    pub fn of_query(&self, query: Option<&str>) -> Arc<RuntimeEnv> {
        let memory_pool = self.memory.of_query(query);
        Arc::new(RuntimeEnv { memory_pool, ..RuntimeEnv::clone(&self.node) })
    }
}

/// The options that every session of ours starts from.
pub fn session_config() -> SessionConfig {
    let cores = std::thread::available_parallelism().map_or(2, NonZeroUsize::get);
    // A leaf with one partition gets single-mode aggregates, which are wrong in a stage of
    // several tasks (engine.md T6): never fewer than two.
    let mut config = SessionConfig::new().with_target_partitions(cores.max(2));
    let options = config.options_mut();
    // What a sort needs to merge is kept for it by the pool of its query, in proportion.
    options.execution.sort_spill_reservation_bytes = 0;
    options.execution.parquet.pushdown_filters = true;
    options.execution.parquet.reorder_filters = true;
    // Scans balance their files themselves.
    options.optimizer.repartition_file_scans = false;
    // Of MAX(SQRT(x)) beside MIN(id), rows were left out whose id is not the least (DataFusion 55.2).
    options.optimizer.enable_aggregate_dynamic_filter_pushdown = false;
    options.sql_parser.enable_ident_normalization = false;
    config
}

/// Registers the functions of ADQL.
///
/// # Errors
/// When a function cannot be registered.
pub fn register_functions(state: &mut SessionState) -> Result<()> {
    for function in adql::function::scalar_functions() {
        state.register_udf(function)?;
    }
    for function in adql::function::aggregate_functions() {
        state.register_udaf(function)?;
    }
    Ok(())
}

/// The default memory budget of a node: half of what the machine has.
pub fn default_memory_bytes() -> usize {
    const ASSUMED: usize = 4 * 1024 * 1024 * 1024;
    let Ok(text) = std::fs::read_to_string("/proc/meminfo") else { return ASSUMED };
    let kib = text
        .lines()
        .find_map(|line| line.strip_prefix("MemTotal:"))
        .and_then(|rest| rest.trim().trim_end_matches("kB").trim().parse::<usize>().ok());
    kib.map_or(ASSUMED, |kib| kib * 1024 / 2)
}
