//! Wrong requests about jobs: each gets a status that fits and a text that names what is wrong.

use std::io::{BufRead as _, BufReader, Write as _};
use std::net::TcpStream;

use reqwest::Method;
use tests::jobs::{JobList, Reply};
use tests::{Server, places};

fn assert_says(reply: &Reply, status: u16, words: &[&str]) {
    let said = reply.text();
    assert_eq!(reply.status, status, "{said}");
    let missing: Vec<_> = words.iter().filter(|word| !said.contains(**word)).collect();
    assert!(missing.is_empty(), "{said:?} does not name {missing:?}");
}

#[test]
fn a_name_that_is_none_is_not_found() {
    let Some(hats) = places::hats() else { return };
    let state = tempfile::tempdir().expect("a temporary folder");
    std::fs::write(state.path().join("secret"), "secret").expect("a file is written");
    let server = Server::serve(&hats, &["--state", &state.path().to_string_lossy()]);
    let list = JobList::of(server.url());
    let real = list.make(&[("QUERY", "SELECT id FROM small_sky")]);
    let id = real.url.rsplit('/').next().expect("a name").to_owned();
    let names = [
        "%2e%2e%2fsecret".to_owned(),
        "..%2f..%2fetc%2fpasswd".to_owned(),
        "%ff%fe".to_owned(),
        "%00".to_owned(),
        "a%20b".to_owned(),
        "'%20OR%201=1--".to_owned(),
        "0".repeat(32),
        "0".repeat(31),
        "x".repeat(4000),
        id.to_uppercase(),
        format!("{id}%23"),
        format!("{}-{}", &id[..8], &id[8..]),
        format!("%20{id}"),
    ];
    for name in &names {
        for child in ["", "/phase", "/results/result", "/error", "/parameters", "/destruction"] {
            let reply = list.get(&format!("/{name}{child}"));
            assert_says(&reply, 404, &["no such job"]);
        }
        let name = format!("/{name}");
        assert_says(&list.send(Method::DELETE, &name, ""), 404, &["no such job"]);
        assert_says(&list.send(Method::POST, &name, "ACTION=DELETE"), 404, &["no such job"]);
        let run = list.send(Method::POST, &format!("{name}/phase"), "PHASE=RUN");
        assert_says(&run, 404, &["no such job"]);
    }
    // As they are: the client would resolve these paths itself.
    for path in ["/tap/async/../../secret", "/tap/async/%2e%2e", "/tap/async/..", "/tap/async//"] {
        let status = status_of_raw(server.url(), path);
        assert_eq!(status, "HTTP/1.1 404 Not Found", "{path}");
    }
    assert_eq!(list.get(&format!("/{id}/results/other")).status, 404);
    assert_eq!(list.get(&format!("/{id}/nothing")).status, 404);
    assert_eq!(real.phase(), "PENDING", "nothing happened to the job that is there");
}

/// The status line that answers a path.
fn status_of_raw(tap: &str, path: &str) -> String {
    let host = tap.trim_start_matches("http://").trim_end_matches("/tap");
    let mut connection = TcpStream::connect(host).expect("it listens");
    let request = format!("GET {path} HTTP/1.1\r\nHost: {host}\r\nConnection: close\r\n\r\n");
    connection.write_all(request.as_bytes()).expect("the request is sent");
    let mut line = String::new();
    BufReader::new(connection).read_line(&mut line).expect("a status line");
    line.trim_end().to_owned()
}

#[test]
fn a_job_that_cannot_be_made_is_refused() {
    let Some(hats) = places::hats() else { return };
    let server = Server::serve(&hats, &["--list-jobs", "true"]);
    let list = JobList::of(server.url());
    let many: Vec<(String, String)> =
        (0..10_000).map(|n| (format!("p{n}"), n.to_string())).collect();
    let many: Vec<(&str, &str)> = many.iter().map(|(n, v)| (n.as_str(), v.as_str())).collect();
    assert_says(&list.post(&many), 400, &["10000", "1000"]);
    let large = "x".repeat(5 << 20);
    assert_says(&list.post(&[("QUERY", &large)]), 413, &["bytes"]);
    assert_says(&list.post(&[("PHASE", "FLY")]), 400, &["PHASE", "FLY", "RUN"]);
    assert_says(&list.post(&[("PHASE", "RUN"), ("phase", "RUN")]), 400, &["PHASE", "2 times"]);
    for bytes in ["QUERY=SELECT%20%ff", "%c3%28=x", "QUERY=%ed%a0%80"] {
        assert_says(&list.send(Method::POST, "", bytes), 400, &["UTF-8"]);
    }
    let raw = b"QUERY=\xff\xfe".to_vec();
    assert_says(&list.send(Method::POST, "", raw), 400, &["UTF-8"]);
    assert!(!list.get("").text().contains("jobref"), "none was made");
    assert_eq!(list.send(Method::PUT, "", "x").status, 405);
    for (query, word) in [
        ("?LAST=0", "LAST"),
        ("?LAST=x", "LAST"),
        ("?LAST=-1", "LAST"),
        ("?AFTER=yesterday", "AFTER"),
        ("?PHASE=RUN", "PHASE"),
        ("?LAST=1&LAST=2", "LAST"),
    ] {
        assert_says(&list.get(query), 400, &[word]);
    }
}

