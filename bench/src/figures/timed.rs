//! Times of one measure: their median and 95th percentile.

use std::fmt;
use std::time::Duration;

/// Sorted times.
#[derive(Debug, Clone)]
pub(crate) struct Timed(Vec<Duration>);

impl Timed {
    pub(crate) fn new(mut times: Vec<Duration>) -> Self {
        times.sort_unstable();
        Self(times)
    }

    pub(crate) fn median(&self) -> Duration {
        self.at(50)
    }

    fn at(&self, percent: usize) -> Duration {
        self.0.get(self.0.len() * percent / 100).copied().unwrap_or_default()
    }
}

/// Median by median.
pub(crate) fn ratio(a: &Timed, b: &Timed) -> f64 {
    a.median().as_secs_f64() / b.median().as_secs_f64()
}

impl fmt::Display for Timed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let ms = |time: Duration| time.as_secs_f64() * 1e3;
        let (median, p95, count) = (ms(self.median()), ms(self.at(95)), self.0.len());
        write!(f, "median {median:.2} ms, p95 {p95:.2} ms ({count} runs)")
    }
}
