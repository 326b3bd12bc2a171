//! A join whose build side every task reads whole by itself, where it runs.
//!
//! `datafusion-distributed` sends the build side of each [`HashJoinExec`] that collects it to all
//! tasks. A table that every worker holds need not be sent: this node is such a join to everything
//! but that library, and a plain [`HashJoinExec`] again where it is decoded.

use std::fmt;
use std::sync::Arc;

use datafusion::common::tree_node::TreeNodeRecursion;
use datafusion::common::{Result, internal_err};
use datafusion::execution::{SendableRecordBatchStream, TaskContext};
use datafusion::physical_expr::PhysicalExpr;
use datafusion::physical_plan::joins::HashJoinExec;
use datafusion::physical_plan::{DisplayAs, DisplayFormatType, ExecutionPlan, PlanProperties};

/// A join that collects its left side in each of its tasks.
#[derive(Debug)]
pub struct LocalJoinExec {
    join: Arc<HashJoinExec>,
}

impl LocalJoinExec {
    /// The same join.
    pub fn new(join: HashJoinExec) -> Self {
        Self { join: Arc::new(join) }
    }

    /// The join as DataFusion knows it.
    pub fn join(&self) -> &Arc<HashJoinExec> {
        &self.join
    }
}

impl DisplayAs for LocalJoinExec {
    fn fmt_as(&self, format: DisplayFormatType, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("LocalJoinExec: ")?;
        self.join.fmt_as(format, f)
    }
}

impl ExecutionPlan for LocalJoinExec {
    fn name(&self) -> &'static str {
        "LocalJoinExec"
    }

    fn properties(&self) -> &Arc<PlanProperties> {
        self.join.properties()
    }

    fn children(&self) -> Vec<&Arc<dyn ExecutionPlan>> {
        self.join.children()
    }

    fn apply_expressions(
        &self,
        apply: &mut dyn FnMut(&Arc<dyn PhysicalExpr>) -> Result<TreeNodeRecursion>,
    ) -> Result<TreeNodeRecursion> {
        self.join.apply_expressions(apply)
    }

    fn benefits_from_input_partitioning(&self) -> Vec<bool> {
        vec![false; 2]
    }

    fn with_new_children(
        self: Arc<Self>,
        children: Vec<Arc<dyn ExecutionPlan>>,
    ) -> Result<Arc<dyn ExecutionPlan>> {
        if children.len() != 2 {
            return internal_err!("a join has two children");
        }
        let join = self.join.builder().with_new_children(children)?;
        Ok(Arc::new(Self::new(join.recompute_properties().build()?)))
    }

    fn execute(
        &self,
        partition: usize,
        context: Arc<TaskContext>,
    ) -> Result<SendableRecordBatchStream> {
        self.join.execute(partition, context)
    }
}
