//! A synthetic sky in the likeness of LSST's: objects, the visits of a survey, and what they saw.
//!
//! Each pixel of the generator has random values of its own, named by the seed and the pixel, so
//! that the rows are the same on any number of threads, and any part can be made alone: that is how
//! `truth` knows answers without the data.
//! The demo is this sky with tables of its own; those of benchmarks are named as Rubin's Data
//! Preview 1 names them.

mod camera;
mod column;
mod demo;
mod density;
mod exposure;
mod lsst;
mod object;
mod place;
mod random;
mod rows;
mod truth;
mod visit;

use std::path::Path;
use std::sync::mpsc::sync_channel;

use adql::sky::{Angle, Pixel};
use datafusion::arrow::array::RecordBatch;
use datafusion::arrow::datatypes::Schema;

use crate::Error;
use crate::metadata::{KeyMetadata, PositionMetadata, TableMetadata};
use crate::write::{
    Layout, Outcome, Progress, Step, TableKind, TableWriter, WriteOptions, parallel,
};
use rows::{Rows, RowsOf};
use visit::Field;

pub use density::Footprint;
pub use lsst::{Columns, Table};
pub use object::LightCurve;
pub use truth::{Children, KnownObject, PAIR_ARCSEC_MAX};

/// Bytes of rows that are made together, at least: as many pixels as this takes.
const BATCH_BYTES: u64 = 2 << 20;
/// Bytes of a row beside its columns while it is made.
const ROW_BYTES: u64 = 300;
/// Batches that each thread makes before they are handed on.
const BATCHES_PER_THREAD: usize = 8;
/// Width of the margins.
const MARGIN_ARCSEC: f64 = 10.0;

/// A synthetic sky: the same seed and sizes are the same sky.
#[derive(Debug, Clone)]
pub struct Sky {
    seed: u64,
    objects: u64,
    footprint: Footprint,
    /// Visits of a field.
    visits: u32,
    /// Objects of each pixel of the generator.
    counts: Vec<u64>,
    fields: Vec<Field>,
}

/// One of the tables of a sky.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Content {
    /// The objects of the demo, one row each.
    DemoObjects,
    /// A few detections of each of them.
    DemoSources,
    /// A table of the survey, with these of its columns.
    Survey(Table, Columns),
}

/// What was made.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Made {
    /// Rows.
    pub rows: u64,
    /// The largest angle between a row and the place by which it is tiled.
    pub slack: Angle,
}

impl Content {
    fn rows(&self) -> Result<Box<dyn Rows>, Error> {
        Ok(match self {
            Self::DemoObjects => {
                Box::new(RowsOf::all(&demo::object::COLUMNS, demo::object::objects))
            }
            Self::DemoSources => {
                let rows = RowsOf::all(&demo::source::COLUMNS, demo::source::sources);
                Box::new(rows.with_slack(demo::source::Source::slack))
            }
            Self::Survey(table, columns) => table.rows(columns)?,
        })
    }

    /// The columns of its batches; the spatial index is the first.
    ///
    /// # Errors
    /// When a column is wanted that is not there.
    pub fn schema(&self) -> Result<Schema, Error> {
        Ok(self.rows()?.schema())
    }

    /// What `table.toml` will say, but for the slack.
    ///
    /// # Errors
    /// When a column is wanted that is not there.
    pub fn metadata(&self, schema: &str) -> Result<TableMetadata, Error> {
        let mut options = WriteOptions {
            metadata: self.rows()?.metadata(),
            ..WriteOptions::new("", TableKind::Object)
        };
        self.describe(&mut options, schema);
        Ok(options.metadata)
    }

    /// How it is written as a table of a schema.
    fn describe(&self, options: &mut WriteOptions, schema: &str) {
        let text = |text: &str| Some(text.to_owned());
        let (indexes, few): (&[&str], &[&str]) = match self {
            Self::DemoObjects => {
                options.metadata.title = text("Objects of a synthetic sky");
                options.metadata.description = text(
                    "Stars and galaxies of a sky that Armilla has made up, in the likeness of the \
                     Object table of the LSST survey. None of them exists.",
                );
                (&["objectId"], &demo::object::FEW_VALUES)
            }
            Self::DemoSources => {
                let metadata = &mut options.metadata;
                metadata.title = text("Sources of a synthetic sky");
                metadata.description = text(
                    "What single visits of a made-up survey saw of the objects of a synthetic sky, \
                     two to five times each. The rows lie with their object on disk.",
                );
                let (ra, dec) = ("ra".to_owned(), "dec".to_owned());
                metadata.position = Some(PositionMetadata { ra, dec, slack_arcsec: 0.0 });
                metadata.keys.push(KeyMetadata {
                    target: format!("{schema}.object"),
                    columns: [("objectId".to_owned(), "objectId".to_owned())].into(),
                    tiled_with: text("object"),
                    description: text("the object that was seen"),
                });
                options.kind = TableKind::Source;
                (options.ra, options.dec) = ("objectRa".to_owned(), "objectDec".to_owned());
                (&["sourceId", "objectId"], &demo::source::FEW_VALUES)
            }
            Self::Survey(table, _) => return table.describe(options, schema),
        };
        options.indexes = indexes.iter().map(|name| (*name).to_owned()).collect();
        options.few_values = few.iter().map(|name| (*name).to_owned()).collect();
    }
}

impl Sky {
    /// A sky of so many objects, as a survey sees it.
    pub fn new(objects: u64, seed: u64) -> Self {
        Self::with(objects, seed, Footprint::Survey, visit::VISITS)
    }

