//! Whether the statistics of a file hold its values: pruning leaves out row groups and pages by
//! them alone.

use std::cmp::Ordering;

use datafusion::arrow::array::{Array, ArrayRef, AsArray, make_comparator};
use datafusion::arrow::compute::{SortOptions, cast};
use datafusion::arrow::datatypes::{DataType, Float32Type, Float64Type};
use datafusion::arrow::util::display::array_value_to_string;
use datafusion::parquet::arrow::arrow_reader::statistics::StatisticsConverter;
use datafusion::parquet::file::statistics::Statistics;

use super::file::TableFile;
use super::finding::{FindingKind, FindingPlace, Findings};

/// The least and the largest value that a row group or page states.
struct Bounds {
    /// The first row in the row group.
    start: usize,
    end: usize,
    /// The page, if it is one.
    page: Option<usize>,
    low: ArrayRef,
    high: ArrayRef,
}

/// The statistics of a column in one row group, against which its values are held as they come.
pub(super) struct ColumnStatistics<'a> {
    file: &'a TableFile,
    group: usize,
    column: usize,
    bounds: Vec<Bounds>,
    stated_nulls: Option<u64>,
    nulls: u64,
    /// Whether a value was told that is not held: the others would be the same again.
    is_told: bool,
}

impl<'a> ColumnStatistics<'a> {
    /// None where the column is nested, or has none.
    pub(super) fn new(file: &'a TableFile, group: usize, column: usize) -> Option<Self> {
        let [leaf] = *file.leaves(column) else { return None };
        if file.field(column).data_type().is_nested() {
            return None;
        }
        let descriptor = file.metadata().file_metadata().schema_descr();
        let converter =
            StatisticsConverter::from_column_index(leaf, file.field(column), descriptor).ok()?;
        let metadata = file.metadata().row_group(group);
        let rows = usize::try_from(metadata.num_rows()).ok()?;
        let mut bounds = Vec::new();
        let of_group =
            (converter.row_group_mins([metadata]), converter.row_group_maxes([metadata]));
        if let (Ok(low), Ok(high)) = of_group {
            bounds.push(Bounds { start: 0, end: rows, page: None, low, high });
        }
        if let (Some(index), Some(offsets)) =
            (file.metadata().column_index(), file.metadata().offset_index())
        {
            let pages = offsets.get(group)?.get(leaf)?.page_locations();
            let starts: Vec<usize> = pages
                .iter()
                .filter_map(|page| usize::try_from(page.first_row_index).ok())
                .collect();
            let lows = converter.data_page_mins(index, offsets, [&group]);
            let highs = converter.data_page_maxes(index, offsets, [&group]);
            if let (Ok(lows), Ok(highs)) = (lows, highs)
                && lows.len() == starts.len()
                && highs.len() == starts.len()
            {
                for (page, start) in starts.iter().enumerate() {
                    let end = starts.get(page + 1).copied().unwrap_or(rows);
                    let (low, high) = (lows.slice(page, 1), highs.slice(page, 1));
                    bounds.push(Bounds { start: *start, end, page: Some(page), low, high });
                }
            }
        }
        let stated_nulls = metadata.column(leaf).statistics().and_then(Statistics::null_count_opt);
        let (nulls, is_told) = (0, false);
        Some(Self { file, group, column, bounds, stated_nulls, nulls, is_told })
    }

    /// Looks at values, the first of which is that of this row of the row group.
    pub(super) fn hold(&mut self, first: usize, values: &ArrayRef, findings: &Findings) {
        self.nulls += u64::try_from(values.null_count()).unwrap_or(0);
        let end = first + values.len();
        for bounds in self.bounds.iter().filter(|b| b.start < end && first < b.end) {
            let from = bounds.start.max(first);
            let part = values.slice(from - first, bounds.end.min(end) - from);
            for (bound, wrong) in [(&bounds.low, Ordering::Less), (&bounds.high, Ordering::Greater)]
            {
                let Some(at) = first_beyond(&part, bound, wrong) else { continue };
                let row = self.file.rows_before(self.group)
                    + u64::try_from(from + at).unwrap_or(u64::MAX);
                let place = FindingPlace::of(&self.file.path)
                    .group(self.group)
                    .row(row)
                    .column(self.file.field(self.column).name());
                let of = bounds
                    .page
                    .map_or_else(|| "its row group".to_owned(), |page| format!("its page {page}"));
                let (value, bound) = (shown(&part, at), shown(bound, 0));
                let is = if wrong == Ordering::Less {
                    "less than the least"
                } else {
                    "more than the largest"
                };
                let what = format!("{value} is {is} that the statistics of {of} state, {bound}");
                if !self.is_told {
                    findings.add(FindingKind::Statistics, place, what);
                    self.is_told = true;
                }
            }
        }
    }

    /// Says that all values of the row group have come.
    pub(super) fn finish(self, findings: &Findings) {
        if let Some(stated) = self.stated_nulls.filter(|stated| *stated != self.nulls) {
            let place = FindingPlace::of(&self.file.path)
                .group(self.group)
                .column(self.file.field(self.column).name());
            let what = format!("{} values are NULL, but its statistics state {stated}", self.nulls);
            findings.add(FindingKind::Statistics, place, what);
        }
    }
}

/// A value as a finding has it.
pub(super) fn shown(values: &ArrayRef, at: usize) -> String {
    if values.is_null(at) {
        return "NULL".to_owned();
    }
    array_value_to_string(values, at).unwrap_or_else(|e| e.to_string())
}

/// The first value that compares so with the bound; NULL and NaN do with none.
fn first_beyond(values: &ArrayRef, bound: &ArrayRef, wrong: Ordering) -> Option<usize> {
    if bound.is_null(0) {
        return None;
    }
    match values.data_type() {
        DataType::Float64 => {
            let bound = cast(bound, &DataType::Float64).ok()?;
            let bound = bound.as_primitive::<Float64Type>().value(0);
            let beyond = |value: Option<f64>| value?.partial_cmp(&bound).filter(|o| *o == wrong);
            values.as_primitive::<Float64Type>().iter().position(|v| beyond(v).is_some())
        }
        DataType::Float32 => {
            let bound = cast(bound, &DataType::Float32).ok()?;
            let bound = bound.as_primitive::<Float32Type>().value(0);
            let beyond = |value: Option<f32>| value?.partial_cmp(&bound).filter(|o| *o == wrong);
            values.as_primitive::<Float32Type>().iter().position(|v| beyond(v).is_some())
        }
        other => {
            let bound = cast(bound, other).ok()?;
            let compare = make_comparator(values, &bound, SortOptions::default()).ok()?;
            (0..values.len()).find(|at| values.is_valid(*at) && compare(*at, 0) == wrong)
        }
    }
}
