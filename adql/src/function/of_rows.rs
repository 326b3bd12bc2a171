//! Functions whose value is made row by row from scalars: what they take, what they give, and how.
//! A NULL among the arguments makes NULL.

use std::hash::{Hash, Hasher};
use std::sync::Arc;

use datafusion::arrow::array::{ArrayRef, AsArray, Int32Array, StringViewArray};
use datafusion::arrow::datatypes::{DataType, TimeUnit};
use datafusion::common::{Result, plan_err};
use datafusion::logical_expr::{
    ColumnarValue, ScalarFunctionArgs, ScalarUDF, ScalarUDFImpl, Signature, Volatility,
};

use super::vector::{as_double, as_integer, over_arrays};

/// What an argument is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind {
    Number,
    Integer,
    Text,
    /// A time, or a text that is one.
    Moment,
}

impl Kind {
    /// What an argument is cast to.
    pub(super) fn cast(self, function: &str, argument: &DataType) -> Result<DataType> {
        let is_text = argument.is_string() || argument.is_null();
        match self {
            Self::Number => as_double(function, argument),
            Self::Integer => as_integer(function, argument),
            Self::Text | Self::Moment if is_text => Ok(DataType::Utf8View),
            Self::Moment if matches!(argument, DataType::Timestamp(..) | DataType::Date32) => {
                Ok(DataType::Timestamp(TimeUnit::Microsecond, None))
            }
            Self::Text => plan_err!("{function} takes a text here, not a value of type {argument}"),
            Self::Moment => {
                plan_err!("{function} takes a time here, not a value of type {argument}")
            }
        }
    }
}

/// A function of rows.
#[derive(Debug)]
pub(super) struct OfRows {
    /// Its name in a session.
    pub(super) name: &'static str,
    /// Its name as users write it.
    pub(super) written: &'static str,
    pub(super) arguments: &'static [Kind],
    pub(super) result: DataType,
    pub(super) volatility: Volatility,
    /// Arrays of equal length, of the types that the kinds are cast to, to an array of the result.
    pub(super) evaluate: fn(&[ArrayRef]) -> Result<ArrayRef>,
}

impl OfRows {
    pub(super) fn function(self) -> ScalarUDF {
        let signature = Signature::user_defined(self.volatility);
        ScalarUDF::from(Function { signature, of_rows: self })
    }
}

#[derive(Debug)]
struct Function {
    of_rows: OfRows,
    signature: Signature,
}

impl PartialEq for Function {
    fn eq(&self, other: &Self) -> bool {
        self.of_rows.name == other.of_rows.name
    }
}

impl Eq for Function {}

impl Hash for Function {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.of_rows.name.hash(state);
    }
}

impl ScalarUDFImpl for Function {
    fn name(&self) -> &str {
        self.of_rows.name
    }

    fn signature(&self) -> &Signature {
        &self.signature
    }

    fn coerce_types(&self, arguments: &[DataType]) -> Result<Vec<DataType>> {
        let OfRows { written, arguments: kinds, .. } = &self.of_rows;
        super::expect_count(written, arguments, kinds.len()..=kinds.len())?;
        kinds.iter().zip(arguments).map(|(kind, a)| kind.cast(written, a)).collect()
    }

    fn return_type(&self, _: &[DataType]) -> Result<DataType> {
        Ok(self.of_rows.result.clone())
    }

    fn is_strict(&self) -> bool {
        true
    }

    fn invoke_with_args(&self, args: ScalarFunctionArgs) -> Result<ColumnarValue> {
        if self.of_rows.volatility == Volatility::Volatile {
            let rows = args.number_rows;
            let arrays = args.args.iter().map(|a| a.to_array(rows)).collect::<Result<Vec<_>>>()?;
            return (self.of_rows.evaluate)(&arrays).map(ColumnarValue::Array);
        }
        over_arrays(&args, self.of_rows.evaluate)
    }
}

/// An array of texts; the planner has cast the argument.
pub(super) fn texts(array: &ArrayRef) -> &StringViewArray {
    array.as_string_view()
}

/// 1 where two texts are as a function says, else 0.
pub(super) fn relation_of_texts(
    arrays: &[ArrayRef],
    holds: impl Fn(&str, &str) -> bool,
) -> ArrayRef {
    let pairs = texts(&arrays[0]).iter().zip(texts(&arrays[1]));
    let holds = pairs.map(|(a, b)| Some(i32::from(holds(a?, b?))));
    Arc::new(holds.collect::<Int32Array>())
}
