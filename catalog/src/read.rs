//! Table files of astronomers as Arrow batches: VOTable, FITS binary tables, CSV, Parquet and
//! Arrow IPC, on disk or in a store.
//!
//! [`open`] finds the format by the content of a file and gives a [`TableReader`], which holds a
//! batch of rows in memory and never the file. VOTable and FITS are decoded here, straight into
//! Arrow: the crates that read them keep a table in memory or make an enum of every cell.
//! Values are what the file says: NaN stays NaN, sexagesimal positions stay text, and a value that
//! does not fit its column is an error with its place.

mod arrow;
mod cell;
mod csv;
mod decoder;
mod element;
mod error;
mod fits;
mod parquet;
mod placed;
mod remote;
mod source;
mod values;
mod votable;
mod word;

use std::collections::{BTreeMap, HashMap};
use std::fmt;
use std::ops::Range;
use std::path::Path;

use datafusion::arrow::array::RecordBatch;
use datafusion::arrow::datatypes::{DataType, Schema, SchemaRef};

use self::decoder::Decoded;
use self::source::Source;
use crate::metadata::TableMetadata;

pub(crate) use self::fits::coverage::read as read_coverage;

pub use self::error::{Place, ReadError};
pub(crate) use self::parquet::voparquet_metadata;
pub(crate) use self::remote::Remote;
pub use self::remote::RemoteFile;
pub use self::source::{FileAt, Unpacked};

/// Rows of a batch.
pub const BATCH_ROWS: usize = 8_192;

/// Rows of a file, in batches of one schema.
///
/// After an error there are no more rows.
pub trait TableReader: Iterator<Item = Result<RecordBatch, ReadError>> + Send {
    /// The columns, which every batch has.
    fn schema(&self) -> &SchemaRef;

    /// What the file says of itself and its columns: unit, UCD, utype, description, title.
    fn metadata(&self) -> &TableMetadata;

    /// How much of the input was read.
    fn progress(&self) -> ReadProgress;

    /// What a person should know of the table and [`TableMetadata`] has no place for: that it was
    /// cut by a limit of its service (`OVERFLOW`), values that all rows share, tables that were
    /// passed over. It is complete when the last batch was read.
    fn remarks(&self) -> &[String];

    /// The columns whose texts the format takes to be ASCII, as `char` of VOTable; whether they are
    /// is for their values to say.
    fn ascii_texts(&self) -> Vec<String> {
        Vec::new()
    }

    /// The parts that can be read by themselves by [`open_part`], and together are the table;
    /// nothing where rows only come one after the other.
    fn parts(&self) -> Vec<FilePart> {
        Vec::new()
    }
}

/// A part of a file that can be read by itself.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FilePart {
    /// Row groups.
    groups: Range<usize>,
    /// Rows in them.
    pub rows: u64,
}

impl fmt::Debug for dyn TableReader {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("TableReader").field("schema", self.schema()).finish_non_exhaustive()
    }
}

/// How much of an input was read, for progress bars.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct ReadProgress {
    /// Rows in the batches so far.
    pub rows: u64,
    /// Rows of the whole table, where the file says so.
    pub total_rows: Option<u64>,
    /// Bytes of the file that were read, as they are on disk.
    pub bytes: u64,
    /// Bytes of the file.
    pub total_bytes: u64,
}

/// A format of table files.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum FileFormat {
    /// Separated values, also by semicolons, tabs or bars.
    Csv,
    /// VOTable 1.0 to 1.5 as TABLEDATA, BINARY or BINARY2.
    Votable,
    /// FITS with a binary table.
    Fits,
    /// Parquet, with the metadata of `VOParquet` if it is there.
    Parquet,
    /// Arrow IPC, as a file or a stream.
    Arrow,
}

impl fmt::Display for FileFormat {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Csv => "CSV",
            Self::Votable => "VOTable",
            Self::Fits => "FITS",
            Self::Parquet => "Parquet",
            Self::Arrow => "Arrow IPC",
        })
    }
}

/// Which of several tables of a file is read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum TableChoice {
    /// The TABLE of a VOTable, from 1; the extension of a FITS file, whose primary HDU is 0.
    Number(usize),
    /// The name or ID of a TABLE, or the EXTNAME of an extension.
    Name(String),
}

