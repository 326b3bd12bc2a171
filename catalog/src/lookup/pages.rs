//! The search of an id index: only the pages are read that can hold the ids.

use std::cmp::Ordering as Order;
use std::collections::HashSet;
use std::ops::Range;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use adql::sky::{self, Pixel};
use bytes::Bytes;
use datafusion::arrow::array::{Array, ArrayRef, AsArray, RecordBatch};
use datafusion::arrow::compute::cast;
use datafusion::arrow::datatypes::{DataType, UInt64Type};
use datafusion::arrow::error::ArrowError;
use datafusion::arrow::row::{OwnedRow, Row};
use datafusion::datasource::listing::PartitionedFile;
use datafusion::datasource::physical_plan::parquet::ParquetFileReaderFactory;
use datafusion::execution::runtime_env::RuntimeEnv;
use datafusion::parquet::arrow::ProjectionMask;
use datafusion::parquet::arrow::arrow_reader::statistics::StatisticsConverter;
use datafusion::parquet::arrow::arrow_reader::{ArrowReaderOptions, RowSelection, RowSelector};
use datafusion::parquet::arrow::async_reader::{AsyncFileReader, ParquetRecordBatchStreamBuilder};
use datafusion::parquet::errors::Result as ParquetResult;
use datafusion::parquet::file::metadata::ParquetMetaData;
use datafusion::physical_plan::metrics::ExecutionPlanMetricsSet;
use futures::future::BoxFuture;
use futures::{StreamExt, TryStreamExt};

use super::Unused;
use super::index::{IdIndex, IndexFile, Opened, READ, keys};
use crate::Error;
use crate::hats::TILE_COLUMNS;
use crate::indexed::IndexedReaders;

/// Rows of an index that are looked at for one query, at most.
pub(super) const ROWS_MAX: u64 = 1 << 24;
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
    /// Entries that have one of them.
    pub(super) matched: u64,
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
    let search = Search { index, opened, runtime, looked_at: AtomicU64::new(0) };
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
    let mut found = futures::stream::iter(searches).buffer_unordered(CONCURRENCY);
    let mut entries = Entries { ids: wanted.len(), ..Entries::default() };
    while let Some((matched, pixels)) = found.try_next().await? {
        entries.matched += matched;
        entries.pixels.extend(pixels);
        if entries.pixels.len() >= tiles {
            break;
        }
    }
    Ok(entries)
}

/// Those of sorted ids that are not outside of two values.
fn within<'a, 'b>(ids: &'b [Row<'a>], least: Row<'_>, most: Row<'_>) -> &'b [Row<'a>] {
    let start = ids.partition_point(|id| id.cmp(&least) == Order::Less);
    let end = ids.partition_point(|id| id.cmp(&most) != Order::Greater);
    ids.get(start..end).unwrap_or_default()
}

struct Search<'a> {
    index: &'a IdIndex,
    opened: &'a Opened,
    runtime: &'a Arc<RuntimeEnv>,
    /// Rows that were looked at.
    looked_at: AtomicU64,
}

