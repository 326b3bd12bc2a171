//! Instants of a job: kept to the millisecond, written as UWS 1.1 §2.2.1 wants (UTC, `T`, `Z`).

use std::fmt;
use std::str::FromStr;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use datafusion::arrow::array::timezone::Tz;
use datafusion::arrow::compute::kernels::cast_utils::string_to_datetime;

use crate::format::datetime::push_timestamp;

/// The years 1 to 9999: beyond, clients cannot read a time.
const RANGE: std::ops::Range<i64> = -62_135_596_800_000..253_402_300_800_000;

/// Milliseconds since 1970 (UTC).
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Moment(i64);

impl Moment {
    /// The present.
    pub fn now() -> Self {
        let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        Self(i64::try_from(since.as_millis()).unwrap_or(i64::MAX))
    }

    /// From what [`Self::millis`] gave.
    pub fn from_millis(millis: i64) -> Self {
        Self(millis)
    }

    /// Milliseconds since 1970.
    pub fn millis(self) -> i64 {
        self.0
    }

    /// So many seconds later.
    #[must_use]
    pub fn plus_seconds(self, seconds: u32) -> Self {
        Self(self.0.saturating_add(i64::from(seconds) * 1000))
    }

    /// The time from now until then; zero where it has passed.
    pub fn from_now(self) -> Duration {
        let millis = self.0.saturating_sub(Self::now().0);
        Duration::from_millis(u64::try_from(millis).unwrap_or_default())
    }
}

impl fmt::Display for Moment {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut text = String::with_capacity(24);
        push_timestamp(&mut text, self.0, 1000);
        write!(f, "{text}Z")
    }
}

/// The text is no instant.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct NoMoment;

/// Reads ISO 8601; a time without a zone is in UTC.
impl FromStr for Moment {
    type Err = NoMoment;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let utc: Tz = "+00:00".parse().map_err(|_| NoMoment)?;
        let read = string_to_datetime(&utc, text.trim()).map_err(|_| NoMoment)?;
        let millis = read.timestamp_millis();
        if RANGE.contains(&millis) { Ok(Self(millis)) } else { Err(NoMoment) }
    }
}
