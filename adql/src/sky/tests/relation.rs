//! Containment and intersection of regions against many places.

use super::*;

/// Places along the boundary.
fn outline(region: &Region) -> Vec<Position> {
    const STEPS: u32 = 200;
    let fractions = || (0..=STEPS).map(|k| f64::from(k) / f64::from(STEPS));
    match region {
        Region::Point(p) => vec![*p],
        Region::Circle(c) => {
            let radius = c.radius().radians();
            fractions().map(|f| offset(&c.center(), radius, 2.0 * PI * f)).collect()
        }
        Region::Polygon(p) => {
            let corners = p.vertices();
            let next = |k: usize| &corners[(k + 1) % corners.len()];
            let edges = (0..corners.len()).map(|k| (&corners[k], next(k)));
            edges.flat_map(|(a, b)| fractions().map(move |f| between(a, b, f))).collect()
        }
        Region::Range(r) => {
            let ((west, east), (south, north)) = (r.longitudes(), r.latitudes());
            let width = if east - west >= 360.0 { 360.0 } else { (east - west).rem_euclid(360.0) };
            fractions()
                .flat_map(|f| {
                    let (lon, lat) = (west + f * width, (south + f * (north - south)).min(north));
                    [at(lon, south), at(lon, north), at(west, lat), at(west + width, lat)]
                })
                .collect()
        }
        Region::Moc(_) | Region::Union(_) => vec![],
    }
}

fn any_region(random: &mut Random, size: f64, near: &Position) -> Region {
    let pa = random.between(0.0, 2.0 * PI);
    let center = offset(near, (size * random.between(0.0, 1.3)).to_radians(), pa);
    let size = size * random.pick(&[0.2, 0.5, 0.9, 1.5]);
    match random.bits() % 5 {
        0 => Circle::new(center, size.min(180.0)).unwrap().into(),
        1 => Circle::new(center.antipode(), 180.0 - size.min(180.0)).unwrap().into(),
        2 => {
            let star = Star::random(random, center, size.min(85.0));
            star.region(random.bits().is_multiple_of(2))
        }
        3 => Polygon::from_box(center, size.min(170.0), size.min(170.0) * 0.6).unwrap().into(),
        _ => {
            let (lon, lat) = (center.lon_deg(), center.lat_deg());
            let width = random.pick(&[0.3, 1.0, 3.0, 50.0]) * size;
            range(lon - width, lon + width, (lat - size).max(-90.0), lat + size)
        }
    }
}

/// What many places say: whether all of `b` is in `a`, and whether the two meet.
fn sampled(
    a: &Region,
    b: &Region,
    random: &mut Random,
    near: &Position,
    size: f64,
) -> (bool, bool) {
    let mut inside = outline(b).iter().all(|p| a.contains(p));
    let mut meet = outline(b).iter().any(|p| a.contains(p));
    meet |= outline(a).iter().any(|p| b.contains(p));
    // A hole of `a` that is deep in `b`.
    for p in outline(a) {
        let beside = (0..4).map(|k| offset(&p, 1e-5 * size, f64::from(k) * PI / 2.0));
        inside &= beside.into_iter().all(|p| a.contains(&p) || !b.contains(&p));
    }
    for _ in 0..2000 {
        let reach = random.pick(&[3.0 * size, 180.0]).min(180.0).to_radians();
        let p = offset(near, reach * random.unit(), random.between(0.0, 2.0 * PI));
        let (in_a, in_b) = (a.contains(&p), b.contains(&p));
        inside &= in_a || !in_b;
        meet |= in_a && in_b;
    }
    (inside, meet)
}

#[test]
fn relations_are_what_many_places_say() {
    let mut random = Random(17);
    let (mut counts, mut missed) = ([[0; 2]; 2], 0);
    for _ in 0..800 {
        let size = random.pick(&[1e-4, 0.1, 5.0, 40.0, 80.0]);
        let near = random.hard_place(size);
        let a = any_region(&mut random, size, &near);
        let b = any_region(&mut random, size, &near);
        let (contains, meets) = (a.contains_region(&b).unwrap(), a.intersects(&b).unwrap());
        assert_eq!(meets, b.intersects(&a).unwrap(), "{a} and {b}");
        assert!(meets || !contains, "{a} and {b}");
        let (inside, meet) = sampled(&a, &b, &mut random, &near, size);
        // What pokes out or over between two places is missed by them: a fraction of a step.
        let close = |p: &Position| a.boundary_distance(p).degrees() < 2e-3 * size;
        if (contains, meets) != (inside, meet) {
            assert!(inside && !contains || meets && !meet, "{a} and {b}: {contains} {meets}");
            assert!(outline(&b).iter().any(close), "{a} and {b}: {contains} {meets}");
            missed += 1;
        }
        counts[0][usize::from(contains)] += 1;
        counts[1][usize::from(meets)] += 1;
    }
    assert!(counts.iter().flatten().all(|n| *n > 50) && missed < 8, "{counts:?}, {missed}");
}

