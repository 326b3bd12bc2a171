//! Predicates over the place of a row become `in_region`, whose literal carries the cover.
//!
//! ```text
//! Filter: CONTAINS(POINT(ra, dec), CIRCLE(…)) = 1     Filter: in_region(_healpix_29, ra, dec, …)
//!   TableScan: s.t, filters=[the same]            -->   TableScan: s.t, filters=[the same]
//! ```
//! It stands for the predicate itself, not for a superset, and stays in the filter: the scan reads
//! the literal to choose tiles ([`super::coverage_of`]). A table is covered only where the place
//! is made of its declared position columns, widened by its slack. A predicate over the place at
//! another epoch stays beside the wider region in which such a row is at home. Runs right after DataFusion's
//! `push_down_filter`, so that predicates over joins, sub-queries and views have reached the scan.

use std::sync::Arc;

use datafusion::arrow::datatypes::DataType;
use datafusion::common::tree_node::{Transformed, TreeNode};
use datafusion::common::{Column, DataFusionError, Result, TableReference};
use datafusion::logical_expr::expr::Between;
use datafusion::logical_expr::logical_plan::TableScanBuilder;
use datafusion::logical_expr::utils::{conjunction, disjunction, split_binary, split_conjunction};
use datafusion::logical_expr::{
    BinaryExpr, Cast, Expr, Filter, LogicalPlan, LogicalPlanBuilder, Operator, TableScan,
    TableSource, and, or,
};
use datafusion::optimizer::{ApplyOrder, OptimizerConfig, OptimizerRule};

use super::moving::{Moved, RangeOf, moved_within, widened};
use super::pixel_predicate::{is_pixel, pixel_predicate, pixel_predicate_of_list};
use super::sky_predicate::{SkyPredicate, is_distance, is_spatial_call, sky_predicate};
use crate::function::in_region;
use crate::schema::{Positions, Schemas, Table, TableName};
use crate::sky::{Angle, RegionTest};

/// An OR of more is not looked into for places at another epoch.
const ALTERNATIVES_MAX: usize = 32;

/// The rule.
#[derive(Debug)]
pub struct RegionCover {
    schemas: Arc<dyn Schemas>,
}

impl RegionCover {
    /// The rule for queries over these tables.
    pub fn new(schemas: Arc<dyn Schemas>) -> Self {
        Self { schemas }
    }

    fn table(&self, name: &TableReference) -> Option<Arc<Table>> {
        let schema = name.schema()?.to_owned();
        self.schemas.table(&TableName { schema, table: name.table().to_owned() })
    }

    /// The scan with filters rewritten, and the filter above it; nothing where neither asks for a
    /// region.
    fn cover(&self, scan: &TableScan, filter: Option<&Expr>) -> Result<Option<LogicalPlan>> {
        if !scan.filters.iter().chain(filter).any(asks_for_place) {
            return Ok(None);
        }
        let Some(table) = self.table(&scan.table_name) else { return Ok(None) };
        let Some(positions) = &table.positions else { return Ok(None) };
        let Some(wide) = self.with_spatial_index(scan, &table, positions, filter.is_some())? else {
            return Ok(None);
        };
        let range_of = |column: &str| self.schemas.range(&table.name, column);
        let mut covering = Covering::new(&wide, positions, &range_of)?;
        let filters = wide.filters.clone();
        let filters = filters.into_iter().map(|f| covering.rewrite(f)).collect::<Result<_>>()?;
        let filters = covering.with_homes(filters)?;
        let predicate = filter.map(|f| covering.rewrite(f.clone())).transpose()?;
        let predicate = predicate.map(|predicate| covering.with_homes_of(predicate)).transpose()?;
        if !covering.changed {
            return Ok(None);
        }
        let covered = LogicalPlan::TableScan(TableScan { filters, ..wide });
        let Some(predicate) = predicate else { return Ok(Some(covered)) };
        let covered = LogicalPlan::Filter(Filter::try_new(predicate, Arc::new(covered))?);
        if covered.schema() == &scan.projected_schema {
            return Ok(Some(covered));
        }
        let columns = scan.projected_schema.columns().into_iter().map(Expr::Column);
        LogicalPlanBuilder::from(covered).project(columns)?.build().map(Some)
    }

