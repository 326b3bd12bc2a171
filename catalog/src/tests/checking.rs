//! The check, on tables that are good and on each kind of damage, which is made here and must be
//! told with its place.

mod damaged_margins;

use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::sync::{Arc, OnceLock};

use adql::sky::{Coverage, Order, Pixel};
use datafusion::arrow::array::{ArrayRef, AsArray, Int64Array, RecordBatch};
use datafusion::arrow::compute::{concat_batches, take_record_batch};
use datafusion::arrow::datatypes::{Float64Type, Int64Type};
use datafusion::parquet::arrow::ArrowWriter;

use super::fixture::{self, Shape, rows};
use super::writing::{difficult_rows, files, options, read, write};
use crate::check::{CheckOptions, FindingKind, TableReport, check};
use crate::hats::{Leaf, tile_pixel};
use crate::metadata::{ColumnMetadata, KeyMetadata, TableMetadata};
use crate::write::WriteOptions;
use crate::{Location, moc_file};

/// What is found in a folder, with at most so many findings of a kind.
pub(super) fn checked(folder: &Path, findings_max: usize) -> Vec<TableReport> {
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(1).build().unwrap();
    let options = CheckOptions { threads: 2, findings_max, ..CheckOptions::default() };
    check(&Location::Folder(folder.to_owned()), &options, runtime.handle(), &|_| {}).unwrap()
}

/// The kinds and the lines of what is found in a folder with one table.
fn found(folder: &Path) -> (Vec<FindingKind>, Vec<String>) {
    let mut reports = checked(folder, 10_000);
    let report = reports.pop().unwrap();
    assert!(reports.is_empty() && report.more.is_empty());
    let mut kinds: Vec<FindingKind> = report.findings.iter().map(|f| f.kind).collect();
    kinds.dedup();
    (kinds, report.findings.iter().map(ToString::to_string).collect())
}

/// The only finding.
fn only(folder: &Path) -> String {
    let (_, lines) = found(folder);
    assert_eq!(lines.len(), 1, "{lines:#?}");
    lines[0].clone()
}

fn assert_told(folder: &Path, kind: FindingKind, parts: &[&str]) {
    let (kinds, lines) = found(folder);
    assert!(kinds.contains(&kind), "{lines:#?}");
    let head = format!("{}: ", kind.name());
    let told = lines.iter().filter(|line| line.starts_with(&head));
    let told = told.filter(|line| parts.iter().all(|part| line.contains(part)));
    assert!(told.count() > 0, "{parts:?} is not in {lines:#?}");
}

/// A good table of a few hundred rows with a margin of 1° and two indexes, to be damaged.
struct Bed {
    folder: tempfile::TempDir,
}

impl Bed {
    fn new() -> Self {
        static GOOD: OnceLock<tempfile::TempDir> = OnceLock::new();
        let good = GOOD.get_or_init(|| {
            let folder = tempfile::tempdir().unwrap();
            let options = WriteOptions { tile_rows: 40, ..options(folder.path()) };
            write(options, &rows(1_200)).unwrap();
            folder
        });
        let folder = tempfile::tempdir().unwrap();
        for file in files(good.path()) {
            let copy = folder.path().join(file.strip_prefix(good.path()).unwrap());
            fs::create_dir_all(copy.parent().unwrap()).unwrap();
            fs::copy(&file, copy).unwrap();
        }
        Self { folder }
    }

    fn path(&self) -> &Path {
        self.folder.path()
    }

    fn table(&self) -> PathBuf {
        self.path().join("t/t")
    }

    /// A file of the table, with its name as findings have it.
    fn tile(&self, number: usize) -> (PathBuf, String, Pixel) {
        let dataset = self.table().join("dataset");
        let name = |file: &PathBuf| file.strip_prefix(&dataset).unwrap().display().to_string();
        let tiles: Vec<PathBuf> =
            files(&dataset).into_iter().filter(|file| tile_pixel(&name(file)).is_some()).collect();
        let tile = tiles[number].clone();
        let told = format!("t/t/dataset/{}", name(&tile));
        let pixel = tile_pixel(&name(&tile)).unwrap();
        (tile, told, pixel)
    }
}

