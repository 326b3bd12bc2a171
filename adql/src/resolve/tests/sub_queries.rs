//! Sub-queries that are not evaluated, and those that are.

use super::{check_error, planned};
use crate::sample::rows;

fn check(text: &str, construct: &str, column: usize, advice: &str) {
    check_error(text, &format!("cannot evaluate {construct} at line 1, column {column}: {advice}"));
}

/// With a value of this select list, from rows of `stars` that depend on those of `obs`.
fn value(sub_query: &str) -> String {
    format!("SELECT a.id, ({sub_query}) AS r FROM obs AS a")
}

#[test]
fn values_of_several_rows() {
    let several = "it may have several rows; write MIN(ra) in it, or a LEFT JOIN";
    let depends = "a sub-query as a value that depends on a.id";
    check(&value("SELECT b.ra FROM stars AS b WHERE b.id = a.id"), depends, 15, several);
    check(&value("SELECT DISTINCT b.ra FROM stars AS b WHERE b.id = a.id"), depends, 15, several);
    check(
        &value("SELECT MAX(b.ra) FROM stars AS b WHERE b.id = a.id GROUP BY b.name"),
        &format!("GROUP BY in {depends}"),
        15,
        "it may have several rows; leave GROUP BY out, or write a JOIN",
    );
    check(
        &value("SELECT TOP 1 b.ra FROM stars AS b WHERE b.id = a.id ORDER BY b.ra"),
        "TOP in a sub-query that depends on a.id",
        15,
        "write MIN or MAX in it, or a JOIN and GROUP BY",
    );
    check(
        &value("SELECT MAX(b.ra) FROM stars AS b WHERE b.id = a.id ORDER BY 1"),
        "ORDER BY in a sub-query that depends on a.id",
        15,
        "leave it out: the order has no meaning there",
    );
    check(
        &value("SELECT MAX(b.ra) FROM stars AS b WHERE b.id = a.id OFFSET 1"),
        "OFFSET in a sub-query that depends on a.id",
        15,
        "write a JOIN and GROUP BY",
    );
}

#[test]
fn comparisons_with_the_query_around() {
    for (condition, what) in [
        ("b.ra > a.flux", "compares with a.flux by >"),
        ("b.id = a.id AND b.ra > a.flux", "compares with a.flux by >"),
        ("b.id = a.id OR b.id = 3", "tests a.id in OR"),
        ("1 = CONTAINS(POINT(b.ra, b.dec), CIRCLE(a.id, 20, 1))", "tests a.id otherwise than by ="),
    ] {
        let text = value(&format!("SELECT MAX(b.ra) FROM stars AS b WHERE {condition}"));
        let construct = format!("a sub-query as a value that {what}");
        check(&text, &construct, 15, "write a JOIN and GROUP BY");
    }
    check(
        &value("SELECT MAX(b.ra) FROM stars AS b WHERE b.id + 1 = a.id"),
        "a sub-query as a value that compares a.id with no column alone",
        15,
        "write a column of the sub-query alone on one side of =, or a JOIN and GROUP BY",
    );
    check(
        &value("SELECT SUM(b.ra * a.flux) + a.flux FROM stars AS b WHERE b.id = a.id"),
        "a.flux in the SELECT of a sub-query",
        15,
        "write it outside of the sub-query",
    );
    check(
        "SELECT a.id FROM obs AS a WHERE a.id IN (SELECT MAX(b.id) FROM stars AS b WHERE b.id > a.id)",
        "a sub-query with an aggregate that compares with a.id by >",
        42,
        "write a JOIN and GROUP BY",
    );
}

