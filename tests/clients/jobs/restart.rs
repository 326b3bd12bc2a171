//! Jobs and the service that keeps them: killed, stopped, started again.

use std::path::Path;
use std::process::Command;
use std::time::{Duration, Instant};

use tests::jobs::{JobList, JobResource};
use tests::metrics::eventually;
use tests::process::run_armilla;
use tests::{Server, places};

use super::LONG;

/// Runs for seconds, and then has one row.
const SECONDS: &str = "SELECT COUNT(*) AS n FROM small_sky_order1_source_collection AS a \
     JOIN small_sky_order1_source_collection AS b ON a.source_id < b.source_id + 0.5 \
     AND a.mag * b.mjd > -1 WHERE a.band = 'r'";

/// What it has, by numpy on the files.
const PAIRS: &str = "n\n24714673\n";

fn serve(hats: &Path, state: &Path) -> Server {
    Server::serve(hats, &["--state", &state.to_string_lossy(), "--async-jobs", "1"])
}

fn executing(job: &JobResource) {
    job.wait_until(|phase| phase == "EXECUTING");
}

#[test]
fn jobs_and_results_survive_a_kill() {
    let Some(hats) = places::hats() else { return };
    let state = tempfile::tempdir().expect("a temporary folder");
    let server = serve(&hats, state.path());
    let list = JobList::of(server.url());
    let short = ("QUERY", "SELECT * FROM small_sky ORDER BY id");
    let done = list.ended(&[short, ("FORMAT", "csv")]);
    let bytes = done.get("/results/result").body;
    assert!(bytes.len() > 1000);
    let failed = list.ended(&[("QUERY", "SELECT nme FROM opengc")]);
    let aborted = list.make(&[short]);
    aborted.post("/phase", &[("PHASE", "ABORT")]);
    let pending = list.make(&[short, ("RUNID", "a name")]);
    let running = list.make(&[("QUERY", SECONDS), ("FORMAT", "csv"), ("PHASE", "RUN")]);
    let queued = list.make(&[short, ("FORMAT", "csv"), ("PHASE", "RUN")]);
    executing(&running);
    assert_eq!(queued.phase(), "QUEUED", "one runs at a time");
    let unfinished = std::fs::read_dir(state.path().join("results")).map_or(0, Iterator::count);
    assert!(unfinished >= 1);
    drop(server);
    let server = serve(&hats, state.path());
    let list = JobList::of(server.url());
    let [done, failed, aborted, pending, running, queued] =
        [done, failed, aborted, pending, running, queued].map(|job| job.at(&list));
    assert_eq!(done.phase(), "COMPLETED");
    assert!(done.get("/results/result").body == bytes, "the very result");
    assert_eq!((failed.phase(), aborted.phase()), ("ERROR".to_owned(), "ABORTED".to_owned()));
    assert!(failed.element("message").is_some_and(|said| said.contains("nme")));
    assert_eq!(pending.phase(), "PENDING");
    assert_eq!(pending.element("runId").as_deref(), Some("a name"));
    assert_eq!(running.wait_for_end(), "COMPLETED", "{}", running.text(""));
    assert_eq!(running.get("/results/result").text(), PAIRS);
    assert_eq!(queued.wait_for_end(), "COMPLETED", "{}", queued.text(""));
    assert!(queued.get("/results/result").body == bytes);
    pending.run();
    assert_eq!(pending.wait_for_end(), "COMPLETED");
}

#[test]
fn a_job_that_runs_when_the_service_stops_runs_again() {
    let Some(hats) = places::hats() else { return };
    let state = tempfile::tempdir().expect("a temporary folder");
    let server = serve(&hats, state.path());
    let list = JobList::of(server.url());
    let running = list.make(&[("QUERY", SECONDS), ("FORMAT", "csv"), ("PHASE", "RUN")]);
    executing(&running);
    let begun = Instant::now();
    std::thread::scope(|scope| {
        let waiting = scope.spawn(|| running.get("?WAIT=-1"));
        std::thread::sleep(Duration::from_millis(300));
        let ended = server.terminate();
        assert!(ended.is_some_and(|status| status.success()), "{ended:?}");
        let waited = waiting.join().expect("no panic");
        assert_eq!(waited.status, 200, "who waits is answered");
    });
    assert!(begun.elapsed() < Duration::from_secs(8), "{:?}", begun.elapsed());
    let server = serve(&hats, state.path());
    assert!(server.log().contains("jobs=1"), "{}", server.log());
    let running = running.at(&JobList::of(server.url()));
    assert_eq!(running.wait_for_end(), "COMPLETED", "{}", running.text(""));
    assert_eq!(running.get("/results/result").text(), PAIRS);
}

