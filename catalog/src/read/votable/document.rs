//! The XML of a VOTable, piece by piece: tags with their attributes, and texts.
//!
//! Names are compared without their prefix, since documents name the namespace of every version,
//! or none. A document that declares Latin-1 is decoded; anything else is UTF-8.
//! Entities are those of XML itself: nothing that a document defines is expanded.

use std::borrow::Cow;
use std::io::BufRead;
use std::path::PathBuf;

use quick_xml::Reader;
use quick_xml::escape::resolve_xml_entity;
use quick_xml::events::{BytesRef, BytesStart, Event};

use crate::read::source::{Metered, Stream};
use crate::read::{Place, ReadError};

/// A start tag.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Tag {
    /// Local name, in capitals.
    pub(super) name: String,
    attributes: Vec<(String, String)>,
    /// Whether it ends itself.
    pub(super) is_empty: bool,
}

impl Tag {
    /// The value of an attribute, unless it is blank.
    pub(super) fn attribute(&self, name: &str) -> Option<&str> {
        let found = self.attributes.iter().find(|(key, _)| key == name)?;
        Some(found.1.trim()).filter(|value| !value.is_empty())
    }

    /// The value of an attribute as it stands.
    pub(super) fn raw_attribute(&self, name: &str) -> Option<&str> {
        self.attributes.iter().find(|(key, _)| key == name).map(|(_, value)| value.as_str())
    }
}

/// A piece of a document.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Piece {
    Start(Tag),
    Text(String),
    End,
    Eof,
}

/// A piece of the cells of TABLEDATA.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum CellPiece {
    /// A start tag with this role, and whether it ends itself.
    Start(CellTag, bool),
    /// Text was added to the cell.
    Text,
    /// An end tag.
    End(CellTag),
    /// A comment or the like.
    Nothing,
    Eof,
}

/// The tags that TABLEDATA consists of.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum CellTag {
    Row,
    Cell,
    TableData,
    Other,
}

impl CellTag {
    fn of(name: &[u8]) -> Self {
        match name {
            b"TD" => Self::Cell,
            b"TR" => Self::Row,
            b"TABLEDATA" => Self::TableData,
            _ => Self::Other,
        }
    }
}

/// A document that is being read.
pub(super) struct Document {
    file: PathBuf,
    reader: Reader<Metered>,
    buffer: Vec<u8>,
    coding: Coding,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Coding {
    Utf8,
    Latin1,
}

impl Coding {
    fn decode(self, bytes: &[u8]) -> Result<Cow<'_, str>, String> {
        match self {
            Self::Utf8 => std::str::from_utf8(bytes).map(Cow::Borrowed).map_err(|_| {
                let shown = String::from_utf8_lossy(bytes);
                let shown: String = shown.chars().take(60).collect();
                format!("\"{shown}\" is not UTF-8: declare the encoding, or write UTF-8")
            }),
            Self::Latin1 => Ok(bytes.iter().copied().map(char::from).collect()),
        }
    }

    /// A text of XML, whose lines end in one character.
    fn text(self, bytes: &[u8]) -> Result<Cow<'_, str>, String> {
        let text = self.decode(bytes)?;
        if text.contains('\r') {
            return Ok(Cow::Owned(text.replace("\r\n", "\n").replace('\r', "\n")));
        }
        Ok(text)
    }

    fn reference(self, reference: &BytesRef<'_>) -> Result<String, String> {
        let name = self.decode(reference)?;
        if let Ok(Some(character)) = reference.resolve_char_ref() {
            return Ok(character.to_string());
        }
        let resolved = resolve_xml_entity(&name).map(str::to_owned);
        resolved.ok_or_else(|| format!("the entity &{name}; is not defined by XML"))
    }

    fn tag(self, start: &BytesStart<'_>, is_empty: bool) -> Result<Tag, String> {
        let name = self.decode(start.local_name().into_inner())?.to_ascii_uppercase();
        let mut attributes = Vec::new();
        for attribute in start.attributes() {
            let attribute = attribute.map_err(|error| format!("in <{name}>: {error}"))?;
            let key = self.decode(attribute.key.local_name().into_inner())?.into_owned();
            let value = self.decode(&attribute.value)?;
            let value = quick_xml::escape::unescape(&value)
                .map_err(|error| format!("in {key} of <{name}>: {error}"))?;
            attributes.push((key, value.into_owned()));
        }
        Ok(Tag { name, attributes, is_empty })
    }
}

impl Document {
    pub(super) fn new(file: PathBuf, stream: Stream) -> Self {
        let mut reader = Reader::from_reader(Metered::new(stream));
        // A `>` more or less in a text is no reason to refuse it; tags must match.
        reader.config_mut().check_end_names = true;
        Self { file, reader, buffer: Vec::new(), coding: Coding::Utf8 }
    }

    /// The line that was read to.
    pub(super) fn line(&mut self) -> u64 {
        self.reader.get_mut().line()
    }

    /// The error for what is wrong here.
    pub(super) fn wrong(&mut self, place: Place, reason: impl Into<String>) -> ReadError {
        let line = self.line();
        ReadError::malformed(&self.file, place.with_line(line), reason)
    }

