//! The tiles in a worker's own folder, of which every answer was verified.
//!
//! A read takes whole blocks from the disk, compares their checksums and cuts out what was asked
//! for; a file that is missing, truncated or changed gives an error and never a wrong byte. What is
//! to be here and is not whole is reported to [`Holdings`], counted and logged, once until it is
//! whole again. It reads only; no location leads out of the folder or to a file without sums.

use std::collections::HashMap;
use std::fmt;
use std::fs::File;
use std::io;
use std::ops::Range;
use std::os::unix::fs::FileExt as _;
use std::sync::{Arc, Mutex, PoisonError};

use async_trait::async_trait;
use bytes::Bytes;
use futures::StreamExt;
use futures::stream::{self, BoxStream};
use object_store::path::Path;
use object_store::{
    Attributes, Error, GetOptions, GetResult, GetResultPayload, ObjectMeta, Result,
};

use crate::Counters;
use crate::checksum::{BLOCK_BYTES, Sums};
use crate::folder::Folder;
use crate::holdings::Holdings;
use crate::tile_store::Reads;
use crate::told::Told;

/// A stream of a file is read in pieces of so many bytes, a number of whole blocks.
const PIECE_BYTES: u64 = 16 * BLOCK_BYTES;

/// Sums are kept in memory up to this size: those of a tebibyte.
const SUMS_BYTES: usize = 64 * 1024 * 1024;

/// What is wrong with a file.
#[derive(Debug)]
enum Failure {
    /// It is not there.
    Missing,
    /// It is not what was copied.
    Damaged(String),
    /// The system refused for a reason that lies in no file.
    Unreadable(io::Error),
    /// The caller asked for what no file of this size has.
    Asked(String),
}

impl From<io::Error> for Failure {
    fn from(error: io::Error) -> Self {
        /// `EIO`: the disk could not read what it holds.
        const DISK_ERROR: i32 = 5;
        match error.kind() {
            io::ErrorKind::NotFound | io::ErrorKind::NotADirectory => Self::Missing,
            io::ErrorKind::UnexpectedEof => Self::Damaged("it ends too early".to_owned()),
            io::ErrorKind::IsADirectory => Self::Damaged("it is a folder".to_owned()),
            _ if error.raw_os_error() == Some(DISK_ERROR) => Self::Damaged(error.to_string()),
            _ => Self::Unreadable(error),
        }
    }
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Missing => f.write_str("it is missing"),
            Self::Damaged(how) => write!(f, "it is damaged: {how}"),
            Self::Unreadable(error) => write!(f, "it cannot be read: {error}"),
            Self::Asked(what) => f.write_str(what),
        }
    }
}

impl Failure {
    fn into_error(self, location: &Path) -> Error {
        let source = self.to_string().into();
        match self {
            Self::Missing => Error::NotFound { path: location.to_string(), source },
            Self::Damaged(_) | Self::Unreadable(_) | Self::Asked(_) => {
                Error::Generic { store: "folder of the worker", source }
            }
        }
    }
}

/// A file that is open for a read.
#[derive(Debug, Clone)]
struct Tile {
    file: Arc<File>,
    sums: Arc<Sums>,
    meta: ObjectMeta,
}

/// Sums that were read lately, with the number of the last use.
#[derive(Debug, Default)]
struct Kept {
    sums: HashMap<Path, (Arc<Sums>, u64)>,
    uses: u64,
    bytes: usize,
}

/// The verified tiles of a folder. Its clones are the same.
#[derive(Debug, Clone)]
pub struct OwnTiles(Arc<Shared>);

#[derive(Debug)]
struct Shared {
    folder: Arc<Folder>,
    holdings: Arc<Holdings>,
    counters: Arc<Counters>,
    kept: Mutex<Kept>,
    /// Files that nothing repairs and that were told of.
    told: Told<Path>,
}

impl OwnTiles {
    /// The tiles of a folder.
    pub fn new(folder: Arc<Folder>, holdings: Arc<Holdings>, counters: Arc<Counters>) -> Self {
        let (kept, told) = (Mutex::default(), Told::default());
        Self(Arc::new(Shared { folder, holdings, counters, kept, told }))
    }

    /// Forgets what it knows of a file that was replaced.
    pub(crate) fn forget(&self, location: &Path) {
        self.0.kept.lock().unwrap_or_else(PoisonError::into_inner).remove(location);
    }

