//! A worker's folder, an origin and peers to try a worker on, and waiting for what happens by itself.
//!
//! Tiles are bytes that look like Parquet at both ends: workers move them and never look inside.

#![expect(clippy::unwrap_used, reason = "a test ends at the first step that fails")]

use std::collections::HashMap;
use std::fmt;
use std::fs;
use std::path::{Path as FilePath, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use async_trait::async_trait;
use catalog::placement::StoredPlacement;
use datafusion::object_store::memory::InMemory;
use datafusion::object_store::path::Path;
use datafusion::object_store::{
    Attributes, CopyOptions, Error, GetOptions, GetResult, GetResultPayload, ListResult,
    MultipartUpload, ObjectMeta, ObjectStore, ObjectStoreExt as _, PutMultipartOptions, PutOptions,
    PutPayload, PutResult, Result,
};
use futures::StreamExt as _;
use futures::stream::BoxStream;
use tempfile::TempDir;
use tokio::task::JoinSet;
use worker::control::{AssignedFile, Assignment, CONTROL_VERSION};
use worker::{Counters, Node, NodeConfig, Peers, TileStore};

/// The worker under test, and its peer.
pub(crate) const ME: &str = "http://127.0.0.1:1/";
pub(crate) const PEER: &str = "http://127.0.0.1:2/";

/// Bytes of a block, as the format on disk has it.
pub(crate) const BLOCK: usize = 65_536;

/// Waits until something is so, which must not take long.
pub(crate) async fn until(what: &str, is_so: impl Fn() -> bool) {
    let wait = async {
        while !is_so() {
            tokio::time::sleep(Duration::from_millis(2)).await;
        }
    };
    assert!(tokio::time::timeout(Duration::from_secs(30), wait).await.is_ok(), "never: {what}");
}

pub(crate) fn is_complete(node: &Node) -> bool {
    node.status().held.is_some_and(|held| held.is_complete())
}

/// So many bytes that look like chance, and like Parquet at both ends.
pub(crate) fn parquet(seed: u64, size: usize) -> Vec<u8> {
    let mut state = seed.wrapping_mul(0x9E37_79B9_7F4A_7C15) | 1;
    let mut bytes: Vec<u8> = (0..size)
        .map(|_| {
            state ^= state << 13;
            state ^= state >> 7;
            state ^= state << 17;
            state.to_le_bytes()[3]
        })
        .collect();
    bytes[..4].copy_from_slice(b"PAR1");
    bytes[size - 4..].copy_from_slice(b"PAR1");
    bytes
}

/// The location of a tile.
pub(crate) fn tile(pixel: usize) -> String {
    format!("s/t/dataset/Norder=2/Dir=0/Npix={pixel}.parquet")
}

/// Tiles of less than a block, of whole blocks and of more than a piece that is copied at once.
pub(crate) fn some_tiles() -> Vec<(String, Vec<u8>)> {
    let sizes = [8, 5_000, BLOCK, BLOCK + 1, 3 * BLOCK, 200_000, 5_000_000];
    let tiles = sizes.iter().enumerate();
    tiles.map(|(at, size)| (tile(at), parquet(at as u64, *size))).collect()
}

/// A folder of a worker and an origin.
pub(crate) struct Bed {
    pub(crate) own: TempDir,
    pub(crate) origin: TempDir,
    pub(crate) tiles: Vec<(String, Vec<u8>)>,
    pub(crate) fallback: bool,
}

/// A worker on a bed; its copying ends with it.
pub(crate) struct Bedded {
    pub(crate) node: Node,
    pub(crate) store: TileStore,
    pub(crate) counters: Arc<Counters>,
    pub(crate) keeping: JoinSet<()>,
}

impl Bed {
    /// An origin with tiles and an empty folder.
    pub(crate) fn new(tiles: Vec<(String, Vec<u8>)>) -> Self {
        let (own, origin) = (TempDir::new().unwrap(), TempDir::new().unwrap());
        for (path, bytes) in &tiles {
            write(&origin.path().join(path), bytes);
        }
        Self { own, origin, tiles, fallback: true }
    }

    pub(crate) fn own_file(&self, path: &str) -> PathBuf {
        self.own.path().join(path)
    }

    pub(crate) fn sums_file(&self, path: &str) -> PathBuf {
        self.own.path().join(".armilla/sums").join(format!("{path}.sums"))
    }

    /// A worker on this bed.
    pub(crate) fn open(&self, peers: Peers) -> std::result::Result<Bedded, worker::Error> {
        let mut worker = self.open_idle(peers)?;
        worker.keep();
        Ok(worker)
    }

    /// A worker that copies nothing yet.
    pub(crate) fn open_idle(&self, peers: Peers) -> std::result::Result<Bedded, worker::Error> {
        self.open_from(self.origin.path(), peers)
    }

    /// A worker with another origin, that copies nothing yet.
    pub(crate) fn open_from(
        &self,
        origin: &FilePath,
        peers: Peers,
    ) -> std::result::Result<Bedded, worker::Error> {
        let counters = Arc::new(Counters::default());
        let config = NodeConfig {
            data: self.own.path().to_owned(),
            origin: origin.to_str().unwrap().to_owned(),
            fallback: self.fallback,
        };
        let node = Node::open(&config, peers, &counters)?;
        let store = node.tiles();
        Ok(Bedded { node, store, counters, keeping: JoinSet::new() })
    }

    /// Opens the folder as soon as the worker before has let go of it.
    pub(crate) async fn reopen(&self, peers: &Peers) -> Bedded {
        let opened = std::cell::RefCell::new(None);
        until("the folder is free", || {
            match self.open(peers.clone()) {
                Ok(worker) => drop(opened.replace(Some(worker))),
                Err(worker::Error::InUse { .. }) => return false,
                Err(error) => panic!("{error}"),
            }
            true
        })
        .await;
        opened.into_inner().unwrap()
    }

    /// A worker that holds all tiles, copied from the origin.
    pub(crate) async fn whole(&self, peers: Peers) -> Bedded {
        let bedded = self.open(peers).unwrap();
        bedded.node.assign(self.assignment(1)).await.unwrap();
        until("all tiles are here", || is_complete(&bedded.node)).await;
        bedded
    }

    /// All tiles, for the first of two workers that hold all sky.
    pub(crate) fn assignment(&self, number: u64) -> Assignment {
        let files = self
            .tiles
            .iter()
            .map(|(path, bytes)| AssignedFile { path: path.clone(), bytes: bytes.len() as u64 });
        Assignment {
            version: CONTROL_VERSION,
            snapshot: 7,
            worker: 0,
            placement: StoredPlacement {
                version: 1,
                number,
                order: 1,
                replicas: 2,
                workers: vec![ME.to_owned(), PEER.to_owned()],
                runs: vec![(0, vec![0, 1])],
            },
            files: files.collect(),
        }
    }
}

impl Bedded {
    /// Begins to copy.
    pub(crate) fn keep(&mut self) {
        let node = self.node.clone();
        self.keeping.spawn(async move { node.keep().await });
    }

    /// The content of a tile as a query reads it.
    pub(crate) async fn read(&self, path: &str) -> Result<Vec<u8>> {
        Ok(self.store.get(&Path::from(path)).await?.bytes().await?.to_vec())
    }
}

/// No peer can be reached.
pub(crate) fn no_peers() -> Peers {
    Peers::new(|_| None)
}

/// The peer is this store.
pub(crate) fn peer(store: &Arc<Peer>) -> Peers {
    let store = Arc::clone(store);
    Peers::new(move |url| (url == PEER).then(|| Arc::<Peer>::clone(&store) as Arc<dyn ObjectStore>))
}

pub(crate) fn write(file: &FilePath, bytes: &[u8]) {
    fs::create_dir_all(file.parent().unwrap()).unwrap();
    fs::write(file, bytes).unwrap();
}

/// The files below a folder with their content.
pub(crate) fn files(folder: &FilePath) -> HashMap<PathBuf, Vec<u8>> {
    let (mut found, mut open) = (HashMap::new(), vec![folder.to_owned()]);
    while let Some(folder) = open.pop() {
        for path in fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()) {
            if path.is_dir() {
                open.push(path);
            } else {
                found.insert(path.clone(), fs::read(&path).unwrap());
            }
        }
    }
    found
}

