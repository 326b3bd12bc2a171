//! A new snapshot in the place of the one that is served: queries and jobs that run keep theirs to
//! the last row, new ones see the next, and nothing of the former stays behind.
//!
//! The oracle of the rows before a reload is the answer before it; of those after it, the generator
//! and an engine that never knew another snapshot.

#![expect(clippy::unwrap_used, reason = "a test ends at the first step that fails")]

use std::fs;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use catalog::synthetic::{Footprint, Sky};
use coordinator::reload::Reload;
use coordinator::tap::{RowLimits, Service, Serving};
use coordinator::uws::{Asked, Failure, JobFolder, JobLimits, Jobs, Output, Phase, Seconds, Work};
use coordinator::{Engine, QueryOptions};
use datafusion::arrow::array::RecordBatch;
use datafusion::common::runtime::SpawnedTask;
use datafusion::execution::SendableRecordBatchStream;
use futures::future::{BoxFuture, FutureExt as _};
use futures::{StreamExt as _, TryStreamExt as _};
use tempfile::TempDir;
use tests::metrics::sum;
use tokio::sync::{Notify, Semaphore};
use tokio::time::sleep;

use crate::in_process::{Running, alone, as_text, cluster, rows};
use crate::versions::Versions;
use crate::worker_bed::{files, until};

/// Objects of the versions of the table.
const FIRST: u64 = 30_000;
const SECOND: u64 = 36_000;
const THIRD: u64 = 24_000;

const ALL: &str = "SELECT objectId, ra FROM s.object";
const COUNT: &str = "SELECT COUNT(*) AS n FROM s.object";
const DESCRIPTION: &str = "SELECT description FROM TAP_SCHEMA.tables WHERE table_name = 's.object'";

const LIMITS: JobLimits = JobLimits {
    executing_max: 1,
    queued_max: 100,
    kept_max: 1000,
    execution: Seconds { default: 600, hard: 600 },
    retention: Seconds { default: 600, hard: 600 },
    results_bytes_max: 1 << 30,
    retry_waits: &[],
};

/// A service whose tables are read anew when it is asked for.
struct Fixture {
    versions: Versions,
    running: Running,
    service: Service,
    jobs: Jobs,
    serving: Serving,
    asked: Arc<Notify>,
    _reloading: SpawnedTask<()>,
    _state: TempDir,
}

impl Fixture {
    /// A service in one process, or over so many workers.
    async fn start(workers: usize) -> Self {
        let versions = Versions::new(FIRST);
        let data = versions.data();
        let running = match workers {
            0 => alone(&data).await,
            _ => cluster(&data, workers).await,
        };
        let state = TempDir::new().unwrap();
        let jobs = Jobs::open(state.path(), LIMITS).await.unwrap();
        let rows = RowLimits { default: 1_000_000, hard: 1_000_000 };
        let service = Service::new(running.engine.clone(), rows, jobs.clone());
        let reload = Reload {
            config: running.config.clone(),
            process: running.engine.process().clone(),
            serving: service.serving(),
            state: running.state(),
        };
        let asked = Arc::new(Notify::new());
        let _reloading = SpawnedTask::spawn(reload.run(Arc::clone(&asked)));
        let serving = service.serving();
        Self { versions, running, service, jobs, serving, asked, _reloading, _state: state }
    }

    fn number(&self) -> u64 {
        self.serving.engine().snapshot().number()
    }

    /// Publishes a version and waits until it is served.
    async fn publish(&mut self, objects: u64) {
        let before = self.number();
        self.versions.publish(objects);
        self.asked.notify_one();
        until("the new version is served", || self.number() != before).await;
        // The test itself knows nothing of the former one.
        self.running.engine = self.serving.engine();
    }

    /// What is counted, by its name and a part of its labels.
    fn counted(&self, metric: &str, label: &str) -> u64 {
        sum(&self.service.prometheus(), metric, label)
    }

