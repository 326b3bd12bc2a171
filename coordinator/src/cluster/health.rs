//! Whether a worker is there, from what asking it brought: a state machine without clock and I/O.
//!
//! One lost answer says nothing (a busy machine, a lost packet); several in a row do, and a
//! refused connection says more than silence. One answer is enough to come back.

/// So many unanswered questions in a row mean that the worker is down …
const SILENT_MAX: u32 = 3;

/// … and so many refused connections: the host is there, and nobody listens.
const REFUSED_MAX: u32 = 2;

/// How a worker is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Health {
    /// It has not answered since the start.
    #[default]
    Unheard,
    /// It answers.
    Up,
    /// It does not answer any more.
    Down,
}

/// How a question failed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Failure {
    /// Nobody listens at the address.
    Refused,
    /// No answer, or none that can be used.
    Silent,
}

/// What was observed of one worker.
#[derive(Debug, Default)]
pub struct Observed {
    health: Health,
    silent: u32,
    refused: u32,
}

impl Observed {
    /// How the worker is.
    pub fn health(&self) -> Health {
        self.health
    }

    /// It answered.
    pub fn heard(&mut self) {
        *self = Self { health: Health::Up, silent: 0, refused: 0 };
    }

    /// It did not answer.
    pub fn failed(&mut self, failure: Failure) {
        self.silent += 1;
        self.refused = match failure {
            Failure::Refused => self.refused + 1,
            Failure::Silent => 0,
        };
        if self.silent >= SILENT_MAX || self.refused >= REFUSED_MAX {
            self.health = Health::Down;
        }
    }
}
