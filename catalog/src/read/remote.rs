//! A file in an S3-compatible or HTTP store: read in order, some pieces ahead, or by place.
//!
//! Only ranges are asked for, so that a connection that breaks costs one of them, and each answer is
//! compared with what was found at first: a file that changes on the way is an error. Readers block,
//! on threads that may; requests run on the Tokio runtime in which the file was found.

use std::collections::VecDeque;
use std::io::{self, Read};
use std::ops::Range;
use std::sync::Arc;

use bytes::Bytes;
use futures::TryStreamExt;
use object_store::path::Path;
use object_store::{
    Error as StoreError, GetOptions, GetRange, ObjectMeta, ObjectStore, ObjectStoreExt,
    Result as StoreResult,
};
use tokio::runtime::Handle;
use tokio::task::JoinHandle;

use crate::location::{Location, Root};

/// The first piece of a file, which is enough to see what it is.
const FIRST_BYTES: u64 = 256 << 10;
/// The pieces after it.
const PIECE_BYTES: u64 = 8 << 20;
/// Pieces that are asked for before they are needed.
const AHEAD: usize = 2;

/// A file in a store.
#[derive(Debug, Clone)]
pub struct RemoteFile {
    /// Its URL.
    name: String,
    store: Arc<dyn ObjectStore>,
    found: ObjectMeta,
    runtime: Handle,
}

/// What lies at a URL.
#[derive(Debug)]
pub(crate) enum Remote {
    /// A file.
    File(RemoteFile),
    /// Files below it, with their names relative to it, by name.
    Folder(Vec<(String, RemoteFile)>),
}

impl Remote {
    /// Finds the file at a location, or the files below it where the store lists them.
    ///
    /// # Errors
    /// What is wrong, in words.
    pub(crate) fn find(location: &Location) -> Result<Self, String> {
        let runtime = Handle::try_current().map_err(|e| e.to_string())?;
        let Root { above, inside, name } = location.open().map_err(|e| e.to_string())?;
        let failed = |e: StoreError| format!("the input {location} cannot be read: {e}");
        let file = |name: String, store: &Arc<dyn ObjectStore>, found: ObjectMeta| RemoteFile {
            name,
            store: Arc::clone(store),
            found,
            runtime: runtime.clone(),
        };
        let path = Path::from_url_path(name).map_err(|e| e.to_string())?;
        match runtime.block_on(above.head(&path)) {
            Ok(found) => return Ok(Self::File(file(location.to_string(), &above, found))),
            Err(StoreError::NotFound { .. }) if inside.is_some() => {}
            Err(error) => return Err(failed(error)),
        }
        let Some(inside) = inside else { return Ok(Self::Folder(Vec::new())) };
        let listed = inside.list(None).try_collect::<Vec<ObjectMeta>>();
        let listed = runtime.block_on(listed).map_err(failed)?;
        let folder = location.to_string();
        let below = listed.into_iter().filter(|found| found.size > 0).map(|found| {
            let name = found.location.to_string();
            let url = format!("{}/{name}", folder.trim_end_matches('/'));
            (name, file(url, &inside, found))
        });
        let mut below: Vec<(String, RemoteFile)> = below.collect();
        below.sort_by(|a, b| a.0.cmp(&b.0));
        Ok(Self::Folder(below))
    }
}

impl RemoteFile {
    /// Its URL.
    pub(crate) fn name(&self) -> &str {
        &self.name
    }

    pub(crate) fn bytes(&self) -> u64 {
        self.found.size
    }

    /// What tells its content from that of another day.
    pub(crate) fn version(&self) -> String {
        let modified = || self.found.last_modified.to_rfc3339();
        self.found.e_tag.clone().unwrap_or_else(modified)
    }

    /// The whole text of a small file.
    pub(crate) fn text(&self) -> io::Result<String> {
        let bytes = self.fetch(0..self.bytes())?;
        String::from_utf8(bytes.to_vec()).map_err(|e| io::Error::new(io::ErrorKind::InvalidData, e))
    }

    /// The bytes from a place to the end, in order.
    pub(super) fn read_from(&self, place: u64) -> InOrder {
        let (ahead, now) = (VecDeque::new(), Bytes::new());
        InOrder { file: self.clone(), next: place, is_begun: false, ahead, now }
    }

    /// A range, now.
    pub(super) fn fetch(&self, range: Range<u64>) -> io::Result<Bytes> {
        self.runtime.block_on(self.clone().get(range))
    }

    async fn get(self, range: Range<u64>) -> io::Result<Bytes> {
        // A server without ranges can still give what is asked for whole.
        let is_whole = range == (0..self.bytes());
        let wanted = (!is_whole).then(|| GetRange::from(range.clone()));
        let options = GetOptions::new().with_range(wanted);
        let got: StoreResult<(ObjectMeta, Bytes)> = async {
            let answer = self.store.get_opts(&self.found.location, options).await?;
            Ok((answer.meta.clone(), answer.bytes().await?))
        }
        .await;
        let (meta, bytes) = got.map_err(|e| io::Error::new(kind(&e), e))?;
        let wrong = |reason: &str| Err(io::Error::new(io::ErrorKind::ConnectionAborted, reason));
        if meta.size != self.found.size || meta.e_tag != self.found.e_tag {
            return wrong("the file has changed while it was read");
        }
        if bytes.len() as u64 != range.end - range.start {
            return wrong("the store gave less than was asked for");
        }
        Ok(bytes)
    }
}

/// Which kind of error of files an error of a store is: none of those that blame the content.
fn kind(error: &StoreError) -> io::ErrorKind {
    match error {
        StoreError::NotFound { .. } => io::ErrorKind::NotFound,
        StoreError::PermissionDenied { .. } | StoreError::Unauthenticated { .. } => {
            io::ErrorKind::PermissionDenied
        }
        _ => io::ErrorKind::ConnectionAborted,
    }
}

/// The bytes of a file in order.
#[derive(Debug)]
pub(super) struct InOrder {
    file: RemoteFile,
    /// The first byte that was not asked for.
    next: u64,
    /// Whether the first piece was read, which alone is enough for many.
    is_begun: bool,
    ahead: VecDeque<JoinHandle<io::Result<Bytes>>>,
    now: Bytes,
}

impl InOrder {
    /// Asks for the next piece, unless there is none.
    fn ask(&mut self, bytes: u64) {
        let range = self.next..(self.next + bytes).min(self.file.bytes());
        if !range.is_empty() {
            self.next = range.end;
            self.ahead.push_back(self.file.runtime.spawn(self.file.clone().get(range)));
        }
    }
}

impl Read for InOrder {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        while self.now.is_empty() {
            if !self.is_begun {
                self.ask(FIRST_BYTES);
            }
            while self.is_begun && self.ahead.len() < AHEAD && self.next < self.file.bytes() {
                self.ask(PIECE_BYTES);
            }
            let Some(piece) = self.ahead.pop_front() else { return Ok(0) };
            self.now = self.file.runtime.block_on(piece).map_err(io::Error::other)??;
            self.is_begun = true;
        }
        let piece = self.now.split_to(buffer.len().min(self.now.len()));
        buffer[..piece.len()].copy_from_slice(&piece);
        Ok(piece.len())
    }
}

impl Drop for InOrder {
    fn drop(&mut self) {
        for piece in &self.ahead {
            piece.abort();
        }
    }
}
