//! Polygons and ranges by their outlines: cut where outlines meet, each piece is tested once.

use super::arc::{Arc, ON_EDGE};
use super::polygon::Polygon;
use super::position::Position;
use super::range::Range;
use super::vector::Vector;

/// A region with edges. Between two cuts an edge is inside, outside or on the boundary throughout.
#[derive(Debug, Clone, Copy)]
pub(super) enum Outline<'a> {
    Polygon(&'a Polygon),
    Range(&'a Range),
}

impl Outline<'_> {
    /// All of `other` is here if its outline is and no part of the sky around is in `other`.
    pub(super) fn contains(self, other: Outline<'_>) -> bool {
        let outline_inside = match other {
            Outline::Polygon(polygon) => polygon.arcs().all(|arc| self.holds_arc(arc)),
            Outline::Range(range) => {
                range.meridians().iter().all(|arc| self.holds_arc(arc))
                    && self.pieces_of_parallels(range).into_iter().all(|p| self.holds_nearly(p))
            }
        };
        outline_inside && !self.places_outside().into_iter().any(|p| other.holds(p))
    }

    /// This and a polygon meet if the outline of the polygon does, or all of this is inside of it.
    pub(super) fn meets(self, polygon: &Polygon) -> bool {
        let meets = |arc: &Arc| {
            let cuts = self.cuts(arc);
            cuts.iter().any(|cut| self.holds_nearly(arc.at(*cut)))
                || pieces(arc, cuts).into_iter().any(|p| self.holds_nearly(p))
        };
        polygon.arcs().any(meets) || polygon.holds(self.some_place())
    }

    fn holds(self, p: Vector) -> bool {
        match self {
            Outline::Polygon(polygon) => polygon.holds(p),
            Outline::Range(range) => range.contains(&Position::from_vector(p)),
        }
    }

    fn holds_nearly(self, p: Vector) -> bool {
        match self {
            Outline::Polygon(polygon) => polygon.holds(p) || polygon.boundary_distance(p) <= NEAR,
            Outline::Range(range) => self.holds(p) || range.boundary_distance(p) <= NEAR,
        }
    }

    fn holds_arc(self, arc: &Arc) -> bool {
        pieces(arc, self.cuts(arc)).into_iter().all(|p| self.holds_nearly(p))
    }

    /// Angles from the start of an arc at which this outline meets it.
    fn cuts(self, arc: &Arc) -> Vec<f64> {
        let mut cuts = Vec::new();
        match self {
            Outline::Polygon(polygon) => cut_by_arcs(arc, polygon.arcs(), &mut cuts),
            Outline::Range(range) => {
                cut_by_arcs(arc, range.meridians(), &mut cuts);
                for parallel in range.parallels() {
                    cuts.extend(arc.at_height(parallel.to_radians().sin()));
                }
            }
        }
        cuts
    }

    fn some_place(self) -> Vector {
        match self {
            Outline::Polygon(polygon) => polygon.vertices()[0].vector(),
            Outline::Range(range) => range.corners()[0].vector(),
        }
    }

    /// A place in each part of the sky around.
    fn places_outside(self) -> Vec<Vector> {
        match self {
            Outline::Polygon(polygon) => polygon.place_outside().into_iter().collect(),
            Outline::Range(range) => range.places_outside(),
        }
    }

    /// A place of each piece of the bounding parallels of a range.
    fn pieces_of_parallels(self, range: &Range) -> Vec<Vector> {
        let Outline::Polygon(polygon) = self else { return Vec::new() };
        let mut places = Vec::new();
        for parallel in range.parallels() {
            let height = parallel.to_radians().sin();
            let mut cuts = vec![0.0, range.width()];
            for arc in polygon.arcs() {
                let meetings = arc.at_height(height).into_iter().map(|offset| arc.at(offset));
                cuts.extend(meetings.map(|p| range.eastward(&Position::from_vector(p))));
            }
            cuts.sort_by(f64::total_cmp);
            for pair in cuts.windows(2).filter(|pair| pair[1] <= range.width()) {
                let lon = range.west() + 0.5 * (pair[0] + pair[1]);
                places.extend(Position::from_degrees(lon, parallel).map(|p| p.vector()));
            }
        }
        places
    }
}

/// How near to a boundary, in radians, the middle of a piece is that runs along it.
const NEAR: f64 = 4.0 * ON_EDGE;

fn cut_by_arcs<'a>(arc: &Arc, by: impl IntoIterator<Item = &'a Arc>, cuts: &mut Vec<f64>) {
    for other in by {
        let ends = [other.start, other.end].into_iter().filter(|p| arc.holds(*p));
        cuts.extend(arc.meeting(other).into_iter().chain(ends).map(|p| arc.offset(p)));
    }
}

/// The start of an arc, and the middle of each piece between cuts.
fn pieces(arc: &Arc, mut cuts: Vec<f64>) -> Vec<Vector> {
    let extent = arc.extent();
    cuts.retain(|cut| (0.0..=extent).contains(cut));
    cuts.extend([0.0, extent]);
    cuts.sort_by(f64::total_cmp);
    let middles = cuts.windows(2).map(|pair| arc.at(0.5 * (pair[0] + pair[1])));
    std::iter::once(arc.start).chain(middles).collect()
}
