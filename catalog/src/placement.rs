//! Which workers hold which piece of sky: a pure function of the workers, of bytes by cell, and
//! of the placement before.
//!
//! The sky is cut into placement cells, the pixels of one order, and each cell has as many holders
//! as there are replicas: one in each layer, the first of them its primary, all different. Every
//! layer is balanced by bytes on its own, so that disks and queries are. All tables are placed
//! alike, so that a join over the same sky finds both sides on one worker.
//! A worker is its URL. When one joins or leaves, little more moves than what it gets or had.

mod layers;

use std::collections::BTreeSet;

use adql::sky::{Order, Pixel};
use serde::{Deserialize, Serialize};

use crate::Error;
use layers::{Layers, VACANT};

/// The version of [`StoredPlacement`] that is written and read.
pub const PLACEMENT_VERSION: u32 = 1;

/// The finest order of cells that a stored placement may have: twelve million cells.
const ORDER_MAX: u8 = 10;

/// The order of the placement cells of a snapshot: 49,152 cells of 0.8 square degrees, about a
/// hundred in each layer of each of 450 workers, so that layers balance to a few percent.
pub fn placement_order() -> Order {
    Order::new(6).unwrap_or(Order::MIN)
}

/// The holders of every placement cell.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Placement {
    number: u64,
    order: Order,
    replicas: usize,
    workers: Vec<String>,
    /// By layer and cell: places in `workers`.
    holders: Vec<Vec<u32>>,
}

impl Placement {
    /// Places the cells of an order on workers, given the bytes in each cell (missing ones are
    /// empty): one run of primary cells for each worker in their order, and the other replicas in
    /// small pieces on many. A URL that is given twice is one worker.
    ///
    /// # Panics
    /// If there is no worker.
    pub fn first(workers: &[String], replicas: usize, order: Order, bytes_by_cell: &[u64]) -> Self {
        assert!(!workers.is_empty(), "a placement needs a worker");
        let mut known = BTreeSet::new();
        let workers: Vec<String> =
            workers.iter().filter(|worker| known.insert(worker.as_str())).cloned().collect();
        let replicas = replicas.max(1);
        let weights = weights(order, bytes_by_cell, workers.len());
        let vacant = vec![vec![VACANT; weights.len()]; replicas.min(workers.len())];
        let mut layers = Layers::new(place(workers.len()), weights, vacant);
        layers.cut_into_runs();
        for layer in 1..replicas.min(workers.len()) {
            layers.fill(layer);
        }
        layers.level(true);
        Self { number: 1, order, replicas, workers, holders: layers.into_holders() }
    }

    /// The placement after this one, on other workers, with other replicas or other bytes: as
    /// little as possible moves, and nothing, under the same number, when workers and replicas
    /// are the same and no layer of a worker is far from the mean. The order in which workers are
    /// given does not matter: those that stay keep their places, newcomers follow by their URLs.
    ///
    /// # Panics
    /// If there is no worker.
    #[must_use]
    pub fn next(&self, workers: &[String], replicas: usize, bytes_by_cell: &[u64]) -> Self {
        assert!(!workers.is_empty(), "a placement needs a worker");
        let given: BTreeSet<&String> = workers.iter().collect();
        let mut known: Vec<String> =
            self.workers.iter().filter(|worker| given.contains(worker)).cloned().collect();
        let stayed = known.len();
        known.extend(given.into_iter().filter(|worker| !self.workers.contains(worker)).cloned());
        let replicas = replicas.max(1);
        let newcomers: Vec<u32> = (stayed..known.len()).map(place).collect();
        let kept = self.kept(&known, replicas.min(known.len()));
        let weights = weights(self.order, bytes_by_cell, known.len());
        let mut layers = Layers::new(place(known.len()), weights, kept);
        layers.promote();
        for layer in 0..replicas.min(known.len()) {
            layers.fill(layer);
        }
        layers.join(&newcomers);
        layers.level(false);
        let mut next = Self {
            number: self.number,
            order: self.order,
            replicas,
            workers: known,
            holders: layers.into_holders(),
        };
        if next != *self {
            next.number += 1;
        }
        next
    }

