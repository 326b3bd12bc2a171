//! Tables from files: VOTable, FITS, CSV, Parquet in, a HATS collection out, in bounded memory.
//!
//! `inputs` are files of one table with the same columns; `position` finds where a row lies and
//! makes degrees of it, `parent` looks up where the parent of a row lies. Rows without a position
//! go `aside` into a file beside the table ([`WITHOUT_POSITION`]). The `journal` in the hidden
//! folder of the table under way says how far a killed import came, and the same command goes on
//! from there to the same bytes. Where the table is there already, the import makes its next
//! version, of the rows of the `former` one too or of its own alone, and takes its place at the
//! end.

mod aside;
mod former;
mod inputs;
mod journal;
mod making;
mod parent;
mod placing;
mod position;
mod reading;
mod saying;

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use crate::Error;
use crate::metadata::TableMetadata;
use crate::read::ReadOptions;
use crate::write::{
    Outcome, Progress, Staging, TILE_BYTES, TILE_ROWS, TableKind, Unplaced, WriteOptions,
};
use former::{Appended, Former};
use inputs::{InputFile, Inputs};
use journal::{Done, Journal};
use making::Making;
use placing::Placer;
use position::Positions;
use reading::Reading;

pub use aside::FILE_NAME as WITHOUT_POSITION;
pub use parent::Parent;
pub use position::{PositionChoice, PositionUnit, Reasons};
pub(crate) use position::{free_name, in_degrees};
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

/// What becomes of a table that is there already.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Existing {
    /// It stays, and the import is an error.
    #[default]
    Refuse,
    /// Its rows and those of the import are its next version. Of the options, kind, margin and
    /// indexes are those of the table.
    Append,
    /// The rows of the import are its next version. What `table.toml` says of columns that are
    /// there again stays.
    Replace,
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
    /// What becomes of a table that is there.
    pub existing: Existing,
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
            existing: Existing::default(),
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
    fn command(&self, inputs: &Inputs, former: Option<&Former>) -> BTreeMap<String, String> {
        let files = inputs.files.iter().map(InputFile::identity);
        let placing = match &self.placing {
            Placing::Position(choice) => format!("own position {choice:?}"),
            Placing::Nowhere => "none".to_owned(),
            Placing::Parent(choice, parent) => {
                let Parent { snapshot, table, key, id } = &**parent;
                format!("{table} of snapshot {} by {key} = {id}, {choice:?}", snapshot.number())
            }
        };
        let version = former.map_or(0, |former| former.version);
        let said = [
            ("table", format!("{:?} version {version}", self.existing)),
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

    fn write_options(&self, metadata: TableMetadata, version: u32) -> WriteOptions {
        WriteOptions {
            version,
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
    /// Rows that the table had before.
    pub former_rows: u64,
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
    let path = options.folder.display().to_string();
    let is_there = options.folder.exists();
    if is_there && options.existing == Existing::Refuse {
        return Err(Error::Exists { path });
    }
    let name = options.folder.file_name().unwrap_or_default().to_string_lossy().into_owned();
    let mut inputs = Inputs::open(&name, &options.inputs, &options.read)?;
    if let Some(felis) = &options.felis {
        saying::add_felis(&mut inputs, felis, options)?;
    }
    let wrong = |reason: String| Error::Input { table: name.clone(), reason };
    if !is_there && options.existing != Existing::Refuse {
        let reason = "there is none to append to or to replace: import it without that";
        return Err(wrong(reason.to_owned()));
    }
    let former = is_there.then(|| Former::open(&options.folder)).transpose()?;
    let appended = match (options.existing, &former) {
        (Existing::Append, Some(former)) => Some(appended(options, former, &mut inputs)?),
        _ => None,
    };
    let own = own_position(options, &name, &inputs, appended.as_ref())?;
    let staging = stage(options, former.as_ref())?;
    let journal = Journal::new(&staging, options.command(&inputs, former.as_ref()));
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
            let partial = partial(options);
            staging.leave();
            return Err(Error::OtherImport { path, partial, difference });
        }
    };
    let import = Making { name, options, inputs, former, appended, progress };
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

/// The table that rows are added to, in whose columns the inputs are taken from now on.
fn appended(
    options: &ImportOptions,
    former: &Former,
    inputs: &mut Inputs,
) -> Result<Appended, Error> {
    let table = former.appended()?;
    let read = table.reading(inputs, &options.read);
    if read != options.read {
        let again = Inputs::open(&former.name, &options.inputs, &read)?;
        (inputs.files, inputs.schema, inputs.options) = (again.files, again.schema, again.options);
    }
    let wrong = |reason: String| Error::Input { table: former.name.clone(), reason };
    table.fit(inputs, &former.metadata).map_err(wrong)?;
    Ok(table)
}

/// Where a row has its own position, if it is to have one.
fn own_position(
    options: &ImportOptions,
    name: &str,
    inputs: &Inputs,
    appended: Option<&Appended>,
) -> Result<Option<Positions>, Error> {
    let is_whole = appended.is_some_and(Appended::is_whole);
    let find = |choice| Positions::find(name, &inputs.schema, &inputs.metadata, choice);
    let own = match &options.placing {
        Placing::Nowhere => return Ok(None),
        Placing::Position(choice) if is_whole && *choice == PositionChoice::default() => {
            return Ok(None);
        }
        // A child need not have a position of its own, where none was asked for.
        Placing::Parent(choice, _) if *choice == PositionChoice::default() => {
            let Ok(own) = find(choice) else { return Ok(None) };
            own
        }
        Placing::Position(choice) | Placing::Parent(choice, _) => find(choice)?,
    };
    let wrong = |reason: String| Error::Input { table: name.to_owned(), reason };
    saying::check_frames(&inputs.metadata, own.sources(&inputs.schema)).map_err(wrong)?;
    Ok(Some(own))
}

/// The folder under way, locked, which may take the place of a table.
fn stage(options: &ImportOptions, former: Option<&Former>) -> Result<Staging, Error> {
    let Some(former) = former else { return Staging::resume(&options.folder) };
    let mut staging = Staging::resume_over(&options.folder)?;
    let wrong = |reason: String| Error::Input { table: former.name.clone(), reason };
    let now = former.version_in(&options.folder);
    if now.is_some_and(|now| now != former.version) {
        staging.leave();
        let reason = "it was written by another process meanwhile: give the command again";
        return Err(wrong(reason.to_owned()));
    }
    // An import that was killed when the two were exchanged leaves the older one.
    if former.version_in(&staging.path()).is_some_and(|left| left < former.version) {
        staging.clear()?;
        return Err(wrong(format!(
            "an import that was killed had made its version {} before: those rows are there; give \
             the command again if these are others",
            former.version
        )));
    }
    staging.keep(former.stays()?);
    Ok(staging)
}

/// The name of the folder that a killed import leaves.
fn partial(options: &ImportOptions) -> String {
    let partial = Staging::names(&options.folder).map(|[partial, _]| partial);
    options.folder.with_file_name(partial.unwrap_or_default()).display().to_string()
}

/// Where the tables of a folder `DIR/SCHEMA/TABLE` lie: `DIR` and the name of the schema.
pub fn place_of(folder: &Path) -> Option<(PathBuf, String)> {
    let schema = folder.parent()?;
    let data = schema.parent()?;
    let data = if data.as_os_str().is_empty() { Path::new(".") } else { data };
    Some((data.to_owned(), schema.file_name()?.to_str()?.to_owned()))
}
