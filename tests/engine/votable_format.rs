//! VOTable as written by `coordinator::format`, read back by astropy and compared with the Arrow
//! batches as pyarrow reads them.

use std::fs::File;
use std::path::Path;
use std::process::Command;
use std::sync::Arc;

use adql::OutputColumn;
use coordinator::Error;
use coordinator::format::votable::error_document;
use coordinator::format::{Document, Format, Info, encode};
use datafusion::arrow::array::*;
use datafusion::arrow::buffer::{NullBuffer, OffsetBuffer, ScalarBuffer};
use datafusion::arrow::datatypes::*;
use datafusion::arrow::ipc::writer::StreamWriter;
use datafusion::error::DataFusionError;
use datafusion::execution::SendableRecordBatchStream;
use datafusion::physical_plan::stream::RecordBatchStreamAdapter;
use futures::StreamExt as _;

/// The formats of VOTable.
const VOTABLES: [Format; 2] = [Format::VoTableBinary2, Format::VoTableTableData];

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
    let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
    let stream = encode(format, document, rows).map(|chunk| chunk.map(|bytes| bytes.to_vec()));
    runtime.block_on(stream.collect())
}

/// A whole document.
pub(crate) fn written(format: Format, batches: &[RecordBatch]) -> String {
    let schema = batches[0].schema();
    let document = Document { columns: columns(&schema), ..Document::default() };
    let stream = rows(&schema, batches.iter().cloned().map(Ok).collect());
    let bytes: Vec<u8> = chunks(format, document, stream).into_iter().flat_map(Result::unwrap).collect();
    String::from_utf8(bytes).unwrap()
}

fn python() -> Option<std::path::PathBuf> {
    tests::places::python()
}

