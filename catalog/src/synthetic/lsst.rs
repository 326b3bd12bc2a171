//! The tables of the synthetic sky that have names, types and units of Rubin's Data Preview 1.
//!
//! Names, types, units and UCDs are those of the public schema; what is said of a column is ours.
//! Columns that DP1 has not (the spatial index, and what a detection says of its object) come
//! first and last.

mod ccd_visit;
mod detection;
mod dia_object;
mod dia_source;
mod drawn;
mod families;
mod forced_source;
mod object;
mod source;
mod visit;

use std::fmt;
use std::str::FromStr;

use super::object::VARIABLE;
use super::rows::{Rows, RowsOf};
use super::{Sky, camera};
use crate::Error;
use crate::metadata::{KeyMetadata, PositionMetadata, TableMetadata};
use crate::write::{TableKind, WriteOptions};

/// Names of the filters.
const FILTERS: [&str; 6] = ["u_24", "g_6", "r_57", "i_39", "z_20", "y_10"];

/// A table of the survey.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Table {
    /// Objects in all images together.
    Object,
    /// What each visit detects, by itself.
    Source,
    /// What each visit measures at the place of each object that it covers.
    ForcedSource,
    /// Objects that were seen to change.
    DiaObject,
    /// What each visit detects in the difference to the average.
    DiaSource,
    /// Images of the whole camera.
    Visit,
    /// Images of each detector.
    CcdVisit,
}

/// Which columns of a table are made.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Columns {
    /// All.
    All,
    /// So many, those of a first look first; at least 3.
    First(usize),
    /// These, and id and position in any case.
    Named(Vec<String>),
}

impl Table {
    /// All of them, parents before their children.
    pub const ALL: [Self; 7] = [
        Self::Object,
        Self::Source,
        Self::ForcedSource,
        Self::DiaObject,
        Self::DiaSource,
        Self::Visit,
        Self::CcdVisit,
    ];

