//! Which plans a worker takes, and from whom: sent over real sockets, by the library's own client.

#![expect(clippy::unwrap_used, reason = "a test ends at the first step that fails")]

use std::sync::Arc;

use axum::Router;
use datafusion::arrow::datatypes::{DataType, Field, Schema};
use datafusion::common::DataFusionError;
use datafusion::datasource::listing::PartitionedFile;
use datafusion::datasource::physical_plan::{
    CsvSource, FileScanConfigBuilder, FileSource, ParquetSource,
};
use datafusion::datasource::source::DataSourceExec;
use datafusion::execution::object_store::ObjectStoreUrl;
use datafusion::physical_plan::ExecutionPlan;
use datafusion::physical_plan::metrics::ExecutionPlanMetricsSet;
use datafusion::prelude::SessionContext;
use datafusion_distributed::{ChannelResolver, MaybeEncoded, SetPlanRequest, TaskKey};
use futures::StreamExt;
use http::HeaderMap;
use url::Url;
use uuid::Uuid;
use worker::Channels;
use worker::loss::lost_worker;

use crate::nodes::{Authority, Node};

/// What the registry of stores says, which a plan meets first.
const NO_STORE: &str = "it opens shard:// only";

/// Gives a worker a plan as a coordinator does.
async fn send(
    channels: &Channels,
    url: &Url,
    plan: &Arc<dyn ExecutionPlan>,
) -> Result<(), DataFusionError> {
    let mut worker = channels.get_worker_client_for_url(url).await?;
    let request = SetPlanRequest {
        task_key: TaskKey { query_id: Uuid::new_v4(), stage_id: 1, task_number: 0 },
        task_count: 1,
        plan: MaybeEncoded::Decoded(Arc::clone(plan)),
        work_unit_feed_declarations: Vec::new(),
        target_worker_url: url.clone(),
        query_start_time_ns: 0,
    };
    let (context, metrics) = (SessionContext::new().task_ctx(), ExecutionPlanMetricsSet::new());
    let messages = futures::stream::empty().boxed();
    let told = worker.coordinator_channel(HeaderMap::new(), request, messages, metrics, &context);
    told.await.map(drop)
}

async fn planned(sql: &str) -> Arc<dyn ExecutionPlan> {
    let context = SessionContext::new();
    context.sql(sql).await.unwrap().create_physical_plan().await.unwrap()
}

fn scan(store: &str, path: &str, format: Arc<dyn FileSource>) -> Arc<dyn ExecutionPlan> {
    let store = ObjectStoreUrl::parse(store).unwrap();
    let file = PartitionedFile::new(path, 100);
    let config = FileScanConfigBuilder::new(store, format).with_file(file).build();
    DataSourceExec::from_data_source(config)
}

fn schema() -> Arc<Schema> {
    Arc::new(Schema::new(vec![Field::new("ra", DataType::Float64, true)]))
}

fn parquet() -> Arc<dyn FileSource> {
    Arc::new(ParquetSource::new(schema()))
}

#[tokio::test]
async fn plans_that_write_or_read_anything_but_tiles_are_refused() {
    let node = Node::start("127.0.0.1:0", None, Router::new()).await;
    let folder = tempfile::tempdir().unwrap();
    let target = folder.path().join("written.csv");
    let copy = format!("COPY (SELECT 1 AS n) TO '{}'", target.display());
    let json = copy.replace(".csv", ".json");
    let cases = [
        (planned(&copy).await, "no plan that writes"),
        (planned(&json).await, "no plan that writes"),
        (scan("file:///", "etc/passwd", parquet()), NO_STORE),
        (scan("s3://bucket", "a.parquet", parquet()), NO_STORE),
        (scan("http://169.254.169.254", "x", parquet()), NO_STORE),
        (scan("shard://other", "a.parquet", parquet()), NO_STORE),
        (
            scan("shard://tiles/", "a.csv", Arc::new(CsvSource::new(schema()))),
            "as parquet, not as csv",
        ),
        (planned("SELECT * FROM generate_series(1, 9)").await, "reads tiles only, and no"),
    ];
    let channels = Channels::default();
    for (plan, said) in &cases {
        let refused = send(&channels, &node.url, plan).await.unwrap_err();
        assert!(refused.to_string().contains(said), "{said}: {refused}");
        assert_eq!(lost_worker(&refused), None, "a refusal is no loss: {refused}");
    }
    assert_eq!(node.counters.tasks(), 0);
    assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 0, "nothing was written");
}

#[tokio::test]
async fn plans_of_tiles_and_of_rows_that_they_bring_are_taken() {
    let node = Node::start("127.0.0.1:0", None, Router::new()).await;
    let cases = [
        scan("shard://tiles/", "t/a.parquet", parquet()),
        planned("SELECT 1 AS n").await,
        planned("SELECT * FROM (VALUES (1), (2)) AS v").await,
        planned("SELECT 1 AS n WHERE false").await,
    ];
    for plan in &cases {
        send(&Channels::default(), &node.url, plan).await.unwrap();
    }
    assert_eq!(node.counters.tasks(), 4);
}

#[tokio::test]
async fn only_a_coordinator_gives_plans() {
    let ours = Authority::new();
    let node = Node::start("127.0.0.1:0", Some(ours.worker().identity()), Router::new()).await;
    let plan = planned("SELECT 1 AS n").await;
    let peer = Channels::new(Some(ours.worker().identity()));
    let refused = send(&peer, &node.url, &plan).await.unwrap_err();
    assert!(refused.to_string().contains("needs a certificate for coordinator"), "{refused}");
    assert_eq!(lost_worker(&refused), None, "{refused}");
    assert_eq!(node.counters.tasks(), 0);
    let coordinator = Channels::new(Some(ours.coordinator().identity()));
    send(&coordinator, &node.url, &plan).await.unwrap();
    assert_eq!(node.counters.tasks(), 1);
}

#[tokio::test]
async fn a_worker_that_is_not_there_is_lost() {
    let node = Node::start("127.0.0.1:0", None, Router::new()).await;
    let url = node.url.clone();
    node.stop().await;
    let lost = send(&Channels::default(), &url, &planned("SELECT 1 AS n").await).await;
    let lost = lost.unwrap_err();
    assert_eq!(lost_worker(&lost), Some(url), "{lost}");
    assert!(lost.to_string().contains("refused"), "{lost}");
}
