//! When the demo's survey looked where: visits of fields, each in one band.

use adql::sky::Pixel;

use crate::synthetic::random::Random;

/// Visits of each field.
pub(super) const VISITS: u16 = 60;
/// The first night, as MJD.
const FIRST_NIGHT_MJD: f64 = 61_000.0;
/// Nights of the survey.
const NIGHTS: f64 = 730.0;
/// Observing begins and ends at these parts of a day.
const NIGHT: [f64; 2] = [0.0, 0.4];

/// An image of a field.
#[derive(Debug, Clone, Copy)]
pub(super) struct Visit {
    pub(super) id: i64,
    pub(super) midpoint_mjd: f64,
    /// Number of its band.
    pub(super) band: usize,
}

/// The field of a pixel of the generator: four such pixels, 13 square degrees.
pub(super) fn field_of(pixel: Pixel) -> u64 {
    pixel.index() >> 2
}

/// A visit of a field; a higher number is a later one.
pub(super) fn visit(seed: u64, field: u64, number: u16) -> Visit {
    let mut random = Random::new(seed, &[1, field, u64::from(number)]);
    let night = (f64::from(number) + random.uniform()) * NIGHTS / f64::from(VISITS);
    // More in r and i than in u and y.
    let band = [0.06, 0.16, 0.4, 0.64, 0.84];
    let drawn = random.uniform();
    Visit {
        id: i64::try_from(field).unwrap_or(0) * 1_000 + i64::from(number),
        midpoint_mjd: FIRST_NIGHT_MJD + night.floor() + random.between(NIGHT[0], NIGHT[1]),
        band: band.iter().filter(|until| drawn >= **until).count(),
    }
}
