//! Which holder reads a tile, with workers lost, incomplete and busy; and the placement on disk.

#![expect(clippy::unwrap_used, reason = "a test ends at the first step that fails")]

use std::fs;

use adql::sky::{Order, Pixel};
use catalog::Placement;
use coordinator::cluster::placement_file;
use coordinator::plan::choice::{Candidate, Choice, State, Touched, Unavailable};
use datafusion::object_store::path::Path;

const GIB: u64 = 1 << 30;

fn pixel(order: u8, index: u64) -> Pixel {
    Pixel::new(Order::new(order).unwrap(), index).unwrap()
}

fn placement(workers: usize, replicas: usize) -> Placement {
    let urls: Vec<String> = (0..workers).map(|i| format!("https://worker{i}:9001/")).collect();
    Placement::first(&urls, replicas, Order::new(2).unwrap(), &[1000; 192])
}

fn candidates(placement: &Placement) -> Vec<Candidate> {
    let usable = |url: &String| Candidate {
        url: url.parse().unwrap(),
        state: State::Usable,
        load: 0,
        falls_back: false,
    };
    placement.workers().iter().map(usable).collect()
}

/// The readers of tiles, of which each is given with whether it is everywhere.
fn choose(
    placement: &Placement,
    workers: &[Candidate],
    tiles: &[(Pixel, bool)],
) -> Result<Choice, Unavailable> {
    let path = |pixel: &Pixel| Path::from(format!("t/dataset/{pixel}.parquet"));
    let paths: Vec<Path> = tiles.iter().map(|(pixel, _)| path(pixel)).collect();
    let touched = tiles.iter().zip(&paths);
    let touched = touched.map(|((pixel, everywhere), path)| Touched {
        pixel: *pixel,
        path,
        everywhere: *everywhere,
    });
    Choice::of(placement, workers, &touched.collect::<Vec<_>>())
}

#[test]
fn the_primary_reads_unless_it_cannot_or_is_clearly_busier() {
    let placement = placement(5, 3);
    for cell in 0..192 {
        let (tile, finer) = (pixel(2, cell), pixel(4, cell * 16 + 3));
        let holders = placement.holders(tile);
        let reader = |workers: &[Candidate]| {
            let choice = choose(&placement, workers, &[(tile, false), (finer, false)]).unwrap();
            let reader = choice.reader(&placement, tile).unwrap();
            assert_eq!(choice.reader(&placement, finer), Some(reader), "the tables stay together");
            reader
        };
        let mut workers = candidates(&placement);
        assert_eq!(reader(&workers), holders[0]);
        workers[holders[0]].load = GIB - 1;
        assert_eq!(reader(&workers), holders[0], "a little more to do");
        workers[holders[0]].load = GIB;
        assert_eq!(reader(&workers), holders[1], "clearly more to do");
        workers[holders[1]].load = GIB / 4;
        workers[holders[0]].load = 2 * GIB;
        assert_eq!(reader(&workers), holders[2], "the least busy");
        workers[holders[1]].load = 10 * GIB;
        workers[holders[2]].load = 10 * GIB;
        workers[holders[0]].load = 15 * GIB;
        assert_eq!(reader(&workers), holders[0], "not twice as much");
        workers[holders[0]].state = State::Incomplete;
        assert_eq!(reader(&workers), holders[1]);
        workers[holders[1]].state = State::Incomplete;
        workers[holders[2]].state = State::Lost;
        assert_eq!(reader(&workers), holders[0], "an incomplete one rather than a lost one");
    }
}

#[test]
fn a_tile_without_a_live_holder_is_named_with_who_is_lost() {
    let placement = placement(5, 2);
    let mut workers = candidates(&placement);
    let tile = pixel(3, 77);
    let holders = placement.holders(tile);
    for holder in &holders {
        workers[*holder].state = State::Lost;
    }
    let lost = [(pixel(3, 76), true), (tile, false)];
    let error = choose(&placement, &workers, &lost).unwrap_err();
    let text = error.to_string();
    assert!(text.contains("t/dataset/3/77.parquet"), "{text}");
    for holder in &holders {
        assert!(text.contains(workers[*holder].url.as_str()), "{text}");
    }
    // Of a small table everybody has the tile.
    let choice = choose(&placement, &workers, &[(tile, true)]).unwrap();
    let reader = choice.reader(&placement, tile).unwrap();
    assert!(!holders.contains(&reader), "{reader} of {holders:?}");
}

