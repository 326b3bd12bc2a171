//! Threads that speak with other nodes and with clients, and never compute.
//!
//! Tasks compute for as long as they like between two awaits. On their threads the question whether
//! a node lives would wait for them, and a node that is busy would be taken for one that is lost.
//! So all sockets, keep-alive, status and assignments are served by a small runtime of their own, and
//! everything that makes or runs a plan, or writes its rows, by the one that computes.

use std::future::Future;

use axum::Router;
use axum::extract::Request;
use axum::middleware::{self, Next};
use tokio::net::TcpListener;
use tokio::runtime::Handle;
use tokio::task::JoinSet;

/// The runtime of what must not wait for computing.
#[derive(Debug, Clone, Default)]
pub struct Front(Option<Handle>);

impl Front {
    /// That of `handle`; the default is the runtime that happens to ask, for nodes that are idle
    /// otherwise.
    pub fn on(handle: Handle) -> Self {
        Self(Some(handle))
    }

    /// Where it runs.
    pub fn handle(&self) -> Handle {
        self.0.clone().unwrap_or_else(Handle::current)
    }

    /// Does something here; dropping the future ends it.
    pub async fn run<T: Send + 'static>(
        &self,
        work: impl Future<Output = T> + Send + 'static,
    ) -> T {
        run_on(&self.handle(), work).await
    }

    /// The same listener, whose connections are served here.
    ///
    /// # Errors
    /// When the system refuses it.
    pub async fn adopt(&self, listener: TcpListener) -> std::io::Result<TcpListener> {
        let listener = listener.into_std()?;
        self.run(async { TcpListener::from_std(listener) }).await
    }
}

/// The same routes, whose handlers run on `compute`, wherever their connections are served.
pub(crate) fn handled_on(compute: &Handle, routes: Router) -> Router {
    let compute = compute.clone();
    routes.layer(middleware::from_fn(move |request: Request, next: Next| {
        let compute = compute.clone();
        async move { run_on(&compute, next.run(request)).await }
    }))
}

/// Does something on a runtime; dropping the future ends it, and a panic goes on here.
pub async fn run_on<T: Send + 'static>(
    runtime: &Handle,
    work: impl Future<Output = T> + Send + 'static,
) -> T {
    let mut task = JoinSet::new();
    task.spawn_on(work, runtime);
    match task.join_next().await {
        Some(Ok(done)) => done,
        Some(Err(ended)) if ended.is_panic() => std::panic::resume_unwind(ended.into_panic()),
        // The runtime ends, and this with it.
        Some(Err(_)) | None => std::future::pending().await,
    }
}
