//! The tiles of one table, in columns: 200,000 of them take a few megabytes and none is opened.
//!
//! Tiles stand in the order of the spatial index, so that coverage finds them by binary search.
//! A tile is one file, or a folder of files which together are the tile. What is not in the
//! manifest does not exist for a query, and what is in it but not in the store is an error when a
//! query needs it.

use std::ops::Range;

use adql::sky::Pixel;
use object_store::path::Path;

use crate::hats::{self, Leaf};

const UNKNOWN: u64 = u64::MAX;

/// A pixel that holds rows of one table.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Tile {
    /// The pixel.
    pub pixel: Pixel,
    /// Path of the tile's file, or of the folder of its files, relative to the data root.
    pub path: String,
    /// Size of all its files; 0 when it is listed by its table but missing.
    pub bytes: u64,
    /// Number of rows, where `_metadata` or footers told.
    pub rows: Option<u64>,
    /// Entity tag of its (first) file, where the store has one.
    pub etag: Option<String>,
}

/// One file of a tile.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TileFile {
    /// Path relative to the data root: what follows `shard://tiles/` in a plan.
    pub path: Path,
    /// Size.
    pub bytes: u64,
    /// Time of the last change, in nanoseconds since 1970, 0 if unknown.
    pub modified_ns: i64,
    /// Entity tag, where the store has one.
    pub etag: Option<String>,
}

/// A file as it was found, before it has its place in a manifest.
#[derive(Debug, Clone)]
pub(crate) struct Found {
    pub(crate) pixel: Pixel,
    /// Name below the table's `dataset` folder.
    pub(crate) name: String,
    pub(crate) bytes: u64,
    pub(crate) modified_ns: i64,
    pub(crate) etag: Option<String>,
    pub(crate) rows: Option<u64>,
}

/// Texts end to end in one buffer.
#[derive(Debug, Default)]
struct Texts {
    buffer: String,
    ends: Vec<usize>,
}

impl Texts {
    fn push(&mut self, text: &str) {
        self.buffer.push_str(text);
        self.ends.push(self.buffer.len());
    }

    fn get(&self, at: usize) -> &str {
        let start = at.checked_sub(1).map_or(0, |before| self.ends[before]);
        &self.buffer[start..self.ends[at]]
    }
}

/// The tiles of one table, sorted along the spatial index.
#[derive(Debug)]
pub struct Manifest {
    /// Path of the table's `dataset` folder, without a slash at its end.
    dataset: String,
    leaf: Leaf,
    pixels: Vec<Pixel>,
    /// Where the files of each tile start; empty if every tile is one file.
    firsts: Vec<usize>,
    /// Names of the files; empty if every file is where the reference implementation puts it.
    names: Texts,
    bytes: Vec<u64>,
    modified_ns: Vec<i64>,
    /// Entity tags; empty if no file has one.
    etags: Texts,
    rows: Vec<u64>,
    disjoint: bool,
}

impl Manifest {
    /// Without a tile.
    pub(crate) fn empty() -> Self {
        Self::new(String::new(), Leaf::Folder, Vec::new())
    }

