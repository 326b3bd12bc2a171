//! Sub-queries in conditions and values that are not evaluated: which it is, and what to write.
//!
//! DataFusion makes joins of some forms of sub-queries that depend on the query around them, and
//! leaves others ([`rewrite`](crate::rewrite)). For a query with one that it left, this looks in
//! the text for what is to blame.

mod blame;
mod lost;

use std::ops::ControlFlow;

use datafusion::sql::sqlparser::ast::{
    Expr, GroupByExpr, JoinConstraint, JoinOperator, OrderByKind, Query, Select, SelectItem,
    SetExpr, TableFactor, Visit, Visitor,
};

use super::grouping::{is_aggregate, relations, selects};
use crate::Error;

/// What a sub-query is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Role {
    Value,
    List,
    Exists,
}

/// Where a sub-query stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Clause {
    Select,
    OuterOn,
    /// WHERE, or ON of an inner join, which is the same.
    Where,
    GroupBy,
    Having,
    OrderBy,
}

/// A sub-query in a condition or value of a query whose names are resolved.
#[derive(Debug)]
struct SubQuery {
    query: Query,
    role: Role,
    clause: Clause,
    in_aggregate: bool,
    /// The relations of the SELECT around it.
    around: Vec<String>,
}

/// What is to blame for a sub-query that is not evaluated, if that can be told.
pub(super) fn explain(query: &Query) -> Result<(), Error> {
    let found = sub_queries(query);
    let far = found.iter().find_map(blame::too_far);
    far.or_else(|| found.iter().find_map(blame::error)).map_or(Ok(()), Err)
}

/// The first sub-query that depends on the query around it, as what is not evaluated.
pub(super) fn explain_any(query: &Query) -> Result<(), Error> {
    sub_queries(query).iter().find_map(blame::unknown).map_or(Ok(()), Err)
}

/// Refuses a sub-query that would be evaluated wrongly.
pub(super) fn check(query: &Query) -> Result<(), Error> {
    sub_queries(query).iter().find_map(lost::error).map_or(Ok(()), Err)
}

fn sub_queries(query: &Query) -> Vec<SubQuery> {
    let mut queries = Queries::default();
    let walk = query.visit(&mut queries);
    debug_assert!(walk.is_continue(), "the walk above has no end before the last query");
    queries.found
}

/// Visits each query, and finds the sub-queries in its conditions and values.
#[derive(Default)]
struct Queries {
    found: Vec<SubQuery>,
}

impl Visitor for Queries {
    type Break = ();

    fn pre_visit_query(&mut self, query: &Query) -> ControlFlow<()> {
        let mut order_by: &[_] = &[];
        if let (SetExpr::Select(_), Some(clause)) = (query.body.as_ref(), &query.order_by)
            && let OrderByKind::Expressions(terms) = &clause.kind
        {
            order_by = terms;
        }
        for select in selects(&query.body) {
            let mut clauses = clauses(select);
            clauses.extend(order_by.iter().map(|term| (Clause::OrderBy, &term.expr)));
            let around: Vec<String> = relations(select).into_iter().map(str::to_owned).collect();
            for (clause, expression) in clauses {
                let found = &mut self.found;
                let around = &around;
                let mut walk = Within { clause, around, queries: 0, aggregates: 0, found };
                expression.visit(&mut walk)?;
            }
        }
        ControlFlow::Continue(())
    }
}

fn clauses(select: &Select) -> Vec<(Clause, &Expr)> {
    let mut clauses = vec![];
    for item in &select.projection {
        if let SelectItem::UnnamedExpr(expr) | SelectItem::ExprWithAlias { expr, .. } = item {
            clauses.push((Clause::Select, expr));
        }
    }
    let mut left: Vec<_> = select.from.iter().collect();
    while let Some(item) = left.pop() {
        let factors = item.joins.iter().map(|join| &join.relation);
        left.extend(std::iter::once(&item.relation).chain(factors).filter_map(|f| match f {
            TableFactor::NestedJoin { table_with_joins, .. } => Some(table_with_joins.as_ref()),
            _ => None,
        }));
        clauses.extend(item.joins.iter().filter_map(|join| match &join.join_operator {
            JoinOperator::Join(JoinConstraint::On(condition))
            | JoinOperator::Inner(JoinConstraint::On(condition)) => {
                Some((Clause::Where, condition))
            }
            JoinOperator::Left(JoinConstraint::On(condition))
            | JoinOperator::LeftOuter(JoinConstraint::On(condition))
            | JoinOperator::Right(JoinConstraint::On(condition))
            | JoinOperator::RightOuter(JoinConstraint::On(condition))
            | JoinOperator::FullOuter(JoinConstraint::On(condition)) => {
                Some((Clause::OuterOn, condition))
            }
            _ => None,
        }));
    }
    clauses.extend(select.selection.iter().map(|condition| (Clause::Where, condition)));
    if let GroupByExpr::Expressions(terms, _) = &select.group_by {
        clauses.extend(terms.iter().map(|term| (Clause::GroupBy, term)));
    }
    clauses.extend(select.having.iter().map(|condition| (Clause::Having, condition)));
    clauses
}

/// Finds the sub-queries of one expression, and not those within them.
struct Within<'a> {
    clause: Clause,
    around: &'a [String],
    /// How many sub-queries are around.
    queries: usize,
    /// How many aggregates are around.
    aggregates: usize,
    found: &'a mut Vec<SubQuery>,
}

impl Visitor for Within<'_> {
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
        if self.queries > 0 {
            return ControlFlow::Continue(());
        }
        self.aggregates += usize::from(is_aggregate(expression));
        let (role, query) = match expression {
            Expr::Subquery(query) => (Role::Value, query),
            Expr::InSubquery { subquery, .. } => (Role::List, subquery),
            Expr::Exists { subquery, .. } => (Role::Exists, subquery),
            _ => return ControlFlow::Continue(()),
        };
        self.found.push(SubQuery {
            query: query.as_ref().clone(),
            role,
            clause: self.clause,
            in_aggregate: self.aggregates > 0,
            around: self.around.to_vec(),
        });
        ControlFlow::Continue(())
    }

    fn post_visit_expr(&mut self, expression: &Expr) -> ControlFlow<()> {
        if self.queries == 0 {
            self.aggregates -= usize::from(is_aggregate(expression));
        }
        ControlFlow::Continue(())
    }
}
