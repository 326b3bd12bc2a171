//! An index of places: which of them are near another place.
//!
//! The sky is cut into zones of latitude, and each zone into cells of about the same width on the
//! sky, so that a cell holds about one place, or is as wide as the reach. Places are sorted by cell:
//! those within a distance of a place are in a few runs ([`Span`]) of the sorted rows.
//! Where the places cover little of the sky, cells share buckets by a hash of their zone; a place
//! that is in a bucket by chance is told apart by its zone and longitude, so that none is found
//! twice. What [`Zones::is_candidate`] lets pass is near enough or nearly so: the exact test
//! is [`super::Circle::contains`].

use std::ops::Range;

use super::position::{Position, normalize_longitude};

/// Wider than all errors of rounding of a distance in degrees: nothing is lost by them.
const ROUNDING_DEG: f64 = 1e-9;

/// No cell is smaller: so many digits have coordinates.
const LEAST_CELL_DEG: f64 = 1e-7;

/// The table of zones stays in the cache of a core.
const ZONES_MAX: f64 = 65_536.0;

/// Steps of latitude for which the width of a window is known.
const WIDTHS: usize = 1024;

/// One zone.
#[derive(Debug, Clone, Copy)]
struct Zone {
    cells_per_degree: f64,
    cells: usize,
    /// The bucket of its first cell.
    base: usize,
}

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
    reach_deg: f64,
    south: f64,
    zones_per_degree: f64,
    zones: Vec<Zone>,
    /// Halves of the widths of windows in longitude, by latitude.
    widths: Vec<f64>,
    mask: usize,
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

/// The number of steps that fit in, at least; for numbers that are neither negative nor huge.
#[expect(clippy::cast_possible_truncation, reason = "the number is small")]
#[expect(clippy::cast_sign_loss, reason = "the number is not negative")]
#[inline]
fn whole(number: f64) -> usize {
    number as usize
}

