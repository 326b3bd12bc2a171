//! SUM, which is DataFusion's but for integers: there it is a BIGINT whatever integers are added, and
//! an error where that does not hold it. DataFusion's begins anew at the other end of the range, and
//! gives unsigned integers for unsigned ones.

use std::collections::HashSet;
use std::mem::{size_of, size_of_val};
use std::sync::Arc;

use datafusion::arrow::array::{
    Array, ArrayRef, AsArray, BooleanArray, Decimal128Array, Int64Array, PrimitiveArray,
};
use datafusion::arrow::compute::kernels::nullif::nullif;
use datafusion::arrow::compute::{not, prep_null_mask_filter};
use datafusion::arrow::datatypes::{
    ArrowPrimitiveType, DataType, Decimal128Type, Field, FieldRef, Int64Type,
};
use datafusion::common::utils::SingleRowListArrayBuilder;
use datafusion::common::{Result, ScalarValue, plan_err};
use datafusion::functions_aggregate::sum::Sum;
use datafusion::logical_expr::function::{AccumulatorArgs, StateFieldsArgs};
use datafusion::logical_expr::utils::AggregateOrderSensitivity;
use datafusion::logical_expr::{
    Accumulator, AggregateUDF, AggregateUDFImpl, EmitTo, GroupsAccumulator, ReversedUDAF,
    Signature, Volatility,
};

use super::integer::too_large;
use super::refuse;
use super::vector::integers;

/// Sums on their way: beyond what any number of rows can add up to.
const STATE: DataType = DataType::Decimal128(38, 0);

/// The aggregate. It has the name of DataFusion's, whose place it takes in a session, so that the
/// optimizer knows it.
pub(super) fn function() -> AggregateUDF {
    let signature = Signature::user_defined(Volatility::Immutable);
    AggregateUDF::from(AdqlSum { inner: Sum::new(), signature })
}

#[derive(Debug, PartialEq, Eq, Hash)]
struct AdqlSum {
    inner: Sum,
    signature: Signature,
}

fn is_of_integers(sum: &FieldRef) -> bool {
    *sum.data_type() == DataType::Int64
}

impl AggregateUDFImpl for AdqlSum {
    fn name(&self) -> &str {
        self.inner.name()
    }

    fn signature(&self) -> &Signature {
        &self.signature
    }

    fn coerce_types(&self, arguments: &[DataType]) -> Result<Vec<DataType>> {
        let [argument] = arguments else {
            return plan_err!("SUM takes one argument, not {}", arguments.len());
        };
        Ok(vec![match argument {
            integer if integer.is_integer() => DataType::Int64,
            float if float.is_floating() || float.is_null() => DataType::Float64,
            decimal if decimal.is_decimal() => decimal.clone(),
            DataType::Duration(unit) => DataType::Duration(*unit),
            other => return plan_err!("SUM takes numbers, not values of type {other}"),
        }])
    }

    fn return_type(&self, arguments: &[DataType]) -> Result<DataType> {
        self.inner.return_type(arguments)
    }

    fn state_fields(&self, args: StateFieldsArgs<'_>) -> Result<Vec<FieldRef>> {
        if args.is_distinct || !is_of_integers(&args.return_field) {
            return self.inner.state_fields(args);
        }
        Ok(vec![Arc::new(Field::new(format!("{}[sum]", args.name), STATE, true))])
    }

    fn accumulator(&self, args: AccumulatorArgs<'_>) -> Result<Box<dyn Accumulator>> {
        match (is_of_integers(&args.return_field), args.is_distinct) {
            (false, _) => self.inner.accumulator(args),
            (true, true) => Ok(Box::new(Distinct(HashSet::new()))),
            (true, false) => Ok(Box::new(Whole(None))),
        }
    }

    fn groups_accumulator_supported(&self, args: AccumulatorArgs<'_>) -> bool {
        self.inner.groups_accumulator_supported(args)
    }

    fn create_groups_accumulator(
        &self,
        args: AccumulatorArgs<'_>,
    ) -> Result<Box<dyn GroupsAccumulator>> {
        if is_of_integers(&args.return_field) {
            return Ok(Box::new(Groups { sums: Vec::new() }));
        }
        self.inner.create_groups_accumulator(args)
    }

    fn reverse_expr(&self) -> ReversedUDAF {
        ReversedUDAF::Identical
    }

    fn order_sensitivity(&self) -> AggregateOrderSensitivity {
        AggregateOrderSensitivity::Insensitive
    }
}

/// A sum as it is given out.
fn given(sum: i128) -> Result<i64> {
    let instead = "SUM(CAST(… AS DOUBLE PRECISION))";
    i64::try_from(sum).map_err(|_| refuse(too_large(&format!("SUM: {sum}"), instead)))
}

/// The values of all rows.
fn total<T: ArrowPrimitiveType<Native: Into<i128>>>(values: &PrimitiveArray<T>) -> Option<i128> {
    if values.null_count() == 0 && !values.is_empty() {
        return Some(values.values().iter().map(|&value| value.into()).sum());
    }
    values.iter().flatten().map(Into::into).reduce(|a, b| a + b)
}

