//! How nodes trust, reach and lose each other, over sockets of this host.

#![expect(clippy::unwrap_used, reason = "a test ends at the first step that fails")]

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use axum::Router;
use axum::routing::{get, put};
use datafusion::arrow::array::RecordBatch;
use datafusion::common::DataFusionError;
use datafusion::common::exec_datafusion_err;
use futures::StreamExt;
use futures::stream::BoxStream;
use http::StatusCode;
use object_store::ObjectStoreExt;
use object_store::path::Path;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{Notify, watch};
use tokio::task::JoinSet;
use tonic::transport::{Certificate, ClientTlsConfig, Endpoint};
use worker::early_start::start_in_time;
use worker::loss::{lost, lost_worker};
use worker::{Channels, Identity, LinkError};

use crate::nodes::{Authority, Files, Node};
use crate::worker_bed::until;

const SOON: Duration = Duration::from_secs(5);

const STATUS: &str = r#"{"version":1,"release":"x","instance":"i","fallback":true,"held":null,"tasks":0,
    "memory_bytes":0}"#;

fn control() -> Router {
    Router::new()
        .route("/status", get(|| async { STATUS }))
        .route("/assignment", put(|| async { "" }))
        .route("/tiles/a/b.parquet", get(|| async { "bytes of a tile" }))
}

async fn ask(channels: &Channels, node: &Node) -> Result<worker::control::Status, LinkError> {
    channels.control(&node.url).unwrap().status(SOON).await
}

fn assignment() -> worker::control::Assignment {
    let json = r#"{"version":1,"snapshot":1,"worker":0,"files":[],"placement":
        {"version":1,"number":1,"order":0,"replicas":1,"workers":[],"runs":[]}}"#;
    serde_json::from_str(json).unwrap_or_else(|e| panic!("{e}: fit this to StoredPlacement"))
}

#[tokio::test]
async fn what_is_wrong_with_the_files_of_a_node_is_named() {
    let (ours, others) = (Authority::new(), Authority::new());
    let (node, other) = (ours.worker(), ours.worker());
    let said = |files: [&std::path::Path; 3]| {
        let [ca, certificate, key] = files;
        Identity::read(ca, certificate, key).unwrap_err().to_string()
    };
    let (ca, certificate, key) = (&*node.ca, &*node.certificate, &*node.key);
    assert!(Identity::read(ca, certificate, key).is_ok());
    let gone = node.ca.with_file_name("gone.pem");
    for files in [[&*gone, certificate, key], [ca, &*gone, key], [ca, certificate, &*gone]] {
        let said = said(files);
        assert!(said.contains("cannot read") && said.contains("gone.pem"), "{said}");
    }
    let text = node.ca.with_file_name("text.pem");
    std::fs::write(&text, "no PEM").unwrap();
    for files in [[&*text, certificate, key], [ca, &*text, key], [ca, certificate, &*text]] {
        let said = said(files);
        assert!(said.contains("text.pem holds no"), "{said}");
    }
    let mismatch = said([ca, certificate, &other.key]);
    assert!(mismatch.contains("does not belong to the certificate"), "{mismatch}");
    let expired = ours.files(&["127.0.0.1", "worker.armilla"], 2021);
    let expired = said([ca, &expired.certificate, &expired.key]);
    assert!(expired.contains("has expired"), "{expired}");
    let foreign = others.worker();
    let foreign = said([ca, &foreign.certificate, &foreign.key]);
    assert!(foreign.contains("is not one of the authority"), "{foreign}");
}

/// The status that `GET /status` has for a certificate, by the client of tonic.
async fn knock(node: &Node, ca: &str, files: Option<&Files>) -> Result<StatusCode, String> {
    let mut tls = ClientTlsConfig::new().ca_certificate(Certificate::from_pem(ca));
    if let Some(files) = files {
        tls = tls.identity(files.pair());
    }
    let endpoint = Endpoint::from_shared(node.url.to_string()).unwrap().tls_config(tls).unwrap();
    let mut channel = endpoint.connect_lazy();
    let request = http::Request::get("/status").body(tonic::body::Body::empty()).unwrap();
    std::future::poll_fn(|context| tonic::codegen::Service::poll_ready(&mut channel, context))
        .await
        .map_err(|error| format!("{error:?}"))?;
    let answer = tonic::codegen::Service::call(&mut channel, request).await;
    answer.map(|answer| answer.status()).map_err(|error| format!("{error:?}"))
}

