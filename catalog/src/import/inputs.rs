//! The files of an import: which they are, that all have the same columns, and what is taken of them.
//!
//! Files are looked at before a row is taken, so that the last of a thousand does not end the work
//! of hours.

use std::collections::{BTreeMap, HashSet};
use std::fs;
use std::path::{Display, Path, PathBuf};
use std::sync::Arc;
use std::time::UNIX_EPOCH;

use datafusion::arrow::array::{Array, ArrayRef, RecordBatch};
use datafusion::arrow::compute::{CastOptions, cast_with_options};
use datafusion::arrow::datatypes::{DataType, Field, Schema, SchemaRef};
use datafusion::arrow::error::ArrowError;

use crate::hats::{Collection, DATASET, PROPERTIES, collection, is_data, tile_pixel};
use crate::location::Location;
use crate::metadata::TableMetadata;
use crate::read::{self, FileAt, FileFormat, FilePart, ReadError, ReadOptions, Remote};
use crate::{Error, SPATIAL_INDEX};

/// How the files of tables end; others in a folder are passed over.
const ENDINGS: [&str; 17] = [
    ".csv", ".tsv", ".txt", ".dat", ".psv", ".vot", ".votable", ".xml", ".fits", ".fit", ".fts",
    ".parquet", ".parq", ".pq", ".arrow", ".arrows", ".feather",
];
/// How packed files end after that.
const PACKED: [&str; 3] = [".gz", ".zst", ".zstd"];

/// A file of the table.
#[derive(Debug, Clone)]
pub(super) struct InputFile {
    pub(super) at: FileAt,
    pub(super) bytes: u64,
    /// What tells its content from that of another day: nanoseconds since 1970, or the tag that its
    /// store gives it.
    pub(super) version: String,
    /// What can be read by itself, as its reader says.
    pub(super) parts: Vec<FilePart>,
}

impl InputFile {
    pub(super) fn name(&self) -> Display<'_> {
        self.at.name().display()
    }

    /// What must be the same for a killed import to go on.
    pub(super) fn identity(&self) -> String {
        format!("{} ({} bytes, {})", self.name(), self.bytes, self.version)
    }
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
    pub(super) options: ReadOptions,
}

impl Inputs {
    /// Looks at every file.
    pub(super) fn open(
        table: &str,
        inputs: &[PathBuf],
        options: &ReadOptions,
    ) -> Result<Self, Error> {
        let wrong = |reason: String| Error::Input { table: table.to_owned(), reason };
        let (mut files, mut remarks) = list(inputs).map_err(wrong)?;
        let Some(first) = files.first_mut() else {
            return Err(wrong("there is no input: name files or folders".to_owned()));
        };
        let mut options = options.clone();
        let format = read::format_of(first.at.clone(), &options)?;
        let reader = read::open_at(first.at.clone(), &options)?;
        first.parts = reader.parts();
        let metadata = reader.metadata().clone();
        let mut schema = taken_schema(reader.schema());
        if reader.schema().index_of(SPATIAL_INDEX).is_ok() {
            remarks.push(format!("the column {SPATIAL_INDEX} is computed anew"));
        }
        let mut widened = BTreeMap::new();
        let (first, others) = files.split_at_mut(1);
        let first = &first[0];
        for file in others {
            let reader = read::open_at(file.at.clone(), &options)?;
            file.parts = reader.parts();
            let found = taken_schema(reader.schema());
            compare(first, &schema, file, &found, &mut widened).map_err(wrong)?;
        }
        if !widened.is_empty() {
            // What the first rows of a text look like differs between files; with the wider type
            // given, they must agree.
            options.types.extend(widened);
            schema = taken_schema(read::open_at(first.at.clone(), &options)?.schema());
        }
        Ok(Self { files, schema, metadata, format, remarks, options })
    }

    /// What to call all of them in a message.
    pub(super) fn names(&self) -> String {
        let first = self.files.first().map(|file| file.name().to_string()).unwrap_or_default();
        match self.files.len() {
            0 | 1 => first,
            files => format!("{first} and {} other files", files - 1),
        }
    }

    /// The bytes of all files.
    pub(super) fn bytes(&self) -> u64 {
        self.files.iter().map(|file| file.bytes).sum()
    }

