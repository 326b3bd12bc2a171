//! Mathematical functions (ADQL 2.1 §2.3): doubles in, doubles out.
//!
//! A result that is no number (`SQRT(-1)`), or infinite for finite arguments (`LOG(0)`,
//! `COT(0)`), is NULL: a survey's negative fluxes neither end a query nor compare as greatest.
//! Only ABS and MOD keep integers as they are.

use std::f64::consts::PI;
use std::hash::{Hash, Hasher};
use std::sync::Arc;

use datafusion::arrow::array::{ArrayRef, Int64Array};
use datafusion::arrow::datatypes::{DataType, Float64Type};
use datafusion::common::{Result, ScalarValue};
use datafusion::logical_expr::{
    ColumnarValue, ScalarFunctionArgs, ScalarUDF, ScalarUDFImpl, Signature, Volatility,
};

use super::vector::{
    as_double, as_integer, as_number, double_array, doubles, integers, over_arrays,
};

/// The mathematical functions of this file.
pub(super) fn functions() -> Vec<ScalarUDF> {
    let unary = UNARY.iter().map(|&(name, evaluate)| ScalarUDF::from(Unary::new(name, evaluate)));
    let binary =
        BINARY.iter().map(|&(name, evaluate)| ScalarUDF::from(Binary::new(name, evaluate)));
    let rounding = [("adql_round", f64::round as OfOne), ("adql_truncate", f64::trunc)]
        .map(|(name, cut)| ScalarUDF::from(Rounding::new(name, cut)));
    let others = [
        ScalarUDF::from(Abs { signature: Signature::user_defined(Volatility::Immutable) }),
        ScalarUDF::from(Mod { signature: Signature::user_defined(Volatility::Immutable) }),
        ScalarUDF::from(Pi { signature: Signature::nullary(Volatility::Immutable) }),
        ScalarUDF::from(Rand { signature: Signature::user_defined(Volatility::Immutable) }),
    ];
    unary.chain(binary).chain(rounding).chain(others).collect()
}

type OfOne = fn(f64) -> f64;
type OfTwo = fn(f64, f64) -> f64;

const UNARY: &[(&str, OfOne)] = &[
    ("adql_ceiling", f64::ceil),
    ("adql_degrees", f64::to_degrees),
    ("adql_exp", f64::exp),
    ("adql_floor", f64::floor),
    ("adql_log", f64::ln),
    ("adql_log10", f64::log10),
    ("adql_radians", f64::to_radians),
    ("adql_sqrt", f64::sqrt),
    ("adql_acos", f64::acos),
    ("adql_asin", f64::asin),
    ("adql_atan", f64::atan),
    ("adql_cos", f64::cos),
    ("adql_cot", |x| x.tan().recip()),
    ("adql_sin", f64::sin),
    ("adql_tan", f64::tan),
];

const BINARY: &[(&str, OfTwo)] = &[("adql_power", f64::powf), ("adql_atan2", f64::atan2)];

/// NULL for what is no number, and for an infinity that does not come from an infinite argument.
fn defined(result: f64, arguments_are_finite: bool) -> Option<f64> {
    (result.is_finite() || (!arguments_are_finite && !result.is_nan())).then_some(unsigned(result))
}

/// Zero without a sign. -0 equals 0, but a sort puts it first, as if what is next in ORDER BY were
/// asked only among the zeros of one sign.
fn unsigned(result: f64) -> f64 {
    result + 0.0
}

/// The name that users know: `adql_log10` is LOG10.
fn adql_name(name: &str) -> String {
    name.trim_start_matches("adql_").to_ascii_uppercase()
}

/// A function of one double.
#[derive(Debug)]
struct Unary {
    name: &'static str,
    evaluate: OfOne,
    signature: Signature,
}

impl Unary {
    fn new(name: &'static str, evaluate: OfOne) -> Self {
        Self { name, evaluate, signature: Signature::user_defined(Volatility::Immutable) }
    }
}

/// A function of two doubles.
#[derive(Debug)]
struct Binary {
    name: &'static str,
    evaluate: OfTwo,
    signature: Signature,
}

impl Binary {
    fn new(name: &'static str, evaluate: OfTwo) -> Self {
        Self { name, evaluate, signature: Signature::user_defined(Volatility::Immutable) }
    }
}

/// ROUND and TRUNCATE: a double and a number of decimals.
#[derive(Debug)]
struct Rounding {
    name: &'static str,
    cut: OfOne,
    signature: Signature,
}

impl Rounding {
    fn new(name: &'static str, cut: OfOne) -> Self {
        Self { name, cut, signature: Signature::user_defined(Volatility::Immutable) }
    }

    fn apply(&self, value: f64, decimals: i64) -> Option<f64> {
        self.at(decimals)(value)
    }

