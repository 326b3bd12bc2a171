//! Rows all over the sky, and which of them are near to which, by brute force.

use tests::Random;

/// A row: where it is, and of which other it is a child.
#[derive(Debug, Clone, Copy)]
pub(super) struct Row {
    pub(super) ra: f64,
    pub(super) dec: f64,
    pub(super) parent: usize,
}

pub(super) fn row(ra: f64, dec: f64) -> Row {
    Row { ra: ra.rem_euclid(360.0), dec: dec.clamp(-90.0, 90.0), parent: 0 }
}

/// All over the sky, about the poles and the seam, where three base pixels meet, and in a heap.
pub(super) fn sky(random: &mut Random, rows: usize) -> Vec<Row> {
    let mut sky = Vec::new();
    let corner = (2.0_f64 / 3.0).asin().to_degrees();
    for at in 0..rows {
        let mut spread = |by: f64| by * (2.0 * random.unit() - 1.0);
        let (x, y) = (spread(1.0), spread(1.0));
        sky.push(match at % 16 {
            0 => row(180.0 * x, 90.0 - 2.0 * y.abs()),
            1 => row(180.0 * x, -90.0 + 2.0 * y.abs()),
            2 => row(x, 20.0 * y),
            3 => row(90.0 + x, corner + y),
            4 if at % 10 == 0 => row(212.5, -7.25),
            _ => row(180.0 * x, y.asin().to_degrees()),
        });
    }
    sky
}

/// Children of some rows, up to a degree from them.
pub(super) fn children(random: &mut Random, parents: &[Row]) -> Vec<Row> {
    let mut children = Vec::new();
    for (parent, of) in parents.iter().enumerate().filter(|(at, _)| at % 3 != 0) {
        for _ in 0..1 + parent % 3 {
            let dec = of.dec + random.unit() - 0.5;
            let ra = of.ra + 0.5 * (random.unit() - 0.5);
            children.push(Row { parent, ..row(ra, dec) });
        }
    }
    children
}

pub(super) fn distance(a: &Row, b: &Row) -> f64 {
    let half = |x: f64| (0.5 * x.to_radians()).sin().powi(2);
    let cosines = a.dec.to_radians().cos() * b.dec.to_radians().cos();
    let hav = half(a.dec - b.dec) + cosines * half(a.ra - b.ra);
    2.0 * hav.sqrt().min(1.0).asin().to_degrees()
}

/// Pairs of rows within a radius; a strip of declination at a time.
pub(super) fn near(a: &[Row], b: &[Row], radius: f64) -> Vec<(usize, usize)> {
    let mut by_dec: Vec<usize> = (0..b.len()).collect();
    by_dec.sort_by(|x, y| b[*x].dec.total_cmp(&b[*y].dec));
    let mut pairs = Vec::new();
    for (at, row) in a.iter().enumerate() {
        let from = by_dec.partition_point(|other| b[*other].dec < row.dec - radius - 1e-9);
        let strip = by_dec[from..].iter();
        let strip = strip.take_while(|other| b[**other].dec <= row.dec + radius + 1e-9);
        let others = strip.filter(|other| distance(row, &b[**other]) < radius);
        pairs.extend(others.map(|other| (at, *other)));
    }
    pairs
}

/// Answers as sorted lines.
pub(super) fn lines<const N: usize>(rows: impl IntoIterator<Item = [usize; N]>) -> Vec<String> {
    let text = |row: [usize; N]| row.map(|cell| cell.to_string()).join(" | ");
    let mut lines: Vec<String> = rows.into_iter().map(text).collect();
    lines.sort();
    lines
}

/// Some at the seam, and some at a pole.
pub(super) fn spots(random: &mut Random) -> Vec<Row> {
    let places = (0..60).map(|at| {
        let (x, y) = (random.unit(), random.unit());
        if at % 2 == 0 { row(2.0 * x - 1.0, 8.0 * y) } else { row(360.0 * x, 91.0 - 3.0 * y) }
    });
    places.collect()
}

/// Rows in a few spots, and nothing between them.
pub(super) fn islands(random: &mut Random, of: &[Row]) -> Vec<Row> {
    let mut islands = Vec::new();
    for (at, place) in of.iter().enumerate().filter(|(at, _)| at % 23 == 0) {
        for _ in 0..(at % 7) * 3 {
            let mut spread = || 2.0 * random.unit() - 1.0;
            let (x, y) = (spread(), spread());
            let dec = place.dec + y;
            islands.push(row(place.ra + x / dec.to_radians().cos().abs().max(0.01), dec));
        }
        islands.extend(std::iter::repeat_n(*place, at % 3));
    }
    islands
}
