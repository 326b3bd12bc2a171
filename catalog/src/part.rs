//! A part of a table: the tiles whose pixels begin in some ranges of the spatial index.
//!
//! A tile has one beginning, so that of parts without a common range no two have a tile in common,
//! even where coarse and fine tiles of a table lie over the same sky, and no tile is torn.

use std::ops::Range;
use std::sync::Arc;

use crate::prune::partition_point;
use crate::tile::Manifest;

/// Ranges of the spatial index, ascending and apart. Its clones share them.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Part(Arc<[Range<u64>]>);

impl Part {
    /// The part of these ranges; none where they are not ascending and apart.
    pub fn new(ranges: Vec<Range<u64>>) -> Option<Self> {
        let apart = ranges.windows(2).all(|pair| pair[0].end <= pair[1].start);
        let ascending = ranges.iter().all(|range| range.start < range.end);
        (apart && ascending).then(|| Self(ranges.into()))
    }

    /// Its ranges.
    pub fn ranges(&self) -> &[Range<u64>] {
        &self.0
    }

    /// Of some runs of tiles of a table, given by their places, those that belong to the part.
    pub(crate) fn of_tiles(&self, manifest: &Manifest, runs: &[Range<usize>]) -> Vec<Range<usize>> {
        let mut own = Vec::new();
        for run in runs {
            for range in self.0.iter() {
                let begin_before = |index: u64| {
                    let before = |tile| manifest.pixel(tile).range().start < index;
                    run.start + partition_point(run.clone(), before)
                };
                let tiles = begin_before(range.start)..begin_before(range.end);
                if !tiles.is_empty() {
                    own.push(tiles);
                }
            }
        }
        own
    }
}

#[cfg(test)]
mod tests {
    use super::Part;
    use crate::hats::{Leaf, pixel, tile_name};
    use crate::tile::{Found, Manifest};

    fn part(ranges: &[(u64, u64)]) -> Option<Part> {
        Part::new(ranges.iter().map(|(start, end)| *start..*end).collect())
    }

    /// Tiles of unlike orders, one over another.
    fn manifest() -> Manifest {
        let leaf = Leaf::File(".parquet".to_owned());
        let tiles = [(0, 0), (1, 0), (1, 3), (0, 1), (2, 20), (1, 7), (0, 11)];
        let found = tiles.map(|(order, index)| {
            let pixel = pixel(order, index).unwrap();
            let name = tile_name(pixel, &leaf);
            Found { pixel, name, bytes: 1, modified_ns: 0, etag: None, rows: None }
        });
        Manifest::new("t".to_owned(), leaf, found.to_vec())
    }

    #[test]
    fn parts_without_a_common_range_have_each_tile_once() {
        let manifest = manifest();
        assert!(!manifest.is_disjoint());
        for cut in 0..manifest.len() {
            let index = manifest.pixel(cut).range().start;
            for cut in [index, index.saturating_sub(1), index + 1] {
                // Nothing lies before 0.
                let parts = [part(&[(0, cut)]), part(&[(cut, u64::MAX)])];
                let runs = [0..2, 3..manifest.len()];
                let mut tiles: Vec<usize> = parts
                    .iter()
                    .flatten()
                    .flat_map(|part| part.of_tiles(&manifest, &runs))
                    .flatten()
                    .collect();
                tiles.sort_unstable();
                assert_eq!(tiles, [0, 1, 3, 4, 5, 6], "{cut}");
            }
        }
    }

    #[test]
    fn a_part_has_ranges_that_are_ascending_and_apart() {
        assert!(part(&[(0, 3), (3, 5), (9, 10)]).is_some());
        for wrong in [&[(0, 3), (2, 5)][..], &[(4, 5), (0, 1)], &[(3, 3)], &[(4, 3)]] {
            assert_eq!(part(wrong), None);
        }
    }
}
