//! `ivo_string_agg(text, delimiter)` (UDF catalogue 1.2): the texts of a group, a delimiter between
//! them.
//!
//! They are put in order when all are there, so that the answer depends neither on the order of rows
//! nor on workers. DataFusion's aggregate has all rows sorted before, and has no plan for two with
//! unlike arguments.

use std::mem::{size_of, size_of_val};
use std::sync::Arc;

use datafusion::arrow::array::{ArrayRef, AsArray, LargeStringArray};
use datafusion::arrow::datatypes::{DataType, Field, FieldRef};
use datafusion::common::utils::SingleRowListArrayBuilder;
use datafusion::common::{Result, ScalarValue};
use datafusion::logical_expr::function::{AccumulatorArgs, StateFieldsArgs};
use datafusion::logical_expr::{
    Accumulator, AggregateUDF, AggregateUDFImpl, Signature, Volatility,
};
use datafusion::physical_expr::expressions::Literal;

use super::of_rows::{Kind, texts};
use super::refuse;

/// Name of the aggregate in a session.
pub(super) const NAME: &str = "adql_string_agg";
/// As users write it.
const WRITTEN: &str = "ivo_string_agg";

/// The aggregate.
pub(super) fn function() -> AggregateUDF {
    AggregateUDF::from(StringAgg { signature: Signature::user_defined(Volatility::Immutable) })
}

#[derive(Debug, PartialEq, Eq, Hash)]
struct StringAgg {
    signature: Signature,
}

impl AggregateUDFImpl for StringAgg {
    fn name(&self) -> &'static str {
        NAME
    }

    fn signature(&self) -> &Signature {
        &self.signature
    }

    fn coerce_types(&self, arguments: &[DataType]) -> Result<Vec<DataType>> {
        super::expect_count(WRITTEN, arguments, 2..=2)?;
        arguments.iter().map(|argument| Kind::Text.cast(WRITTEN, argument)).collect()
    }

    fn return_type(&self, _: &[DataType]) -> Result<DataType> {
        Ok(DataType::LargeUtf8)
    }

    fn state_fields(&self, args: StateFieldsArgs<'_>) -> Result<Vec<FieldRef>> {
        let texts = DataType::List(Arc::new(Field::new_list_field(DataType::LargeUtf8, true)));
        Ok(vec![Arc::new(Field::new(format!("{}[texts]", args.name), texts, true))])
    }

    fn accumulator(&self, args: AccumulatorArgs<'_>) -> Result<Box<dyn Accumulator>> {
        let literal = args.exprs.get(1).and_then(|delimiter| delimiter.downcast_ref::<Literal>());
        match literal.and_then(|literal| literal.value().try_as_str()) {
            Some(delimiter) => {
                let delimiter = delimiter.unwrap_or_default().to_owned();
                Ok(Box::new(Texts { delimiter, texts: Vec::new(), bytes: 0 }))
            }
            None => Err(refuse(format!("{WRITTEN}: the delimiter has to be a text in quotes"))),
        }
    }
}

/// The texts of a group.
#[derive(Debug)]
struct Texts {
    delimiter: String,
    texts: Vec<Box<str>>,
    /// So long are all of them.
    bytes: usize,
}

impl Texts {
    fn add<'a>(&mut self, texts: impl Iterator<Item = Option<&'a str>>) {
        for text in texts.flatten() {
            self.bytes += text.len();
            self.texts.push(text.into());
        }
    }
}

impl Accumulator for Texts {
    fn update_batch(&mut self, values: &[ArrayRef]) -> Result<()> {
        self.add(texts(&values[0]).iter());
        Ok(())
    }

    fn merge_batch(&mut self, states: &[ArrayRef]) -> Result<()> {
        for texts in states[0].as_list::<i32>().iter().flatten() {
            self.add(texts.as_string::<i64>().iter());
        }
        Ok(())
    }

    fn state(&mut self) -> Result<Vec<ScalarValue>> {
        let texts = LargeStringArray::from_iter_values(self.texts.drain(..));
        self.bytes = 0;
        let list = SingleRowListArrayBuilder::new(Arc::new(texts)).build_list_array();
        Ok(vec![ScalarValue::List(Arc::new(list))])
    }

    fn evaluate(&mut self) -> Result<ScalarValue> {
        self.texts.sort_unstable();
        let all = (!self.texts.is_empty()).then(|| self.texts.join(&self.delimiter));
        Ok(ScalarValue::LargeUtf8(all))
    }

    fn size(&self) -> usize {
        let held = self.bytes + self.texts.capacity() * size_of::<Box<str>>();
        size_of_val(self) + self.delimiter.capacity() + held
    }
}
