//! The files of an import: which they are, that all have the same columns, and their rows in order.
//!
//! Files are looked at before a row is taken, so that the last of a thousand does not end the work
//! of hours. They are read on a thread of its own, a few batches ahead.

use std::collections::{BTreeMap, HashSet};
use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::mpsc::{SyncSender, sync_channel};
use std::time::UNIX_EPOCH;

use datafusion::arrow::array::{Array, ArrayRef, RecordBatch};
use datafusion::arrow::compute::cast;
use datafusion::arrow::datatypes::{DataType, Field, Schema, SchemaRef};

use crate::hats::{Collection, DATASET, PROPERTIES, collection, is_data, tile_pixel};
use crate::metadata::TableMetadata;
use crate::read::{self, FileFormat, ReadError, ReadOptions};
use crate::{Error, SPATIAL_INDEX};

/// How the files of tables end; others in a folder are passed over.
const ENDINGS: [&str; 14] = [
    ".csv", ".tsv", ".txt", ".dat", ".psv", ".vot", ".votable", ".xml", ".fits", ".fit", ".fts",
    ".parquet", ".parq", ".pq",
];
/// How packed files end after that.
const PACKED: [&str; 3] = [".gz", ".zst", ".zstd"];
/// Batches that are read ahead.
const AHEAD: usize = 4;

/// A file of the table.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct InputFile {
    pub(super) path: PathBuf,
    pub(super) bytes: u64,
    /// Nanoseconds since 1970.
    pub(super) modified_ns: u128,
}

/// All files of the table, which have the same columns.
#[derive(Debug)]
pub(super) struct Inputs {
    pub(super) files: Vec<InputFile>,
    /// The columns as they are taken, by [`taken_type`].
    pub(super) schema: SchemaRef,
    /// What the first file says.
    pub(super) metadata: TableMetadata,
    /// The format of the first file.
    pub(super) format: FileFormat,
    pub(super) remarks: Vec<String>,
    options: ReadOptions,
}

/// Rows, and where the next ones are.
#[derive(Debug)]
pub(super) struct Taken {
    pub(super) rows: RecordBatch,
    /// After these rows.
    pub(super) place: Place,
    /// Bytes of all files that were read.
    pub(super) bytes: u64,
}

/// A place between two batches.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) struct Place {
    /// Files that were read to their end.
    pub(super) file: usize,
    /// Batches of the one after them.
    pub(super) batch: u64,
}

/// What the reading thread hands on.
enum Message {
    Rows(Taken),
    Remark(String),
    Failed(ReadError),
}

impl Inputs {
    /// Looks at every file.
    pub(super) fn open(
        table: &str,
        inputs: &[PathBuf],
        options: &ReadOptions,
    ) -> Result<Self, Error> {
        let wrong = |reason: String| Error::Input { table: table.to_owned(), reason };
        let (files, mut remarks) = list(inputs).map_err(wrong)?;
        let Some(first) = files.first() else {
            return Err(wrong("there is no input: name files or folders".to_owned()));
        };
        let mut options = options.clone();
        let format = read::format_of(&first.path, &options)?;
        let reader = read::open(&first.path, &options)?;
        let metadata = reader.metadata().clone();
        let mut schema = taken_schema(reader.schema());
        if reader.schema().index_of(SPATIAL_INDEX).is_ok() {
            remarks.push(format!("the column {SPATIAL_INDEX} is computed anew"));
        }
        let mut widened = BTreeMap::new();
        for file in &files[1..] {
            let found = taken_schema(read::open(&file.path, &options)?.schema());
            compare(first, &schema, file, &found, &mut widened).map_err(wrong)?;
        }
        if !widened.is_empty() {
            // What the first rows of a text look like differs between files; with the wider type
            // given, they must agree.
            options.types.extend(widened);
            schema = taken_schema(read::open(&first.path, &options)?.schema());
        }
        Ok(Self { files, schema, metadata, format, remarks, options })
    }

    /// The bytes of all files.
    pub(super) fn bytes(&self) -> u64 {
        self.files.iter().map(|file| file.bytes).sum()
    }

