//! Jobs as clients use them: UWS by plain HTTP, pyvo, astroquery and STILTS, over one process and
//! over three workers.

mod ends;
mod parts;
mod refused;
mod restart;

use std::path::Path;
use std::process::Command;

use tests::jobs::{JobList, JobResource};
use tests::{Answer, Cluster, Server, Tap, places};

use crate::{run, text};

/// Runs for minutes on any machine, over workers and without: 295 million pairs of rows.
pub(crate) const LONG: &str = "SELECT SUM(SIN(a.mag * b.mjd) * COS(a.source_ra + b.source_dec)) AS s \
     FROM small_sky_order1_source_collection AS a \
     JOIN small_sky_order1_source_collection AS b ON a.source_id <> b.source_id + 0.5";

/// Queries whose answers have an order, so that two answers are equal byte by byte.
const ORDERED: [&str; 4] = [
    "SELECT * FROM small_sky ORDER BY id",
    "SELECT name, ra, b_mag FROM opengc WHERE b_mag < 10 ORDER BY b_mag, name",
    "SELECT type, COUNT(*) AS n FROM opengc GROUP BY type ORDER BY n DESC, type",
    "SELECT id FROM small_sky WHERE id < 0",
];

/// Runs a test on one process, and on a cluster of three workers.
fn on_both(test: impl Fn(&Tap)) {
    let Some(hats) = places::hats() else { return };
    let server = Server::serve(&hats, &["--list-jobs", "true"]);
    test(&Tap::new(server.url()));
    drop(server);
    let cluster = Cluster::of(&hats, 3, &["--list-jobs", "true"]);
    test(&cluster.tap());
}

#[test]
fn a_job_has_the_bytes_of_the_same_query_by_sync() {
    on_both(|tap| {
        let list = JobList::of(tap.base());
        let formats = ["votable", "votable/td", "csv", "tsv", "text"];
        for (adql, format, rows) in ORDERED
            .into_iter()
            .flat_map(|adql| formats.map(|format| (adql, format)))
            .flat_map(|(adql, format)| [("100000"), ("3"), ("0")].map(|rows| (adql, format, rows)))
        {
            let asked =
                [("LANG", "ADQL"), ("QUERY", adql), ("RESPONSEFORMAT", format), ("MAXREC", rows)];
            let sync = tap.post(&asked);
            let job = list.ended(&asked);
            assert_eq!(job.phase(), "COMPLETED", "{asked:?}: {}", job.text(""));
            let result = job.get("/results/result");
            assert_eq!(result.status, 200, "{asked:?}");
            assert_eq!(result.text(), sync.body, "{asked:?}");
            assert_eq!(result.header("content-type"), sync.media_type, "{asked:?}");
            assert_eq!(result.header("content-length"), result.body.len().to_string());
            job.delete();
        }
    });
}

/// The job as the schema of UWS has it, and each of its parts alone.
#[test]
fn a_job_is_the_same_in_its_document_and_in_its_parts() {
    on_both(|tap| {
        let list = JobList::of(tap.base());
        let adql = "SELECT name FROM opengc WHERE name < 'B<&>\"]]>é' AND 1 < 2";
        let job = list.make(&[("LANG", "ADQL"), ("QUERY", adql), ("RUNID", "one & <two>")]);
        same_in_parts(&job);
        assert_eq!(job.phase(), "PENDING");
        assert_eq!(job.element("runId").as_deref(), Some("one &amp; &lt;two&gt;"));
        for nil in ["ownerId", "quote", "startTime", "endTime"] {
            let nil = format!("<uws:{nil} xsi:nil=\"true\"/>");
            assert!(job.text("").contains(&nil), "no {nil} in {}", job.text(""));
        }
        job.run();
        assert_eq!(job.wait_for_end(), "COMPLETED", "{}", job.text(""));
        same_in_parts(&job);
        let size = job.get("/results/result").body.len();
        let document = job.text("");
        for part in [
            format!("xlink:href=\"{}/results/result\"", job.url),
            "mime-type=\"application/x-votable+xml\"".to_owned(),
            format!("size=\"{size}\""),
        ] {
            assert!(document.contains(&part), "no {part} in {document}");
            assert!(job.text("/results").contains(&part), "no {part} in {}", job.text("/results"));
        }
        for time in ["creationTime", "startTime", "endTime", "destruction"] {
            let text = job.element(time).unwrap_or_default();
            assert!(text.ends_with('Z') && text.contains('T'), "{time} is {text:?}");
        }
    });
}

