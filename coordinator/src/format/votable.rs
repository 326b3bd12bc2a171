//! VOTable documents: results as they stream, and errors.
//!
//! The frame is that of DALI 1.1 §4.4: one RESOURCE of type `results`, an INFO `QUERY_STATUS`
//! before the TABLE, and a second one after it when rows were cut or the query broke.
//! Columns are described by [`catalog::votable`].

mod base64_lines;
mod binary;
mod tabledata;

use std::sync::Arc;

use catalog::votable::{self, HEAD, Info, OutputField, TAIL, TableTag, push_info};
use datafusion::common::exec_datafusion_err;

use crate::Error;
use crate::format::cells::Cells;
use crate::format::rows::End;
use crate::format::stream::{Frame, RowWriter};
use base64_lines::Base64;
use binary::Records;
use tabledata::TableData;

/// The elements of DATA around the rows (VOTable 1.4 §5).
const TABLEDATA: [&str; 2] = ["<TABLEDATA>\n", "</TABLEDATA>"];
const BINARY: [&str; 2] = ["<BINARY><STREAM encoding=\"base64\">\n", "</STREAM></BINARY>"];
const BINARY2: [&str; 2] = ["<BINARY2><STREAM encoding=\"base64\">\n", "</STREAM></BINARY2>"];

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
    let infos = [&[Info::new("QUERY_STATUS", "OK")], infos].concat();
    let tag = TableTag { name: "result", ..TableTag::default() };
    votable::push_head(out, &infos, tag, fields);
}

/// Appends everything that stands after the rows.
fn push_tail(end: &End, out: &mut Vec<u8>) {
    votable::push_table_end(out);
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
    let mut out = HEAD.as_bytes().to_vec();
    push_info(&mut out, "QUERY_STATUS", "ERROR", message);
    for info in infos {
        push_info(&mut out, info.name, &info.value, &info.about);
    }
    out.extend_from_slice(TAIL.as_bytes());
    out
}

/// Refuses a value that every reader would take for a missing one.
fn refuse_null_elements(names: &[String], columns: &[Cells]) -> Result<(), Error> {
    let mut columns = names.iter().zip(columns);
    let Some((name, column)) = columns.find(|(_, column)| column.holds_null_element()) else {
        return Ok(());
    };
    let value = column.kind.null_element().unwrap_or_default();
    let other = if column.is_single() {
        "votable/b2, votable/td, csv or parquet"
    } else {
        "csv or parquet"
    };
    Err(Error::Execution(exec_datafusion_err!(
        "column {name} holds {value}, by which this serialization of VOTable tells that a value is \
         missing: ask for {other}"
    )))
}
