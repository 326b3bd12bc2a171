//! What is written is read back, and nothing else is accepted.

use proptest::prelude::*;

use super::*;

fn regions() -> Vec<Region> {
    vec![
        at(10.1, -20.2).into(),
        circle(0.1, 0.2, 0.3),
        Circle::open(at(0.0, 90.0), 180.0).unwrap().into(),
        polygon(&[(350.0, 80.0), (10.0, 80.0), (170.0, 89.0), (355.0, 85.0)]),
        box_of(3.0, 4.0, 5.0, 0.0),
        box_of(3.0, 4.0, 0.0, 0.0),
        range(350.0, 370.5, -10.0, 200.0),
        range(f64::NEG_INFINITY, f64::INFINITY, -10.0, 10.0),
        Region::Moc(Coverage::empty()),
        Region::Moc(Coverage::from_ascii("3/5 7-9 6/100").unwrap().0),
        Region::Union(vec![circle(1.0, 2.0, 3.0), at(4.0, 5.0).into()]),
    ]
}

#[test]
fn what_is_written_is_read() {
    for region in regions() {
        assert_eq!(Region::from_bytes(&region.to_bytes()), Ok(region.clone()));
        let test = RegionTest::new(region, Angle::from_degrees(1e-3));
        assert_eq!(RegionTest::from_bytes(&test.to_bytes()), Ok(test.clone()));
        assert_eq!(Cover::from_bytes(&test.cover().to_bytes()), Ok(test.cover().clone()));
    }
}

#[test]
fn cut_and_lengthened_bytes_are_refused() {
    for region in regions() {
        let bytes = RegionTest::new(region.clone(), Angle::ZERO).to_bytes();
        for end in (0..bytes.len()).step_by(3) {
            assert!(RegionTest::from_bytes(&bytes[..end]).is_err(), "{region} cut to {end}");
        }
        let longer = [bytes.as_slice(), &[0]].concat();
        let error = RegionTest::from_bytes(&longer).unwrap_err().to_string();
        assert_eq!(error, "cannot read region test from its bytes: it has bytes to spare");
    }
    let error = Region::from_bytes(&[9, 0]).unwrap_err().to_string();
    assert_eq!(error, "cannot read region from its bytes: its version is unknown");
}

proptest! {
    #[test]
    fn other_bytes_do_no_harm(mut bytes in proptest::collection::vec(any::<u8>(), 0..200)) {
        drop(RegionTest::from_bytes(&bytes));
        if bytes.len() > 1 {
            (bytes[0], bytes[1]) = (1, bytes[1] % 8);
            drop(Region::from_bytes(&bytes));
            drop(Cover::from_bytes(&bytes));
        }
    }
}
