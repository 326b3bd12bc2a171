//! Which holder of each piece of sky reads it for one query: a pure function of the placement, of
//! how the workers are and of the tiles that the query touches.
//!
//! A cell has one reader for all tables, so that a join over the same sky stays on one worker: its
//! primary, unless that cannot be used or has clearly more to do than another holder.

use std::collections::{BTreeMap, HashMap};

use adql::sky::Pixel;
use catalog::Placement;
use object_store::path::Path;
use url::Url;

/// A holder has clearly more to do than another from so many bytes more, about a second of
/// reading, and from twice as many.
const BUSIER_BYTES: u64 = 1 << 30;
const BUSIER_FACTOR: u64 = 2;

/// How a worker can be used.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum State {
    /// It has every file that it is to hold.
    Usable,
    /// It answers, but copies files still: what it lacks comes from others.
    Incomplete,
    /// It does not answer.
    Lost,
}

/// A worker as one query finds it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Candidate {
    /// Where it is.
    pub url: Url,
    /// How it can be used.
    pub state: State,
    /// Bytes of tiles that running queries have it read.
    pub load: u64,
    /// Whether it reads tiles that it does not hold, from peers and from the origin.
    pub falls_back: bool,
}

/// A tile that a query reads.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Touched<'a> {
    /// Its pixel.
    pub pixel: Pixel,
    /// Its location.
    pub path: &'a Path,
    /// Whether every worker holds its table.
    pub everywhere: bool,
}

/// No worker that holds a tile can be used.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Unavailable {
    /// All holders of a tile are lost, and no other worker may read it from the origin.
    #[error(
        "tile {path} cannot be read: {} lost, and no other worker holds it or may read it from the \
         origin",
        listed(lost)
    )]
    Tile {
        /// The tile.
        path: String,
        /// Its holders.
        lost: Vec<Url>,
    },
    /// There is no worker at all.
    #[error("no worker can be used: {} lost", listed(lost))]
    Workers {
        /// All workers.
        lost: Vec<Url>,
    },
}

fn listed(urls: &[Url]) -> String {
    let urls: Vec<&str> = urls.iter().map(Url::as_str).collect();
    format!("{} {}", urls.join(", "), if urls.len() == 1 { "is" } else { "are" })
}

/// The readers of a query's tiles, as places in the placement's list of workers.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Choice {
    by_cell: HashMap<u64, usize>,
    /// Tiles whose cell has no holder that lives, but which others have or read from elsewhere.
    by_pixel: HashMap<Pixel, usize>,
    from_elsewhere: usize,
}

impl Choice {
    /// Chooses the reader of every tile; `workers` stand as in the placement.
    ///
    /// # Errors
    /// When a tile has no holder that lives, and no other worker may read it from the origin.
    pub fn of(
        placement: &Placement,
        workers: &[Candidate],
        touched: &[Touched<'_>],
    ) -> Result<Self, Unavailable> {
        let mut choice = Self::default();
        // Along the sky, so that the tile that an error names is the same each time.
        let mut cells: BTreeMap<u64, Vec<&Touched<'_>>> = BTreeMap::new();
        for tile in touched {
            cells.entry(placement.cell(tile.pixel)).or_default().push(tile);
        }
        for (cell, tiles) in cells {
            let holders = Pixel::new(placement.order(), cell).map(|cell| placement.holders(cell));
            if let Some(reader) = best(&holders.unwrap_or_default(), workers) {
                choice.by_cell.insert(cell, reader);
                continue;
            }
            for tile in tiles {
                let holders = placement.holders(tile.pixel);
                let spare = || if tile.everywhere { spare(workers, &[]) } else { None };
                let reader = match best(&holders, workers).or_else(spare) {
                    Some(reader) => reader,
                    None => {
                        choice.from_elsewhere += 1;
                        stand_in(workers, cell).ok_or_else(|| {
                            let lost = holders.iter().map(|worker| workers[*worker].url.clone());
                            Unavailable::Tile { path: tile.path.to_string(), lost: lost.collect() }
                        })?
                    }
                };
                // A coarse tile of a large table is read by one of its holders, which have all.
                let slot = choice.by_pixel.entry(tile.pixel).or_insert(reader);
                if !tile.everywhere {
                    *slot = reader;
                }
            }
        }
        Ok(choice)
    }

    /// The reader of a tile that was touched.
    pub fn reader(&self, placement: &Placement, pixel: Pixel) -> Option<usize> {
        let by_cell = self.by_cell.get(&placement.cell(pixel));
        by_cell.or_else(|| self.by_pixel.get(&pixel)).copied()
    }

    /// Tiles without a live holder, which other workers read from the origin.
    pub fn from_elsewhere(&self) -> usize {
        self.from_elsewhere
    }

    /// All readers, and more workers to make `least` of them where there are so many, in the
    /// order of the placement.
    ///
    /// # Errors
    /// When there is no worker to begin with.
    pub fn workers(&self, workers: &[Candidate], least: usize) -> Result<Vec<usize>, Unavailable> {
        let mut chosen: Vec<usize> =
            self.by_cell.values().chain(self.by_pixel.values()).copied().collect();
        chosen.sort_unstable();
        chosen.dedup();
        while chosen.len() < least
            && let Some(another) = spare(workers, &chosen)
        {
            chosen.push(another);
        }
        if chosen.is_empty() {
            let lost = workers.iter().map(|worker| worker.url.clone()).collect();
            return Err(Unavailable::Workers { lost });
        }
        chosen.sort_unstable();
        Ok(chosen)
    }
}

/// The first of the holders in the best state there is, or the least loaded if that one is clearly
/// busier; none when all are lost.
fn best(holders: &[usize], workers: &[Candidate]) -> Option<usize> {
    let state = |holder: usize| workers[holder].state;
    let load = |holder: usize| workers[holder].load;
    let best = holders.iter().map(|holder| state(*holder)).min().filter(|s| *s != State::Lost)?;
    let mut live = holders.iter().copied().filter(|holder| state(*holder) == best);
    let first = live.next()?;
    let calmest = live.min_by_key(|holder| load(*holder)).unwrap_or(first);
    let busier = load(first) >= load(calmest).saturating_add(BUSIER_BYTES)
        && load(first) >= load(calmest).saturating_mul(BUSIER_FACTOR);
    Some(if busier { calmest } else { first })
}

/// The worker that reads what the lost holders of a cell held, from the origin: the same for all
/// tables, and another for the next cell.
fn stand_in(workers: &[Candidate], cell: u64) -> Option<usize> {
    let falls_back = |worker: &usize| {
        let worker = &workers[*worker];
        worker.falls_back && worker.state != State::Lost
    };
    let able: Vec<usize> = (0..workers.len()).filter(falls_back).collect();
    let at = usize::try_from(cell).ok()?.checked_rem(able.len())?;
    able.get(at).copied()
}

/// The worker beside those chosen that has least to do, in the best state there is.
fn spare(workers: &[Candidate], chosen: &[usize]) -> Option<usize> {
    let live = |worker: &usize| workers[*worker].state != State::Lost && !chosen.contains(worker);
    let candidates = (0..workers.len()).filter(live);
    candidates.min_by_key(|worker| (workers[*worker].state, workers[*worker].load, *worker))
}
