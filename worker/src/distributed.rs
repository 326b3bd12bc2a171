//! The worker's side of `datafusion-distributed`: its gRPC service, the sessions of its tasks and
//! the channels to its peers. The only module of this crate that imports that library.
//!
//! A worker port executes plans from the network: `admit` looks at every plan before it runs.

use std::collections::HashMap;
use std::future::Future;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use async_trait::async_trait;
use datafusion::common::tree_node::{TreeNode, TreeNodeRecursion};
use datafusion::common::{DataFusionError, Result as DataFusionResult, exec_datafusion_err};
use datafusion::datasource::physical_plan::FileScanConfig;
use datafusion::datasource::sink::DataSinkExec;
use datafusion::datasource::source::DataSourceExec;
use datafusion::execution::SessionState;
use datafusion::physical_plan::ExecutionPlan;
use datafusion_distributed::grpc::{BoxCloneSyncChannel, create_worker_client};
use datafusion_distributed::{
    ChannelResolver, DistributedExt, Worker as TaskService, WorkerChannel, WorkerPlanRewriteEvent,
    WorkerPlanRewriteEventResponse, WorkerQueryContext,
};
use tokio::net::TcpListener;
use tokio::task::JoinSet;
use tonic::service::Routes;
use tonic::transport::server::TcpIncoming;
use tonic::transport::{Channel, Endpoint, Server};
use url::Url;

use crate::control::QUERY_HEADER;
use crate::memory::Budget;
use crate::session::NodeRuntime;
use crate::{Counters, Error, Node, NodeConfig, Peers, calls, session};

/// Connecting to a peer takes at most this long.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(3);

/// A silent peer is asked whether it lives after this time …
const KEEP_ALIVE_INTERVAL: Duration = Duration::from_secs(10);

/// … and is given up when it has not answered within this.
const KEEP_ALIVE_TIMEOUT: Duration = Duration::from_secs(5);

/// What a worker needs to know.
#[derive(Debug, Clone)]
pub struct WorkerConfig {
    /// Where it keeps tiles and where it gets them.
    pub node: NodeConfig,
    /// What its tasks may use.
    pub budget: Budget,
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
    pub fn open(config: &WorkerConfig, peers: Peers) -> Result<Self, Error> {
        let counters = Arc::new(Counters::default());
        let node = Node::open(&config.node, peers, &counters)?;
        let mut budget = config.budget.clone();
        budget.spill.get_or_insert_with(|| node.folder().spill());
        let runtime = NodeRuntime::new(Arc::new(node.tiles()), &budget, &node.name(), &counters)?;
        let (runtime, channels) = (Arc::new(runtime), Channels::default());
        Ok(Self { node, runtime, counters, channels })
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
    /// done.
    ///
    /// # Errors
    /// When the service fails.
    pub async fn serve(
        self,
        listener: TcpListener,
        shutdown: impl Future<Output = ()> + Send,
    ) -> Result<(), Error> {
        refuse_open_port(&listener)?;
        let Self { node, runtime, counters, channels } = self;
        let (env, counted) = (Arc::clone(runtime.node()), Arc::clone(&counters));
        let tasks = TaskService::from_session_builder(move |context: WorkerQueryContext| {
            let session = task_session(context, &runtime, &counters, channels.clone());
            async move { session }
        })
        .with_runtime_env(env)
        .with_version(env!("CARGO_PKG_VERSION"));
        let tasks = Routes::new(tasks.into_worker_server()).into_axum_router();
        let tasks = calls::counted(tasks, &counted);
        let served = Server::builder()
            .accept_http1(true)
            .http2_keepalive_interval(Some(KEEP_ALIVE_INTERVAL))
            .http2_keepalive_timeout(Some(KEEP_ALIVE_TIMEOUT))
            .add_routes(Routes::from(tasks.merge(node.router())))
            .serve_with_incoming_shutdown(incoming(listener), shutdown);
        // Copying ends with the service.
        let mut background = JoinSet::new();
        background.spawn(async move { node.keep().await });
        served.await?;
        Ok(())
    }
}

/// Connections to a worker. Without `TCP_NODELAY` every distributed query would wait 40 ms for an
/// acknowledgement (engine.md T8).
pub fn incoming(listener: TcpListener) -> TcpIncoming {
    TcpIncoming::from(listener).with_nodelay(Some(true))
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
    let mut builder = context.builder.with_runtime_env(runtime.of_query(query));
    let config = builder.config().get_or_insert_default();
    let ours = session::session_config();
    config.options_mut().execution.target_partitions = ours.options().execution.target_partitions;
    config.options_mut().execution.parquet = ours.options().execution.parquet.clone();
    let mut state = builder
        .with_distributed_channel_resolver(channels)
        .with_distributed_worker_plan_rewrite_handler(move |event: WorkerPlanRewriteEvent<'_>| {
            admit(&event.plan)?;
            counters.task();
            Ok(WorkerPlanRewriteEventResponse::new(event.plan))
        })
        .build();
    session::register_functions(&mut state)?;
    Ok(state)
}

