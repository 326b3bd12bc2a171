//! Jobs that outlive the request that made them (UWS 1.1), whatever their work is.
//!
//! [`Jobs`] is the handle: it keeps jobs in a folder that no other process may use meanwhile, and
//! tells who waits of every change of phase. [`Jobs::execute`] runs what is queued and destroys
//! what is due; what a job does is said by its [`Work`]. Work that lost what it ran on is tried
//! again, and finds in its [`JobFolder`] what it had finished, after a restart of the service too.
//! HTTP belongs to `tap`, queries as well.

mod budget;
mod destruction;
mod error;
mod folder;
mod inputs;
mod job;
mod moment;
mod phase;
mod results;
mod runner;
pub mod store;

use std::collections::{HashMap, HashSet};
use std::fs::{DirBuilder, File, TryLockError};
use std::future::Future;
use std::io;
use std::os::unix::fs::DirBuilderExt as _;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use object_store::{GetRange, GetResult};
use tokio::sync::{Mutex, Notify, broadcast, watch};
use tokio::time::Instant;

use budget::Budget;
use folder::Folders;
use inputs::Inputs;
use results::Results;
use runner::Running;
use store::Store;

pub use error::Error;
pub use folder::{JobFolder, Partial};
pub use job::{Failure, FailureKind, Job, JobFilter, JobId, JobSummary, Parameters, ResultFile};
pub use moment::Moment;
pub use phase::Phase;
pub use runner::{Asked, Output, Work};

/// As many changes may be on their way to one who waits; beyond, it looks for itself.
const CHANGES: usize = 1024;

/// The folder, in that of the state, with what was sent with jobs.
pub const INPUTS: &str = "uploads";

/// What a client gets without asking, and beyond which it cannot ask, in seconds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Seconds {
    /// Without asking.
    pub default: u32,
    /// At most.
    pub hard: u32,
}

impl Seconds {
    /// A default within the hard limit.
    pub fn new(default: u32, hard: u32) -> Self {
        Self { default: default.min(hard), hard }
    }
}

/// Bounds on jobs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct JobLimits {
    /// As many run at once.
    pub executing_max: usize,
    /// As many wait.
    pub queued_max: u32,
    /// As many exist.
    pub kept_max: u32,
    /// How long a job may run.
    pub execution: Seconds,
    /// How long a job is kept.
    pub retention: Seconds,
    /// Bytes of all results together, and of what is finished of jobs that run.
    pub results_bytes_max: u64,
    /// How long each new attempt of a job waits, whose work lost what it ran on and came no
    /// further: as many in a row as there are waits.
    pub retry_waits: &'static [Duration],
}

/// The jobs of a service. Its clones are the same.
#[derive(Debug, Clone)]
pub struct Jobs(Arc<Shared>);

#[derive(Debug)]
struct Shared {
    store: Store,
    results: Results,
    folders: Folders,
    inputs: Inputs,
    budget: Arc<Budget>,
    limits: JobLimits,
    /// Held while a job is taken from the queue, so that no job runs without standing here.
    running: Mutex<HashMap<JobId, Running>>,
    /// Something was queued, or ended.
    queue: Notify,
    /// A job was made, or is to be destroyed at another time.
    destructions: Notify,
    /// The jobs whose phase changed.
    changes: broadcast::Sender<JobId>,
    /// Whether nobody should wait any more.
    closing: watch::Sender<bool>,
    counters: runner::Counters,
    _lock: File,
}

impl Jobs {
    /// Opens a state folder, or makes it. What a process left that was killed is put in order: its
    /// jobs wait for [`Self::execute`].
    ///
    /// # Errors
    /// When the folder is in use, cannot be used, or belongs to a newer release.
    pub async fn open(folder: &Path, limits: JobLimits) -> Result<Self, Error> {
        let failed = |source| Error::Folder { folder: folder.to_owned(), source };
        // Results are for those who know the job.
        DirBuilder::new().recursive(true).mode(0o700).create(folder).map_err(failed)?;
        let lock = lock(folder)?;
        let store = Store::open(&folder.join("jobs.sqlite")).await?;
        store.recover().await?;
        let budget = Budget::new(limits.results_bytes_max);
        let queued = JobFilter { phases: vec![Phase::Queued], ..JobFilter::default() };
        let queued: HashSet<_> = store.list(&queued).await?.into_iter().map(|j| j.id).collect();
        let folders = Folders::open(&folder.join("unfinished"), &budget, &queued)?;
        let waiting = [Phase::Pending, Phase::Queued];
        let waiting = JobFilter { phases: waiting.to_vec(), ..JobFilter::default() };
        let waiting: HashSet<_> = store.list(&waiting).await?.into_iter().map(|j| j.id).collect();
        let inputs = Inputs::open(&folder.join(INPUTS), &budget, &waiting)?;
        let results = Results::open(&folder.join("results"), &budget)?;
        let known = store.results().await?.into_iter();
        let lost =
            results.sweep(known.map(|(id, bytes)| (id.to_string(), (id, bytes))).collect())?;
        for id in lost {
            tracing::warn!(job = %id, "its result is lost");
            let failure =
                Failure::transient("the result was lost with its disk: run the job again");
            store.lose_result(id, &failure).await?;
        }
        let shared = Shared {
            store,
            results,
            folders,
            inputs,
            budget,
            limits,
            running: Mutex::default(),
            queue: Notify::new(),
            destructions: Notify::new(),
            changes: broadcast::Sender::new(CHANGES),
            closing: watch::Sender::new(false),
            counters: runner::Counters::default(),
            _lock: lock,
        };
        Ok(Self(Arc::new(shared)))
    }

