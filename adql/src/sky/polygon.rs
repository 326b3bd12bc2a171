//! A polygon of great-circle edges (ADQL 2.1 §4.2.19), and the box that is one (§4.2.9).
//!
//! A place is told inside from outside by counting the edges between it and one of three anchors,
//! nearly at right angles to each other and well off the great circle of every edge. The anchor
//! farthest from the place and its antipode is used, and each vertex is put on a side once for
//! both of its edges, so that no place needs a special case, whatever the size of the polygon.

use std::f64::consts::PI;
use std::fmt;

use super::arc::Arc;
use super::error::RegionError;
use super::position::Position;
use super::vector::{
    Vector, add, any_perpendicular, chord_squared, cross, dot, length, negate, scale, subtract,
    unit,
};

/// Vertices nearer to each other than this, in radians, are one.
const SAME_VERTEX: f64 = 1e-14;

/// How far from a great circle, as a sine, both ends of an edge lie that is said to cross it.
const CROSSING: f64 = 1e-13;

/// How far from 2π an area is that tells the smaller side of a polygon from the larger one.
const HEMISPHERE: f64 = 1e-9;

/// The square of a straight distance beyond which it does not tell the nearest edge to all digits.
const NEARLY_ANTIPODAL: f64 = 3.9;

/// How many sets of anchors are tried.
const FRAMES: u32 = 16;

/// A closed polygon: its inside, edges and vertices. Concave or convex, wound either way.
#[derive(Debug, Clone)]
pub struct Polygon {
    vertices: Vec<Position>,
    edges: Vec<Edge>,
    anchors: [Anchor; 3],
    /// In steradians.
    area: f64,
    /// Whether the inside is to the left of the edges, seen from outside of the sphere.
    inside_left: bool,
}

#[derive(Debug, Clone)]
struct Edge {
    arc: Arc,
    /// On which side of the edge's great circle each anchor is.
    anchor_left: [bool; 3],
}

#[derive(Debug, Clone, Copy)]
struct Anchor {
    place: Vector,
    inside: bool,
}

impl PartialEq for Polygon {
    fn eq(&self, other: &Self) -> bool {
        self.vertices == other.vertices
    }
}

impl Polygon {
    /// The most vertices that a polygon may have.
    pub const MAX_VERTICES: usize = 10_000;

    /// The polygon of these vertices, with or without the first repeated at the end.
    ///
    /// The inside is the smaller side; of two hemispheres it is the one that DALI 1.1 §3.3.7 asks
    /// for, counter-clockwise as seen from inside of the sphere. Edges may touch but not cross.
    pub fn new(vertices: Vec<Position>) -> Result<Self, RegionError> {
        let polygon = Self::assemble(vertices)?;
        if polygon.vertices.len() < 3 {
            return Err(RegionError::TooFewVertices(polygon.vertices.len()));
        }
        polygon.check_crossings()?;
        Ok(polygon)
    }

    /// The box of ADQL 2.1 §4.2.9: its sides are great circles that meet the arms of a cross at
    /// right angles, in their ends. The arms are great circles too and lead east, west, north and
    /// south from the center. Sides are 0 (a line, or a place) to 180 degrees, that excluded.
    pub fn from_box(
        center: Position,
        width_deg: f64,
        height_deg: f64,
    ) -> Result<Self, RegionError> {
        for (side, value) in [("width", width_deg), ("height", height_deg)] {
            if !(0.0..180.0).contains(&value) {
                return Err(RegionError::BoxSide { side, value });
            }
        }
        let (sin_lon, cos_lon) = center.lon_deg().to_radians().sin_cos();
        let (sin_lat, cos_lat) = center.lat_deg().to_radians().sin_cos();
        let east = [-sin_lon, cos_lon, 0.0];
        let north = [-sin_lat * cos_lon, -sin_lat * sin_lon, cos_lat];
        // On the plane that touches the sphere in the center, great circles are straight lines.
        let x = (width_deg * 0.5).to_radians().tan();
        let y = (height_deg * 0.5).to_radians().tan();
        let corner = |x: f64, y: f64| {
            let offset = add(scale(east, x), scale(north, y));
            Position::from_vector(unit(add(center.vector(), offset)))
        };
        if x == 0.0 && y == 0.0 {
            return Self::assemble(vec![center]);
        }
        Self::assemble(vec![corner(x, y), corner(x, -y), corner(-x, -y), corner(-x, y)])
    }

