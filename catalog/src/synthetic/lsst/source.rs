//! Sources: what each visit detects by itself, tiled by the position of the object.

use std::sync::LazyLock;

use adql::sky::Pixel;

use super::FILTERS;
use super::detection::{
    Row, detections, main_position, object_position, position, spatial_index, spot,
};
use super::drawn::{double, failures, flag, float, int, pixel_flags, reasons};
use crate::synthetic::Sky;
use crate::synthetic::column::Column;
use crate::synthetic::exposure::Exposure;
use crate::synthetic::object::BANDS;

/// Radii of the apertures, in pixels.
const APERTURES: [u8; 9] = [3, 6, 9, 12, 17, 25, 35, 50, 70];

/// The sources of a pixel.
pub(super) fn rows(sky: &Sky, pixel: Pixel, rows: &mut Vec<Row>) {
    detections(sky, pixel, rows, Exposure::is_detected);
}

/// The columns of the table: those of the public schema in its order, and what is said of the
/// object.
pub(super) static COLUMNS: LazyLock<Vec<Column<Row>>> = LazyLock::new(|| {
    let mut columns = vec![spatial_index()];
    columns.extend(main_position());
    columns.push(Column::long(
        "parentSourceId",
        "",
        "",
        "id of the source that it was parted from; 0 if none",
        |_: &Row| 0,
    ));
    columns.extend(spot());
    columns.extend(position());
    columns.extend([
        Column::double_or_null("calibFlux", "nJy", "", "flux for the calibration", |r: &Row| {
            r.light(12.0, 90)
        }),
        Column::double_or_null("calibFluxErr", "nJy", "", "error of calibFlux", |r: &Row| {
            r.light_error(12.0)
        }),
    ]);
    columns.extend(APERTURES.into_iter().flat_map(aperture));
    columns.extend(measured());
    columns.extend(in_counts());
    columns.extend(pixel_flags(&[
        "bad",
        "cr",
        "crCenter",
        "edge",
        "interpolated",
        "interpolatedCenter",
        "nodata",
        "offimage",
        "saturated",
        "saturatedCenter",
        "suspect",
        "suspectCenter",
    ]));
    columns.extend(fitted());
    columns.extend(used());
    columns.extend(moments());
    columns.extend(image());
    columns.push(
        Column::long("objectId", "", "meta.id;src", "id of its object", |r: &Row| r.seen.object.id)
            .indexed(),
    );
    columns.extend(object_position());
    columns
});

/// The flux within so many pixels.
fn aperture(pixels: u8) -> [Column<Row>; 3] {
    let (name, radius) = (format!("ap{pixels:02}Flux"), f64::from(pixels));
    let within = format!("flux within {pixels} pixels");
    [
        Column::double_or_null(name.clone(), "nJy", "", within.clone(), move |r: &Row| {
            r.light(radius, u64::from(pixels))
        }),
        Column::double_or_null(
            format!("{name}Err"),
            "nJy",
            "",
            format!("error of {name}"),
            move |r: &Row| r.light_error(radius),
        ),
        flag(format!("{name}_flag"), 5, format!("whether the {within} could not be measured")),
    ]
}

/// A flux in counts, with its error.
fn not_calibrated(name: &str, what: &str) -> [Column<Row>; 2] {
    let (flux, flux_error) = (format!("{name}_instFlux"), format!("{name}_instFluxErr"));
    [
        double(flux, "count", [500.0, 40.0], format!("{what}, not calibrated")),
        double(flux_error, "count", [500.0, 40.0], format!("error of the {what}, not calibrated")),
    ]
}

