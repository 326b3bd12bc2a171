//! AREA, CENTROID, COORD1, COORD2 and COORDSYS (ADQL 2.1 §4.2.8, §4.2.10, §4.2.13 to §4.2.15):
//! what belongs to one geometry.

use std::sync::Arc;

use datafusion::arrow::array::StringArray;
use datafusion::arrow::datatypes::DataType;
use datafusion::common::{Result, ScalarValue};
use datafusion::error::DataFusionError;
use datafusion::logical_expr::{
    ColumnarValue, Expr, ScalarFunctionArgs, ScalarUDF, ScalarUDFImpl, Signature, Volatility,
};

use super::geometry::{Regions, as_point, as_region, fixed_lists, point_type};
use super::vector::double_array;
use crate::Error;
use crate::sky::{Position, Region};

/// The functions of this file.
pub(super) fn functions() -> Vec<ScalarUDF> {
    [Measure::Area, Measure::Centroid, Measure::Coord1, Measure::Coord2, Measure::CoordSys]
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
    CoordSys,
}

impl Measure {
    fn name(self) -> &'static str {
        match self {
            Self::Area => "AREA",
            Self::Centroid => "CENTROID",
            Self::Coord1 => "COORD1",
            Self::Coord2 => "COORD2",
            Self::CoordSys => "COORDSYS",
        }
    }

    fn session_name(self) -> &'static str {
        match self {
            Self::Area => "adql_area",
            Self::Centroid => "adql_centroid",
            Self::Coord1 => "adql_coord1",
            Self::Coord2 => "adql_coord2",
            Self::CoordSys => "adql_coordsys",
        }
    }

    fn function(self) -> ScalarUDF {
        let signature = Signature::user_defined(Volatility::Immutable);
        ScalarUDF::from(MeasureOf { measure: self, signature })
    }
}

/// The middle of a region.
fn centroid(region: &Region) -> Result<Position> {
    match region {
        Region::Point(place) => Ok(*place),
        Region::Circle(circle) => Ok(circle.center()),
        Region::Polygon(polygon) => Ok(polygon.centroid()),
        Region::Range(_) | Region::Moc(_) | Region::Union(_) => {
            unknown("CENTROID", "a range, a MOC and a UNION have none here")
        }
    }
}

fn area(region: &Region) -> Result<f64> {
    if let Region::Union(_) = region {
        return unknown("AREA", "parts of a UNION may overlap: write AREA(MOC(order, region))");
    }
    Ok(region.area_sq_deg())
}

fn unknown<T>(function: &str, reason: &str) -> Result<T> {
    let (construct, reason) = (function.to_owned(), reason.to_owned());
    Err(DataFusionError::External(Box::new(Error::NotEvaluable { construct, reason, place: None })))
}

/// One of these functions.
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
            Measure::Area | Measure::Centroid | Measure::CoordSys => as_region,
            Measure::Coord1 | Measure::Coord2 => as_point,
        };
        arguments.iter().map(|a| cast(name, a)).collect()
    }

    fn return_type(&self, _: &[DataType]) -> Result<DataType> {
        Ok(match self.measure {
            Measure::Centroid => point_type(),
            Measure::Area | Measure::Coord1 | Measure::Coord2 => DataType::Float64,
            Measure::CoordSys => DataType::Utf8,
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
            Measure::Area => {
                let areas = rows.map(|row| regions.region(row).map(|r| area(&r)).transpose());
                double_array(areas.collect::<Result<Vec<_>>>()?.into_iter())
            }
            Measure::Centroid => {
                let centers = rows.map(|row| regions.region(row).map(|r| centroid(&r)).transpose());
                let centers = centers.collect::<Result<Vec<_>>>()?.into_iter();
                fixed_lists::<2>(centers.map(|at| at.map(|at| [at.lon_deg(), at.lat_deg()])))?
            }
            // Others are not made.
            Measure::CoordSys => {
                let systems = rows.map(|row| regions.region(row).map(|_| "ICRS"));
                Arc::new(systems.collect::<StringArray>())
            }
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
