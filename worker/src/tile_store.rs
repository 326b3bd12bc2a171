//! The store behind `shard://`: opens a tile from the node's own folder, else from the origin.
//!
//! A plan names tiles by their location below the data root, so any plan is correct on any node;
//! locality is speed. Each answer is counted by its source. The store only reads.

use std::fmt;
use std::ops::Range;
use std::sync::Arc;

use async_trait::async_trait;
use bytes::Bytes;
use futures::StreamExt;
use futures::stream::{self, BoxStream};
use object_store::path::Path;
use object_store::{
    CopyOptions, Error, GetOptions, GetResult, ListResult, MultipartUpload, ObjectMeta,
    ObjectStore, PutMultipartOptions, PutOptions, PutPayload, PutResult, Result,
};

use crate::counters::{Counters, Source};

/// Opens tiles by their location below the data root.
#[derive(Debug)]
pub struct TileStore {
    own: Option<Arc<dyn ObjectStore>>,
    origin: Option<Arc<dyn ObjectStore>>,
    counters: Arc<Counters>,
}

impl TileStore {
    /// A store that reads `own` first and, where that has no such tile, `origin`.
    pub fn new(
        own: Option<Arc<dyn ObjectStore>>,
        origin: Option<Arc<dyn ObjectStore>>,
        counters: Arc<Counters>,
    ) -> Self {
        Self { own, origin, counters }
    }

    /// The store of a node that must not open tiles: the coordinator of a cluster.
    pub fn closed(counters: Arc<Counters>) -> Self {
        Self::new(None, None, counters)
    }

    fn sources(&self) -> impl Iterator<Item = (Source, &Arc<dyn ObjectStore>)> {
        let own = self.own.iter().map(|store| (Source::Local, store));
        own.chain(self.origin.iter().map(|store| (Source::Origin, store)))
    }

    /// What the first source that has the tile answers; it is counted.
    async fn read<T, F>(
        &self,
        location: &Path,
        ask: impl Fn(Arc<dyn ObjectStore>) -> F + Send + Sync,
    ) -> Result<T>
    where
        F: Future<Output = Result<T>> + Send,
    {
        for (source, store) in self.sources() {
            match ask(Arc::clone(store)).await {
                Err(Error::NotFound { .. }) => {}
                Err(error) => return Err(error),
                Ok(found) => {
                    self.counters.read(source);
                    return Ok(found);
                }
            }
        }
        Err(self.missing(location))
    }

    /// The error of a tile that no source has.
    fn missing(&self, location: &Path) -> Error {
        if self.own.is_none() && self.origin.is_none() {
            self.counters.refused();
            return Error::NotSupported {
                source: format!("this node holds no tiles, and was asked to open {location}")
                    .into(),
            };
        }
        Error::NotFound {
            path: location.to_string(),
            source: "the tile is neither in this node's folder nor at an origin that it may read"
                .into(),
        }
    }
}

impl fmt::Display for TileStore {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "TileStore(own: {}, origin: {})", self.own.is_some(), self.origin.is_some())
    }
}

fn read_only() -> Error {
    Error::NotSupported { source: "tiles are immutable: the store of a node only reads".into() }
}

fn not_listed() -> Error {
    Error::NotSupported {
        source: "tiles are named by plans: the store of a node lists none".into(),
    }
}

#[async_trait]
impl ObjectStore for TileStore {
    async fn get_opts(&self, location: &Path, options: GetOptions) -> Result<GetResult> {
        self.read(location, |store| {
            let options = options.clone();
            async move { store.get_opts(location, options).await }
        })
        .await
    }

    async fn get_ranges(&self, location: &Path, ranges: &[Range<u64>]) -> Result<Vec<Bytes>> {
        self.read(location, |store| async move { store.get_ranges(location, ranges).await }).await
    }

    fn list(&self, _: Option<&Path>) -> BoxStream<'static, Result<ObjectMeta>> {
        stream::once(async { Err(not_listed()) }).boxed()
    }

    async fn list_with_delimiter(&self, _: Option<&Path>) -> Result<ListResult> {
        Err(not_listed())
    }

    async fn put_opts(&self, _: &Path, _: PutPayload, _: PutOptions) -> Result<PutResult> {
        Err(read_only())
    }

    async fn put_multipart_opts(
        &self,
        _: &Path,
        _: PutMultipartOptions,
    ) -> Result<Box<dyn MultipartUpload>> {
        Err(read_only())
    }

    fn delete_stream(
        &self,
        _: BoxStream<'static, Result<Path>>,
    ) -> BoxStream<'static, Result<Path>> {
        stream::once(async { Err(read_only()) }).boxed()
    }

    async fn copy_opts(&self, _: &Path, _: &Path, _: CopyOptions) -> Result<()> {
        Err(read_only())
    }
}
