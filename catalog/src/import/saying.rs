//! What is said of a table that is imported: by its files, by Felis, and by how it is imported.

use std::path::PathBuf;

use super::inputs::Inputs;
use super::{ImportOptions, place_of};
use crate::metadata::TableMetadata;
use crate::metadata::felis::Felis;
use crate::read::FileFormat;
use crate::{DEFAULT_SCHEMA, Error};

/// A Felis file that describes the table.
#[derive(Debug, Clone)]
pub struct FelisChoice {
    /// The file.
    pub path: PathBuf,
    /// Which of its tables; without it, the one that is named like the folder, or the only one.
    pub table: Option<String>,
}

impl FelisChoice {
    /// What tells it from another, and from itself at another time.
    pub(super) fn identity(&self) -> String {
        let data = std::fs::metadata(&self.path).ok();
        let modified = data.as_ref().and_then(|data| data.modified().ok());
        let bytes = data.map_or(0, |data| data.len());
        format!("{} ({bytes} bytes, {modified:?}), {:?}", self.path.display(), self.table)
    }
}

/// Lays what Felis says over what the files say, or under it where they carry `VOParquet` metadata.
pub(super) fn add_felis(
    inputs: &mut Inputs,
    choice: &FelisChoice,
    options: &ImportOptions,
) -> Result<(), Error> {
    let schema = place_of(&options.folder).map_or(DEFAULT_SCHEMA.to_owned(), |(_, schema)| schema);
    let named = options.folder.file_name().unwrap_or_default().to_string_lossy();
    let felis = Felis::read(&choice.path)?;
    let mut said = felis.table(choice.table.as_deref(), &named, &schema)?;
    inputs.remarks.extend(said.fit(&inputs.schema));
    let files = std::mem::take(&mut inputs.metadata);
    inputs.metadata = match inputs.format {
        FileFormat::Parquet => files.over(said.metadata),
        FileFormat::Csv | FileFormat::Votable | FileFormat::Fits | FileFormat::Arrow => {
            said.metadata.over(files)
        }
    };
    Ok(())
}

/// What is said of the columns that are taken.
pub(super) fn of_taken(inputs: &Inputs, options: &ImportOptions) -> TableMetadata {
    let mut metadata = inputs.metadata.clone();
    let has = |name: &str| inputs.schema.index_of(name).is_ok();
    metadata.retain_columns(has);
    metadata.position = None;
    for name in options.indexes.iter().filter(|name| has(name)) {
        metadata.columns.entry(name.clone()).or_default().indexed.get_or_insert(true);
    }
    metadata
}

/// Refuses positions of another frame than that by which the sky is searched.
pub(super) fn check_frames(metadata: &TableMetadata, position: [&str; 2]) -> Result<(), String> {
    for frame in metadata.frames.iter().filter(|frame| !frame.is_searchable()) {
        let is_of = |column: &&&str| frame.columns.iter().any(|name| name == **column);
        let [ra, dec] = position;
        if frame.columns.is_empty() || position.iter().any(|column| is_of(&column)) {
            let equinox = frame.equinox.as_deref().unwrap_or_default();
            let system = format!("{} {equinox}", frame.system);
            return Err(format!(
                "the file says that {ra} and {dec} are {}, and a table is searched in ICRS: \
                 convert them, or name other columns by ra and dec",
                system.trim_end()
            ));
        }
    }
    Ok(())
}

/// Says of degrees that were made of a column what is said of its frame.
pub(super) fn extend_frames(metadata: &mut TableMetadata, source: &str, degrees: &str) {
    for frame in &mut metadata.frames {
        if frame.columns.iter().any(|name| name == source) {
            frame.columns.push(degrees.to_owned());
        }
    }
}
