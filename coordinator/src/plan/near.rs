//! Joins by position read only what may be near the other side.
//!
//! ```text
//! CrossMatchExec                        CrossMatchExec
//!   scan of an upload: two pixels         scan of an upload
//!   scan of b: all tiles           ->     RangedScanExec: around two pixels
//!                                           scan of b: the tiles there
//! ```
//! Tiles that lie farther than the radius from all of the other side are left out before the query
//! gets its slots, so that workers which hold none of the rest do not take part. Of the side that
//! streams, only the rows around are read where they are much less than its tiles. Rows of a side
//! that is kept stay.

use std::sync::Arc;

use adql::sky::{Angle, Coverage, Order};
use datafusion::common::tree_node::{Transformed, TreeNode};
use datafusion::common::{JoinType, Result};
use datafusion::datasource::listing::PartitionedFile;
use datafusion::datasource::physical_plan::{FileGroup, FileScanConfig};
use datafusion::datasource::source::DataSourceExec;
use datafusion::physical_plan::{ExecutionPlan, replace_children_if_necessary};
use worker::cross_match::CrossMatchExec;
use worker::ranged_scan::{RangedScanExec, Rows};

use super::colocate::{looks_at_single_rows, shares_out};
use super::lineage::Lineage;
use super::slots::{bytes_of, files, tile, tile_scan, upload_scan};

/// What lies around a side is found of no more cells of its sky than these.
const CELLS_MAX: u64 = 10_000;

/// What lies around a side is found to this part of the tiles that are read for it.
const FINER_ORDERS: u8 = 4;

/// Single rows are looked for where no more than this part of the tiles is near.
const WORTH_RANGES: f64 = 0.5;

/// The plan whose joins by position read only what may be near.
///
/// # Errors
/// When a scan names a file that is no tile, or a node refuses its own children.
pub fn restricted(
    plan: Arc<dyn ExecutionPlan>,
    lineage: Lineage<'_>,
) -> Result<Arc<dyn ExecutionPlan>> {
    let restricted = plan.transform_up(|node| {
        let Some(operator) = node.downcast_ref::<CrossMatchExec>() else {
            return Ok(Transformed::no(node));
        };
        let Some(reach) = lineage.reach_deg(operator) else { return Ok(Transformed::no(node)) };
        let (reach, join) = (Angle::from_degrees(reach), operator.join());
        let (built, streamed) = (join.left(), join.right());
        let keeps = !matches!(join.join_type(), JoinType::Inner | JoinType::RightSemi);
        let around_built = if keeps { None } else { around(built, streamed, reach, lineage)? };
        let around_streamed = around(streamed, built, reach, lineage)?;
        let children = vec![
            near(built, around_streamed.as_ref(), None)?,
            near(streamed, around_built.as_ref(), Some(lineage))?,
        ];
        replace_children_if_necessary(node, children).map(Transformed::yes)
    });
    restricted.map(|restricted| restricted.data)
}

/// What lies around the rows of a side, as finely as the tiles of another ask for; none where it is
/// not known where they lie.
fn around(
    side: &Arc<dyn ExecutionPlan>,
    other: &Arc<dyn ExecutionPlan>,
    reach: Angle,
    lineage: Lineage<'_>,
) -> Result<Option<Coverage>> {
    let Some(scan) = scan_of(other).and_then(tile_scan) else { return Ok(None) };
    let Some(covered) = covered(side, lineage)? else { return Ok(None) };
    let mut finest = Order::MIN;
    for file in files(scan) {
        let (_, pixel) = tile(&file.object_meta.location)?;
        finest = finest.max(pixel.order());
    }
    let finest = Order::new(finest.get() + FINER_ORDERS).unwrap_or(Order::MAX);
    Ok(Some(of_few_cells(&covered, finest).widened(reach, finest)))
}

/// The sky in which the rows of a side lie.
fn covered(side: &Arc<dyn ExecutionPlan>, lineage: Lineage<'_>) -> Result<Option<Coverage>> {
    let Some(leaf) = scan_of(side) else { return Ok(None) };
    if let Some(scan) = upload_scan(leaf) {
        let location = files(scan).next().map(|file| file.object_meta.location.as_ref());
        let upload = location.and_then(|location| lineage.upload(location));
        return Ok(upload.and_then(|upload| upload.coverage()).cloned());
    }
    let Some(scan) = tile_scan(leaf) else { return Ok(None) };
    let mut ranges = Vec::new();
    for file in files(scan) {
        let (_, pixel) = tile(&file.object_meta.location)?;
        ranges.push(pixel.range());
    }
    Ok(Some(Coverage::from_ranges(ranges)))
}

