//! The folder of an unfinished job: what its work has done so far, for its next attempt.
//!
//! It outlives a failed attempt, a stop of the service and a kill, and goes when the job has ended,
//! whatever its end. A file in it is whole or has another name; its bytes count among those of all
//! results. What the files are is the business of the work.

use std::collections::{HashMap, HashSet};
use std::fs::{self, DirBuilder, File};
use std::io;
use std::os::unix::fs::DirBuilderExt as _;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use tokio::io::AsyncWriteExt as _;

use crate::uws::budget::{Budget, Reservation};
use crate::uws::{Error, Failure, JobId};

/// What the name of a file ends with until it is whole.
const PARTIAL: &str = ".partial";

/// The folders of all unfinished jobs.
#[derive(Debug)]
pub(crate) struct Folders {
    root: PathBuf,
    budget: Arc<Budget>,
    known: Mutex<HashMap<JobId, Arc<JobFolder>>>,
}

impl Folders {
    /// The folders below `root`, of jobs that are to run; others are removed.
    pub(crate) fn open(
        root: &Path,
        budget: &Arc<Budget>,
        unfinished: &HashSet<JobId>,
    ) -> Result<Self, Error> {
        let failed = |source| Error::Folder { folder: root.to_owned(), source };
        fs::create_dir_all(root).map_err(failed)?;
        let mut known = HashMap::new();
        for entry in fs::read_dir(root).map_err(failed)? {
            let path = entry.map_err(failed)?.path();
            let name = path.file_name().unwrap_or_default().to_string_lossy();
            match name.parse().ok().filter(|id| unfinished.contains(id)) {
                Some(id) => {
                    let folder = JobFolder::found(path, budget).map_err(failed)?;
                    known.insert(id, Arc::new(folder));
                }
                None => {
                    tracing::info!(folder = %name, "removing what belongs to no unfinished job");
                    remove(&path).map_err(failed)?;
                }
            }
        }
        Ok(Self { root: root.to_owned(), budget: Arc::clone(budget), known: Mutex::new(known) })
    }

    /// The folder of a job; on disk it is made with its first file.
    pub(crate) fn of(&self, id: JobId) -> Arc<JobFolder> {
        let new = || Arc::new(JobFolder::new(self.root.join(id.to_string()), &self.budget));
        Arc::clone(self.known().entry(id).or_insert_with(new))
    }

    /// Removes the folder of a job that has ended and whose work is gone.
    pub(crate) async fn remove(&self, id: JobId) -> Result<(), Error> {
        let Some(folder) = self.known().remove(&id) else { return Ok(()) };
        let path = folder.path.clone();
        let failed = |source| Error::Folder { folder: path.clone(), source };
        match tokio::fs::remove_dir_all(&path).await {
            Err(error) if error.kind() != io::ErrorKind::NotFound => Err(failed(error)),
            _ => Ok(()),
        }
    }

    fn known(&self) -> MutexGuard<'_, HashMap<JobId, Arc<JobFolder>>> {
        self.known.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn remove(path: &Path) -> io::Result<()> {
    if path.is_dir() { fs::remove_dir_all(path) } else { fs::remove_file(path) }
}

/// The folder of one job.
#[derive(Debug)]
pub struct JobFolder {
    path: PathBuf,
    /// As many bytes as its files have.
    reserved: Mutex<Reservation>,
    finished: AtomicU64,
}

impl JobFolder {
    fn new(path: PathBuf, budget: &Arc<Budget>) -> Self {
        let reserved = Mutex::new(Reservation::none_of(budget));
        Self { path, reserved, finished: AtomicU64::new(0) }
    }

    fn found(path: PathBuf, budget: &Arc<Budget>) -> io::Result<Self> {
        let folder = Self::new(path, budget);
        for entry in fs::read_dir(&folder.path)? {
            folder.reserved().found(entry?.metadata()?.len());
        }
        Ok(folder)
    }

    /// A file that was finished; none where there is none.
    ///
    /// # Errors
    /// When it cannot be opened.
    pub fn open(&self, name: &str) -> io::Result<Option<File>> {
        match File::open(self.path.join(name)) {
            Ok(file) => Ok(Some(file)),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
            Err(error) => Err(error),
        }
    }

    /// Begins a file, in place of one of that name that was begun and not finished.
    ///
    /// # Errors
    /// When it cannot be made.
    pub fn create(self: &Arc<Self>, name: &str) -> Result<Partial, Failure> {
        let partial = self.path.join(format!("{name}{PARTIAL}"));
        let made = DirBuilder::new().recursive(true).mode(0o700).create(&self.path);
        made.map_err(|error| unwritten(&error))?;
        let begun_before = match fs::metadata(&partial) {
            Ok(left) => {
                self.reserved().shrink(left.len());
                true
            }
            Err(_) => false,
        };
        // Not on another thread: there it could be made after the folder was removed.
        let file = File::create(&partial).map_err(|error| unwritten(&error))?.into();
        let path = self.path.join(name);
        Ok(Partial { folder: Arc::clone(self), file, partial, path, begun_before })
    }

    /// Removes all of its files.
    ///
    /// # Errors
    /// When that is not possible.
    pub fn clear(&self) -> Result<(), Failure> {
        let removed = match fs::remove_dir_all(&self.path) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
            removed => removed,
        };
        self.reserved().shrink(u64::MAX);
        removed.map_err(|error| unwritten(&error))
    }

    /// How many files were finished by this process: what tells an attempt that came further from
    /// one that did not.
    pub(crate) fn finished(&self) -> u64 {
        self.finished.load(Ordering::Relaxed)
    }

    fn reserved(&self) -> MutexGuard<'_, Reservation> {
        self.reserved.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn unwritten(error: &io::Error) -> Failure {
    Failure::transient(format!("what is finished of the job cannot be stored: {error}"))
}

/// A file that is not whole yet. Dropped, it stays until its name is used again.
#[derive(Debug)]
pub struct Partial {
    folder: Arc<JobFolder>,
    file: tokio::fs::File,
    partial: PathBuf,
    path: PathBuf,
    begun_before: bool,
}

impl Partial {
    /// Whether the file was begun before and not finished.
    pub fn begun_before(&self) -> bool {
        self.begun_before
    }

    /// Writes some bytes.
    ///
    /// # Errors
    /// When they are beyond what all jobs may have, or cannot be written.
    pub async fn write(&mut self, bytes: &[u8]) -> Result<(), Failure> {
        self.folder.reserved().grow(bytes.len() as u64)?;
        self.file.write_all(bytes).await.map_err(|error| unwritten(&error))
    }

    /// Gives the file its name, in place of one that has it, once all is on disk.
    ///
    /// # Errors
    /// When it cannot be written.
    pub async fn finish(mut self) -> Result<(), Failure> {
        self.file.flush().await.map_err(|error| unwritten(&error))?;
        self.file.sync_all().await.map_err(|error| unwritten(&error))?;
        if let Ok(replaced) = fs::metadata(&self.path) {
            self.folder.reserved().shrink(replaced.len());
        }
        fs::rename(&self.partial, &self.path).map_err(|error| unwritten(&error))?;
        self.folder.finished.fetch_add(1, Ordering::Relaxed);
        Ok(())
    }
}
