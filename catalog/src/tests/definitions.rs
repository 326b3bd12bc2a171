//! Views and macros of `definitions.toml`: what they become, and which are refused when the tables
//! are opened.

use std::fs;
use std::path::Path;
use std::sync::Arc;

use adql::Schemas as _;
use tempfile::TempDir;

use super::fixture::{Shape, ask, rows, write_table};
use crate::{Location, Snapshot};

/// A folder with one table.
fn folder() -> TempDir {
    let folder = tempfile::tempdir().unwrap();
    write_table(&folder.path().join("stars"), &Shape::default(), &rows(100));
    folder
}

async fn open(folder: &Path, overlay: Option<&Path>) -> Result<Arc<Snapshot>, String> {
    let location = Location::Folder(folder.to_owned());
    let opened = Snapshot::open_described(&location, overlay).await;
    opened.map(Arc::new).map_err(|error| error.to_string())
}

const DEFINITIONS: &str = r#"version = 1

[[macros]]
name = "half_sky"
parameters = ["ra double"]
expression = "CASE WHEN ra < 180 THEN 'east' ELSE 'west' END"
description = "on which side of RA 180"

[[views]]
name = "latest.stars"
query = "SELECT * FROM public.stars"
title = "the newest stars"

[[views]]
name = "latest.east"
query = """
SELECT id, ra, dec FROM latest.stars
WHERE half_sky(ra) = 'east'"""
[views.columns.id]
description = "number in the release"
ucd = "meta.id;meta.main"
"#;

#[tokio::test]
async fn views_and_macros_are_read_as_tables_and_functions() {
    let folder = folder();
    fs::write(folder.path().join("definitions.toml"), DEFINITIONS).unwrap();
    let snapshot = open(folder.path(), None).await.unwrap();
    let [all, east] = ["public.stars", "latest.east"]
        .map(|table| format!("SELECT COUNT(*) AS n, MAX(id) AS id FROM {table} WHERE ra < 180"));
    assert_eq!(ask(&snapshot, true, &all).await, ask(&snapshot, true, &east).await);
    let described = "SELECT table_name, table_type, description FROM TAP_SCHEMA.tables \
                     WHERE schema_name <> 'TAP_SCHEMA'";
    let expected =
        ["\"public\".stars|table|", "latest.east|view|", "latest.stars|view|the newest stars"];
    assert_eq!(ask(&snapshot, true, described).await, expected);
    let columns = "SELECT column_name, ucd, description FROM TAP_SCHEMA.columns \
                   WHERE table_name = 'latest.east' AND column_name = 'id'";
    assert_eq!(ask(&snapshot, true, columns).await, ["id|meta.id;meta.main|number in the release"]);
    let signatures: Vec<String> = snapshot.macros().iter().map(|m| m.signature()).collect();
    assert_eq!(signatures, ["half_sky(ra DOUBLE) -> VARCHAR"]);
    // A number tells tiles, which have not changed; workers need no views.
    let plain = Snapshot::open(&Location::Folder(folder.path().to_owned())).await.unwrap();
    assert_eq!(plain.number(), snapshot.number());
    assert!(plain.macros().is_empty());
}

#[tokio::test]
async fn the_folder_of_descriptions_wins_name_by_name() {
    let (folder, overlay) = (folder(), tempfile::tempdir().unwrap());
    fs::write(folder.path().join("definitions.toml"), DEFINITIONS).unwrap();
    let above = "version = 1\n[[views]]\nname = 'Latest.Stars'\n\
                 query = 'SELECT id, ra, dec FROM public.stars WHERE id < 7'\n";
    fs::write(overlay.path().join("definitions.toml"), above).unwrap();
    let snapshot = open(folder.path(), Some(overlay.path())).await.unwrap();
    let count = "SELECT COUNT(*) AS n FROM latest.stars";
    assert_eq!(ask(&snapshot, true, count).await, ["7"]);
    let below = "SELECT COUNT(*) AS n FROM latest.east WHERE id > 6";
    assert_eq!(ask(&snapshot, true, below).await, ["0"]);
}

#[tokio::test]
async fn wrong_definitions_end_the_opening_with_file_and_name() {
    let view = |name: &str, query: &str| {
        format!("version = 1\n[[views]]\nname = '{name}'\nquery = '{query}'\n")
    };
    for (text, expected) in [
        (view("v.t", "SELECT id FROM strs"), "view v.t: unknown table strs at line 1, column 16"),
        (view("v.t", "SELECT id FROM v.t"), "view v.t: unknown table v.t"),
        (view("public.Stars", "SELECT id FROM stars"), "there is a table public.stars already"),
        (
            view("TAP_UPLOAD.t", "SELECT id FROM stars"),
            "the schema TAP_UPLOAD belongs to the service",
        ),
        (view("a.b.c", "SELECT id FROM stars"), "its name has the form schema.table"),
        (
            view("v.t", "SELECT id FROM stars") + "[views.columns.no]\nunit = 'm'\n",
            "no is no column of it",
        ),
        (view("v.t", "SELECT id FROM stars") + &view("v.T", "x")[12..], "it defines v.T twice"),
        ("version = 2\n".to_owned(), "version = 2 is not read here: write 1 or less"),
        ("version = 1\n[[view]]\n".to_owned(), "line 2: unknown field `view`"),
        (
            "version = 1\n[[macros]]\nname = 'm'\nparameters = ['x']\nexpression = 'x'\n"
                .to_owned(),
            "macro m: the parameter \"x\" is none: write a name and a type, as \"x DOUBLE\"",
        ),
        (
            "version = 1\n[[macros]]\nname = 'm'\nexpression = 'SQRT(y)'\n".to_owned(),
            "macro m: unknown column y",
        ),
    ] {
        let folder = folder();
        fs::write(folder.path().join("definitions.toml"), &text).unwrap();
        let error = open(folder.path(), None).await.unwrap_err();
        assert!(
            error.contains("definitions.toml") && error.contains(expected),
            "{error} for {text}"
        );
    }
}
