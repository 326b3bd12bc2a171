//! The pairs of one batch of the side that streams past, found a piece at a time.
//!
//! A row without a near place costs a look at one cell. The places of rows are compared exactly by
//! the code that evaluates DISTANCE and CONTAINS; what the index rules out is farther away.

use adql::function::cross_match::Reach;
use adql::sky::{Position, Span};
use datafusion::arrow::array::{Array as _, Float64Array, RecordBatch};
use datafusion::arrow::buffer::NullBuffer;
use datafusion::common::Result;

use super::build_side::{BuildSide, Reaches, coordinates, doubles};
use super::condition::{Condition, Radius, Ranking};
use super::nearest::{Candidates, Looks, Search};

/// A piece ends after so many looks at candidates: some milliseconds of work.
const LOOKS: usize = 1 << 20;

/// Rows that belong together, by their numbers.
#[derive(Debug, Default)]
pub(super) struct Pairs {
    pub(super) build: Vec<u32>,
    pub(super) probe: Vec<u32>,
}

impl Pairs {
    fn clear(&mut self) {
        self.build.clear();
        self.probe.clear();
    }
}

/// A batch, and how far its pairs are found.
#[derive(Debug)]
pub(super) struct Probe {
    pub(super) batch: RecordBatch,
    lon: Float64Array,
    lat: Float64Array,
    nulls: Option<NullBuffer>,
    radius: Option<Float64Array>,
    /// Rows that have a match; nothing where nobody asks.
    pub(super) matched: Vec<bool>,
    /// One match of a row is as good as several.
    first_only: bool,
    row: usize,
    next_row: usize,
    spans: Vec<Span>,
    span: usize,
    at: u32,
    reach_deg: f64,
    reach: Option<Reach>,
    position: Option<Position>,
    /// Which places are asked for, if not all that are near enough.
    ranking: Option<Ranking>,
    /// What finds how far they are, until it has.
    search: Option<Search>,
    /// No pair is farther apart.
    limit_deg: f64,
}

impl Probe {
    /// A batch of which no pair is found yet.
    pub(super) fn new(
        batch: RecordBatch,
        condition: &Condition,
        (keeps_matched, first_only): (bool, bool),
    ) -> Result<Self> {
        let [lon, lat] = coordinates(&condition.probe, &batch)?;
        let radius = match &condition.radius {
            Radius::Build(_) => None,
            Radius::Probe(radius) => Some(doubles(radius, &batch)?),
        };
        let nulls = NullBuffer::union(lon.nulls(), lat.nulls());
        let nulls = NullBuffer::union(nulls.as_ref(), radius.as_ref().and_then(|r| r.nulls()));
        let matched = vec![false; if keeps_matched { batch.num_rows() } else { 0 }];
        Ok(Self {
            batch,
            lon,
            lat,
            nulls,
            radius,
            matched,
            first_only,
            row: 0,
            next_row: 0,
            spans: Vec::new(),
            span: 0,
            at: 0,
            reach_deg: 0.0,
            reach: None,
            position: None,
            ranking: condition.ranking.clone(),
            search: None,
            limit_deg: f64::INFINITY,
        })
    }

    /// Finds more pairs, up to a number of them; whether the batch is done.
    pub(super) fn find(
        &mut self,
        build: &BuildSide,
        pairs: &mut Pairs,
        most: usize,
    ) -> Result<bool> {
        pairs.clear();
        let mut looks = Looks(LOOKS);
        loop {
            if self.search.is_some() && !self.rank(build, &mut looks)? {
                return Ok(false);
            }
            while self.span < self.spans.len() {
                if !self.look(build, pairs, most, &mut looks) {
                    return Ok(false);
                }
                self.span += 1;
                if let Some(next) = self.spans.get(self.span) {
                    self.at = next.rows.start;
                }
            }
            if !self.begin_row(build) {
                return Ok(true);
            }
        }
    }

    /// Searches on for the limit of the present row; whether it is known.
    fn rank(&mut self, build: &BuildSide, looks: &mut Looks) -> Result<bool> {
        let place = self.place();
        let Some(mut search) = self.search.take() else { return Ok(true) };
        let before = self.ranking.as_ref().and_then(|ranking| ranking.before.as_ref());
        #[expect(clippy::cast_possible_truncation, reason = "a batch has few rows")]
        let probe = (&self.batch, self.row as u32);
        let candidates = Candidates { zones: &build.zones, rows: &build.rows, probe, before };
        if !search.go_on(&candidates, &place, looks)? {
            self.search = Some(search);
            return Ok(false);
        }
        self.limit_deg = search.limit();
        (self.spans, self.reach_deg) = search.end();
        (self.span, self.at) = (0, self.spans.first().map_or(0, |span| span.rows.start));
        Ok(true)
    }

