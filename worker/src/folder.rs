//! The folder of a worker: tiles as at the origin, and what is the worker's own in `.armilla`.
//!
//! One process has it at a time, a folder of a newer release is refused, and one of a release that
//! had no `.armilla` is taken over: its tiles get their checksums when they are first assigned.
//! Nothing here deletes a tile: `crate::removal` does.

use std::collections::HashSet;
use std::fs::{self, File, TryLockError};
use std::io::{self, Write as _};
use std::path::{Path as FilePath, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};

use object_store::path::Path;
use serde::{Deserialize, Serialize};

use crate::Error;
use crate::checksum::Sums;
use crate::control::Assignment;
use crate::holdings::Former;

/// The folder of ours in the folder of a worker.
pub(crate) const OWN_NAME: &str = ".armilla";

/// What follows the name of a tile in that of its sums.
pub(crate) const SUMS_ENDING: &str = ".sums";

/// The newest form of the folder that is known here.
const VERSION: u32 = 1;

/// What the folder is, in `worker.json`.
#[derive(Debug, Serialize, Deserialize)]
struct Description {
    version: u32,
    /// Whether it may hold tiles of a former release, which have no checksums.
    #[serde(default)]
    former: bool,
}

/// The folder of a worker.
#[derive(Debug)]
pub struct Folder {
    root: PathBuf,
    former: AtomicBool,
    _lock: File,
}

/// The newest form of `former.json` that is known here.
const FORMER_VERSION: u32 = 1;

/// The files that the assignment before the kept one named, in `former.json`.
#[derive(Debug, Serialize, Deserialize)]
struct FormerFiles {
    version: u32,
    files: Vec<String>,
}

/// The files of one tile.
#[derive(Debug)]
pub(crate) struct Places {
    /// The tile.
    pub(crate) tile: PathBuf,
    /// Its checksums.
    pub(crate) sums: PathBuf,
}

/// What is in the folder of a file that should be there.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Found {
    /// Of its size, with sums.
    Whole,
    /// Of its size, without sums.
    Unsummed,
    /// Not of its size, or not at all.
    Nothing,
}

impl Folder {
    /// Opens the folder of a worker, or makes it, and removes copies that were never finished.
    ///
    /// # Errors
    /// When another process has it, a newer release wrote it, or it cannot be written.
    pub fn open(root: &FilePath) -> Result<Self, Error> {
        let own = root.join(OWN_NAME);
        let is_new = !own.exists();
        fs::create_dir_all(&own).map_err(|source| write_error(&own, source))?;
        let lock = lock(root, &own.join("lock"))?;
        let file = own.join("worker.json");
        let former = match read(&file)? {
            Some(text) => Description::parse(&file, &text)?.former,
            None => is_new && holds_tables(root)?,
        };
        let folder = Self { root: root.to_owned(), former: AtomicBool::new(former), _lock: lock };
        if former {
            tracing::info!(folder = %root.display(), "taking over the tiles of a former release");
            remove_partial(root)?;
        }
        let partial = folder.partial();
        match fs::remove_dir_all(&partial) {
            Err(source) if source.kind() != io::ErrorKind::NotFound => {
                return Err(write_error(&partial, source));
            }
            Ok(()) | Err(_) => {}
        }
        folder.describe()?;
        Ok(folder)
    }

    /// The folder itself.
    pub fn root(&self) -> &FilePath {
        &self.root
    }

    /// Where queries spill unless another folder is named.
    pub fn spill(&self) -> PathBuf {
        self.root.join(OWN_NAME).join("spill")
    }

    /// Where the tables are that queries brought.
    pub(crate) fn uploads(&self) -> PathBuf {
        self.root.join(OWN_NAME).join("uploads")
    }

    /// Where files are written before they get their names.
    fn partial(&self) -> PathBuf {
        self.root.join(OWN_NAME).join("partial")
    }

    /// A name for a file that is being written.
    pub(crate) fn new_partial(&self) -> Result<Partial, Error> {
        let folder = self.partial();
        // Somebody may have emptied the folder meanwhile.
        fs::create_dir_all(&folder).map_err(|source| write_error(&folder, source))?;
        Ok(Partial(folder.join(uuid::Uuid::new_v4().to_string())))
    }

