//! Joins by position: every form is one condition, and a region of the one side reaches the other.

use datafusion::common::tree_node::{TreeNode as _, TreeNodeRecursion};
use datafusion::logical_expr::LogicalPlan;
use datafusion::prelude::SessionContext;

use super::{ALL, Sky, WITHOUT_INDEX, optimized, rows, session};
use crate::rewrite::{coverage_of, refuse_spatial_join};
use crate::sky::{Coverage, spatial_index};

/// Conditions that are the same for every pair, however they are written.
const FORMS: [&str; 12] = [
    "adql_distance(a.ra, a.dec, b.ra, b.dec) <= 1.5",
    "1.5 >= adql_distance(a.ra, a.dec, b.ra, b.dec)",
    "adql_distance(b.ra, b.dec, a.ra, a.dec) <= 3.0 / 2",
    "adql_distance(adql_point(a.ra, a.dec), adql_point(b.ra, b.dec)) <= 1.5",
    "adql_contains(adql_point(a.ra, a.dec), adql_circle(b.ra, b.dec, 1.5)) = 1",
    "1 = adql_contains(adql_point(a.ra, a.dec), adql_circle(b.ra, b.dec, 1.5))",
    "adql_contains(adql_point(b.ra, b.dec), adql_circle(adql_point(a.ra, a.dec), 1.5)) = 1",
    "adql_contains(adql_point(b.ra, b.dec), adql_circle(a.ra, a.dec, 1.5)) > 0",
    "adql_intersects(adql_point(a.ra, a.dec), adql_circle(b.ra, b.dec, 1.5)) = 1",
    "adql_intersects(adql_circle(a.ra, a.dec, 1.5), adql_point(b.ra, b.dec)) = 1",
    "adql_intersects(adql_circle(b.ra, b.dec, 1.5), adql_point(a.ra, a.dec)) <> 0",
    "adql_distance(adql_point(b.ra, b.dec), adql_point(a.ra, a.dec)) <= 1.5",
];

/// The condition of the only join without an equality.
fn condition(plan: &LogicalPlan) -> String {
    let mut found = Vec::new();
    plan.apply(|node| {
        if let LogicalPlan::Join(join) = node {
            found.extend(join.filter.as_ref().map(ToString::to_string));
        }
        Ok(TreeNodeRecursion::Continue)
    })
    .unwrap();
    assert_eq!(found.len(), 1, "{}", plan.display_indent());
    found.remove(0)
}

fn same_rows(plain: &SessionContext, ruled: &SessionContext, sql: &str) -> usize {
    let (mut expected, mut found) = (rows(plain, sql), rows(ruled, sql));
    expected.sort();
    found.sort();
    assert_eq!(expected, found, "{sql}");
    found.len()
}

#[test]
fn every_form_is_one_condition() {
    let sky = Sky::new();
    let (plain, ruled) = (session(&sky, ALL, false), session(&sky, ALL, true));
    let few = "a.id BETWEEN 0 AND 40";
    let mut counts = Vec::new();
    for form in FORMS {
        for sql in [
            format!("SELECT a.id, b.id FROM t a JOIN u b ON {form} WHERE {few}"),
            format!("SELECT a.id, b.id FROM t a, u b WHERE {few} AND {form}"),
            format!("SELECT a.id, b.id FROM t a CROSS JOIN u b WHERE {few} AND {form}"),
        ] {
            let plan = optimized(&ruled, &sql);
            let wanted = "cross_match(a.ra, a.dec, b.ra, b.dec, Float64(1.5), Utf8(\"<=\"))";
            assert_eq!(condition(&plan), wanted, "{sql}");
            assert!(refuse_spatial_join(&plan).is_ok(), "{sql}");
        }
        let sql = format!("SELECT a.id, b.id FROM t a JOIN u b ON {form} WHERE {few}");
        counts.push(same_rows(&plain, &ruled, &sql));
    }
    assert!(counts.iter().all(|count| *count == counts[0] && *count > 100), "{counts:?}");
}

