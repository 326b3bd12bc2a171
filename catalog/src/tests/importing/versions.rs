//! Tables to which rows are added, and tables that are replaced: the same as those that are made at
//! once, while what was there before can be read until the version after the next.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};

use super::resumed::{copy, csv};
use super::{Bench, files, said};
use crate::Error;
use crate::import::{
    Existing, ImportOptions, ImportProgress, Parent, Placing, PositionChoice, Report, import,
};
use crate::read::ReadOptions;
use crate::tests::checking::checked;
use crate::tests::fixture::open;
use crate::write::{Outcome, Staging};
use adql::TableName;

fn options(bench: &Bench, inputs: &[&PathBuf], table: &str) -> ImportOptions {
    ImportOptions {
        margin_arcsec: Some(60.0),
        indexes: vec!["id".to_owned()],
        tile_rows: 2_000,
        memory_bytes: 1 << 19,
        threads: 2,
        read: ReadOptions { batch_rows: 1_000, ..ReadOptions::default() },
        ..bench.options(inputs.iter().copied().cloned().collect(), table)
    }
}

fn with(
    existing: Existing,
    bench: &Bench,
    inputs: &[&PathBuf],
    table: &str,
) -> Result<Report, Error> {
    // Margin and indexes are those of the table.
    let plain =
        ImportOptions { margin_arcsec: None, indexes: Vec::new(), ..options(bench, inputs, table) };
    let options = if existing == Existing::Append { plain } else { options(bench, inputs, table) };
    import(&ImportOptions { existing, ..options }, &|_| {})
}

/// The files of one version below a folder, by their names without its number.
fn version(folder: &Path, number: u32) -> BTreeMap<String, Vec<u8>> {
    let is_numbered = |part: &str| {
        part.rsplit_once('.').is_some_and(|(_, number)| number.bytes().all(|b| b.is_ascii_digit()))
    };
    let suffix = format!(".{number}");
    let found = files(folder).into_iter().filter_map(|(name, bytes)| {
        let (member, rest) = name.split_once('/')?;
        let member = match number {
            1 => (!is_numbered(member)).then_some(member)?,
            _ => member.strip_suffix(&suffix)?,
        };
        let bytes = String::from_utf8(bytes)
            .map_or_else(std::string::FromUtf8Error::into_bytes, |text| {
                text.replace(&format!("{suffix}\n"), "\n").into_bytes()
            });
        Some((format!("{member}/{rest}"), bytes))
    });
    found.collect()
}

fn same(found: &BTreeMap<String, Vec<u8>>, expected: &BTreeMap<String, Vec<u8>>) {
    assert_eq!(found.keys().collect::<Vec<_>>(), expected.keys().collect::<Vec<_>>());
    for (name, bytes) in expected {
        assert!(&found[name] == bytes, "{name} differs");
    }
}

fn assert_good(bench: &Bench) {
    let data = bench.data();
    // A runtime of its own does not go within another.
    let reports = std::thread::spawn(move || checked(&data, 10)).join().unwrap();
    for report in reports {
        assert!(report.findings.is_empty(), "{:?}", report.findings);
    }
}

#[tokio::test]
async fn appended_rows_make_the_table_that_all_rows_make() {
    let bench = Bench::new();
    let inputs = [(0, 5_000), (5_000, 7_000), (12_000, 500)]
        .map(|(from, count)| bench.input(&format!("{from}.csv"), &csv(from, count)));
    let [a, b, c] = &inputs;
    let refuse = Existing::Refuse;
    let folder = bench.data().join("s/t");
    let whole = with(refuse, &bench, &[a, b], "t").unwrap();
    let at_once = bench.folder.path().join("whole");
    fs::rename(&folder, &at_once).unwrap();
    with(refuse, &bench, &[a], "t").unwrap();
    // What others put there stays.
    fs::write(folder.join("notes.txt"), "ask before you append").unwrap();
    let first = version(&folder, 1);
    let report = with(Existing::Append, &bench, &[b], "t").unwrap();
    assert_eq!(report.former_rows + report.without_position.total(), 5_000 - 52 + 72);
    let unplaced = report.table.unplaced;
    assert_eq!(report.table, Outcome { unplaced, ..whole.table });
    same(&version(&folder, 2), &version(&at_once, 1));
    same(&version(&folder, 1), &first);
    let aside = [&at_once, &folder].map(|folder| {
        let report =
            Report { aside: Some(folder.join("without_position.parquet")), ..Report::default() };
        super::aside(&report, "id")
    });
    assert_eq!(aside[0], aside[1]);
    let count = |rows: &str| vec![rows.to_owned()];
    let placed = whole.table.rows.to_string();
    assert_eq!(bench.ask("SELECT COUNT(*) AS n FROM s.t").await, count(&placed));
    assert_good(&bench);
    // The version after the next lets go of the first, and what an operator says stays.
    let said = fs::read_to_string(folder.join("table.toml")).unwrap();
    fs::write(folder.join("table.toml"), format!("title = \"Mine\"\n{said}")).unwrap();
    let second = version(&folder, 2);
    with(Existing::Append, &bench, &[c], "t").unwrap();
    assert_eq!(version(&folder, 1).len(), 0);
    same(&version(&folder, 2), &second);
    assert_eq!(fs::read_to_string(folder.join("notes.txt")).unwrap(), "ask before you append");
    assert!(fs::read_to_string(folder.join("table.toml")).unwrap().contains("\"Mine\""));
    assert_good(&bench);
    // The same by names of other places, and types that texts do not say.
    let swapped = bench.input("x.csv", "name,dec,ra,id\nrow 3,10.5,20,100000\n7,1,2,100001\n");
    with(Existing::Append, &bench, &[&swapped], "t").unwrap();
    let found = bench.ask("SELECT id, name, ra FROM s.t WHERE id > 99999").await;
    assert_eq!(found, ["100000|row 3|20.0", "100001|7|2.0"]);
}

