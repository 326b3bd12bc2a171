//! Which tables are not the same in two snapshots.

use std::fmt;
use std::slice;

use adql::TableName;

use super::{Snapshot, number};
use crate::table::TiledTable;

/// So many tables are named in a text.
const NAMED: usize = 10;

/// The tables and views that are not the same in two snapshots, by schema and name.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Changes {
    /// Those that only the later one has.
    pub added: Vec<TableName>,
    /// Those that only the former one has.
    pub gone: Vec<TableName>,
    /// Those whose rows or descriptions are others.
    pub changed: Vec<TableName>,
    /// Whether the macros are others.
    pub macros: bool,
}

impl Snapshot {
    /// What is not as it was in a former snapshot.
    pub fn changes_since(&self, former: &Self) -> Changes {
        let mut changes = Changes::default();
        for table in self.tiled_tables() {
            let name = table.name();
            match former.tiled_table(name) {
                None => changes.added.push(name.clone()),
                Some(before) => {
                    let is_same = is_same(table, before)
                        && number(slice::from_ref(table)) == number(slice::from_ref(before))
                        && self.keys_from(name) == former.keys_from(name);
                    if !is_same {
                        changes.changed.push(name.clone());
                    }
                }
            }
        }
        let names = former.tiled_tables().iter().map(|table| table.name());
        changes.gone.extend(names.filter(|name| self.tiled_table(name).is_none()).cloned());
        let [views, before] = [self, former].map(|snapshot| &snapshot.defined.views);
        for view in views {
            match before.iter().find(|before| before.name == view.name) {
                None => changes.added.push(view.name.clone()),
                Some(before) if before != view => changes.changed.push(view.name.clone()),
                Some(_) => {}
            }
        }
        let is_gone = |name: &&TableName| views.iter().all(|view| view.name != **name);
        changes.gone.extend(before.iter().map(|view| &view.name).filter(is_gone).cloned());
        changes.macros = self.defined.macros != former.defined.macros;
        changes
    }
}

/// Whether the same is said of two tables.
fn is_same(one: &TiledTable, other: &TiledTable) -> bool {
    one.table() == other.table() && one.origin() == other.origin() && one.rows() == other.rows()
}

impl fmt::Display for Changes {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let parts = [("added", &self.added), ("gone", &self.gone), ("changed", &self.changed)];
        let mut parts = parts.into_iter().filter(|(_, names)| !names.is_empty()).peekable();
        if parts.peek().is_none() {
            return f.write_str(if self.macros {
                "the macros"
            } else {
                "every table is as it was"
            });
        }
        for (at, (what, names)) in parts.enumerate() {
            let listed: Vec<String> = names.iter().take(NAMED).map(TableName::written).collect();
            let between = if at == 0 { "" } else { "; " };
            write!(f, "{between}{what}: {}", listed.join(", "))?;
            if names.len() > NAMED {
                write!(f, " and {} more", names.len() - NAMED)?;
            }
        }
        if self.macros {
            f.write_str("; the macros")?;
        }
        Ok(())
    }
}
