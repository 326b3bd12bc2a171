//! The workers of a coordinator: what each is to hold, who is there, and who is busy.
//!
//! The coordinator holds the map. It asks every worker each second how it is, gives it its
//! assignment where it has another one, and tells queries at once when a worker is lost. A query
//! takes a [`ClusterView`] of this moment and is planned by it alone; choosing is
//! [`crate::plan::choice`]'s. What a worker must hold is decided by its place in the placement, which
//! is stored and changes only as a whole.

pub mod health;
pub mod placement_file;

use std::collections::BTreeSet;
use std::fmt::Write as _;
use std::path::Path;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use catalog::Snapshot;
use catalog::placement::{Placement, StoredPlacement, placement_order};
use futures::StreamExt as _;
use futures::stream::FuturesUnordered;
use tokio::sync::watch;
use tokio::task::JoinSet;
use tokio::time::Instant;
use url::Url;
use worker::control::{AssignedFile, Assignment, CONTROL_VERSION, Status};
use worker::{Channels, LinkError, NodeClient};

use crate::Error;
use crate::plan::choice::{Candidate, State};
use crate::plan::slots::ClusterView;
use health::{Failure, Health, Observed};

/// Each worker is asked so often how it is.
const POLL: Duration = Duration::from_secs(1);

/// It has so long to answer.
const ANSWER_TIMEOUT: Duration = Duration::from_secs(2);

/// A worker that has not been heard of so long after the start is taken to be down.
const ABSENT_AFTER: Duration = Duration::from_secs(10);

/// While a start waits for workers, it says so this often.
const REPORT: Duration = Duration::from_secs(10);

/// What makes a cluster.
#[derive(Debug, Clone)]
pub struct ClusterConfig {
    /// Its workers.
    pub workers: Vec<Url>,
    /// How many of them hold each tile.
    pub replicas: usize,
    /// A table below this size is on every worker; 0: none is.
    pub small_table_bytes: u64,
}

/// The workers, watched until this is dropped.
#[derive(Debug)]
pub struct Cluster {
    snapshot: Arc<Snapshot>,
    placement: Arc<Placement>,
    small_table_bytes: u64,
    members: Vec<Arc<Member>>,
    channels: Channels,
    _watching: JoinSet<()>,
}

/// A worker as the coordinator knows it.
#[derive(Debug)]
struct Member {
    url: Url,
    health: watch::Sender<Health>,
    /// Bytes of the tiles that running queries have given it.
    load: AtomicU64,
    /// Whether it reads what it does not hold from elsewhere, as it said last.
    falls_back: AtomicBool,
    /// Whether it followed this very assignment when it was first heard: it held its tiles before.
    followed: AtomicBool,
    /// Why it was not reached, if it was not when it was last asked.
    failure: Mutex<Option<String>>,
}

impl Cluster {
    /// Takes the stored placement, or the first one, brings it to the configured workers, stores
    /// it, and begins to watch.
    ///
    /// # Errors
    /// When the stored placement cannot be read or written.
    pub fn open(
        config: &ClusterConfig,
        snapshot: Arc<Snapshot>,
        state: &Path,
        channels: Channels,
    ) -> Result<Self, Error> {
        let stored = placement_file::read(state)?;
        let placement = placed(config, &snapshot, stored.as_ref());
        if stored.as_ref() != Some(&placement) {
            placement_file::write(state, &placement)?;
            tracing::info!(
                placement = placement.number(),
                workers = config.workers.len(),
                replicas = config.replicas,
                "placed the tiles anew"
            );
        }
        let mut cluster = Self::unwatched(config, snapshot, placement, channels);
        cluster.set_all(Health::Unheard);
        // A planner that is busy must not take its workers for lost.
        let front = cluster.channels.front().handle();
        for worker in 0..cluster.members.len() {
            let watcher = cluster.watcher(worker)?;
            cluster._watching.spawn_on(watcher.run(), &front);
        }
        Ok(cluster)
    }

    /// A cluster whose workers are all taken to be there, and are never asked: to plan without
    /// running.
    pub fn assumed(config: &ClusterConfig, snapshot: Arc<Snapshot>) -> Self {
        let placement = placed(config, &snapshot, None);
        Self::unwatched(config, snapshot, placement, Channels::default())
    }

    fn unwatched(
        config: &ClusterConfig,
        snapshot: Arc<Snapshot>,
        placement: Placement,
        channels: Channels,
    ) -> Self {
        let member = |url: &String| {
            let health = watch::Sender::new(Health::Up { complete: true });
            let url = config.workers.iter().find(|known| known.as_str() == url);
            let url = url.expect("the placement has the configured workers").clone();
            let (load, falls_back) = (AtomicU64::new(0), AtomicBool::new(false));
            let (followed, failure) = (AtomicBool::new(false), Mutex::default());
            Arc::new(Member { url, health, load, falls_back, followed, failure })
        };
        let members = placement.workers().iter().map(member).collect();
        Self {
            snapshot,
            placement: Arc::new(placement),
            small_table_bytes: config.small_table_bytes,
            members,
            channels,
            _watching: JoinSet::new(),
        }
    }