    /// The polygon of these vertices, or the line or place that they shrink to.
    pub(crate) fn assemble(mut vertices: Vec<Position>) -> Result<Self, RegionError> {
        let same = |a: &Position, b: &Position| {
            chord_squared(a.vector(), b.vector()) <= SAME_VERTEX * SAME_VERTEX
        };
        vertices.dedup_by(|b, a| same(a, b));
        while vertices.len() > 1 && same(&vertices[0], &vertices[vertices.len() - 1]) {
            vertices.pop();
        }
        let count = vertices.len();
        if count == 0 {
            return Err(RegionError::TooFewVertices(0));
        }
        if count > Self::MAX_VERTICES {
            let limit = Self::MAX_VERTICES;
            return Err(RegionError::TooManyVertices { actual: count, limit });
        }
        let mut arcs = Vec::with_capacity(count);
        for (k, first) in vertices.iter().enumerate() {
            let second = &vertices[(k + 1) % count];
            let arc = Arc::new(first.vector(), second.vector()).ok_or_else(|| {
                RegionError::AntipodalEdge { first: Box::new(*first), second: Box::new(*second) }
            })?;
            arcs.push(arc);
        }
        Ok(Self::from_arcs(vertices, arcs))
    }

    fn from_arcs(vertices: Vec<Position>, arcs: Vec<Arc>) -> Self {
        let places = anchor_places(&arcs);
        // The triangles of the edges with the antipode of an anchor cover, in sum and with their
        // signs, the one side of the polygon that the anchor is not on.
        let covered = places.map(|place| {
            let apex = negate(place);
            arcs.iter().map(|arc| arc.triangle(apex)).sum::<f64>()
        });
        let left = if covered[0] > 0.0 { covered[0] } else { 4.0 * PI + covered[0] };
        let inside_left = left < 2.0 * PI - HEMISPHERE;
        let inside = |covered: f64| {
            if covered.abs() < 1.0 {
                false
            } else if covered.abs() > 4.0 * PI - 1.0 {
                true
            } else {
                (covered < 0.0) == inside_left
            }
        };
        let anchors = [0, 1, 2].map(|k| Anchor { place: places[k], inside: inside(covered[k]) });
        let apex = vertices[0].vector();
        let area = if vertices.iter().all(|v| dot(v.vector(), apex) > 0.5) {
            arcs.iter().map(|arc| small_triangle(apex, arc)).sum::<f64>().abs()
        } else {
            covered[0].abs().min(4.0 * PI - covered[0].abs())
        };
        let edges = arcs
            .into_iter()
            .map(|arc| Edge { arc, anchor_left: places.map(|p| dot(arc.normal, p) > 0.0) })
            .collect();
        Self { vertices, edges, anchors, area, inside_left }
    }

    fn check_crossings(&self) -> Result<(), RegionError> {
        let balls: Vec<_> = self.arcs().map(enclosing_ball).collect();
        for (i, first) in self.edges.iter().enumerate() {
            for (j, second) in self.edges.iter().enumerate().skip(i + 2) {
                let reach = balls[i].1 + balls[j].1;
                if chord_squared(balls[i].0, balls[j].0) <= reach * reach
                    && first.arc.crosses(&second.arc, CROSSING)
                {
                    let [first, second] = [i, j].map(|k| Box::new(self.vertices[k]));
                    return Err(RegionError::CrossingEdges { first, second });
                }
            }
        }
        Ok(())
    }

    /// Its vertices, each once.
    pub fn vertices(&self) -> &[Position] {
        &self.vertices
    }

