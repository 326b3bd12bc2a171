//! Ranges of columns are those of the rows, and unknown where no file tells.

use std::fs;

use super::fixture::{Row, Shape, open, public, rows, write_table};
use crate::hats::Leaf;
use crate::import::{ImportOptions, import};

fn of(rows: impl Iterator<Item = f64>) -> [f64; 2] {
    rows.fold([f64::INFINITY, f64::NEG_INFINITY], |[low, high], v| [low.min(v), high.max(v)])
}

#[tokio::test]
async fn footers_tell_the_ranges_of_numbers() {
    for leaf in [Leaf::File(".parquet".to_owned()), Leaf::Folder] {
        let folder = tempfile::tempdir().unwrap();
        let rows = rows(4000);
        let shape = Shape { leaf, ..Shape::default() };
        write_table(&folder.path().join("t"), &shape, &rows);
        let snapshot = open(folder.path()).await;
        let table = snapshot.tiled_table(&public("t")).unwrap();
        assert_eq!(table.range("mag"), None, "nobody has asked");
        table.learn_ranges(&["mag", "dec", "id", "name", "nothing"]).await;
        assert_eq!(table.range("mag"), Some(of(rows.iter().map(|row| row.mag))));
        assert_eq!(table.range("id"), Some([0.0, 3999.0]));
        assert_eq!((table.range("name"), table.range("nothing")), (None, None));
        for tile in 0..table.manifest().len() {
            let pixel = table.manifest().pixel(tile).range();
            let is_here = |row: &&Row| {
                let index = adql::sky::spatial_index(row.ra, row.dec).unwrap();
                pixel.contains(&u64::try_from(index).unwrap())
            };
            let here = of(rows.iter().filter(is_here).map(|row| row.dec));
            assert_eq!(table.tile_range(tile, "dec"), Some(here), "{tile}");
        }
    }
}

/// A column of no values lies between any numbers; a file that says nothing of one tile makes the
/// whole unknown, and leaves the other tiles.
#[tokio::test]
async fn what_is_not_told_is_unknown() {
    let folder = tempfile::tempdir().unwrap();
    let input = folder.path().join("stars.csv");
    let mut text = "id,ra,dec,pm,rv\n".to_owned();
    for id in 0..200 {
        let pm = if id % 3 == 0 { String::new() } else { format!("{}.5", id - 100) };
        text += &format!("{id},{}.25,{}.5,{pm},\n", (id * 7) % 360, id % 80 - 40);
    }
    // A velocity far away from the others.
    text += "200,359.5,80.5,1.0,-33.5\n";
    fs::write(&input, text).unwrap();
    let data = folder.path().join("data");
    let options =
        ImportOptions { tile_rows: 50, ..ImportOptions::new(vec![input], data.join("stars")) };
    import(&options, &|_| {}).unwrap();
    let snapshot = open(&data).await;
    let table = snapshot.tiled_table(&public("stars")).unwrap();
    table.learn_ranges(&["pm", "rv"]).await;
    assert_eq!(table.range("pm"), Some([-99.5, 99.5]));
    assert_eq!(table.range("rv"), Some([-33.5, -33.5]));
    let tiles = 0..table.manifest().len();
    let without = tiles.clone().filter(|tile| table.tile_range(*tile, "rv") == Some([0.0, 0.0]));
    assert_eq!(without.count(), tiles.len() - 1);
    // Without `_metadata`, and one tile no Parquet file any more.
    fs::remove_file(data.join(table.path()).join("dataset/_metadata")).unwrap();
    let snapshot = open(&data).await;
    let table = snapshot.tiled_table(&public("stars")).unwrap();
    let damaged = data.join(table.manifest().tile(1).path);
    let bytes = fs::metadata(&damaged).unwrap().len();
    fs::write(&damaged, vec![0; usize::try_from(bytes).unwrap()]).unwrap();
    table.learn_ranges(&["pm"]).await;
    assert_eq!(table.range("pm"), None);
    let known = tiles.filter(|tile| table.tile_range(*tile, "pm").is_some());
    assert_eq!(known.count(), table.manifest().len() - 1);
}
