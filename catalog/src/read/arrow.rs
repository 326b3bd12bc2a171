//! Arrow IPC, as a stream or as a file: between its magic and its footer a file is a stream, so that
//! both are read from the front, packed ones and those of stores too.

mod guard;

use std::io::{self, Cursor, Read};
use std::panic::{AssertUnwindSafe, catch_unwind};

use datafusion::arrow::array::RecordBatch;
use datafusion::arrow::datatypes::{Schema, SchemaRef};
use datafusion::arrow::error::ArrowError;
use datafusion::arrow::ipc::reader::StreamReader;

use self::guard::Guarded;
use super::parquet::metadata_of_votable;
use super::source::Source;
use super::{Place, ReadError, ReadOptions, ReadProgress, TableReader, check_columns};
use crate::metadata::TableMetadata;
use crate::votable::CONTENT_KEY;

/// What a file begins with, filled up with zeros to blocks of eight bytes: some writers to 64.
const FILE_MAGIC: &[u8] = b"ARROW1";
const BLOCK_BYTES: usize = 8;
/// What a message of a stream begins with.
const CONTINUATION: &[u8] = &[0xff; 4];

/// Whether a file begins as Arrow IPC does.
pub(super) fn begins(head: &[u8]) -> bool {
    head.starts_with(FILE_MAGIC) || head.starts_with(CONTINUATION)
}

/// The rows of an Arrow stream.
pub(super) struct ArrowReader {
    source: Source,
    reader: StreamReader<Box<dyn Read + Send>>,
    schema: SchemaRef,
    metadata: TableMetadata,
    remarks: Vec<String>,
    /// The batch of the file that is being handed on, and the place in it.
    open: Option<(RecordBatch, usize)>,
    batch_rows: usize,
    done: u64,
    has_failed: bool,
}

impl ArrowReader {
    pub(super) fn open(source: Source, options: &ReadOptions) -> Result<Self, ReadError> {
        let mut stream: Box<dyn Read + Send> = Box::new(source.stream()?);
        if source.head().starts_with(FILE_MAGIC) {
            let first = first_block(&mut stream);
            let first =
                first.map_err(|error| ReadError::io(source.path(), Place::default(), error))?;
            stream = Box::new(Cursor::new(first).chain(stream));
        }
        // Files whose unpacked size is bounded are those of strangers.
        if options.unpacked.is_some() {
            stream = Box::new(Guarded::new(stream));
        }
        let reader = unwinding(|| StreamReader::try_new(stream, None));
        let reader = reader.map_err(|error| failure(&source, Place::default(), error))?;
        let told = reader.schema();
        let schema = SchemaRef::new(Schema::new(told.fields().clone()));
        check_columns(&source, &schema, options)?;
        let names: Vec<&str> = schema.fields().iter().map(|field| field.name().as_str()).collect();
        let votable = told.metadata().get(CONTENT_KEY).map(String::as_str);
        let (metadata, remarks) = metadata_of_votable(source.path(), votable, &names);
        let (open, done, has_failed) = (None, 0, false);
        let batch_rows = options.batch_rows.max(1);
        Ok(Self { source, reader, schema, metadata, remarks, open, batch_rows, done, has_failed })
    }

    fn read(&mut self) -> Result<Option<RecordBatch>, ArrowError> {
        loop {
            if let Some((batch, from)) = self.open.take()
                && from < batch.num_rows()
            {
                let rows = self.batch_rows.min(batch.num_rows() - from);
                let columns = batch.slice(from, rows).columns().to_vec();
                let slice = RecordBatch::try_new(SchemaRef::clone(&self.schema), columns)?;
                self.open = Some((batch, from + rows));
                return Ok(Some(slice));
            }
            match unwinding(|| self.reader.next().transpose())? {
                Some(batch) => self.open = Some((batch, 0)),
                None => return Ok(None),
            }
        }
    }
}

/// The first block after the magic of a file that is not padding.
fn first_block(stream: &mut impl Read) -> io::Result<Vec<u8>> {
    let mut block = [0; BLOCK_BYTES];
    stream.read_exact(&mut block)?;
    loop {
        stream.read_exact(&mut block)?;
        if block != [0; BLOCK_BYTES] {
            return Ok(block.to_vec());
        }
    }
}

/// What the reader of Arrow says; it panics on some messages that contradict themselves.
fn unwinding<T>(read: impl FnOnce() -> Result<T, ArrowError>) -> Result<T, ArrowError> {
    let contradicts = || ArrowError::IpcError("a message contradicts itself".to_owned());
    catch_unwind(AssertUnwindSafe(read)).unwrap_or_else(|_| Err(contradicts()))
}

fn failure(source: &Source, place: Place, error: ArrowError) -> ReadError {
    match error {
        ArrowError::IoError(_, error) => ReadError::io(source.path(), place, error),
        error => {
            let reason = format!("the file is damaged or cut short, or no Arrow IPC: {error}");
            ReadError::malformed(source.path(), place, reason)
        }
    }
}

impl Iterator for ArrowReader {
    type Item = Result<RecordBatch, ReadError>;

    fn next(&mut self) -> Option<Self::Item> {
        if self.has_failed {
            return None;
        }
        match self.read() {
            Ok(batch) => {
                let batch = batch?;
                self.done += batch.num_rows() as u64;
                Some(Ok(batch))
            }
            Err(error) => {
                self.has_failed = true;
                Some(Err(failure(&self.source, Place::row(self.done + 1), error)))
            }
        }
    }
}

impl TableReader for ArrowReader {
    fn schema(&self) -> &SchemaRef {
        &self.schema
    }

    fn metadata(&self) -> &TableMetadata {
        &self.metadata
    }

    fn progress(&self) -> ReadProgress {
        let (bytes, total_bytes) = self.source.bytes();
        ReadProgress { rows: self.done, total_rows: None, bytes, total_bytes }
    }

    fn remarks(&self) -> &[String] {
        &self.remarks
    }
}
