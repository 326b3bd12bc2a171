//! Who did the work of a query: tasks on every worker that it chose, no tile on the coordinator, none from elsewhere.

use std::collections::BTreeSet;
use std::time::Duration;

use tests::Cluster;
use tests::metrics::{Counters, eventually};

use crate::queries::{Query, Reach};

/// A node may count a task a moment after its last row has left.
const SETTLED: Duration = Duration::from_secs(5);

/// The counters before a query.
#[derive(Debug)]
pub(crate) struct Work {
    workers: Vec<Counters>,
    coordinator: Counters,
}

impl Work {
    /// Reads the counters before a query.
    pub(crate) fn begin(cluster: &Cluster) -> Self {
        let coordinator = cluster.coordinator_counters();
        Self { workers: cluster.worker_counters(), coordinator }
    }

    fn done(&self, cluster: &Cluster) -> Vec<Counters> {
        let now = cluster.worker_counters();
        now.iter().zip(&self.workers).map(|(now, before)| now.since(*before)).collect()
    }

    /// What is wrong with the work that a query caused, if anything.
    pub(crate) fn judge(&self, cluster: &Cluster, query: &Query) -> Option<String> {
        let mut done = Vec::new();
        let all_worked = eventually(SETTLED, || {
            done = self.done(cluster);
            expected(cluster, query, &done).is_subset(&busy(&done)) && enough(query, &done)
        });
        let coordinator = cluster.coordinator_counters().since(self.coordinator);
        if coordinator.local_tiles + coordinator.origin_tiles + coordinator.refused_tiles > 0 {
            return Some(format!("the coordinator opened tiles: {coordinator:?}"));
        }
        if done.iter().any(|worker| worker.origin_tiles > 0) {
            return Some(format!("workers opened tiles that are not theirs: {done:?}"));
        }
        let owners = expected(cluster, query, &done);
        (!all_worked).then(|| format!("owners {owners:?} were to work, counted {done:?}"))
    }
}

/// The workers that must have executed a task: whoever alone holds a tile that the query reads.
fn expected(cluster: &Cluster, query: &Query, done: &[Counters]) -> BTreeSet<usize> {
    match query.reach {
        Reach::Whole => query.tables().into_iter().flat_map(|t| cluster.sole_holders(t)).collect(),
        Reach::Part => (0..done.len()).filter(|index| done[*index].local_tiles > 0).collect(),
        Reach::Statistics => BTreeSet::new(),
    }
}

/// Some worker opened a tile where the whole of a table is read, and a plan never has fewer than two slots.
fn enough(query: &Query, done: &[Counters]) -> bool {
    let opened = done.iter().any(|worker| worker.local_tiles > 0);
    match query.reach {
        Reach::Whole => opened && busy(done).len() >= 2,
        Reach::Part => !opened || busy(done).len() >= 2,
        Reach::Statistics => true,
    }
}

fn busy(done: &[Counters]) -> BTreeSet<usize> {
    (0..done.len()).filter(|index| done[*index].tasks > 0).collect()
}
