//! The rows of a file: every page decodes, and each row is where its tile, its spatial index and
//! the table's MOC say.

use adql::sky::{Coverage, Order, Pixel, Position, spatial_index};
use datafusion::arrow::array::{Array, ArrayRef, AsArray, Float64Array, Int64Array};
use datafusion::arrow::compute::{cast, concat};
use datafusion::arrow::datatypes::{DataType, Float32Type, Float64Type, Int64Type, SchemaRef};
use datafusion::arrow::error::ArrowError;

use super::access::Access;
use super::file::{Fetched, TableFile};
use super::finding::{FindingKind, FindingPlace, Findings};
use super::ids::Ids;
use super::layout::MemberFile;
use super::page;
use super::statistics::ColumnStatistics;
use crate::Error;
use crate::write::input::is_near;

/// Where the rows of a table must be.
#[derive(Debug, Clone)]
pub(super) struct Rules {
    pub(super) ra: String,
    pub(super) dec: String,
    /// The column of the spatial index, if the files have it.
    pub(super) spatial_index: Option<String>,
    /// How far a spatial index may be from that of the position, by the precision of its columns;
    /// not at all, where the table says that it is computed from them.
    pub(super) tolerance_deg: f64,
    pub(super) own: Option<Own>,
    /// What the table says that its rows cover.
    pub(super) coverage: Option<Coverage>,
    /// Whether rows lie around their tile rather than in it.
    pub(super) is_margin: bool,
}

/// The rows' own positions, apart from those that they are tiled by.
#[derive(Debug, Clone)]
pub(super) struct Own {
    pub(super) ra: String,
    pub(super) dec: String,
    pub(super) slack_deg: f64,
}

/// What was learned of a file.
#[derive(Debug, Clone)]
pub(super) struct FileFacts {
    pub(super) rows: u64,
    /// Least and largest spatial index of each row group, where all are known.
    pub(super) groups: Vec<Option<(u64, u64)>>,
}

/// Positions and spatial indices of some rows.
#[derive(Debug)]
pub(super) struct Places {
    pub(super) index: Vec<Option<u64>>,
    pub(super) ra: Float64Array,
    pub(super) dec: Float64Array,
}

impl Places {
    /// Of the columns of a table, the first of which it may not have.
    pub(super) fn new(
        index: Option<&ArrayRef>,
        ra: &ArrayRef,
        dec: &ArrayRef,
    ) -> Result<Self, ArrowError> {
        let degrees = |column: &ArrayRef| {
            cast(column, &DataType::Float64).map(|c| c.as_primitive::<Float64Type>().clone())
        };
        let (ra, dec) = (degrees(ra)?, degrees(dec)?);
        let index = match index {
            Some(index) => {
                let index = cast(index, &DataType::Int64)?;
                let index: &Int64Array = index.as_primitive::<Int64Type>();
                let known = |at: i64| u64::try_from(at).ok().filter(|at| *at < Order::MAX.pixels());
                index.iter().map(|at| at.and_then(known)).collect()
            }
            None => {
                let places = ra.iter().zip(&dec);
                let computed = places.map(|(ra, dec)| spatial_index(ra?, dec?));
                computed.map(|at| at.map(i64::cast_unsigned)).collect()
            }
        };
        Ok(Self { index, ra, dec })
    }

    pub(super) fn len(&self) -> usize {
        self.index.len()
    }

    /// The position of a row, if it has one.
    pub(super) fn position(&self, row: usize) -> Option<Position> {
        let known = self.ra.is_valid(row) && self.dec.is_valid(row);
        known.then(|| Position::from_degrees(self.ra.value(row), self.dec.value(row))).flatten()
    }

    fn text(&self, row: usize) -> String {
        let value = |of: &Float64Array| {
            if of.is_valid(row) { of.value(row).to_string() } else { "NULL".to_owned() }
        };
        format!("({}, {})", value(&self.ra), value(&self.dec))
    }
}