#[tokio::test]
async fn a_replaced_table_has_its_own_rows_and_what_was_said() {
    let bench = Bench::new();
    let old = bench.input("old.csv", "id,ra,dec,mag,gone\n1,10,20,5,x\n2,400,1,6,y\n");
    let new = bench.input("new.csv", "id,ra,dec,mag,name\n7,11,21,8,z\n");
    with(Existing::Refuse, &bench, &[&old], "t").unwrap();
    let folder = bench.data().join("s/t");
    let said = "version = 2\ntitle = 'Stars'\n[columns.mag]\nunit = 'mag'\n[columns.gone]\n\
                unit = 's'\n[coverage]\nfraction = 0.5\n";
    fs::write(folder.join("table.toml"), said).unwrap();
    let before = version(&folder, 1);
    with(Existing::Replace, &bench, &[&new], "t").unwrap();
    assert_eq!(bench.ask("SELECT id, name FROM s.t").await, ["7|z"]);
    let columns = "SELECT column_name, unit FROM TAP_SCHEMA.columns \
                   WHERE table_name = 's.t' AND column_name IN ('mag', 'name', 'gone')";
    assert_eq!(bench.ask(columns).await, ["mag|mag", "name|"]);
    let title = "SELECT description FROM TAP_SCHEMA.tables WHERE table_name = 's.t'";
    assert_eq!(bench.ask(title).await, ["Stars"]);
    same(&version(&folder, 1), &before);
    assert!(!folder.join("without_position.parquet").exists());
    assert_good(&bench);
    // The files of the input are believed before what was said, and it is told.
    let vot = "<VOTABLE version='1.4' xmlns='http://www.ivoa.net/xml/VOTable/v1.3'><RESOURCE>\
               <TABLE><FIELD name='ra' datatype='double' unit='deg'/>\
               <FIELD name='dec' datatype='double' unit='deg'/>\
               <FIELD name='mag' datatype='float' unit='Jy'/><DATA><TABLEDATA>\
               <TR><TD>1</TD><TD>2</TD><TD>3</TD></TR></TABLEDATA></DATA></TABLE></RESOURCE>\
               </VOTABLE>";
    let vot = bench.input("new.vot", vot);
    let options = ImportOptions { existing: Existing::Replace, ..bench.options(vec![vot], "t") };
    let report = import(&options, &|_| {}).unwrap();
    assert!(report.remarks.iter().any(|r| r.contains("mag is in Jy, and was in mag")));
    assert_eq!(bench.ask(columns).await, ["mag|Jy"]);
}

#[tokio::test]
async fn children_and_tables_without_positions_grow_too() {
    let bench = Bench::new();
    let parents = bench.input("p.csv", "id,ra,dec\n1,10,20\n2,200,-40\n");
    bench.import(vec![parents], "object").unwrap();
    let grow = async |csv: &str, existing| {
        let parent = Parent {
            snapshot: open(&bench.data()).await,
            table: TableName { schema: "s".to_owned(), table: "object".to_owned() },
            key: "object".to_owned(),
            id: "id".to_owned(),
        };
        let placing = Placing::Parent(PositionChoice::default(), Box::new(parent));
        let options = bench.options(vec![bench.input("c.csv", csv)], "source");
        import(&ImportOptions { placing, existing, ..options }, &|_| {})
    };
    // Two arcseconds from the parent, then one.
    grow("n,object,ra,dec\n1,1,10,20.000555555555555\n", Existing::Refuse).await.unwrap();
    grow("n,object,ra,dec\n2,2,200,-40.00027777777778\n", Existing::Append).await.unwrap();
    let text = fs::read_to_string(bench.data().join("s/source/table.toml")).unwrap();
    let slack = text.lines().find_map(|line| line.strip_prefix("slack_arcsec = ")).unwrap();
    assert!((2.0..2.003).contains(&slack.parse::<f64>().unwrap()), "{slack}");
    let cone = "SELECT n FROM s.source WHERE DISTANCE(ra, dec, 10, 20.000555555555555) < 0.00001";
    assert_eq!(bench.ask(cone).await, ["1"]);
    let input = bench.input("c.csv", "n,object,ra,dec\n3,1,10,20\n");
    let plain =
        ImportOptions { existing: Existing::Append, ..bench.options(vec![input], "source") };
    let error = said(import(&plain, &|_| {}));
    assert!(error.contains("parent_ra, parent_dec, which the input has not"), "{error}");
    // Visits.
    let first = bench.input("v1.csv", "visit,mjd\n1,60000.5\n");
    let options = bench.options(vec![first], "visit");
    import(&ImportOptions { placing: Placing::Nowhere, ..options }, &|_| {}).unwrap();
    let next = bench.input("v2.csv", "mjd,visit\n60001,2\n");
    let options = bench.options(vec![next], "visit");
    let report = import(&ImportOptions { existing: Existing::Append, ..options }, &|_| {}).unwrap();
    assert_eq!((report.former_rows, report.table.rows), (1, 2));
    assert_eq!(bench.ask("SELECT visit, mjd FROM s.visit").await, ["1|60000.5", "2|60001.0"]);
    assert_good(&bench);
}

