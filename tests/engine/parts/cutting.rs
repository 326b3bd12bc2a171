//! Which queries are cut, and where.

use coordinator::QueryOptions;
use coordinator::parts::cut::{ScannedTile, cut, tiles};
use coordinator::parts::shape::{RowByRow, row_by_row};
use proptest::prelude::*;

use super::tiles_on_disk;
use crate::in_process::{alone, cluster, hats};

#[tokio::test]
async fn queries_of_single_rows_are_cut_and_no_others() {
    let Some(data) = hats() else { return };
    let one = alone(data.to_str().unwrap()).await;
    let cut: [(&str, Option<u64>); 9] = [
        ("SELECT * FROM opengc", None),
        ("SELECT name, b_mag + 1 AS m FROM opengc WHERE b_mag < 10 OR ra > 3", None),
        ("SELECT name FROM opengc AS o WHERE o.type IN ('G', 'OCl') AND o.name LIKE 'N%'", None),
        ("SELECT name FROM opengc WHERE 1 = CONTAINS(POINT(ra, dec), CIRCLE(1, 2, 3))", None),
        ("SELECT x.name FROM (SELECT name, ra FROM opengc WHERE dec > 0) AS x WHERE ra < 9", None),
        // The same number in each row.
        ("SELECT name, RAND(3) AS r FROM opengc", None),
        ("SELECT TOP 5 name FROM opengc", Some(5)),
        ("SELECT TOP 5 name FROM opengc WHERE b_mag < 10", Some(5)),
        ("SELECT TOP 9 x.name FROM (SELECT TOP 7 name FROM opengc) AS x", Some(7)),
    ];
    for (query, at_most) in cut {
        let planned = one.engine.plan(query, QueryOptions::default()).await.unwrap();
        let shape = row_by_row(&planned.optimized);
        assert_eq!(shape, Some(RowByRow { at_most }), "{query}:\n{}", planned.optimized);
    }
    for query in [
        "SELECT x.name FROM (SELECT TOP 5 name, ra FROM opengc) AS x WHERE x.ra < 100",
        "SELECT DISTINCT type FROM opengc",
        "SELECT name FROM opengc ORDER BY ra",
        "SELECT TOP 5 name FROM opengc ORDER BY ra",
        "SELECT name FROM opengc OFFSET 5",
        "SELECT COUNT(*) FROM opengc",
        "SELECT MAX(ra) FROM opengc WHERE dec > 0",
        "SELECT type, COUNT(*) AS n FROM opengc GROUP BY type HAVING COUNT(*) > 5",
        "SELECT a.name FROM opengc AS a JOIN opengc AS b ON a.name = b.name",
        "SELECT a.name FROM opengc AS a LEFT JOIN small_sky AS b ON a.ra = b.ra",
        "SELECT a.name FROM opengc AS a, small_sky AS b",
        "SELECT name FROM opengc UNION ALL SELECT name FROM opengc",
        "SELECT name FROM opengc UNION SELECT name FROM opengc",
        "SELECT name FROM opengc EXCEPT SELECT name FROM opengc WHERE ra < 5",
        "SELECT name FROM opengc INTERSECT SELECT name FROM opengc WHERE ra < 5",
        "SELECT name FROM opengc WHERE ra IN (SELECT ra FROM small_sky)",
        "SELECT name FROM opengc WHERE ra NOT IN (SELECT ra FROM small_sky)",
        "SELECT name FROM opengc AS o WHERE EXISTS (SELECT 1 FROM small_sky AS s WHERE s.ra = o.ra)",
        "SELECT name FROM opengc WHERE ra > (SELECT AVG(ra) FROM opengc)",
        "SELECT name, RAND() AS r FROM opengc",
        "SELECT name FROM opengc WHERE RAND() < 0.5",
        "SELECT name FROM opengc WHERE 1 = 0",
        "SELECT table_name FROM TAP_SCHEMA.tables",
        "SELECT 1 AS one FROM small_sky GROUP BY id",
    ] {
        let planned = one.engine.plan(query, QueryOptions::default()).await.unwrap();
        assert_eq!(row_by_row(&planned.optimized), None, "{query}:\n{}", planned.optimized);
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_tiles_of_a_scan_are_those_on_disk() {
    let Some(data) = hats() else { return };
    let count = tiles_on_disk(&data.join("opengc/dataset"));
    let data = data.to_str().unwrap();
    let (one, three) = (alone(data).await, cluster(data, 3).await);
    let mut found = Vec::new();
    for engine in [&one.engine, &three.engine] {
        let planned = engine.plan("SELECT * FROM opengc", QueryOptions::default()).await.unwrap();
        found.push(tiles(&planned.physical).unwrap());
    }
    assert_eq!((found[0].len(), found[1].len()), (count, count));
    assert!(found[0].iter().all(|tile| tile.slot == 0));
    assert!(found[1].iter().any(|tile| tile.slot > 0), "over three workers");
}

fn a_tile() -> impl Strategy<Value = ScannedTile> {
    (0..40_u64, 0..100_u64, 0..4_usize).prop_map(|(start, bytes, slot)| ScannedTile {
        start: start * 7,
        bytes,
        slot,
    })
}

proptest! {
    #[test]
    fn parts_have_each_tile_once_and_together_all_of_the_sky(
        tiles in prop::collection::vec(a_tile(), 0..60),
        bytes in 1..300_u64,
    ) {
        let parts = cut(&tiles, bytes);
        prop_assert_eq!(parts.is_empty(), tiles.is_empty());
        let mut ranges: Vec<_> = parts.iter().flat_map(|part| part.ranges().to_vec()).collect();
        ranges.sort_by_key(|range| range.start);
        let mut reached = 0;
        for range in &ranges {
            prop_assert_eq!(range.start, reached, "a gap, or a place twice");
            reached = range.end;
        }
        prop_assert!(tiles.is_empty() || reached == u64::MAX);
        for part in &parts {
            let own = |tile: &&ScannedTile| {
                part.ranges().iter().any(|range| range.contains(&tile.start))
            };
            prop_assert!(tiles.iter().any(|tile| own(&tile)), "an empty part");
            for slot in 0..4 {
                // Of tiles that begin together, the first one's slot counts.
                let first = |tile: &ScannedTile| {
                    tiles.iter().find(|other| other.start == tile.start).unwrap().slot
                };
                let read: Vec<_> = tiles.iter().filter(own).filter(|t| first(t) == slot).collect();
                let starts: std::collections::BTreeSet<_> = read.iter().map(|t| t.start).collect();
                let sum: u64 = read.iter().map(|tile| tile.bytes).sum();
                let nonempty = starts.iter().filter(|start| {
                    read.iter().any(|tile| tile.start == **start && tile.bytes > 0)
                });
                prop_assert!(sum <= bytes || nonempty.count() == 1, "{sum} of {bytes}");
            }
        }
    }
}
