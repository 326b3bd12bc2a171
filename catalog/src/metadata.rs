//! `table.toml`: what an operator, or the writer of a table, says of it that Parquet cannot.
//!
//! One file lies in the folder that names the table (`DIR/<schema>/<table>/table.toml`, for a
//! collection beside `collection.properties`). It is the master of all descriptive metadata:
//! `TAP_SCHEMA`, `/tables` and the FIELDs of results are derived from it, and what it says wins
//! over what the files say.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

/// Name of the file.
pub(crate) const FILE_NAME: &str = "table.toml";

/// The version of this layout that is written; older ones are read.
pub const VERSION: u32 = 1;

/// Everything that a `table.toml` may say.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct TableMetadata {
    /// Version of the layout of the file.
    pub version: u32,
    /// A few words.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub title: Option<String>,
    /// One paragraph for humans.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub description: Option<String>,
    /// Data model role of the table.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub utype: Option<String>,
    /// The position by which users search, where it is not the one that rows are tiled by.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub position: Option<PositionMetadata>,
    /// By the exact name of the column.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub columns: BTreeMap<String, ColumnMetadata>,
    /// Columns that point to rows of other tables.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub keys: Vec<KeyMetadata>,
}

/// The columns with a row's own position (ICRS degrees), where it is tiled by that of its parent.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct PositionMetadata {
    /// Column of right ascension.
    pub ra: String,
    /// Column of declination.
    pub dec: String,
    /// No row's own position is farther from the one that it is tiled by.
    pub slack_arcsec: f64,
}

/// What is said of one column.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ColumnMetadata {
    /// Unit in `VOUnits` syntax.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub unit: Option<String>,
    /// UCD1+.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ucd: Option<String>,
    /// Data model role.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub utype: Option<String>,
    /// DALI xtype.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub xtype: Option<String>,
    /// One line for humans.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub description: Option<String>,
    /// Whether a condition on the column alone spares most of the table.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub indexed: bool,
    /// Whether the column belongs to a sensible first look.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub principal: bool,
}

/// A foreign key.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct KeyMetadata {
    /// The table that is pointed to, as `schema.table`.
    pub target: String,
    /// Columns of this table, each with the one of the target that it equals.
    pub columns: BTreeMap<String, String>,
    /// One line for humans.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub description: Option<String>,
}
