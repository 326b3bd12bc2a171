//! Tables that queries bring: every format and serialization by astropy, joins by pandas, clients,
//! lies, and what is left behind. The same over three workers, and after kills.

use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use tempfile::TempDir;
use tests::cluster::Plan;
use tests::jobs::JobList;
use tests::metrics::eventually;
use tests::{Cluster, Server, Tap, places};

use crate::{run, text};

const SCRIPT: &str = "tests/clients/use_uploads.py";

/// A folder of state, and that of uploads in it.
fn state() -> (TempDir, PathBuf) {
    let state = tempfile::tempdir().expect("a temporary folder");
    let uploads = state.path().join("uploads");
    (state, uploads)
}

fn serve(hats: &Path, state: &TempDir, flags: &[&str]) -> Server {
    let state = state.path().to_string_lossy();
    Server::serve(hats, &[&["--state", &*state], flags].concat())
}

/// Runs the script of clients, which also looks whether something is left.
fn use_uploads(what: &str, url: &str, uploads: &Path) -> String {
    let (Some(hats), Some(python)) = (places::hats(), places::python()) else {
        return String::new();
    };
    let arguments = [what, url, &hats.to_string_lossy(), &uploads.to_string_lossy()];
    places::run_python(&python, SCRIPT, &arguments).unwrap_or_else(|said| panic!("{said}"))
}

#[test]
fn uploads_are_tables_of_one_process() {
    let Some(hats) = places::hats() else { return };
    let (state, uploads) = state();
    use_uploads("right", serve(&hats, &state, &[]).url(), &uploads);
}

#[test]
fn uploads_are_tables_over_three_workers() {
    let Some(hats) = places::hats() else { return };
    let cluster = Cluster::start(&hats);
    use_uploads("right", cluster.tap().base(), &cluster.state().join("uploads"));
    for (worker, folder) in cluster.folders().iter().enumerate() {
        let left = folder.join(".armilla/uploads");
        let list = format!("test -d '{0}' && test -z \"$(ls -A '{0}')\"", left.display());
        let is_empty = eventually(Duration::from_secs(20), || {
            cluster.run_inside(worker, &["sh", "-c", &list])
        });
        assert!(is_empty, "something is left in {}", left.display());
    }
}

#[test]
fn lies_are_refused_and_leave_nothing() {
    let Some(hats) = places::hats() else { return };
    let (state, uploads) = state();
    let limits = ["--upload-bytes", "300000", "--upload-rows", "1000"];
    use_uploads("wrong", serve(&hats, &state, &limits).url(), &uploads);
}

#[test]
fn tables_are_fetched_by_url() {
    let Some(hats) = places::hats() else { return };
    let (state, uploads) = state();
    let flags = ["--upload-private-urls", "true", "--upload-bytes", "1MB"];
    use_uploads("fetched", serve(&hats, &state, &flags).url(), &uploads);
}

fn names(folder: &Path) -> Vec<String> {
    let entries = std::fs::read_dir(folder).into_iter().flatten().flatten();
    entries.map(|entry| entry.file_name().to_string_lossy().into_owned()).collect()
}

#[test]
fn a_job_keeps_its_upload_over_a_kill_and_nothing_else_stays() {
    let Some(hats) = places::hats() else { return };
    let (state, uploads) = state();
    let server = serve(&hats, &state, &[]);
    let url = use_uploads("job", server.url(), &uploads);
    let Some(id) = url.trim().rsplit('/').next().filter(|id| !id.is_empty()) else { return };
    drop(server);
    std::fs::create_dir(uploads.join("half")).expect("a folder is made");
    std::fs::write(uploads.join("half/t.part"), "a\n").expect("a file is written");
    let server = serve(&hats, &state, &[]);
    assert_eq!(names(&uploads), [id], "only what a job still needs");
    let list = JobList::of(server.url());
    let phase = ("PHASE", "RUN");
    let run = |path: &str| list.send(reqwest::Method::POST, path, "PHASE=RUN");
    assert_eq!(run(&format!("/{id}/phase")).status, 303, "{phase:?}");
    let done = eventually(Duration::from_secs(60), || {
        list.get(&format!("/{id}/phase")).text() == "COMPLETED"
    });
    assert!(done, "{}", list.get(&format!("/{id}")).text());
    assert_eq!(list.get(&format!("/{id}/results/result")).text(), "n\n6\n");
    let is_gone = eventually(Duration::from_secs(10), || names(&uploads).is_empty());
    assert!(is_gone, "{:?}", names(&uploads));
}

