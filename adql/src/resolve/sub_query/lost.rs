//! Sub-queries that depend on the query around them, of which DataFusion makes joins with other
//! answers.
//!
//! An aggregate without GROUP BY has a row even of no rows; as a join, it has none where no row is
//! found. A value that is never NULL in the sub-query is one in the join, where IS NULL is taken as
//! false before. EXISTS forgets OFFSET, and outer joins lose their rows below a condition on one side.

use std::ops::ControlFlow;

use datafusion::sql::sqlparser::ast::{
    BinaryOperator, Expr, GroupByExpr, JoinOperator, LimitClause, Query, Select, TableFactor,
    TableWithJoins, Value, Visit, Visitor,
};

use super::blame::{Blame, Outer, items, names_any, not_evaluable, outer_columns, select};
use super::{Role, SubQuery};
use crate::Error;
use crate::parser::tree;
use crate::resolve::grouping::has_aggregate;

const JOIN: &str = "write a LEFT JOIN and GROUP BY";

/// The error about a sub-query that would be evaluated wrongly.
pub(super) fn error(sub: &SubQuery) -> Option<Error> {
    let outer = outer_columns(&sub.query);
    let name = &outer.first()?.name;
    let (what, advice) = wrong(sub, &outer)?;
    let construct = format!("{what} in a sub-query that depends on {name}");
    let blame: Blame = (construct, advice.to_owned());
    Some(not_evaluable(sub, blame))
}

/// What is wrong, and what to write.
fn wrong(sub: &SubQuery, outer: &[Outer]) -> Option<(&'static str, &'static str)> {
    let select = select(&sub.query)?;
    let mut from = From { outer, found: None, offset: sub.role == Role::Exists };
    let walk = from.pre_visit_select(select);
    if walk.is_break() || select.from.visit(&mut from).is_break() {
        return from.found;
    }
    if sub.role == Role::Exists && has_offset(&sub.query) {
        return Some(("OFFSET", "write a JOIN and GROUP BY with HAVING COUNT(*)"));
    }
    let of_none = items(select).next().map_or(OfNone::Unknown, of_none);
    let is_null = of_none == OfNone::Null;
    let has_row = has_row_of_none(select, outer);
    match sub.role {
        Role::Exists if has_row => Some((
            "an aggregate without GROUP BY",
            "it always has a row; write EXISTS (SELECT 1 …)",
        )),
        Role::List if has_row && !(sub.is_condition && is_null) => Some((
            "an aggregate without GROUP BY",
            "write it as a value, with = in the place of IN",
        )),
        Role::Value if select.having.is_some() && (has_row || !is_null) => {
            Some(("HAVING", "write CASE around the sub-query, or a LEFT JOIN and GROUP BY"))
        }
        Role::Value if is_grouped(select) && !is_null && items(select).any(has_aggregate) => {
            Some(("GROUP BY", "leave GROUP BY out, or write a LEFT JOIN"))
        }
        Role::Exists | Role::List | Role::Value => None,
    }
}

fn has_offset(query: &Query) -> bool {
    match &query.limit_clause {
        Some(LimitClause::LimitOffset { offset: Some(offset), .. }) => {
            offset.value.to_string() != "0"
        }
        _ => false,
    }
}

fn is_grouped(select: &Select) -> bool {
    match &select.group_by {
        GroupByExpr::Expressions(terms, _) => !terms.is_empty(),
        GroupByExpr::All(_) => true,
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

/// Looks through FROM, and the queries in it.
struct From<'a> {
    outer: &'a [Outer],
    /// Whether OFFSET is forgotten.
    offset: bool,
    found: Option<(&'static str, &'static str)>,
}

impl From<'_> {
    fn end(&mut self, what: &'static str, advice: &'static str) -> ControlFlow<()> {
        self.found = Some((what, advice));
        ControlFlow::Break(())
    }

    fn joined(&mut self, item: &TableWithJoins) -> ControlFlow<()> {
        if self.loses_rows(item) {
            return self.end("an outer join with (SELECT …)", JOIN);
        }
        ControlFlow::Continue(())
    }

    fn loses_rows(&self, item: &TableWithJoins) -> bool {
        let depends = |factor: &TableFactor| names_any(factor, self.outer).is_some();
        let mut before = depends(&item.relation);
        item.joins.iter().any(|join| {
            let (left, right) = (before, depends(&join.relation));
            before |= right;
            match &join.join_operator {
                JoinOperator::Left(_) | JoinOperator::LeftOuter(_) => right,
                JoinOperator::Right(_) | JoinOperator::RightOuter(_) => left,
                JoinOperator::FullOuter(_) => left || right,
                _ => false,
            }
        })
    }
}

impl Visitor for From<'_> {
    type Break = ();

    fn pre_visit_query(&mut self, query: &Query) -> ControlFlow<()> {
        let Some(select) = select(query) else { return ControlFlow::Continue(()) };
        if self.offset && has_offset(query) && names_any(query, self.outer).is_some() {
            return self.end("OFFSET", "write a JOIN and GROUP BY with HAVING COUNT(*)");
        }
        if has_row_of_none(select, self.outer) {
            return self.end("an aggregate without GROUP BY in FROM", JOIN);
        }
        ControlFlow::Continue(())
    }

    fn pre_visit_select(&mut self, select: &Select) -> ControlFlow<()> {
        select.from.iter().try_for_each(|item| self.joined(item))
    }

    fn pre_visit_table_factor(&mut self, factor: &TableFactor) -> ControlFlow<()> {
        match factor {
            TableFactor::NestedJoin { table_with_joins, .. } => self.joined(table_with_joins),
            _ => ControlFlow::Continue(()),
        }
    }
}
