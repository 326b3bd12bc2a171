//! From the file of a user to rows on disk, a batch at a time.

use std::collections::HashSet;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use adql::function::nan_to_null::without_nan;
use adql::sky::spatial_index;
use datafusion::arrow::array::{
    Array, ArrayRef, AsArray, GenericListArray, Int64Array, OffsetSizeTrait, RecordBatch,
    StringArray,
};
use datafusion::arrow::compute::cast;
use datafusion::arrow::datatypes::{DataType, Field, Float64Type, Schema, SchemaRef};
use datafusion::parquet::arrow::ArrowSchemaConverter;

use super::UploadedTable;
use super::stored::{Stored, StoredPosition, Touched, rows_file};
use crate::import::{free_name, in_degrees};
use crate::metadata::TableMetadata;
use crate::read::{self, ReadError, ReadOptions, Unpacked};
use crate::write::{Layout, Leaf};
use crate::{Error, SPATIAL_INDEX};

/// Rows of a batch: cells may be long.
const BATCH_ROWS: usize = 2_048;

/// Rows in memory take at most so many times the bytes that a file may have: a cell of one letter
/// becomes a number of eight bytes. Beyond, a file says much with little, to fill a disk.
const IN_MEMORY: u64 = 8;

/// A row group is held in memory until it is written.
const GROUP_BYTES: usize = 64 << 20;

/// How much is taken.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct TakeLimits {
    /// Bytes of a packed file once it is unpacked.
    pub bytes: u64,
    /// Rows.
    pub rows: u64,
}

/// Takes the table of a file as `name` into a folder; ends early when `is_abandoned`.
///
/// # Errors
/// When the file is no table, is larger than may be, or the disk is full.
pub fn take(
    file: &Path,
    name: &str,
    folder: &Path,
    limits: TakeLimits,
    is_abandoned: &AtomicBool,
) -> Result<UploadedTable, Error> {
    let unpacked = Unpacked::at_most(limits.bytes);
    let options = ReadOptions {
        batch_rows: BATCH_ROWS,
        unpacked: Some(unpacked.clone()),
        ..ReadOptions::default()
    };
    let failed = |error: ReadError| match error {
        _ if unpacked.is_exceeded() => too_large(
            name,
            format!(
                "it is more than {} bytes once it is unpacked, the most that may be",
                limits.bytes
            ),
        ),
        // Where the file lies is nobody's business.
        ReadError::Malformed { place, reason, .. } => wrong(name, format!("{place}{reason}")),
        ReadError::Io { .. } | ReadError::Batch { .. } => error.into(),
    };
    let mut reader = read::open(file, &options).map_err(failed)?;
    let shape = Shape::of(name, reader.schema(), reader.metadata())?;
    let mut taken = Taken::new(name, limits, &shape);
    taken.ascii = reader.ascii_texts();
    let leaf = Leaf::new(&shape.schema, "", &HashSet::new(), &[], &Layout::default());
    let leaf = leaf.in_groups_of(GROUP_BYTES);
    let written = leaf.write(folder, &rows_file(name), |push| {
        for batch in &mut reader {
            if is_abandoned.load(Ordering::Relaxed) {
                return Err(wrong(name, "whoever sent it has gone away".to_owned()));
            }
            let batch = batch.map_err(failed)?;
            taken.count(&batch)?;
            push(shape.rows(&batch, &mut taken.touched)?)?;
        }
        Ok(())
    })?;
    let mut stored = Stored::new(name, reader.metadata().clone());
    (stored.rows, stored.bytes) = (written.rows, written.bytes);
    stored.ascii = taken.ascii;
    stored.position = shape
        .position
        .map(|(_, position)| StoredPosition { pixels: taken.touched.runs(), ..position });
    stored.write(folder)?;
    let missing = || Error::write(folder, std::io::Error::from(std::io::ErrorKind::NotFound));
    UploadedTable::load(folder, name)?.ok_or_else(missing)
}

fn wrong(name: &str, reason: String) -> Error {
    Error::Upload { table: name.to_owned(), reason }
}

fn too_large(name: &str, limit: String) -> Error {
    Error::UploadTooLarge { table: name.to_owned(), limit }
}

/// What was taken so far.
struct Taken<'a> {
    name: &'a str,
    limits: TakeLimits,
    rows: u64,
    bytes: u64,
    touched: Touched,
    /// The columns whose texts were to be ASCII, and are so far.
    ascii: Vec<String>,
}

impl<'a> Taken<'a> {
    fn new(name: &'a str, limits: TakeLimits, shape: &Shape) -> Self {
        let touched = if shape.position.is_some() { Touched::none() } else { Touched::unused() };
        Self { name, limits, rows: 0, bytes: 0, touched, ascii: Vec::new() }
    }

