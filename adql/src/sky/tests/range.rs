//! Ranges of longitude and latitude: seam, poles, full circles.

use super::*;

fn holds(region: &Region, lon: f64, lat: f64) -> bool {
    region.contains(&at(lon, lat))
}

#[test]
fn bounds_belong_to_a_range_to_the_last_bit() {
    let r = range(10.1, 20.2, -5.5, 7.7);
    assert!(holds(&r, 10.1, -5.5) && holds(&r, 20.2, 7.7) && holds(&r, 15.0, 0.0));
    assert!(!holds(&r, 10.1_f64.next_down(), 0.0) && !holds(&r, 20.2_f64.next_up(), 0.0));
    assert!(!holds(&r, 15.0, 7.7_f64.next_up()) && !holds(&r, 15.0, (-5.5_f64).next_down()));
}

#[test]
fn ranges_cross_longitude_zero() {
    for r in [range(350.0, 10.0, -1.0, 1.0), range(-10.0, 10.0, -1.0, 1.0)] {
        for lon in [350.0, 355.0, 0.0, 360.0, 10.0, -3.0] {
            assert!(holds(&r, lon, 0.0), "{r} at {lon}");
        }
        assert!(!holds(&r, 349.9, 0.0) && !holds(&r, 10.1, 0.0) && !holds(&r, 180.0, 0.0));
    }
    assert!(holds(&range(350.0, 360.0, -1.0, 1.0), 0.0, 0.0));
    assert!(!holds(&range(350.0, 360.0, -1.0, 1.0), 1e-9, 0.0));
    assert!(holds(&range(10.0, 10.0, -1.0, 1.0), 370.0, 0.0));
    assert!(!holds(&range(10.0, 10.0, -1.0, 1.0), 10.1, 0.0));
}

#[test]
fn a_turn_or_more_is_all_longitudes() {
    for (west, east) in [(0.0, 360.0), (-180.0, 180.0), (5.0, 400.0), (f64::NEG_INFINITY, 0.0)] {
        let r = range(west, east, 10.0, 20.0);
        for lon in [0.0, 1e-9, 4.0, 90.0, 180.0, 359.999_999] {
            assert!(holds(&r, lon, 15.0) && !holds(&r, lon, 9.0), "{r} at {lon}");
        }
    }
    assert_eq!(
        range(0.0, 360.0, -90.0, 90.0).boundary_distance(&at(1.0, 2.0)).degrees(),
        f64::INFINITY
    );
}

#[test]
fn a_pole_has_every_longitude() {
    let r = range(10.0, 20.0, 80.0, 95.0);
    assert!(holds(&r, 200.0, 90.0) && !holds(&r, 200.0, 89.0));
}

#[test]
fn ranges_that_hold_nothing_are_refused() {
    for (bounds, message) in [
        ([0.0, 1.0, 5.0, 4.0], "latitude from 5 to 4 holds no place"),
        ([0.0, 1.0, 91.0, 95.0], "latitude from 91 to 95 holds no place"),
        ([f64::NAN, 1.0, 0.0, 1.0], "longitude from NaN to 1 holds no place"),
        ([f64::INFINITY, 1.0, 0.0, 1.0], "longitude from inf to 1 holds no place"),
        ([0.0, 1.0, f64::NAN, 1.0], "latitude from NaN to 1 holds no place"),
    ] {
        let [a, b, c, d] = bounds;
        assert_eq!(Range::new(a, b, c, d).unwrap_err().to_string(), message);
    }
}

/// Against the nearest of many places on the boundary.
#[test]
fn the_distance_to_the_boundary_is_exact() {
    let mut random = Random(5);
    for _ in 0..150 {
        let (lon, lat) = (random.between(-20.0, 380.0), random.between(-90.0, 80.0));
        let width = random.pick(&[0.0, 1.0, 40.0, 170.0, 190.0, 350.0]);
        let top = random.pick(&[lat, (lat + 5.0).min(90.0), 90.0]);
        let r = range(lon, lon + width, lat, top);
        let mut boundary = Vec::new();
        for k in 0..=600 {
            let f = f64::from(k) / 600.0;
            boundary.push(at(lon, (lat + f * (top - lat)).min(90.0)));
            boundary.push(at(lon + width, (lat + f * (top - lat)).min(90.0)));
            boundary.push(at(lon + f * width, lat));
            boundary.push(at(lon + f * width, top));
        }
        for _ in 0..20 {
            let p = random.hard_place(10.0);
            let nearest = boundary
                .iter()
                .map(|b| angle(vector(b), vector(&p)).to_degrees())
                .fold(360.0, f64::min);
            let got = r.boundary_distance(&p).degrees();
            assert!(got <= nearest + 1e-9 && got >= nearest - 0.35, "{r} {p}: {got} {nearest}");
        }
    }
}

#[test]
fn areas_of_ranges() {
    assert!((range(0.0, 360.0, -90.0, 90.0).area_sq_deg() - 41_252.961_249_419_27).abs() < 1e-9);
    assert!((range(10.0, 100.0, 0.0, 90.0).area_sq_deg() - 5_156.620_156_177_41).abs() < 1e-9);
    assert!((range(-1.0, 1.0, 0.0, 1e-6).area_sq_deg() - 2e-6).abs() < 1e-18);
}
