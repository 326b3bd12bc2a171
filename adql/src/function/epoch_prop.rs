//! `ivo_epoch_prop_pos` (UDF catalogue 1.2 §2.2): the place of a star at another epoch.
//!
//! A constant that is NULL where the catalogue wants a number (place, epochs) is an error when the
//! query is planned. A row that lacks one has NULL, as it has with every function of a place: an
//! error would depend on which rows of a table a plan comes to read.

use std::sync::Arc;

use datafusion::arrow::array::{Array, Float64Array};
use datafusion::arrow::datatypes::{DataType, Field, FieldRef};
use datafusion::common::{Result, ScalarValue};
use datafusion::logical_expr::{
    ColumnarValue, Expr, ReturnFieldArgs, ScalarFunctionArgs, ScalarUDF, ScalarUDFImpl, Signature,
    Volatility,
};

use super::geometry::{fixed_lists, point_type};
use super::refuse;
use super::shape::check_place;
use super::vector::{as_double, doubles, over_arrays};
use crate::sky::{Motion, Position};

/// Name of the function in a session.
pub(crate) const NAME: &str = "adql_epoch_prop_pos";

/// As users write it.
const WRITTEN: &str = "ivo_epoch_prop_pos";

/// What its arguments are, and whether they may be NULL.
const ARGUMENTS: [(&str, bool); 8] = [
    ("ra", false),
    ("dec", false),
    ("parallax", true),
    ("pmra", true),
    ("pmdec", true),
    ("radial_velocity", true),
    ("ref_epoch", false),
    ("out_epoch", false),
];

/// The function of this file.
pub(super) fn functions() -> Vec<ScalarUDF> {
    let signature = Signature::user_defined(Volatility::Immutable);
    vec![ScalarUDF::from(EpochProp { signature })]
}

/// The arguments of a call.
pub(crate) fn arguments_of(expr: &Expr) -> Option<&[Expr; 8]> {
    match expr {
        Expr::ScalarFunction(call) if call.func.name() == NAME => {
            call.args.as_slice().try_into().ok()
        }
        Expr::Alias(alias) => arguments_of(&alias.expr),
        _ => None,
    }
}

#[derive(Debug, PartialEq, Eq, Hash)]
struct EpochProp {
    signature: Signature,
}

/// The place of the star of a row.
fn propagated([ra, dec, rest @ ..]: [Option<f64>; 8]) -> Option<[f64; 2]> {
    let [parallax, pmra, pmdec, radial_velocity, reference, out] = rest;
    let place = Position::from_degrees(ra?, dec?)?;
    let motion = Motion {
        parallax_mas: parallax.unwrap_or(0.0),
        pmra_mas_yr: pmra.unwrap_or(0.0),
        pmdec_mas_yr: pmdec.unwrap_or(0.0),
        radial_velocity_km_s: radial_velocity.unwrap_or(0.0),
    };
    let moved = motion.after(&place, out? - reference?)?;
    Some([moved.lon_deg(), moved.lat_deg()])
}

impl ScalarUDFImpl for EpochProp {
    fn name(&self) -> &'static str {
        NAME
    }

    fn signature(&self) -> &Signature {
        &self.signature
    }

    fn coerce_types(&self, arguments: &[DataType]) -> Result<Vec<DataType>> {
        super::expect_count(WRITTEN, arguments, 8..=8)?;
        arguments.iter().map(|argument| as_double(WRITTEN, argument)).collect()
    }

    fn return_type(&self, _: &[DataType]) -> Result<DataType> {
        Ok(point_type())
    }

    fn return_field_from_args(&self, args: ReturnFieldArgs<'_>) -> Result<FieldRef> {
        for ((name, may_be_null), value) in ARGUMENTS.iter().zip(args.scalar_arguments) {
            if !may_be_null && value.is_some_and(ScalarValue::is_null) {
                return Err(refuse(format!("{WRITTEN}: {name} is NULL: it has to be a number")));
            }
        }
        let number = |at: usize| match args.scalar_arguments.get(at).copied().flatten() {
            Some(value) => match value.cast_to(&DataType::Float64) {
                Ok(ScalarValue::Float64(number)) => number,
                _ => None,
            },
            None => None,
        };
        if let (Some(ra), Some(dec)) = (number(0), number(1)) {
            check_place(WRITTEN, ra, dec)?;
        }
        Ok(Arc::new(Field::new(NAME, point_type(), true)))
    }

    fn invoke_with_args(&self, args: ScalarFunctionArgs) -> Result<ColumnarValue> {
        over_arrays(&args, |arrays| {
            let rows = arrays.first().map_or(0, Array::len);
            let mut columns: [&Float64Array; 8] = [doubles(&arrays[0]); 8];
            for (column, array) in columns.iter_mut().zip(arrays) {
                *column = doubles(array);
            }
            fixed_lists::<2>((0..rows).map(|row| {
                propagated(columns.map(|column| column.is_valid(row).then(|| column.value(row))))
            }))
        })
    }
}
