//! Counts of the work that a node did and does, so that tests and operators see locality, pruning
//! and what is left behind.
//!
//! They are read as Prometheus text (exposition format 0.0.4).

use std::fmt::Write as _;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, OnceLock};

use datafusion::execution::memory_pool::MemoryPool;

/// Where a tile was read from.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Source {
    /// The node's own folder.
    Local,
    /// A worker that holds a replica.
    Peer,
    /// The origin, over the network or a shared folder: work that placement should have avoided.
    Origin,
}

/// What one node counted since it started, and what is there now.
#[derive(Debug, Default)]
pub struct Counters {
    tasks: AtomicU64,
    tasks_running: AtomicU64,
    local_reads: AtomicU64,
    peer_reads: AtomicU64,
    origin_reads: AtomicU64,
    refused_reads: AtomicU64,
    damaged: AtomicU64,
    peer_copies: AtomicU64,
    origin_copies: AtomicU64,
    memory: OnceLock<Arc<dyn MemoryPool>>,
}

/// A task, or a stream of its rows, is there as long as this is.
#[derive(Debug)]
pub struct RunningTask(Arc<Counters>);

impl Drop for RunningTask {
    fn drop(&mut self) {
        self.0.tasks_running.fetch_sub(1, Ordering::Relaxed);
    }
}

fn add(counter: &AtomicU64) {
    counter.fetch_add(1, Ordering::Relaxed);
}

fn get(counter: &AtomicU64) -> u64 {
    counter.load(Ordering::Relaxed)
}

impl Counters {
    /// One more task was accepted for execution.
    pub fn task(&self) {
        add(&self.tasks);
    }

    /// One more task, or stream of its rows, is there until what is returned is dropped.
    pub fn running_task(self: &Arc<Self>) -> RunningTask {
        add(&self.tasks_running);
        RunningTask(Arc::clone(self))
    }

    /// Tells of the memory of this node; the first pool counts.
    pub fn watch_memory(&self, pool: Arc<dyn MemoryPool>) {
        let _first = self.memory.set(pool);
    }

    /// One more read of a tile was answered from `source`.
    pub fn read(&self, source: Source) {
        add(match source {
            Source::Local => &self.local_reads,
            Source::Peer => &self.peer_reads,
            Source::Origin => &self.origin_reads,
        });
    }

    /// A node that must not open tiles was asked to.
    pub fn refused(&self) {
        add(&self.refused_reads);
    }

    /// One more tile of the own folder was found missing, truncated or changed.
    pub fn damaged(&self) {
        add(&self.damaged);
    }

    /// One more tile was copied into the own folder.
    pub fn copied(&self, source: Source) {
        match source {
            Source::Peer => add(&self.peer_copies),
            Source::Origin => add(&self.origin_copies),
            Source::Local => {}
        }
    }

    /// How many tasks were accepted.
    pub fn tasks(&self) -> u64 {
        get(&self.tasks)
    }

    /// How many tasks, and streams of their rows, are there.
    pub fn tasks_running(&self) -> u64 {
        get(&self.tasks_running)
    }

    /// How many bytes all tasks have reserved.
    pub fn memory_reserved(&self) -> u64 {
        self.memory.get().map_or(0, |pool| pool.reserved() as u64)
    }

    /// How many reads of tiles were answered from `source`.
    pub fn reads(&self, source: Source) -> u64 {
        get(match source {
            Source::Local => &self.local_reads,
            Source::Peer => &self.peer_reads,
            Source::Origin => &self.origin_reads,
        })
    }

    /// How many tiles were found damaged.
    pub fn damaged_tiles(&self) -> u64 {
        get(&self.damaged)
    }

    /// How many tiles were copied from `source`.
    pub fn copies(&self, source: Source) -> u64 {
        match source {
            Source::Local => 0,
            Source::Peer => get(&self.peer_copies),
            Source::Origin => get(&self.origin_copies),
        }
    }

    /// The counters as Prometheus text.
    pub fn prometheus(&self) -> String {
        let by_source = |read: &dyn Fn(Source) -> u64, sources: &[(Source, &str)]| {
            let with_label =
                |(source, name): &(Source, &str)| (format!("{{from=\"{name}\"}}"), read(*source));
            sources.iter().map(with_label).collect::<Vec<_>>()
        };
        let all = [(Source::Local, "local"), (Source::Peer, "peer"), (Source::Origin, "origin")];
        let mut reads = by_source(&|source| self.reads(source), &all);
        reads.push(("{from=\"refused\"}".to_owned(), get(&self.refused_reads)));
        let copies = by_source(&|source| self.copies(source), &all[1..]);
        let one = |value| vec![(String::new(), value)];
        let families = [
            ("counter armilla_tasks_executed_total", "Tasks accepted.", one(self.tasks())),
            (
                "gauge armilla_tasks_running",
                "Tasks that are there, and streams of their rows.",
                one(self.tasks_running()),
            ),
            (
                "gauge armilla_memory_reserved_bytes",
                "Memory that queries have reserved.",
                one(self.memory_reserved()),
            ),
            (
                "counter armilla_tile_reads_total",
                "Reads of tiles by where they were answered from.",
                reads,
            ),
            (
                "counter armilla_tiles_damaged_total",
                "Tiles of this node that were found missing, truncated or changed.",
                one(self.damaged_tiles()),
            ),
            (
                "counter armilla_tiles_copied_total",
                "Tiles copied to this node by where they came from.",
                copies,
            ),
            (
                "counter armilla_index_reads_total",
                "Reads of pages of id indexes while queries were planned.",
                one(catalog::lookup::index_reads()),
            ),
            (
                "counter armilla_exact_tests_total",
                "Rows on the edge of a region whose position was tested exactly.",
                one(adql::function::in_region::exact_tests()),
            ),
        ];
        let mut text = String::new();
        for (family, help, samples) in families {
            let (kind, name) = family.split_once(' ').unwrap_or_default();
            // Writing to a String cannot fail.
            let _ = writeln!(text, "# HELP {name} {help}\n# TYPE {name} {kind}");
            for (labels, value) in samples {
                let _ = writeln!(text, "{name}{labels} {value}");
            }
        }
        text
    }
}
