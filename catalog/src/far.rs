//! Reads Parquet files of a store that is far away in few requests, each of which takes a while.
//!
//! Footer and page index come by one request, of as much of the file's end as they are likely to
//! take. The reader asks for the columns of each condition, one after the other, and then for those
//! of the answer; with the first of them come, as long as it is little, the same rows of all columns
//! that the scan names. So a cone takes two requests of a tile, one after the other.

use std::collections::BTreeSet;
use std::ops::Range;
use std::sync::Arc;

use bytes::Bytes;
use datafusion::datasource::listing::PartitionedFile;
use datafusion::datasource::physical_plan::parquet::ParquetFileReaderFactory;
use datafusion::error::Result;
use datafusion::parquet::arrow::arrow_reader::ArrowReaderOptions;
use datafusion::parquet::arrow::async_reader::AsyncFileReader;
use datafusion::parquet::errors::Result as ParquetResult;
use datafusion::parquet::file::metadata::{ParquetMetaData, RowGroupMetaData};
use datafusion::parquet::file::page_index::offset_index::OffsetIndexMetaData;
use datafusion::physical_plan::metrics::ExecutionPlanMetricsSet;
use futures::FutureExt;
use futures::future::BoxFuture;

use crate::indexed::IndexedReaders;

/// So much is read ahead at most: what arrives in about the time that a request takes.
const AHEAD_BYTES: u64 = 4 << 20;

/// Footer and page index take less than this, …
const TAIL_LEAST_BYTES: u64 = 64 << 10;
/// … and this part of a file, with pages of two thousand rows; …
const TAIL_PART: u64 = 128;
/// … more than this is not read on a guess.
const TAIL_MOST_BYTES: u64 = 8 << 20;

/// Makes readers of files that are far away.
#[derive(Debug)]
pub(crate) struct FarReaders {
    near: IndexedReaders,
    /// The columns that a scan may read.
    columns: Arc<BTreeSet<String>>,
}

impl FarReaders {
    /// Readers of these columns.
    pub(crate) fn new(near: IndexedReaders, columns: impl IntoIterator<Item = String>) -> Self {
        Self { near, columns: Arc::new(columns.into_iter().collect()) }
    }
}

impl ParquetFileReaderFactory for FarReaders {
    fn create_reader(
        &self,
        partition: usize,
        file: PartitionedFile,
        _: Option<usize>,
        metrics: &ExecutionPlanMetricsSet,
    ) -> Result<Box<dyn AsyncFileReader + Send>> {
        let tail = (TAIL_LEAST_BYTES + file.object_meta.size / TAIL_PART).min(TAIL_MOST_BYTES);
        let tail = usize::try_from(tail).ok();
        let reader = self.near.create_reader(partition, file, tail, metrics)?;
        let columns = Arc::clone(&self.columns);
        Ok(Box::new(FarReader { reader, columns, metadata: None, ahead: Vec::new() }))
    }
}

struct FarReader {
    reader: Box<dyn AsyncFileReader + Send>,
    columns: Arc<BTreeSet<String>>,
    metadata: Option<Arc<ParquetMetaData>>,
    /// What was read of one row group, with its places in the file.
    ahead: Vec<(Range<u64>, Bytes)>,
}

impl AsyncFileReader for FarReader {
    fn get_bytes(&mut self, range: Range<u64>) -> BoxFuture<'_, ParquetResult<Bytes>> {
        self.reader.get_bytes(range)
    }

    fn get_byte_ranges(
        &mut self,
        ranges: Vec<Range<u64>>,
    ) -> BoxFuture<'_, ParquetResult<Vec<Bytes>>> {
        async move {
            if let Some(known) = self.known(&ranges) {
                return Ok(known);
            }
            let metadata = match &self.metadata {
                Some(metadata) => Arc::clone(metadata),
                // Another reader of the same file asked for it, and it was kept.
                None => self.load(ArrowReaderOptions::default()).await?,
            };
            let Some(more) = ahead(&metadata, &self.columns, &ranges) else {
                return self.reader.get_byte_ranges(ranges).await;
            };
            let pieces = merged(ranges.iter().cloned().chain(more).collect());
            let read = self.reader.get_byte_ranges(pieces.clone()).await?;
            self.ahead = pieces.into_iter().zip(read).collect();
            match self.known(&ranges) {
                Some(known) => Ok(known),
                // A store that gave less than was asked for.
                None => self.reader.get_byte_ranges(ranges).await,
            }
        }
        .boxed()
    }

    fn get_metadata<'a>(
        &'a mut self,
        options: Option<&'a ArrowReaderOptions>,
    ) -> BoxFuture<'a, ParquetResult<Arc<ParquetMetaData>>> {
        self.load(options.cloned().unwrap_or_default()).boxed()
    }
}

impl FarReader {
    /// The footer with the page index.
    async fn load(&mut self, options: ArrowReaderOptions) -> ParquetResult<Arc<ParquetMetaData>> {
        let metadata = self.reader.get_metadata(Some(&options)).await?;
        self.metadata = Some(Arc::clone(&metadata));
        Ok(metadata)
    }

