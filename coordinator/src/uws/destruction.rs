//! Destroys jobs when their time has come (UWS 1.1 §2.1.5), one that came while nobody served too.

use std::convert::Infallible;
use std::time::Duration;

use crate::uws::{Error, Jobs, Moment};

/// The clock of the system may be set; it is looked at so often.
const LONGEST: Duration = Duration::from_secs(600);

/// After a failure of the database it is asked again so soon.
const RETRY: Duration = Duration::from_secs(10);

/// Destroys what is due, for ever.
pub(super) async fn run(jobs: &Jobs) -> Infallible {
    loop {
        let pause = match destroy_due(jobs).await {
            Ok(pause) => pause,
            Err(error) => {
                tracing::error!(%error, "cannot destroy the jobs whose time has come");
                RETRY
            }
        };
        tokio::select! {
            () = tokio::time::sleep(pause.min(LONGEST)) => {}
            () = jobs.0.destructions.notified() => {}
        }
    }
}

/// Destroys what is due; the time until the next is.
async fn destroy_due(jobs: &Jobs) -> Result<Duration, Error> {
    while let Some((id, due)) = jobs.0.store.next_destruction().await? {
        if due > Moment::now() {
            return Ok(due.from_now());
        }
        match jobs.destroy(id).await {
            // Its owner was faster.
            Ok(()) | Err(Error::NoSuchJob) => {}
            Err(error) => return Err(error),
        }
    }
    Ok(LONGEST)
}
