//! The join of rows with the nearest ones of a table, out of joins and a condition that ranks.

use std::collections::HashSet;
use std::sync::Arc;

use datafusion::common::tree_node::TreeNode as _;
use datafusion::common::{Column, DFSchema, Result, ScalarValue};
use datafusion::logical_expr::utils::conjunction;
use datafusion::logical_expr::{
    BinaryExpr, Expr, Extension, Join, JoinType, LogicalPlan, LogicalPlanBuilder, lit,
};

use super::node::Nearest;
use super::ranking::{Ranked, Ranking, coerced};
use super::relations::{Relations, bare, columns, conditions, filtered, product};
use super::{child, refuse};
use crate::function::cross_match::Bound;
use crate::function::nearest;
use crate::rewrite::constant::{constant, number};
use crate::rewrite::cross_match::{Near, Reader};
use crate::rewrite::scaled_distance::unscaled;
use crate::rewrite::sky_predicate::Place;

/// Inner joins with a condition that ranks the rows of one of the relations.
///
/// ```text
/// a, b, c WHERE nearest(a, b) AND …      Filter: all else
///                                          Product
///                                   -->      Nearest
///                                              a and what is joined to it without b
///                                              b
///                                            c
/// ```
pub(super) fn inner(relations: &Relations) -> Result<LogicalPlan> {
    let Relations { schema, leaves, conjuncts } = relations;
    let (ranking, mut conjuncts) = first_ranking(conjuncts)?;
    let mut ranked = None;
    for (at, leaf) in leaves.iter().enumerate() {
        if ranked.is_none() && bare(leaf) == bare(&ranking.relation) {
            ranked = ranking.of(leaf.schema(), schema)?.map(|ranked| (at, ranked));
        }
    }
    let Some((at, ranked)) = ranked else { return refuse(OTHER_TABLE) };
    let leaf = &leaves[at];
    let place = &ranked.places[0];
    let wanted = [place.ra.column_refs(), place.dec.column_refs()];
    let wanted = wanted.into_iter().flatten().cloned().collect();
    let with = joined_without(leaves, at, wanted, &conjuncts)?;
    let (mut left, mut others) = (Vec::new(), Vec::new());
    for (number, other) in leaves.iter().enumerate().filter(|(number, _)| *number != at) {
        if with.contains(&number) { left.push(other.clone()) } else { others.push(other.clone()) }
    }
    if left.is_empty() {
        return refuse(OTHER_TABLE);
    }
    let left = product(left.remove(0), left, Vec::new())?;
    let taken = take(&ranking, ranked, (left.schema(), leaf.schema()), &mut conjuncts)?;
    let (mut own, mut rest) = (Vec::new(), Vec::new());
    for conjunct in conjuncts {
        let columns = columns(&conjunct)?;
        if columns.is_empty() && conjunct.is_volatile() {
            return refuse(format!(
                "{conjunct} cannot be beside it: write it around the query that has the condition"
            ));
        }
        // What compares with a query around this one stays where DataFusion finds it.
        let is_own = !columns.is_empty()
            && !conjunct.is_volatile()
            && !conjunct.contains_outer()
            && columns.iter().all(|column| left.schema().has_column(column));
        if is_own { own.push(conjunct) } else { rest.push(conjunct) }
    }
    refuse_same_names(&rest)?;
    let left = filtered(left, own)?;
    let node = taken.node(left, leaf, JoinType::Inner, lit(true))?;
    let plan = product(node, others, rest)?;
    in_order(plan, schema)
}

const OTHER_TABLE: &str = "the sub-query has to read the very table, or the same query of WITH, that \
     is joined, and to compare distances from one place: DISTANCE(a.ra, a.dec, n.ra, n.dec) with \
     DISTANCE(a.ra, a.dec, b.ra, b.dec), n and b being names of it. Where b is joined by a LEFT \
     JOIN, write the condition in its ON";

