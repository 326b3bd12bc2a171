//! An id index as it lies beside its table: its files, and whether it is of the table as it is.

use std::sync::Arc;

use adql::function::is_among::key_type;
use datafusion::arrow::array::{Array, ArrayRef};
use datafusion::arrow::compute::cast;
use datafusion::arrow::datatypes::DataType;
use datafusion::arrow::error::ArrowError;
use datafusion::arrow::row::{OwnedRow, RowConverter, Rows, SortField};
use datafusion::parquet::arrow::arrow_reader::statistics::StatisticsConverter;
use datafusion::parquet::arrow::parquet_to_arrow_schema;
use datafusion::parquet::file::metadata::{ParquetMetaData, RowGroupMetaData};
use futures::{StreamExt, TryStreamExt};
use object_store::path::Path;
use object_store::{ObjectMeta, ObjectStore, ObjectStoreExt};
use tokio::sync::OnceCell;
use tracing::{debug, warn};

use super::Unused;
use crate::discover::read_text;
use crate::hats::{self, DATASET, METADATA, PROPERTIES, Properties, TILE_COLUMNS, TableProperties};
use crate::survey::{below, footers, rows_by_file};
use crate::table::TiledTable;
use crate::{Error, footer};

/// Files of an index, at most: their footers are read when it is first used.
const FILES_MAX: usize = 65_536;
/// Requests under way at the same time.
const CONCURRENCY: usize = 64;

/// The id index of a column of a table, which is opened when it is first used.
#[derive(Debug)]
pub(crate) struct IdIndex {
    column: String,
    /// Of the column as queries see it.
    data_type: DataType,
    folder: Path,
    store: Arc<dyn ObjectStore>,
    /// Whether its store can list folders.
    lists: bool,
    opened: OnceCell<Result<Arc<Opened>, String>>,
}

/// What the footers of an index say.
#[derive(Debug)]
pub(crate) struct Opened {
    /// In which its values are compared.
    key_type: DataType,
    pub(super) files: Vec<IndexFile>,
    /// Its entries: the pairs of a value and a tile.
    pub(super) rows: u64,
}

/// A file of an index.
#[derive(Debug)]
pub(super) struct IndexFile {
    pub(super) meta: ObjectMeta,
    /// Between which its values lie; none: anywhere.
    pub(super) values: Option<[OwnedRow; 2]>,
}

impl IdIndex {
    /// The index of a column of this type, in a folder of a store.
    pub(crate) fn new(
        (column, data_type): (String, DataType),
        folder: Path,
        (store, lists): (Arc<dyn ObjectStore>, bool),
    ) -> Self {
        Self { column, data_type, folder, store, lists, opened: OnceCell::new() }
    }

    pub(crate) fn column(&self) -> &str {
        &self.column
    }

    /// The type of the column as queries see it.
    pub(crate) fn data_type(&self) -> &DataType {
        &self.data_type
    }

    pub(super) fn store(&self) -> &Arc<dyn ObjectStore> {
        &self.store
    }

    /// Reads the footers when this is first asked.
    pub(super) async fn open(&self, table: &TiledTable) -> Result<Arc<Opened>, Unused> {
        let opened = self.opened.get_or_try_init(|| async {
            match self.read(table).await {
                Ok(opened) => Ok(Ok(Arc::new(opened))),
                Err(Unused::NotOfTable(reason)) => {
                    let (table, column) = (table.name(), &self.column);
                    warn!(%table, column, reason, "an id index is not used");
                    Ok(Err(reason))
                }
                // It may be there the next time.
                Err(unreadable) => Err(unreadable),
            }
        });
        opened.await?.clone().map_err(Unused::NotOfTable)
    }

