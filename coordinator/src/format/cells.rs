//! The cells of one column of a batch, in the few shapes that the writers know.
//!
//! Whatever an Arrow column is stored as (dictionary, views, large offsets, decimals), it is
//! brought here to the plain type of its VOTable kind once per batch.

use std::ops::Range;
use std::sync::Arc;

use adql::datatype::{CellType, Kind, Source};
use datafusion::arrow::array::{
    Array, ArrayRef, ArrowPrimitiveType, AsArray, BinaryViewArray, BooleanArray, Float32Array,
    Float64Array, Int16Array, Int32Array, Int64Array, OffsetSizeTrait, PrimitiveArray,
    StringViewArray, StringViewBuilder, UInt8Array,
};
use datafusion::arrow::buffer::{BooleanBuffer, NullBuffer};
use datafusion::arrow::compute::kernels::nullif::nullif;
use datafusion::arrow::compute::{CastOptions, cast_with_options};
use datafusion::arrow::datatypes::{
    DataType, Float32Type, Float64Type, Int16Type, Int32Type, Int64Type, TimeUnit, UInt8Type,
};
use datafusion::arrow::error::ArrowError;
use datafusion::arrow::util::display::{ArrayFormatter, FormatOptions};

use crate::format::datetime;

/// The elements of all cells, one after the other.
#[derive(Debug)]
pub(crate) enum Values {
    Boolean(BooleanArray),
    UnsignedByte(UInt8Array),
    Short(Int16Array),
    Int(Int32Array),
    Long(Int64Array),
    Float(Float32Array),
    Double(Float64Array),
    /// Text of a `char` or a `unicodeChar`.
    Text(StringViewArray),
    /// Strings of bytes: an array cell each.
    Bytes(BinaryViewArray),
}

/// Which elements belong to which cell.
#[derive(Debug)]
enum Extent {
    /// One element each (text and bytes too).
    One,
    /// As many elements each.
    Fixed(usize),
    /// From each number to the next.
    Offsets(Vec<usize>),
}

/// The cells of one column of a batch.
#[derive(Debug)]
pub(crate) struct Cells {
    pub(crate) kind: Kind,
    pub(crate) values: Values,
    pub(crate) nulls: Option<NullBuffer>,
    rows: usize,
    extent: Extent,
    /// Whether a VOTable tells missing integers by [`Kind::null_element`].
    null_elements: bool,
}

impl Cells {
    /// Brings a column to the shape of its cell type.
    pub(crate) fn new(cell_type: &CellType, column: &ArrayRef) -> Result<Self, ArrowError> {
        let (kind, null_elements) = (cell_type.kind, cell_type.null_elements);
        let column = plain(column)?;
        let rows = column.len();
        let nulls = column.logical_nulls().filter(|n| n.null_count() > 0);
        if cell_type.is_text() {
            let values = Values::Text(text(cell_type.source, &column)?);
            return Ok(Self { kind, values, nulls, rows, extent: Extent::One, null_elements });
        }
        if is_binary(column.data_type()) {
            let bytes = cast(&column, &DataType::BinaryView)?;
            let values = Values::Bytes(bytes.as_binary_view().clone());
            return Ok(Self { kind, values, nulls, rows, extent: Extent::One, null_elements });
        }
        let (elements, extent) = flatten(&column)?;
        let elements = cast(&elements, &kind.arrow())?;
        let values = match kind {
            Kind::Boolean => Values::Boolean(elements.as_boolean().clone()),
            Kind::UnsignedByte => {
                Values::UnsignedByte(elements.as_primitive::<UInt8Type>().clone())
            }
            Kind::Short => Values::Short(elements.as_primitive::<Int16Type>().clone()),
            Kind::Int => Values::Int(elements.as_primitive::<Int32Type>().clone()),
            Kind::Long => Values::Long(elements.as_primitive::<Int64Type>().clone()),
            Kind::Float => Values::Float(elements.as_primitive::<Float32Type>().clone()),
            Kind::Double => Values::Double(elements.as_primitive::<Float64Type>().clone()),
            Kind::Char | Kind::UnicodeChar => Values::Text(elements.as_string_view().clone()),
        };
        Ok(Self { kind, values, nulls, rows, extent, null_elements })
    }

    /// Whether the cell of a row is NULL.
    pub(crate) fn is_null(&self, row: usize) -> bool {
        self.nulls.as_ref().is_some_and(|nulls| nulls.is_null(row))
    }

    /// Whether a cell is one element, or text.
    pub(crate) fn is_single(&self) -> bool {
        matches!(self.extent, Extent::One)
    }

