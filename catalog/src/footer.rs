//! Footers of Parquet files, without the statistics that only a scan needs, or whole.

use std::sync::Arc;

use datafusion::parquet::DecodeResult;
use datafusion::parquet::errors::ParquetError;
use datafusion::parquet::file::metadata::{
    PageIndexPolicy, ParquetMetaData, ParquetMetaDataOptions, ParquetMetaDataPushDecoder,
    ParquetStatisticsPolicy,
};
use object_store::path::Path;
use object_store::{ObjectStore, ObjectStoreExt};

use crate::Error;

/// How much of a file's end is read at first: the footers of most tables fit.
const TAIL_BYTES: u64 = 64 << 10;

/// Options under which rows, row groups and schema are read, but no statistics.
pub(crate) fn without_statistics() -> ParquetMetaDataOptions {
    ParquetMetaDataOptions::new()
        .with_column_stats_policy(ParquetStatisticsPolicy::SkipAll)
        .with_size_stats_policy(ParquetStatisticsPolicy::SkipAll)
        .with_encoding_stats_policy(ParquetStatisticsPolicy::SkipAll)
}

/// Reads the footer of the file at `path`, which has this size.
pub(crate) async fn read(
    store: &dyn ObjectStore,
    path: &Path,
    size: u64,
) -> Result<ParquetMetaData, Error> {
    let decoder = decoder(path, size)?
        .with_page_index_policy(PageIndexPolicy::Skip)
        .with_metadata_options(Some(Arc::new(without_statistics())));
    decode(store, path, size, decoder).await
}

/// Reads the footer of a file with the statistics of its row groups.
pub(crate) async fn read_statistics(
    store: &dyn ObjectStore,
    path: &Path,
    size: u64,
) -> Result<ParquetMetaData, Error> {
    let decoder = decoder(path, size)?.with_page_index_policy(PageIndexPolicy::Skip);
    decode(store, path, size, decoder).await
}

/// Reads all of the footer of a file, with statistics and page index.
pub(crate) async fn read_whole(
    store: &dyn ObjectStore,
    path: &Path,
    size: u64,
) -> Result<ParquetMetaData, Error> {
    let decoder = decoder(path, size)?.with_page_index_policy(PageIndexPolicy::Optional);
    decode(store, path, size, decoder).await
}

fn decoder(path: &Path, size: u64) -> Result<ParquetMetaDataPushDecoder, Error> {
    ParquetMetaDataPushDecoder::try_new(size).map_err(|e| Error::parquet(&path, e))
}

async fn decode(
    store: &dyn ObjectStore,
    path: &Path,
    size: u64,
    mut decoder: ParquetMetaDataPushDecoder,
) -> Result<ParquetMetaData, Error> {
    let parquet = |e: ParquetError| Error::parquet(&path, e);
    let tail = size.saturating_sub(TAIL_BYTES)..size;
    let bytes = store.get_range(path, tail.clone()).await.map_err(|e| Error::store(&path, e))?;
    decoder.push_range(tail, bytes).map_err(parquet)?;
    loop {
        match decoder.try_decode().map_err(parquet)? {
            DecodeResult::Data(metadata) => return Ok(metadata),
            DecodeResult::NeedsData(ranges) => {
                let bytes = store.get_ranges(path, &ranges).await;
                let bytes = bytes.map_err(|e| Error::store(&path, e))?;
                decoder.push_ranges(ranges, bytes).map_err(parquet)?;
            }
            DecodeResult::Finished => {
                return Err(parquet(ParquetError::General("its footer is empty".to_owned())));
            }
        }
    }
}
