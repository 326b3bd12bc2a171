//! A Parquet file of a table: its footer, and its columns a row group at a time, so that damage is
//! told with its place and memory holds a few column chunks.

use std::ops::Range;

use bytes::Bytes;
use bytes::buf::{Buf, Reader};
use datafusion::arrow::array::RecordBatch;
use datafusion::arrow::datatypes::{Field, SchemaRef};
use datafusion::arrow::error::ArrowError;
use datafusion::parquet::arrow::ProjectionMask;
use datafusion::parquet::arrow::arrow_reader::{
    ArrowReaderMetadata, ArrowReaderOptions, ParquetRecordBatchReaderBuilder, RowSelection,
};
use datafusion::parquet::errors::ParquetError;
use datafusion::parquet::file::metadata::{ColumnChunkMetaData, ParquetMetaData};
use datafusion::parquet::file::reader::{ChunkReader, Length};
use object_store::path::Path;

use super::access::Access;
use crate::Error;

/// Rows that are decoded at a time.
const BATCH_ROWS: usize = 65_536;
/// Column chunks that lie next to each other are fetched together up to this size.
const FETCH_BYTES: u64 = 16 << 20;

/// A file with its footer.
#[derive(Debug)]
pub(super) struct TableFile {
    pub(super) path: Path,
    size: u64,
    footer: ArrowReaderMetadata,
    /// The columns of Parquet that each column of Arrow is made of.
    leaves: Vec<Vec<usize>>,
    /// Rows before each row group.
    firsts: Vec<u64>,
}

/// Parts of a file.
#[derive(Debug, Clone, Default)]
pub(super) struct Fetched {
    parts: Vec<(u64, Bytes)>,
    size: u64,
}

impl TableFile {
    /// Reads the footer of a file of this size.
    pub(super) fn open(access: &Access, path: &Path, size: u64) -> Result<Self, Error> {
        let footer = access.footer(path, size)?;
        let footer = ArrowReaderMetadata::try_new(footer.into(), ArrowReaderOptions::new())
            .map_err(|e| Error::parquet(&path, e))?;
        let descriptor = footer.parquet_schema();
        let mut leaves = vec![Vec::new(); footer.schema().fields().len()];
        for leaf in 0..descriptor.num_columns() {
            if let Some(of_root) = leaves.get_mut(descriptor.get_column_root_idx(leaf)) {
                of_root.push(leaf);
            }
        }
        let mut firsts = Vec::new();
        let mut rows = 0;
        for group in footer.metadata().row_groups() {
            firsts.push(rows);
            rows += u64::try_from(group.num_rows()).unwrap_or(0);
        }
        Ok(Self { path: path.clone(), size, footer, leaves, firsts })
    }

    pub(super) fn schema(&self) -> &SchemaRef {
        self.footer.schema()
    }

    pub(super) fn field(&self, column: usize) -> &Field {
        self.schema().field(column)
    }

    pub(super) fn metadata(&self) -> &ParquetMetaData {
        self.footer.metadata()
    }

    pub(super) fn groups(&self) -> usize {
        self.metadata().num_row_groups()
    }

    /// Rows as the footer counts them.
    pub(super) fn rows(&self) -> u64 {
        u64::try_from(self.metadata().file_metadata().num_rows()).unwrap_or(0)
    }

    /// Rows of the file before a row group.
    pub(super) fn rows_before(&self, group: usize) -> u64 {
        self.firsts[group]
    }

    /// The place of a column of this name.
    pub(super) fn column(&self, name: &str) -> Option<usize> {
        self.schema().index_of(name).ok()
    }

    /// The columns of Parquet that a column is made of.
    pub(super) fn leaves(&self, column: usize) -> &[usize] {
        &self.leaves[column]
    }

    /// Where the chunks of a column lie in the file.
    fn chunk_ranges(&self, group: usize, column: usize) -> Result<Vec<Range<u64>>, Error> {
        let group = self.metadata().row_group(group);
        let range = |leaf: &usize| {
            chunk_range(group.column(*leaf), self.size).ok_or_else(|| {
                let name = self.field(column).name();
                Error::malformed(&self.path, format!("its footer puts {name} beyond its end"))
            })
        };
        self.leaves[column].iter().map(range).collect()
    }

