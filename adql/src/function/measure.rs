//! AREA, CENTROID, COORD1 and COORD2 (ADQL 2.1 §4.2.8, §4.2.10, §4.2.13, §4.2.14): numbers and
//! places that belong to one geometry.

use datafusion::arrow::datatypes::DataType;
use datafusion::common::{Result, ScalarValue};
use datafusion::logical_expr::{
    ColumnarValue, Expr, ScalarFunctionArgs, ScalarUDF, ScalarUDFImpl, Signature, Volatility,
};

use super::geometry::{Regions, as_point, as_region, fixed_lists, point_type};
use super::vector::double_array;
use crate::sky::{Position, Region};

/// The functions of this file.
pub(super) fn functions() -> Vec<ScalarUDF> {
    [Measure::Area, Measure::Centroid, Measure::Coord1, Measure::Coord2]
        .map(Measure::function)
        .into()
}

/// `COORD1` and `COORD2` of a point.
pub(crate) fn coordinates_of(point: &Expr) -> [Expr; 2] {
    [Measure::Coord1, Measure::Coord2].map(|measure| measure.function().call(vec![point.clone()]))
}

/// The point whose `COORD1` and `COORD2` two expressions are.
pub(crate) fn point_of<'a>(lon: &'a Expr, lat: &Expr) -> Option<&'a Expr> {
    let point = argument_of(lon, Measure::Coord1)?;
    (argument_of(lat, Measure::Coord2)? == point).then_some(point)
}

fn argument_of(expr: &Expr, measure: Measure) -> Option<&Expr> {
    match expr {
        Expr::ScalarFunction(call) if call.func.name() == measure.session_name() => {
            call.args.first()
        }
        Expr::Alias(alias) => argument_of(&alias.expr, measure),
        _ => None,
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
enum Measure {
    Area,
    Centroid,
    Coord1,
    Coord2,
}

impl Measure {
    fn name(self) -> &'static str {
        match self {
            Self::Area => "AREA",
            Self::Centroid => "CENTROID",
            Self::Coord1 => "COORD1",
            Self::Coord2 => "COORD2",
        }
    }

    fn session_name(self) -> &'static str {
        match self {
            Self::Area => "adql_area",
            Self::Centroid => "adql_centroid",
            Self::Coord1 => "adql_coord1",
            Self::Coord2 => "adql_coord2",
        }
    }

    fn function(self) -> ScalarUDF {
        let signature = Signature::user_defined(Volatility::Immutable);
        ScalarUDF::from(MeasureOf { measure: self, signature })
    }
}

/// The middle of a region; the range of coordinates is no ADQL geometry and has none.
fn centroid(region: &Region) -> Option<Position> {
    match region {
        Region::Point(place) => Some(*place),
        Region::Circle(circle) => Some(circle.center()),
        Region::Polygon(polygon) => Some(polygon.centroid()),
        Region::Range(_) => None,
    }
}

/// One of the four functions.
#[derive(Debug, PartialEq, Eq, Hash)]
struct MeasureOf {
    measure: Measure,
    signature: Signature,
}

impl ScalarUDFImpl for MeasureOf {
    fn name(&self) -> &str {
        self.measure.session_name()
    }

    fn signature(&self) -> &Signature {
        &self.signature
    }

    fn coerce_types(&self, arguments: &[DataType]) -> Result<Vec<DataType>> {
        let name = self.measure.name();
        super::expect_count(name, arguments, 1..=1)?;
        let cast = match self.measure {
            Measure::Area | Measure::Centroid => as_region,
            Measure::Coord1 | Measure::Coord2 => as_point,
        };
        arguments.iter().map(|a| cast(name, a)).collect()
    }

    fn return_type(&self, _: &[DataType]) -> Result<DataType> {
        Ok(match self.measure {
            Measure::Centroid => point_type(),
            Measure::Area | Measure::Coord1 | Measure::Coord2 => DataType::Float64,
        })
    }

    fn is_strict(&self) -> bool {
        true
    }

    fn invoke_with_args(&self, args: ScalarFunctionArgs) -> Result<ColumnarValue> {
        let regions = Regions::new(&args.args[0])?;
        let constant = matches!(args.args[0], ColumnarValue::Scalar(_));
        let rows = 0..if constant { 1 } else { args.number_rows };
        let result = match self.measure {
            Measure::Area => double_array(rows.map(|row| Some(regions.region(row)?.area_sq_deg()))),
            Measure::Centroid => fixed_lists::<2>(rows.map(|row| {
                let center = centroid(&*regions.region(row)?)?;
                Some([center.lon_deg(), center.lat_deg()])
            }))?,
            Measure::Coord1 => double_array(rows.map(|row| Some(regions.position(row)?.lon_deg()))),
            Measure::Coord2 => double_array(rows.map(|row| Some(regions.position(row)?.lat_deg()))),
        };
        Ok(if constant {
            ColumnarValue::Scalar(ScalarValue::try_from_array(&result, 0)?)
        } else {
            ColumnarValue::Array(result)
        })
    }
}
