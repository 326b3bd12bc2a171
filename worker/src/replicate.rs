//! Copies what placement gives a worker from the origin into its own folder.
//!
//! A tile is written under a temporary name and renamed when it is whole, so that a worker that
//! is killed while it copies never serves half a tile; one that is there with its full size is
//! not copied again.

use std::path::{Path as FilePath, PathBuf};
use std::sync::Arc;

use catalog::TileFile;
use futures::{StreamExt, TryStreamExt, stream};
use object_store::path::Path;
use object_store::{ObjectStore, ObjectStoreExt};
use tokio::io::AsyncWriteExt;

use crate::Error;

/// How many tiles are copied at the same time.
const CONCURRENT_COPIES: usize = 8;

/// How far the copying has come.
#[derive(Debug, Clone, Copy, Default)]
pub struct Progress {
    /// Files of tiles that are in the worker's folder.
    pub tiles: u64,
    /// Files that placement gives the worker.
    pub tiles_total: u64,
    /// Bytes of the files that are there.
    pub bytes: u64,
    /// Bytes of all of them.
    pub bytes_total: u64,
}

/// Copies the files of tiles from `origin` into `folder` and tells `report` after each.
///
/// # Errors
/// When the origin lacks a tile or the folder cannot be written.
pub async fn replicate(
    tiles: Vec<TileFile>,
    origin: &Arc<dyn ObjectStore>,
    folder: &FilePath,
    report: &(dyn Fn(Progress) + Send + Sync),
) -> Result<(), Error> {
    let mut progress = Progress {
        tiles_total: tiles.len() as u64,
        bytes_total: tiles.iter().map(|tile| tile.bytes).sum(),
        ..Progress::default()
    };
    report(progress);
    let mut copies = stream::iter(tiles)
        .map(|tile| {
            let (origin, folder) = (Arc::clone(origin), folder.to_path_buf());
            async move { copy_tile(&tile, origin.as_ref(), &folder).await.map(|()| tile.bytes) }
        })
        .buffer_unordered(CONCURRENT_COPIES);
    while let Some(bytes) = copies.try_next().await? {
        progress.tiles += 1;
        progress.bytes += bytes;
        report(progress);
    }
    Ok(())
}

async fn copy_tile(
    tile: &TileFile,
    origin: &dyn ObjectStore,
    folder: &FilePath,
) -> Result<(), Error> {
    let target = folder.join(tile.path.as_ref());
    if tokio::fs::metadata(&target).await.is_ok_and(|found| found.len() == tile.bytes) {
        return Ok(());
    }
    if let Some(parent) = target.parent() {
        let made = tokio::fs::create_dir_all(parent).await;
        made.map_err(|source| Error::Write { path: parent.to_path_buf(), source })?;
    }
    let partial = partial_name(&target);
    let write = |source| Error::Write { path: partial.clone(), source };
    let mut body = get(origin, &tile.path).await?;
    let mut file = tokio::fs::File::create(&partial).await.map_err(write)?;
    while let Some(chunk) = body.try_next().await.map_err(|e| copy_error(&tile.path, e))? {
        file.write_all(&chunk).await.map_err(write)?;
    }
    file.sync_all().await.map_err(write)?;
    let renamed = tokio::fs::rename(&partial, &target).await;
    renamed.map_err(|source| Error::Write { path: target, source })
}

async fn get(
    origin: &dyn ObjectStore,
    tile: &Path,
) -> Result<stream::BoxStream<'static, object_store::Result<bytes::Bytes>>, Error> {
    Ok(origin.get(tile).await.map_err(|e| copy_error(tile, e))?.into_stream())
}

fn copy_error(tile: &Path, source: object_store::Error) -> Error {
    Error::Copy { tile: tile.to_string(), source }
}

fn partial_name(target: &FilePath) -> PathBuf {
    let mut name = target.as_os_str().to_owned();
    name.push(".partial");
    PathBuf::from(name)
}
