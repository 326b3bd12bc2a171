//! What files and Felis say of a table that is imported: who is believed, and what is refused.

use std::fs;
use std::path::Path;

use datafusion::arrow::datatypes::Schema;
use datafusion::parquet::arrow::ArrowWriter;
use datafusion::parquet::file::metadata::KeyValue;

use super::{Bench, read, said};
use crate::import::{FelisChoice, ImportOptions, Placing, import};
use crate::metadata::TableMetadata;

const FELIS: &str = "name: s
tables:
- name: T
  description: by Felis
  columns:
  - {name: id, datatype: long, 'ivoa:ucd': meta.id;meta.main, description: by Felis}
  - {name: mag, datatype: float, 'ivoa:unit': mag, 'tap:principal': 1}
  - {name: lost, datatype: float}
";

fn votable(system: &str) -> String {
    format!(
        r#"<VOTABLE version="1.4"><RESOURCE><COOSYS ID="c" system="{system}" epoch="J2016.0"/>
        <TIMESYS ID="t" timescale="TAI" refposition="TOPOCENTER" timeorigin="2400000.5"/>
        <INFO name="creator" value="A. Star"/>
        <TABLE name="by the file"><DESCRIPTION>by the file</DESCRIPTION>
        <FIELD name="id" datatype="long"><DESCRIPTION>by the file</DESCRIPTION></FIELD>
        <FIELD name="ra" datatype="double" unit="rad" ucd="pos.eq.ra;meta.main" ref="c"/>
        <FIELD name="dec" datatype="double" unit="rad" ucd="pos.eq.dec;meta.main" ref="c"/>
        <FIELD name="mjd" datatype="double" unit="d" ref="t"/>
        <FIELD name="mag" datatype="double" unit="Jy" utype="a:b"/>
        <DATA><TABLEDATA><TR><TD>1</TD><TD>0.5</TD><TD>0.25</TD><TD>60000</TD><TD>20</TD></TR>
        </TABLEDATA></DATA></TABLE></RESOURCE></VOTABLE>"#
    )
}

fn options(bench: &Bench, input: &str, content: &str, table: &str) -> ImportOptions {
    let felis = FelisChoice { path: bench.input("f.yaml", FELIS), table: None };
    let input = bench.input(input, content);
    ImportOptions { felis: Some(felis), ..bench.options(vec![input], table) }
}

fn written(bench: &Bench, table: &str) -> TableMetadata {
    let text = fs::read_to_string(bench.data().join("s").join(table).join("table.toml")).unwrap();
    toml::from_str(&text).unwrap()
}

#[tokio::test]
async fn felis_is_believed_before_the_file() {
    let bench = Bench::new();
    let mut options = options(&bench, "t.vot", &votable("ICRS"), "t");
    options.indexes = vec!["id".to_owned()];
    let report = import(&options, &|_| {}).unwrap();
    let told =
        ["Felis says that mag is float", "Felis describes 1 columns that are not here: lost"];
    for words in told {
        assert!(report.remarks.iter().any(|r| r.contains(words)), "{:?}", report.remarks);
    }
    let metadata = written(&bench, "t");
    assert_eq!(metadata.title.as_deref(), Some("by the file"));
    assert_eq!(metadata.description.as_deref(), Some("by Felis"));
    assert_eq!(metadata.origin.creators, ["A. Star"]);
    let column = |name: &str| &metadata.columns[name];
    assert_eq!(column("id").description.as_deref(), Some("by Felis"));
    assert_eq!(column("id").indexed, Some(true));
    assert_eq!(column("mag").unit.as_deref(), Some("mag"));
    assert_eq!(column("mag").utype.as_deref(), Some("a:b"));
    // The frame is that of the degrees, too.
    assert_eq!(metadata.frames[0].columns, ["ra", "dec", "ra_deg", "dec_deg"]);
    assert_eq!(metadata.times[0].origin, Some(2_400_000.5));
    assert_eq!(bench.ask("SELECT id FROM s.t WHERE ra_deg > 28").await, ["1"]);
}

#[test]
fn positions_of_other_frames_are_refused() {
    let bench = Bench::new();
    for system in ["FK4", "galactic"] {
        let result = import(&options(&bench, "t.vot", &votable(system), "t"), &|_| {});
        let said = said(result);
        assert!(said.contains(&format!("ra and dec are {system}")), "{said}");
        assert!(!bench.data().join("s/t").exists());
    }
    // As a table without positions it is what it says.
    let options = options(&bench, "t.vot", &votable("FK4"), "t");
    import(&ImportOptions { placing: Placing::Nowhere, ..options }, &|_| {}).unwrap();
    assert_eq!(written(&bench, "t").frames[0].system, "FK4");
}

/// Copies a Parquet file with what a VOTable says of it.
fn with_votable(from: &Path, to: &Path, votable: &str) {
    let batches = read(from);
    let schema = batches[0].schema();
    let schema = Schema::new(schema.fields().clone());
    let file = fs::File::create(to).unwrap();
    let mut writer = ArrowWriter::try_new(file, schema.into(), None).unwrap();
    for batch in &batches {
        writer.write(batch).unwrap();
    }
    let key = "IVOA.VOTable-Parquet.content".to_owned();
    writer.append_key_value_metadata(KeyValue::new(key, votable.to_owned()));
    writer.close().unwrap();
}

#[tokio::test]
async fn voparquet_is_believed_before_felis_and_table_toml_before_all() {
    let bench = Bench::new();
    let plain = options(&bench, "t.vot", &votable("ICRS"), "t");
    import(&ImportOptions { placing: Placing::Nowhere, ..plain.clone() }, &|_| {}).unwrap();
    let tile = bench.data().join("s/t/t/dataset/Norder=0/Dir=0/Npix=0/part.0.parquet");
    let input = bench.folder.path().join("input/v.parquet");
    with_votable(&tile, &input, &votable("ICRS"));
    let options = ImportOptions { inputs: vec![input], ..plain };
    let options = ImportOptions { folder: bench.data().join("s/u"), ..options };
    import(&options, &|_| {}).unwrap();
    let metadata = written(&bench, "u");
    assert_eq!(metadata.columns["id"].description.as_deref(), Some("by the file"));
    assert_eq!(metadata.columns["id"].ucd.as_deref(), Some("meta.id;meta.main"));
    assert_eq!(metadata.columns["mag"].unit.as_deref(), Some("Jy"));
    // In place, where no table.toml says anything, the footer does.
    let footers =
        ["_common_metadata", "_metadata"].map(|name| tile.ancestors().nth(4).unwrap().join(name));
    for footer in footers {
        fs::remove_file(footer).unwrap();
    }
    let copy = bench.folder.path().join("copy.parquet");
    with_votable(&tile, &copy, &votable("ICRS"));
    fs::rename(&copy, &tile).unwrap();
    fs::write(
        bench.data().join("s/t/table.toml"),
        "version = 1\n[columns.id]\nucd = \"meta.id\"\n",
    )
    .unwrap();
    let ask = "SELECT unit, ucd, description FROM TAP_SCHEMA.columns WHERE table_name = 's.t' AND \
               column_name IN ('id', 'mag') ORDER BY column_name";
    assert_eq!(bench.ask(ask).await, ["Jy||", "|meta.id|by the file"]);
}
