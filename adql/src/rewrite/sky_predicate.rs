//! Which comparisons ask where a row lies: CONTAINS, INTERSECTS and DISTANCE between the position
//! columns of a table and a constant, in every form in which ADQL can say so.

use datafusion::arrow::datatypes::DataType;
use datafusion::common::Result;
use datafusion::logical_expr::{BinaryExpr, Expr, Operator};

use super::constant::{constant, number};
use super::position_columns::{Coordinate, coordinate};
use crate::function::epoch_prop::arguments_of;
use crate::function::geometry::region_of;
use crate::function::measure::coordinates_of;
use crate::function::shape::check_place;
use crate::function::{CIRCLE, CONTAINS, DISTANCE, INTERSECTS, POINT};
use crate::schema::Positions;
use crate::sky::{Circle, Position, Region};

/// True where a row's place lies in a region (or where it does not), NULL where it has none:
/// three-valued as the comparison that it was read from.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct SkyPredicate {
    /// The region.
    pub(super) region: Region,
    /// Whether rows outside are asked for.
    pub(super) negated: bool,
    /// Where rows lie.
    pub(super) place: Place,
}

/// The place of a row, in the very expressions of the query.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Place {
    pub(super) ra: Expr,
    pub(super) dec: Expr,
}

/// Whether an expression calls a function that compares places.
pub(super) fn is_spatial_call(expr: &Expr) -> bool {
    call(expr, &[CONTAINS, INTERSECTS, DISTANCE]).is_some()
}

/// Whether an expression is DISTANCE, so that BETWEEN of it is worth taking apart.
pub(super) fn is_distance(expr: &Expr) -> bool {
    call(expr, &[DISTANCE]).is_some()
}

/// Reads a comparison.
pub(super) fn sky_predicate(
    comparison: &BinaryExpr,
    positions: &Positions,
) -> Result<Option<SkyPredicate>> {
    let is_declared = |ra: &Expr, dec: &Expr| {
        let is = |expr, wanted| coordinate(expr, positions) == Some(wanted);
        is(ra, Coordinate::Ra) && is(dec, Coordinate::Dec)
    };
    sky_predicate_of(comparison, &is_declared)
}

/// Reads a comparison over the places that `is_place` knows by their coordinates.
pub(super) fn sky_predicate_of(
    comparison: &BinaryExpr,
    is_place: &dyn Fn(&Expr, &Expr) -> bool,
) -> Result<Option<SkyPredicate>> {
    let reader = Reader { is_place };
    let BinaryExpr { left, op, right } = comparison;
    if let Some(found) = reader.compare(left, *op, right)? {
        return Ok(Some(found));
    }
    match op.swap() {
        Some(mirrored) => reader.compare(right, mirrored, left),
        None => Ok(None),
    }
}

/// The name and arguments of a call of one of these functions, behind casts of its number.
pub(super) fn call<'a>(expr: &'a Expr, names: &[&str]) -> Option<(&'a str, &'a [Expr])> {
    match expr {
        Expr::ScalarFunction(call) if names.contains(&call.func.name()) => {
            Some((call.func.name(), &call.args))
        }
        Expr::Cast(cast) if cast.field.data_type().is_numeric() => call(&cast.expr, names),
        Expr::Alias(alias) => call(&alias.expr, names),
        _ => None,
    }
}

struct Reader<'a> {
    is_place: &'a dyn Fn(&Expr, &Expr) -> bool,
}

