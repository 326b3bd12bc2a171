//! `armilla import` from an S3-compatible store and over plain HTTP makes what the files make.

use std::fs;
use std::net::Ipv4Addr;
use std::path::{Path, PathBuf};
use std::process::Output;

use tests::origin::Origin;
use tests::process::armilla;
use tests::{Answer, places};

use crate::bucket::{BUCKET, Store};

fn text(path: &Path) -> &str {
    path.to_str().expect("paths of tests are texts")
}

const FILES: [&str; 5] = ["stars.csv", "stars.csv.gz", "stars.fits", "stars.vot", "stars.parquet"];

struct Inputs {
    folder: tempfile::TempDir,
    store: Store,
}

impl Inputs {
    fn import(&self, input: &str, out: &Path) -> Output {
        let mut command = armilla(["import", input, "--index", "id", "--out", text(out)]);
        self.store.reached_by(&mut command);
        command.output().expect("the binary starts")
    }

    fn imported(&self, input: &str, out: &Path) -> String {
        let output = self.import(input, out);
        let said = String::from_utf8_lossy(&output.stderr);
        assert!(output.status.success(), "{input}: {said}");
        String::from_utf8_lossy(&output.stdout).into_owned()
    }

    fn out(&self, name: &str) -> PathBuf {
        self.folder.path().join("sky/s").join(name)
    }

    fn summary(&self, table: &str) -> Answer {
        let adql = format!(
            "SELECT COUNT(*) AS n, SUM(id) AS ids, MIN(g) AS bright, MAX(name) AS final, \
             MAX(ra) AS ra, MIN(dec) AS dec FROM s.{table}"
        );
        let data = self.folder.path().join("sky");
        self.store.query(text(&data), &adql)
    }
}

fn inputs() -> Option<Inputs> {
    let python = places::python()?;
    let folder = tempfile::tempdir().expect("a temporary folder");
    let files = folder.path().join("files");
    fs::create_dir(&files).expect("the folder is ours");
    let made = places::run_python(&python, "tests/clients/make_inputs.py", &[text(&files)]);
    made.unwrap_or_else(|said| panic!("{said}"));
    let store = Store::start(&python, &files);
    Some(Inputs { folder, store })
}

#[test]
fn files_in_a_store_and_behind_http_make_the_same_table() {
    let Some(inputs) = inputs() else { return };
    let files = inputs.folder.path().join("files");
    let origin = Origin::serve(&files, Ipv4Addr::LOCALHOST);
    inputs.imported(text(&files.join("stars.csv")), &inputs.out("disk"));
    let expected = inputs.summary("disk");
    for (number, file) in FILES.iter().enumerate() {
        for (from, url) in
            [("s3", format!("s3://{BUCKET}/{file}")), ("http", format!("{}/{file}", origin.url()))]
        {
            let table = format!("{from}_{number}");
            let report = inputs.imported(&url, &inputs.out(&table));
            assert!(report.contains("60,000 rows of 1 files"), "{url}: {report}");
            assert_eq!(inputs.summary(&table).difference(&expected), None, "{url}");
        }
    }
    // All that lies below a prefix, and a table of HATS without its margin and index.
    let report = inputs.imported(&format!("s3://{BUCKET}/parts"), &inputs.out("parts"));
    assert!(report.contains("60,000 rows of 3 files"), "{report}");
    assert!(report.contains("1 other files"), "{report}");
    assert_eq!(inputs.summary("parts").difference(&expected), None);
    let (python, sky) = (places::python().expect("it was there"), inputs.folder.path().join("sky"));
    let again = Inputs { folder: inputs.folder, store: Store::start(&python, &sky) };
    again.imported(&format!("s3://{BUCKET}/s/disk"), &again.out("again"));
    assert_eq!(again.summary("again").difference(&expected), None);
}

#[test]
fn what_cannot_be_imported_from_afar_is_named() {
    let Some(inputs) = inputs() else { return };
    let files = inputs.folder.path().join("files");
    let origin = Origin::serve(&files, Ipv4Addr::LOCALHOST);
    let out = inputs.out("t");
    let refused = |input: &str, expected: &str| {
        let output = inputs.import(input, &out);
        let said = String::from_utf8_lossy(&output.stderr);
        assert!(!output.status.success() && said.contains(expected), "{input}: {said}");
        assert_ne!(output.status.code(), Some(101), "{said}");
        assert!(!out.exists(), "nothing of it is served");
    };
    refused(&format!("s3://{BUCKET}/nothing"), "there is no table file at s3://sky/nothing");
    refused(&format!("{}/nothing.csv", origin.url()), "nothing.csv cannot be read");
    refused("gs://b/x.csv", "gs:// is not supported");
    refused("s3://no-such-bucket/x", "s3://no-such-bucket/x cannot be read");
    fs::write(
        files.join("cut.parquet"),
        &fs::read(files.join("stars.parquet")).expect("it is there")[..9000],
    )
    .expect("the folder is ours");
    refused(&format!("{}/cut.parquet", origin.url()), "/cut.parquet: ");
}
