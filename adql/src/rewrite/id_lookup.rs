//! Which values of a column the filters of a scan ask for: what an id index is looked up with.
//!
//! Conservative: a row with another value makes the filters false or NULL. What is not a comparison
//! with constants that is exact (integers with integers, texts with texts) asks for nothing here.

use std::sync::Arc;

use datafusion::arrow::array::{Array, ArrayRef, StringArray};
use datafusion::arrow::compute::concat;
use datafusion::arrow::datatypes::DataType;
use datafusion::logical_expr::expr::InList;
use datafusion::logical_expr::utils::split_binary;
use datafusion::logical_expr::{BinaryExpr, Expr, Operator};

use super::long_list::integers;
use crate::function::is_among;

/// Values of a column that are asked for.
#[derive(Debug, Clone)]
pub struct IdSet {
    /// The column.
    pub column: String,
    /// The values, in the type of [`is_among::key_type`]; some may be there twice.
    pub values: ArrayRef,
}

/// What the filters ask for: each of the lists has a set that a row's value is in. `type_of` tells
/// the type of a column that can be looked up.
pub fn ids_of(filters: &[Expr], type_of: &dyn Fn(&str) -> Option<DataType>) -> Vec<Vec<IdSet>> {
    let conjuncts = filters.iter().flat_map(|filter| split_binary(filter, Operator::And));
    conjuncts.filter_map(|conjunct| asked(conjunct, type_of)).collect()
}

/// The sets of one of which a row has a value where a predicate is true; none where it may be true
/// of any row.
fn asked(predicate: &Expr, type_of: &dyn Fn(&str) -> Option<DataType>) -> Option<Vec<IdSet>> {
    match predicate {
        Expr::Alias(alias) => asked(&alias.expr, type_of),
        Expr::IsTrue(inner) => asked(inner, type_of),
        // One of them is enough; the others may narrow it at the rows.
        Expr::BinaryExpr(BinaryExpr { op: Operator::And, .. }) => {
            split_binary(predicate, Operator::And).into_iter().find_map(|p| asked(p, type_of))
        }
        Expr::BinaryExpr(BinaryExpr { op: Operator::Or, .. }) => {
            let alternatives = split_binary(predicate, Operator::Or).into_iter();
            // What a NULL in a list becomes is never true.
            let alternatives = alternatives.filter(|alternative| !is_null(alternative));
            let sets = alternatives.map(|p| asked(p, type_of)).collect::<Option<Vec<_>>>()?;
            by_column(sets.into_iter().flatten().collect())
        }
        Expr::BinaryExpr(BinaryExpr { left, op: Operator::Eq, right }) => {
            let (operand, literal) = match (left.as_ref(), right.as_ref()) {
                (literal @ Expr::Literal(..), operand) => (operand, literal),
                (operand, literal) => (operand, literal),
            };
            one_set(operand, std::slice::from_ref(literal), type_of)
        }
        Expr::InList(InList { expr, list, negated: false }) => one_set(expr, list, type_of),
        call @ Expr::ScalarFunction(_) => {
            let (operand, values) = is_among::parts_of(call)?;
            let (column, key_type) = operand_of(operand, type_of)?;
            let is_same = *values.data_type() == key_type;
            is_same.then(|| vec![IdSet { column: column.to_owned(), values }])
        }
        _ => None,
    }
}

fn one_set(
    operand: &Expr,
    literals: &[Expr],
    type_of: &dyn Fn(&str) -> Option<DataType>,
) -> Option<Vec<IdSet>> {
    let (column, key_type) = operand_of(operand, type_of)?;
    // NULL is equal to nothing.
    let literals = literals.iter().filter(|literal| !is_null(literal));
    let values =
        if key_type == DataType::Utf8 { texts(literals) } else { integers(literals, &key_type) };
    Some(vec![IdSet { column: column.to_owned(), values: values? }])
}

fn is_null(expr: &Expr) -> bool {
    matches!(expr, Expr::Literal(value, _) if value.is_null())
}

fn texts<'a>(literals: impl Iterator<Item = &'a Expr>) -> Option<ArrayRef> {
    let texts = literals.map(|literal| match literal {
        Expr::Literal(value, _) => value.try_as_str().flatten().map(Some),
        _ => None,
    });
    Some(Arc::new(texts.collect::<Option<StringArray>>()?))
}

/// The column that an operand is, and the type in which its values are compared. A cast between
/// integers, or to decimals without digits behind the point, keeps every value or has none.
fn operand_of<'a>(
    operand: &'a Expr,
    type_of: &dyn Fn(&str) -> Option<DataType>,
) -> Option<(&'a str, DataType)> {
    match operand {
        Expr::Column(column) => {
            let key_type = is_among::key_type(&type_of(&column.name)?)?;
            Some((&column.name, key_type))
        }
        Expr::Cast(cast) => {
            let (column, key_type) = operand_of(&cast.expr, type_of)?;
            let is_exact = match cast.field.data_type() {
                DataType::Decimal128(_, 0) => key_type != DataType::Utf8,
                other => is_among::key_type(other)
                    .is_some_and(|to| (to == DataType::Utf8) == (key_type == DataType::Utf8)),
            };
            is_exact.then_some((column, key_type))
        }
        _ => None,
    }
}

/// The sets with those of the same column as one.
fn by_column(sets: Vec<IdSet>) -> Option<Vec<IdSet>> {
    let mut merged: Vec<(String, Vec<ArrayRef>)> = Vec::new();
    for IdSet { column, values } in sets {
        match merged.iter_mut().find(|(name, _)| *name == column) {
            Some((_, parts)) => parts.push(values),
            None => merged.push((column, vec![values])),
        }
    }
    let as_one = |(column, parts): (String, Vec<ArrayRef>)| {
        let parts: Vec<&dyn Array> = parts.iter().map(AsRef::as_ref).collect();
        concat(&parts).ok().map(|values| IdSet { column, values })
    };
    merged.into_iter().map(as_one).collect()
}
