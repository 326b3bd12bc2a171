//! The workers as the coordinator knows them, whichever snapshots are served: who is there, who is
//! busy, and what each is told to hold. Each is asked every second how it is.

use std::collections::BTreeSet;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::sync::{Notify, watch};
use tokio::task::JoinSet;
use url::Url;
use worker::control::Status;
use worker::{Channels, LinkError, NodeClient};

use super::assigning::{Assigning, Given};
use super::health::{Failure, Health, Observed};
use crate::Error;

/// Each worker is asked so often how it is.
pub(super) const POLL: Duration = Duration::from_secs(1);

/// It has so long to answer.
const ANSWER_TIMEOUT: Duration = Duration::from_secs(2);

/// As many folders of uploads wait until a worker can be told to forget them.
const FORGOTTEN_MAX: usize = 10_000;

/// All workers, watched until this is dropped.
#[derive(Debug)]
pub(super) struct Members {
    all: Vec<Arc<Member>>,
    pub(super) channels: Channels,
    _watching: JoinSet<()>,
}

impl Members {
    /// Workers whose health nobody asks for.
    pub(super) fn assumed(workers: &[Url]) -> Self {
        let all = workers.iter().map(|url| Arc::new(Member::new(url, Health::Up))).collect();
        Self { all, channels: Channels::default(), _watching: JoinSet::new() }
    }

    /// Begins to watch workers.
    ///
    /// # Errors
    /// When the address of one is of no use.
    pub(super) fn watched(workers: &[Url], channels: Channels) -> Result<Self, Error> {
        // One that is given twice is one.
        let workers: BTreeSet<&Url> = workers.iter().collect();
        let member = |url: &Url| Arc::new(Member::new(url, Health::Unheard));
        let all: Vec<Arc<Member>> = workers.into_iter().map(member).collect();
        let mut watching = JoinSet::new();
        for member in &all {
            let client = channels.control(&member.url).map_err(Error::Link)?;
            let watcher = Watcher { member: Arc::clone(member), client };
            // A planner that is busy must not take its workers for lost.
            watching.spawn_on(watcher.run(), &channels.front().handle());
        }
        Ok(Self { all, channels, _watching: watching })
    }

    /// The worker of a URL, as a placement of these workers writes it.
    pub(super) fn of(&self, url: &str) -> &Arc<Member> {
        let found = self.all.iter().find(|member| member.url.as_str() == url);
        found.expect("the placement has the configured workers")
    }
}

/// A worker as the coordinator knows it.
#[derive(Debug)]
pub(super) struct Member {
    pub(super) url: Url,
    /// Also sent when what it holds has changed.
    pub(super) health: watch::Sender<Health>,
    /// Bytes of the tiles that running queries have given it.
    pub(super) load: AtomicU64,
    /// Whether it reads what it does not hold from elsewhere, as it said last.
    pub(super) falls_back: AtomicBool,
    /// Why it was not reached, if it was not when it was last asked.
    failure: Mutex<Option<String>>,
    assigning: Mutex<Assigning>,
    /// Folders of uploads that it is to forget.
    ended: Mutex<Vec<String>>,
    /// It is to be told something at once.
    news: Notify,
}

impl Member {
    fn new(url: &Url, health: Health) -> Self {
        Self {
            url: url.clone(),
            health: watch::Sender::new(health),
            load: AtomicU64::new(0),
            falls_back: AtomicBool::new(false),
            failure: Mutex::default(),
            assigning: Mutex::default(),
            ended: Mutex::default(),
            news: Notify::new(),
        }
    }

    pub(super) fn is_up(&self) -> bool {
        *self.health.borrow() == Health::Up
    }

    /// What it is told to hold.
    pub(super) fn assigning(&self) -> MutexGuard<'_, Assigning> {
        self.assigning.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Has it come to another assignment, which it is given at once.
    pub(super) fn offer(&self, given: Given) {
        self.assigning().offer(given);
        self.news.notify_one();
    }

    /// Has it forget the uploads of a query.
    fn forget(&self, folder: String) {
        let mut ended = self.ended.lock().unwrap_or_else(PoisonError::into_inner);
        // A worker that is down forgets all of them when it starts.
        if ended.len() < FORGOTTEN_MAX {
            ended.push(folder);
        }
        drop(ended);
        self.news.notify_one();
    }

    /// Its address, or why it was not reached.
    pub(super) fn failure(&self) -> String {
        let failure = self.failure.lock().unwrap_or_else(PoisonError::into_inner);
        failure.clone().unwrap_or_else(|| self.url.to_string())
    }
}

/// The uploads of a query on a worker, until this is dropped.
#[derive(Debug)]
pub(crate) struct Brought {
    member: Arc<Member>,
    folder: String,
}

impl Brought {
    /// From now on the worker may have files in this folder.
    pub(super) fn new(member: &Arc<Member>, folder: &str) -> Self {
        Self { member: Arc::clone(member), folder: folder.to_owned() }
    }
}

impl Drop for Brought {
    fn drop(&mut self) {
        self.member.forget(std::mem::take(&mut self.folder));
    }
}

/// Asks one worker how it is, again and again.
struct Watcher {
    member: Arc<Member>,
    client: NodeClient,
}

impl Watcher {
    async fn run(self) {
        let mut observed = Observed::default();
        let mut known = (Health::Unheard, false);
        let mut polls = tokio::time::interval(POLL);
        polls.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
        loop {
            tokio::select! {
                _ = polls.tick() => {}
                () = self.member.news.notified() => {}
            }
            match self.client.status(ANSWER_TIMEOUT).await {
                Ok(status) => {
                    *self.member.failure.lock().unwrap_or_else(PoisonError::into_inner) = None;
                    observed.heard();
                    self.heard(&status).await;
                    self.forget().await;
                }
                Err(error) => self.failed(&mut observed, &error),
            }
            let (health, complete) = (observed.health(), self.member.assigning().is_complete());
            if (health, complete) != known {
                known = (health, complete);
                self.member.health.send_replace(health);
                let worker = self.member.url.as_str();
                match health {
                    Health::Down => tracing::warn!(worker, "worker is down"),
                    Health::Up => tracing::info!(worker, complete, "worker is up"),
                    Health::Unheard => {}
                }
            }
        }
    }

    async fn heard(&self, status: &Status) {
        let worker = self.member.url.as_str();
        self.member.falls_back.store(status.fallback, Ordering::Relaxed);
        let wanted = self.member.assigning().heard(status.held.as_ref());
        if let Some(assignment) = wanted
            && let Err(error) = self.client.assign(&assignment).await
        {
            tracing::warn!(worker, %error, "worker does not take its assignment");
        }
    }

    /// Uploads that cannot be forgotten now go with time.
    async fn forget(&self) {
        let ended =
            std::mem::take(&mut *self.member.ended.lock().unwrap_or_else(PoisonError::into_inner));
        for folder in ended {
            if let Err(error) = self.client.forget(&folder).await {
                let worker = self.member.url.as_str();
                tracing::warn!(worker, %error, "an upload stays on a worker for some days");
            }
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
