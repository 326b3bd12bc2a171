//! The parameters of a request as they came: from its URL, a form, or a multipart form.

use axum::body::to_bytes;
use axum::extract::{FromRequest, Multipart, Request};
use axum::http::{StatusCode, header};
use url::form_urlencoded;

use crate::tap::refusal::Refusal;

/// A form may be as large as the largest query with every byte escaped, and some more.
const BODY_BYTES: usize = 4 << 20;

/// Names and values in their order, those of the URL first.
pub(crate) async fn parameters(request: Request) -> Result<Vec<(String, String)>, Refusal> {
    let query = request.uri().query().unwrap_or_default();
    let mut parameters = decoded(query.as_bytes());
    let content_type = request.headers().get(header::CONTENT_TYPE).and_then(|v| v.to_str().ok());
    let media_type = content_type.and_then(|v| v.split(';').next()).unwrap_or_default().trim();
    let media_type = media_type.to_ascii_lowercase();
    if media_type == "multipart/form-data" {
        parameters.extend(parts(request).await?);
        return Ok(parameters);
    }
    let is_form = media_type == "application/x-www-form-urlencoded";
    let body = to_bytes(request.into_body(), BODY_BYTES).await.map_err(|_| too_large())?;
    if is_form {
        parameters.extend(decoded(&body));
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

fn too_large() -> Refusal {
    Refusal::Unreadable {
        status: StatusCode::PAYLOAD_TOO_LARGE,
        message: format!("its body ends early or has more than {BODY_BYTES} bytes"),
    }
}

fn decoded(form: &[u8]) -> Vec<(String, String)> {
    form_urlencoded::parse(form).into_owned().collect()
}

/// The text parts of a multipart form; those that are files belong to an UPLOAD.
async fn parts(request: Request) -> Result<Vec<(String, String)>, Refusal> {
    let (head, body) = request.into_parts();
    let body = to_bytes(body, BODY_BYTES).await.map_err(|_| too_large())?;
    let request = Request::from_parts(head, body.into());
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
