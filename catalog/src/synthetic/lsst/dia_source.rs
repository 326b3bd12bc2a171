//! Sources of difference images: where a visit differs from the average, tiled by the position of
//! the object.

use std::sync::LazyLock;

use adql::sky::Pixel;

use super::drawn::{double, flag, float, int, long};
use super::source::{Row, detections, object_position};
use crate::SPATIAL_INDEX;
use crate::synthetic::Sky;
use crate::synthetic::column::Column;
use crate::synthetic::exposure::Exposure;
use crate::synthetic::object::{BANDS, single};
use crate::synthetic::visit::microseconds;

impl Exposure {
    /// Size of the difference in errors.
    pub(super) fn signal(&self) -> Option<f64> {
        let size = self.difference().map(|difference| f64::from(difference.abs()));
        size.map(|size| size / f64::from(self.difference_error))
    }
}

/// The rows of a pixel.
pub(super) fn rows(sky: &Sky, pixel: Pixel, rows: &mut Vec<Row>) {
    detections(sky, pixel, rows, Exposure::is_changed);
}

/// The columns of the table: those of the public schema in its order, and the object's position.
pub(super) static COLUMNS: LazyLock<Vec<Column<Row>>> = LazyLock::new(|| {
    let mut columns = vec![Column::long(
        SPATIAL_INDEX,
        "",
        "pos.healpix",
        "HEALPix index (NESTED, order 29) of the position of its object",
        |r: &Row| r.seen.object.spatial_index,
    )];
    columns.extend(measured());
    columns.extend(fitted());
    columns.extend(flags());
    columns.extend(object_position());
    columns
});

#[expect(clippy::too_many_lines, reason = "a list of columns")]
fn measured() -> Vec<Column<Row>> {
    vec![
        Column::long("visit", "", "meta.id;obs.image", "id of the visit", |r: &Row| {
            r.seen.visit.id
        }),
        Column::long("detector", "", "meta.id;obs.image", "number of the detector", |r: &Row| {
            i64::from(r.seen.spot.detector)
        }),
        Column::text("band", "", "", "band of the visit", |r: &Row| BANDS[r.seen.visit.band]),
        Column::long("diaObjectId", "", "", "id of its object", |r: &Row| r.seen.object.id)
            .indexed(),
        Column::long(
            "ssObjectId",
            "",
            "",
            "id of its object of the solar system; 0 if none",
            |_: &Row| 0,
        ),
        Column::long(
            "parentDiaSourceId",
            "",
            "",
            "id of the source that it was parted from; 0 if none",
            |_: &Row| 0,
        ),
        Column::double("midpointMjdTai", "d", "", "midpoint of the visit (MJD, TAI)", |r: &Row| {
            r.seen.visit.midpoint_mjd
        }),
        long("bboxSize", "", [1, 40], "side of its box"),
        Column::time("time_processed", "", "", "when the image was processed", |r: &Row| {
            microseconds(r.seen.visit.midpoint_mjd + 1.0)
        }),
        Column::double(
            "ra",
            "deg",
            "pos.eq.ra",
            "right ascension in this visit (ICRS)",
            |r: &Row| r.place.lon_deg(),
        )
        .indexed(),
        Column::double(
            "dec",
            "deg",
            "pos.eq.dec",
            "declination in this visit (ICRS)",
            |r: &Row| r.place.lat_deg(),
        )
        .indexed(),
        Column::float("raErr", "deg", "stat.error;pos.eq.ra", "error of ra", |r: &Row| {
            Some(single(r.seen.error_deg()[0]))
        }),
        Column::float("decErr", "deg", "stat.error;pos.eq.dec", "error of dec", |r: &Row| {
            Some(single(r.seen.error_deg()[1]))
        }),
        Column::float(
            "ra_dec_Cov",
            "deg**2",
            "stat.covariance;pos.eq.ra;pos.eq.dec",
            "covariance of ra and dec",
            |r: &Row| Some(single(r.seen.covariance())),
        ),
        Column::double("x", "pixel", "", "column of its place in the image", |r: &Row| {
            r.seen.spot.x
        }),
        Column::double("y", "pixel", "", "row of its place in the image", |r: &Row| r.seen.spot.y),
        float("xErr", "pixel", [1.8, 0.1], "error of x"),
        float("yErr", "pixel", [1.8, 0.1], "error of y"),
        Column::float(
            "apFlux",
            "nJy",
            "",
            "flux within an aperture in the difference image",
            |r: &Row| r.seen.difference().map(|flux| flux * r.factor(1.0, 0.05, 60)),
        ),
        Column::float("apFluxErr", "nJy", "", "error of apFlux", |r: &Row| {
            r.seen.difference().map(|_| 1.3 * r.seen.difference_error)
        }),
        Column::double_or_null("snr", "", "", "flux over its error, without sign", |r: &Row| {
            r.seen.signal()
        }),
        Column::float(
            "psfFlux",
            "nJy",
            "",
            "flux of a point source in the difference image",
            |r: &Row| r.seen.difference(),
        ),
        Column::float("psfFluxErr", "nJy", "", "error of psfFlux", |r: &Row| {
            r.seen.difference().map(|_| r.seen.difference_error)
        }),
        float("psfChi2", "", [0.0, 0.1], "chi squared of the fit of a point source"),
        int("psfNdata", "pixel", [1, 40], "pixels in the fit of a point source"),
        float("trailFlux", "nJy", [0.0, 60.0], "flux of the trail"),
        Column::double("trailRa", "deg", "pos.eq.ra", "right ascension of the trail", |r: &Row| {
            r.place.lon_deg()
        }),
        Column::double("trailDec", "deg", "pos.eq.dec", "declination of the trail", |r: &Row| {
            r.place.lat_deg()
        }),
        double("trailLength", "pixel", [1.8, 0.1], "length of the trail"),
        double("trailAngle", "", [0.0, 0.1], "direction of the trail"),
    ]
}

