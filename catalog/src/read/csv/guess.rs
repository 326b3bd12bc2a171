//! What the first rows of a CSV look like: its separator, and the types of its columns.

use std::collections::HashMap;

use csv::{ByteRecord, ReaderBuilder};
use datafusion::arrow::datatypes::{DataType, TimeUnit};

use crate::read::CsvOptions;
use crate::read::element::{Coding, Element, decode_bytes};
use crate::read::values::Values;
use crate::read::word::{Null, begins_as_date};

/// What separates values, the usual first.
const SEPARATORS: [u8; 5] = [b',', b';', b'\t', b'|', b' '];
/// Rows of which the separator is told.
const SAMPLE_ROWS: usize = 200;

/// The separator by which most of the first rows have the same number of values.
pub(super) fn separator(options: &CsvOptions, head: &[u8], is_whole: bool) -> u8 {
    let score = |separator: u8| {
        let mut builder = ReaderBuilder::new();
        builder.quote(options.quote).comment(options.comment);
        builder.delimiter(separator).flexible(true).has_headers(false);
        let mut reader = builder.from_reader(head);
        let mut counts: Vec<usize> = Vec::new();
        let mut record = ByteRecord::new();
        while counts.len() < SAMPLE_ROWS && reader.read_byte_record(&mut record).unwrap_or(false) {
            counts.push(record.len());
        }
        // The last row may be cut.
        if !is_whole && counts.len() > 1 && counts.len() < SAMPLE_ROWS {
            counts.pop();
        }
        let values = counts.first().copied().unwrap_or_default();
        let alike = counts.iter().filter(|count| **count == values).count();
        let share = alike * 10 / counts.len().max(1);
        // Words of a text are no columns unless all rows have as many.
        let is_likely = values > 1 && (separator != b' ' || share == 10);
        if is_likely { (share, values) } else { (0, 0) }
    };
    // Of equals, the first: the last one that `max_by_key` would take is the rarest.
    SEPARATORS.into_iter().rev().max_by_key(|separator| score(*separator)).unwrap_or(b',')
}

/// What values of a column were so far, the narrower first.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Guess {
    Nothing,
    Boolean,
    Integer,
    Float,
    Date,
    Moment,
    Text,
}

impl Guess {
    fn of(value: &str) -> Self {
        let word = value.trim_ascii();
        if word.is_empty() {
            return Self::Nothing;
        }
        if word.eq_ignore_ascii_case("true") || word.eq_ignore_ascii_case("false") {
            return Self::Boolean;
        }
        let digits = word.trim_start_matches(['+', '-']);
        if digits.bytes().all(|byte| byte.is_ascii_digit()) && !digits.is_empty() {
            // `007` is a name; what is larger than a long would lose digits as a double.
            let is_number =
                (digits == "0" || !digits.starts_with('0')) && fits(Element::Int64, word);
            return if is_number { Self::Integer } else { Self::Text };
        }
        if word.parse::<f64>().is_ok() {
            return Self::Float;
        }
        if begins_as_date(word) {
            if word.len() == 10 && fits(Element::Date, word) {
                return Self::Date;
            }
            if fits(Element::Timestamp(Coding::Bytes), word) {
                return Self::Moment;
            }
        }
        Self::Text
    }

    /// The type that holds both.
    fn widen(self, other: Self) -> Self {
        match (self, other) {
            (same, other) if same == other => same,
            (Self::Nothing, some) | (some, Self::Nothing) => some,
            (Self::Integer, Self::Float) | (Self::Float, Self::Integer) => Self::Float,
            (Self::Date, Self::Moment) | (Self::Moment, Self::Date) => Self::Moment,
            _ => Self::Text,
        }
    }

    pub(super) fn add(&mut self, value: &[u8]) {
        if *self != Self::Text {
            *self = self.widen(Self::of(&decode_bytes(value)));
        }
    }

    /// How values of this kind are read; a column without any is text.
    pub(super) fn element(self) -> Element {
        match self {
            Self::Boolean => Element::Boolean,
            Self::Integer => Element::Int64,
            Self::Float => Element::Float64,
            Self::Date => Element::Date,
            Self::Moment => Element::Timestamp(Coding::Bytes),
            Self::Nothing | Self::Text => Element::text(Coding::Bytes),
        }
    }
}

fn fits(element: Element, word: &str) -> bool {
    Values::new(&element).append_word(word, &Null::default()).is_ok()
}

/// How values of a given type are read.
pub(super) fn element_of(data_type: &DataType) -> Option<Element> {
    let known: HashMap<DataType, Element> = [
        Element::Boolean,
        Element::Int8,
        Element::Int16,
        Element::Int32,
        Element::Int64,
        Element::UInt8,
        Element::UInt16,
        Element::UInt32,
        Element::UInt64,
        Element::Float32,
        Element::Float64,
        Element::Date,
        Element::Timestamp(Coding::Bytes),
        Element::text(Coding::Bytes),
    ]
    .into_iter()
    .map(|element| (element.data_type(), element))
    .collect();
    let data_type = match data_type {
        DataType::LargeUtf8 | DataType::Utf8View => &DataType::Utf8,
        other => other,
    };
    debug_assert!(known.contains_key(&DataType::Timestamp(TimeUnit::Microsecond, None)));
    known.get(data_type).copied()
}

#[cfg(test)]
mod tests {
    use super::{CsvOptions, Guess, separator};

    #[test]
    fn types_widen() {
        let guess = |values: &[&str]| {
            let mut guess = Guess::Nothing;
            for value in values {
                guess.add(value.as_bytes());
            }
            guess
        };
        assert_eq!(guess(&["", " "]), Guess::Nothing);
        assert_eq!(guess(&["1", "", "-9223372036854775808"]), Guess::Integer);
        assert_eq!(guess(&["1", "2.5"]), Guess::Float);
        assert_eq!(guess(&["1e5", "NaN", "-inf", "7"]), Guess::Float);
        assert_eq!(guess(&["1", "9223372036854775808"]), Guess::Text);
        assert_eq!(guess(&["12", "007"]), Guess::Text);
        assert_eq!(guess(&["0", "-0.5", "00.5"]), Guess::Float);
        assert_eq!(guess(&["true", "FALSE"]), Guess::Boolean);
        assert_eq!(guess(&["true", "1"]), Guess::Text);
        assert_eq!(guess(&["2026-11-21"]), Guess::Date);
        assert_eq!(guess(&["2026-11-21", "2026-11-21T19:30:00.25"]), Guess::Moment);
        assert_eq!(guess(&["2026-13-21"]), Guess::Text);
        assert_eq!(guess(&["00:08:27.05", "+27:43:03.6"]), Guess::Text);
    }

    #[test]
    fn separators_are_found() {
        let find =
            |text: &str| char::from(separator(&CsvOptions::default(), text.as_bytes(), true));
        assert_eq!(find("a,b\n1,2\n"), ',');
        assert_eq!(find("a;b\n1,5;2,5\n3;4\n"), ';');
        assert_eq!(find("a\tb c\td\n1\t2 3\t4\n"), '\t');
        assert_eq!(find("a|b\n\"1|2\"|3\n"), '|');
        assert_eq!(find("a b\n1 2\n3 4\n"), ' ');
        assert_eq!(find("name\nNGC 1\nNGC 224 b\n"), ',');
        assert_eq!(find("a\n1\n"), ',');
    }
}
