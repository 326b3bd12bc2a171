//! Builds of joins that take long: a store so slow that plans wait for them.

use std::time::{Duration, Instant};

use tests::places::tell;
use tests::verdict::{Question, Rows, Verdict};
use tests::{Server, Tap};

use crate::scene::Scene;

/// The build side is read from the slow origin, and so is the probe side after it; rows of both
/// cross between workers, by a column that no placement keeps together.
const JOIN: &str = "SELECT COUNT(*) AS n, MIN(a.objectId) AS lo, MAX(b.psfFlux) AS hi \
     FROM demo.object AS a JOIN demo.source AS b ON a.objectId = b.objectId \
     WHERE a.g_psfFlux > 0 AND a.nSources > 1";

/// Reads everything from an origin so slow that the build takes a time at least.
fn slow_build(name: &str, at_least: Duration, bytes_per_second: u64, bound: Duration) {
    let Some(scene) = Scene::take() else { return };
    let server = Server::serve(&scene.data, &[]);
    let known = Question::new("slow", Rows::Unordered, JOIN).known_by(&Tap::new(server.url()));
    drop(server);
    let mut plan = scene.plan();
    plan.coordinator_flags.extend(["--query-duration", "2h"].map(str::to_owned));
    let cluster = tests::Cluster::by(&plan);
    if !cluster.has_mounts() {
        tell("\nNOT TESTED, this system refuses mount namespaces: no store can be slow\n");
        return;
    }
    for index in 0..3 {
        cluster.lose_disk(index, "demo");
    }
    cluster.origin().limit(Some(bytes_per_second));
    let begun = Instant::now();
    let tap = Tap::patient(cluster.tap().base(), bound);
    let came = tap.ask(JOIN);
    let (verdict, took) = (known.judge(&came, &cluster.names()), begun.elapsed());
    tell(&format!("faults: {name}: {verdict:?} after {took:.1?}"));
    assert!(took < bound, "{took:?}");
    match verdict {
        Verdict::Right => assert!(took > at_least, "a build of {at_least:?} took {took:?}"),
        Verdict::Error(_) => {}
        other => panic!("neither right nor a clear error: {other:?}"),
    }
}

/// Longer than a task waits for its plan (10 s).
#[test]
fn a_build_of_more_than_ten_seconds_is_waited_for() {
    slow_build("slow build", Duration::from_secs(12), 400_000, Duration::from_secs(240));
}

/// Longer than a worker keeps a plan that nobody asked for (10 min).
#[test]
fn a_build_of_more_than_ten_minutes_is_waited_for() {
    if std::env::var("TEST_SLOW").is_err() {
        let _waiting = Scene::take();
        tell("\nNOT TESTED: a build of more than ten minutes; TEST_SLOW=1 runs it\n");
        return;
    }
    slow_build("very slow build", Duration::from_secs(620), 8_000, Duration::from_secs(3600));
}
