//! What can go wrong with a query or a server, and whose fault it is.

use adql::Fault;
use datafusion::error::DataFusionError;

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
            Self::Invariant(_) => Fault::Internal,
        }
    }
}

/// Who has to act on an error of the engine. Errors of a worker arrive with their kind.
fn execution_fault(error: &DataFusionError) -> Fault {
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
            let query = source.downcast_ref::<adql::Error>().map(adql::Error::fault);
            let tables = source.downcast_ref::<catalog::Error>().map(catalog::Error::fault);
            query.or(tables).unwrap_or(Fault::Unavailable)
        }
        DataFusionError::Execution(message) if is_transport(message) => Fault::Unavailable,
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

/// Whether an execution error tells of the way to a worker rather than of the query.
fn is_transport(message: &str) -> bool {
    ["tcp connect error", "transport error", "worker on"].iter().any(|word| message.contains(word))
}

/// The message of the root cause, without DataFusion's prefixes for its own developers.
fn execution_message(error: &DataFusionError) -> String {
    let root = error.find_root();
    let message = root.message();
    let backtrace = message.find(DataFusionError::BACK_TRACE_SEP).unwrap_or(message.len());
    message[..backtrace].to_owned()
}
