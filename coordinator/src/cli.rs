//! The command line, whose flags are the keys of [`crate::config::KEYS`].
//!
//! A server prints one line to stdout when it is ready, `ready: URL`; everything else that it says
//! goes to stderr. Exit codes: 0, 1 for what went wrong, 2 for a command line that cannot be.

mod add;
mod arguments;
mod certificates;
mod check;
mod demo;
mod describe;
mod error;
mod import;
mod progress;
mod query;
mod serve;
mod shutdown;
mod worker;

use std::io::{IsTerminal, Write};
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use ::worker::memory::Budget;
use ::worker::{Front, Identity};
use catalog::import::FelisChoice;
use clap::error::ErrorKind;
use tokio::signal::unix::{SignalKind, signal};
use tracing_subscriber::EnvFilter;

use crate::config::{Bytes, Command, Directives, Settings};
use crate::engine::EngineConfig;
use arguments::Arguments;

pub use arguments::command_line;
pub use error::Error;

/// Threads that speak with other nodes: they are idle but for encryption.
const FRONT_THREADS: usize = 2;

/// Sent to a process whose file would become larger than it may, by signal(7).
const SIGXFSZ: i32 = 25;

/// Runs the command that the arguments of this process name.
pub fn main() -> ExitCode {
    let arguments = match Arguments::parse(std::env::args_os()) {
        Ok(arguments) => arguments,
        Err(error) => {
            let code = match error.kind() {
                ErrorKind::DisplayHelp | ErrorKind::DisplayVersion => 0,
                _ => 2,
            };
            // A closed stdout or stderr leaves nobody to tell.
            let _told = error.print();
            return ExitCode::from(code);
        }
    };
    match run(arguments) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            let _told = writeln!(std::io::stderr(), "armilla: {}", error.with_causes());
            ExitCode::from(if error.is_usage() { 2 } else { 1 })
        }
    }
}

fn run(arguments: Arguments) -> Result<(), Error> {
    let Arguments { command, file, flags, text, inputs, paths } = arguments;
    let variables = std::env::vars_os()
        .filter_map(|(name, value)| Some((name.into_string().ok()?, value.into_string().ok()?)));
    let settings = Settings::read(command, file.as_deref().map(Path::new), variables, flags)?;
    log_to_stderr(&settings)?;
    for variable in settings.unknown_variables() {
        tracing::warn!(variable, "environment variable sets nothing");
    }
    tracing::info!(%command, %settings, "starting");
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build();
    let runtime = runtime.map_err(Error::Runtime)?;
    let front = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(FRONT_THREADS)
        .thread_name("front")
        .enable_all()
        .build()
        .map_err(Error::Runtime)?;
    let at_front = Front::on(front.handle().clone());
    let ended = runtime.block_on(async {
        outlive_limits_of_files()?;
        match command {
            Command::Serve | Command::Coordinator => serve::run(command, &settings, at_front).await,
            Command::Worker => worker::run(&settings, at_front).await,
            Command::Query => query::run(&settings, &text).await,
            Command::Explain => query::explain(&settings, &text).await,
            Command::Import => import::run(&settings, inputs).await,
            Command::Add => add::run(&settings, &text).await,
            Command::Check => check::run(&settings, paths).await,
            Command::Describe => describe::run(&settings, &text).await,
            Command::Certificates => certificates::run(&settings),
        }
    });
    // Work that nobody waits for any more ends with the process.
    runtime.shutdown_background();
    front.shutdown_background();
    ended
}

/// Makes a write beyond a limit of file sizes (`ulimit -f`) an error: without a handler, the system
/// ends the process without a word.
fn outlive_limits_of_files() -> Result<(), Error> {
    let limit = SignalKind::from_raw(SIGXFSZ);
    // The handler stays when nobody listens any more.
    signal(limit).map(drop).map_err(Error::Runtime)
}

fn log_to_stderr(settings: &Settings) -> Result<(), Error> {
    let Directives(directives) = settings.require("log")?;
    let colors = std::io::stderr().is_terminal();
    tracing_subscriber::fmt()
        .with_env_filter(EnvFilter::new(directives))
        .with_writer(std::io::stderr)
        .with_ansi(colors)
        .init();
    Ok(())
}

/// The engine that the settings describe, without workers.
fn engine_config(settings: &Settings) -> Result<EngineConfig, Error> {
    let mut config = EngineConfig::embedded(settings.require::<String>("data")?);
    config.budget = budget(settings)?;
    config.prune = settings.require("prune")?;
    config.metadata = settings.get("metadata")?;
    config.names = settings.get("name_resolver")?;
    Ok(config)
}

/// The Felis file that describes a table.
fn felis(settings: &Settings) -> Result<Option<FelisChoice>, Error> {
    let path = settings.get::<PathBuf>("felis")?;
    let table = settings.get("felis_table")?;
    Ok(path.map(|path| FelisChoice { path, table }))
}

/// How this node proves who it is to others; none where it need not.
fn identity(settings: &Settings) -> Result<Option<Identity>, Error> {
    let given = |key| settings.get::<PathBuf>(key);
    if given("tls_ca")?.or(given("tls_certificate")?).or(given("tls_key")?).is_none() {
        return Ok(None);
    }
    let (ca, certificate): (PathBuf, PathBuf) =
        (settings.require("tls_ca")?, settings.require("tls_certificate")?);
    let key: PathBuf = settings.require("tls_key")?;
    Ok(Some(Identity::read(&ca, &certificate, &key)?))
}

/// What the queries of this process may use.
fn budget(settings: &Settings) -> Result<Budget, Error> {
    let memory = settings.get("memory")?.map(|Bytes(bytes)| bytes);
    let mut budget = Budget::of(memory.unwrap_or_else(::worker::session::default_memory_bytes));
    if let Some(Bytes(bytes)) = settings.get("query_memory")? {
        budget.query_bytes = bytes;
    }
    budget.spill = settings.get::<PathBuf>("spill")?;
    let Bytes(spill) = settings.require("spill_bytes")?;
    budget.spill_bytes = spill as u64;
    Ok(budget)
}

/// Tells whoever started this server, on a line of its own, at once.
fn announce(what: &str, url: &str) -> Result<(), Error> {
    let mut stdout = std::io::stdout().lock();
    writeln!(stdout, "{what}: {url}").and_then(|()| stdout.flush()).map_err(Error::Output)
}

async fn listen(address: &str) -> Result<tokio::net::TcpListener, Error> {
    let listener = tokio::net::TcpListener::bind(address).await;
    listener.map_err(|source| Error::Listen { address: address.to_owned(), source })
}

/// The address that a listener has, its port known.
fn address(listener: &tokio::net::TcpListener) -> Result<String, Error> {
    listener.local_addr().map(|address| address.to_string()).map_err(Error::Runtime)
}