#[test]
fn what_a_phase_does_not_allow_is_refused() {
    let Some(hats) = places::hats() else { return };
    let server = Server::serve(&hats, &[]);
    let list = JobList::of(server.url());
    let job = list.make(&[("QUERY", "SELECT id FROM small_sky"), ("runId", "a")]);
    assert_says(&job.get("/results/result"), 404, &["PENDING", "RUN"]);
    assert_says(&job.get("/error"), 404, &["PENDING"]);
    assert_says(&job.post("/phase", &[("PHASE", "FLY")]), 400, &["FLY", "ABORT"]);
    assert_says(&job.post("/phase", &[]), 400, &["PHASE"]);
    assert_says(&job.post("", &[("QUERY", "x")]), 400, &["/parameters"]);
    assert_says(&job.post("", &[("ACTION", "FLY")]), 400, &["FLY", "DELETE"]);
    // Names are case-insensitive, and what is posted again takes the place of what was there.
    let replaced =
        job.post("/parameters", &[("RUNID", "b"), ("query", "SELECT ra FROM small_sky")]);
    assert_eq!((replaced.status, replaced.header("location")), (303, job.url.as_str()));
    assert_eq!(job.element("runId").as_deref(), Some("b"));
    let parameters = job.text("/parameters").to_lowercase();
    assert_eq!(parameters.matches("id=\"runid\"").count(), 1, "{parameters}");
    assert_eq!(parameters.matches("id=\"query\"").count(), 1, "{parameters}");
    let many: Vec<String> = (0..999).map(|n| format!("p{n}")).collect();
    let many: Vec<(&str, &str)> = many.iter().map(|name| (name.as_str(), "")).collect();
    assert_says(&job.post("/parameters", &many), 400, &["1001", "1000"]);
    job.run();
    assert_eq!(job.wait_for_end(), "COMPLETED", "{}", job.text(""));
    assert!(job.get("/results/result").text().contains("\"ra\""));
    assert_says(&job.post("/parameters", &[("QUERY", "x")]), 403, &["COMPLETED", "PENDING"]);
    assert_says(&job.post("/phase", &[("PHASE", "RUN")]), 403, &["COMPLETED", "new job"]);
    let late = job.post("/executionduration", &[("EXECUTIONDURATION", "5")]);
    assert_says(&late, 403, &["COMPLETED"]);
    assert_eq!(job.post("/phase", &[("PHASE", "ABORT")]).status, 303);
    assert_eq!(job.phase(), "COMPLETED", "what has ended stays so");
    let list_again = job.post("", &[("action", "DELETE")]);
    assert_eq!((list_again.status, list_again.header("location")), (303, list.url.as_str()));
    assert_eq!(job.get("").status, 404);
}

/// Parameters, and what is said of them.
type Wrong<'a> = (&'a [(&'a str, &'a str)], &'a [&'a str]);

/// What is wrong with a query or its parameters is the error of the job, never of its making.
#[test]
fn wrong_queries_are_errors_of_their_jobs() {
    let Some(hats) = places::hats() else { return };
    let server = Server::serve(&hats, &[]);
    let list = JobList::of(server.url());
    let query = ("QUERY", "SELECT id FROM small_sky");
    let wrong: [Wrong<'_>; 9] = [
        (&[("LANG", "ADQL")], &["QUERY"]),
        (&[("LANG", "OOBLECK"), query], &["OOBLECK", "ADQL-2.1"]),
        (&[("QUERY", "DUFF QUERY")], &["line 1, column 1"]),
        (&[("QUERY", "SELECT nme FROM opengc")], &["nme", "name", "line 1, column 8"]),
        (&[query, ("MAXREC", "-1")], &["MAXREC", "-1"]),
        (&[query, ("FORMAT", "application/x-unheard-of")], &["x-unheard-of", "csv"]),
        (&[query, query], &["QUERY", "2 times"]),
        (&[query, ("UPLOAD", "a,http://127.0.0.1:1/")], &["UPLOAD"]),
        (&[("QUERY", "SELECT CAST(name AS INTEGER) AS n FROM opengc")], &["Cast"]),
    ];
    for (parameters, words) in wrong {
        let job = list.ended(parameters);
        assert_eq!(job.phase(), "ERROR", "{parameters:?}: {}", job.text(""));
        let summary = job.element("message").unwrap_or_default();
        let document = job.get("/error");
        assert_eq!(document.status, 200, "{parameters:?}");
        assert!(document.header("content-type").starts_with("application/x-votable+xml"));
        let document = document.text();
        assert!(document.contains("value=\"ERROR\""), "{document}");
        for word in words {
            let (word, said) = (word.to_lowercase(), summary.to_lowercase());
            assert!(said.contains(&word), "{parameters:?}: no {word} in {summary:?}");
            assert!(document.to_lowercase().contains(&word), "{parameters:?}: {document}");
        }
        assert_eq!(job.get("/results/result").status, 404);
        assert!(!job.text("/results").contains("<uws:result "), "{}", job.text("/results"));
    }
}
