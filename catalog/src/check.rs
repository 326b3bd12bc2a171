//! Verification of HATS tables, ours and others': whatever a query trusts is held against the rows.
//!
//! Pruning trusts tiles, their order and the statistics of row groups and pages; joins trust
//! margins; look-ups trust indexes; people trust counts and coverage. Each table is read once,
//! file by file on all cores, and its margins and indexes once more against it; memory holds a few
//! column chunks for each thread, and identifiers are parted through a scratch folder.
//! What is wrong is told as [`Finding`]s with file, row group, row and value, so many of each kind;
//! an error is only what keeps the check itself from going on.
//! Rows that an import kept aside (`without_position.parquet`) are no rows of the table.

mod access;
mod extents;
mod file;
mod finding;
mod ids;
mod index;
mod layout;
mod margin;
mod page;
mod rows;
mod statistics;
mod table;

use std::collections::{BTreeMap, BTreeSet};
use std::path::PathBuf;
use std::sync::Arc;

use adql::TableName;
use tokio::runtime::Handle;

use self::access::Access;
use self::finding::Findings;
use self::table::{Looked, TableCheck};
use crate::discover::{Discovered, Site, discover};
use crate::metadata::TableMetadata;
use crate::{Error, Location};

pub use self::finding::{Finding, FindingKind, FindingPlace};

/// How a check goes about.
#[derive(Debug, Clone)]
pub struct CheckOptions {
    /// Threads that read files.
    pub threads: usize,
    /// Memory for the identifiers that are compared at a time.
    pub memory_bytes: u64,
    /// Findings of a kind that are told for a table; the others are counted.
    pub findings_max: usize,
    /// A folder for files that do not stay.
    pub scratch: PathBuf,
}

impl Default for CheckOptions {
    fn default() -> Self {
        Self {
            threads: std::thread::available_parallelism().map_or(1, Into::into),
            memory_bytes: 1 << 30,
            findings_max: 10,
            scratch: std::env::temp_dir(),
        }
    }
}

/// What is being done.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum CheckStep {
    /// All values of all files are read, counted in bytes.
    Rows,
    /// Margins are compared with the table, counted in tiles.
    Margins,
    /// Identifiers are compared, counted in columns.
    Ids,
}

/// How far a check is.
#[derive(Debug, Clone, Copy)]
pub struct CheckProgress<'a> {
    /// The table.
    pub table: &'a str,
    /// With what.
    pub step: CheckStep,
    /// How much is done.
    pub done: u64,
    /// Of how much.
    pub total: u64,
}

/// What was found in a table.
#[derive(Debug, Clone)]
pub struct TableReport {
    /// The table.
    pub name: TableName,
    /// Its rows, as they were counted.
    pub rows: u64,
    /// Files that were read, with those of margins and indexes.
    pub files: u64,
    /// Their bytes.
    pub bytes: u64,
    /// What is wrong, by kind and place.
    pub findings: Vec<Finding>,
    /// Findings that are not told, by kind.
    pub more: BTreeMap<FindingKind, u64>,
}

impl TableReport {
    /// Whether nothing is wrong: a remark is allowed.
    pub fn is_good(&self) -> bool {
        self.findings.iter().all(|finding| finding.kind.is_remark())
    }
}

/// Checks all tables of a location; requests to its store run on a runtime, which this thread must
/// not be one of.
///
/// # Errors
/// When there is no table, or the check itself cannot go on: the scratch folder is full.
pub fn check(
    location: &Location,
    options: &CheckOptions,
    runtime: &Handle,
    progress: &(dyn Fn(CheckProgress<'_>) + Sync),
) -> Result<Vec<TableReport>, Error> {
    let Discovered { stores: store, sites, folder: _ } = runtime.block_on(discover(location))?;
    let access = Access { store, runtime: runtime.clone() };
    let mut begun = Vec::new();
    for site in sites {
        let findings = Findings::new(options.findings_max);
        let metadata = table::metadata(&access, &site, &findings);
        begun.push((site, metadata, findings));
    }
    let all: Vec<(Site, Option<Arc<TableMetadata>>)> =
        begun.iter().map(|(site, metadata, _)| (site.clone(), metadata.clone())).collect();
    let mut reports = Vec::new();
    for (site, metadata, findings) in begun {
        let check = TableCheck {
            access: &access,
            location,
            options,
            site: &site,
            metadata: metadata.as_deref(),
            pointed_to: pointed_to(&all, &site.name),
            findings: &findings,
            progress,
        };
        let Looked { rows, files, bytes } = check.run()?;
        let name = site.name.clone();
        let (findings, more) = findings.finish();
        reports.push(TableReport { name, rows, files, bytes, findings, more });
    }
    Ok(reports)
}

/// The columns of a table that a key of another points to by themselves.
fn pointed_to(
    tables: &[(Site, Option<Arc<TableMetadata>>)],
    target: &TableName,
) -> BTreeSet<String> {
    let keys = tables.iter().flat_map(|(_, metadata)| metadata.iter().flat_map(|m| &m.keys));
    let to_target = keys.filter(|key| key.target == target.to_string() && key.columns.len() == 1);
    to_target.flat_map(|key| key.columns.values().cloned()).collect()
}
