//! A query ends at its deadline, read or not.

use std::time::{Duration, Instant};

use coordinator::QueryOptions;
use futures::StreamExt;

use crate::in_process;

/// All triples of a table, which nobody waits for.
const ENDLESS: &str = "SELECT SUM(a.ra + b.ra + c.ra) FROM opengc AS a, opengc AS b, opengc AS c";

fn limited(seconds: u64) -> QueryOptions {
    QueryOptions { duration: Some(Duration::from_secs(seconds)), ..QueryOptions::default() }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_query_ends_at_its_deadline_and_says_so() {
    let Some(hats) = in_process::hats() else { return };
    let alone = in_process::alone(&hats.to_string_lossy()).await;
    let start = Instant::now();
    let mut rows = alone.engine.query(ENDLESS, limited(1)).await.unwrap().stream;
    let error = rows.next().await.unwrap().unwrap_err();
    assert!(error.to_string().contains("longer than the 1 s"), "{error}");
    assert!(rows.next().await.is_none(), "an error is the end");
    assert!(start.elapsed() < Duration::from_secs(20), "{:?}", start.elapsed());
}

/// Nobody polls the stream: the clock runs all the same.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_reader_that_stalls_does_not_stop_the_clock() {
    let Some(hats) = in_process::hats() else { return };
    let alone = in_process::alone(&hats.to_string_lossy()).await;
    let many = "SELECT a.ra, b.ra FROM opengc AS a, opengc AS b";
    let mut rows = alone.engine.query(many, limited(1)).await.unwrap().stream;
    assert!(rows.next().await.unwrap().is_ok());
    let running = || {
        let text = alone.engine.prometheus();
        let line = text.lines().find(|line| line.starts_with("armilla_queries_running "));
        line.unwrap().ends_with(" 1")
    };
    let start = Instant::now();
    while running() {
        assert!(start.elapsed() < Duration::from_secs(30), "the query still runs");
        tokio::task::yield_now().await;
    }
    let mut errors = 0;
    while let Some(batch) = rows.next().await {
        errors += usize::from(batch.is_err());
    }
    assert_eq!(errors, 1, "the rows are cut, and the end says so");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_query_that_is_quick_enough_is_whole() {
    let Some(hats) = in_process::hats() else { return };
    let alone = in_process::alone(&hats.to_string_lossy()).await;
    let count = alone.rows("SELECT COUNT(*) FROM opengc").await.unwrap();
    let mut rows = alone.engine.query("SELECT ra FROM opengc", limited(60)).await.unwrap().stream;
    let mut seen = 0;
    while let Some(batch) = rows.next().await {
        seen += batch.unwrap().num_rows();
    }
    assert_eq!(count, [seen.to_string()]);
}
