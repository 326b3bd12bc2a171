//! `hats.properties` (older name: `properties`): what a HATS table says of itself (HATS 1.0 §3.2).
//!
//! The file is a Java properties file: `key=value` lines, comments, escapes, continued lines.
//! Keys that Armilla does not use are ignored; a value that cannot be is an error.

use std::collections::BTreeMap;

use crate::Error;

/// Names under which a table's properties are found, the newer first.
pub(crate) const FILE_NAMES: [&str; 2] = ["hats.properties", "properties"];

/// The keys and values of a properties file, with the file's path for messages.
#[derive(Debug, Clone)]
pub(crate) struct Properties {
    path: String,
    values: BTreeMap<String, String>,
}

/// What kind of dataset a HATS folder holds (`dataproduct_type`, HATS 1.0 §3.2).
#[derive(Debug, Clone, PartialEq)]
pub enum Kind {
    /// One row per object on the sky.
    Object,
    /// Detections; several rows per object.
    Source,
    /// Values by pixel, such as a survey property map.
    Map,
    /// Pairs of rows of two other tables.
    Association {
        /// Whether the pairs are stored; if not, only the pairs of tiles are.
        leaf_files: bool,
    },
    /// The rows within a distance of every tile of the primary table.
    Margin {
        /// That distance.
        threshold_arcsec: f64,
    },
    /// From the values of a column to the tiles of the primary table that hold them.
    Index {
        /// That column.
        column: String,
    },
    /// Rows without a place on the sky, which is no type of HATS: Armilla writes and serves it,
    /// and readers of HATS refuse it by its name instead of taking its rows for objects.
    Table,
}

/// How a tile is stored (`hats_npix_suffix`).
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Leaf {
    /// One file, with this ending.
    File(String),
    /// A folder whose files together are the tile.
    Folder,
}

/// The key that Armilla writes of a spatial index that it computed: not one of HATS, whose readers
/// pass over it.
pub(super) const INDEX_KEY: &str = "armilla_healpix";

/// Its value.
pub(super) const COMPUTED: &str = "computed";

/// A table's properties, as meant.
#[derive(Debug, Clone)]
pub(crate) struct TableProperties {
    pub(crate) kind: Kind,
    pub(crate) rows: Option<u64>,
    pub(crate) ra: Option<String>,
    pub(crate) dec: Option<String>,
    pub(crate) spatial_index: Option<String>,
    pub(crate) spatial_index_order: u8,
    /// The spatial index is the one that is computed from the position, to the last digit.
    pub(crate) is_index_computed: bool,
    /// Order of its smallest tiles, where it can be read.
    pub(crate) order: Option<u8>,
    pub(crate) primary: Option<String>,
    pub(crate) leaf: Leaf,
    pub(crate) description: Option<String>,
    /// When it was made, as it was written.
    pub(crate) created: Option<String>,
}

impl Properties {
    /// Parses the text of the file at `path`.
    pub(crate) fn parse(path: &str, text: &str) -> Self {
        let values = logical_lines(text).iter().filter_map(|line| split(line)).collect();
        Self { path: path.to_owned(), values }
    }

    /// The value of a key; an empty one counts as absent.
    pub(crate) fn get(&self, key: &str) -> Option<&str> {
        self.values.get(key).map(String::as_str).filter(|v| !v.is_empty())
    }

    /// A key that others do not have, or with another value.
    pub(crate) fn difference<'a>(&'a self, other: &'a Self) -> Option<&'a str> {
        let keys = self.values.keys().chain(other.values.keys());
        keys.map(String::as_str).find(|key| self.get(key) != other.get(key))
    }

    /// The value of a key that the standard requires here.
    pub(crate) fn require(&self, key: &str) -> Result<&str, Error> {
        self.get(key).ok_or_else(|| Error::malformed(&self.path, format!("{key} is missing")))
    }

    fn number<T: std::str::FromStr>(&self, key: &str) -> Result<Option<T>, Error> {
        self.get(key)
            .map(|value| {
                value.parse().map_err(|_| {
                    Error::malformed(&self.path, format!("{key}={value} is not a number"))
                })
            })
            .transpose()
    }

    /// Reads them as the properties of a table, margin, index, association or map.
    pub(crate) fn table(&self) -> Result<TableProperties, Error> {
        let text = |key: &str| self.get(key).map(str::to_owned);
        Ok(TableProperties {
            kind: self.kind()?,
            rows: self.number("hats_nrows")?,
            ra: text("hats_col_ra"),
            dec: text("hats_col_dec"),
            spatial_index: text("hats_col_healpix"),
            spatial_index_order: self.number("hats_col_healpix_order")?.unwrap_or(29),
            is_index_computed: self.get(INDEX_KEY) == Some(COMPUTED),
            order: self.get("hats_order").and_then(|order| order.parse().ok()),
            primary: text("hats_primary_table_url"),
            leaf: match self.get("hats_npix_suffix") {
                None => Leaf::File(".parquet".to_owned()),
                Some("/") => Leaf::Folder,
                Some(suffix) => Leaf::File(suffix.to_owned()),
            },
            description: text("obs_description").or_else(|| text("obs_title")),
            created: text("hats_creation_date"),
        })
    }

