//! How a table's manifest and schema come about: partition list, listing, `_metadata`, footers.
//!
//! Sizes come from one listing of the folder (or a request per tile where the store cannot list),
//! rows from `_metadata` or else from the footers of few files. Rows are never guessed: what is
//! not told stays unknown. A tile that the partition list names and the store does not have stays
//! in the manifest, so that a query which needs it fails and no other does.

use std::collections::{HashMap, HashSet};
use std::path::Path as StdPath;

use adql::sky::Pixel;
use bytes::Bytes;
use datafusion::arrow::datatypes::{Schema, SchemaRef};
use datafusion::parquet::arrow::parquet_to_arrow_schema;
use datafusion::parquet::file::metadata::{
    FileMetaData, ParquetMetaData, ParquetMetaDataOptions, ParquetMetaDataReader,
    ParquetStatisticsPolicy,
};
use futures::{StreamExt, TryStreamExt};
use object_store::path::Path;
use object_store::{ObjectMeta, ObjectStore, ObjectStoreExt};
use tracing::warn;

use crate::Error;
use crate::discover::read_text;
use crate::footer;
use crate::hats::{self, COMMON_METADATA, DATASET, Leaf, METADATA, partition_info};
use crate::location::Location;
use crate::metadata::TableMetadata;
use crate::read::voparquet_metadata;
use crate::tile::{Found, Manifest};
use crate::write::is_of_this_program;

/// A `_metadata` beyond this size is not read: it would take minutes and gigabytes.
const METADATA_LIMIT_BYTES: u64 = 512 << 20;
/// Footers are read for row counts only if there are at most this many files without one.
pub(crate) const FOOTER_LIMIT: usize = 4_096;
/// Requests under way at the same time.
const CONCURRENCY: usize = 64;

/// A folder of tiles that is looked at: that of a table, or of its margin.
#[derive(Debug)]
pub(crate) struct Surveyed<'a> {
    /// What messages call it.
    pub(crate) name: String,
    pub(crate) path: &'a Path,
    pub(crate) leaf: &'a Leaf,
    /// The rows that its properties state.
    pub(crate) rows: Option<u64>,
    /// Whether footers are read to count the rows of tiles.
    pub(crate) counts: bool,
}

/// What a table's files say.
#[derive(Debug)]
pub(crate) struct Survey {
    pub(crate) manifest: Manifest,
    /// Columns as the files have them.
    pub(crate) schema: SchemaRef,
    /// Whether each request to its store takes a while.
    pub(crate) is_far: bool,
    /// The one of them that speaks for all.
    pub(crate) speaker: Option<Speaker>,
}

/// A file that says what all files of a table hold.
#[derive(Debug)]
pub(crate) struct Speaker {
    path: Path,
    facts: FileMetaData,
}

impl Survey {
    /// What the `VOParquet` metadata of the files say.
    pub(crate) fn metadata(&self) -> TableMetadata {
        let Some(Speaker { path, facts }) = &self.speaker else { return TableMetadata::default() };
        let names: Vec<&str> = self.schema.fields().iter().map(|f| f.name().as_str()).collect();
        let (metadata, remarks) = voparquet_metadata(StdPath::new(path.as_ref()), facts, &names);
        for remark in remarks {
            warn!(file = %path, "{remark}");
        }
        metadata
    }

    /// Whether this program wrote the files: they repeat what `table.toml` said then.
    pub(crate) fn is_ours(&self) -> bool {
        let created_by = self.speaker.as_ref().and_then(|speaker| speaker.facts.created_by());
        created_by.is_some_and(is_of_this_program)
    }
}

