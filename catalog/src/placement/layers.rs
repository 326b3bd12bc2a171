//! How cells are dealt out: layers of holders, each balanced by weight on its own.
//!
//! Every cell has one holder in each layer, and no worker twice. What changes is moved in pieces,
//! contiguous cells of a worker's share by [`PIECES`] at most, from the most to the least loaded.
//! A step of [`Layers::level`] makes the sum of the squares of all loads smaller, so it ends; it
//! begins only where a load is beyond the tolerance. Nothing here depends on time or chance.

use std::cmp::Reverse;
use std::ops::Range;

/// A holder that is still to be found.
pub(super) const VACANT: u32 = u32::MAX;

/// A worker's share of a layer is taken in at least so many pieces: fewer would load the few
/// that give or take them, more would cut the sky into confetti.
const PIECES: u64 = 24;

/// How far from the mean a load may be before cells move for its sake alone, in percent.
const TOLERANCE_PERCENT: u64 = 8;

/// The holders of all cells while they are dealt out.
#[derive(Debug)]
pub(super) struct Layers {
    workers: u32,
    weights: Vec<u64>,
    /// By layer and cell.
    holders: Vec<Vec<u32>>,
    /// By layer and worker: its cells, ascending.
    cells: Vec<Vec<Vec<u32>>>,
    /// By layer and worker.
    loads: Vec<Vec<u64>>,
    mean: u64,
    piece: u64,
    tolerance: u64,
}

impl Layers {
    /// Takes over what is held, by layer and cell, with [`VACANT`] where nobody holds a cell.
    pub(super) fn new(workers: u32, weights: Vec<u64>, holders: Vec<Vec<u32>>) -> Self {
        let mean = weights.iter().sum::<u64>() / u64::from(workers.max(1));
        let heaviest = weights.iter().max().copied().unwrap_or(0);
        let mut layers = Self {
            workers,
            weights,
            cells: vec![vec![Vec::new(); at(workers)]; holders.len()],
            loads: vec![vec![0; at(workers)]; holders.len()],
            holders,
            mean,
            piece: (mean / PIECES).max(1),
            // What one cell makes uneven cannot be levelled.
            tolerance: (mean / 100 * TOLERANCE_PERCENT).max(heaviest),
        };
        for layer in 0..layers.holders.len() {
            for (cell, holder) in (0..).zip(&layers.holders[layer]) {
                if *holder != VACANT {
                    layers.cells[layer][at(*holder)].push(cell);
                    layers.loads[layer][at(*holder)] += layers.weights[at(cell)];
                }
            }
        }
        layers
    }

    /// The holders, by layer and cell.
    pub(super) fn into_holders(self) -> Vec<Vec<u32>> {
        self.holders
    }

    /// Gives each worker one run of the first layer, which is vacant.
    pub(super) fn cut_into_runs(&mut self) {
        let all: u128 = self.weights.iter().map(|weight| u128::from(*weight)).sum();
        let (mut before, mut start, mut worker) = (0_u128, 0, 0);
        for cell in 0..count(&self.weights) {
            let weight = u128::from(self.weights[at(cell)]);
            // The middle of a cell's weight decides, so that it goes where most of it is.
            let owner = (2 * before + weight) * u128::from(self.workers) / (2 * all);
            let owner = u32::try_from(owner).unwrap_or(worker);
            if owner != worker {
                self.put(0, start..cell, worker);
                (start, worker) = (cell, owner);
            }
            before += weight;
        }
        self.put(0, start..count(&self.weights), worker);
    }

    /// Makes a surviving holder of another layer the primary of each cell that lost its own: the
    /// least loaded, and the same for neighbors while it has room.
    pub(super) fn promote(&mut self) {
        let mut last = VACANT;
        for cell in 0..count(&self.weights) {
            if self.holders[0][at(cell)] != VACANT {
                continue;
            }
            let heirs = (1..self.holders.len()).filter(|k| self.holders[*k][at(cell)] != VACANT);
            let heir = heirs.min_by_key(|layer| {
                let worker = self.holders[*layer][at(cell)];
                let load = self.loads[0][at(worker)];
                (worker != last || load > self.mean + self.piece, load)
            });
            if let Some(layer) = heir {
                last = self.holders[layer][at(cell)];
                self.take(layer, &(cell..cell + 1));
                self.put(0, cell..cell + 1, last);
            }
        }
    }

