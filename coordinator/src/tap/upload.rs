//! What UPLOAD asks for (TAP 1.1 §2.7.5), between the parameters and the engine.

use crate::Engine;
use crate::tap::refusal::Refusal;
use crate::uploads::{Error, Folder, UploadStore, Wanted};

/// The engine for a query that brings tables, whose files are in a folder; the same where it brings
/// none.
pub(super) async fn with_uploads(
    engine: &Engine,
    store: Option<&UploadStore>,
    wanted: &[Wanted],
    folder: impl FnOnce() -> Result<Folder, Refusal>,
) -> Result<Engine, Refusal> {
    if wanted.is_empty() {
        return Ok(engine.clone());
    }
    let store = store.ok_or_else(none_taken)?;
    let uploads = store.tables(wanted, folder()?).await?;
    Ok(engine.with_uploads(uploads)?)
}

/// A folder for what is fetched.
pub(super) fn stage(store: Option<&UploadStore>) -> Result<Folder, Refusal> {
    Ok(Folder::Own(store.ok_or_else(none_taken)?.stage()?))
}

fn none_taken() -> Refusal {
    Refusal::NotSupported {
        what: "UPLOAD",
        instead: "the service takes no uploads (upload_bytes is 0); write the values into the \
                  query, as in WHERE id IN (…), or join the tables on your side",
    }
}

/// Makes one value of UPLOAD of those that a job has and those that are given: tables accumulate, and
/// one that is given again takes the place of the former.
pub(super) fn accumulate(before: &[(String, String)], given: &mut Vec<(String, String)>) {
    let is_upload = |(name, _): &(String, String)| name.eq_ignore_ascii_case("UPLOAD");
    let values = |pairs: &[(String, String)]| -> Vec<String> {
        pairs.iter().filter(|pair| is_upload(pair)).map(|(_, value)| value.clone()).collect()
    };
    let (former, newer) = (values(before), values(given));
    if newer.is_empty() {
        return;
    }
    given.retain(|pair| !is_upload(pair));
    given.push(("UPLOAD".to_owned(), joined(&former, &newer)));
}

fn joined(former: &[String], newer: &[String]) -> String {
    let all = |values: &[String]| Wanted::all(values.iter().map(String::as_str));
    let merged = || -> Result<String, Error> {
        let (mut tables, newer) = (all(former)?, all(newer)?);
        let again = |table: &Wanted| newer.iter().any(|n| n.name.eq_ignore_ascii_case(&table.name));
        tables.retain(|table| !again(table));
        let texts = tables.iter().chain(&newer).map(ToString::to_string);
        Ok(texts.collect::<Vec<_>>().join(";"))
    };
    // What is wrong with them is said by the job when it runs.
    merged().unwrap_or_else(|_| [former, newer].concat().join(";"))
}
