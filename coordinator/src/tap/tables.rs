//! `/tables` (VOSI 1.1 §6): every schema, table, column and key, as `TAP_SCHEMA` has them.
//!
//! Written table by table while the client reads, so that 10,000 tables need no memory. Parameters
//! other than DETAIL are ignored, as the `tables` and `only_tables` that astroquery sends.

use std::sync::Arc;

use adql::datatype::CellType;
use adql::schema::written;
use adql::{Column, Schemas, Table};
use axum::body::Body;
use axum::extract::{Path, Query, State};
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use bytes::Bytes;
use catalog::Snapshot;
use catalog::xml::{Context, push_attribute, push_text};
use futures::stream;

use crate::tap::{Service, typed};

const NAMESPACES: &str = " xmlns:vosi=\"http://www.ivoa.net/xml/VOSITables/v1.0\" \
                          xmlns:vs=\"http://www.ivoa.net/xml/VODataService/v1.1\" \
                          xmlns:xsi=\"http://www.w3.org/2001/XMLSchema-instance\"";

const XML: &str = "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n";

/// A chunk leaves when it has reached this size.
const CHUNK_BYTES: usize = 64 * 1024;

/// How much is told of each table.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Detail {
    /// No columns and keys.
    Min,
    Max,
}

impl Detail {
    fn of(parameters: &[(String, String)]) -> Result<Self, String> {
        let mut given = parameters.iter().filter(|(name, _)| name.eq_ignore_ascii_case("detail"));
        match given.next().map(|(_, value)| value.as_str()) {
            None | Some("") => Ok(Self::Max),
            Some(value) if value.eq_ignore_ascii_case("max") => Ok(Self::Max),
            Some(value) if value.eq_ignore_ascii_case("min") => Ok(Self::Min),
            Some(value) => Err(format!("DETAIL={value} is not supported: use one of min, max\n")),
        }
    }
}

/// `/tables`.
pub(super) async fn all(
    State(service): State<Arc<Service>>,
    Query(parameters): Query<Vec<(String, String)>>,
) -> Response {
    let detail = match Detail::of(&parameters) {
        Ok(detail) => detail,
        Err(message) => return refused(StatusCode::BAD_REQUEST, message),
    };
    let served = service.now();
    let snapshot = Arc::clone(served.engine.snapshot());
    let writer = Writer { snapshot, detail, next: Some((0, 0)) };
    let chunks = stream::iter(writer.map(Ok::<Bytes, std::convert::Infallible>));
    let headers = (typed("text/xml;charset=utf-8"), served.unchanged_since());
    (headers.0, headers.1, Body::from_stream(chunks)).into_response()
}

/// `/tables/{name}`: one table with its columns.
pub(super) async fn one(State(service): State<Arc<Service>>, Path(name): Path<String>) -> Response {
    let served = service.now();
    let snapshot = served.engine.snapshot();
    let Some(table) = find(snapshot, &name) else {
        let message = format!("there is no table {name} here; /tables?detail=min lists all\n");
        return refused(StatusCode::NOT_FOUND, message);
    };
    let mut out = XML.as_bytes().to_vec();
    push_table(&mut out, snapshot, &table, &Element::Root);
    (typed("text/xml;charset=utf-8"), served.unchanged_since(), out).into_response()
}

fn refused(status: StatusCode, message: String) -> Response {
    (status, typed("text/plain;charset=utf-8"), message).into_response()
}

/// The table of a name as it is written in a query, or without quotes and in any case where only
/// one fits.
pub(super) fn find(snapshot: &Snapshot, name: &str) -> Option<Arc<Table>> {
    let name = name.trim();
    let tables = snapshot.tables();
    if let Some(exact) = tables.iter().find(|t| t.name.written() == name) {
        return Some(Arc::clone(exact));
    }
    let plain = |t: &Table| t.name.to_string();
    if let Some(exact) = tables.iter().find(|t| plain(t) == name) {
        return Some(Arc::clone(exact));
    }
    let mut close = tables.iter().filter(|t| {
        plain(t).eq_ignore_ascii_case(name) || t.name.written().eq_ignore_ascii_case(name)
    });
    let found = close.next()?;
    close.next().is_none().then(|| Arc::clone(found))
}

/// Writes the document in chunks.
struct Writer {
    snapshot: Arc<Snapshot>,
    detail: Detail,
    /// The schema and the table in it that come next; none at the end.
    next: Option<(usize, usize)>,
}

impl Iterator for Writer {
    type Item = Bytes;

