//! Joins that stay where their rows are: children with their parents tile by tile, and tables that
//! every worker holds. The answers are DuckDB's, and plans say that nothing is sent.

#![expect(clippy::unwrap_used, reason = "a test ends at the first step that fails")]

use std::fs;
use std::path::Path;

use coordinator::QueryOptions;
use coordinator::engine::{Engine, EngineConfig};
use datafusion::arrow::array::RecordBatch;
use datafusion::arrow::util::display::array_value_to_string;
use futures::TryStreamExt;
use tempfile::TempDir;
use tests::process::run_armilla;
use tests::{Answer, places};

use crate::in_process::{Running, alone, cluster};

/// Queries of joins, in words that DuckDB understands too.
const QUERIES: [&str; 24] = [
    "SELECT o.objectId, s.sourceId FROM object AS o JOIN source AS s ON o.objectId = s.objectId",
    "SELECT s.sourceId, o.class FROM source AS s JOIN object AS o ON s.objectId = o.objectId WHERE o.dec > 60",
    "SELECT o.objectId, s.sourceId FROM object AS o LEFT JOIN source AS s ON o.objectId = s.objectId",
    "SELECT o.objectId, s.sourceId FROM object AS o RIGHT JOIN source AS s ON o.objectId = s.objectId",
    "SELECT o.objectId, s.sourceId FROM object AS o FULL JOIN source AS s ON o.objectId = s.objectId",
    "SELECT o.objectId, s.sourceId FROM object AS o LEFT JOIN source AS s ON o.objectId = s.objectId AND s.flux > 12",
    "SELECT s.sourceId FROM source AS s LEFT JOIN object AS o ON o.objectId = s.objectId WHERE o.objectId IS NULL",
    "SELECT o.objectId, COUNT(*) AS n, AVG(s.flux) AS f FROM object AS o JOIN source AS s ON o.objectId = s.objectId GROUP BY o.objectId",
    "SELECT s.objectId, COUNT(*) AS n, MAX(s.flux) AS f FROM object AS o JOIN source AS s ON o.objectId = s.objectId GROUP BY s.objectId",
    "SELECT o.objectId, COUNT(s.sourceId) AS n FROM object AS o LEFT JOIN source AS s ON o.objectId = s.objectId GROUP BY o.objectId",
    "SELECT s.objectId, COUNT(*) AS n FROM object AS o RIGHT JOIN source AS s ON o.objectId = s.objectId GROUP BY s.objectId",
    "SELECT o.class, v.band, COUNT(*) AS n, MIN(v.mjd) AS since FROM object AS o JOIN source AS s ON o.objectId = s.objectId JOIN visit AS v ON s.visit = v.visit GROUP BY o.class, v.band",
    "SELECT o.objectId, s.sourceId, v.mjd FROM object AS o JOIN source AS s ON o.objectId = s.objectId JOIN visit AS v ON s.visit = v.visit WHERE v.band = 'r'",
    "SELECT o.objectId, COUNT(*) AS n, MAX(v.mjd) - MIN(v.mjd) AS span FROM object AS o JOIN source AS s ON o.objectId = s.objectId JOIN visit AS v ON s.visit = v.visit GROUP BY o.objectId HAVING COUNT(*) > 2",
    "SELECT s.sourceId, v.band FROM source AS s LEFT JOIN visit AS v ON s.visit = v.visit",
    "SELECT objectId FROM object WHERE objectId IN (SELECT objectId FROM source WHERE flux > 14)",
    "SELECT o.objectId FROM object AS o WHERE NOT EXISTS (SELECT 1 FROM source AS s WHERE s.objectId = o.objectId)",
    "SELECT a.sourceId, b.sourceId AS other FROM object AS o JOIN source AS a ON o.objectId = a.objectId JOIN source AS b ON o.objectId = b.objectId AND a.sourceId < b.sourceId",
    "SELECT o.objectId, c.n FROM object AS o JOIN (SELECT objectId, COUNT(*) AS n FROM source GROUP BY objectId) AS c ON o.objectId = c.objectId",
    "SELECT o.objectId, s.sourceId FROM object AS o JOIN source AS s ON o.objectId = s.objectId + 0",
    "SELECT o.objectId, s.sourceId FROM object AS o JOIN source AS s ON o.objectId = s.sourceId",
    "SELECT COUNT(*) AS n FROM object AS o JOIN source AS s ON o.objectId = s.objectId AND o.class = s.visit WHERE s.flux < o.ra",
    "SELECT o.objectId, s.sourceId, f.sourceId AS other FROM object AS o JOIN source AS s ON o.class = s.visit JOIN source AS f ON f.objectId = o.objectId WHERE o.dec > 70 AND s.flux > 17",
    "SELECT f.sourceId, o.objectId, s.sourceId AS other FROM source AS s JOIN (SELECT objectId, class FROM object WHERE dec < -70) AS o ON o.class = s.visit AND s.flux > 16 LEFT JOIN source AS f ON f.objectId = o.objectId",
];

