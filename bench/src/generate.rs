//! A synthetic table of any size, written as HATS: what other measurements read, and how fast the
//! generator and the writer are.

use std::path::{Path, PathBuf};
use std::time::Instant;

use anyhow::{Context, Result};
use catalog::synthetic::{Content, Sky};
use catalog::write::{Progress, Step};
use clap::Args;

/// What is generated.
#[derive(Debug, Args)]
pub(crate) struct Generate {
    /// Objects
    #[arg(long, value_name = "ROWS")]
    rows: u64,
    /// Folder in which the table appears, as DIR/SCHEMA/TABLE
    #[arg(long, value_name = "DIR")]
    out: PathBuf,
    /// Which of all skies
    #[arg(long, default_value_t = 1)]
    seed: u64,
    /// Columns beside the spatial index, 3 to 33
    #[arg(long, default_value_t = 24)]
    columns: usize,
    /// Schema and table
    #[arg(long, value_name = "SCHEMA.TABLE", default_value = "bench.object")]
    table: String,
    /// Makes the sources of the objects too, as SCHEMA.source
    #[arg(long)]
    sources: bool,
}

#[expect(clippy::print_stdout, reason = "a report to the person who asked for it")]
pub(crate) fn run(wanted: &Generate) -> Result<()> {
    let name = wanted.table.split_once('.').context("--table is written SCHEMA.TABLE")?;
    let schema = wanted.out.join(name.0);
    println!(
        "synthetic sky of {} objects, seed {}, below {} ({} CPUs)",
        wanted.rows,
        wanted.seed,
        wanted.out.display(),
        std::thread::available_parallelism()?
    );
    let sky = Sky::new(wanted.rows, wanted.seed);
    let objects = Content::Objects { columns: wanted.columns };
    write(&sky, objects, &schema.join(name.1), &wanted.table)?;
    if wanted.sources {
        write(&sky, Content::Sources, &schema.join("source"), &wanted.table)?;
    }
    Ok(())
}

#[expect(clippy::print_stdout, reason = "a report to the person who asked for it")]
fn write(sky: &Sky, content: Content, folder: &Path, objects: &str) -> Result<()> {
    let start = Instant::now();
    let columns = content.schema().fields().len() - 1;
    let said = |progress: Progress| {
        if progress.done == 0 && progress.step != Step::Rows {
            let seconds = start.elapsed().as_secs_f64();
            println!("  {seconds:6.1} s: {:?}, {} of them", progress.step, progress.total);
        }
    };
    let made = sky.write(content, folder, objects, &said)?;
    let seconds = start.elapsed().as_secs_f64();
    #[expect(clippy::cast_precision_loss, reason = "figures for people")]
    let (rows, bytes) = (made.rows as f64, made.bytes as f64);
    println!(
        "{}: {} rows of {columns} columns in {} tiles, {} in its margin, {} in indexes",
        folder.display(),
        made.rows,
        made.tiles,
        made.margin_rows,
        made.index_rows
    );
    println!(
        "  {seconds:.1} s, {:.2} million rows/s, {:.2} GB ({:.1} B per row), {:.0} MB/s",
        rows / seconds / 1e6,
        bytes / 1e9,
        bytes / rows.max(1.0),
        bytes / seconds / 1e6
    );
    Ok(())
}
