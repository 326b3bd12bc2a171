//! FITS binary tables (FITS 4.0 §7.3), by our own few hundred lines.
//!
//! Of the crates, those in pure Rust read a table whole or make an enum of every cell, and none
//! knows Arrow; the bytes of cells are those of VOTable's BINARY, which is decoded here anyway.
//! Unsigned integers by offset keep their type, other scaled numbers become doubles, a NULL is
//! TNULL, an undefined logical or a blank text, and NaN stays NaN.
//! Rows are read as they come. Arrays of variable length lie behind all rows: they are read by
//! their place, for which a file that is packed or in a store is copied into a temporary one.

mod column;
pub(crate) mod coverage;
mod header;
mod heap;
mod said;

use std::io::{self, BufReader, Read, Seek, SeekFrom};
use std::sync::Arc;

use datafusion::arrow::datatypes::{Field, Schema};

use self::column::FitsColumn;
use self::header::{Header, HeaderError, padded};
use self::heap::{Heap, HeapError};
use self::said::describe;
use super::cell::BatchBuilder;
use super::decoder::{Decoder, RowsRead};
use super::source::{CELL_MAX_BYTES, Source, Stream};
use super::{Place, ReadError, ReadOptions, TableChoice, check_columns};

/// Bytes of rows that are read at a time.
const BLOCK_BYTES: usize = 4 << 20;
/// Data of a unit that are rather skipped by a seek than read.
const SKIP_BYTES: u64 = 1 << 20;
/// The standard allows 999 columns, and some write more.
const COLUMNS_MAX: u64 = 100_000;

/// A binary table of a FITS file.
pub(super) struct FitsReader {
    read: RowsRead,
    stream: Stream,
    columns: Vec<FitsColumn>,
    heap: Option<Heap>,
    row_bytes: usize,
    total_rows: u64,
    /// Rows that were read, but are not in the batch yet.
    block: Vec<u8>,
    block_at: usize,
    /// Rows that were read into blocks.
    read_rows: u64,
}

/// A unit of a file: its header, the stream behind it, and its place.
struct Unit {
    header: Header,
    stream: Stream,
    /// Where its data begin.
    at: u64,
}

impl FitsReader {
    pub(super) fn open(source: Source, options: &ReadOptions) -> Result<Self, ReadError> {
        let wrong = |reason: String| ReadError::malformed(source.path(), Place::default(), reason);
        let unit = find(&source, options.table.as_ref())?;
        let header = &unit.header;
        // Checked first: its parts are multiplied below.
        header.data_bytes().map_err(wrong)?;
        let row_bytes = header.count("NAXIS1").map_err(wrong)?;
        let total_rows = header.count("NAXIS2").map_err(wrong)?;
        let row_bytes = usize::try_from(row_bytes).unwrap_or(usize::MAX);
        if row_bytes > CELL_MAX_BYTES {
            let limit = CELL_MAX_BYTES >> 20;
            return Err(wrong(format!("rows of {row_bytes} bytes are longer than {limit} MiB")));
        }
        if row_bytes == 0 && total_rows > 0 {
            return Err(wrong(format!("its {total_rows} rows have no bytes (NAXIS1 = 0)")));
        }
        let columns = columns(&source, header, row_bytes)?;
        let field = |column: &FitsColumn| Field::new(&column.name, column.cell.data_type(), true);
        let schema = Arc::new(Schema::new(columns.iter().map(field).collect::<Vec<_>>()));
        check_columns(&source, &schema, options)?;
        let metadata = describe(header, &columns);
        let cells = columns.iter().map(|column| column.cell.clone()).collect();
        let needs_heap = columns.iter().any(|column| column.descriptor.is_some());
        let (stream, heap) = if needs_heap {
            with_heap(&source, unit, (row_bytes as u64).saturating_mul(total_rows))
                .map_err(|e| e.at(&source))?
        } else {
            (unit.stream, None)
        };
        let batch = BatchBuilder::new(Arc::clone(&schema), cells, options.batch_rows);
        Ok(Self {
            read: RowsRead::new(source, batch, schema, metadata),
            stream,
            columns,
            heap,
            row_bytes,
            total_rows,
            block: Vec::new(),
            block_at: 0,
            read_rows: 0,
        })
    }

