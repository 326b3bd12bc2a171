//! A multiple of a distance that is compared with a number: the distance, compared with another.
//!
//! ```text
//! DISTANCE(a.ra, a.dec, b.ra, b.dec) * 3600 < 1   -->   DISTANCE(…) <= 0.00027777777777777775
//! ```
//! People write it so who think in arcseconds. To multiply by a positive number and to round is
//! monotone, so that there is a largest distance for which the comparison holds: the new one holds
//! for the very same distances, and all that knows of distances knows it.

use datafusion::arrow::datatypes::DataType;
use datafusion::common::tree_node::{Transformed, TreeNode};
use datafusion::common::{DFSchema, Result};
use datafusion::logical_expr::{
    BinaryExpr, Expr, ExprSchemable, LogicalPlan, Operator, binary_expr, lit,
};
use datafusion::optimizer::{ApplyOrder, OptimizerConfig, OptimizerRule};

use super::constant::number;
use super::region_cover::two_comparisons;
use super::sky_predicate::{is_distance, is_double};

/// Between a quotient and the number that is looked for there are few others.
const STEPS_MAX: usize = 64;

/// The rule.
#[derive(Debug)]
pub(super) struct ScaledDistance;

impl OptimizerRule for ScaledDistance {
    fn name(&self) -> &'static str {
        "scaled_distance"
    }

    fn apply_order(&self) -> Option<ApplyOrder> {
        Some(ApplyOrder::BottomUp)
    }

    fn rewrite(
        &self,
        plan: LogicalPlan,
        _: &dyn OptimizerConfig,
    ) -> Result<Transformed<LogicalPlan>> {
        // Where conditions are; to look at each column of a wide projection would take long.
        match plan {
            LogicalPlan::Filter(_) | LogicalPlan::Join(_) | LogicalPlan::TableScan(_) => {
                plan.map_expressions(|expr| expr.transform_up(unscaled))
            }
            other => Ok(Transformed::no(other)),
        }
    }
}

/// A comparison of a distance in place of that of a multiple of it.
pub(super) fn unscaled(expr: Expr) -> Result<Transformed<Expr>> {
    let found = match &expr {
        Expr::BinaryExpr(comparison) => compared(comparison)?,
        Expr::Between(between) if !between.negated && scaled(&between.expr).is_some() => {
            let both = two_comparisons(between);
            return both.transform_up(unscaled);
        }
        _ => None,
    };
    Ok(found.map_or_else(|| Transformed::no(expr), Transformed::yes))
}

/// The comparison of the distance alone.
fn compared(comparison: &BinaryExpr) -> Result<Option<Expr>> {
    let BinaryExpr { left, op, right } = comparison;
    let mirrored = op.swap().map(|op| (right, op, left));
    for (multiple, op, bound) in [Some((left, *op, right)), mirrored].into_iter().flatten() {
        let Some((distance, scale)) = scaled(multiple) else { continue };
        let (holds_at_bound, negated) = match op {
            Operator::Lt => (false, false),
            Operator::LtEq => (true, false),
            Operator::Gt => (true, true),
            Operator::GtEq => (false, true),
            _ => continue,
        };
        let Some(bound) = number(bound)? else { continue };
        let Some(most) = scale.most(bound, holds_at_bound) else { continue };
        let op = if negated { Operator::Gt } else { Operator::LtEq };
        return Ok(Some(binary_expr(distance.clone(), op, lit(most))));
    }
    Ok(None)
}

/// What a distance is multiplied with, or divided by: a positive number.
#[derive(Debug, Clone, Copy)]
enum Scale {
    Times(f64),
    Over(f64),
}

impl Scale {
    fn of(self, distance: f64) -> f64 {
        match self {
            Self::Times(factor) => distance * factor,
            Self::Over(divisor) => distance / divisor,
        }
    }

    /// The largest number whose multiple is less than a bound, or not greater.
    fn most(self, bound: f64, holds_at_bound: bool) -> Option<f64> {
        let holds = |distance: f64| {
            let multiple = self.of(distance);
            multiple < bound || (holds_at_bound && multiple == bound)
        };
        let mut most = match self {
            Self::Times(factor) => bound / factor,
            Self::Over(divisor) => bound * divisor,
        };
        if !most.is_finite() {
            return None;
        }
        for _ in 0..STEPS_MAX {
            if !holds(most) {
                most = most.next_down();
            } else if holds(most.next_up()) {
                most = most.next_up();
            } else {
                return Some(most);
            }
        }
        None
    }
}

/// The distance of which an expression is a multiple.
fn scaled(expr: &Expr) -> Option<(&Expr, Scale)> {
    let Expr::BinaryExpr(BinaryExpr { left, op, right }) = expr else { return None };
    let is_plain = |expr: &Expr| is_distance(expr) && is_double(expr);
    match op {
        Operator::Multiply if is_plain(left) => Some((left, Scale::Times(positive(right)?))),
        Operator::Multiply if is_plain(right) => Some((right, Scale::Times(positive(left)?))),
        Operator::Divide if is_plain(left) => Some((left, Scale::Over(positive(right)?))),
        _ => None,
    }
}

/// A constant of type double, beside which arithmetic is that of doubles.
fn positive(expr: &Expr) -> Option<f64> {
    let is_double = expr.get_type(&DFSchema::empty()).ok()? == DataType::Float64;
    let value = number(expr).ok().flatten().filter(|_| is_double);
    value.filter(|value| *value > 0.0 && value.is_finite())
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::Scale;

    proptest! {
        #[test]
        fn the_largest_distance_that_holds(
            scale in prop_oneof![Just(3600.0), Just(3.6e6), 1e-9..1e9_f64],
            bound in prop_oneof![Just(1.0), Just(0.0), Just(-1.0), -1e3..1e7_f64, 1e-300..1e-9_f64],
            steps in -3..=3_i32,
            divides: bool,
            holds_at_bound: bool,
        ) {
            let scale = if divides { Scale::Over(scale) } else { Scale::Times(scale) };
            let Some(most) = scale.most(bound, holds_at_bound) else {
                // Where multiples underflow, there are many of them.
                prop_assert_eq!(bound, 0.0);
                return Ok(());
            };
            let mut near = most;
            for _ in 0..steps.abs() {
                near = if steps < 0 { near.next_down() } else { near.next_up() };
            }
            for distance in [near, 0.0, 180.0, most / 2.0, most * 2.0] {
                let multiple = scale.of(distance);
                let holds = if holds_at_bound { multiple <= bound } else { multiple < bound };
                prop_assert_eq!(holds, distance <= most, "{} beside {}", distance, most);
            }
        }
    }
}
