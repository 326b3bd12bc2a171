//! Numbers as text: integers in decimal, floats by their shortest text that reads back exactly.

/// How a format spells the floats that have no digits.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Spelling {
    /// Not a number.
    pub(crate) nan: &'static str,
    /// Positive infinity.
    pub(crate) infinity: &'static str,
    /// Negative infinity.
    pub(crate) negative_infinity: &'static str,
}

/// The spelling of VOTable 1.4 §6 (`TABLEDATA`).
pub(crate) const VOTABLE: Spelling =
    Spelling { nan: "NaN", infinity: "+Inf", negative_infinity: "-Inf" };

/// The spelling that Python, pandas, DuckDB and Java all read from CSV.
pub(crate) const PLAIN: Spelling =
    Spelling { nan: "NaN", infinity: "Infinity", negative_infinity: "-Infinity" };

/// Appends an integer.
pub(crate) fn push_integer(out: &mut Vec<u8>, value: impl itoa::Integer) {
    out.extend_from_slice(itoa::Buffer::new().format(value).as_bytes());
}

/// Appends a float with the fewest digits that read back as the same float.
pub(crate) fn push_float<F: zmij::Float + Into<f64>>(
    out: &mut Vec<u8>,
    value: F,
    spelling: Spelling,
) {
    let wide: f64 = value.into();
    if wide.is_finite() {
        let mut buffer = zmij::Buffer::new();
        let text = buffer.format_finite(value);
        out.extend_from_slice(text.as_bytes());
    } else if wide.is_nan() {
        out.extend_from_slice(spelling.nan.as_bytes());
    } else if wide > 0.0 {
        out.extend_from_slice(spelling.infinity.as_bytes());
    } else {
        out.extend_from_slice(spelling.negative_infinity.as_bytes());
    }
}
