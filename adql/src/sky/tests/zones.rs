//! The index of places against all places: what is near is found once, wherever it lies.

use super::{Random, at};
use crate::sky::{Position, Zones};

/// Places all over the sky, on its poles and seam, stacked, and crowded in a small field.
fn places(random: &mut Random) -> Vec<(f64, f64)> {
    let mut places = vec![(0.0, 90.0), (123.0, 90.0), (77.0, -90.0), (0.0, 0.0), (360.0, 0.0)];
    places.extend([(359.999_999_9, 0.0), (-0.000_000_1, 0.0), (180.0, 0.0), (720.0, 45.0)]);
    for _ in 0..400 {
        let lat = (2.0 * random.unit() - 1.0).asin().to_degrees();
        places.push((360.0 * random.unit(), lat));
        places.push((10.0 + 0.01 * random.unit(), 20.0 + 0.01 * random.unit()));
        places.push((360.0 * random.unit(), 90.0 - 0.01 * random.unit()));
        places.push((360.0 * random.unit(), -90.0 + 2.0 * random.unit()));
        places.push((0.02 * random.unit() - 0.01, 0.02 * random.unit() - 0.01));
        places.push((200.0, -45.0));
    }
    places
}

fn found(index: &Zones, (lon, lat): (f64, f64), reach: Option<f64>) -> Vec<u32> {
    let mut spans = Vec::new();
    let reach = match reach {
        None => {
            index.near(lon, lat, &mut spans);
            index.reach_deg()
        }
        Some(reach) => index.within(lon, lat, reach, &mut spans),
    };
    let mut rows = Vec::new();
    for span in &spans {
        let candidates = span.rows.clone().filter(|at| index.is_candidate(*at, span, lat, reach));
        rows.extend(candidates.map(|at| index.row(at)));
    }
    rows.sort_unstable();
    rows
}

#[test]
fn every_near_place_is_a_candidate_once() {
    let mut random = Random(11);
    let (held, asked) = (places(&mut random), places(&mut random));
    let rows = || (0..).zip(&held).map(|(row, place)| (row, place.0, place.1));
    let of = |place: &(f64, f64)| Position::from_degrees(place.0, place.1).unwrap();
    let positions: Vec<Position> = held.iter().map(of).collect();
    let radii = [0.0, 1e-3 / 3600.0, 1.0 / 3600.0, 1.0 / 60.0, 1.0, 30.0, 90.0, 179.9, 180.0];
    for built in radii {
        let index = Zones::new(built, rows());
        assert_eq!(index.len(), held.len());
        for place in asked.iter().chain(&held).step_by(37) {
            let center = of(place);
            for reach in [None, Some(built), Some(0.3), Some(60.0)] {
                let candidates = found(&index, *place, reach);
                assert!(
                    candidates.is_sorted_by(|a, b| a < b),
                    "twice: {built} {place:?} {reach:?}"
                );
                let reach = reach.unwrap_or(built);
                for (row, position) in (0_u32..).zip(&positions) {
                    let near = center.distance(position).degrees() <= reach;
                    let known = candidates.binary_search(&row).is_ok();
                    assert!(
                        known || !near,
                        "{:?} is near {place:?}: {built} {reach}",
                        held[row as usize]
                    );
                }
            }
        }
    }
}

#[test]
fn far_places_are_no_candidates() {
    let mut random = Random(5);
    let held: Vec<(f64, f64)> = (0..20_000)
        .map(|_| (360.0 * random.unit(), (2.0 * random.unit() - 1.0).asin().to_degrees()))
        .collect();
    let rows = (0..).zip(&held).map(|(row, place)| (row, place.0, place.1));
    let index = Zones::new(1.0 / 60.0, rows);
    let (mut looked, mut passed) = (0, 0);
    for place in held.iter().map(|(lon, lat)| (lon + 0.5, *lat)) {
        let mut spans = Vec::new();
        index.near(place.0, place.1, &mut spans);
        for span in &spans {
            looked += span.rows.len();
            let reach = index.reach_deg();
            passed +=
                span.rows.clone().filter(|a| index.is_candidate(*a, span, place.1, reach)).count();
        }
    }
    assert!(looked < 4 * held.len(), "{looked} rows were looked at");
    assert!(passed < held.len() / 100, "{passed} rows passed");
}

#[test]
fn what_is_no_place_is_left_out() {
    let rows = [(0, f64::NAN, 0.0), (1, 0.0, 91.0), (2, f64::INFINITY, 0.0), (3, 1.0, -90.0)];
    let index = Zones::new(1.0, rows.into_iter());
    assert_eq!(index.len(), 1);
    assert_eq!(index.position(0), at(1.0, -90.0));
    assert!(Zones::new(1.0, std::iter::empty()).is_empty());
    assert!(found(&Zones::new(1.0, std::iter::empty()), (0.0, 0.0), None).is_empty());
}

/// Most searches end at a bit: it is set in every cell that the reach of a place touches.
#[test]
fn a_place_at_the_end_of_the_reach_is_found_across_cells() {
    let mut random = Random(3);
    let held: Vec<Position> = (0..3000)
        .map(|_| at(360.0 * random.unit(), (2.0 * random.unit() - 1.0).asin().to_degrees()))
        .collect();
    let reach = 0.15;
    let rows = (0..).zip(&held).map(|(row, place)| (row, place.lon_deg(), place.lat_deg()));
    let index = Zones::new(reach, rows);
    let mut asked = 0;
    for (row, place) in (0_u32..).zip(&held) {
        let east = 0.99 * reach / place.lat_deg().to_radians().cos();
        for (lon, lat) in [(0.0, 0.99), (0.0, -0.99), (east, 0.0), (-east, 0.0)] {
            let (lon, lat) = (place.lon_deg() + lon, place.lat_deg() + reach * lat);
            let near = Position::from_degrees(lon, lat);
            if near.is_some_and(|near| near.distance(place).degrees() <= reach) {
                asked += 1;
                assert!(found(&index, (lon, lat), None).contains(&row), "{place} from {lon} {lat}");
            }
        }
    }
    assert!(asked > 11_000, "{asked}");
}