fn rewrite(path: &Path, change: impl FnOnce(RecordBatch) -> RecordBatch) {
    let batches = read(path);
    let whole = concat_batches(&batches[0].schema(), &batches).unwrap();
    let changed = change(whole);
    let mut writer =
        ArrowWriter::try_new(File::create(path).unwrap(), changed.schema(), None).unwrap();
    writer.write(&changed).unwrap();
    writer.close().unwrap();
}

fn pick(batch: &RecordBatch, rows: impl IntoIterator<Item = usize>) -> RecordBatch {
    let rows: Int64Array = rows.into_iter().map(|row| i64::try_from(row).unwrap()).collect();
    take_record_batch(batch, &rows).unwrap()
}

fn with_column(batch: &RecordBatch, name: &str, column: ArrayRef) -> RecordBatch {
    let mut columns = batch.columns().to_vec();
    columns[batch.schema().index_of(name).unwrap()] = column;
    RecordBatch::try_new(batch.schema(), columns).unwrap()
}

fn ids(batch: &RecordBatch) -> Vec<i64> {
    batch.column_by_name("id").unwrap().as_primitive::<Int64Type>().values().to_vec()
}

fn replace(path: &Path, from: &str, to: &str) {
    let text = fs::read_to_string(path).unwrap();
    assert!(text.contains(from), "{from} is not in {text}");
    fs::write(path, text.replace(from, to)).unwrap();
}

#[test]
fn good_tables_are_silent() {
    let folder = tempfile::tempdir().unwrap();
    write(options(folder.path()), &difficult_rows()).unwrap();
    let report = checked(folder.path(), 10).pop().unwrap();
    assert_eq!((report.findings, report.more.len()), (Vec::new(), 0));
    assert_eq!(report.rows, 2_253);
    assert!(report.files > 60 && report.bytes > 100_000, "{} files", report.files);
    let bed = Bed::new();
    assert_eq!(found(bed.path()).1, [""; 0]);
    fs::write(bed.path().join("t/without_position.parquet"), "not looked at").unwrap();
    assert_eq!(found(bed.path()).1, [""; 0]);
}

#[test]
fn tables_of_other_shapes_are_good() {
    let shapes = [
        Shape { leaf: Leaf::Folder, ..Shape::default() },
        Shape { spatial_index: None, partition_list: false, ..Shape::default() },
        Shape { own_positions: true, rows_per_group: 60, ..Shape::default() },
    ];
    for shape in shapes {
        let folder = tempfile::tempdir().unwrap();
        fixture::write_table(&folder.path().join("t"), &shape, &rows(500));
        assert_eq!(found(folder.path()).1, [""; 0], "{shape:?}");
    }
}

#[test]
fn tables_that_hats_import_wrote_are_good() {
    let Some(shared) = super::shared::shared() else { return };
    let reports = checked(&shared, 10);
    assert_eq!(reports.len(), 5);
    for report in reports {
        assert_eq!(report.findings, [], "{}", report.name);
        assert!(report.rows > 100, "{}", report.name);
    }
}

#[test]
fn rows_out_of_order_or_of_another_tile_are_told() {
    let bed = Bed::new();
    let (path, name, _) = bed.tile(0);
    rewrite(&path, |batch| {
        let mut order: Vec<usize> = (0..batch.num_rows()).collect();
        order.swap(3, 4);
        pick(&batch, order)
    });
    let told = only(bed.path());
    assert!(told.starts_with(&format!("order: {name}, row group 0, row 4: its spatial")), "{told}");

    let bed = Bed::new();
    let ((first, _, _), (second, name, pixel)) = (bed.tile(0), bed.tile(1));
    let mut moved = None;
    rewrite(&first, |batch| {
        moved = Some(batch.slice(0, 1));
        batch.slice(1, batch.num_rows() - 1)
    });
    rewrite(&second, |batch| concat_batches(&batch.schema(), [&moved.unwrap(), &batch]).unwrap());
    let wanted = format!("does not lie in the tile {pixel}");
    assert_told(bed.path(), FindingKind::Tile, &[&format!("{name}, row group 0, row 0"), &wanted]);
    assert_told(bed.path(), FindingKind::Count, &[&name, "but _metadata states"]);
    assert_told(bed.path(), FindingKind::IndexLacks, &["t/t_id: id = ", &name]);
}

