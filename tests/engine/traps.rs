//! The traps of `datafusion-distributed` 4.0.0 that gave wrong answers when tried
//! (`../shared/engine.md` §2b, T1 to T8): each with the cure that must hold.

#![expect(clippy::unwrap_used, reason = "a test ends at the first step that fails")]

use futures::StreamExt;
use tokio::net::{TcpListener, TcpStream};

use crate::in_process::{Running, alone, cluster, hats};

async fn both() -> Option<(Running, Running)> {
    let data = hats()?;
    let data = data.to_str().unwrap();
    Some((alone(data).await, cluster(data, 3).await))
}

async fn check_equal(queries: &[&str]) {
    let Some((one, three)) = both().await else { return };
    for query in queries {
        let (expected, found) = (one.rows(query).await.unwrap(), three.rows(query).await.unwrap());
        assert_eq!(expected, found, "{query}");
    }
    assert_eq!(three.nonlocal_reads(), 0);
    assert!(three.engine.counters().prometheus().contains("{from=\"refused\"} 0"));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn t1_a_query_of_one_owner_runs_on_that_owner() {
    let Some((one, three)) = both().await else { return };
    let query = "SELECT name FROM opengc WHERE DISTANCE(ra, dec, 10.6847, 41.269) < 0.5";
    assert_eq!(one.rows(query).await.unwrap(), three.rows(query).await.unwrap());
    let plan = three.engine.explain(query, false).await.unwrap();
    assert!(plan.contains("tasks=2"), "T7: the owner and one more, not all three:\n{plan}");
    assert!(three.tasks().iter().filter(|tasks| **tasks > 0).count() >= 2);
    assert!(three.engine.counters().prometheus().contains("{from=\"refused\"} 0"));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn t2_and_t7_every_table_of_a_query_has_the_slots_of_the_query() {
    let Some((_, three)) = both().await else { return };
    let query = "SELECT a.name, b.id FROM opengc AS a JOIN small_sky AS b ON a.messier = b.id";
    let plan = three.engine.explain(query, false).await.unwrap();
    let leaves = plan.matches("DistributedLeafExec").count();
    assert_eq!(leaves, 2, "{plan}");
    let tasks: Vec<&str> = plan.match_indices(" tasks=").map(|(at, _)| &plan[at..at + 8]).collect();
    assert!(tasks.len() >= 2, "one stage for each table:\n{plan}");
    assert!(tasks.iter().all(|t| *t == tasks[0] && *t != " tasks=1"), "{tasks:?}\n{plan}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn t3_a_union_keeps_slot_i_on_worker_i() {
    check_equal(&[
        "SELECT COUNT(*) AS n FROM (SELECT ra FROM opengc UNION ALL SELECT ra FROM small_sky) AS u",
        "SELECT dec FROM small_sky UNION SELECT dec FROM small_sky_xmatch",
        "SELECT COUNT(*) AS n FROM opengc UNION ALL SELECT id FROM small_sky",
    ])
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn t4_and_t5_a_stage_forced_to_one_task_gathers_every_row() {
    check_equal(&[
        "SELECT COUNT(*) AS n FROM opengc WHERE messier NOT IN (SELECT id FROM small_sky)",
        "SELECT COUNT(*) AS n FROM small_sky WHERE id NOT IN (SELECT id FROM small_sky_xmatch)",
        "SELECT a.id, b.id AS other FROM small_sky AS a FULL JOIN small_sky_xmatch AS b \
         ON a.ra < b.ra - 100",
    ])
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn t6_small_tables_are_aggregated_once() {
    check_equal(&[
        "SELECT COUNT(*) AS n FROM small_sky WHERE 5 > (SELECT COUNT(ra + 1) FROM small_sky)",
        "SELECT COUNT(*) AS n FROM small_sky WHERE ra > (SELECT AVG(ra) FROM small_sky)",
        "SELECT COUNT(*) AS n FROM opengc AS a, (SELECT SUM(dec) AS c FROM small_sky) AS b",
        "SELECT COUNT(*) AS n FROM (SELECT TOP 100 * FROM small_sky) AS t",
        "SELECT MAX(dec) AS m, MIN(ra) AS l FROM small_sky",
    ])
    .await;
}

#[tokio::test]
async fn t8_a_worker_answers_without_nagle() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let mut incoming = worker::transport::incoming(listener);
    let _client = TcpStream::connect(address).await.unwrap();
    let accepted = incoming.next().await.unwrap().unwrap();
    assert!(accepted.nodelay().unwrap());
}

#[tokio::test]
async fn a_worker_port_is_not_open_to_other_hosts() {
    let listener = TcpListener::bind("0.0.0.0:0").await.unwrap();
    let refused = worker::transport::refuse_open_port(&listener).unwrap_err();
    assert!(refused.to_string().contains("listen on a loopback address"), "{refused}");
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    assert!(worker::transport::refuse_open_port(&listener).is_ok());
}
