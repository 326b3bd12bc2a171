//! What a header says of a table as a whole: title, frame, time scale, and where it comes from
//! (FITS 4.0 §8.3, §9).

use super::column::FitsColumn;
use super::header::Header;
use crate::metadata::{
    self, ColumnMetadata, FrameMetadata, MJD_ORIGIN, Origin, TableMetadata, TimeMetadata, is_doi,
};

/// Before this year an equinox is one of FK4 (FITS 4.0 §8.3).
const FIRST_OF_FK5: f64 = 1984.0;

/// Everything that the header says.
pub(super) fn describe(header: &Header, columns: &[FitsColumn]) -> TableMetadata {
    let said = columns.iter().filter(|column| column.metadata != ColumnMetadata::default());
    TableMetadata {
        version: metadata::VERSION,
        title: header.text("EXTNAME").map(|name| name.trim().to_owned()),
        description: header.text("TITLE").or(header.text("DESCRIPT")).map(str::to_owned),
        origin: origin(header),
        columns: said.map(|c| (c.name.clone(), c.metadata.clone())).collect(),
        frames: frame(header, columns).into_iter().collect(),
        times: times(header, columns),
        ..TableMetadata::default()
    }
}

/// RADESYS and EQUINOX; of columns whose UCD is that of an equatorial position, or else of the
/// position, whichever columns that are.
fn frame(header: &Header, columns: &[FitsColumn]) -> Option<FrameMetadata> {
    let equinox = header.real("EQUINOX");
    let named = header.text("RADESYS").or(header.text("RADECSYS")).map(str::trim);
    let (system, letter) = match (named, equinox) {
        (Some("ICRS"), _) => ("ICRS", None),
        (Some("FK5"), _) => ("FK5", Some('J')),
        (Some("FK4" | "FK4-NO-E"), _) => ("FK4", Some('B')),
        (Some("GAPPT"), _) => ("geo_app", None),
        (Some(_), _) => ("UNKNOWN", None),
        (None, Some(year)) if year < FIRST_OF_FK5 => ("FK4", Some('B')),
        (None, Some(_)) => ("FK5", Some('J')),
        (None, None) => return None,
    };
    let is_equatorial = |column: &&FitsColumn| {
        column.metadata.ucd.as_deref().is_some_and(|ucd| ucd.trim().starts_with("pos.eq"))
    };
    Some(FrameMetadata {
        system: system.to_owned(),
        equinox: letter.zip(equinox).map(|(letter, year)| format!("{letter}{year:?}")),
        columns: columns.iter().filter(is_equatorial).map(|c| c.name.clone()).collect(),
        ..FrameMetadata::default()
    })
}

/// TIMESYS, TREFPOS and the date that is zero; of columns whose UCD is that of a time, or that are
/// named TIME.
fn times(header: &Header, columns: &[FitsColumn]) -> Vec<TimeMetadata> {
    let Some(scale) = header.text("TIMESYS") else { return Vec::new() };
    let scale = match scale.split('(').next().unwrap_or_default().trim() {
        "TDT" | "ET" => "TT",
        "IAT" => "TAI",
        "UT1" | "GMT" => "UT",
        known @ ("TAI" | "TT" | "UT" | "UTC" | "GPS" | "TCG" | "TCB" | "TDB") => known,
        _ => "UNKNOWN",
    };
    let refposition = match header.text("TREFPOS").map(|text| text.get(..8).unwrap_or(text)) {
        None | Some("TOPOCENT") => "TOPOCENTER",
        Some("GEOCENTE") => "GEOCENTER",
        Some("BARYCENT") => "BARYCENTER",
        Some("HELIOCEN") => "HELIOCENTER",
        Some("EMBARYCE") => "EMBARYCENTER",
        Some(_) => "UNKNOWN",
    };
    let is_time = |column: &&FitsColumn| {
        let ucd = column.metadata.ucd.as_deref().unwrap_or_default().trim();
        let is_moment = ["time.epoch", "time.start", "time.end"].iter().any(|w| ucd.starts_with(w));
        is_moment || column.name.eq_ignore_ascii_case("TIME")
    };
    let (texts, numbers): (Vec<&FitsColumn>, Vec<&FitsColumn>) =
        columns.iter().filter(is_time).partition(|column| column.cell.element.is_text());
    let of = |origin, columns: Vec<&FitsColumn>| TimeMetadata {
        scale: scale.to_owned(),
        refposition: refposition.to_owned(),
        origin,
        columns: columns.into_iter().map(|column| column.name.clone()).collect(),
    };
    let zero = zero(header).map(|zero| of(Some(zero), numbers));
    let moments = zero.into_iter().chain([of(None, texts)]);
    moments.filter(|time| !time.columns.is_empty()).collect()
}

/// The Julian date from which times are counted: of MJD 0, where the header names none. None
/// where it is a date that only a calendar knows.
fn zero(header: &Header) -> Option<f64> {
    let date = |whole: &str| {
        let parts = [format!("{whole}I"), format!("{whole}F")].map(|key| header.real(&key));
        match parts {
            [None, None] => header.real(whole),
            [days, part] => Some(days.unwrap_or(0.0) + part.unwrap_or(0.0)),
        }
    };
    match (date("MJDREF"), date("JDREF"), header.text("DATEREF")) {
        (Some(mjd), _, _) => Some(MJD_ORIGIN + mjd),
        (None, Some(jd), _) => Some(jd),
        (None, None, None) => Some(MJD_ORIGIN),
        (None, None, Some(_)) => None,
    }
}

fn origin(header: &Header) -> Origin {
    let text = |keyword: &str| header.text(keyword).map(|text| text.trim().to_owned());
    let reference = text("REFERENC");
    Origin {
        creators: text("AUTHOR").into_iter().collect(),
        publisher: text("ORIGIN"),
        license: text("LICENSE").or(text("LICENCE")),
        doi: text("DOI").filter(|doi| is_doi(doi)),
        article: reference,
        ..Origin::default()
    }
}
