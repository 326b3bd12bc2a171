//! The nearest and the k nearest: the operator has the rows that a rank over all pairs has, and
//! every form of the condition, in one process and over workers, those of its definition in SQL.

#![expect(clippy::unwrap_used, reason = "a test ends at the first step that fails")]

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use coordinator::QueryOptions;
use coordinator::engine::Engine;
use datafusion::arrow::array::{Array as _, AsArray as _, RecordBatch};
use datafusion::arrow::datatypes::{Float64Type, Int64Type};
use datafusion::physical_plan::execute_stream;
use datafusion::prelude::{SessionConfig, SessionContext};
use futures::TryStreamExt as _;
use tests::Random;
use worker::cross_match::planned;

use crate::cross_match::{ARCSEC, Row, batch, plan, session, sky, sorted, text};
use crate::in_process::{alone, cluster, hats, rows};

/// Pairs with their distances.
type Pairs = Vec<(i64, i64, f64)>;

fn pairs(batches: &[RecordBatch]) -> Pairs {
    let mut pairs = Vec::new();
    for batch in batches {
        let [a, b] = [0, 1].map(|column| batch.column(column).as_primitive::<Int64Type>());
        let distances = batch.column(2).as_primitive::<Float64Type>();
        for row in 0..batch.num_rows() {
            assert!(a.is_valid(row) && b.is_valid(row) && distances.is_valid(row));
            pairs.push((a.value(row), b.value(row), distances.value(row)));
        }
    }
    pairs
}

/// Of all pairs those of which fewer than `most` of the same first row are nearer.
fn ranked(pairs: &Pairs, most: usize) -> Vec<(i64, i64)> {
    let mut distances: BTreeMap<i64, Vec<f64>> = BTreeMap::new();
    for (a, _, distance) in pairs {
        distances.entry(*a).or_default().push(*distance);
    }
    let is_near = |(a, _, distance): &&(i64, i64, f64)| {
        distances[a].iter().filter(|other| *other < distance).count() < most
    };
    pairs.iter().filter(is_near).map(|(a, b, _)| (*a, *b)).collect()
}

fn as_rows(pairs: &[(i64, i64)], separator: &str) -> Vec<String> {
    let mut rows: Vec<String> = pairs.iter().map(|(a, b)| format!("{a}{separator}{b}")).collect();
    rows.sort_unstable();
    rows
}

/// The pairs of a nested loop.
async fn all_pairs(session: &SessionContext, condition: &str) -> Pairs {
    let sql = format!(
        "SELECT a.id, b.id AS bid, adql_distance(a.ra, a.dec, b.ra, b.dec) AS d \
         FROM a JOIN b ON {condition}"
    );
    let all = plan(session, &sql).await;
    let batches: Vec<_> =
        execute_stream(all, session.task_ctx()).unwrap().try_collect().await.unwrap();
    pairs(&batches)
}

