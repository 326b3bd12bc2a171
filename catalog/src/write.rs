//! The writer of HATS tables: rows in any order in, a collection out, in bounded memory.
//!
//! Rows are collected in sorted `runs` while a `histogram` counts them; from it follow the
//! tiles, which threads then write, each with its margin and the values for the id indexes; where
//! their rows are becomes the MOC of the table.
//! The table appears under its name only when it is complete, with its metadata beside it as
//! `table.toml`; what a killed run leaves is hidden and removed by the next run.
//! The same rows in the same order make the same bytes, on any number of threads.

mod covered;
mod histogram;
mod index;
pub(crate) mod input;
mod leaf;
mod margin;
pub(crate) mod parallel;
mod runs;
mod staging;
mod table;
mod whole;

use std::collections::HashSet;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use datafusion::arrow::array::RecordBatch;
use datafusion::arrow::datatypes::Schema;

use crate::metadata::TableMetadata;
use crate::{Error, SPATIAL_INDEX};
use histogram::Histogram;
use runs::Runs;

pub(crate) use input::{Input, Prepared};
pub(crate) use leaf::Leaf;
pub use leaf::{Floats, Layout};
pub use staging::Staging;
pub use whole::WholeWriter;

/// Rows of a tile, unless said otherwise: what the reference implementation takes too.
pub const TILE_ROWS: u64 = 1_000_000;
/// Bytes of a tile in memory, unless said otherwise: a thread holds a tile while it writes it.
pub const TILE_BYTES: u64 = 512 << 20;
/// Memory for rows that wait to be sorted, unless said otherwise.
pub const MEMORY_BYTES: usize = 1 << 30;

/// The version of a table that takes the place of none.
pub const FIRST_VERSION: u32 = 1;

/// What the files say that they were written by.
pub(crate) const SOFTWARE: &str = concat!("armilla ", env!("CARGO_PKG_VERSION"));

/// Whether a file says that this program wrote it, in any version.
pub(crate) fn is_of_this_program(created_by: &str) -> bool {
    created_by.starts_with("armilla ")
}

/// What the rows of a table are (`dataproduct_type`, HATS 1.0 §3.2).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum TableKind {
    /// One row per object on the sky.
    Object,
    /// Detections; several rows per object.
    Source,
}

/// What becomes of rows without a position on the sky: NULL, NaN, or out of range.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Unplaced {
    /// The first one is an error.
    Refuse,
    /// [`TableWriter::push`] hands them back, and they are counted.
    HandBack,
}

/// How a table is written.
#[derive(Debug, Clone)]
pub struct WriteOptions {
    /// The folder that becomes the table; its name is the table's.
    pub folder: PathBuf,
    /// What the rows are.
    pub kind: TableKind,
    /// Column of the right ascension by which rows are tiled: ICRS degrees, a double.
    pub ra: String,
    /// Column of the declination.
    pub dec: String,
    /// Rows within so many arcseconds of another tile are in the margin; without it, there is
    /// none.
    pub margin_arcsec: Option<f64>,
    /// Columns that get an id index and bloom filters.
    pub indexes: Vec<String>,
    /// Columns of few different values, which get a dictionary; texts have one anyway.
    pub few_values: HashSet<String>,
    /// Most rows of a tile.
    pub tile_rows: u64,
    /// Most bytes of a tile, in memory.
    pub tile_bytes: u64,
    /// Memory for rows that wait to be sorted.
    pub memory_bytes: usize,
    /// Threads that write tiles.
    pub threads: usize,
    /// What becomes of rows without a position.
    pub unplaced: Unplaced,
    /// How values are laid out in files.
    pub layout: Layout,
    /// Which version of the table it is: the folders of each have names of their own, so that
    /// queries on one are not disturbed by the next.
    pub version: u32,
    /// What `table.toml` says.
    pub metadata: TableMetadata,
}

impl WriteOptions {
    /// Defaults for a table at `folder` with positions in `ra` and `dec`, without margin, index or
    /// metadata.
    pub fn new(folder: impl Into<PathBuf>, kind: TableKind) -> Self {
        Self {
            folder: folder.into(),
            kind,
            ra: "ra".to_owned(),
            dec: "dec".to_owned(),
            margin_arcsec: None,
            indexes: Vec::new(),
            few_values: HashSet::new(),
            tile_rows: TILE_ROWS,
            tile_bytes: TILE_BYTES,
            memory_bytes: MEMORY_BYTES,
            threads: std::thread::available_parallelism().map_or(1, Into::into),
            unplaced: Unplaced::Refuse,
            layout: Layout::default(),
            version: FIRST_VERSION,
            metadata: TableMetadata::default(),
        }
    }
}

