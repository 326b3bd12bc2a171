//! Counts the calls of queries that are open on a worker: what is running or left behind.
//!
//! `datafusion-distributed` keeps a task until the coordinator closes its channel, but drops what
//! belongs to it when its cache happens to be tidied, which may be never on an idle worker. So
//! calls are counted at the edge: one for the channel of each task, and one for each stream of its
//! rows.

use std::sync::Arc;

use axum::Router;
use axum::body::Body;
use axum::extract::Request;
use axum::middleware::{self, Next};
use http_body_util::BodyExt as _;

use crate::Counters;
use crate::counters::RunningTask;

/// The method whose request lasts as long as a task.
const CHANNEL: &str = "/CoordinatorChannel";

/// The method whose answer lasts as long as rows are read from a task.
const ROWS: &str = "/ExecuteTask";

/// The routes of the service of tasks, with their calls counted.
pub fn counted(tasks: Router, counters: &Arc<Counters>) -> Router {
    let counters = Arc::clone(counters);
    tasks.layer(middleware::from_fn(move |mut request: Request, next: Next| {
        let counters = Arc::clone(&counters);
        async move {
            let method = request.uri().path();
            if method.ends_with(ROWS) {
                let running = counters.running_task();
                return next.run(request).await.map(|rows| while_open(rows, running));
            }
            if method.ends_with(CHANNEL) {
                request = request.map(|body| while_open(body, counters.running_task()));
            }
            next.run(request).await
        }
    }))
}

/// The same body, with which a call ends.
fn while_open(body: Body, running: RunningTask) -> Body {
    Body::new(body.map_frame(move |frame| {
        let _until_the_body_is_dropped = &running;
        frame
    }))
}
