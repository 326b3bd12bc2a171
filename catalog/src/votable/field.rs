//! FIELD elements: the metadata of the columns (VOTable 1.4 §4.1).

use std::collections::HashSet;

use adql::datatype::CellType;
use adql::schema::is_ucd;

use super::system::Systems;
use super::{OutputField, push_description};
use crate::xml::push_attribute;

/// Appends one FIELD for each column; the IDs that are `taken` are not theirs.
pub(super) fn push_fields(
    out: &mut Vec<u8>,
    fields: &[OutputField],
    systems: &Systems,
    mut taken: HashSet<String>,
) {
    for field in fields {
        let id = unique_id(&field.column.name, &mut taken);
        let system = field.column.system.as_ref().and_then(|system| systems.id(system));
        push_field(out, field, &id, system);
    }
}

fn push_field(out: &mut Vec<u8>, field: &OutputField, id: &str, system: Option<&str>) {
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
        ("ref", system),
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
        push_description(out, description);
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

/// An XML ID that nothing else has: the name, with other characters than ASCII letters,
/// digits, `_`, `.` and `-` replaced.
pub(super) fn unique_id(name: &str, taken: &mut HashSet<String>) -> String {
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
