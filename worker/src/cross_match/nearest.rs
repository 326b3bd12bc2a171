//! How far the k-th nearest place is: rings around a place, each twice as wide as the one before,
//! until one holds k places or all that are near enough.

use std::cmp::Ordering;
use std::collections::BinaryHeap;

use adql::function::cross_match::Reach;
use adql::sky::{Position, ROUNDING_DEG, Span, Zones};
use datafusion::arrow::array::{RecordBatch, UInt32Array};
use datafusion::common::Result;
use datafusion::physical_plan::joins::utils::JoinFilter;

use super::rows::holds;

/// So many pairs are tested at once.
const PAIRS: usize = 1024;

/// A ring is so many times as wide as the one before.
const WIDER: f64 = 2.0;

/// Looks at candidates that are left before other tasks have their turn.
#[derive(Debug)]
pub(super) struct Looks(pub(super) usize);

impl Looks {
    /// An exact test takes as long as so many looks.
    const OF_TEST: usize = 32;

    /// The search of a ring goes through the zones of the index that it meets.
    const OF_RING: usize = 1 << 12;

    /// Counts a look; whether there was one left.
    #[inline]
    pub(super) fn look(&mut self) -> bool {
        let is_left = self.0 > 0;
        self.0 = self.0.saturating_sub(1);
        is_left
    }

    /// Counts the search of a ring; whether there was a look left.
    fn ring(&mut self) -> bool {
        let is_left = self.0 > 0;
        self.0 = self.0.saturating_sub(Self::OF_RING);
        is_left
    }

    /// Counts an exact test.
    #[inline]
    pub(super) fn test(&mut self) {
        self.0 = self.0.saturating_sub(Self::OF_TEST);
    }
}

/// A distance in degrees, which is a number.
#[derive(Debug, Clone, Copy, PartialEq)]
struct Distance(f64);

impl Eq for Distance {}

impl Ord for Distance {
    fn cmp(&self, other: &Self) -> Ordering {
        self.0.total_cmp(&other.0)
    }
}

impl PartialOrd for Distance {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

/// What is ranked for one row of the other side.
#[derive(Debug)]
pub(super) struct Candidates<'a> {
    pub(super) zones: &'a Zones,
    pub(super) rows: &'a RecordBatch,
    /// The row, in its batch.
    pub(super) probe: (&'a RecordBatch, u32),
    /// What holds of the pairs that are ranked.
    pub(super) before: Option<&'a JoinFilter>,
}

/// The search around one place.
#[derive(Debug)]
pub(super) struct Search {
    most: usize,
    reach: Reach,
    ring_deg: f64,
    /// How far candidates of the present ring may be in latitude.
    window_deg: f64,
    spans: Vec<Span>,
    span: usize,
    at: u32,
    /// The least distances, the greatest of them first.
    least: BinaryHeap<Distance>,
    /// Rows of which it is not known yet whether they are ranked, and their distances.
    waiting: Vec<(u32, f64)>,
}

impl Search {
    /// A search for the `most` nearest of places to (lon, lat) within a reach; none where no place is
    /// within it at first sight.
    pub(super) fn around(
        (lon, lat): (f64, f64),
        most: usize,
        reach: Reach,
        zones: &Zones,
    ) -> Option<Self> {
        let mut spans = Vec::new();
        let (ring_deg, window_deg) = if zones.ring_deg() <= reach.degrees() {
            zones.near(lon, lat, &mut spans);
            (zones.ring_deg(), zones.reach_deg())
        } else {
            (reach.degrees(), zones.within(lon, lat, reach.degrees(), &mut spans))
        };
        if zones.is_empty() || spans.is_empty() && ring_deg >= reach.degrees() {
            return None;
        }
        let at = spans.first().map_or(0, |span| span.rows.start);
        let (least, waiting) = (BinaryHeap::new(), Vec::new());
        Some(Self { most, reach, ring_deg, window_deg, spans, span: 0, at, least, waiting })
    }

    /// Searches on; whether the search has ended.
    pub(super) fn go_on(
        &mut self,
        candidates: &Candidates<'_>,
        place: &Position,
        looks: &mut Looks,
    ) -> Result<bool> {
        let zones = candidates.zones;
        loop {
            while let Some(span) = self.spans.get(self.span) {
                while self.at < span.rows.end {
                    if !looks.look() {
                        return Ok(false);
                    }
                    let at = self.at;
                    self.at += 1;
                    if !zones.is_candidate(at, span, place.lat_deg(), self.window_deg) {
                        continue;
                    }
                    looks.test();
                    let other = zones.position(at);
                    if !self.reach.holds(place, &other) {
                        continue;
                    }
                    let distance = place.distance(&other).degrees();
                    if candidates.before.is_none() {
                        keep(&mut self.least, self.most, distance);
                        // What is farther than the k-th nearest so far is none of them.
                        self.window_deg = self.window_deg.min(self.limit() + ROUNDING_DEG);
                    } else if distance < self.limit() {
                        self.waiting.push((zones.row(at), distance));
                        if self.waiting.len() == PAIRS {
                            break;
                        }
                    }
                }
                if self.waiting.len() == PAIRS {
                    self.test(candidates)?;
                    continue;
                }
                self.span += 1;
                self.at = self.spans.get(self.span).map_or(0, |span| span.rows.start);
            }
            self.test(candidates)?;
            if self.limit() <= self.ring_deg || self.ring_deg >= self.reach.degrees() {
                return Ok(true);
            }
            if !looks.ring() {
                return Ok(false);
            }
            self.widen(zones, place);
        }
    }

    /// Ranks those that wait and of which the condition holds.
    fn test(&mut self, candidates: &Candidates<'_>) -> Result<()> {
        let Some(before) = candidates.before.filter(|_| !self.waiting.is_empty()) else {
            return Ok(());
        };
        let (probe, row) = candidates.probe;
        let rows = [
            self.waiting.iter().map(|(row, _)| *row).collect(),
            UInt32Array::from_value(row, self.waiting.len()),
        ];
        let holds = holds(before, candidates.rows, probe, &rows)?;
        for ((_, distance), holds) in self.waiting.drain(..).zip(holds.values()) {
            if holds {
                keep(&mut self.least, self.most, distance);
            }
        }
        self.window_deg = self.window_deg.min(self.limit() + ROUNDING_DEG);
        Ok(())
    }

    /// The distance of the k-th nearest place; infinite where there are fewer.
    pub(super) fn limit(&self) -> f64 {
        match self.least.peek() {
            Some(farthest) if self.least.len() == self.most => farthest.0,
            _ => f64::INFINITY,
        }
    }

    /// The spans that hold all that is within the limit, and how far their windows reach.
    pub(super) fn end(self) -> (Vec<Span>, f64) {
        if self.least.is_empty() { (Vec::new(), 0.0) } else { (self.spans, self.window_deg) }
    }

    fn widen(&mut self, zones: &Zones, place: &Position) {
        self.ring_deg = (self.ring_deg * WIDER).min(self.reach.degrees());
        self.least.clear();
        self.spans.clear();
        let (lon, lat) = (place.lon_deg(), place.lat_deg());
        self.window_deg = zones.within(lon, lat, self.ring_deg, &mut self.spans);
        self.span = 0;
        self.at = self.spans.first().map_or(0, |span| span.rows.start);
    }
}

/// Keeps a distance if it is one of the least.
fn keep(least: &mut BinaryHeap<Distance>, most: usize, distance: f64) {
    if least.len() < most {
        least.push(Distance(distance));
    } else if let Some(mut farthest) = least.peek_mut()
        && distance < farthest.0
    {
        farthest.0 = distance;
    }
}
