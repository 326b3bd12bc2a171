//! `armilla check`: settings to options, progress to a bar or lines, and the findings to stdout.

use std::io::Write as _;
use std::path::PathBuf;
use std::time::Instant;

use catalog::Location;
use catalog::check::{CheckOptions, CheckProgress, CheckStep, TableReport, check};
use indicatif::{HumanBytes, HumanCount};

use crate::cli::Error;
use crate::cli::progress::Display;
use crate::config::{Bytes, Settings};

/// What was found at a location.
struct Checked {
    location: String,
    found: Result<Vec<TableReport>, catalog::Error>,
}

/// Checks the tables of all paths.
pub(super) async fn run(settings: &Settings, paths: Vec<String>) -> Result<(), Error> {
    let paths = if paths.is_empty() { vec![settings.require("data")?] } else { paths };
    let options = options(settings)?;
    let start = Instant::now();
    let runtime = tokio::runtime::Handle::current();
    let checking = tokio::task::spawn_blocking(move || {
        let display = Display::new(start);
        let checked = paths.into_iter().map(|location| {
            let found = location.parse::<Location>().and_then(|location| {
                check(&location, &options, &runtime, &|progress| show(&display, &progress))
            });
            Checked { location, found }
        });
        let checked: Vec<Checked> = checked.collect();
        display.finish();
        checked
    });
    let checked = checking.await.map_err(|e| Error::Runtime(std::io::Error::other(e)))?;
    tell(&checked)
}

fn options(settings: &Settings) -> Result<CheckOptions, Error> {
    let mut options = CheckOptions::default();
    // Half of the machine is what queries take; a check goes on beside them.
    let memory = settings.get("memory")?.map(|Bytes(bytes)| bytes);
    let memory = memory.unwrap_or_else(|| ::worker::session::default_memory_bytes() / 2);
    options.memory_bytes = memory as u64;
    if let Some(threads) = settings.get::<usize>("threads")? {
        if threads == 0 {
            return Err(settings.wrong("threads").into());
        }
        options.threads = threads;
    }
    options.findings_max = settings.require("findings")?;
    if let Some(folder) = settings.get::<PathBuf>("spill")? {
        options.scratch = folder;
    }
    Ok(options)
}

fn show(display: &Display, progress: &CheckProgress<'_>) {
    let CheckProgress { table, step, done, total } = *progress;
    let what = match step {
        CheckStep::Rows => "rows",
        CheckStep::Margins => "margins",
        CheckStep::Ids => "ids",
    };
    display.show(what, (done, total), |_| match step {
        CheckStep::Rows => format!("{} of {} of {table}", HumanBytes(done), HumanBytes(total)),
        CheckStep::Margins => format!("{done} of {total} tiles of {table}"),
        CheckStep::Ids => format!("{done} of {total} columns of {table}"),
    });
}

fn tell(checked: &[Checked]) -> Result<(), Error> {
    let (mut text, mut wrong, mut all) = (Vec::new(), 0, 0);
    for Checked { location, found } in checked {
        let reports = match found {
            Ok(reports) => reports,
            Err(error) => {
                (wrong, all) = (wrong + 1, all + 1);
                text.push(format!("{location}: cannot be checked: {error}"));
                continue;
            }
        };
        for report in reports {
            all += 1;
            wrong += usize::from(!report.is_good());
            text.extend(lines(report));
        }
    }
    let mut stdout = std::io::stdout().lock();
    writeln!(stdout, "{}", text.join("\n")).map_err(Error::Output)?;
    if wrong > 0 { Err(Error::Wrong { tables: wrong, checked: all }) } else { Ok(()) }
}

/// What is told of a table: each finding, how many are not told, and all in one line.
fn lines(report: &TableReport) -> Vec<String> {
    let mut lines = Vec::new();
    for kind in report.findings.chunk_by(|a, b| a.kind == b.kind) {
        let weight = if kind[0].kind.is_remark() { "note" } else { "wrong" };
        lines.extend(kind.iter().map(|finding| format!("{weight}: {finding}")));
        if let Some(more) = report.more.get(&kind[0].kind) {
            let name = kind[0].kind.name();
            lines.push(format!("{weight}: {name}: and {} more", HumanCount(*more)));
        }
    }
    let verdict = if report.is_good() { "good" } else { "not as it should be" };
    lines.push(format!(
        "{}: {verdict}: {} rows, {} files, {}",
        report.name,
        HumanCount(report.rows),
        HumanCount(report.files),
        HumanBytes(report.bytes)
    ));
    lines
}