/// What a reader is told of a file that the file does not say itself.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ReadOptions {
    /// The format; none to find it by content and name.
    pub format: Option<FileFormat>,
    /// Which table of a VOTable or FITS file; none for the first.
    pub table: Option<TableChoice>,
    /// How CSV is written.
    pub csv: CsvOptions,
    /// Types of columns by name, in place of what the first rows of a CSV look like; text also in
    /// place of the moments of a VOTable column whose xtype is `timestamp`.
    pub types: BTreeMap<String, DataType>,
    /// Rows of a batch.
    pub batch_rows: usize,
    /// How much a packed file may be once it is unpacked; none for as much as it is.
    pub unpacked: Option<Unpacked>,
}

impl Default for ReadOptions {
    fn default() -> Self {
        Self {
            format: None,
            table: None,
            csv: CsvOptions::default(),
            types: BTreeMap::new(),
            batch_rows: BATCH_ROWS,
            unpacked: None,
        }
    }
}

/// How CSV is written.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CsvOptions {
    /// Between values; none to find it in the first lines.
    pub separator: Option<u8>,
    /// Whether the first row names the columns; they are `column_1`, … otherwise.
    pub header: bool,
    /// Around values that hold separators or ends of lines.
    pub quote: u8,
    /// What begins a line that is passed over.
    pub comment: Option<u8>,
    /// Words that mean NULL, as nothing at all does.
    pub nulls: Vec<String>,
}

impl Default for CsvOptions {
    fn default() -> Self {
        Self { separator: None, header: true, quote: b'"', comment: None, nulls: Vec::new() }
    }
}

/// Opens a table file on disk.
///
/// # Errors
/// When the file cannot be read, is of no known format, or its columns cannot be had.
pub fn open(path: &Path, options: &ReadOptions) -> Result<Box<dyn TableReader>, ReadError> {
    open_at(FileAt::Disk(path.to_owned()), options)
}

/// Opens a table file wherever it is.
///
/// # Errors
/// When the file cannot be read, is of no known format, or its columns cannot be had.
pub fn open_at(at: FileAt, options: &ReadOptions) -> Result<Box<dyn TableReader>, ReadError> {
    let source = Source::open(at)?.unpacking(options.unpacked.clone());
    Ok(match options.format.map_or_else(|| find_format(&source), Ok)? {
        FileFormat::Csv => Box::new(Decoded(csv::CsvReader::open(source, options)?)),
        FileFormat::Votable => Box::new(Decoded(votable::VotableReader::open(source, options)?)),
        FileFormat::Fits => Box::new(Decoded(fits::FitsReader::open(source, options)?)),
        FileFormat::Parquet => Box::new(parquet::ParquetReader::open(source, options, None)?),
        FileFormat::Arrow => Box::new(arrow::ArrowReader::open(source, options)?),
    })
}

/// Opens a part of a table file, of which its reader has told.
///
/// # Errors
/// When the file cannot be read, or has changed.
pub fn open_part(
    at: FileAt,
    options: &ReadOptions,
    part: &FilePart,
) -> Result<Box<dyn TableReader>, ReadError> {
    let source = Source::open(at)?;
    Ok(Box::new(parquet::ParquetReader::open(source, options, Some(part))?))
}

/// The format in which [`open_at`] reads a file.
///
/// # Errors
/// When the file cannot be read or is of no known format.
pub fn format_of(at: FileAt, options: &ReadOptions) -> Result<FileFormat, ReadError> {
    options.format.map_or_else(|| find_format(&Source::open(at)?), Ok)
}

