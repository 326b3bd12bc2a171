//! Where the parents of a child table lie: from an id to a position, in bounded memory.
//!
//! Ids are sorted with their positions; what does not fit into memory is sorted in runs on disk
//! and merged into one file, of which memory holds one id per block.

use std::cmp::Reverse;
use std::collections::BinaryHeap;
use std::fs::File;
use std::io::{BufReader, BufWriter, ErrorKind, Read, Write};
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use adql::TableName;
use datafusion::arrow::array::{Array, AsArray, Float64Array, Int64Array, RecordBatch};
use datafusion::arrow::compute::cast;
use datafusion::arrow::datatypes::{DataType, Float64Type, Int64Type};
use datafusion::parquet::arrow::ProjectionMask;
use datafusion::parquet::arrow::arrow_reader::ParquetRecordBatchReaderBuilder;

use crate::{Error, Location, Snapshot, TiledTable};

/// Bytes of an id with its position.
const RECORD_BYTES: usize = 24;
/// Ids of a block on disk: together 4 KiB, which the system reads at once.
const BLOCK_IDS: usize = 170;

/// The table whose rows are the parents.
#[derive(Debug, Clone)]
pub struct Parent {
    /// What it is a table of: a folder.
    pub snapshot: Arc<Snapshot>,
    /// Its name.
    pub table: TableName,
    /// The column of the child with the id of its parent.
    pub key: String,
    /// The column of the parent with its id.
    pub id: String,
}

impl Parent {
    /// The folder of its version, as keys name it.
    pub(super) fn version(&self) -> Option<String> {
        self.snapshot.tiled_table(&self.table).map(|table| table.version().to_owned())
    }
}

/// An id with its position in degrees.
#[derive(Debug, Clone, Copy, PartialEq)]
struct Record {
    id: i64,
    ra: f64,
    dec: f64,
}

impl Record {
    fn to_bytes(self) -> [u8; RECORD_BYTES] {
        let mut bytes = [0; RECORD_BYTES];
        bytes[..8].copy_from_slice(&self.id.to_le_bytes());
        bytes[8..16].copy_from_slice(&self.ra.to_le_bytes());
        bytes[16..].copy_from_slice(&self.dec.to_le_bytes());
        bytes
    }

    fn from_bytes(bytes: &[u8]) -> Option<Self> {
        let part = |from: usize| bytes.get(from..from + 8)?.try_into().ok();
        Some(Self {
            id: i64::from_le_bytes(part(0)?),
            ra: f64::from_le_bytes(part(8)?),
            dec: f64::from_le_bytes(part(16)?),
        })
    }
}

/// The positions of all parents.
#[derive(Debug)]
pub(super) struct Positions {
    records: Records,
    /// Parents that are there.
    pub(super) count: u64,
    /// Rows of the parent whose id had come before: the first counts.
    pub(super) repeated: u64,
}

#[derive(Debug)]
enum Records {
    Memory(Vec<Record>),
    File { path: PathBuf, file: File, firsts: Vec<i64> },
}

impl Positions {
    /// Reads the parents, with so much memory, and files in a folder.
    pub(super) fn read(
        parent: &Parent,
        scratch: &Path,
        memory_bytes: usize,
        mut told: impl FnMut(u64),
    ) -> Result<Self, Error> {
        let wrong = |reason: String| Error::Input { table: parent.table.to_string(), reason };
        let table = parent.snapshot.tiled_table(&parent.table).ok_or_else(|| {
            let tables = parent.snapshot.tiled_tables().iter().map(|t| t.name().to_string());
            let tables: Vec<String> = tables.collect();
            wrong(format!("there is no such parent; the tables are {}", tables.join(", ")))
        })?;
        let Location::Folder(folder) = parent.snapshot.location() else {
            return Err(wrong("a parent lies in a folder".to_owned()));
        };
        let mut sorter = Sorter::new(scratch, memory_bytes);
        let mut rows = 0;
        for path in files(table, folder) {
            read_file(&path, table, parent, |record| sorter.push(record))?;
            rows = sorter.rows;
            told(rows);
        }
        let (records, repeated) = sorter.finish()?;
        Ok(Self { records, count: rows - repeated, repeated })
    }

