//! VOTable as written by `coordinator::format`, read back by astropy and compared with the Arrow
//! batches as pyarrow reads them.

use std::fs::File;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::Arc;

use adql::{CoordinateSystem, OutputColumn, System};
use coordinator::Error;
use coordinator::format::votable::error_document;
use coordinator::format::{Document, Format, Info, encode};
use datafusion::arrow::array::*;
use datafusion::arrow::buffer::NullBuffer;
use datafusion::arrow::datatypes::*;
use datafusion::arrow::ipc::writer::StreamWriter;
use datafusion::error::DataFusionError;
use datafusion::execution::SendableRecordBatchStream;
use datafusion::physical_plan::stream::RecordBatchStreamAdapter;
use futures::StreamExt as _;
use tests::places::run_python;

use crate::arrow_columns::{batch, every_type, extremes, without_least_long};
use crate::streaming::FORMATS;

/// The formats of VOTable.
const VOTABLES: [Format; 3] =
    [Format::VoTableBinary2, Format::VoTableBinary, Format::VoTableTableData];

/// Columns without metadata, as a query yields them.
pub(crate) fn columns(schema: &Schema) -> Vec<OutputColumn> {
    let column = |field: &Arc<Field>| OutputColumn {
        name: field.name().clone(),
        data_type: field.data_type().clone(),
        unit: None,
        ucd: None,
        utype: None,
        xtype: None,
        description: None,
        system: None,
        ascii: false,
    };
    schema.fields().iter().map(column).collect()
}

/// A stream of batches, or of an error.
pub(crate) fn rows(
    schema: &SchemaRef,
    batches: Vec<Result<RecordBatch, DataFusionError>>,
) -> SendableRecordBatchStream {
    Box::pin(RecordBatchStreamAdapter::new(Arc::clone(schema), futures::stream::iter(batches)))
}

/// All chunks of a document.
pub(crate) fn chunks(
    format: Format,
    document: Document,
    rows: SendableRecordBatchStream,
) -> Vec<Result<Vec<u8>, Error>> {
    let runtime = tokio::runtime::Builder::new_current_thread().build().expect("a runtime");
    let stream = encode(format, document, rows).map(|chunk| chunk.map(|bytes| bytes.to_vec()));
    runtime.block_on(stream.collect())
}

/// A whole document.
pub(crate) fn written_bytes(format: Format, batches: &[RecordBatch]) -> Vec<u8> {
    let schema = batches[0].schema();
    let document = Document { columns: columns(&schema), ..Document::default() };
    let stream = rows(&schema, batches.iter().cloned().map(Ok).collect());
    chunks(format, document, stream).into_iter().flat_map(Result::unwrap).collect()
}

/// A whole document that is text.
pub(crate) fn written(format: Format, batches: &[RecordBatch]) -> String {
    String::from_utf8(written_bytes(format, batches)).expect("documents are UTF-8")
}

/// A document of these batches in a folder, beside the batches as an Arrow file.
pub(crate) fn written_beside_arrow(
    folder: &Path,
    format: Format,
    batches: &[RecordBatch],
) -> [PathBuf; 2] {
    let batches: Vec<RecordBatch> = match format {
        Format::VoTableBinary => batches.iter().map(without_least_long).collect(),
        _ => batches.to_vec(),
    };
    let arrow = folder.join("rows.arrow");
    let file = File::create(&arrow).expect("a file in it");
    let mut writer =
        StreamWriter::try_new(file, &batches[0].schema()).expect("a schema is written");
    for batch in &batches {
        writer.write(batch).expect("a batch is written");
    }
    writer.finish().expect("the file ends");
    let document = folder.join("document");
    std::fs::write(&document, written_bytes(format, &batches)).expect("it is written");
    [arrow, document]
}