impl Search<'_> {
    /// How many entries of a file have one of the ids, and where they lead.
    async fn file(
        &self,
        file: &IndexFile,
        ids: &[Row<'_>],
    ) -> Result<(u64, HashSet<Pixel>), Unused> {
        let path = &file.meta.location;
        let parquet = |e| Error::parquet(path, e);
        let reader = self.reader(file)?;
        let options = ArrowReaderOptions::new();
        let builder = ParquetRecordBatchStreamBuilder::new_with_options(reader, options);
        let builder = builder.await.map_err(parquet)?;
        let (metadata, schema) = (Arc::clone(builder.metadata()), Arc::clone(builder.schema()));
        let column = self.index.column();
        let converter = StatisticsConverter::try_new(column, &schema, builder.parquet_schema());
        let converter = converter.map_err(parquet)?;
        let chosen = choose(&metadata, &converter, ids, self.opened.key_type());
        let (groups, selectors) = chosen.map_err(|e| Error::compute(READ, e))?;
        let rows: usize = selectors.iter().filter(|s| !s.skip).map(|s| s.row_count).sum();
        if rows == 0 {
            return Ok(Default::default());
        }
        if self.looked_at.fetch_add(rows as u64, Ordering::Relaxed) + rows as u64 > ROWS_MAX {
            return Err(Unused::Scattered);
        }
        let [order, _, pixel] = TILE_COLUMNS;
        let names = [column, order, pixel];
        let mask = ProjectionMask::columns(builder.parquet_schema(), names);
        let stream = builder
            .with_row_groups(groups)
            .with_row_selection(RowSelection::from(selectors))
            .with_projection(mask)
            .with_batch_size(BATCH_ROWS)
            .build();
        let mut stream = stream.map_err(parquet)?;
        let (mut matched, mut pixels) = (0, HashSet::new());
        while let Some(batch) = stream.try_next().await.map_err(parquet)? {
            let found = look_at(&batch, names, ids, self.opened.key_type());
            for pixel in found.map_err(|e| Error::compute(READ, e))? {
                let reason = || format!("{path} has an entry that leads to no pixel");
                pixels.insert(pixel.ok_or_else(|| Unused::NotOfTable(reason()))?);
                matched += 1;
            }
        }
        Ok((matched, pixels))
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

/// The row groups of a file that can hold ids, and which of their rows.
fn choose(
    metadata: &ParquetMetaData,
    converter: &StatisticsConverter<'_>,
    ids: &[Row<'_>],
    key_type: &DataType,
) -> Result<(Vec<usize>, Vec<RowSelector>), ArrowError> {
    let groups = metadata.row_groups();
    let ranges =
        ranges(&converter.row_group_mins(groups)?, &converter.row_group_maxes(groups)?, key_type)?;
    let may_hold = |range: &Option<[OwnedRow; 2]>| match range {
        Some([least, most]) => !within(ids, least.row(), most.row()).is_empty(),
        None => true,
    };
    let (mut chosen, mut selectors) = (Vec::new(), Vec::new());
    for number in (0..ranges.len()).filter(|number| may_hold(&ranges[*number])) {
        chosen.push(number);
        let rows = usize::try_from(groups[number].num_rows()).unwrap_or(0);
        let pages = match (metadata.column_index(), metadata.offset_index()) {
            (Some(columns), Some(offsets)) => {
                let least = converter.data_page_mins(columns, offsets, [&number])?;
                let most = converter.data_page_maxes(columns, offsets, [&number])?;
                let counts = converter.data_page_row_counts(offsets, groups, [&number])?;
                counts.map(|counts| {
                    Ok::<_, ArrowError>((self::ranges(&least, &most, key_type)?, counts))
                })
            }
            _ => None,
        };
        match pages.transpose()? {
            Some((pages, counts)) if pages.len() == counts.len() => {
                for (page, count) in pages.iter().zip(counts.values()) {
                    let count = usize::try_from(*count).unwrap_or(0);
                    selectors.push(if may_hold(page) {
                        RowSelector::select(count)
                    } else {
                        RowSelector::skip(count)
                    });
                }
            }
            _ => selectors.push(RowSelector::select(rows)),
        }
    }
    Ok((chosen, selectors))
}

/// Between which values each of some row groups or pages lies; none where that is not told.
fn ranges(
    least: &ArrayRef,
    most: &ArrayRef,
    key_type: &DataType,
) -> Result<Vec<Option<[OwnedRow; 2]>>, ArrowError> {
    let rows = [keys(least, key_type)?, keys(most, key_type)?];
    let told = |at: usize| least.is_valid(at) && most.is_valid(at);
    let range = |at: usize| told(at).then(|| rows.each_ref().map(|rows| rows.row(at).owned()));
    Ok((0..least.len()).map(range).collect())
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
