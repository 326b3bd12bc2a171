//! A job as UWS 1.1 §2.1 has it: what was asked, where it is, and what came of it.

use std::fmt;
use std::str::FromStr;

use uuid::Uuid;

use crate::uws::{Error, Moment, Phase};

/// A job keeps at most so many parameters.
pub(crate) const PARAMETERS_MAX: usize = 1000;

/// Names and values of a job's parameters together, in bytes: as much as one form may hold.
pub(crate) const PARAMETER_BYTES_MAX: usize = 4 << 20;

/// The name of a job. It cannot be guessed (122 random bits): who knows it may use the job.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct JobId(Uuid);

impl JobId {
    /// A new one.
    pub fn random() -> Self {
        Self(Uuid::new_v4())
    }
}

impl fmt::Display for JobId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.simple().fmt(f)
    }
}

/// Reads 32 lower-case hexadecimal digits and nothing else, so that no other text becomes the name
/// of a file.
impl FromStr for JobId {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let plain =
            text.len() == 32 && text.bytes().all(|b| matches!(b, b'0'..=b'9' | b'a'..=b'f'));
        let read = if plain { Uuid::try_parse(text).ok() } else { None };
        read.map(Self).ok_or(Error::NoSuchJob)
    }
}

/// The parameters of a job in their order. Names are case-insensitive.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Parameters(Vec<(String, String)>);

impl Parameters {
    /// Parameters as they were kept.
    pub(crate) fn kept(pairs: Vec<(String, String)>) -> Self {
        Self(pairs)
    }

    /// Adds parameters; those of the same name are replaced. Names that are given twice at once
    /// stay so: whether that is right is for the job to say when it runs.
    ///
    /// # Errors
    /// When they are more than a job keeps.
    pub fn replaced_by(mut self, given: Vec<(String, String)>) -> Result<Self, Error> {
        let given_again = |name: &str| given.iter().any(|(n, _)| n.eq_ignore_ascii_case(name));
        if given.len() > PARAMETERS_MAX {
            return Err(Error::TooManyParameters { count: given.len() });
        }
        self.0.retain(|(name, _)| !given_again(name));
        self.0.extend(given);
        let bytes = self.0.iter().map(|(name, value)| name.len() + value.len()).sum();
        if self.0.len() > PARAMETERS_MAX {
            Err(Error::TooManyParameters { count: self.0.len() })
        } else if bytes > PARAMETER_BYTES_MAX {
            Err(Error::TooLargeParameters { bytes })
        } else {
            Ok(self)
        }
    }

    /// Names and values.
    pub fn pairs(&self) -> &[(String, String)] {
        &self.0
    }

    /// The client's own name for the job (DALI 1.1 §3.4.6).
    pub fn run_id(&self) -> Option<&str> {
        let named = |(name, _): &&(String, String)| name.eq_ignore_ascii_case("RUNID");
        self.0.iter().rfind(named).map(|(_, value)| value.as_str())
    }
}

/// A result that lies in the result store.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ResultFile {
    /// Its `Content-Type`.
    pub content_type: String,
    /// Its length.
    pub bytes: u64,
}

/// Why a job has no result.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Failure {
    /// For the person who made the job.
    pub message: String,
    /// What may come of another attempt.
    pub kind: FailureKind,
}

/// What may come of another attempt at what has failed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum FailureKind {
    /// It will fail again.
    Fatal,
    /// It may succeed later.
    Transient,
    /// It may succeed at once: what the work ran on was lost. The service tries it again by itself,
    /// and only a job whose attempts are used up ends so.
    Lost,
}

impl Failure {
    /// A failure that will happen again.
    pub fn fatal(message: impl Into<String>) -> Self {
        Self { message: message.into(), kind: FailureKind::Fatal }
    }

    /// A failure of the moment.
    pub fn transient(message: impl Into<String>) -> Self {
        Self { message: message.into(), kind: FailureKind::Transient }
    }

    /// A failure of what the work ran on.
    pub fn lost(message: impl Into<String>) -> Self {
        Self { message: message.into(), kind: FailureKind::Lost }
    }

    /// Whether the same job may succeed later.
    pub fn is_transient(&self) -> bool {
        match self.kind {
            FailureKind::Fatal => false,
            FailureKind::Transient | FailureKind::Lost => true,
        }
    }
}

/// All that is known of a job.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Job {
    /// Its name.
    pub id: JobId,
    /// Where it is.
    pub phase: Phase,
    /// What was asked.
    pub parameters: Parameters,
    /// When it was made.
    pub created: Moment,
    /// When it began to run.
    pub started: Option<Moment>,
    /// When it ended.
    pub ended: Option<Moment>,
    /// It may run so many seconds.
    pub execution_seconds: u32,
    /// When it will be destroyed.
    pub destruction: Moment,
    /// How often it began to run.
    pub attempts: u32,
    /// There in the phase COMPLETED.
    pub result: Option<ResultFile>,
    /// There in the phase ERROR.
    pub error: Option<Failure>,
}

/// A line of the list of jobs.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct JobSummary {
    /// Its name.
    pub id: JobId,
    /// Where it is.
    pub phase: Phase,
    /// The client's own name for it.
    pub run_id: Option<String>,
    /// When it was made.
    pub created: Moment,
}

/// Which jobs a list shows; all conditions hold (UWS 1.1 §2.2.2.1).
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct JobFilter {
    /// In one of these; empty: in any but ARCHIVED.
    pub phases: Vec<Phase>,
    /// Made after this.
    pub after: Option<Moment>,
    /// So many of the newest.
    pub last: Option<u32>,
}
