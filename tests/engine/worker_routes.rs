//! The routes of a worker over a socket: tiles as the HTTP client of `object_store` reads them,
//! and whatever a client could try that is none of its business.

#![expect(clippy::unwrap_used, reason = "a test ends at the first step that fails")]

use std::fs;
use std::net::SocketAddr;
use std::sync::Arc;

use datafusion::object_store::http::HttpBuilder;
use datafusion::object_store::path::Path;
use datafusion::object_store::{
    ClientOptions, Error, GetOptions, GetRange, ObjectStore, ObjectStoreExt as _,
};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinSet;
use worker::control::Status;
use worker::counters::Source;

use crate::worker_bed::{
    BLOCK, Bed, Bedded, Mood, Peer, is_complete, no_peers, peer, some_tiles, tile, until, write,
};

/// A worker whose routes are served.
struct Served {
    worker: Bedded,
    address: SocketAddr,
    _server: JoinSet<()>,
}

async fn serve(worker: Bedded) -> Served {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let router = worker.node.router();
    let mut server = JoinSet::new();
    server.spawn(async move { axum::serve(listener, router).await.unwrap() });
    Served { worker, address, _server: server }
}

impl Served {
    fn client(&self) -> Arc<dyn ObjectStore> {
        let options = ClientOptions::new().with_allow_http(true);
        let url = format!("http://{}/tiles", self.address);
        Arc::new(HttpBuilder::new().with_url(url).with_client_options(options).build().unwrap())
    }

