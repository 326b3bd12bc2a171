//! The heap of a binary table: arrays of variable length, which rows point into (FITS 4.0 §7.3.5).

use std::fs::File;
use std::io;
use std::os::unix::fs::FileExt;

use crate::read::source::CELL_MAX_BYTES;

/// Arrays of neighboring rows lie side by side: so many bytes are read at a time.
const WINDOW_BYTES: usize = 1 << 20;

/// Bytes that rows point into.
#[derive(Debug)]
pub(super) struct Heap {
    file: File,
    /// Where it begins in the file, and its size.
    start: u64,
    size: u64,
    window: Vec<u8>,
    window_at: u64,
}

/// Why there is no array.
#[derive(Debug)]
pub(super) enum HeapError {
    Io(io::Error),
    Wrong(String),
}

impl Heap {
    pub(super) fn new(file: File, start: u64, size: u64) -> Self {
        Self { file, start, size, window: Vec::new(), window_at: 0 }
    }

    /// The bytes at a place of the heap.
    pub(super) fn bytes(&mut self, at: u64, size: usize) -> Result<&[u8], HeapError> {
        let end = at.checked_add(size as u64).filter(|end| *end <= self.size);
        if end.is_none() {
            let reason = format!("its {size} bytes at {at} lie beyond the heap of {}", self.size);
            return Err(HeapError::Wrong(reason));
        }
        if size > CELL_MAX_BYTES {
            let limit = CELL_MAX_BYTES >> 20;
            return Err(HeapError::Wrong(format!("the array is larger than {limit} MiB")));
        }
        let inside = at.checked_sub(self.window_at).and_then(|from| usize::try_from(from).ok());
        let inside = inside.filter(|from| from + size <= self.window.len());
        let from = match inside {
            Some(from) => from,
            None => {
                let rest = usize::try_from(self.size - at).unwrap_or(usize::MAX);
                self.window.resize(WINDOW_BYTES.max(size).min(rest), 0);
                // Emptied first: what a failed reading leaves must not be taken for bytes.
                let mut window = std::mem::take(&mut self.window);
                self.file.read_exact_at(&mut window, self.start + at).map_err(HeapError::Io)?;
                (self.window, self.window_at) = (window, at);
                0
            }
        };
        Ok(&self.window[from..from + size])
    }
}
