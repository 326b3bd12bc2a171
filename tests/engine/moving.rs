//! Stars at another epoch: places, cones and joins of `ivo_epoch_prop_pos` against mpmath and astropy, with pruning
//! and without, in one process and over workers, and how few tiles they touch.

#![expect(clippy::unwrap_used, reason = "a test ends at the first step that fails")]

use std::path::Path;

use adql::sky::Position;
use catalog::import::{ImportOptions, import};
use coordinator::engine::{EngineConfig, QueryOptions};
use coordinator::{Engine, Error};
use datafusion::arrow::array::{AsArray as _, RecordBatch};
use datafusion::arrow::datatypes::{Float64Type, Int64Type};
use futures::TryStreamExt as _;
use serde_json::Value;
use tempfile::TempDir;
use tests::places::{python, run_python};

use crate::in_process::{alone, cluster, rows};

/// The largest difference to other programs.
const TOLERANCE_DEG: f64 = 1e-9;

/// Tables of tiles of few rows, and what their script expects of them.
fn sky(python: &Path) -> (TempDir, Value) {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().to_string_lossy().into_owned();
    if let Err(said) = run_python(python, "tests/engine/moving.py", &[&path, "20261122"]) {
        panic!("{said}");
    }
    for table in ["stars", "targets"] {
        let input = folder.path().join(format!("{table}.parquet"));
        let options = ImportOptions {
            tile_rows: 30,
            ..ImportOptions::new(vec![input.clone()], folder.path().join("data").join(table))
        };
        import(&options, &|_| {}).unwrap();
        std::fs::remove_file(input).unwrap();
    }
    let text = std::fs::read_to_string(folder.path().join("expected.json")).unwrap();
    (folder, serde_json::from_str(&text).unwrap())
}

async fn batches(engine: &Engine, adql: &str) -> Result<Vec<RecordBatch>, Error> {
    let result = engine.query(adql, QueryOptions::default()).await?;
    result.stream.try_collect().await.map_err(Error::Execution)
}

/// The places that a query yields, by the number of their row.
async fn places(engine: &Engine, adql: &str) -> Vec<(i64, [f64; 2])> {
    let mut places = Vec::new();
    for batch in batches(engine, adql).await.unwrap_or_else(|error| panic!("{adql}: {error}")) {
        let id = batch.column(0).as_primitive::<Int64Type>();
        let [lon, lat] = [1, 2].map(|at| batch.column(at).as_primitive::<Float64Type>());
        let rows = 0..batch.num_rows();
        places.extend(rows.map(|row| (id.value(row), [lon.value(row), lat.value(row)])));
    }
    places.sort_by_key(|(id, _)| *id);
    places
}

fn number(value: &Value) -> f64 {
    value.as_f64().unwrap()
}

fn separation([lon, lat]: [f64; 2], expected: &[Value]) -> f64 {
    let [a, b] = [(lon, lat), (number(&expected[0]), number(&expected[1]))]
        .map(|(lon, lat)| Position::from_degrees(lon, lat).unwrap());
    a.distance(&b).degrees()
}

#[tokio::test]
async fn places_are_those_of_the_definition_and_of_astropy() {
    let Some(python) = python() else { return };
    let (folder, expected) = sky(&python);
    let one = alone(&folder.path().join("data").to_string_lossy()).await;
    let call =
        "ivo_epoch_prop_pos(ra, dec, parallax, pmra, pmdec, radial_velocity, ref_epoch, 1916.0)";
    let adql = format!(
        "SELECT id, COORD1({call}) AS x, COORD2({call}) AS y FROM stars WHERE \
                        COORD1({call}) IS NOT NULL"
    );
    let found = places(&one.engine, &adql).await;
    for (oracle, all) in [("places", true), ("astropy", false)] {
        let expected = expected[oracle].as_array().unwrap();
        assert!(expected.len() > 500 && (!all || expected.len() == found.len()), "{oracle}");
        for place in expected {
            let place = place.as_array().unwrap();
            let id = place[0].as_i64().unwrap();
            let at = found.binary_search_by_key(&id, |(id, _)| *id).unwrap();
            let apart = separation(found[at].1, &place[1..]);
            assert!(apart < TOLERANCE_DEG, "{oracle}: star {id} is {apart}° off");
        }
    }
    for case in expected["space_motion"].as_array().unwrap() {
        let [ra, dec, parallax, pmra, pmdec] = [0, 1, 2, 3, 4].map(|at| number(&case[0][at]));
        let call =
            format!("ivo_epoch_prop_pos({ra}, {dec}, {parallax}, {pmra}, {pmdec}, 0, 2016, 1916)");
        let adql = format!("SELECT TOP 1 id, COORD1({call}) AS x, COORD2({call}) AS y FROM stars");
        let found = places(&one.engine, &adql).await;
        let apart = separation(found[0].1, case[1].as_array().unwrap());
        assert!(apart < TOLERANCE_DEG, "{case}: {apart}° off");
    }
}

