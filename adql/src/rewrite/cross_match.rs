//! Conditions on the places of both sides of a join become `cross_match`, whichever way they were
//! written, and what restricts the one side to a region restricts the other.
//!
//! ```text
//! Join: DISTANCE(a.ra, a.dec, b.ra, b.dec) < r      Join: cross_match(a.ra, a.dec, b.ra, b.dec, r, <)
//!   a: in_region(…)                             -->   a: in_region(…)
//!   b                                                 Filter: DISTANCE(b.ra, b.dec, …) <= wider
//!                                                       b
//! ```
//! The join stays a join, so that all that DataFusion knows of joins still holds: its condition is
//! the same, pair by pair, and an operator of ours evaluates it without forming all pairs. Runs
//! when conditions have come down to joins and scans, before the next round brings ours there.

mod order;
pub(super) mod restriction;

use std::sync::Arc;

use datafusion::arrow::datatypes::DataType;
use datafusion::common::tree_node::Transformed;
use datafusion::common::{DFSchema, Result};
use datafusion::logical_expr::utils::{conjunction, split_conjunction};
use datafusion::logical_expr::{
    BinaryExpr, Expr, ExprSchemable, Join, JoinType, LogicalPlan, Operator,
};
use datafusion::optimizer::{ApplyOrder, OptimizerConfig, OptimizerRule};

use super::constant::number;
use super::nearest::{self, Nearest};
use super::region_cover::two_comparisons;
use super::sky_predicate::{Place, call, is_distance, is_double, truth};
use crate::function::cross_match::{self, Bound};
use crate::function::measure::coordinates_of;
use crate::function::{CIRCLE, CONTAINS, DISTANCE, INTERSECTS, POINT};
use crate::schema::Schemas;

/// The rule.
#[derive(Debug)]
pub struct CrossMatch {
    schemas: Arc<dyn Schemas>,
}

impl CrossMatch {
    /// The rule for queries over these tables.
    pub fn new(schemas: Arc<dyn Schemas>) -> Self {
        Self { schemas }
    }
}

impl OptimizerRule for CrossMatch {
    fn name(&self) -> &'static str {
        "cross_match"
    }

    fn apply_order(&self) -> Option<ApplyOrder> {
        Some(ApplyOrder::BottomUp)
    }

    fn rewrite(
        &self,
        plan: LogicalPlan,
        _: &dyn OptimizerConfig,
    ) -> Result<Transformed<LogicalPlan>> {
        if let Some(nearest) = Nearest::of(&plan) {
            let join = nearest.join()?;
            let found = Reader::of(&join).read_all(&join)?;
            let narrower = restriction::restrict(&join, &found, self.schemas.as_ref())?;
            let narrower = narrower.map(|join| nearest::restricted(nearest, join));
            return Ok(narrower.map_or_else(|| Transformed::no(plan), Transformed::yes));
        }
        let LogicalPlan::Join(join) = plan else { return Ok(Transformed::no(plan)) };
        let Some(filter) = join.filter.as_ref().filter(|_| is_evaluated(&join)) else {
            return Ok(Transformed::no(LogicalPlan::Join(join)));
        };
        let reader = Reader::of(&join);
        let (mut conjuncts, mut found, mut changed) = (Vec::new(), Vec::new(), false);
        for conjunct in split_conjunction(filter).into_iter().flat_map(taken_apart) {
            match reader.read(&conjunct)? {
                Some(near) => {
                    let call = near.call();
                    changed |= call != conjunct;
                    conjuncts.push(call);
                    found.push(near);
                }
                None => conjuncts.push(conjunct),
            }
        }
        let join = if changed { Join { filter: conjunction(conjuncts), ..join } } else { join };
        if !found.is_empty()
            && let Some(plan) = order::reordered(&join)?
        {
            return Ok(Transformed::yes(plan));
        }
        let restricted = restriction::restrict(&join, &found, self.schemas.as_ref())?;
        let changed = changed || restricted.is_some();
        let plan = LogicalPlan::Join(restricted.unwrap_or(join));
        Ok(if changed { Transformed::yes(plan) } else { Transformed::no(plan) })
    }
}

