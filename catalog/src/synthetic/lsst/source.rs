//! Sources: what each visit detects by itself, tiled by the position of the object.

use std::sync::LazyLock;

use adql::sky::{Angle, Pixel, Position};

use super::FILTERS;
use super::drawn::{Keyed, covariance, double, flag, float, int, within};
use crate::SPATIAL_INDEX;
use crate::synthetic::Sky;
use crate::synthetic::camera::PIXEL_ARCSEC;
use crate::synthetic::column::Column;
use crate::synthetic::exposure::{Exposure, exposures};
use crate::synthetic::object::{BANDS, objects, single};
use crate::synthetic::random::noise;
use crate::synthetic::visit::visits_near;

/// Rows of a pixel are numbered within so many bits.
const ID_BITS: u32 = 40;

/// A detection, in an image or in a difference of images.
#[derive(Debug, Clone, Copy)]
pub(in crate::synthetic) struct Row {
    pub(in crate::synthetic) seen: Exposure,
    pub(super) id: i64,
    /// Its own position.
    pub(super) place: Position,
}

impl Keyed for Row {
    fn key(&self) -> u64 {
        self.seen.key
    }
}

impl Exposure {
    pub(super) fn covariance(&self) -> f64 {
        covariance(self.error_deg(), self.key)
    }
}

impl Row {
    /// How far it is from its object.
    pub(super) fn slack(&self) -> Angle {
        self.place.distance(&self.seen.object.position)
    }

    /// The flux within so many pixels, which has noise of its own.
    fn light(&self, radius: f64, salt: u64) -> Option<f64> {
        let width = self.seen.visit.seeing_arcsec / 2.355 / PIXEL_ARCSEC;
        let own = self.light_error(radius)? * 0.5 * noise(self.seen.key, salt);
        Some(f64::from(self.seen.flux) * within(radius, width) + own)
    }

    fn light_error(&self, radius: f64) -> Option<f64> {
        self.seen.is_measured.then(|| f64::from(self.seen.flux_error) * (0.6 + radius / 10.0))
    }

    /// Around a mean.
    pub(super) fn factor(&self, mean: f64, spread: f64, salt: u64) -> f32 {
        single(mean + spread * noise(self.seen.key, salt))
    }
}

/// What the visits saw of the objects of a pixel, where it is chosen.
pub(super) fn detections(
    sky: &Sky,
    pixel: Pixel,
    rows: &mut Vec<Row>,
    chosen: fn(&Exposure) -> bool,
) {
    let objects = objects(sky, pixel);
    if objects.is_empty() {
        return;
    }
    let visits = visits_near(sky, pixel);
    let mut next = (pixel.index() + 1) << ID_BITS;
    for object in objects {
        for seen in exposures(object, &visits).filter(chosen) {
            rows.push(Row { seen, id: next.cast_signed(), place: seen.position() });
            next += 1;
        }
    }
}

/// The sources of a pixel.
pub(super) fn rows(sky: &Sky, pixel: Pixel, rows: &mut Vec<Row>) {
    detections(sky, pixel, rows, Exposure::is_detected);
}

/// The columns of the table: those of the public schema in its order, and what is said of the
/// object.
pub(super) static COLUMNS: LazyLock<Vec<Column<Row>>> = LazyLock::new(|| {
    let mut columns = vec![Column::long(
        SPATIAL_INDEX,
        "",
        "pos.healpix",
        "HEALPix index (NESTED, order 29) of the position of its object",
        |r: &Row| r.seen.object.spatial_index,
    )];
    columns.extend(positions());
    columns.extend(apertures());
    columns.extend(shapes());
    columns.extend(flags());
    columns.extend(others());
    columns.push(
        Column::long("objectId", "", "meta.id;src", "id of its object", |r: &Row| r.seen.object.id)
            .indexed(),
    );
    columns.extend(object_position());
    columns
});

