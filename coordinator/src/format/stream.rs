//! From a stream of batches to a stream of chunks, whatever the format.
//!
//! Chunks are of 64 to some 256 KiB: large enough for the network, small enough that thousands of
//! open answers fit into memory. A row count decides here, and only here, on OVERFLOW.

use std::ops::Range;

use adql::OutputColumn;
use adql::datatype::CellType;
use bytes::Bytes;
use datafusion::arrow::record_batch::RecordBatch;
use datafusion::error::DataFusionError;
use datafusion::execution::SendableRecordBatchStream;
use futures::{Stream, StreamExt, stream};

use crate::Error;
use crate::format::Format;
use crate::format::cells::Cells;
use crate::format::csv::Separated;
use crate::format::text::Aligned;
use crate::format::votable::{Serialization, VoTable};

/// A chunk leaves when it has reached this size.
const CHUNK_BYTES: usize = 64 * 1024;

/// Rows are encoded in steps that are expected to make so many bytes.
const STEP_BYTES: usize = 96 * 1024;

/// Rows in the first step, before their size is known.
const FIRST_STEP_ROWS: usize = 64;

/// An `INFO` of VOTable 1.4 §4.5; other formats have no place for it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Info {
    /// Its name.
    pub name: &'static str,
    /// Its value.
    pub value: String,
}

/// What a document says beside the rows.
#[derive(Debug, Clone, Default)]
pub struct Document {
    /// The columns by position.
    pub columns: Vec<OutputColumn>,
    /// Where the result comes from.
    pub infos: Vec<Info>,
    /// Rows beyond this are cut and announced as OVERFLOW; with 0 no row is asked for, and
    /// OVERFLOW is always said (DALI 1.1 §3.4.4).
    pub max_rows: Option<u64>,
}

/// A column with the type in which its cells are written.
#[derive(Debug, Clone)]
pub(crate) struct OutputField {
    pub(crate) column: OutputColumn,
    pub(crate) cell_type: CellType,
}

/// How the rows ended.
#[derive(Debug)]
pub(crate) enum End<'a> {
    /// All are there.
    Complete,
    /// Some were cut after so many.
    Overflow(u64),
    /// The query failed on the way.
    Broken(&'a Error),
}

/// A streaming writer.
pub(crate) trait Encoder: Send {
    /// Writes what stands before the rows.
    fn begin(&mut self, out: &mut Vec<u8>);

    /// Writes some of the rows of a batch, whose columns are given as cells.
    fn rows(&mut self, columns: &[Cells], rows: Range<usize>, out: &mut Vec<u8>);

    /// Writes what stands after the rows; false where the format cannot tell of this end.
    fn end(&mut self, end: &End<'_>, out: &mut Vec<u8>) -> bool;
}

/// Writes a result as a document, chunk by chunk.
///
/// A query that fails half-way ends the document with its error where the format can say so
/// (VOTable), and breaks the stream otherwise, so that nobody takes half a result for a whole one.
/// Dropping the stream drops the query.
pub fn encode(
    format: Format,
    document: Document,
    rows: SendableRecordBatchStream,
) -> impl Stream<Item = Result<Bytes, Error>> + Send + 'static {
    let writer = Writer::new(format, document, rows);
    stream::unfold(writer, |mut writer| async move {
        let chunk = writer.next_chunk().await?;
        Some((chunk, writer))
    })
}

/// A batch that is being written.
struct Batch {
    columns: Vec<Cells>,
    rows: Range<usize>,
}

struct Writer {
    encoder: Box<dyn Encoder>,
    types: Vec<CellType>,
    /// None when no more rows are wanted.
    input: Option<SendableRecordBatchStream>,
    batch: Option<Batch>,
    max_rows: Option<u64>,
    taken: u64,
    overflow: bool,
    step_rows: usize,
    begun: bool,
    finished: bool,
}

