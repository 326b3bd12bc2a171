//! What was told already, so that the log has each failure once and not with each read.

use std::collections::HashSet;
use std::hash::Hash;
use std::sync::{Mutex, PoisonError};

/// As many are remembered; then some are told once more.
const REMEMBERED_MAX: usize = 100_000;

/// What was told.
#[derive(Debug)]
pub(crate) struct Told<T>(Mutex<HashSet<T>>);

impl<T> Default for Told<T> {
    fn default() -> Self {
        Self(Mutex::default())
    }
}

impl<T: Eq + Hash> Told<T> {
    /// Whether it was not told yet; from now on it was.
    pub(crate) fn is_news(&self, what: T) -> bool {
        let mut told = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if told.len() >= REMEMBERED_MAX {
            told.clear();
        }
        told.insert(what)
    }
}
