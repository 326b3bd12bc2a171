//! What in a sub-query is to blame for it not being evaluated.

use std::ops::ControlFlow;

use datafusion::sql::sqlparser::ast::{
    BinaryOperator, Expr, Query, Select, SelectItem, SetExpr, SetOperator, Spanned, TableFactor,
    Visit, Visitor, visit_expressions,
};

use super::{Clause, Role, SubQuery};
use crate::Error;
use crate::Place;
use crate::parser::{place, tree};
use crate::resolve::grouping::{has_aggregate, is_aggregate, is_grouped};
use crate::resolve::kind::shown;

/// A column of a query that is further out.
#[derive(Debug)]
pub(super) struct Outer {
    relation: String,
    /// With its relation.
    pub(super) name: String,
    place: Option<Place>,
}

/// What is not evaluated, and what to write.
pub(super) type Blame = (String, String);

/// The error about a sub-query that names a column of no query directly around it.
pub(super) fn too_far(sub: &SubQuery) -> Option<Error> {
    let outer = outer_columns(&sub.query);
    let far = outer.iter().find(|column| !sub.around.contains(&column.relation))?;
    Some(Error::NotEvaluable {
        construct: format!("{} in a sub-query of a sub-query", far.name),
        reason: "a sub-query names columns of its own tables and of the query directly around it: \
                 write a JOIN"
            .to_owned(),
        place: far.place,
    })
}

/// The error about a sub-query of a form that is not evaluated.
pub(super) fn error(sub: &SubQuery) -> Option<Error> {
    let outer = outer_columns(&sub.query);
    let blame = misplaced(sub, &outer).or_else(|| {
        let first = &outer.first()?.name;
        set_operation(sub, first)
            .or_else(|| cut(sub, first))
            .or_else(|| selected(sub, &outer))
            .or_else(|| several_rows(sub, first))
            .or_else(|| comparison(sub, &outer))
    });
    blame.map(|blame| not_evaluable(sub, blame))
}

/// The error about a sub-query that depends on the query around it, of whatever form.
pub(super) fn unknown(sub: &SubQuery) -> Option<Error> {
    let outer = outer_columns(&sub.query);
    let construct = format!("a sub-query that depends on {}", outer.first()?.name);
    let reason = "write a JOIN, with GROUP BY where it has an aggregate".to_owned();
    Some(not_evaluable(sub, (construct, reason)))
}

pub(super) fn not_evaluable(sub: &SubQuery, (construct, reason): Blame) -> Error {
    Error::NotEvaluable { construct, reason, place: place(sub.query.span()) }
}

fn blame(construct: String, reason: &str) -> Option<Blame> {
    Some((construct, reason.to_owned()))
}

/// The only SELECT of a sub-query.
pub(super) fn select(query: &Query) -> Option<&Select> {
    match query.body.as_ref() {
        SetExpr::Select(select) => Some(select),
        SetExpr::Query(inner) => select(inner),
        _ => None,
    }
}

/// In a clause where no sub-query of its kind may stand.
fn misplaced(sub: &SubQuery, outer: &[Outer]) -> Option<Blame> {
    let clause = match sub.clause {
        Clause::Select => "SELECT",
        Clause::GroupBy => "GROUP BY",
        Clause::OrderBy => "ORDER BY",
        Clause::OuterOn => "ON of an outer join",
        Clause::Where | Clause::Having => return None,
    };
    let in_from = "compute it in a sub-query in FROM";
    match (sub.role, sub.clause) {
        (Role::List | Role::Exists, _) => {
            let what = if sub.role == Role::List { "IN" } else { "EXISTS" };
            let advice = match sub.clause {
                Clause::OuterOn => "write the condition in a sub-query in FROM",
                _ => "write a LEFT JOIN, and CASE WHEN a column of it IS NULL",
            };
            blame(format!("{what} (SELECT …) in {clause}"), advice)
        }
        (Role::Value, _) => {
            let construct = format!("a sub-query that depends on {}", outer.first()?.name);
            match sub.clause {
                _ if sub.in_aggregate => blame(format!("{construct} in an aggregate"), in_from),
                Clause::OrderBy => blame(
                    format!("{construct} in {clause}"),
                    "select it under a name, and order by that",
                ),
                Clause::OuterOn | Clause::GroupBy => {
                    blame(format!("{construct} in {clause}"), in_from)
                }
                Clause::Select | Clause::Where | Clause::Having => None,
            }
        }
    }
}

