//! What disks do to the files of a worker: cut them, turn a byte, lose one or all.

use std::fs::{self, File, OpenOptions};
use std::os::unix::fs::FileExt as _;
use std::path::{Path, PathBuf};

use crate::tiles::tiles;

/// How a tile is spoiled.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Damage {
    /// It ends in its middle.
    Truncated,
    /// One byte of its first columns, which most queries read, is another; size and time stay.
    Flipped,
    /// It is not there.
    Deleted,
}

/// Spoils a tile.
///
/// # Panics
/// When the file cannot be changed.
pub fn spoil(tile: &Path, damage: Damage) {
    let before = fs::metadata(tile).unwrap_or_else(|e| panic!("{}: {e}", tile.display()));
    let file = || OpenOptions::new().read(true).write(true).open(tile).expect("the tile is ours");
    let middle = before.len() / 2;
    match damage {
        Damage::Truncated => file().set_len(middle).expect("the tile is cut"),
        Damage::Flipped => {
            let file = file();
            flip(&file, before.len() / 8);
            let modified = before.modified().expect("files have times");
            file.set_modified(modified).expect("the time is set back");
        }
        Damage::Deleted => fs::remove_file(tile).expect("the tile is removed"),
    }
}

fn flip(file: &File, at: u64) {
    let mut byte = [0];
    file.read_exact_at(&mut byte, at).expect("the byte is there");
    file.write_all_at(&[byte[0] ^ 1], at).expect("the byte is written");
}

/// The tiles of a table in a worker's folder; margins and indexes are tables of their own.
pub fn tiles_of(folder: &Path, table: &str) -> Vec<PathBuf> {
    let parts = |tile: &PathBuf| -> Vec<String> {
        let below = tile.strip_prefix(folder).unwrap_or(tile);
        below.iter().map(|part| part.to_string_lossy().into_owned()).collect()
    };
    let of_table = |tile: &PathBuf| {
        let parts = parts(tile);
        let at = parts.iter().rposition(|part| part == "dataset");
        at.is_some_and(|at| at > 0 && parts[at - 1] == table)
    };
    tiles(folder).into_iter().filter(of_table).collect()
}

/// Removes every tile of a folder, and leaves what else is there.
///
/// # Panics
/// When a tile cannot be removed.
pub fn delete_tiles(folder: &Path) -> usize {
    let found = tiles(folder);
    for tile in &found {
        fs::remove_file(tile).expect("the tile is removed");
    }
    found.len()
}

/// Removes everything in a folder.
///
/// # Panics
/// When something cannot be removed.
pub fn empty(folder: &Path) {
    for path in fs::read_dir(folder).expect("the folder is there").flatten().map(|e| e.path()) {
        let removed =
            if path.is_dir() { fs::remove_dir_all(&path) } else { fs::remove_file(&path) };
        removed.unwrap_or_else(|error| panic!("{}: {error}", path.display()));
    }
}
