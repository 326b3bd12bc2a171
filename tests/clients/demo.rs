//! First start: `serve` on a folder that holds nothing makes the demo sky, whole, and once.
//!
//! Counts and keys are checked over TAP against what DuckDB reads from the Parquet files.

use std::fs;
use std::path::Path;
use std::time::{Duration, SystemTime};

use tests::metrics::eventually;
use tests::process::{Starting, armilla, run_armilla};
use tests::{Server, Tap, places};

use crate::conformance::check_taplint;

/// The full demo takes a debug build too long.
const ROWS: [&str; 2] = ["--demo-rows", "20000"];

fn one(tap: &Tap, adql: &str) -> String {
    let answer = tap.query(adql).unwrap_or_else(|e| panic!("{adql}: {e}"));
    answer.single().unwrap_or_else(|| panic!("{adql}: not one value")).to_owned()
}

fn made(data: &Path) -> SystemTime {
    let file = data.join("demo/object/collection.properties");
    fs::metadata(file).and_then(|data| data.modified()).expect("the table is there")
}

#[test]
fn serve_makes_a_demo_sky_where_there_is_nothing() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    // Absent at first.
    let data = folder.path().join("sky");
    let server = Server::serve(&data, &ROWS);
    assert!(server.log().contains("making a demo sky"), "{}", server.log());
    let tap = Tap::new(server.url());
    assert_eq!(one(&tap, "SELECT COUNT(*) AS n FROM demo.object"), "20000");
    let sources = one(&tap, "SELECT COUNT(*) AS n FROM demo.source");
    assert_eq!(one(&tap, "SELECT SUM(nSources) AS n FROM demo.object"), sources);
    let joined = "SELECT COUNT(*) AS n FROM demo.source AS s JOIN demo.object AS o \
                  ON s.objectId = o.objectId";
    assert_eq!(one(&tap, joined), sources, "every source has its object");
    let first = made(&data);
    drop(server);
    let again = Server::serve(&data, &ROWS);
    assert!(!again.log().contains("making a demo sky"), "{}", again.log());
    assert_eq!(made(&data), first);
    let tap = Tap::new(again.url());
    assert_eq!(one(&tap, "SELECT COUNT(*) AS n FROM demo.source"), sources);
    check_taplint(again.url());
    let Some(python) = places::python() else { return };
    let arguments = [&*data.to_string_lossy(), "20000", &sources];
    if let Err(said) = places::run_python(&python, "tests/clients/read_demo.py", &arguments) {
        panic!("{said}");
    }
}

/// Killed at different times after it has begun to write; nothing half-made is ever taken for a
/// table, and the next start makes it whole.
#[test]
fn a_start_that_is_killed_leaves_nothing_and_the_next_one_finishes() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let data = folder.path().join("sky");
    let (partial, whole) = (data.join(".demo.partial"), data.join("demo"));
    let mut killed_midway = 0;
    for milliseconds in [0, 50, 200, 500, 900] {
        let mut command = armilla(["serve", "--listen", "127.0.0.1:0", "--data"]);
        command.arg(&data).arg("--state").arg(folder.path().join("state"));
        let starting = Starting::launch(command.args(ROWS));
        let begun = eventually(Duration::from_secs(60), || partial.exists() || whole.exists());
        assert!(begun, "it does not begin to make a demo sky");
        // The fault is at a time of its own, not at the end of anything.
        std::thread::sleep(Duration::from_millis(milliseconds));
        drop(starting);
        if whole.exists() {
            break;
        }
        killed_midway += 1;
    }
    assert!(killed_midway > 0, "every start was complete before it was killed");
    let server = Server::serve(&data, &ROWS);
    let tap = Tap::new(server.url());
    assert_eq!(one(&tap, "SELECT COUNT(*) AS n FROM demo.object"), "20000");
    assert!(!partial.exists());
}

#[test]
fn a_folder_that_holds_something_is_left_alone() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    fs::write(folder.path().join("notes.txt"), "mine").expect("a file is written");
    let data = folder.path().to_string_lossy().into_owned();
    let refused = run_armilla(["serve", "--listen", "127.0.0.1:0", "--data", &data]);
    assert!(!refused.status.success());
    let names = fs::read_dir(folder.path()).expect("it is there").flatten().map(|e| e.file_name());
    assert_eq!(names.collect::<Vec<_>>(), ["notes.txt"]);
    // And where the demo is not wanted, nothing is made.
    let empty = tempfile::tempdir().expect("a temporary folder");
    let data = empty.path().to_string_lossy().into_owned();
    let flags = ["serve", "--listen", "127.0.0.1:0", "--demo-rows", "0", "--data", &data];
    assert!(!run_armilla(flags).status.success());
    assert_eq!(fs::read_dir(empty.path()).expect("it is there").count(), 0);
}

/// Without a command the binary serves, and `armilla-data` in the current folder is its data.
#[test]
fn no_command_means_serve() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let mut command = armilla(["--listen", "127.0.0.1:0", "--demo-rows", "100"]);
    command.current_dir(folder.path());
    let server = Server::start(&mut command).unwrap_or_else(|e| panic!("{e:?}"));
    let tap = Tap::new(server.url());
    assert_eq!(one(&tap, "SELECT COUNT(*) AS n FROM object"), "100");
    assert!(folder.path().join("armilla-data/demo/object/table.toml").exists());
}
