//! Columns beside aggregates: in an aggregated SELECT, what is neither in GROUP BY nor in an
//! aggregate has no value.
//!
//! DataFusion decides (it also knows what depends on the columns of GROUP BY, as the other columns
//! of a derived table by its key do); of what it refused, this says the place and what would work.
//! An aggregate in GROUP BY it takes, and fails when the query runs: that is refused here.

use std::ops::ControlFlow;

use datafusion::sql::sqlparser::ast::{
    Expr, Function as Call, GroupByExpr, Ident, OrderByKind, Query, Select, SelectItem, SetExpr,
    Spanned, TableFactor, Visit, Visitor, visit_expressions_mut,
};

use super::kind::shown;
use crate::Error;
use crate::Place;
use crate::function;
use crate::parser::{place, tree};

/// Refuses a term of GROUP BY, whose names are resolved, that holds an aggregate.
pub(super) fn check_term(
    term: &mut Expr,
    written: &str,
    place: Option<Place>,
) -> Result<(), Error> {
    let whole = is_aggregate(tree::bare(term));
    let mut left = vec![term];
    while let Some(expression) = left.pop() {
        if is_aggregate(expression) {
            let verb = if whole { "is" } else { "holds" };
            let message = format!(
                "{written} {verb} the aggregate {}, which cannot stand in GROUP BY",
                shown(expression)
            );
            return Err(Error::NotAllowed { message, place });
        }
        tree::push_children(expression, &mut left);
    }
    Ok(())
}

/// Looks through a query, whose names are resolved, for a column that has no value beside
/// aggregates. The query is of no further use.
pub(super) fn explain(query: &mut Query) -> Result<(), Error> {
    // What DataFusion takes as equal.
    let walk: ControlFlow<()> = visit_expressions_mut(query, |expression| {
        while let Expr::Nested(inner) = expression {
            *expression = std::mem::replace(inner, tree::null());
        }
        if let Expr::Function(call) = expression {
            let name = Ident::new(call.name.to_string().to_ascii_uppercase());
            call.name = vec![Ident { span: call.name.span(), ..name }].into();
        }
        ControlFlow::Continue(())
    });
    debug_assert!(walk.is_continue(), "the walk above has no end before its last expression");
    match query.visit(&mut Queries) {
        ControlFlow::Break(error) => Err(error),
        ControlFlow::Continue(()) => Ok(()),
    }
}

pub(super) fn is_aggregate(expression: &Expr) -> bool {
    matches!(expression, Expr::Function(call) if is_aggregate_call(call))
}

fn is_aggregate_call(call: &Call) -> bool {
    function::lookup(&call.name.to_string()).is_some_and(function::Function::is_aggregate)
}

/// Visits each query, and in it each SELECT.
struct Queries;

impl Visitor for Queries {
    type Break = Error;

    fn pre_visit_query(&mut self, query: &Query) -> ControlFlow<Error> {
        let checked = selects(&query.body).into_iter().try_for_each(|select| check(select, query));
        checked.map_or_else(ControlFlow::Break, ControlFlow::Continue)
    }
}

/// The operands of a set operation that are no queries of their own; or the one SELECT.
pub(super) fn selects(mut body: &SetExpr) -> Vec<&Select> {
    let mut found = vec![];
    while let SetExpr::SetOperation { left, right, .. } = body {
        found.extend(selects(right));
        body = left;
    }
    if let SetExpr::Select(select) = body {
        found.push(select);
    }
    found.reverse();
    found
}

/// The clauses of an aggregated SELECT in which each column has to be grouped.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Clause {
    Select,
    Having,
    OrderBy,
}

fn check(select: &Select, query: &Query) -> Result<(), Error> {
    let terms = match &select.group_by {
        GroupByExpr::Expressions(terms, _) => terms.as_slice(),
        GroupByExpr::All(_) => &[],
    };
    let items = select.projection.iter().filter_map(|item| match item {
        SelectItem::UnnamedExpr(expression)
        | SelectItem::ExprWithAlias { expr: expression, .. } => Some((Clause::Select, expression)),
        _ => None,
    });
    let having = select.having.iter().map(|condition| (Clause::Having, condition));
    // The ORDER BY of a set operation takes its columns only.
    let order_by = match (query.body.as_ref(), &query.order_by) {
        (SetExpr::Select(_), Some(order_by)) => match &order_by.kind {
            OrderByKind::Expressions(terms) => terms.as_slice(),
            OrderByKind::All(_) => &[],
        },
        _ => &[],
    };
    let order_by = order_by.iter().map(|term| (Clause::OrderBy, &term.expr));
    let clauses: Vec<(Clause, &Expr)> = items.chain(having).chain(order_by).collect();

    let aggregated = clauses.iter().any(|(_, expression)| has_aggregate(expression));
    if terms.is_empty() && !aggregated {
        return match &select.having {
            Some(condition) => Err(Error::NotAllowed {
                message: "HAVING is for groups, and there is neither GROUP BY nor an aggregate: \
                          write WHERE"
                    .to_owned(),
                place: place(condition.span()),
            }),
            None => Ok(()),
        };
    }
    let own = relations(select);
    for (clause, expression) in clauses {
        let mut walk =
            Ungrouped { clause, own: &own, terms, queries: 0, outer: vec![], grouped: 0 };
        if let ControlFlow::Break(error) = expression.visit(&mut walk) {
            return Err(error);
        }
    }
    Ok(())
}

