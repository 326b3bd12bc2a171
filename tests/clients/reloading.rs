//! SIGHUP: a service that runs takes up another version of a table, and who reads an answer
//! meanwhile gets the rest of the former one.

use std::fmt::Write as _;
use std::fs;
use std::io::{BufRead as _, BufReader, Write as _};
use std::net::TcpStream;
use std::path::{Path, PathBuf};
use std::time::Duration;

use tempfile::TempDir;
use tests::metrics::{self, eventually};
use tests::process::{armilla, run_armilla};
use tests::tiles::tiles;
use tests::{Server, Tap, places};

const PROPERTIES: &str = "collection.properties";

/// Long enough for workers to copy a few tiles on a busy machine.
const PATIENCE: Duration = Duration::from_secs(90);

fn text(path: &Path) -> &str {
    path.to_str().expect("paths of tests are texts")
}

/// The table `s.stars` of a data folder, and the file that its version was made of.
struct Stars {
    folder: TempDir,
    version: usize,
}

impl Stars {
    fn new(rows: usize) -> Self {
        let folder = tempfile::tempdir().expect("a temporary folder");
        let mut stars = Self { folder, version: 0 };
        stars.publish(rows, &[]);
        stars
    }

    fn data(&self) -> PathBuf {
        self.folder.path().join("sky")
    }

    fn table(&self) -> PathBuf {
        self.data().join("s/stars")
    }

    fn csv(&self) -> PathBuf {
        self.folder.path().join(format!("version-{}.csv", self.version))
    }

    /// Puts another version into the place of the one that is there, which stays readable.
    fn publish(&mut self, rows: usize, more_columns: &[&str]) {
        self.version += 1;
        let header = [&["id", "ra", "dec", "note"], more_columns].concat().join(",");
        let mut csv = format!("{header}\n");
        for id in 0..rows {
            let (ra, dec) =
                ((id * 7_919 % 360_000) as f64 / 1e3, (id * 104_729 % 180_000) as f64 / 1e3);
            let note = "x".repeat(60);
            let written = write!(csv, "{id},{ra},{},{note}", dec - 90.0);
            more_columns.iter().for_each(|_| csv.push_str(",0.5"));
            csv.push('\n');
            written.expect("a text takes more");
        }
        fs::write(self.csv(), csv).expect("the input is written");
        let (csv, out) = (self.csv(), self.table());
        let mut arguments = vec!["import", text(&csv), "--out", text(&out), "--tile-rows", "5000"];
        if self.version > 1 {
            arguments.push("--replace");
        }
        let output = run_armilla(arguments);
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        let described = format!("version = 2\ndescription = \"{rows} stars\"\n");
        fs::write(out.join("table.toml"), described).expect("it is described");
    }

    /// What the folder says that the table is.
    fn replace(&self, properties: &str) {
        let next = self.folder.path().join("next");
        fs::write(&next, properties).expect("it is written");
        fs::rename(next, self.table().join(PROPERTIES)).expect("it takes the place");
    }
}

/// Tells a service to read its tables, and waits for so many words like these in its log.
fn reload(server: &Server, words: &str, times: usize) {
    server.hang_up();
    let seen = || server.log().matches(words).count() >= times;
    assert!(eventually(PATIENCE, seen), "no {words:?}: {}", server.log());
}

const SERVED: &str = "serving the tables anew";

fn check_version(python: &Path, server: &Server, stars: &Stars) {
    let csv = stars.csv();
    let arguments = [server.url(), text(&csv)];
    let read = places::run_python(python, "tests/clients/read_version.py", &arguments);
    read.unwrap_or_else(|said| panic!("{said}\n{}", server.log()));
}

/// An answer of which only the beginning was read.
fn begun(server: &Server) -> BufReader<TcpStream> {
    let (_, rest) = server.url().split_once("://").expect("a URL");
    let (address, _) = rest.split_once('/').expect("a path");
    let mut stream = TcpStream::connect(address).expect("the service listens");
    let query = "LANG=ADQL&FORMAT=csv&MAXREC=10000000&QUERY=SELECT+*+FROM+s.stars";
    write!(stream, "GET /tap/sync?{query} HTTP/1.0\r\nHost: {address}\r\n\r\n")
        .expect("it is sent");
    let mut stream = BufReader::new(stream);
    let mut line = String::new();
    while line.trim_end() != "id,ra,dec,note" {
        line.clear();
        assert!(stream.read_line(&mut line).expect("an answer") > 0, "the answer has a header");
    }
    stream
}

