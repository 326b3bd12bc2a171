//! Stars at another epoch: how far the place that `ivo_epoch_prop_pos` gives may be from the one
//! that the rows of a table are tiled by.
//!
//! ```text
//! DISTANCE(ivo_epoch_prop_pos(ra, dec, …), POINT(10, 20)) < 0.1
//!   --> the same AND in_region(_healpix_29, ra, dec, CIRCLE(10, 20, 0.1 + largest motion))
//! ```
//! The largest motion comes from the ranges of the columns in the call, whose values
//! [`Schemas::range`](crate::Schemas::range) knows for a table, and a scan for each of its tiles.
//! A row is in question only where both hold, and the first is tested exactly: what is not known
//! costs time and no answer.

use std::collections::BTreeSet;
use std::sync::Arc;

use datafusion::arrow::datatypes::DataType;
use datafusion::common::tree_node::{TreeNode, TreeNodeRecursion};
use datafusion::common::{Result, ScalarValue};
use datafusion::logical_expr::utils::split_conjunction;
use datafusion::logical_expr::{BinaryExpr, Cast, Expr, LogicalPlan, Operator};
use datafusion::physical_expr::expressions::{
    BinaryExpr as PhysicalBinary, CastExpr, Column as PhysicalColumn, Literal,
};
use datafusion::physical_expr::{PhysicalExpr, ScalarFunctionExpr};

use super::constant::number;
use super::position_columns::{Coordinate, coordinate};
use super::sky_predicate::{Place, sky_predicate_of};
use crate::function::epoch_prop::arguments_of;
use crate::function::measure::point_of;
use crate::function::nan_to_null;
use crate::function::{CIRCLE, DISTANCE};
use crate::schema::Positions;
use crate::sky::{Angle, Circle, Motion, Pixel, Region};

/// Between which numbers the values of a column lie, NULL and NaN left out; none where nothing
/// tells.
pub type RangeOf<'a> = &'a dyn Fn(&str) -> Option<[f64; 2]>;

/// How far, at most, a place of a row is from the position by which the row is tiled (and by whose
/// pixel `_healpix_29` names it).
///
/// `place` is the two coordinates over the columns of one scan of a table with these positions:
/// its position columns themselves, or `COORD1` and `COORD2` of `ivo_epoch_prop_pos` of them. None
/// for another place, and where the ranges of columns do not bound it.
pub fn displacement(
    place: [&Expr; 2],
    positions: &Positions,
    range_of: RangeOf<'_>,
) -> Option<Angle> {
    let slack = positions.slack_deg;
    let [ra, dec] = place;
    if is_stored(ra, dec, positions) {
        return Some(Angle::from_degrees(slack));
    }
    let most = Moved::of(ra, dec, positions)?.most(range_of).ok()?;
    Some(Angle::from_degrees(most.degrees() + slack))
}

/// The same of a place in a physical plan, whose columns have the names that the table gives them.
pub fn physical_displacement(
    place: [&Arc<dyn PhysicalExpr>; 2],
    positions: &Positions,
    range_of: RangeOf<'_>,
) -> Option<Angle> {
    let [ra, dec] = [logical(place[0])?, logical(place[1])?];
    displacement([&ra, &dec], positions, range_of)
}

/// Between which numbers an expression of a physical plan lies, whose columns have the names that
/// the table gives them; none where nothing tells, or where it may be no finite number.
pub fn physical_range(expr: &Arc<dyn PhysicalExpr>, range_of: RangeOf<'_>) -> Option<[f64; 2]> {
    let range = range_in(&logical(expr)?, range_of).ok()?;
    range.iter().all(|end| end.is_finite()).then_some(range)
}