    fn read_block(&mut self) -> Result<(), ReadError> {
        let left = usize::try_from(self.total_rows - self.read_rows).unwrap_or(usize::MAX);
        let rows = (BLOCK_BYTES / self.row_bytes).max(1).min(left);
        let wanted = rows * self.row_bytes;
        self.block.clear();
        self.block_at = 0;
        let read = Read::by_ref(&mut self.stream).take(wanted as u64).read_to_end(&mut self.block);
        let row = self.read_rows + (self.block.len() / self.row_bytes) as u64 + 1;
        read.map_err(|error| ReadError::io(self.read.source.path(), Place::row(row), error))?;
        if self.block.len() < wanted {
            let reason = format!("the file ends early, in a table of {} rows", self.total_rows);
            return Err(ReadError::malformed(self.read.source.path(), Place::row(row), reason));
        }
        self.read_rows += rows as u64;
        Ok(())
    }

    /// Adds rows of the block to the batch, column by column.
    fn add_rows(&mut self, rows: usize) -> Result<(), ReadError> {
        let first = self.read.done + self.read.batch.rows() as u64 + 1;
        let block = &self.block[self.block_at..self.block_at + rows * self.row_bytes];
        let mut heap_bytes = 0;
        for (column, builder) in self.columns.iter().zip(&mut self.read.batch.columns) {
            let count = column.count * column.per_element;
            for (at, row) in block.chunks_exact(self.row_bytes).enumerate() {
                let bytes = &row[column.at..column.at + column.bytes];
                let added = match (column.descriptor, &mut self.heap) {
                    _ if column.count == 0 => {
                        builder.append_null();
                        Ok(())
                    }
                    (Some(width), Some(heap)) => {
                        array(column, bytes, width, heap).and_then(|(bytes, count)| {
                            heap_bytes += bytes.len();
                            builder.append_binary(bytes, count).map_err(HeapError::Wrong)
                        })
                    }
                    _ => builder.append_binary(bytes, count).map_err(HeapError::Wrong),
                };
                added.map_err(|error| {
                    let place = Place::row(first + at as u64).in_column(&column.name);
                    match error {
                        HeapError::Wrong(reason) => {
                            ReadError::malformed(self.read.source.path(), place, reason)
                        }
                        HeapError::Io(error) => {
                            ReadError::io(self.read.source.path(), place, error)
                        }
                    }
                })?;
            }
        }
        for _ in 0..rows {
            self.read.batch.end_row(self.row_bytes);
        }
        self.read.batch.add_bytes(heap_bytes);
        self.block_at += rows * self.row_bytes;
        Ok(())
    }
}

/// The array that a descriptor points to, and how many values it has.
fn array<'a>(
    column: &FitsColumn,
    descriptor: &[u8],
    width: usize,
    heap: &'a mut Heap,
) -> Result<(&'a [u8], usize), HeapError> {
    let number = |bytes: &[u8]| {
        let mut long = [if bytes[0] & 0x80 == 0 { 0 } else { 0xff }; 8];
        long[8 - width..].copy_from_slice(bytes);
        i64::from_be_bytes(long)
    };
    let (stated, place) = (number(&descriptor[..width]), number(&descriptor[width..2 * width]));
    let wrong = || HeapError::Wrong(format!("{stated} values at {place} are no array"));
    let count = usize::try_from(stated).map_err(|_| wrong())?;
    let values = count.checked_mul(column.per_element).ok_or_else(wrong)?;
    let size = column.cell.element.bytes(values).ok_or_else(wrong)?;
    if size == 0 {
        return Ok((&[], 0));
    }
    let place = u64::try_from(place).map_err(|_| wrong())?;
    let count = if column.cell.element.is_text() { 1 } else { values };
    Ok((heap.bytes(place, size)?, count))
}

impl Decoder for FitsReader {
    fn rows(&self) -> &RowsRead {
        &self.read
    }

    fn rows_mut(&mut self) -> &mut RowsRead {
        &mut self.read
    }

    fn fill(&mut self) -> Result<(), ReadError> {
        while !self.read.batch.is_full() {
            if self.block_at == self.block.len() {
                if self.read_rows == self.total_rows {
                    return Ok(());
                }
                self.read_block()?;
            }
            let waiting = (self.block.len() - self.block_at) / self.row_bytes;
            // Arrays of variable length fill a batch by their bytes.
            let rows = if self.heap.is_some() { 1 } else { waiting.min(self.read.batch.room()) };
            self.add_rows(rows)?;
        }
        Ok(())
    }

    fn total_rows(&self) -> Option<u64> {
        Some(self.total_rows)
    }
}

impl HeaderError {
    fn at(self, source: &Source) -> ReadError {
        match self {
            Self::Io(error) => ReadError::io(source.path(), Place::default(), error),
            Self::Wrong(reason) => ReadError::malformed(source.path(), Place::default(), reason),
        }
    }
}

