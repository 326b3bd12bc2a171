//! The search of an id index: only the pages are read that can hold the ids.

use std::collections::HashSet;
use std::ops::Range;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use adql::sky::{self, Pixel};
use bytes::Bytes;
use datafusion::arrow::array::{Array, ArrayRef, AsArray, RecordBatch};
use datafusion::arrow::compute::cast;
use datafusion::arrow::datatypes::{DataType, UInt64Type};
use datafusion::arrow::error::ArrowError;
use datafusion::arrow::row::Row;
use datafusion::datasource::listing::PartitionedFile;
use datafusion::datasource::physical_plan::parquet::ParquetFileReaderFactory;
use datafusion::execution::runtime_env::RuntimeEnv;
use datafusion::parquet::arrow::ProjectionMask;
use datafusion::parquet::arrow::arrow_reader::{ArrowReaderOptions, RowSelection, RowSelector};
use datafusion::parquet::arrow::async_reader::{AsyncFileReader, ParquetRecordBatchStreamBuilder};
use datafusion::parquet::errors::Result as ParquetResult;
use datafusion::parquet::file::metadata::ParquetMetaData;
use datafusion::physical_plan::metrics::ExecutionPlanMetricsSet;
use futures::future::BoxFuture;
use futures::{StreamExt, TryStreamExt};

use super::Unused;
use super::index::{IdIndex, IndexFile, Opened, READ, keys};
use super::pages::{self, Page, within};
use crate::Error;
use crate::hats::TILE_COLUMNS;
use crate::indexed::IndexedReaders;

/// Rows of an index that are looked at for one query, at most.
pub(super) const ROWS_MAX: u64 = 1 << 23;
/// Files that are searched at the same time.
const CONCURRENCY: usize = 8;
/// The footer of most files with its page index is within so much of their end.
const TAIL_BYTES: usize = 128 << 10;
/// Rows that are decoded at a time.
const BATCH_ROWS: usize = 8_192;

static READS: AtomicU64 = AtomicU64::new(0);

/// How often this process has read pages of id indexes since it started.
pub fn index_reads() -> u64 {
    READS.load(Ordering::Relaxed)
}

/// What an index says of some ids.
#[derive(Debug, Default)]
pub(super) struct Entries {
    /// How many different ids were asked for.
    pub(super) ids: usize,
    /// Entries that have one of them, more or less.
    pub(super) matched: u64,
    /// Entries that were looked at.
    pub(super) looked_at: u64,
    /// The tiles that those lead to.
    pub(super) pixels: HashSet<Pixel>,
}

/// Looks ids up. Once they lead to all tiles of the table, nothing more is read.
pub(super) async fn search(
    index: &IdIndex,
    opened: &Opened,
    tiles: usize,
    runtime: &Arc<RuntimeEnv>,
    ids: &ArrayRef,
) -> Result<Entries, Unused> {
    let failed = |e| Error::compute(READ, e);
    // A value that the type of the index has not becomes NULL, and is not in it.
    let ids = cast(ids, opened.key_type()).map_err(failed)?;
    let rows = keys(&ids, opened.key_type()).map_err(failed)?;
    let valid = rows.iter().enumerate().filter(|(at, _)| ids.is_valid(*at));
    let mut wanted: Vec<Row<'_>> = valid.map(|(_, row)| row).collect();
    wanted.sort_unstable();
    wanted.dedup();
    let looked_at = AtomicU64::new(0);
    let found = Mutex::default();
    let search = Search { index, opened, tiles, runtime, looked_at, found };
    let mut searches = Vec::new();
    for file in &opened.files {
        let own = match &file.values {
            Some([least, most]) => within(&wanted, least.row(), most.row()),
            None => &wanted,
        };
        if !own.is_empty() {
            searches.push(search.file(file, own));
        }
    }
    let searches = futures::stream::iter(searches).buffer_unordered(CONCURRENCY);
    let matched = searches.try_fold(0, |sum, matched| std::future::ready(Ok(sum + matched)));
    let matched = matched.await?;
    let looked_at = search.looked_at.load(Ordering::Relaxed);
    let pixels = search.found.into_inner().unwrap_or_else(PoisonError::into_inner);
    Ok(Entries { ids: wanted.len(), matched, looked_at, pixels })
}

