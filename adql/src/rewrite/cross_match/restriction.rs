//! Where the one side of a cross-match lies in a region, what is near it lies in a wider one.
//!
//! ```text
//! a in CIRCLE(10, 20, 1), near b within 0.5   -->   b in CIRCLE(10, 20, 1.5)
//! ```
//! Only a side without whose match no row of the other is in the answer is restricted: not the side
//! that an outer or anti join keeps. The wider region is a further condition on the side; what
//! brings conditions to scans brings it there, and the scan reads fewer tiles.

use std::sync::Arc;

use datafusion::common::tree_node::{Transformed, TreeNode, TreeNodeRecursion};
use datafusion::common::{Column, Result};
use datafusion::logical_expr::utils::split_conjunction;
use datafusion::logical_expr::{Expr, Filter, Join, JoinType, LogicalPlan, lit};

use super::Near;
use crate::function::{DISTANCE, in_region, lookup_scalar, nan_to_null};
use crate::rewrite::constant::number;
use crate::rewrite::sky_predicate::{Place, sky_predicate_of};
use crate::sky::{Circle, Region};

/// Beyond the errors of rounding of distances, in degrees.
const ROUNDING_DEG: f64 = 1e-9;

/// The join whose sides are restricted further; nothing where they are already.
pub(super) fn restrict(join: &Join, conditions: &[Near]) -> Result<Option<Join>> {
    let mut restricted: Option<Join> = None;
    for near in conditions {
        let Some(radius) = number(&near.radius)? else { continue };
        let now = restricted.as_ref().unwrap_or(join);
        let right = may_restrict_right(now.join_type)
            .then(|| narrowed((&now.left, &near.left), (&now.right, &near.right), radius))
            .transpose()?
            .flatten();
        let left = may_restrict_left(now.join_type)
            .then(|| narrowed((&now.right, &near.right), (&now.left, &near.left), radius))
            .transpose()?
            .flatten();
        if right.is_none() && left.is_none() {
            continue;
        }
        let mut narrower = now.clone();
        narrower.right = right.unwrap_or(narrower.right);
        narrower.left = left.unwrap_or(narrower.left);
        restricted = Some(narrower);
    }
    Ok(restricted)
}

/// Whether a join has no row of its right side but those that match.
pub(in crate::rewrite) fn may_restrict_right(join_type: JoinType) -> bool {
    !matches!(join_type, JoinType::Right | JoinType::RightAnti | JoinType::Full)
}

/// Whether a join has no row of its left side but those that match.
pub(in crate::rewrite) fn may_restrict_left(join_type: JoinType) -> bool {
    !matches!(join_type, JoinType::Left | JoinType::LeftAnti | JoinType::Full)
}

/// A side, restricted to what is within a radius of the region in which the other side lies.
fn narrowed(
    (from, from_place): (&LogicalPlan, &Place),
    (side, place): (&Arc<LogicalPlan>, &Place),
    radius: f64,
) -> Result<Option<Arc<LogicalPlan>>> {
    let mut regions = Vec::new();
    collect(from, from_place.clone(), &mut regions)?;
    let smallest = regions
        .iter()
        .filter_map(Region::bounding_circle)
        .min_by(|a, b| a.radius().degrees().total_cmp(&b.radius().degrees()));
    let Some(around) = smallest else { return Ok(None) };
    let wider = around.radius().degrees() + radius.max(0.0) + ROUNDING_DEG;
    let Ok(wider) = Circle::new(around.center(), wider) else { return Ok(None) };
    let region = Region::from(wider);
    let mut known = Vec::new();
    collect(side, place.clone(), &mut known)?;
    if known.iter().any(|known| region.contains_region(known)) {
        return Ok(None);
    }
    let Some(distance) = lookup_scalar(DISTANCE) else { return Ok(None) };
    let (center, radius) = (wider.center(), wider.radius().degrees());
    let arguments =
        vec![place.ra.clone(), place.dec.clone(), lit(center.lon_deg()), lit(center.lat_deg())];
    let predicate = distance.call(arguments).lt_eq(lit(radius));
    Ok(Some(Arc::new(LogicalPlan::Filter(Filter::try_new(predicate, Arc::clone(side))?))))
}

/// The regions in which a place of a plan's rows lies, unless it is NULL.
fn collect(plan: &LogicalPlan, place: Place, regions: &mut Vec<Region>) -> Result<()> {
    match plan {
        LogicalPlan::Filter(filter) => {
            of_predicate(&filter.predicate, &place, regions)?;
            collect(&filter.input, place, regions)
        }
        LogicalPlan::TableScan(scan) => {
            scan.filters.iter().try_for_each(|filter| of_predicate(filter, &place, regions))
        }
        LogicalPlan::Projection(projection) => {
            let columns = projection.schema.columns();
            let below = substituted(place, &columns, |at| projection.expr[at].clone().unalias())?;
            collect(&projection.input, below, regions)
        }
        LogicalPlan::SubqueryAlias(alias) => {
            let (columns, sources) = (alias.schema.columns(), alias.input.schema().columns());
            let below = substituted(place, &columns, |at| Expr::Column(sources[at].clone()))?;
            collect(&alias.input, below, regions)
        }
        LogicalPlan::Join(join) => {
            for side in [&join.left, &join.right] {
                let mut columns = place.ra.column_refs();
                columns.extend(place.dec.column_refs());
                if columns.iter().all(|column| side.schema().has_column(column)) {
                    collect(side, place.clone(), regions)?;
                }
            }
            Ok(())
        }
        LogicalPlan::Sort(sort) => collect(&sort.input, place, regions),
        LogicalPlan::Limit(limit) => collect(&limit.input, place, regions),
        _ => Ok(()),
    }
}

fn of_predicate(predicate: &Expr, place: &Place, regions: &mut Vec<Region>) -> Result<()> {
    let is_place =
        |ra: &Expr, dec: &Expr| bare(ra) == bare(&place.ra) && bare(dec) == bare(&place.dec);
    for conjunct in split_conjunction(predicate) {
        if let Expr::ScalarFunction(call) = conjunct
            && let Some(test) = in_region::test_of(conjunct)
            && let [_, ra, dec, _] = &call.args[..]
            && is_place(ra, dec)
        {
            regions.push(test.region().clone());
        }
        if let Expr::BinaryExpr(comparison) = conjunct
            && let Some(found) = sky_predicate_of(comparison, &is_place)?
            && !found.negated
        {
            regions.push(found.region);
        }
    }
    Ok(())
}

/// An expression without what leaves the number of a place as it is.
fn bare(expr: &Expr) -> &Expr {
    match expr {
        Expr::Alias(alias) => bare(&alias.expr),
        Expr::Cast(cast) if cast.field.data_type().is_floating() => bare(&cast.expr),
        Expr::ScalarFunction(call) if call.func.name() == nan_to_null::NAME => {
            call.args.first().map_or(expr, bare)
        }
        other => other,
    }
}

fn substituted(place: Place, columns: &[Column], source: impl Fn(usize) -> Expr) -> Result<Place> {
    let substitute = |expr: Expr| {
        let substituted = expr.transform(|node| {
            let at = match &node {
                Expr::Column(column) => columns.iter().position(|known| known == column),
                _ => None,
            };
            Ok(match at {
                Some(at) => Transformed::new(source(at), true, TreeNodeRecursion::Jump),
                None => Transformed::no(node),
            })
        });
        substituted.map(|substituted| substituted.data)
    };
    Ok(Place { ra: substitute(place.ra)?, dec: substitute(place.dec)? })
}
