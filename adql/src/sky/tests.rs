//! Laws of the sky, against plain trigonometry and half-spaces written here and nowhere else.

use std::f64::consts::PI;

use super::*;

mod cover;
mod coverage;
mod encoding;
mod motion;
mod pixel;
mod polygon;
mod position;
mod range;
mod region_text;
mod relation;
mod surroundings;
mod widened;
mod zones;

type V = [f64; 3];

fn at(lon: f64, lat: f64) -> Position {
    Position::from_degrees(lon, lat).unwrap()
}

fn circle(lon: f64, lat: f64, radius: f64) -> Region {
    Circle::new(at(lon, lat), radius).unwrap().into()
}

fn polygon(vertices: &[(f64, f64)]) -> Region {
    Polygon::new(vertices.iter().map(|v| at(v.0, v.1)).collect()).unwrap().into()
}

fn box_of(lon: f64, lat: f64, width: f64, height: f64) -> Region {
    Polygon::from_box(at(lon, lat), width, height).unwrap().into()
}

fn range(lon_min: f64, lon_max: f64, lat_min: f64, lat_max: f64) -> Region {
    Range::new(lon_min, lon_max, lat_min, lat_max).unwrap().into()
}

/// The generator `SplitMix64` (Steele et al. 2014).
struct Random(u64);

impl Random {
    fn bits(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    fn unit(&mut self) -> f64 {
        (self.bits() >> 11) as f64 / (1u64 << 53) as f64
    }

    fn between(&mut self, low: f64, high: f64) -> f64 {
        low + (high - low) * self.unit()
    }

    fn below(&mut self, count: usize) -> usize {
        usize::try_from(self.bits() % count as u64).unwrap()
    }

    fn pick<T: Copy>(&mut self, from: &[T]) -> T {
        from[self.below(from.len())]
    }

    fn place(&mut self) -> Position {
        at(self.between(0.0, 360.0), self.between(-1.0, 1.0).asin().to_degrees())
    }

    /// Poles and their surroundings, the seam, corners of base pixels, anywhere.
    fn hard_place(&mut self, near: f64) -> Position {
        let lat = |offset: f64| (90.0 - offset.abs()).max(-90.0);
        let near = near.min(30.0);
        match self.bits() % 10 {
            0 => at(0.0, 0.0),
            1 => at(77.0, 90.0),
            2 => at(200.0, -90.0),
            3 => at(33.0, lat(near * self.unit())),
            4 => at(359.0, -lat(near * self.unit())),
            5 => at(360.0 - near * self.unit(), self.between(-80.0, 80.0)),
            6 => at(45.0, (2.0_f64 / 3.0).asin().to_degrees()),
            7 => at(90.0 + near * 1e-3, -(2.0_f64 / 3.0).asin().to_degrees()),
            _ => self.place(),
        }
    }
}

fn vector(p: &Position) -> V {
    let (l, b) = (p.lon_deg().to_radians(), p.lat_deg().to_radians());
    [b.cos() * l.cos(), b.cos() * l.sin(), b.sin()]
}

fn dot(a: V, b: V) -> f64 {
    a.iter().zip(b).map(|(x, y)| x * y).sum()
}

fn cross(a: V, b: V) -> V {
    [a[1] * b[2] - a[2] * b[1], a[2] * b[0] - a[0] * b[2], a[0] * b[1] - a[1] * b[0]]
}

/// At right angles to the plane of two places that may be near.
fn normal(a: V, b: V) -> V {
    let [sum, difference] = [1.0, -1.0].map(|sign| [0, 1, 2].map(|k| b[k] + sign * a[k]));
    cross(sum, difference).map(|x| 0.5 * x)
}

/// Radians.
fn angle(a: V, b: V) -> f64 {
    let c = normal(a, b);
    dot(c, c).sqrt().atan2(dot(a, b))
}

/// East and north at a place.
fn axes(p: &Position) -> (V, V) {
    let (l, b) = (p.lon_deg().to_radians(), p.lat_deg().to_radians());
    ([-l.sin(), l.cos(), 0.0], [-b.sin() * l.cos(), -b.sin() * l.sin(), b.cos()])
}

fn place(v: V) -> Position {
    let lat = v[2].atan2(v[0].hypot(v[1])).to_degrees();
    at(v[1].atan2(v[0]).to_degrees(), lat.clamp(-90.0, 90.0))
}

/// The place at a distance and position angle, in radians.
fn offset(from: &Position, distance: f64, position_angle: f64) -> Position {
    let (c, (east, north)) = (vector(from), axes(from));
    let (s, t) = position_angle.sin_cos();
    let (y, x) = distance.sin_cos();
    place([0, 1, 2].map(|k| c[k] * x + (east[k] * s + north[k] * t) * y))
}

/// The place on the great circle through `a` and `b`, at a fraction of the way.
fn between(a: &Position, b: &Position, fraction: f64) -> Position {
    let (u, w) = (vector(a), vector(b));
    let whole = angle(u, w);
    let (p, q) = (((1.0 - fraction) * whole).sin(), (fraction * whole).sin());
    place([0, 1, 2].map(|k| (u[k] * p + w[k] * q) / whole.sin()))
}

/// A polygon that is seen whole from its center, concave where its corners say so.
struct Star {
    center: Position,
    corners: Vec<Position>,
}

impl Star {
    fn random(random: &mut Random, center: Position, size_deg: f64) -> Self {
        let count = random.pick(&[3, 4, 5, 7, 10, 16]);
        let turn = random.between(0.0, 2.0 * PI);
        let corners = (0..count)
            .map(|k| {
                let depth = if k % 2 == 1 { random.between(0.35, 1.0) } else { 1.0 };
                let pa = turn + 2.0 * PI * f64::from(k) / f64::from(count);
                offset(&center, (size_deg * depth).to_radians(), pa)
            })
            .collect();
        Self { center, corners }
    }

    fn region(&self, reversed: bool) -> Region {
        let mut corners = self.corners.clone();
        if reversed {
            corners.reverse();
        }
        Polygon::new(corners).unwrap().into()
    }

    fn edges(&self) -> impl Iterator<Item = (&Position, &Position)> {
        let count = self.corners.len();
        (0..count).map(move |k| (&self.corners[k], &self.corners[(k + 1) % count]))
    }

    /// In one of the triangles that center and edges make.
    fn contains(&self, p: &Position) -> bool {
        let (p, c) = (vector(p), vector(&self.center));
        self.edges().any(|(a, b)| {
            let (a, b) = (vector(a), vector(b));
            // Corners go clockwise, seen from outside of the sphere. Triangles overlap a bit, so
            // that nothing is lost between them.
            [normal(c, a), normal(a, b), normal(b, c)]
                .iter()
                .all(|side| dot(*side, p) <= 1e-13 * dot(*side, *side).sqrt())
        })
    }
}
