//! What belongs to a process and not to a snapshot: the memory and the disk that queries may use,
//! what is kept of footers, and what is counted.
//!
//! Engines on several snapshots share it, while queries on the former one run to their end.

use std::fmt::Write as _;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use adql::Limits;
use tokio::runtime::Handle;
use worker::session::NodeRuntime;
use worker::{Counters, NodeName, TileStore};

use crate::engine::EngineConfig;
use crate::names::Names;
use crate::{Error, attempts};

/// What all queries of a process share. Its clones are the same.
#[derive(Debug, Clone)]
pub struct Process(Arc<Shared>);

#[derive(Debug)]
struct Shared {
    runtime: NodeRuntime,
    counters: Arc<Counters>,
    attempts: attempts::Counters,
    snapshots: Arc<AtomicU64>,
    /// Those whose tables are served, and those that failed.
    reloads: [AtomicU64; 2],
    names: Option<Names>,
    limits: Limits,
    prune: bool,
    compute: Handle,
}

/// A snapshot is in use as long as this is.
#[derive(Debug)]
pub(crate) struct InUse(Arc<AtomicU64>);

impl Drop for InUse {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::Relaxed);
    }
}

impl Process {
    /// A process whose queries run on the runtime in which this is called.
    ///
    /// # Errors
    /// When the budget is too small for any query, or spilled data has no place.
    pub fn new(config: &EngineConfig) -> Result<Self, Error> {
        let counters = Arc::new(Counters::default());
        let name = NodeName::new("this process");
        // Each engine opens the tiles of its own snapshot.
        let tiles = Arc::new(TileStore::closed(Arc::clone(&counters)));
        let runtime = NodeRuntime::new(tiles, &config.budget, &name, &counters)?;
        Ok(Self(Arc::new(Shared {
            runtime,
            counters,
            attempts: attempts::Counters::default(),
            snapshots: Arc::default(),
            reloads: Default::default(),
            names: config.names.clone().map(Names::new).transpose()?,
            limits: config.limits,
            prune: config.prune,
            compute: Handle::current(),
        })))
    }

    /// What this process counts.
    pub fn counters(&self) -> &Arc<Counters> {
        &self.0.counters
    }

    /// The runtime on which queries run.
    pub fn compute(&self) -> &Handle {
        &self.0.compute
    }

    pub(crate) fn attempts(&self) -> &attempts::Counters {
        &self.0.attempts
    }

    pub(crate) fn limits(&self) -> &Limits {
        &self.0.limits
    }

    /// Who is asked where objects are.
    pub(crate) fn names(&self) -> Option<&Names> {
        self.0.names.as_ref()
    }

    /// Whether tiles, row groups and pages are pruned.
    pub(crate) fn prunes(&self) -> bool {
        self.0.prune
    }

    /// The limits of this process over a store of tiles.
    pub(crate) fn opening(&self, tiles: TileStore) -> NodeRuntime {
        self.0.runtime.opening(Arc::new(tiles))
    }

    /// One more snapshot is in use until what is returned is dropped.
    pub(crate) fn uses_snapshot(&self) -> InUse {
        self.0.snapshots.fetch_add(1, Ordering::Relaxed);
        InUse(Arc::clone(&self.0.snapshots))
    }

    /// Snapshots that are in use: what new queries see, and what queries that run began with.
    pub fn snapshots(&self) -> u64 {
        self.0.snapshots.load(Ordering::Relaxed)
    }

    /// The tables were read anew, or could not be.
    pub(crate) fn reloaded(&self, is_served: bool) {
        self.0.reloads[usize::from(!is_served)].fetch_add(1, Ordering::Relaxed);
    }

    /// What is counted here, as Prometheus text.
    pub fn prometheus(&self) -> String {
        let mut text = self.0.counters.prometheus() + &self.0.attempts.prometheus();
        let [served, failed] = self.0.reloads.each_ref().map(|count| count.load(Ordering::Relaxed));
        // Writing to a String cannot fail.
        let _ = writeln!(
            text,
            "# HELP armilla_snapshots Snapshots in use: served, about to be, or of queries that began before.\n\
             # TYPE armilla_snapshots gauge\narmilla_snapshots {}\n\
             # HELP armilla_reloads_total Times that the tables were read anew: served, or failed.\n\
             # TYPE armilla_reloads_total counter\n\
             armilla_reloads_total{{ended=\"served\"}} {served}\n\
             armilla_reloads_total{{ended=\"failed\"}} {failed}",
            self.snapshots()
        );
        text
    }
}
