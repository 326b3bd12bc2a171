//! Sources of difference images: where a visit differs from the average, tiled by the position of
//! the object.

use std::sync::LazyLock;

use adql::sky::Pixel;

use super::detection::{
    Row, detections, main_position, object_position, position, spatial_index, spot,
};
use super::drawn::{double, failures, flag, float, int, long, pixel_flags, reasons};
use crate::synthetic::Sky;
use crate::synthetic::column::Column;
use crate::synthetic::exposure::Exposure;
use crate::synthetic::object::BANDS;
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
    let mut columns = vec![spatial_index()];
    columns.extend(processed());
    columns.extend(position());
    columns.extend(spot());
    columns.extend(measured());
    columns.extend(fitted());
    columns.extend(flags());
    columns.extend(main_position());
    columns.push(Column::long("diaSourceId", "", "", "unique id", |r: &Row| r.id).indexed());
    columns.extend(object_position());
    columns
});

/// Which visit detects what.
fn processed() -> Vec<Column<Row>> {
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
    ]
}

/// What is measured in the difference image.
fn measured() -> Vec<Column<Row>> {
    vec![
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

/// What is fitted to the difference and to the image itself.
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
    ]
}

/// What is wrong with it.
fn flags() -> Vec<Column<Row>> {
    let mut columns = vec![flag("pixelFlags", 5, "whether any flag of its pixels is set")];
    columns.extend(pixel_flags(&[
        "offimage",
        "edge",
        "interpolated",
        "saturated",
        "cr",
        "bad",
        "suspect",
        "interpolatedCenter",
        "saturatedCenter",
        "crCenter",
        "suspectCenter",
    ]));
    columns.extend(failures("centroid_flag", "the place in the image", &[]));
    columns.extend(failures(
        "apFlux_flag",
        "fluxes within apertures",
        &[("apertureTruncated", "the aperture is cut off")],
    ));
    columns.extend(failures(
        "psfFlux_flag",
        "the flux of a point source",
        &[("noGoodPixels", "no pixel is good"), ("edge", "it is at an edge")],
    ));
    columns.extend(failures(
        "forced_PsfFlux_flag",
        "the flux in the single image",
        &[("noGoodPixels", "no pixel is good"), ("edge", "it is at an edge")],
    ));
    columns.extend(failures(
        "shape_flag",
        "the shape",
        &[
            ("no_pixels", "there are no pixels"),
            ("not_contained", "the middle is not inside"),
            ("parent_source", "it is the parent of others"),
        ],
    ));
    columns.extend(reasons("trail_flag", "the trail", &[("edge", "it is at an edge")]));
    columns.extend(pixel_flags(&[
        "streak",
        "streakCenter",
        "injected",
        "injectedCenter",
        "injected_template",
        "injected_templateCenter",
        "nodata",
        "nodataCenter",
    ]));
    columns
}
