//! Tables that are tiled by the positions of their parents.

use std::sync::Arc;

use adql::TableName;

use super::{Bench, said};
use crate::Error;
use crate::import::{ImportOptions, Parent, Placing, PositionChoice, Report, import};
use crate::tests::fixture::open;

async fn import_child(bench: &Bench, csv: &str, memory: usize) -> Result<Report, Error> {
    let input = bench.input("child.csv", csv);
    let parent = Parent {
        snapshot: open(&bench.data()).await,
        table: TableName { schema: "s".to_owned(), table: "object".to_owned() },
        key: "objectId".to_owned(),
        id: "id".to_owned(),
    };
    let placing = Placing::Parent(PositionChoice::default(), Box::new(parent));
    let options =
        ImportOptions { placing, memory_bytes: memory, ..bench.options(vec![input], "source") };
    import(&options, &|_| {})
}

/// Parents that do not fit into memory, with ids all over.
fn parents() -> String {
    let mut csv = "id,ra,dec\n".to_owned();
    for number in 0..2_000_i64 {
        let id = (number * 7_919) % 2_003;
        csv.push_str(&format!("{id},{},{}\n", id as f64 * 0.17, id as f64 * 0.08 - 80.0));
    }
    csv
}

#[tokio::test]
async fn rows_lie_with_their_parents_and_orphans_by_themselves() {
    for memory in [1 << 20, 1 << 14] {
        let bench = Bench::new();
        bench.import(vec![bench.input("parents.csv", &parents())], "object").unwrap();
        // One arcsecond north of its parent; beyond any; without an id; nowhere at all.
        let csv = "sourceId,objectId,ra,dec\n1,100,17,-71.99972222222222\n2,9999999,50,50\n\
                   3,,60,60\n4,9999999,,\n5,200,,\n";
        let report = import_child(&bench, csv, memory).await.unwrap();
        assert_eq!((report.table.rows, report.orphans, report.table.unplaced), (4, 3, 1));
        assert_eq!(super::aside(&report, "sourceId"), ["4"]);
        let placed = "SELECT sourceId, parent_ra, parent_dec FROM s.source";
        let expected = ["1|17.0|-72.0", "2|50.0|50.0", "3|60.0|60.0"];
        let found = bench.ask(placed).await;
        assert_eq!(found[..3], expected, "{found:?}");
        assert_eq!(found[3], "5|34.0|-64.0");
        let near = "SELECT sourceId FROM s.source \
                    WHERE DISTANCE(ra, dec, 17, -71.99972222222222) < 0.00001";
        assert_eq!(bench.ask(near).await, ["1"], "the slack covers the distance");
        let text = std::fs::read_to_string(bench.data().join("s/source/table.toml")).unwrap();
        let slack = text.lines().find_map(|line| line.strip_prefix("slack_arcsec = ")).unwrap();
        assert!((1.0..1.003).contains(&slack.parse::<f64>().unwrap()), "{slack}");
        let key = "SELECT target_table FROM TAP_SCHEMA.keys WHERE from_table = 's.source'";
        assert_eq!(bench.ask(key).await, ["s.object"]);
    }
}

#[tokio::test]
async fn every_child_finds_its_parent_from_disk_as_from_memory() {
    let bench = Bench::new();
    bench.import(vec![bench.input("parents.csv", &parents())], "object").unwrap();
    let mut csv = "sourceId,objectId\n".to_owned();
    for number in 0..3_000 {
        csv.push_str(&format!("{number},{}\n", (number * 31) % 2_010));
    }
    let report = import_child(&bench, &csv, 1 << 14).await.unwrap();
    let ids: std::collections::HashSet<i64> =
        (0..2_000_i64).map(|number| (number * 7_919) % 2_003).collect();
    let orphans = (0..3_000_i64).filter(|n| !ids.contains(&((n * 31) % 2_010))).count() as u64;
    assert!(orphans > 0);
    // Without a position of their own, they have no place.
    assert_eq!((report.orphans, report.table.unplaced), (orphans, orphans));
    let wrong = "SELECT COUNT(*) AS n FROM s.source AS c JOIN s.object AS o ON c.objectId = o.id \
                 WHERE c.parent_ra <> o.ra OR c.parent_dec <> o.dec";
    assert_eq!(bench.ask(wrong).await, ["0"]);
}

#[tokio::test]
async fn what_is_no_parent_is_refused() {
    let bench = Bench::new();
    bench.import(vec![bench.input("parents.csv", "id,ra,dec\n1,2,3\n")], "object").unwrap();
    let error = said(import_child(&bench, "sourceId,ra,dec\n1,2,3\n", 1 << 20).await);
    assert!(error.contains("no column objectId"), "{error}");
    let error = said(import_child(&bench, "objectId,ra,dec\nx,2,3\n", 1 << 20).await);
    assert!(error.contains("objectId is Utf8; ids of parents are integers"), "{error}");
    let snapshot = Arc::clone(&open(&bench.data()).await);
    let parent = |table: &str, id: &str| Parent {
        snapshot: Arc::clone(&snapshot),
        table: TableName { schema: "s".to_owned(), table: table.to_owned() },
        key: "objectId".to_owned(),
        id: id.to_owned(),
    };
    let cases = [
        (parent("nothing", "id"), "no such parent; the tables are s.object"),
        (parent("object", "nr"), "no column nr"),
    ];
    for (parent, words) in cases {
        let input = bench.input("child.csv", "objectId,ra,dec\n1,2,3\n");
        let placing = Placing::Parent(PositionChoice::default(), Box::new(parent));
        let options = ImportOptions { placing, ..bench.options(vec![input], "source") };
        let error = said(import(&options, &|_| {}));
        assert!(error.contains(words), "{error}");
    }
}