#[tokio::test]
async fn only_certificates_of_our_authority_are_let_in() {
    let (ours, others) = (Authority::new(), Authority::new());
    let node = Node::start("127.0.0.1:0", Some(ours.worker().identity()), control()).await;
    let good = ours.worker();
    assert_eq!(knock(&node, &ours.pem, Some(&good)).await, Ok(StatusCode::OK));
    assert!(knock(&node, &ours.pem, None).await.is_err(), "without a certificate");
    let foreign = others.worker();
    assert!(knock(&node, &ours.pem, Some(&foreign)).await.is_err(), "of another authority");
    let expired = ours.files(&["127.0.0.1", "worker.armilla"], 2021);
    assert!(knock(&node, &ours.pem, Some(&expired)).await.is_err(), "expired");
    assert!(knock(&node, &others.pem, Some(&good)).await.is_err(), "the client checks as well");
    let nobody = ours.files(&["127.0.0.1"], 2099);
    assert_eq!(knock(&node, &ours.pem, Some(&nobody)).await, Ok(StatusCode::FORBIDDEN));
    let plain = format!("http://{}", node.address()).parse().unwrap();
    let plain = Channels::default().control(&plain).unwrap().status(SOON).await;
    assert!(plain.is_err(), "without TLS");
    assert_eq!(knock(&node, &ours.pem, Some(&good)).await, Ok(StatusCode::OK), "none did harm");
}

#[tokio::test]
async fn a_host_cannot_pose_as_another() {
    let ours = Authority::new();
    let other = ours.files(&["127.0.0.9", "worker.armilla"], 2099).identity();
    let node = Node::start("127.0.0.1:0", Some(other), control()).await;
    let refused = ask(&Channels::new(Some(ours.coordinator().identity())), &node).await;
    assert!(matches!(refused, Err(LinkError::Trust { .. })), "{refused:?}");
}

#[tokio::test]
async fn a_worker_of_another_release_is_none_of_ours() {
    let cases = [
        (STATUS.replace("\"version\":1", "\"version\":2"), "release x speaks version 2"),
        ("no status".to_owned(), "its status is not one"),
    ];
    for (status, said) in cases {
        let control = Router::new().route("/status", get(move || async move { status }));
        let node = Node::start("127.0.0.1:0", None, control).await;
        let refused = ask(&Channels::default(), &node).await.unwrap_err();
        assert!(matches!(refused, LinkError::Foreign { .. }), "{refused:?}");
        assert!(refused.to_string().contains(said), "{refused}");
    }
}

#[tokio::test]
async fn only_a_coordinator_assigns() {
    let ours = Authority::new();
    let node = Node::start("127.0.0.1:0", Some(ours.worker().identity()), control()).await;
    let coordinator = Channels::new(Some(ours.coordinator().identity()));
    let peer = Channels::new(Some(ours.worker().identity()));
    for channels in [&coordinator, &peer] {
        assert_eq!(ask(channels, &node).await.unwrap().release, "x");
        let tile = channels.tiles(&node.url).unwrap().get(&Path::from("a/b.parquet")).await;
        assert_eq!(tile.unwrap().bytes().await.unwrap(), "bytes of a tile");
    }
    let assigned = coordinator.control(&node.url).unwrap().assign(&assignment()).await;
    assert!(assigned.is_ok(), "{assigned:?}");
    let refused = peer.control(&node.url).unwrap().assign(&assignment()).await.unwrap_err();
    assert!(matches!(refused, LinkError::Permission { .. }), "{refused:?}");
    assert!(refused.to_string().contains("coordinator.armilla"), "{refused}");
}

#[tokio::test]
async fn urls_that_would_send_plans_in_the_clear_are_refused() {
    let ours = Authority::new();
    let named = Channels::new(Some(ours.coordinator().identity()));
    for url in ["http://10.0.0.1:9001", "http://w1.example.org:9001", "ftp://127.0.0.1"] {
        let refused = named.control(&url.parse().unwrap()).unwrap_err();
        assert!(matches!(refused, LinkError::Address { .. }), "{url}: {refused:?}");
    }
    let refused = Channels::default().control(&"https://127.0.0.1:1".parse().unwrap());
    assert!(refused.unwrap_err().to_string().contains("--tls-ca"));
    assert!(Channels::default().control(&"http://[::1]:1".parse().unwrap()).is_ok());
}