    /// The same scan of a source that offers the spatial index, which a filter above it needs in
    /// the output too.
    fn with_spatial_index(
        &self,
        scan: &TableScan,
        table: &Table,
        positions: &Positions,
        in_output: bool,
    ) -> Result<Option<TableScan>> {
        let offers_index = scan.source.schema().index_of(&positions.spatial_index).is_ok();
        if offers_index && (scan.projection.is_none() || !in_output) {
            return Ok(Some(scan.clone()));
        }
        let source = if offers_index {
            Arc::clone(&scan.source)
        } else {
            let Some(wider) = self.wider_source(scan, table, positions)? else { return Ok(None) };
            wider
        };
        let schema = source.schema();
        let mut projection = scan
            .projected_schema
            .fields()
            .iter()
            .map(|field| Ok(schema.index_of(field.name())?))
            .collect::<Result<Vec<_>>>()?;
        let index = schema.index_of(&positions.spatial_index)?;
        if in_output && !projection.contains(&index) {
            projection.push(index);
        }
        TableScanBuilder::new(scan.table_name.clone(), source)
            .with_projection(Some(projection))
            .with_filters(scan.filters.clone())
            .with_fetch(scan.fetch)
            .with_statistics_requests(scan.statistics_requests.clone())
            .build()
            .map(Some)
    }

    /// A source with the columns of the scan's and the spatial index.
    fn wider_source(
        &self,
        scan: &TableScan,
        table: &Table,
        positions: &Positions,
    ) -> Result<Option<Arc<dyn TableSource>>> {
        let held = scan.source.schema();
        let names = held.fields().iter().map(|field| field.name().as_str());
        let wanted = names.chain([positions.spatial_index.as_str()]);
        let columns = wanted.map(|name| table.column_index(name)).collect::<Option<Vec<_>>>();
        let Some(mut columns) = columns else { return Ok(None) };
        columns.sort_unstable();
        let source = self.schemas.source(&table.name, &columns);
        source.map(Some).map_err(|error| DataFusionError::External(Box::new(error)))
    }
}

impl OptimizerRule for RegionCover {
    fn name(&self) -> &'static str {
        "region_cover"
    }

    fn apply_order(&self) -> Option<ApplyOrder> {
        Some(ApplyOrder::TopDown)
    }

    fn rewrite(
        &self,
        plan: LogicalPlan,
        _: &dyn OptimizerConfig,
    ) -> Result<Transformed<LogicalPlan>> {
        let covered = match &plan {
            LogicalPlan::Filter(filter) => match filter.input.as_ref() {
                LogicalPlan::TableScan(scan) => self.cover(scan, Some(&filter.predicate))?,
                _ => None,
            },
            LogicalPlan::TableScan(scan) => self.cover(scan, None)?,
            _ => None,
        };
        Ok(covered.map_or_else(|| Transformed::no(plan), Transformed::yes))
    }
}

fn asks_for_place(expr: &Expr) -> bool {
    expr.exists(|node| Ok(is_spatial_call(node) || is_pixel(node))).unwrap_or(false)
}

/// The rewriting of the expressions of one scan. What is in the filter is in the scan's filters
/// too, and a cover is made once.
struct Covering<'a> {
    positions: &'a Positions,
    range_of: RangeOf<'a>,
    index: Expr,
    done: Vec<(Expr, Expr)>,
    changed: bool,
}

impl<'a> Covering<'a> {
    fn new(scan: &TableScan, positions: &'a Positions, range_of: RangeOf<'a>) -> Result<Self> {
        let name = positions.spatial_index.clone();
        let schema = scan.source.schema();
        let data_type = schema.field_with_name(&name)?.data_type();
        let column = Expr::Column(Column::new(Some(scan.table_name.clone()), name));
        let index = match data_type {
            DataType::Int64 => column,
            _ => Expr::Cast(Cast::new(Box::new(column), DataType::Int64)),
        };
        Ok(Self { positions, range_of, index, done: Vec::new(), changed: false })
    }

