//! The coordinator is killed and started again: with jobs in every phase, without its state, and with
//! other settings.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

use tests::jobs::{JobList, JobResource};
use tests::tiles::{is_of_margin, tiles};
use tests::verdict::Verdict;
use tests::{Cluster, places};

use crate::scene::{RECOVERY, Scene, gauge, pass, wait_until};

const SHORT: &str = "SELECT COUNT(*) AS n FROM demo.object WHERE nSources >= 0";

/// Waits as long as the origin is slow: the disks of this table are lost.
const SLOW: &str = "SELECT COUNT(*) AS n, MAX(mag) AS hi, MIN(mjd) AS t \
     FROM hats.small_sky_order1_source_collection WHERE mag > 0";

/// Each job ends as it must: what had ended stays, what waited or ran runs again and is right.
#[test]
fn jobs_in_every_phase_survive_a_coordinator() {
    if places::hats().is_none() {
        return;
    }
    let Some(scene) = Scene::take() else { return };
    let mut plan = scene.plan();
    plan.coordinator_flags.extend(["--async-jobs", "1"].map(str::to_owned));
    let mut cluster = Cluster::by(&plan);
    if !cluster.has_mounts() {
        places::tell("\nNOT TESTED, this system refuses mount namespaces: no job can be slow\n");
        return;
    }
    let csv = ("FORMAT", "csv");
    let list = JobList::of(cluster.tap().base());
    let done = list.ended(&[("QUERY", SHORT), csv]);
    let bytes = done.get("/results/result").body;
    assert!(bytes.starts_with(b"n\n"), "{}", done.text(""));
    let long = list.ended(&[("QUERY", SLOW), csv]);
    let right = long.get("/results/result").text();
    assert_eq!(long.phase(), "COMPLETED", "{}", long.text(""));
    for index in 0..3 {
        cluster.lose_disk(index, "hats/small_sky_order1_source_collection");
    }
    let failed = list.ended(&[("QUERY", "SELECT nme FROM demo.object")]);
    let aborted = list.make(&[("QUERY", SHORT)]);
    aborted.post("/phase", &[("PHASE", "ABORT")]);
    let pending = list.make(&[("QUERY", SHORT), csv]);
    let mut survivors: Vec<JobResource> = Vec::new();
    let report = scene.crowd("coordinator killed", &mut cluster, |cluster, faults| {
        pass(15);
        cluster.origin().limit(Some(4_000));
        let running = list.make(&[("QUERY", SLOW), csv, ("PHASE", "RUN")]);
        let queued = list.make(&[("QUERY", SHORT), csv, ("PHASE", "RUN")]);
        running.wait_until(|phase| phase == "EXECUTING");
        assert_eq!(queued.phase(), "QUEUED", "one runs at a time");
        faults.begin();
        cluster.kill_coordinator();
        cluster.restart_coordinator();
        cluster.origin().limit(None);
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

/// Workers follow an assignment that the coordinator does not know any more, or one of the same
/// numbers that says something else: they take the new one, and read what is their own.
#[test]
fn a_coordinator_without_its_state_or_with_other_settings_assigns_anew() {
    let Some(scene) = Scene::take() else { return };
    let mut cluster = scene.cluster();
    let held = |cluster: &Cluster| -> Vec<BTreeSet<PathBuf>> {
        let of = |folder: &PathBuf| -> BTreeSet<PathBuf> {
            let below = |tile: PathBuf| tile.strip_prefix(folder).map(Path::to_owned).ok();
            // Who holds a whole table needs no margin of it.
            let held = tiles(folder).into_iter().filter(|tile| !is_of_margin(tile));
            held.filter_map(below).collect()
        };
        cluster.folders().iter().map(of).collect()
    };
    let twice = held(&cluster);
    let all: BTreeSet<PathBuf> = twice.iter().flatten().cloned().collect();
    assert!(twice.iter().any(|one| one.len() < all.len()), "not all is everywhere");
    cluster.kill_coordinator();
    fs::remove_dir_all(cluster.state()).expect("the state goes");
    let settings: [(&[&str], Vec<BTreeSet<PathBuf>>); 2] = [
        (&["--replicas", "2"], twice),
        (&["--replicas", "2", "--small-table", "100GiB"], vec![all; 3]),
    ];
    for (flags, wanted) in settings {
        cluster.set_coordinator_flags(flags);
        cluster.restart_coordinator();
        wait_until(&format!("folders are as {flags:?} has it"), RECOVERY, || {
            held(&cluster) == wanted
        });
        let elsewhere = |cluster: &Cluster| -> u64 {
            let reads = |worker, from| gauge(worker, "armilla_tile_reads_total", from);
            let of = |worker| reads(worker, "peer") + reads(worker, "origin");
            cluster.workers().into_iter().map(of).sum()
        };
        let before = elsewhere(&cluster);
        for known in &scene.known {
            let came = cluster.tap().ask(&known.question.adql);
            assert_eq!(known.judge(&came, &cluster.names()), Verdict::Right, "{flags:?}");
        }
        assert_eq!(elsewhere(&cluster), before, "{flags:?}: each reads its own");
        cluster.kill_coordinator();
    }
}
