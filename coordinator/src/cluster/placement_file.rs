//! The placement on disk, `STATE/placement.json`: what the next one is made of.
//!
//! It is replaced as a whole: a reader finds the old file or the new one, after a crash too. A file
//! that cannot be read is an error and never taken for none: a placement made anew would move
//! most of all tiles.

use std::fs::{self, File};
use std::io::{self, Write};
use std::path::{Path, PathBuf};

use catalog::Placement;
use catalog::placement::{PLACEMENT_VERSION, StoredPlacement};
use serde::Deserialize;

/// Name of the file in the folder of the coordinator's state.
const NAME: &str = "placement.json";

/// Why the stored placement cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum PlacementFileError {
    /// It cannot be read.
    #[error("cannot read {}: {source}", path.display())]
    Read {
        /// The file.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// It is no placement, or one of another release.
    #[error("{}: {reason}; restore it, or remove it to place every tile anew", path.display())]
    Malformed {
        /// The file.
        path: PathBuf,
        /// What is wrong with it.
        reason: String,
    },
    /// It cannot be written.
    #[error("cannot write {}: {source}", path.display())]
    Write {
        /// The file.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
}

/// The version of a stored placement, whatever else is in it.
#[derive(Debug, Deserialize)]
struct Versioned {
    version: u32,
}

/// Reads the placement that is stored in a folder; none when there is none.
///
/// # Errors
/// When there is a file that cannot be read, or that is no placement of this release.
pub fn read(state: &Path) -> Result<Option<Placement>, PlacementFileError> {
    let path = state.join(NAME);
    let text = match fs::read(&path) {
        Ok(text) => text,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
        Err(source) => return Err(PlacementFileError::Read { path, source }),
    };
    match parse(&text) {
        Ok(placement) => Ok(Some(placement)),
        Err(reason) => Err(PlacementFileError::Malformed { path, reason }),
    }
}

fn parse(text: &[u8]) -> Result<Placement, String> {
    let broken = |error: serde_json::Error| format!("it is no placement: {error}");
    // The version comes first: another release may have other keys.
    let Versioned { version } = serde_json::from_slice(text).map_err(broken)?;
    if version != PLACEMENT_VERSION {
        return Err(format!(
            "its version is {version}, but this release reads {PLACEMENT_VERSION}"
        ));
    }
    let stored: StoredPlacement = serde_json::from_slice(text).map_err(broken)?;
    Placement::try_from(stored).map_err(|error| error.to_string())
}

/// Stores a placement in a folder, in place of the one before, so that it outlives a crash.
///
/// # Errors
/// When the folder cannot be written.
pub fn write(state: &Path, placement: &Placement) -> Result<(), PlacementFileError> {
    let path = state.join(NAME);
    replace(state, &path, placement).map_err(|source| PlacementFileError::Write { path, source })
}

fn replace(state: &Path, path: &Path, placement: &Placement) -> io::Result<()> {
    let text = serde_json::to_vec(&StoredPlacement::from(placement))?;
    let unfinished = state.join(format!("{NAME}.unfinished"));
    let mut file = File::create(&unfinished)?;
    file.write_all(&text)?;
    file.sync_all()?;
    fs::rename(&unfinished, path)?;
    // The name is on disk when its folder is.
    File::open(state)?.sync_all()
}
