//! Jobs in parts of the sky: which queries are cut, that all parts together are the answer, and
//! what is left of a job that was cut short.

#![expect(clippy::unwrap_used, reason = "a test ends at the first step that fails")]

mod cutting;
mod interrupted;

use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use coordinator::Engine;
use coordinator::tap::{RowLimits, Service};
use coordinator::uws::{
    Asked, Failure, Job, JobFolder, JobId, JobLimits, Jobs, Output, Phase, Seconds, Work,
};
use futures::future::BoxFuture;
use tempfile::TempDir;

use crate::in_process::{alone, cluster, hats};
use crate::worker_bed::until;

const LIMITS: JobLimits = JobLimits {
    executing_max: 1,
    queued_max: 100,
    kept_max: 1000,
    execution: Seconds { default: 600, hard: 600 },
    retention: Seconds { default: 600, hard: 600 },
    results_bytes_max: 1 << 30,
    retry_waits: &[Duration::from_millis(10), Duration::from_millis(20)],
};

const ROWS: RowLimits = RowLimits { default: 1_000_000, hard: 1_000_000 };

/// All rows of a table of five tiles.
const FIVE_TILES: &str = "SELECT source_id, mag FROM small_sky_order1_source_collection";
const FOLDER: &str = "small_sky_order1_source_collection/small_sky_order1_source/dataset";

/// Its last tile along the sky, and one in the middle.
const LAST_TILE: &str = "Norder=1/Dir=0/Npix=47.parquet";
const MIDDLE_TILE: &str = "Norder=1/Dir=0/Npix=45.parquet";

/// A copy of the shared tables, in which tiles can vanish.
fn copied() -> Option<TempDir> {
    let folder = tempfile::tempdir().unwrap();
    copy(&hats()?, folder.path());
    Some(folder)
}

fn copy(from: &Path, to: &Path) {
    fs::create_dir_all(to).unwrap();
    for entry in fs::read_dir(from).unwrap().map(Result::unwrap) {
        let target = to.join(entry.file_name());
        if entry.path().is_dir() {
            copy(&entry.path(), &target);
        } else {
            fs::copy(entry.path(), target).unwrap();
        }
    }
}

/// How many tiles a table has on disk.
fn tiles_on_disk(folder: &Path) -> usize {
    let entries = fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path());
    let counted = entries.map(|path| {
        let name = path.file_name().unwrap().to_string_lossy().into_owned();
        if path.is_dir() { tiles_on_disk(&path) } else { usize::from(name.starts_with("Npix=")) }
    });
    counted.sum()
}

/// A service whose jobs are kept in a folder of its own.
struct Kept {
    state: TempDir,
    limits: JobLimits,
}

impl Kept {
    fn new(limits: JobLimits) -> Self {
        Self { state: tempfile::tempdir().unwrap(), limits }
    }

    /// Runs the service while a test lasts, its work wrapped; the metrics at the end.
    async fn while_running(
        &self,
        engine: &Engine,
        part_bytes: u64,
        wrap: impl FnOnce(Arc<dyn Work>) -> Arc<dyn Work>,
        test: impl AsyncFnOnce(Jobs),
    ) -> String {
        let jobs = Jobs::open(self.state.path(), self.limits).await.unwrap();
        let service = Service::new(engine.clone(), ROWS, jobs.clone());
        let service = service.with_part_bytes(part_bytes);
        jobs.execute(wrap(service.work()), test(jobs.clone())).await;
        service.prometheus()
    }

    fn unfinished(&self) -> usize {
        fs::read_dir(self.state.path().join("unfinished")).unwrap().count()
    }

    /// Whether an unfinished job has begun with a part.
    fn has_begun(&self, part: usize) -> bool {
        let folders = fs::read_dir(self.state.path().join("unfinished")).unwrap();
        let partial = format!("part-{part}.arrows.partial");
        folders.map(Result::unwrap).any(|folder| folder.path().join(&partial).exists())
    }
}

