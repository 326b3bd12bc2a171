//! Sums, differences, products and quotients of integers where `lower::arithmetic` cannot tell that
//! they fit: BIGINT, and an error where that holds a number no longer. DataFusion's own operators
//! would begin anew at the other end of the range, without a word. A quotient by zero is NULL, as
//! MOD is, so that one row does not end a query.

use std::sync::{Arc, LazyLock};

use datafusion::arrow::array::Int64Array;
use datafusion::arrow::compute::kernels::numeric::{add, div, mul, sub};
use datafusion::arrow::compute::kernels::{cmp, nullif::nullif};
use datafusion::arrow::datatypes::DataType;
use datafusion::arrow::error::ArrowError;
use datafusion::common::{DataFusionError, Result, ScalarValue, internal_err};
use datafusion::logical_expr::expr::ScalarFunction;
use datafusion::logical_expr::{
    ColumnarValue, Expr, Operator, ScalarFunctionArgs, ScalarUDF, ScalarUDFImpl, Signature,
    Volatility,
};
use datafusion::physical_expr_common::datum::apply;

use super::refuse;

static FUNCTIONS: LazyLock<[Arc<ScalarUDF>; 4]> = LazyLock::new(|| {
    [Operator::Plus, Operator::Minus, Operator::Multiply, Operator::Divide].map(|operator| {
        let signature = Signature::exact(vec![DataType::Int64; 2], Volatility::Immutable);
        Arc::new(ScalarUDF::from(Arithmetic { operator, signature }))
    })
});

/// The functions of this file.
pub(super) fn functions() -> Vec<ScalarUDF> {
    FUNCTIONS.iter().map(|function| function.as_ref().clone()).collect()
}

/// The call that computes with two integers by `+`, `-`, `*` or `/`.
pub(crate) fn call(left: Expr, operator: Operator, right: Expr) -> Result<Expr> {
    let of_operator = FUNCTIONS.iter().find(|function| function.name() == name(operator));
    let Some(function) = of_operator else {
        return internal_err!("{operator} is no operator of arithmetic");
    };
    Ok(Expr::ScalarFunction(ScalarFunction::new_udf(Arc::clone(function), vec![left, right])))
}

/// What is said of a number that is too large, and what to write for an operand.
pub(crate) fn too_large(number: &str, instead: &str) -> String {
    format!("{number} is beyond the range of BIGINT: write {instead}")
}

/// What to write for an operand whose sum or product is too large.
pub(crate) const AS_DOUBLE: &str = "an operand as CAST(… AS DOUBLE PRECISION)";

fn name(operator: Operator) -> &'static str {
    match operator {
        Operator::Plus => "adql_plus",
        Operator::Minus => "adql_minus",
        Operator::Multiply => "adql_times",
        Operator::Divide => "adql_over",
        _ => "",
    }
}

#[derive(Debug, PartialEq, Eq, Hash)]
struct Arithmetic {
    operator: Operator,
    signature: Signature,
}

impl ScalarUDFImpl for Arithmetic {
    fn name(&self) -> &'static str {
        name(self.operator)
    }

    fn signature(&self) -> &Signature {
        &self.signature
    }

    fn return_type(&self, _: &[DataType]) -> Result<DataType> {
        Ok(DataType::Int64)
    }

    fn is_strict(&self) -> bool {
        true
    }

    fn invoke_with_args(&self, args: ScalarFunctionArgs) -> Result<ColumnarValue> {
        let [left, right] = args.args.as_slice() else {
            return internal_err!("{} takes two integers", self.name());
        };
        let made = match self.operator {
            Operator::Plus => apply(left, right, add),
            Operator::Minus => apply(left, right, sub),
            Operator::Multiply => apply(left, right, mul),
            _ => apply(left, &without_zeros(right)?, div),
        };
        made.map_err(|error| match error.find_root() {
            DataFusionError::ArrowError(source, _) => match source.as_ref() {
                ArrowError::ArithmeticOverflow(text) => {
                    let numbers = text.trim_start_matches("Overflow happened on: ");
                    refuse(too_large(numbers, AS_DOUBLE))
                }
                _ => error,
            },
            _ => error,
        })
    }
}