    /// The bytes of ranges, if all of them are here.
    fn known(&self, ranges: &[Range<u64>]) -> Option<Vec<Bytes>> {
        let slice = |range: &Range<u64>| {
            let holds = |piece: &Range<u64>| piece.start <= range.start && range.end <= piece.end;
            let (piece, bytes) = self.ahead.iter().find(|(piece, _)| holds(piece))?;
            let start = usize::try_from(range.start - piece.start).ok()?;
            let end = usize::try_from(range.end - piece.start).ok()?;
            (end <= bytes.len()).then(|| bytes.slice(start..end))
        };
        ranges.iter().map(slice).collect()
    }
}

/// Ranges in order, those as one that touch.
fn merged(mut ranges: Vec<Range<u64>>) -> Vec<Range<u64>> {
    ranges.sort_unstable_by_key(|range| range.start);
    let mut merged: Vec<Range<u64>> = Vec::with_capacity(ranges.len());
    for range in ranges {
        match merged.last_mut() {
            Some(last) if range.start <= last.end => last.end = last.end.max(range.end),
            _ => merged.push(range),
        }
    }
    merged
}

/// What holds the same rows of all columns as these ranges do of some, in one row group; none where
/// it is much.
fn ahead(
    metadata: &ParquetMetaData,
    columns: &BTreeSet<String>,
    ranges: &[Range<u64>],
) -> Option<Vec<Range<u64>>> {
    let first = ranges.first()?;
    let (number, group) = metadata.row_groups().iter().enumerate().find(|(_, group)| {
        (0..group.num_columns()).any(|column| chunk(group, column).contains(&first.start))
    })?;
    let pages = |column: usize| metadata.offset_index()?.get(number)?.get(column);
    let asked = |part: &Range<u64>| {
        ranges.iter().any(|range| range.start < part.end && part.start < range.end)
    };
    // The rows that were asked for, from the first to the last.
    let mut rows: Option<Range<i64>> = None;
    for column in (0..group.num_columns()).filter(|column| asked(&chunk(group, *column))) {
        let touched = match pages(column).map(|pages| page_rows(pages, group.num_rows())) {
            None => 0..group.num_rows(),
            Some(pages) => {
                let mut touched = pages.into_iter().filter(|(bytes, _)| asked(bytes));
                let (_, first) = touched.next()?;
                first.start..touched.next_back().map_or(first.end, |(_, last)| last.end)
            }
        };
        rows = Some(rows.map_or(touched.clone(), |rows| {
            rows.start.min(touched.start)..rows.end.max(touched.end)
        }));
    }
    let rows = rows?;
    let mut found = Vec::new();
    let names = |column: usize| group.column(column).column_path().parts().first();
    for column in 0..group.num_columns() {
        if !names(column).is_some_and(|name| columns.contains(name)) {
            continue;
        }
        let chunk = chunk(group, column);
        match pages(column).map(|pages| page_rows(pages, group.num_rows())) {
            None => found.push(chunk),
            Some(pages) => {
                let begin = pages.first().map_or(chunk.end, |(bytes, _)| bytes.start);
                // The dictionary, if there is one.
                found.extend((chunk.start < begin).then_some(chunk.start..begin));
                let same =
                    |(_, of): &(Range<u64>, Range<i64>)| of.start < rows.end && rows.start < of.end;
                found.extend(pages.into_iter().filter(same).map(|(bytes, _)| bytes));
            }
        }
    }
    let bytes: u64 = found.iter().map(|range| range.end - range.start).sum();
    (bytes <= AHEAD_BYTES).then_some(found)
}

/// Where a column of a row group is.
fn chunk(group: &RowGroupMetaData, column: usize) -> Range<u64> {
    let (start, bytes) = group.column(column).byte_range();
    start..start.saturating_add(bytes)
}

/// The pages of a column of a row group of so many rows: their bytes and their rows.
fn page_rows(pages: &OffsetIndexMetaData, rows: i64) -> Vec<(Range<u64>, Range<i64>)> {
    let pages = pages.page_locations();
    let ends = pages.iter().skip(1).map(|page| page.first_row_index).chain([rows]);
    let of = pages.iter().zip(ends).filter_map(|(page, end)| {
        let start = u64::try_from(page.offset).ok()?;
        let bytes = u64::try_from(page.compressed_page_size).ok()?;
        Some((start..start.saturating_add(bytes), page.first_row_index..end))
    });
    of.collect()
}

#[cfg(test)]
mod tests {
    use super::merged;

    #[test]
    fn ranges_that_touch_become_one() {
        let ranges = vec![30..40, 0..10, 10..20, 15..18, 41..50];
        assert_eq!(merged(ranges), [0..20, 30..40, 41..50]);
        assert_eq!(merged(Vec::new()), []);
    }
}
