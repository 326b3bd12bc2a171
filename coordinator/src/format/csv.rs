//! CSV as RFC 4180 has it, with a header line and LF; TSV as the IANA registration has it.
//!
//! NULL is an empty field; an empty text is `""` in CSV. Elements of arrays are separated by
//! blanks, as in a TD. Neither format can tell that rows were cut.

use std::ops::Range;

use crate::format::cells::{Cells, Values};
use crate::format::number::PLAIN;
use crate::format::stream::{Encoder, End, OutputField};
use crate::format::text::push_elements;

/// Writes separated values.
pub(crate) struct Separated {
    names: Vec<String>,
    separator: Separator,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Separator {
    Comma,
    Tab,
}

impl Separated {
    pub(crate) fn csv(fields: Vec<OutputField>) -> Self {
        Self::new(fields, Separator::Comma)
    }

    pub(crate) fn tsv(fields: Vec<OutputField>) -> Self {
        Self::new(fields, Separator::Tab)
    }

    fn new(fields: Vec<OutputField>, separator: Separator) -> Self {
        Self { names: fields.into_iter().map(|f| f.column.name).collect(), separator }
    }
}

impl Encoder for Separated {
    fn begin(&mut self, out: &mut Vec<u8>) {
        for (nth, name) in self.names.iter().enumerate() {
            self.separator.push(nth, out);
            self.separator.push_text(name, out);
        }
        out.push(b'\n');
    }

    fn rows(&mut self, columns: &[Cells], rows: Range<usize>, out: &mut Vec<u8>) {
        for row in rows {
            for (nth, column) in columns.iter().enumerate() {
                self.separator.push(nth, out);
                if column.is_null(row) {
                    continue;
                }
                match &column.values {
                    Values::Text(a) => self.separator.push_text(a.value(row), out),
                    _ => push_elements(column, row, PLAIN, out),
                }
            }
            out.push(b'\n');
        }
    }

    fn end(&mut self, end: &End<'_>, _out: &mut Vec<u8>) -> bool {
        !matches!(end, End::Broken(_))
    }
}

impl Separator {
    fn push(self, nth: usize, out: &mut Vec<u8>) {
        if nth > 0 {
            out.push(match self {
                Self::Comma => b',',
                Self::Tab => b'\t',
            });
        }
    }

    /// CSV quotes where it must, and an empty text to tell it from NULL. TSV cannot quote: tabs
    /// and line ends become blanks.
    fn push_text(self, text: &str, out: &mut Vec<u8>) {
        match self {
            Self::Comma if needs_quotes(text) => {
                out.push(b'"');
                out.extend_from_slice(text.replace('"', "\"\"").as_bytes());
                out.push(b'"');
            }
            Self::Comma => out.extend_from_slice(text.as_bytes()),
            Self::Tab => {
                out.extend(
                    text.bytes().map(|b| if matches!(b, b'\t' | b'\n' | b'\r') { b' ' } else { b }),
                );
            }
        }
    }
}

fn needs_quotes(text: &str) -> bool {
    text.is_empty()
        || text.starts_with([' ', '\t'])
        || text.ends_with([' ', '\t'])
        || text.bytes().any(|b| matches!(b, b',' | b'"' | b'\n' | b'\r'))
}
