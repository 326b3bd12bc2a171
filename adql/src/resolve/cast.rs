//! CAST of literals: what no row can make right is refused with its place.

use datafusion::arrow::datatypes::{DataType as ArrowType, TimeUnit};
use datafusion::common::ScalarValue;
use datafusion::sql::sqlparser::ast::{DataType, Expr, Spanned, UnaryOperator, Value};

use super::kind::shown;
use crate::Error;
use crate::parser::{place, tree};

/// Refuses the CAST of a literal that its type does not have.
pub(super) fn check(operand: &Expr, target: &DataType) -> Result<(), Error> {
    let Some((value, wanted)) = literal(operand).zip(arrow_type(target)) else { return Ok(()) };
    if value.cast_to(&wanted).is_ok() {
        return Ok(());
    }
    let shown = shown(operand);
    let message = match (value, range(&wanted)) {
        (ScalarValue::Int64(_) | ScalarValue::Float64(_), Some((least, most))) => {
            format!("CAST: {shown} is beyond {target} ({least} to {most})")
        }
        _ => format!("CAST: {shown} is no {target}"),
    };
    Err(Error::NotAllowed { message, place: place(operand.span()) })
}

fn literal(operand: &Expr) -> Option<ScalarValue> {
    let (sign, value) = match tree::bare(operand) {
        Expr::Value(value) => ("", value),
        Expr::UnaryOp { op: UnaryOperator::Minus, expr } => match tree::bare(expr) {
            Expr::Value(value) => ("-", value),
            _ => return None,
        },
        _ => return None,
    };
    match &value.value {
        Value::SingleQuotedString(text) if sign.is_empty() => {
            Some(ScalarValue::Utf8(Some(text.clone())))
        }
        Value::Number(digits, _) => {
            let number = format!("{sign}{digits}");
            let whole = number.parse().map(|n| ScalarValue::Int64(Some(n)));
            whole.or_else(|_| number.parse().map(|x| ScalarValue::Float64(Some(x)))).ok()
        }
        _ => None,
    }
}

/// The type to which the lowering casts, if not every value is of it.
fn arrow_type(target: &DataType) -> Option<ArrowType> {
    match target {
        DataType::SmallInt(_) => Some(ArrowType::Int16),
        DataType::Integer(_) => Some(ArrowType::Int32),
        DataType::BigInt(_) => Some(ArrowType::Int64),
        DataType::Real => Some(ArrowType::Float32),
        DataType::DoublePrecision => Some(ArrowType::Float64),
        DataType::Timestamp(..) => Some(ArrowType::Timestamp(TimeUnit::Microsecond, None)),
        _ => None,
    }
}

fn range(wanted: &ArrowType) -> Option<(i64, i64)> {
    match wanted {
        ArrowType::Int16 => Some((i16::MIN.into(), i16::MAX.into())),
        ArrowType::Int32 => Some((i32::MIN.into(), i32::MAX.into())),
        ArrowType::Int64 => Some((i64::MIN, i64::MAX)),
        _ => None,
    }
}
