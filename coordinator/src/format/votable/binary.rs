//! BINARY and BINARY2: records of big-endian values in base64 (VOTable 1.4 §5.3 and §5.4).
//!
//! A record of BINARY2 begins with one NULL flag per cell. BINARY has no flags: what a NULL is there
//! is told by [`CellType::without_null_flags`](adql::datatype::CellType::without_null_flags).
//! Records are written column by column: the length of every record is known first, so that each
//! column is one loop over values of one type.

use std::ops::Range;

use adql::datatype::Kind;
use datafusion::arrow::array::{Array, ArrowPrimitiveType, PrimitiveArray};

use crate::Error;
use crate::format::cells::{Cells, Values};
use crate::format::stream::RowWriter;
use crate::format::votable::refuse_null_elements;

/// Bytes of the count that precedes a cell of variable length.
const COUNT_BYTES: usize = 4;

/// Writes records, which are not yet in base64.
pub(crate) struct Records {
    /// Names of the columns, for messages.
    pub(crate) names: Vec<String>,
    /// Whether records begin with NULL flags (BINARY2).
    pub(crate) null_flags: bool,
}

impl RowWriter for Records {
    fn write(&self, columns: &[Cells], rows: usize, out: &mut Vec<u8>) -> Result<(), Error> {
        refuse_null_elements(&self.names, columns)?;
        let flags = if self.null_flags { columns.len().div_ceil(8) } else { 0 };
        // Where the next cell of each record goes.
        let mut at = lay_out(columns, flags, 0..rows, out);
        if self.null_flags {
            for (nth, column) in columns.iter().enumerate() {
                put_flags(column, nth, &at, out);
            }
            at.iter_mut().for_each(|at| *at += flags);
        }
        for column in columns {
            put_column(column, 0..rows, out, &mut at);
        }
        Ok(())
    }
}

/// Makes room for the records, zeroed, and finds where each of them starts.
fn lay_out(columns: &[Cells], flags: usize, rows: Range<usize>, out: &mut Vec<u8>) -> Vec<usize> {
    let fixed = columns.iter().filter_map(|c| Some(c.kind.width() * c.fixed_elements()?));
    let mut lengths = vec![flags + fixed.sum::<usize>(); rows.len()];
    for column in columns.iter().filter(|column| column.fixed_elements().is_none()) {
        add_lengths(column, rows.clone(), &mut lengths);
    }
    let mut end = 0;
    for length in &mut lengths {
        end += std::mem::replace(length, end);
    }
    out.resize(end, 0);
    lengths
}

fn put_flags(column: &Cells, nth: usize, at: &[usize], records: &mut [u8]) {
    let Some(nulls) = &column.nulls else { return };
    for (row, start) in at.iter().enumerate() {
        if nulls.is_null(row) {
            records[start + nth / 8] |= 0x80 >> (nth % 8);
        }
    }
}

/// Adds the bytes of each cell of variable length to the length of its record.
fn add_lengths(column: &Cells, rows: Range<usize>, lengths: &mut [usize]) {
    let width = column.kind.width();
    for (length, row) in lengths.iter_mut().zip(rows) {
        *length += COUNT_BYTES;
        if column.is_null(row) {
            continue;
        }
        *length += match &column.values {
            Values::Text(a) => width * units(column.kind, a.value(row)),
            Values::Bytes(a) => a.value(row).len(),
            _ => width * column.elements(row).len(),
        };
    }
}

/// How many `char` or `unicodeChar` a text is.
fn units(kind: Kind, text: &str) -> usize {
    if text.is_ascii() {
        text.len()
    } else if kind == Kind::Char {
        text.chars().count()
    } else {
        text.encode_utf16().count()
    }
}

