//! The documents in which a result leaves: their names, and one streaming writer each.
//!
//! A writer takes Arrow batches and hands out chunks of bytes; it never holds more than a few batches,
//! for Parquet a few row groups. Rows are written on all cores, and leave in their order.
//! The media types and short names are those of DALI 1.1 §3.4.3; [`OFFERS`] is the only list of
//! them, from which requests are read and `/capabilities` is written.
//!
//! The default for VOTable is BINARY2: a third of the bytes of TABLEDATA and a fifth of its work,
//! and every client reads it. Text columns are `unicodeChar` in both, so that no client stumbles
//! over a letter beyond ASCII (astropy refuses it in a BINARY2 `char`).

pub(crate) mod cells;
pub(crate) mod csv;
pub mod datetime;
pub mod gzip;
mod in_order;
pub(crate) mod number;
mod parquet;
mod rows;
pub mod stream;
pub(crate) mod text;
pub mod votable;

pub use catalog::votable::Info;
pub(crate) use in_order::ahead_on;
pub use stream::{Document, encode};

/// What a result is written as.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Format {
    /// VOTable with rows as XML elements.
    VoTableTableData,
    /// VOTable with rows as base64 of the BINARY serialization, which has no NULL flags.
    VoTableBinary,
    /// VOTable with rows as base64 of the BINARY2 serialization.
    VoTableBinary2,
    /// Comma-separated values.
    Csv,
    /// Tab-separated values.
    Tsv,
    /// A table to be read by people.
    Text,
    /// A Parquet file with the metadata of `VOParquet`.
    Parquet,
}

impl Format {
    /// Whether a document of this format is a VOTable.
    pub fn is_votable(self) -> bool {
        matches!(self, Self::VoTableTableData | Self::VoTableBinary | Self::VoTableBinary2)
    }
}

/// A format as a request may name it.
#[derive(Debug, Clone, Copy)]
pub struct Offer {
    /// What is written.
    pub format: Format,
    /// The media type, canonically spelled.
    pub media_type: &'static str,
    /// Short names.
    pub aliases: &'static [&'static str],
    /// The `Content-Type` that answers a short name.
    pub content_type: &'static str,
    /// The key of `TAPRegExt` 1.0 §2.3 that names the serialization.
    pub ivo_id: Option<&'static str>,
}

/// Every format, the default first.
pub const OFFERS: [Offer; 10] = [
    Offer {
        format: Format::VoTableBinary2,
        media_type: "application/x-votable+xml",
        aliases: &["votable"],
        content_type: "application/x-votable+xml",
        ivo_id: None,
    },
    Offer {
        format: Format::VoTableBinary2,
        media_type: "application/x-votable+xml;serialization=BINARY2",
        aliases: &["votable/b2", "votable/binary2"],
        content_type: "application/x-votable+xml;serialization=BINARY2",
        ivo_id: Some("ivo://ivoa.net/std/TAPRegExt#output-votable-binary2"),
    },
    Offer {
        format: Format::VoTableBinary,
        media_type: "application/x-votable+xml;serialization=BINARY",
        aliases: &["votable/b", "votable/binary"],
        content_type: "application/x-votable+xml;serialization=BINARY",
        ivo_id: Some("ivo://ivoa.net/std/TAPRegExt#output-votable-binary"),
    },
    Offer {
        format: Format::VoTableTableData,
        media_type: "application/x-votable+xml;serialization=TABLEDATA",
        aliases: &["votable/td", "votable/tabledata"],
        content_type: "application/x-votable+xml;serialization=TABLEDATA",
        ivo_id: Some("ivo://ivoa.net/std/TAPRegExt#output-votable-td"),
    },
    Offer {
        format: Format::VoTableTableData,
        media_type: "text/xml",
        aliases: &[],
        content_type: "text/xml",
        ivo_id: None,
    },
    Offer {
        format: Format::Csv,
        media_type: "text/csv",
        aliases: &["csv"],
        content_type: "text/csv;header=present",
        ivo_id: None,
    },
    Offer {
        format: Format::Tsv,
        media_type: "text/tab-separated-values",
        aliases: &["tsv"],
        content_type: "text/tab-separated-values",
        ivo_id: None,
    },
    Offer {
        format: Format::Text,
        media_type: "text/plain",
        aliases: &["text"],
        content_type: "text/plain;charset=utf-8",
        ivo_id: None,
    },
    Offer {
        format: Format::Parquet,
        media_type: PARQUET,
        aliases: &["parquet"],
        content_type: PARQUET,
        ivo_id: None,
    },
    Offer {
        format: Format::Parquet,
        media_type: "application/x-parquet",
        aliases: &[],
        content_type: "application/x-parquet",
        ivo_id: None,
    },
];

/// The media type of Parquet, as registered and in DALI 1.2 §3.4.3.
const PARQUET: &str = "application/vnd.apache.parquet";

/// A format together with the `Content-Type` that answers the request for it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Requested {
    /// What to write.
    pub format: Format,
    /// The media type as the client gave it (DALI 1.1 §3.4.3), or the one of its short name.
    pub content_type: String,
}

impl Default for Requested {
    fn default() -> Self {
        Self { format: OFFERS[0].format, content_type: OFFERS[0].content_type.to_owned() }
    }
}

impl Requested {
    /// Reads the value of `RESPONSEFORMAT`; none where no such format is offered.
    ///
    /// Names are case-insensitive. A blank in a media type is a `+` that a client forgot to
    /// escape in its URL.
    pub fn parse(value: &str) -> Option<Self> {
        let value = value.trim();
        let by_alias = |offer: &&Offer| offer.aliases.iter().any(|a| a.eq_ignore_ascii_case(value));
        if let Some(offer) = OFFERS.iter().find(by_alias) {
            return Some(Self {
                format: offer.format,
                content_type: offer.content_type.to_owned(),
            });
        }
        let canonical = canonical(value);
        // What these say is so for every answer, so that they select nothing.
        let essential = canonical.replace(";header=present", "").replace(";charset=utf-8", "");
        let offer = OFFERS.iter().find(|o| canonical_eq(o.media_type, &essential))?;
        let content_type = if offer.media_type == "text/csv" && canonical == "text/csv" {
            offer.content_type.to_owned()
        } else {
            value.replace("x-votable xml", "x-votable+xml")
        };
        Some(Self { format: offer.format, content_type })
    }

    /// Every name that [`Self::parse`] reads, for messages.
    pub fn names() -> String {
        let names = OFFERS.iter().flat_map(|o| o.aliases.iter().copied().chain([o.media_type]));
        names.collect::<Vec<_>>().join(", ")
    }
}

fn canonical(value: &str) -> String {
    let lower = value.to_ascii_lowercase().replace("x-votable xml", "x-votable+xml");
    lower.chars().filter(|c| !c.is_whitespace() && *c != '"').collect()
}

fn canonical_eq(media_type: &str, canonical: &str) -> bool {
    media_type.eq_ignore_ascii_case(canonical)
}
