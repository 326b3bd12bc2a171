//! The workers of a coordinator: what each is to hold, who is there, and who is busy.
//!
//! The coordinator holds the map. It asks every worker each second how it is (`member`), gives it
//! its assignment where it has another one ([`assigning`]), and tells queries at once when a worker
//! is lost. A query takes a [`ClusterView`] of this moment and is planned by it alone; choosing is
//! [`crate::plan::choice`]'s. What a worker must hold is decided by its place in the placement, which
//! is stored and changes only as a whole.
//!
//! A [`Cluster`] is of one snapshot. That of the next one has the same workers, and takes its place
//! when they hold their tiles; queries on the former one go on where they are.

pub mod assigning;
pub mod health;
mod member;
pub mod placement_file;

use std::collections::BTreeSet;
use std::fmt::Write as _;
use std::path::Path;
use std::sync::atomic::Ordering;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use catalog::Snapshot;
use catalog::placement::{Placement, StoredPlacement, placement_order};
use catalog::upload::UploadedTable;
use futures::StreamExt as _;
use futures::stream::FuturesUnordered;
use tokio::time::Instant;
use url::Url;
use worker::control::{AssignedFile, Assignment, CONTROL_VERSION};
use worker::{Channels, LinkError};

use crate::Error;
use crate::plan::choice::{Candidate, State};
use crate::plan::slots::ClusterView;
use assigning::{Given, Share};
use health::Health;
pub(crate) use member::Brought;
use member::{Member, Members, POLL};

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

/// The workers and what each of them holds of one snapshot. The workers are watched until all
/// clusters of the same workers are dropped.
#[derive(Debug)]
pub struct Cluster {
    snapshot: Arc<Snapshot>,
    placement: Arc<Placement>,
    config: ClusterConfig,
    /// In the order of the placement.
    places: Vec<Place>,
    members: Arc<Members>,
    /// What the workers are to be told, in the same order, until they are.
    offers: Mutex<Vec<Given>>,
}

/// How far the workers of a cluster have come.
enum Readiness {
    /// Each tile has somebody who reads it.
    Ready,
    /// Some workers copy what nobody else has.
    Copying { complete: usize },
    /// None is there.
    Nobody,
}

/// A worker, and what it is to hold.
#[derive(Debug)]
struct Place {
    member: Arc<Member>,
    share: Arc<Share>,
}

