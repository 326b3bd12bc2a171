//! What planning costs, counted: tiles looked at and files made over 196,608 tiles.

use std::sync::Arc;

use adql::TableName;
use adql::sky::{Order, Pixel};
use datafusion::arrow::datatypes::{DataType, Field, Schema};
use datafusion::catalog::TableProvider;
use datafusion::datasource::physical_plan::FileScanConfig;
use datafusion::physical_plan::ExecutionPlan;
use object_store::memory::InMemory;
use object_store::path::Path;

use super::fixture::{plan, public, scans, session, within};
use crate::discover::Site;
use crate::hats::{Leaf, Properties, tile_name};
use crate::survey::Survey;
use crate::tile::{Found, Manifest};
use crate::{HatsTable, Location, Snapshot, TiledTable};

/// A table of every pixel of order 7, as the order-7 list of the shared data, in an empty store.
fn large() -> Arc<Snapshot> {
    let order = Order::new(7).unwrap();
    let leaf = Leaf::File(".parquet".to_owned());
    let found = (0..order.pixels()).map(|index| {
        let pixel = Pixel::new(order, index).unwrap();
        let name = tile_name(pixel, &leaf);
        Found { pixel, name, bytes: 100_000_000, modified_ns: 1, etag: None, rows: Some(200_000) }
    });
    let mut fields = vec![Field::new("_healpix_29", DataType::Int64, true)];
    for name in ["ra", "dec", "mag"] {
        fields.push(Field::new(name, DataType::Float64, true));
    }
    let manifest = Manifest::new("t/dataset".to_owned(), leaf.clone(), found.collect());
    let properties =
        Properties::parse("t", "dataproduct_type=object\nhats_col_ra=ra\nhats_col_dec=dec\n");
    let site = Site {
        name: TableName { schema: "public".to_owned(), table: "t".to_owned() },
        path: Path::from("t"),
        named: Path::from("t"),
        properties: properties.table().unwrap(),
        attachments: Vec::new(),
        elsewhere: None,
    };
    let schema = Arc::new(Schema::new(fields));
    let survey = Survey { manifest, schema, speaker: None, is_far: false };
    let table = Arc::new(TiledTable::new(site, survey, None).unwrap());
    let store = Arc::new(InMemory::new());
    Arc::new(Snapshot::new(Location::Folder("/large".into()), store, vec![table]))
}

fn file_count(plan: &Arc<dyn ExecutionPlan>) -> usize {
    let scan = scans(plan).remove(0);
    let config = scan.data_source().downcast_ref::<FileScanConfig>().unwrap();
    config.file_groups.iter().map(|g| g.files().len()).sum()
}

#[tokio::test]
async fn a_cone_over_200_000_tiles_makes_a_handful_of_files_and_opens_none() {
    let snapshot = large();
    let context = session(&snapshot, true);
    for (ra, dec) in [(10.0, -30.0), (0.0, 89.9), (359.999, 0.0), (123.4, 41.8)] {
        let sql = format!("SELECT mag FROM public.t WHERE {}", within(ra, dec, 1.0 / 60.0));
        let plan = plan(&context, &sql).await;
        assert!((1..=6).contains(&file_count(&plan)), "{}", file_count(&plan));
    }
}

#[tokio::test]
async fn a_scan_of_everything_has_every_tile_once() {
    let snapshot = large();
    let table = Arc::clone(snapshot.tiled_table(&public("t")).unwrap());
    let provider = HatsTable::new(table, &[3]).unwrap();
    let state = session(&snapshot, true).state();
    let started = std::time::Instant::now();
    let plan = provider.scan(&state, None, &[], None).await.unwrap();
    println!("scan of {} tiles planned in {:?}", file_count(&plan), started.elapsed());
    assert_eq!(file_count(&plan), 196_608);
}

#[test]
fn bytes_by_cell_count_every_tile() {
    let snapshot = large();
    for order in [0, 3, 7, 9] {
        let order = Order::new(order).unwrap();
        let cells = snapshot.bytes_by_cell(order, 0);
        assert_eq!(cells.len() as u64, order.pixels());
        assert_eq!(cells.iter().sum::<u64>(), 196_608 * 100_000_000);
    }
    let workers: Vec<String> = (0..3).map(|i| i.to_string()).collect();
    let order = Order::new(5).unwrap();
    let placement = crate::Placement::first(&workers, 1, order, &snapshot.bytes_by_cell(order, 0));
    let held: Vec<usize> =
        (0..3).map(|worker| snapshot.files_of(&placement, 0, worker).len()).collect();
    assert_eq!(held.iter().sum::<usize>(), 196_608);
    assert!(held.iter().all(|h| h.abs_diff(65_536) <= 16), "{held:?}");
}
