//! `serve` and `coordinator`: the TAP service, with its engine in this process or over workers.

use adql::Schemas;
use url::Url;

use crate::Engine;
use crate::cli::shutdown::until_signal;
use crate::cli::{Error, address, announce, demo, engine_config, listen};
use crate::config::{Command, Rows, Settings, Urls};
use crate::tap::{PATH, RowLimits, Service, router};

pub(super) async fn run(command: Command, settings: &Settings) -> Result<(), Error> {
    let mut config = engine_config(settings)?;
    if command == Command::Coordinator {
        Urls(config.workers) = settings.require("workers")?;
    }
    let Rows(default) = settings.require("default_rows")?;
    let Rows(hard) = settings.require("max_rows")?;
    let public_url: Option<Url> = settings.get("public_url")?;
    // The port first: that it is taken should not be told after minutes of reading tables.
    let listener = listen(&settings.require::<String>("listen")?).await?;
    if command == Command::Serve {
        demo::make_where_empty(settings).await?;
    }
    let engine = Engine::open(&config).await?;
    let tables = engine.snapshot().tables().len();
    tracing::info!(tables, workers = config.workers.len(), "serving");
    let service = Service::new(engine, RowLimits { default, hard }, public_url);
    announce("ready", &format!("http://{}{PATH}", address(&listener)?))?;
    until_signal(|shutdown| async {
        axum::serve(listener, router(service))
            .with_graceful_shutdown(shutdown.begun())
            .await
            .map_err(Error::Serve)
    })
    .await
}
