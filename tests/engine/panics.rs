//! A task that panics ends its query with an error, and is never a short answer.

#![expect(clippy::unwrap_used, reason = "a test ends at the first step that fails")]

use std::sync::Arc;

use datafusion::arrow::array::{Int64Array, RecordBatch};
use datafusion::arrow::datatypes::SchemaRef;
use datafusion::arrow::datatypes::{DataType, Field, Schema};
use datafusion::common::Result;
use datafusion::execution::SendableRecordBatchStream;
use datafusion::execution::TaskContext;
use datafusion::physical_plan::ExecutionPlan;
use datafusion::physical_plan::stream::RecordBatchStreamAdapter;
use datafusion::physical_plan::streaming::{PartitionStream, StreamingTableExec};
use futures::StreamExt;
use worker::catch_panic::CatchPanicExec;

/// Gives one batch, and panics where a second would come.
#[derive(Debug)]
struct Panics(SchemaRef);

impl PartitionStream for Panics {
    fn schema(&self) -> &SchemaRef {
        &self.0
    }

    fn execute(&self, _: Arc<TaskContext>) -> SendableRecordBatchStream {
        let schema = Arc::clone(&self.0);
        let batch = RecordBatch::try_new(schema, vec![Arc::new(Int64Array::from(vec![1, 2]))]);
        let mut batch = Some(batch.map_err(Into::into));
        let rows = futures::stream::poll_fn(move |_| match batch.take() {
            Some(batch) => std::task::Poll::Ready(Some(batch)),
            None => panic!("tile 7 of 9 is upside down"),
        });
        Box::pin(RecordBatchStreamAdapter::new(Arc::clone(&self.0), rows))
    }
}

fn panicking() -> Arc<dyn ExecutionPlan> {
    let schema = Arc::new(Schema::new(vec![Field::new("id", DataType::Int64, false)]));
    let rows: Arc<dyn PartitionStream> = Arc::new(Panics(Arc::clone(&schema)));
    Arc::new(StreamingTableExec::try_new(schema, vec![rows], None, [], false, None).unwrap())
}

#[tokio::test]
async fn rows_before_a_panic_are_followed_by_an_error() {
    let plan = Arc::new(CatchPanicExec::new(panicking()));
    let rows = plan.execute(0, Arc::new(TaskContext::default())).unwrap();
    let all: Vec<Result<RecordBatch>> = rows.collect().await;
    let [Ok(batch), Err(error)] = all.as_slice() else { panic!("{all:?}") };
    assert_eq!(batch.num_rows(), 2);
    assert!(error.to_string().contains("tile 7 of 9 is upside down"), "{error}");
}