    /// Tests the candidates of the present span; whether all of them were.
    #[inline]
    fn look(
        &mut self,
        build: &BuildSide,
        pairs: &mut Pairs,
        most: usize,
        looks: &mut Looks,
    ) -> bool {
        let (zones, lat) = (&build.zones, self.lat.value(self.row));
        let span = self.spans[self.span].clone();
        while self.at < span.rows.end {
            if pairs.build.len() == most || !looks.look() {
                return false;
            }
            let at = self.at;
            self.at += 1;
            if !zones.is_candidate(at, &span, lat, self.reach_deg) {
                continue;
            }
            looks.test();
            let (place, row) = (self.place(), zones.row(at));
            let own = || match &build.reaches {
                Reaches::OfBuild(bound, radii) => bound.reach(radii.value(row as usize)),
                Reaches::Constant(_) | Reaches::OfProbe(_) => None,
            };
            let reach = self.reach.or_else(own);
            let other = zones.position(at);
            let is_ranked =
                || self.ranking.is_none() || place.distance(&other).degrees() <= self.limit_deg;
            if reach.is_some_and(|reach| reach.holds(&place, &other)) && is_ranked() {
                pairs.build.push(row);
                #[expect(clippy::cast_possible_truncation, reason = "a batch has few rows")]
                pairs.probe.push(self.row as u32);
                if self.first_only {
                    self.spans.clear();
                    return true;
                }
            }
        }
        true
    }

    fn place(&mut self) -> Position {
        let (lon, lat) = (self.lon.value(self.row), self.lat.value(self.row));
        let place = || Position::from_degrees(lon, lat).unwrap_or(Position::ORIGIN);
        *self.position.get_or_insert_with(place)
    }

    /// Goes on to the next row that has a candidate; whether there is one.
    #[inline]
    fn begin_row(&mut self, build: &BuildSide) -> bool {
        self.spans.clear();
        let (lons, lats) = (self.lon.values(), self.lat.values());
        while self.next_row < lons.len() {
            let row = self.next_row;
            self.next_row += 1;
            let (lon, lat) = (lons[row], lats[row]);
            let is_null = self.nulls.as_ref().is_some_and(|nulls| nulls.is_null(row));
            if is_null || !lon.is_finite() || !(-90.0..=90.0).contains(&lat) {
                continue;
            }
            if let Some(Ranking { most, .. }) = self.ranking {
                self.reach = match (&build.reaches, &self.radius) {
                    (Reaches::OfProbe(bound), Some(radii)) => bound.reach(radii.value(row)),
                    (Reaches::Constant(reach), _) => *reach,
                    (Reaches::OfBuild(..) | Reaches::OfProbe(_), _) => None,
                };
                let Some(reach) = self.reach else { continue };
                self.search = Search::around((lon, lat), most, reach, &build.zones);
                if self.search.is_some() {
                    (self.row, self.position) = (row, None);
                    return true;
                }
                continue;
            }
            match (&build.reaches, &self.radius) {
                (Reaches::OfProbe(bound), Some(radii)) => {
                    self.reach = bound.reach(radii.value(row));
                    let Some(reach) = &self.reach else { continue };
                    let reach = reach.degrees();
                    self.reach_deg = build.zones.within(lon, lat, reach, &mut self.spans);
                }
                (Reaches::Constant(reach), _) => {
                    self.reach = *reach;
                    self.reach_deg = build.zones.reach_deg();
                    build.zones.near(lon, lat, &mut self.spans);
                }
                (Reaches::OfBuild(..) | Reaches::OfProbe(_), _) => {
                    self.reach = None;
                    self.reach_deg = build.zones.reach_deg();
                    build.zones.near(lon, lat, &mut self.spans);
                }
            }
            if let Some(first) = self.spans.first() {
                (self.row, self.span, self.at) = (row, 0, first.rows.start);
                self.position = None;
                return true;
            }
        }
        false
    }
}
