//! Objects of the synthetic sky: places, fluxes, motions, in columns named as LSST names them.

use adql::sky::{Order, Pixel, Position, spatial_index};

use super::column::{Column, Values};
use super::density::{cells, latitude_deg};
use super::random::Random;
use super::visit::{VISITS, Visit, field_of, visit};

/// The photometric bands.
pub(super) const BANDS: [&str; 6] = ["u", "g", "r", "i", "z", "y"];
/// So many of the objects are 0.2 to 3 arcseconds from another.
const PAIRED: f64 = 0.02;
const PAIR_ARCSEC: [f64; 2] = [0.2, 3.0];
/// How often a place near another object is drawn until it is in the same pixel.
const TRIALS: usize = 16;
/// Rows of an object's child table.
pub(super) const SOURCES: [u64; 2] = [2, 5];
const SOURCES_MAX: usize = 5;

/// Zero point of AB magnitudes of fluxes in nJy.
const ZERO_POINT: f64 = 31.4;

/// An object.
#[derive(Debug, Clone)]
pub(super) struct Object {
    pub(super) spatial_index: i64,
    pub(super) id: i64,
    pub(super) ra: f64,
    pub(super) dec: f64,
    /// In each coordinate, as an angle on the sky.
    pub(super) error_deg: [f32; 2],
    pub(super) fluxes: [f32; 6],
    pub(super) flux_errors: [f32; 6],
    u_is_lost: bool,
    extendedness: f32,
    /// Of right ascension (times cos δ) and declination, and the parallax; none if extended.
    motion: Option<[f32; 3]>,
    motion_error: f32,
    reference_band: usize,
    ebv: f32,
    /// The visits that saw it, in time order.
    pub(super) visits: Vec<u16>,
    first_mjd: f64,
    last_mjd: f64,
    is_isolated: bool,
    shape_failed: bool,
    tract: i64,
    patch: i64,
}

#[expect(clippy::cast_possible_truncation, reason = "measurements are stored in single precision")]
pub(super) fn single(value: f64) -> f32 {
    value as f32
}

fn place(cell: i64) -> Option<Position> {
    Some(Pixel::new(Order::MAX, cell.cast_unsigned())?.center())
}

/// The place at an angle and a direction (north through east) from another.
pub(super) fn offset(from: &Position, north_deg: f64, east_deg: f64) -> Option<Position> {
    let dec = from.lat_deg() + north_deg;
    let ra = from.lon_deg() + east_deg / from.lat_deg().to_radians().cos().max(1e-6);
    Position::from_degrees(ra, dec)
}

/// Places in a pixel with their spatial indices: uniform within each cell, a few close pairs.
fn places(pixel: Pixel, count: u64, random: &mut Random) -> Vec<(i64, Position)> {
    let mut sum = 0.0;
    let steps: Vec<(f64, Pixel)> = cells(pixel)
        .filter(|(_, weight)| *weight > 0.0)
        .map(|(cell, weight)| {
            sum += weight;
            (sum, cell)
        })
        .collect();
    let uniform = |random: &mut Random| {
        let drawn = random.uniform() * sum;
        let at = steps.partition_point(|(until, _)| *until <= drawn).min(steps.len() - 1);
        let range = steps[at].1.range();
        let index = (range.start + random.below(range.end - range.start)).cast_signed();
        (index, place(index))
    };
    let mut places: Vec<(i64, Position)> = Vec::new();
    for _ in 0..count {
        let paired = random.uniform() < PAIRED;
        let (index, position) = match paired.then(|| beside(pixel, &places, random)).flatten() {
            Some((index, position)) => (index, Some(position)),
            None => uniform(random),
        };
        places.extend(position.map(|position| (index, position)));
    }
    places
}

/// A place near one of these, in the same pixel.
fn beside(
    pixel: Pixel,
    places: &[(i64, Position)],
    random: &mut Random,
) -> Option<(i64, Position)> {
    let range = pixel.range();
    let count = u64::try_from(places.len()).ok().filter(|count| *count > 0)?;
    (0..TRIALS).find_map(|_| {
        let other = usize::try_from(random.below(count)).ok()?;
        let angle = random.between(PAIR_ARCSEC[0], PAIR_ARCSEC[1]) / 3600.0;
        let (sine, cosine) = (std::f64::consts::TAU * random.uniform()).sin_cos();
        let position = offset(&places[other].1, angle * cosine, angle * sine)?;
        let index = spatial_index(position.lon_deg(), position.lat_deg())?;
        range.contains(&index.cast_unsigned()).then_some((index, position))
    })
}

/// The objects of a pixel, sorted along the spatial index.
pub(super) fn objects(pixel: Pixel, count: u64, seed: u64) -> Vec<Object> {
    let mut random = Random::new(seed, &[0, pixel.index()]);
    let places = places(pixel, count, &mut random);
    let first_id = (pixel.index() + 1) << 32;
    let mut objects: Vec<Object> = (first_id..)
        .zip(places)
        .map(|(id, (index, position))| {
            object(seed, (id.cast_signed(), index, position), pixel, &mut random)
        })
        .collect();
    objects.sort_by_key(|object| object.spatial_index);
    objects
}

