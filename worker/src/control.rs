//! What a coordinator and a worker tell each other beside plans: the messages, as JSON over the
//! node's own port. They alone are serialized; the rest of the crate has its own types.
//!
//! The coordinator asks for a [`Status`] (`GET /status`) and gives an [`Assignment`]
//! (`PUT /assignment`). A worker asks nothing of a coordinator.

use serde::{Deserialize, Serialize};

/// The version of these messages; a node refuses those of another.
pub const CONTROL_VERSION: u32 = 1;

/// The header of a task that names its query: tasks of the same query share its memory.
pub const QUERY_HEADER: &str = "armilla-query";

/// What a worker is to hold, and who else holds what.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Assignment {
    /// [`CONTROL_VERSION`] of the sender.
    pub version: u32,
    /// Number of the snapshot whose tiles these are.
    pub snapshot: u64,
    /// The place of this worker in the placement's list of workers.
    pub worker: usize,
    /// The placement, as it is stored: it tells who else holds a tile.
    pub placement: catalog::placement::StoredPlacement,
    /// The files that this worker is to hold.
    pub files: Vec<AssignedFile>,
}

/// One file of a tile.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct AssignedFile {
    /// Its location below the data root.
    pub path: String,
    /// Its size.
    pub bytes: u64,
}

/// How a worker is.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Status {
    /// [`CONTROL_VERSION`] of the worker.
    pub version: u32,
    /// Version of the program.
    pub release: String,
    /// A name that no other process has: another one than before says that the worker restarted.
    pub instance: String,
    /// Whether it reads tiles that it does not hold, from peers and from the origin.
    pub fallback: bool,
    /// What it holds; none before the first assignment.
    pub held: Option<Held>,
    /// Tasks of queries that are there, running or waiting to be asked for.
    pub tasks: u64,
    /// Bytes that its tasks have reserved.
    pub memory_bytes: u64,
}

/// How far a worker has come with its assignment.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Held {
    /// Number of the placement.
    pub placement: u64,
    /// Number of the snapshot.
    pub snapshot: u64,
    /// [`Assignment::digest`] of what it follows.
    pub digest: u32,
    /// Files that are whole in its folder, and all that it is to hold.
    pub files: u64,
    /// All files that it is to hold.
    pub files_total: u64,
    /// Bytes of the files that are there.
    pub bytes: u64,
    /// Bytes of all of them.
    pub bytes_total: u64,
}

impl Assignment {
    /// Tells assignments apart that have the same numbers: what a worker is to hold depends on
    /// settings too.
    ///
    /// # Errors
    /// When it cannot be written as JSON.
    pub fn digest(&self) -> serde_json::Result<u32> {
        let mut digest = Digest(crc32fast::Hasher::new());
        serde_json::to_writer(&mut digest, self)?;
        Ok(digest.0.finalize())
    }
}

/// Takes bytes without keeping them.
struct Digest(crc32fast::Hasher);

impl std::io::Write for Digest {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        self.0.update(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}

impl Held {
    /// Whether every file is there.
    pub fn is_complete(&self) -> bool {
        self.files == self.files_total
    }
}
