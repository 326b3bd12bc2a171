//! The results of jobs: one object for each, written as it streams and there only when whole.
//!
//! Their bytes count while they are written, and until they are removed.

use std::collections::HashMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use bytes::Bytes;
use object_store::local::LocalFileSystem;
use object_store::{
    GetOptions, GetRange, GetResult, ObjectStore, ObjectStoreExt, WriteMultipart, path,
};

use crate::uws::budget::{Budget, Reservation};
use crate::uws::{Error, Failure, JobId};

/// A result is written in parts of so many bytes.
const PART_BYTES: usize = 4 << 20;

/// So many parts may be on their way to the disk: the memory of a job is bounded by them.
const PARTS_MAX: usize = 2;

/// The results.
#[derive(Debug)]
pub(crate) struct Results {
    folder: PathBuf,
    store: Arc<dyn ObjectStore>,
    budget: Arc<Budget>,
}

impl Results {
    /// The results in a folder, which is made where it is not there.
    pub(crate) fn open(folder: &Path, budget: &Arc<Budget>) -> Result<Self, Error> {
        let failed = |source| Error::Folder { folder: folder.to_owned(), source };
        fs::create_dir_all(folder).map_err(failed)?;
        let store = LocalFileSystem::new_with_prefix(folder)?;
        let budget = Arc::clone(budget);
        Ok(Self { folder: folder.to_owned(), store: Arc::new(store), budget })
    }

    /// Removes what belongs to no job: half results of a process that was killed. Of the results
    /// that should be there, those that are not, or not whole.
    pub(crate) fn sweep(
        &self,
        mut known: HashMap<String, (JobId, u64)>,
    ) -> Result<Vec<JobId>, Error> {
        let failed = |source| Error::Folder { folder: self.folder.clone(), source };
        for entry in fs::read_dir(&self.folder).map_err(failed)? {
            let entry = entry.map_err(failed)?;
            let name = entry.file_name().to_string_lossy().into_owned();
            let length = entry.metadata().map_err(failed)?.len();
            if known.get(&name).is_some_and(|(_, bytes)| *bytes == length) {
                known.remove(&name);
                self.budget.found(length);
            } else {
                tracing::info!(file = name, "removing what is no whole result");
                fs::remove_file(entry.path()).map_err(failed)?;
            }
        }
        Ok(known.into_values().map(|(id, _)| id).collect())
    }

    /// Begins the result of a job. Nothing of it is there before [`ResultWriter::finish`]; dropping
    /// the writer removes what was written.
    pub(crate) async fn writer(&self, id: JobId) -> Result<ResultWriter, Failure> {
        let upload = self.store.put_multipart(&place(id)).await.map_err(|e| unwritten(&e))?;
        Ok(ResultWriter {
            upload: WriteMultipart::new_with_chunk_size(upload, PART_BYTES),
            reserved: Reservation::none_of(&self.budget),
        })
    }

    /// Reads a result, or a range of it.
    pub(crate) async fn read(
        &self,
        id: JobId,
        range: Option<GetRange>,
    ) -> Result<GetResult, Error> {
        let options = GetOptions { range, ..GetOptions::default() };
        Ok(self.store.get_opts(&place(id), options).await?)
    }

    /// Removes the result of a job, where it has one.
    pub(crate) async fn remove(&self, id: JobId) -> Result<(), Error> {
        let place = place(id);
        let length = match self.store.head(&place).await {
            Ok(found) => found.size,
            Err(object_store::Error::NotFound { .. }) => return Ok(()),
            Err(error) => return Err(error.into()),
        };
        self.store.delete(&place).await?;
        self.budget.removed(length);
        Ok(())
    }
}

fn place(id: JobId) -> path::Path {
    path::Path::from(id.to_string())
}

fn unwritten(error: &object_store::Error) -> Failure {
    Failure::transient(format!("the result cannot be stored: {error}"))
}

/// A result on its way to the store.
#[derive(Debug)]
pub(crate) struct ResultWriter {
    upload: WriteMultipart,
    reserved: Reservation,
}

impl ResultWriter {
    /// Takes a chunk; waits where the store is slower than the query.
    pub(crate) async fn write(&mut self, chunk: Bytes) -> Result<(), Failure> {
        self.reserved.grow(chunk.len() as u64)?;
        self.upload.wait_for_capacity(PARTS_MAX).await.map_err(|e| unwritten(&e))?;
        self.upload.put(chunk);
        Ok(())
    }

    /// Makes the result visible; its length.
    pub(crate) async fn finish(self) -> Result<u64, Failure> {
        self.upload.finish().await.map_err(|e| unwritten(&e))?;
        // From now on the bytes are those of a result that is there.
        Ok(self.reserved.keep())
    }
}
