//! Rows in runs that are sorted by the spatial index: the last in memory, the others in files.
//!
//! Whatever order rows come in, so many bytes of them are sorted at a time, and reading a part of
//! the sky means reading the few chunks of each run that overlap with it. A sky that fits within
//! the limit never touches the disk.

use std::fs::File;
use std::ops::{Range, RangeInclusive};
use std::path::PathBuf;

use datafusion::arrow::array::{Array, AsArray, RecordBatch};
use datafusion::arrow::compute::interleave_record_batch;
use datafusion::arrow::datatypes::{Int64Type, SchemaRef};
use datafusion::arrow::ipc::reader::FileReader;
use datafusion::arrow::ipc::writer::FileWriter;

use crate::Error;
use crate::write::parallel;

/// Rows of a chunk: few enough that the chunks on the edges of a tile are small beside it.
const CHUNK_ROWS: usize = 8_192;
/// Rows that one thread sorts at a time, more or less.
const PIECE_ROWS: usize = 1 << 18;
/// Pieces at most: each looks at the indices of all rows.
const PIECES_MAX: usize = 64;
/// Each so manyth row says how a run is divided into pieces.
const SAMPLE: usize = 1 << 10;

/// Rows whose first column is the spatial index.
#[derive(Debug)]
pub(super) struct Runs {
    schema: SchemaRef,
    folder: PathBuf,
    /// Bytes that are sorted at a time.
    limit_bytes: usize,
    threads: usize,
    waiting: Vec<RecordBatch>,
    waiting_bytes: usize,
    runs: Vec<Run>,
}

#[derive(Debug)]
struct Run {
    /// First and last spatial index of each chunk.
    chunks: Vec<(u64, u64)>,
    rows: Rows,
}

#[derive(Debug)]
enum Rows {
    Memory(Vec<RecordBatch>),
    File(PathBuf),
}

/// The spatial index of each row, which the writer has made sure is there and not negative.
pub(super) fn spatial_index(batch: &RecordBatch) -> &[i64] {
    batch.column(0).as_primitive::<Int64Type>().values()
}

fn unsigned(spatial_index: i64) -> u64 {
    spatial_index.cast_unsigned()
}

/// The bytes of the rows of a batch, whatever buffers they are part of.
pub(super) fn bytes(batch: &RecordBatch) -> usize {
    let columns = batch.columns().iter();
    let size = |column: &dyn Array| column.to_data().get_slice_memory_size();
    columns.map(|c| size(c.as_ref()).unwrap_or_else(|_| c.get_array_memory_size())).sum()
}

impl Runs {
    pub(super) fn new(
        schema: SchemaRef,
        folder: PathBuf,
        limit_bytes: usize,
        threads: usize,
    ) -> Self {
        let (waiting, runs) = (Vec::new(), Vec::new());
        Self { schema, folder, limit_bytes, threads, waiting, waiting_bytes: 0, runs }
    }

    /// Takes over runs on disk that are complete, and hands out the spatial indices of their rows.
    pub(super) fn keep(&mut self, count: usize, mut seen: impl FnMut(&[i64])) -> Result<(), Error> {
        for number in 0..count {
            let path = self.path(number);
            let failed = |e| Error::write(&path, e);
            let file = File::open(&path).map_err(|e| Error::write(&path, e))?;
            let mut chunks = Vec::new();
            for chunk in FileReader::try_new(file, Some(vec![0])).map_err(failed)? {
                let chunk = chunk.map_err(failed)?;
                let index = spatial_index(&chunk);
                if let (Some(first), Some(last)) = (index.first(), index.last()) {
                    chunks.push((unsigned(*first), unsigned(*last)));
                }
                seen(index);
            }
            self.runs.push(Run { chunks, rows: Rows::File(path) });
        }
        Ok(())
    }

    /// Runs on disk.
    pub(super) fn on_disk(&self) -> usize {
        self.runs.len()
    }

