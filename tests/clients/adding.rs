//! `armilla add`: tables that lie elsewhere are tables of the data folder, and nothing is copied.

use std::fs;
use std::net::{Ipv4Addr, TcpListener};
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use tempfile::TempDir;
use tests::origin::Origin;
use tests::process::{armilla, run_armilla};
use tests::tiles::tiles;
use tests::{Answer, Server, Tap, places};

use crate::bucket::{BUCKET, Store};

/// Queries of a table that stands for each of those that hold the same rows.
const QUERIES: [&str; 4] = [
    "SELECT name, ra, dec, b_mag FROM TABLE WHERE DISTANCE(ra, dec, 10.6847, 41.269) < 3",
    "SELECT type, COUNT(*) AS n, MAX(b_mag) AS faintest FROM TABLE GROUP BY type",
    "SELECT COUNT(*) AS n FROM TABLE WHERE dec > 89 OR dec < -80",
    "SELECT a.name, b.type FROM TABLE AS a JOIN TABLE AS b ON a.name = b.name WHERE a.b_mag < 9",
];

fn text(path: &Path) -> &str {
    path.to_str().expect("paths of tests are texts")
}

fn said(output: &Output) -> String {
    String::from_utf8_lossy(&output.stderr).into_owned()
}

/// What `armilla add` says of a table that it adds.
fn added(command: &mut Command) -> String {
    let output = command.output().expect("the binary starts");
    assert!(output.status.success(), "{}", said(&output));
    String::from_utf8_lossy(&output.stdout).into_owned()
}

/// A data folder in which `opengc` lies in a folder, an S3-compatible store and behind HTTP.
struct Sky {
    data: PathBuf,
    store: Store,
    hats: PathBuf,
    _origin: Origin,
    folder: TempDir,
}

const NAMES: [&str; 3] = ["near.opengc", "cloud.gc", "public.opengc"];

impl Sky {
    fn make() -> Option<Self> {
        let (hats, python) = (places::hats()?, places::python()?);
        let folder = tempfile::tempdir().expect("a temporary folder");
        let data = folder.path().join("data");
        let store = Store::start(&python, &hats);
        let origin = Origin::serve(&hats, Ipv4Addr::LOCALHOST);
        let locations = [
            text(&hats.join("opengc")).to_owned(),
            format!("s3://{BUCKET}/opengc"),
            format!("{}/opengc", origin.url()),
        ];
        for (location, name) in locations.iter().zip(NAMES) {
            let mut command = armilla(["add", location, "--data", text(&data)]);
            if name != "public.opengc" {
                command.args(["--as", name]);
            }
            store.reached_by(&mut command);
            let report = added(&mut command);
            let expected = format!("{name} is read in place from {location}\n");
            assert!(report.starts_with(&expected), "{report}");
            assert!(report.contains("13,962 rows in 30 tiles"), "{report}");
            assert!(report.contains("position: ra, dec"), "{report}");
        }
        Some(Self { data, store, hats, _origin: origin, folder })
    }

    /// What the folder itself answers.
    fn expected(&self, adql: &str) -> Answer {
        let answer = self.store.query(text(&self.hats), &adql.replace("TABLE", "opengc"));
        assert!(!answer.rows.is_empty(), "{adql}");
        answer
    }

    fn server(&self, arguments: &[&str]) -> Server {
        let mut command = armilla(arguments);
        self.store.reached_by(&mut command);
        Server::start(&mut command).unwrap_or_else(|e| panic!("{arguments:?}: {e:?}"))
    }
}

#[test]
fn a_table_elsewhere_answers_as_the_one_in_the_folder() {
    let Some(sky) = Sky::make() else { return };
    let files: u64 = tiles(&sky.data).len() as u64;
    assert_eq!(files, 0, "nothing is copied");
    for adql in QUERIES {
        let expected = sky.expected(adql);
        for name in NAMES {
            let answer = sky.store.query(text(&sky.data), &adql.replace("TABLE", name));
            assert_eq!(answer.difference(&expected), None, "{name}: {adql}");
        }
        // The folder of the pointer is the table as well.
        let one = text(&sky.data.join("public/opengc")).to_owned();
        let answer = sky.store.query(&one, &adql.replace("TABLE", "opengc"));
        assert_eq!(answer.difference(&expected), None, "{one}: {adql}");
    }
    let both = "SELECT COUNT(*) AS n FROM near.opengc AS a JOIN cloud.gc AS b ON a.name = b.name";
    let alone = both.replace("near.", "").replace("cloud.gc", "opengc");
    let expected = sky.store.query(text(&sky.hats), &alone);
    assert_eq!(sky.store.query(text(&sky.data), both).difference(&expected), None);
    // What is said beside the pointer is laid over what lies elsewhere.
    let toml = "version = 1\ntitle = 'Clusters'\n[columns.b_mag]\nunit = 'mag'\n";
    fs::write(sky.data.join("cloud/gc/table.toml"), toml).expect("the folder is ours");
    let asked = "SELECT unit FROM TAP_SCHEMA.columns WHERE table_name = 'cloud.gc' AND \
                 column_name = 'b_mag'";
    assert_eq!(sky.store.query(text(&sky.data), asked).single(), Some("mag"));
    fs::remove_dir_all(sky.data.join("cloud")).expect("the folder is ours");
    let count = "SELECT COUNT(*) AS n FROM TAP_SCHEMA.tables WHERE schema_name = 'cloud'";
    assert_eq!(sky.store.query(text(&sky.data), count).single(), Some("0"));
}

