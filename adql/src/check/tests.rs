//! Verdicts on texts, those of the IVOA's validator among them.

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;

use serde_json::Value;

use crate::{Limits, validate};

fn check(text: &str, expect: &str) {
    let answer = match validate(text, &[], &Limits::default()) {
        Ok(()) => "valid".to_owned(),
        Err(error) => error.to_string(),
    };
    assert_eq!(answer, expect, "for {text}");
}

#[test]
fn conditions_are_no_values() {
    check(
        "SELECT a FROM t WHERE CONTAINS(a, b)",
        "expected a condition, found CONTAINS(a, b): compare it, as in 1 = CONTAINS(a, b) at line 1, column 23",
    );
    check(
        "SELECT a FROM t WHERE flag",
        "expected a condition, found flag: compare it, as in flag = 1 at line 1, column 23",
    );
    check(
        "SELECT a = 1 FROM t",
        "expected a value, found the condition a …: write CASE WHEN … THEN 1 ELSE 0 END at line 1, column 8",
    );
    check(
        "SELECT a FROM t WHERE (a = 1) = 1",
        "expected a value, found the condition a …: write CASE WHEN … THEN 1 ELSE 0 END at line 1, column 24",
    );
    check(
        "SELECT a FROM t WHERE 1 < a <= 3",
        "1 < a <= 3 are two comparisons: write 1 < a AND a <= 3 at line 1, column 23",
    );
    check("SELECT a FROM t WHERE NOT a = 1 AND (b < 2 OR c IS NULL)", "valid");
    check("SELECT a FROM t WHERE flag = TRUE", "valid");
}

#[test]
fn extensions() {
    check("SELECT CASE WHEN a > 1 THEN 'x' ELSE 'y' END, CASE a WHEN 1 THEN 2 END FROM t", "valid");
    check("SELECT * FROM a CROSS JOIN b", "valid");
    check("SELECT a FROM t WHERE a = (SELECT MAX(a) FROM t)", "valid");
    check("SELECT a, * FROM t WHERE a + 1 IS NOT NULL", "valid");
    check("SELECT ROUND(a, b) FROM t", "valid");
}

#[test]
fn functions() {
    check("SELECT NAME_OF(a) FROM t", "unknown function NAME_OF at line 1, column 8");
    check("SELECT SQRTT(a) FROM t", "unknown function SQRTT at line 1, column 8; nearest: SQRT");
    check(
        "SELECT MAX(a, b) FROM t",
        "MAX takes one argument, not 2: write MAX(x) at line 1, column 8",
    );
    check("SELECT array_agg(a) FROM t", "unknown function array_agg at line 1, column 8");
    check(
        "SELECT SQRT(DISTINCT a) FROM t",
        "SQRT takes no DISTINCT or ALL: it is not an aggregate at line 1, column 8",
    );
    check(
        "SELECT SUM(*) FROM t",
        "SUM(*) is not part of ADQL: only COUNT(*) is at line 1, column 8",
    );
    check(
        "SELECT a FROM t WHERE COUNT(*) > 1",
        "the aggregate COUNT cannot stand in WHERE: write HAVING at line 1, column 23",
    );
    check(
        "SELECT MAX(MIN(a)) FROM t",
        "the aggregate MIN cannot stand in another aggregate at line 1, column 12",
    );
    check("SELECT COUNT(DISTINCT a), COUNT(ALL a), COUNT(*) FROM t", "valid");
    check(
        "SELECT dbo.f(a) FROM t",
        "the name of a function has no parts: dbo.f at line 1, column 8",
    );
    check(
        "SELECT \"SQRT\"(a) FROM t",
        "the name of a function is not written in quotes at line 1, column 8",
    );
    check("SELECT ABS() FROM t", "ABS takes one argument, not 0: write ABS(x) at line 1, column 8");
}

