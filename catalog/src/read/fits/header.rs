//! Headers of FITS: cards of 80 characters in blocks of 2,880 bytes (FITS 4.0 §4).

use std::collections::HashMap;
use std::io::{self, Read};

use crate::read::element::decode_bytes;

/// Everything in FITS is a multiple of this.
pub(super) const BLOCK_BYTES: usize = 2_880;
const CARD_BYTES: usize = 80;
/// A table of 999 columns has about 10,000 cards; beyond this the file has lost its END.
const BLOCKS_MAX: usize = 10_000;

/// The keywords of a header.
#[derive(Debug, Default)]
pub(super) struct Header {
    cards: HashMap<String, Card>,
    pub(super) bytes: u64,
}

#[derive(Debug)]
struct Card {
    value: Value,
    comment: String,
}

#[derive(Debug, PartialEq)]
enum Value {
    Text(String),
    Word(String),
}

/// Why there is no header.
#[derive(Debug)]
pub(super) enum HeaderError {
    Io(io::Error),
    Wrong(String),
}

impl From<io::Error> for HeaderError {
    fn from(error: io::Error) -> Self {
        Self::Io(error)
    }
}

impl Header {
    /// Reads a header; none at the end of the file.
    pub(super) fn read(stream: &mut impl Read) -> Result<Option<Self>, HeaderError> {
        let mut header = Self::default();
        let mut last = None;
        for number in 0..BLOCKS_MAX {
            let mut block = Vec::with_capacity(BLOCK_BYTES);
            Read::by_ref(stream).take(BLOCK_BYTES as u64).read_to_end(&mut block)?;
            if block.is_empty() && number == 0 {
                return Ok(None);
            }
            if block.len() < BLOCK_BYTES {
                return Err(HeaderError::Wrong("the file ends early, in a header".to_owned()));
            }
            header.bytes += BLOCK_BYTES as u64;
            for card in block.chunks(CARD_BYTES) {
                let text = decode_bytes(card);
                if text.trim_end() == "END" {
                    return Ok(Some(header));
                }
                header.add(&text, &mut last);
            }
        }
        Err(HeaderError::Wrong("a header has no END: this is no FITS file".to_owned()))
    }

    /// Adds a card; `last` is the keyword of the one before, whose text may go on.
    fn add(&mut self, card: &str, last: &mut Option<String>) {
        let Some((keyword, rest)) = card.split_at_checked(8) else { return };
        let keyword = keyword.trim_end();
        if keyword == "CONTINUE" {
            let before = last.as_ref().and_then(|keyword| self.cards.get_mut(keyword));
            if let (Some(Card { value: Value::Text(text), .. }), (Value::Text(more), _)) =
                (before, parse(rest.trim_start()))
                && text.ends_with('&')
            {
                text.pop();
                text.push_str(&more);
            }
            return;
        }
        *last = None;
        let Some(value) = rest.strip_prefix("= ") else { return };
        let (value, comment) = parse(value.trim_start());
        // Of keywords that repeat, the first counts.
        if !self.cards.contains_key(keyword) {
            self.cards.insert(keyword.to_owned(), Card { value, comment });
            *last = Some(keyword.to_owned());
        }
    }

    /// A text that is not blank, without the blanks at its end.
    pub(super) fn text(&self, keyword: &str) -> Option<&str> {
        match &self.cards.get(keyword)?.value {
            Value::Text(text) => Some(text.trim_end()).filter(|text| !text.is_empty()),
            Value::Word(_) => None,
        }
    }

    /// What is remarked behind a value.
    pub(super) fn comment(&self, keyword: &str) -> Option<&str> {
        self.cards.get(keyword).map(|card| card.comment.as_str()).filter(|text| !text.is_empty())
    }

    fn word(&self, keyword: &str) -> Option<&str> {
        match &self.cards.get(keyword)?.value {
            Value::Word(word) => Some(word),
            Value::Text(_) => None,
        }
    }

    pub(super) fn is_true(&self, keyword: &str) -> bool {
        self.word(keyword) == Some("T")
    }

    pub(super) fn integer(&self, keyword: &str) -> Option<i64> {
        self.word(keyword)?.parse().ok()
    }

    /// An integer as it is spelled.
    pub(super) fn integer_text(&self, keyword: &str) -> Option<&str> {
        self.word(keyword).filter(|word| word.parse::<i64>().is_ok())
    }

    pub(super) fn real(&self, keyword: &str) -> Option<f64> {
        self.word(keyword)?.replace(['D', 'd'], "E").parse().ok()
    }

    /// A number of bytes, rows or columns.
    pub(super) fn count(&self, keyword: &str) -> Result<u64, String> {
        let word = self.word(keyword).ok_or_else(|| format!("the header has no {keyword}"))?;
        word.parse().map_err(|_| format!("{keyword} = {word} is no number of things"))
    }

