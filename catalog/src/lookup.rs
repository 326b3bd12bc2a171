//! Id lookup: which tiles can hold the rows that a query asks for by their ids.
//!
//! Planning searches the filters of a scan for constants that a column with an id index is compared
//! with ([`adql::rewrite::ids_of`]), and the index leads from those to tiles. The files of an index
//! are no tiles: they lie beside the table, and whoever plans reads them there, a few pages for a
//! few ids. Conservative: an index that cannot be read, or that is not of the table as it is, is
//! not used, and a warning says so; the exact predicate runs at the scan.

mod index;
mod pages;
mod search;

use std::collections::BTreeSet;
use std::fmt;
use std::ops::Range;
use std::sync::Arc;

use adql::rewrite::{IdSet, ids_of};
use datafusion::execution::runtime_env::RuntimeEnv;
use datafusion::logical_expr::Expr;
use tracing::warn;

use crate::provider::HatsTable;
use crate::table::TiledTable;

pub use search::index_reads;

pub(crate) use index::IdIndex;
use index::Opened;

/// Which tiles the ids in the filters of a scan lead to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Found {
    /// The places of the tiles, ascending and merged.
    pub(crate) tiles: Vec<Range<usize>>,
    /// Rows that have one of the ids, more or less.
    pub(crate) rows: u64,
    /// Ids that were looked up, by column, with the tiles that they lead to.
    looked_up: Vec<LookedUp>,
}

/// What the index of a column was asked.
#[derive(Debug, Clone, PartialEq, Eq)]
struct LookedUp {
    columns: Vec<String>,
    ids: usize,
    tiles: usize,
    /// Rows of the indexes that were read, and all of them.
    rows: [u64; 2],
}

