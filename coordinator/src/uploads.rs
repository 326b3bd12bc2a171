//! Tables that a query brings with it (TAP 1.1 §2.7.5): received into a folder, taken as tables, and
//! gone with their query.
//!
//! ```text
//! parts of a form ──> STATE/uploads/<id>/*.part ──┐
//!                                                 ├─ catalog::upload::take ─> *.parquet ─> Uploads
//! UPLOAD=t,http://… ─────────> fetch ─────────────┘
//! ```
//!
//! What a query of `/sync` brings is in a folder that is removed when the last of its [`Uploads`] is
//! dropped; what a job brings is in the folder of its inputs, which [`crate::uws`] keeps. A start
//! removes what a killed process left. HTTP belongs to `tap`, and to [`fetch`] as a client.

pub mod address;
mod error;
pub mod fetch;
mod staged;
mod wanted;

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

use catalog::upload::{TakeLimits, UploadedTable, WithUploads, take};
use catalog::{Error as TableError, Snapshot};
use object_store::local::LocalFileSystem;
use object_store::{Error as StoreError, ObjectStore};
use tokio::sync::Semaphore;

use fetch::Fetcher;

pub use error::Error;
pub use staged::{Part, Staged};
pub use wanted::{Place, Wanted};

/// As many bytes as that many of the largest uploads may be on disk at a time, those of jobs beside.
const AT_A_TIME: u64 = 16;

/// A query brings at most so many tables.
const TABLES_MAX: usize = 100;

/// Bounds on uploads.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct UploadLimits {
    /// Bytes of all uploads of a query together, as they are sent, and of each once unpacked.
    pub bytes: u64,
    /// Rows of each.
    pub rows: u64,
    /// Whether they may be fetched from addresses of private networks.
    pub private_urls: bool,
}

/// Where uploads are received. Its clones are the same.
#[derive(Debug, Clone)]
pub struct UploadStore(Arc<Shared>);

#[derive(Debug)]
struct Shared {
    root: PathBuf,
    limits: UploadLimits,
    /// Bytes of those that are not of jobs.
    received: AtomicU64,
    /// Taking a table keeps a core busy: as many at a time as there are.
    taking: Semaphore,
    fetcher: Fetcher,
}

impl UploadStore {
    /// Receives uploads into a folder, which [`crate::uws::Jobs`] has put in order.
    ///
    /// # Errors
    /// When no client of HTTP can be made.
    pub fn new(root: impl Into<PathBuf>, limits: UploadLimits) -> Result<Self, Error> {
        let cores = std::thread::available_parallelism().map_or(1, Into::into);
        Ok(Self(Arc::new(Shared {
            root: root.into(),
            limits,
            received: AtomicU64::new(0),
            taking: Semaphore::new(cores),
            fetcher: Fetcher::new(limits.private_urls)?,
        })))
    }

    /// The bounds.
    pub fn limits(&self) -> UploadLimits {
        self.0.limits
    }

    /// Takes the tables that a query wants, from what was received and from where URLs lead.
    ///
    /// # Errors
    /// When one is not there, is no table, or is too large.
    pub async fn tables(&self, wanted: &[Wanted], folder: Folder) -> Result<Arc<Uploads>, Error> {
        let folder = Arc::new(folder);
        let mut tables = Vec::with_capacity(wanted.len());
        let received = folder.received().map_err(|source| Error::Folder { source })?;
        let mut left = self.0.limits.bytes.saturating_sub(received);
        for wanted in wanted {
            tables.push(self.table(wanted, &folder, &mut left).await?);
        }
        let path = folder.path();
        let name = path.file_name().and_then(|name| name.to_str()).unwrap_or_default().to_owned();
        Ok(Arc::new(Uploads { tables, root: self.0.root.clone(), name, _folder: folder }))
    }

