//! Which column of which table a column of a plan is, where it is one as it stands in the files;
//! which joins pair rows of the same tile by such columns; and how far beyond a piece of the sky a
//! place may lie.

use std::sync::Arc;

use adql::Positions;
use adql::function::nan_to_null;
use catalog::upload::{UploadedTable, is_upload};
use catalog::{Snapshot, TiledTable};
use datafusion::arrow::datatypes::{DataType, Schema};
use datafusion::common::tree_node::{Transformed, TreeNode};
use datafusion::common::{JoinSide, JoinType, NullEquality, Result};
use datafusion::datasource::physical_plan::{FileGroup, FileScanConfig};
use datafusion::physical_expr::expressions::{CastExpr, Column};
use datafusion::physical_expr::{PhysicalExpr, ScalarFunctionExpr};
use datafusion::physical_plan::ExecutionPlan;
use datafusion::physical_plan::aggregates::AggregateExec;
use datafusion::physical_plan::coalesce_partitions::CoalescePartitionsExec;
use datafusion::physical_plan::coop::CooperativeExec;
use datafusion::physical_plan::filter::FilterExec;
use datafusion::physical_plan::joins::HashJoinExec;
use datafusion::physical_plan::joins::utils::build_join_schema;
use datafusion::physical_plan::projection::ProjectionExec;
use datafusion::physical_plan::repartition::RepartitionExec;
use worker::cross_match::CrossMatchExec;
use worker::in_turn::InTurnExec;
use worker::local_join::LocalJoinExec;
use worker::ranged_scan::RangedScanExec;

use super::slot_leaf::SlotLeafExec;
use super::slots::{tile, tile_scan, upload_scan};

/// Beyond the errors of rounding of distances, in degrees.
const ROUNDING_DEG: f64 = 1e-9;

/// A column of the files of a table.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Origin {
    /// The folder of the table; of an upload, where its rows are.
    pub table: String,
    /// The exact name of the column.
    pub column: String,
}

/// A column of a plan, traced.
#[derive(Debug, Clone, PartialEq)]
struct Trace {
    origin: Origin,
    /// How far, in degrees, its rows may lie beyond the piece of the sky that is joined; none for
    /// those of the piece.
    beyond_deg: Option<f64>,
}

/// Traces columns of plans through joins to their tables.
#[derive(Debug, Clone, Copy)]
pub struct Lineage<'a> {
    /// The tables of the archive.
    pub snapshot: &'a Snapshot,
    /// Those that the query brings.
    pub uploads: &'a [Arc<UploadedTable>],
}

impl<'a> Lineage<'a> {
    /// The column that an expression over the rows of `plan` comes from, if it is a column as it
    /// was read, and if each of its rows is joined in the piece of the sky in which it lies.
    pub fn origin(
        self,
        plan: &Arc<dyn ExecutionPlan>,
        expr: &Arc<dyn PhysicalExpr>,
    ) -> Option<Origin> {
        let trace = self.trace(plan, expr)?;
        trace.beyond_deg.is_none().then_some(trace.origin)
    }

    /// Whether rows that a join pairs lie in the same tile: one of its keys is that by which the one
    /// table is tiled with the other.
    pub fn meets_in_tiles(self, join: &HashJoinExec) -> bool {
        join.null_equality() == NullEquality::NullEqualsNothing
            && !join.null_aware
            && join.fetch().is_none()
            && join.on().iter().any(|(left, right)| {
                let sides = (self.origin(join.left(), left), self.origin(join.right(), right));
                let (Some(left), Some(right)) = sides else { return false };
                self.is_parent(&left, &right) || self.is_parent(&right, &left)
            })
    }

    /// Whether rows of the one table are tiled with those of the other by these columns.
    pub fn is_parent(self, parent: &Origin, child: &Origin) -> bool {
        let table = self.snapshot.table_of_path(&child.table);
        let with = table.and_then(|table| self.snapshot.tiled_with(table, &child.column));
        with.is_some_and(|(table, column)| table.path() == parent.table && column == parent.column)
    }

    /// How far, in degrees, the pixels of rows that are built may lie from the pixels of the rows
    /// that stream past them in a join by position; none where nobody knows.
    pub fn reach_deg(self, operator: &CrossMatchExec) -> Option<f64> {
        let join = operator.join();
        let streamed = self.place_deg(join.right(), operator.streamed_place())?;
        let built = self.place_deg(join.left(), operator.built_place())?;
        let radius = operator.reach_deg().or_else(|| self.largest_deg(operator))?;
        Some(radius + streamed + built + ROUNDING_DEG)
    }