#[test]
fn radii_and_kinds_of_joins_have_the_rows_of_all_pairs() {
    let sky = Sky::new();
    let (plain, ruled) = (session(&sky, ALL, false), session(&sky, ALL, true));
    let distance = "adql_distance(a.ra, a.dec, b.ra, b.dec)";
    let circle = |radius: &str| {
        format!("adql_contains(adql_point(a.ra, a.dec), adql_circle(b.ra, b.dec, {radius})) = 1")
    };
    let tables = |kind: &str| {
        format!("(SELECT * FROM t WHERE id < 40) a {kind} (SELECT * FROM u WHERE id < 150) b")
    };
    let mut conditions = vec![
        format!("{distance} < 2"),
        format!("{distance} <= 0"),
        format!("{distance} < 0"),
        format!("{distance} <= 200"),
        format!("{distance} < -1"),
        format!("{distance} < a.mag"),
        format!("{distance} < b.mag / 10"),
        format!("{distance} < CAST('NaN' AS DOUBLE)"),
        format!("{distance} <= NULL"),
        format!("{distance} < 2 AND a.id <> b.id"),
        format!("{distance} < 2 AND a.mag < b.mag"),
        format!("{distance} BETWEEN 0.5 AND 2"),
        circle("2"),
        circle("b.mag"),
        circle("a.mag - 3"),
        circle("a.mag * 1000"),
    ];
    conditions.push(format!("{distance} < 2 AND {}", circle("1")));
    for condition in &conditions {
        for kind in ["JOIN", "LEFT JOIN", "RIGHT JOIN"] {
            let sql = format!("SELECT a.id, b.id FROM {} ON {condition}", tables(kind));
            same_rows(&plain, &ruled, &sql);
            assert!(refuse_spatial_join(&optimized(&ruled, &sql)).is_ok(), "{sql}");
        }
        for not in ["", "NOT"] {
            let sql = format!(
                "SELECT id FROM t a WHERE id < 60 AND {not} EXISTS (SELECT 1 FROM u b WHERE {condition})"
            );
            same_rows(&plain, &ruled, &sql);
            assert!(refuse_spatial_join(&optimized(&ruled, &sql)).is_ok(), "{sql}");
        }
    }
}

#[test]
fn joins_of_joins_and_of_queries_are_recognized() {
    let sky = Sky::new();
    let (plain, ruled) = (session(&sky, ALL, false), session(&sky, ALL, true));
    let near = |a: &str, b: &str| format!("adql_distance({a}.ra, {a}.dec, {b}.ra, {b}.dec) < 1");
    let (ab, bc, ac) = (near("a", "b"), near("b", "c"), near("a", "c"));
    let few = "a.id < 30 AND b.id < 100 AND c.id < 100";
    for sql in [
        format!("SELECT a.id, b.id, c.id FROM t a JOIN u b ON {ab} JOIN t c ON {bc} WHERE {few}"),
        format!("SELECT a.id, b.id, c.id FROM t a, u b, t c WHERE {few} AND {ab} AND {bc}"),
        format!("SELECT a.id, b.id, c.id FROM t a, u b, t c WHERE {few} AND {ac} AND {bc}"),
        format!(
            "SELECT a.id, b.id, c.id FROM t a, u b, t c WHERE {few} AND {ab} AND {bc} AND {ac}"
        ),
        format!(
            "SELECT a.id, b.id, c.id FROM t a JOIN u b ON a.id = b.id JOIN t c ON {bc} WHERE {few}"
        ),
        format!(
            "SELECT a.id, b.id FROM t a, t b WHERE a.id < b.id AND b.id < 200 AND a.id < 50 AND {ab}"
        ),
        "SELECT x.id, y.n FROM (SELECT id, ra AS r, dec AS d FROM t WHERE id < 40) x, \
             (SELECT ra, dec, count(*) AS n FROM u GROUP BY ra, dec) y \
             WHERE adql_distance(x.r, x.d, y.ra, y.dec) < 1"
            .to_owned(),
        format!(
            "WITH few AS (SELECT * FROM t WHERE id < 20) SELECT a.id, b.id FROM few a JOIN u b ON {ab}"
        ),
        "SELECT x.id, y.id FROM (SELECT id, adql_point(ra, dec) AS p FROM t WHERE id < 40) x, \
             (SELECT id, adql_point(ra, dec) AS p FROM u LIMIT 300) y \
             WHERE adql_distance(x.p, y.p) < 1 AND y.id < 1000"
            .to_owned(),
        "SELECT x FROM (SELECT a.id AS x, adql_distance(a.ra, a.dec, b.ra, b.dec) AS d \
                 FROM t a, u b WHERE a.id < 40) AS pairs WHERE d < 0.1"
            .to_owned(),
        format!(
            "SELECT a.id, b.id FROM t a LEFT JOIN u b ON {ab} WHERE a.id < 40 AND \
                 (adql_distance(a.ra, a.dec, b.ra, b.dec) > 0.2 OR b.id IS NULL)"
        ),
    ] {
        let plan = optimized(&ruled, &sql);
        let text = plan.display_indent().to_string();
        assert!(text.contains("cross_match("), "{sql}:\n{text}");
        assert!(refuse_spatial_join(&plan).is_ok(), "{sql}");
        assert!(same_rows(&plain, &ruled, &sql) > 0, "{sql}");
    }
}

