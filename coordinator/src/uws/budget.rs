//! The bytes that all jobs together may have on disk.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use crate::uws::Failure;

/// A limit, and what is used of it. What is there already counts, also beyond the limit.
#[derive(Debug)]
pub(crate) struct Budget {
    bytes_max: u64,
    used: AtomicU64,
}

impl Budget {
    pub(crate) fn new(bytes_max: u64) -> Arc<Self> {
        Arc::new(Self { bytes_max, used: AtomicU64::new(0) })
    }

    /// Bytes in use.
    pub(crate) fn used(&self) -> u64 {
        self.used.load(Ordering::Relaxed)
    }

    /// Counts what was found on disk.
    pub(crate) fn found(&self, bytes: u64) {
        self.used.fetch_add(bytes, Ordering::Relaxed);
    }

    /// Counts what was removed from the disk.
    pub(crate) fn removed(&self, bytes: u64) {
        self.used.fetch_sub(bytes, Ordering::Relaxed);
    }

    /// Takes some bytes for one who has so many already.
    ///
    /// # Errors
    /// When that is beyond the limit; they are taken all the same.
    fn take(&self, bytes: u64, already: u64) -> Result<(), Failure> {
        let all = self.used.fetch_add(bytes, Ordering::Relaxed) + bytes;
        if all <= self.bytes_max {
            return Ok(());
        }
        let (max, mine) = (self.bytes_max, already + bytes);
        Err(Failure::transient(format!(
            "the results of all jobs together may have {max} bytes, and after {mine} bytes of this \
             one they are reached: ask for fewer rows or columns, delete jobs, or try again later"
        )))
    }
}

/// Bytes that count until they are kept or dropped.
#[derive(Debug)]
pub(crate) struct Reservation {
    budget: Arc<Budget>,
    bytes: u64,
}

impl Reservation {
    pub(crate) fn none_of(budget: &Arc<Budget>) -> Self {
        Self { budget: Arc::clone(budget), bytes: 0 }
    }

    /// Adds bytes that are to be written.
    ///
    /// # Errors
    /// When no more may be.
    pub(crate) fn grow(&mut self, bytes: u64) -> Result<(), Failure> {
        let taken = self.budget.take(bytes, self.bytes);
        self.bytes += bytes;
        taken
    }

    /// Adds bytes that are there.
    pub(crate) fn found(&mut self, bytes: u64) {
        self.budget.found(bytes);
        self.bytes += bytes;
    }

    /// Gives bytes back, as many as there are at most.
    pub(crate) fn shrink(&mut self, bytes: u64) {
        let bytes = bytes.min(self.bytes);
        self.budget.removed(bytes);
        self.bytes -= bytes;
    }

    /// How many they are; they count on, until [`Budget::removed`].
    pub(crate) fn keep(mut self) -> u64 {
        std::mem::take(&mut self.bytes)
    }
}

impl Drop for Reservation {
    fn drop(&mut self) {
        self.budget.removed(self.bytes);
    }
}
