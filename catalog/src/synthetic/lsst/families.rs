//! What is measured of an object in each band: the same list of columns six times.

use Kind::{
    Aperture, Bulge, Calibration, Disk, FreeInnerModel, FreeModel, FreePsf, Gaap, GaapOptimal,
    GaapPsf, InnerModel, Kron, Model, Psf, Sersic,
};
use Measure::{
    Covariance, Dec, DecError, Extendedness, Failed, Flag, Flux, FluxError, Inputs, Length,
    Magnitude, MagnitudeError, Moment, Number, Pixel, Ra, RaError, Steps,
};

use super::drawn::{between, covariance, drawn, spot_in_patch, within};
use super::object::Row;
use crate::synthetic::column::Column;
use crate::synthetic::object::{BANDS, magnitude_of, single};
use crate::synthetic::random::{chance, hash, noise, salt};

/// By what a flux is measured.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind {
    Psf,
    FreePsf,
    Bulge,
    Disk,
    GaapPsf,
    /// Tenths of an arcsecond.
    Gaap(u8),
    GaapOptimal,
    Kron,
    Calibration,
    /// Pixels.
    Aperture(u8),
    Model,
    InnerModel,
    FreeModel,
    FreeInnerModel,
    Sersic,
}

/// What a column of a band holds.
#[derive(Debug, Clone, Copy)]
pub(super) enum Measure {
    Ra,
    Dec,
    RaError,
    DecError,
    Covariance,
    Flux(Kind),
    FluxError(Kind),
    Magnitude(Kind),
    MagnitudeError(Kind),
    /// Whether the flux could not be measured.
    Failed(Kind),
    /// True for so many of a thousand.
    Flag(u16),
    /// Second moments around so many square pixels.
    Moment(f64),
    /// Pixels around so many.
    Length(f64),
    Number(f64),
    Steps,
    /// How many visits show it.
    Inputs,
    Extendedness,
    /// A coordinate in an image.
    Pixel,
}

impl Kind {
    /// Part of the light that it takes in, of a point and of what is extended.
    fn share(self, extended: bool) -> f64 {
        let width = if extended { 3.0 } else { 1.7 };
        let model = |point: f64, galaxy: f64| if extended { galaxy } else { point };
        match self {
            Psf | FreePsf | GaapPsf => model(1.0, 0.7),
            Bulge => model(0.5, 0.3),
            Disk => model(0.5, 0.7),
            Gaap(tenths) => within(f64::from(tenths) / 2.0, width),
            Aperture(pixels) => within(f64::from(pixels), width),
            Calibration => within(12.0, width),
            GaapOptimal => 0.8,
            Kron => 0.95,
            Model | FreeModel | Sersic => 1.0,
            InnerModel | FreeInnerModel => 0.5,
        }
    }

    /// By which factor errors are larger than those of a point source.
    fn noisiness(self) -> f64 {
        match self {
            Psf | FreePsf | GaapPsf => 1.0,
            Bulge | Disk => 2.0,
            Gaap(tenths) => 0.7 + f64::from(tenths) / 30.0,
            Aperture(pixels) => 0.6 + f64::from(pixels) / 10.0,
            Calibration => 1.8,
            GaapOptimal | InnerModel | FreeInnerModel => 1.1,
            Kron => 1.5,
            Model | FreeModel | Sersic => 1.2,
        }
    }

    fn salt(self) -> u64 {
        match self {
            Psf => 201,
            FreePsf => 202,
            Bulge => 203,
            Disk => 204,
            GaapPsf => 205,
            GaapOptimal => 206,
            Kron => 207,
            Calibration => 208,
            Model => 209,
            InnerModel => 210,
            FreeModel => 211,
            FreeInnerModel => 212,
            Sersic => 213,
            Gaap(tenths) => 300 + u64::from(tenths),
            Aperture(pixels) => 400 + u64::from(pixels),
        }
    }

    /// Whether a flux of this kind could not be measured in a band: all of them are lost together
    /// where there is no image, and one in 250 by itself.
    fn fails(self, row: &Row, band: usize) -> bool {
        row.it.is_lost(band) || chance(self.key(row, band), 1) < 0.004
    }

