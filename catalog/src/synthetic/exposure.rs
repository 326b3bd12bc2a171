//! What single visits measure of objects: the rows from which the child tables of LSST are made.

use adql::sky::Position;

use super::camera::Spot;
use super::object::{LightCurve, Object};
use super::place::offset;
use super::random::{chance, hash, noise};
use super::visit::Visit;

/// A signal of so many errors is a detection.
const DETECTED: f64 = 5.0;
/// Errors of differences of images are larger by this factor.
const DIFFERENCE: f64 = 1.1;

/// What a visit measured at the place of an object.
#[derive(Debug, Clone, Copy)]
pub(super) struct Exposure {
    pub(super) object: Object,
    pub(super) visit: Visit,
    pub(super) spot: Spot,
    /// Names its random values.
    pub(super) key: u64,
    /// Whether there are values, or else NULL.
    pub(super) is_measured: bool,
    /// Single, as they are stored: what is detected is seen in the table too.
    pub(super) flux: f32,
    pub(super) flux_error: f32,
    /// Of the difference to the average.
    pub(super) difference: f32,
    pub(super) difference_error: f32,
}

/// Each visit that sees an object, in the order of the visits.
pub(super) fn exposures(object: Object, visits: &[Visit]) -> impl Iterator<Item = Exposure> {
    let (place, curve) = (object.position.vector(), object.light_curve());
    visits.iter().filter_map(move |visit| {
        let spot = visit.pointing.spot(place)?;
        Some(Exposure::new(object, *visit, spot, curve))
    })
}

impl Exposure {
    fn new(object: Object, visit: Visit, spot: Spot, curve: Option<LightCurve>) -> Self {
        let single = super::object::single;
        let key = hash(object.key, visit.key);
        let average = object.fluxes[visit.band];
        let flux = average * curve.map_or(1.0, |curve| curve.brightness(visit.midpoint_mjd));
        let error = (visit.sky_error.powi(2) + 0.5 * flux + (0.005 * flux).powi(2)).sqrt();
        let difference_error = DIFFERENCE * error;
        Self {
            object,
            visit,
            spot,
            key,
            is_measured: chance(key, 1) >= 0.01,
            flux: single(flux + error * noise(key, 2)),
            flux_error: single(error),
            difference: single(flux - average + difference_error * noise(key, 3)),
            difference_error: single(difference_error),
        }
    }

    /// Whether the image alone shows it.
    pub(super) fn is_detected(&self) -> bool {
        self.is_measured && f64::from(self.flux) >= DETECTED * f64::from(self.flux_error)
    }

    /// Whether the difference to the average shows a change.
    pub(super) fn is_changed(&self) -> bool {
        let least = DETECTED * f64::from(self.difference_error);
        self.is_measured && f64::from(self.difference.abs()) >= least
    }

    /// Errors of its own position, by the light that it is measured in.
    pub(super) fn error_deg(&self) -> [f64; 2] {
        let signal = (f64::from(self.flux.abs()) / f64::from(self.flux_error)).max(1.0);
        let arcsec = 0.005 + self.visit.seeing_arcsec / (2.0 * signal);
        [4, 5].map(|salt| arcsec * (0.8 + 0.4 * chance(self.key, salt)) / 3600.0)
    }

    /// Where the visit sees it.
    pub(super) fn position(&self) -> Position {
        let [ra, dec] = self.error_deg();
        let (east, north) = (ra * noise(self.key, 6), dec * noise(self.key, 7));
        let place = self.object.at(self.visit.midpoint_mjd);
        offset(&place, north, east).unwrap_or(place)
    }

    pub(super) fn flux(&self) -> Option<f32> {
        self.is_measured.then_some(self.flux)
    }

    pub(super) fn difference(&self) -> Option<f32> {
        self.is_measured.then_some(self.difference)
    }
}
