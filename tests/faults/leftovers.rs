//! Nothing is left behind: clients that leave, jobs that are aborted, queries past their deadline.

use std::io::Read as _;
use std::time::{Duration, Instant};

use reqwest::blocking::{Client, Response};
use tests::jobs::JobList;
use tests::places::tell;
use tests::{Cluster, Server};

use crate::scene::{Scene, total, wait_until};

/// Within this, every task of a query that ended has ended.
const AT_ONCE: Duration = Duration::from_secs(2);

/// To see how late it was.
const PATIENCE: Duration = Duration::from_secs(30);

/// Waits for minutes in every worker, when their disks are lost and the origin is slow.
const LONG: &str = "SELECT COUNT(*) AS n, MAX(psfFlux) AS hi FROM demo.source WHERE snr > 0";

/// More text than sockets keep.
const STREAM: &str = "SELECT objectId, ra, dec, raErr, decErr, parallax, parallaxErr, g_psfFlux, \
     g_psfFluxErr, i_psfFlux, i_psfFluxErr, firstMjd, lastMjd, ebv FROM demo.object";

fn tasks(cluster: &Cluster) -> u64 {
    total(cluster, "armilla_tasks_running")
}

fn no_task_is_left(cluster: &Cluster, after: &str) {
    let begun = Instant::now();
    wait_until(&format!("no task is left after {after}"), PATIENCE, || tasks(cluster) == 0);
    let tasks_ended = begun.elapsed();
    wait_until(&format!("no memory is reserved after {after}"), PATIENCE, || {
        total(cluster, "armilla_memory_reserved_bytes") == 0
    });
    let freed = begun.elapsed();
    tell(&format!("faults: after {after}: tasks end in {tasks_ended:.1?}, memory in {freed:.1?}"));
    assert!(freed < AT_ONCE, "after {after}: {tasks_ended:?}, {freed:?}");
}

/// Begins a query of `/sync` and reads the first bytes of its answer, if it is to have any soon.
fn begin(cluster: &Cluster, adql: &str, timeout: Duration) -> Option<Response> {
    let client = Client::builder().timeout(timeout).pool_max_idle_per_host(0).build();
    let form = [("LANG", "ADQL"), ("QUERY", adql), ("RESPONSEFORMAT", "votable/td")];
    let url = format!("{}/sync", cluster.tap().base());
    let mut response = client.expect("a client").post(url).form(&form).send().ok()?;
    response.read_exact(&mut [0; 4096]).ok()?;
    Some(response)
}

fn open_files(cluster: &Cluster) -> Vec<usize> {
    let all = cluster.workers().into_iter().chain([cluster.coordinator()]);
    all.map(Server::open_files).collect()
}

#[test]
fn a_hundred_clients_that_leave_take_everything_with_them() {
    /// Connections between nodes are kept and may be one more or less.
    const A_FEW: usize = 12;
    let Some(scene) = Scene::take() else { return };
    let cluster = scene.cluster();
    // Warm: connections between all nodes, files of the runtime.
    for known in &scene.known {
        assert!(cluster.tap().ask(&known.question.adql).is_ok());
    }
    no_task_is_left(&cluster, "ordinary queries");
    let before = open_files(&cluster);
    let timeout = Duration::from_secs(280);
    let streams: Vec<Response> = std::thread::scope(|scope| {
        let cluster = &cluster;
        let begun: Vec<_> =
            (0..100).map(|_| scope.spawn(move || begin(cluster, STREAM, timeout))).collect();
        begun.into_iter().filter_map(|stream| stream.join().expect("no panic")).collect()
    });
    let begun = streams.len();
    assert!(begun >= 90, "{begun} of 100 streams have begun");
    let running = tasks(&cluster);
    assert!(running > 0, "they hold tasks");
    drop(streams);
    no_task_is_left(&cluster, "a hundred clients that left");
    wait_until("open files return to their level", Duration::from_secs(10), || {
        let now = open_files(&cluster);
        now.iter().zip(&before).all(|(now, before)| *now <= before + A_FEW)
    });
    let now = open_files(&cluster);
    let line = format!(
        "faults: {begun} clients left: {running} tasks then none; open files {before:?} then {now:?}"
    );
    tell(&line);
}

#[test]
fn a_query_that_ends_early_leaves_no_task() {
    let Some(scene) = Scene::take() else { return };
    let mut plan = scene.plan();
    plan.coordinator_flags.extend(["--query-duration", "2s"].map(str::to_owned));
    let cluster = Cluster::by(&plan);
    if !cluster.has_mounts() {
        tell("\nNOT TESTED, this system refuses mount namespaces: no query can be slow\n");
        return;
    }
    for index in 0..3 {
        cluster.lose_disk(index, "demo");
    }
    cluster.origin().limit(Some(10_000));
    let works = |what: &str| {
        wait_until(what, Duration::from_secs(20), || tasks(&cluster) > 0);
    };
    let job = JobList::of(cluster.tap().base()).make(&[("QUERY", LONG), ("PHASE", "RUN")]);
    works("the job works");
    assert_eq!(job.post("/phase", &[("PHASE", "ABORT")]).status, 303);
    no_task_is_left(&cluster, "an abort");
    // A client that gives up before its deadline, and before any row.
    assert!(begin(&cluster, LONG, Duration::from_secs(1)).is_none());
    no_task_is_left(&cluster, "a client that left");
    let (status, body) = cluster.tap().ask(LONG).expect("an answer");
    no_task_is_left(&cluster, "a deadline");
    assert!(body.contains("ERROR") && body.contains("took longer"), "{status}: {body}");
}