    /// What remains of the holders when only some workers stay, in so many layers. Where a layer
    /// goes, its holder takes the place of one that left.
    fn kept(&self, workers: &[String], layers: usize) -> Vec<Vec<u32>> {
        let stayed: Vec<u32> = self
            .workers
            .iter()
            .map(|worker| workers.iter().position(|other| other == worker).map_or(VACANT, place))
            .collect();
        let renamed = |layer: &Vec<u32>| -> Vec<u32> {
            layer.iter().map(|worker| stayed[index(*worker)]).collect()
        };
        let mut kept: Vec<Vec<u32>> = self.holders.iter().map(renamed).collect();
        let cells = self.holders[0].len();
        let dropped = kept.split_off(layers.min(kept.len()));
        for layer in dropped {
            for (cell, worker) in layer.into_iter().enumerate() {
                if let Some(free) = kept.iter_mut().find(|layer| layer[cell] == VACANT) {
                    free[cell] = worker;
                }
            }
        }
        kept.resize(layers, vec![VACANT; cells]);
        kept
    }

    /// The same placement under another number: one that is made anew, where an older one is not
    /// known any more, must be later than it.
    #[must_use]
    pub fn numbered(self, number: u64) -> Self {
        Self { number, ..self }
    }

    /// Its number: the first is 1 unless said otherwise, and each change has the next one.
    pub fn number(&self) -> u64 {
        self.number
    }

    /// The order of the cells.
    pub fn order(&self) -> Order {
        self.order
    }

    /// How many workers hold each cell, where there are so many.
    pub fn replicas(&self) -> usize {
        self.replicas
    }

    /// The workers; other methods name them by their places in this list.
    pub fn workers(&self) -> &[String] {
        &self.workers
    }

    /// The cell that holds a pixel, or the first of the cells that it holds.
    pub fn cell(&self, pixel: Pixel) -> u64 {
        pixel.range().start >> self.shift()
    }

    /// Whether each cell has a holder of which this is so.
    pub fn is_held(&self, is_usable: impl Fn(usize) -> bool) -> bool {
        let cells = self.holders.first().map_or(0, Vec::len);
        (0..cells).all(|cell| self.holders.iter().any(|layer| is_usable(index(layer[cell]))))
    }

    /// The workers that hold a tile of a pixel: those of the cell that it lies in, the primary
    /// first; of a coarser one, those of all its cells, those of the first cell first.
    pub fn holders(&self, pixel: Pixel) -> Vec<usize> {
        let cells = self.cells(pixel);
        let mut found = vec![false; self.workers.len()];
        let mut holders = Vec::with_capacity(self.holders.len());
        for cell in cells {
            for layer in &self.holders {
                let worker = index(layer[cell]);
                if !found[worker] {
                    found[worker] = true;
                    holders.push(worker);
                }
            }
        }
        holders
    }

    /// Whether a worker holds a tile of a pixel.
    pub fn holds(&self, pixel: Pixel, worker: usize) -> bool {
        let cells = self.cells(pixel);
        self.holders
            .iter()
            .any(|layer| layer[cells.clone()].iter().any(|holder| index(*holder) == worker))
    }

    /// The cells of a pixel, as places in a layer.
    fn cells(&self, pixel: Pixel) -> std::ops::Range<usize> {
        let first = self.cell(pixel);
        let last = (pixel.range().end - 1) >> self.shift();
        let at = |cell: u64| usize::try_from(cell).expect("placement cells are few");
        at(first)..at(last) + 1
    }

    fn shift(&self) -> u8 {
        2 * (Order::MAX.get() - self.order.get())
    }
}

/// The weight of all bytes: large enough that shares of it are exact, small enough that sums and
/// differences stay far from the end of 64 bits.
const ALL: u128 = 1 << 60;