impl Reader<'_> {
    fn compare(&self, left: &Expr, op: Operator, right: &Expr) -> Result<Option<SkyPredicate>> {
        match call(left, &[CONTAINS, INTERSECTS, DISTANCE]) {
            // A narrower type than a double rounds a distance.
            Some((DISTANCE, [..])) if !is_double(left) => Ok(None),
            Some((DISTANCE, arguments)) => self.compare_distance(arguments, op, right),
            Some((name, [a, b])) => {
                let Some((place, region)) = self.relation(name == CONTAINS, a, b)? else {
                    return Ok(None);
                };
                let negated = match number(right)?.and_then(|value| truth(op, value)) {
                    Some([false, true]) => false,
                    Some([true, false]) => true,
                    Some(_) | None => return Ok(None),
                };
                Ok(Some(SkyPredicate { region, negated, place }))
            }
            Some(_) | None => Ok(None),
        }
    }

    /// `CONTAINS(a, b)` or `INTERSECTS(a, b)`: the place of the row and the region for which they
    /// are 1. A constant place in a circle around the row is the row in a circle around the place.
    fn relation(&self, contains: bool, a: &Expr, b: &Expr) -> Result<Option<(Place, Region)>> {
        let orders: &[_] = if contains { &[(a, b)] } else { &[(a, b), (b, a)] };
        for &(inner, outer) in orders {
            if let Some(place) = self.place(inner)
                && let Some(region) = constant_region(outer)?
            {
                return Ok(Some((place, region)));
            }
            if let Some((place, radius)) = self.circle(outer)?
                && let Some(Region::Point(center)) = constant_region(inner)?
                && let Ok(circle) = Circle::new(center, radius)
            {
                return Ok(Some((place, circle.into())));
            }
        }
        Ok(None)
    }

    /// `CIRCLE(ra, dec, r)` or `CIRCLE(POINT(ra, dec), r)` with a constant radius.
    fn circle(&self, expr: &Expr) -> Result<Option<(Place, f64)>> {
        let (place, radius) = match call(expr, &[CIRCLE]) {
            Some((_, [ra, dec, radius])) => (self.coordinates(ra, dec), radius),
            Some((_, [point, radius])) => (self.place(point), radius),
            Some(_) | None => return Ok(None),
        };
        let Some(place) = place else { return Ok(None) };
        Ok(number(radius)?.map(|radius| (place, radius)))
    }

    fn compare_distance(
        &self,
        arguments: &[Expr],
        op: Operator,
        bound: &Expr,
    ) -> Result<Option<SkyPredicate>> {
        let (closed, negated) = match op {
            Operator::Lt => (false, false),
            Operator::LtEq => (true, false),
            Operator::Gt => (true, true),
            Operator::GtEq => (false, true),
            _ => return Ok(None),
        };
        let Some((place, center)) = self.distance(arguments)? else { return Ok(None) };
        let Some(region) = number(bound)?.and_then(|radius| disc(center, radius, closed)) else {
            return Ok(None);
        };
        Ok(Some(SkyPredicate { region: region.into(), negated, place }))
    }

    /// `DISTANCE` between the place of the row and a constant place, in either order.
    fn distance(&self, arguments: &[Expr]) -> Result<Option<(Place, Position)>> {
        match arguments {
            [a, b] => {
                for (row, other) in [(a, b), (b, a)] {
                    let Some(place) = self.place(row) else { continue };
                    if let Some(Region::Point(center)) = constant_region(other)? {
                        return Ok(Some((place, center)));
                    }
                }
                Ok(None)
            }
            [a, b, c, d] => {
                for ([ra, dec], [lon, lat]) in [([a, b], [c, d]), ([c, d], [a, b])] {
                    let Some(place) = self.coordinates(ra, dec) else { continue };
                    if let (Some(lon), Some(lat)) = (number(lon)?, number(lat)?) {
                        return Ok(Some((place, check_place("DISTANCE", lon, lat)?)));
                    }
                }
                Ok(None)
            }
            _ => Ok(None),
        }
    }

    /// `POINT(ra, dec)`, or a place at another epoch.
    fn place(&self, expr: &Expr) -> Option<Place> {
        if arguments_of(expr).is_some() {
            let [ra, dec] = coordinates_of(expr);
            return self.coordinates(&ra, &dec);
        }
        match call(expr, &[POINT]) {
            Some((_, [ra, dec])) => self.coordinates(ra, dec),
            Some(_) | None => None,
        }
    }

    fn coordinates(&self, ra: &Expr, dec: &Expr) -> Option<Place> {
        (self.is_place)(ra, dec).then(|| Place { ra: ra.clone(), dec: dec.clone() })
    }
}

pub(super) fn is_double(expr: &Expr) -> bool {
    match expr {
        Expr::Cast(cast) => *cast.field.data_type() == DataType::Float64 && is_double(&cast.expr),
        Expr::Alias(alias) => is_double(&alias.expr),
        _ => true,
    }
}

fn constant_region(expr: &Expr) -> Result<Option<Region>> {
    match constant(expr)? {
        Some(value) => region_of(&value),
        None => Ok(None),
    }
}

/// The places whose distance is less than a radius, or not greater; none when that is no circle
/// (no place is farther than 180 degrees).
fn disc(center: Position, radius: f64, closed: bool) -> Option<Circle> {
    if radius < 0.0 {
        return Circle::open(center, 0.0).ok();
    }
    let circle = if closed { Circle::new } else { Circle::open };
    circle(center, radius).ok()
}

/// What a comparison of 0 and of 1 with a number says.
pub(super) fn truth(op: Operator, value: f64) -> Option<[bool; 2]> {
    let compare: fn(f64, f64) -> bool = match op {
        Operator::Eq => |a, b| a == b,
        Operator::NotEq => |a, b| a != b,
        Operator::Lt => |a, b| a < b,
        Operator::LtEq => |a, b| a <= b,
        Operator::Gt => |a, b| a > b,
        Operator::GtEq => |a, b| a >= b,
        _ => return None,
    };
    Some([0.0, 1.0].map(|result| compare(result, value)))
}
