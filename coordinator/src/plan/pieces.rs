//! The scans below joins that run in pieces of the sky, and what each piece reads of them.
//!
//! ```text
//! InTurnExec                              as many pieces at once as cores
//!   CrossMatchExec: in pieces             partition i is piece i
//!     RangedScanExec                      what lies within the radius of the piece
//!       scan of b
//!     HashJoinExec (o.id = s.oid)
//!       scan of o, scan of s              the tiles of the piece
//! ```
//! Each tile of some scans is in one piece: of tables that are tiled alike, and of the side that
//! streams in joins by position; there also each part of a coarse tile, where other workers hold
//! what is built over the other parts. Of the side that such a join builds, a piece has all that may be
//! near to its rows, so also what lies beyond its border (`super::around`).

use std::sync::Arc;

use adql::sky::{Coverage, Pixel};
use datafusion::common::{JoinType, Result, internal_err};
use datafusion::datasource::listing::PartitionedFile;
use datafusion::datasource::physical_plan::{FileGroup, FileScanConfig};
use datafusion::datasource::source::DataSourceExec;
use datafusion::physical_expr::Partitioning;
use datafusion::physical_plan::joins::{HashJoinExec, PartitionMode};
use datafusion::physical_plan::{ExecutionPlan, replace_children_if_necessary};
use worker::cross_match::{CrossMatchExec, WHOLE_BYTES, estimated_bytes};
use worker::in_turn::InTurnExec;
use worker::local_join::LocalJoinExec;
use worker::ranged_scan::{RangedScanExec, Rows};

use super::around::{Around, Band, Ranged, Reading, Scan};
use super::colocate::{
    Place, anew, collects_for_each_row, looks_at_single_rows, shares_out, single_scan,
};
use super::slot_leaf::SlotLeafExec;
use super::slots::{Slots, bytes_of, files, tile, tile_scan};
use super::units::{self, Cut, Part, Unit};

/// A piece of so many bytes of files is large enough.
const UNIT_BYTES: u64 = 64 << 20;

/// A task has at most so many pieces.
const UNITS_MAX: u64 = 1024;

/// A query has at most so many pieces of which the surroundings have to be found: seconds.
const SURROUNDED_MAX: u64 = 16 * 1024;

/// A core has at least so many pieces, where there are tiles enough.
const UNITS_PER_PARTITION: u64 = 4;

/// Beyond so many degrees each piece would read much of the sky.
const REACH_MAX_DEG: f64 = 45.0;

/// Scans that are joined in the same pieces.
#[derive(Default)]
struct Tree {
    scans: Vec<Scan>,
    /// Whether some join keeps rows without a partner.
    keeps_unpaired: bool,
}

