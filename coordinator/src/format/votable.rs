//! VOTable documents: results as they stream, and errors.
//!
//! The frame is that of DALI 1.1 §4.4: one RESOURCE of type `results`, an INFO `QUERY_STATUS`
//! before the TABLE, and a second one after it when rows were cut or the query broke.
//! Version 1.4, which more clients read, unless a frame of the columns needs 1.5.

mod base64_lines;
mod binary;
mod field;
mod system;
mod tabledata;

use std::collections::HashSet;
use std::sync::Arc;

use crate::format::rows::End;
use crate::format::stream::{Frame, Info, OutputField, RowWriter};
use crate::format::xml::{Context, push_attribute, push_text};
use base64_lines::Base64;
use binary::Records;
use system::Systems;
use tabledata::TableData;

/// What a document begins with, in a version of VOTable.
macro_rules! head {
    ($version:literal) => {
        concat!(
            "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n",
            "<VOTABLE version=\"",
            $version,
            "\" xmlns=\"http://www.ivoa.net/xml/VOTable/v1.3\" ",
            "xmlns:xsi=\"http://www.w3.org/2001/XMLSchema-instance\" ",
            "xsi:schemaLocation=\"http://www.ivoa.net/xml/VOTable/v1.3 ",
            "http://www.ivoa.net/xml/VOTable/votable-",
            $version,
            ".xsd\">\n",
            "<RESOURCE type=\"results\">\n",
        )
    };
}

const HEAD_1_4: &str = head!("1.4");
const HEAD_1_5: &str = head!("1.5");

const TAIL: &str = "</RESOURCE>\n</VOTABLE>\n";

/// The elements of DATA around the rows (VOTable 1.4 §5).
const TABLEDATA: [&str; 2] = ["<TABLEDATA>\n", "</TABLEDATA>"];
const BINARY: [&str; 2] = ["<BINARY><STREAM encoding=\"base64\">\n", "</STREAM></BINARY>"];
const BINARY2: [&str; 2] = ["<BINARY2><STREAM encoding=\"base64\">\n", "</STREAM></BINARY2>"];

/// The INFO that clients show as the source of the data (DALI 1.1 §4.4.3).
const CITATION: &str = "citation";

/// Writes a result around its rows.
pub(crate) struct VoTable {
    fields: Vec<OutputField>,
    infos: Vec<Info>,
    serialization: [&'static str; 2],
    /// None for TABLEDATA.
    base64: Option<Base64>,
}

impl VoTable {
    pub(crate) fn table_data(
        fields: Vec<OutputField>,
        infos: Vec<Info>,
    ) -> (Arc<dyn RowWriter>, Box<dyn Frame>) {
        let writer = TableData { names: names(&fields) };
        let frame = Self { fields, infos, serialization: TABLEDATA, base64: None };
        (Arc::new(writer), Box::new(frame))
    }

    pub(crate) fn binary(
        fields: Vec<OutputField>,
        infos: Vec<Info>,
    ) -> (Arc<dyn RowWriter>, Box<dyn Frame>) {
        let writer = Records { names: names(&fields), null_flags: false };
        let base64 = Some(Base64::default());
        (Arc::new(writer), Box::new(Self { fields, infos, serialization: BINARY, base64 }))
    }

    pub(crate) fn binary2(
        fields: Vec<OutputField>,
        infos: Vec<Info>,
    ) -> (Arc<dyn RowWriter>, Box<dyn Frame>) {
        let writer = Records { names: names(&fields), null_flags: true };
        let base64 = Some(Base64::default());
        (Arc::new(writer), Box::new(Self { fields, infos, serialization: BINARY2, base64 }))
    }
}

fn names(fields: &[OutputField]) -> Vec<String> {
    fields.iter().map(|field| field.column.name.clone()).collect()
}

impl Frame for VoTable {
    fn begin(&mut self, out: &mut Vec<u8>) {
        push_head(&self.fields, &self.infos, out);
        out.extend_from_slice(b"<DATA>");
        out.extend_from_slice(self.serialization[0].as_bytes());
    }

    fn join(&mut self, rows: Vec<u8>, out: &mut Vec<u8>) {
        match &mut self.base64 {
            Some(base64) => base64.push(&rows, out),
            None if out.is_empty() => *out = rows,
            None => out.extend_from_slice(&rows),
        }
    }

    fn end(&mut self, end: &End, out: &mut Vec<u8>) -> bool {
        if let Some(base64) = &mut self.base64 {
            base64.finish(out);
        }
        out.extend_from_slice(self.serialization[1].as_bytes());
        out.extend_from_slice(b"</DATA>\n");
        push_tail(end, out);
        true
    }
}

/// A document that describes the columns of a result and holds no rows.
pub(crate) fn without_data(fields: &[OutputField], infos: &[Info], end: &End) -> Vec<u8> {
    let mut out = Vec::new();
    push_head(fields, infos, &mut out);
    push_tail(end, &mut out);
    out
}

/// Appends everything that stands before the rows.
fn push_head(fields: &[OutputField], infos: &[Info], out: &mut Vec<u8>) {
    let mut ids = HashSet::with_capacity(fields.len() + 1);
    let systems = Systems::of(fields, &mut ids);
    let head = if systems.need_1_5() { HEAD_1_5 } else { HEAD_1_4 };
    out.extend_from_slice(head.as_bytes());
    push_info(out, "QUERY_STATUS", "OK", "");
    push_infos(out, infos);
    systems.push(out);
    out.extend_from_slice(b"<TABLE name=\"result\">\n");
    field::push_fields(out, fields, &systems, ids);
}

/// Appends everything that stands after the rows.
fn push_tail(end: &End, out: &mut Vec<u8>) {
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
}

/// A document that tells of an error and holds no table (DALI 1.1 §4.4).
pub fn error_document(message: &str, infos: &[Info]) -> Vec<u8> {
    let mut out = HEAD_1_4.as_bytes().to_vec();
    push_info(&mut out, "QUERY_STATUS", "ERROR", message);
    push_infos(&mut out, infos);
    out.extend_from_slice(TAIL.as_bytes());
    out
}

fn push_infos(out: &mut Vec<u8>, infos: &[Info]) {
    for info in infos {
        push_info(out, info.name, &info.value, &info.about);
    }
}

fn push_info(out: &mut Vec<u8>, name: &str, value: &str, text: &str) {
    out.extend_from_slice(b"<INFO");
    push_attribute(out, "name", name);
    push_attribute(out, "value", value);
    if name == CITATION {
        push_attribute(out, "ucd", "meta.bib");
    }
    if text.is_empty() {
        out.extend_from_slice(b"/>\n");
    } else {
        out.push(b'>');
        push_text(out, text, Context::Content);
        out.extend_from_slice(b"</INFO>\n");
    }
}
