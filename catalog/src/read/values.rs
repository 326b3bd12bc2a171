//! Values of one type, from big-endian bytes or from words.

use std::borrow::Cow;
use std::fmt;
use std::str::FromStr;
use std::sync::Arc;

use datafusion::arrow::array::{
    ArrayBuilder, ArrayRef, ArrowPrimitiveType, BooleanBuilder, PrimitiveBuilder, StringBuilder,
};
use datafusion::arrow::compute::kernels::cast_utils::Parser;
use datafusion::arrow::datatypes::{
    DataType, Date32Type, Float32Type, Float64Type, Int8Type, Int16Type, Int32Type, Int64Type,
    TimeUnit, TimestampMicrosecondType, UInt8Type, UInt16Type, UInt32Type, UInt64Type,
};

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
    fn width(self) -> usize {
        match self {
            Self::Bytes => 1,
            Self::Utf16 => 2,
        }
    }

    /// The text up to its first NUL.
    fn decode(self, bytes: &[u8]) -> Cow<'_, str> {
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

/// The value that stands for NULL, in each of its readings.
#[derive(Debug, Default)]
pub(super) struct Null {
    integer: Option<i64>,
    float: Option<f64>,
    /// The same, as a column of `float` holds it.
    single: Option<f64>,
    text: Option<String>,
}

impl Null {
    pub(super) fn parse(text: Option<&str>) -> Self {
        let Some(text) = text else { return Self::default() };
        let word = text.trim_ascii();
        Self {
            integer: integer(word).ok(),
            // NaN stays NaN in a column of floats.
            float: word.parse().ok().filter(|value: &f64| !value.is_nan()),
            single: word.parse().ok().filter(|value: &f32| !value.is_nan()).map(f64::from),
            text: Some(text.to_owned()),
        }
    }

    fn is_float(&self, value: f64) -> bool {
        self.text.is_some() && (self.float == Some(value) || self.single == Some(value))
    }

    fn is(&self, text: &str) -> bool {
        self.text.as_deref() == Some(text)
    }
}

/// A number as it lies in a file.
trait Wire: Copy {
    const BYTES: usize;
    fn read(bytes: &[u8]) -> Self;
}

macro_rules! wire {
    ($($number:ty),*) => {$(
        impl Wire for $number {
            const BYTES: usize = size_of::<$number>();

            fn read(bytes: &[u8]) -> Self {
                let mut array = [0; size_of::<$number>()];
                array.copy_from_slice(bytes);
                Self::from_be_bytes(array)
            }
        }
    )*};
}

wire!(u8, i16, i32, i64, f32, f64);

/// Adds integers in big-endian order.
fn integers<T: ArrowPrimitiveType, W: Wire + Into<i64>>(
    builder: &mut PrimitiveBuilder<T>,
    bytes: &[u8],
    null: &Null,
    make: impl Fn(W) -> T::Native,
) {
    for chunk in bytes.chunks_exact(W::BYTES) {
        let value = W::read(chunk);
        if null.integer.is_some_and(|null| null == value.into()) {
            builder.append_null();
        } else {
            builder.append_value(make(value));
        }
    }
}

/// Adds floats in big-endian order.
fn floats<T: ArrowPrimitiveType, W: Wire + Into<f64>>(
    builder: &mut PrimitiveBuilder<T>,
    bytes: &[u8],
    null: &Null,
    make: impl Fn(W) -> T::Native,
) {
    for chunk in bytes.chunks_exact(W::BYTES) {
        let value = W::read(chunk);
        if null.is_float(value.into()) {
            builder.append_null();
        } else {
            builder.append_value(make(value));
        }
    }
}

/// Parses an integer, decimal or `0x…`.
fn integer<T: FromStr + TryFrom<i128>>(word: &str) -> Result<T, ()> {
    if let Ok(value) = word.parse() {
        return Ok(value);
    }
    let (negative, digits) = match word.as_bytes().first() {
        Some(b'-') => (true, &word[1..]),
        Some(b'+') => (false, &word[1..]),
        _ => (false, word),
    };
    let digits = digits.strip_prefix("0x").or_else(|| digits.strip_prefix("0X")).ok_or(())?;
    let value = i128::from(u64::from_str_radix(digits, 16).map_err(|_| ())?);
    T::try_from(if negative { -value } else { value }).map_err(|_| ())
}

/// Says which word does not fit.
fn misfit(word: &str, wanted: impl fmt::Display) -> String {
    let shown: String = word.chars().take(60).collect();
    let more = if shown.len() < word.len() { "…" } else { "" };
    format!("\"{shown}{more}\" is no {wanted}")
}