/// A coverage of no more than [`CELLS_MAX`] cells that holds this one.
fn of_few_cells(covered: &Coverage, finest: Order) -> Coverage {
    let orders = (0..=finest.get()).rev().filter_map(Order::new);
    let mut coarser = orders.map(|order| (order, covered.at_order(order)));
    let few = coarser.find(|(order, coverage)| {
        let shift = 2 * (Order::MAX.get() - order.get());
        let cells = coverage.ranges().iter().map(|range| (range.end - range.start) >> shift);
        cells.sum::<u64>() <= CELLS_MAX
    });
    few.map_or_else(Coverage::all, |(_, coverage)| coverage)
}

/// The only scan below nodes that look at single rows.
fn scan_of(plan: &Arc<dyn ExecutionPlan>) -> Option<&Arc<dyn ExecutionPlan>> {
    if let Some(scan) = tile_scan(plan).or_else(|| upload_scan(plan)) {
        return scan.limit.is_none().then_some(plan);
    }
    match plan.children().as_slice() {
        [input] if plan.fetch().is_none() && (looks_at_single_rows(plan) || shares_out(plan)) => {
            scan_of(input)
        }
        _ => None,
    }
}

/// A side without the tiles that lie outside of a coverage, and where `by_row` tells of the tables,
/// without other rows outside of it.
fn near(
    side: &Arc<dyn ExecutionPlan>,
    coverage: Option<&Coverage>,
    by_row: Option<Lineage<'_>>,
) -> Result<Arc<dyn ExecutionPlan>> {
    let (Some(coverage), Some(_)) = (coverage, scan_of(side).and_then(tile_scan)) else {
        return Ok(Arc::clone(side));
    };
    let Some(scan) = tile_scan(side) else {
        let children = side.children().into_iter();
        let children = children.map(|child| near(child, Some(coverage), by_row));
        let children = children.collect::<Result<Vec<_>>>()?;
        return replace_children_if_necessary(Arc::clone(side), children);
    };
    let mut kept = Vec::new();
    let mut tiles = Vec::new();
    for file in files(scan) {
        let (_, pixel) = tile(&file.object_meta.location)?;
        if coverage.overlaps(&pixel.range()) {
            kept.push(file.clone());
            tiles.push(pixel.range());
        }
    }
    let within = coverage.intersection(&Coverage::from_ranges(tiles.iter().cloned()));
    let part = within.sky_fraction() / Coverage::from_ranges(tiles).sky_fraction();
    let index = match by_row {
        Some(lineage) if part <= WORTH_RANGES => lineage.spatial_index(scan)?,
        _ => None,
    };
    if index.is_none() && kept.len() == files(scan).count() {
        return Ok(Arc::clone(side));
    }
    let groups = shared_out(kept, scan.file_groups.len());
    let Some(index) = index else { return Ok(with_groups(scan, groups)) };
    let of_group = |group: &FileGroup| -> Result<Coverage> {
        let pixels = group.iter().map(|file| Ok(tile(&file.object_meta.location)?.1.range()));
        let tiles = Coverage::from_ranges(pixels.collect::<Result<Vec<_>>>()?);
        Ok(within.intersection(&tiles))
    };
    let coverages = groups.iter().map(of_group).collect::<Result<Vec<_>>>()?;
    Ok(Arc::new(RangedScanExec::new(
        with_groups(scan, groups),
        index,
        coverages,
        Rows::Around { margin: None },
    )))
}

fn with_groups(scan: &FileScanConfig, groups: Vec<FileGroup>) -> Arc<dyn ExecutionPlan> {
    let mut scan = scan.clone();
    scan.file_groups = groups;
    DataSourceExec::from_data_source(scan)
}

/// Files in so many groups, along the sky, of about equal bytes.
fn shared_out(files: Vec<PartitionedFile>, groups: usize) -> Vec<FileGroup> {
    let total: u64 = files.iter().map(bytes_of).sum();
    let mut shared: Vec<Vec<PartitionedFile>> = vec![Vec::new(); groups.max(1)];
    let last = shared.len() - 1;
    let mut before = 0;
    for file in files {
        let at = u128::from(before) * shared.len() as u128 / u128::from(total.max(1));
        before += bytes_of(&file);
        shared[usize::try_from(at).map_or(last, |at| at.min(last))].push(file);
    }
    shared.into_iter().map(FileGroup::new).collect()
}