    fn next(&mut self) -> Option<Bytes> {
        let (mut schema, mut table) = self.next.take()?;
        let mut out = Vec::with_capacity(CHUNK_BYTES + CHUNK_BYTES / 4);
        if (schema, table) == (0, 0) {
            out.extend_from_slice(format!("{XML}<vosi:tableset{NAMESPACES}>\n").as_bytes());
        }
        while let Some(info) = self.snapshot.schemas().get(schema) {
            if out.len() >= CHUNK_BYTES {
                self.next = Some((schema, table));
                return Some(out.into());
            }
            if table == 0 {
                out.extend_from_slice(b"<schema>\n");
                push_element(&mut out, "name", Some(&info.name));
                push_element(&mut out, "description", info.description.as_deref());
            }
            if let Some(described) = info.tables.get(table) {
                push_table(&mut out, &self.snapshot, described, &Element::Inner(self.detail));
                table += 1;
            } else {
                out.extend_from_slice(b"</schema>\n");
                (schema, table) = (schema + 1, 0);
            }
        }
        out.extend_from_slice(b"</vosi:tableset>\n");
        Some(out.into())
    }
}

/// Where the description of a table stands.
enum Element {
    /// It is the document.
    Root,
    /// It is one of a schema.
    Inner(Detail),
}

fn push_table(out: &mut Vec<u8>, snapshot: &Snapshot, table: &Table, element: &Element) {
    let (tag, namespaces, detail) = match element {
        Element::Root => ("vosi:table", NAMESPACES, Detail::Max),
        Element::Inner(detail) => ("table", "", *detail),
    };
    let kind = if table.view.is_some() { " type=\"view\"" } else { "" };
    out.extend_from_slice(format!("<{tag}{namespaces}{kind}>\n").as_bytes());
    push_element(out, "name", Some(&table.name.written()));
    push_element(out, "title", table.title.as_deref());
    push_element(out, "description", table.words().as_deref());
    push_element(out, "utype", table.utype.as_deref());
    let rows = snapshot.tiled_table(&table.name).and_then(|t| t.rows());
    push_element(out, "nrows", rows.map(|rows| rows.to_string()).as_deref());
    if detail == Detail::Max {
        for column in table.visible_columns() {
            push_column(out, column);
        }
        for key in snapshot.keys_from(&table.name) {
            out.extend_from_slice(b"<foreignKey>\n");
            push_element(out, "targetTable", Some(&key.target.written()));
            for (from, target) in key.written_columns() {
                out.extend_from_slice(b"<fkColumn>");
                push_element(out, "fromColumn", Some(&from));
                push_element(out, "targetColumn", Some(&target));
                out.extend_from_slice(b"</fkColumn>\n");
            }
            push_element(out, "description", key.description.as_deref());
            out.extend_from_slice(b"</foreignKey>\n");
        }
    }
    out.extend_from_slice(format!("</{tag}>\n").as_bytes());
}

fn push_column(out: &mut Vec<u8>, column: &Column) {
    out.extend_from_slice(b"<column");
    push_attribute(out, "std", if column.std { "true" } else { "false" });
    out.extend_from_slice(b">\n");
    push_element(out, "name", Some(&written(&column.name)));
    push_element(out, "description", column.words().as_deref());
    push_element(out, "unit", column.unit.as_deref());
    push_element(out, "ucd", column.ucd.as_deref());
    push_element(out, "utype", column.utype.as_deref());
    let cell = CellType::of(&column.data_type, column.xtype.as_deref());
    out.extend_from_slice(b"<dataType xsi:type=\"vs:VOTableType\"");
    if let Some(size) = cell.array_size() {
        push_attribute(out, "arraysize", &size);
    }
    if let Some(xtype) = column.xtype.as_deref().or(cell.xtype) {
        push_attribute(out, "extendedType", xtype);
    }
    out.extend_from_slice(format!(">{}</dataType>\n", cell.kind.name()).as_bytes());
    for (flag, is_set) in [("indexed", column.indexed), ("nullable", true)] {
        push_element(out, "flag", is_set.then_some(flag));
    }
    out.extend_from_slice(b"</column>\n");
}

/// `<name>text</name>`; nothing without a text.
fn push_element(out: &mut Vec<u8>, name: &str, text: Option<&str>) {
    let Some(text) = text.filter(|text| !text.is_empty()) else { return };
    out.extend_from_slice(format!("<{name}>").as_bytes());
    push_text(out, text, Context::Content);
    out.extend_from_slice(format!("</{name}>").as_bytes());
    out.push(b'\n');
}
