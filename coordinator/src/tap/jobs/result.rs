//! The result of a job, streamed from the store, whole or a range of it (RFC 9110 §14).

use std::fs::File;
use std::io::SeekFrom;
use std::ops::Range;
use std::sync::Arc;

use axum::body::Body;
use axum::extract::State;
use axum::http::{HeaderMap, HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use bytes::{Bytes, BytesMut};
use futures::stream::{self, BoxStream, StreamExt as _};
use object_store::{GetRange, GetResultPayload};
use tokio::io::{AsyncReadExt as _, AsyncSeekExt as _};

use crate::tap::Service;
use crate::tap::jobs::{Answer, IdInPath, found};
use crate::tap::refusal::Refusal;
use crate::uws::{Error, Phase};

/// A file is read in steps of so many bytes.
const STEP_BYTES: usize = 256 * 1024;

type Chunks = BoxStream<'static, Result<Bytes, object_store::Error>>;

/// GET and HEAD of `/results/result`.
pub(super) async fn body(
    State(service): State<Arc<Service>>,
    id: IdInPath,
    headers: HeaderMap,
) -> Answer {
    let job = found(&service, id).await?;
    let Some(result) = job.result else {
        let hint = match (job.phase, job.error) {
            // Clients that ask for the result alone show this.
            (_, Some(failure)) => format!(": {}", failure.message),
            (Phase::Pending, None) => ": run it by PHASE=RUN".to_owned(),
            (Phase::Queued | Phase::Executing, None) => ": wait until it is COMPLETED".to_owned(),
            (_, None) => String::new(),
        };
        return Err(Refusal::Absent { part: "result", phase: job.phase, hint });
    };
    let range = headers.get(header::RANGE).and_then(|value| value.to_str().ok());
    let range = range.and_then(|text| range_of(text, result.bytes)).transpose()?;
    let partial = range.is_some();
    let read = service.jobs.result(job.id, range.map(GetRange::Bounded)).await;
    let read = read.map_err(|error| match error {
        // It was destroyed since it was found.
        Error::Result(object_store::Error::NotFound { .. }) => Error::NoSuchJob,
        other => other,
    })?;
    let range = read.range;
    let chunks = match read.payload {
        GetResultPayload::File(file, _) => file_chunks(file, &range),
        GetResultPayload::Stream(chunks) => chunks,
    };
    let mut response = Body::from_stream(chunks).into_response();
    if partial {
        *response.status_mut() = StatusCode::PARTIAL_CONTENT;
        let text = format!("bytes {}-{}/{}", range.start, range.end - 1, result.bytes);
        insert(&mut response, header::CONTENT_RANGE, &text);
    }
    insert(&mut response, header::CONTENT_TYPE, &result.content_type);
    insert(&mut response, header::CONTENT_LENGTH, &(range.end - range.start).to_string());
    insert(&mut response, header::ACCEPT_RANGES, "bytes");
    Ok(response)
}

fn insert(response: &mut Response, name: header::HeaderName, value: &str) {
    if let Ok(value) = HeaderValue::from_str(value) {
        response.headers_mut().insert(name, value);
    }
}

/// The single range that a header asks for; none where it asks for several, or in words that are
/// not understood: then the whole is sent, as RFC 9110 allows.
fn range_of(text: &str, bytes: u64) -> Option<Result<Range<u64>, Refusal>> {
    let (first, last) = text.trim().strip_prefix("bytes=")?.split_once('-')?;
    let (first, last) = (first.trim(), last.trim());
    let range = if first.is_empty() {
        let length: u64 = last.parse().ok()?;
        bytes.saturating_sub(length)..bytes
    } else {
        let first: u64 = first.parse().ok()?;
        let end = if last.is_empty() { bytes } else { last.parse::<u64>().ok()?.saturating_add(1) };
        if end <= first && !last.is_empty() {
            return None;
        }
        first..end.min(bytes)
    };
    Some(if range.is_empty() { Err(Refusal::Range { bytes }) } else { Ok(range) })
}

/// A file in larger steps than the store has, each a change to a thread that may block. The file
/// stays open, so that a result that is destroyed meanwhile still arrives whole.
fn file_chunks(file: File, range: &Range<u64>) -> Chunks {
    let left = range.end - range.start;
    let opened = tokio::fs::File::from_std(file);
    let start = range.start;
    let chunks = stream::unfold(Some((opened, left, true)), move |state| async move {
        let (mut file, left, first) = state.filter(|(_, left, _)| *left > 0)?;
        let step = STEP_BYTES.min(usize::try_from(left).unwrap_or(STEP_BYTES));
        let from = first.then_some(start);
        match step_of(&mut file, from, step).await {
            Ok(chunk) => Some((Ok(chunk), Some((file, left - step as u64, false)))),
            Err(source) => {
                let source = Box::new(source);
                Some((Err(object_store::Error::Generic { store: "results", source }), None))
            }
        }
    });
    chunks.boxed()
}

async fn step_of(
    file: &mut tokio::fs::File,
    from: Option<u64>,
    step: usize,
) -> std::io::Result<Bytes> {
    if let Some(start) = from {
        file.seek(SeekFrom::Start(start)).await?;
    }
    let mut chunk = BytesMut::zeroed(step);
    file.read_exact(&mut chunk).await?;
    Ok(chunk.freeze())
}