    /// The same noise for the flux, the magnitude and the flag.
    fn key(self, row: &Row, band: usize) -> u64 {
        hash(row.it.key, 1_000 * self.salt() + u64::try_from(band).unwrap_or(0))
    }

    fn flux(self, row: &Row, band: usize) -> Option<f64> {
        let flux = self.share(row.it.extended) * row.it.fluxes[band];
        let noise = || self.error(row, band) * noise(self.key(row, band), 2);
        (!self.fails(row, band)).then(|| flux + noise())
    }

    fn error(self, row: &Row, band: usize) -> f64 {
        self.noisiness() * row.it.flux_error(band)
    }

    /// A flux as it is stored, so that the magnitude is that of the flux in the table.
    fn stored(self, row: &Row, band: usize) -> Option<f64> {
        self.flux(row, band).map(|flux| f64::from(single(flux)))
    }
}

/// The column of a family in a band.
pub(super) fn column((name, measure, said): (&str, Measure, &str), band: usize) -> Column<Row> {
    let letter = BANDS[band];
    let name = format!("{letter}_{name}");
    let salt = salt(&name);
    let said = format!("{said}, in {letter}");
    match measure {
        Ra => Column::double(name, "deg", "pos.eq.ra", said, move |o: &Row| o.it.ra),
        Dec => Column::double(name, "deg", "pos.eq.dec", said, move |o: &Row| o.it.dec),
        RaError => error((name, "stat.error;pos.eq.ra", said), 0),
        DecError => error((name, "stat.error;pos.eq.dec", said), 1),
        Covariance => {
            let ucd = "stat.covariance;pos.eq.ra;pos.eq.dec";
            let of =
                move |o: &Row| Some(single(covariance(o.it.error_deg(), hash(o.it.key, salt))));
            Column::float(name, "deg**2", ucd, said, of)
        }
        Flux(kind) => float((name, "nJy", said), move |o| kind.flux(o, band)),
        FluxError(kind) => {
            float((name, "nJy", said), move |o| (!kind.fails(o, band)).then(|| kind.error(o, band)))
        }
        Magnitude(kind) => {
            let of = move |o: &Row| kind.stored(o, band).and_then(magnitude_of);
            float((name, "mag", said), of).principal()
        }
        MagnitudeError(kind) => {
            let of = move |o: &Row| {
                let flux = kind.stored(o, band).filter(|flux| *flux > 0.0)?;
                Some(2.5 / std::f64::consts::LN_10 * kind.error(o, band) / flux)
            };
            float((name, "mag", said), of).principal()
        }
        Failed(kind) => Column::flag(name, "", "", said, move |o: &Row| kind.fails(o, band)),
        Flag(per_mille) => {
            let part = f64::from(per_mille) / 1e3;
            Column::flag(name, "", "", said, move |o: &Row| chance(o.it.key, salt) < part)
        }
        Moment(mean) => {
            let spread = if mean > 0.0 { 0.5 } else { 0.2 };
            float((name, "pixel**2", said), move |o| drawn(o.it.key, salt, mean, spread))
        }
        Length(mean) => {
            float((name, "pixel", said), move |o| drawn(o.it.key, salt, mean, 0.1 * mean))
        }
        Number(mean) => float((name, "", said), move |o| drawn(o.it.key, salt, mean, 0.1)),
        Steps => Column::int(name, "", "", said, move |o: &Row| between(o.it.key, salt, [1, 40])),
        Inputs => Column::int(name, "", "", said, move |o: &Row| o.inputs[band]),
        Extendedness => {
            let of =
                move |o: &Row| (!o.it.is_lost(band)).then(|| f32::from(u8::from(o.it.extended)));
            Column::float(name, "", "", said, of)
        }
        Pixel => {
            let of = move |o: &Row| spot_in_patch(hash(o.it.key, salt)).x;
            Column::double(name, "pixel", "", said, of)
        }
    }
}

