//! TAP 1.1 over HTTP: the resources below `/tap`, and the only code that knows HTTP.
//!
//! One file per resource. A request becomes `parameters`, a query of the [`Engine`], and a stream
//! of chunks; errors become `refusal`s. A client that goes away drops the body, with it the
//! stream, and with that every task of its query.

mod availability;
mod capabilities;
mod compression;
mod features;
mod pages;
mod parameters;
mod refusal;
mod request;
mod sync;

use std::sync::Arc;

use axum::Router;
use axum::extract::State;
use axum::http::{HeaderName, HeaderValue, Method, StatusCode, header};
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use tower_http::cors::{Any, CorsLayer};
use url::Url;

use crate::Engine;
use crate::format::datetime::utc_now;

pub use features::{Feature, declared_features};

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

/// What the resources share.
#[derive(Debug)]
pub struct Service {
    engine: Engine,
    rows: RowLimits,
    public_url: Option<Url>,
    up_since: String,
}

impl Service {
    /// A service on an engine. Without a public URL, documents name the host of the request.
    pub fn new(engine: Engine, rows: RowLimits, public_url: Option<Url>) -> Self {
        let rows = RowLimits { default: rows.default.min(rows.hard), ..rows };
        Self { engine, rows, public_url, up_since: utc_now() }
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
        .allow_methods([Method::GET, Method::HEAD, Method::POST])
        .allow_headers(Any)
        .expose_headers(Any)
}

/// Adds the header by which clients know the software.
async fn sign(mut response: Response) -> Response {
    response.headers_mut().insert(header::SERVER, HeaderValue::from_static(SOFTWARE));
    response
}

async fn metrics(State(service): State<Arc<Service>>) -> Response {
    prometheus(service.engine.counters().prometheus())
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
