//! The test of rows against a region: by the spatial index where that decides, exactly elsewhere.

use std::ops::Range;

use super::angle::Angle;
use super::cover::{Cover, Run, Side};
use super::pixel::Order;
use super::position::Position;
use super::region::Region;

/// Halving the rows in edge pixels takes twice as many of them, and rows grow with the area: so
/// the number that pays grows with its root.
const EDGE_CELLS_PER_DEGREE: f64 = 512.0;

const LEAST_EDGE_CELLS: f64 = 32.0;

/// Where the literal of a plan has 10 kB.
const MOST_EDGE_CELLS: f64 = 512.0;

/// A region with its cover.
#[derive(Debug, Clone, PartialEq)]
pub struct RegionTest {
    region: Region,
    cover: Cover,
}

impl RegionTest {
    /// Covers a region for rows that are at most `slack` from the position of their index.
    ///
    /// By as many edge pixels as pay: of a region of one square degree or more on a uniform sky,
    /// 2 to 4 % of the rows are in them; of smaller ones more, as their rows are few.
    pub fn new(region: Region, slack: Angle) -> Self {
        let cells = EDGE_CELLS_PER_DEGREE * region.area_sq_deg().sqrt();
        #[expect(clippy::cast_possible_truncation, reason = "bounded on both sides")]
        #[expect(clippy::cast_sign_loss, reason = "bounded on both sides")]
        let cells = cells.clamp(LEAST_EDGE_CELLS, MOST_EDGE_CELLS) as usize;
        let cover = Cover::of(&region, slack, cells);
        Self { region, cover }
    }

    pub(super) fn from_parts(region: Region, cover: Cover) -> Self {
        Self { region, cover }
    }

    /// The region.
    pub fn region(&self) -> &Region {
        &self.region
    }

    /// Its cover.
    pub fn cover(&self) -> &Cover {
        &self.cover
    }

    /// Whether the region holds the row of this spatial index and position. A row without a place
    /// (NaN, a latitude beyond a pole) is not contained, whatever its index.
    pub fn contains(&self, index: i64, lon_deg: f64, lat_deg: f64) -> bool {
        match self.side(index) {
            Side::Inner => lon_deg.is_finite() && (-90.0..=90.0).contains(&lat_deg),
            Side::Edge => self.refine(lon_deg, lat_deg),
            Side::Outside => false,
        }
    }

    /// Where the cover puts a spatial index; an index of no pixel needs the exact test.
    pub fn side(&self, index: i64) -> Side {
        match u64::try_from(index) {
            Ok(index) if index < Order::MAX.pixels() => self.cover.side(index),
            Ok(_) | Err(_) => Side::Edge,
        }
    }

    /// As [`Self::side`], with the indices around for which it is the same, so that a kernel
    /// searches once for each run of sorted rows.
    pub fn run(&self, index: i64) -> (Side, Range<i64>) {
        const END: i64 = 12 << 58;
        let Some(valid) = u64::try_from(index).ok().filter(|_| index < END) else {
            return (Side::Edge, if index < 0 { i64::MIN..0 } else { END..i64::MAX });
        };
        let Run { side, range } = self.cover.run(valid);
        let bound = |index: u64| i64::try_from(index).map_or(END, |index| index.min(END));
        (side, bound(range.start)..bound(range.end))
    }

    /// The exact test, without the index.
    pub fn refine(&self, lon_deg: f64, lat_deg: f64) -> bool {
        Position::from_degrees(lon_deg, lat_deg).is_some_and(|p| self.region.contains(&p))
    }
}