#[tokio::test]
async fn handshakes_that_never_end_hold_up_nobody() {
    let ours = Authority::new();
    let node = Node::start("127.0.0.1:0", Some(ours.worker().identity()), control()).await;
    let mut silent = Vec::new();
    for _ in 0..50 {
        silent.push(TcpStream::connect(node.address()).await.unwrap());
    }
    ask(&Channels::new(Some(ours.coordinator().identity())), &node).await.unwrap();
}

#[tokio::test]
async fn a_worker_that_comes_back_is_reached_again() {
    let channels = Channels::default();
    let node = Node::start("127.0.0.1:0", None, control()).await;
    let (address, url) = (node.address(), node.url.clone());
    ask(&channels, &node).await.unwrap();
    node.stop().await;
    let started = Instant::now();
    let client = channels.control(&url).unwrap();
    let gone = client.status(SOON).await;
    assert!(matches!(gone, Err(LinkError::Refused { .. } | LinkError::Broken { .. })), "{gone:?}");
    let gone = client.status(SOON).await;
    assert!(matches!(gone, Err(LinkError::Refused { .. })), "{gone:?}");
    let tile = channels.tiles(&url).unwrap().get(&Path::from("a/b.parquet")).await;
    assert!(tile.unwrap_err().to_string().contains("refuses connections"));
    assert!(started.elapsed() < Duration::from_secs(3), "{:?}", started.elapsed());
    let node = Node::start(&address, None, control()).await;
    ask(&channels, &node).await.unwrap();
    let tile = channels.tiles(&url).unwrap().get(&Path::from("a/b.parquet")).await;
    assert!(tile.is_ok(), "{tile:?}");
}

/// Forwards to a node until it is told to freeze: connections stay open, nothing passes.
async fn forward(listener: TcpListener, to: String, frozen: watch::Receiver<bool>) {
    let mut connections = JoinSet::new();
    loop {
        let (mut client, _) = listener.accept().await.unwrap();
        let (to, mut frozen) = (to.clone(), frozen.clone());
        connections.spawn(async move {
            let mut server = TcpStream::connect(to).await.unwrap();
            tokio::select! {
                _ = tokio::io::copy_bidirectional(&mut client, &mut server) => {}
                () = async { drop(frozen.wait_for(|frozen| *frozen).await) } => {
                    std::future::pending::<()>().await;
                }
            }
        });
    }
}

#[tokio::test]
async fn a_host_that_falls_silent_is_given_up_by_its_ping() {
    let asked = Arc::new(Notify::new());
    let told = Arc::clone(&asked);
    let never = get(move || async move {
        told.notify_one();
        std::future::pending::<&'static str>().await
    });
    let node = Node::start("127.0.0.1:0", None, Router::new().route("/status", never)).await;
    let proxy = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}", proxy.local_addr().unwrap()).parse().unwrap();
    let (freeze, frozen) = watch::channel(false);
    let mut proxies = JoinSet::new();
    proxies.spawn(forward(proxy, node.address(), frozen));
    let client = Channels::default().control(&url).unwrap();
    let frozen_at = async {
        asked.notified().await;
        freeze.send(true).unwrap();
        Instant::now()
    };
    let (answer, frozen_at) = tokio::join!(client.status(Duration::from_secs(60)), frozen_at);
    assert!(matches!(answer, Err(LinkError::Timeout { .. })), "{answer:?}");
    assert!(frozen_at.elapsed() < Duration::from_secs(15), "{:?}", frozen_at.elapsed());
}

#[test]
fn the_loss_of_a_worker_is_found_in_any_wrapping() {
    let (a, b) = ("http://127.0.0.1:1/".parse().unwrap(), "https://b.org:2/".parse().unwrap());
    let wrap = |error: DataFusionError| DataFusionError::External(Box::new(error)).context("scan");
    assert_eq!(lost_worker(&lost(&a, "reset")), Some(a.clone()));
    assert_eq!(lost_worker(&wrap(wrap(lost(&b, "reset")))), Some(b.clone()));
    let shared = DataFusionError::Shared(Arc::new(lost(&b, "reset")));
    assert_eq!(lost_worker(&shared), Some(b.clone()));
    let as_text = DataFusionError::External(wrap(lost(&b, "reset")).to_string().into());
    assert_eq!(lost_worker(&as_text), Some(b.clone()));
    let both = lost(&a, lost(&b, "reset"));
    assert_eq!(lost_worker(&both), Some(b.clone()), "A lost B");
    let several =
        DataFusionError::Collection(vec![exec_datafusion_err!("other"), lost(&b, "reset")]);
    assert_eq!(lost_worker(&several), Some(b));
    for ordinary in [
        "worker 3 was lost: in the column name",
        "the worker http://127.0.0.1:1/ was lost: as a text of the query",
        "worker http://127.0.0.1:1/ was slow",
        "worker http:// was lost: no host",
        "was lost: worker http://127.0.0.1:1/",
        "Resources exhausted: worker was lost: no",
    ] {
        assert_eq!(lost_worker(&exec_datafusion_err!("{ordinary}")), None, "{ordinary}");
    }
}

