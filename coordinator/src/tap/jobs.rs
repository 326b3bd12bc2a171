//! `/async`: queries as jobs (TAP 1.1 §2.2.2, UWS 1.1 §2.2), one handler for each resource.
//!
//! Anonymous users share one service: a job is used by whoever knows its name, which cannot be
//! guessed, and the list of jobs is empty unless the operator opens it. Parameters are kept as they
//! come; what is wrong with them is said by the job when it runs.

mod document;
mod query;
mod result;

use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::extract::rejection::PathRejection;
use axum::extract::{Path, Request, State};
use axum::http::{HeaderMap, HeaderValue, StatusCode, Uri, header};
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use url::form_urlencoded;

use crate::format::Requested;
use crate::format::votable::error_document;
use crate::tap::capabilities::base_url;
use crate::tap::refusal::Refusal;
use crate::tap::request::{self, Received};
use crate::tap::sync::infos;
use crate::tap::upload::accumulate;
use crate::tap::{Service, typed, xml};
use crate::uploads::Staged;
use crate::uws::{Error, Job, JobFilter, JobId, Moment, Phase};

pub(super) use query::Queries;

/// A client that waits is answered after so long at the latest: proxies give up after a minute.
const WAIT_MAX: Duration = Duration::from_secs(50);

const INSTANT: &str = "give an instant in UTC, as 2030-12-31T23:59:59Z";

type Answer = Result<Response, Refusal>;
type IdInPath = Result<Path<String>, PathRejection>;

/// The routes below the list of jobs.
pub(super) fn router(list: &str) -> Router<Arc<Service>> {
    let of_job = |resource: &str| format!("{list}/{{id}}{resource}");
    Router::new()
        .route(list, get(list_jobs).post(create))
        .route(&of_job(""), get(job).post(act).delete(delete))
        .route(&of_job("/phase"), get(phase).post(set_phase))
        .route(&of_job("/executionduration"), get(duration).post(set_duration))
        .route(&of_job("/destruction"), get(destruction).post(set_destruction))
        .route(&of_job("/parameters"), get(parameters).post(set_parameters))
        .route(&of_job("/quote"), get(unknown))
        .route(&of_job("/owner"), get(unknown))
        .route(&of_job("/error"), get(error))
        .route(&of_job("/results"), get(results))
        .route(&of_job("/results/result"), get(result::body))
}

impl IntoResponse for Refusal {
    fn into_response(self) -> Response {
        self.as_text()
    }
}

async fn list_jobs(State(service): State<Arc<Service>>, uri: Uri, headers: HeaderMap) -> Answer {
    let filter = filter(query_of(&uri))?;
    let jobs = if service.list_jobs { service.jobs.list(&filter).await? } else { Vec::new() };
    Ok(xml(&document::job_list(&jobs, &list_url(&service, &headers))))
}

async fn create(
    State(service): State<Arc<Service>>,
    headers: HeaderMap,
    request: Request,
) -> Answer {
    let Received { parameters: mut given, staged } =
        request::received(request, service.uploads.as_ref()).await?;
    accumulate(&[], &mut given);
    let run = match take(&mut given, "PHASE")? {
        None => false,
        Some(phase) if phase.eq_ignore_ascii_case("RUN") => true,
        Some(phase) => return Err(wrong("PHASE", &phase, "use PHASE=RUN to run the job at once")),
    };
    let sent = staged.as_ref().map(Staged::path);
    let job = service.jobs.create(given, sent, run).await?;
    Ok(to_job(&service, &headers, job.id))
}

async fn job(
    State(service): State<Arc<Service>>,
    id: IdInPath,
    uri: Uri,
    headers: HeaderMap,
) -> Answer {
    let id = known(id)?;
    let mut query = query_of(&uri);
    let wait = take(&mut query, "WAIT")?.map(|text| wait_of(&text)).transpose()?;
    let expected = take(&mut query, "PHASE")?.map(|text| phase_of(&text)).transpose()?;
    let job = match wait {
        Some(longest) => service.jobs.wait(id, longest, expected).await?,
        None => service.jobs.get(id).await?,
    };
    Ok(xml(&document::job(&job, &list_url(&service, &headers))))
}