/// Where a query finds its rows on one worker, and only answers travel.
const NOTHING_IS_SENT: [usize; 6] = [0, 1, 7, 8, 12, 13];

fn import(arguments: &[&str]) {
    let output = run_armilla([&["import"], arguments].concat());
    assert!(output.status.success(), "{arguments:?}: {}", String::from_utf8_lossy(&output.stderr));
}

/// The survey as an operator imports it: tiles of a few hundred rows, children by their parents.
fn survey(python: &Path, folder: &Path) {
    let text = |path: &Path| path.to_str().unwrap().to_owned();
    let made = places::run_python(python, "tests/engine/survey.py", &["make", &text(folder)]);
    made.unwrap_or_else(|said| panic!("{said}"));
    let [object, source, visit] =
        ["object", "source", "visit"].map(|t| text(&folder.join(t).with_extension("csv")));
    let out = |table: &str| text(&folder.join("sky/public").join(table));
    import(&[&object, "--out", &out("object"), "--tile-rows", "300", "--margin", "10"]);
    let by_parent = ["--parent", "object", "--key", "objectId", "--tile-rows", "500"];
    import(&[&[source.as_str(), "--out", &out("source")], &by_parent[..]].concat());
    import(&[&visit, "--out", &out("visit"), "--no-position"]);
}

fn answers(python: &Path, folder: &Path) -> Vec<Answer> {
    let out = TempDir::new().unwrap();
    let queries = out.path().join("queries");
    fs::write(&queries, QUERIES.join("\n")).unwrap();
    let arguments = [folder, &queries, out.path()].map(|path| path.to_str().unwrap().to_owned());
    let [folder, queries, answers] = arguments.each_ref().map(String::as_str);
    let arguments = ["ask", folder, queries, answers];
    let asked = places::run_python(python, "tests/engine/survey.py", &arguments);
    asked.unwrap_or_else(|said| panic!("{said}"));
    let read = |number: usize| fs::read_to_string(out.path().join(format!("{number}.csv")));
    (0..QUERIES.len()).map(|number| Answer::from_csv(&read(number).unwrap())).collect()
}

async fn answer(running: &Running, query: &str) -> Answer {
    let asked = running.engine.query(query, QueryOptions::default()).await;
    let rows = asked.unwrap_or_else(|error| panic!("{query}: {error}"));
    let batches: Vec<RecordBatch> = rows.stream.try_collect().await.unwrap();
    let mut rows = Vec::new();
    for batch in &batches {
        let cell = |at: usize, row| array_value_to_string(batch.column(at), row).unwrap();
        let cells = |row| (0..batch.num_columns()).map(|at| cell(at, row)).collect();
        rows.extend((0..batch.num_rows()).map(cells));
    }
    Answer { columns: Vec::new(), rows }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn children_meet_their_parents_where_they_are() {
    let Some(python) = places::python() else { return };
    let folder = TempDir::new().unwrap();
    survey(&python, folder.path());
    let right = answers(&python, folder.path());
    let data = folder.path().join("sky");
    let data = data.to_str().unwrap();
    let mut ways =
        [alone(data).await, alone(data).await, cluster(data, 3).await, cluster(data, 5).await];
    // Where nothing is known of sizes, both sides of a join are shared out by its keys.
    let unpruned = EngineConfig { prune: false, ..EngineConfig::embedded(data) };
    ways[1].engine = Engine::open(&unpruned).await.unwrap();
    let mut wrong = Vec::new();
    for (query, right) in QUERIES.iter().zip(&right) {
        assert!(!right.rows.is_empty(), "DuckDB finds nothing: {query}");
        for (way, who) in ways.iter().zip(["alone", "unpruned", "three workers", "five workers"]) {
            let said = answer(way, query).await.difference(right);
            wrong.extend(said.map(|said| format!("{who}: {query}: {said}")));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
    for way in &ways[2..] {
        assert_eq!(way.nonlocal_reads(), 0);
        for number in NOTHING_IS_SENT {
            let plan = way.engine.explain(QUERIES[number], false).await.unwrap();
            assert!(plan.contains("InTurnExec"), "{}:\n{plan}", QUERIES[number]);
            let sent = ["NetworkShuffleExec", "NetworkBroadcastExec"];
            assert!(!sent.iter().any(|node| plan.contains(node)), "{}:\n{plan}", QUERIES[number]);
        }
        let plan = way.engine.explain(QUERIES[19], false).await.unwrap();
        assert!(!plan.contains("InTurnExec: pieces"), "a computed key tells of no tile:\n{plan}");
    }
}
