//! Where there is no place near, told by one bit: most places that are searched for have none.
//!
//! A bit is set for each small cell that has a place within the reach. They are so few that they
//! stay in the cache of a core, which the index itself does not.

use super::Places;
use super::grid::Grid;
use super::half_width_at;

/// A cell of hints is so much smaller than one of the index.
const CELLS: f64 = 4.0;

/// So many bits at most for each place.
const BITS: usize = 16;

/// The bits.
#[derive(Debug)]
pub(super) struct Hints {
    grid: Grid,
    bits: Vec<u64>,
    south: f64,
    north: f64,
}

impl Hints {
    /// The hints for searches within a reach; none where a place would be near to many cells.
    pub(super) fn new(
        places: &Places,
        (south, height): (f64, f64),
        index_cell: f64,
        reach_deg: f64,
    ) -> Option<Self> {
        let cell = (index_cell / CELLS).max(height / super::grid::ZONES_MAX);
        if 2.0 * reach_deg > cell {
            return None;
        }
        let grid = Grid::new((south, height), cell, BITS * places.rows.len().max(1024));
        let mut bits = vec![0_u64; grid.buckets().div_ceil(64)];
        for (lon, lat) in places.lon.iter().zip(&places.lat) {
            let width = half_width_at(lat.abs(), reach_deg);
            for zone in grid.zone(lat - reach_deg)..=grid.zone(lat + reach_deg) {
                super::windows(*lon, width, |west, east| {
                    grid.runs(zone, (west, east), |from, to| {
                        (from..to).for_each(|bucket| bits[bucket / 64] |= 1 << (bucket % 64));
                    });
                });
            }
        }
        let (south, north) = (south - reach_deg, south + height + reach_deg);
        Some(Self { grid, bits, south, north })
    }

    pub(super) fn bytes(&self) -> usize {
        8 * self.bits.capacity() + self.grid.bytes()
    }

    /// Whether a place may be near to another one.
    #[inline]
    pub(super) fn may(&self, lon: f64, lat: f64) -> bool {
        if lat < self.south || lat > self.north {
            return false;
        }
        let bucket = self.grid.bucket(lon, lat);
        self.bits[bucket / 64] >> (bucket % 64) & 1 != 0
    }
}