    /// How far the places of a pair may be apart where rows have radii of their own, by the range of
    /// these; none where nothing tells.
    fn largest_deg(self, operator: &CrossMatchExec) -> Option<f64> {
        let (radius, is_streamed) = operator.radius();
        let join = operator.join();
        let mut rows = None;
        let side = if is_streamed { join.right() } else { join.left() };
        let radius = self.named(side, radius, &mut rows)?;
        let table = self.snapshot.table_of_path(&rows?.origin.table)?;
        let [_, most] = table.range_of(&radius)?;
        Some(operator.reach_of_deg(most))
    }

    /// How far a place may lie from the pixels of the piece of the sky to which its row belongs:
    /// as far as the position of its row from the one that it is tiled by, and what lies between.
    fn place_deg(
        self,
        plan: &Arc<dyn ExecutionPlan>,
        [ra, dec]: &[Arc<dyn PhysicalExpr>; 2],
    ) -> Option<f64> {
        if let (Some(ra), Some(dec)) = (self.trace(plan, ra), self.trace(plan, dec)) {
            if ra.origin.table != dec.origin.table || ra.beyond_deg != dec.beyond_deg {
                return None;
            }
            let positions = self.positions_of(&ra.origin.table)?;
            let is_position =
                ra.origin.column == positions.ra && dec.origin.column == positions.dec;
            return is_position.then(|| positions.slack_deg + ra.beyond_deg.unwrap_or(0.0));
        }
        // A place at another epoch.
        let mut rows = None;
        let [ra, dec] = [self.named(plan, ra, &mut rows)?, self.named(plan, dec, &mut rows)?];
        let Trace { origin, beyond_deg } = rows?;
        let table = self.snapshot.table_of_path(&origin.table)?;
        Some(table.displacement([&ra, &dec])?.degrees() + beyond_deg.unwrap_or(0.0))
    }

    /// An expression over the columns of a table as its files name them; none where it has columns
    /// of others. `rows` says of which table it is.
    fn named(
        self,
        plan: &Arc<dyn ExecutionPlan>,
        expr: &Arc<dyn PhysicalExpr>,
        rows: &mut Option<Trace>,
    ) -> Option<Arc<dyn PhysicalExpr>> {
        let mut of = rows.clone();
        let named = substituted(expr, &mut |column| {
            let trace = self.trace_column(plan, column.index())?;
            let name = trace.origin.column.clone();
            is_of_same(&mut of, &trace).then(|| Arc::new(Column::new(&name, 0)) as _)
        });
        if named.is_some() {
            *rows = of;
            return named;
        }
        if let Some(scan) = tile_scan(plan) {
            // What the scan computes is over the columns of its files.
            let projection = scan.file_source().projection()?.as_ref();
            let file = scan.file_groups.iter().find_map(|group| group.iter().next())?;
            let (table, _) = tile(&file.object_meta.location).ok()?;
            let origin = Origin { table: table.to_owned(), column: String::new() };
            let is_same = is_of_same(rows, &Trace { origin, beyond_deg: None });
            let computed = substituted(expr, &mut |column| {
                Some(Arc::clone(&projection.get(column.index())?.expr))
            });
            return computed.filter(|_| is_same);
        }
        let (input, computed) = unfolded(plan, expr)?;
        self.named(input, &computed, rows)
    }

