//! Workers that die, freeze and come back.

use std::io::{BufRead as _, BufReader, Read as _};
use std::time::{Duration, Instant};

use reqwest::blocking::{Client, Response};
use tests::Cluster;
use tests::damage::empty;
use tests::places::tell;
use tests::tiles::tiles;

use crate::scene::{RECOVERY, Scene, gauge, part, pass, total, wait_until};

/// A worker dies between queries and during them; later it comes back with an empty folder, fills
/// it from its peers and works again.
#[test]
fn a_worker_that_dies_is_not_missed_and_one_with_an_empty_folder_fills_it() {
    let Some(scene) = Scene::take() else { return };
    let mut cluster = scene.cluster();
    let held = tiles(&cluster.folders()[1]).len();
    cluster.kill_worker(1);
    let report = scene.crowd("kill before", &mut cluster, |_, faults| faults.begin());
    report.check(false, RECOVERY);
    let report = scene.crowd("empty folder", &mut cluster, |cluster, faults| {
        pass(10);
        empty(&cluster.folders()[1]);
        faults.begin();
        cluster.restart_worker(1);
        let folder = cluster.folders()[1].clone();
        let took = wait_until("the folder is full again", part(60).max(RECOVERY), || {
            tiles(&folder).len() == held
        });
        tell(&format!("faults: empty folder: {held} tiles again after {took:.1?}"));
    });
    report.check(false, RECOVERY);
    let copied = gauge(cluster.worker(1), "armilla_tiles_copied_total", "peer");
    assert!(copied > 0, "nothing came from peers: {}", cluster.worker(1).log());
    works_again(&scene, &cluster, 1);
}

/// A worker takes part in queries.
fn works_again(scene: &Scene, cluster: &Cluster, worker: usize) {
    let executed = || gauge(cluster.worker(worker), "armilla_tasks_executed_total", "");
    let before = executed();
    wait_until("it works again", RECOVERY, || {
        let _asked = cluster.tap().ask(&scene.question("sky").question.adql);
        executed() > before
    });
}

/// A worker dies while all clients have queries in flight, and comes back on its folder.
#[test]
fn a_worker_that_dies_during_queries_costs_a_pause() {
    let Some(scene) = Scene::take() else { return };
    let mut cluster = scene.cluster();
    let retries =
        |cluster: &Cluster| gauge(cluster.coordinator(), "armilla_query_retries_total", "");
    let before = retries(&cluster);
    let report = scene.crowd("kill during", &mut cluster, |cluster, faults| {
        for worker in [0, 2] {
            pass(15);
            wait_until("the worker works", RECOVERY, || {
                gauge(cluster.worker(worker), "armilla_tasks_running", "") > 0
            });
            faults.begin();
            cluster.kill_worker(worker);
            pass(20);
            cluster.restart_worker(worker);
        }
    });
    report.check(false, RECOVERY);
    tell(&format!(
        "faults: kill during: {} queries began again; first errors {:?}",
        retries(&cluster) - before,
        report.shown_errors(),
    ));
}

/// What a client got of a stream when a worker died in the midst of it.
struct Stream {
    reader: BufReader<Response>,
    read: String,
}

impl Stream {
    fn begin(cluster: &Cluster, adql: &str) -> Self {
        let client = Client::builder().timeout(Duration::from_secs(300)).build();
        let form = [("LANG", "ADQL"), ("QUERY", adql), ("RESPONSEFORMAT", "votable/td")];
        let url = format!("{}/sync", cluster.tap().base());
        let sent = client.expect("a client").post(url).form(&form).send();
        Self { reader: BufReader::new(sent.expect("an answer")), read: String::new() }
    }

    fn rows(&self) -> usize {
        self.read.matches("<TR>").count()
    }

    fn read_rows(&mut self, rows: usize) {
        while self.rows() < rows {
            let read = self.reader.read_line(&mut self.read).expect("the stream goes on");
            assert!(read > 0, "it ended after {} rows", self.rows());
        }
    }

    fn read_to_end(&mut self) -> std::io::Result<usize> {
        self.reader.read_to_string(&mut self.read)
    }
}