#[test]
fn positions_and_indices_that_contradict_each_other_are_told() {
    let bed = Bed::new();
    let (path, name, _) = bed.tile(2);
    // A byte of a value that is stored as it is.
    let batch = &read(&path)[0];
    let ra = batch.column_by_name("ra").unwrap().as_primitive::<Float64Type>().value(5);
    let mut bytes = fs::read(&path).unwrap();
    let at = bytes.windows(8).position(|window| window == ra.to_le_bytes()).unwrap();
    bytes[at + 4] ^= 0x10;
    fs::write(&path, bytes).unwrap();
    let place = format!("{name}, row group 0, row 5: its spatial index is");
    assert_told(bed.path(), FindingKind::SpatialIndex, &[&place, "but that of ("]);

    let folder = tempfile::tempdir().unwrap();
    let mut lost = rows(50);
    lost[7].dec = 91.0;
    let shape = Shape { order: 0, ..Shape::default() };
    let paths = fixture::write_table(&folder.path().join("t"), &shape, &rows(50));
    rewrite(&paths[0], |batch| {
        let dec = batch.column_by_name("dec").unwrap().as_primitive::<Float64Type>();
        let beyond = dec.iter().enumerate().map(|(row, dec)| dec.filter(|_| row > 0));
        let beyond: datafusion::arrow::array::Float64Array = beyond.collect();
        with_column(&batch, "dec", Arc::new(beyond))
    });
    assert_told(folder.path(), FindingKind::Position, &["row 0: its position (", "NULL) is none"]);
}

#[test]
fn files_that_are_missing_or_left_over_are_told() {
    let bed = Bed::new();
    let (path, name, pixel) = bed.tile(1);
    fs::remove_file(&path).unwrap();
    let listed = format!("partition_info.csv lists the tile {pixel}");
    assert_told(bed.path(), FindingKind::Missing, &[&name, &listed]);

    let bed = Bed::new();
    let (path, _, pixel) = bed.tile(1);
    let order = pixel.order().get();
    let parent = pixel.parent().unwrap();
    let folder = bed.table().join(format!("dataset/Norder={}/Dir=0", order - 1));
    fs::create_dir_all(&folder).unwrap();
    let copy = folder.join(format!("Npix={}.parquet", parent.index()));
    fs::copy(&path, &copy).unwrap();
    fs::write(folder.join("notes.parquet"), "?").unwrap();
    let unlisted = format!("does not list the tile {parent}");
    assert_told(bed.path(), FindingKind::LeftOver, &["/Npix=", &unlisted]);
    assert_told(bed.path(), FindingKind::LeftOver, &["/notes.parquet", "no query reads it"]);
    let list = bed.table().join("partition_info.csv");
    let line = format!("Norder,Npix\n{},{}\n", order - 1, parent.index());
    replace(&list, "Norder,Npix\n", &line);
    let inside = format!("the tile {pixel} lies in the tile {parent}");
    assert_told(bed.path(), FindingKind::Overlap, &["t/t: ", &inside]);
}

