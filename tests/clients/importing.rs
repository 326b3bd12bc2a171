//! `armilla import` as an operator meets it: files in, a served table out, and kills and full disks
//! on the way.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::fs;
use std::hash::{BuildHasher as _, RandomState};
use std::path::{Path, PathBuf};
use std::process::{Child, Output, Stdio};
use std::time::{Duration, Instant};

use tests::isolation::{Isolation, Mount};
use tests::metrics::eventually;
use tests::process::{armilla, run_armilla};
use tests::{Server, Tap, places};

fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

fn import(arguments: &[&str]) -> Output {
    run_armilla([&["import"], arguments].concat())
}

/// The output of an import that succeeds.
fn imported(arguments: &[&str]) -> String {
    let output = import(arguments);
    assert!(output.status.success(), "{arguments:?}: {}", text(&output.stderr));
    text(&output.stdout)
}

fn path(path: &Path) -> &str {
    path.to_str().expect("paths of tests are texts")
}

/// All files below a folder with their bytes.
fn files(folder: &Path) -> BTreeMap<PathBuf, Vec<u8>> {
    let (mut found, mut open) = (BTreeMap::new(), vec![folder.to_owned()]);
    while let Some(next) = open.pop() {
        for entry in fs::read_dir(&next).expect("the folder is there") {
            let path = entry.expect("it is listed").path();
            if path.is_dir() {
                open.push(path);
            } else {
                let name = path.strip_prefix(folder).expect("it is below").to_owned();
                found.insert(name, fs::read(&path).expect("it can be read"));
            }
        }
    }
    found
}

fn opengc() -> Option<PathBuf> {
    places::shared().map(|shared| shared.join("data/opengc/NGC.csv.gz"))
}

#[test]
fn opengc_is_imported_and_served() {
    let (Some(input), Some(python)) = (opengc(), places::python()) else { return };
    let folder = tempfile::tempdir().expect("a temporary folder");
    let data = folder.path().join("sky");
    // Everything from one file of settings.
    let settings = folder.path().join("import.toml");
    let out = data.join("public/opengc");
    let toml = format!(
        "input = [{:?}]\nout = {:?}\nindex = ['Name']\nmargin = 30\ntile_rows = 2000\n",
        path(&input),
        path(&out)
    );
    fs::write(&settings, toml).expect("settings are written");
    let report = imported(&["--config", path(&settings)]);
    let oracle = places::run_python(&python, "tests/clients/read_opengc.py", &[path(&input)]);
    let oracle = oracle.unwrap_or_else(|said| panic!("{said}"));
    let mut lines = oracle.lines();
    let mut next = || lines.next().expect("the oracle says so");
    let (placed, unplaced) = (next(), next());
    let names: Vec<&str> = lines.collect();
    assert!(names.len() >= 4 && names[0] == "NGC0224", "{oracle}");
    assert!(report.contains(&format!("without position: {unplaced} rows")), "{report}");
    assert!(out.join("without_position.parquet").is_file());
    let server = Server::serve(&data, &[]);
    let tap = Tap::new(server.url());
    let ask = |adql: &str| tap.query(adql).unwrap_or_else(|e| panic!("{adql}: {e}"));
    let count = ask("SELECT COUNT(*) AS n FROM opengc");
    assert_eq!(count.single(), Some(placed));
    let cone = ask("SELECT name, DISTANCE(ra_deg, dec_deg, 10.6847, 41.269) AS d FROM opengc \
                    WHERE DISTANCE(ra_deg, dec_deg, 10.6847, 41.269) < 1 ORDER BY d");
    assert_eq!(cone.column("Name"), names);
    let m31 = ask("SELECT ra_deg FROM opengc WHERE name = 'NGC0224' AND RA = '00:42:44.35'");
    let degrees: f64 = m31.single().and_then(|value| value.parse().ok()).expect("one number");
    assert!((degrees - 10.684_791_666_666_7).abs() < 1e-9, "{degrees}");
    let described = ask("SELECT unit FROM TAP_SCHEMA.columns WHERE table_name LIKE '%opengc' \
                         AND ucd = 'pos.eq.ra;meta.main'");
    assert_eq!(described.single(), Some("deg"));
    // The same again would write over what is served.
    let again = import(&["--config", path(&settings)]);
    assert!(!again.status.success() && text(&again.stderr).contains("exists already"));
}