/// The expression that a physical one was planned from, of those kinds that matter here.
fn logical(expr: &Arc<dyn PhysicalExpr>) -> Option<Expr> {
    if let Some(column) = expr.downcast_ref::<PhysicalColumn>() {
        return Some(Expr::Column(datafusion::common::Column::from_name(column.name())));
    }
    if let Some(literal) = expr.downcast_ref::<Literal>() {
        return Some(Expr::Literal(literal.value().clone(), None));
    }
    if let Some(cast) = expr.downcast_ref::<CastExpr>() {
        let inner = Box::new(logical(cast.expr())?);
        return Some(Expr::Cast(Cast::new(inner, cast.cast_type().clone())));
    }
    if let Some(binary) = expr.downcast_ref::<PhysicalBinary>() {
        let [left, right] = [logical(binary.left())?, logical(binary.right())?].map(Box::new);
        return Some(Expr::BinaryExpr(BinaryExpr::new(left, *binary.op(), right)));
    }
    let call = expr.downcast_ref::<ScalarFunctionExpr>()?;
    let arguments = call.args().iter().map(logical).collect::<Option<Vec<_>>>()?;
    Some(call.fun().call(arguments))
}

fn is_stored(ra: &Expr, dec: &Expr, positions: &Positions) -> bool {
    let is = |expr, wanted| coordinate(expr, positions) == Some(wanted);
    is(ra, Coordinate::Ra) && is(dec, Coordinate::Dec)
}

/// The place of a star at another epoch, by the position columns of its row.
#[derive(Debug, Clone, Copy)]
pub(super) struct Moved<'a> {
    arguments: &'a [Expr; 8],
}

impl<'a> Moved<'a> {
    /// Reads the coordinates of a place.
    pub(super) fn of(ra: &'a Expr, dec: &Expr, positions: &Positions) -> Option<Self> {
        let arguments = arguments_of(point_of(ra, dec)?)?;
        is_stored(&arguments[0], &arguments[1], positions).then_some(Self { arguments })
    }

    /// Where the star is by its row.
    pub(super) fn stored(&self) -> Place {
        let [ra, dec, ..] = self.arguments;
        Place { ra: ra.clone(), dec: dec.clone() }
    }

    /// How far the star of any row moves, at most; or what keeps that from being known.
    pub(super) fn most(&self, range_of: RangeOf<'_>) -> Result<Angle, String> {
        let [_, _, rest @ ..] = self.arguments;
        let mut ranges = [[0.0; 2]; 6];
        for (range, argument) in ranges.iter_mut().zip(rest) {
            *range = range_in(argument, range_of)?;
        }
        let [parallax, pmra, pmdec, radial_velocity, reference, out] = ranges;
        let largest = |range: [f64; 2]| range[0].abs().max(range[1].abs());
        let years = largest([out[0] - reference[1], out[1] - reference[0]]);
        let motion = Motion {
            parallax_mas: largest(parallax),
            pmra_mas_yr: largest(pmra),
            pmdec_mas_yr: largest(pmdec),
            radial_velocity_km_s: largest(radial_velocity),
        };
        motion.most_within(years).ok_or_else(|| {
            format!(
                "within {years} years a star of these parallaxes and velocities may be anywhere"
            )
        })
    }
}

