//! Connections to other nodes: opened at first use, shared by all that a node does, and made again
//! by themselves after a loss. Every one has the limits and the certificates of
//! [`crate::transport`].
//!
//! Tasks, control and tiles have a connection each, so that neither a full buffer of rows nor a
//! copy of tiles delays the question whether a node lives.

use std::collections::HashMap;
use std::error::Error as StdError;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use bytes::{Bytes, BytesMut};
use futures::stream;
use http::{Method, Request, Response, StatusCode, header};
use http_body_util::{BodyExt, Full, Limited};
use object_store::ObjectStore;
use tokio::io::AsyncReadExt as _;
use tonic::body::Body;
use tonic::transport::{Channel, Endpoint};
use tower::ServiceExt;
use url::{Host, Url};

use crate::control::{Assignment, CONTROL_VERSION, Status};
use crate::front::Front;
use crate::peer_tiles;
use crate::transport::{
    CONNECT_TIMEOUT, Identity, KEEP_ALIVE_INTERVAL, KEEP_ALIVE_TIMEOUT, is_loopback,
};

/// A worker reads an assignment at once and copies afterwards.
const ASSIGN_TIMEOUT: Duration = Duration::from_secs(30);

/// A worker removes the files of a query at once.
const FORGET_TIMEOUT: Duration = Duration::from_secs(5);

/// Bytes of a file that are sent at a time.
const BRING_BYTES: usize = 256 << 10;

/// Answers of control are small; more than this is not one.
const ANSWER_BYTES: usize = 1024 * 1024;

/// Why a node did not do what it was asked.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum LinkError {
    /// The URL cannot be one of a node.
    #[error("{url} cannot be the URL of a node: {reason}")]
    Address {
        /// The URL.
        url: Url,
        /// What is wrong with it.
        reason: String,
    },
    /// Nobody listens there.
    #[error("{url} refuses connections: no worker runs there")]
    Refused {
        /// The node.
        url: Url,
    },
    /// No answer in time.
    #[error("{url} does not answer: {cause}")]
    Timeout {
        /// The node.
        url: Url,
        /// What took too long.
        cause: String,
    },
    /// One side does not accept the certificate of the other.
    #[error("{url} and this node do not trust each other: {cause}")]
    Trust {
        /// The node.
        url: Url,
        /// What the handshake said.
        cause: String,
    },
    /// The node does not let this one.
    #[error("{url} does not permit it: {text}")]
    Permission {
        /// The node.
        url: Url,
        /// What it says.
        text: String,
    },
    /// The node answered with an error.
    #[error("{url} answered {status}: {text}")]
    Status {
        /// The node.
        url: Url,
        /// Its status.
        status: StatusCode,
        /// What it says.
        text: String,
    },
    /// The answer is not what a worker of this release says.
    #[error("{url} is no worker of this release: {reason}")]
    Foreign {
        /// The node.
        url: Url,
        /// What is strange.
        reason: String,
    },
    /// The connection broke.
    #[error("the connection to {url} broke: {cause}")]
    Broken {
        /// The node.
        url: Url,
        /// What broke it.
        cause: String,
    },
}