fn same_in_parts(job: &JobResource) {
    for (child, element) in [
        ("/phase", "phase"),
        ("/executionduration", "executionDuration"),
        ("/destruction", "destruction"),
    ] {
        let alone = job.get(child);
        assert!(alone.header("content-type").starts_with("text/plain"), "{child}");
        assert_eq!(Some(alone.text()), job.element(element), "{child}");
    }
    for empty in ["/quote", "/owner"] {
        assert_eq!(job.text(empty), "", "{empty}");
    }
    for document in ["", "/parameters", "/results"] {
        let read = job.get(document);
        assert!(read.header("content-type").starts_with("text/xml"), "{document}");
        assert!(read.text().contains("http://www.ivoa.net/xml/UWS/v1.0"), "{document}");
    }
}

#[test]
fn every_document_of_jobs_keeps_to_its_schema() {
    let (Some(hats), Some(shared)) = (places::hats(), places::shared()) else { return };
    if Command::new("xmllint").arg("--version").output().is_err() {
        places::missing("xmllint", "it does not start: apt-get install libxml2-utils");
        return;
    }
    let server = Server::serve(&hats, &["--list-jobs", "true"]);
    let list = JobList::of(server.url());
    let query = ("QUERY", "SELECT TOP 3 name FROM opengc WHERE name <> '\u{1}&<é\u{fffe}'");
    let odd = ("a <\"&> name", "\u{b}\r\n\t ü");
    let job = list.make(&[("LANG", "ADQL"), query, odd, ("RUNID", "\u{7}x & y")]);
    let folder = tempfile::tempdir().expect("a temporary folder");
    let mut files = Vec::new();
    let mut keep = |text: String| {
        let file = folder.path().join(format!("{}.xml", files.len()));
        std::fs::write(&file, text).expect("a document is kept");
        files.push(file);
    };
    keep(job.text(""));
    keep(job.text("/parameters"));
    job.run();
    assert_eq!(job.wait_for_end(), "COMPLETED");
    keep(job.text(""));
    keep(job.text("/results"));
    let wrong = list.ended(&[("LANG", "ADQL"), ("QUERY", "SELECT nme FROM opengc")]);
    assert_eq!(wrong.phase(), "ERROR");
    keep(wrong.text(""));
    keep(wrong.text("/error"));
    let aborted = list.make(&[("QUERY", LONG)]);
    assert_eq!(aborted.post("/phase", &[("PHASE", "ABORT")]).status, 303);
    assert_eq!(aborted.phase(), "ABORTED");
    keep(aborted.text(""));
    keep(list.get("").text());
    keep(list.get("?PHASE=HELD").text());
    keep(Tap::new(server.url()).get("capabilities", &[]).body);
    let validated = Command::new(shared.join("conformance/validate-xml")).args(&files).output();
    let validated = validated.expect("validate-xml starts");
    assert!(validated.status.success(), "{}", text(&validated.stderr));
}

#[test]
fn the_list_shows_jobs_only_where_the_operator_says_so() {
    let Some(hats) = places::hats() else { return };
    let closed = Server::serve(&hats, &[]);
    let list = JobList::of(closed.url());
    let job = list.make(&[("QUERY", "SELECT id FROM small_sky")]);
    assert!(!list.get("").text().contains("jobref"), "nobody sees the jobs of others");
    assert_eq!(job.phase(), "PENDING", "who knows its name uses it");
    let open = Server::serve(&hats, &["--list-jobs", "true"]);
    let list = JobList::of(open.url());
    let jobs: Vec<_> = (0..4).map(|n| list.make(&[("RUNID", &format!("run {n}"))])).collect();
    jobs[1].post("/phase", &[("PHASE", "ABORT")]);
    jobs[2].run();
    assert_eq!(jobs[2].wait_for_end(), "ERROR");
    let shown = |query: &str| -> Vec<usize> {
        let document = list.get(query).text();
        let at = |job: &JobResource| document.find(&format!("\"{}\"", job.url));
        let mut shown: Vec<_> = (0..4).filter_map(|n| Some((at(&jobs[n])?, n))).collect();
        shown.sort_unstable();
        shown.into_iter().map(|(_, n)| n).collect()
    };
    let sorted = |query: &str| {
        let mut numbers = shown(query);
        numbers.sort_unstable();
        numbers
    };
    assert_eq!(sorted(""), [0, 1, 2, 3]);
    assert_eq!(sorted("?PHASE=PENDING"), [0, 3]);
    assert_eq!(sorted("?PHASE=ABORTED&phase=ERROR"), [1, 2]);
    assert_eq!(shown("?LAST=1"), [3]);
    assert_eq!(shown("?LAST=2&PHASE=PENDING"), [3, 0], "newest first");
    let created = jobs[2].element("creationTime").expect("a time");
    assert_eq!(shown(&format!("?AFTER={created}")), [3]);
    assert_eq!(sorted("?AFTER=2001-01-01"), [0, 1, 2, 3]);
    assert!(shown("?AFTER=2999-01-01T00:00:00Z").is_empty());
    assert!(shown("?PHASE=ARCHIVED").is_empty());
    assert!(list.get("").text().contains("<uws:runId>run 3</uws:runId>"));
}