/// The position of the object of a row, by which it is tiled.
pub(super) fn object_position() -> [Column<Row>; 2] {
    [
        Column::double(
            "objectRa",
            "deg",
            "pos.eq.ra",
            "right ascension of its object (ICRS)",
            |r: &Row| r.seen.object.ra,
        ),
        Column::double(
            "objectDec",
            "deg",
            "pos.eq.dec",
            "declination of its object (ICRS)",
            |r: &Row| r.seen.object.dec,
        ),
    ]
}

#[expect(clippy::too_many_lines, reason = "a list of columns")]
fn positions() -> Vec<Column<Row>> {
    vec![
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
        Column::long(
            "parentSourceId",
            "",
            "",
            "id of the source that it was parted from; 0 if none",
            |_: &Row| 0,
        ),
        Column::double("x", "pixel", "", "column of its place in the image", |r: &Row| {
            r.seen.spot.x
        }),
        Column::double("y", "pixel", "", "row of its place in the image", |r: &Row| r.seen.spot.y),
        float("xErr", "pixel", [1.8, 0.1], "error of x"),
        float("yErr", "pixel", [1.8, 0.1], "error of y"),
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
        Column::double_or_null("calibFlux", "nJy", "", "flux for the calibration", |r: &Row| {
            r.light(12.0, 90)
        }),
        Column::double_or_null("calibFluxErr", "nJy", "", "error of calibFlux", |r: &Row| {
            r.light_error(12.0)
        }),
        Column::double_or_null("ap03Flux", "nJy", "", "flux within 3 pixels", |r: &Row| {
            r.light(3.0, 3)
        }),
        Column::double_or_null("ap03FluxErr", "nJy", "", "error of ap03Flux", |r: &Row| {
            r.light_error(3.0)
        }),
        flag("ap03Flux_flag", 5, "whether the flux within 3 pixels could not be measured"),
        Column::double_or_null("ap06Flux", "nJy", "", "flux within 6 pixels", |r: &Row| {
            r.light(6.0, 6)
        }),
        Column::double_or_null("ap06FluxErr", "nJy", "", "error of ap06Flux", |r: &Row| {
            r.light_error(6.0)
        }),
        flag("ap06Flux_flag", 5, "whether the flux within 6 pixels could not be measured"),
        Column::double_or_null("ap09Flux", "nJy", "", "flux within 9 pixels", |r: &Row| {
            r.light(9.0, 9)
        }),
        Column::double_or_null("ap09FluxErr", "nJy", "", "error of ap09Flux", |r: &Row| {
            r.light_error(9.0)
        }),
        flag("ap09Flux_flag", 5, "whether the flux within 9 pixels could not be measured"),
        Column::double_or_null("ap12Flux", "nJy", "", "flux within 12 pixels", |r: &Row| {
            r.light(12.0, 12)
        }),
        Column::double_or_null("ap12FluxErr", "nJy", "", "error of ap12Flux", |r: &Row| {
            r.light_error(12.0)
        }),
        flag("ap12Flux_flag", 5, "whether the flux within 12 pixels could not be measured"),
        Column::double_or_null("ap17Flux", "nJy", "", "flux within 17 pixels", |r: &Row| {
            r.light(17.0, 17)
        }),
        Column::double_or_null("ap17FluxErr", "nJy", "", "error of ap17Flux", |r: &Row| {
            r.light_error(17.0)
        }),
        flag("ap17Flux_flag", 5, "whether the flux within 17 pixels could not be measured"),
        Column::double_or_null("ap25Flux", "nJy", "", "flux within 25 pixels", |r: &Row| {
            r.light(25.0, 25)
        }),
        Column::double_or_null("ap25FluxErr", "nJy", "", "error of ap25Flux", |r: &Row| {
            r.light_error(25.0)
        }),
        flag("ap25Flux_flag", 5, "whether the flux within 25 pixels could not be measured"),
    ]
}

