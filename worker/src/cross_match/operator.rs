//! The operator: its left child is collected once and shared by all partitions, which stream those
//! of the right child past it. In pieces of the sky the left child has a partition for each of the
//! right one, with all that may be near to its rows, and it alone is collected for it.
//!
//! It is a nested-loop join evaluated another way, and takes from it what a plan asks of a node:
//! schema, partitions, equivalences. Of the left child it delivers no row without a match, so that
//! in a cluster each task may have all of it.

use std::fmt;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use datafusion::arrow::array::RecordBatch;
use datafusion::common::tree_node::TreeNodeRecursion;
use datafusion::common::{DataFusionError, JoinSide, JoinType, Result, Statistics, internal_err};
use datafusion::execution::memory_pool::MemoryConsumer;
use datafusion::execution::{SendableRecordBatchStream, TaskContext};
use datafusion::physical_expr::PhysicalExpr;
use datafusion::physical_plan::joins::NestedLoopJoinExec;
use datafusion::physical_plan::metrics::{
    BaselineMetrics, ExecutionPlanMetricsSet, MetricBuilder, MetricsSet,
};
use datafusion::physical_plan::stream::RecordBatchStreamAdapter;
use datafusion::physical_plan::{
    ChildStats, DisplayAs, DisplayFormatType, ExecutionPlan, ExecutionPlanProperties,
    InputDistributionRequirements, PlanProperties, StatisticsArgs, apply_expression_roots,
};
use futures::future::{BoxFuture, Shared};
use futures::{FutureExt as _, StreamExt as _, stream};

use super::build_side::BuildSide;
use super::condition::{Condition, Radius, Ranking};
use super::probe::{Pairs, Probe};
use super::rows::Rows;

/// After so long other tasks have their turn, also where pair follows pair.
const TURN: Duration = Duration::from_millis(5);

/// The collected side, for all who wait for it.
type Collected = Shared<BoxFuture<'static, Result<Arc<BuildSide>, Arc<DataFusionError>>>>;

/// A join by position.
pub struct CrossMatchExec {
    join: NestedLoopJoinExec,
    condition: Condition,
    collected: Mutex<Option<Collected>>,
    metrics: ExecutionPlanMetricsSet,
}

impl fmt::Debug for CrossMatchExec {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { join, condition, .. } = self;
        f.debug_struct("CrossMatchExec")
            .field("join", join)
            .field("condition", condition)
            .finish_non_exhaustive()
    }
}

impl CrossMatchExec {
    /// The operator for a nested-loop join whose condition is one on the places of both sides.
    ///
    /// # Errors
    /// When it has no such condition, or would deliver rows of the left side that have no match.
    pub fn try_new(join: NestedLoopJoinExec) -> Result<Self> {
        let kind = *join.join_type();
        if !matches!(
            kind,
            JoinType::Inner | JoinType::Right | JoinType::RightSemi | JoinType::RightAnti
        ) {
            return internal_err!("a cross-match delivers no left row without a match: {kind}");
        }
        let Some(condition) = Condition::of(&join)? else {
            return internal_err!("a cross-match has a condition on places of both sides");
        };
        if let Some(Ranking { side, .. }) = &condition.ranking
            && (*side != JoinSide::Left || condition.has_radius_of_built())
        {
            return internal_err!("a cross-match ranks the rows that it builds, within one radius");
        }
        let metrics = ExecutionPlanMetricsSet::new();
        Ok(Self { join, condition, collected: Mutex::default(), metrics })
    }

    /// The join that it evaluates; its left side is what is collected.
    pub fn join(&self) -> &NestedLoopJoinExec {
        &self.join
    }

    /// How near places have to be, in words.
    pub fn nearness(&self) -> String {
        let bound = self.condition.bound.text();
        let nearness = match (&self.condition.radius, self.condition.constant_radius()) {
            (_, Some(degrees)) => format!("{bound} {degrees}°"),
            (Radius::Build(radius), None) => format!("{bound} {radius} of the built side"),
            (Radius::Probe(radius), None) => format!("{bound} {radius} of the streamed side"),
        };
        match &self.condition.ranking {
            Some(Ranking { most: 1, .. }) => format!("{nearness}, nearest"),
            Some(Ranking { most, .. }) => format!("{nearness}, {most} nearest"),
            None => nearness,
        }
    }

