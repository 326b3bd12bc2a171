//! The counters of a node, read from its Prometheus text.

use std::collections::BTreeMap;
use std::net::IpAddr;
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use reqwest::blocking::Client;

use crate::hosts::observer_of;

/// How long a question that was answered with no waits.
const POLL: Duration = Duration::from_millis(10);

/// A process that takes longer to tell its metrics is frozen.
const READ_TIMEOUT: Duration = Duration::from_secs(10);

/// A reading of a node's counters.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Counters {
    /// Tasks that this node executed.
    pub tasks: u64,
    /// Reads of tiles that its stores answered from its own folder.
    pub local_tiles: u64,
    /// Reads of tiles that its stores answered from elsewhere.
    pub origin_tiles: u64,
    /// Reads of tiles that a node refused because it holds none.
    pub refused_tiles: u64,
    /// Rows that went through the exact geometry test.
    pub exact_tests: u64,
}

impl Counters {
    /// Reads the counters at an address.
    ///
    /// # Panics
    /// When they cannot be read, or the counter of tasks is absent.
    pub fn read(url: &str) -> Self {
        let text = read(url).unwrap_or_else(|error| panic!("no metrics at {url}: {error}"));
        assert!(text.contains("armilla_tasks_executed_total"), "no counters at {url}: {text}");
        Self {
            tasks: sum(&text, "armilla_tasks_executed_total", ""),
            local_tiles: sum(&text, "armilla_tile_reads_total", r#"from="local""#),
            origin_tiles: sum(&text, "armilla_tile_reads_total", r#"from="origin""#),
            refused_tiles: sum(&text, "armilla_tile_reads_total", r#"from="refused""#),
            exact_tests: sum(&text, "armilla_exact_tests_total", ""),
        }
    }

    /// What was counted since an earlier reading.
    #[must_use]
    pub fn since(self, earlier: Self) -> Self {
        Self {
            tasks: self.tasks - earlier.tasks,
            local_tiles: self.local_tiles - earlier.local_tiles,
            origin_tiles: self.origin_tiles - earlier.origin_tiles,
            refused_tiles: self.refused_tiles - earlier.refused_tiles,
            exact_tests: self.exact_tests - earlier.exact_tests,
        }
    }
}

/// The metrics at an address as text, read from where no cut link is in the way.
///
/// # Errors
/// When nobody answers.
pub fn read(url: &str) -> Result<String, reqwest::Error> {
    let host = url.split_once("://").map_or("", |(_, rest)| rest);
    let host = host.split([':', '/']).next().unwrap_or_default();
    client(observer_of(host))?.get(url).send()?.error_for_status()?.text()
}

/// A client that asks from an address: made once, because each reads the roots of TLS.
fn client(from: Option<IpAddr>) -> Result<Client, reqwest::Error> {
    static CLIENTS: Mutex<BTreeMap<Option<IpAddr>, Client>> = Mutex::new(BTreeMap::new());
    let mut clients = CLIENTS.lock().unwrap_or_else(PoisonError::into_inner);
    if let Some(client) = clients.get(&from) {
        return Ok(client.clone());
    }
    // A connection that is kept would be to a process that may be gone.
    let client = Client::builder().timeout(READ_TIMEOUT).pool_max_idle_per_host(0);
    let client = client.local_address(from).build()?;
    clients.insert(from, client.clone());
    Ok(client)
}

/// Sums the samples of a metric whose labels hold a text.
pub fn sum(text: &str, metric: &str, label: &str) -> u64 {
    text.lines()
        .filter_map(|line| line.strip_prefix(metric))
        .filter(|rest| rest.starts_with(['{', ' ']) && rest.contains(label))
        .filter_map(|rest| rest.rsplit(' ').next())
        .filter_map(|value| value.parse::<u64>().ok())
        .sum()
}

/// Asks until the answer is yes or the time is over; the last answer.
pub fn eventually(timeout: Duration, mut question: impl FnMut() -> bool) -> bool {
    let deadline = Instant::now() + timeout;
    loop {
        if question() {
            return true;
        }
        if Instant::now() >= deadline {
            return false;
        }
        // Polling without a pause would take the time from those who are asked.
        std::thread::sleep(POLL);
    }
}

#[cfg(test)]
mod tests {
    use super::sum;

    const TEXT: &str = "# TYPE a counter\na_total 3\na_total_more 9\na_total{x=\"1\"} 4\nb{from=\"local\",t=\"x\"} 5\n";

    #[test]
    fn samples_are_summed_by_name_and_label() {
        assert_eq!(sum(TEXT, "a_total", ""), 7);
        assert_eq!(sum(TEXT, "b", "from=\"local\""), 5);
        assert_eq!(sum(TEXT, "b", "from=\"origin\""), 0);
    }
}
