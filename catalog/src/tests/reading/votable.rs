//! VOTable, as it is written by hand.

use datafusion::arrow::datatypes::DataType;

use super::{check_error, read, read_as};
use crate::metadata::{FrameMetadata, TimeMetadata};
use crate::read::{FileFormat, ReadOptions, TableChoice};

/// A document around FIELDs and data.
fn document(fields: &str, data: &str) -> String {
    format!(
        "<?xml version=\"1.0\"?>\n<VOTABLE version=\"1.4\" \
         xmlns=\"http://www.ivoa.net/xml/VOTable/v1.3\">\n<RESOURCE type=\"results\">\n\
         <TABLE name=\"t\">\n{fields}\n<DATA>{data}</DATA>\n</TABLE>\n</RESOURCE>\n</VOTABLE>\n"
    )
}

fn words(fields: &str, rows: &str) -> String {
    document(fields, &format!("<TABLEDATA>{rows}</TABLEDATA>"))
}

#[track_caller]
fn check_refused(text: &str, expected: &str) {
    check_error("t.vot", text.as_bytes(), &ReadOptions::default(), expected);
}

#[test]
fn metadata_are_kept() {
    let text = r#"<?xml version="1.0"?>
<!DOCTYPE VOTABLE>
<vot:VOTABLE version="1.1" xmlns:vot="http://www.ivoa.net/xml/VOTable/v1.1">
 <vot:DESCRIPTION>of the document</vot:DESCRIPTION>
 <vot:RESOURCE><vot:DESCRIPTION>of the
   resource</vot:DESCRIPTION>
  <vot:COOSYS ID="sys" system="eq_FK5" equinox="J2000"/>
  <vot:TIMESYS ID="ts" timescale="TCB" refposition="BARYCENTER" timeorigin="MJD-origin"/>
  <vot:PARAM name="p" datatype="int" value="3"/>
  <vot:INFO name="QUERY_STATUS" value="OK"/>
  <vot:INFO name="citation" value="doi:10.1234/stars"/>
  <vot:INFO name="creator" value="A. Star"/><vot:INFO name="creator" value="B. Sky"/>
  <!-- a comment with <TR> -->
  <vot:TABLE name="stars" utype="a:b" nrows="1">
   <vot:PARAM name="epoch" datatype="double" value="2016.0" unit="yr"/>
   <vot:GROUP><vot:DESCRIPTION>of a group</vot:DESCRIPTION><vot:FIELDref ref="c1"/></vot:GROUP>
   <vot:FIELD ID="c1" name="ra" datatype="double" unit="deg" ucd="pos.eq.ra;meta.main" ref="sys"
     utype="x:y"><vot:DESCRIPTION>Right &amp;
      left</vot:DESCRIPTION></vot:FIELD>
   <vot:FIELD name="t" datatype="char" arraysize="*" xtype="timestamp" ref="ts"/>
   <vot:FIELD ID="only_id" datatype="int"/>
   <vot:FIELD datatype="short" arraysize="2x3"/>
   <vot:DATA><vot:TABLEDATA><vot:TR>
     <vot:TD> 1.5 </vot:TD><vot:TD>2026-11-21T19:30:00.25</vot:TD><vot:TD>&#55;</vot:TD>
     <vot:TD>1 2 3 4 5 6</vot:TD></vot:TR></vot:TABLEDATA></vot:DATA>
  </vot:TABLE>
  <vot:INFO name="QUERY_STATUS" value="OVERFLOW"/>
 </vot:RESOURCE>
</vot:VOTABLE>"#;
    let read = read("t.xml", text.as_bytes());
    assert_eq!(read.metadata.title.as_deref(), Some("stars"));
    assert_eq!(read.metadata.description.as_deref(), Some("of the resource"));
    assert_eq!(read.metadata.utype.as_deref(), Some("a:b"));
    let ra = &read.metadata.columns["ra"];
    assert_eq!(ra.unit.as_deref(), Some("deg"));
    assert_eq!(ra.ucd.as_deref(), Some("pos.eq.ra;meta.main"));
    assert_eq!(ra.utype.as_deref(), Some("x:y"));
    assert_eq!(ra.description.as_deref(), Some("Right & left"));
    assert_eq!(read.metadata.columns["t"].xtype.as_deref(), Some("timestamp"));
    let note = read.metadata.columns["column_4"].description.as_deref();
    assert_eq!(note, Some("(arrays of 2x3, flat, the first index the fastest)"));
    assert_eq!(read.rows, [["1.5", "2026-11-21T19:30:00.250", "7", "[1, 2, 3, 4, 5, 6]"]]);
    assert_eq!(read.schema.field(1).data_type().to_string(), "Timestamp(µs)");
    let told = [
        "PARAM epoch of all rows: 2016.0 yr",
        "the service that wrote the table cut it at a limit (QUERY_STATUS OVERFLOW)",
    ];
    assert_eq!(read.remarks, told);
    let frame = FrameMetadata {
        system: "eq_FK5".to_owned(),
        equinox: Some("J2000".to_owned()),
        columns: vec!["ra".to_owned()],
        ..FrameMetadata::default()
    };
    assert_eq!(read.metadata.frames, [frame]);
    let time = TimeMetadata {
        scale: "TCB".to_owned(),
        refposition: "BARYCENTER".to_owned(),
        origin: Some(2_400_000.5),
        columns: vec!["t".to_owned()],
    };
    assert_eq!(read.metadata.times, [time]);
    let origin = &read.metadata.origin;
    assert_eq!(origin.doi.as_deref(), Some("10.1234/stars"));
    assert_eq!(origin.creators, ["A. Star", "B. Sky"]);
    assert_eq!((read.progress.rows, read.progress.total_rows), (1, Some(1)));
    assert_eq!(read.progress.bytes, read.progress.total_bytes);
}

