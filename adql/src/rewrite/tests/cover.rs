//! Every form in which a query can ask for a region becomes `in_region`, and answers the same.

use std::sync::Arc;

use datafusion::dataframe::DataFrame;

use super::{ALL, Sky, WITHOUT_INDEX, optimized, rows, session};
use crate::rewrite::{describe, refuse_spatial_join};

const PLACE: &str = "adql_point(ra, dec)";

/// Forms that select rows by a region: all become `in_region` as a whole.
fn forms() -> Vec<String> {
    let cone = "adql_circle(10, 20, 1.5)";
    [
        format!("adql_contains({PLACE}, {cone}) = 1"),
        format!("1 = adql_contains({PLACE}, {cone})"),
        format!("adql_contains({PLACE}, {cone}) <> 0"),
        format!("adql_contains({PLACE}, {cone}) > 0"),
        format!("1 <= adql_contains({PLACE}, {cone})"),
        format!("adql_contains({PLACE}, {cone}) = 1.0"),
        format!("CAST(adql_contains({PLACE}, {cone}) AS BIGINT) = 1"),
        format!("adql_contains({PLACE}, {cone}) = 0"),
        format!("NOT adql_contains({PLACE}, {cone}) = 1"),
        format!("adql_contains({PLACE}, adql_circle(adql_point(10, 10 + 10), 3 / 2.0)) = 1"),
        format!("adql_contains({PLACE}, adql_circle(adql_power(10, 1), 20, 1.5)) = 1"),
        format!("adql_intersects({PLACE}, {cone}) = 1"),
        format!("1 = adql_intersects({cone}, {PLACE})"),
        "adql_contains(adql_point(10, 20), adql_circle(ra, dec, 1.5)) = 1".to_owned(),
        format!("adql_intersects(adql_circle({PLACE}, 1.5), adql_point(10, 20)) = 1"),
        "adql_distance(ra, dec, 10, 20) < 1.5".to_owned(),
        "adql_distance(10, 20, ra, dec) <= 1.5".to_owned(),
        "1.5 > adql_distance(ra, dec, 10, 20)".to_owned(),
        "adql_distance(ra, dec, 10, 20) < 5400 / 3600.0".to_owned(),
        "adql_distance(ra, dec, 10, 20) > 1.5".to_owned(),
        "NOT adql_distance(ra, dec, 10, 20) < 1.5".to_owned(),
        "adql_distance(ra, dec, 10, 20) BETWEEN 1 AND 2".to_owned(),
        "adql_distance(ra, dec, 10, 20) NOT BETWEEN 1 AND 2".to_owned(),
        "adql_distance(ra, dec, 10, 20) < 1".to_owned(),
        "adql_distance(ra, dec, 10, 20) <= 1".to_owned(),
        "adql_distance(ra, dec, 10, 20) <= 0".to_owned(),
        "adql_distance(ra, dec, 10, 20) < 0".to_owned(),
        "adql_distance(ra, dec, 10, 20) < -1".to_owned(),
        "adql_distance(ra, dec, 10, 20) <= 180".to_owned(),
        "adql_distance(ra, dec, 10, 20) < 179".to_owned(),
        format!("adql_distance({PLACE}, adql_point(10, 20)) < 1.5"),
        format!("adql_distance(adql_point(10, 20), {PLACE}) < 1.5"),
        format!("adql_contains({PLACE}, adql_box(10, 20, 2, 3)) = 1"),
        format!("adql_contains({PLACE}, adql_box(adql_point(10, 20), 0, 3)) = 1"),
        format!("adql_contains({PLACE}, adql_box(0, 0, 2, 3)) = 1"),
        format!("adql_contains({PLACE}, adql_polygon(8, 18, 12, 18, 10, 20, 12, 22, 8, 22)) = 1"),
        format!("adql_contains({PLACE}, adql_point(10, 20)) = 1"),
        format!("adql_contains({PLACE}, adql_circle(0, 90, 2)) = 1"),
        format!("adql_contains({PLACE}, adql_circle(-0.5, 0, 1)) = 1"),
        format!("adql_contains({PLACE}, adql_polygon(0, 88, 120, 88, 240, 88)) = 1"),
        format!(
            "(adql_contains({PLACE}, {cone}) = 1 OR adql_distance(ra, dec, 0, 0) < 1) \
             AND NOT (adql_distance(ra, dec, 10, 20) < 0.5 OR id < 3)"
        ),
        "adql_distance(ra, dec, 10, 20) < 1.5 AND mag > 20 OR dec > 89".to_owned(),
        "(adql_distance(ra, dec, 10, 20) < 1.5) IS NULL".to_owned(),
        "adql_healpix_index(3, ra, dec) = 274".to_owned(),
        "274 = adql_healpix_index(3, adql_point(ra, dec))".to_owned(),
        "adql_healpix_index(0, ra, dec) <> 4".to_owned(),
        "adql_healpix_index(29, ra, dec) = 1369094286720630784".to_owned(),
        "NOT adql_healpix_index(3, ra, dec) > 400".to_owned(),
        "7 < adql_healpix_index(0, ra, dec)".to_owned(),
        "adql_healpix_index(2, ra, dec) BETWEEN 60 AND 80".to_owned(),
        "adql_healpix_index(2, ra, dec) NOT BETWEEN 60 AND 80".to_owned(),
        "adql_healpix_index(1, ra, dec) IN (0, 3, 5, 17, 44)".to_owned(),
        "adql_healpix_index(1, ra, dec) NOT IN (0, 3, 5, 17, 44, 999, -1)".to_owned(),
        "adql_healpix_index(4, ra, dec) = 5000".to_owned(),
        "adql_healpix_index(4, ra, dec) < 0".to_owned(),
        "adql_healpix_index(4, ra, dec) >= 0".to_owned(),
        "CAST(adql_healpix_index(0, ra, dec) AS INT) = 1 + 3".to_owned(),
        "(adql_distance(ra, dec, 10, 20) < 1.5) IS NOT TRUE".to_owned(),
    ]
    .into()
}