    /// The positions of these ids, in their order.
    pub(super) fn of(&self, ids: &Int64Array) -> Result<Vec<Option<(f64, f64)>>, Error> {
        let mut wanted: Vec<(i64, usize)> =
            ids.iter().enumerate().filter_map(|(row, id)| Some((id?, row))).collect();
        wanted.sort_unstable();
        let mut found = vec![None; ids.len()];
        let mut block: (usize, Vec<Record>) = (usize::MAX, Vec::new());
        for (id, row) in wanted {
            let records: &[Record] = match &self.records {
                Records::Memory(records) => records,
                Records::File { path, file, firsts } => {
                    let at = firsts.partition_point(|first| *first <= id);
                    let Some(at) = at.checked_sub(1) else { continue };
                    if block.0 != at {
                        block = (at, read_block(file, at).map_err(|e| Error::write(path, e))?);
                    }
                    &block.1
                }
            };
            if let Ok(at) = records.binary_search_by_key(&id, |record| record.id) {
                found[row] = Some((records[at].ra, records[at].dec));
            }
        }
        Ok(found)
    }
}

fn read_block(file: &File, number: usize) -> std::io::Result<Vec<Record>> {
    let mut bytes = vec![0; BLOCK_IDS * RECORD_BYTES];
    let start = number.saturating_mul(bytes.len());
    let mut filled = 0;
    while filled < bytes.len() {
        let at = u64::try_from(start + filled).unwrap_or(u64::MAX);
        match file.read_at(&mut bytes[filled..], at)? {
            0 => break,
            count => filled += count,
        }
    }
    Ok(bytes[..filled].chunks_exact(RECORD_BYTES).filter_map(Record::from_bytes).collect())
}

/// The files of all tiles of a table.
fn files(table: &TiledTable, folder: &Path) -> Vec<PathBuf> {
    let manifest = table.manifest();
    let files = (0..manifest.len()).flat_map(|tile| manifest.files(tile));
    files.map(|file| folder.join(manifest.file(file).path.as_ref())).collect()
}

fn read_file(
    path: &Path,
    table: &TiledTable,
    parent: &Parent,
    mut take: impl FnMut(Record) -> Result<(), Error>,
) -> Result<(), Error> {
    let wrong = |reason: String| Error::Input { table: parent.table.to_string(), reason };
    let Some([ra, dec]) = table.tiled_by() else {
        return Err(wrong("a parent has positions, and this table has none".to_owned()));
    };
    let file = File::open(path).map_err(|e| wrong(format!("{}: {e}", path.display())))?;
    let named = path.display().to_string();
    let builder =
        ParquetRecordBatchReaderBuilder::try_new(file).map_err(|e| Error::parquet(&named, e))?;
    let columns = [&parent.id, ra, dec];
    let schema = Arc::clone(builder.schema());
    for column in columns {
        if schema.index_of(column).is_err() {
            return Err(wrong(format!("it has no column {column}")));
        }
    }
    let mask = ProjectionMask::columns(builder.parquet_schema(), columns.map(String::as_str));
    let reader = builder.with_projection(mask).build().map_err(|e| Error::parquet(&named, e))?;
    for batch in reader {
        let batch = batch.map_err(|e| Error::compute("read parents", e))?;
        let ids = ids(&batch, &parent.id).map_err(wrong)?;
        let [ra, dec] = [ra, dec].map(|name| doubles(&batch, name));
        let (ra, dec) = (ra?, dec?);
        for ((id, ra), dec) in ids.iter().zip(&ra).zip(&dec) {
            if let (Some(id), Some(ra), Some(dec)) = (id, ra, dec) {
                take(Record { id, ra, dec })?;
            }
        }
    }
    Ok(())
}

fn doubles(batch: &RecordBatch, name: &str) -> Result<Float64Array, Error> {
    let column = batch.schema_ref().index_of(name).map(|at| batch.column(at));
    let values = column.and_then(|column| cast(column, &DataType::Float64));
    let values = values.map_err(|e| Error::compute("read positions of parents", e))?;
    Ok(values.as_primitive::<Float64Type>().clone())
}

/// The ids in a column, as long integers; or what is wrong with it.
pub(super) fn ids(batch: &RecordBatch, name: &str) -> Result<Int64Array, String> {
    let column = batch.column_by_name(name).ok_or_else(|| format!("it has no column {name}"))?;
    if !column.data_type().is_integer() {
        let data_type = column.data_type();
        return Err(format!("{name} is {data_type}; ids of parents are integers"));
    }
    let ids = cast(column, &DataType::Int64).map_err(|e| e.to_string())?;
    Ok(ids.as_primitive::<Int64Type>().clone())
}

