//! The rows of an import, and of the table that they are added to, become a table.

use datafusion::arrow::array::RecordBatch;

use super::aside::Aside;
use super::former::{Appended, Former};
use super::inputs::Inputs;
use super::journal::{Done, Journal, Tally};
use super::placing::Placer;
use super::position::Reasons;
use super::reading::Place;
use super::{Existing, ImportOptions, ImportProgress, Report, saying};
use crate::Error;
use crate::metadata::TableMetadata;
use crate::write::{FIRST_VERSION, Prepared, Staging, TableWriter, WholeWriter, WriteOptions};

/// An import under way.
pub(super) struct Making<'a> {
    pub(super) name: String,
    pub(super) options: &'a ImportOptions,
    pub(super) inputs: Inputs,
    /// The table whose place this one takes.
    pub(super) former: Option<Former>,
    /// The same, where its rows stay.
    pub(super) appended: Option<Appended>,
    pub(super) progress: &'a (dyn Fn(ImportProgress) + Sync),
}

/// What rows become until all are there.
struct Collected<'a> {
    writer: TableWriter,
    aside: Aside,
    journal: &'a Journal,
    done: Done,
}

impl Collected<'_> {
    /// Adds rows, after which both files and table were read as far as `done` says.
    fn take(&mut self, prepared: Prepared, done: Done) -> Result<(), Error> {
        if let Some(unplaced) = self.writer.push_prepared(prepared)? {
            self.aside.push(&unplaced)?;
        }
        self.done = Done { kept: self.done.kept, aside: self.done.aside, ..done };
        let kept = self.writer.kept();
        if kept.runs > self.done.kept.runs {
            (self.done.kept, self.done.aside) = (kept, self.aside.close()?);
            self.journal.write(&self.done)?;
        }
        Ok(())
    }
}

