//! No text panics: tokens in any order are planned or refused with a place in the text.

use std::sync::Arc;

use proptest::prelude::*;

use super::Sample;
use crate::{Error, Limits, Schemas, plan};

/// Words and symbols, each of which begins, ends or disturbs some construct.
const TOKENS: &[&str] = &[
    "SELECT",
    "SELECT",
    "FROM",
    "FROM",
    "stars",
    "obs",
    "WHERE",
    "GROUP BY",
    "HAVING",
    "ORDER BY",
    "OFFSET",
    "TOP",
    "DISTINCT",
    "ALL",
    "AS",
    "JOIN",
    "LEFT",
    "FULL OUTER",
    "NATURAL",
    "CROSS",
    "ON",
    "USING",
    "UNION",
    "EXCEPT",
    "INTERSECT",
    "WITH",
    "CASE",
    "WHEN",
    "THEN",
    "ELSE",
    "END",
    "CAST",
    "AND",
    "OR",
    "NOT",
    "IN",
    "BETWEEN",
    "LIKE",
    "ILIKE",
    "IS",
    "NULL",
    "EXISTS",
    "TRUE",
    "REAL",
    "DOUBLE PRECISION",
    "VARCHAR(3)",
    "TIMESTAMP",
    "id",
    "ra",
    "dec",
    "mag",
    "name",
    "\"Odd Name\"",
    "q",
    "COUNT(*)",
    "MAX",
    "AVG",
    "ABS",
    "COALESCE",
    "POINT",
    "CIRCLE",
    "POLYGON",
    "BOX",
    "CONTAINS",
    "DISTANCE",
    "(",
    ")",
    "(",
    ")",
    ",",
    ".",
    "*",
    "+",
    "-",
    "/",
    "||",
    "=",
    "<>",
    "<",
    ">=",
    "1",
    "0",
    "2.5",
    "1e400",
    "99999999999999999999",
    "'x'",
    "''",
    "'ICRS'",
    ";",
    "--",
    "\n",
    "%",
    "\"",
    "'",
    "é",
    "_a",
    "LIMIT",
    "OVER",
    "?",
    "[",
    "{",
    "$1",
    "::",
    "/*",
];

/// Fragments that are likely to be valid next to each other.
const VALUES: &[&str] = &[
    "id",
    "stars.ra",
    "mag",
    "1",
    "-2.5",
    "'x'",
    "NULL",
    "MAX(ra)",
    "COUNT(*)",
    "ABS(dec)",
    "(SELECT MAX(id) FROM obs)",
    "DISTANCE(ra, dec, 1, 2)",
    "POINT(ra, dec)",
    "name || 'y'",
    "id / 0",
    "CASE WHEN mag > 1 THEN 2 END",
    "CAST(id AS VARCHAR(2))",
    "unknown",
    "flag",
    "\"_healpix_29\"",
];

fn judge(text: &str) {
    let schemas: Arc<dyn Schemas> = Arc::new(Sample::new());
    let Err(error) = plan(text, schemas.as_ref(), &Limits::default()) else { return };
    if let Error::Syntax { place, .. } = error {
        let lines = text.lines().count().max(1);
        let line = usize::try_from(place.line).unwrap();
        assert!((1..=lines + 1).contains(&line), "{place} of {text:?}");
    }
}

fn config(cases: u32) -> ProptestConfig {
    ProptestConfig { cases, failure_persistence: None, ..ProptestConfig::default() }
}

proptest! {
    #![proptest_config(config(4000))]

    #[test]
    fn any_tokens(tokens in prop::collection::vec(prop::sample::select(TOKENS), 0..40)) {
        judge(&tokens.join(" "));
    }

    #[test]
    fn any_characters(text in "\\PC{0,60}") {
        judge(&text);
        judge(&format!("SELECT {text} FROM stars"));
    }

    #[test]
    fn any_values(
        select in prop::collection::vec(prop::sample::select(VALUES), 1..4),
        [a, b, c, d] in prop::array::uniform4(prop::sample::select(VALUES)),
        distinct in prop::sample::select(&["", "DISTINCT", "TOP 3", "DISTINCT TOP 2"][..]),
        tail in prop::sample::select(&[
            "", "ORDER BY 1", "OFFSET 1", "GROUP BY id", "GROUP BY 1 HAVING COUNT(*) > 1",
            "ORDER BY mag, id DESC OFFSET 2", "UNION SELECT id FROM obs",
        ][..]),
    ) {
        judge(&format!(
            "SELECT {distinct} {} FROM stars WHERE {a} = {b} OR NOT {c} IN ({d}, {a}) {tail}",
            select.join(", "),
        ));
    }
}
