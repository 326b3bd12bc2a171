//! How tiles come into the folder of a worker, and what the folder remembers: sources that lie,
//! copies that are cut off, assignments that replace each other, starts without anybody to ask.
//!
//! The oracle is the content that was written to the origin.

#![expect(clippy::unwrap_used, reason = "a test ends at the first step that fails")]

use std::fs;

use catalog::{Location, Snapshot};
use datafusion::object_store::ObjectStoreExt as _;
use worker::counters::Source;

use crate::in_process::hats;
use crate::worker_bed::{
    BLOCK, Bed, Mood, Peer, files, is_complete, no_peers, parquet, peer, some_tiles, tile, until,
    write,
};

/// Every assigned tile is in the folder byte by byte, and nothing half.
async fn check_folder(bed: &Bed) {
    for (path, bytes) in &bed.tiles {
        assert_eq!(&fs::read(bed.own_file(path)).unwrap(), bytes, "{path}");
        assert!(bed.sums_file(path).exists(), "{path}");
    }
    // That all is here is known before it is noted.
    let partial = bed.own.path().join(".armilla/partial");
    until("nothing is being written", || fs::read_dir(&partial).unwrap().count() == 0).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn tiles_come_from_a_peer_that_has_them_and_else_from_the_origin() {
    let bed = Bed::new(some_tiles());
    let other = Peer::new(&bed.tiles[2..4], Mood::Answers).await;
    let worker = bed.whole(peer(&other)).await;
    check_folder(&bed).await;
    let copies = [Source::Peer, Source::Origin].map(|source| worker.counters.copies(source));
    assert_eq!(copies, [2, bed.tiles.len() as u64 - 2]);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_peer_with_another_file_is_not_believed() {
    let bed = Bed::new(some_tiles());
    let mut lies = some_tiles();
    // Too long, too short, no Parquet at the beginning, none at the end.
    lies[1].1 = parquet(1, 5_001);
    lies[2].1 = parquet(2, BLOCK - 1);
    lies[3].1[0] = b'Q';
    *lies[6].1.last_mut().unwrap() = b'Q';
    let other = Peer::new(&lies, Mood::Answers).await;
    let worker = bed.whole(peer(&other)).await;
    check_folder(&bed).await;
    assert!(worker.counters.copies(Source::Origin) >= 4);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_worker_whose_peers_fail_copies_from_the_origin() {
    let bed = Bed::new(some_tiles());
    let other = Peer::new(&bed.tiles, Mood::Fails).await;
    let worker = bed.whole(peer(&other)).await;
    check_folder(&bed).await;
    assert_eq!(worker.counters.copies(Source::Peer), 0);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_no_place_has_is_copied_when_it_appears() {
    let bed = Bed::new(some_tiles());
    let late = bed.origin.path().join(tile(4));
    fs::rename(&late, bed.origin.path().join("late")).unwrap();
    let worker = bed.open(no_peers()).unwrap();
    worker.node.assign(bed.assignment(1)).await.unwrap();
    let most = bed.tiles.len() as u64 - 1;
    let files = || worker.node.status().held.map(|held| held.files);
    until("the others are here", || files() == Some(most)).await;
    fs::rename(bed.origin.path().join("late"), &late).unwrap();
    until("all are here", || is_complete(&worker.node)).await;
    check_folder(&bed).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_copy_that_is_cut_off_leaves_nothing() {
    let bed = Bed::new(some_tiles());
    let other = Peer::new(&bed.tiles, Mood::Hangs).await;
    let mut worker = bed.open(peer(&other)).unwrap();
    worker.node.assign(bed.assignment(1)).await.unwrap();
    // The largest tile takes two questions, and the second is never answered.
    let most = bed.tiles.len() as u64 - 1;
    until("the others are here", || {
        worker.node.status().held.is_some_and(|held| held.files == most)
            && other.asked() == bed.tiles.len() as u64 + 1
    })
    .await;
    let partial = bed.own.path().join(".armilla/partial");
    assert_eq!(files(&partial).len(), 1, "it is being written");
    worker.keeping.shutdown().await;
    until("it is removed", || files(&partial).is_empty()).await;
    assert!(!bed.own_file(&tile(6)).exists() && !bed.sums_file(&tile(6)).exists());
    drop(worker);
    // A process that is killed removes nothing; the next one does.
    write(&partial.join("half"), &bed.tiles[6].1[..100]);
    let worker = bed.reopen(&no_peers()).await;
    until("the rest is copied", || is_complete(&worker.node)).await;
    check_folder(&bed).await;
    assert_eq!(worker.counters.copies(Source::Origin), 1);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_restarted_worker_serves_before_anybody_speaks_to_it() {
    let bed = Bed::new(some_tiles());
    let first = bed.whole(no_peers()).await.node.status().instance;
    // Nothing of the origin is needed for that.
    fs::remove_dir_all(bed.origin.path()).unwrap();
    let worker = bed.reopen(&no_peers()).await;
    until("the folder was looked through", || is_complete(&worker.node)).await;
    for (path, bytes) in &bed.tiles {
        assert_eq!(&worker.read(path).await.unwrap(), bytes, "{path}");
    }
    assert_eq!(worker.counters.copies(Source::Origin), 0);
    assert_ne!(worker.node.status().instance, first);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_tile_that_was_cut_while_the_worker_was_away_is_copied_again() {
    let bed = Bed::new(some_tiles());
    drop(bed.whole(no_peers()).await);
    write(&bed.own_file(&tile(3)), b"PAR1PAR1");
    let worker = bed.reopen(&no_peers()).await;
    until("all are here", || is_complete(&worker.node)).await;
    check_folder(&bed).await;
    assert_eq!(worker.counters.copies(Source::Origin), 1);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_newest_assignment_wins() {
    let bed = Bed::new(some_tiles());
    let other = Peer::new(&bed.tiles, Mood::Hangs).await;
    let worker = bed.open(peer(&other)).unwrap();
    worker.node.assign(bed.assignment(5)).await.unwrap();
    until("it hangs", || other.asked() == bed.tiles.len() as u64 + 1).await;
    // Without the tile that hangs.
    let mut smaller = bed.assignment(6);
    smaller.files.pop();
    worker.node.assign(smaller.clone()).await.unwrap();
    until("the smaller one is complete", || is_complete(&worker.node)).await;
    assert_eq!(worker.node.status().held.unwrap().placement, 6);
    let refused = worker.node.assign(bed.assignment(5)).await.unwrap_err().to_string();
    assert!(refused.starts_with("placement 5 is older than placement 6 of the same"), "{refused}");
    // Numbers of another snapshot tell nothing, and the same once more is no news.
    let mut next = smaller.clone();
    (next.snapshot, next.placement.number) = (8, 1);
    worker.node.assign(next.clone()).await.unwrap();
    worker.node.assign(next).await.unwrap();
    assert_eq!(worker.node.status().held.unwrap().snapshot, 8);
}

/// What was found damaged under one assignment, and is nobody's under the next.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_damaged_tile_that_is_no_longer_assigned_is_left_alone() {
    let bed = Bed::new(some_tiles());
    let other = Peer::new(&bed.tiles, Mood::Answers).await;
    let mut worker = bed.open_idle(peer(&other)).unwrap();
    worker.node.assign(bed.assignment(1)).await.unwrap();
    // A tile without sums is damaged; the peer answers the read.
    write(&bed.own_file(&tile(6)), &bed.tiles[6].1);
    assert_eq!(worker.read(&tile(6)).await.unwrap(), bed.tiles[6].1);
    assert_eq!(worker.counters.damaged_tiles(), 1);
    let mut smaller = bed.assignment(2);
    smaller.files.pop();
    worker.node.assign(smaller).await.unwrap();
    worker.keep();
    until("the others are here", || is_complete(&worker.node)).await;
    assert_eq!(worker.read(&tile(6)).await.unwrap(), bed.tiles[6].1);
    let reads = [Source::Peer, Source::Origin].map(|source| worker.counters.reads(source));
    assert_eq!(reads, [2, 0], "the peer did nothing wrong");
    assert!(!bed.sums_file(&tile(6)).exists(), "it was not copied");
}

#[tokio::test]
async fn an_assignment_without_meaning_is_refused() {
    let bed = Bed::new(some_tiles());
    let worker = bed.open(no_peers()).unwrap();
    let mut stranger = bed.assignment(1);
    stranger.worker = 2;
    let refused = worker.node.assign(stranger).await.unwrap_err().to_string();
    assert!(refused.ends_with("it is for worker 2 of a list of 2"), "{refused}");
    let mut other = bed.assignment(1);
    other.version = 99;
    let refused = worker.node.assign(other).await.unwrap_err().to_string();
    assert!(refused.contains("not 99: run the same release on all nodes"), "{refused}");
    let mut vast = bed.assignment(1);
    vast.files[0].bytes = u64::MAX;
    let refused = worker.node.assign(vast).await.unwrap_err().to_string();
    assert!(refused.ends_with("its files together have more than 2^64 bytes"), "{refused}");
    for path in ["../x/y", "/etc/passwd", ".armilla/worker.json", "a//b", "a/./b", "a/../b", ""] {
        let mut bad = bed.assignment(1);
        path.clone_into(&mut bad.files[0].path);
        let refused = worker.node.assign(bad).await.unwrap_err().to_string();
        assert!(refused.ends_with("is no location of a tile"), "{path}: {refused}");
    }
    assert!(worker.node.status().held.is_none());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_folder_of_a_former_release_is_taken_over() {
    let bed = Bed::new(some_tiles());
    for (path, bytes) in &bed.tiles {
        write(&bed.own_file(path), bytes);
    }
    // One that is cut, and a copy that the former release did not finish.
    write(&bed.own_file(&tile(2)), b"PAR1");
    let left = bed.own_file("s/t/dataset/Norder=2/Dir=0/Npix=8.parquet.partial");
    write(&left, b"PAR1");
    let worker = bed.whole(no_peers()).await;
    check_folder(&bed).await;
    assert!(!left.exists());
    assert_eq!(worker.counters.copies(Source::Origin), 1, "the others were here");
    for (path, bytes) in &bed.tiles {
        assert_eq!(&worker.read(path).await.unwrap(), bytes, "{path}");
    }
    let noted = bed.own.path().join(".armilla/worker.json");
    until("the takeover is noted", || {
        fs::read_to_string(&noted).unwrap().contains(r#""former":false"#)
    })
    .await;
    drop(worker);
    // From now on a tile without sums is one that lost them.
    fs::remove_file(bed.sums_file(&tile(3))).unwrap();
    let worker = bed.reopen(&no_peers()).await;
    until("all are here", || is_complete(&worker.node)).await;
    assert_eq!(worker.counters.copies(Source::Origin), 1);
}

#[tokio::test]
async fn a_folder_of_a_newer_release_or_of_another_process_is_refused() {
    let bed = Bed::new(some_tiles());
    let worker = bed.open(no_peers()).unwrap();
    let error = bed.open(no_peers()).err().unwrap().to_string();
    assert!(
        error.contains("is in use by another process: stop it, or give this worker"),
        "{error}"
    );
    drop(worker);
    drop(bed.reopen(&no_peers()).await);
    let file = bed.own.path().join(".armilla/worker.json");
    fs::write(&file, r#"{"version": 2, "compressed": true}"#).unwrap();
    let refused = || bed.open(no_peers()).err().unwrap().to_string();
    until("the folder is free", || !refused().contains("is in use")).await;
    let error = refused();
    let right =
        format!("{} has version 2, and this release knows versions up to 1", file.display());
    assert!(error.starts_with(&right), "{error}");
    fs::write(&file, "nonsense").unwrap();
    let error = refused();
    assert!(error.contains("worker.json is not as this program writes it"), "{error}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_kept_assignment_that_is_unreadable_does_not_keep_a_worker_from_starting() {
    let bed = Bed::new(some_tiles());
    drop(bed.whole(no_peers()).await);
    fs::write(bed.own.path().join(".armilla/assignment.json"), "{").unwrap();
    let worker = bed.reopen(&no_peers()).await;
    assert!(worker.node.status().held.is_none());
    worker.node.assign(bed.assignment(1)).await.unwrap();
    until("all are here", || is_complete(&worker.node)).await;
    assert_eq!(worker.counters.copies(Source::Origin), 0);
    assert_eq!(worker.node.status().release, env!("CARGO_PKG_VERSION"));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_origin_is_opened_where_its_tiles_are_named_without_reading_its_tables() {
    let Some(hats) = hats() else { return };
    // A folder of tables, one that is a table, and a collection.
    for origin in [hats.clone(), hats.join("opengc"), hats.join("small_sky_order1_collection")] {
        let location: Location = origin.to_str().unwrap().parse().unwrap();
        let snapshot = Snapshot::open(&location).await.unwrap();
        let store = catalog::tile_store(&location).await.unwrap();
        let table = &snapshot.tiled_tables()[0];
        let file = table.manifest().file(0);
        let found = store.head(&file.path).await.unwrap();
        assert_eq!(found.size, file.bytes, "{location}");
    }
}
