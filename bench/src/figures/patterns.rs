//! What users of a survey ask again and again, on the tables of `bench generate`: the queries of
//! Rubin's tutorials, with its names.

use std::path::PathBuf;

use anyhow::{Context, Result};
use clap::Args;

use super::client::Client;
use super::service::Service;
use super::timed::{Timed, ratio};
use super::{say, timed};

/// What `patterns` is told.
#[derive(Debug, Args)]
pub(crate) struct Options {
    /// Folder of HATS tables
    #[arg(long, value_name = "DIR")]
    data: PathBuf,
    /// The schema with object, source, forcedSource and visit
    #[arg(long, default_value = "bench")]
    schema: String,
    /// Where the cones are: right ascension and declination in degrees
    #[arg(long, value_name = "RA,DEC", default_value = "150,-30", allow_hyphen_values = true)]
    center: String,
    /// The release binary
    #[arg(long, value_name = "FILE", default_value = "target/release/armilla")]
    binary: PathBuf,
    /// How often each query is run and timed
    #[arg(long, default_value_t = 5)]
    runs: usize,
}

/// `{s}` is the schema, `{c}` the center, `{1}` one id, `{100}` and `{10000}` lists of them.
const PATTERNS: [(&str, &str); 11] = [
    (
        "objects around a place",
        "SELECT objectId, coord_ra, coord_dec FROM {s}.object \
         WHERE DISTANCE(coord_ra, coord_dec, {c}) < 1/60. ORDER BY DISTANCE(coord_ra, coord_dec, {c})",
    ),
    (
        "pairs within 3\" in a cone of 1°",
        "SELECT a.objectId, b.objectId AS other FROM {s}.object AS a JOIN {s}.object AS b \
         ON DISTANCE(a.coord_ra, a.coord_dec, b.coord_ra, b.coord_dec) < 3/3600. \
         WHERE DISTANCE(a.coord_ra, a.coord_dec, {c}) < 1 AND a.objectId < b.objectId",
    ),
    ("one object by its id", "SELECT * FROM {s}.object WHERE objectId = {1}"),
    ("100 objects by their ids", "SELECT * FROM {s}.object WHERE objectId IN ({100})"),
    (
        "light curve of one object",
        "SELECT v.expMidptMJD, v.band, f.psfFlux, f.psfFluxErr FROM {s}.forcedSource AS f \
         JOIN {s}.visit AS v ON f.visit = v.visit WHERE f.objectId = {1} ORDER BY v.expMidptMJD",
    ),
    (
        "light curves of 100 objects",
        "SELECT f.objectId, v.expMidptMJD, f.psfFlux FROM {s}.forcedSource AS f \
         JOIN {s}.visit AS v ON f.visit = v.visit WHERE f.objectId IN ({100})",
    ),
    (
        "light curves of 10,000 objects",
        "SELECT f.objectId, v.expMidptMJD, f.psfFlux FROM {s}.forcedSource AS f \
         JOIN {s}.visit AS v ON f.visit = v.visit WHERE f.objectId IN ({10000})",
    ),
    (
        "objects with their forced sources and visits, 100 ids",
        "SELECT o.objectId, o.coord_ra, v.expMidptMJD, f.psfFlux FROM {s}.object AS o \
         JOIN {s}.forcedSource AS f ON o.objectId = f.objectId \
         JOIN {s}.visit AS v ON f.visit = v.visit WHERE o.objectId IN ({100})",
    ),
    (
        "objects with their sources in a cone of 1°",
        "SELECT o.objectId, s.sourceId, s.psfFlux FROM {s}.object AS o \
         JOIN {s}.source AS s ON o.objectId = s.objectId \
         WHERE DISTANCE(o.coord_ra, o.coord_dec, {c}) < 1",
    ),
    (
        "variability of all objects of a cone of 5.6° (100 square degrees)",
        "SELECT o.objectId, COUNT(*) AS n, AVG(f.psfFlux) AS mean, MAX(f.psfFlux) - MIN(f.psfFlux) AS range \
         FROM {s}.object AS o JOIN {s}.forcedSource AS f ON o.objectId = f.objectId \
         WHERE DISTANCE(o.coord_ra, o.coord_dec, {c}) < 5.64 GROUP BY o.objectId",
    ),
    (
        "sources of each object, all of them",
        "SELECT COUNT(*) AS objects, AVG(n) AS mean FROM (SELECT o.objectId, COUNT(*) AS n \
         FROM {s}.object AS o JOIN {s}.source AS s ON o.objectId = s.objectId GROUP BY o.objectId) AS c",
    ),
];

pub(crate) fn run(options: &Options) -> Result<()> {
    let binary = options.binary.canonicalize().context("the release binary")?;
    let alone = Service::serve(&binary, &options.data)?;
    let client = Client::new(alone.url())?;
    let queries = queries(&client, options)?;
    say("one process");
    let one = measure(&client, options, &queries)?;
    drop(alone);
    let two = Service::cluster(&binary, &options.data, 2)?;
    say("a coordinator and two workers on the same CPUs");
    let two = measure(&Client::new(two.url())?, options, &queries)?;
    for ((name, _), (one, two)) in queries.iter().zip(one.iter().zip(&two)) {
        say(&format!("  {name}: two workers / one process {:.2}", ratio(two, one)));
    }
    Ok(())
}

fn measure(client: &Client, options: &Options, queries: &[(String, String)]) -> Result<Vec<Timed>> {
    let mut all = Vec::new();
    for (name, query) in queries {
        let rows = client.text(query)?.lines().count().saturating_sub(1);
        let times = timed(options.runs, || Ok(client.fetch(query, "votable/b2")?.total))?;
        say(&format!("  {name}: {rows} rows, {times}"));
        all.push(times);
    }
    Ok(all)
}

/// The patterns with the ids of objects around the center.
fn queries(client: &Client, options: &Options) -> Result<Vec<(String, String)>> {
    let schema = &options.schema;
    let center = options.center.replace(',', ", ");
    let ids = format!(
        "SELECT TOP 10000 objectId FROM {schema}.object \
         ORDER BY DISTANCE(coord_ra, coord_dec, {center})"
    );
    let text = client.text(&ids)?;
    let ids: Vec<&str> = text.lines().skip(1).collect();
    let first = ids.first().context("there is no object")?;
    let list = |count: usize| ids[..ids.len().min(count)].join(", ");
    let filled = |(name, query): &(&str, &str)| {
        let query = query.replace("{s}", schema).replace("{c}", &center).replace("{1}", first);
        let query = query.replace("{100}", &list(100)).replace("{10000}", &list(10_000));
        ((*name).to_owned(), query)
    };
    Ok(PATTERNS.iter().map(filled).collect())
}