fn fitted() -> Vec<Column<Row>> {
    vec![
        double(
            "dipoleMeanFlux",
            "count",
            [500.0, 40.0],
            "mean flux of the two sides of the dipole",
        ),
        double("dipoleMeanFluxErr", "count", [500.0, 40.0], "error of dipoleMeanFlux"),
        double("dipoleFluxDiff", "nJy", [0.0, 60.0], "difference of the fluxes of the dipole"),
        double("dipoleFluxDiffErr", "nJy", [0.0, 60.0], "error of dipoleFluxDiff"),
        double("dipoleLength", "pixel", [1.8, 0.1], "distance of the sides of the dipole"),
        double("dipoleAngle", "deg", [180.0, 50.0], "direction of the dipole"),
        double("dipoleChi2", "", [0.0, 0.1], "chi squared of the dipole"),
        flag("isDipole", 5, "whether it is a dipole"),
        flag("dipoleFitAttempted", 5, "whether a dipole was fitted"),
        long("dipoleNdata", "", [1, 40], "pixels in the fit of the dipole"),
        Column::float(
            "scienceFlux",
            "nJy",
            "",
            "flux of a point source in the image itself",
            |r: &Row| r.seen.flux(),
        ),
        Column::float("scienceFluxErr", "nJy", "", "error of scienceFlux", |r: &Row| {
            r.seen.flux().map(|_| r.seen.flux_error)
        }),
        double("ixx", "arcsec**2", [0.2, 0.02], "second moment xx"),
        double("iyy", "arcsec**2", [0.2, 0.02], "second moment yy"),
        double("ixy", "arcsec**2", [0.0, 0.2], "second moment xy"),
        double("ixxPSF", "arcsec**2", [0.2, 0.02], "second moment xx of the PSF"),
        double("iyyPSF", "arcsec**2", [0.2, 0.02], "second moment yy of the PSF"),
        double("ixyPSF", "arcsec**2", [0.0, 0.2], "second moment xy of the PSF"),
        Column::double("extendedness", "", "", "1 if extended, 0 if a point source", |r: &Row| {
            f64::from(u8::from(r.seen.object.extended))
        }),
        Column::float("reliability", "", "", "how surely it is real, from 0 to 1", |r: &Row| {
            Some(r.factor(0.9, 0.03, 61))
        }),
        flag("pixelFlags", 5, "whether any flag of its pixels is set"),
        flag("pixelFlags_offimage", 5, "whether its pixels include a place off the image"),
        flag("pixelFlags_edge", 5, "whether its pixels include the edge of the image"),
        flag("pixelFlags_interpolated", 5, "whether its pixels include interpolated values"),
        flag("pixelFlags_saturated", 5, "whether its pixels include saturation"),
        flag("pixelFlags_cr", 5, "whether its pixels include a cosmic ray"),
        flag("pixelFlags_bad", 5, "whether its pixels include a bad pixel"),
        flag("pixelFlags_suspect", 5, "whether its pixels include values near saturation"),
        flag(
            "pixelFlags_interpolatedCenter",
            5,
            "whether its pixels include interpolated values in the middle",
        ),
        flag(
            "pixelFlags_saturatedCenter",
            5,
            "whether its pixels include saturation in the middle",
        ),
    ]
}