    /// Sorts files into tiles.
    pub(crate) fn new(dataset: String, leaf: Leaf, mut found: Vec<Found>) -> Self {
        found.sort_unstable_by(|a, b| key(a.pixel).cmp(&key(b.pixel)).then(a.name.cmp(&b.name)));
        found.dedup_by(|a, b| a.name == b.name);
        let regular = found.iter().all(|f| f.name == hats::tile_name(f.pixel, &leaf));
        let tagged = found.iter().any(|f| f.etag.is_some());
        let single = found.windows(2).all(|pair| pair[0].pixel != pair[1].pixel);
        let mut manifest = Self {
            dataset,
            leaf,
            pixels: Vec::with_capacity(found.len()),
            firsts: Vec::new(),
            names: Texts::default(),
            bytes: Vec::with_capacity(found.len()),
            modified_ns: Vec::with_capacity(found.len()),
            etags: Texts::default(),
            rows: Vec::with_capacity(found.len()),
            disjoint: true,
        };
        for (at, file) in found.iter().enumerate() {
            if manifest.pixels.last() != Some(&file.pixel) {
                manifest.pixels.push(file.pixel);
                if !single {
                    manifest.firsts.push(at);
                }
            }
            if !regular {
                manifest.names.push(&file.name);
            }
            manifest.bytes.push(file.bytes);
            manifest.modified_ns.push(file.modified_ns);
            if tagged {
                manifest.etags.push(file.etag.as_deref().unwrap_or_default());
            }
            manifest.rows.push(file.rows.unwrap_or(UNKNOWN));
        }
        manifest.disjoint =
            manifest.pixels.windows(2).all(|p| p[0].range().end <= p[1].range().start);
        manifest
    }

    /// Path of the folder of all tiles, relative to the data root.
    pub(crate) fn dataset(&self) -> &str {
        &self.dataset
    }

    /// Number of tiles.
    pub fn len(&self) -> usize {
        self.pixels.len()
    }

    /// Whether there is no tile.
    pub fn is_empty(&self) -> bool {
        self.pixels.is_empty()
    }

    /// Number of files: more than tiles where a tile is a folder.
    pub fn file_count(&self) -> usize {
        self.bytes.len()
    }

    /// The pixel of the tile at this place.
    pub fn pixel(&self, tile: usize) -> Pixel {
        self.pixels[tile]
    }

    /// The place of the tile of a pixel.
    pub(crate) fn place_of(&self, pixel: Pixel) -> Option<usize> {
        self.pixels.binary_search_by_key(&key(pixel), |tile| key(*tile)).ok()
    }

    /// Whether no two tiles share a piece of sky, as HATS demands of primary tables.
    pub fn is_disjoint(&self) -> bool {
        self.disjoint
    }

    /// The places of the files of a tile, for [`Self::file`].
    pub fn files(&self, tile: usize) -> Range<usize> {
        match self.firsts.get(tile) {
            None => tile..tile + 1,
            Some(first) => *first..self.firsts.get(tile + 1).copied().unwrap_or(self.file_count()),
        }
    }

    /// The file at this place.
    pub fn file(&self, file: usize) -> TileFile {
        TileFile {
            path: self.file_path(file),
            bytes: self.bytes[file],
            modified_ns: self.modified_ns[file],
            etag: self.etag(file),
        }
    }

    fn file_path(&self, file: usize) -> Path {
        // The longest name of a tile, `Norder=29/Dir=…/Npix=….parquet`, has 70 characters.
        let mut text = String::with_capacity(self.dataset.len() + 72);
        text.push_str(&self.dataset);
        text.push('/');
        if self.names.ends.is_empty() {
            hats::push_tile_name(&mut text, self.pixels[file], &self.leaf);
        } else {
            text.push_str(self.names.get(file));
        }
        // What a store listed is encoded already; `from` would encode it again.
        Path::parse(&text).unwrap_or_else(|_| Path::from(text))
    }

    fn etag(&self, file: usize) -> Option<String> {
        if self.etags.ends.is_empty() {
            return None;
        }
        let etag = self.etags.get(file);
        (!etag.is_empty()).then(|| etag.to_owned())
    }

    /// The tile at this place.
    pub fn tile(&self, tile: usize) -> Tile {
        let files = self.files(tile);
        let path = match self.leaf {
            Leaf::File(_) => self.file_path(files.start).to_string(),
            Leaf::Folder => {
                format!("{}/{}", self.dataset, hats::tile_name(self.pixels[tile], &self.leaf))
            }
        };
        Tile {
            pixel: self.pixels[tile],
            path,
            bytes: self.tile_bytes(tile),
            rows: self.tile_rows(tile),
            etag: self.etag(files.start),
        }
    }

