//! Imports of small files of every kind, against positions and counts that are worked out by hand.

mod children;
mod refused;
mod resumed;
mod saying;
mod versions;
mod wide;

use std::collections::BTreeMap;
use std::fs::{self, File};
use std::path::{Path, PathBuf};

use datafusion::arrow::array::RecordBatch;
use datafusion::arrow::util::display::array_value_to_string;
use datafusion::parquet::arrow::arrow_reader::ParquetRecordBatchReaderBuilder;

use super::fixture::{ask, open};
use crate::Error;
use crate::import::{
    ImportOptions, Placing, PositionChoice, PositionUnit, Reasons, Report, WITHOUT_POSITION, import,
};

/// A folder for inputs beside one for tables.
struct Bench {
    folder: tempfile::TempDir,
}

impl Bench {
    fn new() -> Self {
        Self { folder: tempfile::tempdir().unwrap() }
    }

    fn data(&self) -> PathBuf {
        self.folder.path().join("data")
    }

    fn input(&self, name: &str, content: &str) -> PathBuf {
        let path = self.folder.path().join("input").join(name);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(&path, content).unwrap();
        path
    }

    fn options(&self, inputs: Vec<PathBuf>, table: &str) -> ImportOptions {
        ImportOptions::new(inputs, self.data().join("s").join(table))
    }

    fn import(&self, inputs: Vec<PathBuf>, table: &str) -> Result<Report, Error> {
        import(&self.options(inputs, table), &|_| {})
    }

    /// The rows of an answer.
    async fn ask(&self, adql: &str) -> Vec<String> {
        let snapshot = open(&self.data()).await;
        ask(&snapshot, true, adql).await
    }
}

fn said(result: Result<Report, Error>) -> String {
    result.map(|report| format!("no error: {report:?}")).unwrap_or_else(|e| e.to_string())
}

/// All files below a folder with their bytes.
fn files(folder: &Path) -> BTreeMap<String, Vec<u8>> {
    let mut found = BTreeMap::new();
    let mut open = vec![folder.to_owned()];
    while let Some(next) = open.pop() {
        for entry in fs::read_dir(&next).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                open.push(path);
            } else {
                let name = path.strip_prefix(folder).unwrap().to_string_lossy().into_owned();
                found.insert(name, fs::read(&path).unwrap());
            }
        }
    }
    found
}

fn read(path: &Path) -> Vec<RecordBatch> {
    let reader = ParquetRecordBatchReaderBuilder::try_new(File::open(path).unwrap()).unwrap();
    reader.build().unwrap().map(Result::unwrap).collect()
}

/// The values of a column of the rows that were put aside.
fn aside(report: &Report, column: &str) -> Vec<String> {
    let path = report.aside.as_ref().expect("rows were put aside");
    assert!(path.ends_with(WITHOUT_POSITION));
    let batches = read(path);
    let values = batches.iter().flat_map(|batch| {
        let values = batch.column_by_name(column).unwrap();
        (0..batch.num_rows()).map(|row| array_value_to_string(values, row).unwrap())
    });
    values.collect()
}

fn unit(unit: PositionUnit) -> Placing {
    Placing::Position(PositionChoice { unit: Some(unit), ..PositionChoice::default() })
}

#[tokio::test]
async fn rows_are_found_where_they_are_and_others_are_kept_aside() {
    let bench = Bench::new();
    let csv = "id,ra,dec,mag\n1,0,0,1.5\n2,360,0,\n3,12.5,90,3\n4,200,-90,4\n5,359.9999999,45,5\n\
               6,400,0,6\n7,10,95,7\n8,,10,8\n9,10,,9\n10,NaN,0,10\n11,-1,0,11\n1,0,0,1.5\n";
    let report = bench.import(vec![bench.input("a.csv", csv)], "t").unwrap();
    assert_eq!((report.table.rows, report.table.unplaced), (6, 6));
    let expected = Reasons { missing: 3, out_of_range: 3, unreadable: 0 };
    assert_eq!(report.without_position, expected);
    assert_eq!(aside(&report, "id"), ["6", "7", "8", "9", "10", "11"]);
    assert_eq!(bench.ask("SELECT COUNT(*) AS n FROM s.t").await, ["6"]);
    let at = |ra: f64, dec: f64| {
        format!("SELECT id FROM s.t WHERE DISTANCE(ra, dec, {ra}, {dec}) < 0.0001")
    };
    assert_eq!(bench.ask(&at(0.0, 0.0)).await, ["1", "1", "2"]);
    assert_eq!(bench.ask(&at(99.0, 90.0)).await, ["3"]);
    assert_eq!(bench.ask(&at(5.0, -90.0)).await, ["4"]);
    assert_eq!(bench.ask(&at(0.0, 45.0)).await, ["5"]);
    assert_eq!(bench.ask("SELECT id FROM s.t WHERE mag IS NULL").await, ["2"]);
}

