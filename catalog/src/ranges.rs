//! Between which numbers the values of columns lie, tile by tile, as the statistics of Parquet tell.
//!
//! Read when a query first needs a column: from `_metadata`, and from the footers of tiles of which
//! that says nothing, as long as those are few. Kept with the table, so that the next query asks
//! nobody. A number that is not told is unknown, and a file whose rows are not those that the
//! manifest counts tells nothing. NULL and NaN are no values; statistics leave them out.

use std::collections::HashMap;
use std::sync::{Arc, PoisonError, RwLock};

use datafusion::arrow::array::{Array, ArrayRef, AsArray, Float64Array};
use datafusion::arrow::compute::cast;
use datafusion::arrow::datatypes::{DataType, Float64Type, SchemaRef};
use datafusion::arrow::error::ArrowError;
use datafusion::parquet::arrow::arrow_reader::statistics::StatisticsConverter;
use datafusion::parquet::file::metadata::{ParquetMetaData, RowGroupMetaData};
use futures::StreamExt;
use object_store::ObjectStore;
use object_store::path::Path;
use tokio::sync::Mutex;
use tracing::{debug, warn};

use crate::hats::{METADATA, tile_pixel};
use crate::survey::{FOOTER_LIMIT, columns, footers_with_statistics};
use crate::tile::Manifest;
use crate::{Error, footer};

/// What is done, for messages.
const READ: &str = "read the ranges of columns";

/// Footers that are read at the same time.
const CONCURRENCY: usize = 64;

/// The ranges of columns of one table.
pub(crate) struct ColumnRanges {
    store: Arc<dyn ObjectStore>,
    known: RwLock<HashMap<String, Arc<Ranges>>>,
    /// Held while files are read, so that queries which come together read them once.
    reading: Mutex<()>,
}

/// The ranges of a column.
#[derive(Debug)]
struct Ranges {
    tiles: Vec<Told>,
    whole: Told,
}

/// What is told of some values.
#[derive(Debug, Clone, Copy, PartialEq)]
enum Told {
    /// Not all.
    Unknown,
    /// There is none.
    None,
    /// They lie between these.
    Between(f64, f64),
}

impl Told {
    fn and(self, other: Self) -> Self {
        match (self, other) {
            (Self::Unknown, _) | (_, Self::Unknown) => Self::Unknown,
            (Self::None, told) | (told, Self::None) => told,
            (Self::Between(low, high), Self::Between(from, to)) => {
                Self::Between(low.min(from), high.max(to))
            }
        }
    }

    /// No values are between any two numbers.
    fn range(self) -> Option<[f64; 2]> {
        match self {
            Self::Unknown => None,
            Self::None => Some([0.0, 0.0]),
            Self::Between(low, high) => Some([low, high]),
        }
    }
}

/// What row groups tell of a tile: how many rows they have, and of each column.
#[derive(Debug)]
struct OfTile {
    rows: u64,
    columns: Vec<Told>,
}

impl std::fmt::Debug for ColumnRanges {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("ColumnRanges").finish_non_exhaustive()
    }
}

impl ColumnRanges {
    /// Of a table whose tiles are in this store.
    pub(crate) fn new(store: Arc<dyn ObjectStore>) -> Self {
        Self { store, known: RwLock::default(), reading: Mutex::default() }
    }

    /// Between which numbers the values of a column lie, in all tiles or in one, where that is
    /// known already.
    pub(crate) fn range(&self, column: &str, tile: Option<usize>) -> Option<[f64; 2]> {
        let known = self.known.read().unwrap_or_else(PoisonError::into_inner);
        let ranges = known.get(column)?;
        match tile {
            Some(tile) => ranges.tiles.get(tile)?.range(),
            None => ranges.whole.range(),
        }
    }

    fn lacks(&self, column: &str) -> bool {
        !self.known.read().unwrap_or_else(PoisonError::into_inner).contains_key(column)
    }

    /// Learns the ranges of columns, which are numbers; what cannot be read stays unknown.
    pub(crate) async fn learn(&self, manifest: &Manifest, columns: &[&str]) {
        if columns.iter().all(|column| !self.lacks(column)) {
            return;
        }
        let _reading = self.reading.lock().await;
        let wanted: Vec<&str> =
            columns.iter().copied().filter(|column| self.lacks(column)).collect();
        if wanted.is_empty() {
            return;
        }
        let tiles = self.read(manifest, &wanted).await;
        let mut known = self.known.write().unwrap_or_else(PoisonError::into_inner);
        for (at, column) in wanted.into_iter().enumerate() {
            let tiles: Vec<Told> = tiles.iter().map(|told| told[at]).collect();
            let whole = tiles.iter().copied().fold(Told::None, Told::and);
            debug!(dataset = manifest.dataset(), column, ?whole, "learned the range of a column");
            known.insert(column.to_owned(), Arc::new(Ranges { tiles, whole }));
        }
    }

