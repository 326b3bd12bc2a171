//! What the binary is asked to do.

use std::fmt;

/// What the binary is asked to do.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Command {
    /// A service with everything in one process.
    Serve,
    /// The service of a cluster.
    Coordinator,
    /// A node that holds tiles.
    Worker,
    /// One query, to stdout.
    Query,
    /// What one query would touch, to stdout.
    Explain,
    /// A table from files.
    Import,
    /// A table that lies elsewhere.
    Add,
    /// Certificates for the nodes of a cluster.
    Certificates,
}

impl Command {
    /// All of them.
    pub const ALL: [Self; 8] = [
        Self::Serve,
        Self::Coordinator,
        Self::Worker,
        Self::Query,
        Self::Explain,
        Self::Import,
        Self::Add,
        Self::Certificates,
    ];

    /// Its name on the command line.
    pub fn name(self) -> &'static str {
        match self {
            Self::Serve => "serve",
            Self::Coordinator => "coordinator",
            Self::Worker => "worker",
            Self::Query => "query",
            Self::Explain => "explain",
            Self::Import => "import",
            Self::Add => "add",
            Self::Certificates => "certificates",
        }
    }
}

impl fmt::Display for Command {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}