struct Search<'a> {
    index: &'a IdIndex,
    opened: &'a Opened,
    /// Tiles of the table.
    tiles: usize,
    runtime: &'a Arc<RuntimeEnv>,
    /// Rows that were looked at.
    looked_at: AtomicU64,
    /// The tiles to which ids led so far.
    found: Mutex<HashSet<Pixel>>,
}

impl Search<'_> {
    fn found(&self) -> MutexGuard<'_, HashSet<Pixel>> {
        self.found.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn has_all(&self) -> bool {
        self.found().len() >= self.tiles
    }

    /// How many entries of a file have one of the ids. Of the pages whose entries lead to one tile,
    /// one is read for each tile at first, and the others only if that held none of the ids.
    async fn file(&self, file: &IndexFile, ids: &[Row<'_>]) -> Result<u64, Unused> {
        if self.has_all() {
            return Ok(0);
        }
        let (_, chosen) = self.open(file, ids).await?;
        let (mut matched, mut seen) = (0, HashSet::new());
        let found = self.found().clone();
        let first = chosen.iter().map(|page| match page.tile {
            None => page.ids > 0,
            Some(tile) => page.ids > 0 && !found.contains(&tile) && seen.insert(tile),
        });
        let first: Vec<bool> = first.collect();
        matched += self.read(file, ids, &first).await?;
        let found = self.found().clone();
        let rest = chosen.iter().zip(&first).map(|(page, was_read)| {
            page.ids > 0 && !was_read && page.tile.is_none_or(|tile| !found.contains(&tile))
        });
        let rest: Vec<bool> = rest.collect();
        matched += self.read(file, ids, &rest).await?;
        for (page, was_read) in chosen.iter().zip(first.iter().zip(&rest)) {
            if !was_read.0 && !was_read.1 {
                matched += page.ids as u64;
            }
        }
        Ok(matched)
    }

    /// Opens a file, and tells of its pages.
    async fn open(
        &self,
        file: &IndexFile,
        ids: &[Row<'_>],
    ) -> Result<(ParquetRecordBatchStreamBuilder<CountingReader>, Vec<Page>), Unused> {
        let path = &file.meta.location;
        let options = ArrowReaderOptions::new();
        let builder =
            ParquetRecordBatchStreamBuilder::new_with_options(self.reader(file)?, options);
        let builder = builder.await.map_err(|e| Error::parquet(path, e))?;
        let (metadata, schema) = (builder.metadata(), builder.schema());
        let pages =
            pages::of_file(metadata, schema, self.index.column(), self.opened.key_type(), ids);
        let pages = pages.map_err(|e| Error::compute(READ, e))?;
        Ok((builder, pages))
    }

    /// Reads some pages of a file: how many of their entries have one of the ids.
    async fn read(
        &self,
        file: &IndexFile,
        ids: &[Row<'_>],
        is_read: &[bool],
    ) -> Result<u64, Unused> {
        if !is_read.contains(&true) || self.has_all() {
            return Ok(0);
        }
        let path = &file.meta.location;
        let parquet = |e| Error::parquet(path, e);
        let (builder, pages) = self.open(file, ids).await?;
        let rows = pages.iter().zip(is_read).filter(|(_, is_read)| **is_read);
        let rows = rows.map(|(page, _)| page.rows as u64).sum();
        if self.looked_at.fetch_add(rows, Ordering::Relaxed) + rows > ROWS_MAX {
            return Err(Unused::Scattered);
        }
        let mut groups: Vec<usize> = pages.iter().map(|page| page.group).collect();
        groups.dedup();
        let selectors = pages.iter().zip(is_read);
        let selectors = selectors
            .map(|(page, is_read)| RowSelector { row_count: page.rows, skip: !is_read })
            .collect::<Vec<_>>();
        let [order, _, pixel] = TILE_COLUMNS;
        let names = [self.index.column(), order, pixel];
        let mask = ProjectionMask::columns(builder.parquet_schema(), names);
        let stream = builder
            .with_row_groups(groups)
            .with_row_selection(RowSelection::from(selectors))
            .with_projection(mask)
            .with_batch_size(BATCH_ROWS)
            .build();
        let mut stream = stream.map_err(parquet)?;
        let mut matched = 0;
        while let Some(batch) = stream.try_next().await.map_err(parquet)? {
            let entries = look_at(&batch, names, ids, self.opened.key_type());
            for pixel in entries.map_err(|e| Error::compute(READ, e))? {
                let reason = || format!("{path} has an entry that leads to no pixel");
                let pixel = pixel.ok_or_else(|| Unused::NotOfTable(reason()))?;
                self.found().insert(pixel);
                matched += 1;
            }
            if self.has_all() {
                break;
            }
        }
        Ok(matched)
    }

    fn reader(&self, file: &IndexFile) -> Result<CountingReader, Unused> {
        let readers = IndexedReaders::new(self.runtime, Arc::clone(self.index.store()));
        let mut part = PartitionedFile::new("", file.meta.size);
        part.object_meta = file.meta.clone();
        let metrics = ExecutionPlanMetricsSet::new();
        let reader = readers.create_reader(0, part, Some(TAIL_BYTES), &metrics);
        let path = &file.meta.location;
        reader.map(CountingReader).map_err(|e| Error::malformed(path, e.to_string()).into())
    }
}

/// Where the entries of a batch lead that have one of the ids.
fn look_at(
    batch: &RecordBatch,
    [column, order, pixel]: [&str; 3],
    ids: &[Row<'_>],
    key_type: &DataType,
) -> Result<Vec<Option<Pixel>>, ArrowError> {
    let named = |name: &str| {
        let found = batch.column_by_name(name);
        found.ok_or_else(|| ArrowError::SchemaError(format!("no column {name} was read")))
    };
    let values = keys(named(column)?, key_type)?;
    let number = |name: &str| cast(named(name)?, &DataType::UInt64);
    let (order, pixel) = (number(order)?, number(pixel)?);
    let (order, pixel) = (order.as_primitive::<UInt64Type>(), pixel.as_primitive::<UInt64Type>());
    let mut found = Vec::new();
    // Values are sorted: the place of the next is not far behind that of the last.
    let mut at = 0;
    for (row, value) in values.iter().enumerate() {
        if at > 0 && ids[at - 1] >= value {
            at = ids.partition_point(|id| *id < value);
        }
        while at < ids.len() && ids[at] < value {
            at += 1;
        }
        if ids.get(at) == Some(&value) {
            let told = order.is_valid(row) && pixel.is_valid(row);
            let of_order = u8::try_from(order.value(row)).ok().and_then(sky::Order::new);
            found.push(
                of_order.filter(|_| told).and_then(|order| Pixel::new(order, pixel.value(row))),
            );
        }
    }
    Ok(found)
}

/// A reader whose reads of pages are counted.
struct CountingReader(Box<dyn AsyncFileReader + Send>);

impl AsyncFileReader for CountingReader {
    fn get_bytes(&mut self, range: Range<u64>) -> BoxFuture<'_, ParquetResult<Bytes>> {
        READS.fetch_add(1, Ordering::Relaxed);
        self.0.get_bytes(range)
    }

    fn get_byte_ranges(
        &mut self,
        ranges: Vec<Range<u64>>,
    ) -> BoxFuture<'_, ParquetResult<Vec<Bytes>>> {
        READS.fetch_add(1, Ordering::Relaxed);
        self.0.get_byte_ranges(ranges)
    }

    fn get_metadata<'a>(
        &'a mut self,
        options: Option<&'a ArrowReaderOptions>,
    ) -> BoxFuture<'a, ParquetResult<Arc<ParquetMetaData>>> {
        self.0.get_metadata(options)
    }
}