#[test]
fn workers_copy_their_share_from_where_a_table_lies() {
    let Some(sky) = Sky::make() else { return };
    let folders: Vec<PathBuf> =
        (0..3).map(|number| sky.folder.path().join(format!("worker-{number}"))).collect();
    let workers: Vec<Server> = folders
        .iter()
        .map(|folder| {
            let own = ["worker", "--listen", "127.0.0.1:0", "--metrics", "127.0.0.1:0", "--data"];
            sky.server(&[&own[..], &[text(folder), "--origin", text(&sky.data)]].concat())
        })
        .collect();
    let urls: Vec<&str> = workers.iter().map(Server::url).collect();
    let state = sky.folder.path().join("state");
    let coordinator = sky.server(&[
        "coordinator",
        "--listen",
        "127.0.0.1:0",
        "--workers",
        &urls.join(","),
        "--data",
        text(&sky.data),
        "--state",
        text(&state),
        "--small-table",
        "0",
        "--replicas",
        "1",
    ]);
    let tap = Tap::new(coordinator.url());
    let answers_are_right = || {
        for adql in QUERIES {
            let expected = sky.expected(adql);
            for name in NAMES {
                let answer = tap.query(&adql.replace("TABLE", name));
                let answer = answer.unwrap_or_else(|e| panic!("{name}: {adql}: {e}"));
                assert_eq!(answer.difference(&expected), None, "{name}: {adql}");
            }
        }
    };
    answers_are_right();
    for folder in &folders {
        for table in ["near/opengc", "cloud/gc", "public/opengc"] {
            let held = tiles(&folder.join(table)).len();
            assert!((1..30).contains(&held), "{} has {held} of {table}", folder.display());
        }
    }
    // What is lost at home is read from there at once, and copied again.
    for folder in &folders {
        for table in ["near", "cloud", "public"] {
            fs::remove_dir_all(folder.join(table)).expect("the folder is ours");
        }
    }
    answers_are_right();
}

#[test]
fn what_cannot_be_served_is_refused() {
    let Some(hats) = places::hats() else { return };
    let folder = tempfile::tempdir().expect("a temporary folder");
    let data = folder.path().join("data");
    let opengc = text(&hats.join("opengc")).to_owned();
    let origin = Origin::serve(&hats, Ipv4Addr::LOCALHOST);
    let add = |location: &str, name: &str| {
        let arguments = ["add", location, "--data", text(&data), "--as", name];
        run_armilla(arguments)
    };
    let refused = |location: &str, name: &str, expected: &str| {
        let output = add(location, name);
        let said = said(&output);
        assert!(!output.status.success() && said.contains(expected), "{location}: {said}");
        assert_ne!(output.status.code(), Some(101), "{said}");
        assert!(!said.contains("secret"), "{said}");
    };
    refused(text(&hats), "a.b", "it holds 5 tables");
    refused(&format!("{}/nothing", origin.url()), "a.b", "is not a HATS table");
    refused("/no/such/folder", "a.b", "/no/such/folder");
    refused("https://me:secret@localhost/gaia", "a.b", "credentials come from the environment");
    refused("ftp://localhost/gaia", "a.b", "ftp:// is not supported");
    refused(&opengc, "tap_schema.b", "belongs to the service");
    refused(&opengc, "a..b", "cannot be the name of a folder");
    refused(&opengc, "a./b", "cannot be the name of a folder");
    let free = TcpListener::bind("127.0.0.1:0").and_then(|l| l.local_addr()).expect("a port");
    refused(&format!("http://{free}/gaia"), "a.b", &free.to_string());
    origin.refuse(true);
    refused(&format!("{}/opengc", origin.url()), "a.b", "503");
    origin.refuse(false);
    assert!(!data.exists(), "nothing was written");
    assert!(add(&opengc, "a.b").status.success());
    refused(&opengc, "a.b", "exists already");
    fs::create_dir(data.join("a/c")).expect("the folder is ours");
    fs::write(data.join("a/c/table.toml"), "version = 1\n[columns.none]\nunit = 'm'\n")
        .expect("the folder is ours");
    refused(&opengc, "a.c", "columns.\"none\" is no column");
    assert!(!data.join("a/c/elsewhere.toml").exists());
    // A start names what is not there any more.
    fs::write(data.join("a/b/elsewhere.toml"), "version = 1\nlocation = '/no/such'\n")
        .expect("the folder is ours");
    let output = run_armilla(["query", "--data", text(&data), "SELECT 1 AS one FROM a.b"]);
    let said = said(&output);
    assert!(
        !output.status.success() && said.contains("a/b/elsewhere.toml leads to /no/such"),
        "{said}"
    );
}