#[test]
fn a_job_that_sees_the_end_of_the_service_three_times_is_given_up() {
    let Some(hats) = places::hats() else { return };
    let state = tempfile::tempdir().expect("a temporary folder");
    let mut server = serve(&hats, state.path());
    let job = JobList::of(server.url()).make(&[("QUERY", LONG), ("PHASE", "RUN")]);
    for _ in 0..3 {
        executing(&job.at(&JobList::of(server.url())));
        drop(server);
        server = serve(&hats, state.path());
    }
    let job = job.at(&JobList::of(server.url()));
    assert_eq!(job.phase(), "ERROR");
    assert!(
        job.element("message").is_some_and(|said| said.contains("3 times")),
        "{}",
        job.text("")
    );
}

#[test]
fn a_destruction_that_came_while_nobody_served_is_made_up_for() {
    let Some(hats) = places::hats() else { return };
    let state = tempfile::tempdir().expect("a temporary folder");
    let flags = ["--state", &state.path().to_string_lossy(), "--retention-period", "2s"];
    let server = Server::serve(&hats, &flags);
    let job = JobList::of(server.url()).make(&[("QUERY", "SELECT id FROM small_sky")]);
    drop(server);
    std::thread::sleep(Duration::from_secs(2));
    let server = serve(&hats, state.path());
    let job = job.at(&JobList::of(server.url()));
    let gone = eventually(Duration::from_secs(5), || job.get("").status == 404);
    assert!(gone, "{}", job.text(""));
}

#[test]
fn a_state_folder_belongs_to_one_process_and_no_older_release() {
    let (Some(hats), Some(python)) = (places::hats(), places::python()) else { return };
    let state = tempfile::tempdir().expect("a temporary folder");
    let server = serve(&hats, state.path());
    let data = hats.to_string_lossy();
    let folder = state.path().to_string_lossy();
    let again = ["serve", "--listen", "127.0.0.1:0", "--data", &data, "--state", &folder];
    let refused = || {
        let output = run_armilla(again);
        assert_eq!(output.status.code(), Some(1), "{output:?}");
        String::from_utf8_lossy(&output.stderr).into_owned()
    };
    let said = refused();
    assert!(said.contains(&*folder) && said.contains("--state"), "{said}");
    let done = JobList::of(server.url()).ended(&[("QUERY", "SELECT id FROM small_sky")]);
    assert_eq!(done.phase(), "COMPLETED");
    drop(server);
    let results = state.path().join("results");
    std::fs::write(results.join("leftover#1"), "half a result").expect("a file is written");
    for file in std::fs::read_dir(&results).into_iter().flatten().flatten() {
        if !file.file_name().to_string_lossy().starts_with("leftover") {
            std::fs::write(file.path(), "cut").expect("the result is spoiled");
        }
    }
    let server = serve(&hats, state.path());
    let done = done.at(&JobList::of(server.url()));
    assert!(done.element("message").is_some_and(|said| said.contains("lost")), "{}", done.text(""));
    assert_eq!(std::fs::read_dir(&results).map_or(9, Iterator::count), 0, "swept");
    drop(server);
    let newer = "import sqlite3, sys; d = sqlite3.connect(sys.argv[1]); \
                 d.execute('INSERT INTO schema_version VALUES (99)'); d.commit()";
    let file = state.path().join("jobs.sqlite");
    let made = Command::new(python).args(["-c", newer]).arg(&file).status();
    assert!(made.is_ok_and(|status| status.success()), "a newer file");
    let said = refused();
    assert!(said.contains("jobs.sqlite") && said.contains("99"), "{said}");
}
