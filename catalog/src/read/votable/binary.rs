//! Rows in BINARY and BINARY2: base64 that is decoded as it comes (VOTable 1.4 §5.3, §5.4).

use base64::alphabet::STANDARD;
use base64::engine::{DecodePaddingMode, GeneralPurpose, GeneralPurposeConfig};
use base64::{DecodeError, Engine as _};

use super::document::{Document, Piece};
use super::field::VotableColumn;
use crate::read::cell::{BatchBuilder, ColumnBuilder};
use crate::read::element::Element;
use crate::read::source::CELL_MAX_BYTES;
use crate::read::{Place, ReadError};

/// Base64 as people write it, with or without the final `=`.
const BASE64: GeneralPurpose = GeneralPurpose::new(
    &STANDARD,
    GeneralPurposeConfig::new().with_decode_padding_mode(DecodePaddingMode::Indifferent),
);

/// Decoded bytes that are behind are dropped when they are so many.
const BEHIND_MAX_BYTES: usize = 256 << 10;

/// The rows of a STREAM.
#[derive(Debug)]
pub(super) struct BinaryRows {
    columns: Vec<Cells>,
    /// Bytes of flags before every row.
    flag_bytes: usize,
    /// Base64 that is not decoded yet: less than four characters between calls.
    text: Vec<u8>,
    bytes: Vec<u8>,
    /// Where the next row begins in `bytes`.
    at: usize,
    ended: bool,
    /// Characters that were decoded.
    decoded: usize,
    /// Why the text behind `bytes` is no base64.
    broken: Option<String>,
}

/// How the cells of a column lie in a row.
#[derive(Debug)]
struct Cells {
    name: String,
    element: Element,
    per_element: usize,
    length: Option<usize>,
}

impl BinaryRows {
    /// Finds the STREAM; none where it is empty.
    pub(super) fn open(
        document: &mut Document,
        columns: &[VotableColumn],
        flagged: bool,
    ) -> Result<Self, ReadError> {
        let ended = match next_tag(document)? {
            Piece::Start(tag) if tag.name == "STREAM" => {
                if let Some(href) = tag.attribute("href") {
                    let reason = format!("its rows lie in another file ({href}): put them inside");
                    return Err(document.wrong(Place::default(), reason));
                }
                let encoding = tag.attribute("encoding").unwrap_or("base64");
                if encoding != "base64" {
                    let reason = format!("encoding=\"{encoding}\" is not read: write base64");
                    return Err(document.wrong(Place::default(), reason));
                }
                tag.is_empty
            }
            Piece::Eof => {
                let reason = "the document ends early, before the rows";
                return Err(document.wrong(Place::default(), reason));
            }
            Piece::Start(_) | Piece::Text(_) | Piece::End => {
                return Err(document.wrong(Place::default(), "there is no STREAM with the rows"));
            }
        };
        let columns: Vec<Cells> = columns
            .iter()
            .map(|column| Cells {
                name: column.name.clone(),
                element: column.cell.element,
                per_element: column.per_element,
                length: column.length,
            })
            .collect();
        let flag_bytes = if flagged { columns.len().div_ceil(8) } else { 0 };
        let (text, bytes) = (Vec::new(), Vec::new());
        let (decoded, broken) = (0, None);
        Ok(Self { columns, flag_bytes, text, bytes, at: 0, ended, decoded, broken })
    }

    /// Adds a row to a batch; false where there is none, and the STREAM is closed.
    pub(super) fn read_row(
        &mut self,
        document: &mut Document,
        row: u64,
        batch: &mut BatchBuilder,
    ) -> Result<bool, ReadError> {
        if self.at >= BEHIND_MAX_BYTES {
            self.bytes.drain(..self.at);
            self.at = 0;
        }
        if !self.has(document, row, 1)? {
            return Ok(false);
        }
        let start = self.at;
        // Taken out, because decoding more bytes needs the whole of `self`.
        let columns = std::mem::take(&mut self.columns);
        let read = self.read_cells(document, row, &columns, &mut batch.columns);
        self.columns = columns;
        read?;
        batch.end_row(self.at - start);
        Ok(true)
    }

