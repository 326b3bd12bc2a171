//! Work in a task of its own that ends at the moment when its owner goes away.
//!
//! A task that is aborted ends when a thread of its runtime comes to it. Behind hundreds of busy
//! tasks that takes most of a second, and a query is a chain of tasks each of which owns the next.
//! Here the owner takes the work out of the task and drops it on the spot, and with it the whole
//! chain. Work that computes at that moment is dropped when it waits next.

use std::future::{Future, poll_fn};
use std::sync::{Arc, Mutex};
use std::task::Poll;

use datafusion::common::runtime::SpawnedTask;
use futures::future::BoxFuture;
use futures::{Stream, StreamExt as _, stream};
use tokio::runtime::Handle;
use tokio::sync::mpsc::{self, Sender};
use tokio::task::JoinError;

/// Work that runs as long as this is kept.
pub(crate) struct Owned<T> {
    work: Arc<Mutex<Option<BoxFuture<'static, T>>>>,
    task: SpawnedTask<T>,
}

impl<T: Send + 'static> Owned<T> {
    /// Starts work at once.
    pub(crate) fn spawn_on(
        runtime: &Handle,
        work: impl Future<Output = T> + Send + 'static,
    ) -> Self {
        let work: Arc<Mutex<Option<BoxFuture<'static, T>>>> =
            Arc::new(Mutex::new(Some(Box::pin(work))));
        let polled = Arc::clone(&work);
        let run = poll_fn(move |context| {
            let Ok(mut work) = polled.lock() else { return Poll::Pending };
            // Without work the owner is gone, and the task is about to be aborted.
            let Some(running) = work.as_mut() else { return Poll::Pending };
            let polled = running.as_mut().poll(context);
            if polled.is_ready() {
                *work = None;
            }
            polled
        });
        let _entered = runtime.enter();
        Self { work, task: SpawnedTask::spawn(run) }
    }

    /// What the work comes to; its panic goes on here.
    ///
    /// # Errors
    /// When the runtime ends.
    pub(crate) async fn join(&mut self) -> Result<T, JoinError> {
        self.task.join_unwind_mut().await
    }
}

impl<T> Drop for Owned<T> {
    fn drop(&mut self) {
        // Where this fails, the work is being polled, and the task is aborted after that.
        let work = self.work.try_lock().ok().and_then(|mut work| work.take());
        drop(work);
    }
}

/// What some work sends, at most so many items ahead of whoever takes them.
///
/// It ends when the work does, or early where the runtime ends.
pub(crate) fn fed<T, F, W>(
    runtime: &Handle,
    items: usize,
    work: F,
) -> impl Stream<Item = T> + Send + use<T, F, W>
where
    T: Send + 'static,
    F: FnOnce(Sender<T>) -> W,
    W: Future<Output = ()> + Send + 'static,
{
    let (sender, receiver) = mpsc::channel(items);
    let owned = Owned::spawn_on(runtime, work(sender));
    let state = Some((receiver, owned));
    stream::unfold(state, |state| async move {
        let (mut receiver, mut owned) = state?;
        if let Some(item) = receiver.recv().await {
            return Some((item, Some((receiver, owned))));
        }
        let _ended = owned.join().await;
        None
    })
    .fuse()
}
