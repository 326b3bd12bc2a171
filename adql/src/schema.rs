//! What a query may name: tables and columns with their metadata, behind the trait [`Schemas`].
//!
//! `catalog` implements it on a snapshot; tests implement it on a few literals.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::Arc;

use datafusion::arrow::array::ArrayRef;
use datafusion::arrow::datatypes::DataType;
use datafusion::logical_expr::TableSource;

pub use crate::parser::words::is_regular;
use crate::parser::words::is_reserved;
use crate::{Error, Macro, System, View};

/// The schema of the tables that describe all tables (TAP 1.1 §4). An unqualified name never means
/// one of them, so that a table of the archive may be called `keys`.
pub const TAP_SCHEMA: &str = "TAP_SCHEMA";

/// The schema of the tables that a query brings with it (TAP 1.1 §2.7.5). An unqualified name never
/// means one of them, so that a query means the same with them and without.
pub const TAP_UPLOAD: &str = "TAP_UPLOAD";

/// A name as a query has to write it: delimited where it is no regular identifier or a reserved
/// word (ADQL 2.1 §2.1.3).
pub fn written(name: &str) -> String {
    if is_regular(name) && !is_reserved(name) {
        return name.to_owned();
    }
    format!("\"{}\"", name.replace('"', "\"\""))
}

/// Whether a text has the form that the schema of VOTable asks of a UCD; another would make a
/// whole document invalid.
pub fn is_ucd(text: &str) -> bool {
    text.bytes().all(|b| b.is_ascii_alphanumeric() || matches!(b, b'_' | b'.' | b':' | b';' | b'-'))
}

/// The exact, case-preserving name of a table: `schema.table`.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct TableName {
    /// Name of the schema.
    pub schema: String,
    /// Name of the table within its schema.
    pub table: String,
}

impl TableName {
    /// Its two parts as a query has to write them.
    pub fn written(&self) -> String {
        format!("{}.{}", written(&self.schema), written(&self.table))
    }

    /// Whether it names a table of [`TAP_SCHEMA`].
    pub fn is_metadata(&self) -> bool {
        self.schema == TAP_SCHEMA
    }

    /// Whether it names a table of [`TAP_UPLOAD`].
    pub fn is_upload(&self) -> bool {
        self.schema == TAP_UPLOAD
    }
}

impl fmt::Display for TableName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}.{}", self.schema, self.table)
    }
}

/// Names for the positions of arrays, in their order, by the name of the whole: the third of
/// `jplus` is also `jplus::g`.
pub type Enumerations = BTreeMap<String, Vec<String>>;

/// A column with the metadata that VOTable FIELDs and `TAP_SCHEMA` carry (VOTable 1.5 §4.1).
#[derive(Debug, Clone, PartialEq)]
#[expect(clippy::struct_excessive_bools, reason = "most are flags of TAP_SCHEMA.columns")]
pub struct Column {
    /// Exact name.
    pub name: String,
    /// Type of the values that a scan delivers.
    pub data_type: DataType,
    /// Unit in `VOUnits` syntax.
    pub unit: Option<String>,
    /// UCD1+.
    pub ucd: Option<String>,
    /// Data model role.
    pub utype: Option<String>,
    /// DALI xtype.
    pub xtype: Option<String>,
    /// One line for humans.
    pub description: Option<String>,
    /// What it takes more than a line to say.
    pub note: Option<String>,
    /// What its values are counted from.
    pub system: Option<Arc<System>>,
    /// Its place among the columns when they are listed; those without one come last.
    pub index: Option<u32>,
    /// Queryable by its (delimited) name but no part of `*`, as `"_healpix_29"` is.
    pub hidden: bool,
    /// A floating-point column whose file may hold NaN, which ADQL must see as NULL.
    pub may_hold_nan: bool,
    /// A condition on the column spares most of the table.
    pub indexed: bool,
    /// It belongs to a sensible first look.
    pub principal: bool,
    /// It is defined by a standard.
    pub std: bool,
    /// All of its texts are known to be ASCII, as those of a `char` of VOTable are to be.
    pub ascii: bool,
    /// Names for the positions of its values, which are arrays.
    pub enumerations: Option<Arc<Enumerations>>,
}

impl Column {
    /// A visible column without metadata.
    pub fn new(name: impl Into<String>, data_type: DataType) -> Self {
        let may_hold_nan = data_type.is_floating();
        Self {
            name: name.into(),
            data_type,
            unit: None,
            ucd: None,
            utype: None,
            xtype: None,
            description: None,
            note: None,
            system: None,
            index: None,
            hidden: false,
            may_hold_nan,
            indexed: false,
            principal: false,
            std: false,
            ascii: false,
            enumerations: None,
        }
    }

