//! The store behind `shard://`: opens a tile from the node's own folder, else from a peer that holds
//! a replica, else from the origin.
//!
//! A plan names tiles by their location below the data root, so any plan is correct on any node;
//! locality is speed. Whatever is wrong with a source, the next one answers; each answer is counted
//! by its source, and only when all failed the read does, and says why each did. An answer is handed
//! on when it is whole, so that a source that fails in the middle of it is replaced too.
//! The tables that queries brought are in a folder of their own, and nowhere else.
//! The store only reads.

use std::fmt;
use std::ops::Range;
use std::sync::Arc;

use async_trait::async_trait;
use bytes::Bytes;
use catalog::upload;
use futures::StreamExt;
use futures::stream::{self, BoxStream};
use object_store::path::Path;
use object_store::{
    CopyOptions, Error, GetOptions, GetResult, GetResultPayload, ListResult, MultipartUpload,
    ObjectMeta, ObjectStore, PutMultipartOptions, PutOptions, PutPayload, PutResult, Result,
};

use crate::counters::{Counters, Source};
use crate::elsewhere::{Elsewhere, reason};
use crate::holdings::NodeName;
use crate::own_tiles::OwnTiles;

/// Whatever gives the bytes of tiles: the reading half of a store.
#[async_trait]
pub(crate) trait Reads: Send + Sync {
    /// A tile or a range of it.
    async fn get_opts(&self, location: &Path, options: GetOptions) -> Result<GetResult>;

    /// Ranges of a tile.
    async fn get_ranges(&self, location: &Path, ranges: &[Range<u64>]) -> Result<Vec<Bytes>>;
}

#[async_trait]
impl Reads for Arc<dyn ObjectStore> {
    async fn get_opts(&self, location: &Path, options: GetOptions) -> Result<GetResult> {
        self.as_ref().get_opts(location, options).await
    }

    async fn get_ranges(&self, location: &Path, ranges: &[Range<u64>]) -> Result<Vec<Bytes>> {
        self.as_ref().get_ranges(location, ranges).await
    }
}

/// Opens tiles by their location below the data root.
#[derive(Debug)]
pub struct TileStore {
    sources: Sources,
    counters: Arc<Counters>,
    /// The tables that queries brought, by what follows [`upload::FOLDER`].
    uploads: Option<Arc<dyn ObjectStore>>,
}

#[derive(Debug)]
enum Sources {
    /// None: the node must not open tiles.
    Closed,
    /// All tables are at hand.
    Whole(Arc<dyn ObjectStore>),
    /// A worker's; without `elsewhere` a query reads the own folder only.
    Worker { own: OwnTiles, elsewhere: Option<Arc<Elsewhere>>, name: NodeName },
}

impl TileStore {
    /// The store of a node that has all tables at hand.
    pub fn whole(store: Arc<dyn ObjectStore>, counters: Arc<Counters>) -> Self {
        Self { sources: Sources::Whole(store), counters, uploads: None }
    }

    /// The store of a node that must not open tiles: the coordinator of a cluster.
    pub fn closed(counters: Arc<Counters>) -> Self {
        Self { sources: Sources::Closed, counters, uploads: None }
    }

    /// The store of a worker.
    pub(crate) fn of_worker(
        own: OwnTiles,
        elsewhere: Option<Arc<Elsewhere>>,
        name: NodeName,
        counters: Arc<Counters>,
    ) -> Self {
        let sources = Sources::Worker { own, elsewhere, name };
        Self { sources, counters, uploads: None }
    }

    /// The same store with the tables that queries brought.
    #[must_use]
    pub fn with_uploads(self, uploads: Arc<dyn ObjectStore>) -> Self {
        Self { uploads: Some(uploads), ..self }
    }

    /// Where an upload is, by its location in this store; none for what is no upload.
    fn upload(&self, location: &Path) -> Option<Result<(&Arc<dyn ObjectStore>, Path)>> {
        let below = upload::below_folder(location)?;
        let absent = || Error::NotFound {
            path: location.to_string(),
            source: "this node has no uploads".into(),
        };
        Some(self.uploads.as_ref().map(|store| (store, Path::from(below))).ok_or_else(absent))
    }

    /// What the first source that can answer answers; it is counted.
    async fn read<T, F>(
        &self,
        location: &Path,
        ask: impl Fn(Arc<dyn Reads>) -> F + Send + Sync,
    ) -> Result<T>
    where
        T: Send,
        F: Future<Output = Result<T>> + Send,
    {
        let (own, elsewhere, name) = match &self.sources {
            Sources::Closed => {
                self.counters.refused();
                let text = format!("this node holds no tiles, and was asked to open {location}");
                return Err(Error::NotSupported { source: text.into() });
            }
            Sources::Whole(store) => {
                let answer = ask(Arc::new(Arc::clone(store))).await?;
                self.counters.read(Source::Local);
                return Ok(answer);
            }
            Sources::Worker { own, elsewhere, name } => (own, elsewhere, name),
        };
        let mut reasons = match ask(Arc::new(own.clone())).await {
            Ok(answer) => {
                self.counters.read(Source::Local);
                return Ok(answer);
            }
            Err(error) => format!("in the folder of {name}: {}", reason(&error)),
        };
        if let Some(elsewhere) = elsewhere {
            for place in elsewhere.places(location) {
                match elsewhere.ask(&place, location, |store| ask(Arc::new(store))).await {
                    Ok(answer) => {
                        self.counters.read(place.source());
                        return Ok(answer);
                    }
                    Err(error) => {
                        let why = format!("; {}: {}", elsewhere.name(&place), reason(&error));
                        reasons.push_str(&why);
                    }
                }
            }
        } else {
            reasons.push_str("; it may not be read from elsewhere (fallback = false)");
        }
        let text = format!("tile {location} cannot be read: {reasons}");
        Err(Error::Generic { store: "tile", source: text.into() })
    }
}

impl fmt::Display for TileStore {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.sources {
            Sources::Closed => f.write_str("TileStore(closed)"),
            Sources::Whole(store) => write!(f, "TileStore({store})"),
            Sources::Worker { own, elsewhere, .. } => {
                write!(f, "TileStore({own}, elsewhere: {})", elsewhere.is_some())
            }
        }
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

/// An answer whose bytes are all here.
async fn collected(answer: GetResult) -> Result<GetResult> {
    let (meta, range, attributes) =
        (answer.meta.clone(), answer.range.clone(), answer.attributes.clone());
    let bytes = answer.bytes().await?;
    let payload = GetResultPayload::Stream(stream::once(async { Ok(bytes) }).boxed());
    Ok(GetResult { payload, meta, range, attributes })
}

#[async_trait]
impl ObjectStore for TileStore {
    async fn get_opts(&self, location: &Path, options: GetOptions) -> Result<GetResult> {
        if let Some(upload) = self.upload(location) {
            let (store, below) = upload?;
            let mut answer = store.as_ref().get_opts(&below, options).await?;
            answer.meta.location = location.clone();
            return Ok(answer);
        }
        self.read(location, |store| {
            let options = options.clone();
            async move {
                let head = options.head;
                let answer = store.get_opts(location, options).await?;
                if head { Ok(answer) } else { collected(answer).await }
            }
        })
        .await
    }

    async fn get_ranges(&self, location: &Path, ranges: &[Range<u64>]) -> Result<Vec<Bytes>> {
        if let Some(upload) = self.upload(location) {
            let (store, below) = upload?;
            return store.as_ref().get_ranges(&below, ranges).await;
        }
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
