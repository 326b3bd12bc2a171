//! What a worker is beside its tasks: its folder, what it is to hold, and the routes by which
//! coordinators and peers speak to it.
//!
//! `GET /status`, `PUT /assignment`, `GET|HEAD /tiles/<location>` and those of [`crate::uploads`]. Who may use them is decided
//! where they are served; no encryption is known here. A tile is served from the own folder only,
//! verified, in pieces; what is not whole here is 404, and a tile that turns out damaged in its
//! middle ends the connection.

use std::path::PathBuf;
use std::sync::{Arc, Mutex, PoisonError};

use axum::Router;
use axum::body::{Body, Bytes};
use axum::extract::{DefaultBodyLimit, Path as UrlPath, State};
use axum::http::{HeaderMap, Method, StatusCode, header};
use axum::response::{IntoResponse, Response};
use axum::routing::{get, put};
use catalog::{Location, Placement};
use object_store::path::Path;
use object_store::{Error as StoreError, GetOptions, GetRange};

use crate::control::{Assignment, CONTROL_VERSION, Status};
use crate::elsewhere::{Elsewhere, Peers};
use crate::folder::Folder;
use crate::holdings::{Assigned, Former, Holdings, NodeName, Wishes};
use crate::own_tiles::OwnTiles;
use crate::repair::Repair;
use crate::tile_store::Reads as _;
use crate::uploads::UploadFolder;
use crate::{Counters, Error, TileStore};

/// An assignment has at most so many bytes: two million files.
const ASSIGNMENT_BYTES_MAX: usize = 256 * 1024 * 1024;

/// Where a worker keeps tiles and where it gets them.
#[derive(Debug, Clone)]
pub struct NodeConfig {
    /// The worker's own folder.
    pub data: PathBuf,
    /// Folder or URL that holds all tables.
    pub origin: String,
    /// Whether a query may read a tile from elsewhere when the own folder does not have it whole.
    pub fallback: bool,
}

/// A worker's folder and what it is to hold. Its clones are the same.
#[derive(Debug, Clone)]
pub struct Node(Arc<Shared>);

#[derive(Debug)]
struct Shared {
    instance: String,
    repair: Repair,
    uploads: UploadFolder,
    fallback: bool,
    wishes: Mutex<Option<Wishes>>,
    /// Held while an assignment is compared with the one before, kept and put in force.
    assigning: tokio::sync::Mutex<()>,
}

/// Why an assignment is not followed.
#[derive(Debug, thiserror::Error)]
pub enum Refusal {
    /// It is of another release.
    #[error(
        "this worker speaks version {CONTROL_VERSION} of the control messages, not {version}: \
         run the same release on all nodes"
    )]
    Version {
        /// Its version.
        version: u64,
    },
    /// It cannot be read.
    #[error("the assignment cannot be read: {0}")]
    Unreadable(#[from] serde_json::Error),
    /// It contradicts itself, or names what is no tile.
    #[error("the assignment cannot be followed: {0}")]
    Meaningless(String),
    /// A newer one is in force.
    #[error(
        "placement {given} is older than placement {held} of the same snapshot, which this worker \
         follows"
    )]
    Older {
        /// The number of its placement.
        given: u64,
        /// The number of the one in force.
        held: u64,
    },
    /// It cannot be kept.
    #[error("the assignment cannot be kept: {}", crate::error::with_causes(.0))]
    NotKept(Error),
}

impl Node {
    /// Opens the folder and follows the assignment that was kept in it. Nothing else is read.
    ///
    /// # Errors
    /// When the folder cannot be used, or is in use.
    pub fn open(
        config: &NodeConfig,
        peers: Peers,
        counters: &Arc<Counters>,
    ) -> Result<Self, Error> {
        let folder = Arc::new(Folder::open(&config.data)?);
        let (holdings, wishes) = Holdings::new();
        if let Some(kept) = folder.assignment()? {
            match kept.assigned() {
                Ok(assigned) => holdings.assign(assigned, folder.former()?),
                Err(refusal) => tracing::warn!("not following the kept assignment: {refusal}"),
            }
        }
        let (holdings, counters) = (Arc::new(holdings), Arc::clone(counters));
        let own = OwnTiles::new(Arc::clone(&folder), Arc::clone(&holdings), Arc::clone(&counters));
        let elsewhere = Elsewhere::new(Arc::clone(&holdings), peers, config.origin.clone());
        let elsewhere = Arc::new(elsewhere);
        let is_origin = is_folder(&config.origin, &config.data);
        let uploads = UploadFolder::open(&folder.uploads())?;
        let shared = Shared {
            instance: uuid::Uuid::new_v4().to_string(),
            repair: Repair { folder, holdings, own, elsewhere, counters, is_origin },
            uploads,
            fallback: config.fallback,
            wishes: Mutex::new(Some(wishes)),
            assigning: tokio::sync::Mutex::default(),
        };
        Ok(Self(Arc::new(shared)))
    }

