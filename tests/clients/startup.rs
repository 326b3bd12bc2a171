//! Wrong folders, tiles and settings: each ends in a clear error that names the thing.

use std::fs::{self, OpenOptions};
use std::net::TcpListener;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use tempfile::TempDir;
use tests::process::{armilla, run_armilla};
use tests::tiles::tiles;
use tests::{Server, Tap, places};

/// A copy of a table that may be spoiled.
fn copy_of(table: &str) -> Option<TempDir> {
    let hats = places::hats()?;
    let folder = tempfile::tempdir().expect("a temporary folder");
    let copied = Command::new("cp").arg("-r").arg(hats.join(table)).arg(folder.path()).status();
    assert!(copied.is_ok_and(|status| status.success()), "{table} is copied");
    let opened = Command::new("chmod").args(["-R", "u+w"]).arg(folder.path()).status();
    assert!(opened.is_ok_and(|status| status.success()), "the copy is ours");
    Some(folder)
}

/// The message of a command that is to fail; nothing may come out of stdout, and no panic.
fn failure(output: &Output) -> String {
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(!output.status.success(), "it went well: {}", String::from_utf8_lossy(&output.stdout));
    assert_ne!(output.status.code(), Some(101), "it panicked: {said}");
    assert!(output.status.code().is_some(), "a signal ended it: {said}");
    said
}

fn assert_names(said: &str, things: &[&str]) {
    let missing: Vec<_> = things.iter().filter(|thing| !said.contains(**thing)).collect();
    assert!(missing.is_empty(), "{said:?} does not name {missing:?}");
}

fn query(data: &Path, adql: &str) -> Output {
    let data = data.to_string_lossy();
    run_armilla(["query", "--data", &data, "--format", "csv", adql])
}

/// The largest tile of a table.
fn a_tile(folder: &Path) -> PathBuf {
    let size = |tile: &PathBuf| fs::metadata(tile).map_or(0, |data| data.len());
    let tile = tiles(folder).into_iter().filter(|t| !t.to_string_lossy().contains("margin"));
    tile.max_by_key(size).expect("a table has tiles")
}

#[test]
fn a_missing_tile_is_named() {
    let Some(folder) = copy_of("opengc") else { return };
    let tile = a_tile(folder.path());
    fs::remove_file(&tile).expect("the tile is removed");
    let name = tile.file_name().expect("a file has a name").to_string_lossy().into_owned();
    let said = failure(&query(folder.path(), "SELECT MAX(b_mag) AS hi FROM opengc"));
    assert_names(&said, &[&name]);
}

#[test]
fn a_truncated_tile_is_named() {
    let Some(folder) = copy_of("opengc") else { return };
    let tile = a_tile(folder.path());
    let length = fs::metadata(&tile).expect("the tile is there").len();
    let file = OpenOptions::new().write(true).open(&tile).expect("the tile is ours");
    file.set_len(length / 2).expect("the tile is cut");
    let name = tile.file_name().expect("a file has a name").to_string_lossy().into_owned();
    let said = failure(&query(folder.path(), "SELECT MAX(b_mag) AS hi FROM opengc"));
    assert_names(&said, &[&name]);
}

/// The service answers other queries although a tile is lost, and says which one it is by VOTable.
#[test]
fn a_tile_lost_while_serving_is_named_to_the_client() {
    let Some(folder) = copy_of("opengc") else { return };
    let server = Server::serve(folder.path(), &[]);
    let tile = a_tile(folder.path());
    fs::remove_file(&tile).expect("the tile is removed");
    let tap = Tap::new(server.url());
    let said = tap.refusal("SELECT MAX(b_mag) AS hi FROM opengc");
    let name = tile.file_name().expect("a file has a name").to_string_lossy().into_owned();
    assert_names(&said, &[&name]);
    assert!(
        tap.query("SELECT COUNT(*) AS n FROM opengc WHERE DISTANCE(ra, dec, 0, 89) < 0.1").is_ok()
    );
}

#[test]
fn a_folder_that_is_not_hats_is_named() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    fs::write(folder.path().join("notes.txt"), "no table").expect("a file is written");
    fs::create_dir(folder.path().join("empty")).expect("a folder is made");
    let path = folder.path().to_string_lossy();
    let state = folder.path().join("state").to_string_lossy().into_owned();
    let serve = ["serve", "--listen", "127.0.0.1:0", "--data", &path, "--state", &state];
    assert_names(&failure(&run_armilla(serve)), &[&path]);
    assert_names(&failure(&query(folder.path(), "SELECT 1 AS x FROM y")), &[&path]);
}

#[test]
fn a_folder_that_does_not_exist_is_named() {
    let state = tempfile::tempdir().expect("a temporary folder");
    let state = state.path().to_string_lossy();
    let serve =
        ["serve", "--listen", "127.0.0.1:0", "--data", "/no/such/folder", "--state", &state];
    let said = failure(&run_armilla(serve));
    assert_names(&said, &["/no/such/folder"]);
}

