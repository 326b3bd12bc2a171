//! Tables that are joined through a third one meet it first, one after the other.
//!
//! ```text
//! Join: near(a, c) AND near(b, c)        Join: near(b, c)
//!   Join: no condition                     Join: near(a, c)
//!     a                             -->      a
//!     b                                      c
//!   c                                      b
//! ```
//! In the order in which a query names its tables, all pairs of the first two would be formed.

use std::sync::Arc;

use datafusion::common::{DFSchema, Result};
use datafusion::logical_expr::utils::split_conjunction;
use datafusion::logical_expr::{Expr, Join, JoinType, LogicalPlan, LogicalPlanBuilder};

use crate::function::cross_match::is_call;

/// The same join in an order in which fewer pairs are formed; nothing where its order is good.
pub(super) fn reordered(join: &Join) -> Result<Option<LogicalPlan>> {
    let Some(filter) = join.filter.as_ref().filter(|_| join.join_type == JoinType::Inner) else {
        return Ok(None);
    };
    for (product, third) in [(&join.left, &join.right), (&join.right, &join.left)] {
        let Some((a, b)) = product_of(product) else { continue };
        for (first, last) in [(a, b), (b, a)] {
            let schemas = [first.schema().as_ref(), third.schema().as_ref()];
            let conjuncts = split_conjunction(filter).into_iter().cloned();
            let (early, late): (Vec<Expr>, Vec<Expr>) =
                conjuncts.partition(|conjunct| is_over(conjunct, schemas));
            if !early.iter().any(is_call) {
                continue;
            }
            let columns = join.schema.columns().into_iter().map(Expr::Column);
            let plan = LogicalPlanBuilder::from(LogicalPlan::clone(first))
                .join_on(LogicalPlan::clone(third), JoinType::Inner, early)?
                .join_on(LogicalPlan::clone(last), JoinType::Inner, late)?
                .project(columns)?
                .build()?;
            return Ok(Some(plan));
        }
    }
    Ok(None)
}

/// The two sides of a join without any condition.
fn product_of(plan: &LogicalPlan) -> Option<(&Arc<LogicalPlan>, &Arc<LogicalPlan>)> {
    match plan {
        LogicalPlan::Join(join)
            if join.join_type == JoinType::Inner && join.on.is_empty() && join.filter.is_none() =>
        {
            Some((&join.left, &join.right))
        }
        _ => None,
    }
}

fn is_over(expr: &Expr, schemas: [&DFSchema; 2]) -> bool {
    let columns = expr.column_refs();
    columns.iter().all(|column| schemas.iter().any(|schema| schema.has_column(column)))
}
