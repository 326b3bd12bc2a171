//! Values that are spelled out: numbers, truth values, moments, and the word for NULL.

use std::fmt;
use std::str::FromStr;

use datafusion::arrow::compute::kernels::cast_utils::Parser;
use datafusion::arrow::datatypes::TimestampMicrosecondType;

/// The value that stands for NULL, in each of its readings.
#[derive(Debug, Default)]
pub(super) struct Null {
    pub(super) integer: Option<i64>,
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

    pub(super) fn is_float(&self, value: f64) -> bool {
        self.text.is_some() && (self.float == Some(value) || self.single == Some(value))
    }

    pub(super) fn is(&self, text: &str) -> bool {
        self.text.as_deref() == Some(text)
    }
}

/// Parses an integer, decimal or `0x…`.
pub(super) fn integer<T: FromStr + TryFrom<i128>>(word: &str) -> Result<T, ()> {
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
pub(super) fn misfit(word: &str, wanted: impl fmt::Display) -> String {
    let shown: String = word.chars().take(60).collect();
    let more = if shown.len() < word.len() { "…" } else { "" };
    format!("\"{shown}{more}\" is no {wanted}")
}

/// A truth value, or none where it is unknown (VOTable 1.4 §6, FITS 4.0 §7.3.3.1).
pub(super) fn truth(word: &str) -> Result<Option<bool>, String> {
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
pub(super) fn moment(word: &str) -> Result<i64, String> {
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
