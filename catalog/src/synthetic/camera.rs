//! What the camera sees: 189 square detectors on a grid of 15 by 15 without its corners.

use adql::sky::Position;

/// Detectors.
pub(super) const DETECTORS: i32 = 189;
/// Pixels along a detector, and their size.
pub(super) const DETECTOR_PIXELS: f64 = 4_200.0;
pub(super) const PIXEL_ARCSEC: f64 = 0.2;
/// Side of a detector.
const DETECTOR_DEG: f64 = DETECTOR_PIXELS * PIXEL_ARCSEC / 3600.0;
/// Detectors along the grid, and along each side of its missing corners.
const GRID: i32 = 15;
const CORNER: i32 = 3;
/// No detector is farther from the axis than this.
pub(super) const RADIUS_DEG: f64 = 2.2;

/// Where the camera points, and how it is turned: the axis, and the directions of x and y.
#[derive(Debug, Clone, Copy)]
pub(super) struct Pointing {
    pub(super) axis: [f64; 3],
    x: [f64; 3],
    y: [f64; 3],
}

/// Where a place falls.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct Spot {
    pub(super) detector: i32,
    /// In pixels of the detector.
    pub(super) x: f64,
    pub(super) y: f64,
}

pub(super) fn dot(a: [f64; 3], b: [f64; 3]) -> f64 {
    a[0] * b[0] + a[1] * b[1] + a[2] * b[2]
}

impl Pointing {
    /// The camera points there, turned by so much from north through east.
    pub(super) fn new(axis: &Position, rotation_deg: f64) -> Self {
        let (sin_ra, cos_ra) = axis.lon_deg().to_radians().sin_cos();
        let (sin_dec, cos_dec) = axis.lat_deg().to_radians().sin_cos();
        let east = [-sin_ra, cos_ra, 0.0];
        let north = [-sin_dec * cos_ra, -sin_dec * sin_ra, cos_dec];
        let (sine, cosine) = rotation_deg.to_radians().sin_cos();
        let turned = |a: f64, b: f64| [0, 1, 2].map(|at| a * east[at] + b * north[at]);
        Self { axis: axis.vector(), x: turned(cosine, -sine), y: turned(sine, cosine) }
    }

    /// Where a place falls, if on a detector: the projection on the tangential plane.
    pub(super) fn spot(&self, place: [f64; 3]) -> Option<Spot> {
        let along = dot(self.axis, place);
        if along < 0.999 {
            return None;
        }
        let grid = |direction: [f64; 3]| {
            let angle_deg = (dot(direction, place) / along).to_degrees();
            angle_deg / DETECTOR_DEG + f64::from(GRID) / 2.0
        };
        let (x, y) = (grid(self.x), grid(self.y));
        let detector = detector(whole(x), whole(y))?;
        let pixels = |at: f64| (at - at.floor()) * DETECTOR_PIXELS;
        Some(Spot { detector, x: pixels(x), y: pixels(y) })
    }

    /// The place of a detector's corner or middle: parts of its sides, from 0 to 1.
    pub(super) fn place(&self, detector: i32, x: f64, y: f64) -> Option<Position> {
        let (column, row) = grid_of(detector);
        let plane = |at: i32, part: f64| {
            ((f64::from(at) + part - f64::from(GRID) / 2.0) * DETECTOR_DEG).to_radians()
        };
        let (x, y) = (plane(column, x), plane(row, y));
        let [a, b, c] = [0, 1, 2].map(|at| self.axis[at] + x * self.x[at] + y * self.y[at]);
        let (ra, dec) = (b.atan2(a), c.atan2(a.hypot(b)));
        Position::from_degrees(ra.to_degrees(), dec.to_degrees())
    }
}

#[expect(clippy::cast_possible_truncation, reason = "a few detectors, and beyond them saturated")]
fn whole(at: f64) -> i32 {
    at.floor() as i32
}

/// The first detector of a row, and the first column of the row that has one.
fn row_start(row: i32) -> (i32, i32) {
    let short = GRID - 2 * CORNER;
    let long_rows = (row - CORNER).clamp(0, short);
    let start = row * short + long_rows * 2 * CORNER;
    (start, if (CORNER..GRID - CORNER).contains(&row) { 0 } else { CORNER })
}

fn detector(column: i32, row: i32) -> Option<i32> {
    if !(0..GRID).contains(&row) {
        return None;
    }
    let (start, first) = row_start(row);
    (first..GRID - first).contains(&column).then_some(start + column - first)
}

fn grid_of(detector: i32) -> (i32, i32) {
    let row = (0..GRID).take_while(|row| row_start(*row).0 <= detector).count();
    let row = i32::try_from(row).unwrap_or(1) - 1;
    let (start, first) = row_start(row);
    (detector - start + first, row)
}

#[cfg(test)]
mod tests {
    use adql::sky::Position;

    use super::{DETECTORS, Pointing, RADIUS_DEG, detector, grid_of};

    #[test]
    fn detectors_are_numbered_once() {
        let all = (0..15).flat_map(|row| (0..15).map(move |column| (column, row)));
        let mut next = 0;
        for (column, row) in all {
            if let Some(number) = detector(column, row) {
                assert_eq!(number, next);
                assert_eq!(grid_of(number), (column, row));
                next += 1;
            }
        }
        assert_eq!(next, DETECTORS);
    }

    #[test]
    fn a_place_falls_where_its_detector_says() {
        for (ra, dec) in [(0.001, 0.0), (123.0, -45.0), (10.0, 89.9), (200.0, -90.0)] {
            let axis = Position::from_degrees(ra, dec).unwrap();
            let pointing = Pointing::new(&axis, 33.0);
            for number in 0..DETECTORS {
                let place = pointing.place(number, 0.25, 0.75).unwrap();
                assert!(place.distance(&axis).degrees() < RADIUS_DEG);
                let spot = pointing.spot(place.vector()).unwrap();
                assert_eq!(spot.detector, number, "{ra} {dec}");
                assert!((spot.x - 1_050.0).abs() < 1e-3 && (spot.y - 3_150.0).abs() < 1e-3);
            }
            assert_eq!(pointing.spot(axis.antipode().vector()), None);
        }
    }
}
