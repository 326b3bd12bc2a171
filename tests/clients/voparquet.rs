//! What the Parquet files of a table say of its columns, as astropy, pyarrow and STILTS read it.

use std::fmt::Write as _;
use std::fs;
use std::process::Command;

use tests::places;
use tests::process::run_armilla;

use crate::text;

const HEAD: &str = r#"<VOTABLE version="1.4" xmlns="http://www.ivoa.net/xml/VOTable/v1.3"><RESOURCE>
<INFO name="citation" value="doi:10.1234/abc"/><INFO name="creator" value="A. Star"/>
<COOSYS ID="c" system="ICRS" epoch="J2016.0"/>
<COOSYS ID="g" system="galactic"/>
<TIMESYS ID="t" timescale="TCB" refposition="BARYCENTER" timeorigin="2455197.5"/>
<TABLE name="Stars"><DESCRIPTION>Some &lt;stars&gt; &amp; more.</DESCRIPTION>
<FIELD name="id" datatype="long" ucd="meta.id;meta.main"/>
<FIELD name="ra" datatype="double" unit="deg" ucd="pos.eq.ra;meta.main" ref="c">
<DESCRIPTION>Right ascension</DESCRIPTION></FIELD>
<FIELD name="dec" datatype="double" unit="deg" ucd="pos.eq.dec;meta.main" ref="c">
<DESCRIPTION>Declination</DESCRIPTION></FIELD>
<FIELD name="pmra" datatype="float" unit="mas.yr**-1" ucd="pos.pm;pos.eq.ra" ref="c"/>
<FIELD name="l" datatype="double" unit="deg" ucd="pos.galactic.lon" ref="g"/>
<FIELD name="seen" datatype="double" unit="d" ucd="time.epoch" ref="t"/>
<FIELD name="name" datatype="unicodeChar" arraysize="*" utype="a:Star.name">
<DESCRIPTION>What "Röntgen" &lt; &amp; others call it</DESCRIPTION></FIELD>
<FIELD name="flux" datatype="float" arraysize="*" unit="Jy"/>
<FIELD name="bare" datatype="boolean"/>
<DATA><TABLEDATA>
"#;

/// A table of numbers without positions.
const NUMBERS: &str = r#"<VOTABLE version="1.4"><RESOURCE>
<COOSYS ID="g" system="galactic"/>
<TIMESYS ID="t" timescale="TCB" refposition="BARYCENTER" timeorigin="MJD-origin"/>
<TABLE><FIELD name="id" datatype="long"/>
<FIELD name="pm" datatype="double" unit="mas.yr**-1" ucd="pos.pm" ref="g"/>
<FIELD name="seen" datatype="double" unit="d" ref="t"/>
<DATA><TABLEDATA><TR><TD>7</TD><TD>1.5</TD><TD>60000.5</TD></TR>
<TR><TD>8</TD><TD>-2.5</TD><TD>60001.5</TD></TR></TABLEDATA></DATA></TABLE></RESOURCE></VOTABLE>"#;

/// Rows around the sky in several tiles, under columns of which much is said.
fn described() -> String {
    let mut text = HEAD.to_owned();
    for id in 0..3_000_u32 {
        let (ra, dec) = (f64::from(id * 7_919 % 36_000) / 100.0, f64::from(id % 180) - 89.5);
        let cells = [&id.to_string(), &ra.to_string(), &dec.to_string(), "1.5", "10.25", "3e2"];
        let cells = cells.iter().map(|cell| format!("<TD>{cell}</TD>")).collect::<String>();
        writeln!(text, "<TR>{cells}<TD>star {id}</TD><TD>1 2.5</TD><TD>T</TD></TR>")
            .expect("a text takes more");
    }
    text + "</TABLEDATA></DATA></TABLE></RESOURCE></VOTABLE>"
}

#[test]
fn astropy_and_stilts_find_units_ucds_and_frames_in_every_file() {
    let Some(python) = places::python() else { return };
    let folder = tempfile::tempdir().expect("a temporary folder");
    let path = |name: &str| {
        let path = folder.path().join(name);
        path.to_str().expect("paths of tests are texts").to_owned()
    };
    let [input, numbers] = ["stars.vot", "numbers.vot"].map(path);
    let [table, again, whole] = ["sky/s/stars", "sky/s/again", "sky/s/whole"].map(path);
    let content = path("content.vot");
    fs::write(&input, described()).expect("the input is written");
    fs::write(&numbers, NUMBERS).expect("the input is written");
    for (from, to, placing) in [
        (&input, &table, &["--margin", "600", "--tile-rows", "500"][..]),
        (&table, &again, &["--margin", "600", "--tile-rows", "500", "--threads", "1"]),
        (&numbers, &whole, &["--no-position"]),
    ] {
        let output = run_armilla([&["import", from, "--out", to], placing].concat());
        assert!(output.status.success(), "{}", text(&output.stderr));
    }
    let script = "tests/clients/read_voparquet.py";
    let file = format!("{whole}/whole/dataset/Norder=0/Dir=0/Npix=0/part.0.parquet");
    let told = places::run_python(&python, script, &[&input, &table, &again, &content, &file]);
    let told = told.unwrap_or_else(|said| panic!("{said}"));
    let tiles = told.split_whitespace().nth(2).and_then(|count| count.parse::<usize>().ok());
    assert!(tiles.is_some_and(|tiles| tiles > 10), "{told}");
    for table in [&table, &again, &whole] {
        let checked = run_armilla(["check", table]);
        assert!(checked.status.success(), "{}", text(&checked.stdout));
    }
    if let Some(stilts) = places::stilts() {
        let mut votlint = Command::new(stilts);
        let output = votlint.args(["votlint", &content]).output().expect("STILTS starts");
        let said = [&output.stdout, &output.stderr].map(|said| text(said)).concat();
        assert!(output.status.success() && said.trim().is_empty(), "{said}");
    }
    // The frame and the scale of a table without positions, which astropy's reader passes over.
    let footer = String::from_utf8_lossy(&fs::read(file).expect("it is there")).into_owned();
    for said in ["system=\"galactic\"", "timescale=\"TCB\""] {
        assert!(footer.contains(said), "{said} is not said");
    }
}
