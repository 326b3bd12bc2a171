//! When files leave the folder of a worker: with the assignment after the next, once that is
//! complete, and nothing that is not a tile of the worker.

#![expect(clippy::unwrap_used, reason = "a test ends at the first step that fails")]

use std::fs;
use std::path::Path;

use worker::control::Assignment;

use crate::worker_bed::{Bed, Bedded, files, is_complete, no_peers, parquet, until, write};

/// The folder of one version of a table.
fn folder(version: u64) -> String {
    format!("s/t/t.{version}/dataset")
}

/// Tiles that all versions have, and those of four versions.
fn versions() -> Vec<(String, Vec<u8>)> {
    let file = |folder: &str, pixel: u64| {
        let path = format!("{folder}/Norder=2/Dir=0/Npix={pixel}.parquet");
        (path, parquet(pixel, 5_000))
    };
    let of_versions = (1..=4).flat_map(|version| (0..3).map(move |pixel| (version, pixel)));
    let of_versions =
        of_versions.map(|(version, pixel)| file(&folder(version), 10 * version + pixel));
    of_versions.chain([file("s/other/dataset", 5)]).collect()
}

/// The tiles of one version, for a snapshot of that number.
fn assignment(bed: &Bed, version: u64) -> Assignment {
    let mut assignment = Assignment { snapshot: version, ..bed.assignment(1) };
    let prefix = folder(version);
    assignment.files.retain(|f| f.path.starts_with(&prefix) || f.path.starts_with("s/other"));
    assignment
}

async fn follow(bed: &Bed, worker: &Bedded, version: u64) {
    worker.node.assign(assignment(bed, version)).await.unwrap();
    until("its tiles are here", || is_complete(&worker.node)).await;
}

/// How many tiles of a version are in the folder, and how many sums.
fn here(bed: &Bed, version: u64) -> [usize; 2] {
    let count = |folder: &Path| if folder.exists() { files(folder).len() } else { 0 };
    let sums = bed.own_file(".armilla/sums");
    [count(&bed.own_file(&folder(version))), count(&sums.join(folder(version)))]
}

