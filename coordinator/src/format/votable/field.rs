//! FIELD elements: the metadata of the columns (VOTable 1.4 §4.1).

use std::collections::HashSet;

use adql::datatype::CellType;
use adql::schema::is_ucd;
use datafusion::common::exec_datafusion_err;

use crate::Error;
use crate::format::cells::Cells;
use crate::format::stream::OutputField;
use crate::format::xml::{Context, push_attribute, push_text};

/// The frame of every table's main position: HATS has no other.
const FRAME: &str = "ICRS";

/// Appends a COOSYS where a column is a coordinate in it.
pub(crate) fn push_frame(out: &mut Vec<u8>, fields: &[OutputField]) {
    if fields.iter().any(is_main_position) {
        out.extend_from_slice(b"<COOSYS");
        push_attribute(out, "ID", FRAME);
        push_attribute(out, "system", FRAME);
        out.extend_from_slice(b"/>\n");
    }
}

/// Whether a column is a coordinate of the position that its table is placed by. Of other
/// positions nobody said a frame.
fn is_main_position(field: &OutputField) -> bool {
    matches!(field.column.ucd.as_deref(), Some("pos.eq.ra;meta.main" | "pos.eq.dec;meta.main"))
}

/// Appends one FIELD for each column.
pub(crate) fn push_fields(out: &mut Vec<u8>, fields: &[OutputField]) {
    let mut ids = HashSet::with_capacity(fields.len() + 1);
    ids.insert(FRAME.to_owned());
    for field in fields {
        push_field(out, field, &unique_id(&field.column.name, &mut ids));
    }
}

fn push_field(out: &mut Vec<u8>, field: &OutputField, id: &str) {
    let OutputField { column, cell_type } = field;
    out.extend_from_slice(b"<FIELD");
    push_attribute(out, "ID", id);
    push_attribute(out, "name", &column.name);
    push_attribute(out, "datatype", cell_type.kind.name());
    if let Some(size) = cell_type.array_size() {
        push_attribute(out, "arraysize", &size);
    }
    let optional = [
        ("xtype", column.xtype.as_deref().or(cell_type.xtype)),
        ("unit", column.unit.as_deref()),
        ("ucd", column.ucd.as_deref().filter(|ucd| is_ucd(ucd))),
        ("utype", column.utype.as_deref()),
        ("ref", is_main_position(field).then_some(FRAME)),
    ];
    for (name, value) in optional {
        if let Some(value) = value.filter(|v| !v.is_empty()) {
            push_attribute(out, name, value);
        }
    }
    let description = column.description.as_deref().filter(|d| !d.is_empty());
    let null = null_element(cell_type);
    if description.is_none() && null.is_none() {
        out.extend_from_slice(b"/>\n");
        return;
    }
    out.push(b'>');
    if let Some(description) = description {
        out.extend_from_slice(b"<DESCRIPTION>");
        push_text(out, description, Context::Content);
        out.extend_from_slice(b"</DESCRIPTION>");
    }
    if let Some(null) = null {
        out.extend_from_slice(b"<VALUES");
        push_attribute(out, "null", &null.to_string());
        out.extend_from_slice(b"/>");
    }
    out.extend_from_slice(b"</FIELD>\n");
}

/// The integer for missing elements of an array, and for NULL in BINARY. Elsewhere scalars need
/// none: an empty TD, or the flag of BINARY2, says that a cell is NULL.
fn null_element(cell_type: &CellType) -> Option<i64> {
    if cell_type.null_elements { cell_type.kind.null_element() } else { None }
}

/// Refuses a value that every reader would take for a missing one.
pub(crate) fn refuse_null_elements(names: &[String], columns: &[Cells]) -> Result<(), Error> {
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

/// An XML ID that no other column has: the name, with other characters than ASCII letters,
/// digits, `_`, `.` and `-` replaced.
fn unique_id(name: &str, taken: &mut HashSet<String>) -> String {
    let mut id: String = name
        .chars()
        .map(|c| if c.is_ascii_alphanumeric() || matches!(c, '_' | '.' | '-') { c } else { '_' })
        .collect();
    if !id.starts_with(|c: char| c.is_ascii_alphabetic() || c == '_') {
        id.insert(0, '_');
    }
    let mut unique = id.clone();
    let mut number = 1;
    while !taken.insert(unique.clone()) {
        number += 1;
        unique = format!("{id}_{number}");
    }
    unique
}
