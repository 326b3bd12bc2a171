//! Partitions that are read one after another, so that what each of them holds is there once.
//!
//! A join that is cut into hundreds of pieces of the sky has a partition for each. Whatever stands
//! above it would begin all of them at once, and so build all of their tables.
//!
//! ```text
//! InTurnExec            partition 0: pieces 0, 2, 3      partition 1: pieces 1, 4, 5
//!   HashJoinExec          0   1   2   3   4   5
//! ```
//! A partition that has read a piece takes the next that nobody has taken: pieces are of unlike
//! sizes.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::{fmt, iter};

use datafusion::common::tree_node::TreeNodeRecursion;
use datafusion::common::{Result, internal_err};
use datafusion::execution::{SendableRecordBatchStream, TaskContext};
use datafusion::physical_expr::{EquivalenceProperties, Partitioning, PhysicalExpr};
use datafusion::physical_plan::execution_plan::{EmissionType, SchedulingType};
use datafusion::physical_plan::stream::RecordBatchStreamAdapter;
use datafusion::physical_plan::{
    DisplayAs, DisplayFormatType, ExecutionPlan, ExecutionPlanProperties, PlanProperties,
};
use futures::{StreamExt as _, TryStreamExt as _, stream};

/// The partitions of its input in fewer, each of which reads some of them in turn.
#[derive(Debug)]
pub struct InTurnExec {
    input: Arc<dyn ExecutionPlan>,
    properties: Arc<PlanProperties>,
    round: Mutex<Round>,
}

/// One reading of all pieces by all partitions.
#[derive(Debug, Default)]
struct Round {
    /// The partitions that have begun.
    begun: Vec<usize>,
    /// The next piece that nobody has taken.
    next: Arc<AtomicUsize>,
}

impl Round {
    /// What hands out pieces to a partition; one that begins again begins a new round.
    fn begin(&mut self, partition: usize) -> Arc<AtomicUsize> {
        if self.begun.contains(&partition) {
            *self = Self::default();
        }
        self.begun.push(partition);
        Arc::clone(&self.next)
    }
}

impl InTurnExec {
    /// The rows of `input` in so many partitions: one at least.
    pub fn new(input: Arc<dyn ExecutionPlan>, partitions: usize) -> Self {
        let schema = input.schema();
        let properties = PlanProperties::new(
            EquivalenceProperties::new(schema),
            Partitioning::UnknownPartitioning(partitions.max(1)),
            EmissionType::Incremental,
            input.boundedness(),
        )
        .with_scheduling_type(SchedulingType::Cooperative);
        Self { input, properties: Arc::new(properties), round: Mutex::default() }
    }

    /// How many partitions it has.
    pub fn partitions(&self) -> usize {
        self.properties.partitioning.partition_count()
    }
}

impl DisplayAs for InTurnExec {
    fn fmt_as(&self, _: DisplayFormatType, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let pieces = self.input.output_partitioning().partition_count();
        write!(f, "InTurnExec: pieces={pieces}, partitions={}", self.partitions())
    }
}

impl ExecutionPlan for InTurnExec {
    fn name(&self) -> &'static str {
        "InTurnExec"
    }

    fn properties(&self) -> &Arc<PlanProperties> {
        &self.properties
    }

    fn children(&self) -> Vec<&Arc<dyn ExecutionPlan>> {
        vec![&self.input]
    }

    fn apply_expressions(
        &self,
        _: &mut dyn FnMut(&Arc<dyn PhysicalExpr>) -> Result<TreeNodeRecursion>,
    ) -> Result<TreeNodeRecursion> {
        Ok(TreeNodeRecursion::Continue)
    }

    fn benefits_from_input_partitioning(&self) -> Vec<bool> {
        vec![false]
    }

    fn with_new_children(
        self: Arc<Self>,
        mut children: Vec<Arc<dyn ExecutionPlan>>,
    ) -> Result<Arc<dyn ExecutionPlan>> {
        match (children.pop(), children.is_empty()) {
            (Some(input), true) => Ok(Arc::new(Self::new(input, self.partitions()))),
            _ => internal_err!("InTurnExec has one child"),
        }
    }

    fn execute(
        &self,
        partition: usize,
        context: Arc<TaskContext>,
    ) -> Result<SendableRecordBatchStream> {
        let pieces = self.input.output_partitioning().partition_count();
        let next = self.round.lock().unwrap_or_else(PoisonError::into_inner).begin(partition);
        let taken = iter::repeat_with(move || next.fetch_add(1, Ordering::Relaxed));
        let input = Arc::clone(&self.input);
        // A piece begins when the one before has ended and its memory is free again.
        let rows = stream::iter(taken.take_while(move |piece| *piece < pieces))
            .map(move |piece| input.execute(piece, Arc::clone(&context)))
            .try_flatten();
        Ok(Box::pin(RecordBatchStreamAdapter::new(self.schema(), rows)))
    }
}
