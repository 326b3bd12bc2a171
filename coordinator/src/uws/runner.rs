//! Runs queued jobs, a bounded number at once, and records how each ends.
//!
//! The task of a job owns the stream of its work: aborting the task drops the stream, and with it
//! all that works for it. A job ends once: the store refuses the second of two endings.
//! A job whose work lost what it ran on is tried again, a bounded number of times in a row.

use std::fmt::Write as _;
use std::future::Future;
use std::panic::AssertUnwindSafe;
use std::path::Path;
use std::pin::pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use bytes::Bytes;
use futures::future::{BoxFuture, FutureExt as _};
use futures::stream::{BoxStream, StreamExt as _};
use tokio::sync::watch;
use tokio::task::{AbortHandle, JoinSet};
use tokio::time::Instant;
use tracing::Instrument as _;

use crate::uws::store::Store;
use crate::uws::{
    Error, Failure, FailureKind, Job, JobFolder, JobId, Parameters, Phase, ResultFile, Shared,
};

/// After a failure of the database it is asked again so soon.
const RETRY: Duration = Duration::from_secs(1);

/// What a job is asked for.
#[derive(Debug, Clone, Copy)]
pub struct Asked<'a> {
    /// Its parameters.
    pub parameters: &'a Parameters,
    /// The folder with what was sent with it, if something was.
    pub sent: Option<&'a Path>,
}

/// What a job does.
pub trait Work: Send + Sync + 'static {
    /// What a job does that begins now: the same in each of its attempts.
    fn begin(self: Arc<Self>) -> Arc<dyn Work>;

    /// Does what is asked for. Dropping the future, or the output, ends it.
    ///
    /// It is called once for each attempt: again after a failure that is [`FailureKind::Lost`],
    /// and after a start of the service. What an attempt finished in the folder is there for the
    /// next one.
    fn run<'a>(
        &'a self,
        asked: Asked<'a>,
        folder: &'a Arc<JobFolder>,
    ) -> BoxFuture<'a, Result<Output, Failure>>;
}

/// The result of a job as it streams.
#[allow(missing_debug_implementations, reason = "a stream has no useful representation")]
pub struct Output {
    /// Its `Content-Type`.
    pub content_type: String,
    /// Its bytes. A failure is the last item, and makes the others void.
    pub chunks: BoxStream<'static, Result<Bytes, Failure>>,
}

/// A job that runs.
#[derive(Debug)]
pub(super) struct Running {
    task: AbortHandle,
    seconds: watch::Sender<u32>,
    /// Closed when the task is gone.
    gone: watch::Receiver<()>,
}

impl Running {
    pub(super) fn set_seconds(&self, seconds: u32) {
        self.seconds.send_replace(seconds);
    }

    pub(super) async fn stop(mut self) {
        self.task.abort();
        // Nothing is ever sent: an error says that the sender went with its task.
        while self.gone.changed().await.is_ok() {}
    }
}

/// Runs queued jobs until `stop`; then what runs goes back into the queue.
pub(super) async fn run(
    shared: &Arc<Shared>,
    work: &Arc<dyn Work>,
    stop: impl Future<Output = ()>,
) {
    let mut executing = JoinSet::new();
    let mut stop = pin!(stop);
    loop {
        while executing.try_join_next().is_some() {}
        let started = start_queued(shared, work, &mut executing).await;
        if let Err(error) = &started {
            tracing::error!(%error, "cannot take jobs from the queue");
        }
        tokio::select! {
            () = &mut stop => break,
            () = shared.queue.notified() => {}
            Some(_) = executing.join_next() => {}
            () = tokio::time::sleep(RETRY), if started.is_err() => {}
        }
    }
    shared.closing.send_replace(true);
    executing.shutdown().await;
    shared.running.lock().await.clear();
    match shared.store.requeue().await {
        Ok(0) => {}
        Ok(jobs) => tracing::info!(jobs, "jobs are back in the queue, for the next start"),
        Err(error) => tracing::error!(%error, "jobs that ran are not back in the queue"),
    }
}

/// Starts jobs while there is room.
async fn start_queued(
    shared: &Arc<Shared>,
    work: &Arc<dyn Work>,
    executing: &mut JoinSet<()>,
) -> Result<(), Error> {
    while executing.len() < shared.limits.executing_max {
        let mut running = shared.running.lock().await;
        let Some(job) = shared.store.start_next().await? else { break };
        shared.reached(job.id, Phase::Executing);
        let id = job.id;
        let (seconds, limit) = watch::channel(job.execution_seconds);
        let (here, gone) = watch::channel(());
        let span = tracing::info_span!("job", job = %id, run_id = job.parameters.run_id());
        let task = execute(Arc::clone(shared), Arc::clone(work), job, limit, here);
        let task = executing.spawn(task.instrument(span));
        running.insert(id, Running { task, seconds, gone });
    }
    Ok(())
}

