//! When the synthetic survey looked where: visits of fields over ten years, ten times as many of a
//! few deep ones.
//!
//! The fields are the pixels of order 4; each visit points somewhere in its field, so that all
//! places are seen about as often. The visits of a field follow from the seed and its number.

use adql::sky::{Order, Pixel, Position, spatial_index};

use super::camera::{Pointing, RADIUS_DEG, dot};
use super::density::sees;
use super::place::offset;
use super::random::{chance, hash, noise};
use super::{Footprint, Sky};

/// Order of the pixels that are fields: 3,072.
const FIELD_ORDER: u8 = 4;
/// Visits of a field that are not of a deep one, unless said otherwise.
pub(super) const VISITS: u32 = 40;
/// Of a deep field there are so many times as many, and all but one part point at its middle.
const DEEP: u32 = 10;
/// The middles of the deep fields: COSMOS, XMM-LSS, ECDFS, ELAIS-S1 and EDFS.
const DEEP_FIELDS: [[f64; 2]; 5] =
    [[150.1, 2.2], [35.7, -4.8], [53.1, -28.1], [9.45, -44.0], [59.1, -48.7]];
/// Visits of a deep field point so near to its middle.
const DITHER_DEG: f64 = 0.3;
/// The first night, as MJD, and the nights.
const FIRST_NIGHT_MJD: f64 = 61_000.0;
const NIGHTS: f64 = 3_652.0;
/// Observing begins and ends at these parts of a day.
const NIGHT: [f64; 2] = [0.0, 0.4];
pub(super) const EXPOSURE_SECONDS: f64 = 30.0;
/// Largest distances from the middle of a field, and of a pixel of the generator, to a corner.
const FIELD_RADIUS_DEG: f64 = 4.0;
const PIXEL_RADIUS_DEG: f64 = 2.0;
/// Magnitudes of a point source that a typical visit detects with a signal of five errors.
const LIMITS: [f64; 6] = [23.9, 25.0, 24.7, 24.0, 23.3, 22.1];
/// Seconds of a day.
const DAY: f64 = 86_400.0;
/// Julian date 0 of microseconds that count from 1970, as MJD.
const UNIX_EPOCH_MJD: f64 = 40_587.0;

/// An image of a field, by all detectors.
#[derive(Debug, Clone, Copy)]
pub(super) struct Visit {
    pub(super) id: i64,
    pub(super) spatial_index: i64,
    pub(super) ra: f64,
    pub(super) dec: f64,
    pub(super) rotation_deg: f64,
    pub(super) pointing: Pointing,
    pub(super) midpoint_mjd: f64,
    /// Number of its band.
    pub(super) band: usize,
    /// Width of the image of a point.
    pub(super) seeing_arcsec: f64,
    pub(super) airmass: f64,
    /// Error of the flux of a faint point source, in nJy.
    pub(super) sky_error: f64,
    pub(super) key: u64,
}

/// Microseconds since 1970 of a time.
#[expect(clippy::cast_possible_truncation, reason = "times of a survey are far below 2^63 µs")]
pub(super) fn microseconds(mjd: f64) -> i64 {
    ((mjd - UNIX_EPOCH_MJD) * DAY * 1e6) as i64
}

impl Visit {
    pub(super) fn start_mjd(&self) -> f64 {
        self.midpoint_mjd - 0.5 * EXPOSURE_SECONDS / DAY
    }

    /// Magnitude of a point source with a signal of five errors.
    pub(super) fn limit(&self) -> f64 {
        super::object::magnitude_of(5.0 * self.sky_error).unwrap_or(LIMITS[self.band])
    }
}

/// The middles of the deep fields that a field holds.
fn deep_middle(field: Pixel) -> Option<Position> {
    let middles = DEEP_FIELDS.iter();
    let mut middles = middles.filter_map(|[ra, dec]| Position::from_degrees(*ra, *dec));
    middles.find(|middle| Pixel::of(field.order(), middle) == field)
}

/// A field.
#[derive(Debug, Clone)]
pub(super) struct Field {
    pub(super) pixel: Pixel,
    middle: Position,
    /// Visits that point anywhere in it, and those of its deep part after them.
    wide: u32,
    deep: u32,
    deep_middle: Option<Position>,
}

