//! The store of a location, for threads that wait.

use std::ops::Range;
use std::sync::Arc;

use bytes::Bytes;
use datafusion::parquet::file::metadata::ParquetMetaData;
use futures::TryStreamExt;
use object_store::path::Path;
use object_store::{ObjectMeta, ObjectStore, ObjectStoreExt};
use tokio::runtime::Handle;

use crate::{Error, footer};

/// A store, and the runtime that its requests run on.
#[derive(Debug, Clone)]
pub(super) struct Access {
    pub(super) store: Arc<dyn ObjectStore>,
    pub(super) runtime: Handle,
}

impl Access {
    /// The bytes of a file, if it is there.
    pub(super) fn bytes(&self, path: &Path) -> Result<Option<Bytes>, Error> {
        let read = async {
            match self.store.get(path).await {
                Ok(found) => found.bytes().await.map(Some),
                Err(object_store::Error::NotFound { .. }) => Ok(None),
                Err(e) => Err(e),
            }
        };
        self.runtime.block_on(read).map_err(|e| Error::store(&path, e))
    }

    /// The size of a file, if it is there.
    pub(super) fn size(&self, path: &Path) -> Result<Option<u64>, Error> {
        match self.runtime.block_on(self.store.head(path)) {
            Ok(meta) => Ok(Some(meta.size)),
            Err(object_store::Error::NotFound { .. }) => Ok(None),
            Err(e) => Err(Error::store(&path, e)),
        }
    }

    /// A part of a file.
    pub(super) fn range(&self, path: &Path, range: Range<u64>) -> Result<Bytes, Error> {
        let read = self.runtime.block_on(self.store.get_range(path, range));
        read.map_err(|e| Error::store(&path, e))
    }

    /// All files below a folder.
    pub(super) fn list(&self, folder: &Path) -> Result<Vec<ObjectMeta>, Error> {
        let listed = self.runtime.block_on(self.store.list(Some(folder)).try_collect());
        listed.map_err(|e| Error::store(&folder, e))
    }

    /// The footer of a file of this size, with statistics and page index.
    pub(super) fn footer(&self, path: &Path, size: u64) -> Result<ParquetMetaData, Error> {
        self.runtime.block_on(footer::read_whole(self.store.as_ref(), path, size))
    }
}
