//! `table.toml`: what an operator, or the writer of a table, says of it that Parquet cannot.
//!
//! One file lies in the folder that names the table (`DIR/<schema>/<table>/table.toml`, for a
//! collection beside `collection.properties`). It is the master of all descriptive metadata:
//! `TAP_SCHEMA`, `/tables` and the FIELDs of results are derived from it, and what it says wins
//! over what the files say.
//! A file that cannot be read, or contradicts its table, ends the opening with file and line: it
//! is found at start, where a misread `[position]` would lose rows. What depends on other tables
//! or is mere text (a key to a table that is not served, a malformed UCD, a frame that no
//! vocabulary has) is left out with a warning, since parts of an archive are served too.
//! What readers of files say of them ([`crate::read`]), and Felis ([`felis`]), is put in the same
//! words; [`TableMetadata::over`] lays one over the other.

pub mod felis;
mod layers;
mod origin;
mod system;
pub mod ucd;

use std::collections::BTreeMap;

use adql::schema::Enumerations;

use object_store::ObjectStore;
use object_store::path::Path;
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};

use crate::Error;
use crate::discover::read_text;

pub use origin::Origin;
pub(crate) use origin::is_doi;
pub use system::{FrameMetadata, TimeMetadata};
pub(crate) use system::{MJD_ORIGIN, time_origin};

/// Name of the file.
pub(crate) const FILE_NAME: &str = "table.toml";

/// The version of this layout that is written; older ones are read.
pub const VERSION: u32 = 3;

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
    /// What it takes more than a paragraph to say.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub note: Option<String>,
    /// Data model role of the table.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub utype: Option<String>,
    /// Its place among the tables of its schema when they are listed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub index: Option<u32>,
    /// Who made it, and how it is cited.
    #[serde(default, skip_serializing_if = "Origin::is_empty")]
    pub origin: Origin,
    /// Where on the sky it has rows.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub coverage: Option<CoverageMetadata>,
    /// The position by which users search, where it is not the one that rows are tiled by.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub position: Option<PositionMetadata>,
    /// By the exact name of the column.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub columns: BTreeMap<String, ColumnMetadata>,
    /// Names for the positions of arrays, in their order, by the name of the whole.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub enumerations: Enumerations,
    /// Frames of columns with coordinates.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub frames: Vec<FrameMetadata>,
    /// Scales of columns with times.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub times: Vec<TimeMetadata>,
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

/// Where on the sky a table has rows, as registries are told.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct CoverageMetadata {
    /// The URL of a MOC.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub moc: Option<String>,
    /// Its share of the sky, 0 to 1.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub fraction: Option<f64>,
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
    /// What it takes more than a line to say.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub note: Option<String>,
    /// Its place among the columns when they are listed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub index: Option<u32>,
    /// Whether a condition on the column alone spares most of the table.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub indexed: Option<bool>,
    /// Whether the column belongs to a sensible first look.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub principal: Option<bool>,
    /// Whether a standard defines the column.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub std: Option<bool>,
}

/// A foreign key.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct KeyMetadata {
    /// The table that is pointed to, as `schema.table`.
    pub target: String,
    /// Columns of this table, each with the one of the target that it equals.
    pub columns: BTreeMap<String, String>,
    /// The folder of the version of the target with whose rows these lie on disk: each row is in
    /// the tile where the row is, or would be, that it points to. What is said here is believed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub tiled_with: Option<String>,
    /// One line for humans.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub description: Option<String>,
}

/// The one key that every version of the file has.
#[derive(Deserialize)]
struct Stated {
    version: u32,
}

impl TableMetadata {
    /// The same, but for keys that say with which rows theirs lie on disk, and `other` says
    /// otherwise of its rows.
    #[must_use]
    pub(crate) fn tiled_alike(&self, other: &Self) -> Self {
        let mut alike = self.clone();
        for key in &mut alike.keys {
            let same = other.keys.iter().any(|there| {
                there.target.eq_ignore_ascii_case(&key.target)
                    && there.columns == key.columns
                    && there.tiled_with == key.tiled_with
            });
            key.tiled_with = key.tiled_with.take().filter(|_| same);
        }
        alike
    }

    /// Reads the file in a folder, if there is one.
    pub(crate) async fn read(
        store: &dyn ObjectStore,
        folder: &Path,
    ) -> Result<Option<Self>, Error> {
        let path = folder.clone().join(FILE_NAME);
        let text = read_text(store, &path).await?;
        text.map(|text| Self::parse(path.as_ref(), &text)).transpose()
    }

