//! Joins by position of two tables, at several radii, beside others on the same files.

use std::path::PathBuf;
use std::process::Command;

use anyhow::{Context, Result, ensure};
use clap::Args;

use super::client::Client;
use super::service::Service;
use super::{say, script, timed};

/// What `matches` is told.
#[derive(Debug, Args)]
pub(crate) struct Options {
    /// Folder of HATS tables
    #[arg(long, value_name = "DIR")]
    data: PathBuf,
    /// The smaller table, as schema.table; its position is ra and dec
    #[arg(long)]
    left: String,
    /// The larger table
    #[arg(long)]
    right: String,
    /// Radii in arcseconds; the peers are asked for the first
    #[arg(long, value_delimiter = ',', default_value = "1,10,60")]
    radii: Vec<f64>,
    /// The radius of the join of the larger table with itself, in arcseconds
    #[arg(long, default_value_t = 2.0)]
    with_itself: f64,
    /// A Python that has duckdb or lsdb; without it no peer is measured
    #[arg(long, value_name = "FILE")]
    python: Option<PathBuf>,
    /// The release binary
    #[arg(long, value_name = "FILE", default_value = "target/release/armilla")]
    binary: PathBuf,
    /// How often each is run and timed
    #[arg(long, default_value_t = 5)]
    runs: usize,
}

pub(crate) fn run(options: &Options) -> Result<()> {
    let binary = options.binary.canonicalize().context("the release binary")?;
    let alone = Service::serve(&binary, &options.data)?;
    say("one process");
    measure(&Client::new(alone.url())?, options)?;
    drop(alone);
    let two = Service::cluster(&binary, &options.data, 2)?;
    say("a coordinator and two workers on the same CPUs");
    measure(&Client::new(two.url())?, options)?;
    drop(two);
    if let Some(python) = &options.python {
        let first = options.radii.first().context("--radii names none")?;
        let folder = |table: &str| table.replace('.', "/");
        let mut peers = Command::new(python);
        peers.arg(script("match_peer.py")).arg(&options.data);
        peers.args([folder(&options.left), folder(&options.right), first.to_string()]);
        let ended = peers.arg(options.runs.to_string()).status().context("the peers")?;
        ensure!(ended.success(), "the peers ended with {ended}");
    }
    Ok(())
}

fn measure(client: &Client, options: &Options) -> Result<()> {
    let (left, right) = (&options.left, &options.right);
    let near = |radius: f64| format!("DISTANCE(a.ra, a.dec, b.ra, b.dec) < {}", radius / 3600.0);
    let mut queries = Vec::new();
    for radius in &options.radii {
        let query =
            format!("SELECT COUNT(*) AS n FROM {left} AS a JOIN {right} AS b ON {}", near(*radius));
        queries.push((format!("{left} with {right} at {radius}\""), query));
    }
    let radius = options.with_itself;
    let query = format!(
        "SELECT COUNT(*) AS n FROM {right} AS a JOIN {right} AS b ON {} AND a.objectId < b.objectId",
        near(radius)
    );
    queries.push((format!("{right} with itself at {radius}\""), query));
    for (name, query) in queries {
        match client.text(&query) {
            Ok(text) => {
                let pairs = text.lines().nth(1).context("no count")?.to_owned();
                let times = timed(options.runs, || Ok(client.fetch(&query, "csv")?.total))?;
                say(&format!("  {name}: {pairs} pairs, {times}"));
            }
            // A join that is too large for the workers is refused.
            Err(error) => say(&format!("  {name}: {error:.300}")),
        }
    }
    Ok(())
}
