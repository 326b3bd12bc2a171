//! The values of a column of identifiers, from all rows and from the index: whether they are
//! unique, and whether the index has each in each of its tiles and no other.
//!
//! They are parted by a hash into files, each of which is then looked at by itself, so that memory
//! does not grow with the table. Values are compared as texts: a reader may have widened a type.

use std::collections::BTreeSet;
use std::fs::{self, File};
use std::hash::{DefaultHasher, Hash, Hasher};
use std::io::{BufWriter, Write};
use std::path::{Path, PathBuf};
use std::sync::{Mutex, PoisonError};

use adql::sky::Pixel;
use datafusion::arrow::array::{Array, ArrayRef};
use datafusion::arrow::util::display::{ArrayFormatter, FormatOptions};

use crate::Error;

/// Bytes of a value with where it is, more or less: on disk, and decoded.
const RECORD_BYTES: u64 = 112;
/// Files that are open at the same time, at most.
const PARTS_MAX: u64 = 128;

/// Where a value comes from.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Origin {
    /// A row of the table.
    Table,
    /// An entry of the index.
    Index,
}

/// Where a value is: a tile, and the row of a file that says so.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Whereabouts {
    pub(super) tile: Option<Pixel>,
    /// The number of the file of the table or index.
    pub(super) file: usize,
    pub(super) row: u64,
}

/// The values of a column.
#[derive(Debug)]
pub(super) struct Ids {
    column: String,
    parts: Vec<(PathBuf, Mutex<BufWriter<File>>)>,
}

/// What is wrong with a value.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Wrong {
    /// The second row that has it.
    Repeated { value: String, first: Whereabouts, again: Whereabouts },
    /// A row in whose tile the index does not know it.
    Lacks { value: String, row: Whereabouts },
    /// An entry of the index for a tile without such a row.
    Foreign { value: String, entry: Whereabouts },
    /// An entry of the index that is there twice.
    Twice { value: String, entry: Whereabouts },
}

/// What was learned of the values of a part.
#[derive(Debug, Default)]
pub(super) struct PartFacts {
    /// Rows with a value.
    pub(super) rows: u64,
    /// Different values.
    pub(super) values: u64,
}

impl Ids {
    /// Begins to collect so many values of a column, of its rows and of its index; a part of them
    /// takes so much memory.
    pub(super) fn new(
        column: &str,
        folder: &Path,
        count: u64,
        memory_bytes: u64,
    ) -> Result<Self, Error> {
        let needed = count.saturating_mul(RECORD_BYTES).div_ceil(memory_bytes.max(1));
        let mut parts = Vec::new();
        for part in 0..needed.clamp(1, PARTS_MAX) {
            let path = folder.join(format!("{part}.values"));
            let file = File::create(&path).map_err(|e| Error::write(&path, e))?;
            parts.push((path, Mutex::new(BufWriter::new(file))));
        }
        Ok(Self { column: column.to_owned(), parts })
    }

    pub(super) fn column(&self) -> &str {
        &self.column
    }

    /// Adds values of the table: of rows of a file from this row on.
    pub(super) fn add_rows(
        &self,
        file: usize,
        tile: Option<Pixel>,
        first: u64,
        values: &ArrayRef,
    ) -> Result<(), Error> {
        self.add(Origin::Table, values, |row| Whereabouts { tile, file, row: first + row })
    }

    /// Adds values of the index, each with its tile.
    pub(super) fn add_entries(
        &self,
        file: usize,
        first: u64,
        values: &ArrayRef,
        tile: impl Fn(u64) -> Option<Pixel>,
    ) -> Result<(), Error> {
        self.add(Origin::Index, values, |row| Whereabouts {
            tile: tile(row),
            file,
            row: first + row,
        })
    }

    fn add(
        &self,
        origin: Origin,
        values: &ArrayRef,
        whereabouts: impl Fn(u64) -> Whereabouts,
    ) -> Result<(), Error> {
        let failed = |e| Error::compute("read identifiers", e);
        let options = FormatOptions::default();
        let formatter = ArrayFormatter::try_new(values, &options).map_err(failed)?;
        let mut blocks = vec![Vec::new(); self.parts.len()];
        for (row, at) in (0_u64..).zip(0..values.len()) {
            if values.is_null(at) {
                continue;
            }
            let value = formatter.value(at).to_string();
            let mut hasher = DefaultHasher::new();
            value.hash(&mut hasher);
            let parts = u64::try_from(blocks.len()).unwrap_or(1);
            let part = usize::try_from(hasher.finish() % parts).unwrap_or(0);
            encode(&mut blocks[part], &value, origin, whereabouts(row));
        }
        for ((path, part), block) in self.parts.iter().zip(blocks) {
            if !block.is_empty() {
                let mut part = part.lock().unwrap_or_else(PoisonError::into_inner);
                part.write_all(&block).map_err(|e| Error::write(path, e))?;
            }
        }
        Ok(())
    }

