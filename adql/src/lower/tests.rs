//! Queries from text to rows, on tables of a few rows.

use crate::sample::{Sample, rows};
use crate::{Limits, plan};

mod casts;
mod counted;
mod integers;
mod long_lists;
mod soup;

/// The rows, or the error.
fn check(text: &str, expect: &str) {
    let answer = rows(text).map_or_else(|error| error, |rows| rows.join("; "));
    assert_eq!(answer, expect, "for {text}");
}

/// The rows in any order.
fn check_set(text: &str, expect: &str) {
    let answer = rows(text).map(|mut rows| {
        rows.sort();
        rows.join("; ")
    });
    assert_eq!(answer.unwrap_or_else(|error| error), expect, "for {text}");
}

#[test]
fn select_and_order() {
    check("SELECT id FROM stars ORDER BY id", "1; 2; 3; 4; 5");
    check("SELECT TOP 2 id FROM stars ORDER BY id DESC", "5; 4");
    check("SELECT TOP 2 id FROM stars ORDER BY id OFFSET 3", "4; 5");
    check("SELECT TOP 0 id FROM stars", "");
    check("SELECT id FROM stars ORDER BY 1 OFFSET 4", "5");
    check("SELECT id AS x FROM stars ORDER BY x DESC", "5; 4; 3; 2; 1");
    check("SELECT -id AS id FROM stars ORDER BY id", "-5; -4; -3; -2; -1");
    check("SELECT id FROM stars ORDER BY dec, -ra", "3; 4; 5; 2; 1");
    check("SELECT id FROM stars ORDER BY ABS(id - 3), id", "3; 2; 4; 1; 5");
    check("SELECT id, ABS(id - 3) AS d FROM stars ORDER BY d * 10, id", "3|0; 2|1; 4|1; 1|2; 5|2");
    check("SELECT DISTINCT band FROM obs ORDER BY band", "g; r");
    check("SELECT DISTINCT TOP 1 o.band FROM obs AS o ORDER BY o.band DESC", "r");
    check(
        "SELECT DISTINCT band FROM obs ORDER BY id",
        "with SELECT DISTINCT, ORDER BY takes selected columns only at line 1, column 40",
    );
    check(
        "SELECT id FROM stars ORDER BY 2",
        "ORDER BY 2 names no column: there are 1 at line 1, column 31",
    );
    check("SELECT mag FROM stars ORDER BY mag", "1.0; 5.0; 7.5; ; ");
    check("SELECT mag FROM stars ORDER BY mag DESC", "; ; 7.5; 5.0; 1.0");
}

#[test]
fn conditions() {
    let ids = |condition: &str| format!("SELECT id FROM stars WHERE {condition} ORDER BY id");
    check(&ids("mag > 0"), "1; 3; 5");
    check(&ids("NOT mag > 2"), "5");
    check(&ids("mag IS NULL"), "2; 4");
    check(&ids("mag BETWEEN 1 AND 5"), "1; 5");
    check(&ids("id IN (1, 3, 7)"), "1; 3");
    check(&ids("id NOT IN (1, 3)"), "2; 4; 5");
    check(&ids("name LIKE 'A%'"), "1; 3");
    check(&ids("name ILIKE 'a%'"), "1; 3; 4");
    check(&ids("name LIKE 'a\\b'"), "4");
    check(&ids("name LIKE '%' || '\\' || '%'"), "4");
    check(&ids("name LIKE 'A_b'"), "3");
    check(&ids("name = 'Beta'"), "");
    check(&ids("flag = 1"), "1; 4");
    check(&ids("0 = flag"), "2; 5");
    check(&ids("flag <> TRUE"), "2; 5");
    check(&ids("id = 1 OR id = 2 AND id = 3 OR id = 5"), "1; 5");
    check(&ids("id = 1 OR id = 2 OR id = 3 OR id = 4 AND mag > 0"), "1; 2; 3");
    check(&ids("1 = CONTAINS(POINT(ra, dec), CIRCLE(10, 20, 1))"), "1; 2");
    check(&ids("CONTAINS(POINT('ICRS', ra, dec), CIRCLE('', 0, 0, 1)) = 1"), "4; 5");
    check(&ids("0 = CONTAINS(POINT(ra, dec), CIRCLE(0, 0, 1))"), "1; 2; 3");
    check(&ids("DISTANCE(ra, dec, 10, 20) < 0.1"), "1");
    check(&ids("DISTANCE(POINT(ra, dec), POINT('ICRS', 0, 0)) <= 0.2"), "4; 5");
    check(&ids("1 = INTERSECTS(POINT(ra, dec), BOX(10, 20, 0.5, 0.5))"), "1");
    check(&ids("EXISTS (SELECT * FROM obs WHERE obs.id = stars.id)"), "1; 3");
    check(
        &ids("NOT EXISTS (SELECT * FROM obs AS stars2 WHERE stars2.id = stars.id AND band = 'g')"),
        "2; 4; 5",
    );
    check(&ids("id IN (SELECT id FROM obs WHERE band = 'g')"), "1; 3");
    check(&ids("id NOT IN (SELECT id FROM obs)"), "2; 4; 5");
    check(&ids("id = (SELECT MAX(id) FROM obs WHERE id < 9)"), "3");
    check(&ids("\"_healpix_29\" >= 0"), "1; 2; 3; 4; 5");
    check(&ids("\"Odd Name\" = 20"), "2");
}