    /// Hands out the rows from a place on; what was said of the files.
    ///
    /// # Errors
    /// The first one of reading, or that of `take`.
    pub(super) fn read(
        &self,
        from: Place,
        mut take: impl FnMut(Taken) -> Result<(), Error>,
    ) -> Result<Vec<String>, Error> {
        std::thread::scope(|scope| {
            let (sender, receiver) = sync_channel(AHEAD);
            scope.spawn(move || {
                // Nobody listens after an error.
                let _ended = self.send(from, &sender);
            });
            let mut remarks = Vec::new();
            for message in receiver {
                match message {
                    Message::Rows(taken) => take(taken)?,
                    Message::Remark(remark) => remarks.push(remark),
                    Message::Failed(error) => return Err(error.into()),
                }
            }
            Ok(remarks)
        })
    }

    /// Sends all rows; `None` when nobody listens any more.
    fn send(&self, from: Place, sender: &SyncSender<Message>) -> Option<()> {
        for (number, file) in self.files.iter().enumerate().skip(from.file) {
            let skip = if number == from.file { from.batch } else { 0 };
            if let Err(error) = self.send_file(number, file, skip, sender)? {
                sender.send(Message::Failed(error)).ok()?;
                return None;
            }
        }
        Some(())
    }

    fn send_file(
        &self,
        number: usize,
        file: &InputFile,
        skip: u64,
        sender: &SyncSender<Message>,
    ) -> Option<Result<(), ReadError>> {
        let mut reader = match read::open(&file.path, &self.options) {
            Ok(reader) => reader,
            Err(error) => return Some(Err(error)),
        };
        let before: u64 = self.files[..number].iter().map(|file| file.bytes).sum();
        let mut batch = 0;
        while let Some(rows) = reader.next() {
            let rows = match rows.and_then(|rows| self.taken(&rows, file)) {
                Ok(rows) => rows,
                Err(error) => return Some(Err(error)),
            };
            batch += 1;
            if batch > skip {
                let bytes = before + reader.progress().bytes.min(file.bytes);
                let place = Place { file: number, batch };
                sender.send(Message::Rows(Taken { rows, place, bytes })).ok()?;
            }
        }
        for remark in reader.remarks() {
            let remark = format!("{}: {remark}", file.path.display());
            sender.send(Message::Remark(remark)).ok()?;
        }
        Some(Ok(()))
    }

    /// The rows in the columns that are taken, by name.
    fn taken(&self, rows: &RecordBatch, file: &InputFile) -> Result<RecordBatch, ReadError> {
        let batch = |source| ReadError::Batch {
            file: file.path.display().to_string(),
            source: Arc::new(source),
        };
        let columns: Result<Vec<ArrayRef>, _> = self
            .schema
            .fields()
            .iter()
            .map(|field| {
                let column = rows.column(rows.schema_ref().index_of(field.name())?);
                if column.data_type() == field.data_type() {
                    return Ok(Arc::clone(column));
                }
                cast(column, field.data_type())
            })
            .collect();
        RecordBatch::try_new(Arc::clone(&self.schema), columns.map_err(batch)?).map_err(batch)
    }
}

/// The type that a column is kept in: plain values, which runs on disk hold without the rows
/// around them.
fn taken_type(data_type: &DataType) -> DataType {
    match data_type {
        DataType::Dictionary(_, value) => taken_type(value),
        DataType::LargeUtf8 | DataType::Utf8View | DataType::Null => DataType::Utf8,
        DataType::LargeBinary | DataType::BinaryView => DataType::Binary,
        other => other.clone(),
    }
}

fn taken_schema(schema: &Schema) -> SchemaRef {
    let fields = schema.fields().iter().filter(|field| field.name() != SPATIAL_INDEX);
    let taken = fields.map(|f| Field::new(f.name(), taken_type(f.data_type()), true));
    Arc::new(Schema::new(taken.collect::<Vec<_>>()))
}

