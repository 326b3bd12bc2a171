//! The cover of a region: pixels wholly inside, and pixels that the boundary may pass.
//!
//! A descent of the quad-tree, coarse pixels first: a pixel whose bounding cone is farther from
//! the boundary than its radius is inside or outside as its center is; any other is split, until
//! there are as many edge pixels as allowed. This needs no more of a region than `contains` and
//! the distance to its boundary, so it holds for any radius, at poles and across longitude 0.
//! (The covers of `cdshealpix` lose rows from r = 135° and at poles.)

use std::collections::VecDeque;
use std::ops::Range;

use super::angle::Angle;
use super::coverage::{Coverage, find, merge};
use super::pixel::{Order, Pixel};
use super::region::Region;

/// Pixels finer than 3 mas are not worth their number.
const FINEST: u8 = 26;

/// By how many radians a pixel is widened: rounding of places (1e-15), the tolerance of polygon
/// edges (1e-12), and the spatial index as other libraries compute it.
const WIDENING: f64 = 1e-11;

/// Pixels whose radius is less than this part of the slack are not split: the slack alone keeps
/// them on the edge.
const FINER_THAN_SLACK: f64 = 0.125;

/// Bounding cones of one order differ by no more than this factor, nearly: of any that seems
/// smaller it is not asked how small.
const SMALLEST_TO_LARGEST: f64 = 0.67;

/// The cover of a MOC of more ranges than this is coarser than the MOC: the literal of a plan has
/// 16 B for each.
const PIXEL_RANGES_MAX: usize = 4096;

/// The border of a MOC is found to pixels of so many orders finer than its finest: 1/16 of the area
/// of a pixel.
const FINER_THAN_PIXELS: u8 = 2;

/// About as many pixels along the border of a MOC are looked at. Few ranges may have a long one:
/// `29/0-1000000000000000000` has some 10^9 pixels of its order along its border.
const BORDER_PIXELS_MAX: u64 = 1 << 18;

/// Where a spatial index lies in a cover.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Side {
    /// Every row there is contained.
    Inner,
    /// Rows there need the exact test.
    Edge,
    /// No row there is contained.
    Outside,
}

/// A run of spatial indices on one side.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Run {
    /// The side.
    pub side: Side,
    /// The indices, as many as are on this side without a break.
    pub range: Range<u64>,
}

/// Pixels that hold all of a region, in ranges of the spatial index: sorted, disjoint, merged.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Cover {
    inner: Vec<Range<u64>>,
    edge: Vec<Range<u64>>,
}

impl Cover {
    /// Covers a region by at most `max_edge_cells` edge pixels (never fewer than the twelve of
    /// order 0 if the boundary passes them all).
    ///
    /// A row whose own position is at most `slack` from the position that its index was computed
    /// from is never lost, and an inner pixel holds no row that is outside.
    pub fn of(region: &Region, slack: Angle, max_edge_cells: usize) -> Self {
        match region {
            Region::Moc(moc) => return Self::of_pixels(moc, slack),
            Region::Union(parts) => {
                let each = max_edge_cells / parts.len().max(1);
                return Self::united(parts.iter().map(|part| Self::of(part, slack, each)));
            }
            _ => {}
        }
        let mut descent = Descent::new(region, slack.radians().max(0.0));
        for pixel in Pixel::base() {
            descent.classify(pixel);
        }
        // A queue: all pixels of an order are split before any of the next.
        while descent.open.len() + descent.edge.len() + 3 <= max_edge_cells {
            let Some(pixel) = descent.open.pop_front() else { break };
            descent.split(pixel);
        }
        let open = descent.open.into_iter().map(Pixel::range);
        let edge = descent.edge.into_iter().chain(open).collect();
        Self { inner: merge(descent.inner), edge: merge(edge) }
    }

    /// The cover of pixels: those along their border are on the edge, for the index of a row may be
    /// that of another place, and computed by others.
    fn of_pixels(pixels: &Coverage, slack: Angle) -> Self {
        let few = pixels.coarsen(PIXEL_RANGES_MAX);
        let mut finest = border_order(&few);
        loop {
            let outer = few.widened(slack, finest);
            // What is coarse has more than the pixels.
            let outside = if few == *pixels {
                few.complement().widened(slack, finest)
            } else {
                Coverage::all()
            };
            let edge = outer.intersection(&outside);
            let inner = outside.complement();
            if inner.ranges().len() + edge.ranges().len() <= 2 * PIXEL_RANGES_MAX {
                return Self { inner: inner.ranges().to_vec(), edge: edge.ranges().to_vec() };
            }
            // A wider edge of fewer ranges, as long as there is something inside.
            match finest.get().checked_sub(2).and_then(Order::new) {
                Some(coarser) if !inner.is_empty() => finest = coarser,
                _ => {
                    let edge = outer.coarsen(PIXEL_RANGES_MAX).ranges().to_vec();
                    return Self { inner: Vec::new(), edge };
                }
            }
        }
    }

    /// The cover of what any of some regions holds.
    fn united(covers: impl Iterator<Item = Self>) -> Self {
        let (mut inner, mut edge) = (Vec::new(), Vec::new());
        for cover in covers {
            inner.extend(cover.inner);
            edge.extend(cover.edge);
        }
        let inner = Coverage::from_ranges(inner);
        let edge = Coverage::from_ranges(edge).intersection(&inner.complement());
        Self { inner: inner.ranges().to_vec(), edge: edge.ranges().to_vec() }
    }

    /// Ranges of which every row is contained.
    pub fn inner(&self) -> &[Range<u64>] {
        &self.inner
    }