/// The names in the plan of the relations of FROM.
pub(super) fn relations(select: &Select) -> Vec<&str> {
    let mut found = vec![];
    let mut left: Vec<_> = select.from.iter().collect();
    while let Some(item) = left.pop() {
        let joined = item.joins.iter().map(|join| &join.relation);
        for factor in std::iter::once(&item.relation).chain(joined) {
            match factor {
                TableFactor::Table { alias: Some(alias), .. }
                | TableFactor::Derived { alias: Some(alias), .. } => {
                    found.push(alias.name.value.as_str());
                }
                TableFactor::NestedJoin { table_with_joins, .. } => left.push(table_with_joins),
                _ => {}
            }
        }
    }
    found
}

pub(super) fn is_grouped(select: &Select) -> bool {
    match &select.group_by {
        GroupByExpr::Expressions(terms, _) => !terms.is_empty(),
        GroupByExpr::All(_) => true,
    }
}

/// Whether an aggregate is in an expression, and not in a sub-query of it.
pub(super) fn has_aggregate(expression: &Expr) -> bool {
    expression.visit(&mut Aggregates::default()).is_break()
}

/// Ends at the first aggregate that is not in a sub-query.
#[derive(Default)]
struct Aggregates {
    queries: usize,
}

impl Visitor for Aggregates {
    type Break = ();

    fn pre_visit_query(&mut self, _: &Query) -> ControlFlow<()> {
        self.queries += 1;
        ControlFlow::Continue(())
    }

    fn post_visit_query(&mut self, _: &Query) -> ControlFlow<()> {
        self.queries -= 1;
        ControlFlow::Continue(())
    }

    fn pre_visit_expr(&mut self, expression: &Expr) -> ControlFlow<()> {
        if self.queries == 0 && is_aggregate(expression) {
            return ControlFlow::Break(());
        }
        ControlFlow::Continue(())
    }
}

/// Ends at a column of its SELECT that is not grouped, or at an aggregate in another.
struct Ungrouped<'a> {
    clause: Clause,
    /// The relations of the SELECT.
    own: &'a [&'a str],
    /// GROUP BY.
    terms: &'a [Expr],
    /// How many sub-queries are around.
    queries: usize,
    /// The aggregates that are around, with their places.
    outer: Vec<(String, Option<Place>)>,
    /// How many expressions are around that GROUP BY has.
    grouped: usize,
}

impl Ungrouped<'_> {
    fn is_own_aggregate(&self, expression: &Expr) -> bool {
        self.queries == 0 && is_aggregate(expression)
    }

    /// A column, with its table where GROUP BY has one of the same name.
    fn shown(&self, column: &Expr, relation: &Ident, name: &Ident) -> String {
        let is_namesake = |term: &Expr| match term {
            Expr::CompoundIdentifier(parts) => parts.last() == Some(name),
            _ => false,
        };
        let column = shown(column);
        if self.terms.iter().any(is_namesake) {
            return format!("{}.{column}", relation.value);
        }
        column
    }

    fn advice(&self, column: &str) -> String {
        match self.clause {
            Clause::Having => format!("write it in WHERE, or MIN({column})"),
            Clause::Select | Clause::OrderBy if self.terms.is_empty() => {
                format!("add GROUP BY {column}, or write MIN({column})")
            }
            Clause::Select | Clause::OrderBy => {
                format!("add it to GROUP BY, or write MIN({column})")
            }
        }
    }
}

impl Visitor for Ungrouped<'_> {
    type Break = Error;

    fn pre_visit_query(&mut self, _: &Query) -> ControlFlow<Error> {
        self.queries += 1;
        ControlFlow::Continue(())
    }

    fn post_visit_query(&mut self, _: &Query) -> ControlFlow<Error> {
        self.queries -= 1;
        ControlFlow::Continue(())
    }

    fn pre_visit_expr(&mut self, expression: &Expr) -> ControlFlow<Error> {
        self.grouped += usize::from(self.terms.contains(expression));
        match expression {
            Expr::Function(call) if self.is_own_aggregate(expression) => {
                if let Some((outer, place)) = self.outer.pop() {
                    let shown = shown(expression);
                    let message = format!(
                        "{outer} takes no other aggregate, as {shown} is: write that in a \
                         sub-query in FROM"
                    );
                    return ControlFlow::Break(Error::NotAllowed { message, place });
                }
                self.outer.push((call.name.to_string(), place(call.name.span())));
            }
            Expr::CompoundIdentifier(parts) if self.grouped == 0 && self.outer.is_empty() => {
                if let [relation, name] = parts.as_slice()
                    && self.own.contains(&relation.value.as_str())
                {
                    let column = self.shown(expression, relation, name);
                    let message = format!(
                        "{column} is neither in GROUP BY nor in an aggregate: {}",
                        self.advice(&column)
                    );
                    let place = place(name.span);
                    return ControlFlow::Break(Error::NotAllowed { message, place });
                }
            }
            _ => {}
        }
        ControlFlow::Continue(())
    }

    fn post_visit_expr(&mut self, expression: &Expr) -> ControlFlow<Error> {
        self.grouped -= usize::from(self.terms.contains(expression));
        if self.is_own_aggregate(expression) {
            self.outer.pop();
        }
        ControlFlow::Continue(())
    }
}
