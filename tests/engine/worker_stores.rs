//! What a query reads when a tile of its worker is damaged in every way: the right bytes from
//! elsewhere, or an error that says why; and the own folder again as soon as it is repaired.
//!
//! The oracle is the content that was written to the origin.

#![expect(clippy::unwrap_used, reason = "a test ends at the first step that fails")]

use std::fs;
use std::ops::Range;
use std::path::Path as FilePath;

use datafusion::object_store::ObjectStore as _;
use datafusion::object_store::ObjectStoreExt as _;
use datafusion::object_store::path::Path;
use worker::counters::Source;

use crate::worker_bed::{
    BLOCK, Bed, Mood, Peer, is_complete, no_peers, parquet, peer, some_tiles, tile, until, write,
};

/// Changes one byte of a file in place.
fn flip(file: &FilePath, at: usize) {
    let mut bytes = fs::read(file).unwrap();
    bytes[at] ^= 0x10;
    fs::write(file, bytes).unwrap();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn whole_tiles_are_read_from_the_own_folder_alone() {
    let bed = Bed::new(some_tiles());
    let worker = bed.whole(no_peers()).await;
    fs::remove_dir_all(bed.origin.path()).unwrap();
    for (path, bytes) in &bed.tiles {
        assert_eq!(&worker.read(path).await.unwrap(), bytes, "{path}");
    }
    let reads = [Source::Local, Source::Peer, Source::Origin].map(|s| worker.counters.reads(s));
    assert_eq!(reads, [bed.tiles.len() as u64, 0, 0]);
    assert_eq!(worker.counters.damaged_tiles(), 0);
    let held = worker.node.status().held.unwrap();
    assert_eq!((held.files, held.bytes), (held.files_total, held.bytes_total));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn ranges_are_cut_from_verified_blocks() {
    let size = 7 * BLOCK + 123;
    let bed = Bed::new(vec![(tile(3), parquet(9, size))]);
    let worker = bed.whole(no_peers()).await;
    let (location, right) = (Path::from(tile(3)), &bed.tiles[0].1);
    let mut state = 12_345_u64;
    let mut next = |below: usize| {
        state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963);
        usize::try_from(state >> 33).unwrap() % below
    };
    for _ in 0..400 {
        let ranges: Vec<Range<usize>> = (0..=next(6))
            .map(|_| {
                // Often at the edges of blocks.
                let near = |at: usize, by: usize| (at * BLOCK + by).saturating_sub(2).min(size);
                let start = if next(2) == 0 { near(next(8), next(5)) } else { next(size + 1) };
                let length = if next(2) == 0 { next(40) } else { next(size) };
                start..(start + length).min(size)
            })
            .collect();
        let asked: Vec<Range<u64>> =
            ranges.iter().map(|range| range.start as u64..range.end as u64).collect();
        let found = worker.store.get_ranges(&location, &asked).await.unwrap();
        for (range, found) in ranges.into_iter().zip(found) {
            assert_eq!(found, right[range.clone()], "{range:?}");
            if !range.is_empty() {
                let asked = range.start as u64..range.end as u64;
                assert_eq!(worker.store.get_range(&location, asked).await.unwrap(), found);
            }
        }
    }
    assert_eq!(worker.counters.reads(Source::Origin), 0);
    let beyond = [0..1, 0..size as u64 + 1];
    let beyond = worker.store.get_ranges(&location, &beyond).await.unwrap_err();
    assert!(beyond.to_string().contains("there are no bytes from 0 to"), "{beyond}");
    assert_eq!(worker.counters.damaged_tiles(), 0, "a wrong question is no damage");
}

/// Damages the tile at a location.
type Damage = fn(&Bed, &str);

/// Every kind of damage that a disk does to a tile.
fn damages() -> Vec<(&'static str, Damage)> {
    vec![
        ("first block", |bed, path| flip(&bed.own_file(path), 5)),
        ("middle block", |bed, path| flip(&bed.own_file(path), BLOCK + 7)),
        ("last block", |bed, path| flip(&bed.own_file(path), 199_000)),
        ("footer", |bed, path| flip(&bed.own_file(path), 199_997)),
        ("truncated", |bed, path| {
            let bytes = fs::read(bed.own_file(path)).unwrap();
            fs::write(bed.own_file(path), &bytes[..BLOCK]).unwrap();
        }),
        ("longer", |bed, path| {
            let mut bytes = fs::read(bed.own_file(path)).unwrap();
            bytes.push(0);
            fs::write(bed.own_file(path), bytes).unwrap();
        }),
        ("empty", |bed, path| fs::write(bed.own_file(path), b"").unwrap()),
        ("missing", |bed, path| fs::remove_file(bed.own_file(path)).unwrap()),
        ("a folder", |bed, path| {
            fs::remove_file(bed.own_file(path)).unwrap();
            fs::create_dir(bed.own_file(path)).unwrap();
        }),
    ]
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_damaged_tile_is_answered_from_elsewhere_and_repaired() {
    let path = tile(5);
    for (kind, damage) in damages() {
        let bed = Bed::new(some_tiles());
        let worker = bed.whole(no_peers()).await;
        let (counters, right) = (&worker.counters, &bed.tiles[5].1);
        damage(&bed, &path);
        assert_eq!(&worker.read(&path).await.unwrap(), right, "{kind}");
        assert_eq!(counters.reads(Source::Origin), 1, "{kind}");
        if kind == "a folder" {
            // Only a person can tell why; the origin goes on answering.
            continue;
        }
        until("the tile is repaired", || is_complete(&worker.node)).await;
        assert_eq!(&fs::read(bed.own_file(&path)).unwrap(), right, "{kind}");
        let local = counters.reads(Source::Local);
        assert_eq!(&worker.read(&path).await.unwrap(), right, "{kind}");
        assert_eq!(counters.reads(Source::Local), local + 1, "{kind}: local again");
        assert_eq!(counters.damaged_tiles(), 1, "{kind}: counted once");
        assert_eq!(counters.copies(Source::Origin), bed.tiles.len() as u64 + 1, "{kind}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn lost_or_changed_sums_are_damage_too() {
    for kind in ["missing", "changed", "empty"] {
        let bed = Bed::new(some_tiles());
        // A worker that has not read the sums yet.
        drop(bed.whole(no_peers()).await);
        let worker = bed.reopen(&no_peers()).await;
        until("the folder was looked through", || is_complete(&worker.node)).await;
        let sums = bed.sums_file(&tile(5));
        match kind {
            "missing" => fs::remove_file(&sums).unwrap(),
            "changed" => flip(&sums, 21),
            _ => fs::write(&sums, b"").unwrap(),
        }
        let right = &bed.tiles[5].1;
        assert_eq!(&worker.read(&tile(5)).await.unwrap(), right, "{kind}");
        assert_eq!(worker.counters.reads(Source::Local), 0, "{kind}: nothing unverified");
        until("the tile is repaired", || is_complete(&worker.node)).await;
        assert_eq!(&worker.read(&tile(5)).await.unwrap(), right, "{kind}");
        assert_eq!(worker.counters.reads(Source::Local), 1, "{kind}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_worker_that_lost_its_whole_folder_goes_on() {
    let bed = Bed::new(some_tiles());
    let worker = bed.whole(no_peers()).await;
    fs::remove_dir_all(bed.own.path().join("s")).unwrap();
    fs::remove_dir_all(bed.own.path().join(".armilla")).unwrap();
    for (path, bytes) in &bed.tiles {
        assert_eq!(&worker.read(path).await.unwrap(), bytes, "{path}");
    }
    assert_eq!(worker.counters.damaged_tiles(), bed.tiles.len() as u64);
    until("all is repaired", || is_complete(&worker.node)).await;
    let before = worker.counters.reads(Source::Local);
    for (path, bytes) in &bed.tiles {
        assert_eq!(&worker.read(path).await.unwrap(), bytes, "{path}");
    }
    assert_eq!(worker.counters.reads(Source::Local), before + bed.tiles.len() as u64);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn peers_answer_before_the_origin_and_those_that_failed_last() {
    let mut bed = Bed::new(some_tiles());
    bed.tiles.truncate(1);
    let other = Peer::new(&some_tiles(), Mood::Answers).await;
    let worker = bed.whole(peer(&other)).await;
    assert_eq!(worker.counters.copies(Source::Peer), 1, "the peer holds it");
    // Tiles that are not this worker's at all.
    let tiles = some_tiles();
    for (path, bytes) in &tiles[1..4] {
        assert_eq!(&worker.read(path).await.unwrap(), bytes);
    }
    assert_eq!(worker.counters.reads(Source::Peer), 3);
    *other.mood.lock().unwrap() = Mood::Fails;
    let asked = other.asked();
    for (path, bytes) in &tiles[1..] {
        assert_eq!(&worker.read(path).await.unwrap(), bytes);
    }
    assert_eq!(other.asked(), asked + 1, "once, and then the origin comes first");
    assert_eq!(worker.counters.reads(Source::Origin), 6);
    assert_eq!(worker.counters.damaged_tiles(), 0, "none of them is to be here");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn when_all_sources_fail_the_error_names_each() {
    let bed = Bed::new(some_tiles());
    let other = Peer::new(&[], Mood::Answers).await;
    let worker = bed.whole(peer(&other)).await;
    *other.mood.lock().unwrap() = Mood::Fails;
    fs::remove_dir_all(bed.origin.path().join("s")).unwrap();
    flip(&bed.own_file(&tile(5)), BLOCK + 1);
    let error = worker.read(&tile(5)).await.unwrap_err().to_string();
    for part in [
        "tile s/t/dataset/Norder=2/Dir=0/Npix=5.parquet cannot be read: ",
        "in the folder of worker http://127.0.0.1:1: it is damaged: its bytes 65536 to 131071 have",
        "; peer http://127.0.0.1:2: the peer is on fire",
        &format!("; origin {}: it is not there", bed.origin.path().display()),
    ] {
        assert!(error.contains(part), "{part:?} is not in {error:?}");
    }
    // What is undamaged in the same file is still answered.
    let first = worker.store.get_range(&Path::from(tile(5)), 0..100).await.unwrap();
    assert_eq!(first, bed.tiles[5].1[..100]);
    let held = worker.node.status().held.unwrap();
    assert_eq!(held.files + 1, held.files_total, "the status is honest");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn without_fallback_a_query_fails_and_the_tile_is_repaired_all_the_same() {
    let mut bed = Bed::new(some_tiles());
    bed.fallback = false;
    let worker = bed.whole(no_peers()).await;
    // As long as the origin lacks it, there is nothing to repair it with.
    let hidden = bed.origin.path().join("hidden");
    fs::rename(bed.origin.path().join(tile(6)), &hidden).unwrap();
    fs::remove_file(bed.own_file(&tile(6))).unwrap();
    let error = worker.read(&tile(6)).await.unwrap_err().to_string();
    assert!(error.contains("Npix=6.parquet cannot be read: in the folder of worker"), "{error}");
    assert!(error.contains("it is not there; it may not be read from elsewhere"), "{error}");
    fs::rename(&hidden, bed.origin.path().join(tile(6))).unwrap();
    until("the tile is repaired", || is_complete(&worker.node)).await;
    assert_eq!(worker.read(&tile(6)).await.unwrap(), bed.tiles[6].1);
    assert_eq!(worker.counters.reads(Source::Origin), 0);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn files_without_sums_and_locations_outside_are_nobodys_tiles() {
    let mut bed = Bed::new(some_tiles());
    bed.fallback = false;
    let worker = bed.whole(no_peers()).await;
    write(&bed.own_file("s/t/dataset/Norder=2/Dir=0/Npix=99.parquet"), &parquet(1, 100));
    let paths = [tile(99).as_str(), ".armilla/worker.json", "/etc/passwd", "s"].map(Path::from);
    for path in paths {
        assert!(worker.store.get(&path).await.is_err(), "{path}");
    }
}
