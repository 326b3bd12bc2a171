//! What tests of placement compute of one, from its stored form alone.

use crate::Placement;
use crate::placement::StoredPlacement;

pub(super) fn workers(count: usize) -> Vec<String> {
    (0..count).map(|i| format!("https://worker{i}:9001")).collect()
}

#[expect(clippy::cast_precision_loss, reason = "bytes of a test")]
fn of(bytes: u64) -> f64 {
    bytes as f64
}

#[expect(clippy::cast_precision_loss, reason = "workers are few")]
pub(super) fn share(total: f64, workers: usize) -> f64 {
    total / workers as f64
}

/// How far from the mean a worker's bytes in a layer may be: a tenth, or one cell (and the
/// hundredth that all empty cells weigh together).
pub(super) fn allowed(mean: f64, bytes: &[u64]) -> f64 {
    let heaviest = of(bytes.iter().max().copied().unwrap_or(0));
    (0.1 * mean).max(heaviest + 0.015 * mean) * 1.000_001
}

/// Bytes before each cell, and of all.
fn sums(bytes: &[u64], cells: usize) -> Vec<f64> {
    let mut sums = vec![0.0];
    for cell in 0..cells {
        sums.push(sums[cell] + of(bytes.get(cell).copied().unwrap_or(0)));
    }
    sums
}

fn cell(cell: u64) -> usize {
    usize::try_from(cell).unwrap()
}

/// The runs of a placement: the cells of each and its holders.
fn runs(placement: &Placement) -> Vec<(std::ops::Range<usize>, Vec<u32>)> {
    let runs = StoredPlacement::from(placement).runs;
    let ends: Vec<u64> =
        runs.iter().skip(1).map(|run| run.0).chain([placement.order().pixels()]).collect();
    runs.into_iter().zip(ends).map(|((s, held), end)| (cell(s)..cell(end), held)).collect()
}

/// The bytes of each worker, by layer.
pub(super) fn bytes_held(placement: &Placement, bytes: &[u64]) -> Vec<Vec<f64>> {
    let runs = runs(placement);
    let sums = sums(bytes, cell(placement.order().pixels()));
    let mut held = vec![vec![0.0; placement.workers().len()]; runs[0].1.len()];
    for (cells, holders) in runs {
        for (layer, holder) in holders.into_iter().enumerate() {
            held[layer][holder as usize] += sums[cells.end] - sums[cells.start];
        }
    }
    held
}

/// How many runs a layer has.
pub(super) fn run_count(placement: &Placement, layer: usize) -> usize {
    let mut holders: Vec<u32> = runs(placement).into_iter().map(|(_, held)| held[layer]).collect();
    holders.dedup();
    holders.len()
}

/// The bytes that workers must newly hold, by layer: what none of its layers gave them before.
pub(super) fn moved(before: &Placement, after: &Placement, bytes: &[u64]) -> Vec<f64> {
    let sums = sums(bytes, cell(after.order().pixels()));
    let renamed: Vec<Option<usize>> = before
        .workers()
        .iter()
        .map(|worker| after.workers().iter().position(|other| other == worker))
        .collect();
    let (old, new) = (runs(before), runs(after));
    let mut moved = vec![0.0; new[0].1.len()];
    let (mut i, mut j) = (0, 0);
    while i < old.len() && j < new.len() {
        let (start, end) = (old[i].0.start.max(new[j].0.start), old[i].0.end.min(new[j].0.end));
        let had: Vec<Option<usize>> = old[i].1.iter().map(|w| renamed[*w as usize]).collect();
        for (layer, holder) in new[j].1.iter().enumerate() {
            if !had.contains(&Some(*holder as usize)) {
                moved[layer] += sums[end] - sums[start];
            }
        }
        (i, j) = (i + usize::from(old[i].0.end == end), j + usize::from(new[j].0.end == end));
    }
    moved
}
