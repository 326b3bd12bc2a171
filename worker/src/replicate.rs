//! Copies one tile into a worker's own folder, from the first place that has it whole.
//!
//! A copy has a temporary name until its size, its Parquet magic at both ends and, from a peer, its
//! checksum are right and it is on the disk; its own sums, computed on the way, are there before it.
//! So a worker that is killed while it copies never serves half a tile. A peer reads its tile
//! verified and tells its checksum as entity tag; an origin has nothing to compare with, and a file
//! that is torn there shows by its size or its end.

use std::fs::File;
use std::io::{self, Read as _, Write as _};
use std::path::Path as FilePath;
use std::sync::Arc;

use bytes::Bytes;
use object_store::path::Path;
use object_store::{Error as StoreError, GetOptions, ObjectStore, Result as StoreResult};

use crate::Error;
use crate::checksum::{Summing, Sums};
use crate::counters::Source;
use crate::elsewhere::{Elsewhere, Place, reason};
use crate::folder::{Folder, Partial, write_error};

/// A tile is read in pieces of so many bytes.
const PIECE_BYTES: u64 = 4 * 1024 * 1024;

/// How a Parquet file begins and ends.
const MAGIC: &[u8] = b"PAR1";

/// A file and its size.
#[derive(Debug, Clone)]
pub(crate) struct Wanted {
    pub(crate) path: Path,
    pub(crate) bytes: u64,
}

/// Copies a file and tells where it came from.
///
/// # Errors
/// When no place has it whole, or the folder cannot be written.
pub(crate) async fn copy(
    wanted: &Wanted,
    elsewhere: &Elsewhere,
    folder: &Arc<Folder>,
) -> Result<Source, Error> {
    let mut reasons = Vec::new();
    for place in elsewhere.places(&wanted.path) {
        match copy_from(wanted, elsewhere, &place, folder).await {
            Ok(()) => return Ok(place.source()),
            Err(Failure::Place(error)) => {
                reasons.push(format!("{}: {}", elsewhere.name(&place), reason(&error)));
            }
            // The next place could not be written here either.
            Err(Failure::Here(error)) => return Err(error),
        }
    }
    Err(Error::Copy { tile: wanted.path.to_string(), reasons: reasons.join("; ") })
}

enum Failure {
    Place(StoreError),
    Here(Error),
}

/// A copy that is being written.
struct Copy {
    partial: Partial,
    file: File,
    sums: Summing,
    /// The last bytes, as many as the magic has.
    end: Vec<u8>,
}

impl Copy {
    fn begin(partial: Partial) -> Result<Self, Error> {
        let file = File::create(partial.path());
        let file = file.map_err(|source| write_error(partial.path(), source))?;
        Ok(Self { partial, file, sums: Summing::default(), end: Vec::new() })
    }

    fn append(mut self, piece: &[u8]) -> Result<Self, Error> {
        let written = self.file.write_all(piece);
        written.map_err(|source| write_error(self.partial.path(), source))?;
        self.sums.update(piece);
        self.end.extend_from_slice(&piece[piece.len().saturating_sub(MAGIC.len())..]);
        self.end.drain(..self.end.len().saturating_sub(MAGIC.len()));
        Ok(self)
    }
}

