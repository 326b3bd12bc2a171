//! The worker's side of `datafusion-distributed`: its gRPC service, the sessions of its tasks and
//! the way to its peers. The only module of this crate that imports that library.
//!
//! A worker port executes plans from the network: [`crate::access`] asks who sends them,
//! [`crate::admission`] looks at every plan before it runs. On the way back a broken connection
//! becomes the loss of a worker ([`crate::loss`]).

use std::fmt;
use std::future::Future;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::Arc;

use async_trait::async_trait;
use axum::Router;
use catalog::{Location, Snapshot};
use datafusion::arrow::array::RecordBatch;
use datafusion::common::{DataFusionError, Result as DataFusionResult};
use datafusion::execution::runtime_env::RuntimeEnv;
use datafusion::execution::{SessionState, TaskContext};
use datafusion::physical_plan::ExecutionPlan;
use datafusion::physical_plan::metrics::ExecutionPlanMetricsSet;
use datafusion_distributed::grpc::{BoxCloneSyncChannel, create_worker_client};
use datafusion_distributed::{
    ChannelResolver, CoordinatorToWorkerMsg, DistributedExt, ExecuteTaskRequest,
    GetWorkerInfoRequest, GetWorkerInfoResponse, NetworkBroadcastExec, NetworkCoalesceExec,
    NetworkShuffleExec, SetPlanRequest, Worker as TaskService, WorkerChannel,
    WorkerPlanRewriteEvent, WorkerPlanRewriteEventResponse, WorkerQueryContext,
    WorkerToCoordinatorMsg,
};
use futures::StreamExt;
use futures::stream::BoxStream;
use http::HeaderMap;
use object_store::ObjectStore;
use object_store::local::LocalFileSystem;
use tokio::net::TcpListener;
use tonic::service::Routes;
use tonic::transport::Server;
use url::Url;

use crate::admission::admit;
use crate::early_start::{PATIENCE, start_in_time};
use crate::replicate::{Progress, replicate};
use crate::transport::{
    Identity, KEEP_ALIVE_INTERVAL, KEEP_ALIVE_TIMEOUT, incoming, refuse_open_port,
};
use crate::{Channels, Counters, Error, TileStore, access, loss, session};

/// What a worker needs to know.
#[derive(Debug, Clone)]
pub struct WorkerConfig {
    /// The worker's own folder.
    pub data: PathBuf,
    /// Folder or URL that holds all tables.
    pub origin: String,
    /// The URL by which the other nodes reach this worker.
    pub url: Url,
    /// All workers, in the same order on every node.
    pub workers: Vec<Url>,
    /// Whether a tile that the own folder lacks is read from the origin.
    pub fallback: bool,
    /// Budget for the memory of all tasks.
    pub memory_bytes: usize,
    /// Who this worker is; without it, it serves this host only.
    pub identity: Option<Identity>,
}

/// A worker that holds its tiles and is ready to serve.
#[derive(Debug)]
pub struct Worker {
    runtime: Arc<RuntimeEnv>,
    counters: Arc<Counters>,
    channels: Channels,
}

impl Worker {
    /// Reads the origin's tables, copies the tiles that placement gives this worker and opens
    /// the stores.
    ///
    /// # Errors
    /// When the origin cannot be read, the own folder cannot be written, or the own URL is not
    /// among the workers.
    pub async fn prepare(
        config: &WorkerConfig,
        report: &(dyn Fn(Progress) + Send + Sync),
    ) -> Result<Self, Error> {
        let workers: Vec<String> = config.workers.iter().map(Url::to_string).collect();
        let position = config.workers.iter().position(|worker| *worker == config.url);
        let Some(position) = position else {
            return Err(Error::NotAMember { url: config.url.to_string(), workers });
        };
        let location: Location = config.origin.parse()?;
        let snapshot = Snapshot::open(&location).await?;
        let tiles = snapshot.tiles_of(&snapshot.place(&workers), position);
        tokio::fs::create_dir_all(&config.data)
            .await
            .map_err(|source| Error::Write { path: config.data.clone(), source })?;
        replicate(tiles, snapshot.store(), &config.data, report).await?;
        let own = LocalFileSystem::new_with_prefix(&config.data)
            .map_err(|source| Error::Folder { path: config.data.clone(), source })?;
        let origin = config.fallback.then(|| Arc::clone(snapshot.store()));
        let counters = Arc::new(Counters::default());
        let own: Arc<dyn ObjectStore> = Arc::new(own);
        let tiles = TileStore::new(Some(own), origin, Arc::clone(&counters));
        let runtime = session::runtime_env(Arc::new(tiles), config.memory_bytes)?;
        Ok(Self { runtime, counters, channels: Channels::new(config.identity.clone()) })
    }

    /// What this worker counts.
    pub fn counters(&self) -> Arc<Counters> {
        Arc::clone(&self.counters)
    }

    /// Executes tasks, and answers what `control` answers, until `shutdown` is done.
    ///
    /// # Errors
    /// When the port would be open to anyone, or the service fails.
    pub async fn serve(
        self,
        listener: TcpListener,
        control: Router,
        shutdown: impl Future<Output = ()> + Send,
    ) -> Result<(), Error> {
        let port = Port { runtime: self.runtime, counters: self.counters, channels: self.channels };
        port.serve(listener, control, shutdown).await
    }
}

/// The one port of a worker: tasks by gRPC, and control and tiles by HTTP/2.
#[derive(Debug)]
pub struct Port {
    /// The stores and limits of its tasks.
    pub runtime: Arc<RuntimeEnv>,
    /// Where its tasks are counted.
    pub counters: Arc<Counters>,
    /// The way to its peers, and who it is.
    pub channels: Channels,
}

