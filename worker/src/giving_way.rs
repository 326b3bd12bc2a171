//! Joins that make many rows out of few, or none out of many pairs, give way again and again.
//!
//! DataFusion's operators yield where they read. A join that has its build side in memory reads a
//! batch of the other side and pairs it with everything before it reads again: for minutes its task
//! would neither end when its query is dropped, nor let a thread do anything else.
//!
//! ```text
//! AggregateExec                 AggregateExec
//!   NestedLoopJoinExec    ->      CooperativeExec          yields after some batches
//!     build                         NestedLoopJoinExec
//!     probe                           build
//!                                     SlicesExec           yields after some pairs
//!                                       probe
//! ```

use std::sync::Arc;
use std::time::{Duration, Instant};

use datafusion::arrow::array::RecordBatch;
use datafusion::common::Result;
use datafusion::execution::SendableRecordBatchStream;
use datafusion::physical_plan::coop::CooperativeExec;
use datafusion::physical_plan::joins::{CrossJoinExec, HashJoinExec, NestedLoopJoinExec};
use datafusion::physical_plan::stream::RecordBatchStreamAdapter;
use datafusion::physical_plan::{ExecutionPlan, replace_children_if_necessary};
use futures::{StreamExt as _, stream};

use crate::pass_through::{Pass, PassThroughExec};

/// The child of a join that is read while pairs are made.
const PROBE: usize = 1;

/// The first slice has so many rows: nobody knows yet what a row costs. A nested loop pairs fewer
/// than a tenth of a batch in another way, which takes several times as long for each pair.
const FIRST_ROWS: usize = 1024;

/// After a slice that took longer, other tasks have their turn.
const TURN: Duration = Duration::from_millis(5);

/// A slice that did not take this is followed by larger ones …
const SHORT: Duration = Duration::from_millis(10);

/// … and one that keeps the join busy for longer than this, by smaller ones.
const LONG: Duration = Duration::from_secs(1);

/// The same plan, whose joins give way. Parts for which `is_elsewhere` holds run in other tasks.
///
/// # Errors
/// When a node refuses its own children.
pub fn giving_way(
    plan: Arc<dyn ExecutionPlan>,
    is_elsewhere: fn(&dyn ExecutionPlan) -> bool,
) -> Result<Arc<dyn ExecutionPlan>> {
    if is_elsewhere(plan.as_ref()) {
        return Ok(plan);
    }
    let children = plan.children().into_iter().map(Arc::clone);
    let children = children.map(|child| giving_way(child, is_elsewhere));
    let mut children = children.collect::<Result<Vec<_>>>()?;
    let pairs = plan.is::<NestedLoopJoinExec>() || plan.is::<HashJoinExec>();
    if pairs && let Some(probe) = children.get_mut(PROBE) {
        *probe = Arc::new(SlicesExec::new(Arc::clone(probe)));
    }
    let yields = pairs || plan.is::<CrossJoinExec>();
    let plan = replace_children_if_necessary(plan, children)?;
    Ok(if yields { Arc::new(CooperativeExec::new(plan)) } else { plan })
}

/// Its input in slices, each of which takes its reader a short time.
pub type SlicesExec = PassThroughExec<InSlices>;

/// Batches become slices.
#[derive(Debug)]
pub struct InSlices;

impl Pass for InSlices {
    const NAME: &'static str = "SlicesExec";

    fn pass(rows: SendableRecordBatchStream) -> SendableRecordBatchStream {
        let schema = rows.schema();
        let slices = Slices { input: rows, rest: None, rows: FIRST_ROWS, given: None };
        let slices = stream::unfold(slices, |mut slices| async {
            let slice = slices.next().await?;
            Some((slice, slices))
        });
        Box::pin(RecordBatchStreamAdapter::new(schema, slices))
    }
}

struct Slices {
    input: SendableRecordBatchStream,
    /// What is left of a batch.
    rest: Option<RecordBatch>,
    /// So many rows have the next slice at most.
    rows: usize,
    /// When the last slice was given to the reader.
    given: Option<Instant>,
}

impl Slices {
    async fn next(&mut self) -> Option<Result<RecordBatch>> {
        if let Some(given) = self.given.take() {
            self.learn(given.elapsed()).await;
        }
        let batch = match self.rest.take() {
            Some(rest) => rest,
            None => match self.input.next().await? {
                Ok(batch) => batch,
                Err(error) => return Some(Err(error)),
            },
        };
        self.given = Some(Instant::now());
        if batch.num_rows() <= self.rows {
            return Some(Ok(batch));
        }
        self.rest = Some(batch.slice(self.rows, batch.num_rows() - self.rows));
        Some(Ok(batch.slice(0, self.rows)))
    }

    /// Takes account of the time that the last slice took its reader.
    async fn learn(&mut self, took: Duration) {
        if took > LONG {
            self.rows = (self.rows / 2).max(1);
        } else if took < SHORT {
            self.rows = self.rows.saturating_mul(2);
        }
        if took > TURN {
            // Sockets have their turn as well: to wake oneself would only let other tasks run.
            tokio::task::yield_now().await;
        }
    }
}