    /// Runs what is queued and destroys what is due, until `stop`; then what runs is stopped and
    /// put back into the queue.
    pub async fn execute(&self, work: Arc<dyn Work>, stop: impl Future<Output = ()>) {
        tokio::select! {
            () = runner::run(&self.0, &work, stop) => {}
            never = destruction::run(self) => match never {},
        }
    }

    /// The bounds.
    pub fn limits(&self) -> &JobLimits {
        &self.0.limits
    }

    /// How many jobs there are.
    ///
    /// # Errors
    /// When they cannot be read.
    pub async fn count(&self) -> Result<u64, Error> {
        self.0.store.count(&Phase::ALL).await
    }

    /// Makes a job, and with `run` queues it at once: then it is made only if it may wait. The files
    /// of the folder `sent` are moved to the job.
    ///
    /// # Errors
    /// When there are too many parameters or jobs, or too many bytes.
    pub async fn create(
        &self,
        given: Vec<(String, String)>,
        sent: Option<&Path>,
        run: bool,
    ) -> Result<Job, Error> {
        let limits = &self.0.limits;
        let parameters = Parameters::default().replaced_by(given)?;
        if self.count().await? >= u64::from(limits.kept_max) {
            return Err(Error::TooManyJobs { kept_max: limits.kept_max });
        }
        let created = Moment::now();
        let job = Job {
            id: JobId::random(),
            phase: Phase::Pending,
            parameters,
            created,
            started: None,
            ended: None,
            execution_seconds: limits.execution.default,
            destruction: created.plus_seconds(limits.retention.default),
            attempts: 0,
            result: None,
            error: None,
        };
        if let Some(sent) = sent {
            self.0.inputs.add(job.id, sent)?;
        }
        if let Err(error) = self.0.store.insert(&job).await {
            self.0.inputs.remove(job.id).await?;
            return Err(error);
        }
        self.0.reached(job.id, Phase::Pending);
        self.0.destructions.notify_one();
        tracing::info!(job = %job.id, run_id = job.parameters.run_id(), "job made");
        if run && let Err(error) = self.enqueue(job.id).await {
            self.0.store.delete(job.id).await?;
            self.0.inputs.remove(job.id).await?;
            return Err(error);
        }
        Ok(job)
    }

    /// A job.
    ///
    /// # Errors
    /// When there is no such job.
    pub async fn get(&self, id: JobId) -> Result<Job, Error> {
        self.0.store.get(id).await?.ok_or(Error::NoSuchJob)
    }

    /// The jobs that a filter lets pass, newest first.
    ///
    /// # Errors
    /// When they cannot be read.
    pub async fn list(&self, filter: &JobFilter) -> Result<Vec<JobSummary>, Error> {
        self.0.store.list(filter).await
    }

    /// Waits until the phase of a job changes, but no longer than `longest`; at once where the
    /// phase is not the expected one, or will not change any more (UWS 1.1 §2.2.1.2).
    ///
    /// # Errors
    /// When there is no such job, or no more.
    pub async fn wait(
        &self,
        id: JobId,
        longest: Duration,
        expected: Option<Phase>,
    ) -> Result<Job, Error> {
        let deadline = Instant::now() + longest;
        let (mut changes, mut closing) = (self.0.changes.subscribe(), self.0.closing.subscribe());
        let first = self.get(id).await?;
        if !first.phase.is_active() || expected.is_some_and(|phase| phase != first.phase) {
            return Ok(first);
        }
        loop {
            tokio::select! {
                changed = changes.recv() => {
                    if changed.is_ok_and(|changed| changed != id) {
                        continue;
                    }
                    let job = self.get(id).await?;
                    if job.phase != first.phase {
                        return Ok(job);
                    }
                }
                () = tokio::time::sleep_until(deadline) => return self.get(id).await,
                () = closed(&mut closing) => return self.get(id).await,
            }
        }
    }

    /// Changes parameters of a job that is PENDING. The files of the folder `sent` are moved to the
    /// job, in place of those that have their names.
    ///
    /// # Errors
    /// When it is not, or there are too many.
    pub async fn set_parameters(
        &self,
        id: JobId,
        given: Vec<(String, String)>,
        sent: Option<&Path>,
    ) -> Result<(), Error> {
        // Meanwhile no job begins: it would find the parameters without the files.
        let _none_begins = self.0.running.lock().await;
        let job = self.get(id).await?;
        let wanted = "parameters can be changed while it is PENDING; make a new job";
        let parameters = job.parameters.replaced_by(given)?;
        if self.0.store.set_parameters(id, &parameters).await? {
            return sent.map_or(Ok(()), |sent| self.0.inputs.add(id, sent));
        }
        Err(Error::WrongPhase { phase: self.get(id).await?.phase, wanted })
    }

