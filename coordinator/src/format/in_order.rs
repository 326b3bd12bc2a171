//! Work that runs on all cores, and whose outcomes come in the order of its inputs.
//!
//! Tasks of the runtime rather than threads of its blocking pool: a piece of work takes well below a
//! millisecond, the threads are as many as the cores whatever the number of open answers, and a task
//! that has not begun costs nothing to end. Each task is owned by the stream that waits for it:
//! dropping the stream ends them all (I10).

use std::future::Future;
use std::num::NonZeroUsize;
use std::pin::pin;

use datafusion::error::DataFusionError;
use futures::{Stream, StreamExt, stream};
use tokio::runtime::Handle;

use crate::Error;
use crate::owned::{Owned, fed};

/// More cores than this bring one answer nothing: its bytes leave through one connection.
const CORES_MAX: usize = 16;

/// How many pieces of work of one answer are under way: one for each core, and one that is taken
/// away meanwhile.
pub(crate) fn at_once() -> usize {
    std::thread::available_parallelism().map_or(2, NonZeroUsize::get).clamp(2, CORES_MAX) + 1
}

/// Starts work at once; dropping the future ends it.
pub(crate) fn started<T: Send + 'static>(
    work: impl Future<Output = Result<T, Error>> + Send + 'static,
) -> impl Future<Output = Result<T, Error>> + Send {
    let mut task = Owned::spawn_on(&Handle::current(), work);
    async move {
        task.join().await.unwrap_or_else(|stopped| {
            Err(Error::Execution(DataFusionError::ExecutionJoin(Box::new(stopped))))
        })
    }
}

/// A stream that a task of its own reads, at most so many items ahead of whoever takes them.
///
/// It ends early only where the runtime ends.
pub(crate) fn ahead<S>(input: S, items: usize) -> impl Stream<Item = S::Item> + Send
where
    S: Stream + Send + 'static,
    S::Item: Send + 'static,
{
    // The task begins with the first poll: only then is there surely a runtime.
    stream::once(async move { ahead_on(&Handle::current(), input, items) }).flatten()
}

/// The same, whose task runs on a runtime, with all that the input starts.
pub(crate) fn ahead_on<S>(
    runtime: &Handle,
    input: S,
    items: usize,
) -> impl Stream<Item = S::Item> + Send + use<S>
where
    S: Stream + Send + 'static,
    S::Item: Send + 'static,
{
    fed(runtime, items, |sender| async move {
        let mut input = pin!(input);
        while let Some(item) = input.next().await {
            if sender.send(item).await.is_err() {
                break;
            }
        }
    })
}
