//! Margins: whether around each tile every row of the table within the threshold is there, once,
//! and is the row that the table has.
//!
//! A tile is looked at by itself, with the row groups of other tiles that may hold rows near it.
//! Rows are compared by a hash of all of their values. More rows than the threshold asks for do no
//! harm.

use std::collections::{BTreeSet, HashMap};
use std::hash::Hasher;

use adql::sky::{Angle, Pixel, Surroundings};
use datafusion::arrow::array::{ArrayRef, RecordBatch};
use datafusion::arrow::compute::cast;
use datafusion::arrow::datatypes::{DataType, SchemaRef};
use datafusion::arrow::row::{RowConverter, SortField};
use datafusion::parquet::arrow::arrow_reader::{RowSelection, RowSelector};

use super::access::Access;
use super::extents::{Extents, GroupNumber};
use super::file::TableFile;
use super::finding::{FindingKind, FindingPlace, Findings};
use super::layout::{Member, MemberFile};
use super::rows::{Places, Rules, places};
use crate::Error;
use crate::hats::tile_name;
use crate::survey::below;

/// Columns that are read together: a row group of them is some tens of megabytes.
const BLOCK_COLUMNS: usize = 32;

/// A margin beside its table.
pub(super) struct MarginCheck<'a> {
    pub(super) access: &'a Access,
    pub(super) findings: &'a Findings,
    pub(super) table: &'a Member,
    /// Where the rows of the table are.
    pub(super) extents: &'a Extents,
    pub(super) rules: &'a Rules,
    pub(super) margin: &'a Member,
    pub(super) threshold_arcsec: f64,
    /// The columns that rows are compared by.
    pub(super) columns: Vec<(String, DataType)>,
}

/// Rows of the table that are the same, of which some margin should have so many.
#[derive(Debug, Default)]
struct Wanted {
    /// How many there are.
    there: u32,
    /// How many of them are within the threshold.
    near: u32,
    /// How many the margin has.
    found: u32,
    file: usize,
    row: u64,
    position: (f64, f64),
}

/// A row of the table that is near a tile, or that its margin may hold although it is not.
struct Candidate {
    /// In its row group.
    row: usize,
    near: bool,
    position: (f64, f64),
}

/// A row of a margin.
struct MarginRow {
    digest: u128,
    index: u64,
    file: usize,
    row: u64,
}

/// The columns that two tables have in common, apart from those that say in which tile a row is.
pub(super) fn common_columns(table: &SchemaRef, margin: &SchemaRef) -> Vec<(String, DataType)> {
    let fields = table.fields().iter();
    let common = fields.filter(|field| {
        margin.field_with_name(field.name()).is_ok()
            && RowConverter::supports_fields(&[SortField::new(field.data_type().clone())])
    });
    common.map(|field| (field.name().clone(), field.data_type().clone())).collect()
}

