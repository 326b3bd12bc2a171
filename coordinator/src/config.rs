//! Settings: one table of keys, read from a TOML file, the environment and flags.
//!
//! Precedence: default < TOML file < environment < flag. Every key of [`KEYS`] is a flag
//! (`--max-rows`), a TOML key (`max_rows`) and an environment variable (`ARMILLA_MAX_ROWS`); the
//! command line, its help and the reference in `deploy/` are derived from the table.
//! A TOML key that is none is an error; an environment variable that is none is a warning, because
//! platforms put variables of their own there (Kubernetes sets `ARMILLA_PORT` for a service of
//! that name).

mod command;
mod key;
mod value;

use std::collections::BTreeMap;
use std::fmt;
use std::path::Path;
use std::str::FromStr;

use figment::providers::{Format as _, Serialized, Toml};
use figment::value::{Dict, Map, Value};
use figment::{Figment, Metadata, Profile, Provider};

pub use command::Command;
pub use key::{KEYS, Key, key};
pub use value::{Bytes, BytesOrNone, Directives, Duration, List, OneOf, Rows, Urls};

/// What the environment variables of settings begin with.
pub const ENVIRONMENT_PREFIX: &str = "ARMILLA_";

/// The environment variable, and the flag, that names the TOML file.
pub const FILE: &str = "config";

/// What is wrong with the settings.
#[expect(clippy::error_impl_error, reason = "named by its module: config::Error")]
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// The file cannot be read.
    #[error("cannot read the configuration file {path}: {source}")]
    Read {
        /// The file.
        path: String,
        /// What the system answered.
        source: std::io::Error,
    },
    /// The file is not TOML.
    #[error("the configuration file {path} is not TOML: {message}")]
    Toml {
        /// The file.
        path: String,
        /// What the parser says, with the line.
        message: String,
    },
    /// No such key.
    #[error("unknown key {key} in {source_name}; the keys are {}", names())]
    UnknownKey {
        /// The key as written.
        key: String,
        /// Where it was written.
        source_name: String,
    },
    /// A value that the key cannot have.
    #[error("{key} = {value} ({source_name}) is not {wanted}")]
    Value {
        /// The key.
        key: &'static str,
        /// The value as written.
        value: String,
        /// Where it was written.
        source_name: String,
        /// What would work.
        wanted: &'static str,
    },
    /// A setting without default was not given.
    #[error(
        "{} is missing: give --{}, {} or {} in the configuration file ({})",
        key.name,
        key.flag,
        key.variable(),
        key.name,
        key.help
    )]
    Missing {
        /// The key.
        key: &'static Key,
    },
}

fn names() -> String {
    KEYS.iter().map(|key| key.name).collect::<Vec<_>>().join(", ")
}

/// A value and where it comes from.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Setting {
    value: String,
    source: String,
}

/// The settings as given, by key; defaults are in [`KEYS`].
#[derive(Debug, Clone)]
pub struct Settings {
    command: Command,
    given: BTreeMap<String, Setting>,
    unknown_variables: Vec<String>,
}

/// Values of one source, all as text.
struct Layer {
    name: &'static str,
    values: BTreeMap<String, String>,
}

impl Provider for Layer {
    fn metadata(&self) -> Metadata {
        Metadata::named(self.name)
    }

    fn data(&self) -> Result<Map<Profile, Dict>, figment::Error> {
        Serialized::defaults(&self.values).data()
    }
}

impl Settings {
    /// Merges for a command a file, if one is named, the environment and the flags.
    ///
    /// # Errors
    /// When the file cannot be read or has an unknown key.
    pub fn read(
        command: Command,
        file: Option<&Path>,
        environment: impl IntoIterator<Item = (String, String)>,
        flags: BTreeMap<String, String>,
    ) -> Result<Self, Error> {
        let (variables, unknown_variables) = variables(environment);
        let mut figment = Figment::new();
        if let Some(path) = file {
            // figment takes a file that is not there for an empty one.
            std::fs::metadata(path)
                .and_then(|_| std::fs::File::open(path).map(drop))
                .map_err(|source| Error::Read { path: path.display().to_string(), source })?;
            figment = figment.merge(Toml::file_exact(path));
        }
        let figment = figment
            .merge(Layer { name: "environment", values: variables })
            .merge(Layer { name: "flag", values: flags });
        let values: Dict = figment.extract().map_err(|error| Error::Toml {
            path: file.map_or_else(String::new, |path| path.display().to_string()),
            message: error.to_string(),
        })?;
        let mut given = BTreeMap::new();
        for (name, value) in values {
            let source = source_name(&figment, &name);
            let Some(known) = key(&name) else {
                return Err(Error::UnknownKey { key: name, source_name: source });
            };
            let Some(text) = text(&value) else {
                let value = format!("{value:?}");
                let wanted = "a text, a number, true, false or a list of them";
                return Err(Error::Value { key: known.name, value, source_name: source, wanted });
            };
            given.insert(name, Setting { value: text, source });
        }
        Ok(Self { command, given, unknown_variables })
    }

