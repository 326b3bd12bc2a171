//! An index of places: which of them are near another place.
//!
//! Places are sorted by cells ([`grid`]) that hold about one place each, or are as wide as the
//! reach, so that those within a distance of a place are in a few runs ([`Span`]) of the rows.
//! Where the places cover little of the sky, cells share buckets; a place that is in a bucket by
//! chance is told apart by its zone and longitude, so that none is found twice. [`hints`] answer
//! most searches that find nothing.
//! What [`Zones::is_candidate`] lets pass is near enough or nearly so: the exact test is
//! [`super::Circle::contains`].

mod grid;
mod hints;

use std::ops::Range;

use grid::{Grid, ZONES_MAX, scattered, whole};
use hints::Hints;

use super::position::{Position, normalize_longitude};

/// Wider than all errors of rounding of a distance in degrees: nothing is lost by them.
pub const ROUNDING_DEG: f64 = 1e-9;

/// No cell is smaller: so many digits have coordinates.
const LEAST_CELL_DEG: f64 = 1e-7;

/// Steps of latitude for which the width of a window is known.
const WIDTHS: usize = 1024;

/// A run of rows in which places near another one are, and the part of the sky in which they are
/// candidates by this run.
#[derive(Debug, Clone, PartialEq)]
pub struct Span {
    /// The rows, by their places in the index.
    pub rows: Range<u32>,
    zone: Option<usize>,
    west: f64,
    east: f64,
}

/// Places, sorted for searches around other places.
#[derive(Debug)]
pub struct Zones {
    ring_deg: f64,
    reach_deg: f64,
    south: f64,
    north: f64,
    grid: Grid,
    hints: Option<Hints>,
    /// Halves of the widths of windows in longitude, by latitude.
    widths: Vec<f64>,
    starts: Vec<u32>,
    lon: Vec<f64>,
    lat: Vec<f64>,
    rows: Vec<u32>,
}

/// Places before they are sorted.
#[derive(Debug, Default)]
struct Places {
    lon: Vec<f64>,
    lat: Vec<f64>,
    rows: Vec<u32>,
}

impl Zones {
    /// The index of the places (row, longitude, latitude in degrees) of up to 2^32 rows for
    /// searches within `reach_deg`. What is no place ([`Position::from_degrees`]) is left out.
    pub fn new(reach_deg: f64, rows: impl Iterator<Item = (u32, f64, f64)>) -> Self {
        let wide = reach_deg + ROUNDING_DEG;
        Self::of(&Places::of(rows), |density| (reach_deg, density.max(wide)))
    }

    /// As [`Self::new`], for searches of the `most` nearest within `reach_deg`: its reach is as wide
    /// as a first ring that may hold so many, and wider rings are searched by [`Self::within`].
    pub fn of_nearest(
        reach_deg: f64,
        most: usize,
        rows: impl Iterator<Item = (u32, f64, f64)>,
    ) -> Self {
        #[expect(clippy::cast_precision_loss, reason = "an estimate")]
        let side = (most as f64).sqrt();
        Self::of(&Places::of(rows), |density| (reach_deg.min(density * side), density))
    }

    /// The index of places whose reach and cells follow from how dense they are.
    fn of(places: &Places, sizes: impl Fn(f64) -> (f64, f64)) -> Self {
        let (mut south, mut north) = (90.0_f64, -90.0_f64);
        for lat in &places.lat {
            south = south.min(*lat);
            north = north.max(*lat);
        }
        let height = (north - south).max(0.0);
        let density = places.cell(south, height);
        let (ring_deg, cell) = sizes(density.max(height / ZONES_MAX).max(LEAST_CELL_DEG));
        let reach_deg = ring_deg + ROUNDING_DEG;
        let mut index = Self {
            ring_deg,
            reach_deg,
            south,
            north,
            grid: Grid::new((south, height), cell, 4 * places.rows.len().max(256)),
            hints: Hints::new(places, (south, height), cell, reach_deg),
            widths: (0..=WIDTHS).map(|step| half_width(step, reach_deg)).collect(),
            starts: Vec::new(),
            lon: Vec::new(),
            lat: Vec::new(),
            rows: Vec::new(),
        };
        index.sort(places);
        index
    }

