//! `armilla import`: settings to options, progress to a bar or lines, and the report.

use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::str::FromStr;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use adql::TableName;
use catalog::import::{
    Existing, ImportOptions, ImportProgress, Parent, Placing, PositionChoice, Reasons, Report,
    import, place_of,
};
use catalog::read::{FileFormat, ReadOptions, TableChoice};
use catalog::write::{Step, TableKind};
use catalog::{Location, Snapshot};
use datafusion::arrow::datatypes::DataType;
use indicatif::{HumanBytes, HumanCount, HumanDuration};

use crate::cli::progress::Display;
use crate::cli::{Error, felis};
use crate::config::{Bytes, List, OneOf, Rows, Settings};

/// Columns that are named before they are only counted.
const REMARKS_MAX: usize = 20;

/// Imports the table that the settings describe.
pub(super) async fn run(settings: &Settings, inputs: Vec<PathBuf>) -> Result<(), Error> {
    let options = options(settings, inputs).await?;
    let start = Instant::now();
    let importing = tokio::task::spawn_blocking(move || {
        let teller = Teller::new(start);
        let report = import(&options, &|progress| teller.tell(progress));
        teller.display.finish();
        report.map(|report| (options, report)).map_err(Error::Import)
    });
    let (options, report) =
        importing.await.map_err(|e| Error::Runtime(std::io::Error::other(e)))??;
    tell_report(&options, &report, start.elapsed())
}

async fn options(settings: &Settings, inputs: Vec<PathBuf>) -> Result<ImportOptions, Error> {
    let inputs = if inputs.is_empty() {
        let List(paths) = settings.require("input")?;
        paths.into_iter().map(PathBuf::from).collect()
    } else {
        inputs
    };
    let out: PathBuf = settings.require("out")?;
    let mut options = ImportOptions::new(inputs, out);
    options.existing = existing(settings)?;
    options.placing = placing(settings, &options.folder).await?;
    options.read = read_options(settings)?;
    options.felis = felis(settings)?;
    let has_parent = matches!(options.placing, Placing::Parent(..));
    options.kind = match settings.get::<OneOf>("kind")? {
        None if has_parent => TableKind::Source,
        None => TableKind::Object,
        Some(OneOf(kind)) => match kind.as_str() {
            "object" => TableKind::Object,
            "source" => TableKind::Source,
            _ => return Err(settings.wrong("kind").into()),
        },
    };
    let margin: f64 = settings.require("margin")?;
    options.margin_arcsec = (margin != 0.0).then_some(margin);
    if let Some(List(columns)) = settings.get("index")? {
        options.indexes = columns;
    }
    let Rows(tile_rows) = settings.require("tile_rows")?;
    let Bytes(tile_bytes) = settings.require("tile_bytes")?;
    (options.tile_rows, options.tile_bytes) = (tile_rows, tile_bytes as u64);
    // Half of the machine is what queries take; an import goes on beside them.
    let memory = settings.get("memory")?.map(|Bytes(bytes)| bytes);
    options.memory_bytes = memory.unwrap_or_else(|| ::worker::session::default_memory_bytes() / 2);
    if let Some(threads) = settings.get::<usize>("threads")? {
        if threads == 0 {
            return Err(settings.wrong("threads").into());
        }
        options.threads = threads;
    }
    Ok(options)
}

/// What becomes of a table that is there.
fn existing(settings: &Settings) -> Result<Existing, Error> {
    let is_there = match (settings.require("append")?, settings.require("replace")?) {
        (false, false) => return Ok(Existing::Refuse),
        (false, true) => return Ok(Existing::Replace),
        (true, false) => Existing::Append,
        (true, true) => {
            return Err(Error::Contradiction("append goes without replace".to_owned()));
        }
    };
    for name in ["kind", "margin", "index"] {
        if settings.is_given(name) {
            let what = format!("append goes without {name}: it is that of the table");
            return Err(Error::Contradiction(what));
        }
    }
    Ok(is_there)
}

