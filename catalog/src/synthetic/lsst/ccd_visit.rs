//! Images by single detectors, with their corners: the very detectors on which objects fall.

use std::sync::LazyLock;

use adql::sky::{Pixel, Position, spatial_index};

use super::FILTERS;
use super::drawn::{Keyed, double, float, int};
use crate::SPATIAL_INDEX;
use crate::synthetic::Sky;
use crate::synthetic::camera::{DETECTORS, PIXEL_ARCSEC};
use crate::synthetic::column::Column;
use crate::synthetic::object::{BANDS, single};
use crate::synthetic::random::hash;
use crate::synthetic::visit::{EXPOSURE_SECONDS, Visit, field_of_first, microseconds};

/// A row.
#[derive(Debug, Clone, Copy)]
pub(super) struct CcdVisit {
    visit: Visit,
    detector: i32,
}

impl Keyed for CcdVisit {
    fn key(&self) -> u64 {
        hash(self.visit.key, 1_000 + u64::from(self.detector.unsigned_abs()))
    }
}

impl CcdVisit {
    /// The place at these parts of its sides.
    fn place(&self, x: f64, y: f64) -> Position {
        let axis = || Position::from_degrees(self.visit.ra, self.visit.dec);
        let place = self.visit.pointing.place(self.detector, x, y);
        place.or_else(axis).expect("a visit points somewhere")
    }

    fn middle(&self) -> Position {
        self.place(0.5, 0.5)
    }

    fn spatial_index(&self) -> i64 {
        let middle = self.middle();
        spatial_index(middle.lon_deg(), middle.lat_deg()).unwrap_or(self.visit.spatial_index)
    }
}

/// The images of the field of which a pixel is the first.
pub(super) fn rows(sky: &Sky, pixel: Pixel, rows: &mut Vec<CcdVisit>) {
    let field = field_of_first(sky, pixel);
    for visit in field.into_iter().flat_map(|field| field.visits(sky.seed)) {
        rows.extend((0..DETECTORS).map(|detector| CcdVisit { visit, detector }));
    }
}

/// The columns of the table: those of the public schema in its order.
pub(super) static COLUMNS: LazyLock<Vec<Column<CcdVisit>>> = LazyLock::new(|| {
    let mut columns = vec![Column::long(
        SPATIAL_INDEX,
        "",
        "pos.healpix",
        "HEALPix index (NESTED, order 29) of the middle",
        CcdVisit::spatial_index,
    )];
    columns.extend(quality());
    columns.extend(geometry());
    columns
});

#[expect(clippy::too_many_lines, reason = "a list of columns")]
fn quality() -> Vec<Column<CcdVisit>> {
    vec![
        Column::text("physical_filter", "", "", "name of the filter", |r: &CcdVisit| {
            FILTERS[r.visit.band]
        }),
        Column::text("band", "", "", "band", |r: &CcdVisit| BANDS[r.visit.band]).principal(),
        Column::double(
            "ra",
            "deg",
            "",
            "right ascension of the middle of the detector (ICRS)",
            |r: &CcdVisit| r.middle().lon_deg(),
        )
        .principal()
        .indexed(),
        Column::double(
            "dec",
            "deg",
            "",
            "declination of the middle of the detector (ICRS)",
            |r: &CcdVisit| r.middle().lat_deg(),
        )
        .principal()
        .indexed(),
        Column::float("pixelScale", "arcsec/pixel", "", "size of a pixel", |_: &CcdVisit| {
            Some(single(PIXEL_ARCSEC))
        }),
        Column::float(
            "zenithDistance",
            "deg",
            "",
            "distance of the axis from the zenith",
            |r: &CcdVisit| Some(single(r.visit.zenith_distance_deg())),
        )
        .principal(),
        Column::double("expTime", "s", "", "time of exposure", |_: &CcdVisit| EXPOSURE_SECONDS)
            .principal(),
        float("zeroPoint", "mag", [31.5, 0.1], "zero point of the magnitudes"),
        Column::float("psfSigma", "pixel", "", "width of the PSF", |r: &CcdVisit| {
            Some(single(r.visit.seeing_arcsec / 2.355 / PIXEL_ARCSEC))
        })
        .principal(),
        float("skyBg", "adu", [900.0, 120.0], "background"),
        Column::float("skyNoise", "adu", "", "noise of the background", |r: &CcdVisit| {
            Some(single(r.visit.sky_error / 10.0))
        }),
        double(
            "astromOffsetMean",
            "arcsec",
            [0.0, 0.1],
            "mean distance of stars from the reference",
        ),
        double(
            "astromOffsetStd",
            "arcsec",
            [0.0, 0.1],
            "spread of the distances of stars from the reference",
        ),
        int("nPsfStar", "", [40, 200], "stars in the model of the PSF"),
        double(
            "psfStarDeltaE1Median",
            "",
            [0.0, 0.1],
            "median residual of the first ellipticity of stars",
        ),
        double(
            "psfStarDeltaE2Median",
            "",
            [0.0, 0.1],
            "median residual of the second ellipticity of stars",
        ),
        double(
            "psfStarDeltaE1Scatter",
            "",
            [0.0, 0.1],
            "spread of the residuals of the first ellipticity",
        ),
        double(
            "psfStarDeltaE2Scatter",
            "",
            [0.0, 0.1],
            "spread of the residuals of the second ellipticity",
        ),
        double(
            "psfStarDeltaSizeMedian",
            "pixel",
            [1.8, 0.1],
            "median residual of the size of stars",
        ),
        double(
            "psfStarDeltaSizeScatter",
            "pixel",
            [1.8, 0.1],
            "spread of the residuals of the size",
        ),
        double(
            "psfStarScaledDeltaSizeScatter",
            "",
            [0.0, 0.1],
            "spread of the residuals of the size, over the size",
        ),
        double("psfTraceRadiusDelta", "pixel", [1.8, 0.1], "variation of the radius of the PSF"),
        double("psfApFluxDelta", "", [0.0, 0.1], "variation of the aperture flux of the PSF"),
        double(
            "psfApCorrSigmaScaledDelta",
            "",
            [0.0, 0.1],
            "variation of the aperture correction, scaled",
        ),
        double(
            "maxDistToNearestPsf",
            "pixel",
            [1.8, 0.1],
            "largest distance from a star of the PSF model",
        ),
        Column::long("ccdVisitId", "", "", "unique id", |r: &CcdVisit| {
            r.visit.id * 1_000 + i64::from(r.detector)
        })
        .indexed(),
    ]
}