/// Runs one job to its end.
async fn execute(
    shared: Arc<Shared>,
    work: Arc<dyn Work>,
    job: Job,
    limit: watch::Receiver<u32>,
    _here: watch::Sender<()>,
) {
    let (started, work) = (Instant::now(), work.begin());
    let produced = AssertUnwindSafe(produce(&shared, work.as_ref(), &job)).catch_unwind();
    let ended = tokio::select! {
        produced = produced => produced.unwrap_or_else(|_| Err(Failure::fatal(
            "the job met a defect of the service, which is in its log",
        ))),
        seconds = exceeded(started, limit) => Err(Failure::fatal(format!(
            "the job ran longer than its execution duration of {seconds} seconds: give it more by \
             EXECUTIONDURATION (at most {}), or make the query smaller",
            shared.limits.execution.hard
        ))),
    };
    let elapsed_ms = started.elapsed().as_millis();
    match &ended {
        Ok(result) => tracing::info!(elapsed_ms, bytes = result.bytes, "job completed"),
        Err(failure) => tracing::info!(elapsed_ms, error = failure.message, "job failed"),
    }
    if record(&shared.store, job.id, &ended).await {
        let phase = if ended.is_ok() { Phase::Completed } else { Phase::Error };
        shared.reached(job.id, phase);
    } else if let Err(error) = shared.results.remove(job.id).await {
        // The job was aborted or destroyed in its last moment.
        tracing::warn!(%error, "the result of a job that is gone cannot be removed");
    }
    if let Err(error) = shared.folders.remove(job.id).await {
        tracing::warn!(%error, "what a job kept for its next attempt cannot be removed");
    }
    if let Err(error) = shared.inputs.remove(job.id).await {
        tracing::warn!(%error, "what was sent with a job cannot be removed");
    }
    shared.running.lock().await.remove(&job.id);
}

/// Brings the result of a job into the store, by as many attempts as it takes.
async fn produce(shared: &Shared, work: &dyn Work, job: &Job) -> Result<ResultFile, Failure> {
    let folder = shared.folders.of(job.id);
    let mut waits = shared.limits.retry_waits.iter();
    loop {
        let finished = folder.finished();
        let failure = match attempt(shared, work, job, &folder).await {
            Err(failure) if failure.kind == FailureKind::Lost => failure,
            ended => return ended,
        };
        if folder.finished() > finished {
            waits = shared.limits.retry_waits.iter();
        }
        let Some(wait) = waits.next() else { return Err(failure) };
        let wait_ms = wait.as_millis();
        tracing::warn!(error = failure.message, wait_ms, "job lost what it ran on: it runs again");
        tokio::time::sleep(*wait).await;
    }
}

/// One attempt; of its result nothing is there where it fails.
async fn attempt(
    shared: &Shared,
    work: &dyn Work,
    job: &Job,
    folder: &Arc<JobFolder>,
) -> Result<ResultFile, Failure> {
    let sent = shared.inputs.of(job.id);
    let asked = Asked { parameters: &job.parameters, sent: sent.as_deref() };
    let Output { content_type, mut chunks } = work.run(asked, folder).await?;
    let mut writer = shared.results.writer(job.id).await?;
    while let Some(chunk) = chunks.next().await {
        writer.write(chunk?).await?;
    }
    Ok(ResultFile { content_type, bytes: writer.finish().await? })
}

/// Done when a job has run as long as it may, which may change meanwhile; as how long it was.
async fn exceeded(started: Instant, mut limit: watch::Receiver<u32>) -> u32 {
    loop {
        let seconds = *limit.borrow_and_update();
        let end = tokio::time::sleep_until(started + Duration::from_secs(u64::from(seconds)));
        tokio::select! {
            () = end => return seconds,
            Ok(()) = limit.changed() => {}
        }
    }
}

/// Writes down how a job ended; false where it had ended before. A database that fails is asked
/// until it answers: no job may stay EXECUTING that is not.
async fn record(store: &Store, id: JobId, ended: &Result<ResultFile, Failure>) -> bool {
    loop {
        let recorded = match ended {
            Ok(result) => store.complete(id, result).await,
            Err(failure) => store.fail(id, failure).await,
        };
        match recorded {
            Ok(recorded) => return recorded,
            Err(error) => tracing::error!(%error, "cannot record the end of the job"),
        }
        tokio::time::sleep(RETRY).await;
    }
}

/// The phases that are counted.
const COUNTED: [Phase; 6] = [
    Phase::Pending,
    Phase::Queued,
    Phase::Executing,
    Phase::Completed,
    Phase::Error,
    Phase::Aborted,
];

/// How many jobs reached each phase since the start.
#[derive(Debug, Default)]
pub(super) struct Counters([AtomicU64; COUNTED.len()]);

impl Counters {
    pub(super) fn reached(&self, phase: Phase) {
        if let Some(at) = COUNTED.iter().position(|counted| *counted == phase) {
            self.0[at].fetch_add(1, Ordering::Relaxed);
        }
    }

    pub(super) fn prometheus(&self, results_bytes: u64) -> String {
        let mut text = "# HELP armilla_jobs_total Jobs that reached a phase.\n\
                        # TYPE armilla_jobs_total counter\n"
            .to_owned();
        for (phase, count) in COUNTED.iter().zip(&self.0) {
            let count = count.load(Ordering::Relaxed);
            // Writing to a String cannot fail.
            let _ = writeln!(text, "armilla_jobs_total{{phase=\"{phase}\"}} {count}");
        }
        let _ = writeln!(
            text,
            "# HELP armilla_results_bytes Bytes on disk of all jobs: results, and parts of them.\n\
             # TYPE armilla_results_bytes gauge\narmilla_results_bytes {results_bytes}"
        );
        text
    }
}