#[test]
fn files_that_cannot_be_read_are_told() {
    let bed = Bed::new();
    let (path, name, _) = bed.tile(1);
    let bytes = fs::read(&path).unwrap();
    fs::write(&path, &bytes[..bytes.len() / 2]).unwrap();
    assert_told(bed.path(), FindingKind::Damaged, &[&name, "as Parquet"]);

    // The name is packed by LZ4: its first page begins with what is no header any more.
    let bed = Bed::new();
    let (path, name, _) = bed.tile(1);
    let file = datafusion::parquet::file::serialized_reader::SerializedFileReader::new(
        File::open(&path).unwrap(),
    );
    let file = file.unwrap();
    let metadata = datafusion::parquet::file::reader::FileReader::metadata(&file);
    let names = metadata.row_group(0).columns().last().unwrap().byte_range();
    let mut bytes = fs::read(&path).unwrap();
    let at = usize::try_from(names.0 + names.1 / 2).unwrap();
    bytes[at..at + 8].fill(0xff);
    fs::write(&path, bytes).unwrap();
    let place = format!("{name}, row group 0, column name: ");
    assert_told(bed.path(), FindingKind::Damaged, &[&place]);
}

#[test]
fn counts_that_differ_are_told() {
    let bed = Bed::new();
    for name in ["hats.properties", "properties"] {
        replace(&bed.table().join(name), "hats_nrows=1200", "hats_nrows=1201");
    }
    assert_eq!(only(bed.path()), "row count: t/t: hats_nrows=1201, but its files have 1200 rows");

    let bed = Bed::new();
    let (path, name, pixel) = bed.tile(0);
    let rows = read(&path).iter().map(RecordBatch::num_rows).sum::<usize>();
    let list = bed.table().join("partition_info.csv");
    let (order, index) = (pixel.order(), pixel.index());
    fs::write(&list, format!("Norder,Npix,num_rows\n{order},{index},{}\n", rows + 1)).unwrap();
    let stated = format!("it states {} rows of the tile {pixel}, which has {rows}", rows + 1);
    assert_told(bed.path(), FindingKind::Count, &["t/t/partition_info.csv: ", &stated]);
    assert_told(bed.path(), FindingKind::LeftOver, &["does not list the tile"]);
    assert!(
        !found(bed.path()).1.iter().any(|line| line.starts_with(&format!("row count: {name}")))
    );
}

#[test]
fn statistics_that_lie_are_told() {
    let bed = Bed::new();
    let (path, name, _) = bed.tile(0);
    let batch = &read(&path)[0];
    let mag = batch.column_by_name("mag").unwrap().as_primitive::<Float64Type>();
    let mut sorted: Vec<f64> = mag.values().to_vec();
    sorted.sort_by(f64::total_cmp);
    // Neither the least nor the largest: it is in the data only, which are stored as they are.
    let middle = sorted[sorted.len() / 2];
    let row = mag.values().iter().position(|value| *value == middle).unwrap();
    let mut bytes = fs::read(&path).unwrap();
    let at = bytes.windows(8).position(|window| window == middle.to_le_bytes()).unwrap();
    bytes[at..at + 8].copy_from_slice(&1e9_f64.to_le_bytes());
    fs::write(&path, bytes).unwrap();
    let place = format!("{name}, row group 0, row {row}, column mag: 1000000000.0 is more than");
    assert_told(bed.path(), FindingKind::Statistics, &[&place]);
}

