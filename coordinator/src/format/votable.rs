//! VOTable 1.4 documents: results as they stream, and errors.
//!
//! The frame is that of DALI 1.1 §4.4: one RESOURCE of type `results`, an INFO `QUERY_STATUS`
//! before the TABLE, and a second one after it when rows were cut or the query broke.
//! 1.4 rather than 1.5, since nothing here needs 1.5 and older clients refuse it.

mod binary2;
mod field;
mod tabledata;

use std::ops::Range;

use crate::format::cells::Cells;
use crate::format::stream::{Encoder, End, Info, OutputField};
use crate::format::xml::{Context, push_attribute, push_text};
use binary2::Binary2;

const HEAD: &str = concat!(
    "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n",
    "<VOTABLE version=\"1.4\" xmlns=\"http://www.ivoa.net/xml/VOTable/v1.3\" ",
    "xmlns:xsi=\"http://www.w3.org/2001/XMLSchema-instance\" ",
    "xsi:schemaLocation=\"http://www.ivoa.net/xml/VOTable/v1.3 ",
    "http://www.ivoa.net/xml/VOTable/votable-1.4.xsd\">\n",
    "<RESOURCE type=\"results\">\n",
);

const TAIL: &str = "</RESOURCE>\n</VOTABLE>\n";

/// How rows are written (VOTable 1.4 §5).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Serialization {
    /// As XML elements.
    TableData,
    /// As base64 of binary records with NULL flags.
    Binary2,
}

/// Writes a result.
pub(crate) struct VoTable {
    fields: Vec<OutputField>,
    infos: Vec<Info>,
    /// None for TABLEDATA.
    binary: Option<Binary2>,
}

impl VoTable {
    pub(crate) fn new(
        fields: Vec<OutputField>,
        infos: Vec<Info>,
        serialization: Serialization,
    ) -> Self {
        let binary = (serialization == Serialization::Binary2).then(Binary2::default);
        Self { fields, infos, binary }
    }
}

impl Encoder for VoTable {
    fn begin(&mut self, out: &mut Vec<u8>) {
        out.extend_from_slice(HEAD.as_bytes());
        push_info(out, "QUERY_STATUS", "OK", "");
        for info in &self.infos {
            push_info(out, info.name, &info.value, "");
        }
        out.extend_from_slice(b"<TABLE name=\"result\">\n");
        field::push_fields(out, &self.fields);
        out.extend_from_slice(match self.binary {
            Some(_) => b"<DATA><BINARY2><STREAM encoding=\"base64\">\n".as_slice(),
            None => b"<DATA><TABLEDATA>\n",
        });
    }

    fn rows(&mut self, columns: &[Cells], rows: Range<usize>, out: &mut Vec<u8>) {
        match &mut self.binary {
            Some(binary) => binary.push_rows(columns, rows, out),
            None => tabledata::push_rows(columns, rows, out),
        }
    }

    fn end(&mut self, end: &End<'_>, out: &mut Vec<u8>) -> bool {
        match &mut self.binary {
            Some(binary) => {
                binary.finish(out);
                out.extend_from_slice(b"</STREAM></BINARY2></DATA>\n");
            }
            None => out.extend_from_slice(b"</TABLEDATA></DATA>\n"),
        }
        out.extend_from_slice(b"</TABLE>\n");
        match end {
            End::Complete => {}
            End::Overflow(rows) => {
                let text = format!(
                    "these are the first {rows} rows: MAXREC, or the limit of the service, cut the rest"
                );
                push_info(out, "QUERY_STATUS", "OVERFLOW", &text);
            }
            End::Broken(error) => {
                let text = format!("the query failed and the rows above are not all: {error}");
                push_info(out, "QUERY_STATUS", "ERROR", &text);
            }
        }
        out.extend_from_slice(TAIL.as_bytes());
        true
    }
}

/// A document that tells of an error and holds no table (DALI 1.1 §4.4).
pub fn error_document(message: &str, infos: &[Info]) -> Vec<u8> {
    let mut out = HEAD.as_bytes().to_vec();
    push_info(&mut out, "QUERY_STATUS", "ERROR", message);
    for info in infos {
        push_info(&mut out, info.name, &info.value, "");
    }
    out.extend_from_slice(TAIL.as_bytes());
    out
}

fn push_info(out: &mut Vec<u8>, name: &str, value: &str, text: &str) {
    out.extend_from_slice(b"<INFO");
    push_attribute(out, "name", name);
    push_attribute(out, "value", value);
    if text.is_empty() {
        out.extend_from_slice(b"/>\n");
    } else {
        out.push(b'>');
        push_text(out, text, Context::Content);
        out.extend_from_slice(b"</INFO>\n");
    }
}