fn append_integer<T: ArrowPrimitiveType>(
    builder: &mut PrimitiveBuilder<T>,
    word: &str,
    null: &Null,
) -> Result<(), String>
where
    T::Native: FromStr + TryFrom<i128> + TryInto<i64> + Copy,
{
    let Ok(value) = integer::<T::Native>(word) else {
        if null.is(word) {
            builder.append_null();
            return Ok(());
        }
        return Err(misfit(word, T::DATA_TYPE));
    };
    let is_null = null.integer.is_some() && null.integer == value.try_into().ok();
    builder.append_option((!is_null).then_some(value));
    Ok(())
}

fn append_float<T: ArrowPrimitiveType>(
    builder: &mut PrimitiveBuilder<T>,
    word: &str,
    null: &Null,
) -> Result<(), String>
where
    T::Native: FromStr + Into<f64> + Copy,
{
    let value: Option<T::Native> = word.parse().ok();
    let Some(value) = value else {
        if null.is(word) {
            builder.append_null();
            return Ok(());
        }
        return Err(misfit(word, T::DATA_TYPE));
    };
    builder.append_option((!null.is_float(value.into())).then_some(value));
    Ok(())
}

/// A truth value, or none where it is unknown (VOTable 1.4 §6, FITS 4.0 §7.3.3.1).
fn truth(word: &str) -> Result<Option<bool>, String> {
    match word {
        "T" | "t" | "1" => Ok(Some(true)),
        "F" | "f" | "0" => Ok(Some(false)),
        "?" | "" | " " | "\0" => Ok(None),
        _ if word.eq_ignore_ascii_case("true") => Ok(Some(true)),
        _ if word.eq_ignore_ascii_case("false") => Ok(Some(false)),
        _ => Err(misfit(word, "boolean: write true or false, T or F, 1 or 0")),
    }
}

/// Microseconds since 1970; a time without a zone, since astronomers' time scales have none.
fn moment(word: &str) -> Result<i64, String> {
    let wrong = || misfit(word, "moment, as 2026-11-21T19:30:00.5, between the years 1 and 9999");
    // A leap second would become the first one of the next minute.
    let is_leap = word.as_bytes().get(17..19) == Some(b"60");
    if !begins_as_date(word) || is_leap {
        return Err(wrong());
    }
    let fraction = word.split_once('.').map_or("", |(_, fraction)| fraction);
    let digits = fraction.bytes().take_while(u8::is_ascii_digit);
    if digits.skip(6).any(|digit| digit != b'0') {
        return Err(misfit(word, "moment in whole microseconds"));
    }
    TimestampMicrosecondType::parse(word).ok_or_else(wrong)
}

/// Whether a word begins like `2026-11-21`.
pub(super) fn begins_as_date(word: &str) -> bool {
    let bytes = word.as_bytes();
    bytes.len() >= 10
        && bytes.iter().take(10).enumerate().all(|(at, byte)| match at {
            4 | 7 => *byte == b'-',
            _ => byte.is_ascii_digit(),
        })
}

/// Values that are gathered for an array.
#[derive(Debug)]
pub(super) enum Values {
    Boolean(BooleanBuilder),
    Bit(BooleanBuilder),
    UInt8(PrimitiveBuilder<UInt8Type>),
    Int8(PrimitiveBuilder<Int8Type>),
    Int16(PrimitiveBuilder<Int16Type>),
    UInt16(PrimitiveBuilder<UInt16Type>),
    Int32(PrimitiveBuilder<Int32Type>),
    UInt32(PrimitiveBuilder<UInt32Type>),
    Int64(PrimitiveBuilder<Int64Type>),
    UInt64(PrimitiveBuilder<UInt64Type>),
    Float32(PrimitiveBuilder<Float32Type>),
    Float64(PrimitiveBuilder<Float64Type>),
    Scaled(PrimitiveBuilder<Float64Type>, Stored, f64, f64),
    Date(PrimitiveBuilder<Date32Type>),
    Timestamp(PrimitiveBuilder<TimestampMicrosecondType>, Coding),
    Text(StringBuilder, Texts),
}

/// How texts lie in cells.
#[derive(Debug, Clone, Copy)]
pub(super) struct Texts {
    coding: Coding,
    width: usize,
    trimmed: bool,
}

