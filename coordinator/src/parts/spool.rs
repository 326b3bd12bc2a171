//! Rows as bytes and back: the streaming format of Arrow IPC, compressed by LZ4.
//!
//! Small batches, as selective filters leave them, are put together first: a batch of three rows
//! may hold the texts of thousands.

use std::collections::VecDeque;
use std::fs::File;
use std::io::{self, BufReader};
use std::sync::Arc;

use datafusion::arrow::compute::BatchCoalescer;
use datafusion::arrow::datatypes::{Schema, SchemaRef};
use datafusion::arrow::error::ArrowError;
use datafusion::arrow::ipc::CompressionType;
use datafusion::arrow::ipc::reader::StreamReader;
use datafusion::arrow::ipc::writer::{IpcWriteOptions, StreamWriter};
use datafusion::arrow::record_batch::RecordBatch;
use datafusion::common::Result;
use datafusion::error::DataFusionError;
use datafusion::execution::SendableRecordBatchStream;
use datafusion::physical_plan::stream::RecordBatchStreamAdapter;
use futures::stream;

use crate::uws::JobFolder;

/// Rows of a batch as it is written.
const BATCH_ROWS: usize = 8192;

/// Bytes that are written to a file at once.
const WRITE_BYTES: usize = 1 << 20;

/// Turns rows into bytes.
pub(super) struct Spool {
    batches: BatchCoalescer,
    writer: StreamWriter<Vec<u8>>,
}

impl Spool {
    pub(super) fn new(schema: &SchemaRef) -> Result<Self> {
        let options = IpcWriteOptions::default();
        let options = options.try_with_compression(Some(CompressionType::LZ4_FRAME))?;
        let writer = StreamWriter::try_new_with_options(Vec::new(), schema, options)?;
        Ok(Self { batches: BatchCoalescer::new(Arc::clone(schema), BATCH_ROWS), writer })
    }

    pub(super) fn push(&mut self, rows: RecordBatch) -> Result<()> {
        self.batches.push_batch(rows)?;
        self.write_completed()
    }

    /// What is to be written by now: nothing, where it is little.
    pub(super) fn take(&mut self) -> Vec<u8> {
        let bytes = self.writer.get_mut();
        if bytes.len() < WRITE_BYTES { Vec::new() } else { std::mem::take(bytes) }
    }

    /// The rest, and the mark of the end.
    pub(super) fn end(mut self) -> Result<Vec<u8>> {
        self.batches.finish_buffered_batch()?;
        self.write_completed()?;
        Ok(self.writer.into_inner()?)
    }

    fn write_completed(&mut self) -> Result<()> {
        while let Some(batch) = self.batches.next_completed_batch() {
            self.writer.write(&batch)?;
        }
        Ok(())
    }
}

type Reader = StreamReader<BufReader<File>>;

/// The schema of the rows of a file.
pub(super) fn schema_of(file: File) -> Result<SchemaRef, ArrowError> {
    Ok(StreamReader::try_new(BufReader::new(file), None)?.schema())
}

/// The rows of some files, one after the other, each given with how many rows it has: a file that
/// was cut off between two batches looks as if it ended there.
pub(super) fn read(
    folder: Arc<JobFolder>,
    files: VecDeque<(String, u64)>,
    schema: Arc<Schema>,
) -> SendableRecordBatchStream {
    let files = Files { folder, files, open: None };
    let batches = stream::try_unfold(files, |mut files| async {
        // A disk may take its time.
        let step = tokio::task::spawn_blocking(move || files.next().map(|batch| (batch, files)));
        let (batch, files) =
            step.await.map_err(|e| DataFusionError::ExecutionJoin(Box::new(e)))??;
        Ok(batch.map(|batch| (batch, files)))
    });
    Box::pin(RecordBatchStreamAdapter::new(schema, batches))
}

struct Files {
    folder: Arc<JobFolder>,
    files: VecDeque<(String, u64)>,
    open: Option<Reader>,
}

impl Files {
    fn next(&mut self) -> Result<Option<RecordBatch>> {
        while let Some((name, left)) = self.files.front_mut() {
            let damaged = |what: &str| {
                let text = format!("the rows kept in {name} {what}");
                DataFusionError::IoError(io::Error::new(io::ErrorKind::InvalidData, text))
            };
            let reader = match &mut self.open {
                Some(reader) => reader,
                closed => {
                    let file = self.folder.open(name)?.ok_or_else(|| damaged("are gone"))?;
                    closed.insert(StreamReader::try_new(BufReader::new(file), None)?)
                }
            };
            let Some(batch) = reader.next().transpose()? else {
                if *left > 0 {
                    return Err(damaged(&format!("are not whole: {left} are missing")));
                }
                (self.open, _) = (None, self.files.pop_front());
                continue;
            };
            let rows = batch.num_rows() as u64;
            *left = left.checked_sub(rows).ok_or_else(|| damaged("are those of another part"))?;
            return Ok(Some(batch));
        }
        Ok(None)
    }
}
