//! Frames of coordinates and scales of times in `table.toml`, and the words that they may use.

use adql::system::{FRAMES, OLD_FRAMES};
use adql::{CoordinateSystem, TimeSystem};
use serde::{Deserialize, Deserializer, Serialize};

/// Terms of the IVOA vocabulary `timescale`.
const SCALES: [&str; 9] = ["TAI", "TT", "UT", "UTC", "GPS", "TCG", "TCB", "TDB", "UNKNOWN"];

/// Terms of the IVOA vocabulary `refposition`.
const REFPOSITIONS: [&str; 6] =
    ["TOPOCENTER", "GEOCENTER", "BARYCENTER", "HELIOCENTER", "EMBARYCENTER", "UNKNOWN"];

/// The Julian date of MJD 0.
pub(crate) const MJD_ORIGIN: f64 = 2_400_000.5;

/// The frame of some columns.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct FrameMetadata {
    /// Term of the IVOA vocabulary `refframe`.
    pub system: String,
    /// For which equinox the axes are, as `J2000`.
    #[serde(default, skip_serializing_if = "Option::is_none", deserialize_with = "year")]
    pub equinox: Option<String>,
    /// For when the positions hold, as `J2016.0`; a mere number is a Julian year.
    #[serde(default, skip_serializing_if = "Option::is_none", deserialize_with = "year")]
    pub epoch: Option<String>,
    /// From where, by the IVOA vocabulary `refposition`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub refposition: Option<String>,
    /// Its columns; without any, those of the position by which the table is searched.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub columns: Vec<String>,
}

/// The scale of some columns with times.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct TimeMetadata {
    /// Term of the IVOA vocabulary `timescale`.
    pub scale: String,
    /// Where the times hold, by the IVOA vocabulary `refposition`.
    #[serde(default = "unknown")]
    pub refposition: String,
    /// The Julian date that is zero, where the times are numbers: a number, `MJD` or `JD`.
    #[serde(default, skip_serializing_if = "Option::is_none", deserialize_with = "origin")]
    pub origin: Option<f64>,
    /// Its columns.
    pub columns: Vec<String>,
}

fn unknown() -> String {
    "UNKNOWN".to_owned()
}

/// A number, or a text that stands for one.
#[derive(Deserialize)]
#[serde(untagged)]
enum NumberOrText {
    Number(f64),
    Text(String),
}

fn year<'de, D: Deserializer<'de>>(from: D) -> Result<Option<String>, D::Error> {
    Ok(Some(match NumberOrText::deserialize(from)? {
        NumberOrText::Number(year) => format!("J{year:?}"),
        NumberOrText::Text(year) => year,
    }))
}

fn origin<'de, D: Deserializer<'de>>(from: D) -> Result<Option<f64>, D::Error> {
    match NumberOrText::deserialize(from)? {
        NumberOrText::Number(date) => Ok(Some(date)),
        NumberOrText::Text(text) => time_origin(&text).map(Some).ok_or_else(|| {
            let reason = format!("origin = \"{text}\" is no Julian date: give a number, MJD or JD");
            serde::de::Error::custom(reason)
        }),
    }
}

/// The Julian date that a `timeorigin` names (VOTable 1.4 §3.2).
pub(crate) fn time_origin(text: &str) -> Option<f64> {
    match text.trim() {
        "MJD" | "MJD-origin" => Some(MJD_ORIGIN),
        "JD" | "JD-origin" => Some(0.0),
        number => number.parse().ok().filter(|date: &f64| date.is_finite()),
    }
}

fn term<'a>(what: &str, text: &'a str, known: &[&str]) -> Result<&'a str, String> {
    if known.contains(&text) {
        return Ok(text);
    }
    let near = known.iter().find(|term| term.eq_ignore_ascii_case(text));
    let advice = match near {
        Some(near) => format!("did you mean {near}?"),
        None => format!("give one of {}", known.join(", ")),
    };
    Err(format!("{what} = \"{text}\" is no term of its IVOA vocabulary: {advice}"))
}

/// The year of an equinox or epoch as VOTable writes it: `[JB]?[0-9]+([.][0-9]*)?`.
fn checked_year(what: &str, text: &str) -> Result<String, String> {
    let digits = text.strip_prefix(['J', 'B']).unwrap_or(text);
    let (whole, part) = digits.split_once('.').unwrap_or((digits, ""));
    let are_digits = |text: &str| text.bytes().all(|byte| byte.is_ascii_digit());
    if whole.is_empty() || !are_digits(whole) || !are_digits(part) {
        return Err(format!("{what} = \"{text}\" is no year: give it as J2016.0 or B1950"));
    }
    Ok(text.to_owned())
}

impl FrameMetadata {
    /// A frame of no columns yet.
    pub(crate) fn of(system: &CoordinateSystem) -> Self {
        Self {
            system: system.frame.clone(),
            equinox: system.equinox.clone(),
            epoch: system.epoch.clone(),
            refposition: system.refposition.clone(),
            columns: Vec::new(),
        }
    }

    /// The frame, if its words are those of the standard.
    pub(crate) fn system(&self) -> Result<CoordinateSystem, String> {
        let year = |what, year: &Option<String>| {
            year.as_deref().map(|year| checked_year(what, year.trim())).transpose()
        };
        let refposition = self.refposition.as_deref();
        let refposition = refposition.map(|text| term("refposition", text.trim(), &REFPOSITIONS));
        Ok(CoordinateSystem {
            frame: term("system", self.system.trim(), &[&FRAMES[..], &OLD_FRAMES].concat())?
                .to_owned(),
            equinox: year("equinox", &self.equinox)?,
            epoch: year("epoch", &self.epoch)?,
            refposition: refposition.transpose()?.map(str::to_owned),
        })
    }

    /// Whether degrees of it can be taken for those of ICRS, by which the sky is searched: FK5
    /// differs by hundredths of an arcsecond.
    pub(crate) fn is_searchable(&self) -> bool {
        ["ICRS", "FK5", "eq_FK5", "EQUATORIAL", "UNKNOWN"].contains(&self.system.trim())
            && !self.equinox.as_deref().is_some_and(|year| {
                let year = year.trim().trim_start_matches(['J', 'B']);
                year.parse::<f64>().is_ok_and(|year| (year - 2000.0).abs() > 0.1)
            })
    }
}

impl TimeMetadata {
    /// A scale of no columns yet.
    pub(crate) fn of(system: &TimeSystem) -> Self {
        Self {
            scale: system.scale.clone(),
            refposition: system.refposition.clone(),
            origin: system.origin,
            columns: Vec::new(),
        }
    }

    /// The scale, if its words are those of the standard.
    pub(crate) fn system(&self) -> Result<TimeSystem, String> {
        let origin = self.origin.filter(|date| !date.is_finite());
        if let Some(origin) = origin {
            return Err(format!("origin = {origin} is no Julian date"));
        }
        Ok(TimeSystem {
            scale: term("scale", self.scale.trim(), &SCALES)?.to_owned(),
            refposition: term("refposition", self.refposition.trim(), &REFPOSITIONS)?.to_owned(),
            origin: self.origin,
        })
    }
}
