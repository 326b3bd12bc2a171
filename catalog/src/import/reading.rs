//! The rows of an import, read and made ready on all threads and handed out in order.
//!
//! A part is a file, or row groups of a Parquet file. Threads read parts ahead of the one that is
//! taken, as far as memory allows.

use datafusion::arrow::array::RecordBatch;

use super::inputs::{InputFile, Inputs};
use crate::Error;
use crate::read::{self, FilePart, ReadError, ReadOptions, TableReader};
use crate::write::parallel;

/// How rows are read.
#[derive(Debug, Clone, Copy)]
pub(super) struct Reading {
    pub(super) threads: usize,
    /// Bytes of rows that are ready and not taken.
    pub(super) ahead_bytes: usize,
}

/// Rows that were made ready, and where the next ones are.
#[derive(Debug)]
pub(super) struct Taken<T> {
    pub(super) ready: T,
    /// After these rows.
    pub(super) place: Place,
    /// Bytes of all files that were read.
    pub(super) bytes: u64,
}

/// A place between two batches.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) struct Place {
    /// Parts that were read to their end.
    pub(super) part: usize,
    /// Batches of the one after them.
    pub(super) batch: u64,
}

/// What a thread hands on.
enum Message<T> {
    Rows(Taken<T>),
    Remark(String),
    Failed(Error),
}

/// A file, or what can be read of one by itself.
struct Part<'a> {
    file: &'a InputFile,
    rows: Option<&'a FilePart>,
    /// Whether it is the first of its file.
    is_first: bool,
    /// Bytes of all parts before.
    before: u64,
    /// Bytes of the part, about.
    bytes: u64,
}

impl Inputs {
    /// Hands out the rows from a place on, which `ready` has made of those of the files on some
    /// thread, with their bytes in memory; what was said of the files.
    ///
    /// # Errors
    /// The first one of reading, of `ready` or of `take`.
    pub(super) fn read<T: Send>(
        &self,
        from: Place,
        reading: Reading,
        ready: impl Fn(RecordBatch) -> Result<(T, usize), Error> + Sync,
        mut take: impl FnMut(Taken<T>) -> Result<(), Error>,
    ) -> Result<Vec<String>, Error> {
        let parts = self.parts();
        let rest = parts.get(from.part..).unwrap_or_default();
        let make = |number: usize, put: &mut dyn FnMut(Message<T>, usize) -> bool| {
            let batch = if number == 0 { from.batch } else { 0 };
            let from = Place { part: from.part + number, batch };
            if let Err(error) = self.read_part(&rest[number], from, &ready, put) {
                put(Message::Failed(error), 0);
            }
        };
        let mut remarks = Vec::new();
        let Reading { threads, ahead_bytes } = reading;
        parallel::in_order(rest.len(), threads, ahead_bytes, make, |message| {
            match message {
                Message::Rows(taken) => take(taken)?,
                Message::Remark(remark) => remarks.push(remark),
                Message::Failed(error) => return Err(error),
            }
            Ok(())
        })?;
        Ok(remarks)
    }

    /// All parts of all files.
    fn parts(&self) -> Vec<Part<'_>> {
        let (mut parts, mut before) = (Vec::new(), 0);
        for file in &self.files {
            let rows: u64 = file.parts.iter().map(|part| part.rows).sum();
            let whole = [None];
            let of_file: Vec<Option<&FilePart>> = file.parts.iter().map(Some).collect();
            let of_file = if of_file.is_empty() { &whole[..] } else { &of_file };
            let start = before;
            for (number, part) in of_file.iter().enumerate() {
                let bytes = part.map_or(file.bytes, |part| share(file.bytes, part.rows, rows));
                parts.push(Part { file, rows: *part, is_first: number == 0, before, bytes });
                before += bytes;
            }
            before = start + file.bytes;
        }
        parts
    }

    /// Reads a part from a place in it on.
    fn read_part<T>(
        &self,
        part: &Part<'_>,
        from: Place,
        ready: &impl Fn(RecordBatch) -> Result<(T, usize), Error>,
        put: &mut dyn FnMut(Message<T>, usize) -> bool,
    ) -> Result<(), Error> {
        let mut reader = part.open(&self.options)?;
        let mut place = Place { batch: 0, ..from };
        while let Some(rows) = reader.next() {
            let rows = self.taken(&rows?, part.file)?;
            place.batch += 1;
            if place.batch <= from.batch {
                continue;
            }
            let done = match part.rows {
                Some(all) => share(part.bytes, reader.progress().rows, all.rows),
                None => reader.progress().bytes,
            };
            let (ready, bytes_ready) = ready(rows)?;
            let bytes = part.before + done.min(part.bytes);
            if !put(Message::Rows(Taken { ready, place, bytes }), bytes_ready) {
                return Ok(());
            }
        }
        for remark in reader.remarks().iter().filter(|_| part.is_first) {
            put(Message::Remark(format!("{}: {remark}", part.file.name())), 0);
        }
        Ok(())
    }
}

impl Part<'_> {
    fn open(&self, options: &ReadOptions) -> Result<Box<dyn TableReader>, ReadError> {
        match self.rows {
            Some(rows) => read::open_part(self.file.at.clone(), options, rows),
            None => read::open_at(self.file.at.clone(), options),
        }
    }
}

/// So many of `rows` of something that has `bytes` for `all`.
fn share(bytes: u64, rows: u64, all: u64) -> u64 {
    let share = u128::from(bytes) * u128::from(rows) / u128::from(all.max(1));
    u64::try_from(share).unwrap_or(u64::MAX)
}
