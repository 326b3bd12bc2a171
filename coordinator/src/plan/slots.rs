//! The placement of one query: which workers run its tasks, and who of them reads which tile.
//!
//! A query's slots are the readers of the tiles that it touches ([`Choice`]), padded to two: a plan
//! with one task on each side of a boundary loses the boundary and would run on the coordinator
//! (engine.md T1), and a 1′ cone on 450 workers makes 2 tasks, not 450.

use std::collections::HashMap;
use std::sync::Arc;

use adql::sky::Pixel;
use catalog::upload::is_upload;
use catalog::{Placement, Snapshot};
use datafusion::common::tree_node::{TreeNode, TreeNodeRecursion};
use datafusion::common::{Result, plan_datafusion_err};
use datafusion::datasource::listing::PartitionedFile;
use datafusion::datasource::physical_plan::{FileGroup, FileScanConfig};
use datafusion::datasource::source::DataSourceExec;
use datafusion::error::DataFusionError;
use datafusion::physical_plan::ExecutionPlan;
use object_store::path::Path;
use url::Url;

use super::choice::{Candidate, Choice, Touched};

/// A plan that is to be distributed has at least this many slots.
const SLOTS_MIN: usize = 2;

/// The cluster as one query finds it.
#[derive(Debug, Clone)]
pub struct ClusterView {
    /// The tables.
    pub snapshot: Arc<Snapshot>,
    /// Which worker holds which piece of sky.
    pub placement: Arc<Placement>,
    /// Every worker holds a table of fewer bytes.
    pub small_table_bytes: u64,
    /// All workers, in the order of the placement.
    pub workers: Vec<Candidate>,
}

/// The slots of one query.
#[derive(Debug)]
pub struct Slots {
    urls: Vec<Url>,
    slot_of_worker: HashMap<usize, usize>,
    /// The worker of each slot, and whether it reads tiles that it does not hold.
    workers: Vec<(usize, bool)>,
    bytes_by_worker: Vec<(Url, u64)>,
    choice: Choice,
    placement: Arc<Placement>,
}

impl Slots {
    /// The slots of the query that `plan` answers.
    ///
    /// # Errors
    /// When a scan names a file that is no tile, and when the holders of a tile are lost.
    pub fn of(plan: &Arc<dyn ExecutionPlan>, cluster: &ClusterView) -> Result<Self> {
        let (touched, bytes) = touched(plan, cluster)?;
        let (placement, workers) = (&cluster.placement, &cluster.workers);
        let unavailable = |error| DataFusionError::External(Box::new(error));
        let choice = Choice::of(placement, workers, &touched).map_err(unavailable)?;
        let from_elsewhere = choice.from_elsewhere();
        if from_elsewhere > 0 {
            tracing::warn!(tiles = from_elsewhere, "no holder lives: others read from the origin");
        }
        let chosen = choice.workers(workers, SLOTS_MIN).map_err(unavailable)?;
        let slot_of_worker: HashMap<usize, usize> =
            chosen.iter().enumerate().map(|(slot, worker)| (*worker, slot)).collect();
        let mut urls: Vec<Url> = chosen.iter().map(|w| workers[*w].url.clone()).collect();
        let mut bytes_by_worker: Vec<(Url, u64)> = urls.iter().map(|u| (u.clone(), 0)).collect();
        for (tile, bytes) in touched.iter().zip(bytes) {
            let reader = choice.reader(placement, tile.pixel);
            if let Some(slot) = reader.and_then(|reader| slot_of_worker.get(&reader)) {
                bytes_by_worker[*slot].1 += bytes;
            }
        }
        // A cluster of one worker runs both tasks on it.
        let mut of_slots: Vec<(usize, bool)> =
            chosen.iter().map(|worker| (*worker, workers[*worker].falls_back)).collect();
        while urls.len() < SLOTS_MIN {
            urls.push(urls[0].clone());
            of_slots.push(of_slots[0]);
        }
        let placement = Arc::clone(placement);
        let workers = of_slots;
        Ok(Self { urls, slot_of_worker, workers, bytes_by_worker, choice, placement })
    }

    /// The worker of each slot.
    pub fn urls(&self) -> &[Url] {
        &self.urls
    }

    /// The bytes of the tiles that each worker of the query reads, each worker once.
    pub fn bytes_by_worker(&self) -> &[(Url, u64)] {
        &self.bytes_by_worker
    }

    /// Whether the worker of a slot holds the tiles of a pixel.
    pub fn holds(&self, slot: usize, pixel: Pixel) -> bool {
        let worker = self.workers.get(slot);
        worker.is_some_and(|(worker, _)| self.placement.holders(pixel).contains(worker))
    }

