//! The Parquet files of a table: how they are encoded, and what their footers say together.
//!
//! Values are plain: a dictionary on floats or unique ids makes scans several times slower and
//! files no smaller. Pages are small and have an index, so that a cone reads the rows around it
//! and not a row group. What else is open to choice is a [`Layout`].

use std::collections::HashSet;
use std::fs::File;
use std::io::{BufWriter, Write};
use std::path::Path;
use std::sync::Arc;

use datafusion::arrow::array::RecordBatch;
use datafusion::arrow::datatypes::{DataType, SchemaRef};
use datafusion::parquet::arrow::ArrowWriter;
use datafusion::parquet::basic::{Compression, Encoding};
use datafusion::parquet::errors::ParquetError;
use datafusion::parquet::file::metadata::{
    FileMetaData, KeyValue, ParquetMetaData, ParquetMetaDataWriter, RowGroupMetaData, SortingColumn,
};
use datafusion::parquet::file::properties::{EnabledStatistics, WriterProperties};
use datafusion::parquet::schema::types::ColumnPath;

use crate::Error;

/// How values are laid out in files. The default is what `bench` measured as best together, by
/// scans, cones and bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Layout {
    /// Of all columns but floats.
    pub compression: Compression,
    /// Of floats.
    pub floats: Floats,
    /// Rows of a row group: the least that a task is given, and what one thread holds while it
    /// writes.
    pub group_rows: usize,
    /// Rows of a page.
    pub page_rows: usize,
}

/// How floats are laid out.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Floats {
    /// As they are in memory: their digits are noise to a compressor.
    Plain,
    /// Compressed as other columns are.
    Compressed,
    /// The first bytes of all values of a page, then the second, …, and then compressed.
    Split,
}

impl Default for Layout {
    fn default() -> Self {
        Self {
            compression: Compression::LZ4_RAW,
            floats: Floats::Plain,
            group_rows: 131_072,
            // 16 KiB of a double column, of which a cone of 1′ touches one to three.
            page_rows: 2_048,
        }
    }
}

/// Share of values for which a bloom filter says "perhaps" although they are not there.
const BLOOM_FALSE_POSITIVES: f64 = 0.01;
/// Beyond so many column chunks, their footers together are not kept: they would take gigabytes.
const FOOTER_CHUNKS_MAX: usize = 1_000_000;

/// How the files of a table are written.
#[derive(Debug)]
pub(crate) struct Leaf {
    schema: SchemaRef,
    properties: WriterProperties,
    layout: Layout,
}

/// What a written file takes, and its footer without the page index.
#[derive(Debug)]
pub(crate) struct Written {
    pub(crate) rows: u64,
    pub(crate) bytes: u64,
    groups: Vec<RowGroupMetaData>,
}

impl Leaf {
    /// Files of this schema, sorted by the column `sorted`. Texts and the columns of `few` values
    /// get a dictionary, those of `looked_up` a bloom filter.
    pub(crate) fn new(
        schema: &SchemaRef,
        sorted: &str,
        few: &HashSet<String>,
        looked_up: &[String],
        layout: &Layout,
    ) -> Self {
        let mut builder = WriterProperties::builder()
            .set_created_by(super::SOFTWARE.to_owned())
            .set_compression(layout.compression)
            .set_encoding(Encoding::PLAIN)
            .set_dictionary_enabled(false)
            .set_statistics_enabled(EnabledStatistics::Page)
            .set_max_row_group_row_count(Some(layout.group_rows))
            .set_data_page_row_count_limit(layout.page_rows)
            .set_write_batch_size(layout.page_rows);
        for field in schema.fields() {
            let path = ColumnPath::from(field.name().as_str());
            if is_text(field.data_type()) || few.contains(field.name()) {
                builder = builder.set_column_dictionary_enabled(path, true);
            } else if field.data_type().is_floating() {
                builder = match layout.floats {
                    Floats::Plain => {
                        builder.set_column_compression(path, Compression::UNCOMPRESSED)
                    }
                    Floats::Compressed => builder,
                    Floats::Split => builder.set_column_encoding(path, Encoding::BYTE_STREAM_SPLIT),
                };
            }
        }
        let rows = u64::try_from(layout.group_rows).unwrap_or(u64::MAX);
        for name in looked_up {
            let path = ColumnPath::from(name.as_str());
            builder = builder
                .set_column_bloom_filter_fpp(path.clone(), BLOOM_FALSE_POSITIVES)
                .set_column_bloom_filter_max_ndv(path, rows);
        }
        if let Some(column_idx) = leaf_column(schema, sorted) {
            let order = SortingColumn { column_idx, descending: false, nulls_first: false };
            builder = builder.set_sorting_columns(Some(vec![order]));
        }
        Self { schema: Arc::clone(schema), properties: builder.build(), layout: *layout }
    }

    /// Rows that are taken at a time.
    pub(super) fn group_rows(&self) -> usize {
        self.layout.group_rows
    }

