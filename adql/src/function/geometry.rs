//! Geometry values as Arrow arrays (DALI 1.1 §3.3): POINT is two doubles, CIRCLE three, POLYGON a
//! list of longitude and latitude in turn. All in ICRS degrees. A REGION and a MOC are texts, as
//! STC-S and MOC 2.0 write them; a row with a text that is none of these has no region.

use std::borrow::Cow;
use std::sync::Arc;

use datafusion::arrow::array::{
    Array, ArrayRef, AsArray, FixedSizeListArray, FixedSizeListBuilder, Float64Array,
    Float64Builder, ListArray, ListBuilder, StringViewArray,
};
use datafusion::arrow::datatypes::{DataType, Field, FieldRef, Float64Type};
use datafusion::common::{Result, ScalarValue, plan_err};
use datafusion::logical_expr::ColumnarValue;

use super::refuse;
use crate::sky::{Circle, Polygon, Position, Region, RegionError};

fn item() -> FieldRef {
    Arc::new(Field::new_list_field(DataType::Float64, true))
}

/// Type of a POINT: longitude and latitude.
pub fn point_type() -> DataType {
    DataType::FixedSizeList(item(), 2)
}

/// Type of a CIRCLE: longitude and latitude of its center, radius.
pub fn circle_type() -> DataType {
    DataType::FixedSizeList(item(), 3)
}

/// Type of a POLYGON (and of a BOX): longitude and latitude of its corners in turn.
pub fn polygon_type() -> DataType {
    DataType::List(item())
}

/// What an argument that has to be a point is cast to.
pub(super) fn as_point(function: &str, argument: &DataType) -> Result<DataType> {
    match argument {
        DataType::Null => Ok(point_type()),
        DataType::FixedSizeList(of, 2) if of.data_type().is_numeric() => Ok(point_type()),
        other => plan_err!("{function} takes a POINT here, not a value of type {other}"),
    }
}

/// What an argument that has to be a region is cast to; a text may be one (STC-S, a shape of DALI, a
/// MOC).
pub(super) fn as_region(function: &str, argument: &DataType) -> Result<DataType> {
    match shape_of(argument) {
        _ if argument.is_string() => Ok(DataType::Utf8View),
        Some(shape) => Ok(shape),
        None => plan_err!(
            "{function} takes a POINT, CIRCLE, BOX, POLYGON, REGION or MOC, not a value of type \
             {argument}"
        ),
    }
}

/// What an argument that has to be a region made of numbers is cast to.
pub(super) fn as_shape(function: &str, argument: &DataType) -> Result<DataType> {
    match shape_of(argument) {
        Some(shape) => Ok(shape),
        None => plan_err!(
            "{function} takes a POINT, CIRCLE, BOX or POLYGON, not a value of type {argument}"
        ),
    }
}

fn shape_of(argument: &DataType) -> Option<DataType> {
    match argument {
        DataType::Null => Some(point_type()),
        DataType::FixedSizeList(of, 2) if of.data_type().is_numeric() => Some(point_type()),
        DataType::FixedSizeList(of, 3) if of.data_type().is_numeric() => Some(circle_type()),
        DataType::List(of) | DataType::LargeList(of) | DataType::FixedSizeList(of, _)
            if of.data_type().is_numeric() =>
        {
            Some(polygon_type())
        }
        _ => None,
    }
}

/// A column of geometries of one kind, read row by row.
#[derive(Debug)]
enum Column<'a> {
    Point(&'a FixedSizeListArray, &'a Float64Array),
    Circle(&'a FixedSizeListArray, &'a Float64Array),
    Polygon(&'a ListArray, &'a Float64Array),
    Text(&'a StringViewArray),
}

impl<'a> Column<'a> {
    fn new(array: &'a ArrayRef) -> Result<Self> {
        match array.data_type() {
            DataType::FixedSizeList(_, size @ (2 | 3)) => {
                let list = array.as_fixed_size_list();
                let values = list.values().as_primitive::<Float64Type>();
                Ok(if *size == 2 { Self::Point(list, values) } else { Self::Circle(list, values) })
            }
            DataType::List(_) => {
                let list = array.as_list::<i32>();
                Ok(Self::Polygon(list, list.values().as_primitive::<Float64Type>()))
            }
            DataType::Utf8View => Ok(Self::Text(array.as_string_view())),
            other => plan_err!("a value of type {other} is no geometry"),
        }
    }