/// M31, a place just south of the equator, whose sign is that of minus zero, what is no place, what
/// is beyond all, and the pole; each table has them in its own way.
const PLACES: [(&str, [&str; 5]); 5] = [
    (
        "sexagesimal",
        [
            "00:42:44.35,+41:16:08.6",
            "23 59 59.5,-00 30 15",
            "M31,+1:00:00",
            "24:00:01,0:0:0",
            "24:00:00,+90:00:00",
        ],
    ),
    (
        "in_hours",
        [
            "0.7123194444444444,41.26905555555555",
            "23.999861111111112,-0.5041666666666667",
            ",1",
            "24.001,0",
            "24,90",
        ],
    ),
    (
        "in_radians",
        [
            "0.1864847944729858,0.720280898632902",
            "6.283148946153503,-0.008799368312138078",
            ",1",
            "6.29,0",
            "6.283185307179586,1.5707963267948966",
        ],
    ),
    (
        "in_degrees",
        [
            "10.684791666666667,41.26905555555555",
            "359.99791666666664,-0.5041666666666667",
            ",1",
            "360.001,0",
            "360,90",
        ],
    ),
    (
        "letters",
        ["10d41m05.25s,41d16m08.6s", "23h59m59.5s,-0d30m15s", "10.5,1d", "361d,0d", "360d,90d"],
    ),
];

#[tokio::test]
async fn positions_are_degrees_whatever_they_were_written_as() {
    let bench = Bench::new();
    let found = Placing::Position(PositionChoice::default());
    let how = [
        (found.clone(), ["ra_deg", "dec_deg"]),
        (unit(PositionUnit::Hours), ["ra_deg", "dec"]),
        (unit(PositionUnit::Radians), ["ra_deg", "dec_deg"]),
        (unit(PositionUnit::Degrees), ["ra", "dec"]),
        (found, ["ra_deg", "dec_deg"]),
    ];
    for ((table, places), (placing, [ra, dec])) in PLACES.into_iter().zip(how) {
        let [m31, south, bad, beyond, north] = places;
        let csv = format!(
            "name,ra,dec\nM31,{m31}\nS,{south}\nbad,{bad}\nnone,,\nbeyond,{beyond}\nnorth,{north}\n"
        );
        let csv = if table == "sexagesimal" { csv.replace(',', ";") } else { csv };
        let input = bench.input(&format!("{table}.csv"), &csv);
        let options = ImportOptions { placing, ..bench.options(vec![input], table) };
        let report = import(&options, &|_| {}).unwrap_or_else(|e| panic!("{table}: {e}"));
        assert_eq!((report.table.rows, report.table.unplaced), (3, 3), "{table}");
        assert_eq!(aside(&report, "name"), ["bad", "none", "beyond"], "{table}");
        let near = |ra_deg: f64, dec_deg: f64| {
            format!(
                "SELECT name FROM s.{table} WHERE DISTANCE({ra}, {dec}, {ra_deg}, {dec_deg}) < \
                 0.000001"
            )
        };
        assert_eq!(bench.ask(&near(10.684_791_666, 41.269_055_555)).await, ["M31"], "{table}");
        assert_eq!(bench.ask(&near(359.997_916_666, -0.504_166_666)).await, ["S"], "{table}");
        assert_eq!(bench.ask(&near(0.0, 90.0)).await, ["north"], "{table}");
        let remarks = report.remarks.iter().filter(|said| said.contains("_deg has it in degrees"));
        let added = [ra, dec].iter().filter(|name| name.ends_with("_deg")).count();
        assert_eq!(remarks.count(), added, "{table}: {:?}", report.remarks);
    }
}

