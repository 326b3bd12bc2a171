//! What can be wrong with data: where it is, what was found and what would work.

use std::sync::Arc;

use adql::Fault;
use datafusion::error::DataFusionError;
use datafusion::parquet::errors::ParquetError;

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
}

fn listed(pixel: adql::sky::Pixel) -> String {
    format!("its partition list names pixel {pixel}, but there is no such file")
}

impl Error {
    /// Wraps an error of the store that holds `path`.
    pub(crate) fn store(path: &impl ToString, source: object_store::Error) -> Self {
        Self::Store { path: path.to_string(), source: Arc::new(source) }
    }

    /// Wraps an error of the Parquet reader on `path`.
    pub(crate) fn parquet(path: &impl ToString, source: ParquetError) -> Self {
        Self::Parquet { path: path.to_string(), source: Arc::new(source) }
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
            | Self::Parquet { .. } => Fault::Unavailable,
        }
    }
}

impl From<Error> for DataFusionError {
    /// Keeps the error whole, so that its fault can be found again by a downcast.
    fn from(error: Error) -> Self {
        Self::External(Box::new(error))
    }
}
