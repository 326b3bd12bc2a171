//! `worker`: a node that holds its share of the tiles and executes tasks on them.

use std::path::PathBuf;

use indicatif::{ProgressBar, ProgressStyle};
use url::Url;
use worker::replicate::Progress;
use worker::{Worker, WorkerConfig};

use crate::cli::shutdown::{Shutdown, until_signal};
use crate::cli::{Error, address, announce, listen};
use crate::config::{Bytes, Settings, Urls};
use crate::tap::metrics_router;

pub(super) async fn run(settings: &Settings) -> Result<(), Error> {
    let Urls(workers) = settings.require("workers")?;
    let data: PathBuf = settings.require("data")?;
    let origin: String = settings.require("origin")?;
    let fallback = settings.require("fallback")?;
    let memory = settings.get("memory")?.map(|Bytes(bytes)| bytes);
    // The ports first: that one is taken should not be told after an hour of copying.
    let listener = listen(&settings.require::<String>("listen")?).await?;
    worker::transport::refuse_open_port(&listener)?;
    let metrics = match settings.get::<String>("metrics")? {
        Some(address) => Some(listen(&address).await?),
        None => None,
    };
    let url = match settings.get::<Url>("url")? {
        Some(url) => url,
        None => own_url(&listener)?,
    };
    let config = WorkerConfig {
        data,
        origin,
        url: url.clone(),
        workers,
        fallback,
        memory_bytes: memory.unwrap_or_else(worker::session::default_memory_bytes),
        identity: None,
    };
    let worker = prepare(&config).await?;
    if let Some(metrics) = &metrics {
        announce("metrics", &format!("http://{}/metrics", address(metrics)?))?;
    }
    announce("ready", url.as_str().trim_end_matches('/'))?;
    until_signal(|shutdown| async move {
        let counters = worker.counters();
        let tasks = worker.serve(listener, axum::Router::new(), shutdown.clone().begun());
        let Some(metrics) = metrics else { return Ok(tasks.await?) };
        tokio::select! {
            ended = tasks => Ok(ended?),
            ended = serve_metrics(metrics, counters, shutdown) => ended,
        }
    })
    .await
}

fn own_url(listener: &tokio::net::TcpListener) -> Result<Url, Error> {
    let address = listener.local_addr().map_err(Error::Runtime)?;
    let url = worker::distributed::worker_url(address);
    url.map_err(|_| Error::Url { address: address.to_string() })
}

/// Copies the worker's tiles, with a bar where people look on.
async fn prepare(config: &WorkerConfig) -> Result<Worker, Error> {
    let bar = ProgressBar::new(0).with_style(style());
    let worker = Worker::prepare(config, &|progress: Progress| {
        bar.set_length(progress.bytes_total);
        bar.set_position(progress.bytes);
        bar.set_message(format!("{} of {} tiles", progress.tiles, progress.tiles_total));
    })
    .await?;
    let (message, bytes) = (bar.message(), bar.position());
    bar.finish_and_clear();
    tracing::info!(tiles = message, bytes, folder = %config.data.display(), "tiles are here");
    Ok(worker)
}

fn style() -> ProgressStyle {
    ProgressStyle::with_template("copying {msg} {wide_bar} {bytes}/{total_bytes} {eta}")
        .unwrap_or_else(|_| ProgressStyle::default_bar())
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