/// The same expression for the builder of whatever values there are.
macro_rules! each {
    ($values:expr, $builder:ident => $what:expr) => {
        match $values {
            Values::Boolean($builder) | Values::Bit($builder) => $what,
            Values::UInt8($builder) => $what,
            Values::Int8($builder) => $what,
            Values::Int16($builder) => $what,
            Values::UInt16($builder) => $what,
            Values::Int32($builder) => $what,
            Values::UInt32($builder) => $what,
            Values::Int64($builder) => $what,
            Values::UInt64($builder) => $what,
            Values::Float32($builder) => $what,
            Values::Float64($builder) | Values::Scaled($builder, ..) => $what,
            Values::Date($builder) => $what,
            Values::Timestamp($builder, _) => $what,
            Values::Text($builder, _) => $what,
        }
    };
}

impl Values {
    pub(super) fn new(element: &Element) -> Self {
        match *element {
            Element::Boolean => Self::Boolean(BooleanBuilder::new()),
            Element::Bit => Self::Bit(BooleanBuilder::new()),
            Element::UInt8 => Self::UInt8(PrimitiveBuilder::new()),
            Element::Int8 => Self::Int8(PrimitiveBuilder::new()),
            Element::Int16 => Self::Int16(PrimitiveBuilder::new()),
            Element::UInt16 => Self::UInt16(PrimitiveBuilder::new()),
            Element::Int32 => Self::Int32(PrimitiveBuilder::new()),
            Element::UInt32 => Self::UInt32(PrimitiveBuilder::new()),
            Element::Int64 => Self::Int64(PrimitiveBuilder::new()),
            Element::UInt64 => Self::UInt64(PrimitiveBuilder::new()),
            Element::Float32 => Self::Float32(PrimitiveBuilder::new()),
            Element::Float64 => Self::Float64(PrimitiveBuilder::new()),
            Element::Scaled { stored, scale, zero } => {
                Self::Scaled(PrimitiveBuilder::new(), stored, scale, zero)
            }
            Element::Date => Self::Date(PrimitiveBuilder::new()),
            Element::Timestamp(coding) => Self::Timestamp(PrimitiveBuilder::new(), coding),
            Element::Text { coding, width, trimmed } => {
                Self::Text(StringBuilder::new(), Texts { coding, width: width.max(1), trimmed })
            }
        }
    }

    pub(super) fn len(&self) -> usize {
        each!(self, builder => builder.len())
    }

    pub(super) fn append_nulls(&mut self, count: usize) {
        for _ in 0..count {
            each!(self, builder => builder.append_null());
        }
    }

    pub(super) fn finish(&mut self) -> ArrayRef {
        each!(self, builder => Arc::new(builder.finish()))
    }

    /// Adds the values in big-endian bytes: all of a list, or the one of a scalar.
    pub(super) fn append_binary(
        &mut self,
        bytes: &[u8],
        count: usize,
        null: &Null,
        empty_is_null: bool,
    ) -> Result<(), String> {
        match self {
            Self::Boolean(builder) => {
                for byte in bytes {
                    builder.append_option(match byte {
                        b'T' => Some(true),
                        b'F' => Some(false),
                        _ => truth(char::from(*byte).encode_utf8(&mut [0; 2]))?,
                    });
                }
            }
            Self::Bit(builder) => {
                for at in 0..count {
                    let byte = bytes.get(at / 8).copied().unwrap_or_default();
                    builder.append_value(byte & (0x80 >> (at % 8)) != 0);
                }
            }
            Self::UInt8(b) => integers(b, bytes, null, |v: u8| v),
            Self::Int8(b) => integers(b, bytes, null, |v: u8| (v ^ 0x80).cast_signed()),
            Self::Int16(b) => integers(b, bytes, null, |v: i16| v),
            Self::UInt16(b) => integers(b, bytes, null, |v: i16| v.cast_unsigned() ^ (1 << 15)),
            Self::Int32(b) => integers(b, bytes, null, |v: i32| v),
            Self::UInt32(b) => integers(b, bytes, null, |v: i32| v.cast_unsigned() ^ (1 << 31)),
            Self::Int64(b) => integers(b, bytes, null, |v: i64| v),
            Self::UInt64(b) => integers(b, bytes, null, |v: i64| v.cast_unsigned() ^ (1 << 63)),
            Self::Float32(b) => floats(b, bytes, null, |v: f32| v),
            Self::Float64(b) => floats(b, bytes, null, |v: f64| v),
            Self::Scaled(b, stored, scale, zero) => {
                append_scaled(b, *stored, (*scale, *zero), bytes, null);
            }
            // No format has binary dates.
            Self::Date(builder) => builder.append_null(),
            Self::Timestamp(builder, coding) => {
                let text = coding.decode(bytes);
                let word = text.trim_ascii();
                let missing = word.is_empty() || null.is(word);
                builder.append_option(if missing { None } else { Some(moment(word)?) });
            }
            Self::Text(builder, texts) if count == 1 => {
                let text = texts.one(bytes);
                let missing = (empty_is_null && text.is_empty()) || null.is(&text);
                builder.append_option((!missing).then_some(text));
            }
            Self::Text(builder, texts) => {
                for chunk in bytes.chunks(texts.width * texts.coding.width()) {
                    builder.append_value(texts.one(chunk));
                }
            }
        }
        Ok(())
    }

