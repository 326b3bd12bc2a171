//! Joins by position have the rows of the nested loop that they replace, give way, and stay within
//! their memory; over workers they have the rows of one process.

#![expect(clippy::unwrap_used, reason = "a test ends at the first step that fails")]

use std::sync::Arc;
use std::time::{Duration, Instant};

use datafusion::arrow::array::{ArrayRef, Float64Array, Int64Array, RecordBatch};
use datafusion::arrow::util::display::array_value_to_string;
use datafusion::datasource::MemTable;
use datafusion::execution::memory_pool::GreedyMemoryPool;
use datafusion::execution::runtime_env::RuntimeEnvBuilder;
use datafusion::physical_plan::{ExecutionPlan, displayable, execute_stream};
use datafusion::prelude::{SessionConfig, SessionContext};
use futures::{StreamExt as _, TryStreamExt as _};
use tests::Random;
use tokio::runtime::Builder;
use tokio::task::JoinSet;
use worker::cross_match::planned;

use crate::in_process::{alone, cluster, hats, rows};

/// A place and a radius of a row.
pub(crate) type Row = (Option<f64>, Option<f64>, Option<f64>);

/// All over the sky, at its poles and seam, in heaps, and nowhere.
pub(crate) fn sky(seed: u64) -> Vec<Row> {
    let mut random = Random::new(seed);
    let mut sky: Vec<Row> = Vec::new();
    let odd = [f64::NAN, f64::INFINITY, -1.0, -0.0, 0.0, 200.0, 1e-9];
    for (lon, lat) in
        [(0.0, 90.0), (200.0, 90.0), (3.0, -90.0), (0.0, 0.0), (360.0, 0.0), (-1e-4, 0.0)]
    {
        sky.push((Some(lon), Some(lat), Some(odd[sky.len()])));
    }
    for (lon, lat) in [(f64::NAN, 0.0), (0.0, f64::NAN), (0.0, 91.0), (f64::INFINITY, 0.0)] {
        sky.push((Some(lon), Some(lat), Some(1.0)));
    }
    sky.extend([
        (None, Some(0.0), Some(1.0)),
        (Some(0.0), None, Some(1.0)),
        (Some(0.0), Some(0.0), None),
    ]);
    for i in 0..40 {
        let mut radius = || Some(if i % 5 == 0 { 20.0 } else { 0.01 } * random.unit());
        let radii = [radius(), radius(), radius(), radius()];
        let lat = (2.0 * random.unit() - 1.0).asin().to_degrees();
        sky.push((Some(360.0 * random.unit()), Some(lat), radii[0]));
        let (x, y) = (0.004 * random.unit(), 0.004 * random.unit());
        sky.push((Some(150.0 + x), Some(2.0 + y), radii[1]));
        sky.push((Some(360.0 * random.unit()), Some(90.0 - 0.01 * random.unit()), radii[2]));
        sky.push((Some((x - 0.002).rem_euclid(360.0)), Some(y - 0.002), radii[3]));
        if i % 4 == 0 {
            sky.push((Some(77.0), Some(-33.0), Some(0.0)));
            sky.push((Some(77.0 + 1.0 / 3.6e6), Some(-33.0), Some(1e-6)));
        }
    }
    sky
}

pub(crate) fn batch(rows: &[Row]) -> RecordBatch {
    let column = |of: fn(&Row) -> Option<f64>| {
        Arc::new(rows.iter().map(of).collect::<Float64Array>()) as ArrayRef
    };
    let ids = Int64Array::from_iter_values(0..i64::try_from(rows.len()).unwrap());
    let columns = [
        ("id", Arc::new(ids) as ArrayRef, true),
        ("ra", column(|row| row.0), true),
        ("dec", column(|row| row.1), true),
        ("r", column(|row| row.2), true),
    ];
    RecordBatch::try_from_iter_with_nullable(columns).unwrap()
}

/// A session with two tables, each in partitions of small batches.
pub(crate) fn session(config: SessionConfig, tables: [&RecordBatch; 2]) -> SessionContext {
    let session = SessionContext::new_with_config(config);
    for function in adql::function::scalar_functions() {
        session.register_udf(function.as_ref().clone());
    }
    for (name, rows) in ["a", "b"].into_iter().zip(tables) {
        let piece = rows.num_rows().div_ceil(3).max(1);
        let pieces = (0..rows.num_rows()).step_by(piece);
        let pieces = pieces.map(|at| vec![rows.slice(at, piece.min(rows.num_rows() - at))]);
        let table = MemTable::try_new(rows.schema(), pieces.collect()).unwrap();
        session.register_table(name, Arc::new(table)).unwrap();
    }
    session
}