    /// What it is called.
    pub fn name(self) -> &'static str {
        match self {
            Self::Object => "object",
            Self::Source => "source",
            Self::ForcedSource => "forcedSource",
            Self::DiaObject => "diaObject",
            Self::DiaSource => "diaSource",
            Self::Visit => "visit",
            Self::CcdVisit => "ccdVisit",
        }
    }

    /// How its rows are made, with these of its columns.
    pub(super) fn rows(self, columns: &Columns) -> Result<Box<dyn Rows>, Error> {
        const DETECTION: [&str; 5] = ["objectRa", "objectDec", "ra", "dec", "visit"];
        Ok(match self {
            Self::Object => object::rows(&object::COLUMNS, columns)?,
            Self::Source => {
                let must = [["sourceId", "objectId"].as_slice(), &DETECTION].concat();
                let rows = RowsOf::chosen(&source::COLUMNS, columns, &[&must], source::rows)?;
                Box::new(rows.with_slack(detection::Row::slack))
            }
            Self::ForcedSource => {
                let must = ["objectId", "coord_ra", "coord_dec"];
                let make = forced_source::rows;
                Box::new(RowsOf::chosen(&forced_source::COLUMNS, columns, &[&must], make)?)
            }
            Self::DiaObject => {
                let must = ["diaObjectId", "ra", "dec"];
                let make = dia_object::rows;
                Box::new(RowsOf::chosen(&dia_object::COLUMNS, columns, &[&must], make)?)
            }
            Self::DiaSource => {
                let must = [["diaSourceId", "diaObjectId"].as_slice(), &DETECTION].concat();
                let make = dia_source::rows;
                let rows = RowsOf::chosen(&dia_source::COLUMNS, columns, &[&must], make)?;
                Box::new(rows.with_slack(detection::Row::slack))
            }
            Self::Visit => {
                let must = ["visit", "ra", "dec"];
                Box::new(RowsOf::chosen(&visit::COLUMNS, columns, &[&must], visit::rows)?)
            }
            Self::CcdVisit => {
                let must = ["ccdVisitId", "visitId", "ra", "dec"];
                Box::new(RowsOf::chosen(&ccd_visit::COLUMNS, columns, &[&must], ccd_visit::rows)?)
            }
        })
    }

    /// How many rows so many objects have, and so many visits of a part of the sky, more or less.
    #[expect(
        clippy::cast_precision_loss,
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        reason = "an estimate"
    )]
    pub(super) fn expected(self, sky: &Sky, objects: u64, visits: u64) -> u64 {
        // A camera covers three quarters of its field.
        let seen = 0.77 * f64::from(sky.visits) * objects as f64;
        match self {
            Self::Object => objects,
            Self::Source => (0.3 * seen) as u64,
            Self::ForcedSource => seen as u64,
            Self::DiaObject => (0.3 * VARIABLE * objects as f64) as u64,
            Self::DiaSource => (0.1 * VARIABLE * seen) as u64,
            Self::Visit => visits,
            Self::CcdVisit => visits * u64::from(camera::DETECTORS.unsigned_abs()),
        }
    }

    /// How it is written.
    pub(super) fn describe(self, options: &mut WriteOptions, schema: &str) {
        let (ra, dec) = match self {
            Self::Object | Self::ForcedSource => ("coord_ra", "coord_dec"),
            Self::Source | Self::DiaSource => ("objectRa", "objectDec"),
            Self::DiaObject | Self::Visit | Self::CcdVisit => ("ra", "dec"),
        };
        (options.ra, options.dec) = (ra.to_owned(), dec.to_owned());
        let indexes: &[&str] = match self {
            Self::Object => &["objectId"],
            Self::Source => &["sourceId", "objectId"],
            Self::ForcedSource => &["objectId"],
            Self::DiaObject => &["diaObjectId"],
            Self::DiaSource => &["diaSourceId", "diaObjectId"],
            Self::Visit => &["visit"],
            Self::CcdVisit => &["ccdVisitId", "visitId"],
        };
        options.indexes = indexes.iter().map(|name| (*name).to_owned()).collect();
        let few = ["tract", "patch", "visit", "detector"].into_iter();
        let few = few.filter(|name| options.metadata.columns.contains_key(*name));
        options.few_values = few.map(str::to_owned).collect();
        options.kind = match self {
            Self::Object | Self::DiaObject | Self::Visit | Self::CcdVisit => TableKind::Object,
            Self::Source | Self::ForcedSource | Self::DiaSource => TableKind::Source,
        };
        let metadata = &mut options.metadata;
        let (title, description) = self.said();
        metadata.title = Some(format!("{title} of a synthetic survey"));
        metadata.description = Some(format!("{description} Nothing of it exists."));
        if matches!(self, Self::Source | Self::DiaSource) {
            let (ra, dec) = ("ra".to_owned(), "dec".to_owned());
            metadata.position = Some(PositionMetadata { ra, dec, slack_arcsec: 0.0 });
        }
        let keys: &[(&str, &str, &str)] = match self {
            Self::Object | Self::DiaObject | Self::Visit => &[],
            Self::Source | Self::ForcedSource => {
                &[("objectId", "object", "objectId"), ("visit", "visit", "visit")]
            }
            Self::DiaSource => {
                &[("diaObjectId", "diaObject", "diaObjectId"), ("visit", "visit", "visit")]
            }
            Self::CcdVisit => &[("visitId", "visit", "visit")],
        };
        let has = |name: &str, metadata: &TableMetadata| metadata.columns.contains_key(name);
        for (column, table, target) in keys {
            if has(column, metadata) {
                metadata.keys.push(KeyMetadata {
                    target: format!("{schema}.{table}"),
                    columns: [((*column).to_owned(), (*target).to_owned())].into(),
                    tiled_with: (*table != Self::Visit.name()).then(|| (*table).to_owned()),
                    description: None,
                });
            }
        }
    }

    fn said(self) -> (&'static str, &'static str) {
        match self {
            Self::Object => ("Objects", "Stars and galaxies as all images together show them."),
            Self::Source => (
                "Sources",
                "What each visit detects with a signal of five errors. The rows lie with their \
                 object on disk.",
            ),
            Self::ForcedSource => {
                ("Forced sources", "What each visit measures at the place of each object.")
            }
            Self::DiaObject => (
                "Changing objects",
                "Objects whose difference to their average was detected, with statistics of \
                 their detections.",
            ),
            Self::DiaSource => (
                "Sources of difference images",
                "Where a visit differs from the average by five errors. The rows lie with their \
                 object on disk.",
            ),
            Self::Visit => ("Visits", "Images by the whole camera."),
            Self::CcdVisit => ("Images", "Images by single detectors, with their corners."),
        }
    }
}

impl fmt::Display for Table {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

impl FromStr for Table {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let found = Self::ALL.into_iter().find(|table| table.name().eq_ignore_ascii_case(text));
        found.ok_or_else(|| {
            let names = Self::ALL.map(Self::name).join(", ");
            format!("no table is called {text:?}: there are {names}")
        })
    }
}
