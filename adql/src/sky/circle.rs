//! A circle: the places within a radius of a center (ADQL 2.1 §4.2.11).

use std::fmt;

use super::angle::Angle;
use super::error::RegionError;
use super::pixel::Pixel;
use super::position::Position;
use super::vector::{Vector, angle, chord_squared};

/// A disc, closed as `CIRCLE` and `DISTANCE(…) <= r` are, or open as `DISTANCE(…) < r` is.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Circle {
    center: Position,
    radius: Angle,
    closed: bool,
    chord_squared: f64,
}

impl Circle {
    /// The closed disc of a radius of 0 (its center alone) to 180 degrees (all sky).
    pub fn new(center: Position, radius_deg: f64) -> Result<Self, RegionError> {
        Self::build(center, radius_deg, true)
    }

    /// The disc without its boundary; of radius 0 it is empty.
    pub fn open(center: Position, radius_deg: f64) -> Result<Self, RegionError> {
        Self::build(center, radius_deg, false)
    }

    pub(super) fn build(
        center: Position,
        radius_deg: f64,
        closed: bool,
    ) -> Result<Self, RegionError> {
        if !(0.0..=180.0).contains(&radius_deg) {
            return Err(RegionError::Radius(radius_deg));
        }
        let radius = Angle::from_degrees(radius_deg + 0.0);
        let chord = 2.0 * (radius.radians() * 0.5).sin();
        Ok(Self { center, radius, closed, chord_squared: chord * chord })
    }

    /// The same disc around another center.
    #[must_use]
    pub fn around(self, center: Position) -> Self {
        Self { center, ..self }
    }

    /// Its center.
    pub fn center(&self) -> Position {
        self.center
    }

    /// Its radius.
    pub fn radius(&self) -> Angle {
        self.radius
    }

    /// Whether the boundary belongs to it.
    pub fn is_closed(&self) -> bool {
        self.closed
    }

    /// Whether it holds no place at all.
    pub(super) fn is_empty(&self) -> bool {
        !self.closed && self.radius == Angle::ZERO
    }

    /// Whether it holds every place.
    pub(super) fn is_all(&self) -> bool {
        self.closed && self.radius.degrees() == 180.0
    }

    /// Whether it holds a place: `distance <= radius` in degrees to the last bit (`<` if open),
    /// so that CONTAINS and DISTANCE never disagree.
    pub fn contains(&self, position: &Position) -> bool {
        // Vectors are good to 2e-15: farther from the boundary than that they decide.
        let chord = chord_squared(self.center.vector(), position.vector());
        let margin = 2e-14 * self.chord_squared.sqrt() + 1e-28;
        let excess = chord - self.chord_squared;
        if excess.abs() > margin {
            return excess < 0.0;
        }
        let distance = self.center.distance(position);
        if self.closed { distance <= self.radius } else { distance < self.radius }
    }

    /// Whether a place of a pixel may be in it; it may say so of one that has none.
    pub fn may_reach(&self, pixel: Pixel) -> bool {
        let center = pixel.center_vector();
        angle(self.center.vector(), center) <= self.radius.radians() + pixel.radius(center)
    }

    /// Distance to the boundary in radians: positive inside, negative outside.
    pub(super) fn depth(&self, p: Vector) -> f64 {
        if self.is_all() {
            return f64::INFINITY;
        }
        self.radius.radians() - angle(self.center.vector(), p)
    }

    /// Its area in steradians.
    pub(super) fn area(&self) -> f64 {
        std::f64::consts::PI * self.chord_squared
    }
}

impl fmt::Display for Circle {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (lon, lat) = (self.center.lon_deg(), self.center.lat_deg());
        let radius = self.radius.degrees();
        if self.closed {
            write!(f, "CIRCLE({lon}, {lat}, {radius})")
        } else {
            write!(f, "DISTANCE(lon, lat, {lon}, {lat}) < {radius}")
        }
    }
}
