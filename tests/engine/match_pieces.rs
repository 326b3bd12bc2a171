//! Joins by position of large tables, in pieces of the sky with what lies around each: the pairs
//! are those of brute force, in one process and on workers of which none holds all tiles.

#![expect(clippy::unwrap_used, reason = "a test ends at the first step that fails")]

mod cases;
mod rows;

use std::fmt::Write as _;
use std::fs;
use std::path::Path;

use coordinator::engine::{Engine, EngineConfig};
use tempfile::TempDir;
use tests::Random;
use tests::process::run_armilla;

use crate::in_process::{Running, Shape, alone, cluster_as, hats};
use cases::{Case, cases, few, over_holes, radii_of_rows, within_margins};
use rows::{Row, children, islands, lines, near, row, sky, spots};

fn import(folder: &Path, table: &str, rows: &[Row], more: &[&str]) {
    let mut csv = "id,parent,ra,dec\n".to_owned();
    for (id, row) in rows.iter().enumerate() {
        writeln!(csv, "{id},{},{:?},{:?}", row.parent, row.ra, row.dec).unwrap();
    }
    let input = folder.join(format!("{table}.csv"));
    fs::write(&input, csv).unwrap();
    let out = folder.join("data/public").join(table);
    let (input, out) = (input.to_str().unwrap(), out.to_str().unwrap());
    let arguments = ["import", input, "--out", out];
    let output = run_armilla([&arguments, more].concat());
    assert!(output.status.success(), "{table}: {}", String::from_utf8_lossy(&output.stderr));
}

