//! A place on the sphere, and the distance between two.
//!
//! Distances come from longitudes and latitudes, not from vectors: the difference of two near
//! coordinates is exact, so a milliarcsecond keeps its digits, and so does what is left to the
//! antipode.

use std::fmt;

use super::angle::Angle;
use super::vector::Vector;

/// A place on the sphere.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Position {
    lon_deg: f64,
    lat_deg: f64,
    cos_lat: f64,
    vector: Vector,
}

/// Takes a longitude into `[0, 360)`.
pub(super) fn normalize_longitude(lon_deg: f64) -> f64 {
    if (0.0..360.0).contains(&lon_deg) {
        return lon_deg + 0.0; // -0 becomes 0
    }
    let lon = lon_deg.rem_euclid(360.0);
    // A tiny negative longitude rounds up to 360.
    if lon < 360.0 { lon } else { 0.0 }
}

/// The shorter way between two normalized longitudes, in degrees: 0 to 180.
fn longitude_difference(a: f64, b: f64) -> f64 {
    let (low, high) = if a < b { (a, b) } else { (b, a) };
    let direct = high - low;
    // 360 - high is exact, so that nothing is lost across the seam.
    if direct > 180.0 { low + (360.0 - high) } else { direct }
}

impl Position {
    /// The place at these degrees; any finite longitude is taken modulo 360.
    /// `None` for NaN, an infinity or a latitude beyond a pole.
    pub fn from_degrees(lon_deg: f64, lat_deg: f64) -> Option<Self> {
        if !lon_deg.is_finite() || !(-90.0..=90.0).contains(&lat_deg) {
            return None;
        }
        let lon_deg = normalize_longitude(lon_deg);
        let lat_deg = lat_deg + 0.0;
        // Near a pole the sine of what is left to it is better than the cosine, and 0 at the pole.
        let cos_lat = if lat_deg.abs() > 45.0 {
            (90.0 - lat_deg.abs()).to_radians().sin()
        } else {
            lat_deg.to_radians().cos()
        };
        let signed_lon = if lon_deg > 180.0 { lon_deg - 360.0 } else { lon_deg };
        let (sin_lon, cos_lon) = signed_lon.to_radians().sin_cos();
        let sin_lat = lat_deg.to_radians().sin();
        let vector = [cos_lat * cos_lon + 0.0, cos_lat * sin_lon + 0.0, sin_lat];
        Some(Self { lon_deg, lat_deg, cos_lat, vector })
    }

    /// The place in the direction of a vector that is not zero.
    pub(super) fn from_vector(vector: Vector) -> Self {
        let [x, y, z] = vector;
        let (lon, lat) = (y.atan2(x).to_degrees(), z.atan2(x.hypot(y)).to_degrees());
        Self::from_degrees(lon, lat.clamp(-90.0, 90.0)).unwrap_or(Self::ORIGIN)
    }

    /// Longitude and latitude 0.
    pub const ORIGIN: Self =
        Self { lon_deg: 0.0, lat_deg: 0.0, cos_lat: 1.0, vector: [1.0, 0.0, 0.0] };

    /// Longitude in degrees, `[0, 360)`.
    pub fn lon_deg(&self) -> f64 {
        self.lon_deg
    }

    /// Latitude in degrees, `[-90, 90]`.
    pub fn lat_deg(&self) -> f64 {
        self.lat_deg
    }

    /// The unit vector: x towards (0, 0), z towards the north pole.
    pub fn vector(&self) -> [f64; 3] {
        self.vector
    }

    /// The opposite place.
    pub fn antipode(&self) -> Self {
        let lon_deg = normalize_longitude(self.lon_deg + 180.0);
        let [x, y, z] = self.vector;
        Self {
            lon_deg,
            lat_deg: 0.0 - self.lat_deg,
            cos_lat: self.cos_lat,
            vector: [0.0 - x, 0.0 - y, 0.0 - z],
        }
    }

    /// Whether longitude means nothing here.
    pub(super) fn is_pole(&self) -> bool {
        self.lat_deg.abs() == 90.0
    }

    /// The angle between two places (ADQL 2.1 §4.2.16), symmetric and exact to rounding at any
    /// distance; 0 for the same place, at a pole whatever the longitudes.
    pub fn distance(&self, other: &Self) -> Angle {
        let lon = longitude_difference(self.lon_deg, other.lon_deg);
        let lat = (self.lat_deg - other.lat_deg).abs();
        if lon == 0.0 || self.is_pole() || other.is_pole() {
            return Angle::from_degrees(lat);
        }
        if self.lat_deg == 0.0 && other.lat_deg == 0.0 {
            return Angle::from_degrees(lon);
        }
        // The haversine and what it lacks to one, each a sum of two terms that are not negative:
        // nothing cancels at either end.
        let sum = (self.lat_deg + other.lat_deg).abs();
        let cosines = self.cos_lat * other.cos_lat;
        let near = half_sine_squared(lat) + cosines * half_sine_squared(lon);
        let far = half_sine_squared(sum) + cosines * half_sine_squared(180.0 - lon);
        Angle::from_radians(2.0 * near.sqrt().atan2(far.sqrt()))
    }
}

fn half_sine_squared(degrees: f64) -> f64 {
    let sine = (degrees.to_radians() * 0.5).sin();
    sine * sine
}

impl fmt::Display for Position {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "POINT({}, {})", self.lon_deg, self.lat_deg)
    }
}
