//! `ARMILLA_ELEMENT`, which `column[index]` is written as: one value of an array.

use std::sync::Arc;

use datafusion::arrow::array::{Array, ArrayRef, AsArray, Int64Array, UInt64Array};
use datafusion::arrow::compute::{cast, nullif, take};
use datafusion::arrow::datatypes::{DataType, Float32Type, Float64Type, Int64Type};
use datafusion::common::{Result, plan_err};
use datafusion::logical_expr::{
    ColumnarValue, ScalarFunctionArgs, ScalarUDF, ScalarUDFImpl, Signature, Volatility,
};

use super::refuse;
use super::vector::{as_integer, over_arrays};

/// Name of the function in a session.
pub(super) const NAME: &str = "adql_element";

/// The functions of this file.
pub(super) fn functions() -> Vec<ScalarUDF> {
    vec![ScalarUDF::from(Element { signature: Signature::user_defined(Volatility::Immutable) })]
}

/// `ARMILLA_ELEMENT(array, index)`: the first is 1, and what is beyond the last is NULL, as a NaN
/// is.
#[derive(Debug, PartialEq, Eq, Hash)]
struct Element {
    signature: Signature,
}

/// The type of the elements of an array.
pub(crate) fn element_type(array: &DataType) -> Option<&DataType> {
    match array {
        DataType::List(field) | DataType::LargeList(field) | DataType::FixedSizeList(field, _) => {
            Some(field.data_type())
        }
        _ => None,
    }
}

impl ScalarUDFImpl for Element {
    fn name(&self) -> &'static str {
        NAME
    }

    fn signature(&self) -> &Signature {
        &self.signature
    }

    fn coerce_types(&self, arguments: &[DataType]) -> Result<Vec<DataType>> {
        super::expect_count("ARMILLA_ELEMENT", arguments, 2..=2)?;
        let index = as_integer("ARMILLA_ELEMENT", &arguments[1])?;
        Ok(vec![arguments[0].clone(), index])
    }

    fn return_type(&self, arguments: &[DataType]) -> Result<DataType> {
        match element_type(&arguments[0]) {
            Some(of) => Ok(of.clone()),
            None => plan_err!("an index follows an array, not a value of type {}", arguments[0]),
        }
    }

    fn is_strict(&self) -> bool {
        true
    }

    fn invoke_with_args(&self, args: ScalarFunctionArgs) -> Result<ColumnarValue> {
        over_arrays(&args, |arrays| {
            let (array, index) = (&arrays[0], arrays[1].as_primitive::<Int64Type>());
            let array: ArrayRef = match array.data_type() {
                // Offsets of one width; those of a batch fit.
                DataType::List(field) => cast(array, &DataType::LargeList(Arc::clone(field)))?,
                _ => Arc::clone(array),
            };
            let elements = match array.data_type() {
                DataType::FixedSizeList(..) => {
                    let list = array.as_fixed_size_list();
                    let length = i64::from(list.value_length());
                    let places = places(&array, index, |row| {
                        let begin = i64::try_from(row).unwrap_or(i64::MAX).saturating_mul(length);
                        (begin, length)
                    })?;
                    take(list.values(), &places, None)?
                }
                _ => {
                    let list = array.as_list::<i64>();
                    let offsets = list.value_offsets();
                    let places = places(&array, index, |row| {
                        (offsets[row], offsets[row + 1] - offsets[row])
                    })?;
                    take(list.values(), &places, None)?
                }
            };
            without_nan(elements)
        })
    }
}

/// Where the element of each row lies among the values of all; `of_row` has where those of a row
/// begin, and how many they are.
fn places(
    array: &ArrayRef,
    index: &Int64Array,
    of_row: impl Fn(usize) -> (i64, i64),
) -> Result<UInt64Array> {
    let place = |row: usize| {
        if array.is_null(row) || index.is_null(row) {
            return Ok(None);
        }
        let index = index.value(row);
        if index < 1 {
            return Err(refuse(format!("an array has no element {index}: the first is 1")));
        }
        let (begin, count) = of_row(row);
        let place = (index <= count).then(|| begin + index - 1);
        Ok(place.and_then(|place| u64::try_from(place).ok()))
    };
    (0..array.len()).map(place).collect()
}

/// A NaN is NULL everywhere in ADQL.
fn without_nan(elements: ArrayRef) -> Result<ArrayRef> {
    Ok(match elements.data_type() {
        DataType::Float32 => {
            let is_nan = elements.as_primitive::<Float32Type>();
            let is_nan = is_nan.iter().map(|x| Some(x.is_some_and(f32::is_nan))).collect();
            nullif(&elements, &is_nan)?
        }
        DataType::Float64 => {
            let is_nan = elements.as_primitive::<Float64Type>();
            let is_nan = is_nan.iter().map(|x| Some(x.is_some_and(f64::is_nan))).collect();
            nullif(&elements, &is_nan)?
        }
        _ => elements,
    })
}
