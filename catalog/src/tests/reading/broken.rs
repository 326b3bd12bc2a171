//! Small valid files of every format, cut and damaged at random: never a panic, never endless.

use std::io::Read as _;
use std::sync::Arc;

use datafusion::arrow::array::{
    ArrayRef, Float64Array, Int64Array, ListArray, RecordBatch, StringArray,
};
use datafusion::arrow::datatypes::Int32Type;
use datafusion::parquet::arrow::ArrowWriter;
use datafusion::parquet::file::metadata::KeyValue;
use flate2::Compression;
use flate2::read::GzEncoder;

use super::{Read, check_error, read, read_as};
use crate::read::ReadOptions;

/// The columns `id`, `x`, `name` and `list` in every format; `list` is not in CSV.
fn samples() -> Vec<(&'static str, Vec<u8>)> {
    let fields = r#"<FIELD name="id" datatype="long"/><FIELD name="x" datatype="double" unit="m"/>
      <FIELD name="name" datatype="unicodeChar" arraysize="*"/>
      <FIELD name="list" datatype="int" arraysize="*"/>"#;
    let votable = |data: &str| {
        format!("<?xml version=\"1.0\"?><VOTABLE><RESOURCE><TABLE>{fields}<DATA>{data}</DATA></TABLE></RESOURCE></VOTABLE>")
            .into_bytes()
    };
    let words = votable(
        "<TABLEDATA><TR><TD>1</TD><TD>1.5</TD><TD>a&amp;b</TD><TD>1 2</TD></TR><TR><TD>2</TD><TD/><TD/><TD/></TR></TABLEDATA>",
    );
    let stream = "AAAAAAAAAAE/+AAAAAAAAAAAAAMAYQAmAGIAAAACAAAAAQAAAAI";
    let binary =
        votable(&format!("<BINARY><STREAM encoding=\"base64\">{stream}</STREAM></BINARY>"));
    let flagged = votable(
        "<BINARY2><STREAM encoding=\"base64\">AAAAAAAAAAABP/gAAAAAAAAAAAADAGEAJgBiAAAAAgAAAAEAAAACcAAAAAAAAAACAAAAAAAAAAAAAAAAAAAAAA==</STREAM></BINARY2>",
    );
    let csv = b"id,x,name\n1,1.5,a&b\n2,,\n".to_vec();
    let mut packed = Vec::new();
    GzEncoder::new(words.as_slice(), Compression::fast()).read_to_end(&mut packed).unwrap();
    let zstd = zstd::encode_all(csv.as_slice(), 1).unwrap();
    vec![
        ("words.vot", words),
        ("binary.vot", binary),
        ("binary2.vot", flagged),
        ("a.csv", csv),
        ("a.vot.gz", packed),
        ("a.csv.zst", zstd),
        ("a.parquet", parquet(None)),
        ("a.fits", super::fits::sample()),
    ]
}

fn parquet(votable: Option<&str>) -> Vec<u8> {
    let lists = [Some(vec![Some(1), Some(2)]), None];
    let columns: [(&str, ArrayRef); 4] = [
        ("id", Arc::new(Int64Array::from(vec![1, 2]))),
        ("x", Arc::new(Float64Array::from(vec![Some(1.5), None]))),
        ("name", Arc::new(StringArray::from(vec![Some("a&b"), None]))),
        ("list", Arc::new(ListArray::from_iter_primitive::<Int32Type, _, _>(lists))),
    ];
    let batch =
        RecordBatch::try_from_iter_with_nullable(columns.map(|(name, array)| (name, array, true)))
            .unwrap();
    let mut writer = ArrowWriter::try_new(Vec::new(), batch.schema(), None).unwrap();
    writer.write(&batch).unwrap();
    if let Some(votable) = votable {
        let key = "IVOA.VOTable-Parquet.content".to_owned();
        writer.append_key_value_metadata(KeyValue::new(key, votable.to_owned()));
    }
    writer.into_inner().unwrap()
}

#[test]
fn every_format_gives_the_same_rows() {
    for (name, bytes) in samples() {
        let Read { schema, rows, .. } = read(name, &bytes);
        let width = schema.fields().len();
        assert_eq!(rows[0], ["1", "1.5", "a&b", "[1, 2]"][..width], "{name}");
        if name != "binary.vot" {
            assert_eq!(rows[1], ["2", "NULL", "NULL", "NULL"][..width], "{name}");
        }
    }
}

#[test]
fn parquet_is_described_by_its_votable() {
    let votable = |fields: &str| {
        format!("<VOTABLE><RESOURCE><TABLE name=\"t\">{fields}</TABLE></RESOURCE></VOTABLE>")
    };
    let field = r#"<FIELD name="f" datatype="int" unit="s"/>"#;
    let read_with = |text: &str| read("t.parquet", &parquet(Some(text)));
    let told = read_with(&votable(&field.repeat(4)));
    assert_eq!(told.metadata.title.as_deref(), Some("t"));
    assert_eq!(told.metadata.columns["list"].unit.as_deref(), Some("s"));
    assert!(told.remarks.is_empty());
    assert_eq!((told.progress.rows, told.progress.bytes), (2, told.progress.total_bytes));
    let other = read_with(&votable(field));
    assert!(other.metadata.columns.is_empty());
    assert_eq!(
        other.remarks,
        ["the VOTable in the file has other columns than the file: it is not used"]
    );
    let wrong = read_with("<VOTABLE><RESOURCE>");
    assert!(wrong.remarks[0].contains("is not used: "), "{:?}", wrong.remarks);
    check_error(
        "t.parquet",
        b"PAR1 and no more PAR1",
        &ReadOptions::default(),
        "damaged or cut short",
    );
}

/// Numbers that are the same in every run.
struct Random(u64);

impl Random {
    fn below(&mut self, end: usize) -> usize {
        // Splitmix64.
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut mixed = self.0;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        usize::try_from((mixed ^ (mixed >> 31)) % end as u64).unwrap()
    }
}

#[test]
fn damaged_files_are_refused_or_read() {
    let mut random = Random(7);
    let options = ReadOptions { batch_rows: 3, ..ReadOptions::default() };
    for (name, whole) in samples() {
        for round in 0..300 {
            let mut bytes = whole.clone();
            for _ in 0..round % 4 {
                let at = random.below(bytes.len());
                bytes[at] = u8::try_from(random.below(256)).unwrap();
            }
            if round % 3 == 0 {
                bytes.truncate(random.below(bytes.len()));
            }
            let read = read_as(name, &bytes, &options);
            if let Err(error) = read {
                assert!(error.contains("FILE"), "{name}: {error}");
            }
        }
    }
}
