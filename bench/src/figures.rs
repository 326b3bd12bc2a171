//! First figures of the service: cones, streams and scans over HTTP, beside DuckDB on the same files.
//!
//! Each query runs through a real `serve` process, or a coordinator with two workers, on this
//! machine. What DuckDB is asked (`duckdb.py`) is the same SQL where SQL can say it.

mod client;
pub(crate) mod layouts;
pub(crate) mod lookup;
pub(crate) mod matches;
pub(crate) mod patterns;
mod peer;
mod service;
mod timed;
pub(crate) mod widths;

use std::path::{Path, PathBuf};

use anyhow::{Context, Result, ensure};
use clap::Args;

use client::Client;
use peer::Peer;
use service::Service;
use timed::{Timed, ratio};

/// What `figures` is told.
#[derive(Debug, Args)]
pub(crate) struct Options {
    /// Folder of HATS tables
    #[arg(long, value_name = "DIR")]
    data: PathBuf,
    /// The table, as schema.table, with the columns of the synthetic object table
    #[arg(long, default_value = "demo.object")]
    table: String,
    /// The columns of its position; tables of `bench generate` have `coord_ra,coord_dec`
    #[arg(long, value_name = "RA,DEC", default_value = "ra,dec")]
    position: String,
    /// A Python that has duckdb, numpy and astropy-healpix; without it no peer is measured
    #[arg(long, value_name = "FILE")]
    python: Option<PathBuf>,
    /// The release binary
    #[arg(long, value_name = "FILE", default_value = "target/release/armilla")]
    binary: PathBuf,
    /// How often each scan is run and timed
    #[arg(long, default_value_t = 9)]
    runs: usize,
}

/// Centers of the small cones.
const CONES: usize = 40;

/// Runs of a query that do not count; the peer has as many.
const WARM_UP: usize = 10;

/// The large cone: right ascension, declination, radius.
const LARGE_CONE_DEG: [f64; 3] = [150.0, -30.0, 10.0];

/// Formats of the streams, as requests name them.
const FORMATS: [&str; 5] = ["votable/b2", "votable/td", "csv", "parquet", "votable/b"];

/// Scans that SQL and ADQL say alike; `{t}` is the table.
const SCANS: [(&str, &str); 3] = [
    ("COUNT, AVG of a ratio", "SELECT COUNT(*) AS n, AVG(g_psfFlux / r_psfFlux) AS q FROM {t}"),
    (
        "GROUP BY order-5 pixel",
        "SELECT \"_healpix_29\" / 281474976710656 AS p, COUNT(*) AS n, \
         AVG(g_psfFlux / r_psfFlux) AS q FROM {t} GROUP BY \"_healpix_29\" / 281474976710656",
    ),
    (
        "histogram of magnitude",
        "SELECT ROUND(31.4 - 2.5 * LOG10(r_psfFlux), 1) AS m, COUNT(*) AS n FROM {t} \
         WHERE r_psfFlux > 0 GROUP BY ROUND(31.4 - 2.5 * LOG10(r_psfFlux), 1)",
    ),
];

pub(crate) fn run(options: &Options) -> Result<()> {
    let binary = options.binary.canonicalize().context("the release binary")?;
    let peer = match &options.python {
        Some(python) => Some(Peer::new(python, &dataset(options)?)),
        None => None,
    };
    let alone = Service::serve(&binary, &options.data)?;
    say(&format!("one process, {} CPUs", std::thread::available_parallelism()?));
    let client = Client::new(alone.url())?;
    cones(&client, options)?;
    large_cone(&client, options, peer.as_ref())?;
    streams(&client, &alone, options)?;
    let single = scans(&client, options, peer.as_ref())?;
    drop(alone);
    let two = Service::cluster(&binary, &options.data, 2)?;
    say("a coordinator and two workers on the same CPUs");
    let client = Client::new(two.url())?;
    cones(&client, options)?;
    let double = scans(&client, options, None)?;
    for ((name, _), (one, two)) in SCANS.iter().zip(single.iter().zip(&double)) {
        say(&format!("  {name}: two workers / one process {:.2}", ratio(two, one)));
    }
    Ok(())
}

#[expect(clippy::print_stdout, reason = "a report to the person who asked for it")]
fn say(line: &str) {
    println!("{line}");
}

/// The folder of a table that is named as schema.table.
fn folder(data: &Path, table: &str) -> PathBuf {
    data.join(table.replace('.', "/"))
}

/// The folder with the table's tiles, for the peer.
fn dataset(options: &Options) -> Result<PathBuf> {
    let folder = folder(&options.data, &options.table);
    let name = folder.file_name().context("the table has a name")?.to_owned();
    let found = [folder.join(&name).join("dataset"), folder.join("dataset")];
    let found = found.into_iter().find(|dataset| dataset.is_dir());
    found.with_context(|| format!("no dataset below {}", folder.display()))
}