/// What a peer does when it is asked.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Mood {
    Answers,
    /// An error for everything.
    Fails,
    /// No answer for what does not begin at the start of a tile.
    Hangs,
    /// Every answer has one bit that was not sent.
    Changes,
}

/// A peer that counts how often it is asked.
#[derive(Debug)]
pub(crate) struct Peer {
    tiles: Arc<dyn ObjectStore>,
    pub(crate) mood: std::sync::Mutex<Mood>,
    asked: AtomicU64,
}

impl Peer {
    pub(crate) async fn new(tiles: &[(String, Vec<u8>)], mood: Mood) -> Arc<Self> {
        let store = InMemory::new();
        for (path, bytes) in tiles {
            store.put(&Path::from(path.as_str()), bytes.clone().into()).await.unwrap();
        }
        Self::over(Arc::new(store), mood)
    }

    /// A peer that has what a store has.
    pub(crate) fn over(tiles: Arc<dyn ObjectStore>, mood: Mood) -> Arc<Self> {
        Arc::new(Self { tiles, mood: std::sync::Mutex::new(mood), asked: 0.into() })
    }

    pub(crate) fn asked(&self) -> u64 {
        self.asked.load(Ordering::Relaxed)
    }
}

impl fmt::Display for Peer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Peer")
    }
}

