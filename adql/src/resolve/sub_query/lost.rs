//! Sub-queries that depend on the query around them, of which DataFusion makes joins with other
//! answers.
//!
//! An aggregate without GROUP BY has a row even of no rows; as a join, it has none where no row is
//! found. A value that is never NULL in the sub-query is one in the join, where IS NULL is taken as
//! false before. EXISTS forgets OFFSET. In FROM a column of the query around is lost on the way
//! out, and with it rows of outer joins.

use datafusion::sql::sqlparser::ast::{
    BinaryOperator, Expr, JoinConstraint, JoinOperator, LimitClause, Query, Select, TableFactor,
    TableWithJoins, Value,
};

use super::blame::{Blame, Outer, items, names_any, not_evaluable, outer_columns, select};
use super::{Role, SubQuery};
use crate::Error;
use crate::parser::tree;
use crate::resolve::grouping::{has_aggregate, is_grouped};

/// The error about a sub-query that would be evaluated wrongly.
pub(super) fn error(sub: &SubQuery) -> Option<Error> {
    let outer = outer_columns(&sub.query);
    wrong(sub, &outer).map(|blame| not_evaluable(sub, blame))
}

fn wrong(sub: &SubQuery, outer: &[Outer]) -> Option<Blame> {
    let first = &outer.first()?.name;
    let blame = |what: &str, advice: &str| -> Option<Blame> {
        Some((format!("{what} in a sub-query that depends on {first}"), advice.to_owned()))
    };
    let select = select(&sub.query)?;
    if let Some(name) = select.from.iter().find_map(|item| named_in(item, outer)) {
        let advice = "write the condition in WHERE of the sub-query";
        return Some((format!("{name} in FROM of a sub-query"), advice.to_owned()));
    }
    if sub.role == Role::Exists && has_offset(&sub.query) {
        return blame("OFFSET", "write a JOIN and GROUP BY with HAVING COUNT(*)");
    }
    let has_row = has_row_of_none(select, outer);
    let is_null = items(select).next().is_some_and(|item| of_none(item) == OfNone::Null);
    let has_wrong_having = match sub.role {
        Role::Exists if has_row => {
            let advice = "it always has a row; write EXISTS (SELECT 1 …)";
            return blame("an aggregate without GROUP BY", advice);
        }
        Role::Exists => false,
        Role::List => has_row,
        Role::Value => !is_grouped(select) && (has_row || !is_null),
    };
    if select.having.is_some() && has_wrong_having {
        return blame("HAVING", "write CASE around the sub-query, or a LEFT JOIN and GROUP BY");
    }
    None
}

/// The first column of the query around that an item of FROM names, otherwise than in ON of an inner
/// join.
fn named_in<'a>(item: &TableWithJoins, outer: &'a [Outer]) -> Option<&'a str> {
    let factor = |factor: &TableFactor| match factor {
        TableFactor::NestedJoin { table_with_joins, .. } => named_in(table_with_joins, outer),
        other => names_any(other, outer),
    };
    factor(&item.relation).or_else(|| {
        item.joins.iter().find_map(|join| {
            let on = match &join.join_operator {
                JoinOperator::Left(JoinConstraint::On(on))
                | JoinOperator::LeftOuter(JoinConstraint::On(on))
                | JoinOperator::Right(JoinConstraint::On(on))
                | JoinOperator::RightOuter(JoinConstraint::On(on))
                | JoinOperator::FullOuter(JoinConstraint::On(on)) => names_any(on, outer),
                _ => None,
            };
            on.or_else(|| factor(&join.relation))
        })
    })
}

fn has_offset(query: &Query) -> bool {
    match &query.limit_clause {
        Some(LimitClause::LimitOffset { offset: Some(offset), .. }) => {
            offset.value.to_string() != "0"
        }
        _ => false,
    }
}

/// Whether a SELECT of rows that depend on the query around may have a row where there are none.
fn has_row_of_none(select: &Select, outer: &[Outer]) -> bool {
    let aggregated = items(select).chain(&select.having).any(has_aggregate);
    let depends =
        names_any(&select.from, outer).is_some() || names_any(&select.selection, outer).is_some();
    aggregated && depends && !is_grouped(select) && select.having.as_ref().is_none_or(may_hold)
}

/// What an expression is where there are no rows.
#[derive(Debug, Clone, Copy, PartialEq)]
enum OfNone {
    Null,
    Number(f64),
    Unknown,
}

fn of_none(expression: &Expr) -> OfNone {
    match tree::bare(expression) {
        Expr::Value(value) => match &value.value {
            Value::Number(digits, _) => digits.parse().map_or(OfNone::Unknown, OfNone::Number),
            _ => OfNone::Unknown,
        },
        Expr::Function(call) => match call.name.to_string().to_ascii_uppercase().as_str() {
            "COUNT" => OfNone::Number(0.0),
            "MIN" | "MAX" | "SUM" | "AVG" => OfNone::Null,
            _ => OfNone::Unknown,
        },
        Expr::BinaryOp {
            left,
            op:
                BinaryOperator::Plus
                | BinaryOperator::Minus
                | BinaryOperator::Multiply
                | BinaryOperator::Divide,
            right,
        } => match (of_none(left), of_none(right)) {
            (OfNone::Null, _) | (_, OfNone::Null) => OfNone::Null,
            _ => OfNone::Unknown,
        },
        _ => OfNone::Unknown,
    }
}

/// Whether a condition on groups may be true where there are no rows.
fn may_hold(condition: &Expr) -> bool {
    match tree::bare(condition) {
        Expr::BinaryOp { left, op: BinaryOperator::And, right } => {
            may_hold(left) && may_hold(right)
        }
        Expr::IsNotNull(inner) => of_none(inner) != OfNone::Null,
        Expr::BinaryOp { left, op, right } => {
            let holds: fn(&f64, &f64) -> bool = match op {
                BinaryOperator::Eq => f64::eq,
                BinaryOperator::NotEq => f64::ne,
                BinaryOperator::Lt => f64::lt,
                BinaryOperator::LtEq => f64::le,
                BinaryOperator::Gt => f64::gt,
                BinaryOperator::GtEq => f64::ge,
                _ => return true,
            };
            match (of_none(left), of_none(right)) {
                (OfNone::Null, _) | (_, OfNone::Null) => false,
                (OfNone::Number(left), OfNone::Number(right)) => holds(&left, &right),
                _ => true,
            }
        }
        _ => true,
    }
}
