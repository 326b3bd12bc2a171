//! How many rows a scan delivers, for the choices of the planner: which side of a join is built,
//! whether it is collected, in which order tables are joined.
//!
//! The number is exact only without filters, and where `_metadata` or footers tell it for every
//! touched tile; nothing is said of any column, since NaN is NULL to ADQL and not to DataFusion.

use std::ops::Range;

use adql::sky::Coverage;
use datafusion::arrow::datatypes::Schema;
use datafusion::common::Statistics;
use datafusion::common::stats::Precision;

use crate::prune::partition_point;
use crate::table::TiledTable;
use crate::tile::Manifest;

/// Bytes that a value takes whose type does not tell.
const VALUE_BYTES: u64 = 16;

/// What the filters of a scan leave over.
#[derive(Debug)]
pub(crate) struct Filtered<'a> {
    /// Outside of it there is no row.
    pub(crate) coverage: &'a Coverage,
    /// Rows that have one of the ids asked for, more or less.
    pub(crate) rows_found: Option<u64>,
}

/// The statistics of the scan of some tiles of a table, whose reader has this schema.
pub(crate) fn statistics(
    table: &TiledTable,
    tiles: &[Range<usize>],
    schema: &Schema,
    filtered: Option<&Filtered<'_>>,
) -> Statistics {
    let manifest = table.manifest();
    let mut statistics = Statistics::new_unknown(schema);
    let mut touched = tiles.iter().flat_map(Range::clone);
    let whole = touched.try_fold(0_u64, |sum, tile| Some(sum + manifest.tile_rows(tile)?));
    let rows = match (whole, filtered) {
        (Some(rows), None) => exactly(rows),
        // Without a tile there is no row.
        (Some(0), Some(_)) => Precision::Exact(0),
        (_, Some(filtered)) => about(expected(table, tiles, filtered)),
        (None, None) => about(expected(table, tiles, &Filtered::nothing())),
    };
    let row_bytes = schema.fields().iter().map(|field| {
        let width = field.data_type().primitive_width();
        width.and_then(|width| u64::try_from(width).ok()).unwrap_or(VALUE_BYTES)
    });
    let row_bytes = usize::try_from(row_bytes.sum::<u64>()).unwrap_or(usize::MAX);
    statistics.total_byte_size = rows.multiply(&Precision::Inexact(row_bytes)).to_inexact();
    statistics.num_rows = rows;
    statistics
}

impl Filtered<'_> {
    fn nothing() -> Self {
        static ALL: std::sync::LazyLock<Coverage> = std::sync::LazyLock::new(Coverage::all);
        Filtered { coverage: &ALL, rows_found: None }
    }
}

fn exactly(rows: u64) -> Precision<usize> {
    usize::try_from(rows).map_or(Precision::Absent, Precision::Exact)
}

fn about(rows: Option<u64>) -> Precision<usize> {
    let rows = rows.and_then(|rows| usize::try_from(rows).ok());
    rows.map_or(Precision::Absent, Precision::Inexact)
}

/// The rows of each tile, by the part of it that is covered; at least one, since a tile is touched.
fn expected(table: &TiledTable, tiles: &[Range<usize>], filtered: &Filtered<'_>) -> Option<u64> {
    let manifest = table.manifest();
    let everywhere = *filtered.coverage == Coverage::all();
    // Of all tiles: not once for each.
    let stated = table.stated_rows().map(|rows| (rows, manifest.bytes().max(1)));
    let mut sum = 0_u128;
    for tile in tiles.iter().flat_map(Range::clone) {
        let rows = u128::from(rows_of(manifest, tile, stated)?);
        let pixel = manifest.pixel(tile).range();
        sum += if everywhere {
            rows
        } else {
            let covered = u128::from(overlap(filtered.coverage.ranges(), &pixel));
            (rows * covered).div_ceil(u128::from((pixel.end - pixel.start).max(1)))
        };
    }
    let covered = u64::try_from(sum).unwrap_or(u64::MAX);
    Some(filtered.rows_found.map_or(covered, |found| found.min(covered)))
}

/// The rows of a tile, or its part by bytes of the rows that the table states, which has these bytes.
fn rows_of(manifest: &Manifest, tile: usize, stated: Option<(u64, u64)>) -> Option<u64> {
    manifest.tile_rows(tile).or_else(|| {
        let (rows, bytes) = stated?;
        let part = u128::from(rows) * u128::from(manifest.tile_bytes(tile)) / u128::from(bytes);
        u64::try_from(part).ok()
    })
}

/// How much of a range lies in ranges that are ascending and apart.
fn overlap(ranges: &[Range<u64>], of: &Range<u64>) -> u64 {
    let first = partition_point(0..ranges.len(), |at| ranges[at].end <= of.start);
    let touching = ranges[first..].iter().take_while(|range| range.start < of.end);
    touching.map(|range| range.end.min(of.end) - range.start.max(of.start)).sum()
}

#[cfg(test)]
mod tests {
    use super::overlap;

    #[test]
    fn what_ranges_have_of_a_range_is_counted() {
        let ranges = [0..10, 20..30, 40..50];
        for (of, expected) in [(0..50, 30), (5..25, 10), (10..20, 0), (29..41, 2), (60..70, 0)] {
            assert_eq!(overlap(&ranges, &of), expected, "{of:?}");
        }
        assert_eq!(overlap(&[], &(0..5)), 0);
    }
}
