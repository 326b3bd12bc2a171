//! The parameter UPLOAD: `name,param:part` and `name,http://…` (DALI 1.1 §3.4.5).
//!
//! Several tables come in one value with `;` between them, as TAP 1.0 had it and clients send it,
//! or in several parameters, as DALI has it.

use std::fmt;

use url::Url;

use super::{Error, TABLES_MAX};

/// A table that a query brings.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Wanted {
    /// Its name in the schema `TAP_UPLOAD`.
    pub name: String,
    /// Where it is.
    pub place: Place,
}

/// Where an upload is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Place {
    /// In the part of the form that has this name.
    Part(String),
    /// Where a URL leads.
    Url(Url),
}

impl fmt::Display for Wanted {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.place {
            Place::Part(part) => write!(f, "{},param:{part}", self.name),
            Place::Url(url) => write!(f, "{},{url}", self.name),
        }
    }
}

impl Wanted {
    /// The tables that the values of the parameter name.
    ///
    /// # Errors
    /// When one is not written as it has to be, or a name is not one or comes twice.
    pub fn all<'a>(values: impl IntoIterator<Item = &'a str>) -> Result<Vec<Self>, Error> {
        let mut all: Vec<Self> = Vec::new();
        for text in values.into_iter().flat_map(pairs) {
            let wanted = Self::parse(&text)?;
            if all.iter().any(|other| other.name.eq_ignore_ascii_case(&wanted.name)) {
                return Err(Error::Twice { name: wanted.name });
            }
            all.push(wanted);
        }
        if all.len() > TABLES_MAX {
            return Err(Error::TooMany { count: all.len(), max: TABLES_MAX });
        }
        Ok(all)
    }

    fn parse(text: &str) -> Result<Self, Error> {
        let syntax = || Error::Syntax { text: text.trim().to_owned() };
        let (name, from) = text.split_once(',').ok_or_else(syntax)?;
        let (name, from) = (name.trim(), from.trim());
        let is_regular = name.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'_')
            && name.starts_with(|first: char| first.is_ascii_alphabetic());
        if !is_regular || name.len() > 100 {
            return Err(Error::Name { name: name.to_owned() });
        }
        let (scheme, rest) = from.split_once(':').ok_or_else(syntax)?;
        let place = match scheme.to_ascii_lowercase().as_str() {
            "param" => Place::Part(rest.trim().to_owned()),
            "http" | "https" => Place::Url(Url::parse(from).map_err(|error| Error::Url {
                name: name.to_owned(),
                url: from.to_owned(),
                reason: error.to_string(),
            })?),
            _ => {
                let reason = "give a part of the form by param:, or a URL by http or https";
                let (name, url) = (name.to_owned(), from.to_owned());
                return Err(Error::Url { name, url, reason: reason.to_owned() });
            }
        };
        Ok(Self { name: name.to_owned(), place })
    }
}

/// The pairs of a value. A URL may have semicolons: a pair begins where a comma and a scheme follow.
fn pairs(value: &str) -> Vec<String> {
    let mut pairs: Vec<String> = Vec::new();
    for piece in value.split(';') {
        let after = piece.split_once(',').map(|(_, after)| after.trim_start());
        let begins = after.and_then(|after| after.split_once(':')).is_some_and(|(scheme, _)| {
            !scheme.is_empty() && scheme.bytes().all(|byte| byte.is_ascii_alphanumeric())
        });
        match pairs.last_mut() {
            Some(last) if !begins && !piece.trim().is_empty() => {
                last.push(';');
                last.push_str(piece);
            }
            _ => pairs.push(piece.to_owned()),
        }
    }
    pairs.retain(|pair| !pair.trim().is_empty());
    pairs
}