    /// The same files, whose row groups end at so many bytes too.
    pub(crate) fn in_groups_of(self, bytes: usize) -> Self {
        let properties = self.properties.into_builder();
        let properties = properties.set_max_row_group_bytes(Some(bytes)).build();
        Self { properties, ..self }
    }

    /// The same files, whose footers say this of their columns.
    pub(super) fn saying(self, said: &[KeyValue]) -> Self {
        let properties = self.properties.into_builder();
        let properties = properties.set_key_value_metadata(Some(said.to_vec())).build();
        Self { properties, ..self }
    }

    /// Writes a file, whose name below `dataset` the footers will have.
    pub(crate) fn write(
        &self,
        dataset: &Path,
        name: &str,
        rows: impl FnOnce(&mut dyn FnMut(RecordBatch) -> Result<(), Error>) -> Result<(), Error>,
    ) -> Result<Written, Error> {
        let path = dataset.join(name);
        if let Some(folder) = path.parent() {
            std::fs::create_dir_all(folder).map_err(|e| Error::write(folder, e))?;
        }
        let file = File::create(&path).map_err(|e| Error::write(&path, e))?;
        let mut writer = self.writer(file).map_err(|e| Error::write(&path, e))?;
        rows(&mut |batch| writer.write(&batch).map_err(|e| Error::write(&path, e)))?;
        let metadata = writer.close().map_err(|e| Error::write(&path, e))?;
        let bytes = std::fs::metadata(&path).map_err(|e| Error::write(&path, e))?.len();
        let rows = u64::try_from(metadata.file_metadata().num_rows()).unwrap_or(0);
        let groups = named_groups(metadata, name).map_err(|e| Error::write(&path, e))?;
        Ok(Written { rows, bytes, groups })
    }

    fn writer<W: Write + Send>(&self, sink: W) -> Result<ArrowWriter<W>, ParquetError> {
        ArrowWriter::try_new(sink, Arc::clone(&self.schema), Some(self.properties.clone()))
    }

    /// Writes the schema of all files to `common`, and their footers to `metadata`.
    pub(super) fn write_footers(
        &self,
        common: &Path,
        metadata: &Path,
        files: Vec<Written>,
    ) -> Result<(), Error> {
        let file = File::create(common).map_err(|e| Error::write(common, e))?;
        let empty = self.writer(file).and_then(ArrowWriter::close);
        let empty = empty.map_err(|e| Error::write(common, e))?;
        let groups: Vec<RowGroupMetaData> = files.into_iter().flat_map(|f| f.groups).collect();
        if groups.iter().map(RowGroupMetaData::num_columns).sum::<usize>() > FOOTER_CHUNKS_MAX {
            tracing::warn!(
                limit = FOOTER_CHUNKS_MAX,
                "not written: too many column chunks in _metadata"
            );
            return Ok(());
        }
        write_metadata(metadata, empty.file_metadata(), groups)
            .map_err(|e| Error::write(metadata, e))
    }
}

fn write_metadata(
    path: &Path,
    schema: &FileMetaData,
    groups: Vec<RowGroupMetaData>,
) -> Result<(), ParquetError> {
    let rows = groups.iter().map(RowGroupMetaData::num_rows).sum();
    let file = FileMetaData::new(
        schema.version(),
        rows,
        schema.created_by().map(str::to_owned),
        schema.key_value_metadata().cloned(),
        schema.schema_descr_ptr(),
        schema.column_orders().cloned(),
    );
    let metadata = ParquetMetaData::new(file, groups);
    let mut sink = BufWriter::new(File::create(path)?);
    sink.write_all(b"PAR1")?;
    ParquetMetaDataWriter::new(&mut sink, &metadata).finish()?;
    sink.flush()?;
    Ok(())
}

/// The row groups of a file, without page index and with the file's name.
fn named_groups(
    metadata: ParquetMetaData,
    name: &str,
) -> Result<Vec<RowGroupMetaData>, ParquetError> {
    let groups = metadata.into_builder().take_row_groups();
    let groups = groups.into_iter().map(|group| {
        let mut group = group.into_builder();
        let columns = group
            .take_columns()
            .into_iter()
            .map(|column| column.into_builder().set_file_path(name.to_owned()).build());
        let columns = columns.collect::<Result<_, _>>()?;
        group.set_column_metadata(columns).build()
    });
    groups.collect()
}

/// Whether a dictionary pays: texts of catalogs are classes and names of bands.
fn is_text(data_type: &DataType) -> bool {
    matches!(data_type, DataType::Utf8 | DataType::LargeUtf8 | DataType::Utf8View)
}

/// The place of a column of plain values among the columns of Parquet: nested ones before it count
/// more than once.
fn leaf_column(schema: &SchemaRef, name: &str) -> Option<i32> {
    let at = schema.index_of(name).ok()?;
    let plain = schema.fields()[..at].iter().all(|field| !field.data_type().is_nested());
    if plain { i32::try_from(at).ok() } else { None }
}