fn set_operation(sub: &SubQuery, outer: &str) -> Option<Blame> {
    let SetExpr::SetOperation { op, .. } = sub.query.body.as_ref() else { return None };
    let advice = match (sub.role, op) {
        (Role::Value, _) => "write a JOIN and GROUP BY",
        (_, SetOperator::Intersect) => "write a condition for each SELECT, and AND between them",
        (_, SetOperator::Except | SetOperator::Minus) => {
            "write a condition for each SELECT, and AND NOT between them"
        }
        (_, SetOperator::Union) => "write a condition for each SELECT, and OR between them",
    };
    blame(format!("{op} in a sub-query that depends on {outer}"), advice)
}

/// By TOP, OFFSET or ORDER BY.
fn cut(sub: &SubQuery, outer: &str) -> Option<Blame> {
    let top = select(&sub.query).is_some_and(|select| select.top.is_some());
    let (word, advice) = match (sub.role, sub.query.order_by.is_some()) {
        (Role::Exists, true) => ("ORDER BY", "leave it out: any row will do"),
        (Role::Value, _) if top => ("TOP", "write MIN or MAX in it, or a JOIN and GROUP BY"),
        (_, _) if top => ("TOP", "write a JOIN and GROUP BY"),
        (_, _) if sub.query.limit_clause.is_some() => ("OFFSET", "write a JOIN and GROUP BY"),
        (_, true) => ("ORDER BY", "leave it out: the order has no meaning there"),
        _ => return None,
    };
    blame(format!("{word} in a sub-query that depends on {outer}"), advice)
}

/// By columns of the query around in the select list; beside aggregates of a value they may be.
fn selected(sub: &SubQuery, outer: &[Outer]) -> Option<Blame> {
    let column = items(select(&sub.query)?).find_map(|item| {
        if sub.role != Role::Value || !has_aggregate(item) {
            return names_any(item, outer);
        }
        let walk = visit_expressions(item, |part| {
            let found = is_aggregate(part).then(|| names_any(part, outer)).flatten();
            found.map_or(ControlFlow::Continue(()), ControlFlow::Break)
        });
        walk.break_value()
    })?;
    let advice = match sub.role {
        Role::Value => "write it outside of the sub-query",
        Role::List => "compare in WHERE, as in EXISTS (SELECT 1 FROM … WHERE …)",
        Role::Exists => "write EXISTS (SELECT 1 FROM …)",
    };
    blame(format!("{column} in the SELECT of a sub-query"), advice)
}

/// A value with more than one row.
fn several_rows(sub: &SubQuery, outer: &str) -> Option<Blame> {
    let select = select(&sub.query)?;
    if sub.role != Role::Value {
        return None;
    }
    let construct = format!("a sub-query as a value that depends on {outer}");
    if is_grouped(select) {
        let advice = "it may have several rows; leave GROUP BY out, or write a JOIN";
        return blame(format!("GROUP BY in {construct}"), advice);
    }
    let item = items(select).next()?;
    if has_aggregate(item) {
        return None;
    }
    let item = shown(item);
    let advice = format!("it may have several rows; write MIN({item}) in it, or a LEFT JOIN");
    Some((construct, advice))
}

