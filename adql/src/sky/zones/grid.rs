//! The cells of an index of places: zones of latitude, each cut into cells of about the same width
//! on the sky, and buckets for them.

/// The table of zones stays in the cache of a core.
pub(super) const ZONES_MAX: f64 = 65_536.0;

/// One zone.
#[derive(Debug, Clone, Copy)]
struct Zone {
    cells_per_degree: f64,
    cells: usize,
    /// The bucket of its first cell.
    base: usize,
}

/// Zones and their buckets. Cells that lie side by side have buckets side by side, the last of all
/// being beside the first. Where there are more cells than buckets, zones begin anywhere.
#[derive(Debug)]
pub(super) struct Grid {
    south: f64,
    zones_per_degree: f64,
    zones: Vec<Zone>,
    mask: usize,
}

/// The whole part of a number that is not huge; 0 for one that is negative.
#[expect(clippy::cast_possible_truncation, reason = "the number is small")]
#[expect(clippy::cast_sign_loss, reason = "a negative number is 0")]
#[inline]
pub(super) fn whole(number: f64) -> usize {
    number as u32 as usize
}

#[expect(clippy::cast_possible_truncation, reason = "any bits will do")]
pub(super) fn scattered(number: usize) -> usize {
    (number as u64).wrapping_mul(0x9E37_79B9_7F4A_7C15).rotate_right(32) as usize
}

impl Grid {
    /// Cells of a size for places from `south` to so many degrees northward, and a bucket for each
    /// unless those are more than `buckets_max`.
    pub(super) fn new((south, height): (f64, f64), cell: f64, buckets_max: usize) -> Self {
        let zones_per_degree = 1.0 / cell;
        let mut zones = Vec::with_capacity(whole(height * zones_per_degree) + 1);
        let mut cells_before: usize = 0;
        for number in 0..zones.capacity() {
            #[expect(clippy::cast_precision_loss, reason = "there are few zones")]
            let middle = south + (number as f64 + 0.5) * cell;
            let cells = whole(360.0 * middle.min(90.0).to_radians().cos() / cell).max(1);
            #[expect(clippy::cast_precision_loss, reason = "fewer than 2^52 cells")]
            let cells_per_degree = cells as f64 / 360.0;
            zones.push(Zone { cells_per_degree, cells, base: cells_before });
            cells_before = cells_before.saturating_add(cells);
        }
        let fits = cells_before <= buckets_max;
        let mask = if fits { cells_before } else { buckets_max }.next_power_of_two() - 1;
        if !fits {
            for (number, zone) in zones.iter_mut().enumerate() {
                zone.base = scattered(number) & mask;
            }
        }
        Self { south, zones_per_degree, zones, mask }
    }

    /// How many buckets there are, a power of two.
    #[inline]
    pub(super) fn buckets(&self) -> usize {
        self.mask + 1
    }

    pub(super) fn bytes(&self) -> usize {
        size_of::<Zone>() * self.zones.capacity()
    }

    /// The zone of a latitude; the first or last one for a place outside.
    #[inline]
    pub(super) fn zone(&self, lat: f64) -> usize {
        whole((lat - self.south) * self.zones_per_degree).min(self.zones.len() - 1)
    }

    /// The bucket of a place whose longitude is within 0 to 360 degrees.
    #[inline]
    pub(super) fn bucket(&self, lon: f64, lat: f64) -> usize {
        let zone = &self.zones[self.zone(lat)];
        let cell = whole(lon * zone.cells_per_degree).min(zone.cells - 1);
        (zone.base + cell) & self.mask
    }

    /// Calls `each` with runs of buckets, one or two, that hold the cells of a zone from a
    /// longitude to another, both within 0 to 360 degrees; each bucket is in one of them only.
    #[inline]
    pub(super) fn runs(
        &self,
        zone: usize,
        (west, east): (f64, f64),
        mut each: impl FnMut(usize, usize),
    ) {
        let zone = &self.zones[zone];
        let cell = |lon: f64| whole(lon * zone.cells_per_degree).min(zone.cells - 1);
        let first = cell(west);
        let count = cell(east) - first + 1;
        if count > self.mask {
            each(0, self.buckets());
            return;
        }
        let from = (zone.base + first) & self.mask;
        let to = from + count;
        if to <= self.buckets() {
            each(from, to);
        } else {
            each(from, self.buckets());
            each(0, to - self.buckets());
        }
    }
}