/// Sorts records by id; of equal ids the first that came stays.
struct Sorter<'a> {
    scratch: &'a Path,
    limit: usize,
    waiting: Vec<Record>,
    runs: Vec<PathBuf>,
    rows: u64,
}

impl<'a> Sorter<'a> {
    fn new(scratch: &'a Path, memory_bytes: usize) -> Self {
        // A stable sort takes half as much again.
        let limit = (memory_bytes / RECORD_BYTES * 2 / 3).max(BLOCK_IDS);
        Self { scratch, limit, waiting: Vec::new(), runs: Vec::new(), rows: 0 }
    }

    fn push(&mut self, record: Record) -> Result<(), Error> {
        if self.waiting.len() >= self.limit {
            self.spill()?;
        }
        // A vector that doubles would pass the limit.
        if self.waiting.len() == self.waiting.capacity() {
            let more = self.waiting.len().max(1_024).min(self.limit - self.waiting.len());
            self.waiting.reserve_exact(more);
        }
        self.waiting.push(record);
        self.rows += 1;
        Ok(())
    }

    fn spill(&mut self) -> Result<(), Error> {
        let path = self.scratch.join(format!("parents{}.bin", self.runs.len()));
        // Stable, so that the first of equal ids stays the first.
        self.waiting.sort_by_key(|record| record.id);
        let mut write = || -> std::io::Result<()> {
            let mut sink = BufWriter::new(File::create(&path)?);
            for record in self.waiting.drain(..) {
                sink.write_all(&record.to_bytes())?;
            }
            sink.flush()
        };
        write().map_err(|e| Error::write(&path, e))?;
        self.runs.push(path);
        Ok(())
    }

    fn finish(mut self) -> Result<(Records, u64), Error> {
        if self.runs.is_empty() {
            let mut records = std::mem::take(&mut self.waiting);
            records.sort_by_key(|record| record.id);
            let before = records.len();
            records.dedup_by_key(|record| record.id);
            let repeated = u64::try_from(before - records.len()).unwrap_or(0);
            return Ok((Records::Memory(records), repeated));
        }
        self.spill()?;
        let path = self.scratch.join("parents.bin");
        let (firsts, repeated) = merge(&self.runs, &path).map_err(|e| Error::write(&path, e))?;
        let file = File::open(&path).map_err(|e| Error::write(&path, e))?;
        for run in &self.runs {
            // What stays is removed with the folder.
            let _gone = std::fs::remove_file(run);
        }
        Ok((Records::File { path, file, firsts }, repeated))
    }
}

/// Merges runs into one file of distinct ids; the first id of each block, and how many came again.
fn merge(runs: &[PathBuf], path: &Path) -> std::io::Result<(Vec<i64>, u64)> {
    let mut readers = Vec::new();
    for run in runs {
        readers.push(BufReader::with_capacity(1 << 18, File::open(run)?));
    }
    let mut sink = BufWriter::with_capacity(1 << 18, File::create(path)?);
    let mut heads: Vec<Option<Record>> = Vec::new();
    let mut next = BinaryHeap::new();
    for (number, reader) in readers.iter_mut().enumerate() {
        let head = read_record(reader)?;
        next.extend(head.map(|head| Reverse((head.id, number))));
        heads.push(head);
    }
    let (mut firsts, mut written, mut repeated, mut last) = (Vec::new(), 0_usize, 0, None);
    while let Some(Reverse((id, number))) = next.pop() {
        let Some(record) = heads[number] else { continue };
        if last == Some(id) {
            repeated += 1;
        } else {
            if written % BLOCK_IDS == 0 {
                firsts.push(id);
            }
            sink.write_all(&record.to_bytes())?;
            written += 1;
            last = Some(id);
        }
        heads[number] = read_record(&mut readers[number])?;
        next.extend(heads[number].map(|head| Reverse((head.id, number))));
    }
    sink.flush()?;
    Ok((firsts, repeated))
}

fn read_record(reader: &mut impl Read) -> std::io::Result<Option<Record>> {
    let mut bytes = [0; RECORD_BYTES];
    match reader.read_exact(&mut bytes) {
        Ok(()) => Ok(Record::from_bytes(&bytes)),
        Err(e) if e.kind() == ErrorKind::UnexpectedEof => Ok(None),
        Err(e) => Err(e),
    }
}
