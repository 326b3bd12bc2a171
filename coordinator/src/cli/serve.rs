//! `serve` and `coordinator`: the TAP service, with its engine in this process or over workers.

use std::num::NonZeroUsize;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use adql::Schemas;
use axum::serve::{Listener, ListenerExt as _};
use datafusion::common::runtime::SpawnedTask;
use tokio::net::TcpListener;
use tokio::signal::unix::{SignalKind, signal};
use tokio::sync::Notify;
use url::Url;
use worker::{Channels, Front};

use crate::Engine;
use crate::cli::shutdown::until_signal;
use crate::cli::{Error, address, announce, demo, engine_config, identity, listen};
use crate::cluster::{Cluster, ClusterConfig};
use crate::config::{self, Bytes, BytesOrNone, Command, Rows, Settings, Urls};
use crate::process::Process;
use crate::reload::Reload;
use crate::tap::{PATH, RowLimits, Service, router};
use crate::uploads::{UploadLimits, UploadStore};
use crate::uws::{INPUTS, JobLimits, Jobs, Seconds};

/// As many jobs may wait. Each wait longer than the one before; a client that is told to come
/// again is served better than one in a queue of days.
const QUEUED_MAX: u32 = 1000;

/// As many jobs may be kept: a bound on what anonymous users can fill the disk with.
const KEPT_MAX: u32 = 100_000;

/// A job waits so long before it runs again on what is left, when it lost a worker: a worker that
/// starts again has a minute and a half.
const RETRY_WAITS: [Duration; 4] = [
    Duration::from_secs(1),
    Duration::from_secs(4),
    Duration::from_secs(16),
    Duration::from_secs(64),
];

pub(super) async fn run(command: Command, settings: &Settings, front: Front) -> Result<(), Error> {
    // First: it must not end a service that is starting.
    let (asked, _hearing) = hangups()?;
    let config = engine_config(settings)?;
    let cluster_config = match command {
        Command::Coordinator => Some(cluster_config(settings, front.clone())?),
        _ => None,
    };
    let Rows(default) = settings.require("default_rows")?;
    let Rows(hard) = settings.require("max_rows")?;
    let config::Duration(query_seconds) = settings.require("query_duration")?;
    let Bytes(part_bytes) = settings.require("part_bytes")?;
    let public_url: Option<Url> = settings.get("public_url")?;
    // The port first: that it is taken should not be told after minutes of reading tables.
    let listener = listen(&settings.require::<String>("listen")?).await?;
    let listener = front.adopt(listener).await.map_err(Error::Serve)?;
    if command == Command::Serve {
        demo::make_where_empty(settings).await?;
    }
    let snapshot = config.snapshot().await?;
    // Last, so that a wrong data folder leaves no state folder behind.
    let jobs = open_jobs(settings).await?;
    let state: PathBuf = settings.require("state")?;
    let process = Process::new(&config)?;
    let cluster = match &cluster_config {
        Some((config, channels)) => {
            let channels = channels.clone();
            let cluster = Cluster::open(config, Arc::clone(&snapshot), &state, channels)?;
            cluster.ready().await?;
            Some(Arc::new(cluster))
        }
        None => None,
    };
    let engine = Engine::on(snapshot, &process, cluster)?;
    let tables = engine.snapshot().tables().len();
    let workers = engine.cluster().map_or(0, |cluster| cluster.workers().count());
    tracing::info!(tables, workers, "serving");
    let service = Service::new(engine, RowLimits { default, hard }, jobs.clone())
        .with_public_url(public_url)
        .with_query_duration(Duration::from_secs(query_seconds.into()))
        .with_part_bytes(part_bytes as u64)
        .with_uploads(uploads(settings)?)
        .with_listed_jobs(settings.require("list_jobs")?);
    let work = service.work();
    let reload = Reload { config, process, serving: service.serving(), state };
    let _reloading = SpawnedTask::spawn(reload.run(asked));
    announce("ready", &format!("http://{}{PATH}", address(&listener)?))?;
    until_signal(|shutdown| async move {
        let executing = async {
            jobs.execute(work, shutdown.clone().begun()).await;
            Ok(())
        };
        let server = axum::serve(at_once(listener), router(service))
            .with_graceful_shutdown(shutdown.clone().begun());
        let serving = front.run(async { server.await.map_err(Error::Serve) });
        tokio::try_join!(serving, executing).map(|((), ())| ())
    })
    .await
}

/// Tells of each SIGHUP; those that nobody has come to are one. The task hears them.
fn hangups() -> Result<(Arc<Notify>, SpawnedTask<()>), Error> {
    let mut hangups = signal(SignalKind::hangup()).map_err(Error::Runtime)?;
    let asked = Arc::new(Notify::new());
    let heard = Arc::clone(&asked);
    let hearing = async move {
        while hangups.recv().await.is_some() {
            heard.notify_one();
        }
    };
    Ok((asked, SpawnedTask::spawn(hearing)))
}

/// The workers, and how they are reached.
fn cluster_config(settings: &Settings, front: Front) -> Result<(ClusterConfig, Channels), Error> {
    let Urls(workers) = settings.require("workers")?;
    let replicas: NonZeroUsize = settings.require("replicas")?;
    let BytesOrNone(small_table_bytes) = settings.require("small_table")?;
    let channels = Channels::new(identity(settings)?).on(front);
    let config = ClusterConfig { workers, replicas: replicas.get(), small_table_bytes };
    Ok((config, channels))
}

/// Connections that send what they have: the end of a small answer would otherwise wait 40 ms for
/// the acknowledgement of its beginning (Nagle's algorithm against delayed ACKs).
fn at_once(listener: TcpListener) -> impl Listener<Addr = std::net::SocketAddr> {
    listener.tap_io(|connection| {
        if let Err(error) = connection.set_nodelay(true) {
            tracing::debug!(%error, "answers on this connection are sent with delay");
        }
    })
}

/// Where queries may bring tables, if they may.
fn uploads(settings: &Settings) -> Result<Option<UploadStore>, Error> {
    let BytesOrNone(bytes) = settings.require("upload_bytes")?;
    let Rows(rows) = settings.require("upload_rows")?;
    let private_urls = settings.require("upload_private_urls")?;
    let limits = UploadLimits { bytes, rows, private_urls };
    let folder = settings.require::<PathBuf>("state")?.join(INPUTS);
    let store = (bytes > 0).then(|| UploadStore::new(folder, limits));
    Ok(store.transpose()?)
}

/// The jobs in the state folder.
async fn open_jobs(settings: &Settings) -> Result<Jobs, Error> {
    let seconds = |default, hard| -> Result<Seconds, Error> {
        let (config::Duration(default), config::Duration(hard)) =
            (settings.require(default)?, settings.require(hard)?);
        Ok(Seconds::new(default, hard))
    };
    let cores = || std::thread::available_parallelism().unwrap_or(NonZeroUsize::MIN);
    let Bytes(results_bytes) = settings.require("results_bytes")?;
    let limits = JobLimits {
        executing_max: settings.get("async_jobs")?.unwrap_or_else(cores).get(),
        queued_max: QUEUED_MAX,
        kept_max: KEPT_MAX,
        execution: seconds("execution_duration", "max_execution_duration")?,
        retention: seconds("retention_period", "max_retention_period")?,
        results_bytes_max: results_bytes as u64,
        retry_waits: &RETRY_WAITS,
    };
    let folder: PathBuf = settings.require("state")?;
    let jobs = Jobs::open(&folder, limits).await?;
    tracing::info!(folder = %folder.display(), jobs = jobs.count().await?, "jobs are kept here");
    Ok(jobs)
}
