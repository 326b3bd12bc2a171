//! Columns of a binary table by its header: TFORM, TDIM, TSCAL, TZERO, TNULL (FITS 4.0 §7.3).

use super::header::Header;
use crate::metadata::ColumnMetadata;
use crate::read::cell::{CellType, Shape};
use crate::read::element::{Coding, Element, Stored};

/// Values in a cell of fixed length; a row of 256 MiB is refused before.
const FIXED_MAX: usize = 1 << 25;

/// A column of a binary table.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct FitsColumn {
    pub(super) name: String,
    /// Where its bytes begin in a row, and how many there are.
    pub(super) at: usize,
    pub(super) bytes: usize,
    /// Values of a cell; of characters, where these are texts. 0 where cells hold nothing.
    pub(super) count: usize,
    /// Bytes of each of the two numbers that say where in the heap the values are.
    pub(super) descriptor: Option<usize>,
    /// Our values in one of FITS: a complex number is two.
    pub(super) per_element: usize,
    pub(super) cell: CellType,
    pub(super) metadata: ColumnMetadata,
}

/// `TFORMn`: how many, of which type, and what follows.
struct Form<'a> {
    repeat: usize,
    code: char,
    rest: &'a str,
}

impl<'a> Form<'a> {
    fn parse(text: &'a str) -> Option<Self> {
        let text = text.trim();
        let digits = text.bytes().take_while(u8::is_ascii_digit).count();
        let repeat = if digits == 0 { 1 } else { text[..digits].parse().ok()? };
        let mut rest = text[digits..].chars();
        let code = rest.next()?;
        Some(Self { repeat, code, rest: rest.as_str() })
    }
}

impl FitsColumn {
    /// The column of this number (from 1), whose bytes begin at `at`.
    pub(super) fn read(header: &Header, number: usize, at: usize) -> Result<Self, String> {
        let key = |keyword: &str| format!("{keyword}{number}");
        let text = |keyword: &str| header.text(&key(keyword)).map(str::to_owned);
        let written = header.text(&key("TFORM"));
        let written = written.ok_or_else(|| format!("the header has no TFORM{number}"))?;
        let wrong = || format!("TFORM{number} = '{written}' is no type of a binary table");
        let form = Form::parse(written).ok_or_else(wrong)?;
        let descriptor = match form.code {
            'P' => Some(4),
            'Q' => Some(8),
            _ => None,
        };
        let code = match descriptor {
            Some(_) => form.rest.chars().next().ok_or_else(wrong)?,
            None => form.code,
        };
        let (element, per_element) = element(header, number, code)?.ok_or_else(wrong)?;
        let dimensions = header.text(&key("TDIM")).and_then(dimensions).unwrap_or_default();
        let count = form.repeat;
        let bytes = match descriptor {
            Some(width) => count.checked_mul(2 * width),
            None => count.checked_mul(per_element).and_then(|count| element.bytes(count)),
        };
        let bytes = bytes.filter(|bytes| *bytes <= FIXED_MAX * 8).ok_or_else(wrong)?;
        let (element, shape) = match (descriptor, element) {
            (None, Element::Text { .. }) => texts(count, &dimensions, form.rest),
            (Some(_), Element::Text { .. }) => (element, Shape::Scalar),
            (Some(_), _) => (element, Shape::Variable),
            (None, _) => match count * per_element {
                0 | 1 => (element, Shape::Scalar),
                values if values <= FIXED_MAX => (element, Shape::Fixed(values)),
                _ => return Err(wrong()),
            },
        };
        // A cell of no values is NULL, and so is one whose descriptor is left out.
        let count = if descriptor.is_some() { count.min(1) } else { count };
        let null =
            matches!(code, 'B' | 'I' | 'J' | 'K').then(|| header.integer_text(&key("TNULL")));
        let name =
            text("TTYPE").map_or_else(|| format!("column_{number}"), |n| n.trim().to_owned());
        let description = description(header, number, &dimensions, element);
        let null = null.flatten().map(str::to_owned);
        Ok(Self {
            name,
            at,
            bytes,
            count,
            descriptor,
            per_element,
            cell: CellType { element, shape, null, empty_is_null: true },
            metadata: ColumnMetadata {
                unit: text("TUNIT"),
                ucd: text("TUCD"),
                utype: text("TUTYP"),
                description,
                ..ColumnMetadata::default()
            },
        })
    }
}

