//! Where rows are: regions of the sky, distances, and joins by position.

use super::Generator;
use super::dice::fraction;
use super::phrase::{Domain, Phrase, Value};
use super::source::{Position, Sky, Source, join};

/// A join by position compares so many pairs of rows at most, in DuckDB within a band of declination.
const PAIRS_MAX: f64 = 4e8;

/// One that keeps rows without a pair, for which DuckDB has no such band.
const OUTER_PAIRS_MAX: f64 = 3e6;

impl Position {
    fn parts(&self) -> [&Phrase; 2] {
        [&self.lon, &self.lat]
    }
}

impl Generator {
    /// A place among the positions of a part of the sky, in degrees.
    fn place(&mut self, sky: Sky) -> (f64, f64) {
        match sky {
            Sky::Patch => (self.dice.float(280.0, 351.0), self.dice.float(-70.0, -25.0)),
            Sky::Whole => match self.dice.integer(0, 5) {
                0 => (self.dice.float(0.0, 360.0), self.dice.float(85.0, 90.0)),
                1 => (self.dice.float(0.0, 360.0), self.dice.float(-90.0, -85.0)),
                2 => (self.dice.float(0.0, 2.0), self.dice.float(-40.0, 40.0)),
                3 => (self.dice.float(358.0, 360.0), self.dice.float(-40.0, 40.0)),
                4 => (self.dice.float(184.0, 192.0), self.dice.float(8.0, 16.0)),
                _ => (self.dice.float(0.0, 360.0), self.dice.float(-90.0, 90.0)),
            },
        }
    }

    fn radius(&mut self, sky: Sky) -> f64 {
        match (sky, self.dice.integer(0, 9)) {
            (_, 0) => self.dice.float(60.0, 175.0),
            (_, 1) => self.dice.float(0.0, 1.0),
            (Sky::Patch, _) => self.dice.float(2.0, 20.0),
            (Sky::Whole, _) => self.dice.float(3.0, 30.0),
        }
    }

    fn center(&mut self, sky: Sky) -> [Phrase; 2] {
        let (lon, lat) = self.place(sky);
        [fraction(lon), fraction(lat)]
    }

    /// How far rows are from a place.
    pub(crate) fn distance(&mut self, position: &Position) -> Value {
        let [lon, lat] = self.center(position.sky);
        let [a, d] = position.parts();
        let adql = match self.dice.integer(0, 2) {
            0 => "DISTANCE(POINT({0}, {1}), POINT({2}, {3}))",
            1 => "DISTANCE({2}, {3}, {0}, {1})",
            _ => "DISTANCE({0}, {1}, {2}, {3})",
        };
        let phrase = Phrase::of_each(adql, "dist({0}, {1}, {2}, {3})", &[a, d, &lon, &lat]);
        Value::near(
            phrase,
            Domain::Float(0.0, if position.sky == Sky::Patch { 40.0 } else { 180.0 }),
        )
    }

    /// Whether rows are in a region, as a condition.
    pub(crate) fn within(&mut self, position: &Position) -> Phrase {
        let relation = self.relation(position);
        match self.dice.integer(0, 9) {
            0 => Phrase::of_each("{0} = 0", "NOT ({0})", &[&relation]),
            1 => Phrase::of_each("{0} <> 1", "NOT ({0})", &[&relation]),
            2..5 => Phrase::of_each("1 = {0}", "({0})", &[&relation]),
            _ => Phrase::of_each("{0} = 1", "({0})", &[&relation]),
        }
    }

    /// Whether rows are in a region, as a number.
    pub(crate) fn is_within(&mut self, position: &Position) -> Value {
        let relation = self.relation(position);
        let sql = "CASE WHEN {0} THEN 1 WHEN NOT ({0}) THEN 0 END";
        Value::exact(Phrase::of_each("{0}", sql, &[&relation]), Domain::Integer(0, 1))
    }