/// What is being done.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Step {
    /// Taking the rows.
    Rows,
    /// The tiles.
    Tiles,
    /// The margins of tiles, and of empty pixels.
    Margins,
    /// The parts of the id indexes.
    Indexes,
}

/// How far the writer is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Progress {
    /// With what.
    pub step: Step,
    /// How many of these are done.
    pub done: usize,
    /// Of how many.
    pub total: usize,
}

/// What was written.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Outcome {
    /// Rows of the table.
    pub rows: u64,
    /// Its tiles.
    pub tiles: usize,
    /// Bytes of its files, with margin and indexes.
    pub bytes: u64,
    /// Rows of its margin.
    pub margin_rows: u64,
    /// Rows of its indexes.
    pub index_rows: u64,
    /// Rows that had no position and were handed back.
    pub unplaced: u64,
}

/// What a writer has on disk, for [`TableWriter::create_in`].
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Kept {
    /// Runs that are complete.
    pub runs: usize,
    /// Rows that were handed back until then.
    pub unplaced: u64,
    /// Bytes of the rows in the runs, in memory.
    pub bytes: u64,
}

/// A table under way. Dropped before [`TableWriter::finish`], it leaves nothing.
#[derive(Debug)]
pub struct TableWriter {
    options: WriteOptions,
    name: String,
    input: Arc<Input>,
    counts: Histogram,
    runs: Runs,
    staging: Staging,
    rows: u64,
    unplaced: u64,
    bytes: u64,
}

impl TableWriter {
    /// Begins a table of batches of this schema. A column `_healpix_29` in it is taken as the
    /// spatial index, and must be that of the position.
    ///
    /// # Errors
    /// When the table exists or cannot be written, or columns and options do not fit.
    pub fn create(options: WriteOptions, schema: &Schema) -> Result<Self, Error> {
        let staging = Staging::begin(&options.folder)?;
        Self::create_in(staging, options, schema, Kept::default())
    }

    /// Begins, or goes on with, a table in a folder under way.
    ///
    /// # Errors
    /// When what is kept cannot be read, or columns and options do not fit.
    pub fn create_in(
        staging: Staging,
        options: WriteOptions,
        schema: &Schema,
        kept: Kept,
    ) -> Result<Self, Error> {
        let name = table_name(&options.folder)?;
        let input = Arc::new(Input::new(name.clone(), &options, schema)?);
        check(&name, &options, input.written())?;
        let mut runs = Runs::new(
            Arc::clone(input.written()),
            staging.scratch(),
            options.memory_bytes,
            options.threads,
        );
        let (mut counts, mut rows) = (Histogram::new(), 0);
        runs.keep(kept.runs, |spatial_index| {
            for index in spatial_index {
                counts.add(index.cast_unsigned());
                rows += 1;
            }
        })?;
        let Kept { unplaced, bytes, .. } = kept;
        Ok(Self { options, name, input, counts, runs, staging, rows, unplaced, bytes })
    }

    /// What would be kept if the process ended now. It grows when a run is complete: then
    /// everything that was pushed is in it.
    pub fn kept(&self) -> Kept {
        Kept { runs: self.runs.on_disk(), unplaced: self.unplaced, bytes: self.bytes }
    }

    /// The folder that becomes the table, for files beside it.
    pub fn folder(&self) -> PathBuf {
        self.staging.path()
    }

    /// Adds rows. Those without a position come back, where [`Unplaced::HandBack`] asks for it.
    ///
    /// # Errors
    /// When a row has no position and is not to be handed back, the batch is of another schema,
    /// or the disk is full.
    pub fn push(&mut self, batch: &RecordBatch) -> Result<Option<RecordBatch>, Error> {
        let prepared = self.input.prepare(batch)?;
        if prepared.unplaced.is_some() && self.options.unplaced == Unplaced::Refuse {
            return Err(self.input.refusal(batch, self.rows + self.unplaced));
        }
        self.push_prepared(prepared)
    }

