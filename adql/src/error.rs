//! What can be wrong with a query, where in its text, and whose fault it is.

use std::fmt;

use datafusion::error::DataFusionError;

/// Who has to act on an error. The service maps it to its status codes and to nothing else.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Fault {
    /// The query or request is wrong: the user changes it.
    User,
    /// Valid, but not evaluable here: the user writes it differently.
    NotEvaluable,
    /// A limit was reached: the user waits or asks for less.
    Overload,
    /// Data or a node is missing: the operator acts, the user tries again.
    Unavailable,
    /// A defect of ours.
    Internal,
}

/// A place in the text of a query.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Place {
    /// Line, from 1.
    pub line: u64,
    /// Column in characters, from 1.
    pub column: u64,
}

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "line {}, column {}", self.line, self.column)
    }
}

/// Why a query was not planned.
#[derive(thiserror::Error)]
#[non_exhaustive]
#[expect(clippy::error_impl_error, reason = "one error per crate, named by its crate: adql::Error")]
pub enum Error {
    /// The text is not ADQL.
    #[error("{message} at {place}")]
    Syntax {
        /// What was found and what was expected.
        message: String,
        /// Where.
        place: Place,
    },
    /// The text is SQL, but not allowed in ADQL, or an argument is out of range.
    #[error("{message}{}", at(*.place))]
    NotAllowed {
        /// What is wrong and what would work.
        message: String,
        /// Where, as far as it is known.
        place: Option<Place>,
    },
    /// The text or its tree exceeds a limit.
    #[error("the query has {actual} {unit}, more than the limit of {limit}")]
    TooLarge {
        /// What was counted: `bytes`, `tokens`, `levels of nesting`, ….
        unit: &'static str,
        /// The limit.
        limit: usize,
        /// How many there are (or the count at which counting stopped).
        actual: usize,
    },
    /// No such table, column or function.
    #[error("unknown {kind} {name}{}{}", at(*.place), nearest(.near))]
    Unknown {
        /// `table`, `column` or `function`.
        kind: &'static str,
        /// The name as written.
        name: String,
        /// Where.
        place: Option<Place>,
        /// The nearest names, best first.
        near: Vec<String>,
    },
    /// A name that more than one table or column answers to.
    #[error("ambiguous {kind} {name}{}: write one of {}", at(*.place), .candidates.join(", "))]
    Ambiguous {
        /// `table` or `column`.
        kind: &'static str,
        /// The name as written.
        name: String,
        /// Where.
        place: Option<Place>,
        /// The qualified names that it could mean.
        candidates: Vec<String>,
    },
    /// Valid ADQL that is not evaluated here.
    #[error("cannot evaluate {construct}{}: {reason}", at(*.place))]
    NotEvaluable {
        /// The construct.
        construct: String,
        /// Why, and what to write in its place.
        reason: String,
        /// Where.
        place: Option<Place>,
    },
    /// DataFusion refused the query (types that do not fit, say).
    #[error(transparent)]
    Plan(#[from] DataFusionError),
}

fn at(place: Option<Place>) -> String {
    place.map_or_else(String::new, |p| format!(" at {p}"))
}

fn nearest(near: &[String]) -> String {
    if near.is_empty() { String::new() } else { format!("; nearest: {}", near.join(", ")) }
}

/// As people read it: readers of files put this into texts that people get.
impl fmt::Debug for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl Error {
    /// The same without its place in a text that is not the user's.
    pub(crate) fn without_place(self) -> Self {
        match self {
            Self::Syntax { message, place: _ } => Self::NotAllowed { message, place: None },
            Self::NotAllowed { message, place: _ } => Self::NotAllowed { message, place: None },
            Self::Unknown { kind, name, place: _, near } => {
                Self::Unknown { kind, name, place: None, near }
            }
            Self::Ambiguous { kind, name, place: _, candidates } => {
                Self::Ambiguous { kind, name, place: None, candidates }
            }
            Self::NotEvaluable { construct, reason, place: _ } => {
                Self::NotEvaluable { construct, reason, place: None }
            }
            Self::TooLarge { .. } | Self::Plan(_) => self,
        }
    }

    /// Who has to act.
    pub fn fault(&self) -> Fault {
        match self {
            Self::Syntax { .. }
            | Self::NotAllowed { .. }
            | Self::TooLarge { .. }
            | Self::Unknown { .. }
            | Self::Ambiguous { .. }
            | Self::Plan(_) => Fault::User,
            Self::NotEvaluable { .. } => Fault::NotEvaluable,
        }
    }
}