    /// What is told of columns, by tile.
    async fn read(&self, manifest: &Manifest, wanted: &[&str]) -> Vec<Vec<Told>> {
        let mut told: Vec<Option<Vec<Told>>> = vec![None; manifest.len()];
        match self.of_metadata(manifest, wanted).await {
            Ok(of_tiles) => {
                for (tile, of_tile) in of_tiles {
                    if manifest.tile_rows(tile) == Some(of_tile.rows) {
                        told[tile] = Some(of_tile.columns);
                    }
                }
            }
            Err(error) => warn!(%error, "ranges of columns are not read from _metadata"),
        }
        let untold: Vec<usize> = (0..told.len())
            .filter(|tile| told[*tile].is_none() && manifest.tile_bytes(*tile) > 0)
            .collect();
        let files: usize = untold.iter().map(|tile| manifest.files(*tile).len()).sum();
        if files <= FOOTER_LIMIT {
            let read = futures::stream::iter(untold)
                .map(|tile| async move { (tile, self.of_footers(manifest, tile, wanted).await) });
            let mut read = read.buffer_unordered(CONCURRENCY);
            while let Some((tile, of_tile)) = read.next().await {
                match of_tile {
                    Ok(of_tile) => told[tile] = Some(of_tile.columns),
                    Err(error) => warn!(%error, "ranges of columns of a tile stay unknown"),
                }
            }
        }
        // A tile that is missing fails the query that needs it.
        told.into_iter().map(|told| told.unwrap_or(vec![Told::Unknown; wanted.len()])).collect()
    }

    async fn of_metadata(
        &self,
        manifest: &Manifest,
        wanted: &[&str],
    ) -> Result<HashMap<usize, OfTile>, Error> {
        let path = format!("{}/{METADATA}", manifest.dataset());
        // What a store listed is encoded already; `from` would encode it again.
        let path = Path::parse(&path).unwrap_or_else(|_| Path::from(path));
        let mut tiles: HashMap<usize, OfTile> = HashMap::new();
        let Some(metadata) = footers_with_statistics(self.store.as_ref(), &path, wanted).await?
        else {
            return Ok(tiles);
        };
        let schema = columns(&path, &metadata)?;
        let told = told(&path, &metadata, &schema, wanted)?;
        for (group, told) in metadata.row_groups().iter().zip(told) {
            let name = group.columns().first().and_then(|column| column.file_path());
            let pixel = name.and_then(tile_pixel);
            let Some(tile) = pixel.and_then(|pixel| manifest.place_of(pixel)) else { continue };
            let of_tile = tiles.entry(tile).or_insert_with(|| OfTile::none(wanted.len()));
            of_tile.add(group, told);
        }
        Ok(tiles)
    }

    async fn of_footers(
        &self,
        manifest: &Manifest,
        tile: usize,
        wanted: &[&str],
    ) -> Result<OfTile, Error> {
        let mut of_tile = OfTile::none(wanted.len());
        for file in manifest.files(tile).map(|file| manifest.file(file)) {
            let metadata = footer::read_statistics(self.store.as_ref(), &file.path, file.bytes);
            let metadata = metadata.await?;
            let schema = columns(&file.path, &metadata)?;
            let told = told(&file.path, &metadata, &schema, wanted)?;
            for (group, told) in metadata.row_groups().iter().zip(told) {
                of_tile.add(group, told);
            }
        }
        Ok(of_tile)
    }
}

impl OfTile {
    fn none(columns: usize) -> Self {
        Self { rows: 0, columns: vec![Told::None; columns] }
    }

    fn add(&mut self, group: &RowGroupMetaData, told: Vec<Told>) {
        self.rows += u64::try_from(group.num_rows()).unwrap_or(0);
        for (known, told) in self.columns.iter_mut().zip(told) {
            *known = known.and(told);
        }
    }
}

/// What each row group tells of columns.
fn told(
    path: &Path,
    metadata: &ParquetMetaData,
    schema: &SchemaRef,
    wanted: &[&str],
) -> Result<Vec<Vec<Told>>, Error> {
    let groups = metadata.row_groups();
    let mut told = vec![Vec::with_capacity(wanted.len()); groups.len()];
    let descriptor = metadata.file_metadata().schema_descr();
    for column in wanted {
        let of_column = match schema.field_with_name(column) {
            Ok(field) if field.data_type().is_numeric() => {
                let converter = StatisticsConverter::try_new(column, schema, descriptor);
                let converter = converter.map_err(|error| Error::parquet(path, error))?;
                of_groups(&converter, groups).map_err(|error| Error::compute(READ, error))?
            }
            Ok(_) | Err(_) => vec![Told::Unknown; groups.len()],
        };
        for (told, of_column) in told.iter_mut().zip(of_column) {
            told.push(of_column);
        }
    }
    Ok(told)
}

fn of_groups(
    converter: &StatisticsConverter<'_>,
    groups: &[RowGroupMetaData],
) -> Result<Vec<Told>, ArrowError> {
    let least = doubles(&converter.row_group_mins(groups)?)?;
    let most = doubles(&converter.row_group_maxes(groups)?)?;
    let nulls = converter.row_group_null_counts(groups)?;
    let of_group = |(at, group): (usize, &RowGroupMetaData)| {
        let told = least.is_valid(at) && most.is_valid(at);
        let (low, high) = (least.value(at), most.value(at));
        if told && low <= high {
            Told::Between(low, high)
        } else if nulls.is_valid(at) && i64::try_from(nulls.value(at)) == Ok(group.num_rows()) {
            Told::None
        } else {
            Told::Unknown
        }
    };
    Ok(groups.iter().enumerate().map(of_group).collect())
}

fn doubles(array: &ArrayRef) -> Result<Float64Array, ArrowError> {
    Ok(cast(array, &DataType::Float64)?.as_primitive::<Float64Type>().clone())
}
