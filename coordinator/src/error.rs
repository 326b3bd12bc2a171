//! What can go wrong with a query or a server, and whose fault it is.

use std::time::Duration;

use adql::Fault;
use datafusion::error::DataFusionError;
use url::Url;
use worker::loss;
use worker::refusal::refusal;

/// Why a query was not answered, or a server did not start.
#[expect(clippy::error_impl_error, reason = "one error for each crate, by its name (style.md §12)")]
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// The query was refused before it ran.
    #[error(transparent)]
    Query(#[from] adql::Error),
    /// The tables could not be read.
    #[error(transparent)]
    Catalog(#[from] catalog::Error),
    /// A worker of this process could not start.
    #[error(transparent)]
    Worker(#[from] worker::Error),
    /// The query failed while it ran.
    #[error("{}", execution_message(.0))]
    Execution(#[source] DataFusionError),
    /// A worker was lost, and its tiles are nowhere else, or rows had been delivered.
    #[error(
        "worker {worker} was lost while it answered{}: ask again",
        if *.delivered { ", and the rows are not complete" } else { "" }
    )]
    Lost {
        /// The worker.
        worker: Url,
        /// Whether rows had been delivered.
        delivered: bool,
    },
    /// The query took longer than it may.
    #[error(
        "the query took longer than the {} s that it may take here: run it as a job (/async), which \
         may take longer, or make it smaller",
        .duration.as_secs()
    )]
    Deadline {
        /// How long it may take.
        duration: Duration,
    },
    /// Where objects are cannot be asked.
    #[error("the service that knows where objects are (name_resolver) does not answer: {reason}")]
    Names {
        /// Why.
        reason: String,
    },
    /// No worker of a cluster can be used.
    #[error(
        "no worker can be used: {}. Start them, or look at their logs", .workers.join("; ")
    )]
    NoWorker {
        /// Their addresses, with what went wrong.
        workers: Vec<String>,
    },
    /// What a worker is to hold cannot be told.
    #[error("an assignment cannot be written as JSON")]
    Assignment(#[source] serde_json::Error),
    /// A worker cannot be reached, ever, by its address.
    #[error(transparent)]
    Link(#[from] worker::LinkError),
    /// The stored placement is of no use.
    #[error(transparent)]
    Placement(#[from] crate::cluster::placement_file::PlacementFileError),
    /// The plan would give a wrong answer on several workers: a defect of ours, refused.
    #[error("refused to run a plan that breaks an invariant of distributed execution: {0}")]
    Invariant(String),
}

impl Error {
    /// Who has to act.
    pub fn fault(&self) -> Fault {
        match self {
            Self::Query(error) => error.fault(),
            Self::Catalog(error) => error.fault(),
            Self::Worker(error) => error.fault(),
            Self::Execution(error) => execution_fault(error),
            Self::Lost { .. }
            | Self::Names { .. }
            | Self::NoWorker { .. }
            | Self::Link(_)
            | Self::Placement(_) => Fault::Unavailable,
            Self::Deadline { .. } => Fault::User,
            Self::Invariant(_) | Self::Assignment(_) => Fault::Internal,
        }
    }
}

/// The message of an error with those of its causes that it does not hold already.
pub(crate) fn with_causes(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(error) = cause {
        let message = error.to_string();
        // The engine wraps its errors in words for its own developers; the text has the root.
        if !error.is::<DataFusionError>() && !text.contains(&message) {
            text.push_str(": ");
            text.push_str(&message);
        }
        cause = error.source();
    }
    text
}

/// Who has to act on an error of the engine. Errors of a worker arrive with their kind.
fn execution_fault(error: &DataFusionError) -> Fault {
    if loss::lost_worker(error).is_some() {
        return Fault::Unavailable;
    }
    if let Some((fault, _)) = refusal(error) {
        return fault;
    }
    match error.find_root() {
        DataFusionError::ResourcesExhausted(_) => Fault::Overload,
        DataFusionError::ObjectStore(_)
        | DataFusionError::IoError(_)
        | DataFusionError::ParquetError(_)
        | DataFusionError::ExecutionJoin(_) => Fault::Unavailable,
        DataFusionError::ArrowError(..)
        | DataFusionError::Plan(_)
        | DataFusionError::SchemaError(..)
        | DataFusionError::SQL(..)
        | DataFusionError::NotImplemented(_)
        | DataFusionError::Configuration(_) => Fault::User,
        DataFusionError::External(source) => {
            if let Some(ours) = source.downcast_ref::<Error>() {
                return ours.fault();
            }
            let tables = source.downcast_ref::<catalog::Error>().map(catalog::Error::fault);
            tables.unwrap_or(Fault::Unavailable)
        }
        DataFusionError::Execution(_) => Fault::User,
        DataFusionError::Internal(_)
        | DataFusionError::Substrait(_)
        | DataFusionError::Ffi(_)
        | DataFusionError::Diagnostic(..)
        | DataFusionError::Collection(_)
        | DataFusionError::Shared(_)
        | DataFusionError::Context(..) => Fault::Internal,
    }
}

/// What the engine says, on whatever node, of a sub-query that is a value and has several rows.
const SEVERAL_ROWS: &str = "subquery returned more than one row";

/// The message of the root cause, without DataFusion's prefixes for its own developers.
fn execution_message(error: &DataFusionError) -> String {
    if let Some((_, text)) = refusal(error) {
        return text;
    }
    let root = error.find_root();
    let message = root.message();
    if message.contains(SEVERAL_ROWS) {
        return "a sub-query that is a value has more than one row: write IN in the place of =, or \
                MIN(…) in it"
            .to_owned();
    }
    let backtrace = message.find(DataFusionError::BACK_TRACE_SEP).unwrap_or(message.len());
    message[..backtrace].to_owned()
}