    /// Bytes of the data behind the header, without the blanks that fill the last block
    /// (FITS 4.0 §4.4.1, §7).
    pub(super) fn data_bytes(&self) -> Result<u64, String> {
        let axes = self.count("NAXIS")?;
        if axes == 0 {
            return Ok(0);
        }
        if axes > 999 {
            return Err(format!("NAXIS = {axes} is more than 999"));
        }
        let grouped = self.is_true("GROUPS") && self.integer("NAXIS1") == Some(0);
        let mut elements: u64 = 1;
        let too_large = || "the header speaks of more bytes than there can be".to_owned();
        for axis in (if grouped { 2 } else { 1 })..=axes {
            let length = self.count(&format!("NAXIS{axis}"))?;
            elements = elements.checked_mul(length).ok_or_else(too_large)?;
        }
        let width = self.integer("BITPIX").unwrap_or_default().unsigned_abs() / 8;
        let heap = self.count("PCOUNT").unwrap_or(0);
        let groups = self.count("GCOUNT").unwrap_or(1);
        let bytes = elements.checked_add(heap).and_then(|n| n.checked_mul(groups));
        let bytes = bytes.and_then(|n| n.checked_mul(width));
        bytes.filter(|bytes| *bytes < 1 << 62).ok_or_else(too_large)
    }
}

/// With the blanks that fill the last block.
pub(super) fn padded(bytes: u64) -> u64 {
    bytes.next_multiple_of(BLOCK_BYTES as u64)
}

/// A value and the comment behind it.
fn parse(text: &str) -> (Value, String) {
    let comment = |rest: &str| rest.split_once('/').map_or("", |(_, text)| text).trim().to_owned();
    let Some(quoted) = text.strip_prefix('\'') else {
        let word = text.split('/').next().unwrap_or_default().trim();
        return (Value::Word(word.to_owned()), comment(text));
    };
    let mut value = String::new();
    let mut rest = quoted;
    while let Some((before, after)) = rest.split_once('\'') {
        value.push_str(before);
        match after.strip_prefix('\'') {
            Some(after) => {
                value.push('\'');
                rest = after;
            }
            None => return (Value::Text(value.trim_end().to_owned()), comment(after)),
        }
    }
    value.push_str(rest);
    (Value::Text(value.trim_end().to_owned()), String::new())
}

#[cfg(test)]
mod tests {
    use super::{BLOCK_BYTES, Header};

    fn header(cards: &[&str]) -> Header {
        let mut bytes: Vec<u8> =
            cards.iter().flat_map(|c| format!("{c:80}").into_bytes()).collect();
        bytes.extend(format!("{:80}", "END").bytes());
        bytes.resize(bytes.len().next_multiple_of(BLOCK_BYTES), b' ');
        Header::read(&mut bytes.as_slice()).unwrap().unwrap()
    }

    #[test]
    fn values_are_read() {
        let header = header(&[
            "SIMPLE  =                    T / file conforms",
            "OBJECT  = 'O''Hara / b '       / the ''name''",
            "LONG    = 'one &'",
            "CONTINUE  'two &'",
            "CONTINUE  'three' / done",
            "TZERO1  = 9.223372036854775808D18",
            "TNULL1  =                 -999",
            "TNULL1  =                    5",
            "COMMENT = 'no value'",
            "EMPTY   = ''",
            "HIERARCH ESO DET = 4",
        ]);
        assert!(header.is_true("SIMPLE"));
        assert_eq!(header.text("OBJECT"), Some("O'Hara / b"));
        assert_eq!(header.comment("OBJECT"), Some("the ''name''"));
        assert_eq!(header.text("LONG"), Some("one two three"));
        assert_eq!(header.real("TZERO1"), Some(2_f64.powi(63)));
        assert_eq!(header.integer("TNULL1"), Some(-999));
        assert_eq!(header.text("EMPTY"), None);
        assert_eq!(header.text("HIERARCH"), None);
    }

    #[test]
    fn data_are_counted() {
        let count = |cards: &[&str]| header(cards).data_bytes();
        assert_eq!(count(&["NAXIS   = 0"]), Ok(0));
        let image = ["BITPIX  = -64", "NAXIS   = 2", "NAXIS1  = 10", "NAXIS2  = 3"];
        assert_eq!(count(&image), Ok(240));
        let groups = [
            "BITPIX  = 16",
            "NAXIS   = 2",
            "NAXIS1  = 0",
            "NAXIS2  = 3",
            "GROUPS  = T",
            "PCOUNT  = 4",
        ];
        assert_eq!(count(&[groups.as_slice(), &["GCOUNT  = 5"]].concat()), Ok(70));
        let large = ["BITPIX  = 8", "NAXIS   = 2", "NAXIS1  = 9223372036854775807", "NAXIS2  = 9"];
        assert!(count(&large).is_err());
        assert!(count(&["NAXIS   = -1"]).is_err());
    }
}
