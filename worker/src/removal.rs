//! Removes from the folder of a worker what neither its assignment names nor the one before.
//!
//! A tile of ours is a file with sums; nothing else is touched. The tile goes before its sums, so
//! that a worker that is killed in between finds what is left when it looks the next time. Queries
//! that began before the assignment was changed read what the one before names.

use std::fs;
use std::io;
use std::path::Path as FilePath;
use std::sync::Arc;

use object_store::path::Path;

use crate::Error;
use crate::folder::{Folder, Places, SUMS_ENDING, write_error};
use crate::holdings::{Assigned, Holdings};

/// What was removed.
#[derive(Debug, Default, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Removed {
    pub(crate) files: u64,
    pub(crate) bytes: u64,
    /// Files that could not be removed, each of which was told.
    pub(crate) failed: u64,
}

/// Removes what is not named any more, for as long as `assigned` is in force.
///
/// # Errors
/// When the sums cannot be listed.
pub(crate) fn remove_unnamed(
    folder: &Folder,
    holdings: &Holdings,
    assigned: &Arc<Assigned>,
) -> Result<Removed, Error> {
    let mut removed = Removed::default();
    let sums = folder.sums();
    let mut open = vec![sums.clone()];
    while let Some(next) = open.pop() {
        let failed = |source| Error::Read { path: next.clone(), source };
        let entries = match fs::read_dir(&next) {
            Ok(entries) => entries,
            // There is no tile, or a folder became empty meanwhile.
            Err(source) if source.kind() == io::ErrorKind::NotFound => continue,
            Err(source) => return Err(failed(source)),
        };
        for entry in entries {
            let entry = entry.map_err(failed)?;
            let path = entry.path();
            if entry.file_type().map_err(failed)?.is_dir() {
                open.push(path);
                continue;
            }
            let Some(tile) = path.strip_prefix(&sums).ok().and_then(tile_of) else { continue };
            let Some(places) = folder.places(&tile) else { continue };
            let remove = || remove_tile(folder, &places);
            match holdings.remove(&tile, assigned, remove) {
                None => {}
                Some(Ok(bytes)) => {
                    removed.files += 1;
                    removed.bytes += bytes;
                }
                Some(Err(error)) => {
                    let error = crate::error::with_causes(&error);
                    tracing::warn!(%tile, "a tile that is not needed any more stays: {error}");
                    removed.failed += 1;
                }
            }
        }
    }
    Ok(removed)
}

/// The location of the tile whose sums have a name below the folder of all sums.
fn tile_of(sums: &FilePath) -> Option<Path> {
    Path::parse(sums.to_str()?.strip_suffix(SUMS_ENDING)?).ok()
}

/// Removes a tile with its sums, and the folders that are empty then; as how many bytes it had.
fn remove_tile(folder: &Folder, places: &Places) -> Result<u64, Error> {
    let mut bytes = 0;
    for file in [&places.tile, &places.sums] {
        let size = fs::symlink_metadata(file).map_or(0, |found| found.len());
        match fs::remove_file(file) {
            Ok(()) if file == &places.tile => bytes = size,
            Ok(()) => {}
            Err(source) if source.kind() == io::ErrorKind::NotFound => {}
            Err(source) => return Err(write_error(file, source)),
        }
    }
    remove_empty(&places.tile, folder.root());
    remove_empty(&places.sums, &folder.sums());
    Ok(bytes)
}

/// Removes the folders above a file that are empty, up to one that stays.
fn remove_empty(file: &FilePath, stays: &FilePath) {
    let above = file.ancestors().skip(1).take_while(|folder| *folder != stays);
    for folder in above {
        // One that is not empty is refused by the system, and so are those above it.
        if fs::remove_dir(folder).is_err() {
            return;
        }
    }
}
