//! Sources: what single visits saw of objects, tiled by the position of their object.

use adql::sky::{Angle, Pixel};

use super::column::{Column, Values};
use super::object::{BANDS, Object, SOURCES, offset, single};
use super::random::Random;
use super::visit::{field_of, visit};

/// Detectors of the camera.
const DETECTORS: u64 = 189;

/// A detection of an object.
#[derive(Debug, Clone)]
pub(super) struct Source {
    /// That of the object.
    spatial_index: i64,
    id: i64,
    object: i64,
    visit: i64,
    detector: i32,
    band: usize,
    midpoint_mjd: f64,
    ra: f64,
    dec: f64,
    error_deg: [f32; 2],
    /// None where the measurement failed.
    flux: Option<f32>,
    flux_error: f32,
    object_ra: f64,
    object_dec: f64,
}

/// How many sources so many objects have, more or less.
pub(super) fn expected(objects: u64) -> u64 {
    objects.saturating_mul(SOURCES[0] + SOURCES[1]) / 2
}

/// The sources of the objects of a pixel, in the order of those; the largest angle between one and
/// its object.
pub(super) fn sources(pixel: Pixel, objects: &[Object], seed: u64) -> (Vec<Source>, Angle) {
    let mut random = Random::new(seed, &[2, pixel.index()]);
    let field = field_of(pixel);
    let mut slack = Angle::ZERO;
    let mut sources = Vec::new();
    let mut id = ((pixel.index() + 1) << 36).cast_signed();
    for object in objects {
        let Some(place) = object.position() else { continue };
        // Some objects vary.
        let amplitude = if random.uniform() < 0.05 { random.between(0.1, 0.6) } else { 0.0 };
        for number in &object.visits {
            let seen = visit(seed, field, *number);
            // One image is worse than all of them together.
            let error_deg = object.error_deg.map(|error| 2.0 * error);
            let [east, north] = error_deg.map(|error| f64::from(error) * random.normal());
            let position = offset(&place, north, east).unwrap_or(place);
            let angle = place.distance(&position);
            if angle > slack {
                slack = angle;
            }
            let flux_error = 2.0 * f64::from(object.flux_errors[seen.band]);
            let bright = 1.0 + amplitude * (seen.midpoint_mjd * 0.7).sin();
            let flux = f64::from(object.fluxes[seen.band]) * bright + flux_error * random.normal();
            let detector = i32::try_from(random.below(DETECTORS)).unwrap_or(0);
            sources.push(Source {
                spatial_index: object.spatial_index,
                id,
                object: object.id,
                visit: seen.id,
                detector,
                band: seen.band,
                midpoint_mjd: seen.midpoint_mjd,
                ra: position.lon_deg(),
                dec: position.lat_deg(),
                error_deg,
                flux: (random.uniform() >= 0.01).then(|| single(flux)),
                flux_error: single(flux_error),
                object_ra: object.ra,
                object_dec: object.dec,
            });
            id += 1;
        }
    }
    (sources, slack)
}

/// The columns of the table.
pub(super) static COLUMNS: [Column<Source>; 17] = [
    Column::new(
        crate::SPATIAL_INDEX,
        "",
        "pos.healpix",
        "HEALPix index (NESTED, order 29) of the position of its object",
        Values::Long(|s: &Source| s.spatial_index),
    ),
    Column::new(
        "sourceId",
        "",
        "meta.id;src;meta.main",
        "unique id",
        Values::Long(|s: &Source| s.id),
    )
    .principal()
    .indexed(),
    Column::new(
        "objectId",
        "",
        "meta.id;src",
        "id of its object",
        Values::Long(|s: &Source| s.object),
    )
    .principal()
    .indexed(),
    Column::new(
        "ra",
        "deg",
        "pos.eq.ra;meta.main",
        "right ascension in this visit (ICRS)",
        Values::Double(|s: &Source| s.ra),
    )
    .principal()
    .indexed(),
    Column::new(
        "dec",
        "deg",
        "pos.eq.dec;meta.main",
        "declination in this visit (ICRS)",
        Values::Double(|s: &Source| s.dec),
    )
    .principal()
    .indexed(),
    Column::new(
        "raErr",
        "deg",
        "stat.error;pos.eq.ra",
        "error of ra, times cos(dec)",
        Values::Float(|s: &Source| Some(s.error_deg[0])),
    ),
    Column::new(
        "decErr",
        "deg",
        "stat.error;pos.eq.dec",
        "error of dec",
        Values::Float(|s: &Source| Some(s.error_deg[1])),
    ),
    Column::new(
        "midpointMjdTai",
        "d",
        "time.epoch;obs.exposure",
        "midpoint of the visit (MJD, TAI)",
        Values::Double(|s: &Source| s.midpoint_mjd),
    )
    .principal(),
    Column::new(
        "band",
        "",
        "meta.id;instr.filter",
        "band of the visit",
        Values::Text(|s: &Source| BANDS[s.band]),
    )
    .principal(),
    Column::new(
        "psfFlux",
        "nJy",
        "phot.flux;em.opt",
        "flux of a point source; NULL if it could not be measured",
        Values::Float(|s: &Source| s.flux),
    )
    .principal(),
    Column::new(
        "psfFluxErr",
        "nJy",
        "stat.error;phot.flux;em.opt",
        "error of psfFlux",
        Values::Float(|s: &Source| s.flux.map(|_| s.flux_error)),
    )
    .principal(),
    Column::new(
        "snr",
        "",
        "stat.snr;phot.flux;em.opt",
        "psfFlux over psfFluxErr",
        Values::Float(|s: &Source| s.flux.map(|flux| flux / s.flux_error)),
    ),
    Column::new(
        "psfFlux_flag",
        "",
        "meta.code.error",
        "whether psfFlux could not be measured",
        Values::Flag(|s: &Source| s.flux.is_none()),
    ),
    Column::new(
        "visit",
        "",
        "meta.id;obs.image",
        "id of the visit",
        Values::Long(|s: &Source| s.visit),
    )
    .principal(),
    Column::new(
        "detector",
        "",
        "meta.id;instr.det",
        "number of the detector in the camera",
        Values::Int(|s: &Source| s.detector),
    ),
    Column::new(
        "objectRa",
        "deg",
        "pos.eq.ra",
        "right ascension of its object (ICRS)",
        Values::Double(|s: &Source| s.object_ra),
    ),
    Column::new(
        "objectDec",
        "deg",
        "pos.eq.dec",
        "declination of its object (ICRS)",
        Values::Double(|s: &Source| s.object_dec),
    ),
];

/// Columns of few different values.
pub(super) const FEW_VALUES: [&str; 2] = ["visit", "detector"];
