//! `describe`: files are written and completed, and what is wrong is told with its line.

use std::fs;
use std::path::{Path, PathBuf};

use super::fixture::{Shape, ask, rows, write_table};
use crate::describe::{Description, Severity, describe};
use crate::import::FelisChoice;
use crate::{Location, Snapshot};

const FELIS: &str = "name: s
tables:
- name: t
  description: Stars
  columns:
  - {name: id, datatype: long, 'ivoa:ucd': meta.id, description: number}
  - {name: mag, datatype: double, 'ivoa:unit': mag}
";

/// A data folder with two tables, and beside it a Felis file.
fn sample() -> (tempfile::TempDir, PathBuf, FelisChoice) {
    let folder = tempfile::tempdir().unwrap();
    for table in ["t", "u"] {
        write_table(&folder.path().join("data/s").join(table), &Shape::default(), &rows(10));
    }
    let path = folder.path().join("f.yaml");
    fs::write(&path, FELIS).unwrap();
    let data = folder.path().join("data");
    (folder, data, FelisChoice { path, table: None })
}

async fn look(data: &Path, felis: Option<&FelisChoice>, overlay: Option<&Path>) -> Description {
    describe(&Location::Folder(data.join("s/t")), felis, overlay).await.unwrap()
}

/// What is found, as `severity line message`.
async fn found(data: &Path, severity: Severity) -> Vec<String> {
    let findings = look(data, None, None).await.review().await;
    let of_kind = findings.into_iter().filter(|finding| finding.severity == severity);
    of_kind.map(|f| format!("{}: {}", f.line.unwrap_or(0), f.message)).collect()
}

#[tokio::test]
async fn a_new_file_has_every_column_and_what_is_known() {
    let (_folder, data, felis) = sample();
    let mut description = look(&data, Some(&felis), None).await;
    assert_eq!(description.file, data.join("s/t/table.toml"));
    description.write().unwrap();
    let text = fs::read_to_string(data.join("s/t/table.toml")).unwrap();
    let expected = [
        "# What is said of s.t.",
        "# missing: title = ",
        "version = 3\ndescription = \"Stars\"\n",
        "# long\n[columns.id]\nucd = \"meta.id\"\ndescription = \"number\"\n",
        "# double; missing: description, ucd\n[columns.mag]\nunit = \"mag\"\n",
        "# double\n[columns.ra]\nunit = \"deg\"\nucd = \"pos.eq.ra;meta.main\"\n",
        "# unicodeChar [*]; missing: description, ucd\n[columns.name]\n",
        "[[frames]]\nsystem = \"ICRS\"\ncolumns = [\"dec\", \"ra\"]\n",
    ];
    for part in expected {
        assert!(text.contains(part), "no {part} in\n{text}");
    }
    // Nothing that is there is written again, and it is served.
    assert_eq!(look(&data, Some(&felis), None).await.draft().unwrap(), text);
    let snapshot = Snapshot::open(&Location::Folder(data.clone())).await.unwrap().into();
    let unit =
        "SELECT unit FROM TAP_SCHEMA.columns WHERE column_name = 'mag' AND table_name = 's.t'";
    assert_eq!(ask(&snapshot, true, unit).await, ["mag"]);
    assert!(found(&data, Severity::Error).await.is_empty());
    let missing = found(&data, Severity::Missing).await;
    let expected = ["0: title of the table", "0: description of mag", "0: description of name"];
    assert_eq!(missing, expected);
}