    /// Finds holders for the vacant cells of a layer: in pieces, to the least loaded, and of
    /// those to the one that holds least of what the same primary has, so that the load of a
    /// lost worker falls on many.
    pub(super) fn fill(&mut self, layer: usize) {
        let end = count(&self.weights);
        let mut shared: Option<Vec<u64>> = None;
        let mut start = 0;
        while start < end {
            if self.holders[layer][at(start)] != VACANT {
                start += 1;
                continue;
            }
            let shared = shared.get_or_insert_with(|| self.shared());
            let primary = self.holders[0][at(start)];
            let row = if primary == VACANT { 0 } else { at(primary) * at(self.workers) };
            let worker = self.taker(layer, start, &shared[row..row + at(self.workers)]);
            let fits =
                |cell: u32| self.holders[layer][at(cell)] == VACANT && !self.holds(cell, worker);
            let piece = self.grow(start..end, fits, u64::MAX, self.piece);
            let piece = piece.unwrap_or(start..start + 1);
            if layer > 0 {
                shared[row + at(worker)] += self.weight(&piece);
            }
            start = piece.end;
            self.put(layer, piece, worker);
        }
    }

    /// Who takes a vacant cell of a layer, given what each worker has in common with its primary.
    fn taker(&self, layer: usize, cell: u32, common: &[u64]) -> u32 {
        let loads = &self.loads[layer];
        let taken: Vec<u32> = self.holders.iter().map(|layer| layer[at(cell)]).collect();
        let permitted =
            || (0..self.workers).zip(loads).filter(|(worker, _)| !taken.contains(worker));
        let least = permitted().map(|(_, load)| *load).min().unwrap_or(0);
        let vacant = |cell: u32| self.holders[layer][at(cell)] == VACANT;
        let piece = self.grow(cell..count(&self.weights), vacant, u64::MAX, self.piece);
        let piece = piece.unwrap_or(cell..cell + 1);
        let same = permitted().filter(|(_, load)| **load / self.piece == least / self.piece);
        let taker = same.min_by_key(|(worker, load)| {
            let apart = !self.adjoins(layer, &piece, *worker);
            (common[at(*worker)] / self.piece, apart, **load, *worker)
        });
        taker.map(|(worker, _)| worker).expect("there are at least as many workers as layers")
    }

    /// What each primary (row) has in common with each holder of another layer.
    fn shared(&self) -> Vec<u64> {
        let mut shared = vec![0; at(self.workers) * at(self.workers)];
        for holders in &self.holders[1..] {
            for ((primary, other), weight) in self.holders[0].iter().zip(holders).zip(&self.weights)
            {
                if *primary != VACANT && *other != VACANT {
                    shared[at(*primary) * at(self.workers) + at(*other)] += weight;
                }
            }
        }
        shared
    }

    /// Gives newcomers their share of every layer, from whoever has most.
    pub(super) fn join(&mut self, newcomers: &[u32]) {
        let enough = self.mean - self.piece.min(self.mean) / 2;
        for layer in 0..self.holders.len() {
            let least = |layers: &Self| {
                newcomers.iter().copied().min_by_key(|worker| layers.loads[layer][at(*worker)])
            };
            while let Some(to) = least(self).filter(|to| self.loads[layer][at(*to)] < enough) {
                if !self.take_from_most_loaded(layer, to) {
                    break;
                }
            }
        }
    }

    /// Moves a piece to a worker from the one with the highest load that can give one.
    fn take_from_most_loaded(&mut self, layer: usize, to: u32) -> bool {
        let mut loads: Vec<u64> = self.loads[layer].clone();
        loop {
            let most = (0..).zip(&loads).max_by_key(|(_, load)| **load);
            let Some((from, _)) = most.filter(|(_, load)| **load > self.mean) else { return false };
            if self.hand_over(layer, from, to, self.piece) {
                return true;
            }
            loads[at(from)] = 0;
        }
    }

    /// Moves cells until no load is beyond the tolerance, or no step makes loads more even. Two
    /// holders that change their layers copy nothing, so this is tried first, but not where all is
    /// `fresh` and nothing copied yet: it would cut the runs of the first layer.
    pub(super) fn level(&mut self, fresh: bool) {
        loop {
            let mut stuck = vec![vec![false; at(self.workers)]; self.holders.len()];
            let mut steps = 0;
            while let Some((layer, worker)) = self.worst(&stuck) {
                if self.relieve(layer, worker, fresh) {
                    steps += 1;
                } else {
                    stuck[layer][at(worker)] = true;
                }
            }
            if steps == 0 {
                return;
            }
        }
    }