    /// The bytes of a column and of columns behind it, if they are not there already.
    pub(super) fn fetch(
        &self,
        access: &Access,
        group: usize,
        column: usize,
        fetched: &mut Fetched,
    ) -> Result<(), Error> {
        let wanted = self.chunk_ranges(group, column)?;
        if wanted.iter().all(|range| fetched.slice(range).is_some()) {
            return Ok(());
        }
        let Some(mut span) = hull(&wanted) else { return Ok(()) };
        for next in column + 1..self.leaves.len() {
            let Some(more) = self.chunk_ranges(group, next).ok().and_then(|r| hull(&r)) else {
                break;
            };
            let end = span.end.max(more.end);
            if more.start < span.start || end - span.start > FETCH_BYTES {
                break;
            }
            span.end = end;
        }
        let bytes = access.range(&self.path, span.clone())?;
        *fetched = Fetched { parts: vec![(span.start, bytes)], size: self.size };
        Ok(())
    }

    /// The bytes of some columns, each by itself.
    pub(super) fn fetch_all(
        &self,
        access: &Access,
        group: usize,
        columns: &[usize],
    ) -> Result<Fetched, Error> {
        let mut fetched = Fetched { parts: Vec::new(), size: self.size };
        for column in columns {
            if let Some(span) = hull(&self.chunk_ranges(group, *column)?) {
                let bytes = access.range(&self.path, span.clone())?;
                fetched.parts.push((span.start, bytes));
            }
        }
        Ok(fetched)
    }

    /// The stored bytes of each chunk of a column that was fetched.
    pub(super) fn chunks(&self, group: usize, column: usize, fetched: &Fetched) -> Vec<Bytes> {
        let ranges = self.chunk_ranges(group, column).unwrap_or_default();
        ranges.iter().filter_map(|range| fetched.slice(range)).collect()
    }

    /// Decodes columns of a row group that were fetched, or the selected rows of them.
    pub(super) fn decode(
        &self,
        group: usize,
        columns: &[usize],
        fetched: &Fetched,
        selection: Option<RowSelection>,
    ) -> Result<impl Iterator<Item = Result<RecordBatch, ArrowError>> + use<>, Error> {
        let mask = ProjectionMask::roots(self.footer.parquet_schema(), columns.iter().copied());
        let builder = ParquetRecordBatchReaderBuilder::new_with_metadata(
            fetched.clone(),
            self.footer.clone(),
        );
        let mut builder =
            builder.with_row_groups(vec![group]).with_projection(mask).with_batch_size(BATCH_ROWS);
        if let Some(selection) = selection {
            builder = builder.with_row_selection(selection);
        }
        builder.build().map_err(|e| Error::parquet(&self.path, e))
    }
}

/// Where a column chunk lies, if it lies in a file of this size.
fn chunk_range(chunk: &ColumnChunkMetaData, size: u64) -> Option<Range<u64>> {
    let start = chunk.dictionary_page_offset().unwrap_or_else(|| chunk.data_page_offset());
    let start = u64::try_from(start).ok()?;
    let end = start.checked_add(u64::try_from(chunk.compressed_size()).ok()?)?;
    (end <= size).then_some(start..end)
}

fn hull(ranges: &[Range<u64>]) -> Option<Range<u64>> {
    let start = ranges.iter().map(|range| range.start).min()?;
    let end = ranges.iter().map(|range| range.end).max()?;
    (start < end).then_some(start..end)
}

impl Fetched {
    fn slice(&self, range: &Range<u64>) -> Option<Bytes> {
        self.parts.iter().find_map(|(start, bytes)| {
            let from = usize::try_from(range.start.checked_sub(*start)?).ok()?;
            let length = usize::try_from(range.end - range.start).ok()?;
            let end = from.checked_add(length)?;
            (end <= bytes.len()).then(|| bytes.slice(from..end))
        })
    }
}

impl Length for Fetched {
    fn len(&self) -> u64 {
        self.size
    }
}

impl ChunkReader for Fetched {
    type T = Reader<Bytes>;

    fn get_read(&self, start: u64) -> Result<Self::T, ParquetError> {
        let part = self.parts.iter().find_map(|(first, bytes)| {
            let from = usize::try_from(start.checked_sub(*first)?).ok()?;
            (from < bytes.len()).then(|| bytes.slice(from..))
        });
        let beyond = || ParquetError::EOF(format!("byte {start} lies in no page of the column"));
        part.map(Buf::reader).ok_or_else(beyond)
    }

    fn get_bytes(&self, start: u64, length: usize) -> Result<Bytes, ParquetError> {
        let end = start.saturating_add(u64::try_from(length).unwrap_or(u64::MAX));
        self.slice(&(start..end)).ok_or_else(|| {
            ParquetError::EOF(format!("bytes {start} to {end} lie in no page of the column"))
        })
    }
}
