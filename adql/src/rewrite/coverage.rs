//! Which part of the sky the filters of a scan can select.
//!
//! Conservative: a row outside makes the filters false or NULL. For each predicate there are two
//! such sets, where it may be true and where it may be false, so that NOT swaps them; what is not
//! understood may be either everywhere.

use std::ops::Range;

use datafusion::common::ScalarValue;
use datafusion::logical_expr::utils::split_binary;
use datafusion::logical_expr::{BinaryExpr, Expr, Operator};

use super::position_columns::{Coordinate, coordinate, is_spatial_index};
use crate::function::in_region;
use crate::schema::Positions;
use crate::sky::{self, Angle, Coverage, Order, RegionTest};

/// The coverage outside of which no row satisfies all of the filters.
pub fn coverage_of(filters: &[Expr], positions: &Positions) -> Coverage {
    let filters: Vec<&Expr> = filters.iter().collect();
    Reader { positions }.where_all_true(&filters)
}

struct Reader<'a> {
    positions: &'a Positions,
}

/// Closed bounds of the coordinates that a conjunction allows.
#[derive(Debug, Clone, Copy, PartialEq)]
struct Bounds {
    ra: [f64; 2],
    dec: [f64; 2],
}

impl Bounds {
    const NONE: Self =
        Self { ra: [f64::NEG_INFINITY, f64::INFINITY], dec: [f64::NEG_INFINITY, f64::INFINITY] };

    fn tighten(&mut self, coordinate: Coordinate, [low, high]: [f64; 2]) {
        let bounds = match coordinate {
            Coordinate::Ra => &mut self.ra,
            Coordinate::Dec => &mut self.dec,
        };
        *bounds = [bounds[0].max(low), bounds[1].min(high)];
    }

    fn coverage(self, slack: Angle) -> Coverage {
        if self.ra[0] > self.ra[1] || self.dec[0] > self.dec[1] {
            return Coverage::empty();
        }
        // A row with half a place may be in any tile: both coordinates have to be asked for.
        if self.ra == Self::NONE.ra || self.dec == Self::NONE.dec {
            return Coverage::all();
        }
        // A right ascension may be written in any turn: one bound alone excludes no meridian.
        let [west, east] = self.ra;
        let ra = if west.is_finite() && east.is_finite() { [west, east] } else { [0.0, 360.0] };
        match sky::Range::new(ra[0], ra[1], self.dec[0], self.dec[1]) {
            Ok(range) => RegionTest::new(range.into(), slack).cover().coverage(),
            // Beyond a pole there is no place, but it is not for pruning to say so.
            Err(_) => Coverage::all(),
        }
    }
}

