//! Pixels against the hash of the reference.

use cdshealpix::nested;

use super::*;

fn order(order: u8) -> Order {
    Order::new(order).unwrap()
}

/// From the C++ library's bindings (cdshealpix-python and astropy-healpix agree).
#[test]
fn the_spatial_index_is_that_of_hats() {
    for (lon, lat, index) in [
        (0.0, 0.0, 1_369_094_286_720_630_784),
        (45.0, 41.8, 72_057_589_960_080_627),
        (359.999_999, -12.5, 1_210_607_365_230_165_532),
        (-0.000_001, -12.5, 1_210_607_365_230_165_532),
        (123.456, 89.99, 576_460_745_703_044_047),
        (0.0, 90.0, 288_230_376_151_711_743),
        (271.25, -90.0, 3_170_534_137_668_829_184),
        (83.633_083, 22.0145, 1_701_909_093_095_840_580),
        (201.365_063, -43.019_113, 3_044_352_322_598_060_879),
        (180.0, -41.9, 3_074_456_623_490_665_002),
    ] {
        assert_eq!(spatial_index(lon, lat), Some(index), "{lon}, {lat}");
    }
}

#[test]
fn pixels_make_a_tree() {
    assert_eq!(Order::new(30), None);
    assert_eq!(Pixel::new(order(1), 48), None);
    assert_eq!(Pixel::base().count(), 12);
    let pixel = Pixel::new(order(3), 100).unwrap();
    assert_eq!(pixel.to_string(), "3/100");
    assert_eq!(pixel.parent().unwrap().to_string(), "2/25");
    assert!(pixel.parent().unwrap().contains(pixel) && !pixel.contains(pixel.parent().unwrap()));
    let children = pixel.children().unwrap();
    assert_eq!(children[0].range().start, pixel.range().start);
    assert_eq!(children[3].range().end, pixel.range().end);
    assert!(children.windows(2).all(|pair| pair[0].range().end == pair[1].range().start));
    assert_eq!(Pixel::new(Order::MAX, 7).unwrap().children(), None);
    assert!(pixel.within(order(4)).eq(children));
    assert_eq!(pixel.within(order(6)).count(), 64);
    assert!(pixel.within(order(6)).all(|fine| fine.order() == order(6) && pixel.contains(fine)));
    assert!(pixel.within(order(2)).eq([pixel]));
    assert_eq!(Pixel::new(Order::MIN, 7).unwrap().parent(), None);
    let last = Pixel::new(Order::MIN, 11).unwrap();
    assert_eq!(last.range().end, Order::MAX.pixels());
}

#[test]
fn pixels_hold_their_centers_and_places() {
    let mut random = Random(3);
    for _ in 0..10_000 {
        let p = random.hard_place(1.0);
        let finest = Pixel::of(Order::MAX, &p);
        for k in 0..=29 {
            assert!(Pixel::of(order(k), &p).contains(finest), "{p} at order {k}");
        }
        let k = random.pick(&[0, 1, 5, 11, 20, 29]);
        let pixel = Pixel::of(order(k), &p);
        assert_eq!(Pixel::of(order(k), &pixel.center()), pixel);
    }
}

/// The bounding cone is all that a cover knows of a pixel.
#[test]
fn no_place_of_a_pixel_is_outside_of_its_bounding_cone() {
    let check = |pixel: Pixel| {
        let center = pixel.center_vector();
        let radius = pixel.radius(center);
        let largest = pixel.order().largest_radius();
        assert!(radius <= largest + 1e-15, "{pixel}: {radius} above {largest}");
        let sides = nested::grid(pixel.order().get(), pixel.index(), 12);
        for (lon, lat) in sides.iter() {
            let p = [lat.cos() * lon.cos(), lat.cos() * lon.sin(), lat.sin()];
            assert!(angle(center, p) <= radius, "{pixel} at {lon}, {lat}");
        }
    };
    for k in 0..=4 {
        (0..order(k).pixels()).for_each(|index| check(Pixel::new(order(k), index).unwrap()));
    }
    let mut random = Random(4);
    for k in 5..=26 {
        for _ in 0..200 {
            check(Pixel::of(order(k), &random.hard_place(90.0 / f64::from(1 << k))));
        }
    }
}

#[test]
fn the_largest_bounding_cone_is_reached() {
    for k in 0..=6 {
        let largest = (0..order(k).pixels())
            .map(|index| Pixel::new(order(k), index).unwrap())
            .map(|pixel| pixel.radius(pixel.center_vector()))
            .fold(0.0, f64::max);
        let bound = order(k).largest_radius();
        assert!(
            largest <= bound + 1e-15 && largest > 0.999 * bound,
            "order {k}: {largest} {bound}"
        );
    }
}

/// Groups by pixels are shifts of the spatial index.
#[test]
fn pixels_of_all_orders_are_ancestors_of_the_spatial_index() {
    let mut places =
        vec![(0.0, 90.0), (123.0, -90.0), (360.0, 0.0), (359.999_999_999_999_9, 1e-300)];
    // Corners and borders of pixels of order 4, where another digit would put a place elsewhere.
    let borders = (0..192).map(|at| Pixel::new(order(2), at).unwrap().center());
    places.extend(borders.map(|center| (center.lon_deg(), center.lat_deg())));
    for i in 0..=64 {
        let part = f64::from(i) / 64.0;
        places.extend([(360.0 * part, 0.0), (360.0 * part, (2.0_f64 / 3.0).asin().to_degrees())]);
        places
            .extend([(45.0, 180.0 * part - 90.0), (90.0 * part, (part / 1.5).asin().to_degrees())]);
        places.push((359.0 * part.sqrt(), 180.0 * part * part - 90.0));
    }
    for (lon, lat) in places {
        let position = Position::from_degrees(lon, lat).unwrap();
        let index = Pixel::of(Order::MAX, &position).index();
        for depth in 0..=29 {
            let pixel = Pixel::of(order(depth), &position).index();
            assert_eq!(pixel, index >> (2 * (29 - depth)), "{lon}, {lat} at order {depth}");
        }
    }
}
