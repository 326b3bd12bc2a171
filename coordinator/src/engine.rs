//! The way through for one query: ADQL in, a stream of Arrow batches out.
//!
//! The engine is the same in one process and over workers: only the planner of its sessions and
//! the store of its node differ. Dropping the stream of a query ends all of its tasks.

mod planned;

use std::collections::BTreeSet;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::{Duration, Instant};

use adql::{Limits, OutputColumn, Schemas, TableName};
use catalog::upload::UploadedTable;
use catalog::{Location, Part, ScanOptions, Snapshot};
use datafusion::error::DataFusionError;
use datafusion::execution::{SendableRecordBatchStream, SessionState, SessionStateBuilder};
use datafusion::logical_expr::{LogicalPlan, LogicalPlanBuilder};
use datafusion::physical_plan::execute_stream;
use tokio::runtime::Handle;
use tracing::Instrument as _;
use url::Url;
use worker::front::run_on;
use worker::giving_way::giving_way;
use worker::memory::Budget;
use worker::session::NodeRuntime;
use worker::{Counters, TileStore, cross_match, session};

use crate::attempts::{self, Attempt};
use crate::cluster::{Brought, Cluster};
use crate::format::Info;
use crate::names::with_places;
use crate::plan::colocate::Place;
use crate::plan::lineage::Lineage;
use crate::plan::{explain, near, physical_rules};
use crate::process::{InUse, Process};
use crate::uploads::Uploads;
use crate::{Error, distributed, origin};

pub use planned::Planned;
use planned::PlannedUploads;

/// So many workers are asked to take what a query brings.
const BRINGING_MAX: u32 = 3;

/// What an engine needs to know.
#[derive(Debug, Clone)]
pub struct EngineConfig {
    /// Folder or URL with all tables.
    pub data: String,
    /// Folder of descriptions that win over those beside the tables.
    pub metadata: Option<PathBuf>,
    /// The service that is asked where objects are, by their names.
    pub names: Option<Url>,
    /// What the queries of this process may use.
    pub budget: Budget,
    /// Bounds on the text of a query.
    pub limits: Limits,
    /// Whether tiles, row groups and pages are pruned; off only to compare answers.
    pub prune: bool,
}

impl EngineConfig {
    /// An engine that executes everything in this process.
    pub fn embedded(data: impl Into<String>) -> Self {
        Self {
            data: data.into(),
            metadata: None,
            names: None,
            budget: Budget::of(session::default_memory_bytes()),
            limits: Limits::default(),
            prune: true,
        }
    }

    /// Reads the tables, as they are now.
    ///
    /// # Errors
    /// When they cannot be read.
    pub async fn snapshot(&self) -> Result<Arc<Snapshot>, Error> {
        let location: Location = self.data.parse()?;
        Ok(Arc::new(Snapshot::open_described(&location, self.metadata.as_deref()).await?))
    }
}

/// Options of one query.
#[derive(Debug, Clone, Copy, Default)]
pub struct QueryOptions {
    /// The caller takes at most so many rows. The stream delivers one more where there is one,
    /// so that the caller sees an overflow.
    pub maxrec: Option<u64>,
    /// The rows must all be delivered after so long; none: there is no end.
    pub duration: Option<Duration>,
}

/// The running answer to a query.
#[allow(missing_debug_implementations, reason = "a stream has no useful representation")]
pub struct QueryResult {
    /// One record for each column of the batches, by position.
    pub columns: Vec<OutputColumn>,
    /// The rows.
    pub stream: SendableRecordBatchStream,
    /// Whether it reads `TAP_SCHEMA` and nothing else, so that limits on rows should let it pass.
    pub metadata_only: bool,
    /// What its document says of where the data come from.
    pub origins: Vec<Info>,
}

/// Answers queries on one snapshot of the tables.
#[derive(Debug, Clone)]
pub struct Engine {
    snapshot: Arc<Snapshot>,
    schemas: Arc<dyn Schemas>,
    /// Plans for this process.
    state: Arc<SessionState>,
    /// Plans for the workers, where there are some.
    distributed: Option<Distributed>,
    /// The limits of the process over the tiles of the snapshot.
    runtime: Arc<NodeRuntime>,
    process: Process,
    /// What its one query has brought.
    uploads: Option<Arc<Uploads>>,
    _in_use: Arc<InUse>,
}

/// What an engine over workers has beside that of one process.
#[derive(Debug, Clone)]
struct Distributed {
    cluster: Arc<Cluster>,
    state: Arc<SessionState>,
}

