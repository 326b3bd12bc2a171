//! What a scan makes of its filters: no row that satisfies them lies outside of the coverage or
//! fails the conjunct for statistics.

use datafusion::arrow::array::AsArray;
use datafusion::arrow::datatypes::Int64Type;
use datafusion::logical_expr::{Expr, col, lit};

use super::{ALL, Sky, block_on, rows, session};
use crate::rewrite::nan_guard::guard;
use crate::rewrite::{coverage_of, prune_only};
use crate::sky::{Coverage, Order};

/// Conditions and the most of the sky that they may touch.
const CONDITIONS: &[(&str, f64)] = &[
    ("adql_distance(ra, dec, 10, 20) < 1.5", 0.001),
    ("adql_distance(ra, dec, 10, 20) > 1.5", 1.0),
    ("NOT adql_distance(ra, dec, 10, 20) > 1.5", 0.001),
    ("adql_distance(ra, dec, 10, 20) > 178", 1.0),
    ("adql_distance(ra, dec, 10, 20) < 2 AND adql_distance(ra, dec, 12, 20) < 2", 0.001),
    ("adql_distance(ra, dec, 10, 20) < 2 OR adql_distance(ra, dec, 0, 0) < 2", 0.002),
    ("adql_distance(ra, dec, 10, 20) < 2 OR mag > 5", 1.0),
    ("adql_distance(ra, dec, 10, 20) < 2 AND mag > 5", 0.001),
    ("NOT (adql_distance(ra, dec, 10, 20) < 90 OR mag > 5)", 0.52),
    ("(adql_distance(ra, dec, 10, 20) < 2) IS NULL", 1.0),
    ("(adql_distance(ra, dec, 10, 20) < 2) IS TRUE", 0.001),
    ("ra BETWEEN 8 AND 12 AND dec BETWEEN 18 AND 22", 0.001),
    ("ra >= 8 AND dec > 18 AND 12 > ra AND dec <= 22 AND mag > 1", 0.001),
    ("dec > 89", 1.0),
    ("dec > 89 AND ra >= 0", 0.001),
    ("dec = 90 AND ra < 360", 0.001),
    ("dec < -88 AND ra > -1", 0.001),
    ("dec < -88 AND ra IS NOT NULL", 1.0),
    ("ra BETWEEN 8 AND 12", 1.0),
    ("ra BETWEEN 8 AND 12 AND dec > 0", 0.03),
    ("ra = 10 AND dec = 20", 0.00001),
    ("ra > 350", 1.0),
    ("ra BETWEEN 12 AND 8", 0.0),
    ("ra NOT BETWEEN 8 AND 12", 1.0),
    ("NOT (ra BETWEEN 8 AND 12)", 1.0),
    ("ra BETWEEN 8 AND 12 AND dec BETWEEN 18 AND 22 OR dec > 89 AND ra > 0", 0.002),
    ("ra <> 10", 1.0),
    ("ra IS NULL", 1.0),
    ("\"_healpix_29\" < 1152921504606846976", 0.35),
    ("\"_healpix_29\" BETWEEN 1152921504606846976 AND 1441151880758558720", 0.09),
    ("\"_healpix_29\" NOT BETWEEN 1152921504606846976 AND 1441151880758558720", 0.92),
    ("\"_healpix_29\" IN (5, 7) OR \"_healpix_29\" = 9", 0.0001),
    ("\"_healpix_29\" <> 5", 1.0),
    ("NOT \"_healpix_29\" >= 1152921504606846976", 0.35),
    ("\"_healpix_29\" / 2 > 5", 1.0),
    ("\"_healpix_29\" IS NULL", 1.0),
    ("mag > 50 AND mag < 60", 1.0),
    ("mag = 0.5", 1.0),
    ("mag BETWEEN 3 AND 4 OR mag IS NOT NULL AND id = 3", 1.0),
    ("mag <> 0.5", 1.0),
    ("NOT mag > 50", 1.0),
    ("mag IS NULL", 1.0),
    ("mag IN (0.2, 0.3) OR ra > 359", 1.0),
    ("mag > 5 OR id < 3", 1.0),
    ("id < 3", 1.0),
];

#[test]
fn no_row_is_outside_of_coverage_or_lost_to_statistics() {
    let sky = Sky::new();
    let session = session(&sky, ALL, true);
    let index = sky.batch.column(4).as_primitive::<Int64Type>();
    for (condition, most) in CONDITIONS {
        let selected = rows(&session, &format!("SELECT id FROM t WHERE {condition}"));
        let offered = sky.offered.lock().unwrap().clone();
        assert!(!offered.is_empty() || *most == 0.0, "{condition}");
        let coverage = coverage_of(&offered, sky.positions());
        assert!(coverage.sky_fraction() <= *most, "{condition}: {}", coverage.sky_fraction());
        let kept = prune_only(&offered, Some(sky.positions()), &coverage).map(|prune| {
            let frame = session.read_batch(sky.batch.clone()).unwrap();
            let ids = frame.filter(prune).unwrap().select_columns(&["id"]).unwrap();
            let batches = block_on(ids.collect()).unwrap();
            let ids = batches.iter().flat_map(|b| b.column(0).as_primitive::<Int64Type>().values());
            ids.map(ToString::to_string).collect::<Vec<_>>()
        });
        for id in &selected {
            let row: usize = id.parse().unwrap();
            let in_coverage = match u64::try_from(index.value(row)) {
                Ok(pixel) if datafusion::arrow::array::Array::is_valid(index, row) => {
                    coverage.contains(pixel)
                }
                _ => coverage == Coverage::all(),
            };
            assert!(in_coverage, "{condition}: row {id} is outside of the coverage");
            let kept = kept.as_ref().is_none_or(|kept| kept.contains(id));
            assert!(kept, "{condition}: row {id} fails the conjunct for statistics");
        }
    }
}