fn object(
    seed: u64,
    (id, spatial_index, position): (i64, i64, Position),
    pixel: Pixel,
    random: &mut Random,
) -> Object {
    let magnitude = (26.5 - 2.0 * random.exponential()).clamp(15.0, 28.0);
    let extended = random.uniform() < ((magnitude - 19.0) / 8.0).clamp(0.05, 0.95);
    let color = 0.6 + 0.4 * random.normal();
    let (mut fluxes, mut flux_errors) = ([0.0; 6], [0.0; 6]);
    for (band, shift) in [-2.0, -1.0, 0.0, 1.0, 2.0, 3.0].into_iter().enumerate() {
        let in_band = magnitude - 0.35 * color * shift + 0.05 * random.normal();
        let flux = 10.0_f64.powf((ZERO_POINT - in_band) / 2.5);
        let sky = 10.0 * (2.0 + 0.5 * shift);
        let error = (0.05 * flux + sky).sqrt() * random.between(0.8, 1.3);
        fluxes[band] = single(flux + error * random.normal());
        flux_errors[band] = single(error);
    }
    let error_arcsec = 0.01 + 0.05 * 10.0_f64.powf(0.2 * (magnitude - 25.0));
    let mut error = || single(error_arcsec * random.between(0.8, 1.2) / 3600.0);
    let error_deg = [error(), error()];
    // Motions have the wide wings of a Cauchy distribution: the ratio of two normal ones.
    let mut motion =
        || (6.0 * random.normal() / random.normal().abs().max(0.02)).clamp(-300.0, 300.0);
    let motion = [motion(), motion()].map(single);
    let parallax = single(0.5 * random.exponential() + 0.3 * random.normal());
    let latitude = latitude_deg(position.vector()).abs();
    let visits = visits(random);
    let field = field_of(pixel);
    let seen: Vec<Visit> = visits.iter().map(|number| visit(seed, field, *number)).collect();
    let band = random.uniform();
    Object {
        spatial_index,
        id,
        ra: position.lon_deg(),
        dec: position.lat_deg(),
        error_deg,
        fluxes,
        flux_errors,
        u_is_lost: random.uniform() < 0.03,
        extendedness: if extended { 1.0 } else { 0.0 },
        motion: (!extended).then_some([motion[0], motion[1], parallax]),
        motion_error: single(20.0 * error_arcsec * random.between(0.8, 1.2)),
        reference_band: [3, 2, 4, 1][[0.7, 0.9, 0.97].iter().filter(|p| band > **p).count()],
        ebv: single(0.01 + 0.3 * (-latitude / 10.0).exp() * random.between(0.5, 1.5)),
        first_mjd: seen.iter().map(|v| v.midpoint_mjd).fold(f64::INFINITY, f64::min),
        last_mjd: seen.iter().map(|v| v.midpoint_mjd).fold(f64::NEG_INFINITY, f64::max),
        visits,
        is_isolated: random.uniform() < 0.6,
        shape_failed: random.uniform() < 0.02,
        tract: field.cast_signed(),
        patch: (spatial_index >> (2 * (Order::MAX.get() - 8))) & 0xff,
    }
}

/// Different visits, in time order.
fn visits(random: &mut Random) -> Vec<u16> {
    let count = SOURCES[0] + random.below(SOURCES[1] - SOURCES[0] + 1);
    let mut visits = Vec::with_capacity(SOURCES_MAX);
    let mut next = random.below(u64::from(VISITS));
    for _ in 0..count {
        // Steps of at most a sixth of all visits: five of them never meet.
        visits.push(u16::try_from(next % u64::from(VISITS)).unwrap_or(0));
        next += 1 + random.below(u64::from(VISITS) / 6);
    }
    visits.sort_unstable();
    visits
}

impl Object {
    pub(super) fn position(&self) -> Option<Position> {
        Position::from_degrees(self.ra, self.dec)
    }

    fn flux(&self, band: usize) -> Option<f32> {
        (band > 0 || !self.u_is_lost).then(|| self.fluxes[band])
    }

    fn flux_error(&self, band: usize) -> Option<f32> {
        (band > 0 || !self.u_is_lost).then(|| self.flux_errors[band])
    }
}

macro_rules! fluxes {
    ($name:literal, $band:expr) => {
        Column::new(
            concat!($name, "_psfFlux"),
            "nJy",
            "phot.flux;em.opt",
            concat!("flux of a point source in ", $name),
            Values::Float(|o: &Object| o.flux($band)),
        )
    };
    ($name:literal, $band:expr, error) => {
        Column::new(
            concat!($name, "_psfFluxErr"),
            "nJy",
            "stat.error;phot.flux;em.opt",
            concat!("error of ", $name, "_psfFlux"),
            Values::Float(|o: &Object| o.flux_error($band)),
        )
    };
}

