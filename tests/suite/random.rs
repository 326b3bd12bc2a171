//! Random queries have the same answers from one process, from three workers and from DuckDB.
//!
//! `$TEST_RANDOM_QUERIES` says how many, `$TEST_RANDOM_SEED` the seed of the first; each further one
//! has the next seed, so that one that failed is asked alone by its seed and a count of 1.

use std::collections::BTreeMap;
use std::path::Path;
use std::time::Instant;

use tests::{Answer, Cluster, Server, Tap, places};

use crate::generator::{Pair, UPLOAD, upload};

/// As many as a minute and a half allows in a debug build on two cores.
const QUERIES: u64 = 250;

/// So much of a message is shown: a plan may be in it.
const SHOWN: usize = 600;

/// So many of a hundred may be refused, of what is valid and not evaluated.
const REFUSED_PERCENT_MAX: usize = 5;

/// How refusals of the kind `NotEvaluable` begin.
const NOT_EVALUABLE: &str = "cannot evaluate ";

#[test]
fn random_queries_have_one_answer() {
    let (Some(hats), Some(python)) = (places::hats(), places::python()) else { return };
    let (seed, count) = (setting("TEST_RANDOM_SEED", 1), setting("TEST_RANDOM_QUERIES", QUERIES));
    let pairs: Vec<Pair> = (seed..seed + count).map(Pair::of).collect();
    let started = Instant::now();
    let right = oracle(&python, &hats, &pairs);
    let told = started.elapsed();
    let serve = Server::serve(&hats, &[]);
    let cluster = Cluster::start(&hats);
    let (alone, together) = (Tap::new(serve.url()), cluster.tap());
    let started = Instant::now();
    // Two cores: both are asked at the same time.
    let (alone, together) = std::thread::scope(|scope| {
        let alone = scope.spawn(|| ask(&alone, &pairs));
        let together = ask(&together, &pairs);
        (alone.join().expect("one process was asked"), together)
    });
    let answered = started.elapsed();
    let mut tally = Tally::default();
    for (((pair, right), alone), together) in pairs.iter().zip(&right).zip(&alone).zip(&together) {
        tally.judge(pair, "one process", alone, right);
        tally.judge(pair, "three workers", together, right);
        tally.compare(pair, alone, together);
    }
    let brought = pairs.iter().filter(|pair| pair.adql.contains("TAP_UPLOAD.")).count();
    let empty = right.iter().filter(|answer| answer.rows.is_empty()).count();
    println!(
        "{count} random queries from seed {seed}: DuckDB {:.1} s, Armilla {:.1} s, {empty} without rows, \
         {brought} with a table of their own",
        told.as_secs_f64(),
        answered.as_secs_f64()
    );
    for (reason, times) in &tally.refused {
        println!("refused {times} times: {reason}");
    }
    tally.finish(pairs.len());
}

fn setting(name: &str, otherwise: u64) -> u64 {
    let number = |text: String| text.parse().unwrap_or_else(|_| panic!("{name} is no number"));
    std::env::var(name).map_or(otherwise, number)
}

/// DuckDB's answers, by the oracle of the written queries.
fn oracle(python: &Path, hats: &Path, pairs: &[Pair]) -> Vec<Answer> {
    let folders = [(); 2].map(|()| tempfile::tempdir().expect("a temporary folder"));
    let entry = |pair: &Pair| {
        let texts = [
            ("name", format!("seed {}: {}", pair.seed, pair.sql)),
            ("adql", pair.adql.clone()),
            ("sql", pair.sql.clone()),
        ];
        let texts = texts.map(|(key, text)| (key.to_owned(), toml::Value::String(text)));
        toml::Value::Table(texts.into_iter().collect())
    };
    let entries = toml::Value::Array(pairs.iter().map(entry).collect());
    let document = toml::Table::from_iter([("query".to_owned(), entries)]);
    let written = |name: &str, text: String| {
        std::fs::write(folders[0].path().join(name), text).expect("it is written");
    };
    written("random.toml", document.to_string());
    written(&format!("{UPLOAD}.csv"), upload());
    let [queries, answers] = folders.each_ref().map(|folder| folder.path().to_string_lossy());
    let arguments = [&hats.to_string_lossy(), queries.as_ref(), answers.as_ref()];
    if let Err(said) = places::run_python(python, "tests/suite/oracle.py", &arguments) {
        panic!("{said}");
    }
    let file = |at: usize| folders[1].path().join(format!("random-{at}.csv"));
    let read = |at| std::fs::read_to_string(file(at)).expect("DuckDB answered");
    (0..pairs.len()).map(|at| Answer::from_csv(&read(at))).collect()
}

