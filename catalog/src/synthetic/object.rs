//! The objects of the synthetic sky: place, light and motion, from which all tables derive.
//!
//! What is drawn for an object depends on its key and the name of the value alone, never on what
//! else is asked: any columns of any table tell of the same object.

use adql::sky::{Order, Pixel, Position};

use super::Sky;
use super::density::latitude_deg;
use super::place::{Place, offset, places};
use super::random::{chance, hash, noise};

/// The photometric bands.
pub(super) const BANDS: [&str; 6] = ["u", "g", "r", "i", "z", "y"];
/// Zero point of AB magnitudes of fluxes in nJy.
const ZERO_POINT: f64 = 31.4;
/// Errors of the fluxes of faint sources in all images together, in nJy.
const SKY_ERRORS: [f64; 6] = [26.0, 8.0, 7.3, 14.0, 26.0, 80.0];
/// So many of the objects vary, and so many of those with a period.
pub(super) const VARIABLE: f64 = 0.05;
const PERIODIC: f64 = 0.6;
/// When objects are where their position says, as MJD.
pub(super) const EPOCH_MJD: f64 = 61_000.0;
/// Number of the first object of a pixel is so often the pixel's, and one more.
const ID_BITS: u32 = 32;

/// An object.
#[derive(Debug, Clone, Copy)]
pub(super) struct Object {
    pub(super) spatial_index: i64,
    pub(super) id: i64,
    pub(super) position: Position,
    pub(super) ra: f64,
    pub(super) dec: f64,
    /// Names its random values.
    pub(super) key: u64,
    /// In r.
    pub(super) magnitude: f64,
    pub(super) extended: bool,
    /// In nJy, on average over time.
    pub(super) fluxes: [f64; 6],
}

/// How an object's light changes: in parts of its flux, with the time in days.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct LightCurve {
    /// The time after which it is the same again; none where it never is.
    pub period_days: Option<f64>,
    /// The part of the flux by which it differs from the average at most.
    pub amplitude: f64,
    /// From 0 to 1.
    phase: f64,
}

impl LightCurve {
    /// By which factor an object is brighter than on average.
    pub fn brightness(&self, mjd: f64) -> f64 {
        let wave = |period: f64| (std::f64::consts::TAU * (mjd / period + self.phase)).sin();
        match self.period_days {
            Some(period) => 1.0 + self.amplitude * (0.7 * wave(period) + 0.3 * wave(period / 2.0)),
            // Waves that never meet again.
            None => {
                1.0 + self.amplitude * (0.5 * wave(311.7) + 0.3 * wave(97.31) + 0.2 * wave(23.93))
            }
        }
    }
}

#[expect(clippy::cast_possible_truncation, reason = "measurements are stored in single precision")]
pub(super) fn single(value: f64) -> f32 {
    value as f32
}

/// Ten to a power.
pub(super) fn ten_to(power: f64) -> f64 {
    (power * std::f64::consts::LOG2_10).exp2()
}

pub(super) fn flux_of(magnitude: f64) -> f64 {
    ten_to((ZERO_POINT - magnitude) / 2.5)
}

pub(super) fn magnitude_of(flux: f64) -> Option<f64> {
    (flux > 0.0).then(|| ZERO_POINT - 2.5 * flux.log10())
}

/// The pixel of the generator to which an id belongs.
pub(super) fn pixel_of_id(id: i64) -> Option<u64> {
    u64::try_from(id >> ID_BITS).ok()?.checked_sub(1)
}

/// The objects of a pixel, sorted along the spatial index.
pub(super) fn objects(sky: &Sky, pixel: Pixel) -> Vec<Object> {
    let first_id = (pixel.index() + 1) << ID_BITS;
    let numbered = (first_id..).zip(places(sky, pixel));
    let mut objects: Vec<Object> =
        numbered.map(|(id, place)| Object::new(sky.seed, id, place)).collect();
    objects.sort_unstable_by_key(|object| (object.spatial_index, object.id));
    objects
}