    async fn read(&self, table: &TiledTable) -> Result<Opened, Unused> {
        let files = self.files().await?;
        if files.len() > FILES_MAX {
            let reason = format!("it has {} files, more than {FILES_MAX}", files.len());
            return Err(Unused::NotOfTable(reason));
        }
        let read = futures::stream::iter(files)
            .map(|meta| async move {
                let path = meta.location.clone();
                let metadata = footer::read_statistics(self.store.as_ref(), &path, meta.size);
                self.file(meta, &metadata.await?)
            })
            .buffered(CONCURRENCY);
        let read: Vec<(IndexFile, DataType, u64)> = read.try_collect().await?;
        let wanted = key_type(&self.data_type);
        let key_type = read.first().map(|(_, key_type, _)| key_type.clone());
        let key_type = key_type.or_else(|| wanted.clone()).unwrap_or(DataType::Int64);
        let is_text = |data_type: &DataType| *data_type == DataType::Utf8;
        let same = read.iter().all(|(_, other, _)| *other == key_type);
        if !same || wanted.is_none_or(|wanted| is_text(&wanted) != is_text(&key_type)) {
            let reason = format!("its values are not of type {}", self.data_type);
            return Err(Unused::NotOfTable(reason));
        }
        let rows = read.iter().map(|(_, _, rows)| rows).sum();
        self.compare(table, rows).await?;
        let files = read.into_iter().map(|(file, _, _)| file).collect::<Vec<_>>();
        debug!(table = %table.name(), column = self.column, files = files.len(), rows, "opened");
        Ok(Opened { key_type, files, rows })
    }

    /// Its files, in the order of their names.
    async fn files(&self) -> Result<Vec<ObjectMeta>, Unused> {
        let dataset = self.folder.clone().join(DATASET);
        let is_data = |path: &Path| {
            path.extension() == Some("parquet") && path.filename().is_some_and(hats::is_data)
        };
        let mut files: Vec<ObjectMeta> = if self.lists {
            let listed = self.store.list(Some(&dataset)).map_err(|e| Error::store(&dataset, e));
            listed
                .try_filter(|file| std::future::ready(is_data(&file.location)))
                .try_collect()
                .await?
        } else {
            let path = dataset.clone().join(METADATA);
            let Some(metadata) = footers(self.store.as_ref(), &path).await? else {
                let reason = format!("a store that lists no folders needs {path}");
                return Err(Unused::NotOfTable(reason));
            };
            let heads = rows_by_file(&metadata).into_keys().map(|name| below(&dataset, &name));
            let heads = futures::stream::iter(heads).map(|path| async move {
                self.store.head(&path).await.map_err(|e| Error::store(&path, e))
            });
            heads.buffer_unordered(CONCURRENCY).try_collect().await?
        };
        files.sort_by(|a, b| a.location.cmp(&b.location));
        Ok(files)
    }

    /// What a footer says of a file: between which values it has entries, their type, how many.
    fn file(
        &self,
        meta: ObjectMeta,
        metadata: &ParquetMetaData,
    ) -> Result<(IndexFile, DataType, u64), Unused> {
        let path = meta.location.clone();
        let lacks = |what: &str| Unused::NotOfTable(format!("{path} lacks {what}"));
        let parquet = |e| Error::parquet(&path, e);
        let facts = metadata.file_metadata();
        let schema = parquet_to_arrow_schema(facts.schema_descr(), facts.key_value_metadata());
        let schema = schema.map_err(parquet)?;
        let [order, _, pixel] = TILE_COLUMNS;
        for name in [order, pixel] {
            let field = schema.field_with_name(name).map_err(|_| lacks(name))?;
            if !field.data_type().is_integer() {
                return Err(lacks(&format!("integers in {name}")));
            }
        }
        let field = schema.field_with_name(&self.column).map_err(|_| lacks(&self.column))?;
        let key_type = key_type(plain(field.data_type()))
            .ok_or_else(|| lacks(&format!("integers or texts in {}", self.column)))?;
        let descriptor = facts.schema_descr();
        let converter = StatisticsConverter::try_new(&self.column, &schema, descriptor);
        let converter = converter.map_err(parquet)?;
        let groups = metadata.row_groups();
        let values = between(&converter, groups, &key_type).map_err(|e| Error::compute(READ, e))?;
        let rows = u64::try_from(facts.num_rows()).unwrap_or(0);
        Ok((IndexFile { meta, values }, key_type, rows))
    }

