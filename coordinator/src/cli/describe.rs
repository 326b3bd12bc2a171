//! `armilla describe`: what is wrong or missing in what is said of a table, and its `table.toml`.

use std::io::Write as _;
use std::path::PathBuf;

use catalog::Location;
use catalog::describe::{Description, Finding, Severity, describe};
use catalog::import::FelisChoice;

use crate::cli::{Error, felis};
use crate::config::Settings;

/// Things of one kind that are named before they are only counted.
const NAMED_MAX: usize = 100;

/// Describes the table, writing the file first where that is wanted.
pub(super) async fn run(settings: &Settings, table: &str) -> Result<(), Error> {
    let location: Location = table.parse().map_err(Error::Describe)?;
    let overlay: Option<PathBuf> = settings.get("metadata")?;
    let felis: Option<FelisChoice> = felis(settings)?;
    let described = describe(&location, felis.as_ref(), overlay.as_deref()).await;
    let mut description = described.map_err(Error::Describe)?;
    let is_written = settings.require("write")?;
    if is_written {
        description.write().map_err(Error::Describe)?;
    }
    let findings = description.review().await;
    tell(&description, is_written, &findings)?;
    let errors = count(&findings, Severity::Error);
    if errors == 0 {
        return Ok(());
    }
    Err(Error::Misdescribed { file: description.file.display().to_string(), errors })
}

fn count(findings: &[Finding], severity: Severity) -> usize {
    findings.iter().filter(|finding| finding.severity == severity).count()
}

fn tell(description: &Description, is_written: bool, findings: &[Finding]) -> Result<(), Error> {
    let file = description.file.display();
    let mut text = Vec::new();
    if is_written {
        text.push(format!("written: {file}"));
    }
    text.extend(description.remarks.iter().map(|remark| format!("note: {remark}")));
    for (severity, word) in
        [(Severity::Error, "error"), (Severity::Warning, "warning"), (Severity::Missing, "missing")]
    {
        let of_kind = || findings.iter().filter(|finding| finding.severity == severity);
        for finding in of_kind().take(NAMED_MAX) {
            let place = finding.line.map_or_else(String::new, |line| format!("{file}:{line}: "));
            text.push(format!("{place}{word}: {}", finding.message));
        }
        let more = of_kind().count().saturating_sub(NAMED_MAX);
        if more > 0 {
            text.push(format!("{word}: {more} more"));
        }
    }
    text.push(format!(
        "{}: {} errors, {} warnings, {} missing",
        description.name(),
        count(findings, Severity::Error),
        count(findings, Severity::Warning),
        count(findings, Severity::Missing)
    ));
    let mut stdout = std::io::stdout().lock();
    writeln!(stdout, "{}", text.join("\n")).map_err(Error::Output)
}