    /// A sky of so many objects on a part of the sky, with so many visits of each field over ten
    /// years, and ten times as many of the deep ones.
    pub fn with(objects: u64, seed: u64, footprint: Footprint, visits: u32) -> Self {
        let counts = density::counts(objects, footprint);
        let fields = visit::fields(visits, footprint);
        Self { seed, objects, footprint, visits, counts, fields }
    }

    /// Objects of a pixel of the generator.
    fn objects_of(&self, pixel: Pixel) -> u64 {
        let number = usize::try_from(pixel.index()).ok();
        number.and_then(|number| self.counts.get(number)).copied().unwrap_or(0)
    }

    /// Makes the rows of a table on so many threads and hands them on, nearly in the order of the
    /// spatial index.
    ///
    /// # Errors
    /// What `take` returns; when a column is wanted that is not there.
    pub fn generate(
        &self,
        content: &Content,
        threads: usize,
        take: impl FnMut(RecordBatch) -> Result<(), Error>,
    ) -> Result<Made, Error> {
        let pixels: Vec<Pixel> = (0..).map_while(density::pixel).collect();
        self.generate_in(content, &pixels, threads, take)
    }

    /// The same of these pixels of the generator only, which are of order 5.
    ///
    /// # Errors
    /// What `take` returns; when a column is wanted that is not there.
    pub fn generate_in(
        &self,
        content: &Content,
        pixels: &[Pixel],
        threads: usize,
        mut take: impl FnMut(RecordBatch) -> Result<(), Error>,
    ) -> Result<Made, Error> {
        let rows = &*content.rows()?;
        let groups = self.groups(content, rows, pixels);
        let mut made = Made { rows: 0, slack: Angle::ZERO };
        std::thread::scope(|scope| {
            // One round is made while the one before it is taken.
            let (sender, receiver) = sync_channel(1);
            scope.spawn(move || {
                for round in groups.chunks(threads.max(1) * BATCHES_PER_THREAD) {
                    let batches = parallel::run(round.len(), threads, |at| {
                        rows.batch(self, round[at]).map_err(|e| Error::compute("make rows", e))
                    });
                    if sender.send(batches).is_err() {
                        break;
                    }
                }
            });
            for batches in receiver {
                for (batch, slack) in batches? {
                    made.rows += u64::try_from(batch.num_rows()).unwrap_or(0);
                    if slack > made.slack {
                        made.slack = slack;
                    }
                    take(batch)?;
                }
            }
            Ok(made)
        })
    }

    /// Runs of pixels with enough rows each, more or less.
    fn groups<'a>(
        &self,
        content: &Content,
        rows: &dyn Rows,
        pixels: &'a [Pixel],
    ) -> Vec<&'a [Pixel]> {
        let columns = u64::try_from(rows.schema().fields().len()).unwrap_or(u64::MAX);
        let row_bytes = ROW_BYTES + 8 * columns;
        let (mut groups, mut start, mut bytes) = (Vec::new(), 0, 0);
        for (at, pixel) in pixels.iter().enumerate() {
            let visits = visit::field_of_first(self, *pixel).map_or(0, Field::count);
            bytes += row_bytes * self.expected(content, self.objects_of(*pixel), visits);
            if bytes >= BATCH_BYTES {
                groups.push(&pixels[start..=at]);
                (start, bytes) = (at + 1, 0);
            }
        }
        if start < pixels.len() {
            groups.push(&pixels[start..]);
        }
        groups
    }

    /// How many rows so many objects or visits have, more or less.
    fn expected(&self, content: &Content, objects: u64, visits: u64) -> u64 {
        match content {
            Content::DemoObjects => objects,
            Content::DemoSources => demo::source::expected(objects),
            Content::Survey(table, _) => table.expected(self, objects, visits),
        }
    }

    /// Writes a table of the sky at `folder`, with margin and id indexes, as one of `schema`.
    ///
    /// # Errors
    /// When it exists or cannot be written, or a column is wanted that is not there.
    pub fn write(
        &self,
        content: &Content,
        folder: &Path,
        schema: &str,
        progress: &(dyn Fn(Progress) + Sync),
    ) -> Result<Outcome, Error> {
        self.write_as((content, Layout::default()), folder, schema, progress)
    }

    /// The same in files of another layout, to compare them.
    ///
    /// # Errors
    /// As [`Sky::write`].
    pub fn write_as(
        &self,
        (content, layout): (&Content, Layout),
        folder: &Path,
        schema: &str,
        progress: &(dyn Fn(Progress) + Sync),
    ) -> Result<Outcome, Error> {
        let rows = content.rows()?;
        let mut options = WriteOptions {
            layout,
            margin_arcsec: Some(MARGIN_ARCSEC),
            metadata: rows.metadata(),
            ..WriteOptions::new(folder, TableKind::Object)
        };
        content.describe(&mut options, schema);
        let threads = options.threads;
        let mut writer = TableWriter::create(options, &rows.schema())?;
        let visits = self.fields.iter().map(Field::count).sum();
        let expected = self.expected(content, self.objects, visits);
        let total = usize::try_from(expected).unwrap_or(usize::MAX);
        let made = self.generate(content, threads, |batch| {
            writer.push(&batch)?;
            let done = usize::try_from(writer.rows()).unwrap_or(usize::MAX);
            progress(Progress { step: Step::Rows, done, total: total.max(done) });
            Ok(())
        })?;
        if let Some(position) = &mut writer.metadata_mut().position {
            // Rounded up to the next milliarcsecond.
            position.slack_arcsec = (made.slack.degrees() * 3.6e6).ceil() / 1e3;
        }
        writer.finish(progress)
    }
}