impl Making<'_> {
    /// Writes a table without positions.
    pub(super) fn whole(self, staging: Staging) -> Result<Report, Error> {
        let mut metadata = saying::of_taken(&self.inputs, self.options);
        // There is no position that it would be of.
        metadata.frames.retain(|frame| !frame.columns.is_empty());
        let mut remarks = self.inputs.remarks.clone();
        let options = self.write_options(metadata, &mut remarks);
        let schema = &self.inputs.schema;
        if let Some(table) = &self.appended {
            table.check(schema, None).map_err(|reason| self.wrong(reason))?;
        }
        let mut writer = WholeWriter::create_in(staging, options, schema)?;
        let ready = |rows: RecordBatch| {
            let bytes = rows.get_array_memory_size();
            Ok((rows, bytes))
        };
        let mut rows = 0;
        let reading = self.options.reading();
        if let Some(table) = &self.appended {
            table.rows.read(Place::default(), reading, ready, |taken| {
                rows += u64::try_from(taken.ready.num_rows()).unwrap_or(u64::MAX);
                self.tell(rows, taken.bytes);
                writer.push(&taken.ready)
            })?;
        }
        let former_rows = rows;
        let said = self.inputs.read(Place::default(), reading, ready, |taken| {
            rows += u64::try_from(taken.ready.num_rows()).unwrap_or(u64::MAX);
            self.tell(rows, self.former_bytes() + taken.bytes);
            writer.push(&taken.ready)
        })?;
        self.refuse_nothing(rows - former_rows)?;
        let table = writer.finish()?;
        remarks.extend(said);
        let files = self.inputs.files.len();
        Ok(Report { table, files, former_rows, remarks, ..Report::default() })
    }

    /// Writes a table whose rows lie on the sky.
    pub(super) fn tiled(
        self,
        staging: Staging,
        placer: &Placer,
        journal: &Journal,
        done: Done,
    ) -> Result<Report, Error> {
        let mut metadata = saying::of_taken(&self.inputs, self.options);
        let mut remarks = self.inputs.remarks.clone();
        remarks.extend(placer.describe(&self.inputs.schema, &mut metadata));
        if let Some(table) = &self.appended {
            let checked = table.check(placer.schema(), Some(placer.tiled_by()));
            checked.map_err(|reason| self.wrong(reason))?;
        }
        let [ra, dec] = placer.tiled_by().map(str::to_owned);
        let options = WriteOptions { ra, dec, ..self.write_options(metadata, &mut remarks) };
        let mut aside = Aside::new(staging.scratch(), done.aside);
        if let (Some(_), Some(former), true) =
            (&self.appended, &self.former, done == Done::default())
        {
            former.aside(placer.schema(), |rows| aside.push(rows))?;
        }
        let writer = TableWriter::create_in(staging, options, placer.schema(), done.kept)?;
        let resumed_rows = writer.rows();
        let former_rows = self.appended.as_ref().map_or(0, Appended::count);
        let mut collected = Collected { writer, aside, journal, done };
        self.take_former(&mut collected)?;
        remarks.extend(self.take_inputs(&mut collected, placer)?);
        let Collected { mut writer, aside, done: Done { tally, .. }, .. } = collected;
        let (placed, unplaced) = (writer.rows() - former_rows, writer.kept().unplaced);
        self.refuse_nothing(placed + unplaced)?;
        if placed == 0 {
            let Reasons { missing, out_of_range, unreadable } = tally.reasons;
            return Err(self.wrong(format!(
                "none of the {unplaced} rows of {} has a position ({missing} without one, \
                 {out_of_range} beyond the range, {unreadable} no angle): is position_unit right?",
                self.inputs.names()
            )));
        }
        if let Some(position) = &mut writer.metadata_mut().position {
            // Rounded up to the next milliarcsecond.
            let slack_arcsec = (tally.slack_deg * 3.6e6).ceil() / 1e3;
            position.slack_arcsec = position.slack_arcsec.max(slack_arcsec);
        }
        let file = aside.finish(&writer.folder(), placer.schema())?;
        let table = writer.finish(&|step| (self.progress)(ImportProgress::Table(step)))?;
        Ok(Report {
            table,
            files: self.inputs.files.len(),
            former_rows,
            resumed_rows,
            without_position: tally.reasons,
            aside: file.map(|file| self.options.folder.join(file)),
            orphans: tally.orphans,
            remarks,
        })
    }

    /// Takes the rows of the table that is added to, as they lie.
    fn take_former(&self, collected: &mut Collected<'_>) -> Result<(), Error> {
        let Some(table) = &self.appended else { return Ok(()) };
        let (input, from) = (collected.writer.input(), collected.done.former);
        let ready = |rows: RecordBatch| {
            let prepared = input.prepare(&rows)?;
            let bytes = prepared.bytes();
            Ok((prepared, bytes))
        };
        table.rows.read(from, self.options.reading(), ready, |taken| {
            let done = Done { former: taken.place, ..collected.done };
            collected.take(taken.ready, done)?;
            self.tell(collected.writer.rows(), taken.bytes);
            Ok(())
        })?;
        Ok(())
    }

    /// Takes the rows of the files; what was said of them.
    fn take_inputs(
        &self,
        collected: &mut Collected<'_>,
        placer: &Placer,
    ) -> Result<Vec<String>, Error> {
        let (input, from) = (collected.writer.input(), collected.done.place);
        let ready = |rows: RecordBatch| {
            let mut tally = Tally::default();
            let prepared = input.prepare(&placer.place(&rows, &mut tally)?)?;
            if let Some(unplaced) = &prepared.unplaced {
                placer.count(unplaced, &mut tally);
            }
            let bytes = prepared.bytes();
            Ok(((prepared, tally), bytes))
        };
        self.inputs.read(from, self.options.reading(), ready, |taken| {
            let (prepared, tally) = taken.ready;
            let mut done = Done { place: taken.place, ..collected.done };
            done.tally.add(tally);
            collected.take(prepared, done)?;
            let rows = collected.writer.rows() + collected.writer.kept().unplaced;
            self.tell(rows, self.former_bytes() + taken.bytes);
            Ok(())
        })
    }

    /// How the table is written, of which `metadata` is said by its files.
    fn write_options(&self, metadata: TableMetadata, remarks: &mut Vec<String>) -> WriteOptions {
        let Some(former) = &self.former else {
            return self.options.write_options(metadata, FIRST_VERSION);
        };
        let metadata = match self.options.existing {
            // Its rows have been placed; whether the new ones are placed by the same version of
            // their parent is what their key says.
            Existing::Append => former.metadata.tiled_alike(&metadata),
            Existing::Refuse | Existing::Replace => {
                let (metadata, differences) = former.said_beside(metadata, &self.inputs.schema);
                remarks.extend(differences);
                metadata
            }
        };
        let mut options = self.options.write_options(metadata, former.version + 1);
        if let Some(table) = &self.appended {
            table.shape(&mut options);
        }
        options
    }

    fn former_bytes(&self) -> u64 {
        self.appended.as_ref().map_or(0, |table| table.rows.bytes())
    }

    fn tell(&self, rows: u64, bytes: u64) {
        let total_bytes = self.former_bytes() + self.inputs.bytes();
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
