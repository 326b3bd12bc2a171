//! One process and three workers that share nothing give the same answers, and the right ones.
//!
//! Every query of `queries/` is answered by `armilla serve`, by a coordinator with three isolated workers,
//! and by DuckDB from the Parquet files themselves (`oracle.py`); all three must be equal.
//! Beside the answer the work is checked: who executed tasks, who opened tiles, and that nobody looked elsewhere.

mod errors;
mod generator;
mod queries;
mod random;
mod work;

use std::path::Path;
use std::time::Instant;

use queries::{Query, Rows, load};
use tests::{Answer, Cluster, Server, Tap, places};
use work::Work;

/// What the issue asks for at least.
const SHAPES_MIN: usize = 60;

#[test]
fn one_process_three_workers_and_duckdb_agree() {
    let (Some(hats), Some(python)) = (places::hats(), places::python()) else { return };
    let queries = load();
    let right = oracle(&python, &hats, &queries);
    let serve = Server::serve(&hats, &[]);
    let cluster = Cluster::start(&hats);
    let (one, three) = (Tap::new(serve.url()), cluster.tap());
    let started = Instant::now();
    let mut wrong = Vec::new();
    for (query, right) in queries.iter().zip(&right) {
        let alone = one.query(&query.adql);
        let work = Work::begin(&cluster);
        let together = three.query(&query.adql);
        let said = [
            judge(query, "one process", alone.as_ref(), right),
            judge(query, "three workers", together.as_ref(), right),
            compare(query, alone.as_ref(), together.as_ref()),
            if together.is_ok() { work.judge(&cluster, query) } else { None },
        ];
        wrong.extend(said.into_iter().flatten().map(|said| format!("{query}: {said}")));
    }
    println!("{} query shapes in {:.1} s", queries.len(), started.elapsed().as_secs_f64());
    assert!(wrong.is_empty(), "{} complaints:\n{}", wrong.len(), wrong.join("\n"));
}

#[test]
fn the_suite_holds_the_shapes_that_it_promises() {
    let queries = load();
    let mut names: Vec<&str> = queries.iter().map(|query| query.name.as_str()).collect();
    names.sort_unstable();
    names.dedup();
    assert!(names.len() >= SHAPES_MIN, "{} different names", names.len());
    assert_eq!(names.len(), queries.len(), "every query has a name of its own");
}

/// DuckDB's answers, in the order of the queries.
fn oracle(python: &Path, hats: &Path, queries: &[Query]) -> Vec<Answer> {
    let output = tempfile::tempdir().expect("a temporary folder");
    let texts = places::repository().join("tests/suite/queries");
    let folders = [hats, &texts, output.path()].map(|folder| folder.to_string_lossy().into_owned());
    let folders = folders.each_ref().map(String::as_str);
    if let Err(said) = places::run_python(python, "tests/suite/oracle.py", &folders) {
        panic!("{said}");
    }
    let read = |query: &Query| std::fs::read_to_string(output.path().join(query.answer_file()));
    queries.iter().map(|q| Answer::from_csv(&read(q).expect("DuckDB answered"))).collect()
}

/// What is wrong with an answer, by DuckDB's.
fn judge(
    query: &Query,
    who: &str,
    said: Result<&Answer, &String>,
    right: &Answer,
) -> Option<String> {
    let answer = match said {
        Ok(answer) => answer,
        Err(error) => return Some(format!("{who}: {error}")),
    };
    if query.empty != right.rows.is_empty() {
        return Some(format!("DuckDB has {} rows: set or unset `empty`", right.rows.len()));
    }
    if answer.columns.len() != right.columns.len() {
        return Some(format!("{who} has columns {:?}, DuckDB {:?}", answer.columns, right.columns));
    }
    let difference = match query.rows {
        Rows::Chosen(rows) if answer.rows.len() != rows => {
            Some(format!("{} rows in place of {rows}", answer.rows.len()))
        }
        Rows::Chosen(_) => answer.rows_missing_in(right),
        Rows::Ordered => answer.difference_in_order(right),
        Rows::Unordered => answer.difference(right),
    };
    difference.map(|difference| format!("{who} against DuckDB: {difference}"))
}

/// How one process and three workers differ; the rows of a TOP without ORDER BY may.
fn compare(
    query: &Query,
    one: Result<&Answer, &String>,
    three: Result<&Answer, &String>,
) -> Option<String> {
    let (Ok(one), Ok(three)) = (one, three) else { return None };
    if one.columns != three.columns {
        return Some(format!("columns {:?} against {:?}", one.columns, three.columns));
    }
    let difference = match query.rows {
        Rows::Chosen(_) if one.rows.len() == three.rows.len() => None,
        Rows::Chosen(_) => Some(format!("{} rows against {}", one.rows.len(), three.rows.len())),
        Rows::Ordered => one.difference_in_order(three),
        Rows::Unordered => one.difference(three),
    };
    difference.map(|difference| format!("one process against three workers: {difference}"))
}
