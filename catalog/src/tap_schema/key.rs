//! Foreign keys: which columns of a table point to rows of another.

use std::collections::HashMap;

use adql::schema::written;
use adql::{Table, TableName};
use tracing::warn;

use crate::metadata::KeyMetadata;

/// A foreign key between two tables that are both served. Names are exact.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Key {
    /// Its name among all keys.
    pub id: String,
    /// The table whose rows point.
    pub from: TableName,
    /// The table that they point to.
    pub target: TableName,
    /// Columns of the one, each with the column of the other that it equals.
    pub columns: Vec<(String, String)>,
    /// One line for humans.
    pub description: Option<String>,
}

impl Key {
    /// The columns as queries have to write them.
    pub fn written_columns(&self) -> impl Iterator<Item = (String, String)> {
        self.columns.iter().map(|(from, target)| (written(from), written(target)))
    }
}

/// The keys of all tables, in the order of the tables: each with what its `table.toml` says. Those
/// to a table or column that is not there are left out with a warning, since a part of an archive
/// may be served.
pub(crate) fn keys_between<'a>(
    tables: impl Iterator<Item = (&'a Table, &'a [KeyMetadata])> + Clone,
) -> Vec<Key> {
    let by_name: HashMap<String, &Table> =
        tables.clone().map(|(table, _)| (table.name.to_string(), table)).collect();
    let mut keys = Vec::new();
    for (from, said) in tables {
        for (number, key) in said.iter().enumerate() {
            let target = by_name.get(&key.target);
            let has = |name: &String| target.is_some_and(|t| t.column_index(name).is_some());
            let (Some(target), true) = (target, key.columns.values().all(has)) else {
                warn!(table = %from.name, target = key.target, "ignored a key: nothing is there");
                continue;
            };
            keys.push(Key {
                id: format!("{}.{}", from.name, number + 1),
                from: from.name.clone(),
                target: target.name.clone(),
                columns: key.columns.clone().into_iter().collect(),
                description: key.description.clone(),
            });
        }
    }
    keys
}