    fn positions_of(self, table: &str) -> Option<&'a Positions> {
        let of_archive = self.snapshot.table_of_path(table).map(|table| table.table());
        let table = of_archive.or_else(|| self.upload(table).map(UploadedTable::table))?;
        table.positions.as_ref()
    }

    /// The column of a scan's files by which parts of them can be read.
    ///
    /// # Errors
    /// When a file is no tile.
    pub fn spatial_index(self, scan: &FileScanConfig) -> Result<Option<String>> {
        let mut files = scan.file_groups.iter().flat_map(FileGroup::iter);
        let Some(file) = files.next() else { return Ok(None) };
        let (folder, _) = tile(&file.object_meta.location)?;
        let table = self.snapshot.table_of_path(folder);
        let index = table.and_then(|table| table.spatial_index_in_files());
        let columns = scan.file_source().table_schema().table_schema();
        Ok(index.filter(|index| columns.index_of(index).is_ok()).map(str::to_owned))
    }

    /// The columns of a scan of a table that have the position of its rows, as it stands in the files;
    /// none where it does not deliver both.
    pub fn position_of(self, scan: &FileScanConfig, table: &TiledTable) -> Option<[usize; 2]> {
        let positions = table.table().positions.as_ref()?;
        let files = scan.file_source().table_schema().table_schema();
        let columns = match scan.file_source().projection() {
            Some(projection) => projection.as_ref().len(),
            None => files.fields().len(),
        };
        let at = |name: &String| {
            (0..columns).find(|at| column_in_files(scan, *at).as_ref() == Some(name))
        };
        Some([at(&positions.ra)?, at(&positions.dec)?])
    }

    /// The upload whose rows are at a location.
    pub fn upload(self, location: &str) -> Option<&'a UploadedTable> {
        let (_, file) = location.rsplit_once('/')?;
        self.uploads.iter().map(AsRef::as_ref).find(|upload| upload.file_name() == file)
    }

    fn trace(self, plan: &Arc<dyn ExecutionPlan>, expr: &Arc<dyn PhysicalExpr>) -> Option<Trace> {
        let column = same_number(expr, &plan.schema()).downcast_ref::<Column>()?;
        self.trace_column(plan, column.index())
    }

    fn trace_column(self, plan: &Arc<dyn ExecutionPlan>, at: usize) -> Option<Trace> {
        if let Some(leaf) = plan.downcast_ref::<SlotLeafExec>() {
            return self.trace_column(&leaf.original, at);
        }
        if tile_scan(plan).or_else(|| upload_scan(plan)).is_some() {
            return Some(Trace { origin: of_scan(plan, at)?, beyond_deg: None });
        }
        if let Some(projection) = plan.downcast_ref::<ProjectionExec>() {
            return self.trace(projection.input(), &projection.expr().get(at)?.expr);
        }
        if let Some(filter) = plan.downcast_ref::<FilterExec>() {
            let at = match filter.projection() {
                Some(kept) => *kept.as_ref().get(at)?,
                None => at,
            };
            return self.trace_column(filter.input(), at);
        }
        if let Some(local) = plan.downcast_ref::<LocalJoinExec>() {
            return self.of_join(local.join(), at);
        }
        if let Some(join) = plan.downcast_ref::<HashJoinExec>() {
            return self.of_join(join, at);
        }
        if let Some(operator) = plan.downcast_ref::<CrossMatchExec>() {
            return self.of_cross_match(operator, at);
        }
        if let Some(aggregate) = plan.downcast_ref::<AggregateExec>() {
            let (expr, _) = aggregate.group_expr().expr().get(at)?;
            return self.trace(aggregate.input(), expr);
        }
        match plan.children().as_slice() {
            [input] if hands_on(plan) => self.trace_column(input, at),
            _ => None,
        }
    }

    fn of_join(self, join: &HashJoinExec, at: usize) -> Option<Trace> {
        let at = match &join.projection {
            Some(kept) => *kept.as_ref().get(at)?,
            None => at,
        };
        let left = join.left().schema().fields().len();
        let (is_left, at) =
            match join.join_type() {
                JoinType::Inner | JoinType::Left | JoinType::Right | JoinType::Full => {
                    if at < left { (true, at) } else { (false, at - left) }
                }
                JoinType::LeftSemi | JoinType::LeftAnti => (true, at),
                JoinType::RightSemi | JoinType::RightAnti => (false, at),
                JoinType::LeftMark | JoinType::RightMark => return None,
            };
        if !is_left {
            return self.trace_column(join.right(), at);
        }
        // Rows that are collected for each row of the other side lie anywhere.
        if !self.meets_in_tiles(join) {
            return None;
        }
        self.trace_column(join.left(), at)
    }

    fn of_cross_match(self, operator: &CrossMatchExec, at: usize) -> Option<Trace> {
        let join = operator.join();
        let at = match join.projection() {
            Some(kept) => *kept.as_ref().get(at)?,
            None => at,
        };
        let (left, right) = (join.left().schema(), join.right().schema());
        let (_, columns) = build_join_schema(&left, &right, join.join_type());
        let column = columns.get(at)?;
        match column.side {
            JoinSide::Left => {
                let mut trace = self.trace_column(join.left(), column.index)?;
                trace.beyond_deg = Some(self.reach_deg(operator)?);
                Some(trace)
            }
            JoinSide::Right | JoinSide::None => self.trace_column(join.right(), column.index),
        }
    }
}

/// A node, and an expression over its rows.
type Over<'p> = (&'p Arc<dyn ExecutionPlan>, Arc<dyn PhysicalExpr>);

