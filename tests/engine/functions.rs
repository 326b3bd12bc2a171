//! The functions of ADQL and of the IVOA's catalogue: each has an example that holds, those of the
//! catalogue hold, and values are those of astropy.

#![expect(clippy::unwrap_used, reason = "a test ends at the first step that fails")]

use std::collections::{BTreeMap, BTreeSet};

use adql::function::examples::EXAMPLES;
use adql::function::{Target, functions};
use adql::unit::{Factor, factor};
use coordinator::engine::EngineConfig;
use coordinator::{Engine, QueryOptions};
use datafusion::arrow::util::display::array_value_to_string;
use futures::TryStreamExt as _;
use serde_json::Value;
use tests::places::{python, run_python, shared};

use crate::in_process::{alone, cluster, hats};

/// What the script says of calls and of units.
type Said = (Vec<(String, f64)>, Vec<(String, String, f64)>);

async fn engine() -> Option<Engine> {
    let hats = hats()?;
    Some(Engine::open(&EngineConfig::embedded(hats.to_string_lossy())).await.unwrap())
}

/// The values of a query of one column as texts, those of arrays apart by blanks; none for NULL.
async fn values(engine: &Engine, adql: &str) -> Result<Vec<Option<String>>, coordinator::Error> {
    let result = engine.query(adql, QueryOptions::default()).await?;
    let batches: Vec<_> =
        result.stream.try_collect().await.map_err(coordinator::Error::Execution)?;
    let mut values = Vec::new();
    for batch in batches {
        let column = batch.column(0);
        values.extend((0..batch.num_rows()).map(|row| {
            let text = array_value_to_string(column, row).unwrap();
            let text = text.trim_start_matches('[').trim_end_matches(']').replace(", ", " ");
            (!column.is_null(row)).then_some(text)
        }));
    }
    Ok(values)
}

async fn value(engine: &Engine, call: &str) -> Result<Option<String>, coordinator::Error> {
    let found = values(engine, &format!("SELECT TOP 1 {call} AS res FROM TAP_SCHEMA.tables")).await;
    found.map(|values| values.into_iter().next().unwrap())
}

#[tokio::test]
async fn each_function_has_an_example_that_holds() {
    let Some(engine) = engine().await else { return };
    let all: BTreeSet<&str> = functions().map(|function| function.name).collect();
    let shown: BTreeSet<&str> = EXAMPLES.iter().map(|(name, ..)| *name).collect();
    assert_eq!(all, shown);
    for (name, call, expected) in EXAMPLES {
        let own = "FROM TAP_SCHEMA.tables WHERE schema_name = 'TAP_SCHEMA'";
        let adql = format!("SELECT {call} AS res {own}");
        let found = values(&engine, &adql);
        let found = found.await.unwrap_or_else(|error| panic!("{call}: {error}"));
        let function = adql::function::lookup(name).unwrap();
        let least = *function.arguments.start();
        let is_aggregate = matches!(function.lowering(least), Ok(Target::Aggregate(_)));
        assert_eq!(found.len(), if is_aggregate { 1 } else { 5 }, "{call}");
        assert!(found.iter().all(|v| v.as_deref() == Some(expected)), "{call}: {found:?}");
        let written = call.to_uppercase();
        assert!(written.contains(&format!("{name}(")), "{call} calls no {name}");
    }
}

#[tokio::test]
async fn other_names_are_the_same_functions() {
    let Some(engine) = engine().await else { return };
    for (alias, call) in [
        ("gavo_to_mjd('2000-01-01')", "ivo_to_mjd('2000-01-01')"),
        ("GAVO_to_jd('2000-01-01')", "ivo_to_jd('2000-01-01')"),
        ("gavo_normal_random(3, 0)", "ivo_normal_random(3, 0)"),
        (
            "COORD1(gavo_transform('FK5', 'ICRS', POINT(1, 2)))",
            "COORD1(ivo_geom_transform('FK5', 'ICRS', POINT(1, 2)))",
        ),
    ] {
        let (alias, call) = (value(&engine, alias).await, value(&engine, call).await);
        assert_eq!(alias.unwrap(), call.unwrap());
    }
}

/// Whether a value is the one that the catalogue gives, to its tolerance.
fn agrees(found: Option<&str>, expected: &Value, tolerance: f64) -> bool {
    let number = |text: &str| text.parse::<f64>().ok();
    let near = |text: &str, wanted: &Value| {
        let wanted = wanted.as_f64();
        number(text).zip(wanted).is_some_and(|(found, wanted)| (found - wanted).abs() <= tolerance)
    };
    match (found, expected) {
        (None, expected) => expected.is_null(),
        (Some(found), Value::Array(wanted)) => {
            let found: Vec<&str> = found.split(' ').collect();
            found.len() == wanted.len() && found.iter().zip(wanted).all(|(f, w)| near(f, w))
        }
        (Some(found), Value::Number(_)) => near(found, expected),
        (Some(_), _) => false,
    }
}

