//! The version of a table of which an import makes the next one.
//!
//! Each version has folders of its own. Those of the one before stay until the version after the
//! next, so that queries on it go on; older ones go.

use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use datafusion::arrow::array::RecordBatch;
use datafusion::arrow::datatypes::{DataType, Field, Schema, SchemaRef};
use datafusion::parquet::arrow::arrow_reader::ParquetRecordBatchReaderBuilder;

use super::aside;
use super::inputs::Inputs;
use crate::hats::{
    Collection, DATASET, Kind, PROPERTIES, Properties, TableProperties, collection, partition_info,
};
use crate::metadata::{self, TableMetadata};
use crate::read::{FileFormat, ReadOptions};
use crate::write::{FIRST_VERSION, TableKind, WriteOptions, version_of};
use crate::{Error, pointer};

/// What is written anew in each version, beside its folders.
const WRITTEN: [&str; 4] =
    [collection::FILE_NAME, metadata::FILE_NAME, pointer::FILE_NAME, aside::FILE_NAME];

/// A table as it is.
#[derive(Debug)]
pub(super) struct Former {
    folder: PathBuf,
    pub(super) name: String,
    /// Its number.
    pub(super) version: u32,
    /// What `table.toml` says.
    pub(super) metadata: TableMetadata,
    collection: Option<Collection>,
}

/// A table to which rows are added.
#[derive(Debug)]
pub(super) struct Appended {
    /// Its rows, in the columns in which they are written but for the spatial index.
    pub(super) rows: Inputs,
    properties: TableProperties,
    margin_arcsec: Option<f64>,
    indexes: Vec<String>,
}

impl Former {
    /// Reads what a folder says of the table that it is.
    pub(super) fn open(folder: &Path) -> Result<Self, Error> {
        let name = folder.file_name().unwrap_or_default().to_string_lossy().into_owned();
        let [newer, older] = PROPERTIES;
        let files = [collection::FILE_NAME, newer, older, pointer::FILE_NAME];
        if !files.iter().any(|file| folder.join(file).is_file()) {
            let reason = format!("{} is no table: it has no {}", folder.display(), files[0]);
            return Err(Error::Input { table: name, reason });
        }
        let collection = read(&folder.join(collection::FILE_NAME))?;
        let collection = match collection {
            Some((path, text)) => Some(Collection::parse(&path, &text)?),
            None => None,
        };
        let version = collection.as_ref().map_or(FIRST_VERSION, |c| version_of(&c.primary, &name));
        let metadata = TableMetadata::read_file(&folder.join(metadata::FILE_NAME))?;
        let metadata = metadata.unwrap_or_default();
        Ok(Self { folder: folder.to_owned(), name, version, metadata, collection })
    }

    /// The version of the table that a folder holds; none while it is not complete.
    pub(super) fn version_in(&self, folder: &Path) -> Option<u32> {
        let (path, text) = read(&folder.join(collection::FILE_NAME)).ok()??;
        let collection = Collection::parse(&path, &text).ok()?;
        Some(version_of(&collection.primary, &self.name))
    }

    /// What of the folder stays beside the next version: everything but what is written anew and
    /// the folders of versions before this one.
    pub(super) fn stays(&self) -> Result<Vec<String>, Error> {
        let failed = |e| Error::write(&self.folder, e);
        let mut stays = Vec::new();
        for entry in fs::read_dir(&self.folder).map_err(failed)? {
            let entry = entry.map_err(failed)?;
            let name = entry.file_name().into_string().map_err(|name| {
                let reason = format!("the name {name:?} in its folder is no UTF-8");
                Error::Input { table: self.name.clone(), reason }
            })?;
            if !WRITTEN.contains(&name.as_str()) && !self.is_past(&name) {
                stays.push(name);
            }
        }
        stays.sort();
        Ok(stays)
    }

    /// Whether a folder or file is of a version before this one.
    fn is_past(&self, name: &str) -> bool {
        let Some(Collection { primary, margins, indexes }) = &self.collection else { return false };
        if margins.iter().chain(indexes).chain([primary]).any(|member| member == name) {
            return false;
        }
        // The first version may have been a table without a collection.
        let beside = [DATASET, partition_info::FILE_NAME];
        if beside.into_iter().chain(PROPERTIES).any(|of_table| of_table == name) {
            return true;
        }
        let is_of_table = name.strip_prefix(&self.name);
        is_of_table.is_some_and(|rest| rest.is_empty() || rest.starts_with(['.', '_']))
            && PROPERTIES.iter().any(|file| self.folder.join(name).join(file).is_file())
    }