#[test]
fn tables_that_meet_in_a_third_one_are_joined_to_it() {
    let sky = Sky::new();
    let ruled = session(&sky, ALL, true);
    let near = |a: &str, b: &str| format!("adql_distance({a}.ra, {a}.dec, {b}.ra, {b}.dec) < 1");
    let (ac, bc, cd) = (near("a", "c"), near("b", "c"), near("c", "d"));
    for sql in [
        format!("SELECT a.id, b.id, c.id FROM t a, u b, t c WHERE {ac} AND {bc}"),
        format!("SELECT c.mag, a.id, b.id FROM t a, u b, t c WHERE {ac} AND {bc} AND a.id < b.id"),
        format!("SELECT a.id, b.id, d.id FROM t a, u b, t c, u d WHERE {ac} AND {bc} AND {cd}"),
    ] {
        let text = optimized(&ruled, &sql).display_indent().to_string();
        assert!(!text.contains("Cross Join"), "{sql}:\n{text}");
        assert_eq!(text.matches("cross_match(").count(), sql.matches("distance").count(), "{text}");
    }
}

/// The coverage of the scan of a table.
fn coverage(sky: &Sky, plan: &LogicalPlan, alias: &str) -> Coverage {
    let mut found = None;
    plan.apply(|node| {
        if let LogicalPlan::TableScan(scan) = node
            && scan.table_name.table() == alias
        {
            found = Some(coverage_of(&scan.filters, sky.positions()));
        }
        Ok(TreeNodeRecursion::Continue)
    })
    .unwrap();
    found.unwrap()
}

const POLYGON: &str =
    "adql_contains(adql_point(a.ra, a.dec), adql_polygon(9, 19, 11, 19, 10, 21)) = 1";

fn cone(of: &str) -> String {
    format!("adql_distance({of}.ra, {of}.dec, 10, 20) < 1.5")
}

