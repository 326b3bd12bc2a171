//! Id indexes: from the values of a column to the tiles that hold them.
//!
//! Each tile leaves its distinct values, sorted, in a file; a part of the index is then a range of
//! values over all these files. Parts are made independently, and none needs more memory than its
//! rows.

use std::fs::File;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use adql::sky::Pixel;
use datafusion::arrow::array::{
    Array, ArrayRef, RecordBatch, UInt8Array, UInt32Array, UInt64Array,
};
use datafusion::arrow::compute::{
    SortColumn, SortOptions, concat, lexsort_to_indices, partition, sort, take,
};
use datafusion::arrow::datatypes::{DataType, Field, Schema, SchemaRef};
use datafusion::arrow::error::ArrowError;
use datafusion::arrow::ipc::reader::FileReader;
use datafusion::arrow::ipc::writer::FileWriter;
use datafusion::arrow::row::{OwnedRow, RowConverter, SortField};

use crate::Error;
use crate::hats::TILE_COLUMNS;

/// Rows of a part, more or less.
const PART_ROWS: usize = 1_000_000;
/// Values that are read together; a part reads one such chunk too many of each tile.
const CHUNK_ROWS: usize = 4_096;

/// The distinct values of a column in one tile.
#[derive(Debug)]
pub(super) struct Values {
    path: PathBuf,
    /// The first value of each chunk, in a form that compares.
    firsts: Vec<OwnedRow>,
}

/// Whether values of a type can be looked up by an index.
pub(super) fn is_indexable(data_type: &DataType) -> bool {
    data_type.is_integer()
        || matches!(data_type, DataType::Utf8 | DataType::LargeUtf8 | DataType::Utf8View)
}

fn converter(data_type: &DataType) -> Result<RowConverter, ArrowError> {
    RowConverter::new(vec![SortField::new(data_type.clone())])
}

impl Values {
    /// Keeps the distinct values of these columns of one tile in a file; a NULL is none.
    pub(super) fn keep(path: PathBuf, columns: &[ArrayRef]) -> Result<Self, Error> {
        let kept = Self::distinct(columns).and_then(|values| {
            let field = Field::new("value", values.data_type().clone(), false);
            let schema = Arc::new(Schema::new(vec![field]));
            let file = File::create(&path)?;
            let mut writer = FileWriter::try_new(file, &schema)?;
            let converter = converter(values.data_type())?;
            let mut firsts = Vec::new();
            for start in (0..values.len()).step_by(CHUNK_ROWS) {
                let chunk = values.slice(start, CHUNK_ROWS.min(values.len() - start));
                firsts.push(converter.convert_columns(&[chunk.slice(0, 1)])?.row(0).owned());
                writer.write(&RecordBatch::try_new(Arc::clone(&schema), vec![chunk])?)?;
            }
            writer.finish()?;
            Ok(firsts)
        });
        match kept {
            Ok(firsts) => Ok(Self { path, firsts }),
            Err(e) => Err(Error::write(&path, e)),
        }
    }

    fn distinct(columns: &[ArrayRef]) -> Result<ArrayRef, ArrowError> {
        let columns: Vec<&dyn Array> = columns.iter().map(AsRef::as_ref).collect();
        let options = SortOptions { descending: false, nulls_first: false };
        let sorted = sort(&concat(&columns)?, Some(options))?;
        let sorted = sorted.slice(0, sorted.len() - sorted.null_count());
        if sorted.is_empty() {
            return Ok(sorted);
        }
        let firsts = partition(&[Arc::clone(&sorted)])?.ranges().into_iter().map(|r| r.start);
        let firsts: UInt64Array =
            firsts.map(|first| u64::try_from(first).unwrap_or(u64::MAX)).collect();
        take(&sorted, &firsts, None)
    }