#[test]
fn what_does_not_fit_is_refused_and_changes_nothing() {
    let bench = Bench::new();
    let good = bench.input("good.csv", "id,ra,dec,mag\n1,2,3,4.5\n");
    let refused = |input: &str, table: &str, words: &str| {
        let before = files(&bench.data());
        let input = bench.input("more.csv", input);
        let error = said(with(Existing::Append, &bench, &[&input], table));
        assert!(error.contains(words), "{error} does not say {words}");
        assert_eq!(files(&bench.data()), before, "{words}");
    };
    fs::create_dir_all(bench.data()).unwrap();
    refused("id,ra,dec,mag\n", "t", "there is none to append to");
    with(Existing::Refuse, &bench, &[&good], "t").unwrap();
    refused("id,ra,dec\n1,2,3\n", "t", "the table has the columns mag, which the input has not");
    refused("id,ra,dec,mag,x\n1,2,3,4,5\n", "t", "a column x, which the table has not");
    refused("id,ra,dec,mag\n1,2,3,bright\n", "t", "bright");
    refused("id,ra,dec,mag\n", "t", "no rows in");
    refused("id,ra,dec,mag\n1,400,3,4\n", "t", "none of the 1 rows of");
    // A folder that is none is never taken for a table.
    fs::create_dir(bench.data().join("s/notes")).unwrap();
    fs::write(bench.data().join("s/notes/a.txt"), "mine").unwrap();
    refused("id,ra,dec,mag\n1,2,3,4\n", "notes", "notes is no table");
    let before = files(&bench.data());
    let error = said(with(Existing::Replace, &bench, &[&good], "notes"));
    assert!(error.contains("notes is no table"), "{error}");
    assert_eq!(files(&bench.data()), before);
    // What others wrote.
    let properties = bench.data().join("s/t/t/hats.properties");
    let text = fs::read_to_string(&properties).unwrap().replace("armilla", "hats-import");
    fs::write(&properties, text).unwrap();
    refused("id,ra,dec,mag\n1,2,3,4\n", "t", "what armilla import wrote");
}

#[test]
fn a_killed_append_leaves_the_table_and_goes_on() {
    let bench = Bench::new();
    let inputs = [bench.input("a.csv", &csv(0, 5_000)), bench.input("b.csv", &csv(5_000, 7_000))];
    let [a, b] = &inputs;
    with(Existing::Refuse, &bench, &[a], "t").unwrap();
    let folder = bench.data().join("s/t");
    let before = bench.folder.path().join("before");
    copy(&folder, &before);
    let partial = folder.with_file_name(&Staging::names(&folder).unwrap()[0]);
    let options = ImportOptions { existing: Existing::Append, ..options(&bench, &[b], "t") };
    let (batches, kept) = (AtomicUsize::new(0), Mutex::new(Vec::new()));
    import(&options, &|progress| {
        let is_rows = matches!(progress, ImportProgress::Rows { .. });
        if is_rows && batches.fetch_add(1, Ordering::Relaxed) % 3 == 2 && partial.exists() {
            let mut kept = kept.lock().unwrap();
            let copied = bench.folder.path().join(format!("kept{}", kept.len()));
            copy(&partial, &copied);
            kept.push(copied);
        }
    })
    .unwrap();
    let expected = files(&folder);
    let mut resumed = 0;
    for copied in kept.into_inner().unwrap() {
        fs::remove_dir_all(&folder).unwrap();
        copy(&before, &folder);
        copy(&copied, &partial);
        resumed += usize::from(import(&options, &|_| {}).unwrap().resumed_rows > 0);
        assert!(files(&folder) == expected, "another result after {}", copied.display());
    }
    assert!(resumed > 2, "only {resumed} went on");
    // Killed when the versions were exchanged, before what was there is removed: rows that are
    // there are not added again by a command that is given again.
    fs::create_dir_all(partial.join("scratch")).unwrap();
    copy(&before, &partial.join("content"));
    let error = said(import(&options, &|_| {}));
    assert!(error.contains("had made its version 2 before"), "{error}");
    assert!(files(&folder) == expected && !partial.exists());
}
