//! One query until it delivers: attempts, and a deadline for all of them.
//!
//! A worker that is lost before the first row is invisible to the user: the query is planned again
//! without it. After the first row nothing can be taken back, and the answer ends with an error
//! that names the worker. The query is run by a task of its own, which the stream of its rows
//! owns: a reader that stops reading does not stop the clock, and one that goes away ends it all.

use std::collections::BTreeSet;
use std::sync::atomic::{AtomicU64, Ordering};

use datafusion::arrow::record_batch::RecordBatch;
use datafusion::error::DataFusionError;
use datafusion::execution::SendableRecordBatchStream;
use datafusion::physical_plan::stream::RecordBatchStreamAdapter;
use futures::StreamExt as _;
use tokio::sync::mpsc::Sender;
use tokio::time::Instant;
use url::Url;
use worker::loss;

use crate::cluster::{Brought, Load};
use crate::engine::{QueryOptions, QueryResult};
use crate::owned::fed;
use crate::{Engine, Error};

/// As many times a query is begun, the first included. Each time at least one worker more is left
/// out, so that two losses at once are survived where there are the replicas.
const ATTEMPTS_MAX: u32 = 4;

/// Batches that wait for the reader.
const BATCHES_AHEAD: usize = 2;

/// A query that has begun.
pub(crate) struct Attempt {
    pub(crate) result: QueryResult,
    /// The workers that its tasks run on.
    pub(crate) workers: Vec<Url>,
    /// What it adds to their load.
    pub(crate) _load: Option<Load>,
    /// What it has brought to a worker.
    pub(crate) _brought: Option<Brought>,
}

/// What attempts are counted as.
#[derive(Debug, Default)]
pub(crate) struct Counters {
    retries: AtomicU64,
    running: AtomicU64,
}

impl Counters {
    pub(crate) fn prometheus(&self) -> String {
        let retries = self.retries.load(Ordering::Relaxed);
        let running = self.running.load(Ordering::Relaxed);
        format!(
            "# HELP armilla_query_retries_total Queries begun again after the loss of a worker.\n\
             # TYPE armilla_query_retries_total counter\narmilla_query_retries_total {retries}\n\
             # HELP armilla_queries_running Queries whose rows are not all delivered.\n\
             # TYPE armilla_queries_running gauge\narmilla_queries_running {running}\n"
        )
    }
}

/// A query that runs; counted until it is dropped.
struct Running(Engine);

impl Running {
    fn new(engine: &Engine) -> Self {
        engine.attempts().running.fetch_add(1, Ordering::Relaxed);
        Self(engine.clone())
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        self.0.attempts().running.fetch_sub(1, Ordering::Relaxed);
    }
}

/// Begins a query, whose rows come in the stream.
pub(crate) async fn run(
    engine: &Engine,
    adql: &str,
    options: QueryOptions,
) -> Result<QueryResult, Error> {
    let deadline = options.duration.map(|duration| (Instant::now() + duration, duration));
    let first = engine.attempt(adql, options, &BTreeSet::new()).await?;
    let columns = first.result.columns.clone();
    let metadata_only = first.result.metadata_only;
    let origins = first.result.origins.clone();
    let schema = first.result.stream.schema();
    let query = Query {
        running: Running::new(engine),
        adql: adql.to_owned(),
        options,
        excluded: BTreeSet::new(),
        attempts: 1,
    };
    let stream = fed(engine.compute(), BATCHES_AHEAD, move |rows| async move {
        let delivered = match deadline {
            None => query.deliver(first, &rows).await,
            Some((end, duration)) => tokio::select! {
                delivered = query.deliver(first, &rows) => delivered,
                () = tokio::time::sleep_until(end) => Err(external(Error::Deadline { duration })),
            },
        };
        if let Err(error) = delivered {
            // Where nobody reads any more, nobody needs it.
            let _unread = rows.send(Err(error)).await;
        }
    });
    let stream = Box::pin(RecordBatchStreamAdapter::new(schema, stream));
    Ok(QueryResult { columns, stream, metadata_only, origins })
}

/// A query and what it has met.
struct Query {
    running: Running,
    adql: String,
    options: QueryOptions,
    excluded: BTreeSet<Url>,
    attempts: u32,
}

impl Query {
    /// Sends the rows of the first attempt that has some.
    async fn deliver(
        mut self,
        first: Attempt,
        rows: &Sender<Result<RecordBatch, DataFusionError>>,
    ) -> Result<(), DataFusionError> {
        let mut attempt = first;
        loop {
            let mut delivered = false;
            let workers = attempt.workers.clone();
            let Err(error) = self.forward(attempt, rows, &mut delivered).await else {
                return Ok(());
            };
            // Another URL is none of a loss: a query may quote such a text.
            let lost = loss::lost_worker(&error).filter(|url| workers.contains(url));
            let Some(lost) = lost else { return Err(error) };
            if delivered || self.attempts == ATTEMPTS_MAX {
                let retried = self.attempts - 1;
                tracing::warn!(worker = %lost, delivered, retried, "query lost a worker and ends");
                return Err(external(Error::Lost { worker: lost, delivered }));
            }
            self.attempts += 1;
            self.engine().attempts().retries.fetch_add(1, Ordering::Relaxed);
            tracing::warn!(worker = %lost, %error, "query lost a worker and begins again");
            self.excluded.insert(lost);
            attempt = self.again().await.map_err(external)?;
        }
    }

    fn engine(&self) -> &Engine {
        &self.running.0
    }

    async fn again(&self) -> Result<Attempt, Error> {
        self.engine().attempt(&self.adql, self.options, &self.excluded).await
    }

    /// Sends the rows of one attempt; it is gone when this returns, with all of its tasks.
    async fn forward(
        &self,
        attempt: Attempt,
        rows: &Sender<Result<RecordBatch, DataFusionError>>,
        delivered: &mut bool,
    ) -> Result<(), DataFusionError> {
        let Attempt { result, workers, _load, _brought } = attempt;
        let lost = self.engine().lost(&workers);
        tokio::select! {
            ended = send(result.stream, rows, delivered) => ended,
            url = lost => Err(loss::lost(&url, "it stopped answering")),
        }
    }
}

async fn send(
    mut stream: SendableRecordBatchStream,
    rows: &Sender<Result<RecordBatch, DataFusionError>>,
    delivered: &mut bool,
) -> Result<(), DataFusionError> {
    while let Some(batch) = stream.next().await {
        let batch = batch?;
        if batch.num_rows() == 0 {
            continue;
        }
        *delivered = true;
        if rows.send(Ok(batch)).await.is_err() {
            // The reader has gone away.
            return Ok(());
        }
    }
    Ok(())
}

fn external(error: Error) -> DataFusionError {
    DataFusionError::External(Box::new(error))
}