    /// The rows in the columns that are taken, by name.
    pub(super) fn taken(
        &self,
        rows: &RecordBatch,
        file: &InputFile,
    ) -> Result<RecordBatch, ReadError> {
        let batch =
            |source| ReadError::Batch { file: file.name().to_string(), source: Arc::new(source) };
        let columns: Result<Vec<ArrayRef>, _> = self
            .schema
            .fields()
            .iter()
            .map(|field| {
                let column = rows.column(rows.schema_ref().index_of(field.name())?);
                if column.data_type() == field.data_type() {
                    return Ok(Arc::clone(column));
                }
                // A value that is too large is an error and never NULL.
                let options = CastOptions { safe: false, ..CastOptions::default() };
                cast_with_options(column, field.data_type(), &options)
                    .map_err(|e| ArrowError::CastError(format!("column {}: {e}", field.name())))
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
    let [first, file] = [first, file].map(InputFile::name);
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
        if let Some(location) = location(input)? {
            list_remote(&location, &mut paths, &mut remarks)?;
            continue;
        }
        let input = &on_disk(input);
        let data = fs::metadata(input)
            .map_err(|e| format!("the input {} cannot be read: {e}", input.display()))?;
        if !data.is_dir() {
            paths.push(FileAt::Disk(input.clone()));
            continue;
        }
        let (mut below, mut others) = (Vec::new(), 0);
        let inside = primary(input)?;
        walk(&inside.folder, &inside, &mut below, &mut others)?;
        below.sort();
        if below.is_empty() {
            return Err(format!(
                "the folder {} holds no table files: they end in {}, and may be packed ({})",
                input.display(),
                ENDINGS.join(", "),
                PACKED.join(", ")
            ));
        }
        paths.extend(below.into_iter().map(FileAt::Disk));
        if others > 0 {
            remarks.push(format!("{others} other files in {} passed over", input.display()));
        }
    }
    let (mut seen, mut files) = (HashSet::new(), Vec::new());
    for at in paths {
        let (whole, bytes, version) = match &at {
            FileAt::Disk(path) => facts(path)
                .map_err(|e| format!("the input {} cannot be read: {e}", path.display()))?,
            FileAt::Store(file) => (PathBuf::from(file.name()), file.bytes(), file.version()),
        };
        if !seen.insert(whole) {
            return Err(format!("the input {} is given twice", at.name().display()));
        }
        files.push(InputFile { at, bytes, version, parts: Vec::new() });
    }
    Ok((files, remarks))
}

/// The whole path of a file on disk, its size and when it was changed.
fn facts(path: &Path) -> std::io::Result<(PathBuf, u64, String)> {
    let (whole, data) = (fs::canonicalize(path)?, fs::metadata(path)?);
    let modified = data.modified().ok().and_then(|time| time.duration_since(UNIX_EPOCH).ok());
    Ok((whole, data.len(), modified.map_or(0, |since| since.as_nanos()).to_string()))
}

/// The location that an input names, if it is a URL of a store.
fn location(input: &Path) -> Result<Option<Location>, String> {
    let Some(url) = input.to_str().filter(|text| text.contains("://")) else { return Ok(None) };
    let location = url.parse::<Location>().map_err(|e| e.to_string())?;
    Ok(Some(location).filter(Location::is_far))
}

/// The path that an input on disk names.
fn on_disk(input: &Path) -> PathBuf {
    match input.to_str().map(str::parse) {
        Some(Ok(Location::Folder(path))) => path,
        _ => input.to_owned(),
    }
}

/// The files at a location in a store, or below it; of a HATS table its tiles.
fn list_remote(
    location: &Location,
    files: &mut Vec<FileAt>,
    remarks: &mut Vec<String>,
) -> Result<(), String> {
    let listed = match Remote::find(location)? {
        Remote::File(file) => {
            files.push(FileAt::Store(file));
            return Ok(());
        }
        Remote::Folder(listed) => listed,
    };
    let named = |name: &str| listed.iter().find(|(other, _)| other == name);
    let mut table = String::new();
    if let Some((_, file)) = named(collection::FILE_NAME) {
        let failed = |e: &dyn std::fmt::Display| format!("{} cannot be read: {e}", file.name());
        let text = file.text().map_err(|e| failed(&e))?;
        let members = Collection::parse(file.name(), &text).map_err(|e| e.to_string())?;
        table = format!("{}/", members.primary);
    }
    let is_hats = PROPERTIES.iter().any(|name| named(&format!("{table}{name}")).is_some());
    let dataset = format!("{table}{DATASET}/");
    let is_wanted = |name: &str| {
        if is_hats { name.strip_prefix(&dataset).is_some_and(is_tile) } else { is_table(name) }
    };
    let is_hidden = |name: &str| name.split('/').any(|part| part.starts_with(['.', '_']));
    let shown = listed.into_iter().filter(|(name, _)| !is_hidden(name));
    let (wanted, others): (Vec<_>, Vec<_>) = shown.partition(|(name, _)| is_wanted(name));
    if wanted.is_empty() {
        return Err(format!("there is no table file at {location} or below it"));
    }
    if !others.is_empty() {
        remarks.push(format!("{} other files in {location} passed over", others.len()));
    }
    files.extend(wanted.into_iter().map(|(_, file)| FileAt::Store(file)));
    Ok(())
}

/// Whether a file below the tiles of a HATS table is one.
fn is_tile(name: &str) -> bool {
    is_data(name) && tile_pixel(name).is_some()
}

/// Whether the name of a file says that it holds a table.
fn is_table(name: &str) -> bool {
    let name = name.to_lowercase();
    let unpacked = PACKED.iter().find_map(|ending| name.strip_suffix(ending));
    let name = unpacked.unwrap_or(&name);
    ENDINGS.iter().any(|ending| name.ends_with(ending))
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
        let is_wanted = if inside.is_hats { is_tile(&below) } else { is_table(&name) };
        if is_wanted { paths.push(path) } else { *others += 1 }
    }
    Ok(())
}