#[test]
fn cells_are_null_where_the_document_says_so() {
    let fields = r#"<FIELD name="i" datatype="int"><VALUES null="-99"/></FIELD>
        <FIELD name="f" datatype="float"><VALUES null="-99.9"/></FIELD>
        <FIELD name="b" datatype="boolean"/><FIELD name="c" datatype="char" arraysize="*"/>
        <FIELD name="l" datatype="int" arraysize="*"><VALUES null="0"/></FIELD>
        <FIELD name="u" datatype="unsignedByte"/>"#;
    let rows = "<TR><TD>-99</TD><TD>-99.9</TD><TD>?</TD><TD/><TD></TD><TD>0xFF</TD></TR>
        <TR><TD/><TD>NaN</TD><TD>t</TD><TD><![CDATA[a<b]]>&lt;</TD><TD>1 0</TD><TD> 7 </TD></TR>
        <TR><TD> </TD><TD>+Inf</TD><TD>0</TD><TD> x\r\n</TD><TD>5</TD><TD></TD></TR>";
    let read = read("t.vot", words(fields, rows).as_bytes());
    let expected = [
        ["NULL", "NULL", "NULL", "NULL", "NULL", "255"],
        ["NULL", "NaN", "true", "a<b<", "[1, ]", "7"],
        ["NULL", "inf", "false", " x\n", "[5]", "NULL"],
    ];
    assert_eq!(read.rows, expected);
}

#[test]
fn every_type_has_an_arrow_type() {
    let types = [
        ("boolean", "", "Boolean"),
        ("bit", "", "Boolean"),
        ("bit", "*", "List(Boolean)"),
        ("unsignedByte", "1", "UInt8"),
        ("short", "3", "FixedSizeList(3 x Int16)"),
        ("int", "2x*", "List(Int32)"),
        ("long", "10*", "List(Int64)"),
        ("char", "", "Utf8"),
        ("unicodeChar", "4", "Utf8"),
        ("char", "4x3", "FixedSizeList(3 x Utf8)"),
        ("char", "4x*", "List(Utf8)"),
        ("floatComplex", "", "FixedSizeList(2 x Float32)"),
        ("doubleComplex", "2", "FixedSizeList(4 x Float64)"),
        ("doubleComplex", "*", "List(Float64)"),
    ];
    for (datatype, size, expected) in types {
        let size = if size.is_empty() { String::new() } else { format!("arraysize=\"{size}\"") };
        let field = format!("<FIELD name=\"a\" datatype=\"{datatype}\" {size}/>");
        let read = read("t.vot", words(&field, "<TR><TD/></TR>").as_bytes());
        assert_eq!(read.columns(), [format!("a {expected}")], "{field}");
        assert_eq!(read.rows, [["NULL"]], "{field}");
    }
}

/// Missing arrays take no room in a document, but they do in memory.
#[test]
fn batches_are_cut_by_bytes() {
    let field = "<FIELD name=\"a\" datatype=\"double\" arraysize=\"1000000\"/>";
    let read = read("t.vot", words(field, &"<TR><TD/></TR>".repeat(12)).as_bytes());
    assert_eq!((read.rows.len(), read.batches), (12, 3));
}

