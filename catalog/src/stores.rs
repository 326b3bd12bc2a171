//! The store of a data folder some of whose tables lie elsewhere: what is below the folder of such a
//! table is read where its pointer leads, under the same name as if it lay here.
//!
//! So a tile has one name on every node, wherever its table lies. A pointer is found when a table is
//! looked for ([`Stores::follow`]), or, by a node that is only asked for tiles, when a tile is not
//! here. It reads only.

use std::collections::HashMap;
use std::fmt;
use std::ops::Range;
use std::sync::{Arc, PoisonError, RwLock};

use async_trait::async_trait;
use bytes::Bytes;
use futures::stream::{self, BoxStream};
use futures::{StreamExt, TryStreamExt};
use object_store::path::Path;
use object_store::prefix::PrefixStore;
use object_store::{
    CopyOptions, Error as StoreError, GetOptions, GetResult, ListResult, MultipartUpload,
    ObjectMeta, ObjectStore, PutMultipartOptions, PutOptions, PutPayload, PutResult,
    Result as StoreResult,
};

use crate::hats::tile_of_path;
use crate::location::{Location, Root};
use crate::{Error, pointer};

/// How deep the folders of tables lie: `DIR/<schema>/<table>`.
const DEPTH_MAX: usize = 2;

/// A store with the tables to which it leads.
pub(crate) struct Stores {
    own: Arc<dyn ObjectStore>,
    /// Whether pointers may lead to folders of this host.
    may_be_folder: bool,
    /// By their folders.
    elsewhere: RwLock<HashMap<String, Elsewhere>>,
}

/// A table that lies elsewhere.
#[derive(Debug, Clone)]
struct Elsewhere {
    /// Its folder here.
    folder: Path,
    location: Location,
    /// Rooted at its folder there.
    store: Arc<dyn ObjectStore>,
}

impl Stores {
    /// The store of a location, in which nothing was looked for.
    pub(crate) fn new(own: Arc<dyn ObjectStore>, location: &Location) -> Self {
        let may_be_folder = matches!(location, Location::Folder(_));
        Self { own, may_be_folder, elsewhere: RwLock::default() }
    }

    /// The store without what lies elsewhere.
    pub(crate) fn own(&self) -> &dyn ObjectStore {
        self.own.as_ref()
    }

    /// Where the table of a folder lies, if a pointer in it says that it lies elsewhere. From then
    /// on what is below the folder is read there.
    pub(crate) async fn follow(&self, folder: &Path) -> Result<Option<Location>, Error> {
        if let Some(known) = self.leading(folder) {
            return Ok(Some(known.location));
        }
        let found = pointer::read(self.own(), folder, self.may_be_folder).await?;
        let Some(location) = found else { return Ok(None) };
        let opened = location.open().map_err(|e| Error::elsewhere(folder, &location, e))?;
        let Root { above, name, .. } = opened;
        let store = Arc::new(PrefixStore::new(above, name));
        let found = Elsewhere { folder: folder.clone(), location: location.clone(), store };
        let mut elsewhere = self.elsewhere.write().unwrap_or_else(PoisonError::into_inner);
        elsewhere.insert(folder.to_string(), found);
        Ok(Some(location))
    }

    /// The table elsewhere that a path belongs to.
    fn leading(&self, path: &Path) -> Option<Elsewhere> {
        let elsewhere = self.elsewhere.read().unwrap_or_else(PoisonError::into_inner);
        if elsewhere.is_empty() {
            return None;
        }
        let text = path.as_ref();
        let ends = text.match_indices('/').map(|(end, _)| end).chain([text.len()]);
        ends.take(DEPTH_MAX).find_map(|end| elsewhere.get(&text[..end])).cloned()
    }

