//! Objects that were seen to change, with statistics of their sources in difference images.

use std::sync::LazyLock;

use adql::sky::Pixel;

use crate::SPATIAL_INDEX;
use crate::synthetic::Sky;
use crate::synthetic::column::Column;
use crate::synthetic::exposure::{Exposure, exposures};
use crate::synthetic::object::{BANDS, EPOCH_MJD, Object, objects, single};
use crate::synthetic::visit::visits_near;

/// Numbers of the bands in the order of the public schema.
const BLOCKS: [usize; 6] = [1, 2, 0, 3, 4, 5];

/// A row: an object and its sources in difference images, of each band.
#[derive(Debug, Clone)]
pub(super) struct Row {
    object: Object,
    bands: [Option<Box<Statistics>>; 6],
    sources: i64,
}

/// What is said of the sources in a band; there is at least one.
#[derive(Debug, Clone)]
struct Statistics {
    count: f64,
    mean: f64,
    /// Standard deviation; none of a single one.
    sigma: Option<f64>,
    skew: f64,
    chi2: f64,
    stetson: f64,
    error_mean: f64,
    slope: Option<f64>,
    intercept: Option<f64>,
    max_slope: Option<f64>,
    deviation: f64,
    /// Ascending.
    sorted: Vec<f64>,
    science_mean: f64,
    science_sigma: Option<f64>,
}

#[expect(clippy::cast_precision_loss, reason = "numbers of visits")]
fn number(count: usize) -> f64 {
    count as f64
}

fn mean(values: impl ExactSizeIterator<Item = f64>) -> f64 {
    let count = number(values.len());
    values.sum::<f64>() / count
}

fn spread(values: &[f64]) -> Option<f64> {
    let middle = mean(values.iter().copied());
    let squares: f64 = values.iter().map(|value| (value - middle).powi(2)).sum();
    (values.len() > 1).then(|| (squares / number(values.len() - 1)).sqrt())
}

/// A part of sorted values, from 0 to 1, between neighbors in proportion.
fn quantile(sorted: &[f64], part: f64) -> f64 {
    let at = part * number(sorted.len() - 1);
    #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "below the length")]
    let low = at.floor() as usize;
    let high = (low + 1).min(sorted.len() - 1);
    sorted[low] + (at - at.floor()) * (sorted[high] - sorted[low])
}

impl Statistics {
    fn of(seen: &[Exposure]) -> Option<Box<Self>> {
        if seen.is_empty() {
            return None;
        }
        let fluxes: Vec<f64> = seen.iter().map(|e| f64::from(e.difference)).collect();
        let errors: Vec<f64> = seen.iter().map(|e| f64::from(e.difference_error)).collect();
        let times: Vec<f64> = seen.iter().map(|e| e.visit.midpoint_mjd).collect();
        let science: Vec<f64> = seen.iter().map(|e| f64::from(e.flux)).collect();
        let (count, average) = (number(seen.len()), mean(fluxes.iter().copied()));
        let sigma = spread(&fluxes);
        let moment = |power| mean(fluxes.iter().map(|flux| (flux - average).powi(power)));
        let scaled = || fluxes.iter().zip(&errors).map(|(flux, error)| (flux - average) / error);
        let middle = mean(times.iter().copied());
        let both = || times.iter().map(|time| time - middle).zip(&fluxes);
        let width: f64 = both().map(|(time, _)| time * time).sum();
        let slope =
            (width > 0.0).then(|| both().map(|(time, flux)| time * flux).sum::<f64>() / width);
        let steps = times.windows(2).zip(fluxes.windows(2));
        let steps = steps.map(|(t, f)| ((f[1] - f[0]) / (t[1] - t[0]).max(1e-6)).abs());
        let mut sorted = fluxes.clone();
        sorted.sort_unstable_by(f64::total_cmp);
        let median = quantile(&sorted, 0.5);
        let mut off: Vec<f64> = fluxes.iter().map(|flux| (flux - median).abs()).collect();
        off.sort_unstable_by(f64::total_cmp);
        let stetson = scaled().map(|value| (value * value - 1.0).abs().sqrt()).sum::<f64>() / count;
        Some(Box::new(Self {
            count,
            mean: average,
            sigma,
            skew: if moment(2) > 0.0 { moment(3) / moment(2).powf(1.5) } else { 0.0 },
            chi2: scaled().map(|value| value * value).sum(),
            stetson,
            error_mean: mean(errors.iter().copied()),
            slope,
            intercept: slope.map(|slope| average - slope * (middle - EPOCH_MJD)),
            max_slope: steps.reduce(f64::max),
            deviation: quantile(&off, 0.5),
            science_mean: mean(science.iter().copied()),
            science_sigma: spread(&science),
            sorted,
        }))
    }
}

