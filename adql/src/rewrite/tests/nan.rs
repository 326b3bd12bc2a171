//! NaN is NULL: in comparisons, aggregates, order, joins and output.

use super::{ALL, Sky, rows, session};

/// `mag` is NaN or NULL in rows 0, 1, 5, 6, ….
#[test]
fn nan_is_null_to_every_construct() {
    let sky = Sky::new();
    let session = session(&sky, ALL, true);
    let query = |sql: &str| rows(&session, sql);
    let total = sky.batch.num_rows();
    let missing = (0..total).filter(|i| i % 5 < 2).count();
    let number = |sql: &str| query(sql)[0].parse::<usize>().unwrap();
    assert_eq!(number("SELECT count(*) FROM t WHERE mag IS NULL"), missing);
    assert_eq!(number("SELECT count(mag) FROM t"), total - missing);
    assert_eq!(number("SELECT count(*) FROM t WHERE mag > 0 OR mag <= 0"), total - missing);
    assert_eq!(number("SELECT count(*) FROM t WHERE NOT mag > 0"), 0);
    assert_eq!(number("SELECT count(*) FROM t WHERE mag = mag"), total - missing);
    assert_eq!(number("SELECT count(*) FROM t a JOIN u b ON a.mag = b.mag"), total - missing);
    assert_eq!(number("SELECT count(*) FROM t WHERE mag IN (SELECT mag FROM u)"), total - missing);
    assert_eq!(number("SELECT count(DISTINCT mag) FROM t"), total - missing);
    let greatest = (0..total).rev().find(|i| i % 5 >= 2).unwrap();
    assert_eq!(query("SELECT max(mag) FROM t"), [format!("{:?}", greatest as f32 / 10.0)]);
    assert_eq!(query("SELECT min(mag) FROM t"), ["0.2"]);
    assert!(!query("SELECT avg(mag) FROM t")[0].contains("NaN"));
    assert_eq!(query("SELECT mag FROM t WHERE id < 4 ORDER BY id"), ["", "", "0.2", "0.3"]);
    let first = query("SELECT id FROM t WHERE id < 5 ORDER BY mag DESC NULLS LAST LIMIT 3");
    assert_eq!(first, ["4", "3", "2"]);
    let groups = query("SELECT count(*) FROM t WHERE id < 10 GROUP BY mag ORDER BY 1 DESC");
    assert_eq!(groups[0], "4");
}

#[test]
fn a_table_without_floats_is_scanned_as_it_is() {
    let sky = Sky::new();
    let table = &sky.tables[0];
    let source = crate::schema::Schemas::source(sky.as_ref(), &table.name, &[0, 4]).unwrap();
    let guarded = super::guarded_source(table, &[0, 4], std::sync::Arc::clone(&source));
    assert!(std::sync::Arc::ptr_eq(&guarded, &source));
}

#[test]
fn a_limit_counts_only_rows_that_match() {
    let sky = Sky::new();
    let session = session(&sky, ALL, true);
    assert_eq!(rows(&session, "SELECT id FROM t WHERE mag > 50 LIMIT 7").len(), 7);
    assert_eq!(rows(&session, "SELECT id FROM t WHERE mag < 20 LIMIT 9").len(), 9);
}