/// What is measured in the image as it is.
fn measured() -> Vec<Column<Row>> {
    let mut columns = vec![
        double("sky", "nJy", [0.0, 60.0], "background"),
        double("skyErr", "nJy", [0.0, 60.0], "error of the background"),
        Column::double_or_null("psfFlux", "nJy", "", "flux of a point source", |r: &Row| {
            r.seen.flux().map(f64::from)
        }),
        Column::double_or_null("psfFluxErr", "nJy", "", "error of psfFlux", |r: &Row| {
            r.seen.flux().map(|_| f64::from(r.seen.flux_error))
        }),
        double("ixx", "pixel**2", [4.0, 0.5], "second moment xx"),
        double("iyy", "pixel**2", [4.0, 0.5], "second moment yy"),
        double("ixy", "pixel**2", [0.0, 0.2], "second moment xy"),
        double("ixxPSF", "pixel**2", [4.0, 0.5], "second moment xx of the PSF"),
        double("iyyPSF", "pixel**2", [4.0, 0.5], "second moment yy of the PSF"),
        double("ixyPSF", "pixel**2", [0.0, 0.2], "second moment xy of the PSF"),
        double("ixxDebiasedPSF", "pixel**2", [4.0, 0.5], "second moment xx of the PSF, debiased"),
        double("iyyDebiasedPSF", "pixel**2", [4.0, 0.5], "second moment yy of the PSF, debiased"),
        double("ixyDebiasedPSF", "pixel**2", [0.0, 0.2], "second moment xy of the PSF, debiased"),
        Column::double_or_null("gaussianFlux", "nJy", "", "flux of a Gaussian", |r: &Row| {
            r.light(9.0, 91)
        }),
        Column::double_or_null("gaussianFluxErr", "nJy", "", "error of gaussianFlux", |r: &Row| {
            r.light_error(9.0)
        }),
        Column::double("extendedness", "", "", "1 if extended, 0 if a point source", |r: &Row| {
            f64::from(u8::from(r.seen.object.extended))
        }),
        double("sizeExtendedness", "", [0.0, 0.1], "extendedness by its size"),
        double("blendedness_abs", "", [0.0, 0.1], "how much light others have in its pixels"),
    ];
    columns.extend(failures(
        "blendedness_flag",
        "the blendedness",
        &[("noCentroid", "there is no place"), ("noShape", "there is no shape")],
    ));
    columns
}

/// Fluxes before they are calibrated, and what goes with them.
fn in_counts() -> Vec<Column<Row>> {
    let mut columns = failures(
        "apFlux_12_0_flag",
        "the flux within 12 pixels",
        &[
            ("apertureTruncated", "the aperture is cut off"),
            ("sincCoeffsTruncated", "the weights of the aperture are cut off"),
        ],
    );
    columns.extend(not_calibrated("apFlux_12_0", "flux within 12 pixels"));
    columns.extend(failures("apFlux_17_0_flag", "the flux within 17 pixels", &[]));
    columns.extend(not_calibrated("apFlux_17_0", "flux within 17 pixels"));
    columns.extend(failures("apFlux_35_0_flag", "the flux within 35 pixels", &[]));
    columns.extend(not_calibrated("apFlux_35_0", "flux within 35 pixels"));
    columns.extend(failures("apFlux_50_0_flag", "the flux within 50 pixels", &[]));
    columns.extend(not_calibrated("apFlux_50_0", "flux within 50 pixels"));
    columns.extend(failures(
        "normCompTophatFlux_flag",
        "the flux through the compensated filter",
        &[],
    ));
    columns.extend(not_calibrated("normCompTophatFlux", "flux through the compensated filter"));
    columns.extend(failures("extendedness_flag", "the class", &[]));
    columns.extend(failures("sizeExtendedness_flag", "the class by size", &[]));
    columns.extend([
        int("footprintArea_value", "pixel", [1, 40], "pixels of its footprint"),
        flag("invalidPsfFlag", 5, "whether the PSF is invalid there"),
    ]);
    columns.extend(failures("jacobian_flag", "the Jacobian", &[]));
    columns.push(double(
        "jacobian_value",
        "",
        [0.0, 0.1],
        "Jacobian at the place, relative to the nominal one",
    ));
    columns.extend(not_calibrated("localBackground", "local background"));
    columns.extend(failures(
        "localBackground_flag",
        "the local background",
        &[("noGoodPixels", "no pixel is good"), ("noPsf", "there is no PSF")],
    ));
    columns
}

