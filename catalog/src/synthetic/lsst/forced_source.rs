//! Forced sources: what each visit measures at the place of each object that falls on a detector.

use std::sync::LazyLock;

use adql::sky::Pixel;

use super::drawn::{Keyed, flag, pixel_flags};
use crate::SPATIAL_INDEX;
use crate::synthetic::Sky;
use crate::synthetic::column::Column;
use crate::synthetic::exposure::{Exposure, exposures};
use crate::synthetic::object::{BANDS, objects};
use crate::synthetic::visit::visits_near;

impl Keyed for Exposure {
    fn key(&self) -> u64 {
        self.key
    }
}

/// The rows of a pixel.
pub(super) fn rows(sky: &Sky, pixel: Pixel, rows: &mut Vec<Exposure>) {
    let objects = objects(sky, pixel);
    if objects.is_empty() {
        return;
    }
    let visits = visits_near(sky, pixel);
    for object in objects {
        rows.extend(exposures(object, &visits));
    }
}

/// The columns of the table: those of the public schema in its order.
pub(super) static COLUMNS: LazyLock<Vec<Column<Exposure>>> = LazyLock::new(|| {
    let mut columns = vec![Column::long(
        SPATIAL_INDEX,
        "",
        "pos.healpix",
        "HEALPix index (NESTED, order 29) of the position of its object",
        |r: &Exposure| r.object.spatial_index,
    )];
    columns.extend(measured());
    columns.extend(placed());
    columns
});

#[expect(clippy::too_many_lines, reason = "a list of columns")]
fn measured() -> Vec<Column<Exposure>> {
    vec![
        Column::long("objectId", "", "", "id of its object", |r: &Exposure| r.object.id)
            .principal()
            .indexed(),
        Column::long(
            "parentObjectId",
            "",
            "",
            "id of the object that its object was parted from; 0 if none",
            |_: &Exposure| 0,
        ),
        Column::double(
            "coord_ra",
            "deg",
            "pos.eq.ra;meta.main",
            "right ascension of its object (ICRS)",
            |r: &Exposure| r.object.ra,
        )
        .indexed(),
        Column::double(
            "coord_dec",
            "deg",
            "pos.eq.dec;meta.main",
            "declination of its object (ICRS)",
            |r: &Exposure| r.object.dec,
        )
        .indexed(),
        Column::long("visit", "", "meta.id;obs.image", "id of the visit", |r: &Exposure| {
            r.visit.id
        })
        .principal(),
        Column::long(
            "detector",
            "",
            "meta.id;obs.image",
            "number of the detector",
            |r: &Exposure| i64::from(r.spot.detector),
        )
        .principal(),
        Column::text("band", "", "", "band of the visit", |r: &Exposure| BANDS[r.visit.band])
            .principal(),
        Column::float(
            "psfFlux",
            "nJy",
            "",
            "flux of a point source in the image",
            |r: &Exposure| r.flux(),
        )
        .principal(),
        Column::float("psfFluxErr", "nJy", "", "error of psfFlux", |r: &Exposure| {
            r.flux().map(|_| r.flux_error)
        })
        .principal(),
        Column::flag(
            "psfFlux_flag",
            "",
            "",
            "whether psfFlux could not be measured",
            |r: &Exposure| !r.is_measured,
        ),
        Column::float(
            "psfDiffFlux",
            "nJy",
            "",
            "flux of a point source in the difference image",
            |r: &Exposure| r.difference(),
        )
        .principal(),
        Column::float("psfDiffFluxErr", "nJy", "", "error of psfDiffFlux", |r: &Exposure| {
            r.difference().map(|_| r.difference_error)
        })
        .principal(),
        Column::flag(
            "psfDiffFlux_flag",
            "",
            "",
            "whether psfDiffFlux could not be measured",
            |r: &Exposure| !r.is_measured,
        ),
        flag(
            "diff_PixelFlags_nodataCenter",
            5,
            "whether the difference image has a pixel without data in the middle",
        ),
    ]
}

/// The quality of its pixels, and where in the survey it is.
fn placed() -> Vec<Column<Exposure>> {
    let mut columns = pixel_flags(&[
        "bad",
        "cr",
        "crCenter",
        "edge",
        "interpolated",
        "interpolatedCenter",
        "nodata",
        "saturated",
        "saturatedCenter",
        "suspect",
        "suspectCenter",
    ]);
    columns.extend([
        flag("invalidPsfFlag", 5, "whether the PSF is invalid there"),
        Column::long(
            "tract",
            "",
            "",
            "part of the sky: a HEALPix pixel of order 4",
            |r: &Exposure| r.object.tract(),
        ),
        Column::long(
            "patch",
            "",
            "",
            "part of the tract: one of its 256 pixels of order 8",
            |r: &Exposure| r.object.patch(),
        ),
    ]);
    columns
}