#[expect(clippy::too_many_lines, reason = "a list of columns")]
fn geometry() -> Vec<Column<CcdVisit>> {
    vec![
        Column::long("visitId", "", "meta.id.parent;obs", "id of the visit", |r: &CcdVisit| {
            r.visit.id
        })
        .principal()
        .indexed(),
        Column::long("detector", "", "", "number of the detector", |r: &CcdVisit| {
            i64::from(r.detector)
        })
        .principal(),
        Column::double(
            "seeing",
            "arcsec",
            "",
            "width of the image of a point at half maximum",
            |r: &CcdVisit| r.visit.seeing_arcsec,
        )
        .principal(),
        Column::double(
            "skyRotation",
            "deg",
            "",
            "by how much the camera is turned, from north through east",
            |r: &CcdVisit| r.visit.rotation_deg,
        ),
        Column::time("expMidpt", "", "", "midpoint of the exposure (TAI)", |r: &CcdVisit| {
            microseconds(r.visit.midpoint_mjd)
        }),
        Column::double(
            "expMidptMJD",
            "d",
            "time.epoch;obs.exposure",
            "midpoint of the exposure (MJD, TAI)",
            |r: &CcdVisit| r.visit.midpoint_mjd,
        )
        .principal(),
        Column::time("obsStart", "", "", "begin of the exposure (TAI)", |r: &CcdVisit| {
            microseconds(r.visit.start_mjd())
        }),
        Column::double(
            "obsStartMJD",
            "d",
            "time.start;obs.exposure",
            "begin of the exposure (MJD, TAI)",
            |r: &CcdVisit| r.visit.start_mjd(),
        ),
        double("darkTime", "s", [31.0, 0.1], "time in which dark current adds up"),
        Column::long("xSize", "pixel", "", "pixels along x", |_: &CcdVisit| 4_200),
        Column::long("ySize", "pixel", "", "pixels along y", |_: &CcdVisit| 4_200),
        Column::double(
            "llcra",
            "deg",
            "",
            "right ascension of the lower left corner (ICRS)",
            |r: &CcdVisit| r.place(0.0, 0.0).lon_deg(),
        ),
        Column::double(
            "llcdec",
            "deg",
            "",
            "declination of the lower left corner (ICRS)",
            |r: &CcdVisit| r.place(0.0, 0.0).lat_deg(),
        ),
        Column::double(
            "ulcra",
            "deg",
            "",
            "right ascension of the upper left corner (ICRS)",
            |r: &CcdVisit| r.place(0.0, 1.0).lon_deg(),
        ),
        Column::double(
            "ulcdec",
            "deg",
            "",
            "declination of the upper left corner (ICRS)",
            |r: &CcdVisit| r.place(0.0, 1.0).lat_deg(),
        ),
        Column::double(
            "urcra",
            "deg",
            "",
            "right ascension of the upper right corner (ICRS)",
            |r: &CcdVisit| r.place(1.0, 1.0).lon_deg(),
        ),
        Column::double(
            "urcdec",
            "deg",
            "",
            "declination of the upper right corner (ICRS)",
            |r: &CcdVisit| r.place(1.0, 1.0).lat_deg(),
        ),
        Column::double(
            "lrcra",
            "deg",
            "",
            "right ascension of the lower right corner (ICRS)",
            |r: &CcdVisit| r.place(1.0, 0.0).lon_deg(),
        ),
        Column::double(
            "lrcdec",
            "deg",
            "",
            "declination of the lower right corner (ICRS)",
            |r: &CcdVisit| r.place(1.0, 0.0).lat_deg(),
        ),
        double("effTime", "s", [28.0, 3.0], "effective time of exposure"),
        double("effTimePsfSigmaScale", "", [1.0, 0.1], "part of it by the PSF"),
        double("effTimeSkyBgScale", "", [1.0, 0.1], "part of it by the background"),
        double("effTimeZeroPointScale", "", [1.0, 0.1], "part of it by the zero point"),
        Column::double(
            "magLim",
            "mag",
            "",
            "magnitude of a point source with a signal of five errors",
            |r: &CcdVisit| r.visit.limit(),
        )
        .principal(),
    ]
}
