//! The descriptions of the service: `TAP_SCHEMA`, `/tables`, `/examples`, `/capabilities` and its pages, as
//! taplint, the schemas of the IVOA, pyvo and the queries of real clients judge them.
//!
//! The tables are those of the shared folder with a `table.toml` of ours beside two of them.

use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};

use tempfile::TempDir;
use tests::{Cluster, Server, Tap, places};

const OPENGC: &str = r#"
version = 1
title = "OpenNGC"
description = "Objects of the New General Catalogue & the Index Catalogue."

[columns.maj_ax]
unit = "arcmin"
ucd = "phys.angSize.smajAxis"
description = "major axis"

[columns.b_mag]
unit = "mag"
ucd = "phot.mag;em.opt.B"
utype = "test:bMag"
description = "brightness in blue, < 30"
principal = true

[columns.name]
ucd = "meta.id;meta.main"
description = "name, as in «NGC 224»"
indexed = true
principal = true
"#;

const SOURCES: &str = r#"
version = 1
description = "Detections."

[[keys]]
target = "public.small_sky_order1_collection"
columns = { object_id = "id" }
description = "the object that was detected"
"#;

/// Every stage but those of data models that are not served (standards.md §2).
const STAGES: &str = "TMV TME TMS TMC CPV CAP AVV QGE QPO QAS UWS MDQ UPL EXA";

/// The shared tables, described.
fn described() -> Option<TempDir> {
    let hats = places::hats()?;
    let folder = TempDir::with_prefix("armilla-described-").expect("a temporary folder");
    let copied = Command::new("cp").arg("-rL").arg(hats.join(".")).arg(folder.path()).status();
    assert!(copied.is_ok_and(|status| status.success()), "the tables are copied");
    let opened = Command::new("chmod").args(["-R", "u+w,a+rX"]).arg(folder.path()).status();
    assert!(opened.is_ok_and(|status| status.success()), "the copy is ours");
    for (table, text) in [("opengc", OPENGC), ("small_sky_order1_source_collection", SOURCES)] {
        std::fs::write(folder.path().join(table).join("table.toml"), text).expect("it is written");
    }
    Some(folder)
}

/// A tool of the shared folder that runs here.
fn tool(name: &str, needs: &[&str]) -> Option<PathBuf> {
    let folder = places::shared()?.join("conformance");
    let mut command =
        Command::new(if needs[0] == "stilts" { folder.join("stilts") } else { needs[0].into() });
    let runs = command.args(&needs[1..]).output().is_ok_and(|output| output.status.success());
    if !runs {
        places::missing(name, &format!("{needs:?} does not run"));
    }
    runs.then(|| folder.join(name))
}

fn run(command: &mut Command) -> (Output, String) {
    let output = command.stdin(Stdio::null()).output().expect("the tool starts");
    let said = [&output.stdout, &output.stderr].map(|bytes| String::from_utf8_lossy(bytes));
    (output.clone(), said.concat())
}

/// taplint reports nothing but what it did.
pub(crate) fn check_taplint(url: &str) {
    let Some(taplint) = tool("taplint", &["stilts", "-version"]) else { return };
    let stages = format!("stages={STAGES}");
    let (output, said) = run(Command::new(taplint).args([url, &stages]));
    let totals = said.lines().rev().find(|line| line.starts_with("Totals:")).unwrap_or_default();
    let clean = ["Errors: 0;", "Warnings: 0;", "Failures: 0"].iter().all(|n| totals.contains(n));
    assert!(output.status.success() && clean, "{said}");
    // Everything ran: the tables were described, their columns asked for, the examples executed.
    for done in ["S-TMV", "S-TMS-SUMM", "S-QAS-QNUM", "S-MDQ", "S-EXA"] {
        assert!(said.contains(done), "{done} is not in\n{said}");
    }
}

#[test]
fn taplint_finds_nothing_in_one_process() {
    let Some(folder) = described() else { return };
    check_taplint(Server::serve(folder.path(), &[]).url());
}

#[test]
fn taplint_finds_nothing_over_three_workers() {
    let Some(folder) = described() else { return };
    let cluster = Cluster::start(folder.path());
    check_taplint(cluster.tap().base());
}

