//! The worker's side of `datafusion-distributed`: its gRPC service, the sessions of its tasks and
//! the way to its peers. The only module of this crate that imports that library.
//!
//! A worker port executes plans from the network: `crate::access` asks who sends them,
//! `crate::admission` looks at every plan before it runs. On the way back a broken connection
//! becomes the loss of a worker ([`crate::loss`]).

use catalog::with_kept_indexes;
use std::fmt;
use std::future::Future;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use axum::Router;
use datafusion::arrow::array::RecordBatch;
use datafusion::common::{DataFusionError, Result as DataFusionResult};
use datafusion::execution::{SessionState, TaskContext};
use datafusion::physical_plan::ExecutionPlan;
use datafusion::physical_plan::metrics::ExecutionPlanMetricsSet;
use datafusion_distributed::grpc::{BoxCloneSyncChannel, create_worker_client};
use datafusion_distributed::{
    ChannelResolver, CoordinatorToWorkerMsg, DistributedExt, ExecuteTaskRequest,
    GetWorkerInfoRequest, GetWorkerInfoResponse, NetworkBroadcastExec, NetworkCoalesceExec,
    NetworkShuffleExec, ProducerHead, SetPlanRequest, TaskKey, Worker as TaskService,
    WorkerChannel, WorkerPlanRewriteEvent, WorkerPlanRewriteEventResponse, WorkerQueryContext,
    WorkerToCoordinatorMsg,
};
use futures::stream::BoxStream;
use futures::{FutureExt, StreamExt};
use http::HeaderMap;
use tokio::net::TcpListener;
use tokio::runtime::Handle;
use tokio::task::JoinSet;
use tonic::service::Routes;
use tonic::transport::Server;
use url::Url;
use uuid::Uuid;

use crate::admission::admit;
use crate::catch_panic::CatchPanicExec;
use crate::control::QUERY_HEADER;
use crate::cross_match::CrossMatchCodec;
use crate::early_start::{PATIENCE, start_in_time};
use crate::front::{Front, handled_on};
use crate::giving_way::giving_way;
use crate::memory::Budget;
use crate::session::NodeRuntime;
use crate::transport::{
    Identity, KEEP_ALIVE_INTERVAL, KEEP_ALIVE_TIMEOUT, incoming, refuse_open_port,
};
use crate::{Channels, Counters, Error, Node, NodeConfig, Peers, access, calls, loss, session};

/// What ended tasks hold is let go so often.
const LET_GO_INTERVAL: Duration = Duration::from_millis(500);

/// What a worker needs to know.
#[derive(Debug, Clone)]
pub struct WorkerConfig {
    /// Where it keeps tiles and where it gets them.
    pub node: NodeConfig,
    /// What its tasks may use.
    pub budget: Budget,
    /// Who it is; without it, it serves this host only.
    pub identity: Option<Identity>,
    /// Where its port is served.
    pub front: Front,
}

/// A worker that is ready to serve.
#[derive(Debug)]
pub struct Worker {
    node: Node,
    runtime: Arc<NodeRuntime>,
    counters: Arc<Counters>,
    channels: Channels,
}

impl Worker {
    /// Opens the folder and the stores. Nothing is read from the origin.
    ///
    /// # Errors
    /// When the folder cannot be used, or spilled data has no place.
    pub fn open(config: &WorkerConfig) -> Result<Self, Error> {
        let counters = Arc::new(Counters::default());
        let channels = Channels::new(config.identity.clone()).on(config.front.clone());
        let to_peers = channels.clone();
        let peers = Peers::new(move |url| to_peers.tiles(&Url::parse(url).ok()?).ok());
        let node = Node::open(&config.node, peers, &counters)?;
        let mut budget = config.budget.clone();
        budget.spill.get_or_insert_with(|| node.folder().spill());
        let runtime = NodeRuntime::new(Arc::new(node.tiles()), &budget, &node.name(), &counters)?;
        Ok(Self { node, runtime: Arc::new(runtime), counters, channels })
    }

    /// What this worker is beside its tasks.
    pub fn node(&self) -> &Node {
        &self.node
    }

    /// What this worker counts.
    pub fn counters(&self) -> Arc<Counters> {
        Arc::clone(&self.counters)
    }

    /// Executes tasks, answers coordinators and peers and keeps the folder, until `shutdown` is
    /// done. Tasks run where this is called.
    ///
    /// # Errors
    /// When the port would be open to anyone, or the service fails.
    pub async fn serve(
        self,
        listener: TcpListener,
        shutdown: impl Future<Output = ()> + Send + 'static,
    ) -> Result<(), Error> {
        let Self { node, runtime, counters, channels } = self;
        let (port, control) = (Port { runtime, counters, channels }, node.router());
        // Copying ends with the service.
        let mut background = JoinSet::new();
        background.spawn(async move { node.keep().await });
        port.serve(listener, control, shutdown).await
    }
}