/// Looks at the files of a table, without reading a row.
pub(crate) async fn survey(
    store: &dyn ObjectStore,
    location: &Location,
    site: &Surveyed<'_>,
) -> Result<Survey, Error> {
    let dataset = site.path.clone().join(DATASET);
    let [metadata, common] = [METADATA, COMMON_METADATA].map(|name| dataset.clone().join(name));
    let files =
        async { if location.lists() { list(store, &dataset).await.map(Some) } else { Ok(None) } };
    // At once, since a store may be far away.
    let (metadata, common, listed, files) = futures::try_join!(
        footers(store, &metadata),
        footers(store, &common),
        partition_list(store, site.path),
        files
    )?;
    let mut rows = metadata.as_ref().map(rows_by_file).unwrap_or_default();
    let mut found = match files {
        Some(found) => reconcile(found, listed, site),
        None => probe(store, &dataset, names(listed, &rows, site)?).await?,
    };
    for file in &mut found {
        file.rows = rows.remove(&file.name).filter(|_| file.bytes > 0);
        file.etag = file.etag.take().filter(|_| location.has_etags());
    }
    if site.counts {
        read_missing_rows(store, &dataset, &mut found).await;
    }
    let described = describe(store, &dataset, [common.as_ref(), metadata.as_ref()], &found).await?;
    let manifest = Manifest::new(dataset.to_string(), site.leaf.clone(), found);
    if let (Some(counted), Some(stated)) = (manifest.rows(), site.rows)
        && counted != stated
    {
        warn!(table = %site.name, counted, stated, "hats_nrows is not the number of rows");
    }
    if !manifest.is_disjoint() {
        warn!(table = %site.name, "tiles overlap; every tile is compared with the coverage");
    }
    let (schema, speaker) = described;
    Ok(Survey { manifest, schema, speaker: Some(speaker), is_far: location.is_far() })
}

/// What a file of footers alone holds, if it is there and not too large.
pub(crate) async fn footers(
    store: &dyn ObjectStore,
    path: &Path,
) -> Result<Option<ParquetMetaData>, Error> {
    let bytes = bytes_of_footers(store, path).await?;
    bytes.map(|bytes| parsed(path, &bytes, footer::without_statistics())).transpose()
}

/// The same with the statistics of these columns: those of all would take gigabytes.
pub(crate) async fn footers_with_statistics(
    store: &dyn ObjectStore,
    path: &Path,
    columns: &[&str],
) -> Result<Option<ParquetMetaData>, Error> {
    let Some(bytes) = bytes_of_footers(store, path).await? else { return Ok(None) };
    let without = parsed(path, &bytes, footer::without_statistics())?;
    let leaves = without.file_metadata().schema_descr().columns().iter().enumerate();
    let wanted = leaves.filter(|(_, leaf)| {
        leaf.path().parts().first().is_some_and(|root| columns.contains(&root.as_str()))
    });
    let wanted: Vec<usize> = wanted.map(|(at, _)| at).collect();
    let policy = ParquetStatisticsPolicy::skip_except(&wanted);
    let options = footer::without_statistics().with_column_stats_policy(policy);
    parsed(path, &bytes, options).map(Some)
}

async fn bytes_of_footers(store: &dyn ObjectStore, path: &Path) -> Result<Option<Bytes>, Error> {
    let found = match store.get(path).await {
        Ok(found) => found,
        Err(object_store::Error::NotFound { .. }) => return Ok(None),
        Err(e) => return Err(Error::store(&path, e)),
    };
    let size = found.meta.size;
    if size > METADATA_LIMIT_BYTES {
        warn!(file = %path, size, limit = METADATA_LIMIT_BYTES, "not read: too large");
        return Ok(None);
    }
    found.bytes().await.map(Some).map_err(|e| Error::store(&path, e))
}

fn parsed(
    path: &Path,
    bytes: &Bytes,
    options: ParquetMetaDataOptions,
) -> Result<ParquetMetaData, Error> {
    let reader = ParquetMetaDataReader::new().with_metadata_options(Some(options));
    reader.parse_and_finish(bytes).map_err(|e| Error::parquet(path, e))
}