async fn check(who: &str, way: &Running, cases: &[Case], in_pieces: bool) {
    for (query, expected) in cases {
        assert!(!expected.is_empty(), "{query}");
        let rows = way.rows(query).await.unwrap_or_else(|e| panic!("{who}: {query}: {e}"));
        let (found, wanted) = (rows.len(), expected.len());
        assert!(rows == *expected, "{who}: {query}: {found} rows, and {wanted} by brute force");
        let plan = way.engine.explain(query, false).await.unwrap();
        assert_eq!(
            plan.contains("CrossMatchExec: in pieces"),
            in_pieces,
            "{who}: {query}:\n{plan}"
        );
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn pairs_are_found_over_the_borders_of_pieces() {
    let folder = TempDir::new().unwrap();
    let mut random = Random::new(20_261_122);
    let (a, b) = (sky(&mut random, 1600), sky(&mut random, 2000));
    let c = children(&mut random, &b);
    import(folder.path(), "a", &a, &["--tile-rows", "300"]);
    import(folder.path(), "b", &b, &["--tile-rows", "700"]);
    import(
        folder.path(),
        "c",
        &c,
        &["--tile-rows", "300", "--parent", "b", "--key", "parent", "--parent-key", "id"],
    );
    let d = spots(&mut random);
    import(folder.path(), "d", &d, &["--tile-rows", "5"]);
    let cases = cases(&a, &b, &c, &d);
    let data = folder.path().join("data");
    let data = data.to_str().unwrap();
    let one = alone(data).await;
    check("one process", &one, &cases, false).await;
    for query in few(&b, &d).iter().take(4).map(|(query, _)| query) {
        let plan = one.engine.explain(query, false).await.unwrap();
        assert!(plan.contains("RangedScanExec"), "only rows near the spots are read:\n{plan}");
    }
    let three = Shape { count: 3, replicas: 1, fallback: false };
    let many = cluster_as(data, three, EngineConfig::embedded(data)).await;
    check("3 workers, small sides", &many, &cases, false).await;
    assert_eq!(many.nonlocal_reads(), 0);
    // Where nothing is known of sizes, no side is taken to be small.
    let unpruned = EngineConfig { prune: false, ..EngineConfig::embedded(data) };
    let mut one = one;
    one.engine = Engine::open(&unpruned).await.unwrap();
    check("one process, in pieces", &one, &cases, true).await;
    for (count, replicas) in [(3, 1), (5, 2)] {
        let shape = Shape { count, replicas, fallback: true };
        let many = cluster_as(data, shape, unpruned.clone()).await;
        check(&format!("{count} workers"), &many, &cases, true).await;
        let plan = many.engine.explain(&cases[0].0, false).await.unwrap();
        let sent = ["NetworkShuffleExec", "NetworkBroadcastExec"];
        assert!(!sent.iter().any(|node| plan.contains(node)), "{plan}");
        let said = ["may be near to each", "tiles of other workers are read"];
        assert!(said.iter().all(|words| plan.contains(words)), "{plan}");
        // Without the range of a radius nobody knows how far a piece has to read.
        let of_rows = radii_of_rows(&a, &b);
        let plan = many.engine.explain(&of_rows[0].0, false).await;
        assert!(!plan.is_ok_and(|plan| plan.contains("in pieces")));
        for table in many.engine.snapshot().tiled_tables() {
            table.learn_ranges(&["dec"]).await;
        }
        check(&format!("{count} workers, radii"), &many, &of_rows, true).await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn margins_take_the_place_of_neighbours() {
    let folder = TempDir::new().unwrap();
    let mut random = Random::new(20_261_123);
    let (a, b) = (sky(&mut random, 1600), sky(&mut random, 2000));
    let e = islands(&mut random, &a);
    import(folder.path(), "a", &a, &["--tile-rows", "300", "--margin", "4680"]);
    import(folder.path(), "b", &b, &["--tile-rows", "200", "--margin", "2520"]);
    import(folder.path(), "e", &e, &["--tile-rows", "9", "--margin", "2520"]);
    let data = folder.path().join("data");
    let data = data.to_str().unwrap();
    let (cases, holes) = (within_margins(&a, &b), over_holes(&a, &e));
    let all = [cases.as_slice(), &holes].concat();
    let unpruned = EngineConfig { prune: false, ..EngineConfig::embedded(data) };
    let mut one = alone(data).await;
    one.engine = Engine::open(&unpruned).await.unwrap();
    check("one process, in pieces", &one, &all, true).await;
    let margin = "; along borders rows of the margin public/";
    for (count, replicas) in [(3, 1), (5, 2)] {
        let shape = Shape { count, replicas, fallback: false };
        let many = cluster_as(data, shape, unpruned.clone()).await;
        check(&format!("{count} workers"), &many, &cases, true).await;
        for (query, _) in &cases {
            let plan = many.engine.explain(query, false).await.unwrap();
            assert!(plan.contains(margin) && !plan.contains("of other workers"), "{query}: {plan}");
        }
        // Beyond the margin there are only the neighbours, which these workers may not read.
        let far = "SELECT COUNT(*) AS n FROM a JOIN b ON DISTANCE(a.ra, a.dec, b.ra, b.dec) < 1.31";
        let plan = many.engine.explain(far, false).await;
        assert!(!plan.is_ok_and(|plan| plan.contains("in pieces")));
        // A coarse tile that streams lies over fine ones of several workers: each has its part of it.
        check(&format!("{count} workers, holes"), &many, &holes, true).await;
        let mut shared = 0;
        for (query, _) in &holes {
            let plan = many.engine.explain(query, false).await.unwrap();
            assert!(plan.contains(margin) && !plan.contains("of other workers"), "{query}: {plan}");
            shared += usize::from(plan.contains("which share its tiles"));
        }
        assert!(shared > 1, "coarse tiles lie over fine ones of several workers");
        assert_eq!(many.nonlocal_reads(), 0);
    }
}

/// Margins of others have rows beyond their threshold, and may not know the sky between tiles.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn margins_of_others_take_the_place_of_neighbours() {
    let Some(hats) = hats() else { return };
    let data = hats.join("small_sky_order1_collection");
    let data = data.to_str().unwrap();
    let unpruned = EngineConfig { prune: false, ..EngineConfig::embedded(data) };
    let mut one = alone(data).await;
    one.engine = Engine::open(&unpruned).await.unwrap();
    let table = "public.small_sky_order1_collection";
    let all = one.rows(&format!("SELECT id, ra, dec FROM {table}")).await.unwrap();
    let all: Vec<Vec<f64>> = all
        .iter()
        .map(|line| line.split(" | ").map(|cell| cell.parse().unwrap()).collect())
        .collect();
    let rows: Vec<Row> = all.iter().map(|cells| row(cells[1], cells[2])).collect();
    let radii = [(0.99, "margin_1deg"), (1.5, "margin_2deg"), (1.99, "margin_2deg")];
    let cases = radii.map(|(radius, margin)| {
        let found = near(&rows, &rows, radius).len();
        let query = format!(
            "SELECT COUNT(*) AS n FROM {table} AS a JOIN {table} AS b \
             ON DISTANCE(a.ra, a.dec, b.ra, b.dec) < {radius}"
        );
        (query, lines([[found]]), margin)
    });
    let shape = Shape { count: 3, replicas: 1, fallback: false };
    let many = cluster_as(data, shape, unpruned.clone()).await;
    for (query, expected, margin) in cases {
        for (who, way) in [("3 workers", &many), ("one process", &one)] {
            let found = way.rows(&query).await.unwrap();
            assert_eq!(found, expected, "{who}: {query}");
        }
        let plan = many.engine.explain(&query, false).await.unwrap();
        assert!(plan.contains("CrossMatchExec: in pieces"), "{plan}");
        assert!(
            plan.contains("along borders rows of the margin") && plan.contains(margin),
            "{plan}"
        );
    }
    assert_eq!(many.nonlocal_reads(), 0);
}