/// Looks at every value of a file.
pub(super) struct FileCheck<'a> {
    pub(super) access: &'a Access,
    pub(super) findings: &'a Findings,
    pub(super) rules: Option<&'a Rules>,
    /// The columns that the file should have.
    pub(super) schema: Option<&'a SchemaRef>,
    /// Columns whose values are collected.
    pub(super) ids: &'a [Ids],
}

impl FileCheck<'_> {
    /// What was learned of the file of this number; none where it cannot be opened.
    pub(super) fn run(&self, number: usize, member: &MemberFile) -> Option<FileFacts> {
        let file = match TableFile::open(self.access, &member.path, member.size) {
            Ok(file) => file,
            Err(error) => {
                self.damaged(FindingPlace::of(&member.path), &error);
                return None;
            }
        };
        self.check_columns(&file);
        let mut groups = Vec::with_capacity(file.groups());
        let mut last = None;
        for group in 0..file.groups() {
            let kept = self.read_group(&file, group);
            for ids in self.ids {
                let values = file.column(ids.column()).and_then(|at| kept.get(at)?.as_ref());
                if let Some(values) = values {
                    let first = file.rows_before(group);
                    if let Err(error) = ids.add_rows(number, member.pixel, first, values) {
                        self.damaged(FindingPlace::of(&file.path), &error);
                    }
                }
            }
            let column = |name: &str| file.column(name).and_then(|at| kept.get(at)?.as_ref());
            groups.push(self.rules.and_then(|rules| {
                let index = match &rules.spatial_index {
                    Some(name) => Some(column(name)?),
                    None => None,
                };
                let places = Places::new(index, column(&rules.ra)?, column(&rules.dec)?).ok()?;
                let own = rules.own.as_ref().and_then(|own| {
                    Places::new(None, column(&own.ra)?, column(&own.dec)?).ok().zip(Some(own))
                });
                let rows = Group { file: &file, group, member, rules, findings: self.findings };
                rows.check(&places, own.as_ref(), &mut last);
                let known = || places.index.iter().copied();
                let range = known().flatten().min().zip(known().flatten().max());
                range.filter(|_| known().all(|at| at.is_some()))
            }));
        }
        Some(FileFacts { rows: file.rows(), groups })
    }

    fn damaged(&self, place: FindingPlace, error: &Error) {
        self.findings.add(FindingKind::Damaged, place, error.to_string());
    }

    fn check_columns(&self, file: &TableFile) {
        let Some(schema) = self.schema else { return };
        for field in schema.fields() {
            let place = || FindingPlace::of(&file.path).column(field.name());
            match file.schema().field_with_name(field.name()) {
                Ok(found) if found.data_type() == field.data_type() => {}
                Ok(found) => {
                    let what = format!(
                        "it is of type {}, but of type {} in the table",
                        found.data_type(),
                        field.data_type()
                    );
                    self.findings.add(FindingKind::Columns, place(), what);
                }
                Err(_) => {
                    let what = "the file has no such column, but the table has";
                    self.findings.add(FindingKind::Columns, place(), what);
                }
            }
        }
        for field in file.schema().fields() {
            if schema.field_with_name(field.name()).is_err() {
                let place = FindingPlace::of(&file.path).column(field.name());
                let what = "the table has no such column, but the file has";
                self.findings.add(FindingKind::Columns, place, what);
            }
        }
    }

    /// Whether a column is needed as a whole.
    fn keeps(&self, name: &str) -> bool {
        let of_rules = self.rules.is_some_and(|rules| {
            let own = rules.own.iter().flat_map(|own| [&own.ra, &own.dec]);
            [&rules.ra, &rules.dec]
                .into_iter()
                .chain(&rules.spatial_index)
                .chain(own)
                .any(|needed| needed == name)
        });
        of_rules || self.ids.iter().any(|ids| ids.column() == name)
    }

    /// Decodes all columns of a row group; those that are needed, if all of their pages decode.
    fn read_group(&self, file: &TableFile, group: usize) -> Vec<Option<ArrayRef>> {
        let mut fetched = Fetched::default();
        let columns = 0..file.schema().fields().len();
        columns
            .map(|column| {
                let place =
                    || FindingPlace::of(&file.path).group(group).column(file.field(column).name());
                if let Err(error) = file.fetch(self.access, group, column, &mut fetched) {
                    self.damaged(place(), &error);
                    return None;
                }
                for chunk in file.chunks(group, column, &fetched) {
                    for damaged in page::damaged(&chunk) {
                        let page::DamagedPage { page, stated, computed } = damaged;
                        let what = format!(
                            "page {page} has the checksum {computed:08x}, but its header states \
                             {stated:08x}: its bytes have changed"
                        );
                        self.findings.add(FindingKind::Damaged, place(), what);
                    }
                }
                self.read_column(file, group, column, &fetched).unwrap_or_else(|error| {
                    let what = format!("it cannot be decoded: {error}");
                    self.findings.add(FindingKind::Damaged, place(), what);
                    None
                })
            })
            .collect()
    }

    fn read_column(
        &self,
        file: &TableFile,
        group: usize,
        column: usize,
        fetched: &Fetched,
    ) -> Result<Option<ArrayRef>, Box<dyn std::error::Error>> {
        let mut statistics = ColumnStatistics::new(file, group, column);
        let name = file.field(column).name();
        let keeps = self.keeps(name);
        let (mut kept, mut rows, mut nan) = (Vec::new(), 0, 0);
        for batch in file.decode(group, &[column], fetched, None)? {
            let batch = batch?;
            let values = batch.column(0);
            if let Some(statistics) = &mut statistics {
                statistics.hold(rows, values, self.findings);
            }
            nan += count_nan(values);
            rows += values.len();
            if keeps {
                kept.push(std::sync::Arc::clone(values));
            }
        }
        let place = || FindingPlace::of(&file.path).group(group).column(name);
        let stated = file.metadata().row_group(group).num_rows();
        if usize::try_from(stated).ok() != Some(rows) {
            let what = format!("it has {rows} rows, but the footer states {stated}");
            self.findings.add(FindingKind::Count, place(), what);
            return Ok(None);
        }
        if nan > 0 {
            let what = format!("{nan} values are NaN, which queries take for NULL");
            self.findings.add(FindingKind::NotANumber, place(), what);
        }
        if let Some(statistics) = statistics {
            statistics.finish(self.findings);
        }
        let parts: Vec<&dyn Array> = kept.iter().map(AsRef::as_ref).collect();
        if parts.is_empty() { Ok(None) } else { Ok(Some(concat(&parts)?)) }
    }
}