/// An outer join whose condition ranks the rows that it adds.
pub(super) fn outer(join: &Join) -> Result<LogicalPlan> {
    let (left, right) = match join.join_type {
        JoinType::Left => (&join.left, &join.right),
        JoinType::Right => (&join.right, &join.left),
        other => return refuse(format!("a {other} join has none: write a LEFT JOIN")),
    };
    let (ranking, mut conjuncts) = first_ranking(&conditions(join))?;
    let ranked = if bare(right) == bare(&ranking.relation) {
        ranking.of(right.schema(), &join.schema)?
    } else {
        None
    };
    let Some(ranked) = ranked else { return refuse(OTHER_TABLE) };
    let taken = take(&ranking, ranked, (left.schema(), right.schema()), &mut conjuncts)?;
    for conjunct in &conjuncts {
        if Ranking::read(conjunct)?.is_some() || has_subquery(conjunct)? || conjunct.is_volatile() {
            return refuse(format!("beside it, the ON of an outer join has no {conjunct}"));
        }
    }
    let after = conjunction(conjuncts).unwrap_or_else(|| lit(true));
    in_order(taken.node(LogicalPlan::clone(left), right, JoinType::Left, after)?, &join.schema)
}

/// Refuses conditions on a query around this one over columns of one name: DataFusion, which makes
/// a join of the query around and this one, takes the one for the other.
fn refuse_same_names(conjuncts: &[Expr]) -> Result<()> {
    let correlated = conjuncts.iter().filter(|conjunct| conjunct.contains_outer());
    let columns: HashSet<&Column> = correlated.flat_map(Expr::column_refs).collect();
    let names: HashSet<&str> = columns.iter().map(|column| column.name.as_str()).collect();
    if names.len() < columns.len() {
        return refuse(
            "beside it, conditions on the query around it name columns of two tables that have the \
             same name: give one of them another name by a query in FROM",
        );
    }
    Ok(())
}

fn has_subquery(expr: &Expr) -> Result<bool> {
    expr.exists(|expr| {
        Ok(matches!(expr, Expr::ScalarSubquery(_) | Expr::Exists(_) | Expr::InSubquery(_)))
    })
}

/// The first condition that ranks rows, and all others.
fn first_ranking(conjuncts: &[Expr]) -> Result<(Ranking, Vec<Expr>)> {
    for (at, conjunct) in conjuncts.iter().enumerate() {
        if let Some(ranking) = Ranking::read(conjunct)? {
            let mut others = conjuncts.to_vec();
            others.remove(at);
            return Ok((ranking, others));
        }
    }
    refuse("there is none")
}

/// The leaves with some columns, and those joined to them, not by way of the leaf at `without`.
fn joined_without(
    leaves: &[LogicalPlan],
    without: usize,
    mut wanted: HashSet<Column>,
    conjuncts: &[Expr],
) -> Result<HashSet<usize>> {
    let conditions = conjuncts.iter().map(columns).collect::<Result<Vec<_>>>()?;
    let is_of = |leaf: usize, columns: &HashSet<Column>| {
        columns.iter().any(|column| leaves[leaf].schema().has_column(column))
    };
    let mut found = HashSet::new();
    loop {
        let before = found.len();
        found.extend((0..leaves.len()).filter(|leaf| *leaf != without && is_of(*leaf, &wanted)));
        if found.len() == before {
            return Ok(found);
        }
        for columns in &conditions {
            if !is_of(without, columns) && found.iter().any(|leaf| is_of(*leaf, columns)) {
                wanted.extend(columns.iter().cloned());
            }
        }
    }
}

/// What a join by rank needs.
struct Taken {
    near: Near,
    most: i64,
    /// The conditions of rows that are ranked.
    of_row: Vec<Expr>,
    /// That of the pairs that are ranked.
    of_pair: Expr,
}

