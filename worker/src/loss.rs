//! The loss of a worker, as one text that is made and read here: `worker URL was lost: CAUSE`.
//!
//! Between nodes errors travel as text, so that the text is what survives any number of them. An
//! error of the query itself (memory, a damaged tile, a division) is never made a loss: planning it
//! again elsewhere would fail again.

use std::error::Error as _;
use std::fmt::Display;

use datafusion::common::{DataFusionError, exec_datafusion_err};
use tonic::{Code, Status};
use url::Url;

const BEFORE: &str = "worker ";
const AFTER: &str = "was lost: ";

/// What a worker of the library says of a plan that it never had, or no longer has.
const NO_PLAN: &str = "Worker::execute_task timed-out while waiting for the plan";

/// The error that says that a worker was lost.
pub fn lost(worker: &Url, cause: impl Display) -> DataFusionError {
    exec_datafusion_err!("{BEFORE}{worker} {AFTER}{cause}")
}

/// The worker that was lost, when that is what an error says, at any depth and as any text. Of
/// several the innermost: the others were told of it. Whoever acts on it knows the worker: a query
/// may quote such a text.
pub fn lost_worker(error: &DataFusionError) -> Option<Url> {
    match error {
        DataFusionError::Collection(errors) => errors.iter().find_map(lost_worker),
        other => named_by(&other.to_string()),
    }
}

fn named_by(text: &str) -> Option<Url> {
    text.rmatch_indices(BEFORE).find_map(|(start, _)| {
        let before = &text[..start];
        if !(before.is_empty() || before.ends_with(": ") || before.ends_with('\n')) {
            return None;
        }
        let (url, rest) = text[start + BEFORE.len()..].split_once(' ')?;
        let url = rest.starts_with(AFTER).then(|| Url::parse(url).ok())??;
        (matches!(url.scheme(), "http" | "https") && url.has_host()).then_some(url)
    })
}

/// An error as it came from `worker`, made a loss of that worker when it is one. A loss that it
/// only reports stays the loss of the other.
pub(crate) fn from_worker(worker: &Url, error: DataFusionError) -> DataFusionError {
    if lost_worker(&error).is_some() {
        return error;
    }
    if has_no_plan(&error) {
        return lost(worker, "it no longer has the plan of this task, or never had it");
    }
    let status = causes(&error).find_map(|cause| cause.downcast_ref::<Status>());
    match status {
        Some(status) if is_broken(status) => lost(worker, cause_of(status)),
        Some(status) => exec_datafusion_err!("worker {worker} refused: {}", status.message()),
        None => error,
    }
}

fn causes<'a>(
    error: &'a DataFusionError,
) -> impl Iterator<Item = &'a (dyn std::error::Error + 'static)> {
    std::iter::successors(error.source(), |error| (*error).source())
}

fn has_no_plan(error: &DataFusionError) -> bool {
    match error {
        DataFusionError::Execution(text) => text.starts_with(NO_PLAN),
        DataFusionError::Context(_, inner) => has_no_plan(inner),
        DataFusionError::Shared(inner) => has_no_plan(inner),
        _ => false,
    }
}

/// Whether a status was made here, from a connection that broke, and not over there. The worker
/// itself never sends these codes; an answer without a final status (a reset, a panic over there)
/// is `Unknown`.
fn is_broken(status: &Status) -> bool {
    let codes = [Code::Unavailable, Code::Cancelled, Code::Unknown, Code::DeadlineExceeded];
    status.source().is_some() || codes.contains(&status.code())
}

/// The cause closest to the wire.
fn cause_of(status: &Status) -> String {
    let last = std::iter::successors(status.source(), |error| (*error).source()).last();
    last.map_or_else(|| status.message().to_owned(), ToString::to_string)
}
