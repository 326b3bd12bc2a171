//! Tables that lie in an S3-compatible store or behind plain HTTP are read in place.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::fs;
use std::net::Ipv4Addr;
use std::path::Path;
use std::time::{Duration, Instant};

use tests::origin::{Exchange, Origin, in_sequence};
use tests::process::run_armilla;
use tests::{Server, Tap, places};

use crate::bucket::{BUCKET, Store};

const QUERIES: [&str; 3] = [
    "SELECT name, ra, dec, b_mag FROM opengc WHERE DISTANCE(ra, dec, 10.6847, 41.269) < 3",
    "SELECT type, COUNT(*) AS n, MAX(b_mag) AS faintest FROM opengc GROUP BY type",
    "SELECT COUNT(*) AS n FROM opengc WHERE dec > 89 OR dec < -80",
];

#[test]
fn tables_are_read_in_place_from_s3_and_http() {
    let (Some(hats), Some(python)) = (places::hats(), places::python()) else { return };
    let store = Store::start(&python, &hats);
    let folder = hats.to_string_lossy().into_owned();
    let [s3, http] = store.places("opengc");
    let places = [s3, format!("s3://{BUCKET}"), http];
    for adql in QUERIES {
        let expected = store.query(&folder, adql);
        assert!(!expected.rows.is_empty(), "{adql}");
        for place in &places {
            let difference = store.query(place, adql).difference(&expected);
            assert_eq!(difference, None, "{place}: {adql}");
        }
    }
}

/// Stars in a small piece of sky, in one tile of several row groups.
const STARS: u32 = 150_000;

/// A folder with a table of [`STARS`], made of a CSV.
fn stars() -> tempfile::TempDir {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let mut csv = String::from("id,ra,dec,g,r,i,z,y,class,night\n");
    for id in 0..STARS {
        let (x, y) = (f64::from(id % 400), f64::from(id / 400));
        let (ra, dec) = (40.0 + x / 100.0, -20.0 + y / 100.0);
        let mag = 14.0 + f64::from(id.wrapping_mul(2_654_435_761) >> 16) / 8192.0;
        let (class, night) = (["star", "galaxy"][usize::from(id % 3 == 0)], 60_000 + id % 900);
        let _infallible = writeln!(
            csv,
            "{id},{ra},{dec},{mag},{},{},{},{},{class},{night}",
            mag - 0.1,
            mag - 0.2,
            mag - 0.3,
            mag - 0.4
        );
    }
    let input = folder.path().join("stars.csv");
    fs::write(&input, csv).expect("the input is written");
    let out = folder.path().join("stars");
    let arguments = ["--index", "id", "--margin", "5", "--out"].map(str::to_owned);
    let paths = [&input, &out].map(|path| path.to_string_lossy().into_owned());
    let [input, out] = paths;
    let all = [["import".to_owned(), input].as_slice(), &arguments, &[out]].concat();
    let made = run_armilla(all);
    assert!(made.status.success(), "{}", String::from_utf8_lossy(&made.stderr));
    folder
}

/// The longest sequence of requests for one tile.
fn longest(exchanges: &[Exchange]) -> usize {
    let mut by_tile: BTreeMap<&str, Vec<&Exchange>> = BTreeMap::new();
    for exchange in exchanges {
        assert!(exchange.path.contains("Npix="), "{exchange:?}");
        by_tile.entry(&exchange.path).or_default().push(exchange);
    }
    by_tile.into_values().map(in_sequence).max().unwrap_or_default()
}

/// Behind a delay it counts how often one request waits for another.
#[test]
fn a_cone_asks_a_tile_three_times_in_sequence_and_a_start_asks_seldom() {
    let folder = stars();
    let origin = Origin::serve(folder.path(), Ipv4Addr::LOCALHOST);
    origin.delay(Duration::from_millis(30));
    let url = format!("{}/stars", origin.url());
    let begun = Instant::now();
    let server = Server::serve(Path::new(&url), &[]);
    let start = origin.take_exchanges();
    let (requests, sequence) = (start.len(), in_sequence(&start));
    places::tell(&format!(
        "start: {requests} requests, {sequence} in sequence, {:?}",
        begun.elapsed()
    ));
    assert!(sequence <= 5, "{start:#?}");
    let tap = Tap::new(server.url());
    let cone = |ra: f64, rest: &str| {
        let begun = Instant::now();
        let adql = format!(
            "SELECT id, ra, dec, g, r, class FROM stars WHERE DISTANCE(ra, dec, {ra}, -18.0) < 0.0115{rest}"
        );
        let answer = tap.query(&adql).unwrap_or_else(|e| panic!("{adql}: {e}"));
        let exchanges = origin.take_exchanges();
        let (requests, sequence) = (exchanges.len(), longest(&exchanges));
        let took = begun.elapsed();
        places::tell(&format!("{adql}: {requests} requests, {sequence} in sequence, {took:?}"));
        (answer.rows.len(), sequence, exchanges)
    };
    let (rows, cold, exchanges) = cone(41.0, "");
    assert_eq!((rows, cold <= 3), (5, true), "{exchanges:#?}");
    // The footer is known now.
    let (rows, warm, exchanges) = cone(42.5, "");
    assert_eq!((rows, warm <= 2), (5, true), "{exchanges:#?}");
    let (_, filtered, exchanges) = cone(41.5, " AND g < 20 AND class = 'star'");
    assert!(filtered <= 2, "{exchanges:#?}");
}
