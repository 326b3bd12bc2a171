//! `worker`: a node that holds its share of the tiles and executes tasks on them.

use url::Url;
use worker::{Front, NodeConfig, Worker, WorkerConfig};

use crate::cli::shutdown::{Shutdown, until_signal};
use crate::cli::{Error, address, announce, budget, identity, listen};
use crate::config::Settings;
use crate::tap::metrics_router;

pub(super) async fn run(settings: &Settings, front: Front) -> Result<(), Error> {
    let node = NodeConfig {
        data: settings.require("data")?,
        origin: settings.require("origin")?,
        fallback: settings.require("fallback")?,
    };
    let config = WorkerConfig {
        node,
        budget: budget(settings)?,
        identity: identity(settings)?,
        front: front.clone(),
    };
    let listener = listen(&settings.require::<String>("listen")?).await?;
    if config.identity.is_none() {
        worker::transport::refuse_open_port(&listener)?;
    }
    let metrics = match settings.get::<String>("metrics")? {
        Some(address) => Some(front.adopt(listen(&address).await?).await.map_err(Error::Runtime)?),
        None => None,
    };
    let url = own_url(&listener, config.identity.is_some())?;
    let worker = Worker::open(&config)?;
    if let Some(metrics) = &metrics {
        announce("metrics", &format!("http://{}/metrics", address(metrics)?))?;
    }
    announce("ready", url.as_str().trim_end_matches('/'))?;
    until_signal(|shutdown| async move {
        let counters = worker.counters();
        let tasks = worker.serve(listener, shutdown.clone().begun());
        let Some(metrics) = metrics else { return Ok(tasks.await?) };
        tokio::select! {
            ended = tasks => Ok(ended?),
            ended = front.run(serve_metrics(metrics, counters, shutdown)) => ended,
        }
    })
    .await
}

fn own_url(listener: &tokio::net::TcpListener, secure: bool) -> Result<Url, Error> {
    let address = listener.local_addr().map_err(Error::Runtime)?;
    let url = worker::distributed::worker_url(address, secure);
    url.map_err(|_| Error::Url { address: address.to_string() })
}

/// Serves the counters until the tasks have ended.
async fn serve_metrics(
    listener: tokio::net::TcpListener,
    counters: std::sync::Arc<worker::Counters>,
    shutdown: Shutdown,
) -> Result<(), Error> {
    let server = axum::serve(listener, metrics_router(counters));
    server.with_graceful_shutdown(shutdown.begun()).await.map_err(Error::Serve)?;
    // Tasks may still run: they decide on the end.
    std::future::pending().await
}
