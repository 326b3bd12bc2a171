//! Tables from files: VOTable, FITS, CSV, Parquet in, a HATS collection out, in bounded memory.
//!
//! `inputs` are files of one table with the same columns; `position` finds where a row lies and
//! makes degrees of it, `parent` looks up where the parent of a row lies. Rows without a position
//! go `aside` into a file beside the table ([`WITHOUT_POSITION`]). The `journal` in the hidden
//! folder of the table under way says how far a killed import came, and the same command goes on
//! from there to the same bytes.

mod aside;
mod inputs;
mod journal;
mod parent;
mod placing;
mod position;
mod reading;
mod saying;
mod sexagesimal;

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use datafusion::arrow::array::RecordBatch;

use crate::Error;
use crate::metadata::TableMetadata;
use crate::read::ReadOptions;
use crate::write::{
    Outcome, Progress, Staging, TILE_BYTES, TILE_ROWS, TableKind, TableWriter, Unplaced,
    WholeWriter, WriteOptions,
};
use aside::Aside;
use inputs::{InputFile, Inputs};
use journal::{Done, Journal, Tally};
use placing::Placer;
use position::Positions;
use reading::{Place, Reading};

pub use aside::FILE_NAME as WITHOUT_POSITION;
pub use parent::Parent;
pub use position::{PositionChoice, PositionUnit, Reasons};
pub use saying::FelisChoice;

/// Memory of an import, unless said otherwise.
const MEMORY_BYTES: usize = 2 << 30;

/// What an import holds beside rows, at most: counts of the whole sky, a row group of its input,
/// and the process itself. A bound below twice of it is not kept.
const FIXED_BYTES: usize = 192 << 20;

/// By what rows are tiled.
#[derive(Debug, Clone)]
pub enum Placing {
    /// Their own position.
    Position(PositionChoice),
    /// The position of their parent, and their own where it is not there.
    Parent(PositionChoice, Box<Parent>),
    /// Nothing: every worker holds the table whole.
    Nowhere,
}

/// What is imported, and how.
#[derive(Debug, Clone)]
pub struct ImportOptions {
    /// Files, and folders of files, of one table.
    pub inputs: Vec<PathBuf>,
    /// What is said of the files.
    pub read: ReadOptions,
    /// What Rubin's YAML says of the table.
    pub felis: Option<FelisChoice>,
    /// The folder that becomes the table.
    pub folder: PathBuf,
    /// What the rows are.
    pub kind: TableKind,
    /// By what they are tiled.
    pub placing: Placing,
    /// Rows within so many arcseconds of another tile are in its margin.
    pub margin_arcsec: Option<f64>,
    /// Columns that get an id index.
    pub indexes: Vec<String>,
    /// Most rows of a tile.
    pub tile_rows: u64,
    /// Most bytes of a tile, in memory.
    pub tile_bytes: u64,
    /// Memory for all that the import holds.
    pub memory_bytes: usize,
    /// Threads.
    pub threads: usize,
}

impl ImportOptions {
    /// Defaults for a table at `folder`.
    pub fn new(inputs: Vec<PathBuf>, folder: impl Into<PathBuf>) -> Self {
        Self {
            inputs,
            read: ReadOptions::default(),
            felis: None,
            folder: folder.into(),
            kind: TableKind::Object,
            placing: Placing::Position(PositionChoice::default()),
            margin_arcsec: None,
            indexes: Vec::new(),
            tile_rows: TILE_ROWS,
            tile_bytes: TILE_BYTES,
            memory_bytes: MEMORY_BYTES,
            threads: std::thread::available_parallelism().map_or(1, Into::into),
        }
    }

    /// Memory for rows.
    fn rows_bytes(&self) -> usize {
        self.memory_bytes.saturating_sub(FIXED_BYTES).max(self.memory_bytes / 4)
    }

