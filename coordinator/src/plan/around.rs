//! What pieces of the sky read of a table around them, for joins by position within a radius.
//!
//! ```text
//!             tiles of the piece   what else may be near to its rows
//! margins     all that is near     the margins of these tiles: they lie with them
//! bands       all that is near     a band of each neighbouring tile, which another worker may hold
//! ```
//! A margin serves where it reaches as far as the join; the rows of a margin that lie in tiles of
//! the piece, or that another margin of it had, are left out as they are read
//! ([`worker::ranged_scan`]).

use std::ops::Range;

use adql::sky::{Angle, Coverage, Order, Pixel};
use catalog::{Margin, TiledTable};
use datafusion::common::Result;
use datafusion::datasource::listing::PartitionedFile;
use datafusion::datasource::physical_plan::FileScanConfig;
use worker::ranged_scan::{MarginFiles, Rows};

use super::colocate::Place;
use super::slots::{bytes_of, files, tile};
use super::units::Unit;

/// What surrounds a piece is found to a part of this many orders of its finest tile: pages are no
/// smaller.
const BAND_ORDERS: u8 = 5;

/// A scan of a tree.
pub(super) struct Scan {
    pub(super) config: FileScanConfig,
    /// How far beyond a piece, in degrees, it is read; none: the tiles of the piece.
    pub(super) around_deg: Option<f64>,
}

/// What one piece reads of one scan.
pub(super) struct Reading {
    pub(super) slot: usize,
    pub(super) files: Vec<PartitionedFile>,
    /// Where only parts of these files are read: what is.
    pub(super) coverage: Coverage,
}

/// A file of a scan.
struct Tile {
    range: Range<u64>,
    pixel: Pixel,
    bytes: u64,
    file: PartitionedFile,
}

/// A scan that is read around pieces.
pub(super) struct Around<'a> {
    reach: Angle,
    table: Option<&'a TiledTable>,
    /// The column of its files that has the spatial index.
    index: Option<String>,
    margin: Option<(&'a Margin, MarginFiles)>,
    /// Along the sky.
    files: Vec<Tile>,
}

/// What one piece reads of such a scan.
pub(super) struct Band {
    /// Places in [`Around::files`].
    files: Vec<usize>,
    /// Places of tiles of the margin.
    margin: Vec<usize>,
    /// The parts of the sky for which it reads them.
    coverage: Coverage,
}

/// How a [`worker::ranged_scan::RangedScanExec`] is to read.
pub(super) struct Ranged {
    pub(super) index: String,
    pub(super) of: Rows,
}

impl<'a> Place<'a> {
    /// A scan that is read around pieces.
    pub(super) fn around(&self, scan: &Scan) -> Result<Around<'a>> {
        let reach_deg = scan.around_deg.unwrap_or(0.0);
        let (mut tiles, mut folder) = (Vec::new(), None);
        for file in files(&scan.config) {
            let (of_table, pixel) = tile(&file.object_meta.location)?;
            folder = Some(of_table);
            let bytes = bytes_of(file);
            tiles.push(Tile { range: pixel.range(), pixel, bytes, file: file.clone() });
        }
        tiles.sort_by_key(|tile| tile.range.start);
        let snapshot = self.lineage.snapshot;
        let table = folder.and_then(|folder| snapshot.table_of_path(folder)).map(AsRef::as_ref);
        let index = self.lineage.spatial_index(&scan.config)?;
        let margin = table.filter(|_| index.is_some()).and_then(|table| {
            // Workers have such a table whole, and no margin of it.
            if self.over.is_some_and(|(_, small)| table.is_everywhere(small)) {
                return None;
            }
            let margin = table.margin_reaching(reach_deg)?;
            let position = self.lineage.position_of(&scan.config, table)?;
            Some((margin, MarginFiles { folder: margin.path().to_owned(), position }))
        });
        let reach = Angle::from_degrees(reach_deg);
        Ok(Around { reach, table, index, margin, files: tiles })
    }
}