pub(crate) async fn plan(session: &SessionContext, sql: &str) -> Arc<dyn ExecutionPlan> {
    session.sql(sql).await.unwrap().create_physical_plan().await.unwrap()
}

pub(crate) async fn sorted(session: &SessionContext, plan: Arc<dyn ExecutionPlan>) -> Vec<String> {
    let batches: Vec<RecordBatch> =
        execute_stream(plan, session.task_ctx()).unwrap().try_collect().await.unwrap();
    let mut rows = Vec::new();
    for batch in &batches {
        assert!(batch.num_rows() <= session.copied_config().batch_size());
        for row in 0..batch.num_rows() {
            let cells = batch.columns().iter().map(|c| array_value_to_string(c, row).unwrap());
            rows.push(cells.collect::<Vec<_>>().join(" "));
        }
    }
    rows.sort_unstable();
    rows
}

pub(crate) fn text(plan: &Arc<dyn ExecutionPlan>) -> String {
    displayable(plan.as_ref()).indent(false).to_string()
}

pub(crate) const ARCSEC: f64 = 1.0 / 3600.0;

/// For every radius, kind of join and way to ask: the rows of the nested loop, which compares all
/// pairs with the function that the condition was written in.
#[tokio::test]
async fn the_rows_are_those_of_all_pairs() {
    let (a, b) = (batch(&sky(1)), batch(&sky(2)));
    let config = SessionConfig::new().with_target_partitions(2).with_batch_size(64);
    let session = session(config, [&a, &b]);
    let mut conditions = Vec::new();
    for radius in [0.0, 1e-3 * ARCSEC, ARCSEC, 60.0 * ARCSEC, 1.0, 30.0, 180.0, 250.0, -1.0] {
        let distance = "adql_distance(a.ra, a.dec, b.ra, b.dec)";
        conditions.push((format!("{distance} < {radius:?}"), format!("{radius:?}"), "<", ""));
        conditions.push((format!("{distance} <= {radius:?}"), format!("{radius:?}"), "<=", ""));
    }
    for side in ["a", "b"] {
        let radius = format!("{side}.r");
        let distance = "adql_distance(a.ra, a.dec, b.ra, b.dec)";
        conditions.push((format!("{distance} < {radius}"), radius.clone(), "<", ""));
        conditions.push((format!("{distance} <= {radius}"), radius.clone(), "<=", ""));
        let circle = "adql_contains(adql_point(a.ra, a.dec), adql_circle(b.ra, b.dec";
        conditions.push((format!("{circle}, {radius})) = 1"), radius, "in circle of", ""));
    }
    let near = "adql_distance(a.ra, a.dec, b.ra, b.dec) < 0.01";
    conditions.push((
        format!("{near} AND a.id < b.id"),
        "0.01".to_owned(),
        "<",
        " AND a.id < b.id",
    ));
    for (written, radius, bound, beside) in conditions {
        let ours = format!(
            "cross_match(b.ra, b.dec, a.ra, a.dec, CAST({radius} AS DOUBLE), '{bound}'){beside}"
        );
        for (kind, columns) in [
            ("JOIN", "a.id, b.id AS bid, b.r"),
            ("LEFT JOIN", "a.id, b.id AS bid, b.ra"),
            ("RIGHT JOIN", "a.id, b.id AS bid"),
            ("LEFT SEMI JOIN", "a.id"),
            ("LEFT ANTI JOIN", "a.id"),
        ] {
            let all =
                plan(&session, &format!("SELECT {columns} FROM a {kind} b ON {written}")).await;
            let all = sorted(&session, all).await;
            let sql = format!("SELECT {columns} FROM a {kind} b ON {ours}");
            let matched = planned(plan(&session, &sql).await).unwrap();
            assert!(text(&matched).contains("CrossMatchExec"), "{sql}:\n{}", text(&matched));
            assert!(!text(&matched).contains("NestedLoopJoin"), "{sql}:\n{}", text(&matched));
            let matched = sorted(&session, matched).await;
            assert!(
                matched == all,
                "{sql}: {} rows, and {} of all pairs",
                matched.len(),
                all.len()
            );
        }
    }
}

