//! What queries take of a node: memory within a budget of their own, disk within a limit, and
//! messages that say who exceeded what.

#![expect(clippy::unwrap_used, reason = "a test ends at the first step that fails")]

use std::fs;
use std::sync::Arc;

use coordinator::QueryOptions;
use datafusion::arrow::record_batch::RecordBatch;
use datafusion::execution::SessionStateBuilder;
use datafusion::execution::memory_pool::MemoryConsumer;
use datafusion::execution::runtime_env::RuntimeEnv;
use datafusion::object_store::memory::InMemory;
use datafusion::prelude::SessionContext;
use futures::StreamExt as _;
use tempfile::TempDir;
use worker::memory::{Budget, Memory};
use worker::session::{NodeRuntime, session_config};
use worker::{Counters, NodeName};

use crate::in_process::{cluster, hats};
use crate::worker_bed::{files, until};

const MIB: usize = 1 << 20;

fn name() -> NodeName {
    NodeName::new("worker http://127.0.0.1:9001")
}

fn runtime(budget: &Budget, counters: &Counters) -> NodeRuntime {
    NodeRuntime::new(Arc::new(InMemory::new()), budget, &name(), counters).unwrap()
}

/// Runs SQL of DataFusion with a runtime and gives the number of rows.
async fn run(runtime: Arc<RuntimeEnv>, sql: &str) -> Result<usize, String> {
    let config = session_config().with_target_partitions(2);
    let state = SessionStateBuilder::new().with_default_features().with_config(config);
    let context = SessionContext::new_with_state(state.with_runtime_env(runtime).build());
    let frame = context.sql(sql).await.unwrap();
    let batches = frame.collect().await.map_err(|error| error.to_string())?;
    Ok(batches.iter().map(RecordBatch::num_rows).sum())
}

