//! `armilla import` of what disks, networks and people break: an exit code, a message that names the
//! file, the place in it and what would work, and nothing that is left to be served.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use tests::isolation::{Isolation, Mount};
use tests::places;
use tests::process::{armilla, run_armilla};

use crate::text;

/// An input, and words that must be said of it.
type Case = (&'static str, &'static [&'static str]);

/// Files that `make_bad_inputs.py` writes.
const FILES: [Case; 35] = [
    ("few.csv", &["row 15000, line 15001: the row has 2 values in place of 3", "missing?"]),
    ("many.csv", &["row 15000, line 15001: the row has 4 values in place of 3"]),
    ("quote.csv", &["row 15000, line 15001: the row has 2 values in place of 3", "quote"]),
    ("word.csv", &["row 15000, line 15001, column ra: \"here\"", "(column_types = ra:text)"]),
    ("twice.csv", &["columns 1 and 2 are both named ra: rename one of them"]),
    ("header.csv", &["there are no rows in"]),
    ("utf16.csv", &["the text is UTF-16", "iconv"]),
    ("latin.csv", &["row 20001, line 20002, column name"]),
    ("picture.csv", &["the file is none of Parquet, Arrow IPC, FITS, VOTable or CSV"]),
    ("nowhere.csv", &["none of the 3 rows", "1 without one, 2 beyond the range", "position_unit"]),
    ("empty.csv", &["the file is empty"]),
    ("empty.vot", &["the file is empty"]),
    ("empty.fits", &["the file is empty"]),
    ("empty.parquet", &["the file is empty"]),
    ("empty.csv.gz", &["the file is empty"]),
    ("cut.csv.gz", &["row ", "line ", "the file ends early"]),
    ("damaged.csv.gz", &["row ", "line "]),
    ("cut_page.parquet", &["damaged or cut short"]),
    ("cut_footer.parquet", &["damaged or cut short"]),
    ("page.parquet", &["row ", "the rows from here on cannot be read"]),
    ("twice.parquet", &["columns 1 and 2 are both named ra: rename one of them"]),
    ("text.parquet", &["named like Parquet, but does not begin like one"]),
    ("cut_header.fits", &["the file ends early, in a header"]),
    ("cut_rows.fits", &["row 13281: the file ends early, in a table of 20000 rows"]),
    ("twice.fits", &["columns 1 and 2 are both named ra: rename one of them"]),
    ("cut.vot", &["row ", "line ", "the document ends early"]),
    ("twice.vot", &["columns 1 and 2 are both named ra: rename one of them"]),
    ("tag.vot", &["row 500, line ", "this is no XML"]),
    ("base64.vot", &["row 6251", "no base64: '*' cannot stand there, as character 200001"]),
    ("cut_base64.vot", &["row 6251", "no base64", "in the middle of a group"]),
    ("failed.vot", &["a query that failed: no such table"]),
    ("absent.csv", &["cannot be read: No such file"]),
    ("folder", &["holds no table files: they end in .csv", ".gz"]),
    ("linked.csv", &["cannot be read: No such file"]),
    ("pipe.csv", &["this is not a file"]),
];

/// Felis files that describe no table of the import.
const FELIS: [(&str, &[&str]); 4] = [
    (
        "name: s\ntables:\n- name: t\n  columns:\n  - {name: id, datatype: quaternion}\n",
        &["line 5, column ", "datatype quaternion of t.id", "give one of boolean, byte"],
    ),
    ("name: s\ntables: [", &["unclosed bracket", "line 2"]),
    (
        "name: s\ntables:\n- {name: u, columns: []}\n- {name: v, columns: []}\n",
        &["it has no table t", "by felis_table: u, v"],
    ),
    ("name: s\n", &["it describes no tables"]),
];

/// A folder of broken files beside one of data, which has a table.
struct Scene {
    folder: tempfile::TempDir,
}

impl Scene {
    fn new() -> Option<Self> {
        let python = places::python()?;
        let folder = tempfile::tempdir().expect("a temporary folder");
        let place = path(folder.path());
        let made = places::run_python(&python, "tests/clients/make_bad_inputs.py", &[place]);
        made.unwrap_or_else(|said| panic!("{said}"));
        let scene = Self { folder };
        fs::create_dir(scene.input("folder")).expect("the folder is ours");
        fs::write(scene.input("folder/read.me"), "no table").expect("the folder is ours");
        std::os::unix::fs::symlink("nowhere", scene.input("linked.csv")).expect("it is ours");
        let pipe = Command::new("mkfifo").arg(scene.input("pipe.csv")).status();
        assert!(pipe.is_ok_and(|status| status.success()));
        fs::write(scene.input("good.csv"), "id,ra,dec\n1,2,3\n").expect("the folder is ours");
        let good = scene.import("good.csv", &[], "good");
        assert!(good.status.success(), "{}", text(&good.stderr));
        Some(scene)
    }

    fn input(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    /// The schema of the tables.
    fn schema(&self) -> PathBuf {
        self.folder.path().join("sky/s")
    }

    fn import(&self, input: &str, flags: &[&str], table: &str) -> Output {
        let (input, out) = (self.input(input), self.schema().join(table));
        run_armilla([&["import", path(&input), "--out", path(&out)], flags].concat())
    }

    /// An import that ended: with 1, by a message that has these words, and without a trace.
    fn check(&self, what: &str, output: &Output, words: &[&str]) {
        let said = text(&output.stderr);
        assert_eq!(output.status.code(), Some(1), "{what}: {said}");
        let message = said.lines().rev().find(|line| line.starts_with("armilla: "));
        let message = message.unwrap_or_else(|| panic!("{what}: no message in {said}"));
        for word in words {
            assert!(message.contains(word), "{what}: {message}\nhas not {word}");
        }
        assert!(!said.contains("panicked"), "{what}: {said}");
        let left = fs::read_dir(self.schema()).expect("it is there").flatten();
        let left: Vec<_> = left.map(|entry| entry.file_name()).collect();
        assert_eq!(left, ["good"], "{what}: something is left");
    }
}

fn path(path: &Path) -> &str {
    path.to_str().expect("paths of tests are texts")
}

#[test]
fn a_broken_file_is_named_with_the_place_and_leaves_nothing() {
    let Some(scene) = Scene::new() else { return };
    for (name, words) in FILES {
        let words = [&[name], words].concat();
        scene.check(name, &scene.import(name, &[], "t"), &words);
    }
    // Among good files, too.
    fs::rename(scene.input("few.csv"), scene.input("folder/few.csv")).expect("it is ours");
    fs::copy(scene.input("good.csv"), scene.input("folder/good.csv")).expect("it is ours");
    scene.check("folder", &scene.import("folder", &[], "t"), &["folder/few.csv: row 15000"]);
    // Rows without a place alone are no reason to end.
    let beyond = scene.import("beyond.csv", &[], "t");
    let said = text(&beyond.stdout);
    assert!(beyond.status.success(), "{}", text(&beyond.stderr));
    assert!(said.contains("without position: 1 rows (0 NULL or NaN, 1 out of range"), "{said}");
    let count = "SELECT COUNT(*) AS n FROM s.t";
    let data = scene.folder.path().join("sky");
    let query = run_armilla(["query", "--data", path(&data), "--format", "csv", count]);
    assert_eq!(text(&query.stdout).trim(), "n\n20000", "{}", text(&query.stderr));
}

#[test]
fn a_broken_description_is_named_and_leaves_nothing() {
    let Some(scene) = Scene::new() else { return };
    let felis = scene.input("f.yaml");
    for (content, words) in FELIS {
        fs::write(&felis, content).expect("the folder is ours");
        let words = [&["f.yaml"], words].concat();
        let output = scene.import("good.csv", &["--felis", path(&felis)], "t");
        scene.check(content, &output, &words);
    }
    let output = scene.import("good.csv", &["--felis", "/no/such.yaml"], "t");
    scene.check("no file", &output, &["/no/such.yaml: the Felis file cannot be read"]);
}

#[test]
fn a_place_that_cannot_be_written_is_named_and_left_as_it_was() {
    let Some(scene) = Scene::new() else { return };
    let input = scene.input("beyond.csv");
    // A limit on the size of files, beyond which the system would end a process without a word.
    let mut limited = Command::new("sh");
    limited.args(["-c", "ulimit -f 40; exec \"$@\"", "sh"]).arg(places::binary());
    limited.args(["import", path(&input), "--out", path(&scene.schema().join("t"))]);
    let output = limited.output().expect("sh starts");
    scene.check("ulimit", &output, &["cannot write ", "/s/.t.partial/", "File too large"]);
    let file = armilla(["import", path(&input), "--out", path(&input.join("s/t"))]).output();
    let words = ["cannot write ", "Not a directory"];
    scene.check("a file above", &file.expect("the binary starts"), &words);
    let isolation = Isolation::detect();
    if !isolation.mounts() {
        places::missing("mounts", "no file system of a size of its own");
        return;
    }
    let disk = scene.input("disk");
    fs::create_dir(&disk).expect("the folder is ours");
    // Full while rows are sorted, and at the tiles; the last cannot be written at all.
    for (size, words) in [
        ("4k", ["/s/.t.partial/scratch/", "No space left"]),
        ("256k", ["/s/.t.partial/scratch/", "No space left"]),
        ("700k", ["/s/.t.partial/content/", "No space left"]),
        ("4k,ro", ["cannot write ", "Read-only file system"]),
    ] {
        let mut inner = Command::new("sh");
        let script = "\"$@\"; code=$?; echo left: $(find \"$0\" -mindepth 2); exit $code";
        inner.args(["-c", script, path(&disk)]).arg(places::binary());
        inner.args(["import", path(&input), "--memory", "6MiB", "--out", path(&disk.join("s/t"))]);
        let mounts = [Mount { folder: disk.clone(), size }];
        let output = isolation.wrap(0, &[], &inner, &mounts).output().expect("unshare starts");
        scene.check(size, &output, &words);
        assert_eq!(text(&output.stdout).trim(), "left:", "{size}");
    }
}
