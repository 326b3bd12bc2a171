//! A further conjunct of a scan's filters for which Parquet statistics can tell row groups and
//! pages that hold no row in question.
//!
//! Every row that satisfies the filters satisfies it. It never replaces them: with them in the
//! predicate DataFusion cannot conclude that a row group matches as a whole.

use std::cmp::Reverse;
use std::sync::Arc;

use datafusion::arrow::array::{Array, ArrayRef, AsArray};
use datafusion::arrow::compute::sort;
use datafusion::arrow::datatypes::{DataType, Int64Type, UInt64Type};
use datafusion::common::{Column, ScalarValue};
use datafusion::logical_expr::expr::{Between, InList};
use datafusion::logical_expr::utils::split_binary;
use datafusion::logical_expr::{BinaryExpr, Cast, Expr, Operator, and, lit, or};

use crate::function::{is_among, nan_to_null};
use crate::schema::Positions;
use crate::sky::Coverage;

/// An OR of more costs more than it saves (509 ranges: 125 ms and more, their hull 6 ms).
const RANGES_MAX: usize = 8;

/// The most comparisons of one filter, and the longest IN list, that are worth their time.
const COMPARISONS_MAX: usize = 32;

/// At most eight ranges of the spatial index from the coverage, and comparisons of guarded columns
/// without their guard. Nothing where there is nothing to add.
pub fn prune_only(
    filters: &[Expr],
    positions: Option<&Positions>,
    coverage: &Coverage,
) -> Option<Expr> {
    let ranges = positions.and_then(|positions| index_ranges(positions, coverage));
    let bare = filters
        .iter()
        .filter_map(implied)
        .filter(|implied| implied.guarded && implied.comparisons <= COMPARISONS_MAX);
    ranges.into_iter().chain(bare.map(|implied| implied.expr)).reduce(and)
}

fn index_ranges(positions: &Positions, coverage: &Coverage) -> Option<Expr> {
    if *coverage == Coverage::all() {
        return None;
    }
    let index = || Expr::Column(Column::from_name(&positions.spatial_index));
    let bound = |bound: u64| lit(i64::try_from(bound).unwrap_or(i64::MAX));
    let coarse = coverage.coarsen(RANGES_MAX);
    let ranges = coarse
        .ranges()
        .iter()
        .map(|range| and(index().gt_eq(bound(range.start)), index().lt(bound(range.end))))
        .collect::<Vec<_>>();
    Some(balanced_or(&ranges).unwrap_or_else(|| lit(false)))
}

/// An OR as deep as the logarithm of its length.
fn balanced_or(alternatives: &[Expr]) -> Option<Expr> {
    match alternatives {
        [] => None,
        [one] => Some(one.clone()),
        many => {
            let (left, right) = many.split_at(many.len() / 2);
            Some(or(balanced_or(left)?, balanced_or(right)?))
        }
    }
}

/// A predicate that follows from another.
struct Implied {
    expr: Expr,
    /// Whether a guard was taken off: else the filter itself says as much to statistics.
    guarded: bool,
    comparisons: usize,
}

impl Implied {
    fn join(self, other: Self, op: fn(Expr, Expr) -> Expr) -> Self {
        Self {
            expr: op(self.expr, other.expr),
            guarded: self.guarded || other.guarded,
            comparisons: self.comparisons + other.comparisons,
        }
    }

    fn map(self, compare: impl FnOnce(Expr) -> Expr) -> Self {
        Self { expr: compare(self.expr), ..self }
    }
}

