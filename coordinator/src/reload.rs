//! A new snapshot in the place of the one that is served, while queries run.
//!
//! ```text
//! asked → read the tables → workers copy their tiles → new queries see the snapshot
//!              │ cannot             │ asked again            queries that run end on the former
//!              └── the former one is served on, and the log says why
//! ```
//!
//! One reload runs at a time; whatever is asked while tables are read leads to one more. Where a
//! snapshot waits for workers, the next takes its place.

use std::path::PathBuf;
use std::sync::Arc;

use catalog::Snapshot;
use datafusion::error::DataFusionError;
use tokio::sync::Notify;

use crate::engine::EngineConfig;
use crate::error::with_causes;
use crate::process::Process;
use crate::tap::Serving;
use crate::{Engine, Error};

/// What is read anew, and where it is served.
#[derive(Debug)]
pub struct Reload {
    /// Where the tables are, and what is said of them.
    pub config: EngineConfig,
    /// What the new engine shares with the former one.
    pub process: Process,
    /// Where new queries find their engine.
    pub serving: Serving,
    /// The folder of the placement, where there are workers.
    pub state: PathBuf,
}

impl Reload {
    /// Reads the tables each time that it is asked for, until it is dropped.
    pub async fn run(self, asked: Arc<Notify>) {
        let mut next: Option<Engine> = None;
        loop {
            tokio::select! {
                () = asked.notified() => match self.read().await {
                    Ok(engine) => next = Some(engine),
                    Err(error) => self.failed(&error),
                },
                () = ready(next.as_ref()) => if let Some(engine) = next.take() {
                    self.serve(engine);
                },
            }
        }
    }

    /// An engine on the tables as they are now.
    async fn read(&self) -> Result<Engine, Error> {
        tracing::info!("reading the tables anew");
        let snapshot = self.config.snapshot().await?;
        let (process, state) = (self.process.clone(), self.state.clone());
        let served = self.serving.engine();
        // What many workers are to hold of many tiles takes a while to tell.
        let prepare = move || prepared(&served, snapshot, &process, &state);
        let prepared = tokio::task::spawn_blocking(prepare).await;
        prepared
            .map_err(|error| Error::Execution(DataFusionError::ExecutionJoin(Box::new(error))))?
    }

    fn failed(&self, error: &Error) {
        self.process.reloaded(false);
        let engine = self.serving.engine();
        let (snapshot, error) = (engine.snapshot().number(), with_causes(error));
        tracing::error!(
            snapshot,
            "cannot read the tables anew, and serves them as before: {error}"
        );
    }

    /// New queries go to this engine from now on.
    fn serve(&self, engine: Engine) {
        let former = self.serving.engine();
        let (snapshot, before) = (engine.snapshot(), former.snapshot());
        let changes = snapshot.changes_since(before);
        let (tables, number) = (snapshot.tiled_tables().len(), snapshot.number());
        let before = before.number();
        self.process.reloaded(true);
        self.serving.replace(engine);
        tracing::info!(snapshot = number, before, tables, "serving the tables anew: {changes}");
    }
}

/// An engine on a snapshot that has the workers of the one that is served.
fn prepared(
    served: &Engine,
    snapshot: Arc<Snapshot>,
    process: &Process,
    state: &std::path::Path,
) -> Result<Engine, Error> {
    let next = served.cluster().map(|cluster| cluster.next(Arc::clone(&snapshot), state));
    let cluster = next.transpose()?.map(Arc::new);
    if cluster.is_some() {
        let (number, before) = (snapshot.number(), served.snapshot().number());
        tracing::info!(
            snapshot = number,
            "workers copy what is new; {before} is served until then"
        );
    }
    Engine::on(snapshot, process, cluster)
}

/// Done when an engine can be used; never without one.
async fn ready(next: Option<&Engine>) {
    let Some(next) = next else { return std::future::pending().await };
    let Some(cluster) = next.cluster() else { return };
    while let Err(error) = cluster.ready().await {
        // It has waited a while each time.
        tracing::warn!(snapshot = next.snapshot().number(), "not served yet: {error}");
    }
}