/// A million rows, by curl, in memory that does not grow with them.
#[test]
fn a_million_rows_are_ordinary() {
    let Some(hats) = places::hats() else { return };
    let (state, uploads) = state();
    let server = serve(&hats, &state, &[]);
    let rows = state.path().join("rows.csv");
    let mut lines = String::from("id,ra,dec,name\n");
    for row in 0..1_000_000_u32 {
        let degrees = f64::from(row) * 1e-4;
        lines.push_str(&format!("{row},{degrees:.4},{:.4},star {row}\n", degrees - 50.0));
    }
    std::fs::write(&rows, lines).expect("the rows are written");
    let (before, file) = (peak_kib(server.id()), format!("f=@{}", rows.display()));
    let output = Command::new("curl")
        .args(["-sS", "-F", "LANG=ADQL", "-F", "UPLOAD=t,param:f", "-F", "RESPONSEFORMAT=csv"])
        .args(["-F", "QUERY=SELECT COUNT(DISTINCT id) AS n, MAX(dec) AS m FROM TAP_UPLOAD.t"])
        .args(["-F", &file, &format!("{}/sync", server.url())])
        .output();
    let output = output.expect("curl starts");
    assert_eq!(text(&output.stdout), "n,m\n1000000,49.9999\n", "{}", text(&output.stderr));
    let grown = peak_kib(server.id()) - before;
    assert!(grown < 400 << 10, "{grown} KiB more for {:?}", std::fs::metadata(&rows));
    assert!(names(&uploads).is_empty(), "{:?}", names(&uploads));
}

fn peak_kib(process: u32) -> u64 {
    let status = std::fs::read_to_string(format!("/proc/{process}/status")).unwrap_or_default();
    let peak = status.lines().find_map(|line| line.strip_prefix("VmHWM:"));
    peak.and_then(|peak| peak.split_whitespace().next()?.parse().ok()).unwrap_or_default()
}

/// Each answer is right while the worker that is given uploads goes.
#[test]
fn uploads_outlive_a_worker() {
    let (Some(hats), Some(_)) = (places::hats(), places::stilts()) else { return };
    let mut cluster = Cluster::by(&Plan {
        data: hats,
        workers: 3,
        over_http: false,
        spill: None,
        coordinator_flags: Vec::new(),
        worker_flags: Vec::new(),
    });
    let folder = tempfile::tempdir().expect("a temporary folder");
    let table = folder.path().join("t.csv");
    std::fs::write(&table, "id\n700\n701\n-1\n").expect("the table is written");
    let file = format!("f=@{}", table.display());
    let url = format!("{}/sync", cluster.tap().base());
    let ask = |query: &str| {
        let output = Command::new("curl")
            .args(["-sS", "-F", "LANG=ADQL", "-F", "UPLOAD=t,param:f", "-F", "RESPONSEFORMAT=csv"])
            .args(["-F", &format!("QUERY={query}"), "-F", &file, &url])
            .output();
        text(&output.expect("curl starts").stdout)
    };
    let alone = "SELECT COUNT(id) AS n, SUM(id) AS s FROM TAP_UPLOAD.t WHERE id > -2";
    let joined = "SELECT COUNT(s.id) AS n, SUM(s.id) AS s FROM small_sky AS s \
                  JOIN TAP_UPLOAD.t AS t ON s.id = t.id";
    for lost in [None, Some(0)] {
        if let Some(worker) = lost {
            cluster.kill_worker(worker);
        }
        for _ in 0..8 {
            assert_eq!(ask(alone), "n,s\n3,1400\n", "{lost:?}");
            assert_eq!(ask(joined), "n,s\n2,1401\n", "{lost:?}");
        }
    }
}

/// STILTS brings a table in each serialization that it writes.
#[test]
fn stilts_brings_tables() {
    let (Some(hats), Some(stilts)) = (places::hats(), places::stilts()) else { return };
    let (state, _) = state();
    let server = serve(&hats, &state, &[]);
    let table = state.path().join("t.csv");
    std::fs::write(&table, "a,b\n1,x\n2,y\n").expect("the table is written");
    let (url, input) = (format!("tapurl={}", server.url()), format!("upload1={}", table.display()));
    for (sync, serialization) in
        [("true", "tabledata"), ("false", "binary"), ("true", "binary2"), ("false", "binary2")]
    {
        let output = run(
            &stilts,
            &[
                "tapquery",
                &url,
                "adql=SELECT a, b FROM TAP_UPLOAD.up1 ORDER BY a DESC",
                &format!("sync={sync}"),
                "nupload=1",
                &input,
                "ufmt1=csv",
                "upname1=up1",
                &format!("upvotformat={serialization}"),
                "ofmt=csv",
                "out=-",
            ],
        );
        let said = format!("{serialization}: {}", text(&output.stderr));
        assert_eq!(text(&output.stdout), "a,b\n2,y\n1,x\n", "{said}");
    }
}

#[test]
fn a_service_may_take_no_uploads() {
    let Some(hats) = places::hats() else { return };
    let (state, _) = state();
    let server = serve(&hats, &state, &["--upload-bytes", "0"]);
    let tap = Tap::new(server.url());
    let capabilities = tap.get("capabilities", &[]).body;
    assert!(!capabilities.contains("upload"), "{capabilities}");
    let query = [("LANG", "ADQL"), ("QUERY", "SELECT 1 AS a FROM TAP_UPLOAD.t")];
    let reply = tap.post(&[query[0], query[1], ("UPLOAD", "t,http://example.org/t")]);
    assert!(reply.status == 400 && reply.body.contains("upload_bytes"), "{}", reply.body);
}
