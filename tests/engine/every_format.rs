//! Every type through CSV, TSV and Parquet, and through STILTS, compared with the batches as pyarrow
//! reads them.

use std::path::Path;
use std::process::Command;
use std::sync::Arc;

use coordinator::format::{Document, Format};
use datafusion::arrow::array::*;
use datafusion::arrow::buffer::NullBuffer;
use datafusion::arrow::datatypes::{DataType, Field};
use tests::places::{python, run_python, stilts};

use crate::arrow_columns::{batch, every_type, extremes};
use crate::votable_format::{chunks, columns, rows, written_beside_arrow};

fn samples() -> Vec<Vec<RecordBatch>> {
    let whole = every_type();
    let slices = vec![whole.slice(3, 4), whole.slice(0, 0), whole.slice(7, 1)];
    vec![vec![whole.clone()], slices, vec![extremes()], vec![whole.slice(0, 0)]]
}

fn compare(oracle: &str, arrow: &Path, document: &Path, how: &str) {
    let Some(python) = python() else { return };
    let [arrow, document] = [arrow, document].map(|path| path.to_str().expect("it is UTF-8"));
    let read = run_python(&python, &format!("tests/engine/{oracle}.py"), &[arrow, document, how]);
    if let Err(said) = read {
        panic!("{how}: {said}");
    }
}

#[test]
fn pyarrow_reads_separated_values() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    for batches in samples() {
        for (format, name) in [(Format::Csv, "csv"), (Format::Tsv, "tsv")] {
            let [arrow, document] = written_beside_arrow(folder.path(), format, &batches);
            compare("separated_oracle", &arrow, &document, name);
        }
    }
}

#[test]
fn pyarrow_duckdb_and_astropy_read_parquet() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    for batches in samples() {
        let [arrow, document] = written_beside_arrow(folder.path(), Format::Parquet, &batches);
        compare("parquet_oracle", &arrow, &document, "OK");
    }
}

#[test]
fn parquet_holds_structures_with_plain_types_inside() {
    let names: ArrayRef = Arc::new(StringViewArray::from(vec![Some("a"), None, Some("ß")]));
    let views = Field::new("name", DataType::Utf8View, true);
    let present = NullBuffer::from(vec![true, true, false]);
    let structures = StructArray::new(vec![views].into(), vec![names], Some(present));
    let mut words = ListBuilder::new(StringViewBuilder::new());
    words.append_value([Some("x"), None]);
    words.append_null();
    words.append_value([] as [Option<&str>; 0]);
    let columns: Vec<(&str, ArrayRef)> =
        vec![("structure", Arc::new(structures)), ("words", Arc::new(words.finish()))];
    let folder = tempfile::tempdir().expect("a temporary folder");
    let [arrow, document] = written_beside_arrow(folder.path(), Format::Parquet, &[batch(columns)]);
    compare("parquet_oracle", &arrow, &document, "OK");
}

#[test]
fn parquet_has_row_groups_and_tells_of_an_overflow() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let numbers =
        batch(vec![("n", Arc::new(Int64Array::from_iter_values(0..300_000)) as ArrayRef)]);
    let [arrow, document] =
        written_beside_arrow(folder.path(), Format::Parquet, std::slice::from_ref(&numbers));
    compare("parquet_oracle", &arrow, &document, "OK");
    for max_rows in [0, 1, 200_000] {
        let schema = numbers.schema();
        let cut =
            Document { columns: columns(&schema), infos: Vec::new(), max_rows: Some(max_rows) };
        let chunks = chunks(Format::Parquet, cut, rows(&schema, vec![Ok(numbers.clone())]));
        // Two full row groups of 131,072 rows would be 3 chunks with the rest and the footer.
        assert_eq!(
            chunks.len(),
            if max_rows == 200_000 { 3 } else { 1 + usize::from(max_rows > 0) }
        );
        let bytes: Vec<u8> = chunks.into_iter().flat_map(Result::unwrap).collect();
        std::fs::write(&document, bytes).expect("it is written");
        compare("parquet_oracle", &arrow, &document, "OVERFLOW");
    }
}

#[test]
fn stilts_reads_every_votable() {
    let Some(stilts) = stilts() else { return };
    let folder = tempfile::tempdir().expect("a temporary folder");
    for batches in samples() {
        for format in [Format::VoTableBinary2, Format::VoTableBinary, Format::VoTableTableData] {
            let [arrow, document] = written_beside_arrow(folder.path(), format, &batches);
            let read = folder.path().join("read.csv");
            let output = Command::new(&stilts)
                .args(["tpipe", "ifmt=votable", "ofmt=csv(maxCell=10000000)"])
                .arg(format!("in={}", document.display()))
                .arg(format!("out={}", read.display()))
                .output()
                .expect("STILTS starts");
            let said = String::from_utf8_lossy(&output.stderr);
            assert!(output.status.success(), "{format:?}: {said}");
            compare("separated_oracle", &arrow, &read, "stilts");
        }
    }
}
