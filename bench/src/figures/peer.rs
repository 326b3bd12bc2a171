//! DuckDB in a Python process, on the Parquet files of the same table.

use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use anyhow::{Context, Result, ensure};

use super::timed::Timed;
use super::{WARM_UP, script};

/// The peer.
#[derive(Debug)]
pub(crate) struct Peer {
    python: PathBuf,
    tiles: String,
}

impl Peer {
    pub(crate) fn new(python: &Path, dataset: &Path) -> Self {
        let tiles = dataset.join("Norder*/Dir*/Npix*.parquet").to_string_lossy().into_owned();
        Self { python: python.to_owned(), tiles }
    }

    /// A scan, its answer fetched to Arrow.
    pub(crate) fn scan(&self, sql: &str, runs: usize) -> Result<Timed> {
        self.run(&["scan", &sql.replace("{t}", &format!("'{}'", self.tiles))], runs)
    }

    /// All columns of a cone around a position in two columns (`ra,dec`), fetched to Arrow.
    pub(crate) fn cone(&self, position: &str, cone: [f64; 3], runs: usize) -> Result<Timed> {
        let [ra, dec, radius] = cone.map(|degrees| degrees.to_string());
        self.run(&["cone", &self.tiles, position, &ra, &dec, &radius], runs)
    }

    fn run(&self, arguments: &[&str], runs: usize) -> Result<Timed> {
        let mut command = Command::new(&self.python);
        command.arg(script("duckdb_peer.py"));
        command.arg(WARM_UP.to_string()).arg(runs.to_string()).args(arguments);
        let output = command.output().context("starting the peer")?;
        let said = String::from_utf8_lossy(&output.stderr);
        ensure!(output.status.success(), "the peer failed: {said}");
        let text = String::from_utf8_lossy(&output.stdout);
        let seconds = text.split_whitespace().map(str::parse::<f64>);
        let times = seconds.map(|s| Ok(Duration::from_secs_f64(s?)));
        Ok(Timed::new(times.collect::<Result<_>>()?))
    }
}