#[test]
fn places_of_sub_queries() {
    check(
        "SELECT CASE WHEN a.id IN (SELECT n FROM a.dup) THEN 1 END FROM obs AS a",
        "IN (SELECT …) in SELECT",
        27,
        "write a LEFT JOIN, and CASE WHEN a column of it IS NULL",
    );
    check(
        "SELECT 1 FROM obs AS a LEFT JOIN stars AS s ON EXISTS (SELECT n FROM a.dup AS d WHERE d.n = s.id)",
        "EXISTS (SELECT …) in ON of an outer join",
        56,
        "write the condition in a sub-query in FROM",
    );
    check(
        "SELECT a.id FROM obs AS a ORDER BY (SELECT MAX(n) FROM a.dup AS d WHERE d.n = a.id)",
        "a sub-query that depends on a.id in ORDER BY",
        37,
        "select it under a name, and order by that",
    );
    check(
        "SELECT MAX((SELECT MIN(n) FROM a.dup AS d WHERE d.n = a.id)) FROM obs AS a",
        "a sub-query that depends on a.id in an aggregate",
        13,
        "compute it in a sub-query in FROM",
    );
    check(
        "SELECT a.id FROM obs AS a WHERE EXISTS (SELECT id FROM stars WHERE id = a.id UNION SELECT 1 FROM obs)",
        "UNION in a sub-query that depends on a.id",
        41,
        "write a condition for each SELECT, and OR between them",
    );
    check(
        "SELECT a.id FROM obs AS a WHERE EXISTS \
         (SELECT 1 FROM stars AS b WHERE EXISTS (SELECT 1 FROM a.dup AS c WHERE c.n = a.id))",
        "a.id in a sub-query of a sub-query",
        117,
        "a sub-query names columns of its own tables and of the query directly around it: write a JOIN",
    );
    check_error(
        "SELECT id, (SELECT MAX(n) FROM a.dup WHERE n = obs.obs_id) FROM obs GROUP BY id",
        "obs_id is neither in GROUP BY nor in an aggregate: add it to GROUP BY, or write MIN(obs_id) at line 1, column 48",
    );
}

#[test]
fn sub_queries_that_are_evaluated() {
    for condition in [
        "EXISTS (SELECT TOP 1 1 FROM stars AS b WHERE b.id > a.id)",
        "a.id IN (SELECT b.id FROM stars AS b WHERE b.ra > a.flux) OR a.id = 1",
        "a.id NOT IN (SELECT TOP 1 b.id FROM stars AS b ORDER BY b.ra)",
        "NOT EXISTS (SELECT 1 FROM stars AS b WHERE b.id = a.id AND NOT EXISTS (SELECT 1 FROM a.dup AS c WHERE c.n = b.id))",
        "a.flux = (SELECT MIN(b.flux) FROM obs AS b WHERE b.id = a.id AND b.flux > 1)",
        "a.id > (SELECT MAX(b.id) + COUNT(*) FROM stars AS b WHERE b.id = a.id + 1)",
        "a.id = (SELECT COUNT(*) FROM (SELECT id FROM stars) AS b WHERE b.id = a.id)",
        "a.id = (SELECT n FROM a.dup)",
    ] {
        let text = format!("SELECT a.id FROM obs AS a WHERE {condition}");
        assert_eq!(planned(&text).map(|_| ()), Ok(()), "for {text}");
    }
}