#[expect(clippy::too_many_lines, reason = "a list of columns")]
fn flags() -> Vec<Column<Row>> {
    vec![
        flag("pixelFlags_crCenter", 5, "whether its pixels include a cosmic ray in the middle"),
        flag(
            "pixelFlags_suspectCenter",
            5,
            "whether its pixels include values near saturation in the middle",
        ),
        flag("centroid_flag", 5, "whether the place in the image could not be measured"),
        flag("apFlux_flag", 5, "whether fluxes within apertures could not be measured"),
        flag(
            "apFlux_flag_apertureTruncated",
            5,
            "whether fluxes within apertures could not be measured: the aperture is cut off",
        ),
        flag("psfFlux_flag", 5, "whether the flux of a point source could not be measured"),
        flag(
            "psfFlux_flag_noGoodPixels",
            5,
            "whether the flux of a point source could not be measured: no pixel is good",
        ),
        flag(
            "psfFlux_flag_edge",
            5,
            "whether the flux of a point source could not be measured: it is at an edge",
        ),
        flag(
            "forced_PsfFlux_flag",
            5,
            "whether the flux in the single image could not be measured",
        ),
        flag(
            "forced_PsfFlux_flag_noGoodPixels",
            5,
            "whether the flux in the single image could not be measured: no pixel is good",
        ),
        flag(
            "forced_PsfFlux_flag_edge",
            5,
            "whether the flux in the single image could not be measured: it is at an edge",
        ),
        flag("shape_flag", 5, "whether the shape could not be measured"),
        flag(
            "shape_flag_no_pixels",
            5,
            "whether the shape could not be measured: there are no pixels",
        ),
        flag(
            "shape_flag_not_contained",
            5,
            "whether the shape could not be measured: the middle is not inside",
        ),
        flag(
            "shape_flag_parent_source",
            5,
            "whether the shape could not be measured: it is the parent of others",
        ),
        flag("trail_flag_edge", 5, "whether the trail could not be measured: it is at an edge"),
        flag("pixelFlags_streak", 5, "whether its pixels include a streak"),
        flag("pixelFlags_streakCenter", 5, "whether its pixels include a streak in the middle"),
        flag("pixelFlags_injected", 5, "whether its pixels include injected light"),
        flag(
            "pixelFlags_injectedCenter",
            5,
            "whether its pixels include injected light in the middle",
        ),
        flag(
            "pixelFlags_injected_template",
            5,
            "whether its pixels include light injected into the template",
        ),
        flag(
            "pixelFlags_injected_templateCenter",
            5,
            "whether its pixels include light injected into the template in the middle",
        ),
        flag("pixelFlags_nodata", 5, "whether its pixels include a pixel without data"),
        flag(
            "pixelFlags_nodataCenter",
            5,
            "whether its pixels include a pixel without data in the middle",
        ),
        Column::double(
            "coord_ra",
            "deg",
            "pos.eq.ra;meta.main",
            "right ascension in this visit (ICRS)",
            |r: &Row| r.place.lon_deg(),
        ),
        Column::double(
            "coord_dec",
            "deg",
            "pos.eq.dec;meta.main",
            "declination in this visit (ICRS)",
            |r: &Row| r.place.lat_deg(),
        ),
        Column::long("diaSourceId", "", "", "unique id", |r: &Row| r.id).indexed(),
    ]
}
