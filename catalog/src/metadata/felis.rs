//! Felis: Rubin's YAML of schemas, tables, columns and keys (felis 30, `sdm_schemas`).
//!
//! Names, units, UCDs and the like become a [`TableMetadata`]; types of Felis are checked, and
//! compared with those of the files, which decide. Columns that are taken from another file
//! (`columnRefs`) are read from it where it lies beside this one. What concerns data bases (indexes,
//! engines, defaults) is passed over.

mod document;

use std::collections::{BTreeMap, HashMap};
use std::path::Path;

use datafusion::arrow::datatypes::{DataType, Schema};

use self::document::{ColumnEntry, Document, TableEntry};
use super::{ColumnMetadata, KeyMetadata, TableMetadata, VERSION};
use crate::Error;

/// Columns that are named before they are only counted.
const NAMED_MAX: usize = 8;

/// Files that are read for one: a file, what it refers to, and so on.
const DEPTH_MAX: usize = 4;

/// A Felis file, with the files that it refers to.
#[derive(Debug, Clone)]
pub struct Felis {
    path: String,
    document: Document,
    resources: BTreeMap<String, Self>,
}

/// A table of a Felis file.
#[derive(Debug, Clone, PartialEq)]
pub struct FelisTable {
    /// What it says.
    pub metadata: TableMetadata,
    /// Its columns in their order, with the type that Felis names.
    pub columns: Vec<(String, FelisType)>,
}

/// The types of Felis.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[expect(missing_docs, reason = "named as Felis names them")]
pub enum FelisType {
    Boolean,
    Byte,
    Short,
    Int,
    Long,
    Float,
    Double,
    Char,
    String,
    Unicode,
    Text,
    Binary,
    Timestamp,
}

impl FelisType {
    const ALL: [(&str, Self); 13] = [
        ("boolean", Self::Boolean),
        ("byte", Self::Byte),
        ("short", Self::Short),
        ("int", Self::Int),
        ("long", Self::Long),
        ("float", Self::Float),
        ("double", Self::Double),
        ("char", Self::Char),
        ("string", Self::String),
        ("unicode", Self::Unicode),
        ("text", Self::Text),
        ("binary", Self::Binary),
        ("timestamp", Self::Timestamp),
    ];

    fn named(name: &str) -> Option<Self> {
        Self::ALL.iter().find(|(known, _)| *known == name).map(|(_, felis)| *felis)
    }

    /// Its name.
    pub fn name(self) -> &'static str {
        let known = Self::ALL.iter().find(|(_, felis)| *felis == self);
        known.map_or("", |(name, _)| name)
    }

    /// Whether a column of a file may be what Felis calls so.
    pub fn fits(self, data_type: &DataType) -> bool {
        match self {
            Self::Boolean => *data_type == DataType::Boolean,
            Self::Byte => matches!(data_type, DataType::Int8 | DataType::UInt8),
            Self::Short => matches!(data_type, DataType::Int16 | DataType::UInt8),
            Self::Int => matches!(data_type, DataType::Int32 | DataType::UInt16),
            Self::Long => {
                matches!(data_type, DataType::Int64 | DataType::UInt32 | DataType::UInt64)
            }
            Self::Float => *data_type == DataType::Float32,
            Self::Double => *data_type == DataType::Float64,
            Self::Char | Self::String | Self::Unicode | Self::Text => is_text(data_type),
            Self::Binary => {
                matches!(data_type, DataType::Binary | DataType::LargeBinary | DataType::BinaryView)
            }
            Self::Timestamp => {
                matches!(data_type, DataType::Timestamp(..) | DataType::Date32)
                    || is_text(data_type)
            }
        }
    }
}

fn is_text(data_type: &DataType) -> bool {
    match data_type {
        DataType::Utf8 | DataType::LargeUtf8 | DataType::Utf8View => true,
        DataType::Dictionary(_, value) => is_text(value),
        _ => false,
    }
}

impl Felis {
    /// Reads a file, and those that it refers to.
    ///
    /// # Errors
    /// When one cannot be read, is no Felis, or names a type that Felis has not.
    pub fn read(path: &Path) -> Result<Self, Error> {
        Self::read_within(path, DEPTH_MAX)
    }

    fn read_within(path: &Path, depth: usize) -> Result<Self, Error> {
        let name = path.display().to_string();
        let text = std::fs::read_to_string(path).map_err(|error| {
            Error::malformed(&name, format!("the Felis file cannot be read: {error}"))
        })?;
        let document = Document::parse(&name, &text)?;
        let mut resources = BTreeMap::new();
        for (resource, uri) in document.resources() {
            if depth <= 1 || uri.contains("://") {
                let reason = format!(
                    "the resource {resource} ({uri}) is not read: name a file \
                                      beside this one, and no chain of more than {DEPTH_MAX}"
                );
                return Err(Error::malformed(&name, reason));
            }
            let beside = path.with_file_name(uri);
            resources.insert(resource.to_owned(), Self::read_within(&beside, depth - 1)?);
        }
        Ok(Self { path: name, document, resources })
    }

