//! Many tables are opened by tasks on all cores, which end with who waits for them.

use std::pin::pin;
use std::time::Duration;

use catalog::synthetic::{Columns, Content, Footprint, Sky, Table};
use catalog::{Location, Snapshot};
use futures::poll;
use tokio::runtime::Handle;

const TABLES: usize = 24;

/// A folder with many tables.
fn many_tables() -> tempfile::TempDir {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let sky = Sky::with(10, 5, Footprint::All, 3);
    for number in 0..TABLES {
        let table = folder.path().join(format!("lsst/t{number}"));
        let content = Content::Survey(Table::Object, Columns::First(6));
        sky.write(&content, &table, "lsst", &|_| {}).expect("the table is written");
    }
    folder
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_opening_that_is_given_up_ends_its_tasks() {
    let folder = many_tables();
    let location = Location::Folder(folder.path().to_owned());
    let alive = || Handle::current().metrics().num_alive_tasks();
    let before = alive();
    {
        let mut opening = pin!(Snapshot::open(&location));
        while alive() < before + 2 {
            assert!(poll!(&mut opening).is_pending(), "no tasks were seen");
            tokio::task::yield_now().await;
        }
    }
    for _ in 0..2_000 {
        if alive() == before {
            break;
        }
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    assert_eq!(alive(), before, "tasks are left");
    // Left alone, it has every table, in order.
    let snapshot = Snapshot::open(&location).await.expect("the tables are good");
    let names: Vec<&str> =
        snapshot.tiled_tables().iter().map(|table| table.name().table.as_str()).collect();
    assert!(names.len() == TABLES && names.is_sorted(), "{names:?}");
    // The first wrong table is the one that is told.
    for name in ["t21", "t17"] {
        let file = folder.path().join("lsst").join(name).join("table.toml");
        std::fs::write(file, "version = 2\nnonsense = 1\n").expect("the folder is ours");
    }
    let error = Snapshot::open(&location).await.expect_err("two tables are wrong").to_string();
    assert!(error.contains("lsst/t17/table.toml: line 2"), "{error}");
}
