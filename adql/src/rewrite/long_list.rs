//! Long IN lists of integers or texts become `is_among`, whose literal is a hash table.
//!
//! ```text
//! id IN (17, 4, …, 99)     -->     is_among(id, [… hash table …])
//! ```
//! It stands for the list itself. Runs before the analyzer: that and the optimizer would go through
//! a list of a hundred thousand expressions many times, and each scan would build predicates of it
//! for each of its files. Statistics prune by its hull ([`super::statistics`]), the id index by its
//! values ([`super::id_lookup`]).

use std::sync::Arc;

use datafusion::arrow::array::{ArrayRef, Int64Array, StringArray, UInt64Array};
use datafusion::arrow::datatypes::DataType;
use datafusion::common::tree_node::{Transformed, TreeNode, TreeNodeRecursion};
use datafusion::common::{DFSchema, Result, ScalarValue};
use datafusion::logical_expr::expr::InList;
use datafusion::logical_expr::expr_rewriter::NamePreserver;
use datafusion::logical_expr::utils::merge_schema;
use datafusion::logical_expr::{Expr, ExprSchemable, LogicalPlan, not};

use super::any_expression;
use crate::function::is_among;

/// A list of fewer stays as it is: its values are looked for in statistics and bloom filters, which
/// for many values say "perhaps".
pub(super) const LENGTH_MIN: usize = 65;

/// The plan with `is_among` in place of long lists.
pub(crate) fn gather_long_lists(plan: LogicalPlan) -> Result<LogicalPlan> {
    if !any_expression(&plan, is_long_list)? {
        return Ok(plan);
    }
    let gathered = plan.transform_up_with_subqueries(|node| {
        let schema = merge_schema(&node.inputs());
        let names = NamePreserver::new(&node);
        let node = node.map_expressions(|expr| {
            if !expr.exists(|expr| Ok(is_long_list(expr)))? {
                return Ok(Transformed::no(expr));
            }
            let name = names.save(&expr);
            let gathered = expr.transform_down(|expr| gather(expr, &schema))?;
            Ok(gathered.update_data(|expr| name.restore(expr)))
        })?;
        node.map_data(LogicalPlan::recompute_schema)
    })?;
    Ok(gathered.data)
}

fn is_long_list(expr: &Expr) -> bool {
    matches!(expr, Expr::InList(InList { list, .. }) if list.len() >= LENGTH_MIN)
}

fn gather(expr: Expr, schema: &DFSchema) -> Result<Transformed<Expr>> {
    let Expr::InList(InList { expr: value, list, negated }) = &expr else {
        return Ok(Transformed::no(expr));
    };
    if !is_long_list(&expr) {
        return Ok(Transformed::no(expr));
    }
    let key_type = value.get_type(schema).ok().and_then(|t| is_among::key_type(&t));
    let Some(values) = key_type.and_then(|key_type| literals(list, &key_type)) else {
        return Ok(Transformed::no(expr));
    };
    let call = is_among::call(value.as_ref().clone(), &values)?;
    let call = if *negated { not(call) } else { call };
    Ok(Transformed::new(call, true, TreeNodeRecursion::Jump))
}

/// The values of literals that a value of the key type can have; none if one is NULL, or something
/// else than what is compared with this type exactly.
fn literals(list: &[Expr], key_type: &DataType) -> Option<ArrayRef> {
    if *key_type == DataType::Utf8 {
        let texts = list.iter().map(|item| match item {
            Expr::Literal(value, _) => value.try_as_str().flatten(),
            _ => None,
        });
        return Some(Arc::new(texts.map(|text| text.map(Some)).collect::<Option<StringArray>>()?));
    }
    integers(list.iter(), key_type)
}

/// The values of literals that are whole numbers, as far as the key type has them; none if one is
/// anything else.
pub(super) fn integers<'a>(
    literals: impl Iterator<Item = &'a Expr>,
    key_type: &DataType,
) -> Option<ArrayRef> {
    let numbers: Vec<i128> = literals.map(integer).collect::<Option<_>>()?;
    let numbers = numbers.into_iter();
    Some(if *key_type == DataType::UInt64 {
        Arc::new(UInt64Array::from_iter_values(numbers.filter_map(|n| u64::try_from(n).ok())))
    } else {
        Arc::new(Int64Array::from_iter_values(numbers.filter_map(|n| i64::try_from(n).ok())))
    })
}

/// The whole number that a literal is.
fn integer(expr: &Expr) -> Option<i128> {
    let Expr::Literal(value, _) = expr else { return None };
    match value {
        ScalarValue::Int8(value) => value.map(i128::from),
        ScalarValue::Int16(value) => value.map(i128::from),
        ScalarValue::Int32(value) => value.map(i128::from),
        ScalarValue::Int64(value) => value.map(i128::from),
        ScalarValue::UInt8(value) => value.map(i128::from),
        ScalarValue::UInt16(value) => value.map(i128::from),
        ScalarValue::UInt32(value) => value.map(i128::from),
        ScalarValue::UInt64(value) => value.map(i128::from),
        ScalarValue::Decimal128(value, _, 0) => *value,
        _ => None,
    }
}