    /// Runs a read where it may block, and tells of what it finds wrong.
    async fn run<T: Send + 'static>(
        &self,
        location: &Path,
        read: impl FnOnce(&Shared, &Path) -> std::result::Result<T, Failure> + Send + 'static,
    ) -> Result<T> {
        let (shared, location) = (Arc::clone(&self.0), location.clone());
        let read = move || {
            read(&shared, &location).map_err(|failure| {
                shared.tell(&location, &failure);
                failure.into_error(&location)
            })
        };
        tokio::task::spawn_blocking(read).await?
    }

    /// The pieces of a range, each read when the one before was taken.
    fn pieces(
        &self,
        location: &Path,
        tile: Tile,
        range: Range<u64>,
    ) -> BoxStream<'static, Result<Bytes>> {
        let (own, location) = (self.clone(), location.clone());
        stream::try_unfold(range, move |range| {
            let (own, location, tile) = (own.clone(), location.clone(), tile.clone());
            async move {
                if range.is_empty() {
                    return Ok(None);
                }
                let end = (range.start / PIECE_BYTES + 1) * PIECE_BYTES;
                let now = range.start..end.min(range.end);
                let later = now.end..range.end;
                let piece = own.run(&location, move |_, _| tile.read(now)).await?;
                Ok(Some((piece, later)))
            }
        })
        .boxed()
    }
}

impl Shared {
    fn open(&self, location: &Path) -> std::result::Result<Tile, Failure> {
        let places = self.folder.places(location).ok_or(Failure::Missing)?;
        let file = File::open(&places.tile)?;
        let metadata = file.metadata()?;
        let kept = self.kept.lock().unwrap_or_else(PoisonError::into_inner).get(location);
        let sums = match kept {
            Some(sums) => sums,
            None => {
                let read = std::fs::read(&places.sums).map_err(|error| match error.kind() {
                    // A file that nobody copied here is no tile.
                    io::ErrorKind::NotFound if !self.holdings.is_assigned(location) => {
                        Failure::Missing
                    }
                    io::ErrorKind::NotFound => Failure::Damaged("its checksums are missing".into()),
                    _ => Failure::from(error),
                })?;
                let sums = Sums::decode(&read)
                    .ok_or_else(|| Failure::Damaged("its checksums are damaged".into()))?;
                let sums = Arc::new(sums);
                let mut kept = self.kept.lock().unwrap_or_else(PoisonError::into_inner);
                kept.insert(location, &sums);
                sums
            }
        };
        if metadata.len() != sums.bytes() {
            let (is, was) = (metadata.len(), sums.bytes());
            return Err(Failure::Damaged(format!("it has {is} bytes in place of {was}")));
        }
        let meta = ObjectMeta {
            location: location.clone(),
            last_modified: metadata.modified()?.into(),
            size: sums.bytes(),
            e_tag: Some(sums.etag()),
            version: None,
        };
        Ok(Tile { file: Arc::new(file), sums, meta })
    }

    /// Reports, counts and logs what is wrong with a file, once.
    fn tell(&self, location: &Path, failure: &Failure) {
        let is_news = match failure {
            Failure::Missing => self.holdings.gone(location),
            Failure::Damaged(_) => {
                self.holdings.damaged(location)
                    || !self.holdings.is_missing(location) && self.told.is_news(location.clone())
            }
            Failure::Unreadable(error) => {
                if self.told.is_news(location.clone()) {
                    tracing::warn!(tile = %location, %error, "a tile cannot be read");
                }
                false
            }
            Failure::Asked(_) => false,
        };
        if is_news {
            self.counters.damaged();
            let (worker, folder) = (self.holdings.name(), self.folder.root().display());
            tracing::warn!(
                tile = %location, %worker, %folder,
                "a tile of this worker is not whole: {failure}"
            );
        }
    }
}

impl Kept {
    fn get(&mut self, location: &Path) -> Option<Arc<Sums>> {
        self.uses += 1;
        let (sums, last) = self.sums.get_mut(location)?;
        *last = self.uses;
        Some(Arc::clone(sums))
    }

    fn insert(&mut self, location: &Path, sums: &Arc<Sums>) {
        self.remove(location);
        self.bytes += sums.weight();
        self.sums.insert(location.clone(), (Arc::clone(sums), self.uses));
        if self.bytes > SUMS_BYTES {
            // A quarter at once, so that looking for the oldest is rare.
            let mut by_use: Vec<(u64, Path)> =
                self.sums.iter().map(|(path, (_, last))| (*last, path.clone())).collect();
            by_use.sort_unstable_by_key(|(last, _)| *last);
            for (_, path) in by_use.drain(..by_use.len().div_ceil(4)) {
                self.remove(&path);
            }
        }
    }

    fn remove(&mut self, location: &Path) {
        if let Some((sums, _)) = self.sums.remove(location) {
            self.bytes -= sums.weight();
        }
    }
}

