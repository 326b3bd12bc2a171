//! MOC, of a region, and `armilla_coverage`, of the places of a group: coverages as texts (MOC 2.0),
//! which CONTAINS and INTERSECTS take as regions.

use std::mem::size_of_val;
use std::sync::Arc;

use datafusion::arrow::array::{ArrayRef, AsArray, StringArray};
use datafusion::arrow::datatypes::{DataType, Field, FieldRef, UInt64Type};
use datafusion::common::{Result, ScalarValue};
use datafusion::logical_expr::function::{AccumulatorArgs, StateFieldsArgs};
use datafusion::logical_expr::{
    Accumulator, AggregateUDF, AggregateUDFImpl, ColumnarValue, ReturnFieldArgs,
    ScalarFunctionArgs, ScalarUDF, ScalarUDFImpl, Signature, Volatility,
};
use datafusion::physical_expr::expressions::Literal;

use super::geometry::{Regions, as_point, as_region};
use super::healpix::check_order;
use super::refuse;
use super::vector::{as_double, as_integer, doubles, integers, over_arrays};
use crate::sky::{Coverage, Order, Pixel, Position};

/// Name of the aggregate in a session.
pub(super) const COVERAGE: &str = "adql_coverage";
/// As users write it.
const WRITTEN: &str = "armilla_coverage";

/// A MOC of more cells is no value for a row.
const CELLS_MAX: usize = 1 << 20;

/// Pixels that came since they were last sorted; before that they may be the same.
const UNSORTED_MAX: usize = 1 << 16;

/// The functions of this file.
pub(super) fn functions() -> Vec<ScalarUDF> {
    vec![ScalarUDF::from(Moc { signature: Signature::user_defined(Volatility::Immutable) })]
}

/// The aggregate of this file.
pub(super) fn aggregate() -> AggregateUDF {
    AggregateUDF::from(CoverageOf { signature: Signature::user_defined(Volatility::Immutable) })
}

fn order_of(function: &str, order: i64) -> Result<Order> {
    u8::try_from(order)
        .ok()
        .and_then(Order::new)
        .ok_or_else(|| refuse(format!("{function}: order {order} is not within 0 to 29")))
}

/// `MOC(order, region)`.
#[derive(Debug, PartialEq, Eq, Hash)]
struct Moc {
    signature: Signature,
}

impl ScalarUDFImpl for Moc {
    fn name(&self) -> &'static str {
        "adql_moc"
    }

    fn signature(&self) -> &Signature {
        &self.signature
    }

    fn coerce_types(&self, arguments: &[DataType]) -> Result<Vec<DataType>> {
        super::expect_count("MOC", arguments, 2..=2)?;
        Ok(vec![as_integer("MOC", &arguments[0])?, as_region("MOC", &arguments[1])?])
    }

    fn return_type(&self, _: &[DataType]) -> Result<DataType> {
        Ok(DataType::Utf8)
    }

    fn return_field_from_args(&self, args: ReturnFieldArgs<'_>) -> Result<FieldRef> {
        check_order("MOC", args.scalar_arguments.first().copied().flatten())?;
        Ok(Arc::new(Field::new(self.name(), DataType::Utf8, true)))
    }

    fn is_strict(&self) -> bool {
        true
    }

    fn invoke_with_args(&self, args: ScalarFunctionArgs) -> Result<ColumnarValue> {
        over_arrays(&args, |arrays| {
            let regions = ColumnarValue::Array(Arc::clone(&arrays[1]));
            let regions = Regions::new(&regions)?;
            let moc = |(row, order): (usize, Option<i64>)| {
                let (Some(order), Some(region)) = (order, regions.region(row)) else {
                    return Ok(None);
                };
                let order = order_of("MOC", order)?;
                let moc = Coverage::of_region(&region, order, CELLS_MAX);
                let moc = moc.ok_or_else(|| {
                    let message = format!(
                        "MOC: of order {order} {region} has more than {CELLS_MAX} cells: write a lower \
                         order"
                    );
                    refuse(message)
                })?;
                Ok(Some(moc.ascii(order)))
            };
            let texts = integers(&arrays[0]).iter().enumerate().map(moc);
            Ok(Arc::new(texts.collect::<Result<StringArray>>()?))
        })
    }
}

/// `armilla_coverage(order, lon, lat)` and `armilla_coverage(order, point)`.
#[derive(Debug, PartialEq, Eq, Hash)]
struct CoverageOf {
    signature: Signature,
}