async fn placing(settings: &Settings, out: &Path) -> Result<Placing, Error> {
    let choice = PositionChoice {
        ra: settings.get("ra")?,
        dec: settings.get("dec")?,
        unit: match settings.get::<OneOf>("position_unit")? {
            None => None,
            Some(OneOf(unit)) => Some(unit.parse().map_err(|()| settings.wrong("position_unit"))?),
        },
    };
    let nowhere: bool = settings.require("no_position")?;
    let parent: Option<String> = settings.get("parent")?;
    let has_choice = choice != PositionChoice::default();
    let (table, key) = match (nowhere, parent) {
        (true, None) if !has_choice => return Ok(Placing::Nowhere),
        (true, _) => {
            let what = "no_position goes with neither parent, ra, dec nor position_unit";
            return Err(Error::Contradiction(what.to_owned()));
        }
        (false, None) => return Ok(Placing::Position(choice)),
        (false, Some(parent)) => (parent, settings.require::<String>("key")?),
    };
    let Some((data, schema)) = place_of(out) else {
        let what = format!("out = {} is not DIR/SCHEMA/TABLE, where a parent is", out.display());
        return Err(Error::Contradiction(what));
    };
    let (schema, table) = match table.split_once('.') {
        Some((schema, table)) => (schema.to_owned(), table.to_owned()),
        None => (schema, table),
    };
    let location = Location::Folder(data);
    let snapshot = Snapshot::open(&location).await.map_err(Error::Import)?;
    let id = settings.get("parent_key")?.unwrap_or_else(|| key.clone());
    let table = TableName { schema, table };
    Ok(Placing::Parent(choice, Box::new(Parent { snapshot: Arc::new(snapshot), table, key, id })))
}

fn read_options(settings: &Settings) -> Result<ReadOptions, Error> {
    let mut read = ReadOptions::default();
    if let Some(OneOf(format)) = settings.get("input_format")? {
        read.format = Some(match format.as_str() {
            "csv" => FileFormat::Csv,
            "votable" => FileFormat::Votable,
            "fits" => FileFormat::Fits,
            "parquet" => FileFormat::Parquet,
            "arrow" => FileFormat::Arrow,
            _ => return Err(settings.wrong("input_format").into()),
        });
    }
    if let Some(table) = settings.get::<String>("input_table")? {
        let number = usize::from_str(&table).map(TableChoice::Number);
        read.table = Some(number.unwrap_or(TableChoice::Name(table)));
    }
    if let Some(separator) = settings.get::<String>("separator")? {
        read.csv.separator = match separator.as_bytes() {
            b"tab" | b"\\t" => Some(b'\t'),
            [byte] => Some(*byte),
            _ => return Err(settings.wrong("separator").into()),
        };
    }
    if let Some(List(words)) = settings.get("nulls")? {
        read.csv.nulls = words;
    }
    if let Some(List(types)) = settings.get("column_types")? {
        for said in types {
            let of_column = said.rsplit_once(':').and_then(|(name, data_type)| {
                let data_type = match data_type {
                    "text" => DataType::Utf8,
                    "long" => DataType::Int64,
                    "double" => DataType::Float64,
                    "boolean" => DataType::Boolean,
                    _ => return None,
                };
                Some((name.to_owned(), data_type))
            });
            let (name, data_type) = of_column.ok_or_else(|| settings.wrong("column_types"))?;
            read.types.insert(name, data_type);
        }
    }
    Ok(read)
}

/// Shows progress, and rows with their rate.
struct Teller {
    display: Display,
    /// When rows began to come, and how many there were before.
    rows_from: Mutex<Option<(Instant, u64)>>,
}

impl Teller {
    fn new(start: Instant) -> Self {
        Self { display: Display::new(start), rows_from: Mutex::default() }
    }