/// The columns of the table; the first 25 are the spatial index and what benchmarks use.
pub(super) static COLUMNS: [Column<Object>; 34] = [
    Column::new(
        crate::SPATIAL_INDEX,
        "",
        "pos.healpix",
        "HEALPix index (NESTED, order 29) of the position",
        Values::Long(|o: &Object| o.spatial_index),
    ),
    Column::new(
        "objectId",
        "",
        "meta.id;src;meta.main",
        "unique id",
        Values::Long(|o: &Object| o.id),
    )
    .principal()
    .indexed(),
    Column::new(
        "ra",
        "deg",
        "pos.eq.ra;meta.main",
        "right ascension (ICRS)",
        Values::Double(|o: &Object| o.ra),
    )
    .principal()
    .indexed(),
    Column::new(
        "dec",
        "deg",
        "pos.eq.dec;meta.main",
        "declination (ICRS)",
        Values::Double(|o: &Object| o.dec),
    )
    .principal()
    .indexed(),
    Column::new(
        "raErr",
        "deg",
        "stat.error;pos.eq.ra",
        "error of ra, times cos(dec)",
        Values::Float(|o: &Object| Some(o.error_deg[0])),
    ),
    Column::new(
        "decErr",
        "deg",
        "stat.error;pos.eq.dec",
        "error of dec",
        Values::Float(|o: &Object| Some(o.error_deg[1])),
    ),
    fluxes!("u", 0),
    fluxes!("u", 0, error),
    fluxes!("g", 1).principal(),
    fluxes!("g", 1, error),
    fluxes!("r", 2).principal(),
    fluxes!("r", 2, error),
    fluxes!("i", 3).principal(),
    fluxes!("i", 3, error),
    fluxes!("z", 4),
    fluxes!("z", 4, error),
    fluxes!("y", 5),
    fluxes!("y", 5, error),
    Column::new(
        "pmRa",
        "mas/yr",
        "pos.pm;pos.eq.ra",
        "proper motion in ra, times cos(dec); NULL if extended",
        Values::Float(|o: &Object| o.motion.map(|m| m[0])),
    ),
    Column::new(
        "pmDec",
        "mas/yr",
        "pos.pm;pos.eq.dec",
        "proper motion in dec; NULL if extended",
        Values::Float(|o: &Object| o.motion.map(|m| m[1])),
    ),
    Column::new(
        "parallax",
        "mas",
        "pos.parallax",
        "parallax; NULL if extended",
        Values::Float(|o: &Object| o.motion.map(|m| m[2])),
    ),
    Column::new(
        "refExtendedness",
        "",
        "src.class.starGalaxy",
        "1 if extended, 0 if a point source, in the reference band",
        Values::Float(|o: &Object| Some(o.extendedness)),
    )
    .principal(),
    Column::new(
        "refBand",
        "",
        "meta.id;instr.filter",
        "band in which shapes were measured",
        Values::Text(|o: &Object| BANDS[o.reference_band]),
    )
    .principal(),
    Column::new(
        "nSources",
        "",
        "meta.number;obs",
        "number of its rows in demo.source",
        Values::Int(|o: &Object| i32::try_from(o.visits.len()).unwrap_or(i32::MAX)),
    )
    .principal(),
    Column::new(
        "ebv",
        "mag",
        "phot.color.excess",
        "reddening by dust at the position",
        Values::Float(|o: &Object| Some(o.ebv)),
    ),
    Column::new(
        "pmRaErr",
        "mas/yr",
        "stat.error;pos.pm;pos.eq.ra",
        "error of pmRa",
        Values::Float(|o: &Object| o.motion.map(|_| o.motion_error)),
    ),
    Column::new(
        "pmDecErr",
        "mas/yr",
        "stat.error;pos.pm;pos.eq.dec",
        "error of pmDec",
        Values::Float(|o: &Object| o.motion.map(|_| o.motion_error)),
    ),
    Column::new(
        "parallaxErr",
        "mas",
        "stat.error;pos.parallax",
        "error of parallax",
        Values::Float(|o: &Object| o.motion.map(|_| o.motion_error)),
    ),
    Column::new(
        "detect_isIsolated",
        "",
        "meta.code",
        "whether it was detected apart from others",
        Values::Flag(|o: &Object| o.is_isolated),
    ),
    Column::new(
        "shape_flag",
        "",
        "meta.code.error",
        "whether its shape could not be measured",
        Values::Flag(|o: &Object| o.shape_failed),
    ),
    Column::new(
        "tract",
        "",
        "meta.id;pos",
        "part of the sky: a HEALPix pixel of order 4",
        Values::Long(|o: &Object| o.tract),
    ),
    Column::new(
        "patch",
        "",
        "meta.id;pos",
        "part of the tract: one of its 256 pixels of order 8",
        Values::Long(|o: &Object| o.patch),
    ),
    Column::new(
        "firstMjd",
        "d",
        "time.epoch;stat.min",
        "midpoint of the first visit that saw it (MJD, TAI)",
        Values::Time(|o: &Object| Some(o.first_mjd)),
    ),
    Column::new(
        "lastMjd",
        "d",
        "time.epoch;stat.max",
        "midpoint of the last visit that saw it (MJD, TAI)",
        Values::Time(|o: &Object| Some(o.last_mjd)),
    ),
];

/// Columns of few different values.
pub(super) const FEW_VALUES: [&str; 3] = ["tract", "patch", "nSources"];