fn apertures() -> Vec<Column<Row>> {
    vec![
        Column::double_or_null("ap35Flux", "nJy", "", "flux within 35 pixels", |r: &Row| {
            r.light(35.0, 35)
        }),
        Column::double_or_null("ap35FluxErr", "nJy", "", "error of ap35Flux", |r: &Row| {
            r.light_error(35.0)
        }),
        flag("ap35Flux_flag", 5, "whether the flux within 35 pixels could not be measured"),
        Column::double_or_null("ap50Flux", "nJy", "", "flux within 50 pixels", |r: &Row| {
            r.light(50.0, 50)
        }),
        Column::double_or_null("ap50FluxErr", "nJy", "", "error of ap50Flux", |r: &Row| {
            r.light_error(50.0)
        }),
        flag("ap50Flux_flag", 5, "whether the flux within 50 pixels could not be measured"),
        Column::double_or_null("ap70Flux", "nJy", "", "flux within 70 pixels", |r: &Row| {
            r.light(70.0, 70)
        }),
        Column::double_or_null("ap70FluxErr", "nJy", "", "error of ap70Flux", |r: &Row| {
            r.light_error(70.0)
        }),
        flag("ap70Flux_flag", 5, "whether the flux within 70 pixels could not be measured"),
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
        flag("blendedness_flag", 5, "whether the blendedness could not be measured"),
        flag(
            "blendedness_flag_noCentroid",
            5,
            "whether the blendedness could not be measured: there is no place",
        ),
        flag(
            "blendedness_flag_noShape",
            5,
            "whether the blendedness could not be measured: there is no shape",
        ),
        flag("apFlux_12_0_flag", 5, "whether the flux within 12 pixels could not be measured"),
        flag(
            "apFlux_12_0_flag_apertureTruncated",
            5,
            "whether the flux within 12 pixels could not be measured: the aperture is cut off",
        ),
    ]
}

#[expect(clippy::too_many_lines, reason = "a list of columns")]
fn shapes() -> Vec<Column<Row>> {
    vec![
        flag(
            "apFlux_12_0_flag_sincCoeffsTruncated",
            5,
            "whether the flux within 12 pixels could not be measured: the weights of the aperture are cut off",
        ),
        double(
            "apFlux_12_0_instFlux",
            "count",
            [500.0, 40.0],
            "flux within 12 pixels, not calibrated",
        ),
        double(
            "apFlux_12_0_instFluxErr",
            "count",
            [500.0, 40.0],
            "error of the flux within 12 pixels, not calibrated",
        ),
        flag("apFlux_17_0_flag", 5, "whether the flux within 17 pixels could not be measured"),
        double(
            "apFlux_17_0_instFlux",
            "count",
            [500.0, 40.0],
            "flux within 17 pixels, not calibrated",
        ),
        double(
            "apFlux_17_0_instFluxErr",
            "count",
            [500.0, 40.0],
            "error of the flux within 17 pixels, not calibrated",
        ),
        flag("apFlux_35_0_flag", 5, "whether the flux within 35 pixels could not be measured"),
        double(
            "apFlux_35_0_instFlux",
            "count",
            [500.0, 40.0],
            "flux within 35 pixels, not calibrated",
        ),
        double(
            "apFlux_35_0_instFluxErr",
            "count",
            [500.0, 40.0],
            "error of the flux within 35 pixels, not calibrated",
        ),
        flag("apFlux_50_0_flag", 5, "whether the flux within 50 pixels could not be measured"),
        double(
            "apFlux_50_0_instFlux",
            "count",
            [500.0, 40.0],
            "flux within 50 pixels, not calibrated",
        ),
        double(
            "apFlux_50_0_instFluxErr",
            "count",
            [500.0, 40.0],
            "error of the flux within 50 pixels, not calibrated",
        ),
        flag(
            "normCompTophatFlux_flag",
            5,
            "whether the flux through the compensated filter could not be measured",
        ),
        double(
            "normCompTophatFlux_instFlux",
            "count",
            [500.0, 40.0],
            "flux through the compensated filter, not calibrated",
        ),
        double(
            "normCompTophatFlux_instFluxErr",
            "count",
            [500.0, 40.0],
            "error of the flux through the compensated filter, not calibrated",
        ),
        flag("extendedness_flag", 5, "whether the class could not be measured"),
        flag("sizeExtendedness_flag", 5, "whether the class by size could not be measured"),
        int("footprintArea_value", "pixel", [1, 40], "pixels of its footprint"),
        flag("invalidPsfFlag", 5, "whether the PSF is invalid there"),
        flag("jacobian_flag", 5, "whether the Jacobian could not be measured"),
        double(
            "jacobian_value",
            "",
            [0.0, 0.1],
            "Jacobian at the place, relative to the nominal one",
        ),
        double(
            "localBackground_instFlux",
            "count",
            [500.0, 40.0],
            "local background, not calibrated",
        ),
        double(
            "localBackground_instFluxErr",
            "count",
            [500.0, 40.0],
            "error of the local background, not calibrated",
        ),
        flag("localBackground_flag", 5, "whether the local background could not be measured"),
        flag(
            "localBackground_flag_noGoodPixels",
            5,
            "whether the local background could not be measured: no pixel is good",
        ),
        flag(
            "localBackground_flag_noPsf",
            5,
            "whether the local background could not be measured: there is no PSF",
        ),
        flag("pixelFlags_bad", 5, "whether its pixels include a bad pixel"),
        flag("pixelFlags_cr", 5, "whether its pixels include a cosmic ray"),
        flag("pixelFlags_crCenter", 5, "whether its pixels include a cosmic ray in the middle"),
        flag("pixelFlags_edge", 5, "whether its pixels include the edge of the image"),
        flag("pixelFlags_interpolated", 5, "whether its pixels include interpolated values"),
        flag(
            "pixelFlags_interpolatedCenter",
            5,
            "whether its pixels include interpolated values in the middle",
        ),
    ]
}