impl Engine {
    /// Reads the tables and prepares the sessions of one process.
    ///
    /// # Errors
    /// When the tables cannot be read.
    pub async fn open(config: &EngineConfig) -> Result<Self, Error> {
        Self::on(config.snapshot().await?, &Process::new(config)?, None)
    }

    /// Prepares the sessions of one process, or of a coordinator where there is a cluster.
    ///
    /// # Errors
    /// When the sessions cannot be made.
    pub fn on(
        snapshot: Arc<Snapshot>,
        process: &Process,
        cluster: Option<Arc<Cluster>>,
    ) -> Result<Self, Error> {
        let schemas: Arc<dyn Schemas> = Arc::<Snapshot>::clone(&snapshot);
        let counters = Arc::clone(process.counters());
        let tiles = match cluster {
            // The coordinator of a cluster never opens a tile.
            Some(_) => TileStore::closed(counters),
            None => TileStore::whole(Arc::clone(snapshot.store()), counters),
        };
        let runtime = process.opening(tiles);
        let scan_options = Arc::new(ScanOptions { prune: process.prunes(), part: None });
        let mut state = SessionStateBuilder::new()
            .with_default_features()
            .with_config(session::session_config().with_extension(scan_options))
            .with_runtime_env(Arc::clone(runtime.node()))
            .with_optimizer_rules(adql::rewrite::optimizer_rules(Arc::clone(&schemas)))
            .with_physical_optimizer_rules(physical_rules())
            .build();
        session::register_functions(&mut state).map_err(Error::Execution)?;
        let over_workers = |cluster: Arc<Cluster>| -> Result<Distributed, DataFusionError> {
            let state = Arc::new(distributed::distribute(state.clone(), &cluster)?);
            Ok(Distributed { cluster, state })
        };
        let distributed = cluster.map(over_workers).transpose().map_err(Error::Execution)?;
        let (state, runtime) = (Arc::new(state), Arc::new(runtime));
        let (process, _in_use) = (process.clone(), Arc::new(process.uses_snapshot()));
        Ok(Self { snapshot, schemas, state, distributed, runtime, process, uploads: None, _in_use })
    }

    /// The same engine for one query that brings tables, which are there as long as it is.
    ///
    /// # Errors
    /// When the files of the tables cannot be had.
    pub fn with_uploads(&self, uploads: Arc<Uploads>) -> Result<Self, Error> {
        let schemas: Arc<dyn Schemas> = Arc::new(uploads.over(Arc::clone(&self.snapshot)));
        let runtime = match self.distributed {
            // They are brought to a worker.
            Some(_) => Arc::clone(&self.runtime),
            None => {
                let store = Arc::clone(self.snapshot.store());
                let tiles = TileStore::whole(store, Arc::clone(self.counters()));
                Arc::new(self.process.opening(tiles.with_uploads(uploads.store()?)))
            }
        };
        let knowing = |state: &Arc<SessionState>| {
            let builder = SessionStateBuilder::new_from_existing(SessionState::clone(state))
                .with_runtime_env(Arc::clone(runtime.node()))
                .with_optimizer_rules(adql::rewrite::optimizer_rules(Arc::clone(&schemas)));
            Arc::new(builder.build())
        };
        let over = |over: &Distributed| {
            let (cluster, state) = (Arc::clone(&over.cluster), knowing(&over.state));
            Distributed { cluster, state }
        };
        let distributed = self.distributed.as_ref().map(over);
        let state = knowing(&self.state);
        let uploads = Some(uploads);
        Ok(Self { schemas, state, distributed, runtime, uploads, ..self.clone() })
    }

    /// Whether its query has brought tables.
    pub(crate) fn has_uploads(&self) -> bool {
        self.uploads.is_some()
    }

    /// The tables that this engine answers on.
    pub fn snapshot(&self) -> &Arc<Snapshot> {
        &self.snapshot
    }

    /// What it shares with engines on other snapshots.
    pub fn process(&self) -> &Process {
        &self.process
    }

    /// The runtime on which queries run: what their rows are made into is made there too.
    pub fn compute(&self) -> &Handle {
        self.process.compute()
    }

    /// What this node counts.
    pub fn counters(&self) -> &Arc<Counters> {
        self.process.counters()
    }

