//! Where data come from, who may use them, and how they are cited.

use serde::{Deserialize, Serialize};

/// Who made a table, and what a user of it should name.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Origin {
    /// Release or version of the data, as `DR3`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub release: Option<String>,
    /// When it was published, as `2022-06-13`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub date: Option<String>,
    /// Who made the data.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub creators: Vec<String>,
    /// Who publishes them here.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub publisher: Option<String>,
    /// Whom to ask: an address of mail, or a URL.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub contact: Option<String>,
    /// Who may use the data for what, in words.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub rights: Option<String>,
    /// The licence: its URL, or its name.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub license: Option<String>,
    /// DOI of the data, as `10.1234/abc`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub doi: Option<String>,
    /// Another identifier by which the data are cited, as a bibcode.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub citation: Option<String>,
    /// Bibcode or DOI of the article that describes the data.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub article: Option<String>,
    /// A page about the data.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub url: Option<String>,
}

impl Origin {
    /// Whether nothing is said.
    pub fn is_empty(&self) -> bool {
        *self == Self::default()
    }

    /// What is said here, and of the rest what is said there.
    #[must_use]
    pub fn over(self, there: Self) -> Self {
        Self {
            release: self.release.or(there.release),
            date: self.date.or(there.date),
            creators: if self.creators.is_empty() { there.creators } else { self.creators },
            publisher: self.publisher.or(there.publisher),
            contact: self.contact.or(there.contact),
            rights: self.rights.or(there.rights),
            license: self.license.or(there.license),
            doi: self.doi.or(there.doi),
            citation: self.citation.or(there.citation),
            article: self.article.or(there.article),
            url: self.url.or(there.url),
        }
    }

    /// Names and values as documents of results have them (the note Data Origin in the VO 1.1 §3,
    /// and `citation` of DALI 1.1 §4.4.3).
    pub fn terms(&self) -> Vec<(&'static str, String)> {
        let is_url = |text: &String| text.contains("://");
        let doi = self.doi.as_ref().map(|doi| format!("doi:{}", bare_doi(doi)));
        let (link, name) = match &self.license {
            Some(license) if is_url(license) => (Some(license.clone()), None),
            other => (None, other.clone()),
        };
        let single = [
            ("publisher", self.publisher.clone()),
            ("contact", self.contact.clone()),
            ("citation", doi),
            ("citation", self.citation.clone()),
            ("article", self.article.clone()),
            ("reference_url", self.url.clone()),
            ("resource_version", self.release.clone()),
            ("rights_uri", link),
            ("rights", name),
            ("rights", self.rights.clone()),
            ("publication_date", self.date.clone()),
        ];
        let single = single.into_iter().filter_map(|(name, value)| Some((name, value?)));
        single.chain(self.creators.iter().map(|creator| ("creator", creator.clone()))).collect()
    }

    /// Takes a fact by the name that [`Origin::terms`] gives it; what was said before stays.
    pub(crate) fn take(&mut self, name: &str, value: &str) {
        let value = value.trim();
        if value.is_empty() {
            return;
        }
        let place = match name.to_ascii_lowercase().as_str() {
            "publisher" => &mut self.publisher,
            "contact" => &mut self.contact,
            "citation" if is_doi(value) => &mut self.doi,
            "citation" => &mut self.citation,
            "article" => &mut self.article,
            "reference_url" => &mut self.url,
            "resource_version" => &mut self.release,
            "rights_uri" => &mut self.license,
            "rights" => &mut self.rights,
            "publication_date" => &mut self.date,
            "creator" => {
                if !self.creators.iter().any(|creator| creator == value) {
                    self.creators.push(value.to_owned());
                }
                return;
            }
            _ => return,
        };
        let text = if is_doi(value) { bare_doi(value) } else { value };
        place.get_or_insert_with(|| text.to_owned());
    }
}

/// Whether a text is a DOI, however it is introduced.
pub(crate) fn is_doi(text: &str) -> bool {
    let bare = bare_doi(text);
    bare.starts_with("10.") && bare.split_once('/').is_some_and(|(_, name)| !name.is_empty())
}

/// A DOI without what is put before it.
fn bare_doi(text: &str) -> &str {
    let known = ["doi:", "DOI:", "https://doi.org/", "http://doi.org/", "https://dx.doi.org/"];
    known.iter().find_map(|start| text.trim().strip_prefix(start)).unwrap_or(text).trim()
}

#[cfg(test)]
mod tests {
    use super::Origin;

    #[test]
    fn what_documents_say_is_what_is_read_of_them() {
        let origin = Origin {
            release: Some("DR3".to_owned()),
            creators: vec!["A. Star".to_owned(), "B. Sky".to_owned()],
            license: Some("https://creativecommons.org/licenses/by/4.0/".to_owned()),
            doi: Some("10.1234/abc".to_owned()),
            citation: Some("2022yCat.1355....0G".to_owned()),
            contact: Some("help@example.org".to_owned()),
            ..Origin::default()
        };
        let mut read = Origin::default();
        for (name, value) in origin.terms() {
            read.take(name, &value);
        }
        assert_eq!(read, origin);
        assert!(origin.terms().contains(&("citation", "doi:10.1234/abc".to_owned())));
    }
}
