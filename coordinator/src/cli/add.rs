//! `armilla add`: a table that lies elsewhere becomes one of the data folder, and nothing is copied.

use std::io::Write as _;
use std::path::PathBuf;

use adql::TableName;
use catalog::add::{Added, add};
use catalog::{DEFAULT_SCHEMA, Kind, Location};
use indicatif::{HumanBytes, HumanCount};

use crate::cli::Error;
use crate::config::Settings;

/// Adds the table at a location, and tells what it is.
pub(super) async fn run(settings: &Settings, location: &str) -> Result<(), Error> {
    let location: Location = location.parse().map_err(Error::Add)?;
    let data: Location = settings.require::<String>("data")?.parse().map_err(Error::Add)?;
    let Location::Folder(data) = data else {
        let what = format!("data = {data} is not a folder of this host: tables are added to one");
        return Err(Error::Contradiction(what));
    };
    let name = settings.get::<String>("as")?.map(|name| match name.split_once('.') {
        Some((schema, table)) => TableName { schema: schema.to_owned(), table: table.to_owned() },
        None => TableName { schema: DEFAULT_SCHEMA.to_owned(), table: name },
    });
    let added = add(&data, &location, name).await.map_err(Error::Add)?;
    let mut stdout = std::io::stdout().lock();
    writeln!(stdout, "{}", report(&added)).map_err(Error::Output)
}

/// What was added, on a few lines.
fn report(added: &Added) -> String {
    let Added { folder, name, location, table } = added;
    let manifest = table.manifest();
    let rows = match table.rows() {
        Some(rows) => format!("{} rows", HumanCount(rows)),
        None => "an unknown number of rows".to_owned(),
    };
    let mut lines = vec![
        format!("{name} is read in place from {location}"),
        format!(
            "{} columns, {rows} in {} tiles of {}",
            table.table().columns.len(),
            HumanCount(manifest.len() as u64),
            HumanBytes(manifest.bytes())
        ),
    ];
    lines.push(match &table.table().positions {
        Some(p) => format!("position: {}, {}; spatial index: {}", p.ra, p.dec, p.spatial_index),
        None => "without positions: every worker holds it whole".to_owned(),
    });
    for attachment in table.attachments() {
        let folder = PathBuf::from(&attachment.path);
        let folder = folder.file_name().unwrap_or_default().to_string_lossy().into_owned();
        match &attachment.kind {
            Kind::Margin { threshold_arcsec } => {
                lines.push(format!("margin of {threshold_arcsec} arcsec: {folder}"));
            }
            Kind::Index { column } => lines.push(format!("index of {column}: {folder}")),
            Kind::Object | Kind::Source | Kind::Map | Kind::Association { .. } | Kind::Table => {}
        }
    }
    let missing = (0..manifest.len()).filter(|tile| manifest.tile_bytes(*tile) == 0).count();
    if missing > 0 {
        lines.push(format!("note: {missing} tiles that it lists are not there"));
    }
    lines.push(format!(
        "services show it when they start again; to remove it, delete {}",
        folder.display()
    ));
    lines.join("\n")
}