/// An aggregate of rows that are not found by `=` of a column.
fn comparison(sub: &SubQuery, outer: &[Outer]) -> Option<Blame> {
    let select = select(&sub.query)?;
    if !items(select).any(has_aggregate) {
        return None;
    }
    let sub_query = match sub.role {
        Role::Value => "a sub-query as a value",
        Role::List | Role::Exists => "a sub-query with an aggregate",
    };
    let mut left: Vec<&Expr> = select.selection.iter().collect();
    while let Some(condition) = left.pop() {
        let (a, op, b) = match tree::bare(condition) {
            Expr::BinaryOp { left: a, op: BinaryOperator::And, right: b } => {
                left.extend([b.as_ref(), a.as_ref()]);
                continue;
            }
            Expr::BinaryOp { left: a, op, right: b } => (a, op, b),
            other => {
                let Some(name) = names_any(other, outer) else { continue };
                let construct = format!("{sub_query} that tests {name} otherwise than by =");
                return blame(construct, "write a JOIN and GROUP BY");
            }
        };
        let Some(name) = names_any(condition, outer) else { continue };
        if *op == BinaryOperator::Eq {
            let is_call = |e: &Expr| matches!(tree::bare(e), Expr::Function(_));
            if is_call(a) || is_call(b) {
                let construct = format!("{sub_query} that tests {name} otherwise than by =");
                return blame(construct, "write a JOIN and GROUP BY");
            }
            let is_column = |e: &Expr| matches!(tree::bare(e), Expr::CompoundIdentifier(_));
            let is_alone = |e: &Expr| is_column(e) && names_any(e, outer).is_none();
            if is_alone(a) || is_alone(b) {
                continue;
            }
            let construct = format!("{sub_query} that compares {name} with no column alone");
            let advice = "write a column of the sub-query alone on one side of =, or a JOIN and \
                          GROUP BY";
            return blame(construct, advice);
        }
        let construct = if *op == BinaryOperator::Or {
            format!("{sub_query} that tests {name} in OR")
        } else {
            format!("{sub_query} that compares with {name} by {op}")
        };
        return blame(construct, "write a JOIN and GROUP BY");
    }
    None
}

pub(super) fn items(select: &Select) -> impl Iterator<Item = &Expr> {
    select.projection.iter().filter_map(|item| match item {
        SelectItem::UnnamedExpr(expr) | SelectItem::ExprWithAlias { expr, .. } => Some(expr),
        _ => None,
    })
}

/// The first column of the query around that an expression or another part of a query names.
pub(super) fn names_any<'a>(tree: &impl Visit, outer: &'a [Outer]) -> Option<&'a str> {
    let mut names = Names::default();
    let walk = tree.visit(&mut names);
    debug_assert!(walk.is_continue(), "the walk above has no end before the last name");
    let mut named = names.columns.iter();
    named.find_map(|column| outer.iter().find(|o| o.name == column.name)).map(|o| o.name.as_str())
}

/// The columns that a sub-query names and that no relation in it has.
pub(super) fn outer_columns(query: &Query) -> Vec<Outer> {
    let mut names = Names::default();
    let walk = query.visit(&mut names);
    debug_assert!(walk.is_continue(), "the walk above has no end before the last name");
    let Names { relations, mut columns } = names;
    columns.retain(|column| !relations.contains(&column.relation));
    columns
}

/// All columns and relations that are named.
#[derive(Default)]
struct Names {
    relations: Vec<String>,
    columns: Vec<Outer>,
}

impl Visitor for Names {
    type Break = ();

    fn pre_visit_table_factor(&mut self, factor: &TableFactor) -> ControlFlow<()> {
        if let TableFactor::Table { alias: Some(alias), .. }
        | TableFactor::Derived { alias: Some(alias), .. } = factor
        {
            self.relations.push(alias.name.value.clone());
        }
        ControlFlow::Continue(())
    }

    fn pre_visit_expr(&mut self, expression: &Expr) -> ControlFlow<()> {
        if let Expr::CompoundIdentifier(parts) = expression
            && let [relation, name] = parts.as_slice()
        {
            self.columns.push(Outer {
                relation: relation.value.clone(),
                name: format!("{}.{}", relation.value, shown(expression)),
                place: place(name.span),
            });
        }
        ControlFlow::Continue(())
    }
}
