//! The writer, against its rows kept aside: counts, tiles, order, margins and indexes by brute
//! force, and what becomes of wrong rows and killed runs.

use std::collections::{BTreeMap, BTreeSet};
use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use adql::sky::{Order, Pixel, Position, spatial_index};
use datafusion::arrow::array::{
    Array, ArrayRef, AsArray, Float64Array, Int64Array, RecordBatch, StringArray,
};
use datafusion::arrow::datatypes::{
    DataType, Field, Float64Type, Int64Type, Schema, UInt8Type, UInt64Type,
};
use datafusion::parquet::arrow::arrow_reader::ParquetRecordBatchReaderBuilder;
use datafusion::parquet::basic::{Compression, Encoding, Type as PhysicalType};

use super::fixture::{Row, open, public, rows};
use crate::hats::tile_pixel;
use crate::metadata::{ColumnMetadata, TableMetadata};
use crate::write::{Outcome, Staging, TableKind, TableWriter, Unplaced, WriteOptions};
use crate::{Error, Kind};

const ID: &str = "id";

pub(super) fn schema() -> Schema {
    Schema::new(vec![
        Field::new(ID, DataType::Int64, false),
        Field::new("ra", DataType::Float64, false),
        Field::new("dec", DataType::Float64, false),
        Field::new("mag", DataType::Float64, false),
        Field::new("name", DataType::Utf8, true),
    ])
}

pub(super) fn batch(rows: &[Row]) -> RecordBatch {
    let double = |value: fn(&Row) -> f64| -> ArrayRef {
        Arc::new(Float64Array::from_iter_values(rows.iter().map(value)))
    };
    let names: StringArray =
        rows.iter().map(|r| (r.id % 3 != 0).then(|| format!("row {}", r.id % 7))).collect();
    let columns: Vec<ArrayRef> = vec![
        Arc::new(Int64Array::from_iter_values(rows.iter().map(|r| r.id))),
        double(|r| r.ra),
        double(|r| r.dec),
        double(|r| r.mag),
        Arc::new(names),
    ];
    RecordBatch::try_new(Arc::new(schema()), columns).unwrap()
}

/// Small tiles, a margin of 1°, an index, and memory for a few hundred rows.
pub(super) fn options(folder: &Path) -> WriteOptions {
    let mut metadata = TableMetadata::default();
    let described = ColumnMetadata { unit: Some("mag".to_owned()), ..ColumnMetadata::default() };
    metadata.columns.insert("mag".to_owned(), described);
    WriteOptions {
        margin_arcsec: Some(3600.0),
        indexes: vec![ID.to_owned(), "name".to_owned()],
        tile_rows: 100,
        memory_bytes: 20_000,
        threads: 3,
        metadata,
        ..WriteOptions::new(folder.join("t"), TableKind::Object)
    }
}

pub(super) fn write(options: WriteOptions, rows: &[Row]) -> Result<Outcome, Error> {
    let mut writer = TableWriter::create(options, &schema())?;
    for rows in rows.chunks(97) {
        writer.push(&batch(rows))?;
    }
    writer.finish(&|_| {})
}

/// All files below a folder.
pub(super) fn files(folder: &Path) -> Vec<PathBuf> {
    let mut found = Vec::new();
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() { found.extend(files(&path)) } else { found.push(path) }
    }
    found.sort();
    found
}

pub(super) fn read(path: &Path) -> Vec<RecordBatch> {
    let reader = ParquetRecordBatchReaderBuilder::try_new(File::open(path).unwrap()).unwrap();
    reader.build().unwrap().map(Result::unwrap).collect()
}

/// The tiles of a table or margin with the spatial indices and ids of their rows.
pub(super) fn tiles(table: &Path) -> BTreeMap<Pixel, Vec<(i64, i64)>> {
    let dataset = table.join("dataset");
    let mut tiles = BTreeMap::new();
    for path in files(&dataset) {
        let name = path.strip_prefix(&dataset).unwrap().to_string_lossy().into_owned();
        let Some(pixel) = tile_pixel(&name) else { continue };
        let rows: &mut Vec<(i64, i64)> = tiles.entry(pixel).or_default();
        for batch in read(&path) {
            let index: &Int64Array = batch.column(0).as_primitive::<Int64Type>();
            let ids = batch.column_by_name(ID).unwrap().as_primitive::<Int64Type>();
            rows.extend(index.values().iter().copied().zip(ids.values().iter().copied()));
        }
    }
    tiles
}

fn position(row: &Row) -> Position {
    Position::from_degrees(row.ra, row.dec).unwrap()
}

