//! Where the one side of a cross-match lies in a region, what is near it lies in a wider one.
//!
//! ```text
//! a in CIRCLE(10, 20, 1), near b within 0.5   -->   b in CIRCLE(10, 20, 1.5)
//! ```
//! Of stars at another epoch the region is widened by their largest motion where the one at the epoch
//! of the table is known.
//! Only a side without whose match no row of the other is in the answer is restricted: not the side
//! that an outer or anti join keeps. The wider region is a further condition on the side; what
//! brings conditions to scans brings it there, and the scan reads fewer tiles.

use std::sync::Arc;

use datafusion::common::tree_node::{Transformed, TreeNode, TreeNodeRecursion};
use datafusion::common::{Column, Result};
use datafusion::logical_expr::utils::split_conjunction;
use datafusion::logical_expr::{Expr, Filter, Join, JoinType, LogicalPlan, TableScan, lit};

use super::Near;
use crate::function::epoch_prop::arguments_of;
use crate::function::measure::point_of;
use crate::function::{DISTANCE, POINT, in_region, lookup_scalar, nan_to_null};
use crate::rewrite::constant::number;
use crate::rewrite::moving::{Moved, widened};
use crate::rewrite::sky_predicate::{Place, sky_predicate_of};
use crate::schema::{Schemas, TableName};
use crate::sky::{Angle, Circle, Region};

/// Beyond the errors of rounding of distances, in degrees.
const ROUNDING_DEG: f64 = 1e-9;

/// The join whose sides are restricted further; nothing where they are already.
pub(super) fn restrict(
    join: &Join,
    conditions: &[Near],
    schemas: &dyn Schemas,
) -> Result<Option<Join>> {
    let regions = Regions { schemas };
    let mut restricted: Option<Join> = None;
    for near in conditions {
        let Some(radius) = number(&near.radius)? else { continue };
        let now = restricted.as_ref().unwrap_or(join);
        let right = may_restrict_right(now.join_type)
            .then(|| regions.narrowed((&now.left, &near.left), (&now.right, &near.right), radius))
            .transpose()?
            .flatten();
        let left = may_restrict_left(now.join_type)
            .then(|| regions.narrowed((&now.right, &near.right), (&now.left, &near.left), radius))
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
    let keeps = [JoinType::Right, JoinType::RightAnti, JoinType::RightMark, JoinType::Full];
    !keeps.contains(&join_type)
}

/// Whether a join has no row of its left side but those that match.
pub(in crate::rewrite) fn may_restrict_left(join_type: JoinType) -> bool {
    let keeps = [JoinType::Left, JoinType::LeftAnti, JoinType::LeftMark, JoinType::Full];
    !keeps.contains(&join_type)
}

/// Finds the regions in which places of a plan's rows lie.
struct Regions<'a> {
    schemas: &'a dyn Schemas,
}

impl Regions<'_> {
    /// A side, restricted to what is within a radius of the region in which the other side lies.
    fn narrowed(
        &self,
        (from, from_place): (&LogicalPlan, &Place),
        (side, place): (&Arc<LogicalPlan>, &Place),
        radius: f64,
    ) -> Result<Option<Arc<LogicalPlan>>> {
        let mut regions = Vec::new();
        self.collect(from, from_place.clone(), &mut regions)?;
        let smallest = regions
            .iter()
            .filter_map(Region::bounding_circle)
            .min_by(|a, b| a.radius().degrees().total_cmp(&b.radius().degrees()));
        let Some(around) = smallest else { return Ok(None) };
        let wider = around.radius().degrees() + radius.max(0.0) + ROUNDING_DEG;
        let Ok(wider) = Circle::new(around.center(), wider) else { return Ok(None) };
        let region = Region::from(wider);
        let mut known = Vec::new();
        self.collect(side, place.clone(), &mut known)?;
        if known.iter().any(|known| region.contains_region(known).unwrap_or(false)) {
            return Ok(None);
        }
        let Some(distance) = distance_from(place, &wider) else { return Ok(None) };
        let predicate = distance.lt_eq(lit(wider.radius().degrees()));
        Ok(Some(Arc::new(LogicalPlan::Filter(Filter::try_new(predicate, Arc::clone(side))?))))
    }

    /// The regions in which a place of a plan's rows lies, unless it is NULL.
    fn collect(&self, plan: &LogicalPlan, place: Place, regions: &mut Vec<Region>) -> Result<()> {
        match plan {
            LogicalPlan::Filter(filter) => {
                of_predicate(&filter.predicate, &place, regions)?;
                self.collect(&filter.input, place, regions)
            }
            LogicalPlan::TableScan(scan) => {
                let of_filters = |place: &Place, regions: &mut Vec<Region>| {
                    let mut filters = scan.filters.iter();
                    filters.try_for_each(|filter| of_predicate(filter, place, regions))
                };
                of_filters(&place, regions)?;
                let Some((stored, most)) = self.moved(scan, &place) else { return Ok(()) };
                let mut at_home = Vec::new();
                of_filters(&stored, &mut at_home)?;
                let around = at_home.iter().filter_map(Region::bounding_circle);
                regions.extend(around.filter_map(|around| widened(&around, most)));
                Ok(())
            }
            LogicalPlan::Projection(projection) => {
                let columns = projection.schema.columns();
                let source = |at: usize| projection.expr[at].clone().unalias();
                let below = substituted(place, &columns, source)?;
                self.collect(&projection.input, below, regions)
            }
            LogicalPlan::SubqueryAlias(alias) => {
                let (columns, sources) = (alias.schema.columns(), alias.input.schema().columns());
                let below = substituted(place, &columns, |at| Expr::Column(sources[at].clone()))?;
                self.collect(&alias.input, below, regions)
            }
            LogicalPlan::Join(join) => {
                for side in [&join.left, &join.right] {
                    let mut columns = place.ra.column_refs();
                    columns.extend(place.dec.column_refs());
                    if columns.iter().all(|column| side.schema().has_column(column)) {
                        self.collect(side, place.clone(), regions)?;
                    }
                }
                Ok(())
            }
            LogicalPlan::Sort(sort) => self.collect(&sort.input, place, regions),
            LogicalPlan::Limit(limit) => self.collect(&limit.input, place, regions),
            _ => Ok(()),
        }
    }

    /// Where the rows of a scan are by their position columns whose place at another epoch this is,
    /// and how far from it at most.
    fn moved(&self, scan: &TableScan, place: &Place) -> Option<(Place, Angle)> {
        let name = TableName {
            schema: scan.table_name.schema()?.to_owned(),
            table: scan.table_name.table().to_owned(),
        };
        let table = self.schemas.table(&name)?;
        let moved = Moved::of(&place.ra, &place.dec, table.positions.as_ref()?)?;
        let most = moved.most(&|column| self.schemas.range(&name, column)).ok()?;
        Some((moved.stored(), most))
    }
}

/// The distance of a place from the center of a circle. A place at another epoch is computed once.
fn distance_from(place: &Place, circle: &Circle) -> Option<Expr> {
    let distance = lookup_scalar(DISTANCE)?;
    let center = [circle.center().lon_deg(), circle.center().lat_deg()].map(lit);
    Some(match point_of(&place.ra, &place.dec).filter(|point| arguments_of(point).is_some()) {
        Some(point) => {
            distance.call(vec![point.clone(), lookup_scalar(POINT)?.call(center.into())])
        }
        None => {
            let [lon, lat] = center;
            distance.call(vec![place.ra.clone(), place.dec.clone(), lon, lat])
        }
    })
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