#[expect(clippy::too_many_lines, reason = "a list of columns")]
fn flags() -> Vec<Column<Row>> {
    vec![
        flag("pixelFlags_nodata", 5, "whether its pixels include a pixel without data"),
        flag("pixelFlags_offimage", 5, "whether its pixels include a place off the image"),
        flag("pixelFlags_saturated", 5, "whether its pixels include saturation"),
        flag(
            "pixelFlags_saturatedCenter",
            5,
            "whether its pixels include saturation in the middle",
        ),
        flag("pixelFlags_suspect", 5, "whether its pixels include values near saturation"),
        flag(
            "pixelFlags_suspectCenter",
            5,
            "whether its pixels include values near saturation in the middle",
        ),
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
        flag(
            "psfFlux_flag_apCorr",
            5,
            "whether the flux of a point source could not be measured: the aperture correction is missing",
        ),
        flag(
            "psfFlux_flag_edge",
            5,
            "whether the flux of a point source could not be measured: it is at an edge",
        ),
        flag(
            "psfFlux_flag_noGoodPixels",
            5,
            "whether the flux of a point source could not be measured: no pixel is good",
        ),
        flag("gaussianFlux_flag", 5, "whether the flux of a Gaussian could not be measured"),
        flag("centroid_flag", 5, "whether the place in the image could not be measured"),
        flag(
            "centroid_flag_almostNoSecondDerivative",
            5,
            "whether the place in the image could not be measured: the peak is nearly flat",
        ),
        flag(
            "centroid_flag_badError",
            5,
            "whether the place in the image could not be measured: the error is bad",
        ),
        flag(
            "centroid_flag_edge",
            5,
            "whether the place in the image could not be measured: it is at an edge",
        ),
        flag(
            "centroid_flag_noSecondDerivative",
            5,
            "whether the place in the image could not be measured: the peak is flat",
        ),
        flag(
            "centroid_flag_notAtMaximum",
            5,
            "whether the place in the image could not be measured: it is not at the peak",
        ),
        flag(
            "centroid_flag_resetToPeak",
            5,
            "whether the place in the image could not be measured: the peak was taken",
        ),
        flag("variance_flag", 5, "whether the variance could not be measured"),
        flag(
            "variance_flag_emptyFootprint",
            5,
            "whether the variance could not be measured: the footprint is empty",
        ),
        double("variance_value", "", [0.0, 0.1], "variance of the image at the place"),
        flag("calib_astrometry_used", 5, "whether the astrometry was calibrated by it"),
        flag("calib_photometry_reserved", 5, "whether it was kept aside to check the photometry"),
        flag("calib_photometry_used", 5, "whether the photometry was calibrated by it"),
        flag("calib_psf_candidate", 5, "whether the PSF might be calibrated by it"),
        flag("calib_psf_reserved", 5, "whether it was kept aside to check the PSF"),
        flag("calib_psf_used", 5, "whether the PSF was calibrated by it"),
        flag("deblend_deblendedAsPsf", 5, "whether the deblender took it for a point source"),
        flag("deblend_hasStrayFlux", 5, "whether stray light was given to it"),
    ]
}