/// The sum of all rows so far, if there was one.
#[derive(Debug)]
struct Whole(Option<i128>);

impl Whole {
    fn add(&mut self, more: Option<i128>) {
        if let Some(more) = more {
            self.0 = Some(self.0.unwrap_or_default() + more);
        }
    }
}

impl Accumulator for Whole {
    fn update_batch(&mut self, values: &[ArrayRef]) -> Result<()> {
        self.add(total(integers(&values[0])));
        Ok(())
    }

    fn merge_batch(&mut self, states: &[ArrayRef]) -> Result<()> {
        self.add(total(states[0].as_primitive::<Decimal128Type>()));
        Ok(())
    }

    fn state(&mut self) -> Result<Vec<ScalarValue>> {
        Ok(vec![ScalarValue::Decimal128(self.0, 38, 0)])
    }

    fn evaluate(&mut self) -> Result<ScalarValue> {
        self.0.map(given).transpose().map(ScalarValue::Int64)
    }

    fn size(&self) -> usize {
        size_of_val(self)
    }
}

/// Different values.
#[derive(Debug)]
struct Distinct(HashSet<i64>);

impl Accumulator for Distinct {
    fn update_batch(&mut self, values: &[ArrayRef]) -> Result<()> {
        self.0.extend(integers(&values[0]).iter().flatten());
        Ok(())
    }

    fn merge_batch(&mut self, states: &[ArrayRef]) -> Result<()> {
        for values in states[0].as_list::<i32>().iter().flatten() {
            self.0.extend(values.as_primitive::<Int64Type>().iter().flatten());
        }
        Ok(())
    }

    fn state(&mut self) -> Result<Vec<ScalarValue>> {
        let values = Int64Array::from_iter_values(self.0.drain());
        let list = SingleRowListArrayBuilder::new(Arc::new(values)).build_list_array();
        Ok(vec![ScalarValue::List(Arc::new(list))])
    }

    fn evaluate(&mut self) -> Result<ScalarValue> {
        let sum = self.0.iter().map(|&value| i128::from(value)).reduce(|a, b| a + b);
        sum.map(given).transpose().map(ScalarValue::Int64)
    }

    fn size(&self) -> usize {
        size_of_val(self) + self.0.capacity() * size_of::<i64>()
    }
}

/// The sums of groups; none of a group whose values are NULL.
#[derive(Debug)]
struct Groups {
    sums: Vec<Option<i128>>,
}

impl Groups {
    fn add<T: ArrowPrimitiveType<Native: Into<i128>>>(
        &mut self,
        values: &PrimitiveArray<T>,
        groups: &[usize],
        count: usize,
    ) {
        self.sums.resize(count, None);
        let mut add = |group: usize, value: T::Native| {
            let sum = &mut self.sums[group];
            *sum = Some(sum.unwrap_or_default() + value.into());
        };
        if values.null_count() == 0 {
            groups.iter().zip(values.values()).for_each(|(&group, &value)| add(group, value));
        } else {
            let valid = groups.iter().zip(values).filter_map(|(&g, value)| Some((g, value?)));
            valid.for_each(|(group, value)| add(group, value));
        }
    }
}

/// Values with NULL where a filter does not hold.
fn filtered(values: &ArrayRef, filter: Option<&BooleanArray>) -> Result<ArrayRef> {
    match filter {
        Some(filter) => Ok(nullif(values, &not(&prep_null_mask_filter(filter))?)?),
        None => Ok(Arc::clone(values)),
    }
}

fn states(sums: impl Iterator<Item = Option<i128>>) -> Result<Vec<ArrayRef>> {
    let sums: Decimal128Array = sums.collect();
    Ok(vec![Arc::new(sums.with_data_type(STATE))])
}

impl GroupsAccumulator for Groups {
    fn update_batch(
        &mut self,
        values: &[ArrayRef],
        groups: &[usize],
        filter: Option<&BooleanArray>,
        count: usize,
    ) -> Result<()> {
        self.add(integers(&filtered(&values[0], filter)?), groups, count);
        Ok(())
    }

    fn merge_batch(&mut self, states: &[ArrayRef], groups: &[usize], count: usize) -> Result<()> {
        self.add(states[0].as_primitive::<Decimal128Type>(), groups, count);
        Ok(())
    }

    fn state(&mut self, emit_to: EmitTo) -> Result<Vec<ArrayRef>> {
        states(emit_to.take_needed(&mut self.sums).into_iter())
    }

    fn evaluate(&mut self, emit_to: EmitTo) -> Result<ArrayRef> {
        let sums = emit_to.take_needed(&mut self.sums).into_iter();
        let sums = sums.map(|sum| sum.map(given).transpose());
        Ok(Arc::new(sums.collect::<Result<Int64Array>>()?))
    }

    fn convert_to_state(
        &self,
        values: &[ArrayRef],
        filter: Option<&BooleanArray>,
    ) -> Result<Vec<ArrayRef>> {
        let values = filtered(&values[0], filter)?;
        states(integers(&values).iter().map(|value| value.map(i128::from)))
    }

    fn size(&self) -> usize {
        size_of_val(self) + self.sums.capacity() * size_of::<Option<i128>>()
    }
}
