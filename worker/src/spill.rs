//! What queries spill: files in a folder, within a limit, whose errors name both.
//!
//! Each process has a folder of its own in the one that is configured, and removes those that dead
//! processes left there; nothing else in it is touched. A file is gone when its last reader is.

use std::fs::{self, DirBuilder, File};
use std::io::{self, Read as _, Write};
use std::os::unix::fs::DirBuilderExt as _;
use std::path::{Path, PathBuf};
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use bytes::Bytes;
use datafusion::common::DataFusionError;
use datafusion::error::Result;
use datafusion::execution::memory_pool::human_readable_size;
use datafusion::execution::{SpillFile, SpillWriter, TempFileFactory};
use futures::{Stream, StreamExt, stream};

use crate::Error;
use crate::folder::write_error;
use crate::holdings::NodeName;

/// What the folders of processes are called, before their random part.
const PREFIX: &str = "armilla-spill-";

/// A spilled file is read back in pieces of so many bytes.
const PIECE_BYTES: usize = 256 * 1024;

/// Where the queries of this process spill.
#[derive(Debug)]
pub(crate) struct Spill(Arc<Place>);

#[derive(Debug)]
struct Place {
    folder: PathBuf,
    bytes_max: u64,
    used: AtomicU64,
    name: NodeName,
    /// Held as long as the folder is in use.
    _lock: File,
}

impl Spill {
    /// Makes a folder of this process in `parent`, or in the system's folder for temporary files,
    /// and removes what processes left there that are no more.
    ///
    /// # Errors
    /// When the folder cannot be made.
    pub(crate) fn open(
        parent: Option<&Path>,
        bytes_max: u64,
        name: NodeName,
    ) -> Result<Self, Error> {
        let parent = parent.map_or_else(std::env::temp_dir, Path::to_owned);
        let failed = |source| write_error(&parent, source);
        fs::create_dir_all(&parent).map_err(failed)?;
        for entry in fs::read_dir(&parent).map_err(failed)?.flatten() {
            if entry.file_name().to_string_lossy().starts_with(PREFIX) {
                remove_if_left(&entry.path());
            }
        }
        let folder = parent.join(format!("{PREFIX}{}", uuid::Uuid::new_v4()));
        // Rows are for those who may ask for them.
        let made = DirBuilder::new().mode(0o700).create(&folder);
        made.map_err(|source| write_error(&folder, source))?;
        let file = folder.join("lock");
        let lock = File::create(&file).and_then(|lock| {
            lock.lock()?;
            Ok(lock)
        });
        let _lock = lock.map_err(|source| write_error(&file, source))?;
        Ok(Self(Arc::new(Place { folder, bytes_max, used: AtomicU64::new(0), name, _lock })))
    }
}

/// Removes a folder whose process is no more. One without a lock is being made.
fn remove_if_left(folder: &Path) {
    let lock = File::options().write(true).open(folder.join("lock"));
    if lock.is_ok_and(|lock| lock.try_lock().is_ok()) {
        match fs::remove_dir_all(folder) {
            Ok(()) => tracing::info!(folder = %folder.display(), "removed what was left spilled"),
            Err(error) => {
                tracing::warn!(folder = %folder.display(), %error, "cannot remove spilled files");
            }
        }
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        // What cannot be removed now is removed by the next process.
        let _removed = fs::remove_dir_all(&self.folder);
    }
}

impl Place {
    /// The error of a spill that the system refused.
    fn refused(&self, doing: &str, source: &io::Error) -> String {
        let (folder, name) = (self.folder.display(), &self.name);
        match source.kind() {
            io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded => format!(
                "cannot {doing} {folder} on {name}, its disk is full ({source}): make room there, \
                 name another folder as spill, or narrow the query"
            ),
            _ => format!("cannot {doing} {folder} on {name}: {source}"),
        }
    }

    fn is_full(&self) -> String {
        let (folder, name) = (self.folder.display(), &self.name);
        let limit = human_readable_size(usize::try_from(self.bytes_max).unwrap_or(usize::MAX));
        format!(
            "cannot spill to {folder} on {name}: all queries together may spill {limit}; narrow \
             the query, or raise spill_bytes"
        )
    }
}

