//! What is wrong, and where: findings, bounded in number for each kind and table.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::sync::{Mutex, PoisonError};

/// What kind of thing is wrong.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum FindingKind {
    /// Properties or the members of a collection contradict each other or the files.
    Properties,
    /// `table.toml` contradicts its table.
    Metadata,
    /// A file that is listed is not there.
    Missing,
    /// A file that nothing lists.
    LeftOver,
    /// Two tiles share a piece of sky.
    Overlap,
    /// A file cannot be read, or a page of it is damaged.
    Damaged,
    /// A file has other columns than the table.
    Columns,
    /// Counts of rows differ.
    Count,
    /// Statistics, by which files are pruned, leave a value out.
    Statistics,
    /// A row has no position, or one that is none.
    Position,
    /// A spatial index is not that of its row's position.
    SpatialIndex,
    /// A row lies outside of its tile.
    Tile,
    /// The rows of a file are not in the order of the spatial index.
    Order,
    /// A row's own position is farther from where it is tiled than the table says.
    Slack,
    /// The MOC is none, or leaves a row out.
    Moc,
    /// The margin lacks a row.
    MarginLacks,
    /// The margin has a row that the table has not, or not there, or not so often.
    MarginForeign,
    /// An index lacks a value, or a tile that holds it.
    IndexLacks,
    /// An index has a value, or a tile of it, that the table has not.
    IndexForeign,
    /// The values of an index are not in order.
    IndexOrder,
    /// An identifier names several rows.
    Repeated,
    /// NaN where NULL says the same to every reader. Nothing is wrong with that.
    NotANumber,
}

impl FindingKind {
    /// One or two words for it.
    pub fn name(self) -> &'static str {
        match self {
            Self::Properties => "properties",
            Self::Metadata => "metadata",
            Self::Missing => "missing file",
            Self::LeftOver => "left-over file",
            Self::Overlap => "overlapping tiles",
            Self::Damaged => "damaged",
            Self::Columns => "columns",
            Self::Count => "row count",
            Self::Statistics => "statistics",
            Self::Position => "position",
            Self::SpatialIndex => "spatial index",
            Self::Tile => "wrong tile",
            Self::Order => "order",
            Self::Slack => "slack",
            Self::Moc => "MOC",
            Self::MarginLacks => "margin lacks",
            Self::MarginForeign => "margin foreign",
            Self::IndexLacks => "index lacks",
            Self::IndexForeign => "index foreign",
            Self::IndexOrder => "index order",
            Self::Repeated => "repeated id",
            Self::NotANumber => "NaN",
        }
    }

    /// Whether it is only worth a remark: nothing has to be done.
    pub fn is_remark(self) -> bool {
        self == Self::NotANumber
    }
}

/// Where something is wrong, as exactly as it is known.
#[derive(Debug, Clone, Default, PartialEq, Eq, PartialOrd, Ord)]
pub struct FindingPlace {
    /// The file or folder, relative to the data root.
    pub path: String,
    /// The row group, from 0.
    pub group: Option<usize>,
    /// The row in the file, from 0.
    pub row: Option<u64>,
    /// The column.
    pub column: Option<String>,
}

impl FindingPlace {
    /// All of a file or folder.
    pub(super) fn of(path: &(impl ToString + ?Sized)) -> Self {
        Self { path: path.to_string(), ..Self::default() }
    }

    pub(super) fn group(mut self, group: usize) -> Self {
        self.group = Some(group);
        self
    }

    pub(super) fn row(mut self, row: u64) -> Self {
        self.row = Some(row);
        self
    }

    pub(super) fn column(mut self, column: &str) -> Self {
        self.column = Some(column.to_owned());
        self
    }
}

impl fmt::Display for FindingPlace {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.path)?;
        if let Some(group) = self.group {
            write!(f, ", row group {group}")?;
        }
        if let Some(row) = self.row {
            write!(f, ", row {row}")?;
        }
        if let Some(column) = &self.column {
            write!(f, ", column {column}")?;
        }
        Ok(())
    }
}

/// Something that is wrong.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Finding {
    /// Its kind.
    pub kind: FindingKind,
    /// Where it is.
    pub place: FindingPlace,
    /// What is there, and what was expected.
    pub what: String,
}

impl fmt::Display for Finding {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}: {}", self.kind.name(), self.place, self.what)
    }
}

/// The findings of one kind.
#[derive(Debug, Default)]
struct OfKind {
    count: u64,
    /// The first by place, whatever thread met them when.
    first: BTreeSet<Finding>,
}

/// The findings of one table, from all threads.
#[derive(Debug)]
pub(super) struct Findings {
    most: usize,
    kinds: Mutex<BTreeMap<FindingKind, OfKind>>,
}

impl Findings {
    /// Keeps so many of each kind.
    pub(super) fn new(most: usize) -> Self {
        Self { most, kinds: Mutex::default() }
    }

    /// Adds a finding.
    pub(super) fn add(&self, kind: FindingKind, place: FindingPlace, what: impl Into<String>) {
        let mut kinds = self.kinds.lock().unwrap_or_else(PoisonError::into_inner);
        let of_kind = kinds.entry(kind).or_default();
        of_kind.count += 1;
        of_kind.first.insert(Finding { kind, place, what: what.into() });
        if of_kind.first.len() > self.most {
            of_kind.first.pop_last();
        }
    }

    /// Counts findings that are not told.
    pub(super) fn add_more(&self, kind: FindingKind, count: u64) {
        if count > 0 {
            let mut kinds = self.kinds.lock().unwrap_or_else(PoisonError::into_inner);
            kinds.entry(kind).or_default().count += count;
        }
    }

    /// How many findings of a kind are told.
    pub(super) fn most(&self) -> usize {
        self.most
    }

    /// What was found, and how many more of each kind there are than are told.
    pub(super) fn finish(self) -> (Vec<Finding>, BTreeMap<FindingKind, u64>) {
        let kinds = self.kinds.into_inner().unwrap_or_else(PoisonError::into_inner);
        let mut more = BTreeMap::new();
        let mut told = Vec::new();
        for (kind, of_kind) in kinds {
            let kept = u64::try_from(of_kind.first.len()).unwrap_or(u64::MAX);
            if of_kind.count > kept {
                more.insert(kind, of_kind.count - kept);
            }
            told.extend(of_kind.first);
        }
        (told, more)
    }
}

#[cfg(test)]
mod tests {
    use super::{FindingKind, FindingPlace, Findings};

    #[test]
    fn the_first_of_each_kind_are_told_and_the_others_counted() {
        let findings = Findings::new(2);
        for row in [5, 1, 4, 2] {
            findings.add(FindingKind::Tile, FindingPlace::of("t").group(0).row(row), "x");
        }
        findings.add(FindingKind::Slack, FindingPlace::of("t").column("ra"), "y");
        let (told, more) = findings.finish();
        let told: Vec<String> = told.iter().map(ToString::to_string).collect();
        assert_eq!(
            told,
            [
                "wrong tile: t, row group 0, row 1: x",
                "wrong tile: t, row group 0, row 2: x",
                "slack: t, column ra: y"
            ]
        );
        assert_eq!(more.into_iter().collect::<Vec<_>>(), [(FindingKind::Tile, 2)]);
    }
}
