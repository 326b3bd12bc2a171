//! POINT, CIRCLE, BOX and POLYGON (ADQL 2.1 §4.2.9, §4.2.11, §4.2.18, §4.2.19): numbers in,
//! geometries out.
//!
//! A constant that is out of range is an error that names it, already when the query is planned;
//! a row whose values make no geometry has NULL.

use std::sync::Arc;

use datafusion::arrow::array::{Array, ArrayRef, AsArray, FixedSizeListArray, Float64Array};
use datafusion::arrow::datatypes::{DataType, Field, FieldRef, Float64Type};
use datafusion::common::{Result, ScalarValue, plan_err};
use datafusion::logical_expr::{
    ColumnarValue, ReturnFieldArgs, ScalarFunctionArgs, ScalarUDF, ScalarUDFImpl, Signature,
    Volatility,
};

use super::geometry::{
    as_point, circle_type, fixed_lists, lists, point_type, polygon_type, positions,
};
use super::refuse;
use super::vector::{as_double, doubles, over_arrays};
use crate::sky::{Polygon, Position};

/// The functions of this file.
pub(super) fn functions() -> Vec<ScalarUDF> {
    [Shape::Point, Shape::Circle, Shape::Box, Shape::Polygon]
        .map(|shape| {
            let signature = Signature::user_defined(Volatility::Immutable);
            ScalarUDF::from(Constructor { shape, signature })
        })
        .into()
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
enum Shape {
    Point,
    Circle,
    Box,
    Polygon,
}

/// What a number of a geometry stands for.
#[derive(Debug, Clone, Copy)]
enum Role {
    Longitude,
    Latitude,
    Radius,
    Width,
    Height,
}

impl Role {
    fn allows(self, value: f64) -> bool {
        match self {
            Self::Longitude => value.is_finite(),
            Self::Latitude => value.abs() <= 90.0,
            Self::Radius => (0.0..=180.0).contains(&value),
            Self::Width | Self::Height => (0.0..180.0).contains(&value),
        }
    }

    fn describe(self) -> (&'static str, &'static str) {
        match self {
            Self::Longitude => ("longitude", "a finite number"),
            Self::Latitude => ("latitude", "within -90 to 90 degrees"),
            Self::Radius => ("radius", "within 0 to 180 degrees"),
            Self::Width => ("width", "from 0 to less than 180 degrees"),
            Self::Height => ("height", "from 0 to less than 180 degrees"),
        }
    }
}

impl Shape {
    fn name(self) -> &'static str {
        match self {
            Self::Point => "POINT",
            Self::Circle => "CIRCLE",
            Self::Box => "BOX",
            Self::Polygon => "POLYGON",
        }
    }

    fn data_type(self) -> DataType {
        match self {
            Self::Point => point_type(),
            Self::Circle => circle_type(),
            Self::Box | Self::Polygon => polygon_type(),
        }
    }

    /// How many numbers follow the position; a polygon is nothing but positions.
    fn sizes(self) -> &'static [Role] {
        match self {
            Self::Point | Self::Polygon => &[],
            Self::Circle => &[Role::Radius],
            Self::Box => &[Role::Width, Role::Height],
        }
    }

    fn role(self, index: usize) -> Role {
        match (self, index) {
            (Self::Point | Self::Circle | Self::Box, 2..) => self.sizes()[index - 2],
            (_, even) if even % 2 == 0 => Role::Longitude,
            _ => Role::Latitude,
        }
    }

    /// Types that the arguments are cast to: numbers throughout, or points for the positions.
    fn coerce(self, arguments: &[DataType]) -> Result<Vec<DataType>> {
        let name = self.name();
        let number = |a: &DataType| as_double(name, a);
        let positions = match self {
            Self::Polygon => arguments.len(),
            _ => arguments.len().saturating_sub(self.sizes().len()),
        };
        let (places, sizes) = arguments.split_at(positions);
        let of_points = places.iter().any(DataType::is_nested);
        let count_fits = match (self, of_points) {
            (Self::Polygon, true) => positions >= 3,
            (Self::Polygon, false) => positions >= 6 && positions.is_multiple_of(2),
            (Self::Circle | Self::Box, true) => positions == 1,
            (Self::Point | Self::Circle | Self::Box, false) => positions == 2,
            (Self::Point, true) => false,
        };
        if !count_fits {
            return plan_err!(
                "{name} does not take these {} arguments: write {}",
                arguments.len(),
                super::lookup(name).map(|f| f.signatures.join(" or ")).unwrap_or_default()
            );
        }
        let place = |a: &DataType| if of_points { as_point(name, a) } else { number(a) };
        places.iter().map(place).chain(sizes.iter().map(number)).collect()
    }

    /// The numbers of a geometry from its arguments; none when they make no geometry.
    fn corners(self, numbers: &[f64]) -> Option<Vec<f64>> {
        let polygon = match (self, numbers) {
            (Self::Box, &[lon, lat, width, height]) => {
                Polygon::from_box(Position::from_degrees(lon, lat)?, width, height).ok()?
            }
            _ => Polygon::new(positions(numbers)?).ok()?,
        };
        if self == Self::Polygon {
            return Some(numbers.to_vec());
        }
        Some(polygon.vertices().iter().flat_map(|p| [p.lon_deg(), p.lat_deg()]).collect())
    }

    /// Refuses constants that are out of range. Numbers of columns are unknown here.
    fn check_ranges(self, numbers: &[Option<f64>]) -> Result<()> {
        for (index, number) in numbers.iter().enumerate() {
            let role = self.role(index);
            if let Some(value) = number
                && !role.allows(*value)
            {
                let (what, range) = role.describe();
                return Err(refuse(format!("{}: {what} {value} is not {range}", self.name())));
            }
        }
        Ok(())
    }

    /// Refuses constants that can make no geometry.
    fn check_constants(self, numbers: &[Option<f64>]) -> Result<()> {
        self.check_ranges(numbers)?;
        match numbers.iter().copied().collect::<Option<Vec<f64>>>() {
            Some(corners) if self == Self::Polygon => {
                let corners = positions(&corners).unwrap_or_default();
                Polygon::new(corners).map(drop).map_err(|e| refuse(format!("POLYGON: {e}")))
            }
            Some(_) | None => Ok(()),
        }
    }
}