fn check(a: &Region, b: &Region, contains: bool, meets: bool) {
    assert_eq!(a.contains_region(b), Ok(contains), "{a} contains {b}");
    assert_eq!(a.intersects(b), Ok(meets), "{a} meets {b}");
    assert_eq!(b.intersects(a), Ok(meets), "{b} meets {a}");
}

#[test]
fn every_region_contains_and_meets_itself() {
    let mut random = Random(18);
    for _ in 0..2000 {
        let size = random.pick(&[1e-4, 0.1, 5.0, 40.0, 80.0]);
        let near = random.hard_place(size);
        let region = any_region(&mut random, size, &near);
        check(&region, &region, true, true);
    }
    let place: Region = at(3.0, 4.0).into();
    check(&place, &place, true, true);
    check(&place, &at(3.0, 4.1).into(), false, false);
}

#[test]
fn circles_touch() {
    check(&circle(0.0, 0.0, 1.0), &circle(2.0, 0.0, 1.0), false, true);
    check(&circle(0.0, 0.0, 1.0), &circle(2.000_000_1, 0.0, 1.0), false, false);
    check(&circle(0.0, 0.0, 3.0), &circle(2.0, 0.0, 1.0), true, true);
    check(&circle(0.0, 0.0, 3.0), &circle(2.000_000_1, 0.0, 1.0), false, true);
    check(&circle(0.0, 90.0, 90.0), &circle(0.0, -90.0, 90.0), false, true);
    check(&circle(0.0, 0.0, 179.0), &circle(180.0, 0.0, 2.0), false, true);
    check(&circle(0.0, 0.0, 179.0), &circle(180.0, 0.0, 0.5), false, false);
    check(&circle(0.0, 0.0, 179.0), &circle(3.0, 0.0, 176.0), true, true);
    check(&circle(0.0, 0.0, 180.0), &circle(170.0, 0.0, 180.0), true, true);
    check(&circle(7.0, 8.0, 0.0), &at(7.0, 8.0).into(), true, true);
    check(&at(7.0, 8.0).into(), &circle(7.0, 8.0, 0.0), true, true);
    check(&at(7.0, 8.0).into(), &circle(7.0, 8.0, 1e-9), false, true);
    let open = |lon: f64, radius: f64| Region::from(Circle::open(at(lon, 0.0), radius).unwrap());
    check(&open(0.0, 1.0), &circle(2.0, 0.0, 1.0), false, false);
    check(&open(0.0, 3.0), &circle(2.0, 0.0, 1.0), false, true);
    check(&open(0.0, 3.0), &open(2.0, 1.0), true, true);
    check(&circle(0.0, 0.0, 3.0), &open(2.0, 1.0), true, true);
    check(&circle(0.0, 0.0, 1.0), &open(9.0, 0.0), true, false);
    check(&open(0.0, 0.0), &circle(0.0, 0.0, 0.0), false, false);
}

#[test]
fn circles_and_polygons_touch() {
    let square = box_of(0.0, 0.0, 10.0, 10.0);
    check(&square, &circle(0.0, 0.0, 5.0), true, true);
    check(&square, &circle(0.0, 0.0, 5.000_000_1), false, true);
    check(&square, &circle(6.0, 0.0, 1.0), false, true);
    check(&square, &circle(6.0, 0.0, 0.999_999_9), false, false);
    check(&square, &circle(180.0, 0.0, 170.0), false, false);
    // The corners are the farthest places of it.
    let reach = square_corner_distance();
    check(&circle(0.0, 0.0, reach), &square, true, true);
    check(&circle(0.0, 0.0, reach - 1e-7), &square, false, true);
    check(&circle(180.0, 0.0, 180.0 - reach), &square, false, true);
    check(&circle(180.0, 0.0, 180.0 - reach - 1e-7), &square, false, false);
    check(&circle(50.0, 0.0, 100.0), &square, true, true);
    check(&circle(0.0, 90.0, 180.0), &square, true, true);
    let hemisphere = polygon(&[(240.0, 0.0), (120.0, 0.0), (0.0, 0.0)]);
    check(&hemisphere, &circle(0.0, 90.0, 90.0), true, true);
    check(&circle(0.0, 90.0, 90.0), &hemisphere, true, true);
    check(&circle(0.0, -90.0, 90.0), &hemisphere, false, true);
    check(&circle(0.0, -90.0, 89.999_999_9), &hemisphere, false, false);
}