#[test]
fn a_table_without_positions_is_served_and_joined() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let data = folder.path().join("sky");
    let input = |name: &str, content: &str| {
        let file = folder.path().join(name);
        fs::write(&file, content).expect("the input is written");
        file
    };
    let stars = input("stars.csv", "id,visit,ra,dec\n1,7,10,10\n2,8,200,-30\n3,9,350,80\n");
    let visits = input("visits.csv", "visit,mjd\n7,60000.5\n8,60001.5\n");
    let detections = input("seen.csv", "seen,id,ra,dec\n1,1,10.0001,10\n2,2,200,-30\n3,5,1,1\n");
    imported(&[path(&stars), "--out", path(&data.join("s/stars")), "--index", "id"]);
    imported(&[path(&visits), "--out", path(&data.join("s/visits")), "--no-position"]);
    let report = imported(&[
        path(&detections),
        "--out",
        path(&data.join("s/seen")),
        "--parent",
        "s.stars",
        "--key",
        "id",
    ]);
    assert!(report.contains("without a parent: 1 rows"), "{report}");
    let cluster = tests::Cluster::start(&data);
    let ask = |adql: &str| cluster.tap().query(adql).unwrap_or_else(|e| panic!("{adql}: {e}"));
    let joined = ask("SELECT s.id, v.mjd FROM s.stars AS s JOIN s.visits AS v \
                      ON s.visit = v.visit ORDER BY s.id");
    assert_eq!(joined.column("mjd"), ["60000.5", "60001.5"]);
    assert_eq!(ask("SELECT COUNT(*) AS n FROM s.visits").single(), Some("2"));
    let children = ask("SELECT COUNT(*) AS n FROM s.seen AS c JOIN s.stars AS p ON c.id = p.id");
    assert_eq!(children.single(), Some("2"));
}

/// Rows all over the sky, of which some have no place.
fn many_rows(file: &Path) {
    let mut csv = "id,ra,dec,flux\n".to_owned();
    for id in 0..200_000_u64 {
        let ra = (id * 7_919 % 360_000) as f64 / 1e3;
        let dec = (id * 104_729 % 182_000) as f64 / 1e3 - 91.0;
        writeln!(csv, "{id},{ra},{dec},{}", id % 1_000).expect("a text takes more");
    }
    fs::write(file, csv).expect("the input is written");
}

#[test]
fn a_killed_import_is_finished_by_the_next_and_never_served_before() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let (data, input) = (folder.path().join("sky"), folder.path().join("rows.csv"));
    many_rows(&input);
    let small = folder.path().join("small.csv");
    fs::write(&small, "id,ra,dec\n1,2,3\n").expect("the input is written");
    imported(&[path(&small), "--out", path(&data.join("s/small"))]);
    let options = ["--memory", "6MiB", "--index", "id", "--tile-rows", "20000"];
    let whole = folder.path().join("whole/s/t");
    let begun = Instant::now();
    imported(&[&[path(&input), "--out", path(&whole)], &options[..]].concat());
    let whole_took = begun.elapsed();
    let out = data.join("s/t");
    let arguments = [&["import", path(&input), "--out", path(&out)], &options[..]].concat();
    let partial = data.join("s/.t.partial");
    let at_moments = [
        "scratch/run0.arrow",
        "scratch/run2.arrow",
        "scratch/run5.arrow",
        "content/t/dataset",
        "scratch/values0-3.arrow",
    ];
    let start = || {
        let mut command = armilla(&arguments);
        command.stdout(Stdio::null()).stderr(Stdio::null()).spawn().expect("the binary starts")
    };
    let kill = |mut child: Child| {
        child.kill().expect("it can be killed");
        child.wait().expect("it ends");
        let count = "SELECT COUNT(*) AS n FROM s.small";
        let query = run_armilla(["query", "--data", path(&data), "--format", "csv", count]);
        assert!(query.status.success(), "{}", text(&query.stderr));
    };
    for moment in at_moments {
        let mut child = start();
        let reached = eventually(Duration::from_secs(120), || {
            partial.join(moment).exists() || child.try_wait().is_ok_and(|ended| ended.is_some())
        });
        assert!(reached, "it never comes to {moment}");
        kill(child);
        assert!(!out.exists(), "it was finished before {moment}");
    }
    let report = imported(&arguments[1..]);
    assert!(report.contains("rows were there from an import that was killed"), "{report}");
    assert!(!partial.exists());
    same_files(&out, &whole, "after kills at known moments");
    // And at moments that nobody chose; each time it goes on from the last.
    let mut kills = Vec::new();
    fs::remove_dir_all(&out).expect("the table is ours");
    while kills.len() < 10 {
        let moment = whole_took.mul_f64((RandomState::new().hash_one(0) % 1000) as f64 / 1e3);
        kills.push(moment);
        let child = start();
        std::thread::sleep(moment);
        kill(child);
        if out.exists() {
            same_files(&out, &whole, &format!("{kills:?}"));
            fs::remove_dir_all(&out).expect("the table is ours");
        }
    }
    imported(&arguments[1..]);
    same_files(&out, &whole, &format!("{kills:?}"));
}