    /// What it says of a table: the one that is `wanted`, or else the one that is named like a
    /// folder, in any case of letters, or the only one. Keys lead to tables of `schema`, where the
    /// tables of the file are served.
    ///
    /// # Errors
    /// When it has no such table, or refers to a column that is not there.
    pub fn table(
        &self,
        wanted: Option<&str>,
        folder: &str,
        schema: &str,
    ) -> Result<FelisTable, Error> {
        let tables = &self.document.tables;
        let is_only = wanted.is_none();
        let wanted = wanted.unwrap_or(folder);
        let exact = tables.iter().find(|table| table.name == wanted);
        let close = || tables.iter().find(|table| table.name.eq_ignore_ascii_case(wanted));
        let only = || tables.first().filter(|_| is_only && tables.len() == 1);
        let Some(table) = exact.or_else(close).or_else(only) else {
            let known: Vec<&str> = tables.iter().map(|table| table.name.as_str()).collect();
            let reason = match known.as_slice() {
                [] => "it describes no tables".to_owned(),
                known => format!(
                    "it has no table {wanted}; name one of its tables by felis_table: {}",
                    known.join(", ")
                ),
            };
            return Err(Error::malformed(&self.path, reason));
        };
        let columns = self.columns(table)?;
        let described = columns.iter().map(|c| (c.name.clone(), describe(c)));
        let metadata = TableMetadata {
            version: VERSION,
            description: table.description.clone(),
            utype: table.utype.clone(),
            index: table.index,
            columns: described.filter(|(_, said)| *said != ColumnMetadata::default()).collect(),
            keys: self.keys(table, schema)?,
            ..TableMetadata::default()
        };
        let columns = columns.into_iter().map(|column| (column.name, column.data_type)).collect();
        Ok(FelisTable { metadata, columns })
    }

    /// The columns of a table, those of other files first.
    fn columns(&self, table: &TableEntry) -> Result<Vec<ColumnEntry>, Error> {
        let mut columns = Vec::new();
        for (resource, tables) in &table.column_refs {
            let missing = |what: &str| {
                let name = &table.name;
                Error::malformed(&self.path, format!("columnRefs of {name}: there is no {what}"))
            };
            let Some(from) = self.resources.get(resource) else {
                return Err(missing(&format!("resource {resource}")));
            };
            for (of, wanted) in tables {
                let other = from.document.tables.iter().find(|table| table.name == *of);
                let other =
                    other.ok_or_else(|| missing(&format!("table {of} in {}", from.path)))?;
                let known = from.columns(other)?;
                for (name, reference) in wanted {
                    let of_name = reference.as_ref().and_then(|r| r.ref_name.as_ref());
                    let source = of_name.unwrap_or(name);
                    let found = known.iter().find(|column| column.name == *source);
                    let found = found.ok_or_else(|| missing(&format!("column {of}.{source}")))?;
                    let column = ColumnEntry { name: name.clone(), ..found.clone() };
                    columns.push(match reference.as_ref().and_then(|r| r.overrides.as_ref()) {
                        Some(said) => said.over(column),
                        None => column,
                    });
                }
            }
        }
        columns.extend(table.columns.iter().cloned());
        Ok(columns)
    }

    /// The foreign keys of a table.
    fn keys(&self, table: &TableEntry, schema: &str) -> Result<Vec<KeyMetadata>, Error> {
        let mut by_id: HashMap<String, (String, String)> = HashMap::new();
        for table in &self.document.tables {
            for column in self.columns(table)? {
                let id = format!("#{}.{}", table.name, column.name);
                let id = column.id.clone().unwrap_or(id);
                by_id.insert(id, (table.name.clone(), column.name));
            }
        }
        let find = |id: &String| {
            by_id.get(id).ok_or_else(|| {
                let name = &table.name;
                Error::malformed(&self.path, format!("a constraint of {name}: there is no {id}"))
            })
        };
        let mut keys = Vec::new();
        for constraint in table.constraints.iter().filter(|said| said.kind == "ForeignKey") {
            let mut columns = BTreeMap::new();
            let mut target = None;
            for (from, to) in constraint.columns.iter().zip(&constraint.referenced) {
                let (to_table, to_column) = find(to)?;
                columns.insert(find(from)?.1.clone(), to_column.clone());
                target = Some(format!("{schema}.{to_table}"));
            }
            let description = constraint.description.clone();
            keys.extend(target.map(|target| KeyMetadata {
                target,
                columns,
                tiled_with: None,
                description,
            }));
        }
        Ok(keys)
    }
}

impl FelisTable {
    /// Keeps what is of the columns of a table; tells what is left out, and which types differ.
    pub fn fit(&mut self, schema: &Schema) -> Vec<String> {
        let mut remarks = Vec::new();
        let mut missing = Vec::new();
        for (name, felis) in &self.columns {
            match schema.field_with_name(name) {
                Err(_) => missing.push(name.as_str()),
                Ok(field) if !felis.fits(field.data_type()) => {
                    let (felis, here) = (felis.name(), field.data_type());
                    remarks.push(format!("Felis says that {name} is {felis}; it is {here}"));
                }
                Ok(_) => {}
            }
        }
        if !missing.is_empty() {
            let count = missing.len();
            missing.truncate(NAMED_MAX);
            let more = if count > NAMED_MAX { ", …" } else { "" };
            let names = missing.join(", ");
            remarks
                .push(format!("Felis describes {count} columns that are not here: {names}{more}"));
        }
        self.metadata.columns.retain(|name, _| schema.index_of(name).is_ok());
        let has = |key: &KeyMetadata| key.columns.keys().all(|name| schema.index_of(name).is_ok());
        self.metadata.keys.retain(has);
        remarks
    }
}

fn describe(column: &ColumnEntry) -> ColumnMetadata {
    let flag = |said: Option<u8>| said.map(|flag| flag != 0);
    let line = |text: &String| text.split_whitespace().collect::<Vec<_>>().join(" ");
    ColumnMetadata {
        unit: column.ivoa_unit.clone().or_else(|| column.fits_unit.clone()),
        ucd: column.ucd.clone(),
        utype: column.utype.clone(),
        xtype: column.xtype.clone(),
        description: column.description.as_ref().map(line),
        index: column.index,
        principal: flag(column.principal),
        std: flag(column.std).filter(|is_std| *is_std),
        ..ColumnMetadata::default()
    }
}
