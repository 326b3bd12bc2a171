//! Queries that need more memory than they may have: those that can spill give the same rows every
//! time, the others fail alone, and nothing stays reserved.

#![expect(clippy::unwrap_used, reason = "a test ends at the first step that fails")]

use std::collections::BTreeMap;
use std::sync::Arc;

use datafusion::arrow::array::{AsArray, Int64Array, RecordBatch, StringArray};
use datafusion::arrow::datatypes::{DataType, Field, Int64Type, Schema};
use datafusion::datasource::MemTable;
use datafusion::execution::SessionStateBuilder;
use datafusion::execution::memory_pool::{MemoryConsumer, MemoryReservation};
use datafusion::execution::runtime_env::RuntimeEnv;
use datafusion::object_store::memory::InMemory;
use datafusion::prelude::SessionContext;
use futures::StreamExt as _;
use tempfile::TempDir;
use tokio::task::JoinSet;
use worker::memory::{Budget, Memory};
use worker::session::{NodeRuntime, session_config};
use worker::{Counters, NodeName};

use crate::worker_bed::until;

const MIB: usize = 1 << 20;

/// Two partitions, as a worker of two cores has.
const PARTITIONS: usize = 2;

fn name() -> NodeName {
    NodeName::new("worker http://127.0.0.1:9001")
}

fn runtime(budget: &Budget, counters: &Counters) -> NodeRuntime {
    NodeRuntime::new(Arc::new(InMemory::new()), budget, &name(), counters).unwrap()
}

/// A table of rows in no order, in batches as scans make them: `id` is unique, `k` is not.
fn table(rows: i64) -> MemTable {
    const BATCH: i64 = 8192;
    let fields = [("id", DataType::Int64), ("k", DataType::Int64), ("t", DataType::Utf8)];
    let fields = fields.map(|(name, of)| Field::new(name, of, false));
    let schema = Arc::new(Schema::new(fields.to_vec()));
    let batch = |first: i64| {
        // A prime walks over all of them.
        let ids = (first..rows.min(first + BATCH)).map(|i| (i * 15_485_863) % rows);
        let ids: Vec<i64> = ids.collect();
        let keys = Int64Array::from_iter_values(ids.iter().map(|id| id % 1009));
        let texts = StringArray::from_iter_values(ids.iter().map(|id| format!("{id:010}")));
        let columns: [Arc<dyn datafusion::arrow::array::Array>; 3] =
            [Arc::new(Int64Array::from(ids)), Arc::new(keys), Arc::new(texts)];
        RecordBatch::try_new(Arc::clone(&schema), columns.to_vec()).unwrap()
    };
    let mut partitions = vec![Vec::new(); PARTITIONS];
    for (index, first) in (0..rows).step_by(usize::try_from(BATCH).unwrap()).enumerate() {
        partitions[index % PARTITIONS].push(batch(first));
    }
    MemTable::try_new(schema, partitions).unwrap()
}

/// The session of a task, with a table `rows`.
fn session(runtime: Arc<RuntimeEnv>, rows: &Arc<MemTable>) -> SessionContext {
    let config = session_config().with_target_partitions(PARTITIONS);
    let state = SessionStateBuilder::new().with_default_features().with_config(config);
    let context = SessionContext::new_with_state(state.with_runtime_env(runtime).build());
    context.register_table("rows", Arc::<MemTable>::clone(rows)).unwrap();
    context
}

/// Rows as wide as those of a catalogue, ordered by two columns.
const WIDE: usize = 30;

/// Sorts rows that are so many times as wide as their text and looks at each; their number.
async fn sorted(
    runtime: Arc<RuntimeEnv>,
    rows: &Arc<MemTable>,
    times: usize,
) -> Result<usize, String> {
    let sql = format!(
        "SELECT k, id, arrow_cast(repeat(t, {times}), 'Utf8View') AS wide FROM rows ORDER BY k, id"
    );
    let frame = session(runtime, rows).sql(&sql).await.unwrap();
    let mut stream = frame.execute_stream().await.map_err(|error| error.to_string())?;
    let (mut last, mut count) = ((-1, -1), 0);
    while let Some(batch) = stream.next().await {
        let batch = batch.map_err(|error| error.to_string())?;
        let [keys, ids] = [0, 1].map(|i| batch.column(i).as_primitive::<Int64Type>());
        for row in 0..batch.num_rows() {
            let next = (keys.value(row), ids.value(row));
            assert!(last < next && next.0 == next.1 % 1009, "{next:?} after {last:?}");
            last = next;
        }
        let wide = batch.column(2);
        // A view, as scans give texts.
        assert_eq!(wide.as_string_view().value(0), format!("{:010}", ids.value(0)).repeat(times));
        count += batch.num_rows();
    }
    Ok(count)
}

