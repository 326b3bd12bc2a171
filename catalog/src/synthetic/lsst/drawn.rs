//! Columns of which only the likelihood of a value matters: each is drawn by the key of its row
//! and its own name.

use std::borrow::Cow;

use crate::synthetic::camera::Spot;
use crate::synthetic::column::Column;
use crate::synthetic::object::single;
use crate::synthetic::random::{chance, noise, salt};

/// What a flag of pixels says that they include, by its name after `pixelFlags_`.
const IN_PIXELS: [(&str, &str); 11] = [
    ("bad", "a bad pixel"),
    ("cr", "a cosmic ray"),
    ("edge", "the edge of the image"),
    ("injected", "injected light"),
    ("injected_template", "light injected into the template"),
    ("interpolated", "interpolated values"),
    ("nodata", "a pixel without data"),
    ("offimage", "a place off the image"),
    ("saturated", "saturation"),
    ("streak", "a streak"),
    ("suspect", "values near saturation"),
];

/// A row that has random values of its own.
pub(super) trait Keyed {
    fn key(&self) -> u64;
}

/// True for so many of a thousand.
pub(super) fn flag<R: Keyed>(
    name: impl Into<Cow<'static, str>>,
    per_mille: u16,
    description: impl Into<Cow<'static, str>>,
) -> Column<R> {
    let name = name.into();
    let salt = salt(&name);
    let part = f64::from(per_mille) / 1e3;
    Column::flag(name, "", "", description, move |row: &R| chance(row.key(), salt) < part)
}

/// Whether its pixels include each of these, anywhere or in the middle (`…Center`).
pub(super) fn pixel_flags<R: Keyed>(names: &[&str]) -> Vec<Column<R>> {
    let flags = names.iter().map(|name| {
        let (wanted, place) = match name.strip_suffix("Center") {
            Some(wanted) => (wanted, " in the middle"),
            None => (*name, ""),
        };
        let mut known = IN_PIXELS.iter().filter(|(known, _)| *known == wanted);
        let (_, what) = known.next().expect("the list has every flag of the schema");
        let description = format!("whether its pixels include {what}{place}");
        flag(format!("pixelFlags_{name}"), 5, description)
    });
    flags.collect()
}

/// Whether something could not be measured, and then for each reason whether it was that.
pub(super) fn failures<R: Keyed>(
    name: &str,
    what: &str,
    because: &[(&str, &str)],
) -> Vec<Column<R>> {
    let mut columns = vec![flag(name.to_owned(), 5, unmeasured(what))];
    columns.extend(reasons(name, what, because));
    columns
}

/// For each reason whether something could not be measured because of it.
pub(super) fn reasons<R: Keyed>(
    name: &str,
    what: &str,
    because: &[(&str, &str)],
) -> impl Iterator<Item = Column<R>> {
    because.iter().map(move |(suffix, reason)| {
        flag(format!("{name}_{suffix}"), 5, format!("{}: {reason}", unmeasured(what)))
    })
}

fn unmeasured(what: &str) -> String {
    format!("whether {what} could not be measured")
}

/// Around a mean, with a spread; some are NULL.
pub(super) fn float<R: Keyed>(
    name: impl Into<Cow<'static, str>>,
    unit: &'static str,
    [mean, spread]: [f64; 2],
    description: impl Into<Cow<'static, str>>,
) -> Column<R> {
    let name = name.into();
    let salt = salt(&name);
    let of = move |row: &R| drawn(row.key(), salt, mean, spread).map(single);
    Column::float(name, unit, "", description, of)
}

/// Around a mean, with a spread; some are NULL.
pub(super) fn double<R: Keyed>(
    name: impl Into<Cow<'static, str>>,
    unit: &'static str,
    [mean, spread]: [f64; 2],
    description: impl Into<Cow<'static, str>>,
) -> Column<R> {
    let name = name.into();
    let salt = salt(&name);
    let of = move |row: &R| drawn(row.key(), salt, mean, spread);
    Column::double_or_null(name, unit, "", description, of)
}

/// From one number on and below another.
pub(super) fn int<R: Keyed>(
    name: impl Into<Cow<'static, str>>,
    unit: &'static str,
    range: [i32; 2],
    description: impl Into<Cow<'static, str>>,
) -> Column<R> {
    let name = name.into();
    let salt = salt(&name);
    Column::int(name, unit, "", description, move |row: &R| between(row.key(), salt, range))
}

/// From one number on and below another.
pub(super) fn long<R: Keyed>(
    name: impl Into<Cow<'static, str>>,
    unit: &'static str,
    range: [i32; 2],
    description: impl Into<Cow<'static, str>>,
) -> Column<R> {
    let name = name.into();
    let salt = salt(&name);
    let of = move |row: &R| i64::from(between(row.key(), salt, range));
    Column::long(name, unit, "", description, of)
}

/// One of a hundred and twenty is NULL: a measurement that failed.
pub(super) fn drawn(key: u64, salt: u64, mean: f64, spread: f64) -> Option<f64> {
    let fails = chance(key, salt.wrapping_add(1)) < 1.0 / 120.0;
    (!fails).then(|| mean + spread * noise(key, salt))
}

#[expect(clippy::cast_possible_truncation, reason = "between two numbers of 32 bits")]
pub(super) fn between(key: u64, salt: u64, [low, high]: [i32; 2]) -> i32 {
    low + (f64::from(high - low) * chance(key, salt)) as i32
}

/// Part of the light of a point that falls within so many pixels, where it is so wide.
pub(super) fn within(radius: f64, width: f64) -> f64 {
    1.0 - (-0.5 * (radius / width).powi(2)).exp()
}

/// A part of a position's error that is common to both coordinates.
pub(super) fn covariance([ra, dec]: [f64; 2], key: u64) -> f64 {
    ra * dec * 0.2 * noise(key, 80)
}

/// The place in an image that all images together would be.
pub(super) fn spot_in_patch(key: u64) -> Spot {
    Spot { detector: 0, x: 4_100.0 * chance(key, 81), y: 4_100.0 * chance(key, 82) }
}
