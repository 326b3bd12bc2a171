//! Parquet files with the metadata of `VOParquet` 1.0: the same columns as a VOTable, in binary.
//!
//! Row groups are encoded on all cores and leave when they are full, so that memory does not grow
//! with the result. The footer comes last, and so does its VOTable: it can tell that rows were cut.
//! A query that fails breaks the stream, and what was sent is no Parquet file.

mod plain;

use std::sync::Arc;

use bytes::Bytes;
use catalog::votable::{Info, OutputField, parquet_metadata};
use datafusion::arrow::array::{Array, RecordBatch};
use datafusion::arrow::compute::concat;
use datafusion::arrow::datatypes::{DataType, SchemaRef};
use datafusion::error::DataFusionError;
use datafusion::execution::SendableRecordBatchStream;
use datafusion::parquet::arrow::ArrowWriter;
use datafusion::parquet::arrow::arrow_writer::{
    ArrowColumnChunk, ArrowColumnWriter, ArrowRowGroupWriterFactory, compute_leaves,
};
use datafusion::parquet::basic::Compression;
use datafusion::parquet::errors::ParquetError;
use datafusion::parquet::file::properties::{EnabledStatistics, WriterProperties};
use datafusion::parquet::file::writer::SerializedFileWriter;
use datafusion::parquet::schema::types::ColumnPath;
use futures::future::{Either, ready};
use futures::stream::BoxStream;
use futures::{Stream, StreamExt, stream};

use crate::Error;
use crate::format::in_order::{ahead, at_once, started};
use crate::format::rows::{End, Taken, limited, value_bytes};
use crate::format::stream::{BATCHES_AHEAD, stopped};
use crate::format::votable::without_data;

/// A row group is complete when it has so many rows,
const GROUP_ROWS: usize = 128 * 1024;

/// or so many bytes in memory: large enough for readers, small enough for thousands of answers.
const GROUP_BYTES: usize = 16 * 1024 * 1024;

/// So many row groups of one answer are encoded at once, where there are as many cores.
const GROUPS_AT_ONCE: usize = 4;

/// Writes a result.
pub(super) fn encode(
    fields: Vec<OutputField>,
    infos: Vec<Info>,
    max_rows: Option<u64>,
    rows: SendableRecordBatchStream,
) -> impl Stream<Item = Result<Bytes, Error>> + Send + 'static {
    let schema = plain::schema(&fields, &rows.schema());
    let (file, columns) = match file(&schema) {
        Ok(parts) => parts,
        Err(error) => return stream::iter([Err(broken(error))]).boxed(),
    };
    let plain = {
        let schema = Arc::clone(&schema);
        limited(rows, max_rows).map(move |taken| match taken {
            Taken::End(end) => Taken::End(end),
            Taken::Rows(batch) => {
                Taken::from(plain::rows(&batch, &schema).map_err(|e| Error::Execution(e.into())))
            }
        })
    };
    let groups = encoded(ahead(plain, BATCHES_AHEAD), schema, Arc::new(columns)).boxed();
    let document = Writer { fields, infos, file: Some(file), groups };
    let chunks = stream::unfold(document, |mut document| async move {
        let chunk = document.next_chunk().await?;
        Some((chunk, document))
    });
    chunks.boxed()
}

fn file(
    schema: &SchemaRef,
) -> Result<(SerializedFileWriter<Vec<u8>>, ArrowRowGroupWriterFactory), ParquetError> {
    // Statistics of pages, and where pages are, would stay in memory until the end.
    let mut properties = WriterProperties::builder()
        .set_compression(Compression::SNAPPY)
        .set_statistics_enabled(EnabledStatistics::Chunk)
        .set_offset_index_disabled(true)
        .set_dictionary_enabled(false);
    // Text repeats itself; a dictionary of floats, or of ids, costs more than it saves.
    let texts = schema.fields().iter().filter(|field| field.data_type() == &DataType::Utf8);
    for field in texts {
        let column = ColumnPath::new(vec![field.name().clone()]);
        properties = properties.set_column_dictionary_enabled(column, true);
    }
    ArrowWriter::try_new(Vec::new(), Arc::clone(schema), Some(properties.build()))?
        .into_serialized_writer()
}

fn broken(error: ParquetError) -> Error {
    Error::Execution(DataFusionError::from(error))
}

/// The row groups, encoded, in their order.
fn encoded(
    batches: impl Stream<Item = Taken<RecordBatch>> + Send,
    schema: SchemaRef,
    columns: Arc<ArrowRowGroupWriterFactory>,
) -> impl Stream<Item = Taken<Vec<ArrowColumnChunk>>> + Send {
    let mut group = Group::default();
    let groups = batches.flat_map(move |taken| stream::iter(group.take(taken)));
    let begun = groups.enumerate().map(move |(nth, group)| {
        let batches = match group {
            Taken::Rows(batches) => batches,
            Taken::End(end) => return Either::Left(ready(Taken::End(end))),
        };
        let (schema, columns) = (Arc::clone(&schema), Arc::clone(&columns));
        let work = started(async move {
            let writers = columns.create_column_writers(nth).map_err(broken)?;
            encode_group(writers, &schema, &batches).await
        });
        Either::Right(async move { Taken::from(work.await) })
    });
    begun.buffered(GROUPS_AT_ONCE.min(at_once() - 1))
}

