//! The coordinator's side of `datafusion-distributed`: how many tasks a scan gets, what each
//! reads and where it runs. The only module of this crate that imports that library.
//!
//! ```text
//! DataSourceExec [a b c d]        DistributedLeafExec
//!                           ->      slot 0 (worker 1): [a b]
//!                                   slot 1 (worker 3): [c d]
//! ```

use std::sync::{Arc, OnceLock};

use async_trait::async_trait;
use catalog::upload::UploadedTable;
use datafusion::catalog::Session;
use datafusion::catalog::memory::MemorySourceConfig;
use datafusion::common::tree_node::{Transformed, TreeNode, TreeNodeRecursion};
use datafusion::common::{DataFusionError, Result, internal_datafusion_err, internal_err};
use datafusion::datasource::physical_plan::{FileGroup, FileScanConfig};
use datafusion::datasource::source::{DataSource, DataSourceExec};
use datafusion::execution::context::QueryPlanner;
use datafusion::execution::{SessionState, SessionStateBuilder};
use datafusion::logical_expr::LogicalPlan;
use datafusion::physical_plan::coalesce_partitions::CoalescePartitionsExec;
use datafusion::physical_plan::{ExecutionPlan, replace_children_if_necessary};
use datafusion::physical_planner::{DefaultPhysicalPlanner, PhysicalPlanner};
use datafusion::prelude::SessionConfig;
use datafusion_distributed::{
    BroadcastExec, DesiredTaskCountEvent, DesiredTaskCountEventResponse, DistributedExt,
    DistributedLeafExec, NetworkBoundaryExt, NetworkCoalesceExec, RouteTasksEvent,
    RouteTasksEventResponse, ScaleUpLeafNodeEvent, ScaleUpLeafNodeEventResponse,
    SessionStateBuilderExt, Stage, WorkerResolver, display_plan_ascii,
};
use http::{HeaderMap, HeaderName, HeaderValue};
use url::Url;
use uuid::Uuid;
use worker::codec::NodeCodec;
use worker::control::QUERY_HEADER;
use worker::cross_match::{self, CrossMatchExec};
use worker::in_turn::InTurnExec;

use crate::cluster::Cluster;
use crate::plan::colocate::Place;
use crate::plan::invariants::{self, StageView};
use crate::plan::lineage::Lineage;
use crate::plan::near;
use crate::plan::slot_leaf::SlotLeafExec;
use crate::plan::slots::{ClusterView, Slots, tile_scan, upload_scan};

/// The most that a join by position sends to every worker: some ten million rows of three columns,
/// which take seconds on the network, and little of the memory of a query.
const BROADCAST_BYTES_MAX: usize = 256 << 20;

/// The slots of the query that a session plans: set once, when its scans are known, from the
/// workers as they were when planning began.
#[derive(Debug)]
struct QueryPlacement {
    view: ClusterView,
    uploads: Vec<Arc<UploadedTable>>,
    slots: OnceLock<Arc<Slots>>,
}

/// Plans on one node, then settles the placement of the query from the scans of that plan.
#[derive(Debug)]
struct PlacingPlanner;

#[async_trait]
impl QueryPlanner for PlacingPlanner {
    async fn create_physical_plan(
        &self,
        logical_plan: &LogicalPlan,
        session: &dyn Session,
    ) -> Result<Arc<dyn ExecutionPlan>> {
        let planner = DefaultPhysicalPlanner::default();
        let plan = planner.create_physical_plan(logical_plan, session).await?;
        let placement = placement(session.config())?;
        let QueryPlacement { view, uploads, .. } = placement.as_ref();
        let lineage = Lineage { snapshot: &view.snapshot, uploads };
        let plan = near::restricted(cross_match::planned(plan)?, lineage)?;
        let slots = Slots::of(&plan, &placement.view)?;
        let place = Place {
            lineage,
            over: Some((&slots, placement.view.small_table_bytes)),
            partitions: session.config().target_partitions(),
        };
        let plan = broadcast(place.colocate(&plan)?)?;
        if placement.slots.set(Arc::new(slots)).is_err() {
            return internal_err!("one session plans one query");
        }
        Ok(plan)
    }
}

