//! `/sync`: a query and its result in one request (TAP 1.1 §2.2).

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use axum::body::Body;
use axum::extract::{Request, State};
use axum::http::{HeaderValue, header};
use axum::response::{IntoResponse, Response};
use datafusion::arrow::record_batch::RecordBatch;
use datafusion::execution::SendableRecordBatchStream;
use datafusion::physical_plan::stream::RecordBatchStreamAdapter;
use futures::{StreamExt, stream};
use tokio::runtime::Handle;
use tracing::Instrument;

use crate::engine::{QueryOptions, QueryResult};
use crate::format::{Document, Info, Requested, ahead_on, encode};
use crate::tap::parameters::{Given, Parameters};
use crate::tap::refusal::Refusal;
use crate::tap::request::{self, Received};
use crate::tap::upload::{stage, with_uploads};
use crate::tap::{RowLimits, SOFTWARE, Service};
use crate::uploads::{Folder, Staged};
use crate::{Engine, Error};

/// Answers GET and POST.
pub(super) async fn answer(State(service): State<Arc<Service>>, request: Request) -> Response {
    static QUERIES: AtomicU64 = AtomicU64::new(1);
    let query = QUERIES.fetch_add(1, Ordering::Relaxed);
    let span = tracing::info_span!("query", query, run_id = tracing::field::Empty);
    respond(&service, request).instrument(span).await
}

async fn respond(service: &Service, request: Request) -> Response {
    let started = Instant::now();
    let (given, staged) = match request::received(request, service.uploads.as_ref()).await {
        Ok(Received { parameters, staged }) => (Given::new(parameters), staged),
        Err(refusal) => return refusal.answer(&Requested::default(), &infos(None)),
    };
    let infos = infos(given.query());
    let requested = match given.format() {
        Ok(requested) => requested,
        Err(refusal) => return refusal.answer(&Requested::default(), &infos),
    };
    let engine = service.serving.engine();
    let begun = match given.check() {
        Ok(parameters) => begin(service, &engine, &parameters, staged).await,
        Err(refusal) => Err(refusal),
    };
    let elapsed_ms = started.elapsed().as_millis();
    match begun {
        Ok((result, max_rows)) => {
            tracing::info!(elapsed_ms, format = ?requested.format, "query answers");
            stream_out(engine.compute(), result, max_rows, &requested, infos)
        }
        Err(refusal) => {
            tracing::info!(elapsed_ms, error = %refusal, "query refused");
            refusal.answer(&requested, &infos)
        }
    }
}

/// Runs the query until its first rows are there, so that what fails at once has a status of its
/// own, and is no broken document.
async fn begin(
    service: &Service,
    engine: &Engine,
    parameters: &Parameters,
    staged: Option<Staged>,
) -> Result<(QueryResult, u64), Refusal> {
    if let Some(run_id) = &parameters.run_id {
        tracing::Span::current().record("run_id", run_id.as_str());
    }
    let duration = service.query_duration;
    let store = service.uploads.as_ref();
    let engine = &with_uploads(engine, store, &parameters.uploads, || match staged {
        Some(staged) => Ok(Folder::Own(staged)),
        None => stage(store),
    })
    .await?;
    let (result, max_rows) = start(engine, service.rows, parameters, duration).await?;
    if max_rows == 0 {
        return Ok((result, max_rows));
    }
    let QueryResult { columns, mut stream, metadata_only, origins } = result;
    let first = first_rows(&mut stream).await?;
    let schema = stream.schema();
    let whole = stream::iter(first.map(Ok)).chain(stream);
    let stream = Box::pin(RecordBatchStreamAdapter::new(schema, whole));
    Ok((QueryResult { columns, stream, metadata_only, origins }, max_rows))
}

/// Starts a query, and tells after how many rows its answer is cut.
pub(super) async fn start(
    engine: &Engine,
    limits: RowLimits,
    parameters: &Parameters,
    duration: Option<Duration>,
) -> Result<(QueryResult, u64), Refusal> {
    tracing::debug!(adql = parameters.query, "query begins");
    let options = QueryOptions { duration, ..options(engine, limits, parameters) };
    let result = engine.query(&parameters.query, options).await?;
    // `TAP_SCHEMA` is never cut for want of a MAXREC.
    let wide = limits.for_metadata(engine);
    let max_rows = parameters.limit(if result.metadata_only { wide } else { limits });
    Ok((result, max_rows))
}

/// How a query is planned. Only a limit that the client asked for goes into the plan: a LIMIT of
/// 10^9 would make each ORDER BY a `TopK`, which keeps its rows in memory, where a sort spills.
pub(super) fn options(engine: &Engine, limits: RowLimits, parameters: &Parameters) -> QueryOptions {
    let wide = limits.for_metadata(engine);
    let maxrec = parameters.max_rows.map(|_| parameters.limit(wide));
    QueryOptions { maxrec, duration: None }
}

/// The first batch that has rows; none where there is none.
async fn first_rows(stream: &mut SendableRecordBatchStream) -> Result<Option<RecordBatch>, Error> {
    while let Some(batch) = stream.next().await {
        let batch = batch.map_err(Error::Execution)?;
        if batch.num_rows() > 0 {
            return Ok(Some(batch));
        }
    }
    Ok(None)
}

/// Chunks that are written before the connection takes them.
const CHUNKS_AHEAD: usize = 2;

fn stream_out(
    compute: &Handle,
    result: QueryResult,
    max_rows: u64,
    requested: &Requested,
    infos: Vec<Info>,
) -> Response {
    let infos = [infos, result.origins].concat();
    let document = Document { columns: result.columns, infos, max_rows: Some(max_rows) };
    let chunks = encode(requested.format, document, result.stream);
    let chunks = ahead_on(compute, chunks, CHUNKS_AHEAD);
    let mut response = Body::from_stream(chunks).into_response();
    if let Ok(content_type) = HeaderValue::from_str(&requested.content_type) {
        response.headers_mut().insert(header::CONTENT_TYPE, content_type);
    }
    response
}

/// Where a result comes from (DALI 1.1 §4.4.3). Nothing here differs from run to run, so that
/// the same query has the same bytes.
pub(super) fn infos(query: Option<&str>) -> Vec<Info> {
    let fixed = [("standardID", "ivo://ivoa.net/std/TAP"), ("server_software", SOFTWARE)];
    let fixed = fixed.into_iter().map(|(name, value)| Info::new(name, value));
    let query = query.map(|query| Info::new("QUERY", query));
    query.into_iter().chain(fixed).collect()
}
