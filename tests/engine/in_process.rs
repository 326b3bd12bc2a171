//! Engines inside the test process: one alone, and one over three workers on loopback sockets,
//! each with a folder of its own and no way to the origin.

#![expect(clippy::unwrap_used, reason = "a test ends at the first step that fails")]

use std::path::{Path, PathBuf};
use std::sync::Arc;

use coordinator::cluster::{Cluster, ClusterConfig};
use coordinator::engine::{Engine, EngineConfig};
use coordinator::process::Process;
use coordinator::{Error, QueryOptions};
use datafusion::arrow::array::RecordBatch;
use datafusion::arrow::util::display::array_value_to_string;
use futures::TryStreamExt;
use tempfile::TempDir;
use tokio::net::TcpListener;
use tokio::sync::Notify;
use tokio::task::{AbortHandle, JoinSet};
use worker::counters::Source;
use worker::distributed::worker_url;
use worker::memory::Budget;
use worker::{Channels, Counters, Front, NodeConfig, Worker, WorkerConfig};

/// The shared HATS tables; says aloud when they are absent.
pub(crate) fn hats() -> Option<PathBuf> {
    tests::places::hats()
}

/// An engine and the workers that live as long as it.
pub(crate) struct Running {
    pub(crate) engine: Engine,
    pub(crate) workers: Vec<Arc<Counters>>,
    pub(crate) config: EngineConfig,
    servers: JoinSet<()>,
    listening: Vec<AbortHandle>,
    stops: Vec<Arc<Notify>>,
    /// Those of the workers, and that of the placement.
    folders: Vec<TempDir>,
}

/// One process that executes everything itself.
pub(crate) async fn alone(data: &str) -> Running {
    let config = EngineConfig::embedded(data);
    let engine = Engine::open(&config).await.unwrap();
    Running {
        engine,
        workers: Vec::new(),
        config,
        servers: JoinSet::new(),
        listening: Vec::new(),
        stops: Vec::new(),
        folders: Vec::new(),
    }
}

/// A coordinator over `count` workers, each tile on one of them.
pub(crate) async fn cluster(data: &str, count: usize) -> Running {
    cluster_of_replicas(data, count, 1).await
}

/// A coordinator over `count` workers, each tile on so many of them.
pub(crate) async fn cluster_of_replicas(data: &str, count: usize, replicas: usize) -> Running {
    cluster_as(data, Shape { count, replicas, fallback: false }, EngineConfig::embedded(data)).await
}

/// The workers of a cluster.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Shape {
    pub(crate) count: usize,
    pub(crate) replicas: usize,
    /// Whether they read tiles that they do not hold.
    pub(crate) fallback: bool,
}

/// A coordinator of this configuration over such workers.
pub(crate) async fn cluster_as(data: &str, shape: Shape, config: EngineConfig) -> Running {
    let Shape { count, replicas, fallback } = shape;
    let (mut urls, mut counters, mut stops) = (Vec::new(), Vec::new(), Vec::new());
    let (mut folders, mut servers, mut listening) = (Vec::new(), JoinSet::new(), Vec::new());
    for _ in 0..count {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        urls.push(worker_url(listener.local_addr().unwrap(), false).unwrap());
        let folder = TempDir::new().unwrap();
        let node = NodeConfig { data: folder.path().to_owned(), origin: data.to_owned(), fallback };
        let config = WorkerConfig {
            node,
            budget: Budget::of(1 << 30),
            identity: None,
            front: Front::default(),
        };
        let worker = Worker::open(&config).unwrap();
        counters.push(worker.counters());
        folders.push(folder);
        let stop = Arc::new(Notify::new());
        stops.push(Arc::clone(&stop));
        let server = servers.spawn(async move {
            worker.serve(listener, stop.notified_owned()).await.unwrap();
        });
        listening.push(server);
    }
    let state = TempDir::new().unwrap();
    let snapshot = config.snapshot().await.unwrap();
    let workers = ClusterConfig { workers: urls, replicas, small_table_bytes: 0 };
    let channels = Channels::default();
    let cluster = Cluster::open(&workers, Arc::clone(&snapshot), state.path(), channels).unwrap();
    cluster.ready().await.unwrap();
    folders.push(state);
    let process = Process::new(&config).unwrap();
    let engine = Engine::on(snapshot, &process, Some(Arc::new(cluster))).unwrap();
    Running { engine, workers: counters, config, servers, listening, stops, folders }
}

/// The rows of an answer as text, sorted; floats to 12 digits.
pub(crate) async fn rows(engine: &Engine, adql: &str) -> Result<Vec<String>, Error> {
    let result = engine.query(adql, QueryOptions::default()).await?;
    let batches: Vec<_> = result.stream.try_collect().await.map_err(Error::Execution)?;
    Ok(as_text(&batches))
}

/// Rows as text, sorted; floats to 12 digits.
pub(crate) fn as_text(batches: &[RecordBatch]) -> Vec<String> {
    let mut rows = Vec::new();
    for batch in batches {
        for row in 0..batch.num_rows() {
            let cells = batch.columns().iter().map(|column| {
                let text = array_value_to_string(column, row).unwrap();
                match text.parse::<f64>() {
                    Ok(number) if text.contains('.') => format!("{number:.11e}"),
                    _ => text,
                }
            });
            rows.push(cells.collect::<Vec<_>>().join(" | "));
        }
    }
    rows.sort();
    rows
}

impl Running {
    /// The rows of the answer as text, sorted; floats to 12 digits.
    pub(crate) async fn rows(&self, adql: &str) -> Result<Vec<String>, Error> {
        rows(&self.engine, adql).await
    }

    /// The folder of the coordinator's placement; an empty path where there is none.
    pub(crate) fn state(&self) -> PathBuf {
        self.folders.last().map(|folder| folder.path().to_owned()).unwrap_or_default()
    }

    /// The folder of a worker.
    pub(crate) fn folder(&self, worker: usize) -> &Path {
        self.folders[worker].path()
    }

    /// Ends the port of a worker. The connections that it has go on, so that its health is as before.
    pub(crate) async fn close_port(&mut self, worker: usize) {
        self.listening[worker].abort();
        let ended = self.servers.join_next().await.unwrap();
        assert!(ended.is_err_and(|error| error.is_cancelled()));
    }

    /// Ends a worker as SIGTERM does.
    pub(crate) fn stop_worker(&self, worker: usize) {
        self.stops[worker].notify_one();
    }

    /// Tasks that each worker accepted so far.
    pub(crate) fn tasks(&self) -> Vec<u64> {
        self.workers.iter().map(|counters| counters.tasks()).collect()
    }

    /// Reads that a worker answered from the origin, over all workers.
    pub(crate) fn nonlocal_reads(&self) -> u64 {
        self.workers.iter().map(|counters| counters.reads(Source::Origin)).sum()
    }
}
