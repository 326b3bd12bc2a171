//! One table with its margins and indexes, from its properties to its last row.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use adql::sky::Pixel;
use datafusion::arrow::datatypes::{DataType, SchemaRef};
use object_store::path::Path;

use super::access::Access;
use super::extents::Extents;
use super::finding::{FindingKind, FindingPlace, Findings};
use super::ids::Ids;
use super::index::{self, IdColumn, Uniqueness};
use super::layout::{Member, primary_of};
use super::margin::{MarginCheck, common_columns};
use super::rows::{FileCheck, FileFacts, Own, Rules};
use super::{CheckOptions, CheckProgress, CheckStep};
use crate::discover::Site;
use crate::hats::Kind;
use crate::location::Location;
use crate::metadata::{FILE_NAME, TableMetadata};
use crate::read::read_coverage;
use crate::survey::survey;
use crate::table::TiledTable;
use crate::write::input::CELL_DEG;
use crate::write::parallel;
use crate::{Error, SPATIAL_INDEX, moc_file};

/// A spatial index of positions in single precision may be so far from that of the same in double.
const SINGLE_DEG: f64 = 5e-5;

/// A table to be looked at.
pub(super) struct TableCheck<'a> {
    pub(super) access: &'a Access,
    pub(super) location: &'a Location,
    pub(super) options: &'a CheckOptions,
    pub(super) site: &'a Site,
    pub(super) metadata: Option<&'a TableMetadata>,
    /// Columns that keys of other tables point to.
    pub(super) pointed_to: BTreeSet<String>,
    pub(super) findings: &'a Findings,
    pub(super) progress: &'a (dyn Fn(CheckProgress<'_>) + Sync),
}

/// What was looked at.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Looked {
    pub(super) rows: u64,
    pub(super) files: u64,
    pub(super) bytes: u64,
}

/// The columns of identifiers, and where their values are collected.
struct Identifiers {
    columns: Vec<IdColumn>,
    ids: Vec<Ids>,
    /// Removed when all was looked at.
    _scratch: tempfile::TempDir,
}

/// Tells of pieces of work that are done.
struct Teller<'a> {
    check: &'a TableCheck<'a>,
    step: CheckStep,
    total: u64,
    done: AtomicU64,
}

impl Teller<'_> {
    fn tell(&self, more: u64) {
        let done = self.done.fetch_add(more, Ordering::Relaxed) + more;
        let table = self.check.site.name.to_string();
        let (step, total) = (self.step, self.total);
        (self.check.progress)(CheckProgress { table: &table, step, done, total });
    }
}