    /// The load that is farthest from the mean, of those beyond the tolerance.
    fn worst(&self, stuck: &[Vec<bool>]) -> Option<(usize, u32)> {
        let mut worst = None;
        for (layer, loads) in self.loads.iter().enumerate() {
            for (worker, load) in (0..).zip(loads) {
                let off = load.abs_diff(self.mean);
                let farther = worst.is_none_or(|(farthest, _, _)| off > farthest);
                if off > self.tolerance && farther && !stuck[layer][at(worker)] {
                    worst = Some((off, layer, worker));
                }
            }
        }
        worst.map(|(_, layer, worker)| (layer, worker))
    }

    /// Makes one step for a worker whose load is too high or too low.
    fn relieve(&mut self, layer: usize, worker: u32, fresh: bool) -> bool {
        let load = self.loads[layer][at(worker)];
        let over = load > self.mean;
        let mut partners: Vec<u32> = (0..self.workers).filter(|other| *other != worker).collect();
        partners.sort_by_key(|other| self.loads[layer][at(*other)]);
        if !over {
            partners.reverse();
        }
        let pair = |partner: u32| if over { (worker, partner) } else { (partner, worker) };
        let mut step = |copy: bool| {
            partners.iter().any(|partner| {
                let (from, to) = pair(*partner);
                let most = self.piece.min(self.gap(layer, from, to) / 2);
                if copy {
                    self.hand_over(layer, from, to, most)
                } else {
                    self.exchange(layer, from, to)
                }
            })
        };
        step(fresh) || step(!fresh)
    }

    /// Moves a piece from one worker to another that does not hold it yet: one that begins or
    /// ends a run, and in the first layer one that continues a run of the other.
    fn hand_over(&mut self, layer: usize, from: u32, to: u32, most: u64) -> bool {
        let gap = self.gap(layer, from, to);
        let common = [from, to].map(|w| if layer == 0 { Vec::new() } else { self.common(w) });
        let mut best = None;
        for run in runs(&self.cells[layer][at(from)]) {
            let free = |cell: u32| !self.holds(cell, to);
            for segment in segments(&run, free) {
                for piece in [
                    self.grow(segment.clone(), |_| true, gap, most),
                    self.shrink(&segment, gap, most),
                ] {
                    let Some(piece) = piece else { continue };
                    let continues = layer == 0 && self.adjoins(layer, &piece, to);
                    let outer = piece.start == run.start || piece.end == run.end;
                    let primary = self.holders[0][at(piece.start)];
                    let [with_from, with_to] = common
                        .each_ref()
                        .map(|common| common.get(at(primary)).map_or(0, |c| c / self.piece));
                    let spreads = (Reverse(with_to), outer, with_from);
                    let score = (spreads, continues, piece == run, self.weight(&piece));
                    if best.as_ref().is_none_or(|(other, _)| score > *other) {
                        best = Some((score, piece));
                    }
                }
            }
        }
        let Some((_, piece)) = best else { return false };
        self.take(layer, &piece);
        self.put(layer, piece, to);
        true
    }

    /// What a worker holds, beside its own primary cells, of each primary.
    fn common(&self, worker: u32) -> Vec<u64> {
        let mut common = vec![0; at(self.workers)];
        for cell in self.cells[1..].iter().flat_map(|layer| &layer[at(worker)]) {
            common[at(self.holders[0][at(*cell)])] += self.weights[at(*cell)];
        }
        common
    }

    /// Lets two holders of the same cells change their layers, if that makes loads more even.
    fn exchange(&mut self, layer: usize, from: u32, to: u32) -> bool {
        let gap = self.gap(layer, from, to);
        let mut best: Option<(u64, usize, Range<u32>)> = None;
        for other in (0..self.holders.len()).filter(|other| *other != layer) {
            let [mine, theirs] = [from, to].map(|worker| self.loads[other][at(worker)]);
            // Half of what both layers win: the sum of squares becomes smaller below it.
            let Some(less) = (gap + theirs).checked_sub(mine).map(|both| both / 2) else {
                continue;
            };
            let most = self.piece.min(less / 2);
            for run in runs(&self.cells[layer][at(from)]) {
                for segment in segments(&run, |cell| self.holders[other][at(cell)] == to) {
                    for piece in [
                        self.grow(segment.clone(), |_| true, less.min(gap), most),
                        self.shrink(&segment, less.min(gap), most),
                    ] {
                        let Some(piece) = piece else { continue };
                        let weight = self.weight(&piece);
                        if best.as_ref().is_none_or(|(heaviest, _, _)| weight > *heaviest) {
                            best = Some((weight, other, piece));
                        }
                    }
                }
            }
        }
        let Some((_, other, piece)) = best else { return false };
        self.take(layer, &piece);
        self.take(other, &piece);
        self.put(layer, piece.clone(), to);
        self.put(other, piece, from);
        true
    }