/// At poles, on the seam, in heaps and at the same places, for each radius and number.
#[tokio::test]
async fn the_operator_ranks_as_all_pairs_do() {
    let (a, b) = (batch(&sky(1)), batch(&sky(2)));
    let config = SessionConfig::new().with_target_partitions(2).with_batch_size(64);
    let session = session(config, [&a, &b]);
    let numbers = [0.0, 1e-3 * ARCSEC, ARCSEC, 60.0 * ARCSEC, 1.0, 30.0, 180.0, 250.0];
    let radii = numbers.map(|radius| format!("{radius:?}")).into_iter().chain(["a.r".to_owned()]);
    for radius in radii {
        for bound in ["<", "<="] {
            let distance = "adql_distance(a.ra, a.dec, b.ra, b.dec)";
            let all = all_pairs(&session, &format!("{distance} {bound} {radius}")).await;
            let near = format!("cross_match(a.ra, a.dec, b.ra, b.dec, {radius}, '{bound}')");
            for most in [1, 2, 3, 40, 100_000] {
                let expected = ranked(&all, most);
                let rank =
                    |after| format!("nearest(a.ra, a.dec, b.ra, b.dec, {most}, true, {after})");
                let sql = format!("SELECT a.id, b.id FROM a JOIN b ON {near} AND {}", rank("true"));
                let ours = planned(plan(&session, &sql).await).unwrap();
                assert!(text(&ours).contains("nearest"), "{sql}:\n{}", text(&ours));
                assert_eq!(sorted(&session, ours).await, as_rows(&expected, " "), "{sql}");
                let before =
                    format!("nearest(a.ra, a.dec, b.ra, b.dec, {most}, a.id % 7 < b.id % 5, true)");
                let some: Pairs =
                    all.iter().copied().filter(|pair| pair.0 % 7 < pair.1 % 5).collect();
                let sql = format!("SELECT a.id, b.id FROM a JOIN b ON {near} AND {before}");
                let ours = planned(plan(&session, &sql).await).unwrap();
                assert_eq!(
                    sorted(&session, ours).await,
                    as_rows(&ranked(&some, most), " "),
                    "{sql}"
                );
                let after = rank("a.id < b.id");
                let sql = format!("SELECT a.id, b.id FROM b RIGHT JOIN a ON {near} AND {after}");
                let ours = planned(plan(&session, &sql).await).unwrap();
                let of_all = |a: i64| -> Vec<String> {
                    let pairs = expected.iter().filter(|pair| pair.0 == a && pair.0 < pair.1);
                    let pairs: Vec<_> = pairs.map(|(a, b)| format!("{a} {b}")).collect();
                    if pairs.is_empty() { vec![format!("{a} ")] } else { pairs }
                };
                let ids = 0..i64::try_from(a.num_rows()).unwrap();
                let mut kept: Vec<String> = ids.flat_map(of_all).collect();
                kept.sort_unstable();
                assert_eq!(sorted(&session, ours).await, kept, "{sql}");
            }
        }
    }
}

/// The side that is ranked is built, however large, and the other way round it is another question.
#[tokio::test]
async fn the_side_that_is_ranked_is_built() {
    let (few, many) = (batch(&sky(3)[..30]), batch(&sky(4)));
    for [a, b] in [[&few, &many], [&many, &few]] {
        let session = session(SessionConfig::new().with_target_partitions(2), [a, b]);
        let all = all_pairs(&session, "adql_distance(a.ra, a.dec, b.ra, b.dec) < 90").await;
        for tables in ["a JOIN b", "b JOIN a"] {
            let sql = format!(
                "SELECT a.id, b.id FROM {tables} ON cross_match(b.ra, b.dec, a.ra, a.dec, 90.0, '<') \
                 AND nearest(a.ra, a.dec, b.ra, b.dec, 2, true, true)"
            );
            let ours = planned(plan(&session, &sql).await).unwrap();
            assert_eq!(sorted(&session, ours).await, as_rows(&ranked(&all, 2), " "), "{sql}");
        }
    }
}

/// So many rows in a hundredth of a degree.
fn field(rows: usize, seed: u64) -> RecordBatch {
    let mut random = Random::new(seed);
    let mut near = || 0.01 * random.unit();
    let rows: Vec<Row> =
        (0..rows).map(|_| (Some(83.0 + near()), Some(-5.0 + near()), None)).collect();
    batch(&rows)
}

/// A hundred thousand rows in a small field: the nearest of each are found without testing all that
/// a wide radius has, and where all are as near, all of them are.
#[tokio::test]
async fn a_field_is_ranked_without_all_pairs() {
    let (few, many) = (field(20_000, 1), field(100_000, 2));
    let session = session(SessionConfig::new().with_target_partitions(2), [&few, &many]);
    let start = Instant::now();
    let sql = "SELECT COUNT(*) FROM a JOIN b ON cross_match(a.ra, a.dec, b.ra, b.dec, 180.0, '<') \
               AND nearest(a.ra, a.dec, b.ra, b.dec, 3, true, true)";
    let ours = planned(plan(&session, sql).await).unwrap();
    assert_eq!(sorted(&session, ours).await, ["60000"]);
    assert!(start.elapsed() < Duration::from_secs(20), "{:?}", start.elapsed());
    // Many pairs that do not count lie before those that do.
    let sql = "SELECT COUNT(*), MIN(b.id) FROM (SELECT * FROM a WHERE id < 50) a JOIN b \
               ON cross_match(a.ra, a.dec, b.ra, b.dec, 180.0, '<') \
               AND nearest(a.ra, a.dec, b.ra, b.dec, 2, b.id > 99990 + a.id * 0, true)";
    let ours = planned(plan(&session, sql).await).unwrap();
    assert_eq!(sorted(&session, ours).await, ["100 99991"]);
    let sql = "SELECT COUNT(*) FROM (SELECT * FROM a WHERE id < 10) a JOIN \
               (SELECT id, ra - ra AS ra, dec - dec AS dec FROM b) b \
               ON cross_match(a.ra, a.dec, b.ra, b.dec, 180.0, '<') \
               AND nearest(a.ra, a.dec, b.ra, b.dec, 1, true, a.id = 7)";
    let ours = planned(plan(&session, sql).await).unwrap();
    assert_eq!(sorted(&session, ours).await, ["100000"]);
}

