//! Which tiles lie in a folder.

use std::ffi::OsStr;
use std::fs;
use std::path::{Path, PathBuf};

/// Whether a tile is that of a margin, as hats-import and Armilla name them.
pub fn is_of_margin(tile: &Path) -> bool {
    tile.components().any(|part| {
        let name = part.as_os_str().to_string_lossy();
        name.contains("margin") || name.ends_with("arcs")
    })
}

/// The tiles (`Npix=….parquet`, or what lies in a folder `Npix=…`) below a folder; what is a
/// worker's own (`.armilla`) holds none.
pub fn tiles(folder: &Path) -> Vec<PathBuf> {
    let mut found = Vec::new();
    let mut open = vec![folder.to_owned()];
    while let Some(next) = open.pop() {
        let entries = fs::read_dir(&next).into_iter().flatten().flatten();
        for path in entries.map(|entry| entry.path()) {
            if path.is_dir() && !path.ends_with(".armilla") {
                open.push(path);
            } else if path.components().any(|part| is_pixel(part.as_os_str())) {
                found.push(path);
            }
        }
    }
    found
}

fn is_pixel(name: &OsStr) -> bool {
    name.to_str().is_some_and(|name| name.starts_with("Npix="))
}
