//! The writer of tables without positions, which every worker holds whole.
//!
//! HATS has no such tables. They lie in its folders all the same, as the one pixel 0/0 in files of
//! a limited size, under a `dataproduct_type` of our own (`table`): a reader of HATS says that it
//! does not know it, and a reader of Parquet reads the files.

use std::fs;
use std::sync::Arc;

use adql::function::nan_to_null::without_nan;
use adql::sky::Pixel;
use datafusion::arrow::array::{ArrayRef, RecordBatch};
use datafusion::arrow::datatypes::{Field, Schema, SchemaRef};

use super::leaf::{Leaf, Written};
use super::table::{said_of_files, write_metadata, write_text};
use super::{Outcome, SOFTWARE, Staging, WriteOptions, input, runs, table_name, versioned};
use crate::Error;
use crate::hats::written::{self, WrittenCollection};
use crate::hats::{
    self, COMMON_METADATA, DATASET, Kind, METADATA, PROPERTIES, collection, partition_info,
};
use crate::metadata;

/// A table without positions under way. Dropped before [`WholeWriter::finish`], it leaves nothing.
#[derive(Debug)]
pub struct WholeWriter {
    options: WriteOptions,
    name: String,
    /// Name of the folder of its rows.
    primary: String,
    schema: SchemaRef,
    leaf: Leaf,
    staging: Staging,
    waiting: Vec<RecordBatch>,
    waiting_bytes: u64,
    waiting_rows: u64,
    files: Vec<Written>,
}

impl WholeWriter {
    /// Begins a table of batches of this schema; of the options, position and margin do not
    /// count, and columns to index get bloom filters only.
    ///
    /// # Errors
    /// When columns and options do not fit.
    pub fn create_in(
        staging: Staging,
        options: WriteOptions,
        schema: &Schema,
    ) -> Result<Self, Error> {
        let name = table_name(&options.folder)?;
        input::check_names(&name, schema)?;
        let fields = schema.fields().iter();
        let fields: Vec<Field> =
            fields.map(|f| Field::new(f.name(), f.data_type().clone(), true)).collect();
        let schema = Arc::new(Schema::new(fields));
        super::check(&name, &options, &schema)?;
        let said = said_of_files(&name, &options, &schema, None)?;
        let leaf = Leaf::new(&schema, "", &options.few_values, &options.indexes, &options.layout);
        let leaf = leaf.saying(&said);
        let primary = versioned(&name, options.version);
        let dataset = staging.path().join(&primary).join(DATASET);
        fs::create_dir_all(&dataset).map_err(|e| Error::write(&dataset, e))?;
        let (waiting, files) = (Vec::new(), Vec::new());
        let (waiting_bytes, waiting_rows) = (0, 0);
        Ok(Self {
            options,
            name,
            primary,
            schema,
            leaf,
            staging,
            waiting,
            waiting_bytes,
            waiting_rows,
            files,
        })
    }

    /// Adds rows.
    ///
    /// # Errors
    /// When the batch is of another schema, or the disk is full.
    pub fn push(&mut self, batch: &RecordBatch) -> Result<(), Error> {
        let columns: Vec<ArrayRef> = batch.columns().iter().map(without_nan).collect();
        let batch = RecordBatch::try_new(Arc::clone(&self.schema), columns)
            .map_err(|e| Error::compute("take rows", e))?;
        self.waiting_bytes += u64::try_from(runs::bytes(&batch)).unwrap_or(u64::MAX);
        self.waiting_rows += u64::try_from(batch.num_rows()).unwrap_or(u64::MAX);
        self.waiting.push(batch);
        let memory = u64::try_from(self.options.memory_bytes).unwrap_or(u64::MAX);
        if self.waiting_bytes >= self.options.tile_bytes.min(memory)
            || self.waiting_rows >= self.options.tile_rows
        {
            self.write_part()?;
        }
        Ok(())
    }

    fn pixel() -> Pixel {
        Pixel::base().next().expect("the sky has base pixels")
    }

    fn write_part(&mut self) -> Result<(), Error> {
        let rows = std::mem::take(&mut self.waiting);
        (self.waiting_bytes, self.waiting_rows) = (0, 0);
        let dataset = self.staging.path().join(&self.primary).join(DATASET);
        let tile = hats::tile_name(Self::pixel(), &hats::Leaf::Folder);
        let name = format!("{tile}/part.{}.parquet", self.files.len());
        let file = self.leaf.write(&dataset, &name, |take| rows.into_iter().try_for_each(take))?;
        self.files.push(file);
        Ok(())
    }

    /// Writes the table and gives it its name.
    ///
    /// # Errors
    /// When a file cannot be written.
    pub fn finish(mut self) -> Result<Outcome, Error> {
        if !self.waiting.is_empty() || self.files.is_empty() {
            self.write_part()?;
        }
        let folder = self.staging.path().join(&self.primary);
        let dataset = folder.join(DATASET);
        let files = std::mem::take(&mut self.files);
        let (rows, bytes) =
            (files.iter().map(|f| f.rows).sum(), files.iter().map(|f| f.bytes).sum());
        self.leaf.write_footers(&dataset.join(COMMON_METADATA), &dataset.join(METADATA), files)?;
        let tiles = [Self::pixel()];
        write_text(&folder.join(partition_info::FILE_NAME), &partition_info::text(&tiles))?;
        let metadata = &self.options.metadata;
        let text = written::table(&written::Written {
            name: &self.name,
            kind: Kind::Table,
            rows,
            bytes,
            position: None,
            spatial_index: crate::SPATIAL_INDEX,
            primary: None,
            coverage: None,
            tiles: &tiles,
            title: metadata.title.as_deref(),
            description: metadata.description.as_deref(),
            builder: SOFTWARE,
        });
        for name in PROPERTIES {
            write_text(&folder.join(name), &text)?;
        }
        let text = written::collection(&WrittenCollection {
            name: &self.name,
            primary: &self.primary,
            margin: None,
            indexes: &[],
            builder: SOFTWARE,
        });
        let folder = self.staging.path();
        write_text(&folder.join(collection::FILE_NAME), &text)?;
        write_metadata(&folder.join(metadata::FILE_NAME), metadata)?;
        self.staging.commit()?;
        Ok(Outcome { rows, tiles: 1, bytes, ..Outcome::default() })
    }
}
