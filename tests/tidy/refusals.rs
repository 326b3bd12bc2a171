//! Each construct that is refused as not evaluable has a row in the page that tells what to write.

use crate::sources::{complain, sources};

const PAGE: &str = "coordinator/src/tap/not_evaluated.rs";

/// What may refuse a query.
const MEMBERS: [&str; 4] = ["adql/src/", "catalog/src/", "worker/src/", "coordinator/src/"];

/// How a refusal begins, in each of them.
const REFUSAL: &str = "Error::NotEvaluable {";

/// Files in which a construct is no text beside its refusal: how often, and what it is.
const ELSEWHERE: [(&str, usize, &[&str]); 7] = [
    // Its tests make one.
    ("worker/src/refusal.rs", 1, &[]),
    // Reads a refusal, and gives it a place.
    ("adql/src/check/call.rs", 2, &[]),
    ("adql/src/function/measure.rs", 1, &["AREA", "CENTROID"]),
    ("adql/src/function/relation.rs", 1, &["CONTAINS", "INTERSECTS"]),
    // A function that is declared and not registered: a service has none.
    ("adql/src/lower/expression.rs", 1, &[]),
    // What is to blame for a sub-query, or none is found to be.
    ("adql/src/lib.rs", 1, &["a sub-query that depends on the query around it"]),
    (
        "adql/src/resolve/sub_query/blame.rs",
        1,
        &["EXISTS (SELECT …) in SELECT", "HAVING in a sub-query that depends on a.id"],
    ),
];

/// How often a source refuses a query; a pattern that leaves fields out is no refusal.
fn refusals(text: &str) -> usize {
    let fields = text.split(REFUSAL).skip(1).filter_map(|after| after.split('}').next());
    fields.filter(|fields| !fields.contains("..")).count()
}

/// The texts that a source gives to constructs, with `…` for what is put in.
fn constructs(text: &str) -> Vec<String> {
    let after = text.split("construct: ").skip(1);
    let literals = after.filter_map(|after| {
        let after = after.strip_prefix("format!(").unwrap_or(after).trim_start();
        after.strip_prefix('"')?.split('"').next()
    });
    literals.map(without_values).collect()
}

fn without_values(literal: &str) -> String {
    let mut parts = literal.split('{');
    let first = parts.next().unwrap_or_default().to_owned();
    parts.fold(first, |text, part| {
        let (_, after) = part.split_once('}').unwrap_or_default();
        text + "…" + after
    })
}

/// Whether a row, in which `…` is any text or none, is of a construct.
fn is_of(row: &str, construct: &str) -> bool {
    let mut parts = row.split('…').map(str::trim);
    let first = parts.next().unwrap_or_default();
    let mut rest = construct.strip_prefix(first);
    for part in parts {
        rest = rest.and_then(|rest| rest.split_once(part)).map(|(_, after)| after);
    }
    rest.is_some_and(|rest| rest.is_empty() || row.ends_with('…'))
}

#[test]
fn each_construct_that_is_not_evaluated_has_a_row_in_its_page() {
    let sources = sources();
    let page = sources.iter().find(|source| source.name() == PAGE).expect("the page is there");
    let rows = constructs(&page.text);
    assert!(rows.len() > 9, "only {} rows were found", rows.len());
    let mut wrong = Vec::new();
    for source in &sources {
        let name = source.name();
        let is_test = name.contains("/tests/") || name.ends_with("tests.rs");
        let refusals = refusals(&source.text);
        if refusals == 0 || is_test || !MEMBERS.iter().any(|member| name.starts_with(member)) {
            continue;
        }
        let mut all = constructs(&source.text);
        let listed = ELSEWHERE.iter().find(|(file, ..)| *file == name);
        let none: (usize, &[&str]) = (0, &[]);
        let (elsewhere, named) = listed.map_or(none, |(_, count, named)| (*count, *named));
        if all.len() + elsewhere != refusals {
            wrong.push(format!(
                "{name}: {refusals} refusals, of which {} say their construct: ELSEWHERE tells of \
                 {elsewhere} others",
                all.len()
            ));
        }
        all.extend(named.iter().map(|construct| (*construct).to_owned()));
        let missing = all.iter().filter(|construct| !rows.iter().any(|row| is_of(row, construct)));
        wrong.extend(missing.map(|construct| format!("{name}: {construct}")));
    }
    complain(&format!("refusals without a row in {PAGE}"), &wrong);
}

#[test]
fn rows_are_compared_with_constructs() {
    assert_eq!(constructs("construct: format!(\"{op} ALL\"), construct: name"), ["… ALL"]);
    for (row, construct, expected) in [
        ("AREA", "AREA", true),
        ("AREA", "AREA of a moc", false),
        ("CAST(… AS …)", "CAST(… AS …)", true),
        ("… between columns of two tables", "DISTANCE between columns of two tables", true),
        ("… a sub-query …", "a sub-query as a value", true),
        ("… a sub-query …", "TOP in a sub-query", true),
        ("… a sub-query …", "a join", false),
    ] {
        assert_eq!(is_of(row, construct), expected, "{row}: {construct}");
    }
}
