//! The parameters of a request as they came: from its URL, a form, or a multipart form.

use axum::body::Body;
use axum::extract::{FromRequest, Multipart, Request};
use axum::http::{StatusCode, header};
use futures::StreamExt;
use percent_encoding::percent_decode;
use url::form_urlencoded;

use crate::tap::refusal::Refusal;

/// A form may be as large as the largest list of ids with its commas escaped, and some more.
const BODY_BYTES: usize = 4 << 20;

/// So much of a body that is too large is read for the sake of a polite answer.
const DROPPED_BYTES: usize = 128 << 20;

/// Names and values in their order, those of the URL first.
pub(crate) async fn parameters(request: Request) -> Result<Vec<(String, String)>, Refusal> {
    let query = request.uri().query().unwrap_or_default();
    let mut parameters = decoded(query.as_bytes())?;
    let content_type = request.headers().get(header::CONTENT_TYPE).and_then(|v| v.to_str().ok());
    let media_type = content_type.and_then(|v| v.split(';').next()).unwrap_or_default().trim();
    let media_type = media_type.to_ascii_lowercase();
    if media_type == "multipart/form-data" {
        parameters.extend(parts(request).await?);
        return Ok(parameters);
    }
    let is_form = media_type == "application/x-www-form-urlencoded";
    let body = received(request.into_body()).await?;
    if is_form {
        parameters.extend(decoded(&body)?);
    } else if !body.is_empty() {
        return Err(Refusal::Unreadable {
            status: StatusCode::UNSUPPORTED_MEDIA_TYPE,
            message: format!(
                "a body of type {media_type:?}: send application/x-www-form-urlencoded or \
                 multipart/form-data"
            ),
        });
    }
    Ok(parameters)
}

/// The body of a request. Of one that is too large the rest is read and dropped, up to a limit: a
/// client that still writes would see a broken connection in place of the refusal.
async fn received(body: Body) -> Result<Vec<u8>, Refusal> {
    let (mut kept, mut dropped) = (Vec::new(), 0);
    let mut chunks = body.into_data_stream();
    while let Some(chunk) = chunks.next().await {
        let chunk = chunk.map_err(|_| too_large())?;
        if dropped == 0 && kept.len() + chunk.len() <= BODY_BYTES {
            kept.extend_from_slice(&chunk);
            continue;
        }
        dropped += chunk.len();
        if dropped > DROPPED_BYTES {
            break;
        }
    }
    if dropped == 0 { Ok(kept) } else { Err(too_large()) }
}

fn too_large() -> Refusal {
    Refusal::Unreadable {
        status: StatusCode::PAYLOAD_TOO_LARGE,
        message: format!("its body ends early or has more than {BODY_BYTES} bytes"),
    }
}

/// Names and values of a form. Bytes that are no text are refused: the decoder would put a
/// character in their place.
fn decoded(form: &[u8]) -> Result<Vec<(String, String)>, Refusal> {
    if percent_decode(form).decode_utf8().is_err() {
        return Err(Refusal::Unreadable {
            status: StatusCode::BAD_REQUEST,
            message: "its parameters are not in UTF-8".to_owned(),
        });
    }
    Ok(form_urlencoded::parse(form).into_owned().collect())
}

/// The text parts of a multipart form; those that are files belong to an UPLOAD.
async fn parts(request: Request) -> Result<Vec<(String, String)>, Refusal> {
    let (head, body) = request.into_parts();
    let body = received(body).await?;
    let request = Request::from_parts(head, Body::from(body));
    let unreadable = |message: String| Refusal::Unreadable {
        status: StatusCode::BAD_REQUEST,
        message: format!("its multipart form is malformed: {message}"),
    };
    let form = Multipart::from_request(request, &()).await;
    let mut form = form.map_err(|error| unreadable(error.body_text()))?;
    let mut parameters = Vec::new();
    while let Some(part) = form.next_field().await.map_err(|error| unreadable(error.body_text()))? {
        let Some(name) = part.name().map(ToOwned::to_owned) else { continue };
        if part.file_name().is_none() {
            let value = part.text().await.map_err(|error| unreadable(error.body_text()))?;
            parameters.push((name, value));
        }
    }
    Ok(parameters)
}
