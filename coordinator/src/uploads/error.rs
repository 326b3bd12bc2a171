//! What can be wrong with uploads, and whose fault it is.

use adql::Fault;
use catalog::Error as TableError;

/// Why a table that a query brings is not taken.
#[expect(clippy::error_impl_error, reason = "named by its module: uploads::Error")]
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// The parameter is not written as it has to be.
    #[error(
        "UPLOAD={text} is not read: write name,param:part or name,http://…, several of them with ; \
         between them"
    )]
    Syntax {
        /// The part of it that is wrong.
        text: String,
    },
    /// The name of a table that cannot be one.
    #[error(
        "UPLOAD: {name:?} cannot be the name of a table: give letters, digits and underscores, a \
         letter first"
    )]
    Name {
        /// The name.
        name: String,
    },
    /// Two tables of one name.
    #[error("UPLOAD: two tables are named {name}, in whatever case: rename one of them")]
    Twice {
        /// The name.
        name: String,
    },
    /// More tables than a query may bring.
    #[error("UPLOAD: {count} tables: a query brings at most {max}")]
    TooMany {
        /// So many.
        count: usize,
        /// As many may be.
        max: usize,
    },
    /// There is no part of this name in the request.
    #[error(
        "UPLOAD: table {name} is to be in the part {part:?} of the form, and there is no such part: \
         send it as multipart/form-data"
    )]
    NoPart {
        /// The table.
        name: String,
        /// The part.
        part: String,
    },
    /// The name of a part that cannot be one.
    #[error("the name of the part {part:?} is empty or has more than 100 bytes")]
    PartName {
        /// The name.
        part: String,
    },
    /// Two parts of one name.
    #[error("two parts of the form are named {part:?}: rename one of them, and in UPLOAD too")]
    PartTwice {
        /// The name.
        part: String,
    },
    /// A URL that is not followed.
    #[error("UPLOAD: table {name} cannot be had from {url}: {reason}")]
    Url {
        /// The table.
        name: String,
        /// The URL.
        url: String,
        /// Why not, and what would work.
        reason: String,
    },
    /// Where a URL leads, there is no answer now.
    #[error("UPLOAD: table {name} cannot be fetched from {url}: {reason}")]
    Fetch {
        /// The table.
        name: String,
        /// The URL.
        url: String,
        /// What went wrong.
        reason: String,
    },
    /// The uploads of a query are larger than they may be.
    #[error("the uploads of a query may have {bytes_max} bytes together, and these have more")]
    TooLarge {
        /// As many may be.
        bytes_max: u64,
    },
    /// The uploads of all queries are larger than they may be.
    #[error("too many uploads are on their way at this moment: try again later")]
    Busy,
    /// What was sent is no table that is read.
    #[error(transparent)]
    Table(#[from] TableError),
    /// What was sent cannot be kept.
    #[error("an upload cannot be kept: {source}")]
    Folder {
        /// What the system answered.
        source: std::io::Error,
    },
    /// Taking a table met a defect of ours.
    #[error("taking an upload met a defect of the service: {reason}")]
    Broken {
        /// What happened.
        reason: String,
    },
}

impl Error {
    /// Who has to act.
    pub fn fault(&self) -> Fault {
        match self {
            Self::Syntax { .. }
            | Self::Name { .. }
            | Self::Twice { .. }
            | Self::TooMany { .. }
            | Self::NoPart { .. }
            | Self::PartName { .. }
            | Self::PartTwice { .. }
            | Self::Url { .. }
            | Self::Fetch { .. }
            | Self::TooLarge { .. } => Fault::User,
            Self::Busy => Fault::Overload,
            Self::Table(error) => error.fault(),
            Self::Folder { .. } => Fault::Unavailable,
            Self::Broken { .. } => Fault::Internal,
        }
    }

    /// Whether there is more of it than may be.
    pub fn is_too_large(&self) -> bool {
        matches!(self, Self::TooLarge { .. } | Self::Table(TableError::UploadTooLarge { .. }))
    }
}