/// Why an index was not used.
#[derive(Debug, thiserror::Error)]
enum Unused {
    /// It is not of the table as it is.
    #[error("{0}")]
    NotOfTable(String),
    /// It cannot be read.
    #[error(transparent)]
    Unreadable(#[from] crate::Error),
    /// Reading what it says of the ids would take longer than it saves.
    #[error("more than {} of its rows would be read", search::ROWS_MAX)]
    Scattered,
}

/// What was asked of the indexes of a table, and what came of it.
#[derive(Debug, Default)]
struct Answers {
    found: Option<Found>,
    unused: Vec<(String, Unused)>,
}

/// The tiles that hold what the filters ask for by ids; none where no index tells.
pub(crate) async fn look_up(
    table: &TiledTable,
    runtime: &Arc<RuntimeEnv>,
    filters: &[Expr],
) -> Option<Found> {
    let answers = ask(table, runtime, filters).await;
    for (column, unused) in &answers.unused {
        match unused {
            Unused::Scattered => {}
            // It was told when the index was opened.
            Unused::NotOfTable(_) => {}
            Unused::Unreadable(error) => {
                warn!(table = %table.name(), column, %error, "an id index is not used");
            }
        }
    }
    answers.found
}

async fn ask(table: &TiledTable, runtime: &Arc<RuntimeEnv>, filters: &[Expr]) -> Answers {
    let mut answers = Answers::default();
    if table.indexes().is_empty() {
        return answers;
    }
    let type_of = |name: &str| table.index_of(name).map(|index| index.data_type().clone());
    for sets in ids_of(filters, &type_of) {
        match tiles_of(table, runtime, &sets).await {
            Ok(found) => {
                answers.found = Some(match answers.found.take() {
                    Some(before) => before.and(found),
                    None => found,
                });
            }
            Err(unused) => answers.unused.push(unused),
        }
    }
    answers
}

/// The tiles in which a row has a value in one of the sets.
async fn tiles_of(
    table: &TiledTable,
    runtime: &Arc<RuntimeEnv>,
    sets: &[IdSet],
) -> Result<Found, (String, Unused)> {
    let manifest = table.manifest();
    let (mut tiles, mut rows, mut ids, mut read) = (BTreeSet::new(), 0_u64, 0, [0, 0]);
    for set in sets {
        let failed = |unused| (set.column.clone(), unused);
        // Its type was asked of it.
        let Some(index) = table.index_of(&set.column) else { continue };
        let opened = index.open(table).await.map_err(failed)?;
        let entries = search::search(index, &opened, manifest.len(), runtime, &set.values).await;
        let entries = entries.map_err(failed)?;
        for pixel in &entries.pixels {
            let place = manifest.place_of(*pixel).ok_or_else(|| {
                let reason = format!("it leads to the tile {pixel}, which the table has not");
                warn!(table = %table.name(), column = set.column, reason, "an id index is not used");
                failed(Unused::NotOfTable(reason))
            })?;
            tiles.insert(place);
        }
        ids += entries.ids;
        read = [read[0] + entries.looked_at, read[1] + opened.rows];
        rows = rows.saturating_add(rows_of(table, &opened, entries.matched));
    }
    let looked_up = LookedUp {
        columns: sets.iter().map(|set| set.column.clone()).collect(),
        ids,
        tiles: tiles.len(),
        rows: read,
    };
    Ok(Found { tiles: runs(tiles), rows, looked_up: vec![looked_up] })
}

/// How many rows so many entries of an index stand for, on average.
fn rows_of(table: &TiledTable, opened: &Opened, entries: u64) -> u64 {
    let rows = u128::from(table.rows().unwrap_or(0).max(opened.rows));
    let rows = u128::from(entries) * rows / u128::from(opened.rows.max(1));
    u64::try_from(rows).unwrap_or(u64::MAX).max(entries)
}

/// Ascending places as runs.
pub(crate) fn runs(places: impl IntoIterator<Item = usize>) -> Vec<Range<usize>> {
    let mut runs: Vec<Range<usize>> = Vec::new();
    for place in places {
        match runs.last_mut() {
            Some(last) if last.end == place => last.end += 1,
            _ => runs.push(place..place + 1),
        }
    }
    runs
}

/// What ascending runs have in common.
pub(crate) fn common(a: &[Range<usize>], b: &[Range<usize>]) -> Vec<Range<usize>> {
    let (mut common, mut left, mut right) = (Vec::new(), 0, 0);
    while let (Some(x), Some(y)) = (a.get(left), b.get(right)) {
        let both = x.start.max(y.start)..x.end.min(y.end);
        if both.start < both.end {
            common.push(both);
        }
        if x.end <= y.end { left += 1 } else { right += 1 }
    }
    common
}

impl Found {
    /// Where both hold.
    fn and(mut self, other: Self) -> Self {
        self.looked_up.extend(other.looked_up);
        let tiles = common(&self.tiles, &other.tiles);
        Self { tiles, rows: self.rows.min(other.rows), looked_up: self.looked_up }
    }
}

impl fmt::Display for LookedUp {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { columns, ids, tiles, rows: [read, rows] } = self;
        let columns = columns.join(", ");
        let (s, lead) = if *ids == 1 { ("", "leads") } else { ("s", "lead") };
        write!(f, "id index of {columns}: {ids} id{s} {lead} to {tiles} tiles")?;
        write!(f, " ({read} of its {rows} rows were read)")
    }
}

/// What the id indexes said of the filters of a scan, for `armilla explain`: a line for each column
/// that was looked up, or was not and why.
pub async fn explain_lookup(
    scanned: &HatsTable,
    runtime: &Arc<RuntimeEnv>,
    filters: &[Expr],
) -> Vec<String> {
    let table = scanned.tiled_table();
    let answers = ask(table, runtime, filters).await;
    let name = table.name();
    let used = answers.found.iter().flat_map(|found| &found.looked_up);
    let used = used.map(|looked_up| format!("{name}: {looked_up}"));
    let unused = answers.unused.iter();
    let unused =
        unused.map(|(column, why)| format!("{name}: the id index of {column} is not used: {why}"));
    used.chain(unused).collect()
}

#[cfg(test)]
mod tests {
    use super::{common, runs};

    #[test]
    fn runs_are_merged_and_have_in_common_what_both_hold() {
        assert_eq!(runs([1, 2, 3, 7, 9, 10]), [1..4, 7..8, 9..11]);
        assert_eq!(common(&[0..4, 6..9], &[2..7, 8..20]), [2..4, 6..7, 8..9]);
        assert!(common(&[0..4, 7..9], &[4..7, 9..12]).is_empty());
        assert!(common(&[], &[0..7, 8..9]).is_empty());
    }
}