#[test]
fn values() {
    let value = |expression: &str| format!("SELECT TOP 1 {expression} FROM tap_schema.tables");
    check(&value("1/2, -7/2, 1.0/2, .5, 12., 1e3, 1.E-1"), "0|-3|0.5|0.5|12.0|1000.0|0.1");
    check(&value("0.0/0.0, 1/0.0"), "|inf");
    check(&value("- - 3, +4, 2 - -1, 2 * 3 + 4"), "3|4|3|10");
    check(&value("'it''s' || ' ' || 5"), "it's 5");
    check(
        &value("MOD(-7, 3), SQRT(-1), LOG(1), TRUNCATE(2.567, 2), ROUND(-25, -1)"),
        "-1||0.0|2.56|-30.0",
    );
    check(&value("COALESCE(NULL, 3), LOWER('ABC'), UPPER('abc')"), "3|abc|ABC");
    check(
        &value("CASE WHEN n = 7 THEN 'seven' ELSE 'other' END, CASE n WHEN 1 THEN 1 END"),
        "seven|",
    );
    check(
        &value("CAST(2.7 AS INTEGER), CAST('12' AS BIGINT), CAST(1 AS REAL), CAST(n AS VARCHAR)"),
        "2|12|1.0|7",
    );
    check(
        &value("CAST('abcdef' AS VARCHAR(3)), CAST('abc' AS CHAR(5)), CAST('abc' AS CHAR)"),
        "abc|abc|abc",
    );
    check(&value("CAST('2021-01-14T11:25:00' AS TIMESTAMP)"), "2021-01-14T11:25:00");
    check(&value("CAST('9000-01-01' AS TIMESTAMP)"), "9000-01-01T00:00:00");
    check(&value("DISTANCE(10, 20, 10, 21), DISTANCE(POINT(10, 20), POINT(10, 21))"), "1.0|1.0");
    check(&value("COORD1(POINT(10, 20)), AREA(POINT(1, 2))"), "10.0|0.0");
    check("SELECT obs_id FROM obs WHERE taken > '1970-01-02' ORDER BY obs_id", "13; 14");
    check("SELECT obs_id FROM obs WHERE taken = CAST('1970-01-02T00:00:00Z' AS TIMESTAMP)", "12");
    check("SELECT (SELECT MAX(n) FROM a.dup) AS m FROM tap_schema.tables", "3");
}

#[test]
fn groups() {
    check(
        "SELECT COUNT(*), COUNT(mag), MIN(mag), MAX(mag), AVG(id), SUM(id) FROM stars",
        "5|3|1.0|7.5|3.0|15",
    );
    check("SELECT band, COUNT(*) AS n FROM obs GROUP BY band ORDER BY n", "r|1; g|3");
    check("SELECT band, COUNT(*) FROM obs GROUP BY band HAVING COUNT(*) > 1", "g|3");
    check("SELECT band AS b, COUNT(*) AS n FROM obs GROUP BY b HAVING n > 1 ORDER BY b", "g|3");
    check("SELECT band FROM obs GROUP BY 1 ORDER BY COUNT(*)", "r; g");
    check("SELECT id/2 AS half, COUNT(*) FROM stars GROUP BY id/2 ORDER BY 1", "0|1; 1|2; 2|2");
    check("SELECT COUNT(DISTINCT band), COUNT(ALL band) FROM obs", "2|4");
    check("SELECT COUNT(*) FROM stars WHERE id > 99", "0");
    check("SELECT band FROM obs WHERE id > 99 GROUP BY band", "");
    check("SELECT SUM(flux) FROM obs", "8.0");
    check("SELECT COUNT(*) FROM a.dup", "4");
    check("SELECT mag/0.0 AS x, COUNT(*) FROM stars GROUP BY mag/0.0 ORDER BY 2", "|2; inf|3");
}