/// What browsers can send to a job itself: they have no DELETE.
async fn act(
    State(service): State<Arc<Service>>,
    id: IdInPath,
    headers: HeaderMap,
    request: Request,
) -> Answer {
    let id = known(id)?;
    service.jobs.get(id).await?;
    let mut given = request::parameters(request).await?;
    let (action, phase) = (take(&mut given, "ACTION")?, take(&mut given, "PHASE")?);
    match (action, phase) {
        (Some(action), None) if action.eq_ignore_ascii_case("DELETE") => {
            service.jobs.destroy(id).await?;
            Ok(see_other(&list_url(&service, &headers)))
        }
        (Some(action), _) => Err(wrong("ACTION", &action, "use ACTION=DELETE")),
        (None, Some(phase)) => {
            command(&service, id, &phase).await?;
            Ok(to_job(&service, &headers, id))
        }
        (None, None) => Err(Refusal::Missing {
            name: "ACTION",
            wanted: "use ACTION=DELETE, or post parameters of the job to its resource /parameters",
        }),
    }
}

async fn delete(State(service): State<Arc<Service>>, id: IdInPath, headers: HeaderMap) -> Answer {
    service.jobs.destroy(known(id)?).await?;
    Ok(see_other(&list_url(&service, &headers)))
}

async fn phase(State(service): State<Arc<Service>>, id: IdInPath) -> Answer {
    Ok(text(found(&service, id).await?.phase.to_string()))
}

async fn set_phase(
    State(service): State<Arc<Service>>,
    id: IdInPath,
    headers: HeaderMap,
    request: Request,
) -> Answer {
    let id = found(&service, id).await?.id;
    let phase = posted(request, "PHASE", "use PHASE=RUN or PHASE=ABORT").await?;
    command(&service, id, &phase).await?;
    Ok(to_job(&service, &headers, id))
}

async fn duration(State(service): State<Arc<Service>>, id: IdInPath) -> Answer {
    Ok(text(found(&service, id).await?.execution_seconds.to_string()))
}

async fn set_duration(
    State(service): State<Arc<Service>>,
    id: IdInPath,
    headers: HeaderMap,
    request: Request,
) -> Answer {
    let id = found(&service, id).await?.id;
    let wanted = "give a whole number of seconds, 0 for as many as possible";
    let value = posted(request, "EXECUTIONDURATION", wanted).await?;
    let digits = value.trim();
    if digits.is_empty() || !digits.bytes().all(|byte| byte.is_ascii_digit()) {
        return Err(wrong("EXECUTIONDURATION", &value, wanted));
    }
    // More seconds than there are numbers for are more than the hard limit.
    service.jobs.set_execution_seconds(id, digits.parse().unwrap_or(u32::MAX)).await?;
    Ok(to_job(&service, &headers, id))
}

async fn destruction(State(service): State<Arc<Service>>, id: IdInPath) -> Answer {
    Ok(text(found(&service, id).await?.destruction.to_string()))
}

async fn set_destruction(
    State(service): State<Arc<Service>>,
    id: IdInPath,
    headers: HeaderMap,
    request: Request,
) -> Answer {
    let id = found(&service, id).await?.id;
    let value = posted(request, "DESTRUCTION", INSTANT).await?;
    let to: Moment = value.parse().map_err(|_| wrong("DESTRUCTION", &value, INSTANT))?;
    service.jobs.set_destruction(id, to).await?;
    Ok(to_job(&service, &headers, id))
}

async fn parameters(State(service): State<Arc<Service>>, id: IdInPath) -> Answer {
    Ok(xml(&document::parameters(&found(&service, id).await?)))
}

async fn set_parameters(
    State(service): State<Arc<Service>>,
    id: IdInPath,
    headers: HeaderMap,
    request: Request,
) -> Answer {
    let Job { id, parameters, .. } = found(&service, id).await?;
    let Received { parameters: mut given, staged } =
        request::received(request, service.uploads.as_ref()).await?;
    accumulate(parameters.pairs(), &mut given);
    service.jobs.set_parameters(id, given, staged.as_ref().map(Staged::path)).await?;
    Ok(to_job(&service, &headers, id))
}

/// Quote and owner, which no job here has: empty (UWS 1.1 §2.2.1).
async fn unknown(State(service): State<Arc<Service>>, id: IdInPath) -> Answer {
    found(&service, id).await?;
    Ok(text(String::new()))
}

/// The error of a job, in a document with the status of a success (TAP 1.1 §2.2.2).
async fn error(State(service): State<Arc<Service>>, id: IdInPath) -> Answer {
    let job = found(&service, id).await?;
    let Some(failure) = &job.error else {
        return Err(Refusal::Absent { part: "error", phase: job.phase, hint: String::new() });
    };
    let pairs = job.parameters.pairs().iter();
    let query = pairs.rev().find(|(name, _)| name.eq_ignore_ascii_case("QUERY"));
    let infos = infos(query.map(|(_, query)| query.as_str()));
    let body = error_document(&failure.message, &infos);
    let content_type = [(header::CONTENT_TYPE, Requested::default().content_type)];
    Ok((StatusCode::OK, content_type, body).into_response())
}

