//! Values as people write them.

use std::str::FromStr;

use tracing_subscriber::EnvFilter;
use url::Url;

/// A number of bytes: `8GiB`, `512 MiB`, `1GB`, `4096`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Bytes(pub usize);

/// A number of bytes that may be 0.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct BytesOrNone(pub u64);

/// A number of rows: `1000000` or `1e6`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Rows(pub u64);

/// A length of time in whole seconds, at most what UWS can say (a signed 32-bit number): `90`,
/// `30s`, `15min`, `12h`, `7d`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Duration(pub u32);

/// URLs, separated by commas.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Urls(pub Vec<Url>);

/// A filter of tracing.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Directives(pub String);

/// Words, separated by commas.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct List(pub Vec<String>);

/// A word, in lower case.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct OneOf(pub String);

/// The text is not such a value. What would be is said by the key.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct NotOfThisKind;

impl FromStr for Bytes {
    type Err = NotOfThisKind;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let digits = text.find(|c: char| !c.is_ascii_digit()).unwrap_or(text.len());
        let (number, unit) = text.split_at(digits);
        let number: usize = number.parse().map_err(|_| NotOfThisKind)?;
        let factor: usize = match unit.trim().to_ascii_lowercase().as_str() {
            "" | "b" => 1,
            "kb" => 1_000,
            "mb" => 1_000_000,
            "gb" => 1_000_000_000,
            "kib" => 1 << 10,
            "mib" => 1 << 20,
            "gib" => 1 << 30,
            "tib" => 1 << 40,
            _ => return Err(NotOfThisKind),
        };
        let bytes = number.checked_mul(factor).ok_or(NotOfThisKind)?;
        if bytes == 0 { Err(NotOfThisKind) } else { Ok(Self(bytes)) }
    }
}

impl FromStr for BytesOrNone {
    type Err = NotOfThisKind;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        if text.trim() == "0" {
            return Ok(Self(0));
        }
        let Bytes(bytes) = text.parse()?;
        Ok(Self(bytes as u64))
    }
}

impl FromStr for Rows {
    type Err = NotOfThisKind;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let (mantissa, exponent) = text.split_once(['e', 'E']).unwrap_or((text, "0"));
        let mantissa: u64 = mantissa.parse().map_err(|_| NotOfThisKind)?;
        let exponent: u32 = exponent.parse().map_err(|_| NotOfThisKind)?;
        let factor = 10_u64.checked_pow(exponent).ok_or(NotOfThisKind)?;
        mantissa.checked_mul(factor).map(Self).ok_or(NotOfThisKind)
    }
}

impl FromStr for Duration {
    type Err = NotOfThisKind;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let digits = text.find(|c: char| !c.is_ascii_digit()).unwrap_or(text.len());
        let (number, unit) = text.split_at(digits);
        let number: i32 = number.parse().map_err(|_| NotOfThisKind)?;
        let factor = match unit.trim() {
            "" | "s" => 1,
            "min" => 60,
            "h" => 3600,
            "d" => 86_400,
            _ => return Err(NotOfThisKind),
        };
        let seconds = number.checked_mul(factor).ok_or(NotOfThisKind)?;
        match u32::try_from(seconds) {
            Ok(0) | Err(_) => Err(NotOfThisKind),
            Ok(seconds) => Ok(Self(seconds)),
        }
    }
}

impl FromStr for Urls {
    type Err = NotOfThisKind;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let urls: Result<Vec<Url>, _> =
            text.split(',').map(str::trim).filter(|t| !t.is_empty()).map(Url::parse).collect();
        match urls {
            Ok(urls) if !urls.is_empty() && urls.iter().all(Url::has_host) => Ok(Self(urls)),
            _ => Err(NotOfThisKind),
        }
    }
}

impl FromStr for List {
    type Err = NotOfThisKind;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let words: Vec<String> = text.split(',').map(|word| word.trim().to_owned()).collect();
        if words.iter().any(String::is_empty) { Err(NotOfThisKind) } else { Ok(Self(words)) }
    }
}

impl FromStr for OneOf {
    type Err = NotOfThisKind;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let word = text.trim().to_ascii_lowercase();
        if word.is_empty() { Err(NotOfThisKind) } else { Ok(Self(word)) }
    }
}

impl FromStr for Directives {
    type Err = NotOfThisKind;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        match EnvFilter::builder().parse(text) {
            Ok(_) => Ok(Self(text.to_owned())),
            Err(_) => Err(NotOfThisKind),
        }
    }
}

/// The same text without the password of a URL.
pub(crate) fn without_password(text: &str) -> String {
    if let Ok(mut url) = Url::parse(text)
        && url.password().is_some()
        && url.set_password(Some("***")).is_ok()
    {
        return url.to_string();
    }
    text.to_owned()
}