    /// Adds the one value that a word spells.
    pub(super) fn append_word(&mut self, word: &str, null: &Null) -> Result<(), String> {
        match self {
            Self::Boolean(builder) => builder.append_option(truth(word)?),
            Self::Bit(builder) => match word {
                "0" => builder.append_value(false),
                "1" => builder.append_value(true),
                _ => return Err(misfit(word, "bit: write 0 or 1")),
            },
            Self::UInt8(builder) => append_integer(builder, word, null)?,
            Self::Int8(builder) => append_integer(builder, word, null)?,
            Self::Int16(builder) => append_integer(builder, word, null)?,
            Self::UInt16(builder) => append_integer(builder, word, null)?,
            Self::Int32(builder) => append_integer(builder, word, null)?,
            Self::UInt32(builder) => append_integer(builder, word, null)?,
            Self::Int64(builder) => append_integer(builder, word, null)?,
            Self::UInt64(builder) => append_integer(builder, word, null)?,
            Self::Float32(builder) => append_float(builder, word, null)?,
            Self::Float64(builder) | Self::Scaled(builder, ..) => {
                append_float(builder, word, null)?;
            }
            Self::Date(builder) => {
                let days = Some(word).filter(|word| word.len() == 10 && begins_as_date(word));
                let days = days.and_then(Date32Type::parse);
                builder.append_value(days.ok_or_else(|| misfit(word, "date, as 2026-11-21"))?);
            }
            Self::Timestamp(builder, _) if null.is(word) => builder.append_null(),
            Self::Timestamp(builder, _) => builder.append_value(moment(word)?),
            Self::Text(builder, _) => builder.append_option((!null.is(word)).then_some(word)),
        }
        Ok(())
    }

    /// Adds all values that a cell spells.
    pub(super) fn append_words(&mut self, text: &str, null: &Null) -> Result<(), String> {
        match self {
            Self::Text(builder, texts) => {
                let mut rest = text;
                while !rest.is_empty() {
                    let end = rest.char_indices().nth(texts.width).map_or(rest.len(), |(at, _)| at);
                    builder.append_value(rest[..end].trim_end_matches(' '));
                    rest = &rest[end..];
                }
            }
            Self::Bit(builder) => {
                for digit in text.chars().filter(|digit| !digit.is_ascii_whitespace()) {
                    match digit {
                        '0' | '1' => builder.append_value(digit == '1'),
                        _ => return Err(misfit(text, "list of bits: write 0 or 1")),
                    }
                }
            }
            _ => {
                for word in text.split_ascii_whitespace() {
                    self.append_word(word, null)?;
                }
            }
        }
        Ok(())
    }
}

fn append_scaled(
    builder: &mut PrimitiveBuilder<Float64Type>,
    stored: Stored,
    (scale, zero): (f64, f64),
    bytes: &[u8],
    null: &Null,
) {
    let scaled = |value: f64| value * scale + zero;
    match stored {
        Stored::Byte => integers(builder, bytes, null, |v: u8| scaled(f64::from(v))),
        Stored::Short => integers(builder, bytes, null, |v: i16| scaled(f64::from(v))),
        Stored::Int => integers(builder, bytes, null, |v: i32| scaled(f64::from(v))),
        Stored::Long => integers(builder, bytes, null, |v: i64| scaled(v as f64)),
        Stored::Float => floats(builder, bytes, null, |v: f32| scaled(f64::from(v))),
        Stored::Double => floats(builder, bytes, null, scaled),
    }
}

impl Texts {
    fn one(self, bytes: &[u8]) -> Cow<'_, str> {
        let text = self.coding.decode(bytes);
        if !self.trimmed || !text.ends_with(' ') {
            return text;
        }
        Cow::Owned(text.trim_end_matches(' ').to_owned())
    }
}
