//! Which assignment one worker is to be given, while one snapshot takes the place of another: a
//! state machine without clock and I/O.
//!
//! ```text
//! follows the served one ── offered another ──> copies it beside the queries
//!            ^                                             │ it is served
//!            └─────────────────────────────────────────────┘
//! ```
//!
//! A worker keeps the files of its assignment and of the one before. So it gets an offered one only
//! after the served one: then it has the files of both until the next, and queries that began
//! before go on where they are. An offer that is replaced by another before it was served is taken
//! back first.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, OnceLock, Weak};

use worker::control::{Assignment, Held};

/// What one worker is to hold of one snapshot, and whether it does. As it was last known: it is
/// asked for its present assignment only.
#[derive(Debug)]
pub struct Share {
    digest: u32,
    complete: AtomicBool,
    followed: OnceLock<bool>,
}

impl Share {
    /// The share whose assignment has this digest; the worker does not hold it yet.
    pub fn new(digest: u32) -> Self {
        Self { digest, complete: AtomicBool::new(false), followed: OnceLock::new() }
    }

    /// A share that is taken to be held.
    pub(super) fn assumed() -> Self {
        Self { digest: 0, complete: AtomicBool::new(true), followed: OnceLock::new() }
    }

    /// Whether the worker holds all of it.
    pub fn is_complete(&self) -> bool {
        self.complete.load(Ordering::Relaxed)
    }

    /// Whether the worker followed this very assignment when it was first heard after it was
    /// offered: it held its files before.
    pub fn was_followed(&self) -> bool {
        self.followed.get().copied().unwrap_or(false)
    }

    fn set_complete(&self, complete: bool) {
        self.complete.store(complete, Ordering::Relaxed);
    }
}

/// An assignment, and what is known of it.
#[derive(Debug, Clone)]
pub struct Given {
    /// What is known.
    pub share: Arc<Share>,
    /// What the worker is sent.
    pub assignment: Arc<Assignment>,
}

/// The assignments of one worker.
#[derive(Debug, Default)]
pub struct Assigning {
    /// Of the snapshot that new queries see.
    served: Option<Given>,
    /// Of the one that is to take its place.
    offered: Option<Given>,
    /// Those that were served before, the last of them last: queries may still be on them.
    past: Vec<Weak<Share>>,
}

impl Assigning {
    /// From now on the worker is to come to this one.
    pub fn offer(&mut self, given: Given) {
        self.offered = Some(given);
    }

    /// What was offered is served now, if it is this share.
    pub fn serve(&mut self, share: &Arc<Share>) {
        if let Some(offered) = self.offered.take_if(|given| Arc::ptr_eq(&given.share, share)) {
            let before = self.served.replace(offered);
            self.past.retain(|share| share.strong_count() > 0);
            self.past.extend(before.map(|given| Arc::downgrade(&given.share)));
        }
    }

    /// Whether the worker has all that it is to hold, as it said last.
    pub fn is_complete(&self) -> bool {
        self.offered.as_ref().or(self.served.as_ref()).is_some_and(|g| g.share.is_complete())
    }

    /// The worker said what it holds. Returns what it must be given, if anything.
    pub fn heard(&mut self, held: Option<&Held>) -> Option<Arc<Assignment>> {
        if held.is_none() {
            // Its folder is empty, whatever was in it.
            self.shares().iter().for_each(|share| share.set_complete(false));
        }
        let follows = |given: &Given| held.is_some_and(|held| held.digest == given.share.digest);
        for given in [&self.served, &self.offered].into_iter().flatten() {
            given.share.followed.get_or_init(|| follows(given));
            if follows(given) {
                given.share.set_complete(held.is_some_and(Held::is_complete));
            }
        }
        let wanted = self.offered.as_ref().or(self.served.as_ref())?;
        if follows(wanted) {
            if wanted.share.is_complete() {
                self.forget_removed();
            }
            return None;
        }
        let first = self.served.as_ref().filter(|served| !follows(served));
        let next = first.filter(|_| held.is_some()).unwrap_or(wanted);
        Some(Arc::clone(&next.assignment))
    }

    /// A worker that holds all of its assignment removes what neither that nor the one before
    /// names.
    fn forget_removed(&mut self) {
        // From the last to the first; the same assignment may have been given for two snapshots.
        let mut shares = self.shares().into_iter().rev().peekable();
        let mut kept = Vec::new();
        while let Some(share) =
            shares.next_if(|share| kept.len() < 2 || kept.contains(&share.digest))
        {
            if !kept.contains(&share.digest) {
                kept.push(share.digest);
            }
        }
        shares.filter(|s| !kept.contains(&s.digest)).for_each(|share| share.set_complete(false));
    }

    /// All shares that somebody knows of, in the order in which they were given.
    fn shares(&self) -> Vec<Arc<Share>> {
        let past = self.past.iter().filter_map(Weak::upgrade);
        let present = [&self.served, &self.offered].into_iter().flatten();
        past.chain(present.map(|given| Arc::clone(&given.share))).collect()
    }
}
