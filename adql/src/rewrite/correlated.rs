//! Columns of equal names that a sub-query compares with the query around it get names of their own.
//!
//! ```text
//! EXISTS (Filter: b.id = outer(c.id)     EXISTS (Filter: __outer_1 = outer(c.id)
//!           AND a.k = outer(b.id))                 AND …
//!           Join: a, b)             -->            Projection: *, b.id AS __outer_1, …
//!                                                    Join: a, b)
//! ```
//! DataFusion makes a join of such a sub-query and gives it one name, in which `a.id` and `b.id` are
//! both `id`: the first of them would be taken for the other. Runs before the analyzer.

use std::collections::{BTreeMap, BTreeSet};

use datafusion::common::tree_node::{Transformed, TreeNode, TreeNodeRecursion};
use datafusion::common::{Column, Result};
use datafusion::logical_expr::utils::{conjunction, split_conjunction};
use datafusion::logical_expr::{Expr, Filter, LogicalPlan, LogicalPlanBuilder, Subquery};

/// What the columns are called, with a number.
const NAME: &str = "__outer_";

/// The plan whose sub-queries tell their columns apart.
pub(crate) fn tell_apart(plan: LogicalPlan) -> Result<LogicalPlan> {
    let mut names = 0;
    let plan = plan.transform_up_with_subqueries(|node| {
        node.map_expressions(|expr| {
            expr.transform_up(|expr| match expr {
                Expr::Exists(mut exists) => {
                    let (subquery, changed) = renamed(exists.subquery, false, &mut names)?;
                    exists.subquery = subquery;
                    Ok(transformed(Expr::Exists(exists), changed))
                }
                Expr::InSubquery(mut among) => {
                    let (subquery, changed) = renamed(among.subquery, true, &mut names)?;
                    among.subquery = subquery;
                    Ok(transformed(Expr::InSubquery(among), changed))
                }
                Expr::ScalarSubquery(subquery) => {
                    let (subquery, changed) = renamed(subquery, true, &mut names)?;
                    Ok(transformed(Expr::ScalarSubquery(subquery), changed))
                }
                other => Ok(Transformed::no(other)),
            })
        })
    });
    plan.map(|plan| plan.data)
}

fn transformed(expr: Expr, changed: bool) -> Transformed<Expr> {
    Transformed::new(expr, changed, TreeNodeRecursion::Continue)
}

/// A sub-query with names of their own for columns that need them; whether there are any. Where the
/// columns of its rows matter, they have names as well.
fn renamed(subquery: Subquery, rows_matter: bool, names: &mut usize) -> Result<(Subquery, bool)> {
    let plan = subquery.subquery.as_ref();
    let mut relations: BTreeMap<String, BTreeSet<Option<String>>> = BTreeMap::new();
    let mut add = |column: &Column| {
        let relation = column.relation.as_ref().map(ToString::to_string);
        relations.entry(column.name.clone()).or_default().insert(relation);
    };
    if rows_matter {
        plan.schema().columns().iter().for_each(&mut add);
    }
    plan.apply(|node| {
        if let LogicalPlan::Filter(filter) = node {
            let conjuncts = split_conjunction(&filter.predicate).into_iter();
            let around = conjuncts.filter(|conjunct| conjunct.contains_outer());
            around.flat_map(Expr::column_refs).for_each(&mut add);
        }
        Ok(TreeNodeRecursion::Continue)
    })?;
    relations.retain(|_, relations| relations.len() > 1);
    if relations.is_empty() {
        return Ok((subquery, false));
    }
    let plan = plan.clone().transform_up(|node| match node {
        LogicalPlan::Filter(filter) => with_names(filter, &relations, names),
        other => Ok(Transformed::no(other)),
    })?;
    Ok((subquery.with_plan(plan.data.into()), true))
}

/// A filter whose comparisons with the query around name such columns anew.
fn with_names(
    filter: Filter,
    ambiguous: &BTreeMap<String, BTreeSet<Option<String>>>,
    names: &mut usize,
) -> Result<Transformed<LogicalPlan>> {
    let mut new: BTreeMap<Column, Column> = BTreeMap::new();
    let conjuncts = split_conjunction(&filter.predicate).into_iter().cloned();
    let conjuncts = conjuncts.map(|conjunct| {
        if !conjunct.contains_outer() {
            return Ok(conjunct);
        }
        let renamed = conjunct.transform_up(|expr| match expr {
            Expr::Column(column) if ambiguous.contains_key(&column.name) => {
                let name = new.entry(column).or_insert_with(|| {
                    *names += 1;
                    Column::from_name(format!("{NAME}{names}"))
                });
                Ok(Transformed::yes(Expr::Column(name.clone())))
            }
            other => Ok(Transformed::no(other)),
        });
        renamed.map(|renamed| renamed.data)
    });
    let conjuncts = conjuncts.collect::<Result<Vec<_>>>()?;
    if new.is_empty() {
        return Ok(Transformed::no(LogicalPlan::Filter(filter)));
    }
    let columns = filter.input.schema().columns();
    let all = columns.iter().cloned().map(Expr::Column);
    let aliases = new.iter().map(|(column, name)| Expr::Column(column.clone()).alias(&name.name));
    let plan = LogicalPlanBuilder::from(filter.input.as_ref().clone())
        .project(all.clone().chain(aliases).collect::<Vec<_>>())?
        .filter(conjunction(conjuncts).unwrap_or(filter.predicate))?
        .project(all.collect::<Vec<_>>())?;
    plan.build().map(Transformed::yes)
}
