//! Planning over 196,608 tiles, all pixels of order 7 as in
//! `../shared/data/partition_lists/order7_196608.csv.gz`: from text to logical plan, and from text to
//! physical plan; a 1′ cone, a query as people write them, and a scan without a region. Beside the
//! first two, what DataFusion alone takes for SQL of the same shape on an empty table of the same
//! columns, with a box in place of the region: no tiles, no regions, no NaN.
//!
//! The tiles are hard links to copies of one tile; planning opens none of them, and workers need
//! not run because planning does not ask them.

use std::fmt::Write as _;
use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, Instant};

use adql::{Limits, Schemas};
use anyhow::{Context, Result, bail};
use catalog::Snapshot;
use coordinator::cluster::{Cluster, ClusterConfig};
use coordinator::engine::EngineConfig;
use coordinator::process::Process;
use coordinator::{Engine, QueryOptions};
use datafusion::datasource::empty::EmptyTable;
use datafusion::prelude::SessionContext;
use url::Url;

/// Order of the tiles.
const ORDER: u64 = 7;

/// Links to one file that every file system allows.
const LINKS_MAX: u64 = 30_000;

const CONES: usize = 80;

/// How often a text is made a logical plan.
const TEXTS: usize = 400;

/// A query with what most have: expressions with names, a region, conditions, groups, an order.
const TYPICAL: &str = "SELECT type, COUNT(*) AS n, AVG(b_mag - v_mag) AS color, MIN(b_mag) AS brightest \
     FROM order7 AS o WHERE REGION AND b_mag BETWEEN 8 AND 16 AND (type = 'G' OR type LIKE 'GC%') \
     AND v_mag IS NOT NULL GROUP BY type HAVING COUNT(*) > 3 ORDER BY n DESC";
const TYPICAL_REGION: &str =
    "1 = CONTAINS(POINT('ICRS', o.ra, o.dec), CIRCLE('ICRS', 187.7, 12.4, 2))";
const SCANS: usize = 15;

#[expect(clippy::print_stdout, reason = "a report to the person who asked for it")]
pub(crate) async fn run(template: &Path, workers: &[usize]) -> Result<()> {
    let folder = tempfile::tempdir()?;
    let table = folder.path().join("order7");
    let tiles = write_table(template, &table)?;
    println!("planning over {tiles} tiles ({} CPUs)", std::thread::available_parallelism()?);
    for count in workers {
        let urls = (0..*count).map(|worker| Url::parse(&format!("http://worker-{worker}:9001")));
        let workers: Vec<Url> = urls.collect::<Result<_, _>>()?;
        let config = EngineConfig::embedded(folder.path().to_string_lossy());
        let start = Instant::now();
        let snapshot = Arc::new(Snapshot::open(&config.data.parse()?).await?);
        let cluster = (!workers.is_empty()).then(|| {
            let config = ClusterConfig { workers, replicas: 2, small_table_bytes: 0 };
            Arc::new(Cluster::assumed(&config, Arc::clone(&snapshot)))
        });
        let schemas = Arc::clone(&snapshot);
        let engine = Engine::on(snapshot, &Process::new(&config)?, cluster)?;
        println!("{count} workers: opened in {:.2} s", start.elapsed().as_secs_f64());
        let bare = bare(&schemas)?;
        let cones = texts(|ra, dec| {
            format!("SELECT * FROM order7 WHERE DISTANCE(ra, dec, {ra:.6}, {dec:.6}) < 1/60.")
        });
        let boxes =
            texts(|ra, dec| format!("SELECT * FROM order7 WHERE {}", bounds(ra, dec, 0.02)));
        println!("  1' cone, logical:      {}", timed_logical(&schemas, &cones)?);
        println!("    DataFusion, a box:   {}", timed_bare(&bare, &boxes, false).await?);
        let typical = texts(|_, _| TYPICAL.replace("REGION", TYPICAL_REGION));
        let typical_boxes = texts(|_, _| TYPICAL.replace("REGION", &bounds(187.7, 12.4, 2.0)));
        println!("  typical, logical:      {}", timed_logical(&schemas, &typical)?);
        println!("    DataFusion, a box:   {}", timed_bare(&bare, &typical_boxes, false).await?);
        println!("  1' cone, SELECT *:     {}", timed(&engine, &cones[..CONES]).await?);
        println!("    DataFusion, a box:   {}", timed_bare(&bare, &boxes[..CONES], true).await?);
        println!("  typical:               {}", timed(&engine, &typical[..CONES]).await?);
        println!(
            "    DataFusion, a box:   {}",
            timed_bare(&bare, &typical_boxes[..CONES], true).await?
        );
        let scans = vec!["SELECT name FROM order7 WHERE b_mag < 5".to_owned(); SCANS];
        println!("  scan without a region: {}", timed(&engine, &scans).await?);
    }
    Ok(())
}

