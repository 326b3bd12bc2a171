//! Parquet, batch by batch, with what `VOParquet` 1.0 says of its columns.

use std::fs::File;
use std::path::Path;
use std::sync::Arc;

use datafusion::arrow::array::RecordBatch;
use datafusion::arrow::datatypes::{Schema, SchemaRef};
use datafusion::parquet::arrow::arrow_reader::{
    ParquetRecordBatchReader, ParquetRecordBatchReaderBuilder,
};
use datafusion::parquet::errors::ParquetError;
use datafusion::parquet::file::metadata::FileMetaData;

use super::source::Source;
use super::votable::described_by;
use super::{Place, ReadError, ReadOptions, ReadProgress, TableReader, check_columns};
use crate::metadata::{self, TableMetadata};

/// The key of the VOTable without rows (`VOParquet` 1.0 §3).
const VOTABLE_KEY: &str = "IVOA.VOTable-Parquet.content";

/// The rows of a Parquet file.
pub(super) struct ParquetReader {
    source: Source,
    reader: ParquetRecordBatchReader,
    schema: SchemaRef,
    metadata: TableMetadata,
    remarks: Vec<String>,
    total_rows: u64,
    done: u64,
    has_failed: bool,
}

impl ParquetReader {
    pub(super) fn open(source: Source, options: &ReadOptions) -> Result<Self, ReadError> {
        if source.is_packed() {
            let reason = "Parquet is read by its places: unpack the file first";
            return Err(ReadError::malformed(source.path(), Place::default(), reason));
        }
        let file = File::open(source.path());
        let file = file.map_err(|e| ReadError::io(source.path(), Place::default(), e))?;
        let broken = |error| failure(&source, Place::default(), &error);
        let builder = ParquetRecordBatchReaderBuilder::try_new(file).map_err(broken)?;
        let facts = builder.metadata().file_metadata();
        let total_rows = u64::try_from(facts.num_rows()).unwrap_or_default();
        // Without what the file says of itself, which batches would carry along.
        let schema = Arc::new(Schema::new(builder.schema().fields().clone()));
        let names: Vec<&str> = schema.fields().iter().map(|field| field.name().as_str()).collect();
        check_columns(&source, &schema, options)?;
        let (metadata, remarks) = voparquet_metadata(source.path(), facts, &names);
        let reader = builder.with_batch_size(options.batch_rows.max(1)).build().map_err(broken)?;
        let (done, has_failed) = (0, false);
        Ok(Self { source, reader, schema, metadata, remarks, total_rows, done, has_failed })
    }
}

/// What the VOTable in the file says; one that cannot be read leaves the columns bare.
pub(crate) fn voparquet_metadata(
    file: &Path,
    facts: &FileMetaData,
    names: &[&str],
) -> (TableMetadata, Vec<String>) {
    let pairs = facts.key_value_metadata().into_iter().flatten();
    let votable = pairs.filter(|pair| pair.key == VOTABLE_KEY).find_map(|pair| pair.value.as_ref());
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
                let place = Place::row(self.done + 1);
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
}