impl Place<'_> {
    /// A join with all that is below it in pieces; none if that cannot be or is not worth while.
    pub(super) fn pieces(
        &self,
        plan: &Arc<dyn ExecutionPlan>,
    ) -> Result<Option<Arc<dyn ExecutionPlan>>> {
        let mut tree = Tree::default();
        if !self.collect(plan, &mut tree) {
            return Ok(None);
        }
        let Some(leaves) = self.leaves(&tree)? else { return Ok(None) };
        let join = self.over_leaves(plan, &mut leaves.into_iter())?;
        Ok(Some(Arc::new(InTurnExec::new(join, self.partitions))))
    }

    /// How far, in degrees, around each piece the built side of a join by position is read; none
    /// where it is better whole, or where that is not known.
    pub(super) fn reads_around(&self, operator: &CrossMatchExec) -> Option<f64> {
        let built = operator.join().left();
        let is_small = estimated_bytes(built).is_some_and(|bytes| bytes <= WHOLE_BYTES);
        if is_small || single_scan(built).is_none() {
            return None;
        }
        self.lineage.reach_deg(operator).filter(|reach| *reach <= REACH_MAX_DEG)
    }

    /// Whether below a node there are only scans of tiles, joins that can go in pieces and nodes
    /// that look at single rows; adds those scans, from left to right.
    fn collect(&self, plan: &Arc<dyn ExecutionPlan>, tree: &mut Tree) -> bool {
        if let Some(config) = tile_scan(plan) {
            let config = config.clone();
            let is_all = config.limit.is_none();
            tree.scans.push(Scan { config, around_deg: None });
            return is_all;
        }
        if let Some(ranged) = plan.downcast_ref::<RangedScanExec>() {
            return self.collect(ranged.scan(), tree);
        }
        if plan.fetch().is_some() {
            return false;
        }
        if let Some(join) = plan.downcast_ref::<HashJoinExec>() {
            tree.keeps_unpaired |= *join.join_type() != JoinType::Inner;
            if self.lineage.meets_in_tiles(join) {
                return self.collect(join.left(), tree) && self.collect(join.right(), tree);
            }
            return collects_for_each_row(join) && self.collect(join.right(), tree);
        }
        if let Some(operator) = plan.downcast_ref::<CrossMatchExec>() {
            let join = operator.join();
            tree.keeps_unpaired |= *join.join_type() != JoinType::Inner;
            if let Some(around) = self.reads_around(operator)
                && let Some(config) = single_scan(join.left())
            {
                let config = config.clone();
                tree.scans.push(Scan { config, around_deg: Some(around) });
            }
            return self.collect(join.right(), tree);
        }
        match plan.children().as_slice() {
            [input] if looks_at_single_rows(plan) || shares_out(plan) => self.collect(input, tree),
            _ => false,
        }
    }

    /// The scans of a tree, each with a partition for each piece; none if that is not worth while,
    /// or if a worker may not read what it needs.
    fn leaves(&self, tree: &Tree) -> Result<Option<Vec<Arc<dyn ExecutionPlan>>>> {
        let (around, cut): (Vec<&Scan>, Vec<&Scan>) =
            tree.scans.iter().partition(|scan| scan.around_deg.is_some());
        let around = around.into_iter().map(|scan| self.around(scan));
        let around = around.collect::<Result<Vec<_>>>()?;
        let index = match cut.as_slice() {
            [alone] => self.lineage.spatial_index(&alone.config)?,
            _ => None,
        };
        let mut parts = Vec::new();
        for (number, scan) in cut.iter().enumerate() {
            for (file, of) in files(&scan.config).enumerate() {
                let location = &of.object_meta.location;
                let (_, pixel) = tile(location)?;
                let slot = match self.over {
                    Some((slots, _)) => slots.slot_of(location)?,
                    None => 0,
                };
                let part = Part { scan: number, file, pixel, bytes: bytes_of(of), slot };
                match self.over {
                    Some((slots, _)) if index.is_some() && self.is_apart(&part, &around) => {
                        parts.extend(in_cells(&part, &around, slots));
                    }
                    _ => parts.push(part),
                }
            }
        }
        // What is built for it is a part of the piece as well.
        for part in parts.iter_mut().filter(|part| part.scan == 0) {
            part.bytes += around.iter().map(|around| around.bytes_over(part.pixel)).sum::<u64>();
        }
        let slots = self.over.map_or(1, |(slots, _)| slots.urls().len());
        let total: u64 = parts.iter().map(|part| part.bytes).sum();
        let least = (self.partitions * slots) as u64 * UNITS_PER_PARTITION;
        let surrounded = if around.is_empty() { u64::MAX } else { SURROUNDED_MAX };
        let most = (UNITS_MAX * slots as u64).min(surrounded);
        let bytes = (total / least).min(UNIT_BYTES).max(total / most);
        let how = Cut { scans: cut.len(), all_meet: !tree.keeps_unpaired, bytes };
        let Some(mut units) = units::cut(parts, how) else { return Ok(None) };
        let bands = around.iter().map(|around| {
            let of_units = units.iter().map(|unit| around.band(unit));
            of_units.collect::<Vec<Band>>()
        });
        let mut bands: Vec<Vec<Band>> = bands.collect();
        // Where any join keeps rows without a partner, a piece with nothing to build has answers.
        let has_answer =
            |number: usize| tree.keeps_unpaired || bands.iter().all(|b| !b[number].is_empty());
        let kept: Vec<bool> = (0..units.len()).map(has_answer).collect();
        keep(&mut units, &kept);
        bands.iter_mut().for_each(|bands| keep(bands, &kept));
        if self.over.is_none() && units.len() < 2 * self.partitions {
            // DataFusion keeps all cores busy, and so little fits into memory.
            return Ok(None);
        }
        if !self.may_read(&units, &around, &bands) {
            return Ok(None);
        }
        let (mut leaves, mut cut, mut built) = (Vec::new(), 0, around.iter().zip(bands));
        for scan in &tree.scans {
            let leaf = if scan.around_deg.is_none() {
                cut += 1;
                let (readings, are_parts) = own(&scan.config, &units, cut - 1)?;
                let ranged = index.clone().filter(|_| are_parts);
                let ranged = ranged.map(|index| Ranged { index, of: Rows::OfPartition });
                self.leaf(&scan.config, &readings, ranged.as_ref())
            } else if let Some((around, bands)) = built.next() {
                let readings = around.readings(&units, bands);
                self.leaf(&scan.config, &readings, around.ranged().as_ref())
            } else {
                return internal_err!("a scan that is built has no pieces");
            };
            leaves.push(leaf);
        }
        Ok(Some(leaves))
    }

    /// Whether its worker lacks something of what is built over it: fine tiles in a coarse one that
    /// many workers hold.
    fn is_apart(&self, part: &Part, around: &[Around<'_>]) -> bool {
        let Some((slots, small_table_bytes)) = self.over else { return false };
        let mut built = around.iter().filter(|around| !around.is_everywhere(small_table_bytes));
        built.any(|around| !around.all_over(part.pixel, |pixel| slots.holds(part.slot, pixel)))
    }

    /// Whether the worker of each piece holds or may fetch all that it reads.
    fn may_read(&self, units: &[Unit], around: &[Around<'_>], bands: &[Vec<Band>]) -> bool {
        let Some((slots, small_table_bytes)) = self.over else { return true };
        around.iter().zip(bands).all(|(around, bands)| {
            around.is_everywhere(small_table_bytes)
                || units.iter().zip(bands).all(|(unit, band)| {
                    around.pixels(band).all(|pixel| slots.may_read(unit.slot, pixel))
                })
        })
    }

    /// The tree over its new scans.
    pub(super) fn over_leaves(
        &self,
        plan: &Arc<dyn ExecutionPlan>,
        leaves: &mut impl Iterator<Item = Arc<dyn ExecutionPlan>>,
    ) -> Result<Arc<dyn ExecutionPlan>> {
        if tile_scan(plan).is_some() {
            let Some(leaf) = leaves.next() else { return internal_err!("a scan has no leaf") };
            return Ok(leaf);
        }
        if let Some(ranged) = plan.downcast_ref::<RangedScanExec>() {
            return self.over_leaves(ranged.scan(), leaves);
        }
        if let Some(join) = plan.downcast_ref::<HashJoinExec>() {
            if self.lineage.meets_in_tiles(join) {
                let left = self.over_leaves(join.left(), leaves)?;
                let right = self.over_leaves(join.right(), leaves)?;
                let join = anew(join, PartitionMode::Partitioned, left, right)?;
                return Ok(Arc::new(join));
            }
            let right = self.over_leaves(join.right(), leaves)?;
            if let Some(left) = self.whole_everywhere(join.left())? {
                let join = anew(join, PartitionMode::CollectLeft, left, right)?;
                return Ok(Arc::new(LocalJoinExec::new(join)));
            }
            let left = self.rewrite(join.left(), true)?;
            return Ok(Arc::new(anew(join, PartitionMode::CollectLeft, left, right)?));
        }
        if let Some(operator) = plan.downcast_ref::<CrossMatchExec>() {
            let join = operator.join();
            let left = if self.reads_around(operator).is_some() {
                self.over_leaves(join.left(), leaves)?
            } else if let Some(left) = self.whole_everywhere(join.left())? {
                left
            } else {
                self.rewrite(join.left(), true)?
            };
            let right = self.over_leaves(join.right(), leaves)?;
            return replace_children_if_necessary(Arc::clone(plan), vec![left, right]);
        }
        let children = plan.children();
        let [input] = children.as_slice() else { return internal_err!("a node of two inputs") };
        let input = self.over_leaves(input, leaves)?;
        if shares_out(plan) {
            return Ok(input);
        }
        replace_children_if_necessary(Arc::clone(plan), vec![input])
    }

    /// A scan with the files of each piece in a partition, of which `ranged` says how parts are read.
    fn leaf(
        &self,
        scan: &FileScanConfig,
        readings: &[Reading],
        ranged: Option<&Ranged>,
    ) -> Arc<dyn ExecutionPlan> {
        let scanned = |readings: &[&Reading], partitions: usize| -> Arc<dyn ExecutionPlan> {
            let files = readings.iter().map(|reading| FileGroup::new(reading.files.clone()));
            let mut groups: Vec<FileGroup> = files.collect();
            groups.resize_with(partitions, FileGroup::default);
            let mut scan = scan.clone();
            // What is said of the partitions keeps their files in them.
            scan.output_partitioning = Some(Partitioning::UnknownPartitioning(partitions));
            scan.file_groups = groups;
            let scan = DataSourceExec::from_data_source(scan);
            let Some(Ranged { index, of }) = ranged else { return scan };
            let coverages = readings.iter().map(|reading| reading.coverage.clone());
            let mut coverages: Vec<Coverage> = coverages.collect();
            coverages.resize_with(partitions, Coverage::empty);
            Arc::new(RangedScanExec::new(scan, index.clone(), coverages, of.clone()))
        };
        let Some((slots, _)) = self.over else {
            let all: Vec<&Reading> = readings.iter().collect();
            return scanned(&all, all.len());
        };
        let mut by_slot: Vec<Vec<&Reading>> = vec![Vec::new(); slots.urls().len()];
        for reading in readings {
            by_slot[reading.slot].push(reading);
        }
        // A scan has two partitions at least.
        let partitions = by_slot.iter().map(Vec::len).max().unwrap_or(0).max(2);
        let variants: Vec<_> =
            by_slot.iter().map(|readings| scanned(readings, partitions)).collect();
        // As people are shown it: all files.
        let mut original = scan.clone();
        let groups = (0..partitions).map(|nth| {
            let nths = by_slot.iter().filter_map(|readings| readings.get(nth));
            FileGroup::new(nths.flat_map(|reading| reading.files.iter().cloned()).collect())
        });
        original.file_groups = groups.collect();
        original.output_partitioning = Some(Partitioning::UnknownPartitioning(partitions));
        let original: Arc<dyn ExecutionPlan> = DataSourceExec::from_data_source(original);
        Arc::new(SlotLeafExec { original, variants })
    }
}

/// A tile cell by cell, each read by a worker that holds all that is built over it, where there is
/// one.
fn in_cells(tile: &Part, around: &[Around<'_>], slots: &Slots) -> Vec<Part> {
    let has_all = |slot: usize, cell: Pixel| {
        let holds = |pixel| slots.holds(slot, pixel);
        holds(tile.pixel) && around.iter().all(|around| around.all_over(cell, holds))
    };
    let mut parts: Vec<Part> = slots
        .in_cells(tile.pixel)
        .map(|pixel| {
            let able = || (0..slots.urls().len()).find(|slot| has_all(*slot, pixel));
            let slot = slots.slot_over(pixel).or_else(able).unwrap_or(tile.slot);
            Part { pixel, slot, ..*tile }
        })
        .collect();
    let cells = parts.len() as u64;
    parts.iter_mut().for_each(|part| part.bytes /= cells);
    parts
}

/// What each piece reads of a scan of which each row is in one piece, and whether some read parts
/// of tiles.
fn own(scan: &FileScanConfig, units: &[Unit], number: usize) -> Result<(Vec<Reading>, bool)> {
    let all: Vec<&PartitionedFile> = files(scan).collect();
    let (mut readings, mut are_parts) = (Vec::new(), false);
    for unit in units {
        let parts = &unit.parts[number];
        let mut of: Vec<usize> = parts.iter().map(|part| part.file).collect();
        of.dedup();
        for part in parts {
            are_parts |= tile(&all[part.file].object_meta.location)?.1 != part.pixel;
        }
        readings.push(Reading {
            slot: unit.slot,
            files: of.into_iter().map(|at| all[at].clone()).collect(),
            coverage: Coverage::from_ranges(parts.iter().map(|part| part.pixel.range())),
        });
    }
    Ok((readings, are_parts))
}

fn keep<T>(items: &mut Vec<T>, kept: &[bool]) {
    let mut kept = kept.iter();
    items.retain(|_| kept.next().copied().unwrap_or(true));
}
