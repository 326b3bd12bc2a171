//! `/capabilities` (VOSI 1.1 §4): what the service can do, in the terms of `TAPRegExt` 1.0.
//!
//! `TAPRegExt` 1.0 rather than the draft of 1.1, which validators refuse. It declares what runs and
//! nothing else.

use std::fmt::Write;
use std::sync::Arc;

use adql::Schemas as _;
use axum::extract::State;
use axum::http::{HeaderMap, header};
use axum::response::{IntoResponse, Response};
use catalog::xml::escaped;

use crate::Engine;
use crate::format::OFFERS;
use crate::tap::features::declared_features;
use crate::tap::{PATH, Service, xml};
use crate::uws::Seconds;

const HEAD: &str = "\
<vosi:capabilities xmlns:vosi=\"http://www.ivoa.net/xml/VOSICapabilities/v1.0\"
 xmlns:tr=\"http://www.ivoa.net/xml/TAPRegExt/v1.0\"
 xmlns:vr=\"http://www.ivoa.net/xml/VOResource/v1.0\"
 xmlns:vs=\"http://www.ivoa.net/xml/VODataService/v1.1\"
 xmlns:xsi=\"http://www.w3.org/2001/XMLSchema-instance\">
";

pub(super) async fn document(State(service): State<Arc<Service>>, headers: HeaderMap) -> Response {
    let base = escaped(&base_url(&service, &headers));
    let mut text = HEAD.to_owned();
    push_capabilities(&mut text, &service, &base).expect("writing to a String cannot fail");
    (service.now().unchanged_since(), xml(&text)).into_response()
}

/// The URL of the service without a final slash: the configured one, or the host that the request
/// names.
pub(super) fn base_url(service: &Service, headers: &HeaderMap) -> String {
    if let Some(url) = &service.public_url {
        return url.as_str().trim_end_matches('/').to_owned();
    }
    let host = headers.get(header::HOST).and_then(|value| value.to_str().ok());
    format!("http://{}{PATH}", host.unwrap_or("localhost"))
}

fn push_capabilities(out: &mut String, service: &Service, base: &str) -> std::fmt::Result {
    out.push_str(
        "<capability standardID=\"ivo://ivoa.net/std/TAP\" xsi:type=\"tr:TableAccess\">\n",
    );
    push_interface(out, base, "base", "role=\"std\" version=\"1.1\"")?;
    push_language(out, &service.now().engine)?;
    for offer in &OFFERS {
        match offer.ivo_id {
            Some(id) => writeln!(out, "<outputFormat ivo-id=\"{}\">", escaped(id))?,
            None => out.push_str("<outputFormat>\n"),
        }
        writeln!(out, "<mime>{}</mime>", escaped(offer.media_type))?;
        for alias in offer.aliases {
            writeln!(out, "<alias>{}</alias>", escaped(alias))?;
        }
        out.push_str("</outputFormat>\n");
    }
    if service.uploads.is_some() {
        for method in ["inline", "http", "https"] {
            let id = format!("ivo://ivoa.net/std/TAPRegExt#upload-{method}");
            writeln!(out, "<uploadMethod ivo-id=\"{id}\"/>")?;
        }
    }
    let limits = service.jobs.limits();
    push_seconds(out, "retentionPeriod", limits.retention)?;
    push_seconds(out, "executionDuration", limits.execution)?;
    let rows = service.rows;
    out.push_str("<outputLimit>\n");
    writeln!(out, "<default unit=\"row\">{}</default>", rows.default)?;
    writeln!(out, "<hard unit=\"row\">{}</hard>", rows.hard)?;
    out.push_str("</outputLimit>\n");
    if let Some(uploads) = &service.uploads {
        // The schema has room for one limit; that of rows is in the help.
        let bytes = uploads.limits().bytes;
        writeln!(out, "<uploadLimit><hard unit=\"byte\">{bytes}</hard></uploadLimit>")?;
    }
    out.push_str("</capability>\n");
    for resource in ["capabilities", "availability"] {
        writeln!(out, "<capability standardID=\"ivo://ivoa.net/std/VOSI#{resource}\">")?;
        push_interface(out, &format!("{base}/{resource}"), "full", "")?;
        out.push_str("</capability>\n");
    }
    out.push_str("<capability standardID=\"ivo://ivoa.net/std/VOSI#tables-1.1\">\n");
    push_interface(out, &format!("{base}/tables"), "full", "version=\"1.1\"")?;
    out.push_str("</capability>\n<capability standardID=\"ivo://ivoa.net/std/DALI#examples\">\n");
    out.push_str("<interface xsi:type=\"vr:WebBrowser\">\n");
    writeln!(out, "<accessURL use=\"full\">{base}/examples</accessURL>")?;
    out.push_str("</interface>\n</capability>\n</vosi:capabilities>\n");
    Ok(())
}

fn push_seconds(out: &mut String, element: &str, seconds: Seconds) -> std::fmt::Result {
    let Seconds { default, hard } = seconds;
    writeln!(out, "<{element}><default>{default}</default><hard>{hard}</hard></{element}>")
}

fn push_interface(out: &mut String, url: &str, use_: &str, attributes: &str) -> std::fmt::Result {
    writeln!(out, "<interface xsi:type=\"vs:ParamHTTP\" {attributes}>")?;
    writeln!(out, "<accessURL use=\"{use_}\">{url}</accessURL>")?;
    out.push_str("</interface>\n");
    Ok(())
}

fn push_language(out: &mut String, engine: &Engine) -> std::fmt::Result {
    out.push_str("<language>\n<name>ADQL</name>\n");
    for version in ["2.0", "2.1"] {
        let id = format!("ivo://ivoa.net/std/ADQL#v{version}");
        writeln!(out, "<version ivo-id=\"{id}\">{version}</version>")?;
    }
    out.push_str("<description>Astronomical Data Query Language</description>\n");
    let features =
        declared_features(engine.snapshot().macros(), engine.process().names().is_some());
    for group in features.chunk_by(|a, b| a.group == b.group) {
        writeln!(out, "<languageFeatures type=\"{}\">", group[0].type_id())?;
        for feature in group {
            writeln!(out, "<feature>\n<form>{}</form>", escaped(&feature.form))?;
            if !feature.description.is_empty() {
                writeln!(out, "<description>{}</description>", escaped(&feature.description))?;
            }
            out.push_str("</feature>\n");
        }
        out.push_str("</languageFeatures>\n");
    }
    out.push_str("</language>\n");
    Ok(())
}
