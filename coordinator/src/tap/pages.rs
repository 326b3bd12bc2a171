//! Pages for people: what is here, and that something is not.

use std::fmt::Write;
use std::sync::Arc;

use adql::Schemas;
use axum::extract::State;
use axum::http::{HeaderMap, StatusCode, Uri};
use axum::response::{Html, IntoResponse, Response};

use crate::format::xml::escaped;
use crate::tap::capabilities::base_url;
use crate::tap::{PATH, SOFTWARE, Service, typed};

/// As many tables are listed.
const TABLES: usize = 100;

const STYLE: &str = "body{font:16px/1.5 sans-serif;max-width:50em;margin:2em auto;padding:0 1em}\
                     code{background:#eee;padding:0 .2em}";

/// `/`: where the service is.
pub(super) async fn host() -> Html<String> {
    page(&format!("<p>The TAP service is at <a href=\"{PATH}\">{PATH}</a>.</p>"))
}

/// `/tap`: what the service offers (TAP 1.1 §2 wants a page for people at its base).
pub(super) async fn service(
    State(service): State<Arc<Service>>,
    headers: HeaderMap,
) -> Html<String> {
    let base = escaped(&base_url(&service, &headers));
    let tables = service.engine.snapshot().tables();
    let mut list = String::new();
    for table in tables.iter().take(TABLES) {
        let name = escaped(&table.name.to_string());
        let description = table.description.as_deref().map(escaped).unwrap_or_default();
        let columns = table.columns.iter().filter(|column| !column.hidden).count();
        write!(list, "<li><code>{name}</code> ({columns} columns) {description}</li>")
            .expect("writing to a String cannot fail");
    }
    if let Some(more) = tables.len().checked_sub(TABLES).filter(|more| *more > 0) {
        write!(list, "<li>and {more} more</li>").expect("writing to a String cannot fail");
    }
    page(&format!(
        "<p>This is a TAP service: give its address, <code>{base}</code>, to TOPCAT, pyvo or \
         another client of the Virtual Observatory.</p>\
         <form action=\"{PATH}/sync\" method=\"get\"><p><label>ADQL<br>\
         <textarea name=\"QUERY\" rows=\"5\" cols=\"80\"></textarea></label></p>\
         <input type=\"hidden\" name=\"LANG\" value=\"ADQL\">\
         <input type=\"hidden\" name=\"RESPONSEFORMAT\" value=\"text\">\
         <input type=\"hidden\" name=\"MAXREC\" value=\"1000\">\
         <p><button>Run</button></p></form>\
         <h2>Tables</h2><ul>{list}</ul>\
         <p><a href=\"{PATH}/capabilities\">capabilities</a> · \
         <a href=\"{PATH}/availability\">availability</a></p>"
    ))
}

/// Everything that is not there.
pub(super) async fn not_found(uri: Uri) -> Response {
    let text = format!("there is no {} here; the TAP service is at {PATH}\n", uri.path());
    (StatusCode::NOT_FOUND, typed("text/plain;charset=utf-8"), text).into_response()
}

fn page(body: &str) -> Html<String> {
    Html(format!(
        "<!DOCTYPE html>\n<html lang=\"en\"><head><meta charset=\"utf-8\"><title>Armilla</title>\
         <style>{STYLE}</style></head><body><h1>Armilla</h1>{body}<p>{SOFTWARE}</p></body></html>\n"
    ))
}
