//! The resolved tree to DataFusion's logical plan.
//!
//! What only ADQL has becomes what SQL has: TOP and OFFSET a LIMIT (OFFSET acts first: ADQL 2.1,
//! section 4.10.1), functions the functions of a session ([`expression`]); then `SqlToRel` plans
//! over the columns that the query touches ([`context`]); of a long list of them, the first
//! ([`wide`]); casts have names of their own meanwhile ([`casts`]), set operations with ALL are made
//! to count ([`counted`]), and the operands of UNION get its names ([`operands`]).

mod arithmetic;
mod casts;
mod context;
mod counted;
mod expression;
mod operands;
mod wide;

use std::sync::Arc;

use datafusion::common::TableReference;
use datafusion::error::DataFusionError;
use datafusion::logical_expr::LogicalPlan;
use datafusion::sql::planner::{NullOrdering, ParserOptions, SqlToRel};
use datafusion::sql::sqlparser::ast::{
    BinaryOperator, Distinct, Expr, GroupByExpr, JoinConstraint, JoinOperator, LimitClause,
    OrderByKind, Query, Select, SelectItem, SetExpr, Statement, TableFactor, TableWithJoins, Top,
    TopQuantity,
};

use crate::parser::tree;
use crate::resolve::Resolved;
use crate::rewrite::nan_guard::guarded_source;
use crate::{Error, Schemas};
use context::Context;
pub(crate) use context::options;

/// Plans a query whose names are resolved.
pub(crate) fn lower(
    mut query: Query,
    resolved: &Resolved,
    schemas: &dyn Schemas,
) -> Result<LogicalPlan, Error> {
    self::query(&mut query)?;
    let columns = wide::take(&mut query);
    let mut context = Context::default();
    for (name, touched) in &resolved.tables {
        let mut columns: Vec<usize> = touched.columns.iter().copied().collect();
        if columns.is_empty() && !touched.table.columns.is_empty() {
            // COUNT(*) of a table without positions: rows need a column to be counted by.
            columns.push(0);
        }
        let source = schemas.source(name, &columns)?;
        let source = guarded_source(&touched.table, &columns, source);
        let reference = TableReference::partial(name.schema.as_str(), name.table.as_str());
        context.tables.insert(reference, source);
    }
    let options = ParserOptions {
        parse_float_as_decimal: false,
        enable_ident_normalization: false,
        support_varchar_with_length: false,
        enable_options_value_normalization: false,
        collect_spans: false,
        map_string_types_to_utf8view: false,
        default_null_ordering: NullOrdering::NullsMax,
    };
    let plan = SqlToRel::new_with_options(&context, options)
        .sql_statement_to_plan(Statement::Query(Box::new(query)));
    let plan = match columns {
        Some(columns) => plan.and_then(|plan| wide::put(plan, columns)),
        None => plan,
    };
    plan.and_then(casts::without_calls)
        .and_then(counted::count)
        .and_then(operands::name)
        .map_err(planning_error)
}

/// Takes an error of ours out of the ones that DataFusion has wrapped around it.
pub(crate) fn planning_error(error: DataFusionError) -> Error {
    match error {
        DataFusionError::External(inner) => match inner.downcast::<Error>() {
            Ok(ours) => *ours,
            Err(inner) => Error::Plan(DataFusionError::External(inner)),
        },
        DataFusionError::Context(_, inner) | DataFusionError::Diagnostic(_, inner) => {
            planning_error(*inner)
        }
        DataFusionError::Shared(shared) => match Arc::try_unwrap(shared) {
            Ok(inner) => planning_error(inner),
            Err(shared) => Error::Plan(DataFusionError::Shared(shared)),
        },
        other => Error::Plan(other),
    }
}

fn query(query: &mut Query) -> Result<(), Error> {
    if let Some(with) = &mut query.with {
        with.cte_tables.iter_mut().try_for_each(|cte| self::query(&mut cte.query))?;
    }
    if let Some(order_by) = &mut query.order_by
        && let OrderByKind::Expressions(terms) = &mut order_by.kind
    {
        terms.iter_mut().try_for_each(|term| expression::lower(&mut term.expr))?;
    }
    let top = match query.body.as_mut() {
        SetExpr::Select(select) => {
            self::select(select)?;
            select.top.take()
        }
        body => {
            set_expression(body)?;
            None
        }
    };
    if let Some(n) = top.as_ref().and_then(quantity) {
        let offset = match query.limit_clause.take() {
            Some(LimitClause::LimitOffset { offset, .. }) => offset,
            _ => None,
        };
        let limit = Some(tree::number(n));
        query.limit_clause = Some(LimitClause::LimitOffset { limit, offset, limit_by: vec![] });
    }
    Ok(())
}