impl Writer {
    fn new(format: Format, document: Document, rows: SendableRecordBatchStream) -> Self {
        let Document { columns, infos, max_rows } = document;
        let schema = rows.schema();
        assert_eq!(columns.len(), schema.fields().len(), "one record for each column");
        let fields: Vec<OutputField> = columns
            .into_iter()
            .zip(schema.fields())
            .map(|(column, field)| {
                let cell_type = CellType::of(field.data_type(), column.xtype.as_deref());
                OutputField { column, cell_type }
            })
            .collect();
        let types = fields.iter().map(|f| f.cell_type.clone()).collect();
        let encoder: Box<dyn Encoder> = match format {
            Format::VoTableTableData => {
                Box::new(VoTable::new(fields, infos, Serialization::TableData))
            }
            Format::VoTableBinary2 => Box::new(VoTable::new(fields, infos, Serialization::Binary2)),
            Format::Csv => Box::new(Separated::csv(fields)),
            Format::Tsv => Box::new(Separated::tsv(fields)),
            Format::Text => Box::new(Aligned::new(fields)),
        };
        Self {
            encoder,
            types,
            input: (max_rows != Some(0)).then_some(rows),
            batch: None,
            max_rows,
            taken: 0,
            overflow: max_rows == Some(0),
            step_rows: FIRST_STEP_ROWS,
            begun: false,
            finished: false,
        }
    }

    /// The next chunk; none after the end.
    async fn next_chunk(&mut self) -> Option<Result<Bytes, Error>> {
        if self.finished {
            return None;
        }
        let mut out = Vec::with_capacity(CHUNK_BYTES + STEP_BYTES);
        if !self.begun {
            self.begun = true;
            self.encoder.begin(&mut out);
        }
        while out.len() < CHUNK_BYTES {
            if self.write_step(&mut out) {
                continue;
            }
            match self.next_batch().await {
                Ok(true) => {}
                Ok(false) => {
                    self.finished = true;
                    let end = if self.overflow { End::Overflow(self.taken) } else { End::Complete };
                    self.encoder.end(&end, &mut out);
                    break;
                }
                Err(error) => {
                    self.finished = true;
                    self.input = None;
                    tracing::warn!(%error, "query failed after its answer had begun");
                    if !self.encoder.end(&End::Broken(&error), &mut out) {
                        return Some(Err(error));
                    }
                    break;
                }
            }
        }
        Some(Ok(Bytes::from(out)))
    }

    /// Writes some rows of the batch at hand; false where there is none.
    fn write_step(&mut self, out: &mut Vec<u8>) -> bool {
        let Some(batch) = &mut self.batch else { return false };
        let start = batch.rows.start;
        let end = batch.rows.end.min(start + self.step_rows);
        let before = out.len();
        self.encoder.rows(&batch.columns, start..end, out);
        let row_bytes = (out.len() - before).div_ceil((end - start).max(1)).max(1);
        self.step_rows = (STEP_BYTES / row_bytes).clamp(1, 1 << 16);
        batch.rows.start = end;
        if batch.rows.is_empty() {
            self.batch = None;
        }
        true
    }

    /// Fetches the next batch that has rows to write; false where there is none.
    async fn next_batch(&mut self) -> Result<bool, Error> {
        loop {
            let Some(input) = &mut self.input else { return Ok(false) };
            let Some(batch) = input.next().await else {
                self.input = None;
                return Ok(false);
            };
            let batch = batch.map_err(Error::Execution)?;
            if batch.num_rows() > 0 {
                return self.take(&batch);
            }
        }
    }

    /// Takes the rows of a batch that are within the limit.
    fn take(&mut self, batch: &RecordBatch) -> Result<bool, Error> {
        let left = self.max_rows.map_or(u64::MAX, |max| max - self.taken);
        let wanted = usize::try_from(left).unwrap_or(usize::MAX).min(batch.num_rows());
        self.taken += wanted as u64;
        if wanted < batch.num_rows() {
            self.overflow = true;
            self.input = None;
        }
        if wanted == 0 {
            return Ok(false);
        }
        let columns = self.types.iter().zip(batch.columns());
        let columns = columns.map(|(cell_type, column)| Cells::new(cell_type, column));
        let columns: Vec<Cells> = columns
            .collect::<Result<_, _>>()
            .map_err(|e| Error::Execution(DataFusionError::from(e)))?;
        self.batch = Some(Batch { columns, rows: 0..wanted });
        Ok(true)
    }
}