/// What is built by a join by position goes to every task of the stage that streams the other side
/// past it.
///
/// ```text
/// CrossMatchExec            CrossMatchExec
///   CoalescePartitions        CoalescePartitions
///     build            -->      BroadcastExec
///   probe                         build
///                             probe
/// ```
fn broadcast(plan: Arc<dyn ExecutionPlan>) -> Result<Arc<dyn ExecutionPlan>> {
    let sent = plan.transform_up(|node| {
        let Some(operator) = node.downcast_ref::<CrossMatchExec>() else {
            return Ok(Transformed::no(node));
        };
        let (build, probe) = (operator.join().left(), operator.join().right());
        if build.is::<InTurnExec>() || operator.is_in_pieces() {
            // Each task has it already, or what it needs of it.
            return Ok(Transformed::no(node));
        }
        refuse_large(cross_match::estimated_bytes(build))?;
        let (input, fetch) = match build.downcast_ref::<CoalescePartitionsExec>() {
            Some(coalesce) => (Arc::clone(coalesce.input()), coalesce.fetch()),
            None => (Arc::clone(build), None),
        };
        // The library puts in how many tasks there are.
        let sent = Arc::new(BroadcastExec::new(input, 1));
        let build = Arc::new(CoalescePartitionsExec::new(sent).with_fetch(fetch));
        let children: Vec<Arc<dyn ExecutionPlan>> = vec![build, Arc::clone(probe)];
        replace_children_if_necessary(node, children).map(Transformed::yes)
    });
    sent.map(|sent| sent.data)
}

/// Refuses to send each worker what is no small table any more, or of unknown size.
fn refuse_large(bytes: Option<usize>) -> Result<()> {
    let size = match bytes {
        Some(bytes) if bytes <= BROADCAST_BYTES_MAX => return Ok(()),
        Some(bytes) => format!("has about {} MiB", bytes >> 20),
        None => "is of unknown size".to_owned(),
    };
    let refused = adql::Error::NotEvaluable {
        construct: "a join by position".to_owned(),
        reason: format!(
            "the side of which every worker needs all rows {size}, and {} MiB are the most: restrict \
             it by a region or by other conditions, or ask for fewer of its columns; of an outer \
             join it is the side that is not kept",
            BROADCAST_BYTES_MAX >> 20
        ),
        place: None,
    };
    Err(DataFusionError::External(Box::new(refused)))
}

/// The members of the cluster, for stages that read no tile.
struct Members(Vec<Url>);

impl WorkerResolver for Members {
    fn get_urls(&self) -> Result<Vec<Url>> {
        Ok(self.0.clone())
    }
}

/// Makes the sessions of `state` distribute their plans over `cluster`.
///
/// # Errors
/// When an option of the library is refused.
pub fn distribute(state: SessionState, cluster: &Cluster) -> Result<SessionState> {
    let workers: Vec<Url> = cluster.workers().cloned().collect();
    let tasks_max = workers.len().max(2);
    let builder = SessionStateBuilder::new_from_existing(state)
        .with_query_planner(Arc::new(PlacingPlanner))
        .with_distributed_worker_resolver(Members(workers))
        .with_distributed_channel_resolver(cluster.channels().clone())
        // T3: isolated children of a union would break "slot i is worker i".
        .with_distributed_children_isolator_unions(false)?
        // The number of tasks is the number of slots, whatever the cluster's size.
        .with_distributed_max_tasks_per_stage(tasks_max)?
        .with_distributed_dynamic_task_count(false)?
        .with_distributed_broadcast_joins(true)?
        // Waiting for metrics can hang (engine.md §3, issue #739 of the library).
        .with_distributed_metrics_collection(false)?
        .with_distributed_desired_task_count_handler(desired_task_count)
        .with_distributed_scale_up_leaf_node_handler(scale_up)
        .with_distributed_route_tasks_handler(route)
        .with_distributed_user_codec(NodeCodec)
        .with_distributed_planner();
    Ok(builder.build())
}

/// A session for one query, which may read these uploads: its placement is its own, and its name
/// travels to its tasks.
///
/// # Errors
/// When the name is refused.
pub fn for_one_query(
    mut state: SessionState,
    view: ClusterView,
    uploads: &[Arc<UploadedTable>],
) -> Result<SessionState> {
    let query = Uuid::new_v4().to_string();
    let query = HeaderValue::from_str(&query);
    let query = query.map_err(|_| internal_datafusion_err!("a UUID is ASCII"))?;
    let headers = HeaderMap::from_iter([(HeaderName::from_static(QUERY_HEADER), query)]);
    let config = state.config_mut();
    config.set_distributed_passthrough_headers(headers)?;
    config.set_extension(Arc::new(QueryPlacement {
        view,
        uploads: uploads.to_vec(),
        slots: OnceLock::new(),
    }));
    Ok(state)
}