/// What nobody holds any more is read from the origin by those who may, each cell by one of them for
/// all tables, and no worker has it all.
#[test]
fn what_lost_holders_held_is_shared_out_to_those_who_fall_back() {
    let placement = placement(6, 2);
    let mut workers = candidates(&placement);
    for lost in &mut workers[..3] {
        lost.state = State::Lost;
    }
    for able in &mut workers[..5] {
        able.falls_back = true;
    }
    let tiles: Vec<(Pixel, bool)> = (0..192)
        .flat_map(|cell| [(pixel(2, cell), false), (pixel(4, cell * 16 + 5), false)])
        .collect();
    let choice = choose(&placement, &workers, &tiles).unwrap();
    let mut stand_ins = [0; 6];
    for cell in 0..192 {
        let tile = pixel(2, cell);
        let holders = placement.holders(tile);
        let reader = choice.reader(&placement, tile).unwrap();
        assert_eq!(choice.reader(&placement, pixel(4, cell * 16 + 5)), Some(reader), "together");
        assert!(reader > 2, "it lives");
        if holders.iter().all(|holder| *holder < 3) {
            assert!(workers[reader].falls_back);
            stand_ins[reader] += 1;
        } else {
            assert!(holders.contains(&reader), "a live holder comes first");
        }
    }
    let [.., third, fourth, last] = stand_ins;
    assert!(third > 0 && fourth > 0 && last == 0, "{stand_ins:?}");
    assert_eq!(choice.from_elsewhere(), 2 * (third + fourth));
    assert_eq!(choice.workers(&workers, 2).unwrap(), [3, 4, 5]);
}

#[test]
fn a_coarse_tile_is_read_where_another_of_its_cells_is() {
    let placement = placement(5, 2);
    let mut workers = candidates(&placement);
    let (coarse, first) = (pixel(0, 4), pixel(2, 64));
    for holder in placement.holders(first) {
        workers[holder].state = State::Lost;
    }
    let choice = choose(&placement, &workers, &[(coarse, false)]).unwrap();
    let reader = choice.reader(&placement, coarse).unwrap();
    assert!(placement.holders(coarse).contains(&reader));
    assert_eq!(workers[reader].state, State::Usable);
    assert!(choose(&placement, &workers, &[(first, false)]).is_err());
}

#[test]
fn slots_are_padded_with_workers_that_can_be_used() {
    let placement = placement(5, 2);
    let mut workers = candidates(&placement);
    let reader = placement.holders(pixel(2, 0))[0];
    for worker in (0..5).filter(|worker| *worker != reader) {
        workers[worker].state = State::Incomplete;
    }
    let spare = (reader + 2) % 5;
    workers[spare].state = State::Usable;
    let choice = choose(&placement, &workers, &[(pixel(2, 0), false)]).unwrap();
    let mut expected = vec![reader, spare];
    expected.sort_unstable();
    assert_eq!(choice.workers(&workers, 2).unwrap(), expected);
    for worker in &mut workers {
        worker.state = State::Lost;
    }
    let nothing = choose(&placement, &workers, &[]).unwrap();
    let error = nothing.workers(&workers, 2).unwrap_err();
    assert!(matches!(error, Unavailable::Workers { lost } if lost.len() == 5));
}

#[test]
fn a_stored_placement_is_read_again_and_nothing_else_is() {
    let state = tempfile::tempdir().unwrap();
    let file = state.path().join("placement.json");
    assert!(placement_file::read(state.path()).unwrap().is_none());
    let placement = placement(7, 2);
    placement_file::write(state.path(), &self::placement(3, 1)).unwrap();
    placement_file::write(state.path(), &placement).unwrap();
    assert_eq!(placement_file::read(state.path()).unwrap(), Some(placement));
    assert_eq!(fs::read_dir(state.path()).unwrap().count(), 1, "nothing unfinished is left");
    let good = fs::read_to_string(&file).unwrap();
    let refuse = |text: &str, reason: &str| {
        fs::write(&file, text).unwrap();
        let error = placement_file::read(state.path()).unwrap_err().to_string();
        assert!(error.contains(file.to_str().unwrap()), "{error}");
        assert!(error.contains(reason), "{error}, not {reason}");
    };
    refuse(&good[..good.len() / 2], "EOF");
    refuse("", "EOF");
    refuse(&good.replacen("\"version\":1", "\"version\":2,\"rack\":7", 1), "its version is 2");
    refuse(&good.replacen("\"version\":1", "\"version\":1,\"rack\":7", 1), "unknown field `rack`");
    refuse(&good.replacen("\"replicas\":2", "\"replicas\":3", 1), "not 3 different ones");
}
