//! A folder that appears whole or not at all.
//!
//! What is written lies in a hidden folder beside the target until it is complete, and is then
//! renamed; where it takes the place of a folder, the two are exchanged in one step, and what
//! readers of that one may still have open lies under the same paths in the new one.
//! A process that is killed leaves the hidden folder, which is no table and which the next writer
//! of the same target removes, or takes over where it can go on. A lock keeps two writers of one
//! target apart; the system releases it when a process ends, however it ends.

use std::fs::{self, File, TryLockError};
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

use rustix::fs::{CWD, RenameFlags, renameat_with};

use crate::Error;

/// Below the hidden folder: what becomes the target.
const CONTENT: &str = "content";
/// Below the hidden folder: what is needed until then.
const SCRATCH: &str = "scratch";

/// A folder under way.
#[derive(Debug)]
pub struct Staging {
    target: PathBuf,
    hidden: PathBuf,
    lock_path: PathBuf,
    /// Held, not read.
    _lock: File,
    /// Whether the hidden folder is left to the next writer.
    is_left: bool,
    /// Folders and files of the target that keep their names, where its place is taken.
    stays: Option<Vec<String>>,
}

impl Staging {
    /// Begins a folder that must not exist yet; leftovers of a killed writer are removed.
    ///
    /// # Errors
    /// When it exists, another process is writing it, or the folder above cannot be written.
    pub fn begin(target: &Path) -> Result<Self, Error> {
        let staging = Self::resume(target)?;
        remove(&staging.hidden)?;
        staging.make()?;
        Ok(staging)
    }

    /// Begins a folder that must not exist yet, with what a killed writer left of it:
    /// [`Staging::clear`] or [`Staging::clear_content`] comes next.
    ///
    /// # Errors
    /// When it exists, another process is writing it, or the folder above cannot be written.
    pub fn resume(target: &Path) -> Result<Self, Error> {
        let staging = Self::locked(target, None)?;
        if staging.target.exists() {
            return Err(Error::Exists { path: staging.target.display().to_string() });
        }
        Ok(staging)
    }

    /// The same for a folder that takes the place of one; [`Staging::keep`] says what of it stays.
    ///
    /// # Errors
    /// When it is not there, another process is writing it, or the folder above cannot be written.
    pub fn resume_over(target: &Path) -> Result<Self, Error> {
        // A link to a folder stays one.
        let target = fs::canonicalize(target).map_err(|e| Error::write(target, e))?;
        Self::locked(&target, Some(Vec::new()))
    }

    /// Folders and files of the target that keep their names and are not written anew.
    pub fn keep(&mut self, names: Vec<String>) {
        self.stays = Some(names);
    }

    fn locked(target: &Path, stays: Option<Vec<String>>) -> Result<Self, Error> {
        let [hidden, lock_path] = leftovers(target)?;
        if let Some(above) = target.parent().filter(|above| !above.as_os_str().is_empty()) {
            fs::create_dir_all(above).map_err(|e| Error::write(above, e))?;
        }
        let lock = lock(&lock_path, target)?;
        let target = target.to_owned();
        Ok(Self { target, hidden, lock_path, _lock: lock, is_left: false, stays })
    }

    fn make(&self) -> Result<(), Error> {
        for folder in [self.path(), self.scratch()] {
            fs::create_dir_all(&folder).map_err(|e| Error::write(&folder, e))?;
        }
        Ok(())
    }

    /// Removes what was to become the target, but not what is needed until then.
    ///
    /// # Errors
    /// When it cannot be removed.
    pub fn clear_content(&self) -> Result<(), Error> {
        remove(&self.path())?;
        self.make()
    }

    /// Removes everything that a killed writer left.
    ///
    /// # Errors
    /// When it cannot be removed.
    pub fn clear(&self) -> Result<(), Error> {
        remove(&self.hidden)?;
        self.make()
    }

    /// Ends without removing anything: another run may go on.
    pub fn leave(mut self) {
        self.is_left = true;
    }

