//! FIELD elements: the columns of a VOTable and how their cells are laid out (VOTable 1.4 §2, §4).

use super::document::Tag;
use crate::metadata::ColumnMetadata;
use crate::read::cell::{CellType, Shape};
use crate::read::element::{Coding, Element};

/// A FIELD as its tags say it.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct FieldTags {
    pub(super) field: Tag,
    /// The line of the tag.
    pub(super) line: u64,
    pub(super) description: String,
    /// The value that stands for NULL (`VALUES null=`).
    pub(super) null: Option<String>,
}

/// A column of a VOTable.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct VotableColumn {
    pub(super) name: String,
    pub(super) cell: CellType,
    /// Elements that one of the serialization makes: a complex number is two.
    pub(super) per_element: usize,
    /// Elements of the serialization in a cell of fixed length, else none.
    pub(super) length: Option<usize>,
    pub(super) metadata: ColumnMetadata,
    /// The COOSYS or TIMESYS of the column.
    pub(super) reference: Option<String>,
}

impl VotableColumn {
    /// Whether it has texts of the datatype `char`.
    pub(super) fn is_ascii_text(&self) -> bool {
        matches!(self.cell.element, Element::Text { coding: Coding::Bytes, .. })
            && self.cell.shape == Shape::Scalar
    }
}

/// What an attribute `arraysize` says: the first dimensions, and whether the last one is open.
struct ArraySize {
    /// Product of the fixed dimensions; the last one is left out where it is open.
    fixed: usize,
    first: usize,
    dimensions: usize,
    is_open: bool,
}

impl ArraySize {
    fn parse(text: &str) -> Option<Self> {
        let parts: Vec<&str> = text.split('x').map(str::trim).collect();
        let (last, inner) = parts.split_last()?;
        let mut sizes: Vec<usize> = Vec::new();
        for part in inner {
            sizes.push(part.parse().ok().filter(|size| *size > 0)?);
        }
        let is_open = last.ends_with('*');
        if is_open {
            // `10*` bounds the length, which the cells tell by themselves.
            let bound = last.trim_end_matches('*');
            if !bound.is_empty() {
                bound.parse::<usize>().ok()?;
            }
        } else {
            sizes.push(last.parse().ok().filter(|size| *size > 0)?);
        }
        let mut fixed: usize = 1;
        for size in &sizes {
            fixed = fixed.checked_mul(*size)?;
        }
        let first = sizes.first().copied().unwrap_or(1);
        Some(Self { fixed, first, dimensions: parts.len(), is_open })
    }
}

impl FieldTags {
    /// The name of the column, by which it is known in errors too.
    pub(super) fn name(&self, number: usize) -> String {
        let named = self.field.attribute("name").or_else(|| self.field.attribute("ID"));
        named.map_or_else(|| format!("column_{number}"), str::to_owned)
    }

    /// The column, where a moment is text if so wanted.
    pub(super) fn column(
        &self,
        number: usize,
        flagged: bool,
        wants_text: bool,
    ) -> Result<VotableColumn, String> {
        let attribute = |name| self.field.attribute(name).map(str::to_owned);
        let datatype = self.field.attribute("datatype").ok_or_else(|| {
            "the FIELD has no datatype: give one of boolean, bit, unsignedByte, short, int, long, \
             char, unicodeChar, float, double, floatComplex, doubleComplex"
                .to_owned()
        })?;
        let xtype = attribute("xtype");
        let (element, per_element) = element(datatype)?;
        let size = self.field.attribute("arraysize");
        let parsed = size.map(|text| {
            ArraySize::parse(text).ok_or_else(|| {
                format!("arraysize=\"{text}\" is not read: give a number, *, or as 3x2")
            })
        });
        let size_read = parsed.transpose()?;
        let mut note = None;
        let is_moment = xtype.as_deref().is_some_and(is_timestamp) && !wants_text;
        let layout = layout(element, per_element, size_read.as_ref());
        let (element, shape, length) = match layout {
            (Element::Text { coding, .. }, Shape::Scalar, length) if is_moment => {
                (Element::Timestamp(coding), Shape::Scalar, length)
            }
            layout => layout,
        };
        if let (Some(read), false) = (&size_read, element.is_text())
            && read.dimensions > 1
        {
            note = Some(format!(
                "(arrays of {}, flat, the first index the fastest)",
                size.unwrap_or_default()
            ));
        }
        // One line, as writers break descriptions anywhere.
        let words = self.description.split_whitespace().chain(note.as_deref());
        let description = words.collect::<Vec<_>>().join(" ");
        Ok(VotableColumn {
            name: self.name(number),
            cell: CellType { element, shape, null: self.null.clone(), empty_is_null: !flagged },
            per_element,
            length,
            metadata: ColumnMetadata {
                unit: attribute("unit"),
                ucd: attribute("ucd"),
                utype: attribute("utype"),
                xtype,
                description: (!description.is_empty()).then_some(description),
                ..ColumnMetadata::default()
            },
            reference: attribute("ref"),
        })
    }
}

fn is_timestamp(xtype: &str) -> bool {
    xtype.eq_ignore_ascii_case("timestamp") || xtype.eq_ignore_ascii_case("adql:timestamp")
}

/// The elements of a `datatype`, and how many of ours make one.
fn element(datatype: &str) -> Result<(Element, usize), String> {
    Ok(match datatype {
        "boolean" => (Element::Boolean, 1),
        "bit" => (Element::Bit, 1),
        "unsignedByte" => (Element::UInt8, 1),
        "short" => (Element::Int16, 1),
        "int" => (Element::Int32, 1),
        "long" => (Element::Int64, 1),
        "float" => (Element::Float32, 1),
        "double" => (Element::Float64, 1),
        "floatComplex" => (Element::Float32, 2),
        "doubleComplex" => (Element::Float64, 2),
        "char" => (Element::text(Coding::Bytes), 1),
        "unicodeChar" => (Element::text(Coding::Utf16), 1),
        _ => {
            return Err(format!(
                "datatype=\"{datatype}\" is none of VOTable: give one of boolean, bit, \
                 unsignedByte, short, int, long, char, unicodeChar, float, double, floatComplex, \
                 doubleComplex"
            ));
        }
    })
}

/// Elements, how many there are in a cell, and how many the serialization counts.
fn layout(
    element: Element,
    per_element: usize,
    size: Option<&ArraySize>,
) -> (Element, Shape, Option<usize>) {
    if let Element::Text { coding, .. } = element {
        return match size {
            // A text without a size is a single character.
            None => (element, Shape::Scalar, Some(1)),
            Some(size) if size.dimensions == 1 => {
                (element, Shape::Scalar, (!size.is_open).then_some(size.fixed))
            }
            Some(size) => {
                let texts = Element::Text { coding, width: size.first, trimmed: true };
                if size.is_open {
                    (texts, Shape::Variable, None)
                } else {
                    (texts, Shape::Fixed(size.fixed / size.first), Some(size.fixed))
                }
            }
        };
    }
    match size {
        Some(size) if size.is_open => (element, Shape::Variable, None),
        // Many documents write a size of 1 for plain values.
        None => number(element, per_element, 1),
        Some(size) => number(element, per_element, size.fixed),
    }
}

fn number(element: Element, per_element: usize, length: usize) -> (Element, Shape, Option<usize>) {
    let shape = match length.saturating_mul(per_element) {
        1 => Shape::Scalar,
        values => Shape::Fixed(values),
    };
    (element, shape, Some(length))
}