#[test]
fn a_part_of_a_result_can_be_asked_for() {
    let Some(hats) = places::hats() else { return };
    let server = Server::serve(&hats, &[]);
    let list = JobList::of(server.url());
    let job = list.ended(&[("QUERY", "SELECT * FROM opengc"), ("FORMAT", "csv")]);
    let whole = job.get("/results/result").body;
    assert!(whole.len() > 300_000, "several steps of reading: {}", whole.len());
    let end = whole.len() - 1;
    for (range, start, last) in [
        ("bytes=0-0".to_owned(), 0, 0),
        ("bytes=100000-".to_owned(), 100_000, end),
        ("bytes=-10".to_owned(), end - 9, end),
        (format!("bytes=5-{}", 10 * end), 5, end),
    ] {
        let part = job.get_with("/results/result", ("range", &range));
        assert_eq!(part.status, 206, "{range}");
        assert!(part.body == whole[start..=last], "{range}: {} bytes", part.body.len());
        let said = format!("bytes {start}-{last}/{}", whole.len());
        assert_eq!(part.header("content-range"), said, "{range}");
    }
    let beyond = format!("bytes={}-", whole.len());
    assert_eq!(job.get_with("/results/result", ("range", &beyond)).status, 416);
    for whole_again in ["bytes=0-1,3-4", "rows=0-1", "bytes=9-3", "bytes=x-"] {
        let reply = job.get_with("/results/result", ("range", whole_again));
        assert!(reply.status == 200 && reply.body == whole, "{whole_again}: {}", reply.status);
    }
}

/// pyvo and astroquery; what they read is compared with the Parquet files.
#[test]
fn pyvo_and_astroquery_run_jobs() {
    let (Some(hats), Some(python)) = (places::hats(), places::python()) else { return };
    on_both(|tap| {
        let arguments = [tap.base(), &hats.to_string_lossy()];
        if let Err(said) = places::run_python(&python, "tests/clients/use_jobs.py", &arguments) {
            panic!("{said}");
        }
    });
}

#[test]
fn stilts_runs_jobs_and_resumes_them() {
    let Some(stilts) = places::stilts() else { return };
    on_both(|tap| {
        let adql = "SELECT name, ra, dec, b_mag FROM opengc";
        let sync = tap.query(adql).expect("sync answers");
        let (url, query) = (format!("tapurl={}", tap.base()), format!("adql={adql}"));
        let asked = ["tapquery", &url, &query, "sync=false", "ofmt=csv", "out=-"];
        assert_same(&read_csv(&stilts, &asked), &sync);
        let list = JobList::of(tap.base());
        let job = list.make(&[("LANG", "ADQL"), ("QUERY", adql)]);
        job.run();
        let url = format!("joburl={}", job.url);
        let resumed = ["tapresume", &url, "delete=finished", "ofmt=csv", "out=-"];
        assert_same(&read_csv(&stilts, &resumed), &sync);
        assert_eq!(job.get("").status, 404, "tapresume deletes what is finished");
        let wrong = [
            "tapquery",
            &format!("tapurl={}", tap.base()),
            "adql=SELECT nme FROM opengc",
            "sync=false",
        ];
        let refused = run(&stilts, &wrong);
        let said = text(&refused.stderr);
        assert!(!refused.status.success() && said.contains("nme"), "{said}");
    });
}

fn read_csv(stilts: &Path, arguments: &[&str]) -> Answer {
    let output = run(stilts, arguments);
    assert!(output.status.success(), "{arguments:?}: {}", text(&output.stderr));
    Answer::from_csv(&text(&output.stdout))
}

fn assert_same(one: &Answer, other: &Answer) {
    assert_eq!(one.rows.len(), 13_962);
    assert_eq!(one.difference(other), None);
}
