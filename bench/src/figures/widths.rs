//! Three columns of a cone, from tables of the same rows that are narrow and wide.

use std::path::PathBuf;

use anyhow::{Context, Result};
use clap::Args;

use super::client::Client;
use super::service::Service;
use super::timed::{Timed, ratio};
use super::{centers, say};

/// What `widths` is told.
#[derive(Debug, Args)]
pub(crate) struct Options {
    /// Folder of HATS tables
    #[arg(long, value_name = "DIR")]
    data: PathBuf,
    /// The tables, of the same rows and position; each is compared with the first
    #[arg(long, value_name = "TABLES", value_delimiter = ',')]
    tables: Vec<String>,
    /// The columns that are taken; the first two are the position
    #[arg(long, value_delimiter = ',', default_value = "coord_ra,coord_dec,objectId")]
    columns: Vec<String>,
    /// Radius of the cones
    #[arg(long, value_name = "DEGREES", default_value_t = 0.1)]
    radius: f64,
    /// How many places on the sky
    #[arg(long, default_value_t = 40)]
    cones: usize,
    /// The release binary
    #[arg(long, value_name = "FILE", default_value = "target/release/armilla")]
    binary: PathBuf,
}

pub(crate) fn run(options: &Options) -> Result<()> {
    let binary = options.binary.canonicalize().context("the release binary")?;
    let alone = Service::serve(&binary, &options.data)?;
    say("one process");
    compare(&Client::new(alone.url())?, options)?;
    drop(alone);
    let two = Service::cluster(&binary, &options.data, 2)?;
    say("a coordinator and two workers on the same CPUs");
    compare(&Client::new(two.url())?, options)
}

/// Each cone on each table in turn: first cold, then twice warm.
fn compare(client: &Client, options: &Options) -> Result<()> {
    let (mut cold, mut warm) = (Vec::new(), Vec::new());
    for table in &options.tables {
        let queries: Vec<String> = queries(table, options)?;
        let once = || -> Result<Vec<_>> {
            let answers = queries.iter().map(|query| client.fetch(query, "votable/b2"));
            answers.map(|answer| Ok(answer?.total)).collect()
        };
        cold.push(Timed::new(once()?));
        once()?;
        warm.push(Timed::new([once()?, once()?].concat()));
    }
    for (table, (cold_times, warm_times)) in options.tables.iter().zip(cold.iter().zip(&warm)) {
        let ratios = (ratio(cold_times, &cold[0]), ratio(warm_times, &warm[0]));
        say(&format!("  {table}: first {cold_times}, {:.2} of the first table", ratios.0));
        say(&format!("  {table}: warm {warm_times}, {:.2} of the first table", ratios.1));
    }
    Ok(())
}

fn queries(table: &str, options: &Options) -> Result<Vec<String>> {
    let [ra, dec, ..] = options.columns.as_slice() else {
        anyhow::bail!("--columns names the position first, right ascension and declination");
    };
    let (columns, radius) = (options.columns.join(", "), options.radius);
    let query = |(lon, lat): (f64, f64)| {
        format!(
            "SELECT {columns} FROM {table} WHERE DISTANCE({ra}, {dec}, {lon:.6}, {lat:.6}) < {radius}"
        )
    };
    Ok(centers(options.cones).map(query).collect())
}