    /// How this worker is called in messages.
    pub fn name(&self) -> NodeName {
        self.0.repair.holdings.name().clone()
    }

    /// The folder of this worker.
    pub fn folder(&self) -> &Folder {
        &self.0.repair.folder
    }

    /// The store behind `shard://`.
    pub fn tiles(&self) -> TileStore {
        let Repair { own, elsewhere, counters, .. } = &self.0.repair;
        let elsewhere = self.0.fallback.then(|| Arc::clone(elsewhere));
        TileStore::of_worker(own.clone(), elsewhere, self.name(), Arc::clone(counters))
            .with_uploads(self.0.uploads.store())
    }

    /// Copies what is missing, repairs what is damaged and removes old uploads, until it is dropped. The second caller
    /// has nothing to do.
    pub async fn keep(&self) {
        let wishes = self.0.wishes.lock().unwrap_or_else(PoisonError::into_inner).take();
        if let Some(wishes) = wishes {
            tokio::join!(self.0.repair.run(wishes), self.0.uploads.keep());
        }
    }

    /// How this worker is.
    pub fn status(&self) -> Status {
        let Repair { holdings, counters, .. } = &self.0.repair;
        Status {
            version: CONTROL_VERSION,
            release: env!("CARGO_PKG_VERSION").to_owned(),
            instance: self.0.instance.clone(),
            fallback: self.0.fallback,
            held: holdings.held(),
            tasks: counters.tasks_running(),
            memory_bytes: counters.memory_reserved(),
        }
    }

    /// Follows an assignment from now on, and after a restart.
    ///
    /// # Errors
    /// When it is older than the one in force, has no meaning or cannot be kept.
    pub async fn assign(&self, assignment: Assignment) -> Result<(), Refusal> {
        let _alone = self.0.assigning.lock().await;
        let Repair { holdings, folder, .. } = &self.0.repair;
        let held = holdings.assigned();
        if let Some(held) = &held {
            if held.assignment == assignment {
                return Ok(());
            }
            let (given, of) = (assignment.placement.number, assignment.snapshot);
            let held = (held.assignment.placement.number, held.assignment.snapshot);
            if of == held.1 && given < held.0 {
                return Err(Refusal::Older { given, held: held.0 });
            }
        }
        let assigned = assignment.assigned()?;
        let former: Former = held.iter().flat_map(|held| held.files.keys().cloned()).collect();
        let folder = Arc::clone(folder);
        let keep = move || {
            folder.keep_assignment(&assigned.assignment, &former).map(|()| (assigned, former))
        };
        let kept = tokio::task::spawn_blocking(keep).await.map_err(Error::Task);
        let (assigned, former) = kept.and_then(|kept| kept).map_err(Refusal::NotKept)?;
        let (number, snapshot) =
            (assigned.assignment.placement.number, assigned.assignment.snapshot);
        holdings.assign(assigned, former);
        let worker = holdings.name();
        tracing::info!(%worker, placement = number, snapshot, "assigned");
        Ok(())
    }

    /// The routes of this worker.
    pub fn router(&self) -> Router {
        Router::new()
            .route("/status", get(status))
            .route("/assignment", put(assign))
            .route("/tiles/{*location}", get(tile))
            .layer(DefaultBodyLimit::max(ASSIGNMENT_BYTES_MAX))
            .with_state(self.clone())
            .merge(self.0.uploads.router())
    }
}

/// Whether an origin is a folder of this host, by whatever name.
fn is_folder(origin: &str, folder: &std::path::Path) -> bool {
    let Ok(Location::Folder(origin)) = origin.parse() else { return false };
    let [origin, folder] = [origin.canonicalize(), folder.canonicalize()].map(Result::ok);
    origin.is_some() && origin == folder
}

impl Assignment {
    /// The URL of the worker that it is for.
    pub(crate) fn url(&self) -> Option<&str> {
        self.placement.workers.get(self.worker).map(String::as_str)
    }

    fn parse(text: &[u8]) -> Result<Self, Refusal> {
        // The version first: another one has other fields.
        #[derive(serde::Deserialize)]
        struct Versioned {
            version: u64,
        }
        let Versioned { version } = serde_json::from_slice(text)?;
        if version != u64::from(CONTROL_VERSION) {
            return Err(Refusal::Version { version });
        }
        Ok(serde_json::from_slice(text)?)
    }

    /// The assignment with its files by location, if it can be followed.
    fn assigned(self) -> Result<Assigned, Refusal> {
        if self.version != CONTROL_VERSION {
            return Err(Refusal::Version { version: self.version.into() });
        }
        if self.url().is_none() {
            let (worker, workers) = (self.worker, self.placement.workers.len());
            let text = format!("it is for worker {worker} of a list of {workers}");
            return Err(Refusal::Meaningless(text));
        }
        let mut files = std::collections::HashMap::with_capacity(self.files.len());
        for file in &self.files {
            let path = location(&file.path).ok_or_else(|| {
                Refusal::Meaningless(format!("{:?} is no location of a tile", file.path))
            })?;
            files.insert(path, file.bytes);
        }
        let bytes = files.values().try_fold(0_u64, |sum, bytes| sum.checked_add(*bytes));
        let bytes = bytes.ok_or_else(|| {
            Refusal::Meaningless("its files together have more than 2^64 bytes".to_owned())
        })?;
        let placement = Placement::try_from(self.placement.clone())
            .map_err(|error| Refusal::Meaningless(error.to_string()))?;
        let digest = self.digest()?;
        Ok(Assigned { assignment: self, digest, placement, files, bytes })
    }
}