    /// Bytes of rows that wait to be sorted: sorting holds them twice, and then threads hold
    /// tiles beside what is left of them.
    fn waiting_bytes(&self) -> usize {
        self.rows_bytes() / 4
    }

    /// How rows are read: an eighth of the memory is for those that are read ahead.
    fn reading(&self) -> Reading {
        Reading { threads: self.threads, ahead_bytes: self.rows_bytes() / 8 }
    }

    /// Bytes of a tile: a thread holds its rows and the files that are made of them.
    fn tile_bytes(&self) -> u64 {
        let share = self.rows_bytes() / (4 * self.threads.max(1));
        self.tile_bytes.min(u64::try_from(share).unwrap_or(u64::MAX)).max(1)
    }

    /// What must be the same for a killed import to go on; neither threads nor memory for sorting
    /// change the result.
    fn command(&self, inputs: &Inputs) -> BTreeMap<String, String> {
        let files = inputs.files.iter().map(InputFile::identity);
        let placing = match &self.placing {
            Placing::Position(choice) => format!("own position {choice:?}"),
            Placing::Nowhere => "none".to_owned(),
            Placing::Parent(choice, parent) => {
                let Parent { snapshot, table, key, id } = &**parent;
                format!("{table} of snapshot {} by {key} = {id}, {choice:?}", snapshot.number())
            }
        };
        let said = [
            ("inputs", files.collect::<Vec<_>>().join(", ")),
            ("reading", format!("{:?}", self.read)),
            ("felis", self.felis.as_ref().map(FelisChoice::identity).unwrap_or_default()),
            ("kind", format!("{:?}", self.kind)),
            ("position", placing),
            ("margin", format!("{:?}", self.margin_arcsec)),
            ("index", self.indexes.join(", ")),
            ("tile_rows", self.tile_rows.to_string()),
            ("tile_bytes", self.tile_bytes().to_string()),
        ];
        said.into_iter().map(|(name, value)| (name.to_owned(), value)).collect()
    }

    fn write_options(&self, metadata: TableMetadata) -> WriteOptions {
        WriteOptions {
            margin_arcsec: self.margin_arcsec,
            indexes: self.indexes.clone(),
            tile_rows: self.tile_rows,
            tile_bytes: self.tile_bytes(),
            memory_bytes: self.waiting_bytes(),
            threads: self.threads,
            unplaced: Unplaced::HandBack,
            metadata,
            ..WriteOptions::new(&self.folder, self.kind)
        }
    }
}

/// How far an import is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ImportProgress {
    /// Rows of the parent that were read.
    Parents {
        /// So many.
        rows: u64,
    },
    /// Rows of the input.
    Rows {
        /// Rows that were taken, by this run and by one that it goes on from.
        rows: u64,
        /// Bytes of the files until there.
        bytes: u64,
        /// Bytes of all files.
        total_bytes: u64,
    },
    /// The table.
    Table(Progress),
}

/// What was imported.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Report {
    /// What was written.
    pub table: Outcome,
    /// Files that were read.
    pub files: usize,
    /// Rows that an earlier run of the same command had on disk.
    pub resumed_rows: u64,
    /// Rows without a position, and why.
    pub without_position: Reasons,
    /// The file that they are in, if there are any.
    pub aside: Option<PathBuf>,
    /// Rows whose parent is not there.
    pub orphans: u64,
    /// What a person should know of the files and of what was made of them.
    pub remarks: Vec<String>,
}