    /// The table as one to which rows are added.
    ///
    /// # Errors
    /// When it is none that an import wrote.
    pub(super) fn appended(&self) -> Result<Appended, Error> {
        let wrong = |reason: String| Error::Input { table: self.name.clone(), reason };
        let foreign = || {
            wrong(
                "rows are appended to what armilla import wrote, which it is not: import it into \
                 a table, and append to that"
                    .to_owned(),
            )
        };
        let collection = self.collection.as_ref().ok_or_else(foreign)?;
        let member = |name: &String| -> Result<(Properties, TableProperties), Error> {
            for file in PROPERTIES {
                if let Some((path, text)) = read(&self.folder.join(name).join(file))? {
                    let properties = Properties::parse(&path, &text);
                    let table = properties.table()?;
                    return Ok((properties, table));
                }
            }
            Err(wrong(format!("its folder {name} has no {}", PROPERTIES[0])))
        };
        let (said, properties) = member(&collection.primary)?;
        if !said.get("hats_builder").is_some_and(|builder| builder.starts_with("armilla ")) {
            return Err(foreign());
        }
        let mut margin_arcsec = None;
        for margin in &collection.margins {
            if let Kind::Margin { threshold_arcsec } = member(margin)?.1.kind {
                margin_arcsec = Some(threshold_arcsec);
            }
        }
        let mut indexes = Vec::new();
        for index in &collection.indexes {
            if let Kind::Index { column } = member(index)?.1.kind {
                indexes.push(column);
            }
        }
        let tiles = [self.folder.clone()];
        let mut rows = Inputs::open(&self.name, &tiles, &ReadOptions::default())?;
        rows.remarks.clear();
        Ok(Appended { rows, properties, margin_arcsec, indexes })
    }

    /// What the files of a next version say, and of the columns that stay what was said of this
    /// one where they say nothing; also which units differ.
    pub(super) fn said_beside(
        &self,
        said: TableMetadata,
        schema: &Schema,
    ) -> (TableMetadata, Vec<String>) {
        let mut before = self.metadata.tiled_alike(&said);
        before.retain_columns(|name| schema.index_of(name).is_ok());
        // The one is of the rows, the other is found anew.
        (before.position, before.coverage) = (None, None);
        let mut differences = Vec::new();
        for (name, column) in &said.columns {
            let unit = before.columns.get(name).and_then(|column| column.unit.as_ref());
            if let (Some(now), Some(unit)) = (&column.unit, unit)
                && now != unit
            {
                differences.push(format!("column {name} is in {now}, and was in {unit} before"));
            }
        }
        (said.over(before), differences)
    }

    /// The rows without a position that were kept aside, in the columns of a schema.
    pub(super) fn aside(
        &self,
        schema: &SchemaRef,
        mut take: impl FnMut(&RecordBatch) -> Result<(), Error>,
    ) -> Result<(), Error> {
        let path = self.folder.join(aside::FILE_NAME);
        let failed = |e: &dyn std::fmt::Display| {
            Error::malformed(&path.display(), format!("it cannot be read: {e}"))
        };
        let file = match fs::File::open(&path) {
            Ok(file) => file,
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(()),
            Err(error) => return Err(failed(&error)),
        };
        let reader = ParquetRecordBatchReaderBuilder::try_new(file).map_err(|e| failed(&e))?;
        for rows in reader.build().map_err(|e| failed(&e))? {
            let rows = rows.map_err(|e| failed(&e))?;
            let rows = RecordBatch::try_new(Arc::clone(schema), rows.columns().to_vec());
            take(&rows.map_err(|e| failed(&e))?)?;
        }
        Ok(())
    }
}

impl Appended {
    /// How many rows it has.
    pub(super) fn count(&self) -> u64 {
        self.rows.files.iter().flat_map(|file| &file.parts).map(|part| part.rows).sum()
    }

    /// Whether the table has no positions.
    pub(super) fn is_whole(&self) -> bool {
        self.properties.kind == Kind::Table
    }