#[test]
fn every_form_becomes_in_region_and_selects_the_same_rows() {
    let sky = Sky::new();
    let (plain, ruled) = (session(&sky, ALL, false), session(&sky, ALL, true));
    let narrow = session(&sky, WITHOUT_INDEX, true);
    for form in forms() {
        let sql = format!("SELECT id, ra FROM t WHERE {form} ORDER BY id");
        for session in [&ruled, &narrow] {
            let plan = optimized(session, &sql).display_indent().to_string();
            assert!(plan.contains("in_region("), "{form}:\n{plan}");
            for call in ["adql_contains(", "adql_intersects(", "adql_distance(", "adql_healpix"] {
                assert!(!plan.contains(call), "{form}:\n{plan}");
            }
        }
        assert_eq!(rows(&plain, &sql), rows(&ruled, &sql), "{form}");
    }
    let sql = format!("SELECT id, ra FROM t WHERE {} ORDER BY id", forms()[0]);
    assert_eq!(rows(&plain, &sql), rows(&narrow, &sql));
}

#[test]
fn the_forms_select_some_rows_and_not_all() {
    let sky = Sky::new();
    let session = session(&sky, ALL, true);
    let count = |form: &str| rows(&session, &format!("SELECT id FROM t WHERE {form}")).len();
    assert_eq!(count("adql_distance(ra, dec, 10, 20) < 0"), 0);
    assert_eq!(count("adql_distance(ra, dec, 10, 20) <= 0"), 1);
    let (open, closed) =
        (count("adql_distance(ra, dec, 10, 20) < 1"), count("adql_distance(ra, dec, 10, 20) <= 1"));
    assert_eq!(open + 1, closed);
    let without_place = 5;
    assert_eq!(
        count("adql_distance(ra, dec, 10, 20) <= 180"),
        sky.batch.num_rows() - without_place
    );
    for form in forms() {
        assert!(count(&form) < sky.batch.num_rows(), "{form}");
    }
}

