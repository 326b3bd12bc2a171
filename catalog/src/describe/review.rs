//! What is wrong with a `table.toml`, what of the files' own words is wrong, and what nobody says.

use std::path::Path;

use adql::schema::written;
use adql::{Table, TableName, unit};
use toml_edit::{ImDocument, Item};

use super::{Description, columns_of};
use crate::metadata::{TableMetadata, ucd};

/// How bad it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Severity {
    /// It is wrong, and a person wrote it.
    Error,
    /// It is wrong, and the files say it.
    Warning,
    /// Nobody says it.
    Missing,
}

/// Something that a person should mend.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Finding {
    /// How bad it is.
    pub severity: Severity,
    /// The line of the file, where it is in one.
    pub line: Option<usize>,
    /// What it is.
    pub message: String,
}

/// Where keys are in a text.
struct Lines {
    text: String,
    document: Option<ImDocument<String>>,
}

impl Lines {
    fn new(text: &str) -> Self {
        Self { text: text.to_owned(), document: ImDocument::parse(text.to_owned()).ok() }
    }

    /// The line of what is reached by these keys and places, or of the nearest above it.
    fn of(&self, path: &[&str]) -> Option<usize> {
        let mut item: &Item = self.document.as_ref()?.as_item();
        let mut line = None;
        for step in path {
            let next = match step.parse::<usize>() {
                Ok(at) => item.get(at).or_else(|| item.get(step)),
                Err(_) => item.get(step),
            };
            let Some(next) = next else { break };
            // A value has the line of its key, which may be above it in a text of several lines.
            let key = item.as_table_like().and_then(|table| table.get_key_value(step));
            let span = key.and_then(|(key, _)| key.span()).or_else(|| next.span());
            let head = next.span().filter(|_| next.is_table());
            line = head.or(span).map(|span| self.at(span.start)).or(line);
            item = next;
        }
        line
    }

    fn at(&self, byte: usize) -> usize {
        self.text.get(..byte).unwrap_or_default().matches('\n').count() + 1
    }
}

fn wrong(line: Option<usize>, message: impl Into<String>) -> Finding {
    Finding { severity: Severity::Error, line, message: message.into() }
}

/// Everything but keys to other tables.
pub(super) fn review(description: &Description) -> Vec<Finding> {
    let Description { file, text, table, known, .. } = description;
    let Some(text) = text else {
        let message = format!("there is no {}: write it by --write", file.display());
        let none = Finding { severity: Severity::Missing, line: None, message };
        return [vec![none], of_all(table, known, &TableMetadata::default())].concat();
    };
    let lines = Lines::new(text);
    let metadata = match TableMetadata::parse("", text) {
        Ok(metadata) => metadata,
        Err(error) => {
            let message = error.to_string();
            let message = message.trim_start_matches(": ");
            let place = message.strip_prefix("line ").and_then(|rest| rest.split_once(": "));
            let place = place.and_then(|(line, said)| Some((line.parse().ok()?, said)));
            return match place {
                Some((line, said)) => vec![wrong(Some(line), said)],
                None => vec![wrong(None, message)],
            };
        }
    };
    let mut findings = of_columns(&metadata, table, &lines);
    findings.extend(of_systems(&metadata, table, &lines));
    findings.extend(of_rest(&metadata, table, &lines));
    findings.extend(of_all(table, known, &metadata));
    findings
}

fn of_columns(metadata: &TableMetadata, table: &Table, lines: &Lines) -> Vec<Finding> {
    let mut findings = Vec::new();
    for (name, said) in &metadata.columns {
        if table.column_index(name).is_none() {
            let near = table.columns.iter().find(|c| c.name.eq_ignore_ascii_case(name));
            let advice = near.map_or_else(String::new, |near| format!("; it has {}", near.name));
            let line = lines.of(&["columns", name]);
            findings.push(wrong(line, format!("the table has no column {name}{advice}")));
        }
        let judged = [
            ("unit", said.unit.as_deref().map(unit::check)),
            ("ucd", said.ucd.as_deref().filter(|ucd| !ucd.trim().is_empty()).map(ucd::check)),
        ];
        for (key, judged) in judged {
            if let Some(Err(reason)) = judged {
                let line = lines.of(&["columns", name, key]);
                findings.push(wrong(line, format!("{key} of {name}: {reason}")));
            }
        }
    }
    findings
}

fn of_systems(metadata: &TableMetadata, table: &Table, lines: &Lines) -> Vec<Finding> {
    let mut findings = Vec::new();
    let place: Vec<&String> = table.positions.iter().flat_map(|p| [&p.ra, &p.dec]).collect();
    let mut seen = Vec::new();
    let frames = metadata.frames.iter().map(|frame| {
        let columns = if frame.columns.is_empty() {
            place.iter().map(|name| (*name).clone()).collect()
        } else {
            frame.columns.clone()
        };
        let is_refused = !frame.is_searchable() && columns.iter().any(|c| place.contains(&c));
        let refused = format!(
            "{} of the position, by which the table is searched in ICRS: convert it",
            frame.system
        );
        ("frames", frame.system().err().or(is_refused.then_some(refused)), columns)
    });
    let times = metadata.times.iter();
    let times = times.map(|time| ("times", time.system().err(), time.columns.clone()));
    let mut counts = [0, 0];
    for (list, reason, columns) in frames.chain(times) {
        let count = &mut counts[usize::from(list == "times")];
        let line = lines.of(&[list, &count.to_string()]);
        *count += 1;
        findings.extend(reason.map(|reason| wrong(line, format!("{list}: {reason}"))));
        for name in columns {
            if table.column_index(&name).is_none() {
                findings.push(wrong(line, format!("{list}: the table has no column {name}")));
            } else if seen.contains(&name) {
                let said = format!("{list}: {name} has another frame or scale already");
                findings.push(wrong(line, said));
            }
            seen.push(name);
        }
    }
    findings
}