async fn results(State(service): State<Arc<Service>>, id: IdInPath, headers: HeaderMap) -> Answer {
    let job = found(&service, id).await?;
    Ok(xml(&document::results(&job, &list_url(&service, &headers))))
}

/// Runs or aborts a job.
async fn command(service: &Service, id: JobId, phase: &str) -> Result<(), Refusal> {
    match phase.to_ascii_uppercase().as_str() {
        "RUN" => Ok(service.jobs.enqueue(id).await?),
        "ABORT" => Ok(service.jobs.abort(id).await?),
        _ => Err(wrong("PHASE", phase, "use PHASE=RUN or PHASE=ABORT")),
    }
}

/// The name of a job in a path; a text that is no name names no job.
fn known(id: IdInPath) -> Result<JobId, Refusal> {
    let Ok(Path(text)) = id else { return Err(Error::NoSuchJob.into()) };
    Ok(text.parse()?)
}

async fn found(service: &Service, id: IdInPath) -> Result<Job, Refusal> {
    Ok(service.jobs.get(known(id)?).await?)
}

/// The single parameter of a form that changes a part of a job.
async fn posted(
    request: Request,
    name: &'static str,
    wanted: &'static str,
) -> Result<String, Refusal> {
    let mut given = request::parameters(request).await?;
    take(&mut given, name)?.ok_or(Refusal::Missing { name, wanted })
}

fn query_of(uri: &Uri) -> Vec<(String, String)> {
    form_urlencoded::parse(uri.query().unwrap_or_default().as_bytes()).into_owned().collect()
}

/// Takes a parameter out, which may be there once.
fn take(given: &mut Vec<(String, String)>, name: &'static str) -> Result<Option<String>, Refusal> {
    let mut taken: Vec<_> =
        given.extract_if(.., |(n, _)| n.eq_ignore_ascii_case(name)).map(|(_, v)| v).collect();
    match taken.len() {
        0 | 1 => Ok(taken.pop()),
        count => Err(Refusal::Repeated { name, count }),
    }
}

fn wait_of(text: &str) -> Result<Duration, Refusal> {
    let digits = text.trim();
    if digits == "-1" {
        return Ok(WAIT_MAX);
    }
    if digits.is_empty() || !digits.bytes().all(|byte| byte.is_ascii_digit()) {
        let wanted = "give a whole number of seconds, -1 for as long as the service likes";
        return Err(wrong("WAIT", text, wanted));
    }
    Ok(digits.parse().map_or(WAIT_MAX, Duration::from_secs).min(WAIT_MAX))
}

fn phase_of(text: &str) -> Result<Phase, Refusal> {
    let names = || Phase::ALL.map(Phase::name).join(", ");
    text.trim().parse().map_err(|_| wrong("PHASE", text, &format!("use one of {}", names())))
}

fn filter(mut query: Vec<(String, String)>) -> Result<JobFilter, Refusal> {
    let after = take(&mut query, "AFTER")?;
    let after =
        after.map(|text| text.parse().map_err(|_| wrong("AFTER", &text, INSTANT))).transpose()?;
    let last = take(&mut query, "LAST")?.map(|text| match text.trim().parse() {
        Ok(last) if last > 0 => Ok(last),
        _ => Err(wrong("LAST", &text, "give a whole number of jobs greater than 0")),
    });
    let phases = query.iter().filter(|(name, _)| name.eq_ignore_ascii_case("PHASE"));
    let phases = phases.map(|(_, value)| phase_of(value)).collect::<Result<_, _>>()?;
    Ok(JobFilter { phases, after, last: last.transpose()? })
}

fn wrong(name: &'static str, value: &str, wanted: &str) -> Refusal {
    Refusal::Value { name, value: value.to_owned(), wanted: wanted.to_owned() }
}

fn list_url(service: &Service, headers: &HeaderMap) -> String {
    format!("{}/async", base_url(service, headers))
}

fn to_job(service: &Service, headers: &HeaderMap, id: JobId) -> Response {
    see_other(&format!("{}/{id}", list_url(service, headers)))
}

fn see_other(url: &str) -> Response {
    let mut response = StatusCode::SEE_OTHER.into_response();
    if let Ok(url) = HeaderValue::from_str(url) {
        response.headers_mut().insert(header::LOCATION, url);
    }
    response
}

fn text(body: String) -> Response {
    (typed("text/plain;charset=utf-8"), body).into_response()
}