#[test]
fn predicates_over_joins_subqueries_and_aliases_reach_the_scan() {
    let sky = Sky::new();
    let (plain, ruled) = (session(&sky, ALL, false), session(&sky, WITHOUT_INDEX, true));
    let near = "adql_contains(adql_point(a.ra, a.dec), adql_circle(10, 20, 1.5)) = 1";
    for sql in [
        format!("SELECT a.id, b.mag FROM t a JOIN u b ON a.id = b.id WHERE {near}"),
        format!("SELECT a.id FROM t AS a JOIN u b ON a.id = b.id AND {near}"),
        format!("SELECT a.id, b.id FROM t a LEFT JOIN u b ON a.id = b.id + 3 WHERE {near}"),
        format!("SELECT id FROM (SELECT * FROM t a WHERE {near}) x WHERE mag > 3"),
        "SELECT x.id FROM (SELECT id, ra AS r, dec AS d FROM t) x \
         WHERE adql_distance(r, d, 10, 20) < 1.5"
            .to_owned(),
        format!("SELECT id FROM u WHERE id IN (SELECT id FROM t a WHERE {near})"),
        format!(
            "SELECT id FROM u WHERE NOT EXISTS (SELECT 1 FROM t a WHERE a.id = u.id AND {near})"
        ),
        format!("SELECT count(*) FROM t a WHERE {near}"),
        format!("SELECT id FROM t WHERE id > (SELECT min(id) FROM u a WHERE {near}) AND id < 50"),
        format!("SELECT id FROM t a WHERE {near} UNION ALL SELECT id FROM u a WHERE {near}"),
        format!("SELECT mag, count(*) FROM t a WHERE {near} GROUP BY mag HAVING count(*) > 0"),
    ] {
        let plan = optimized(&ruled, &sql);
        let text = plan.display_indent().to_string();
        assert!(text.contains("in_region("), "{sql}:\n{text}");
        assert!(refuse_spatial_join(&plan).is_ok(), "{sql}");
        let (mut expected, mut found) = (rows(&plain, &sql), rows(&ruled, &sql));
        expected.sort();
        found.sort();
        assert_eq!(expected, found, "{sql}");
    }
}

#[test]
fn what_is_no_place_of_the_table_stays_as_it_is() {
    let sky = Sky::new();
    let (plain, ruled) = (session(&sky, ALL, false), session(&sky, ALL, true));
    for form in [
        "adql_distance(dec, ra, 10, 20) < 1.5",
        "adql_distance(ra + 1, dec, 10, 20) < 1.5",
        "adql_distance(ra, dec, 10, id / 100) < 1.5",
        "adql_distance(ra, dec, 10, 20) < mag",
        "adql_distance(ra, dec, 10, 20) = 0",
        "adql_distance(ra, dec, NULL, 20) < 1",
        "adql_contains(adql_point(ra, dec), adql_circle(10, 20, mag)) = 1",
        "adql_contains(adql_point(ra, dec), adql_circle(10, 20, 1)) < 5",
        "adql_contains(adql_circle(10, 20, 1), adql_circle(ra, dec, 1)) = 1",
        "adql_distance(CAST(ra AS INTEGER), dec, 10, 20) < 1.5",
    ] {
        let sql = format!("SELECT id FROM t WHERE {form} ORDER BY id");
        let plan = optimized(&ruled, &sql).display_indent().to_string();
        assert!(!plan.contains("in_region("), "{form}:\n{plan}");
        assert_eq!(rows(&plain, &sql), rows(&ruled, &sql), "{form}");
    }
}

