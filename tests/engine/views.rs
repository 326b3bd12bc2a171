//! Views and macros are pruned and joined as what they stand for, on workers as in one process.

use std::fs;

use tempfile::TempDir;

use crate::in_process::{alone, cluster, hats};

const DEFINITIONS: &str = r#"version = 1

[[macros]]
name = "in_orion"
parameters = ["ra DOUBLE", "dec DOUBLE"]
expression = "CONTAINS(POINT(ra, dec), CIRCLE(83.8, -5.4, 6))"

[[macros]]
name = "mean_color"
parameters = ["b DOUBLE", "v DOUBLE"]
expression = "AVG(b) - AVG(v)"

[[views]]
name = "latest.galaxies"
query = "SELECT name, ra, dec, b_mag, v_mag, type FROM opengc WHERE type LIKE 'G%'"

[[views]]
name = "latest.all_places"
query = """
SELECT id AS place, ra, dec FROM small_sky_order1_collection
UNION ALL
SELECT id, ra, dec FROM small_sky_xmatch"""

[[views]]
name = "latest.pairs"
query = """
SELECT a.id, b.id AS other, DISTANCE(a.ra, a.dec, b.ra, b.dec) AS apart, a.ra, a.dec
FROM small_sky_order1_collection AS a JOIN small_sky_xmatch AS b
  ON DISTANCE(a.ra, a.dec, b.ra, b.dec) < 0.01"""
"#;

/// A query of views and macros, and the same without.
const SAME: [(&str, &str); 7] = [
    (
        "SELECT name FROM latest.galaxies WHERE 1 = CONTAINS(POINT(ra, dec), CIRCLE(187.7, 12.4, 3))",
        "SELECT name FROM opengc WHERE type LIKE 'G%' \
         AND 1 = CONTAINS(POINT(ra, dec), CIRCLE(187.7, 12.4, 3))",
    ),
    (
        "SELECT name, type FROM opengc WHERE in_orion(ra, dec) = 1",
        "SELECT name, type FROM opengc WHERE 1 = CONTAINS(POINT(ra, dec), CIRCLE(83.8, -5.4, 6))",
    ),
    (
        "SELECT g.name, o.name AS other FROM latest.galaxies AS g JOIN opengc AS o \
         ON DISTANCE(g.ra, g.dec, o.ra, o.dec) < 0.05 WHERE o.type <> g.type",
        "SELECT g.name, o.name AS other FROM opengc AS g JOIN opengc AS o \
         ON DISTANCE(g.ra, g.dec, o.ra, o.dec) < 0.05 WHERE o.type <> g.type AND g.type LIKE 'G%'",
    ),
    (
        "SELECT id, other, apart FROM latest.pairs WHERE ra < 300",
        "SELECT a.id, b.id AS other, DISTANCE(a.ra, a.dec, b.ra, b.dec) AS apart \
         FROM small_sky_order1_collection AS a JOIN small_sky_xmatch AS b \
         ON DISTANCE(a.ra, a.dec, b.ra, b.dec) < 0.01 WHERE a.ra < 300",
    ),
    (
        "SELECT COUNT(*) AS n, MIN(place) AS least FROM latest.all_places \
         WHERE CONTAINS(POINT(ra, dec), CIRCLE(310, -60, 5)) = 1",
        "SELECT SUM(t.n) AS n, MIN(t.least) AS least FROM (SELECT COUNT(*) AS n, MIN(id) AS least \
         FROM small_sky_order1_collection WHERE CONTAINS(POINT(ra, dec), CIRCLE(310, -60, 5)) = 1 \
         UNION ALL SELECT COUNT(*), MIN(id) FROM small_sky_xmatch \
         WHERE CONTAINS(POINT(ra, dec), CIRCLE(310, -60, 5)) = 1) AS t",
    ),
    (
        "SELECT type, mean_color(b_mag, v_mag) AS c FROM latest.galaxies GROUP BY type \
         HAVING mean_color(b_mag, v_mag) > 0.5",
        "SELECT type, AVG(b_mag) - AVG(v_mag) AS c FROM opengc WHERE type LIKE 'G%' GROUP BY type \
         HAVING AVG(b_mag) - AVG(v_mag) > 0.5",
    ),
    (
        "SELECT name FROM latest.galaxies AS g WHERE EXISTS (SELECT 1 FROM latest.galaxies AS h \
         WHERE h.name <> g.name AND DISTANCE(g.ra, g.dec, h.ra, h.dec) < 0.02)",
        "SELECT name FROM opengc AS g WHERE g.type LIKE 'G%' AND EXISTS (SELECT 1 FROM opengc AS h \
         WHERE h.type LIKE 'G%' AND h.name <> g.name AND DISTANCE(g.ra, g.dec, h.ra, h.dec) < 0.02)",
    ),
];

/// The shared tables with definitions of ours.
fn data() -> Option<TempDir> {
    let hats = hats()?;
    let folder = TempDir::new().expect("a folder");
    for table in ["opengc", "small_sky_order1_collection", "small_sky_xmatch"] {
        let (here, there) = (folder.path().join(table), hats.join(table));
        fs::create_dir(&here).expect("a folder of ours");
        let pointer = format!("version = 1\nlocation = '{}'\n", there.display());
        fs::write(here.join("elsewhere.toml"), pointer).expect("a file of ours");
    }
    fs::write(folder.path().join("definitions.toml"), DEFINITIONS).expect("a file of ours");
    Some(folder)
}

/// The lines of an explanation that tell what is read.
fn read(explained: &str) -> Vec<&str> {
    explained.lines().map(str::trim).filter(|line| line.contains(" tiles")).collect()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn views_are_pruned_and_joined_as_their_tables() {
    let Some(folder) = data() else { return };
    let data = folder.path().to_string_lossy();
    let (one, three) = (alone(&data).await, cluster(&data, 3).await);
    for (query, same) in SAME {
        let expected = one.rows(same).await.unwrap_or_else(|error| panic!("{same}: {error}"));
        assert!(!expected.is_empty(), "{same}");
        for (who, way) in [("one process", &one), ("3 workers", &three)] {
            let found = way.rows(query).await;
            let found = found.unwrap_or_else(|error| panic!("{who}: {query}: {error}"));
            assert_eq!(found, expected, "{who}: {query}");
        }
        let [shown, plain] = [query, same].map(|adql| one.engine.explain(adql, false));
        let (shown, plain) = (shown.await.expect("a plan"), plain.await.expect("a plan"));
        assert!(!read(&plain).is_empty(), "{plain}");
        assert_eq!(read(&shown), read(&plain), "{query}\n{shown}\n{plain}");
    }
    assert_eq!(three.nonlocal_reads(), 0);
}
