//! Coverages with what is around them, against distances to many places of them.

use crate::sky::{Angle, Coverage, Order, Pixel, Position};

fn pixel(order: u8, index: u64) -> Pixel {
    Pixel::new(Order::new(order).unwrap(), index).unwrap()
}

/// Centers of the cells of an order that lie in a coverage.
fn centers(coverage: &Coverage, order: u8) -> Vec<Position> {
    let order = Order::new(order).unwrap();
    let all = (0..order.pixels()).filter_map(|index| Pixel::new(order, index));
    all.filter(|cell| coverage.contains(cell.range().start)).map(Pixel::center).collect()
}

#[test]
fn what_is_near_is_held_and_what_is_far_is_not() {
    // Poles, the seam, a corner where three base pixels meet, pieces of unlike size and apart.
    let cases: [&[(u8, u64)]; 5] = [
        &[(2, 15)],
        &[(0, 4)],
        &[(3, 767), (3, 766), (2, 100)],
        &[(2, 64), (4, 17), (4, 2560)],
        &[(1, 3), (1, 16), (1, 44)],
    ];
    for pixels in cases {
        let ranges = pixels.iter().map(|(order, index)| pixel(*order, *index).range());
        let coverage = Coverage::from_ranges(ranges);
        let inside = centers(&coverage, 5);
        let cell_radius = 60.0 / f64::from(1 << 5);
        for degrees in [0.0, 0.4, 3.0, 25.0, 181.0] {
            let finest = 4;
            let wider = coverage.widened(Angle::from_degrees(degrees), Order::new(finest).unwrap());
            assert_eq!(wider.intersection(&coverage), coverage, "it holds what it widens");
            let coarse = 60.0 / f64::from(1 << finest);
            let slop = 2.0 * (coarse + cell_radius) + 0.6 * degrees;
            for cell in (0..Order::new(5).unwrap().pixels()).map(|index| pixel(5, index)) {
                let place = cell.center();
                let distances = inside.iter().map(|inside| inside.distance(&place).degrees());
                let distance = distances.fold(f64::INFINITY, f64::min);
                let held = wider.contains(Pixel::of(Order::MAX, &place).index());
                assert!(held || distance > degrees, "{place} at {distance} of {pixels:?}");
                assert!(!held || distance < degrees + slop, "{place} at {distance} of {pixels:?}");
            }
        }
    }
}

#[test]
fn around_a_tile_there_is_little_more_than_the_tile() {
    let tile = Coverage::from_ranges([pixel(5, 1234).range()]);
    let wider = tile.widened(Angle::from_degrees(1.0 / 3600.0), Order::new(10).unwrap());
    let more = wider.sky_fraction() / tile.sky_fraction();
    // A ring of 4 · 32 + 4 cells around 32 · 32.
    assert!((1.12..1.14).contains(&more), "{more}");
    assert!(wider.ranges().len() < 110, "{}", wider.ranges().len());
    assert_eq!(Coverage::empty().widened(Angle::from_degrees(9.0), Order::MAX), Coverage::empty());
}
