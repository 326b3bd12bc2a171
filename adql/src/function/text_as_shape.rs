//! `CAST(text AS POINT)`, CIRCLE and POLYGON (ADQL 2.1 §4.7.1): texts that hold the numbers of a
//! geometry, as DALI 1.1 §3.3 serializes it, or name it as STC-S does.
//!
//! ```text
//! 10 20        10 20 1        10 20 11 20 11 21        Circle ICRS 10 20 1
//! ```
//! A text that is no such geometry is an error, as it is in other casts; a NULL is NULL.

use datafusion::arrow::array::ArrayRef;
use datafusion::arrow::error::ArrowError;
use datafusion::common::Result;
use datafusion::error::DataFusionError;
use datafusion::logical_expr::{ScalarUDF, Volatility};

use super::geometry::{circle_type, fixed_lists, lists, point_type, polygon_type};
use super::of_rows::{Kind, OfRows, texts};
use crate::sky::{Circle, Polygon, Position, Region};

/// So much of a text is shown in a message.
const SHOWN: usize = 60;

/// The functions of this file.
pub(super) fn functions() -> Vec<ScalarUDF> {
    let point: fn(&[ArrayRef]) -> Result<ArrayRef> =
        |arrays| fixed_lists(of_rows::<[f64; 2]>(TextAs::Point, &arrays[0])?.into_iter());
    let circle: fn(&[ArrayRef]) -> Result<ArrayRef> =
        |arrays| fixed_lists(of_rows::<[f64; 3]>(TextAs::Circle, &arrays[0])?.into_iter());
    let polygon: fn(&[ArrayRef]) -> Result<ArrayRef> =
        |arrays| Ok(lists(of_rows::<Vec<f64>>(TextAs::Polygon, &arrays[0])?.into_iter()));
    [
        (TextAs::Point, "CAST AS POINT", point_type(), point),
        (TextAs::Circle, "CAST AS CIRCLE", circle_type(), circle),
        (TextAs::Polygon, "CAST AS POLYGON", polygon_type(), polygon),
    ]
    .map(|(shape, written, result, evaluate)| {
        let (name, arguments, volatility) =
            (shape.function(), &[Kind::Text], Volatility::Immutable);
        OfRows { name, written, arguments, result, volatility, evaluate }.function()
    })
    .into()
}

/// A geometry that a text is cast to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum TextAs {
    Point,
    Circle,
    Polygon,
}

impl TextAs {
    /// By the name of its type.
    pub(crate) fn of_type(name: &str) -> Option<Self> {
        let all = [("POINT", Self::Point), ("CIRCLE", Self::Circle), ("POLYGON", Self::Polygon)];
        all.into_iter().find(|(known, _)| name.eq_ignore_ascii_case(known)).map(|(_, shape)| shape)
    }

    /// Name of the cast in a session.
    pub(crate) fn function(self) -> &'static str {
        match self {
            Self::Point => "adql_text_as_point",
            Self::Circle => "adql_text_as_circle",
            Self::Polygon => "adql_text_as_polygon",
        }
    }

    /// Name in a session of what makes the geometry of numbers.
    pub(crate) fn constructor(self) -> &'static str {
        match self {
            Self::Point => super::POINT,
            Self::Circle => super::CIRCLE,
            Self::Polygon => super::POLYGON,
        }
    }

    /// The numbers of the geometry that a text is, or why it is none.
    pub(crate) fn numbers(self, text: &str) -> std::result::Result<Vec<f64>, String> {
        let bare = text.trim();
        let numbers = if bare.starts_with(char::is_alphabetic) {
            self.named(bare)
        } else {
            self.serialized(bare)
        };
        numbers.map_err(|reason| {
            let cut = text.char_indices().nth(SHOWN).map_or("", |_| "…");
            let shown: String = text.chars().take(SHOWN).collect();
            let name = match self {
                Self::Point => "POINT",
                Self::Circle => "CIRCLE",
                Self::Polygon => "POLYGON",
            };
            format!("'{shown}{cut}' is no {name}: {reason}")
        })
    }

    /// Of numbers alone.
    fn serialized(self, text: &str) -> std::result::Result<Vec<f64>, String> {
        let number = |word: &str| word.parse().ok().filter(|n: &f64| n.is_finite());
        let place = |lon, lat| {
            let outside = || "latitudes are within -90 to 90 degrees".to_owned();
            Position::from_degrees(lon, lat).ok_or_else(outside)
        };
        let numbers = text.split_ascii_whitespace().map(number).collect::<Option<Vec<f64>>>();
        let numbers = numbers.unwrap_or_default();
        match (self, numbers.as_slice()) {
            (Self::Point, &[lon, lat]) => {
                place(lon, lat)?;
            }
            (Self::Circle, &[lon, lat, radius]) => {
                Circle::new(place(lon, lat)?, radius).map_err(|error| error.to_string())?;
            }
            (Self::Polygon, corners) if corners.len() >= 6 && corners.len().is_multiple_of(2) => {
                let (pairs, _) = corners.as_chunks::<2>();
                let corners = pairs.iter().map(|&[lon, lat]| place(lon, lat));
                let corners = corners.collect::<std::result::Result<_, _>>()?;
                Polygon::new(corners).map_err(|error| error.to_string())?;
            }
            _ => return Err(self.wanted().to_owned()),
        }
        Ok(numbers)
    }

    /// Of a name and numbers.
    fn named(self, text: &str) -> std::result::Result<Vec<f64>, String> {
        match (self, Region::from_text(text).map_err(|error| error.to_string())?) {
            (Self::Point, Region::Point(place)) => Ok(vec![place.lon_deg(), place.lat_deg()]),
            (Self::Circle, Region::Circle(circle)) => {
                let center = circle.center();
                Ok(vec![center.lon_deg(), center.lat_deg(), circle.radius().degrees()])
            }
            (Self::Polygon, Region::Polygon(polygon)) if polygon.vertices().len() >= 3 => {
                Ok(polygon.vertices().iter().flat_map(|at| [at.lon_deg(), at.lat_deg()]).collect())
            }
            _ => Err(self.wanted().to_owned()),
        }
    }

    fn wanted(self) -> &'static str {
        match self {
            Self::Point => "write two numbers, as '10 20', or 'Position ICRS 10 20'",
            Self::Circle => "write three numbers, as '10 20 1', or 'Circle ICRS 10 20 1'",
            Self::Polygon => {
                "write three or more pairs of numbers, as '10 20 11 20 11 21', or \
                 'Polygon ICRS 10 20 11 20 11 21'"
            }
        }
    }
}

/// The geometries of an array of texts.
fn of_rows<T: TryFrom<Vec<f64>>>(shape: TextAs, array: &ArrayRef) -> Result<Vec<Option<T>>> {
    let row = |text: Option<&str>| {
        let Some(text) = text else { return Ok(None) };
        let numbers = shape.numbers(text).map_err(|reason| {
            DataFusionError::ArrowError(Box::new(ArrowError::CastError(reason)), None)
        })?;
        Ok(T::try_from(numbers).ok())
    };
    texts(array).iter().map(row).collect()
}