    fn gap(&self, layer: usize, from: u32, to: u32) -> u64 {
        self.loads[layer][at(from)].saturating_sub(self.loads[layer][at(to)])
    }

    fn holds(&self, cell: u32, worker: u32) -> bool {
        self.holders.iter().any(|layer| layer[at(cell)] == worker)
    }

    fn adjoins(&self, layer: usize, piece: &Range<u32>, worker: u32) -> bool {
        let holds = |cell: u32| self.holders[layer].get(at(cell)) == Some(&worker);
        holds(piece.end) || piece.start.checked_sub(1).is_some_and(holds)
    }

    fn weight(&self, piece: &Range<u32>) -> u64 {
        self.weights[at(piece.start)..at(piece.end)].iter().sum()
    }

    /// The first of some cells, as far as they fit, that weigh at most `most` together; one at
    /// least, if it alone is lighter than `below`.
    fn grow(
        &self,
        cells: Range<u32>,
        fits: impl Fn(u32) -> bool,
        below: u64,
        most: u64,
    ) -> Option<Range<u32>> {
        let mut weight = self.weights[at(cells.start)];
        if weight >= below {
            return None;
        }
        let mut stop = cells.start + 1;
        while stop < cells.end && fits(stop) && weight + self.weights[at(stop)] <= most {
            weight += self.weights[at(stop)];
            stop += 1;
        }
        Some(cells.start..stop)
    }

    /// As [`Self::grow`], from the end of a segment.
    fn shrink(&self, segment: &Range<u32>, below: u64, most: u64) -> Option<Range<u32>> {
        let mut start = segment.end - 1;
        let mut weight = self.weights[at(start)];
        if weight >= below {
            return None;
        }
        while start > segment.start && weight + self.weights[at(start - 1)] <= most {
            start -= 1;
            weight += self.weights[at(start)];
        }
        Some(start..segment.end)
    }

    /// Makes cells that one worker holds vacant.
    fn take(&mut self, layer: usize, piece: &Range<u32>) {
        let worker = at(self.holders[layer][at(piece.start)]);
        self.loads[layer][worker] -= self.weight(piece);
        self.holders[layer][at(piece.start)..at(piece.end)].fill(VACANT);
        let cells = &mut self.cells[layer][worker];
        let first = cells.partition_point(|cell| *cell < piece.start);
        cells.drain(first..first + piece.len());
    }

    /// Gives vacant cells to a worker.
    fn put(&mut self, layer: usize, piece: Range<u32>, worker: u32) {
        self.loads[layer][at(worker)] += self.weight(&piece);
        self.holders[layer][at(piece.start)..at(piece.end)].fill(worker);
        let cells = &mut self.cells[layer][at(worker)];
        let first = cells.partition_point(|cell| *cell < piece.start);
        cells.splice(first..first, piece);
    }
}

/// The runs of ascending cells.
fn runs(cells: &[u32]) -> impl Iterator<Item = Range<u32>> {
    cells.chunk_by(|a, b| a + 1 == *b).map(|run| run[0]..run[run.len() - 1] + 1)
}

/// The parts of a run in which a condition holds.
fn segments(run: &Range<u32>, holds: impl Fn(u32) -> bool) -> Vec<Range<u32>> {
    let mut segments: Vec<Range<u32>> = Vec::new();
    for cell in run.clone().filter(|cell| holds(*cell)) {
        match segments.last_mut() {
            Some(last) if last.end == cell => last.end += 1,
            _ => segments.push(cell..cell + 1),
        }
    }
    segments
}

fn count(weights: &[u64]) -> u32 {
    u32::try_from(weights.len()).expect("placement cells are few")
}

fn at(index: u32) -> usize {
    index as usize
}
