//! Jobs without HTTP and without queries: the machine of phases, the queue, and how work ends.

#![expect(clippy::unwrap_used, reason = "a test ends at the first step that fails")]

use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use coordinator::uws::store::Store;
use coordinator::uws::{
    Asked, Error, Failure, Job, JobFolder, JobId, JobLimits, Jobs, Moment, Output, Parameters,
    Phase, ResultFile, Seconds, Work,
};
use futures::future::{BoxFuture, FutureExt as _, pending};
use futures::stream::{self, StreamExt as _};

const LIMITS: JobLimits = JobLimits {
    executing_max: 2,
    queued_max: 4,
    kept_max: 20,
    execution: Seconds { default: 60, hard: 120 },
    retention: Seconds { default: 600, hard: 1200 },
    results_bytes_max: 1000,
    retry_waits: &[],
};

fn job(phase: Phase) -> Job {
    Job {
        id: JobId::random(),
        phase,
        parameters: Parameters::default(),
        created: Moment::now(),
        started: None,
        ended: None,
        execution_seconds: 1,
        destruction: Moment::now().plus_seconds(60),
        attempts: 1,
        result: None,
        error: None,
    }
}

async fn phase_of(store: &Store, id: JobId) -> Phase {
    store.get(id).await.unwrap().unwrap().phase
}

/// The statements of the store and the table of predecessors say the same, for every pair.
#[tokio::test]
async fn the_store_keeps_to_the_machine_of_phases() {
    let folder = tempfile::tempdir().unwrap();
    let result = ResultFile { content_type: "text/plain".to_owned(), bytes: 1 };
    let failure = Failure::fatal("no");
    for to in Phase::ALL {
        for from in Phase::ALL {
            let file = folder.path().join(format!("{from}-{to}.sqlite"));
            let store = Store::open(&file).await.unwrap();
            let id = job(from).id;
            store.insert(&Job { id, ..job(from) }).await.unwrap();
            let changed = match to {
                Phase::Queued => {
                    store.enqueue(id, 1).await.unwrap() | (store.requeue().await.unwrap() > 0)
                }
                Phase::Executing => store.start_next().await.unwrap().is_some(),
                Phase::Completed => store.complete(id, &result).await.unwrap(),
                Phase::Error => store.fail(id, &failure).await.unwrap(),
                Phase::Aborted => store.abort(id).await.unwrap(),
                _ => continue,
            };
            assert_eq!(changed, to.predecessors().contains(&from), "{from} to {to}");
            let expected = if changed { to } else { from };
            assert_eq!(phase_of(&store, id).await, expected, "{from} to {to}");
        }
    }
}

#[test]
fn instants_are_read_as_they_are_written() {
    for (text, written) in [
        ("2026-11-21T10:00:00Z", "2026-11-21T10:00:00Z"),
        ("2026-11-21T10:00:00.123Z", "2026-11-21T10:00:00.123Z"),
        ("2026-11-21T12:00:00+02:00", "2026-11-21T10:00:00Z"),
        ("2026-11-21T10:00:00", "2026-11-21T10:00:00Z"),
        ("2026-11-21", "2026-11-21T00:00:00Z"),
        ("1969-12-31T23:59:59.999Z", "1969-12-31T23:59:59.999Z"),
        ("9999-12-31T23:59:59Z", "9999-12-31T23:59:59Z"),
    ] {
        assert_eq!(text.parse::<Moment>().unwrap().to_string(), written, "{text}");
    }
    for wrong in ["", "now", "2026-02-30", "2026-11-21T25:00:00Z", "+10000-01-01", "-1", "2026"] {
        assert!(wrong.parse::<Moment>().is_err(), "{wrong}");
    }
}

#[test]
fn only_what_is_made_here_names_a_job() {
    let id = JobId::random();
    assert_eq!(id.to_string().parse::<JobId>().unwrap(), id);
    let wrong = ["", "..", "../x", "0", &id.to_string()[1..], &format!("{id}0"), &"G".repeat(32)];
    for wrong in wrong {
        assert!(wrong.parse::<JobId>().is_err(), "{wrong}");
    }
}

/// Work that does what the parameter DO says.
#[derive(Debug, Default)]
struct Acting {
    /// Work that hangs has come to where it does.
    hangs: Arc<AtomicBool>,
    dropped: Arc<AtomicBool>,
}

struct Dropped(Arc<AtomicBool>);

impl Drop for Dropped {
    fn drop(&mut self) {
        self.0.store(true, Ordering::SeqCst);
    }
}

impl Work for Acting {
    fn begin(self: Arc<Self>) -> Arc<dyn Work> {
        self
    }