#[test]
fn documents_obey_the_schemas_of_the_ivoa() {
    let Some(folder) = described() else { return };
    let Some(validate) = tool("validate-xml", &["xmllint", "--version"]) else { return };
    let server = Server::serve(folder.path(), &[]);
    let tap = Tap::new(server.url());
    let kept = TempDir::new().expect("a temporary folder");
    let documents = [
        ("capabilities", None),
        ("availability", None),
        ("tables", None),
        ("tables", Some("min")),
        ("tables", Some("max")),
        ("tables/public.opengc", None),
        ("tables/TAP_SCHEMA.columns", None),
    ];
    for (number, (resource, detail)) in documents.into_iter().enumerate() {
        let parameters: Vec<(&str, &str)> = detail.map(|d| ("detail", d)).into_iter().collect();
        let reply = tap.get(resource, &parameters);
        assert_eq!(
            (reply.status, reply.media_type.starts_with("text/xml")),
            (200, true),
            "{resource}"
        );
        let file = kept.path().join(format!("{number}.xml"));
        std::fs::write(&file, &reply.body).expect("the document is kept");
        let (output, said) = run(Command::new(&validate).arg(&file));
        assert!(output.status.success(), "{resource} {detail:?}: {said}\n{}", reply.body);
    }
}

#[test]
fn pyvo_reads_the_descriptions() {
    let (Some(folder), Some(python)) = (described(), places::python()) else { return };
    let server = Server::serve(folder.path(), &[]);
    let path = folder.path().to_string_lossy();
    let arguments = [server.url(), &path];
    if let Err(said) = places::run_python(&python, "tests/clients/use_metadata.py", &arguments) {
        panic!("{said}");
    }
}

#[test]
fn one_table_is_found_by_its_name_and_nothing_else_is() {
    let Some(folder) = described() else { return };
    let server = Server::serve(folder.path(), &[]);
    let tap = Tap::new(server.url());
    for name in ["public.opengc", "PUBLIC.OpenGC", "%22public%22.opengc", "tap_schema.tables"] {
        let reply = tap.get(&format!("tables/{name}"), &[]);
        assert_eq!(reply.status, 200, "{name}: {}", reply.body);
        assert!(reply.body.contains("<column std="), "{name}: {}", reply.body);
    }
    for name in ["opengcc", "public", "public.open%20gc", "..%2F..%2Fetc", "%22public%22.opengc.x"]
    {
        let reply = tap.get(&format!("tables/{name}"), &[]);
        assert_eq!(reply.status, 404, "{name}: {}", reply.body);
        assert!(reply.body.contains("there is no table"), "{name}: {}", reply.body);
    }
    let min = tap.get("tables", &[("DETAIL", "MIN"), ("tables", "x"), ("only_tables", "true")]);
    assert!(min.status == 200 && !min.body.contains("<column"), "{}", min.body);
    let most = tap.get("tables", &[("detail", "most")]);
    assert!(most.status == 400 && most.body.contains("DETAIL=most"), "{}", most.body);
    assert_eq!(tap.get("help/nothing", &[]).status, 404);
    assert_eq!(tap.get("browse/nothing", &[]).status, 404);
}

/// The queries that real clients send to `TAP_SCHEMA`, from the shared folder.
fn client_queries() -> Option<Vec<String>> {
    let file = places::shared()?.join("conformance/adql/client_queries.json");
    let text = std::fs::read_to_string(file).expect("the queries are there");
    let all: serde_json::Value = serde_json::from_str(&text).expect("they are JSON");
    let texts = all.as_array()?.iter().filter_map(|query| query["text"].as_str());
    let ours = texts.filter(|text| text.to_ascii_uppercase().contains("TAP_SCHEMA."));
    let mut queries: Vec<String> = ours.map(ToOwned::to_owned).collect();
    assert!(queries.len() >= 8, "{queries:?}");
    // What TOPCAT and pyvo ask for one table.
    for more in [
        "SELECT schema_name, table_name, table_type, description FROM TAP_SCHEMA.tables ORDER BY table_index",
        "SELECT column_name, datatype, \"size\", arraysize, xtype, unit, ucd, utype, description, indexed, \
         principal, std FROM TAP_SCHEMA.columns WHERE table_name = '\"public\".opengc' ORDER BY column_index",
        "SELECT k.key_id, k.target_table, c.from_column FROM TAP_SCHEMA.keys AS k JOIN TAP_SCHEMA.key_columns \
         AS c USING (key_id) WHERE k.from_table = '\"public\".small_sky_order1_source_collection'",
    ] {
        queries.push(more.to_owned());
    }
    Some(queries)
}