    /// The function for so many decimals.
    fn at(&self, decimals: i64) -> impl Fn(f64) -> Option<f64> {
        let cut = self.cut;
        // Outside these, every digit of a double is kept or none is.
        let decimals = i32::try_from(decimals.clamp(-331, 331)).unwrap_or_default();
        let scale = 10f64.powi(decimals.abs());
        move |value| {
            if value.is_nan() {
                return None;
            }
            let rounded = match decimals {
                331.. => value,
                ..=-331 => 0.0,
                0.. => cut(value * scale) / scale,
                _ => cut(value / scale) * scale,
            };
            // A scaled value beyond the range of doubles has no digits to cut.
            Some(unsigned(if rounded.is_finite() { rounded } else { value }))
        }
    }
}

macro_rules! equal_by_name {
    ($($function:ty),*) => {$(
        impl PartialEq for $function {
            fn eq(&self, other: &Self) -> bool {
                self.name == other.name
            }
        }

        impl Eq for $function {}

        impl Hash for $function {
            fn hash<H: Hasher>(&self, state: &mut H) {
                self.name.hash(state);
            }
        }
    )*};
}

equal_by_name!(Unary, Binary, Rounding);

impl ScalarUDFImpl for Unary {
    fn name(&self) -> &str {
        self.name
    }

    fn signature(&self) -> &Signature {
        &self.signature
    }

    fn coerce_types(&self, arguments: &[DataType]) -> Result<Vec<DataType>> {
        let name = adql_name(self.name);
        super::expect_count(&name, arguments, 1..=1)?;
        arguments.iter().map(|a| as_double(&name, a)).collect()
    }

    fn return_type(&self, _: &[DataType]) -> Result<DataType> {
        Ok(DataType::Float64)
    }

    fn is_strict(&self) -> bool {
        true
    }

    fn invoke_with_args(&self, args: ScalarFunctionArgs) -> Result<ColumnarValue> {
        over_arrays(&args, |arrays| {
            let result = doubles(&arrays[0])
                .unary_opt::<_, Float64Type>(|x| defined((self.evaluate)(x), x.is_finite()));
            Ok(Arc::new(result))
        })
    }
}

impl ScalarUDFImpl for Binary {
    fn name(&self) -> &str {
        self.name
    }

    fn signature(&self) -> &Signature {
        &self.signature
    }

    fn coerce_types(&self, arguments: &[DataType]) -> Result<Vec<DataType>> {
        let name = adql_name(self.name);
        super::expect_count(&name, arguments, 2..=2)?;
        arguments.iter().map(|a| as_double(&name, a)).collect()
    }

    fn return_type(&self, _: &[DataType]) -> Result<DataType> {
        Ok(DataType::Float64)
    }

    fn is_strict(&self) -> bool {
        true
    }

    fn invoke_with_args(&self, args: ScalarFunctionArgs) -> Result<ColumnarValue> {
        over_arrays(&args, |arrays| {
            let pairs = doubles(&arrays[0]).iter().zip(doubles(&arrays[1]));
            Ok(double_array(pairs.map(|(x, y)| {
                let (x, y) = (x?, y?);
                defined((self.evaluate)(x, y), x.is_finite() && y.is_finite())
            })))
        })
    }
}

impl ScalarUDFImpl for Rounding {
    fn name(&self) -> &str {
        self.name
    }

    fn signature(&self) -> &Signature {
        &self.signature
    }

    fn coerce_types(&self, arguments: &[DataType]) -> Result<Vec<DataType>> {
        let name = adql_name(self.name);
        super::expect_count(&name, arguments, 1..=2)?;
        let value = as_double(&name, &arguments[0]);
        let decimals = arguments[1..].iter().map(|a| as_integer(&name, a));
        std::iter::once(value).chain(decimals).collect()
    }

    fn return_type(&self, _: &[DataType]) -> Result<DataType> {
        Ok(DataType::Float64)
    }

    fn is_strict(&self) -> bool {
        true
    }

    fn invoke_with_args(&self, args: ScalarFunctionArgs) -> Result<ColumnarValue> {
        let constant = match args.args.get(1) {
            None => Some(0),
            Some(ColumnarValue::Scalar(ScalarValue::Int64(decimals))) => *decimals,
            Some(_) => None,
        };
        over_arrays(&args, |arrays| {
            let values = doubles(&arrays[0]);
            if let Some(decimals) = constant {
                let round = self.at(decimals);
                return Ok(Arc::new(values.unary_opt::<_, Float64Type>(round)));
            }
            let pairs = values.iter().zip(integers(&arrays[1]));
            Ok(double_array(pairs.map(|(x, n)| self.apply(x?, n?))))
        })
    }
}

/// `ABS(x)`.
#[derive(Debug, PartialEq, Eq, Hash)]
struct Abs {
    signature: Signature,
}

