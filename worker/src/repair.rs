//! Brings the folder of a worker to what its assignment names, and keeps it there: copies what is
//! missing, and again what a read found damaged, in the background; once all is there, what is not
//! needed any more is removed.
//!
//! The newest assignment wins: another one ends the copies of the one before. What cannot be copied
//! is tried again, later each time.

use std::collections::{BTreeSet, HashSet, VecDeque};
use std::sync::Arc;
use std::time::Duration;

use object_store::path::Path;
use tokio::task::JoinSet;
use tokio::time::Instant;

use crate::counters::Source;
use crate::elsewhere::Elsewhere;
use crate::folder::{Folder, Found};
use crate::holdings::{Assigned, Holdings, Wishes};
use crate::own_tiles::OwnTiles;
use crate::removal::{Removed, remove_unnamed};
use crate::replicate::{self, Wanted};
use crate::{Counters, Error};

/// As many tiles are copied at the same time.
const COPIES: usize = 8;

/// Progress is told so often.
const TELL_INTERVAL: Duration = Duration::from_secs(5);

/// A copy that failed is tried again after this, twice as long after each failure, …
const RETRY_FIRST: Duration = Duration::from_millis(500);

/// … and after this at the latest.
const RETRY_LAST: Duration = Duration::from_secs(60);

/// What copying needs.
#[derive(Debug, Clone)]
pub(crate) struct Repair {
    pub(crate) folder: Arc<Folder>,
    pub(crate) holdings: Arc<Holdings>,
    pub(crate) own: OwnTiles,
    pub(crate) elsewhere: Arc<Elsewhere>,
    pub(crate) counters: Arc<Counters>,
    /// The folder is where tiles come from too: nothing is removed there.
    pub(crate) is_origin: bool,
}

/// How a copy ended.
struct Ended {
    file: Path,
    failures: u32,
    copied: Result<(), Error>,
}

/// The files of one assignment that are to be copied.
#[derive(Default)]
struct Queue {
    now: VecDeque<(Path, u32)>,
    /// Those that failed, with the time of the next attempt.
    later: BTreeSet<(Instant, Path, u32)>,
    /// All that wait or are being copied.
    known: HashSet<Path>,
}

impl Repair {
    /// Copies until it is dropped.
    pub(crate) async fn run(&self, mut wishes: Wishes) {
        loop {
            wishes.changes.mark_unchanged();
            let Some(assigned) = self.holdings.assigned() else {
                if wishes.changes.changed().await.is_err() {
                    return;
                }
                continue;
            };
            let Wishes { lost, changes } = &mut wishes;
            tokio::select! {
                () = self.hold(assigned, lost) => return,
                changed = changes.changed() => if changed.is_err() { return },
            }
        }
    }

    /// Holds what is assigned; ends with the worker only.
    async fn hold(
        &self,
        assigned: Arc<Assigned>,
        lost: &mut tokio::sync::mpsc::UnboundedReceiver<Path>,
    ) {
        let mut queue = Queue::default();
        for file in self.compare(&assigned).await {
            queue.push(file);
        }
        let mut copies: JoinSet<Ended> = JoinSet::new();
        let mut removal = JoinSet::new();
        let mut is_swept = false;
        let mut told = Instant::now();
        let mut is_whole = false;
        loop {
            while copies.len() < COPIES
                && let Some((file, failures)) = queue.pop()
            {
                let (repair, assigned) = (self.clone(), Arc::clone(&assigned));
                copies.spawn(async move { repair.bring(file, failures, &assigned).await });
            }
            if queue.known.is_empty() != is_whole {
                is_whole = !is_whole;
                self.tell(is_whole);
                told = Instant::now();
                if is_whole && !is_swept {
                    is_swept = true;
                    let (repair, assigned) = (self.clone(), Arc::clone(&assigned));
                    removal.spawn_blocking(move || repair.remove_unnamed(&assigned));
                }
            } else if !is_whole && told.elapsed() >= TELL_INTERVAL {
                self.tell(false);
                told = Instant::now();
            }
            tokio::select! {
                Some(ended) = copies.join_next() => match ended {
                    Ok(ended) => self.end(ended, &mut queue),
                    Err(error) => tracing::error!(%error, "a copy ended by itself"),
                },
                file = lost.recv() => match file {
                    Some(file) if assigned.files.contains_key(&file) => queue.push(file),
                    // It was to be here by the assignment before.
                    Some(_) => {}
                    None => return,
                },
                () = queue.next_attempt() => {}
            }
        }
    }

