//! A query that is ready to run, and what it reads of what it brought.

use std::sync::Arc;

use adql::{OutputColumn, TableName};
use catalog::upload::UploadedTable;
use datafusion::execution::runtime_env::RuntimeEnv;
use datafusion::execution::{SessionState, TaskContext};
use datafusion::logical_expr::LogicalPlan;
use datafusion::physical_plan::ExecutionPlan;
use uuid::Uuid;

use crate::format::Info;
use crate::uploads::Uploads;

/// The uploads that a planned query reads, and their folder on a worker.
#[derive(Debug)]
pub(crate) struct PlannedUploads {
    pub(super) folder: String,
    pub(super) tables: Vec<Arc<UploadedTable>>,
}

impl PlannedUploads {
    pub(super) fn new() -> Self {
        Self { folder: Uuid::new_v4().simple().to_string(), tables: Vec::new() }
    }

    /// Those of a query that reads these tables.
    pub(super) fn of(self, uploads: Option<&Uploads>, read: &[TableName]) -> Self {
        let all = uploads.map(Uploads::tables).unwrap_or_default().iter();
        let tables = all.filter(|upload| read.contains(&upload.table().name)).cloned().collect();
        Self { tables, ..self }
    }
}

/// A query that is ready to run.
#[derive(Debug)]
pub struct Planned {
    /// One record for each column of the answer.
    pub columns: Vec<OutputColumn>,
    /// Whether it reads `TAP_SCHEMA` and nothing else.
    pub metadata_only: bool,
    /// Where its data come from.
    pub origins: Vec<Info>,
    /// The logical plan after all rewrites.
    pub optimized: LogicalPlan,
    /// The physical plan, with stages where there are workers.
    pub physical: Arc<dyn ExecutionPlan>,
    /// The session that it was planned in.
    pub state: SessionState,
    /// What it reads of what it brought.
    pub(super) uploads: PlannedUploads,
    /// The stores and the budget of this query alone.
    pub(super) runtime: Arc<RuntimeEnv>,
}

impl Planned {
    /// What it is executed with.
    pub fn task_context(&self) -> Arc<TaskContext> {
        Arc::new(TaskContext::from(&self.state).with_runtime(Arc::clone(&self.runtime)))
    }
}