    /// How many places it holds.
    pub fn len(&self) -> usize {
        self.rows.len()
    }

    /// Whether it holds no place.
    pub fn is_empty(&self) -> bool {
        self.rows.is_empty()
    }

    /// The bytes that it takes.
    pub fn bytes(&self) -> usize {
        let hints = self.hints.as_ref().map_or(0, Hints::bytes);
        20 * self.rows.capacity() + 4 * self.starts.capacity() + self.grid.bytes() + hints
    }

    /// The row of a place, as it was given.
    #[inline]
    pub fn row(&self, at: u32) -> u32 {
        self.rows[at as usize]
    }

    /// A place.
    #[inline]
    pub fn position(&self, at: u32) -> Position {
        let at = at as usize;
        Position::from_degrees(self.lon[at], self.lat[at]).unwrap_or(Position::ORIGIN)
    }

    /// Sorts the places by bucket.
    fn sort(&mut self, places: &Places) {
        let rows = places.rows.len();
        let mut starts = vec![0_u32; self.grid.buckets() + 1];
        #[expect(clippy::cast_possible_truncation, reason = "not many more buckets than rows")]
        let bucket = |(lon, lat): (&f64, &f64)| self.grid.bucket(*lon, *lat) as u32;
        let buckets: Vec<u32> = places.lon.iter().zip(&places.lat).map(bucket).collect();
        for bucket in &buckets {
            starts[*bucket as usize] += 1;
        }
        // Each start is the end of its bucket, and goes down as the bucket is filled.
        let mut end = 0;
        for start in &mut starts {
            end += *start;
            *start = end;
        }
        let (mut lon, mut lat) = (vec![0.0; rows], vec![0.0; rows]);
        let mut sorted = vec![0; rows];
        for (place, bucket) in buckets.iter().enumerate().rev() {
            let start = &mut starts[*bucket as usize];
            *start -= 1;
            let at = *start as usize;
            lon[at] = places.lon[place];
            lat[at] = places.lat[place];
            sorted[at] = places.rows[place];
        }
        (self.starts, self.lon, self.lat, self.rows) = (starts, lon, lat, sorted);
    }

    /// Whether the place at `at` is within the window of a span, so that the exact test is worth it.
    #[inline]
    pub fn is_candidate(&self, at: u32, span: &Span, lat: f64, reach_deg: f64) -> bool {
        let at = at as usize;
        let (lon, own) = (self.lon[at], self.lat[at]);
        (own - lat).abs() <= reach_deg
            && lon >= span.west
            && lon <= span.east
            && span.zone.is_none_or(|zone| zone == self.grid.zone(own))
    }

    /// The reach of this index as it was asked for, or its first ring.
    pub fn ring_deg(&self) -> f64 {
        self.ring_deg
    }

    /// How far a window reaches that is searched by [`Self::near`].
    pub fn reach_deg(&self) -> f64 {
        self.reach_deg
    }

    /// Adds the runs that hold every place within the reach of this index of a place; each
    /// candidate is in one of them only.
    #[inline]
    pub fn near(&self, lon: f64, lat: f64, spans: &mut Vec<Span>) {
        let lon = normalize_longitude(lon);
        if self.hints.as_ref().is_some_and(|hints| !hints.may(lon, lat)) {
            return;
        }
        #[expect(clippy::cast_precision_loss, reason = "a small number")]
        let step = whole(lat.abs() * (WIDTHS as f64 / 90.0));
        self.search(lon, lat, (self.reach_deg, self.widths[step]), spans);
    }

    /// As [`Self::near`] for another reach, which is given back as [`Self::is_candidate`] takes it.
    pub fn within(&self, lon: f64, lat: f64, reach_deg: f64, spans: &mut Vec<Span>) -> f64 {
        let (lon, reach_deg) = (normalize_longitude(lon), reach_deg + ROUNDING_DEG);
        self.search(lon, lat, (reach_deg, half_width_at(lat.abs(), reach_deg)), spans);
        reach_deg
    }

