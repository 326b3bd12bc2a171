//! Evaluation over the rows of a batch: arguments as arrays or, when all are constant, once.

use std::sync::Arc;

use datafusion::arrow::array::{ArrayRef, AsArray, Float64Array, Int64Array};
use datafusion::arrow::datatypes::{DataType, Float64Type, Int64Type};
use datafusion::common::{Result, ScalarValue, plan_err};
use datafusion::logical_expr::{ColumnarValue, ScalarFunctionArgs};

/// Evaluates on arrays of equal length; constants alone make an array of one row and a constant.
pub(super) fn over_arrays(
    args: &ScalarFunctionArgs,
    evaluate: impl FnOnce(&[ArrayRef]) -> Result<ArrayRef>,
) -> Result<ColumnarValue> {
    let constant = args.args.iter().all(|a| matches!(a, ColumnarValue::Scalar(_)));
    let rows = if constant { 1 } else { args.number_rows };
    let arrays = args.args.iter().map(|a| a.to_array(rows)).collect::<Result<Vec<_>>>()?;
    let result = evaluate(&arrays)?;
    if constant {
        return Ok(ColumnarValue::Scalar(ScalarValue::try_from_array(&result, 0)?));
    }
    Ok(ColumnarValue::Array(result))
}

/// An array of doubles; the planner has cast every argument to the type that it was asked for.
pub(super) fn doubles(array: &ArrayRef) -> &Float64Array {
    array.as_primitive::<Float64Type>()
}

/// An array of 64-bit integers, likewise.
pub(super) fn integers(array: &ArrayRef) -> &Int64Array {
    array.as_primitive::<Int64Type>()
}

/// Doubles from values, of which none is NaN.
pub(super) fn double_array(values: impl Iterator<Item = Option<f64>>) -> ArrayRef {
    Arc::new(values.collect::<Float64Array>())
}

/// What an argument that has to be a number is cast to: a double.
pub(super) fn as_double(function: &str, argument: &DataType) -> Result<DataType> {
    if argument.is_numeric() || argument.is_null() {
        return Ok(DataType::Float64);
    }
    plan_err!("{function} takes numbers, not a value of type {argument}")
}

/// What an argument that has to be a whole number is cast to: a 64-bit integer.
pub(super) fn as_integer(function: &str, argument: &DataType) -> Result<DataType> {
    if argument.is_integer() || argument.is_null() {
        return Ok(DataType::Int64);
    }
    plan_err!("{function} takes a whole number here, not a value of type {argument}")
}

/// An integer stays an integer, so that an identifier beyond 2^53 keeps its last digits.
pub(super) fn as_number(function: &str, arguments: &[DataType]) -> Result<Vec<DataType>> {
    let integers = arguments.iter().all(DataType::is_integer);
    let cast = if integers { as_integer } else { as_double };
    arguments.iter().map(|a| cast(function, a)).collect()
}