    /// Whether the worker of a slot holds the tiles of a pixel, or may fetch them from others.
    pub fn may_read(&self, slot: usize, pixel: Pixel) -> bool {
        self.workers.get(slot).is_some_and(|(_, falls_back)| *falls_back) || self.holds(slot, pixel)
    }

    /// The slot that is to read what there is over a pixel: the one that reads the tiles that begin
    /// there, or else one that holds them; none where there is none.
    pub fn slot_over(&self, pixel: Pixel) -> Option<usize> {
        let reader = self.choice.reader(&self.placement, pixel);
        let reads = reader.and_then(|reader| self.slot_of_worker.get(&reader).copied());
        let mut slots = reads.into_iter().chain(0..self.urls.len());
        slots.find(|slot| self.holds(*slot, pixel))
    }

    /// The pixel in parts, each of which lies in one placement cell.
    pub fn in_cells(&self, pixel: Pixel) -> impl Iterator<Item = Pixel> {
        pixel.within(self.placement.order())
    }

    /// The slot that reads the tile at `location`.
    ///
    /// # Errors
    /// When the location is no tile's, or its reader has no slot in this query.
    pub fn slot_of(&self, location: &Path) -> Result<usize> {
        let (_, pixel) = tile(location)?;
        let reader = self.choice.reader(&self.placement, pixel);
        let slot = reader.and_then(|reader| self.slot_of_worker.get(&reader).copied());
        slot.ok_or_else(|| plan_datafusion_err!("no slot of the query reads tile {location}"))
    }
}

/// The tiles that a plan reads and, in the same order, how many bytes of them at most.
fn touched<'a>(
    plan: &'a Arc<dyn ExecutionPlan>,
    cluster: &ClusterView,
) -> Result<(Vec<Touched<'a>>, Vec<u64>)> {
    let (mut tiles, mut bytes) = (Vec::new(), Vec::new());
    let mut everywhere: HashMap<&str, bool> = HashMap::new();
    plan.apply(|node| {
        let Some(scan) = tile_scan(node) else { return Ok(TreeNodeRecursion::Continue) };
        for file in scan.file_groups.iter().flat_map(FileGroup::iter) {
            let path = &file.object_meta.location;
            let (folder, pixel) = tile(path)?;
            let is_everywhere = everywhere.entry(folder).or_insert_with_key(|folder| {
                let table = cluster.snapshot.table_of_path(folder);
                table.is_some_and(|table| table.is_everywhere(cluster.small_table_bytes))
            });
            tiles.push(Touched { pixel, path, everywhere: *is_everywhere });
            bytes.push(bytes_of(file));
        }
        Ok(TreeNodeRecursion::Continue)
    })?;
    Ok((tiles, bytes))
}

/// The files of a scan, or parts of files.
pub(super) fn files(scan: &FileScanConfig) -> impl Iterator<Item = &PartitionedFile> {
    scan.file_groups.iter().flat_map(FileGroup::iter)
}

/// The bytes of a file, or of the part of it that a scan reads.
pub(super) fn bytes_of(file: &PartitionedFile) -> u64 {
    let part = file.range.as_ref().map(|range| range.end - range.start);
    part.and_then(|part| u64::try_from(part).ok()).unwrap_or(file.object_meta.size)
}

/// The folder of the table of a tile, and its pixel.
///
/// # Errors
/// When the location is no tile's.
pub fn tile(location: &Path) -> Result<(&str, Pixel)> {
    catalog::tile_of_path(location)
        .ok_or_else(|| plan_datafusion_err!("{location} is not the location of a tile"))
}

/// The scan of tiles that a node is, if it is one.
pub fn tile_scan(node: &Arc<dyn ExecutionPlan>) -> Option<&FileScanConfig> {
    scan_of_store(node).filter(|scan| !is_upload_scan(scan))
}

/// The scan of a table that the query brought that a node is, if it is one: of one file, which the
/// worker of the first slot is given.
pub fn upload_scan(node: &Arc<dyn ExecutionPlan>) -> Option<&FileScanConfig> {
    scan_of_store(node).filter(|scan| is_upload_scan(scan))
}

fn scan_of_store(node: &Arc<dyn ExecutionPlan>) -> Option<&FileScanConfig> {
    let source = node.downcast_ref::<DataSourceExec>()?;
    let scan = source.data_source().downcast_ref::<FileScanConfig>()?;
    scan.object_store_url.as_str().starts_with(catalog::TILE_STORE).then_some(scan)
}

fn is_upload_scan(scan: &FileScanConfig) -> bool {
    let mut files = scan.file_groups.iter().flat_map(FileGroup::iter);
    files.next().is_some_and(|file| is_upload(&file.object_meta.location))
}
