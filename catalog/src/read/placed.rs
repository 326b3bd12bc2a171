//! The bytes of a Parquet file by their place, on disk or in a store.
//!
//! A file is read column by column, a page at a time, and all columns advance together. In a store
//! each column of a row group has a window, so that a request brings many pages; all windows
//! together have a bound, however many columns there are.

use std::collections::HashMap;
use std::fs::File;
use std::io::{self, BufReader, Read};
use std::ops::Range;
use std::sync::{Arc, Mutex, OnceLock, PoisonError};

use bytes::Bytes;
use datafusion::parquet::errors::{ParquetError, Result};
use datafusion::parquet::file::metadata::ParquetMetaData;
use datafusion::parquet::file::reader::{ChunkReader, Length};

use super::remote::RemoteFile;

/// All windows together.
const WINDOWS_BYTES: u64 = 128 << 20;
/// A window has at least so many bytes, …
const WINDOW_LEAST_BYTES: u64 = 128 << 10;
/// … and at most so many.
const WINDOW_MOST_BYTES: u64 = 4 << 20;
/// The end of a file, where its footer is, is read at once.
const TAIL_BYTES: u64 = 256 << 10;

/// Where the bytes of a Parquet file are. Its clones are the same.
#[derive(Debug, Clone)]
pub(super) enum Placed {
    Disk(Arc<File>),
    Store(Arc<Windows>),
}

/// A file in a store.
#[derive(Debug)]
pub(super) struct Windows {
    file: RemoteFile,
    /// Where chunks of columns begin and end, ascending, and the numbers of their columns; none
    /// until the footer was read.
    chunks: OnceLock<Vec<(Range<u64>, usize)>>,
    /// The newest window of each column: its place and its bytes.
    windows: Mutex<HashMap<Option<usize>, (u64, Bytes)>>,
}

impl Windows {
    pub(super) fn new(file: RemoteFile) -> Self {
        Self { file, chunks: OnceLock::new(), windows: Mutex::default() }
    }

    fn know(&self, metadata: &ParquetMetaData) {
        let groups =
            metadata.row_groups().iter().flat_map(|group| group.columns().iter().enumerate());
        let mut chunks: Vec<(Range<u64>, usize)> = groups
            .map(|(column, chunk)| {
                let (start, bytes) = chunk.byte_range();
                (start..start.saturating_add(bytes), column)
            })
            .collect();
        chunks.sort_unstable_by_key(|(range, _)| range.start);
        // Told before, it was told the same.
        let _known = self.chunks.set(chunks);
    }

    /// The bytes from a place on: at least so many, and what else is in the window.
    fn at(&self, place: u64, least: u64) -> io::Result<Bytes> {
        let wanted = place..place + least;
        if wanted.end > self.file.bytes() {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
        let chunks = self.chunks.get().map_or(&[][..], Vec::as_slice);
        let chunk = chunks.partition_point(|(range, _)| range.start <= place).checked_sub(1);
        let chunk = chunk.map(|at| &chunks[at]).filter(|(range, _)| place < range.end);
        let column = chunk.map(|(_, column)| *column);
        let mut windows = self.windows.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some((start, bytes)) = windows.get(&column)
            && *start <= wanted.start
            && wanted.end <= *start + bytes.len() as u64
        {
            return Ok(cut(*start, bytes, place));
        }
        let range = match chunk {
            Some((range, _)) => {
                let columns = chunks.iter().map(|(_, column)| column + 1).max().unwrap_or(1) as u64;
                let window = (WINDOWS_BYTES / columns).clamp(WINDOW_LEAST_BYTES, WINDOW_MOST_BYTES);
                place..(place + window).min(range.end).max(wanted.end)
            }
            None => {
                let tail = self.file.bytes().saturating_sub(TAIL_BYTES);
                if place >= tail { tail..self.file.bytes() } else { wanted }
            }
        };
        let bytes = self.file.fetch(range.clone())?;
        let answer = cut(range.start, &bytes, place);
        windows.insert(column, (range.start, bytes));
        Ok(answer)
    }
}

/// The bytes of a window from a place in the file on.
fn cut(start: u64, bytes: &Bytes, place: u64) -> Bytes {
    let skipped = usize::try_from(place - start).unwrap_or(usize::MAX).min(bytes.len());
    bytes.slice(skipped..)
}

impl Placed {
    /// Tells where the columns of the file are.
    pub(super) fn know(&self, metadata: &ParquetMetaData) {
        if let Self::Store(windows) = self {
            windows.know(metadata);
        }
    }
}

impl Length for Placed {
    fn len(&self) -> u64 {
        match self {
            Self::Disk(file) => file.len(),
            Self::Store(windows) => windows.file.bytes(),
        }
    }
}

impl ChunkReader for Placed {
    type T = Box<dyn Read>;

    fn get_read(&self, start: u64) -> Result<Self::T> {
        Ok(match self {
            Self::Disk(file) => {
                let reader: BufReader<File> = file.get_read(start)?;
                Box::new(reader)
            }
            Self::Store(windows) => Box::new(Walk { windows: Arc::clone(windows), place: start }),
        })
    }

    fn get_bytes(&self, start: u64, length: usize) -> Result<Bytes> {
        match self {
            Self::Disk(file) => file.get_bytes(start, length),
            Self::Store(windows) => {
                let bytes = windows.at(start, length as u64);
                bytes.map(|b| b.slice(..length)).map_err(|e| ParquetError::External(Box::new(e)))
            }
        }
    }
}

/// A walk through a file in a store.
struct Walk {
    windows: Arc<Windows>,
    place: u64,
}

impl Read for Walk {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        if buffer.is_empty() || self.place >= self.windows.file.bytes() {
            return Ok(0);
        }
        let bytes = self.windows.at(self.place, 1)?;
        let count = buffer.len().min(bytes.len());
        buffer[..count].copy_from_slice(&bytes[..count]);
        self.place += count as u64;
        Ok(count)
    }
}
