//! Hard positions and hard values: the answers of the service against a brute-force oracle in astropy and numpy.
//!
//! `tables.py` writes HATS tables whose rows lie at poles, on RA 0, on borders of tiles, or nowhere (NaN, NULL), and
//! computes from the very arrays what each query must answer. The service must give that with pruning on and
//! off, in one process and on three workers; and pruning must indeed prune.

use std::fs;
use std::path::Path;

use serde_json::Value;
use tempfile::TempDir;
use tests::metrics::Counters;
use tests::{Answer, Cluster, Server, Tap, places};

/// A cone of this radius tests fewer than this part of its rows exactly.
const CONE_RADIUS_DEG: f64 = 10.0;
const EXACT_PART_MAX: f64 = 0.05;

#[derive(Debug)]
struct Expected {
    name: String,
    adql: String,
    answer: Answer,
    order: String,
}

impl Expected {
    fn read(value: &Value) -> Self {
        let text = |key: &str| value[key].as_str().expect("a text").to_owned();
        let cells = |row: &Value| {
            let cells = row.as_array().expect("a row");
            cells.iter().map(|cell| cell.as_str().expect("a cell").to_owned()).collect()
        };
        let rows = value["rows"].as_array().expect("rows").iter().map(cells).collect();
        let answer = Answer { columns: Vec::new(), rows };
        Self { name: text("name"), adql: text("adql"), answer, order: text("order") }
    }

    /// What is wrong with an answer, if anything.
    fn judge(&self, answer: Result<Answer, String>) -> Option<String> {
        let answer = match answer {
            Ok(answer) => answer,
            Err(said) => return Some(said),
        };
        match self.order.strip_prefix("choose ") {
            Some(most) => {
                let most = most.parse::<usize>().expect("a number").min(self.answer.rows.len());
                let short = format!("{} rows in place of {most}", answer.rows.len());
                let missing = answer.rows_missing_in(&self.answer);
                if answer.rows.len() == most { missing } else { Some(short) }
            }
            None if self.order == "exact" => answer.difference_in_order(&self.answer),
            None => answer.difference(&self.answer),
        }
    }
}

/// Tables with their expected answers, written for this process.
fn hard_tables(python: &Path) -> (TempDir, Vec<Expected>) {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let path = folder.path().to_string_lossy().into_owned();
    if let Err(said) = places::run_python(python, "tests/sky/tables.py", &[&path, "20261120"]) {
        panic!("{said}");
    }
    let text = fs::read_to_string(folder.path().join("expected.json")).expect("it was written");
    let values: Value = serde_json::from_str(&text).expect("it is JSON");
    let expected = values.as_array().expect("a list").iter().map(Expected::read).collect();
    (folder, expected)
}

fn judge_all(who: &str, tap: &Tap, expected: &[Expected]) -> Vec<String> {
    let wrong: Vec<String> = expected
        .iter()
        .filter_map(|case| Some((case, case.judge(tap.query(&case.adql))?)))
        .map(|(case, said)| format!("{who}: {}\n    {}\n    {said}", case.name, case.adql))
        .collect();
    let counts = format!("{who}: {} of {} answers are wrong", wrong.len(), expected.len());
    if wrong.is_empty() { wrong } else { [vec![counts], wrong].concat() }
}

/// Ends the test with the first of the complaints; a systematic mistake has hundreds.
fn complain(wrong: &[String]) {
    let shown: Vec<&str> = wrong.iter().take(30).map(String::as_str).collect();
    assert!(wrong.is_empty(), "{} complaints:\n{}", wrong.len(), shown.join("\n"));
}

#[test]
fn pruned_and_unpruned_answers_are_those_of_brute_force() {
    let Some(python) = places::python() else { return };
    let (folder, expected) = hard_tables(&python);
    let tables = folder.path().join("tables");
    let pruned = Server::serve(&tables, &[]);
    let unpruned = Server::serve(&tables, &["--prune", "false"]);
    let mut wrong = judge_all("pruned", &Tap::new(pruned.url()), &expected);
    wrong.extend(judge_all("not pruned", &Tap::new(unpruned.url()), &expected));
    complain(&wrong);
    let opened = |server: &Server| Counters::read(&server.metrics_url()).local_tiles;
    // Reads, of which a tile with matching rows takes two or three and one without them takes one:
    // footers are kept.
    let (few, many) = (opened(&pruned), opened(&unpruned));
    assert!(many > 0 && few < many * 9 / 10, "pruning left {few} of {many} reads");
}

#[test]
fn three_workers_give_the_answers_of_brute_force() {
    let Some(python) = places::python() else { return };
    let (folder, expected) = hard_tables(&python);
    let cluster = Cluster::start(&folder.path().join("tables"));
    complain(&judge_all("three workers", &cluster.tap(), &expected));
    let workers = cluster.worker_counters();
    assert!(workers.iter().all(|worker| worker.origin_tiles == 0), "{workers:?}");
    let coordinator = cluster.coordinator_counters();
    assert_eq!((coordinator.local_tiles, coordinator.origin_tiles), (0, 0));
}

#[test]
fn a_cone_tests_few_of_its_rows_exactly() {
    let Some(hats) = places::hats() else { return };
    let server = Server::serve(&hats, &[]);
    let tap = Tap::new(server.url());
    let (mut rows, before) = (0, Counters::read(&server.metrics_url()));
    for (lon, lat) in [(187.7, 12.4), (83.8, -69.0), (15.0, 2.0), (280.0, -25.0), (120.0, 85.0)] {
        let cone = format!("CIRCLE({lon}, {lat}, {CONE_RADIUS_DEG})");
        let adql = format!("SELECT name FROM opengc WHERE CONTAINS(POINT(ra, dec), {cone}) = 1");
        rows += tap.query(&adql).unwrap_or_else(|said| panic!("{said}")).rows.len();
    }
    let exact = Counters::read(&server.metrics_url()).since(before).exact_tests;
    let most = (rows as f64) * EXACT_PART_MAX;
    assert!(rows > 1000, "cones of {rows} rows say little");
    assert!(exact > 0 && (exact as f64) < most, "{exact} exact tests for {rows} rows");
}