    async fn table(
        &self,
        wanted: &Wanted,
        folder: &Arc<Folder>,
        left: &mut u64,
    ) -> Result<Arc<UploadedTable>, Error> {
        let Wanted { name, place } = wanted;
        // An attempt of a job that failed later has left it.
        if let Some(table) = UploadedTable::load(folder.path(), name)? {
            return Ok(Arc::new(table));
        }
        let file = match place {
            Place::Part(part) => {
                let file = folder.path().join(staged::part_file(part));
                if !file.is_file() {
                    let (name, part) = (name.clone(), part.clone());
                    return Err(Error::NoPart { name, part });
                }
                file
            }
            Place::Url(url) => {
                let file = folder.path().join(format!("{}.fetched", name.to_ascii_lowercase()));
                let fetched = self.0.fetcher.fetch(name, url, &file, *left).await;
                let bytes_max = self.0.limits.bytes;
                *left -= fetched.map_err(|error| match error {
                    Error::TooLarge { .. } => Error::TooLarge { bytes_max },
                    error => error,
                })?;
                file
            }
        };
        let permit = self.0.taking.acquire().await;
        let limits = TakeLimits { bytes: self.0.limits.bytes, rows: self.0.limits.rows };
        let (abandoned, name) = (Abandoned::default(), name.clone());
        let (is_abandoned, folder) = (Arc::clone(&abandoned.0), Arc::clone(folder));
        let is_fetched = matches!(place, Place::Url(_));
        let taking = move || {
            let taken = take(&file, &name, folder.path(), limits, &is_abandoned);
            // A part may be wanted as another table too; it goes with the folder.
            if is_fetched {
                std::fs::remove_file(&file).map_err(|source| Error::Folder { source })?;
            }
            taken.map(Arc::new).map_err(Error::from)
        };
        let taken = tokio::task::spawn_blocking(taking).await;
        drop((permit, abandoned));
        taken.map_err(|error| Error::Broken { reason: error.to_string() })?
    }
}

/// Tells whoever takes a table that nobody waits for it any more.
#[derive(Debug, Default)]
struct Abandoned(Arc<AtomicBool>);

impl Drop for Abandoned {
    fn drop(&mut self) {
        self.0.store(true, Ordering::Relaxed);
    }
}

/// Where the files of the uploads of a query are.
#[derive(Debug)]
pub enum Folder {
    /// In a folder that goes with them.
    Own(Staged),
    /// In that of a job.
    OfJob(PathBuf),
}

impl Folder {
    fn path(&self) -> &Path {
        match self {
            Self::Own(staged) => staged.path(),
            Self::OfJob(path) => path,
        }
    }

    /// Bytes that are in it already.
    fn received(&self) -> std::io::Result<u64> {
        let sizes = std::fs::read_dir(self.path())?.map(|entry| Ok(entry?.metadata()?.len()));
        sizes.sum()
    }
}

/// The tables that one query has brought.
#[derive(Debug)]
pub struct Uploads {
    tables: Vec<Arc<UploadedTable>>,
    root: PathBuf,
    /// Of the folder, below the root.
    name: String,
    _folder: Arc<Folder>,
}

impl Uploads {
    /// The tables.
    pub fn tables(&self) -> &[Arc<UploadedTable>] {
        &self.tables
    }

    /// The tables of a snapshot and these, whose files are at hand.
    pub(crate) fn over(&self, snapshot: Arc<Snapshot>) -> WithUploads {
        self.over_as(snapshot, &self.name)
    }

    /// The same, whose files are in a folder of this name.
    pub(crate) fn over_as(&self, snapshot: Arc<Snapshot>, folder: &str) -> WithUploads {
        WithUploads::new(snapshot, self.tables.clone(), folder)
    }

    /// The store of their files.
    pub(crate) fn store(&self) -> Result<Arc<dyn ObjectStore>, TableError> {
        let store = LocalFileSystem::new_with_prefix(&self.root);
        let unreadable = |source: StoreError| TableError::Store {
            path: self.root.display().to_string(),
            source: Arc::new(source),
        };
        store.map(|store| Arc::new(store) as Arc<dyn ObjectStore>).map_err(unreadable)
    }
}
