//! Ports of workers inside the test process, and certificates that none of our code made.

#![expect(clippy::unwrap_used, reason = "a test ends at the first step that fails")]

use std::path::PathBuf;
use std::sync::Arc;

use axum::Router;
use object_store::memory::InMemory;
use rcgen::{
    BasicConstraints, CertificateParams, ExtendedKeyUsagePurpose, IsCa, Issuer, KeyPair,
    date_time_ymd,
};
use tempfile::TempDir;
use tokio::net::TcpListener;
use tokio::sync::oneshot;
use tokio::task::JoinSet;
use url::Url;
use worker::distributed::worker_url;
use worker::memory::Budget;
use worker::session::NodeRuntime;
use worker::{Channels, Counters, Identity, NodeName, Port};

/// The files of one node.
pub(crate) struct Files {
    pub(crate) ca: PathBuf,
    pub(crate) certificate: PathBuf,
    pub(crate) key: PathBuf,
    _folder: TempDir,
}

impl Files {
    pub(crate) fn identity(&self) -> Identity {
        Identity::read(&self.ca, &self.certificate, &self.key).unwrap()
    }

    /// TLS of the library, for certificates that [`Identity`] would refuse.
    pub(crate) fn pair(&self) -> tonic::transport::Identity {
        let read = |path| std::fs::read(path).unwrap();
        tonic::transport::Identity::from_pem(read(&self.certificate), read(&self.key))
    }
}

/// Signs certificates.
pub(crate) struct Authority {
    issuer: Issuer<'static, KeyPair>,
    pub(crate) pem: String,
}

impl Authority {
    pub(crate) fn new() -> Self {
        let mut params = CertificateParams::default();
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        let key = KeyPair::generate().unwrap();
        let pem = params.self_signed(&key).unwrap().pem();
        Self { issuer: Issuer::new(params, key), pem }
    }

    /// A certificate with these names that counts until the end of `year`.
    pub(crate) fn files(&self, names: &[&str], year: i32) -> Files {
        let names: Vec<_> = names.iter().map(|name| (*name).to_owned()).collect();
        let mut params = CertificateParams::new(names).unwrap();
        params.not_before = date_time_ymd(2020, 1, 1);
        params.not_after = date_time_ymd(year, 12, 31);
        params.extended_key_usages =
            vec![ExtendedKeyUsagePurpose::ServerAuth, ExtendedKeyUsagePurpose::ClientAuth];
        let key = KeyPair::generate().unwrap();
        let certificate = params.signed_by(&key, &self.issuer).unwrap().pem();
        let folder = TempDir::new().unwrap();
        let write = |name: &str, text: &str| {
            let path = folder.path().join(name);
            std::fs::write(&path, text).unwrap();
            path
        };
        Files {
            ca: write("ca.pem", &self.pem),
            certificate: write("certificate.pem", &certificate),
            key: write("key.pem", &key.serialize_pem()),
            _folder: folder,
        }
    }

    pub(crate) fn worker(&self) -> Files {
        self.files(&["127.0.0.1", "worker.armilla"], 2099)
    }

    pub(crate) fn coordinator(&self) -> Files {
        self.files(&["127.0.0.1", "coordinator.armilla"], 2099)
    }
}

/// Limits and a store without tiles.
fn runtime(counters: &Arc<Counters>) -> NodeRuntime {
    let tiles = Arc::new(InMemory::new());
    NodeRuntime::new(tiles, &Budget::of(1 << 28), &NodeName::new("this node"), counters).unwrap()
}

/// A port that serves until it is stopped or dropped.
pub(crate) struct Node {
    pub(crate) url: Url,
    pub(crate) counters: Arc<Counters>,
    stop: Option<oneshot::Sender<()>>,
    served: JoinSet<()>,
}

impl Node {
    /// A port at an address of this host.
    pub(crate) async fn start(address: &str, identity: Option<Identity>, control: Router) -> Self {
        Self::start_at(address, Channels::new(identity), control).await
    }

    /// A port whose node has these connections.
    pub(crate) async fn start_at(address: &str, channels: Channels, control: Router) -> Self {
        let listener = TcpListener::bind(address).await.unwrap();
        let secure = channels.identity().is_some();
        let url = worker_url(listener.local_addr().unwrap(), secure).unwrap();
        let counters = Arc::new(Counters::default());
        let port = Port {
            runtime: Arc::new(runtime(&counters)),
            counters: Arc::clone(&counters),
            channels,
        };
        let (stop, stopped) = oneshot::channel();
        let mut served = JoinSet::new();
        served.spawn(async move {
            let stopped = async { drop(stopped.await) };
            port.serve(listener, control, stopped).await.unwrap();
        });
        Self { url, counters, stop: Some(stop), served }
    }

    /// The address that it has.
    pub(crate) fn address(&self) -> String {
        format!("127.0.0.1:{}", self.url.port().unwrap())
    }

    /// Ends it and all of its connections.
    pub(crate) async fn stop(mut self) {
        drop(self.stop.take());
        while let Some(ended) = self.served.join_next().await {
            ended.unwrap();
        }
    }
}