/// Places of the southern sky, spread evenly by powers of the plastic number.
fn centers(count: usize) -> impl Iterator<Item = (f64, f64)> {
    (0..count).map(|nth| {
        #[expect(clippy::cast_precision_loss, reason = "a small number of cones")]
        let step = nth as f64 + 0.5;
        let (ra, z) = ((step * 0.754_877_666).fract(), (step * 0.569_840_291).fract());
        (360.0 * ra, (-0.98 * z).asin().to_degrees())
    })
}

/// 1′ cones with all columns, each twice: the second time counts.
fn cones(client: &Client, options: &Options) -> Result<()> {
    let queries: Vec<String> = centers(CONES)
        .map(|(ra, dec)| {
            let (table, own) = (&options.table, &options.position);
            format!("SELECT * FROM {table} WHERE DISTANCE({own}, {ra:.6}, {dec:.6}) < 1/60.")
        })
        .collect();
    for query in &queries {
        client.fetch(query, "votable/b2")?;
    }
    let mut times = Vec::new();
    let mut bytes = 0;
    for query in &queries {
        let answer = client.fetch(query, "votable/b2")?;
        bytes += answer.bytes;
        times.push(answer.total);
    }
    say(&format!("  1' cone, SELECT *: {} ({bytes} bytes)", Timed::new(times)));
    Ok(())
}

/// A cone of 10° with all columns, beside DuckDB with the ranges of its cover made beforehand.
fn large_cone(client: &Client, options: &Options, peer: Option<&Peer>) -> Result<()> {
    let [ra, dec, radius] = LARGE_CONE_DEG;
    let (table, own) = (&options.table, &options.position);
    let query = format!("SELECT * FROM {table} WHERE DISTANCE({own}, {ra}, {dec}) < {radius}");
    let ours = timed(options.runs, || Ok(client.fetch(&query, "votable/b2")?.total))?;
    say(&format!("  10° cone, SELECT *, BINARY2: {ours}"));
    if let Some(peer) = peer {
        let theirs = peer.cone(&options.position, LARGE_CONE_DEG, options.runs)?;
        say(&format!("    DuckDB to Arrow: {theirs}; ratio {:.2}", ratio(&ours, &theirs)));
    }
    Ok(())
}

/// A million rows in each format; then memory for a hundred times more rows.
fn streams(client: &Client, service: &Service, options: &Options) -> Result<()> {
    let rows = 1_000_000;
    let query = format!("SELECT TOP {rows} * FROM {}", options.table);
    for format in FORMATS {
        let mut first_rows = Vec::new();
        let mut bytes = 0;
        let total = timed(5, || {
            let answer = client.fetch(&query, format)?;
            first_rows.extend(answer.first_row);
            bytes = answer.bytes;
            Ok(answer.total)
        })?;
        let rate = f64::from(rows) / total.median().as_secs_f64() / 1e6;
        say(&format!("  TOP {rows} * as {format}: {total}, {rate:.2} M rows/s, {bytes} bytes"));
        if !first_rows.is_empty() {
            say(&format!("    first row: {}", Timed::new(first_rows)));
        }
    }
    for rows in [100_000, 1_000_000, 10_000_000] {
        service.reset_peak()?;
        let query = format!("SELECT TOP {rows} * FROM {}", options.table);
        client.fetch(&query, "votable/b2")?;
        let peak = service.peak_bytes()? >> 20;
        say(&format!("  peak memory of the process over {rows} rows: {peak} MiB"));
    }
    Ok(())
}

fn scans(client: &Client, options: &Options, peer: Option<&Peer>) -> Result<Vec<Timed>> {
    let mut all = Vec::new();
    let mut logs = 0.0;
    for (name, sql) in SCANS {
        let query = sql.replace("{t}", &options.table);
        let ours = timed(options.runs, || Ok(client.fetch(&query, "csv")?.total))?;
        say(&format!("  {name}: {ours}"));
        if let Some(peer) = peer {
            let theirs = peer.scan(sql, options.runs)?;
            let ratio = ratio(&ours, &theirs);
            logs += ratio.ln();
            say(&format!("    DuckDB: {theirs}; ratio {ratio:.2}"));
        }
        all.push(ours);
    }
    if peer.is_some() {
        #[expect(clippy::cast_precision_loss, reason = "three scans")]
        let mean = (logs / SCANS.len() as f64).exp();
        say(&format!("  geometric mean of the ratios: {mean:.2}"));
    }
    Ok(all)
}

/// Runs for nothing until caches of footers are filled everywhere, then so often.
fn timed(runs: usize, mut once: impl FnMut() -> Result<std::time::Duration>) -> Result<Timed> {
    ensure!(runs > 0, "--runs is at least 1");
    for _ in 0..WARM_UP {
        once()?;
    }
    Ok(Timed::new((0..runs).map(|_| once()).collect::<Result<_>>()?))
}

/// A script beside this crate.
pub(super) fn script(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join(name)
}
