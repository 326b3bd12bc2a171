//! `TAP_SCHEMA` (TAP 1.1 §4): the tables that describe all tables, themselves included.
//!
//! Built once for a snapshot and held as Arrow batches that any session scans where it is, without
//! a tile or a worker. `/tables` is written from the same lists, so that the two cannot disagree.
//! Names are as queries have to write them; hidden columns are not described, since `*` has none.

mod key;
mod layout;
mod provider;
mod rows;

use std::collections::HashMap;
use std::ops::Range;
use std::sync::Arc;

use adql::schema::written;
use adql::{Table, TableName};
use datafusion::arrow::error::ArrowError;
use datafusion::arrow::record_batch::RecordBatch;

pub use key::Key;
pub(crate) use key::keys_between;
pub(crate) use provider::MetadataTable;

/// A schema as clients see it.
#[derive(Debug, Clone)]
pub struct SchemaInfo {
    /// Its name as queries have to write it.
    pub name: String,
    /// One line for humans.
    pub description: Option<String>,
    /// Its tables in their order.
    pub tables: Vec<Arc<Table>>,
}

/// Everything that is described, and the tables that describe it.
#[derive(Debug)]
pub(crate) struct TapSchema {
    /// In their order, the last of them `TAP_SCHEMA` itself.
    pub(crate) schemas: Vec<SchemaInfo>,
    /// Those of one table follow one another.
    pub(crate) keys: Vec<Key>,
    keys_from: HashMap<TableName, Range<usize>>,
    own: Vec<(Arc<Table>, RecordBatch)>,
}

impl TapSchema {
    /// Describes tables, sorted by schema and name, with the keys between them.
    pub(crate) fn new(tables: &[Arc<Table>], mut keys: Vec<Key>) -> Result<Self, ArrowError> {
        let own: Vec<Arc<Table>> = layout::tables().into_iter().map(Arc::new).collect();
        keys.extend(layout::keys());
        let described: Vec<Arc<Table>> = tables.iter().chain(&own).map(Arc::clone).collect();
        let schemas: Vec<SchemaInfo> = described
            .chunk_by(|a, b| a.name.schema == b.name.schema)
            .map(|tables| SchemaInfo {
                name: written(&tables[0].name.schema),
                description: layout::description_of(&tables[0].name.schema),
                tables: tables.to_vec(),
            })
            .collect();
        let batches = rows::batches(&schemas, &keys, &own)?;
        let own = own.into_iter().zip(batches).collect();
        let mut keys_from: HashMap<TableName, Range<usize>> = HashMap::new();
        for (at, key) in keys.iter().enumerate() {
            keys_from.entry(key.from.clone()).or_insert(at..at).end = at + 1;
        }
        Ok(Self { schemas, keys, keys_from, own })
    }

    /// The keys of one table.
    pub(crate) fn keys_from(&self, table: &TableName) -> &[Key] {
        self.keys_from.get(table).map_or(&[], |places| &self.keys[places.clone()])
    }

    /// Its own tables.
    pub(crate) fn tables(&self) -> impl Iterator<Item = &Arc<Table>> {
        self.own.iter().map(|(table, _)| table)
    }

    /// One of its own tables, with the rows.
    pub(crate) fn table(&self, name: &TableName) -> Option<&(Arc<Table>, RecordBatch)> {
        self.own.iter().find(|(table, _)| table.name == *name)
    }

    /// The rows of its largest table.
    pub(crate) fn largest(&self) -> usize {
        self.own.iter().map(|(_, rows)| rows.num_rows()).max().unwrap_or_default()
    }
}
