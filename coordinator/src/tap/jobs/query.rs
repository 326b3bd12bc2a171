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
use crate::tap::{RowLimits, Serving};
use crate::uws::{Failure, JobFolder, Output, Parameters, Work};
use crate::{Error, QueryResult};

/// Answers queries.
#[derive(Debug)]
pub(in crate::tap) struct Queries {
    serving: Serving,
    rows: RowLimits,
    parts: Arc<Parts>,
}

impl Queries {
    pub(in crate::tap) fn new(serving: Serving, rows: RowLimits, parts: Arc<Parts>) -> Self {
        Self { serving, rows, parts }
    }

    async fn answer(
        &self,
        parameters: &Parameters,
        folder: &Arc<JobFolder>,
    ) -> Result<Output, Failure> {
        let given = Given::new(parameters.pairs().to_vec());
        let requested = given.format()?;
        let (result, max_rows) = self.rows_of(&given.check()?, folder).await?;
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
        asked: &Checked,
        folder: &Arc<JobFolder>,
    ) -> Result<(QueryResult, u64), Failure> {
        let (engine, max_rows) = (&self.serving.engine(), asked.limit(self.rows));
        if max_rows > 0 {
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
        Arc::new(Self::new(self.serving.pinned(), self.rows, Arc::clone(&self.parts)))
    }

    fn run<'a>(
        &'a self,
        parameters: &'a Parameters,
        folder: &'a Arc<JobFolder>,
    ) -> BoxFuture<'a, Result<Output, Failure>> {
        self.answer(parameters, folder).boxed()
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
