//! Where the data of a result come from: what `table.toml` says of the tables of a query.

use adql::TableName;
use catalog::Snapshot;

use crate::format::Info;

/// An INFO for each fact of each table, by the names of the note Data Origin in the VO 1.1; what
/// is said of several tables alike is said once, of all of them.
pub(crate) fn of(snapshot: &Snapshot, tables: &[TableName]) -> Vec<Info> {
    let mut infos: Vec<Info> = Vec::new();
    for name in tables {
        let Some(table) = snapshot.tiled_table(name) else { continue };
        for (term, value) in table.origin().terms() {
            let same = |info: &&mut Info| info.name == term && info.value == value;
            match infos.iter_mut().find(same) {
                Some(info) => {
                    info.about.push_str(", ");
                    info.about.push_str(&name.written());
                }
                None => infos.push(Info { name: term, value, about: name.written() }),
            }
        }
    }
    infos
}