/// What a filter that is true implies for statistics. NOT and `<>` imply nothing here: on a row
/// group with NaN its statistics say nothing of the rows that they would let pass.
fn implied(filter: &Expr) -> Option<Implied> {
    match filter {
        // Chains are taken apart at once: they may be longer than a stack is deep.
        Expr::BinaryExpr(BinaryExpr { op: Operator::And, .. }) => {
            let conjuncts = split_binary(filter, Operator::And).into_iter();
            conjuncts.filter_map(implied).reduce(|a, b| a.join(b, and))
        }
        Expr::BinaryExpr(BinaryExpr { op: Operator::Or, .. }) => {
            let alternatives = split_binary(filter, Operator::Or);
            if alternatives.len() > COMPARISONS_MAX {
                return None;
            }
            let implied = alternatives.into_iter().map(implied).collect::<Option<Vec<_>>>()?;
            implied.into_iter().reduce(|a, b| a.join(b, or))
        }
        Expr::BinaryExpr(BinaryExpr { left, op, right }) if is_order(*op) => {
            let (column, op, literal) = match operand(left) {
                Some(column) => (column, *op, right),
                None => (operand(right)?, op.swap()?, left),
            };
            is_literal(literal).then(|| column.map(|column| compare(column, op, literal)))
        }
        Expr::Between(Between { expr, negated: false, low, high }) => {
            let column = operand(expr)?;
            let between = |column: Expr| {
                let from = compare(column.clone(), Operator::GtEq, low);
                and(from, compare(column, Operator::LtEq, high))
            };
            (is_literal(low) && is_literal(high)).then(|| column.map(between))
        }
        Expr::InList(InList { expr, list, negated: false }) if list.len() <= COMPARISONS_MAX => {
            let column = operand(expr)?;
            let literals = list.iter().all(is_literal);
            literals.then(|| column.map(|column| column.in_list(list.clone(), false)))
        }
        Expr::IsNotNull(expr) => Some(operand(expr)?.map(Expr::is_not_null)),
        Expr::ScalarFunction(_) => {
            let (value, values) = is_among::parts_of(filter)?;
            let ranges = hull(&operand(value)?.expr, &values)?;
            // The call itself says nothing to statistics.
            Some(Implied { expr: ranges, guarded: true, comparisons: 1 })
        }
        _ => None,
    }
}

/// At most eight ranges that hold all values: apart where they are farthest from each other.
fn hull(operand: &Expr, values: &ArrayRef) -> Option<Expr> {
    let values = sort(values, None).ok()?;
    let literal = |at: usize| Some(lit(ScalarValue::try_from_array(&values, at).ok()?));
    let mut cuts = match values.data_type() {
        DataType::Int64 => widest_gaps(values.as_primitive::<Int64Type>().values()),
        DataType::UInt64 => widest_gaps(values.as_primitive::<UInt64Type>().values()),
        _ => Vec::new(),
    };
    cuts.sort_unstable();
    let starts = [0].into_iter().chain(cuts.iter().copied());
    let ends = cuts.iter().copied().chain([values.len()]);
    let ranges = starts.zip(ends).map(|(start, end)| {
        let from = operand.clone().gt_eq(literal(start)?);
        Some(and(from, operand.clone().lt_eq(literal(end.checked_sub(1)?)?)))
    });
    balanced_or(&ranges.collect::<Option<Vec<_>>>()?)
}

/// Where sorted values are cut into as many ranges as there may be: the places of the first after
/// the widest gaps.
fn widest_gaps<T: Copy + Into<i128>>(values: &[T]) -> Vec<usize> {
    let gap = |at: &usize| values[*at].into() - values[at - 1].into();
    let mut cuts: Vec<usize> = (1..values.len()).collect();
    let count = (RANGES_MAX - 1).min(cuts.len());
    if count > 0 && count < cuts.len() {
        cuts.select_nth_unstable_by_key(count - 1, |at| Reverse(gap(at)));
    }
    cuts.truncate(count);
    cuts
}

fn compare(column: Expr, op: Operator, literal: &Expr) -> Expr {
    Expr::BinaryExpr(BinaryExpr::new(Box::new(column), op, Box::new(literal.clone())))
}

fn is_order(op: Operator) -> bool {
    matches!(op, Operator::Eq | Operator::Lt | Operator::LtEq | Operator::Gt | Operator::GtEq)
}

fn is_literal(expr: &Expr) -> bool {
    matches!(expr, Expr::Literal(value, _) if !value.is_null())
}

/// A column, behind a guard that is taken off and a cast that stays.
fn operand(expr: &Expr) -> Option<Implied> {
    let column = |expr: &Expr, guarded| {
        matches!(expr, Expr::Column(_)).then(|| Implied {
            expr: expr.clone(),
            guarded,
            comparisons: 1,
        })
    };
    match expr {
        Expr::ScalarFunction(call) if call.func.name() == nan_to_null::NAME => {
            column(call.args.first()?, true)
        }
        Expr::Cast(cast) => {
            let inner = operand(&cast.expr)?;
            let cast =
                |expr| Expr::Cast(Cast { expr: Box::new(expr), field: Arc::clone(&cast.field) });
            Some(inner.map(cast))
        }
        other => column(other, false),
    }
}