#[test]
fn geometry() {
    check("SELECT POINT(1, 2), POINT('ICRS', 1, 2), POINT(NULL, 1, 2) FROM t", "valid");
    check(
        "SELECT CIRCLE('ICRS', 1, 2) FROM t",
        "CIRCLE takes three numbers, or a center and a radius: write CIRCLE(lon, lat, radius) or CIRCLE(center, radius) at line 1, column 8",
    );
    check("SELECT CIRCLE(p, 2), CIRCLE(1, 2, 3), CIRCLE('', POINT(1, 2), 3) FROM t", "valid");
    check(
        "SELECT POLYGON(1, 2, 3, 4, 5) FROM t",
        "POLYGON takes three or more pairs of coordinates, not 5 numbers at line 1, column 8",
    );
    check(
        "SELECT DISTANCE(ivo_epoch_prop_pos(a, b, c, d, e, f, g, h), POINT(1, 2)) FROM t",
        "valid",
    );
    check("SELECT POLYGON(a, b, c), POLYGON(a, b, c, d, e, f) FROM t", "valid");
    check(
        "SELECT DISTANCE(1, 2, 3) FROM t",
        "DISTANCE takes two points or four numbers: write DISTANCE(p, q) or DISTANCE(lon1, lat1, lon2, lat2) at line 1, column 8",
    );
    check(
        "SELECT DISTANCE(1, 2) FROM t",
        "DISTANCE takes a geometry here, not 1 at line 1, column 17",
    );
    check(
        "SELECT POINT(1, 2) || 'a' FROM t",
        "POINT(1, 2) is a geometry, not a number or text at line 1, column 8",
    );
}

#[test]
fn queries() {
    check(
        "SELECT a FROM t JOIN u",
        "JOIN needs a condition: write JOIN … ON …, JOIN … USING (…) or NATURAL JOIN at line 1, column 22",
    );
    check(
        "SELECT a FROM (SELECT a FROM t)",
        "a sub-query in FROM needs a name: write (SELECT …) AS t at line 1, column 16",
    );
    check(
        "SELECT a FROM f(1)",
        "f(…) is no table: functions in FROM are not part of ADQL at line 1, column 15",
    );
    check(
        "SELECT a FROM 'x.parquet'",
        "'x.parquet' is a string: names are written \"x.parquet\" at line 1, column 15",
    );
    check(
        "SELECT a AS 'b' FROM t",
        "'b' is a string: names are written \"b\" at line 1, column 13",
    );
    check(
        "SELECT a AS real FROM t",
        "real is a reserved word of ADQL: write \"real\" at line 1, column 13",
    );
    check(
        "SELECT a FROM b.c.d.e",
        "b.c.d.e has too many parts: a table is catalog.schema.table at most at line 1, column 15",
    );
    check(
        "SELECT a FROM (WITH b AS (SELECT a FROM t) SELECT a FROM b) AS c",
        "WITH is allowed at the beginning of the whole query only at line 1, column 16",
    );
    check(
        "SELECT a FROM t UNION DISTINCT SELECT a FROM t",
        "UNION DISTINCT is not part of ADQL: write UNION or UNION ALL at line 1, column 32",
    );
    check(
        "SELECT a FROM t GROUP BY ALL",
        "GROUP BY takes columns and expressions at line 1, column 1",
    );
    check(
        "SELECT a FROM t WHERE a = ALL (SELECT a FROM t)",
        "expected a condition, found a = ALL(SELECT a FROM t): compare it with something at line 1, column 23",
    );
    check(
        "SELECT TOP 3 a FROM t UNION ALL (SELECT a FROM t ORDER BY a OFFSET 2) ORDER BY 1 OFFSET 4",
        "valid",
    );
    check("SELECT (a, b) FROM t", "(a, b) is not part of ADQL at line 1, column 9");
    check(
        "SELECT INTERVAL FROM t",
        "INTERVAL is a reserved word of ADQL: a column or table of that name is written \"INTERVAL\" at line 1, column 8",
    );
}