/// Refuses a plan that writes, or reads anything but tiles.
fn admit(plan: &Arc<dyn ExecutionPlan>) -> DataFusionResult<()> {
    plan.apply(|node| {
        if node.is::<DataSinkExec>() {
            return Err(exec_datafusion_err!("a worker executes no plan that writes"));
        }
        let scan = node.downcast_ref::<DataSourceExec>();
        let files = scan.and_then(|s| s.data_source().downcast_ref::<FileScanConfig>());
        if let Some(files) = files
            && !files.object_store_url.as_str().starts_with(catalog::TILE_STORE)
        {
            let store = files.object_store_url.as_str();
            return Err(exec_datafusion_err!("a worker reads tiles only, not {store}"));
        }
        Ok(TreeNodeRecursion::Continue)
    })?;
    Ok(())
}

/// Channels to workers, opened once and shared by all queries of a node.
#[derive(Debug, Clone, Default)]
pub struct Channels {
    open: Arc<Mutex<HashMap<Url, Channel>>>,
}

impl Channels {
    /// The channel to a worker. It connects at first use and again after a loss.
    fn channel(&self, url: &Url) -> DataFusionResult<Channel> {
        let mut open = self.open.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(channel) = open.get(url) {
            return Ok(channel.clone());
        }
        let endpoint = Endpoint::from_shared(url.to_string())
            .map_err(|error| DataFusionError::External(Box::new(error)))?
            .connect_timeout(CONNECT_TIMEOUT)
            .tcp_nodelay(true)
            .http2_keep_alive_interval(KEEP_ALIVE_INTERVAL)
            .keep_alive_timeout(KEEP_ALIVE_TIMEOUT)
            .keep_alive_while_idle(true);
        let channel = endpoint.connect_lazy();
        open.insert(url.clone(), channel.clone());
        Ok(channel)
    }
}

#[async_trait]
impl ChannelResolver for Channels {
    async fn get_worker_client_for_url(
        &self,
        url: &Url,
    ) -> DataFusionResult<Box<dyn WorkerChannel>> {
        Ok(create_worker_client(BoxCloneSyncChannel::new(self.channel(url)?)))
    }
}

/// Refuses a listener that other hosts reach: until nodes prove who they are, a worker port is
/// remote execution for anyone (design.md §6).
///
/// # Errors
/// When the address is not a loopback address.
pub fn refuse_open_port(listener: &TcpListener) -> Result<(), Error> {
    match listener.local_addr() {
        Ok(address) if !address.ip().is_loopback() => Err(Error::OpenPort { address }),
        Ok(_) | Err(_) => Ok(()),
    }
}

/// The URL of a worker that listens on `address`.
///
/// # Errors
/// Never for a socket address; the URL type asks for it.
pub fn worker_url(address: SocketAddr) -> Result<Url, url::ParseError> {
    Url::parse(&format!("http://{address}"))
}
