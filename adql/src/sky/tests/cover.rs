//! Covers miss no point: rows on and beside boundaries.

use super::*;

/// How far from the boundary places are tried, in radians.
const BESIDE: [f64; 9] = [0.0, 1e-15, 1e-13, 1e-12, 3e-12, 1e-10, 1e-8, 1e-5, 1e-2];

struct Tally {
    rows: usize,
    contained: usize,
    by_side: [usize; 3],
}

/// Rows whose place and the place of whose index are at most `slack` apart.
fn check(region: &Region, cells: usize, slack: f64, places: &[Position], tally: &mut Tally) {
    let cover = Cover::of(region, Angle::from_radians(slack), cells);
    let mut random = Random(places.len() as u64);
    for p in places {
        let indexed = if slack == 0.0 {
            *p
        } else {
            let part = random.pick(&[0.0, 0.5, 1.0 - 1e-9]);
            offset(p, slack * part, random.between(0.0, 6.3))
        };
        let index = Pixel::of(Order::MAX, &indexed).index();
        let (contained, side) = (region.contains(p), cover.side(index));
        let fits = match side {
            Side::Inner => contained,
            Side::Outside => !contained,
            Side::Edge => true,
        };
        assert!(fits, "{region}, {cells} cells, slack {slack:e}: {p} is on side {side:?}");
        tally.rows += 1;
        tally.contained += usize::from(contained);
        tally.by_side[side as usize] += 1;
    }
}

fn beside(random: &mut Random, p: &Position) -> Position {
    offset(p, random.pick(&BESIDE), random.between(0.0, 2.0 * PI))
}

fn circle_case(random: &mut Random) -> (Region, Vec<Position>) {
    let radii = [0.0, 2.8e-7, 1.0 / 3600.0, 1.0 / 60.0, 0.3, 1.0, 10.0, 45.0, 89.0, 90.0];
    let large = [91.0, 120.0, 135.0, 150.0, 170.0, 179.0, 179.999, 179.999_999_9, 180.0];
    let radius =
        if random.bits().is_multiple_of(2) { random.pick(&radii) } else { random.pick(&large) };
    let center = random.hard_place(radius);
    let closed = Circle::new(center, radius).unwrap();
    let open = Circle::open(center, radius).unwrap();
    let region = if random.bits().is_multiple_of(4) { open } else { closed }.into();
    let mut places = vec![center, center.antipode(), at(0.0, 90.0), at(0.0, -90.0)];
    for _ in 0..300 {
        let pa = random.between(0.0, 2.0 * PI);
        let edge = offset(&center, f64::to_radians(radius), pa);
        places.push(beside(random, &edge));
        places.push(offset(&center, f64::to_radians(radius) * random.unit().sqrt(), pa));
        places.push(random.hard_place(radius));
    }
    (region, places)
}

fn polygon_case(random: &mut Random) -> (Region, Vec<Position>) {
    let size = random.pick(&[1e-6, 1.0 / 3600.0, 0.02, 1.0, 12.0, 45.0, 80.0, 89.0]);
    let center = random.hard_place(size);
    let (region, corners) = if random.bits().is_multiple_of(3) {
        let height = random.pick(&[0.0, 0.1, 1.0, 1.9]) * size;
        let found = Polygon::from_box(center, 1.9 * size, height).unwrap();
        let corners = found.vertices().to_vec();
        (Region::from(found), corners)
    } else {
        let star = Star::random(random, center, size);
        (star.region(random.bits().is_multiple_of(2)), star.corners)
    };
    let mut places = vec![center, center.antipode(), at(0.0, 90.0), at(0.0, -90.0)];
    places.extend(&corners);
    for _ in 0..300 {
        let k = random.below(corners.len());
        let edge = between(&corners[k], &corners[(k + 1) % corners.len()], random.unit());
        places.push(beside(random, &edge));
        let (reach, pa) = (1.2 * size.to_radians(), random.between(0.0, 6.3));
        places.push(offset(&center, reach * random.unit().sqrt(), pa));
        places.push(random.hard_place(size));
    }
    (region, places)
}

fn range_case(random: &mut Random) -> (Region, Vec<Position>) {
    let (west, south) = (random.between(-40.0, 400.0), random.between(-90.0, 89.0));
    let width = random.pick(&[0.0, 1e-4, 1.0, 30.0, 170.0, 180.0, 190.0, 359.0, 360.0]);
    let north = random.pick(&[south, south + 1e-4, south + 0.9, 90.0]);
    let south = random.pick(&[south, south, -90.0]);
    let region = range(west, west + width, south, north);
    let mut places = vec![at(0.0, 90.0), at(0.0, -90.0)];
    for _ in 0..300 {
        let inside = [random.between(west, west + width), random.between(south, north)];
        let lon = random.pick(&[west, west + width]);
        let edge = random.pick(&[(lon, inside[1]), (inside[0], south), (inside[0], north)]);
        places.push(beside(random, &at(edge.0, edge.1)));
        places.push(at(inside[0], inside[1]));
        places.push(random.hard_place(width.max(1e-3)));
    }
    (region, places)
}