/// A place of two constants, or an error that names the one that is out of range.
pub(crate) fn check_place(function: &str, lon: f64, lat: f64) -> Result<Position> {
    for (role, value) in [(Role::Longitude, lon), (Role::Latitude, lat)] {
        if !role.allows(value) {
            let (what, range) = role.describe();
            return Err(refuse(format!("{function}: {what} {value} is not {range}")));
        }
    }
    Position::from_degrees(lon, lat)
        .ok_or_else(|| refuse(format!("{function}: ({lon}, {lat}) is no place on the sky")))
}

/// The numbers of constant arguments, a point counting two; those of columns are unknown.
fn constants<'a>(
    arguments: impl Iterator<Item = (Option<&'a ScalarValue>, &'a DataType)>,
) -> Vec<Option<f64>> {
    let mut numbers = Vec::new();
    for (value, data_type) in arguments {
        if data_type.is_nested() {
            // A point has been checked where it was made.
            let point = value.and_then(|v| v.to_array().ok()).filter(|a| a.is_valid(0));
            let values =
                point.as_ref().and_then(|a| a.as_fixed_size_list_opt()).map(|a| a.value(0));
            let values = values.as_ref().and_then(|v| v.as_primitive_opt::<Float64Type>());
            numbers.extend([0, 1].map(|i| values.map(|v| v.value(i))));
        } else {
            numbers.push(match value.map(|v| v.cast_to(&DataType::Float64)) {
                Some(Ok(ScalarValue::Float64(number))) => number,
                _ => None,
            });
        }
    }
    numbers
}

