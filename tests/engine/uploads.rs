//! Uploads without HTTP of users: what UPLOAD says, which addresses are of the internet, and how a
//! worker is brought the files of a query.

#![expect(clippy::unwrap_used, reason = "a test ends at the first step that fails")]

use coordinator::uploads::address::is_public;
use coordinator::uploads::{Place, Wanted};
use object_store::ObjectStoreExt as _;
use object_store::path::Path;
use worker::uploads::UploadFolder;
use worker::{Channels, LinkError};

use crate::nodes::{Authority, Node};

fn part(name: &str, part: &str) -> Wanted {
    Wanted { name: name.to_owned(), place: Place::Part(part.to_owned()) }
}

fn url(name: &str, url: &str) -> Wanted {
    Wanted { name: name.to_owned(), place: Place::Url(url.parse().unwrap()) }
}

#[test]
fn upload_is_read_in_both_syntaxes() {
    let read = |values: &[&str]| Wanted::all(values.iter().copied()).unwrap();
    assert_eq!(read(&[]), []);
    assert_eq!(read(&["", " "]), []);
    assert_eq!(read(&["a,param:b"]), [part("a", "b")]);
    assert_eq!(read(&[" a , param:b "]), [part("a", "b")]);
    assert_eq!(read(&["a,param:x;b,PARAM:y"]), [part("a", "x"), part("b", "y")]);
    assert_eq!(
        read(&["a,param:x;", "B_2,http://h/p?q=1;r=2,3;c,param:z"]),
        [part("a", "x"), url("B_2", "http://h/p?q=1;r=2,3"), part("c", "z"),]
    );
    for wrong in [
        "a",
        "a;b",
        "a,b",
        ",param:x",
        "1a,param:x",
        "a.b,param:x",
        "a,ftp://h/p",
        "a,param:x;A,param:y",
        "a b,param:x",
        "ä,param:x",
        "a,http://",
    ] {
        assert!(Wanted::all([wrong]).is_err(), "{wrong}");
    }
}

#[test]
fn the_internet_is_public_and_nothing_else() {
    let public =
        ["8.8.8.8", "130.79.128.5", "172.15.0.1", "172.32.0.1", "2a00:1450::1", "::ffff:8.8.8.8"];
    for address in public {
        assert!(is_public(address.parse().unwrap()), "{address}");
    }
    for other in [
        "127.0.0.1",
        "127.9.9.9",
        "0.0.0.0",
        "0.1.2.3",
        "10.0.0.1",
        "172.16.0.1",
        "172.31.255.255",
        "192.168.1.1",
        "169.254.169.254",
        "100.64.0.1",
        "192.0.0.8",
        "198.18.0.1",
        "198.51.100.1",
        "203.0.113.1",
        "224.0.0.1",
        "240.0.0.1",
        "255.255.255.255",
        "::",
        "::1",
        "fe80::1",
        "fc00::1",
        "fd12::1",
        "ff02::1",
        "::ffff:127.0.0.1",
        "::ffff:169.254.169.254",
        "::127.0.0.1",
        "64:ff9b::7f00:1",
        "2002:7f00:1::1",
        "2001:db8::1",
        "2001::1",
        "fec0::1",
    ] {
        assert!(!is_public(other.parse().unwrap()), "{other}");
    }
}

/// Over the port of a worker with certificates: only a coordinator brings files and takes them.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn only_a_coordinator_brings_uploads() {
    let (ours, folder) = (Authority::new(), tempfile::tempdir().unwrap());
    let root = folder.path().join("uploads");
    std::fs::create_dir_all(root.join("of a former process")).unwrap();
    let uploads = UploadFolder::open(&root).unwrap();
    assert_eq!(std::fs::read_dir(&root).unwrap().count(), 0, "a start removes all");
    let node = Node::start("127.0.0.1:0", Some(ours.worker().identity()), uploads.router()).await;
    let content: Vec<u8> = (0..3_000_000_u32).flat_map(u32::to_le_bytes).collect();
    let file = folder.path().join("rows");
    std::fs::write(&file, &content).unwrap();
    let peer = Channels::new(Some(ours.worker().identity())).uploads(&node.url).unwrap();
    let refused = peer.bring("q1", "t.parquet", &file).await.unwrap_err();
    assert!(matches!(refused, LinkError::Permission { .. }), "{refused:?}");
    let client = Channels::new(Some(ours.coordinator().identity())).uploads(&node.url).unwrap();
    client.bring("q1", "t.parquet", &file).await.unwrap();
    client.bring("q2", "t.parquet", &file).await.unwrap();
    let read = uploads.store().get(&Path::from("q1/t.parquet")).await.unwrap();
    assert_eq!(read.bytes().await.unwrap(), content);
    assert!(peer.forget("q1").await.is_err());
    client.forget("q1").await.unwrap();
    client.forget("q1").await.unwrap();
    assert!(uploads.store().get(&Path::from("q1/t.parquet")).await.is_err());
    assert!(uploads.store().get(&Path::from("q2/t.parquet")).await.is_ok());
    for (query, name) in [("..", "t"), ("%2e%2e", "t"), (".q", "t"), ("q3", ".t"), ("q3", "..%2ft")]
    {
        assert!(client.bring(query, name, &file).await.is_err(), "{query}/{name}");
    }
    assert_eq!(std::fs::read_dir(&root).unwrap().count(), 1);
    assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 2);
    node.stop().await;
}