/// Fails when astropy reads other values from the document than pyarrow from the batches.
fn check_with_astropy(batches: &[RecordBatch]) {
    let Some(python) = tests::places::python() else { return };
    let folder = tempfile::tempdir().expect("a temporary folder");
    for format in VOTABLES {
        let paths = written_beside_arrow(folder.path(), format, batches);
        let [arrow, votable] = paths.each_ref().map(|path| path.to_str().expect("it is UTF-8"));
        let read = run_python(&python, "tests/engine/votable_oracle.py", &[arrow, votable]);
        if let Err(said) = read {
            panic!("{format:?}: {said}");
        }
        validate(&paths[1]);
    }
}

/// Validates a document against the schema of VOTable, where the shared folder is.
fn validate(document: &Path) {
    let Some(shared) = tests::places::shared() else { return };
    let Ok(output) = Command::new(shared.join("conformance/validate-xml")).arg(document).output()
    else {
        return;
    };
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success() || said.contains("xmllint"), "{said}");
}

#[test]
fn astropy_reads_every_type_as_pyarrow_does() {
    check_with_astropy(&[every_type()]);
}

#[test]
fn astropy_reads_the_ends_of_types_and_difficult_texts() {
    check_with_astropy(&[extremes()]);
}

#[test]
fn slices_of_batches_are_written_as_slices() {
    let whole = every_type();
    check_with_astropy(&[
        whole.slice(3, 4),
        whole.slice(0, 0),
        whole.slice(0, 1),
        whole.slice(7, 1),
    ]);
}

#[test]
fn a_result_without_rows_keeps_its_columns() {
    check_with_astropy(&[every_type().slice(0, 0)]);
}

#[test]
fn chunk_borders_are_invisible() {
    // 30,001 rows of 3 + 4·n bytes: chunks end at every remainder of three bytes.
    let numbers: Int64Array = (0..30_001).collect();
    let words: StringArray = (0..30_001).map(|n| Some("é".repeat(n % 11))).collect();
    let batch = batch(vec![("n", Arc::new(numbers)), ("word", Arc::new(words))]);
    check_with_astropy(&[batch.slice(0, 1), batch.slice(1, 9_999), batch.slice(10_000, 20_001)]);
    let schema = batch.schema();
    let document = Document { columns: columns(&schema), ..Document::default() };
    for format in VOTABLES {
        let sizes: Vec<usize> =
            chunks(format, document.clone(), rows(&schema, vec![Ok(batch.clone())]))
                .into_iter()
                .map(|chunk| chunk.unwrap().len())
                .collect();
        let (last, others) = sizes.split_last().unwrap();
        // A chunk is smaller only where the next rows were not ready.
        assert!(others.iter().all(|size| *size <= 768 << 10), "{sizes:?}");
        assert!(others.len() > 1 && *last <= 768 << 10, "{sizes:?}");
    }
}

#[test]
fn wide_rows_make_small_steps() {
    let text = "x".repeat(300_000);
    let words: StringArray = (0..100).map(|_| Some(text.as_str())).collect();
    let batch = batch(vec![("word", Arc::new(words))]);
    let schema = batch.schema();
    let document = Document { columns: columns(&schema), ..Document::default() };
    let chunks = chunks(Format::VoTableTableData, document, rows(&schema, vec![Ok(batch)]));
    let largest = chunks.iter().map(|chunk| chunk.as_ref().unwrap().len()).max();
    assert!(chunks.len() > 30 && largest < Some(2 << 20), "{} {largest:?}", chunks.len());
}

fn numbers(count: i64) -> RecordBatch {
    batch(vec![("n", Arc::new(Int64Array::from_iter_values(0..count)))])
}

fn cut(batches: Vec<RecordBatch>, max_rows: u64) -> String {
    let schema = batches[0].schema();
    let document =
        Document { columns: columns(&schema), infos: Vec::new(), max_rows: Some(max_rows) };
    let stream = rows(&schema, batches.into_iter().map(Ok).collect());
    let chunks = chunks(Format::VoTableTableData, document, stream);
    String::from_utf8(chunks.into_iter().flat_map(Result::unwrap).collect()).expect("it is UTF-8")
}