    /// The files of a tile; none for a location that leaves the folder or is not a tile's.
    pub(crate) fn places(&self, location: &Path) -> Option<Places> {
        let text = location.as_ref();
        // `Path` may have been made without a check.
        let is_plain = !text.starts_with('.')
            && text.split('/').all(|part| !matches!(part, "" | "." | "..") && !part.contains('\0'));
        is_plain.then(|| Places {
            tile: self.root.join(text),
            sums: self.sums().join(format!("{text}{SUMS_ENDING}")),
        })
    }

    /// Where the sums of all tiles are, as the tiles are below the folder.
    pub(crate) fn sums(&self) -> PathBuf {
        self.root.join(OWN_NAME).join("sums")
    }

    /// What is there of a file that should have so many bytes.
    pub(crate) fn find(&self, location: &Path, bytes: u64) -> Found {
        let Some(places) = self.places(location) else { return Found::Nothing };
        match fs::metadata(&places.tile) {
            Ok(found) if found.is_file() && found.len() == bytes => {
                if places.sums.is_file() {
                    Found::Whole
                } else {
                    Found::Unsummed
                }
            }
            Ok(_) | Err(_) => Found::Nothing,
        }
    }

    /// Puts the sums of a tile where they belong.
    pub(crate) fn write_sums(&self, places: &Places, sums: &Sums) -> Result<(), Error> {
        write_whole(self.new_partial()?, &places.sums, &sums.encode())
    }

    /// Whether tiles without sums are those of a former release, to be taken over.
    pub(crate) fn takes_over(&self) -> bool {
        self.former.load(Ordering::Relaxed)
    }

    /// Everything assigned is here with its sums: a tile without them is damaged from now on.
    pub(crate) fn taken_over(&self) -> Result<(), Error> {
        if self.former.swap(false, Ordering::Relaxed) { self.describe() } else { Ok(()) }
    }

    fn describe(&self) -> Result<(), Error> {
        let description = Description { version: VERSION, former: self.takes_over() };
        self.write_json("worker.json", &description)
    }

    /// The last assignment that was kept.
    ///
    /// # Errors
    /// When it cannot be read.
    pub fn assignment(&self) -> Result<Option<Assignment>, Error> {
        let file = self.root.join(OWN_NAME).join("assignment.json");
        let Some(text) = read(&file)? else { return Ok(None) };
        match serde_json::from_slice(&text) {
            Ok(assignment) => Ok(Some(assignment)),
            Err(error) => {
                // The coordinator will give another one: that is better than not to start.
                tracing::warn!(file = %file.display(), %error, "the kept assignment is unreadable");
                Ok(None)
            }
        }
    }

    /// Keeps an assignment for the next start, and the files of the one before.
    ///
    /// # Errors
    /// When it cannot be written.
    pub(crate) fn keep_assignment(
        &self,
        assignment: &Assignment,
        former: &Former,
    ) -> Result<(), Error> {
        // First: a start in between must find no file of the assignment before unnamed.
        let files = former.iter().map(Path::to_string).collect();
        self.write_json("former.json", &FormerFiles { version: FORMER_VERSION, files })?;
        self.write_json("assignment.json", assignment)
    }

    /// The files that the assignment before the kept one named; none where nothing is known of
    /// them.
    ///
    /// # Errors
    /// When they cannot be read.
    pub(crate) fn former(&self) -> Result<Former, Error> {
        let file = self.root.join(OWN_NAME).join("former.json");
        let Some(text) = read(&file)? else { return Ok(HashSet::new()) };
        let version = "its version is not known to this release";
        let reason = match serde_json::from_slice::<FormerFiles>(&text) {
            Ok(former) if former.version == FORMER_VERSION => {
                return Ok(former.files.iter().filter_map(|file| Path::parse(file).ok()).collect());
            }
            Ok(_) => version.to_owned(),
            Err(error) => error.to_string(),
        };
        // No query outlives its worker: the files matter to those that begin again only.
        tracing::warn!(file = %file.display(), reason, "what was held before is not known");
        Ok(HashSet::new())
    }