    /// The folder to write into.
    pub fn path(&self) -> PathBuf {
        self.hidden.join(CONTENT)
    }

    /// A folder for what does not stay.
    pub fn scratch(&self) -> PathBuf {
        self.hidden.join(SCRATCH)
    }

    /// Makes the folder visible under its name.
    ///
    /// # Errors
    /// When it cannot be renamed, because something appeared under its name meanwhile, or the file
    /// system cannot exchange folders.
    pub fn commit(self) -> Result<(), Error> {
        if let Some(stays) = &self.stays {
            return self.exchange(stays);
        }
        if self.target.exists() {
            return Err(Error::Exists { path: self.target.display().to_string() });
        }
        fs::rename(self.path(), &self.target).map_err(|e| Error::write(&self.target, e))
    }

    /// Takes the place of the target. What the target was is removed with the hidden folder.
    fn exchange(&self, stays: &[String]) -> Result<(), Error> {
        let content = self.path();
        for name in stays {
            link(&self.target.join(name), &content.join(name))?;
        }
        renameat_with(CWD, &content, CWD, &self.target, RenameFlags::EXCHANGE).map_err(|e| {
            let reason = format!(
                "{e} when it was exchanged for its next version, which takes a file system that \
                 exchanges folders, as ext4, XFS or Btrfs: import under another name there"
            );
            Error::write(&self.target, std::io::Error::other(reason))
        })
    }

    /// What writers of a target leave beside it when they are killed.
    ///
    /// # Errors
    /// When the target has no name.
    pub fn names(target: &Path) -> Result<[String; 2], Error> {
        let name = target.file_name().and_then(|name| name.to_str()).ok_or_else(|| {
            Error::write(target, std::io::Error::other("the folder has no name of UTF-8"))
        })?;
        Ok([format!(".{name}.partial"), format!(".{name}.lock")])
    }
}

impl Drop for Staging {
    fn drop(&mut self) {
        // What stays is hidden, and removed by the next writer.
        if !self.is_left {
            let _gone = fs::remove_dir_all(&self.hidden);
        }
        let _gone = fs::remove_file(&self.lock_path);
    }
}

fn leftovers(target: &Path) -> Result<[PathBuf; 2], Error> {
    Ok(Staging::names(target)?.map(|name| target.with_file_name(name)))
}

/// Gives the files of a folder, or a file, a second name.
fn link(from: &Path, to: &Path) -> Result<(), Error> {
    let failed = |e| Error::write(to, e);
    if !from.is_dir() {
        return fs::hard_link(from, to).map_err(failed);
    }
    fs::create_dir_all(to).map_err(failed)?;
    for entry in fs::read_dir(from).map_err(failed)? {
        let entry = entry.map_err(failed)?;
        link(&entry.path(), &to.join(entry.file_name()))?;
    }
    Ok(())
}

fn lock(path: &Path, target: &Path) -> Result<File, Error> {
    let busy = || Error::Busy { path: target.display().to_string() };
    let file = File::create(path).map_err(|e| Error::write(path, e))?;
    match file.try_lock() {
        Ok(()) => {}
        Err(TryLockError::WouldBlock) => return Err(busy()),
        Err(TryLockError::Error(e)) => return Err(Error::write(path, e)),
    }
    // A writer that has just ended may have removed the file that was opened here.
    let inode = |data: fs::Metadata| data.ino();
    let ours = file.metadata().map(inode).map_err(|e| Error::write(path, e))?;
    if fs::metadata(path).map(inode).ok() == Some(ours) { Ok(file) } else { Err(busy()) }
}

fn remove(folder: &Path) -> Result<(), Error> {
    match fs::remove_dir_all(folder) {
        Ok(()) => {
            tracing::info!(folder = %folder.display(), "removed what a killed run left");
            Ok(())
        }
        Err(e) if e.kind() == std::io::ErrorKind::NotFound => Ok(()),
        Err(e) => Err(Error::write(folder, e)),
    }
}
