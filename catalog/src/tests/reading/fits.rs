//! FITS binary tables, byte by byte.

use std::io::Read as _;

use flate2::Compression;
use flate2::read::GzEncoder;

use super::{check_error, read, read_as};
use crate::metadata::{FrameMetadata, TableMetadata, TimeMetadata};
use crate::read::{ReadOptions, TableChoice};

/// A header of these cards, filled up to a block.
fn header(cards: &[String]) -> Vec<u8> {
    let mut bytes: Vec<u8> = cards.iter().flat_map(|c| format!("{c:80}").into_bytes()).collect();
    bytes.extend(format!("{:80}", "END").bytes());
    bytes.resize(bytes.len().next_multiple_of(2_880), b' ');
    bytes
}

fn padded(mut bytes: Vec<u8>) -> Vec<u8> {
    bytes.resize(bytes.len().next_multiple_of(2_880), 0);
    bytes
}

/// A primary unit with an image of so many bytes.
fn primary(bytes: usize) -> Vec<u8> {
    let cards = [
        "SIMPLE  = T".to_owned(),
        "BITPIX  = 8".to_owned(),
        "NAXIS   = 1".to_owned(),
        format!("NAXIS1  = {bytes}"),
    ];
    [header(&cards), padded(vec![7; bytes])].concat()
}

/// A binary table: cards of each column without its number, rows, heap.
fn table(columns: &[&[&str]], rows: &[&[u8]], heap: &[u8], more: &[&str]) -> Vec<u8> {
    let width = rows.first().map_or(1, |row| row.len());
    let mut cards = vec![
        "XTENSION= 'BINTABLE'".to_owned(),
        "BITPIX  = 8".to_owned(),
        "NAXIS   = 2".to_owned(),
        format!("NAXIS1  = {width}"),
        format!("NAXIS2  = {}", rows.len()),
        format!("PCOUNT  = {}", heap.len()),
        "GCOUNT  = 1".to_owned(),
        format!("TFIELDS = {}", columns.len()),
    ];
    for (at, column) in columns.iter().enumerate() {
        for card in *column {
            let (key, value) = card.split_once('=').unwrap();
            cards.push(format!("{:8}= {value}", format!("{key}{}", at + 1)));
        }
    }
    cards.extend(more.iter().map(|card| (*card).to_owned()));
    [header(&cards), padded([rows.concat(), heap.to_vec()].concat())].concat()
}

fn file(columns: &[&[&str]], rows: &[&[u8]], heap: &[u8]) -> Vec<u8> {
    [primary(0), table(columns, rows, heap, &[])].concat()
}

/// The rows that every format has.
pub(super) fn sample() -> Vec<u8> {
    let columns: [&[&str]; 4] = [
        &["TTYPE='id'", "TFORM='K'"],
        &["TTYPE='x'", "TFORM='J'", "TSCAL=0.5", "TNULL=-9"],
        &["TTYPE='name'", "TFORM='5A'"],
        &["TTYPE='list'", "TFORM='1PJ(2)'"],
    ];
    let row = |id: i64, x: i32, name: &[u8], count: i32| {
        [&id.to_be_bytes()[..], &x.to_be_bytes(), name, &count.to_be_bytes(), &[0; 4]].concat()
    };
    let rows = [row(1, 3, b"a&b  ", 2), row(2, -9, b"     ", 0)];
    file(&columns, &[&rows[0], &rows[1]], &[0, 0, 0, 1, 0, 0, 0, 2])
}

#[test]
fn metadata_are_kept() {
    let columns: [&[&str]; 2] = [
        &[
            "TTYPE='ra' / label for field 1",
            "TFORM='1D'",
            "TUNIT='deg'",
            "TUCD='pos.eq.ra'",
            "TUTYP='a:b'",
            "TCOMM='where'",
        ],
        &["TTYPE='m' / a matrix", "TFORM='6I'", "TDIM='(3,2)'"],
    ];
    let row = [1.5f64.to_be_bytes().to_vec(), (1..=6).flat_map(|n: i16| n.to_be_bytes()).collect()]
        .concat();
    let wanted = table(&columns, &[&row], &[], &["EXTNAME = 'STARS'", "TITLE   = 'All of them'"]);
    let other = table(&[&["TFORM='J'"]], &[&[0, 0, 0, 9]], &[], &["EXTNAME = 'other'"]);
    let bytes = [primary(5_000_000), wanted, other].concat();
    let first = read("t.fits", &bytes);
    assert_eq!(first.metadata.title.as_deref(), Some("STARS"));
    assert_eq!(first.metadata.description.as_deref(), Some("All of them"));
    let ra = &first.metadata.columns["ra"];
    let said = [&ra.unit, &ra.ucd, &ra.utype, &ra.description].map(|text| text.as_deref().unwrap());
    assert_eq!(said, ["deg", "pos.eq.ra", "a:b", "where"]);
    let note = "a matrix (arrays of 3x2, flat, the first index the fastest)";
    assert_eq!(first.metadata.columns["m"].description.as_deref(), Some(note));
    assert_eq!(first.rows, [["1.5", "[1, 2, 3, 4, 5, 6]"]]);
    assert_eq!((first.progress.rows, first.progress.total_rows), (1, Some(1)));
    for choice in [TableChoice::Number(2), TableChoice::Name("Other".to_owned())] {
        let options = ReadOptions { table: Some(choice), ..ReadOptions::default() };
        let read = read_as("t.fits", &bytes, &options).unwrap();
        assert_eq!(
            (read.columns(), read.rows),
            (vec!["column_1 Int32".to_owned()], vec![vec!["9".to_owned()]])
        );
    }
    let options = ReadOptions { table: Some(TableChoice::Number(0)), ..ReadOptions::default() };
    let expected = "no binary table in HDU 0; its HDUs are 0 (the primary), 1 (BINTABLE STARS), 2 (BINTABLE other)";
    check_error("t.fits", &bytes, &options, expected);
}

