//! The parameters of a request as they came: from its URL, a form, or a multipart form; and the
//! files that came with them, which go to disk as they arrive.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use axum::body::Body;
use axum::extract::multipart::{Field, MultipartError};
use axum::extract::{DefaultBodyLimit, FromRequest, Multipart, Request};
use axum::http::{StatusCode, header};
use futures::StreamExt;
use percent_encoding::percent_decode;
use url::form_urlencoded;

use crate::tap::refusal::Refusal;
use crate::uploads::{Error as UploadError, Place, Staged, UploadStore, Wanted};

/// A form may be as large as the largest list of ids with its commas escaped, and some more.
const BODY_BYTES: usize = 4 << 20;

/// So much of a body that is too large is read for the sake of a polite answer.
const DROPPED_BYTES: usize = 128 << 20;

/// So much of a multipart form is read ahead of its parts: more has none.
const AHEAD_BYTES: usize = 16 << 20;

/// What came with a request.
pub(crate) struct Received {
    /// Names and values in their order, those of the URL first.
    pub(crate) parameters: Vec<(String, String)>,
    /// The files, where there are some.
    pub(crate) staged: Option<Staged>,
}

/// Names and values in their order, those of the URL first; files are passed over.
pub(crate) async fn parameters(request: Request) -> Result<Vec<(String, String)>, Refusal> {
    Ok(received(request, None).await?.parameters)
}

/// What came with a request; files where there is a place for them.
pub(crate) async fn received(
    request: Request,
    uploads: Option<&UploadStore>,
) -> Result<Received, Refusal> {
    let query = request.uri().query().unwrap_or_default();
    let mut parameters = decoded(query.as_bytes())?;
    let content_type = request.headers().get(header::CONTENT_TYPE).and_then(|v| v.to_str().ok());
    let media_type = content_type.and_then(|v| v.split(';').next()).unwrap_or_default().trim();
    let media_type = media_type.to_ascii_lowercase();
    if media_type == "multipart/form-data" {
        refuse_hopeless(&request, uploads)?;
        let mut form = Form::new(uploads);
        form.read(request).await?;
        let Form { parameters: of_form, staged, .. } = form;
        parameters.extend(of_form);
        return Ok(Received { parameters, staged });
    }
    let is_form = media_type == "application/x-www-form-urlencoded";
    let body = body(request.into_body()).await?;
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
    Ok(Received { parameters, staged: None })
}

/// The body of a request. Of one that is too large the rest is read and dropped, up to a limit: a
/// client that still writes would see a broken connection in place of the refusal.
async fn body(body: Body) -> Result<Vec<u8>, Refusal> {
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

/// Refuses by its length alone what is too large, where the client waits to be told, and where no
/// polite reading of the rest could come to its end.
fn refuse_hopeless(request: &Request, uploads: Option<&UploadStore>) -> Result<(), Refusal> {
    let Some(uploads) = uploads else { return Ok(()) };
    let header = |name| request.headers().get(name).and_then(|value| value.to_str().ok());
    let bytes_max = uploads.limits().bytes;
    let stated = header(header::CONTENT_LENGTH).and_then(|length| length.parse::<u64>().ok());
    let beyond = stated.and_then(|bytes| bytes.checked_sub(bytes_max + BODY_BYTES as u64));
    match beyond {
        Some(beyond) if beyond > DROPPED_BYTES as u64 || header(header::EXPECT).is_some() => {
            Err(UploadError::TooLarge { bytes_max }.into())
        }
        _ => Ok(()),
    }
}

/// A multipart form while it is read: texts are parameters, files belong to an UPLOAD.
struct Form<'a> {
    uploads: Option<&'a UploadStore>,
    parameters: Vec<(String, String)>,
    staged: Option<Staged>,
    /// Bytes of the parameters.
    bytes: usize,
    /// Bytes that were read and dropped.
    dropped: usize,
    /// Bytes that were read since the last part of a part.
    ahead: Arc<AtomicUsize>,
}

fn malformed(error: &MultipartError) -> Refusal {
    let message = format!("its multipart form is malformed: {}", error.body_text());
    Refusal::Unreadable { status: StatusCode::BAD_REQUEST, message }
}

impl<'a> Form<'a> {
    fn new(uploads: Option<&'a UploadStore>) -> Self {
        let (parameters, staged, ahead) = (Vec::new(), None, Arc::default());
        Self { uploads, parameters, staged, bytes: 0, dropped: 0, ahead }
    }

