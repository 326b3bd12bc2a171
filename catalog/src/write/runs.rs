//! Rows in runs that are sorted by the spatial index: the last in memory, the others in files.
//!
//! Whatever order rows come in, so many bytes of them are sorted at a time, and reading a part of
//! the sky means reading the few chunks of each run that overlap with it. A sky that fits within
//! the limit never touches the disk.

use std::fs::File;
use std::ops::Range;
use std::path::PathBuf;

use datafusion::arrow::array::{Array, AsArray, RecordBatch};
use datafusion::arrow::compute::interleave_record_batch;
use datafusion::arrow::datatypes::{Int64Type, SchemaRef};
use datafusion::arrow::ipc::reader::FileReader;
use datafusion::arrow::ipc::writer::FileWriter;

use crate::Error;

/// Rows of a chunk: few enough that the chunks on the edges of a tile are small beside it.
const CHUNK_ROWS: usize = 8_192;

/// Rows whose first column is the spatial index.
#[derive(Debug)]
pub(super) struct Runs {
    schema: SchemaRef,
    folder: PathBuf,
    /// Bytes that are sorted at a time.
    limit_bytes: usize,
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
    pub(super) fn new(schema: SchemaRef, folder: PathBuf, limit_bytes: usize) -> Self {
        let (waiting, runs) = (Vec::new(), Vec::new());
        Self { schema, folder, limit_bytes, waiting, waiting_bytes: 0, runs }
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
        let mut chunks = Vec::new();
        sorted(&waiting, CHUNK_ROWS, |chunk| {
            let index = spatial_index(&chunk);
            if let (Some(first), Some(last)) = (index.first(), index.last()) {
                chunks.push((unsigned(*first), unsigned(*last)));
                take(chunk)?;
            }
            Ok(())
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

/// Hands out rows sorted by the spatial index, at most so many at a time; equal indices stay in
/// the order in which they came.
pub(super) fn sorted(
    batches: &[RecordBatch],
    rows_max: usize,
    mut take: impl FnMut(RecordBatch) -> Result<(), Error>,
) -> Result<(), Error> {
    let mut last = i64::MIN;
    let ascending = batches.iter().all(|batch| {
        spatial_index(batch).iter().all(|at| {
            let follows = last <= *at;
            last = *at;
            follows
        })
    });
    if ascending {
        for batch in batches {
            for start in (0..batch.num_rows()).step_by(rows_max) {
                take(batch.slice(start, rows_max.min(batch.num_rows() - start)))?;
            }
        }
        return Ok(());
    }
    let mut places: Vec<(i64, u32, u32)> = Vec::new();
    for (number, batch) in (0_u32..).zip(batches) {
        places.extend((0_u32..).zip(spatial_index(batch)).map(|(row, at)| (*at, number, row)));
    }
    places.sort_unstable();
    let references: Vec<&RecordBatch> = batches.iter().collect();
    let whole = |number: u32| usize::try_from(number).unwrap_or(usize::MAX);
    for part in places.chunks(rows_max) {
        let rows: Vec<(usize, usize)> =
            part.iter().map(|(_, batch, row)| (whole(*batch), whole(*row))).collect();
        let sorted = interleave_record_batch(&references, &rows);
        take(sorted.map_err(|e| Error::compute("sort rows", e))?)?;
    }
    Ok(())
}