    /// Refuses an index that is not of the table as it is, as far as their properties and numbers
    /// of rows tell: a value is in it once for each tile.
    async fn compare(&self, table: &TiledTable, rows: u64) -> Result<(), Unused> {
        let of_table = Path::parse(table.path()).unwrap_or_else(|_| Path::from(table.path()));
        let (index, of_table) = futures::try_join!(
            properties(self.store.as_ref(), &self.folder),
            properties(self.store.as_ref(), &of_table)
        )?;
        let refuse = |reason: String| Err(Unused::NotOfTable(reason));
        if let Some(stated) = index.rows.filter(|stated| *stated != rows) {
            return refuse(format!("it has {rows} rows, and its properties say {stated}"));
        }
        if let Some(of_rows) = table.rows().filter(|of_rows| *of_rows < rows) {
            return refuse(format!("it has {rows} rows, and its table {of_rows}"));
        }
        match (index.created, of_table.created) {
            (Some(made), Some(table_made)) if is_before(&made, &table_made) => {
                refuse(format!("it was made at {made}, and its table at {table_made}"))
            }
            _ => Ok(()),
        }
    }
}

/// What is done, for messages.
pub(super) const READ: &str = "read an id index";

/// Whether a time as HATS writes it, `2025-10-06T14:20UTC`, is before another; times that are
/// written in another way are not compared.
fn is_before(a: &str, b: &str) -> bool {
    let alike = a.len() == b.len() && a.len() >= "2025-10-06".len();
    let form = |text: &str| {
        let digits = text.bytes().map(|byte| if byte.is_ascii_digit() { b'0' } else { byte });
        digits.collect::<Vec<u8>>()
    };
    alike && form(a) == form(b) && form(a).starts_with(b"0000-00-00") && a < b
}

async fn properties(store: &dyn ObjectStore, folder: &Path) -> Result<TableProperties, Error> {
    for name in PROPERTIES {
        let path = folder.clone().join(name);
        if let Some(text) = read_text(store, &path).await? {
            return Properties::parse(path.as_ref(), &text).table();
        }
    }
    let missing = format!("none of {} is there", PROPERTIES.join(", "));
    Err(Error::NotHats { path: folder.to_string(), missing })
}

/// The type of the values of a column, which may be in a dictionary.
fn plain(data_type: &DataType) -> &DataType {
    match data_type {
        DataType::Dictionary(_, value) => value,
        other => other,
    }
}

/// Values in a form that compares.
pub(super) fn keys(values: &ArrayRef, key_type: &DataType) -> Result<Rows, ArrowError> {
    let converter = RowConverter::new(vec![SortField::new(key_type.clone())])?;
    converter.convert_columns(&[cast(values, key_type)?])
}

/// The least and the largest value of row groups; none where one does not tell.
fn between(
    converter: &StatisticsConverter<'_>,
    groups: &[RowGroupMetaData],
    key_type: &DataType,
) -> Result<Option<[OwnedRow; 2]>, ArrowError> {
    let least = converter.row_group_mins(groups)?;
    let most = converter.row_group_maxes(groups)?;
    if least.null_count() > 0 || most.null_count() > 0 || groups.is_empty() {
        return Ok(None);
    }
    let (least, most) = (keys(&least, key_type)?, keys(&most, key_type)?);
    let least = least.iter().min().map(|row| row.owned());
    let most = most.iter().max().map(|row| row.owned());
    Ok(least.zip(most).map(|(least, most)| [least, most]))
}

impl Opened {
    pub(super) fn key_type(&self) -> &DataType {
        &self.key_type
    }
}

#[cfg(test)]
mod tests {
    use super::is_before;

    #[test]
    fn times_are_compared_that_are_written_alike() {
        assert!(is_before("2025-10-06T14:20UTC", "2025-10-06T14:21UTC"));
        assert!(!is_before("2025-10-06T14:20UTC", "2025-10-06T14:20UTC"));
        assert!(!is_before("2026-10-06T14:20UTC", "2025-10-06T14:21UTC"));
        assert!(!is_before("2025-10-06", "2025-10-06T14:21UTC"));
        assert!(!is_before("06 Oct 2025", "07 Oct 2025"));
    }
}