fn put_column(column: &Cells, rows: Range<usize>, records: &mut [u8], at: &mut [usize]) {
    match &column.values {
        Values::Boolean(a) => put_each(column, rows, records, at, |element| {
            [match element.map(|e| (a.is_null(e), a.value(e))) {
                None | Some((true, _)) => b'?',
                Some((false, true)) => b'T',
                Some((false, false)) => b'F',
            }]
        }),
        Values::UnsignedByte(a) => {
            put_each(column, rows, records, at, |element| [element.map_or(0, |e| a.value(e))]);
        }
        Values::Short(a) => put_each(column, rows, records, at, |element| {
            value_or(a, element, i16::MIN).to_be_bytes()
        }),
        Values::Int(a) => put_each(column, rows, records, at, |element| {
            value_or(a, element, i32::MIN).to_be_bytes()
        }),
        Values::Long(a) => put_each(column, rows, records, at, |element| {
            value_or(a, element, i64::MIN).to_be_bytes()
        }),
        Values::Float(a) => put_each(column, rows, records, at, |element| {
            value_or(a, element, f32::NAN).to_be_bytes()
        }),
        Values::Double(a) => put_each(column, rows, records, at, |element| {
            value_or(a, element, f64::NAN).to_be_bytes()
        }),
        Values::Text(a) => {
            for (at, row) in at.iter_mut().zip(rows) {
                let text = if column.is_null(row) { "" } else { a.value(row) };
                put_text(column.kind, text, records, at);
            }
        }
        Values::Bytes(a) => {
            for (at, row) in at.iter_mut().zip(rows) {
                let bytes = if column.is_null(row) { &[] } else { a.value(row) };
                put(records, at, count(bytes.len()));
                records[*at..*at + bytes.len()].copy_from_slice(bytes);
                *at += bytes.len();
            }
        }
    }
}

/// The value of an element, or another where it or its cell (no element) is NULL.
fn value_or<T: ArrowPrimitiveType>(
    array: &PrimitiveArray<T>,
    element: Option<usize>,
    other: T::Native,
) -> T::Native {
    match element {
        Some(at) if array.is_valid(at) => array.value(at),
        _ => other,
    }
}

/// Puts the elements of one column, each made by a function of its index; none in a NULL cell.
fn put_each<const N: usize>(
    column: &Cells,
    rows: Range<usize>,
    records: &mut [u8],
    at: &mut [usize],
    bytes: impl Fn(Option<usize>) -> [u8; N],
) {
    if column.is_single() && column.nulls.is_none() {
        for (at, row) in at.iter_mut().zip(rows) {
            put(records, at, bytes(Some(row)));
        }
        return;
    }
    for (at, row) in at.iter_mut().zip(rows) {
        let null = column.is_null(row);
        let elements = column.elements(row);
        if column.is_variable() {
            let length = if null { 0 } else { elements.len() };
            put(records, at, count(length));
            if null {
                continue;
            }
        }
        for element in elements {
            put(records, at, bytes((!null).then_some(element)));
        }
    }
}

fn put<const N: usize>(records: &mut [u8], at: &mut usize, bytes: [u8; N]) {
    records[*at..*at + N].copy_from_slice(&bytes);
    *at += N;
}

fn put_text(kind: Kind, text: &str, records: &mut [u8], at: &mut usize) {
    put(records, at, count(units(kind, text)));
    if kind == Kind::UnicodeChar {
        if text.is_ascii() {
            // The other half of each unit is zero already.
            let units = records[*at..*at + 2 * text.len()].chunks_exact_mut(2);
            for (unit, byte) in units.zip(text.bytes()) {
                unit[1] = byte;
            }
            *at += 2 * text.len();
        } else {
            for unit in text.encode_utf16() {
                put(records, at, unit.to_be_bytes());
            }
        }
    } else if text.is_ascii() {
        records[*at..*at + text.len()].copy_from_slice(text.as_bytes());
        *at += text.len();
    } else {
        // Not text of the xtype that was declared: a char cannot hold it.
        for c in text.chars() {
            put(records, at, [u8::try_from(c).ok().filter(u8::is_ascii).unwrap_or(b'?')]);
        }
    }
}

/// The count before a cell. A cell of 2 GiB does not fit into an Arrow batch.
fn count(length: usize) -> [u8; COUNT_BYTES] {
    i32::try_from(length).unwrap_or(i32::MAX).to_be_bytes()
}
