//! Pruning is conservative: with it or without, answers are equal.

use adql::sky::{Coverage, Order, Pixel};
use proptest::prelude::{ProptestConfig, Strategy, any, prop, prop_assert_eq, proptest};

use super::fixture::{Shape, answer, open, rows, session, within, write_table};
use crate::hats::{Leaf, tile_name};
use crate::tile::{Found, Manifest};
use crate::touched_tiles;

fn manifest(pixels: Vec<Pixel>) -> Manifest {
    let leaf = Leaf::File(".parquet".to_owned());
    let found = pixels.into_iter().map(|pixel| Found {
        pixel,
        name: tile_name(pixel, &leaf),
        bytes: 1,
        modified_ns: 0,
        etag: None,
        rows: Some(1),
    });
    let found = found.collect();
    Manifest::new("t/dataset".to_owned(), leaf, found)
}

fn pixel(orders: std::ops::Range<u8>) -> impl Strategy<Value = Pixel> {
    (orders, any::<u64>()).prop_map(|(order, index)| {
        let order = Order::new(order).unwrap();
        Pixel::new(order, index % order.pixels()).unwrap()
    })
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(2_000))]

    /// The search finds exactly the tiles that a comparison of all finds, disjoint or not.
    #[test]
    fn search_agrees_with_comparing_every_tile(
        tiles in prop::collection::vec(pixel(0..5), 0..60),
        covered in prop::collection::vec(pixel(0..9), 0..12),
        disjoint in any::<bool>(),
    ) {
        let mut kept: Vec<Pixel> = Vec::new();
        for tile in tiles {
            if !disjoint || kept.iter().all(|k| !k.contains(tile) && !tile.contains(*k)) {
                kept.push(tile);
            }
        }
        let manifest = manifest(kept);
        let coverage = Coverage::from_ranges(covered.into_iter().map(Pixel::range));
        let found: Vec<usize> = touched_tiles(&manifest, &coverage).into_iter().flatten().collect();
        let expected: Vec<usize> = (0..manifest.len())
            .filter(|tile| coverage.overlaps(&manifest.pixel(*tile).range()))
            .collect();
        prop_assert_eq!(found, expected);
    }
}

#[test]
fn no_coverage_touches_no_tile_and_the_sky_touches_all() {
    let manifest = manifest(Pixel::base().collect());
    assert!(touched_tiles(&manifest, &Coverage::empty()).is_empty());
    let all = touched_tiles(&manifest, &Coverage::all());
    assert!(all.into_iter().flatten().eq(0..12));
}

/// Conditions on places: circles at poles, seam and tile borders, boxes of coordinates, boolean
/// combinations, and others that must not prune.
fn conditions() -> Vec<String> {
    let mut all = Vec::new();
    for (ra, dec) in
        [(0.0, 90.0), (123.0, -90.0), (0.0, 0.0), (359.9, 41.8), (45.0, 41.81), (180.0, 2.0)]
    {
        for radius in [0.0, 0.3, 7.0, 60.0, 179.0, 180.0] {
            all.push(within(ra, dec, radius));
        }
    }
    let (a, b) = (within(10.0, 10.0, 20.0), within(25.0, 15.0, 10.0));
    all.push(format!("{a} AND {b}"));
    all.push(format!("{a} OR {b}"));
    all.push(format!("NOT ({a}) AND {b}"));
    all.push(format!("NOT ({a})"));
    all.push(format!("{a} OR mag < 11"));
    all.push("ra BETWEEN 350 AND 360 AND dec BETWEEN -10 AND 10".to_owned());
    all.push("ra > 300 AND dec >= 60".to_owned());
    all.push("dec < -80".to_owned());
    all.push("\"_healpix_29\" BETWEEN 1000000000000 AND 300000000000000000".to_owned());
    all.push("mag < 12 AND dec > 0".to_owned());
    all
}

#[tokio::test]
async fn answers_are_equal_with_and_without_pruning() {
    let folder = tempfile::tempdir().unwrap();
    write_table(&folder.path().join("t"), &Shape::default(), &rows(3_000));
    let snapshot = open(folder.path()).await;
    let (pruned, unpruned) = (session(&snapshot, true), session(&snapshot, false));
    for condition in conditions() {
        let sql = format!("SELECT id FROM public.t WHERE {condition}");
        assert_eq!(answer(&pruned, &sql).await, answer(&unpruned, &sql).await, "{condition}");
    }
}

#[tokio::test]
async fn nan_prunes_nothing_that_counts() {
    let folder = tempfile::tempdir().unwrap();
    let mut rows = rows(3_000);
    for row in rows.iter_mut().step_by(7) {
        row.mag = f64::NAN;
    }
    write_table(&folder.path().join("t"), &Shape { order: 0, ..Shape::default() }, &rows);
    let snapshot = open(folder.path()).await;
    for prune in [true, false] {
        let context = session(&snapshot, prune);
        for (condition, wanted) in [
            ("nan_to_null(mag) < 12", rows.iter().filter(|r| r.mag < 12.0).count()),
            ("nan_to_null(mag) > 29", rows.iter().filter(|r| r.mag > 29.0).count()),
            ("NOT nan_to_null(mag) < 12", rows.iter().filter(|r| r.mag >= 12.0).count()),
            ("nan_to_null(mag) IS NULL", rows.iter().filter(|r| r.mag.is_nan()).count()),
        ] {
            let sql = format!("SELECT count(*) FROM public.t WHERE {condition}");
            assert_eq!(answer(&context, &sql).await, [wanted.to_string()], "{condition}");
            let sql = format!("SELECT id FROM public.t WHERE {condition} LIMIT 40");
            assert_eq!(answer(&context, &sql).await.len(), wanted.min(40), "{condition}");
        }
        let most = rows.iter().map(|r| r.mag).filter(|m| !m.is_nan()).fold(0.0, f64::max);
        let found = answer(&context, "SELECT max(nan_to_null(mag)) FROM public.t").await;
        assert_eq!(found[0].parse::<f64>().unwrap(), most);
    }
}
