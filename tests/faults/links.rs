//! Links that are cut and healed: both ways, one way, and between two workers alone.

use tests::Cluster;
use tests::hosts::{Direction, Peer};

use crate::scene::{RECOVERY, Scene, gauge, pass, total, wait_until};

/// Cuts a link for a while under the crowd, and heals it.
fn cut(scene: &Scene, cluster: &mut Cluster, name: &str, peer: Peer, direction: Direction) {
    let report = scene.crowd(name, cluster, |cluster, faults| {
        pass(15);
        faults.begin();
        cluster.hosts().cut(1, peer, direction);
        pass(45);
        faults.begin();
        cluster.hosts().heal(1);
    });
    report.check(false, RECOVERY);
    wait_until("every worker is up again", RECOVERY, || {
        gauge(cluster.coordinator(), "armilla_worker_up", "") == 3
    });
    wait_until("no task is left", RECOVERY, || total(cluster, "armilla_tasks_running") == 0);
}

#[test]
fn a_cut_link_costs_a_pause() {
    let Some(scene) = Scene::take() else { return };
    let mut cluster = scene.cluster();
    if !cluster.hosts().links_can_be_cut() {
        return;
    }
    cut(&scene, &mut cluster, "cut both ways", Peer::Everyone, Direction::Both);
    cut(&scene, &mut cluster, "cut inward", Peer::Everyone, Direction::Inward);
    cut(&scene, &mut cluster, "cut outward", Peer::Everyone, Direction::Outward);
}

/// The coordinator reaches both, and they do not reach each other.
#[test]
fn a_link_cut_between_two_workers_harms_no_answer() {
    let Some(scene) = Scene::take() else { return };
    let mut cluster = scene.cluster();
    if !cluster.hosts().links_can_be_cut() {
        return;
    }
    cut(&scene, &mut cluster, "cut between workers", Peer::Worker(2), Direction::Both);
}