    /// Says that all values have come; the files that they are in.
    pub(super) fn finish(self) -> Result<Vec<PathBuf>, Error> {
        let mut paths = Vec::new();
        for (path, part) in self.parts {
            let mut part = part.into_inner().unwrap_or_else(PoisonError::into_inner);
            part.flush().map_err(|e| Error::write(&path, e))?;
            paths.push(path);
        }
        Ok(paths)
    }
}

fn encode(block: &mut Vec<u8>, value: &str, origin: Origin, at: Whereabouts) {
    let wide = |number: usize| u64::try_from(number).unwrap_or(u64::MAX).to_le_bytes();
    block.extend(wide(value.len()));
    block.extend(value.as_bytes());
    block.push(u8::from(origin == Origin::Index));
    // No pixel has the number 0.
    block.extend(at.tile.map_or(0, Pixel::uniq).to_le_bytes());
    block.extend(wide(at.file));
    block.extend(at.row.to_le_bytes());
}

fn decode<'a>(bytes: &mut &'a [u8]) -> Option<(&'a str, Origin, Whereabouts)> {
    let number = |bytes: &mut &'a [u8]| -> Option<u64> {
        let (first, rest) = bytes.split_first_chunk::<8>()?;
        *bytes = rest;
        Some(u64::from_le_bytes(*first))
    };
    let length = usize::try_from(number(bytes)?).ok()?;
    let (value, rest) = bytes.split_at_checked(length)?;
    let (origin, rest) = rest.split_first()?;
    *bytes = rest;
    let origin = if *origin == 0 { Origin::Table } else { Origin::Index };
    let tile = Pixel::from_uniq(number(bytes)?);
    let file = usize::try_from(number(bytes)?).ok()?;
    let row = number(bytes)?;
    Some((std::str::from_utf8(value).ok()?, origin, Whereabouts { tile, file, row }))
}

/// Looks at the values of a part; `has_index` says whether the index was collected too.
pub(super) fn examine(
    path: &Path,
    has_index: bool,
    mut wrong: impl FnMut(Wrong),
) -> Result<PartFacts, Error> {
    let bytes = fs::read(path).map_err(|e| Error::write(path, e))?;
    let decoded = || {
        let mut rest = bytes.as_slice();
        std::iter::from_fn(move || decode(&mut rest))
    };
    // A list that grows takes thrice its size.
    let mut records = Vec::with_capacity(decoded().count());
    records.extend(decoded());
    records.sort_unstable();
    let mut facts = PartFacts::default();
    for of_value in records.chunk_by(|a, b| a.0 == b.0) {
        let value = of_value[0].0;
        let split = of_value.partition_point(|(_, origin, _)| *origin == Origin::Table);
        let (rows, entries) = of_value.split_at(split);
        facts.rows += u64::try_from(rows.len()).unwrap_or(u64::MAX);
        facts.values += u64::from(!rows.is_empty());
        for pair in rows.windows(2) {
            let (first, again) = (pair[0].2, pair[1].2);
            wrong(Wrong::Repeated { value: value.to_owned(), first, again });
        }
        if !has_index {
            continue;
        }
        let (of_rows, of_entries): (BTreeSet<_>, BTreeSet<_>) = (
            rows.iter().map(|row| row.2.tile).collect(),
            entries.iter().map(|entry| entry.2.tile).collect(),
        );
        for tile_rows in rows.chunk_by(|a, b| a.2.tile == b.2.tile) {
            let row = tile_rows[0].2;
            if !of_entries.contains(&row.tile) {
                wrong(Wrong::Lacks { value: value.to_owned(), row });
            }
        }
        for same in entries.chunk_by(|a, b| a.2.tile == b.2.tile) {
            let entry = same[0].2;
            if !of_rows.contains(&entry.tile) {
                wrong(Wrong::Foreign { value: value.to_owned(), entry });
            } else if let Some(again) = same.get(1) {
                wrong(Wrong::Twice { value: value.to_owned(), entry: again.2 });
            }
        }
    }
    Ok(facts)
}