/// Imports a table.
///
/// # Errors
/// When an input cannot be read or is not of one table, the position of rows is not clear, no row
/// has one, or the table cannot be written. Nothing of it is to be seen then.
pub fn import(
    options: &ImportOptions,
    progress: &(dyn Fn(ImportProgress) + Sync),
) -> Result<Report, Error> {
    if options.folder.exists() {
        return Err(Error::Exists { path: options.folder.display().to_string() });
    }
    let name = options.folder.file_name().unwrap_or_default().to_string_lossy().into_owned();
    let mut inputs = Inputs::open(&name, &options.inputs, &options.read)?;
    if let Some(felis) = &options.felis {
        saying::add_felis(&mut inputs, felis, options)?;
    }
    let own = match &options.placing {
        Placing::Nowhere => None,
        Placing::Position(choice) => {
            Some(Positions::find(&name, &inputs.schema, &inputs.metadata, choice)?)
        }
        Placing::Parent(choice, _) => {
            let found = Positions::find(&name, &inputs.schema, &inputs.metadata, choice);
            // A child need not have a position of its own, where none was asked for.
            if *choice == PositionChoice::default() { found.ok() } else { Some(found?) }
        }
    };
    if let Some(own) = &own {
        let sources = own.sources(&inputs.schema);
        saying::check_frames(&inputs.metadata, sources)
            .map_err(|reason| Error::Input { table: name.clone(), reason })?;
    }
    let staging = Staging::resume(&options.folder)?;
    let journal = Journal::new(&staging, options.command(&inputs));
    let done = match journal.read() {
        Ok(Some(done)) => {
            let rows = done.kept.runs;
            tracing::info!(runs = rows, "going on with an import that was killed");
            staging.clear_content()?;
            done
        }
        Ok(None) => {
            staging.clear()?;
            Done::default()
        }
        Err(difference) => {
            let path = options.folder.display().to_string();
            let partial = Staging::names(&options.folder).map(|[partial, _]| partial);
            let partial = options.folder.with_file_name(partial.unwrap_or_default());
            staging.leave();
            let partial = partial.display().to_string();
            return Err(Error::OtherImport { path, partial, difference });
        }
    };
    let import = Import { name, options, inputs, progress };
    match (own, &options.placing) {
        (None, Placing::Nowhere | Placing::Position(_)) => import.whole(staging),
        (Some(own), Placing::Position(_) | Placing::Nowhere) => {
            let placer = Placer::by_position(&import.name, own);
            import.tiled(staging, &placer, &journal, done)
        }
        (own, Placing::Parent(_, parent)) => {
            let memory = options.rows_bytes() / 4;
            let positions = parent::Positions::read(parent, &staging.scratch(), memory, |rows| {
                progress(ImportProgress::Parents { rows });
            })?;
            tracing::info!(parents = positions.count, table = %parent.table, "read");
            let parents = ((**parent).clone(), positions);
            let placer = Placer::by_parent(&import.name, own, &import.inputs.schema, parents)?;
            import.tiled(staging, &placer, &journal, done)
        }
    }
}

/// An import under way.
struct Import<'a> {
    name: String,
    options: &'a ImportOptions,
    inputs: Inputs,
    progress: &'a (dyn Fn(ImportProgress) + Sync),
}

