//! Visits: images by the whole camera.

use std::sync::LazyLock;

use adql::sky::Pixel;

use super::FILTERS;
use super::drawn::Keyed;
use crate::SPATIAL_INDEX;
use crate::synthetic::Sky;
use crate::synthetic::column::Column;
use crate::synthetic::object::BANDS;
use crate::synthetic::random::chance;
use crate::synthetic::visit::{EXPOSURE_SECONDS, Visit, field_of_first, microseconds};

impl Keyed for Visit {
    fn key(&self) -> u64 {
        self.key
    }
}

impl Visit {
    /// By the airmass of a flat atmosphere.
    pub(super) fn zenith_distance_deg(&self) -> f64 {
        (1.0 / self.airmass).acos().to_degrees()
    }

    fn azimuth_deg(&self) -> f64 {
        360.0 * chance(self.key, 10)
    }
}

/// The visits of the field of which a pixel is the first.
pub(super) fn rows(sky: &Sky, pixel: Pixel, rows: &mut Vec<Visit>) {
    let field = field_of_first(sky, pixel);
    rows.extend(field.into_iter().flat_map(|field| field.visits(sky.seed)));
}

/// The columns of the table: those of the public schema in its order.
pub(super) static COLUMNS: LazyLock<Vec<Column<Visit>>> = LazyLock::new(|| {
    vec![
        Column::long(
            SPATIAL_INDEX,
            "",
            "pos.healpix",
            "HEALPix index (NESTED, order 29) of the axis",
            |r: &Visit| r.spatial_index,
        ),
        Column::long("visit", "", "meta.id;obs.image", "unique id", |r: &Visit| r.id)
            .principal()
            .indexed(),
        Column::text("physical_filter", "", "", "name of the filter", |r: &Visit| FILTERS[r.band]),
        Column::text("band", "", "", "band", |r: &Visit| BANDS[r.band]).principal(),
        Column::double("ra", "deg", "", "right ascension of the axis (ICRS)", |r: &Visit| r.ra)
            .principal()
            .indexed(),
        Column::double("dec", "deg", "", "declination of the axis (ICRS)", |r: &Visit| r.dec)
            .principal()
            .indexed(),
        Column::double(
            "skyRotation",
            "deg",
            "",
            "by how much the camera is turned, from north through east",
            |r: &Visit| r.rotation_deg,
        )
        .principal(),
        Column::double("azimuth", "deg", "", "azimuth of the axis", |r: &Visit| r.azimuth_deg()),
        Column::double("altitude", "deg", "", "altitude of the axis", |r: &Visit| {
            90.0 - r.zenith_distance_deg()
        }),
        Column::double(
            "zenithDistance",
            "deg",
            "",
            "distance of the axis from the zenith",
            |r: &Visit| r.zenith_distance_deg(),
        ),
        Column::double("airmass", "", "", "airmass", |r: &Visit| r.airmass).principal(),
        Column::double("expTime", "s", "", "time of exposure", |_: &Visit| EXPOSURE_SECONDS)
            .principal(),
        Column::time("expMidpt", "", "", "midpoint of the exposure (TAI)", |r: &Visit| {
            microseconds(r.midpoint_mjd)
        }),
        Column::double(
            "expMidptMJD",
            "d",
            "time.epoch;obs.exposure",
            "midpoint of the exposure (MJD, TAI)",
            |r: &Visit| r.midpoint_mjd,
        )
        .principal(),
        Column::time("obsStart", "", "", "begin of the exposure (TAI)", |r: &Visit| {
            microseconds(r.start_mjd())
        }),
        Column::double(
            "obsStartMJD",
            "d",
            "time.start;obs.exposure",
            "begin of the exposure (MJD, TAI)",
            |r: &Visit| r.start_mjd(),
        ),
    ]
});
