//! Cones and scans of tables of the same rows that are laid out in unlike ways, in turn.

use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result};
use clap::Args;
use rustix::fs::{Advice, fadvise};

use super::client::Client;
use super::service::Service;
use super::timed::{Timed, ratio};
use super::{LARGE_CONE_DEG, SCANS, centers, folder, say};

/// What `layouts` is told.
#[derive(Debug, Args)]
pub(crate) struct Options {
    /// Folder of HATS tables
    #[arg(long, value_name = "DIR")]
    data: PathBuf,
    /// The tables, of the same rows; each is compared with the first
    #[arg(long, value_name = "TABLES", value_delimiter = ',')]
    tables: Vec<String>,
    /// The columns of their position
    #[arg(long, value_name = "RA,DEC", default_value = "coord_ra,coord_dec")]
    position: String,
    /// Rounds that count; one before them does not
    #[arg(long, default_value_t = 5)]
    rounds: usize,
    /// Places of the small cones
    #[arg(long, default_value_t = 30)]
    cones: usize,
    /// The release binary
    #[arg(long, value_name = "FILE", default_value = "target/release/armilla")]
    binary: PathBuf,
}

/// What is asked of each table.
struct Measure {
    name: String,
    queries: Vec<String>,
    format: &'static str,
}

/// Warm, each round asks every table in turn, so that what else the machine does hits all alike.
/// Cold, the files of a table leave the page cache before each query.
pub(crate) fn run(options: &Options) -> Result<()> {
    let binary = options.binary.canonicalize().context("the release binary")?;
    let service = Service::serve(&binary, &options.data)?;
    let client = Client::new(service.url())?;
    let all: Vec<_> = options.tables.iter().map(|table| measures(table, options)).collect();
    let mut warm = all.iter().map(|m| vec![Vec::new(); m.len()]).collect::<Vec<_>>();
    for round in 0..=options.rounds {
        for (measures, times) in all.iter().zip(&mut warm) {
            for (measure, times) in measures.iter().zip(times) {
                for query in &measure.queries {
                    let took = client.fetch(query, measure.format)?.total;
                    times.extend((round > 0).then_some(took));
                }
            }
        }
    }
    Command::new("sync").status().context("sync")?;
    let mut cold = all.iter().map(|m| vec![Vec::new(); m.len()]).collect::<Vec<_>>();
    for _ in 0..options.rounds {
        for ((table, measures), times) in options.tables.iter().zip(&all).zip(&mut cold) {
            for (measure, times) in measures.iter().zip(times) {
                forget(&folder(&options.data, table))?;
                let first = measure.queries.first().context("a measure has a query")?;
                times.push(client.fetch(first, measure.format)?.total);
            }
        }
    }
    report("warm", options, &all, warm);
    report("cold", options, &all, cold);
    Ok(())
}

fn report(
    state: &str,
    options: &Options,
    all: &[Vec<Measure>],
    times: Vec<Vec<Vec<std::time::Duration>>>,
) {
    let times: Vec<Vec<Timed>> =
        times.into_iter().map(|table| table.into_iter().map(Timed::new).collect()).collect();
    for ((table, measures), timed) in options.tables.iter().zip(all).zip(&times) {
        for ((measure, timed), first) in measures.iter().zip(timed).zip(&times[0]) {
            let (name, ratio) = (&measure.name, ratio(timed, first));
            say(&format!("  {state} {table}: {name}: {timed}, {ratio:.2} of the first table"));
        }
    }
}

fn measures(table: &str, options: &Options) -> Vec<Measure> {
    let own = &options.position;
    let cone = |columns: &str, [ra, dec, radius]: [f64; 3]| {
        format!(
            "SELECT {columns} FROM {table} WHERE DISTANCE({own}, {ra:.6}, {dec:.6}) < {radius:.6}"
        )
    };
    let small = |columns: &str| {
        let places = centers(options.cones).map(|(ra, dec)| [ra, dec, 1.0 / 60.0]);
        places.map(|place| cone(columns, place)).collect()
    };
    let format = "votable/b2";
    let mut measures = vec![
        Measure { name: "1' cone, SELECT *".to_owned(), queries: small("*"), format },
        Measure { name: "1' cone, the position".to_owned(), queries: small(own), format },
        Measure {
            name: "10° cone, SELECT *".to_owned(),
            queries: vec![cone("*", LARGE_CONE_DEG); 3],
            format,
        },
    ];
    measures.extend(SCANS.iter().map(|(name, sql)| Measure {
        name: (*name).to_owned(),
        queries: vec![sql.replace("{t}", table); 3],
        format: "csv",
    }));
    measures
}

/// Lets the files below a folder leave the page cache.
fn forget(folder: &Path) -> Result<()> {
    for entry in fs::read_dir(folder).with_context(|| folder.display().to_string())? {
        let path = entry?.path();
        if path.is_dir() {
            forget(&path)?;
        } else {
            fadvise(File::open(&path)?, 0, None, Advice::DontNeed)?;
        }
    }
    Ok(())
}