/// Without the operator the condition is no function of a pair.
#[tokio::test]
async fn a_plan_without_the_operator_fails() {
    let rows = batch(&sky(5));
    let session = session(SessionConfig::new(), [&rows, &rows]);
    let sql = "SELECT a.id FROM a JOIN b ON nearest(a.ra, a.dec, b.ra, b.dec, 2, true, true)";
    let plain = planned(plan(&session, sql).await).unwrap();
    let rows: Result<Vec<RecordBatch>, _> =
        execute_stream(plain, session.task_ctx()).unwrap().try_collect().await;
    assert!(rows.unwrap_err().to_string().contains("evaluated by a join by position"));
}

const A: &str = "small_sky_order1_collection";
const B: &str = "small_sky_xmatch";
const AB: &str = "DISTANCE(a.ra, a.dec, b.ra, b.dec)";
const AN: &str = "DISTANCE(a.ra, a.dec, n.ra, n.dec)";

async fn pairs_of(engine: &Engine, adql: &str) -> Pairs {
    let result = engine.query(adql, QueryOptions::default()).await.unwrap();
    let batches: Vec<_> = result.stream.try_collect().await.unwrap();
    pairs(&batches)
}

/// The ways to ask for the `most` nearest, as conditions on `a` and `b`.
fn forms(most: usize, conditions: &str) -> Vec<String> {
    let nearer = format!("FROM {B} AS n WHERE {AN} < {AB}{conditions}");
    let mut forms = vec![
        format!("{most} > (SELECT COUNT(*) {nearer})"),
        format!("(SELECT COUNT(*) FROM {B} AS n WHERE {AB} > {AN}{conditions}) <= {}", most - 1),
        format!(
            "(SELECT COUNT(*) AS k FROM {B} AS n WHERE \
             DISTANCE(POINT(n.ra, n.dec), POINT(a.ra, a.dec)) < {AB}{conditions}) < {most}"
        ),
    ];
    if most == 1 {
        forms.extend([
            format!("{AB} = (SELECT MIN({AN}) FROM {B} AS n WHERE 1 = 1{conditions})"),
            format!(
                "(SELECT MIN(DISTANCE(\"n\".\"ra\", n.dec, a.ra, a.dec)) FROM {B} AS n \
                 WHERE {AN} < 5{conditions}) = DISTANCE(b.ra, b.dec, a.ra, a.dec)"
            ),
            format!("NOT EXISTS (SELECT 1 {nearer})"),
            format!("0 = (SELECT COUNT(*) {nearer})"),
        ]);
    }
    forms
}

/// The queries that a form can be asked in, each with its rows: `kept` are those of an outer join.
fn queries(
    form: &str,
    of_b: &str,
    [expected, after]: [&[(i64, i64)]; 2],
    kept: impl Fn(&[(i64, i64)]) -> Vec<String>,
) -> [(String, Vec<String>); 7] {
    let select = "SELECT a.id, b.id AS bid FROM";
    let (inner, even) = (format!("{select} {A} AS a JOIN {B} AS b ON"), "AND MOD(b.id, 2) = 0");
    let circle = "CONTAINS(POINT(b.ra, b.dec), CIRCLE(a.ra, a.dec, 5)) = 1";
    let (pairs, of_after) = (as_rows(expected, " | "), as_rows(after, " | "));
    [
        (format!("{inner} {AB} < 5 WHERE {form}{of_b}"), pairs.clone()),
        (format!("{select} {B} AS b, {A} AS a WHERE {form} AND 5 > {AB}{of_b}"), pairs.clone()),
        (format!("{inner} {circle} AND {AB} < 5 AND {form}{of_b}"), pairs),
        (format!("{inner} {AB} < 5 WHERE {form}{of_b} {even}"), of_after.clone()),
        (
            format!(
                "SELECT id, bid FROM ({inner} {AB} < 5 AND {form}{of_b}) AS s \
                 WHERE MOD(bid, 2) = 0 AND id > 0"
            ),
            of_after,
        ),
        (
            format!("{select} {A} AS a LEFT JOIN {B} AS b ON {AB} < 5 AND {form}{of_b}"),
            kept(expected),
        ),
        (
            format!("{select} {B} AS b RIGHT JOIN {A} AS a ON {AB} < 5 AND {form}{of_b} {even}"),
            kept(after),
        ),
    ]
}

