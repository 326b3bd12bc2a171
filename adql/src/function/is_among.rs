//! `is_among(value, table)`: whether a value is one of many, such as the ids of a long IN list.
//!
//! What `crate::rewrite` makes of an IN list that is long: the optimizer takes a list of a hundred
//! thousand expressions apart many times, and a literal not at all. The literal is a hash table
//! (open addressing, NULL where a slot is free) in a list, so that no batch of rows makes it anew,
//! clones of it share it, and it needs no codec on its way to workers. Three-valued as what it
//! replaces: NULL where the value is.

use std::sync::Arc;

use datafusion::arrow::array::{
    Array, ArrayRef, ArrowPrimitiveType, AsArray, BooleanArray, UInt32Array,
};
use datafusion::arrow::buffer::BooleanBuffer;
use datafusion::arrow::compute::{cast, take};
use datafusion::arrow::datatypes::{DataType, Int64Type, UInt64Type};
use datafusion::common::utils::SingleRowListArrayBuilder;
use datafusion::common::{Result, ScalarValue, exec_err};
use datafusion::logical_expr::expr::ScalarFunction;
use datafusion::logical_expr::{
    ColumnarValue, Expr, ScalarFunctionArgs, ScalarUDF, ScalarUDFImpl, Signature, Volatility,
};

/// Name of the function in a session.
pub(crate) const NAME: &str = "is_among";

/// The function.
#[derive(Debug, PartialEq, Eq, Hash)]
pub(super) struct IsAmong {
    signature: Signature,
}

impl IsAmong {
    pub(super) fn new() -> Self {
        Self { signature: Signature::any(2, Volatility::Immutable) }
    }
}

/// The type in which values of a type are compared; none for those that are not looked up.
pub fn key_type(data_type: &DataType) -> Option<DataType> {
    match data_type {
        DataType::Utf8 | DataType::LargeUtf8 | DataType::Utf8View => Some(DataType::Utf8),
        signed if signed.is_signed_integer() => Some(DataType::Int64),
        unsigned if unsigned.is_unsigned_integer() => Some(DataType::UInt64),
        _ => None,
    }
}

/// The call for these values, which are of the key type of the expression; a NULL is left out.
pub(crate) fn call(value: Expr, values: &ArrayRef) -> Result<Expr> {
    let table = table_of(values)?;
    let list = SingleRowListArrayBuilder::new(table).build_list_array();
    let literal = Expr::Literal(ScalarValue::List(Arc::new(list)), None);
    let function = Arc::new(ScalarUDF::from(IsAmong::new()));
    Ok(Expr::ScalarFunction(ScalarFunction::new_udf(function, vec![value, literal])))
}

/// What is looked for in a call and the values among which it may be; none for any other
/// expression.
pub(crate) fn parts_of(expr: &Expr) -> Option<(&Expr, ArrayRef)> {
    let Expr::ScalarFunction(call) = expr else { return None };
    match (call.func.name(), call.args.as_slice()) {
        (NAME, [value, Expr::Literal(ScalarValue::List(list), _)]) => {
            let table = list.value(0);
            let filled = (0..table.len()).filter(|slot| table.is_valid(*slot));
            let filled: UInt32Array = filled.filter_map(|slot| u32::try_from(slot).ok()).collect();
            Some((value, take(&table, &filled, None).ok()?))
        }
        _ => None,
    }
}