/// The location of a tile that a text names; none for what leads out of the folder or to files that
/// are no tiles.
fn location(text: &str) -> Option<Path> {
    let path = Path::parse(text).ok().filter(|path| path.as_ref() == text)?;
    let is_plain = !text.starts_with('.') && !text.contains('\0');
    (is_plain && text.contains('/')).then_some(path)
}

async fn status(State(node): State<Node>) -> Response {
    axum::Json(node.status()).into_response()
}

async fn assign(State(node): State<Node>, body: Bytes) -> Response {
    let assigned = match Assignment::parse(&body) {
        Ok(assignment) => node.assign(assignment).await,
        Err(refusal) => Err(refusal),
    };
    let Err(refusal) = assigned else { return StatusCode::NO_CONTENT.into_response() };
    tracing::warn!("assignment refused: {refusal}");
    let status = match refusal {
        Refusal::Version { .. } | Refusal::Unreadable(_) | Refusal::Meaningless(_) => {
            StatusCode::BAD_REQUEST
        }
        Refusal::Older { .. } => StatusCode::CONFLICT,
        Refusal::NotKept(_) => StatusCode::INSUFFICIENT_STORAGE,
    };
    (status, refusal.to_string()).into_response()
}

async fn tile(
    State(node): State<Node>,
    UrlPath(text): UrlPath<String>,
    method: Method,
    headers: HeaderMap,
) -> Response {
    let not_found = || (StatusCode::NOT_FOUND, "this worker does not have it whole");
    let Some(location) = location(&text) else { return not_found().into_response() };
    let head = method == Method::HEAD;
    let range = headers.get(header::RANGE).and_then(|value| value.to_str().ok());
    let range = if head { None } else { range.and_then(single_range) };
    let is_part = range.is_some();
    let options = GetOptions::new().with_head(head).with_range(range.clone());
    let own = &node.0.repair.own;
    let found = match own.get_opts(&location, options).await {
        Ok(found) => found,
        // Which of both it is depends on the size, which a second look tells.
        Err(error) => {
            return match (is_part, size(own, &location).await) {
                (true, Some(size)) if range.is_some_and(|range| range.as_range(size).is_err()) => {
                    let range = [(header::CONTENT_RANGE, format!("bytes */{size}"))];
                    (StatusCode::RANGE_NOT_SATISFIABLE, range).into_response()
                }
                _ if matches!(error, StoreError::NotFound { .. }) => not_found().into_response(),
                _ => (StatusCode::NOT_FOUND, crate::elsewhere::reason(&error)).into_response(),
            };
        }
    };
    let (size, range) = (found.meta.size, found.range.clone());
    let mut answer = Response::builder()
        .header(header::CONTENT_TYPE, "application/vnd.apache.parquet")
        .header(header::ACCEPT_RANGES, "bytes")
        .header(header::CONTENT_LENGTH, range.end - range.start)
        .header(header::ETAG, found.meta.e_tag.clone().unwrap_or_default());
    if is_part {
        let last = range.end.saturating_sub(1);
        answer = answer
            .status(StatusCode::PARTIAL_CONTENT)
            .header(header::CONTENT_RANGE, format!("bytes {}-{last}/{size}", range.start));
    }
    let body = if head { Body::empty() } else { Body::from_stream(found.into_stream()) };
    answer.body(body).unwrap_or_else(|_| StatusCode::INTERNAL_SERVER_ERROR.into_response())
}

async fn size(own: &OwnTiles, location: &Path) -> Option<u64> {
    let head = own.get_opts(location, GetOptions::new().with_head(true)).await;
    head.ok().map(|found| found.meta.size)
}

/// The range of a `Range: bytes=…` with one range (RFC 9110 §14.2); others are not followed.
fn single_range(value: &str) -> Option<GetRange> {
    let (first, last) = value.strip_prefix("bytes=")?.trim().split_once('-')?;
    let number = |text: &str| text.trim().parse::<u64>().ok();
    match (first.trim().is_empty(), last.trim().is_empty()) {
        (true, true) => None,
        (true, false) => Some(GetRange::Suffix(number(last)?)),
        (false, true) => Some(GetRange::Offset(number(first)?)),
        (false, false) => {
            let (first, last) = (number(first)?, number(last)?);
            (first <= last).then(|| GetRange::Bounded(first..last.saturating_add(1)))
        }
    }
}
