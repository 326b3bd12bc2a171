//! Distances against values of many digits.

use proptest::prelude::*;

use super::*;

fn anywhere() -> impl Strategy<Value = (f64, f64)> {
    let lon = prop_oneof![0.0..360.0, Just(0.0), Just(180.0), Just(360.0), -1e-9..1e-9];
    let lat = prop_oneof![-90.0..=90.0, Just(-90.0), Just(0.0), Just(90.0), 89.999_999..=90.0];
    (lon, lat)
}

#[test]
fn no_place_without_numbers() {
    for (lon, lat) in [
        (f64::NAN, 0.0),
        (0.0, f64::NAN),
        (f64::INFINITY, 0.0),
        (0.0, 90.000_001),
        (0.0, -91.0),
        (0.0, f64::NEG_INFINITY),
    ] {
        assert_eq!(Position::from_degrees(lon, lat), None, "{lon}, {lat}");
        assert_eq!(spatial_index(lon, lat), None, "{lon}, {lat}");
    }
}

#[test]
fn longitudes_are_taken_modulo_a_turn() {
    for (given, kept) in
        [(360.0, 0.0), (-10.0, 350.0), (725.0, 5.0), (-0.0, 0.0), (-1e-20, 0.0), (359.5, 359.5)]
    {
        let lon = at(given, 10.0).lon_deg();
        assert_eq!(lon.to_bits(), f64::to_bits(kept), "{given} gave {lon}");
    }
}

/// From the definition with 60 digits.
#[test]
fn distances_have_all_their_digits() {
    let tiny = 2.0_f64.powi(-22); // 0.86 mas
    for (a, b, degrees) in [
        ((10.0, 20.0), (10.0 + tiny, 20.0), 2.240_401_794_399_996_8e-7),
        ((10.0, 20.0), (10.0 + tiny, 20.0 + tiny), 3.271_657_390_196_809_5e-7),
        ((360.0 - tiny / 2.0, 89.5), (tiny, 89.5), 3.120_852_291_002_489e-9),
        ((0.25, 89.75), (180.25, 89.75), 0.5),
        ((0.0, 0.0), (90.0, 45.0), 90.0),
        ((33.0, -45.0), (211.0, 46.0), 178.278_143_785_701_05),
        ((12.5, -67.25), (200.75, 67.0), 176.785_704_213_663_45),
        ((12.5, -67.25), (192.5 + tiny, 67.25), 179.999_999_907_800_9),
        ((100.0, -30.0), (280.0 + tiny / 256.0, 30.0 + tiny / 256.0), 179.999_999_998_767_98),
    ] {
        let (a, b) = (at(a.0, a.1), at(b.0, b.1));
        let got = a.distance(&b).degrees();
        assert!((got / degrees - 1.0).abs() < 4e-16, "{a} {b}: {got:e}, not {degrees:e}");
    }
}

#[test]
fn the_remainder_to_the_antipode_has_its_digits() {
    let mut random = Random(1);
    for _ in 0..1000 {
        let p = random.hard_place(1.0);
        let near = offset(&p, 5e-9, random.between(0.0, 6.0));
        let expected = angle(vector(&p), vector(&near)).to_degrees();
        let far = 180.0 - p.antipode().distance(&near).degrees();
        assert!((far - expected).abs() < 2e-13, "{p}: {far:e}, not {expected:e}");
    }
}

#[test]
fn distances_along_meridians_and_the_equator_are_exact() {
    for (a, b, degrees) in [
        ((77.0, -10.1), (77.0, 10.1), 20.2),
        ((77.0, 0.0), (77.0, 0.1), 0.1),
        ((350.0, 0.0), (10.0, 0.0), 20.0),
        ((0.0, 0.0), (180.0, 0.0), 180.0),
        ((12.0, 90.0), (250.0, 10.0), 80.0),
        ((12.0, -90.0), (99.0, 90.0), 180.0),
    ] {
        assert_eq!(at(a.0, a.1).distance(&at(b.0, b.1)).degrees(), degrees);
    }
}

proptest! {
    #[test]
    fn the_same_place_is_at_no_distance((lon, lat) in anywhere(), turns in -3..3_i32) {
        let lon = (lon * 1024.0).round() / 1024.0;
        let again = at(lon + 360.0 * f64::from(turns), lat);
        prop_assert_eq!(at(lon, lat).distance(&again), Angle::ZERO);
        prop_assert_eq!(at(lon, 90.0).distance(&at(lat, 90.0)), Angle::ZERO);
        prop_assert_eq!(at(lon, -90.0).distance(&at(lat, -90.0)), Angle::ZERO);
    }

    #[test]
    fn distance_agrees_with_vectors(a in anywhere(), b in anywhere()) {
        let (a, b) = (at(a.0, a.1), at(b.0, b.1));
        let distance = a.distance(&b);
        prop_assert_eq!(distance, b.distance(&a));
        prop_assert!((distance.radians() - angle(vector(&a), vector(&b))).abs() < 2e-15);
        let across = a.distance(&b.antipode()).degrees();
        prop_assert!((distance.degrees() + across - 180.0).abs() < 1e-12);
    }
}

#[test]
fn circles_and_distances_agree_to_the_last_bit() {
    let mut random = Random(2);
    let radii = [0.0, 1e-9, 2.8e-7, 0.1, 1.0, 10.0, 89.0, 90.0, 91.0, 170.0, 179.999_999, 180.0];
    for _ in 0..20_000 {
        let radius = random.pick(&radii);
        let center = random.hard_place(radius);
        let wobble = random.pick(&[0.0, 1e-16, -1e-16, 1e-15, -1e-15, 1e-12, -1e-12, 1e-3]);
        let p = offset(&center, f64::to_radians(radius) + wobble, random.between(0.0, 6.3));
        let distance = center.distance(&p).degrees();
        let closed = Circle::new(center, radius).unwrap();
        let open = Circle::open(center, radius).unwrap();
        assert_eq!(closed.contains(&p), distance <= radius, "{closed} {p} at {distance}");
        assert_eq!(open.contains(&p), distance < radius, "{open} {p} at {distance}");
    }
}

#[test]
fn circles_of_no_and_of_all_sky() {
    let center = at(0.0, 90.0);
    let point = Circle::new(center, 0.0).unwrap();
    assert!(point.contains(&at(123.0, 90.0)));
    assert!(!point.contains(&at(123.0, 89.999_999_999_999)));
    assert!(!Circle::open(center, 0.0).unwrap().contains(&center));
    let all = Circle::new(center, 180.0).unwrap();
    assert!(all.contains(&at(7.0, -90.0)) && all.contains(&center));
    assert!(!Circle::open(center, 180.0).unwrap().contains(&at(7.0, -90.0)));
    assert!((Region::from(all).area_sq_deg() - 41_252.961_249_419_27).abs() < 1e-9);
    assert_eq!(circle(10.0, 20.0, 0.1).to_string(), "CIRCLE(10, 20, 0.1)");
    for radius in [-0.1, 180.1, f64::NAN] {
        let error = Circle::new(center, radius).unwrap_err().to_string();
        assert_eq!(error, format!("radius {radius} of a circle is not within 0 to 180 degrees"));
    }
}