/// Fails when astropy reads other values from the document than pyarrow from the batches.
fn check_with_astropy(batches: &[RecordBatch]) {
    let Some(python) = python() else { return };
    let folder = tempfile::tempdir().unwrap();
    let arrow = folder.path().join("rows.arrow");
    let mut writer =
        StreamWriter::try_new(File::create(&arrow).unwrap(), &batches[0].schema()).unwrap();
    for batch in batches {
        writer.write(batch).unwrap();
    }
    writer.finish().unwrap();
    let oracle = Path::new(env!("CARGO_MANIFEST_DIR")).join("engine/votable_oracle.py");
    for format in VOTABLES {
        let votable = folder.path().join("rows.vot");
        std::fs::write(&votable, written(format, batches)).unwrap();
        let output = Command::new(&python).args([&oracle, &arrow, &votable]).output().unwrap();
        let said = String::from_utf8_lossy(&output.stderr);
        assert!(output.status.success(), "{format:?}: {said}");
        validate(&votable);
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

fn batch(columns: Vec<(&str, ArrayRef)>) -> RecordBatch {
    let nullable = columns.into_iter().map(|(name, array)| (name, array, true));
    RecordBatch::try_from_iter_with_nullable(nullable).unwrap()
}

fn float_columns() -> Vec<(&'static str, ArrayRef)> {
    let doubles = [
        Some(0.1),
        None,
        Some(f64::NAN),
        Some(f64::INFINITY),
        Some(f64::NEG_INFINITY),
        Some(-0.0),
        Some(f64::MIN_POSITIVE),
        Some(1.797_693_134_862_315_7e308),
    ];
    #[expect(clippy::cast_possible_truncation, reason = "floats of both widths are wanted")]
    let floats: Vec<Option<f32>> = doubles.iter().map(|d| d.map(|d| d as f32)).collect();
    vec![
        ("double", Arc::new(Float64Array::from(doubles.to_vec()))),
        ("float", Arc::new(Float32Array::from(floats))),
    ]
}

fn integer_columns() -> Vec<(&'static str, ArrayRef)> {
    macro_rules! integers {
        ($name:literal, $array:ty, $type:ty) => {{
            let values = [
                Some(<$type>::MIN), None, Some(<$type>::MAX), Some(0), Some(1), None, Some(7), Some(9),
            ];
            ($name, Arc::new(<$array>::from(values.to_vec())) as ArrayRef)
        }};
    }
    vec![
        integers!("i8", Int8Array, i8),
        integers!("i16", Int16Array, i16),
        integers!("i32", Int32Array, i32),
        integers!("i64", Int64Array, i64),
        integers!("u8", UInt8Array, u8),
        integers!("u16", UInt16Array, u16),
        integers!("u32", UInt32Array, u32),
        integers!("u64", UInt64Array, u64),
    ]
}

fn texts() -> [Option<&'static str>; 8] {
    [
        Some("M 31"),
        None,
        Some(""),
        Some("a < b && c > \"d\" 'e' ]]>"),
        Some("Čerenkov, β Pictoris, 天狼星, 🌌"),
        Some("  blanks kept  "),
        Some("tab\tand\nline"),
        Some("a text that is far longer than the twelve bytes that a view holds in place"),
    ]
}

fn text_columns() -> Vec<(&'static str, ArrayRef)> {
    let keys = Int32Array::from(vec![Some(0), None, Some(1), Some(0), Some(1), Some(0), None, Some(1)]);
    let values = Arc::new(StringArray::from(vec!["galaxy", "étoile"]));
    vec![
        ("utf8", Arc::new(StringArray::from(texts().to_vec())) as ArrayRef),
        ("large_utf8", Arc::new(LargeStringArray::from(texts().to_vec()))),
        ("utf8_view", Arc::new(StringViewArray::from(texts().to_vec()))),
        ("dictionary", Arc::new(DictionaryArray::new(keys, values))),
        ("null", Arc::new(NullArray::new(8))),
    ]
}

fn moment_columns() -> Vec<(&'static str, ArrayRef)> {
    let days = [Some(0), None, Some(-1), Some(19_782), Some(-719_468), Some(2_932_896), Some(1), Some(59)];
    let millis = days.map(|day| day.map(|day| i64::from(day) * 86_400_000));
    let ticks =
        [Some(0), None, Some(-1), Some(1_700_000_000_123), Some(1), Some(999), Some(1_000), Some(-62_000)];
    vec![
        ("date32", Arc::new(Date32Array::from(days.to_vec())) as ArrayRef),
        ("date64", Arc::new(Date64Array::from(millis.to_vec()))),
        ("seconds", Arc::new(TimestampSecondArray::from(vec![Some(1_700_000_000), None, Some(-1), Some(0), Some(1), Some(2), None, Some(3)]))),
        ("millis", Arc::new(TimestampMillisecondArray::from(ticks.to_vec()))),
        ("micros", Arc::new(TimestampMicrosecondArray::from(ticks.to_vec()))),
        ("nanos", Arc::new(TimestampNanosecondArray::from(ticks.to_vec()))),
        ("civil", Arc::new(TimestampMillisecondArray::from(ticks.to_vec()).with_timezone("+02:00"))),
        ("time", Arc::new(Time64MicrosecondArray::from(vec![Some(0), None, Some(86_399_999_999), Some(1), Some(1_000), None, Some(3_600_000_000), Some(60_000_000)]))),
    ]
}

fn other_columns() -> Vec<(&'static str, ArrayRef)> {
    let flags = [Some(true), None, Some(false), Some(true), None, Some(false), Some(true), Some(true)];
    let bytes: Vec<Option<&[u8]>> =
        vec![Some(&[0, 255]), None, Some(&[]), Some(&[7]), None, Some(&[1, 2, 3]), Some(&[9]), Some(&[8])];
    let decimals = vec![Some(123), None, Some(-4_500), Some(0), Some(1), Some(99), None, Some(5)];
    let fixed: Vec<Option<[u8; 3]>> = vec![
        Some([1, 2, 3]), None, Some([0, 0, 0]), Some([255, 254, 253]), None, Some([4, 5, 6]), Some([7, 8, 9]), Some([1, 1, 1]),
    ];
    let fixed = FixedSizeBinaryArray::try_from_sparse_iter_with_size(fixed.into_iter(), 3).unwrap();
    vec![
        ("boolean", Arc::new(BooleanArray::from(flags.to_vec())) as ArrayRef),
        ("binary", Arc::new(BinaryArray::from(bytes.clone()))),
        ("binary_view", Arc::new(BinaryViewArray::from(bytes))),
        ("fixed_binary", Arc::new(fixed)),
        ("decimal", Arc::new(Decimal128Array::from(decimals.clone()).with_precision_and_scale(20, 3).unwrap())),
        ("whole_decimal", Arc::new(Decimal128Array::from(decimals).with_precision_and_scale(18, 0).unwrap())),
    ]
}

fn array_columns() -> Vec<(&'static str, ArrayRef)> {
    let points = [
        Some(vec![Some(10.5), Some(-3.25)]), None, Some(vec![Some(f64::NAN), None]),
        Some(vec![Some(0.0), Some(90.0)]), None, Some(vec![Some(1e-300), Some(359.999)]),
        Some(vec![Some(1.0), Some(2.0)]), Some(vec![Some(3.0), Some(4.0)]),
    ];
    let lists = [
        Some(vec![Some(1), Some(-2), Some(3)]), None, Some(vec![]), Some(vec![Some(i32::MAX), None]),
        Some(vec![None]), Some(vec![Some(5)]), Some(vec![Some(6), Some(7)]), Some(vec![Some(8)]),
    ];
    let wide = lists.clone().map(|l| l.map(|l| l.into_iter().map(|v| v.map(f64::from)).collect::<Vec<_>>()));
    let small = lists.clone().map(|l| {
        l.map(|l| l.into_iter().map(|v| v.map(|v| u8::try_from(v & 0x7f).unwrap())).collect::<Vec<_>>())
    });
    let flags = lists.clone().map(|l| l.map(|l| l.into_iter().map(|v| v.map(|v| v > 2)).collect::<Vec<_>>()));
    let mut booleans = ListBuilder::new(BooleanBuilder::new());
    for list in flags {
        booleans.append_option(list);
    }
    vec![
        ("point", Arc::new(FixedSizeListArray::from_iter_primitive::<Float64Type, _, _>(points, 2)) as ArrayRef),
        ("integers", Arc::new(ListArray::from_iter_primitive::<Int32Type, _, _>(lists.clone()))),
        ("large", Arc::new(LargeListArray::from_iter_primitive::<Float64Type, _, _>(wide))),
        ("bytes", Arc::new(ListArray::from_iter_primitive::<UInt8Type, _, _>(small))),
        ("booleans", Arc::new(booleans.finish())),
        ("matrix", matrices()),
    ]
}

/// Lists of pairs, a NULL pair among them.
fn matrices() -> ArrayRef {
    let values = Arc::new(Float32Array::from((0_u16..24).map(f32::from).collect::<Vec<_>>()));
    let item = Arc::new(Field::new_list_field(DataType::Float32, true));
    let present = NullBuffer::from((0..12).map(|pair| pair != 3).collect::<Vec<_>>());
    let pairs = Arc::new(FixedSizeListArray::new(item, 2, values, Some(present)));
    let item = Arc::new(Field::new_list_field(pairs.data_type().clone(), true));
    let offsets = OffsetBuffer::new(ScalarBuffer::from(vec![0, 2, 2, 2, 5, 6, 8, 11, 12]));
    let present = NullBuffer::from((0..8).map(|row| row != 1).collect::<Vec<_>>());
    Arc::new(ListArray::new(item, offsets, pairs, Some(present)))
}

fn every_type() -> RecordBatch {
    let families =
        [float_columns(), integer_columns(), text_columns(), moment_columns(), other_columns(), array_columns()];
    batch(families.into_iter().flatten().collect())
}

#[test]
fn astropy_reads_every_type_as_pyarrow_does() {
    check_with_astropy(&[every_type()]);
}

#[test]
fn slices_of_batches_are_written_as_slices() {
    let whole = every_type();
    check_with_astropy(&[whole.slice(3, 4), whole.slice(0, 0), whole.slice(0, 1), whole.slice(7, 1)]);
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
        let sizes: Vec<usize> = chunks(format, document.clone(), rows(&schema, vec![Ok(batch.clone())]))
            .into_iter()
            .map(|chunk| chunk.unwrap().len())
            .collect();
        let (last, others) = sizes.split_last().unwrap();
        assert!(others.iter().all(|size| (64 << 10..=256 << 10).contains(size)), "{sizes:?}");
        assert!(others.len() > 4 && *last <= 256 << 10, "{sizes:?}");
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
    // The first step cannot know how long rows are; the others take one each.
    assert!(chunks.len() > 30, "{}", chunks.len());
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
    String::from_utf8(chunks.into_iter().flat_map(Result::unwrap).collect()).unwrap()
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
    for format in [Format::VoTableBinary2, Format::VoTableTableData, Format::Csv, Format::Tsv, Format::Text] {
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
    let infos = vec![Info { name: "QUERY", value: "SELECT\n\"a\" < 1".to_owned() }];
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
        "<FIELD ID=\"a_b_2\" name=\"a_b\" datatype=\"char\" arraysize=\"*\" xtype=\"adql:REGION\"/>",
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
    assert!(text.contains("<TR><TD>{x: 1}</TD><TD>[a, ß]</TD></TR>\n<TR><TD/><TD/></TR>"), "{text}");
}

#[test]
fn an_error_document_has_no_table_and_says_why() {
    let infos = [Info { name: "QUERY", value: "SELEC 1".to_owned() }];
    let text = String::from_utf8(error_document("expected SELECT, found \"SELEC\" & more", &infos)).unwrap();
    assert!(text.contains(
        "<INFO name=\"QUERY_STATUS\" value=\"ERROR\">expected SELECT, found \"SELEC\" &amp; more</INFO>"
    ));
    assert!(!text.contains("<TABLE"));
    let folder = tempfile::tempdir().unwrap();
    std::fs::write(folder.path().join("x.vot"), text).unwrap();
    validate(&folder.path().join("x.vot"));
}
