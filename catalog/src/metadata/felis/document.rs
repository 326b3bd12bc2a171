//! The YAML of Felis as it is written.

use std::collections::BTreeMap;

use serde::{Deserialize, Deserializer};
use serde_saphyr::Spanned;

use super::FelisType;
use crate::Error;

/// A schema.
#[derive(Debug, Clone)]
pub(super) struct Document {
    resources: BTreeMap<String, Resource>,
    pub(super) tables: Vec<TableEntry>,
}

/// A schema before its types are known.
#[derive(Debug, Deserialize)]
struct Written {
    #[serde(default)]
    resources: BTreeMap<String, Resource>,
    #[serde(default)]
    tables: Vec<WrittenTable>,
}

/// Another file.
#[derive(Debug, Clone, Deserialize)]
struct Resource {
    uri: String,
}

#[derive(Debug, Deserialize)]
struct WrittenTable {
    name: String,
    description: Option<String>,
    #[serde(rename = "votable:utype")]
    utype: Option<String>,
    #[serde(rename = "tap:table_index")]
    index: Option<u32>,
    #[serde(default, rename = "columnRefs")]
    column_refs: ColumnRefs,
    #[serde(default)]
    columns: Vec<WrittenColumn>,
    #[serde(default)]
    constraints: Vec<Constraint>,
}

/// By resource, its table, and the name of the column here.
type ColumnRefs = BTreeMap<String, BTreeMap<String, BTreeMap<String, Option<Reference>>>>;

/// A table.
#[derive(Debug, Clone)]
pub(super) struct TableEntry {
    pub(super) name: String,
    pub(super) description: Option<String>,
    pub(super) utype: Option<String>,
    pub(super) index: Option<u32>,
    pub(super) column_refs: ColumnRefs,
    pub(super) columns: Vec<ColumnEntry>,
    pub(super) constraints: Vec<Constraint>,
}

/// A column of another file.
#[derive(Debug, Clone, Deserialize)]
pub(super) struct Reference {
    /// Its name there, where it is another.
    pub(super) ref_name: Option<String>,
    pub(super) overrides: Option<Overrides>,
}

/// What is said of it here in place of there.
#[derive(Debug, Clone, Deserialize)]
pub(super) struct Overrides {
    description: Option<String>,
    #[serde(rename = "tap:principal")]
    principal: Option<u8>,
    #[serde(rename = "tap:column_index")]
    index: Option<u32>,
}

impl Overrides {
    pub(super) fn over(&self, column: ColumnEntry) -> ColumnEntry {
        ColumnEntry {
            description: self.description.clone().or(column.description),
            principal: self.principal.or(column.principal),
            index: self.index.or(column.index),
            ..column
        }
    }
}

#[derive(Debug, Deserialize)]
struct WrittenColumn {
    name: String,
    datatype: Option<Spanned<String>>,
    #[serde(rename = "@id")]
    id: Option<String>,
    description: Option<String>,
    #[serde(rename = "ivoa:ucd")]
    ucd: Option<String>,
    #[serde(rename = "ivoa:unit")]
    ivoa_unit: Option<String>,
    #[serde(rename = "fits:tunit")]
    fits_unit: Option<String>,
    #[serde(rename = "votable:utype")]
    utype: Option<String>,
    #[serde(rename = "votable:xtype")]
    xtype: Option<String>,
    #[serde(rename = "tap:column_index")]
    index: Option<u32>,
    #[serde(rename = "tap:principal")]
    principal: Option<u8>,
    #[serde(rename = "tap:std")]
    std: Option<u8>,
}

/// A column.
#[derive(Debug, Clone)]
pub(super) struct ColumnEntry {
    pub(super) name: String,
    pub(super) data_type: FelisType,
    pub(super) id: Option<String>,
    pub(super) description: Option<String>,
    pub(super) ucd: Option<String>,
    pub(super) ivoa_unit: Option<String>,
    pub(super) fits_unit: Option<String>,
    pub(super) utype: Option<String>,
    pub(super) xtype: Option<String>,
    pub(super) index: Option<u32>,
    pub(super) principal: Option<u8>,
    pub(super) std: Option<u8>,
}

/// A constraint; only foreign keys count here.
#[derive(Debug, Clone, Deserialize)]
pub(super) struct Constraint {
    #[serde(rename = "@type")]
    pub(super) kind: String,
    pub(super) description: Option<String>,
    /// Ids; a CHECK has none.
    #[serde(default, deserialize_with = "one_or_more")]
    pub(super) columns: Vec<String>,
    #[serde(default, rename = "referencedColumns", deserialize_with = "one_or_more")]
    pub(super) referenced: Vec<String>,
}

fn one_or_more<'de, D: Deserializer<'de>>(from: D) -> Result<Vec<String>, D::Error> {
    #[derive(Deserialize)]
    #[serde(untagged)]
    enum OneOrMore {
        One(String),
        More(Vec<String>),
    }
    Ok(match OneOrMore::deserialize(from)? {
        OneOrMore::One(one) => vec![one],
        OneOrMore::More(more) => more,
    })
}

impl Document {
    pub(super) fn parse(path: &str, text: &str) -> Result<Self, Error> {
        let options = serde_saphyr::options! { with_snippet: false };
        let read: Result<Written, _> = serde_saphyr::from_str_with_options(text, options);
        let Written { resources, tables } = read.map_err(|error| {
            let message = error.without_snippet().to_string();
            let place = error.location().filter(|_| !message.contains("line "));
            let place = place.map_or_else(String::new, |place| {
                format!("line {}, column {}: ", place.line(), place.column())
            });
            Error::malformed(&path, format!("{place}{message}"))
        })?;
        let tables = tables.into_iter().map(|table| table.checked(path));
        Ok(Self { resources, tables: tables.collect::<Result<_, _>>()? })
    }

    /// Names and addresses of other files.
    pub(super) fn resources(&self) -> impl Iterator<Item = (&str, &str)> {
        self.resources.iter().map(|(name, resource)| (name.as_str(), resource.uri.as_str()))
    }
}

impl WrittenTable {
    fn checked(self, path: &str) -> Result<TableEntry, Error> {
        let Self { name, description, utype, index, column_refs, columns, constraints } = self;
        let columns = columns.into_iter().map(|column| column.checked(path, &name));
        let columns = columns.collect::<Result<_, _>>()?;
        Ok(TableEntry { name, description, utype, index, column_refs, columns, constraints })
    }
}

impl WrittenColumn {
    fn checked(self, path: &str, table: &str) -> Result<ColumnEntry, Error> {
        let name = self.name;
        let Some(written) = self.datatype else {
            let reason = format!("column {table}.{name} has no datatype");
            return Err(Error::malformed(&path, reason));
        };
        let Some(data_type) = FelisType::named(&written.value) else {
            let (place, word) = (written.referenced, &written.value);
            let known: Vec<&str> = FelisType::ALL.iter().map(|(name, _)| *name).collect();
            let reason = format!(
                "line {}, column {}: datatype {word} of {table}.{name} is none of Felis: give one \
                 of {}",
                place.line(),
                place.column(),
                known.join(", ")
            );
            return Err(Error::malformed(&path, reason));
        };
        Ok(ColumnEntry {
            name,
            data_type,
            id: self.id,
            description: self.description,
            ucd: self.ucd,
            ivoa_unit: self.ivoa_unit,
            fits_unit: self.fits_unit,
            utype: self.utype,
            xtype: self.xtype,
            index: self.index,
            principal: self.principal,
            std: self.std,
        })
    }
}