#[test]
fn one_of_several_tables_is_chosen() {
    let table = |name: &str, stream: &str| {
        format!(
            "<TABLE name=\"{name}\" ID=\"id_{name}\"><FIELD name=\"{name}\" datatype=\"short\"/>\
                 <DATA><BINARY><STREAM encoding=\"base64\">{stream}</STREAM></BINARY></DATA></TABLE>"
        )
    };
    let tables = table("one", "AAEA\n Ag==") + &table("two", "AAM") + &table("three", "");
    let text = format!("<VOTABLE><RESOURCE>{tables}</RESOURCE></VOTABLE>");
    let chosen = |choice: Option<TableChoice>| {
        let options = ReadOptions { table: choice, ..ReadOptions::default() };
        read_as("t.vot", text.as_bytes(), &options)
    };
    let first = chosen(None).unwrap();
    assert_eq!(
        (first.columns(), first.rows),
        (vec!["one Int16".to_owned()], vec![vec!["1".to_owned()], vec!["2".to_owned()]])
    );
    assert_eq!(first.remarks, ["one of 3 tables was read; they are one, two, three"]);
    assert_eq!(chosen(Some(TableChoice::Number(2))).unwrap().rows, [["3"]]);
    let third = chosen(Some(TableChoice::Name("id_three".to_owned()))).unwrap();
    assert!(third.rows.is_empty());
    let missing = chosen(Some(TableChoice::Name("four".to_owned()))).unwrap_err();
    assert!(missing.contains("no TABLE named four, but 3: one, two, three"), "{missing}");
}

#[test]
fn latin_1_is_decoded_where_it_is_declared() {
    let text =
        words("<FIELD name=\"c\" datatype=\"char\" arraysize=\"*\"/>", "<TR><TD>R\u{f6}</TD></TR>");
    let text = text.replace("version=\"1.0\"?", "version=\"1.0\" encoding=\"ISO-8859-1\"?");
    let bytes: Vec<u8> = text.chars().map(|c| u8::try_from(u32::from(c)).unwrap()).collect();
    assert_eq!(read("t.vot", &bytes).rows, [["Rö"]]);
    let undeclared = String::from_utf8_lossy(&bytes).replace(" encoding=\"ISO-8859-1\"", "");
    assert!(undeclared.contains('\u{fffd}'));
    let raw: Vec<u8> = text
        .replace(" encoding=\"ISO-8859-1\"", "")
        .chars()
        .map(|c| u8::try_from(u32::from(c)).unwrap())
        .collect();
    check_error(
        "t.vot",
        &raw,
        &ReadOptions::default(),
        "row 1, line 6: \"R\u{fffd}\" is not UTF-8",
    );
}