/// The name of a function in a declaration as `f(a INTEGER) -> REAL`.
fn declared_name(declaration: &str) -> &str {
    declaration.split('(').next().unwrap_or_default().trim()
}

/// A case of the validator: its file below `src/adql` and its number in that.
type Case = (String, u64);

/// The cases of whose verdict ours differs, each with a reason.
const DIVERGENCES: &str = include_str!("tests/divergences.tsv");

/// What `divergences.tsv` says of a case: whether we accept it.
fn listed() -> BTreeMap<Case, bool> {
    let mut listed = BTreeMap::new();
    for line in DIVERGENCES.lines().filter(|line| !line.is_empty() && !line.starts_with('#')) {
        let fields: Vec<&str> = line.split('\t').collect();
        let [ours, file, number, what, reason] = fields[..] else {
            panic!("five fields are separated by tabs, not in {line}");
        };
        assert!(!what.is_empty() && !reason.is_empty(), "{line} tells what and why");
        let accepted = match ours {
            "accepted" => true,
            "refused" => false,
            _ => panic!("a verdict is accepted or refused, not in {line}"),
        };
        assert!(!file.starts_with("ivoa/"), "the cases of group ivoa are judged as told: {line}");
        let number = number.parse().unwrap_or_else(|_| panic!("no number of a case in {line}"));
        let twice = listed.insert((file.to_owned(), number), accepted);
        assert!(twice.is_none(), "{file} {number} is listed twice");
    }
    listed
}

/// The cases of whose verdict ours differs, each with whether we accept it, its text and our answer.
fn differing(cases: &[Value]) -> BTreeMap<Case, (bool, String)> {
    let differing = cases.iter().filter_map(|case| {
        let udfs: Vec<&str> = case["udfs"].as_array()?.iter().filter_map(Value::as_str).collect();
        let names: Vec<&str> = udfs.into_iter().map(declared_name).collect();
        let text = case["text"].as_str()?;
        let file = case["file"].as_str()?.trim_start_matches("src/adql/").to_owned();
        let (number, valid) = (case["n"].as_u64()?, case["valid"].as_bool()?);
        let answer = validate(text, &names, &Limits::default());
        let accepted = answer.is_ok();
        let why = answer.map_or_else(|error| error.to_string(), |()| "valid".to_owned());
        (accepted != valid).then(|| ((file, number), (accepted, format!("{text:?}: {why}"))))
    });
    differing.collect()
}

/// The cases of the IVOA's validator have its verdicts: those of group `ivoa` all, those of GAVO and
/// ROE all but the listed ones, and these the other one.
#[test]
fn verdicts_of_the_validator() {
    let path = Path::new("../../shared/conformance/adql/lyonetia.json");
    let Ok(text) = fs::read_to_string(path) else {
        println!("SKIPPED: {} is absent, no verdict was compared", path.display());
        return;
    };
    let cases: Vec<Value> = serde_json::from_str(&text).expect("the file is a list");
    let (differing, listed) = (differing(&cases), listed());
    for (group, count) in [("ivoa", 196), ("gavo", 288), ("roe", 11)] {
        let of_group = cases.iter().filter(|case| case["group"] == group).count();
        let folder = format!("{group}/");
        let others = differing.keys().filter(|(file, _)| file.starts_with(&folder)).count();
        println!("{group}: {} of {of_group} verdicts agree", of_group - others);
        assert_eq!(of_group, count, "number of cases of {group}");
    }
    let mut wrong = Vec::new();
    for (case, (accepted, answer)) in &differing {
        if listed.get(case) != Some(accepted) {
            let ours = if *accepted { "accepted" } else { "refused" };
            wrong.push(format!("{case:?} is {ours}, and not listed so: {answer}"));
        }
    }
    for case in listed.keys().filter(|case| !differing.contains_key(*case)) {
        wrong.push(format!("{case:?} is listed, and no such verdict differs"));
    }
    assert!(wrong.is_empty(), "{} complaints:\n{}", wrong.len(), wrong.join("\n"));
}