/// One of the four functions.
#[derive(Debug, PartialEq, Eq, Hash)]
struct Constructor {
    shape: Shape,
    signature: Signature,
}

impl Constructor {
    fn evaluate(&self, arrays: &[ArrayRef]) -> Result<ArrayRef> {
        let rows = arrays.first().map_or(0, Array::len);
        let columns = numbers_of(arrays);
        let numbers = |row: usize| -> Option<Vec<f64>> {
            let number = |(array, stride, offset): &(ArrayRef, usize, usize)| {
                let values: &Float64Array = doubles(array);
                let index = row * stride + offset;
                values.is_valid(index).then(|| values.value(index))
            };
            let numbers = columns.iter().map(number).collect::<Option<Vec<f64>>>()?;
            let allowed = numbers.iter().enumerate().all(|(i, &n)| self.shape.role(i).allows(n));
            allowed.then_some(numbers)
        };
        let rows = 0..rows;
        match self.shape {
            Shape::Point => fixed_lists::<2>(rows.map(|row| numbers(row)?.try_into().ok())),
            Shape::Circle => fixed_lists::<3>(rows.map(|row| numbers(row)?.try_into().ok())),
            Shape::Box | Shape::Polygon => {
                Ok(lists(rows.map(|row| self.shape.corners(&numbers(row)?))))
            }
        }
    }
}

/// The columns of numbers behind arguments: a point holds two, one after the other.
fn numbers_of(arrays: &[ArrayRef]) -> Vec<(ArrayRef, usize, usize)> {
    let mut columns = Vec::new();
    for array in arrays {
        match array.as_fixed_size_list_opt() {
            // The numbers of a point that is NULL are NULL: they are taken out by its validity.
            Some(points) => {
                let masked = masked(points);
                columns.extend([0, 1].map(|offset| (Arc::clone(&masked), 2, offset)));
            }
            None => columns.push((Arc::clone(array), 1, 0)),
        }
    }
    columns
}

fn masked(points: &FixedSizeListArray) -> ArrayRef {
    let values = doubles(points.values());
    if points.null_count() == 0 {
        return Arc::clone(points.values());
    }
    let values = values.iter().enumerate();
    Arc::new(
        values.map(|(i, value)| value.filter(|_| points.is_valid(i / 2))).collect::<Float64Array>(),
    )
}

impl ScalarUDFImpl for Constructor {
    fn name(&self) -> &str {
        match self.shape {
            Shape::Point => super::POINT,
            Shape::Circle => super::CIRCLE,
            Shape::Box => "adql_box",
            Shape::Polygon => "adql_polygon",
        }
    }

    fn signature(&self) -> &Signature {
        &self.signature
    }

    fn coerce_types(&self, arguments: &[DataType]) -> Result<Vec<DataType>> {
        self.shape.coerce(arguments)
    }

    fn return_type(&self, _: &[DataType]) -> Result<DataType> {
        Ok(self.shape.data_type())
    }

    fn return_field_from_args(&self, args: ReturnFieldArgs<'_>) -> Result<FieldRef> {
        let types = args.arg_fields.iter().map(|field| field.data_type());
        let values = args.scalar_arguments.iter().copied();
        self.shape.check_ranges(&constants(values.zip(types)))?;
        Ok(Arc::new(Field::new(self.name(), self.shape.data_type(), true)))
    }

    fn is_strict(&self) -> bool {
        true
    }

    fn invoke_with_args(&self, args: ScalarFunctionArgs) -> Result<ColumnarValue> {
        let types = args.arg_fields.iter().map(|field| field.data_type());
        let values = args.args.iter().map(|argument| match argument {
            ColumnarValue::Scalar(value) => Some(value),
            ColumnarValue::Array(_) => None,
        });
        self.shape.check_constants(&constants(values.zip(types)))?;
        over_arrays(&args, |arrays| self.evaluate(arrays))
    }
}