impl<'a> Around<'a> {
    /// Whether every worker has all of it.
    pub(super) fn is_everywhere(&self, small_table_bytes: u64) -> bool {
        self.table.is_some_and(|table| table.is_everywhere(small_table_bytes))
    }

    /// How it is read, where only parts of its files are.
    pub(super) fn ranged(&self) -> Option<Ranged> {
        let margin = self.margin.as_ref().map(|(_, files)| files.clone());
        self.index.clone().map(|index| Ranged { index, of: Rows::Around { margin } })
    }

    /// The tiles that have some of a range.
    fn over(&self, range: &Range<u64>) -> impl Iterator<Item = usize> {
        let from = self.files.partition_point(|tile| tile.range.end <= range.start);
        let end = range.end;
        (from..self.files.len()).take_while(move |at| self.files[*at].range.start < end)
    }

    /// How many bytes of it lie over a pixel, if they lie evenly.
    pub(super) fn bytes_over(&self, pixel: Pixel) -> u64 {
        let range = pixel.range();
        let shares = self.over(&range).map(|at| {
            let Tile { range: tile, bytes, .. } = &self.files[at];
            let both = range.end.min(tile.end) - range.start.max(tile.start);
            let share = u128::from(*bytes) * u128::from(both) / u128::from(tile.end - tile.start);
            u64::try_from(share).unwrap_or(*bytes)
        });
        shares.sum()
    }

    /// Whether all tiles of it over a pixel are so.
    pub(super) fn all_over(&self, pixel: Pixel, is_so: impl Fn(Pixel) -> bool) -> bool {
        self.over(&pixel.range()).all(|at| is_so(self.files[at].pixel))
    }

    /// What a piece reads.
    pub(super) fn band(&self, unit: &Unit) -> Band {
        let own: Vec<Pixel> = unit.parts.iter().flatten().map(|part| part.pixel).collect();
        let finest = own.iter().map(|pixel| pixel.order()).max().unwrap_or(Order::MIN);
        let finest = Order::new(finest.get() + BAND_ORDERS).unwrap_or(Order::MAX);
        let own = Coverage::from_ranges(own.into_iter().map(Pixel::range));
        let coverage = own.widened(self.reach, finest);
        let margin = self.margin.as_ref().zip(self.table).and_then(|((margin, _), table)| {
            let around = margin.around(table.manifest(), &own)?;
            let beyond = |at: &usize| {
                let pixel = Coverage::from_ranges([margin.manifest().pixel(*at).range()]);
                !coverage.intersection(&pixel.complement()).is_empty()
            };
            Some(around.into_iter().filter(beyond).collect())
        });
        let over = if margin.is_some() { &own } else { &coverage };
        let mut files: Vec<usize> =
            over.ranges().iter().flat_map(|range| self.over(range)).collect();
        files.dedup();
        Band { files, margin: margin.unwrap_or_default(), coverage }
    }

    /// The pixels of all that a piece reads.
    pub(super) fn pixels(&self, band: &Band) -> impl Iterator<Item = Pixel> {
        let margin = self.margin.as_ref().map(|(margin, _)| margin.manifest());
        let tiles = band.files.iter().map(|at| self.files[*at].pixel);
        let of_margin = band.margin.iter().filter_map(move |at| Some(margin?.pixel(*at)));
        tiles.chain(of_margin)
    }

    pub(super) fn readings(&self, units: &[Unit], bands: Vec<Band>) -> Vec<Reading> {
        let read = |(unit, band): (&Unit, Band)| {
            let tiles = band.files.into_iter().map(|at| self.files[at].file.clone());
            let margin = self.margin.as_ref().map(|(margin, _)| *margin);
            let of_margin = band
                .margin
                .into_iter()
                .flat_map(|at| margin.into_iter().flat_map(move |margin| margin.files(at)));
            let files = tiles.chain(of_margin).collect();
            Reading { slot: unit.slot, files, coverage: band.coverage }
        };
        units.iter().zip(bands).map(read).collect()
    }
}

impl Band {
    /// Whether nothing is near to the piece.
    pub(super) fn is_empty(&self) -> bool {
        self.files.is_empty() && self.margin.is_empty()
    }
}
