//! Long lists of columns, beside `SqlToRel`.
//!
//! `SqlToRel` compares each item of a SELECT with each before it, by their texts: 1,300 columns take
//! it half a second. Of a list of nothing but columns it plans the first, and the others are put
//! beside that.

use std::sync::Arc;

use datafusion::common::{Column, TableReference, internal_err};
use datafusion::error::Result;
use datafusion::logical_expr::{Expr, LogicalPlan, Projection};
use datafusion::sql::sqlparser::ast::{self, GroupByExpr, Ident, Query, SelectItem, SetExpr};

/// Lists of fewer columns are planned as they are.
const LONG: usize = 4;

/// Takes the columns of the outermost SELECT out of a query, but for the first; none where it does
/// more than to list columns, or where they are few.
pub(super) fn take(query: &mut Query) -> Option<Vec<Expr>> {
    if query.order_by.is_some() {
        return None;
    }
    let SetExpr::Select(select) = query.body.as_mut() else { return None };
    let ungrouped =
        matches!(&select.group_by, GroupByExpr::Expressions(terms, _) if terms.is_empty());
    if select.projection.len() < LONG
        || select.distinct.is_some()
        || select.having.is_some()
        || !ungrouped
    {
        return None;
    }
    let columns = select.projection.iter().map(column).collect::<Option<Vec<_>>>()?;
    select.projection.truncate(1);
    Some(columns)
}

/// Makes the plan of the first column that of all.
pub(super) fn put(plan: LogicalPlan, columns: Vec<Expr>) -> Result<LogicalPlan> {
    match plan {
        LogicalPlan::Projection(projection) => {
            Projection::try_new(columns, projection.input).map(LogicalPlan::Projection)
        }
        LogicalPlan::Limit(mut limit) => {
            limit.input = Arc::new(put(Arc::unwrap_or_clone(limit.input), columns)?);
            Ok(LogicalPlan::Limit(limit))
        }
        other => internal_err!("a list of columns was planned as {}", other.display()),
    }
}

/// A column with the table that it is of, and its alias.
fn column(item: &SelectItem) -> Option<Expr> {
    match item {
        SelectItem::UnnamedExpr(expr) => named(expr),
        SelectItem::ExprWithAlias { expr, alias } => Some(named(expr)?.alias(&alias.value)),
        _ => None,
    }
}

fn named(expr: &ast::Expr) -> Option<Expr> {
    let ast::Expr::CompoundIdentifier(names) = expr else { return None };
    let text = |name: &Ident| name.value.clone();
    let (table, name) = match names.as_slice() {
        [table, name] => (TableReference::bare(text(table)), text(name)),
        [schema, table, name] => (TableReference::partial(text(schema), text(table)), text(name)),
        _ => return None,
    };
    Some(Expr::Column(Column::new(Some(table), name)))
}