    pub(super) fn arcs(&self) -> impl Iterator<Item = &Arc> {
        self.edges.iter().map(|edge| &edge.arc)
    }

    /// Its area in steradians.
    pub(super) fn area(&self) -> f64 {
        self.area
    }

    /// Whether it holds a place: inside, or within 0.2 µas of an edge.
    pub fn contains(&self, position: &Position) -> bool {
        self.holds(position.vector())
    }

    pub(super) fn holds(&self, p: Vector) -> bool {
        self.on_boundary(p) || self.holds_off_boundary(p)
    }

    pub(super) fn on_boundary(&self, p: Vector) -> bool {
        self.arcs().any(|arc| arc.holds(p))
    }

    /// Whether a place that is on no edge is inside.
    pub(super) fn holds_off_boundary(&self, p: Vector) -> bool {
        let cosines = self.anchors.map(|anchor| dot(anchor.place, p).abs());
        let k = if cosines[0] <= cosines[1] && cosines[0] <= cosines[2] {
            0
        } else if cosines[1] <= cosines[2] {
            1
        } else {
            2
        };
        let anchor = self.anchors[k];
        let way = cross(p, anchor.place);
        let mut inside = anchor.inside;
        let mut start_left = dot(way, self.edges[0].arc.start) >= 0.0;
        for edge in &self.edges {
            let end_left = dot(way, edge.arc.end) >= 0.0;
            let anchor_left = edge.anchor_left[k];
            // The edge crosses the great circle of the way, on its half that the anchor is on,
            // and has the place and the anchor on different sides.
            if start_left != end_left
                && start_left == anchor_left
                && (dot(edge.arc.normal, p) >= 0.0) != anchor_left
            {
                inside = !inside;
            }
            start_left = end_left;
        }
        inside
    }

    /// The distance in radians to the nearest place of an edge.
    pub(super) fn boundary_distance(&self, p: Vector) -> f64 {
        let mut arcs = self.arcs();
        let Some(mut nearest) = arcs.next() else { return f64::INFINITY };
        let mut least = nearest.chord_squared(p);
        for arc in arcs {
            let chord = arc.chord_squared(p);
            if chord < least {
                (least, nearest) = (chord, arc);
            }
        }
        if least > NEARLY_ANTIPODAL {
            return self.arcs().map(|arc| arc.distance(p)).fold(PI, f64::min);
        }
        nearest.distance(p)
    }

    /// A place that is neither inside nor on an edge.
    pub(super) fn place_outside(&self) -> Option<Vector> {
        let anchors = self.anchors.iter().filter(|a| !a.inside).map(|a| a.place);
        let opposite = self.anchors.iter().map(|a| negate(a.place));
        let beside = self.arcs().flat_map(|arc| {
            let middle = unit(add(arc.start, arc.end));
            let others = self.arcs().filter(|other| *other != arc);
            let clear = others.map(|other| other.distance(middle)).fold(1.0, f64::min);
            let step = scale(arc.normal, 0.5 * clear);
            [unit(add(middle, step)), unit(subtract(middle, step))]
        });
        anchors.chain(opposite).chain(beside).find(|p| !self.holds(*p))
    }

    /// Its center of mass, moved onto the sphere (ADQL 2.1 §4.2.10).
    pub fn centroid(&self) -> Position {
        let start = self.vertices[0].vector();
        let sum = if self.area < 1e-8 {
            // So small that it is flat.
            let (mut moment, mut weight) = ([0.0; 3], 0.0);
            for arc in self.arcs() {
                let area = small_triangle(start, arc);
                let middle = add(subtract(arc.start, start), subtract(arc.end, start));
                moment = add(moment, scale(middle, area / 3.0));
                weight += area;
            }
            if weight == 0.0 { [0.0; 3] } else { add(start, scale(moment, 1.0 / weight)) }
        } else {
            let sum = self.arcs().map(|arc| scale(arc.normal, arc.extent())).fold([0.0; 3], add);
            if self.inside_left { sum } else { negate(sum) }
        };
        let mean = self.vertices.iter().map(Position::vector).fold([0.0; 3], add);
        let center = [sum, mean].into_iter().find(|v| length(*v) > 1e-12).unwrap_or(start);
        Position::from_vector(unit(center))
    }
}

