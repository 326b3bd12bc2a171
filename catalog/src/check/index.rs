//! Identifiers: whether they are unique, and whether the indexes lead to them.

use std::path::Path;
use std::sync::{Mutex, PoisonError};

use adql::sky::{Order, Pixel};
use datafusion::arrow::array::{Array, ArrayRef, AsArray, make_comparator};
use datafusion::arrow::compute::{SortOptions, cast};
use datafusion::arrow::datatypes::{DataType, UInt64Type};

use super::access::Access;
use super::file::TableFile;
use super::finding::{FindingKind, FindingPlace, Findings};
use super::ids::{self, Ids, Whereabouts, Wrong};
use super::layout::Member;
use super::statistics::shown;
use crate::Error;
use crate::hats::TILE_COLUMNS;
use crate::write::parallel;

/// A column that is indexed in a table of objects is taken for one of identifiers where at most
/// this part of its rows have a value that another row has.
const REPEATED_PART_MAX: f64 = 0.01;

/// What a column of identifiers should be.
#[derive(Debug, Clone)]
pub(super) struct IdColumn {
    pub(super) name: String,
    pub(super) uniqueness: Uniqueness,
    /// The folder of its index, by its place among the indexes of the table.
    pub(super) index: Option<usize>,
}

/// Whether a value may be in several rows.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Uniqueness {
    /// The table says that it may not.
    Declared,
    /// If nearly all values are in one row only, the others are taken for mistakes.
    Likely,
    /// It may.
    None,
}

/// Looks at the files of an index: its order, and where its entries lead.
pub(super) fn read(
    access: &Access,
    index: &Member,
    ids: &Ids,
    findings: &Findings,
) -> Result<(), Error> {
    let mut last: Option<ArrayRef> = None;
    for (number, member) in index.files.iter().enumerate() {
        // Files that cannot be read have been told by then.
        let Ok(file) = TableFile::open(access, &member.path, member.size) else { continue };
        let [order, _, pixel] = TILE_COLUMNS;
        let names = [ids.column(), order, pixel];
        let columns: Option<Vec<usize>> = names.iter().map(|name| file.column(name)).collect();
        let Some(columns) = columns else {
            let what = format!("an index has the columns {}", names.join(", "));
            findings.add(FindingKind::Columns, FindingPlace::of(&member.path), what);
            continue;
        };
        for group in 0..file.groups() {
            let mut row = file.rows_before(group);
            let Ok(fetched) = file.fetch_all(access, group, &columns) else { continue };
            for batch in file.decode(group, &columns, &fetched, None)? {
                let Ok(batch) = batch else { break };
                let column = |name: &str| batch.column_by_name(name);
                let (Some(values), Some(order), Some(pixel)) =
                    (column(names[0]), column(order), column(pixel))
                else {
                    break;
                };
                let place = FindingPlace::of(&member.path).group(group);
                check_order(&place, row, last.as_ref(), values, findings);
                let number_of = |column: &ArrayRef| cast(column, &DataType::UInt64);
                let failed = |e| Error::compute("read an index", e);
                let (order, pixel) =
                    (number_of(order).map_err(failed)?, number_of(pixel).map_err(failed)?);
                let (order, pixel) =
                    (order.as_primitive::<UInt64Type>(), pixel.as_primitive::<UInt64Type>());
                ids.add_entries(number, row, values, |row| {
                    let row = usize::try_from(row).ok()?;
                    let of_order = u8::try_from(order.value(row)).ok().and_then(Order::new)?;
                    Pixel::new(of_order, pixel.value(row))
                })?;
                row += u64::try_from(values.len()).unwrap_or(0);
                last = (!values.is_empty()).then(|| values.slice(values.len() - 1, 1)).or(last);
            }
        }
    }
    Ok(())
}