    fn count(&mut self, batch: &RecordBatch) -> Result<(), Error> {
        self.rows += batch.num_rows() as u64;
        self.bytes += batch.columns().iter().map(bytes_of).sum::<u64>();
        self.ascii.retain(|column| {
            let texts = batch.column_by_name(column).and_then(|c| c.as_string_opt::<i32>());
            texts.is_some_and(StringArray::is_ascii)
        });
        if self.rows > self.limits.rows {
            let limit = format!("it has more than {} rows, the most that may be", self.limits.rows);
            return Err(too_large(self.name, limit));
        }
        let most = self.limits.bytes.saturating_mul(IN_MEMORY);
        if self.bytes > most {
            let limit = format!("its first {} rows take more than {most} bytes", self.rows);
            return Err(too_large(self.name, limit));
        }
        Ok(())
    }
}

/// The bytes of the values of a column: of a slice those in it, of a view those that it shows, and of
/// a dictionary, which all batches share, none.
fn bytes_of(column: &ArrayRef) -> u64 {
    let numbers = |count: usize| (count * size_of::<u64>()) as u64;
    // The lower half of a view's first word is its length.
    let shown = |views: &[u128]| views.iter().map(|view| length_of(*view)).sum::<u64>();
    if let Some(dictionary) = column.as_any_dictionary_opt() {
        return numbers(dictionary.keys().len());
    }
    if let Some(lists) = column.as_list_opt::<i32>() {
        return numbers(lists.len()) + bytes_of(&values_of(lists));
    }
    if let Some(lists) = column.as_list_opt::<i64>() {
        return numbers(lists.len()) + bytes_of(&values_of(lists));
    }
    if let Some(texts) = column.as_string_view_opt() {
        return shown(texts.views());
    }
    if let Some(bytes) = column.as_binary_view_opt() {
        return shown(bytes.views());
    }
    let whole = || column.get_array_memory_size();
    column.to_data().get_slice_memory_size().unwrap_or_else(|_| whole()) as u64
}

/// The length of what a view shows.
fn length_of(view: u128) -> u64 {
    u64::try_from(view & u128::from(u32::MAX)).unwrap_or_default()
}

/// The values of lists, without those of others of the same batch.
fn values_of<O: OffsetSizeTrait>(lists: &GenericListArray<O>) -> ArrayRef {
    let [first, last] = [0, lists.len()].map(|at| lists.value_offsets()[at].as_usize());
    lists.values().slice(first, last - first)
}

/// The columns as they are written.
struct Shape {
    schema: SchemaRef,
    /// The columns of the position, and how they are called.
    position: Option<([usize; 2], StoredPosition)>,
}

impl Shape {
    fn of(name: &str, read: &Schema, metadata: &TableMetadata) -> Result<Self, Error> {
        let mut fields: Vec<Arc<Field>> = Vec::with_capacity(read.fields().len() + 1);
        for (at, field) in read.fields().iter().enumerate() {
            let number = at + 1;
            if field.name().trim().is_empty() {
                return Err(wrong(name, format!("column {number} has no name: give it one")));
            }
            let field = Arc::new(Field::new(field.name(), field.data_type().clone(), true));
            let alone = Schema::new(vec![Arc::clone(&field)]);
            ArrowSchemaConverter::new().convert(&alone).map_err(|_| {
                let (column, data_type) = (field.name(), field.data_type());
                wrong(name, format!("column {column} is of type {data_type}, which is not taken"))
            })?;
            fields.push(field);
        }
        let position = in_degrees(read, metadata).map(|columns| {
            let spatial_index = free_name(&fields, SPATIAL_INDEX);
            fields.push(Arc::new(Field::new(&spatial_index, DataType::Int64, true)));
            let [ra, dec] = columns.map(|at| read.field(at).name().clone());
            (columns, StoredPosition { ra, dec, spatial_index, pixels: Vec::new() })
        });
        Ok(Self { schema: Arc::new(Schema::new(fields)), position })
    }

    /// The rows as they are written: NaN is NULL, and the spatial index is the last column.
    fn rows(&self, batch: &RecordBatch, touched: &mut Touched) -> Result<RecordBatch, Error> {
        let mut columns: Vec<ArrayRef> = batch.columns().iter().map(without_nan).collect();
        if let Some((position, _)) = &self.position {
            let degrees = |at: usize| cast(&columns[at], &DataType::Float64);
            let [ra, dec] = position.map(degrees);
            let failed = |error| Error::compute("take positions", error);
            let (ra, dec) = (ra.map_err(failed)?, dec.map_err(failed)?);
            let places =
                ra.as_primitive::<Float64Type>().iter().zip(dec.as_primitive::<Float64Type>());
            let places: Int64Array = places.map(|(ra, dec)| spatial_index(ra?, dec?)).collect();
            places.iter().flatten().for_each(|place| touched.add(place));
            columns.push(Arc::new(places));
        }
        RecordBatch::try_new(Arc::clone(&self.schema), columns)
            .map_err(|error| Error::compute("take rows", error))
    }
}
