//! The orderly end of a server: no new requests, and a while for those that run.

use std::future::Future;
use std::time::Duration;

use tokio::signal::unix::{SignalKind, signal};
use tokio::sync::watch;

use crate::cli::Error;

/// Answers that run have so long to end after the signal.
const DRAIN: Duration = Duration::from_secs(10);

/// Tells servers to end.
#[derive(Debug, Clone)]
pub(crate) struct Shutdown(watch::Receiver<bool>);

impl Shutdown {
    /// Done when servers are to end.
    pub(crate) async fn begun(mut self) {
        // The sender goes only with the process.
        let _told = self.0.wait_for(|begun| *begun).await;
    }
}

/// Runs servers until they end, or until SIGINT or SIGTERM; then they have [`DRAIN`] to end by
/// themselves.
pub(crate) async fn until_signal<F>(servers: impl FnOnce(Shutdown) -> F) -> Result<(), Error>
where
    F: Future<Output = Result<(), Error>>,
{
    let mut interrupt = signal(SignalKind::interrupt()).map_err(Error::Runtime)?;
    let mut terminate = signal(SignalKind::terminate()).map_err(Error::Runtime)?;
    let (sender, receiver) = watch::channel(false);
    let drained = async {
        let name = tokio::select! {
            _ = interrupt.recv() => "SIGINT",
            _ = terminate.recv() => "SIGTERM",
        };
        tracing::info!(signal = name, drain_seconds = DRAIN.as_secs(), "stopping");
        sender.send_replace(true);
        tokio::time::sleep(DRAIN).await;
        tracing::warn!("some answers were cut short");
    };
    tokio::select! {
        ended = servers(Shutdown(receiver)) => ended,
        () = drained => Ok(()),
    }
}