fn index_of(row: &Row) -> i64 {
    spatial_index(row.ra, row.dec).unwrap()
}

/// Everywhere, at the poles, on the seam, on corners of base pixels, and a dense clump.
pub(super) fn difficult_rows() -> Vec<Row> {
    let mut all = rows(1_500);
    let mut add = |ra: f64, dec: f64| {
        let id = i64::try_from(all.len()).unwrap();
        all.push(Row { id: 7 * id % 10_007, ra, dec, mag: f64::NAN });
    };
    for k in 0..150 {
        let part = f64::from(k) / 150.0;
        add(360.0 * part, 90.0 - 3.0 * part * part);
        add(360.0 * part, -90.0 + 3.0 * part * part);
        add(359.0 + 2.0 * part - if part >= 0.5 { 360.0 } else { 0.0 }, 60.0 * part - 30.0);
        add(45.0 + part, 41.810_314_895_778_6 + 0.5 * part);
        add(200.0 + 1e-5 * part, -10.0);
    }
    add(360.0, 0.0);
    add(0.0, 90.0);
    add(123.0, -90.0);
    all
}

#[tokio::test]
async fn what_is_written_is_a_table() {
    let folder = tempfile::tempdir().unwrap();
    let rows = difficult_rows();
    let outcome = write(options(folder.path()), &rows).unwrap();
    let snapshot = open(folder.path()).await;
    let table = snapshot.tiled_table(&public("t")).unwrap();
    let count = u64::try_from(rows.len()).unwrap();
    assert_eq!((outcome.rows, outcome.unplaced), (count, 0));
    assert_eq!(table.manifest().rows(), Some(count));
    assert_eq!(table.stated_rows(), Some(count));
    assert_eq!(table.manifest().len(), outcome.tiles);
    assert!(table.manifest().is_disjoint() && outcome.tiles > 20, "{outcome:?}");
    let kinds: Vec<&Kind> = table.attachments().iter().map(|a| &a.kind).collect();
    let [Kind::Margin { threshold_arcsec }, Kind::Index { column }, Kind::Index { column: other }] =
        kinds[..]
    else {
        panic!("{kinds:?}");
    };
    assert_eq!((*threshold_arcsec, column.as_str(), other.as_str()), (3600.0, ID, "name"));
    let toml = fs::read_to_string(folder.path().join("t/table.toml")).unwrap();
    let metadata: TableMetadata = toml::from_str(&toml).unwrap();
    assert_eq!(metadata.version, crate::metadata::VERSION);
    assert_eq!(metadata.columns["mag"].unit.as_deref(), Some("mag"));
    let names = fs::read_dir(folder.path()).unwrap().map(|e| e.unwrap().file_name());
    assert_eq!(names.collect::<Vec<_>>(), ["t"], "nothing hidden stays");
}

#[test]
fn every_row_is_in_its_tile_and_in_order() {
    let folder = tempfile::tempdir().unwrap();
    let rows = difficult_rows();
    write(options(folder.path()), &rows).unwrap();
    let tiles = tiles(&folder.path().join("t/t"));
    let mut found = Vec::new();
    for (pixel, rows) in &tiles {
        assert!(rows.is_sorted_by_key(|(index, _)| index), "{pixel}");
        let range = pixel.range();
        assert!(rows.iter().all(|(index, _)| range.contains(&index.cast_unsigned())), "{pixel}");
        // As large as the limit allows: four siblings would hold too many rows.
        assert!(rows.len() <= 100 || pixel.order().get() == 10, "{pixel} has {}", rows.len());
        if let Some(parent) = pixel.parent() {
            let inside = tiles.iter().filter(|(other, _)| parent.contains(**other));
            assert!(inside.map(|(_, rows)| rows.len()).sum::<usize>() > 100, "{pixel}");
        }
        found.extend(rows.iter().copied());
    }
    // The clump has more rows than a tile should, and cannot be divided further.
    assert!(tiles.iter().any(|(pixel, rows)| pixel.order().get() == 10 && rows.len() > 100));
    let mut wanted: Vec<(i64, i64)> = rows.iter().map(|r| (index_of(r), r.id)).collect();
    wanted.sort_unstable();
    found.sort_unstable();
    assert_eq!(found, wanted);
}