    /// What makes rows ready for [`Self::push_prepared`], on any thread.
    pub(crate) fn input(&self) -> Arc<Input> {
        Arc::clone(&self.input)
    }

    /// Adds rows that are ready, and gives back those without a position.
    pub(crate) fn push_prepared(
        &mut self,
        prepared: Prepared,
    ) -> Result<Option<RecordBatch>, Error> {
        let Prepared { placed, bytes, unplaced } = prepared;
        for index in runs::spatial_index(&placed) {
            self.counts.add(index.cast_unsigned());
        }
        let count = |rows: usize| u64::try_from(rows).unwrap_or(u64::MAX);
        self.rows += count(placed.num_rows());
        self.unplaced += unplaced.as_ref().map_or(0, |batch| count(batch.num_rows()));
        self.bytes += count(bytes);
        self.runs.push(placed, bytes)?;
        Ok(unplaced)
    }

    /// What `table.toml` will say.
    pub fn metadata_mut(&mut self) -> &mut TableMetadata {
        &mut self.options.metadata
    }

    /// Rows that were pushed and have a position.
    pub fn rows(&self) -> u64 {
        self.rows
    }

    /// Writes the table and gives it its name.
    ///
    /// # Errors
    /// When a file cannot be written, or the metadata speak of columns that are not there.
    pub fn finish(self, progress: &(dyn Fn(Progress) + Sync)) -> Result<Outcome, Error> {
        table::write(self, progress)
    }
}

/// The name of a folder in a version of a table.
fn versioned(name: &str, version: u32) -> String {
    if version == FIRST_VERSION { name.to_owned() } else { format!("{name}.{version}") }
}

/// The version of a table whose primary folder has this name.
pub(crate) fn version_of(primary: &str, table: &str) -> u32 {
    let number = primary.strip_prefix(table).and_then(|rest| rest.strip_prefix('.'));
    number.and_then(|number| number.parse().ok()).unwrap_or(FIRST_VERSION)
}

fn table_name(folder: &Path) -> Result<String, Error> {
    let name = folder.file_name().and_then(|name| name.to_str()).unwrap_or_default();
    if name.is_empty() || name.starts_with('.') || name.contains(char::is_whitespace) {
        let reason = "the name of its folder is hidden, has spaces or is no UTF-8".to_owned();
        return Err(Error::Input { table: folder.display().to_string(), reason });
    }
    Ok(name.to_owned())
}

/// Whether options and metadata speak of columns that can be what they are to be.
fn check(name: &str, options: &WriteOptions, schema: &Schema) -> Result<(), Error> {
    let wrong = |reason: String| Err(Error::Input { table: name.to_owned(), reason });
    if let Some(arcsec) = options.margin_arcsec.filter(|a| !(*a > 0.0 && *a <= 648_000.0)) {
        return wrong(format!("a margin of {arcsec} arcseconds is none of more than 0 to 648000"));
    }
    if options.tile_rows == 0 || options.tile_bytes == 0 {
        return wrong("a tile of no rows or bytes holds nothing".to_owned());
    }
    for column in &options.indexes {
        match schema.field_with_name(column).map(datafusion::arrow::datatypes::Field::data_type) {
            Ok(data_type) if !index::is_indexable(data_type) => {
                return wrong(format!("{column} is {data_type}; an index is of integers or texts"));
            }
            Ok(_) if column.contains(char::is_whitespace) || column == SPATIAL_INDEX => {
                return wrong(format!("{column:?} cannot name an index in collection.properties"));
            }
            Ok(_) => {}
            Err(_) => return wrong(format!("it has no column {column} to index")),
        }
    }
    let metadata = &options.metadata;
    let key_columns = metadata.keys.iter().flat_map(|key| key.columns.keys());
    let own = metadata.position.iter().flat_map(|own| [&own.ra, &own.dec]);
    let frames = metadata.frames.iter().flat_map(|frame| &frame.columns);
    let systems = frames.chain(metadata.times.iter().flat_map(|time| &time.columns));
    let said = metadata.columns.keys().chain(key_columns).chain(own).chain(systems);
    let named = said.chain(&options.few_values);
    for column in named {
        if schema.index_of(column).is_err() {
            return wrong(format!("it has no column {column}, of which its metadata speak"));
        }
    }
    Ok(())
}
