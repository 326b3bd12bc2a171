//! Sources: what single visits saw of objects, tiled by the position of their object.

use std::sync::LazyLock;

use adql::sky::{Angle, Pixel};

use super::object::{SOURCES, objects};
use super::visit::{field_of, visit};
use crate::synthetic::Sky;
use crate::synthetic::column::Column;
use crate::synthetic::object::{BANDS, single};
use crate::synthetic::place::offset;
use crate::synthetic::random::Random;

/// Detectors of the camera.
const DETECTORS: u64 = 189;

/// A detection of an object.
#[derive(Debug, Clone)]
pub(in crate::synthetic) struct Source {
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
    off: Angle,
}

/// How many sources so many objects have, more or less.
pub(in crate::synthetic) fn expected(objects: u64) -> u64 {
    objects.saturating_mul(SOURCES[0] + SOURCES[1]) / 2
}

/// The sources of the objects of a pixel, in the order of those.
pub(in crate::synthetic) fn sources(sky: &Sky, pixel: Pixel, rows: &mut Vec<Source>) {
    let mut random = Random::new(sky.seed, &[2, pixel.index()]);
    let field = field_of(pixel);
    let mut found = Vec::new();
    objects(sky, pixel, &mut found);
    let mut id = ((pixel.index() + 1) << 36).cast_signed();
    for object in found {
        let it = &object.it;
        let curve = it.light_curve();
        for number in &object.visits {
            let seen = visit(sky.seed, field, *number);
            // One image is worse than all of them together.
            let error_deg = it.error_deg().map(|error| 2.0 * error);
            let [east, north] = error_deg.map(|error| error * random.normal());
            let position = offset(&it.position, north, east).unwrap_or(it.position);
            let flux_error = 2.0 * it.flux_error(seen.band);
            let bright = curve.map_or(1.0, |curve| curve.brightness(seen.midpoint_mjd));
            let flux = it.fluxes[seen.band] * bright + flux_error * random.normal();
            let detector = i32::try_from(random.below(DETECTORS)).unwrap_or(0);
            rows.push(Source {
                spatial_index: it.spatial_index,
                id,
                object: it.id,
                visit: seen.id,
                detector,
                band: seen.band,
                midpoint_mjd: seen.midpoint_mjd,
                ra: position.lon_deg(),
                dec: position.lat_deg(),
                error_deg: error_deg.map(single),
                flux: (random.uniform() >= 0.01).then(|| single(flux)),
                flux_error: single(flux_error),
                object_ra: it.ra,
                object_dec: it.dec,
                off: it.position.distance(&position),
            });
            id += 1;
        }
    }
}

impl Source {
    /// How far it is from the place by which it is tiled.
    pub(in crate::synthetic) fn slack(&self) -> Angle {
        self.off
    }
}

/// The columns of the table.
pub(in crate::synthetic) static COLUMNS: LazyLock<Vec<Column<Source>>> = LazyLock::new(|| {
    let mut columns = seen();
    columns.extend(measured());
    columns
});

/// Which, where and when.
fn seen() -> Vec<Column<Source>> {
    vec![
        Column::long(
            crate::SPATIAL_INDEX,
            "",
            "pos.healpix",
            "HEALPix index (NESTED, order 29) of the position of its object",
            |s: &Source| s.spatial_index,
        ),
        Column::long("sourceId", "", "meta.id;src;meta.main", "unique id", |s: &Source| s.id)
            .principal()
            .indexed(),
        Column::long("objectId", "", "meta.id;src", "id of its object", |s: &Source| s.object)
            .principal()
            .indexed(),
        Column::double(
            "ra",
            "deg",
            "pos.eq.ra;meta.main",
            "right ascension in this visit (ICRS)",
            |s: &Source| s.ra,
        )
        .principal()
        .indexed(),
        Column::double(
            "dec",
            "deg",
            "pos.eq.dec;meta.main",
            "declination in this visit (ICRS)",
            |s: &Source| s.dec,
        )
        .principal()
        .indexed(),
        Column::float(
            "raErr",
            "deg",
            "stat.error;pos.eq.ra",
            "error of ra, times cos(dec)",
            |s: &Source| Some(s.error_deg[0]),
        ),
        Column::float("decErr", "deg", "stat.error;pos.eq.dec", "error of dec", |s: &Source| {
            Some(s.error_deg[1])
        }),
        Column::double(
            "midpointMjdTai",
            "d",
            "time.epoch;obs.exposure",
            "midpoint of the visit (MJD, TAI)",
            |s: &Source| s.midpoint_mjd,
        )
        .principal(),
    ]
}

fn measured() -> Vec<Column<Source>> {
    vec![
        Column::text("band", "", "meta.id;instr.filter", "band of the visit", |s: &Source| {
            BANDS[s.band]
        })
        .principal(),
        Column::float(
            "psfFlux",
            "nJy",
            "phot.flux;em.opt",
            "flux of a point source; NULL if it could not be measured",
            |s: &Source| s.flux,
        )
        .principal(),
        Column::float(
            "psfFluxErr",
            "nJy",
            "stat.error;phot.flux;em.opt",
            "error of psfFlux",
            |s: &Source| s.flux.map(|_| s.flux_error),
        )
        .principal(),
        Column::float(
            "snr",
            "",
            "stat.snr;phot.flux;em.opt",
            "psfFlux over psfFluxErr",
            |s: &Source| s.flux.map(|flux| flux / s.flux_error),
        ),
        Column::flag(
            "psfFlux_flag",
            "",
            "meta.code.error",
            "whether psfFlux could not be measured",
            |s: &Source| s.flux.is_none(),
        ),
        Column::long("visit", "", "meta.id;obs.image", "id of the visit", |s: &Source| s.visit)
            .principal(),
        Column::int(
            "detector",
            "",
            "meta.id;instr.det",
            "number of the detector in the camera",
            |s: &Source| s.detector,
        ),
        Column::double(
            "objectRa",
            "deg",
            "pos.eq.ra",
            "right ascension of its object (ICRS)",
            |s: &Source| s.object_ra,
        ),
        Column::double(
            "objectDec",
            "deg",
            "pos.eq.dec",
            "declination of its object (ICRS)",
            |s: &Source| s.object_dec,
        ),
    ]
}

/// Columns of few different values.
pub(in crate::synthetic) const FEW_VALUES: [&str; 2] = ["visit", "detector"];