    /// The table elsewhere that a tile belongs to which is not here, by the pointers above it.
    async fn leading_to_tile(&self, path: &Path) -> StoreResult<Option<Elsewhere>> {
        let Some((table, _)) = tile_of_path(path) else { return Ok(None) };
        let mut folder = Path::default();
        for part in Path::from(table).parts().take(DEPTH_MAX) {
            folder = folder.join(part);
            let followed = self.follow(&folder).await;
            if followed
                .map_err(|e| StoreError::Generic { store: "data", source: e.into() })?
                .is_some()
            {
                return Ok(self.leading(path));
            }
        }
        Ok(None)
    }

    /// What the store answers in which a path lies.
    async fn read<T, F>(
        &self,
        path: &Path,
        ask: impl Fn(Arc<dyn ObjectStore>, Path) -> F + Send + Sync,
    ) -> StoreResult<T>
    where
        T: Send,
        F: Future<Output = StoreResult<T>> + Send,
    {
        if let Some(elsewhere) = self.leading(path) {
            let below = elsewhere.below(path);
            return ask(elsewhere.store, below).await;
        }
        match ask(Arc::clone(&self.own), path.clone()).await {
            Err(absent @ StoreError::NotFound { .. }) => match self.leading_to_tile(path).await? {
                Some(elsewhere) => {
                    let below = elsewhere.below(path);
                    ask(elsewhere.store, below).await
                }
                None => Err(absent),
            },
            answer => answer,
        }
    }
}

impl Elsewhere {
    /// The path there of what is at a path here.
    fn below(&self, path: &Path) -> Path {
        path.prefix_match(&self.folder).map_or_else(Path::default, Iterator::collect)
    }

    /// The path here of what is at a path there.
    fn here(folder: &Path, path: &Path) -> Path {
        folder.parts().chain(path.parts()).collect()
    }
}

impl fmt::Debug for Stores {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Stores").field("own", &self.own).finish_non_exhaustive()
    }
}

impl fmt::Display for Stores {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let elsewhere = self.elsewhere.read().unwrap_or_else(PoisonError::into_inner);
        write!(f, "{} with {} tables elsewhere", self.own, elsewhere.len())
    }
}

fn read_only() -> StoreError {
    StoreError::NotSupported { source: "tables are only read".into() }
}

#[async_trait]
impl ObjectStore for Stores {
    async fn get_opts(&self, path: &Path, options: GetOptions) -> StoreResult<GetResult> {
        self.read(path, |store, at| {
            let options = options.clone();
            async move { store.get_opts(&at, options).await }
        })
        .await
    }

    async fn get_ranges(&self, path: &Path, ranges: &[Range<u64>]) -> StoreResult<Vec<Bytes>> {
        self.read(path, |store, at| async move { store.get_ranges(&at, ranges).await }).await
    }

    fn list(&self, folder: Option<&Path>) -> BoxStream<'static, StoreResult<ObjectMeta>> {
        match folder.and_then(|folder| Some((folder, self.leading(folder)?))) {
            None => self.own.list(folder),
            Some((folder, elsewhere)) => {
                let listed = elsewhere.store.list(Some(&elsewhere.below(folder)));
                let folder = elsewhere.folder;
                let here = move |meta: ObjectMeta| {
                    let location = Elsewhere::here(&folder, &meta.location);
                    ObjectMeta { location, ..meta }
                };
                listed.map_ok(here).boxed()
            }
        }
    }

    async fn list_with_delimiter(&self, folder: Option<&Path>) -> StoreResult<ListResult> {
        self.own.list_with_delimiter(folder).await
    }

    async fn put_opts(&self, _: &Path, _: PutPayload, _: PutOptions) -> StoreResult<PutResult> {
        Err(read_only())
    }

    async fn put_multipart_opts(
        &self,
        _: &Path,
        _: PutMultipartOptions,
    ) -> StoreResult<Box<dyn MultipartUpload>> {
        Err(read_only())
    }

    fn delete_stream(
        &self,
        _: BoxStream<'static, StoreResult<Path>>,
    ) -> BoxStream<'static, StoreResult<Path>> {
        stream::once(async { Err(read_only()) }).boxed()
    }

    async fn copy_opts(&self, _: &Path, _: &Path, _: CopyOptions) -> StoreResult<()> {
        Err(read_only())
    }
}