    /// Environment variables with our prefix that set nothing.
    pub fn unknown_variables(&self) -> &[String] {
        &self.unknown_variables
    }

    /// The value of a key, its default where it was not given; none where it has neither.
    ///
    /// # Errors
    /// When the value is not of the type.
    pub fn get<T: FromStr>(&self, name: &'static str) -> Result<Option<T>, Error> {
        let known = key(name).expect("the code asks for keys of the table");
        let Some((value, source_name)) = self.text(known) else { return Ok(None) };
        match value.parse() {
            Ok(value) => Ok(Some(value)),
            Err(_) => Err(Error::Value {
                key: known.name,
                value: value.to_owned(),
                source_name: source_name.to_owned(),
                wanted: known.wanted,
            }),
        }
    }

    /// Whether a key was given a value, be it that of its default.
    pub fn is_given(&self, name: &'static str) -> bool {
        self.given.contains_key(name)
    }

    /// The value of a key that must have one.
    ///
    /// # Errors
    /// When it has none, or one that is not of the type.
    pub fn require<T: FromStr>(&self, name: &'static str) -> Result<T, Error> {
        let known = key(name).expect("the code asks for keys of the table");
        self.get(name)?.ok_or(Error::Missing { key: known })
    }

    /// Says that the value of a key is none of those that it may have.
    pub fn wrong(&self, name: &'static str) -> Error {
        let known = key(name).expect("the code asks for keys of the table");
        let (value, source_name) = self.text(known).unwrap_or_default();
        Error::Value {
            key: known.name,
            value: value.to_owned(),
            source_name: source_name.to_owned(),
            wanted: known.wanted,
        }
    }

    /// The value that counts, and where it comes from.
    fn text(&self, key: &Key) -> Option<(&str, &str)> {
        if let Some(setting) = self.given.get(key.name) {
            return Some((&setting.value, &setting.source));
        }
        let default = key.default_for(self.command);
        (!default.is_empty()).then_some((default, "default"))
    }
}

/// Shows the settings that count for the command, in the order of the table, as
/// `key=value (source)`; passwords in URLs are left out.
impl fmt::Display for Settings {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut separator = "";
        for key in KEYS.iter().filter(|key| key.commands.contains(&self.command)) {
            let Some((value, source)) = self.text(key) else { continue };
            write!(f, "{separator}{}={} ({source})", key.name, value::without_password(value))?;
            separator = ", ";
        }
        Ok(())
    }
}

/// Splits the variables with our prefix into those that set a key and the names of the others.
fn variables(
    environment: impl IntoIterator<Item = (String, String)>,
) -> (BTreeMap<String, String>, Vec<String>) {
    let mut known = BTreeMap::new();
    let mut unknown = Vec::new();
    for (variable, value) in environment {
        let Some(name) = variable.strip_prefix(ENVIRONMENT_PREFIX) else { continue };
        let name = name.to_ascii_lowercase();
        if key(&name).is_some() {
            known.insert(name, value);
        } else if name != FILE {
            unknown.push(variable);
        }
    }
    (known, unknown)
}

/// Where a value comes from, for people.
fn source_name(figment: &Figment, name: &str) -> String {
    let Some(metadata) = figment.find_metadata(name) else { return "default".to_owned() };
    if let Some(path) = metadata.source.as_ref().and_then(|source| source.file_path()) {
        return path.display().to_string();
    }
    match metadata.name.as_ref() {
        "environment" => format!("{ENVIRONMENT_PREFIX}{}", name.to_ascii_uppercase()),
        "flag" => format!("--{}", name.replace('_', "-")),
        other => other.to_owned(),
    }
}

/// A value as text; lists are joined by commas.
fn text(value: &Value) -> Option<String> {
    match value {
        Value::String(_, text) => Some(text.clone()),
        Value::Char(_, letter) => Some(letter.to_string()),
        Value::Bool(_, flag) => Some(flag.to_string()),
        Value::Num(_, number) => match (number.to_u128(), number.to_i128(), number.to_f64()) {
            (Some(number), _, _) => Some(number.to_string()),
            (_, Some(number), _) => Some(number.to_string()),
            (_, _, number) => number.map(|number| number.to_string()),
        },
        Value::Array(_, values) => {
            values.iter().map(text).collect::<Option<Vec<_>>>().map(|texts| texts.join(","))
        }
        Value::Empty(..) | Value::Dict(..) => None,
    }
}
