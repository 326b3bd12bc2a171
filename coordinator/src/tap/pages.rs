//! Pages for people: what is here, each table with its columns, and that something is not.
//!
//! Plain HTML that is XML too: no scripts, nothing from elsewhere.

use std::fmt::Write;
use std::sync::Arc;

use adql::datatype::CellType;
use adql::schema::written;
use adql::{Column, Schemas, Table};
use axum::extract::{Path, State};
use axum::http::{HeaderMap, StatusCode, Uri};
use axum::response::{Html, IntoResponse, Response};
use catalog::Snapshot;
use catalog::xml::escaped;
use url::form_urlencoded;

use crate::tap::capabilities::base_url;
use crate::tap::examples::{Example, lines};
use crate::tap::{PATH, SOFTWARE, Service, help, tables, typed};

/// As many tables are listed.
const TABLES: usize = 200;

const STYLE: &str = "body{font:16px/1.5 sans-serif;max-width:60em;margin:2em auto;padding:0 1em}\
                     code,pre{background:#eee;padding:0 .2em}pre{padding:.5em;overflow:auto}\
                     textarea{width:100%}table{border-collapse:collapse}\
                     td,th{text-align:left;vertical-align:top;padding:.1em .8em .1em 0}";

/// `/`: where the service is.
pub(super) async fn host() -> Html<String> {
    page("Armilla", &format!("<p>The TAP service is at <a href=\"{PATH}\">{PATH}</a>.</p>"))
}

/// `/tap`: what the service offers (TAP 1.1 §2 wants a page for people at its base).
pub(super) async fn service(
    State(service): State<Arc<Service>>,
    headers: HeaderMap,
) -> Html<String> {
    let base = escaped(&base_url(&service, &headers));
    let mut body = format!(
        "<p>This is a TAP service: give its address, <code>{base}</code>, to TOPCAT, pyvo or \
         another client of the Virtual Observatory.</p><ul>{}</ul>",
        help::links(&base)
    );
    let served = service.now();
    let written = push_tables(&mut body, served.engine.snapshot(), &base)
        .and_then(|()| served.examples.iter().try_for_each(|e| push_example(&mut body, e, &base)));
    written.expect("writing to a String cannot fail");
    body.push_str(&own_query(&base));
    for resource in ["tables", "examples", "capabilities", "availability"] {
        write!(body, "<a href=\"{base}/{resource}\">{resource}</a> ")
            .expect("writing to a String cannot fail");
    }
    page("Armilla", &body)
}

fn push_tables(out: &mut String, snapshot: &Snapshot, base: &str) -> std::fmt::Result {
    let tables = snapshot.tables();
    out.push_str("<h2>Tables</h2><ul>");
    for table in tables.iter().take(TABLES) {
        let name = table.name.written();
        let path: String = form_urlencoded::byte_serialize(name.as_bytes()).collect();
        let path = path.replace('+', "%20");
        let text = table.title.as_deref().or(table.description.as_deref()).unwrap_or_default();
        let columns = table.visible_columns().count();
        write!(out, "<li><a href=\"{base}/browse/{path}\"><code>{}</code></a> ", escaped(&name))?;
        if let Some(rows) = rows(snapshot, table) {
            write!(out, "{rows} rows, ")?;
        }
        write!(out, "{columns} columns. {}</li>", escaped(text))?;
    }
    out.push_str("</ul>");
    match tables.len().checked_sub(TABLES) {
        None | Some(0) => Ok(()),
        Some(more) => write!(
            out,
            "<p>{more} more are not listed here: <a href=\"{base}/tables?detail=min\">tables</a> \
             has all.</p>"
        ),
    }
}

fn rows(snapshot: &Snapshot, table: &Table) -> Option<u64> {
    snapshot.tiled_table(&table.name)?.rows()
}

fn push_example(out: &mut String, example: &Example, base: &str) -> std::fmt::Result {
    write!(out, "<h2 id=\"{}\">{}</h2>", example.id, escaped(&example.title))?;
    out.push_str(&form(base, &example.query));
    Ok(())
}