#[test]
fn tasks_of_one_query_share_its_budget_and_no_other() {
    let memory = Memory::new(&Budget { query_bytes: 10 * MIB, ..Budget::of(25 * MIB) }, name());
    let take = |query: Option<&str>| MemoryConsumer::new("join").register(&memory.of_query(query));
    let (first, second, other) = (take(Some("a")), take(Some("a")), take(Some("b")));
    first.try_grow(6 * MIB).unwrap();
    let error = second.try_grow(6 * MIB).unwrap_err().to_string();
    assert_eq!(
        error,
        "Resources exhausted: join asked for 6.0 MB more, and the query holds on worker \
         http://127.0.0.1:9001 6.0 MB of the 10.0 MB that one query may have there: narrow the \
         query, or raise query_memory"
    );
    second.try_grow(4 * MIB).unwrap();
    other.try_grow(10 * MIB).unwrap();
    assert_eq!(memory.node().reserved(), 20 * MIB);
    // Tasks without a name are queries of their own, within what is left.
    let (nameless, last) = (take(None), take(None));
    nameless.try_grow(5 * MIB).unwrap();
    let error = nameless.try_grow(4 * MIB).unwrap_err().to_string();
    assert!(
        error.contains("the queries of worker http://127.0.0.1:9001 hold 25.0 MB of"),
        "{error}"
    );
    drop((first, second));
    assert_eq!(memory.node().reserved(), 15 * MIB, "what a query held goes back");
    last.try_grow(8 * MIB).unwrap();
    drop((other, nameless, last));
    assert_eq!(memory.node().reserved(), 0);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn of_two_queries_the_one_over_its_budget_fails_alone() {
    let counters = Counters::default();
    let budget = Budget { query_bytes: 20 * MIB, ..Budget::of(200 * MIB) };
    let runtime = runtime(&budget, &counters);
    let join = |rows| {
        format!(
            "SELECT a.value FROM generate_series(1, {rows}) AS a \
             JOIN generate_series(1, {rows}) AS b ON a.value = b.value"
        )
    };
    let (large, small) = (join(3_000_000), join(200_000));
    let (large, small) = tokio::join!(
        run(runtime.of_query(Some("large")), &large),
        run(runtime.of_query(Some("small")), &small),
    );
    assert_eq!(small, Ok(200_000));
    let error = large.unwrap_err();
    assert!(error.contains("20.0 MB that one query may have there: narrow the query"), "{error}");
    assert!(error.contains("on worker http://127.0.0.1:9001"), "{error}");
    until("nothing is reserved", || counters.memory_reserved() == 0).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn queries_spill_within_a_limit_that_its_error_names() {
    let spill = TempDir::new().unwrap();
    let sort = "SELECT value, value % 1000 AS k FROM generate_series(1, 2000000) AS t \
                ORDER BY k, value DESC";
    let within = |spill_bytes| Budget {
        query_bytes: 24 * MIB,
        spill: Some(spill.path().to_owned()),
        spill_bytes,
        ..Budget::of(100 * MIB)
    };
    let counters = Counters::default();
    let large = runtime(&within(1 << 30), &counters);
    assert_eq!(run(large.of_query(None), sort).await, Ok(2_000_000));
    let small = runtime(&within(MIB as u64), &counters);
    let error = run(small.of_query(None), sort).await.unwrap_err();
    let folder = spill.path().display();
    assert!(error.contains(&format!("cannot spill to {folder}/armilla-spill-")), "{error}");
    assert!(
        error.contains(
            "on worker http://127.0.0.1:9001: all queries together may spill 1024.0 KB; narrow \
             the query, or raise spill_bytes"
        ),
        "{error}"
    );
    // A few rows fit, and what failed left nothing behind.
    assert_eq!(run(small.of_query(None), "SELECT 1").await, Ok(1));
    until("nothing is left", || files(spill.path()).keys().all(|file| file.ends_with("lock")))
        .await;
    drop((large, small));
    until("no folder is left", || fs::read_dir(spill.path()).unwrap().count() == 0).await;
}

#[test]
fn what_dead_processes_spilled_is_removed_and_nothing_else() {
    let parent = TempDir::new().unwrap();
    let budget = Budget { spill: Some(parent.path().to_owned()), ..Budget::of(1 << 30) };
    let counters = Counters::default();
    let alive = runtime(&budget, &counters);
    let dead = parent.path().join("armilla-spill-of-a-dead-process");
    fs::create_dir(&dead).unwrap();
    fs::write(dead.join("lock"), "").unwrap();
    fs::write(dead.join("rows"), "rows").unwrap();
    let foreign = parent.path().join("thesis.tex");
    fs::write(&foreign, "years of work").unwrap();
    let next = runtime(&budget, &counters);
    assert!(!dead.exists());
    assert!(foreign.exists());
    assert_eq!(fs::read_dir(parent.path()).unwrap().count(), 3, "two of the living and the thesis");
    drop((alive, next));
    assert_eq!(fs::read_dir(parent.path()).unwrap().count(), 1);
}

#[test]
fn a_spill_folder_that_is_none_is_named() {
    let file = tempfile::NamedTempFile::new().unwrap();
    let budget = Budget { spill: Some(file.path().join("spill")), ..Budget::of(1 << 30) };
    let runtime =
        NodeRuntime::new(Arc::new(InMemory::new()), &budget, &name(), &Counters::default());
    let error = runtime.err().unwrap().to_string();
    assert_eq!(error, format!("cannot write {}", file.path().join("spill").display()));
}

#[test]
fn a_task_counts_as_running_until_it_is_gone() {
    let counters = Arc::new(Counters::default());
    let (one, two) = (counters.running_task(), counters.running_task());
    assert!(counters.prometheus().contains("\narmilla_tasks_running 2\n"));
    drop((one, two));
    assert_eq!(counters.tasks_running(), 0);
    let text = counters.prometheus();
    for line in [
        "# TYPE armilla_tasks_running gauge\n",
        "# TYPE armilla_tile_reads_total counter\n",
        "armilla_tile_reads_total{from=\"peer\"} 0\n",
        "armilla_tiles_copied_total{from=\"origin\"} 0\n",
        "armilla_tiles_damaged_total 0\n",
        "armilla_memory_reserved_bytes 0\n",
    ] {
        assert!(text.contains(line), "{line} is not in\n{text}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn queries_over_workers_leave_no_task_and_no_memory_behind() {
    let Some(data) = hats() else { return };
    let three = cluster(data.to_str().unwrap(), 3).await;
    let query = "SELECT dec FROM small_sky UNION SELECT dec FROM small_sky_xmatch";
    assert!(!three.rows(query).await.unwrap().is_empty());
    // One that its client leaves in the middle.
    let mut left = three.engine.query(query, QueryOptions::default()).await.unwrap().stream;
    left.next().await.unwrap().unwrap();
    assert!(three.workers.iter().any(|counters| counters.tasks_running() > 0));
    drop(left);
    until("no task is left", || {
        three.workers.iter().all(|c| c.tasks_running() == 0 && c.memory_reserved() == 0)
    })
    .await;
}
