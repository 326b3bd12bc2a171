//! Pieces of the sky over which tables are joined: what hangs together stays together.

#![expect(clippy::unwrap_used, reason = "a test ends at the first step that fails")]

use adql::sky::{Order, Pixel};
use coordinator::plan::units::{Cut, Part, Unit, cut};

fn pixel(order: u8, index: u64) -> Pixel {
    Pixel::new(Order::new(order).unwrap(), index).unwrap()
}

/// Parts of (scan, order, index, slot), 10 bytes each, numbered within their scan.
fn parts(of: &[(usize, u8, u64, usize)]) -> Vec<Part> {
    let number = |at: usize| of[..at].iter().filter(|part| part.0 == of[at].0).count();
    let part = |(at, &(scan, order, index, slot)): (usize, &(usize, u8, u64, usize))| Part {
        scan,
        file: number(at),
        pixel: pixel(order, index),
        bytes: 10,
        slot,
    };
    of.iter().enumerate().map(part).collect()
}

/// The slot of a piece, and the files that it has of both scans.
type Files = (usize, [Vec<usize>; 2]);

fn cut_of(of: &[(usize, u8, u64, usize)], all_meet: bool, bytes: u64) -> Option<Vec<Files>> {
    let units = cut(parts(of), Cut { scans: 2, all_meet, bytes })?;
    let files = |parts: &Vec<Part>| parts.iter().map(|part| part.file).collect();
    let of_unit = |unit: &Unit| (unit.slot, [files(&unit.parts[0]), files(&unit.parts[1])]);
    Some(units.iter().map(of_unit).collect())
}

fn unit(slot: usize, left: &[usize], right: &[usize]) -> Files {
    (slot, [left.to_vec(), right.to_vec()])
}

#[test]
fn a_coarse_tile_holds_fine_ones_together() {
    // Base pixel 0 of the one is four tiles of the other; base pixel 1 is there once only.
    let tiles =
        [(0, 0, 0, 0), (1, 1, 0, 0), (1, 1, 3, 0), (0, 1, 4, 0), (0, 0, 2, 0), (1, 0, 2, 0)];
    let all = [unit(0, &[0], &[0, 1]), unit(0, &[1], &[]), unit(0, &[2], &[2])];
    assert_eq!(cut_of(&tiles, false, 0).unwrap(), all);
    let [first, _, last] = all;
    assert_eq!(cut_of(&tiles, true, 0).unwrap(), [first, last]);
    // Larger pieces are runs of such groups.
    assert_eq!(cut_of(&tiles, true, 1000).unwrap(), [unit(0, &[0, 2], &[0, 1, 2])]);
}

#[test]
fn a_piece_is_on_one_slot() {
    let apart = [(0, 0, 0, 0), (1, 0, 0, 0), (0, 0, 1, 1), (1, 0, 1, 1)];
    let units = [unit(0, &[0], &[0]), unit(1, &[1], &[1])];
    assert_eq!(cut_of(&apart, false, 1000).unwrap(), units);
    // A coarse tile on the border is read by both, but not where rows without a partner count.
    let border = [(0, 0, 0, 0), (1, 1, 0, 0), (1, 1, 1, 0), (1, 1, 2, 1)];
    let units = [unit(0, &[0], &[0, 1]), unit(1, &[0], &[2])];
    assert_eq!(cut_of(&border, true, 1000).unwrap(), units);
    assert_eq!(cut_of(&border, false, 1000), None);
    // The fine tiles of one scan in those of the other, and the other way round: of two slots.
    let crossed = [
        (0, 1, 0, 0),
        (1, 2, 0, 0),
        (1, 2, 3, 1),
        (1, 2, 2, 1),
        (1, 1, 1, 0),
        (0, 2, 4, 0),
        (0, 2, 5, 1),
        (1, 0, 0, 0),
    ];
    assert_eq!(cut_of(&crossed, true, 0), None);
}
