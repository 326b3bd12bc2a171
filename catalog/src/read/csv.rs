//! CSV and its kin: values separated by commas, semicolons, tabs or bars.
//!
//! Records are split by the crate `csv`, which knows the line of each; Arrow's own reader counts
//! records and hides the value in a text. A column has the narrowest type that holds its first
//! 10,000 values; a later one that does not fit is an error, because rows that were handed on have
//! that type already.
//! What is empty is NULL. A text that is not UTF-8 is read as Latin-1.

mod guess;

use std::sync::Arc;

use csv::{ByteRecord, Reader, ReaderBuilder};
use datafusion::arrow::datatypes::{Field, Schema};

use self::guess::Guess;
use super::cell::{BatchBuilder, CellType};
use super::decoder::{Decoder, RowsRead};
use super::element::decode_bytes;
use super::source::{Metered, Source};

use super::{Place, ReadError, ReadOptions, check_columns};
use crate::metadata::{self, TableMetadata};

/// Rows by which the types of columns are chosen.
const GUESS_ROWS: usize = 10_000;
/// Bytes that are split at a time.
const BUFFER_BYTES: usize = 256 << 10;

/// The rows of a CSV.
pub(super) struct CsvReader {
    read: RowsRead,
    records: Records,
    names: Vec<String>,
    nulls: Vec<String>,
    /// Whether the type of a column was given, rather than guessed.
    given: Vec<bool>,
}

/// Records with their lines.
struct Records {
    reader: Reader<Metered>,
    record: ByteRecord,
    separator: u8,
}

impl CsvReader {
    pub(super) fn open(source: Source, options: &ReadOptions) -> Result<Self, ReadError> {
        let (builder, separator) = builder(&source, options);
        let mut records = Records::open(&source, &builder, separator)?;
        if !records.next(&source, 0)? {
            return Err(ReadError::malformed(source.path(), Place::default(), "it has no rows"));
        }
        let names = names(&records.record, options.csv.header);
        let mut guesses = vec![Guess::Nothing; names.len()];
        // The first row was read: it has names, or values.
        let mut has_values = !options.csv.header || records.next(&source, 1)?;
        for row in 0..GUESS_ROWS {
            if !has_values {
                break;
            }
            for (guess, value) in guesses.iter_mut().zip(&records.record) {
                if !is_null(value, &options.csv.nulls) {
                    guess.add(value);
                }
            }
            has_values = records.next(&source, row as u64 + 2)?;
        }
        let elements = names.iter().zip(guesses).map(|(name, guess)| {
            let Some(wanted) = options.types.get(name) else { return Ok(guess.element()) };
            guess::element_of(wanted).ok_or_else(|| {
                let place = Place::default().in_column(name);
                let reason = format!(
                    "the type {wanted} is not read: give a boolean, integer, float, date, \
                     timestamp in microseconds without a zone, or text"
                );
                ReadError::malformed(source.path(), place, reason)
            })
        });
        let cells = elements.map(|element| Ok(CellType::scalar(element?)));
        let cells: Vec<CellType> = cells.collect::<Result<_, ReadError>>()?;
        let fields = names.iter().zip(&cells);
        let fields: Vec<Field> =
            fields.map(|(name, cell)| Field::new(name, cell.data_type(), true)).collect();
        let schema = Arc::new(Schema::new(fields));
        check_columns(&source, &schema, options)?;
        // From the start again, so that no rows are held for their types.
        let mut records = Records::open(&source, &builder, separator)?;
        if options.csv.header {
            records.next(&source, 0)?;
        }
        let metadata = TableMetadata { version: metadata::VERSION, ..TableMetadata::default() };
        let batch = BatchBuilder::new(Arc::clone(&schema), cells, options.batch_rows);
        Ok(Self {
            read: RowsRead::new(source, batch, schema, metadata),
            records,
            given: names.iter().map(|name| options.types.contains_key(name)).collect(),
            names,
            nulls: options.csv.nulls.clone(),
        })
    }

