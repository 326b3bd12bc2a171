//! What inner joins join, and all of their conditions, whichever way they are nested.

use std::collections::HashSet;
use std::sync::Arc;

use datafusion::common::tree_node::{TreeNode, TreeNodeRecursion};
use datafusion::common::{Column, DFSchemaRef, NullEquality, Result};
use datafusion::logical_expr::expr::{Exists, InSubquery};
use datafusion::logical_expr::utils::{conjunction, split_conjunction};
use datafusion::logical_expr::{
    Expr, Filter, Join, JoinType, LogicalPlan, LogicalPlanBuilder, Operator, Subquery, binary_expr,
};

use super::ranking::Ranking;
use crate::rewrite::cross_match::taken_apart;

/// Relations and the conditions on their product.
#[derive(Debug)]
pub(super) struct Relations {
    pub(super) schema: DFSchemaRef,
    pub(super) leaves: Vec<LogicalPlan>,
    pub(super) conjuncts: Vec<Expr>,
}

impl Relations {
    /// Takes joins apart. An outer join is an inner one where a condition on a distance that is the
    /// least one refuses the rows that it adds.
    pub(super) fn of(plan: &LogicalPlan, condition: Option<&Expr>) -> Result<Self> {
        let (mut leaves, mut conjuncts) = (Vec::new(), Vec::new());
        let mut refusing = HashSet::new();
        for conjunct in condition.into_iter().flat_map(split_conjunction) {
            if Ranking::read(conjunct)?.is_some_and(|ranking| ranking.is_of_least()) {
                refusing.extend(conjunct.column_refs().into_iter().cloned());
            }
            conjuncts.extend(taken_apart(conjunct));
        }
        take_apart(plan, &refusing, &mut leaves, &mut conjuncts);
        Ok(Self { schema: Arc::clone(plan.schema()), leaves, conjuncts })
    }
}

fn take_apart(
    plan: &LogicalPlan,
    refusing: &HashSet<Column>,
    leaves: &mut Vec<LogicalPlan>,
    conjuncts: &mut Vec<Expr>,
) {
    let refuses =
        |side: &LogicalPlan| refusing.iter().any(|column| side.schema().has_column(column));
    match plan {
        LogicalPlan::Join(join)
            if join.null_equality == NullEquality::NullEqualsNothing
                && match join.join_type {
                    JoinType::Inner => true,
                    JoinType::Left => refuses(&join.right),
                    JoinType::Right => refuses(&join.left),
                    _ => false,
                } =>
        {
            take_apart(&join.left, refusing, leaves, conjuncts);
            take_apart(&join.right, refusing, leaves, conjuncts);
            conjuncts.extend(conditions(join));
        }
        leaf => leaves.push(leaf.clone()),
    }
}

/// The conditions of a join.
pub(super) fn conditions(join: &Join) -> Vec<Expr> {
    let equalities = join.on.iter().map(|(a, b)| binary_expr(a.clone(), Operator::Eq, b.clone()));
    let others = join.filter.iter().flat_map(split_conjunction).flat_map(taken_apart);
    equalities.chain(others).collect()
}

/// The relation under all of its names.
pub(super) fn bare(plan: &LogicalPlan) -> &LogicalPlan {
    match plan {
        LogicalPlan::SubqueryAlias(alias) => bare(&alias.input),
        other => other,
    }
}

/// The columns of a query that an expression names, in its sub-queries too.
pub(super) fn columns(expr: &Expr) -> Result<HashSet<Column>> {
    let mut columns: HashSet<Column> = expr.column_refs().into_iter().cloned().collect();
    expr.apply(|node| {
        if let Expr::ScalarSubquery(subquery)
        | Expr::Exists(Exists { subquery, .. })
        | Expr::InSubquery(InSubquery { subquery, .. }) = node
        {
            columns.extend(outer_columns(subquery));
        }
        Ok(TreeNodeRecursion::Continue)
    })?;
    Ok(columns)
}

fn outer_columns(subquery: &Subquery) -> impl Iterator<Item = Column> {
    subquery.outer_ref_columns.iter().filter_map(|expr| match expr {
        Expr::OuterReferenceColumn(_, column) => Some(column.clone()),
        _ => None,
    })
}

/// The rows of a product for which conditions hold.
pub(super) fn product(
    first: LogicalPlan,
    others: Vec<LogicalPlan>,
    conjuncts: Vec<Expr>,
) -> Result<LogicalPlan> {
    let first = LogicalPlanBuilder::from(first);
    let plan = others.into_iter().try_fold(first, LogicalPlanBuilder::cross_join)?.build()?;
    filtered(plan, conjuncts)
}

/// The rows of a plan for which conditions hold.
pub(super) fn filtered(plan: LogicalPlan, conjuncts: Vec<Expr>) -> Result<LogicalPlan> {
    Ok(match conjunction(conjuncts) {
        Some(predicate) => LogicalPlan::Filter(Filter::try_new(predicate, Arc::new(plan))?),
        None => plan,
    })
}