#[test]
fn a_margin_holds_every_row_near_another_tile() {
    let folder = tempfile::tempdir().unwrap();
    let rows = difficult_rows();
    write(options(folder.path()), &rows).unwrap();
    let tiles = tiles(&folder.path().join("t/t"));
    let margins = self::tiles(&folder.path().join("t/t_3600arcs"));
    let tile_of = |row: &Row| {
        let index = index_of(row).cast_unsigned();
        *tiles.keys().find(|pixel| pixel.range().contains(&index)).unwrap()
    };
    let places: Vec<(Pixel, &Row, Position)> =
        rows.iter().map(|row| (tile_of(row), row, position(row))).collect();
    let mut pairs = 0;
    for (pixel, _, place) in &places {
        for (other, row, position) in &places {
            if pixel != other && place.distance(position).degrees() <= 1.0 {
                let key = (index_of(row), row.id);
                let margin = margins.get(pixel).is_some_and(|rows| rows.contains(&key));
                assert!(margin, "{row:?} is within 1° of a row of {pixel}, not in its margin");
                pairs += 1;
            }
        }
    }
    assert!(pairs > 1_000, "{pairs}");
    // Pixels without rows have margins too: a row 1° beyond a side is in one of them.
    assert!(margins.keys().any(|pixel| !tiles.contains_key(pixel)));
    for (pixel, rows) in &margins {
        assert!(rows.is_sorted_by_key(|(index, _)| index), "{pixel}");
        let own = |(index, _): &(i64, i64)| pixel.range().contains(&index.cast_unsigned());
        assert!(!rows.iter().any(own), "{pixel} has its own rows in its margin");
    }
}

#[test]
fn an_index_names_the_tiles_of_every_value() {
    let folder = tempfile::tempdir().unwrap();
    let rows = difficult_rows();
    let outcome = write(options(folder.path()), &rows).unwrap();
    let mut wanted = [BTreeSet::new(), BTreeSet::new()];
    for (pixel, rows) in tiles(&folder.path().join("t/t")) {
        for (_, id) in rows {
            wanted[0].insert((format!("{id:06}"), pixel));
            if id % 3 != 0 {
                wanted[1].insert((format!("row {}", id % 7), pixel));
            }
        }
    }
    let mut count = 0;
    for (column, wanted) in [ID, "name"].into_iter().zip(wanted) {
        let path = folder.path().join(format!("t/t_{column}/dataset/index/part.0.parquet"));
        let mut found = Vec::new();
        for batch in read(&path) {
            let names: Vec<String> =
                batch.schema().fields().iter().map(|f| f.name().clone()).collect();
            assert_eq!(names, ["Norder", "Npix", column]);
            let orders = batch.column(0).as_primitive::<UInt8Type>();
            let pixels = batch.column(1).as_primitive::<UInt64Type>();
            for row in 0..batch.num_rows() {
                let values = batch.column(2);
                let value = match values.data_type() {
                    DataType::Int64 => {
                        format!("{:06}", values.as_primitive::<Int64Type>().value(row))
                    }
                    _ => values.as_string::<i32>().value(row).to_owned(),
                };
                let order = Order::new(orders.value(row)).unwrap();
                found.push((value, Pixel::new(order, pixels.value(row)).unwrap()));
            }
        }
        assert!(found.is_sorted_by_key(|(value, _)| value.clone()), "{column}");
        count += u64::try_from(found.len()).unwrap();
        assert_eq!(found.len(), wanted.len(), "{column}");
        assert_eq!(found.into_iter().collect::<BTreeSet<_>>(), wanted, "{column}");
    }
    assert_eq!(outcome.index_rows, count);
}

#[test]
fn the_same_rows_make_the_same_bytes() {
    let folder = tempfile::tempdir().unwrap();
    let rows = difficult_rows();
    let bytes = |name: &str, threads: usize| {
        let folder = folder.path().join(name);
        write(WriteOptions { threads, ..options(&folder) }, &rows).unwrap();
        let read = |path: PathBuf| {
            let name = path.strip_prefix(&folder).unwrap().to_owned();
            (name, fs::read(&path).unwrap())
        };
        files(&folder).into_iter().map(read).collect::<Vec<_>>()
    };
    let one = bytes("one", 1);
    assert!(one.len() > 50);
    assert!(one == bytes("four", 4));
}

/// With memory for all rows nothing is spilled, and the tiles are those of little memory.
#[test]
fn memory_changes_nothing() {
    let folder = tempfile::tempdir().unwrap();
    let rows = difficult_rows();
    let at = |memory_bytes: usize| {
        let folder = folder.path().join(memory_bytes.to_string());
        write(WriteOptions { memory_bytes, ..options(&folder) }, &rows).unwrap();
        tiles(&folder.join("t/t"))
    };
    assert_eq!(at(1), at(1 << 30));
}

