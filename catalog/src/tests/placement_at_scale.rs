//! The placement of a million tiles on 450 workers, and of many skies on up to 40.

use adql::sky::{Order, Pixel, Position};

use super::placement_sums::{allowed, bytes_held, moved, run_count, share, workers};
use crate::Placement;
use crate::placement::placement_order;

/// The north pole of the Galaxy in ICRS degrees.
const POLE_DEG: [f64; 2] = [192.859_48, 27.128_25];

/// Numbers that differ by their arguments only.
fn noise(seed: u64, at: u64) -> u64 {
    let mut x = seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) ^ at.wrapping_add(0x632b_e5ab);
    for _ in 0..3 {
        x = (x ^ (x >> 31)).wrapping_mul(0xd6e8_feb8_6659_fd93);
    }
    x >> 32
}

/// How dense the sky is at the center of a pixel, in thousandths of the halo: as in the demo sky,
/// five times as dense in the plane of the Galaxy, and empty in the north.
#[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "at most 5000")]
fn density(pixel: Pixel) -> u64 {
    let center = pixel.center();
    let pole = Position::from_degrees(POLE_DEG[0], POLE_DEG[1]).unwrap();
    let latitude = 90.0 - center.distance(&pole).degrees();
    let disk = 4.0 * (-latitude.abs() / 12.0).exp();
    if center.lat_deg() < 5.0 { (1000.0 * (1.0 + disk)) as u64 } else { 0 }
}

/// The tiles of a survey: objects and sources in fine tiles, visits in less fine ones, and a
/// coarse table, with their bytes.
fn tiles(seed: u64) -> Vec<(Pixel, u64)> {
    let mut tiles = Vec::new();
    for cell in (0..placement_order().pixels()).map(|at| Pixel::new(placement_order(), at)) {
        let cell = cell.unwrap();
        let dense = density(cell);
        if dense == 0 {
            continue;
        }
        for (table, depth, bytes) in [(0, 2, 10_000), (1, 2, 100_000), (2, 1, 3_000)] {
            let order = Order::new(cell.order().get() + depth).unwrap();
            let children = 1_u64 << (2 * depth);
            for at in cell.index() * children..(cell.index() + 1) * children {
                let varied = 800 + noise(seed ^ table, at) % 400;
                tiles.push((Pixel::new(order, at).unwrap(), bytes * dense * varied / 1000));
            }
        }
        if cell.index() % 64 == 0 {
            let coarse = Pixel::new(Order::new(3).unwrap(), cell.index() / 64).unwrap();
            tiles.push((coarse, 1_000 * dense));
        }
    }
    tiles
}

fn by_cell(tiles: &[(Pixel, u64)]) -> Vec<u64> {
    let mut cells = vec![0; usize::try_from(placement_order().pixels()).unwrap()];
    for (pixel, bytes) in tiles {
        cells[usize::try_from(pixel.range().start >> 46).unwrap()] += bytes;
    }
    cells
}

#[expect(clippy::cast_precision_loss, reason = "bytes of a test")]
fn total(bytes: &[u64]) -> f64 {
    bytes.iter().sum::<u64>() as f64
}

fn check_balance(placement: &Placement, bytes: &[u64]) {
    let count = placement.workers().len();
    let mean = share(total(bytes), count);
    for (layer, held) in bytes_held(placement, bytes).into_iter().enumerate() {
        for held in held {
            let off = (held - mean).abs();
            assert!(off <= allowed(mean, bytes), "n = {count}, layer {layer}: {held}, not {mean}");
        }
    }
}

#[test]
fn a_million_tiles_on_450_workers_are_balanced_and_stay_together() {
    for seed in 0..3 {
        let tiles = tiles(seed);
        let bytes = by_cell(&tiles);
        let placement = Placement::first(&workers(450), 2, placement_order(), &bytes);
        check_balance(&placement, &bytes);
        let heaviest = bytes.iter().max().copied().unwrap_or(0);
        assert!(total(&[heaviest]) < 0.1 * share(total(&bytes), 450), "no cell is too heavy");
        let runs = [0, 1].map(|layer| share(run_count(&placement, layer) as f64, 450));
        println!("seed {seed}: {} tiles, runs of each worker by layer: {runs:?}", tiles.len());
        assert!(runs[0] <= 1.0 && runs[1] <= 32.0);
        if seed == 0 {
            assert!(tiles.len() > 900_000);
            check_tiles(&placement, &tiles);
        }
    }
}

