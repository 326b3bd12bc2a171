//! `nearest(ra1, dec1, ra2, dec2, k, before, after)`: whether the second place is among the k nearest
//! to the first one of those for which a condition on the pair holds, and a further condition holds
//! of those that are.
//!
//! What `crate::rewrite` makes of a condition that ranks the rows of a table by their distances. It
//! is about all rows of that table, which no function of one pair knows: only the operator of joins
//! by position evaluates it, and a plan without that operator fails. It is volatile to DataFusion,
//! which so leaves it where it is.

use std::sync::Arc;

use datafusion::arrow::datatypes::DataType;
use datafusion::common::{Result, exec_err};
use datafusion::logical_expr::expr::ScalarFunction;
use datafusion::logical_expr::{
    ColumnarValue, Expr, ScalarFunctionArgs, ScalarUDF, ScalarUDFImpl, Signature, Volatility, lit,
};

/// Name of the function in a session.
pub const NAME: &str = "nearest";

/// The call for a place, the place that is ranked, how many nearest are asked for, and the conditions
/// before and after that.
pub(crate) fn call(from: [Expr; 2], to: [Expr; 2], most: i64, conditions: [Expr; 2]) -> Expr {
    let function = Arc::new(ScalarUDF::from(Nearest::new()));
    let arguments = from.into_iter().chain(to).chain([lit(most)]).chain(conditions).collect();
    Expr::ScalarFunction(ScalarFunction::new_udf(function, arguments))
}

/// The function.
#[derive(Debug, PartialEq, Eq, Hash)]
pub(super) struct Nearest {
    signature: Signature,
}

impl Nearest {
    pub(super) fn new() -> Self {
        let mut types = vec![DataType::Float64; 4];
        types.extend([DataType::Int64, DataType::Boolean, DataType::Boolean]);
        Self { signature: Signature::exact(types, Volatility::Volatile) }
    }
}

impl ScalarUDFImpl for Nearest {
    fn name(&self) -> &str {
        NAME
    }

    fn signature(&self) -> &Signature {
        &self.signature
    }

    fn return_type(&self, _: &[DataType]) -> Result<DataType> {
        Ok(DataType::Boolean)
    }

    fn invoke_with_args(&self, _: ScalarFunctionArgs) -> Result<ColumnarValue> {
        exec_err!("{NAME} is evaluated by a join by position, and not pair by pair")
    }
}
