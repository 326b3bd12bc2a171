//! A region: what an ADQL geometry value or a range of coordinates is on the sphere.

use std::f64::consts::PI;
use std::fmt;

use super::angle::Angle;
use super::circle::Circle;
use super::coverage::Coverage;
use super::pixel::{Order, Pixel};
use super::polygon::Polygon;
use super::position::Position;
use super::range::Range;
use super::vector::{Vector, angle};

/// A set of places on the sphere. Its boundary belongs to it, but for an open [`Circle`].
#[derive(Debug, Clone, PartialEq)]
pub enum Region {
    /// `CIRCLE` (ADQL 2.1 §4.2.11), or a condition on `DISTANCE` (§4.2.16).
    Circle(Circle),
    /// `POLYGON` (ADQL 2.1 §4.2.19) or `BOX` (§4.2.9).
    Polygon(Polygon),
    /// Conditions on longitude and latitude.
    Range(Range),
    /// `POINT` (ADQL 2.1 §4.2.18).
    Point(Position),
    /// A MOC: pixels. A place belongs to the one pixel that its spatial index is of.
    Moc(Coverage),
    /// What any of some regions holds; none of them is a union.
    Union(Vec<Region>),
}

impl Region {
    /// Whether it holds a place, boundary included (ADQL 2.1 §4.2.12).
    pub fn contains(&self, position: &Position) -> bool {
        match self {
            Self::Circle(circle) => circle.contains(position),
            Self::Polygon(polygon) => polygon.contains(position),
            Self::Range(range) => range.contains(position),
            Self::Point(point) => point.distance(position) == Angle::ZERO,
            Self::Moc(moc) => moc.contains(Pixel::of(Order::MAX, position).index()),
            Self::Union(parts) => parts.iter().any(|part| part.contains(position)),
        }
    }

    /// The distance from a place, inside or outside, to the boundary; infinite if there is none. Of
    /// a union to that of the nearest part; nothing is known of a MOC, which has 0.
    pub fn boundary_distance(&self, position: &Position) -> Angle {
        Angle::from_radians(self.boundary_distance_radians(position.vector()))
    }

    pub(super) fn boundary_distance_radians(&self, p: Vector) -> f64 {
        match self {
            Self::Circle(circle) => circle.depth(p).abs(),
            Self::Polygon(polygon) => polygon.boundary_distance(p),
            Self::Range(range) => range.boundary_distance(p),
            Self::Point(point) => angle(point.vector(), p),
            Self::Moc(_) => 0.0,
            Self::Union(parts) => {
                let distances = parts.iter().map(|part| part.boundary_distance_radians(p));
                distances.fold(f64::INFINITY, f64::min)
            }
        }
    }

    /// Whether a place that is not near the boundary is inside.
    pub(super) fn holds_off_boundary(&self, p: Vector) -> bool {
        match self {
            Self::Circle(circle) => circle.depth(p) > 0.0,
            Self::Polygon(polygon) => polygon.holds_off_boundary(p),
            Self::Range(range) => range.contains(&Position::from_vector(p)),
            Self::Point(_) => false,
            Self::Moc(moc) => {
                moc.contains(Pixel::of(Order::MAX, &Position::from_vector(p)).index())
            }
            Self::Union(parts) => parts.iter().any(|part| part.holds_off_boundary(p)),
        }
    }

    /// A closed circle that holds all of it; none for ranges, and for polygons that are nearly as
    /// large as half of the sky.
    pub fn bounding_circle(&self) -> Option<Circle> {
        const ROUNDING_DEG: f64 = 1e-9;
        const POLYGON_MAX_DEG: f64 = 80.0;
        match self {
            Self::Circle(circle) => Circle::new(circle.center(), circle.radius().degrees()).ok(),
            Self::Point(point) => Circle::new(*point, 0.0).ok(),
            Self::Polygon(polygon) => {
                let center = polygon.centroid();
                let distances = polygon.vertices().iter().map(|v| center.distance(v).degrees());
                let radius = distances.fold(0.0, f64::max) + ROUNDING_DEG;
                // A disc of less than 90 degrees has with two places the arc between them.
                (radius < POLYGON_MAX_DEG).then(|| Circle::new(center, radius).ok())?
            }
            Self::Range(_) | Self::Moc(_) | Self::Union(_) => None,
        }
    }

    /// Its area in square degrees (ADQL 2.1 §4.2.8); 0 for a point; of a union the sum of those of
    /// its parts, which may have places in common.
    pub fn area_sq_deg(&self) -> f64 {
        let steradians = match self {
            Self::Circle(circle) => circle.area(),
            Self::Polygon(polygon) => polygon.area(),
            Self::Range(range) => range.area(),
            Self::Point(_) => 0.0,
            Self::Moc(moc) => moc.sky_fraction() * 4.0 * PI,
            Self::Union(parts) => return parts.iter().map(Self::area_sq_deg).sum(),
        };
        steradians * (180.0 / PI) * (180.0 / PI)
    }
}

impl From<Position> for Region {
    fn from(point: Position) -> Self {
        Self::Point(point)
    }
}

impl From<Circle> for Region {
    fn from(circle: Circle) -> Self {
        Self::Circle(circle)
    }
}

impl From<Polygon> for Region {
    fn from(polygon: Polygon) -> Self {
        Self::Polygon(polygon)
    }
}

impl From<Range> for Region {
    fn from(range: Range) -> Self {
        Self::Range(range)
    }
}

impl fmt::Display for Region {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Circle(circle) => circle.fmt(f),
            Self::Polygon(polygon) => polygon.fmt(f),
            Self::Range(range) => range.fmt(f),
            Self::Point(point) => point.fmt(f),
            Self::Moc(moc) => {
                let (cells, part) = (moc.cells().len(), 100.0 * moc.sky_fraction());
                write!(f, "MOC of {cells} cells, {part:.3} % of the sky")
            }
            Self::Union(parts) => {
                f.write_str("UNION(")?;
                for (at, part) in parts.iter().enumerate() {
                    write!(f, "{}{part}", if at == 0 { "" } else { ", " })?;
                }
                f.write_str(")")
            }
        }
    }
}