#[test]
fn an_unknown_key_is_named_with_its_file() {
    let Some(hats) = places::hats() else { return };
    let folder = tempfile::tempdir().expect("a temporary folder");
    let file = folder.path().join("armilla.toml");
    fs::write(&file, "listen = \"127.0.0.1:0\"\nlisten_on = \"x\"\n").expect("a file is written");
    let (config, data) = (file.to_string_lossy(), hats.to_string_lossy());
    let said = failure(&run_armilla(["serve", "--config", &config, "--data", &data]));
    assert_names(&said, &["listen_on", &config]);
    fs::write(&file, "listen = \"nonsense\"\n").expect("a file is written");
    let said = failure(&run_armilla(["serve", "--config", &config, "--data", &data]));
    assert_names(&said, &["listen", "nonsense"]);
    let said = failure(&run_armilla(["serve", "--data", &data, "--listne", "127.0.0.1:0"]));
    assert_names(&said, &["--listne", "--listen"]);
}

#[test]
fn a_port_in_use_is_named() {
    let Some(hats) = places::hats() else { return };
    let taken = TcpListener::bind("127.0.0.1:0").expect("a port is free");
    let address = taken.local_addr().expect("it is bound").to_string();
    let data = hats.to_string_lossy();
    let said = failure(&run_armilla(["serve", "--data", &data, "--listen", &address]));
    assert_names(&said, &[&address, "in use"]);
}

#[test]
fn a_wrong_query_on_the_command_line_is_explained() {
    let Some(hats) = places::hats() else { return };
    let said = failure(&query(&hats, "SELECT nme FROM opengc"));
    assert_names(&said, &["nme", "name", "line 1, column 8"]);
    let said = failure(&query(
        &hats,
        "SELECT name FROM opengc WHERE CONTAINS(POINT(ra, dec), CIRCLE(1, 2, 181)) = 1",
    ));
    assert_names(&said, &["181"]);
}

#[test]
fn settings_come_from_file_environment_and_flag() {
    let Some(hats) = places::hats() else { return };
    let folder = tempfile::tempdir().expect("a temporary folder");
    let file = folder.path().join("armilla.toml");
    let state = |name: &str| folder.path().join(name).display().to_string();
    let text = format!(
        "listen = \"127.0.0.1:0\"\ndata = {:?}\nstate = {:?}\n",
        hats.display().to_string(),
        state("by-file")
    );
    fs::write(&file, text).expect("a file is written");
    let mut by_file = armilla(["serve", "--config"]);
    by_file.arg(&file);
    let server = Server::start(&mut by_file).unwrap_or_else(|e| panic!("by file: {e:?}"));
    assert!(Tap::new(server.url()).query("SELECT TOP 1 id FROM small_sky").is_ok());
    let mut by_environment = armilla(["serve"]);
    by_environment.env("ARMILLA_DATA", &hats).env("ARMILLA_LISTEN", "127.0.0.1:0");
    by_environment.env("ARMILLA_STATE", state("by-environment"));
    let server =
        Server::start(&mut by_environment).unwrap_or_else(|e| panic!("by environment: {e:?}"));
    assert!(Tap::new(server.url()).query("SELECT TOP 1 id FROM small_sky").is_ok());
}

#[test]
fn explain_says_what_a_query_touches() {
    let Some(hats) = places::hats() else { return };
    let data = hats.to_string_lossy();
    let cone = "SELECT name FROM opengc WHERE DISTANCE(ra, dec, 10.6847, 41.269) < 1";
    let output = run_armilla(["explain", "--data", &data, cone]);
    let said = String::from_utf8_lossy(&output.stdout).into_owned();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    for word in ["opengc", "tiles", "row groups", "rows", "30"] {
        assert!(said.contains(word), "no {word:?} in:\n{said}");
    }
}

#[test]
fn a_query_prints_a_table() {
    let Some(hats) = places::hats() else { return };
    let data = hats.to_string_lossy();
    let adql = "SELECT id, ra FROM small_sky WHERE id = 707";
    let table = run_armilla(["query", "--data", &data, adql]);
    let said = String::from_utf8_lossy(&table.stdout).into_owned();
    assert!(table.status.success() && said.contains("707") && said.contains("308.5"), "{said}");
    let csv = run_armilla(["query", "--data", &data, "--format", "csv", adql]);
    assert_eq!(String::from_utf8_lossy(&csv.stdout), "id,ra\n707,308.5\n");
    let parquet = run_armilla(["query", "--data", &data, "--format", "parquet", adql]).stdout;
    assert!(parquet.starts_with(b"PAR1") && parquet.ends_with(b"PAR1"), "{} bytes", parquet.len());
    let votable = run_armilla(["query", "--data", &data, "--format", "votable", adql]);
    assert!(String::from_utf8_lossy(&votable.stdout).contains("QUERY_STATUS"));
}

#[test]
fn help_names_the_commands_and_their_flags() {
    let help = run_armilla(["--help"]);
    let said = String::from_utf8_lossy(&help.stdout).into_owned();
    assert!(help.status.success());
    for command in ["serve", "coordinator", "worker", "query", "explain"] {
        assert!(said.contains(command), "no {command} in:\n{said}");
        let help = run_armilla([command, "--help"]);
        assert!(String::from_utf8_lossy(&help.stdout).contains("--data"), "{command} has --data");
    }
}