/// What the header of a table with a position, two times and a text says.
fn said_of(cards: &[&str]) -> TableMetadata {
    let columns: [&[&str]; 4] = [
        &["TTYPE='alpha'", "TFORM='1D'", "TUCD='pos.eq.ra;meta.main'"],
        &["TTYPE='delta'", "TFORM='1D'", "TUCD='pos.eq.dec;meta.main'"],
        &["TTYPE='TIME'", "TFORM='1D'", "TUNIT='s'"],
        &["TTYPE='date'", "TFORM='20A'", "TUCD='time.start'"],
    ];
    let row = [[0; 24].as_slice(), &[b' '; 20]].concat();
    read("t.fits", &[primary(0), table(&columns, &[&row], &[], cards)].concat()).metadata
}

#[test]
fn frames_and_times_are_kept() {
    let said = said_of(&[
        "RADESYS = 'FK5'",
        "EQUINOX = 2000.0",
        "TIMESYS = 'TDB'",
        "TREFPOS = 'BARYCENTER'",
        "MJDREFI = 51910",
        "MJDREFF = 7.428703703703703D-4",
        "AUTHOR  = 'A. Star'",
        "REFERENC= '2022A&A...667A...1S'",
    ]);
    let frame = FrameMetadata {
        system: "FK5".to_owned(),
        equinox: Some("J2000.0".to_owned()),
        columns: vec!["alpha".to_owned(), "delta".to_owned()],
        ..FrameMetadata::default()
    };
    assert_eq!(said.frames, [frame]);
    let time = |origin, column: &str| TimeMetadata {
        scale: "TDB".to_owned(),
        refposition: "BARYCENTER".to_owned(),
        origin,
        columns: vec![column.to_owned()],
    };
    let zero = 2_400_000.5 + (51_910.0 + 7.428_703_703_703_703e-4);
    assert_eq!(said.times, [time(Some(zero), "TIME"), time(None, "date")]);
    assert_eq!(said.origin.creators, ["A. Star"]);
    assert_eq!(said.origin.article.as_deref(), Some("2022A&A...667A...1S"));
    let old = said_of(&["EQUINOX = 1950.0"]);
    assert_eq!((old.frames[0].system.as_str(), old.times.len()), ("FK4", 0));
    assert_eq!(old.frames[0].equinox.as_deref(), Some("B1950.0"));
    // Of a date that only a calendar knows no number is counted.
    let dated = said_of(&["TIMESYS = 'UTC'", "DATEREF = '2000-01-01T00:00:00'"]);
    assert_eq!(dated.times.len(), 1);
    assert_eq!(dated.times[0].columns, ["date"]);
    assert!(said_of(&[]).frames.is_empty());
}

#[test]
fn numbers_are_scaled_or_null() {
    let columns: [&[&str]; 9] = [
        &["TTYPE='i8'", "TFORM='B'", "TZERO=-128"],
        &["TTYPE='u16'", "TFORM='I'", "TZERO=32768", "TNULL=-32768"],
        &["TTYPE='u32'", "TFORM='J'", "TZERO=2147483648", "TSCAL=1.0"],
        &["TTYPE='u64'", "TFORM='K'", "TZERO=9223372036854775808"],
        &["TTYPE='s'", "TFORM='I'", "TSCAL=0.5D0", "TZERO=10.", "TNULL=-1"],
        &["TTYPE='l'", "TFORM='L'"],
        &["TTYPE='x'", "TFORM='3X'"],
        &["TTYPE='a'", "TFORM='4A'"],
        &["TTYPE='c'", "TFORM='C'"],
    ];
    let complex = [1.0f32.to_be_bytes(), (-2.0f32).to_be_bytes()].concat();
    let first = [
        &[0u8, 0x80, 0, 0x80, 0, 0, 0][..],
        &i64::MIN.to_be_bytes(),
        &[0, 3, b'T', 0b1010_0000],
        b"ab  ",
        &complex,
    ]
    .concat();
    let second = [
        &[255u8, 0x7f, 0xff, 0x7f, 0xff, 0xff, 0xff][..],
        &i64::MAX.to_be_bytes(),
        &[0xff, 0xff, 0, 0],
        b"\0xyz",
        &complex,
    ]
    .concat();
    let read = read("t.fits", &file(&columns, &[&first, &second], &[]));
    let types = [
        "i8 Int8",
        "u16 UInt16",
        "u32 UInt32",
        "u64 UInt64",
        "s Float64",
        "l Boolean",
        "x FixedSizeList(3 x Boolean)",
        "a Utf8",
        "c FixedSizeList(2 x Float32)",
    ];
    assert_eq!(read.columns(), types);
    assert_eq!(
        read.rows[0],
        ["-128", "NULL", "0", "0", "11.5", "true", "[true, false, true]", "ab", "[1.0, -2.0]"]
    );
    assert_eq!(
        read.rows[1],
        [
            "127",
            "65535",
            "4294967295",
            "18446744073709551615",
            "NULL",
            "NULL",
            "[false, false, false]",
            "NULL",
            "[1.0, -2.0]"
        ]
    );
}

