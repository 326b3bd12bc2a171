//! The condition of a join by position, taken apart: the places of both sides, how near they have
//! to be, and what else has to hold.

use std::sync::Arc;

use adql::function::cross_match::{Bound, NAME};
use adql::function::nearest;
use datafusion::common::tree_node::{Transformed, TreeNode};
use datafusion::common::{JoinSide, Result, ScalarValue, internal_datafusion_err, internal_err};
use datafusion::physical_expr::expressions::{Column, Literal};
use datafusion::physical_expr::utils::collect_columns;
use datafusion::physical_expr::{PhysicalExpr, ScalarFunctionExpr, conjunction, split_conjunction};
use datafusion::physical_plan::joins::NestedLoopJoinExec;
use datafusion::physical_plan::joins::utils::JoinFilter;

/// Longitude and latitude of the rows of a side, over its columns.
pub(super) type Place = [Arc<dyn PhysicalExpr>; 2];

/// How near two places have to be, in degrees.
#[derive(Debug, Clone)]
pub(super) enum Radius {
    /// The same for all pairs, or as the row of the side that is built says.
    Build(Arc<dyn PhysicalExpr>),
    /// As the row of the other side says.
    Probe(Arc<dyn PhysicalExpr>),
}

/// The condition of a cross-match whose left side is built.
#[derive(Debug, Clone)]
pub(super) struct Condition {
    pub(super) build: Place,
    pub(super) probe: Place,
    pub(super) radius: Radius,
    pub(super) bound: Bound,
    /// Which of the places that are near enough are asked for; without it all.
    pub(super) ranking: Option<Ranking>,
    /// What has to hold of a pair beside.
    pub(super) residual: Option<JoinFilter>,
}

impl Condition {
    /// The condition of a join; none where it holds no `cross_match` of both sides.
    pub(super) fn of(join: &NestedLoopJoinExec) -> Result<Option<Self>> {
        let Some(filter) = join.filter() else { return Ok(None) };
        let conjuncts = split_conjunction(filter.expression());
        let mut found: Option<(usize, Self)> = None;
        let (mut ranking, mut others): (Option<(usize, Ranking)>, _) = (None, Vec::new());
        for (number, conjunct) in conjuncts.iter().enumerate() {
            if let Some((read, beside)) = Ranking::read(conjunct, filter) {
                if ranking.replace((number, read)).is_some() {
                    return internal_err!("a join by position ranks its rows once");
                }
                others.extend(beside);
                continue;
            }
            let Some(condition) = read(conjunct, filter)? else { continue };
            // Of several one with a constant radius: it is the cheaper to search by.
            let is_better = |(_, known): &(_, Self)| {
                known.constant_radius().is_none() && condition.constant_radius().is_some()
            };
            if found.as_ref().is_none_or(is_better) {
                found = Some((number, condition));
            }
        }
        let Some((number, mut condition)) = found else { return Ok(None) };
        let taken = [Some(number), ranking.as_ref().map(|(number, _)| *number)];
        condition.ranking = ranking.map(|(_, ranking)| ranking);
        let rest = conjuncts.into_iter().enumerate();
        let rest = rest.filter(|(other, _)| !taken.contains(&Some(*other)));
        others.extend(rest.map(|(_, conjunct)| Arc::clone(conjunct)));
        if !others.is_empty() {
            let (columns, schema) = (filter.column_indices().to_vec(), Arc::clone(filter.schema()));
            condition.residual = Some(JoinFilter::new(conjunction(others), columns, schema));
        }
        Ok(Some(condition))
    }

    /// Whether each row of the built side has a radius of its own.
    pub(super) fn has_radius_of_built(&self) -> bool {
        matches!(&self.radius, Radius::Build(radius) if !collect_columns(radius).is_empty())
    }

    /// The radius where it is a number of the query.
    pub(super) fn constant_radius(&self) -> Option<f64> {
        let Radius::Build(radius) = &self.radius else { return None };
        match radius.downcast_ref::<Literal>()?.value() {
            ScalarValue::Float64(radius) => *radius,
            _ => None,
        }
    }
}

/// Of the rows of a side that are near enough, those nearest to a row of the other one.
#[derive(Debug, Clone)]
pub(super) struct Ranking {
    /// So many, and all that are as near as the last of them.
    pub(super) most: usize,
    /// The side whose rows are ranked: only that can be built.
    pub(super) side: JoinSide,
    /// What holds of the pairs that are ranked.
    pub(super) before: Option<JoinFilter>,
}

