//! Futures as tasks, so that all cores work: to decode what was read is work, too.

use std::future::Future;

use datafusion::common::runtime::SpawnedTask;
use futures::{StreamExt, TryStreamExt};

use crate::Error;

/// The results of all futures in their order, so many under way at a time. An error ends the
/// others, and so does dropping; `what` is being read.
pub(crate) async fn all<T: Send + 'static>(
    what: &impl ToString,
    at_once: usize,
    futures: impl Iterator<Item = impl Future<Output = Result<T, Error>> + Send + 'static>,
) -> Result<Vec<T>, Error> {
    futures::stream::iter(futures.map(SpawnedTask::spawn))
        .map(SpawnedTask::join_unwind)
        .buffered(at_once)
        .map(|ended| ended.map_err(|e| Error::store(what, e.into()))?)
        .try_collect()
        .await
}
