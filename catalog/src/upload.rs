//! Tables that a query brings with it (TAP 1.1 §2.7.5): taken from a file once, then scanned like
//! others, by that query alone.
//!
//! [`take()`] reads whatever [`crate::read`] reads, batch by batch, and writes one Parquet file with
//! the rows in their order, and beside it what the file said of its columns. Where columns are found
//! to be a position, a hidden column has its spatial index, so that cones prune as in tables with
//! tiles. [`WithUploads`] lays such tables over a snapshot.

mod scan;
mod stored;
mod taking;

use std::path::{Path as FilePath, PathBuf};
use std::sync::Arc;

use adql::schema::TAP_UPLOAD;
use adql::sky::Coverage;
use adql::{Macro, Schemas, Table, TableName};
use datafusion::arrow::array::ArrayRef;
use datafusion::arrow::datatypes::SchemaRef;
use datafusion::datasource::provider_as_source;
use datafusion::logical_expr::TableSource;
use object_store::path::Path;

use crate::{Error, Snapshot};

pub use scan::UploadScan;
pub use taking::{TakeLimits, take};

/// The folder of the tile store in which uploads are: hidden, so that no table lies there.
pub const FOLDER: &str = ".uploads";

/// The values of so many rows are looked up in id indexes when a query is planned: as many as a list
/// in a query has.
const FEW_ROWS: u64 = 100_000;

/// Whether a location of the tile store is that of an upload.
pub fn is_upload(location: &Path) -> bool {
    below_folder(location).is_some()
}

/// What follows [`FOLDER`] in the location of an upload.
pub fn below_folder(location: &Path) -> Option<&str> {
    location.as_ref().strip_prefix(FOLDER)?.strip_prefix('/')
}

/// A table that was taken.
#[derive(Debug)]
pub struct UploadedTable {
    table: Arc<Table>,
    /// All columns, as a scan delivers them.
    schema: SchemaRef,
    file: PathBuf,
    bytes: u64,
    modified_ns: i64,
    rows: u64,
    coverage: Option<Coverage>,
}

impl UploadedTable {
    /// The table as a query sees it.
    pub fn table(&self) -> &Arc<Table> {
        &self.table
    }

    /// Its name in the schema `TAP_UPLOAD`.
    pub fn name(&self) -> &str {
        &self.table.name.table
    }

    /// Its rows on disk.
    pub fn file(&self) -> &FilePath {
        &self.file
    }

    /// The name of its file, in whatever folder.
    pub fn file_name(&self) -> String {
        stored::rows_file(self.name())
    }

    /// The size of its file.
    pub fn bytes(&self) -> u64 {
        self.bytes
    }

    /// How many rows it has.
    pub fn rows(&self) -> u64 {
        self.rows
    }

    /// Pixels that hold all of its positions; none where it has no position columns. Rows without a
    /// position are in none.
    pub fn coverage(&self) -> Option<&Coverage> {
        self.coverage.as_ref()
    }

    /// The Arrow schema of all columns, as a scan delivers them.
    pub fn schema(&self) -> &SchemaRef {
        &self.schema
    }
}

/// The tables of a snapshot, and those of one query, whose files a scan finds in
/// `shard://tiles/.uploads/<folder>/`.
#[derive(Debug)]
pub struct WithUploads {
    snapshot: Arc<Snapshot>,
    uploads: Vec<Arc<UploadedTable>>,
    folder: String,
}

impl WithUploads {
    /// Lays tables over a snapshot.
    pub fn new(
        snapshot: Arc<Snapshot>,
        uploads: Vec<Arc<UploadedTable>>,
        folder: impl Into<String>,
    ) -> Self {
        Self { snapshot, uploads, folder: folder.into() }
    }

    fn upload(&self, name: &TableName) -> Option<&Arc<UploadedTable>> {
        self.uploads.iter().find(|upload| upload.table.name == *name)
    }
}

impl Schemas for WithUploads {
    fn tables(&self) -> Vec<Arc<Table>> {
        let mut tables = self.snapshot.tables();
        tables.extend(self.uploads.iter().map(|upload| Arc::clone(&upload.table)));
        tables
    }

    fn table(&self, name: &TableName) -> Option<Arc<Table>> {
        match self.upload(name) {
            Some(upload) => Some(Arc::clone(&upload.table)),
            None => self.snapshot.table(name),
        }
    }

    fn source(
        &self,
        name: &TableName,
        columns: &[usize],
    ) -> Result<Arc<dyn TableSource>, adql::Error> {
        let Some(upload) = self.upload(name) else { return self.snapshot.source(name, columns) };
        let location = Path::from(format!("{FOLDER}/{}/{}", self.folder, upload.file_name()));
        let scan = UploadScan::new(Arc::clone(upload), location, columns)?;
        Ok(provider_as_source(Arc::new(scan)))
    }

    fn few_values(&self, name: &TableName, column: &str) -> Option<ArrayRef> {
        let upload = self.upload(name).filter(|upload| upload.rows <= FEW_ROWS)?;
        let values = upload.values(column);
        let unreadable = |error: &Error| tracing::warn!(%error, "an upload cannot be looked into");
        values.inspect_err(unreadable).ok()
    }

    fn macros(&self) -> &[Arc<Macro>] {
        self.snapshot.macros()
    }

    fn range(&self, table: &TableName, column: &str) -> Option<[f64; 2]> {
        match self.upload(table) {
            Some(_) => None,
            None => self.snapshot.range(table, column),
        }
    }
}

/// The name of an upload, with its schema.
fn table_name(name: &str) -> TableName {
    TableName { schema: TAP_UPLOAD.to_owned(), table: name.to_owned() }
}
