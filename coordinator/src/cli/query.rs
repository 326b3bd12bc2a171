//! `query` and `explain`: one query, its answer on stdout.

use std::io::{ErrorKind, Read, Write};
use std::str::FromStr;
use std::sync::{Arc, Mutex, PoisonError};

use datafusion::execution::SendableRecordBatchStream;
use datafusion::physical_plan::stream::RecordBatchStreamAdapter;
use futures::StreamExt;

use crate::Engine;
use crate::cli::{Error, engine_config};
use crate::config::{Rows, Settings};
use crate::engine::QueryOptions;
use crate::format::{Document, Format, Info, Requested, encode};
use crate::tap::SOFTWARE;

/// A format by its name on the command line.
struct Named(Format);

impl FromStr for Named {
    type Err = ();

    fn from_str(name: &str) -> Result<Self, Self::Err> {
        Requested::parse(name).map(|requested| Self(requested.format)).ok_or(())
    }
}

/// Runs a query and writes its rows.
pub(super) async fn run(settings: &Settings, adql: &str) -> Result<(), Error> {
    let Named(format) = settings.require("format")?;
    let max_rows = settings.get("maxrec")?.map(|Rows(rows)| rows);
    let engine = Engine::open(&engine_config(settings)?).await?;
    let adql = text(adql)?;
    let result = engine.query(&adql, QueryOptions { maxrec: max_rows, duration: None }).await?;
    let about = vec![Info::new("QUERY", adql), Info::new("server_software", SOFTWARE)];
    let infos = [about, result.origins].concat();
    let document = Document { columns: result.columns, infos, max_rows };
    let failure = Arc::new(Mutex::new(None));
    let rows = watched(result.stream, Arc::clone(&failure));
    let mut chunks = std::pin::pin!(encode(format, document, rows));
    let mut stdout = std::io::stdout().lock();
    while let Some(chunk) = chunks.next().await {
        match stdout.write_all(&chunk?) {
            Ok(()) => {}
            // Whoever reads has seen enough, as `head` does.
            Err(error) if error.kind() == ErrorKind::BrokenPipe => return Ok(()),
            Err(error) => return Err(Error::Output(error)),
        }
    }
    stdout.flush().map_err(Error::Output)?;
    let failure = failure.lock().unwrap_or_else(PoisonError::into_inner).take();
    failure.map_or(Ok(()), |message| Err(Error::Incomplete(message)))
}

/// Notes the error of a stream, which a document may tell of without the program noticing.
fn watched(
    stream: SendableRecordBatchStream,
    failure: Arc<Mutex<Option<String>>>,
) -> SendableRecordBatchStream {
    let schema = stream.schema();
    let watched = stream.inspect(move |batch| {
        if let Err(error) = batch {
            let mut failure = failure.lock().unwrap_or_else(PoisonError::into_inner);
            *failure = Some(error.strip_backtrace());
        }
    });
    Box::pin(RecordBatchStreamAdapter::new(schema, watched))
}

/// Tells what a query would touch.
pub(super) async fn explain(settings: &Settings, adql: &str) -> Result<(), Error> {
    let analyze = settings.require("analyze")?;
    let engine = Engine::open(&engine_config(settings)?).await?;
    let told = engine.explain(&text(adql)?, analyze).await?;
    writeln!(std::io::stdout(), "{}", told.trim_end()).map_err(Error::Output)
}

/// The query, from stdin where the argument is `-`.
fn text(argument: &str) -> Result<String, Error> {
    if argument != "-" {
        return Ok(argument.to_owned());
    }
    let mut text = String::new();
    std::io::stdin().read_to_string(&mut text).map_err(Error::Input)?;
    Ok(text)
}
