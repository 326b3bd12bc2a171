//! Makes a panic of a task an error of its query, and keeps the kind of a refusal.
//!
//! The library runs each stream of a task in a task of the runtime, and takes one that panics for
//! one that has ended: the answer would be short and look whole.

use std::any::Any;
use std::panic::AssertUnwindSafe;

use datafusion::common::DataFusionError;
use datafusion::execution::SendableRecordBatchStream;
use datafusion::physical_plan::stream::RecordBatchStreamAdapter;
use futures::{FutureExt as _, StreamExt as _};

use crate::pass_through::{Pass, PassThroughExec};
use crate::refusal::sent;

/// Stands above the plan of a task, whose panics are errors.
pub type CatchPanicExec = PassThroughExec<CatchPanic>;

/// Panics become errors.
#[derive(Debug)]
pub struct CatchPanic;

impl Pass for CatchPanic {
    const NAME: &'static str = "CatchPanicExec";

    fn pass(rows: SendableRecordBatchStream) -> SendableRecordBatchStream {
        let schema = rows.schema();
        let rows = futures::stream::unfold(Some(rows), |rows| async {
            let mut rows = rows?;
            // After a panic the stream is dropped, and never polled again.
            match AssertUnwindSafe(rows.next()).catch_unwind().await {
                Ok(batch) => batch.map(|batch| (batch.map_err(sent), Some(rows))),
                Err(panic) => Some((Err(defect(panic.as_ref())), None)),
            }
        });
        Box::pin(RecordBatchStreamAdapter::new(schema, rows))
    }
}

fn defect(panic: &(dyn Any + Send)) -> DataFusionError {
    let said = panic.downcast_ref::<String>().map(String::as_str);
    let said = said.or_else(|| panic.downcast_ref::<&str>().copied()).unwrap_or("no message");
    tracing::error!(panic = said, "a task panicked");
    DataFusionError::Internal(format!("a task met a defect of the program: {said}"))
}