/// Compares the columns of a file with those of the first; types that are to be given are added.
fn compare(
    first: &InputFile,
    expected: &Schema,
    file: &InputFile,
    found: &Schema,
    widened: &mut BTreeMap<String, DataType>,
) -> Result<(), String> {
    let [first, file] = [first, file].map(|file| file.path.display());
    let lacks = |one: &Schema, other: &Schema| {
        let mut names = one.fields().iter().map(|field| field.name());
        names.find(|name| other.index_of(name).is_err()).cloned()
    };
    if let Some(column) = lacks(expected, found) {
        return Err(format!("{file} has no column {column}, which {first} has"));
    }
    if let Some(column) = lacks(found, expected) {
        return Err(format!("{file} has a column {column}, which {first} has not"));
    }
    for field in expected.fields() {
        let (name, known) = (field.name(), field.data_type());
        let Ok(here) = found.field_with_name(name).map(Field::data_type) else { continue };
        let wider = match (known, here) {
            (a, b) if a == b => continue,
            (DataType::Int64, DataType::Float64) | (DataType::Float64, DataType::Int64) => {
                DataType::Float64
            }
            _ => {
                return Err(format!(
                    "column {name} is {known} in {first} and {here} in {file}; if they are texts, \
                     give its type by column_types"
                ));
            }
        };
        widened.insert(name.clone(), wider);
    }
    Ok(())
}

/// The files of all inputs, each once, and what was passed over.
fn list(inputs: &[PathBuf]) -> Result<(Vec<InputFile>, Vec<String>), String> {
    let (mut paths, mut remarks) = (Vec::new(), Vec::new());
    for input in inputs {
        let data = fs::metadata(input)
            .map_err(|e| format!("the input {} cannot be read: {e}", input.display()))?;
        if !data.is_dir() {
            paths.push(input.clone());
            continue;
        }
        let (before, mut others) = (paths.len(), 0);
        let inside = primary(input)?;
        walk(&inside.folder, &inside, &mut paths, &mut others)?;
        paths[before..].sort();
        if paths.len() == before {
            return Err(format!("the folder {} holds no table files", input.display()));
        }
        if others > 0 {
            remarks.push(format!("{others} other files in {} passed over", input.display()));
        }
    }
    let (mut seen, mut files) = (HashSet::new(), Vec::new());
    for path in paths {
        let whole = fs::canonicalize(&path).and_then(|whole| Ok((fs::metadata(&path)?, whole)));
        let (data, whole) =
            whole.map_err(|e| format!("the input {} cannot be read: {e}", path.display()))?;
        if !seen.insert(whole) {
            return Err(format!("the input {} is given twice", path.display()));
        }
        let modified = data.modified().ok().and_then(|time| time.duration_since(UNIX_EPOCH).ok());
        let modified_ns = modified.map_or(0, |since| since.as_nanos());
        files.push(InputFile { path, bytes: data.len(), modified_ns });
    }
    Ok((files, remarks))
}

/// The folder with the files of an input.
struct Inside {
    folder: PathBuf,
    /// Whether only tiles count.
    is_hats: bool,
}

/// A folder, or the tiles of the table that it is: those of its margin are copies.
fn primary(folder: &Path) -> Result<Inside, String> {
    let file = folder.join(collection::FILE_NAME);
    let mut table = folder.to_owned();
    if let Ok(text) = fs::read_to_string(&file) {
        let name = Collection::parse(&file.to_string_lossy(), &text).map_err(|e| e.to_string())?;
        table.push(name.primary);
    }
    if PROPERTIES.iter().any(|name| table.join(name).is_file()) {
        return Ok(Inside { folder: table.join(DATASET), is_hats: true });
    }
    Ok(Inside { folder: folder.to_owned(), is_hats: false })
}

fn walk(
    folder: &Path,
    inside: &Inside,
    paths: &mut Vec<PathBuf>,
    others: &mut usize,
) -> Result<(), String> {
    let failed = |e: std::io::Error| format!("the folder {} cannot be read: {e}", folder.display());
    for entry in fs::read_dir(folder).map_err(failed)? {
        let path = entry.map_err(failed)?.path();
        let name = path.file_name().unwrap_or_default().to_string_lossy().to_lowercase();
        if name.starts_with(['.', '_']) {
            continue;
        }
        if path.is_dir() {
            walk(&path, inside, paths, others)?;
            continue;
        }
        let below = path.strip_prefix(&inside.folder).unwrap_or(&path).to_string_lossy();
        let is_table = if inside.is_hats {
            is_data(&below) && tile_pixel(&below).is_some()
        } else {
            let unpacked = PACKED.iter().find_map(|ending| name.strip_suffix(ending));
            let name = unpacked.unwrap_or(&name);
            ENDINGS.iter().any(|ending| name.ends_with(ending))
        };
        if is_table { paths.push(path) } else { *others += 1 }
    }
    Ok(())
}
