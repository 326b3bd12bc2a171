//! Why a command failed.

use std::io;

use crate::config;

/// Why a command failed.
#[expect(clippy::error_impl_error, reason = "named by its module: cli::Error")]
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// The settings are wrong.
    #[error(transparent)]
    Settings(#[from] config::Error),
    /// The tables cannot be read, or a query failed.
    #[error(transparent)]
    Engine(#[from] crate::Error),
    /// The jobs cannot be kept.
    #[error(transparent)]
    Jobs(#[from] crate::uws::Error),
    /// Uploads cannot be taken.
    #[error(transparent)]
    Uploads(#[from] crate::uploads::Error),
    /// The files that say who this node is are wrong.
    #[error(transparent)]
    Identity(#[from] worker::transport::IdentityError),
    /// The worker did not start, or stopped.
    #[error(transparent)]
    Worker(#[from] worker::Error),
    /// The demo sky cannot be made.
    #[error("cannot make a demo sky in {folder}")]
    Demo {
        /// The data folder, which holds nothing.
        folder: String,
        /// What the writer met.
        source: catalog::Error,
    },
    /// The table cannot be imported.
    #[error(transparent)]
    Import(catalog::Error),
    /// The table cannot be added.
    #[error(transparent)]
    Add(catalog::Error),
    /// Tables are not as they should be; what is wrong with them was told.
    #[error("{tables} of {checked} tables are not as they should be")]
    Wrong {
        /// How many.
        tables: usize,
        /// How many were looked at.
        checked: usize,
    },
    /// The table cannot be described.
    #[error(transparent)]
    Describe(catalog::Error),
    /// What is said of a table is wrong; it has been told.
    #[error("{file} has {errors} errors")]
    Misdescribed {
        /// The file.
        file: String,
        /// How many.
        errors: usize,
    },
    /// Settings that do not go together.
    #[error("{0}")]
    Contradiction(String),
    /// Certificates could not be made.
    #[error(transparent)]
    Certificates(#[from] super::certificates::Error),
    /// An address cannot be listened on.
    #[error("cannot listen on {address}: {}", reason(.source))]
    Listen {
        /// The address.
        address: String,
        /// What the system answered.
        source: io::Error,
    },
    /// The URL of the worker that follows from its address is none.
    #[error("cannot make a URL of the address {address}")]
    Url {
        /// The address.
        address: String,
    },
    /// The HTTP server stopped.
    #[error("the server stopped")]
    Serve(#[source] io::Error),
    /// The result could not be written.
    #[error("cannot write to stdout")]
    Output(#[source] io::Error),
    /// The query failed after rows had been written; the document says so as well.
    #[error("the query failed and the rows are not all: {0}")]
    Incomplete(String),
    /// The query could not be read.
    #[error("cannot read the query from stdin")]
    Input(#[source] io::Error),
    /// The operating system refused what every server needs.
    #[error("cannot start")]
    Runtime(#[source] io::Error),
}

fn reason(source: &io::Error) -> String {
    match source.kind() {
        io::ErrorKind::AddrInUse => {
            "the port is in use by another process; choose another with --listen".to_owned()
        }
        io::ErrorKind::AddrNotAvailable => "this machine has no such address".to_owned(),
        io::ErrorKind::InvalidInput => "give an address with a port, as 127.0.0.1:8080".to_owned(),
        _ => source.to_string(),
    }
}

impl Error {
    /// Whether the command line, rather than the world, is at fault.
    pub fn is_usage(&self) -> bool {
        matches!(self, Self::Settings(config::Error::Missing { .. }) | Self::Contradiction(_))
    }

    /// The message with those of its causes that it does not hold already.
    pub fn with_causes(&self) -> String {
        match self {
            Self::Listen { .. } => self.to_string(),
            _ => crate::error::with_causes(self),
        }
    }
}
