//! `table.toml` for a table that is there: what is known put down, what is missing marked, and what
//! is wrong named with its line.
//!
//! `draft` writes, `review` judges. What a person wrote is never changed: what is new is added to
//! it, and its comments and order stay.

mod draft;
mod review;

use std::path::{Path, PathBuf};

use adql::{Column, System, Table, TableName};
use datafusion::arrow::datatypes::Schema;
use object_store::ObjectStore;

use crate::discover::{Discovered, Site, discover};
use crate::import::{FelisChoice, place_of};
use crate::metadata::felis::Felis;
use crate::metadata::{ColumnMetadata, FILE_NAME, FrameMetadata, TableMetadata, TimeMetadata};
use crate::survey::{Survey, survey};
use crate::table::TiledTable;
use crate::{DEFAULT_SCHEMA, Error, Location};

pub use review::{Finding, Severity};

/// A table, everything that is known of it, and the file that says more.
#[derive(Debug)]
pub struct Description {
    /// The file that is the master of what is said, whether it is there or not.
    pub file: PathBuf,
    /// What a person should know of the sources.
    pub remarks: Vec<String>,
    name: TableName,
    /// What the file says now.
    text: Option<String>,
    /// The table as files and Felis describe it.
    table: Table,
    known: TableMetadata,
    /// Where the tables are that keys may lead to.
    data: Option<PathBuf>,
}

/// Looks at a table: a folder `DIR/SCHEMA/TABLE`, or an address. The file that describes it lies
/// beside it, or in a folder of descriptions `overlay`.
///
/// # Errors
/// When the table or the Felis file cannot be read, or there is no place for the file.
pub async fn describe(
    location: &Location,
    felis: Option<&FelisChoice>,
    overlay: Option<&Path>,
) -> Result<Description, Error> {
    let Discovered { stores: store, sites, folder: _ } = discover(location).await?;
    let [site] = sites.as_slice() else {
        let reason = format!("it holds {} tables: name one of them", sites.len());
        return Err(Error::Location { location: location.to_string(), reason });
    };
    let (data, schema) = match location {
        Location::Folder(folder) => {
            let whole = folder.canonicalize().ok();
            let place = whole.as_deref().and_then(place_of);
            place.map_or((None, None), |(data, schema)| (Some(data), Some(schema)))
        }
        Location::S3(_) | Location::Http(_) => (None, None),
    };
    let schema = schema.unwrap_or_else(|| DEFAULT_SCHEMA.to_owned());
    let name = TableName { schema, table: site.name.table.clone() };
    let file = match (overlay, location) {
        (Some(overlay), _) => overlay_file(overlay, &name),
        (None, Location::Folder(folder)) => folder.join(FILE_NAME),
        (None, Location::S3(_) | Location::Http(_)) => {
            let reason = "its table.toml cannot be written there: give a folder of descriptions by \
                          metadata";
            let reason = reason.to_owned();
            return Err(Error::Location { location: location.to_string(), reason });
        }
    };
    let beside = if overlay.is_some() {
        TableMetadata::read(store.as_ref(), &site.named).await?
    } else {
        None
    };
    let (table, known, remarks) =
        known_of(store.as_ref(), location, site, (&name, beside, felis)).await?;
    let text = match std::fs::read_to_string(&file) {
        Ok(text) => Some(text),
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => None,
        Err(error) => return Err(Error::malformed(&file.display(), error.to_string())),
    };
    Ok(Description { file, remarks, name, text, table, known, data })
}

/// The file in a folder of descriptions that describes a table.
pub(crate) fn overlay_file(overlay: &Path, name: &TableName) -> PathBuf {
    overlay.join(&name.schema).join(format!("{}.toml", name.table))
}

/// The table as everything but its file describes it.
async fn known_of(
    store: &dyn ObjectStore,
    location: &Location,
    site: &Site,
    (name, beside, felis): (&TableName, Option<TableMetadata>, Option<&FelisChoice>),
) -> Result<(Table, TableMetadata, Vec<String>), Error> {
    let found = survey(store, location, &site.surveyed()).await?;
    let mut metadata = found.metadata();
    let mut remarks = Vec::new();
    if let Some(choice) = felis {
        let felis = Felis::read(&choice.path)?;
        let mut said = felis.table(choice.table.as_deref(), &name.table, &name.schema)?;
        remarks = said.fit(&found.schema);
        metadata = metadata.over(said.metadata);
    }
    let metadata = beside.unwrap_or_default().over(metadata);
    let site = Site { attachments: Vec::new(), ..site.clone() };
    let found = Survey { speaker: None, ..found };
    let file = site.named.clone().join(FILE_NAME).to_string();
    let tiled = TiledTable::new(site, found, Some((metadata.clone(), file)))?;
    let table = Table { name: name.clone(), ..tiled.table().as_ref().clone() };
    Ok((table.clone(), with_defaults(metadata, &table), remarks))
}

