//! The shorter part of the great circle between two places: an edge of a polygon.

use std::f64::consts::PI;

use super::vector::{
    Vector, add, angle, any_perpendicular, chord_squared, cross, dot, length, negate, scale,
    stable_cross, unit,
};

/// How near to an edge a place counts as on it, in radians: 0.2 µas. Vectors are good to a
/// thousandth of it, and a cover widens by ten times as much, so that test and cover agree.
pub(super) const ON_EDGE: f64 = 1e-12;

/// How near to opposite the ends of an arc may be, as the length of their sum.
const NEARLY_OPPOSITE: f64 = 1e-10;

/// An arc shorter than 180 degrees; of length zero where both ends are one place.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct Arc {
    pub(super) start: Vector,
    pub(super) end: Vector,
    /// At right angles to its plane, to the left of one who goes along it outside of the sphere.
    pub(super) normal: Vector,
    /// In its plane, at right angles to `start`, on the side of `end`.
    onward: Vector,
    /// In its plane, at right angles to `end`, on the side of `start`.
    backward: Vector,
}

impl Arc {
    /// The arc between two places, `None` if they are opposite.
    pub(super) fn new(start: Vector, end: Vector) -> Option<Self> {
        if length(add(start, end)) < NEARLY_OPPOSITE {
            return None;
        }
        let normal = stable_cross(start, end);
        let normal = if length(normal) < 1e-300 { any_perpendicular(start) } else { unit(normal) };
        let (onward, backward) = (cross(normal, start), cross(end, normal));
        Some(Self { start, end, normal, onward, backward })
    }

    /// Whether the place of the great circle that is nearest to `p` lies within the arc.
    fn faces(&self, p: Vector) -> bool {
        dot(self.onward, p) > 0.0 && dot(self.backward, p) > 0.0
    }

    /// The square of the straight distance from `p` to the nearest place of the arc.
    pub(super) fn chord_squared(&self, p: Vector) -> f64 {
        if self.faces(p) {
            let (height, along) = self.height_and_along(p);
            height * height + (1.0 - along) * (1.0 - along)
        } else {
            chord_squared(p, self.start).min(chord_squared(p, self.end))
        }
    }

    /// The angle in radians from `p` to the nearest place of the arc.
    pub(super) fn distance(&self, p: Vector) -> f64 {
        if self.faces(p) {
            let (height, along) = self.height_and_along(p);
            height.abs().atan2(along)
        } else {
            angle(p, self.start).min(angle(p, self.end))
        }
    }

    /// The parts of `p` at right angles to the plane of the arc and within it.
    fn height_and_along(&self, p: Vector) -> (f64, f64) {
        let (x, y) = (dot(self.start, p), dot(self.onward, p));
        (dot(self.normal, p), (x * x + y * y).sqrt())
    }

    /// Whether `p` lies on the arc, ends included.
    pub(super) fn holds(&self, p: Vector) -> bool {
        dot(self.normal, p).abs() <= ON_EDGE && self.chord_squared(p) <= ON_EDGE * ON_EDGE
    }

    /// The angle in radians between the ends.
    pub(super) fn extent(&self) -> f64 {
        angle(self.start, self.end)
    }

    /// The angle in radians from the start to a place on the arc.
    pub(super) fn offset(&self, p: Vector) -> f64 {
        dot(self.onward, p).atan2(dot(self.start, p))
    }

    /// The place at an angle in radians from the start.
    pub(super) fn at(&self, offset: f64) -> Vector {
        let (sine, cosine) = offset.sin_cos();
        add(scale(self.start, cosine), scale(self.onward, sine))
    }

    /// The angles from the start of the places on the arc whose third coordinate is `height`.
    pub(super) fn at_height(&self, height: f64) -> Vec<f64> {
        let (x, y) = (self.start[2], self.onward[2]);
        let top = x.hypot(y);
        if height.abs() > top + ON_EDGE * ON_EDGE || top == 0.0 {
            return Vec::new();
        }
        let (middle, half) = (y.atan2(x), (height / top).clamp(-1.0, 1.0).acos());
        let extent = self.extent();
        [middle - half, middle + half]
            .into_iter()
            .map(|angle| if angle < -PI { angle + 2.0 * PI } else { angle })
            .map(|angle| if angle > PI { angle - 2.0 * PI } else { angle })
            .filter(|angle| (0.0..=extent).contains(angle))
            .collect()
    }

    /// The one place that two arcs have in common, if they do not lie in one plane.
    pub(super) fn meeting(&self, other: &Self) -> Option<Vector> {
        let line = cross(self.normal, other.normal);
        if length(line) < 1e-15 {
            return None;
        }
        let p = unit(line);
        [p, negate(p)].into_iter().find(|p| self.holds(*p) && other.holds(*p))
    }

    /// Whether each arc leads from one side of the other to its other side, by more than
    /// `margin`: touching is no crossing.
    pub(super) fn crosses(&self, other: &Self, margin: f64) -> bool {
        let signs = [
            -dot(self.normal, other.start),
            dot(self.normal, other.end),
            -dot(other.normal, self.end),
            dot(other.normal, self.start),
        ];
        signs.iter().all(|s| *s > margin) || signs.iter().all(|s| *s < -margin)
    }

    /// The signed area of the triangle of `apex` and the arc, in steradians: positive if the
    /// apex is on its left (Eriksson 1990).
    pub(super) fn triangle(&self, apex: Vector) -> f64 {
        let [a, b] = [self.start, self.end];
        let volume = 0.5 * dot(apex, stable_cross(a, b));
        2.0 * volume.atan2(1.0 + dot(apex, a) + dot(a, b) + dot(b, apex))
    }
}
