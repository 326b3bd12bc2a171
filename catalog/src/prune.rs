//! Coverage to tiles: which tiles can hold a row whose spatial index lies in the coverage.
//!
//! Conservative: a tile is left out only if its pixel and the coverage have no cell in common.
//! Where tiles are disjoint, both are sorted along the spatial index, and each range of the
//! coverage is a binary search; a cone over 200,000 tiles looks at a handful.

use std::ops::Range;

use adql::sky::Coverage;

use crate::tile::Manifest;

/// The places in the manifest of the tiles to read, ascending and merged.
pub fn touched_tiles(manifest: &Manifest, coverage: &Coverage) -> Vec<Range<usize>> {
    if manifest.is_disjoint() { search(manifest, coverage) } else { compare(manifest, coverage) }
}

fn search(manifest: &Manifest, coverage: &Coverage) -> Vec<Range<usize>> {
    let mut touched = Vec::new();
    let mut from = 0;
    for range in coverage.ranges() {
        let first = from
            + partition_point(from..manifest.len(), |tile| {
                manifest.pixel(tile).range().end <= range.start
            });
        let end = first
            + partition_point(first..manifest.len(), |tile| {
                manifest.pixel(tile).range().start < range.end
            });
        push(&mut touched, first..end);
        // The last tile may reach into the next range.
        from = end.saturating_sub(1).max(from);
    }
    touched
}

fn compare(manifest: &Manifest, coverage: &Coverage) -> Vec<Range<usize>> {
    let mut touched = Vec::new();
    for tile in 0..manifest.len() {
        if coverage.overlaps(&manifest.pixel(tile).range()) {
            push(&mut touched, tile..tile + 1);
        }
    }
    touched
}

/// How many of the first elements of a range satisfy a condition that only they satisfy.
pub(crate) fn partition_point(range: Range<usize>, holds: impl Fn(usize) -> bool) -> usize {
    let (mut low, mut high) = (range.start, range.end);
    while low < high {
        let middle = low + (high - low) / 2;
        if holds(middle) {
            low = middle + 1;
        } else {
            high = middle;
        }
    }
    low - range.start
}

/// Appends a range that starts no earlier than the last one, joined with it where they meet.
fn push(ranges: &mut Vec<Range<usize>>, range: Range<usize>) {
    if range.is_empty() {
        return;
    }
    match ranges.last_mut() {
        Some(last) if range.start <= last.end => last.end = last.end.max(range.end),
        _ => ranges.push(range),
    }
}
