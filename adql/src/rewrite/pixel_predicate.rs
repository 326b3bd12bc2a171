//! Comparisons of `ivo_healpix_index(order, ra, dec)` with constants: they ask whether a row lies in
//! some pixels, so that they are read as its place in their MOC.
//!
//! ```text
//! ivo_healpix_index(6, ra, dec) = 12345     is     CONTAINS(POINT(ra, dec), MOC('6/12345')) = 1
//! ```
//! The pixels of an order are the ancestors of those of order 29, by which a MOC is tested. The index
//! of a row does not stand for its place: other writers may have put a place on the border of pixels
//! into the next. So rows there are tested exactly.

use datafusion::arrow::datatypes::DataType;
use datafusion::common::{Result, ScalarValue};
use datafusion::logical_expr::expr::InList;
use datafusion::logical_expr::{BinaryExpr, Expr, Operator};

use super::constant::constant;
use super::position_columns::{Coordinate, coordinate};
use super::sky_predicate::{Place, SkyPredicate, call};
use crate::function::{PIXEL, POINT};
use crate::schema::Positions;
use crate::sky::{Coverage, Order, Region};

/// Whether an expression is the pixel of a place.
pub(super) fn is_pixel(expr: &Expr) -> bool {
    call(expr, &[PIXEL]).is_some()
}

/// Reads a comparison.
pub(super) fn pixel_predicate(
    comparison: &BinaryExpr,
    positions: &Positions,
) -> Result<Option<SkyPredicate>> {
    let BinaryExpr { left, op, right } = comparison;
    let (pixel, op, value) = match op.swap() {
        Some(mirrored) if is_pixel(right) => (right, mirrored, left),
        _ => (left, *op, right),
    };
    let Some(pixels) = Pixels::of(pixel, positions)? else { return Ok(None) };
    let Some(value) = whole(value)? else { return Ok(None) };
    let after = value.saturating_add(1);
    let (from, to, negated) = match op {
        Operator::Eq => (value, after, false),
        Operator::NotEq => (value, after, true),
        Operator::Lt => (0, value, false),
        Operator::GtEq => (0, value, true),
        Operator::LtEq => (0, after, false),
        Operator::Gt => (0, after, true),
        _ => return Ok(None),
    };
    Ok(Some(pixels.within([(from, to)], negated)))
}

/// Reads a list.
pub(super) fn pixel_predicate_of_list(
    list: &InList,
    positions: &Positions,
) -> Result<Option<SkyPredicate>> {
    let Some(pixels) = Pixels::of(&list.expr, positions)? else { return Ok(None) };
    let values = list.list.iter().map(whole).collect::<Result<Option<Vec<i64>>>>()?;
    let Some(values) = values else { return Ok(None) };
    let each = values.into_iter().map(|value| (value, value.saturating_add(1)));
    Ok(Some(pixels.within(each, list.negated)))
}

/// The pixels of an order, of which one is that of a row.
struct Pixels {
    order: Order,
    place: Place,
}

/// The order and the two coordinates of a pixel.
pub(super) fn pixel_of(expr: &Expr) -> Result<Option<(Order, [&Expr; 2])>> {
    let (order, coordinates) = match call(expr, &[PIXEL]) {
        Some((_, [order, ra, dec])) => (order, [ra, dec]),
        Some((_, [order, point])) => match call(point, &[POINT]) {
            Some((_, [ra, dec])) => (order, [ra, dec]),
            _ => return Ok(None),
        },
        _ => return Ok(None),
    };
    let order = whole(order)?.and_then(|order| Order::new(u8::try_from(order).ok()?));
    Ok(order.map(|order| (order, coordinates)))
}

impl Pixels {
    fn of(expr: &Expr, positions: &Positions) -> Result<Option<Self>> {
        let Some((order, [ra, dec])) = pixel_of(expr)? else { return Ok(None) };
        let is = |expr, wanted| coordinate(expr, positions) == Some(wanted);
        if !is(ra, Coordinate::Ra) || !is(dec, Coordinate::Dec) {
            return Ok(None);
        }
        let place = Place { ra: ra.clone(), dec: dec.clone() };
        Ok(Some(Self { order, place }))
    }

    /// Whether the pixel of the row is from the first to before the second of any two numbers.
    fn within(self, ranges: impl IntoIterator<Item = (i64, i64)>, negated: bool) -> SkyPredicate {
        let most = self.order.pixels();
        let size = Order::MAX.pixels() / most;
        let bound = |index: i64| u64::try_from(index).unwrap_or_default().min(most) * size;
        let ranges = ranges.into_iter().map(|(from, to)| bound(from)..bound(to));
        let region = Region::Moc(Coverage::from_ranges(ranges));
        SkyPredicate { region, negated, place: self.place }
    }
}

/// The whole number that an expression stands for. Not one of another type: a double does not hold
/// the digits of a pixel.
fn whole(expr: &Expr) -> Result<Option<i64>> {
    let Some(value) = constant(expr)?.filter(|value| value.data_type().is_integer()) else {
        return Ok(None);
    };
    Ok(match value.cast_to(&DataType::Int64) {
        Ok(ScalarValue::Int64(number)) => number,
        _ => None,
    })
}
