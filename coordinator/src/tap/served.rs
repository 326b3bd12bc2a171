//! What the service answers with now: an engine, and what is made of its snapshot for people.
//!
//! It is replaced as a whole. A request takes it once, so that no answer mixes two snapshots, and
//! keeps it to its last byte.

use std::sync::{Arc, PoisonError, RwLock};
use std::time::SystemTime;

use axum::http::{HeaderName, HeaderValue, header};

use crate::Engine;
use crate::tap::examples::{Example, examples};

/// An engine and what is made of its snapshot.
#[derive(Debug)]
pub(super) struct Served {
    pub(super) engine: Engine,
    pub(super) examples: Vec<Example>,
    /// When it began to be served, in the form of HTTP: what is described does not change after it.
    since: String,
}

impl Served {
    fn new(engine: Engine) -> Self {
        let examples = examples(engine.snapshot());
        Self { engine, examples, since: httpdate::fmt_http_date(SystemTime::now()) }
    }

    /// A `Last-Modified`: descriptions are those of the snapshot.
    pub(super) fn unchanged_since(&self) -> [(HeaderName, HeaderValue); 1] {
        let since = HeaderValue::from_str(&self.since);
        [(header::LAST_MODIFIED, since.expect("a date of HTTP is ASCII"))]
    }
}

/// Where new queries find their engine. Its clones are the same.
#[derive(Debug, Clone)]
pub struct Serving(Arc<RwLock<Arc<Served>>>);

impl Serving {
    pub(super) fn new(engine: Engine) -> Self {
        Self(Arc::new(RwLock::new(Arc::new(Served::new(engine)))))
    }

    pub(super) fn now(&self) -> Arc<Served> {
        Arc::clone(&self.0.read().unwrap_or_else(PoisonError::into_inner))
    }

    /// The engine of queries that begin now.
    pub fn engine(&self) -> Engine {
        self.now().engine.clone()
    }

    /// The same as it is now, whatever is replaced later.
    pub(super) fn pinned(&self) -> Self {
        Self(Arc::new(RwLock::new(self.now())))
    }

    /// From now on queries begin on this engine; those that run keep theirs.
    pub fn replace(&self, engine: Engine) {
        let served = Arc::new(Served::new(engine));
        let former =
            std::mem::replace(&mut *self.0.write().unwrap_or_else(PoisonError::into_inner), served);
        // Not under the lock: it may be the last that knows a snapshot.
        drop(former);
    }
}
