//! HEALPix pixels in the NESTED numbering (Górski et al. 2005), and the cones that bound them.

use std::fmt;

use cdshealpix::nested;

use super::position::Position;
use super::vector::{Vector, angle, from_radians};

/// By which factor bounding cones are widened for rounding.
const ROUNDING: f64 = 1.0 + 1e-6;

/// The order of a pixel: the sky has 12 · 4^order pixels of it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Order(u8);

impl Order {
    /// The twelve base pixels.
    pub const MIN: Self = Self(0);
    /// The order of the spatial index, pixels of 0.4 mas.
    pub const MAX: Self = Self(29);

    /// The order, unless it exceeds 29.
    pub fn new(order: u8) -> Option<Self> {
        (order <= Self::MAX.0).then_some(Self(order))
    }

    /// The number.
    pub fn get(self) -> u8 {
        self.0
    }

    /// How many pixels the sky has of this order.
    pub fn pixels(self) -> u64 {
        12 << (2 * self.0)
    }

    fn finer(self) -> Option<Self> {
        Self::new(self.0 + 1)
    }

    /// How many times two bits an index of this order is shorter than one of order 29.
    fn shift(self) -> u8 {
        2 * (Self::MAX.0 - self.0)
    }

    /// The largest angle in radians between the center and a corner of a pixel of this order:
    /// it belongs to the pixels whose southern corner lies where the polar caps begin, nearest to
    /// a base meridian (Górski et al. 2005, eq. 4 to 22).
    pub(super) fn largest_radius(self) -> f64 {
        let nside = f64::from(1u32 << self.0);
        let on_meridian = 1.0 - 1.0 / nside;
        let center = (std::f64::consts::FRAC_PI_4 / nside, (2.0_f64 / 3.0).asin());
        let corner = (0.0, (1.0 - on_meridian * on_meridian / 3.0).asin());
        angle(from_radians(center.0, center.1), from_radians(corner.0, corner.1)) * ROUNDING
    }
}

impl fmt::Display for Order {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

/// A pixel: an area of sky.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Pixel {
    order: Order,
    index: u64,
}

impl Pixel {
    /// The pixel of this NESTED index, unless the order has fewer.
    pub fn new(order: Order, index: u64) -> Option<Self> {
        (index < order.pixels()).then_some(Self { order, index })
    }

    /// The twelve base pixels.
    pub fn base() -> impl Iterator<Item = Self> {
        (0..Order::MIN.pixels()).map(|index| Self { order: Order::MIN, index })
    }

    /// The pixel that holds a place: of each order that which holds its spatial index, on the borders
    /// of pixels too.
    pub fn of(order: Order, position: &Position) -> Self {
        let (lon, lat) = (position.lon_deg().to_radians(), position.lat_deg().to_radians());
        Self { order, index: nested::hash(Order::MAX.0, lon, lat) >> order.shift() }
    }

    /// Its order.
    pub fn order(self) -> Order {
        self.order
    }

    /// Its NESTED index.
    pub fn index(self) -> u64 {
        self.index
    }

    /// Order and index as one number (MOC 2.0 §3.3, NUNIQ).
    pub fn uniq(self) -> u64 {
        (4 << (2 * self.order.0)) + self.index
    }

    /// The pixel of such a number, if it is one.
    pub fn from_uniq(uniq: u64) -> Option<Self> {
        let order = u8::try_from(uniq.checked_ilog2()?.checked_sub(2)? / 2).ok()?;
        Self::new(Order::new(order)?, uniq - (4 << (2 * order)))
    }

    /// The spatial indices that lie in it.
    pub fn range(self) -> std::ops::Range<u64> {
        let shift = self.order.shift();
        self.index << shift..(self.index + 1) << shift
    }

    /// The pixel of the next coarser order that holds it; `None` for a base pixel.
    pub fn parent(self) -> Option<Self> {
        let order = Order(self.order.0.checked_sub(1)?);
        Some(Self { order, index: self.index >> 2 })
    }

    /// The four pixels of the next finer order, in the order of their indices; `None` at order 29.
    pub fn children(self) -> Option<[Self; 4]> {
        let order = self.order.finer()?;
        Some([0, 1, 2, 3].map(|k| Self { order, index: 4 * self.index + k }))
    }

    /// The pixels of an order that lie in it; itself where it is no coarser.
    pub fn within(self, order: Order) -> impl Iterator<Item = Self> {
        let finer = order.0.saturating_sub(self.order.0);
        let (order, shift) = (Order(self.order.0 + finer), 2 * finer);
        let indices = self.index << shift..(self.index + 1) << shift;
        indices.map(move |index| Self { order, index })
    }

    /// Whether `other` is this pixel or lies in it.
    pub fn contains(self, other: Self) -> bool {
        let (outer, inner) = (self.range(), other.range());
        outer.start <= inner.start && inner.end <= outer.end
    }

    /// Its center.
    pub fn center(self) -> Position {
        Position::from_vector(self.center_vector())
    }

    pub(super) fn center_vector(self) -> Vector {
        let (lon, lat) = nested::center(self.order.0, self.index);
        from_radians(lon, lat)
    }

    /// The place at these parts, 0 to 1, of the way along the south-eastern and the south-western
    /// side from the southern corner.
    pub(super) fn place_within(self, dx: f64, dy: f64) -> Vector {
        // The far sides belong to the next pixels.
        let end = 1.0_f64.next_down();
        let (dx, dy) = (dx.clamp(0.0, end), dy.clamp(0.0, end));
        let (lon, lat) = nested::sph_coo(self.order.0, self.index, dx, dy);
        from_radians(lon, lat)
    }

    /// An angle in radians from the center that no place of the pixel exceeds.
    ///
    /// The farthest place is a corner: tests walk along the sides of all coarse pixels.
    pub(super) fn radius(self, center: Vector) -> f64 {
        let farthest = nested::vertices(self.order.0, self.index)
            .into_iter()
            .map(|(lon, lat)| super::vector::chord_squared(center, from_radians(lon, lat)))
            .fold(0.0, f64::max);
        2.0 * (farthest.sqrt() * 0.5).asin() * ROUNDING
    }
}

impl fmt::Display for Pixel {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.order, self.index)
    }
}