    /// The next piece, outside of data.
    pub(super) fn next_piece(&mut self) -> Result<Piece, ReadError> {
        loop {
            self.buffer.clear();
            self.reader.get_mut().renew();
            let event = match self.reader.read_event_into(&mut self.buffer) {
                Ok(event) => event,
                Err(error) => return Err(self.broken(Place::default(), error)),
            };
            let coding = self.coding;
            let piece = match event {
                Event::Start(start) => coding.tag(&start, false).map(Piece::Start),
                Event::Empty(start) => coding.tag(&start, true).map(Piece::Start),
                Event::End(_) => Ok(Piece::End),
                Event::Text(text) => coding.text(&text).map(|t| Piece::Text(t.into_owned())),
                Event::CData(text) => coding.text(&text).map(|t| Piece::Text(t.into_owned())),
                Event::GeneralRef(name) => coding.reference(&name).map(Piece::Text),
                Event::Eof => Ok(Piece::Eof),
                Event::Decl(declaration) => {
                    let encoding = declaration.encoding().and_then(Result::ok);
                    match known_coding(encoding.as_deref().unwrap_or(b"UTF-8")) {
                        Ok(coding) => {
                            self.coding = coding;
                            continue;
                        }
                        Err(reason) => Err(reason),
                    }
                }
                Event::Comment(_) | Event::PI(_) | Event::DocType(_) => continue,
            };
            return piece.map_err(|reason| self.wrong(Place::default(), reason));
        }
    }

    /// The next piece of TABLEDATA; its text is added to `cell`.
    pub(super) fn next_cell_piece(
        &mut self,
        row: u64,
        cell: &mut String,
    ) -> Result<CellPiece, ReadError> {
        self.buffer.clear();
        self.reader.get_mut().renew();
        let event = match self.reader.read_event_into(&mut self.buffer) {
            Ok(event) => event,
            Err(error) => return Err(self.broken(Place::row(row), error)),
        };
        let coding = self.coding;
        let added = match event {
            Event::Start(tag) => return Ok(cell_start(&tag, false)),
            Event::Empty(tag) => return Ok(cell_start(&tag, true)),
            Event::End(tag) => {
                return Ok(CellPiece::End(CellTag::of(tag.local_name().into_inner())));
            }
            Event::Text(text) => coding.text(&text).map(|text| cell.push_str(&text)),
            Event::CData(text) => coding.text(&text).map(|text| cell.push_str(&text)),
            Event::GeneralRef(name) => coding.reference(&name).map(|text| cell.push_str(&text)),
            Event::Eof => return Ok(CellPiece::Eof),
            Event::Decl(_) | Event::Comment(_) | Event::PI(_) | Event::DocType(_) => {
                return Ok(CellPiece::Nothing);
            }
        };
        match added {
            Ok(()) => Ok(CellPiece::Text),
            Err(reason) => Err(self.wrong(Place::row(row), reason)),
        }
    }

    /// Takes some text that follows as it stands, without its blanks; false at the next tag.
    ///
    /// The text of a STREAM is as long as the table: it must not become one piece.
    pub(super) fn take_stream(&mut self, row: u64, into: &mut Vec<u8>) -> Result<bool, ReadError> {
        self.reader.get_mut().renew();
        let mut stream = self.reader.stream();
        let taken = match stream.fill_buf() {
            Ok(bytes) => {
                let end = bytes.iter().position(|byte| *byte == b'<').unwrap_or(bytes.len());
                for word in bytes[..end].split(u8::is_ascii_whitespace) {
                    into.extend_from_slice(word);
                }
                Ok(end)
            }
            Err(error) => Err(error),
        };
        match taken {
            Ok(bytes) => {
                stream.consume(bytes);
                Ok(bytes > 0)
            }
            Err(error) => Err(ReadError::io(&self.file, Place::row(row), error)),
        }
    }

    fn broken(&mut self, place: Place, error: quick_xml::Error) -> ReadError {
        let line = self.line();
        let place = place.with_line(line);
        match error {
            quick_xml::Error::Io(error) => {
                let kind = error.kind();
                ReadError::io(&self.file, place, std::io::Error::new(kind, error))
            }
            quick_xml::Error::Syntax(error) => {
                ReadError::malformed(&self.file, place, format!("the document ends early: {error}"))
            }
            error => ReadError::malformed(&self.file, place, format!("this is no XML: {error}")),
        }
    }
}

fn cell_start(tag: &BytesStart<'_>, is_empty: bool) -> CellPiece {
    let role = CellTag::of(tag.local_name().into_inner());
    // A cell may say that it is in base64, which nobody writes.
    let coded = role == CellTag::Cell && tag.attributes_raw().windows(8).any(|w| w == b"encoding");
    CellPiece::Start(if coded { CellTag::Other } else { role }, is_empty)
}

fn known_coding(name: &[u8]) -> Result<Coding, String> {
    let name = String::from_utf8_lossy(name).to_ascii_lowercase();
    match name.as_str() {
        "utf-8" | "utf8" | "us-ascii" | "ascii" => Ok(Coding::Utf8),
        "iso-8859-1" | "latin1" | "latin-1" | "windows-1252" => Ok(Coding::Latin1),
        _ => Err(format!("the encoding {name} is not read: write UTF-8")),
    }
}