#[test]
fn overflow_is_said_only_when_rows_were_cut() {
    let overflow = "<INFO name=\"QUERY_STATUS\" value=\"OVERFLOW\"";
    for (rows, batches) in [
        (4, vec![numbers(4)]),
        (4, vec![numbers(2), numbers(0), numbers(2)]),
        (9, vec![numbers(4)]),
    ] {
        let text = cut(batches, rows);
        assert_eq!(text.matches("<TR>").count(), 4);
        assert!(!text.contains(overflow), "{text}");
    }
    for batches in [vec![numbers(5)], vec![numbers(4), numbers(0), numbers(1)]] {
        let text = cut(batches, 4);
        assert_eq!(text.matches("<TR>").count(), 4);
        let (before, after) = text.split_once("</TABLE>").unwrap();
        assert!(before.contains("value=\"OK\"") && !before.contains(overflow));
        assert!(after.contains(overflow), "{text}");
    }
}

#[test]
fn maxrec_zero_gives_metadata_and_overflow_and_asks_for_no_row() {
    let schema = numbers(1).schema();
    let document = Document { columns: columns(&schema), infos: Vec::new(), max_rows: Some(0) };
    let never = futures::stream::pending();
    let stream = Box::pin(RecordBatchStreamAdapter::new(schema, never));
    let chunks = chunks(Format::VoTableBinary2, document, stream);
    let text = String::from_utf8(chunks.into_iter().flat_map(Result::unwrap).collect()).unwrap();
    assert!(text.contains("<FIELD ID=\"n\""), "{text}");
    assert!(text.contains("value=\"OVERFLOW\""), "{text}");
}

#[test]
fn a_query_that_breaks_ends_the_document_with_its_error() {
    let batch = numbers(3);
    let schema = batch.schema();
    for format in FORMATS {
        let document = Document { columns: columns(&schema), ..Document::default() };
        let error = DataFusionError::Execution("tile 5/3 is <truncated>".to_owned());
        let mut chunks =
            chunks(format, document, rows(&schema, vec![Ok(batch.clone()), Err(error)]));
        let last = chunks.pop().unwrap();
        if format.is_votable() {
            let text = String::from_utf8(last.unwrap()).unwrap();
            let (_, after) = text.split_once("</TABLE>").unwrap();
            assert!(after.contains("value=\"ERROR\""), "{after}");
            assert!(after.contains("tile 5/3 is &lt;truncated&gt;"), "{after}");
            assert!(after.ends_with("</VOTABLE>\n"), "{after}");
        } else {
            assert!(last.is_err(), "{format:?}");
        }
    }
}

#[test]
fn a_value_that_would_read_as_missing_is_refused() {
    let least =
        batch(vec![("id", Arc::new(Int64Array::from(vec![Some(1), None, Some(i64::MIN)])))]);
    let mut flags = ListBuilder::new(Int16Builder::new());
    flags.append_value([Some(1), Some(i16::MIN)]);
    let flags = batch(vec![("flags", Arc::new(flags.finish()))]);
    let both = [Format::VoTableBinary2, Format::VoTableTableData];
    for (rows, refused, written_as) in [
        (&least, &[Format::VoTableBinary][..], &both[..]),
        (&flags, &both[..], &[Format::VoTableBinary][..]),
    ] {
        for format in refused {
            let text = written(*format, std::slice::from_ref(rows));
            assert!(text.contains("value=\"ERROR\""), "{format:?}: {text}");
            let name = rows.schema().field(0).name().clone();
            assert!(text.contains(&format!("column {name} holds -")), "{format:?}: {text}");
            assert!(text.contains("csv or parquet"), "{format:?}: {text}");
        }
        for format in written_as {
            let text = written(*format, std::slice::from_ref(rows));
            assert!(!text.contains("value=\"ERROR\""), "{format:?}: {text}");
        }
    }
}

