//! CSV and its kin.

use std::io::Write as _;
use std::path::Path;

use datafusion::arrow::datatypes::DataType;
use flate2::Compression;
use flate2::write::GzEncoder;

use super::{check_error, read, read_as, read_file};
use crate::read::{CsvOptions, ReadOptions};

fn typed(column: &str, data_type: DataType) -> ReadOptions {
    ReadOptions { types: [(column.to_owned(), data_type)].into(), ..ReadOptions::default() }
}

#[test]
fn types_are_those_of_the_values() {
    let text = "\u{feff}id, name ,b,f,d,t,e\r\n1,\"a, \"\"b\"\"\nc\",true,1,2026-11-21,2026-11-21T01:02:03,\r\n\
                -2,,FALSE,2.5,,2026-11-21 00:00:00.5,\r\n";
    let read = read("t.csv", text.as_bytes());
    let expected = [
        "id Int64",
        "name Utf8",
        "b Boolean",
        "f Float64",
        "d Date32",
        "t Timestamp(µs)",
        "e Utf8",
    ];
    assert_eq!(read.columns(), expected);
    assert_eq!(
        read.rows,
        [
            ["1", "a, \"b\"\nc", "true", "1.0", "2026-11-21", "2026-11-21T01:02:03", "NULL"],
            ["-2", "NULL", "false", "2.5", "NULL", "2026-11-21T00:00:00.500", "NULL"],
        ]
    );
    assert_eq!(read.progress.rows, 2);
    assert_eq!(read.progress.bytes, read.progress.total_bytes);
}

#[test]
fn options_say_what_the_file_does_not() {
    let text = b"# made by hand\n1|NA|'x|y'\n# again\n2|-|z\n";
    let csv = CsvOptions {
        separator: Some(b'|'),
        header: false,
        quote: b'\'',
        comment: Some(b'#'),
        nulls: vec!["NA".to_owned(), "-".to_owned()],
    };
    let options = ReadOptions { csv, ..typed("column_1", DataType::UInt8) };
    let read = read_as("t.txt", text, &options).unwrap();
    assert_eq!(read.columns(), ["column_1 UInt8", "column_2 Utf8", "column_3 Utf8"]);
    assert_eq!(read.rows, [["1", "NULL", "x|y"], ["2", "NULL", "z"]]);
}

#[test]
fn a_value_that_does_not_fit_is_named() {
    let mut text = String::from("id,mag\n");
    for id in 0..10_000 {
        text.push_str(&format!("{id},\"1\n\"\n"));
    }
    text.push_str("10000,bright\n");
    let expected = "FILE: row 10001, line 20002, column mag: \"bright\" is no Int64, as the first \
                    10000 rows have it: give the column a type (column_types = mag:text)";
    check_error("t.csv", text.as_bytes(), &ReadOptions::default(), expected);
    let read = read_as("t.csv", text.as_bytes(), &typed("mag", DataType::Utf8)).unwrap();
    assert_eq!(
        (read.rows.len(), read.rows[10_000][1].as_str(), read.batches),
        (10_001, "bright", 2)
    );
    let given = "row 1, line 2, column id: \"300\" is no Int8, the type that was given";
    check_error("t.csv", b"id\n300\n", &typed("id", DataType::Int8), given);
}

#[test]
fn what_is_wrong_is_named() {
    for (text, expected) in [
        (
            "a,b\n1,2\n3,4,5\n6,7\n",
            "FILE: row 2, line 3: the row has 3 values in place of 2, separated by ','",
        ),
        ("a,b\n1,2\n\"3,4\n5,6\n", "the row has 1 values in place of 2"),
        ("a,b,a\n1,2,3\n", "columns 1 and 3 are both named a: rename one of them"),
    ] {
        check_error("t.csv", text.as_bytes(), &ReadOptions::default(), expected);
    }
    check_error("t.csv", b"", &ReadOptions::default(), "FILE: the file is empty");
    check_error(
        "t.csv",
        b"\0\x01\x02",
        &ReadOptions::default(),
        "none of Parquet, Arrow IPC, FITS, VOTable or CSV",
    );
    check_error(
        "t.fits",
        b"a,b\n",
        &ReadOptions::default(),
        "named like FITS, but does not begin like one",
    );
    check_error("t.vot.gz", b"a,b\n", &ReadOptions::default(), "named like VOTable, but");
    check_error(
        "t.csv",
        b"a\n1\n",
        &typed("a", DataType::Binary),
        "the type Binary is not read: give a",
    );
    let folder = tempfile::tempdir().unwrap();
    let error = read_file(folder.path(), &ReadOptions::default()).unwrap_err();
    assert!(error.contains("this is not a file"), "{error}");
    let error = read_file(&folder.path().join("none"), &ReadOptions::default()).unwrap_err();
    assert!(error.contains("cannot read") && error.contains("No such file"), "{error}");
}

#[test]
fn packed_files_are_unpacked() {
    let text: String = (0..50_000).map(|id| format!("{id},{}.5\n", id % 7)).collect();
    let text = format!("id,mag\n{text}");
    let mut members = Vec::new();
    for part in [&text[..1_000], &text[1_000..]] {
        let mut packer = GzEncoder::new(Vec::new(), Compression::fast());
        packer.write_all(part.as_bytes()).unwrap();
        members.extend(packer.finish().unwrap());
    }
    let zstd = zstd::encode_all(text.as_bytes(), 1).unwrap();
    for packed in [&members, &zstd] {
        let read = read("t.csv", packed);
        assert_eq!(
            (read.rows.len(), read.rows[49_999].join(" ")),
            (50_000, "49999 5.5".to_owned())
        );
        assert_eq!(read.progress.bytes, packed.len() as u64);
        let cut = &packed[..packed.len() - 20];
        check_error("t.csv", cut, &ReadOptions::default(), "the file ends early");
    }
    let mut damaged = members.clone();
    // The sum over the content, and its length.
    let end = damaged.len();
    damaged[end - 8..].fill(0x55);
    check_error("t.csv", &damaged, &ReadOptions::default(), "the file is damaged");
}

#[test]
fn the_open_ngc_is_read() {
    let path = Path::new("../../shared/data/opengc/NGC.csv.gz");
    if !path.is_file() {
        eprintln!("NOT TESTED: {} is absent", path.display());
        return;
    }
    let read = read_file(path, &ReadOptions::default()).unwrap();
    assert_eq!(read.rows.len(), 13_969);
    assert_eq!(
        &read.columns()[..7],
        [
            "Name Utf8",
            "Type Utf8",
            "RA Utf8",
            "Dec Utf8",
            "Const Utf8",
            "MajAx Float64",
            "MinAx Float64"
        ]
    );
    assert_eq!(read.column("PosAng").len(), 13_969);
    let andromeda = read.rows.iter().find(|row| row[0] == "NGC0224").unwrap();
    assert_eq!(&andromeda[1..6], ["G", "00:42:44.35", "+41:16:08.6", "And", "177.83"]);
}