    /// Changes how long a job may run; 0 asks for as long as possible.
    ///
    /// # Errors
    /// When it has ended.
    pub async fn set_execution_seconds(&self, id: JobId, seconds: u32) -> Result<(), Error> {
        let hard = self.0.limits.execution.hard;
        let seconds = if seconds == 0 { hard } else { seconds.min(hard) };
        if self.0.store.set_execution_seconds(id, seconds).await? {
            if let Some(running) = self.0.running.lock().await.get(&id) {
                running.set_seconds(seconds);
            }
            return Ok(());
        }
        let wanted = "its execution duration can be changed until it ends";
        Err(Error::WrongPhase { phase: self.get(id).await?.phase, wanted })
    }

    /// Changes when a job is destroyed, within the hard limit on its age.
    ///
    /// # Errors
    /// When there is no such job.
    pub async fn set_destruction(&self, id: JobId, to: Moment) -> Result<(), Error> {
        let job = self.get(id).await?;
        let latest = job.created.plus_seconds(self.0.limits.retention.hard);
        self.0.store.set_destruction(id, to.min(latest)).await?;
        self.0.destructions.notify_one();
        Ok(())
    }

    /// Queues a job; one that is queued or runs already is left as it is.
    ///
    /// # Errors
    /// When it has ended, or as many wait as may.
    pub async fn enqueue(&self, id: JobId) -> Result<(), Error> {
        let queued_max = self.0.limits.queued_max;
        if self.0.store.enqueue(id, queued_max).await? {
            self.0.reached(id, Phase::Queued);
            self.0.queue.notify_one();
            return Ok(());
        }
        let wanted = "a job runs once; make a new job";
        match self.get(id).await?.phase {
            Phase::Pending => Err(Error::QueueFull { queued_max }),
            Phase::Queued | Phase::Executing => Ok(()),
            phase => Err(Error::WrongPhase { phase, wanted }),
        }
    }

    /// Ends a job, whose work has stopped when this returns. One that has ended stays as it is.
    ///
    /// # Errors
    /// When there is no such job.
    pub async fn abort(&self, id: JobId) -> Result<(), Error> {
        self.get(id).await?;
        if self.0.store.abort(id).await? {
            self.0.stop(id).await;
            self.0.reached(id, Phase::Aborted);
            tracing::info!(job = %id, "job aborted");
            self.0.folders.remove(id).await?;
            self.0.inputs.remove(id).await?;
            // There is one where the job had come to its end, and not yet to that phase.
            self.0.results.remove(id).await?;
        }
        Ok(())
    }

    /// Ends a job and removes all that is kept of it.
    ///
    /// # Errors
    /// When there is no such job, or its result cannot be removed.
    pub async fn destroy(&self, id: JobId) -> Result<(), Error> {
        if !self.0.store.delete(id).await? {
            return Err(Error::NoSuchJob);
        }
        self.0.stop(id).await;
        // Whoever waits for it learns that it is gone; nobody may be waiting.
        let _told = self.0.changes.send(id);
        tracing::info!(job = %id, "job destroyed");
        self.0.folders.remove(id).await?;
        self.0.inputs.remove(id).await?;
        self.0.results.remove(id).await
    }

    /// The result of a job, or a range of it.
    ///
    /// # Errors
    /// When it cannot be read.
    pub async fn result(&self, id: JobId, range: Option<GetRange>) -> Result<GetResult, Error> {
        self.0.results.read(id, range).await
    }

    /// Counters of jobs as Prometheus text.
    pub fn prometheus(&self) -> String {
        self.0.counters.prometheus(self.0.budget.used())
    }
}

impl Shared {
    /// Counts a change of phase and tells those who wait for it.
    fn reached(&self, id: JobId, phase: Phase) {
        self.counters.reached(phase);
        // Nobody may be waiting.
        let _told = self.changes.send(id);
    }

    /// Stops the work of a job, where it runs, and returns when it is gone.
    async fn stop(&self, id: JobId) {
        let running = self.running.lock().await.remove(&id);
        if let Some(running) = running {
            running.stop().await;
            self.queue.notify_one();
        }
    }
}

/// Done when nobody should wait any more.
async fn closed(closing: &mut watch::Receiver<bool>) {
    let _closed = closing.wait_for(|closing| *closing).await;
}

/// Takes the folder for this process, until the file is closed.
fn lock(folder: &Path) -> Result<File, Error> {
    let file = File::options().create(true).truncate(false).write(true).open(folder.join("lock"));
    let failed = |source: io::Error| Error::Folder { folder: folder.to_owned(), source };
    let file = file.map_err(failed)?;
    match file.try_lock() {
        Ok(()) => Ok(file),
        Err(TryLockError::WouldBlock) => Err(Error::InUse { folder: folder.to_owned() }),
        Err(TryLockError::Error(source)) => Err(failed(source)),
    }
}