impl ScalarUDFImpl for Abs {
    fn name(&self) -> &'static str {
        "adql_abs"
    }

    fn signature(&self) -> &Signature {
        &self.signature
    }

    fn coerce_types(&self, arguments: &[DataType]) -> Result<Vec<DataType>> {
        super::expect_count("ABS", arguments, 1..=1)?;
        as_number("ABS", arguments)
    }

    fn return_type(&self, arguments: &[DataType]) -> Result<DataType> {
        Ok(arguments[0].clone())
    }

    fn is_strict(&self) -> bool {
        true
    }

    fn invoke_with_args(&self, args: ScalarFunctionArgs) -> Result<ColumnarValue> {
        over_arrays(&args, |arrays| {
            Ok(match arrays[0].data_type() {
                // The one integer without a positive counterpart in 64 bits is NULL.
                DataType::Int64 => Arc::new(
                    integers(&arrays[0]).iter().map(|x| x?.checked_abs()).collect::<Int64Array>(),
                ),
                _ => double_array(
                    doubles(&arrays[0]).iter().map(|x| x.filter(|x| !x.is_nan()).map(f64::abs)),
                ),
            })
        })
    }
}

/// `MOD(x, y)`.
#[derive(Debug, PartialEq, Eq, Hash)]
struct Mod {
    signature: Signature,
}

impl ScalarUDFImpl for Mod {
    fn name(&self) -> &'static str {
        "adql_mod"
    }

    fn signature(&self) -> &Signature {
        &self.signature
    }

    fn coerce_types(&self, arguments: &[DataType]) -> Result<Vec<DataType>> {
        super::expect_count("MOD", arguments, 2..=2)?;
        as_number("MOD", arguments)
    }

    fn return_type(&self, arguments: &[DataType]) -> Result<DataType> {
        Ok(arguments[0].clone())
    }

    fn is_strict(&self) -> bool {
        true
    }

    fn invoke_with_args(&self, args: ScalarFunctionArgs) -> Result<ColumnarValue> {
        over_arrays(&args, |arrays| {
            Ok(match arrays[0].data_type() {
                DataType::Int64 => {
                    let pairs = integers(&arrays[0]).iter().zip(integers(&arrays[1]));
                    let remainder = |x: i64, y: i64| (y != 0).then(|| x.wrapping_rem(y));
                    Arc::new(pairs.map(|(x, y)| remainder(x?, y?)).collect::<Int64Array>())
                        as ArrayRef
                }
                _ => {
                    let pairs = doubles(&arrays[0]).iter().zip(doubles(&arrays[1]));
                    double_array(pairs.map(|(x, y)| defined(x? % y?, true)))
                }
            })
        })
    }
}

/// `PI()`.
#[derive(Debug, PartialEq, Eq, Hash)]
struct Pi {
    signature: Signature,
}

impl ScalarUDFImpl for Pi {
    fn name(&self) -> &'static str {
        "adql_pi"
    }

    fn signature(&self) -> &Signature {
        &self.signature
    }

    fn return_type(&self, _: &[DataType]) -> Result<DataType> {
        Ok(DataType::Float64)
    }

    fn invoke_with_args(&self, _: ScalarFunctionArgs) -> Result<ColumnarValue> {
        Ok(ColumnarValue::Scalar(PI.into()))
    }
}

/// `RAND(x)`: the same number for the same x, so that a sample can be repeated.
#[derive(Debug, PartialEq, Eq, Hash)]
struct Rand {
    signature: Signature,
}

/// A number from 0 to less than 1 from the upper 53 bits of `SplitMix64`'s output.
fn scatter(seed: i64) -> f64 {
    let mut bits = seed.cast_unsigned().wrapping_add(0x9e37_79b9_7f4a_7c15);
    bits = (bits ^ (bits >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    bits = (bits ^ (bits >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    bits ^= bits >> 31;
    (bits >> 11) as f64 / (1u64 << 53) as f64
}

impl ScalarUDFImpl for Rand {
    fn name(&self) -> &'static str {
        "adql_rand"
    }

    fn signature(&self) -> &Signature {
        &self.signature
    }

    fn coerce_types(&self, arguments: &[DataType]) -> Result<Vec<DataType>> {
        super::expect_count("RAND", arguments, 1..=1)?;
        as_number("RAND", arguments)
    }

    fn return_type(&self, _: &[DataType]) -> Result<DataType> {
        Ok(DataType::Float64)
    }

    fn is_strict(&self) -> bool {
        true
    }

    fn invoke_with_args(&self, args: ScalarFunctionArgs) -> Result<ColumnarValue> {
        over_arrays(&args, |arrays| {
            let seed = |x: f64| x.to_bits().cast_signed();
            Ok(match arrays[0].data_type() {
                DataType::Int64 => {
                    double_array(integers(&arrays[0]).iter().map(|x| x.map(scatter)))
                }
                _ => double_array(doubles(&arrays[0]).iter().map(|x| x.map(seed).map(scatter))),
            })
        })
    }
}
