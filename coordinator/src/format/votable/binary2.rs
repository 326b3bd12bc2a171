//! BINARY2: records of big-endian values with one NULL flag per cell, in base64 (VOTable 1.4 §5.4).
//!
//! Written column by column: the length of every record is known first, so that each column is one
//! loop over values of one type. Base64 goes by three bytes; what is left over of one chunk is
//! carried into the next.

use std::ops::Range;

use adql::datatype::Kind;
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use datafusion::arrow::array::{Array, ArrowPrimitiveType, PrimitiveArray};

use crate::format::cells::{Cells, Values};

/// Bytes of the count that precedes a cell of variable length.
const COUNT_BYTES: usize = 4;

/// The state between two chunks.
#[derive(Debug, Default)]
pub(crate) struct Binary2 {
    /// Records that are not yet encoded: at most two bytes between calls.
    records: Vec<u8>,
    /// Where the next cell of each record goes.
    at: Vec<usize>,
}

impl Binary2 {
    /// Appends rows.
    pub(crate) fn push_rows(&mut self, columns: &[Cells], rows: Range<usize>, out: &mut Vec<u8>) {
        self.lay_out(columns, rows.clone());
        let flags = columns.len().div_ceil(8);
        for (nth, column) in columns.iter().enumerate() {
            if let Some(nulls) = &column.nulls {
                for (start, row) in self.at.iter().zip(rows.clone()) {
                    if nulls.is_null(row) {
                        self.records[start + nth / 8] |= 0x80 >> (nth % 8);
                    }
                }
            }
        }
        self.at.iter_mut().for_each(|at| *at += flags);
        for column in columns {
            put_column(column, rows.clone(), &mut self.records, &mut self.at);
        }
        let whole = self.records.len() - self.records.len() % 3;
        push_base64(&self.records[..whole], out);
        out.push(b'\n');
        self.records.drain(..whole);
    }

    /// Appends what is left over, padded.
    pub(crate) fn finish(&mut self, out: &mut Vec<u8>) {
        push_base64(&self.records, out);
        self.records.clear();
    }

    /// Makes room for the records, zeroed, and finds where each of them starts.
    fn lay_out(&mut self, columns: &[Cells], rows: Range<usize>) {
        let flags = columns.len().div_ceil(8);
        let mut lengths = vec![flags; rows.len()];
        for column in columns {
            add_lengths(column, rows.clone(), &mut lengths);
        }
        self.at.clear();
        let mut end = self.records.len();
        for length in lengths {
            self.at.push(end);
            end += length;
        }
        self.records.resize(end, 0);
    }
}

fn push_base64(bytes: &[u8], out: &mut Vec<u8>) {
    let start = out.len();
    out.resize(start + bytes.len().div_ceil(3) * 4, 0);
    let written = STANDARD.encode_slice(bytes, &mut out[start..]);
    out.truncate(start + written.expect("base64 takes four bytes for each three"));
}

/// Adds the bytes of each cell to the length of its record.
fn add_lengths(column: &Cells, rows: Range<usize>, lengths: &mut [usize]) {
    let width = column.kind.width();
    for (length, row) in lengths.iter_mut().zip(rows) {
        *length += match &column.values {
            Values::Text(_) | Values::Bytes(_) if column.is_null(row) => COUNT_BYTES,
            Values::Text(a) => COUNT_BYTES + width * units(column.kind, a.value(row)),
            Values::Bytes(a) => COUNT_BYTES + a.value(row).len(),
            _ if column.is_variable() && column.is_null(row) => COUNT_BYTES,
            _ if column.is_variable() => COUNT_BYTES + width * column.elements(row).len(),
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
            value_or(a, element, if column.is_single() { 0 } else { i16::MIN }).to_be_bytes()
        }),
        Values::Int(a) => put_each(column, rows, records, at, |element| {
            value_or(a, element, if column.is_single() { 0 } else { i32::MIN }).to_be_bytes()
        }),
        Values::Long(a) => put_each(column, rows, records, at, |element| {
            value_or(a, element, if column.is_single() { 0 } else { i64::MIN }).to_be_bytes()
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
            for byte in text.bytes() {
                put(records, at, [0, byte]);
            }
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
