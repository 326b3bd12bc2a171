//! What a worker is to hold, what of it is missing, and who else holds it.
//!
//! A file is missing until it is whole in the folder, and again from the moment at which a read
//! finds it damaged; whoever brings files (`crate::repair`) hears of it at once. Nothing here
//! touches a disk.

use std::collections::{HashMap, HashSet};
use std::fmt;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, RwLock};

use catalog::Placement;
use object_store::path::Path;
use tokio::sync::{mpsc, watch};

use crate::control::{Assignment, Held};

/// How a node is named in messages: a worker learns its URL with its first assignment.
#[derive(Debug, Clone)]
pub struct NodeName(Arc<RwLock<String>>);

impl NodeName {
    /// A name until a better one is known.
    pub fn new(name: impl Into<String>) -> Self {
        Self(Arc::new(RwLock::new(name.into())))
    }

    fn set(&self, name: String) {
        *self.0.write().unwrap_or_else(PoisonError::into_inner) = name;
    }
}

impl fmt::Display for NodeName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0.read().unwrap_or_else(PoisonError::into_inner))
    }
}

/// The files of an assignment that is not followed any more.
pub(crate) type Former = HashSet<Path>;

/// An assignment with its files by location.
#[derive(Debug)]
pub(crate) struct Assigned {
    pub(crate) assignment: Assignment,
    /// [`Assignment::digest`].
    pub(crate) digest: u32,
    /// Its placement, which tells who else holds a tile.
    pub(crate) placement: Placement,
    /// Sizes.
    pub(crate) files: HashMap<Path, u64>,
    /// The sum of all sizes.
    pub(crate) bytes: u64,
}

#[derive(Debug, Default)]
struct State {
    assigned: Option<Arc<Assigned>>,
    /// What the assignment before named, which queries that run may read still.
    former: Former,
    /// Whether the folder was looked through: until then nobody knows all that is missing.
    compared: bool,
    missing: HashSet<Path>,
    missing_bytes: u64,
}

/// What a worker is to hold and what of it is missing.
#[derive(Debug)]
pub struct Holdings {
    state: Mutex<State>,
    name: NodeName,
    lost: mpsc::UnboundedSender<Path>,
    changes: watch::Sender<u64>,
    /// Held while a file is removed, and while the assignment changes: what one names is not
    /// removed under it.
    removing: Mutex<()>,
}

/// What the one who brings files listens to.
#[derive(Debug)]
pub(crate) struct Wishes {
    /// Files that a read found missing or damaged.
    pub(crate) lost: mpsc::UnboundedReceiver<Path>,
    /// Another assignment is there.
    pub(crate) changes: watch::Receiver<u64>,
}