/// An expression over the rows of a node in terms of those that the node reads, where it computes
/// columns or hands rows on.
fn unfolded<'p>(
    plan: &'p Arc<dyn ExecutionPlan>,
    expr: &Arc<dyn PhysicalExpr>,
) -> Option<Over<'p>> {
    if let Some(leaf) = plan.downcast_ref::<SlotLeafExec>() {
        return Some((&leaf.original, Arc::clone(expr)));
    }
    if let Some(projection) = plan.downcast_ref::<ProjectionExec>() {
        let of = |column: &Column| Some(Arc::clone(&projection.expr().get(column.index())?.expr));
        return Some((projection.input(), substituted(expr, &mut { of })?));
    }
    if let Some(filter) = plan.downcast_ref::<FilterExec>() {
        let Some(kept) = filter.projection() else {
            return Some((filter.input(), Arc::clone(expr)));
        };
        let of = |column: &Column| {
            let at = *kept.as_ref().get(column.index())?;
            Some(Arc::new(Column::new(column.name(), at)) as Arc<dyn PhysicalExpr>)
        };
        return Some((filter.input(), substituted(expr, &mut { of })?));
    }
    match plan.children().as_slice() {
        [input] if hands_on(plan) => Some((*input, Arc::clone(expr))),
        _ => None,
    }
}

/// Whether a node hands on the rows that it reads, as they are.
fn hands_on(plan: &Arc<dyn ExecutionPlan>) -> bool {
    plan.is::<CoalescePartitionsExec>()
        || plan.is::<RepartitionExec>()
        || plan.is::<CooperativeExec>()
        || plan.is::<InTurnExec>()
        || plan.is::<RangedScanExec>()
}

/// An expression with another in place of each column; none where a column has none.
fn substituted(
    expr: &Arc<dyn PhysicalExpr>,
    of: &mut dyn FnMut(&Column) -> Option<Arc<dyn PhysicalExpr>>,
) -> Option<Arc<dyn PhysicalExpr>> {
    let mut is_whole = true;
    let substituted = Arc::clone(expr).transform_up(|node| {
        let Some(column) = node.downcast_ref::<Column>() else { return Ok(Transformed::no(node)) };
        match of(column) {
            Some(other) => Ok(Transformed::yes(other)),
            None => {
                is_whole = false;
                Ok(Transformed::no(node))
            }
        }
    });
    substituted.ok().map(|whole| whole.data).filter(|_| is_whole)
}

/// Whether rows are of the same table as those before, and lie as far beyond their piece.
fn is_of_same(known: &mut Option<Trace>, trace: &Trace) -> bool {
    let known = known.get_or_insert_with(|| trace.clone());
    known.origin.table == trace.origin.table && known.beyond_deg == trace.beyond_deg
}

fn of_scan(plan: &Arc<dyn ExecutionPlan>, at: usize) -> Option<Origin> {
    let scan = tile_scan(plan).or_else(|| upload_scan(plan))?;
    let column = column_in_files(scan, at)?;
    // A scan without a file has no rows to trace.
    let file = scan.file_groups.iter().find_map(|group| group.iter().next())?;
    let location = &file.object_meta.location;
    let table = if is_upload(location) { location.as_ref() } else { tile(location).ok()?.0 };
    Some(Origin { table: table.to_owned(), column })
}

/// The column of its files that a column of a scan is, if it is one.
fn column_in_files(scan: &FileScanConfig, at: usize) -> Option<String> {
    let files = scan.file_source().table_schema().table_schema();
    match scan.file_source().projection() {
        Some(projection) => {
            let expr = &projection.as_ref().get(at)?.expr;
            Some(same_number(expr, files).downcast_ref::<Column>()?.name().to_owned())
        }
        None => Some(files.fields().get(at)?.name().clone()),
    }
}

/// An expression without what leaves a floating-point number as it is, where it is not NaN.
fn same_number<'a>(expr: &'a Arc<dyn PhysicalExpr>, schema: &Schema) -> &'a Arc<dyn PhysicalExpr> {
    if let Some(cast) = expr.downcast_ref::<CastExpr>()
        && *cast.cast_type() == DataType::Float64
        && cast.expr().data_type(schema).is_ok_and(|from| from == DataType::Float32)
    {
        return same_number(cast.expr(), schema);
    }
    match expr.downcast_ref::<ScalarFunctionExpr>() {
        Some(call) if call.name() == nan_to_null::NAME => {
            call.args().first().map_or(expr, |number| same_number(number, schema))
        }
        _ => expr,
    }
}