async fn copy_from(
    wanted: &Wanted,
    elsewhere: &Elsewhere,
    place: &Place,
    folder: &Arc<Folder>,
) -> Result<(), Failure> {
    let places = folder.places(&wanted.path).ok_or_else(|| {
        Failure::Here(Error::Malformed {
            path: wanted.path.as_ref().into(),
            reason: "it is no location of a tile".to_owned(),
        })
    })?;
    let partial = folder.new_partial().map_err(Failure::Here)?;
    let mut copy = blocking(move || Copy::begin(partial)).await?;
    let mut position = 0;
    let mut etag = None;
    while position < wanted.bytes {
        let range = position..(position + PIECE_BYTES).min(wanted.bytes);
        position = range.end;
        let ask = |store| read_piece(store, wanted, range);
        let asked = elsewhere.ask(place, &wanted.path, ask).await;
        let (piece, told) = asked.map_err(Failure::Place)?;
        etag = told;
        copy = blocking(move || copy.append(&piece)).await?;
    }
    let Copy { partial, file, sums, end } = copy;
    let sums = sums.finish();
    let wrong = |text: &str| {
        let error = failure(text.to_owned());
        elsewhere.note(place, &wanted.path, &error);
        Failure::Place(error)
    };
    if end != MAGIC {
        return Err(wrong("it does not end as a Parquet file"));
    }
    // Other tags than ours say nothing about the content.
    if etag.is_some_and(|etag| etag.starts_with("\"armilla-") && etag != sums.etag()) {
        return Err(wrong("what arrived has another checksum than what the peer holds"));
    }
    let folder = Arc::clone(folder);
    blocking(move || {
        file.sync_all().map_err(|source| write_error(partial.path(), source))?;
        folder.write_sums(&places, &sums)?;
        partial.rename(&places.tile)
    })
    .await
}

/// One piece of a tile, and the entity tag of the whole.
async fn read_piece(
    store: Arc<dyn ObjectStore>,
    wanted: &Wanted,
    range: std::ops::Range<u64>,
) -> StoreResult<(Bytes, Option<String>)> {
    let is_first = range.start == 0;
    let options = GetOptions::new().with_range(Some(range.clone()));
    let found = store.get_opts(&wanted.path, options).await?;
    if found.meta.size != wanted.bytes {
        let (found, wanted) = (found.meta.size, wanted.bytes);
        return Err(failure(format!("it has {found} bytes in place of {wanted}")));
    }
    let etag = found.meta.e_tag.clone();
    let piece = found.bytes().await?;
    if piece.len() as u64 != range.end - range.start {
        return Err(failure(format!("it ended within bytes {} to {}", range.start, range.end)));
    }
    if is_first && !piece.starts_with(MAGIC) {
        return Err(failure("it does not begin as a Parquet file".to_owned()));
    }
    Ok((piece, etag))
}

fn failure(text: String) -> StoreError {
    StoreError::Generic { store: "tile", source: text.into() }
}

async fn blocking<T: Send + 'static>(
    work: impl FnOnce() -> Result<T, Error> + Send + 'static,
) -> Result<T, Failure> {
    let done = tokio::task::spawn_blocking(work).await;
    done.unwrap_or_else(|error| Err(Error::Task(error))).map_err(Failure::Here)
}

/// Takes over a tile of a former release: reads it once and writes its sums. Whether it is one.
///
/// # Errors
/// When the folder cannot be written.
pub(crate) fn take_over(wanted: &Wanted, folder: &Folder) -> Result<bool, Error> {
    let Some(places) = folder.places(&wanted.path) else { return Ok(false) };
    let Ok(Some(sums)) = sum(&places.tile) else { return Ok(false) };
    if sums.bytes() != wanted.bytes {
        return Ok(false);
    }
    folder.write_sums(&places, &sums)?;
    Ok(true)
}

/// The sums of a file, if it looks like Parquet.
fn sum(path: &FilePath) -> io::Result<Option<Sums>> {
    let mut file = File::open(path)?;
    let mut sums = Summing::default();
    let (mut piece, mut end) = (vec![0; 1 << 20], Vec::new());
    let mut is_first = true;
    loop {
        let read = file.read(&mut piece)?;
        if read == 0 {
            return Ok((end == MAGIC).then(|| sums.finish()));
        }
        if std::mem::take(&mut is_first) && !piece[..read].starts_with(MAGIC) {
            return Ok(None);
        }
        sums.update(&piece[..read]);
        end.extend_from_slice(&piece[read.saturating_sub(MAGIC.len())..read]);
        end.drain(..end.len().saturating_sub(MAGIC.len()));
    }
}
