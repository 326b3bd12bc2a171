//! What a sky knows of itself, against all of its rows by brute force.

use adql::sky::{Circle, Position, Region};
use datafusion::arrow::array::AsArray;
use datafusion::arrow::datatypes::{Float64Type, Int64Type};

use crate::synthetic::{Columns, Content, Footprint, Sky, Table};

/// Right ascension, declination and id of every object.
fn rows(sky: &Sky) -> Vec<(f64, f64, i64)> {
    let content = Content::Survey(Table::Object, Columns::First(3));
    let mut rows = Vec::new();
    let take = |batch: datafusion::arrow::array::RecordBatch| {
        let column = |name: &str| batch.column_by_name(name).unwrap();
        let ra = column("coord_ra").as_primitive::<Float64Type>();
        let dec = column("coord_dec").as_primitive::<Float64Type>();
        let id = column("objectId").as_primitive::<Int64Type>();
        let all = ra.values().iter().zip(dec.values()).zip(id.values());
        rows.extend(all.map(|((ra, dec), id)| (*ra, *dec, *id)));
        Ok(())
    };
    sky.generate(&content, 2, take).unwrap();
    rows
}

/// By the haversine, in degrees.
fn angle(a: (f64, f64), b: (f64, f64)) -> f64 {
    let half = |x: f64| (x.to_radians() / 2.0).sin().powi(2);
    let cosines = a.1.to_radians().cos() * b.1.to_radians().cos();
    let h = half(a.1 - b.1) + cosines * half(a.0 - b.0);
    2.0 * h.sqrt().min(1.0).asin().to_degrees()
}

#[test]
fn cones_hold_as_many_as_are_known() {
    let sky = Sky::with(60_000, 21, Footprint::All, 2);
    let rows = rows(&sky);
    let mut found = 0;
    for (ra, dec) in [(0.0, 0.0), (359.99, -41.0), (12.0, 90.0), (70.0, -90.0), (266.4, -28.9)] {
        for radius in [0.3, 2.0, 11.0, 95.0, 160.0, 180.0] {
            let inside = rows.iter().filter(|row| angle((ra, dec), (row.0, row.1)) <= radius);
            let mut ids: Vec<i64> = inside.map(|row| row.2).collect();
            let count = u64::try_from(ids.len()).unwrap();
            assert_eq!(sky.count_in_cone(ra, dec, radius).unwrap(), count, "{ra} {dec} {radius}");
            if radius < 20.0 {
                ids.sort_unstable();
                let center = Position::from_degrees(ra, dec).unwrap();
                let circle = Region::Circle(Circle::new(center, radius).unwrap());
                assert_eq!(sky.ids_in(&circle), ids);
            }
            found += count;
        }
    }
    assert!(found > 500_000);
    assert_eq!(sky.count_in_cone(0.0, 0.0, 180.0).unwrap(), 60_000);
    assert!(sky.count_in_cone(0.0, 91.0, 1.0).is_err());
}

#[test]
fn there_are_as_many_pairs_as_are_known() {
    let sky = Sky::with(120_000, 4, Footprint::All, 2);
    let mut rows = rows(&sky);
    rows.sort_unstable_by(|a, b| a.1.total_cmp(&b.1));
    let pixel = |row: &(f64, f64, i64)| row.2 >> 32;
    let in_cone = |row: &(f64, f64, i64)| angle((0.0, 89.0), (row.0, row.1)) <= 12.0;
    for arcsec in [3.0, 60.0] {
        let degrees = arcsec / 3600.0;
        let (mut all, mut across, mut inside) = (0, 0, 0);
        for (at, one) in rows.iter().enumerate() {
            for other in rows[at + 1..].iter().take_while(|row| row.1 - one.1 <= degrees) {
                if angle((one.0, one.1), (other.0, other.1)) <= degrees {
                    all += 1;
                    across += u64::from(pixel(one) != pixel(other));
                    inside += u64::from(in_cone(one) && in_cone(other));
                }
            }
        }
        assert!(all > 1_000 && (arcsec < 10.0 || across > 2 && inside > 2), "{all} {across}");
        assert_eq!(sky.pairs_in_cone(arcsec, None, 2).unwrap(), all, "within {arcsec}");
        let known = sky.pairs_in_cone(arcsec, Some([0.0, 89.0, 12.0]), 1).unwrap();
        assert_eq!(known, inside, "within {arcsec} at the pole");
    }
    assert!(sky.pairs_in_cone(61.0, None, 1).is_err());
}