fn ask(tap: &Tap, pairs: &[Pair]) -> Vec<Result<Answer, String>> {
    let csv = upload();
    let ask = |pair: &Pair| match pair.adql.contains("TAP_UPLOAD.") {
        true => tap.query_bringing(&pair.adql, (UPLOAD, &csv)),
        false => tap.query(&pair.adql),
    };
    pairs.iter().map(ask).collect()
}

/// What was wrong, and what was refused.
#[derive(Debug, Default)]
struct Tally {
    wrong: Vec<String>,
    refused: BTreeMap<String, usize>,
}

impl Tally {
    /// Judges an answer by DuckDB's.
    fn judge(&mut self, pair: &Pair, who: &str, said: &Result<Answer, String>, right: &Answer) {
        match said {
            Ok(answer) => self.difference(pair, &format!("{who} against DuckDB"), answer, right),
            Err(error) => match error.split_once(NOT_EVALUABLE) {
                Some((_, reason)) => {
                    let reason = format!("{who}: {}", without_place(reason));
                    *self.refused.entry(reason).or_default() += 1;
                }
                None => {
                    let shown: String = error.chars().take(SHOWN).collect();
                    self.complain(pair, &format!("{who}: {shown}"));
                }
            },
        }
    }

    fn compare(
        &mut self,
        pair: &Pair,
        alone: &Result<Answer, String>,
        together: &Result<Answer, String>,
    ) {
        let (Ok(alone), Ok(together)) = (alone, together) else { return };
        if alone.columns != together.columns {
            self.complain(pair, &format!("columns {:?}, {:?}", alone.columns, together.columns));
        }
        self.difference(pair, "one process against three workers", alone, together);
    }

    fn difference(&mut self, pair: &Pair, who: &str, one: &Answer, other: &Answer) {
        let difference = if one.columns.len() != other.columns.len() {
            Some(format!("columns {:?} against {:?}", one.columns, other.columns))
        } else if pair.ordered {
            one.difference_in_order(other)
        } else {
            one.difference(other)
        };
        if let Some(difference) = difference {
            self.complain(pair, &format!("{who}: {difference}"));
        }
    }

    fn complain(&mut self, pair: &Pair, what: &str) {
        let Pair { seed, adql, sql, .. } = pair;
        self.wrong.push(format!("seed {seed}: {what}\n    {adql}\n    {sql}"));
    }

    /// Ends the test.
    ///
    /// # Panics
    /// When an answer was wrong, or too many queries were refused.
    fn finish(&self, count: usize) {
        assert!(
            self.wrong.is_empty(),
            "{} complaints:\n{}",
            self.wrong.len(),
            self.wrong.join("\n")
        );
        let refused: usize = self.refused.values().sum();
        // Each query was asked twice.
        let most = 2 * count * REFUSED_PERCENT_MAX / 100;
        assert!(refused <= most, "{refused} answers are refusals, and {most} are the most");
    }
}

/// A reason without `at line 1, column 20`, which differs between queries.
fn without_place(reason: &str) -> String {
    let Some((construct, why)) = reason.split_once(": ") else { return reason.to_owned() };
    let construct = construct.split(" at line").next().unwrap_or(construct);
    format!("{construct}: {}", why.trim())
}
