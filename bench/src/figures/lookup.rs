//! Rows by their ids, through HTTP: one id at a time, and lists of up to a hundred thousand.

use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::Instant;

use anyhow::{Context, Result, bail, ensure};
use clap::Args;

use super::client::Client;
use super::service::Service;
use super::timed::Timed;
use super::{say, timed};

/// What `lookup` is told.
#[derive(Debug, Args)]
pub(crate) struct Options {
    /// Folder of HATS tables
    #[arg(long, value_name = "DIR")]
    data: PathBuf,
    /// The table, as schema.table
    #[arg(long, default_value = "demo.object")]
    table: String,
    /// The column of its ids, which has an id index
    #[arg(long, default_value = "objectId")]
    column: String,
    /// The release binary
    #[arg(long, value_name = "FILE", default_value = "target/release/armilla")]
    binary: PathBuf,
    /// How many ids are looked up one at a time
    #[arg(long, default_value_t = 200)]
    ids: usize,
    /// How often each list is looked up and timed
    #[arg(long, default_value_t = 9)]
    runs: usize,
}

/// Lengths of the lists.
const LISTS: [usize; 4] = [1, 100, 10_000, 100_000];

pub(crate) fn run(options: &Options) -> Result<()> {
    let binary = options.binary.canonicalize().context("the release binary")?;
    let alone = Service::serve(&binary, &options.data)?;
    let client = Client::new(alone.url())?;
    let ids = drawn(&client, options)?;
    say(&format!("one process; {} ids drawn from {}", ids.len(), options.table));
    measure(&client, &binary, options, &ids)?;
    drop(alone);
    let two = Service::cluster(&binary, &options.data, 2)?;
    say("a coordinator and two workers on the same CPUs");
    measure(&Client::new(two.url())?, &binary, options, &ids)
}

fn measure(client: &Client, binary: &Path, options: &Options, ids: &[i64]) -> Result<()> {
    let (table, column) = (&options.table, &options.column);
    let one = |id: &i64| format!("SELECT * FROM {table} WHERE {column} = {id}");
    let single: Vec<String> = ids.iter().take(options.ids).map(one).collect();
    let start = Instant::now();
    let first = single.first().context("no id was drawn")?;
    client.fetch(first, "votable/b2")?;
    say(&format!("  the first id, cold: {:.1} ms", start.elapsed().as_secs_f64() * 1e3));
    let mut times = Vec::new();
    for turn in 0..2 {
        for query in &single {
            let time = client.fetch(query, "votable/b2")?.total;
            // The first turn fills the caches of footers.
            if turn == 1 {
                times.push(time);
            }
        }
    }
    say(&format!("  {column} = …, SELECT *: {}", Timed::new(times)));
    say(&format!("    {}", told(binary, &options.data, first)?));
    for length in LISTS.into_iter().filter(|length| *length <= ids.len()) {
        let list: Vec<String> = ids[..length].iter().map(ToString::to_string).collect();
        let query = format!("SELECT * FROM {table} WHERE {column} IN ({})", list.join(","));
        let rows = client.text(&query)?.lines().count().saturating_sub(1);
        let times = timed(options.runs, || Ok(client.fetch(&query, "votable/b2")?.total))?;
        say(&format!("  IN of {length} ids, {rows} rows: {times}"));
        say(&format!("    {}", told(binary, &options.data, &query)?));
    }
    Ok(())
}

/// Ids of rows of the whole table, in no order, a little more than the longest list.
fn drawn(client: &Client, options: &Options) -> Result<Vec<i64>> {
    let (table, column) = (&options.table, &options.column);
    let count = client.text(&format!("SELECT COUNT(*) AS n FROM {table}"))?;
    let rows: f64 = count.lines().nth(1).context("no count")?.trim().parse()?;
    let wanted = *LISTS.iter().max().context("no list")?;
    #[expect(clippy::cast_precision_loss, reason = "a share of the rows need not be exact")]
    let share = 1.2 * wanted as f64 / rows;
    let query = format!("SELECT TOP 1000000 {column} FROM {table} WHERE RAND() < {share}");
    let text = client.text(&query)?;
    let mut ids: Vec<i64> = text.lines().skip(1).map(str::parse).collect::<Result<_, _>>()?;
    ids.sort_unstable();
    ids.dedup();
    // The same ids in any run that draws them, in an order without meaning.
    ids.sort_by_key(|id| id.cast_unsigned().wrapping_mul(0x9e37_79b9_7f4a_7c15).rotate_left(32));
    ids.truncate(wanted);
    ensure!(!ids.is_empty(), "{table} has no {column}");
    Ok(ids)
}

/// What `armilla explain` says of the tiles of a query.
fn told(binary: &Path, data: &Path, query: &str) -> Result<String> {
    let mut command = Command::new(binary);
    command.args(["explain", "--log", "warn", "--data"]).arg(data).arg("-");
    let mut process = command.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn()?;
    let mut stdin = process.stdin.take().context("stdin is piped")?;
    stdin.write_all(query.as_bytes())?;
    drop(stdin);
    let output = process.wait_with_output()?;
    if !output.status.success() {
        bail!("explain ended with {}", output.status);
    }
    let text = String::from_utf8_lossy(&output.stdout);
    let lines = text.lines().filter(|line| line.contains("id index") || line.contains(" tiles, "));
    Ok(lines.map(str::trim).collect::<Vec<_>>().join("; "))
}