/// The error of a coordinate.
fn error((name, ucd, said): (String, &'static str, String), axis: usize) -> Column<Row> {
    Column::float(name, "deg", ucd, said, move |o: &Row| Some(single(2.0 * o.it.error_deg()[axis])))
}

/// A column of single precision: its name, unit and meaning.
fn float(
    (name, unit, said): (String, &'static str, String),
    of: impl Fn(&Row) -> Option<f64> + Send + Sync + 'static,
) -> Column<Row> {
    Column::float(name, unit, "", said, move |o: &Row| of(o).map(single))
}

/// The Sersic flux in each band, or its error.
pub(super) const SERSIC: (&str, Measure, &str) =
    ("sersicFlux", Flux(Sersic), "flux of the Sersic model");
pub(super) const SERSIC_ERROR: (&str, Measure, &str) =
    ("sersicFluxErr", FluxError(Sersic), "error of sersicFlux");

/// The families, in the order of the public schema.
#[rustfmt::skip]
pub(super) const FAMILIES: [(&str, Measure, &str); 203] = [
    ("ra", Ra, "right ascension (ICRS)"),
    ("dec", Dec, "declination (ICRS)"),
    ("raErr", RaError, "error of ra"),
    ("decErr", DecError, "error of dec"),
    ("ra_dec_Cov", Covariance, "covariance of ra and dec"),
    ("psfFlux", Flux(Psf), "flux of a point source"),
    ("psfFluxErr", FluxError(Psf), "error of psfFlux"),
    ("psfMag", Magnitude(Psf), "magnitude of a point source"),
    ("psfMagErr", MagnitudeError(Psf), "error of psfMag"),
    ("free_psfFlux", Flux(FreePsf), "flux of a point source at its own place"),
    ("free_psfFluxErr", FluxError(FreePsf), "error of free_psfFlux"),
    ("free_psfFlux_flag", Failed(FreePsf), "whether the flux of a point source at its own place could not be measured"),
    ("bdE1", Moment(0.0), "first ellipticity of bulge and disk"),
    ("bdE2", Moment(0.0), "second ellipticity of bulge and disk"),
    ("bdReB", Moment(4.0), "effective radius of the bulge"),
    ("bdReD", Moment(4.0), "effective radius of the disk"),
    ("bdChi2", Number(1.0), "chi squared of bulge and disk"),
    ("bdFluxB", Flux(Bulge), "flux of the bulge"),
    ("bdFluxBErr", FluxError(Bulge), "error of bdFluxB"),
    ("bdFluxD", Flux(Disk), "flux of the disk"),
    ("bdFluxDErr", FluxError(Disk), "error of bdFluxD"),
    ("gaapPsfFlux", Flux(GaapPsf), "flux through an aperture like the PSF"),
    ("gaapPsfFluxErr", FluxError(GaapPsf), "error of gaapPsfFlux"),
    ("gaap0p7Flux", Flux(Gaap(7)), "flux through 0.7 arcsec"),
    ("gaap0p7FluxErr", FluxError(Gaap(7)), "error of gaap0p7Flux"),
    ("gaap1p0Flux", Flux(Gaap(10)), "flux through 1.0 arcsec"),
    ("gaap1p0FluxErr", FluxError(Gaap(10)), "error of gaap1p0Flux"),
    ("gaap1p5Flux", Flux(Gaap(15)), "flux through 1.5 arcsec"),
    ("gaap1p5FluxErr", FluxError(Gaap(15)), "error of gaap1p5Flux"),
    ("gaap2p5Flux", Flux(Gaap(25)), "flux through 2.5 arcsec"),
    ("gaap2p5FluxErr", FluxError(Gaap(25)), "error of gaap2p5Flux"),
    ("gaap3p0Flux", Flux(Gaap(30)), "flux through 3.0 arcsec"),
    ("gaap3p0FluxErr", FluxError(Gaap(30)), "error of gaap3p0Flux"),
    ("gaapOptimalFlux", Flux(GaapOptimal), "flux through the best Gaussian aperture"),
    ("gaapOptimalFluxErr", FluxError(GaapOptimal), "error of gaapOptimalFlux"),
    ("ixx", Moment(4.0), "second moment xx"),
    ("iyy", Moment(4.0), "second moment yy"),
    ("ixy", Moment(0.0), "second moment xy"),
    ("i_flag", Flag(4), "whether the moments could not be measured"),
    ("ixxPSF", Moment(4.0), "second moment xx of the PSF"),
    ("iyyPSF", Moment(4.0), "second moment yy of the PSF"),
    ("ixyPSF", Moment(0.0), "second moment xy of the PSF"),
    ("iPSF_flag", Flag(4), "whether the moments of the PSF could not be measured"),
    ("ixxRound", Moment(4.0), "second moment xx within a round window"),
    ("iyyRound", Moment(4.0), "second moment yy within a round window"),
    ("ixyRound", Moment(0.0), "second moment xy within a round window"),
    ("iRound_flag", Flag(4), "whether the round moments could not be measured"),
    ("ixxDebiasedPSF", Moment(4.0), "second moment xx of the PSF, debiased"),
    ("iyyDebiasedPSF", Moment(4.0), "second moment yy of the PSF, debiased"),
    ("ixyDebiasedPSF", Moment(0.0), "second moment xy of the PSF, debiased"),
    ("iDebiasedPSF_flag", Flag(4), "whether the debiased moments of the PSF could not be measured"),
    ("kronRad", Number(3.0), "Kron radius"),
    ("kronFlux", Flux(Kron), "flux within the Kron radius"),
    ("kronFluxErr", FluxError(Kron), "error of kronFlux"),
    ("calibFlux", Flux(Calibration), "flux for the calibration"),
    ("calibFluxErr", FluxError(Calibration), "error of calibFlux"),
    ("ap03Flux", Flux(Aperture(3)), "flux within 3 pixels"),
    ("ap03FluxErr", FluxError(Aperture(3)), "error of ap03Flux"),
    ("ap03Flux_flag", Failed(Aperture(3)), "whether the flux within 3 pixels could not be measured"),
    ("ap06Flux", Flux(Aperture(6)), "flux within 6 pixels"),
    ("ap06FluxErr", FluxError(Aperture(6)), "error of ap06Flux"),
    ("ap06Flux_flag", Failed(Aperture(6)), "whether the flux within 6 pixels could not be measured"),
    ("ap09Flux", Flux(Aperture(9)), "flux within 9 pixels"),
    ("ap09FluxErr", FluxError(Aperture(9)), "error of ap09Flux"),
    ("ap09Flux_flag", Failed(Aperture(9)), "whether the flux within 9 pixels could not be measured"),
    ("ap12Flux", Flux(Aperture(12)), "flux within 12 pixels"),
    ("ap12FluxErr", FluxError(Aperture(12)), "error of ap12Flux"),
    ("ap12Flux_flag", Failed(Aperture(12)), "whether the flux within 12 pixels could not be measured"),
    ("ap17Flux", Flux(Aperture(17)), "flux within 17 pixels"),
    ("ap17FluxErr", FluxError(Aperture(17)), "error of ap17Flux"),
    ("ap17Flux_flag", Failed(Aperture(17)), "whether the flux within 17 pixels could not be measured"),
    ("ap25Flux", Flux(Aperture(25)), "flux within 25 pixels"),
    ("ap25FluxErr", FluxError(Aperture(25)), "error of ap25Flux"),
    ("ap25Flux_flag", Failed(Aperture(25)), "whether the flux within 25 pixels could not be measured"),
    ("ap35Flux", Flux(Aperture(35)), "flux within 35 pixels"),
    ("ap35FluxErr", FluxError(Aperture(35)), "error of ap35Flux"),
    ("ap35Flux_flag", Failed(Aperture(35)), "whether the flux within 35 pixels could not be measured"),
    ("ap50Flux", Flux(Aperture(50)), "flux within 50 pixels"),
    ("ap50FluxErr", FluxError(Aperture(50)), "error of ap50Flux"),
    ("ap50Flux_flag", Failed(Aperture(50)), "whether the flux within 50 pixels could not be measured"),
    ("ap70Flux", Flux(Aperture(70)), "flux within 70 pixels"),
    ("ap70FluxErr", FluxError(Aperture(70)), "error of ap70Flux"),
    ("ap70Flux_flag", Failed(Aperture(70)), "whether the flux within 70 pixels could not be measured"),
    ("extendedness", Extendedness, "1 if extended, 0 if a point source"),
    ("sizeExtendedness", Number(0.3), "extendedness by its size"),
    ("blendedness", Number(0.3), "how much light others have in its pixels"),
    ("cModelFlux", Flux(Model), "flux of the galaxy model"),
    ("cModelFluxErr", FluxError(Model), "error of cModelFlux"),
    ("cModelMag", Magnitude(Model), "magnitude of the galaxy model"),
    ("cModelMagErr", MagnitudeError(Model), "error of cModelMag"),
    ("cModelFlux_inner", Flux(InnerModel), "flux of the inner part of the galaxy model"),
    ("free_cModelFlux", Flux(FreeModel), "flux of the galaxy model fitted in this band"),
    ("free_cModelFluxErr", FluxError(FreeModel), "error of free_cModelFlux"),
    ("free_cModelFlux_inner", Flux(FreeInnerModel), "flux of the inner part of the model fitted in this band"),
    ("free_cModelFlux_flag", Failed(FreeModel), "whether the flux of the galaxy model fitted in this band could not be measured"),
    ("hsmShapeRegauss_e1", Number(0.0), "first ellipticity by re-Gaussianization"),
    ("hsmShapeRegauss_e2", Number(0.0), "second ellipticity by re-Gaussianization"),
    ("hsmShapeRegauss_sigma", Number(0.3), "error of an ellipticity by re-Gaussianization"),
    ("hsmShapeRegauss_flag", Flag(4), "whether the shape by re-Gaussianization could not be measured"),
    ("hsm_moments_30", Number(0.0), "moment of orders 3 and 0"),
    ("hsm_momentsPsf_30", Number(0.0), "moment of orders 3 and 0 of the PSF"),
    ("hsm_moments_21", Number(0.0), "moment of orders 2 and 1"),
    ("hsm_momentsPsf_21", Number(0.0), "moment of orders 2 and 1 of the PSF"),
    ("hsm_moments_12", Number(0.0), "moment of orders 1 and 2"),
    ("hsm_momentsPsf_12", Number(0.0), "moment of orders 1 and 2 of the PSF"),
    ("hsm_moments_03", Number(0.0), "moment of orders 0 and 3"),
    ("hsm_momentsPsf_03", Number(0.0), "moment of orders 0 and 3 of the PSF"),
    ("hsm_moments_40", Number(3.0), "moment of orders 4 and 0"),
    ("hsm_momentsPsf_40", Number(3.0), "moment of orders 4 and 0 of the PSF"),
    ("hsm_moments_31", Number(0.0), "moment of orders 3 and 1"),
    ("hsm_momentsPsf_31", Number(0.0), "moment of orders 3 and 1 of the PSF"),
    ("hsm_moments_22", Number(3.0), "moment of orders 2 and 2"),
    ("hsm_momentsPsf_22", Number(3.0), "moment of orders 2 and 2 of the PSF"),
    ("hsm_moments_13", Number(0.0), "moment of orders 1 and 3"),
    ("hsm_momentsPsf_13", Number(0.0), "moment of orders 1 and 3 of the PSF"),
    ("hsm_moments_04", Number(3.0), "moment of orders 0 and 4"),
    ("hsm_momentsPsf_04", Number(3.0), "moment of orders 0 and 4 of the PSF"),
    ("hsm_moments_flag", Flag(4), "whether the higher moments could not be measured"),
    ("hsm_momentsPsf_flag", Flag(4), "whether the higher moments of the PSF could not be measured"),
    ("inputCount", Inputs, "images of this band that show its place"),
    ("deblend_dataCoverage", Number(0.3), "part of its blend with data"),
    ("deblend_blendedness", Number(0.3), "part of others in its blend"),
    ("deblend_fluxOverlap", Number(0.3), "light of others in its pixels"),
    ("deblend_fluxOverlapFraction", Number(0.3), "part of the light of others in its pixels"),
    ("deblend_zeroFlux", Flag(4), "whether the deblender gave it no light"),
    ("psfModel_TwoGaussian_gauss1_sigma_x", Length(1.8), "width in x of Gaussian 1 of the PSF model"),
    ("psfModel_TwoGaussian_gauss1_sigma_y", Length(1.8), "width in y of Gaussian 1 of the PSF model"),
    ("psfModel_TwoGaussian_gauss1_rho", Number(0.0), "correlation of x and y of Gaussian 1 of the PSF model"),
    ("psfModel_TwoGaussian_gauss1_fluxfrac", Number(0.3), "part of the light of Gaussian 1 of the PSF model"),
    ("psfModel_TwoGaussian_gauss2_sigma_x", Length(1.8), "width in x of Gaussian 2 of the PSF model"),
    ("psfModel_TwoGaussian_gauss2_sigma_y", Length(1.8), "width in y of Gaussian 2 of the PSF model"),
    ("psfModel_TwoGaussian_gauss2_rho", Number(0.0), "correlation of x and y of Gaussian 2 of the PSF model"),
    ("psfModel_TwoGaussian_n_iter", Steps, "steps to the PSF model"),
    ("psfModel_TwoGaussian_chisq_reduced", Number(1.0), "reduced chi squared of the PSF model"),
    ("psfModel_TwoGaussian_unknown_flag", Flag(4), "whether the model of the PSF could not be fitted: the reason is unknown"),
    ("psfModel_TwoGaussian_no_inputs_flag", Flag(4), "whether the model of the PSF could not be fitted: there is no image"),
    ("inputCount_flag", Flag(4), "whether the number of images is unknown"),
    ("inputCount_flag_noInputs", Flag(4), "whether the number of images could not be measured: there is no image"),
    ("psfFlux_area", Length(60.0), "effective area of the PSF"),
    ("psfFlux_flag", Failed(Psf), "whether the flux of a point source could not be measured"),
    ("psfFlux_flag_apCorr", Flag(4), "whether the flux of a point source could not be measured: the aperture correction is missing"),
    ("psfFlux_flag_edge", Flag(4), "whether the flux of a point source could not be measured: it is at an edge"),
    ("psfFlux_flag_noGoodPixels", Flag(4), "whether the flux of a point source could not be measured: no pixel is good"),
    ("cModel_flag", Failed(Model), "whether the flux of the galaxy model could not be measured"),
    ("cModel_flag_apCorr", Flag(4), "whether the flux of the galaxy model could not be measured: the aperture correction is missing"),
    ("gaapFlux_flag", Flag(4), "whether fluxes through Gaussian apertures could not be measured"),
    ("gaapFlux_flag_edge", Flag(4), "whether fluxes through Gaussian apertures could not be measured: it is at an edge"),
    ("gaapFlux_flag_gaussianization", Flag(4), "whether fluxes through Gaussian apertures could not be measured: the PSF could not be made Gaussian"),
    ("gaapOptimalFlux_flag_bigPsf", Flag(4), "whether the flux through the best Gaussian aperture could not be measured: the PSF is wider than the aperture"),
    ("gaap0p7Flux_flag_bigPsf", Flag(4), "whether the flux through 0.7 arcsec could not be measured: the PSF is wider than the aperture"),
    ("gaap1p0Flux_flag_bigPsf", Flag(4), "whether the flux through 1.0 arcsec could not be measured: the PSF is wider than the aperture"),
    ("gaap1p5Flux_flag_bigPsf", Flag(4), "whether the flux through 1.5 arcsec could not be measured: the PSF is wider than the aperture"),
    ("gaap2p5Flux_flag_bigPsf", Flag(4), "whether the flux through 2.5 arcsec could not be measured: the PSF is wider than the aperture"),
    ("gaap3p0Flux_flag_bigPsf", Flag(4), "whether the flux through 3.0 arcsec could not be measured: the PSF is wider than the aperture"),
    ("blendedness_flag", Flag(4), "whether the blendedness could not be measured"),
    ("pixelFlags_bad", Flag(4), "whether its pixels include a bad pixel"),
    ("pixelFlags_clipped", Flag(4), "whether its pixels include values left out of some images"),
    ("pixelFlags_clippedCenter", Flag(4), "whether its pixels include values left out of some images in the middle"),
    ("pixelFlags_cr", Flag(4), "whether its pixels include a cosmic ray"),
    ("pixelFlags_crCenter", Flag(4), "whether its pixels include a cosmic ray in the middle"),
    ("pixelFlags_edge", Flag(4), "whether its pixels include the edge of the image"),
    ("pixelFlags_inexact_psf", Flag(4), "whether its pixels include an image without all inputs"),
    ("pixelFlags_inexact_psfCenter", Flag(4), "whether its pixels include an image without all inputs in the middle"),
    ("pixelFlags_interpolated", Flag(4), "whether its pixels include interpolated values"),
    ("pixelFlags_interpolatedCenter", Flag(4), "whether its pixels include interpolated values in the middle"),
    ("pixelFlags_nodata", Flag(4), "whether its pixels include a pixel without data"),
    ("pixelFlags_offimage", Flag(4), "whether its pixels include a place off the image"),
    ("pixelFlags_saturated", Flag(4), "whether its pixels include saturation"),
    ("pixelFlags_saturatedCenter", Flag(4), "whether its pixels include saturation in the middle"),
    ("pixelFlags_sensor_edge", Flag(4), "whether its pixels include the edge of a sensor"),
    ("pixelFlags_sensor_edgeCenter", Flag(4), "whether its pixels include the edge of a sensor in the middle"),
    ("pixelFlags_suspect", Flag(4), "whether its pixels include values near saturation"),
    ("pixelFlags_suspectCenter", Flag(4), "whether its pixels include values near saturation in the middle"),
    ("extendedness_flag", Flag(4), "whether the class could not be measured"),
    ("sizeExtendedness_flag", Flag(4), "whether the class by size could not be measured"),
    ("invalidPsfFlag", Flag(4), "whether the PSF is invalid there"),
    ("calib_astrometry_used", Flag(8), "whether the astrometry was calibrated by it"),
    ("calib_photometry_reserved", Flag(8), "whether it was kept aside to check the photometry"),
    ("calib_photometry_used", Flag(8), "whether the photometry was calibrated by it"),
    ("calib_psf_candidate", Flag(8), "whether the PSF might be calibrated by it"),
    ("calib_psf_reserved", Flag(8), "whether it was kept aside to check the PSF"),
    ("calib_psf_used", Flag(8), "whether the PSF was calibrated by it"),
    ("apFlux_flag", Flag(4), "whether fluxes within apertures could not be measured"),
    ("apFlux_flag_apertureTruncated", Flag(4), "whether fluxes within apertures could not be measured: the aperture is cut off"),
    ("apFlux_flag_sincCoeffsTruncated", Flag(4), "whether fluxes within apertures could not be measured: the weights of the aperture are cut off"),
    ("calibFlux_flag", Failed(Calibration), "whether the flux for the calibration could not be measured"),
    ("calibFlux_flag_apertureTruncated", Flag(8), "whether the flux for the calibration could not be measured: the aperture is cut off"),
    ("calibFlux_flag_sincCoeffsTruncated", Flag(8), "whether the flux for the calibration could not be measured: the weights of the aperture are cut off"),
    ("centroid_flag", Flag(4), "whether the place in the image could not be measured"),
    ("centroid_x", Pixel, "column of its place"),
    ("centroid_xErr", Length(0.02), "error of the column"),
    ("centroid_y", Pixel, "row of its place"),
    ("centroid_yErr", Length(0.02), "error of the row"),
    ("kronFlux_flag", Failed(Kron), "whether the flux within Kron's radius could not be measured"),
    ("kronFlux_flag_bad_radius", Flag(4), "whether the flux within Kron's radius could not be measured: the radius is bad"),
    ("kronFlux_flag_bad_shape", Flag(4), "whether the flux within Kron's radius could not be measured: the shape is bad"),
    ("kronFlux_flag_bad_shape_no_psf", Flag(4), "whether the flux within Kron's radius could not be measured: the shape is bad and there is no PSF"),
    ("kronFlux_flag_edge", Flag(4), "whether the flux within Kron's radius could not be measured: it is at an edge"),
    ("kronFlux_flag_no_fallback_radius", Flag(4), "whether the flux within Kron's radius could not be measured: there is no other radius"),
    ("kronFlux_flag_no_minimum_radius", Flag(4), "whether the flux within Kron's radius could not be measured: there is no least radius"),
    ("kronFlux_flag_small_radius", Flag(4), "whether the flux within Kron's radius could not be measured: the radius is small"),
    ("kronFlux_flag_used_minimum_radius", Flag(4), "whether the flux within Kron's radius could not be measured: the least radius was taken"),
    ("kronFlux_flag_used_psf_radius", Flag(4), "whether the flux within Kron's radius could not be measured: the radius of the PSF was taken"),
];
