//! What can be wrong with data: where it is, what was found and what would work.

use std::path::Path as FilePath;
use std::sync::Arc;

use adql::Fault;
use datafusion::arrow::error::ArrowError;
use datafusion::error::DataFusionError;
use datafusion::parquet::errors::ParquetError;
use object_store::path::Path;

use crate::location::Location;
use crate::pointer;

/// Why a table cannot be served or a tile cannot be read.
#[derive(Debug, Clone, thiserror::Error)]
#[non_exhaustive]
#[expect(clippy::error_impl_error, reason = "each crate has one error, named by its path")]
pub enum Error {
    /// The data folder or address cannot be used at all.
    #[error("cannot use {location} as data: {reason}")]
    Location {
        /// The folder or URL as given.
        location: String,
        /// What is wrong with it and what would work.
        reason: String,
    },
    /// A folder that should be a HATS table or collection is not one.
    #[error("{path} is not a HATS table: {missing}")]
    NotHats {
        /// The folder.
        path: String,
        /// What was missing or unknown.
        missing: String,
    },
    /// A table that lies elsewhere cannot be served.
    #[error("{path} leads to {location}: {source}")]
    Elsewhere {
        /// The file that says where it lies.
        path: String,
        /// Where it lies.
        location: String,
        /// What is wrong there.
        source: Box<Error>,
    },
    /// A file of a HATS table says something that cannot be.
    #[error("{path}: {reason}")]
    Malformed {
        /// The file.
        path: String,
        /// What is wrong with it.
        reason: String,
    },
    /// A tile that the table lists does not exist.
    #[error("tile {path} of table {table} is missing: {}", listed(*.pixel))]
    TileMissing {
        /// Name of the table, with its schema.
        table: String,
        /// Where the tile should be.
        path: String,
        /// The tile's pixel.
        pixel: adql::sky::Pixel,
    },
    /// A file cannot be read.
    #[error("cannot read {path}: {source}")]
    Store {
        /// The file or folder.
        path: String,
        /// Why.
        source: Arc<object_store::Error>,
    },
    /// A file is not Parquet, or is cut short.
    #[error("cannot read {path} as Parquet: {source}")]
    Parquet {
        /// The file.
        path: String,
        /// Why.
        source: Arc<ParquetError>,
    },
    /// A table that is to be written is there already.
    #[error(
        "{path} exists already; remove it, or write under another name (an import can append to a \
         table, and replace one: --append, --replace)"
    )]
    Exists {
        /// The folder.
        path: String,
    },
    /// Another process writes the same table.
    #[error("{path} is being written by another process")]
    Busy {
        /// The folder.
        path: String,
    },
    /// A table cannot be made of what it is to be made of.
    #[error("cannot write table {table}: {reason}")]
    Input {
        /// The table.
        table: String,
        /// What is wrong with its columns, its options or its metadata.
        reason: String,
    },
    /// A row has no place on the sky.
    #[error("cannot write table {table}: in row {row}, {column} = {value} is not {wanted}")]
    Position {
        /// The table.
        table: String,
        /// The number of the row in the input, from 0.
        row: u64,
        /// The column.
        column: String,
        /// Its value.
        value: String,
        /// What would be right.
        wanted: &'static str,
    },
    /// A stored placement is none.
    #[error("no placement: {reason}")]
    Placement {
        /// What is wrong with it.
        reason: String,
    },
    /// A file of a table that is to be imported cannot be read.
    #[error(transparent)]
    Read(Box<crate::read::ReadError>),
    /// What a killed import left is of another command.
    #[error(
        "{path} was begun by another import, which did not finish: {difference}; repeat that \
         command to go on, or remove {partial} to begin anew"
    )]
    OtherImport {
        /// The folder that was to be the table.
        path: String,
        /// The folder under way.
        partial: String,
        /// What differs.
        difference: String,
    },
    /// A table that a query brings cannot be taken.
    #[error("upload {table}: {reason}")]
    Upload {
        /// Its name.
        table: String,
        /// What is wrong with it, with the place in it, and what would work.
        reason: String,
    },
    /// A table that a query brings is larger than it may be.
    #[error("upload {table} is too large: {limit}")]
    UploadTooLarge {
        /// Its name.
        table: String,
        /// What may be, and how much that is.
        limit: String,
    },
    /// A file cannot be written.
    #[error("cannot write {path}: {source}")]
    Write {
        /// The file or folder.
        path: String,
        /// Why.
        source: Arc<dyn std::error::Error + Send + Sync>,
    },
    /// Rows in memory cannot be rearranged: a bug, or no memory.
    #[error("cannot {what}: {source}")]
    Compute {
        /// What was to be done.
        what: &'static str,
        /// Why not.
        source: Arc<ArrowError>,
    },
}