    /// Whether the number of elements differs from cell to cell.
    pub(crate) fn is_variable(&self) -> bool {
        matches!(self.extent, Extent::Offsets(_))
    }

    /// The number of elements that every cell has, where it does not differ.
    pub(crate) fn fixed_elements(&self) -> Option<usize> {
        match (&self.values, &self.extent) {
            (Values::Text(_) | Values::Bytes(_), _) | (_, Extent::Offsets(_)) => None,
            (_, Extent::One) => Some(1),
            (_, Extent::Fixed(length)) => Some(*length),
        }
    }

    /// Whether an element is missing.
    pub(crate) fn is_missing(&self, element: usize) -> bool {
        match &self.values {
            Values::Boolean(a) => a.is_null(element),
            Values::UnsignedByte(a) => a.is_null(element),
            Values::Short(a) => a.is_null(element),
            Values::Int(a) => a.is_null(element),
            Values::Long(a) => a.is_null(element),
            Values::Float(a) => a.is_null(element),
            Values::Double(a) => a.is_null(element),
            Values::Text(a) => a.is_null(element),
            Values::Bytes(a) => a.is_null(element),
        }
    }

    /// Whether a value that is there is the one by which a VOTable tells what is missing.
    pub(crate) fn holds_null_element(&self) -> bool {
        match &self.values {
            _ if !self.null_elements => false,
            Values::Short(a) => self.holds(a, i16::MIN),
            Values::Int(a) => self.holds(a, i32::MIN),
            Values::Long(a) => self.holds(a, i64::MIN),
            Values::Boolean(_)
            | Values::UnsignedByte(_)
            | Values::Float(_)
            | Values::Double(_)
            | Values::Text(_)
            | Values::Bytes(_) => false,
        }
    }

    fn holds<T: ArrowPrimitiveType>(&self, array: &PrimitiveArray<T>, value: T::Native) -> bool {
        // What lies under a NULL is no value, but hardly ever looks like one.
        if !array.values().contains(&value) {
            return false;
        }
        let rows = (0..self.rows).filter(|&row| !self.is_null(row));
        let mut elements = rows.flat_map(|row| self.elements(row));
        elements.any(|at| array.is_valid(at) && array.value(at) == value)
    }

    /// Whether a missing element of an array has a text of its own.
    pub(crate) fn spells_missing_elements(&self) -> bool {
        !matches!(self.kind, Kind::UnsignedByte)
    }

    /// The elements of the cell of a row.
    pub(crate) fn elements(&self, row: usize) -> Range<usize> {
        match &self.extent {
            Extent::One => row..row + 1,
            Extent::Fixed(length) => row * length..(row + 1) * length,
            Extent::Offsets(offsets) => offsets[row]..offsets[row + 1],
        }
    }
}

fn is_binary(data_type: &DataType) -> bool {
    matches!(data_type, DataType::Binary | DataType::LargeBinary | DataType::BinaryView)
}

/// Casts, or fails: a value that does not fit is a defect of ours, never a silent NULL.
pub(crate) fn cast(array: &ArrayRef, to: &DataType) -> Result<ArrayRef, ArrowError> {
    if array.data_type() == to {
        return Ok(Arc::clone(array));
    }
    let options = CastOptions { safe: false, format_options: FormatOptions::default() };
    cast_with_options(array, to, &options)
}

/// Unpacks dictionaries and run-end encoding.
fn plain(column: &ArrayRef) -> Result<ArrayRef, ArrowError> {
    match column.data_type() {
        DataType::Dictionary(_, value) => plain(&cast(column, value)?),
        DataType::RunEndEncoded(_, value) => plain(&cast(column, value.data_type())?),
        _ => Ok(Arc::clone(column)),
    }
}

/// The elements of (nested) lists in one array, and where each cell's elements are.
fn flatten(array: &ArrayRef) -> Result<(ArrayRef, Extent), ArrowError> {
    let array = plain(array)?;
    match array.data_type() {
        DataType::FixedSizeList(_, length) => {
            let list = array.as_fixed_size_list();
            let length = usize::try_from(*length).unwrap_or_default();
            let (values, inner) = flatten(list.values())?;
            let length = length * inner.fixed_length();
            Ok((hide_elements(values, list.nulls(), length)?, Extent::Fixed(length)))
        }
        DataType::List(_) => {
            let list = array.as_list::<i32>();
            flatten_list(list.values(), list.value_offsets())
        }
        DataType::LargeList(_) => {
            let list = array.as_list::<i64>();
            flatten_list(list.values(), list.value_offsets())
        }
        DataType::ListView(item) | DataType::LargeListView(item) => {
            flatten(&cast(&array, &DataType::LargeList(Arc::clone(item)))?)
        }
        DataType::FixedSizeBinary(length) => {
            let bytes = array.as_fixed_size_binary().values().clone();
            let length = usize::try_from(*length).unwrap_or_default();
            Ok((Arc::new(UInt8Array::new(bytes.into(), None)), Extent::Fixed(length)))
        }
        _ => Ok((array, Extent::One)),
    }
}