    /// Reads a local file, if it is there.
    pub(crate) fn read_file(path: &std::path::Path) -> Result<Option<Self>, Error> {
        let name = path.display().to_string();
        match std::fs::read_to_string(path) {
            Ok(text) => Self::parse(&name, &text).map(Some),
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(None),
            Err(error) => Err(Error::malformed(&name, format!("it cannot be read: {error}"))),
        }
    }

    /// Parses the text of the file at `path`.
    pub(crate) fn parse(path: &str, text: &str) -> Result<Self, Error> {
        parse_versioned(path, text, VERSION, |metadata: &Self| metadata.version)
    }
}

/// Parses the text of the file at `path`, of a version until `newest`.
pub(crate) fn parse_versioned<T: DeserializeOwned>(
    path: &str,
    text: &str,
    newest: u32,
    version: fn(&T) -> u32,
) -> Result<T, Error> {
    let wrong = |error: &toml::de::Error| Error::malformed(&path, at_line(text, error));
    let read: Result<T, toml::de::Error> = toml::from_str(text);
    // A newer file may have keys that are unknown here: its version is what is wrong with it.
    let version = match &read {
        Ok(file) => version(file),
        Err(_) => {
            let stated: Stated = toml::from_str(text).map_err(|e| wrong(&e))?;
            stated.version
        }
    };
    if !(1..=newest).contains(&version) {
        let reason = format!("version = {version} is not read here: write {newest} or less");
        return Err(Error::malformed(&path, reason));
    }
    read.map_err(|e| wrong(&e))
}

/// What is wrong with a text, and where.
fn at_line(text: &str, error: &toml::de::Error) -> String {
    let message = error.message().trim_end_matches('\n').replace('\n', ", ");
    let before = error.span().and_then(|span| text.get(..span.start));
    match before {
        Some(before) => format!("line {}: {message}", before.matches('\n').count() + 1),
        None => message,
    }
}

#[cfg(test)]
mod tests {
    use super::{ColumnMetadata, TableMetadata};

    fn parse(text: &str) -> Result<TableMetadata, String> {
        TableMetadata::parse("s/t/table.toml", text).map_err(|error| error.to_string())
    }

    #[test]
    fn reads_what_is_written() {
        let mut metadata = TableMetadata { version: 2, ..TableMetadata::default() };
        metadata.title = Some("Röntgen sources".to_owned());
        let column = ColumnMetadata {
            unit: Some("mag".to_owned()),
            principal: Some(true),
            ..ColumnMetadata::default()
        };
        metadata.columns.insert("g mag".to_owned(), column);
        assert_eq!(parse(&toml::to_string(&metadata).unwrap()), Ok(metadata));
    }

    #[test]
    fn what_an_operator_says_lies_over_what_the_table_says() {
        let below = "version = 1\ntitle = 'a'\ndescription = 'b'\n[columns.g]\nunit = 'mag'\n\
                     indexed = true\n[columns.r]\nunit = 'mag'\n\
                     [position]\nra = 'x'\ndec = 'y'\nslack_arcsec = 2.5\n";
        let own = "version = 1\ntitle = 'c'\n[columns.g]\nunit = 'Jy'\nprincipal = true\n";
        let both = parse(own).unwrap().over(parse(below).unwrap());
        let expected = "version = 1\ntitle = 'c'\ndescription = 'b'\n[columns.g]\nunit = 'Jy'\n\
                        indexed = true\nprincipal = true\n[columns.r]\nunit = 'mag'\n\
                        [position]\nra = 'x'\ndec = 'y'\nslack_arcsec = 2.5\n";
        assert_eq!(both, parse(expected).unwrap());
    }

    #[test]
    fn names_file_and_line_of_what_is_wrong() {
        let cases = [
            ("version = 1\ntitle = \"a\nunit = 2\n", "s/t/table.toml: line 2: "),
            ("version = 1\n\ntitel = \"a\"\n", "s/t/table.toml: line 3: unknown field `titel`"),
            ("version = 1\n[columns.ra]\nunits = \"deg\"\n", "line 3: unknown field `units`"),
            ("version = 1\n[columns.ra]\nunit = 7\n", "line 3: invalid type"),
            ("version = 1\n[position]\nra = \"a\"\n", "line 2: missing field `dec`"),
            ("title = \"a\"\n", "missing field `version`"),
            ("version = 4\nnews = 1\n", "version = 4 is not read here: write 3 or less"),
            ("version = 2\n[[times]]\nscale = \"TT\"\norigin = \"x\"\ncolumns = []\n", "line 4: "),
        ];
        for (text, expected) in cases {
            let error = parse(text).unwrap_err();
            assert!(error.contains(expected), "{error} for {text}");
        }
    }
}
