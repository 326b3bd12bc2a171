//! What `armilla import` writes, read by the programs that others read HATS with.

use std::path::Path;

use tests::places;
use tests::process::run_armilla;

const SCRIPT: &str = "tests/clients/read_hats.py";

#[test]
fn hats_lsdb_duckdb_and_polars_read_what_is_imported() {
    let Some(python) = places::python() else { return };
    let folder = tempfile::tempdir().expect("a temporary folder");
    let text = |path: &Path| path.to_str().expect("paths of tests are texts").to_owned();
    let run = |arguments: &[&str]| {
        places::run_python(&python, SCRIPT, arguments).unwrap_or_else(|said| panic!("{said}"))
    };
    let inputs = text(folder.path());
    run(&["make", &inputs]);
    let tables = ["objects", "others"].map(|name| {
        let input = text(&folder.path().join(name).with_extension("parquet"));
        let out = text(&folder.path().join("sky").join("t").join(name));
        let options = ["--index", "id", "--margin", "10", "--tile-rows", "1500"];
        let output = run_armilla([&["import", &input, "--out", &out], &options[..]].concat());
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        out
    });
    let [objects, others] = tables;
    let compared = run(&["read", &inputs, &objects, &others]);
    for reader in ["hats", "DuckDB", "Polars", "LSDB cone", "LSDB id", "LSDB pairs"] {
        assert!(compared.contains(reader), "{compared}");
    }
}
