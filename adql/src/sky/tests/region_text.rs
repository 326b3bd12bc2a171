//! Regions as texts: STC-S, shapes of DALI, MOCs.

use super::*;

fn read(text: &str) -> Region {
    Region::from_text(text).unwrap_or_else(|error| panic!("{text}: {error}"))
}

#[test]
fn shapes_are_read_in_all_their_forms() {
    for text in [
        "CIRCLE ICRS 10 20 1.5",
        "circle 10 20 1.5",
        "Circle ICRS GEOCENTER SPHERICAL2 10.0, 20.0, 1.5e0",
        "  Circle BARYCENTER 10 20 1.5 unit deg ",
        "Union ICRS (Circle 10 20 1.5)",
    ] {
        assert_eq!(read(text), circle(10.0, 20.0, 1.5), "{text}");
    }
    assert_eq!(read("Position ICRS 10 -20"), at(10.0, -20.0).into());
    assert_eq!(read("box 3 4 5 6"), box_of(3.0, 4.0, 5.0, 6.0));
    let corners = [(0.0, 0.0), (3.0, 0.0), (0.0, 3.0)];
    assert_eq!(read("POLYGON 0 0 3 0 0 3"), polygon(&corners));
    assert_eq!(read("range 10 20 -5 5"), range(10.0, 20.0, -5.0, 5.0));
    let union = read("Union ICRS (Box 3 4 5 6 Union (Position 1 2 Circle 10 20 1.5))");
    let parts = [box_of(3.0, 4.0, 5.0, 6.0), at(1.0, 2.0).into(), circle(10.0, 20.0, 1.5)];
    assert_eq!(union, Region::Union(parts.to_vec()));
    for region in parts.into_iter().chain([union, polygon(&corners), range(1.0, 2.0, 3.0, 4.0)]) {
        assert_eq!(Region::from_text(&region.to_text()), Ok(region.clone()), "{region}");
    }
}

#[test]
fn other_frames_are_rotated() {
    // astropy 7: SkyCoord(l=0, b=0, frame='galactic').icrs
    let Region::Circle(center) = read("Circle GALACTIC 0 0 2") else { panic!("no circle") };
    assert!((center.center().lon_deg() - 266.404_988_29).abs() < 1e-6);
    assert!((center.center().lat_deg() + 28.936_177_61).abs() < 1e-6);
    let Region::Union(parts) = read("Union GALACTIC (Position 0 0 Position ICRS 1 2)") else {
        panic!("no union")
    };
    assert_eq!(parts[0], read("Position GALACTIC 0 0"));
    assert_eq!(parts[1], at(1.0, 2.0).into());
}

#[test]
fn what_is_no_region_is_refused_with_its_place() {
    for (text, said) in [
        ("", "cannot read 'its end' in the text of a region: write POSITION, CIRCLE"),
        ("Ellipse ICRS 1 2 3 4 5", "cannot read 'ELLIPSE'"),
        ("Circle ICRS 1 2", "cannot read 'its end' in the text of a region: a circle has three"),
        ("Circle ICRS 1 2 x", "cannot read 'x'"),
        ("Circle 1 2 3 4", "cannot read 'its end'"),
        ("Circle 1 95 3", "cannot read '95' in the text of a region: latitudes"),
        ("Circle 1 2 -3", "radius -3 of a circle"),
        ("Circle ECLIPTIK 1 2 3", "cannot read 'ECLIPTIK'"),
        ("Circle 1 2 3 unit arcsec", "cannot read 'arcsec' in the text of a region: numbers"),
        ("Circle 1 2 3 Circle 1 2 3", "cannot read 'Circle'"),
        ("Union (Circle 1 2 3", "cannot read 'its end'"),
        ("Union ()", "cannot read 'its end' in the text of a region: one region at least"),
        ("Polygon 1 2 3 4", "cannot read 'its end' in the text of a region: a polygon"),
        ("3/768", "cannot read '3/768' in the text of a region: a pixel"),
        ("3/9-7", "cannot read '3/9-7'"),
        ("30/1", "cannot read '30/1' in the text of a region: an order of 0 to 29"),
        ("5 6", "cannot read '5' in the text of a region: an order first"),
    ] {
        let error = Region::from_text(text).unwrap_err().to_string();
        assert!(error.starts_with(said), "{text}: {error}");
    }
    let deep = format!("{}Circle 1 2 3{}", "Union (".repeat(100_000), ")".repeat(100_000));
    let error = Region::from_text(&deep).unwrap_err().to_string();
    assert!(error.contains("too many parentheses"), "{error}");
}

