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
    /// The origin could not be read as tables.
    #[error(transparent)]
    Catalog(#[from] catalog::Error),
    /// The worker's own address is not in the list of workers.
    #[error(
        "this worker's url {url} is not in the list of workers ({}): every node needs the same \
         list, this worker included",
        .workers.join(", ")
    )]
    NotAMember {
        /// The worker's own URL.
        url: String,
        /// The list as configured.
        workers: Vec<String>,
    },
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
    /// The files that say who this worker is are wrong.
    #[error(transparent)]
    Identity(#[from] crate::transport::IdentityError),
    /// A tile could not be copied from the origin.
    #[error("cannot copy tile {tile} from the origin")]
    Copy {
        /// Location of the tile below the data root.
        tile: String,
        /// What the origin answered.
        #[source]
        source: object_store::Error,
    },
    /// A folder or file of the worker's own could not be written.
    #[error("cannot write {}", .path.display())]
    Write {
        /// The folder or file.
        path: PathBuf,
        /// What the system answered.
        #[source]
        source: std::io::Error,
    },
    /// The worker's own folder cannot serve as a store.
    #[error("cannot use {} as the folder of this worker", .path.display())]
    Folder {
        /// The folder.
        path: PathBuf,
        /// What the store answered.
        #[source]
        source: object_store::Error,
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
            Self::Session(_) => Fault::Internal,
            Self::Catalog(_)
            | Self::OpenPort { .. }
            | Self::Identity(_)
            | Self::NotAMember { .. }
            | Self::Copy { .. }
            | Self::Write { .. }
            | Self::Folder { .. }
            | Self::Serve(_) => Fault::Unavailable,
        }
    }
}
