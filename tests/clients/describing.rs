//! What is said of tables as clients get it: frames, time scales and citations in results, ten
//! thousand tables in lists, and `armilla describe` on the terminal.

use std::fs;
use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use tests::process::run_armilla;
use tests::{Server, Tap, places};

const TABLE: &str = r#"
[origin]
release = "DR1"
doi = "10.1234/stars"
creators = ["A. Star", "B. Sky"]
license = "https://creativecommons.org/licenses/by/4.0/"
contact = "help@example.org"

[columns.pmra]
unit = "mas.yr**-1"
ucd = "pos.pm;pos.eq.ra"

[columns.l]
unit = "deg"

[[frames]]
system = "ICRS"
epoch = "J2016.0"
columns = ["ra", "dec", "pmra"]

[[frames]]
system = "GALACTIC"
columns = ["l"]

[[times]]
scale = "TCB"
refposition = "BARYCENTER"
origin = 2455197.5
columns = ["t"]
"#;

fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

fn path(path: &Path) -> &str {
    path.to_str().expect("paths of tests are texts")
}

/// A data folder with a table of one row, and that table.
fn stars(folder: &Path) -> (PathBuf, PathBuf) {
    let (data, input) = (folder.join("sky"), folder.join("stars.csv"));
    fs::write(&input, "id,ra,dec,pmra,l,t\n1,10,20,3.5,40,5000.5\n").expect("it is written");
    let table = data.join("s/stars");
    let output = run_armilla(["import", path(&input), "--out", path(&table)]);
    assert!(output.status.success(), "{}", text(&output.stderr));
    (data, table)
}

/// Reads a document by astropy, and checks it against the schema of VOTable.
fn read(document: &[u8], folder: &Path) -> String {
    let file = folder.join("answer.vot");
    fs::write(&file, document).expect("it is written");
    if let Some(shared) = places::shared() {
        let schema = shared.join("conformance/xsd/all.xsd");
        let mut lint = Command::new("xmllint");
        lint.args(["--nonet", "--noout", "--schema"]).arg(schema).arg(&file);
        let output = lint.stdin(Stdio::null()).output().expect("xmllint starts");
        assert!(output.status.success(), "{}", text(&output.stderr));
    }
    let Some(python) = places::python() else { return String::new() };
    let said = places::run_python(&python, "tests/clients/read_described.py", &[path(&file)]);
    said.unwrap_or_else(|said| panic!("{said}"))
}

#[test]
fn results_name_frames_times_and_sources() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let (data, table) = stars(folder.path());
    let file = table.join("table.toml");
    let imported = fs::read_to_string(&file).expect("it is there");
    let head = imported.lines().find(|line| line.starts_with("version")).expect("it has one");
    fs::write(&file, format!("{head}\n{TABLE}")).expect("it is written");
    let server = Server::serve(&data, &[]);
    let tap = Tap::new(server.url());
    let ask = |adql: &str| {
        let asked = [("LANG", "ADQL"), ("QUERY", adql), ("RESPONSEFORMAT", "votable/td")];
        let answer = tap.get("sync", &asked);
        assert_eq!(answer.status, 200, "{}", answer.body);
        read(answer.body.as_bytes(), folder.path())
    };
    let said = ask("SELECT id, ra AS alpha, MAX(pmra) AS pm, ra + 1 AS x FROM s.stars \
                    GROUP BY id, ra");
    let expected = "VOTable 1.4\nCOOSYS ICRS J2016.0 None\nid None\nalpha ICRS J2016.0\n\
                    pm ICRS J2016.0\nx None\ncitation doi:10.1234/stars\n\
                    creator A. Star, B. Sky\nresource_version DR1\n\
                    rights_uri https://creativecommons.org/licenses/by/4.0/\n\
                    contact help@example.org\n";
    if !said.is_empty() {
        assert_eq!(said, expected);
    }
    // A frame that only VOTable 1.5 knows, through a sub-query.
    let said = ask("SELECT * FROM (SELECT l, t AS moment FROM s.stars) AS q");
    if !said.is_empty() {
        let start = "VOTable 1.5\nCOOSYS GALACTIC None None\nTIMESYS TCB BARYCENTER 2455197.5\n\
                     l GALACTIC\nmoment TCB 2455197.5\n";
        assert!(said.starts_with(start), "{said}");
    }
}

