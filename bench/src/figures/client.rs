//! A client that reads a whole answer and notes when its first row came.

use std::io::Read;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, ensure};
use reqwest::blocking;

/// Bytes that are read at once.
const CHUNK_BYTES: usize = 256 << 10;

/// A client of one service, which keeps its connection.
#[derive(Debug)]
pub(crate) struct Client {
    http: blocking::Client,
    sync: String,
}

/// What is known of an answer that was read and dropped.
#[derive(Debug)]
pub(crate) struct Answer {
    pub(crate) total: Duration,
    /// Until the first row was there, where the format tells.
    pub(crate) first_row: Option<Duration>,
    pub(crate) bytes: u64,
}

impl Client {
    pub(crate) fn new(url: &str) -> Result<Self> {
        let http = blocking::Client::builder().timeout(Duration::from_secs(600)).build()?;
        Ok(Self { http, sync: format!("{url}/sync") })
    }

    /// The answer to a query as comma-separated values.
    pub(crate) fn text(&self, adql: &str) -> Result<String> {
        let form = [("LANG", "ADQL"), ("QUERY", adql), ("RESPONSEFORMAT", "csv")];
        let response = self.http.post(&self.sync).form(&form).send()?;
        let (status, text) = (response.status(), response.text()?);
        ensure!(status.is_success(), "{adql:.200}: {text}");
        Ok(text)
    }

    pub(crate) fn fetch(&self, adql: &str, format: &str) -> Result<Answer> {
        let form = [("LANG", "ADQL"), ("QUERY", adql), ("RESPONSEFORMAT", format)];
        let start = Instant::now();
        let mut response = self.http.post(&self.sync).form(&form).send()?;
        ensure!(response.status().is_success(), "{adql}: {}", response.text()?);
        let (mut head, mut bytes, mut first_row) = (Vec::new(), 0, None);
        let mut chunk = vec![0; CHUNK_BYTES];
        loop {
            let read = response.read(&mut chunk).context("the answer breaks off")?;
            if read == 0 {
                break;
            }
            bytes += read as u64;
            if first_row.is_none() && head.len() < CHUNK_BYTES {
                head.extend_from_slice(&chunk[..read]);
                first_row = has_row(&head, format).then(|| start.elapsed());
            }
        }
        ensure!(!ends_in_error(&head), "{adql}: {}", String::from_utf8_lossy(&head));
        Ok(Answer { total: start.elapsed(), first_row, bytes })
    }
}

/// Whether the beginning of a document holds some of a row.
fn has_row(head: &[u8], format: &str) -> bool {
    let after = |mark: &[u8]| {
        let at = head.windows(mark.len()).position(|window| window == mark);
        at.is_some_and(|at| head.len() > at + mark.len() + 8)
    };
    match format {
        "votable/td" => after(b"<TR>"),
        "csv" => after(b"\n"),
        "votable/b" | "votable/b2" => after(b"<STREAM encoding=\"base64\">"),
        _ => false,
    }
}

fn ends_in_error(head: &[u8]) -> bool {
    let mark = b"value=\"ERROR\"";
    head.windows(mark.len()).any(|window| window == mark)
}