fn count_nan(values: &ArrayRef) -> usize {
    if let Some(values) = values.as_primitive_opt::<Float64Type>() {
        values.iter().flatten().filter(|value| value.is_nan()).count()
    } else if let Some(values) = values.as_primitive_opt::<Float32Type>() {
        values.iter().flatten().filter(|value| value.is_nan()).count()
    } else {
        0
    }
}

/// The rows of one row group.
struct Group<'a> {
    file: &'a TableFile,
    group: usize,
    member: &'a MemberFile,
    rules: &'a Rules,
    findings: &'a Findings,
}

impl Group<'_> {
    fn add(&self, kind: FindingKind, row: usize, what: String) {
        let row = self.file.rows_before(self.group) + u64::try_from(row).unwrap_or(u64::MAX);
        let place = FindingPlace::of(&self.file.path).group(self.group).row(row);
        self.findings.add(kind, place, what);
    }

    /// Looks at each row; `last` is the spatial index of the row before.
    fn check(&self, places: &Places, own: Option<&(Places, &Own)>, last: &mut Option<u64>) {
        for row in 0..places.len() {
            let Some(position) = places.position(row) else {
                let what = format!("its position {} is none", places.text(row));
                self.add(FindingKind::Position, row, what);
                continue;
            };
            let Some(index) = places.index[row] else {
                let what = "its spatial index is NULL, or none of order 29".to_owned();
                self.add(FindingKind::SpatialIndex, row, what);
                continue;
            };
            self.check_index(places, row, index);
            // Nothing relies on the order of a margin, and others write it tile after tile.
            if !self.rules.is_margin && last.is_some_and(|last| index < last) {
                let what = format!("its spatial index {index} is less than that of the row before");
                self.add(FindingKind::Order, row, what);
            }
            *last = Some(index);
            if let Some(pixel) = self.member.pixel {
                self.check_tile(places, row, index, pixel);
            }
            let mut covered = Some(index);
            if let Some((own_places, own)) = own {
                covered = own_places.index[row];
                self.check_slack(own_places, row, &position, own);
            }
            let coverage = self.rules.coverage.as_ref();
            if let (Some(coverage), Some(at)) = (coverage, covered)
                && !coverage.contains(at)
            {
                let places = own.map_or(places, |(own, _)| own);
                let what = format!("its position {} lies outside of the MOC", places.text(row));
                self.add(FindingKind::Moc, row, what);
            }
        }
    }

    fn check_index(&self, places: &Places, row: usize, index: u64) {
        let (ra, dec) = (places.ra.value(row), places.dec.value(row));
        let computed = spatial_index(ra, dec);
        let index = index.cast_signed();
        if computed == Some(index) || is_near(index, ra, dec, self.rules.tolerance_deg) {
            return;
        }
        let right = computed.map_or_else(|| "none".to_owned(), |at| at.to_string());
        let what =
            format!("its spatial index is {index}, but that of {} is {right}", places.text(row));
        self.add(FindingKind::SpatialIndex, row, what);
    }

    fn check_tile(&self, places: &Places, row: usize, index: u64, pixel: Pixel) {
        let is_inside = pixel.range().contains(&index);
        if is_inside != self.rules.is_margin {
            return;
        }
        let place = places.text(row);
        if is_inside {
            let what = format!("{place} lies in the tile {pixel} itself, not around it");
            self.add(FindingKind::MarginForeign, row, what);
        } else {
            let order = pixel.order();
            let right = Pixel::new(order, index >> (2 * (Order::MAX.get() - order.get())));
            let right = right.map_or_else(String::new, |right| format!(" but in {right}"));
            let what = format!("{place} does not lie in the tile {pixel}{right}");
            self.add(FindingKind::Tile, row, what);
        }
    }

    fn check_slack(&self, places: &Places, row: usize, tiled_by: &Position, own: &Own) {
        let Some(position) = places.position(row) else { return };
        let distance = position.distance(tiled_by).degrees();
        if distance > own.slack_deg {
            let (distance, slack) = (distance * 3600.0, own.slack_deg * 3600.0);
            let what = format!(
                "its own position {} is {distance:.3} arcsec from the one that it is tiled by, \
                 beyond the slack of {slack:.3}",
                places.text(row)
            );
            self.add(FindingKind::Slack, row, what);
        }
    }
}

