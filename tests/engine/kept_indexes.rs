//! A warm query reads values only: footers and page indexes are decoded once on each node.

use catalog::synthetic::{Columns, Content, Footprint, Sky, Table};
use worker::counters::Source;

use crate::in_process::{Running, alone, cluster};

/// Of one tile: the columns of the condition lie apart in two places, that of the answer in a third.
const READS_OF_A_WARM_CONE: u64 = 3;

/// Reads of tiles by all nodes so far.
fn reads(running: &Running) -> u64 {
    let workers: u64 = running.workers.iter().map(|node| node.reads(Source::Local)).sum();
    workers + running.engine.counters().reads(Source::Local)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_warm_cone_reads_no_footer_and_no_page_index() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let sky = Sky::with(60_000, 5, Footprint::All, 3);
    let content = Content::Survey(Table::Object, Columns::First(6));
    let table = folder.path().join("lsst/object");
    sky.write(&content, &table, "lsst", &|_| {}).expect("the table is written");
    let data = folder.path().to_string_lossy().into_owned();
    let cone = "SELECT objectId, coord_ra, u_psfFlux FROM lsst.object \
                WHERE DISTANCE(coord_ra, coord_dec, 50, -35) < 1";
    for running in [alone(&data).await, cluster(&data, 2).await] {
        let first = running.rows(cone).await.expect("an answer");
        assert!(!first.is_empty());
        let before = reads(&running);
        assert_eq!(running.rows(cone).await.expect("an answer"), first);
        assert_eq!(
            reads(&running) - before,
            READS_OF_A_WARM_CONE,
            "{} workers",
            running.workers.len()
        );
    }
}