#[test]
fn slack_widens_what_is_read() {
    let sky = Sky::new();
    let mut positions = sky.positions().clone();
    let filter = [
        guard(col("dec")).between(lit(20.0), lit(20.1)),
        guard(col("ra")).between(lit(10.0), lit(10.1)),
    ];
    let narrow = coverage_of(&filter, &positions).sky_fraction();
    positions.slack_deg = 1.0;
    let wide = coverage_of(&filter, &positions);
    assert!(wide.sky_fraction() > 50.0 * narrow, "{} {narrow}", wide.sky_fraction());
    let beside = crate::sky::spatial_index(10.0, 20.95).unwrap().cast_unsigned();
    assert!(wide.contains(beside));
}

#[test]
fn right_ascension_counts_in_any_turn() {
    let sky = Sky::new();
    let between = |low: f64, high: f64| {
        let filters =
            [col("ra").between(lit(low), lit(high)), col("dec").between(lit(-1.0), lit(1.0))];
        coverage_of(&filters, sky.positions())
    };
    let seam = crate::sky::spatial_index(359.5, 0.0).unwrap().cast_unsigned();
    assert!(between(359.0, 361.0).contains(seam));
    assert!(between(-1.0, 1.0).contains(seam));
    assert!(between(-1.0, 1.0).sky_fraction() < 0.001);
    assert!(!between(0.0, 1.0).contains(seam));
}

fn shown(filters: &[Expr], coverage: &Coverage) -> Option<String> {
    let sky = Sky::new();
    prune_only(filters, Some(sky.positions()), coverage).map(|expr| expr.to_string())
}

#[test]
fn statistics_see_comparisons_without_their_guard() {
    let mag = || guard(col("mag"));
    let all = Coverage::all();
    let check = |filter: Expr, expected: Option<&str>| {
        assert_eq!(shown(&[filter], &all).as_deref(), expected);
    };
    check(mag().gt(lit(5.0)), Some("mag > Float64(5)"));
    check(lit(5.0).gt(mag()), Some("mag < Float64(5)"));
    check(mag().is_not_null(), Some("mag IS NOT NULL"));
    check(mag().between(lit(1.0), lit(2.0)), Some("mag >= Float64(1) AND mag <= Float64(2)"));
    check(mag().gt(lit(5.0)).or(col("id").lt(lit(3))), Some("mag > Float64(5) OR id < Int32(3)"));
    check(mag().gt(lit(5.0)).or(col("id").lt(col("ra"))), None);
    check(mag().gt(lit(5.0)).and(col("id").lt(col("ra"))), Some("mag > Float64(5)"));
    check(mag().not_eq(lit(5.0)), None);
    check(!mag().gt(lit(5.0)), None);
    check(mag().is_null(), None);
    check(mag().gt(col("id")), None);
    check(col("id").gt(lit(5)), None);
    let any_of = |n: usize| (0..n).map(|i| mag().eq(lit(i as f64))).reduce(Expr::or).unwrap();
    assert!(shown(&[any_of(32)], &all).is_some());
    check(any_of(33), None);
}

#[test]
fn long_chains_fit_the_stack() {
    let sky = Sky::new();
    for join in [Expr::and as fn(Expr, Expr) -> Expr, Expr::or] {
        let chain = (0..2000).map(|i| guard(col("mag")).eq(lit(f64::from(i)))).reduce(join);
        let filters = [chain.unwrap()];
        assert_eq!(coverage_of(&filters, sky.positions()), Coverage::all());
        assert_eq!(prune_only(&filters, Some(sky.positions()), &Coverage::all()), None);
    }
}

#[test]
fn the_spatial_index_is_compared_to_few_ranges() {
    let ranges = (0..500u64).map(|i| i * 1000..i * 1000 + 10 + i);
    let coverage = Coverage::from_ranges(ranges);
    let text = shown(&[], &coverage).unwrap();
    assert_eq!(text.matches("_healpix_29 >=").count(), 8, "{text}");
    assert_eq!(shown(&[], &Coverage::empty()).as_deref(), Some("Boolean(false)"));
    assert_eq!(shown(&[], &Coverage::all()), None);
    assert_eq!(prune_only(&[], None, &coverage), None);
    let whole = std::iter::once(0..Order::MAX.pixels());
    assert_eq!(shown(&[], &Coverage::from_ranges(whole)), None);
}

#[test]
fn exact_tests_are_counted() {
    let sky = Sky::new();
    let session = session(&sky, ALL, true);
    let before = crate::function::in_region::exact_tests();
    let sql = "SELECT id FROM t WHERE adql_distance(ra, dec, 10, 20) < 2";
    assert!(rows(&session, sql).len() > 50);
    let tested = crate::function::in_region::exact_tests() - before;
    assert!(tested > 0, "nothing was counted");
}