impl Place {
    fn is_complete(&self) -> bool {
        self.member.is_up() && self.share.is_complete()
    }
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
        let placement = place(config, &snapshot, state)?;
        let members = Arc::new(Members::watched(&config.workers, channels)?);
        Self::over(members, config, snapshot, Arc::new(placement))
    }

    /// The same workers with another snapshot, whose placement follows the stored one. They do not
    /// know of it before [`Self::ready`].
    ///
    /// # Errors
    /// When the stored placement cannot be read or written.
    pub fn next(&self, snapshot: Arc<Snapshot>, state: &Path) -> Result<Self, Error> {
        let placement = if snapshot.number() == self.snapshot.number() {
            // Nothing is anywhere else.
            Arc::clone(&self.placement)
        } else {
            Arc::new(place(&self.config, &snapshot, state)?)
        };
        Self::over(Arc::clone(&self.members), &self.config, snapshot, placement)
    }

    /// A cluster whose workers are all taken to be there, and are never asked: to plan without
    /// running.
    pub fn assumed(config: &ClusterConfig, snapshot: Arc<Snapshot>) -> Self {
        let placement = Arc::new(placed(config, &snapshot, None));
        let members = Arc::new(Members::assumed(&config.workers));
        let place = |url: &String| Place {
            member: Arc::clone(members.of(url)),
            share: Arc::new(Share::assumed()),
        };
        let places = placement.workers().iter().map(place).collect();
        let (config, offers) = (config.clone(), Mutex::default());
        Self { snapshot, placement, config, places, members, offers }
    }

    fn over(
        members: Arc<Members>,
        config: &ClusterConfig,
        snapshot: Arc<Snapshot>,
        placement: Arc<Placement>,
    ) -> Result<Self, Error> {
        let (mut places, mut offers) = (Vec::new(), Vec::new());
        for (worker, url) in placement.workers().iter().enumerate() {
            let assignment = assignment(&snapshot, &placement, config.small_table_bytes, worker);
            let digest = assignment.digest().map_err(Error::Assignment)?;
            let (share, assignment) = (Arc::new(Share::new(digest)), Arc::new(assignment));
            places.push(Place { member: Arc::clone(members.of(url)), share: Arc::clone(&share) });
            offers.push(Given { share, assignment });
        }
        let (config, offers) = (config.clone(), Mutex::new(offers));
        Ok(Self { snapshot, placement, config, places, members, offers })
    }

    /// The workers, in the order of the placement.
    pub fn workers(&self) -> impl Iterator<Item = &Url> {
        self.places.iter().map(|place| &place.member.url)
    }

    /// The channels to the workers.
    pub fn channels(&self) -> &Channels {
        &self.members.channels
    }

    /// Tells the workers what they are to hold, and waits until every one does; after a while, only
    /// until each tile has a holder that has all of its own, or lacks some of what it had before
    /// this was asked: what it lacks is copied beside the queries. A call that was dropped goes on
    /// with the next.
    ///
    /// # Errors
    /// When none is there.
    pub async fn ready(&self) -> Result<(), Error> {
        let offers =
            std::mem::take(&mut *self.offers.lock().unwrap_or_else(PoisonError::into_inner));
        for (place, given) in self.places.iter().zip(offers) {
            place.member.offer(given);
        }
        let start = Instant::now();
        let mut reported = start;
        loop {
            match self.readiness(start.elapsed() >= ABSENT_AFTER) {
                Readiness::Ready => break,
                Readiness::Nobody => return Err(Error::NoWorker { workers: self.failures() }),
                Readiness::Copying { complete } if reported.elapsed() >= REPORT => {
                    reported = Instant::now();
                    let (workers, snapshot) = (self.places.len(), self.snapshot.number());
                    tracing::info!(
                        complete,
                        workers,
                        snapshot,
                        "waiting for workers to hold their tiles"
                    );
                }
                Readiness::Copying { .. } => {}
            }
            self.any_change(POLL).await;
        }
        for place in &self.places {
            place.member.assigning().serve(&place.share);
        }
        Ok(())
    }

    /// How far the workers have come, once those that do not answer are not waited for any more.
    fn readiness(&self, is_late: bool) -> Readiness {
        let is_settled = |place: &Place| place.is_complete() || is_late && !place.member.is_up();
        let complete = self.places.iter().filter(|place| place.is_complete()).count();
        if self.places.iter().all(is_settled) {
            return if complete == 0 { Readiness::Nobody } else { Readiness::Ready };
        }
        let holds = |worker: usize| {
            let Place { member, share } = &self.places[worker];
            member.is_up() && (share.is_complete() || share.was_followed())
        };
        if is_late && self.placement.is_held(holds) {
            let workers = self.places.len();
            tracing::warn!(complete, workers, "serving, while some workers copy tiles");
            return Readiness::Ready;
        }
        Readiness::Copying { complete }
    }

    /// The workers, each with why it was not reached.
    fn failures(&self) -> Vec<String> {
        self.places.iter().map(|place| place.member.failure()).collect()
    }

    /// Waits until the health of a worker changes, but no longer than `longest`.
    async fn any_change(&self, longest: Duration) {
        let receivers = self.places.iter().map(|place| place.member.health.subscribe());
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
        let candidate = |Place { member, share }: &Place| {
            let state = match *member.health.borrow() {
                _ if excluded.contains(&member.url) => State::Lost,
                Health::Up if share.is_complete() => State::Usable,
                Health::Up => State::Incomplete,
                Health::Unheard | Health::Down => State::Lost,
            };
            let load = member.load.load(Ordering::Relaxed);
            let falls_back = member.falls_back.load(Ordering::Relaxed);
            Candidate { url: member.url.clone(), state, load, falls_back }
        };
        ClusterView {
            snapshot: Arc::clone(&self.snapshot),
            placement: Arc::clone(&self.placement),
            small_table_bytes: self.config.small_table_bytes,
            workers: self.places.iter().map(candidate).collect(),
        }
    }

    /// Counts the bytes that a query has given to each worker, until the guard is dropped.
    pub fn load(&self, bytes_by_worker: &[(Url, u64)]) -> Load {
        let place = |url: &Url| self.places.iter().find(|place| place.member.url == *url);
        let given: Vec<(Arc<Member>, u64)> = bytes_by_worker
            .iter()
            .filter_map(|(url, bytes)| Some((Arc::clone(&place(url)?.member), *bytes)))
            .collect();
        for (member, bytes) in &given {
            member.load.fetch_add(*bytes, Ordering::Relaxed);
        }
        Load(given)
    }

    /// Brings a worker the tables of a query, whose files it is to find in a folder of this name. It
    /// forgets them when what is returned is dropped.
    ///
    /// # Errors
    /// When it cannot be reached, or does not take them.
    pub(crate) async fn bring(
        &self,
        worker: &Url,
        folder: &str,
        uploads: &[Arc<UploadedTable>],
    ) -> Result<Brought, LinkError> {
        let brought = Brought::new(self.members.of(worker.as_str()), folder);
        let client = self.members.channels.uploads(worker)?;
        for upload in uploads {
            client.bring(folder, &upload.file_name(), upload.file()).await?;
        }
        Ok(brought)
    }

    /// Done when one of some workers is found to be down, as which.
    pub async fn lost(&self, workers: &[Url]) -> Url {
        let members = self.places.iter().map(|place| &place.member);
        let used = members.filter(|member| workers.contains(&member.url));
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
        let up = self.places.iter().filter(|place| place.member.is_up()).count();
        (up, self.places.len())
    }

    /// Who is there, as Prometheus text.
    pub fn prometheus(&self) -> String {
        let mut text = "# HELP armilla_worker_up Whether a worker answers.\n\
                        # TYPE armilla_worker_up gauge\n"
            .to_owned();
        for Place { member, .. } in &self.places {
            let up = u8::from(member.is_up());
            // Writing to a String cannot fail.
            let _ = writeln!(text, "armilla_worker_up{{worker=\"{}\"}} {up}", member.url);
        }
        text
    }
}

/// What a worker is to hold of a snapshot.
fn assignment(
    snapshot: &Snapshot,
    placement: &Placement,
    small_table_bytes: u64,
    worker: usize,
) -> Assignment {
    let files = snapshot.files_of(placement, small_table_bytes, worker).into_iter();
    let files = files.map(|f| AssignedFile { path: f.path.to_string(), bytes: f.bytes });
    Assignment {
        version: CONTROL_VERSION,
        snapshot: snapshot.number(),
        worker,
        placement: StoredPlacement::from(placement),
        files: files.collect(),
    }
}

/// The placement of a snapshot after the stored one, which it replaces.
fn place(config: &ClusterConfig, snapshot: &Snapshot, state: &Path) -> Result<Placement, Error> {
    let stored = placement_file::read(state)?;
    let placement = placed(config, snapshot, stored.as_ref());
    if stored.as_ref() != Some(&placement) {
        placement_file::write(state, &placement)?;
        tracing::info!(
            placement = placement.number(),
            workers = config.workers.len(),
            replicas = config.replicas,
            "placed the tiles anew"
        );
    }
    Ok(placement)
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
