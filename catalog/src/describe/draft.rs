//! The text of a `table.toml`, new or completed.

use adql::Table;
use adql::datatype::CellType;
use serde::Serialize;
use toml_edit::{ArrayOfTables, DocumentMut, Item, Table as TomlTable};

use crate::metadata::{ColumnMetadata, Origin, TableMetadata, VERSION};

/// What of the whole table a person should say: its key, and what it is.
const OF_TABLE: [(&str, &str); 2] =
    [("title", "a few words"), ("description", "one paragraph for humans")];
const OF_ORIGIN: [&str; 8] =
    ["release", "creators", "publisher", "contact", "rights", "license", "doi", "article"];

/// The text with everything that is known and is not in it; the error is what is wrong with it.
pub(super) fn draft(
    text: Option<&str>,
    table: &Table,
    known: &TableMetadata,
) -> Result<String, String> {
    let is_new = text.is_none();
    let head = text.map_or_else(|| head(table, known), str::to_owned);
    let mut document: DocumentMut = head
        .parse()
        .map_err(|error: toml_edit::TomlError| error.to_string().trim_end().replace('\n', "; "))?;
    let before = document.to_string();
    let said = as_table(&without_parts(known))?;
    for (key, item) in said.iter().filter(|(key, _)| *key != "version") {
        if !document.contains_key(key) {
            document.insert(key, item.clone());
        }
    }
    add_origin(&mut document, &known.origin, is_new)?;
    add_columns(&mut document, table, known)?;
    let lists = as_table(&TableMetadata {
        frames: known.frames.clone(),
        times: known.times.clone(),
        keys: known.keys.clone(),
        ..TableMetadata::default()
    })?;
    for (key, item) in lists.iter().filter(|(key, _)| *key != "version") {
        if !document.contains_key(key) {
            document.insert(key, spread(item.clone()));
        }
    }
    // What was added may be what an older layout has not.
    if document.to_string() != before
        && document.get("version").and_then(Item::as_integer).is_some_and(|v| v < VERSION.into())
    {
        document["version"] = toml_edit::value(i64::from(VERSION));
    }
    Ok(document.to_string())
}

fn as_table(said: &impl Serialize) -> Result<TomlTable, String> {
    let document = toml_edit::ser::to_document(said).map_err(|error| error.to_string())?;
    Ok(document.as_table().clone())
}

/// What is said of the whole table, in single values.
fn without_parts(known: &TableMetadata) -> TableMetadata {
    TableMetadata {
        title: known.title.clone(),
        description: known.description.clone(),
        note: known.note.clone(),
        utype: known.utype.clone(),
        index: known.index,
        ..TableMetadata::default()
    }
}

/// The beginning of a new file, with what is missing of the whole table.
fn head(table: &Table, known: &TableMetadata) -> String {
    let mut text = format!(
        "# What is said of {}. Complete what is missing; armilla describe tells what is wrong.\n",
        table.name
    );
    let is_known = [known.title.is_some(), known.description.is_some()];
    for ((key, what), is_known) in OF_TABLE.iter().zip(is_known) {
        if !is_known {
            text.push_str(&format!("# missing: {key} = \"{what}\"\n"));
        }
    }
    text.push_str(&format!("version = {VERSION}\n"));
    text
}

fn add_origin(document: &mut DocumentMut, origin: &Origin, is_new: bool) -> Result<(), String> {
    let said = as_table(origin)?;
    if document.contains_key("origin") {
        if let Some(there) = document.get_mut("origin").and_then(Item::as_table_like_mut) {
            for (key, item) in &said {
                if !there.contains_key(key) {
                    there.insert(key, item.clone());
                }
            }
        }
        return Ok(());
    }
    if !is_new && said.is_empty() {
        return Ok(());
    }
    let missing: Vec<&str> = OF_ORIGIN.into_iter().filter(|key| !said.contains_key(key)).collect();
    let mut table = TomlTable::new();
    for (key, item) in &said {
        table.insert(key, item.clone());
    }
    table.decor_mut().set_prefix(match missing.as_slice() {
        [] => "\n".to_owned(),
        missing => format!("\n# missing: {}\n", missing.join(", ")),
    });
    document.insert("origin", Item::Table(table));
    Ok(())
}

/// Adds the columns that are not there, and to the others what is known and not there.
fn add_columns(
    document: &mut DocumentMut,
    table: &Table,
    known: &TableMetadata,
) -> Result<(), String> {
    if !document.contains_key("columns") {
        let mut columns = TomlTable::new();
        columns.set_implicit(true);
        document.insert("columns", Item::Table(columns));
    }
    let columns = document.get_mut("columns").and_then(Item::as_table_like_mut);
    let columns = columns.ok_or("columns is no table")?;
    for column in table.visible_columns() {
        let said = known.columns.get(&column.name).cloned().unwrap_or_default();
        let items = as_table(&said)?;
        if let Some(there) = columns.get_mut(&column.name) {
            let there = there.as_table_like_mut();
            let there = there.ok_or_else(|| format!("columns.{} is no table", column.name))?;
            for (key, item) in &items {
                if !there.contains_key(key) {
                    there.insert(key, item.clone());
                }
            }
            continue;
        }
        let mut added = TomlTable::new();
        for (key, item) in &items {
            added.insert(key, item.clone());
        }
        let cell = CellType::of(&column.data_type, column.xtype.as_deref());
        let size = cell.array_size().map_or_else(String::new, |size| format!(" [{size}]"));
        let missing = missing(&said, column.data_type.is_floating());
        added.decor_mut().set_prefix(format!("\n# {}{size}{missing}\n", cell.kind.name()));
        columns.insert(&column.name, Item::Table(added));
    }
    Ok(())
}

/// What a person should say of a column.
fn missing(said: &ColumnMetadata, is_float: bool) -> String {
    let wanted = [
        ("description", said.description.is_none()),
        ("ucd", said.ucd.is_none()),
        ("unit, if it has one", said.unit.is_none() && is_float),
    ];
    let missing: Vec<&str> = wanted.iter().filter(|(_, is)| *is).map(|(key, _)| *key).collect();
    if missing.is_empty() { String::new() } else { format!("; missing: {}", missing.join(", ")) }
}

/// A list of tables as `[[key]]`, each after an empty line.
fn spread(item: Item) -> Item {
    let spread = match item.into_array_of_tables() {
        Ok(tables) => tables,
        Err(other) => return other,
    };
    let mut tables = ArrayOfTables::new();
    for mut table in spread {
        table.decor_mut().set_prefix("\n");
        tables.push(table);
    }
    Item::ArrayOfTables(tables)
}