/// Between which numbers an expression lies for rows in which it is a number.
///
/// Each step is monotone in its operand and rounds alike, so that the ends of a range have no
/// rounding of their own.
fn range_in(expr: &Expr, range_of: RangeOf<'_>) -> Result<[f64; 2], String> {
    if let Some(value) = number(expr).map_err(|error| error.to_string())? {
        return Ok([value, value]);
    }
    let unknown = || Err(format!("nothing tells between which values {expr} lies"));
    match expr {
        // It is NULL, or NaN, which gives no place.
        Expr::Literal(..) => Ok([0.0, 0.0]),
        Expr::Column(column) => match range_of(&column.name) {
            Some(range) => Ok(range),
            None => Err(format!("nothing tells between which values {} lies", column.name)),
        },
        Expr::Alias(alias) => range_in(&alias.expr, range_of),
        Expr::Cast(cast) if *cast.field.data_type() == DataType::Float64 => {
            range_in(&cast.expr, range_of)
        }
        Expr::ScalarFunction(call) => match (call.func.name(), call.args.as_slice()) {
            (nan_to_null::NAME, [inner]) => range_in(inner, range_of),
            ("coalesce", alternatives) => hull(alternatives.iter(), range_of),
            _ => unknown(),
        },
        Expr::Case(case) if case.expr.is_none() => {
            let results = case.when_then_expr.iter().map(|(_, then)| then.as_ref());
            hull(results.chain(case.else_expr.as_deref()), range_of)
        }
        Expr::Negative(inner) => {
            range_in(inner, range_of).map(|[low, high]| [0.0 - high, 0.0 - low])
        }
        Expr::BinaryExpr(BinaryExpr { left, op, right }) => {
            let compute: fn(f64, f64) -> f64 = match op {
                Operator::Plus => |a, b| a + b,
                Operator::Minus => |a, b| a - b,
                Operator::Multiply => |a, b| a * b,
                Operator::Divide => |a, b| a / b,
                _ => return unknown(),
            };
            let ends = match (double(left), double(right)) {
                (None, Some(b)) if *op != Operator::Divide || b != 0.0 => {
                    range_in(left, range_of)?.map(|end| compute(end, b))
                }
                (Some(a), None) if *op != Operator::Divide => {
                    range_in(right, range_of)?.map(|end| compute(a, end))
                }
                _ => return unknown(),
            };
            Ok([ends[0].min(ends[1]), ends[0].max(ends[1])])
        }
        _ => unknown(),
    }
}

fn hull<'a>(
    mut expressions: impl Iterator<Item = &'a Expr>,
    range_of: RangeOf<'_>,
) -> Result<[f64; 2], String> {
    let hull = expressions.try_fold(None, |hull: Option<[f64; 2]>, expr| {
        let [low, high] = range_in(expr, range_of)?;
        Ok::<_, String>(Some(hull.map_or([low, high], |h| [h[0].min(low), h[1].max(high)])))
    });
    Ok(hull?.unwrap_or([0.0, 0.0]))
}

/// A literal of type double, beside which arithmetic is that of doubles.
fn double(expr: &Expr) -> Option<f64> {
    match expr {
        Expr::Literal(ScalarValue::Float64(Some(value)), _) => Some(*value),
        _ => None,
    }
}

/// A region that places of rows at another epoch have to be in.
#[derive(Debug, Clone)]
pub struct MovedRegion {
    point: Expr,
    around: Circle,
    slack_deg: f64,
}

/// The regions that a scan's filters ask moved places to be in, all of them.
pub fn moved_regions(filters: &[Expr], positions: &Positions) -> Result<Vec<MovedRegion>> {
    let mut found = Vec::new();
    for conjunct in filters.iter().flat_map(split_conjunction) {
        if let Some((place, around)) = moved_within(conjunct, positions)?
            && let Some(point) = point_of(&place.ra, &place.dec)
            && !found.iter().any(|f: &MovedRegion| f.point == *point && f.around == around)
        {
            let (point, slack_deg) = (point.clone(), positions.slack_deg);
            found.push(MovedRegion { point, around, slack_deg });
        }
    }
    Ok(found)
}

impl MovedRegion {
    /// How far a star moves at most whose row has values in these ranges; or why nobody knows.
    pub fn most(&self, range_of: RangeOf<'_>) -> Result<Angle, String> {
        let arguments = arguments_of(&self.point).ok_or("no star is asked for")?;
        Moved { arguments }.most(range_of)
    }

    /// Whether a row that is tiled into a pixel may be in the region at the other epoch.
    pub fn may_hold(&self, pixel: Pixel, range_of: RangeOf<'_>) -> bool {
        let Ok(most) = self.most(range_of) else { return true };
        let reach = self.around.radius().degrees() + most.degrees() + self.slack_deg;
        Circle::new(self.around.center(), reach).map_or(true, |wider| wider.may_reach(pixel))
    }
}