fn of_rest(metadata: &TableMetadata, table: &Table, lines: &Lines) -> Vec<Finding> {
    let mut findings = Vec::new();
    for (key, column) in
        metadata.position.iter().flat_map(|own| [("ra", &own.ra), ("dec", &own.dec)])
    {
        if table.column_index(column).is_none() {
            let line = lines.of(&["position", key]);
            findings.push(wrong(line, format!("position: the table has no column {column}")));
        }
    }
    for (at, key) in metadata.keys.iter().enumerate() {
        let line = lines.of(&["keys", &at.to_string()]);
        let target = &key.target;
        if key.columns.is_empty() {
            findings.push(wrong(line, format!("the key to {target} has no columns")));
        }
        for name in key.columns.keys().filter(|name| table.column_index(name).is_none()) {
            let said = format!("the key to {target}: the table has no column {name}");
            findings.push(wrong(line, said));
        }
    }
    let coverage = metadata.coverage.as_ref().and_then(|coverage| coverage.fraction);
    if let Some(fraction) = coverage.filter(|fraction| !(0.0..=1.0).contains(fraction)) {
        let line = lines.of(&["coverage", "fraction"]);
        findings.push(wrong(line, format!("coverage.fraction = {fraction} is not 0 to 1")));
    }
    findings
}

/// What the files say wrongly, and what nobody says.
fn of_all(table: &Table, known: &TableMetadata, own: &TableMetadata) -> Vec<Finding> {
    let mut findings = Vec::new();
    let mut say = |severity, message: String| {
        findings.push(Finding { severity, line: None, message });
    };
    let has = |text: &Option<String>| text.as_ref().is_some_and(|text| !text.trim().is_empty());
    if !has(&own.title) && !has(&known.title) {
        say(Severity::Missing, "title of the table".to_owned());
    }
    if !has(&own.description) && !has(&known.description) {
        say(Severity::Missing, "description of the table".to_owned());
    }
    for column in table.visible_columns() {
        let name = &column.name;
        let here = own.columns.get(name).cloned().unwrap_or_default();
        let there = known.columns.get(name).cloned().unwrap_or_default();
        if let (None, Some(Err(reason))) = (&here.unit, there.unit.as_deref().map(unit::check)) {
            say(Severity::Warning, format!("unit of {name}, as the files say it: {reason}"));
        }
        if let (None, Some(Err(reason))) = (&here.ucd, there.ucd.as_deref().map(ucd::check)) {
            say(Severity::Warning, format!("ucd of {name}, as the files say it: {reason}"));
        }
        if !has(&here.description) && !has(&there.description) {
            say(Severity::Missing, format!("description of {}", written(name)));
        }
    }
    findings
}

/// Keys to tables and columns that are not in the data folder.
pub(super) async fn keys(data: &Path, name: &TableName, text: &str) -> Vec<Finding> {
    let Ok(metadata) = TableMetadata::parse("", text) else { return Vec::new() };
    let lines = Lines::new(text);
    let mut findings = Vec::new();
    for (at, key) in metadata.keys.iter().enumerate() {
        let line = lines.of(&["keys", &at.to_string()]);
        let target = &key.target;
        let Some((schema, table)) = target.split_once('.') else {
            let said = format!("target = \"{target}\" is not SCHEMA.TABLE, as \"{name}\"");
            findings.push(wrong(line, said));
            continue;
        };
        let found = folder_of(data, schema, table);
        let Some((schema, table)) = found else {
            let data = data.display();
            findings.push(wrong(line, format!("the key to {target}: {data} has no such table")));
            continue;
        };
        match columns_of(data, &schema, &table).await {
            Err(error) => {
                findings.push(wrong(line, format!("the key to {target}: {error}")));
            }
            Ok(schema) => {
                let has = |wanted: &String| {
                    schema.fields().iter().any(|f| f.name().eq_ignore_ascii_case(wanted))
                };
                for column in key.columns.values().filter(|column| !has(column)) {
                    let said = format!("the key to {target}: it has no column {column}");
                    findings.push(wrong(line, said));
                }
            }
        }
    }
    findings
}

/// The folder of a table by its name, in any case of letters where the exact one is not there.
fn folder_of(data: &Path, schema: &str, table: &str) -> Option<(String, String)> {
    let inside = |folder: &Path, wanted: &str| {
        if folder.join(wanted).is_dir() {
            return Some(wanted.to_owned());
        }
        let entries = std::fs::read_dir(folder).ok()?.filter_map(Result::ok);
        let mut names = entries.filter_map(|entry| entry.file_name().into_string().ok());
        names.find(|name| name.eq_ignore_ascii_case(wanted) && folder.join(name).is_dir())
    };
    let schema = inside(data, schema)?;
    let table = inside(&data.join(&schema), table)?;
    Some((schema, table))
}
