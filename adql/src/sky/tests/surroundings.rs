//! Surroundings of pixels against distances to places along their sides.

use crate::sky::{Angle, Order, Pixel, Position, Surroundings, spatial_index};

fn pixel(order: u8, index: u64) -> Pixel {
    Pixel::new(Order::new(order).unwrap(), index).unwrap()
}

/// Places in and around a pixel: a grid about its center that reaches `beyond` degrees further
/// than its corners.
fn places(pixel: Pixel, beyond: f64) -> Vec<Position> {
    let center = pixel.center();
    let size = 60.0 / f64::from(1_u32 << pixel.order().get()) + beyond;
    let mut places = Vec::new();
    for i in 0..60 {
        for j in 0..60 {
            let at = |k: i32| size * (f64::from(k) / 29.5 - 1.0);
            let lat = center.lat_deg() + at(i);
            // Over a pole and down the other side.
            let (lat, turn) = if lat > 90.0 {
                (180.0 - lat, 180.0)
            } else if lat < -90.0 {
                (-180.0 - lat, 180.0)
            } else {
                (lat, 0.0)
            };
            let lon = center.lon_deg() + at(j) / lat.to_radians().cos().max(0.05) + turn;
            places.extend(Position::from_degrees(lon, lat));
        }
    }
    places
}

/// Centers of small cells in a pixel: no place of it is farther than their radius from one.
fn inside(pixel: Pixel, orders: u8) -> Vec<Position> {
    let depth = 2 * orders;
    let order = pixel.order().get() + orders;
    (0..1_u64 << depth).map(|k| self::pixel(order, (pixel.index() << depth) + k).center()).collect()
}

#[test]
fn no_near_place_is_missed_and_no_far_one_is_taken() {
    // Poles, the seam, the equator, corners where three base pixels meet.
    let pixels = [(0, 0), (0, 4), (0, 11), (1, 3), (1, 16), (1, 44), (3, 63), (3, 320), (3, 767)];
    for (order, index) in pixels {
        let pixel = pixel(order, index);
        let cells = inside(pixel, 4);
        for degrees in [0.5, 3.0, 20.0] {
            let around = Surroundings::new(pixel, Angle::from_degrees(degrees));
            let cell_radius = 60.0 / f64::from(1_u32 << (order + 4));
            let mut taken = 0;
            for place in places(pixel, 1.5 * degrees) {
                let at = spatial_index(place.lon_deg(), place.lat_deg()).unwrap();
                let at = u64::try_from(at).unwrap();
                let holds = around.holds(at, &place);
                if pixel.range().contains(&at) {
                    assert!(!holds, "{place} lies in {pixel}");
                    continue;
                }
                let distances = cells.iter().map(|cell| cell.distance(&place).degrees());
                // The distance to the pixel is at most this, and at least a cell's radius less.
                let nearest = distances.fold(f64::INFINITY, f64::min);
                if nearest <= degrees {
                    assert!(holds, "{place} is {nearest}° from {pixel}, within {degrees}°");
                }
                if nearest - cell_radius > degrees * 1.5 + 0.5 {
                    assert!(!holds, "{place} is {nearest}° from {pixel}, beyond {degrees}°");
                }
                let in_ranges = around.ranges().iter().any(|range| range.contains(&at));
                assert!(in_ranges || !holds, "{place} is held outside of the ranges");
                taken += usize::from(holds);
            }
            assert!(taken > 0, "{pixel} within {degrees}°");
        }
    }
}

#[test]
fn a_margin_of_arcseconds_is_thin() {
    let pixel = pixel(4, 1000);
    let around = Surroundings::new(pixel, Angle::from_degrees(5.0 / 3600.0));
    let cells: u64 = around.ranges().iter().map(|range| range.end - range.start).sum();
    let whole = pixel.range().end - pixel.range().start;
    assert!(cells * 20 < whole, "{cells} cells around {whole}");
    assert!(around.ranges().windows(2).all(|pair| pair[0].end < pair[1].start));
}

#[test]
fn what_is_proven_near_is_near_and_nothing_else_is() {
    let pixels = [(0, 0), (0, 4), (0, 11), (1, 3), (1, 44), (3, 63), (3, 320), (3, 767)];
    let mut proven = 0;
    for (order, index) in pixels {
        let pixel = pixel(order, index);
        // Centers of cells that are small beside the angle: places of the pixel.
        let cells = inside(pixel, 5);
        let cell_radius = 60.0 / f64::from(1_u32 << (order + 5));
        for degrees in [0.5, 3.0, 20.0] {
            let around = Surroundings::new(pixel, Angle::from_degrees(degrees));
            for place in places(pixel, 1.5 * degrees) {
                let at = spatial_index(place.lon_deg(), place.lat_deg()).unwrap();
                let at = u64::try_from(at).unwrap();
                if pixel.range().contains(&at) {
                    continue;
                }
                let distances = cells.iter().map(|cell| cell.distance(&place).degrees());
                let nearest = distances.fold(f64::INFINITY, f64::min);
                let proves = around.proves(at, &place);
                if nearest < degrees - 1e-6 {
                    assert!(proves, "{place} is {nearest}° from {pixel}, within {degrees}°");
                }
                if nearest > degrees + cell_radius {
                    assert!(!proves, "{place} is {nearest}° from {pixel}, beyond {degrees}°");
                }
                proven += u32::from(proves);
            }
        }
    }
    assert!(proven > 1_000, "{proven}");
}

#[test]
fn a_place_just_within_the_angle_is_proven() {
    // Along the meridian through the northern corner of a pixel near the equator.
    let pixel = Pixel::of(Order::new(3).unwrap(), &Position::from_degrees(10.0, 3.0).unwrap());
    let corner = (0..=4_000)
        .map(|k| Position::from_degrees(pixel.center().lon_deg(), f64::from(k) * 0.02 - 40.0))
        .map(Option::unwrap)
        .filter(|place| {
            let at = spatial_index(place.lon_deg(), place.lat_deg()).unwrap();
            pixel.range().contains(&u64::try_from(at).unwrap())
        })
        .map(|place| place.lat_deg())
        .fold(-90.0, f64::max);
    let around = Surroundings::new(pixel, Angle::from_degrees(1.0));
    let proves = |lat: f64| {
        let place = Position::from_degrees(pixel.center().lon_deg(), lat).unwrap();
        let at = spatial_index(place.lon_deg(), place.lat_deg()).unwrap();
        around.proves(u64::try_from(at).unwrap(), &place)
    };
    // The corner is within a step of 0.02° beyond the last place inside.
    assert!(proves(corner + 0.999), "{corner}");
    assert!(!proves(corner + 1.021), "{corner}");
}