    /// Whether each partition has a left side of its own, of what may be near to its rows.
    pub fn is_in_pieces(&self) -> bool {
        self.join.left().output_partitioning().partition_count() > 1
    }

    /// How far the places of a pair are apart at most, where that is the same for all pairs.
    pub fn reach_deg(&self) -> Option<f64> {
        self.condition.constant_radius().map(|radius| self.reach_of_deg(radius))
    }

    /// The same for a radius of so many degrees.
    pub fn reach_of_deg(&self, radius_deg: f64) -> f64 {
        let reach = self.condition.bound.reach(radius_deg);
        reach.map_or(0.0, |reach| reach.degrees())
    }

    /// The radius over the columns of the right side where `is_streamed`, else over those of the
    /// left one.
    pub fn radius(&self) -> (&Arc<dyn PhysicalExpr>, bool) {
        match &self.condition.radius {
            Radius::Build(radius) => (radius, false),
            Radius::Probe(radius) => (radius, true),
        }
    }

    /// Longitude and latitude over the columns of the left side.
    pub fn built_place(&self) -> &[Arc<dyn PhysicalExpr>; 2] {
        &self.condition.build
    }

    /// Longitude and latitude over the columns of the right side.
    pub fn streamed_place(&self) -> &[Arc<dyn PhysicalExpr>; 2] {
        &self.condition.probe
    }

    /// The left side for a partition, collected when the first stream asks.
    fn collected(&self, partition: usize, context: &Arc<TaskContext>) -> Result<Collected> {
        if self.is_in_pieces() {
            return self.collect(partition, context);
        }
        let mut collected = self.collected.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(collected) = &*collected {
            return Ok(collected.clone());
        }
        Ok(collected.insert(self.collect(0, context)?).clone())
    }

    fn collect(&self, partition: usize, context: &Arc<TaskContext>) -> Result<Collected> {
        let side = self.join.left().execute(partition, Arc::clone(context))?;
        let memory = MemoryConsumer::new("CrossMatchExec").register(context.memory_pool());
        let rows = MetricBuilder::new(&self.metrics).counter("build_rows", partition);
        let side = BuildSide::collect(side, self.condition.clone(), memory, rows);
        let future = async move { side.await.map(Arc::new).map_err(Arc::new) };
        Ok(future.boxed().shared())
    }
}

impl DisplayAs for CrossMatchExec {
    fn fmt_as(&self, form: DisplayFormatType, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { join, condition, .. } = self;
        let (kind, [ra, dec], [lon, lat]) = (join.join_type(), &condition.build, &condition.probe);
        let nearness = self.nearness();
        if form == DisplayFormatType::TreeRender {
            return write!(f, "{kind}, {nearness}");
        }
        write!(
            f,
            "CrossMatchExec: {}join_type={kind}, distance of streamed ({lon}, {lat}) to built \
             ({ra}, {dec}) {nearness}",
            if self.is_in_pieces() { "in pieces, " } else { "" }
        )?;
        if let Some(residual) = &condition.residual {
            write!(f, ", filter={}", residual.expression())?;
        }
        if let Some(projection) = join.projection() {
            let schema = join.schema();
            let columns = projection.iter().zip(schema.fields());
            let columns: Vec<_> =
                columns.map(|(at, field)| format!("{}@{at}", field.name())).collect();
            write!(f, ", projection=[{}]", columns.join(", "))?;
        }
        Ok(())
    }
}

