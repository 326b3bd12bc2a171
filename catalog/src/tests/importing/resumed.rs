//! Imports that were killed: a copy of the folder as it was at some moment is what a kill leaves.

use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};

use super::{Bench, files, said};
use crate::import::{ImportOptions, ImportProgress, import};
use crate::read::ReadOptions;
use crate::write::Staging;

pub(super) fn csv(from: u64, count: u64) -> String {
    let mut csv = "id,ra,dec,name\n".to_owned();
    for id in from..from + count {
        let ra = if id % 97 == 0 { 400.0 } else { (id * 7_919 % 360_000) as f64 / 1e3 };
        let dec = (id * 104_729 % 178_000) as f64 / 1e3 - 89.0;
        csv.push_str(&format!("{id},{ra},{dec},row {}\n", id % 13));
    }
    csv
}

pub(super) fn copy(from: &Path, to: &Path) {
    fs::create_dir_all(to).unwrap();
    for entry in fs::read_dir(from).unwrap() {
        let path = entry.unwrap().path();
        let target = to.join(path.file_name().unwrap());
        if path.is_dir() {
            copy(&path, &target);
        } else {
            fs::copy(&path, &target).unwrap();
        }
    }
}

fn options(bench: &Bench, inputs: &[PathBuf], table: &str) -> ImportOptions {
    ImportOptions {
        margin_arcsec: Some(60.0),
        indexes: vec!["id".to_owned()],
        memory_bytes: 1 << 19,
        threads: 2,
        read: ReadOptions { batch_rows: 1_000, ..ReadOptions::default() },
        ..bench.options(inputs.to_vec(), table)
    }
}

#[test]
fn a_killed_import_goes_on_to_the_same_bytes() {
    let bench = Bench::new();
    let inputs = [bench.input("a.csv", &csv(0, 5_000)), bench.input("b.csv", &csv(5_000, 7_000))];
    let whole = import(&options(&bench, &inputs, "t"), &|_| {}).unwrap();
    assert_eq!(whole.table.rows + whole.table.unplaced, 12_000);
    assert!(whole.table.unplaced > 100);
    let expected = files(&bench.data().join("s/t"));
    fs::rename(bench.data().join("s/t"), bench.folder.path().join("first")).unwrap();
    let options = options(&bench, &inputs, "t");
    let partial = options.folder.with_file_name(&Staging::names(&options.folder).unwrap()[0]);
    // The folder as it is at each batch, and at some moments after.
    let (reports, kept) = (AtomicUsize::new(0), Mutex::new(Vec::new()));
    import(&options, &|progress| {
        let number = reports.fetch_add(1, Ordering::Relaxed);
        let is_wanted = match progress {
            ImportProgress::Rows { .. } => true,
            _ => number % 20 == 0,
        };
        if is_wanted && partial.exists() {
            let mut kept = kept.lock().unwrap();
            let copied = bench.folder.path().join(format!("kept{}", kept.len()));
            copy(&partial, &copied);
            kept.push(copied);
        }
    })
    .unwrap();
    let mut resumed = 0;
    let kept = kept.into_inner().unwrap();
    assert!(kept.len() > 5);
    for copied in &kept {
        fs::remove_dir_all(&options.folder).unwrap();
        copy(copied, &partial);
        let report = import(&options, &|_| {}).unwrap();
        let found = files(&options.folder);
        assert_eq!(found.keys().collect::<Vec<_>>(), expected.keys().collect::<Vec<_>>());
        for (name, bytes) in &expected {
            assert!(&found[name] == bytes, "{name} differs after {}", copied.display());
        }
        assert_eq!(report.without_position, whole.without_position);
        resumed += usize::from(report.resumed_rows > 0);
        assert!(!partial.exists());
    }
    assert!(resumed > 2, "only {resumed} of {} went on", kept.len());
    // Another command on what is left is told what differs, and harms nothing.
    fs::remove_dir_all(&options.folder).unwrap();
    let last = kept.last().unwrap();
    copy(last, &partial);
    let other = ImportOptions { margin_arcsec: Some(5.0), ..options.clone() };
    let error = said(import(&other, &|_| {}));
    assert!(error.contains("its margin was Some(60.0), and is Some(5.0) now"), "{error}");
    assert_eq!(files(&partial), files(last));
    // Of another release, or torn: anew.
    fs::write(partial.join("scratch/journal.toml"), "version = 999\n").unwrap();
    let report = import(&other, &|_| {}).unwrap();
    assert_eq!(report.resumed_rows, 0);
}