    async fn ask(&self, adql: &str) -> Vec<String> {
        rows(&self.serving.engine(), adql).await.unwrap()
    }

    /// The number of rows is that of a sky of so many objects.
    async fn check_rows(&self, objects: u64, version: u64) {
        let known = Sky::with(objects, version, Footprint::All, 3).count_in_cone(0.0, 0.0, 180.0);
        assert_eq!(self.ask(COUNT).await, [known.unwrap().to_string()]);
    }
}

/// The rest of a stream that has delivered some rows already.
async fn rest(begun: &[RecordBatch], stream: SendableRecordBatchStream) -> Vec<String> {
    let more: Vec<RecordBatch> = stream.try_collect().await.unwrap();
    as_text(&[begun, &more].concat())
}

/// A query that is kept from going on after its first rows.
async fn begun(engine: &Engine, adql: &str) -> (Vec<RecordBatch>, SendableRecordBatchStream) {
    let mut stream = engine.query(adql, QueryOptions::default()).await.unwrap().stream;
    let first = stream.next().await.unwrap().unwrap();
    (vec![first], stream)
}

async fn queries_keep_their_snapshot(workers: usize) {
    let mut fixture = Fixture::start(workers).await;
    let all = fixture.ask(ALL).await;
    fixture.check_rows(FIRST, 1).await;
    let described = fixture.ask(DESCRIPTION).await;
    assert!(described[0].ends_with("This is version 1."), "{described:?}");
    let former = fixture.serving.engine();
    let snapshot = Arc::downgrade(former.snapshot());
    let (first, stream) = begun(&former, ALL).await;
    let (sorted, ordered) = begun(&former, &format!("{ALL} ORDER BY ra DESC")).await;
    fixture.publish(SECOND).await;
    assert_eq!(fixture.counted("armilla_snapshots", ""), 2);
    assert_eq!(fixture.counted("armilla_reloads_total", "served"), 1);
    fixture.check_rows(SECOND, 2).await;
    let described = fixture.ask(DESCRIPTION).await;
    assert!(described[0].ends_with("This is version 2."), "{described:?}");
    let new = fixture.ask(ALL).await;
    let fresh = alone(&fixture.versions.data()).await;
    assert!(new == fresh.rows(ALL).await.unwrap() && new != all);
    // Rows that come after the reload, of queries that began before it and of one that goes on to
    // plan on what it began with.
    assert!(rest(&first, stream).await == all, "{workers} workers");
    assert!(rest(&sorted, ordered).await == all, "{workers} workers");
    assert!(rows(&former, ALL).await.unwrap() == all, "{workers} workers");
    assert!(snapshot.upgrade().is_some());
    drop(former);
    until("the former snapshot is let go of", || snapshot.strong_count() == 0).await;
    assert_eq!(fixture.counted("armilla_snapshots", ""), 1);
    assert_eq!(fixture.running.nonlocal_reads(), 0, "each worker reads its own folder");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn queries_keep_their_snapshot_in_one_process() {
    queries_keep_their_snapshot(0).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn queries_keep_their_snapshot_over_three_workers() {
    queries_keep_their_snapshot(3).await;
}

/// What belongs to the process goes on: counters, and the memory that all queries share.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn counters_and_memory_are_those_of_the_process() {
    let mut fixture = Fixture::start(0).await;
    fixture.ask(ALL).await;
    let reads = |fixture: &Fixture| fixture.counted("armilla_tile_reads_total", "local");
    let before = reads(&fixture);
    assert!(before > 0);
    let sorted = format!("{ALL} ORDER BY ra");
    let (_, of_former) = begun(&fixture.serving.engine(), &sorted).await;
    let reserved = |fixture: &Fixture| fixture.counted("armilla_memory_reserved_bytes", "");
    fixture.publish(SECOND).await;
    assert!(reserved(&fixture) > 0, "that of the former snapshot");
    assert!(reads(&fixture) >= before);
    assert_eq!(fixture.counted("armilla_queries_running", ""), 1, "that of the former snapshot");
    let (_, of_new) = begun(&fixture.serving.engine(), &sorted).await;
    // A sort gives memory back while its rows are taken, and takes none.
    let of_both = reserved(&fixture);
    drop(of_former);
    until("that of the new one is left", || (1..of_both).contains(&reserved(&fixture))).await;
    drop(of_new);
    until("all memory is given back", || reserved(&fixture) == 0).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn tables_that_cannot_be_read_leave_what_is_served() {
    let mut fixture = Fixture::start(0).await;
    let (number, whole) = (fixture.number(), fixture.versions.properties());
    fixture.versions.replace("hats_primary_table_url=object.9\n");
    fixture.asked.notify_one();
    until("it was tried", || fixture.counted("armilla_reloads_total", "failed") == 1).await;
    assert_eq!(fixture.number(), number);
    fixture.check_rows(FIRST, 1).await;
    fixture.versions.replace(&whole);
    fixture.publish(SECOND).await;
    fixture.check_rows(SECOND, 2).await;
    assert_eq!(fixture.counted("armilla_reloads_total", "failed"), 1);
}

/// Asked many times while one reload runs, one more follows.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_is_asked_while_one_runs_is_one_more() {
    let fixture = Fixture::start(0).await;
    let served = || fixture.counted("armilla_reloads_total", "served");
    for _ in 0..5 {
        fixture.asked.notify_one();
    }
    until("it was read once at least", || served() > 0).await;
    for _ in 0..5 {
        fixture.asked.notify_one();
    }
    until("it was read once more", || served() > 1).await;
    sleep(Duration::from_millis(500)).await;
    assert!((2..=3).contains(&served()), "{}", served());
}

/// Jobs that begin, and run when they are let.
struct Gated {
    inner: Arc<dyn Work>,
    /// How many have begun.
    begun: Arc<AtomicUsize>,
    gate: Arc<Semaphore>,
}

impl Work for Gated {
    fn begin(self: Arc<Self>) -> Arc<dyn Work> {
        let inner = Arc::clone(&self.inner).begin();
        self.begun.fetch_add(1, Ordering::SeqCst);
        let (begun, gate) = (Arc::clone(&self.begun), Arc::clone(&self.gate));
        Arc::new(Self { inner, begun, gate })
    }

    fn run<'a>(
        &'a self,
        asked: Asked<'a>,
        folder: &'a Arc<JobFolder>,
    ) -> BoxFuture<'a, Result<Output, Failure>> {
        async move {
            self.gate.acquire().await.unwrap().forget();
            self.inner.run(asked, folder).await
        }
        .boxed()
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_job_keeps_the_snapshot_that_it_began_with() {
    let mut fixture = Fixture::start(0).await;
    let (begun, gate) = (Arc::new(AtomicUsize::new(0)), Arc::new(Semaphore::new(0)));
    let work =
        Gated { inner: fixture.service.work(), begun: Arc::clone(&begun), gate: Arc::clone(&gate) };
    let jobs = fixture.jobs.clone();
    let snapshot = Arc::downgrade(fixture.serving.engine().snapshot());
    let made = async |adql: &str| {
        let given = [("QUERY", adql), ("LANG", "ADQL"), ("FORMAT", "csv")];
        let given = given.map(|(name, value)| (name.to_owned(), value.to_owned())).to_vec();
        jobs.create(given, None, true).await.unwrap().id
    };
    let test = async {
        let first = made(COUNT).await;
        until("the job has begun", || begun.load(Ordering::SeqCst) == 1).await;
        // This one begins when the first has ended, on what is served then.
        let second = made(COUNT).await;
        fixture.publish(SECOND).await;
        assert!(snapshot.upgrade().is_some());
        gate.add_permits(2);
        for (id, objects, version) in [(first, FIRST, 1), (second, SECOND, 2)] {
            let mut job = jobs.get(id).await.unwrap();
            while job.phase.is_active() {
                job = jobs.wait(id, Duration::from_secs(60), None).await.unwrap();
            }
            assert_eq!(job.phase, Phase::Completed, "{:?}", job.error);
            let bytes = jobs.result(id, None).await.unwrap().bytes().await.unwrap();
            let sky = Sky::with(objects, version, Footprint::All, 3);
            let known = sky.count_in_cone(0.0, 0.0, 180.0).unwrap();
            assert_eq!(String::from_utf8_lossy(&bytes), format!("n\n{known}\n"));
        }
    };
    jobs.execute(Arc::new(work), test).await;
    until("the former snapshot is let go of", || snapshot.strong_count() == 0).await;
}

/// The number of files of a version that a worker has.
fn held(fixture: &Fixture, worker: usize, version: usize) -> usize {
    let folder = fixture.running.folder(worker).join(Versions::rows(version));
    if folder.exists() { files(&folder).len() } else { 0 }
}

/// A tile of the second version that nobody can copy: what workers hold stays what is served, and
/// is what the third takes the place of.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_snapshot_that_workers_cannot_hold_is_not_served() {
    let mut fixture = Fixture::start(2).await;
    let (number, all) = (fixture.number(), fixture.ask(ALL).await);
    let (first, stream) = begun(&fixture.serving.engine(), ALL).await;
    fixture.versions.publish(SECOND);
    let folder = fixture.versions.table().join("object.2/dataset");
    let tile = files(&folder).into_keys().find(|file| file.to_string_lossy().contains("Npix="));
    let (tile, whole) = tile.map(|tile| (tile.clone(), fs::read(tile).unwrap())).unwrap();
    fs::write(&tile, [&whole[..whole.len() - 4], b"NOPE"].concat()).unwrap();
    fixture.asked.notify_one();
    let copied = |fixture: &Fixture, version| -> usize {
        (0..2).map(|worker| held(fixture, worker, version)).sum()
    };
    let tiles = copied(&fixture, 1);
    until("the others are copied", || copied(&fixture, 2) > 0).await;
    // Longer than a start waits for workers that are not there.
    sleep(Duration::from_secs(12)).await;
    assert_eq!((fixture.number(), copied(&fixture, 1)), (number, tiles));
    fixture.check_rows(FIRST, 1).await;
    fixture.publish(THIRD).await;
    fixture.check_rows(THIRD, 3).await;
    assert_eq!(copied(&fixture, 1), tiles, "what was served before");
    until("what was never served is removed", || copied(&fixture, 2) == 0).await;
    assert!(rest(&first, stream).await == all);
    assert_eq!(fixture.running.nonlocal_reads(), 0);
    // The one after it removes what nobody is on any more.
    fixture.publish(FIRST).await;
    fixture.check_rows(FIRST, 4).await;
    until("the first version is removed", || copied(&fixture, 1) == 0).await;
    assert!(copied(&fixture, 3) > 0);
}

/// A worker that is gone holds up neither the reload nor the queries that need it no more.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_worker_that_is_lost_is_lost_to_both_snapshots() {
    let mut fixture = Fixture::start(2).await;
    let former = fixture.serving.engine();
    fixture.publish(SECOND).await;
    let load = |fixture: &Fixture| fixture.counted("armilla_worker_up", "");
    assert_eq!(load(&fixture), 2);
    fixture.running.stop_worker(0);
    until("it is found to be down", || load(&fixture) == 1).await;
    for engine in [former, fixture.serving.engine()] {
        assert_eq!(engine.cluster().unwrap().up(), (1, 2));
        // Its tiles are nowhere else, and the other may not read the origin.
        let refused = rows(&engine, ALL).await.unwrap_err().to_string();
        assert!(refused.contains("is lost"), "{refused}");
    }
}
