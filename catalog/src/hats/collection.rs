//! `collection.properties`: a table with its margins and indexes in one folder (HATS 1.0 §3.5).

use super::properties::Properties;
use crate::Error;

/// Name of the file that makes a folder a collection.
pub(crate) const FILE_NAME: &str = "collection.properties";

/// The members of a collection, by the names of their folders.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Collection {
    /// The table whose rows the collection serves.
    pub(crate) primary: String,
    /// Its margins; the default one first.
    pub(crate) margins: Vec<String>,
    /// Its indexes; that of the default column first.
    pub(crate) indexes: Vec<String>,
}

impl Collection {
    /// Reads the text of the file at `path`.
    pub(crate) fn parse(path: &str, text: &str) -> Result<Self, Error> {
        let properties = Properties::parse(path, text);
        let words = |key: &str| -> Vec<String> {
            let value = properties.get(key).unwrap_or_default();
            value.split_whitespace().map(str::to_owned).collect()
        };
        let mut margins = words("all_margins");
        if let Some(default) = properties.get("default_margin") {
            margins.retain(|m| m != default);
            margins.insert(0, default.to_owned());
        }
        let pairs = words("all_indexes");
        if pairs.len() % 2 != 0 {
            let value = pairs.join(" ");
            let reason = format!("all_indexes={value} is not a list of pairs of column and folder");
            return Err(Error::malformed(&path, reason));
        }
        let default = properties.get("default_index");
        let mut indexes: Vec<(bool, String)> =
            pairs.chunks(2).map(|p| (Some(p[0].as_str()) != default, p[1].clone())).collect();
        indexes.sort_by_key(|(other, _)| *other);
        Ok(Self {
            primary: properties.require("hats_primary_table_url")?.trim_matches('/').to_owned(),
            margins,
            indexes: indexes.into_iter().map(|(_, folder)| folder).collect(),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::Collection;

    #[test]
    fn lists_members_with_the_defaults_first() {
        let c = Collection::parse(
            "c/collection.properties",
            "hats_primary_table_url=t/\nall_margins=m1 m2\ndefault_margin=m2\n\
             all_indexes=id t_id band t_band\ndefault_index=band\n",
        )
        .unwrap();
        assert_eq!(c.primary, "t");
        assert_eq!(c.margins, ["m2", "m1"]);
        assert_eq!(c.indexes, ["t_band", "t_id"]);
    }

    #[test]
    fn names_what_is_wrong() {
        let error = |text| Collection::parse("c/collection.properties", text).unwrap_err();
        assert_eq!(
            error("a=b").to_string(),
            "c/collection.properties: hats_primary_table_url is missing"
        );
        let odd = error("hats_primary_table_url=t\nall_indexes=id").to_string();
        assert!(odd.contains("all_indexes=id is not a list of pairs"), "{odd}");
    }
}