#[test]
fn a_moc_is_its_pixels() {
    let (moc, order) = Coverage::from_ascii("s3/5,7-9 6/100 8/").unwrap();
    assert_eq!((moc.ascii(order).as_str(), order.get()), ("3/5 7-9 6/100 8/", 8));
    assert_eq!(moc.finest_order().get(), 6);
    let mut random = Random(16);
    let region = Region::Moc(moc);
    for _ in 0..5_000 {
        let place = random.place();
        let (coarse, fine) =
            [3, 6].map(|order| Pixel::of(Order::new(order).unwrap(), &place)).into();
        let is_in = matches!(coarse.index(), 5 | 7..=9) || fine.index() == 100;
        assert_eq!(region.contains(&place), is_in, "{place}");
    }
    assert!((region.area_sq_deg() - 41_252.961_25 * (4.0 + 1.0 / 64.0) / 768.0).abs() < 1e-3);
    // Four pixels are their parent.
    assert_eq!(Coverage::from_ascii("1/0-3").unwrap().0.ascii(Order::MIN), "0/0");
}

#[test]
fn the_moc_of_a_region_holds_it() {
    let mut random = Random(17);
    for size in [0.01, 1.0, 30.0, 170.0] {
        let center = random.hard_place(size);
        let region = circle(center.lon_deg(), center.lat_deg(), size);
        let order = Order::new(7).unwrap();
        let moc = Coverage::of_region(&region, order, 1 << 20).unwrap();
        assert!(moc.finest_order() <= order);
        // No pixel is farther than its own width.
        let wider = Region::Circle(Circle::new(center, (size + 1.0).min(180.0)).unwrap());
        for pixel in moc.cells() {
            assert!(wider.contains(&pixel.center()), "{pixel}");
        }
        for _ in 0..2_000 {
            let (far, angle) = (size.to_radians() * random.unit(), random.between(0.0, 6.3));
            let place = offset(&center, far, angle);
            assert!(moc.contains(Pixel::of(Order::MAX, &place).index()), "{region}: {place}");
        }
    }
    assert_eq!(Coverage::of_region(&circle(0.0, 0.0, 90.0), Order::MAX, 1_000), None);
}

#[test]
fn mocs_and_unions_are_compared_where_that_is_known() {
    let moc = |text: &str| Region::Moc(Coverage::from_ascii(text).unwrap().0);
    let (wide, narrow, apart) = (moc("1/5"), moc("3/80-82"), moc("2/0"));
    assert_eq!(wide.contains_region(&narrow), Ok(true));
    assert_eq!(narrow.contains_region(&wide), Ok(false));
    assert_eq!((wide.intersects(&narrow), wide.intersects(&apart)), (Ok(true), Ok(false)));
    assert!(wide.contains_region(&circle(1.0, 2.0, 3.0)).is_err());
    let union = Region::Union(vec![circle(0.0, 0.0, 2.0), circle(3.0, 0.0, 2.0)]);
    assert_eq!(union.contains_region(&circle(0.0, 0.5, 1.0)), Ok(true));
    assert_eq!(union.contains_region(&circle(20.0, 0.0, 1.0)), Ok(false));
    assert!(union.contains_region(&circle(1.5, 0.0, 1.0)).is_err());
    assert_eq!(circle(1.0, 0.0, 5.0).contains_region(&union), Ok(true));
    assert_eq!(circle(1.0, 0.0, 3.0).contains_region(&union), Ok(false));
    assert_eq!(union.intersects(&circle(6.0, 0.0, 1.0)), Ok(true));
}
