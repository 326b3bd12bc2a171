//! What a VOTable says around its rows, written: the FIELDs of columns, with the frames and scales
//! to which they refer; and the whole document without rows that a Parquet file carries
//! (`VOParquet` 1.0).
//!
//! Version 1.4, which more clients read, unless a frame of the columns needs 1.5.
//! Results of queries begin alike; their rows and what follows them are no business of this module.

mod field;
mod system;

use std::collections::HashSet;

use adql::datatype::CellType;
use adql::{OutputColumn, Table};
use datafusion::parquet::file::metadata::KeyValue;

use crate::metadata::Origin;
use crate::xml::{Context, push_attribute, push_text};
use system::Systems;

/// The key of the version of `VOParquet` that a file follows (§2.2).
const VERSION_KEY: &str = "IVOA.VOTable-Parquet.version";

/// The key of the VOTable without rows.
pub(crate) const CONTENT_KEY: &str = "IVOA.VOTable-Parquet.content";

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

/// What a document begins with that has no columns.
pub const HEAD: &str = head!("1.4");

const HEAD_1_5: &str = head!("1.5");

/// What a document ends with, after its TABLE.
pub const TAIL: &str = "</RESOURCE>\n</VOTABLE>\n";

/// The INFO that clients show as the source of the data (DALI 1.1 §4.4.3).
const CITATION: &str = "citation";

/// A column with the type in which its cells are written.
#[derive(Debug, Clone)]
pub struct OutputField {
    /// What is said of it.
    pub column: OutputColumn,
    /// Its VOTable type.
    pub cell_type: CellType,
}

/// An `INFO` of VOTable 1.4 §4.5; CSV, TSV and text have no place for it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Info {
    /// Its name.
    pub name: &'static str,
    /// Its value.
    pub value: String,
    /// Of what it is said, where it is not of the whole document.
    pub about: String,
}

impl Info {
    /// One about the whole document.
    pub fn new(name: &'static str, value: impl Into<String>) -> Self {
        Self { name, value: value.into(), about: String::new() }
    }
}

/// What the TABLE says of itself; an empty text says nothing.
#[derive(Debug, Clone, Copy, Default)]
pub struct TableTag<'a> {
    /// Its name.
    pub name: &'a str,
    /// Data model role.
    pub utype: &'a str,
    /// One paragraph for humans.
    pub description: &'a str,
}

/// Appends everything that stands before the rows.
pub fn push_head(out: &mut Vec<u8>, infos: &[Info], tag: TableTag<'_>, fields: &[OutputField]) {
    let mut ids = HashSet::with_capacity(fields.len() + 1);
    let systems = Systems::of(fields, &mut ids);
    let head = if systems.need_1_5() { HEAD_1_5 } else { HEAD };
    out.extend_from_slice(head.as_bytes());
    for info in infos {
        push_info(out, info.name, &info.value, &info.about);
    }
    systems.push(out);
    out.extend_from_slice(b"<TABLE");
    for (name, value) in [("name", tag.name), ("utype", tag.utype)] {
        if !value.is_empty() {
            push_attribute(out, name, value);
        }
    }
    out.extend_from_slice(b">\n");
    if !tag.description.is_empty() {
        push_description(out, tag.description);
        out.push(b'\n');
    }
    field::push_fields(out, fields, &systems, ids);
}

/// Appends what stands after the rows, but for what is to be said of them.
pub fn push_table_end(out: &mut Vec<u8>) {
    out.extend_from_slice(b"</TABLE>\n");
}

/// Appends an INFO.
pub fn push_info(out: &mut Vec<u8>, name: &str, value: &str, text: &str) {
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

fn push_description(out: &mut Vec<u8>, text: &str) {
    out.extend_from_slice(b"<DESCRIPTION>");
    push_text(out, text, Context::Content);
    out.extend_from_slice(b"</DESCRIPTION>");
}

/// What the footer of a Parquet file says by a VOTable without rows.
pub fn parquet_metadata(votable: &[u8]) -> [KeyValue; 2] {
    let votable = String::from_utf8_lossy(votable).into_owned();
    [
        KeyValue::new(VERSION_KEY.to_owned(), "1.0".to_owned()),
        KeyValue::new(CONTENT_KEY.to_owned(), votable),
    ]
}

/// What the footers of a table's files say: a FIELD for each column, hidden ones too.
pub(crate) fn of_table(table: &Table, origin: &Origin) -> [KeyValue; 2] {
    let infos: Vec<Info> =
        origin.terms().into_iter().map(|(name, value)| Info::new(name, value)).collect();
    let fields: Vec<OutputField> = table
        .columns
        .iter()
        .map(|column| OutputField {
            cell_type: CellType::of(&column.data_type, column.xtype.as_deref()),
            column: OutputColumn::from(column.clone()),
        })
        .collect();
    let text = |text: &Option<String>| text.clone().unwrap_or_default();
    let [name, utype, description] = [&table.title, &table.utype, &table.description].map(text);
    let tag = TableTag { name: &name, utype: &utype, description: &description };
    let mut votable = Vec::new();
    push_head(&mut votable, &infos, tag, &fields);
    push_table_end(&mut votable);
    votable.extend_from_slice(TAIL.as_bytes());
    parquet_metadata(&votable)
}