/// What is fitted to the image.
fn fitted() -> Vec<Column<Row>> {
    let mut columns = vec![
        double("psfFlux_apCorr", "", [0.0, 0.1], "aperture correction of psfFlux"),
        double("psfFlux_apCorrErr", "", [0.0, 0.1], "error of psfFlux_apCorr"),
        float("psfFlux_area", "pixel", [60.0, 4.0], "effective area of the PSF"),
        Column::flag(
            "psfFlux_flag",
            "",
            "",
            "whether the flux of a point source could not be measured",
            |r: &Row| !r.seen.is_measured,
        ),
    ];
    columns.extend(reasons(
        "psfFlux_flag",
        "the flux of a point source",
        &[
            ("apCorr", "the aperture correction is missing"),
            ("edge", "it is at an edge"),
            ("noGoodPixels", "no pixel is good"),
        ],
    ));
    columns.extend(failures("gaussianFlux_flag", "the flux of a Gaussian", &[]));
    columns.extend(failures(
        "centroid_flag",
        "the place in the image",
        &[
            ("almostNoSecondDerivative", "the peak is nearly flat"),
            ("badError", "the error is bad"),
            ("edge", "it is at an edge"),
            ("noSecondDerivative", "the peak is flat"),
            ("notAtMaximum", "it is not at the peak"),
            ("resetToPeak", "the peak was taken"),
        ],
    ));
    columns.extend(failures(
        "variance_flag",
        "the variance",
        &[("emptyFootprint", "the footprint is empty")],
    ));
    columns
}

/// What became of it in calibration and deblending.
fn used() -> Vec<Column<Row>> {
    vec![
        double("variance_value", "", [0.0, 0.1], "variance of the image at the place"),
        flag("calib_astrometry_used", 5, "whether the astrometry was calibrated by it"),
        flag("calib_photometry_reserved", 5, "whether it was kept aside to check the photometry"),
        flag("calib_photometry_used", 5, "whether the photometry was calibrated by it"),
        flag("calib_psf_candidate", 5, "whether the PSF might be calibrated by it"),
        flag("calib_psf_reserved", 5, "whether it was kept aside to check the PSF"),
        flag("calib_psf_used", 5, "whether the PSF was calibrated by it"),
        flag("deblend_deblendedAsPsf", 5, "whether the deblender took it for a point source"),
        flag("deblend_hasStrayFlux", 5, "whether stray light was given to it"),
        flag("deblend_masked", 5, "whether the blend was masked"),
        int("deblend_nChild", "", [1, 40], "objects parted from it"),
        flag("deblend_parentTooBig", 5, "whether the blend was too large"),
        flag("deblend_patchedTemplate", 5, "whether its template was patched"),
        flag("deblend_rampedTemplate", 5, "whether its template was ramped"),
        flag("deblend_skipped", 5, "whether deblending was left out"),
        flag("deblend_tooManyPeaks", 5, "whether the blend has too many peaks"),
    ]
}

/// Which shapes could not be measured.
fn moments() -> Vec<Column<Row>> {
    let mut columns = failures(
        "hsmPsfMoments_flag",
        "the moments of the PSF",
        &[
            ("no_pixels", "there are no pixels"),
            ("not_contained", "the middle is not inside"),
            ("parent_source", "it is the parent of others"),
        ],
    );
    columns.extend(failures(
        "iDebiasedPSF_flag",
        "the debiased moments of the PSF",
        &[
            ("no_pixels", "there are no pixels"),
            ("not_contained", "the middle is not inside"),
            ("parent_source", "it is the parent of others"),
            ("galsim", "the fit failed"),
            ("edge", "it is at an edge"),
        ],
    ));
    columns.extend(failures(
        "hsmShapeRegauss_flag",
        "the shape by re-Gaussianization",
        &[
            ("galsim", "the fit failed"),
            ("no_pixels", "there are no pixels"),
            ("not_contained", "the middle is not inside"),
            ("parent_source", "it is the parent of others"),
        ],
    ));
    columns
}

/// The image, and the number of the source.
fn image() -> Vec<Column<Row>> {
    vec![
        flag("sky_source", 5, "whether it is a place without a source, for the sky"),
        Column::long("visit", "", "meta.id;obs.image", "id of the visit", |r: &Row| {
            r.seen.visit.id
        }),
        Column::int("detector", "", "meta.id;obs.image", "number of the detector", |r: &Row| {
            r.seen.spot.detector
        }),
        Column::text("band", "", "", "band of the visit", |r: &Row| BANDS[r.seen.visit.band]),
        Column::text("physical_filter", "", "", "name of the filter", |r: &Row| {
            FILTERS[r.seen.visit.band]
        }),
        Column::long("sourceId", "", "meta.id;src", "unique id", |r: &Row| r.id).indexed(),
    ]
}
