//! HEALPix indices (NESTED) of places: `healpix_29`, the spatial index of a table that has none
//! in its files; `ivo_healpix_index` of any order, and `ivo_healpix_center` (UDF catalogue 1.2 §2.1).

use std::sync::Arc;

use datafusion::arrow::array::{ArrayRef, Float64Array, Int64Array};
use datafusion::arrow::datatypes::DataType;
use datafusion::common::{Result, ScalarValue};
use datafusion::logical_expr::{
    ColumnarValue, ScalarFunctionArgs, ScalarUDF, ScalarUDFImpl, Signature, Volatility,
};

use super::geometry::{Regions, as_point, fixed_lists, point_type};
use super::of_rows::{Kind, OfRows};
use super::vector::{as_double, as_integer, doubles, integers, over_arrays};
use crate::sky::{Order, Pixel, Position, spatial_index};

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
        const NAME: &str = "ivo_healpix_index";
        super::expect_count(NAME, arguments, 2..=3)?;
        let order = as_integer(NAME, &arguments[0]);
        let place = arguments[1..].iter().map(|a| match arguments.len() {
            2 => as_point(NAME, a),
            _ => as_double(NAME, a),
        });
        std::iter::once(order).chain(place).collect()
    }

    fn return_type(&self, _: &[DataType]) -> Result<DataType> {
        Ok(DataType::Int64)
    }

    fn is_strict(&self) -> bool {
        true
    }

    fn invoke_with_args(&self, args: ScalarFunctionArgs) -> Result<ColumnarValue> {
        if let ColumnarValue::Scalar(ScalarValue::Int64(Some(order))) = args.args[0]
            && !(0..=29).contains(&order)
        {
            return Err(super::refuse(format!(
                "ivo_healpix_index: order {order} is not within 0 to 29"
            )));
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