#[tokio::test]
async fn a_sky_may_be_empty_or_of_one_row() {
    for count in [0, 1] {
        let folder = tempfile::tempdir().unwrap();
        let outcome = write(options(folder.path()), &rows(count)).unwrap();
        let count = count.cast_unsigned();
        assert_eq!(outcome.rows, count);
        let snapshot = open(folder.path()).await;
        let table = snapshot.tiled_table(&public("t")).unwrap();
        assert_eq!(table.manifest().len(), outcome.tiles);
        assert_eq!(table.stated_rows(), Some(count));
        assert_eq!(table.table().columns.len(), 6);
    }
}

#[test]
fn files_are_laid_out_for_cones_and_scans() {
    let folder = tempfile::tempdir().unwrap();
    let options = WriteOptions { tile_rows: 1_000_000, ..options(folder.path()) };
    write(options, &rows(5_000)).unwrap();
    let path = files(&folder.path().join("t/t/dataset")).remove(0);
    let file = File::open(path).unwrap();
    let options = datafusion::parquet::arrow::arrow_reader::ArrowReaderOptions::new()
        .with_page_index_policy(true.into());
    let reader = ParquetRecordBatchReaderBuilder::try_new_with_options(file, options).unwrap();
    let metadata = reader.metadata();
    assert!(metadata.file_metadata().created_by().unwrap().starts_with("armilla "));
    let group = metadata.row_group(0);
    assert_eq!(group.sorting_columns().unwrap()[0].column_idx, 0);
    for column in group.columns() {
        let name = column.column_path().string();
        let is_float = column.column_type() == PhysicalType::DOUBLE;
        let expected = if is_float { Compression::UNCOMPRESSED } else { Compression::LZ4_RAW };
        assert_eq!(column.compression(), expected, "{name}");
        let dictionary = column.encodings().any(|e| e == Encoding::RLE_DICTIONARY);
        assert_eq!(dictionary, name == "name", "{name}");
        let bloom = column.bloom_filter_offset().is_some();
        assert_eq!(bloom, name == ID || name == "name", "{name}");
        assert!(column.statistics().is_some(), "{name}");
    }
    let pages = &metadata.offset_index().unwrap()[0];
    assert!(metadata.column_index().is_some());
    let rows = usize::try_from(group.num_rows()).unwrap();
    assert_eq!(pages[0].page_locations().len(), rows.div_ceil(2_048));
}

#[test]
fn nan_is_null() {
    let folder = tempfile::tempdir().unwrap();
    let mut rows = rows(30);
    rows[3].mag = f64::NAN;
    rows[7].mag = f64::INFINITY;
    write(options(folder.path()), &rows).unwrap();
    let (mut nulls, mut infinite) = (0, 0);
    for path in files(&folder.path().join("t/t/dataset/Norder=0")) {
        for batch in read(&path) {
            let values = batch.column_by_name("mag").unwrap().as_primitive::<Float64Type>();
            nulls += values.null_count();
            infinite += values.iter().flatten().filter(|value| value.is_infinite()).count();
        }
    }
    assert_eq!((nulls, infinite), (1, 1));
}

#[test]
fn a_row_without_a_place_is_named_or_handed_back() {
    let wrong = [
        (400.0, 0.0, "ra = 400 is not a right ascension"),
        (-1.0, 0.0, "ra = -1 is not"),
        (0.0, 90.5, "dec = 90.5 is not a declination"),
        (f64::NAN, 0.0, "ra = NaN is not"),
        (0.0, f64::INFINITY, "dec = inf is not"),
    ];
    for (ra, dec, message) in wrong {
        let folder = tempfile::tempdir().unwrap();
        let mut rows = rows(300);
        (rows[200].ra, rows[200].dec) = (ra, dec);
        let error = write(options(folder.path()), &rows).unwrap_err().to_string();
        assert!(error.contains("in row 200") && error.contains(message), "{error}");
        assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 0, "nothing is left");
        let options = WriteOptions { unplaced: Unplaced::HandBack, ..options(folder.path()) };
        let mut writer = TableWriter::create(options, &schema()).unwrap();
        let back = writer.push(&batch(&rows)).unwrap().unwrap();
        assert_eq!(back.num_rows(), 1);
        assert_eq!(back.column(0).as_primitive::<Int64Type>().value(0), rows[200].id);
        let outcome = writer.finish(&|_| {}).unwrap();
        assert_eq!((outcome.rows, outcome.unplaced), (299, 1));
    }
}

