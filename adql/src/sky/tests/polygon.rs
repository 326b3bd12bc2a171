//! Polygons against triangles and half-spaces.

use super::*;

fn distance_to_edges(star: &Star, p: &Position) -> f64 {
    let p = vector(p);
    star.edges()
        .map(|(a, b)| {
            let (a, b) = (vector(a), vector(b));
            let normal = normal(a, b);
            let height = dot(normal, p) / dot(normal, normal).sqrt();
            let foot = [0, 1, 2].map(|k| p[k] - height * normal[k] / dot(normal, normal).sqrt());
            let on_arc = dot(cross(normal, a), foot) > 0.0 && dot(cross(b, normal), foot) > 0.0;
            if on_arc { angle(p, foot) } else { angle(p, a).min(angle(p, b)) }
        })
        .fold(9.0, f64::min)
}

#[test]
fn inside_is_where_triangles_say() {
    let mut random = Random(6);
    let mut counts = [0, 0];
    for round in 0..1500 {
        let size = random.pick(&[1e-6, 1e-3, 0.1, 5.0, 40.0, 80.0, 89.0]);
        let center = random.hard_place(size);
        let star = Star::random(&mut random, center, size);
        let region = star.region(round % 2 == 0);
        for k in 0..200 {
            let p = match k % 4 {
                0 => random.hard_place(size),
                1 => offset(&center, (size * random.unit()).to_radians(), random.between(0.0, 6.3)),
                2 => {
                    let (a, b) = star.edges().nth(k % star.corners.len()).unwrap();
                    let on = between(a, b, random.unit());
                    offset(&on, random.pick(&[1e-10, 1e-7, 1e-4]), random.between(0.0, 6.3))
                }
                _ => offset(&center.antipode(), k as f64 * 1e-4, 1.0),
            };
            let edge = distance_to_edges(&star, &p);
            let got = region.boundary_distance(&p).radians();
            assert!((got - edge).abs() < 1e-14 + 1e-9 * edge, "{region} {p}: {got:e} {edge:e}");
            if edge > 2e-12 {
                let expected = star.contains(&p);
                assert_eq!(region.contains(&p), expected, "{region} {p}, {edge:e} from an edge");
                counts[usize::from(expected)] += 1;
            }
        }
    }
    assert!(counts[0] > 100_000 && counts[1] > 50_000, "{counts:?}");
}

#[test]
fn vertices_and_edges_belong_to_a_polygon() {
    let mut random = Random(7);
    for round in 0..2000 {
        let size = random.pick(&[1e-6, 1e-3, 0.1, 5.0, 40.0, 89.0]);
        let center = random.hard_place(size);
        let star = Star::random(&mut random, center, size);
        let region = star.region(round % 2 == 0);
        for (a, b) in star.edges() {
            assert!(region.contains(a), "{region} {a}");
            let middle = between(a, b, random.unit());
            assert!(region.contains(&middle), "{region} {middle}");
        }
    }
}

#[test]
fn the_order_of_vertices_means_nothing() {
    let mut random = Random(8);
    for _ in 0..200 {
        let center = random.hard_place(20.0);
        let star = Star::random(&mut random, center, 20.0);
        let mut corners = star.corners.clone();
        corners.rotate_left(1);
        corners.push(corners[0]);
        corners.insert(1, corners[0]);
        let (a, b) = (star.region(false), Region::from(Polygon::new(corners).unwrap()));
        assert!((a.area_sq_deg() / b.area_sq_deg() - 1.0).abs() < 1e-12);
        assert!((a.area_sq_deg() / star.region(true).area_sq_deg() - 1.0).abs() < 1e-12);
        assert!(b.contains_region(&a).unwrap() && a.contains_region(&b).unwrap());
    }
}