#[expect(clippy::too_many_lines, reason = "a list of columns")]
fn others() -> Vec<Column<Row>> {
    vec![
        flag("deblend_masked", 5, "whether the blend was masked"),
        int("deblend_nChild", "", [1, 40], "objects parted from it"),
        flag("deblend_parentTooBig", 5, "whether the blend was too large"),
        flag("deblend_patchedTemplate", 5, "whether its template was patched"),
        flag("deblend_rampedTemplate", 5, "whether its template was ramped"),
        flag("deblend_skipped", 5, "whether deblending was left out"),
        flag("deblend_tooManyPeaks", 5, "whether the blend has too many peaks"),
        flag("hsmPsfMoments_flag", 5, "whether the moments of the PSF could not be measured"),
        flag(
            "hsmPsfMoments_flag_no_pixels",
            5,
            "whether the moments of the PSF could not be measured: there are no pixels",
        ),
        flag(
            "hsmPsfMoments_flag_not_contained",
            5,
            "whether the moments of the PSF could not be measured: the middle is not inside",
        ),
        flag(
            "hsmPsfMoments_flag_parent_source",
            5,
            "whether the moments of the PSF could not be measured: it is the parent of others",
        ),
        flag(
            "iDebiasedPSF_flag",
            5,
            "whether the debiased moments of the PSF could not be measured",
        ),
        flag(
            "iDebiasedPSF_flag_no_pixels",
            5,
            "whether the debiased moments of the PSF could not be measured: there are no pixels",
        ),
        flag(
            "iDebiasedPSF_flag_not_contained",
            5,
            "whether the debiased moments of the PSF could not be measured: the middle is not inside",
        ),
        flag(
            "iDebiasedPSF_flag_parent_source",
            5,
            "whether the debiased moments of the PSF could not be measured: it is the parent of others",
        ),
        flag(
            "iDebiasedPSF_flag_galsim",
            5,
            "whether the debiased moments of the PSF could not be measured: the fit failed",
        ),
        flag(
            "iDebiasedPSF_flag_edge",
            5,
            "whether the debiased moments of the PSF could not be measured: it is at an edge",
        ),
        flag(
            "hsmShapeRegauss_flag",
            5,
            "whether the shape by re-Gaussianization could not be measured",
        ),
        flag(
            "hsmShapeRegauss_flag_galsim",
            5,
            "whether the shape by re-Gaussianization could not be measured: the fit failed",
        ),
        flag(
            "hsmShapeRegauss_flag_no_pixels",
            5,
            "whether the shape by re-Gaussianization could not be measured: there are no pixels",
        ),
        flag(
            "hsmShapeRegauss_flag_not_contained",
            5,
            "whether the shape by re-Gaussianization could not be measured: the middle is not inside",
        ),
        flag(
            "hsmShapeRegauss_flag_parent_source",
            5,
            "whether the shape by re-Gaussianization could not be measured: it is the parent of others",
        ),
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