/// Divisors with NULL in the place of zeros.
fn without_zeros(divisor: &ColumnarValue) -> Result<ColumnarValue> {
    match divisor {
        ColumnarValue::Scalar(ScalarValue::Int64(Some(0))) => {
            Ok(ColumnarValue::Scalar(ScalarValue::Int64(None)))
        }
        ColumnarValue::Scalar(other) => Ok(ColumnarValue::Scalar(other.clone())),
        ColumnarValue::Array(divisors) => {
            let zero = Int64Array::new_scalar(0);
            let is_zero = cmp::eq(divisors, &zero)?;
            Ok(ColumnarValue::Array(nullif(divisors, &is_zero)?))
        }
    }
}

#[cfg(test)]
mod tests {
    use datafusion::arrow::array::{ArrayRef, AsArray};
    use datafusion::arrow::datatypes::{Field, Int64Type};
    use datafusion::config::ConfigOptions;

    use super::*;

    fn computed(
        left: &[Option<i64>],
        operator: Operator,
        right: ColumnarValue,
    ) -> Result<Vec<Option<i64>>> {
        let signature = Signature::exact(vec![DataType::Int64; 2], Volatility::Immutable);
        let field = Arc::new(Field::new("x", DataType::Int64, true));
        let rows = left.len();
        let left: ArrayRef = Arc::new(Int64Array::from(left.to_vec()));
        let made = Arithmetic { operator, signature }.invoke_with_args(ScalarFunctionArgs {
            args: vec![ColumnarValue::Array(left), right],
            arg_fields: vec![Arc::clone(&field); 2],
            number_rows: rows,
            return_field: field,
            config_options: Arc::new(ConfigOptions::new()),
        })?;
        Ok(made.to_array(rows)?.as_primitive::<Int64Type>().iter().collect())
    }

    fn array(values: &[Option<i64>]) -> ColumnarValue {
        ColumnarValue::Array(Arc::new(Int64Array::from(values.to_vec())))
    }

    fn number(value: i64) -> ColumnarValue {
        ColumnarValue::Scalar(ScalarValue::Int64(Some(value)))
    }

    #[test]
    fn a_number_beyond_the_range_is_refused_with_its_operands() {
        let most = Some(i64::MAX);
        for (left, operator, right, says) in [
            (most, Operator::Plus, 1, "9223372036854775807 + 1 is beyond the range of BIGINT"),
            (Some(i64::MIN), Operator::Minus, 1, "-9223372036854775808 - 1 is beyond"),
            (most, Operator::Multiply, 2, "9223372036854775807 * 2 is beyond"),
            (Some(i64::MIN), Operator::Divide, -1, "-9223372036854775808 / -1 is beyond"),
        ] {
            for right in [number(right), array(&[Some(right), Some(1)])] {
                let error = computed(&[left, Some(1)], operator, right).unwrap_err();
                assert!(error.to_string().contains(says), "{error}");
            }
        }
        // What is NULL is not computed.
        let right = array(&[None, Some(3)]);
        assert_eq!(computed(&[most, Some(1)], Operator::Plus, right).unwrap(), [None, Some(4)]);
        let right = number(0);
        assert_eq!(computed(&[most, Some(0)], Operator::Plus, right).unwrap(), [most, Some(0)]);
    }

    #[test]
    fn a_quotient_by_zero_is_null_and_others_are_cut() {
        let left = [Some(7), Some(-7), None, Some(0)];
        let by_zero = computed(&left, Operator::Divide, number(0)).unwrap();
        assert_eq!(by_zero, [None; 4]);
        let divisors = array(&[Some(2), Some(2), Some(0), Some(0)]);
        let quotients = computed(&left, Operator::Divide, divisors).unwrap();
        assert_eq!(quotients, [Some(3), Some(-3), None, None]);
    }
}
