//! Motion against bounds and symmetries; its places are compared with other programs in `tests/engine`.

use proptest::prelude::*;

use super::*;

fn motion([parallax, east, north, velocity]: [f64; 4]) -> Motion {
    Motion {
        parallax_mas: parallax,
        pmra_mas_yr: east,
        pmdec_mas_yr: north,
        radial_velocity_km_s: velocity,
    }
}

#[test]
fn a_star_that_does_not_move_stays_to_the_last_bit() {
    for (lon, lat) in [(0.0, 90.0), (77.0, -90.0), (359.999_999_9, 1e-12), (12.3, -45.6)] {
        let place = at(lon, lat);
        let nearer = motion([700.0, 0.0, 0.0, -300.0]);
        assert_eq!(nearer.after(&place, 500.0), Some(place));
        assert_eq!(motion([1.0, 9.0, 9.0, 9.0]).after(&place, 0.0), Some(place));
    }
}

#[test]
fn a_star_crosses_a_pole_and_the_seam() {
    let degree_a_year = 3.6e6;
    let over = motion([0.0, 0.0, degree_a_year, 0.0]).after(&at(10.0, 89.5), 1.0).unwrap();
    assert!((over.lon_deg() - 190.0).abs() < 1e-9, "{over}");
    let angle = at(10.0, 89.5).distance(&over).degrees();
    assert!((angle - 1.0_f64.to_radians().atan().to_degrees()).abs() < 1e-12, "{angle}");
    let west = motion([0.0, -degree_a_year, 0.0, 0.0]).after(&at(0.3, 0.0), 1.0).unwrap();
    assert!(west.lon_deg() > 359.0 && west.lat_deg() == 0.0, "{west}");
}

#[test]
fn without_numbers_there_is_no_place_and_beyond_the_sun_no_bound() {
    let place = at(10.0, 20.0);
    // Its distance is 1000 pc, and in so many years it is here.
    let years = 4.740_470_463_533_349 * 180.0 * 3.6e6 / PI;
    assert_eq!(motion([f64::NAN, 1.0, 0.0, 1.0]).after(&place, 1.0), None);
    assert_eq!(motion([1.0, f64::INFINITY, 0.0, 1.0]).after(&place, 1.0), None);
    assert_eq!(motion([1.0, 0.0, 0.0, 1.0]).most_within(years), None);
    assert_eq!(motion([1.0, f64::INFINITY, 0.0, 0.0]).most_within(1.0), None);
    assert_eq!(motion([1.0, f64::NAN, 0.0, 0.0]).most_within(1.0), None);
}

proptest! {
    /// No star with smaller components, of whatever signs, moves farther, and some nearly as far.
    #[test]
    fn no_star_moves_farther_than_the_bound(
        lon in 0.0..360.0, lat in -90.0..=90.0, years in -3000.0..3000.0,
        parts in prop::array::uniform4(-1.0..=1.0),
        most in (0.0..800.0, 0.0..1e6, 0.0..1e6, 0.0..700.0),
    ) {
        let most = [most.0, most.1, most.2, most.3];
        let place = at(lon, lat);
        if let Some(bound) = motion(most).most_within(years) {
            for part in [parts, parts.map(f64::signum)] {
                let of = [0, 1, 2, 3].map(|i| part[i] * most[i]);
                let moved = motion(of).after(&place, years).unwrap();
                let angle = place.distance(&moved);
                prop_assert!(angle <= bound, "{angle} of {bound}");
            }
            // The one that comes nearest reaches it.
            let towards = [most[0], most[1], most[2], -most[3] * years.signum()];
            let angle = place.distance(&motion(towards).after(&place, years).unwrap());
            prop_assert!(angle.degrees() > bound.degrees() * (1.0 - 1e-9) - 1.1e-9);
        }
    }

    /// Seen from where it has come to, with the motion that it has there, a star goes back.
    #[test]
    fn without_a_parallax_a_great_circle_is_followed(
        lon in 0.0..360.0, lat in -89.0..89.0, east in -1e6..1e6, north in -1e6..1e6,
    ) {
        let place = at(lon, lat);
        let star = motion([0.0, east, north, 50.0]);
        let [before, after] = [-100.0, 100.0].map(|years| star.after(&place, years).unwrap());
        let whole = before.distance(&after).degrees();
        let halves = before.distance(&place).degrees() + place.distance(&after).degrees();
        prop_assert!((whole - halves).abs() < 1e-9, "{whole} {halves}");
    }
}