    fn misfit(&self, row: u64, at: usize, reason: &str) -> ReadError {
        let name = &self.names[at];
        let line = self.records.record.position().map_or(0, csv::Position::line);
        let place = Place::row(row).with_line(line).in_column(name);
        let reason = if self.given[at] {
            format!("{reason}, the type that was given for the column")
        } else {
            format!(
                "{reason}, as the first {GUESS_ROWS} rows have it: give the column a type \
                 (column_types = {name}:text)"
            )
        };
        ReadError::malformed(self.read.source.path(), place, reason)
    }
}

fn builder(source: &Source, options: &ReadOptions) -> (ReaderBuilder, u8) {
    let csv = &options.csv;
    let mut builder = ReaderBuilder::new();
    builder.quote(csv.quote).comment(csv.comment).has_headers(false).buffer_capacity(BUFFER_BYTES);
    let (_, bytes) = source.bytes();
    let is_whole = !source.is_packed() && bytes == source.head().len() as u64;
    let separator = csv.separator.unwrap_or_else(|| guess::separator(csv, source.head(), is_whole));
    builder.delimiter(separator);
    (builder, separator)
}

/// Names of columns: by the first row, or by their numbers.
fn names(record: &ByteRecord, has_header: bool) -> Vec<String> {
    let named = |(at, name): (usize, &[u8])| {
        let name = decode_bytes(name).trim().to_owned();
        if name.is_empty() || !has_header { format!("column_{}", at + 1) } else { name }
    };
    record.iter().enumerate().map(named).collect()
}

fn is_null(value: &[u8], nulls: &[String]) -> bool {
    value.is_empty() || nulls.iter().any(|null| null.as_bytes() == value.trim_ascii())
}

impl Records {
    fn open(source: &Source, builder: &ReaderBuilder, separator: u8) -> Result<Self, ReadError> {
        let reader = builder.from_reader(Metered::new(source.stream()?));
        Ok(Self { reader, record: ByteRecord::new(), separator })
    }

    /// Reads the next record; false at the end. A row of 0 is the header.
    fn next(&mut self, source: &Source, row: u64) -> Result<bool, ReadError> {
        self.reader.get_mut().renew();
        let read = self.reader.read_byte_record(&mut self.record);
        read.map_err(|error| {
            let line =
                error.position().map_or_else(|| self.reader.position().line(), csv::Position::line);
            let place = if row == 0 { Place::line(line) } else { Place::row(row).with_line(line) };
            match error.into_kind() {
                csv::ErrorKind::Io(error) => ReadError::io(source.path(), place, error),
                csv::ErrorKind::UnequalLengths { expected_len, len, .. } => {
                    let separator = char::from(self.separator).escape_default();
                    let reason = format!(
                        "the row has {len} values in place of {expected_len}, separated by \
                         '{separator}': is a quote or a separator missing?"
                    );
                    ReadError::malformed(source.path(), place, reason)
                }
                kind => ReadError::malformed(source.path(), place, format!("{kind:?}")),
            }
        })
    }
}

impl Decoder for CsvReader {
    fn rows(&self) -> &RowsRead {
        &self.read
    }

    fn rows_mut(&mut self) -> &mut RowsRead {
        &mut self.read
    }

    fn fill(&mut self) -> Result<(), ReadError> {
        while !self.read.batch.is_full() {
            let row = self.read.done + self.read.batch.rows() as u64 + 1;
            if !self.records.next(&self.read.source, row)? {
                self.read.has_ended = true;
                return Ok(());
            }
            let record = &self.records.record;
            let mut misfit = None;
            for (at, (value, builder)) in
                record.iter().zip(&mut self.read.batch.columns).enumerate()
            {
                if is_null(value, &self.nulls) {
                    builder.append_null();
                } else if let Err(reason) = builder.append_text(&decode_bytes(value)) {
                    misfit = misfit.or(Some((at, reason)));
                }
            }
            if let Some((at, reason)) = misfit {
                return Err(self.misfit(row, at, &reason));
            }
            self.read.batch.end_row(self.records.record.as_slice().len());
        }
        Ok(())
    }
}