    fn write_json(&self, name: &str, value: &impl Serialize) -> Result<(), Error> {
        let file = self.root.join(OWN_NAME).join(name);
        let text = serde_json::to_vec(value)
            .map_err(|error| write_error(&file, io::Error::other(error)))?;
        write_whole(self.new_partial()?, &file, &text)
    }
}

impl Description {
    fn parse(file: &FilePath, text: &[u8]) -> Result<Self, Error> {
        let description: Self = serde_json::from_slice(text).map_err(|error| Error::Malformed {
            path: file.to_owned(),
            reason: error.to_string(),
        })?;
        if description.version > VERSION {
            let (path, found) = (file.to_owned(), description.version);
            return Err(Error::Newer { path, found, known: VERSION });
        }
        Ok(description)
    }
}

/// A file that is being written; dropping it removes the file.
#[derive(Debug)]
pub(crate) struct Partial(PathBuf);

impl Partial {
    pub(crate) fn path(&self) -> &FilePath {
        &self.0
    }

    /// Gives the file its name, in a folder that is made if it is not there.
    pub(crate) fn rename(self, target: &FilePath) -> Result<(), Error> {
        if let Some(folder) = target.parent() {
            fs::create_dir_all(folder).map_err(|source| write_error(folder, source))?;
        }
        fs::rename(&self.0, target).map_err(|source| write_error(target, source))
    }
}

impl Drop for Partial {
    fn drop(&mut self) {
        // Nothing is there after a rename; what cannot be removed is removed at the next start.
        let _removed = fs::remove_file(&self.0);
    }
}

/// Writes a file that is there whole or not at all, also after a power cut.
fn write_whole(partial: Partial, target: &FilePath, content: &[u8]) -> Result<(), Error> {
    let write = || {
        let mut file = File::create(partial.path())?;
        file.write_all(content)?;
        file.sync_all()
    };
    write().map_err(|source| write_error(partial.path(), source))?;
    partial.rename(target)
}

pub(crate) fn write_error(path: &FilePath, source: io::Error) -> Error {
    Error::Write { path: path.to_owned(), source }
}

fn lock(root: &FilePath, file: &FilePath) -> Result<File, Error> {
    let opened = File::options().create(true).truncate(false).write(true).open(file);
    let lock = opened.map_err(|source| write_error(file, source))?;
    match lock.try_lock() {
        Ok(()) => Ok(lock),
        Err(TryLockError::WouldBlock) => Err(Error::InUse { folder: root.to_owned() }),
        Err(TryLockError::Error(source)) => Err(write_error(file, source)),
    }
}

fn read(file: &FilePath) -> Result<Option<Vec<u8>>, Error> {
    match fs::read(file) {
        Ok(text) => Ok(Some(text)),
        Err(source) if source.kind() == io::ErrorKind::NotFound => Ok(None),
        Err(source) => Err(Error::Read { path: file.to_owned(), source }),
    }
}

/// Whether there is anything beside what is ours.
fn holds_tables(root: &FilePath) -> Result<bool, Error> {
    let entries = fs::read_dir(root);
    let entries = entries.map_err(|source| Error::Read { path: root.to_owned(), source })?;
    Ok(entries.flatten().any(|entry| entry.file_name() != OWN_NAME))
}

/// Removes the copies that a former release did not finish: it wrote them beside the tiles.
fn remove_partial(root: &FilePath) -> Result<(), Error> {
    let mut open = vec![root.to_owned()];
    while let Some(folder) = open.pop() {
        let entries = fs::read_dir(&folder);
        let entries = entries.map_err(|source| Error::Read { path: folder.clone(), source })?;
        for entry in entries.flatten() {
            let path = entry.path();
            if entry.file_type().is_ok_and(|kind| kind.is_dir()) && entry.file_name() != OWN_NAME {
                open.push(path);
            } else if path.to_string_lossy().ends_with(".parquet.partial") {
                fs::remove_file(&path).map_err(|source| write_error(&path, source))?;
            }
        }
    }
    Ok(())
}