/// The changing objects of a pixel.
pub(super) fn rows(sky: &Sky, pixel: Pixel, rows: &mut Vec<Row>) {
    let mut objects = objects(sky, pixel);
    objects.retain(|object| object.light_curve().is_some());
    if objects.is_empty() {
        return;
    }
    let visits = visits_near(sky, pixel);
    for object in objects {
        let seen: Vec<Exposure> = exposures(object, &visits).filter(Exposure::is_changed).collect();
        let bands = [0, 1, 2, 3, 4, 5].map(|band| {
            let of_band = seen.iter().filter(|seen| seen.visit.band == band);
            Statistics::of(&of_band.copied().collect::<Vec<_>>())
        });
        let sources = i64::try_from(seen.len()).unwrap_or(i64::MAX);
        if sources > 0 {
            rows.push(Row { object, bands, sources });
        }
    }
}

/// The columns of the table: those of the public schema in its order.
pub(super) static COLUMNS: LazyLock<Vec<Column<Row>>> = LazyLock::new(|| {
    let index = "HEALPix index (NESTED, order 29) of the position";
    let mut columns = vec![
        Column::long(SPATIAL_INDEX, "", "pos.healpix", index, |r: &Row| r.object.spatial_index),
        Column::double("ra", "deg", "pos.eq.ra;meta.main", "right ascension (ICRS)", |r: &Row| {
            r.object.ra
        })
        .indexed(),
        Column::double("dec", "deg", "pos.eq.dec;meta.main", "declination (ICRS)", |r: &Row| {
            r.object.dec
        })
        .indexed(),
        Column::long("nDiaSources", "", "", "number of its rows in diaSource", |r: &Row| r.sources),
        Column::double("radecMjdTai", "d", "", "time of the position (MJD, TAI)", |_: &Row| {
            EPOCH_MJD
        }),
    ];
    columns.extend(BLOCKS.into_iter().flat_map(of_band));
    let id = "unique id: that of its row in object";
    columns.push(Column::long("diaObjectId", "", "", id, |r: &Row| r.object.id).indexed());
    columns
});

/// A statistic: its name, whether it is double, its unit, what it is, and its value.
type Family = (&'static str, bool, &'static str, &'static str, fn(&Statistics) -> Option<f64>);

#[rustfmt::skip]
const FAMILIES: [Family; 22] = [
    ("psfFluxLinearSlope", true, "nJy/d", "slope of a line through the differences", |s| s.slope),
    ("psfFluxLinearIntercept", true, "nJy", "value of that line at radecMjdTai", |s| s.intercept),
    ("psfFluxMAD", false, "nJy", "median of the deviations from the median difference", |s| Some(s.deviation)),
    ("psfFluxMaxSlope", true, "nJy/d", "largest slope between neighbors in time", |s| s.max_slope),
    ("psfFluxErrMean", false, "nJy", "mean error of the differences", |s| Some(s.error_mean)),
    ("psfFluxMean", true, "nJy", "mean difference", |s| Some(s.mean)),
    ("psfFluxMeanErr", true, "nJy", "error of the mean difference", |s| s.sigma.map(|sigma| sigma / s.count.sqrt())),
    ("psfFluxNdata", true, "", "number of differences", |s| Some(s.count)),
    ("scienceFluxMean", true, "nJy", "mean flux in the images themselves", |s| Some(s.science_mean)),
    ("scienceFluxMeanErr", true, "nJy", "error of that mean", |s| s.science_sigma.map(|sigma| sigma / s.count.sqrt())),
    ("psfFluxMin", true, "nJy", "least difference", |s| s.sorted.first().copied()),
    ("psfFluxMax", true, "nJy", "largest difference", |s| s.sorted.last().copied()),
    ("psfFluxPercentile05", true, "nJy", "difference below which 5 % are", |s| Some(quantile(&s.sorted, 0.05))),
    ("psfFluxPercentile25", true, "nJy", "difference below which 25 % are", |s| Some(quantile(&s.sorted, 0.25))),
    ("psfFluxPercentile50", true, "nJy", "difference below which 50 % are", |s| Some(quantile(&s.sorted, 0.5))),
    ("psfFluxPercentile75", true, "nJy", "difference below which 75 % are", |s| Some(quantile(&s.sorted, 0.75))),
    ("psfFluxPercentile95", true, "nJy", "difference below which 95 % are", |s| Some(quantile(&s.sorted, 0.95))),
    ("psfFluxSigma", true, "nJy", "standard deviation of the differences", |s| s.sigma),
    ("scienceFluxSigma", true, "nJy", "standard deviation of the fluxes in the images", |s| s.science_sigma),
    ("psfFluxSkew", false, "", "skewness of the differences", |s| Some(s.skew)),
    ("psfFluxChi2", false, "", "chi squared of a constant", |s| Some(s.chi2)),
    ("psfFluxStetsonJ", true, "", "how much differences beside each other agree", |s| Some(s.stetson)),
];

fn of_band(band: usize) -> Vec<Column<Row>> {
    let letter = BANDS[band];
    let columns = FAMILIES.iter().map(|&(name, is_double, unit, said, value)| {
        let (name, said) = (format!("{letter}_{name}"), format!("{said}, in {letter}"));
        let of = move |r: &Row| r.bands[band].as_deref().and_then(value);
        if is_double {
            Column::double_or_null(name, unit, "", said, of)
        } else {
            Column::float(name, unit, "", said, move |r: &Row| of(r).map(single))
        }
    });
    columns.collect()
}