impl Tile {
    /// The verified bytes of one range within the file.
    fn read(&self, range: Range<u64>) -> std::result::Result<Bytes, Failure> {
        let read = self.read_all(std::slice::from_ref(&range))?;
        Ok(read.into_iter().next().unwrap_or_default())
    }

    /// The verified bytes of ranges. Those that share or touch blocks are read at once.
    fn read_all(&self, ranges: &[Range<u64>]) -> std::result::Result<Vec<Bytes>, Failure> {
        let spans = spans(ranges, self.meta.size)?;
        let blocks = spans.iter().map(|span| self.read_blocks(span));
        let blocks: Vec<Bytes> = blocks.collect::<std::result::Result<_, Failure>>()?;
        let cut = ranges.iter().map(|range| {
            if range.is_empty() {
                return Ok(Bytes::new());
            }
            let after = spans.partition_point(|span| span.start <= range.start);
            let at = after.saturating_sub(1);
            let start = memory_size(range.start - spans[at].start)?;
            Ok(blocks[at].slice(start..start + memory_size(range.end - range.start)?))
        });
        cut.collect()
    }

    /// The verified bytes of whole blocks.
    fn read_blocks(&self, span: &Range<u64>) -> std::result::Result<Bytes, Failure> {
        let mut data = vec![0; memory_size(span.end - span.start)?];
        self.file.read_exact_at(&mut data, span.start)?;
        match self.sums.damaged(span.start / BLOCK_BYTES, &data) {
            None => Ok(data.into()),
            Some(block) => {
                let (first, last) = (block * BLOCK_BYTES, (block + 1) * BLOCK_BYTES);
                let last = last.min(self.meta.size) - 1;
                Err(Failure::Damaged(format!("its bytes {first} to {last} have changed")))
            }
        }
    }
}

fn memory_size(bytes: u64) -> std::result::Result<usize, Failure> {
    usize::try_from(bytes)
        .map_err(|_| Failure::Asked(format!("{bytes} bytes do not fit into memory")))
}

/// The runs of blocks that hold ranges of a file of this size, in order and apart.
fn spans(ranges: &[Range<u64>], size: u64) -> std::result::Result<Vec<Range<u64>>, Failure> {
    let mut spans = Vec::with_capacity(ranges.len());
    for range in ranges {
        if range.start > range.end || range.end > size {
            let Range { start, end } = range;
            return Err(Failure::Asked(format!(
                "there are no bytes from {start} to {end} in a file of {size}"
            )));
        }
        if !range.is_empty() {
            let (first, last) = (range.start / BLOCK_BYTES, range.end.div_ceil(BLOCK_BYTES));
            spans.push(first * BLOCK_BYTES..(last * BLOCK_BYTES).min(size));
        }
    }
    spans.sort_unstable_by_key(|span| span.start);
    let mut apart: Vec<Range<u64>> = Vec::with_capacity(spans.len());
    for span in spans {
        match apart.last_mut() {
            Some(before) if span.start <= before.end => before.end = before.end.max(span.end),
            _ => apart.push(span),
        }
    }
    Ok(apart)
}

impl fmt::Display for OwnTiles {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "OwnTiles({})", self.0.folder.root().display())
    }
}

#[async_trait]
impl Reads for OwnTiles {
    async fn get_opts(&self, location: &Path, options: GetOptions) -> Result<GetResult> {
        let (range, head) = (options.range.clone(), options.head);
        let opened = self.run(location, move |shared, location| {
            let tile = shared.open(location)?;
            let range = match range {
                None => 0..tile.meta.size,
                Some(range) => {
                    let within = range.as_range(tile.meta.size);
                    within.map_err(|error| Failure::Asked(error.to_string()))?
                }
            };
            // The first piece at once: then a file damaged there is no answer at all.
            let end = (range.start / PIECE_BYTES + 1) * PIECE_BYTES;
            let now = range.start..end.min(range.end);
            let first = if head { Bytes::new() } else { tile.read(now.clone())? };
            Ok((tile, range, now.end, first))
        });
        let (tile, range, next, first) = opened.await?;
        let meta = tile.meta.clone();
        options.check_preconditions(&meta)?;
        let payload = if head {
            stream::empty().boxed()
        } else {
            let rest = self.pieces(location, tile, next..range.end);
            stream::once(async { Ok(first) }).chain(rest).boxed()
        };
        let (payload, attributes) = (GetResultPayload::Stream(payload), Attributes::default());
        Ok(GetResult { payload, meta, range, attributes })
    }

    async fn get_ranges(&self, location: &Path, ranges: &[Range<u64>]) -> Result<Vec<Bytes>> {
        let ranges = ranges.to_vec();
        self.run(location, move |shared, location| shared.open(location)?.read_all(&ranges)).await
    }
}
