//! The parts of a query in the folder of its job: a manifest, and a file of rows for each part.
//!
//! A part is finished when the manifest says so, which is written after its rows are on disk.
//! The cut is made once: what depends on where tiles lie may change from attempt to attempt.

use std::io::BufReader;
use std::sync::Arc;

use catalog::Part;
use datafusion::arrow::datatypes::SchemaRef;
use datafusion::execution::SendableRecordBatchStream;
use serde::{Deserialize, Serialize};

use crate::parts::{Asked, spool};
use crate::uws::{Failure, JobFolder, Partial};

/// What the manifest and the files of rows look like. Parts of another version run again.
const VERSION: u32 = 1;

const MANIFEST: &str = "manifest.json";

/// All that the rows of a query depend on.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Question {
    version: u32,
    release: String,
    snapshot: u64,
    adql: String,
    maxrec: Option<u64>,
    max_rows: u64,
    part_bytes: u64,
}

impl Question {
    pub(super) fn new(asked: &Asked<'_>, snapshot: u64, part_bytes: u64) -> Self {
        Self {
            version: VERSION,
            release: env!("CARGO_PKG_VERSION").to_owned(),
            snapshot,
            adql: asked.adql.to_owned(),
            maxrec: asked.options.maxrec,
            max_rows: asked.max_rows,
            part_bytes,
        }
    }
}

/// The manifest on disk.
#[derive(Debug, Serialize, Deserialize)]
struct Manifest {
    question: Question,
    /// The ranges of each part, as start and end.
    parts: Vec<Vec<(u64, u64)>>,
    /// How many rows each finished part has: the first ones, in their order.
    rows: Vec<u64>,
}

/// The parts of a query, the first of which are finished.
#[derive(Debug)]
pub(super) struct Kept {
    folder: Arc<JobFolder>,
    question: Question,
    schema: SchemaRef,
    parts: Vec<Part>,
    rows: Vec<u64>,
}

impl Kept {
    /// What the folder holds of a query; none where that is nothing, or of another question.
    pub(super) fn open(
        folder: &Arc<JobFolder>,
        question: &Question,
        schema: &SchemaRef,
    ) -> Option<Self> {
        let file = folder.open(MANIFEST).ok().flatten()?;
        let manifest: Manifest = serde_json::from_reader(BufReader::new(file)).ok()?;
        let part = |ranges: Vec<(u64, u64)>| {
            Part::new(ranges.into_iter().map(|(start, end)| start..end).collect())
        };
        let parts: Vec<Part> = manifest.parts.into_iter().map(part).collect::<Option<_>>()?;
        let kept = Self {
            folder: Arc::clone(folder),
            question: manifest.question,
            schema: Arc::clone(schema),
            parts,
            rows: manifest.rows,
        };
        let same_rows = |part: usize| {
            let file = folder.open(&name(part)).ok().flatten();
            file.and_then(|file| spool::schema_of(file).ok()).as_ref() == Some(schema)
        };
        let of_use = kept.question == *question
            && kept.finished() <= kept.parts.len()
            && (0..kept.finished()).all(same_rows);
        of_use.then_some(kept)
    }

    /// Begins a query of which nothing is kept.
    pub(super) async fn begin(
        folder: &Arc<JobFolder>,
        question: Question,
        schema: SchemaRef,
        parts: Vec<Part>,
    ) -> Result<Self, Failure> {
        folder.clear()?;
        let kept = Self { folder: Arc::clone(folder), question, schema, parts, rows: Vec::new() };
        kept.write_manifest().await?;
        Ok(kept)
    }

    /// All parts.
    pub(super) fn parts(&self) -> &[Part] {
        &self.parts
    }

    /// How many of the first parts are finished.
    pub(super) fn finished(&self) -> usize {
        self.rows.len()
    }

    /// The rows of the finished parts.
    pub(super) fn rows(&self) -> u64 {
        self.rows.iter().sum()
    }

    /// The file for the rows of the next part.
    pub(super) fn begin_part(&self) -> Result<Partial, Failure> {
        self.folder.create(&name(self.finished()))
    }

    /// Notes that the file of the next part is there, with so many rows.
    pub(super) async fn finish_part(&mut self, rows: u64) -> Result<(), Failure> {
        self.rows.push(rows);
        self.write_manifest().await
    }

    async fn write_manifest(&self) -> Result<(), Failure> {
        let pairs = |part: &Part| part.ranges().iter().map(|r| (r.start, r.end)).collect();
        let manifest = Manifest {
            question: self.question.clone(),
            parts: self.parts.iter().map(pairs).collect(),
            rows: self.rows.clone(),
        };
        let text = serde_json::to_vec(&manifest).expect("numbers and texts have a JSON form");
        let mut file = self.folder.create(MANIFEST)?;
        file.write(&text).await?;
        file.finish().await
    }

    /// The rows of the finished parts, in the order of the parts.
    pub(super) fn read(self) -> SendableRecordBatchStream {
        let files = self.rows.iter().enumerate().map(|(part, rows)| (name(part), *rows)).collect();
        spool::read(self.folder, files, self.schema)
    }
}

fn name(part: usize) -> String {
    format!("part-{part}.arrows")
}
