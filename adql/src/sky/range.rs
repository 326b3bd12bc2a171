//! A range of longitudes and latitudes, as `ra BETWEEN … AND dec BETWEEN …` selects it.

use std::fmt;

use super::arc::Arc;
use super::error::RegionError;
use super::position::{Position, normalize_longitude};
use super::vector::{Vector, from_radians};

/// The places between two meridians and two parallels, bounds included.
#[derive(Debug, Clone, PartialEq)]
pub struct Range {
    bounds: [f64; 4],
    /// Normalized bounds of longitude, eastward; `None` for all longitudes.
    lon: Option<(f64, f64)>,
    /// Halves of the bounding meridians.
    meridians: Vec<Arc>,
}

impl Range {
    /// The range eastward from `lon_min` to `lon_max` and northward from `lat_min` to `lat_max`,
    /// in degrees.
    ///
    /// Longitudes may have any value and are taken modulo 360, so `350` to `10` and `-10` to `10`
    /// cross zero; 360 degrees or more (also infinities) are all longitudes. Latitudes are cut at
    /// the poles. A pole that the latitudes reach belongs to the range.
    pub fn new(
        lon_min: f64,
        lon_max: f64,
        lat_min: f64,
        lat_max: f64,
    ) -> Result<Self, RegionError> {
        let width = lon_max - lon_min;
        let all = width >= 360.0;
        let finite = lon_min.is_finite() && lon_max.is_finite();
        if !all && !finite {
            return Err(RegionError::EmptyRange { axis: "longitude", from: lon_min, to: lon_max });
        }
        let (south, north) = (lat_min.max(-90.0), lat_max.min(90.0));
        if lat_min.is_nan() || lat_max.is_nan() || south > north {
            return Err(RegionError::EmptyRange { axis: "latitude", from: lat_min, to: lat_max });
        }
        let lon = (!all).then(|| (normalize_longitude(lon_min), normalize_longitude(lon_max)));
        let meridians = lon.map_or_else(Vec::new, |(west, east)| {
            [west, east].into_iter().flat_map(|lon| meridian(lon, south, north)).collect()
        });
        Ok(Self { bounds: [lon_min, lon_max, south, north], lon, meridians })
    }

    /// Bounds of longitude as given.
    pub fn longitudes(&self) -> (f64, f64) {
        (self.bounds[0], self.bounds[1])
    }

    /// Bounds of latitude, cut at the poles.
    pub fn latitudes(&self) -> (f64, f64) {
        (self.bounds[2], self.bounds[3])
    }

    fn holds_longitude(&self, lon: f64) -> bool {
        self.lon.is_none_or(|(west, east)| {
            if west <= east { west <= lon && lon <= east } else { lon >= west || lon <= east }
        })
    }

    /// Whether it holds a place; comparisons of degrees, to the last bit.
    pub fn contains(&self, position: &Position) -> bool {
        let lat = position.lat_deg();
        let (south, north) = self.latitudes();
        south <= lat
            && lat <= north
            && (position.is_pole() || self.holds_longitude(position.lon_deg()))
    }

    /// The distance in radians to the nearest place of a bounding meridian or parallel.
    pub(super) fn boundary_distance(&self, p: Vector) -> f64 {
        let [x, y, z] = p;
        let lat = z.atan2(x.hypot(y));
        let mut nearest =
            self.meridians.iter().map(|arc| arc.distance(p)).fold(f64::INFINITY, f64::min);
        // Where the parallel is not straight north or south, its ends are nearest: they are ends
        // of meridians.
        if self.holds_longitude(normalize_longitude(y.atan2(x).to_degrees())) {
            for bound in self.parallels() {
                nearest = nearest.min((lat - bound.to_radians()).abs());
            }
        }
        nearest
    }

    /// Its area in steradians.
    pub(super) fn area(&self) -> f64 {
        let width = self.width();
        let (south, north) = self.latitudes();
        let [sum, difference] = [north + south, north - south].map(|d| (0.5 * d).to_radians());
        2.0 * sum.cos() * difference.sin() * width.to_radians()
    }

    /// The western bound of longitude, or 0.
    pub(super) fn west(&self) -> f64 {
        self.lon.map_or(0.0, |(west, _)| west)
    }

    /// How many degrees of longitude it has.
    pub(super) fn width(&self) -> f64 {
        self.lon.map_or(360.0, |(west, east)| (east - west).rem_euclid(360.0))
    }

    /// The degrees of longitude from its western bound to a place.
    pub(super) fn eastward(&self, position: &Position) -> f64 {
        (position.lon_deg() - self.west()).rem_euclid(360.0)
    }

    /// Its bounding parallels.
    pub(super) fn parallels(&self) -> impl Iterator<Item = f64> {
        let (south, north) = self.latitudes();
        [south, north].into_iter().filter(move |bound| bound.abs() < 90.0 || south == north)
    }

    /// Its bounding meridians, in arcs.
    pub(super) fn meridians(&self) -> &[Arc] {
        &self.meridians
    }

    /// The corners, or places of the bounding parallels where there are none.
    pub(super) fn corners(&self) -> Vec<Position> {
        let (south, north) = self.latitudes();
        let (west, east) = self.lon.unwrap_or((0.0, 180.0));
        [(west, south), (east, south), (east, north), (west, north)]
            .into_iter()
            .filter_map(|(lon, lat)| Position::from_degrees(lon, lat))
            .collect()
    }

    /// A place in each part of the sky around it: one, or polar caps.
    pub(super) fn places_outside(&self) -> Vec<Vector> {
        let (south, north) = self.latitudes();
        if self.lon.is_some() {
            let lon = self.west() + 0.5 * self.width() + 180.0;
            return Position::from_degrees(lon, 0.0).map(|p| p.vector()).into_iter().collect();
        }
        let caps = [(south > -90.0, -1.0), (north < 90.0, 1.0)];
        caps.into_iter().filter(|(open, _)| *open).map(|(_, z)| [0.0, 0.0, z]).collect()
    }

    /// Whether every place of `other` is in this range.
    pub(super) fn contains_range(&self, other: &Self) -> bool {
        let ((south, north), (low, high)) = (self.latitudes(), other.latitudes());
        let longitudes = self.lon.is_none()
            || low == high && low.abs() == 90.0
            || other.lon.is_some_and(|(west, _)| {
                self.holds_longitude(west)
                    && (west - self.west()).rem_euclid(360.0) + other.width() <= self.width()
            });
        south <= low && high <= north && longitudes
    }

    /// Whether the ranges have a place in common.
    pub(super) fn intersects_range(&self, other: &Self) -> bool {
        let ((south, north), (low, high)) = (self.latitudes(), other.latitudes());
        let (bottom, top) = (south.max(low), north.min(high));
        let longitudes = self.lon.is_none()
            || other.lon.is_none()
            || self.holds_longitude(other.west())
            || other.holds_longitude(self.west());
        bottom <= top && (longitudes || bottom == -90.0 || top == 90.0)
    }
}

/// A part of a meridian, in two arcs because none may be 180 degrees long.
fn meridian(lon: f64, south: f64, north: f64) -> impl Iterator<Item = Arc> {
    let lon = if lon > 180.0 { lon - 360.0 } else { lon };
    let place = |lat: f64| from_radians(lon.to_radians(), lat.to_radians());
    let middle = place(0.5 * (south + north));
    [Arc::new(place(south), middle), Arc::new(middle, place(north))].into_iter().flatten()
}

impl fmt::Display for Range {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let [west, east, south, north] = self.bounds;
        write!(f, "lon BETWEEN {west} AND {east} AND lat BETWEEN {south} AND {north}")
    }
}
