//! Streams of a remote task are started in time, although their consumer is busy elsewhere.
//!
//! `datafusion-distributed` asks a worker for a task at the first poll of one of its streams, and
//! the worker forgets a plan that nobody asked for within ten minutes. A join polls its probe side
//! only when its build side is complete: after a longer build the plan was gone. Here a task that
//! nobody has polled for a while is polled once. What then arrives waits in the buffer of the
//! library, whose budget it counts against. Dropping the streams ends all of it.

use std::pin::Pin;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};
use std::task::{Context, Poll};
use std::time::Duration;

use datafusion::arrow::array::RecordBatch;
use datafusion::common::Result;
use datafusion::common::runtime::SpawnedTask;
use futures::stream::BoxStream;
use futures::{Stream, StreamExt};

/// After this the first poll is ours. Stages that wait for each other's builds add it up, and five
/// of them stay below the ten minutes.
pub const PATIENCE: Duration = Duration::from_secs(110);

type Batches = BoxStream<'static, Result<RecordBatch>>;

/// One stream, with the item that came of our poll.
struct Held {
    stream: Batches,
    first: Option<Option<Result<RecordBatch>>>,
    /// Whether its consumer has polled it and may wait to be woken.
    is_awaited: bool,
}

/// The streams of one request, of which the first poll counts for all.
struct Request {
    is_asked: AtomicBool,
    streams: Vec<Mutex<Option<Held>>>,
    /// Ends with the last of the streams.
    _clock: SpawnedTask<()>,
}

impl Request {
    fn held(&self, index: usize) -> MutexGuard<'_, Option<Held>> {
        self.streams[index].lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Polls one stream that is still wanted, without waiting for it. A poll of ours after that of
    /// the consumer would take the consumer's waker out of the stream, and nobody would wake it.
    fn ask(&self) {
        if self.is_asked.swap(true, Ordering::Relaxed) {
            return;
        }
        for index in 0..self.streams.len() {
            if let Some(held) = self.held(index).as_mut() {
                let mut nobody = Context::from_waker(std::task::Waker::noop());
                if !held.is_awaited
                    && let Poll::Ready(item) = held.stream.poll_next_unpin(&mut nobody)
                {
                    held.first = Some(item);
                }
                return;
            }
        }
    }
}

/// A stream of a request.
struct Started {
    request: Arc<Request>,
    index: usize,
}

impl Stream for Started {
    type Item = Result<RecordBatch>;

    fn poll_next(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        self.request.is_asked.store(true, Ordering::Relaxed);
        let mut held = self.request.held(self.index);
        let Some(held) = held.as_mut() else { return Poll::Ready(None) };
        held.is_awaited = true;
        match held.first.take() {
            Some(first) => Poll::Ready(first),
            None => held.stream.poll_next_unpin(context),
        }
    }
}

impl Drop for Started {
    fn drop(&mut self) {
        let held = self.request.held(self.index).take();
        // Outside of the lock: it may end a task.
        drop(held);
    }
}

/// The streams of one request to a worker, of which one is polled after `patience` if none was.
pub fn start_in_time(streams: Vec<Batches>, patience: Duration) -> Vec<Batches> {
    let count = streams.len();
    let held = |stream| Mutex::new(Some(Held { stream, first: None, is_awaited: false }));
    let request = Arc::new_cyclic(|request: &Weak<Request>| {
        let request = Weak::clone(request);
        let clock = SpawnedTask::spawn(async move {
            tokio::time::sleep(patience).await;
            if let Some(request) = request.upgrade() {
                request.ask();
            }
        });
        let streams = streams.into_iter().map(held).collect();
        Request { is_asked: AtomicBool::new(false), streams, _clock: clock }
    });
    let started = |index| Started { request: Arc::clone(&request), index }.boxed();
    (0..count).map(started).collect()
}
