//! Tiles that are spoiled or gone, and a spill folder that is full.

use std::path::PathBuf;
use std::time::Duration;

use tests::Cluster;
use tests::damage::{Damage, delete_tiles, spoil, tiles_of};
use tests::places::tell;
use tests::tiles::tiles;

use crate::scene::{RECOVERY, Scene, gauge, pass, total, wait_until};

/// Answers stay right, the damage is counted, and what is read is made whole again. Which of two
/// copies is read is not the test's to say: all tiles of two tables are spoiled on one worker.
#[test]
fn spoiled_tiles_are_noticed_and_repaired() {
    let Some(scene) = Scene::take() else { return };
    let mut cluster = scene.cluster();
    let folder = cluster.folders()[0].clone();
    for (table, damage) in [("source", Damage::Truncated), ("object", Damage::Flipped)] {
        let spoiled = tiles_of(&folder, table);
        let read = |tile: &PathBuf| std::fs::read(tile).unwrap_or_default();
        let whole: Vec<Vec<u8>> = spoiled.iter().map(read).collect();
        assert!(!spoiled.is_empty(), "worker 0 holds tiles of {table}");
        let damaged = |cluster: &Cluster| total(cluster, "armilla_tiles_damaged_total");
        let before = damaged(&cluster);
        let report = scene.crowd(&format!("tiles {damage:?}"), &mut cluster, |cluster, faults| {
            pass(15);
            faults.begin();
            for tile in &spoiled {
                spoil(tile, damage);
            }
            wait_until("the damage is counted", RECOVERY, || damaged(cluster) > before);
            wait_until("tiles are whole again", RECOVERY, || {
                spoiled.iter().zip(&whole).any(|(tile, whole)| read(tile) == *whole)
            });
        });
        report.check(false, RECOVERY);
        assert_eq!(report.errors(), 0, "{:?}", report.shown_errors());
        let again = spoiled.iter().zip(&whole).filter(|(tile, whole)| read(tile) == **whole);
        tell(&format!(
            "faults: tiles {damage:?}: {} of {} noticed, {} whole again",
            damaged(&cluster) - before,
            spoiled.len(),
            again.count()
        ));
    }
}

/// All tiles of a worker are removed under it: peers serve, what is read is copied again, and the
/// rest when the worker starts anew.
#[test]
fn a_folder_that_is_deleted_is_filled_again() {
    let Some(scene) = Scene::take() else { return };
    let mut cluster = scene.cluster();
    let folder = cluster.folders()[2].clone();
    let held = tiles(&folder).len();
    let report = scene.crowd("folder deleted", &mut cluster, |cluster, faults| {
        pass(15);
        faults.begin();
        assert_eq!(delete_tiles(&folder), held);
        // As soon as a query reads one of them, which takes a while where the machine is busy.
        wait_until("tiles are copied again", RECOVERY * 3, || !tiles(&folder).is_empty());
        assert!(gauge(cluster.worker(2), "armilla_tiles_damaged_total", "") > 0);
        pass(30);
        cluster.kill_worker(2);
        cluster.restart_worker(2);
        wait_until("the folder is full again", RECOVERY * 2, || tiles(&folder).len() == held);
    });
    report.check(false, RECOVERY);
}

/// The query that spills fails alone, and says where.
#[test]
fn a_full_spill_folder_fails_one_query_alone() {
    // Computed texts make rows wide, so that their sort takes more than a query may have.
    let wide = |n: usize| format!("band || '{}' AS t{n}", "x".repeat(100 + n));
    let sort = &format!(
        "SELECT source.*, {} FROM demo.source ORDER BY psfFlux, sourceId",
        [1, 2].map(wide).join(", ")
    );
    let Some(scene) = Scene::take() else { return };
    let mut plan = scene.plan();
    plan.spill = Some("256m");
    // Sorting all sources takes more; the questions of the crowd take less.
    plan.worker_flags = ["--query-memory", "48MiB"].map(str::to_owned).to_vec();
    let mut cluster = Cluster::by(&plan);
    if !cluster.has_mounts() {
        tell("\nNOT TESTED, this system refuses mount namespaces: no spill folder can be full\n");
        return;
    }
    let rows = scene.sources;
    for turn in 0..5 {
        let how = format!("it spills, turn {turn}");
        ends(&cluster, sort, &how, |end, sorted| end.contains("</TABLE>") && sorted == rows);
    }
    let report = scene.crowd("full spill folder", &mut cluster, |cluster, faults| {
        pass(15);
        for index in 0..3 {
            let file = cluster.spill_folder(index).join("filler");
            // It ends when there is no room.
            let file = format!("of={}", file.display());
            cluster.run_inside(index, &["dd", "if=/dev/zero", &file, "bs=64k"]);
        }
        faults.begin();
        ends(cluster, sort, "an error names folder and worker", |end, _| {
            let named = cluster.names().iter().any(|name| end.contains(name));
            let folder = (0..3).any(|i| end.contains(&*cluster.spill_folder(i).to_string_lossy()));
            end.contains("ERROR") && named && folder
        });
        pass(20);
        for index in 0..3 {
            let file = cluster.spill_folder(index).join("filler");
            assert!(cluster.run_inside(index, &["rm", &file.to_string_lossy()]));
        }
        faults.begin();
        ends(cluster, sort, "there is room again", |end, sorted| {
            end.contains("</TABLE>") && sorted == rows
        });
    });
    report.check(false, RECOVERY);
    assert_eq!(report.errors(), 0, "others fail too: {:?}", report.shown_errors());
    wait_until("nothing stays spilled", Duration::from_secs(5), || {
        (0..3).all(|index| {
            let folder = cluster.spill_folder(index);
            cluster.run_inside(index, &["sh", "-c", &empty_of_files(&folder.to_string_lossy())])
        })
    });
}

fn empty_of_files(folder: &str) -> String {
    format!("[ -z \"$(find '{folder}' -type f -size +0)\" ]")
}

/// Asks once, and the query ends so.
fn ends(cluster: &Cluster, adql: &str, how: &str, right: impl Fn(&str, usize) -> bool) {
    let (_, body) = cluster.tap().ask(adql).expect("an answer");
    let end = body.rsplit("QUERY_STATUS").next().unwrap_or_default();
    let rows = body.lines().filter(|line| line.starts_with("<TR>")).count();
    let shown: String = end.chars().take(600).collect();
    assert!(right(end, rows), "{how}: {rows} rows, and the end is {shown}");
}
