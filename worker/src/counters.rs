//! Counts of the work that a node did, so that tests and operators see locality and pruning.
//!
//! Counters only grow; they are read as Prometheus text (exposition format 0.0.4).

use std::fmt::Write as _;
use std::sync::atomic::{AtomicU64, Ordering};

/// Where a tile was read from.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Source {
    /// The node's own folder.
    Local,
    /// The origin, over the network or a shared folder: work that placement should have avoided.
    Origin,
}

/// What one node counted since it started.
#[derive(Debug, Default)]
pub struct Counters {
    tasks: AtomicU64,
    local_reads: AtomicU64,
    origin_reads: AtomicU64,
    refused_reads: AtomicU64,
}

impl Counters {
    /// One more task was accepted for execution.
    pub fn task(&self) {
        self.tasks.fetch_add(1, Ordering::Relaxed);
    }

    /// One more read of a tile was answered from `source`.
    pub fn read(&self, source: Source) {
        match source {
            Source::Local => self.local_reads.fetch_add(1, Ordering::Relaxed),
            Source::Origin => self.origin_reads.fetch_add(1, Ordering::Relaxed),
        };
    }

    /// A node that must not open tiles was asked to.
    pub fn refused(&self) {
        self.refused_reads.fetch_add(1, Ordering::Relaxed);
    }

    /// How many tasks were accepted.
    pub fn tasks(&self) -> u64 {
        self.tasks.load(Ordering::Relaxed)
    }

    /// How many reads of tiles were answered from `source`.
    pub fn reads(&self, source: Source) -> u64 {
        match source {
            Source::Local => self.local_reads.load(Ordering::Relaxed),
            Source::Origin => self.origin_reads.load(Ordering::Relaxed),
        }
    }

    /// The counters as Prometheus text.
    pub fn prometheus(&self) -> String {
        let refused = self.refused_reads.load(Ordering::Relaxed);
        let mut text = String::new();
        let families = [
            ("armilla_tasks_executed_total", "Tasks accepted for execution.", self.tasks(), ""),
            (
                "armilla_tile_reads_total",
                "Reads of tiles by where they were answered from.",
                self.reads(Source::Local),
                "{from=\"local\"}",
            ),
            ("armilla_tile_reads_total", "", self.reads(Source::Origin), "{from=\"origin\"}"),
            ("armilla_tile_reads_total", "", refused, "{from=\"refused\"}"),
            (
                "armilla_exact_tests_total",
                "Rows on the edge of a region whose position was tested exactly.",
                adql::function::in_region::exact_tests(),
                "",
            ),
        ];
        for (name, help, value, labels) in families {
            if !help.is_empty() {
                // Writing to a String cannot fail.
                let _ = writeln!(text, "# HELP {name} {help}\n# TYPE {name} counter");
            }
            let _ = writeln!(text, "{name}{labels} {value}");
        }
        text
    }
}