/// So many rows at one place, but for their last digits.
pub(crate) fn heap(rows: usize) -> RecordBatch {
    let mut random = Random::new(9);
    let mut near = || 1e-6 * random.unit();
    let rows: Vec<Row> =
        (0..rows).map(|_| (Some(83.0 + near()), Some(-5.0 + near()), None)).collect();
    batch(&rows)
}

/// A hundred thousand rows in one cell of the index.
#[tokio::test]
async fn a_heap_is_paired_in_batches() {
    let (few, many) = (heap(20), heap(100_000));
    for (a, b) in [(&few, &many), (&many, &few)] {
        let session = session(SessionConfig::new().with_target_partitions(2), [a, b]);
        let near = |radius: &str| format!("cross_match(a.ra, a.dec, b.ra, b.dec, {radius}, '<')");
        let count = |radius: &str| format!("SELECT COUNT(*) FROM a JOIN b ON {}", near(radius));
        let all = planned(plan(&session, &count("0.001")).await).unwrap();
        assert_eq!(sorted(&session, all).await, ["2000000"]);
        let none = planned(plan(&session, &count("1e-12")).await).unwrap();
        assert_eq!(sorted(&session, none).await, ["20"], "each is near itself");
        let ids = format!("SELECT a.id, b.id FROM a JOIN b ON {} LIMIT 30000", near("0.001"));
        let ids = planned(plan(&session, &ids).await).unwrap();
        assert_eq!(sorted(&session, ids).await.len(), 30_000);
    }
}

/// Ten thousand million pairs: the first come soon, and dropping the stream ends it. Where none is
/// near enough, other tasks of the thread have turns all the same.
#[test]
fn a_join_of_all_with_all_ends_when_it_is_dropped() {
    let heap = heap(100_000);
    Builder::new_current_thread().enable_all().build().unwrap().block_on(async {
        let session = session(SessionConfig::new().with_target_partitions(1), [&heap, &heap]);
        for (radius, beside) in [("0.001", " AND a.id + b.id < 0"), ("1e-13", ""), ("0.001", "")] {
            let sql = format!(
                "SELECT COUNT(*) FROM a JOIN b ON \
                 cross_match(a.ra, a.dec, b.ra, b.dec, {radius}, '<'){beside}"
            );
            let matched = planned(plan(&session, &sql).await).unwrap();
            let mut rows = execute_stream(matched, session.task_ctx()).unwrap();
            let mut tasks = JoinSet::new();
            tasks.spawn(async move { drop(rows.next().await) });
            let mut turns = 0;
            let started = Instant::now();
            while started.elapsed() < Duration::from_secs(5) {
                turns += 1;
                tokio::task::yield_now().await;
            }
            assert!(turns >= 5, "{turns} turns in 5 s at {radius}");
            let dropped = Instant::now();
            tasks.shutdown().await;
            assert!(dropped.elapsed() < Duration::from_secs(1), "{:?}", dropped.elapsed());
        }
    });
}

#[tokio::test]
async fn a_side_that_does_not_fit_is_refused_by_name() {
    let heap = heap(50_000);
    let runtime =
        RuntimeEnvBuilder::new().with_memory_pool(Arc::new(GreedyMemoryPool::new(1 << 20)));
    let session = session(SessionConfig::new(), [&heap, &heap]);
    let sql = "SELECT a.id, b.id FROM a JOIN b ON cross_match(a.ra, a.dec, b.ra, b.dec, 1e-9, '<')";
    let matched = planned(plan(&session, sql).await).unwrap();
    let context = datafusion::execution::TaskContext::from(&session.state());
    let context = Arc::new(context.with_runtime(runtime.build_arc().unwrap()));
    let mut rows = execute_stream(matched, context).unwrap();
    let error = loop {
        match rows.next().await.unwrap() {
            Ok(_) => {}
            Err(error) => break error.find_root().to_string(),
        }
    };
    for part in ["keeps one of its sides in memory", "do not fit", "restrict that side"] {
        assert!(error.contains(part), "{error}");
    }
}

