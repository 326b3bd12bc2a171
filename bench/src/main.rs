//! Measures Armilla. Each subcommand prints its figures with what is needed to repeat them.
//!
//! `cargo build --release --workspace`, then
//! `target/release/bench planning --template ../shared/data/hats/opengc`

mod figures;
mod generate;
mod importing;
mod planning;
mod truth;

use std::path::PathBuf;

use clap::{Parser, Subcommand};

#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

#[derive(Parser)]
#[command(about = "Measures Armilla")]
struct Arguments {
    #[command(subcommand)]
    measure: Measure,
}

#[derive(Subcommand)]
enum Measure {
    /// Writes tables of a synthetic sky as HATS, and tells how long that takes
    Generate(generate::Generate),
    /// What queries over a synthetic sky must answer, without its data
    Truth(truth::Truth),
    /// How long queries on a table of 196,608 tiles take to plan, alone and over workers
    Planning {
        /// A HATS table whose columns and first tile the large table repeats
        #[arg(long, value_name = "DIR")]
        template: PathBuf,
        /// How many workers the coordinator plans for
        #[arg(long, value_delimiter = ',', default_value = "0,3,450")]
        workers: Vec<usize>,
    },
    /// Import of Parquet files into HATS, beside hats-import and ACID
    Import(importing::Options),
    /// Cones, streams and scans through the service, beside DuckDB on the same files
    Figures(figures::Options),
    /// Rows by their ids, one at a time and by lists, and the tiles that are opened for them
    Lookup(figures::lookup::Options),
    /// Joins of two tables by position, beside others on the same files
    Matches(figures::matches::Options),
    /// What users of a survey ask again and again: neighbours, light curves, lists of ids, joins
    Patterns(figures::patterns::Options),
    /// What the width of a table costs a cone that takes three columns of it
    Widths(figures::widths::Options),
    /// Cones and scans of the same rows in files of unlike layouts
    Layouts(figures::layouts::Options),
}

#[tokio::main]
async fn main() -> anyhow::Result<()> {
    match Arguments::parse().measure {
        Measure::Generate(wanted) => generate::run(&wanted),
        Measure::Truth(asked) => truth::run(&asked),
        Measure::Planning { template, workers } => planning::run(&template, &workers).await,
        Measure::Figures(options) => waiting(move || figures::run(&options)).await,
        Measure::Lookup(options) => waiting(move || figures::lookup::run(&options)).await,
        Measure::Matches(options) => waiting(move || figures::matches::run(&options)).await,
        Measure::Patterns(options) => waiting(move || figures::patterns::run(&options)).await,
        Measure::Widths(options) => waiting(move || figures::widths::run(&options)).await,
        Measure::Layouts(options) => waiting(move || figures::layouts::run(&options)).await,
        Measure::Import(options) => waiting(move || importing::run(&options)).await,
    }
}

/// Runs what only waits for other processes.
async fn waiting(run: impl FnOnce() -> anyhow::Result<()> + Send + 'static) -> anyhow::Result<()> {
    tokio::task::spawn_blocking(run).await?
}