async fn until_gone(bed: &Bed, version: u64) {
    until("the oldest version is removed", || {
        !bed.own_file(&format!("s/t/t.{version}")).exists()
            && !bed.own_file(&format!(".armilla/sums/s/t/t.{version}")).exists()
    })
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn tiles_go_with_the_assignment_after_the_next_and_with_their_folders() {
    let bed = Bed::new(versions());
    let worker = bed.open(no_peers()).unwrap();
    // What is no tile of the worker: without sums, and of the worker's own.
    let foreign = bed.own_file("s/t/notes.txt");
    write(&foreign, b"of somebody");
    let unsummed = bed.own_file("s/t/t.0/dataset/Norder=2/Dir=0/Npix=1.parquet");
    write(&unsummed, &parquet(1, 100));
    follow(&bed, &worker, 1).await;
    follow(&bed, &worker, 2).await;
    assert_eq!([here(&bed, 1), here(&bed, 2)], [[3, 3], [3, 3]]);
    let old = &assignment(&bed, 1).files[0].path;
    assert_eq!(worker.read(old).await.unwrap().len(), 5_000);
    assert_eq!(worker.counters.reads(worker::counters::Source::Local), 1);
    follow(&bed, &worker, 3).await;
    until_gone(&bed, 1).await;
    assert_eq!([here(&bed, 2), here(&bed, 3)], [[3, 3], [3, 3]]);
    follow(&bed, &worker, 4).await;
    until_gone(&bed, 2).await;
    // One that all of them name.
    assert!(bed.own_file("s/other/dataset/Norder=2/Dir=0/Npix=5.parquet").exists());
    assert!(foreign.exists() && unsummed.exists());
    // What is not here any more is read from where it is.
    assert_eq!(worker.read(old).await.unwrap().len(), 5_000);
    assert_eq!(worker.counters.reads(worker::counters::Source::Origin), 1);
    assert_eq!(worker.counters.damaged_tiles(), 0, "nothing is wrong with a tile that was removed");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn nothing_goes_before_the_new_tiles_are_here() {
    let bed = Bed::new(versions());
    let worker = bed.open(no_peers()).unwrap();
    follow(&bed, &worker, 1).await;
    follow(&bed, &worker, 2).await;
    let late = bed.origin.path().join(&assignment(&bed, 3).files[0].path);
    fs::rename(&late, bed.origin.path().join("late")).unwrap();
    worker.node.assign(assignment(&bed, 3)).await.unwrap();
    until("the others are here", || here(&bed, 3) == [2, 2]).await;
    assert_eq!([here(&bed, 1), here(&bed, 2)], [[3, 3], [3, 3]]);
    fs::rename(bed.origin.path().join("late"), &late).unwrap();
    until_gone(&bed, 1).await;
    assert_eq!([here(&bed, 2), here(&bed, 3)], [[3, 3], [3, 3]]);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_restarted_worker_knows_what_it_held_before() {
    let bed = Bed::new(versions());
    let worker = bed.open(no_peers()).unwrap();
    follow(&bed, &worker, 1).await;
    follow(&bed, &worker, 2).await;
    drop(worker);
    // Of an assignment that neither is, as after a kill in the middle of removing: sums alone too.
    let left = bed.own_file(&folder(4)).join("Norder=2/Dir=0/Npix=49.parquet");
    write(&left, &parquet(1, 100));
    write(&bed.sums_file(&format!("{}/Norder=2/Dir=0/Npix=49.parquet", folder(4))), b"sums");
    write(&bed.sums_file(&format!("{}/Norder=2/Dir=0/Npix=48.parquet", folder(4))), b"sums");
    let worker = bed.reopen(&no_peers()).await;
    until_gone(&bed, 4).await;
    until("all of it is here", || is_complete(&worker.node)).await;
    assert_eq!([here(&bed, 1), here(&bed, 2)], [[3, 3], [3, 3]]);
    follow(&bed, &worker, 3).await;
    until_gone(&bed, 1).await;
    assert_eq!(here(&bed, 2), [3, 3]);
}

/// The folder of a release that kept no former assignment, and one of a later release.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_folder_without_a_former_assignment_that_is_known_is_opened() {
    for former in [None, Some("{\"version\": 2, \"packed\": \"x\"}"), Some("{")] {
        let bed = Bed::new(versions());
        let worker = bed.open(no_peers()).unwrap();
        follow(&bed, &worker, 1).await;
        drop(worker);
        let file = bed.own_file(".armilla/former.json");
        match former {
            Some(text) => fs::write(&file, text).unwrap(),
            None => fs::remove_file(&file).unwrap(),
        }
        let worker = bed.reopen(&no_peers()).await;
        until("its tiles are here", || is_complete(&worker.node)).await;
        assert_eq!(worker.counters.copies(worker::counters::Source::Origin), 0);
        follow(&bed, &worker, 2).await;
        assert_eq!([here(&bed, 1), here(&bed, 2)], [[3, 3], [3, 3]]);
    }
}

/// A worker whose folder is the origin holds what is not its own to remove.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn nothing_is_removed_from_the_origin() {
    let bed = Bed::new(versions());
    for (path, bytes) in &bed.tiles {
        write(&bed.own_file(path), bytes);
    }
    let link = bed.origin.path().join("link");
    std::os::unix::fs::symlink(bed.own.path(), &link).unwrap();
    let mut worker = bed.open_from(&link, no_peers()).unwrap();
    worker.keep();
    for version in 1..=4 {
        follow(&bed, &worker, version).await;
    }
    // Had it been removed at all, it would be by now: the last assignment was looked through again.
    worker.node.assign(assignment(&bed, 1)).await.unwrap();
    until("its tiles are here", || is_complete(&worker.node)).await;
    assert_eq!([here(&bed, 1), here(&bed, 2), here(&bed, 3)], [[3, 3]; 3]);
}
