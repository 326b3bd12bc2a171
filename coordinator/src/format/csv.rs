//! CSV as RFC 4180 has it, with a header line and LF; TSV as the IANA registration has it.
//!
//! NULL is an empty field; an empty text is `""` in CSV. Elements of arrays are separated by
//! blanks, as in a TD. Neither format can tell that rows were cut.

use std::sync::Arc;

use catalog::votable::OutputField;

use crate::Error;
use crate::format::cells::{Cells, Values};
use crate::format::number::PLAIN;
use crate::format::rows::End;
use crate::format::stream::{Frame, RowWriter};
use crate::format::text::push_elements;

/// The header line of separated values.
pub(crate) struct Separated {
    names: Vec<String>,
    separator: Separator,
}

/// Writes rows of separated values.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Separator {
    Comma,
    Tab,
}

impl Separated {
    pub(crate) fn csv(fields: Vec<OutputField>) -> (Arc<dyn RowWriter>, Box<dyn Frame>) {
        Self::parts(fields, Separator::Comma)
    }

    pub(crate) fn tsv(fields: Vec<OutputField>) -> (Arc<dyn RowWriter>, Box<dyn Frame>) {
        Self::parts(fields, Separator::Tab)
    }

    fn parts(
        fields: Vec<OutputField>,
        separator: Separator,
    ) -> (Arc<dyn RowWriter>, Box<dyn Frame>) {
        let names = fields.into_iter().map(|f| f.column.name).collect();
        (Arc::new(separator), Box::new(Self { names, separator }))
    }
}

impl Frame for Separated {
    fn begin(&mut self, out: &mut Vec<u8>) {
        for (nth, name) in self.names.iter().enumerate() {
            self.separator.push(nth, out);
            self.separator.push_text(name, out);
        }
        out.push(b'\n');
    }

    fn end(&mut self, end: &End, _out: &mut Vec<u8>) -> bool {
        !matches!(end, End::Broken(_))
    }
}

impl RowWriter for Separator {
    fn write(&self, columns: &[Cells], rows: usize, out: &mut Vec<u8>) -> Result<(), Error> {
        for row in 0..rows {
            for (nth, column) in columns.iter().enumerate() {
                self.push(nth, out);
                if column.is_null(row) {
                    continue;
                }
                match &column.values {
                    Values::Text(a) => self.push_text(a.value(row), out),
                    _ => push_elements(column, row, PLAIN, out),
                }
            }
            out.push(b'\n');
        }
        Ok(())
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
                for (nth, part) in text.split('"').enumerate() {
                    if nth > 0 {
                        out.extend_from_slice(b"\"\"");
                    }
                    out.extend_from_slice(part.as_bytes());
                }
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