    /// The same engine on those tiles of each table that belong to a part.
    #[must_use]
    pub fn of_part(&self, part: &Part) -> Self {
        let narrowed = |state: &Arc<SessionState>| {
            let mut state = SessionState::clone(state);
            let options = state.config().get_extension::<ScanOptions>().unwrap_or_default();
            let options = ScanOptions { part: Some(part.clone()), ..ScanOptions::clone(&options) };
            state.config_mut().set_extension(Arc::new(options));
            Arc::new(state)
        };
        let over = |over: &Distributed| {
            let (cluster, state) = (Arc::clone(&over.cluster), narrowed(&over.state));
            Distributed { cluster, state }
        };
        let distributed = self.distributed.as_ref().map(over);
        Self { state: narrowed(&self.state), distributed, ..self.clone() }
    }

    /// The workers, where there are some.
    pub fn cluster(&self) -> Option<&Cluster> {
        self.distributed.as_ref().map(|over| over.cluster.as_ref())
    }

    pub(crate) fn attempts(&self) -> &attempts::Counters {
        self.process.attempts()
    }

    /// What this node and its cluster count, as Prometheus text.
    pub fn prometheus(&self) -> String {
        let cluster = self.cluster().map(Cluster::prometheus).unwrap_or_default();
        self.process.prometheus() + &cluster
    }

    /// Plans a query and runs it. A worker that is lost before the first row is not noticed.
    ///
    /// # Errors
    /// When the query is wrong or cannot be evaluated. Errors of its execution come in the
    /// stream.
    pub async fn query(&self, adql: &str, options: QueryOptions) -> Result<QueryResult, Error> {
        let (engine, adql) = (self.clone(), adql.to_owned());
        let run = async move { attempts::run(&engine, &adql, options).await };
        run_on(self.compute(), run.in_current_span()).await
    }

    /// Begins a query once, without the workers that it has lost.
    pub(crate) async fn attempt(
        &self,
        adql: &str,
        options: QueryOptions,
        excluded: &BTreeSet<Url>,
    ) -> Result<Attempt, Error> {
        let (planned, brought) = self.plan_and_bring(adql, options, excluded).await?;
        let (workers, load) = match (&self.distributed, distributed::slots(&planned.state)) {
            (Some(over), Some(slots)) => {
                (slots.urls().to_vec(), Some(over.cluster.load(slots.bytes_by_worker())))
            }
            _ => (Vec::new(), None),
        };
        let stream = execute_stream(Arc::clone(&planned.physical), planned.task_context());
        let stream = stream.map_err(Error::Execution)?;
        let Planned { columns, metadata_only, origins, .. } = planned;
        let result = QueryResult { columns, stream, metadata_only, origins };
        Ok(Attempt { result, workers, _load: load, _brought: brought })
    }

    /// Plans a query, and brings the worker of its first slot what the query has brought. One that
    /// does not take it is done without.
    async fn plan_and_bring(
        &self,
        adql: &str,
        options: QueryOptions,
        excluded: &BTreeSet<Url>,
    ) -> Result<(Planned, Option<Brought>), Error> {
        let mut excluded = excluded.clone();
        let mut left = BRINGING_MAX;
        loop {
            let planned = self.plan_without(adql, options, &excluded).await?;
            let slots = distributed::slots(&planned.state);
            let first = slots.as_ref().and_then(|slots| slots.urls().first());
            let (Some(over), Some(worker)) = (&self.distributed, first) else {
                return Ok((planned, None));
            };
            let PlannedUploads { folder, tables } = &planned.uploads;
            if tables.is_empty() {
                return Ok((planned, None));
            }
            match over.cluster.bring(worker, folder, tables).await {
                Ok(brought) => return Ok((planned, Some(brought))),
                Err(error) => {
                    left -= 1;
                    if left == 0 {
                        return Err(error.into());
                    }
                    tracing::warn!(%worker, %error, "a worker does not take an upload");
                    excluded.insert(worker.clone());
                }
            }
        }
    }

    /// Done when one of some workers is found to be down, as which.
    pub(crate) async fn lost(&self, workers: &[Url]) -> Url {
        match self.cluster() {
            Some(cluster) => cluster.lost(workers).await,
            None => std::future::pending().await,
        }
    }

    /// Tells which tiles, row groups and rows a query will touch, and why; with `analyze` the
    /// query is executed and its work counted.
    ///
    /// # Errors
    /// When the query is wrong or, with `analyze`, fails.
    pub async fn explain(&self, adql: &str, analyze: bool) -> Result<String, Error> {
        let planned = self.plan(adql, QueryOptions::default()).await?;
        let footers = match self.distributed {
            // The footers are with the workers.
            Some(_) => None,
            None => Some(self.snapshot.store()),
        };
        let mut text = explain::describe(&planned, &self.snapshot, footers).await?;
        if analyze {
            text.push_str(&explain::analyze(&planned).await?);
        }
        Ok(text)
    }

