//! The work of a job: the query that `/sync` would answer, with the very bytes that it would send.

use std::sync::{Arc, Mutex, PoisonError};

use datafusion::error::DataFusionError;
use datafusion::execution::SendableRecordBatchStream;
use datafusion::physical_plan::stream::RecordBatchStreamAdapter;
use futures::future::{BoxFuture, FutureExt as _, ready};
use futures::stream::{self, StreamExt as _};

use crate::format::{Document, encode};
use crate::tap::RowLimits;
use crate::tap::parameters::Given;
use crate::tap::refusal::Refusal;
use crate::tap::sync::{infos, start};
use crate::uws::{Failure, Output, Parameters, Work};
use crate::{Engine, Error};

/// Answers queries.
#[derive(Debug)]
pub(in crate::tap) struct Queries {
    engine: Engine,
    rows: RowLimits,
}

impl Queries {
    pub(in crate::tap) fn new(engine: Engine, rows: RowLimits) -> Self {
        Self { engine, rows }
    }

    async fn start(&self, parameters: &Parameters) -> Result<Output, Refusal> {
        let given = Given::new(parameters.pairs().to_vec());
        let requested = given.format()?;
        let (result, max_rows) = start(&self.engine, self.rows, &given.check()?, None).await?;
        let (rows, broken) = watched(result.stream);
        let infos = infos(given.query());
        let document = Document { columns: result.columns, infos, max_rows: Some(max_rows) };
        let chunks = encode(requested.format, document, rows);
        let chunks = chunks.map(|chunk| chunk.map_err(|error| failure(&error.into())));
        let end = stream::once(async move {
            broken.take().map(|error| Err(failure(&Error::Execution(error).into())))
        });
        let chunks = chunks.chain(end.filter_map(ready)).boxed();
        Ok(Output { content_type: requested.content_type, chunks })
    }
}

impl Work for Queries {
    fn begin<'a>(&'a self, parameters: &'a Parameters) -> BoxFuture<'a, Result<Output, Failure>> {
        async { self.start(parameters).await.map_err(|refusal| failure(&refusal)) }.boxed()
    }
}

fn failure(refusal: &Refusal) -> Failure {
    let message = refusal.to_string();
    if refusal.is_transient() { Failure::transient(message) } else { Failure::fatal(message) }
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
