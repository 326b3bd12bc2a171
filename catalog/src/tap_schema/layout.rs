//! The five tables of `TAP_SCHEMA` and the keys between them, as TAP 1.1 §4 defines them.

use adql::schema::TAP_SCHEMA;
use adql::{Column, Table, TableName};
use datafusion::arrow::datatypes::DataType;

use super::Key;

/// A text column: name and description.
const fn text(name: &'static str, description: &'static str) -> Definition {
    Definition { name, kind: Kind::Text, description, principal: true }
}

/// An integer column.
const fn number(name: &'static str, description: &'static str) -> Definition {
    Definition { name, kind: Kind::Number, description, principal: true }
}

#[derive(Debug, Clone, Copy)]
enum Kind {
    Text,
    Number,
}

#[derive(Debug, Clone, Copy)]
struct Definition {
    name: &'static str,
    kind: Kind,
    description: &'static str,
    principal: bool,
}

impl Definition {
    /// The same, but not worth a first look.
    const fn minor(self) -> Self {
        Self { principal: false, ..self }
    }

    fn column(&self) -> Column {
        let data_type = match self.kind {
            Kind::Text => DataType::Utf8,
            Kind::Number => DataType::Int32,
        };
        Column {
            description: Some(self.description.to_owned()),
            principal: self.principal,
            std: true,
            ..Column::new(self.name, data_type)
        }
    }
}

const UTYPE: Definition = text("utype", "role in a data model").minor();

const SCHEMAS: [Definition; 4] = [
    text("schema_name", "name of the schema as queries have to write it"),
    UTYPE,
    text("description", "what the schema holds"),
    number("schema_index", "place among the schemas when they are listed").minor(),
];

const TABLES: [Definition; 6] = [
    text("schema_name", "schema of the table"),
    text("table_name", "name of the table as queries have to write it"),
    text("table_type", "table, or view"),
    UTYPE,
    text("description", "what the table holds"),
    number("table_index", "place among the tables when they are listed").minor(),
];

const COLUMNS: [Definition; 14] = [
    text("table_name", "table of the column"),
    text("column_name", "name of the column as queries have to write it"),
    text("datatype", "type of the values in VOTable"),
    text("arraysize", "size of the values in VOTable, where they are no scalars"),
    text("xtype", "DALI type of the values, where VOTable has none"),
    number("size", "length of the values, where it is fixed (deprecated: see arraysize)").minor(),
    text("description", "what the column holds"),
    UTYPE,
    text("unit", "unit of the values (VOUnits)"),
    text("ucd", "unified content descriptor (UCD1+)"),
    number("indexed", "1 if a condition on the column spares most of the table, else 0"),
    number("principal", "1 if the column belongs to a first look, else 0"),
    number("std", "1 if a standard defines the column, else 0"),
    number("column_index", "place among the columns of the table when they are listed").minor(),
];

const KEYS: [Definition; 5] = [
    text("key_id", "name of the key"),
    text("from_table", "table whose rows point"),
    text("target_table", "table that they point to"),
    text("description", "what the key means"),
    UTYPE,
];

const KEY_COLUMNS: [Definition; 3] = [
    text("key_id", "key of the pair of columns"),
    text("from_column", "column of the table whose rows point"),
    text("target_column", "column of the table that they point to, which it equals"),
];

/// The tables in the order of their rows.
const ALL: [(&str, &str, &[Definition]); 5] = [
    ("schemas", "the schemas of this service", &SCHEMAS),
    ("tables", "the tables of this service, by schema", &TABLES),
    ("columns", "the columns of all tables", &COLUMNS),
    ("keys", "the foreign keys: which tables can be joined", &KEYS),
    ("key_columns", "the columns by which the tables of a key are joined", &KEY_COLUMNS),
];

/// From table and column, target table and column.
const LINKS: [[&str; 4]; 5] = [
    ["tables", "schema_name", "schemas", "schema_name"],
    ["columns", "table_name", "tables", "table_name"],
    ["keys", "from_table", "tables", "table_name"],
    ["keys", "target_table", "tables", "table_name"],
    ["key_columns", "key_id", "keys", "key_id"],
];

fn name(table: &str) -> TableName {
    TableName { schema: TAP_SCHEMA.to_owned(), table: table.to_owned() }
}

pub(super) fn tables() -> Vec<Table> {
    let table = |(table, description, columns): &(&str, &str, &[Definition])| {
        let columns = columns.iter().map(Definition::column).collect();
        let description = Some((*description).to_owned());
        Table { description, ..Table::new(name(table), columns) }
    };
    ALL.iter().map(table).collect()
}

pub(super) fn keys() -> Vec<Key> {
    let key = |(number, [from, from_column, target, target_column]): (usize, &[&str; 4])| Key {
        id: format!("{TAP_SCHEMA}.{}", number + 1),
        from: name(from),
        target: name(target),
        columns: vec![((*from_column).to_owned(), (*target_column).to_owned())],
        description: None,
    };
    LINKS.iter().enumerate().map(key).collect()
}

/// What is known of a schema by its name alone.
pub(super) fn description_of(schema: &str) -> Option<String> {
    let own = "what this service holds: its schemas, tables, columns and keys (TAP 1.1)";
    (schema == TAP_SCHEMA).then(|| own.to_owned())
}