    fn path(&self, run: usize) -> PathBuf {
        self.folder.join(format!("run{run}.arrow"))
    }

    /// Adds rows, of which these are the bytes.
    pub(super) fn push(&mut self, batch: RecordBatch, bytes: usize) -> Result<(), Error> {
        self.waiting.push(batch);
        self.waiting_bytes += bytes;
        if self.waiting_bytes < self.limit_bytes {
            return Ok(());
        }
        let path = self.path(self.runs.len());
        let file = File::create(&path).map_err(|e| Error::write(&path, e))?;
        let mut writer =
            FileWriter::try_new(file, &self.schema).map_err(|e| Error::write(&path, e))?;
        let chunks = self.sort(|chunk| writer.write(&chunk).map_err(|e| Error::write(&path, e)))?;
        writer.finish().map_err(|e| Error::write(&path, e))?;
        self.runs.push(Run { chunks, rows: Rows::File(path) });
        Ok(())
    }

    /// Says that all rows are there.
    pub(super) fn finish(&mut self) -> Result<(), Error> {
        let mut rows = Vec::new();
        let chunks = self.sort(|chunk| {
            rows.push(chunk);
            Ok(())
        })?;
        self.runs.push(Run { chunks, rows: Rows::Memory(rows) });
        Ok(())
    }

    /// Takes the waiting rows, sorted and in chunks; first and last spatial index of each chunk.
    fn sort(
        &mut self,
        mut take: impl FnMut(RecordBatch) -> Result<(), Error>,
    ) -> Result<Vec<(u64, u64)>, Error> {
        let waiting = std::mem::take(&mut self.waiting);
        self.waiting_bytes = 0;
        let pieces = if is_ascending(&waiting) { vec![0..=i64::MAX] } else { pieces(&waiting) };
        let mut chunks = Vec::new();
        let bytes_max = self.limit_bytes / 8;
        let make =
            |piece: usize, put: &mut dyn FnMut(Result<RecordBatch, Error>, usize) -> bool| {
                let range = &pieces[piece];
                let sorted = sorted_within(&waiting, range, CHUNK_ROWS, |chunk| {
                    let bytes = bytes(&chunk);
                    Ok(put(Ok(chunk), bytes))
                });
                if let Err(error) = sorted {
                    put(Err(error), 0);
                }
            };
        parallel::in_order(pieces.len(), self.threads, bytes_max, make, |chunk| {
            let chunk = chunk?;
            let index = spatial_index(&chunk);
            if let (Some(first), Some(last)) = (index.first(), index.last()) {
                chunks.push((unsigned(*first), unsigned(*last)));
                take(chunk)?;
            }
            Ok::<(), Error>(())
        })?;
        Ok(chunks)
    }

    /// The rows in these ranges of the spatial index, which are ascending and disjoint: slices of
    /// chunks, each within one range, equal indices in the order in which they came.
    pub(super) fn gather(&self, ranges: &[Range<u64>]) -> Result<Vec<RecordBatch>, Error> {
        let mut slices = Vec::new();
        for run in &self.runs {
            let mut reader = None;
            for (number, (first, last)) in run.chunks.iter().enumerate() {
                let from = ranges.partition_point(|range| range.end <= *first);
                let end = ranges.partition_point(|range| range.start <= *last);
                if from >= end {
                    continue;
                }
                let chunk = run.chunk(number, &mut reader)?;
                let index = spatial_index(&chunk);
                for range in &ranges[from..end] {
                    let start = index.partition_point(|at| unsigned(*at) < range.start);
                    let end = index.partition_point(|at| unsigned(*at) < range.end);
                    if start < end {
                        slices.push(chunk.slice(start, end - start));
                    }
                }
            }
        }
        Ok(slices)
    }
}

