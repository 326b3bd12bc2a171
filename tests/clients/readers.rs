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
    let sky = folder.path().join("sky/t");
    let import = |input: &str, table: &str, options: &[&str]| {
        let (input, out) = (text(&folder.path().join(input)), text(&sky.join(table)));
        let arguments = ["import", &input, "--out", &out, "--tile-rows", "1500"];
        let output = run_armilla([&arguments[..], options].concat());
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        out
    };
    let made = ["--index", "id", "--margin", "10"];
    let others = import("others.parquet", "others", &made);
    // In two versions, of which the second has all rows.
    import("objects_1.parquet", "objects", &made);
    let objects = import("objects_2.parquet", "objects", &["--append"]);
    let compared = run(&["read", &inputs, &objects, &others]);
    for reader in ["hats", "DuckDB", "Polars", "LSDB cone", "LSDB id", "LSDB pairs"] {
        assert!(compared.contains(reader), "{compared}");
    }
}