impl TableCheck<'_> {
    fn teller(&self, step: CheckStep, total: u64) -> Teller<'_> {
        let teller = Teller { check: self, step, total, done: AtomicU64::new(0) };
        teller.tell(0);
        teller
    }

    /// Looks at everything.
    pub(super) fn run(&self) -> Result<Looked, Error> {
        self.check_description();
        let Some(table) = self.member(&self.site.path) else { return Ok(Looked::default()) };
        let (mut margins, mut indexes) = (Vec::new(), Vec::new());
        for attachment in &self.site.attachments {
            let Some(member) = self.member(&path_of(&attachment.path)) else { continue };
            match &attachment.kind {
                Kind::Margin { threshold_arcsec } => margins.push((*threshold_arcsec, member)),
                Kind::Index { column } => indexes.push((column.clone(), member)),
                _ => {}
            }
        }
        let rules = self.rules(&table);
        let identifiers = self.identifiers(&table, &indexes)?;
        let others = margins.iter().map(|(_, m)| m).chain(indexes.iter().map(|(_, m)| m));
        let all: Vec<&Member> = std::iter::once(&table).chain(others).collect();
        let bytes = all.iter().map(|member| member.bytes()).sum();
        let files = all.iter().map(|member| member.files.len() as u64).sum();
        let teller = self.teller(CheckStep::Rows, bytes);
        let facts = self.read(&table, rules.as_ref(), &identifiers.ids, &teller)?;
        for (_, margin) in &margins {
            let of_margin = rules.as_ref().map(|rules| Rules {
                is_margin: true,
                coverage: None,
                ..rules.clone()
            });
            self.read(margin, of_margin.as_ref(), &[], &teller)?;
        }
        for (_, index) in &indexes {
            self.read(index, None, &[], &teller)?;
        }
        if let Some(rules) = &rules {
            let extents = Extents::new(&facts);
            for (threshold_arcsec, margin) in &margins {
                self.check_margin(&table, &extents, rules, (margin, *threshold_arcsec))?;
            }
        }
        self.check_ids(&table, &indexes, identifiers)?;
        let rows = facts.iter().flatten().map(|facts| facts.rows).sum();
        Ok(Looked { rows, files, bytes })
    }

    fn member(&self, path: &Path) -> Option<Member> {
        Member::look(self.access, self.location.lists(), path, self.findings)
    }

    /// Whether the table could be served: its properties, its columns and `table.toml` agree.
    fn check_description(&self) {
        let store = self.access.store.as_ref();
        let served =
            self.access.runtime.block_on(survey(store, self.location, &self.site.surveyed()));
        let file = self.site.named.clone().join(FILE_NAME).to_string();
        let said = self.metadata.map(|metadata| (metadata.clone(), file));
        let served = served.and_then(|survey| TiledTable::new(self.site.clone(), survey, said));
        if let Err(error) = served {
            let place = FindingPlace::of(&self.site.named);
            self.findings.add(FindingKind::Metadata, place, error.to_string());
        }
        let name = self.site.path.filename().unwrap_or_default();
        for attachment in &self.site.attachments {
            // Its own properties may say another table than the collection that it is in.
            let text = primary_of(self.access, &path_of(&attachment.path));
            let stated = text.as_deref().map(|url| url.trim_end_matches('/'));
            let last = stated.and_then(|url| url.rsplit('/').next());
            if last.is_some_and(|last| last != name && Some(last) != self.site.named.filename()) {
                let stated = stated.unwrap_or_default();
                let what = format!("hats_primary_table_url={stated}, but it belongs to {name}");
                let place = FindingPlace::of(&attachment.path);
                self.findings.add(FindingKind::Properties, place, what);
            }
        }
    }

    /// Where rows must be, if they have positions.
    fn rules(&self, table: &Member) -> Option<Rules> {
        let properties = &table.properties;
        let schema = table.schema.as_ref()?;
        if properties.kind == Kind::Table {
            return None;
        }
        let (ra, dec) = (properties.ra.clone()?, properties.dec.clone()?);
        let is_single = |name: &str| {
            schema.field_with_name(name).is_ok_and(|f| f.data_type() == &DataType::Float32)
        };
        let is_index = |name: &str| {
            let found = schema.field_with_name(name).map(|field| field.data_type().clone());
            matches!(found, Ok(DataType::Int64 | DataType::UInt64))
        };
        let declared = properties.spatial_index.clone();
        let declared =
            declared.filter(|name| properties.spatial_index_order == 29 && is_index(name));
        let recommended = || is_index(SPATIAL_INDEX).then(|| SPATIAL_INDEX.to_owned());
        let precision_deg = if is_single(&ra) || is_single(&dec) { SINGLE_DEG } else { CELL_DEG };
        let own = self.metadata.and_then(|metadata| metadata.position.as_ref()).map(|own| Own {
            ra: own.ra.clone(),
            dec: own.dec.clone(),
            slack_deg: own.slack_arcsec / 3600.0 + precision_deg,
        });
        Some(Rules {
            ra,
            dec,
            spatial_index: declared.or_else(recommended),
            tolerance_deg: if properties.is_index_computed { 0.0 } else { precision_deg },
            own,
            coverage: self.coverage(table),
            is_margin: false,
        })
    }

    /// What the table's MOC covers, if it has one.
    fn coverage(&self, table: &Member) -> Option<adql::sky::Coverage> {
        let path = table.path.clone().join(moc_file::FITS);
        let bytes = self.access.bytes(&path).unwrap_or_else(|error| {
            self.findings.add(FindingKind::Damaged, FindingPlace::of(&path), error.to_string());
            None
        })?;
        match read_coverage(&bytes) {
            Ok((coverage, order)) => {
                let text = table.path.clone().join(moc_file::ASCII);
                let said = self.access.bytes(&text).ok().flatten();
                if said.is_some_and(|said| said != moc_file::ascii(&coverage, order)) {
                    let what = format!("it is not the MOC of {}", moc_file::FITS);
                    self.findings.add(FindingKind::Moc, FindingPlace::of(&text), what);
                }
                Some(coverage)
            }
            Err(reason) => {
                self.findings.add(FindingKind::Moc, FindingPlace::of(&path), reason);
                None
            }
        }
    }

    /// Reads all files of a member; what was learned of each.
    fn read(
        &self,
        member: &Member,
        rules: Option<&Rules>,
        ids: &[Ids],
        teller: &Teller<'_>,
    ) -> Result<Vec<Option<FileFacts>>, Error> {
        let (access, findings) = (self.access, self.findings);
        let check = FileCheck { access, findings, rules, schema: member.schema.as_ref(), ids };
        let facts = parallel::run(member.files.len(), self.options.threads, |number| {
            let facts = check.run(number, &member.files[number]);
            teller.tell(member.files[number].size);
            Ok(facts)
        })?;
        let counted: Vec<Option<u64>> =
            facts.iter().map(|facts| facts.as_ref().map(|facts| facts.rows)).collect();
        member.check_counts(&counted, self.findings);
        Ok(facts)
    }

    fn check_margin(
        &self,
        table: &Member,
        extents: &Extents,
        rules: &Rules,
        (margin, threshold_arcsec): (&Member, f64),
    ) -> Result<(), Error> {
        let (Some(of_table), Some(of_margin)) = (&table.schema, &margin.schema) else {
            return Ok(());
        };
        self.check_margin_columns(of_table, of_margin, margin);
        let check = MarginCheck {
            access: self.access,
            findings: self.findings,
            table,
            extents,
            rules,
            margin,
            threshold_arcsec,
            columns: common_columns(of_table, of_margin),
        };
        let cells: Vec<Pixel> = check.cells();
        let teller = self.teller(CheckStep::Margins, cells.len() as u64);
        parallel::run(cells.len(), self.options.threads, |number| {
            if let Err(error) = check.check(cells[number]) {
                let what = format!("the margin of {} cannot be compared: {error}", cells[number]);
                self.findings.add(FindingKind::Damaged, FindingPlace::of(&margin.path), what);
            }
            teller.tell(1);
            Ok(())
        })?;
        Ok(())
    }

    fn check_margin_columns(&self, table: &SchemaRef, margin: &SchemaRef, member: &Member) {
        let of_table = &self.site.properties;
        let own = &member.properties;
        for (key, stated, wanted) in
            [("hats_col_ra", &own.ra, &of_table.ra), ("hats_col_dec", &own.dec, &of_table.dec)]
        {
            if let (Some(stated), Some(wanted)) = (stated, wanted)
                && stated != wanted
            {
                let what = format!("{key}={stated}, but {wanted} in its table");
                self.findings.add(FindingKind::Properties, FindingPlace::of(&member.path), what);
            }
        }
        for field in table.fields() {
            if margin.field_with_name(field.name()).is_err() {
                let place = FindingPlace::of(&member.path).column(field.name());
                let what = "the margin has no such column, but its table has";
                self.findings.add(FindingKind::Columns, place, what);
            }
        }
    }

    /// The columns of identifiers, and where their values are collected.
    fn identifiers(
        &self,
        table: &Member,
        indexes: &[(String, Member)],
    ) -> Result<Identifiers, Error> {
        let scratch =
            tempfile::Builder::new().prefix("armilla-check-").tempdir_in(&self.options.scratch);
        let scratch = scratch.map_err(|e| Error::write(&self.options.scratch, e))?;
        let mut declared = self.pointed_to.clone();
        for (name, column) in self.metadata.iter().flat_map(|metadata| &metadata.columns) {
            let words: Vec<&str> = column.ucd.iter().flat_map(|ucd| ucd.split(';')).collect();
            if words.contains(&"meta.id") && words.contains(&"meta.main") {
                declared.insert(name.clone());
            }
        }
        let mut columns: Vec<IdColumn> = Vec::new();
        for (at, (name, member)) in indexes.iter().enumerate() {
            let uniqueness = match table.properties.kind {
                _ if declared.contains(name) => Uniqueness::Declared,
                Kind::Object => Uniqueness::Likely,
                _ => Uniqueness::None,
            };
            let known = table.schema.as_ref().is_none_or(|s| s.field_with_name(name).is_ok());
            if !known {
                let what = format!("hats_index_column={name}, but its table has no such column");
                self.findings.add(FindingKind::Properties, FindingPlace::of(&member.path), what);
                continue;
            }
            columns.push(IdColumn { name: name.clone(), uniqueness, index: Some(at) });
        }
        for name in declared {
            if columns.iter().all(|column| column.name != name) {
                let uniqueness = Uniqueness::Declared;
                columns.push(IdColumn { name, uniqueness, index: None });
            }
        }
        let rows = table.properties.rows.unwrap_or(u64::from(u32::MAX));
        let memory = self.options.memory_bytes / self.options.threads.max(1) as u64;
        let mut ids = Vec::new();
        for (at, column) in columns.iter().enumerate() {
            let folder = scratch.path().join(at.to_string());
            std::fs::create_dir(&folder).map_err(|e| Error::write(&folder, e))?;
            let count = if column.index.is_some() { rows.saturating_mul(2) } else { rows };
            ids.push(Ids::new(&column.name, &folder, count, memory)?);
        }
        Ok(Identifiers { columns, ids, _scratch: scratch })
    }

    fn check_ids(
        &self,
        table: &Member,
        indexes: &[(String, Member)],
        identifiers: Identifiers,
    ) -> Result<(), Error> {
        let Identifiers { columns, ids, _scratch } = identifiers;
        let teller = self.teller(CheckStep::Ids, columns.len() as u64);
        for (column, ids) in columns.iter().zip(ids) {
            let index = column.index.map(|at| &indexes[at].1);
            if let Some(index) = index {
                index::read(self.access, index, &ids, self.findings)?;
            }
            index::examine(ids, column, table, index, (self.options.threads, self.findings))?;
            teller.tell(1);
        }
        Ok(())
    }
}

/// The path that a store has written so.
fn path_of(text: &str) -> Path {
    Path::parse(text).unwrap_or_else(|_| Path::from(text))
}

/// The metadata of a table, or what is wrong with them.
pub(super) fn metadata(
    access: &Access,
    site: &Site,
    findings: &Findings,
) -> Option<Arc<TableMetadata>> {
    let read = TableMetadata::read(access.store.as_ref(), &site.named);
    match access.runtime.block_on(read) {
        Ok(metadata) => metadata.map(Arc::new),
        Err(error) => {
            let place = FindingPlace::of(&site.named);
            findings.add(FindingKind::Metadata, place, error.to_string());
            None
        }
    }
}
