//! The synthetic sky: the same on any number of threads, and with the relations that it promises.

use std::collections::{HashMap, HashSet};

use adql::sky::{Position, spatial_index};
use datafusion::arrow::array::{Array, AsArray, RecordBatch};
use datafusion::arrow::compute::concat_batches;
use datafusion::arrow::datatypes::{Float64Type, Int32Type, Int64Type};

use super::fixture::open;
use crate::metadata::TableMetadata;
use crate::synthetic::{Columns, Content, Made, Sky, Table};

fn make(objects: u64, content: &Content, threads: usize) -> (RecordBatch, Made) {
    let mut batches = Vec::new();
    let made = Sky::new(objects, 7).generate(content, threads, |batch| {
        batches.push(batch);
        Ok(())
    });
    let schema = std::sync::Arc::new(content.schema().unwrap());
    (concat_batches(&schema, &batches).unwrap(), made.unwrap())
}

fn longs<'a>(batch: &'a RecordBatch, name: &str) -> &'a [i64] {
    batch.column_by_name(name).unwrap().as_primitive::<Int64Type>().values()
}

fn doubles<'a>(batch: &'a RecordBatch, name: &str) -> &'a [f64] {
    batch.column_by_name(name).unwrap().as_primitive::<Float64Type>().values()
}

fn places(batch: &RecordBatch, ra: &str, dec: &str) -> Vec<Position> {
    let places = doubles(batch, ra).iter().zip(doubles(batch, dec));
    places.map(|(ra, dec)| Position::from_degrees(*ra, *dec).unwrap()).collect()
}

#[test]
fn objects_are_sorted_unique_and_the_same_on_any_threads() {
    let (objects, made) = make(30_000, &Content::DemoObjects, 3);
    assert_eq!((objects.num_rows(), made.rows), (30_000, 30_000));
    assert!(objects.num_columns() > 24);
    assert!(objects == make(30_000, &Content::DemoObjects, 1).0);
    let ids: HashSet<i64> = longs(&objects, "objectId").iter().copied().collect();
    assert_eq!(ids.len(), 30_000);
    let index = longs(&objects, "_healpix_29");
    assert!(index.is_sorted());
    for (index, place) in index.iter().zip(places(&objects, "ra", "dec")) {
        assert_eq!(spatial_index(place.lon_deg(), place.lat_deg()), Some(*index));
        assert!(place.lat_deg() < 5.5);
    }
    for name in ["u_psfFlux", "pmRa", "parallax"] {
        let nulls = objects.column_by_name(name).unwrap().null_count();
        assert!(nulls > 100 && nulls < 29_000, "{name}: {nulls}");
    }
}

#[test]
fn two_of_a_hundred_are_close_to_another() {
    let (objects, _) = make(200_000, &Content::Survey(Table::Object, Columns::First(3)), 2);
    assert_eq!(objects.num_columns(), 4);
    let places = places(&objects, "coord_ra", "coord_dec");
    // Near along the index is near on the sky; the few pairs across a side are missed.
    let close = places.windows(2).filter(|pair| {
        let arcsec = pair[0].distance(&pair[1]).degrees() * 3600.0;
        (0.1..3.1).contains(&arcsec)
    });
    let close = close.count();
    assert!((2_500..4_500).contains(&close), "{close} pairs");
}

#[test]
fn sources_belong_to_their_objects() {
    let (objects, _) = make(20_000, &Content::DemoObjects, 2);
    let (sources, made) = make(20_000, &Content::DemoSources, 2);
    assert_eq!(sources, make(20_000, &Content::DemoSources, 1).0);
    let rows = objects.num_rows();
    let counts = objects.column_by_name("nSources").unwrap().as_primitive::<Int32Type>();
    let times = |name: &str| doubles(&objects, name);
    let by_id: HashMap<i64, usize> =
        longs(&objects, "objectId").iter().copied().zip(0..rows).collect();
    let mut seen = vec![Vec::new(); rows];
    let index = longs(&sources, "_healpix_29");
    let parents = places(&sources, "objectRa", "objectDec");
    let own = places(&sources, "ra", "dec");
    let mut slack: f64 = 0.0;
    for row in 0..sources.num_rows() {
        let object = by_id[&longs(&sources, "objectId")[row]];
        seen[object].push(doubles(&sources, "midpointMjdTai")[row]);
        assert_eq!(index[row], longs(&objects, "_healpix_29")[object]);
        assert_eq!(parents[row].lon_deg(), doubles(&objects, "ra")[object]);
        assert_eq!(parents[row].lat_deg(), doubles(&objects, "dec")[object]);
        slack = slack.max(own[row].distance(&parents[row]).degrees());
    }
    assert!((slack - made.slack.degrees()).abs() < 1e-15 && slack > 0.0 && slack < 1e-3);
    for (object, seen) in seen.iter().enumerate() {
        assert_eq!(seen.len(), usize::try_from(counts.value(object)).unwrap());
        assert!((2..=5).contains(&seen.len()));
        let low = seen.iter().copied().fold(f64::INFINITY, f64::min);
        let high = seen.iter().copied().fold(f64::NEG_INFINITY, f64::max);
        assert_eq!((low, high), (times("firstMjd")[object], times("lastMjd")[object]));
    }
    let ids: HashSet<i64> = longs(&sources, "sourceId").iter().copied().collect();
    assert_eq!(ids.len(), sources.num_rows());
}

#[tokio::test]
async fn both_tables_are_written_and_described() {
    let folder = tempfile::tempdir().unwrap();
    let sky = Sky::new(5_000, 3);
    let (mut rows, mut slack_arcsec) = (Vec::new(), f64::INFINITY);
    for (name, content) in [("object", Content::DemoObjects), ("source", Content::DemoSources)] {
        let table = folder.path().join("demo").join(name);
        rows.push(sky.write(&content, &table, "demo", &|_| {}).unwrap().rows);
        let toml = std::fs::read_to_string(table.join("table.toml")).unwrap();
        let metadata: TableMetadata = toml::from_str(&toml).unwrap();
        assert!(metadata.title.is_some() && metadata.description.is_some());
        for field in content.schema().unwrap().fields() {
            let column = &metadata.columns[field.name()];
            assert!(column.ucd.is_some() && column.description.is_some(), "{field}");
        }
        let indexed =
            metadata.columns.values().filter(|column| column.indexed == Some(true)).count();
        assert_eq!(indexed, if name == "object" { 3 } else { 4 });
        assert_eq!(metadata.keys.len(), usize::from(name == "source"));
        if let Some(position) = metadata.position {
            let made = sky.generate(&Content::DemoSources, 2, |_| Ok(())).unwrap();
            let exact = made.slack.degrees() * 3600.0;
            assert!(position.slack_arcsec >= exact && position.slack_arcsec < exact + 0.002);
            slack_arcsec = position.slack_arcsec;
        }
    }
    let snapshot = open(folder.path()).await;
    let found: Vec<(String, Option<u64>)> = snapshot
        .tiled_tables()
        .iter()
        .map(|table| (table.name().to_string(), table.manifest().rows()))
        .collect();
    assert_eq!(
        found,
        [("demo.object".to_owned(), Some(rows[0])), ("demo.source".to_owned(), Some(rows[1]))]
    );
    let source = snapshot.tiled_tables()[1].table().positions.clone().unwrap();
    // Searched by their own position, which is off the one that they are tiled by.
    assert_eq!((source.ra.as_str(), source.dec.as_str()), ("ra", "dec"));
    assert!(source.slack_deg * 3600.0 > slack_arcsec, "{source:?}");
}
