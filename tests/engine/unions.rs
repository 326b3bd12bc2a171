//! Set operations and offsets of sub-queries, beside what single queries answer.

use crate::in_process::{alone, cluster, hats};

/// Queries with the number that they have to answer, as another query tells.
const SAME: [(&str, &str); 5] = [
    (
        "SELECT COUNT(*) AS n FROM (SELECT id, ra FROM small_sky_order1_collection ORDER BY id \
         OFFSET 100) AS t WHERE t.ra < 300",
        "SELECT COUNT(*) AS n FROM small_sky_order1_collection AS a WHERE ra < 300 AND id >= \
         (SELECT MAX(t.id) FROM (SELECT TOP 101 id FROM small_sky_order1_collection ORDER BY id) AS t)",
    ),
    (
        "WITH late AS (SELECT name, dec FROM opengc ORDER BY name OFFSET 7000) \
         SELECT COUNT(*) AS n FROM late WHERE dec > 0",
        "SELECT COUNT(*) AS n FROM opengc WHERE dec > 0 AND name >= \
         (SELECT MAX(t.name) FROM (SELECT TOP 7001 name FROM opengc ORDER BY name) AS t)",
    ),
    (
        "SELECT SUM(t.n) AS n FROM (SELECT COUNT(*) AS n FROM small_sky UNION ALL \
         SELECT g.messier - g.messier FROM opengc AS g JOIN small_sky AS b \
         ON DISTANCE(g.ra, g.dec, b.ra, b.dec) < 0.3) AS t",
        "SELECT COUNT(*) AS n FROM small_sky",
    ),
    (
        "SELECT id AS a, id AS b FROM small_sky UNION ALL SELECT id, id FROM small_sky_xmatch \
         ORDER BY a, b",
        "SELECT b.a, b.a AS b FROM (SELECT id AS a FROM small_sky UNION ALL \
         SELECT id FROM small_sky_xmatch) AS b",
    ),
    (
        "SELECT id AS a, 1 AS b FROM small_sky UNION ALL SELECT id, id FROM small_sky_xmatch \
         ORDER BY b, a",
        "SELECT id AS a, id AS b FROM small_sky_xmatch UNION ALL SELECT id, 1 FROM small_sky",
    ),
];

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn parts_of_queries_answer_as_queries_of_their_own() {
    let Some(hats) = hats() else { return };
    let data = hats.to_string_lossy();
    let (one, three) = (alone(&data).await, cluster(&data, 3).await);
    for (query, same) in SAME {
        let expected = one.rows(same).await.unwrap();
        for (who, way) in [("one process", &one), ("3 workers", &three)] {
            let found = way.rows(query).await;
            let plan = way.engine.explain(query, false).await.unwrap_or_default();
            let found = found.unwrap_or_else(|error| panic!("{who}: {query}: {error}\n{plan}"));
            assert_eq!(found, expected, "{who}: {query}\n{plan}");
        }
    }
}
