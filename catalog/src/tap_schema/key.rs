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
/// may be served. A name that is not there counts in any case of letters, as in a query.
pub(crate) fn keys_between<'a>(
    tables: impl Iterator<Item = (&'a Table, &'a [KeyMetadata])> + Clone,
) -> Vec<Key> {
    let by_name: HashMap<String, &Table> =
        tables.clone().map(|(table, _)| (table.name.to_string(), table)).collect();
    let by_folded: HashMap<String, &Table> =
        by_name.iter().map(|(name, table)| (name.to_lowercase(), *table)).collect();
    let mut keys = Vec::new();
    for (from, said) in tables {
        for (number, key) in said.iter().enumerate() {
            let exact = by_name.get(&key.target);
            let target = exact.or_else(|| by_folded.get(&key.target.to_lowercase()));
            let columns = target.and_then(|target| {
                let pairs = key.columns.iter();
                pairs.map(|(from, to)| Some((from.clone(), named(target, to)?))).collect()
            });
            let (Some(target), Some(columns)) = (target, columns) else {
                warn!(table = %from.name, target = key.target, "ignored a key: nothing is there");
                continue;
            };
            keys.push(Key {
                id: format!("{}.{}", from.name, number + 1),
                from: from.name.clone(),
                target: target.name.clone(),
                columns,
                description: key.description.clone(),
            });
        }
    }
    keys
}

/// The exact name of a column of a table.
fn named(table: &Table, wanted: &str) -> Option<String> {
    let names = || table.columns.iter().map(|column| &column.name);
    let exact = names().find(|name| *name == wanted);
    exact.or_else(|| names().find(|name| name.eq_ignore_ascii_case(wanted))).cloned()
}
