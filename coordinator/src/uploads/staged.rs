//! The folder into which the parts of one request are received, removed when it is dropped.

use std::fs::DirBuilder;
use std::os::unix::fs::DirBuilderExt as _;
use std::path::{Path, PathBuf};
use std::sync::atomic::Ordering;

use tokio::io::{AsyncWriteExt as _, BufWriter};
use uuid::Uuid;

use super::{AT_A_TIME, Error, TABLES_MAX, UploadStore};

/// Bytes that are written at a time.
const WRITE_BYTES: usize = 1 << 20;

/// No name of a part is longer.
const NAME_MAX: usize = 100;

/// The file of a part, by its name in whatever letters.
pub(super) fn part_file(part: &str) -> String {
    let mut file = String::with_capacity(2 * part.len() + 5);
    for byte in part.bytes().take(NAME_MAX) {
        file.push_str(&format!("{byte:02x}"));
    }
    file + ".part"
}

/// The parts of one request on disk.
#[derive(Debug)]
pub struct Staged {
    store: UploadStore,
    path: PathBuf,
    parts: usize,
    /// Bytes of its parts.
    bytes: u64,
}

impl UploadStore {
    /// A new folder.
    ///
    /// # Errors
    /// When it cannot be made.
    pub fn stage(&self) -> Result<Staged, Error> {
        let path = self.0.root.join(Uuid::new_v4().simple().to_string());
        let made = DirBuilder::new().recursive(true).mode(0o700).create(&path);
        made.map_err(|source| Error::Folder { source })?;
        Ok(Staged { store: self.clone(), path, parts: 0, bytes: 0 })
    }
}

impl Staged {
    /// Where it is.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Begins a part.
    ///
    /// # Errors
    /// When there is one of that name, or it cannot be written.
    pub async fn part(&mut self, name: &str) -> Result<Part<'_>, Error> {
        if name.is_empty() || name.len() > NAME_MAX {
            return Err(Error::PartName { part: name.to_owned() });
        }
        self.parts += 1;
        if self.parts > TABLES_MAX {
            return Err(Error::TooMany { count: self.parts, max: TABLES_MAX });
        }
        let file = tokio::fs::File::create_new(self.path.join(part_file(name))).await;
        let file = file.map_err(|source| match source.kind() {
            std::io::ErrorKind::AlreadyExists => Error::PartTwice { part: name.to_owned() },
            _ => Error::Folder { source },
        })?;
        Ok(Part { file: BufWriter::with_capacity(WRITE_BYTES, file), staged: self })
    }

    fn count(&mut self, bytes: u64) -> Result<(), Error> {
        let limits = self.store.0.limits;
        self.bytes += bytes;
        let all = self.store.0.received.fetch_add(bytes, Ordering::Relaxed) + bytes;
        if self.bytes > limits.bytes {
            return Err(Error::TooLarge { bytes_max: limits.bytes });
        }
        if all > limits.bytes.saturating_mul(AT_A_TIME) {
            return Err(Error::Busy);
        }
        Ok(())
    }
}

impl Drop for Staged {
    fn drop(&mut self) {
        self.store.0.received.fetch_sub(self.bytes, Ordering::Relaxed);
        // A few files; what cannot be removed is removed at the next start.
        if let Err(error) = std::fs::remove_dir_all(&self.path)
            && error.kind() != std::io::ErrorKind::NotFound
        {
            tracing::warn!(folder = %self.path.display(), %error, "an upload cannot be removed");
        }
    }
}

/// A part that is being received.
#[derive(Debug)]
pub struct Part<'a> {
    file: BufWriter<tokio::fs::File>,
    staged: &'a mut Staged,
}

impl Part<'_> {
    /// Writes some bytes.
    ///
    /// # Errors
    /// When they are more than may be, or cannot be written.
    pub async fn write(&mut self, bytes: &[u8]) -> Result<(), Error> {
        self.staged.count(bytes.len() as u64)?;
        self.file.write_all(bytes).await.map_err(|source| Error::Folder { source })
    }

    /// Ends it.
    ///
    /// # Errors
    /// When it cannot be written.
    pub async fn finish(mut self) -> Result<(), Error> {
        self.file.flush().await.map_err(|source| Error::Folder { source })
    }
}