impl Object {
    fn new(seed: u64, id: u64, place: Place) -> Self {
        let key = hash(hash(seed, 0x0b1), id);
        let Place { spatial_index, position } = place;
        let (ra, dec) = (position.lon_deg(), position.lat_deg());
        // Twice as many with each half magnitude, until 26.5.
        let magnitude = (26.5 + 1.3 * (1.0 - chance(key, 1)).ln()).clamp(14.0, 26.5);
        let extended = chance(key, 2) < ((magnitude - 19.0) / 8.0).clamp(0.05, 0.95);
        let (red, width) = if extended { (0.5, 0.35) } else { (0.7, 0.5) };
        let color = red + width * noise(key, 3);
        let mut fluxes = [0.0; 6];
        for ((flux, shift), band) in
            fluxes.iter_mut().zip([-2.6, -1.0, 0.0, 0.5, 0.8, 1.0]).zip(0_u64..)
        {
            *flux = flux_of(magnitude - color * shift + 0.05 * noise(key, 4 + band));
        }
        let id = id.cast_signed();
        Self { spatial_index, id, position, ra, dec, key, magnitude, extended, fluxes }
    }

    /// Errors of right ascension (times cos δ) and declination, in all images together.
    pub(super) fn error_deg(&self) -> [f64; 2] {
        let arcsec = 0.003 + 0.03 * ten_to(0.2 * (self.magnitude - 25.0));
        [20, 21].map(|salt| arcsec * (0.8 + 0.4 * chance(self.key, salt)) / 3600.0)
    }

    /// The error of a flux in all images together.
    pub(super) fn flux_error(&self, band: usize) -> f64 {
        let (flux, sky) = (self.fluxes[band], SKY_ERRORS[band]);
        (sky * sky + 0.05 * flux + (0.002 * flux).powi(2)).sqrt()
    }

    /// Whether a band has no image of it, or none that could be measured.
    pub(super) fn is_lost(&self, band: usize) -> bool {
        let parts = [0.06, 0.01, 0.005, 0.005, 0.01, 0.03];
        chance(self.key, 30 + u64::try_from(band).unwrap_or(0)) < parts[band]
    }

    /// Proper motion in right ascension (times cos δ) and declination, in mas/yr; none if extended.
    pub(super) fn motion(&self) -> Option<[f64; 2]> {
        // The wide wings of a Cauchy distribution: the ratio of two normal numbers.
        let axis = |salt| {
            let ratio = noise(self.key, salt) / noise(self.key, salt + 1).abs().max(0.02);
            (6.0 * ratio).clamp(-300.0, 300.0)
        };
        (!self.extended).then(|| [axis(40), axis(42)])
    }

    /// In mas; none if extended.
    pub(super) fn parallax(&self) -> Option<f64> {
        let distant = -(1.0 - chance(self.key, 44)).ln();
        (!self.extended).then(|| 0.5 * distant + 0.3 * noise(self.key, 45))
    }

    /// Where it is at a time.
    pub(super) fn at(&self, mjd: f64) -> Position {
        let Some([east, north]) = self.motion() else { return self.position };
        let degrees = (mjd - EPOCH_MJD) / 365.25 / 3.6e6;
        offset(&self.position, north * degrees, east * degrees).unwrap_or(self.position)
    }

    /// How its light changes, if it does.
    pub(super) fn light_curve(&self) -> Option<LightCurve> {
        (chance(self.key, 50) < VARIABLE).then(|| LightCurve {
            period_days: (chance(self.key, 51) < PERIODIC)
                .then(|| ten_to(-1.0 + 3.0 * chance(self.key, 52))),
            amplitude: 0.05 + 0.75 * chance(self.key, 53).powi(2),
            phase: chance(self.key, 54),
        })
    }

    /// The band in which shapes are measured.
    pub(super) fn reference_band(&self) -> usize {
        let drawn = chance(self.key, 60);
        [3, 2, 4, 1][[0.7, 0.9, 0.97].iter().filter(|part| drawn > **part).count()]
    }

    pub(super) fn is_isolated(&self) -> bool {
        chance(self.key, 61) < 0.6
    }

    pub(super) fn shape_failed(&self) -> bool {
        chance(self.key, 62) < 0.02
    }

    /// Reddening in magnitudes.
    pub(super) fn ebv(&self) -> f64 {
        let latitude = latitude_deg(self.position.vector()).abs();
        0.01 + 0.3 * (-latitude / 10.0).exp() * (0.5 + chance(self.key, 63))
    }

    /// The pixel of order 4 that holds it.
    pub(super) fn tract(&self) -> i64 {
        self.spatial_index >> (2 * (Order::MAX.get() - 4))
    }

    /// Which of the 256 pixels of order 8 of its tract.
    pub(super) fn patch(&self) -> i64 {
        (self.spatial_index >> (2 * (Order::MAX.get() - 8))) & 0xff
    }
}