/// Run, kept, again.
fn counted(metrics: &str) -> [u64; 3] {
    ["run", "kept", "again"].map(|how| {
        let name = format!("armilla_parts_total{{how=\"{how}\"}} ");
        metrics.lines().find_map(|line| line.strip_prefix(&name)).unwrap().parse().unwrap()
    })
}

async fn made(jobs: &Jobs, adql: &str, more: &[(&str, &str)]) -> JobId {
    let given = [("QUERY", adql)].into_iter().chain(more.iter().copied());
    let given = given.map(|(name, value)| (name.to_owned(), value.to_owned())).collect();
    jobs.create(given, None, true).await.unwrap().id
}

async fn ended(jobs: &Jobs, id: JobId) -> Job {
    loop {
        let job = jobs.wait(id, Duration::from_secs(60), None).await.unwrap();
        if !job.phase.is_active() {
            return job;
        }
    }
}

async fn completed(jobs: &Jobs, id: JobId) -> String {
    let job = ended(jobs, id).await;
    assert_eq!(job.phase, Phase::Completed, "{:?}", job.error);
    let bytes = jobs.result(id, None).await.unwrap().bytes().await.unwrap();
    String::from_utf8(bytes.to_vec()).unwrap()
}

/// The lines of an answer in CSV, the head first and the others sorted.
fn lines(text: &str) -> Vec<&str> {
    let mut lines: Vec<&str> = text.lines().collect();
    lines[1..].sort_unstable();
    lines
}

fn unwrapped(work: Arc<dyn Work>) -> Arc<dyn Work> {
    work
}