/// On an origin so slow that every worker sends rows for long: the one that dies has sent some of
/// its rows and not the last, by the bytes that left its host. The client is told; then the same
/// query is answered, and a query without rows yet is not disturbed.
#[test]
fn a_worker_that_dies_in_the_midst_of_its_rows_is_named() {
    const QUERY: &str = "SELECT * FROM demo.source WHERE psfFlux > -1e30";
    let Some(scene) = Scene::take() else { return };
    let mut cluster = scene.cluster();
    if !cluster.hosts().links_can_be_cut() {
        return;
    }
    // Once at full speed: what each host sends for the whole answer.
    let sent = |cluster: &Cluster| -> Vec<u64> {
        (0..3).map(|index| cluster.hosts().sent_bytes(index)).collect()
    };
    let before = sent(&cluster);
    let mut whole = Stream::begin(&cluster, QUERY);
    whole.read_to_end().expect("it ends");
    let rows = whole.rows();
    let all: Vec<u64> = sent(&cluster).iter().zip(&before).map(|(now, then)| now - then).collect();
    let busy = (0..3).max_by_key(|index| all[*index]).expect("three workers");
    for index in 0..3 {
        cluster.lose_disk(index, "demo");
    }
    cluster.origin().limit(Some(1_200_000));
    let before = sent(&cluster)[busy];
    let mut stream = Stream::begin(&cluster, QUERY);
    stream.read_rows(100);
    wait_until("it has sent rows", Duration::from_secs(60), || {
        sent(&cluster)[busy] - before > all[busy] / 50
    });
    let tasks = gauge(cluster.worker(busy), "armilla_tasks_running", "");
    let part_sent = sent(&cluster)[busy] - before;
    let died = Instant::now();
    cluster.kill_worker(busy);
    let ended = stream.read_to_end();
    tell(&format!(
        "faults: kill in the midst: {part_sent} of {} bytes of rows had left worker {busy}, which \
         had {tasks} tasks; the client had {} of {rows} rows and was told after {:.1?}",
        all[busy],
        stream.rows(),
        died.elapsed(),
    ));
    assert!(part_sent < all[busy] && tasks > 0, "it had sent its last rows");
    let end = stream.read.rsplit("QUERY_STATUS").next().unwrap_or_default();
    let name = &cluster.names()[busy];
    assert!(ended.is_ok() && end.contains("ERROR") && end.contains(name), "{ended:?}: {end}");
    let log = cluster.coordinator().log();
    let told = log.lines().find(|line| line.contains("query lost a worker and ends"));
    tell(&format!("faults: kill in the midst: {}", told.unwrap_or("not in the log")));
    assert!(told.is_some_and(|line| line.contains(name)), "{log}");
    assert!(died.elapsed() < RECOVERY, "the client was told after {:?}", died.elapsed());
    cluster.origin().limit(None);
    let mut again = Stream::begin(&cluster, QUERY);
    again.read_to_end().expect("it ends");
    assert_eq!(again.rows(), rows, "two workers and the origin have every row");
}

/// SIGSTOP and SIGCONT: its connections stay open, and nobody answers.
#[test]
fn a_worker_that_freezes_costs_a_pause() {
    let Some(scene) = Scene::take() else { return };
    let mut cluster = scene.cluster();
    let report = scene.crowd("freeze", &mut cluster, |cluster, faults| {
        pass(15);
        faults.begin();
        cluster.worker(1).freeze();
        pass(34);
        faults.begin();
        cluster.worker(1).thaw();
    });
    report.check(false, RECOVERY);
    works_again(&scene, &cluster, 1);
    wait_until("no task is left", RECOVERY, || total(&cluster, "armilla_tasks_running") == 0);
}

/// One worker of three answers all: what both lost holders of a tile held, from the origin.
#[test]
fn the_last_worker_answers_alone() {
    let Some(scene) = Scene::take() else { return };
    let mut cluster = scene.cluster();
    let report = scene.crowd("all but one", &mut cluster, |cluster, faults| {
        pass(15);
        faults.begin();
        cluster.kill_worker(0);
        cluster.kill_worker(1);
    });
    report.check(false, RECOVERY * 2);
    let from_origin = gauge(cluster.worker(2), "armilla_tile_reads_total", "origin");
    assert!(from_origin > 0, "it holds two thirds of the tiles");
}
