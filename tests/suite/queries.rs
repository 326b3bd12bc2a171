//! The queries of the suite, read from `queries/*.toml`.

use std::fmt;
use std::fs;

use tests::places;

/// A query with what is to be known of its answer.
#[derive(Debug)]
pub(crate) struct Query {
    pub(crate) name: String,
    topic: String,
    number: usize,
    pub(crate) adql: String,
    pub(crate) rows: Rows,
    /// No row is the right answer.
    pub(crate) empty: bool,
    pub(crate) reach: Reach,
}

/// Which rows answer a query, and in which order.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Rows {
    /// The same rows in any order.
    Unordered,
    /// ORDER BY determines the order (`ordered`).
    Ordered,
    /// TOP without ORDER BY: so many rows, any of those that `full` gives (`top`).
    Chosen(usize),
}

/// Which tiles a query reads.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Reach {
    /// Those of the whole of its tables.
    Whole,
    /// Those of a part of the sky, so that some owners may have nothing to do (`part`).
    Part,
    /// Perhaps none: statistics may answer it (`statistics`).
    Statistics,
}

impl fmt::Display for Query {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "[{}] {}\n    {}\n   ", self.topic, self.name, self.adql)
    }
}

impl Query {
    /// The file into which `oracle.py` writes the right answer.
    pub(crate) fn answer_file(&self) -> String {
        format!("{}-{}.csv", self.topic, self.number)
    }

    /// The tables of the shared folder that it names.
    pub(crate) fn tables(&self) -> Vec<&'static str> {
        let tables = [
            "opengc",
            "small_sky",
            "small_sky_xmatch",
            "small_sky_order1_collection",
            "small_sky_order1_source_collection",
        ];
        let text = self.adql.to_lowercase();
        let words: Vec<&str> = text.split(|c: char| !c.is_alphanumeric() && c != '_').collect();
        tables.into_iter().filter(|table| words.contains(table)).collect()
    }

    fn read(topic: &str, number: usize, entry: &toml::Table) -> Self {
        let text = |key: &str| entry.get(key).and_then(toml::Value::as_str).map(str::to_owned);
        let flag = |key: &str| entry.get(key).and_then(toml::Value::as_bool).unwrap_or_default();
        let known =
            ["name", "adql", "sql", "full", "ordered", "top", "empty", "part", "statistics"];
        let unknown = entry.keys().find(|key| !known.contains(&key.as_str()));
        assert!(unknown.is_none(), "{topic}.toml, query {number}: unknown key {unknown:?}");
        let top = entry.get("top").and_then(toml::Value::as_integer);
        Self {
            name: text("name").expect("a query has a name"),
            topic: topic.to_owned(),
            number,
            adql: text("adql").expect("a query has a text"),
            rows: match top {
                Some(rows) => Rows::Chosen(usize::try_from(rows).expect("a number of rows")),
                None if flag("ordered") => Rows::Ordered,
                None => Rows::Unordered,
            },
            empty: flag("empty"),
            reach: match (flag("part"), flag("statistics")) {
                (true, _) => Reach::Part,
                (false, true) => Reach::Statistics,
                (false, false) => Reach::Whole,
            },
        }
    }
}

/// All queries; `$TEST_QUERIES` chooses those whose topic or name holds a text.
pub(crate) fn load() -> Vec<Query> {
    let folder = places::repository().join("tests/suite/queries");
    let chosen = std::env::var("TEST_QUERIES").unwrap_or_default();
    let mut files: Vec<_> =
        fs::read_dir(&folder).expect("the queries are there").flatten().map(|e| e.path()).collect();
    files.sort();
    let mut queries = Vec::new();
    for file in files {
        let topic = file.file_stem().expect("a file has a name").to_string_lossy().into_owned();
        let text = fs::read_to_string(&file).expect("the file is readable");
        let parsed: toml::Table = toml::from_str(&text).unwrap_or_else(|e| panic!("{topic}: {e}"));
        let entries = parsed["query"].as_array().expect("a list of queries");
        for (number, entry) in entries.iter().enumerate() {
            let entry = entry.as_table().expect("a query is a table of keys");
            queries.push(Query::read(&topic, number, entry));
        }
    }
    queries.retain(|query| query.topic.contains(&chosen) || query.name.contains(&chosen));
    queries
}