#[test]
fn the_inside_is_the_smaller_side() {
    let octant = polygon(&[(0.0, 0.0), (90.0, 0.0), (0.0, 90.0)]);
    assert!((octant.area_sq_deg() - 5_156.620_156_177_41).abs() < 1e-9);
    assert!(octant.contains(&at(45.0, 35.0)) && !octant.contains(&at(200.0, -35.0)));
    // A cap that is almost a hemisphere, north or south of its outline.
    for lat in [1e-6, 0.5, -0.5, -1e-6] {
        let corners: Vec<_> = (0..36).map(|k| (f64::from(k) * 10.0, lat)).collect();
        let cap = polygon(&corners);
        assert_eq!(cap.contains(&at(5.0, 90.0)), lat > 0.0, "{lat}");
        assert_eq!(cap.contains(&at(5.0, -90.0)), lat < 0.0, "{lat}");
        assert!(cap.area_sq_deg() < 20_626.5);
    }
    // A hemisphere: counter-clockwise from inside, with east to the left, is westward around it.
    let north = polygon(&[(240.0, 0.0), (120.0, 0.0), (0.0, 0.0)]);
    assert!(!north.contains(&at(0.0, -30.0)) && north.contains(&at(0.0, 30.0)));
    let south = polygon(&[(0.0, 0.0), (120.0, 0.0), (240.0, 0.0)]);
    assert!(south.contains(&at(0.0, -30.0)) && !south.contains(&at(0.0, 30.0)));
}

#[test]
fn concave_polygons_larger_than_their_hull_of_caps() {
    // A horseshoe around the equator that leaves out lon 350 to 10.
    let upper = (1..36).map(|k| (f64::from(k) * 10.0, 20.0));
    let lower = (1..36).rev().map(|k| (f64::from(k) * 10.0, -20.0));
    let ring = polygon(&upper.chain(lower).collect::<Vec<_>>());
    for (lon, lat, inside) in [
        (180.0, 0.0, true),
        (11.0, 0.0, true),
        (0.0, 0.0, false),
        (9.0, 0.0, false),
        (180.0, 30.0, false),
        (180.0, -30.0, false),
        (0.0, 90.0, false),
        (349.0, -19.0, true),
    ] {
        assert_eq!(ring.contains(&at(lon, lat)), inside, "{lon} {lat}");
    }
}

#[test]
fn what_is_no_polygon_is_refused() {
    let refused = |vertices: &[(f64, f64)]| {
        Polygon::new(vertices.iter().map(|v| at(v.0, v.1)).collect()).unwrap_err().to_string()
    };
    let flat = "a polygon of 2 different vertices has no area, give at least 3";
    assert_eq!(refused(&[(0.0, 0.0), (1.0, 0.0), (0.0, 0.0)]), flat);
    assert_eq!(refused(&[(0.0, 0.0), (0.0, 90.0), (9.0, 90.0)]), flat);
    assert_eq!(refused(&[]), "a polygon of 0 different vertices has no area, give at least 3");
    assert_eq!(
        refused(&[(0.0, 10.0), (180.0, -10.0), (50.0, 0.0)]),
        "the vertices POINT(0, 10) and POINT(180, -10) of a polygon are opposite, \
         give one between them"
    );
    assert_eq!(
        refused(&[(0.0, 0.0), (1.0, 1.0), (1.0, 0.0), (0.0, 1.0)]),
        "the edges of a polygon from POINT(0, 0) and from POINT(1, 0) cross, \
         give its vertices in order"
    );
    let many = (0..=Polygon::MAX_VERTICES).map(|k| (k as f64 * 1e-3, 10.0)).collect::<Vec<_>>();
    assert_eq!(
        refused(&many),
        "a polygon of 10001 vertices is more than the limit of 10000 vertices"
    );
}

#[test]
fn touching_edges_are_allowed() {
    // Two squares joined by a seam that is passed twice.
    let squares = polygon(&[
        (0.0, 0.0),
        (2.0, 0.0),
        (2.0, 1.0),
        (4.0, 1.0),
        (4.0, 0.0),
        (6.0, 0.0),
        (6.0, 2.0),
        (4.0, 2.0),
        (4.0, 1.0),
        (2.0, 1.0),
        (2.0, 2.0),
        (0.0, 2.0),
    ]);
    assert!(squares.contains(&at(1.0, 1.0)) && squares.contains(&at(5.0, 1.0)));
    assert!(squares.contains(&at(2.0, 1.0)) && !squares.contains(&at(3.0, 1.5)));
}