    fn set_all(&self, health: Health) {
        for member in &self.members {
            member.health.send_replace(health);
        }
    }

    fn watcher(&self, worker: usize) -> Result<Watcher, Error> {
        let member = Arc::clone(&self.members[worker]);
        let client = self.channels.control(&member.url).map_err(Error::Link)?;
        let files = self.snapshot.files_of(&self.placement, self.small_table_bytes, worker);
        let files = files
            .into_iter()
            .map(|file| AssignedFile { path: file.path.to_string(), bytes: file.bytes });
        let assignment = Assignment {
            version: CONTROL_VERSION,
            snapshot: self.snapshot.number(),
            worker,
            placement: StoredPlacement::from(self.placement.as_ref()),
            files: files.collect(),
        };
        let digest = assignment.digest().map_err(Error::Assignment)?;
        Ok(Watcher { member, client, assignment, digest })
    }

    /// The workers, in the order of the placement.
    pub fn workers(&self) -> impl Iterator<Item = &Url> {
        self.members.iter().map(|member| &member.url)
    }

    /// The channels to the workers.
    pub fn channels(&self) -> &Channels {
        &self.channels
    }

    /// Waits until every worker holds its tiles; after a while, only until each has a holder that
    /// has all of its own, or lacks some of what it had before this start: what it lacks is copied
    /// beside the queries.
    ///
    /// # Errors
    /// When none is there.
    pub async fn ready(&self) -> Result<(), Error> {
        let start = Instant::now();
        let mut reported = start;
        loop {
            let health = |member: &Arc<Member>| *member.health.borrow();
            let waits = start.elapsed() < ABSENT_AFTER;
            let settled = |health: Health| match health {
                Health::Up { complete } => complete,
                Health::Unheard | Health::Down => !waits,
            };
            let all: Vec<Health> = self.members.iter().map(health).collect();
            let is_complete = |worker: usize| all[worker] == Health::Up { complete: true };
            let complete = (0..all.len()).filter(|worker| is_complete(*worker)).count();
            if all.iter().copied().all(settled) {
                if complete == 0 {
                    return Err(Error::NoWorker { workers: self.failures() });
                }
                return Ok(());
            }
            let had_them = |worker: usize| {
                let is_up = matches!(all[worker], Health::Up { .. });
                is_up && self.members[worker].followed.load(Ordering::Relaxed)
            };
            if !waits && self.placement.is_held(|worker| is_complete(worker) || had_them(worker)) {
                let workers = all.len();
                tracing::warn!(complete, workers, "serving, while some workers copy tiles");
                return Ok(());
            }
            if reported.elapsed() >= REPORT {
                reported = Instant::now();
                let workers = all.len();
                tracing::info!(complete, workers, "waiting for workers to hold their tiles");
            }
            self.any_change(POLL).await;
        }
    }

    /// The workers, each with why it was not reached.
    fn failures(&self) -> Vec<String> {
        let failure = |member: &Arc<Member>| {
            let failure = member.failure.lock().unwrap_or_else(PoisonError::into_inner);
            failure.clone().unwrap_or_else(|| member.url.to_string())
        };
        self.members.iter().map(failure).collect()
    }

    /// Waits until the health of a worker changes, but no longer than `longest`.
    async fn any_change(&self, longest: Duration) {
        let receivers = self.members.iter().map(|member| member.health.subscribe());
        let mut changes: FuturesUnordered<_> = receivers
            .map(|mut health| async move {
                // The sender lives as long as the member.
                let _changed = health.changed().await;
            })
            .collect();
        // Either way the caller looks again.
        let _elapsed = tokio::time::timeout(longest, changes.next()).await;
    }

    /// The cluster as a query may use it now, without the workers that it has lost.
    pub fn view(&self, excluded: &BTreeSet<Url>) -> ClusterView {
        let candidate = |member: &Arc<Member>| {
            let state = match *member.health.borrow() {
                _ if excluded.contains(&member.url) => State::Lost,
                Health::Up { complete: true } => State::Usable,
                Health::Up { complete: false } => State::Incomplete,
                Health::Unheard | Health::Down => State::Lost,
            };
            let load = member.load.load(Ordering::Relaxed);
            let falls_back = member.falls_back.load(Ordering::Relaxed);
            Candidate { url: member.url.clone(), state, load, falls_back }
        };
        ClusterView {
            snapshot: Arc::clone(&self.snapshot),
            placement: Arc::clone(&self.placement),
            small_table_bytes: self.small_table_bytes,
            workers: self.members.iter().map(candidate).collect(),
        }
    }

