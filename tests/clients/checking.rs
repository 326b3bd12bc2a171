//! `armilla check` as an operator meets it: exit codes, findings on stdout, tables of others and
//! tables behind S3 and HTTP; and the MOC of an import, against one that others make.

use std::fs;
use std::path::Path;
use std::process::Output;

use tests::places;
use tests::process::{armilla, run_armilla};

use crate::bucket::Store;
use crate::text;

fn path(path: &Path) -> &str {
    path.to_str().expect("paths of tests are texts")
}

fn check(arguments: &[&str]) -> Output {
    run_armilla([&["check"], arguments].concat())
}

/// What a check that ends with this code says.
fn said(arguments: &[&str], code: i32) -> String {
    let output = check(arguments);
    let (stdout, stderr) = (text(&output.stdout), text(&output.stderr));
    assert_eq!(output.status.code(), Some(code), "{arguments:?}: {stdout}{stderr}");
    stdout
}

/// The whole of `OpenNGC` with margin and index, imported into a folder.
fn imported(folder: &Path) -> Option<std::path::PathBuf> {
    let input = places::shared()?.join("data/opengc/NGC.csv.gz");
    let out = folder.join("s/opengc");
    let options = ["--index", "Name", "--margin", "600", "--tile-rows", "1000"];
    let arguments = ["import", path(&input), "--out", path(&out)];
    let output = run_armilla([&arguments[..], &options].concat());
    assert!(output.status.success(), "{}", text(&output.stderr));
    Some(out)
}

#[test]
fn an_import_is_good_and_damage_is_told() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let Some(python) = places::python() else { return };
    let Some(table) = imported(folder.path()) else { return };
    let good = said(&[path(&table)], 0);
    assert!(good.starts_with("public.opengc: good: 13,962 rows, "), "{good}");
    // The folder of a service's settings, and a table that is none.
    assert!(said(&["--data", path(folder.path())], 0).contains("s.opengc: good"));
    let both = said(&[path(&table), "/no/such"], 1);
    assert!(both.contains("good") && both.contains("/no/such: cannot be checked"), "{both}");
    // A tile with checksums of pages, as Arrow writes it; then one byte of it changes.
    let damage = |what: &str| {
        places::run_python(&python, "tests/clients/damage.py", &[path(&table), what])
            .unwrap_or_else(|said| panic!("{said}"))
    };
    let tile = damage("checksums");
    assert!(said(&[path(&table)], 0).starts_with("public.opengc: good: 13,962 rows, "));
    damage("flip");
    let told = said(&["--findings", "1", path(&table)], 1);
    let page =
        format!("wrong: damaged: opengc/opengc/dataset/{}, row group 0, column ", tile.trim());
    assert!(told.contains(&page) && told.contains("its bytes have changed"), "{told}");
    assert!(told.lines().last().is_some_and(|l| l.contains("not as it should be")), "{told}");
}

#[test]
fn what_cannot_be_checked_is_a_command_line_that_cannot_be() {
    let output = check(&[]);
    assert_eq!(output.status.code(), Some(2), "{}", text(&output.stderr));
    assert!(text(&output.stderr).contains("data is missing"), "{}", text(&output.stderr));
    assert_eq!(check(&["--no-such-flag", "x"]).status.code(), Some(2));
    assert_eq!(check(&["--threads", "0", "x"]).status.code(), Some(1));
}

#[test]
fn tables_of_others_are_good_in_a_folder_in_s3_and_behind_http() {
    let (Some(hats), Some(python)) = (places::hats(), places::python()) else { return };
    let told = said(&[path(&hats)], 0);
    assert_eq!(told.lines().count(), 5, "{told}");
    let store = Store::start(&python, &hats);
    for place in store.places("opengc") {
        let mut command = armilla(["check", &place]);
        store.reached_by(&mut command);
        let output = command.output().expect("the binary starts");
        let (stdout, stderr) = (text(&output.stdout), text(&output.stderr));
        assert!(output.status.success(), "{place}: {stdout}{stderr}");
        assert!(stdout.starts_with("public.opengc: good: 13,962 rows, "), "{place}: {stdout}");
    }
}

#[test]
fn the_moc_of_an_import_is_that_of_its_positions() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let Some(python) = places::python() else { return };
    let Some(table) = imported(folder.path()) else { return };
    let tables = table.join("opengc");
    assert!(fs::metadata(tables.join("moc.fits")).is_ok_and(|file| file.len() < 450_000));
    let read = places::run_python(&python, "tests/clients/read_moc.py", &[path(&tables)]);
    assert_eq!(read.unwrap_or_else(|said| panic!("{said}")).trim(), "13962 rows, order 11");
}