#[test]
fn sub_queries_that_would_be_evaluated_wrongly() {
    let exists = "it always has a row; write EXISTS (SELECT 1 …)";
    let having = "write CASE around the sub-query, or a LEFT JOIN and GROUP BY";
    let offset = "write a JOIN and GROUP BY with HAVING COUNT(*)";
    let aggregate = "an aggregate without GROUP BY";
    let from = "obs AS b WHERE b.id = a.id";
    for (before, sub_query, after, what, advice) in [
        ("EXISTS (", "SELECT MAX(b.id) FROM", "", aggregate, exists),
        ("NOT EXISTS (", "SELECT COUNT(*) FROM", "", aggregate, exists),
        ("EXISTS (", "SELECT COUNT(*) FROM", "HAVING COUNT(*) < 2", aggregate, exists),
        ("EXISTS (", "SELECT 1 FROM", "OFFSET 1", "OFFSET", offset),
        ("EXISTS (", "SELECT TOP 2 1 FROM", "OFFSET 1", "OFFSET", offset),
        ("1 IN (", "SELECT COUNT(*) FROM", "HAVING COUNT(*) < 2", "HAVING", having),
        (
            "1 NOT IN (",
            "SELECT TOP 1 b.id FROM",
            "ORDER BY b.id",
            "TOP",
            "write a JOIN and GROUP BY",
        ),
        ("1 IN (", "SELECT b.id FROM", "OFFSET 1", "OFFSET", "write a JOIN and GROUP BY"),
        ("1 > (", "SELECT COUNT(*) FROM", "HAVING COUNT(*) > 0", "HAVING", having),
        ("1 > (", "SELECT MAX(b.id) FROM", "HAVING COUNT(*) = 0", "HAVING", having),
        ("1 > (", "SELECT MAX(b.id) FROM", "HAVING MAX(b.id) IS NULL", "HAVING", having),
    ] {
        let before = format!("SELECT a.id FROM stars AS a WHERE {before}");
        let text = format!("{before}{sub_query} {from} {after})");
        let construct = format!("{what} in a sub-query that depends on a.id");
        check(&text, &construct, before.len() + 1, advice);
    }
    for from in [
        "(SELECT b.id FROM obs AS b WHERE b.id = a.id) AS q",
        "obs AS b LEFT JOIN (stars AS s JOIN (SELECT id FROM obs WHERE id = a.id) AS q ON q.id = s.id) ON b.id = s.id",
        "stars AS s LEFT JOIN obs AS b ON b.id = s.id AND b.id = a.id",
    ] {
        let text = format!("SELECT a.id, (SELECT COUNT(*) FROM {from}) AS n FROM stars AS a");
        let advice = "write the condition in WHERE of the sub-query";
        check(&text, "a.id in FROM of a sub-query", 15, advice);
    }
}

#[test]
fn aggregates_that_depend_on_the_query_around() {
    for (condition, expected) in [
        ("EXISTS (SELECT COUNT(*) FROM obs AS b WHERE b.id = a.id HAVING COUNT(*) > 1)", "1"),
        ("EXISTS (SELECT MAX(b.id) FROM obs AS b WHERE b.id = a.id GROUP BY b.id)", "1 3"),
        ("EXISTS (SELECT MAX(b.id) FROM obs AS b WHERE b.id = 100)", "1 2 3 4 5"),
        ("EXISTS (SELECT 1 FROM obs AS b WHERE b.id = a.id OFFSET 0)", "1 3"),
        ("NOT EXISTS (SELECT TOP 0 1 FROM obs AS b WHERE b.id = a.id)", "1 2 3 4 5"),
        ("a.id IN (SELECT MAX(b.id) FROM obs AS b WHERE b.id = a.id) OR a.id = 5", "1 3 5"),
        ("2 IN (SELECT COUNT(*) FROM obs AS b WHERE b.id = a.id GROUP BY b.id)", "1"),
        ("0 = (SELECT COUNT(*) FROM obs AS b WHERE b.id = a.id)", "2 4 5"),
        ("0 IN (SELECT COUNT(*) FROM obs AS b WHERE b.id = a.id)", "2 4 5"),
        ("0 NOT IN (SELECT COUNT(*) - 1 FROM obs AS b WHERE b.id = a.id)", "1 2 4 5"),
        ("1 NOT IN (SELECT MIN(b.id) FROM obs AS b WHERE b.id = a.id)", "3"),
        ("5 = (SELECT 5 + 0 * COUNT(*) FROM obs AS b WHERE b.id = a.id)", "1 2 3 4 5"),
        ("a.id = (SELECT DISTINCT COUNT(*) + a.id FROM obs AS b WHERE b.id = a.id)", "2 4 5"),
        ("(SELECT MAX(b.obs_id) / COUNT(*) FROM obs AS b WHERE b.id = a.id) > 6", "3"),
        (
            "(SELECT MAX(b.id) FROM obs AS b WHERE b.id = a.id HAVING COUNT(*) > 1) IS NULL",
            "2 3 4 5",
        ),
    ] {
        let text = format!("SELECT a.id FROM stars AS a WHERE {condition} ORDER BY id");
        assert_eq!(rows(&text).map(|rows| rows.join(" ")), Ok(expected.to_owned()), "for {text}");
    }
}

