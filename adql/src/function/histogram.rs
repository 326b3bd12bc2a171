//! `ivo_histogram` (UDF catalogue 1.2 §5.2): how many values of a group lie in each of some bins.

use std::mem::size_of_val;
use std::sync::Arc;

use datafusion::arrow::array::{ArrayRef, AsArray};
use datafusion::arrow::datatypes::{DataType, Field, FieldRef, Int64Type};
use datafusion::common::{Result, ScalarValue, exec_err};
use datafusion::logical_expr::function::{AccumulatorArgs, StateFieldsArgs};
use datafusion::logical_expr::{
    Accumulator, AggregateUDF, AggregateUDFImpl, Signature, Volatility,
};
use datafusion::physical_expr::expressions::Literal;

use super::refuse;
use super::vector::{as_double, as_integer, doubles};

/// Name of the function in a session.
pub(super) const NAME: &str = "adql_histogram";
/// As users write it.
const WRITTEN: &str = "ivo_histogram";

/// More bins than anybody looks at.
const BINS_MAX: i64 = 100_000;

/// The function of this file.
pub(super) fn function() -> AggregateUDF {
    AggregateUDF::from(Histogram { signature: Signature::user_defined(Volatility::Immutable) })
}

#[derive(Debug, PartialEq, Eq, Hash)]
struct Histogram {
    signature: Signature,
}

fn counts_type() -> DataType {
    DataType::List(Arc::new(Field::new_list_field(DataType::Int64, true)))
}

impl AggregateUDFImpl for Histogram {
    fn name(&self) -> &'static str {
        NAME
    }

    fn signature(&self) -> &Signature {
        &self.signature
    }

    fn coerce_types(&self, arguments: &[DataType]) -> Result<Vec<DataType>> {
        super::expect_count(WRITTEN, arguments, 4..=4)?;
        let numbers = arguments[..3].iter().map(|argument| as_double(WRITTEN, argument));
        numbers.chain([as_integer(WRITTEN, &arguments[3])]).collect()
    }

    fn return_type(&self, _: &[DataType]) -> Result<DataType> {
        Ok(counts_type())
    }

    fn state_fields(&self, args: StateFieldsArgs<'_>) -> Result<Vec<FieldRef>> {
        Ok(vec![Arc::new(Field::new(format!("{}[counts]", args.name), counts_type(), true))])
    }

    fn accumulator(&self, args: AccumulatorArgs<'_>) -> Result<Box<dyn Accumulator>> {
        let constant = |at: usize, name: &str| {
            let literal = args.exprs.get(at).and_then(|e| e.downcast_ref::<Literal>());
            let value =
                literal.and_then(|literal| literal.value().cast_to(&DataType::Float64).ok());
            match value {
                Some(ScalarValue::Float64(Some(number))) if number.is_finite() => Ok(number),
                _ => Err(refuse(format!("{WRITTEN}: {name} has to be a number"))),
            }
        };
        let (lower, upper) = (constant(1, "lower")?, constant(2, "upper")?);
        let bins = constant(3, "nbins")?;
        #[expect(clippy::cast_precision_loss, reason = "few")]
        if !(1.0..=BINS_MAX as f64).contains(&bins) {
            return Err(refuse(format!("{WRITTEN}: nbins = {bins} is not within 1 to {BINS_MAX}")));
        }
        if upper <= lower {
            let message = format!("{WRITTEN}: upper = {upper} is not beyond lower = {lower}");
            return Err(refuse(message));
        }
        #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "few")]
        let counts = vec![0; bins as usize + 2];
        Ok(Box::new(Counts { lower, upper, counts }))
    }
}

#[derive(Debug)]
struct Counts {
    lower: f64,
    upper: f64,
    /// Those below and NULL, of each bin, and those beyond.
    counts: Vec<i64>,
}

impl Counts {
    fn place(&self, value: f64) -> usize {
        let last = self.counts.len() - 1;
        if value < self.lower {
            return 0;
        }
        if value >= self.upper {
            return last;
        }
        #[expect(clippy::cast_precision_loss, reason = "few")]
        let bin = (value - self.lower) / (self.upper - self.lower) * (last - 1) as f64;
        #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "in range")]
        let bin = bin as usize;
        // Rounding may reach the upper bound.
        bin.min(last - 2) + 1
    }

    fn list(&self) -> ScalarValue {
        let counts: Vec<ScalarValue> = self.counts.iter().copied().map(ScalarValue::from).collect();
        ScalarValue::List(ScalarValue::new_list_nullable(&counts, &DataType::Int64))
    }
}

impl Accumulator for Counts {
    fn update_batch(&mut self, values: &[ArrayRef]) -> Result<()> {
        for value in doubles(&values[0]) {
            let at = value.filter(|value| !value.is_nan()).map_or(0, |value| self.place(value));
            self.counts[at] += 1;
        }
        Ok(())
    }

    fn merge_batch(&mut self, states: &[ArrayRef]) -> Result<()> {
        for counts in states[0].as_list::<i32>().iter().flatten() {
            let counts = counts.as_primitive::<Int64Type>();
            if counts.len() != self.counts.len() {
                return exec_err!("{WRITTEN}: parts of a group have other bins");
            }
            for (sum, count) in self.counts.iter_mut().zip(counts.values()) {
                *sum += count;
            }
        }
        Ok(())
    }

    fn state(&mut self) -> Result<Vec<ScalarValue>> {
        Ok(vec![self.list()])
    }

    fn evaluate(&mut self) -> Result<ScalarValue> {
        Ok(self.list())
    }

    fn size(&self) -> usize {
        size_of_val(self) + size_of_val(self.counts.as_slice())
    }
}