fn listed(pixel: adql::sky::Pixel) -> String {
    format!("its partition list names pixel {pixel}, but there is no such file")
}

impl Error {
    /// Wraps an error of the store that holds `path`.
    pub(crate) fn store(path: &impl ToString, source: object_store::Error) -> Self {
        Self::Store { path: path.to_string(), source: Arc::new(source) }
    }

    /// Says of an error that it came up where the table of a folder lies.
    pub(crate) fn elsewhere(folder: &Path, location: &Location, source: Self) -> Self {
        let (path, location) = (format!("{folder}/{}", pointer::FILE_NAME), location.to_string());
        Self::Elsewhere { path, location, source: Box::new(source) }
    }

    /// Whether a store refused to show a file: some do so with what is not there.
    pub(crate) fn is_refusal(&self) -> bool {
        use object_store::Error::{PermissionDenied, Unauthenticated};
        let Self::Store { source, .. } = self else { return false };
        matches!(**source, PermissionDenied { .. } | Unauthenticated { .. })
    }

    /// Wraps an error of the Parquet reader on `path`.
    pub(crate) fn parquet(path: &impl ToString, source: ParquetError) -> Self {
        Self::Parquet { path: path.to_string(), source: Arc::new(source) }
    }

    /// Wraps an error that came up while `path` was written.
    pub(crate) fn write(
        path: impl AsRef<FilePath>,
        source: impl std::error::Error + Send + Sync + 'static,
    ) -> Self {
        Self::Write { path: path.as_ref().display().to_string(), source: Arc::new(source) }
    }

    /// Wraps an error of a computation on rows.
    pub(crate) fn compute(what: &'static str, source: ArrowError) -> Self {
        Self::Compute { what, source: Arc::new(source) }
    }

    /// Says that the content of `path` cannot be.
    pub(crate) fn malformed(path: &impl ToString, reason: impl Into<String>) -> Self {
        Self::Malformed { path: path.to_string(), reason: reason.into() }
    }

    /// Who has to act: data that is not as it should be is the operator's.
    pub fn fault(&self) -> Fault {
        match self {
            Self::Location { .. }
            | Self::NotHats { .. }
            | Self::Malformed { .. }
            | Self::TileMissing { .. }
            | Self::Store { .. }
            | Self::Parquet { .. }
            | Self::Exists { .. }
            | Self::Busy { .. }
            | Self::Input { .. }
            | Self::Position { .. }
            | Self::Placement { .. }
            | Self::OtherImport { .. }
            | Self::Write { .. } => Fault::Unavailable,
            Self::Upload { .. } | Self::UploadTooLarge { .. } => Fault::User,
            Self::Read(error) => error.fault(),
            Self::Elsewhere { source, .. } => source.fault(),
            Self::Compute { .. } => Fault::Internal,
        }
    }
}

impl From<crate::read::ReadError> for Error {
    fn from(error: crate::read::ReadError) -> Self {
        Self::Read(Box::new(error))
    }
}

impl From<Error> for DataFusionError {
    /// Keeps the error whole, so that its fault can be found again by a downcast.
    fn from(error: Error) -> Self {
        Self::External(Box::new(error))
    }
}