/// The format of a file, by its first bytes and then by its name.
fn find_format(source: &Source) -> Result<FileFormat, ReadError> {
    let wrong = |reason: String| ReadError::malformed(source.path(), Place::default(), reason);
    let head = source.head();
    if head.starts_with(b"PAR1") {
        return Ok(FileFormat::Parquet);
    }
    if arrow::begins(head) {
        return Ok(FileFormat::Arrow);
    }
    if head.starts_with(b"SIMPLE  =") {
        return Ok(FileFormat::Fits);
    }
    let text = head.strip_prefix(b"\xef\xbb\xbf").unwrap_or(head).trim_ascii_start();
    if text.starts_with(b"<") {
        if text.windows(7).any(|word| word == b"VOTABLE") {
            return Ok(FileFormat::Votable);
        }
        let kind = if find_ignoring_case(text, b"<html") { "a web page" } else { "XML" };
        return Err(wrong(format!("this is {kind} without a VOTABLE element, hence no table")));
    }
    if head.starts_with(b"\xff\xfe") || head.starts_with(b"\xfe\xff") {
        let reason = "the text is UTF-16: make it UTF-8, as by iconv -f UTF-16 -t UTF-8";
        return Err(wrong(reason.to_owned()));
    }
    let name = source.path().file_name().unwrap_or_default().to_string_lossy().to_lowercase();
    let name = [".gz", ".zst", ".zstd"].iter().find_map(|end| name.strip_suffix(end));
    let whole = source.path().file_name().unwrap_or_default().to_string_lossy().to_lowercase();
    let extension = name.unwrap_or(&whole).rsplit_once('.').map_or("", |(_, extension)| extension);
    let named = match extension {
        "vot" | "votable" | "xml" => Some(FileFormat::Votable),
        "fits" | "fit" | "fts" => Some(FileFormat::Fits),
        "parquet" | "parq" | "pq" => Some(FileFormat::Parquet),
        "arrow" | "arrows" | "feather" => Some(FileFormat::Arrow),
        _ => None,
    };
    if let Some(format) = named {
        return Err(wrong(format!("the file is named like {format}, but does not begin like one")));
    }
    if head.contains(&0) {
        let known = "Parquet, Arrow IPC, FITS, VOTable or CSV";
        return Err(wrong(format!("the file is none of {known}, plain or packed by gzip or zstd")));
    }
    Ok(FileFormat::Csv)
}

fn find_ignoring_case(text: &[u8], word: &[u8]) -> bool {
    text.windows(word.len()).any(|window| window.eq_ignore_ascii_case(word))
}

/// Checks the columns against each other and against what was asked.
fn check_columns(source: &Source, schema: &Schema, options: &ReadOptions) -> Result<(), ReadError> {
    check_names(source, schema)?;
    check_types(source, schema, options)
}

/// Checks that every column has a name of its own.
fn check_names(source: &Source, schema: &Schema) -> Result<(), ReadError> {
    let mut seen = HashMap::new();
    for (at, field) in schema.fields().iter().enumerate() {
        let name = field.name();
        if let Some(before) = seen.insert(name, at) {
            let (first, second) = (before + 1, at + 1);
            let reason =
                format!("columns {first} and {second} are both named {name}: rename one of them");
            return Err(ReadError::malformed(source.path(), Place::default(), reason));
        }
    }
    if seen.is_empty() {
        return Err(ReadError::malformed(source.path(), Place::default(), "it has no columns"));
    }
    Ok(())
}

/// Checks that types are given for columns that are there, and are those that the columns have.
fn check_types(source: &Source, schema: &Schema, options: &ReadOptions) -> Result<(), ReadError> {
    for (name, wanted) in &options.types {
        let Ok(field) = schema.field_with_name(name) else {
            let fields = schema.fields().iter().take(50);
            let known: Vec<&str> = fields.map(|field| field.name().as_str()).collect();
            let reason = format!(
                "a type is given for the column {name}, which is not there: its columns are {}",
                known.join(", ")
            );
            return Err(ReadError::malformed(source.path(), Place::default(), reason));
        };
        let found = field.data_type();
        if found != wanted && !(is_text(found) && is_text(wanted)) {
            let place = Place::default().in_column(name);
            let reason = format!(
                "the file says that it is {found}, so that it cannot be read as {wanted}: leave \
                 the type out"
            );
            return Err(ReadError::malformed(source.path(), place, reason));
        }
    }
    Ok(())
}

fn is_text(data_type: &DataType) -> bool {
    matches!(data_type, DataType::Utf8 | DataType::LargeUtf8 | DataType::Utf8View)
}

/// Whether a column is to be read as text, whatever it is.
fn is_text_wanted(options: &ReadOptions, column: &str) -> bool {
    options.types.get(column).is_some_and(is_text)
}
