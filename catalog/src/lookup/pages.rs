//! What the footer of a file of an id index says of its pages: between which values they lie, and
//! whether they lead to one tile.

use std::cmp::Ordering;

use adql::sky::{Order, Pixel};
use datafusion::arrow::array::{Array, ArrayRef, AsArray};
use datafusion::arrow::compute::cast;
use datafusion::arrow::datatypes::{DataType, SchemaRef, UInt64Type};
use datafusion::arrow::error::ArrowError;
use datafusion::arrow::row::{OwnedRow, Row};
use datafusion::parquet::arrow::arrow_reader::statistics::StatisticsConverter;
use datafusion::parquet::file::metadata::ParquetMetaData;

use super::index::keys;
use crate::hats::TILE_COLUMNS;

/// A page of a file, or a row group whose pages are not told.
#[derive(Debug)]
pub(super) struct Page {
    /// Its row group.
    pub(super) group: usize,
    pub(super) rows: usize,
    /// How many of the ids lie between its values; all, if those are not told.
    pub(super) ids: usize,
    /// Where all of its entries lead, if that is one tile.
    pub(super) tile: Option<Pixel>,
}

/// Between which values a row group or page lies, as far as that is told.
type Values = Option<[OwnedRow; 2]>;

/// Those of sorted ids that are not outside of two values.
pub(super) fn within<'a, 'b>(ids: &'b [Row<'a>], least: Row<'_>, most: Row<'_>) -> &'b [Row<'a>] {
    let start = ids.partition_point(|id| id.cmp(&least) == Ordering::Less);
    let end = ids.partition_point(|id| id.cmp(&most) != Ordering::Greater);
    ids.get(start..end).unwrap_or_default()
}

fn count(ids: &[Row<'_>], values: &Values) -> usize {
    match values {
        Some([least, most]) => within(ids, least.row(), most.row()).len(),
        None => ids.len(),
    }
}

/// All pages of those row groups of a file that can hold ids, in their order.
pub(super) fn of_file(
    metadata: &ParquetMetaData,
    schema: &SchemaRef,
    column: &str,
    key_type: &DataType,
    ids: &[Row<'_>],
) -> Result<Vec<Page>, ArrowError> {
    let descriptor = metadata.file_metadata().schema_descr();
    let [order, _, pixel] = TILE_COLUMNS;
    let told = |name: &str| {
        StatisticsConverter::try_new(name, schema, descriptor)
            .map(|converter| Told { metadata, converter })
            .map_err(|e| ArrowError::ParquetError(e.to_string()))
    };
    let (values, order, pixel) = (told(column)?, told(order)?, told(pixel)?);
    let groups = metadata.row_groups();
    let (least, most) =
        (values.converter.row_group_mins(groups)?, values.converter.row_group_maxes(groups)?);
    let mut pages = Vec::new();
    for (group, between) in ranges(&least, &most, key_type)?.iter().enumerate() {
        let Ok(rows @ 1..) = usize::try_from(groups[group].num_rows()) else { continue };
        let in_group = count(ids, between);
        if in_group == 0 {
            continue;
        }
        let Some((counts, [least, most])) = values.pages(group)? else {
            pages.push(Page { group, rows, ids: in_group, tile: None });
            continue;
        };
        let tiles = tiles(&counts, order.pages(group)?, pixel.pages(group)?)?;
        let between = ranges(&least, &most, key_type)?;
        for ((rows, between), tile) in counts.into_iter().zip(&between).zip(tiles) {
            pages.push(Page { group, rows, ids: count(ids, between), tile });
        }
    }
    Ok(pages)
}

/// What the page index tells of a column of a file.
struct Told<'a> {
    metadata: &'a ParquetMetaData,
    converter: StatisticsConverter<'a>,
}

/// The rows of each page of a row group, and its least and largest values.
type Pages = (Vec<usize>, [ArrayRef; 2]);

impl Told<'_> {
    fn pages(&self, group: usize) -> Result<Option<Pages>, ArrowError> {
        let Self { metadata, converter } = self;
        let (columns, offsets) = (metadata.column_index(), metadata.offset_index());
        let (Some(columns), Some(offsets)) = (columns, offsets) else { return Ok(None) };
        let Some(column) = converter.parquet_column_index() else { return Ok(None) };
        let locations = offsets.get(group).and_then(|group| group.get(column));
        let is_told = columns.get(group).is_some_and(|group| group.get(column).is_some());
        if !is_told || locations.is_none_or(|pages| pages.page_locations().is_empty()) {
            return Ok(None);
        }
        let counts = converter.data_page_row_counts(offsets, metadata.row_groups(), [&group])?;
        let least = converter.data_page_mins(columns, offsets, [&group])?;
        let most = converter.data_page_maxes(columns, offsets, [&group])?;
        let counts = counts.filter(|rows| rows.len() == least.len() && rows.len() == most.len());
        Ok(counts.map(|counts| {
            let counts = counts.values().iter().map(|rows| usize::try_from(*rows).unwrap_or(0));
            (counts.collect(), [least, most])
        }))
    }
}

/// The tile to which all entries of a page lead, if it is one: order and index do not vary.
fn tiles(
    counts: &[usize],
    order: Option<Pages>,
    pixel: Option<Pages>,
) -> Result<Vec<Option<Pixel>>, ArrowError> {
    let (Some((of_order, order)), Some((of_pixel, pixel))) = (order, pixel) else {
        return Ok(vec![None; counts.len()]);
    };
    // The pages of columns need not begin at the same rows.
    if of_order != counts || of_pixel != counts {
        return Ok(vec![None; counts.len()]);
    }
    let numbers = |[least, most]: [ArrayRef; 2]| {
        Ok::<_, ArrowError>([cast(&least, &DataType::UInt64)?, cast(&most, &DataType::UInt64)?])
    };
    let (order, pixel) = (numbers(order)?, numbers(pixel)?);
    let only = |[least, most]: &[ArrayRef; 2], page: usize| {
        let [least, most] = [least, most].map(AsArray::as_primitive::<UInt64Type>);
        let told = least.is_valid(page) && most.is_valid(page);
        (told && least.value(page) == most.value(page)).then(|| least.value(page))
    };
    let tile = |page: usize| {
        let order = Order::new(u8::try_from(only(&order, page)?).ok()?)?;
        Pixel::new(order, only(&pixel, page)?)
    };
    Ok((0..counts.len()).map(tile).collect())
}

/// Between which values each of some row groups or pages lies; none where that is not told.
fn ranges(
    least: &ArrayRef,
    most: &ArrayRef,
    key_type: &DataType,
) -> Result<Vec<Values>, ArrowError> {
    let rows = [keys(least, key_type)?, keys(most, key_type)?];
    let told = |at: usize| least.is_valid(at) && most.is_valid(at);
    let range = |at: usize| told(at).then(|| rows.each_ref().map(|rows| rows.row(at).owned()));
    Ok((0..least.len()).map(range).collect())
}