    fn search(&self, lon: f64, lat: f64, (reach, width): (f64, f64), spans: &mut Vec<Span>) {
        let (south, north) = (lat - reach, lat + reach);
        if self.rows.is_empty() || north < self.south || south > self.north {
            return;
        }
        let (first, last) = (self.grid.zone(south), self.grid.zone(north));
        if last - first > self.rows.len() {
            let rows = 0..self.starts[self.grid.buckets()];
            spans.push(Span { rows, zone: None, west: 0.0, east: 360.0 });
            return;
        }
        for zone in first..=last {
            windows(lon, width, |west, east| {
                self.grid.runs(zone, (west, east), |from, to| {
                    let rows = self.starts[from]..self.starts[to];
                    if !rows.is_empty() {
                        spans.push(Span { rows, zone: Some(zone), west, east });
                    }
                });
            });
        }
    }
}

/// Calls `each` with the one or two intervals of longitude, within 0 to 360 degrees, that a window
/// around a longitude is.
#[inline]
fn windows(lon: f64, width: f64, mut each: impl FnMut(f64, f64)) {
    let (west, east) = (lon - width, lon + width);
    if width >= 180.0 {
        each(0.0, 360.0);
    } else if west < 0.0 {
        each(west + 360.0, 360.0);
        each(0.0, east);
    } else if east >= 360.0 {
        each(west, 360.0);
        each(0.0, east - 360.0);
    } else {
        each(west, east);
    }
}

impl Places {
    /// Those of rows that are places.
    fn of(rows: impl Iterator<Item = (u32, f64, f64)>) -> Self {
        let mut places = Self::default();
        let most = rows.size_hint().1.unwrap_or_default();
        places.lon.reserve(most);
        places.lat.reserve(most);
        places.rows.reserve(most);
        for (row, lon, lat) in rows {
            if lon.is_finite() && (-90.0..=90.0).contains(&lat) {
                places.lon.push(normalize_longitude(lon));
                places.lat.push(lat);
                places.rows.push(row);
            }
        }
        places
    }

    /// The side of a cell so that each has about one place, by the area that places cover: the
    /// number of cells of a coarse grid that a sample of them is in.
    fn cell(&self, south: f64, height: f64) -> f64 {
        const BUCKETS: usize = 1 << 16;
        const COARSE_ZONES: f64 = 128.0;
        let side = (height / COARSE_ZONES).max(LEAST_CELL_DEG);
        let mut seen = vec![false; BUCKETS];
        let step = self.rows.len().div_ceil(BUCKETS).max(1);
        for (lon, lat) in self.lon.iter().zip(&self.lat).step_by(step) {
            let zone = ((lat - south) / side).floor();
            let middle = (south + (zone + 0.5) * side).min(90.0);
            let cell = whole(lon * middle.to_radians().cos().max(0.0) / side);
            seen[scattered(scattered(whole(zone)).wrapping_add(cell)) % BUCKETS] = true;
        }
        #[expect(clippy::cast_precision_loss, reason = "small numbers, and an estimate")]
        let (seen, buckets, places) = (
            seen.iter().filter(|seen| **seen).count() as f64,
            BUCKETS as f64,
            self.rows.len().max(1) as f64,
        );
        // Some cells met in one bucket.
        let cells = -buckets * (1.0 - seen.min(buckets - 1.0) / buckets).ln();
        (cells / places).sqrt() * side
    }
}

/// Half of the width of the window in longitude that a reach needs at the latitudes of a step.
fn half_width(step: usize, reach_deg: f64) -> f64 {
    #[expect(clippy::cast_precision_loss, reason = "small numbers")]
    let lat = (step + 1) as f64 * (90.0 / WIDTHS as f64);
    half_width_at(lat, reach_deg)
}

/// Half of the width of the window at a latitude or nearer to the equator: at least
/// `asin(sin r / cos lat)`, which `r / cos(lat + r)` is; all longitudes where a pole is in reach.
fn half_width_at(lat: f64, reach_deg: f64) -> f64 {
    let end = lat + reach_deg;
    if end >= 90.0 { 180.0 } else { reach_deg / end.to_radians().cos() + ROUNDING_DEG }
}