/// `(3,2)`.
fn dimensions(text: &str) -> Option<Vec<usize>> {
    let inner = text.trim().strip_prefix('(')?.strip_suffix(')')?;
    inner.split(',').map(|size| size.trim().parse().ok().filter(|size| *size > 0)).collect()
}

/// Texts: one per cell, or several of the same width (TDIM, or `20A10` of older files).
fn texts(count: usize, dimensions: &[usize], rest: &str) -> (Element, Shape) {
    let width = match dimensions {
        [] | [_] => rest.trim().parse().ok(),
        [first, ..] => Some(*first),
    };
    let text = |width| Element::Text { coding: Coding::Bytes, width, trimmed: true };
    match width {
        Some(width) if width > 0 && width < count && count.is_multiple_of(width) => {
            (text(width), Shape::Fixed(count / width))
        }
        _ => (text(1), Shape::Scalar),
    }
}

/// The values of a type, scaled as the header says; none where there is no such type.
fn element(header: &Header, number: usize, code: char) -> Result<Option<(Element, usize)>, String> {
    let scale = header.real(&format!("TSCAL{number}")).unwrap_or(1.0);
    let zero = header.real(&format!("TZERO{number}")).unwrap_or(0.0);
    #[expect(clippy::float_cmp, reason = "the standard names these very values")]
    let is_offset = |offset: f64| scale == 1.0 && zero == offset;
    let scaled = |stored| Element::Scaled { stored, scale, zero };
    let plain = is_offset(0.0);
    let element = match code {
        'L' => Element::Boolean,
        'X' => Element::Bit,
        'A' => Element::Text { coding: Coding::Bytes, width: 1, trimmed: true },
        'B' if plain => Element::UInt8,
        'B' if is_offset(-128.0) => Element::Int8,
        'B' => scaled(Stored::Byte),
        'I' if plain => Element::Int16,
        'I' if is_offset(32_768.0) => Element::UInt16,
        'I' => scaled(Stored::Short),
        'J' if plain => Element::Int32,
        'J' if is_offset(2_147_483_648.0) => Element::UInt32,
        'J' => scaled(Stored::Int),
        'K' if plain => Element::Int64,
        'K' if is_offset(2_f64.powi(63)) => Element::UInt64,
        'K' => scaled(Stored::Long),
        'E' | 'C' if plain => Element::Float32,
        'D' | 'M' if plain => Element::Float64,
        'E' => scaled(Stored::Float),
        'D' => scaled(Stored::Double),
        'C' | 'M' => {
            return Err(format!("TSCAL{number} and TZERO{number} of complex numbers are not read"));
        }
        _ => return Ok(None),
    };
    Ok(Some((element, if matches!(code, 'C' | 'M') { 2 } else { 1 })))
}

/// TCOMM, else what the writer remarked on the name, and how arrays of several dimensions lie.
fn description(
    header: &Header,
    number: usize,
    dimensions: &[usize],
    element: Element,
) -> Option<String> {
    let named = header.comment(&format!("TTYPE{number}"));
    // What cfitsio ("field") and STILTS ("column") write by themselves.
    let named = named.filter(|text| !text.starts_with("label for "));
    let said = header.text(&format!("TCOMM{number}")).or(named).unwrap_or_default().trim();
    let note = match dimensions {
        [] | [_] => String::new(),
        _ if element.is_text() => String::new(),
        _ => {
            let sizes: Vec<String> = dimensions.iter().map(ToString::to_string).collect();
            format!("(arrays of {}, flat, the first index the fastest)", sizes.join("x"))
        }
    };
    let texts: Vec<&str> = [said, &note].into_iter().filter(|text| !text.is_empty()).collect();
    (!texts.is_empty()).then(|| texts.join(" "))
}