    /// Everything that is said of it in words.
    pub fn words(&self) -> Option<String> {
        let names = self.enumerations.iter().flat_map(|all| all.iter());
        let names = names.flat_map(|(names, members)| members.iter().map(move |m| (names, m)));
        let names: Vec<String> = names.map(|(names, name)| format!("{names}::{name}")).collect();
        let said = words(self.description.as_ref(), self.note.as_ref());
        let elements = format!("Elements: {}", names.join(", "));
        if names.is_empty() { said } else { words(said.as_ref(), Some(&elements)) }
    }
}

fn words(description: Option<&String>, note: Option<&String>) -> Option<String> {
    match (description, note) {
        (Some(description), Some(note)) => Some(format!("{description}\n\n{note}")),
        (one, other) => one.or(other).cloned(),
    }
}

/// The columns by which the rows of a table are placed on the sky (ICRS degrees).
#[derive(Debug, Clone, PartialEq)]
pub struct Positions {
    /// Column of right ascension.
    pub ra: String,
    /// Column of declination.
    pub dec: String,
    /// Column with the order-29 NESTED index of the position, by which rows are tiled.
    pub spatial_index: String,
    /// The largest distance between a row's own position and the one that it is tiled by.
    pub slack_deg: f64,
    /// The spatial index of each row is the one that is computed from its position, to the last
    /// digit: not that of another writer, who may put a place on the border of pixels into the next.
    pub is_exact: bool,
}

/// A table as a query sees it.
#[derive(Debug, Clone, PartialEq)]
pub struct Table {
    /// Exact name.
    pub name: TableName,
    /// A few words for humans.
    pub title: Option<String>,
    /// One paragraph for humans.
    pub description: Option<String>,
    /// What it takes more than a paragraph to say.
    pub note: Option<String>,
    /// Data model role.
    pub utype: Option<String>,
    /// Its place among the tables when they are listed; those without one come last.
    pub index: Option<u32>,
    /// All columns in their order, hidden ones included.
    pub columns: Vec<Column>,
    /// Present when the table is tiled on the sky.
    pub positions: Option<Positions>,
    /// What it shows, if it has no rows of its own.
    pub view: Option<Arc<View>>,
}

impl Table {
    /// A table without metadata or positions.
    pub fn new(name: TableName, columns: Vec<Column>) -> Self {
        Self {
            name,
            title: None,
            description: None,
            note: None,
            utype: None,
            index: None,
            columns,
            positions: None,
            view: None,
        }
    }

    /// Everything that is said of it in words.
    pub fn words(&self) -> Option<String> {
        words(self.description.as_ref().or(self.title.as_ref()), self.note.as_ref())
    }

    /// The columns that `*` stands for: those that are described to clients.
    pub fn visible_columns(&self) -> impl Iterator<Item = &Column> {
        self.columns.iter().filter(|column| !column.hidden)
    }

    /// The index of the column of exactly this name.
    pub fn column_index(&self, name: &str) -> Option<usize> {
        self.columns.iter().position(|c| c.name == name)
    }
}

/// The tables that a query may name, on one pinned snapshot.
pub trait Schemas: Send + Sync + fmt::Debug {
    /// Every table, in a stable order.
    fn tables(&self) -> Vec<Arc<Table>>;

    /// The table of exactly this name.
    fn table(&self, name: &TableName) -> Option<Arc<Table>>;

    /// What a plan scans, of a table that is no view: a source whose schema is exactly these
    /// columns of the table (indices into [`Table::columns`], ascending), so that a wide table does
    /// not pay for its width.
    fn source(&self, name: &TableName, columns: &[usize]) -> Result<Arc<dyn TableSource>, Error>;

    /// The values of a column, where they are few and at hand: of a table that the query brings.
    fn few_values(&self, _name: &TableName, _column: &str) -> Option<ArrayRef> {
        None
    }

    /// The macros that a query may call, each once.
    fn macros(&self) -> &[Arc<Macro>] {
        &[]
    }

    /// Where an object is whose name a query gives (ICRS degrees), if that is known by now.
    fn place_of(&self, _object: &str) -> Option<[f64; 2]> {
        None
    }

    /// Between which numbers the values of a column of a table lie, NULL and NaN left out; none
    /// where nothing tells.
    fn range(&self, _table: &TableName, _column: &str) -> Option<[f64; 2]> {
        None
    }
}

#[cfg(test)]
mod tests {
    use super::{TableName, written};

    #[test]
    fn names_are_written_as_queries_need_them() {
        for (name, expected) in [
            ("ra", "ra"),
            ("RAJ2000", "RAJ2000"),
            ("size", "\"size\""),
            ("_healpix_29", "\"_healpix_29\""),
            ("2mass", "\"2mass\""),
            ("a \"b\"", "\"a \"\"b\"\"\""),
            ("é", "\"é\""),
        ] {
            assert_eq!(written(name), expected);
        }
        let name = TableName { schema: "demo".to_owned(), table: "order".to_owned() };
        assert_eq!(name.written(), "demo.\"order\"");
    }
}
