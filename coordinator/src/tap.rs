//! TAP 1.1 over HTTP: the resources below `/tap`, and the only code that knows HTTP.
//!
//! One file per resource. A request becomes `parameters`, a query of the [`Engine`], and a stream
//! of chunks; errors become `refusal`s. A client that goes away drops the body, with it the
//! stream, and with that every task of its query.

mod availability;
mod capabilities;
mod compression;
mod examples;
mod features;
mod help;
mod jobs;
mod not_evaluated;
mod pages;
mod parameters;
mod refusal;
mod request;
mod served;
mod sync;
mod tables;
mod upload;

use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::extract::State;
use axum::http::{HeaderName, HeaderValue, Method, StatusCode, header};
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use tower_http::cors::{Any, CorsLayer};
use url::Url;

use crate::Engine;
use crate::format::datetime::utc_now;
use crate::parts::Parts;
use crate::uploads::UploadStore;
use crate::uws::{Jobs, Work};
use served::Served;

pub use features::{Feature, declared_features};
pub use served::Serving;

/// How the service names itself in the header `Server` and in results.
pub const SOFTWARE: &str = concat!("armilla/", env!("CARGO_PKG_VERSION"));

/// The path of the service on its host.
pub const PATH: &str = "/tap";

/// Bounds on the rows of an answer (TAP 1.1 §2.7.4).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct RowLimits {
    /// Where the client gives no `MAXREC`.
    pub default: u64,
    /// Beyond which no `MAXREC` reaches.
    pub hard: u64,
}

impl RowLimits {
    /// The bounds for queries of `TAP_SCHEMA`, each table of which clients take whole.
    fn for_metadata(self, engine: &Engine) -> Self {
        let rows = u64::try_from(engine.snapshot().metadata_rows()).unwrap_or(u64::MAX);
        Self { default: self.default.max(rows), hard: self.hard.max(rows) }
    }
}

/// What the resources share.
#[derive(Debug)]
pub struct Service {
    serving: Serving,
    rows: RowLimits,
    jobs: Jobs,
    list_jobs: bool,
    parts: Arc<Parts>,
    uploads: Option<UploadStore>,
    public_url: Option<Url>,
    query_duration: Option<Duration>,
    up_since: String,
}

impl Service {
    /// A service on an engine and on jobs, which [`Self::work`] runs.
    pub fn new(engine: Engine, rows: RowLimits, jobs: Jobs) -> Self {
        let rows = RowLimits { default: rows.default.min(rows.hard), ..rows };
        Self {
            serving: Serving::new(engine),
            rows,
            jobs,
            list_jobs: false,
            parts: Arc::new(Parts::of_bytes(u64::MAX)),
            uploads: None,
            public_url: None,
            query_duration: None,
            up_since: utc_now(),
        }
    }

    /// Where its engine can be replaced.
    pub fn serving(&self) -> Serving {
        self.serving.clone()
    }

    /// What one request is answered with.
    fn now(&self) -> Arc<Served> {
        self.serving.now()
    }

    /// The same under a URL that documents name; without one, they name the host of the request.
    #[must_use]
    pub fn with_public_url(mut self, url: Option<Url>) -> Self {
        self.public_url = url;
        self
    }

    /// The same with a list of jobs that shows everybody all of them, or nobody any.
    #[must_use]
    pub fn with_listed_jobs(mut self, list_jobs: bool) -> Self {
        self.list_jobs = list_jobs;
        self
    }

    /// The same in which a query of `/sync` may take so long.
    #[must_use]
    pub fn with_query_duration(mut self, duration: Duration) -> Self {
        self.query_duration = Some(duration);
        self
    }

    /// The same whose jobs run in parts, for each of which a worker reads about so many bytes;
    /// without it, each runs as a whole.
    #[must_use]
    pub fn with_part_bytes(mut self, bytes: u64) -> Self {
        self.parts = Arc::new(Parts::of_bytes(bytes));
        self
    }

    /// The same whose queries may bring tables; without it, none may.
    #[must_use]
    pub fn with_uploads(mut self, uploads: Option<UploadStore>) -> Self {
        self.uploads = uploads;
        self
    }

    /// All that is counted here, as Prometheus text.
    pub fn prometheus(&self) -> String {
        self.serving.engine().prometheus() + &self.jobs.prometheus() + &self.parts.prometheus()
    }

    /// What its jobs do: a query, as `/sync` has it.
    pub fn work(&self) -> Arc<dyn Work> {
        let (parts, uploads) = (Arc::clone(&self.parts), self.uploads.clone());
        Arc::new(jobs::Queries::new(self.serving(), self.rows, parts, uploads))
    }
}

/// The routes of a service, `/metrics` among them.
pub fn router(service: Service) -> Router {
    let below = |resource: &str| format!("{PATH}/{resource}");
    Router::new()
        .route("/", get(pages::host))
        .route(PATH, get(pages::service))
        .route(&below(""), get(pages::service))
        .route(&below("sync"), get(sync::answer).post(sync::answer))
        .route(&below("capabilities"), get(capabilities::document))
        .route(&below("availability"), get(availability::document))
        .route(&below("tables"), get(tables::all))
        .route(&below("tables/{*name}"), get(tables::one))
        .route(&below("examples"), get(examples::document))
        .route(&below("browse/{*name}"), get(pages::table))
        .route(&below("help/{topic}"), get(help::topic))
        .merge(jobs::router(&below("async")))
        .route("/metrics", get(metrics))
        .fallback(pages::not_found)
        .layer(axum::middleware::map_response(sign))
        .layer(axum::middleware::from_fn(compression::compress))
        .layer(cors())
        .with_state(Arc::new(service))
}

/// The route `/metrics` alone, for a node that has no other page.
pub fn metrics_router(counters: Arc<worker::Counters>) -> Router {
    let text = move || async move { prometheus(counters.prometheus()) };
    Router::new().route("/metrics", get(text)).fallback(pages::not_found)
}

/// Pages of any site may use the service (Aladin Lite, Firefly).
fn cors() -> CorsLayer {
    CorsLayer::new()
        .allow_origin(Any)
        .allow_methods([Method::GET, Method::HEAD, Method::POST, Method::DELETE])
        .allow_headers(Any)
        .expose_headers(Any)
}

/// Adds the header by which clients know the software.
async fn sign(mut response: Response) -> Response {
    response.headers_mut().insert(header::SERVER, HeaderValue::from_static(SOFTWARE));
    response
}

async fn metrics(State(service): State<Arc<Service>>) -> Response {
    prometheus(service.prometheus())
}

fn prometheus(text: String) -> Response {
    (typed("text/plain; version=0.0.4; charset=utf-8"), text).into_response()
}

/// A `Content-Type`.
fn typed(media_type: &'static str) -> [(HeaderName, HeaderValue); 1] {
    [(header::CONTENT_TYPE, HeaderValue::from_static(media_type))]
}

/// An XML document of VOSI 1.1. Its first line is added here.
fn xml(body: &str) -> Response {
    let document = format!("<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n{body}");
    (StatusCode::OK, typed("text/xml;charset=utf-8"), document).into_response()
}