/// All but `ivo_simbadpoint`, which asks a service.
#[tokio::test]
async fn examples_of_the_catalogue_hold() {
    let (Some(shared), Some(engine)) = (shared(), engine().await) else { return };
    let text = std::fs::read_to_string(shared.join("conformance/adql/udf_examples.json")).unwrap();
    let examples: Value = serde_json::from_str(&text).unwrap();
    let mut held = 0;
    for case in examples["cases"].as_array().unwrap() {
        let (call, expected) = (case["expr"].as_str().unwrap(), &case["expected"]);
        let tolerance = case["tolerance"].as_f64().unwrap_or(1e-12);
        let found = match call.strip_prefix("SELECT ") {
            None => value(&engine, call).await,
            // Written without a table.
            Some(histogram) if histogram.contains("(val, lower, upper, nbins)") => {
                let histogram =
                    histogram.replace("val, lower, upper, nbins", "table_index, 0, 1, 3");
                let adql = format!("SELECT {histogram} AS res FROM TAP_SCHEMA.tables");
                values(&engine, &adql).await.map(|all| all[0].clone())
            }
            Some(_) => values(&engine, call).await.map(|all| all[0].clone()),
        };
        match (case["function"].as_str().unwrap(), found) {
            ("ivo_simbadpoint", found) => {
                assert!(found.unwrap_err().to_string().contains("ivo_simbadpoint"));
                continue;
            }
            (_, Err(error)) => {
                let is_refused = ["error", "undefined"].map(Value::from).contains(expected);
                assert!(is_refused && error.fault() == adql::Fault::User, "{call}: {error}");
            }
            ("ivo_string_agg", Ok(found)) => {
                let tables = ["columns", "key_columns", "keys", "schemas", "tables"];
                let tables = tables.map(|table| format!("TAP_SCHEMA.{table}")).join(" <//> ");
                assert_eq!(found.unwrap(), tables);
            }
            ("ivo_histogram", Ok(found)) => assert_eq!(found.unwrap().split(' ').count(), 5),
            ("ivo_normal_random", Ok(found)) => assert!(found.unwrap().parse::<f64>().is_ok()),
            // Words are not stemmed here, which the catalogue leaves open.
            ("ivo_hasword", Ok(found)) if call.contains("'show'") => {
                assert_eq!(found.as_deref(), Some("0"));
            }
            (_, Ok(found)) => {
                assert!(agrees(found.as_deref(), expected, tolerance), "{call}: {found:?}");
            }
        }
        held += 1;
    }
    assert_eq!(held, 57);
}