/// Whether a join may be a cross-match: with an equality, a hash join tests few pairs. A FULL JOIN
/// adds rows of both sides that no task alone knows to be without a match.
fn is_evaluated(join: &Join) -> bool {
    let kind = matches!(
        join.join_type,
        JoinType::Inner
            | JoinType::Left
            | JoinType::Right
            | JoinType::LeftSemi
            | JoinType::RightSemi
            | JoinType::LeftAnti
            | JoinType::RightAnti
    );
    kind && join.on.is_empty()
}

/// `DISTANCE(…) BETWEEN low AND high` is two comparisons; all else is itself.
pub(super) fn taken_apart(conjunct: &Expr) -> Vec<Expr> {
    match conjunct {
        Expr::Between(between) if !between.negated && is_distance(&between.expr) => {
            split_conjunction(&two_comparisons(between)).into_iter().cloned().collect()
        }
        other => vec![other.clone()],
    }
}

/// A condition: a place of the left side is near one of the right side.
#[derive(Debug)]
pub(super) struct Near {
    pub(super) left: Place,
    pub(super) right: Place,
    pub(super) radius: Expr,
    pub(super) bound: Bound,
}

impl Near {
    pub(super) fn call(&self) -> Expr {
        let place = |place: &Place| [place.ra.clone(), place.dec.clone()];
        cross_match::call(place(&self.left), place(&self.right), self.radius.clone(), self.bound)
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Side {
    Left,
    Right,
    /// No column at all.
    Neither,
}

/// Reads the conjuncts of a join.
pub(super) struct Reader<'a> {
    pub(super) left: &'a DFSchema,
    pub(super) right: &'a DFSchema,
}

impl<'a> Reader<'a> {
    fn of(join: &'a Join) -> Self {
        Self { left: join.left.schema(), right: join.right.schema() }
    }

    fn read_all(&self, join: &Join) -> Result<Vec<Near>> {
        let conjuncts = join.filter.iter().flat_map(split_conjunction);
        conjuncts.filter_map(|conjunct| self.read(conjunct).transpose()).collect()
    }

    pub(super) fn read(&self, conjunct: &Expr) -> Result<Option<Near>> {
        match conjunct {
            Expr::BinaryExpr(BinaryExpr { left, op, right }) => {
                if let Some(near) = self.compare(left, *op, right)? {
                    return Ok(Some(near));
                }
                match op.swap() {
                    Some(mirrored) => self.compare(right, mirrored, left),
                    None => Ok(None),
                }
            }
            Expr::ScalarFunction(call) if cross_match::is_call(conjunct) => {
                let [ra1, dec1, ra2, dec2, radius, Expr::Literal(bound, _)] = &call.args[..] else {
                    return Ok(None);
                };
                let bound = bound.try_as_str().flatten().and_then(Bound::from_text);
                let place = |ra: &Expr, dec: &Expr| Place { ra: ra.clone(), dec: dec.clone() };
                let places = [place(ra1, dec1), place(ra2, dec2)];
                Ok(bound.and_then(|bound| self.sided(places, radius, bound)))
            }
            _ => Ok(None),
        }
    }

