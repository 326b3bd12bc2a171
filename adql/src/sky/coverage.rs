//! A set of order-29 pixels as sorted ranges: what a MOC is (MOC 2.0), in memory.

use std::ops::Range;

use super::pixel::{Order, Pixel};

/// A set of spatial indices: sorted, disjoint ranges that do not touch.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Coverage {
    ranges: Vec<Range<u64>>,
}

/// Sorts ranges and joins those that overlap or touch.
pub(super) fn merge(mut ranges: Vec<Range<u64>>) -> Vec<Range<u64>> {
    ranges.retain(|range| range.start < range.end);
    ranges.sort_unstable_by_key(|range| range.start);
    let mut merged: Vec<Range<u64>> = Vec::with_capacity(ranges.len());
    for range in ranges {
        match merged.last_mut() {
            Some(last) if range.start <= last.end => last.end = last.end.max(range.end),
            Some(_) | None => merged.push(range),
        }
    }
    merged
}

/// The range that holds an index: sorted, disjoint ranges given.
pub(super) fn find(ranges: &[Range<u64>], index: u64) -> Option<&Range<u64>> {
    let after = ranges.partition_point(|range| range.start <= index);
    ranges[..after].last().filter(|range| index < range.end)
}

impl Coverage {
    /// No sky.
    pub fn empty() -> Self {
        Self::default()
    }

    /// All sky.
    pub fn all() -> Self {
        Self { ranges: std::iter::once(0..Order::MAX.pixels()).collect() }
    }

    /// The union of ranges in any order; what exceeds the sky is cut.
    pub fn from_ranges(ranges: impl IntoIterator<Item = Range<u64>>) -> Self {
        let end = Order::MAX.pixels();
        let cut = |range: Range<u64>| range.start.min(end)..range.end.min(end);
        Self { ranges: merge(ranges.into_iter().map(cut).collect()) }
    }

    /// Its ranges, ascending.
    pub fn ranges(&self) -> &[Range<u64>] {
        &self.ranges
    }

    /// Whether it holds nothing.
    pub fn is_empty(&self) -> bool {
        self.ranges.is_empty()
    }

    /// From its first to its last index.
    pub fn hull(&self) -> Option<Range<u64>> {
        Some(self.ranges.first()?.start..self.ranges.last()?.end)
    }

    /// Whether it holds an index.
    pub fn contains(&self, index: u64) -> bool {
        find(&self.ranges, index).is_some()
    }

    /// Whether it holds any index of a range.
    pub fn overlaps(&self, range: &Range<u64>) -> bool {
        let after = self.ranges.partition_point(|r| r.start < range.end);
        range.start < range.end && self.ranges[..after].last().is_some_and(|r| range.start < r.end)
    }

    /// What either holds.
    pub fn union(&self, other: &Self) -> Self {
        Self { ranges: merge([self.ranges.as_slice(), &other.ranges].concat()) }
    }

    /// What both hold.
    pub fn intersection(&self, other: &Self) -> Self {
        let (mut left, mut right) = (self.ranges.iter().peekable(), other.ranges.iter().peekable());
        let mut ranges = Vec::new();
        while let (Some(a), Some(b)) = (left.peek(), right.peek()) {
            let both = a.start.max(b.start)..a.end.min(b.end);
            let left_ends_first = a.end < b.end;
            if both.start < both.end {
                ranges.push(both);
            }
            if left_ends_first {
                left.next()
            } else {
                right.next()
            };
        }
        Self { ranges }
    }

    /// What it does not hold.
    pub fn complement(&self) -> Self {
        let mut ranges = Vec::with_capacity(self.ranges.len() + 1);
        let mut start = 0;
        for range in &self.ranges {
            ranges.push(start..range.start);
            start = range.end;
        }
        ranges.push(start..Order::MAX.pixels());
        ranges.retain(|range| range.start < range.end);
        Self { ranges }
    }

    /// A superset of at most `max_ranges` ranges (at least one), with the smallest gaps closed.
    pub fn coarsen(&self, max_ranges: usize) -> Self {
        let excess = self.ranges.len().saturating_sub(max_ranges.max(1));
        if excess == 0 {
            return self.clone();
        }
        let gap = |k: usize| self.ranges[k + 1].start - self.ranges[k].end;
        let mut gaps: Vec<usize> = (0..self.ranges.len() - 1).collect();
        gaps.sort_by_key(|k| gap(*k));
        let closed = gaps[..excess].iter().map(|k| self.ranges[*k].end..self.ranges[k + 1].start);
        Self { ranges: merge(self.ranges.iter().cloned().chain(closed).collect()) }
    }

    /// The fewest pixels that together are it, along the spatial index: the cells of a MOC.
    pub fn cells(&self) -> Vec<Pixel> {
        let mut cells = Vec::new();
        for range in &self.ranges {
            let mut start = range.start;
            while start < range.end {
                // As large as the place where it starts and what is left of the range allow.
                let aligned = start.trailing_zeros().min(u64::BITS - 2) / 2;
                let left = (range.end - start).ilog2() / 2;
                let up = u8::try_from(aligned.min(left)).unwrap_or(0).min(Order::MAX.get());
                let order = Order::new(Order::MAX.get() - up);
                let cell = order.and_then(|order| Pixel::new(order, start >> (2 * up)));
                let cell = cell.expect("a coverage ends where the sky does");
                start = cell.range().end;
                cells.push(cell);
            }
        }
        cells
    }

    /// The least coverage of whole pixels of an order that holds it.
    pub fn at_order(&self, order: Order) -> Self {
        let shift = 2 * (Order::MAX.get() - order.get());
        let whole = |range: &Range<u64>| {
            let last = (range.end - 1) >> shift;
            range.start >> shift << shift..(last + 1) << shift
        };
        Self { ranges: merge(self.ranges.iter().map(whole).collect()) }
    }

    /// The finest order of the pixels that it is made of.
    pub fn finest_order(&self) -> Order {
        let bounds = self.ranges.iter().flat_map(|range| [range.start, range.end]);
        let aligned = bounds.map(|bound| bound.trailing_zeros() / 2).min();
        let up = aligned.and_then(|aligned| u8::try_from(aligned).ok()).unwrap_or(u8::MAX);
        Order::new(Order::MAX.get().saturating_sub(up)).unwrap_or(Order::MAX)
    }

    /// How much of the sky it holds, 0 to 1.
    pub fn sky_fraction(&self) -> f64 {
        let pixels: u64 = self.ranges.iter().map(|range| range.end - range.start).sum();
        #[expect(clippy::cast_precision_loss, reason = "a fraction needs no more than 53 bits")]
        let fraction = pixels as f64 / Order::MAX.pixels() as f64;
        fraction
    }
}
