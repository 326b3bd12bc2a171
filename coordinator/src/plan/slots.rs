//! The placement of one query: which workers run its tasks, and who of them reads which tile.
//!
//! A query's slots are the owners of the tiles that it touches, padded to two: a plan with one
//! task on each side of a boundary loses the boundary and would run on the coordinator
//! (engine.md T1), and a 1′ cone on 450 workers makes 2 tasks, not 450.

use std::collections::{BTreeSet, HashMap};
use std::sync::Arc;

use catalog::Placement;
use datafusion::common::tree_node::{TreeNode, TreeNodeRecursion};
use datafusion::common::{Result, plan_datafusion_err};
use datafusion::datasource::physical_plan::{FileGroup, FileScanConfig};
use datafusion::datasource::source::DataSourceExec;
use datafusion::physical_plan::ExecutionPlan;
use object_store::path::Path;
use url::Url;

/// A plan that is to be distributed has at least this many slots.
const SLOTS_MIN: usize = 2;

/// The workers of a cluster and the tiles that each of them owns.
#[derive(Debug)]
pub struct Cluster {
    /// All workers, in the order of the placement.
    pub workers: Vec<Url>,
    /// Tile to worker.
    pub placement: Placement,
}

/// The slots of one query.
#[derive(Debug)]
pub struct Slots {
    urls: Vec<Url>,
    slot_of_worker: HashMap<usize, usize>,
    cluster: Arc<Cluster>,
}

impl Slots {
    /// The slots of the query that `plan` answers.
    ///
    /// # Errors
    /// When a scan names a file that is no tile.
    pub fn of(plan: &Arc<dyn ExecutionPlan>, cluster: &Arc<Cluster>) -> Result<Self> {
        let mut owners = BTreeSet::new();
        plan.apply(|node| {
            if let Some(scan) = tile_scan(node) {
                for file in scan.file_groups.iter().flat_map(FileGroup::iter) {
                    owners.insert(owner(cluster, &file.object_meta.location)?);
                }
            }
            Ok(TreeNodeRecursion::Continue)
        })?;
        let others = (0..cluster.workers.len()).filter(|worker| !owners.contains(worker));
        let padding: Vec<usize> = others.take(SLOTS_MIN.saturating_sub(owners.len())).collect();
        owners.extend(padding);
        let slot_of_worker = owners.iter().enumerate().map(|(slot, w)| (*w, slot)).collect();
        let mut urls: Vec<Url> = owners.iter().map(|w| cluster.workers[*w].clone()).collect();
        // A cluster of one worker runs both tasks on it.
        while urls.len() < SLOTS_MIN {
            urls.push(urls[0].clone());
        }
        Ok(Self { urls, slot_of_worker, cluster: Arc::clone(cluster) })
    }

    /// The worker of each slot.
    pub fn urls(&self) -> &[Url] {
        &self.urls
    }

    /// The slot that reads the tile at `location`.
    ///
    /// # Errors
    /// When the location is no tile's, or its owner has no slot in this query.
    pub fn slot_of(&self, location: &Path) -> Result<usize> {
        let owner = owner(&self.cluster, location)?;
        let slot = self.slot_of_worker.get(&owner).copied();
        slot.ok_or_else(|| plan_datafusion_err!("the owner of tile {location} has no slot"))
    }
}

fn owner(cluster: &Cluster, location: &Path) -> Result<usize> {
    let (_, pixel) = catalog::tile_of_path(location)
        .ok_or_else(|| plan_datafusion_err!("{location} is not the location of a tile"))?;
    Ok(cluster.placement.owner(pixel))
}

/// The scan of tiles that a node is, if it is one.
pub fn tile_scan(node: &Arc<dyn ExecutionPlan>) -> Option<&FileScanConfig> {
    let source = node.downcast_ref::<DataSourceExec>()?;
    let scan = source.data_source().downcast_ref::<FileScanConfig>()?;
    scan.object_store_url.as_str().starts_with(catalog::TILE_STORE).then_some(scan)
}
