//! What `/capabilities` declares runs, feature by feature.

use coordinator::engine::{EngineConfig, QueryOptions};
use coordinator::tap::{Feature, declared_features};
use coordinator::{Engine, Error};
use datafusion::arrow::array::RecordBatch;
use futures::TryStreamExt as _;

/// A call with arguments of the types that a signature declares, constants where it needs them.
fn call(form: &str) -> String {
    let (name, rest) = form.split_once('(').unwrap_or_default();
    let (parameters, _) = rest.split_once(") ->").unwrap_or_default();
    let arguments = parameters.split(',').map(|parameter| {
        match parameter.split_whitespace().collect::<Vec<_>>().as_slice() {
            ["from_sys", "VARCHAR"] => "'ICRS'",
            ["to_sys", "VARCHAR"] => "'GALACTIC'",
            ["delimiter", "VARCHAR"] => "'; '",
            ["moc", "VARCHAR"] => "'3/5 7-9'",
            ["lower", "DOUBLE"] => "0",
            ["upper", "DOUBLE"] => "360",
            [_, "INTEGER"] => "5",
            [_, "BIGINT"] => "17",
            [_, "DOUBLE"] => "dec",
            [_, "VARCHAR"] => "name",
            [_, "TIMESTAMP"] => "CAST('2000-01-01T12:00:00' AS TIMESTAMP)",
            [_, "POINT"] => "POINT(ra, dec)",
            [_, "CIRCLE" | "REGION"] => "CIRCLE(ra, dec, 1)",
            [_, "POLYGON"] => "POLYGON(1, 2, 3, 4, 5, 0)",
            other => panic!("{form} declares {other:?}, of which nothing here makes a value"),
        }
    });
    format!("{name}({})", arguments.collect::<Vec<_>>().join(", "))
}

/// A query that uses a feature; the table is the real sky.
fn probe(feature: &Feature) -> String {
    let name = feature.form.split('(').next().unwrap_or_default();
    let expression = match (feature.group, name) {
        ("udf", _) => return format!("SELECT {} AS x FROM opengc", call(&feature.form)),
        ("adql-unit", "IN_UNIT") => "IN_UNIT(ra, 'rad')",
        ("adqlgeo", "AREA") => "AREA(CIRCLE(ra, dec, 1))",
        ("adqlgeo", "BOX") => "BOX(ra, dec, 1, 2)",
        ("adqlgeo", "CENTROID") => "CENTROID(CIRCLE(ra, dec, 1))",
        ("adqlgeo", "CIRCLE") => "CIRCLE(POINT(ra, dec), 1)",
        ("adqlgeo", "CONTAINS") => "CONTAINS(POINT(ra, dec), CIRCLE(10, 20, 1))",
        ("adqlgeo", "COORD1") => "COORD1(POINT(ra, dec))",
        ("adqlgeo", "COORD2") => "COORD2(POINT(ra, dec))",
        ("adqlgeo", "DISTANCE") => "DISTANCE(POINT(ra, dec), POINT(10, 20))",
        ("adqlgeo", "COORDSYS") => "COORDSYS(POINT(ra, dec))",
        ("adqlgeo", "REGION") => "REGION('Circle ICRS 10 20 1')",
        ("adqlgeo", "INTERSECTS") => "INTERSECTS(CIRCLE(ra, dec, 1), CIRCLE(10, 20, 1))",
        ("adqlgeo", "POINT") => "POINT(ra, dec)",
        ("adqlgeo", "POLYGON") => "POLYGON(1, 2, 3, 4, 5, 0)",
        ("adql-string", "LOWER") => "LOWER(name)",
        ("adql-string", "UPPER") => "UPPER(name)",
        ("adql-type", "CAST") => "CAST(ra AS INTEGER)",
        ("adql-conditional", "COALESCE") => "COALESCE(ra, 0)",
        ("adql-string", "ILIKE") => return "SELECT ra FROM opengc WHERE name ILIKE 'ngc%'".into(),
        ("adql-sets", word @ ("UNION" | "EXCEPT" | "INTERSECT")) => {
            return format!("SELECT name FROM opengc {word} SELECT name FROM opengc");
        }
        ("adql-common-table", "WITH") => {
            return "WITH bright AS (SELECT name FROM opengc) SELECT name FROM bright".into();
        }
        ("adql-offset", "OFFSET") => {
            return "SELECT name FROM opengc ORDER BY name OFFSET 5".into();
        }
        other => panic!("{other:?} is declared, and nothing here tries it"),
    };
    format!("SELECT {expression} AS x FROM opengc")
}

async fn runs(engine: &Engine, adql: &str) -> Result<usize, Error> {
    let result = engine.query(adql, QueryOptions { maxrec: Some(3), duration: None }).await?;
    let batches: Vec<_> = result.stream.try_collect().await.map_err(Error::Execution)?;
    Ok(batches.iter().map(RecordBatch::num_rows).sum())
}

#[tokio::test]
async fn every_declared_feature_runs() {
    let Some(hats) = tests::places::hats() else { return };
    let engine = Engine::open(&EngineConfig::embedded(hats.to_string_lossy())).await.unwrap();
    let features = declared_features(&[], false);
    assert!(features.len() > 20, "{features:?}");
    let mut complaints = Vec::new();
    for feature in &features {
        let adql = probe(feature);
        match runs(&engine, &adql).await {
            Ok(rows) if rows > 0 || feature.form == "EXCEPT" => {}
            Ok(_) => complaints.push(format!("{adql}: no rows")),
            Err(error) => complaints.push(format!("{adql}: {error}")),
        }
    }
    assert!(complaints.is_empty(), "{}", complaints.join("\n"));
}
