//! Which worker owns which piece of sky: a pure function of the workers and of bytes by cell.
//!
//! The sky is cut into placement cells, the pixels of one order, and each worker owns one run of
//! them along the spatial index, so that a coarse tile has few owners and neighbors are mostly on
//! the same worker. Runs are balanced by bytes; every cell has an owner, with or without data, so
//! that all tables are placed alike and a join over the same sky finds both sides on one worker.

use std::ops::Range;

use adql::sky::{Order, Pixel};
use serde::{Deserialize, Serialize};

/// The order of the placement cells of a snapshot: 49,152 cells of 0.8 square degrees, about a
/// hundred for each of 450 workers, so that runs balance to a percent.
pub(crate) fn placement_order() -> Order {
    Order::new(6).unwrap_or(Order::MIN)
}

/// The owner of every placement cell.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Placement {
    order: Order,
    workers: Vec<String>,
    /// Where the run of each worker starts; the run ends where the next one starts.
    starts: Vec<u64>,
}

impl Placement {
    /// Places the cells of an order on workers, given the bytes in each cell (missing ones are
    /// empty). The same arguments give the same placement on every node.
    ///
    /// # Panics
    /// If there is no worker.
    pub fn new(order: Order, workers: &[String], bytes_by_cell: &[u64]) -> Self {
        assert!(!workers.is_empty(), "a placement needs a worker");
        let cells = order.pixels();
        // A cell without bytes weighs a little, so that empty sky is shared out as well.
        let total: u128 = bytes_by_cell.iter().map(|b| u128::from(*b)).sum();
        let least = total / (u128::from(cells) * 100) + 1;
        let weight = |cell: u64| {
            let bytes = usize::try_from(cell).ok().and_then(|c| bytes_by_cell.get(c));
            u128::from(bytes.copied().unwrap_or(0)) + least
        };
        let all: u128 = (0..cells).map(weight).sum();
        let count = workers.len() as u128;
        let mut starts = vec![0];
        let mut before = 0;
        for cell in 0..cells {
            // The middle of a cell's weight decides, so that a heavy cell goes where most of it is.
            let owner = (2 * before + weight(cell)) * count / (2 * all);
            while (starts.len() as u128) <= owner {
                starts.push(cell);
            }
            before += weight(cell);
        }
        starts.resize(workers.len(), cells);
        Self { order, workers: workers.to_vec(), starts }
    }

    /// The order of the cells.
    pub fn order(&self) -> Order {
        self.order
    }

    /// The workers, in the order in which they were given.
    pub fn workers(&self) -> &[String] {
        &self.workers
    }

    /// The worker (its place in [`Self::workers`]) that owns a pixel: the owner of the cell that
    /// holds it, or of the first of the cells that it holds.
    pub fn owner(&self, pixel: Pixel) -> usize {
        let shift = 2 * (Order::MAX.get() - self.order.get());
        let cell = pixel.range().start >> shift;
        self.starts.partition_point(|start| *start <= cell) - 1
    }

    /// The run of cells that a worker owns; empty if there are more workers than cells.
    pub fn cells(&self, worker: usize) -> Range<u64> {
        self.starts[worker]..self.starts.get(worker + 1).copied().unwrap_or(self.order.pixels())
    }

    /// The run of spatial indices that a worker owns.
    pub fn spatial_range(&self, worker: usize) -> Range<u64> {
        let shift = 2 * (Order::MAX.get() - self.order.get());
        let cells = self.cells(worker);
        cells.start << shift..cells.end << shift
    }
}

/// A placement as it is kept on disk and told to workers.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct StoredPlacement {
    /// Version of this form.
    pub version: u32,
    /// Number of the placement: each change of it has the next one.
    pub number: u64,
    /// Order of the cells.
    pub order: u8,
    /// How many workers hold each cell, where there are so many.
    pub replicas: usize,
    /// The URLs of the workers.
    pub workers: Vec<String>,
    /// The first cell of each run, and the workers that hold it, by their place in the list.
    pub runs: Vec<(u64, Vec<u32>)>,
}
