//! The tiles of a peer as an [`ObjectStore`]: `object_store`'s own client for HTTP, over the
//! connections of [`crate::channels`] instead of a second HTTP library with TLS of its own.
//!
//! A peer that stops in the middle of a tile is given up after [`STALL_TIMEOUT`].

use std::pin::Pin;
use std::sync::{Arc, Mutex, PoisonError};
use std::task::{Context, Poll};
use std::time::Duration;

use async_trait::async_trait;
use futures::stream::{BoxStream, unfold};
use futures::{Stream, StreamExt};
use http_body_util::{BodyStream, StreamBody};
use object_store::client::{
    HttpClient, HttpConnector, HttpError, HttpErrorKind, HttpRequest, HttpResponse,
    HttpResponseBody, HttpService,
};
use object_store::http::HttpBuilder;
use object_store::{BackoffConfig, ClientOptions, ObjectStore, RetryConfig};
use tonic::body::Body;
use tonic::transport::Channel;
use tower::ServiceExt;
use url::Url;

use crate::channels::LinkError;

/// A peer that sends nothing for so long has trouble with its disk: another one has the tile.
const STALL_TIMEOUT: Duration = Duration::from_secs(10);

/// One more attempt, for a connection that broke between two requests; other holders are nearer
/// than a third.
const RETRY: RetryConfig = RetryConfig {
    backoff: BackoffConfig {
        init_backoff: Duration::from_millis(50),
        max_backoff: Duration::from_millis(200),
        base: 2.0,
    },
    max_retries: 1,
    retry_timeout: Duration::from_secs(3),
};

/// The tiles below `/tiles/` of a node.
pub(crate) fn store(url: &Url, channel: Channel) -> Result<Arc<dyn ObjectStore>, LinkError> {
    let store = HttpBuilder::new()
        .with_url(format!("{}/tiles", url.as_str().trim_end_matches('/')))
        // Whether it may be plain HTTP is decided with the channel.
        .with_client_options(ClientOptions::new().with_allow_http(true))
        .with_retry(RETRY)
        .with_http_connector(OverChannel { url: url.clone(), channel })
        .build()
        .map_err(|error| LinkError::of(url, &error))?;
    Ok(Arc::new(store))
}

/// HTTP over one connection.
#[derive(Debug, Clone)]
struct OverChannel {
    url: Url,
    channel: Channel,
}

impl HttpConnector for OverChannel {
    fn connect(&self, _: &ClientOptions) -> object_store::Result<HttpClient> {
        Ok(HttpClient::new(self.clone()))
    }
}

impl OverChannel {
    fn failed(&self, error: &(dyn std::error::Error + 'static)) -> HttpError {
        let error = LinkError::of(&self.url, error);
        let kind = match error {
            LinkError::Broken { .. } => HttpErrorKind::Interrupted,
            LinkError::Timeout { .. } => HttpErrorKind::Timeout,
            // Asking again at once changes nothing.
            _ => HttpErrorKind::Unknown,
        };
        HttpError::new(kind, error)
    }

    fn stalled(&self) -> HttpError {
        let cause = format!("nothing came for {STALL_TIMEOUT:?}");
        let error = LinkError::Timeout { url: self.url.clone(), cause };
        HttpError::new(HttpErrorKind::Unknown, error)
    }
}

#[async_trait]
impl HttpService for OverChannel {
    async fn call(&self, request: HttpRequest) -> Result<HttpResponse, HttpError> {
        let response = self.channel.clone().oneshot(request.map(Body::new));
        let response = tokio::time::timeout(STALL_TIMEOUT, response).await;
        let response = response.map_err(|_| self.stalled())?.map_err(|e| self.failed(&e))?;
        let peer = self.clone();
        Ok(response.map(|body| {
            let frames = unfold(Some(BodyStream::new(body)), move |frames| {
                let peer = peer.clone();
                async move {
                    let mut frames = frames?;
                    match tokio::time::timeout(STALL_TIMEOUT, frames.next()).await {
                        Ok(frame) => {
                            let frame = frame?.map_err(|error| peer.failed(&error));
                            Some((frame, Some(frames)))
                        }
                        Err(_) => Some((Err(peer.stalled()), None)),
                    }
                }
            });
            HttpResponseBody::new(StreamBody::new(Shared(Mutex::new(frames.boxed()))))
        }))
    }
}

/// A stream that may be shared, as `object_store` wants bodies, by allowing one at a time to poll.
struct Shared<T>(Mutex<BoxStream<'static, T>>);

impl<T> Stream for Shared<T> {
    type Item = T;

    fn poll_next(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<T>> {
        let stream = self.0.get_mut().unwrap_or_else(PoisonError::into_inner);
        stream.poll_next_unpin(context)
    }
}