#[test]
fn what_is_wrong_is_named() {
    let int = r#"<FIELD name="i" datatype="int"/>"#;
    for (text, expected) in [
        (words(int, "<TR><TD>1</TD></TR>\n<TR><TD>x</TD></TR>"), "FILE: row 2, line 7, column i: \"x\" is no Int32"),
        (words(int, "<TR><TD>3000000000</TD></TR>"), "\"3000000000\" is no Int32"),
        (words(int, "<TR></TR>"), "row 1, line 6: the row has 0 cells in place of 1"),
        (words(int, "<TR><TD>1</TD><TD>2</TD></TR>"), "row 1, line 6: the row has more than 1 cells"),
        (words(int, "<TR><TD>&nbsp;</TD></TR>"), "the entity &nbsp; is not defined"),
        (words(int, "<TD>1</TD>"), "a <TR> is expected"),
        (words("<FIELD name=\"a\" datatype=\"int\" arraysize=\"2\"/>", "<TR><TD>1 2 3</TD></TR>"), "column a: the cell has 3 values in place of 2"),
        (words("<FIELD name=\"a\" datatype=\"int\" arraysize=\"0\"/>", ""), "arraysize=\"0\" is not read"),
        (words("<FIELD name=\"a\" datatype=\"int\" arraysize=\"99999999999\"/>", ""), "are too large"),
        (words("<FIELD name=\"a\" datatype=\"string\"/>", ""), "datatype=\"string\" is none of VOTable: give one of boolean"),
        (words("<FIELD name=\"a\"/>", ""), "line 5, column a: the FIELD has no datatype"),
        (words(&int.repeat(2), ""), "columns 1 and 2 are both named i: rename one of them"),
        (words("", ""), "it has no columns"),
        (document(int, "<FITS><STREAM>AA==</STREAM></FITS>"), "write them as TABLEDATA, BINARY or BINARY2"),
        (document(int, "<BINARY><STREAM href=\"file:///etc/passwd\"/></BINARY>"), "its rows lie in another file"),
        (document(int, "<BINARY><STREAM>AAAA!</STREAM></BINARY>"), "the rows are no base64"),
        (document(int, "<BINARY><STREAM encoding=\"base64\">AAAAAQAA</STREAM></BINARY>"), "row 2, line 6, column i: the rows end in the middle"),
        (document("<FIELD name=\"v\" datatype=\"int\" arraysize=\"*\"/>", "<BINARY><STREAM>f////w==</STREAM></BINARY>"), "column v: a cell of 2147483647 elements is larger than 256 MiB"),
        (document("<FIELD name=\"v\" datatype=\"int\" arraysize=\"*\"/>", "<BINARY><STREAM>/////w==</STREAM></BINARY>"), "column v: -1 is no length"),
        (words("<FIELD name=\"t\" datatype=\"char\" arraysize=\"*\" xtype=\"timestamp\"/>", "<TR><TD>yesterday</TD></TR>"), "\"yesterday\" is no moment"),
        ("<VOTABLE><RESOURCE type=\"results\"><INFO name=\"QUERY_STATUS\" value=\"ERROR\">no\n such table</INFO></RESOURCE></VOTABLE>".to_owned(), "a query that failed: no such table"),
        ("<VOTABLE/>".to_owned(), "the document has no TABLE"),
        ("<html><body>VOTABLE</body></html>".to_owned(), "<HTML> is the outermost element"),
        ("<!DOCTYPE html><HTML><body>404</body></HTML>".to_owned(), "this is a web page without a VOTABLE element"),
        ("<?xml version=\"1.0\" encoding=\"UTF-16\"?><VOTABLE/>".to_owned(), "the encoding utf-16 is not read: write UTF-8"),
    ] {
        check_refused(&text, expected);
    }
    let failed_late = words(int, "<TR><TD>1</TD></TR>")
        .replace("</TABLE>", "</TABLE><INFO name=\"QUERY_STATUS\" value=\"ERROR\">disk</INFO>");
    check_refused(&failed_late, "a query that failed: disk");
}

#[test]
fn a_document_that_ends_early_is_refused_wherever_it_does() {
    let int = r#"<FIELD name="i" datatype="int"/>"#;
    for whole in [
        words(int, "<TR><TD>1</TD></TR><TR><TD>2</TD></TR>"),
        document(int, "<BINARY><STREAM encoding=\"base64\">AAAAAQAAAAI=</STREAM></BINARY>"),
    ] {
        for end in 1..whole.trim_end().len() {
            let options =
                ReadOptions { format: Some(FileFormat::Votable), ..ReadOptions::default() };
            let error = read_as("t.vot", &whole.as_bytes()[..end], &options).unwrap_err();
            assert!(error.contains("ends early"), "{error} of {}", &whole[..end]);
        }
    }
}

#[test]
fn moments_may_be_read_as_text() {
    let field = "<FIELD name=\"t\" datatype=\"char\" arraysize=\"*\" xtype=\"timestamp\"/>";
    let text = words(field, "<TR><TD>2016-12-31T23:59:60</TD></TR>");
    let mut options = ReadOptions::default();
    check_error("t.vot", text.as_bytes(), &options, "\"2016-12-31T23:59:60\" is no moment");
    options.types.insert("t".to_owned(), DataType::Utf8);
    assert_eq!(
        read_as("t.vot", text.as_bytes(), &options).unwrap().rows,
        [["2016-12-31T23:59:60"]]
    );
    options.types.insert("t".to_owned(), DataType::Int64);
    let expected =
        "column t: the file says that it is Timestamp(µs), so that it cannot be read as Int64";
    check_error("t.vot", text.as_bytes(), &options, expected);
    options.types.insert("t".to_owned(), DataType::Utf8View);
    options.types.insert("u".to_owned(), DataType::Utf8);
    let expected = "a type is given for the column u, which is not there: its columns are t";
    check_error("t.vot", text.as_bytes(), &options, expected);
}
