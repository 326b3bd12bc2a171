//! Objects of the demo: places, fluxes, motions, in columns named as LSST names such things.

use std::sync::LazyLock;

use adql::sky::Pixel;

use super::visit::{VISITS, Visit, field_of, visit};
use crate::synthetic::Sky;
use crate::synthetic::column::Column;
use crate::synthetic::object::{self, BANDS, single};
use crate::synthetic::random::{Random, noise};

/// Rows of an object's child table.
pub(super) const SOURCES: [u64; 2] = [2, 5];
const SOURCES_MAX: usize = 5;

/// An object with the visits that the demo tells of.
#[derive(Debug, Clone)]
pub(in crate::synthetic) struct Object {
    pub(super) it: object::Object,
    /// The visits that saw it, in time order.
    pub(super) visits: Vec<u16>,
    first_mjd: f64,
    last_mjd: f64,
}

/// The objects of a pixel, sorted along the spatial index.
pub(in crate::synthetic) fn objects(sky: &Sky, pixel: Pixel, rows: &mut Vec<Object>) {
    let mut random = Random::new(sky.seed, &[3, pixel.index()]);
    let field = field_of(pixel);
    let objects = object::objects(sky, pixel).into_iter().map(|it| {
        let visits = visits(&mut random);
        let seen: Vec<Visit> =
            visits.iter().map(|number| visit(sky.seed, field, *number)).collect();
        let first_mjd = seen.iter().map(|v| v.midpoint_mjd).fold(f64::INFINITY, f64::min);
        let last_mjd = seen.iter().map(|v| v.midpoint_mjd).fold(f64::NEG_INFINITY, f64::max);
        Object { it, visits, first_mjd, last_mjd }
    });
    rows.extend(objects);
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
    pub(super) fn flux(&self, band: usize) -> Option<f32> {
        let (mean, error) = (self.it.fluxes[band], self.it.flux_error(band));
        let flux = mean + error * noise(self.it.key, 100 + u64::try_from(band).unwrap_or(0));
        self.is_measured(band).then(|| single(flux))
    }

    fn flux_error(&self, band: usize) -> Option<f32> {
        self.is_measured(band).then(|| single(self.it.flux_error(band)))
    }

    /// Only in u some are lost.
    fn is_measured(&self, band: usize) -> bool {
        band > 0 || !self.it.is_lost(band)
    }

    fn motion(&self, axis: usize) -> Option<f32> {
        self.it.motion().map(|motion| single(motion[axis]))
    }

    fn motion_error(&self) -> Option<f32> {
        (!self.it.extended).then(|| single(20.0 * 3600.0 * self.it.error_deg()[0]))
    }
}

macro_rules! fluxes {
    ($name:literal, $band:expr) => {
        Column::float(
            concat!($name, "_psfFlux"),
            "nJy",
            "phot.flux;em.opt",
            concat!("flux of a point source in ", $name),
            |o: &Object| o.flux($band),
        )
    };
    ($name:literal, $band:expr, error) => {
        Column::float(
            concat!($name, "_psfFluxErr"),
            "nJy",
            "stat.error;phot.flux;em.opt",
            concat!("error of ", $name, "_psfFlux"),
            |o: &Object| o.flux_error($band),
        )
    };
}

/// The columns of the table.
pub(in crate::synthetic) static COLUMNS: LazyLock<Vec<Column<Object>>> = LazyLock::new(|| {
    let mut columns = basic();
    columns.extend(more());
    columns
});