fn same_files(found: &Path, expected: &Path, after: &str) {
    let (found, expected) = (files(found), files(expected));
    assert_eq!(found.keys().collect::<Vec<_>>(), expected.keys().collect::<Vec<_>>(), "{after}");
    for (name, bytes) in &expected {
        assert!(&found[name] == bytes, "{} differs: {after}", name.display());
    }
}

#[test]
fn a_full_disk_is_named_and_leaves_nothing() {
    let isolation = Isolation::detect();
    if !isolation.mounts() {
        places::missing("mounts", "no file system of a size of its own");
        return;
    }
    let folder = tempfile::tempdir().expect("a temporary folder");
    let (disk, input) = (folder.path().join("disk"), folder.path().join("rows.csv"));
    fs::create_dir(&disk).expect("the folder is ours");
    many_rows(&input);
    let mut inner = std::process::Command::new("sh");
    let script = "\"$@\"; code=$?; echo left: $(ls -A \"$0\"/s); exit $code";
    inner.args(["-c", script, path(&disk)]).arg(places::binary());
    inner.args(["import", path(&input), "--memory", "6MiB", "--out", path(&disk.join("s/t"))]);
    let mounts = [Mount { folder: disk.clone(), size: "3m" }];
    let output = isolation.wrap(0, &[], &inner, &mounts).output().expect("unshare starts");
    let (said, left) = (text(&output.stderr), text(&output.stdout));
    assert!(!output.status.success(), "{left}");
    assert!(said.contains("cannot write") && said.contains("No space left"), "{said}");
    assert_eq!(left.trim(), "left:", "{said}");
}

#[test]
fn wrong_settings_are_refused_by_their_names() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let input = folder.path().join("a.csv");
    fs::write(&input, "id,ra,dec\n1,2,3\n").expect("the input is written");
    let out = folder.path().join("sky/s/t");
    let cases: [(&[&str], &str); 11] = [
        (&[], "--input"),
        (&["--position-unit", "turns"], "position_unit = turns"),
        (&["--kind", "star"], "kind = star"),
        (&["--margin", "-3"], "margin of -3 arcseconds"),
        (&["--index", "nr"], "no column nr"),
        (&["--parent", "s.o"], "--key"),
        (&["--ra", "ra", "--no-position"], "no_position"),
        (&["--column-types", "id:apples"], "column_types = id:apples"),
        (&["--append", "--replace"], "append goes without replace"),
        (&["--append", "--margin=10"], "append goes without margin"),
        (&["--append"], "there is none to append to"),
    ];
    for (flags, words) in cases {
        let input: &[&str] = if flags.is_empty() { &[] } else { &[path(&input)] };
        let mut given: Vec<String> = Vec::new();
        for word in flags {
            match given.last_mut().filter(|_| !word.starts_with("--")) {
                Some(flag) => *flag += &format!("={word}"),
                None => given.push((*word).to_owned()),
            }
        }
        let flags: Vec<&str> = given.iter().map(String::as_str).collect();
        let output = import(&[input, &["--out", path(&out)], &flags].concat());
        let said = text(&output.stderr);
        assert!(!output.status.success() && said.contains(words), "{flags:?}: {said}");
    }
    assert!(!out.exists());
}