/// The slots of the query that a session has planned, where it is distributed.
pub fn slots(state: &SessionState) -> Option<Arc<Slots>> {
    state.config().get_extension::<QueryPlacement>()?.slots.get().cloned()
}

/// What the stages of a planned query break, if anything.
///
/// # Errors
/// The broken invariant, in words.
pub fn check(plan: &Arc<dyn ExecutionPlan>) -> std::result::Result<(), String> {
    let mut stages = vec![(Arc::clone(plan), 1)];
    while let Some((head, tasks)) = stages.pop() {
        let mut problem = Ok(());
        let walked = head.apply(|node| {
            if let Some(boundary) = node.as_network_boundary() {
                if let Stage::Local(stage) = boundary.input_stage() {
                    stages.push((Arc::clone(&stage.plan), stage.tasks));
                }
                return Ok(TreeNodeRecursion::Jump);
            }
            let view = match node.downcast_ref::<DistributedLeafExec>() {
                Some(leaf) => StageView::Leaf(leaf.variants()),
                None => StageView::Node(node),
            };
            problem = invariants::check_node(&view, tasks);
            Ok(if problem.is_ok() { TreeNodeRecursion::Continue } else { TreeNodeRecursion::Stop })
        });
        walked.map_err(|error| error.to_string())?;
        problem?;
    }
    Ok(())
}

/// Whether what is below a node runs in other tasks.
pub fn is_boundary(node: &dyn ExecutionPlan) -> bool {
    node.as_network_boundary().is_some()
}

/// The plan with its stages as text.
pub fn display(plan: &dyn ExecutionPlan) -> String {
    display_plan_ascii(plan, false)
}

/// The scan of one node that a leaf with variants was made of.
pub fn original_leaf(node: &Arc<dyn ExecutionPlan>) -> Option<&Arc<dyn ExecutionPlan>> {
    node.downcast_ref::<DistributedLeafExec>().map(DistributedLeafExec::original)
}

/// The scans of a leaf with variants, one for each slot.
pub fn leaf_variants(node: &Arc<dyn ExecutionPlan>) -> Option<&[Arc<dyn ExecutionPlan>]> {
    node.downcast_ref::<DistributedLeafExec>().map(DistributedLeafExec::variants)
}

fn placement(config: &SessionConfig) -> Result<Arc<QueryPlacement>> {
    let missing = || internal_datafusion_err!("the session has no placement");
    config.get_extension::<QueryPlacement>().ok_or_else(missing)
}

fn with_slots<T>(config: &SessionConfig, use_slots: impl FnOnce(&Slots) -> Result<T>) -> Result<T> {
    let placement = placement(config)?;
    let slots = placement.slots.get();
    use_slots(slots.ok_or_else(|| internal_datafusion_err!("the query is not placed yet"))?)
}

