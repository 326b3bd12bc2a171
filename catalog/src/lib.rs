//! Which tables exist, where they lie on the sky and on disk, and which worker owns what.
//!
//! A [`Location`] is opened into a [`Snapshot`]: tables found by `discover`, what their files say
//! read by `hats` and `survey`, their tiles in a columnar [`Manifest`]. A query plans against the
//! snapshot through [`adql::Schemas`]; its scans are [`HatsTable`]s, whose filters become
//! coverage, coverage becomes tiles, and tiles become the files of a `DataSourceExec`.
//! Where a folder holds a `pointer` in place of a table, `stores` read the table where it lies, and
//! [`mod@add`] makes such a folder.
//! Table files of other kinds are read by [`read`], tables written by [`mod@write`] and verified by
//! [`check`]; what a query brings with it is an [`mod@upload`]; [`votable`] writes what a VOTable says around its rows, for results too.
//! Opening a snapshot reads metadata only, planning opens nothing at all, and pruning is
//! conservative: it may keep too much, never too little.

pub mod definitions;
mod discover;
mod error;
mod estimate;
mod far;
mod footer;
mod hats;
mod indexed;
mod location;
pub mod lookup;
mod margin;
pub mod metadata;
mod moc_file;
mod part;
pub mod placement;
mod pointer;
mod provider;
mod prune;
mod ranges;
mod scan;
mod snapshot;
mod stores;
mod survey;
mod table;
mod tap_schema;
mod tasks;
mod tile;
pub mod upload;

pub mod add;
pub mod check;
pub mod describe;
pub mod explain;
pub mod import;
pub mod read;
pub mod synthetic;
pub mod votable;
pub mod write;
pub mod xml;

#[cfg(test)]
mod tests;

pub use discover::{Attachment, DEFAULT_SCHEMA, tile_store};
pub use error::Error;
pub use hats::{Kind, tile_of_path};
pub use indexed::with_kept_indexes;
pub use location::Location;
pub use margin::Margin;
pub use part::Part;
pub use placement::Placement;
pub use provider::HatsTable;
pub use prune::touched_tiles;
pub use scan::{ScanOptions, TILE_STORE};
pub use snapshot::{Changes, Snapshot};
pub use table::{SPATIAL_INDEX, TiledTable};
pub use tap_schema::{Key, SchemaInfo};
pub use tile::{Manifest, Tile, TileFile};