/// Whether values follow each other, and the last of those before.
fn check_order(
    place: &FindingPlace,
    row: u64,
    last: Option<&ArrayRef>,
    values: &ArrayRef,
    findings: &Findings,
) {
    let told = |at: usize, value: String, before: String| {
        let row = row + u64::try_from(at).unwrap_or(0);
        let what = format!("the value {value} comes after {before}");
        findings.add(FindingKind::IndexOrder, place.clone().row(row), what);
    };
    let compare = |a: &ArrayRef, b: &ArrayRef| make_comparator(a, b, SortOptions::default()).ok();
    if let Some(last) = last.filter(|_| !values.is_empty())
        && compare(last, values).is_some_and(|compare| compare(0, 0).is_gt())
    {
        told(0, shown(values, 0), shown(last, 0));
    }
    let Some(compare) = compare(values, values) else { return };
    for at in 1..values.len() {
        if compare(at - 1, at).is_gt() {
            told(at, shown(values, at), shown(values, at - 1));
        }
    }
}

/// Looks at all values of a column.
pub(super) fn examine(
    ids: Ids,
    column: &IdColumn,
    table: &Member,
    index: Option<&Member>,
    (threads, findings): (usize, &Findings),
) -> Result<(), Error> {
    let parts = ids.finish()?;
    // Whether repeated values are wrong is known when all were counted.
    let repeated = Mutex::new((0_u64, Vec::new()));
    let facts = parallel::run(parts.len(), threads, |part| {
        let path: &Path = &parts[part];
        let facts = ids::examine(path, index.is_some(), |wrong| match wrong {
            Wrong::Repeated { value, first, again } => {
                let mut repeated = repeated.lock().unwrap_or_else(PoisonError::into_inner);
                repeated.0 += 1;
                if repeated.1.len() < findings.most() {
                    repeated.1.push((value, first, again));
                }
            }
            Wrong::Lacks { value, row } => {
                let Some(index) = index else { return };
                let (file, tile) = (path_of(table, row), tile_text(row));
                let what = format!(
                    "{} = {value} of row {} of {file} does not lead to {tile}",
                    column.name, row.row
                );
                findings.add(FindingKind::IndexLacks, FindingPlace::of(&index.path), what);
            }
            Wrong::Foreign { value, entry } => {
                let Some(index) = index else { return };
                let tile = tile_text(entry);
                let what = format!("it leads from {value} to {tile}, where no row has it");
                let place = FindingPlace::of(&path_of(index, entry)).row(entry.row);
                findings.add(FindingKind::IndexForeign, place, what);
            }
            Wrong::Twice { value, entry } => {
                let Some(index) = index else { return };
                let what = format!("it leads from {value} to {} a second time", tile_text(entry));
                let place = FindingPlace::of(&path_of(index, entry)).row(entry.row);
                findings.add(FindingKind::IndexForeign, place, what);
            }
        });
        // The space is needed for the next column.
        let _gone = std::fs::remove_file(path);
        facts
    })?;
    let (rows, values) =
        facts.iter().fold((0, 0), |(rows, values), f| (rows + f.rows, values + f.values));
    let (count, mut told) = repeated.into_inner().unwrap_or_else(PoisonError::into_inner);
    #[expect(clippy::cast_precision_loss, reason = "a part of the rows need not be exact")]
    let is_wrong = match column.uniqueness {
        Uniqueness::Declared => true,
        Uniqueness::Likely => (rows - values) as f64 <= REPEATED_PART_MAX * rows as f64,
        Uniqueness::None => false,
    };
    if is_wrong {
        told.sort();
        for (value, first, again) in &told {
            let place =
                FindingPlace::of(&path_of(table, *again)).row(again.row).column(&column.name);
            let file = path_of(table, *first);
            let what = format!("{value} is in row {} of {file} too", first.row);
            findings.add(FindingKind::Repeated, place, what);
        }
        let more = count - u64::try_from(told.len()).unwrap_or(count);
        findings.add_more(FindingKind::Repeated, more);
    }
    Ok(())
}

fn path_of(member: &Member, at: Whereabouts) -> String {
    member.files.get(at.file).map_or_else(String::new, |file| file.path.to_string())
}

fn tile_text(at: Whereabouts) -> String {
    at.tile.map_or_else(|| "no pixel".to_owned(), |tile| format!("the tile {tile}"))
}
