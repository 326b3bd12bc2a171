//! An S3-compatible store (moto) with the shared tables, and the binary that reads from it.

use std::io::{BufRead as _, BufReader};
use std::path::Path;
use std::process::{Child, Command, Stdio};

use tests::process::armilla;
use tests::{Answer, places};

/// The bucket with the shared tables.
pub(crate) const BUCKET: &str = "sky";

/// A store that ends with the test.
pub(crate) struct Store {
    process: Child,
    pub(crate) address: String,
}

impl Store {
    /// Serves the files of a folder in [`BUCKET`].
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

    /// A command that reaches the store by its environment.
    pub(crate) fn reached_by(&self, command: &mut Command) {
        command
            .env("AWS_ENDPOINT", &self.address)
            .env("AWS_ALLOW_HTTP", "true")
            .env("AWS_REGION", "us-east-1")
            .env("AWS_ACCESS_KEY_ID", "test")
            .env("AWS_SECRET_ACCESS_KEY", "test");
    }

    /// What a query of a folder or URL answers.
    pub(crate) fn query(&self, data: &str, adql: &str) -> Answer {
        let mut command = armilla(["query", "--format", "csv", "--data", data, adql]);
        self.reached_by(&mut command);
        let output = command.output().expect("the binary starts");
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