    fn compare(&self, left: &Expr, op: Operator, right: &Expr) -> Result<Option<Near>> {
        match call(left, &[CONTAINS, INTERSECTS, DISTANCE]) {
            // A narrower type than a double rounds a distance.
            Some((DISTANCE, [..])) if !is_double(left) => Ok(None),
            Some((DISTANCE, arguments)) => {
                let bound = match op {
                    Operator::Lt => Bound::Less,
                    Operator::LtEq => Bound::AtMost,
                    _ => return Ok(None),
                };
                Ok(self.places(arguments).and_then(|places| self.sided(places, right, bound)))
            }
            Some((name, [a, b])) => {
                let Some([false, true]) = number(right)?.and_then(|value| truth(op, value)) else {
                    return Ok(None);
                };
                let orders: &[_] = if name == CONTAINS { &[(a, b)] } else { &[(a, b), (b, a)] };
                for (inner, outer) in orders {
                    let (Some(point), Some((center, radius))) =
                        (self.point(inner), self.circle(outer))
                    else {
                        continue;
                    };
                    // Where there is such a circle for every pair, it is `<=`.
                    let constant = number(radius)?;
                    let is_circle = constant.is_some_and(|r| (0.0..=180.0).contains(&r));
                    let bound = if is_circle { Bound::AtMost } else { Bound::Circle };
                    return Ok(self.sided([point, center], radius, bound));
                }
                Ok(None)
            }
            Some(_) | None => Ok(None),
        }
    }

    /// The places of which these arguments of DISTANCE are.
    pub(super) fn places(&self, arguments: &[Expr]) -> Option<[Place; 2]> {
        match arguments {
            [a, b] => Some([self.point(a)?, self.point(b)?]),
            [a, b, c, d] => Some([place(a, b), place(c, d)]),
            _ => None,
        }
    }

    /// The condition, where its places are of different sides and its radius is of one at most.
    fn sided(&self, places: [Place; 2], radius: &Expr, bound: Bound) -> Option<Near> {
        let sides = places.each_ref().map(|place| self.side(&[&place.ra, &place.dec]));
        let [a, b] = places;
        let (left, right) = match sides {
            [Some(Side::Left), Some(Side::Right)] => (a, b),
            [Some(Side::Right), Some(Side::Left)] => (b, a),
            _ => return None,
        };
        self.side(&[radius])?;
        let data_type = radius.get_type(self.left).or_else(|_| radius.get_type(self.right));
        let is_double = data_type.is_ok_and(|data_type| data_type == DataType::Float64);
        is_double.then(|| Near { left, right, radius: radius.clone(), bound })
    }

    /// The side whose columns some expressions name; none where they name both, or where their
    /// values are not those of columns alone.
    fn side(&self, expressions: &[&Expr]) -> Option<Side> {
        let mut side = Side::Neither;
        for expression in expressions {
            if expression.is_volatile() {
                return None;
            }
            for column in expression.column_refs() {
                let of = match (self.left.has_column(column), self.right.has_column(column)) {
                    (true, false) => Side::Left,
                    (false, true) => Side::Right,
                    _ => return None,
                };
                if side != Side::Neither && side != of {
                    return None;
                }
                side = of;
            }
        }
        Some(side)
    }

    /// The coordinates of a point: as it is made, or those of whatever point it is.
    fn point(&self, expr: &Expr) -> Option<Place> {
        if let Some((_, [ra, dec])) = call(expr, &[POINT]) {
            return Some(place(ra, dec));
        }
        let data_type = expr.get_type(self.left).or_else(|_| expr.get_type(self.right)).ok()?;
        if !matches!(data_type, DataType::FixedSizeList(_, 2)) {
            return None;
        }
        let [ra, dec] = coordinates_of(expr);
        Some(Place { ra, dec })
    }

    /// `CIRCLE(ra, dec, r)` or `CIRCLE(POINT(ra, dec), r)`: its center and radius.
    fn circle<'e>(&self, expr: &'e Expr) -> Option<(Place, &'e Expr)> {
        match call(expr, &[CIRCLE]) {
            Some((_, [ra, dec, radius])) => Some((place(ra, dec), radius)),
            Some((_, [center, radius])) => Some((self.point(center)?, radius)),
            Some(_) | None => None,
        }
    }
}

fn place(ra: &Expr, dec: &Expr) -> Place {
    Place { ra: ra.clone(), dec: dec.clone() }
}