/// The number after TOP; one beyond the largest number of rows is no limit.
fn quantity(top: &Top) -> Option<i64> {
    match top.quantity {
        Some(TopQuantity::Constant(n)) => i64::try_from(n).ok(),
        _ => None,
    }
}

fn set_expression(mut body: &mut SetExpr) -> Result<(), Error> {
    while let SetExpr::SetOperation { left, right, .. } = body {
        operand(right)?;
        body = left;
    }
    operand(body)
}

/// An operand of a set operation: its TOP is its own.
fn operand(operand: &mut SetExpr) -> Result<(), Error> {
    match operand {
        SetExpr::Query(query) => self::query(query),
        SetExpr::Select(select) => {
            self::select(select)?;
            let Some(n) = select.top.take().as_ref().and_then(quantity) else { return Ok(()) };
            let limit = Some(tree::number(n));
            let select = std::mem::replace(operand, SetExpr::Values(no_values()));
            *operand = SetExpr::Query(Box::new(Query {
                with: None,
                body: Box::new(select),
                order_by: None,
                limit_clause: Some(LimitClause::LimitOffset {
                    limit,
                    offset: None,
                    limit_by: vec![],
                }),
                fetch: None,
                locks: vec![],
                for_clause: None,
                settings: None,
                format_clause: None,
                pipe_operators: vec![],
            }));
            Ok(())
        }
        other => set_expression(other),
    }
}

fn no_values() -> datafusion::sql::sqlparser::ast::Values {
    datafusion::sql::sqlparser::ast::Values {
        explicit_row: false,
        value_keyword: false,
        rows: vec![],
    }
}

fn select(select: &mut Select) -> Result<(), Error> {
    if let Some(Distinct::All) = select.distinct {
        select.distinct = None;
    }
    for item in &mut select.projection {
        if let SelectItem::ExprWithAlias { expr, .. } | SelectItem::UnnamedExpr(expr) = item {
            expression::lower(expr)?;
        }
    }
    select.from.iter_mut().try_for_each(table_with_joins)?;
    if let Some(condition) = &mut select.selection {
        expression::lower(condition)?;
    }
    if let GroupByExpr::Expressions(terms, _) = &mut select.group_by {
        leave_constants_out(terms);
        terms.iter_mut().try_for_each(expression::lower)?;
    }
    match &mut select.having {
        Some(condition) => expression::lower(condition),
        None => Ok(()),
    }
}

/// Leaves constants out of GROUP BY, where they came from the select list and make no groups:
/// `SqlToRel` would take whole numbers for positions. One that is alone becomes a sum.
fn leave_constants_out(terms: &mut Vec<Expr>) {
    let is_constant = |term: &Expr| match tree::bare(term) {
        Expr::UnaryOp { expr, .. } => matches!(tree::bare(expr), Expr::Value(_)),
        other => matches!(other, Expr::Value(_)),
    };
    if terms.iter().any(|term| !is_constant(term)) {
        terms.retain(|term| !is_constant(term));
        return;
    }
    terms.truncate(1);
    if let Some(term) = terms.first_mut() {
        *term = tree::binary(tree::number(1), BinaryOperator::Plus, tree::number(1));
    }
}

fn table_with_joins(item: &mut TableWithJoins) -> Result<(), Error> {
    table_factor(&mut item.relation)?;
    for join in &mut item.joins {
        table_factor(&mut join.relation)?;
        if let JoinOperator::Join(JoinConstraint::On(condition))
        | JoinOperator::Inner(JoinConstraint::On(condition))
        | JoinOperator::Left(JoinConstraint::On(condition))
        | JoinOperator::LeftOuter(JoinConstraint::On(condition))
        | JoinOperator::Right(JoinConstraint::On(condition))
        | JoinOperator::RightOuter(JoinConstraint::On(condition))
        | JoinOperator::FullOuter(JoinConstraint::On(condition)) = &mut join.join_operator
        {
            expression::lower(condition)?;
        }
    }
    Ok(())
}

fn table_factor(factor: &mut TableFactor) -> Result<(), Error> {
    match factor {
        TableFactor::Derived { subquery, .. } => query(subquery),
        TableFactor::NestedJoin { table_with_joins: inner, .. } => table_with_joins(inner),
        _ => Ok(()),
    }
}

#[cfg(test)]
pub(crate) mod tests;