impl Ranking {
    /// Reads a conjunct, with the conditions that have to hold beside.
    fn read(
        conjunct: &Arc<dyn PhysicalExpr>,
        filter: &JoinFilter,
    ) -> Option<(Self, Vec<Arc<dyn PhysicalExpr>>)> {
        let call = conjunct.downcast_ref::<ScalarFunctionExpr>()?;
        let [_, _, ra, dec, most, before, after] = call.args() else { return None };
        if call.name() != nearest::NAME {
            return None;
        }
        let value = |expr: &Arc<dyn PhysicalExpr>| {
            expr.downcast_ref::<Literal>().map(|literal| literal.value().clone())
        };
        let Some(ScalarValue::Int64(Some(most))) = value(most) else { return None };
        // More than there are rows is as good as all.
        let most = usize::try_from(most).unwrap_or(usize::MAX);
        let is_all =
            |expr: &Arc<dyn PhysicalExpr>| value(expr) == Some(ScalarValue::Boolean(Some(true)));
        let of_pairs = |expr: &Arc<dyn PhysicalExpr>| {
            let (columns, schema) = (filter.column_indices().to_vec(), Arc::clone(filter.schema()));
            JoinFilter::new(Arc::clone(expr), columns, schema)
        };
        let side = side(&[ra, dec], filter)?;
        let ranking = Self { most, side, before: (!is_all(before)).then(|| of_pairs(before)) };
        let beside = [before, after].into_iter().filter(|expr| !is_all(expr));
        Some((ranking, beside.cloned().collect()))
    }
}

fn read(conjunct: &Arc<dyn PhysicalExpr>, filter: &JoinFilter) -> Result<Option<Condition>> {
    let Some(call) = conjunct.downcast_ref::<ScalarFunctionExpr>() else { return Ok(None) };
    if call.name() != NAME {
        return Ok(None);
    }
    let [ra1, dec1, ra2, dec2, radius, bound] = call.args() else { return Ok(None) };
    let bound = bound.downcast_ref::<Literal>().and_then(|literal| literal.value().try_as_str());
    let Some(bound) = bound.flatten().and_then(Bound::from_text) else { return Ok(None) };
    let (a, b) = ([ra1, dec1], [ra2, dec2]);
    let (left, right) = match (side(&a, filter), side(&b, filter)) {
        (Some(JoinSide::Left), Some(JoinSide::Right)) => (a, b),
        (Some(JoinSide::Right), Some(JoinSide::Left)) => (b, a),
        _ => return Ok(None),
    };
    let radius = match side(&[radius], filter) {
        Some(JoinSide::Right) => Radius::Probe(of_side(radius, filter)?),
        Some(JoinSide::Left | JoinSide::None) => Radius::Build(of_side(radius, filter)?),
        None => return Ok(None),
    };
    let place = |[ra, dec]: [&Arc<dyn PhysicalExpr>; 2]| -> Result<Place> {
        Ok([of_side(ra, filter)?, of_side(dec, filter)?])
    };
    let (build, probe) = (place(left)?, place(right)?);
    Ok(Some(Condition { build, probe, radius, bound, ranking: None, residual: None }))
}

/// The side whose columns some expressions name, [`JoinSide::None`] where they name none; nothing
/// where they name columns of both.
fn side(expressions: &[&Arc<dyn PhysicalExpr>], filter: &JoinFilter) -> Option<JoinSide> {
    let mut side = JoinSide::None;
    for column in expressions.iter().flat_map(|expression| collect_columns(expression)) {
        let of = filter.column_indices().get(column.index())?.side;
        if side != JoinSide::None && side != of {
            return None;
        }
        side = of;
    }
    Some(side)
}

/// An expression of a filter over the columns of its side.
fn of_side(
    expression: &Arc<dyn PhysicalExpr>,
    filter: &JoinFilter,
) -> Result<Arc<dyn PhysicalExpr>> {
    let of_side = Arc::clone(expression).transform(|node| {
        let Some(column) = node.downcast_ref::<Column>() else { return Ok(Transformed::no(node)) };
        let at = filter.column_indices().get(column.index());
        let at =
            at.ok_or_else(|| internal_datafusion_err!("{column} is no column of the filter"))?;
        let column = Column::new(column.name(), at.index);
        Ok(Transformed::yes(Arc::new(column) as Arc<dyn PhysicalExpr>))
    });
    of_side.map(|of_side| of_side.data)
}
