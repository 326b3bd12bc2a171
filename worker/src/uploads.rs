//! Tables that queries bring: the coordinator puts their files here before the query runs and
//! deletes them after it.
//!
//! `PUT /uploads/<folder>/<file>` and `DELETE /uploads/<folder>`, for coordinators only. A file is
//! there whole or not at all. A start removes all of them, since no query outlives its worker; what
//! a lost coordinator left goes after a time.

use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use axum::Router;
use axum::body::Body;
use axum::extract::{DefaultBodyLimit, Path as UrlPath, State};
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use axum::routing::{delete, put};
use futures::StreamExt as _;
use object_store::ObjectStore;
use object_store::local::LocalFileSystem;
use tokio::io::AsyncWriteExt as _;

use crate::Error;
use crate::folder::write_error;

/// The time after which nobody can need an upload: jobs may run for a week.
const TIME_TO_LIVE: Duration = Duration::from_hours(8 * 24);

/// Old ones are looked for so often.
const SWEEP_INTERVAL: Duration = Duration::from_hours(1);

/// Bytes that are written at a time.
const WRITE_BYTES: usize = 1 << 20;

/// What the name of a file ends with until it is whole.
const PARTIAL: &str = ".partial";

/// The folder of all uploads of a worker. Its clones are the same.
#[derive(Debug, Clone)]
pub struct UploadFolder {
    root: Arc<Path>,
    store: Arc<LocalFileSystem>,
}

impl UploadFolder {
    /// Makes the folder anew: what is in it is of a former process.
    ///
    /// # Errors
    /// When it cannot be made.
    pub fn open(root: &Path) -> Result<Self, Error> {
        let failed = |source| write_error(root, source);
        match std::fs::remove_dir_all(root) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(failed(error)),
            Ok(()) | Err(_) => {}
        }
        std::fs::create_dir_all(root).map_err(failed)?;
        let store = LocalFileSystem::new_with_prefix(root);
        let store = store.map_err(|error| failed(io::Error::other(error)))?;
        Ok(Self { root: root.into(), store: Arc::new(store) })
    }

    /// The store of the files, by folder and name.
    pub fn store(&self) -> Arc<dyn ObjectStore> {
        Arc::<LocalFileSystem>::clone(&self.store)
    }

    /// Removes what is too old, until it is dropped.
    pub(crate) async fn keep(&self) {
        let mut ticks = tokio::time::interval(SWEEP_INTERVAL);
        loop {
            ticks.tick().await;
            let root = Arc::clone(&self.root);
            let swept = tokio::task::spawn_blocking(move || sweep(&root, TIME_TO_LIVE)).await;
            if let Ok(Err(error)) = swept {
                tracing::warn!(%error, "uploads that are too old cannot be removed");
            }
        }
    }

    /// The routes by which a coordinator brings and deletes uploads.
    pub fn router(&self) -> Router {
        Router::new()
            .route("/uploads/{folder}/{file}", put(bring))
            .route("/uploads/{folder}", delete(remove))
            // Coordinators alone come here, and have limits of their own.
            .layer(DefaultBodyLimit::disable())
            .with_state(self.clone())
    }

    /// The folder of one query; none for a text that leads elsewhere.
    fn of_query(&self, folder: &str) -> Option<PathBuf> {
        is_plain(folder).then(|| self.root.join(folder))
    }

    async fn write(&self, folder: &Path, file: &str, body: Body) -> io::Result<()> {
        tokio::fs::create_dir_all(folder).await?;
        let partial = folder.join(format!("{file}{PARTIAL}"));
        let written = tokio::fs::File::create(&partial).await?;
        let mut written = tokio::io::BufWriter::with_capacity(WRITE_BYTES, written);
        let mut chunks = body.into_data_stream();
        while let Some(chunk) = chunks.next().await {
            written.write_all(&chunk.map_err(io::Error::other)?).await?;
        }
        written.flush().await?;
        tokio::fs::rename(&partial, folder.join(file)).await
    }
}

/// Whether a name is one of a file in a folder: letters, digits, `-`, `_`, and dots within it.
fn is_plain(name: &str) -> bool {
    let is_plain = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_' | b'.');
    !name.is_empty() && !name.starts_with('.') && name.bytes().all(is_plain)
}

/// Removes folders that were made longer ago than this.
fn sweep(root: &Path, time_to_live: Duration) -> io::Result<()> {
    for entry in std::fs::read_dir(root)? {
        let entry = entry?;
        let age = SystemTime::now().duration_since(entry.metadata()?.modified()?);
        if age.is_ok_and(|age| age > time_to_live) {
            tracing::info!(upload = %entry.path().display(), "removing an upload that nobody ended");
            std::fs::remove_dir_all(entry.path())?;
        }
    }
    Ok(())
}

async fn bring(
    State(uploads): State<UploadFolder>,
    UrlPath((folder, file)): UrlPath<(String, String)>,
    body: Body,
) -> Response {
    let of_query = uploads.of_query(&folder).filter(|_| is_plain(&file));
    let Some(of_query) = of_query else {
        return (StatusCode::BAD_REQUEST, "this is no name of an upload").into_response();
    };
    match uploads.write(&of_query, &file, body).await {
        Ok(()) => StatusCode::NO_CONTENT.into_response(),
        Err(error) => {
            tracing::warn!(upload = folder, %error, "an upload cannot be kept");
            // Nothing of it is of use; it may not even have been made.
            let _removed = tokio::fs::remove_dir_all(&of_query).await;
            (StatusCode::INSUFFICIENT_STORAGE, error.to_string()).into_response()
        }
    }
}

async fn remove(State(uploads): State<UploadFolder>, UrlPath(folder): UrlPath<String>) -> Response {
    let Some(of_query) = uploads.of_query(&folder) else {
        return (StatusCode::BAD_REQUEST, "this is no name of an upload").into_response();
    };
    match tokio::fs::remove_dir_all(&of_query).await {
        Err(error) if error.kind() != io::ErrorKind::NotFound => {
            tracing::warn!(upload = folder, %error, "an upload cannot be removed");
            (StatusCode::INTERNAL_SERVER_ERROR, error.to_string()).into_response()
        }
        Ok(()) | Err(_) => StatusCode::NO_CONTENT.into_response(),
    }
}
