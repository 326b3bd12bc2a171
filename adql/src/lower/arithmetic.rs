//! Arithmetic of integers (ADQL 2.1 §2.3 leaves its types open): BIGINT, whatever integers the
//! operands are. A sum of two SMALLINTs is theirs to DataFusion, a difference of unsigned bytes an
//! unsigned byte, and what does not fit begins anew at the other end of the range.
//!
//! ```text
//! short_column * int_column   -->  CAST(short_column AS BIGINT) * CAST(int_column AS BIGINT)
//! long_column + 1             -->  adql_plus(long_column, 1)      which refuses what does not fit
//! ```

use datafusion::arrow::datatypes::DataType;
use datafusion::common::{DFSchema, DataFusionError, Result, ScalarValue};
use datafusion::logical_expr::planner::{PlannerResult, RawBinaryExpr};
use datafusion::logical_expr::{BinaryExpr, Cast, Expr, ExprSchemable, Operator};
use datafusion::sql::sqlparser::ast::BinaryOperator;

use crate::Error;
use crate::function::integer;

/// An operand.
enum Integer {
    /// A BIGINT that is known.
    Literal(i64),
    /// Of at most 32 bits with a sign: two of them make a BIGINT by any operator.
    Narrow,
    Bigint,
    /// What may be less or more than a BIGINT.
    Unsigned,
}

/// What two operands make if both are integers and the operator is one of arithmetic.
pub(super) fn of_integers(
    expr: RawBinaryExpr,
    schema: &DFSchema,
) -> Result<PlannerResult<RawBinaryExpr>> {
    let operator = match &expr.op {
        BinaryOperator::Plus => Operator::Plus,
        BinaryOperator::Minus => Operator::Minus,
        BinaryOperator::Multiply => Operator::Multiply,
        BinaryOperator::Divide => Operator::Divide,
        _ => return Ok(PlannerResult::Original(expr)),
    };
    // The right one first: chains grow to the left.
    let Some(b) = integer(&expr.right, schema) else { return Ok(PlannerResult::Original(expr)) };
    let Some(a) = integer(&expr.left, schema) else { return Ok(PlannerResult::Original(expr)) };
    let fits = match (&a, operator, &b) {
        // No literal is made of it: that would be a position in GROUP BY.
        (Integer::Literal(a), _, Integer::Literal(b)) => is_made(*a, operator, *b)?,
        (_, Operator::Divide, Integer::Literal(b)) => !matches!(b, 0 | -1),
        (_, Operator::Divide, _) => false,
        _ => is_narrow(&a) && is_narrow(&b),
    };
    let (left, right) = (as_bigint(expr.left, &a), as_bigint(expr.right, &b));
    Ok(PlannerResult::Planned(if fits {
        let (left, right) = (Box::new(left), Box::new(right));
        Expr::BinaryExpr(BinaryExpr { left, op: operator, right })
    } else {
        integer::call(left, operator, right)?
    }))
}

fn integer(expr: &Expr, schema: &DFSchema) -> Option<Integer> {
    if let Expr::Literal(ScalarValue::Int64(Some(number)), _) = expr {
        return Some(Integer::Literal(*number));
    }
    match expr.get_type(schema).ok()? {
        DataType::Int8 | DataType::Int16 | DataType::Int32 | DataType::UInt8 | DataType::UInt16 => {
            Some(Integer::Narrow)
        }
        DataType::Int64 => Some(Integer::Bigint),
        DataType::UInt32 | DataType::UInt64 => Some(Integer::Unsigned),
        _ => None,
    }
}

fn is_narrow(integer: &Integer) -> bool {
    match integer {
        Integer::Literal(number) => i32::try_from(*number).is_ok(),
        Integer::Narrow => true,
        Integer::Bigint | Integer::Unsigned => false,
    }
}

/// Whether two numbers make one: none makes a quotient by zero. One beyond BIGINT is refused.
fn is_made(a: i64, operator: Operator, b: i64) -> Result<bool> {
    let made = match operator {
        Operator::Plus => a.checked_add(b),
        Operator::Minus => a.checked_sub(b),
        Operator::Multiply => a.checked_mul(b),
        _ if b == 0 => return Ok(false),
        _ => a.checked_div(b),
    };
    if made.is_some() {
        return Ok(true);
    }
    let message = integer::too_large(&format!("{a} {operator} {b}"), integer::AS_DOUBLE);
    Err(DataFusionError::External(Box::new(Error::NotAllowed { message, place: None })))
}

fn as_bigint(expr: Expr, integer: &Integer) -> Expr {
    match integer {
        Integer::Literal(_) | Integer::Bigint => expr,
        Integer::Narrow | Integer::Unsigned => {
            Expr::Cast(Cast::new(Box::new(expr), DataType::Int64))
        }
    }
}

#[cfg(test)]
mod tests {
    use datafusion::arrow::datatypes::{Field, Schema};
    use datafusion::logical_expr::{col, lit};

    use super::*;

    #[test]
    fn unsigned_operands_are_bigints_first() {
        let fields = [("byte", DataType::UInt8), ("word", DataType::UInt32)];
        let others = [("index", DataType::UInt64), ("x", DataType::Float32)];
        let fields = fields.into_iter().chain(others).map(|(name, t)| Field::new(name, t, true));
        let schema = Schema::new(fields.collect::<Vec<_>>());
        let schema = DFSchema::try_from(schema).unwrap();
        let planned = |left: &str, op: BinaryOperator, right: Expr| {
            let expr = RawBinaryExpr { op, left: col(left), right };
            match of_integers(expr, &schema).unwrap() {
                PlannerResult::Planned(expr) => expr.to_string(),
                PlannerResult::Original(expr) => format!("{} as it was", expr.op),
            }
        };
        let minus = || BinaryOperator::Minus;
        let between = "CAST(byte AS Int64) - CAST(byte AS Int64)";
        assert_eq!(planned("byte", minus(), col("byte")), between);
        let product = "adql_times(CAST(word AS Int64), CAST(word AS Int64))";
        assert_eq!(planned("word", BinaryOperator::Multiply, col("word")), product);
        assert_eq!(
            planned("index", minus(), lit(1i64)),
            "adql_minus(CAST(index AS Int64), Int64(1))"
        );
        let half = "CAST(index AS Int64) / Int64(2)";
        assert_eq!(planned("index", BinaryOperator::Divide, lit(2i64)), half);
        assert_eq!(planned("x", minus(), col("byte")), "- as it was");
        assert_eq!(planned("byte", BinaryOperator::Gt, col("byte")), "> as it was");
    }
}