/// Finds the binary table that is wanted.
fn find(source: &Source, choice: Option<&TableChoice>) -> Result<Unit, ReadError> {
    let wrong = |reason: String| ReadError::malformed(source.path(), Place::default(), reason);
    let mut stream = source.stream()?;
    let mut at = 0;
    let mut seen: Vec<String> = Vec::new();
    loop {
        let Some(header) = Header::read(&mut stream).map_err(|error| error.at(source))? else {
            let wanted = match choice {
                None => "binary table".to_owned(),
                Some(TableChoice::Number(number)) => format!("binary table in HDU {number}"),
                Some(TableChoice::Name(name)) => format!("binary table named {name}"),
            };
            let seen = seen.join(", ");
            return Err(wrong(format!("the file has no {wanted}; its HDUs are {seen}")));
        };
        if seen.is_empty() && !header.is_true("SIMPLE") {
            return Err(wrong(
                "it does not begin with SIMPLE = T: this is no FITS file".to_owned(),
            ));
        }
        at += header.bytes;
        let kind = header.text("XTENSION").unwrap_or("the primary");
        let name = header.text("EXTNAME").unwrap_or_default();
        let is_wanted = match choice {
            None => true,
            Some(TableChoice::Number(number)) => *number == seen.len(),
            Some(TableChoice::Name(wanted)) => wanted.eq_ignore_ascii_case(name.trim()),
        };
        // An image that is compressed by tiles looks like a table, and is none.
        let is_table = matches!(kind, "BINTABLE" | "A3DTABLE")
            && !header.is_true("ZIMAGE")
            && !seen.is_empty();
        if is_wanted && is_table {
            return Ok(Unit { header, stream, at });
        }
        seen.push(format!(
            "{} ({kind}{}{name})",
            seen.len(),
            if name.is_empty() { "" } else { " " }
        ));
        let data = padded(header.data_bytes().map_err(wrong)?);
        at += data;
        if data > SKIP_BYTES && !source.is_packed() {
            stream = source.stream_from(at)?;
        } else {
            let skipped = io::copy(&mut Read::by_ref(&mut stream).take(data), &mut io::sink());
            skipped.map_err(|error| ReadError::io(source.path(), Place::default(), error))?;
        }
    }
}

fn columns(
    source: &Source,
    header: &Header,
    row_bytes: usize,
) -> Result<Vec<FitsColumn>, ReadError> {
    let wrong = |reason: String| ReadError::malformed(source.path(), Place::default(), reason);
    let count = header.count("TFIELDS").map_err(wrong)?;
    if count > COLUMNS_MAX {
        return Err(wrong(format!("TFIELDS = {count} is more than {COLUMNS_MAX}")));
    }
    let mut columns = Vec::new();
    let mut at: usize = 0;
    for number in 1.. {
        if number as u64 > count {
            break;
        }
        let name = header.text(&format!("TTYPE{number}")).unwrap_or_default();
        let column = FitsColumn::read(header, number, at).map_err(|reason| {
            let place = Place::default().in_column(if name.is_empty() { "?" } else { name });
            ReadError::malformed(source.path(), place, reason)
        })?;
        at += column.bytes;
        columns.push(column);
        if at > row_bytes {
            let reason = format!("its columns take {at} bytes and more of rows of {row_bytes}");
            return Err(wrong(reason));
        }
    }
    Ok(columns)
}

/// The rows, and the heap behind them, in files that can be read anywhere.
fn with_heap(
    source: &Source,
    unit: Unit,
    table_bytes: u64,
) -> Result<(Stream, Option<Heap>), HeaderError> {
    let data = unit.header.data_bytes().map_err(HeaderError::Wrong)?;
    let gap = unit.header.count("THEAP").unwrap_or(table_bytes);
    let size = data.checked_sub(gap).filter(|_| gap >= table_bytes).ok_or_else(|| {
        HeaderError::Wrong(format!("the heap (THEAP = {gap}) is not behind the rows"))
    })?;
    if let Some(file) = source.on_disk().filter(|_| !source.is_packed()) {
        return Ok((unit.stream, Some(Heap::new(file?, unit.at + gap, size))));
    }
    let mut unpacked = tempfile::tempfile()?;
    let mut stream = unit.stream;
    io::copy(&mut Read::by_ref(&mut stream).take(data), &mut unpacked)?;
    let mut rows = unpacked.try_clone()?;
    rows.seek(SeekFrom::Start(0))?;
    Ok((Box::new(BufReader::new(rows)), Some(Heap::new(unpacked, gap, size))))
}
