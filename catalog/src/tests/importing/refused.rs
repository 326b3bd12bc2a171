//! What cannot be imported: each is refused by its name, and nothing is left to be served.

use std::fs;
use std::os::unix::fs::PermissionsExt as _;

use super::{Bench, said};
use crate::import::{ImportOptions, Placing, PositionChoice, PositionUnit, import};

/// Refuses an import with these words and leaves nothing.
fn check(bench: &Bench, options: &ImportOptions, words: &[&str]) {
    let said = said(import(options, &|_| {}));
    for word in words {
        assert!(said.contains(word), "{said} does not name {word}");
    }
    let left = fs::read_dir(bench.data().join("s")).map(Iterator::count).unwrap_or_default();
    assert_eq!(left, 0, "{said}: something is left");
}

#[test]
fn inputs_that_are_no_table_are_refused() {
    let bench = Bench::new();
    let good = bench.input("good.csv", "id,ra,dec\n1,2,3\n");
    let cases: [(&str, &str, &[&str]); 5] = [
        ("lines.csv", "id,ra,dec\n1,2,3\n4,5\n", &["lines.csv", "line 3"]),
        ("twice.csv", "id,ra,ra,dec\n1,2,3,4\n", &["twice.csv", "named ra"]),
        ("cut.parquet", "PAR1 and no more", &["cut.parquet"]),
        ("rows.csv", "id,ra,dec\n", &["no rows"]),
        ("tiles.csv", "Npix,ra,dec\n1,2,3\n", &["Npix"]),
    ];
    for (name, content, words) in cases {
        check(&bench, &bench.options(vec![bench.input(name, content)], "t"), words);
    }
    let other = bench.input("other.csv", "id,ra,dec,mag\n1,2,3,4\n");
    let words = ["other.csv has a column mag, which", "good.csv has not"];
    check(&bench, &bench.options(vec![good.clone(), other.clone()], "t"), &words);
    let words = ["good.csv has no column mag, which", "other.csv has"];
    check(&bench, &bench.options(vec![other, good.clone()], "t"), &words);
    let text = bench.input("text.csv", "id,ra,dec\nx,2,3\n");
    check(&bench, &bench.options(vec![good, text], "t"), &["column id is Int64", "text.csv"]);
    let nothing = bench.folder.path().join("absent.csv");
    check(&bench, &bench.options(vec![nothing], "t"), &["absent.csv", "No such file"]);
    check(&bench, &bench.options(Vec::new(), "t"), &["there is no input"]);
}

#[test]
fn positions_that_are_not_clear_are_refused() {
    let bench = Bench::new();
    let choice = |choice| Placing::Position(choice);
    let named = |ra: &str, dec: &str| {
        let (ra, dec) = (Some(ra.to_owned()), Some(dec.to_owned()));
        choice(PositionChoice { ra, dec, unit: None })
    };
    let found = choice(PositionChoice::default());
    let unit = |unit| choice(PositionChoice { unit: Some(unit), ..PositionChoice::default() });
    let cases: [(&str, Placing, &[&str]); 7] = [
        ("a,b\n1,2\n", found.clone(), &["no columns are its position", "a, b"]),
        (
            "ra,dec,raj2000,dej2000\n1,2,3,4\n",
            found.clone(),
            &["several columns", "ra, raj2000 and dec, dej2000"],
        ),
        ("ra,dec\n1,2\n", named("ra", "de"), &["no column de", "ra, dec"]),
        ("ra,dec\n1,2\n", named("ra", "ra"), &["ra cannot be"]),
        ("ra,dec\n1,2\n", unit(PositionUnit::Sexagesimal), &["ra is Int64", "texts"]),
        (
            "ra,dec\n400,2\n1,\n",
            found.clone(),
            &["none of the 2 rows of", "p.csv", "1 without", "1 beyond"],
        ),
        ("ra,dec\n10:00:00,M31\n", found, &["none of the 1 rows of", "1 no angle"]),
    ];
    for (csv, placing, words) in cases {
        let input = bench.input("p.csv", csv);
        check(&bench, &ImportOptions { placing, ..bench.options(vec![input], "t") }, words);
    }
}

#[test]
fn a_table_that_is_there_stays_as_it_is() {
    let bench = Bench::new();
    let input = bench.input("a.csv", "id,ra,dec\n1,2,3\n");
    bench.import(vec![input.clone()], "t").unwrap();
    let before = super::files(&bench.data());
    assert!(said(bench.import(vec![input], "t")).contains("exists already"));
    assert_eq!(super::files(&bench.data()), before);
}

#[test]
fn a_folder_that_cannot_be_written_is_named() {
    let bench = Bench::new();
    let input = bench.input("a.csv", "id,ra,dec\n1,2,3\n");
    let schema = bench.data().join("s");
    fs::create_dir_all(&schema).unwrap();
    fs::set_permissions(&schema, fs::Permissions::from_mode(0o555)).unwrap();
    if fs::write(schema.join("probe"), "").is_ok() {
        // Root writes everywhere: a file in place of the folder.
        fs::set_permissions(&schema, fs::Permissions::from_mode(0o755)).unwrap();
        fs::remove_dir_all(&schema).unwrap();
        fs::write(&schema, "").unwrap();
    }
    let said = said(bench.import(vec![input], "t"));
    assert!(said.contains("cannot write") && said.contains("/s"), "{said}");
}
