//! From a stream of batches to a stream of chunks, whatever the format.
//!
//! ```text
//! query → limited → ahead → pieces → written on all cores, in order → joined → chunks
//! ```
//!
//! A document is the same bytes whatever the timing, the number of cores and the cuts of its
//! batches. A stalled reader holds a few batches and a few pieces in memory: what is ready waits, and
//! nothing further is asked for.

use std::sync::Arc;
use std::task::Poll;

use adql::OutputColumn;
use adql::datatype::CellType;
use bytes::Bytes;
use catalog::votable::{Info, OutputField};
use datafusion::arrow::datatypes::Schema;
use datafusion::arrow::record_batch::RecordBatch;
use datafusion::error::DataFusionError;
use datafusion::execution::SendableRecordBatchStream;
use futures::future::{Either, ready};
use futures::stream::BoxStream;
use futures::{Stream, StreamExt, poll, stream};

use crate::Error;
use crate::format::cells::Cells;
use crate::format::csv::Separated;
use crate::format::in_order::{ahead, at_once, started};
use crate::format::rows::{Cutter, End, Piece, Taken, limited};
use crate::format::text::Aligned;
use crate::format::votable::VoTable;
use crate::format::{Format, parquet};

/// A chunk that has this size leaves; a smaller one leaves where nothing more is ready.
const CHUNK_BYTES: usize = 64 * 1024;

/// A piece that is expected to be this small is written on the spot: to wake another core would
/// take longer.
const SMALL_BYTES: usize = 64 * 1024;

/// Batches that are fetched before they are needed.
pub(crate) const BATCHES_AHEAD: usize = 2;

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

/// Writes rows: on any core, in any order.
pub(crate) trait RowWriter: Send + Sync {
    /// Writes so many rows, whose columns are given as cells.
    fn write(&self, columns: &[Cells], rows: usize, out: &mut Vec<u8>) -> Result<(), Error>;
}

/// Writes what stands around the rows.
pub(crate) trait Frame: Send {
    /// Writes what stands before the rows.
    fn begin(&mut self, out: &mut Vec<u8>);

    /// Puts rows that were written behind those before them.
    fn join(&mut self, rows: Vec<u8>, out: &mut Vec<u8>) {
        if out.is_empty() {
            *out = rows;
        } else {
            out.extend_from_slice(&rows);
        }
    }

    /// Writes what stands after the rows; false where the format cannot tell of this end.
    fn end(&mut self, end: &End, out: &mut Vec<u8>) -> bool;
}

/// Writes a result as a document, chunk by chunk.
///
/// A query that fails half-way ends the document with its error where the format can say so
/// (VOTable), and breaks the stream otherwise, so that nobody takes half a result for a whole one.
/// Dropping the stream drops the query, and every task that writes its rows.
///
/// # Panics
/// When the document does not describe as many columns as the rows have.
pub fn encode(
    format: Format,
    document: Document,
    rows: SendableRecordBatchStream,
) -> impl Stream<Item = Result<Bytes, Error>> + Send + 'static {
    let schema = rows.schema();
    assert_eq!(document.columns.len(), schema.fields().len(), "one record for each column");
    let Document { columns, infos, max_rows } = document;
    let fields = output_fields(format, columns, &schema);
    let types: Arc<[CellType]> = fields.iter().map(|f| f.cell_type.clone()).collect();
    let (writer, frame): (Arc<dyn RowWriter>, Box<dyn Frame>) = match format {
        Format::VoTableTableData => VoTable::table_data(fields, infos),
        Format::VoTableBinary => VoTable::binary(fields, infos),
        Format::VoTableBinary2 => VoTable::binary2(fields, infos),
        Format::Csv => Separated::csv(fields),
        Format::Tsv => Separated::tsv(fields),
        Format::Text => Aligned::parts(fields),
        Format::Parquet => return parquet::encode(fields, infos, max_rows, rows).boxed(),
    };
    let steps = written(ahead(limited(rows, max_rows), BATCHES_AHEAD), types, writer).boxed();
    let document = Writer { frame, steps, begun: false, finished: false, failed: None };
    let chunks = stream::unfold(document, |mut document| async move {
        let chunk = document.next_chunk().await?;
        Some((chunk, document))
    });
    chunks.boxed()
}

