//! Rows of the table of jobs as jobs, and back.

use sqlx::Row;
use sqlx::sqlite::SqliteRow;

use crate::uws::{Error, Failure, Job, JobId, JobSummary, Moment, Parameters, Phase, ResultFile};

const TRANSIENT: &str = "transient";

pub(super) fn job(row: &SqliteRow) -> Result<Job, Error> {
    let pairs: String = row.try_get("parameters")?;
    let parameters =
        serde_json::from_str(&pairs).map_err(|_| meaningless(row, "parameters", &pairs))?;
    Ok(Job {
        id: id(row)?,
        phase: phase(row)?,
        parameters: Parameters::kept(parameters),
        created: Moment::from_millis(row.try_get("created_ms")?),
        started: moment(row, "started_ms")?,
        ended: moment(row, "ended_ms")?,
        execution_seconds: number(row, "execution_s")?,
        destruction: Moment::from_millis(row.try_get("destruction_ms")?),
        attempts: number(row, "attempts")?,
        result: result_file(row)?,
        error: failure(row)?,
    })
}

pub(super) fn summary(row: &SqliteRow) -> Result<JobSummary, Error> {
    Ok(JobSummary {
        id: id(row)?,
        phase: phase(row)?,
        run_id: row.try_get("run_id")?,
        created: Moment::from_millis(row.try_get("created_ms")?),
    })
}

pub(super) fn destruction(row: &SqliteRow) -> Result<(JobId, Moment), Error> {
    Ok((id(row)?, Moment::from_millis(row.try_get("destruction_ms")?)))
}

pub(super) fn result(row: &SqliteRow) -> Result<(JobId, u64), Error> {
    Ok((id(row)?, number(row, "result_bytes")?))
}

/// Parameters as the column holds them.
pub(super) fn to_text(parameters: &Parameters) -> String {
    serde_json::to_string(parameters.pairs()).expect("texts have a JSON form")
}

/// The kind of a failure as the column holds it.
pub(super) fn kind(failure: &Failure) -> &'static str {
    if failure.is_transient() { TRANSIENT } else { "fatal" }
}

fn id(row: &SqliteRow) -> Result<JobId, Error> {
    let text: String = row.try_get("id")?;
    text.parse().map_err(|_| meaningless(row, "id", &text))
}

fn phase(row: &SqliteRow) -> Result<Phase, Error> {
    let text: String = row.try_get("phase")?;
    text.parse().map_err(|_| meaningless(row, "phase", &text))
}

fn moment(row: &SqliteRow, column: &'static str) -> Result<Option<Moment>, Error> {
    Ok(row.try_get::<Option<i64>, _>(column)?.map(Moment::from_millis))
}

fn number<T: TryFrom<i64>>(row: &SqliteRow, column: &'static str) -> Result<T, Error> {
    let number: i64 = row.try_get(column)?;
    T::try_from(number).map_err(|_| meaningless(row, column, &number.to_string()))
}

fn result_file(row: &SqliteRow) -> Result<Option<ResultFile>, Error> {
    let Some(content_type) = row.try_get("content_type")? else { return Ok(None) };
    Ok(Some(ResultFile { content_type, bytes: number(row, "result_bytes")? }))
}

fn failure(row: &SqliteRow) -> Result<Option<Failure>, Error> {
    let Some(message) = row.try_get::<Option<String>, _>("error_message")? else { return Ok(None) };
    let kind: Option<String> = row.try_get("error_kind")?;
    let transient = kind.as_deref() == Some(TRANSIENT);
    Ok(Some(if transient { Failure::transient(message) } else { Failure::fatal(message) }))
}

fn meaningless(row: &SqliteRow, column: &'static str, value: &str) -> Error {
    let job = row.try_get("id").unwrap_or_default();
    Error::Meaningless { job, column, value: value.chars().take(80).collect() }
}