#[test]
fn a_constant_out_of_range_ends_the_planning() {
    let sky = Sky::new();
    let session = session(&sky, ALL, true);
    for (form, part) in [
        ("adql_contains(adql_point(ra, dec), adql_circle(0, 0, -1)) = 1", "radius -1"),
        ("adql_contains(adql_point(ra, dec), adql_circle(0, 0, 0 - 1)) = 1", "radius -1"),
        ("adql_distance(ra, dec, 0, 91) < 1", "latitude 91"),
    ] {
        let sql = format!("SELECT id FROM t WHERE {form}");
        let error = super::block_on(async {
            session.sql(&sql).await.and_then(DataFrame::into_optimized_plan)
        });
        let error = error.unwrap_err().to_string();
        assert!(error.contains(part), "{form}: {error}");
    }
}

#[test]
fn the_rule_changes_a_plan_once() {
    let sky = Sky::new();
    let session = session(&sky, WITHOUT_INDEX, true);
    let sql = "SELECT id FROM t WHERE adql_distance(ra, dec, 10, 20) < 1.5 AND id > 3";
    let once = optimized(&session, sql);
    let again = session.state().optimize(&once).unwrap();
    assert_eq!(once.display_indent().to_string(), again.display_indent().to_string());
    let text = once.display_indent().to_string();
    // Once in the filter, once in what is offered to the scan.
    assert_eq!(text.matches("in_region(").count(), 2, "{text}");
}

#[test]
fn regions_are_described_as_adql() {
    let sky = Sky::new();
    let session = session(&sky, ALL, true);
    let sql = "SELECT id FROM t WHERE adql_distance(ra, dec, 10, 20) <= 1.5 AND id > 3";
    rows(&session, sql);
    let offered = Arc::clone(&sky.offered);
    assert_eq!(describe(&offered.lock().unwrap()), ["CIRCLE(10, 20, 1.5)"]);
}

#[test]
fn a_join_that_does_not_say_how_near_is_refused() {
    let sky = Sky::new();
    let session = session(&sky, ALL, true);
    let distance = "adql_distance(a.ra, a.dec, b.ra, b.dec)";
    let inside = "adql_contains(adql_point(a.ra, a.dec), adql_circle(b.ra, b.dec, 0.1))";
    for sql in [
        format!("SELECT a.id FROM t a JOIN u b ON {distance} > 0.1"),
        format!("SELECT a.id FROM t a, u b WHERE {inside} = 0"),
        format!("SELECT a.id FROM t a FULL JOIN u b ON {distance} < 0.1"),
        format!("SELECT a.id FROM t a, t b WHERE a.id < b.id AND ({inside} = 1 OR a.mag = b.mag)"),
        format!("SELECT a.id FROM t a JOIN u b ON {distance} < a.mag + b.mag"),
        format!("SELECT id FROM t a WHERE EXISTS (SELECT 1 FROM u b WHERE {distance} > 0.1)"),
        format!(
            "SELECT id FROM t a WHERE id = 3 OR EXISTS (SELECT 1 FROM u b WHERE {distance} < 0.1)"
        ),
        "SELECT a.id FROM t a JOIN u b ON \
         adql_intersects(adql_circle(a.ra, a.dec, 0.1), adql_circle(b.ra, b.dec, 0.1)) = 1"
            .to_owned(),
        format!(
            "SELECT a.id FROM t a LEFT JOIN u b ON a.mag > b.mag WHERE {distance} < 0.1 OR b.id IS NULL"
        ),
    ] {
        let error = refuse_spatial_join(&optimized(&session, &sql)).unwrap_err();
        assert_eq!(error.fault(), crate::Fault::NotEvaluable, "{sql}");
    }
    for sql in [
        format!("SELECT a.id FROM t a JOIN u b ON a.id = b.id WHERE {distance} < 0.1"),
        "SELECT a.id FROM t a, u b WHERE a.mag < b.mag AND b.id < 3".to_owned(),
        "SELECT a.id FROM t a, u b WHERE adql_distance(a.ra, a.dec, 1, 2) < b.mag".to_owned(),
    ] {
        assert!(refuse_spatial_join(&optimized(&session, &sql)).is_ok(), "{sql}");
    }
}
