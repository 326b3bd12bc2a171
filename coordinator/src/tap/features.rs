//! The optional features of ADQL that run here, as `/capabilities` declares them (ADQL 2.1 §4).
//!
//! Functions come from the registry of `adql`; operators and clauses are listed here. What is not
//! declared, clients must not use; what is declared runs, and a test tries each.

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
const GROUPS: [(&str, &str, &[&str]); 7] = [
    ("adqlgeo", "ADQL 2.1 §4.2.", &[]),
    ("adql-string", "ADQL 2.1 §4.4.", &["ILIKE"]),
    ("adql-sets", "ADQL 2.1 §4.6.", &["UNION", "EXCEPT", "INTERSECT"]),
    ("adql-common-table", "ADQL 2.1 §4.5.", &["WITH"]),
    ("adql-type", "ADQL 2.1 §4.7.", &[]),
    ("adql-conditional", "ADQL 2.1 §4.8.", &[]),
    ("adql-offset", "ADQL 2.1 §4.10.", &["OFFSET"]),
];

/// The typed signatures that `TAPRegExt` 1.0 §2.3 wants of user-defined functions.
const SIGNATURES: [(&str, &[&str]); 2] = [
    (
        "IVO_HEALPIX_INDEX",
        &[
            "ivo_healpix_index(hpxOrder INTEGER, long DOUBLE, lat DOUBLE) -> BIGINT",
            "ivo_healpix_index(hpxOrder INTEGER, p POINT) -> BIGINT",
        ],
    ),
    (
        "IVO_EPOCH_PROP_POS",
        &["ivo_epoch_prop_pos(ra DOUBLE, dec DOUBLE, parallax DOUBLE, pmra DOUBLE, pmdec DOUBLE, \
           radial_velocity DOUBLE, ref_epoch DOUBLE, out_epoch DOUBLE) -> POINT"],
    ),
];

/// Everything that is declared, grouped.
pub fn declared_features() -> Vec<Feature> {
    let mut features = Vec::new();
    for (name, forms) in SIGNATURES {
        let Some(function) = adql::function::lookup(name) else { continue };
        features.extend(forms.iter().map(|form| Feature {
            group: "udf",
            form: (*form).to_owned(),
            description: function.description.to_owned(),
        }));
    }
    for (group, section, words) in GROUPS {
        features.extend(functions().iter().filter(|f| f.section.starts_with(section)).map(|f| {
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
