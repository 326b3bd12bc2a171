//! The phases of a job, and which follows which (UWS 1.1 §2.1.3).
//!
//! [`Phase::predecessors`] is the whole machine; the store changes a phase only where the job is
//! in one of them, so that of two changes at once one wins and the other is refused.

use std::fmt;
use std::str::FromStr;

/// Where a job is on its way.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Phase {
    /// Made, and not yet asked to run.
    Pending,
    /// Waiting for room to run.
    Queued,
    /// Running.
    Executing,
    /// Ended with a result.
    Completed,
    /// Ended with an error.
    Error,
    /// Ended by its owner.
    Aborted,
    /// Not used here, as the next four are; clients may ask for jobs in them and find none.
    Held,
    /// Stopped for a while by the service.
    Suspended,
    /// Destroyed, its record kept.
    Archived,
    /// Not known to the service.
    Unknown,
}

use Phase::{Aborted, Archived, Completed, Error, Executing, Held, Pending, Queued, Suspended};

impl Phase {
    /// All of them.
    pub const ALL: [Self; 10] = [
        Pending,
        Queued,
        Executing,
        Completed,
        Error,
        Aborted,
        Held,
        Suspended,
        Archived,
        Self::Unknown,
    ];

    /// Its name in documents.
    pub fn name(self) -> &'static str {
        match self {
            Pending => "PENDING",
            Queued => "QUEUED",
            Executing => "EXECUTING",
            Completed => "COMPLETED",
            Error => "ERROR",
            Aborted => "ABORTED",
            Held => "HELD",
            Suspended => "SUSPENDED",
            Archived => "ARCHIVED",
            Self::Unknown => "UNKNOWN",
        }
    }

    /// The phases that a job may leave for this one. From EXECUTING back to QUEUED it goes when
    /// the service stops under it.
    pub fn predecessors(self) -> &'static [Self] {
        match self {
            Queued => &[Pending, Executing],
            Executing => &[Queued],
            Completed => &[Executing],
            Error => &[Queued, Executing],
            Aborted => &[Pending, Queued, Executing],
            Pending | Held | Suspended | Archived | Self::Unknown => &[],
        }
    }

    /// Whether a client may wait for the phase to change (UWS 1.1 §2.2.1.2).
    pub fn is_active(self) -> bool {
        matches!(self, Pending | Queued | Executing)
    }
}

impl fmt::Display for Phase {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// The text is no phase.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct NoPhase;

impl FromStr for Phase {
    type Err = NoPhase;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let named = |phase: &Self| phase.name().eq_ignore_ascii_case(text);
        Self::ALL.into_iter().find(named).ok_or(NoPhase)
    }
}