impl ExecutionPlan for CrossMatchExec {
    fn name(&self) -> &'static str {
        "CrossMatchExec"
    }

    fn properties(&self) -> &Arc<PlanProperties> {
        self.join.properties()
    }

    fn input_distribution_requirements(&self) -> InputDistributionRequirements {
        self.join.input_distribution_requirements()
    }

    fn maintains_input_order(&self) -> Vec<bool> {
        vec![false, false]
    }

    fn children(&self) -> Vec<&Arc<dyn ExecutionPlan>> {
        self.join.children()
    }

    fn apply_expressions(
        &self,
        f: &mut dyn FnMut(&Arc<dyn PhysicalExpr>) -> Result<TreeNodeRecursion>,
    ) -> Result<TreeNodeRecursion> {
        apply_expression_roots(self.join.filter().iter().map(|filter| filter.expression()), f)
    }

    fn with_new_children(
        self: Arc<Self>,
        children: Vec<Arc<dyn ExecutionPlan>>,
    ) -> Result<Arc<dyn ExecutionPlan>> {
        let [left, right]: [_; 2] = match children.try_into() {
            Ok(both) => both,
            Err(_) => return internal_err!("CrossMatchExec has two children"),
        };
        let projection = self.join.projection().as_ref().map(|projection| projection.to_vec());
        let filter = self.join.filter().cloned();
        let kind = self.join.join_type();
        let join = NestedLoopJoinExec::try_new(left, right, filter, kind, projection)?;
        Ok(Arc::new(Self::try_new(join)?))
    }

    fn execute(
        &self,
        partition: usize,
        context: Arc<TaskContext>,
    ) -> Result<SendableRecordBatchStream> {
        let [built, streamed] = [self.join.left(), self.join.right()]
            .map(|side| side.output_partitioning().partition_count());
        if built != 1 && built != streamed {
            return internal_err!("CrossMatchExec builds {built} partitions for {streamed}");
        }
        let matching = Matching {
            build: self.collected(partition, &context)?,
            input: self.join.right().execute(partition, Arc::clone(&context))?,
            condition: self.condition.clone(),
            rows: Rows::of(&self.join, self.condition.residual.clone()),
            most: context.session_config().batch_size(),
            probe: None,
            found: false,
            pairs: Pairs::default(),
            turn: Instant::now(),
            baseline: BaselineMetrics::new(&self.metrics, partition),
        };
        let batches = stream::try_unfold(matching, |mut matching| async {
            Ok(matching.next().await?.map(|batch| (batch, matching)))
        });
        Ok(Box::pin(RecordBatchStreamAdapter::new(self.schema(), batches)))
    }

    fn metrics(&self) -> Option<MetricsSet> {
        Some(self.metrics.clone_inner())
    }

    fn child_stats_requests(&self, partition: Option<usize>) -> Vec<ChildStats> {
        self.join.child_stats_requests(partition)
    }

    fn statistics_from_inputs(
        &self,
        inputs: &[Arc<Statistics>],
        args: &StatisticsArgs,
    ) -> Result<Arc<Statistics>> {
        self.join.statistics_from_inputs(inputs, args)
    }
}

/// One stream of answers.
struct Matching {
    build: Collected,
    input: SendableRecordBatchStream,
    condition: Condition,
    rows: Rows,
    /// A batch has no more rows.
    most: usize,
    probe: Option<Probe>,
    /// Whether all pairs of the batch are found.
    found: bool,
    pairs: Pairs,
    /// When other tasks had their turn last.
    turn: Instant,
    baseline: BaselineMetrics,
}

impl Matching {
    async fn next(&mut self) -> Result<Option<RecordBatch>> {
        let build = self.build.clone().await.map_err(DataFusionError::Shared)?;
        if build.zones.is_empty() && self.rows.are_pairs() {
            return Ok(None);
        }
        loop {
            if self.turn.elapsed() > TURN {
                // Sockets have their turn as well: to wake oneself would only let other tasks run.
                tokio::task::yield_now().await;
                self.turn = Instant::now();
            }
            let Some(probe) = &mut self.probe else {
                let Some(batch) = self.input.next().await else { return Ok(None) };
                self.probe = Some(Probe::new(batch?, &self.condition, self.rows.asks())?);
                continue;
            };
            if self.found {
                self.found = false;
                let rest = self.rows.of_rest(probe)?;
                self.probe = None;
                if let Some(rest) = rest {
                    return Ok(Some(self.counted(rest)));
                }
                continue;
            }
            let timer = self.baseline.elapsed_compute().timer();
            self.found = probe.find(&build, &mut self.pairs, self.most)?;
            let rows = self.rows.of_pairs(&build.rows, probe, &mut self.pairs)?;
            drop(timer);
            if let Some(rows) = rows {
                return Ok(Some(self.counted(rows)));
            }
        }
    }

    fn counted(&self, batch: RecordBatch) -> RecordBatch {
        self.baseline.record_output(batch.num_rows());
        batch
    }
}
