//! A synthetic sky in the likeness of LSST's: objects, and the sources that visits saw of them.
//!
//! Each pixel of the generator has random streams of its own, named by the seed and the pixel, so
//! that the rows are the same on any number of threads, and any part could be made alone.
//! The demo is this sky, and so are the tables of benchmarks.

mod column;
mod density;
mod object;
mod random;
mod source;
mod visit;

use std::ops::Range;
use std::path::Path;
use std::sync::mpsc::sync_channel;

use adql::sky::Angle;
use datafusion::arrow::array::RecordBatch;
use datafusion::arrow::datatypes::Schema;

use crate::Error;
use crate::metadata::{KeyMetadata, PositionMetadata, TableMetadata};
use crate::write::{Outcome, Progress, Step, TableKind, TableWriter, WriteOptions, parallel};

/// Objects that are made together, at least.
const BATCH_OBJECTS: u64 = 4_096;
/// Batches that each thread makes before they are handed on.
const BATCHES_PER_THREAD: usize = 8;
/// Width of the margins.
const MARGIN_ARCSEC: f64 = 10.0;

/// A synthetic sky: the same seed and number of objects are the same sky.
#[derive(Debug, Clone)]
pub struct Sky {
    seed: u64,
    objects: u64,
    /// Objects of each pixel of the generator.
    counts: Vec<u64>,
}

/// One of the tables of a sky.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Content {
    /// One row per object; so many of the columns, without the spatial index, counted from the
    /// first.
    Objects {
        /// At least 3: `objectId`, `ra` and `dec`.
        columns: usize,
    },
    /// What single visits saw of them.
    Sources,
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
    /// The objects with all their columns.
    pub const ALL_OBJECTS: Self = Self::Objects { columns: object::COLUMNS.len() - 1 };

    fn object_columns(columns: usize) -> &'static [column::Column<object::Object>] {
        &object::COLUMNS[..=columns.clamp(3, object::COLUMNS.len() - 1)]
    }

    /// The columns of its batches; the spatial index is the first.
    pub fn schema(self) -> Schema {
        match self {
            Self::Objects { columns } => column::schema(Self::object_columns(columns)),
            Self::Sources => column::schema(&source::COLUMNS),
        }
    }

    /// What `table.toml` says of it, where the table of objects is `objects` (`schema.table`).
    fn metadata(self, objects: &str) -> TableMetadata {
        let text = |text: &str| Some(text.to_owned());
        match self {
            Self::Objects { columns } => TableMetadata {
                title: text("Objects of a synthetic sky"),
                description: text(
                    "Stars and galaxies of a sky that Armilla has made up, in the likeness of the \
                     Object table of the LSST survey. None of them exists.",
                ),
                ..column::metadata(Self::object_columns(columns))
            },
            Self::Sources => TableMetadata {
                title: text("Sources of a synthetic sky"),
                description: text(
                    "What single visits of a made-up survey saw of the objects of a synthetic sky, \
                     two to five times each. The rows lie with their object on disk.",
                ),
                position: Some(PositionMetadata {
                    ra: "ra".to_owned(),
                    dec: "dec".to_owned(),
                    slack_arcsec: 0.0,
                }),
                keys: vec![KeyMetadata {
                    target: objects.to_owned(),
                    columns: [("objectId".to_owned(), "objectId".to_owned())].into(),
                    description: text("the object that was seen"),
                }],
                ..column::metadata(&source::COLUMNS)
            },
        }
    }
}

impl Sky {
    /// A sky of so many objects.
    pub fn new(objects: u64, seed: u64) -> Self {
        Self { seed, objects, counts: density::counts(objects) }
    }

    /// Makes the rows of a table on so many threads and hands them on in the order of the spatial
    /// index.
    ///
    /// # Errors
    /// What `take` returns.
    pub fn generate(
        &self,
        content: Content,
        threads: usize,
        mut take: impl FnMut(RecordBatch) -> Result<(), Error>,
    ) -> Result<Made, Error> {
        let groups = self.groups();
        let mut made = Made { rows: 0, slack: Angle::ZERO };
        std::thread::scope(|scope| {
            // One round is made while the one before it is taken.
            let (sender, receiver) = sync_channel(1);
            scope.spawn(move || {
                for round in groups.chunks(threads.max(1) * BATCHES_PER_THREAD) {
                    let batches =
                        parallel::run(round.len(), threads, |at| self.make(content, &round[at]));
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

    /// Runs of pixels of the generator with enough objects each.
    fn groups(&self) -> Vec<Range<u64>> {
        let (mut groups, mut start, mut objects) = (Vec::new(), 0, 0);
        for (pixel, count) in (0..).zip(&self.counts) {
            objects += count;
            if objects >= BATCH_OBJECTS {
                groups.push(start..pixel + 1);
                (start, objects) = (pixel + 1, 0);
            }
        }
        if objects > 0 {
            groups.push(start..u64::try_from(self.counts.len()).unwrap_or(0));
        }
        groups
    }

    /// The rows of some pixels, and how far one is from its place at most.
    fn make(&self, content: Content, pixels: &Range<u64>) -> Result<(RecordBatch, Angle), Error> {
        let (mut all_objects, mut all_sources, mut slack) = (Vec::new(), Vec::new(), Angle::ZERO);
        for number in pixels.clone() {
            let count = usize::try_from(number).ok().and_then(|at| self.counts.get(at));
            let Some((pixel, count)) = density::pixel(number).zip(count.filter(|c| **c > 0)) else {
                continue;
            };
            let objects = object::objects(pixel, *count, self.seed);
            if content == Content::Sources {
                let (sources, largest) = source::sources(pixel, &objects, self.seed);
                all_sources.extend(sources);
                if largest > slack {
                    slack = largest;
                }
            } else {
                all_objects.extend(objects);
            }
        }
        let batch = match content {
            Content::Objects { columns } => {
                column::batch(Content::object_columns(columns), &all_objects)
            }
            Content::Sources => column::batch(&source::COLUMNS, &all_sources),
        };
        batch.map(|batch| (batch, slack)).map_err(|e| Error::compute("make rows", e))
    }

    /// Writes a table of the sky at `folder`, with margin and id indexes; `objects` names the
    /// table of its objects.
    ///
    /// # Errors
    /// When it exists or cannot be written.
    pub fn write(
        &self,
        content: Content,
        folder: &Path,
        objects: &str,
        progress: &(dyn Fn(Progress) + Sync),
    ) -> Result<Outcome, Error> {
        let (kind, indexes, few): (_, _, &[&str]) = match content {
            Content::Objects { .. } => (TableKind::Object, vec!["objectId"], &object::FEW_VALUES),
            Content::Sources => {
                (TableKind::Source, vec!["sourceId", "objectId"], &source::FEW_VALUES)
            }
        };
        let schema = content.schema();
        let few = few.iter().filter(|name| schema.index_of(name).is_ok());
        let mut options = WriteOptions {
            margin_arcsec: Some(MARGIN_ARCSEC),
            indexes: indexes.into_iter().map(str::to_owned).collect(),
            few_values: few.map(|name| (*name).to_owned()).collect(),
            metadata: content.metadata(objects),
            ..WriteOptions::new(folder, kind)
        };
        if content == Content::Sources {
            (options.ra, options.dec) = ("objectRa".to_owned(), "objectDec".to_owned());
        }
        let threads = options.threads;
        let mut writer = TableWriter::create(options, &schema)?;
        let expected = match content {
            Content::Objects { .. } => self.objects,
            Content::Sources => source::expected(self.objects),
        };
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