#[test]
fn describe_tells_lines_and_ends_with_what_it_found() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let (_, table) = stars(folder.path());
    let felis = folder.path().join("f.yaml");
    let yaml = "name: s\ntables:\n- name: stars\n  description: Stars\n  columns:\n  \
                - {name: id, datatype: long, description: number}\n";
    fs::write(&felis, yaml).expect("it is written");
    let describe = |more: &[&str]| run_armilla([&["describe", path(&table)], more].concat());
    let written = describe(&["--felis", path(&felis), "--write"]);
    assert!(written.status.success(), "{}", text(&written.stderr));
    let said = fs::read_to_string(table.join("table.toml")).expect("it is there");
    assert!(said.contains("description = \"Stars\"") && said.contains("# double"), "{said}");
    fs::write(table.join("table.toml"), "version = 2\n[columns.pmra]\nunit = \"mas/year\"\n")
        .expect("it is written");
    let output = describe(&[]);
    assert_eq!(output.status.code(), Some(1));
    let said = text(&output.stdout);
    assert!(said.contains("table.toml:3: error: unit of pmra: \"mas/year\" is no unit"), "{said}");
    assert!(text(&output.stderr).contains("table.toml has 1 errors"));
    // A type that Felis has not, with its place.
    fs::write(&felis, yaml.replace("long", "quaternion")).expect("it is written");
    let output = describe(&["--felis", path(&felis)]);
    let said = text(&output.stderr);
    assert!(said.contains("f.yaml: line 6, column 26: datatype quaternion"), "{said}");
    assert_eq!(output.status.code(), Some(1));
}

/// Tables of a large archive that are no larger than a page.
const TABLES: usize = 10_000;

/// Makes so many tables of one.
fn multiply(table: &Path, data: &Path) {
    for number in 0..TABLES {
        let schema = data.join(format!("s{}", number / 1000));
        fs::create_dir_all(&schema).expect("a folder is made");
        symlink(table, schema.join(format!("t{number}"))).expect("a table is linked");
    }
}

#[test]
fn ten_thousand_tables_are_listed() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let input = folder.path().join("one.csv");
    fs::write(&input, "id,word\n1,one\n").expect("it is written");
    let table = folder.path().join("one/s/t");
    let output = run_armilla(["import", path(&input), "--out", path(&table), "--no-position"]);
    assert!(output.status.success(), "{}", text(&output.stderr));
    let data = folder.path().join("sky");
    multiply(&table, &data);
    let server = Server::serve(&data, &[]);
    let tap = Tap::new(server.url());
    let count = |adql: &str| {
        let answer = tap.query(adql).unwrap_or_else(|e| panic!("{adql}: {e}"));
        answer.single().map(str::to_owned)
    };
    let tables = TABLES.to_string();
    let listed = "SELECT COUNT(*) AS n FROM TAP_SCHEMA.tables WHERE schema_name LIKE 's_'";
    assert_eq!(count(listed).as_deref(), Some(tables.as_str()));
    let columns = "SELECT COUNT(*) AS n FROM TAP_SCHEMA.columns WHERE column_name = 'word'";
    assert_eq!(count(columns).as_deref(), Some(tables.as_str()));
    assert_eq!(count("SELECT word FROM s9.t9999").as_deref(), Some("one"));
    let least = tap.get("tables", &[("detail", "min")]);
    assert_eq!(least.status, 200);
    assert_eq!(least.body.matches("<name>s7.t7").count(), 1000);
    assert!(!least.body.contains("<column"), "detail=min has no columns");
}