impl Zones {
    /// The index of the places (row, longitude, latitude in degrees) of up to 2^32 rows for
    /// searches within `reach_deg`. What is no place ([`Position::from_degrees`]) is left out.
    pub fn new(reach_deg: f64, rows: impl Iterator<Item = (u32, f64, f64)>) -> Self {
        let mut places = Places::default();
        places.lon.reserve(rows.size_hint().0);
        places.lat.reserve(rows.size_hint().0);
        places.rows.reserve(rows.size_hint().0);
        let (mut south, mut north) = (90.0_f64, -90.0_f64);
        for (row, lon, lat) in rows {
            if lon.is_finite() && (-90.0..=90.0).contains(&lat) {
                places.lon.push(normalize_longitude(lon));
                places.lat.push(lat);
                places.rows.push(row);
                south = south.min(lat);
                north = north.max(lat);
            }
        }
        let height = (north - south).max(0.0);
        let reach_deg = reach_deg + ROUNDING_DEG;
        let cell = places
            .cell(south, height)
            .max(reach_deg)
            .max(height / ZONES_MAX)
            .max(LEAST_CELL_DEG);
        let mut index = Self {
            reach_deg,
            south,
            zones_per_degree: 1.0 / cell,
            zones: Vec::new(),
            widths: (0..=WIDTHS).map(|step| half_width(step, reach_deg)).collect(),
            mask: 0,
            starts: Vec::new(),
            lon: Vec::new(),
            lat: Vec::new(),
            rows: Vec::new(),
        };
        index.cut(height, cell, places.rows.len());
        index.sort(&places);
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
        20 * self.rows.capacity() + 4 * self.starts.capacity() + 24 * self.zones.capacity()
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

    /// Makes the zones, and gives each its buckets.
    fn cut(&mut self, height: f64, cell: f64, rows: usize) {
        let zones = whole(height * self.zones_per_degree) + 1;
        let mut cells_before = 0;
        for zone in 0..zones {
            #[expect(clippy::cast_precision_loss, reason = "there are few zones")]
            let middle = self.south + (zone as f64 + 0.5) * cell;
            let around = 360.0 * middle.min(90.0).to_radians().cos().max(0.0) / cell;
            let cells = whole(around).max(1);
            #[expect(clippy::cast_precision_loss, reason = "fewer than 2^52 cells")]
            let cells_per_degree = cells as f64 / 360.0;
            self.zones.push(Zone { cells_per_degree, cells, base: cells_before });
            cells_before = cells_before.saturating_add(cells);
        }
        let rows = rows.max(1024);
        if cells_before <= 4 * rows {
            self.mask = cells_before.next_power_of_two() - 1;
            return;
        }
        self.mask = (2 * rows).next_power_of_two() - 1;
        for (number, zone) in self.zones.iter_mut().enumerate() {
            zone.base = scattered(number) & self.mask;
        }
    }

    /// Sorts the places by bucket.
    fn sort(&mut self, places: &Places) {
        let rows = places.rows.len();
        let mut starts = vec![0_u32; self.mask + 2];
        let bucket = |(lon, lat): (&f64, &f64)| {
            let zone = self.zones[self.zone(*lat)];
            let cell = whole(lon * zone.cells_per_degree).min(zone.cells - 1);
            (zone.base + cell) & self.mask
        };
        let buckets: Vec<usize> = places.lon.iter().zip(&places.lat).map(bucket).collect();
        for bucket in &buckets {
            starts[bucket + 1] += 1;
        }
        for bucket in 1..starts.len() {
            starts[bucket] += starts[bucket - 1];
        }
        let mut next = starts.clone();
        let (mut lon, mut lat) = (vec![0.0; rows], vec![0.0; rows]);
        let mut sorted = vec![0; rows];
        for (place, bucket) in buckets.iter().enumerate() {
            let at = next[*bucket] as usize;
            next[*bucket] += 1;
            lon[at] = places.lon[place];
            lat[at] = places.lat[place];
            sorted[at] = places.rows[place];
        }
        (self.starts, self.lon, self.lat, self.rows) = (starts, lon, lat, sorted);
    }

    /// The zone of a latitude that is not south of all places.
    #[inline]
    fn zone(&self, lat: f64) -> usize {
        whole((lat - self.south) * self.zones_per_degree).min(self.zones.len() - 1)
    }

    /// Whether the place at `at` is within the window of a span, so that the exact test is worth it.
    #[inline]
    pub fn is_candidate(&self, at: u32, span: &Span, lat: f64, reach_deg: f64) -> bool {
        let at = at as usize;
        let (lon, own) = (self.lon[at], self.lat[at]);
        (own - lat).abs() <= reach_deg
            && lon >= span.west
            && lon <= span.east
            && span.zone.is_none_or(|zone| zone == self.zone(own))
    }

    /// How far a window reaches that is searched by [`Self::near`].
    pub fn reach_deg(&self) -> f64 {
        self.reach_deg
    }

    /// Adds the runs that hold every place within the reach of this index of a place; each
    /// candidate is in one of them only.
    #[inline]
    pub fn near(&self, lon: f64, lat: f64, spans: &mut Vec<Span>) {
        #[expect(clippy::cast_precision_loss, reason = "a small number")]
        let step = whole(lat.abs() * (WIDTHS as f64 / 90.0));
        self.search(lon, lat, (self.reach_deg, self.widths[step]), spans);
    }

    /// As [`Self::near`] for another reach, which is given back as [`Self::is_candidate`] takes it.
    pub fn within(&self, lon: f64, lat: f64, reach_deg: f64, spans: &mut Vec<Span>) -> f64 {
        let reach_deg = reach_deg + ROUNDING_DEG;
        self.search(lon, lat, (reach_deg, half_width_at(lat.abs(), reach_deg)), spans);
        reach_deg
    }

    #[inline]
    fn search(&self, lon: f64, lat: f64, (reach, width): (f64, f64), spans: &mut Vec<Span>) {
        let (south, north) = (lat - reach, lat + reach);
        if self.rows.is_empty() || north < self.south {
            return;
        }
        let first = if south > self.south { (south - self.south) * self.zones_per_degree } else { 0.0 };
        let first = whole(first);
        if first >= self.zones.len() {
            return;
        }
        let last = self.zone(north);
        if last - first > self.rows.len() {
            let rows = 0..self.starts[self.mask + 1];
            spans.push(Span { rows, zone: None, west: 0.0, east: 360.0 });
            return;
        }
        let lon = normalize_longitude(lon);
        let (west, east) = (lon - width, lon + width);
        for zone in first..=last {
            if width >= 180.0 {
                self.push(zone, 0.0, 360.0, spans);
            } else if west < 0.0 {
                self.push(zone, west + 360.0, 360.0, spans);
                self.push(zone, 0.0, east, spans);
            } else if east >= 360.0 {
                self.push(zone, west, 360.0, spans);
                self.push(zone, 0.0, east - 360.0, spans);
            } else {
                self.push(zone, west, east, spans);
            }
        }
    }

    /// Adds the runs of the cells of a zone from a longitude to another.
    #[inline]
    fn push(&self, number: usize, west: f64, east: f64, spans: &mut Vec<Span>) {
        let zone = &self.zones[number];
        let cell = |lon: f64| whole(lon * zone.cells_per_degree).min(zone.cells - 1);
        let (first, last) = (cell(west), cell(east));
        let mut add = |from: usize, to: usize| {
            let rows = self.starts[from]..self.starts[to];
            if !rows.is_empty() {
                spans.push(Span { rows, zone: Some(number), west, east });
            }
        };
        let count = last - first + 1;
        if count > self.mask {
            add(0, self.mask + 1);
            return;
        }
        let from = (zone.base + first) & self.mask;
        let to = from + count;
        if to <= self.mask + 1 {
            add(from, to);
        } else {
            add(from, self.mask + 1);
            add(0, to - self.mask - 1);
        }
    }
}

impl Places {
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

#[expect(clippy::cast_possible_truncation, reason = "any bits will do")]
fn scattered(number: usize) -> usize {
    (number as u64).wrapping_mul(0x9E37_79B9_7F4A_7C15).rotate_right(32) as usize
}
