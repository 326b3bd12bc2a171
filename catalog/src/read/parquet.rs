//! Parquet, batch by batch, with what `VOParquet` 1.0 says of its columns.

use std::path::Path;
use std::sync::Arc;

use datafusion::arrow::array::RecordBatch;
use datafusion::arrow::datatypes::{Schema, SchemaRef};
use datafusion::parquet::arrow::arrow_reader::{
    ParquetRecordBatchReader, ParquetRecordBatchReaderBuilder,
};
use datafusion::parquet::errors::ParquetError;
use datafusion::parquet::file::metadata::{FileMetaData, ParquetMetaData, RowGroupMetaData};

use super::source::Source;
use super::votable::described_by;
use super::{FilePart, Place, ReadError, ReadOptions, ReadProgress, TableReader, check_columns};
use crate::metadata::{self, TableMetadata};
use crate::votable::CONTENT_KEY;

/// Rows of a part of a file, but for small row groups and the last part.
const PART_ROWS: u64 = 131_072;
/// Parts of a file at most: each reads the footer again, which is large where row groups are many.
const PARTS_MAX: u64 = 64;

/// The rows of a Parquet file.
pub(super) struct ParquetReader {
    source: Source,
    reader: ParquetRecordBatchReader,
    schema: SchemaRef,
    metadata: TableMetadata,
    remarks: Vec<String>,
    parts: Vec<FilePart>,
    /// Rows before those that are read.
    first_row: u64,
    /// Rows that are read.
    total_rows: u64,
    done: u64,
    has_failed: bool,
}

impl ParquetReader {
    /// Reads the whole file, or a part of it.
    pub(super) fn open(
        source: Source,
        options: &ReadOptions,
        part: Option<&FilePart>,
    ) -> Result<Self, ReadError> {
        if source.is_packed() {
            let reason = "Parquet is read by its places: unpack the file first";
            return Err(ReadError::malformed(source.path(), Place::default(), reason));
        }
        let file = source.placed();
        let file = file.map_err(|e| ReadError::io(source.path(), Place::default(), e))?;
        let broken = |error| failure(&source, Place::default(), &error);
        let builder = ParquetRecordBatchReaderBuilder::try_new(file.clone()).map_err(broken)?;
        file.know(builder.metadata());
        let parts = parts(builder.metadata());
        let all = FilePart {
            groups: 0..builder.metadata().num_row_groups(),
            rows: parts.iter().map(|part| part.rows).sum(),
        };
        if let Some(unpacked) = &options.unpacked {
            let groups = builder.metadata().row_groups().iter();
            let bytes = groups.map(|group| u64::try_from(group.total_byte_size()).unwrap_or(0));
            let bytes = bytes.fold(0, u64::saturating_add);
            unpacked.check(bytes).map_err(|e| ReadError::io(source.path(), Place::default(), e))?;
        }
        let part = part.unwrap_or(&all);
        let Some(before) = builder.metadata().row_groups().get(..part.groups.start) else {
            let reason = "the file is another one than when the work began";
            return Err(ReadError::malformed(source.path(), Place::default(), reason));
        };
        let (first_row, total_rows) = (before.iter().map(rows_of).sum(), part.rows);
        let facts = builder.metadata().file_metadata();
        // Without what the file says of itself, which batches would carry along.
        let schema = Arc::new(Schema::new(builder.schema().fields().clone()));
        let names: Vec<&str> = schema.fields().iter().map(|field| field.name().as_str()).collect();
        check_columns(&source, &schema, options)?;
        let (metadata, remarks) = voparquet_metadata(source.path(), facts, &names);
        let builder = builder.with_batch_size(options.batch_rows.max(1));
        let reader = builder.with_row_groups(part.groups.clone().collect()).build();
        let reader = reader.map_err(broken)?;
        let (done, has_failed) = (0, false);
        Ok(Self {
            source,
            reader,
            schema,
            metadata,
            remarks,
            parts,
            first_row,
            total_rows,
            done,
            has_failed,
        })
    }
}