impl Port {
    /// Executes tasks, and answers what `control` answers, until `shutdown` is done. With an
    /// identity it speaks TLS with holders of certificates only, each as its role permits.
    ///
    /// # Errors
    /// When the port would be open to anyone, or the service fails.
    pub async fn serve(
        self,
        listener: TcpListener,
        control: Router,
        shutdown: impl Future<Output = ()> + Send,
    ) -> Result<(), Error> {
        let (counters, channels) = (self.counters, self.channels);
        let identity = channels.identity().cloned();
        let tasks = TaskService::from_session_builder(move |context: WorkerQueryContext| {
            let (counters, channels) = (Arc::clone(&counters), channels.clone());
            async move { task_session(context, &counters, channels) }
        })
        .with_runtime_env(self.runtime)
        .with_version(env!("CARGO_PKG_VERSION"));
        let mut router =
            Routes::from(control).add_service(tasks.into_worker_server()).into_axum_router();
        let mut server = Server::builder()
            .http2_keepalive_interval(Some(KEEP_ALIVE_INTERVAL))
            .http2_keepalive_timeout(Some(KEEP_ALIVE_TIMEOUT));
        match identity {
            Some(identity) => {
                server = server.tls_config(identity.server())?;
                router = router.layer(axum::middleware::from_fn(access::check));
            }
            None => refuse_open_port(&listener)?,
        }
        let server = server.add_routes(Routes::from(router));
        server.serve_with_incoming_shutdown(incoming(listener), shutdown).await?;
        Ok(())
    }
}

/// The session of one task: that of the coordinator without its planner.
fn task_session(
    context: WorkerQueryContext,
    counters: &Arc<Counters>,
    channels: Channels,
) -> DataFusionResult<SessionState> {
    let counters = Arc::clone(counters);
    let mut builder = context.builder;
    let config = builder.config().get_or_insert_default();
    let ours = session::session_config();
    config.options_mut().execution.target_partitions = ours.options().execution.target_partitions;
    config.options_mut().execution.parquet = ours.options().execution.parquet.clone();
    let mut state = builder
        .with_distributed_channel_resolver(channels)
        .with_distributed_worker_plan_rewrite_handler(move |event: WorkerPlanRewriteEvent<'_>| {
            admit(&event.plan, is_network)?;
            counters.task();
            Ok(WorkerPlanRewriteEventResponse::new(event.plan))
        })
        .build();
    session::register_functions(&mut state)?;
    Ok(state)
}

/// Whether a node receives rows of other tasks: those are looked at where they run.
fn is_network(node: &dyn ExecutionPlan) -> bool {
    node.is::<NetworkShuffleExec>()
        || node.is::<NetworkCoalesceExec>()
        || node.is::<NetworkBroadcastExec>()
}

#[async_trait]
impl ChannelResolver for Channels {
    async fn get_worker_client_for_url(
        &self,
        url: &Url,
    ) -> DataFusionResult<Box<dyn WorkerChannel>> {
        let channel =
            self.tasks(url).map_err(|error| DataFusionError::External(Box::new(error)))?;
        let inner = create_worker_client(BoxCloneSyncChannel::new(channel));
        Ok(Box::new(Link { worker: url.clone(), inner }))
    }
}

/// The library's way to a worker, whose broken connections are losses of that worker and whose
/// tasks start in time.
struct Link {
    worker: Url,
    inner: Box<dyn WorkerChannel>,
}

impl fmt::Debug for Link {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Link").field("worker", &self.worker).finish_non_exhaustive()
    }
}

impl Link {
    /// An answer with its errors told apart.
    fn told<T>(&self, answer: DataFusionResult<T>) -> DataFusionResult<T> {
        answer.map_err(|error| loss::from_worker(&self.worker, error))
    }

    fn stream<T: 'static>(
        &self,
        items: BoxStream<'static, DataFusionResult<T>>,
    ) -> BoxStream<'static, DataFusionResult<T>> {
        let worker = self.worker.clone();
        items.map(move |item| item.map_err(|error| loss::from_worker(&worker, error))).boxed()
    }
}

#[async_trait]
impl WorkerChannel for Link {
    async fn coordinator_channel(
        &mut self,
        headers: HeaderMap,
        request: SetPlanRequest,
        messages: BoxStream<'static, CoordinatorToWorkerMsg>,
        metrics: ExecutionPlanMetricsSet,
        context: &Arc<TaskContext>,
    ) -> DataFusionResult<BoxStream<'static, DataFusionResult<WorkerToCoordinatorMsg>>> {
        let inner = &mut self.inner;
        let answers = inner.coordinator_channel(headers, request, messages, metrics, context).await;
        Ok(self.stream(self.told(answers)?))
    }

    async fn execute_task(
        &mut self,
        headers: HeaderMap,
        request: ExecuteTaskRequest,
        metrics: ExecutionPlanMetricsSet,
        context: &Arc<TaskContext>,
    ) -> DataFusionResult<Vec<BoxStream<'static, DataFusionResult<RecordBatch>>>> {
        let streams = self.inner.execute_task(headers, request, metrics, context).await;
        let streams = self.told(streams)?.into_iter().map(|stream| self.stream(stream)).collect();
        Ok(start_in_time(streams, PATIENCE))
    }

    async fn get_worker_info(
        &mut self,
        request: GetWorkerInfoRequest,
    ) -> DataFusionResult<GetWorkerInfoResponse> {
        let answer = self.inner.get_worker_info(request).await;
        self.told(answer)
    }
}

/// The URL of a worker that listens on `address`.
///
/// # Errors
/// Never for a socket address; the URL type asks for it.
pub fn worker_url(address: SocketAddr) -> Result<Url, url::ParseError> {
    Url::parse(&format!("http://{address}"))
}