/// The one port of a worker: tasks by gRPC, and control and tiles by HTTP/2.
#[derive(Debug)]
pub struct Port {
    /// The stores and limits of its tasks.
    pub runtime: Arc<NodeRuntime>,
    /// Where its tasks are counted.
    pub counters: Arc<Counters>,
    /// The way to its peers, and who it is.
    pub channels: Channels,
}

impl Port {
    /// Executes tasks where this is called, and answers what `control` answers at its front, until
    /// `shutdown` is done. With an identity it speaks TLS with holders of certificates only, each as its role permits.
    ///
    /// # Errors
    /// When the port would be open to anyone, or the service fails.
    pub async fn serve(
        self,
        listener: TcpListener,
        control: Router,
        shutdown: impl Future<Output = ()> + Send + 'static,
    ) -> Result<(), Error> {
        let Self { runtime, counters, channels } = self;
        let identity = channels.identity().cloned();
        let front = channels.front().clone();
        let (env, counted) = (Arc::clone(runtime.node()), Arc::clone(&counters));
        let tasks = TaskService::from_session_builder(move |context: WorkerQueryContext| {
            let session = task_session(context, &runtime, &counters, channels.clone());
            async move { session }
        })
        .with_runtime_env(env)
        .with_version(env!("CARGO_PKG_VERSION"));
        let mut background = JoinSet::new();
        background.spawn(let_go(tasks.clone()));
        let tasks = Routes::new(tasks.into_worker_server()).into_axum_router();
        let tasks = handled_on(&Handle::current(), tasks);
        let mut router = calls::counted(tasks, &counted).merge(control);
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
        let listener = front.adopt(listener).await.map_err(Error::Listener)?;
        let served =
            async { server.serve_with_incoming_shutdown(incoming(listener), shutdown).await };
        Ok(front.run(served).await?)
    }
}

/// Lets go of what ended tasks hold. The library forgets a task when its query ends, but drops it
/// when its cache is used again, which on an idle worker is never: asking for a task that nobody
/// has set is such a use.
async fn let_go(tasks: TaskService) {
    let mut ticks = tokio::time::interval(LET_GO_INTERVAL);
    loop {
        ticks.tick().await;
        let nobody = TaskKey { query_id: Uuid::nil(), stage_id: 0, task_number: 0 };
        let request = ExecuteTaskRequest {
            task_key: nobody,
            target_partition_start: 0,
            target_partition_end: 0,
            producer_head: ProducerHead::None,
        };
        // It would wait for a plan: one look is enough.
        let _waiting = tasks.execute_task(request).now_or_never();
    }
}

/// The session of one task: that of the coordinator without its planner, in the budget of the
/// query that its header names.
fn task_session(
    context: WorkerQueryContext,
    runtime: &NodeRuntime,
    counters: &Arc<Counters>,
    channels: Channels,
) -> DataFusionResult<SessionState> {
    let counters = Arc::clone(counters);
    let query = context.headers.get(QUERY_HEADER).and_then(|name| name.to_str().ok());
    let runtime = runtime.of_query(query);
    let mut builder = context.builder.with_runtime_env(Arc::clone(&runtime));
    let config = builder.config().get_or_insert_default();
    let ours = session::session_config();
    config.options_mut().execution.target_partitions = ours.options().execution.target_partitions;
    config.options_mut().execution.parquet = ours.options().execution.parquet.clone();
    config.options_mut().execution.sort_spill_reservation_bytes =
        ours.options().execution.sort_spill_reservation_bytes;
    let mut state = builder
        .with_distributed_channel_resolver(channels)
        .with_distributed_user_codec(CrossMatchCodec)
        .with_distributed_worker_plan_rewrite_handler(move |event: WorkerPlanRewriteEvent<'_>| {
            admit(&event.plan, is_network)?;
            counters.task();
            let plan = with_kept_indexes(event.plan, &runtime, is_network)?;
            let plan = giving_way(plan, is_network)?;
            let plan = Arc::new(CatchPanicExec::new(plan));
            Ok(WorkerPlanRewriteEventResponse::new(plan))
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

/// The URL of a worker that listens on `address`, with certificates or without.
///
/// # Errors
/// Never for a socket address; the URL type asks for it.
pub fn worker_url(address: SocketAddr, secure: bool) -> Result<Url, url::ParseError> {
    Url::parse(&format!("{}://{address}", if secure { "https" } else { "http" }))
}