/// Queries, and whether the scans of `t` and of `u` are restricted to a part of the sky.
fn restricted() -> Vec<(String, bool, bool)> {
    let near = "adql_distance(a.ra, a.dec, b.ra, b.dec) < 0.5";
    let (cone_a, cone_b) = (cone("a"), cone("b"));
    let polygon = POLYGON;
    vec![
        (format!("SELECT a.id, b.id FROM t a JOIN u b ON {near} WHERE {cone_a}"), true, true),
        (format!("SELECT a.id, b.id FROM t a JOIN u b ON {near} WHERE {cone_b}"), true, true),
        (format!("SELECT a.id, b.id FROM t a JOIN u b ON {near} WHERE {polygon}"), true, true),
        (format!("SELECT a.id, b.id FROM t a LEFT JOIN u b ON {near} WHERE {cone_a}"), true, true),
        (
            format!(
                "SELECT a.id, b.id FROM t a LEFT JOIN (SELECT * FROM u b WHERE {cone_b}) b ON {near}"
            ),
            false,
            true,
        ),
        (
            format!(
                "SELECT a.id, b.id FROM (SELECT * FROM t a WHERE {cone_a}) a RIGHT JOIN u b ON {near}"
            ),
            true,
            false,
        ),
        (
            format!(
                "SELECT id FROM t a WHERE {cone_a} AND EXISTS (SELECT 1 FROM u b WHERE {near})"
            ),
            true,
            true,
        ),
        (
            format!(
                "SELECT id FROM t a WHERE {cone_a} AND NOT EXISTS (SELECT 1 FROM u b WHERE {near} AND b.mag < 10)"
            ),
            true,
            true,
        ),
        (
            format!(
                "SELECT id FROM t a WHERE NOT EXISTS (SELECT 1 FROM u b WHERE {near} AND {cone_b})"
            ),
            false,
            true,
        ),
        (
            format!(
                "SELECT x.id, b.id FROM (SELECT id, ra AS r, dec AS d FROM t a WHERE {cone_a}) x, u b \
                     WHERE adql_distance(x.r, x.d, b.ra, b.dec) < 0.5"
            ),
            true,
            true,
        ),
        (format!("SELECT a.id, b.id FROM t a JOIN u b ON {near}"), false, false),
        (
            format!("SELECT a.id, b.id FROM t a JOIN u b ON {near} OR a.id = b.id WHERE {cone_a}"),
            true,
            false,
        ),
    ]
}

#[test]
fn a_region_of_one_side_restricts_the_other_where_it_may() {
    let sky = Sky::new();
    let (plain, ruled) = (session(&sky, WITHOUT_INDEX, false), session(&sky, WITHOUT_INDEX, true));
    let (cone_a, cone_b) = (cone("a"), cone("b"));
    let far = u64::try_from(spatial_index(200.0, -40.0).unwrap()).unwrap();
    // Beyond the region, and not beyond what is near it.
    let close = |sql: &str| {
        let lat = if sql.contains(POLYGON) { 21.4 } else { 21.9 };
        u64::try_from(spatial_index(10.0, lat).unwrap()).unwrap()
    };
    for (sql, restricts_t, restricts_u) in restricted() {
        let plan = optimized(&ruled, &sql);
        for (table, restricts) in [("t", restricts_t), ("u", restricts_u)] {
            let coverage = coverage(&sky, &plan, table);
            let holds = |index: u64| coverage.ranges().iter().any(|range| range.contains(&index));
            assert_eq!(!holds(far), restricts, "{table}: {sql}");
            let wider = coverage != Coverage::all() && holds(close(&sql));
            let given = if sql.contains(&cone_b) && !sql.contains(&cone_a) { "u" } else { "t" };
            assert!(!restricts || table == given || wider, "{table}: {sql}");
        }
        assert!(same_rows(&plain, &ruled, &sql) > 0, "{sql}");
        let again = ruled.state().optimize(&plan).unwrap();
        assert_eq!(plan.display_indent().to_string(), again.display_indent().to_string());
    }
}

#[test]
fn a_region_reaches_along_a_chain_of_joins() {
    let sky = Sky::new();
    let ruled = session(&sky, WITHOUT_INDEX, true);
    let sql = "SELECT a.id, c.id FROM t a JOIN (SELECT * FROM u) b ON \
               adql_distance(a.ra, a.dec, b.ra, b.dec) < 0.5 JOIN (SELECT * FROM t) c ON \
               adql_distance(b.ra, b.dec, c.ra, c.dec) < 0.5 WHERE adql_distance(a.ra, a.dec, 10, 20) < 1.5";
    let text = optimized(&ruled, sql).display_indent().to_string();
    let scans = text.lines().filter(|line| line.contains("TableScan"));
    assert_eq!(scans.clone().count(), 3, "{text}");
    assert!(scans.clone().all(|scan| scan.contains("in_region(")), "{text}");
}
