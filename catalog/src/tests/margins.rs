//! Which margins queries may read, how far these reach, and who holds them.

use std::fs;
use std::path::Path;

use adql::sky::Coverage;
use object_store::path::Path as StorePath;

use super::fixture::{open, public};
use super::shared::shared;
use super::writing::{difficult_rows, files, options, write};
use crate::hats::{Leaf, tile_name};
use crate::{Margin, TiledTable, tile_of_path};

/// Beside what two spatial indices may be off, in degrees, and the errors of rounding.
const OFF_DEG: f64 = 4.01e-7;

fn threshold(table: &TiledTable, degrees: f64) -> Option<f64> {
    table.margin_reaching(degrees).map(Margin::threshold_arcsec)
}

#[tokio::test]
async fn a_margin_reaches_as_far_as_its_threshold() {
    let folder = tempfile::tempdir().unwrap();
    write(options(folder.path()), &difficult_rows()).unwrap();
    let snapshot = open(folder.path()).await;
    let table = snapshot.tiled_table(&public("t")).unwrap();
    assert_eq!(threshold(table, 1.0 + OFF_DEG), Some(3600.0));
    assert_eq!(threshold(table, 1.000_01), None);
    let margin = table.margin_reaching(0.1).unwrap();
    let around = |part: &Coverage| margin.around(table.manifest(), part).map(|all| all.len());
    assert_eq!(around(&Coverage::all()), Some(margin.manifest().len()));
    assert_eq!(around(&Coverage::empty()), Some(0));
}

#[tokio::test]
async fn margins_of_others_are_believed_no_further() {
    let Some(folder) = shared() else { return };
    let snapshot = open(&folder).await;
    let table = snapshot.tiled_table(&public("small_sky_order1_collection")).unwrap();
    assert_eq!(threshold(table, 1.0), Some(3600.0));
    assert_eq!(threshold(table, 1.0 + OFF_DEG), Some(7200.0));
    assert_eq!(threshold(table, 2.0 + OFF_DEG), None);
    let margin = table.margin_reaching(1.0).unwrap();
    // Nobody says that what is near to a pixel without a tile is there.
    assert_eq!(margin.around(table.manifest(), &Coverage::all()), None);
    let tile = Coverage::from_ranges([table.manifest().pixel(0).range()]);
    let around = margin.around(table.manifest(), &tile).unwrap();
    let pixels: Vec<_> = around.iter().map(|at| margin.manifest().pixel(*at)).collect();
    assert_eq!(pixels, [table.manifest().pixel(0)]);
}

#[tokio::test]
async fn who_holds_a_tile_holds_its_margin() {
    let folder = tempfile::tempdir().unwrap();
    write(options(folder.path()), &difficult_rows()).unwrap();
    let snapshot = open(folder.path()).await;
    let table = snapshot.tiled_table(&public("t")).unwrap();
    let margin = table.margin_reaching(0.5).unwrap();
    let workers = ["a", "b", "c"].map(str::to_owned);
    let placement = snapshot.place(&workers, 2, 0);
    let mut found = 0;
    for worker in 0..workers.len() {
        let held = snapshot.files_of(&placement, 0, worker);
        let held: Vec<StorePath> = held.into_iter().map(|file| file.path).collect();
        let of_margin = held.iter().filter_map(tile_of_path).filter(|(f, _)| *f == margin.path());
        let pixels: Vec<_> = of_margin.map(|(_, pixel)| pixel).collect();
        assert!(pixels.iter().all(|pixel| placement.holds(*pixel, worker)));
        let all = (0..margin.manifest().len()).map(|tile| margin.manifest().pixel(tile));
        assert_eq!(all.filter(|pixel| placement.holds(*pixel, worker)).count(), pixels.len());
        found += pixels.len();
    }
    assert!(found >= 2 * margin.manifest().len(), "{found}");
    // Who holds a whole table has no use of its margin.
    let whole = snapshot.files_of(&placement, u64::MAX, 0);
    assert_eq!(whole.len(), table.manifest().len());
    let bytes: u64 = (0..margin.manifest().len()).map(|t| margin.manifest().tile_bytes(t)).sum();
    let cells: u64 = snapshot.bytes_by_cell(placement.order(), 0).iter().sum();
    assert_eq!(cells, table.manifest().bytes() + bytes);
}

/// The files of tiles of the margin of a table that was written here.
fn margin_files(folder: &Path) -> Vec<std::path::PathBuf> {
    let mut files = files(&folder.join("t/t_3600arcs/dataset"));
    files.retain(|file| file.to_string_lossy().contains("Npix="));
    files
}

#[tokio::test]
async fn a_margin_that_does_not_fit_is_left_alone() {
    let folder = tempfile::tempdir().unwrap();
    write(options(folder.path()), &difficult_rows()).unwrap();
    let before = open(folder.path()).await;
    assert!(before.tiled_table(&public("t")).unwrap().margin_reaching(0.5).is_some());
    let file = margin_files(folder.path()).swap_remove(0);
    let bytes = fs::read(&file).unwrap();
    fs::remove_file(&file).unwrap();
    let without = open(folder.path()).await;
    let table = without.tiled_table(&public("t")).unwrap();
    assert!(table.margin_reaching(0.5).is_none(), "a tile of its list is not there");
    assert_ne!(without.number(), before.number(), "workers hold other files");
    fs::write(&file, bytes).unwrap();

    let dataset = folder.path().join("t/t_3600arcs/dataset");
    let (name, child) = margin_files(folder.path())
        .iter()
        .find_map(|file| {
            let name = file.strip_prefix(&dataset).ok()?.to_str()?.to_owned();
            let path = StorePath::from(format!("t/dataset/{name}"));
            let pixel = tile_of_path(&path)?.1;
            table.manifest().place_of(pixel)?;
            Some((name, pixel.children()?[1]))
        })
        .unwrap();
    let finer = tile_name(child, &Leaf::File(".parquet".to_owned()));
    fs::create_dir_all(dataset.join(&finer).parent().unwrap()).unwrap();
    fs::rename(dataset.join(name), dataset.join(finer)).unwrap();
    for list in ["partition_info.csv", "dataset/_metadata"] {
        fs::remove_file(folder.path().join("t/t_3600arcs").join(list)).unwrap();
    }
    let finer = open(folder.path()).await;
    let table = finer.tiled_table(&public("t")).unwrap();
    assert!(table.margin_reaching(0.5).is_none(), "a margin of a part of a tile");
}