impl TempFileFactory for Spill {
    fn create_temp_file(&self, description: &str) -> Result<Arc<dyn SpillFile>> {
        let place = Arc::clone(&self.0);
        let path = place.folder.join(uuid::Uuid::new_v4().to_string());
        let made = File::options().read(true).write(true).create_new(true).open(&path);
        let file = made.map_err(|source| {
            let text = place.refused("spill to", &source);
            DataFusionError::ResourcesExhausted(format!("{text} ({description})"))
        })?;
        Ok(Arc::new(Spilled { place, path, file, bytes: Arc::default() }))
    }
}

/// One spilled file; it is removed with its last owner.
#[derive(Debug)]
struct Spilled {
    place: Arc<Place>,
    path: PathBuf,
    file: File,
    bytes: Arc<AtomicU64>,
}

impl Drop for Spilled {
    fn drop(&mut self) {
        // A file that is not removed goes with the folder.
        let _removed = fs::remove_file(&self.path);
        self.place.used.fetch_sub(self.bytes.load(Ordering::Relaxed), Ordering::Relaxed);
    }
}

impl SpillFile for Spilled {
    fn path(&self) -> Option<&Path> {
        Some(&self.path)
    }

    fn size(&self) -> Option<u64> {
        Some(self.bytes.load(Ordering::Relaxed))
    }

    fn read_stream(&self) -> Result<Pin<Box<dyn Stream<Item = Result<Bytes>> + Send>>> {
        let place = Arc::clone(&self.place);
        let file = File::open(&self.path).map_err(|source| {
            DataFusionError::Execution(place.refused("read what was spilled to", &source))
        })?;
        let pieces = stream::try_unfold(file, move |mut file| {
            let place = Arc::clone(&place);
            async move {
                let read = tokio::task::spawn_blocking(move || {
                    let mut piece = Vec::with_capacity(PIECE_BYTES);
                    (&mut file).take(PIECE_BYTES as u64).read_to_end(&mut piece)?;
                    Ok::<_, io::Error>((Bytes::from(piece), file))
                });
                let read = read.await.map_err(|error| DataFusionError::External(error.into()))?;
                let (piece, file) = read.map_err(|source| {
                    DataFusionError::Execution(place.refused("read what was spilled to", &source))
                })?;
                Ok((!piece.is_empty()).then_some((piece, file)))
            }
        });
        Ok(pieces.boxed())
    }

    fn open_writer(&self) -> Result<Box<dyn SpillWriter>> {
        let file = self.file.try_clone().map_err(|source| {
            DataFusionError::ResourcesExhausted(self.place.refused("spill to", &source))
        })?;
        let (place, bytes) = (Arc::clone(&self.place), Arc::clone(&self.bytes));
        Ok(Box::new(Writer { place, file, bytes }))
    }
}

struct Writer {
    place: Arc<Place>,
    file: File,
    bytes: Arc<AtomicU64>,
}

impl Write for Writer {
    fn write(&mut self, piece: &[u8]) -> io::Result<usize> {
        let size = piece.len() as u64;
        let used = self.place.used.fetch_add(size, Ordering::Relaxed) + size;
        let written = if used > self.place.bytes_max {
            Err(io::Error::new(io::ErrorKind::QuotaExceeded, self.place.is_full()))
        } else {
            self.file.write_all(piece).map_err(|source| {
                io::Error::new(source.kind(), self.place.refused("spill to", &source))
            })
        };
        match written {
            Ok(()) => {
                self.bytes.fetch_add(size, Ordering::Relaxed);
                Ok(piece.len())
            }
            Err(error) => {
                self.place.used.fetch_sub(size, Ordering::Relaxed);
                Err(error)
            }
        }
    }

    fn flush(&mut self) -> io::Result<()> {
        self.file.flush()
    }
}

impl SpillWriter for Writer {
    fn finish(&mut self) -> Result<()> {
        Ok(())
    }
}
