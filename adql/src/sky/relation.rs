//! Regions against regions: CONTAINS and INTERSECTS of ADQL 2.1 §4.2.12 and §4.2.17.
//!
//! All pairs are exact, in this sense: boundaries that are within 0.2 µas of each other touch, and
//! what touches from inside is contained, what touches from outside intersects. Only a point
//! against a region is exact to the last bit, as [`Region::contains`] is.

use super::angle::Angle;
use super::arc::ON_EDGE;
use super::circle::Circle;
use super::error::RegionError;
use super::outline::Outline;
use super::position::Position;
use super::region::Region;

const OF_MOC: &str =
    "a MOC is compared with points and with MOCs: write MOC(order, region) for the other";

const OF_UNION: &str =
    "a region may lie in several parts of a UNION together: compare it with each part";

impl Region {
    /// Whether every place of `other` is a place of this region.
    ///
    /// # Errors
    /// Where only one of them is a MOC, and where several parts of a union may hold it together.
    pub fn contains_region(&self, other: &Self) -> Result<bool, RegionError> {
        Ok(match (self, other) {
            (_, Self::Point(point)) => self.contains(point),
            (_, Self::Union(parts)) => {
                for part in parts {
                    if !self.contains_region(part)? {
                        return Ok(false);
                    }
                }
                true
            }
            (Self::Moc(outer), Self::Moc(inner)) => {
                inner.intersection(&outer.complement()).is_empty()
            }
            (Self::Moc(_), _) | (_, Self::Moc(_)) => return Err(RegionError::NotCompared(OF_MOC)),
            (Self::Union(parts), inner) => {
                let mut meets = false;
                for part in parts {
                    if part.contains_region(inner)? {
                        return Ok(true);
                    }
                    meets |= part.intersects(inner)?;
                }
                if meets {
                    return Err(RegionError::NotCompared(OF_UNION));
                }
                false
            }
            (Self::Point(point), _) => other.is_place(point),
            (Self::Circle(outer), Self::Circle(inner)) => circle_in_circle(outer, inner),
            (Self::Circle(outer), Self::Polygon(_) | Self::Range(_)) => in_circle(outer, other),
            (Self::Polygon(_) | Self::Range(_), Self::Circle(inner)) => circle_in(self, inner),
            (Self::Polygon(outer), Self::Polygon(inner)) => {
                Outline::Polygon(outer).contains(Outline::Polygon(inner))
            }
            (Self::Polygon(outer), Self::Range(inner)) => {
                Outline::Polygon(outer).contains(Outline::Range(inner))
            }
            (Self::Range(outer), Self::Polygon(inner)) => {
                Outline::Range(outer).contains(Outline::Polygon(inner))
            }
            (Self::Range(outer), Self::Range(inner)) => outer.contains_range(inner),
        })
    }

    /// Whether the regions have a place in common; symmetric.
    ///
    /// # Errors
    /// Where only one of them is a MOC, and the other no point.
    pub fn intersects(&self, other: &Self) -> Result<bool, RegionError> {
        Ok(match (self, other) {
            (Self::Union(parts), other) | (other, Self::Union(parts)) => {
                for part in parts {
                    if part.intersects(other)? {
                        return Ok(true);
                    }
                }
                false
            }
            (Self::Moc(a), Self::Moc(b)) => !a.intersection(b).is_empty(),
            (region, Self::Point(point)) | (Self::Point(point), region) => region.contains(point),
            (Self::Moc(_), _) | (_, Self::Moc(_)) => return Err(RegionError::NotCompared(OF_MOC)),
            (Self::Circle(a), Self::Circle(b)) => circles_meet(a, b),
            (Self::Circle(circle), region) | (region, Self::Circle(circle)) => {
                circle_meets(circle, region)
            }
            (Self::Polygon(a), Self::Polygon(b)) => Outline::Polygon(a).meets(b),
            (Self::Polygon(polygon), Self::Range(range))
            | (Self::Range(range), Self::Polygon(polygon)) => Outline::Range(range).meets(polygon),
            (Self::Range(a), Self::Range(b)) => a.intersects_range(b),
        })
    }

    /// Whether it holds no place but this one.
    fn is_place(&self, place: &Position) -> bool {
        let same = |p: &Position| p.distance(place) == Angle::ZERO;
        match self {
            Self::Circle(circle) => {
                circle.is_empty() || circle.radius() == Angle::ZERO && same(&circle.center())
            }
            Self::Polygon(polygon) => polygon.vertices().iter().all(same),
            Self::Range(range) => range.corners().iter().all(same),
            Self::Point(point) => same(point),
            Self::Moc(moc) => moc.is_empty(),
            Self::Union(parts) => parts.iter().all(|part| part.is_place(place)),
        }
    }
}

fn circle_in_circle(outer: &Circle, inner: &Circle) -> bool {
    if inner.is_empty() || outer.is_all() {
        return true;
    }
    // In degrees, in which round numbers leave nothing over.
    let apart = outer.center().distance(&inner.center()).degrees();
    let spare = outer.radius().degrees() - inner.radius().degrees() - apart;
    let may_touch = outer.is_closed() || !inner.is_closed();
    !outer.is_empty() && if may_touch { spare >= -ON_EDGE } else { spare > 0.0 }
}

fn circles_meet(a: &Circle, b: &Circle) -> bool {
    let apart = a.center().distance(&b.center()).degrees();
    let overlap = a.radius().degrees() + b.radius().degrees() - apart;
    let closed = a.is_closed() && b.is_closed();
    !a.is_empty() && !b.is_empty() && if closed { overlap >= -ON_EDGE } else { overlap > 0.0 }
}

/// A region lies in a circle if it keeps clear of the rest of the sky, a disc around the antipode.
fn in_circle(circle: &Circle, region: &Region) -> bool {
    if circle.is_all() {
        return true;
    }
    let antipode = circle.center().antipode();
    let rest = Angle::from_degrees(180.0 - circle.radius().degrees()).radians();
    let spare = region.boundary_distance(&antipode).radians() - rest;
    !circle.is_empty()
        && !region.contains(&antipode)
        && if circle.is_closed() { spare >= -ON_EDGE } else { spare > 0.0 }
}

fn circle_in(region: &Region, circle: &Circle) -> bool {
    let spare = region.boundary_distance(&circle.center()).radians() - circle.radius().radians();
    circle.is_empty() || region.contains(&circle.center()) && spare >= -ON_EDGE
}

fn circle_meets(circle: &Circle, region: &Region) -> bool {
    if circle.is_empty() {
        return false;
    }
    let overlap = circle.radius().radians() - region.boundary_distance(&circle.center()).radians();
    region.contains(&circle.center())
        || if circle.is_closed() { overlap >= -ON_EDGE } else { overlap > 0.0 }
}
