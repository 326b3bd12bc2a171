//! Tables that lie in an S3-compatible store or behind plain HTTP are read in place.

use std::io::{BufRead as _, BufReader};
use std::path::Path;
use std::process::{Child, Command, Output, Stdio};

use tests::process::armilla;
use tests::{Answer, places};

/// The bucket with the shared tables.
const BUCKET: &str = "sky";

const QUERIES: [&str; 3] = [
    "SELECT name, ra, dec, b_mag FROM opengc WHERE DISTANCE(ra, dec, 10.6847, 41.269) < 3",
    "SELECT type, COUNT(*) AS n, MAX(b_mag) AS faintest FROM opengc GROUP BY type",
    "SELECT COUNT(*) AS n FROM opengc WHERE dec > 89 OR dec < -80",
];

/// A store that ends with the test.
pub(crate) struct Store {
    process: Child,
    address: String,
}

impl Store {
    pub(crate) fn start(python: &Path, folder: &Path) -> Self {
        let mut process = Command::new(python)
            .arg(places::repository().join("tests/clients/origin.py"))
            .arg(folder)
            .arg(BUCKET)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .expect("Python starts");
        let mut address = String::new();
        let stdout = process.stdout.take().expect("stdout is piped");
        BufReader::new(stdout).read_line(&mut address).expect("the store tells its address");
        let address = address.trim().to_owned();
        assert!(address.starts_with("http://"), "the store did not start");
        Self { process, address }
    }

    /// The addresses of a table: in S3, and over plain HTTP.
    pub(crate) fn places(&self, table: &str) -> [String; 2] {
        [format!("s3://{BUCKET}/{table}"), format!("{}/{BUCKET}/{table}", self.address)]
    }

    /// Runs armilla with what it needs to know of the store.
    pub(crate) fn run(&self, arguments: &[&str]) -> Output {
        armilla(arguments)
            .env("AWS_ENDPOINT", &self.address)
            .env("AWS_ALLOW_HTTP", "true")
            .env("AWS_REGION", "us-east-1")
            .env("AWS_ACCESS_KEY_ID", "test")
            .env("AWS_SECRET_ACCESS_KEY", "test")
            .output()
            .expect("the binary starts")
    }

    fn query(&self, data: &str, adql: &str) -> Answer {
        let output = self.run(&["query", "--format", "csv", "--data", data, adql]);
        let said = String::from_utf8_lossy(&output.stderr);
        assert!(output.status.success(), "{data}: {adql}\n{said}");
        Answer::from_csv(&String::from_utf8_lossy(&output.stdout))
    }
}

impl Drop for Store {
    fn drop(&mut self) {
        let _killed = self.process.kill();
        let _status = self.process.wait();
    }
}

#[test]
fn tables_are_read_in_place_from_s3_and_http() {
    let (Some(hats), Some(python)) = (places::hats(), places::python()) else { return };
    let store = Store::start(&python, &hats);
    let folder = hats.to_string_lossy().into_owned();
    let [s3, http] = store.places("opengc");
    let places = [s3, format!("s3://{BUCKET}"), http];
    for adql in QUERIES {
        let expected = store.query(&folder, adql);
        assert!(!expected.rows.is_empty(), "{adql}");
        for place in &places {
            let difference = store.query(place, adql).difference(&expected);
            assert_eq!(difference, None, "{place}: {adql}");
        }
    }
}