/// Joins of shared tables, whole and in parts of the sky, by one process and by workers.
#[tokio::test(flavor = "multi_thread")]
async fn workers_have_the_rows_of_one_process() {
    let Some(data) = hats() else { return };
    let data = data.to_str().unwrap();
    let one = alone(data).await;
    let near = "DISTANCE(a.ra, a.dec, b.ra, b.dec) < 0.5";
    let tables = "FROM small_sky_order1_collection AS a JOIN small_sky_xmatch AS b";
    let queries = [
        format!("SELECT a.id, b.id AS bid {tables} ON {near}"),
        format!("SELECT COUNT(*) AS n {tables} ON {near} WHERE a.id < b.id"),
        "SELECT a.id, b.id AS bid FROM small_sky_order1_collection AS a \
         LEFT JOIN small_sky_xmatch AS b ON DISTANCE(a.ra, a.dec, b.ra, b.dec) < 0.01"
            .to_owned(),
        format!("SELECT a.id, b.id AS bid FROM small_sky_xmatch AS a \
                 RIGHT JOIN small_sky_order1_collection AS b ON {near} AND a.id <> b.id"),
        "SELECT a.id FROM small_sky_order1_collection AS a WHERE NOT EXISTS \
         (SELECT 1 FROM small_sky_xmatch AS b WHERE DISTANCE(a.ra, a.dec, b.ra, b.dec) < 0.002)"
            .to_owned(),
        format!("SELECT a.id, b.id AS bid {tables} ON {near} WHERE \
                 1 = CONTAINS(POINT(a.ra, a.dec), CIRCLE(300, -50, 5))"),
        format!("SELECT a.id, b.id AS bid, c.id AS cid {tables} ON {near} JOIN small_sky AS c \
                 ON DISTANCE(b.ra, b.dec, c.ra, c.dec) < 0.3"),
        "SELECT a.id, COUNT(*) AS n FROM small_sky_order1_collection AS a, small_sky_order1_collection AS b \
         WHERE a.id < b.id AND DISTANCE(a.ra, a.dec, b.ra, b.dec) < 0.4 GROUP BY a.id"
            .to_owned(),
    ];
    let mut expected = Vec::new();
    for query in &queries {
        let answer = rows(&one.engine, query).await.unwrap();
        assert!(!answer.is_empty(), "{query}");
        expected.push(answer);
    }
    for count in [1, 3] {
        let many = cluster(data, count).await;
        for (query, expected) in queries.iter().zip(&expected) {
            let answer = rows(&many.engine, query).await;
            let answer = answer.unwrap_or_else(|error| panic!("{count} workers: {query}: {error}"));
            assert!(answer == *expected, "{count} workers: {query}: {} rows", answer.len());
        }
    }
}

/// What every worker would have to hold is not sent when it is no small table: here by its estimate,
/// the product of four tables.
#[tokio::test(flavor = "multi_thread")]
async fn a_large_side_is_not_sent_to_every_worker() {
    let Some(data) = hats() else { return };
    let many = cluster(data.to_str().unwrap(), 2).await;
    let query = "SELECT a.id FROM small_sky AS a LEFT JOIN (SELECT b.ra, c.dec FROM small_sky AS b, \
                 small_sky_xmatch AS c, small_sky_order1_collection AS d, small_sky AS e) AS f \
                 ON DISTANCE(a.ra, a.dec, f.ra, f.dec) < 0.1";
    let error = rows(&many.engine, query).await.unwrap_err();
    assert_eq!(error.fault(), adql::Fault::NotEvaluable, "{error}");
    for part in ["a join by position", "MiB are the most", "restrict"] {
        assert!(error.to_string().contains(part), "{error}");
    }
}

/// The pages of `armilla explain` say what is built, and that a region reaches the other side.
#[tokio::test(flavor = "multi_thread")]
async fn an_explanation_names_the_sides() {
    let Some(data) = hats() else { return };
    let data = data.to_str().unwrap();
    let query = "SELECT a.id, b.id AS bid FROM small_sky_order1_collection AS a JOIN small_sky_xmatch AS b \
                 ON DISTANCE(a.ra, a.dec, b.ra, b.dec) < 0.5 \
                 WHERE 1 = CONTAINS(POINT(a.ra, a.dec), CIRCLE(300, -50, 5))";
    let (one, many) = (alone(data).await, cluster(data, 2).await);
    for engine in [&one.engine, &many.engine] {
        let text = engine.explain(query, false).await.unwrap();
        for part in [
            "cross-match (Inner), distance < 0.5°: builds",
            "CrossMatchExec: join_type=Inner",
            "small_sky_xmatch: CIRCLE(300, -50, 5.5",
        ] {
            assert!(text.contains(part), "{part}:\n{text}");
        }
    }
    let text = many.engine.explain(query, false).await.unwrap();
    assert!(text.contains("NetworkBroadcastExec"), "{text}");
}
