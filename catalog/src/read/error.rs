//! What can be wrong with a file that is read: where, what, and what would work.

use std::fmt;
use std::io;
use std::path::Path;
use std::sync::Arc;

use adql::Fault;
use datafusion::arrow::error::ArrowError;

/// Why the rows of a file cannot be had.
#[derive(Debug, Clone, thiserror::Error)]
#[non_exhaustive]
pub enum ReadError {
    /// The file cannot be opened, or its disk fails.
    #[error("cannot read {file}: {source}")]
    Io {
        /// The file.
        file: String,
        /// Why.
        source: Arc<io::Error>,
    },
    /// What the file holds, or what was asked of it, cannot be.
    #[error("{file}: {place}{reason}")]
    Malformed {
        /// The file.
        file: String,
        /// Where in it.
        place: Place,
        /// What is wrong, and what would work.
        reason: String,
    },
    /// Cells cannot be made into a batch: a bug, or no memory.
    #[error("cannot make a batch of rows of {file}: {source}")]
    Batch {
        /// The file.
        file: String,
        /// Why not.
        source: Arc<ArrowError>,
    },
}

/// A place in a file, as far as it is known.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Place {
    /// The row of the table, from 1.
    pub row: Option<u64>,
    /// The line of a text, from 1.
    pub line: Option<u64>,
    /// The name of the column.
    pub column: Option<String>,
}

impl Place {
    /// A row, counted from 1.
    pub(super) fn row(row: u64) -> Self {
        Self { row: Some(row), ..Self::default() }
    }

    /// A line, counted from 1.
    pub(super) fn line(line: u64) -> Self {
        Self { line: Some(line), ..Self::default() }
    }

    pub(super) fn with_line(self, line: u64) -> Self {
        Self { line: Some(line), ..self }
    }

    pub(super) fn in_column(self, column: &str) -> Self {
        Self { column: Some(column.to_owned()), ..self }
    }
}

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let row = self.row.map(|row| format!("row {row}"));
        let line = self.line.map(|line| format!("line {line}"));
        let column = self.column.as_ref().map(|column| format!("column {column}"));
        let known: Vec<String> = [row, line, column].into_iter().flatten().collect();
        if known.is_empty() { Ok(()) } else { write!(f, "{}: ", known.join(", ")) }
    }
}

impl ReadError {
    /// Says that the content of a file cannot be.
    pub(super) fn malformed(file: &Path, place: Place, reason: impl Into<String>) -> Self {
        Self::Malformed { file: file.display().to_string(), place, reason: reason.into() }
    }

    /// Says that a file cannot be read; one that ends early, or is packed wrongly, is malformed.
    pub(super) fn io(file: &Path, place: Place, source: io::Error) -> Self {
        match source.kind() {
            io::ErrorKind::UnexpectedEof => {
                Self::malformed(file, place, format!("the file ends early ({source})"))
            }
            io::ErrorKind::InvalidData | io::ErrorKind::InvalidInput | io::ErrorKind::Other => {
                Self::malformed(file, place, format!("the file is damaged: {source}"))
            }
            _ => Self::Io { file: file.display().to_string(), source: Arc::new(source) },
        }
    }

    pub(super) fn batch(file: &Path, source: ArrowError) -> Self {
        Self::Batch { file: file.display().to_string(), source: Arc::new(source) }
    }

    /// Who has to act: the content of a file is the turn of who brings it.
    pub fn fault(&self) -> Fault {
        match self {
            Self::Malformed { .. } => Fault::User,
            Self::Io { .. } => Fault::Unavailable,
            Self::Batch { .. } => Fault::Internal,
        }
    }
}
