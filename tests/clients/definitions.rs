//! The definitions that the help page shows, in a service: a view among the tables, a macro among
//! the functions, and arrays whose positions have names.

use std::fs;
use std::path::Path;
use std::time::Duration;

use tests::metrics::eventually;
use tests::process::run_armilla;
use tests::{Server, Tap, places};

/// The full demo takes a debug build too long.
const ROWS: [&str; 2] = ["--demo-rows", "5000"];

const PATIENCE: Duration = Duration::from_secs(90);

fn rows(tap: &Tap, adql: &str) -> Vec<Vec<String>> {
    tap.query(adql).unwrap_or_else(|e| panic!("{adql}: {e}")).rows
}

/// The text of the help page between two tags that is the definitions.
fn shown(tap: &Tap, class: &str) -> Vec<String> {
    let page = tap.get("help/publish", &[]).body;
    let begin = format!("<pre class=\"{class}\">");
    let texts = page.split(&begin).skip(1).filter_map(|after| after.split_once("</pre>"));
    texts.map(|(text, _)| text.replace("&lt;", "<").replace("&gt;", ">")).collect()
}

fn taken_up(server: &Server, data: &Path, definitions: &str, words: &str) {
    fs::write(data.join("definitions.toml"), definitions).expect("it is written");
    server.hang_up();
    assert!(eventually(PATIENCE, || server.log().contains(words)), "{}", server.log());
}

#[test]
fn what_the_help_page_defines_is_served() {
    let Some(python) = places::python() else { return };
    let folder = tempfile::tempdir().expect("a temporary folder");
    let data = folder.path().join("sky");
    let server = Server::serve(&data, &ROWS);
    let tap = Tap::new(server.url());
    let [definitions] = shown(&tap, "definitions").try_into().expect("one example");
    taken_up(&server, &data, &definitions, "added: latest.bright; the macros");
    let of_view = rows(&tap, "SELECT objectId, g_mag FROM latest.bright ORDER BY objectId");
    let of_table = rows(
        &tap,
        "SELECT objectId, -2.5 * LOG10(g_psfFlux) + 31.4 AS g_mag FROM demo.object \
         WHERE g_psfFlux > 1000 ORDER BY objectId",
    );
    assert!(of_view.len() > 100 && of_view == of_table, "{} rows", of_view.len());
    let near = "SELECT COUNT(*) AS n FROM latest.bright AS b JOIN demo.object AS o \
                ON DISTANCE(b.ra, b.dec, o.ra, o.dec) < 1e-5";
    assert_eq!(rows(&tap, near), [[of_view.len().to_string()]]);
    let script = "tests/clients/use_definitions.py";
    places::run_python(&python, script, &[server.url()]).unwrap_or_else(|said| panic!("{said}"));
    // What is wrong is told with file and name, and changes nothing.
    let wrong = definitions.replace("demo.object", "demo.objects");
    taken_up(&server, &data, &wrong, "view latest.bright: unknown table demo.objects");
    assert_eq!(rows(&tap, "SELECT COUNT(*) AS n FROM latest.bright").len(), 1);
    taken_up(
        &server,
        &data,
        &definitions.replace("31.4", "31.5"),
        "changed: latest.bright; the macros",
    );
    let [[changed]] = [rows(&tap, "SELECT TOP 1 ab_mag(1) AS m FROM demo.object")[0].clone()]
        .map(|row| <[String; 1]>::try_from(row).expect("one value"));
    assert_eq!(changed, "31.5");
}

/// A VOTable with an array of three magnitudes in each row, as the Javalambre surveys have them.
const ARRAYS: &str = r#"<VOTABLE version="1.4" xmlns="http://www.ivoa.net/xml/VOTable/v1.3">
<RESOURCE><TABLE><FIELD name="id" datatype="long"/>
<FIELD name="ra" datatype="double" unit="deg" ucd="pos.eq.ra;meta.main"/>
<FIELD name="dec" datatype="double" unit="deg" ucd="pos.eq.dec;meta.main"/>
<FIELD name="mag_auto" datatype="double" arraysize="3" unit="mag"/>
<FIELD name="spectrum" datatype="float" arraysize="*"/>
<DATA><TABLEDATA>
<TR><TD>1</TD><TD>10</TD><TD>20</TD><TD>20.5 19.25 18.75</TD><TD>1 2</TD></TR>
<TR><TD>2</TD><TD>190</TD><TD>-20</TD><TD>NaN 20.25 19.5</TD><TD></TD></TR>
<TR><TD>3</TD><TD>359.9</TD><TD>0</TD><TD>21 18 17</TD><TD>3 4 5 6</TD></TR>
</TABLEDATA></DATA></TABLE></RESOURCE></VOTABLE>"#;

#[test]
fn positions_of_arrays_have_the_names_that_the_help_page_gives_them() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let (input, data) = (folder.path().join("bands.xml"), folder.path().join("sky"));
    fs::write(&input, ARRAYS).expect("it is written");
    let out = data.join("survey/bands");
    let paths = [&input, &out].map(|path| path.to_str().expect("a path is a text").to_owned());
    let made = run_armilla(["import", &paths[0], "--out", &paths[1]]);
    assert!(made.status.success(), "{}", String::from_utf8_lossy(&made.stderr));
    let server = Server::serve(&data, &[]);
    let tap = Tap::new(server.url());
    assert!(tap.query("SELECT mag_auto[jplus::rSDSS] FROM survey.bands").is_err());
    let names = shown(&tap, "toml").pop().expect("an example");
    fs::write(out.join("table.toml"), names).expect("it is written");
    server.hang_up();
    let words = "changed: survey.bands";
    assert!(eventually(PATIENCE, || server.log().contains(words)), "{}", server.log());
    for (adql, expected) in [
        (
            "SELECT id, mag_auto[jplus::rSDSS] AS r, mag_auto[1] - mag_auto[jplus::gSDSS] AS c \
             FROM survey.bands ORDER BY id",
            "1,18.75,1.25;2,19.5,;3,17.0,3.0",
        ),
        (
            "SELECT id, spectrum[3] AS s FROM survey.bands WHERE mag_auto[2] < 20 ORDER BY id",
            "1,;3,5.0",
        ),
        (
            "SELECT description FROM TAP_SCHEMA.columns WHERE column_name = 'mag_auto' \
             AND table_name = 'survey.bands'",
            "Elements: jplus::uJAVA, jplus::gSDSS, jplus::rSDSS",
        ),
    ] {
        let found: Vec<String> = rows(&tap, adql).iter().map(|row| row.join(",")).collect();
        assert_eq!(found.join(";"), expected, "{adql}");
    }
    let wrong = tap.query("SELECT mag_auto[jplus::iSDSS] FROM survey.bands");
    let message = wrong.expect_err("no such name");
    assert!(message.contains("unknown position jplus::iSDSS at line 1, column 8"), "{message}");
}