#[test]
fn arrays_of_any_length_lie_in_the_heap() {
    let columns: [&[&str]; 4] = [
        &["TTYPE='p'", "TFORM='1PE(3)'"],
        &["TTYPE='q'", "TFORM='QA(9)'"],
        &["TTYPE='w'", "TFORM='6A3'"],
        &["TTYPE='n'", "TFORM='0J'"],
    ];
    let heap = [&1.0f32.to_be_bytes()[..], &f32::NAN.to_be_bytes(), b"heap"].concat();
    let descriptor = |count: i32, at: i32| [count.to_be_bytes(), at.to_be_bytes()].concat();
    let long = |count: i64, at: i64| [count.to_be_bytes(), at.to_be_bytes()].concat();
    let rows = [
        [descriptor(2, 0), long(4, 8), b"ab cde".to_vec()].concat(),
        [descriptor(0, 0), long(0, 0), b"      ".to_vec()].concat(),
        [descriptor(1, 4), long(3, 9), b"x  y  ".to_vec()].concat(),
    ];
    let rows: Vec<&[u8]> = rows.iter().map(Vec::as_slice).collect();
    let bytes = file(&columns, &rows, &heap);
    let mut packed = Vec::new();
    GzEncoder::new(bytes.as_slice(), Compression::fast()).read_to_end(&mut packed).unwrap();
    for bytes in [&bytes, &packed] {
        let read = read("t.fits", bytes);
        assert_eq!(
            read.columns(),
            ["p List(Float32)", "q Utf8", "w FixedSizeList(2 x Utf8)", "n Int32"]
        );
        let expected = [
            ["[1.0, NaN]", "heap", "[ab, cde]", "NULL"],
            ["NULL", "NULL", "[, ]", "NULL"],
            ["[NaN]", "eap", "[x, y]", "NULL"],
        ];
        assert_eq!(read.rows, expected);
    }
    for (count, at) in [(4, 0), (1, 100), (-1, 0), (i32::MAX, 0)] {
        let row = [descriptor(count, at), long(0, 0), b"      ".to_vec()].concat();
        let error = "FILE: row 1, column p: ";
        check_error("t.fits", &file(&columns, &[&row], &heap), &ReadOptions::default(), error);
    }
}

#[test]
fn what_is_wrong_is_named() {
    let check = |bytes: &[u8], expected: &str| {
        check_error("t.fits", bytes, &ReadOptions::default(), expected);
    };
    let one: [&[&str]; 1] = [&["TTYPE='i'", "TFORM='J'"]];
    let whole = file(&one, &[[0u8, 0, 0, 1].as_slice(); 2_000], &[]);
    check(&whole[..whole.len() - 2_880], "row 1441: the file ends early, in a table of 2000 rows");
    check(&whole[..4_000], "the file ends early, in a header");
    check(&whole[..2_880], "the file has no binary table; its HDUs are 0 (the primary)");
    check(&primary(100), "the file has no binary table");
    check(&file(&[&["TTYPE='i'", "TFORM='Z'"]], &[], &[]), "column i: TFORM1 = 'Z' is no type");
    check(&file(&[&["TTYPE='i'"]], &[], &[]), "column i: the header has no TFORM1");
    check(
        &file(&[&["TTYPE='i'", "TFORM='9D'"]], &[&[0; 8]], &[]),
        "its columns take 72 bytes and more of rows of 8",
    );
    check(
        &file(&[&["TTYPE='i'", "TFORM='J'"], &["TTYPE='i'", "TFORM='J'"]], &[&[0; 8]], &[]),
        "are both named i",
    );
    check(
        &file(&[&["TTYPE='l'", "TFORM='L'"]], &[b"T", b"y"], &[]),
        "row 2, column l: \"y\" is no boolean",
    );
    check(&[b"SIMPLE  =                    F".to_vec(), vec![b' '; 2_850]].concat(), "a header");
    let huge = String::from_utf8(whole[2_880..5_760].to_vec()).unwrap();
    let card = format!("{:80}", "NAXIS2  = 9223372036854775807");
    let huge = huge.replace(&format!("{:80}", "NAXIS2  = 2000"), &card);
    check(
        &[primary(0), huge.into_bytes()].concat(),
        "the header speaks of more bytes than there can be",
    );
}
