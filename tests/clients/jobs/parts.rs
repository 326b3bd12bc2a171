//! Jobs in parts of the sky, through the binary: what a kill leaves is gone on with.

use std::fs;
use std::path::{Path, PathBuf};
use std::time::Duration;

use reqwest::blocking::Response;
use tests::jobs::JobList;
use tests::metrics::eventually;
use tests::{Server, places};

const SOON: Duration = Duration::from_secs(60);

const QUERY: (&str, &str) = ("QUERY", "SELECT * FROM opengc WHERE ra >= 0");

/// The parts that a server counted: run, kept, again.
fn parts(server: &Server) -> [u64; 3] {
    let text = reqwest::blocking::get(server.metrics_url()).and_then(Response::text);
    let text = text.expect("metrics");
    ["run", "kept", "again"].map(|how| {
        let name = format!("armilla_parts_total{{how=\"{how}\"}} ");
        let value = text.lines().find_map(|line| line.strip_prefix(&name));
        value.and_then(|value| value.parse().ok()).unwrap_or_else(|| panic!("no {name} in {text}"))
    })
}

fn copy(from: &Path, to: &Path) {
    fs::create_dir_all(to).expect("a folder is made");
    for entry in fs::read_dir(from).expect("a folder is read").flatten() {
        let target = to.join(entry.file_name());
        if entry.path().is_dir() {
            copy(&entry.path(), &target);
        } else {
            fs::copy(entry.path(), target).expect("a file is copied");
        }
    }
}

/// The tiles below a folder, one for each part.
fn tiles(folder: &Path) -> Vec<PathBuf> {
    let mut found = Vec::new();
    for path in fs::read_dir(folder).expect("a folder is read").flatten().map(|e| e.path()) {
        if path.is_dir() {
            found.extend(tiles(&path));
        } else if path.file_name().is_some_and(|name| name.to_string_lossy().contains("Npix=")) {
            found.push(path);
        }
    }
    found
}

fn sorted(csv: &str) -> Vec<&str> {
    let mut lines: Vec<&str> = csv.lines().collect();
    lines.sort_unstable();
    lines
}

#[test]
fn a_job_goes_on_after_its_last_finished_part_when_the_service_was_killed() {
    let Some(hats) = places::hats() else { return };
    let folder = tempfile::tempdir().expect("a temporary folder");
    let (data, state) = (folder.path().join("data"), folder.path().join("state"));
    copy(&hats.join("opengc"), &data.join("opengc"));
    let all = tiles(&data).len() as u64;
    assert!(all >= 5, "{all} parts");
    let last = data.join("opengc/dataset/Norder=0/Dir=0/Npix=11.parquet");
    let flags = ["--state", &state.to_string_lossy(), "--part-bytes", "1"];
    for restarts in [1, 2] {
        let server = Server::serve(&data, &flags);
        let sync = tests::Tap::new(server.url()).post(&[QUERY, ("FORMAT", "csv")]).body;
        assert_eq!(sync.lines().count(), 13_962 + 1);
        drop(server);
        let server = Server::serve(&data, &flags);
        // The part of the last tile fails, and is waited for.
        fs::rename(&last, folder.path().join("away")).expect("the tile vanishes");
        let list = JobList::of(server.url());
        let job = list.make(&[QUERY, ("FORMAT", "csv"), ("PHASE", "RUN")]);
        let waits = || parts(&server)[0] == all - 1 && server.log().contains("Npix=11");
        assert!(eventually(SOON, waits), "{:?}: {}", parts(&server), server.log());
        drop(server);
        fs::rename(folder.path().join("away"), &last).expect("the tile is back");
        let changed = data.join(format!("another{restarts}"));
        if restarts > 1 {
            // Another snapshot: what was finished may not be its rows.
            copy(&hats.join("small_sky"), &changed);
        }
        let server = Server::serve(&data, &flags);
        let job = job.at(&JobList::of(server.url()));
        assert_eq!(job.wait_for_end(), "COMPLETED", "{}", job.text(""));
        let expected = if restarts > 1 { [all, 0, 0] } else { [1, all - 1, 1] };
        assert_eq!(parts(&server), expected);
        let result = job.get("/results/result").text();
        assert!(sorted(&result) == sorted(&sync), "{} bytes", result.len());
        let left = || fs::read_dir(state.join("unfinished")).map_or(9, Iterator::count);
        assert!(eventually(SOON, || left() == 0), "{} folders", left());
    }
}

#[test]
fn an_abort_while_a_part_is_waited_for_ends_at_once_and_leaves_nothing() {
    let Some(hats) = places::hats() else { return };
    let folder = tempfile::tempdir().expect("a temporary folder");
    let (data, state) = (folder.path().join("data"), folder.path().join("state"));
    copy(&hats.join("opengc"), &data.join("opengc"));
    let flags = ["--state", &state.to_string_lossy(), "--part-bytes", "1"];
    let server = Server::serve(&data, &flags);
    let last = data.join("opengc/dataset/Norder=0/Dir=0/Npix=11.parquet");
    fs::remove_file(&last).expect("the tile vanishes");
    let job = JobList::of(server.url()).make(&[QUERY, ("PHASE", "RUN")]);
    assert!(eventually(SOON, || server.log().contains("Npix=11")), "{}", server.log());
    let files = || files_of_unfinished(&state);
    assert!(files() > 5, "{} files", files());
    assert_eq!(job.post("/phase", &[("PHASE", "ABORT")]).status, 303);
    assert_eq!((job.phase().as_str(), files()), ("ABORTED", 0));
}

/// Files of unfinished jobs.
fn files_of_unfinished(state: &Path) -> usize {
    let folders = fs::read_dir(state.join("unfinished")).into_iter().flatten().flatten();
    folders.map(|folder| fs::read_dir(folder.path()).map_or(0, Iterator::count)).sum()
}