type Batches = BoxStream<'static, datafusion::common::Result<RecordBatch>>;

/// A stream of a remote task, which counts its polls and says when it was asked and when dropped.
fn remote(polls: &Arc<AtomicUsize>, asked: &Arc<Notify>, guard: Arc<()>) -> Batches {
    let (polls, asked) = (Arc::clone(polls), Arc::clone(asked));
    let mut rows = 0..3;
    let schema = Arc::new(datafusion::arrow::datatypes::Schema::empty());
    futures::stream::poll_fn(move |_| {
        let _guard = &guard;
        polls.fetch_add(1, Ordering::SeqCst);
        asked.notify_one();
        rows.next().map(|_| Ok(RecordBatch::new_empty(Arc::clone(&schema)))).into()
    })
    .boxed()
}

#[tokio::test]
async fn a_task_that_nobody_polls_is_asked_for_in_time_and_loses_no_row() {
    let (polls, asked, guard) = (Arc::default(), Arc::default(), Arc::new(()));
    let streams = (0..3).map(|_| remote(&polls, &asked, Arc::clone(&guard))).collect();
    let mut streams = start_in_time(streams, Duration::from_millis(20));
    // The consumer of the first has gone already.
    drop(streams.remove(0));
    tokio::time::timeout(SOON, asked.notified()).await.expect("it is asked for");
    assert_eq!(polls.load(Ordering::SeqCst), 1, "one poll is enough for all");
    for stream in &mut streams {
        assert_eq!(stream.by_ref().count().await, 3);
    }
    drop(streams);
    assert_eq!(Arc::strong_count(&guard), 1, "dropping them ends the task");
}

#[tokio::test]
async fn a_task_that_is_polled_is_left_alone() {
    let (polls, asked, guard) = (Arc::default(), Arc::default(), Arc::new(()));
    let streams = (0..2).map(|_| remote(&polls, &asked, Arc::clone(&guard))).collect();
    let mut streams = start_in_time(streams, Duration::from_millis(20));
    assert!(streams[1].next().await.is_some());
    let clocks = tokio::runtime::Handle::current().metrics();
    until("the time is over", || clocks.num_alive_tasks() == 0).await;
    assert_eq!(polls.load(Ordering::SeqCst), 1);
    let unasked = vec![remote(&polls, &asked, Arc::clone(&guard))];
    drop(start_in_time(unasked, Duration::from_millis(1)));
    drop(streams);
    assert_eq!(Arc::strong_count(&guard), 1);
}

/// The first poll of the consumer and ours may come at the same moment.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_consumer_that_comes_at_the_last_moment_is_woken() {
    const PATIENCE: Duration = Duration::from_millis(20);
    for round in 0..40 {
        let (send, rows) = futures::channel::mpsc::unbounded();
        // To step over many that are gone makes the moment long.
        let mut streams: Vec<Batches> =
            (0..20_000).map(|_| futures::stream::pending().boxed()).collect();
        streams.push(rows.boxed());
        let begun = tokio::time::Instant::now();
        let mut rows = start_in_time(streams, PATIENCE).pop().unwrap();
        let mut waits = JoinSet::new();
        waits.spawn(async move {
            tokio::time::sleep_until(begun + PATIENCE).await;
            rows.next().await.is_some()
        });
        tokio::time::sleep_until(begun + 2 * PATIENCE).await;
        let schema = Arc::new(datafusion::arrow::datatypes::Schema::empty());
        send.unbounded_send(Ok(RecordBatch::new_empty(schema))).unwrap();
        let woken = tokio::time::timeout(SOON, waits.join_next()).await;
        assert!(woken.is_ok_and(|woken| woken.unwrap().unwrap()), "never woken in round {round}");
    }
}