#[test]
fn a_ready_index_must_be_that_of_the_position() {
    let folder = tempfile::tempdir().unwrap();
    let rows = rows(10);
    let mut fields = vec![Field::new("_healpix_29", DataType::Int64, true)];
    fields.extend(schema().fields().iter().map(|field| field.as_ref().clone()));
    let schema = Arc::new(Schema::new(fields));
    let push = |indices: Vec<Option<i64>>| {
        let mut columns: Vec<ArrayRef> = vec![Arc::new(Int64Array::from(indices))];
        columns.extend(batch(&rows).columns().iter().cloned());
        let mut writer = TableWriter::create(options(folder.path()), &schema).unwrap();
        let rows = RecordBatch::try_new(Arc::clone(&schema), columns).unwrap();
        writer.push(&rows).map(drop).map_err(|e| e.to_string())
    };
    let right: Vec<Option<i64>> = rows.iter().map(|row| Some(index_of(row))).collect();
    assert_eq!(push(right.clone()), Ok(()));
    for wrong in [None, Some(0), Some(-1), Some(i64::MAX)] {
        let mut indices = right.clone();
        indices[4] = wrong;
        let error = push(indices).unwrap_err();
        assert!(error.contains("in row 4, _healpix_29"), "{error}");
    }
}

#[test]
fn what_cannot_be_a_table_is_refused() {
    let folder = tempfile::tempdir().unwrap();
    let good = || options(folder.path());
    let refused = |options: WriteOptions, schema: &Schema| {
        TableWriter::create(options, schema).map(drop).unwrap_err().to_string()
    };
    let with = |field: Field| {
        let mut fields: Vec<Field> = schema().fields().iter().map(|f| f.as_ref().clone()).collect();
        fields.push(field);
        Schema::new(fields)
    };
    let cases = [
        (WriteOptions { ra: "x".into(), ..good() }, schema(), "no column x for the right asc"),
        (WriteOptions { dec: "id".into(), ..good() }, schema(), "column id is Int64"),
        (WriteOptions { indexes: vec!["mag".into()], ..good() }, schema(), "mag is Float64"),
        (WriteOptions { indexes: vec!["y".into()], ..good() }, schema(), "no column y to index"),
        (WriteOptions { margin_arcsec: Some(-1.0), ..good() }, schema(), "margin of -1"),
        (WriteOptions { tile_rows: 0, ..good() }, schema(), "no rows"),
        (WriteOptions { folder: folder.path().join("a b"), ..good() }, schema(), "spaces"),
        (good(), with(Field::new("ra", DataType::Int64, true)), "\"ra\""),
        (good(), with(Field::new("Norder", DataType::Int64, true)), "Norder cannot name"),
        (good(), with(Field::new("_healpix_29", DataType::Utf8, true)), "_healpix_29 is Utf8"),
    ];
    for (options, schema, message) in cases {
        let error = refused(options, &schema);
        assert!(error.contains(message), "{error} does not say {message}");
    }
    let mut unknown = good();
    unknown.metadata.columns.insert("colour".to_owned(), ColumnMetadata::default());
    assert!(refused(unknown, &schema()).contains("no column colour"));
    assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 0);
}

#[tokio::test]
async fn a_killed_run_leaves_nothing_that_is_served() {
    let folder = tempfile::tempdir().unwrap();
    let other = options(&folder.path().join("other"));
    write(WriteOptions { folder: folder.path().join("other"), ..other }, &rows(10)).unwrap();
    let mut writer = TableWriter::create(options(folder.path()), &schema()).unwrap();
    writer.push(&batch(&rows(2_000))).unwrap();
    // While it is under way, nobody else may write it.
    let error = TableWriter::create(options(folder.path()), &schema()).unwrap_err();
    assert!(matches!(error, Error::Busy { .. }), "{error}");
    // As a kill leaves it: the hidden folder, and a lock that nobody holds.
    let hidden = folder.path().join(".t.partial");
    let kept = folder.path().join("kept");
    fs::rename(&hidden, &kept).unwrap();
    drop(writer);
    fs::rename(&kept, &hidden).unwrap();
    fs::write(folder.path().join(".t.lock"), "").unwrap();
    assert!(!files(&hidden).is_empty());
    assert_eq!(open(folder.path()).await.tiled_tables().len(), 1);
    write(options(folder.path()), &rows(2_000)).unwrap();
    assert_eq!(open(folder.path()).await.tiled_tables().len(), 2);
    assert!(!hidden.exists());
    // And what is there is not written again.
    let error = write(options(folder.path()), &rows(10)).unwrap_err();
    assert!(error.to_string().contains("t exists already"), "{error}");
    assert!(Staging::begin(&folder.path().join("t")).is_err());
}
