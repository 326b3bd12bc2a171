//! What lies on disk of an upload: its rows as Parquet, and beside them what was said of them.

use std::fs::{self, File};
use std::path::Path;
use std::sync::Arc;
use std::time::UNIX_EPOCH;

use adql::sky::{Coverage, Order};
use adql::{Column, Positions, Table};
use datafusion::arrow::array::{Array, ArrayRef, new_empty_array};
use datafusion::arrow::compute::{cast, concat};
use datafusion::arrow::datatypes::Schema;
use datafusion::arrow::error::ArrowError;
use datafusion::parquet::arrow::ProjectionMask;
use datafusion::parquet::arrow::arrow_reader::ParquetRecordBatchReaderBuilder;
use serde::{Deserialize, Serialize};

use super::{UploadedTable, table_name};
use crate::Error;
use crate::metadata::TableMetadata;
use crate::table::{described, precision, served_schema};

/// The version of the file that is written, and the only one that is read: an upload is gone with
/// its query.
const VERSION: u32 = 1;

/// The order of the pixels of which is noted whether there are rows.
const COVERAGE_ORDER: u8 = 8;

/// The name of the file of rows.
pub(super) fn rows_file(name: &str) -> String {
    format!("{}.parquet", name.to_ascii_lowercase())
}

fn said_file(name: &str) -> String {
    format!("{}.toml", name.to_ascii_lowercase())
}

/// What is beside the rows.
#[derive(Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Stored {
    version: u32,
    /// Its name as it was given.
    pub(super) name: String,
    pub(super) rows: u64,
    pub(super) bytes: u64,
    /// Columns whose texts are ASCII.
    pub(super) ascii: Vec<String>,
    pub(super) position: Option<StoredPosition>,
    pub(super) metadata: TableMetadata,
}

/// The columns by which the rows are placed on the sky.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct StoredPosition {
    pub(super) ra: String,
    pub(super) dec: String,
    pub(super) spatial_index: String,
    /// Runs of pixels of [`COVERAGE_ORDER`] that hold positions: first, and after the last.
    pub(super) pixels: Vec<[u64; 2]>,
}

impl Stored {
    pub(super) fn new(name: &str, metadata: TableMetadata) -> Self {
        let (name, rows, bytes, ascii) = (name.to_owned(), 0, 0, Vec::new());
        Self { version: VERSION, name, rows, bytes, ascii, position: None, metadata }
    }

    pub(super) fn write(&self, folder: &Path) -> Result<(), Error> {
        let path = folder.join(said_file(&self.name));
        let text = toml::to_string(self).map_err(|e| Error::write(&path, e))?;
        // Whole or not at all: it says that the rows are there.
        let partial = path.with_extension("partial");
        let written = fs::write(&partial, text).and_then(|()| fs::rename(&partial, &path));
        written.map_err(|e| Error::write(&path, e))
    }
}

impl UploadedTable {
    /// The upload of this name that lies in a folder; none where there is none.
    ///
    /// # Errors
    /// When its files cannot be read.
    pub fn load(folder: &Path, name: &str) -> Result<Option<Self>, Error> {
        let (said, file) = (folder.join(said_file(name)), folder.join(rows_file(name)));
        let damaged = |reason: String| Error::malformed(&said.display(), reason);
        let text = match fs::read_to_string(&said) {
            Ok(text) => text,
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(None),
            Err(error) => return Err(damaged(error.to_string())),
        };
        let stored: Stored = toml::from_str(&text).map_err(|e| damaged(e.to_string()))?;
        if stored.version != VERSION {
            return Err(damaged(format!("version {} is not read here", stored.version)));
        }
        let opened = File::open(&file).map_err(|e| damaged(e.to_string()))?;
        let modified = opened.metadata().and_then(|facts| facts.modified());
        let modified = modified.ok().and_then(|time| time.duration_since(UNIX_EPOCH).ok());
        let parquet = ParquetRecordBatchReaderBuilder::try_new(opened);
        let parquet = parquet.map_err(|e| Error::parquet(&file.display(), e))?;
        let schema = served_schema(parquet.schema());
        let table = table(&stored, &schema);
        Ok(Some(Self {
            table: Arc::new(table),
            schema: Arc::new(schema),
            file,
            bytes: stored.bytes,
            modified_ns: modified.and_then(|t| i64::try_from(t.as_nanos()).ok()).unwrap_or(0),
            rows: stored.rows,
            coverage: stored.position.as_ref().map(StoredPosition::coverage),
        }))
    }
}

