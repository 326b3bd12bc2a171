//! What can go wrong with jobs, and whose fault it is.

use std::io;
use std::path::PathBuf;

use adql::Fault;

use crate::uws::Phase;
use crate::uws::job::{PARAMETER_BYTES_MAX, PARAMETERS_MAX};

/// Why a request about jobs was refused, or the jobs cannot be kept.
#[expect(clippy::error_impl_error, reason = "named by its module: uws::Error")]
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// Never made, destroyed, or no name of a job at all.
    #[error("there is no such job: it was destroyed, or never made")]
    NoSuchJob,
    /// The phase of the job does not allow it.
    #[error("the job is {phase}: {wanted}")]
    WrongPhase {
        /// Where the job is.
        phase: Phase,
        /// What is possible, and when.
        wanted: &'static str,
    },
    /// More parameters than a job keeps.
    #[error("{count} parameters: a job keeps at most {PARAMETERS_MAX}")]
    TooManyParameters {
        /// So many.
        count: usize,
    },
    /// Larger parameters than a job keeps.
    #[error("parameters of {bytes} bytes: a job keeps at most {PARAMETER_BYTES_MAX}")]
    TooLargeParameters {
        /// So many.
        bytes: usize,
    },
    /// More bytes were sent with a job than all jobs together may have.
    #[error("what was sent with the job cannot be kept: {reason}")]
    TooLargeInput {
        /// Why not.
        reason: String,
    },
    /// As many jobs wait as may.
    #[error("{queued_max} jobs are waiting to run and no more may: try again later")]
    QueueFull {
        /// As many may wait.
        queued_max: u32,
    },
    /// As many jobs exist as may.
    #[error("{kept_max} jobs are kept and no more may be: delete jobs, or try again later")]
    TooManyJobs {
        /// As many may exist.
        kept_max: u32,
    },
    /// Another process has the folder.
    #[error(
        "the state folder {} is in use by another process: stop it, or choose another folder \
         with --state",
        folder.display()
    )]
    InUse {
        /// The folder.
        folder: PathBuf,
    },
    /// The folder cannot be made or read.
    #[error("cannot use the state folder {}: {source}", folder.display())]
    Folder {
        /// The folder.
        folder: PathBuf,
        /// What the system answered.
        source: io::Error,
    },
    /// A newer release wrote the folder.
    #[error(
        "{} has version {found}, and this release knows versions up to {known}: use the \
         release that wrote it, or another folder with --state",
        file.display()
    )]
    Newer {
        /// The file with the jobs.
        file: PathBuf,
        /// Its version.
        found: i64,
        /// The newest version that is known here.
        known: i64,
    },
    /// The file with the jobs cannot be read or written.
    #[error("the database of jobs failed: {0}")]
    Database(#[from] sqlx::Error),
    /// The file with the jobs holds what no release writes.
    #[error("the database of jobs has no meaning at {column}={value:?} of job {job}")]
    Meaningless {
        /// The job.
        job: String,
        /// The column.
        column: &'static str,
        /// Its value.
        value: String,
    },
    /// A result cannot be read.
    #[error("cannot read the result: {0}")]
    Result(#[from] object_store::Error),
}

impl Error {
    /// Who has to act.
    pub fn fault(&self) -> Fault {
        match self {
            Self::NoSuchJob
            | Self::WrongPhase { .. }
            | Self::TooManyParameters { .. }
            | Self::TooLargeParameters { .. } => Fault::User,
            Self::QueueFull { .. } | Self::TooManyJobs { .. } | Self::TooLargeInput { .. } => {
                Fault::Overload
            }
            Self::InUse { .. }
            | Self::Folder { .. }
            | Self::Newer { .. }
            | Self::Database(_)
            | Self::Result(_) => Fault::Unavailable,
            Self::Meaningless { .. } => Fault::Internal,
        }
    }
}