#[tokio::test]
async fn values_are_those_of_astropy() {
    let (Some(python), Some(engine)) = (python(), engine().await) else { return };
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("calls.json");
    if let Err(said) = run_python(&python, "tests/engine/functions.py", &[&file.to_string_lossy()])
    {
        panic!("{said}");
    }
    let (calls, units): Said =
        serde_json::from_str(&std::fs::read_to_string(file).unwrap()).unwrap();
    for (from, to, expected) in &units {
        let found = match factor(from, to).unwrap() {
            Factor::Times(factor) => factor,
            Factor::By(factor) => 1.0 / factor,
        };
        // Constants of nature differ in their last digits.
        assert!((found / expected - 1.0).abs() < 1e-8, "{from} to {to}: {found}, not {expected}");
    }
    assert!(units.len() > 250);
    assert_eq!(calls.len(), 5 * 4 * 7 + 5 * 7 + 10 + 6);
    for (call, expected) in calls {
        let found = value(&engine, &call).await.unwrap_or_else(|error| panic!("{call}: {error}"));
        let found: f64 = found.unwrap().parse().unwrap();
        assert!((found - expected).abs() <= 1e-9, "{call}: {found}, and {expected} by astropy");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn histograms_count_every_row_once_wherever_it_lies() {
    let Some(hats) = hats() else { return };
    let data = hats.to_string_lossy().into_owned();
    let (one, three) = (alone(&data).await, cluster(&data, 3).await);
    let magnitudes = values(&one.engine, "SELECT b_mag FROM opengc").await.unwrap();
    let mut expected = [0_i64; 8];
    for magnitude in &magnitudes {
        let at = match magnitude.as_ref().map(|text| text.parse::<f64>().unwrap()) {
            None => 0,
            Some(value) if value < 10.0 => 0,
            Some(value) if value >= 16.0 => 7,
            Some(value) => {
                [11.0, 12.0, 13.0, 14.0, 15.0, 16.0].iter().position(|b| value < *b).unwrap() + 1
            }
        };
        expected[at] += 1;
    }
    let expected = expected.iter().map(i64::to_string).collect::<Vec<_>>().join(" ");
    let by_type = "SELECT ivo_histogram(b_mag, 10, 16, 6) AS h FROM opengc GROUP BY type";
    let mut groups: BTreeMap<&str, Vec<Option<String>>> = BTreeMap::new();
    for (who, engine) in [("one process", &one.engine), ("3 workers", &three.engine)] {
        let all = "SELECT ivo_histogram(b_mag, 10, 16, 6) AS h FROM opengc";
        assert_eq!(values(engine, all).await.unwrap(), [Some(expected.clone())], "{who}");
        let none = format!("{all} WHERE b_mag < 0");
        assert_eq!(
            values(engine, &none).await.unwrap(),
            [Some("0 0 0 0 0 0 0 0".to_owned())],
            "{who}"
        );
        let mut found = values(engine, by_type).await.unwrap();
        found.sort();
        groups.insert(who, found);
    }
    assert!(groups["one process"].len() > 5);
    assert_eq!(groups["one process"], groups["3 workers"]);
}

#[tokio::test]
async fn what_a_function_cannot_take_is_said() {
    let Some(engine) = engine().await else { return };
    for (call, said) in [
        (
            "ivo_geom_transform('ICRS', 'galactic', POINT(1, 2))",
            "galactic is none of the frames ICRS",
        ),
        ("ivo_geom_transform(table_name, 'ICRS', POINT(1, 2))", "a frame is one of the texts ICRS"),
        ("ivo_geom_transform('ICRS', 'FK5', 3)", "takes a geometry here, and 3 is a number"),
        ("MOC(table_name)", "MOC takes a text in quotes, as in MOC('3/5 7-9')"),
        ("MOC('3/5-x')", "cannot read '3/5-x' in the text of a region: a pixel of its order"),
        ("MOC(29, CIRCLE(0, 0, 90))", "has more than 1048576 cells: write a lower order"),
        ("MOC(3, 5)", "MOC takes a geometry here, and 5 is a number"),
        (
            "REGION(table_name)",
            "REGION takes a text in quotes, as in REGION('CIRCLE ICRS 10 20 1')",
        ),
        ("REGION('circle 1 2')", "a circle has three numbers"),
        ("CENTROID(MOC('0/1'))", "a MOC and a UNION have none here"),
        ("CONTAINS(CIRCLE(1, 2, 3), MOC('0/1'))", "write MOC(order, region) for the other"),
        ("armilla_coverage(30, 1, 2)", "order 30 is not within 0 to 29"),
        ("armilla_coverage(table_index, 1, 2)", "the order has to be a number"),
        ("ivo_histogram(table_index, 0, 1, table_index)", "nbins has to be a number"),
        ("ivo_histogram(table_index, 1, 0, 3)", "upper = 0 is not beyond lower = 1"),
        ("ivo_histogram(table_index, 0, 1, 0)", "nbins = 0 is not within 1 to 100000"),
        ("ivo_histogram(DISTINCT table_index, 0, 1, 3)", "takes no DISTINCT"),
        ("ivo_histogram(table_index, 0, 1)", "takes 4 arguments, not 3"),
        ("ivo_string_agg(table_name)", "takes 2 arguments, not 1"),
        ("ivo_to_jd(table_index)", "takes a time here"),
        ("ivo_hasword(table_name, 3)", "takes a text here"),
        ("ivo_hms_to_degrees(3.5)", "takes a text here"),
        ("ivo_healpix_center(3)", "takes 2 arguments, not 1"),
        ("ivo_healpix_centre(3, 4)", "IVO_HEALPIX_CENTER"),
        ("IN_UNIT(table_index, 'm')", "table_index has no unit"),
        ("IN_UNIT(42, 'm')", "42 has no unit"),
        ("IN_UNIT(PI(), table_name)", "takes its unit as a text"),
        ("IN_UNIT(DISTANCE(1, 2, 3, 4), 'degrees')", "did you mean deg?"),
        ("IN_UNIT(DISTANCE(1, 2, 3, 4), 'm')", "deg cannot be converted to m"),
    ] {
        let error = value(&engine, call).await.unwrap_err();
        let is_theirs = matches!(error.fault(), adql::Fault::User | adql::Fault::NotEvaluable);
        assert!(is_theirs, "{call}: {error}");
        assert!(error.to_string().contains(said), "{call}: {error}");
    }
}