fn own_query(base: &str) -> String {
    format!("<h2>A query of your own</h2>{}", form(base, ""))
}

/// A query that can be changed and sent.
fn form(base: &str, query: &str) -> String {
    let rows = query.lines().count().max(4);
    format!(
        "<form action=\"{base}/sync\" method=\"get\"><p>\
         <textarea name=\"QUERY\" rows=\"{rows}\" cols=\"80\">{}</textarea>\
         <input type=\"hidden\" name=\"LANG\" value=\"ADQL\"/>\
         <input type=\"hidden\" name=\"RESPONSEFORMAT\" value=\"text\"/>\
         <input type=\"hidden\" name=\"MAXREC\" value=\"1000\"/>\
         <button>Try it</button> up to 1000 rows as text</p></form>",
        lines(query)
    )
}

/// `/browse/{table}`: the columns of one table.
pub(super) async fn table(
    State(service): State<Arc<Service>>,
    Path(name): Path<String>,
    headers: HeaderMap,
    uri: Uri,
) -> Response {
    let base = escaped(&base_url(&service, &headers));
    let served = service.now();
    let snapshot = served.engine.snapshot();
    let Some(table) = tables::find(snapshot, &name) else {
        return not_found(uri).await;
    };
    let name = table.name.written();
    let mut body = format!("<p><a href=\"{base}\">All tables</a></p><h2>{}</h2>", escaped(&name));
    push_columns(&mut body, snapshot, &table).expect("writing to a String cannot fail");
    body.push_str(&form(&base, &format!("SELECT TOP 10 *\nFROM {name}")));
    page(&name, &body).into_response()
}

fn push_columns(out: &mut String, snapshot: &Snapshot, table: &Table) -> std::fmt::Result {
    for text in [&table.title, &table.description].into_iter().flatten() {
        write!(out, "<p>{}</p>", escaped(text))?;
    }
    if let Some(rows) = rows(snapshot, table) {
        write!(out, "<p>{rows} rows</p>")?;
    }
    for key in snapshot.keys_from(&table.name) {
        let pairs: Vec<String> =
            key.written_columns().map(|(from, target)| format!("{from} → {target}")).collect();
        let (target, pairs) = (escaped(&key.target.written()), escaped(&pairs.join(", ")));
        let description = key.description.as_deref().map(escaped).unwrap_or_default();
        write!(out, "<p>Key to <code>{target}</code>: {pairs}. {description}</p>")?;
    }
    out.push_str("<table><tr><th>column</th><th>type</th><th>unit</th><th>UCD</th><th></th></tr>");
    for column in table.visible_columns() {
        push_column(out, column)?;
    }
    out.push_str("</table>");
    Ok(())
}

fn push_column(out: &mut String, column: &Column) -> std::fmt::Result {
    let cell = CellType::of(&column.data_type, column.xtype.as_deref());
    let size = cell.array_size().map_or_else(String::new, |size| format!("[{size}]"));
    let text = |text: &Option<String>| text.as_deref().map(escaped).unwrap_or_default();
    write!(
        out,
        "<tr><td><code>{}</code></td><td>{}{size}</td><td>{}</td><td>{}</td><td>{}</td></tr>",
        escaped(&written(&column.name)),
        cell.kind.name(),
        text(&column.unit),
        text(&column.ucd),
        text(&column.description)
    )
}

/// Everything that is not there.
pub(super) async fn not_found(uri: Uri) -> Response {
    let text = format!("there is no {} here; the TAP service is at {PATH}\n", uri.path());
    (StatusCode::NOT_FOUND, typed("text/plain;charset=utf-8"), text).into_response()
}

/// A page with a title.
pub(super) fn page(title: &str, body: &str) -> Html<String> {
    let title = escaped(title);
    Html(format!(
        "<!DOCTYPE html>\n<html xmlns=\"http://www.w3.org/1999/xhtml\" lang=\"en\"><head>\
         <meta charset=\"utf-8\"/><title>{title}</title><style>{STYLE}</style></head>\
         <body><h1>Armilla</h1>{body}<p>{SOFTWARE}</p></body></html>\n"
    ))
}
