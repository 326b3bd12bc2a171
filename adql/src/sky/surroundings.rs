//! What lies around a pixel: the places outside of it within an angle, for margins.
//!
//! The way from such a place to the pixel crosses a cell on the pixel's rim. So a place is taken
//! that is within the angle of the cone around a rim cell: no place within the angle is missed,
//! and none beyond it by more than two radii of a rim cell is taken.

use std::f64::consts::PI;
use std::ops::Range;

use super::angle::Angle;
use super::pixel::{Order, Pixel};
use super::position::Position;
use super::vector::{Vector, chord_squared};

/// The rim has at most 4 · 2^8 cells.
const RIM_ORDERS: u8 = 8;
/// Rim cells need not be smaller than this part of the angle.
const RIM_PART: f64 = 0.25;
/// By how much the angle is widened, in radians (2 mas): a spatial index computed by others may
/// be that of the next cell of order 29.
const SLACK: f64 = 1e-8;
/// Steps towards the nearest place of a side, each of which leaves two thirds of the way.
const SIDE_STEPS: usize = 60;

/// The places outside of a pixel that are within an angle of it, and few more.
#[derive(Debug, Clone)]
pub struct Surroundings {
    pixel: Pixel,
    angle: Angle,
    /// Order of the rim cells and of the smallest zones.
    order: Order,
    /// Centers of the cells along the inside of the sides.
    rim: Vec<Vector>,
    /// Where those cells are, counted along two sides of the pixel.
    places: Vec<(u64, u64)>,
    /// Angle and radius of the largest rim cell, together.
    reach: f64,
    /// Ascending and disjoint.
    zones: Vec<Zone>,
}

/// A run of the spatial index with the rim cells that its places may be near to; none where all
/// of its places are near.
#[derive(Debug, Clone)]
struct Zone {
    range: Range<u64>,
    near: Vec<u32>,
}

impl Surroundings {
    /// The surroundings of a pixel within an angle.
    pub fn new(pixel: Pixel, angle: Angle) -> Self {
        let mut order = pixel.order();
        let finest = order.get() + RIM_ORDERS;
        while order.largest_radius() > RIM_PART * angle.radians() && order.get() < finest {
            let Some(finer) = Order::new(order.get() + 1) else { break };
            order = finer;
        }
        let (cells, places): (Vec<Pixel>, Vec<(u64, u64)>) = rim(pixel, order).unzip();
        let rim: Vec<Vector> = cells.iter().map(|cell| cell.center_vector()).collect();
        let radii = cells.iter().zip(&rim).map(|(cell, center)| cell.radius(*center));
        let reach = radii.fold(0.0, f64::max) + angle.radians() + SLACK;
        let zones = Vec::new();
        let mut around = Self { pixel, angle, order, rim, places, reach, zones };
        let all: Vec<u32> = (0..).zip(&cells).map(|(at, _)| at).collect();
        for base in Pixel::base() {
            around.descend(base, &all);
        }
        around
    }

    /// The ranges of the spatial index that its places lie in, ascending, disjoint and apart.
    pub fn ranges(&self) -> Vec<Range<u64>> {
        let mut ranges: Vec<Range<u64>> = Vec::new();
        for zone in &self.zones {
            match ranges.last_mut() {
                Some(last) if last.end == zone.range.start => last.end = zone.range.end,
                _ => ranges.push(zone.range.clone()),
            }
        }
        ranges
    }

    fn zone(&self, spatial_index: u64) -> Option<&Zone> {
        let at = self.zones.partition_point(|zone| zone.range.end <= spatial_index);
        self.zones.get(at).filter(|zone| zone.range.contains(&spatial_index))
    }

    /// Whether a place of this spatial index is certainly within the angle of the pixel: a place of
    /// the pixel, or of its sides, was found that is so near.
    ///
    /// Unlike [`Surroundings::holds`] it may miss a place that is as far off as the angle, to
    /// rounding, and takes none that is farther.
    pub fn proves(&self, spatial_index: u64, position: &Position) -> bool {
        let Some(zone) = self.zone(spatial_index) else { return false };
        let near: Vec<usize> = if zone.near.is_empty() {
            (0..self.rim.len()).collect()
        } else {
            zone.near.iter().map(|at| usize::try_from(*at).unwrap_or(usize::MAX)).collect()
        };
        let place = position.vector();
        let distance = |at: &usize| chord_squared(self.rim[*at], place);
        let Some(nearest) = near.into_iter().min_by(|a, b| distance(a).total_cmp(&distance(b)))
        else {
            return false;
        };
        let limit = chord_squared_of(self.angle.radians() - SLACK);
        distance(&nearest) <= limit || self.nearest_on_sides(self.places[nearest], place) <= limit
    }