/// Rows by file name, summed over row groups.
pub(crate) fn rows_by_file(metadata: &ParquetMetaData) -> HashMap<String, u64> {
    let mut rows = HashMap::new();
    for group in metadata.row_groups() {
        let name = group.columns().first().and_then(|c| c.file_path());
        if let (Some(name), Ok(count)) = (name, u64::try_from(group.num_rows())) {
            match rows.get_mut(name) {
                Some(sum) => *sum += count,
                None => drop(rows.insert(name.to_owned(), count)),
            }
        }
    }
    rows
}

async fn partition_list(
    store: &dyn ObjectStore,
    table: &Path,
) -> Result<Option<Vec<Pixel>>, Error> {
    let path = table.clone().join(partition_info::FILE_NAME);
    let text = read_text(store, &path).await?;
    text.map(|text| partition_info::parse(path.as_ref(), &text)).transpose()
}

fn found(meta: ObjectMeta, name: String, pixel: Pixel) -> Found {
    Found {
        pixel,
        name,
        bytes: meta.size,
        modified_ns: meta.last_modified.timestamp_nanos_opt().unwrap_or(0),
        etag: meta.e_tag,
        rows: None,
    }
}

/// Every file of a tile below the `dataset` folder.
async fn list(store: &dyn ObjectStore, dataset: &Path) -> Result<Vec<Found>, Error> {
    let prefix = dataset.as_ref().len() + 1;
    store
        .list(Some(dataset))
        .map_err(|e| Error::store(&dataset, e))
        .try_filter_map(|meta| {
            let name = meta.location.as_ref().get(prefix..).unwrap_or_default().to_owned();
            let pixel = hats::tile_pixel(&name).filter(|_| hats::is_data(&name));
            std::future::ready(Ok(pixel.map(|pixel| found(meta, name, pixel))))
        })
        .try_collect()
        .await
}

/// Files against the partition list: it decides which tiles there are.
fn reconcile(found: Vec<Found>, listed: Option<Vec<Pixel>>, site: &Surveyed<'_>) -> Vec<Found> {
    let Some(listed) = listed else { return found };
    let mut waiting: HashSet<Pixel> = listed.iter().copied().collect();
    let listed: HashSet<Pixel> = waiting.clone();
    let (mut kept, strays): (Vec<Found>, Vec<Found>) =
        found.into_iter().partition(|file| listed.contains(&file.pixel));
    if let Some(stray) = strays.first() {
        let (count, example) = (strays.len(), &stray.name);
        warn!(table = %site.name, count, example, "ignored files that the partition list lacks");
    }
    for file in &kept {
        waiting.remove(&file.pixel);
    }
    for pixel in waiting {
        warn!(table = %site.name, %pixel, "a tile of the partition list is missing");
        kept.push(missing(pixel, hats::tile_name(pixel, site.leaf)));
    }
    kept
}

fn missing(pixel: Pixel, name: String) -> Found {
    Found { pixel, name, bytes: 0, modified_ns: 0, etag: None, rows: None }
}

/// The names of all files where the store cannot list them.
fn names(
    listed: Option<Vec<Pixel>>,
    rows: &HashMap<String, u64>,
    site: &Surveyed<'_>,
) -> Result<Vec<(Pixel, String)>, Error> {
    let known: Vec<(Pixel, String)> =
        rows.keys().filter_map(|n| hats::tile_pixel(n).map(|p| (p, n.clone()))).collect();
    let leaf = site.leaf;
    match listed {
        Some(listed) if matches!(leaf, Leaf::File(_)) => {
            Ok(listed.into_iter().map(|p| (p, hats::tile_name(p, leaf))).collect())
        }
        _ if !known.is_empty() => Ok(known),
        Some(_) | None => {
            let needed = match leaf {
                Leaf::File(_) => partition_info::FILE_NAME,
                Leaf::Folder => "dataset/_metadata",
            };
            let missing = format!("a store that lists no folders needs {needed}");
            Err(Error::NotHats { path: site.path.to_string(), missing })
        }
    }
}