/// What cells weigh: their share of the bytes and a little more, so that empty sky is shared out as
/// well; all of it is a hundredth of what a worker has.
fn weights(order: Order, bytes_by_cell: &[u64], workers: usize) -> Vec<u64> {
    let cells = usize::try_from(order.pixels()).expect("placement cells are few");
    let total: u128 = bytes_by_cell.iter().take(cells).map(|bytes| u128::from(*bytes)).sum();
    let least = ALL / (u128::from(order.pixels()) * 100 * workers as u128) + 1;
    let bytes = bytes_by_cell.iter().copied().chain(std::iter::repeat(0)).take(cells);
    let weights = bytes.map(|bytes| u128::from(bytes) * ALL / total.max(1) + least);
    weights.map(|weight| u64::try_from(weight).unwrap_or(u64::MAX)).collect()
}

fn place(worker: usize) -> u32 {
    u32::try_from(worker).expect("workers are few")
}

fn index(worker: u32) -> usize {
    worker as usize
}

impl From<&Placement> for StoredPlacement {
    fn from(placement: &Placement) -> Self {
        let of = |cell: usize| -> Vec<u32> {
            placement.holders.iter().map(|layer| layer[cell]).collect()
        };
        let mut runs: Vec<(u64, Vec<u32>)> = Vec::new();
        for (number, cell) in (0..).zip(0..placement.holders[0].len()) {
            let same = |run: &(u64, Vec<u32>)| {
                placement.holders.iter().zip(&run.1).all(|(layer, worker)| layer[cell] == *worker)
            };
            if !runs.last().is_some_and(same) {
                runs.push((number, of(cell)));
            }
        }
        Self {
            version: PLACEMENT_VERSION,
            number: placement.number,
            order: placement.order.get(),
            replicas: placement.replicas,
            workers: placement.workers.clone(),
            runs,
        }
    }
}

impl TryFrom<StoredPlacement> for Placement {
    type Error = Error;

    /// Refuses what no placement is stored as.
    fn try_from(stored: StoredPlacement) -> Result<Self, Error> {
        let order = check(&stored).map_err(|reason| Error::Placement { reason })?;
        let cells = usize::try_from(order.pixels()).expect("placement cells are few");
        let mut holders =
            vec![Vec::with_capacity(cells); stored.replicas.min(stored.workers.len())];
        let ends = stored.runs.iter().skip(1).map(|(start, _)| *start).chain([order.pixels()]);
        for ((_, workers), end) in stored.runs.iter().zip(ends) {
            let end = usize::try_from(end).expect("placement cells are few");
            for (layer, worker) in holders.iter_mut().zip(workers) {
                layer.resize(end, *worker);
            }
        }
        let StoredPlacement { number, replicas, workers, .. } = stored;
        Ok(Self { number, order, replicas, workers, holders })
    }
}

/// The order of a stored placement, or what is wrong with it.
fn check(stored: &StoredPlacement) -> Result<Order, String> {
    let StoredPlacement { version, order, replicas, workers, runs, .. } = stored;
    if *version != PLACEMENT_VERSION {
        return Err(format!(
            "its version is {version}, but this release reads {PLACEMENT_VERSION}"
        ));
    }
    let valid = Order::new(*order).filter(|_| *order <= ORDER_MAX);
    let valid =
        valid.ok_or_else(|| format!("its order is {order}, not one of 0 to {ORDER_MAX}"))?;
    let distinct: BTreeSet<&String> = workers.iter().collect();
    if distinct.len() != workers.len() || workers.is_empty() || *replicas == 0 {
        let workers = workers.join(", ");
        return Err(format!(
            "it has {replicas} replicas on the workers [{workers}]: give at least \
                            one of each, and each worker once"
        ));
    }
    let wanted = (*replicas).min(workers.len());
    let mut before = None;
    for (start, holders) in runs {
        let ascending = before.map_or(*start == 0, |before| before < *start);
        if !ascending || *start >= valid.pixels() {
            return Err(format!("a run starts at cell {start}, but runs start at 0 and ascend"));
        }
        let distinct: BTreeSet<u32> =
            holders.iter().copied().filter(|worker| index(*worker) < workers.len()).collect();
        if distinct.len() != wanted || holders.len() != wanted {
            return Err(format!(
                "the holders of the run at cell {start} are {holders:?}, not \
                                {wanted} different ones of {} workers",
                workers.len()
            ));
        }
        before = Some(*start);
    }
    if before.is_none() {
        return Err("it has no runs".to_owned());
    }
    Ok(valid)
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