/// The place at another epoch that a comparison asks to be in a region, and a circle around that.
pub(super) fn moved_within(
    comparison: &Expr,
    positions: &Positions,
) -> Result<Option<(Place, Circle)>> {
    let Expr::BinaryExpr(comparison) = comparison else { return Ok(None) };
    let is_moved = |ra: &Expr, dec: &Expr| Moved::of(ra, dec, positions).is_some();
    let found = sky_predicate_of(comparison, &is_moved)?.filter(|found| !found.negated);
    Ok(found.and_then(|found| Some((found.place, found.region.bounding_circle()?))))
}

/// The region widened so far that it holds the places of rows at the epoch of the table.
pub(super) fn widened(around: &Circle, by: Angle) -> Option<Region> {
    let radius = around.radius().degrees() + by.degrees();
    Circle::new(around.center(), radius).ok().map(Region::from)
}

/// The names of columns of whose ranges a plan has use: those by which stars move, in the arguments
/// of `ivo_epoch_prop_pos`; those that distances are compared with, and of radii of circles; and
/// where such a name is an alias, those that it stands for.
pub fn columns_of_reach(plan: &LogicalPlan) -> Result<BTreeSet<String>> {
    let mut names = BTreeSet::new();
    let mut aliases = Vec::new();
    plan.apply_with_subqueries(|node| {
        node.apply_expressions(|expr| {
            expr.apply(|inner| {
                if let Some(arguments) = arguments_of(inner) {
                    let columns = arguments[2..].iter().flat_map(Expr::column_refs);
                    names.extend(columns.map(|column| column.name.clone()));
                }
                let columns = radii_in(inner).into_iter().flat_map(Expr::column_refs);
                names.extend(columns.map(|column| column.name.clone()));
                if let Expr::Alias(alias) = inner {
                    aliases.push((alias.name.clone(), alias.expr.as_ref().clone()));
                }
                Ok(TreeNodeRecursion::Continue)
            })
        })
    })?;
    loop {
        let stand_for = aliases.iter().filter(|(name, _)| names.contains(name));
        let columns: Vec<String> = stand_for
            .flat_map(|(_, expr)| expr.column_refs())
            .map(|column| column.name.clone())
            .filter(|name| !names.contains(name))
            .collect();
        if columns.is_empty() {
            return Ok(names);
        }
        names.extend(columns);
    }
}

fn is_order(op: Operator) -> bool {
    matches!(op, Operator::Lt | Operator::LtEq | Operator::Gt | Operator::GtEq)
}

/// What an expression compares a distance with, or the radius of the circle that it makes.
fn radii_in(expr: &Expr) -> Vec<&Expr> {
    let is_distance =
        |expr: &Expr| matches!(expr, Expr::ScalarFunction(call) if call.func.name() == DISTANCE);
    match expr {
        Expr::BinaryExpr(BinaryExpr { left, op, right }) if is_order(*op) => {
            let mut radii = Vec::new();
            if is_distance(left) {
                radii.push(right.as_ref());
            }
            if is_distance(right) {
                radii.push(left.as_ref());
            }
            radii
        }
        Expr::Between(between) if is_distance(&between.expr) => vec![between.high.as_ref()],
        Expr::ScalarFunction(call) if call.func.name() == CIRCLE => {
            call.args.last().into_iter().collect()
        }
        _ => Vec::new(),
    }
}

/// What filters of a scan that ask for places at another epoch cost it, for humans: how far stars
/// move, or why nothing is left out.
pub fn describe_motion(
    filters: &[Expr],
    positions: &Positions,
    range_of: RangeOf<'_>,
) -> Vec<String> {
    let mut lines = Vec::new();
    for moved in moved_regions(filters, positions).unwrap_or_default() {
        let line = match moved.most(range_of) {
            Ok(most) => {
                format!("stars move by at most {:.6}° to the epoch asked for", most.degrees())
            }
            Err(why) => format!("ivo_epoch_prop_pos leaves out no tile: {why}"),
        };
        if !lines.contains(&line) {
            lines.push(line);
        }
    }
    lines
}
