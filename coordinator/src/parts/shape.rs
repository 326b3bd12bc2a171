//! Which queries have as their answer the rows of their parts: those that look at one row at a time.
//!
//! ```text
//! Projection · Limit · Filter · SubqueryAlias     one above the other, no Filter above a Limit
//!   TableScan of a table with tiles               the only one
//! ```
//!
//! A join, an aggregate, DISTINCT, ORDER BY, OFFSET, a set operation and a sub-query see rows of
//! several parts, and what a volatile function says may depend on the rows before: all of them are
//! refused, as is any node that this list does not name.

use catalog::HatsTable;
use datafusion::common::tree_node::TreeNode as _;
use datafusion::datasource::source_as_provider;
use datafusion::logical_expr::{Expr, FetchType, Limit, LogicalPlan, SkipType};

/// A plan that looks at one row at a time.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct RowByRow {
    /// It wants so many rows, whichever.
    pub at_most: Option<u64>,
}

/// Tells whether an optimized plan is one.
pub fn row_by_row(plan: &LogicalPlan) -> Option<RowByRow> {
    let (mut node, mut filtered, mut at_most) = (plan, false, None);
    loop {
        if !node.expressions().iter().all(is_of_one_row) {
            return None;
        }
        let limit = match node {
            LogicalPlan::Limit(limit) => Some(rows_of(limit)?),
            LogicalPlan::TableScan(scan) => scan.fetch,
            _ => None,
        };
        if let Some(limit) = limit {
            if filtered {
                return None;
            }
            let limit = limit as u64;
            at_most = Some(at_most.map_or(limit, |other: u64| other.min(limit)));
        }
        node = match node {
            LogicalPlan::Projection(projection) => &projection.input,
            LogicalPlan::SubqueryAlias(alias) => &alias.input,
            LogicalPlan::Limit(limit) => &limit.input,
            LogicalPlan::Filter(filter) => {
                filtered = true;
                &filter.input
            }
            LogicalPlan::TableScan(scan) => {
                let provider = source_as_provider(&scan.source).ok()?;
                return provider.is::<HatsTable>().then_some(RowByRow { at_most });
            }
            _ => return None,
        };
    }
}

/// The rows of a limit that skips none.
fn rows_of(limit: &Limit) -> Option<usize> {
    match (limit.get_skip_type().ok()?, limit.get_fetch_type().ok()?) {
        (SkipType::Literal(0), FetchType::Literal(Some(rows))) => Some(rows),
        _ => None,
    }
}

fn is_of_one_row(expr: &Expr) -> bool {
    let sees_more = |expr: &Expr| {
        matches!(
            expr,
            Expr::ScalarSubquery(_)
                | Expr::InSubquery(_)
                | Expr::Exists(_)
                | Expr::SetComparison(_)
                | Expr::AggregateFunction(_)
                | Expr::WindowFunction(_)
        )
    };
    !expr.is_volatile() && !expr.exists(|expr| Ok(sees_more(expr))).unwrap_or(true)
}
