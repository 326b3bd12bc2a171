//! An aligned table for people, in a terminal.
//!
//! The widths of the columns are those of the first rows; later rows stream with the same widths
//! and stick out where they must.

use std::sync::Arc;

use catalog::votable::OutputField;

use crate::Error;
use crate::format::cells::{Cells, Values};
use crate::format::number::{PLAIN, Spelling, push_float, push_integer};
use crate::format::rows::End;
use crate::format::stream::{Frame, RowWriter};

/// Rows that decide on the widths.
const MEASURED_ROWS: usize = 1_000;

/// What is shown for NULL.
const NULL: &str = "NULL";

/// What stands behind each cell until the columns are aligned; cells have no control characters.
const CELL_END: char = '\u{1f}';

/// Writes the cells of each row in a line.
struct Lines;

impl RowWriter for Lines {
    fn write(&self, columns: &[Cells], rows: usize, out: &mut Vec<u8>) -> Result<(), Error> {
        for row in 0..rows {
            for column in columns {
                push_shown(column, row, out);
                out.push(CELL_END as u8);
            }
            out.push(b'\n');
        }
        Ok(())
    }
}

/// Aligns the cells of lines in columns of equal width.
pub(crate) struct Aligned {
    names: Vec<String>,
    units: Vec<String>,
    /// Numbers stand to the right.
    right: Vec<bool>,
    /// Rows that wait for the widths.
    waiting: Vec<Vec<String>>,
    /// Known once the first rows are.
    widths: Option<Vec<usize>>,
    count: u64,
}

impl Aligned {
    pub(crate) fn parts(fields: Vec<OutputField>) -> (Arc<dyn RowWriter>, Box<dyn Frame>) {
        let right = fields.iter().map(is_right).collect();
        let units = fields.iter().map(|f| printable(f.column.unit.as_deref().unwrap_or("")));
        let units = units.collect();
        let names = fields.into_iter().map(|f| printable(&f.column.name)).collect();
        let aligned = Self { names, units, right, waiting: Vec::new(), widths: None, count: 0 };
        (Arc::new(Lines), Box::new(aligned))
    }

    /// Writes the head and the rows that waited.
    fn settle(&mut self, out: &mut Vec<u8>) {
        let mut widths: Vec<usize> = self.names.iter().map(|n| n.chars().count()).collect();
        for row in self.waiting.iter().chain([&self.units]) {
            for (width, cell) in widths.iter_mut().zip(row) {
                *width = (*width).max(cell.chars().count());
            }
        }
        self.push_line(&self.names, &widths, out);
        if self.units.iter().any(|unit| !unit.is_empty()) {
            self.push_line(&self.units, &widths, out);
        }
        let rule: Vec<String> = widths.iter().map(|w| "-".repeat(*w)).collect();
        self.push_line(&rule, &widths, out);
        for row in &self.waiting {
            self.push_line(row, &widths, out);
        }
        self.waiting = Vec::new();
        self.widths = Some(widths);
    }

    fn push_line(&self, cells: &[String], widths: &[usize], out: &mut Vec<u8>) {
        let mut line = String::new();
        for (nth, (cell, width)) in cells.iter().zip(widths).enumerate() {
            if nth > 0 {
                line.push_str("  ");
            }
            let blanks = width.saturating_sub(cell.chars().count());
            if self.right[nth] {
                line.extend(std::iter::repeat_n(' ', blanks));
                line.push_str(cell);
            } else {
                line.push_str(cell);
                line.extend(std::iter::repeat_n(' ', blanks));
            }
        }
        out.extend_from_slice(line.trim_end().as_bytes());
        out.push(b'\n');
    }
}

impl Frame for Aligned {
    fn begin(&mut self, _out: &mut Vec<u8>) {}

    fn join(&mut self, rows: Vec<u8>, out: &mut Vec<u8>) {
        for line in String::from_utf8_lossy(&rows).lines() {
            self.count += 1;
            let cells: Vec<String> =
                line.split_terminator(CELL_END).map(ToOwned::to_owned).collect();
            match &self.widths {
                Some(widths) => self.push_line(&cells, widths, out),
                None => self.waiting.push(cells),
            }
            if self.waiting.len() == MEASURED_ROWS {
                self.settle(out);
            }
        }
    }

    fn end(&mut self, end: &End, out: &mut Vec<u8>) -> bool {
        if self.widths.is_none() {
            self.settle(out);
        }
        let count = self.count;
        let rows = if count == 1 { "row" } else { "rows" };
        let last = match end {
            End::Complete => format!("({count} {rows})\n"),
            End::Overflow(_) => format!("({count} {rows}; there are more)\n"),
            End::Broken(_) => return false,
        };
        out.extend_from_slice(last.as_bytes());
        true
    }
}

fn is_right(field: &OutputField) -> bool {
    field.cell_type.is_scalar() && field.cell_type.kind.is_number()
}

fn push_shown(column: &Cells, row: usize, out: &mut Vec<u8>) {
    if column.is_null(row) {
        out.extend_from_slice(NULL.as_bytes());
    } else if let Values::Text(a) = &column.values {
        out.extend_from_slice(printable(a.value(row)).as_bytes());
    } else {
        push_elements(column, row, PLAIN, out);
    }
}

/// Text without the control characters by which a table could steer a terminal.
fn printable(text: &str) -> String {
    text.chars().map(|c| if c.is_control() { ' ' } else { c }).collect()
}

/// Appends the elements of a cell that is not text, separated by blanks; missing ones as NULL.
pub(crate) fn push_elements(column: &Cells, row: usize, spelling: Spelling, out: &mut Vec<u8>) {
    if let Values::Bytes(a) = &column.values {
        let digits = a.value(row).iter().flat_map(|byte| [byte >> 4, byte & 0xF]);
        out.extend(digits.map(|digit| b"0123456789abcdef"[usize::from(digit)]));
        return;
    }
    if column.is_single() {
        push_element(column, row, spelling, out);
        return;
    }
    for (nth, at) in column.elements(row).enumerate() {
        if nth > 0 {
            out.push(b' ');
        }
        if column.is_missing(at) {
            out.extend_from_slice(NULL.as_bytes());
        } else {
            push_element(column, at, spelling, out);
        }
    }
}

fn push_element(column: &Cells, at: usize, spelling: Spelling, out: &mut Vec<u8>) {
    match &column.values {
        Values::Boolean(a) => out.extend_from_slice(if a.value(at) { b"true" } else { b"false" }),
        Values::UnsignedByte(a) => push_integer(out, a.value(at)),
        Values::Short(a) => push_integer(out, a.value(at)),
        Values::Int(a) => push_integer(out, a.value(at)),
        Values::Long(a) => push_integer(out, a.value(at)),
        Values::Float(a) => push_float(out, a.value(at), spelling),
        Values::Double(a) => push_float(out, a.value(at), spelling),
        Values::Text(_) | Values::Bytes(_) => {}
    }
}