fn tasks(cluster: &Cluster) -> u64 {
    cluster.worker_counters().iter().map(|counters| counters.tasks).sum()
}

#[test]
fn queries_of_clients_are_answered_without_a_worker() {
    let (Some(folder), Some(queries)) = (described(), client_queries()) else { return };
    let server = Server::serve(folder.path(), &[]);
    let cluster = Cluster::start(folder.path());
    let (one, three) = (Tap::new(server.url()), cluster.tap());
    let before = tasks(&cluster);
    for query in &queries {
        let alone = one.query(query).unwrap_or_else(|error| panic!("{query}: {error}"));
        let together = three.query(query).unwrap_or_else(|error| panic!("{query}: {error}"));
        assert_eq!(alone.difference(&together), None, "{query}");
        assert!(!alone.rows.is_empty() || query.contains("ivoa.obscore"), "{query} has no rows");
    }
    assert_eq!(tasks(&cluster), before, "no worker executed a task");
    let joins = [
        "SELECT t.table_name, COUNT(*) AS n FROM TAP_SCHEMA.tables AS t JOIN small_sky AS s \
         ON t.table_index = MOD(s.id, 5) WHERE t.schema_name = '\"public\"' GROUP BY t.table_name",
        "SELECT g.name, c.column_index FROM opengc AS g LEFT JOIN TAP_SCHEMA.columns AS c \
         ON g.messier = c.column_index WHERE g.messier < 40",
        "SELECT COUNT(*) AS n FROM opengc WHERE messier IN (SELECT column_index FROM TAP_SCHEMA.columns)",
        "SELECT COUNT(*) AS n FROM opengc WHERE messier > (SELECT COUNT(*) FROM TAP_SCHEMA.tables)",
        "SELECT table_name FROM TAP_SCHEMA.tables UNION SELECT type FROM opengc",
        "SELECT COUNT(*) AS n FROM small_sky AS s, TAP_SCHEMA.schemas AS t",
    ];
    for join in joins {
        let alone = one.query(join).unwrap_or_else(|error| panic!("{join}: {error}"));
        let together = three.query(join).unwrap_or_else(|error| panic!("{join}: {error}"));
        assert_eq!(alone.difference(&together), None, "{join}");
    }
}

#[test]
fn low_limits_do_not_cut_tap_schema() {
    let Some(folder) = described() else { return };
    let server = Server::serve(folder.path(), &["--default-rows", "2", "--max-rows", "3"]);
    let tap = Tap::new(server.url());
    let columns = "SELECT table_name, column_name FROM TAP_SCHEMA.columns";
    let count = "SELECT COUNT(*) AS n FROM TAP_SCHEMA.columns";
    let count = tap.query(count).expect("it counts").single().map(ToOwned::to_owned);
    assert_eq!(Some(tap.query(columns).expect("it lists").rows.len().to_string()), count);
    let cut = tap.get("sync", &[("LANG", "ADQL"), ("QUERY", columns), ("MAXREC", "5")]);
    assert_eq!(cut.body.matches("QUERY_STATUS").count(), 2, "5 rows, and said so: {}", cut.body);
    assert_eq!(tap.query("SELECT name FROM opengc").expect("it lists").rows.len(), 2);
}

/// A text that cannot be read ends the start, with file and line.
#[test]
fn a_wrong_table_toml_is_named() {
    let Some(folder) = described() else { return };
    let file = Path::new("opengc/table.toml");
    std::fs::write(folder.path().join(file), "version = 1\ntitle = \"x\n").expect("it is written");
    let output = tests::process::run_armilla([
        "query".into(),
        "--data".into(),
        folder.path().as_os_str().to_owned(),
        "SELECT 1 AS x FROM opengc".into(),
    ]);
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(!output.status.success() && said.contains("opengc/table.toml: line 2"), "{said}");
}