#[test]
fn joins() {
    check_set(
        "SELECT s.id, o.obs_id FROM stars AS s JOIN obs AS o ON s.id = o.id",
        "1|11; 1|12; 3|13",
    );
    check_set("SELECT id, obs_id FROM stars JOIN obs USING (id)", "1|11; 1|12; 3|13");
    check_set("SELECT id, obs_id FROM stars NATURAL JOIN obs", "1|11; 1|12; 3|13");
    check_set("SELECT id, obs_id FROM stars NATURAL LEFT JOIN obs WHERE id < 3", "1|11; 1|12; 2|");
    check_set(
        "SELECT id, name FROM stars RIGHT OUTER JOIN obs USING (id) WHERE band = 'g'",
        "1|Alpha; 3|A_b; 9|",
    );
    check_set(
        "SELECT id, name, obs_id FROM stars FULL JOIN obs USING (id) WHERE id > 2",
        "3|A_b|13; 4|a\\b|; 5|100%|; 9||14",
    );
    check_set(
        "SELECT stars.id, obs.id FROM stars FULL JOIN obs USING (id) WHERE obs_id = 14",
        "|9",
    );
    check_set(
        "SELECT a.n, b.n FROM a.dup AS a, b.dup AS b WHERE a.n = b.n AND a.n = 3",
        "3|3; 3|3",
    );
    check_set("SELECT COUNT(*) FROM a.dup AS a CROSS JOIN b.dup AS b", "16");
    check_set("SELECT a.dup.n FROM a.dup, b.dup WHERE a.dup.n = b.dup.n AND b.dup.n = 2", "2; 2");
    check_set("SELECT x.n FROM a.dup AS x JOIN a.dup AS y ON x.n < y.n", "1; 1; 1; 2; 2");
    check_set(
        "SELECT q.id FROM (SELECT id, mag FROM stars WHERE mag > 1) AS q JOIN (obs JOIN tap_schema.tables ON n = 7) ON q.id = obs.id",
        "1; 1; 3",
    );
    check_set(
        "SELECT o.obs_id FROM stars AS s LEFT JOIN obs AS o ON s.id = o.id AND o.band = 'r' WHERE s.id < 3",
        "; 12",
    );
    check_set("SELECT * FROM a.dup AS x NATURAL JOIN b.dup AS y", "2; 2; 3; 3");
}

/// Columns of one name from two tables of a sub-query, compared with the query around it.
#[test]
fn columns_of_sub_queries_are_told_apart() {
    let pairs = "FROM a.dup AS x JOIN b.dup AS y ON x.n < y.n";
    check_set(
        &format!(
            "SELECT s.id FROM stars AS s WHERE EXISTS \
             (SELECT 1 {pairs} WHERE y.n = s.id AND x.n > s.id - 2)"
        ),
        "2; 3; 4",
    );
    check_set(
        &format!(
            "SELECT s.id FROM stars AS s WHERE s.id IN (SELECT y.n {pairs} WHERE x.n < s.id - 1)"
        ),
        "3; 4",
    );
    check_set(
        &format!(
            "SELECT s.id FROM stars AS s WHERE NOT EXISTS \
             (SELECT * {pairs} WHERE s.id = y.n AND EXISTS \
             (SELECT 1 FROM a.dup AS z WHERE z.n = x.n AND z.n > 1))"
        ),
        "1; 2; 5",
    );
    check_set(
        &format!(
            "SELECT s.id, (SELECT COUNT(*) {pairs} WHERE x.n = s.id AND y.n = s.id + 1) AS k \
             FROM stars AS s"
        ),
        "1|1; 2|4; 3|1; 4|0; 5|0",
    );
}