#[tokio::test]
async fn what_a_person_wrote_stays() {
    let (_folder, data, felis) = sample();
    let file = data.join("s/t/table.toml");
    let hand = "# mine\nversion = 1 # old\ntitle = \"T\"\n\n[columns.mag] # the best\n\
                unit = \"Jy\"\nprincipal = false\n\n[[frames]]\nsystem = \"FK5\"\n";
    fs::write(&file, hand).unwrap();
    let mut description = look(&data, Some(&felis), None).await;
    description.write().unwrap();
    let text = fs::read_to_string(&file).unwrap();
    for part in ["# mine\n", "title = \"T\"\n", "[columns.mag] # the best\nunit = \"Jy\"\n"] {
        assert!(text.contains(part), "no {part} in\n{text}");
    }
    assert!(text.contains("version = 3") && text.contains("# long\n[columns.id]"), "{text}");
    assert!(!text.contains("ICRS\"") && text.contains("description = \"Stars\""), "{text}");
    assert_eq!(look(&data, Some(&felis), None).await.draft().unwrap(), text);
    fs::write(&file, "version = [\n").unwrap();
    let error = look(&data, None, None).await.draft().unwrap_err().to_string();
    assert!(error.contains("table.toml") && error.contains("line 1"), "{error}");
    assert!(found(&data, Severity::Error).await[0].starts_with("1: "));
}

#[tokio::test]
async fn what_is_wrong_has_its_line() {
    let (_folder, data, _) = sample();
    let text = r#"version = 2

[columns.mag]
description = """two
lines"""
unit = "mags"
ucd = "phot.magic"

[columns.Name]
description = "x"

[[frames]]
system = "ICRS"
epoch = "noon"

[[frames]]
system = "GALACTIC"
columns = ["ra", "l"]

[[times]]
scale = "utc"
columns = ["id"]

[[keys]]
target = "s.v"
columns = { id = "id" }

[[keys]]
target = "s.U"
columns = { id = "number" }

[[keys]]
target = "u"
columns = { x = "id" }
"#;
    fs::write(data.join("s/t/table.toml"), text).unwrap();
    let found = found(&data, Severity::Error).await;
    let expected = [
        "6: unit of mag: \"mags\" is no unit of VOUnits: mags is not known; did you mean mag?",
        "7: ucd of mag: phot.magic is no word of UCD1+; there are ",
        "9: the table has no column Name; it has name",
        "12: frames: epoch = \"noon\" is no year",
        "16: frames: GALACTIC of the position",
        "16: frames: ra has another frame",
        "16: frames: the table has no column l",
        "20: times: scale = \"utc\" is no term of its IVOA vocabulary: did you mean UTC?",
        "24: the key to s.v: ",
        "28: the key to s.U: it has no column number",
        "32: the key to u: the table has no column x",
        "32: target = \"u\" is not SCHEMA.TABLE, as \"s.t\"",
    ];
    assert_eq!(found.len(), expected.len(), "{found:#?}");
    for (found, expected) in found.iter().zip(expected) {
        assert!(found.starts_with(expected), "{found}, not {expected}");
    }
}

#[tokio::test]
async fn descriptions_may_lie_apart_and_win() {
    let (folder, data, felis) = sample();
    fs::write(data.join("s/t/table.toml"), "version = 1\ntitle = \"beside\"\nutype = \"a:b\"\n")
        .unwrap();
    let overlay = folder.path().join("said");
    let mut description = look(&data, Some(&felis), Some(&overlay)).await;
    assert_eq!(description.file, overlay.join("s/t.toml"));
    description.write().unwrap();
    let text = fs::read_to_string(overlay.join("s/t.toml")).unwrap();
    assert!(text.contains("title = \"beside\""), "{text}");
    fs::write(overlay.join("s/t.toml"), text.replace("beside", "above")).unwrap();
    let location = Location::Folder(data);
    let opened = |overlay: PathBuf| {
        let location = location.clone();
        async move { Snapshot::open_described(&location, Some(&overlay)).await }
    };
    let snapshot = opened(overlay.clone()).await.unwrap();
    let table = snapshot.tiled_tables()[0].table();
    assert_eq!((table.title.as_deref(), table.utype.as_deref()), (Some("above"), Some("a:b")));
    fs::write(overlay.join("s/t.toml"), "version = 2\n[columns.no]\nunit = \"m\"\n").unwrap();
    let error = opened(overlay.clone()).await.unwrap_err().to_string();
    assert!(error.contains("said/s/t.toml over s/t/table.toml: columns.\"no\""), "{error}");
    let error = opened(folder.path().join("nothing")).await.unwrap_err().to_string();
    assert!(error.contains("nothing: the folder of descriptions cannot be read"), "{error}");
}