/// Positions and spatial indices of a row group.
pub(super) fn places(
    access: &Access,
    file: &TableFile,
    group: usize,
    rules: &Rules,
) -> Result<Places, Error> {
    let missing = |name: &str| Error::malformed(&file.path, format!("it has no column {name}"));
    let at = |name: &str| file.column(name).ok_or_else(|| missing(name));
    let mut columns = vec![at(&rules.ra)?, at(&rules.dec)?];
    if let Some(index) = &rules.spatial_index {
        columns.push(at(index)?);
    }
    let fetched = file.fetch_all(access, group, &columns)?;
    let failed = |e| Error::compute("find positions", e);
    let mut batches = Vec::new();
    for batch in file.decode(group, &columns, &fetched, None)? {
        batches.push(batch.map_err(failed)?);
    }
    let column = |name: &str| {
        let parts: Vec<ArrayRef> =
            batches.iter().filter_map(|b| b.column_by_name(name).cloned()).collect();
        let parts: Vec<&dyn Array> = parts.iter().map(AsRef::as_ref).collect();
        concat(&parts).map_err(failed)
    };
    let index = rules.spatial_index.as_deref().map(column).transpose()?;
    Places::new(index.as_ref(), &column(&rules.ra)?, &column(&rules.dec)?).map_err(failed)
}
