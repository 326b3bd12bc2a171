//! Where a star is at another epoch: uniform motion along a straight line, by the rigorous formulas
//! of The Hipparcos and Tycho Catalogues (ESA SP-1200, volume 1, §1.5.5).
//!
//! The sun moves uniformly too, light arrives at once, and nothing is relativistic, as
//! `ivo_epoch_prop_pos` (UDF catalogue 1.2 §2) wants it. In units of the star's distance the line
//! is `r (1 + ζ t) + μ t`, with the unit vector r towards the place, the proper motion μ at right
//! angles to it, and ζ the radial velocity over the distance.

use super::angle::Angle;
use super::position::Position;
use super::vector::{add, length, scale};

/// The astronomical unit per Julian year, in km/s: so much is a motion of 1 mas in a year at a
/// parallax of 1 mas.
const AU_PER_YEAR_KM_S: f64 = 4.740_470_463_533_349;

/// Milliarcseconds of a radian.
const MAS: f64 = std::f64::consts::PI / (180.0 * 3.6e6);

/// More than the error of rounding of a place, in degrees.
const ROUNDING_DEG: f64 = 1e-9;

/// How much nearer a star may come, in parts of its distance, for a bound of its motion: the star
/// that goes through the sun may be anywhere then.
const APPROACH_MAX: f64 = 0.9;

/// How a star moves, at the epoch of its place.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Motion {
    /// 0: infinitely far.
    pub parallax_mas: f64,
    /// Towards the east, times the cosine of the latitude.
    pub pmra_mas_yr: f64,
    /// Towards the north.
    pub pmdec_mas_yr: f64,
    /// Away from the sun.
    pub radial_velocity_km_s: f64,
}

impl Motion {
    /// The proper motion in radians a year, by its two components.
    fn proper(&self) -> [f64; 2] {
        [self.pmra_mas_yr, self.pmdec_mas_yr].map(|mas| mas * MAS)
    }

    /// By which part of its distance a star recedes in a year.
    fn recession(&self) -> f64 {
        self.radial_velocity_km_s * self.parallax_mas / AU_PER_YEAR_KM_S * MAS
    }

    /// Where a star that is at `place` is so many years later; none where a number is no number,
    /// or where it is in the sun.
    pub fn after(&self, place: &Position, years: f64) -> Option<Position> {
        let [east, north] = self.proper().map(|proper| proper * years);
        let distance = 1.0 + self.recession() * years;
        if east == 0.0 && north == 0.0 && distance > 0.0 {
            return Some(*place);
        }
        let (sin_lon, cos_lon) = place.lon_deg().to_radians().sin_cos();
        let r @ [x, y, sin_lat] = place.vector();
        let to_east = [-sin_lon, cos_lon, 0.0];
        let to_north = [-sin_lat * cos_lon, -sin_lat * sin_lon, x.hypot(y)];
        let moved = add(scale(r, distance), add(scale(to_east, east), scale(to_north, north)));
        let far = length(moved);
        (far > 0.0 && far.is_finite()).then(|| Position::from_vector(moved))
    }

    /// An angle that no star exceeds within so many years, to either side of the epoch of its
    /// place, whose motion is in no component larger than this one, whatever the signs; none where
    /// such a star may come so near that its place may be anywhere.
    ///
    /// The angle is that between `r` and `r (1 + ζ t) + μ t`, whose tangent is
    /// `|μ t| / (1 + ζ t)`: it is largest where a star comes nearest.
    pub fn most_within(&self, years: f64) -> Option<Angle> {
        let years = years.abs();
        let [east, north] = self.proper();
        let across = east.hypot(north) * years;
        let nearer = self.recession().abs() * years;
        let bounded = across.is_finite() && nearer <= APPROACH_MAX;
        bounded.then(|| Angle::from_degrees(across.atan2(1.0 - nearer).to_degrees() + ROUNDING_DEG))
    }
}
