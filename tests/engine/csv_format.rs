//! CSV, TSV and the aligned table, as written by `coordinator::format`.

use std::sync::Arc;

use coordinator::format::{Document, Format, Requested, encode};
use datafusion::arrow::array::*;
use datafusion::arrow::datatypes::Float64Type;

use crate::votable_format::{columns, rows, written};

fn sample() -> RecordBatch {
    let names = StringArray::from(vec![Some("a, \"b\""), None, Some(""), Some("tab\tline\nend")]);
    let numbers =
        Float64Array::from(vec![Some(0.1), Some(f64::NAN), None, Some(f64::NEG_INFINITY)]);
    let points = vec![Some(vec![Some(1.5), Some(-2.0)]), None, Some(vec![None, Some(3.0)]), None];
    let points = FixedSizeListArray::from_iter_primitive::<Float64Type, _, _>(points, 2);
    let flags = BooleanArray::from(vec![Some(true), Some(false), None, Some(true)]);
    RecordBatch::try_from_iter_with_nullable([
        ("name, of it", Arc::new(names) as ArrayRef, true),
        ("n", Arc::new(numbers), true),
        ("p", Arc::new(points), true),
        ("ok", Arc::new(flags), true),
    ])
    .expect("columns of one length")
}

#[test]
fn csv_quotes_where_it_must_and_tells_empty_from_null() {
    let expected = "\"name, of it\",n,p,ok\n\
        \"a, \"\"b\"\"\",0.1,1.5 -2.0,true\n\
        ,NaN,,false\n\
        \"\",,NULL 3.0,\n\
        \"tab\tline\nend\",-Infinity,,true\n";
    assert_eq!(written(Format::Csv, &[sample()]), expected);
}

#[test]
fn tsv_has_no_tab_or_line_end_in_a_field() {
    let text = written(Format::Tsv, &[sample()]);
    assert!(text.lines().all(|line| line.matches('\t').count() == 3), "{text}");
    assert!(text.contains("tab line end\t-Infinity\t\ttrue\n"), "{text}");
}

#[test]
fn the_aligned_table_is_aligned() {
    let expected = "\
name, of it         n  p         ok
------------  -------  --------  -----
a, \"b\"            0.1  1.5 -2.0  true
NULL              NaN  NULL      false
                 NULL  NULL 3.0  NULL
tab line end  -Infinity  NULL      true
(4 rows)
";
    let text = written(Format::Text, &[sample()]);
    let lines: Vec<&str> = text.lines().collect();
    assert_eq!(lines.len(), expected.lines().count(), "{text}");
    assert_eq!(lines[0], "name, of it           n  p         ok", "{text}");
    assert_eq!(lines[2], "a, \"b\"              0.1  1.5 -2.0  true", "{text}");
    assert_eq!(lines[6], "(4 rows)");
}

#[test]
fn the_aligned_table_streams_after_its_first_rows() {
    let many = RecordBatch::try_from_iter([(
        "n",
        Arc::new(Int64Array::from_iter_values(0..5_000)) as ArrayRef,
    )])
    .unwrap();
    let text = written(Format::Text, &[many]);
    assert_eq!(text.lines().count(), 5_003);
    assert!(text.ends_with("4999\n(5000 rows)\n"), "{}", &text[text.len() - 40..]);
}

#[test]
fn overflow_shows_in_the_aligned_table() {
    let schema = sample().schema();
    let document = Document { columns: columns(&schema), infos: Vec::new(), max_rows: Some(2) };
    let stream = encode(Format::Text, document, rows(&schema, vec![Ok(sample())]));
    let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
    let chunks: Vec<_> = runtime.block_on(futures::StreamExt::collect(stream));
    let last = chunks.last().unwrap().as_ref().unwrap();
    assert!(last.ends_with(b"(2 rows; there are more)\n"));
}

#[test]
fn formats_are_found_by_every_name() {
    let check = |name: &str, format, content_type: &str| {
        let requested = Requested::parse(name).unwrap_or_else(|| panic!("{name} is not known"));
        assert_eq!(
            (requested.format, requested.content_type.as_str()),
            (format, content_type),
            "{name}"
        );
    };
    let votable = "application/x-votable+xml";
    check("votable", Format::VoTableBinary2, votable);
    check("VOTable", Format::VoTableBinary2, votable);
    check(votable, Format::VoTableBinary2, votable);
    check("application/x-votable xml", Format::VoTableBinary2, votable);
    check("text/xml", Format::VoTableTableData, "text/xml");
    check(
        "votable/td",
        Format::VoTableTableData,
        "application/x-votable+xml;serialization=TABLEDATA",
    );
    check("votable/b2", Format::VoTableBinary2, "application/x-votable+xml;serialization=BINARY2");
    let spaced = "Application/X-VOTable+XML; serialization=\"tabledata\"";
    check(spaced, Format::VoTableTableData, spaced);
    check("votable/b", Format::VoTableBinary, "application/x-votable+xml;serialization=BINARY");
    let given = "application/x-votable+xml; serialization=binary";
    check(given, Format::VoTableBinary, given);
    check("parquet", Format::Parquet, "application/vnd.apache.parquet");
    check("application/vnd.apache.parquet", Format::Parquet, "application/vnd.apache.parquet");
    check("application/x-parquet", Format::Parquet, "application/x-parquet");
    check("csv", Format::Csv, "text/csv;header=present");
    check("text/csv", Format::Csv, "text/csv;header=present");
    check("text/csv; header=present", Format::Csv, "text/csv; header=present");
    check("TSV", Format::Tsv, "text/tab-separated-values");
    check("text/plain", Format::Text, "text/plain");
    for unknown in
        ["fits", "application/x-votable+xml;serialization=FITS", "text/csv;header=absent", ""]
    {
        assert_eq!(Requested::parse(unknown), None, "{unknown}");
    }
}