/// Takes the radius, and the conditions that the sub-query has as well, out of those of the query.
fn take(
    ranking: &Ranking,
    ranked: Ranked,
    (left, right): (&DFSchema, &DFSchema),
    conjuncts: &mut Vec<Expr>,
) -> Result<Taken> {
    let Ranked { places, conditions } = ranked;
    let mut both = left.clone();
    both.merge(right);
    let reader = Reader { left, right };
    let read = |conjunct: &Expr| -> Result<Option<Near>> {
        let near = reader.read(&unscaled(coerced(conjunct.clone(), &both)?)?.data)?;
        Ok(near.filter(|near| {
            let is_of_left = |column: &&Column| left.has_column(column);
            near.left == places[0]
                && near.right == places[1]
                && near.radius.column_refs().iter().all(is_of_left)
        }))
    };
    let mut radius: Option<(usize, Near)> = None;
    for (at, conjunct) in conjuncts.iter().enumerate() {
        let Ok(columns) = columns(conjunct) else { continue };
        if !columns.iter().all(|column| both.has_column(column)) {
            continue;
        }
        let Some(near) = read(conjunct)? else { continue };
        if radius.as_ref().is_none_or(|(_, known)| is_narrower(&near, known)) {
            radius = Some((at, near));
        }
    }
    let Some((at, near)) = radius else {
        return refuse(
            "say by AND how far the rows may be at most, by a number or a column of the other \
             table: DISTANCE(a.ra, a.dec, b.ra, b.dec) < 0.01",
        );
    };
    if near.radius.column_refs().is_empty() && number(&near.radius)?.is_none() {
        return refuse("its radius is no number");
    }
    conjuncts.remove(at);
    let (mut of_row, mut of_pair) = (Vec::new(), Vec::new());
    for condition in conditions {
        let names = columns(&condition)?;
        let is_true = Some(ScalarValue::Boolean(Some(true)));
        let is_of_row = names.iter().all(|column| right.has_column(column));
        let is_of_both = names.iter().all(|column| both.has_column(column));
        if names.is_empty() && constant(&coerced(condition.clone(), &both)?)? == is_true {
            continue;
        }
        if is_of_both && read(&condition)?.is_some_and(|inner| is_implied(&inner, &near)) {
            continue;
        }
        let known = conjuncts.iter().position(|known| mirrored(known) == mirrored(&condition));
        let is_plain = is_of_both && !condition.is_volatile() && !has_subquery(&condition)?;
        let Some(known) = known.filter(|_| is_of_row || is_plain) else {
            return refuse(format!(
                "{condition} is a condition of the sub-query alone: write it for the rows that are \
                 joined as well, or join a query of WITH that the sub-query reads too"
            ));
        };
        if condition.is_volatile() {
            return refuse(format!("{condition} is another value for each row and sub-query"));
        }
        let condition = conjuncts.remove(known);
        if is_of_row { of_row.push(condition) } else { of_pair.push(condition) }
    }
    let of_pair = conjunction(of_pair).unwrap_or_else(|| lit(true));
    Ok(Taken { near, most: ranking.most, of_row, of_pair })
}

/// Whether a search within a radius meets fewer rows than one within another, as far as it is known.
fn is_narrower(near: &Near, other: &Near) -> bool {
    let radius = |near: &Near| number(&near.radius).ok().flatten();
    match (radius(near), radius(other)) {
        (Some(one), Some(another)) if one == another => other.bound != Bound::Less,
        (Some(one), Some(another)) => one < another,
        (known, unknown) => known.is_some() && unknown.is_none(),
    }
}

/// Whether what is within `outer` is within `inner`.
fn is_implied(inner: &Near, outer: &Near) -> bool {
    if inner.radius == outer.radius && inner.bound == outer.bound {
        return true;
    }
    let radius = |near: &Near| number(&near.radius).ok().flatten();
    match (radius(inner), radius(outer)) {
        (Some(inner_radius), Some(outer_radius)) if inner_radius == outer_radius => {
            inner.bound != Bound::Less
        }
        (Some(inner_radius), Some(outer_radius)) => outer_radius < inner_radius,
        _ => false,
    }
}

/// A condition in one of the two ways in which it can be written.
fn mirrored(condition: &Expr) -> Expr {
    if let Expr::BinaryExpr(BinaryExpr { left, op, right }) = condition
        && let Some(op) = op.swap()
        && left.to_string() > right.to_string()
    {
        return Expr::BinaryExpr(BinaryExpr::new(right.clone(), op, left.clone()));
    }
    condition.clone()
}

impl Taken {
    fn node(
        self,
        left: LogicalPlan,
        right: &LogicalPlan,
        join_type: JoinType,
        after: Expr,
    ) -> Result<LogicalPlan> {
        let Self { near, most, of_row, of_pair } = self;
        let place = |place: &Place| [place.ra.clone(), place.dec.clone()];
        let rank = nearest::call(place(&near.left), place(&near.right), most, [of_pair, after]);
        let right = child(&filtered(right.clone(), of_row)?);
        let node = Nearest::try_new(Arc::new(left), right, [near.call(), rank], join_type)?;
        Ok(LogicalPlan::Extension(Extension { node: Arc::new(node) }))
    }
}

/// The columns of a plan in the order of a schema.
fn in_order(plan: LogicalPlan, schema: &DFSchema) -> Result<LogicalPlan> {
    if plan.schema().columns() == schema.columns() {
        return Ok(plan);
    }
    let columns = schema.columns().into_iter().map(Expr::Column);
    LogicalPlanBuilder::from(plan).project(columns)?.build()
}
