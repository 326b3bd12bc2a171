//! Columns of which only the likelihood of a value matters: each is drawn by the key of its row
//! and its own name.

use crate::synthetic::camera::Spot;
use crate::synthetic::column::Column;
use crate::synthetic::object::single;
use crate::synthetic::random::{chance, noise, salt};

/// A row that has random values of its own.
pub(super) trait Keyed {
    fn key(&self) -> u64;
}

/// True for so many of a thousand.
pub(super) fn flag<R: Keyed>(
    name: &'static str,
    per_mille: u16,
    description: &'static str,
) -> Column<R> {
    let salt = salt(name);
    let part = f64::from(per_mille) / 1e3;
    Column::flag(name, "", "", description, move |row: &R| chance(row.key(), salt) < part)
}

/// Around a mean, with a spread; some are NULL.
pub(super) fn float<R: Keyed>(
    name: &'static str,
    unit: &'static str,
    [mean, spread]: [f64; 2],
    description: &'static str,
) -> Column<R> {
    let salt = salt(name);
    let of = move |row: &R| drawn(row.key(), salt, mean, spread).map(single);
    Column::float(name, unit, "", description, of)
}

/// Around a mean, with a spread; some are NULL.
pub(super) fn double<R: Keyed>(
    name: &'static str,
    unit: &'static str,
    [mean, spread]: [f64; 2],
    description: &'static str,
) -> Column<R> {
    let salt = salt(name);
    let of = move |row: &R| drawn(row.key(), salt, mean, spread);
    Column::double_or_null(name, unit, "", description, of)
}

/// From one number on and below another.
pub(super) fn int<R: Keyed>(
    name: &'static str,
    unit: &'static str,
    range: [i32; 2],
    description: &'static str,
) -> Column<R> {
    let salt = salt(name);
    Column::int(name, unit, "", description, move |row: &R| between(row.key(), salt, range))
}

/// From one number on and below another.
pub(super) fn long<R: Keyed>(
    name: &'static str,
    unit: &'static str,
    range: [i32; 2],
    description: &'static str,
) -> Column<R> {
    let salt = salt(name);
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
