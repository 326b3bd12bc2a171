//! A scan whose files have been given to slots already: a node of planning, which is replaced by
//! its variants when the stages are made and never runs.

use std::fmt;
use std::sync::Arc;

use datafusion::common::tree_node::TreeNodeRecursion;
use datafusion::common::{Result, internal_err};
use datafusion::execution::{SendableRecordBatchStream, TaskContext};
use datafusion::physical_expr::PhysicalExpr;
use datafusion::physical_plan::{DisplayAs, DisplayFormatType, ExecutionPlan, PlanProperties};

/// The scan of each slot.
#[derive(Debug)]
pub struct SlotLeafExec {
    /// The scan of all files in as many partitions, as people are shown it.
    pub original: Arc<dyn ExecutionPlan>,
    /// The scan of each slot, of equal schemas and partition counts.
    pub variants: Vec<Arc<dyn ExecutionPlan>>,
}

impl DisplayAs for SlotLeafExec {
    fn fmt_as(&self, format: DisplayFormatType, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.original.fmt_as(format, f)
    }
}

impl ExecutionPlan for SlotLeafExec {
    fn name(&self) -> &'static str {
        "SlotLeafExec"
    }

    fn properties(&self) -> &Arc<PlanProperties> {
        self.original.properties()
    }

    fn children(&self) -> Vec<&Arc<dyn ExecutionPlan>> {
        Vec::new()
    }

    fn apply_expressions(
        &self,
        apply: &mut dyn FnMut(&Arc<dyn PhysicalExpr>) -> Result<TreeNodeRecursion>,
    ) -> Result<TreeNodeRecursion> {
        self.original.apply_expressions(apply)
    }

    fn with_new_children(
        self: Arc<Self>,
        children: Vec<Arc<dyn ExecutionPlan>>,
    ) -> Result<Arc<dyn ExecutionPlan>> {
        if children.is_empty() { Ok(self) } else { internal_err!("a scan has no children") }
    }

    fn execute(&self, _: usize, _: Arc<TaskContext>) -> Result<SendableRecordBatchStream> {
        internal_err!("a scan of slots is replaced by its variants before it runs")
    }
}
