//! The service as its users meet it: pyvo and STILTS, jobs, wrong queries, wrong folders, wrong settings.
//!
//! Clients run from their own packages. Every refusal must name the thing that is wrong.

mod adding;
mod bad_inputs;
mod bucket;
mod certificates;
mod checking;
mod conformance;
mod definitions;
mod demo;
mod describing;
mod importing;
mod importing_remote;
mod jobs;
mod named_objects;
mod not_evaluated;
mod origins;
mod readers;
mod refusals;
mod reloading;
mod startup;
mod uploads;
mod voparquet;

use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};

use tests::{Cluster, Server, Tap, places};

const M31: &str = "SELECT name, type, DISTANCE(ra, dec, 10.6847, 41.269) AS d FROM opengc \
                   WHERE DISTANCE(ra, dec, 10.6847, 41.269) < 1 ORDER BY d";

fn use_pyvo(url: &str) {
    let (Some(hats), Some(python)) = (places::hats(), places::python()) else { return };
    let arguments = [url, &hats.to_string_lossy()];
    if let Err(said) = places::run_python(&python, "tests/clients/use_pyvo.py", &arguments) {
        panic!("{said}");
    }
}

#[test]
fn pyvo_reads_one_process() {
    let Some(hats) = places::hats() else { return };
    use_pyvo(Server::serve(&hats, &[]).url());
}

#[test]
fn pyvo_reads_three_workers() {
    let Some(hats) = places::hats() else { return };
    let cluster = Cluster::start(&hats);
    use_pyvo(cluster.tap().base());
}

fn run(stilts: &Path, arguments: &[&str]) -> Output {
    let mut command = Command::new(stilts);
    command.args(arguments).stdin(Stdio::null()).output().expect("STILTS starts")
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

#[test]
fn stilts_queries_and_finds_m31() {
    let (Some(hats), Some(stilts)) = (places::hats(), places::stilts()) else { return };
    let server = Server::serve(&hats, &[]);
    let (url, adql) = (format!("tapurl={}", server.url()), format!("adql={M31}"));
    let output = run(&stilts, &["tapquery", &url, &adql, "sync=true", "ofmt=csv", "out=-"]);
    let (said, table) = (text(&output.stderr), text(&output.stdout));
    assert!(output.status.success(), "{said}");
    let names: Vec<&str> =
        table.lines().skip(1).filter_map(|line| line.split(',').next()).collect();
    assert_eq!(names.first(), Some(&"NGC0224"), "{table}");
    assert!(names.contains(&"NGC0221") && names.contains(&"NGC0205"), "{table}");
}

#[test]
fn stilts_shows_the_error_of_a_wrong_query() {
    let (Some(hats), Some(stilts)) = (places::hats(), places::stilts()) else { return };
    let server = Server::serve(&hats, &[]);
    let url = format!("tapurl={}", server.url());
    let output = run(&stilts, &["tapquery", &url, "adql=SELECT nme FROM opengc", "sync=true"]);
    let said = text(&output.stderr);
    assert!(!output.status.success() && said.contains("nme") && said.contains("name"), "{said}");
}

/// The STILTS of Debian, and the newer one of the shared folder, which knows VOTable 1.5.
fn all_stilts() -> Vec<PathBuf> {
    let newer = places::shared().map(|shared| shared.join("conformance/stilts"));
    let newer = newer.filter(|stilts| run(stilts, &["-version"]).status.success());
    if newer.is_none() {
        places::missing("shared", "conformance/stilts does not run");
    }
    places::stilts().into_iter().chain(newer).collect()
}

/// What votlint says of a document; nothing of a right one.
fn votlint(stilts: &Path, document: &Path) -> String {
    let votable = format!("votable={}", document.display());
    let output = run(stilts, &["votlint", &votable, "validate=true"]);
    let said = [text(&output.stdout), text(&output.stderr)].concat();
    if output.status.success() { said.trim().to_owned() } else { format!("failed: {said}") }
}

#[test]
fn votlint_finds_nothing_in_any_answer() {
    let Some(hats) = places::hats() else { return };
    let server = Server::serve(&hats, &[]);
    let tap = Tap::new(server.url());
    let folder = tempfile::tempdir().expect("a temporary folder");
    let all = "SELECT * FROM opengc";
    let none = "SELECT * FROM small_sky WHERE id < 0";
    let shapes = "SELECT id, POINT(ra, dec) AS p, CIRCLE(ra, dec, 1) AS c, 'é<&>\"' AS t, \
                  CAST(NULL AS INTEGER) AS n FROM small_sky";
    let mut complaints = Vec::new();
    let cases: Vec<[(&str, &str); 3]> =
        [all, none, M31, shapes, "SELECT nothing", "SELECT a.* FROM x"]
            .into_iter()
            .flat_map(|adql| {
                ["votable", "votable/b", "votable/td"].into_iter().flat_map(move |format| {
                    let limits: &[&str] =
                        if adql == shapes { &["20000", "3", "0"] } else { &["20000"] };
                    limits.iter().map(move |rows| {
                        [("QUERY", adql), ("RESPONSEFORMAT", format), ("MAXREC", *rows)]
                    })
                })
            })
            .collect();
    for (number, case) in cases.iter().enumerate() {
        let reply = tap.post(&[("LANG", "ADQL"), case[0], case[1], case[2]]);
        let file = folder.path().join(format!("{number}.vot"));
        std::fs::write(&file, &reply.body).expect("the answer is kept");
        for stilts in all_stilts() {
            let said = votlint(&stilts, &file);
            if !said.is_empty() {
                let start: String = reply.body.chars().take(1500).collect();
                complaints.push(format!("{} on {case:?}:\n{said}\n{start}", stilts.display()));
            }
        }
    }
    assert!(complaints.is_empty(), "votlint complains:\n{}", complaints.join("\n"));
}

/// Whether clients get gzip where they ask for it, and the same document as without.
#[test]
fn gzip_is_for_those_who_accept_it() {
    let (Some(hats), Some(python)) = (places::hats(), places::python()) else { return };
    let server = Server::serve(&hats, &[]);
    let read = places::run_python(&python, "tests/clients/use_gzip.py", &[server.url()]);
    if let Err(said) = read {
        panic!("{said}");
    }
}