    /// The square of the chord to the nearest place found on the sides of the pixel, beside a cell
    /// of the rim.
    fn nearest_on_sides(&self, (x, y): (u64, u64), place: Vector) -> f64 {
        let side = 1_u64 << (self.order.get() - self.pixel.order().get());
        #[expect(clippy::cast_precision_loss, reason = "a rim has few cells")]
        let part = |at: u64| at as f64 / side as f64;
        // The nearest place may be beside the neighbour of the nearest cell.
        let around = |at: u64| (part(at.saturating_sub(1)), part((at + 2).min(side)));
        let mut best = f64::INFINITY;
        let mut look = |(mut low, mut high): (f64, f64), at: &dyn Fn(f64) -> (f64, f64)| {
            let distance = |t: f64| {
                let (dx, dy) = at(t);
                chord_squared(self.pixel.place_within(dx, dy), place)
            };
            for _ in 0..SIDE_STEPS {
                let third = (high - low) / 3.0;
                if distance(low + third) < distance(high - third) {
                    high -= third;
                } else {
                    low += third;
                }
            }
            best = best.min(distance(f64::midpoint(low, high)));
        };
        if y == 0 {
            look(around(x), &|t| (t, 0.0));
        }
        if y + 1 == side {
            look(around(x), &|t| (t, 1.0));
        }
        if x == 0 {
            look(around(y), &|t| (0.0, t));
        }
        if x + 1 == side {
            look(around(y), &|t| (1.0, t));
        }
        best
    }

    /// Whether it holds a place of this spatial index.
    pub fn holds(&self, spatial_index: u64, position: &Position) -> bool {
        let Some(zone) = self.zone(spatial_index) else { return false };
        let limit = chord_squared_of(self.reach);
        let near = |at: &u32| {
            chord_squared(self.rim[usize::try_from(*at).unwrap_or(usize::MAX)], position.vector())
                <= limit
        };
        zone.near.is_empty() || zone.near.iter().any(near)
    }

    /// Looks for zones in a cell, of whose parent these rim cells are near.
    fn descend(&mut self, cell: Pixel, candidates: &[u32]) {
        if self.pixel.contains(cell) {
            return;
        }
        let center = cell.center_vector();
        let radius = cell.radius(center);
        let touching = chord_squared_of(self.reach + radius);
        let holding = if self.reach > radius && !cell.contains(self.pixel) {
            chord_squared_of(self.reach - radius)
        } else {
            -1.0
        };
        let mut near = Vec::new();
        for at in candidates {
            let center_of_rim = self.rim[usize::try_from(*at).unwrap_or(usize::MAX)];
            let distance = chord_squared(center, center_of_rim);
            if distance <= holding {
                self.zones.push(Zone { range: cell.range(), near: Vec::new() });
                return;
            }
            if distance <= touching {
                near.push(*at);
            }
        }
        if near.is_empty() {
            return;
        }
        match cell.children().filter(|_| cell.order() < self.order) {
            Some(children) => children.into_iter().for_each(|child| self.descend(child, &near)),
            None => self.zones.push(Zone { range: cell.range(), near }),
        }
    }
}

/// The square of the chord of an angle; beyond that of any, where the angle is no less than π.
fn chord_squared_of(angle: f64) -> f64 {
    if angle >= PI {
        return f64::INFINITY;
    }
    let half = (0.5 * angle).sin();
    4.0 * half * half * (1.0 + 1e-12)
}

/// The cells of an order that lie in a pixel along its sides, with their places in it.
fn rim(pixel: Pixel, order: Order) -> impl Iterator<Item = (Pixel, (u64, u64))> {
    let depth = order.get() - pixel.order().get();
    let side = 1_u64 << depth;
    let last = side - 1;
    let first = pixel.index() << (2 * depth);
    let cells = (0..side).flat_map(move |x| {
        let whole = x == 0 || x == last;
        let step = if whole || last == 0 { 1 } else { last };
        (0..side).step_by(usize::try_from(step).unwrap_or(1)).map(move |y| (x, y))
    });
    cells.filter_map(move |(x, y)| {
        Some((Pixel::new(order, first + spread(x) + 2 * spread(y))?, (x, y)))
    })
}

/// The bits of a number of few bits, each followed by a zero.
fn spread(number: u64) -> u64 {
    (0..=RIM_ORDERS).map(|bit| (number >> bit & 1) << (2 * bit)).sum()
}