#[async_trait]
impl ObjectStore for Peer {
    async fn get_opts(&self, location: &Path, options: GetOptions) -> Result<GetResult> {
        self.asked.fetch_add(1, Ordering::Relaxed);
        let mood = *self.mood.lock().unwrap();
        let at_start =
            options.range.as_ref().is_none_or(|r| r.as_range(9).is_ok_and(|r| r.start == 0));
        match mood {
            Mood::Fails => {
                Err(Error::Generic { store: "test", source: "the peer is on fire".into() })
            }
            Mood::Hangs if !at_start => std::future::pending().await,
            Mood::Changes => {
                let found = self.tiles.get_opts(location, options).await?;
                let (meta, range) = (found.meta.clone(), found.range.clone());
                let mut bytes = found.bytes().await?.to_vec();
                let middle = bytes.len() / 2;
                bytes[middle] ^= 1;
                let bytes = futures::stream::once(async { Ok(bytes.into()) });
                let payload = GetResultPayload::Stream(bytes.boxed());
                Ok(GetResult { payload, meta, range, attributes: Attributes::default() })
            }
            Mood::Answers | Mood::Hangs => self.tiles.get_opts(location, options).await,
        }
    }

    fn list(&self, _: Option<&Path>) -> BoxStream<'static, Result<ObjectMeta>> {
        unreachable!("nobody lists a peer")
    }

    async fn list_with_delimiter(&self, _: Option<&Path>) -> Result<ListResult> {
        unreachable!("nobody lists a peer")
    }

    async fn put_opts(&self, _: &Path, _: PutPayload, _: PutOptions) -> Result<PutResult> {
        unreachable!("nobody writes to a peer")
    }

    async fn put_multipart_opts(
        &self,
        _: &Path,
        _: PutMultipartOptions,
    ) -> Result<Box<dyn MultipartUpload>> {
        unreachable!("nobody writes to a peer")
    }

    fn delete_stream(
        &self,
        _: BoxStream<'static, Result<Path>>,
    ) -> BoxStream<'static, Result<Path>> {
        unreachable!("nobody deletes at a peer")
    }

    async fn copy_opts(&self, _: &Path, _: &Path, _: CopyOptions) -> Result<()> {
        unreachable!("nobody writes to a peer")
    }
}
