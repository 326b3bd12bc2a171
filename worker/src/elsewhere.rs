//! Where a tile is when it is not in a worker's own folder: with its peers, and at the origin.
//!
//! Peers come first, in the order of the placement; the origin is opened when it is first needed,
//! so that a worker starts without it. A peer that failed is asked last for a while. That a peer has
//! no such tile is normal: it may still be copying.

use std::collections::HashMap;
use std::fmt;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use catalog::Location;
use object_store::path::Path;
use object_store::{Error, ObjectStore, Result};

use crate::counters::Source;
use crate::holdings::Holdings;
use crate::told::Told;

/// A peer that failed is asked last for so long.
const LATELY: Duration = Duration::from_secs(10);

/// A peer answers a read within this time, or the next source is asked.
const PEER_TIMEOUT: Duration = Duration::from_secs(30);

/// Gives the store of the peer with a URL: what it serves under `/tiles/`. None if no connection to
/// it can be made.
#[derive(Clone)]
pub struct Peers(Arc<GivePeer>);

type GivePeer = dyn Fn(&str) -> Option<Arc<dyn ObjectStore>> + Send + Sync;

impl Peers {
    /// Peers whose stores `give` finds.
    pub fn new(
        give: impl Fn(&str) -> Option<Arc<dyn ObjectStore>> + Send + Sync + 'static,
    ) -> Self {
        Self(Arc::new(give))
    }
}

impl fmt::Debug for Peers {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Peers")
    }
}

/// One place where a tile may be.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Place {
    /// The peer with this URL.
    Peer(String),
    /// The origin.
    Origin,
}

impl Place {
    pub(crate) fn source(&self) -> Source {
        match self {
            Self::Peer(_) => Source::Peer,
            Self::Origin => Source::Origin,
        }
    }
}

/// The origin, as it was opened for a snapshot: in another, tables may lie elsewhere.
#[derive(Debug)]
struct Opened {
    snapshot: Option<u64>,
    store: Arc<dyn ObjectStore>,
}

/// The places outside of a worker's own folder.
#[derive(Debug)]
pub(crate) struct Elsewhere {
    holdings: Arc<Holdings>,
    peers: Peers,
    origin: String,
    opened: tokio::sync::Mutex<Option<Opened>>,
    failed: Mutex<HashMap<String, Instant>>,
    told: Told<String>,
}

impl Elsewhere {
    pub(crate) fn new(holdings: Arc<Holdings>, peers: Peers, origin: String) -> Self {
        let (failed, told) = (Mutex::default(), Told::default());
        Self { holdings, peers, origin, opened: tokio::sync::Mutex::default(), failed, told }
    }

    /// Where to look for a file, best first.
    pub(crate) fn places(&self, file: &Path) -> Vec<Place> {
        let mut failed = self.failed.lock().unwrap_or_else(PoisonError::into_inner);
        failed.retain(|_, since| since.elapsed() < LATELY);
        let peers = self.holdings.peers(file).into_iter();
        let (last, first): (Vec<_>, Vec<_>) = peers.partition(|url| failed.contains_key(url));
        let first = first.into_iter().map(Place::Peer);
        first.chain([Place::Origin]).chain(last.into_iter().map(Place::Peer)).collect()
    }

    /// What a place answers. Its failure is remembered and told once for each file.
    pub(crate) async fn ask<T, F>(
        &self,
        place: &Place,
        file: &Path,
        ask: impl FnOnce(Arc<dyn ObjectStore>) -> F + Send,
    ) -> Result<T>
    where
        T: Send,
        F: Future<Output = Result<T>> + Send,
    {
        let answer = match place {
            Place::Origin => match self.origin().await {
                Ok(store) => ask(store).await,
                Err(error) => Err(error),
            },
            Place::Peer(url) => {
                let asked = async { ask(self.peer(url)?).await };
                let answer = tokio::time::timeout(PEER_TIMEOUT, asked).await;
                answer.unwrap_or_else(|_| Err(failure("no answer within 30 s")))
            }
        };
        if let Err(error) = &answer {
            self.note(place, file, error);
        }
        answer
    }

    fn peer(&self, url: &str) -> Result<Arc<dyn ObjectStore>> {
        (self.peers.0)(url).ok_or_else(|| failure("no connection to it can be made"))
    }

    async fn origin(&self) -> Result<Arc<dyn ObjectStore>> {
        let snapshot = self.holdings.assigned().map(|assigned| assigned.assignment.snapshot);
        let mut opened = self.opened.lock().await;
        if let Some(known) = opened.as_ref().filter(|known| known.snapshot == snapshot) {
            return Ok(Arc::clone(&known.store));
        }
        let open = async {
            let location: Location = self.origin.parse()?;
            catalog::tile_store(&location).await
        };
        let failed =
            |error: catalog::Error| Error::Generic { store: "origin", source: error.into() };
        let store = open.await.map_err(failed)?;
        *opened = Some(Opened { snapshot, store: Arc::clone(&store) });
        Ok(store)
    }

    /// Remembers and tells a failure.
    pub(crate) fn note(&self, place: &Place, file: &Path, error: &Error) {
        let is_absent = matches!(error, Error::NotFound { .. });
        let name = self.name(place);
        if let Place::Peer(url) = place {
            if is_absent {
                return;
            }
            let mut failed = self.failed.lock().unwrap_or_else(PoisonError::into_inner);
            failed.insert(url.clone(), Instant::now());
        }
        if self.told.is_news(format!("{name} {file}")) {
            tracing::warn!(tile = %file, from = name, "cannot read a tile: {}", reason(error));
        }
    }

    /// How a place is called in messages.
    pub(crate) fn name(&self, place: &Place) -> String {
        match place {
            Place::Peer(url) => format!("peer {}", url.trim_end_matches('/')),
            Place::Origin => format!("origin {}", self.origin),
        }
    }
}

fn failure(text: &'static str) -> Error {
    Error::Generic { store: "peer", source: text.into() }
}

/// Why a store failed, without the words around it.
pub(crate) fn reason(error: &Error) -> String {
    match error {
        Error::NotFound { .. } => "it is not there".to_owned(),
        Error::Generic { source, .. } => source.to_string(),
        other => other.to_string(),
    }
}