#[tokio::test(flavor = "multi_thread")]
async fn every_form_has_the_rows_of_its_definition() {
    let Some(data) = hats() else { return };
    let data = data.to_str().unwrap();
    let (one, many) = (alone(data).await, cluster(data, 3).await);
    let of = |on: &str| {
        format!("SELECT a.id, b.id AS bid, {AB} AS d FROM {A} AS a JOIN {B} AS b ON {AB} < 5{on}")
    };
    let of_b = " AND b.dec < -40 AND b.id > 750";
    let all = pairs_of(&one.engine, &of("")).await;
    let some = pairs_of(&one.engine, &of(of_b)).await;
    assert!(all.len() > 500 && some.len() > 100 && some.len() < all.len());
    let ids = pairs_of(&one.engine, &format!("SELECT id, id AS i, ra FROM {A}")).await;
    let kept = |pairs: &[(i64, i64)]| {
        let without = ids.iter().filter(|row| pairs.iter().all(|pair| pair.0 != row.0));
        let mut rows = as_rows(pairs, " | ");
        rows.extend(without.map(|row| format!("{} | ", row.0)));
        rows.sort_unstable();
        rows
    };
    for (most, (of_n, of_b, pairs)) in [1, 3].into_iter().flat_map(|most| {
        let before = (" AND n.id > 750 AND -40 > n.dec", of_b, &some);
        [("", "", &all), before].map(|conditions| (most, conditions))
    }) {
        let expected = ranked(pairs, most);
        // What is not said in the sub-query is tested after the ranking.
        let after: Vec<_> = expected.iter().copied().filter(|pair| pair.1 % 2 == 0).collect();
        for form in forms(most, of_n) {
            for (query, expected) in queries(&form, of_b, [&expected, &after], kept) {
                for engine in [&one.engine, &many.engine] {
                    let answer = rows(engine, &query).await;
                    let answer = answer.unwrap_or_else(|error| panic!("{query}: {error}"));
                    let counts = [answer.len(), expected.len()];
                    assert!(answer == expected, "{query}: {counts:?} rows");
                }
            }
        }
    }
}

