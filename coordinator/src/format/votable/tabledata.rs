//! TABLEDATA: a TR for each row, a TD for each cell (VOTable 1.4 §5.1 and §6).

use std::ops::Range;

use catalog::xml::{Context, push_text};
use datafusion::arrow::array::{Array, ArrowPrimitiveType, PrimitiveArray};

use crate::Error;
use crate::format::cells::{Cells, Values};
use crate::format::number::{VOTABLE, push_float, push_integer};
use crate::format::stream::RowWriter;
use crate::format::votable::refuse_null_elements;

/// Writes rows of TABLEDATA.
pub(crate) struct TableData {
    /// Names of the columns, for messages.
    pub(crate) names: Vec<String>,
}

impl RowWriter for TableData {
    fn write(&self, columns: &[Cells], rows: usize, out: &mut Vec<u8>) -> Result<(), Error> {
        refuse_null_elements(&self.names, columns)?;
        for row in 0..rows {
            out.extend_from_slice(b"<TR>");
            let mut open = false;
            for column in columns {
                open = push_cell(column, row, open, out);
            }
            out.extend_from_slice(if open { b"</TD></TR>\n".as_slice() } else { b"</TR>\n" });
        }
        Ok(())
    }
}

/// Appends a cell without its end tag, which is written with what follows; whether it needs one.
fn push_cell(column: &Cells, row: usize, open: bool, out: &mut Vec<u8>) -> bool {
    // Some readers want a full number of elements in an array of fixed length, also where the
    // cell is NULL; an array of missing elements says the same.
    let null = column.is_null(row);
    if null && (column.is_single() || column.is_variable() || !column.spells_missing_elements()) {
        out.extend_from_slice(if open { b"</TD><TD/>".as_slice() } else { b"<TD/>" });
        return false;
    }
    out.extend_from_slice(if open { b"</TD><TD>".as_slice() } else { b"<TD>" });
    match &column.values {
        Values::Text(a) => push_text(out, a.value(row), Context::Content),
        Values::Bytes(a) => push_bytes(a.value(row), out),
        _ if column.is_single() => push_scalar(column, row, out),
        _ => push_elements(column, column.elements(row), null, out),
    }
    true
}

/// Appends the one value of a cell that is not NULL.
fn push_scalar(column: &Cells, row: usize, out: &mut Vec<u8>) {
    match &column.values {
        Values::Boolean(a) => out.push(if a.value(row) { b'T' } else { b'F' }),
        Values::UnsignedByte(a) => push_integer(out, a.value(row)),
        Values::Short(a) => push_integer(out, a.value(row)),
        Values::Int(a) => push_integer(out, a.value(row)),
        Values::Long(a) => push_integer(out, a.value(row)),
        Values::Float(a) => push_float(out, a.value(row), VOTABLE),
        Values::Double(a) => push_float(out, a.value(row), VOTABLE),
        Values::Text(_) | Values::Bytes(_) => {}
    }
}

/// Appends numbers or booleans, separated by blanks; with `null` all are missing.
fn push_elements(column: &Cells, elements: Range<usize>, null: bool, out: &mut Vec<u8>) {
    for (nth, at) in elements.enumerate() {
        if nth > 0 {
            out.push(b' ');
        }
        match &column.values {
            Values::Boolean(a) => out.push(match (null || a.is_null(at), a.value(at)) {
                (true, _) => b'?',
                (false, true) => b'T',
                (false, false) => b'F',
            }),
            Values::UnsignedByte(a) => push_integer(out, a.value(at)),
            Values::Short(a) => push_element(a, at, null, column, out),
            Values::Int(a) => push_element(a, at, null, column, out),
            Values::Long(a) => push_element(a, at, null, column, out),
            Values::Float(a) => {
                push_float(
                    out,
                    if null || a.is_null(at) { f32::NAN } else { a.value(at) },
                    VOTABLE,
                );
            }
            Values::Double(a) => {
                push_float(
                    out,
                    if null || a.is_null(at) { f64::NAN } else { a.value(at) },
                    VOTABLE,
                );
            }
            Values::Text(_) | Values::Bytes(_) => {}
        }
    }
}

fn push_element<T: ArrowPrimitiveType<Native: itoa::Integer>>(
    array: &PrimitiveArray<T>,
    at: usize,
    null: bool,
    column: &Cells,
    out: &mut Vec<u8>,
) {
    match column.kind.null_element() {
        Some(missing) if null || array.is_null(at) => push_integer(out, missing),
        _ => push_integer(out, array.value(at)),
    }
}

fn push_bytes(bytes: &[u8], out: &mut Vec<u8>) {
    for (nth, byte) in bytes.iter().enumerate() {
        if nth > 0 {
            out.push(b' ');
        }
        push_integer(out, *byte);
    }
}
