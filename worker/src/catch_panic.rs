//! Makes a panic of a task an error of its query.
//!
//! The library runs each stream of a task in a task of the runtime, and takes one that panics for
//! one that has ended: the answer would be short and look whole. This node stands above a plan that
//! a worker has received, is never sent, and changes nothing else.

use std::any::Any;
use std::fmt;
use std::panic::AssertUnwindSafe;
use std::sync::Arc;

use datafusion::common::tree_node::TreeNodeRecursion;
use datafusion::common::{DataFusionError, Result, internal_err};
use datafusion::execution::{SendableRecordBatchStream, TaskContext};
use datafusion::physical_expr::PhysicalExpr;
use datafusion::physical_plan::stream::RecordBatchStreamAdapter;
use datafusion::physical_plan::{DisplayAs, DisplayFormatType, ExecutionPlan, PlanProperties};
use futures::{FutureExt as _, StreamExt as _};

/// Its input, whose panics are errors.
#[derive(Debug)]
pub struct CatchPanicExec {
    input: Arc<dyn ExecutionPlan>,
}

impl CatchPanicExec {
    /// The same plan, whose panics are errors.
    pub fn new(input: Arc<dyn ExecutionPlan>) -> Self {
        Self { input }
    }
}

impl DisplayAs for CatchPanicExec {
    fn fmt_as(&self, _: DisplayFormatType, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("CatchPanicExec")
    }
}

impl ExecutionPlan for CatchPanicExec {
    fn name(&self) -> &'static str {
        "CatchPanicExec"
    }

    fn properties(&self) -> &Arc<PlanProperties> {
        self.input.properties()
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

    fn maintains_input_order(&self) -> Vec<bool> {
        vec![true]
    }

    fn benefits_from_input_partitioning(&self) -> Vec<bool> {
        vec![false]
    }

    fn with_new_children(
        self: Arc<Self>,
        mut children: Vec<Arc<dyn ExecutionPlan>>,
    ) -> Result<Arc<dyn ExecutionPlan>> {
        match (children.pop(), children.is_empty()) {
            (Some(input), true) => Ok(Arc::new(Self { input })),
            _ => internal_err!("CatchPanicExec has one child"),
        }
    }

    fn execute(
        &self,
        partition: usize,
        context: Arc<TaskContext>,
    ) -> Result<SendableRecordBatchStream> {
        let rows = self.input.execute(partition, context)?;
        let schema = rows.schema();
        let rows = futures::stream::unfold(Some(rows), |rows| async {
            let mut rows = rows?;
            // After a panic the stream is dropped, and never polled again.
            match AssertUnwindSafe(rows.next()).catch_unwind().await {
                Ok(batch) => batch.map(|batch| (batch, Some(rows))),
                Err(panic) => Some((Err(defect(panic.as_ref())), None)),
            }
        });
        Ok(Box::pin(RecordBatchStreamAdapter::new(schema, rows)))
    }
}

fn defect(panic: &(dyn Any + Send)) -> DataFusionError {
    let said = panic.downcast_ref::<String>().map(String::as_str);
    let said = said.or_else(|| panic.downcast_ref::<&str>().copied()).unwrap_or("no message");
    tracing::error!(panic = said, "a task panicked");
    DataFusionError::Internal(format!("a task met a defect of the program: {said}"))
}
