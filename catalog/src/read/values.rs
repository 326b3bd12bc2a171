//! Values of one type, from big-endian bytes or from words.

use std::borrow::Cow;
use std::str::FromStr;
use std::sync::Arc;

use datafusion::arrow::array::{
    ArrayBuilder, ArrayRef, ArrowPrimitiveType, BooleanBuilder, PrimitiveBuilder, StringBuilder,
};
use datafusion::arrow::compute::kernels::cast_utils::Parser;
use datafusion::arrow::datatypes::{
    Date32Type, Float32Type, Float64Type, Int8Type, Int16Type, Int32Type, Int64Type,
    TimestampMicrosecondType, UInt8Type, UInt16Type, UInt32Type, UInt64Type,
};

use super::element::{Coding, Element, Stored};
use super::word::{Null, begins_as_date, integer, misfit, moment, truth};

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

fn append_integer<T: ArrowPrimitiveType>(
    builder: &mut PrimitiveBuilder<T>,
    word: &str,
    null: &Null,
) -> Result<(), String>
where
    T::Native: FromStr + TryFrom<i128> + TryInto<i64> + Copy,
{
    let Ok(value) = integer::<T::Native>(word) else {
        // What astropy writes for a missing integer, until VOTable 1.2.
        if null.is(word) || word.eq_ignore_ascii_case("nan") {
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
                // A single value has a byte, of which astropy sets another bit than the first.
                if let ([byte], 1) = (bytes, count) {
                    builder.append_value(*byte != 0);
                    return Ok(());
                }
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