    /// A call of CONTAINS or INTERSECTS, for DuckDB a condition.
    fn relation(&mut self, position: &Position) -> Phrase {
        let [a, d] = position.parts();
        match self.dice.integer(0, 9) {
            0..4 => {
                let ([lon, lat], radius) = (self.center(position.sky), self.radius(position.sky));
                let adql = *self.dice.one(&[
                    "CONTAINS(POINT({0}, {1}), CIRCLE({2}, {3}, {4}))",
                    "CONTAINS(POINT({0}, {1}), CIRCLE(POINT({2}, {3}), {4}))",
                    "CONTAINS(POINT('ICRS', {0}, {1}), CIRCLE('ICRS', {2}, {3}, {4}))",
                    "INTERSECTS(POINT({0}, {1}), CIRCLE({2}, {3}, {4}))",
                    "INTERSECTS(CIRCLE({2}, {3}, {4}), POINT({0}, {1}))",
                    "CONTAINS(POINT({2}, {3}), CIRCLE({0}, {1}, {4}))",
                ]);
                let parts = [a, d, &lon, &lat, &fraction(radius)];
                Phrase::of_each(adql, "dist({0}, {1}, {2}, {3}) <= {4}", &parts)
            }
            4 => self.circles(position),
            5..7 => self.within_box(position),
            _ => self.within_polygon(position),
        }
    }

    /// Circles around rows and one elsewhere.
    fn circles(&mut self, position: &Position) -> Phrase {
        let ([lon, lat], large) = (self.center(position.sky), self.dice.float(3.0, 40.0));
        let small = self.dice.float(0.1, 2.9);
        let (adql, sql) = *self.dice.one(&[
            (
                "INTERSECTS(CIRCLE({0}, {1}, {4}), CIRCLE({2}, {3}, {5}))",
                "dist({0}, {1}, {2}, {3}) <= {4} + {5}",
            ),
            (
                "CONTAINS(CIRCLE({0}, {1}, {4}), CIRCLE({2}, {3}, {5}))",
                "dist({0}, {1}, {2}, {3}) + {4} <= {5}",
            ),
        ]);
        let [a, d] = position.parts();
        Phrase::of_each(adql, sql, &[a, d, &lon, &lat, &fraction(small), &fraction(large)])
    }

    fn within_box(&mut self, position: &Position) -> Phrase {
        let [lon, lat] = self.center(position.sky);
        let (width, height) = (self.dice.float(1.0, 60.0), self.dice.float(1.0, 60.0));
        let adql = *self.dice.one(&[
            "CONTAINS(POINT({0}, {1}), BOX({2}, {3}, {4}, {5}))",
            "CONTAINS(POINT({0}, {1}), BOX(POINT({2}, {3}), {4}, {5}))",
            "INTERSECTS(BOX({2}, {3}, {4}, {5}), POINT({0}, {1}))",
        ]);
        let [a, d] = position.parts();
        let parts = [a, d, &lon, &lat, &fraction(width), &fraction(height)];
        Phrase::of_each(adql, "in_box({0}, {1}, {2}, {3}, {4}, {5})", &parts)
    }

    /// A polygon whose vertices lie on a circle, so that it is convex: a row is on the same side of
    /// all its edges.
    fn within_polygon(&mut self, position: &Position) -> Phrase {
        let (center, radius) = (self.place(position.sky), self.dice.float(1.0, 40.0));
        let count = self.dice.below(4) + 3;
        let turn = self.dice.float(0.0, 360.0);
        let angle = |at: usize| turn + 360.0 * at as f64 / count as f64;
        let mut angles: Vec<f64> = (0..count).map(angle).collect();
        for angle in &mut angles {
            *angle += self.dice.float(0.0, 25.0);
        }
        if self.dice.percent(50) {
            angles.reverse();
        }
        let vertices: Vec<[Phrase; 2]> =
            angles.into_iter().map(|angle| at_distance(center, radius, angle)).collect();
        let [a, d] = position.parts();
        let edge = |at: usize| {
            let (from, to) = (&vertices[at], &vertices[(at + 1) % count]);
            let parts = [a, d, &from[0], &from[1], &to[0], &to[1]];
            Phrase::of("side({0}, {1}, {2}, {3}, {4}, {5})", &parts)
        };
        let first = Phrase::list(&vertices[..3].concat(), ", ");
        let inside = |at| Phrase::of("turn({0}) * {1} >= 0", &[&first, &edge(at)]).sql;
        let sql: Vec<String> = (0..count).map(inside).collect();
        let points = self.dice.percent(30);
        let vertex = |[lon, lat]: &[Phrase; 2]| {
            let template = if points { "POINT({0}, {1})" } else { "{0}, {1}" };
            Phrase::of(template, &[lon, lat])
        };
        let vertices: Vec<Phrase> = vertices.iter().map(vertex).collect();
        let shape = Phrase::list(&vertices, ", ").adql;
        let word = if self.dice.percent(75) { "CONTAINS" } else { "INTERSECTS" };
        let adql = format!("{word}(POINT({}, {}), POLYGON({shape}))", a.adql, d.adql);
        Phrase::apart(adql, sql.join(" AND "))
    }