#[test]
fn a_service_takes_up_another_version_while_an_answer_is_read() {
    const ROWS: usize = 150_000;
    let Some(python) = places::python() else { return };
    let mut stars = Stars::new(ROWS);
    let server = Server::serve(&stars.data(), &[]);
    check_version(&python, &server, &stars);
    let answer = begun(&server);
    let read = || metrics::read(&server.metrics_url()).expect("metrics are there");
    let before = read();
    stars.publish(20_000, &["flux"]);
    reload(&server, SERVED, 1);
    assert!(server.log().contains("changed: s.stars"), "{}", server.log());
    check_version(&python, &server, &stars);
    let after = read();
    assert_eq!(metrics::sum(&after, "armilla_snapshots", ""), 2, "{after}");
    for counted in ["armilla_tile_reads_total", "armilla_reloads_total"] {
        let [before, after] = [&before, &after].map(|text| metrics::sum(text, counted, ""));
        assert!(after > before, "{counted}: {before}, {after}");
    }
    // Whole lines of the former version, and as many as it had.
    let lines: Vec<String> = answer.lines().map(|line| line.expect("the answer goes on")).collect();
    assert_eq!(lines.len(), ROWS);
    assert!(lines.iter().all(|line| line.split(',').count() == 4));
    let let_go = || metrics::sum(&read(), "armilla_snapshots", "") == 1;
    assert!(eventually(PATIENCE, let_go), "the former snapshot is let go of");
    // What cannot be read is named, and changes nothing.
    let whole = fs::read_to_string(stars.table().join(PROPERTIES)).expect("it is there");
    stars.replace("hats_primary_table_url=nowhere\n");
    reload(&server, "cannot read the tables anew, and serves them as before", 1);
    assert!(server.log().contains("nowhere"), "{}", server.log());
    check_version(&python, &server, &stars);
    stars.replace(&whole);
    reload(&server, "every table is as it was", 1);
}

#[test]
fn workers_copy_another_version_and_keep_the_one_before() {
    let Some(python) = places::python() else { return };
    let mut stars = Stars::new(20_000);
    let data = stars.data();
    let folders: Vec<TempDir> =
        (0..2).map(|_| tempfile::tempdir().expect("a temporary folder")).collect();
    let worker = |folder: &TempDir| {
        let mut command = armilla(["worker", "--listen", "127.0.0.1:0", "--fallback", "false"]);
        command.arg("--data").arg(folder.path()).arg("--origin").arg(&data);
        Server::start(&mut command).unwrap_or_else(|e| panic!("a worker did not start: {e:?}"))
    };
    let workers: Vec<Server> = folders.iter().map(worker).collect();
    let urls: Vec<&str> = workers.iter().map(Server::url).collect();
    let state = tempfile::tempdir().expect("a temporary folder");
    let mut command = armilla(["coordinator", "--listen", "127.0.0.1:0", "--replicas", "1"]);
    command.args(["--small-table", "0", "--workers", &urls.join(",")]);
    command.arg("--data").arg(&data).arg("--state").arg(state.path());
    let server = Server::start(&mut command).unwrap_or_else(|e| panic!("no coordinator: {e:?}"));
    check_version(&python, &server, &stars);
    let held = |version: usize| -> usize {
        let member = if version == 1 { "stars".to_owned() } else { format!("stars.{version}") };
        let below = format!("/stars/{member}/dataset/");
        let is_of = |tile: &&PathBuf| text(tile).contains(&below);
        folders.iter().map(|folder| tiles(folder.path()).iter().filter(is_of).count()).sum()
    };
    let first = held(1);
    assert!(first > 0);
    stars.publish(24_000, &["flux"]);
    reload(&server, SERVED, 1);
    check_version(&python, &server, &stars);
    assert_eq!(held(1), first, "queries that run may read them");
    stars.publish(16_000, &[]);
    reload(&server, SERVED, 2);
    check_version(&python, &server, &stars);
    assert!(eventually(PATIENCE, || held(1) == 0), "the first version is removed");
    assert!(held(2) > 0 && held(3) > 0);
    let removed = |worker: &Server| worker.log().contains("removed tiles that nobody needs");
    assert!(workers.iter().all(removed), "{}", workers[0].log());
    assert!(Tap::new(server.url()).query("SELECT COUNT(*) AS n FROM s.stars").is_ok());
}
