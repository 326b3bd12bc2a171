//! Margins that queries read: beside each tile the rows of others that are near to it, so that a
//! join by position needs no neighbour of a tile.
//!
//! What is around a part of the sky is then in the margins of the pixels over that part. Whether a
//! margin has a row depends on nothing but the position of the row, and some have more rows than
//! their threshold asks for. One that does not fit its table is told of and left alone: the
//! neighbours are there still.

use adql::sky::{Coverage, Pixel};
use datafusion::arrow::datatypes::{DataType, Field, Schema};
use datafusion::datasource::listing::PartitionedFile;
use futures::future::join_all;
use object_store::ObjectStore;
use object_store::path::Path;
use tracing::warn;

use crate::discover::{Attachment, Site};
use crate::hats::{Kind, TILE_COLUMNS};
use crate::location::Location;
use crate::prune::touched_tiles;
use crate::scan::partitioned_file;
use crate::survey::{Survey, Surveyed, survey};
use crate::table::served_schema;
use crate::tile::Manifest;

/// Margins of ours reach so much beyond their threshold (`adql::sky::Surroundings` 2 mas), since the
/// spatial index of a row may be that of the next cell: as far as two places may be off by that.
const OURS_REACH_BEYOND_DEG: f64 = 5e-7;

/// The rows near to the tiles of a table, by tile.
#[derive(Debug)]
pub struct Margin {
    path: String,
    manifest: Manifest,
    threshold_arcsec: f64,
    is_ours: bool,
}

impl Margin {
    /// Its folder relative to the data root.
    pub fn path(&self) -> &str {
        &self.path
    }

    /// How near, in arcseconds, all rows are in it.
    pub fn threshold_arcsec(&self) -> f64 {
        self.threshold_arcsec
    }

    /// Its tiles: by the pixel that its rows are near to.
    pub fn manifest(&self) -> &Manifest {
        &self.manifest
    }

    /// The files of a tile, as scans read them.
    pub fn files(&self, tile: usize) -> impl Iterator<Item = PartitionedFile> {
        self.manifest.files(tile).map(|file| partitioned_file(&self.manifest, file))
    }

    /// Whether every row is in it that lies so many degrees beside a pixel.
    fn reaches(&self, degrees: f64) -> bool {
        let beyond = if self.is_ours { OURS_REACH_BEYOND_DEG } else { 0.0 };
        degrees <= self.threshold_arcsec / 3600.0 + beyond
    }

    /// The places of its tiles that have, with the tiles of its table over a part of the sky, what
    /// is near to that part; none where the margin of some pixel may never have been made.
    pub fn around(&self, table: &Manifest, part: &Coverage) -> Option<Vec<usize>> {
        // Ours are made of pixels without a tile as well.
        if !self.is_ours {
            let tiles = touched_tiles(table, part).into_iter().flatten();
            let tiled = Coverage::from_ranges(tiles.map(|tile| table.pixel(tile).range()));
            if !part.intersection(&tiled.complement()).is_empty() {
                return None;
            }
        }
        Some(touched_tiles(&self.manifest, part).into_iter().flatten().collect())
    }
}

/// The narrowest margin of a table that has all rows so many degrees beside its pixels.
pub(crate) fn reaching(margins: &[Margin], degrees: f64) -> Option<&Margin> {
    let wide = margins.iter().filter(|margin| margin.reaches(degrees));
    wide.min_by(|a, b| a.threshold_arcsec.total_cmp(&b.threshold_arcsec))
}

/// Looks at the margins of a table.
pub(crate) async fn surveyed(
    store: &dyn ObjectStore,
    location: &Location,
    site: &Site,
) -> Vec<(Margin, Survey)> {
    let margins = site.attachments.iter().filter_map(|attachment| match attachment.kind {
        Kind::Margin { threshold_arcsec } => Some((attachment, threshold_arcsec)),
        _ => None,
    });
    let looked = margins.map(|(attachment, threshold_arcsec)| async move {
        let Attachment { path, leaf, .. } = attachment;
        // What a store listed is encoded already; `from` would encode it again.
        let folder = Path::parse(path).unwrap_or_else(|_| Path::from(path.as_str()));
        let name = format!("the margin {path}");
        let of_margin = Surveyed { name, path: &folder, leaf, rows: None, counts: false };
        match survey(store, location, &of_margin).await {
            Ok(mut found) => {
                let (path, is_ours) = (path.clone(), found.is_ours());
                let manifest = std::mem::replace(&mut found.manifest, Manifest::empty());
                Some((Margin { path, manifest, threshold_arcsec, is_ours }, found))
            }
            Err(error) => {
                warn!(table = %site.name, margin = path, %error, "a margin is not used");
                None
            }
        }
    });
    join_all(looked).await.into_iter().flatten().collect()
}

/// Those that fit a table with these tiles and, in its files, these columns.
pub(crate) fn fitting(
    name: &impl ToString,
    margins: Vec<(Margin, Survey)>,
    (table, columns): (&Manifest, &Schema),
) -> Vec<Margin> {
    let fits = margins.into_iter().filter_map(|(margin, found)| {
        match misfit(&margin, &served_schema(&found.schema), (table, columns)) {
            None => Some(margin),
            Some(reason) => {
                let table = name.to_string();
                warn!(table, margin = margin.path, "a margin is not used: {reason}");
                None
            }
        }
    });
    fits.collect()
}

/// Why joins cannot read a margin in place of neighbours, if they cannot.
fn misfit(
    margin: &Margin,
    schema: &Schema,
    (table, columns): (&Manifest, &Schema),
) -> Option<String> {
    for field in columns.fields() {
        let name = field.name();
        let types: [Option<&DataType>; 2] =
            [columns, schema].map(|s| s.field_with_name(name).ok().map(Field::data_type));
        if types[0] != types[1] {
            return Some(match types[1] {
                None => format!("it has no column {name}"),
                Some(other) => format!("its column {name} is of type {other}"),
            });
        }
        // In a margin they may be of the tile that the row is near to.
        if TILE_COLUMNS.contains(&name.as_str()) {
            return Some(format!("column {name} says in which tile a row is"));
        }
    }
    let manifest = &margin.manifest;
    if !table.is_disjoint() || !manifest.is_disjoint() {
        return Some("tiles overlap".to_owned());
    }
    if let Some(tile) = (0..manifest.len()).find(|tile| manifest.tile_bytes(*tile) == 0) {
        return Some(format!("its tile {} is not there", manifest.pixel(tile)));
    }
    let is_of_no_tile = |pixel: &Pixel| {
        let over = touched_tiles(table, &Coverage::from_ranges([pixel.range()]));
        !over.is_empty() && table.place_of(*pixel).is_none()
    };
    let strange = (0..manifest.len()).map(|tile| manifest.pixel(tile)).find(is_of_no_tile);
    strange.map(|pixel| format!("its tile {pixel} is that of no tile of the table"))
}