impl Import<'_> {
    /// Writes a table without positions.
    fn whole(self, staging: Staging) -> Result<Report, Error> {
        let mut metadata = saying::of_taken(&self.inputs, self.options);
        // There is no position that it would be of.
        metadata.frames.retain(|frame| !frame.columns.is_empty());
        let options = self.options.write_options(metadata);
        let mut writer = WholeWriter::create_in(staging, options, &self.inputs.schema)?;
        let mut rows = 0;
        let ready = |rows: RecordBatch| {
            let bytes = rows.get_array_memory_size();
            Ok((rows, bytes))
        };
        let said = self.inputs.read(Place::default(), self.options.reading(), ready, |taken| {
            rows += u64::try_from(taken.ready.num_rows()).unwrap_or(u64::MAX);
            self.tell(rows, taken.bytes);
            writer.push(&taken.ready)
        })?;
        self.refuse_nothing(rows)?;
        let table = writer.finish()?;
        let remarks = self.inputs.remarks.into_iter().chain(said).collect();
        Ok(Report { table, files: self.inputs.files.len(), remarks, ..Report::default() })
    }

    /// Writes a table whose rows lie on the sky.
    fn tiled(
        self,
        staging: Staging,
        placer: &Placer,
        journal: &Journal,
        mut done: Done,
    ) -> Result<Report, Error> {
        let mut metadata = saying::of_taken(&self.inputs, self.options);
        let mut remarks = self.inputs.remarks.clone();
        remarks.extend(placer.describe(&self.inputs.schema, &mut metadata));
        let [ra, dec] = placer.tiled_by().map(str::to_owned);
        let options = WriteOptions { ra, dec, ..self.options.write_options(metadata) };
        let mut aside = Aside::new(staging.scratch(), done.aside);
        let mut writer = TableWriter::create_in(staging, options, placer.schema(), done.kept)?;
        let resumed_rows = writer.rows();
        let input = writer.input();
        let ready = |rows: RecordBatch| {
            let mut tally = Tally::default();
            let prepared = input.prepare(&placer.place(&rows, &mut tally)?)?;
            if let Some(unplaced) = &prepared.unplaced {
                placer.count(unplaced, &mut tally);
            }
            let bytes = prepared.bytes();
            Ok(((prepared, tally), bytes))
        };
        let said = self.inputs.read(done.place, self.options.reading(), ready, |taken| {
            let (prepared, tally) = taken.ready;
            done.tally.add(tally);
            if let Some(unplaced) = writer.push_prepared(prepared)? {
                aside.push(&unplaced)?;
            }
            done.place = taken.place;
            let kept = writer.kept();
            if kept.runs > done.kept.runs {
                (done.kept, done.aside) = (kept, aside.close()?);
                journal.write(&done)?;
            }
            self.tell(writer.rows() + kept.unplaced, taken.bytes);
            Ok(())
        })?;
        let unplaced = writer.kept().unplaced;
        self.refuse_nothing(writer.rows() + unplaced)?;
        let Done { tally, .. } = done;
        if writer.rows() == 0 {
            let Reasons { missing, out_of_range, unreadable } = tally.reasons;
            return Err(self.wrong(format!(
                "none of the {unplaced} rows of {} has a position ({missing} without one, \
                 {out_of_range} beyond the range, {unreadable} no angle): is position_unit right?",
                self.inputs.names()
            )));
        }
        if let Some(position) = &mut writer.metadata_mut().position {
            // Rounded up to the next milliarcsecond.
            position.slack_arcsec = (tally.slack_deg * 3.6e6).ceil() / 1e3;
        }
        let file = aside.finish(&writer.folder(), placer.schema())?;
        let table = writer.finish(&|step| (self.progress)(ImportProgress::Table(step)))?;
        remarks.extend(said);
        Ok(Report {
            table,
            files: self.inputs.files.len(),
            resumed_rows,
            without_position: tally.reasons,
            aside: file.map(|file| self.options.folder.join(file)),
            orphans: tally.orphans,
            remarks,
        })
    }

    fn tell(&self, rows: u64, bytes: u64) {
        let total_bytes = self.inputs.bytes();
        (self.progress)(ImportProgress::Rows { rows, bytes, total_bytes });
    }

    fn wrong(&self, reason: String) -> Error {
        Error::Input { table: self.name.clone(), reason }
    }

    /// A table of no rows is a mistake sooner than a wish.
    fn refuse_nothing(&self, rows: u64) -> Result<(), Error> {
        let nothing = || self.wrong(format!("there are no rows in {}", self.inputs.names()));
        if rows > 0 { Ok(()) } else { Err(nothing()) }
    }
}

/// Where the tables of a folder `DIR/SCHEMA/TABLE` lie: `DIR` and the name of the schema.
pub fn place_of(folder: &Path) -> Option<(PathBuf, String)> {
    let schema = folder.parent()?;
    let data = schema.parent()?;
    let data = if data.as_os_str().is_empty() { Path::new(".") } else { data };
    Some((data.to_owned(), schema.file_name()?.to_str()?.to_owned()))
}