    /// The values from `low` on and below `high`.
    fn between(
        &self,
        low: Option<&OwnedRow>,
        high: Option<&OwnedRow>,
    ) -> Result<Vec<ArrayRef>, ArrowError> {
        let from = low
            .map_or(0, |low| self.firsts.partition_point(|first| first <= low).saturating_sub(1));
        let end = high.map_or(self.firsts.len(), |high| self.firsts.partition_point(|f| f < high));
        if from >= end {
            return Ok(Vec::new());
        }
        let mut reader = FileReader::try_new(File::open(&self.path)?, None)?;
        reader.set_index(from)?;
        let mut parts = Vec::new();
        for chunk in reader.take(end - from) {
            let values = Arc::clone(chunk?.column(0));
            let rows = converter(values.data_type())?.convert_columns(&[Arc::clone(&values)])?;
            let below = |bound: &OwnedRow| {
                let (mut start, mut end) = (0, rows.num_rows());
                while start < end {
                    let middle = start + (end - start) / 2;
                    if rows.row(middle) < bound.row() { start = middle + 1 } else { end = middle }
                }
                start
            };
            let (start, end) = (low.map_or(0, below), high.map_or(values.len(), below));
            if start < end {
                parts.push(values.slice(start, end - start));
            }
        }
        Ok(parts)
    }
}

/// The values of a column in all tiles, to be written in parts.
#[derive(Debug)]
pub(super) struct Index<'a> {
    schema: SchemaRef,
    tiles: &'a [Pixel],
    values: Vec<&'a Values>,
    /// Where parts meet.
    bounds: Vec<OwnedRow>,
}

impl<'a> Index<'a> {
    pub(super) fn new(field: &Field, tiles: &'a [Pixel], values: Vec<&'a Values>) -> Self {
        let [order, _, pixel] = TILE_COLUMNS;
        let schema = Schema::new(vec![
            Field::new(order, DataType::UInt8, false),
            Field::new(pixel, DataType::UInt64, false),
            Field::new(field.name(), field.data_type().clone(), false),
        ]);
        let mut firsts: Vec<&OwnedRow> = values.iter().flat_map(|v| &v.firsts).collect();
        firsts.sort_unstable();
        let mut bounds: Vec<OwnedRow> = firsts
            .chunks(PART_ROWS / CHUNK_ROWS)
            .skip(1)
            .filter_map(|part| part.first().map(|first| (*first).clone()))
            .collect();
        bounds.dedup();
        Self { schema: Arc::new(schema), tiles, values, bounds }
    }

    pub(super) fn schema(&self) -> &SchemaRef {
        &self.schema
    }

    pub(super) fn parts(&self) -> usize {
        self.bounds.len() + 1
    }

    /// The rows of a part, sorted by value and then by tile along the sky.
    pub(super) fn part(&self, part: usize, scratch: &Path) -> Result<RecordBatch, Error> {
        self.rows(part).map_err(|e| Error::write(scratch, e))
    }

    fn rows(&self, part: usize) -> Result<RecordBatch, ArrowError> {
        let low = part.checked_sub(1).map(|before| &self.bounds[before]);
        let high = self.bounds.get(part);
        let (mut values, mut tiles) = (Vec::new(), Vec::new());
        for (tile, kept) in (0_u32..).zip(&self.values) {
            for found in kept.between(low, high)? {
                tiles.extend(std::iter::repeat_n(tile, found.len()));
                values.push(found);
            }
        }
        if values.is_empty() {
            return Ok(RecordBatch::new_empty(Arc::clone(&self.schema)));
        }
        let values: Vec<&dyn Array> = values.iter().map(AsRef::as_ref).collect();
        let (values, tiles) = (concat(&values)?, UInt32Array::from(tiles));
        let keys = [Arc::clone(&values), Arc::new(tiles.clone())];
        let keys = keys.map(|values| SortColumn { values, options: None });
        let order = lexsort_to_indices(&keys, None)?;
        let pixels = order.values().iter().map(|row| {
            let tile = tiles.value(usize::try_from(*row).unwrap_or(usize::MAX));
            self.tiles[usize::try_from(tile).unwrap_or(usize::MAX)]
        });
        let (orders, pixels): (Vec<u8>, Vec<u64>) =
            pixels.map(|pixel| (pixel.order().get(), pixel.index())).unzip();
        RecordBatch::try_new(
            Arc::clone(&self.schema),
            vec![
                Arc::new(UInt8Array::from(orders)),
                Arc::new(UInt64Array::from(pixels)),
                take(&values, &order, None)?,
            ],
        )
    }
}