impl Holdings {
    /// Holdings of a worker without an assignment.
    pub(crate) fn new() -> (Self, Wishes) {
        let (lost, wishes) = mpsc::unbounded_channel();
        let changes = watch::Sender::new(0);
        let wishes = Wishes { lost: wishes, changes: changes.subscribe() };
        let name = NodeName::new("this worker");
        let (state, removing) = Default::default();
        (Self { state, name, lost, changes, removing }, wishes)
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The name of this worker.
    pub fn name(&self) -> &NodeName {
        &self.name
    }

    pub(crate) fn assigned(&self) -> Option<Arc<Assigned>> {
        self.state().assigned.clone()
    }

    /// Replaces the assignment. What was found damaged and is still to be held stays missing.
    pub(crate) fn assign(&self, assigned: Assigned, former: Former) {
        let _removes_nothing = self.removing.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(url) = assigned.assignment.url() {
            self.name.set(format!("worker {}", url.trim_end_matches('/')));
        }
        let mut state = self.state();
        let missing = std::mem::take(&mut state.missing);
        state.missing = missing.into_iter().filter(|f| assigned.files.contains_key(f)).collect();
        state.missing_bytes = state.missing.iter().filter_map(|f| assigned.files.get(f)).sum();
        state.compared = false;
        state.assigned = Some(Arc::new(assigned));
        state.former = former;
        drop(state);
        self.changes.send_modify(|number| *number += 1);
    }

    /// Tells what the folder lacks of an assignment; the answer is all that is missing.
    pub(crate) fn compared(&self, of: &Arc<Assigned>, missing: Vec<Path>) -> Vec<Path> {
        let mut state = self.state();
        if !state.assigned.as_ref().is_some_and(|assigned| Arc::ptr_eq(assigned, of)) {
            return Vec::new();
        }
        for file in missing {
            let bytes = of.files.get(&file).copied().unwrap_or(0);
            if state.missing.insert(file) {
                state.missing_bytes += bytes;
            }
        }
        state.compared = true;
        let mut all: Vec<Path> = state.missing.iter().cloned().collect();
        all.sort();
        all
    }

    /// A read did not find a file. Whether that is news, and the file is to be here.
    pub(crate) fn gone(&self, file: &Path) -> bool {
        // Before the folder was looked through it may simply not have been copied yet.
        let compared = self.state().compared;
        compared && self.damaged(file)
    }

    /// A read found a file damaged. Whether that is news, and the file is to be here.
    pub(crate) fn damaged(&self, file: &Path) -> bool {
        let mut state = self.state();
        let bytes = state.assigned.as_ref().and_then(|a| a.files.get(file).copied());
        let Some(bytes) = bytes else { return false };
        if !state.missing.insert(file.clone()) {
            return false;
        }
        state.missing_bytes += bytes;
        drop(state);
        // Without a listener the worker is at its end.
        let _heard = self.lost.send(file.clone());
        true
    }

    /// A file is whole in the folder.
    pub(crate) fn arrived(&self, file: &Path) {
        let mut state = self.state();
        if state.missing.remove(file) {
            let bytes = state.assigned.as_ref().and_then(|a| a.files.get(file).copied());
            state.missing_bytes -= bytes.unwrap_or(0);
        }
    }

    /// Whether the file is to be here.
    pub(crate) fn is_assigned(&self, file: &Path) -> bool {
        self.state().assigned.as_ref().is_some_and(|assigned| assigned.files.contains_key(file))
    }

    /// Removes a file by `remove` if neither the assignment names it nor the one before, for as
    /// long as `of` is in force; none where it is not.
    pub(crate) fn remove<T>(
        &self,
        file: &Path,
        of: &Arc<Assigned>,
        remove: impl FnOnce() -> T,
    ) -> Option<T> {
        let _assigns_nothing = self.removing.lock().unwrap_or_else(PoisonError::into_inner);
        let state = self.state();
        let is_in_force = state.assigned.as_ref().is_some_and(|assigned| Arc::ptr_eq(assigned, of));
        let is_named = of.files.contains_key(file) || state.former.contains(file);
        drop(state);
        (is_in_force && !is_named).then(remove)
    }

    /// Whether the file is to be here, and is not.
    pub(crate) fn is_missing(&self, file: &Path) -> bool {
        self.state().missing.contains(file)
    }

    /// How far the worker has come.
    pub fn held(&self) -> Option<Held> {
        let state = self.state();
        let assigned = state.assigned.as_ref()?;
        let (files_total, bytes_total) = (assigned.files.len() as u64, assigned.bytes);
        let (files, bytes) = if state.compared {
            (files_total - state.missing.len() as u64, bytes_total - state.missing_bytes)
        } else {
            (0, 0)
        };
        let (placement, snapshot) =
            (assigned.assignment.placement.number, assigned.assignment.snapshot);
        let digest = assigned.digest;
        Some(Held { placement, snapshot, digest, files, files_total, bytes, bytes_total })
    }

    /// The other workers that hold a file, in the order of the placement.
    pub(crate) fn peers(&self, file: &Path) -> Vec<String> {
        let Some(assigned) = self.assigned() else { return Vec::new() };
        let Some((_, pixel)) = catalog::tile_of_path(file) else { return Vec::new() };
        let (placement, me) = (&assigned.placement, assigned.assignment.worker);
        let others = placement.holders(pixel).into_iter().filter(|holder| *holder != me);
        others.filter_map(|holder| placement.workers().get(holder).cloned()).collect()
    }
}