    /// Ranges of which rows need the exact test.
    pub fn edge(&self) -> &[Range<u64>] {
        &self.edge
    }

    pub(super) fn from_parts(inner: Vec<Range<u64>>, edge: Vec<Range<u64>>) -> Self {
        Self { inner, edge }
    }

    /// Where a spatial index lies.
    pub fn side(&self, index: u64) -> Side {
        if find(&self.edge, index).is_some() {
            Side::Edge
        } else if find(&self.inner, index).is_some() {
            Side::Inner
        } else {
            Side::Outside
        }
    }

    /// Where a spatial index lies, and how far that holds to both sides of it: one search serves
    /// all rows of a run where rows are sorted.
    pub fn run(&self, index: u64) -> Run {
        if let Some(range) = find(&self.edge, index) {
            return Run { side: Side::Edge, range: range.clone() };
        }
        if let Some(range) = find(&self.inner, index) {
            return Run { side: Side::Inner, range: range.clone() };
        }
        let (mut start, mut end) = (0, u64::MAX);
        for ranges in [&self.inner, &self.edge] {
            let after = ranges.partition_point(|range| range.start <= index);
            start = ranges[..after].last().map_or(start, |range| start.max(range.end));
            end = ranges.get(after).map_or(end, |range| end.min(range.start));
        }
        Run { side: Side::Outside, range: start..end }
    }

    /// Its pixels, inner and edge.
    pub fn coverage(&self) -> Coverage {
        Coverage::from_ranges(self.inner.iter().chain(&self.edge).cloned())
    }

    /// Its inner pixels: rows elsewhere may fail the exact test.
    pub fn inner_coverage(&self) -> Coverage {
        Coverage::from_ranges(self.inner.iter().cloned())
    }
}

impl Coverage {
    /// The pixels of an order, or coarser ones, that hold all of a region, and few along its border
    /// that only come near to it; none where they are more than `most`.
    pub fn of_region(region: &Region, order: Order, most: usize) -> Option<Self> {
        match region {
            Region::Moc(moc) => return Some(moc.at_order(order)),
            Region::Point(place) => {
                return Some(Self::from_ranges([Pixel::of(order, place).range()]));
            }
            Region::Union(parts) => {
                let mut all = Self::empty();
                for part in parts {
                    all = all.union(&Self::of_region(part, order, most)?);
                }
                return Some(all);
            }
            Region::Circle(_) | Region::Polygon(_) | Region::Range(_) => {}
        }
        let mut descent = Descent::new(region, 0.0);
        Pixel::base().for_each(|pixel| descent.classify(pixel));
        while let Some(pixel) = descent.open.pop_front() {
            if descent.open.len() + descent.edge.len() > most {
                return None;
            }
            match pixel.children().filter(|_| pixel.order() < order) {
                Some(children) => children.into_iter().for_each(|child| descent.classify(child)),
                None => descent.edge.push(pixel.range()),
            }
        }
        Some(Self::from_ranges(descent.inner.into_iter().chain(descent.edge)))
    }
}

/// What a descent has found so far.
struct Descent<'a> {
    region: &'a Region,
    slack: f64,
    inner: Vec<Range<u64>>,
    edge: Vec<Range<u64>>,
    /// Pixels on the boundary that may be split, coarse ones first.
    open: VecDeque<Pixel>,
    order: Order,
    largest_radius: f64,
}

impl<'a> Descent<'a> {
    fn new(region: &'a Region, slack: f64) -> Self {
        let (order, largest_radius) = (Order::MIN, Order::MIN.largest_radius());
        let (inner, edge, open) = (Vec::new(), Vec::new(), VecDeque::new());
        Self { region, slack, inner, edge, open, order, largest_radius }
    }

    fn enter(&mut self, order: Order) {
        if order != self.order {
            self.order = order;
            self.largest_radius = order.largest_radius();
        }
    }

    fn classify(&mut self, pixel: Pixel) {
        self.enter(pixel.order());
        let center = pixel.center_vector();
        let distance = self.region.boundary_distance_radians(center) - self.slack - WIDENING;
        // The corners are asked for where the bounds of their distance do not decide.
        let clear = distance > SMALLEST_TO_LARGEST * self.largest_radius
            && (distance > self.largest_radius || distance > pixel.radius(center));
        if !clear {
            self.open.push_back(pixel);
        } else if self.region.holds_off_boundary(center) {
            self.inner.push(pixel.range());
        }
    }

    fn split(&mut self, pixel: Pixel) {
        self.enter(pixel.order());
        let fine =
            pixel.order().get() >= FINEST || self.largest_radius < FINER_THAN_SLACK * self.slack;
        match pixel.children() {
            Some(children) if !fine => {
                for child in children {
                    self.classify(child);
                }
            }
            Some(_) | None => self.edge.push(pixel.range()),
        }
    }
}

/// The order to which the border of pixels is found: somewhat finer than they are, if that is not
/// too many pixels. No cell has a longer border than its four sides.
fn border_order(pixels: &Coverage) -> Order {
    let cells = pixels.cells();
    let finer = pixels.finest_order().get() + FINER_THAN_PIXELS;
    let along = |order: u8| -> u64 {
        cells.iter().map(|cell| 4 << order.saturating_sub(cell.order().get())).sum()
    };
    let orders = (0..=finer.min(Order::MAX.get())).rev();
    let order = orders.into_iter().find(|order| along(*order) <= BORDER_PIXELS_MAX);
    order.and_then(Order::new).unwrap_or(Order::MIN)
}