    /// Sends exactly this, and gives the status and all that follows.
    async fn ask(&self, head: &str, body: &str) -> (u16, String) {
        let mut stream = TcpStream::connect(self.address).await.unwrap();
        let length = body.len();
        let request = format!(
            "{head} HTTP/1.1\r\nHost: x\r\nConnection: close\r\nContent-Length: {length}\r\n\r\n\
             {body}"
        );
        stream.write_all(request.as_bytes()).await.unwrap();
        let mut answer = Vec::new();
        stream.read_to_end(&mut answer).await.unwrap();
        let answer = String::from_utf8_lossy(&answer).into_owned();
        (answer.split(' ').nth(1).unwrap().parse().unwrap(), answer)
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn object_stores_client_reads_tiles_of_a_worker() {
    let bed = Bed::new(some_tiles());
    let served = serve(bed.whole(no_peers()).await).await;
    let client = served.client();
    for (path, bytes) in &bed.tiles {
        let path = Path::from(path.as_str());
        let size = bytes.len() as u64;
        let head = client.head(&path).await.unwrap();
        assert_eq!(head.size, size);
        assert!(head.e_tag.unwrap().starts_with("\"armilla-"));
        assert_eq!(client.get(&path).await.unwrap().bytes().await.unwrap(), bytes);
        let some = [0..1, size - 1..size, size / 3..size / 2 + 1];
        for (range, found) in some.iter().zip(client.get_ranges(&path, &some).await.unwrap()) {
            let range = usize::try_from(range.start).unwrap()..usize::try_from(range.end).unwrap();
            assert_eq!(found, bytes[range]);
        }
        let end = GetOptions::new().with_range(Some(GetRange::Suffix(4)));
        let end = client.get_opts(&path, end).await.unwrap();
        assert_eq!((end.range.clone(), end.meta.size), (size - 4..size, size));
        assert_eq!(end.bytes().await.unwrap(), "PAR1");
        let rest = GetOptions::new().with_range(Some(GetRange::Offset(size - 2)));
        assert_eq!(client.get_opts(&path, rest).await.unwrap().bytes().await.unwrap(), "R1");
    }
    let missing = client.head(&Path::from(tile(77))).await.unwrap_err();
    assert!(matches!(missing, Error::NotFound { .. }), "{missing}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_worker_copies_from_a_peer_over_http_and_notices_what_changed_on_the_way() {
    let bed = Bed::new(some_tiles());
    let served = serve(bed.whole(no_peers()).await).await;
    for (mood, from) in [(Mood::Answers, Source::Peer), (Mood::Changes, Source::Origin)] {
        let second = Bed::new(some_tiles());
        let copied = second.whole(peer(&Peer::over(served.client(), mood))).await;
        assert_eq!(copied.counters.copies(from), bed.tiles.len() as u64, "{mood:?}");
        for (path, bytes) in &bed.tiles {
            assert_eq!(&copied.read(path).await.unwrap(), bytes, "{path}");
        }
        assert_eq!(copied.counters.reads(Source::Local), bed.tiles.len() as u64);
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_damaged_tile_is_not_served() {
    let bed = Bed::new(some_tiles());
    let served = serve(bed.whole(no_peers()).await).await;
    fs::remove_dir_all(bed.origin.path()).unwrap();
    let damaged = bed.own_file(&tile(6));
    let mut bytes = fs::read(&damaged).unwrap();
    // Beyond the first piece: the answer has begun when it is found.
    bytes[40 * BLOCK] ^= 1;
    fs::write(&damaged, &bytes).unwrap();
    let target = format!("/tiles/{}", tile(6));
    let mut stream = TcpStream::connect(served.address).await.unwrap();
    let request = format!("GET {target} HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n");
    stream.write_all(request.as_bytes()).await.unwrap();
    let mut answer = Vec::new();
    // It may end by an error or by an early end.
    let _ended = stream.read_to_end(&mut answer).await;
    assert!(answer.starts_with(b"HTTP/1.1 200 OK"));
    assert!(answer.len() < bytes.len(), "the answer was broken off");
    let whole = served.client().get(&Path::from(tile(6))).await.unwrap().bytes().await;
    assert!(whole.is_err());
    // At the beginning: there is no answer at all.
    bytes[7] ^= 1;
    fs::write(&damaged, &bytes).unwrap();
    let (status, answer) = served.ask(&format!("GET {target}"), "").await;
    assert_eq!(status, 404, "{answer}");
    assert!(answer.contains("it is damaged: its bytes 0 to 65535 have changed"), "{answer}");
    assert_eq!(served.worker.counters.damaged_tiles(), 1);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn nothing_but_tiles_leaves_the_folder() {
    let bed = Bed::new(some_tiles());
    let served = serve(bed.whole(no_peers()).await).await;
    let secret = "a secret of the host";
    let outside = bed.own.path().with_extension("secret");
    write(&outside, secret.as_bytes());
    write(&bed.own_file("notes/secret.txt"), secret.as_bytes());
    let name = outside.file_name().unwrap().to_str().unwrap();
    for target in [
        &format!("../{name}"),
        &format!("%2e%2e/{name}"),
        &format!("%2e%2e%2f{name}"),
        &format!("s/..%2f..%2f{name}"),
        &format!("s/../../{name}"),
        &format!("./../{name}"),
        &format!("{}", outside.display()),
        &format!("%2f{}", outside.display()),
        &format!("s%00/../../{name}"),
        "notes/secret.txt",
        ".armilla/worker.json",
        ".armilla/assignment.json",
        "%2earmilla/worker.json",
        "./.armilla/worker.json",
        "s/../.armilla/worker.json",
        &format!(".armilla/sums/{}.sums", tile(0)),
        "",
        "s",
        "s/t/dataset/Norder=2/Dir=0",
        "s/t/dataset/Norder=2/Dir=0/",
    ] {
        for method in ["GET", "HEAD"] {
            let (status, answer) = served.ask(&format!("{method} /tiles/{target}"), "").await;
            assert!(status == 404 || status == 400, "{method} {target}: {answer}");
            assert!(!answer.contains(secret) && !answer.contains("version"), "{target}: {answer}");
        }
    }
    fs::remove_file(outside).unwrap();
    for method in ["PUT", "DELETE", "POST"] {
        let (status, _) = served.ask(&format!("{method} /tiles/{}", tile(0)), "").await;
        assert_eq!(status, 405, "{method}");
    }
    assert_eq!(served.worker.counters.damaged_tiles(), 0);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn ranges_that_cannot_be_have_their_status() {
    let bed = Bed::new(some_tiles());
    let served = serve(bed.whole(no_peers()).await).await;
    let target = format!("/tiles/{}", tile(1));
    let ranged = |range: &str| format!("GET {target} HTTP/1.1\r\nRange: {range}\r\nX: y");
    for (range, status, length) in [
        ("bytes=0-0", 206, Some(1)),
        ("bytes=4990-9999", 206, Some(10)),
        ("bytes=-7", 206, Some(7)),
        ("bytes=4999-", 206, Some(1)),
        ("bytes=5000-", 416, None),
        ("bytes=9-5", 200, Some(5000)),
        ("bytes=0-1,4-5", 200, Some(5000)),
        ("lines=0-1", 200, Some(5000)),
    ] {
        // The head ends with a header of ours, to which `ask` adds the version of the protocol.
        let (found, answer) = served.ask(&ranged(range), "").await;
        assert_eq!(found, status, "{range}: {}", &answer[..200.min(answer.len())]);
        if let Some(length) = length {
            assert!(answer.contains(&format!("content-length: {length}\r\n")), "{range}");
        } else {
            assert!(answer.contains("content-range: bytes */5000"), "{answer}");
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_coordinator_gives_an_assignment_and_asks_how_far_it_is() {
    let bed = Bed::new(some_tiles());
    let served = serve(bed.open(no_peers()).unwrap()).await;
    let status = async || {
        let (code, answer) = served.ask("GET /status", "").await;
        assert_eq!(code, 200, "{answer}");
        let body = answer.split_once("\r\n\r\n").unwrap().1;
        serde_json::from_str::<Status>(body).unwrap()
    };
    assert_eq!(status().await.held, None);
    let assignment = serde_json::to_string(&bed.assignment(4)).unwrap();
    let (code, answer) = served.ask("PUT /assignment", &assignment).await;
    assert_eq!(code, 204, "{answer}");
    until("all tiles are here", || is_complete(&served.worker.node)).await;
    let held = status().await.held.unwrap();
    assert_eq!((held.placement, held.snapshot, held.files), (4, 7, bed.tiles.len() as u64));
    let older = serde_json::to_string(&bed.assignment(3)).unwrap();
    let (code, answer) = served.ask("PUT /assignment", &older).await;
    assert_eq!(code, 409, "{answer}");
    assert!(answer.contains("placement 3 is older than placement 4"), "{answer}");
    for (body, said) in [
        (r#"{"version": 2, "cells": []}"#, "this worker speaks version 1 of the control messages"),
        (r#"{"version": 1}"#, "the assignment cannot be read: missing field"),
        ("nonsense", "the assignment cannot be read: expected"),
    ] {
        let (code, answer) = served.ask("PUT /assignment", body).await;
        assert_eq!(code, 400, "{answer}");
        assert!(answer.contains(said), "{answer}");
    }
}
