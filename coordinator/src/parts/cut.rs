//! Cuts the tiles of a scan into parts of about equal work.
//!
//! A part has its share of the tiles of every worker, so that no worker waits for the others: the
//! tiles of one worker are a run along the sky, and a part that was a run as well would be read
//! by one of them alone.
//!
//! ```text
//! tiles along the sky    a b c d | e f g h     worker 1 | worker 2
//! parts                  1 1 2 2 | 1 1 2 2
//! ```

use std::collections::{BTreeMap, HashSet};
use std::ops::Range;
use std::sync::Arc;

use catalog::Part;
use datafusion::common::Result;
use datafusion::common::tree_node::{TreeNode, TreeNodeRecursion};
use datafusion::datasource::physical_plan::FileGroup;
use datafusion::physical_plan::ExecutionPlan;

use crate::distributed;
use crate::plan::slots::{tile, tile_scan};

/// A tile that a scan reads.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ScannedTile {
    /// Where its pixel begins in the spatial index.
    pub start: u64,
    /// Size of its files.
    pub bytes: u64,
    /// Who reads it: tiles of the same number are read by the same worker.
    pub slot: usize,
}

/// The tiles that a plan with one scan reads.
///
/// # Errors
/// When it scans a file that is no tile.
pub fn tiles(plan: &Arc<dyn ExecutionPlan>) -> Result<Vec<ScannedTile>> {
    let mut tiles = Vec::new();
    plan.apply(|node| {
        let alone = std::slice::from_ref(node);
        for (slot, scan) in distributed::leaf_variants(node).unwrap_or(alone).iter().enumerate() {
            collect(scan, slot, &mut tiles)?;
        }
        Ok(TreeNodeRecursion::Continue)
    })?;
    Ok(tiles)
}

fn collect(scan: &Arc<dyn ExecutionPlan>, slot: usize, tiles: &mut Vec<ScannedTile>) -> Result<()> {
    let Some(scan) = tile_scan(scan) else { return Ok(()) };
    // A large file is there once for each of its pieces.
    let mut seen = HashSet::new();
    for file in scan.file_groups.iter().flat_map(FileGroup::iter) {
        let location = &file.object_meta.location;
        if !seen.insert(location) {
            continue;
        }
        let (_, pixel) = tile(location)?;
        let (start, bytes) = (pixel.range().start, file.object_meta.size);
        tiles.push(ScannedTile { start, bytes, slot });
    }
    Ok(())
}

/// Parts that have each tile once, and together all of the sky. Of each slot's tiles a part has
/// about so many bytes, and one tile at least.
pub fn cut(tiles: &[ScannedTile], bytes: u64) -> Vec<Part> {
    // Tiles that begin at the same place stay together, with whoever reads the first of them.
    let mut begins: BTreeMap<u64, ScannedTile> = BTreeMap::new();
    for tile in tiles {
        let begin = begins.entry(tile.start).or_insert(ScannedTile { bytes: 0, ..*tile });
        begin.bytes = begin.bytes.saturating_add(tile.bytes);
    }
    // The number of the last part of each slot, and its bytes so far.
    let mut filled: BTreeMap<usize, (usize, u64)> = BTreeMap::new();
    let mut ranges: BTreeMap<usize, Vec<Range<u64>>> = BTreeMap::new();
    let mut before: Option<(usize, u64)> = None;
    for tile in begins.values() {
        let (part, full) = filled.entry(tile.slot).or_default();
        if *full > 0 && full.saturating_add(tile.bytes) > bytes {
            (*part, *full) = (*part + 1, 0);
        }
        *full = full.saturating_add(tile.bytes);
        match before {
            None => before = Some((*part, 0)),
            Some((last, start)) if last != *part => {
                ranges.entry(last).or_default().push(start..tile.start);
                before = Some((*part, tile.start));
            }
            Some(_) => {}
        }
    }
    if let Some((last, start)) = before {
        ranges.entry(last).or_default().push(start..u64::MAX);
    }
    ranges.into_values().filter_map(Part::new).collect()
}
