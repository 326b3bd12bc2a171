//! Julian dates (UDF catalogue 1.2 §3): `ivo_to_jd`, `ivo_to_mjd`. Time scales are not looked at.

use std::sync::Arc;

use datafusion::arrow::array::{ArrayRef, AsArray, Float64Array};
use datafusion::arrow::compute::{CastOptions, cast_with_options};
use datafusion::arrow::datatypes::{DataType, TimeUnit, TimestampMicrosecondType};
use datafusion::common::Result;
use datafusion::logical_expr::{ScalarUDF, Volatility};

use super::of_rows::{Kind, OfRows};

const MICROSECONDS_PER_DAY: i64 = 86_400_000_000;
/// Days at the beginning of 1970, of JD (and half a day) and of MJD.
const JD_1970: i64 = 2_440_587;
const MJD_1970: i64 = 40_587;

/// The functions of this file.
pub(super) fn functions() -> Vec<ScalarUDF> {
    let function = |name, written, evaluate| {
        let of_rows = OfRows {
            name,
            written,
            arguments: &[Kind::Moment],
            result: DataType::Float64,
            volatility: Volatility::Immutable,
            evaluate,
        };
        of_rows.function()
    };
    vec![
        function("adql_to_jd", "ivo_to_jd", |arrays| days(&arrays[0], JD_1970, 0.5)),
        function("adql_to_mjd", "ivo_to_mjd", |arrays| days(&arrays[0], MJD_1970, 0.0)),
    ]
}

/// Days since a moment so many days, and a part of one, before 1970; NULL for a text that is no time.
fn days(moments: &ArrayRef, before: i64, part: f64) -> Result<ArrayRef> {
    let options = CastOptions { safe: true, ..CastOptions::default() };
    let moments =
        cast_with_options(moments, &DataType::Timestamp(TimeUnit::Microsecond, None), &options)?;
    let moments = moments.as_primitive::<TimestampMicrosecondType>();
    let days = moments.iter().map(|moment| {
        let moment = moment?;
        let whole = moment.div_euclid(MICROSECONDS_PER_DAY) + before;
        #[expect(clippy::cast_precision_loss, reason = "days and microseconds of a day are small")]
        let (whole, rest) = (whole as f64, moment.rem_euclid(MICROSECONDS_PER_DAY) as f64);
        #[expect(clippy::cast_precision_loss, reason = "exact")]
        let of_day = rest / MICROSECONDS_PER_DAY as f64;
        Some(whole + (part + of_day))
    });
    Ok(Arc::new(days.collect::<Float64Array>()))
}
