//! The properties files of what Armilla writes, with the keys that HATS 1.0 §3.2 and §3.5 require
//! and those that its reference implementation reads.
//!
//! No date is among them: the same rows make the same bytes.

use std::fmt::Write as _;

use adql::sky::{Coverage, Pixel};

use super::properties::{COMPUTED, INDEX_KEY, Kind};

/// A table, margin or index that has been written.
#[derive(Debug, Clone)]
pub(crate) struct Written<'a> {
    /// Name of its folder.
    pub(crate) name: &'a str,
    pub(crate) kind: Kind,
    pub(crate) rows: u64,
    pub(crate) bytes: u64,
    /// Columns of the position that rows are tiled by.
    pub(crate) position: Option<(&'a str, &'a str)>,
    pub(crate) spatial_index: &'a str,
    /// Its primary table, below the folder that holds the collection.
    pub(crate) primary: Option<String>,
    pub(crate) tiles: &'a [Pixel],
    /// Where its rows are, if that is known better than by tiles.
    pub(crate) coverage: Option<&'a Coverage>,
    pub(crate) title: Option<&'a str>,
    pub(crate) description: Option<&'a str>,
    /// What wrote it.
    pub(crate) builder: &'a str,
}

/// The members of a collection that has been written.
#[derive(Debug, Clone)]
pub(crate) struct WrittenCollection<'a> {
    pub(crate) name: &'a str,
    pub(crate) primary: &'a str,
    pub(crate) margin: Option<&'a str>,
    /// Columns with the folders of their indexes.
    pub(crate) indexes: &'a [(String, String)],
    pub(crate) builder: &'a str,
}

/// `key=value` lines under a first line that says what they are about.
struct Lines(String);

impl Lines {
    fn new(head: &str) -> Self {
        Self(format!("#{head}\n"))
    }

    fn add(&mut self, key: &str, value: &(impl ToString + ?Sized)) -> &mut Self {
        // Writing to a String cannot fail.
        let _ = writeln!(self.0, "{key}={}", escaped(&value.to_string()));
        self
    }

    fn add_if(&mut self, key: &str, value: Option<&(impl ToString + ?Sized)>) -> &mut Self {
        if let Some(value) = value {
            self.add(key, value);
        }
        self
    }
}

/// A value in one line that reads back as it is.
fn escaped(value: &str) -> String {
    let mut text = String::with_capacity(value.len());
    for (at, c) in value.chars().enumerate() {
        match c {
            '\\' => text.push_str("\\\\"),
            '\n' => text.push_str("\\n"),
            '\r' => text.push_str("\\r"),
            '\t' => text.push_str("\\t"),
            ' ' if at == 0 => text.push_str("\\u0020"),
            other => text.push(other),
        }
    }
    text
}

/// The text of `hats.properties`.
pub(crate) fn table(written: &Written<'_>) -> String {
    let mut lines = Lines::new("HATS catalog");
    let (kind, threshold, column) = match &written.kind {
        Kind::Object => ("object", None, None),
        Kind::Source => ("source", None, None),
        Kind::Map => ("map", None, None),
        Kind::Table => ("table", None, None),
        Kind::Association { .. } => ("association", None, None),
        Kind::Margin { threshold_arcsec } => ("margin", Some(threshold_arcsec), None),
        Kind::Index { column } => ("index", None, Some(column)),
    };
    lines.add("obs_collection", written.name);
    lines.add("dataproduct_type", kind);
    lines.add("hats_nrows", &written.rows);
    if let Some((ra, dec)) = written.position {
        lines.add("hats_col_ra", ra).add("hats_col_dec", dec);
        lines.add("hats_col_healpix", written.spatial_index).add("hats_col_healpix_order", "29");
        lines.add(INDEX_KEY, COMPUTED);
    }
    lines.add_if("hats_primary_table_url", written.primary.as_ref());
    lines.add_if("hats_margin_threshold", threshold);
    lines.add_if("hats_index_column", column);
    let suffix = if written.kind == Kind::Table { "/" } else { ".parquet" };
    lines.add("hats_npix_suffix", suffix);
    if written.position.is_some() {
        let order = written.tiles.iter().map(|tile| tile.order().get()).max();
        lines.add("hats_order", &order.unwrap_or(0));
        let of_tiles = || Coverage::from_ranges(written.tiles.iter().map(|tile| tile.range()));
        let fraction =
            written.coverage.map_or_else(|| of_tiles().sky_fraction(), Coverage::sky_fraction);
        lines.add("moc_sky_fraction", &fraction);
    }
    lines.add("hats_estsize", &written.bytes.div_ceil(1024));
    lines.add("hats_version", "v1.0").add("hats_builder", written.builder);
    lines.add_if("obs_title", written.title).add_if("obs_description", written.description);
    lines.0
}

/// The text of `collection.properties`.
pub(crate) fn collection(written: &WrittenCollection<'_>) -> String {
    let mut lines = Lines::new("HATS Collection");
    lines.add("obs_collection", written.name);
    lines.add("hats_primary_table_url", written.primary);
    lines.add_if("all_margins", written.margin).add_if("default_margin", written.margin);
    if let Some((first, _)) = written.indexes.first() {
        let pairs = written.indexes.iter().map(|(column, folder)| format!("{column} {folder}"));
        lines.add("all_indexes", &pairs.collect::<Vec<_>>().join(" "));
        lines.add("default_index", first);
    }
    lines.add("hats_version", "v1.0").add("hats_builder", written.builder);
    lines.0
}

#[cfg(test)]
mod tests {
    use super::super::collection::Collection;
    use super::super::properties::{Kind, Properties};
    use super::{Written, WrittenCollection, collection, table};

    #[test]
    fn what_is_written_reads_back() {
        let described = " two\nlines = \\ and : more";
        let text = table(&Written {
            name: "t",
            kind: Kind::Object,
            rows: 7,
            bytes: 1,
            position: Some(("lon", "lat")),
            spatial_index: "_healpix_29",
            primary: None,
            tiles: &[],
            coverage: None,
            title: None,
            description: Some(described),
            builder: "x",
        });
        let read = Properties::parse("t", &text).table().unwrap();
        assert_eq!((read.kind, read.rows), (Kind::Object, Some(7)));
        assert_eq!((read.ra.as_deref(), read.dec.as_deref()), (Some("lon"), Some("lat")));
        assert_eq!(read.description.as_deref(), Some(described));
    }

    #[test]
    fn collections_read_back() {
        let indexes = [("id".to_owned(), "t_id".to_owned()), ("b".to_owned(), "t_b".to_owned())];
        let text = collection(&WrittenCollection {
            name: "t",
            primary: "t",
            margin: Some("t_5arcs"),
            indexes: &indexes,
            builder: "x",
        });
        let read = Collection::parse("t", &text).unwrap();
        assert_eq!((read.primary.as_str(), read.margins), ("t", vec!["t_5arcs".to_owned()]));
        assert_eq!(read.indexes, ["t_id", "t_b"]);
    }
}