impl UploadedTable {
    /// The values of a column, in the order of the rows.
    ///
    /// # Errors
    /// When there is no such column, or the file cannot be read.
    pub fn values(&self, column: &str) -> Result<ArrayRef, Error> {
        let path = self.file.display();
        let damaged = |error: ArrowError| Error::malformed(&path, error.to_string());
        let served = self.schema.field_with_name(column).map_err(damaged)?;
        let file = File::open(&self.file).map_err(|e| damaged(e.into()))?;
        let parquet = |error| Error::parquet(&path, error);
        let reader = ParquetRecordBatchReaderBuilder::try_new(file).map_err(parquet)?;
        let one = ProjectionMask::columns(reader.parquet_schema(), [column]);
        let batches = reader.with_projection(one).build().map_err(parquet)?;
        let mut parts = vec![new_empty_array(served.data_type())];
        for batch in batches {
            let batch = batch.map_err(damaged)?;
            let part = cast(batch.column(0), served.data_type());
            parts.push(part.map_err(damaged)?);
        }
        let parts: Vec<&dyn Array> = parts.iter().map(AsRef::as_ref).collect();
        concat(&parts).map_err(damaged)
    }
}

/// The table with what its file said of its columns, and nothing else.
fn table(stored: &Stored, schema: &Schema) -> Table {
    let describe = |metadata: &TableMetadata| {
        described(table_name(&stored.name), schema, None, (metadata, &stored.name))
    };
    let without_systems =
        || TableMetadata { frames: Vec::new(), times: Vec::new(), ..stored.metadata.clone() };
    let bare = || {
        let columns = schema.fields().iter();
        let columns = columns.map(|field| Column::new(field.name(), field.data_type().clone()));
        Table::new(table_name(&stored.name), columns.collect())
    };
    // Frames that contradict each other are no reason to refuse the rows.
    let described = describe(&stored.metadata).or_else(|_| describe(&without_systems()));
    let mut table = described.unwrap_or_else(|_| bare());
    let position = stored.position.as_ref();
    for column in &mut table.columns {
        column.hidden = position.is_some_and(|position| position.spatial_index == column.name);
        column.ascii = stored.ascii.contains(&column.name);
        // It was made NULL when it was taken.
        column.may_hold_nan = false;
    }
    table.positions = position.and_then(|position| position.columns(schema));
    table
}

impl StoredPosition {
    fn columns(&self, schema: &Schema) -> Option<Positions> {
        let slack = |column| precision(column, schema).ok();
        Some(Positions {
            ra: self.ra.clone(),
            dec: self.dec.clone(),
            spatial_index: self.spatial_index.clone(),
            slack_deg: slack(&self.ra)?.max(slack(&self.dec)?),
            is_exact: false,
        })
    }

    fn coverage(&self) -> Coverage {
        let shift = shift();
        Coverage::from_ranges(self.pixels.iter().map(|[from, to]| from << shift..to << shift))
    }
}

fn shift() -> u32 {
    2 * u32::from(Order::MAX.get() - COVERAGE_ORDER)
}

/// The pixels that positions touch: a bit for each, as few bytes as a small image has.
#[derive(Debug)]
pub(super) struct Touched(Vec<bool>);

impl Touched {
    pub(super) fn none() -> Self {
        let pixels = Order::MAX.pixels() >> shift();
        Self(vec![false; usize::try_from(pixels).unwrap_or(0)])
    }

    /// For a table without positions.
    pub(super) fn unused() -> Self {
        Self(Vec::new())
    }

    pub(super) fn add(&mut self, spatial_index: i64) {
        let pixel = usize::try_from(spatial_index >> shift());
        if let Some(touched) = pixel.ok().and_then(|pixel| self.0.get_mut(pixel)) {
            *touched = true;
        }
    }

    pub(super) fn runs(&self) -> Vec<[u64; 2]> {
        let mut runs: Vec<[u64; 2]> = Vec::new();
        let touched = (0..).zip(&self.0).filter(|(_, touched)| **touched);
        for (pixel, _) in touched {
            match runs.last_mut() {
                Some([_, end]) if *end == pixel => *end = pixel + 1,
                _ => runs.push([pixel, pixel + 1]),
            }
        }
        runs
    }
}