#[tokio::test]
async fn integers_and_the_order_of_columns_do_not_matter() {
    let bench = Bench::new();
    let one = bench.input("f/one.csv", "id,ra,dec\n1,10,20\n2,30,40\n");
    bench.input("f/two.csv", "dec,id,ra\n-5.5,3,7.25\n");
    bench.input("f/read.me", "not a table");
    let report = bench.import(vec![one.parent().unwrap().to_owned()], "t").unwrap();
    assert_eq!((report.table.rows, report.files), (3, 2));
    assert_eq!(bench.ask("SELECT ra, dec FROM s.t WHERE id = 3").await, ["7.25|-5.5"]);
    assert_eq!(bench.ask("SELECT ra, dec FROM s.t WHERE id = 1").await, ["10.0|20.0"]);
    // What was written is read again, and its margin is not.
    let hats = bench.data().join("s/t");
    let options = ImportOptions { margin_arcsec: Some(10.0), ..bench.options(vec![hats], "u") };
    let again = import(&options, &|_| {}).unwrap();
    assert_eq!(again.table.rows, 3);
    let whole = ImportOptions {
        margin_arcsec: Some(500_000.0),
        tile_rows: 1,
        indexes: vec!["id".to_owned()],
        ..bench.options(vec![bench.data().join("s/u")], "v")
    };
    let whole = import(&whole, &|_| {}).unwrap();
    assert!(whole.table.tiles == 3 && whole.table.margin_rows > 0 && whole.table.index_rows == 3);
    assert_eq!(bench.import(vec![bench.data().join("s/v")], "w").unwrap().table.rows, 3);
}

#[tokio::test]
async fn units_and_ucds_of_the_file_are_those_of_the_table() {
    let bench = Bench::new();
    let vot = "<VOTABLE version='1.4'><RESOURCE><TABLE name='x'>\
        <DESCRIPTION>Some stars</DESCRIPTION>\
        <FIELD name='a' datatype='double' unit='rad' ucd='pos.eq.ra;meta.main'/>\
        <FIELD name='d' datatype='double' unit='rad' ucd='pos.eq.dec;meta.main'/>\
        <FIELD name='ra' datatype='double' unit='deg'/>\
        <FIELD name='dec' datatype='double' unit='deg'/>\
        <FIELD name='g' datatype='float' unit='mag' ucd='phot.mag'>\
        <DESCRIPTION>magnitude</DESCRIPTION></FIELD>\
        <DATA><TABLEDATA><TR><TD>1</TD><TD>0.5</TD><TD>0</TD><TD>0</TD><TD>7.5</TD></TR>\
        </TABLEDATA></DATA></TABLE></RESOURCE></VOTABLE>";
    bench.import(vec![bench.input("x.vot", vot)], "t").unwrap();
    let columns = "SELECT column_name, unit, ucd FROM TAP_SCHEMA.columns \
                   WHERE table_name = 's.t' AND ucd IS NOT NULL AND column_name <> '_healpix_29'";
    assert_eq!(
        bench.ask(columns).await,
        [
            "a|rad|pos.eq.ra",
            "dec_deg|deg|pos.eq.dec;meta.main",
            "d|rad|pos.eq.dec",
            "g|mag|phot.mag",
            "ra_deg|deg|pos.eq.ra;meta.main"
        ]
    );
    let described = "SELECT description FROM TAP_SCHEMA.tables WHERE table_name = 's.t'";
    assert_eq!(bench.ask(described).await, ["Some stars"]);
    assert_eq!(bench.ask("SELECT ra_deg FROM s.t").await, [1.0_f64.to_degrees().to_string()]);
}

#[tokio::test]
async fn a_table_without_positions_is_whole_and_joins() {
    let bench = Bench::new();
    bench.import(vec![bench.input("o.csv", "id,band,ra,dec\n1,g,1,1\n2,r,2,2\n")], "o").unwrap();
    let bands = bench.input("b.csv", "band,nm\ng,480.5\nr,NaN\ni,760\n");
    let placing = Placing::Nowhere;
    let options =
        ImportOptions { placing, tile_rows: 2, ..bench.options(vec![bands.clone(), bands], "b") };
    assert!(said(import(&options, &|_| {})).contains("is given twice"));
    let options = ImportOptions { inputs: options.inputs[..1].to_vec(), ..options };
    let report = import(&options, &|_| {}).unwrap();
    assert_eq!((report.table.rows, report.aside), (3, None));
    let snapshot = open(&bench.data()).await;
    let table = snapshot.tiled_tables().iter().find(|t| t.name().table == "b").unwrap();
    assert!(table.is_everywhere(0) && table.table().positions.is_none());
    let query = "SELECT o.id, b.nm FROM s.o AS o JOIN s.b AS b ON o.band = b.band";
    assert_eq!(bench.ask(query).await, ["1|480.5", "2|"]);
}
