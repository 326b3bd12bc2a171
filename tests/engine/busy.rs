//! A node that computes answers, and a join that finds nothing can be ended.

#![expect(clippy::unwrap_used, reason = "a test ends at the first step that fails")]

use std::sync::Arc;
use std::sync::mpsc;
use std::time::Duration;

use axum::{Json, Router, routing::get};
use datafusion::arrow::array::{Array as _, Int64Array, RecordBatch};
use datafusion::physical_plan::{ExecutionPlan, ExecutionPlanProperties as _, execute_stream};
use datafusion::prelude::{SessionConfig, SessionContext};
use futures::StreamExt as _;
use tokio::runtime::{Builder, Runtime};
use tokio::task::JoinSet;
use worker::control::{CONTROL_VERSION, Status};
use worker::giving_way::giving_way;
use worker::{Channels, Front};

use crate::nodes::Node;

fn threads(count: usize) -> Runtime {
    Builder::new_multi_thread().worker_threads(count).enable_all().build().unwrap()
}

async fn status() -> Json<Status> {
    Json(Status {
        version: CONTROL_VERSION,
        release: "1".to_owned(),
        instance: "this one".to_owned(),
        fallback: true,
        held: None,
        tasks: 7,
        memory_bytes: 0,
    })
}

/// The only thread that computes is taken; the question how the node is does not wait for it, on
/// neither side.
#[test]
fn a_node_that_computes_says_how_it_is() {
    let (compute, front) = (threads(1), threads(1));
    let channels = || Channels::default().on(Front::on(front.handle().clone()));
    let control = Router::new().route("/status", get(status));
    let start = Node::start_at("127.0.0.1:0", channels(), control);
    let node = compute.block_on(compute.spawn(start)).unwrap();
    let client = channels().control(&node.url).unwrap();
    let ask = || {
        let client = client.clone();
        let asked = front.spawn(async move { client.status(Duration::from_secs(20)).await });
        front.block_on(asked).unwrap().unwrap().tasks
    };
    assert_eq!(ask(), 7, "it serves");
    let (release, released) = mpsc::channel::<()>();
    let (take, taken) = mpsc::channel();
    compute.spawn(async move {
        take.send(()).unwrap();
        let _released = released.recv();
    });
    taken.recv().unwrap();
    assert_eq!(ask(), 7, "it is busy");
    let again = channels().control(&node.url).unwrap();
    let asked = front.spawn(async move { again.status(Duration::from_secs(20)).await });
    assert_eq!(front.block_on(asked).unwrap().unwrap().tasks, 7, "over a new connection");
    drop(release);
    compute.shutdown_background();
    front.shutdown_background();
}

/// Two tables of so many numbers, the same key in every row.
fn tables(rows: i64) -> SessionContext {
    let session = SessionContext::new_with_config(SessionConfig::new().with_target_partitions(1));
    for name in ["a", "b"] {
        let numbers = Arc::new(Int64Array::from_iter_values(0..rows));
        let ones = Arc::new(Int64Array::from_iter_values((0..rows).map(|_| 1)));
        let batch = RecordBatch::try_from_iter([("n", numbers as _), ("one", ones as _)]).unwrap();
        session.register_batch(name, batch).unwrap();
    }
    session
}

async fn planned(session: &SessionContext, sql: &str) -> Arc<dyn ExecutionPlan> {
    let plan = session.sql(sql).await.unwrap().create_physical_plan().await.unwrap();
    giving_way(plan, |_| false).unwrap()
}

/// A join in which no pair matches gives no row for a while; other tasks of its thread have turns
/// meanwhile. Without the pass they would have one.
#[test]
fn a_join_that_finds_nothing_gives_way() {
    for condition in ["a.n + b.n < 0", "a.one = b.one AND a.n + b.n < 0"] {
        let sql = format!("SELECT COUNT(*) FROM a JOIN b ON {condition}");
        let turns = Builder::new_current_thread().enable_all().build().unwrap().block_on(async {
            let session = tables(6_000);
            let plan = planned(&session, &sql).await;
            let (mut queries, mut others) = (JoinSet::new(), JoinSet::new());
            let query = queries.spawn(async move {
                let mut rows = execute_stream(plan, session.task_ctx()).unwrap();
                let batch = rows.next().await.unwrap().unwrap();
                let count = batch.column(0).as_any().downcast_ref::<Int64Array>().unwrap();
                count.value(0)
            });
            others.spawn(async move {
                let mut turns = 0;
                while !query.is_finished() {
                    turns += 1;
                    tokio::task::yield_now().await;
                }
                turns
            });
            let turns = others.join_next().await.unwrap().unwrap();
            assert_eq!(queries.join_next().await.unwrap().unwrap(), 0);
            turns
        });
        assert!(turns >= 4, "{turns} turns beside {condition}");
    }
}

/// Slices are the same rows in the same order: no pair is lost or doubled, whatever the kind.
#[tokio::test]
async fn joins_that_give_way_have_the_same_rows() {
    let session = tables(3_000);
    for kind in ["JOIN", "LEFT JOIN", "RIGHT JOIN", "FULL JOIN"] {
        for condition in ["a.n < b.n AND b.n < a.n + 3", "a.n = b.n + 1 AND a.n > 100"] {
            let sql = format!("SELECT a.n, b.n AS m FROM a {kind} b ON {condition}");
            // Joins keep what they have built: each plan is executed once.
            let plain = session.sql(&sql).await.unwrap().create_physical_plan().await.unwrap();
            let ours = planned(&session, &sql).await;
            assert_ne!(format!("{plain:?}"), format!("{ours:?}"), "{sql}");
            let partitions =
                |plan: &Arc<dyn ExecutionPlan>| plan.output_partitioning().partition_count();
            assert_eq!(partitions(&plain), partitions(&ours));
            let expected = rows(&session, plain).await;
            assert!(expected.len() > 2_000, "{sql}: {}", expected.len());
            assert!(rows(&session, ours).await == expected, "{sql}");
        }
    }
}

async fn rows(
    session: &SessionContext,
    plan: Arc<dyn ExecutionPlan>,
) -> Vec<(Option<i64>, Option<i64>)> {
    let batches: Vec<_> = execute_stream(plan, session.task_ctx()).unwrap().collect().await;
    let mut rows = Vec::new();
    for batch in batches {
        let batch: RecordBatch = batch.unwrap();
        let column = |at: usize| batch.column(at).as_any().downcast_ref::<Int64Array>().unwrap();
        let (n, m) = (column(0), column(1));
        let cell = |column: &Int64Array, row| column.is_valid(row).then(|| column.value(row));
        rows.extend((0..batch.num_rows()).map(|row| (cell(n, row), cell(m, row))));
    }
    rows.sort_unstable();
    rows
}