fn square_corner_distance() -> f64 {
    let t = f64::to_radians(5.0).tan();
    (2.0 * t * t).sqrt().atan().to_degrees()
}

#[test]
fn polygons_share_edges() {
    let whole = polygon(&[(0.0, 0.0), (10.0, 0.0), (10.0, 10.0), (0.0, 10.0)]);
    let half = polygon(&[(0.0, 0.0), (10.0, 0.0), (0.0, 10.0)]);
    let other = polygon(&[(10.0, 10.0), (10.0, 0.0), (0.0, 10.0)]);
    let away = polygon(&[(0.0, 0.0), (10.0, 0.0), (5.0, -5.0)]);
    let corner = polygon(&[(10.0, 10.0), (12.0, 10.0), (11.0, 12.0)]);
    check(&whole, &half, true, true);
    check(&whole, &other, true, true);
    check(&half, &whole, false, true);
    check(&half, &other, false, true);
    check(&whole, &away, false, true);
    check(&whole, &corner, false, true);
    check(&away, &corner, false, false);
}

#[test]
fn concave_polygons() {
    // The letter U, its notch from lon 3 to 7 above lat 3.
    let u = polygon(&[
        (0.0, 0.0),
        (10.0, 0.0),
        (10.0, 10.0),
        (7.0, 10.0),
        (7.0, 3.0),
        (3.0, 3.0),
        (3.0, 10.0),
        (0.0, 10.0),
    ]);
    // All vertices in the letter, edges across the notch.
    check(&u, &polygon(&[(1.0, 5.0), (9.0, 5.0), (5.0, 1.0)]), false, true);
    check(&u, &polygon(&[(3.0, 10.0), (3.0, 3.0), (7.0, 3.0), (7.0, 10.0)]), false, true);
    check(&u, &polygon(&[(4.0, 8.0), (6.0, 8.0), (5.0, 5.0)]), false, false);
    check(&u, &polygon(&[(0.5, 0.5), (9.0, 0.5), (9.0, 9.0), (8.0, 2.0)]), true, true);
    check(&u, &circle(5.0, 8.0, 1.0), false, false);
    check(&u, &range(4.0, 6.0, 5.0, 8.0), false, false);
    check(&u, &range(1.0, 9.0, 5.0, 5.0), false, true);
    check(&u, &range(1.0, 2.0, 1.0, 8.0), true, true);
    check(&range(0.0, 10.0, 0.0, 10.1), &u, true, true);
    check(&range(0.0, 10.0, 0.0, 9.9), &u, false, true);
}

#[test]
fn complements_meet_in_their_boundary() {
    let north = polygon(&[(240.0, 0.0), (120.0, 0.0), (0.0, 0.0)]);
    let south = polygon(&[(0.0, 0.0), (120.0, 0.0), (240.0, 0.0)]);
    check(&north, &south, false, true);
    check(&north, &north, true, true);
    check(&range(0.0, 360.0, -90.0, 0.0), &north, false, true);
    check(&range(0.0, 360.0, 0.0, 90.0), &north, true, true);
    check(&north, &range(0.0, 360.0, 0.0, 90.0), true, true);
    check(&north, &range(0.0, 360.0, -90.0, 0.0), false, true);
    check(&north, &range(0.0, 360.0, -90.0, 90.0), false, true);
    check(&range(0.0, 360.0, -90.0, 90.0), &north, true, true);
    check(&range(0.0, 360.0, -80.0, 80.0), &north, false, true);
}

#[test]
fn ranges_and_ranges() {
    let r = range(350.0, 10.0, -5.0, 5.0);
    check(&r, &range(-5.0, 5.0, -5.0, 5.0), true, true);
    check(&r, &range(10.0, 20.0, 5.0, 6.0), false, true);
    check(&r, &range(10.1, 20.0, 5.0, 6.0), false, false);
    check(&r, &range(0.0, 360.0, 0.0, 1.0), false, true);
    check(&range(0.0, 360.0, -5.0, 5.0), &r, true, true);
    check(&range(0.0, 1.0, 80.0, 90.0), &range(50.0, 51.0, 85.0, 90.0), false, true);
    check(&range(0.0, 10.0, 0.0, 1.0), &range(5.0, 2.0, 0.0, 1.0), false, true);
}