async fn nothing_is_reserved(counters: &Counters) {
    until("nothing is reserved", || counters.memory_reserved() == 0).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_sort_beyond_its_budget_spills_and_gives_its_rows_every_time() {
    const ROWS: i64 = 100_000;
    let (rows, spill, counters) =
        (Arc::new(table(ROWS)), TempDir::new().unwrap(), Counters::default());
    // 32 MB of rows. Nearly as small as it can be for batches of this width.
    for budget in [48, 36] {
        let budget = Budget {
            query_bytes: budget * MIB,
            spill: Some(spill.path().to_owned()),
            ..Budget::of(1 << 30)
        };
        let runtime = runtime(&budget, &counters);
        for turn in 0..10 {
            let count = sorted(runtime.of_query(Some("sort")), &rows, WIDE).await;
            assert_eq!(count, Ok(100_000), "turn {turn} with {}", budget.query_bytes);
        }
        nothing_is_reserved(&counters).await;
    }
}

const GROUP: &str =
    "SELECT id, COUNT(*), SUM(k) FROM (SELECT id / 2 AS id, k FROM rows) GROUP BY id";

/// What [`GROUP`] gives, in the order of the first column.
async fn groups(runtime: Arc<RuntimeEnv>, rows: &Arc<MemTable>) -> BTreeMap<i64, (i64, i64)> {
    let batches = session(runtime, rows).sql(GROUP).await.unwrap().collect().await.unwrap();
    let columns = |batch: &RecordBatch| {
        let [ids, counts, sums] =
            [0, 1, 2].map(|i| batch.column(i).as_primitive::<Int64Type>().clone());
        let values = ids.values().iter().copied().zip(counts.values().to_vec());
        let values = values.zip(sums.values().to_vec());
        values.map(|((id, count), sum): ((i64, i64), i64)| (id, (count, sum))).collect::<Vec<_>>()
    };
    batches.iter().flat_map(columns).collect()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_aggregate_beyond_its_budget_spills_and_gives_the_same_groups() {
    const ROWS: i64 = 400_000;
    let (rows, spill, counters) =
        (Arc::new(table(ROWS)), TempDir::new().unwrap(), Counters::default());
    let spill_to = Some(spill.path().to_owned());
    let budget = Budget { query_bytes: 10 * MIB, spill: spill_to, ..Budget::of(1 << 30) };
    let (small, large) = (runtime(&budget, &counters), Budget::of(1 << 30));
    let large = runtime(&large, &Counters::default());
    let right: BTreeMap<i64, (i64, i64)> =
        (0..ROWS / 2).map(|half| (half, (2, (2 * half) % 1009 + (2 * half + 1) % 1009))).collect();
    assert!(groups(large.of_query(None), &rows).await == right, "in memory");
    for turn in 0..5 {
        let found = groups(small.of_query(None), &rows).await;
        assert!(found == right, "turn {turn}");
    }
    nothing_is_reserved(&counters).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_join_beyond_its_budget_fails_alone_and_is_named() {
    let (rows, counters) = (Arc::new(table(200_000)), Counters::default());
    let budget = Budget { query_bytes: 40 * MIB, ..Budget::of(200 * MIB) };
    let runtime = runtime(&budget, &counters);
    let join = async {
        let sql = "SELECT COUNT(a.wide) FROM (SELECT id, repeat(t, 40) AS wide FROM rows) AS a \
                   JOIN (SELECT id, repeat(t, 40) AS wide FROM rows) AS b \
                   ON a.id = b.id AND a.wide <= b.wide";
        let frame = session(runtime.of_query(Some("join")), &rows).sql(sql).await.unwrap();
        frame.collect().await.unwrap_err().to_string()
    };
    let sort = sorted(runtime.of_query(Some("sort")), &rows, WIDE);
    let (error, sort) = tokio::join!(join, sort);
    assert_eq!(sort, Ok(200_000));
    assert!(error.contains("HashJoinInput"), "{error}");
    let query = "of the 40.0 MB that one query may have there: narrow the query, or raise";
    assert!(error.contains(query), "{error}");
    assert!(error.contains("the query holds on worker http://127.0.0.1:9001 "), "{error}");
    nothing_is_reserved(&counters).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn sixty_four_sorts_at_once_all_give_their_rows() {
    const ROWS: i64 = 40_000;
    let (rows, spill, counters) =
        (Arc::new(table(ROWS)), TempDir::new().unwrap(), Counters::default());
    // In memory alone they would take twice as much.
    let budget = Budget { spill: Some(spill.path().to_owned()), ..Budget::of(512 * MIB) };
    let runtime = runtime(&budget, &counters);
    let mut queries = JoinSet::new();
    for query in 0..64 {
        let (runtime, rows) = (runtime.of_query(Some(&query.to_string())), Arc::clone(&rows));
        queries.spawn(async move { sorted(runtime, &rows, 5).await });
    }
    let counts = queries.join_all().await;
    assert_eq!(counts, vec![Ok(40_000); 64]);
    nothing_is_reserved(&counters).await;
}

/// That the queries of the other tests do spill.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_must_spill_fails_where_nothing_may_be_spilled() {
    let (rows, spill) = (Arc::new(table(100_000)), TempDir::new().unwrap());
    let budget = |query_bytes| Budget {
        query_bytes,
        spill: Some(spill.path().to_owned()),
        spill_bytes: 1,
        ..Budget::of(1 << 30)
    };
    let counters = Counters::default();
    let sort = runtime(&budget(48 * MIB), &counters);
    let error = sorted(sort.of_query(None), &rows, WIDE).await.unwrap_err();
    assert!(error.contains("raise spill_bytes"), "{error}");
    let group = runtime(&budget(10 * MIB), &counters);
    let frame = session(group.of_query(None), &Arc::new(table(400_000))).sql(GROUP).await.unwrap();
    let error = frame.collect().await.unwrap_err().to_string();
    assert!(error.contains("raise spill_bytes"), "{error}");
    nothing_is_reserved(&counters).await;
}

/// The consumers of a sort of some partition.
fn sort_in(
    memory: &Memory,
    query: &str,
    partition: usize,
) -> (MemoryReservation, MemoryReservation) {
    let pool = memory.of_query(Some(query));
    let sorter = MemoryConsumer::new(format!("ExternalSorter[{partition}]")).with_can_spill(true);
    let merge = MemoryConsumer::new(format!("ExternalSorterMerge[{partition}]"));
    (sorter.register(&pool), merge.register(&pool))
}

#[test]
fn no_partition_takes_what_another_needs_to_merge() {
    let memory = Memory::new(&Budget { query_bytes: 36 * MIB, ..Budget::of(36 * MIB) }, name());
    let ((first, first_merge), (second, second_merge)) =
        (sort_in(&memory, "a", 0), sort_in(&memory, "a", 1));
    let last =
        MemoryConsumer::new("SortPreservingMergeExec[0]").register(&memory.of_query(Some("a")));
    for sorter in [&first, &second] {
        for _ in 0..3 {
            sorter.try_grow(2 * MIB).unwrap();
        }
    }
    let error = first.try_grow(2 * MIB).unwrap_err().to_string();
    assert_eq!(
        error,
        "Resources exhausted: ExternalSorter[0] asked for 2.0 MB more, beyond the 6.0 MB that are \
         its share of the 36.0 MB that one query may have on worker http://127.0.0.1:9001: narrow \
         the query, or raise query_memory to 48.0 MB or more"
    );
    // It spills: what it frees is there for its merge, and for nobody else.
    first.free();
    assert!(second.try_grow(MIB).is_err());
    first_merge.try_grow(12 * MIB).unwrap();
    assert!(first_merge.try_grow(1).is_err());
    second_merge.try_grow(6 * MIB).unwrap();
    last.try_grow(12 * MIB).unwrap();
    assert_eq!(memory.node().reserved(), 36 * MIB);
    drop((first, first_merge, second, second_merge, last));
    assert_eq!(memory.node().reserved(), 0);
}

#[test]
fn a_query_can_grow_to_its_fair_share_of_a_node_and_beyond_it_where_there_is_room() {
    let memory = Memory::new(&Budget { query_bytes: 90 * MIB, ..Budget::of(100 * MIB) }, name());
    let join = |query| MemoryConsumer::new("join").register(&memory.of_query(Some(query)));
    // Operators that hold nothing take nothing from others.
    let idle: Vec<_> =
        (0..100).map(|query| sort_in(&memory, &format!("idle {query}"), 0)).collect();
    let (large, small) = (join("large"), join("small"));
    large.try_grow(70 * MIB).unwrap();
    small.try_grow(MIB).unwrap();
    let error = large.try_grow(10 * MIB).unwrap_err().to_string();
    assert!(
        error.contains(
            "hold 71.0 MB of the 100.0 MB that they may have together, and leave the rest to \
             queries that hold less: ask again"
        ),
        "{error}"
    );
    small.try_grow(49 * MIB).unwrap();
    let error = small.try_grow(MIB).unwrap_err().to_string();
    assert!(error.contains("that they may have together: ask again"), "{error}");
    drop(large);
    small.try_grow(40 * MIB).unwrap();
    drop((small, idle));
    assert_eq!(memory.node().reserved(), 0);
}

#[test]
fn a_budget_in_which_no_query_could_sort_is_refused() {
    let partitions = session_config().target_partitions();
    let budget = Budget { query_bytes: MIB, ..Budget::of(1 << 30) };
    let runtime =
        NodeRuntime::new(Arc::new(InMemory::new()), &budget, &name(), &Counters::default());
    let error = runtime.err().unwrap().to_string();
    let expected = format!(
        "1024.0 KB are too little memory for one query: with {partitions} partitions it needs \
         {}.0 MB, and more for wide rows; raise query_memory, and memory beyond it",
        4 * partitions
    );
    assert_eq!(error, expected);
}