    /// That rows of two sources are near each other.
    pub(crate) fn near(&mut self, a: &Position, b: &Position, radius: f64) -> Phrase {
        let adql = *self.dice.one(&[
            "DISTANCE({0}, {1}, {2}, {3}) < {4}",
            "{4} >= DISTANCE(POINT({2}, {3}), POINT({0}, {1}))",
            "1 = CONTAINS(POINT({0}, {1}), CIRCLE({2}, {3}, {4}))",
            "CONTAINS(POINT({2}, {3}), CIRCLE(POINT({0}, {1}), {4})) = 1",
            "INTERSECTS(CIRCLE({0}, {1}, {4}), POINT({2}, {3})) = 1",
            "DISTANCE({0}, {1}, {2}, {3}) * 3600 < {4} * 3600",
        ]);
        // A range of one column: DuckDB joins by it, and computes the distance of few pairs.
        let sql = "({1} BETWEEN {3} - {4} - 1e-6 AND {3} + {4} + 1e-6 \
                   AND dist({0}, {1}, {2}, {3}) <= {4})";
        let parts = [&a.lon, &a.lat, &b.lon, &b.lat, &fraction(radius)];
        Phrase::of_each(adql, sql, &parts)
    }

    /// A radius within which rows of two sources have few others.
    pub(crate) fn few(&mut self, a: &Source, b: &Source) -> f64 {
        let pairs = a.rows * b.rows;
        let most = if pairs > 1e8 {
            0.06
        } else if pairs > 1e6 {
            0.3
        } else {
            2.0
        };
        if self.dice.percent(20) { self.dice.float(0.0, 0.01) } else { self.dice.float(0.01, most) }
    }

    /// A join of two sources by position.
    pub(crate) fn joined_by_position(&mut self, depth: usize) -> Option<Source> {
        let (a, b) = (self.single(depth), self.single(depth));
        let (at, other) = (a.positions.first()?.clone(), b.positions.first()?.clone());
        let pairs = a.rows * b.rows;
        let radius = self.few(&a, &b);
        let near = self.near(&at, &other, radius);
        let word = self.dice.weighted(&[(50, "JOIN"), (25, "LEFT"), (15, "RIGHT"), (1, "FULL")]);
        if pairs > if word == "JOIN" { PAIRS_MAX } else { OUTER_PAIRS_MAX } {
            return None;
        }
        let columns = [a.columns.as_slice(), &b.columns].concat();
        let on = if self.dice.percent(25) {
            Phrase::of("{0} AND {1}", &[&near, &self.plain_comparison(&columns)])
        } else {
            near
        };
        Some(join(&a, &b, word, &on, (pairs / 1_000.0).max(a.rows).max(b.rows)))
    }
}

/// The place at a distance from another, in a direction, all in degrees.
fn at_distance((lon, lat): (f64, f64), distance: f64, angle: f64) -> [Phrase; 2] {
    let (lat, distance, angle) = (lat.to_radians(), distance.to_radians(), angle.to_radians());
    let sine = lat.sin() * distance.cos() + lat.cos() * distance.sin() * angle.cos();
    let east = angle.sin() * distance.sin() * lat.cos();
    let turn = east.atan2(distance.cos() - lat.sin() * sine);
    [(lon + turn.to_degrees()).rem_euclid(360.0), sine.asin().to_degrees()].map(fraction)
}