/// Three places at right angles, as far as possible from the great circles of all edges.
fn anchor_places(arcs: &[Arc]) -> [Vector; 3] {
    let mut best = ([[1.0, 0.0, 0.0], [0.0, 1.0, 0.0], [0.0, 0.0, 1.0]], -1.0);
    for k in 0..FRAMES {
        // Turns by the plastic number's powers spread frames evenly (Roberts 2018).
        let step = f64::from(k) + 0.5;
        let turn = |ratio: f64| (step * ratio).fract();
        let (lon, z) = (2.0 * PI * turn(0.754_877_666), 1.0 - 2.0 * turn(0.569_840_291));
        let radius = (1.0 - z * z).sqrt();
        let first = [radius * lon.cos(), radius * lon.sin(), z];
        let side = any_perpendicular(first);
        let (sine, cosine) = (2.0 * PI * turn(0.324_717_957)).sin_cos();
        let second = unit(add(scale(side, cosine), scale(cross(first, side), sine)));
        let frame = [first, second, cross(first, second)];
        let clearance = arcs
            .iter()
            .flat_map(|arc| frame.map(|place| dot(arc.normal, place).abs()))
            .fold(1.0, f64::min);
        if clearance > best.1 {
            best = (frame, clearance);
        }
    }
    best.0
}

/// The ball that holds an arc: its center and radius.
fn enclosing_ball(arc: &Arc) -> (Vector, f64) {
    let middle = unit(add(arc.start, arc.end));
    (middle, chord_squared(middle, arc.start).sqrt() * (1.0 + 1e-9))
}

/// The area of [`Arc::triangle`] without cancellation where all three corners are near.
fn small_triangle(apex: Vector, arc: &Arc) -> f64 {
    let volume = dot(apex, cross(subtract(arc.start, apex), subtract(arc.end, apex)));
    let [a, b] = [arc.start, arc.end];
    2.0 * volume.atan2(1.0 + dot(apex, a) + dot(a, b) + dot(b, apex))
}

impl fmt::Display for Polygon {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let start = self.vertices[0];
        f.write_str("POLYGON(")?;
        // A line or a place repeats its last vertex up to the three that the grammar wants.
        for k in 0..self.vertices.len().max(3) {
            let vertex = self.vertices.get(k).unwrap_or(&start);
            let comma = if k == 0 { "" } else { ", " };
            write!(f, "{comma}{}, {}", vertex.lon_deg(), vertex.lat_deg())?;
        }
        f.write_str(")")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Where the way to an anchor has no direction, or every direction, another one is used.
    #[test]
    fn anchors_and_their_antipodes_are_on_their_sides() {
        let mut opposite = 0;
        for k in 0..200 {
            let turn = f64::from(k) * 1.8;
            let lats = [8.0, -3.0, 5.0, -2.0, 9.0];
            let corner = |(k, lat): (u32, &f64)| {
                Position::from_degrees(turn + 72.0 * f64::from(k), lat + 0.1 * turn).unwrap()
            };
            let polygon = Polygon::new((0..).zip(&lats).map(corner).collect()).unwrap();
            for anchor in polygon.anchors {
                let sideways = any_perpendicular(anchor.place);
                for step in [0.0, 1e-16, 1e-15, 1e-13, 1e-10] {
                    let near = unit(add(anchor.place, scale(sideways, step)));
                    assert_eq!(polygon.holds(near), anchor.inside, "{polygon}");
                    let across = polygon.holds(negate(near));
                    let beside = unit(add(negate(anchor.place), scale(sideways, 1e-5)));
                    assert_eq!(across, polygon.holds(beside), "{polygon}");
                    opposite += u32::from(across != anchor.inside);
                }
            }
        }
        assert!(opposite > 1000, "{opposite}");
    }
}