    /// Plans a query without starting it.
    ///
    /// # Errors
    /// When the query is wrong or cannot be evaluated.
    pub async fn plan(&self, adql: &str, options: QueryOptions) -> Result<Planned, Error> {
        self.plan_without(adql, options, &BTreeSet::new()).await
    }

    async fn plan_without(
        &self,
        adql: &str,
        options: QueryOptions,
        excluded: &BTreeSet<Url>,
    ) -> Result<Planned, Error> {
        let start = Instant::now();
        let uploads = PlannedUploads::new();
        let schemas = with_places(self.process.names(), adql, self.schemas_of(&uploads)).await?;
        let query = adql::plan(adql, schemas.as_ref(), self.process.limits())?;
        if self.process.prunes() {
            let learned = self.snapshot.learn_reach(&query.plan, &query.tables).await;
            learned.map_err(Error::Execution)?;
        }
        let understood = start.elapsed();
        let logical = limited(query.plan, options.maxrec).map_err(Error::Execution)?;
        // What describes the tables is here, and not with the workers.
        let metadata_only = query.tables.iter().all(TableName::is_metadata);
        let workers = self.distributed.as_ref().filter(|_| !metadata_only);
        let state = match workers {
            Some(over) => {
                let view = over.cluster.view(excluded);
                distributed::for_one_query(SessionState::clone(&over.state), view, self.brought())
                    .map_err(Error::Execution)?
            }
            None => SessionState::clone(&self.state),
        };
        let optimized = state.optimizer().optimize(logical, &state, |_, _| ());
        let optimized = optimized.map_err(Error::Execution)?;
        let optimized_after = start.elapsed();
        let optimized = adql::rewrite::nearest::joined(optimized).map_err(Error::Execution)?;
        adql::rewrite::refuse_spatial_join(&optimized)?;
        let planner = Arc::clone(state.query_planner());
        let physical = planner.create_physical_plan(&optimized, &state).await;
        let physical = physical.map_err(|error| {
            adql::refused(error, adql).map_or_else(Error::Execution, Error::Query)
        })?;
        let physical = if workers.is_some() {
            distributed::check(&physical).map_err(Error::Invariant)?;
            physical
        } else {
            let partitions = state.config().target_partitions();
            let lineage = Lineage { snapshot: &self.snapshot, uploads: self.brought() };
            let place = Place { lineage, over: None, partitions };
            let local = cross_match::planned(physical)
                .and_then(|plan| near::restricted(plan, lineage))
                .and_then(|plan| place.colocate(&plan));
            local.map_err(Error::Execution)?
        };
        let physical = giving_way(physical, distributed::is_boundary).map_err(Error::Execution)?;
        let planned_after = start.elapsed();
        tracing::debug!(?understood, ?optimized_after, ?planned_after, "planned");
        let (columns, runtime) = (query.columns, self.runtime.of_query(None));
        let origins = origin::of(&self.snapshot, &query.tables);
        let uploads = uploads.of(self.uploads.as_deref(), &query.tables);
        Ok(Planned {
            columns,
            metadata_only,
            origins,
            optimized,
            physical,
            state,
            uploads,
            runtime,
        })
    }

    /// The uploads that its queries may name.
    fn brought(&self) -> &[Arc<UploadedTable>] {
        self.uploads.as_deref().map(Uploads::tables).unwrap_or_default()
    }

    /// The tables that a query may name. On workers, the uploads of each attempt have a folder of
    /// their own, so that the end of one does not take them from the next.
    fn schemas_of(&self, planned: &PlannedUploads) -> Arc<dyn Schemas> {
        match (&self.uploads, &self.distributed) {
            (Some(uploads), Some(_)) => {
                Arc::new(uploads.over_as(Arc::clone(&self.snapshot), &planned.folder))
            }
            _ => Arc::clone(&self.schemas),
        }
    }
}

/// The plan with at most one row more than the caller takes.
fn limited(plan: LogicalPlan, maxrec: Option<u64>) -> Result<LogicalPlan, DataFusionError> {
    let fetch = maxrec.and_then(|rows| usize::try_from(rows).ok()?.checked_add(1));
    match fetch {
        None => Ok(plan),
        Some(fetch) => LogicalPlanBuilder::from(plan).limit(0, Some(fetch))?.build(),
    }
}
