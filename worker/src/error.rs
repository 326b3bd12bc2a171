//! What keeps a worker from starting or serving.

use std::net::SocketAddr;
use std::path::PathBuf;

use adql::Fault;
use datafusion::error::DataFusionError;

/// Why a worker did not start or stopped serving.
#[expect(clippy::error_impl_error, reason = "one error for each crate, by its name (style.md §12)")]
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// The port would be open to other hosts.
    #[error(
        "will not serve tasks on {address} without certificates: a worker port executes plans from \
         the network; make certificates with armilla certificates and give --tls-ca, \
         --tls-certificate and --tls-key, or listen on a loopback address"
    )]
    OpenPort {
        /// The address.
        address: SocketAddr,
    },
    /// The port cannot be served.
    #[error("cannot serve the port of this worker")]
    Listener(#[source] std::io::Error),
    /// The files that say who this worker is are wrong.
    #[error(transparent)]
    Identity(#[from] crate::transport::IdentityError),
    /// A tile could not be copied from any place.
    #[error("cannot copy tile {tile}: {reasons}")]
    Copy {
        /// Location of the tile below the data root.
        tile: String,
        /// What each place said.
        reasons: String,
    },
    /// Queries would fail for want of memory whatever they ask.
    #[error(
        "{given} are too little memory for one query: with {partitions} partitions it needs \
         {needed}, and more for wide rows; raise query_memory, and memory beyond it"
    )]
    LittleMemory {
        /// What one query may have.
        given: String,
        /// What it needs.
        needed: String,
        /// The partitions that are sorted at the same time.
        partitions: usize,
    },
    /// Another process has the worker's folder.
    #[error(
        "the folder {} is in use by another process: stop it, or give this worker a folder of its \
         own with --data",
        .folder.display()
    )]
    InUse {
        /// The folder.
        folder: PathBuf,
    },
    /// A newer release wrote the worker's folder.
    #[error(
        "{} has version {found}, and this release knows versions up to {known}: use the release \
         that wrote it, or another folder with --data",
        .path.display()
    )]
    Newer {
        /// The file that says so.
        path: PathBuf,
        /// Its version.
        found: u32,
        /// The newest version that is known here.
        known: u32,
    },
    /// A file of the worker's own has no meaning.
    #[error("{} is not as this program writes it: {reason}", .path.display())]
    Malformed {
        /// The file.
        path: PathBuf,
        /// What is wrong with it.
        reason: String,
    },
    /// A folder or file of the worker's own could not be read.
    #[error("cannot read {}", .path.display())]
    Read {
        /// The folder or file.
        path: PathBuf,
        /// What the system answered.
        #[source]
        source: std::io::Error,
    },
    /// Work on files ended by itself.
    #[error("work on files ended by itself")]
    Task(#[source] tokio::task::JoinError),
    /// A folder or file of the worker's own could not be written.
    #[error("cannot write {}", .path.display())]
    Write {
        /// The folder or file.
        path: PathBuf,
        /// What the system answered.
        #[source]
        source: std::io::Error,
    },
    /// The gRPC service ended with an error.
    #[error("the worker service failed")]
    Serve(#[from] tonic::transport::Error),
    /// The session could not be made.
    #[error(transparent)]
    Session(#[from] DataFusionError),
}

impl Error {
    /// Who has to act.
    pub fn fault(&self) -> Fault {
        match self {
            Self::Session(_) | Self::Task(_) => Fault::Internal,
            Self::OpenPort { .. }
            | Self::Identity(_)
            | Self::Copy { .. }
            | Self::LittleMemory { .. }
            | Self::InUse { .. }
            | Self::Newer { .. }
            | Self::Malformed { .. }
            | Self::Read { .. }
            | Self::Write { .. }
            | Self::Listener(_)
            | Self::Serve(_) => Fault::Unavailable,
        }
    }
}

/// The message of an error with those of its causes.
pub(crate) fn with_causes(error: &Error) -> String {
    let mut text = error.to_string();
    let mut cause = std::error::Error::source(error);
    while let Some(error) = cause {
        text = format!("{text}: {error}");
        cause = error.source();
    }
    text
}