/// All fields of a survey.
pub(super) fn fields(visits: u32, footprint: Footprint) -> Vec<Field> {
    let order = Order::new(FIELD_ORDER);
    let pixels = order
        .into_iter()
        .flat_map(|order| (0..order.pixels()).filter_map(move |index| Pixel::new(order, index)));
    let fields = pixels.map(|pixel| {
        let middle = pixel.center();
        let deep_middle = deep_middle(pixel);
        let is_seen = sees(footprint, &middle) || deep_middle.is_some();
        Field {
            pixel,
            middle,
            wide: if is_seen { visits } else { 0 },
            deep: deep_middle.map_or(0, |_| (DEEP - 1).saturating_mul(visits)),
            deep_middle,
        }
    });
    fields.collect()
}

impl Field {
    pub(super) fn visits(&self, seed: u64) -> impl Iterator<Item = Visit> {
        (0..self.wide + self.deep).filter_map(move |number| self.visit(seed, number))
    }

    pub(super) fn count(&self) -> u64 {
        u64::from(self.wide + self.deep)
    }

    fn visit(&self, seed: u64, number: u32) -> Option<Visit> {
        let key = hash(hash(hash(seed, 0x715), self.pixel.index()), u64::from(number));
        let deep = self.deep_middle.filter(|_| number >= self.wide);
        let middle = match deep {
            Some(middle) => {
                let (angle, turn) = (DITHER_DEG * chance(key, 1).sqrt(), chance(key, 2));
                let (sine, cosine) = (std::f64::consts::TAU * turn).sin_cos();
                offset(&middle, angle * cosine, angle * sine)?
            }
            None => {
                let range = self.pixel.range();
                let step = hash(key, 1) % (range.end - range.start);
                Pixel::new(Order::MAX, range.start + step)?.center()
            }
        };
        let (at, of) =
            if deep.is_some() { (number - self.wide, self.deep) } else { (number, self.wide) };
        let night = (f64::from(at) + chance(key, 3)) * NIGHTS / f64::from(of);
        let time = NIGHT[0] + (NIGHT[1] - NIGHT[0]) * chance(key, 4);
        // More in r and i than in u and y.
        let drawn = chance(key, 5);
        let band = [0.06, 0.16, 0.4, 0.64, 0.84].iter().filter(|until| drawn >= **until).count();
        let seeing_arcsec = 0.6 + 0.35 * -(1.0 - chance(key, 6)).max(1e-3).ln();
        let airmass = 1.0 + 0.5 * chance(key, 7);
        let limit = LIMITS[band] - 1.5 * (seeing_arcsec / 0.8).log10() - 0.3 * (airmass - 1.2)
            + 0.1 * noise(key, 8);
        let rotation_deg = 360.0 * chance(key, 9);
        Some(Visit {
            id: self.pixel.index().cast_signed() * 100_000 + i64::from(number),
            spatial_index: spatial_index(middle.lon_deg(), middle.lat_deg())?,
            ra: middle.lon_deg(),
            dec: middle.lat_deg(),
            rotation_deg,
            pointing: Pointing::new(&middle, rotation_deg),
            midpoint_mjd: FIRST_NIGHT_MJD + night.floor() + time,
            band,
            seeing_arcsec,
            airmass,
            sky_error: super::object::flux_of(limit) / 5.0,
            key,
        })
    }
}

/// The visits that may see something of a pixel of the generator, in the order of time.
pub(super) fn visits_near(sky: &Sky, pixel: Pixel) -> Vec<Visit> {
    let middle = pixel.center().vector();
    let near = |at: [f64; 3], angle_deg: f64| dot(at, middle) > angle_deg.to_radians().cos();
    let reach = RADIUS_DEG + PIXEL_RADIUS_DEG;
    let fields = sky.fields.iter();
    let fields = fields.filter(|field| near(field.middle.vector(), FIELD_RADIUS_DEG + reach));
    let visits = fields.flat_map(|field| field.visits(sky.seed));
    let mut visits: Vec<Visit> = visits.filter(|visit| near(visit.pointing.axis, reach)).collect();
    visits.sort_unstable_by(|a, b| a.midpoint_mjd.total_cmp(&b.midpoint_mjd).then(a.id.cmp(&b.id)));
    visits
}

/// The fields whose first part a pixel of the generator is: each field has one such.
pub(super) fn field_of_first(sky: &Sky, pixel: Pixel) -> Option<&Field> {
    let parent = pixel.parent()?;
    let is_first = pixel.index() == parent.index() << 2;
    is_first.then(|| usize::try_from(parent.index()).ok())?.and_then(|at| sky.fields.get(at))
}
