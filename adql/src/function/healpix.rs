//! HEALPix indices (NESTED) of places: `healpix_29`, the spatial index of a table that has none
//! in its files; `ivo_healpix_index` of any order, and `ivo_healpix_center` (UDF catalogue 1.2 §2.1).

use std::sync::Arc;

use datafusion::arrow::array::{ArrayRef, Float64Array, Int64Array};
use datafusion::arrow::datatypes::{DataType, Field, FieldRef};
use datafusion::common::{Result, ScalarValue};
use datafusion::logical_expr::{
    ColumnarValue, ReturnFieldArgs, ScalarFunctionArgs, ScalarUDF, ScalarUDFImpl, Signature,
    Volatility,
};

use super::geometry::{Regions, as_point, fixed_lists, point_type};
use super::of_rows::{Kind, OfRows};
use super::vector::{as_double, as_integer, doubles, integers, over_arrays};
use crate::sky::{Order, Pixel, Position, spatial_index};

/// The index of any order, as users write it.
const WRITTEN: &str = "ivo_healpix_index";

/// The functions of this file.
pub(super) fn functions() -> Vec<ScalarUDF> {
    let center = OfRows {
        name: "adql_healpix_center",
        written: "ivo_healpix_center",
        arguments: &[Kind::Integer, Kind::Integer],
        result: point_type(),
        volatility: Volatility::Immutable,
        evaluate: |arrays| centers(integers(&arrays[0]), integers(&arrays[1])),
    };
    vec![
        ScalarUDF::from(SpatialIndex { signature: Signature::user_defined(Volatility::Immutable) }),
        ScalarUDF::from(PixelIndex { signature: Signature::user_defined(Volatility::Immutable) }),
        center.function(),
    ]
}

/// `healpix_29(lon, lat)`.
#[derive(Debug, PartialEq, Eq, Hash)]
struct SpatialIndex {
    signature: Signature,
}

impl ScalarUDFImpl for SpatialIndex {
    fn name(&self) -> &'static str {
        "healpix_29"
    }

    fn signature(&self) -> &Signature {
        &self.signature
    }

    fn coerce_types(&self, arguments: &[DataType]) -> Result<Vec<DataType>> {
        super::expect_count(self.name(), arguments, 2..=2)?;
        arguments.iter().map(|a| as_double(self.name(), a)).collect()
    }

    fn return_type(&self, _: &[DataType]) -> Result<DataType> {
        Ok(DataType::Int64)
    }

    fn is_strict(&self) -> bool {
        true
    }

    fn invoke_with_args(&self, args: ScalarFunctionArgs) -> Result<ColumnarValue> {
        over_arrays(&args, |arrays| {
            let pairs = doubles(&arrays[0]).iter().zip(doubles(&arrays[1]));
            let indices = pairs.map(|(lon, lat)| spatial_index(lon?, lat?));
            Ok(Arc::new(indices.collect::<Int64Array>()))
        })
    }
}

/// Refuses an order that is a constant and none of HEALPix, before a query runs.
pub(super) fn check_order(function: &str, order: Option<&ScalarValue>) -> Result<()> {
    match order.and_then(|order| order.cast_to(&DataType::Int64).ok()) {
        Some(ScalarValue::Int64(Some(order))) if !(0..=29).contains(&order) => {
            Err(super::refuse(format!("{function}: order {order} is not within 0 to 29")))
        }
        _ => Ok(()),
    }
}

/// `ivo_healpix_index(order, lon, lat)` and `ivo_healpix_index(order, point)`.
#[derive(Debug, PartialEq, Eq, Hash)]
struct PixelIndex {
    signature: Signature,
}

fn index(order: i64, position: &Position) -> Option<i64> {
    let order = Order::new(u8::try_from(order).ok()?)?;
    i64::try_from(Pixel::of(order, position).index()).ok()
}

fn centers(orders: &Int64Array, indices: &Int64Array) -> Result<ArrayRef> {
    fixed_lists::<2>(orders.iter().zip(indices).map(|(order, index)| {
        let order = Order::new(u8::try_from(order?).ok()?)?;
        let center = Pixel::new(order, u64::try_from(index?).ok()?)?.center();
        Some([center.lon_deg(), center.lat_deg()])
    }))
}

fn of_numbers(orders: &Int64Array, lon: &Float64Array, lat: &Float64Array) -> ArrayRef {
    let rows = orders.iter().zip(lon.iter().zip(lat));
    let indices = rows
        .map(|(order, (lon, lat))| index(order?, &Position::from_degrees(lon?, lat?)?))
        .collect::<Int64Array>();
    Arc::new(indices)
}

fn of_points(orders: &Int64Array, points: &Regions<'_>) -> ArrayRef {
    let indices = orders
        .iter()
        .enumerate()
        .map(|(row, order)| index(order?, &points.position(row)?))
        .collect::<Int64Array>();
    Arc::new(indices)
}

impl ScalarUDFImpl for PixelIndex {
    fn name(&self) -> &'static str {
        super::PIXEL
    }

    fn signature(&self) -> &Signature {
        &self.signature
    }

    fn coerce_types(&self, arguments: &[DataType]) -> Result<Vec<DataType>> {
        super::expect_count(WRITTEN, arguments, 2..=3)?;
        let order = as_integer(WRITTEN, &arguments[0]);
        let place = arguments[1..].iter().map(|a| match arguments.len() {
            2 => as_point(WRITTEN, a),
            _ => as_double(WRITTEN, a),
        });
        std::iter::once(order).chain(place).collect()
    }

    fn return_type(&self, _: &[DataType]) -> Result<DataType> {
        Ok(DataType::Int64)
    }

    fn return_field_from_args(&self, args: ReturnFieldArgs<'_>) -> Result<FieldRef> {
        check_order(WRITTEN, args.scalar_arguments.first().copied().flatten())?;
        Ok(Arc::new(Field::new(self.name(), DataType::Int64, true)))
    }

    fn is_strict(&self) -> bool {
        true
    }

    fn invoke_with_args(&self, args: ScalarFunctionArgs) -> Result<ColumnarValue> {
        if let ColumnarValue::Scalar(order) = &args.args[0] {
            check_order(WRITTEN, Some(order))?;
        }
        over_arrays(&args, |arrays| {
            let orders = integers(&arrays[0]);
            if let [_, lon, lat] = arrays {
                return Ok(of_numbers(orders, doubles(lon), doubles(lat)));
            }
            let points = ColumnarValue::Array(Arc::clone(&arrays[1]));
            Ok(of_points(orders, &Regions::new(&points)?))
        })
    }
}