/// What is said, and of the rest what follows from the roles of columns.
fn with_defaults(said: TableMetadata, table: &Table) -> TableMetadata {
    let (mut frames, mut times): (Vec<FrameMetadata>, Vec<TimeMetadata>) = (Vec::new(), Vec::new());
    for column in table.visible_columns() {
        match column.system.as_deref() {
            None => {}
            Some(System::Space(frame)) => {
                let new = FrameMetadata::of(frame);
                match frames.iter_mut().find(|f| f.system() == new.system()) {
                    Some(known) => known.columns.push(column.name.clone()),
                    None => {
                        frames.push(FrameMetadata { columns: vec![column.name.clone()], ..new });
                    }
                }
            }
            Some(System::Time(time)) => {
                let new = TimeMetadata::of(time);
                match times.iter_mut().find(|t| t.system() == new.system()) {
                    Some(known) => known.columns.push(column.name.clone()),
                    None => times.push(TimeMetadata { columns: vec![column.name.clone()], ..new }),
                }
            }
        }
    }
    let is_said = |column: &Column| {
        said.columns.get(&column.name).is_some_and(|said| said.principal.is_some())
    };
    let columns = table.visible_columns().map(|column| {
        let principal = is_said(column).then_some(column.principal);
        let known = ColumnMetadata {
            unit: column.unit.clone(),
            ucd: column.ucd.clone(),
            utype: column.utype.clone(),
            xtype: column.xtype.clone(),
            description: column.description.clone(),
            note: column.note.clone(),
            index: column.index,
            indexed: column.indexed.then_some(true),
            principal,
            std: column.std.then_some(true),
        };
        (column.name.clone(), known)
    });
    TableMetadata {
        description: table.description.clone(),
        columns: columns.collect(),
        frames,
        times,
        ..said
    }
}

impl Description {
    /// The table.
    pub fn name(&self) -> &TableName {
        &self.name
    }

    /// The text of the file with everything that is known and was not in it.
    ///
    /// # Errors
    /// When there is a text that is no TOML: it is not for a program to mend.
    pub fn draft(&self) -> Result<String, Error> {
        draft::draft(self.text.as_deref(), &self.table, &self.known)
            .map_err(|reason| Error::malformed(&self.file.display(), reason))
    }

    /// Writes the file.
    ///
    /// # Errors
    /// As [`Description::draft`], and when it cannot be written.
    pub fn write(&mut self) -> Result<(), Error> {
        let text = self.draft()?;
        if let Some(folder) = self.file.parent() {
            std::fs::create_dir_all(folder).map_err(|error| Error::write(folder, error))?;
        }
        // Whole or not at all: it may be read by a service that starts.
        let partial = self.file.with_extension("toml.partial");
        std::fs::write(&partial, &text).map_err(|error| Error::write(&partial, error))?;
        std::fs::rename(&partial, &self.file).map_err(|error| Error::write(&self.file, error))?;
        self.text = Some(text);
        Ok(())
    }

    /// What is wrong with the file, and what is missing.
    pub async fn review(&self) -> Vec<Finding> {
        let mut findings = review::review(self);
        if let (Some(data), Some(text)) = (&self.data, &self.text) {
            findings.extend(review::keys(data, &self.name, text).await);
        }
        findings.sort_by_key(|finding| (finding.severity, finding.line));
        findings
    }
}

/// The columns of a table that lies in a data folder.
async fn columns_of(data: &Path, schema: &str, table: &str) -> Result<Schema, Error> {
    let location = Location::Folder(data.join(schema).join(table));
    let Discovered { stores: store, sites, folder: _ } = discover(&location).await?;
    let site = sites.first().expect("a location without tables is an error");
    let found = survey(store.as_ref(), &location, &site.surveyed()).await?;
    Ok(found.schema.as_ref().clone())
}