fn pixels_type() -> DataType {
    DataType::List(Arc::new(Field::new_list_field(DataType::UInt64, true)))
}

impl AggregateUDFImpl for CoverageOf {
    fn name(&self) -> &'static str {
        COVERAGE
    }

    fn signature(&self) -> &Signature {
        &self.signature
    }

    fn coerce_types(&self, arguments: &[DataType]) -> Result<Vec<DataType>> {
        super::expect_count(WRITTEN, arguments, 2..=3)?;
        let place = |argument| match arguments.len() {
            2 => as_point(WRITTEN, argument),
            _ => as_double(WRITTEN, argument),
        };
        let order = as_integer(WRITTEN, &arguments[0]);
        std::iter::once(order).chain(arguments[1..].iter().map(place)).collect()
    }

    fn return_type(&self, _: &[DataType]) -> Result<DataType> {
        Ok(DataType::Utf8)
    }

    fn state_fields(&self, args: StateFieldsArgs<'_>) -> Result<Vec<FieldRef>> {
        Ok(vec![Arc::new(Field::new(format!("{}[pixels]", args.name), pixels_type(), true))])
    }

    fn accumulator(&self, args: AccumulatorArgs<'_>) -> Result<Box<dyn Accumulator>> {
        let literal = args.exprs.first().and_then(|order| order.downcast_ref::<Literal>());
        match literal.map(|literal| literal.value().cast_to(&DataType::Int64)) {
            Some(Ok(ScalarValue::Int64(Some(order)))) => {
                let order = order_of(WRITTEN, order)?;
                Ok(Box::new(Pixels { order, pixels: Vec::new(), sorted: 0 }))
            }
            _ => Err(refuse(format!("{WRITTEN}: the order has to be a number"))),
        }
    }
}

/// The pixels of a group.
#[derive(Debug)]
struct Pixels {
    order: Order,
    pixels: Vec<u64>,
    /// So many of them, the first, are sorted and differ.
    sorted: usize,
}

impl Pixels {
    fn add(&mut self, place: &Position) {
        let pixel = Pixel::of(self.order, place).index();
        // Rows come along the sky.
        if self.pixels.last() != Some(&pixel) {
            self.pixels.push(pixel);
        }
        if self.pixels.len() > 2 * self.sorted + UNSORTED_MAX {
            self.sort();
        }
    }

    fn sort(&mut self) {
        self.pixels.sort_unstable();
        self.pixels.dedup();
        self.sorted = self.pixels.len();
    }
}

impl Accumulator for Pixels {
    fn update_batch(&mut self, values: &[ArrayRef]) -> Result<()> {
        match values {
            [_, lon, lat] => {
                for (lon, lat) in doubles(lon).iter().zip(doubles(lat)) {
                    let place =
                        lon.zip(lat).and_then(|(lon, lat)| Position::from_degrees(lon, lat));
                    place.iter().for_each(|place| self.add(place));
                }
            }
            [_, points] => {
                let points = ColumnarValue::Array(Arc::clone(points));
                let (rows, points) = (values[1].len(), Regions::new(&points)?);
                let places = (0..rows).filter_map(|row| points.position(row));
                places.for_each(|place| self.add(&place));
            }
            _ => {}
        }
        Ok(())
    }

    fn merge_batch(&mut self, states: &[ArrayRef]) -> Result<()> {
        for pixels in states[0].as_list::<i32>().iter().flatten() {
            self.pixels.extend(pixels.as_primitive::<UInt64Type>().values());
            self.sort();
        }
        Ok(())
    }

    fn state(&mut self) -> Result<Vec<ScalarValue>> {
        self.sort();
        let pixels: Vec<ScalarValue> = self.pixels.iter().copied().map(ScalarValue::from).collect();
        Ok(vec![ScalarValue::List(ScalarValue::new_list_nullable(&pixels, &DataType::UInt64))])
    }

    fn evaluate(&mut self) -> Result<ScalarValue> {
        self.sort();
        let pixels = self.pixels.iter().filter_map(|pixel| Pixel::new(self.order, *pixel));
        let coverage = Coverage::from_ranges(pixels.map(Pixel::range));
        Ok(ScalarValue::Utf8(Some(coverage.ascii(self.order))))
    }

    fn size(&self) -> usize {
        size_of_val(self) + self.pixels.capacity() * size_of::<u64>()
    }
}
