//! A query whose worker is lost before the first row is answered by the others.

use crate::in_process::{alone, cluster, cluster_of_replicas, hats};

const QUERY: &str = "SELECT name, ra FROM opengc";

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_worker_that_is_lost_before_the_first_row_is_not_missed() {
    let Some(data) = hats() else { return };
    let data = data.to_str().expect("a path in UTF-8");
    let expected = alone(data).await.rows(QUERY).await.expect("rows");
    let mut three = cluster_of_replicas(data, 3, 2).await;
    // Nobody has noticed: the connection for questions stays, that for tasks is not made yet.
    three.close_port(1).await;
    assert_eq!(three.rows(QUERY).await.expect("rows"), expected);
    assert_eq!(three.tasks()[1], 0);
    let counted = three.engine.prometheus();
    assert!(counted.contains("armilla_query_retries_total 1\n"), "{counted}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn without_another_holder_the_tile_and_the_worker_are_named() {
    let Some(data) = hats() else { return };
    let mut three = cluster(data.to_str().expect("a path in UTF-8"), 3).await;
    three.close_port(1).await;
    let error = three.rows(QUERY).await.expect_err("its tiles are nowhere else").to_string();
    let lost = three.engine.cluster().and_then(|cluster| cluster.workers().nth(1).cloned());
    let lost = lost.expect("three workers");
    assert!(error.contains("opengc/dataset/Norder=") && error.contains(lost.as_str()), "{error}");
}