/// Encodes a row group, one column after the other; between two of them other tasks may run, and
/// this one may be ended.
async fn encode_group(
    writers: Vec<ArrowColumnWriter>,
    schema: &SchemaRef,
    batches: &[RecordBatch],
) -> Result<Vec<ArrowColumnChunk>, Error> {
    let mut chunks = Vec::with_capacity(writers.len());
    let mut writers = writers.into_iter();
    for (nth, field) in schema.fields().iter().enumerate() {
        let parts: Vec<&dyn Array> = batches.iter().map(|b| b.column(nth).as_ref()).collect();
        let column = concat(&parts).map_err(|error| Error::Execution(error.into()))?;
        let leaves = compute_leaves(field, &column).map_err(broken)?;
        for (leaf, mut writer) in leaves.iter().zip(writers.by_ref()) {
            writer.write(leaf).map_err(broken)?;
            chunks.push(writer.close().map_err(broken)?);
        }
        drop(leaves);
        tokio::task::yield_now().await;
    }
    Ok(chunks)
}

/// The rows of the row group to come. It is cut by what the rows are, never by how they came.
#[derive(Default)]
struct Group {
    batches: Vec<RecordBatch>,
    rows: usize,
    bytes: usize,
}

impl Group {
    /// The groups that are complete, and the end where it has come.
    fn take(&mut self, taken: Taken<RecordBatch>) -> Vec<Taken<Vec<RecordBatch>>> {
        let mut complete = Vec::new();
        match taken {
            Taken::Rows(mut batch) => {
                while batch.num_rows() > 0 {
                    let rows = self.rows_to_end(&batch);
                    self.bytes += batch_bytes(&batch, rows);
                    self.rows += rows;
                    self.batches.push(batch.slice(0, rows));
                    batch = batch.slice(rows, batch.num_rows() - rows);
                    if self.rows >= GROUP_ROWS || self.bytes >= GROUP_BYTES {
                        complete.push(Taken::Rows(std::mem::take(self).batches));
                    }
                }
            }
            Taken::End(end) => {
                let last = std::mem::take(self);
                if last.rows > 0 {
                    complete.push(Taken::Rows(last.batches));
                }
                complete.push(Taken::End(end));
            }
        }
        complete
    }

    /// The rows up to the one that completes the group; all, where none does.
    fn rows_to_end(&self, batch: &RecordBatch) -> usize {
        let (mut fewest, mut most) = (1, batch.num_rows().min(GROUP_ROWS - self.rows));
        while fewest < most {
            let middle = usize::midpoint(fewest, most);
            if self.bytes + batch_bytes(batch, middle) >= GROUP_BYTES {
                most = middle;
            } else {
                fewest = middle + 1;
            }
        }
        most
    }
}

fn batch_bytes(batch: &RecordBatch, rows: usize) -> usize {
    batch.columns().iter().map(|column| value_bytes(column, 0, rows)).sum()
}

struct Writer {
    fields: Vec<OutputField>,
    infos: Vec<Info>,
    /// None after the end.
    file: Option<SerializedFileWriter<Vec<u8>>>,
    groups: BoxStream<'static, Taken<Vec<ArrowColumnChunk>>>,
}

impl Writer {
    /// The next row group, or the footer.
    async fn next_chunk(&mut self) -> Option<Result<Bytes, Error>> {
        let mut file = self.file.take()?;
        let chunk = match self.groups.next().await {
            Some(Taken::Rows(group)) => {
                let chunk = append(&mut file, group);
                self.file = chunk.is_ok().then_some(file);
                chunk.map_err(broken)
            }
            Some(Taken::End(End::Broken(error))) => Err(error),
            None => Err(stopped()),
            Some(Taken::End(end @ (End::Complete | End::Overflow(_)))) => {
                self.finish(file, &end).map_err(broken)
            }
        };
        if let Err(error) = &chunk {
            tracing::warn!(%error, "query failed after its answer had begun");
        }
        if self.file.is_none() {
            self.groups = stream::empty().boxed();
        }
        Some(chunk)
    }

    /// Everything that is not yet sent, with the footer (`VOParquet` 1.0 §3).
    fn finish(
        &self,
        mut file: SerializedFileWriter<Vec<u8>>,
        end: &End,
    ) -> Result<Bytes, ParquetError> {
        let votable = without_data(&self.fields, &self.infos, end);
        for pair in parquet_metadata(&votable) {
            file.append_key_value_metadata(pair);
        }
        file.into_inner().map(Bytes::from)
    }
}

/// Appends a row group, and takes what the file has become.
fn append(
    file: &mut SerializedFileWriter<Vec<u8>>,
    group: Vec<ArrowColumnChunk>,
) -> Result<Bytes, ParquetError> {
    let mut row_group = file.next_row_group()?;
    for chunk in group {
        chunk.append_to_row_group(&mut row_group)?;
    }
    row_group.close()?;
    file.flush()?;
    // The file counts its bytes by itself.
    Ok(Bytes::from(std::mem::take(file.inner_mut())))
}