/// The elements of lists, without those that no list of a sliced column holds.
fn flatten_list<O: OffsetSizeTrait>(
    values: &ArrayRef,
    offsets: &[O],
) -> Result<(ArrayRef, Extent), ArrowError> {
    let (first, last) = (offsets[0].as_usize(), offsets[offsets.len() - 1].as_usize());
    let (values, inner) = flatten(&values.slice(first, last - first))?;
    let length = inner.fixed_length();
    let offsets = offsets.iter().map(|at| (at.as_usize() - first) * length);
    Ok((values, Extent::Offsets(offsets.collect())))
}

impl Extent {
    fn fixed_length(&self) -> usize {
        match self {
            Self::Fixed(length) => *length,
            Self::One | Self::Offsets(_) => 1,
        }
    }
}

/// Makes the elements under NULL lists NULL, whatever the file holds there.
fn hide_elements(
    values: ArrayRef,
    lists: Option<&NullBuffer>,
    length: usize,
) -> Result<ArrayRef, ArrowError> {
    let Some(lists) = lists.filter(|n| n.null_count() > 0 && length > 0) else { return Ok(values) };
    let hidden = BooleanBuffer::collect_bool(values.len(), |at| lists.is_null(at / length));
    nullif(&values, &BooleanArray::new(hidden, None))
}

/// The cells as text.
pub(crate) fn text(source: Source, column: &ArrayRef) -> Result<StringViewArray, ArrowError> {
    match source {
        Source::Cast if column.data_type() == &DataType::Null => {
            Ok(StringViewArray::new_null(column.len()))
        }
        Source::Cast => Ok(cast(column, &DataType::Utf8View)?.as_string_view().clone()),
        Source::Date => {
            let days = cast(&cast(column, &DataType::Date32)?, &DataType::Int32)?;
            let days = days.as_primitive::<Int32Type>();
            written(days.iter(), |out, day| datetime::push_date(out, i64::from(day)))
        }
        Source::Time(unit) => {
            let ticks = match unit {
                TimeUnit::Second | TimeUnit::Millisecond => {
                    cast(&cast(column, &DataType::Int32)?, &DataType::Int64)?
                }
                TimeUnit::Microsecond | TimeUnit::Nanosecond => cast(column, &DataType::Int64)?,
            };
            let ticks = ticks.as_primitive::<Int64Type>();
            written(ticks.iter(), |out, at| datetime::push_time(out, at, per_second(unit)))
        }
        Source::Timestamp { unit, civil } => {
            let ticks = cast(column, &DataType::Int64)?;
            let ticks = ticks.as_primitive::<Int64Type>();
            written(ticks.iter(), |out, at| {
                datetime::push_timestamp(out, at, per_second(unit));
                if civil {
                    out.push('Z');
                }
            })
        }
        Source::Display => {
            let formatter = ArrayFormatter::try_new(column, &FormatOptions::default())?;
            let rows = (0..column.len()).map(|row| column.is_valid(row).then_some(row));
            let mut builder = StringViewBuilder::with_capacity(column.len());
            for row in rows {
                builder.append_option(
                    row.map(|row| formatter.value(row).try_to_string()).transpose()?,
                );
            }
            Ok(builder.finish())
        }
    }
}

/// Builds a text for each value by a writing function.
fn written<T>(
    values: impl Iterator<Item = Option<T>>,
    write: impl Fn(&mut String, T),
) -> Result<StringViewArray, ArrowError> {
    let mut builder = StringViewBuilder::with_capacity(values.size_hint().0);
    let mut text = String::new();
    for value in values {
        match value {
            Some(value) => {
                text.clear();
                write(&mut text, value);
                builder.append_value(&text);
            }
            None => builder.append_null(),
        }
    }
    Ok(builder.finish())
}

fn per_second(unit: TimeUnit) -> i64 {
    match unit {
        TimeUnit::Second => 1,
        TimeUnit::Millisecond => 1_000,
        TimeUnit::Microsecond => 1_000_000,
        TimeUnit::Nanosecond => 1_000_000_000,
    }
}
