//! Where a tile lies: `dataset/Norder=k/Dir=d/Npix=n…` (HATS 1.0 §3.1), the only place that
//! spells it.
//!
//! `Dir` is `(Npix div 10000) * 10000`, as the reference implementation writes it (the text of the
//! note says `Npix div 10000`, its listings do not); reading accepts any.

use std::fmt::Write as _;

use adql::sky::{Order, Pixel};
use object_store::path::Path;

use super::properties::Leaf;

/// The folder of a table that holds its tiles.
pub(crate) const DATASET: &str = "dataset";
/// What parts the path of a table from the name of a tile.
const SEPARATOR: &str = "/dataset/";
/// File below [`DATASET`] with the footers of all tiles.
pub(crate) const METADATA: &str = "_metadata";
/// File below [`DATASET`] with the schema of all tiles.
pub(crate) const COMMON_METADATA: &str = "_common_metadata";

/// Below [`DATASET`], the folder with the parts of an index.
const INDEX: &str = "index";
/// What the folders of tiles say as columns, where a reader takes them for partitions; an index
/// has the first and the last.
pub(crate) const TILE_COLUMNS: [&str; 3] = ["Norder", "Dir", "Npix"];

const PIXELS_PER_FOLDER: u64 = 10_000;

/// The pixel of this order and index, if there is one.
pub(crate) fn pixel(order: u8, index: u64) -> Option<Pixel> {
    Pixel::new(Order::new(order)?, index)
}

/// The name of a part of an index below [`DATASET`].
pub(crate) fn index_part_name(part: usize) -> String {
    format!("{INDEX}/part.{part}.parquet")
}

/// The name of a tile's file or folder below [`DATASET`], as the reference implementation has it.
pub(crate) fn tile_name(pixel: Pixel, leaf: &Leaf) -> String {
    let mut name = String::new();
    push_tile_name(&mut name, pixel, leaf);
    name
}

/// Appends the name of a tile's file or folder.
pub(crate) fn push_tile_name(text: &mut String, pixel: Pixel, leaf: &Leaf) {
    let (order, index) = (pixel.order().get(), pixel.index());
    let folder = index / PIXELS_PER_FOLDER * PIXELS_PER_FOLDER;
    let suffix = match leaf {
        Leaf::File(suffix) => suffix.as_str(),
        Leaf::Folder => "",
    };
    // Writing to a String cannot fail.
    let _ = write!(text, "Norder={order}/Dir={folder}/Npix={index}{suffix}");
}

/// The pixel that a file below [`DATASET`] holds rows of, by its name relative to that folder.
pub(crate) fn tile_pixel(name: &str) -> Option<Pixel> {
    let mut parts = name.split('/');
    let order = parts.next()?.strip_prefix("Norder=")?;
    parts.next()?.strip_prefix("Dir=")?;
    let leaf = parts.next()?.strip_prefix("Npix=")?;
    let digits = leaf.find(|c: char| !c.is_ascii_digit()).unwrap_or(leaf.len());
    pixel(order.parse().ok()?, leaf[..digits].parse().ok()?)
}

/// Whether a file below [`DATASET`] holds rows: writers leave others, hidden by their names.
pub(crate) fn is_data(name: &str) -> bool {
    let file = name.rsplit('/').next().unwrap_or(name);
    !file.is_empty() && !file.starts_with(['.', '_'])
}

/// The table (the path of its folder) and the pixel that a tile's path names.
///
/// ```text
/// gaia/dr3/dataset/Norder=1/Dir=0/Npix=44.parquet  ->  gaia/dr3, 1/44
/// ```
pub fn tile_of_path(path: &Path) -> Option<(&str, Pixel)> {
    let text = path.as_ref();
    let at = text.rfind(SEPARATOR)?;
    Some((&text[..at], tile_pixel(&text[at + SEPARATOR.len()..])?))
}

#[cfg(test)]
mod tests {
    use object_store::path::Path;

    use super::{Leaf, is_data, pixel, tile_name, tile_of_path, tile_pixel};

    #[test]
    fn names_are_as_hats_import_writes_them() {
        let leaf = Leaf::File(".parquet".to_owned());
        let name = |order, index| tile_name(pixel(order, index).unwrap(), &leaf);
        assert_eq!(name(1, 44), "Norder=1/Dir=0/Npix=44.parquet");
        assert_eq!(name(7, 196_607), "Norder=7/Dir=190000/Npix=196607.parquet");
        let folder = tile_name(pixel(1, 44).unwrap(), &Leaf::Folder);
        assert_eq!(folder, "Norder=1/Dir=0/Npix=44");
    }

    #[test]
    fn names_are_read_back() {
        for name in ["Norder=1/Dir=0/Npix=44.parquet", "Norder=1/Dir=4/Npix=44/part-0.parquet"] {
            assert_eq!(tile_pixel(name), pixel(1, 44), "{name}");
        }
        for name in ["_metadata", "index/part.0.parquet", "Norder=1/Dir=0/Npix=48.parquet"] {
            assert_eq!(tile_pixel(name), None, "{name}");
        }
        assert!(!is_data("Norder=1/Dir=0/Npix=44/_SUCCESS"));
        assert!(is_data("Norder=1/Dir=0/Npix=44.parquet"));
    }

    #[test]
    fn a_path_names_table_and_pixel() {
        let path = Path::from("s/dataset/t/dataset/Norder=1/Dir=0/Npix=44.parquet");
        assert_eq!(tile_of_path(&path), pixel(1, 44).map(|p| ("s/dataset/t", p)));
        assert_eq!(tile_of_path(&Path::from("t/dataset/_metadata")), None);
        assert_eq!(tile_of_path(&Path::from("Norder=1/Dir=0/Npix=44.parquet")), None);
    }
}
