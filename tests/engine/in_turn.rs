//! Pieces that partitions read in turn: each is read once, whichever partitions go on.

#![expect(clippy::unwrap_used, reason = "a test ends at the first step that fails")]

use std::sync::Arc;

use datafusion::arrow::array::{AsArray, Int64Array, RecordBatch};
use datafusion::arrow::datatypes::Int64Type;
use datafusion::datasource::memory::MemorySourceConfig;
use datafusion::execution::{SendableRecordBatchStream, TaskContext};
use datafusion::physical_plan::ExecutionPlan;
use futures::TryStreamExt as _;
use worker::in_turn::InTurnExec;

/// Five pieces, of which each has its number.
fn pieces(partitions: usize) -> InTurnExec {
    let piece = |number: i64| {
        let values = Arc::new(Int64Array::from(vec![number]));
        vec![RecordBatch::try_from_iter([("piece", values as _)]).unwrap()]
    };
    let pieces: Vec<_> = (0..5).map(piece).collect();
    let schema = pieces[0][0].schema();
    let source = MemorySourceConfig::try_new_exec(&pieces, schema, None).unwrap();
    InTurnExec::new(source, partitions)
}

fn begin(plan: &InTurnExec, partition: usize) -> SendableRecordBatchStream {
    plan.execute(partition, Arc::new(TaskContext::default())).unwrap()
}

async fn read(rows: SendableRecordBatchStream) -> Vec<i64> {
    let batches: Vec<RecordBatch> = rows.try_collect().await.unwrap();
    let values = batches.iter().flat_map(|b| b.column(0).as_primitive::<Int64Type>().values());
    values.copied().collect()
}

#[tokio::test]
async fn each_piece_is_read_once() {
    let plan = pieces(2);
    for round in 0..2 {
        let (mut first, second) = (begin(&plan, 0), begin(&plan, 1));
        let begun = first.try_next().await.unwrap().unwrap();
        assert_eq!(begun.column(0).as_primitive::<Int64Type>().values(), &[0], "round {round}");
        // The other goes on while the first waits for whoever reads it.
        assert_eq!(read(second).await, [1, 2, 3, 4], "round {round}");
        assert!(read(first).await.is_empty(), "round {round}");
    }
}

#[tokio::test]
async fn a_partition_alone_reads_all() {
    let plan = pieces(3);
    for _ in 0..2 {
        assert_eq!(read(begin(&plan, 1)).await, [0, 1, 2, 3, 4]);
    }
    // Of a round in which some have begun, the others read what is left.
    assert!(read(begin(&plan, 0)).await.is_empty());
}