    /// The numbers of a row; none where the geometry or one of its numbers is NULL.
    fn numbers(&self, row: usize) -> Option<&'a [f64]> {
        let (valid, values, start, end) = match *self {
            Self::Point(list, values) | Self::Circle(list, values) => {
                let size = usize::try_from(list.value_length()).ok()?;
                (list.is_valid(row), values, row * size, (row + 1) * size)
            }
            Self::Polygon(list, values) => {
                let [start, end] = [row, row + 1]
                    .map(|i| usize::try_from(list.value_offsets()[i]).unwrap_or_default());
                (list.is_valid(row), values, start, end)
            }
            Self::Text(_) => return None,
        };
        let valid = valid && (values.null_count() == 0 || (start..end).all(|i| values.is_valid(i)));
        valid.then(|| &values.values()[start..end])
    }

    fn region(&self, row: usize) -> Option<Region> {
        if let Self::Text(texts) = self {
            return Region::from_text(texts.is_valid(row).then(|| texts.value(row))?).ok();
        }
        let numbers = self.numbers(row)?;
        match (self, numbers) {
            (Self::Point(..), &[lon, lat]) => Position::from_degrees(lon, lat).map(Region::Point),
            (Self::Circle(..), &[lon, lat, radius]) => {
                let center = Position::from_degrees(lon, lat)?;
                Circle::new(center, radius).ok().map(Region::Circle)
            }
            (Self::Polygon(..), corners) => polygon(&positions(corners)?).map(Region::Polygon),
            _ => None,
        }
    }
}

/// A polygon; a box without width or height is the line or place that it shrinks to.
fn polygon(corners: &[Position]) -> Option<Polygon> {
    match Polygon::new(corners.to_vec()) {
        Err(RegionError::TooFewVertices(_)) => Polygon::assemble(corners.to_vec()).ok(),
        polygon => polygon.ok(),
    }
}

/// Positions from longitude and latitude in turn; none when one is no place on the sky.
pub(super) fn positions(numbers: &[f64]) -> Option<Vec<Position>> {
    let (pairs, rest) = numbers.as_chunks::<2>();
    if !rest.is_empty() {
        return None;
    }
    pairs.iter().map(|&[lon, lat]| Position::from_degrees(lon, lat)).collect()
}

/// An argument that is a geometry: a constant, decoded once, or one per row.
#[derive(Debug)]
pub(super) struct Regions<'a>(Source<'a>);

#[derive(Debug)]
enum Source<'a> {
    Constant(Option<Region>),
    Rows(Column<'a>),
}

impl<'a> Regions<'a> {
    /// Reads an argument.
    pub(super) fn new(argument: &'a ColumnarValue) -> Result<Self> {
        Ok(Self(match argument {
            ColumnarValue::Scalar(value) => Source::Constant(region_of(value)?),
            ColumnarValue::Array(array) => Source::Rows(Column::new(array)?),
        }))
    }

    /// The geometry of a row; none where it is NULL or no region.
    pub(super) fn region(&self, row: usize) -> Option<Cow<'_, Region>> {
        match &self.0 {
            Source::Constant(region) => region.as_ref().map(Cow::Borrowed),
            Source::Rows(column) => column.region(row).map(Cow::Owned),
        }
    }

    /// The position of a row, where it is a point.
    pub(super) fn position(&self, row: usize) -> Option<Position> {
        match &self.0 {
            Source::Constant(Some(Region::Point(position))) => Some(*position),
            Source::Constant(_) => None,
            Source::Rows(column @ Column::Point(..)) => match column.numbers(row)? {
                &[lon, lat] => Position::from_degrees(lon, lat),
                _ => None,
            },
            Source::Rows(column) => match column.region(row)? {
                Region::Point(position) => Some(position),
                _ => None,
            },
        }
    }
}

/// The region that a constant stands for; none where it is NULL or no region. A text that is none is
/// an error.
pub(crate) fn region_of(value: &ScalarValue) -> Result<Option<Region>> {
    if value.is_null() {
        return Ok(None);
    }
    if let Some(Some(text)) = value.try_as_str() {
        return Region::from_text(text).map(Some).map_err(|error| refuse(error.to_string()));
    }
    let array = value.to_array()?;
    Ok(Column::new(&array)?.region(0))
}

/// An array of lists of a fixed number of doubles.
pub(super) fn fixed_lists<const N: usize>(
    rows: impl Iterator<Item = Option<[f64; N]>>,
) -> Result<ArrayRef> {
    let size = i32::try_from(N).unwrap_or(i32::MAX);
    let mut builder = FixedSizeListBuilder::new(Float64Builder::new(), size).with_field(item());
    for row in rows {
        builder.values().append_slice(&row.unwrap_or([0.0; N]));
        builder.append(row.is_some());
    }
    Ok(Arc::new(builder.finish()))
}

/// An array of lists of doubles.
pub(super) fn lists(rows: impl Iterator<Item = Option<Vec<f64>>>) -> ArrayRef {
    let mut builder = ListBuilder::new(Float64Builder::new()).with_field(item());
    for row in rows {
        builder.values().append_slice(row.as_deref().unwrap_or_default());
        builder.append(row.is_some());
    }
    Arc::new(builder.finish())
}