    /// Counts the bytes that a query has given to each worker, until the guard is dropped.
    pub fn load(&self, bytes_by_worker: &[(Url, u64)]) -> Load {
        let member = |url: &Url| self.members.iter().find(|member| member.url == *url);
        let given: Vec<(Arc<Member>, u64)> = bytes_by_worker
            .iter()
            .filter_map(|(url, bytes)| Some((Arc::clone(member(url)?), *bytes)))
            .collect();
        for (member, bytes) in &given {
            member.load.fetch_add(*bytes, Ordering::Relaxed);
        }
        Load(given)
    }

    /// Done when one of some workers is found to be down, as which.
    pub async fn lost(&self, workers: &[Url]) -> Url {
        let used = self.members.iter().filter(|member| workers.contains(&member.url));
        let mut down: FuturesUnordered<_> = used
            .map(|member| {
                let mut health = member.health.subscribe();
                async move {
                    let down = health.wait_for(|health| *health == Health::Down).await.is_ok();
                    down.then(|| member.url.clone())
                }
            })
            .collect();
        while let Some(found) = down.next().await {
            if let Some(url) = found {
                return url;
            }
        }
        std::future::pending().await
    }

    /// Workers that are there, and all of them.
    pub fn up(&self) -> (usize, usize) {
        let up = |member: &&Arc<Member>| matches!(*member.health.borrow(), Health::Up { .. });
        (self.members.iter().filter(up).count(), self.members.len())
    }

    /// Who is there, as Prometheus text.
    pub fn prometheus(&self) -> String {
        let mut text = "# HELP armilla_worker_up Whether a worker answers.\n\
                        # TYPE armilla_worker_up gauge\n"
            .to_owned();
        for member in &self.members {
            let up = u8::from(matches!(*member.health.borrow(), Health::Up { .. }));
            // Writing to a String cannot fail.
            let _ = writeln!(text, "armilla_worker_up{{worker=\"{}\"}} {up}", member.url);
        }
        text
    }
}

/// The placement for the configured workers, after the stored one.
fn placed(config: &ClusterConfig, snapshot: &Snapshot, stored: Option<&Placement>) -> Placement {
    let names: Vec<String> = config.workers.iter().map(Url::to_string).collect();
    let order = stored.map_or_else(placement_order, Placement::order);
    let bytes = snapshot.bytes_by_cell(order, config.small_table_bytes);
    match stored {
        Some(stored) => stored.next(&names, config.replicas, &bytes),
        // Workers may follow an older one that is not known here any more.
        None => {
            let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
            let first = Placement::first(&names, config.replicas, order, &bytes);
            first.numbered(now.as_secs())
        }
    }
}

/// Bytes that a running query has given to workers; dropping it takes them back.
#[derive(Debug)]
pub struct Load(Vec<(Arc<Member>, u64)>);

impl Drop for Load {
    fn drop(&mut self) {
        for (member, bytes) in &self.0 {
            member.load.fetch_sub(*bytes, Ordering::Relaxed);
        }
    }
}

/// Asks one worker how it is, again and again.
struct Watcher {
    member: Arc<Member>,
    client: NodeClient,
    assignment: Assignment,
    digest: u32,
}

impl Watcher {
    async fn run(self) {
        let mut observed = Observed::default();
        let mut polls = tokio::time::interval(POLL);
        polls.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
        loop {
            polls.tick().await;
            let before = observed.health();
            match self.client.status(ANSWER_TIMEOUT).await {
                Ok(status) => {
                    *self.member.failure.lock().unwrap_or_else(PoisonError::into_inner) = None;
                    self.heard(&mut observed, &status).await;
                }
                Err(error) => self.failed(&mut observed, &error),
            }
            let health = observed.health();
            if health != before {
                self.member.health.send_replace(health);
                let worker = self.member.url.as_str();
                match health {
                    Health::Down => tracing::warn!(worker, "worker is down"),
                    Health::Up { complete } => tracing::info!(worker, complete, "worker is up"),
                    Health::Unheard => {}
                }
            }
        }
    }

    async fn heard(&self, observed: &mut Observed, status: &Status) {
        let worker = self.member.url.as_str();
        self.member.falls_back.store(status.fallback, Ordering::Relaxed);
        let is_first = observed.health() == Health::Unheard;
        let wants = observed.heard(status, self.digest);
        if is_first {
            self.member.followed.store(!wants, Ordering::Relaxed);
        }
        if wants && let Err(error) = self.client.assign(&self.assignment).await {
            tracing::warn!(worker, %error, "worker does not take its assignment");
        }
    }

    fn failed(&self, observed: &mut Observed, error: &LinkError) {
        let worker = self.member.url.as_str();
        let mut failure = self.member.failure.lock().unwrap_or_else(PoisonError::into_inner);
        // A cause that no start of the worker cures is told once: no trust, another release.
        let told = error.to_string();
        if failure.as_ref() != Some(&told) {
            tracing::warn!(worker, %error, "worker is not reached");
        }
        *failure = Some(told);
        let refused = matches!(error, LinkError::Refused { .. });
        observed.failed(if refused { Failure::Refused } else { Failure::Silent });
    }
}