impl Run {
    fn chunk(
        &self,
        number: usize,
        reader: &mut Option<FileReader<File>>,
    ) -> Result<RecordBatch, Error> {
        let path = match &self.rows {
            Rows::Memory(chunks) => return Ok(chunks[number].clone()),
            Rows::File(path) => path,
        };
        if reader.is_none() {
            let file = File::open(path).map_err(|e| Error::write(path, e))?;
            *reader = Some(FileReader::try_new(file, None).map_err(|e| Error::write(path, e))?);
        }
        let cut_short = || Error::write(path, std::io::Error::other("it was cut short"));
        let reader = reader.as_mut().ok_or_else(cut_short)?;
        reader.set_index(number).map_err(|e| Error::write(path, e))?;
        reader.next().ok_or_else(cut_short)?.map_err(|e| Error::write(path, e))
    }
}

fn is_ascending(batches: &[RecordBatch]) -> bool {
    let mut last = i64::MIN;
    batches.iter().all(|batch| {
        spatial_index(batch).iter().all(|at| {
            let follows = last <= *at;
            last = *at;
            follows
        })
    })
}

/// Ranges of the spatial index, together all of it, with about as many rows each. They follow from
/// the rows alone, so that the number of threads changes nothing.
fn pieces(batches: &[RecordBatch]) -> Vec<RangeInclusive<i64>> {
    let rows: usize = batches.iter().map(RecordBatch::num_rows).sum();
    let mut sample: Vec<i64> = batches
        .iter()
        .flat_map(|batch| spatial_index(batch).iter().step_by(SAMPLE))
        .copied()
        .collect();
    sample.sort_unstable();
    let count = rows.div_ceil(PIECE_ROWS).clamp(1, PIECES_MAX);
    let mut starts: Vec<i64> =
        (1..count).filter_map(|piece| sample.get(piece * sample.len() / count)).copied().collect();
    starts.dedup();
    starts.retain(|start| *start > 0);
    let ends = starts.iter().map(|start| start - 1).chain([i64::MAX]);
    [0].into_iter().chain(starts.iter().copied()).zip(ends).map(|(from, to)| from..=to).collect()
}

/// Hands out rows sorted by the spatial index, at most so many at a time; equal indices stay in
/// the order in which they came.
pub(super) fn sorted(
    batches: &[RecordBatch],
    rows_max: usize,
    mut take: impl FnMut(RecordBatch) -> Result<(), Error>,
) -> Result<(), Error> {
    sorted_within(batches, &(0..=i64::MAX), rows_max, |rows| take(rows).map(|()| true))
}

/// The same of the rows with an index in a range, until `take` says no.
fn sorted_within(
    batches: &[RecordBatch],
    range: &RangeInclusive<i64>,
    rows_max: usize,
    mut take: impl FnMut(RecordBatch) -> Result<bool, Error>,
) -> Result<(), Error> {
    if *range == (0..=i64::MAX) && is_ascending(batches) {
        for batch in batches {
            for start in (0..batch.num_rows()).step_by(rows_max) {
                if !take(batch.slice(start, rows_max.min(batch.num_rows() - start)))? {
                    return Ok(());
                }
            }
        }
        return Ok(());
    }
    let mut places: Vec<(i64, u32, u32)> = Vec::new();
    for (number, batch) in (0_u32..).zip(batches) {
        let rows = (0_u32..).zip(spatial_index(batch)).filter(|(_, at)| range.contains(at));
        places.extend(rows.map(|(row, at)| (*at, number, row)));
    }
    places.sort_unstable();
    let references: Vec<&RecordBatch> = batches.iter().collect();
    let whole = |number: u32| usize::try_from(number).unwrap_or(usize::MAX);
    for part in places.chunks(rows_max) {
        let rows: Vec<(usize, usize)> =
            part.iter().map(|(_, batch, row)| (whole(*batch), whole(*row))).collect();
        let sorted = interleave_record_batch(&references, &rows);
        if !take(sorted.map_err(|e| Error::compute("sort rows", e))?)? {
            return Ok(());
        }
    }
    Ok(())
}