fn output_fields(format: Format, columns: Vec<OutputColumn>, schema: &Schema) -> Vec<OutputField> {
    let of = match format {
        Format::VoTableBinary => CellType::without_null_flags,
        Format::VoTableBinary2
        | Format::VoTableTableData
        | Format::Csv
        | Format::Tsv
        | Format::Text
        | Format::Parquet => CellType::of,
    };
    let fields = columns.into_iter().zip(schema.fields());
    let fields = fields.map(|(column, field)| {
        let cell_type = of(field.data_type(), column.xtype.as_deref());
        let cell_type = if column.ascii { cell_type.of_ascii() } else { cell_type };
        OutputField { column, cell_type }
    });
    fields.collect()
}

/// The rows as the format has them, in their order.
fn written(
    batches: impl Stream<Item = Taken<RecordBatch>> + Send,
    types: Arc<[CellType]>,
    writer: Arc<dyn RowWriter>,
) -> impl Stream<Item = Taken<Vec<u8>>> + Send {
    let mut cutter = Cutter::default();
    let pieces = batches.flat_map(move |taken| {
        stream::iter(match taken {
            Taken::Rows(batch) => {
                cutter.cut(&batch).into_iter().map(Taken::Rows).collect::<Vec<_>>()
            }
            Taken::End(end) => vec![Taken::End(end)],
        })
    });
    let begun = pieces.map(move |piece| {
        let piece = match piece {
            Taken::Rows(piece) => piece,
            Taken::End(end) => return Either::Left(ready(Taken::End(end))),
        };
        let (types, writer) = (Arc::clone(&types), Arc::clone(&writer));
        if piece.expected_bytes <= SMALL_BYTES {
            return Either::Left(ready(Taken::from(write(&types, writer.as_ref(), &piece))));
        }
        let work = started(async move { write(&types, writer.as_ref(), &piece) });
        Either::Right(async move { Taken::from(work.await) })
    });
    begun.buffered(at_once())
}

fn write(types: &[CellType], writer: &dyn RowWriter, piece: &Piece) -> Result<Vec<u8>, Error> {
    let columns = types.iter().zip(piece.rows.columns());
    let columns = columns.map(|(cell_type, column)| Cells::new(cell_type, column));
    let columns: Vec<Cells> = columns
        .collect::<Result<_, _>>()
        .map_err(|error| Error::Execution(DataFusionError::from(error)))?;
    let mut out = Vec::with_capacity(piece.expected_bytes);
    writer.write(&columns, piece.rows.num_rows(), &mut out)?;
    Ok(out)
}

struct Writer {
    frame: Box<dyn Frame>,
    steps: BoxStream<'static, Taken<Vec<u8>>>,
    begun: bool,
    finished: bool,
    /// What breaks the stream after the last chunk.
    failed: Option<Error>,
}

impl Writer {
    /// The next chunk; none after the end.
    async fn next_chunk(&mut self) -> Option<Result<Bytes, Error>> {
        let mut out = Vec::new();
        // The head waits for the first rows: most answers fit into one chunk.
        let mut waits = true;
        if !self.begun {
            self.begun = true;
            self.frame.begin(&mut out);
        }
        while !self.finished && out.len() < CHUNK_BYTES {
            let next = self.steps.next();
            let step = if waits {
                next.await
            } else {
                match poll!(next) {
                    Poll::Ready(step) => step,
                    Poll::Pending => break,
                }
            };
            match step {
                Some(Taken::Rows(rows)) => self.frame.join(rows, &mut out),
                Some(Taken::End(end)) => self.end(end, &mut out),
                None => self.end(End::Broken(stopped()), &mut out),
            }
            waits = out.is_empty();
        }
        if out.is_empty() {
            return self.failed.take().map(Err);
        }
        Some(Ok(Bytes::from(out)))
    }

    fn end(&mut self, end: End, out: &mut Vec<u8>) {
        self.finished = true;
        self.steps = stream::empty().boxed();
        let told = self.frame.end(&end, out);
        if let End::Broken(error) = end {
            tracing::warn!(%error, "query failed after its answer had begun");
            self.failed = (!told).then_some(error);
        }
    }
}

/// Why rows ended without an end.
pub(crate) fn stopped() -> Error {
    Error::Execution(DataFusionError::Execution("the service stops".to_owned()))
}