#[test]
fn sets_and_with() {
    check_set("SELECT n FROM a.dup UNION SELECT n FROM b.dup", "1; 2; 3; 4");
    check_set("SELECT n FROM a.dup UNION ALL SELECT n FROM b.dup", "1; 2; 2; 2; 3; 3; 3; 4");
    check_set("SELECT n FROM a.dup EXCEPT SELECT n FROM b.dup", "1");
    check_set("SELECT n FROM a.dup INTERSECT SELECT n FROM b.dup", "2; 3");
    check_set(
        "SELECT 1 FROM a.dup UNION SELECT n FROM a.dup INTERSECT SELECT n FROM b.dup",
        "1; 2; 3",
    );
    check("SELECT n FROM a.dup UNION SELECT n FROM b.dup ORDER BY n DESC OFFSET 1", "3; 2; 1");
    check(
        "SELECT n AS m FROM a.dup UNION SELECT n FROM b.dup ORDER BY ABS(m - 3), m",
        "3; 2; 4; 1",
    );
    check_set("SELECT TOP 1 n FROM a.dup UNION ALL SELECT TOP 2 n FROM tap_schema.tables", "1; 7");
    check_set(
        "(SELECT TOP 1 n FROM a.dup ORDER BY n) UNION (SELECT TOP 1 n FROM b.dup ORDER BY n DESC)",
        "1; 4",
    );
    check_set(
        "WITH q AS (SELECT n FROM a.dup WHERE n > 1), r AS (SELECT n FROM q WHERE n > 2) SELECT q.n FROM q, r",
        "2; 2; 3",
    );
    check_set(
        "WITH dup AS (SELECT 5 AS n FROM tap_schema.tables) SELECT n FROM DUP UNION SELECT n FROM dup",
        "5",
    );
    check(
        "SELECT n FROM a.dup UNION SELECT id, ra FROM stars",
        "the operands of UNION have 1 and 2 columns: they need the same number at line 1, column 27",
    );
}

#[test]
fn what_is_not_evaluated() {
    check(
        "SELECT REGION('ellipse 1 2 3 4') FROM stars",
        "REGION: cannot read 'ELLIPSE' in the text of a region: write POSITION, CIRCLE, BOX, POLYGON, or UNION of such, with degrees at line 1, column 8",
    );
    check(
        "SELECT ra, MOC('1/48') FROM stars",
        "MOC: cannot read '1/48' in the text of a region: a pixel of its order, or two as in 7-9 at line 1, column 12",
    );
    check(
        "SELECT POINT('GALACTIC', ra, dec) FROM stars",
        "cannot evaluate coordinate system 'GALACTIC' at line 1, column 8: positions are ICRS; leave the coordinate system out or write 'ICRS'",
    );
}

/// Plans on a stack of 2 MiB, as a thread of a server has.
fn plans(text: String) {
    let planning = std::thread::Builder::new().stack_size(2 << 20).spawn(move || {
        let query = plan(&text, &Sample::new(), &Limits::default());
        assert!(query.is_ok(), "{text:.200}: {:.300}", query.unwrap_err().to_string());
    });
    planning.unwrap().join().unwrap();
}

#[test]
fn the_longest_conditions_need_little_stack() {
    plans(format!("SELECT id FROM stars WHERE id = 0{}", " OR id = 1".repeat(999)));
    plans(format!("SELECT id FROM stars WHERE id = 0{}", " AND id = 1".repeat(999)));
}

#[test]
fn the_longest_sums_need_little_stack() {
    plans(format!("SELECT id{} FROM stars", " + id".repeat(256)));
    plans(format!("SELECT id FROM stars WHERE name{} = 'x'", " || name".repeat(256)));
}

#[test]
fn the_deepest_parentheses_need_little_stack() {
    plans(format!("SELECT id FROM stars WHERE {}id = 1{}", "(".repeat(64), ")".repeat(64)));
    plans(format!("SELECT {}id{} FROM stars", "ABS(".repeat(64), ")".repeat(64)));
    plans(format!("SELECT id FROM stars WHERE {} id = 1", "NOT ".repeat(64)));
    let (open, close) = ("CASE WHEN id = 1 THEN ", " END");
    plans(format!("SELECT {}id{} FROM stars", open.repeat(64), close.repeat(64)));
}

#[test]
fn the_deepest_derived_tables_need_little_stack() {
    let open = "(SELECT id FROM ".repeat(64);
    plans(format!("SELECT id FROM {open}stars{}", ") AS q".repeat(64)));
}

#[test]
fn the_deepest_sub_queries_end_soon() {
    let nested = |n: usize| {
        let open = "SELECT id FROM stars WHERE id IN (".repeat(n);
        format!("{open}SELECT 1 FROM obs{}", ")".repeat(n))
    };
    let start = std::time::Instant::now();
    plans(nested(8));
    println!("8 levels of sub-queries were planned in {:?}", start.elapsed());
    check(
        &nested(9),
        "the query has 9 levels of sub-queries in conditions, more than the limit of 8",
    );
}

#[test]
fn the_longest_unions_and_joins_need_little_stack() {
    plans(format!("SELECT n FROM a.dup{}", " UNION ALL SELECT n FROM b.dup".repeat(256)));
    let joins: String =
        (0..256).map(|i| format!(" JOIN a.dup AS t{i} ON t{i}.n = tables.n")).collect();
    plans(format!("SELECT tables.n FROM tap_schema.tables{joins}"));
}