/// Asks for the size of every file.
async fn probe(
    store: &dyn ObjectStore,
    dataset: &Path,
    names: Vec<(Pixel, String)>,
) -> Result<Vec<Found>, Error> {
    futures::stream::iter(names)
        .map(|(pixel, name)| async move {
            let path = below(dataset, &name);
            match store.head(&path).await {
                Ok(meta) => Ok(found(meta, name, pixel)),
                Err(object_store::Error::NotFound { .. }) => {
                    warn!(tile = %path, "a tile of the partition list is missing");
                    Ok(missing(pixel, name))
                }
                Err(e) => Err(Error::store(&path, e)),
            }
        })
        .buffer_unordered(CONCURRENCY)
        .try_collect()
        .await
}

/// The path of a name as a store listed it (encoded already).
pub(crate) fn below(dataset: &Path, name: &str) -> Path {
    let text = format!("{dataset}/{name}");
    Path::parse(&text).unwrap_or_else(|_| Path::from(text))
}

/// Counts the rows of files that `_metadata` does not know by their footers.
async fn read_missing_rows(store: &dyn ObjectStore, dataset: &Path, found: &mut [Found]) {
    let unknown: Vec<(usize, Path, u64)> = found
        .iter()
        .enumerate()
        .filter(|(_, file)| file.rows.is_none() && file.bytes > 0)
        .map(|(at, file)| (at, below(dataset, &file.name), file.bytes))
        .collect();
    if unknown.len() > FOOTER_LIMIT {
        warn!(%dataset, files = unknown.len(), "rows stay unknown: no _metadata counts them");
        return;
    }
    let mut counts = futures::stream::iter(unknown)
        .map(|(at, path, size)| async move { (at, footer::read(store, &path, size).await) })
        .buffer_unordered(CONCURRENCY);
    while let Some((at, footer)) = counts.next().await {
        match footer {
            Ok(footer) => {
                found[at].rows = u64::try_from(footer.file_metadata().num_rows()).ok();
            }
            Err(error) => warn!(%error, "rows of a tile stay unknown"),
        }
    }
}

/// The columns: by `_common_metadata`, `_metadata`, or the first tile that can be read.
async fn describe(
    store: &dyn ObjectStore,
    dataset: &Path,
    [common, metadata]: [Option<&ParquetMetaData>; 2],
    found: &[Found],
) -> Result<(SchemaRef, Speaker), Error> {
    for (name, footers) in [(COMMON_METADATA, common), (METADATA, metadata)] {
        if let Some(footers) = footers {
            return described(&dataset.clone().join(name), footers);
        }
    }
    let mut last = None;
    for file in found.iter().filter(|f| f.bytes > 0) {
        let path = below(dataset, &file.name);
        match footer::read(store, &path, file.bytes).await {
            Ok(footer) => return described(&path, &footer),
            Err(error) => last = Some(error),
        }
    }
    Err(last.unwrap_or_else(|| Error::NotHats {
        path: dataset.to_string(),
        missing: format!("neither {COMMON_METADATA} nor any tile is there"),
    }))
}

/// The columns of a file, which speaks for all.
fn described(path: &Path, footer: &ParquetMetaData) -> Result<(SchemaRef, Speaker), Error> {
    let facts = footer.file_metadata().clone();
    Ok((columns(path, footer)?, Speaker { path: path.clone(), facts }))
}

/// The columns of a file.
pub(crate) fn columns(path: &Path, footer: &ParquetMetaData) -> Result<SchemaRef, Error> {
    let file = footer.file_metadata();
    let schema: Schema = parquet_to_arrow_schema(file.schema_descr(), file.key_value_metadata())
        .map_err(|e| Error::parquet(&path, e))?;
    Ok(schema.into())
}