    /// Every tile, along the spatial index.
    pub fn tiles(&self) -> impl Iterator<Item = Tile> {
        (0..self.len()).map(|tile| self.tile(tile))
    }

    /// Size of a tile; 0 when it is missing.
    pub fn tile_bytes(&self, tile: usize) -> u64 {
        self.bytes[self.files(tile)].iter().sum()
    }

    /// Number of rows of a tile, if the rows of all its files are known.
    pub fn tile_rows(&self, tile: usize) -> Option<u64> {
        known_sum(&self.rows[self.files(tile)])
    }

    /// Number of rows of all tiles, if all are known.
    pub fn rows(&self) -> Option<u64> {
        known_sum(&self.rows)
    }

    /// Size of all tiles.
    pub fn bytes(&self) -> u64 {
        self.bytes.iter().sum()
    }
}

fn key(pixel: Pixel) -> (u64, u8) {
    (pixel.range().start, pixel.order().get())
}

fn known_sum(rows: &[u64]) -> Option<u64> {
    rows.iter().try_fold(0_u64, |sum, r| (*r != UNKNOWN).then(|| sum.saturating_add(*r)))
}

#[cfg(test)]
mod tests {
    use super::{Found, Manifest};
    use crate::hats::{Leaf, pixel, tile_name};

    fn found(order: u8, index: u64, name: Option<&str>, rows: Option<u64>) -> Found {
        let pixel = pixel(order, index).unwrap();
        let leaf = Leaf::File(".parquet".to_owned());
        let name = name.map_or_else(|| tile_name(pixel, &leaf), str::to_owned);
        Found { pixel, name, bytes: 10 + index, modified_ns: 5, etag: None, rows }
    }

    #[test]
    fn tiles_stand_along_the_curve() {
        let leaf = Leaf::File(".parquet".to_owned());
        let files =
            vec![found(0, 11, None, Some(3)), found(2, 64, None, Some(2)), found(1, 4, None, None)];
        let m = Manifest::new("t/dataset".to_owned(), leaf, files);
        let order: Vec<String> = m.tiles().map(|t| t.pixel.to_string()).collect();
        assert_eq!(order, ["1/4", "2/64", "0/11"]);
        assert_eq!(m.tile(1).path, "t/dataset/Norder=2/Dir=0/Npix=64.parquet");
        assert_eq!((m.tile(1).rows, m.tile(0).rows, m.rows()), (Some(2), None, None));
        assert_eq!(m.bytes(), 10 + 11 + 10 + 64 + 10 + 4);
        assert!(m.is_disjoint());
    }

    #[test]
    fn a_folder_is_one_tile() {
        let files = vec![
            found(1, 45, Some("Norder=1/Dir=0/Npix=45/only.parquet"), Some(1)),
            found(1, 44, Some("Norder=1/Dir=0/Npix=44/b.parquet"), Some(5)),
            found(1, 44, Some("Norder=1/Dir=0/Npix=44/a.parquet"), Some(7)),
        ];
        let m = Manifest::new("t/dataset".to_owned(), Leaf::Folder, files);
        assert_eq!((m.len(), m.file_count()), (2, 3));
        let tile = m.tile(0);
        assert_eq!((tile.rows, tile.bytes), (Some(12), 108));
        assert_eq!(tile.path, "t/dataset/Norder=1/Dir=0/Npix=44");
        let files: Vec<String> = m.files(0).map(|f| m.file(f).path.to_string()).collect();
        assert_eq!(files[0], "t/dataset/Norder=1/Dir=0/Npix=44/a.parquet");
        assert_eq!(files.len(), 2);
    }

    #[test]
    fn overlapping_tiles_are_noticed() {
        let leaf = Leaf::File(".parquet".to_owned());
        let files = vec![found(0, 1, None, None), found(1, 5, None, None)];
        assert!(!Manifest::new("t".to_owned(), leaf, files).is_disjoint());
    }
}
