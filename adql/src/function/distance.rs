//! DISTANCE (ADQL 2.1 §4.2.16) in degrees, of two points or of four numbers.

use datafusion::arrow::array::{Array, Float64Array};
use datafusion::arrow::datatypes::DataType;
use datafusion::common::{Result, ScalarValue};
use datafusion::logical_expr::{
    ColumnarValue, ScalarFunctionArgs, ScalarUDF, ScalarUDFImpl, Signature, Volatility,
};

use super::geometry::{Regions, as_point};
use super::vector::{as_double, double_array, doubles};
use crate::sky::Position;

/// The function of this file.
pub(super) fn functions() -> Vec<ScalarUDF> {
    vec![ScalarUDF::from(Distance { signature: Signature::user_defined(Volatility::Immutable) })]
}

#[derive(Debug, PartialEq, Eq, Hash)]
struct Distance {
    signature: Signature,
}

/// One place, or the place of each row.
#[derive(Debug)]
enum Places<'a> {
    Constant(Option<Position>),
    Points(Regions<'a>),
    Numbers(&'a Float64Array, &'a Float64Array),
}

impl Places<'_> {
    fn position(&self, row: usize) -> Option<Position> {
        match self {
            Self::Constant(position) => *position,
            Self::Points(points) => points.position(row),
            Self::Numbers(lon, lat) => {
                let both = lon.is_valid(row) && lat.is_valid(row);
                both.then(|| Position::from_degrees(lon.value(row), lat.value(row)))?
            }
        }
    }
}

/// Reads two numbers per row; two constants are one place.
fn evaluate(places: [Places<'_>; 2], constant: bool, rows: usize) -> ColumnarValue {
    let [a, b] = places;
    let distance = |row| Some(a.position(row)?.distance(&b.position(row)?).degrees());
    if constant {
        return ColumnarValue::Scalar(ScalarValue::Float64(distance(0)));
    }
    ColumnarValue::Array(double_array((0..rows).map(distance)))
}

fn constant(argument: &ColumnarValue) -> Option<&ScalarValue> {
    match argument {
        ColumnarValue::Scalar(value) => Some(value),
        ColumnarValue::Array(_) => None,
    }
}

impl Distance {
    fn of_points(args: &ScalarFunctionArgs) -> Result<ColumnarValue> {
        let places = [
            Places::Points(Regions::new(&args.args[0])?),
            Places::Points(Regions::new(&args.args[1])?),
        ];
        let all_constant = args.args.iter().all(|a| constant(a).is_some());
        Ok(evaluate(places, all_constant, args.number_rows))
    }

    fn of_numbers(args: &ScalarFunctionArgs) -> Result<ColumnarValue> {
        let arrays =
            args.args.iter().map(|a| a.to_array(args.number_rows)).collect::<Result<Vec<_>>>()?;
        let place = |lon: usize| match (constant(&args.args[lon]), constant(&args.args[lon + 1])) {
            (Some(ScalarValue::Float64(x)), Some(ScalarValue::Float64(y))) => {
                let place = x.zip(*y).map(|(x, y)| super::shape::check_place("DISTANCE", x, y));
                place.transpose().map(Places::Constant)
            }
            _ => Ok(Places::Numbers(doubles(&arrays[lon]), doubles(&arrays[lon + 1]))),
        };
        let places = [place(0)?, place(2)?];
        let all_constant = args.args.iter().all(|a| constant(a).is_some());
        Ok(evaluate(places, all_constant, args.number_rows))
    }
}

impl ScalarUDFImpl for Distance {
    fn name(&self) -> &str {
        super::DISTANCE
    }

    fn signature(&self) -> &Signature {
        &self.signature
    }

    fn coerce_types(&self, arguments: &[DataType]) -> Result<Vec<DataType>> {
        match arguments.len() {
            2 => arguments.iter().map(|a| as_point("DISTANCE", a)).collect(),
            _ => {
                super::expect_count("DISTANCE", arguments, 4..=4)?;
                arguments.iter().map(|a| as_double("DISTANCE", a)).collect()
            }
        }
    }

    fn return_type(&self, _: &[DataType]) -> Result<DataType> {
        Ok(DataType::Float64)
    }

    fn is_strict(&self) -> bool {
        true
    }

    fn invoke_with_args(&self, args: ScalarFunctionArgs) -> Result<ColumnarValue> {
        if args.args.len() == 2 { Self::of_points(&args) } else { Self::of_numbers(&args) }
    }
}