/// Texts of queries around low-discrepancy places; the poles are left to the tests.
fn texts(around: impl Fn(f64, f64) -> String) -> Vec<String> {
    let place = |i| {
        let (ra, z) = (360.0 * fraction(i, 0.754_877_666), 2.0 * fraction(i, 0.569_840_291) - 1.0);
        around(ra, z.asin().to_degrees())
    };
    (0..CONES).map(place).cycle().take(TEXTS).collect()
}

/// A box in SQL.
fn bounds(ra: f64, dec: f64, size: f64) -> String {
    let [west, east, south, north] = [ra - size, ra + size, dec - size, dec + size];
    format!("ra BETWEEN {west:.6} AND {east:.6} AND dec BETWEEN {south:.6} AND {north:.6}")
}

fn fraction(i: usize, step: f64) -> f64 {
    #[expect(clippy::cast_precision_loss, reason = "a small number of cones")]
    let turns = i as f64 * step;
    turns.fract()
}

/// Plans each query twice and tells of the second time.
async fn timed(engine: &Engine, queries: &[String]) -> Result<String> {
    for query in queries {
        engine.plan(query, QueryOptions::default()).await?;
    }
    let mut times = Vec::with_capacity(queries.len());
    for query in queries {
        let start = Instant::now();
        let planned = engine.plan(query, QueryOptions::default()).await?;
        times.push(start.elapsed());
        drop(planned);
    }
    Ok(told(times))
}

/// Makes each text a logical plan, twice, and tells of the second time.
fn timed_logical(snapshot: &Snapshot, queries: &[String]) -> Result<String> {
    let limits = Limits::default();
    for query in queries {
        adql::plan(query, snapshot, &limits)?;
    }
    let mut times = Vec::with_capacity(queries.len());
    for query in queries {
        let start = Instant::now();
        let planned = adql::plan(query, snapshot, &limits)?;
        times.push(start.elapsed());
        drop(planned);
    }
    Ok(told(times))
}

/// DataFusion with an empty table of the same columns.
fn bare(schemas: &Snapshot) -> Result<SessionContext> {
    let table = schemas.tables().into_iter().find(|table| table.name.table == "order7");
    let table = table.context("the table was opened")?;
    let columns: Vec<usize> = (0..table.columns.len()).collect();
    let schema = schemas.source(&table.name, &columns)?.schema();
    let session = SessionContext::new();
    session.register_table("order7", Arc::new(EmptyTable::new(schema)))?;
    Ok(session)
}

/// Makes each text an analyzed plan, or a physical one, by DataFusion alone; twice, and tells of the
/// second time.
async fn timed_bare(
    session: &SessionContext,
    queries: &[String],
    physical: bool,
) -> Result<String> {
    let mut times = Vec::with_capacity(2 * queries.len());
    for query in queries.iter().chain(queries) {
        let state = session.state();
        let start = Instant::now();
        let plan = state.create_logical_plan(query).await?;
        if physical {
            drop(state.create_physical_plan(&plan).await?);
        } else {
            drop(state.analyzer().execute_and_check(plan, state.config_options(), |_, _| {})?);
        }
        times.push(start.elapsed());
    }
    Ok(told(times.split_off(queries.len())))
}

fn told(mut times: Vec<Duration>) -> String {
    times.sort_unstable();
    let ms = |time: Duration| time.as_secs_f64() * 1e3;
    let (median, p95) = (times[times.len() / 2], times[times.len() * 95 / 100]);
    let count = times.len();
    format!("median {:.3} ms, p95 {:.3} ms ({count} queries, warm)", ms(median), ms(p95))
}

/// Writes a HATS table with a tile in every pixel; the number of its tiles.
fn write_table(template: &Path, table: &Path) -> Result<u64> {
    let dataset = table.join("dataset");
    fs::create_dir_all(&dataset)?;
    for name in ["hats.properties", "dataset/_common_metadata"] {
        let from = template.join(name);
        fs::copy(&from, table.join(name)).with_context(|| format!("copying {}", from.display()))?;
    }
    let tile = first_tile(&template.join("dataset"))?;
    let tiles = 12 << (2 * ORDER);
    let mut list = String::from("Norder,Npix\n");
    let mut original = PathBuf::new();
    for pixel in 0..tiles {
        writeln!(list, "{ORDER},{pixel}")?;
        let folder = dataset.join(format!("Norder={ORDER}/Dir={}", pixel / 10_000 * 10_000));
        let path = folder.join(format!("Npix={pixel}.parquet"));
        if pixel % 10_000 == 0 {
            fs::create_dir_all(&folder)?;
        }
        if pixel % LINKS_MAX == 0 {
            fs::copy(&tile, &path)?;
            original = path;
        } else {
            fs::hard_link(&original, &path)?;
        }
    }
    fs::write(table.join("partition_info.csv"), list)?;
    Ok(tiles)
}

fn first_tile(dataset: &Path) -> Result<PathBuf> {
    let mut folders = vec![dataset.to_owned()];
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(&folder)? {
            let path = entry?.path();
            if path.is_dir() {
                folders.push(path);
            } else if path.extension().is_some_and(|ending| ending == "parquet") {
                return Ok(path);
            }
        }
    }
    bail!("there is no tile below {}", dataset.display())
}
