//! `/async` as plain HTTP: no redirect is followed, every status and header is seen.

use std::time::{Duration, Instant};

use reqwest::Method;
use reqwest::blocking::{Body, Client, Response};
use reqwest::redirect::Policy;

/// A response.
#[derive(Debug)]
pub struct Reply {
    /// HTTP status.
    pub status: u16,
    /// The headers.
    pub headers: reqwest::header::HeaderMap,
    /// The body.
    pub body: Vec<u8>,
}

impl Reply {
    /// A header, empty where there is none.
    pub fn header(&self, name: &str) -> &str {
        self.headers.get(name).and_then(|value| value.to_str().ok()).unwrap_or_default()
    }

    /// The body as text.
    pub fn text(&self) -> String {
        String::from_utf8_lossy(&self.body).into_owned()
    }
}

/// The list of jobs of a service.
#[derive(Debug, Clone)]
pub struct JobList {
    /// Its address.
    pub url: String,
    http: Client,
}

/// A job.
#[derive(Debug, Clone)]
pub struct JobResource {
    /// Its address.
    pub url: String,
    http: Client,
}

impl JobList {
    /// The list below the address of a TAP service.
    ///
    /// # Panics
    /// When no HTTP client can be made.
    pub fn of(tap: &str) -> Self {
        let http = Client::builder().redirect(Policy::none()).timeout(Duration::from_secs(120));
        let http = http.build().expect("a client without TLS needs nothing");
        Self { url: format!("{tap}/async"), http }
    }

    /// Any request at a path below the list.
    pub fn send(&self, method: Method, path: &str, body: impl Into<Body>) -> Reply {
        let request = self.http.request(method, format!("{}{path}", self.url));
        let form = ("content-type", "application/x-www-form-urlencoded");
        reply(request.header(form.0, form.1).body(body).send())
    }

    /// GET at a path below the list.
    pub fn get(&self, path: &str) -> Reply {
        reply(self.http.get(format!("{}{path}", self.url)).send())
    }

    /// POST of a form to the list.
    pub fn post(&self, parameters: &[(&str, &str)]) -> Reply {
        reply(self.http.post(&self.url).form(parameters).send())
    }

    /// Makes a job and checks what UWS says of that.
    ///
    /// # Panics
    /// When the answer is not what UWS says.
    pub fn make(&self, parameters: &[(&str, &str)]) -> JobResource {
        let made = self.post(parameters);
        assert_eq!(made.status, 303, "{}", made.text());
        let url = made.header("location").to_owned();
        let id = url.strip_prefix(&format!("{}/", self.url)).expect("a job lies below its list");
        assert!(id.len() > 20 && !id.contains('/'), "{url}");
        JobResource { url, http: self.http.clone() }
    }

    /// Makes a job of a query, runs it, and waits for its end.
    pub fn ended(&self, parameters: &[(&str, &str)]) -> JobResource {
        let job = self.make(parameters);
        job.run();
        job.wait_for_end();
        job
    }
}

impl JobResource {
    /// The same job of a service at another address, after a restart.
    ///
    /// # Panics
    /// Never: every address has a last part.
    pub fn at(&self, list: &JobList) -> Self {
        let id = self.url.rsplit('/').next().expect("a name");
        Self { url: format!("{}/{id}", list.url), http: self.http.clone() }
    }

    /// GET of a child.
    pub fn get(&self, child: &str) -> Reply {
        reply(self.http.get(format!("{}{child}", self.url)).send())
    }

    /// GET of a child with a header.
    pub fn get_with(&self, child: &str, header: (&str, &str)) -> Reply {
        let request = self.http.get(format!("{}{child}", self.url));
        reply(request.header(header.0, header.1).send())
    }

    /// POST of a form to a child.
    pub fn post(&self, child: &str, parameters: &[(&str, &str)]) -> Reply {
        reply(self.http.post(format!("{}{child}", self.url)).form(parameters).send())
    }

    /// Deletes the job.
    pub fn delete(&self) -> Reply {
        reply(self.http.delete(&self.url).send())
    }

    /// The text of a child.
    ///
    /// # Panics
    /// When it is refused.
    pub fn text(&self, child: &str) -> String {
        let read = self.get(child);
        assert_eq!(read.status, 200, "{child}: {}", read.text());
        read.text()
    }

    /// The phase as the job tells it.
    pub fn phase(&self) -> String {
        self.text("/phase")
    }

    /// The content of an element of the job's document.
    pub fn element(&self, name: &str) -> Option<String> {
        let document = self.text("");
        let (_, rest) = document.split_once(&format!("<uws:{name}>"))?;
        Some(rest.split_once("</uws:")?.0.to_owned())
    }

    /// Lets it run.
    ///
    /// # Panics
    /// When the answer is not what UWS says.
    pub fn run(&self) {
        let reply = self.post("/phase", &[("PHASE", "RUN")]);
        assert_eq!((reply.status, reply.header("location")), (303, self.url.as_str()));
    }

    /// Waits until the job is in none of the phases that end.
    pub fn wait_for_end(&self) -> String {
        self.wait_until(|phase| !["PENDING", "QUEUED", "EXECUTING"].contains(&phase))
    }

    /// Waits until its phase is one of those.
    ///
    /// # Panics
    /// When it is not for minutes.
    pub fn wait_until(&self, reached: impl Fn(&str) -> bool) -> String {
        let deadline = Instant::now() + Duration::from_secs(240);
        loop {
            let phase = self.phase();
            if reached(&phase) {
                return phase;
            }
            assert!(Instant::now() < deadline, "{} stays {phase}: {}", self.url, self.text(""));
            let waited = self.get(&format!("?WAIT=10&PHASE={phase}"));
            assert_eq!(waited.status, 200, "{}", waited.text());
        }
    }
}

fn reply(sent: reqwest::Result<Response>) -> Reply {
    let response = sent.unwrap_or_else(|error| panic!("no response: {error:?}"));
    let (status, headers) = (response.status().as_u16(), response.headers().clone());
    let body = response.bytes().unwrap_or_else(|error| panic!("broken response: {error:?}"));
    Reply { status, headers, body: body.to_vec() }
}