#[test]
fn binary_has_types_in_which_null_is_no_value() {
    let row = batch(vec![
        ("byte", Arc::new(UInt8Array::from(vec![1])) as ArrayRef),
        ("short", Arc::new(Int16Array::from(vec![1]))),
        ("tiny", Arc::new(Int8Array::from(vec![1]))),
        ("int", Arc::new(Int32Array::from(vec![1]))),
        ("long", Arc::new(Int64Array::from(vec![1]))),
        ("double", Arc::new(Float64Array::from(vec![1.0]))),
        ("flag", Arc::new(BooleanArray::from(vec![true]))),
        ("text", Arc::new(StringArray::from(vec!["x"]))),
    ]);
    let text = written(Format::VoTableBinary, &[row]);
    for (name, datatype, null) in [
        ("byte", "short", "-32768"),
        ("short", "int", "-2147483648"),
        ("tiny", "short", "-32768"),
        ("int", "long", "-9223372036854775808"),
        ("long", "long", "-9223372036854775808"),
    ] {
        let field = format!(
            "<FIELD ID=\"{name}\" name=\"{name}\" datatype=\"{datatype}\">\
             <VALUES null=\"{null}\"/></FIELD>"
        );
        assert!(text.contains(&field), "{field}\nis not in\n{text}");
    }
    for (name, datatype) in [("double", "double"), ("flag", "boolean")] {
        let field = format!("<FIELD ID=\"{name}\" name=\"{name}\" datatype=\"{datatype}\"/>");
        assert!(text.contains(&field), "{field}\nis not in\n{text}");
    }
}

#[test]
fn fields_carry_their_metadata() {
    let batch = batch(vec![
        ("a", Arc::new(Float64Array::from(vec![1.0]))),
        ("a b", Arc::new(Float64Array::from(vec![1.0]))),
        ("a_b", Arc::new(StringArray::from(vec!["x"]))),
        ("1st", Arc::new(TimestampSecondArray::from(vec![1]))),
    ]);
    let schema = batch.schema();
    let mut columns = columns(&schema);
    columns[0].unit = Some("km/s".to_owned());
    columns[0].ucd = Some("spect.dopplerVeloc;meta.main".to_owned());
    columns[0].utype = Some("obs:vel".to_owned());
    columns[0].description = Some("velocity > 0 & \"more\"".to_owned());
    columns[1].ucd = Some("not a ucd".to_owned());
    columns[2].xtype = Some("adql:REGION".to_owned());
    let infos = vec![Info::new("QUERY", "SELECT\n\"a\" < 1")];
    let document = Document { columns, infos, max_rows: None };
    let stream = rows(&schema, vec![Ok(batch)]);
    let chunks = chunks(Format::VoTableTableData, document, stream);
    let text = String::from_utf8(chunks.into_iter().flat_map(Result::unwrap).collect()).unwrap();
    for expected in [
        "<INFO name=\"QUERY\" value=\"SELECT&#10;&quot;a&quot; &lt; 1\"/>",
        "<FIELD ID=\"a\" name=\"a\" datatype=\"double\" unit=\"km/s\" \
         ucd=\"spect.dopplerVeloc;meta.main\" utype=\"obs:vel\">\
         <DESCRIPTION>velocity &gt; 0 &amp; \"more\"</DESCRIPTION></FIELD>",
        "<FIELD ID=\"a_b\" name=\"a b\" datatype=\"double\"/>",
        "<FIELD ID=\"a_b_2\" name=\"a_b\" datatype=\"char\" arraysize=\"*\" \
         xtype=\"adql:REGION\"/>",
        "<FIELD ID=\"_1st\" name=\"1st\" datatype=\"char\" arraysize=\"*\" xtype=\"timestamp\"/>",
        "<TD>1970-01-01T00:00:01</TD>",
    ] {
        assert!(text.contains(expected), "{expected}\nis not in\n{text}");
    }
    let folder = tempfile::tempdir().unwrap();
    std::fs::write(folder.path().join("x.vot"), text).unwrap();
    validate(&folder.path().join("x.vot"));
}

