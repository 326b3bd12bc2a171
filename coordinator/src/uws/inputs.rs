//! What was sent with a job: files that are there until the job has ended.
//!
//! They outlive a restart of the service, and go when the job has ended, whatever its end; their
//! bytes count among those of all results. What the files are is the business of the work.

use std::collections::{HashMap, HashSet};
use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use crate::uws::budget::{Budget, Reservation};
use crate::uws::{Error, JobId};

/// The inputs of all jobs that have not ended.
#[derive(Debug)]
pub(crate) struct Inputs {
    root: PathBuf,
    budget: Arc<Budget>,
    known: Mutex<HashMap<JobId, Reservation>>,
}

impl Inputs {
    /// The inputs below `root`, of jobs that have not ended; all else is removed.
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
                    let mut reserved = Reservation::none_of(budget);
                    reserved.found(bytes_in(&path).map_err(failed)?);
                    known.insert(id, reserved);
                }
                None => {
                    tracing::info!(folder = %name, "removing an input of no unfinished job");
                    let removed = if path.is_dir() {
                        fs::remove_dir_all(&path)
                    } else {
                        fs::remove_file(&path)
                    };
                    removed.map_err(failed)?;
                }
            }
        }
        Ok(Self { root: root.to_owned(), budget: Arc::clone(budget), known: Mutex::new(known) })
    }

    /// Where the inputs of a job are, if it has some.
    pub(crate) fn of(&self, id: JobId) -> Option<PathBuf> {
        self.known().contains_key(&id).then(|| self.root.join(id.to_string()))
    }

    /// Moves the files of a folder to those of a job, in place of those that have their names.
    ///
    /// # Errors
    /// When they are beyond what all jobs may have, or cannot be moved; then none is there.
    pub(crate) fn add(&self, id: JobId, from: &Path) -> Result<(), Error> {
        let to = self.root.join(id.to_string());
        let failed = |source| Error::Folder { folder: to.clone(), source };
        let mut known = self.known();
        let reserved = known.entry(id).or_insert_with(|| Reservation::none_of(&self.budget));
        let grown = reserved.grow(bytes_in(from).map_err(failed)?);
        if let Err(failure) = grown {
            if !to.is_dir() {
                known.remove(&id);
            }
            return Err(Error::TooLargeInput { reason: failure.message });
        }
        fs::create_dir_all(&to).map_err(failed)?;
        for entry in fs::read_dir(from).map_err(failed)? {
            let entry = entry.map_err(failed)?;
            let place = to.join(entry.file_name());
            if let Ok(replaced) = fs::metadata(&place) {
                reserved.shrink(replaced.len());
            }
            fs::rename(entry.path(), place).map_err(failed)?;
        }
        Ok(())
    }

    /// Removes the inputs of a job that has ended.
    pub(crate) async fn remove(&self, id: JobId) -> Result<(), Error> {
        let Some(_reserved) = self.known().remove(&id) else { return Ok(()) };
        let path = self.root.join(id.to_string());
        match tokio::fs::remove_dir_all(&path).await {
            Err(source) if source.kind() != io::ErrorKind::NotFound => {
                Err(Error::Folder { folder: path, source })
            }
            _ => Ok(()),
        }
    }

    fn known(&self) -> MutexGuard<'_, HashMap<JobId, Reservation>> {
        self.known.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn bytes_in(folder: &Path) -> io::Result<u64> {
    let mut bytes = 0;
    for entry in fs::read_dir(folder)? {
        bytes += entry?.metadata()?.len();
    }
    Ok(bytes)
}