impl LinkError {
    /// What went wrong on the way to `url`, by the causes of `error`.
    pub(crate) fn of(url: &Url, error: &(dyn StdError + 'static)) -> Self {
        let url = url.clone();
        let chain: Vec<_> = std::iter::successors(Some(error), |error| (*error).source()).collect();
        let cause = chain.last().map_or_else(String::new, ToString::to_string);
        let io = chain.iter().find_map(|error| error.downcast_ref::<std::io::Error>());
        let kind = io.map(std::io::Error::kind);
        if kind == Some(std::io::ErrorKind::ConnectionRefused) {
            Self::Refused { url }
        } else if kind == Some(std::io::ErrorKind::TimedOut) || cause.contains("timed out") {
            Self::Timeout { url, cause }
        } else if is_tls(&chain) {
            Self::Trust { url, cause }
        } else {
            Self::Broken { url, cause }
        }
    }
}

/// Whether causes are those of a handshake, which the library gives as bad data, or as an alert of
/// the peer when that refuses us after ours.
fn is_tls(chain: &[&(dyn StdError + 'static)]) -> bool {
    chain.iter().any(|error| {
        let io = error.downcast_ref::<std::io::Error>();
        io.is_some_and(|io| io.kind() == std::io::ErrorKind::InvalidData)
            || error.to_string().contains("received fatal alert")
    })
}

/// What a connection is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
enum Purpose {
    Tasks,
    Control,
    Tiles,
}

/// The connections of a node.
#[derive(Debug, Clone, Default)]
pub struct Channels {
    identity: Option<Identity>,
    front: Front,
    open: Arc<Mutex<HashMap<(Url, Purpose), Channel>>>,
}

impl Channels {
    /// Connections of a node that is `identity`; without one, to this host only.
    pub fn new(identity: Option<Identity>) -> Self {
        Self { identity, ..Self::default() }
    }

    /// The same connections, served there.
    #[must_use]
    pub fn on(self, front: Front) -> Self {
        Self { front, ..self }
    }

    /// Where the connections are served.
    pub fn front(&self) -> &Front {
        &self.front
    }

    /// Who this node is.
    pub fn identity(&self) -> Option<&Identity> {
        self.identity.as_ref()
    }

    /// The connection for tasks. Nothing is sent before its first use.
    pub(crate) fn tasks(&self, url: &Url) -> Result<Channel, LinkError> {
        self.channel(url, Purpose::Tasks)
    }

    /// Status and assignments of a worker.
    ///
    /// # Errors
    /// When the URL cannot be one of a node.
    pub fn control(&self, url: &Url) -> Result<NodeClient, LinkError> {
        Ok(NodeClient { url: url.clone(), channel: self.channel(url, Purpose::Control)? })
    }

    /// The tiles that a worker holds.
    ///
    /// # Errors
    /// When the URL cannot be one of a node.
    pub fn tiles(&self, url: &Url) -> Result<Arc<dyn ObjectStore>, LinkError> {
        peer_tiles::store(url, self.channel(url, Purpose::Tiles)?)
    }

    /// The way to bring a worker the tables of queries: that of tiles, so that no large one delays
    /// the question how the worker is.
    ///
    /// # Errors
    /// When the URL cannot be one of a node.
    pub fn uploads(&self, url: &Url) -> Result<NodeClient, LinkError> {
        Ok(NodeClient { url: url.clone(), channel: self.channel(url, Purpose::Tiles)? })
    }

    fn channel(&self, url: &Url, purpose: Purpose) -> Result<Channel, LinkError> {
        let mut open = self.open.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(channel) = open.get(&(url.clone(), purpose)) {
            return Ok(channel.clone());
        }
        let endpoint = self.endpoint(url)?;
        let channel = {
            // Its tasks are those of the runtime in which it is made.
            let front = self.front.handle();
            let _entered = front.enter();
            endpoint.connect_lazy()
        };
        open.insert((url.clone(), purpose), channel.clone());
        Ok(channel)
    }

    fn endpoint(&self, url: &Url) -> Result<Endpoint, LinkError> {
        let wrong = |reason: String| LinkError::Address { url: url.clone(), reason };
        let host: Host<&str> = url.host().ok_or_else(|| wrong("it has no host".to_owned()))?;
        let endpoint = Endpoint::from_shared(url.to_string());
        let endpoint = endpoint.map_err(|error| wrong(error.to_string()))?;
        let endpoint = match (url.scheme(), &self.identity) {
            ("https", Some(identity)) => endpoint
                .tls_config(identity.client(&host))
                .map_err(|error| wrong(error.to_string()))?,
            ("https", None) => {
                let reason = "this node has no certificate: give --tls-ca, --tls-certificate and \
                              --tls-key";
                return Err(wrong(reason.to_owned()));
            }
            ("http", _) if is_loopback(url) => endpoint,
            ("http", _) => {
                let reason = "http reaches this host only; between hosts it is https, with \
                              certificates by armilla certificates";
                return Err(wrong(reason.to_owned()));
            }
            (scheme, _) => return Err(wrong(format!("its scheme is {scheme}, not https"))),
        };
        Ok(endpoint
            .connect_timeout(CONNECT_TIMEOUT)
            .tcp_nodelay(true)
            .http2_keep_alive_interval(KEEP_ALIVE_INTERVAL)
            .keep_alive_timeout(KEEP_ALIVE_TIMEOUT)
            .keep_alive_while_idle(true))
    }
}

/// Speaks with one worker about itself.
#[derive(Debug, Clone)]
pub struct NodeClient {
    url: Url,
    channel: Channel,
}

impl NodeClient {
    /// How the worker is, told within `timeout`.
    ///
    /// # Errors
    /// When it does not answer, does not let this node ask, or is of another release.
    pub async fn status(&self, timeout: Duration) -> Result<Status, LinkError> {
        let answer = self.ask(Method::GET, "/status", Bytes::new(), timeout).await?;
        let status: Status = serde_json::from_slice(&answer)
            .map_err(|error| self.foreign(&format!("its status is not one: {error}")))?;
        if status.version == CONTROL_VERSION {
            return Ok(status);
        }
        let (theirs, release) = (status.version, &status.release);
        Err(self.foreign(&format!("release {release} speaks version {theirs} of the control")))
    }

    /// Gives the worker its assignment; it copies afterwards.
    ///
    /// # Errors
    /// When it does not answer or refuses it.
    pub async fn assign(&self, assignment: &Assignment) -> Result<(), LinkError> {
        let body = serde_json::to_vec(assignment)
            .map_err(|error| self.foreign(&format!("an assignment is not JSON: {error}")))?;
        self.ask(Method::PUT, "/assignment", body.into(), ASSIGN_TIMEOUT).await.map(drop)
    }

    /// Brings the worker a file of a query, as it is read.
    ///
    /// # Errors
    /// When the file cannot be read, or the worker does not take it.
    pub async fn bring(
        &self,
        folder: &str,
        name: &str,
        file: &std::path::Path,
    ) -> Result<(), LinkError> {
        let failed = |error: std::io::Error| LinkError::of(&self.url, &error);
        let file = tokio::fs::File::open(file).await.map_err(failed)?;
        let bytes = file.metadata().await.map_err(failed)?.len();
        let chunks = stream::try_unfold(file, |mut file| async move {
            let mut chunk = BytesMut::with_capacity(BRING_BYTES);
            let read = file.read_buf(&mut chunk).await?;
            Ok::<_, std::io::Error>((read > 0).then(|| (chunk.freeze(), file)))
        });
        let request = Request::builder()
            .method(Method::PUT)
            .uri(format!("/uploads/{folder}/{name}"))
            .header(header::CONTENT_LENGTH, bytes)
            .body(Body::new(axum::body::Body::from_stream(chunks)))
            .map_err(|error| LinkError::of(&self.url, &error))?;
        let response = self.channel.clone().oneshot(request).await;
        self.read(response.map_err(|error| LinkError::of(&self.url, &error))?).await.map(drop)
    }

    /// Tells the worker that the files of a query are not needed any more.
    ///
    /// # Errors
    /// When it does not answer, or cannot remove them.
    pub async fn forget(&self, folder: &str) -> Result<(), LinkError> {
        let path = format!("/uploads/{folder}");
        self.ask(Method::DELETE, &path, Bytes::new(), FORGET_TIMEOUT).await.map(drop)
    }

    fn foreign(&self, reason: &str) -> LinkError {
        LinkError::Foreign { url: self.url.clone(), reason: reason.to_owned() }
    }

    async fn ask(
        &self,
        method: Method,
        path: &str,
        body: Bytes,
        timeout: Duration,
    ) -> Result<Bytes, LinkError> {
        let request = Request::builder()
            .method(method)
            .uri(path)
            .header(header::CONTENT_TYPE, "application/json")
            .body(Body::new(Full::new(body)))
            .map_err(|error| LinkError::of(&self.url, &error))?;
        let answered = tokio::time::timeout(timeout, async {
            let response = self.channel.clone().oneshot(request).await;
            self.read(response.map_err(|error| LinkError::of(&self.url, &error))?).await
        });
        answered.await.unwrap_or_else(|_| {
            let cause = format!("no answer to {path} within {timeout:?}");
            Err(LinkError::Timeout { url: self.url.clone(), cause })
        })
    }

    async fn read(&self, response: Response<Body>) -> Result<Bytes, LinkError> {
        let status = response.status();
        let body = Limited::new(response.into_body(), ANSWER_BYTES).collect().await;
        let body = body.map_err(|error| LinkError::of(&self.url, &*error))?.to_bytes();
        let (url, text) = (self.url.clone(), || String::from_utf8_lossy(&body).into_owned());
        match status {
            _ if status.is_success() => Ok(body),
            StatusCode::FORBIDDEN => Err(LinkError::Permission { url, text: text() }),
            _ => Err(LinkError::Status { url, status, text: text() }),
        }
    }
}