#[test]
fn indexes_that_mislead_are_told() {
    let part = "t/t_id/dataset/index/part.0.parquet";
    let index = |change: &dyn Fn(RecordBatch) -> RecordBatch| {
        let bed = Bed::new();
        rewrite(&bed.path().join(part), change);
        bed
    };
    let bed = index(&|batch| pick(&batch, (0..batch.num_rows()).filter(|row| *row != 17)));
    assert_told(
        bed.path(),
        FindingKind::IndexLacks,
        &["t/t_id: id = 17 of row ", "does not lead to"],
    );
    let bed = index(&|batch| {
        let mut order: Vec<usize> = (0..batch.num_rows()).collect();
        order.swap(20, 21);
        pick(&batch, order)
    });
    assert_eq!(
        only(bed.path()),
        format!("index order: {part}, row group 0, row 21: the value 20 comes after 21")
    );
    let bed = index(&|batch| {
        let moved = batch.column_by_name("Npix").unwrap();
        let other = pick(&batch, (0..batch.num_rows()).map(|row| if row == 30 { 31 } else { row }));
        let mut columns = batch.columns().to_vec();
        for (at, name) in ["Norder", "Npix"].into_iter().enumerate() {
            columns[at] = Arc::clone(other.column_by_name(name).unwrap());
        }
        assert_eq!(moved.len(), other.num_rows());
        RecordBatch::try_new(batch.schema(), columns).unwrap()
    });
    let foreign =
        [&format!("{part}, row 30: it leads from 30 to the tile ")[..], "where no row has it"];
    assert_told(bed.path(), FindingKind::IndexForeign, &foreign);
    assert_told(bed.path(), FindingKind::IndexLacks, &["id = 30 of row"]);
    let bed = index(&|batch| {
        let rows = 0..batch.num_rows();
        pick(&batch, rows.flat_map(|row| std::iter::repeat_n(row, if row == 9 { 2 } else { 1 })))
    });
    assert_told(
        bed.path(),
        FindingKind::IndexForeign,
        &["it leads from 9 to the tile", "a second time"],
    );
}

#[test]
fn identifiers_of_several_rows_are_told() {
    let bed = Bed::new();
    let (path, name, _) = bed.tile(0);
    let mut same = 0;
    rewrite(&path, |batch| {
        let mut ids = ids(&batch);
        same = ids[2];
        ids[6] = same;
        with_column(&batch, "id", Arc::new(Int64Array::from(ids)))
    });
    let place = format!("{name}, row 6, column id: {same} is in row 2 of {name} too");
    assert_told(bed.path(), FindingKind::Repeated, &[&place]);
    // A name is in many rows: it is no identifier, unless the table says so.
    assert!(!found(bed.path()).1.iter().any(|line| line.contains("column name")));
    let mut metadata = TableMetadata { version: 1, ..TableMetadata::default() };
    let ucd = Some("meta.id;meta.main".to_owned());
    metadata.columns.insert("name".to_owned(), ColumnMetadata { ucd, ..ColumnMetadata::default() });
    fs::write(bed.path().join("t/table.toml"), toml::to_string(&metadata).unwrap()).unwrap();
    assert_told(bed.path(), FindingKind::Repeated, &["column name: row 1 is in row"]);
}

#[test]
fn what_a_key_points_to_is_unique() {
    let folder = tempfile::tempdir().unwrap();
    let shape = Shape { order: 0, ..Shape::default() };
    let mut twice = rows(100);
    twice[5].id = 6;
    fixture::write_table(&folder.path().join("object"), &shape, &twice);
    fixture::write_table(&folder.path().join("source"), &shape, &rows(100));
    let key = KeyMetadata {
        target: "public.object".to_owned(),
        columns: [("id".to_owned(), "id".to_owned())].into(),
        tiled_with: None,
        description: None,
    };
    let metadata = TableMetadata { version: 1, keys: vec![key], ..TableMetadata::default() };
    let toml = toml::to_string(&metadata).unwrap();
    fs::write(folder.path().join("source/table.toml"), &toml).unwrap();
    let reports = checked(folder.path(), 10);
    let told: Vec<String> = reports[0].findings.iter().map(ToString::to_string).collect();
    assert!(told.len() == 1 && told[0].contains("column id: 6 is in row"), "{told:?}");
    assert!(reports[1].is_good());
    fs::write(folder.path().join("source/table.toml"), toml.replace("id = \"id\"", "idd = \"id\""))
        .unwrap();
    let told = &checked(folder.path(), 10)[1].findings[0];
    assert!(told.to_string().contains("idd is no column of its tiles"), "{told}");
}

