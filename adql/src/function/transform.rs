//! `ivo_geom_transform` (UDF catalogue 1.2 §2.3): a geometry in another reference frame.

use std::sync::Arc;

use datafusion::arrow::array::{
    Array, ArrayRef, AsArray, FixedSizeListArray, Float64Array, ListArray,
};
use datafusion::arrow::datatypes::{DataType, Field, FieldRef, Float64Type};
use datafusion::common::{Result, ScalarValue, plan_err};
use datafusion::logical_expr::{
    ColumnarValue, ReturnFieldArgs, ScalarFunctionArgs, ScalarUDF, ScalarUDFImpl, Signature,
    Volatility,
};

use super::geometry::as_shape;
use super::refuse;
use crate::sky::{Frame, Position};

/// As users write it.
const WRITTEN: &str = "ivo_geom_transform";

/// The function of this file.
pub(super) fn functions() -> Vec<ScalarUDF> {
    let signature = Signature::user_defined(Volatility::Immutable);
    vec![ScalarUDF::from(Transform { signature })]
}

#[derive(Debug, PartialEq, Eq, Hash)]
struct Transform {
    signature: Signature,
}

/// The frame that a constant names.
fn frame(value: Option<&ScalarValue>) -> Result<Frame> {
    let names = || Frame::NAMES.map(|(name, _)| name).join(", ");
    let Some(name) = value.and_then(ScalarValue::try_as_str).flatten() else {
        let message = format!("{WRITTEN}: a frame is one of the texts {}", names());
        return Err(refuse(message));
    };
    Frame::named(name).ok_or_else(|| {
        let message = format!("{WRITTEN}: {name} is none of the frames {}", names());
        refuse(message)
    })
}

impl ScalarUDFImpl for Transform {
    fn name(&self) -> &'static str {
        "adql_geom_transform"
    }

    fn signature(&self) -> &Signature {
        &self.signature
    }

    fn coerce_types(&self, arguments: &[DataType]) -> Result<Vec<DataType>> {
        super::expect_count(WRITTEN, arguments, 3..=3)?;
        Ok(vec![DataType::Utf8, DataType::Utf8, as_shape(WRITTEN, &arguments[2])?])
    }

    fn return_type(&self, arguments: &[DataType]) -> Result<DataType> {
        match arguments.last() {
            Some(geometry) => Ok(geometry.clone()),
            None => plan_err!("{WRITTEN} takes a geometry"),
        }
    }

    fn return_field_from_args(&self, args: ReturnFieldArgs<'_>) -> Result<FieldRef> {
        for value in args.scalar_arguments.iter().take(2) {
            frame(*value)?;
        }
        let types: Vec<DataType> = args.arg_fields.iter().map(|f| f.data_type().clone()).collect();
        Ok(Arc::new(Field::new(WRITTEN, self.return_type(&types)?, true)))
    }

    fn is_strict(&self) -> bool {
        true
    }

    fn invoke_with_args(&self, args: ScalarFunctionArgs) -> Result<ColumnarValue> {
        let named = |at: usize| match &args.args[at] {
            ColumnarValue::Scalar(name) => frame(Some(name)),
            ColumnarValue::Array(_) => frame(None),
        };
        let frames = (named(0)?, named(1)?);
        match &args.args[2] {
            ColumnarValue::Scalar(geometry) => {
                let geometries = transformed(&geometry.to_array()?, frames)?;
                Ok(ColumnarValue::Scalar(ScalarValue::try_from_array(&geometries, 0)?))
            }
            ColumnarValue::Array(geometries) => {
                transformed(geometries, frames).map(ColumnarValue::Array)
            }
        }
    }
}

/// Geometries whose longitudes and latitudes are those in another frame.
fn transformed(geometries: &ArrayRef, frames: (Frame, Frame)) -> Result<ArrayRef> {
    Ok(match geometries.data_type() {
        DataType::FixedSizeList(item, size) => {
            let lists = geometries.as_fixed_size_list();
            let stride = usize::try_from(*size).unwrap_or(2);
            let numbers = rotated(lists.values().as_primitive(), stride, frames);
            let nulls = lists.nulls().cloned();
            Arc::new(FixedSizeListArray::try_new(Arc::clone(item), *size, numbers, nulls)?)
        }
        DataType::List(item) => {
            let lists: &ListArray = geometries.as_list();
            // Lists of a slice may begin anywhere among the numbers.
            let starts = lists.offsets().first().copied().unwrap_or(0);
            let ends = lists.offsets().last().copied().unwrap_or(0);
            let first = usize::try_from(starts).unwrap_or(0);
            let numbers = lists.values().slice(first, usize::try_from(ends - starts).unwrap_or(0));
            let numbers = rotated(numbers.as_primitive(), 2, frames);
            let lengths = lists.offsets().lengths();
            let offsets = datafusion::arrow::buffer::OffsetBuffer::from_lengths(lengths);
            let nulls = lists.nulls().cloned();
            Arc::new(ListArray::try_new(Arc::clone(item), offsets, numbers, nulls)?)
        }
        other => return plan_err!("{WRITTEN} takes a geometry, not a value of type {other}"),
    })
}

/// Numbers of which the first two of each stride are a place. What is no place has none there.
fn rotated(
    numbers: &datafusion::arrow::array::PrimitiveArray<Float64Type>,
    stride: usize,
    (from, to): (Frame, Frame),
) -> ArrayRef {
    let mut rotated: Vec<Option<f64>> = numbers.iter().collect();
    for values in rotated.chunks_mut(stride) {
        let [lon, lat, ..] = values else { continue };
        let place = lon.zip(*lat).and_then(|(lon, lat)| Position::from_degrees(lon, lat));
        let place = place.map(|place| from.transformed(&place, to));
        *lon = place.map(|place| place.lon_deg());
        *lat = place.map(|place| place.lat_deg());
    }
    Arc::new(Float64Array::from(rotated))
}
