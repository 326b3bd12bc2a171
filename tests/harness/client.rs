//! A TAP client that shares no line with the service.

use std::time::Duration;

use reqwest::blocking::{Client, Response};

use crate::Answer;

/// A TAP service at its base address.
#[derive(Debug, Clone)]
pub struct Tap {
    base: String,
    http: Client,
}

/// A whole response.
#[derive(Debug, Clone)]
pub struct Reply {
    /// HTTP status.
    pub status: u16,
    /// `Content-Type`.
    pub media_type: String,
    /// The body as text.
    pub body: String,
}

impl Reply {
    /// The text of the first `QUERY_STATUS` INFO, with its value (`OK`, `ERROR`, `OVERFLOW`).
    pub fn query_status(&self) -> Option<(String, String)> {
        let info = self.body.split("<INFO").find(|part| part.contains("QUERY_STATUS"))?;
        let (attributes, rest) = info.split_once('>')?;
        let value = attributes.split("value=\"").nth(1)?.split('"').next()?;
        let text = rest.split("</INFO").next().unwrap_or_default();
        let text = if attributes.trim_end().ends_with('/') { "" } else { text };
        Some((value.to_owned(), unescape(text).trim().to_owned()))
    }
}

impl Tap {
    /// The service at an address such as `http://127.0.0.1:8080/tap`.
    ///
    /// # Panics
    /// When no HTTP client can be made.
    pub fn new(base: &str) -> Self {
        Self::patient(base, Duration::from_secs(300))
    }

    /// The same, whose answers may take so long.
    ///
    /// # Panics
    /// When no HTTP client can be made.
    pub fn patient(base: &str, timeout: Duration) -> Self {
        let http = Client::builder().timeout(timeout).build();
        let http = http.expect("a client without TLS needs nothing");
        Self { base: base.trim_end_matches('/').to_owned(), http }
    }

    /// The base address.
    pub fn base(&self) -> &str {
        &self.base
    }

    /// GET of a resource such as `capabilities`, with parameters.
    pub fn get(&self, resource: &str, parameters: &[(&str, &str)]) -> Reply {
        let url = format!("{}/{resource}", self.base);
        whole(self.http.get(url).query(parameters).send())
    }

    /// POST of a form to `sync`.
    pub fn post(&self, parameters: &[(&str, &str)]) -> Reply {
        whole(self.http.post(format!("{}/sync", self.base)).form(parameters).send())
    }

    /// Asks for a VOTable and gives what came, whatever it is: status and body, or why there is
    /// none.
    ///
    /// # Errors
    /// When the connection ends without a whole response.
    pub fn ask(&self, adql: &str) -> Result<(u16, String), String> {
        let form = [("LANG", "ADQL"), ("QUERY", adql), ("RESPONSEFORMAT", "votable/td")];
        let sent = self.http.post(format!("{}/sync", self.base)).form(&form).send();
        let response = sent.map_err(|error| format!("no response: {error:?}"))?;
        let status = response.status().as_u16();
        let body = response.text().map_err(|error| format!("broken response: {error:?}"))?;
        Ok((status, body))
    }

    /// Runs a query and reads its answer as CSV.
    ///
    /// # Errors
    /// The message of the service, when it refuses.
    pub fn query(&self, adql: &str) -> Result<Answer, String> {
        let format = ("RESPONSEFORMAT", "csv");
        answer(&self.post(&[("LANG", "ADQL"), ("QUERY", adql), format]))
    }

    /// The same of a query that brings a table, as CSV.
    ///
    /// # Errors
    /// The message of the service, when it refuses.
    pub fn query_bringing(&self, adql: &str, (name, csv): (&str, &str)) -> Result<Answer, String> {
        const BOUNDARY: &str = "between-the-parts-of-a-form";
        let upload = format!("{name},param:file");
        let parts =
            [("LANG", "ADQL"), ("QUERY", adql), ("RESPONSEFORMAT", "csv"), ("UPLOAD", &upload)];
        let part = |name: &str, more: &str, value: &str| {
            let disposition = format!("Content-Disposition: form-data; name=\"{name}\"{more}");
            format!("--{BOUNDARY}\r\n{disposition}\r\n\r\n{value}\r\n")
        };
        let mut body: String = parts.iter().map(|(name, value)| part(name, "", value)).collect();
        body += &part("file", "; filename=\"file.csv\"\r\nContent-Type: text/csv", csv);
        body += &format!("--{BOUNDARY}--\r\n");
        let request = self.http.post(format!("{}/sync", self.base)).body(body);
        let kind = format!("multipart/form-data; boundary={BOUNDARY}");
        answer(&whole(request.header("content-type", kind).send()))
    }

    /// Runs a query that is to be refused and gives the message.
    ///
    /// # Panics
    /// When it is answered, or refused without a VOTable that says so.
    pub fn refusal(&self, adql: &str) -> String {
        let reply = self.post(&[("LANG", "ADQL"), ("QUERY", adql)]);
        let shown = adql.chars().take(200).collect::<String>();
        match reply.query_status() {
            Some((value, text)) if value == "ERROR" => text,
            other => panic!("{shown} was to be refused, got {} {other:?}", reply.status),
        }
    }
}

/// An answer in CSV, or what is said instead.
fn answer(reply: &Reply) -> Result<Answer, String> {
    if reply.status == 200 && reply.media_type.starts_with("text/csv") {
        return Ok(Answer::from_csv(&reply.body));
    }
    let said = reply.query_status().map_or_else(|| reply.body.clone(), |(_, text)| text);
    Err(format!("{} {}: {said}", reply.status, reply.media_type))
}

fn whole(sent: reqwest::Result<Response>) -> Reply {
    let response = sent.unwrap_or_else(|error| panic!("no response: {error:?}"));
    let status = response.status().as_u16();
    let media_type = response.headers().get("content-type").and_then(|v| v.to_str().ok());
    let media_type = media_type.unwrap_or_default().to_owned();
    let body = response.text().unwrap_or_else(|error| panic!("broken response: {error:?}"));
    Reply { status, media_type, body }
}

pub(crate) fn unescape(text: &str) -> String {
    let text = text.strip_prefix("<![CDATA[").and_then(|t| t.strip_suffix("]]>")).unwrap_or(text);
    let entities = [("&lt;", "<"), ("&gt;", ">"), ("&quot;", "\""), ("&apos;", "'")];
    let plain = entities.iter().fold(text.to_owned(), |text, (from, to)| text.replace(from, to));
    plain.replace("&#39;", "'").replace("&#10;", "\n").replace("&amp;", "&")
}

#[cfg(test)]
mod tests {
    use super::Reply;

    fn status_of(body: &str) -> Option<(String, String)> {
        let reply = Reply { status: 200, media_type: String::new(), body: body.to_owned() };
        reply.query_status()
    }

    #[test]
    fn the_query_status_is_found() {
        let error = "<INFO name=\"x\" value=\"1\"/><INFO name=\"QUERY_STATUS\" value=\"ERROR\">a &lt; b</INFO>";
        assert_eq!(status_of(error), Some(("ERROR".to_owned(), "a < b".to_owned())));
        let fine = "<INFO name=\"QUERY_STATUS\" value=\"OK\"/><TABLE>";
        assert_eq!(status_of(fine), Some(("OK".to_owned(), String::new())));
    }
}