/// How many tiles of the stars a query touches, and how many there are.
fn touched(explained: &str) -> Option<[usize; 2]> {
    let said = explained.lines().filter_map(|line| line.trim().strip_prefix("public.stars: "));
    let mut counted = said.filter_map(|said| {
        let (some, rest) = said.split_once(" of ")?;
        Some([some.parse().ok()?, rest.split_once(' ')?.0.parse().ok()?])
    });
    counted.next_back()
}

#[tokio::test(flavor = "multi_thread")]
async fn answers_are_those_of_brute_force_everywhere_and_few_tiles_are_touched() {
    let Some(python) = python() else { return };
    let (folder, expected) = sky(&python);
    assert!(expected["left_their_pixel"].as_u64().unwrap() > 100);
    let data = folder.path().join("data").to_string_lossy().into_owned();
    let (one, three) = (alone(&data).await, cluster(&data, 3).await);
    let config = EngineConfig { prune: false, ..EngineConfig::embedded(&data) };
    let unpruned = Engine::open(&config).await.unwrap();
    let engines =
        [("one process", &one.engine), ("no pruning", &unpruned), ("three", &three.engine)];
    for query in expected["queries"].as_array().unwrap() {
        let (name, adql) = (query["name"].as_str().unwrap(), query["adql"].as_str().unwrap());
        let wanted = query["rows"].as_array().unwrap();
        let wanted: Vec<&str> = wanted.iter().map(|row| row.as_str().unwrap()).collect();
        for (who, engine) in engines {
            let found = rows(engine, adql).await;
            let found = found.unwrap_or_else(|error| panic!("{who}: {name}: {error}\n{adql}"));
            let missing = wanted.iter().filter(|row| !found.iter().any(|found| found == *row));
            let missing = missing.count();
            let (rows, wanted) = (found.len(), wanted.len());
            assert!(
                missing == 0 && rows == wanted,
                "{who}: {name}: {rows} rows, {missing} of \
                    {wanted} missing\n{adql}"
            );
        }
        if query["few"] == true {
            let explained = one.engine.explain(adql, false).await.unwrap();
            let [some, all] = touched(&explained).unwrap_or_else(|| panic!("{name}:\n{explained}"));
            assert!(all > 80 && some * 4 < all, "{name}: {some} of {all} tiles\n{explained}");
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn an_explanation_names_how_far_stars_move_or_why_nobody_knows() {
    let Some(python) = python() else { return };
    let (folder, _) = sky(&python);
    let data = folder.path().join("data").to_string_lossy().into_owned();
    let (one, many) = (alone(&data).await, cluster(&data, 2).await);
    let query = |pmra: &str| {
        format!(
            "SELECT id FROM stars WHERE 1 = CONTAINS(ivo_epoch_prop_pos(ra, dec, parallax, {pmra}, \
             pmdec, radial_velocity, ref_epoch, 1916.0), CIRCLE(0, 90, 0.2))"
        )
    };
    for engine in [&one.engine, &many.engine] {
        let text = engine.explain(&query("pmra"), false).await.unwrap();
        // 10 arcseconds to the north and to the east in each of 100 years, and a little more, since
        // stars come nearer.
        for part in ["public.stars: CIRCLE(0, 90, 0.60", "public.stars: stars move by at most 0.40"]
        {
            assert!(text.contains(part), "{part}:\n{text}");
        }
        let text = engine.explain(&query("SQRT(pmra)"), false).await.unwrap();
        let why = "ivo_epoch_prop_pos leaves out no tile: nothing tells between which values";
        assert!(text.contains(why), "{text}");
    }
}
