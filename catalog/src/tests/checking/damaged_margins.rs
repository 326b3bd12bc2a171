//! Margins with rows that are missing, changed, repeated or too many.

use std::fs;
use std::path::PathBuf;
use std::sync::Arc;

use adql::sky::{Pixel, Position};
use datafusion::arrow::array::{AsArray, Float64Array, RecordBatch};
use datafusion::arrow::compute::concat_batches;
use datafusion::arrow::datatypes::Float64Type;

use super::{Bed, assert_told, found, only, pick, rewrite, with_column};
use crate::check::FindingKind;
use crate::hats::tile_pixel;
use crate::tests::writing::{files, read};

/// A file of the margin of a tile, with its name as findings have it.
fn margins(bed: &Bed) -> Vec<(PathBuf, String, Pixel)> {
    let dataset = bed.path().join("t/t_3600arcs/dataset");
    let tiles: Vec<Pixel> = (0..)
        .map_while(|number| {
            let last = files(&bed.table().join("dataset")).len() - 2;
            (number < last).then(|| bed.tile(number).2)
        })
        .collect();
    let of_files = files(&dataset).into_iter().filter_map(|file| {
        let name = file.strip_prefix(&dataset).unwrap().display().to_string();
        let pixel = tile_pixel(&name).filter(|pixel| tiles.contains(pixel))?;
        Some((file, format!("t/t_3600arcs/dataset/{name}"), pixel))
    });
    of_files.collect()
}

fn positions(batch: &RecordBatch) -> Vec<Position> {
    let column = |name: &str| batch.column_by_name(name).unwrap().as_primitive::<Float64Type>();
    let places = column("ra").values().iter().zip(column("dec").values());
    places.map(|(ra, dec)| Position::from_degrees(*ra, *dec).unwrap()).collect()
}

/// A margin, and a row of it that is near to a place that lies in the tile.
fn needed(bed: &Bed) -> (PathBuf, String, Pixel, usize) {
    for (path, name, pixel) in margins(bed) {
        let mut cells = vec![pixel];
        for _ in 0..7 {
            cells = cells.iter().flat_map(|cell| cell.children().unwrap()).collect();
        }
        let inside: Vec<Position> = cells.iter().map(|cell| cell.center()).collect();
        let batches = read(&path);
        let near = positions(&batches[0])
            .iter()
            .position(|row| inside.iter().any(|place| place.distance(row).degrees() < 0.95));
        if let Some(row) = near {
            return (path, name, pixel, row);
        }
    }
    panic!("no margin of these tiles has a row that it needs");
}

#[test]
fn a_row_that_is_missing_is_told() {
    let bed = Bed::new();
    let (path, name, pixel, row) = needed(&bed);
    rewrite(&path, |batch| pick(&batch, (0..batch.num_rows()).filter(|other| *other != row)));
    let wanted = format!("is within 3600 arcsec of the tile {pixel}, and not in its margin");
    assert_told(
        bed.path(),
        FindingKind::MarginLacks,
        &[&format!("margin lacks: {name}: row "), &wanted],
    );
    // A margin without a file lacks all of its rows.
    fs::remove_file(&path).unwrap();
    assert_told(bed.path(), FindingKind::MarginLacks, &[&name, &wanted]);
    assert_told(bed.path(), FindingKind::Missing, &[&name]);
}

#[test]
fn a_row_that_is_not_that_of_the_table_is_told() {
    let bed = Bed::new();
    let (path, name, _, row) = needed(&bed);
    rewrite(&path, |batch| {
        let mag = batch.column_by_name("mag").unwrap().as_primitive::<Float64Type>();
        let mut mag: Vec<f64> = mag.values().to_vec();
        mag[row] += 1e-9;
        with_column(&batch, "mag", Arc::new(Float64Array::from(mag)))
    });
    let place = format!("margin foreign: {name}, row {row}: the table has no such row");
    assert_told(bed.path(), FindingKind::MarginForeign, &[&place]);
    assert_told(bed.path(), FindingKind::MarginLacks, &[&name]);
}

#[test]
fn a_row_that_is_there_twice_is_told() {
    let bed = Bed::new();
    let (path, name, _, row) = needed(&bed);
    rewrite(&path, |batch| {
        let rows = 0..batch.num_rows();
        pick(
            &batch,
            rows.flat_map(|other| std::iter::repeat_n(other, if other == row { 2 } else { 1 })),
        )
    });
    let place = format!("margin foreign: {name}, row {}: row ", row + 1);
    assert_told(bed.path(), FindingKind::MarginForeign, &[&place, "is there a second time"]);
}

#[test]
fn a_row_of_the_tile_itself_is_told_and_one_from_far_away_is_not() {
    let bed = Bed::new();
    let (path, name, pixel, _) = needed(&bed);
    let numbers = 0..files(&bed.table().join("dataset")).len() - 2;
    let (own, far) = numbers.fold((None, None), |(own, far), number| {
        let (file, _, of_file) = bed.tile(number);
        let batch = read(&file)[0].slice(0, 1);
        let row = &positions(&batch)[0];
        if of_file == pixel {
            (Some(batch), far)
        } else if pixel.center().distance(row).degrees() > 100.0 {
            (own, Some(batch))
        } else {
            (own, far)
        }
    });
    let whole = read(&path)[0].clone();
    let add = |more: &RecordBatch| {
        rewrite(&path, |_| concat_batches(&whole.schema(), [&whole, more]).unwrap());
    };
    add(&far.unwrap());
    // Only its number of rows differs from what is stated.
    let (kinds, lines) = found(bed.path());
    assert_eq!(kinds, [FindingKind::Count], "{lines:#?}");
    add(&own.unwrap());
    let itself = format!("lies in the tile {pixel} itself");
    assert_told(bed.path(), FindingKind::MarginForeign, &[&name, &itself]);
}

#[test]
fn a_margin_of_no_tile_is_told() {
    let bed = Bed::new();
    let (path, _, pixel) = margins(&bed).remove(0);
    let child = pixel.children().unwrap()[0];
    let (order, index) = (child.order(), child.index());
    let dataset = bed.path().join("t/t_3600arcs/dataset");
    let folder = dataset.join(format!("Norder={order}/Dir=0"));
    fs::create_dir_all(&folder).unwrap();
    fs::copy(&path, folder.join(format!("Npix={index}.parquet"))).unwrap();
    let list = bed.path().join("t/t_3600arcs/partition_info.csv");
    let text = fs::read_to_string(&list).unwrap();
    fs::write(&list, format!("{text}{order},{index}\n")).unwrap();
    let wanted = format!("the margin of {child} is that of no tile: the table has {pixel}");
    assert_told(bed.path(), FindingKind::Overlap, &[&wanted]);
}

#[test]
fn a_margin_with_a_wider_threshold_than_its_rows_is_told() {
    let bed = Bed::new();
    for name in ["hats.properties", "properties"] {
        let path = bed.path().join("t/t_3600arcs").join(name);
        super::replace(&path, "hats_margin_threshold=3600", "hats_margin_threshold=7200");
    }
    let (kinds, lines) = found(bed.path());
    assert_eq!(kinds, [FindingKind::MarginLacks]);
    assert!(lines.len() > 10, "{lines:#?}");
    let bed = Bed::new();
    for name in ["hats.properties", "properties"] {
        let path = bed.path().join("t/t_3600arcs").join(name);
        super::replace(&path, "hats_col_dec=dec", "hats_col_dec=mag");
    }
    assert!(only(bed.path()).contains("hats_col_dec=mag, but dec in its table"));
}