    /// Removes what queries of this assignment and of the one before do not read.
    fn remove_unnamed(&self, assigned: &Arc<Assigned>) {
        if self.is_origin {
            return;
        }
        let worker = self.holdings.name();
        match remove_unnamed(&self.folder, &self.holdings, assigned) {
            Ok(Removed { files: 0, failed: 0, .. }) => {}
            Ok(Removed { files, bytes, failed }) => {
                tracing::info!(%worker, files, bytes, failed, "removed tiles that nobody needs");
            }
            Err(error) => {
                let error = crate::error::with_causes(&error);
                tracing::warn!(%worker, "cannot look for tiles that nobody needs: {error}");
            }
        }
    }

    /// What the folder lacks of an assignment.
    async fn compare(&self, assigned: &Arc<Assigned>) -> Vec<Path> {
        let (folder, of) = (Arc::clone(&self.folder), Arc::clone(assigned));
        let look = move || {
            let absent =
                of.files.iter().filter(|(path, bytes)| folder.find(path, **bytes) != Found::Whole);
            absent.map(|(path, _)| path.clone()).collect()
        };
        match tokio::task::spawn_blocking(look).await {
            Ok(missing) => self.holdings.compared(assigned, missing),
            Err(error) => {
                tracing::error!(%error, "the folder could not be looked through");
                Vec::new()
            }
        }
    }

    /// Copies one file, or takes it over from a former release.
    async fn bring(&self, file: Path, failures: u32, assigned: &Assigned) -> Ended {
        let bytes = assigned.files.get(&file).copied().unwrap_or(0);
        let wanted = Wanted { path: file.clone(), bytes };
        let copied = self.bring_wanted(&wanted).await;
        Ended { file, failures, copied }
    }

    async fn bring_wanted(&self, wanted: &Wanted) -> Result<(), Error> {
        if self.folder.takes_over() && self.take_over(wanted).await? {
            return Ok(());
        }
        let source = replicate::copy(wanted, &self.elsewhere, &self.folder).await?;
        self.counters.copied(source);
        if source == Source::Peer {
            tracing::debug!(tile = %wanted.path, "copied from a peer");
        }
        Ok(())
    }

    async fn take_over(&self, wanted: &Wanted) -> Result<bool, Error> {
        let (folder, wanted) = (Arc::clone(&self.folder), wanted.clone());
        let take = move || match folder.find(&wanted.path, wanted.bytes) {
            Found::Unsummed => replicate::take_over(&wanted, &folder),
            Found::Whole | Found::Nothing => Ok(false),
        };
        tokio::task::spawn_blocking(take).await.map_err(Error::Task)?
    }

    fn end(&self, ended: Ended, queue: &mut Queue) {
        let Ended { file, failures, copied } = ended;
        match copied {
            Ok(()) => {
                queue.known.remove(&file);
                self.own.forget(&file);
                self.holdings.arrived(&file);
            }
            Err(error) => {
                let wait = retry_after(failures);
                if failures == 0 {
                    let worker = self.holdings.name();
                    let error = crate::error::with_causes(&error);
                    tracing::warn!(%worker, "{error}; it is tried again");
                }
                queue.later.insert((Instant::now() + wait, file, failures + 1));
            }
        }
    }

    fn tell(&self, is_whole: bool) {
        let Some(held) = self.holdings.held() else { return };
        let (files, files_total, bytes) = (held.files, held.files_total, held.bytes);
        let (worker, folder) = (self.holdings.name(), self.folder.root().display());
        if !is_whole {
            let bytes_total = held.bytes_total;
            tracing::info!(%worker, files, files_total, bytes, bytes_total, "copying tiles");
            return;
        }
        tracing::info!(%worker, files, bytes, %folder, "tiles are here");
        if let Err(error) = self.folder.taken_over() {
            tracing::warn!(error = crate::error::with_causes(&error), "cannot note the takeover");
        }
    }
}

fn retry_after(failures: u32) -> Duration {
    RETRY_LAST.min(RETRY_FIRST.saturating_mul(2_u32.saturating_pow(failures)))
}

impl Queue {
    fn push(&mut self, file: Path) {
        if self.known.insert(file.clone()) {
            self.now.push_back((file, 0));
        }
    }

    /// The next file whose time has come.
    fn pop(&mut self) -> Option<(Path, u32)> {
        if let Some((time, ..)) = self.later.first()
            && *time <= Instant::now()
        {
            return self.later.pop_first().map(|(_, file, failures)| (file, failures));
        }
        self.now.pop_front()
    }

    /// Waits for the time of the next attempt, for ever if there is none.
    async fn next_attempt(&self) {
        match self.later.first() {
            Some((time, ..)) => tokio::time::sleep_until(*time).await,
            None => std::future::pending().await,
        }
    }
}