/// The spatial index and the columns that a first look wants.
#[expect(clippy::too_many_lines, reason = "a list of columns")]
fn basic() -> Vec<Column<Object>> {
    vec![
        Column::long(
            crate::SPATIAL_INDEX,
            "",
            "pos.healpix",
            "HEALPix index (NESTED, order 29) of the position",
            |o: &Object| o.it.spatial_index,
        ),
        Column::long("objectId", "", "meta.id;src;meta.main", "unique id", |o: &Object| o.it.id)
            .principal()
            .indexed(),
        Column::double(
            "ra",
            "deg",
            "pos.eq.ra;meta.main",
            "right ascension (ICRS)",
            |o: &Object| o.it.ra,
        )
        .principal()
        .indexed(),
        Column::double("dec", "deg", "pos.eq.dec;meta.main", "declination (ICRS)", |o: &Object| {
            o.it.dec
        })
        .principal()
        .indexed(),
        Column::float(
            "raErr",
            "deg",
            "stat.error;pos.eq.ra",
            "error of ra, times cos(dec)",
            |o: &Object| Some(single(o.it.error_deg()[0])),
        ),
        Column::float("decErr", "deg", "stat.error;pos.eq.dec", "error of dec", |o: &Object| {
            Some(single(o.it.error_deg()[1]))
        }),
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
        Column::float(
            "pmRa",
            "mas/yr",
            "pos.pm;pos.eq.ra",
            "proper motion in ra, times cos(dec); NULL if extended",
            |o: &Object| o.motion(0),
        ),
        Column::float(
            "pmDec",
            "mas/yr",
            "pos.pm;pos.eq.dec",
            "proper motion in dec; NULL if extended",
            |o: &Object| o.motion(1),
        ),
        Column::float(
            "parallax",
            "mas",
            "pos.parallax",
            "parallax; NULL if extended",
            |o: &Object| o.it.parallax().map(single),
        ),
        Column::float(
            "refExtendedness",
            "",
            "src.class.starGalaxy",
            "1 if extended, 0 if a point source, in the reference band",
            |o: &Object| Some(f32::from(u8::from(o.it.extended))),
        )
        .principal(),
        Column::text(
            "refBand",
            "",
            "meta.id;instr.filter",
            "band in which shapes were measured",
            |o: &Object| BANDS[o.it.reference_band()],
        )
        .principal(),
        Column::int(
            "nSources",
            "",
            "meta.number;obs",
            "number of its rows in demo.source",
            |o: &Object| i32::try_from(o.visits.len()).unwrap_or(i32::MAX),
        )
        .principal(),
        Column::float(
            "ebv",
            "mag",
            "phot.color.excess",
            "reddening by dust at the position",
            |o: &Object| Some(single(o.it.ebv())),
        ),
    ]
}

fn more() -> Vec<Column<Object>> {
    vec![
        Column::float(
            "pmRaErr",
            "mas/yr",
            "stat.error;pos.pm;pos.eq.ra",
            "error of pmRa",
            |o: &Object| o.motion_error(),
        ),
        Column::float(
            "pmDecErr",
            "mas/yr",
            "stat.error;pos.pm;pos.eq.dec",
            "error of pmDec",
            |o: &Object| o.motion_error(),
        ),
        Column::float(
            "parallaxErr",
            "mas",
            "stat.error;pos.parallax",
            "error of parallax",
            |o: &Object| o.motion_error(),
        ),
        Column::flag(
            "detect_isIsolated",
            "",
            "meta.code",
            "whether it was detected apart from others",
            |o: &Object| o.it.is_isolated(),
        ),
        Column::flag(
            "shape_flag",
            "",
            "meta.code.error",
            "whether its shape could not be measured",
            |o: &Object| o.it.shape_failed(),
        ),
        Column::long(
            "tract",
            "",
            "meta.id;pos",
            "part of the sky: a HEALPix pixel of order 4",
            |o: &Object| o.it.tract(),
        ),
        Column::long(
            "patch",
            "",
            "meta.id;pos",
            "part of the tract: one of its 256 pixels of order 8",
            |o: &Object| o.it.patch(),
        ),
        Column::double_or_null(
            "firstMjd",
            "d",
            "time.epoch;stat.min",
            "midpoint of the first visit that saw it (MJD, TAI)",
            |o: &Object| Some(o.first_mjd),
        ),
        Column::double_or_null(
            "lastMjd",
            "d",
            "time.epoch;stat.max",
            "midpoint of the last visit that saw it (MJD, TAI)",
            |o: &Object| Some(o.last_mjd),
        ),
    ]
}

/// Columns of few different values.
pub(in crate::synthetic) const FEW_VALUES: [&str; 3] = ["tract", "patch", "nSources"];