/// Spreads the bits of a number (the finalizer of splitmix64).
fn mix(mut bits: u64) -> u64 {
    bits = (bits ^ (bits >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    bits = (bits ^ (bits >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    bits ^ (bits >> 31)
}

/// FNV-1a, spread.
fn hash_text(text: &str) -> u64 {
    let hash = text.bytes().fold(0xcbf2_9ce4_8422_2325, |hash: u64, byte| {
        (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3)
    });
    mix(hash)
}

/// The slot that holds a value, or the free one where it would be; none if the table is full of
/// others. `slot` tells of a slot whether it holds the value, and nothing of a free one.
fn find(hash: u64, slots: usize, slot: impl Fn(usize) -> Option<bool>) -> Option<(usize, bool)> {
    let first = usize::try_from((u128::from(hash) * slots as u128) >> 64).unwrap_or(0);
    let mut place = first;
    loop {
        match slot(place) {
            None => return Some((place, false)),
            Some(true) => return Some((place, true)),
            Some(false) => {}
        }
        place = if place + 1 == slots { 0 } else { place + 1 };
        if place == first {
            return None;
        }
    }
}

/// A table of the distinct values, half of whose slots are free: most rows have none of the values,
/// and are done with at the first free slot.
fn table_of(values: &ArrayRef) -> Result<ArrayRef> {
    let slots = 2 * values.len() + 1;
    let mut table: Vec<Option<u32>> = vec![None; slots];
    let mut fill = |hash: u64, at: usize, is: &dyn Fn(usize) -> bool| {
        let found = find(hash, slots, |place| {
            table[place].map(|held| is(usize::try_from(held).unwrap_or(0)))
        });
        if let Some((place, false)) = found {
            table[place] = u32::try_from(at).ok();
        }
    };
    let valid = (0..values.len()).filter(|at| values.is_valid(*at));
    match values.data_type() {
        DataType::Int64 => {
            let values = values.as_primitive::<Int64Type>().values();
            valid.for_each(|at| {
                fill(mix(values[at].cast_unsigned()), at, &|held| values[held] == values[at]);
            });
        }
        DataType::UInt64 => {
            let values = values.as_primitive::<UInt64Type>().values();
            valid.for_each(|at| fill(mix(values[at]), at, &|held| values[held] == values[at]));
        }
        DataType::Utf8 => {
            let values = values.as_string::<i32>();
            valid.for_each(|at| {
                let value = values.value(at);
                fill(hash_text(value), at, &|held| values.value(held) == value);
            });
        }
        other => return exec_err!("is_among does not look for {other}"),
    }
    Ok(take(values, &UInt32Array::from(table), None)?)
}

/// Whether each value is in a table of the same type.
fn are_among(values: &ArrayRef, table: &ArrayRef) -> Result<BooleanArray> {
    Ok(match table.data_type() {
        DataType::Int64 => numbers_among::<Int64Type>(values, table, i64::cast_unsigned),
        DataType::UInt64 => numbers_among::<UInt64Type>(values, table, |value| value),
        DataType::Utf8 => {
            let table = table.as_string::<i32>();
            let is_held = |value: &str| {
                let slot = |at: usize| table.is_valid(at).then(|| table.value(at) == value);
                find(hash_text(value), table.len(), slot).is_some_and(|(_, held)| held)
            };
            let values = cast(values, &DataType::Utf8View)?;
            values.as_string_view().iter().map(|value| value.map(is_held)).collect()
        }
        other => return exec_err!("is_among does not look for {other}"),
    })
}

fn numbers_among<T: ArrowPrimitiveType>(
    values: &ArrayRef,
    table: &ArrayRef,
    bits: impl Fn(T::Native) -> u64,
) -> BooleanArray {
    let (values, table) = (values.as_primitive::<T>(), table.as_primitive::<T>());
    let (numbers, held) = (values.values(), table.values());
    let is_held = |value: T::Native| {
        let slot = |at: usize| table.is_valid(at).then(|| held[at] == value);
        find(mix(bits(value)), held.len(), slot).is_some_and(|(_, held)| held)
    };
    let found = BooleanBuffer::collect_bool(numbers.len(), |at| is_held(numbers[at]));
    BooleanArray::new(found, values.nulls().cloned())
}

impl ScalarUDFImpl for IsAmong {
    fn name(&self) -> &str {
        NAME
    }

    fn signature(&self) -> &Signature {
        &self.signature
    }

    fn return_type(&self, _: &[DataType]) -> Result<DataType> {
        Ok(DataType::Boolean)
    }

    fn invoke_with_args(&self, args: ScalarFunctionArgs) -> Result<ColumnarValue> {
        let [value, table] = args.args.as_slice() else {
            return exec_err!("is_among takes a value and a table");
        };
        let table = match table {
            ColumnarValue::Scalar(ScalarValue::List(list)) if !list.is_empty() => list.value(0),
            other => {
                return exec_err!("is_among takes a constant table, not {}", other.data_type());
            }
        };
        let values = value.to_array(args.number_rows)?;
        let wanted = key_type(values.data_type());
        if wanted.as_ref() != Some(table.data_type()) {
            return exec_err!(
                "is_among compares no {} with {}",
                values.data_type(),
                table.data_type()
            );
        }
        let values = if *table.data_type() == DataType::Utf8 {
            values
        } else {
            cast(&values, table.data_type())?
        };
        Ok(ColumnarValue::Array(Arc::new(are_among(&values, &table)?)))
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;
    use std::sync::Arc;

    use datafusion::arrow::array::{Array, ArrayRef, Int64Array, StringArray, UInt64Array};
    use datafusion::logical_expr::{col, lit};
    use proptest::prelude::*;

    use super::{are_among, call, parts_of, table_of};

    fn check(values: &ArrayRef, among: &ArrayRef, expected: &[Option<bool>]) {
        let found = are_among(values, &table_of(among).unwrap()).unwrap();
        assert_eq!(found.iter().collect::<Vec<_>>(), expected);
    }

    proptest! {
        #[test]
        fn integers_are_found_as_by_a_set(
            among in prop::collection::vec(prop::option::of(-40_i64..40), 0..60),
            values in prop::collection::vec(prop::option::of(-50_i64..50), 0..60),
        ) {
            let set: BTreeSet<i64> = among.iter().flatten().copied().collect();
            let expected: Vec<_> = values.iter().map(|v| v.map(|v| set.contains(&v))).collect();
            let [values, among]: [ArrayRef; 2] =
                [Arc::new(Int64Array::from(values)), Arc::new(Int64Array::from(among))];
            check(&values, &among, &expected);
            let call = call(col("x"), &among).unwrap();
            let (value, held) = parts_of(&call).unwrap();
            prop_assert_eq!(value, &col("x"));
            prop_assert_eq!(held.len(), set.len());
        }
    }

    #[test]
    fn texts_and_the_largest_numbers_are_found() {
        let values: ArrayRef =
            Arc::new(StringArray::from(vec![Some("a"), None, Some(""), Some("é")]));
        let among: ArrayRef = Arc::new(StringArray::from(vec!["é", "é", "b", ""]));
        check(&values, &among, &[Some(false), None, Some(true), Some(true)]);
        let values: ArrayRef = Arc::new(UInt64Array::from(vec![u64::MAX, 0, 1]));
        let among: ArrayRef = Arc::new(UInt64Array::from(vec![u64::MAX, 1]));
        check(&values, &among, &[Some(true), Some(false), Some(true)]);
        let values: ArrayRef = Arc::new(Int64Array::from(vec![i64::MIN, i64::MAX, -1]));
        let among: ArrayRef = Arc::new(Int64Array::from(vec![i64::MIN, i64::MAX]));
        check(&values, &among, &[Some(true), Some(true), Some(false)]);
    }

    #[test]
    fn other_calls_have_no_parts() {
        assert!(parts_of(&lit(1)).is_none());
        assert!(parts_of(&col("x")).is_none());
    }
}
