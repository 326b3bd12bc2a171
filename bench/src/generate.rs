//! The tables of the synthetic sky, of any size, written as HATS: what other measurements read, and
//! how fast the generator and the writer are.

use std::path::PathBuf;
use std::time::Instant;

use anyhow::{Result, bail, ensure};
use catalog::synthetic::{Columns, Content, Footprint, Sky, Table};
use catalog::write::{Floats, Layout, Progress, Step};
use clap::{Args, ValueEnum};
use datafusion::parquet::basic::{Compression, ZstdLevel};

/// Which sky.
#[derive(Debug, Args)]
pub(crate) struct Which {
    /// Objects
    #[arg(long, alias = "rows", value_name = "COUNT")]
    objects: u64,
    /// Which of all skies
    #[arg(long, default_value_t = 1)]
    seed: u64,
    /// Where there are objects
    #[arg(long, value_enum, default_value = "survey")]
    footprint: Part,
    /// Visits of each field over ten years; the deep ones have ten times as many
    #[arg(long, default_value_t = 40)]
    visits: u32,
}

/// A part of the sky.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Part {
    All,
    Survey,
}

/// What is generated.
#[derive(Debug, Args)]
pub(crate) struct Generate {
    #[command(flatten)]
    which: Which,
    /// Folder in which the tables appear, as DIR/SCHEMA/TABLE
    #[arg(long, value_name = "DIR")]
    out: PathBuf,
    /// Tables: object, source, forcedSource, diaObject, diaSource, visit, ccdVisit
    #[arg(long, value_delimiter = ',', default_value = "object")]
    tables: Vec<Table>,
    /// Columns of object beside the spatial index: how many, `all` (1,296), or names with commas
    #[arg(long, value_parser = columns, default_value = "24")]
    columns: Columns,
    /// Schema of the tables
    #[arg(long, default_value = "bench")]
    schema: String,
    #[command(flatten)]
    files: Files,
}

/// How values are laid out in files, where it is not the layout that imports write.
#[derive(Debug, Args)]
struct Files {
    /// Compression: none, lz4, snappy or zstd
    #[arg(long, value_parser = compression)]
    compression: Option<Compression>,
    /// Floats: plain, compressed or split into streams of bytes
    #[arg(long, value_parser = floats)]
    floats: Option<Floats>,
    /// Rows of a row group
    #[arg(long)]
    group_rows: Option<usize>,
    /// Rows of a page
    #[arg(long)]
    page_rows: Option<usize>,
}

impl Files {
    fn layout(&self) -> Layout {
        let usual = Layout::default();
        Layout {
            compression: self.compression.unwrap_or(usual.compression),
            floats: self.floats.unwrap_or(usual.floats),
            group_rows: self.group_rows.unwrap_or(usual.group_rows),
            page_rows: self.page_rows.unwrap_or(usual.page_rows),
        }
    }
}

fn compression(text: &str) -> Result<Compression> {
    Ok(match text {
        "none" => Compression::UNCOMPRESSED,
        "lz4" => Compression::LZ4_RAW,
        "snappy" => Compression::SNAPPY,
        "zstd" => Compression::ZSTD(ZstdLevel::default()),
        _ => bail!("it is none of none, lz4, snappy and zstd"),
    })
}

fn floats(text: &str) -> Result<Floats> {
    Ok(match text {
        "plain" => Floats::Plain,
        "compressed" => Floats::Compressed,
        "split" => Floats::Split,
        _ => bail!("it is none of plain, compressed and split"),
    })
}

impl Which {
    pub(crate) fn sky(&self) -> Sky {
        let footprint = match self.footprint {
            Part::All => Footprint::All,
            Part::Survey => Footprint::Survey,
        };
        Sky::with(self.objects, self.seed, footprint, self.visits)
    }
}

#[expect(clippy::unnecessary_wraps, reason = "what clap takes as the parser of a value")]
fn columns(text: &str) -> Result<Columns> {
    Ok(match text.parse() {
        Ok(count) => Columns::First(count),
        Err(_) if text == "all" => Columns::All,
        Err(_) => Columns::Named(text.split(',').map(|name| name.trim().to_owned()).collect()),
    })
}

#[expect(clippy::print_stdout, reason = "a report to the person who asked for it")]
pub(crate) fn run(wanted: &Generate) -> Result<()> {
    println!("{:?} below {}", wanted.which, wanted.out.display());
    println!("{} CPUs", std::thread::available_parallelism()?);
    ensure!(!wanted.tables.is_empty(), "--tables names none");
    let sky = wanted.which.sky();
    for table in &wanted.tables {
        let columns = if *table == Table::Object { wanted.columns.clone() } else { Columns::All };
        write(&sky, *table, columns, wanted)?;
    }
    Ok(())
}

#[expect(clippy::print_stdout, reason = "a report to the person who asked for it")]
fn write(sky: &Sky, table: Table, columns: Columns, wanted: &Generate) -> Result<()> {
    let content = Content::Survey(table, columns);
    let folder = wanted.out.join(&wanted.schema).join(table.name());
    let start = Instant::now();
    let columns = content.schema()?.fields().len() - 1;
    let said = |progress: Progress| {
        if progress.done == 0 && progress.step != Step::Rows {
            let seconds = start.elapsed().as_secs_f64();
            println!("  {seconds:6.1} s: {:?}, {} of them", progress.step, progress.total);
        }
    };
    let content = (&content, wanted.files.layout());
    let made = sky.write_as(content, &folder, &wanted.schema, &said)?;
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
