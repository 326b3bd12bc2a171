//! How jobs end before their time: aborted, too long, destroyed, too large; and waiting for it.

use std::time::{Duration, Instant};

use reqwest::blocking::Response;
use tests::jobs::{JobList, JobResource};
use tests::metrics::eventually;
use tests::{Cluster, Server, places};

use super::LONG;

const SOON: Duration = Duration::from_secs(10);

/// Seconds that processes have spent computing.
fn cpu_seconds(processes: &[u32]) -> f64 {
    let ticks = |id: &u32| -> u64 {
        let stat = std::fs::read_to_string(format!("/proc/{id}/stat")).unwrap_or_default();
        let fields = stat.rsplit_once(')').map_or("", |(_, fields)| fields);
        let fields: Vec<&str> = fields.split_whitespace().collect();
        [11, 12].iter().filter_map(|at| fields.get(*at)?.parse::<u64>().ok()).sum()
    };
    let ticks: u64 = processes.iter().map(ticks).sum();
    f64::from(u32::try_from(ticks).expect("not that much")) / 100.0
}

fn working(processes: &[u32]) -> bool {
    let before = cpu_seconds(processes);
    std::thread::sleep(Duration::from_secs(1));
    cpu_seconds(processes) - before > 0.1
}

/// Starts the long query and waits until all processes together compute.
fn busy(list: &JobList, processes: &[u32]) -> JobResource {
    let job = list.make(&[("LANG", "ADQL"), ("QUERY", LONG), ("PHASE", "RUN")]);
    job.wait_until(|phase| phase == "EXECUTING");
    let before = cpu_seconds(processes);
    // The machine may have other things to do.
    let works = eventually(Duration::from_secs(60), || cpu_seconds(processes) - before > 0.5);
    assert!(works, "nobody works: {}", job.text(""));
    job
}

/// All work ends with the job, on every process.
fn check_end(list: &JobList, processes: &[u32]) {
    let job = busy(list, processes);
    let begun = Instant::now();
    assert_eq!(job.post("/phase", &[("PHASE", "ABORT")]).status, 303);
    assert!(begun.elapsed() < SOON, "the abort took {:?}", begun.elapsed());
    assert_eq!(job.phase(), "ABORTED");
    assert!(job.element("endTime").is_some(), "{}", job.text(""));
    assert!(eventually(SOON, || !working(processes)), "work goes on after the abort");
    assert_eq!(job.get("/results/result").status, 404);
    assert_eq!(job.post("/phase", &[("PHASE", "ABORT")]).status, 303, "again, without effect");
    let job = busy(list, processes);
    assert_eq!(job.delete().status, 303);
    assert_eq!(job.get("").status, 404);
    assert!(eventually(SOON, || !working(processes)), "work goes on after the deletion");
    let job = busy(list, processes);
    assert_eq!(job.post("/executionduration", &[("EXECUTIONDURATION", "1")]).status, 303);
    assert_eq!(job.wait_for_end(), "ERROR");
    assert!(eventually(SOON, || !working(processes)), "work goes on after its time");
    let answered = list.ended(&[("QUERY", "SELECT COUNT(*) AS n FROM opengc")]);
    assert_eq!(answered.phase(), "COMPLETED", "the service goes on");
}

#[test]
fn work_ends_with_its_job_in_one_process() {
    let Some(hats) = places::hats() else { return };
    let server = Server::serve(&hats, &[]);
    check_end(&JobList::of(server.url()), &[server.id()]);
    let metrics = reqwest::blocking::get(server.metrics_url()).and_then(Response::text);
    let metrics = metrics.expect("metrics");
    for line in [
        "armilla_jobs_total{phase=\"ABORTED\"} 1",
        "armilla_jobs_total{phase=\"ERROR\"} 1",
        "armilla_jobs_total{phase=\"EXECUTING\"} 4",
    ] {
        assert!(metrics.contains(line), "no {line} in {metrics}");
    }
}

#[test]
fn work_ends_with_its_job_on_every_worker() {
    let Some(hats) = places::hats() else { return };
    let cluster = Cluster::start(&hats);
    let mut processes: Vec<u32> = cluster.workers().iter().map(|worker| worker.id()).collect();
    processes.push(cluster.coordinator().id());
    check_end(&JobList::of(cluster.tap().base()), &processes);
    let before = cluster.worker_counters();
    std::thread::sleep(Duration::from_secs(1));
    assert_eq!(cluster.worker_counters(), before, "tasks go on");
}

#[test]
fn a_job_may_run_as_long_as_its_owner_says_within_the_limit() {
    let Some(hats) = places::hats() else { return };
    let flags = ["--execution-duration", "1h", "--max-execution-duration", "2h"];
    let server = Server::serve(&hats, &flags);
    let list = JobList::of(server.url());
    let job = list.make(&[("LANG", "ADQL"), ("QUERY", LONG)]);
    assert_eq!(job.text("/executionduration"), "3600");
    for (asked, given) in
        [("60", "60"), ("0", "7200"), ("7201", "7200"), ("99999999999999999999", "7200")]
    {
        let reply = job.post("/executionduration", &[("EXECUTIONDURATION", asked)]);
        assert_eq!((reply.status, reply.header("location")), (303, job.url.as_str()));
        assert_eq!(job.text("/executionduration"), given, "{asked}");
    }
    for wrong in ["-1", "", "abc", "1.5", "1e3"] {
        let reply = job.post("/executionduration", &[("EXECUTIONDURATION", wrong)]);
        assert_eq!(reply.status, 400, "{wrong:?}");
        assert!(reply.text().contains("EXECUTIONDURATION"), "{}", reply.text());
    }
    job.post("/executionduration", &[("executionDuration", "1")]);
    let begun = Instant::now();
    job.run();
    assert_eq!(job.wait_for_end(), "ERROR");
    assert!(begun.elapsed() < Duration::from_secs(30), "{:?}", begun.elapsed());
    let said = job.element("message").unwrap_or_default();
    assert!(said.contains("1 seconds") && said.contains("EXECUTIONDURATION"), "{said}");
    let document = job.get("/error");
    assert!(document.status == 200 && document.text().contains("1 seconds"), "{}", document.text());
}

