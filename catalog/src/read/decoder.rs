//! What the readers that decode rows themselves share: batches of rows until the end or an error.

use datafusion::arrow::array::RecordBatch;
use datafusion::arrow::datatypes::SchemaRef;

use super::cell::BatchBuilder;
use super::source::Source;
use super::{ReadError, ReadProgress, TableReader};
use crate::metadata::TableMetadata;

/// The rows of a file that are being read.
pub(super) struct RowsRead {
    pub(super) source: Source,
    pub(super) batch: BatchBuilder,
    pub(super) schema: SchemaRef,
    pub(super) metadata: TableMetadata,
    /// Rows of the batches before this one.
    pub(super) done: u64,
    /// There are no more rows, after an error too.
    pub(super) has_ended: bool,
}

impl RowsRead {
    pub(super) fn new(
        source: Source,
        batch: BatchBuilder,
        schema: SchemaRef,
        metadata: TableMetadata,
    ) -> Self {
        Self { source, batch, schema, metadata, done: 0, has_ended: false }
    }
}

/// A format whose rows are decoded one after another.
pub(super) trait Decoder: Send {
    fn rows(&self) -> &RowsRead;
    fn rows_mut(&mut self) -> &mut RowsRead;

    /// Adds rows until the batch is full or there are no more.
    fn fill(&mut self) -> Result<(), ReadError>;

    /// Rows of the whole table, where the file says so.
    fn total_rows(&self) -> Option<u64> {
        None
    }

    /// [`TableReader::remarks`].
    fn remarks(&self) -> &[String] {
        &[]
    }

    /// [`TableReader::ascii_texts`].
    fn ascii_texts(&self) -> Vec<String> {
        Vec::new()
    }
}

/// The reader of a format.
pub(super) struct Decoded<D>(pub(super) D);

impl<D: Decoder> Iterator for Decoded<D> {
    type Item = Result<RecordBatch, ReadError>;

    fn next(&mut self) -> Option<Self::Item> {
        if self.0.rows().has_ended {
            return None;
        }
        let filled = self.0.fill();
        let rows = self.0.rows_mut();
        if let Err(error) = filled {
            rows.has_ended = true;
            return Some(Err(error));
        }
        if rows.batch.rows() == 0 {
            return None;
        }
        rows.done += rows.batch.rows() as u64;
        let batch = rows.batch.finish();
        Some(batch.map_err(|error| ReadError::batch(rows.source.path(), error)))
    }
}

impl<D: Decoder> TableReader for Decoded<D> {
    fn schema(&self) -> &SchemaRef {
        &self.0.rows().schema
    }

    fn metadata(&self) -> &TableMetadata {
        &self.0.rows().metadata
    }

    fn progress(&self) -> ReadProgress {
        let rows = self.0.rows();
        let (bytes, total_bytes) = rows.source.bytes();
        ReadProgress { rows: rows.done, total_rows: self.0.total_rows(), bytes, total_bytes }
    }

    fn remarks(&self) -> &[String] {
        self.0.remarks()
    }

    fn ascii_texts(&self) -> Vec<String> {
        self.0.ascii_texts()
    }
}
