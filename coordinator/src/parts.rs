//! Queries that run in parts of the sky, so that what is finished outlives a failure.
//!
//! ```text
//! plan → row by row over one scan of tiles? → cut → part 1, part 2, … → rows of all parts
//!                                                    each kept on disk when whole
//! ```
//!
//! A part is the same query on some of its tiles. A query that cannot be cut, or is small, is left
//! to whoever asked. When a query is asked again with the same folder, its finished parts are
//! kept, if nothing has changed that its rows depend on.
//! Nothing is tried again here: a part that fails ends the call with its error.

pub mod cut;
mod kept;
pub mod shape;
mod spool;

use std::fmt::Write as _;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use catalog::Part;
use datafusion::error::DataFusionError;
use futures::StreamExt as _;

use crate::engine::{Engine, QueryOptions, QueryResult};
use crate::uws::{Failure, JobFolder};
use kept::{Kept, Question};
use spool::Spool;

/// Why the rows of the parts are not there.
#[derive(Debug)]
pub enum Error {
    /// The query failed.
    Query(crate::Error),
    /// Its rows cannot be kept.
    Kept(Failure),
}

impl From<crate::Error> for Error {
    fn from(error: crate::Error) -> Self {
        Self::Query(error)
    }
}

impl From<DataFusionError> for Error {
    fn from(error: DataFusionError) -> Self {
        Self::Query(crate::Error::Execution(error))
    }
}

impl From<Failure> for Error {
    fn from(failure: Failure) -> Self {
        Self::Kept(failure)
    }
}

/// What is asked.
#[derive(Debug, Clone, Copy)]
pub struct Asked<'a> {
    /// The query.
    pub adql: &'a str,
    /// How it is planned.
    pub options: QueryOptions,
    /// Rows beyond this are not delivered; of one more it matters whether it is there.
    pub max_rows: u64,
}

/// How queries are cut, and how many parts there were.
#[derive(Debug)]
pub struct Parts {
    /// Each worker reads so many bytes of tiles for a part, or one tile.
    bytes: u64,
    run: AtomicU64,
    kept: AtomicU64,
    again: AtomicU64,
}

impl Parts {
    /// Parts for each of which a worker reads about so many bytes of tiles.
    pub fn of_bytes(bytes: u64) -> Self {
        let (run, kept, again) = Default::default();
        Self { bytes, run, kept, again }
    }

    /// Runs those parts of a query that `folder` does not hold, and then has the rows of all; none
    /// where the query is not cut.
    ///
    /// # Errors
    /// When the query is wrong, a part fails, or its rows cannot be kept.
    pub async fn run(
        &self,
        engine: &Engine,
        asked: Asked<'_>,
        folder: &Arc<JobFolder>,
    ) -> Result<Option<QueryResult>, Error> {
        let tables = engine.snapshot().tiled_tables();
        if tables.iter().all(|table| table.manifest().bytes() <= self.bytes) {
            return Ok(None);
        }
        let planned = engine.plan(asked.adql, asked.options).await?;
        let Some(rows) = shape::row_by_row(&planned.optimized) else { return Ok(None) };
        let rows_max = rows.at_most.unwrap_or(u64::MAX).min(asked.max_rows.saturating_add(1));
        let schema = planned.physical.schema();
        let question = Question::new(&asked, engine.snapshot().number(), self.bytes);
        let mut kept = if let Some(kept) = Kept::open(folder, &question, &schema) {
            let parts = kept.finished();
            self.kept.fetch_add(parts as u64, Ordering::Relaxed);
            tracing::info!(parts, of = kept.parts().len(), "parts of the query are kept");
            kept
        } else {
            let parts = cut::cut(&cut::tiles(&planned.physical)?, self.bytes);
            if parts.len() < 2 {
                return Ok(None);
            }
            tracing::info!(parts = parts.len(), "the query runs in parts");
            Kept::begin(folder, question, schema, parts).await?
        };
        while kept.finished() < kept.parts().len() && kept.rows() < rows_max {
            self.run_part(engine, asked, &mut kept, rows_max).await?;
        }
        let (columns, origins) = (planned.columns, planned.origins);
        Ok(Some(QueryResult { columns, stream: kept.read(), metadata_only: false, origins }))
    }

    /// Runs the first part that is not finished, up to a number of rows of all.
    async fn run_part(
        &self,
        engine: &Engine,
        asked: Asked<'_>,
        kept: &mut Kept,
        rows_max: u64,
    ) -> Result<(), Error> {
        let part: Part = kept.parts()[kept.finished()].clone();
        let result = engine.of_part(&part).query(asked.adql, asked.options).await?;
        let mut file = kept.begin_part()?;
        if file.begun_before() {
            self.again.fetch_add(1, Ordering::Relaxed);
        }
        let mut stream = result.stream;
        let (mut spool, mut rows) = (Spool::new(&stream.schema())?, 0);
        let left = rows_max - kept.rows();
        while rows < left
            && let Some(batch) = stream.next().await
        {
            let batch = batch?;
            let wanted = usize::try_from(left - rows).unwrap_or(usize::MAX).min(batch.num_rows());
            rows += wanted as u64;
            spool.push(batch.slice(0, wanted))?;
            file.write(&spool.take()).await?;
        }
        // The tasks of a part that has enough rows end here.
        drop(stream);
        file.write(&spool.end()?).await?;
        file.finish().await?;
        kept.finish_part(rows).await?;
        self.run.fetch_add(1, Ordering::Relaxed);
        Ok(())
    }

    /// The parts of all queries as Prometheus text.
    pub fn prometheus(&self) -> String {
        let mut text = "# HELP armilla_parts_total Parts of jobs: run to their end, kept from an \
                        earlier attempt, begun again.\n# TYPE armilla_parts_total counter\n"
            .to_owned();
        for (how, count) in [("run", &self.run), ("kept", &self.kept), ("again", &self.again)] {
            let count = count.load(Ordering::Relaxed);
            // Writing to a String cannot fail.
            let _ = writeln!(text, "armilla_parts_total{{how=\"{how}\"}} {count}");
        }
        text
    }
}
