//! Makes a table of the data folder that lies elsewhere: a pointer, and no copy of anything.
//!
//! The table is opened there first, by the same code that serves it, so that what cannot be served
//! is refused before anything is written. A running service finds it when it starts again.

use std::fs;
use std::path::{Path as FilePath, PathBuf};
use std::sync::Arc;

use adql::TableName;

use crate::hats::{PROPERTIES, collection};
use crate::location::Location;
use crate::metadata;
use crate::snapshot::is_reserved;
use crate::{Error, Snapshot, TiledTable, pointer};

/// A table that was added.
#[derive(Debug)]
pub struct Added {
    /// Its folder in the data folder.
    pub folder: PathBuf,
    /// Its name here.
    pub name: TableName,
    /// Where it lies.
    pub location: Location,
    /// What was found there, under the name that it has there.
    pub table: Arc<TiledTable>,
}

/// Adds the table or collection at a location to a data folder; by the last part of the location
/// in the schema `public`, if no name is given.
///
/// # Errors
/// When there is no table that can be served, its name is taken, or the folder cannot be written.
pub async fn add(
    data: &FilePath,
    location: &Location,
    name: Option<TableName>,
) -> Result<Added, Error> {
    let location = location.for_pointer()?;
    if let Some(name) = &name {
        check_name(name)?;
        check_free(data, name)?;
    }
    let snapshot = Snapshot::open(&location).await?;
    let wrong = |reason: String| Error::Location { location: location.to_string(), reason };
    let [table] = snapshot.tiled_tables() else {
        let names: Vec<String> =
            snapshot.tiled_tables().iter().take(5).map(|table| table.path().to_owned()).collect();
        let (count, names) = (snapshot.tiled_tables().len(), names.join(", "));
        return Err(wrong(format!("it holds {count} tables ({names}): add one after the other")));
    };
    if let Some(elsewhere) = table.elsewhere() {
        return Err(wrong(format!("its table lies elsewhere: add {elsewhere}")));
    }
    let name = match name {
        Some(name) => name,
        None => {
            check_name(table.name())?;
            check_free(data, table.name())?;
            table.name().clone()
        }
    };
    let folder = data.join(&name.schema).join(&name.table);
    write(&folder, &location)?;
    if folder.join(metadata::FILE_NAME).exists() {
        // What is said of it must fit to it.
        if let Err(error) = Snapshot::open(&Location::Folder(folder.clone())).await {
            let file = folder.join(pointer::FILE_NAME);
            fs::remove_file(&file).map_err(|e| Error::write(&file, e))?;
            return Err(error);
        }
    }
    Ok(Added { folder, name, location: location.clone(), table: Arc::clone(table) })
}

/// Refuses what cannot be the folder of a table.
fn check_name(name: &TableName) -> Result<(), Error> {
    let wrong = |reason: String| Err(Error::Input { table: name.to_string(), reason });
    for part in [&name.schema, &name.table] {
        if part.is_empty() || part.starts_with('.') || part.contains(['/', '\0']) {
            return wrong(format!("{part:?} cannot be the name of a folder of tables"));
        }
    }
    if is_reserved(&name.schema) {
        return wrong(format!("the schema {} belongs to the service (TAP 1.1 §4)", name.schema));
    }
    Ok(())
}

/// Refuses a name that is taken; a folder that only says something of the table is free.
fn check_free(data: &FilePath, name: &TableName) -> Result<(), Error> {
    let schema = data.join(&name.schema);
    for folder in [data, &schema] {
        let [newer, older] = PROPERTIES;
        let files = [newer, older, collection::FILE_NAME, pointer::FILE_NAME];
        if let Some(file) = files.into_iter().find(|file| folder.join(file).exists()) {
            let reason = format!("{} is a table itself: it has {file}", folder.display());
            return Err(Error::Input { table: name.to_string(), reason });
        }
    }
    let folder = schema.join(&name.table);
    let is_free = match fs::read_dir(&folder) {
        Ok(mut entries) => entries.all(|entry| {
            entry.is_ok_and(|entry| entry.file_name().to_str() == Some(metadata::FILE_NAME))
        }),
        Err(error) => error.kind() == std::io::ErrorKind::NotFound,
    };
    if is_free { Ok(()) } else { Err(Error::Exists { path: folder.display().to_string() }) }
}

/// Writes the pointer, whole or not at all.
fn write(folder: &FilePath, location: &Location) -> Result<(), Error> {
    fs::create_dir_all(folder).map_err(|e| Error::write(folder, e))?;
    let file = folder.join(pointer::FILE_NAME);
    let mut partial =
        tempfile::NamedTempFile::new_in(folder).map_err(|e| Error::write(folder, e))?;
    let written = std::io::Write::write_all(&mut partial, pointer::text(location).as_bytes());
    written.and_then(|()| partial.as_file().sync_all()).map_err(|e| Error::write(&file, e))?;
    partial.persist_noclobber(&file).map_err(|e| Error::write(&file, e.error))?;
    Ok(())
}