/// Pixels of some orders about a place; places along their sides.
fn moc_case(random: &mut Random) -> (Region, Vec<Position>) {
    let order = Order::new(random.pick(&[0, 2, 5, 9, 14])).unwrap();
    let center = random.hard_place(1.0);
    let home = Pixel::of(order, &center);
    let first = home.index().saturating_sub(random.pick(&[0, 1, 7]));
    let pixels = (first..first + random.pick(&[1, 2, 9])).filter_map(|n| Pixel::new(order, n));
    let mut pixels: Vec<Pixel> = pixels.filter(|_| !random.bits().is_multiple_of(4)).collect();
    pixels.extend(home.within(Order::new(order.get() + 3).unwrap()).step_by(5).take(7));
    let moc = Coverage::from_ranges(pixels.iter().map(|pixel| pixel.range()));
    let mut places = vec![center, center.antipode(), at(0.0, 90.0), at(0.0, -90.0)];
    for _ in 0..300 {
        let pixel = pixels[random.below(pixels.len())];
        let along = random.unit();
        let side = random.pick(&[[0.0, along], [along, 1.0]]);
        places.push(beside(random, &Position::from_vector(pixel.place_within(side[0], side[1]))));
        let inside = pixel.place_within(random.unit(), random.unit());
        places.push(Position::from_vector(inside));
        places.push(random.hard_place(1.0));
    }
    (Region::Moc(moc), places)
}

fn union_case(random: &mut Random) -> (Region, Vec<Position>) {
    let (mut parts, mut places) = (Vec::new(), Vec::new());
    for case in [circle_case, polygon_case, moc_case] {
        let (region, of_part) = case(random);
        parts.push(region);
        places.extend(of_part.into_iter().step_by(3));
    }
    (Region::Union(parts), places)
}

fn run(seed: u64, rounds: usize, case: fn(&mut Random) -> (Region, Vec<Position>)) {
    let mut random = Random(seed);
    let mut tally = Tally { rows: 0, contained: 0, by_side: [0; 3] };
    for _ in 0..rounds {
        let (region, places) = case(&mut random);
        let cells = random.pick(&[12, 32, 64, 128, 512]);
        let slack = random.pick(&[0.0, 0.0, 5e-9, 5e-6, 1e-3, 0.1]);
        check(&region, cells, slack, &places, &mut tally);
    }
    let Tally { rows, contained, by_side } = tally;
    assert!(rows > 330_000, "{rows} rows");
    assert!(contained > rows / 10 && contained < rows * 9 / 10, "{contained} of {rows}");
    assert!(by_side.iter().all(|n| *n > rows / 40), "{by_side:?} of {rows}");
}

#[test]
fn no_row_of_a_circle_is_lost() {
    run(11, 420, circle_case);
}

#[test]
fn no_row_of_a_moc_is_lost() {
    run(14, 420, moc_case);
}

#[test]
fn no_row_of_a_union_is_lost() {
    run(15, 420, union_case);
}

#[test]
fn no_row_of_a_polygon_is_lost() {
    run(12, 420, polygon_case);
}

#[test]
fn no_row_of_a_range_is_lost() {
    run(13, 420, range_case);
}

#[test]
fn covers_are_sorted_disjoint_and_small() {
    let mut random = Random(14);
    for _ in 0..200 {
        let (region, _) = random.pick(&[circle_case, polygon_case, range_case])(&mut random);
        for most in [12, 32, 128] {
            let cover = Cover::of(&region, Angle::ZERO, most);
            for ranges in [cover.inner(), cover.edge()] {
                assert!(ranges.iter().all(|r| r.start < r.end && r.end <= Order::MAX.pixels()));
                assert!(ranges.windows(2).all(|pair| pair[0].end < pair[1].start));
            }
            assert!(cover.edge().len() <= most, "{} edge ranges", cover.edge().len());
            let inner = Coverage::from_ranges(cover.inner().iter().cloned());
            let edge = Coverage::from_ranges(cover.edge().iter().cloned());
            assert!(inner.intersection(&edge).is_empty());
            assert_eq!(cover.inner_coverage(), inner);
            assert_eq!(cover.coverage(), inner.union(&edge));
        }
    }
}