/// `mag` has NaN, which is NULL, and NULL itself, and so has `flux`.
#[test]
fn lists_with_null() {
    let of_one = "(SELECT b.flux FROM obs AS b WHERE b.id = a.id)";
    let of_g = "(SELECT b.flux FROM obs AS b WHERE b.band = 'g')";
    for (condition, expected) in [
        (format!("a.mag NOT IN {of_one}"), "1 2 4 5"),
        (format!("NOT a.mag IN {of_one}"), "1 2 4 5"),
        (format!("2.5 NOT IN {of_one}"), "2 4 5"),
        (format!("2.5 IN {of_one}"), "1"),
        (format!("NOT (2.5 NOT IN {of_one} OR a.id = 5)"), "1"),
        (format!("NOT (a.id = 5 OR a.mag IN {of_one})"), "1 2 4"),
        (format!("a.mag NOT IN {of_g}"), ""),
        (format!("a.mag NOT IN {of_g} OR a.id = 5"), "5"),
        (format!("CASE WHEN a.mag NOT IN {of_g} THEN 1 ELSE 0 END = 0"), "1 2 3 4 5"),
        (format!("NOT (a.mag NOT IN {of_g} AND a.id < 3)"), "3 4 5"),
        ("a.mag NOT IN (SELECT flux FROM obs WHERE id > 100) AND a.id < 5".to_owned(), "1 2 3 4"),
        ("a.mag NOT IN (SELECT flux FROM obs WHERE id > 100) OR a.id = 5".to_owned(), "1 2 3 4 5"),
        ("a.mag NOT IN (SELECT flux FROM obs WHERE flux > 3) OR a.id = 4".to_owned(), "1 3 4 5"),
        (
            "a.id IN (SELECT n FROM a.dup JOIN obs AS b ON b.id = n AND b.flux < a.mag)".to_owned(),
            "1",
        ),
    ] {
        let text = format!("SELECT a.id FROM stars AS a WHERE {condition} ORDER BY id");
        assert_eq!(rows(&text).map(|rows| rows.join(" ")), Ok(expected.to_owned()), "for {text}");
    }
    let joined = "SELECT a.id FROM stars AS a JOIN a.dup ON n = a.id AND a.mag NOT IN";
    assert_eq!(rows(&format!("{joined} {of_one} ORDER BY id")).unwrap(), ["1", "2", "2"]);
}

#[test]
fn constants_in_group_by() {
    for (text, expected) in [
        ("SELECT 5 AS k, COUNT(*) FROM obs GROUP BY k", "5|4"),
        ("SELECT -5 AS k, COUNT(*) FROM obs GROUP BY 1", "-5|4"),
        ("SELECT 2 AS k, 2 AS j, COUNT(*) AS n FROM obs GROUP BY k, j", "2|2|4"),
        ("SELECT 2 AS k, COUNT(*) AS n, band FROM obs GROUP BY k, band ORDER BY n", "2|1|r 2|3|g"),
        ("SELECT 7 AS k FROM obs WHERE id = 100 GROUP BY k", ""),
        ("SELECT 3 - 2 AS k, COUNT(*) AS n FROM obs GROUP BY k", "1|4"),
        ("SELECT band, COUNT(*) AS n FROM obs GROUP BY band, 7 - 5 ORDER BY n", "r|1 g|3"),
    ] {
        assert_eq!(rows(text).map(|rows| rows.join(" ")), Ok(expected.to_owned()), "for {text}");
    }
}
