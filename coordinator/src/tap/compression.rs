//! gzip for clients that accept it (RFC 9110 §12.5.3): results, and every document with text.
//!
//! pyvo, TOPCAT and browsers accept it always. Parquet is compressed by itself, and what is small
//! would not get smaller.

use axum::body::{Body, HttpBody};
use axum::extract::Request;
use axum::http::{HeaderMap, HeaderValue, Method, StatusCode, header};
use axum::middleware::Next;
use axum::response::Response;

use crate::format::gzip::compressed;

/// A body of fewer bytes fits into one packet.
const BODY_BYTES_MIN: u64 = 1024;

/// Compresses the answer to a request.
pub(super) async fn compress(request: Request, next: Next) -> Response {
    let accepted = accepts_gzip(request.headers()) && request.method() != Method::HEAD;
    let mut response = next.run(request).await;
    if !is_worthwhile(&response) {
        return response;
    }
    response.headers_mut().append(header::VARY, HeaderValue::from_static("Accept-Encoding"));
    if !accepted {
        return response;
    }
    let (mut parts, body) = response.into_parts();
    parts.headers.insert(header::CONTENT_ENCODING, HeaderValue::from_static("gzip"));
    // They tell of the body as it was.
    for other in [header::CONTENT_LENGTH, header::ACCEPT_RANGES, header::ETAG] {
        parts.headers.remove(other);
    }
    Response::from_parts(parts, Body::from_stream(compressed(body.into_data_stream())))
}

fn is_worthwhile(response: &Response) -> bool {
    let headers = response.headers();
    let whole = response.status() != StatusCode::PARTIAL_CONTENT
        && !headers.contains_key(header::CONTENT_ENCODING);
    let small = response.body().size_hint().upper().is_some_and(|most| most < BODY_BYTES_MIN);
    let content_type = headers.get(header::CONTENT_TYPE).and_then(|v| v.to_str().ok());
    whole && !small && content_type.is_some_and(is_text)
}

fn is_text(content_type: &str) -> bool {
    let media_type = content_type.split(';').next().unwrap_or_default().trim();
    let media_type = media_type.to_ascii_lowercase();
    media_type.starts_with("text/") || media_type.ends_with("xml") || media_type.ends_with("json")
}

/// Whether `gzip` is named, or everything is and it is not, with a weight above 0.
fn accepts_gzip(headers: &HeaderMap) -> bool {
    let values = headers.get_all(header::ACCEPT_ENCODING).iter();
    let codings = values.filter_map(|value| value.to_str().ok()).flat_map(|value| value.split(','));
    let (mut named, mut any) = (None, None);
    for coding in codings {
        let (name, parameters) = coding.split_once(';').unwrap_or((coding, ""));
        let weight = parameters.trim().strip_prefix("q=").map_or(Ok(1.0), |q| q.trim().parse());
        let accepted = weight.is_ok_and(|weight: f32| weight > 0.0);
        match name.trim().to_ascii_lowercase().as_str() {
            "gzip" | "x-gzip" => named = Some(accepted),
            "*" => any = Some(accepted),
            _ => {}
        }
    }
    named.or(any).unwrap_or(false)
}