#[test]
fn main_positions_refer_to_their_frame() {
    let one: ArrayRef = Arc::new(Float64Array::from(vec![1.0]));
    let names = ["ra", "dec", "b1950", "ICRS"];
    let batch = batch(names.map(|name| (name, Arc::clone(&one))).to_vec());
    let schema = batch.schema();
    let mut columns = columns(&schema);
    let icrs = Arc::new(System::Space(CoordinateSystem::new("ICRS")));
    let ucds = ["pos.eq.ra;meta.main", "pos.eq.dec;meta.main", "pos.eq.ra", "meta.id"];
    for (column, ucd) in columns.iter_mut().zip(ucds) {
        column.ucd = Some(ucd.to_owned());
        column.system = ucd.ends_with(";meta.main").then(|| Arc::clone(&icrs));
    }
    for format in VOTABLES {
        let document = Document { columns: columns.clone(), infos: Vec::new(), max_rows: None };
        let chunks = chunks(format, document, rows(&schema, vec![Ok(batch.clone())]));
        let text = String::from_utf8(chunks.into_iter().flat_map(Result::unwrap).collect());
        let text = text.unwrap();
        assert!(text.contains("<COOSYS ID=\"ICRS\" system=\"ICRS\"/>\n<TABLE"), "{text}");
        assert_eq!(text.matches(" ref=\"ICRS\"").count(), 2, "{text}");
        assert!(text.contains("ucd=\"pos.eq.dec;meta.main\" ref=\"ICRS\"/>"), "{text}");
        assert!(text.contains("ID=\"ICRS_2\" name=\"ICRS\""), "{text}");
        let folder = tempfile::tempdir().unwrap();
        std::fs::write(folder.path().join("x.vot"), text).unwrap();
        validate(&folder.path().join("x.vot"));
    }
}

#[test]
fn characters_that_xml_cannot_carry_are_left_out() {
    let words = StringArray::from(vec!["a\u{0}b\u{1f}c\u{fffe}d\u{ffff}e\rf"]);
    let text = written(Format::VoTableTableData, &[batch(vec![("w", Arc::new(words))])]);
    assert!(text.contains("<TD>abcde&#13;f</TD>"), "{text}");
}

#[test]
fn structures_become_text() {
    let item = Arc::new(Field::new("x", DataType::Int32, true));
    let numbers: ArrayRef = Arc::new(Int32Array::from(vec![Some(1), None]));
    let present = Some(NullBuffer::from(vec![true, false]));
    let structures = StructArray::new(vec![item].into(), vec![numbers], present);
    let mut words = ListBuilder::new(StringBuilder::new());
    words.append_value([Some("a"), Some("ß")]);
    words.append_null();
    let columns: Vec<(&str, ArrayRef)> =
        vec![("s", Arc::new(structures)), ("words", Arc::new(words.finish()))];
    let text = written(Format::VoTableTableData, &[batch(columns)]);
    assert!(
        text.contains("<TR><TD>{x: 1}</TD><TD>[a, ß]</TD></TR>\n<TR><TD/><TD/></TR>"),
        "{text}"
    );
}

#[test]
fn an_error_document_has_no_table_and_says_why() {
    let infos = [Info::new("QUERY", "SELEC 1")];
    let document = error_document("expected SELECT, found \"SELEC\" & more", &infos);
    let text = String::from_utf8(document).unwrap();
    assert!(text.contains(
        "<INFO name=\"QUERY_STATUS\" value=\"ERROR\">\
         expected SELECT, found \"SELEC\" &amp; more</INFO>"
    ));
    assert!(!text.contains("<TABLE"));
    let folder = tempfile::tempdir().unwrap();
    std::fs::write(folder.path().join("x.vot"), text).unwrap();
    validate(&folder.path().join("x.vot"));
}