impl Reader<'_> {
    fn slack(&self) -> Angle {
        Angle::from_degrees(self.positions.slack_deg)
    }

    /// Where all of these may be true. Bounds of coordinates count together: one narrow range in
    /// place of two long strips.
    fn where_all_true(&self, predicates: &[&Expr]) -> Coverage {
        let mut bounds = Bounds::NONE;
        let mut coverage = Coverage::all();
        let conjuncts = predicates.iter().flat_map(|p| split_binary(p, Operator::And));
        for conjunct in conjuncts {
            if let Some((coordinate, interval)) = self.coordinate_bounds(conjunct) {
                bounds.tighten(coordinate, interval);
            } else {
                coverage = coverage.intersection(&self.where_true(conjunct));
            }
        }
        coverage.intersection(&bounds.coverage(self.slack()))
    }

    /// Where a predicate may be true.
    fn where_true(&self, predicate: &Expr) -> Coverage {
        match predicate {
            Expr::Alias(alias) => self.where_true(&alias.expr),
            Expr::Not(inner) | Expr::IsFalse(inner) => self.where_false(inner),
            Expr::IsTrue(inner) => self.where_true(inner),
            Expr::Literal(ScalarValue::Boolean(value), _) if *value != Some(true) => {
                Coverage::empty()
            }
            Expr::BinaryExpr(BinaryExpr { op: Operator::And, .. }) => {
                self.where_all_true(&[predicate])
            }
            Expr::BinaryExpr(BinaryExpr { op: Operator::Or, .. }) => {
                let alternatives = split_binary(predicate, Operator::Or);
                union(alternatives.into_iter().map(|p| self.where_true(p)))
            }
            Expr::ScalarFunction(_) => in_region::test_of(predicate)
                .map_or_else(Coverage::all, |test| test.cover().coverage()),
            _ if self.coordinate_bounds(predicate).is_some() => self.where_all_true(&[predicate]),
            _ => self.index_coverage(predicate, false).unwrap_or_else(Coverage::all),
        }
    }

    /// Where a predicate may be false.
    fn where_false(&self, predicate: &Expr) -> Coverage {
        match predicate {
            Expr::Alias(alias) => self.where_false(&alias.expr),
            Expr::Not(inner) => self.where_true(inner),
            Expr::IsTrue(_) | Expr::IsFalse(_) => Coverage::all(),
            Expr::BinaryExpr(BinaryExpr { op: Operator::And, .. }) => {
                let conjuncts = split_binary(predicate, Operator::And);
                union(conjuncts.into_iter().map(|p| self.where_false(p)))
            }
            Expr::BinaryExpr(BinaryExpr { op: Operator::Or, .. }) => {
                let alternatives = split_binary(predicate, Operator::Or);
                alternatives.into_iter().fold(Coverage::all(), |coverage, p| {
                    coverage.intersection(&self.where_false(p))
                })
            }
            Expr::ScalarFunction(_) => in_region::test_of(predicate)
                .map_or_else(Coverage::all, |test| test.cover().inner_coverage().complement()),
            _ => self.index_coverage(predicate, true).unwrap_or_else(Coverage::all),
        }
    }

    /// The interval of a coordinate outside of which a comparison with numbers is not true.
    fn coordinate_bounds(&self, predicate: &Expr) -> Option<(Coordinate, [f64; 2])> {
        match predicate {
            Expr::BinaryExpr(BinaryExpr { left, op, right }) => {
                let (column, op, literal) = match coordinate(left, self.positions) {
                    Some(column) => (column, *op, right),
                    None => (coordinate(right, self.positions)?, op.swap()?, left),
                };
                let value = float(literal)?;
                let interval = match op {
                    Operator::Eq => [value, value],
                    Operator::Lt | Operator::LtEq => [f64::NEG_INFINITY, value],
                    Operator::Gt | Operator::GtEq => [value, f64::INFINITY],
                    _ => return None,
                };
                Some((column, interval))
            }
            Expr::Between(between) if !between.negated => {
                let column = coordinate(&between.expr, self.positions)?;
                Some((column, [float(&between.low)?, float(&between.high)?]))
            }
            _ => None,
        }
    }

    /// The indices outside of which a comparison of the spatial index is not true (or not false).
    fn index_coverage(&self, predicate: &Expr, negated: bool) -> Option<Coverage> {
        let is_index = |expr: &Expr| is_spatial_index(expr, self.positions);
        let (coverage, negated) = match predicate {
            Expr::BinaryExpr(BinaryExpr { left, op, right }) => {
                let (op, literal) = match (is_index(left), is_index(right)) {
                    (true, false) => (*op, right),
                    (false, true) => (op.swap()?, left),
                    _ => return None,
                };
                let value = integer(literal)?;
                let equal = from_bounds(value, value.checked_add(1)?);
                match op {
                    Operator::Eq => (equal, negated),
                    Operator::NotEq => (equal, !negated),
                    Operator::Lt => (from_bounds(i128::MIN, value), negated),
                    Operator::LtEq => (from_bounds(i128::MIN, value.checked_add(1)?), negated),
                    Operator::Gt => (from_bounds(value.checked_add(1)?, i128::MAX), negated),
                    Operator::GtEq => (from_bounds(value, i128::MAX), negated),
                    _ => return None,
                }
            }
            Expr::Between(between) if is_index(&between.expr) => {
                let (low, high) = (integer(&between.low)?, integer(&between.high)?);
                (from_bounds(low, high.checked_add(1)?), negated != between.negated)
            }
            Expr::InList(list) if is_index(&list.expr) => {
                let values = list.list.iter().map(integer).collect::<Option<Vec<_>>>()?;
                let ranges = values.into_iter().map(|v| clip(v, v.saturating_add(1)));
                (Coverage::from_ranges(ranges), negated != list.negated)
            }
            _ => return None,
        };
        Some(if negated { coverage.complement() } else { coverage })
    }
}

fn union(coverages: impl Iterator<Item = Coverage>) -> Coverage {
    Coverage::from_ranges(coverages.flat_map(|coverage| coverage.ranges().to_vec()))
}

/// The indices from `start` to less than `end` that pixels have.
fn clip(start: i128, end: i128) -> Range<u64> {
    let pixels = Order::MAX.pixels();
    let clip = |bound: i128| u64::try_from(bound.clamp(0, i128::from(pixels))).unwrap_or(pixels);
    clip(start)..clip(end)
}

fn from_bounds(start: i128, end: i128) -> Coverage {
    Coverage::from_ranges([clip(start, end)])
}

/// A number that is a literal. (Constants have been folded when filters reach a scan.)
fn float(expr: &Expr) -> Option<f64> {
    super::constant::number(expr).unwrap_or_default()
}

fn integer(expr: &Expr) -> Option<i128> {
    match expr {
        Expr::Literal(ScalarValue::Int8(value), _) => value.map(i128::from),
        Expr::Literal(ScalarValue::Int16(value), _) => value.map(i128::from),
        Expr::Literal(ScalarValue::Int32(value), _) => value.map(i128::from),
        Expr::Literal(ScalarValue::Int64(value), _) => value.map(i128::from),
        Expr::Literal(ScalarValue::UInt64(value), _) => value.map(i128::from),
        _ => None,
    }
}
