//! Rows without a position: kept in a file beside the table, which no query sees.

use std::fs::File;
use std::path::{Path, PathBuf};

use datafusion::arrow::array::RecordBatch;
use datafusion::arrow::datatypes::SchemaRef;
use datafusion::arrow::ipc::reader::FileReader;
use datafusion::arrow::ipc::writer::FileWriter;
use datafusion::parquet::arrow::ArrowWriter;

use crate::Error;

/// Name of the file, in the folder that names the table.
pub const FILE_NAME: &str = "without_position.parquet";

/// Rows that are kept in parts: one is closed when a run of the writer is.
pub(super) struct Aside {
    folder: PathBuf,
    parts: usize,
    open: Option<FileWriter<File>>,
}

impl Aside {
    /// Goes on after so many parts in a folder.
    pub(super) fn new(folder: PathBuf, parts: usize) -> Self {
        Self { folder, parts, open: None }
    }

    fn path(&self, part: usize) -> PathBuf {
        self.folder.join(format!("aside{part}.arrow"))
    }

    pub(super) fn push(&mut self, rows: &RecordBatch) -> Result<(), Error> {
        let path = self.path(self.parts);
        let failed = |e| Error::write(&path, e);
        let mut writer = match self.open.take() {
            Some(writer) => writer,
            None => {
                let file = File::create(&path).map_err(|e| Error::write(&path, e))?;
                FileWriter::try_new(file, &rows.schema()).map_err(failed)?
            }
        };
        writer.write(rows).map_err(failed)?;
        self.open = Some(writer);
        Ok(())
    }

    /// Closes a part, if rows came since the last; how many there are.
    pub(super) fn close(&mut self) -> Result<usize, Error> {
        if let Some(mut writer) = self.open.take() {
            writer.finish().map_err(|e| Error::write(self.path(self.parts), e))?;
            self.parts += 1;
        }
        Ok(self.parts)
    }

    /// Writes all rows to a file in this folder, if there are any; its name.
    pub(super) fn finish(
        mut self,
        folder: &Path,
        schema: &SchemaRef,
    ) -> Result<Option<&'static str>, Error> {
        if self.close()? == 0 {
            return Ok(None);
        }
        let target = folder.join(FILE_NAME);
        let failed = |e| Error::write(&target, e);
        let file = File::create(&target).map_err(|e| Error::write(&target, e))?;
        let mut writer =
            ArrowWriter::try_new(file, SchemaRef::clone(schema), None).map_err(failed)?;
        for part in 0..self.parts {
            let path = self.path(part);
            let file = File::open(&path).map_err(|e| Error::write(&path, e))?;
            for rows in FileReader::try_new(file, None).map_err(|e| Error::write(&path, e))? {
                writer.write(&rows.map_err(|e| Error::write(&path, e))?).map_err(failed)?;
            }
        }
        writer.close().map_err(failed)?;
        Ok(Some(FILE_NAME))
    }
}
