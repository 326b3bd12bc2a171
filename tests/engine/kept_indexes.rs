//! A warm query reads values only: footers and page indexes are decoded once on each node, however
//! many columns they describe.

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
    let widths = [("narrow", 20_000, Columns::First(24)), ("wide", 2_000, Columns::All)];
    for (schema, objects, columns) in widths {
        let sky = Sky::with(objects, 5, Footprint::All, 3);
        let content = Content::Survey(Table::Object, columns);
        let table = folder.path().join(schema).join("object");
        sky.write(&content, &table, schema, &|_| {}).expect("the table is written");
    }
    let data = folder.path().to_string_lossy().into_owned();
    for running in [alone(&data).await, cluster(&data, 2).await] {
        for schema in ["narrow", "wide"] {
            let cone = format!(
                "SELECT objectId, coord_ra, u_psfFlux FROM {schema}.object \
                 WHERE DISTANCE(coord_ra, coord_dec, 50, -35) < 5"
            );
            let first = running.rows(&cone).await.expect("an answer");
            assert!(!first.is_empty());
            let before = reads(&running);
            assert_eq!(running.rows(&cone).await.expect("an answer"), first);
            let (reads, nodes) = (reads(&running) - before, running.workers.len());
            assert_eq!(reads, READS_OF_A_WARM_CONE, "{schema}, {nodes} workers");
        }
    }
}
