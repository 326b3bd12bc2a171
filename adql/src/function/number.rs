//! `ivo_interval_overlaps` and `ivo_normal_random` (UDF catalogue 1.2 §5).

use std::f64::consts::TAU;
use std::sync::Arc;

use datafusion::arrow::array::{ArrayRef, Int32Array};
use datafusion::arrow::datatypes::DataType;
use datafusion::logical_expr::{ScalarUDF, Volatility};
use rand::Rng as _;

use super::of_rows::{Kind, OfRows};
use super::vector::{double_array, doubles};

/// The functions of this file.
pub(super) fn functions() -> Vec<ScalarUDF> {
    let overlaps = OfRows {
        name: "adql_interval_overlaps",
        written: "ivo_interval_overlaps",
        arguments: &[Kind::Number, Kind::Number, Kind::Number, Kind::Number],
        result: DataType::Int32,
        volatility: Volatility::Immutable,
        evaluate: |arrays| Ok(overlaps(arrays)),
    };
    let normal = OfRows {
        name: "adql_normal_random",
        written: "ivo_normal_random",
        arguments: &[Kind::Number, Kind::Number],
        result: DataType::Float64,
        volatility: Volatility::Volatile,
        evaluate: |arrays| Ok(normal(arrays)),
    };
    vec![overlaps.function(), normal.function()]
}

/// Bounds belong to an interval; one that ends before it begins has no number.
fn overlaps(arrays: &[ArrayRef]) -> ArrayRef {
    let [a1, b1, a2, b2] = [0, 1, 2, 3].map(|at| doubles(&arrays[at]).iter());
    let overlap = a1.zip(b1).zip(a2.zip(b2)).map(|((a1, b1), (a2, b2))| {
        let (a1, b1, a2, b2) = (a1?, b1?, a2?, b2?);
        Some(i32::from(a1 <= b1 && a2 <= b2 && a1 <= b2 && a2 <= b1))
    });
    Arc::new(overlap.collect::<Int32Array>())
}

/// Numbers about the first with the deviation of the second, by Box and Muller.
fn normal(arrays: &[ArrayRef]) -> ArrayRef {
    let mut random = rand::rng();
    let pairs = doubles(&arrays[0]).iter().zip(doubles(&arrays[1]));
    double_array(pairs.map(|(mean, deviation)| {
        let (u, v): (f64, f64) = (random.random(), random.random());
        let of_one = (-2.0 * (1.0 - u).ln()).sqrt() * (TAU * v).cos();
        Some(mean? + deviation? * of_one)
    }))
}
