//! The HATS layout on disk: what the files of a table say, and where its tiles are.
//!
//! HATS calls a table a catalog; Armilla's word for it is table (a catalog is the set of all).
//! Nothing outside this module knows a file name or key of HATS.

pub(crate) mod collection;
pub(crate) mod partition_info;
mod path;
mod properties;
pub(crate) mod written;

pub use path::tile_of_path;
pub use properties::Kind;

pub(crate) use collection::Collection;
#[cfg(test)]
pub(crate) use path::pixel;
pub(crate) use path::{
    COMMON_METADATA, DATASET, METADATA, TILE_COLUMNS, index_part_name, is_data, push_tile_name,
    tile_name, tile_pixel,
};
pub(crate) use properties::{FILE_NAMES as PROPERTIES, Leaf, Properties, TableProperties};