/// What a stage of several tasks may read.
#[derive(Clone, Copy)]
enum Leaf<'a> {
    /// A scan whose files have been given to slots already.
    SharedOut(&'a SlotLeafExec),
    /// A scan of tiles.
    Tiles(&'a FileScanConfig),
    /// A scan of a table that the query brings.
    Upload(&'a FileScanConfig),
    /// Rows in memory, of `TAP_SCHEMA`.
    Rows(&'a MemorySourceConfig),
}

impl<'a> Leaf<'a> {
    fn of(node: &'a Arc<dyn ExecutionPlan>) -> Option<Self> {
        let shared_out = node.downcast_ref::<SlotLeafExec>().map(Self::SharedOut);
        shared_out
            .or_else(|| tile_scan(node).map(Self::Tiles))
            .or_else(|| upload_scan(node).map(Self::Upload))
            .or_else(|| memory_scan(node).map(Self::Rows))
    }
}

/// The scan of rows in memory that a node is, if it is one: of `TAP_SCHEMA`.
fn memory_scan(node: &Arc<dyn ExecutionPlan>) -> Option<&MemorySourceConfig> {
    node.downcast_ref::<DataSourceExec>()?.data_source().downcast_ref()
}

/// A scan of tiles wants one task for each slot (engine.md T2), and so does one that joins them.
fn desired_task_count(
    event: DesiredTaskCountEvent<'_>,
) -> Option<Result<DesiredTaskCountEventResponse>> {
    Leaf::of(event.plan)?;
    let count = with_slots(event.session_config, |slots| Ok(slots.urls().len()));
    Some(count.map(DesiredTaskCountEventResponse::desired))
}

/// Gives each slot the tiles that its worker owns, and the first one uploads and what is in memory. Where
/// another operator of the stage forces fewer tasks (engine.md T4), the scan runs in a stage of its
/// own and is gathered.
fn scale_up(event: ScaleUpLeafNodeEvent<'_>) -> Option<Result<ScaleUpLeafNodeEventResponse>> {
    let leaf = Leaf::of(event.plan)?;
    let scaled = with_slots(event.session_config, |slots| {
        let (original, variants) = match leaf {
            Leaf::SharedOut(leaf) => (&leaf.original, leaf.variants.clone()),
            Leaf::Tiles(scan) => (event.plan, variants(scan, slots)?),
            Leaf::Upload(scan) => (event.plan, upload_of_first_slot(scan, slots)),
            Leaf::Rows(scan) => (event.plan, of_first_slot(scan, slots)?),
        };
        let tasks = variants.len();
        let leaf = DistributedLeafExec::try_new(Arc::clone(original), variants)?;
        let leaf: Arc<dyn ExecutionPlan> = Arc::new(leaf);
        if event.task_count == tasks {
            return Ok(leaf);
        }
        let gather = NetworkCoalesceExec::try_new(leaf, tasks, event.task_count)?;
        Ok(Arc::new(gather) as Arc<dyn ExecutionPlan>)
    });
    Some(scaled.map(ScaleUpLeafNodeEventResponse::new))
}

/// The scan of each slot: equal partition counts, empty groups where a slot has fewer tiles
/// (engine.md T5).
fn variants(scan: &FileScanConfig, slots: &Slots) -> Result<Vec<Arc<dyn ExecutionPlan>>> {
    let partitions = scan.file_groups.len();
    let mut files = vec![vec![Vec::new(); partitions]; slots.urls().len()];
    for (partition, group) in scan.file_groups.iter().enumerate() {
        for file in group.iter() {
            let slot = slots.slot_of(&file.object_meta.location)?;
            files[slot][partition].push(file.clone());
        }
    }
    let mut without_files = scan.clone();
    without_files.file_groups = Vec::new();
    let variants = files.into_iter().map(|groups| {
        let mut variant = without_files.clone();
        variant.file_groups = groups.into_iter().map(FileGroup::new).collect();
        DataSourceExec::from_data_source(variant) as Arc<dyn ExecutionPlan>
    });
    Ok(variants.collect())
}

/// An upload is read by the first slot, whose worker has its file; the others scan nothing.
fn upload_of_first_slot(scan: &FileScanConfig, slots: &Slots) -> Vec<Arc<dyn ExecutionPlan>> {
    let mut nothing = scan.clone();
    nothing.file_groups = vec![FileGroup::new(Vec::new()); scan.file_groups.len()];
    let variants = (0..slots.urls().len()).map(|slot| if slot == 0 { scan } else { &nothing });
    let leaf = |scan: &FileScanConfig| {
        DataSourceExec::from_data_source(scan.clone()) as Arc<dyn ExecutionPlan>
    };
    variants.map(leaf).collect()
}

/// Rows in memory travel with the plan of the first slot; the others scan nothing.
fn of_first_slot(scan: &MemorySourceConfig, slots: &Slots) -> Result<Vec<Arc<dyn ExecutionPlan>>> {
    let nothing = vec![Vec::new(); scan.partitions().len()];
    let (schema, projection) = (scan.original_schema(), scan.projection().clone());
    let nothing = MemorySourceConfig::try_new(&nothing, schema, projection)?;
    let nothing = nothing.with_limit(scan.fetch());
    let mut variants = vec![nothing; slots.urls().len()];
    variants[0] = scan.clone();
    let variants = variants
        .into_iter()
        .map(|variant| DataSourceExec::from_data_source(variant) as Arc<dyn ExecutionPlan>);
    Ok(variants.collect())
}

/// Task i runs on the worker of slot i; stages that read no tile run on the same workers.
#[expect(clippy::needless_pass_by_value, reason = "the signature of a routing handler")]
fn route(event: RouteTasksEvent<'_>) -> Option<Result<RouteTasksEventResponse>> {
    let urls = with_slots(event.task_ctx.session_config(), |slots| {
        let urls = slots.urls().iter().cycle().take(event.task_count);
        Ok(urls.cloned().collect())
    });
    Some(urls.map(RouteTasksEventResponse::new))
}