    fn run<'a>(
        &'a self,
        asked: Asked<'a>,
        _folder: &'a Arc<JobFolder>,
    ) -> BoxFuture<'a, Result<Output, Failure>> {
        async move {
            let action = asked.parameters.pairs()[0].1.clone();
            let guard = Dropped(Arc::clone(&self.dropped));
            let hangs = Arc::clone(&self.hangs);
            let chunks = stream::unfold((0, guard), move |(step, guard)| {
                let (action, hangs) = (action.clone(), Arc::clone(&hangs));
                async move {
                    let chunk = match (action.as_str(), step) {
                        ("fail", 1) => Err(Failure::transient("half-way")),
                        ("panic", 1) => panic!("as it was told"),
                        ("hang", 1) => {
                            hangs.store(true, Ordering::SeqCst);
                            pending().await
                        }
                        ("large", _) => Ok("x".repeat(300).into()),
                        (_, 0..3) => Ok("abc".into()),
                        _ => return None,
                    };
                    Some((chunk, (step + 1, guard)))
                }
            });
            Ok(Output { content_type: "text/plain".to_owned(), chunks: chunks.boxed() })
        }
        .boxed()
    }
}

async fn made(jobs: &Jobs, action: &str) -> JobId {
    jobs.create(vec![("DO".to_owned(), action.to_owned())], None, true).await.unwrap().id
}

async fn ended(jobs: &Jobs, id: JobId) -> Job {
    loop {
        let job = jobs.wait(id, Duration::from_secs(60), None).await.unwrap();
        if !job.phase.is_active() {
            return job;
        }
    }
}

fn results(state: &Path) -> usize {
    std::fs::read_dir(state.join("results")).unwrap().count()
}

#[tokio::test(flavor = "multi_thread")]
async fn jobs_end_as_their_work_does() {
    let state = tempfile::tempdir().unwrap();
    let jobs = Jobs::open(state.path(), LIMITS).await.unwrap();
    let work = Arc::new(Acting::default());
    let test = async {
        let job = made(&jobs, "answer").await;
        let job = ended(&jobs, job).await;
        let kept = ResultFile { content_type: "text/plain".to_owned(), bytes: 9 };
        assert_eq!((job.phase, job.result), (Phase::Completed, Some(kept)));
        let read = jobs.result(job.id, None).await.unwrap().bytes().await.unwrap();
        assert_eq!(&read[..], b"abcabcabc");
        for (action, transient, words) in
            [("fail", true, "half-way"), ("panic", false, "defect"), ("large", true, "1000 bytes")]
        {
            let job = made(&jobs, action).await;
            let job = ended(&jobs, job).await;
            assert_eq!(job.phase, Phase::Error, "{action}");
            let failure = job.error.unwrap();
            assert_eq!(failure.is_transient(), transient, "{action}");
            assert!(failure.message.contains(words), "{action}: {}", failure.message);
        }
        while results(state.path()) > 1 {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
        let hanging = made(&jobs, "hang").await;
        let job = jobs.wait(hanging, Duration::from_secs(60), Some(Phase::Queued)).await.unwrap();
        assert_eq!(job.phase, Phase::Executing);
        while !work.hangs.load(Ordering::SeqCst) {
            tokio::task::yield_now().await;
        }
        work.dropped.store(false, Ordering::SeqCst);
        jobs.destroy(hanging).await.unwrap();
        assert!(work.dropped.load(Ordering::SeqCst), "the work is gone when this returns");
        assert!(matches!(jobs.get(hanging).await, Err(Error::NoSuchJob)));
        let three =
            [made(&jobs, "hang").await, made(&jobs, "hang").await, made(&jobs, "hang").await];
        for id in &three[..2] {
            jobs.wait(*id, Duration::from_secs(60), Some(Phase::Queued)).await.unwrap();
            assert_eq!(jobs.get(*id).await.unwrap().phase, Phase::Executing);
        }
        assert_eq!(jobs.get(three[2]).await.unwrap().phase, Phase::Queued, "two run at once");
        for id in three {
            jobs.abort(id).await.unwrap();
            assert_eq!(jobs.get(id).await.unwrap().phase, Phase::Aborted);
        }
    };
    jobs.execute(Arc::clone(&work) as Arc<dyn Work>, test).await;
}

#[tokio::test]
async fn a_full_queue_and_a_full_folder_refuse() {
    let state = tempfile::tempdir().unwrap();
    let jobs = Jobs::open(state.path(), LIMITS).await.unwrap();
    for _ in 0..LIMITS.queued_max {
        made(&jobs, "wait").await;
    }
    let refused = jobs.create(Vec::new(), None, true).await.unwrap_err();
    assert!(matches!(refused, Error::QueueFull { queued_max: 4 }), "{refused}");
    assert_eq!(jobs.count().await.unwrap(), u64::from(LIMITS.queued_max), "it is not kept");
    let pending = jobs.create(Vec::new(), None, false).await.unwrap();
    assert!(matches!(jobs.enqueue(pending.id).await, Err(Error::QueueFull { .. })));
    assert_eq!(jobs.get(pending.id).await.unwrap().phase, Phase::Pending);
    while jobs.count().await.unwrap() < u64::from(LIMITS.kept_max) {
        jobs.create(Vec::new(), None, false).await.unwrap();
    }
    let refused = jobs.create(Vec::new(), None, false).await.unwrap_err();
    assert!(matches!(refused, Error::TooManyJobs { kept_max: 20 }), "{refused}");
    let second = Jobs::open(state.path(), LIMITS).await.unwrap_err();
    assert!(matches!(second, Error::InUse { .. }), "{second}");
}