    /// Takes over how the table is written.
    pub(super) fn shape(&self, options: &mut WriteOptions) {
        options.margin_arcsec = self.margin_arcsec;
        options.indexes.clone_from(&self.indexes);
        options.kind = match self.properties.kind {
            Kind::Source => TableKind::Source,
            _ => TableKind::Object,
        };
    }

    /// How files of text are read: as the columns of the table are.
    pub(super) fn reading(&self, inputs: &Inputs, options: &ReadOptions) -> ReadOptions {
        let mut options = options.clone();
        if inputs.format == FileFormat::Csv {
            for field in inputs.schema.fields() {
                let Ok(known) = self.rows.schema.field_with_name(field.name()) else { continue };
                let data_type = match known.data_type() {
                    number if number.is_integer() => DataType::Int64,
                    number if number.is_floating() => DataType::Float64,
                    plain @ (DataType::Utf8 | DataType::Boolean) => plain.clone(),
                    _ => continue,
                };
                options.types.entry(field.name().clone()).or_insert(data_type);
            }
        }
        options
    }

    /// Takes files in the columns of the table, in its order and types.
    ///
    /// # Errors
    /// Says which column they have that the table has not, or has in another type or unit.
    pub(super) fn fit(&self, inputs: &mut Inputs, said: &TableMetadata) -> Result<(), String> {
        for field in inputs.schema.fields() {
            let name = field.name();
            let known = self.rows.schema.field_with_name(name);
            let known = known.map_err(|_| {
                format!("the input has a column {name}, which the table has not: leave it out")
            })?;
            let (here, there) = (field.data_type(), known.data_type());
            if !is_taken_as(here, there) {
                return Err(format!(
                    "column {name} is {there} in the table and {here} in the input"
                ));
            }
            let unit = |said: &TableMetadata| said.columns.get(name)?.unit.clone();
            if let (Some(here), Some(there)) = (unit(&inputs.metadata), unit(said))
                && here != there
            {
                return Err(format!(
                    "column {name} is in {there} in the table and in {here} in the input: \
                     convert it"
                ));
            }
        }
        let fields = self.rows.schema.fields().iter();
        let taken: Vec<Arc<Field>> = fields
            .filter(|field| inputs.schema.index_of(field.name()).is_ok())
            .map(Arc::clone)
            .collect();
        inputs.schema = Arc::new(Schema::new(taken));
        Ok(())
    }

    /// Whether the rows of the input are the rows of the table, when they have all that places
    /// them.
    ///
    /// # Errors
    /// Says what they lack.
    pub(super) fn check(&self, schema: &Schema, tiled_by: Option<[&str; 2]>) -> Result<(), String> {
        let lacking = self.rows.schema.fields().iter().map(|field| field.name());
        let lacking: Vec<&str> =
            lacking.filter(|name| schema.index_of(name).is_err()).map(String::as_str).collect();
        if !lacking.is_empty() {
            let lacking = lacking.join(", ");
            return Err(format!(
                "the table has the columns {lacking}, which the input has not; if they were made \
                 of others, give the position or parent as when the table was imported"
            ));
        }
        let known = self.properties.ra.as_deref().zip(self.properties.dec.as_deref());
        if tiled_by.map(|[ra, dec]| (ra, dec)) != known {
            let words = |by: Option<(&str, &str)>| match by {
                Some((ra, dec)) => format!("tiled by {ra} and {dec}"),
                None => "without positions".to_owned(),
            };
            return Err(format!(
                "the table is {}, and the input would be {}: give the position or parent as when \
                 the table was imported",
                words(known),
                words(tiled_by.map(|[ra, dec]| (ra, dec)))
            ));
        }
        if schema.fields() != self.rows.schema.fields() {
            return Err(format!(
                "the table has the columns {}, and the input becomes {schema}",
                self.rows.schema
            ));
        }
        Ok(())
    }
}

/// Whether values of one type can be kept in another: numbers are checked one by one.
fn is_taken_as(here: &DataType, there: &DataType) -> bool {
    here == there
        || (here.is_integer() && there.is_numeric())
        || (here.is_floating() && there.is_floating())
}

/// The text of a file with its path for messages, if it is there.
fn read(path: &Path) -> Result<Option<(String, String)>, Error> {
    let name = path.display().to_string();
    match fs::read_to_string(path) {
        Ok(text) => Ok(Some((name, text))),
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(None),
        Err(error) => Err(Error::malformed(&name, format!("it cannot be read: {error}"))),
    }
}