#[test]
fn a_job_is_destroyed_when_its_time_has_come() {
    let Some(hats) = places::hats() else { return };
    let state = tempfile::tempdir().expect("a temporary folder");
    let folder = state.path().to_string_lossy();
    let server = Server::serve(&hats, &["--state", &folder, "--max-retention-period", "30d"]);
    let list = JobList::of(server.url());
    let results = || std::fs::read_dir(state.path().join("results")).map_or(0, Iterator::count);
    let job = list.ended(&[("QUERY", "SELECT name FROM opengc")]);
    assert_eq!((job.phase().as_str(), results()), ("COMPLETED", 1));
    assert_eq!(job.post("/destruction", &[("DESTRUCTION", "2999-01-01")]).status, 303);
    let clipped = job.text("/destruction");
    assert!(clipped.as_str() < "2999" && clipped.ends_with('Z'), "{clipped}");
    for wrong in ["", "tomorrow", "2030-13-01", "99999-01-01T00:00:00Z", "12"] {
        let reply = job.post("/destruction", &[("DESTRUCTION", wrong)]);
        assert_eq!(reply.status, 400, "{wrong:?}: {}", reply.text());
    }
    let past = [("DESTRUCTION", "2001-02-03T04:05:06Z")];
    let running = list.make(&[("QUERY", LONG), ("PHASE", "RUN")]);
    running.wait_until(|phase| phase == "EXECUTING");
    for job in [job, running] {
        assert_eq!(job.post("/destruction", &past).status, 303);
        assert!(eventually(SOON, || job.get("").status == 404), "{}", job.text(""));
        for child in ["/phase", "/results", "/results/result", "/error", "/parameters"] {
            assert_eq!(job.get(child).status, 404, "{child}");
        }
        assert_eq!(job.delete().status, 404);
    }
    assert!(eventually(SOON, || !working(&[server.id()])), "work goes on after its destruction");
    assert_eq!(results(), 0);
}

#[test]
fn results_stay_within_their_limit() {
    let Some(hats) = places::hats() else { return };
    let server = Server::serve(&hats, &["--results-bytes", "100KiB"]);
    let list = JobList::of(server.url());
    let large = [("QUERY", "SELECT * FROM opengc"), ("FORMAT", "csv")];
    let small = [("QUERY", "SELECT TOP 100 * FROM opengc"), ("FORMAT", "csv")];
    for _ in 0..3 {
        let job = list.ended(&large);
        assert_eq!(job.phase(), "ERROR");
        let said = job.element("message").unwrap_or_default();
        assert!(said.contains("102400 bytes"), "{said}");
        assert_eq!(job.get("/results/result").status, 404);
        let job = list.ended(&small);
        assert_eq!(job.phase(), "COMPLETED", "{}", job.text(""));
        assert_eq!(job.delete().status, 303);
    }
    let metrics = reqwest::blocking::get(server.metrics_url()).and_then(Response::text);
    assert!(metrics.expect("metrics").contains("armilla_results_bytes 0\n"));
}

#[test]
fn who_waits_is_told_of_a_change_at_once() {
    let Some(hats) = places::hats() else { return };
    let server = Server::serve(&hats, &[]);
    let list = JobList::of(server.url());
    let job = list.make(&[("QUERY", "SELECT name FROM opengc")]);
    let timed = |query: &str| {
        let begun = Instant::now();
        let reply = job.get(query);
        assert_eq!(reply.status, 200, "{query}: {}", reply.text());
        begun.elapsed()
    };
    assert!(timed("?WAIT=2") >= Duration::from_secs(2), "it waits while PENDING");
    assert!(timed("?wait=1&phase=PENDING") >= Duration::from_secs(1));
    assert!(timed("?WAIT=0") < SOON && timed("?WAIT=40&PHASE=QUEUED") < SOON);
    std::thread::scope(|scope| {
        scope.spawn(|| {
            std::thread::sleep(Duration::from_secs(1));
            assert_eq!(job.post("/phase", &[("PHASE", "ABORT")]).status, 303);
        });
        let waited = timed("?WAIT=-1");
        assert!(waited >= Duration::from_millis(900) && waited < SOON, "{waited:?}");
    });
    assert!(timed("?WAIT=-1") < SOON, "an end is no reason to wait");
    for wrong in ["?WAIT=abc", "?WAIT=-2", "?WAIT=", "?WAIT=1&WAIT=2", "?WAIT=1&PHASE=NONE"] {
        assert_eq!(job.get(wrong).status, 400, "{wrong}");
    }
}