impl MarginCheck<'_> {
    /// The pixels that the margin should have rows around, or has.
    pub(super) fn cells(&self) -> Vec<Pixel> {
        let mut cells = [self.table.tiles.as_slice(), &self.margin.tiles].concat();
        cells.sort_unstable_by_key(|cell| (cell.range().start, cell.order()));
        cells.dedup();
        cells
    }

    /// Looks at the margin of a pixel.
    pub(super) fn check(&self, cell: Pixel) -> Result<(), Error> {
        let mut of_margin = Vec::new();
        let along = |pixel: Pixel| (pixel.range().start, pixel.order());
        let before = |file: &MemberFile| file.pixel.is_some_and(|p| along(p) < along(cell));
        let first = self.margin.files.partition_point(before);
        let files = self.margin.files.iter().enumerate().skip(first);
        for (number, file) in files.take_while(|(_, file)| file.pixel == Some(cell)) {
            self.read_margin(number, file, &mut of_margin)?;
        }
        let tiles = &self.table.tiles;
        let after = tiles.partition_point(|tile| tile.range().end <= cell.range().start);
        let overlapping = tiles.get(after).filter(|tile| tile.range().start < cell.range().end);
        let is_tile = tiles.binary_search_by_key(&along(cell), |tile| along(*tile)).is_ok();
        if let (false, Some(tile)) = (is_tile, overlapping) {
            let place = FindingPlace::of(&below(&self.margin.dataset(), &self.name(cell)));
            let what = format!("the margin of {cell} is that of no tile: the table has {tile}");
            self.findings.add(FindingKind::Overlap, place, what);
            return Ok(());
        }
        let mut indices: Vec<u64> = of_margin.iter().map(|row| row.index).collect();
        indices.sort_unstable();
        indices.dedup();
        let angle = Angle::from_degrees(self.threshold_arcsec / 3600.0);
        let around = is_tile.then(|| Surroundings::new(cell, angle));
        let mut wanted = HashMap::new();
        self.read_table(cell, around.as_ref(), &indices, &mut wanted)?;
        self.compare(cell, &of_margin, wanted);
        Ok(())
    }

    fn name(&self, cell: Pixel) -> String {
        tile_name(cell, &self.margin.properties.leaf)
    }

    fn compare(&self, cell: Pixel, rows: &[MarginRow], mut wanted: HashMap<u128, Wanted>) {
        for row in rows {
            let place = || FindingPlace::of(&self.margin.files[row.file].path).row(row.row);
            match wanted.get_mut(&row.digest) {
                Some(same) if same.found < same.there => same.found += 1,
                Some(same) => {
                    let file = &self.table.files[same.file].path;
                    let what = format!("row {} of {file} is there a second time", same.row);
                    self.findings.add(FindingKind::MarginForeign, place(), what);
                }
                None => {
                    let what = format!(
                        "the table has no such row: none of spatial index {} has the same values",
                        row.index
                    );
                    self.findings.add(FindingKind::MarginForeign, place(), what);
                }
            }
        }
        for row in wanted.values().filter(|row| row.found < row.near) {
            let place = FindingPlace::of(&below(&self.margin.dataset(), &self.name(cell)));
            let (file, (ra, dec)) = (&self.table.files[row.file].path, row.position);
            let what = format!(
                "row {} of {file} at ({ra}, {dec}) is within {} arcsec of the tile {cell}, and not \
                 in its margin",
                row.row, self.threshold_arcsec
            );
            self.findings.add(FindingKind::MarginLacks, place, what);
        }
    }

    /// The rows of a file of the margin.
    fn read_margin(
        &self,
        number: usize,
        member: &MemberFile,
        rows: &mut Vec<MarginRow>,
    ) -> Result<(), Error> {
        let file = TableFile::open(self.access, &member.path, member.size)?;
        for group in 0..file.groups() {
            let places = places(self.access, &file, group, self.rules)?;
            let digests = self.digests(&file, group, None)?;
            let numbers = (file.rows_before(group)..).zip(places.index).zip(digests);
            for ((row, index), digest) in numbers {
                // A row without a spatial index has been told by then.
                if let Some(index) = index {
                    rows.push(MarginRow { digest, index, file: number, row });
                }
            }
        }
        Ok(())
    }

    /// The rows of the table outside of a pixel that are near it, and those that may be copied in
    /// its margin although they are not.
    fn read_table(
        &self,
        cell: Pixel,
        around: Option<&Surroundings>,
        indices: &[u64],
        wanted: &mut HashMap<u128, Wanted>,
    ) -> Result<(), Error> {
        let mut touched = BTreeSet::new();
        for range in around.map(Surroundings::ranges).unwrap_or_default() {
            self.extents.touch(&range, &mut touched);
        }
        for index in indices {
            self.extents.touch(&(*index..index + 1), &mut touched);
        }
        let touched: Vec<GroupNumber> = touched.into_iter().collect();
        for of_file in touched.chunk_by(|a, b| a.0 == b.0) {
            let member = &self.table.files[of_file[0].0];
            if member.pixel == Some(cell) {
                continue;
            }
            let file = TableFile::open(self.access, &member.path, member.size)?;
            for number in of_file {
                let places = places(self.access, &file, number.1, self.rules)?;
                let rows = candidates(cell, around, indices, &places);
                self.read_candidates(&file, *number, rows, wanted)?;
            }
        }
        Ok(())
    }

    /// Adds rows of a row group.
    fn read_candidates(
        &self,
        file: &TableFile,
        (number, group): GroupNumber,
        rows: Vec<Candidate>,
        wanted: &mut HashMap<u128, Wanted>,
    ) -> Result<(), Error> {
        let mut selectors: Vec<RowSelector> = Vec::new();
        let mut next = 0;
        for Candidate { row, .. } in &rows {
            match selectors.last_mut() {
                Some(last) if next == *row => last.row_count += 1,
                _ => selectors.extend([RowSelector::skip(row - next), RowSelector::select(1)]),
            }
            next = row + 1;
        }
        if rows.is_empty() {
            return Ok(());
        }
        let digests = self.digests(file, group, Some(&RowSelection::from(selectors)))?;
        for (Candidate { row, near, position }, digest) in rows.into_iter().zip(digests) {
            let same = wanted.entry(digest).or_default();
            same.there += 1;
            same.near += u32::from(near);
            same.file = number;
            same.row = file.rows_before(group) + u64::try_from(row).unwrap_or(0);
            same.position = position;
        }
        Ok(())
    }

    /// A hash of all values of each row of a row group, or of each selected one.
    fn digests(
        &self,
        file: &TableFile,
        group: usize,
        selection: Option<&RowSelection>,
    ) -> Result<Vec<u128>, Error> {
        let mut digests = Vec::new();
        for (number, columns) in self.columns.chunks(BLOCK_COLUMNS).enumerate() {
            let mut row = 0;
            self.convert((file, group), columns, selection, |bytes| {
                match digests.get_mut(row) {
                    Some(before) => *before = digest(*before, bytes),
                    None if number == 0 => digests.push(digest(0, bytes)),
                    None => {}
                }
                row += 1;
            })?;
        }
        Ok(digests)
    }

    /// Hands out some values of each row, in a form that is the same where they are.
    fn convert(
        &self,
        (file, group): (&TableFile, usize),
        columns: &[(String, DataType)],
        selection: Option<&RowSelection>,
        mut take: impl FnMut(&[u8]),
    ) -> Result<(), Error> {
        let missing = |name: &str| Error::malformed(&file.path, format!("it has no column {name}"));
        let failed = |e| Error::compute("compare rows", e);
        let places: Result<Vec<usize>, Error> = columns
            .iter()
            .map(|(name, _)| file.column(name).ok_or_else(|| missing(name)))
            .collect();
        let places = places?;
        let fields = columns.iter().map(|(_, data_type)| SortField::new(data_type.clone()));
        let converter = RowConverter::new(fields.collect()).map_err(failed)?;
        let fetched = file.fetch_all(self.access, group, &places)?;
        for batch in file.decode(group, &places, &fetched, selection.cloned())? {
            let batch: RecordBatch = batch.map_err(failed)?;
            let values = columns.iter().map(|(name, data_type)| {
                let column = batch.column_by_name(name).ok_or_else(|| missing(name))?;
                cast(column, data_type).map_err(failed)
            });
            let values: Vec<ArrayRef> = values.collect::<Result<_, Error>>()?;
            let rows = converter.convert_columns(&values).map_err(failed)?;
            rows.iter().for_each(|row| take(row.as_ref()));
        }
        Ok(())
    }
}

/// The rows outside of a pixel that are near it, or have one of these spatial indices.
fn candidates(
    cell: Pixel,
    around: Option<&Surroundings>,
    indices: &[u64],
    places: &Places,
) -> Vec<Candidate> {
    let outside = places.index.iter().enumerate().filter_map(|(row, index)| {
        let index = index.filter(|index| !cell.range().contains(index))?;
        let position = places.position(row)?;
        let near = around.is_some_and(|around| around.proves(index, &position));
        let position = (places.ra.value(row), places.dec.value(row));
        let may_be_held = near || indices.binary_search(&index).is_ok();
        may_be_held.then_some(Candidate { row, near, position })
    });
    outside.collect()
}

/// Two hashes of 64 bits beside each other, of bytes after those of a former hash.
fn digest(before: u128, bytes: &[u8]) -> u128 {
    let half = |seed: u8| {
        let mut hasher = std::hash::DefaultHasher::new();
        hasher.write_u8(seed);
        hasher.write_u128(before);
        hasher.write(bytes);
        u128::from(hasher.finish())
    };
    half(0) << 64 | half(1)
}