/// What workers hold, tile by tile: a cell's tiles are together, and disks are alike.
fn check_tiles(placement: &Placement, tiles: &[(Pixel, u64)]) {
    let mut held = vec![0; 450];
    for (pixel, bytes) in tiles {
        let holders = placement.holders(*pixel);
        let cell = Pixel::new(placement.order(), placement.cell(*pixel)).unwrap();
        if pixel.order() >= placement.order() {
            assert_eq!(holders, placement.holders(cell));
        }
        for holder in holders {
            held[holder] += bytes;
        }
    }
    let mean = share(total(&held), 450);
    for held in held {
        assert!((total(&[held]) - mean).abs() < 0.1 * mean, "{held} bytes, not {mean}");
    }
}

/// Workers join one by one: from 1 to 60, and from 430 to 450.
#[test]
fn each_join_moves_little_and_each_leave_what_was_held() {
    let bytes = by_cell(&tiles(7));
    let all = workers(450);
    for (first, last) in [(1, 60), (430, 450)] {
        let start = Placement::first(&all[..first], 2, placement_order(), &bytes);
        let grown = grow(start, &all[..last], &bytes);
        let runs = [0, 1].map(|layer| share(run_count(&grown, layer) as f64, last));
        println!("{first} to {last}: runs of each worker by layer: {runs:?}");
        assert!(runs.iter().all(|runs| *runs <= 32.0), "{runs:?}");
        shrink(grown, all[..last].to_vec(), &bytes);
    }
}

/// The placement after all workers have joined, each of which moved little.
fn grow(mut placement: Placement, all: &[String], bytes: &[u64]) -> Placement {
    let mut most: f64 = 0.0;
    for count in placement.workers().len() + 1..=all.len() {
        let next = placement.next(&all[..count], 2, bytes);
        for moved in moved(&placement, &next, bytes) {
            let part = moved / share(total(bytes), count);
            assert!(part <= 1.2, "n = {count}: {part} of a worker's share moved");
            most = most.max(part);
        }
        assert_eq!(next.number(), placement.number() + 1);
        placement = next;
        check_balance(&placement, bytes);
    }
    println!("at most {most:.3} of a worker's share moved");
    placement
}

/// Some workers leave, one after the other.
fn shrink(mut placement: Placement, mut members: Vec<String>, bytes: &[u64]) {
    for step in 0..10 {
        let gone = members.remove(usize::try_from(noise(3, step)).unwrap() % members.len());
        let at = placement.workers().iter().position(|worker| *worker == gone).unwrap();
        let held: f64 = bytes_held(&placement, bytes).iter().map(|layer| layer[at]).sum();
        let next = placement.next(&members, 2, bytes);
        let moved: f64 = moved(&placement, &next, bytes).iter().sum();
        assert!(moved <= 1.2 * held, "{moved} moved for {held} of {gone}");
        placement = next;
        check_balance(&placement, bytes);
    }
}

#[test]
fn hundreds_of_skies_are_placed_evenly() {
    let order = Order::new(3).unwrap();
    for seed in 0..2000 {
        let count = usize::try_from(2 + noise(seed, 0) % 39).unwrap();
        let replicas = usize::try_from(1 + noise(seed, 1) % 3).unwrap();
        let bytes: Vec<u64> = (0..order.pixels())
            .map(|cell| if cell % 7 < seed % 4 { 0 } else { 500 + noise(seed, cell + 2) % 1000 })
            .collect();
        let all = workers(count);
        let before = Placement::first(&all[1..], replicas, order, &bytes);
        check_balance(&before, &bytes);
        let after = before.next(&all, replicas, &bytes);
        check_balance(&after, &bytes);
        for moved in moved(&before, &after, &bytes) {
            let part = (moved - 1500.0) / share(total(&bytes), count);
            assert!(part <= 1.2, "seed {seed}, n = {count}: {part} of a worker's share moved");
        }
    }
}
