//! The rows of an answer up to its limit, and how much of them makes one piece of work.
//!
//! A row count decides here, and only here, on OVERFLOW.

use datafusion::arrow::array::{Array, AsArray, GenericByteViewArray};
use datafusion::arrow::datatypes::{ByteViewType, DataType};
use datafusion::arrow::record_batch::RecordBatch;
use datafusion::execution::SendableRecordBatchStream;
use futures::{Stream, StreamExt, stream};

use crate::Error;

/// A piece is expected to make so many bytes of a document.
const PIECE_BYTES: usize = 384 * 1024;

/// Rows in the first piece, so that they leave at once.
const FIRST_ROWS: usize = 64;

/// How the rows ended.
#[derive(Debug)]
pub(crate) enum End {
    /// All are there.
    Complete,
    /// Some were cut after so many.
    Overflow(u64),
    /// The query failed on the way.
    Broken(Error),
}

/// What a query yields. The last item, and no other, is an end.
#[derive(Debug)]
pub(crate) enum Taken<T> {
    /// Some rows.
    Rows(T),
    /// None any more.
    End(End),
}

impl<T> From<Result<T, Error>> for Taken<T> {
    fn from(rows: Result<T, Error>) -> Self {
        rows.map_or_else(|error| Self::End(End::Broken(error)), Self::Rows)
    }
}

struct Limited {
    /// None when no more rows are wanted.
    input: Option<SendableRecordBatchStream>,
    /// None after the end.
    end: Option<End>,
    max_rows: Option<u64>,
    taken: u64,
}

/// The rows of a query, cut after `max_rows`; with 0 none is asked for (DALI 1.1 §3.4.4).
pub(crate) fn limited(
    rows: SendableRecordBatchStream,
    max_rows: Option<u64>,
) -> impl Stream<Item = Taken<RecordBatch>> + Send {
    let asked = max_rows != Some(0);
    let end = Some(if asked { End::Complete } else { End::Overflow(0) });
    let limited = Limited { input: asked.then_some(rows), end, max_rows, taken: 0 };
    stream::unfold(limited, |mut limited| async move {
        let taken = limited.next().await?;
        Some((taken, limited))
    })
}

impl Limited {
    async fn next(&mut self) -> Option<Taken<RecordBatch>> {
        while let Some(input) = &mut self.input {
            match input.next().await {
                None => self.input = None,
                Some(Err(error)) => self.stop(End::Broken(Error::Execution(error))),
                Some(Ok(batch)) => {
                    let batch = self.within_limit(batch);
                    if batch.num_rows() > 0 {
                        return Some(Taken::Rows(batch));
                    }
                }
            }
        }
        self.end.take().map(Taken::End)
    }

    fn within_limit(&mut self, batch: RecordBatch) -> RecordBatch {
        let left = self.max_rows.map_or(u64::MAX, |max| max - self.taken);
        let wanted = usize::try_from(left).unwrap_or(usize::MAX).min(batch.num_rows());
        self.taken += wanted as u64;
        if wanted == batch.num_rows() {
            return batch;
        }
        self.stop(End::Overflow(self.taken));
        batch.slice(0, wanted)
    }

    fn stop(&mut self, end: End) {
        self.input = None;
        self.end = Some(end);
    }
}

/// Some rows, and about how many bytes of a document they make.
#[derive(Debug)]
pub(crate) struct Piece {
    pub(crate) rows: RecordBatch,
    pub(crate) expected_bytes: usize,
}

/// Cuts batches into pieces, small ones first.
#[derive(Debug)]
pub(crate) struct Cutter {
    rows_max: usize,
}

impl Default for Cutter {
    fn default() -> Self {
        Self { rows_max: FIRST_ROWS }
    }
}

impl Cutter {
    /// The pieces of a batch that has rows.
    pub(crate) fn cut(&mut self, batch: &RecordBatch) -> Vec<Piece> {
        let all = batch.num_rows();
        let row_bytes = expected_bytes(batch, 0, all) / all.max(1);
        let usual = (PIECE_BYTES / row_bytes.max(1)).max(1);
        let (mut pieces, mut start) = (Vec::new(), 0);
        while start < all {
            let mut rows = usual.min(self.rows_max).min(all - start);
            let mut bytes = expected_bytes(batch, start, rows);
            // Here lie the longest texts of the batch.
            while rows > 1 && bytes > 2 * PIECE_BYTES {
                rows /= 2;
                bytes = expected_bytes(batch, start, rows);
            }
            pieces.push(Piece { rows: batch.slice(start, rows), expected_bytes: bytes });
            self.rows_max = self.rows_max.saturating_mul(4);
            start += rows;
        }
        pieces
    }
}

/// About as many bytes of a document, whatever its format: a cell has its delimiters, and takes as
/// text, or in base64, more room than in memory.
fn expected_bytes(batch: &RecordBatch, start: usize, rows: usize) -> usize {
    let cells =
        batch.columns().iter().map(|column| 10 * rows + 2 * value_bytes(column, start, rows));
    cells.sum()
}

/// The bytes of the values of some rows. It grows with each row as if they were counted one by one,
/// except in dictionaries.
pub(crate) fn value_bytes(array: &dyn Array, start: usize, rows: usize) -> usize {
    match array.data_type() {
        DataType::Utf8 => span(array.as_string::<i32>().value_offsets(), start, rows).1,
        DataType::LargeUtf8 => span(array.as_string::<i64>().value_offsets(), start, rows).1,
        DataType::Binary => span(array.as_binary::<i32>().value_offsets(), start, rows).1,
        DataType::LargeBinary => span(array.as_binary::<i64>().value_offsets(), start, rows).1,
        DataType::Utf8View => view_bytes(array.as_string_view(), start, rows),
        DataType::BinaryView => view_bytes(array.as_binary_view(), start, rows),
        DataType::List(_) => {
            let list = array.as_list::<i32>();
            let (from, elements) = span(list.value_offsets(), start, rows);
            value_bytes(list.values(), from, elements)
        }
        DataType::LargeList(_) => {
            let list = array.as_list::<i64>();
            let (from, elements) = span(list.value_offsets(), start, rows);
            value_bytes(list.values(), from, elements)
        }
        DataType::FixedSizeList(_, length) => {
            let length = usize::try_from(*length).unwrap_or_default();
            value_bytes(array.as_fixed_size_list().values(), start * length, rows * length)
        }
        DataType::FixedSizeBinary(length) => usize::try_from(*length).unwrap_or_default() * rows,
        DataType::Struct(_) => {
            array.as_struct().columns().iter().map(|column| value_bytes(column, start, rows)).sum()
        }
        DataType::Dictionary(..) => {
            let values = array.as_any_dictionary().values();
            rows * (4 + value_bytes(values, 0, values.len()) / values.len().max(1))
        }
        other => rows * other.primitive_width().unwrap_or(1),
    }
}

/// Where the elements of some rows begin, and how many there are.
fn span<O: Copy + TryInto<usize>>(offsets: &[O], start: usize, rows: usize) -> (usize, usize) {
    let at = |row: usize| offsets[row].try_into().unwrap_or_default();
    (at(start), at(start + rows) - at(start))
}

fn view_bytes<T: ByteViewType + ?Sized>(
    array: &GenericByteViewArray<T>,
    start: usize,
    rows: usize,
) -> usize {
    array.lengths().skip(start).take(rows).map(|length| length as usize).sum()
}