    fn read_cells(
        &mut self,
        document: &mut Document,
        row: u64,
        columns: &[Cells],
        builders: &mut [ColumnBuilder],
    ) -> Result<(), ReadError> {
        // Bytes are dropped between rows only: what was taken stays where it is.
        let flags = self.take(document, row, self.flag_bytes, "(flags of NULL)")?;
        for (number, (cells, builder)) in columns.iter().zip(builders).enumerate() {
            let count = match cells.length {
                Some(length) => length,
                None => {
                    let at = self.take(document, row, 4, &cells.name)?;
                    let mut count = [0; 4];
                    count.copy_from_slice(&self.bytes[at..at + 4]);
                    let count = i32::from_be_bytes(count);
                    usize::try_from(count).map_err(|_| {
                        let place = Place::row(row).in_column(&cells.name);
                        document.wrong(place, format!("{count} is no length of a cell"))
                    })?
                }
            };
            let values = count.checked_mul(cells.per_element);
            let size = values.and_then(|values| cells.element.bytes(values));
            let Some(size) = size.filter(|size| *size <= CELL_MAX_BYTES) else {
                let place = Place::row(row).in_column(&cells.name);
                let limit = CELL_MAX_BYTES >> 20;
                let reason = format!("a cell of {count} elements is larger than {limit} MiB");
                return Err(document.wrong(place, reason));
            };
            let at = self.take(document, row, size, &cells.name)?;
            let is_null =
                self.flag_bytes > 0 && self.bytes[flags + number / 8] & (0x80 >> (number % 8)) != 0;
            if is_null {
                builder.append_null();
                continue;
            }
            let count = count * cells.per_element;
            let added = builder.append_binary(&self.bytes[at..at + size], count);
            added
                .map_err(|reason| document.wrong(Place::row(row).in_column(&cells.name), reason))?;
        }
        Ok(())
    }

    /// The place of so many bytes, which are passed.
    fn take(
        &mut self,
        document: &mut Document,
        row: u64,
        size: usize,
        what: &str,
    ) -> Result<usize, ReadError> {
        if !self.has(document, row, size)? {
            let place = Place::row(row).in_column(what);
            return Err(document.wrong(place, "the rows end in the middle of this one"));
        }
        let at = self.at;
        self.at += size;
        Ok(at)
    }

    /// Whether so many bytes follow; decodes them if need be.
    fn has(&mut self, document: &mut Document, row: u64, size: usize) -> Result<bool, ReadError> {
        while self.bytes.len() - self.at < size {
            if let Some(reason) = &self.broken {
                return Err(document.wrong(Place::row(row), reason));
            }
            if self.ended {
                return Ok(false);
            }
            let more = document.take_stream(row, &mut self.text)?;
            if !more {
                self.pass_tag(document, row)?;
            }
            // A final group may lack its padding.
            let whole = if self.ended { self.text.len() } else { self.text.len() / 4 * 4 };
            self.decode(whole);
        }
        Ok(true)
    }

    /// Decodes so many characters. Rows before a wrong one are whole, and tell where it is.
    fn decode(&mut self, whole: usize) {
        let before = self.bytes.len();
        let Err(error) = BASE64.decode_vec(&self.text[..whole], &mut self.bytes) else {
            self.decoded += whole;
            self.text.drain(..whole);
            return;
        };
        let (at, reason) = match error {
            DecodeError::InvalidByte(at, byte) | DecodeError::InvalidLastSymbol(at, byte) => {
                let place = self.decoded + at + 1;
                (at, format!("{:?} cannot stand there, as character {place}", char::from(byte)))
            }
            DecodeError::InvalidLength(_) | DecodeError::InvalidPadding => {
                (whole - 1, "they end in the middle of a group of four characters".to_owned())
            }
        };
        self.broken = Some(format!("the rows are no base64: {reason}"));
        self.bytes.truncate(before);
        let good = BASE64.decode_vec(&self.text[..at / 4 * 4], &mut self.bytes);
        if good.is_err() {
            self.bytes.truncate(before);
        }
    }

    /// At a tag: the end of the STREAM, or CDATA in it.
    fn pass_tag(&mut self, document: &mut Document, row: u64) -> Result<(), ReadError> {
        match document.next_piece()? {
            Piece::End => self.ended = true,
            Piece::Text(text) => {
                self.text.extend(text.bytes().filter(|byte| !byte.is_ascii_whitespace()));
            }
            Piece::Start(tag) => {
                let reason = format!("<{}> is no base64", tag.name);
                return Err(document.wrong(Place::row(row), reason));
            }
            Piece::Eof => {
                let reason = "the document ends early, in the rows";
                return Err(document.wrong(Place::row(row), reason));
            }
        }
        Ok(())
    }

    /// Reads on to the end of the element around the STREAM.
    pub(super) fn close(document: &mut Document) -> Result<(), ReadError> {
        loop {
            match next_tag(document)? {
                Piece::End => return Ok(()),
                Piece::Start(tag) => {
                    let reason = format!("<{}> is unexpected behind the rows", tag.name);
                    return Err(document.wrong(Place::default(), reason));
                }
                Piece::Text(_) => {}
                Piece::Eof => {
                    let reason = "the document ends early, behind the rows";
                    return Err(document.wrong(Place::default(), reason));
                }
            }
        }
    }
}

/// The next piece that is not blank.
fn next_tag(document: &mut Document) -> Result<Piece, ReadError> {
    loop {
        match document.next_piece()? {
            Piece::Text(text) if text.trim_ascii().is_empty() => {}
            piece => return Ok(piece),
        }
    }
}