/// Its sides are where ADQL puts them: seen from the center, at the tangent of half the size.
#[test]
fn boxes_are_as_defined() {
    let mut random = Random(9);
    let mut counts = [0, 0];
    for _ in 0..2000 {
        let width = random.pick(&[1e-5, 0.1, 3.0, 90.0, 150.0, 179.0]);
        let height = random.pick(&[1e-5, 0.1, 3.0, 90.0, 150.0, 179.0]);
        let center = random.hard_place(width);
        let region: Region = Polygon::from_box(center, width, height).unwrap().into();
        let (east, north) = axes(&center);
        let [x, y] = [width, height].map(|side| (0.5 * side).to_radians().tan());
        for k in 0..100 {
            let p = if k % 2 == 0 {
                random.place()
            } else {
                let scale = random.pick(&[0.1, 0.9, 1.0 - 1e-7, 1.0 + 1e-7, 1.1]);
                let [u, v] = [random.between(-1.0, 1.0), random.pick(&[-1.0, 1.0])];
                let (u, v) = if k % 4 == 1 { (u, v) } else { (v, u) };
                let c = vector(&center);
                place([0, 1, 2].map(|i| c[i] + scale * (u * x * east[i] + v * y * north[i])))
            };
            let v = vector(&p);
            let z = dot(v, vector(&center));
            let (a, b) = (dot(v, east).abs() - x * z, dot(v, north).abs() - y * z);
            if region.boundary_distance(&p).radians() > 3e-12 {
                let expected = z > 0.0 && a < 0.0 && b < 0.0;
                assert_eq!(region.contains(&p), expected, "{width} {height} {center} {p}");
                counts[usize::from(expected)] += 1;
            }
        }
        let area = 4.0 * (x * y / (1.0 + x * x + y * y).sqrt()).atan();
        let got = region.area_sq_deg().to_radians().to_radians();
        // A long and narrow box has the digits that its far corners leave to its middle.
        let error = if width.max(height) > 50.0 { 5e-13 } else { 0.0 } + 1e-8 * area;
        assert!((got - area).abs() < error, "{width} {height} {center}: {got:e} {area:e}");
    }
    assert!(counts.iter().all(|n| *n > 10_000), "{counts:?}");
    // The ends of the cross belong to it, the arm east is a great circle.
    let sides = box_of(10.0, 60.0, 20.0, 30.0);
    assert!(sides.contains(&at(10.0, 75.0)) && sides.contains(&at(10.0, 45.0)));
    assert!(!sides.contains(&at(10.0, 75.000_000_1)) && !sides.contains(&at(10.0, 44.999_999_9)));
    let arm = offset(&at(10.0, 60.0), f64::to_radians(10.0), PI / 2.0);
    assert!(sides.contains(&arm) && sides.boundary_distance(&arm).radians() < 1e-14);
}

#[test]
fn boxes_without_area_are_lines_and_places() {
    let line = box_of(10.0, 20.0, 0.0, 4.0);
    assert!(line.contains(&at(10.0, 22.0)) && line.contains(&at(10.0, 18.5)));
    assert!(!line.contains(&at(10.0, 22.000_001)) && !line.contains(&at(10.000_001, 20.0)));
    assert_eq!(line.area_sq_deg(), 0.0);
    let place = box_of(10.0, 20.0, 0.0, 0.0);
    assert!(place.contains(&at(10.0, 20.0)) && !place.contains(&at(10.0, 20.000_001)));
    assert_eq!(place.to_string(), "POLYGON(10, 20, 10, 20, 10, 20)");
    for (width, height, message) in [
        (180.0, 1.0, "width 180 of a box is not within 0 to 180 degrees, 180 excluded"),
        (1.0, -1.0, "height -1 of a box is not within 0 to 180 degrees, 180 excluded"),
        (f64::NAN, 1.0, "width NaN of a box is not within 0 to 180 degrees, 180 excluded"),
    ] {
        let error = Polygon::from_box(at(0.0, 0.0), width, height).unwrap_err();
        assert_eq!(error.to_string(), message);
    }
}

#[test]
fn centroids() {
    let mut random = Random(10);
    for _ in 0..300 {
        let size = random.pick(&[1e-6, 1e-3, 1.0, 30.0, 100.0]);
        let center = random.hard_place(size);
        let found = Polygon::from_box(center, size, size * 0.7).unwrap().centroid();
        let apart = found.distance(&center).degrees();
        assert!(apart < 1e-6 * size + 1e-12, "{center} {size}: {apart}");
    }
    let triangle = Polygon::new(vec![at(0.0, 0.0), at(3e-3, 0.0), at(0.0, 3e-3)]).unwrap();
    assert!(triangle.centroid().distance(&at(1e-3, 1e-3)).degrees() < 1e-11);
    let line = Polygon::from_box(at(5.0, 6.0), 0.0, 2.0).unwrap();
    assert!(line.centroid().distance(&at(5.0, 6.0)).degrees() < 1e-12);
}
