//! Membership on the sphere against astropy: more than 10^4 cases of `sky/cases.py`.
//!
//! Each case must come out right three times: by the region itself, by its cover (which loses no place that is
//! inside and calls none inner that is outside), and by the test that scans carry.

use adql::sky::{Angle, Circle, Cover, Polygon, Position, Region, RegionTest, Side, spatial_index};
use tests::places;

/// At least so many cases, as the issue asks.
const CASES_MIN: usize = 10_000;

/// More edge cells make a finer cover, not a different answer.
const EDGE_CELLS: [usize; 2] = [32, 512];

#[derive(Debug)]
struct Case {
    region: Region,
    lon_deg: f64,
    lat_deg: f64,
    inside: bool,
}

impl Case {
    fn read(line: &str) -> Self {
        let (kind, rest) = line.split_once(' ').expect("a kind and numbers");
        let numbers: Vec<f64> =
            rest.split(' ').map(|number| number.parse().expect("a number")).collect();
        let (shape, point) = numbers.split_at(numbers.len() - 3);
        let place = |at: &[f64]| Position::from_degrees(at[0], at[1]).expect("a place");
        let region = match kind {
            "circle" => Circle::new(place(shape), shape[2]).map(Region::Circle),
            "box" => Polygon::from_box(place(shape), shape[2], shape[3]).map(Region::Polygon),
            "polygon" => Polygon::new(shape.chunks(2).map(place).collect()).map(Region::Polygon),
            other => panic!("{other} is no kind of region"),
        };
        let region = region.unwrap_or_else(|error| panic!("{error}: {line}"));
        Self { region, lon_deg: point[0], lat_deg: point[1], inside: point[2] == 1.0 }
    }

    /// What is wrong with our verdicts, if anything.
    fn judge(&self) -> Option<&'static str> {
        let place = Position::from_degrees(self.lon_deg, self.lat_deg).expect("a place");
        if self.region.contains(&place) != self.inside {
            return Some("the region says otherwise");
        }
        let index = spatial_index(self.lon_deg, self.lat_deg).expect("a place has an index");
        for cells in EDGE_CELLS {
            let cover = Cover::of(&self.region, Angle::ZERO, cells);
            match cover.side(u64::try_from(index).expect("an index is not negative")) {
                Side::Outside if self.inside => return Some("the cover loses it"),
                Side::Inner if !self.inside => return Some("the cover calls it inner"),
                Side::Inner | Side::Edge | Side::Outside => {}
            }
        }
        let test = RegionTest::new(self.region.clone(), Angle::ZERO);
        let contained = test.contains(index, self.lon_deg, self.lat_deg);
        (contained != self.inside).then_some("the test of a scan says otherwise")
    }
}

#[test]
fn circles_boxes_and_polygons_agree_with_astropy() {
    let Some(python) = places::python() else { return };
    let cases = places::run_python(&python, "tests/sky/cases.py", &["10000", "20261120"]);
    let cases = cases.unwrap_or_else(|said| panic!("{said}"));
    let lines: Vec<&str> = cases.lines().collect();
    assert!(lines.len() >= CASES_MIN, "only {} cases", lines.len());
    let wrong: Vec<String> = lines
        .iter()
        .filter_map(|line| Case::read(line).judge().map(|said| format!("{said}: {line}")))
        .collect();
    let shown = wrong.iter().take(20).cloned().collect::<Vec<_>>().join("\n");
    assert!(wrong.is_empty(), "{} of {} cases are wrong:\n{shown}", wrong.len(), lines.len());
}
