//! Types of values, and how they lie in the bytes of VOTable and FITS.

use std::borrow::Cow;

use datafusion::arrow::datatypes::{DataType, TimeUnit};

/// The type of a value, and how it lies in a file.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) enum Element {
    /// `T` or `F` in a byte, or a word.
    Boolean,
    /// A bit, the highest of a byte first.
    Bit,
    /// A byte.
    UInt8,
    /// A byte above -128 (FITS).
    Int8,
    /// Two bytes.
    Int16,
    /// Two bytes above -32768 (FITS).
    UInt16,
    /// Four bytes.
    Int32,
    /// Four bytes above -2^31 (FITS).
    UInt32,
    /// Eight bytes.
    Int64,
    /// Eight bytes above -2^63 (FITS).
    UInt64,
    /// IEEE 754.
    Float32,
    /// IEEE 754.
    Float64,
    /// A number that stands for `scale * number + zero` (FITS).
    Scaled {
        /// How the number is stored.
        stored: Stored,
        /// TSCAL.
        scale: f64,
        /// TZERO.
        zero: f64,
    },
    /// Days, from a word.
    Date,
    /// A moment without a time zone, from a text.
    Timestamp(Coding),
    /// A text; of a list of texts each takes `width` characters.
    Text {
        /// How its characters lie in bytes.
        coding: Coding,
        /// Characters of one text of a list.
        width: usize,
        /// Whether blanks at its end only fill it up.
        trimmed: bool,
    },
}

/// The numbers that FITS scales.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Stored {
    /// `B`.
    Byte,
    /// `I`.
    Short,
    /// `J`.
    Int,
    /// `K`.
    Long,
    /// `E`.
    Float,
    /// `D`.
    Double,
}

/// How the characters of a text lie in bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Coding {
    /// A byte each, by the standards; UTF-8 in practice, and Latin-1 where it is not that.
    Bytes,
    /// Two bytes each (`unicodeChar`).
    Utf16,
}

impl Coding {
    pub(super) fn width(self) -> usize {
        match self {
            Self::Bytes => 1,
            Self::Utf16 => 2,
        }
    }

    /// The text up to its first NUL.
    pub(super) fn decode(self, bytes: &[u8]) -> Cow<'_, str> {
        match self {
            Self::Bytes => {
                let end = bytes.iter().position(|byte| *byte == 0).unwrap_or(bytes.len());
                decode_bytes(&bytes[..end])
            }
            Self::Utf16 => {
                let units =
                    bytes.chunks_exact(2).map(|pair| u16::from_be_bytes([pair[0], pair[1]]));
                let text = char::decode_utf16(units.take_while(|unit| *unit != 0));
                text.map(|unit| unit.unwrap_or(char::REPLACEMENT_CHARACTER)).collect()
            }
        }
    }
}

/// A text whose coding nobody tells.
pub(super) fn decode_bytes(bytes: &[u8]) -> Cow<'_, str> {
    match std::str::from_utf8(bytes) {
        Ok(text) => Cow::Borrowed(text),
        Err(_) => Cow::Owned(bytes.iter().copied().map(char::from).collect()),
    }
}

impl Element {
    /// A text of any length.
    pub(super) fn text(coding: Coding) -> Self {
        Self::Text { coding, width: 1, trimmed: false }
    }

    pub(super) fn is_text(&self) -> bool {
        matches!(self, Self::Text { .. })
    }

    pub(super) fn data_type(&self) -> DataType {
        match self {
            Self::Boolean | Self::Bit => DataType::Boolean,
            Self::UInt8 => DataType::UInt8,
            Self::Int8 => DataType::Int8,
            Self::Int16 => DataType::Int16,
            Self::UInt16 => DataType::UInt16,
            Self::Int32 => DataType::Int32,
            Self::UInt32 => DataType::UInt32,
            Self::Int64 => DataType::Int64,
            Self::UInt64 => DataType::UInt64,
            Self::Float32 => DataType::Float32,
            Self::Float64 | Self::Scaled { .. } => DataType::Float64,
            Self::Date => DataType::Date32,
            Self::Timestamp(_) => DataType::Timestamp(TimeUnit::Microsecond, None),
            Self::Text { .. } => DataType::Utf8,
        }
    }

    /// Bytes of `count` values; of characters, where the values are texts. None beyond `usize`.
    pub(super) fn bytes(&self, count: usize) -> Option<usize> {
        let width = match self {
            Self::Bit => return Some(count.div_ceil(8)),
            Self::Boolean | Self::UInt8 | Self::Int8 | Self::Date => 1,
            Self::Int16 | Self::UInt16 => 2,
            Self::Int32 | Self::UInt32 | Self::Float32 => 4,
            Self::Int64 | Self::UInt64 | Self::Float64 => 8,
            Self::Scaled { stored, .. } => match stored {
                Stored::Byte => 1,
                Stored::Short => 2,
                Stored::Int | Stored::Float => 4,
                Stored::Long | Stored::Double => 8,
            },
            Self::Timestamp(coding) | Self::Text { coding, .. } => coding.width(),
        };
        count.checked_mul(width)
    }
}