#[test]
fn runs_are_as_long_as_their_side_holds() {
    let mut random = Random(15);
    let test = RegionTest::new(circle(359.0, 40.0, 7.0), Angle::ZERO);
    for _ in 0..20_000 {
        let p = offset(&at(359.0, 40.0), random.between(0.0, 0.2), random.between(0.0, 6.3));
        let index = spatial_index(p.lon_deg(), p.lat_deg()).unwrap();
        let (side, run) = test.run(index);
        assert_eq!(side, test.side(index));
        assert!(run.contains(&index));
        assert_eq!((test.side(run.start), test.side(run.end - 1)), (side, side));
        for beyond in [run.start - 1, run.end] {
            let all = (0..i64::try_from(Order::MAX.pixels()).unwrap()).contains(&beyond);
            assert!(!all || test.side(beyond) != side);
        }
    }
    for index in [-1, i64::MIN, i64::MAX - 1, 12 << 58] {
        let (side, run) = test.run(index);
        assert_eq!((side, test.side(index)), (Side::Edge, Side::Edge));
        assert!(run.contains(&index) && !run.contains(&0));
    }
}

#[test]
fn rows_without_an_index_get_the_exact_test_and_rows_without_a_place_fail() {
    let test = RegionTest::new(circle(10.0, 20.0, 5.0), Angle::ZERO);
    assert!(test.contains(-1, 10.0, 20.0) && !test.contains(-1, 10.0, 30.0));
    assert!(test.contains(i64::MAX, 10.0, 24.9));
    let center = spatial_index(10.0, 20.0).unwrap();
    assert_eq!(test.side(center), Side::Inner);
    assert!(test.contains(center, 10.0, 20.0));
    assert!(!test.contains(center, f64::NAN, 20.0) && !test.contains(center, 10.0, f64::NAN));
    assert!(!test.contains(-1, f64::NAN, 20.0) && !test.contains(center, 10.0, 91.0));
}

/// The number of exact tests is what the number of edge cells was chosen for.
#[test]
fn few_rows_of_a_large_cone_need_the_exact_test() {
    let mut random = Random(16);
    for radius in [1.0, 10.0, 60.0] {
        let (mut rows, mut exact) = (0, 0);
        for _ in 0..20 {
            let center = random.hard_place(radius);
            let test = RegionTest::new(Circle::new(center, radius).unwrap().into(), Angle::ZERO);
            for _ in 0..2000 {
                let p = random.place();
                // Uniform within the cone.
                let height = random.between(f64::to_radians(radius).cos(), 1.0);
                let p = offset(&center, height.acos(), p.lon_deg().to_radians());
                rows += 1;
                let side = test.side(spatial_index(p.lon_deg(), p.lat_deg()).unwrap());
                exact += usize::from(side == Side::Edge);
            }
        }
        assert!(exact * 20 < rows, "{radius}°: {exact} of {rows}");
    }
}

#[test]
fn covers_of_everything_and_nothing() {
    let all = Cover::of(&circle(5.0, 6.0, 180.0), Angle::ZERO, 32);
    assert_eq!((all.inner_coverage(), all.edge()), (Coverage::all(), [].as_slice()));
    let all = Cover::of(&range(0.0, 360.0, -90.0, 90.0), Angle::from_degrees(1.0), 32);
    assert_eq!(all.inner_coverage(), Coverage::all());
    let wide = Cover::of(&circle(5.0, 6.0, 10.0), Angle::from_degrees(180.0), 32);
    assert_eq!(wide.coverage(), Coverage::all());
    let point = Cover::of(&at(45.0, 0.0).into(), Angle::ZERO, 32);
    assert!(point.inner().is_empty());
    assert!(point.coverage().contains(Pixel::of(Order::MAX, &at(45.0, 0.0)).index()));
    assert!(point.coverage().sky_fraction() < 1e-15);
}

#[test]
fn a_long_border_of_few_ranges_is_found_in_bounded_time() {
    let moc = Coverage::from_ranges([0..1_000_000_000_000_000_000, (11 << 58) + 5..(11 << 58) + 6]);
    let test = RegionTest::new(Region::Moc(moc.clone()), Angle::ZERO);
    let cover = test.cover();
    assert!(cover.inner().len() + cover.edge().len() <= 2 * 4096 + 2, "{}", cover.edge().len());
    assert_eq!(cover.coverage().intersection(&moc), moc);
    let edge = Coverage::from_ranges(cover.edge().iter().cloned()).sky_fraction();
    assert!(edge < 0.02, "{edge}");
}