    /// Reads all parts. After one that is refused the others are read and dropped, up to a limit.
    async fn read(&mut self, request: Request) -> Result<(), Refusal> {
        let mut request = self.watched(request);
        // Each kind of part has a limit of its own.
        DefaultBodyLimit::disable().apply(&mut request);
        let form = Multipart::from_request(request, &()).await;
        let mut form = form.map_err(|error| Refusal::Unreadable {
            status: StatusCode::BAD_REQUEST,
            message: format!("its multipart form is malformed: {}", error.body_text()),
        })?;
        let mut refused = None;
        loop {
            let part = match form.next_field().await {
                Ok(Some(part)) => part,
                Ok(None) => break,
                Err(error) => return Err(refused.unwrap_or_else(|| malformed(&error))),
            };
            self.ahead.store(0, Ordering::Relaxed);
            let read =
                if refused.is_none() { self.part(part).await } else { self.drop(part).await };
            if let Err(refusal) = read {
                refused.get_or_insert(refusal);
            }
            if self.dropped > DROPPED_BYTES {
                break;
            }
        }
        match refused {
            Some(refusal) => Err(refusal),
            None => self.take_texts().await,
        }
    }

    /// The same request, whose body ends with an error where much of it belongs to no part: the
    /// parser of forms would keep it.
    fn watched(&self, request: Request) -> Request {
        let (head, body) = request.into_parts();
        let ahead = Arc::clone(&self.ahead);
        let chunks = body.into_data_stream().map(move |chunk| {
            let chunk = chunk.map_err(std::io::Error::other)?;
            let read = ahead.fetch_add(chunk.len(), Ordering::Relaxed) + chunk.len();
            if read > AHEAD_BYTES {
                return Err(std::io::Error::other("much of it is no part"));
            }
            Ok(chunk)
        });
        Request::from_parts(head, Body::from_stream(chunks))
    }

    async fn part(&mut self, mut part: Field<'_>) -> Result<(), Refusal> {
        let Some(name) = part.name().map(ToOwned::to_owned) else { return self.drop(part).await };
        let is_text = part.content_type().is_none_or(|kind| kind.starts_with("text/plain"));
        if part.file_name().is_none() && is_text {
            return self.text(name, part).await;
        }
        let Some(uploads) = self.uploads else { return self.drop(part).await };
        let staged = match &mut self.staged {
            Some(staged) => staged,
            None => self.staged.insert(uploads.stage()?),
        };
        let begun = match staged.part(&name).await {
            Ok(mut file) => loop {
                match part.chunk().await.map_err(|error| malformed(&error))? {
                    None => break file.finish().await,
                    Some(chunk) => {
                        self.ahead.store(0, Ordering::Relaxed);
                        if let Err(error) = file.write(&chunk).await {
                            break Err(error);
                        }
                    }
                }
            },
            Err(error) => Err(error),
        };
        if begun.is_err() {
            self.drop(part).await?;
        }
        Ok(begun?)
    }

    async fn text(&mut self, name: String, mut part: Field<'_>) -> Result<(), Refusal> {
        let mut text = Vec::new();
        while let Some(chunk) = part.chunk().await.map_err(|error| malformed(&error))? {
            self.ahead.store(0, Ordering::Relaxed);
            self.bytes += chunk.len();
            if self.bytes > BODY_BYTES {
                self.drop(part).await?;
                return Err(too_large());
            }
            text.extend_from_slice(&chunk);
        }
        let text = String::from_utf8(text).map_err(|_| Refusal::Unreadable {
            status: StatusCode::BAD_REQUEST,
            message: format!("its parameter {name} is not in UTF-8"),
        })?;
        self.parameters.push((name, text));
        Ok(())
    }

    async fn drop(&mut self, mut part: Field<'_>) -> Result<(), Refusal> {
        while let Some(chunk) = part.chunk().await.map_err(|error| malformed(&error))? {
            self.ahead.store(0, Ordering::Relaxed);
            self.dropped += chunk.len();
            if self.dropped > DROPPED_BYTES {
                return Err(too_large());
            }
        }
        Ok(())
    }

    /// Texts that an UPLOAD names become files, since some clients give their files no name.
    async fn take_texts(&mut self) -> Result<(), Refusal> {
        let Some(uploads) = self.uploads else { return Ok(()) };
        let of_upload = self.parameters.iter().filter(|(n, _)| n.eq_ignore_ascii_case("UPLOAD"));
        // What is wrong with them is said where they are checked.
        let wanted = Wanted::all(of_upload.map(|(_, value)| value.as_str())).unwrap_or_default();
        for Wanted { place, .. } in wanted {
            let Place::Part(part) = place else { continue };
            let Some(at) = self.parameters.iter().position(|(name, _)| *name == part) else {
                continue;
            };
            let (_, text) = self.parameters.remove(at);
            let staged = match &mut self.staged {
                Some(staged) => staged,
                None => self.staged.insert(uploads.stage()?),
            };
            let mut file = staged.part(&part).await?;
            file.write(text.as_bytes()).await?;
            file.finish().await?;
        }
        Ok(())
    }
}
