//! Requests that get no result: what is wrong, and the answer that says so.

use adql::Fault;
use axum::http::{HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};

use crate::format::votable::error_document;
use crate::format::{Format, Info, Requested};
use crate::{Error, uploads, uws};

/// After this many seconds a client may try again what failed for want of a node or of room.
const RETRY_AFTER_SECONDS: &str = "10";

/// Why a request was refused.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Refusal {
    /// A single-valued parameter that came more than once (DALI 1.1 §3.3.1).
    #[error("parameter {name} is given {count} times: give it once")]
    Repeated { name: &'static str, count: usize },
    /// A parameter that must be there.
    #[error("parameter {name} is missing: {wanted}")]
    Missing { name: &'static str, wanted: &'static str },
    /// A parameter with a value that it cannot have.
    #[error("{name}={value} is not supported: {wanted}")]
    Value { name: &'static str, value: String, wanted: String },
    /// A part of TAP that this service does not have.
    #[error("{what} is not supported yet: {instead}")]
    NotSupported { what: &'static str, instead: &'static str },
    /// A body that is too large, or no form at all.
    #[error("the request cannot be read: {message}")]
    Unreadable { status: StatusCode, message: String },
    /// A table that a query brings, which is not taken.
    #[error(transparent)]
    Upload(#[from] uploads::Error),
    /// A query that failed.
    #[error(transparent)]
    Query(#[from] Error),
    /// A request about a job that cannot be followed.
    #[error(transparent)]
    Job(#[from] uws::Error),
    /// A part of a job that is not there.
    #[error("the job has no {part}: it is {phase}{hint}")]
    Absent { part: &'static str, phase: uws::Phase, hint: String },
    /// A range that a result does not have.
    #[error("the result has {bytes} bytes, and none in the range that was asked for")]
    Range { bytes: u64 },
}

impl Refusal {
    fn status(&self) -> StatusCode {
        match self {
            Self::Repeated { .. }
            | Self::Missing { .. }
            | Self::Value { .. }
            | Self::NotSupported { .. } => StatusCode::BAD_REQUEST,
            Self::Unreadable { status, .. } => *status,
            Self::Upload(error) if error.is_too_large() => StatusCode::PAYLOAD_TOO_LARGE,
            Self::Upload(error) => by_fault(error.fault()),
            Self::Query(error) => by_fault(error.fault()),
            Self::Job(uws::Error::NoSuchJob) | Self::Absent { .. } => StatusCode::NOT_FOUND,
            // UWS 1.1 §2.2: a request that the state does not allow.
            Self::Job(uws::Error::WrongPhase { .. }) => StatusCode::FORBIDDEN,
            Self::Job(error) => by_fault(error.fault()),
            Self::Range { .. } => StatusCode::RANGE_NOT_SATISFIABLE,
        }
    }

    /// Whether the same request may succeed later.
    pub(crate) fn is_transient(&self) -> bool {
        self.status() == StatusCode::SERVICE_UNAVAILABLE
    }

    /// The error as text: for people, and for requests about jobs.
    pub(crate) fn as_text(&self) -> Response {
        let text = Requested { format: Format::Text, ..Requested::default() };
        self.answer(&text, &[])
    }

    /// The error as a document: a VOTable where one was asked for, else text (TAP 1.1 §2.2).
    pub(crate) fn answer(&self, requested: &Requested, infos: &[Info]) -> Response {
        let status = self.status();
        let message = self.to_string();
        if status.is_server_error() {
            tracing::error!(%status, error = %message, "request failed");
        }
        let (content_type, body) = if requested.format.is_votable() {
            (requested.content_type.as_str(), error_document(&message, infos))
        } else {
            ("text/plain;charset=utf-8", format!("{message}\n").into_bytes())
        };
        let mut response = (status, body).into_response();
        let headers = response.headers_mut();
        if let Ok(content_type) = HeaderValue::from_str(content_type) {
            headers.insert(header::CONTENT_TYPE, content_type);
        }
        if status == StatusCode::SERVICE_UNAVAILABLE {
            headers.insert(header::RETRY_AFTER, HeaderValue::from_static(RETRY_AFTER_SECONDS));
        }
        response
    }
}

fn by_fault(fault: Fault) -> StatusCode {
    match fault {
        Fault::User | Fault::NotEvaluable => StatusCode::BAD_REQUEST,
        Fault::Overload | Fault::Unavailable => StatusCode::SERVICE_UNAVAILABLE,
        Fault::Internal => StatusCode::INTERNAL_SERVER_ERROR,
    }
}
