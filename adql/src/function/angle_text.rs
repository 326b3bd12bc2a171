//! Angles that are texts (UDF catalogue 1.2 §6): `ivo_hms_to_degrees`, `ivo_dms_to_degrees`.

use datafusion::arrow::array::ArrayRef;
use datafusion::arrow::datatypes::DataType;
use datafusion::logical_expr::{ScalarUDF, Volatility};

use super::of_rows::{Kind, OfRows, texts};
use super::vector::double_array;
use crate::sky::sexagesimal::{Leading, parse};

const DEGREES_PER_HOUR: f64 = 15.0;

/// The functions of this file.
pub(super) fn functions() -> Vec<ScalarUDF> {
    let function = |name, written, evaluate| {
        let of_rows = OfRows {
            name,
            written,
            arguments: &[Kind::Text],
            result: DataType::Float64,
            volatility: Volatility::Immutable,
            evaluate,
        };
        of_rows.function()
    };
    vec![
        function("adql_hms_to_degrees", "ivo_hms_to_degrees", |arrays| {
            Ok(angles(&arrays[0], |text| Some(DEGREES_PER_HOUR * angle(text, Leading::Hours)?)))
        }),
        function("adql_dms_to_degrees", "ivo_dms_to_degrees", |arrays| {
            Ok(angles(&arrays[0], |text| angle(text, Leading::Degrees)))
        }),
    ]
}

fn angles(array: &ArrayRef, angle: impl Fn(&str) -> Option<f64>) -> ArrayRef {
    double_array(texts(array).iter().map(|text| angle(text?)))
}

/// The angle of a text, in what its first number counts; none where it counts something else.
fn angle(text: &str, leading: Leading) -> Option<f64> {
    let written = parse(text)?;
    if written.leading.is_some_and(|counted| counted != leading) {
        return None;
    }
    if written.is_plain { without_marks(text) } else { Some(written.value) }
}

/// The angle of six digits, two for each number, and a fraction.
fn without_marks(text: &str) -> Option<f64> {
    let text = text.trim();
    let digits = text.trim_start_matches(['+', '-']);
    let whole = digits.find('.').unwrap_or(digits.len());
    if whole != 6 || text.len() - digits.len() > 1 {
        return None;
    }
    let marked = format!("{}:{}:{}", digits.get(..2)?, digits.get(2..4)?, digits.get(4..)?);
    let value = parse(&marked)?.value;
    Some(if text.starts_with('-') { -value } else { value })
}

#[cfg(test)]
mod tests {
    use super::{Leading, angle};

    #[test]
    fn angles_are_as_their_marks_say() {
        let hours = |text| angle(text, Leading::Hours);
        let degrees = |text| angle(text, Leading::Degrees);
        assert_eq!(hours("033000"), Some(3.5));
        assert_eq!(hours("033000.0"), Some(3.5));
        assert_eq!(degrees("-001500"), Some(-0.25));
        assert_eq!(degrees("+001500"), Some(0.25));
        assert_eq!((hours("3d0m0s"), degrees("3h0m0s")), (None, None));
        for text in ["", "x", "3", "1234567", "12345", "1:60:00", "--001500", "1:2:3:4", "0x1500"] {
            assert_eq!((hours(text), degrees(text)), (None, None), "{text}");
        }
    }
}
