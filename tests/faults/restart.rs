//! The coordinator is killed and started again, with jobs in every phase.

use tests::jobs::{JobList, JobResource};

use crate::scene::{RECOVERY, Scene, pass};

const SHORT: &str = "SELECT COUNT(*) AS n FROM demo.object WHERE nSources >= 0";

/// Runs for seconds over workers, and then has one row.
const SECONDS: &str = "SELECT COUNT(*) AS n FROM demo.object AS a JOIN demo.source AS b \
     ON a.nSources = b.detector AND a.objectId < b.objectId";

/// Each job ends as it must: what had ended stays, what waited or ran runs again and is right.
#[test]
fn jobs_in_every_phase_survive_a_coordinator() {
    let scene = Scene::take();
    let mut plan = scene.plan();
    plan.coordinator_flags.extend(["--async-jobs", "1"].map(str::to_owned));
    let mut cluster = tests::Cluster::by(&plan);
    let csv = ("FORMAT", "csv");
    let list = JobList::of(cluster.tap().base());
    let done = list.ended(&[("QUERY", SHORT), csv]);
    let bytes = done.get("/results/result").body;
    assert!(bytes.starts_with(b"n\n"), "{}", done.text(""));
    let long = list.ended(&[("QUERY", SECONDS), csv]);
    let right = long.get("/results/result").text();
    assert_eq!(long.phase(), "COMPLETED", "{}", long.text(""));
    let failed = list.ended(&[("QUERY", "SELECT nme FROM demo.object")]);
    let aborted = list.make(&[("QUERY", SHORT)]);
    aborted.post("/phase", &[("PHASE", "ABORT")]);
    let pending = list.make(&[("QUERY", SHORT), csv]);
    let mut survivors: Vec<JobResource> = Vec::new();
    let report = scene.crowd("coordinator killed", &mut cluster, |cluster, faults| {
        pass(15);
        let running = list.make(&[("QUERY", SECONDS), csv, ("PHASE", "RUN")]);
        let queued = list.make(&[("QUERY", SHORT), csv, ("PHASE", "RUN")]);
        running.wait_until(|phase| phase == "EXECUTING");
        assert_eq!(queued.phase(), "QUEUED", "one runs at a time");
        faults.begin();
        cluster.kill_coordinator();
        cluster.restart_coordinator();
        survivors.extend([running, queued]);
    });
    report.check(true, RECOVERY);
    assert_eq!(done.phase(), "COMPLETED");
    assert!(done.get("/results/result").body == bytes, "the very result");
    assert_eq!((failed.phase(), aborted.phase()), ("ERROR".to_owned(), "ABORTED".to_owned()));
    assert!(failed.element("message").is_some_and(|said| said.contains("nme")));
    let [running, queued] = survivors.try_into().expect("two jobs");
    assert_eq!(running.wait_for_end(), "COMPLETED", "{}", running.text(""));
    assert_eq!(running.get("/results/result").text(), right);
    assert_eq!(queued.wait_for_end(), "COMPLETED", "{}", queued.text(""));
    assert!(queued.get("/results/result").body == bytes);
    assert_eq!(pending.phase(), "PENDING");
    pending.run();
    assert_eq!(pending.wait_for_end(), "COMPLETED", "{}", pending.text(""));
}