/// What is asked for in another way than the operator evaluates is refused with what would work.
#[tokio::test(flavor = "multi_thread")]
async fn what_is_not_evaluated_is_refused() {
    let Some(data) = hats() else { return };
    let one = alone(data.to_str().unwrap()).await;
    let count = |condition: &str| format!("(SELECT COUNT(*) FROM {B} AS n WHERE {condition})");
    let nearer = format!("{AN} < {AB}");
    let pairs = format!("SELECT a.id, b.id AS bid FROM {A} AS a JOIN {B} AS b");
    for (query, part) in [
        (format!("{pairs} ON 1 > {}", count(&nearer)), "say by AND how far"),
        (format!("{pairs} ON {AB} < b.ra_error AND 1 > {}", count(&nearer)), "say by AND how far"),
        (format!("{pairs} ON {AB} < 1 WHERE a.id > {}", count(&nearer)), "compared with a number"),
        (format!("{pairs} ON {AB} < 1 WHERE 3 < {}", count(&nearer)), "compared with a number"),
        (
            format!("{pairs} ON {AB} < 1 WHERE 3 > {}", count(&format!("{AN} <= {AB}"))),
            "the very table",
        ),
        (
            format!("{pairs} ON {AB} < 1 WHERE 3 > {}", count(&format!("{nearer} AND n.id > 9"))),
            "a condition of the sub-query alone",
        ),
        (
            format!(
                "{pairs} ON {AB} < 1 WHERE 3 > {}",
                count(&format!("{nearer} AND n.id <> a.id"))
            ),
            "a condition of the sub-query alone",
        ),
        (
            format!("{pairs} ON {AB} < 1 WHERE 3 > {}", count(&format!("{nearer} AND {AN} < 0.5"))),
            "a condition of the sub-query alone",
        ),
        (
            format!("{pairs} ON {AB} < 1 WHERE 3 > {}", count(&nearer).replace(B, "small_sky")),
            "the very table",
        ),
        (
            format!("{pairs} ON {AB} < 1 WHERE {AB} > (SELECT MIN({AN}) FROM {B} AS n)"),
            "equal to the least one",
        ),
        (
            format!("{pairs} ON {AB} < 1 WHERE 3 > {} AND RAND() < 0.5", count(&nearer)),
            "cannot be beside it",
        ),
        (
            format!(
                "SELECT c.id FROM {B} AS c WHERE EXISTS ({pairs} ON {AB} < 1 WHERE 3 > {} \
                 AND b.id = c.id AND a.id > c.id)",
                count(&nearer)
            ),
            "have the same name",
        ),
        (
            format!("{pairs} ON {AB} < 1 AND 3 > {}", count(&nearer)).replace("JOIN", "FULL JOIN"),
            "write a LEFT JOIN",
        ),
        (
            format!("{pairs} ON {AB} < 1 AND 3 > {}", count(&nearer)).replace("JOIN", "RIGHT JOIN"),
            "the very table",
        ),
        (
            format!("{pairs} ON {AB} < 1 WHERE 3 > {}", count(&nearer))
                .replace("JOIN", "LEFT JOIN"),
            "write the condition in its ON",
        ),
    ] {
        let error = rows(&one.engine, &query).await.unwrap_err();
        assert_eq!(error.fault(), adql::Fault::NotEvaluable, "{query}: {error}");
        assert!(error.to_string().contains(part), "{query}: {error}");
    }
}

/// Another rule would test it for each row of either side.
#[tokio::test(flavor = "multi_thread")]
async fn chance_around_the_nearest_names_a_column() {
    let Some(data) = hats() else { return };
    let one = alone(data.to_str().unwrap()).await;
    let around = |condition: &str| {
        format!(
            "SELECT q.id FROM (SELECT a.id FROM {A} AS a JOIN {B} AS b ON {AB} < 1 WHERE 3 > \
             (SELECT COUNT(*) FROM {B} AS n WHERE {AN} < {AB})) AS q WHERE {condition}"
        )
    };
    let error = rows(&one.engine, &around("RAND() < 0.5")).await.unwrap_err();
    assert_eq!(error.fault(), adql::Fault::NotEvaluable, "{error}");
    assert!(error.to_string().contains("has to name a column"), "{error}");
    let all = rows(&one.engine, &around("q.id > 0")).await.unwrap().len();
    let some = rows(&one.engine, &around("RAND() + 0 * q.id < 0.5")).await.unwrap().len();
    assert!((all / 4..all * 3 / 4).contains(&some), "{some} of {all}");
}

/// The page of `armilla explain` says that the nearest are found; a region of the one side reaches
/// the other below the ranking, and conditions on the other rows are tested before it.
#[tokio::test(flavor = "multi_thread")]
async fn an_explanation_says_nearest() {
    let Some(data) = hats() else { return };
    let one = alone(data.to_str().unwrap()).await;
    let query = format!(
        "SELECT a.id, b.id AS bid FROM {A} AS a JOIN {B} AS b ON {AB} < 5 \
         WHERE 3 > (SELECT COUNT(*) FROM {B} AS n WHERE {AN} < {AB}) \
         AND 1 = CONTAINS(POINT(a.ra, a.dec), CIRCLE(300, -50, 5)) AND a.id > 720 AND b.id > 730"
    );
    let text = one.engine.explain(&query, false).await.unwrap();
    for part in [
        "distance < 5°, 3 nearest: builds",
        "small_sky_xmatch: CIRCLE(300, -50, 10",
        "small_sky_order1_collection: CIRCLE(300, -50, 5)",
        "AND id@1 > 720 AND",
        "FilterExec: id@1 > 730",
    ] {
        assert!(text.contains(part), "{part}:\n{text}");
    }
    assert!(!text.contains("AND id@1 > 730"), "{text}");
}
