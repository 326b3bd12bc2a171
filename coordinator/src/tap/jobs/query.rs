//! The work of a job: the query that `/sync` would answer, with the very bytes that it would send.
//! A long one runs in parts, which its next attempt keeps.

use std::sync::{Arc, Mutex, PoisonError};

use adql::Fault;
use datafusion::error::DataFusionError;
use datafusion::execution::SendableRecordBatchStream;
use datafusion::physical_plan::stream::RecordBatchStreamAdapter;
use futures::future::{BoxFuture, FutureExt as _, ready};
use futures::stream::{self, StreamExt as _};

use crate::format::{Document, encode};
use crate::parts::{self, Asked, Parts};
use crate::tap::parameters::{Given, Parameters as Checked};
use crate::tap::refusal::Refusal;
use crate::tap::sync::{infos, options, start};
use crate::tap::upload::{stage, with_uploads};
use crate::tap::{RowLimits, Serving};
use crate::uploads::{Folder, UploadStore};
use crate::uws::{self, Failure, JobFolder, Output, Work};
use crate::{Engine, Error, QueryResult};

/// Answers queries.
#[derive(Debug)]
pub(in crate::tap) struct Queries {
    serving: Serving,
    rows: RowLimits,
    parts: Arc<Parts>,
    uploads: Option<UploadStore>,
}

impl Queries {
    pub(in crate::tap) fn new(
        serving: Serving,
        rows: RowLimits,
        parts: Arc<Parts>,
        uploads: Option<UploadStore>,
    ) -> Self {
        Self { serving, rows, parts, uploads }
    }

    async fn answer(
        &self,
        asked: uws::Asked<'_>,
        folder: &Arc<JobFolder>,
    ) -> Result<Output, Failure> {
        let given = Given::new(asked.parameters.pairs().to_vec());
        let requested = given.format()?;
        let checked = given.check()?;
        let (engine, store) = (&self.serving.engine(), self.uploads.as_ref());
        let engine = with_uploads(engine, store, &checked.uploads, || match asked.sent {
            Some(sent) => Ok(Folder::OfJob(sent.to_owned())),
            None => stage(store),
        });
        let (result, max_rows) = self.rows_of(&engine.await?, &checked, folder).await?;
        let (rows, broken) = watched(result.stream);
        let infos = [infos(given.query()), result.origins].concat();
        let document = Document { columns: result.columns, infos, max_rows: Some(max_rows) };
        let chunks = encode(requested.format, document, rows);
        let chunks = chunks.map(|chunk| chunk.map_err(Failure::from));
        let end = stream::once(async move {
            broken.take().map(|error| Err(Failure::from(Error::Execution(error))))
        });
        let chunks = chunks.chain(end.filter_map(ready)).boxed();
        Ok(Output { content_type: requested.content_type, chunks })
    }

    /// The rows, and after how many of them the answer is cut. A query that can be cut into parts
    /// has run when this returns, another one has begun.
    async fn rows_of(
        &self,
        engine: &Engine,
        asked: &Checked,
        folder: &Arc<JobFolder>,
    ) -> Result<(QueryResult, u64), Failure> {
        let max_rows = asked.limit(self.rows);
        if max_rows > 0 && !engine.has_uploads() {
            let options = options(engine, self.rows, asked);
            let asked = Asked { adql: &asked.query, options, max_rows };
            if let Some(result) = self.parts.run(engine, asked, folder).await? {
                return Ok((result, max_rows));
            }
        }
        Ok(start(engine, self.rows, asked, None).await?)
    }
}

impl Work for Queries {
    fn begin(self: Arc<Self>) -> Arc<dyn Work> {
        let parts = Arc::clone(&self.parts);
        Arc::new(Self::new(self.serving.pinned(), self.rows, parts, self.uploads.clone()))
    }

    fn run<'a>(
        &'a self,
        asked: uws::Asked<'a>,
        folder: &'a Arc<JobFolder>,
    ) -> BoxFuture<'a, Result<Output, Failure>> {
        self.answer(asked, folder).boxed()
    }
}

impl From<Refusal> for Failure {
    fn from(refusal: Refusal) -> Self {
        let message = refusal.to_string();
        match refusal {
            Refusal::Query(error) if is_loss(&error) => Self::lost(message),
            refusal if refusal.is_transient() => Self::transient(message),
            _ => Self::fatal(message),
        }
    }
}

/// Whether what a query ran on was lost. What the tables themselves lack stays so while the service
/// runs.
fn is_loss(error: &Error) -> bool {
    let of_tables = match error {
        Error::Execution(error) => match error.find_root() {
            DataFusionError::External(source) => source.is::<catalog::Error>(),
            _ => false,
        },
        _ => false,
    };
    error.fault() == Fault::Unavailable && !of_tables
}

impl From<Error> for Failure {
    fn from(error: Error) -> Self {
        Refusal::from(error).into()
    }
}

impl From<parts::Error> for Failure {
    fn from(error: parts::Error) -> Self {
        match error {
            parts::Error::Query(error) => error.into(),
            parts::Error::Kept(failure) => failure,
        }
    }
}

/// Where a stream of rows leaves the error that ended it.
#[derive(Debug, Clone, Default)]
struct Broken(Arc<Mutex<Option<DataFusionError>>>);

impl Broken {
    fn set(&self, error: DataFusionError) {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) = Some(error);
    }

    fn take(&self) -> Option<DataFusionError> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).take()
    }
}

/// Rows that end before an error, which is left beside them: a VOTable would tell of it inside,
/// where the job would take the document for a result.
fn watched(rows: SendableRecordBatchStream) -> (SendableRecordBatchStream, Broken) {
    let broken = Broken::default();
    let seen = broken.clone();
    let schema = rows.schema();
    let until_error = rows.scan((), move |(), batch| {
        let batch = match batch {
            Ok(batch) => Some(Ok(batch)),
            Err(error) => {
                seen.set(error);
                None
            }
        };
        ready(batch)
    });
    (Box::pin(RecordBatchStreamAdapter::new(schema, until_error)), broken)
}
