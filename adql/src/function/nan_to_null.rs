//! `nan_to_null(x)`: NULL where a floating-point value is NaN, so that ADQL sees one kind of
//! missing value (VOTable 1.5 §4.7). The array itself is passed on when it holds no NaN.

use std::sync::Arc;

use datafusion::arrow::array::{Array, ArrayRef, ArrowPrimitiveType, AsArray};
use datafusion::arrow::datatypes::{DataType, Float16Type, Float32Type, Float64Type};
use datafusion::common::{Result, ScalarValue};
use datafusion::logical_expr::simplify::{ExprSimplifyResult, SimplifyContext};
use datafusion::logical_expr::{
    ColumnarValue, Expr, ScalarFunctionArgs, ScalarUDFImpl, Signature, Volatility,
};

/// Name of the function in a session.
pub const NAME: &str = "nan_to_null";

/// `nan_to_null(x)`, of the type of x; other types than floats are passed on.
#[derive(Debug, PartialEq, Eq, Hash)]
pub(crate) struct NanToNull {
    signature: Signature,
}

impl NanToNull {
    pub(crate) fn new() -> Self {
        Self { signature: Signature::any(1, Volatility::Immutable) }
    }
}

fn is_float(data_type: &DataType) -> bool {
    matches!(data_type, DataType::Float16 | DataType::Float32 | DataType::Float64)
}

/// Values that are looked at without asking in between whether one was NaN, which processors do
/// many at a time.
const STRETCH: usize = 1024;

fn guard<T: ArrowPrimitiveType>(array: &ArrayRef, is_nan: impl Fn(T::Native) -> bool) -> ArrayRef {
    let values = array.as_primitive::<T>();
    let mut stretches = values.values().chunks(STRETCH);
    if !stretches.any(|stretch| stretch.iter().fold(false, |any, &value| any | is_nan(value))) {
        return Arc::clone(array);
    }
    Arc::new(values.unary_opt::<_, T>(|value| (!is_nan(value)).then_some(value)))
}

/// The array with NULL where a floating-point value is NaN; itself when none is.
pub fn without_nan(array: &ArrayRef) -> ArrayRef {
    match array.data_type() {
        DataType::Float16 => guard::<Float16Type>(array, |value| value.to_f32().is_nan()),
        DataType::Float32 => guard::<Float32Type>(array, f32::is_nan),
        DataType::Float64 => guard::<Float64Type>(array, f64::is_nan),
        _ => Arc::clone(array),
    }
}

impl ScalarUDFImpl for NanToNull {
    fn name(&self) -> &str {
        NAME
    }

    fn signature(&self) -> &Signature {
        &self.signature
    }

    fn return_type(&self, arguments: &[DataType]) -> Result<DataType> {
        Ok(arguments[0].clone())
    }

    fn is_strict(&self) -> bool {
        true
    }

    fn invoke_with_args(&self, args: ScalarFunctionArgs) -> Result<ColumnarValue> {
        Ok(match &args.args[0] {
            ColumnarValue::Array(array) => ColumnarValue::Array(without_nan(array)),
            ColumnarValue::Scalar(value) => {
                let guarded = without_nan(&value.to_array()?);
                ColumnarValue::Scalar(ScalarValue::try_from_array(&guarded, 0)?)
            }
        })
    }

    fn simplify(&self, mut args: Vec<Expr>, info: &SimplifyContext) -> Result<ExprSimplifyResult> {
        let needless = match &args[0] {
            Expr::ScalarFunction(inner) if inner.func.name() == NAME => true,
            other => !is_float(&info.get_data_type(other)?),
        };
        Ok(if needless {
            ExprSimplifyResult::Simplified(args.swap_remove(0))
        } else {
            ExprSimplifyResult::Original(args)
        })
    }
}