    fn kind(&self) -> Result<Kind, Error> {
        match self.require("dataproduct_type")? {
            "object" => Ok(Kind::Object),
            "source" => Ok(Kind::Source),
            "map" => Ok(Kind::Map),
            "table" => Ok(Kind::Table),
            "association" => Ok(Kind::Association {
                leaf_files: self
                    .get("hats_assn_leaf_files")
                    .is_none_or(|v| !v.eq_ignore_ascii_case("false")),
            }),
            "margin" => self
                .number("hats_margin_threshold")?
                .map(|threshold_arcsec| Kind::Margin { threshold_arcsec })
                .ok_or_else(|| Error::malformed(&self.path, "hats_margin_threshold is missing")),
            "index" => Ok(Kind::Index { column: self.require("hats_index_column")?.to_owned() }),
            other => Err(Error::malformed(
                &self.path,
                format!(
                    "dataproduct_type={other} is none of object, source, map, association, \
                     margin, index, table"
                ),
            )),
        }
    }
}

/// Lines without comments, each joined with the lines that continue it.
fn logical_lines(text: &str) -> Vec<String> {
    let mut lines = Vec::new();
    let mut open: Option<String> = None;
    for line in text.trim_start_matches('\u{feff}').lines() {
        let line = line.trim_start();
        if open.is_none() && (line.is_empty() || line.starts_with(['#', '!'])) {
            continue;
        }
        let mut joined = open.take().unwrap_or_default();
        let continued = line.chars().rev().take_while(|c| *c == '\\').count() % 2 == 1;
        joined.push_str(if continued { &line[..line.len() - 1] } else { line });
        if continued {
            open = Some(joined);
        } else {
            lines.push(joined);
        }
    }
    lines.extend(open);
    lines
}

/// Key and value: the first `=` or `:` that no backslash escapes separates them.
fn split(line: &str) -> Option<(String, String)> {
    let mut escaped = false;
    let at = line.char_indices().find(|(_, c)| {
        let separates = !escaped && matches!(c, '=' | ':');
        escaped = !escaped && *c == '\\';
        separates
    });
    let (key, value) = at.map_or((line, ""), |(i, _)| (&line[..i], &line[i + 1..]));
    let key = unescape(key.trim());
    (!key.is_empty()).then(|| (key, unescape(value.trim())))
}

fn unescape(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    let mut chars = text.chars();
    while let Some(c) = chars.next() {
        if c != '\\' {
            out.push(c);
            continue;
        }
        match chars.next() {
            Some('n') => out.push('\n'),
            Some('t') => out.push('\t'),
            Some('r') => out.push('\r'),
            Some('f') => out.push('\u{c}'),
            Some('u') => {
                let code: String = chars.by_ref().take(4).collect();
                let parsed = u32::from_str_radix(&code, 16).ok().and_then(char::from_u32);
                out.push(parsed.unwrap_or(char::REPLACEMENT_CHARACTER));
            }
            Some(other) => out.push(other),
            None => {}
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::{Kind, Leaf, Properties};

    fn parse(text: &str) -> Properties {
        Properties::parse("t/hats.properties", text)
    }

    #[test]
    fn reads_what_hats_import_writes() {
        let t = parse(
            "#HATS catalog\nobs_collection=x\ndataproduct_type=object\nhats_nrows=13962\n\
             hats_col_ra=ra\nhats_col_dec=dec\nhats_creation_date=2026-11-20T12:19UTC\n",
        )
        .table()
        .unwrap();
        assert_eq!(t.kind, Kind::Object);
        assert_eq!((t.rows, t.ra.as_deref(), t.spatial_index_order), (Some(13962), Some("ra"), 29));
        assert_eq!(t.leaf, Leaf::File(".parquet".to_owned()));
    }

    #[test]
    fn reads_escapes_spaces_and_continued_lines() {
        let p = parse("! c\n a\\:b = c\\=d \nlist=one \\\n   two\n\nempty=\nt\\u00e9l : 1\n");
        assert_eq!(p.get("a:b"), Some("c=d"));
        assert_eq!(p.get("list"), Some("one two"));
        assert_eq!(p.get("empty"), None);
        assert_eq!(p.get("tél"), Some("1"));
    }

    #[test]
    fn keeps_a_colon_and_a_second_equals_sign_in_values() {
        let p = parse("hats_primary_table_url=https://x.org/a?b=c\n");
        assert_eq!(p.get("hats_primary_table_url"), Some("https://x.org/a?b=c"));
    }

    #[test]
    fn names_file_and_key_when_a_value_cannot_be() {
        let error = |text: &str| parse(text).table().unwrap_err().to_string();
        assert_eq!(error("a=b"), "t/hats.properties: dataproduct_type is missing");
        assert!(error("dataproduct_type=image").contains("dataproduct_type=image is none of"));
        assert!(error("dataproduct_type=object\nhats_nrows=x").contains("hats_nrows=x"));
        assert!(error("dataproduct_type=margin").contains("hats_margin_threshold"));
        assert!(error("dataproduct_type=index").contains("hats_index_column"));
    }

    #[test]
    fn recognizes_leaf_folders_and_soft_associations() {
        let t =
            parse("dataproduct_type=association\nhats_npix_suffix=/\nhats_assn_leaf_files=False");
        let t = t.table().unwrap();
        assert_eq!(t.leaf, Leaf::Folder);
        assert_eq!(t.kind, Kind::Association { leaf_files: false });
    }
}