    fn rewrite(&mut self, expr: Expr) -> Result<Expr> {
        expr.transform_down(|node| match &node {
            Expr::BinaryExpr(BinaryExpr { op, .. }) if !op.supports_propagation() => {
                Ok(Transformed::no(node))
            }
            Expr::BinaryExpr(_) | Expr::InList(_) => {
                if let Some((_, test)) = self.done.iter().find(|(known, _)| *known == node) {
                    return Ok(Transformed::yes(test.clone()));
                }
                let Some(found) = self.place_asked_for(&node)? else {
                    return Ok(Transformed::no(node));
                };
                let slack = Angle::from_degrees(self.positions.slack_deg);
                let test = RegionTest::new(found.region, slack);
                let place = found.place;
                let test = in_region::call(self.index.clone(), place.ra, place.dec, &test);
                let test = if found.negated { Expr::Not(Box::new(test)) } else { test };
                self.done.push((node, test.clone()));
                self.changed = true;
                Ok(Transformed::yes(test))
            }
            Expr::Between(between) if is_distance(&between.expr) || is_pixel(&between.expr) => {
                Ok(Transformed::yes(two_comparisons(between)))
            }
            _ => Ok(Transformed::no(node)),
        })
        .map(|rewritten| rewritten.data)
    }

    fn place_asked_for(&self, predicate: &Expr) -> Result<Option<SkyPredicate>> {
        match predicate {
            Expr::BinaryExpr(comparison) => match sky_predicate(comparison, self.positions)? {
                None => pixel_predicate(comparison, self.positions),
                found => Ok(found),
            },
            Expr::InList(list) => pixel_predicate_of_list(list, self.positions),
            _ => Ok(None),
        }
    }

    /// Conjuncts, and for each that asks for a place at another epoch the region in which such a
    /// row is by its position columns. That is implied where all hold, so under no NOT.
    fn with_homes(&mut self, conjuncts: Vec<Expr>) -> Result<Vec<Expr>> {
        let mut all = Vec::with_capacity(conjuncts.len());
        let mut homes = Vec::new();
        for conjunct in conjuncts {
            match &conjunct {
                Expr::BinaryExpr(BinaryExpr { op: Operator::Or, .. }) => {
                    let alternatives = split_binary(&conjunct, Operator::Or);
                    if alternatives.len() > ALTERNATIVES_MAX {
                        all.push(conjunct);
                        continue;
                    }
                    let alternatives = alternatives.into_iter().cloned();
                    let alternatives = alternatives
                        .map(|each| self.with_homes_of(each))
                        .collect::<Result<Vec<_>>>();
                    all.extend(disjunction(alternatives?));
                }
                Expr::BinaryExpr(BinaryExpr { op: Operator::And, .. }) => {
                    all.push(self.with_homes_of(conjunct)?);
                }
                other => {
                    homes.extend(self.home(other)?);
                    all.push(conjunct);
                }
            }
        }
        for home in homes {
            if !all.contains(&home) {
                all.push(home);
                self.changed = true;
            }
        }
        Ok(all)
    }

    fn with_homes_of(&mut self, predicate: Expr) -> Result<Expr> {
        let conjuncts = split_conjunction(&predicate).into_iter().cloned().collect();
        Ok(conjunction(self.with_homes(conjuncts)?).unwrap_or(predicate))
    }

    /// The test of the region in which a row is whose place at another epoch is as asked for.
    fn home(&self, comparison: &Expr) -> Result<Option<Expr>> {
        let Some((place, around)) = moved_within(comparison, self.positions)? else {
            return Ok(None);
        };
        let Some(moved) = Moved::of(&place.ra, &place.dec, self.positions) else {
            return Ok(None);
        };
        let most = moved.most(self.range_of).ok();
        let Some(region) = most.and_then(|most| widened(&around, most)) else { return Ok(None) };
        let stored = moved.stored();
        let test = RegionTest::new(region, Angle::from_degrees(self.positions.slack_deg));
        Ok(Some(in_region::call(self.index.clone(), stored.ra, stored.dec, &test)))
    }
}

/// `x BETWEEN low AND high` as it is defined (ADQL 2.1 §2.2.3).
pub(super) fn two_comparisons(between: &Between) -> Expr {
    let [x, low, high] = [&between.expr, &between.low, &between.high].map(|e| e.as_ref().clone());
    if between.negated {
        or(x.clone().lt(low), x.gt(high))
    } else {
        and(x.clone().gt_eq(low), x.lt_eq(high))
    }
}