fn rows_of(group: &RowGroupMetaData) -> u64 {
    u64::try_from(group.num_rows()).unwrap_or_default()
}

/// Row groups that are read together: enough rows that to open the file again costs little.
fn parts(metadata: &ParquetMetaData) -> Vec<FilePart> {
    let total: u64 = metadata.row_groups().iter().map(rows_of).sum();
    let least = PART_ROWS.max(total.div_ceil(PARTS_MAX));
    let mut parts: Vec<FilePart> = Vec::new();
    for (group, rows) in metadata.row_groups().iter().map(rows_of).enumerate() {
        match parts.last_mut().filter(|part| part.rows < least) {
            Some(part) => {
                part.groups.end = group + 1;
                part.rows += rows;
            }
            None => parts.push(FilePart { groups: group..group + 1, rows }),
        }
    }
    parts
}

/// What the VOTable in the file says; one that cannot be read leaves the columns bare.
pub(crate) fn voparquet_metadata(
    file: &Path,
    facts: &FileMetaData,
    names: &[&str],
) -> (TableMetadata, Vec<String>) {
    let pairs = facts.key_value_metadata().into_iter().flatten();
    let votable = pairs.filter(|pair| pair.key == CONTENT_KEY).find_map(|pair| pair.value.as_ref());
    metadata_of_votable(file, votable.map(String::as_str), names)
}

/// What a VOTable without rows says of columns, if there is one.
pub(super) fn metadata_of_votable(
    file: &Path,
    votable: Option<&str>,
    names: &[&str],
) -> (TableMetadata, Vec<String>) {
    let bare = TableMetadata { version: metadata::VERSION, ..TableMetadata::default() };
    let Some(votable) = votable else { return (bare, Vec::new()) };
    match described_by(file, votable, names) {
        Ok(Some(metadata)) => (metadata, Vec::new()),
        Ok(None) => {
            let said = "the VOTable in the file has other columns than the file: it is not used";
            (bare, vec![said.to_owned()])
        }
        Err(error) => (bare, vec![format!("the VOTable in the file is not used: {error}")]),
    }
}

fn failure(source: &Source, place: Place, error: &ParquetError) -> ReadError {
    let reason = format!("the file is damaged or cut short, or no Parquet: {error}");
    ReadError::malformed(source.path(), place, reason)
}

impl Iterator for ParquetReader {
    type Item = Result<RecordBatch, ReadError>;

    fn next(&mut self) -> Option<Self::Item> {
        if self.has_failed {
            return None;
        }
        match self.reader.next()? {
            Ok(batch) => {
                self.done += batch.num_rows() as u64;
                let share = u128::from(self.source.bytes().1) * u128::from(self.done)
                    / u128::from(self.total_rows.max(1));
                self.source.count(u64::try_from(share).unwrap_or(u64::MAX));
                let batch = batch.columns().to_vec();
                let batch = RecordBatch::try_new(SchemaRef::clone(&self.schema), batch);
                Some(batch.map_err(|error| ReadError::batch(self.source.path(), error)))
            }
            Err(error) => {
                self.has_failed = true;
                let place = Place::row(self.first_row + self.done + 1);
                let reason = format!("the rows from here on cannot be read: {error}");
                Some(Err(ReadError::malformed(self.source.path(), place, reason)))
            }
        }
    }
}

impl TableReader for ParquetReader {
    fn schema(&self) -> &SchemaRef {
        &self.schema
    }

    fn metadata(&self) -> &TableMetadata {
        &self.metadata
    }

    fn progress(&self) -> ReadProgress {
        let (bytes, total_bytes) = self.source.bytes();
        ReadProgress { rows: self.done, total_rows: Some(self.total_rows), bytes, total_bytes }
    }

    fn remarks(&self) -> &[String] {
        &self.remarks
    }

    fn parts(&self) -> Vec<FilePart> {
        self.parts.clone()
    }
}
