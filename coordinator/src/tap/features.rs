//! The optional features of ADQL that run here, as `/capabilities` declares them (ADQL 2.1 §4).
//!
//! Functions come from the registry of `adql`; operators and clauses are listed here. What is not
//! declared, clients must not use; what is declared runs, and a test tries each.

use std::sync::Arc;

use adql::Macro;
use adql::function::functions;

/// The name space of the types of features. Mixed case, as clients compare it (Firefly).
const TYPES: &str = "ivo://ivoa.net/std/TAPRegExt#features-";

/// A feature in the form that its type prescribes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Feature {
    /// The last part of the identifier of its type: `udf`, `adqlgeo`, ….
    pub group: &'static str,
    /// The formal notation: a signature for `udf`, else a word.
    pub form: String,
    /// One line for humans.
    pub description: String,
}

impl Feature {
    /// The identifier of its type.
    pub fn type_id(&self) -> String {
        format!("{TYPES}{}", self.group)
    }
}

/// Groups by the section of ADQL 2.1 that defines them, with the clauses and operators that are
/// no functions.
const GROUPS: [(&str, &str, &[&str]); 8] = [
    ("adqlgeo", "ADQL 2.1 §4.2.", &[]),
    ("adql-string", "ADQL 2.1 §4.4.", &["ILIKE"]),
    ("adql-sets", "ADQL 2.1 §4.6.", &["UNION", "EXCEPT", "INTERSECT"]),
    ("adql-common-table", "ADQL 2.1 §4.5.", &["WITH"]),
    ("adql-type", "ADQL 2.1 §4.7.", &[]),
    ("adql-conditional", "ADQL 2.1 §4.8.", &[]),
    ("adql-unit", "ADQL 2.1 §4.9.", &[]),
    ("adql-offset", "ADQL 2.1 §4.10.", &["OFFSET"]),
];

/// What `ivo_simbadpoint` does.
pub(super) const SIMBADPOINT: &str =
    "where the object of this name is, as Simbad knows it; the name is a text in quotes";

/// Everything that is declared, grouped: of the functions of users, the macros of an operator last.
/// `ivo_simbadpoint` is there where names can be asked for.
pub fn declared_features(macros: &[Arc<Macro>], has_names: bool) -> Vec<Feature> {
    let mut features = Vec::new();
    for function in functions() {
        let own = function.forms.iter().map(|form| (*form).to_owned());
        let others = function.aliases.iter().flat_map(|alias| {
            // An alias is called as the function is.
            let renamed =
                move |form: &&str| form.find('(').map(|at| alias.to_lowercase() + &form[at..]);
            function.forms.iter().filter_map(renamed)
        });
        features.extend(own.chain(others).map(|form| Feature {
            group: "udf",
            form,
            description: function.description.to_owned(),
        }));
    }
    if has_names {
        features.extend(["ivo", "gavo"].map(|of| Feature {
            group: "udf",
            form: format!("{of}_simbadpoint(identifier VARCHAR) -> POINT"),
            description: SIMBADPOINT.to_owned(),
        }));
    }
    features.extend(macros.iter().map(|defined| Feature {
        group: "udf",
        form: defined.signature(),
        description: defined.description.clone().unwrap_or_default(),
    }));
    for (group, section, words) in GROUPS {
        features.extend(functions().filter(|f| f.section.starts_with(section)).map(|f| {
            let description = f.description.to_owned();
            Feature { group, form: f.name.to_owned(), description }
        }));
        features.extend(words.iter().map(|word| Feature {
            group,
            form: (*word).to_owned(),
            description: String::new(),
        }));
    }
    features
}