#[test]
fn mocs_and_own_positions_are_held_against_rows() {
    let folder = tempfile::tempdir().unwrap();
    let shape = Shape { own_positions: true, ..Shape::default() };
    fixture::write_table(&folder.path().join("t"), &shape, &rows(200));
    let slack = |arcsec: f64| {
        let text = format!(
            "version = 1\n[position]\nra = \"own_ra\"\ndec = \"own_dec\"\nslack_arcsec = {arcsec}\n"
        );
        fs::write(folder.path().join("t/table.toml"), text).unwrap();
    };
    slack(fixture::OWN_ARCSEC + 0.01);
    assert_eq!(found(folder.path()).1, [""; 0]);
    slack(fixture::OWN_ARCSEC - 0.01);
    let (kinds, lines) = found(folder.path());
    assert_eq!((kinds.as_slice(), lines.len()), (&[FindingKind::Slack][..], 200));
    assert!(
        lines[0].contains("is 2.9") && lines[0].contains("beyond the slack of 2.89"),
        "{}",
        lines[0]
    );

    let bed = Bed::new();
    let table = bed.table();
    let (_, name, pixel) = bed.tile(3);
    let rest = Coverage::from_ranges([pixel.range()]).complement();
    moc_file::write(&table, &rest, Order::new(11).unwrap()).unwrap();
    let (kinds, lines) = found(bed.path());
    assert_eq!(kinds, [FindingKind::Moc]);
    let of_tile = lines.iter().all(|line| line.starts_with(&format!("MOC: {name}, row group 0")));
    assert!(of_tile && lines[0].contains("lies outside of the MOC"), "{lines:#?}");
    fs::write(table.join("moc.txt"), "0/1\n").unwrap();
    assert_told(bed.path(), FindingKind::Moc, &["t/t/moc.txt: it is not the MOC of moc.fits"]);
    fs::write(table.join("moc.fits"), "SIMPLE").unwrap();
    assert_told(bed.path(), FindingKind::Moc, &["t/t/moc.fits: the file ends early"]);
}

#[test]
fn properties_that_contradict_each_other_are_told() {
    let bed = Bed::new();
    replace(&bed.table().join("properties"), "hats_order=", "hats_order=1");
    assert_told(bed.path(), FindingKind::Properties, &["t/t/properties: hats_order is 1"]);
    replace(&bed.table().join("hats.properties"), "hats_order=", "hats_order=1");
    let order = only(bed.path());
    assert!(
        order.starts_with("properties: t/t: hats_order=1") && order.contains("but its smallest")
    );
    let bed = Bed::new();
    for name in ["hats.properties", "properties"] {
        let path = bed.path().join("t/t_id").join(name);
        replace(&path, "hats_primary_table_url=t/t", "hats_primary_table_url=t/other");
    }
    assert_told(bed.path(), FindingKind::Properties, &["t/t_id: hats_primary_table_url=t/other"]);
}

#[test]
fn columns_that_differ_are_told() {
    let bed = Bed::new();
    let (path, name, _) = bed.tile(0);
    rewrite(&path, |batch| {
        let last = batch.schema().index_of("name").unwrap();
        batch.project(&(0..last).collect::<Vec<_>>()).unwrap()
    });
    let place = format!("columns: {name}, column name: the file has no such column");
    assert_told(bed.path(), FindingKind::Columns, &[&place]);
}

#[test]
fn nan_is_only_remarked_and_many_findings_are_counted() {
    let folder = tempfile::tempdir().unwrap();
    let mut some = rows(300);
    some[9].mag = f64::NAN;
    let shape = Shape { order: 0, ..Shape::default() };
    let paths = fixture::write_table(&folder.path().join("t"), &shape, &some);
    let report = checked(folder.path(), 10).pop().unwrap();
    assert!(report.is_good() && report.findings.len() == 1);
    assert_eq!(report.findings[0].kind, FindingKind::NotANumber);
    rewrite(&paths[0], |batch| pick(&batch, (0..batch.num_rows()).rev()));
    let report = checked(folder.path(), 3).pop().unwrap();
    assert!(!report.is_good());
    let orders = report.findings.iter().filter(|f| f.kind == FindingKind::Order).count();
    let count = u64::try_from(read(&paths[0])[0].num_rows()).unwrap();
    assert_eq!((orders, report.more.get(&FindingKind::Order)), (3, Some(&(count - 4))));
}