const CUT: [&str; 7] = [
    "SELECT * FROM opengc",
    "SELECT name, b_mag - v_mag AS color FROM opengc WHERE b_mag < 12 AND ra > 100",
    "SELECT name, ra FROM opengc WHERE DISTANCE(ra, dec, 10.7, 41.3) < 40",
    "SELECT x.name FROM (SELECT name, ra FROM opengc WHERE dec > 0) AS x WHERE x.ra < 100",
    "SELECT name FROM opengc WHERE b_mag < -100",
    "SELECT * FROM small_sky_order1_source_collection WHERE mag > 15 AND band = 'r'",
    "SELECT id, ra FROM small_sky_order1_collection",
];

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn all_parts_together_are_the_answer() {
    let Some(data) = hats() else { return };
    let data = data.to_str().unwrap();
    let (one, three) = (alone(data).await, cluster(data, 3).await);
    for engine in [&one.engine, &three.engine] {
        for query in CUT {
            let expected = whole(query).await;
            let answer = async |jobs: Jobs| {
                let id = made(&jobs, query, &[("FORMAT", "csv")]).await;
                completed(&jobs, id).await
            };
            for part_bytes in [1, 150_000] {
                let (parts, mut found) = (Kept::new(LIMITS), String::new());
                let metrics = parts
                    .while_running(engine, part_bytes, unwrapped, async |jobs: Jobs| {
                        found = answer(jobs).await;
                        until("the parts are removed", || parts.unfinished() == 0).await;
                    })
                    .await;
                assert_eq!(lines(&found), lines(&expected), "{query} by {part_bytes} bytes");
                let [run, kept, again] = counted(&metrics);
                assert!(run >= 2 || part_bytes > 1, "{query}: {run} parts");
                assert_eq!((kept, again), (0, 0), "{query}");
                let bytes = format!("armilla_results_bytes {}\n", found.len());
                assert!(metrics.contains(&bytes), "no {bytes} in {metrics}");
            }
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn rows_are_taken_from_the_parts_until_there_are_enough() {
    let Some(data) = hats() else { return };
    let tiles = tiles_on_disk(&data.join("opengc/dataset")) as u64;
    let one = alone(data.to_str().unwrap()).await;
    let all = "SELECT name FROM opengc";
    let top = "SELECT TOP 2000 name FROM opengc";
    // The query, MAXREC, rows, whether there are more, whether all tiles are read.
    let cases = [
        (all, "20000", 13_962, false, true),
        (all, "13962", 13_962, false, true),
        (all, "13961", 13_961, true, true),
        (all, "2000", 2_000, true, false),
        (all, "0", 0, true, false),
        (top, "20000", 2_000, false, false),
        (top, "2000", 2_000, false, false),
        (top, "1999", 1_999, true, false),
    ];
    for (query, maxrec, rows, overflow, all_tiles) in cases {
        let kept = Kept::new(LIMITS);
        let asked = [("MAXREC", maxrec), ("FORMAT", "votable/td")];
        let metrics = kept
            .while_running(&one.engine, 1, unwrapped, async |jobs: Jobs| {
                let id = made(&jobs, query, &asked).await;
                let text = completed(&jobs, id).await;
                assert_eq!(text.matches("<TR>").count(), rows, "{query} {maxrec}");
                assert_eq!(text.contains("OVERFLOW"), overflow, "{query} {maxrec}");
            })
            .await;
        let [run, ..] = counted(&metrics);
        assert_eq!(run == tiles, all_tiles, "{query} {maxrec}: {run} of {tiles} parts");
        assert_eq!(run == 0, maxrec == "0", "{query} {maxrec}");
    }
}

/// Work whose tiles are away in its first attempts.
struct Flaky {
    inner: Arc<dyn Work>,
    /// Tiles, and how many attempts do without each.
    away: Vec<(PathBuf, usize)>,
    attempts: Arc<AtomicUsize>,
}

fn hidden(tile: &Path) -> PathBuf {
    tile.with_extension("away")
}

impl Work for Flaky {
    fn begin(self: Arc<Self>) -> Arc<dyn Work> {
        self
    }

    fn run<'a>(
        &'a self,
        asked: Asked<'a>,
        folder: &'a Arc<JobFolder>,
    ) -> BoxFuture<'a, Result<Output, Failure>> {
        let attempt = self.attempts.fetch_add(1, Ordering::SeqCst);
        for (tile, attempts) in &self.away {
            if attempt == 0 {
                fs::rename(tile, hidden(tile)).unwrap();
            } else if attempt == *attempts {
                fs::rename(hidden(tile), tile).unwrap();
            }
        }
        self.inner.run(asked, folder)
    }
}

/// Runs a query whose tiles are away for some attempts; its end, its attempts, and the metrics.
async fn flaky(
    kept: &Kept,
    part_bytes: u64,
    query: &str,
    away: &[(&str, usize)],
) -> Option<(Result<String, Failure>, usize, String)> {
    let data = copied()?;
    let one = alone(data.path().to_str().unwrap()).await;
    let away = away
        .iter()
        .map(|(tile, attempts)| (data.path().join(FOLDER).join(tile), *attempts))
        .collect();
    let attempts = Arc::new(AtomicUsize::new(0));
    let counter = Arc::clone(&attempts);
    let wrap = |inner| -> Arc<dyn Work> { Arc::new(Flaky { inner, away, attempts: counter }) };
    let mut end = Ok(String::new());
    let metrics = kept
        .while_running(&one.engine, part_bytes, wrap, async |jobs: Jobs| {
            let id = made(&jobs, query, &[("FORMAT", "csv")]).await;
            end = match ended(&jobs, id).await.error {
                None => Ok(completed(&jobs, id).await),
                Some(failure) => Err(failure),
            };
            until("the parts are removed", || kept.unfinished() == 0).await;
        })
        .await;
    Some((end, attempts.load(Ordering::SeqCst), metrics))
}

/// The answer by a service that knows no parts, on tables that are whole.
async fn whole(query: &str) -> String {
    let one = alone(hats().unwrap().to_str().unwrap()).await;
    let mut answer = String::new();
    let kept = Kept::new(LIMITS);
    let run = kept.while_running(&one.engine, u64::MAX, unwrapped, async |jobs: Jobs| {
        let id = made(&jobs, query, &[("FORMAT", "csv")]).await;
        answer = completed(&jobs, id).await;
    });
    assert_eq!(counted(&run.await), [0; 3], "{query}");
    answer
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_part_that_fails_twice_runs_again_and_no_other() {
    let Some(data) = hats() else { return };
    let tiles = tiles_on_disk(&data.join(FOLDER)) as u64;
    let kept = Kept::new(LIMITS);
    let query = FIVE_TILES;
    let (end, attempts, metrics) = flaky(&kept, 1, query, &[(LAST_TILE, 2)]).await.unwrap();
    assert_eq!(lines(&end.unwrap()), lines(&whole(query).await));
    assert_eq!(attempts, 3);
    assert_eq!(counted(&metrics), [tiles, 2 * (tiles - 1), 2]);
}

/// Two failures in a row may be; after a part was finished it may be two again.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn attempts_are_counted_from_the_last_finished_part() {
    if hats().is_none() {
        return;
    }
    let kept = Kept::new(LIMITS);
    let away = [(MIDDLE_TILE, 2), (LAST_TILE, 4)];
    let (end, attempts, _) = flaky(&kept, 1, FIVE_TILES, &away).await.unwrap();
    assert_eq!(lines(&end.unwrap()), lines(&whole(FIVE_TILES).await));
    assert_eq!(attempts, 5);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_part_that_always_fails_ends_the_job_and_leaves_nothing() {
    if hats().is_none() {
        return;
    }
    for part_bytes in [1, u64::MAX] {
        let kept = Kept::new(LIMITS);
        let away = [(LAST_TILE, usize::MAX)];
        let (end, attempts, metrics) = flaky(&kept, part_bytes, FIVE_TILES, &away).await.unwrap();
        let failure = end.unwrap_err();
        assert!(failure.is_transient() && failure.message.contains("Npix=47"), "{failure:?}");
        assert_eq!(attempts, 1 + LIMITS.retry_waits.len());
        assert!(metrics.contains("armilla_results_bytes 0\n"), "{metrics}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_query_that_is_not_cut_runs_again_as_a_whole() {
    if hats().is_none() {
        return;
    }
    let grouped = "SELECT band, COUNT(*) AS n FROM small_sky_order1_source_collection \
                   WHERE mag > 1 GROUP BY band ORDER BY band";
    for (query, part_bytes) in [(grouped, 1), (FIVE_TILES, u64::MAX)] {
        let kept = Kept::new(LIMITS);
        let away = [(LAST_TILE, 2)];
        let (end, attempts, metrics) = flaky(&kept, part_bytes, query, &away).await.unwrap();
        assert_eq!(lines(&end.unwrap()), lines(&whole(query).await));
        assert_eq!((attempts, counted(&metrics)), (3, [0; 3]));
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_would_fail_again_is_not_tried_again() {
    if hats().is_none() {
        return;
    }
    let narrow = JobLimits { results_bytes_max: 20_000, ..LIMITS };
    let cases = [
        (LIMITS, "SELECT nme FROM opengc", "nme"),
        (narrow, FIVE_TILES, "20000 bytes"),
        (narrow, "SELECT * FROM small_sky_order1_source_collection ORDER BY mag", "20000 bytes"),
    ];
    for (limits, query, words) in cases {
        let kept = Kept::new(limits);
        let (end, attempts, metrics) = flaky(&kept, 1, query, &[]).await.unwrap();
        let failure = end.unwrap_err();
        assert!(failure.message.contains(words), "{failure:?}");
        assert_eq!(attempts, 1, "{query}");
        assert!(metrics.contains("armilla_results_bytes 0\n"), "{metrics}");
    }
}