    fn tell(&self, progress: ImportProgress) {
        let wide = |count: usize| u64::try_from(count).unwrap_or(u64::MAX);
        let (what, done, total) = match progress {
            ImportProgress::Parents { rows } => ("parents", rows, 0),
            ImportProgress::Rows { bytes, total_bytes, .. } => ("rows", bytes, total_bytes),
            ImportProgress::Table(table) => {
                let what = match table.step {
                    Step::Rows => "rows",
                    Step::Tiles => "tiles",
                    Step::Margins => "margins",
                    Step::Indexes => "indexes",
                };
                (what, wide(table.done), wide(table.total))
            }
        };
        let mut rows_from = self.rows_from.lock().unwrap_or_else(PoisonError::into_inner);
        if let ImportProgress::Rows { rows, .. } = progress {
            rows_from.get_or_insert((Instant::now(), rows));
        }
        self.display.show(what, (done, total), |now| match (progress, *rows_from) {
            (ImportProgress::Rows { rows, .. }, Some((from, before))) => {
                let seconds = now.duration_since(from).as_secs_f64();
                pace(rows, rows - before.min(rows), seconds, (done, total))
            }
            _ => format!("{} of {}", HumanCount(done), HumanCount(total)),
        });
    }
}

/// Rows, their rate, and the time that is left by the bytes that are.
fn pace(rows: u64, new_rows: u64, seconds: f64, (done, total): (u64, u64)) -> String {
    #[expect(clippy::cast_precision_loss, reason = "rates and times to three digits")]
    let [new_rows, done, total] = [new_rows, done, total].map(|count| count as f64);
    let mut words = format!("{} rows", HumanCount(rows));
    if seconds > 0.0 && new_rows > 0.0 {
        words.push_str(&format!(", {:.0} rows/s", new_rows / seconds));
    }
    if seconds > 0.0 && done > 0.0 && total >= done {
        let left = Duration::try_from_secs_f64(seconds * (total - done) / done);
        words.push_str(&format!(", {} left", HumanDuration(left.unwrap_or_default())));
    }
    words
}

/// What was done, on stdout.
fn tell_report(options: &ImportOptions, report: &Report, took: Duration) -> Result<(), Error> {
    let mut text = Vec::new();
    for remark in report.remarks.iter().take(REMARKS_MAX) {
        text.push(format!("note: {remark}"));
    }
    if report.remarks.len() > REMARKS_MAX {
        text.push(format!("note: {} more notes", report.remarks.len() - REMARKS_MAX));
    }
    let table = &report.table;
    let (rows, tiles) = (HumanCount(table.rows), HumanCount(table.tiles as u64));
    let before = match report.former_rows {
        0 => String::new(),
        rows => format!(" ({} before)", HumanCount(rows)),
    };
    text.push(format!(
        "{}: {rows} rows{before} of {} files in {tiles} tiles, {} on disk, in {:.1} s",
        options.folder.display(),
        report.files,
        HumanBytes(table.bytes),
        took.as_secs_f64(),
    ));
    if let (Some(arcsec), false) = (options.margin_arcsec, table.margin_rows == 0) {
        text.push(format!("margin of {arcsec} arcsec: {} rows", HumanCount(table.margin_rows)));
    }
    if !options.indexes.is_empty() && table.index_rows > 0 {
        let (columns, rows) = (options.indexes.join(", "), HumanCount(table.index_rows));
        text.push(format!("index of {columns}: {rows} rows"));
    }
    if report.orphans > 0 {
        text.push(format!("without a parent: {} rows", HumanCount(report.orphans)));
    }
    if report.resumed_rows > 0 {
        let rows = HumanCount(report.resumed_rows);
        text.push(format!("{rows} rows were there from an import that was killed"));
    }
    let is_aside = report.without_position.total() > 0;
    if let Some(file) = report.aside.as_ref().filter(|_| is_aside) {
        let Reasons { missing, out_of_range, unreadable } = report.without_position;
        text.push(format!(
            "without position: {} rows ({missing} NULL or NaN, {out_of_range} out of range, \
             {unreadable} no angle), in {}",
            HumanCount(report.without_position.total()),
            file.display()
        ));
    }
    if options.existing != Existing::Refuse {
        text.push(
            "a service that runs goes on with the version before until SIGHUP; it stays on disk \
             until the one after this"
                .to_owned(),
        );
    }
    let mut stdout = std::io::stdout().lock();
    writeln!(stdout, "{}", text.join("\n")).map_err(Error::Output)
}
