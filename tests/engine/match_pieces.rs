//! Joins by position of large tables, in pieces of the sky with what lies around each: the pairs
//! are those of brute force, in one process and on workers of which none holds all tiles.

#![expect(clippy::unwrap_used, reason = "a test ends at the first step that fails")]

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::fs;
use std::path::Path;

use coordinator::engine::{Engine, EngineConfig};
use tempfile::TempDir;
use tests::Random;
use tests::process::run_armilla;

use crate::in_process::{Running, Shape, alone, cluster_as, hats};

/// A row: where it is, and of which other it is a child.
#[derive(Debug, Clone, Copy)]
struct Row {
    ra: f64,
    dec: f64,
    parent: usize,
}

fn row(ra: f64, dec: f64) -> Row {
    Row { ra: ra.rem_euclid(360.0), dec: dec.clamp(-90.0, 90.0), parent: 0 }
}

/// All over the sky, about the poles and the seam, where three base pixels meet, and in a heap.
fn sky(random: &mut Random, rows: usize) -> Vec<Row> {
    let mut sky = Vec::new();
    let corner = (2.0_f64 / 3.0).asin().to_degrees();
    for at in 0..rows {
        let mut spread = |by: f64| by * (2.0 * random.unit() - 1.0);
        let (x, y) = (spread(1.0), spread(1.0));
        sky.push(match at % 16 {
            0 => row(180.0 * x, 90.0 - 2.0 * y.abs()),
            1 => row(180.0 * x, -90.0 + 2.0 * y.abs()),
            2 => row(x, 20.0 * y),
            3 => row(90.0 + x, corner + y),
            4 if at % 10 == 0 => row(212.5, -7.25),
            _ => row(180.0 * x, y.asin().to_degrees()),
        });
    }
    sky
}

/// Children of some rows, up to a degree from them.
fn children(random: &mut Random, parents: &[Row]) -> Vec<Row> {
    let mut children = Vec::new();
    for (parent, of) in parents.iter().enumerate().filter(|(at, _)| at % 3 != 0) {
        for _ in 0..1 + parent % 3 {
            let dec = of.dec + random.unit() - 0.5;
            let ra = of.ra + 0.5 * (random.unit() - 0.5);
            children.push(Row { parent, ..row(ra, dec) });
        }
    }
    children
}

fn distance(a: &Row, b: &Row) -> f64 {
    let half = |x: f64| (0.5 * x.to_radians()).sin().powi(2);
    let cosines = a.dec.to_radians().cos() * b.dec.to_radians().cos();
    let hav = half(a.dec - b.dec) + cosines * half(a.ra - b.ra);
    2.0 * hav.sqrt().min(1.0).asin().to_degrees()
}

/// Pairs of rows within a radius; a strip of declination at a time.
fn near(a: &[Row], b: &[Row], radius: f64) -> Vec<(usize, usize)> {
    let mut by_dec: Vec<usize> = (0..b.len()).collect();
    by_dec.sort_by(|x, y| b[*x].dec.total_cmp(&b[*y].dec));
    let mut pairs = Vec::new();
    for (at, row) in a.iter().enumerate() {
        let from = by_dec.partition_point(|other| b[*other].dec < row.dec - radius - 1e-9);
        let strip = by_dec[from..].iter();
        let strip = strip.take_while(|other| b[**other].dec <= row.dec + radius + 1e-9);
        let others = strip.filter(|other| distance(row, &b[**other]) < radius);
        pairs.extend(others.map(|other| (at, *other)));
    }
    pairs
}

fn import(folder: &Path, table: &str, rows: &[Row], more: &[&str]) {
    let mut csv = "id,parent,ra,dec\n".to_owned();
    for (id, row) in rows.iter().enumerate() {
        writeln!(csv, "{id},{},{:?},{:?}", row.parent, row.ra, row.dec).unwrap();
    }
    let input = folder.join(format!("{table}.csv"));
    fs::write(&input, csv).unwrap();
    let out = folder.join("data/public").join(table);
    let (input, out) = (input.to_str().unwrap(), out.to_str().unwrap());
    let arguments = ["import", input, "--out", out];
    let output = run_armilla([&arguments, more].concat());
    assert!(output.status.success(), "{table}: {}", String::from_utf8_lossy(&output.stderr));
}

/// Answers as sorted lines.
fn lines<const N: usize>(rows: impl IntoIterator<Item = [usize; N]>) -> Vec<String> {
    let text = |row: [usize; N]| row.map(|cell| cell.to_string()).join(" | ");
    let mut lines: Vec<String> = rows.into_iter().map(text).collect();
    lines.sort();
    lines
}

const NEAR: &str = "DISTANCE(a.ra, a.dec, b.ra, b.dec) < 0.7";

/// A query with what brute force answers.
type Case = (String, Vec<String>);

fn cases(a: &[Row], b: &[Row], c: &[Row], d: &[Row]) -> Vec<Case> {
    [
        pairs_of_two(a, b),
        selves(a),
        chains(a, b, c),
        regions(a, b),
        few(b, d),
        ranked(a, b, d),
        kept(b, c, d),
    ]
    .concat()
}

fn pairs_of_two(a: &[Row], b: &[Row]) -> Vec<Case> {
    let close = near(a, b, 0.7);
    let of_a =
        |kept: &dyn Fn(usize) -> bool| (0..a.len()).filter(|at| kept(*at)).collect::<Vec<_>>();
    let mut matches = vec![0; a.len()];
    close.iter().for_each(|(at, _)| matches[*at] += 1);
    let join = NEAR;
    let pairs = || close.iter().map(|(a, b)| [*a, *b]);
    vec![
        (format!("SELECT a.id, b.id AS bid FROM a JOIN b ON {join}"), lines(pairs())),
        (
            format!("SELECT a.id, b.id AS bid FROM a, b WHERE {join} AND a.id < b.id"),
            lines(pairs().filter(|[a, b]| a < b)),
        ),
        (
            format!("SELECT a.id, COUNT(b.id) AS n FROM a LEFT JOIN b ON {join} GROUP BY a.id"),
            lines(matches.iter().enumerate().map(|(at, n)| [at, *n])),
        ),
        (
            format!("SELECT a.id, COUNT(*) AS n FROM b RIGHT JOIN a ON {join} GROUP BY a.id"),
            lines(matches.iter().enumerate().map(|(at, n)| [at, (*n).max(1)])),
        ),
        (
            format!("SELECT a.id FROM a WHERE NOT EXISTS (SELECT 1 FROM b WHERE {join})"),
            lines(of_a(&|at| matches[at] == 0).into_iter().map(|at| [at])),
        ),
        (
            format!("SELECT a.id FROM a WHERE EXISTS (SELECT 1 FROM b WHERE {join})"),
            lines(of_a(&|at| matches[at] > 0).into_iter().map(|at| [at])),
        ),
    ]
}

fn selves(a: &[Row]) -> Vec<Case> {
    let selves = near(a, a, 1.3);
    vec![
        (
            "SELECT a.id, o.id AS oid FROM a JOIN a AS o ON a.id < o.id \
             AND 1 = CONTAINS(POINT(a.ra, a.dec), CIRCLE(o.ra, o.dec, 1.3))"
                .to_owned(),
            lines(selves.iter().filter(|(a, o)| a < o).map(|(a, o)| [*a, *o])),
        ),
        (
            "SELECT a.id, o.id AS oid FROM a JOIN a AS o ON DISTANCE(a.ra, a.dec, o.ra, o.dec) <= 0 \
             WHERE a.id < 100"
                .to_owned(),
            lines(selves.iter().filter(|(at, o)| {
                (a[*at].ra, a[*at].dec) == (a[*o].ra, a[*o].dec) && *at < 100
            }).map(|(a, o)| [*a, *o])),
        ),
    ]
}

/// From the one to the other, and on.
fn chains(a: &[Row], b: &[Row], c: &[Row]) -> Vec<Case> {
    let (close, children, join) = (near(a, b, 0.7), near(b, c, 0.4), NEAR);
    let pairs = || close.iter().map(|(a, b)| [*a, *b]);
    let mut cases = vec![(
        "SELECT b.id, c.id AS cid FROM b JOIN c ON DISTANCE(b.ra, b.dec, c.ra, c.dec) < 0.4"
            .to_owned(),
        lines(children.iter().map(|(b, c)| [*b, *c])),
    )];
    let mut chain = Vec::new();
    let mut by_b: BTreeMap<usize, Vec<usize>> = BTreeMap::new();
    children.iter().for_each(|(b, c)| by_b.entry(*b).or_default().push(*c));
    let mut parents = Vec::new();
    let mut of_b: BTreeMap<usize, Vec<usize>> = BTreeMap::new();
    c.iter().enumerate().for_each(|(at, row)| of_b.entry(row.parent).or_default().push(at));
    for [a, b] in pairs() {
        chain.extend(by_b.get(&b).into_iter().flatten().map(|c| [a, b, *c]));
        parents.extend(of_b.get(&b).into_iter().flatten().map(|c| [a, b, *c]));
    }
    let three = "SELECT a.id, b.id AS bid, c.id AS cid FROM a";
    cases.push((
        format!(
            "{three} JOIN b ON {join} JOIN c ON DISTANCE(b.ra, b.dec, c.ra, c.dec) < 0.4 \
                 WHERE a.id < 200"
        ),
        lines(chain.into_iter().filter(|[a, ..]| *a < 200)),
    ));
    let by_parent = lines(parents);
    cases.push((format!("{three} JOIN b ON {join} JOIN c ON c.parent = b.id"), by_parent.clone()));
    cases.push((
        format!(
            "{three} JOIN (SELECT b.id, b.ra, b.dec FROM b) AS b ON {join}, c WHERE c.parent = b.id"
        ),
        by_parent,
    ));
    cases
}

fn regions(a: &[Row], b: &[Row]) -> Vec<Case> {
    let (close, join) = (near(a, b, 0.7), NEAR);
    let pairs = || close.iter().map(|(a, b)| [*a, *b]);
    let mut cases = Vec::new();
    let cone = row(89.0, 41.0);
    let inside = pairs().filter(|[at, _]| distance(&cone, &a[*at]) < 12.0);
    cases.push((
        format!(
            "SELECT a.id, b.id AS bid FROM a JOIN b ON {join} \
                 WHERE DISTANCE(a.ra, a.dec, 89, 41) < 12"
        ),
        lines(inside),
    ));
    for radius in [15.0, 40.0] {
        let few = &a[..40];
        cases.push((
            format!(
                "SELECT COUNT(*) AS n FROM a JOIN b ON \
                     DISTANCE(a.ra, a.dec, b.ra, b.dec) < {radius:?} WHERE a.id < 40"
            ),
            lines([[near(few, b, radius).len()]]),
        ));
    }
    cases
}

fn ranked(a: &[Row], b: &[Row], d: &[Row]) -> Vec<Case> {
    let (close, join, mut cases) = (near(a, b, 0.7), NEAR, Vec::new());
    let of = |table: &str| {
        format!("(SELECT MIN(DISTANCE({table}.ra, {table}.dec, n.ra, n.dec)) FROM b AS n)")
    };
    cases.push((
        format!(
            "SELECT a.id, b.id AS bid FROM a JOIN b ON {join} \
                 WHERE DISTANCE(a.ra, a.dec, b.ra, b.dec) = {}",
            of("a")
        ),
        lines(nearest(a, b, &close).into_iter().map(|(a, b)| [a, b])),
    ));
    let around = near(d, b, 3.0);
    let mut found = vec![0; d.len()];
    nearest(d, b, &around).iter().for_each(|(d, _)| found[*d] += 1);
    cases.push((
        format!("SELECT d.id, COUNT(b.id) AS n FROM d LEFT JOIN b ON \
                 DISTANCE(d.ra, d.dec, b.ra, b.dec) < 3 AND DISTANCE(d.ra, d.dec, b.ra, b.dec) = {} \
                 GROUP BY d.id", of("d")),
        lines(found.iter().enumerate().map(|(at, n)| [at, *n])),
    ));
    cases
}

/// Parents that are kept, also where nothing is near to their children.
fn kept(b: &[Row], c: &[Row], d: &[Row]) -> Vec<Case> {
    let pairs = near(d, c, 0.5);
    let mut has_one = vec![false; b.len()];
    pairs.iter().for_each(|(_, child)| has_one[c[*child].parent] = true);
    let lone = has_one.iter().filter(|has_one| !**has_one).count();
    let query = "SELECT COUNT(b.id) AS kept, COUNT(x.near) AS paired FROM b \
                 LEFT JOIN (SELECT c.parent, d.id AS near FROM d \
                 JOIN c ON DISTANCE(c.ra, c.dec, d.ra, d.dec) < 0.5) AS x ON x.parent = b.id";
    vec![(query.to_owned(), lines([[pairs.len() + lone, pairs.len()]]))]
}

/// Of pairs those of the least distance, and of as good as the least.
fn nearest(a: &[Row], b: &[Row], pairs: &[(usize, usize)]) -> Vec<(usize, usize)> {
    let apart = |(at, other): &(usize, usize)| distance(&a[*at], &b[*other]);
    let mut least = vec![f64::INFINITY; a.len()];
    pairs.iter().for_each(|pair| least[pair.0] = least[pair.0].min(apart(pair)));
    pairs.iter().copied().filter(|pair| apart(pair) <= least[pair.0] + 1e-12).collect()
}

/// Those of a few rows in two spots with a large table.
fn few(b: &[Row], d: &[Row]) -> Vec<Case> {
    let join = "1 = CONTAINS(POINT(b.ra, b.dec), CIRCLE(d.ra, d.dec, 0.9))";
    let close = near(d, b, 0.9);
    let pairs = || close.iter().map(|(d, b)| [*d, *b]);
    let mut of_d = vec![0; d.len()];
    let mut of_b = vec![0; b.len()];
    close.iter().for_each(|(d, b)| (of_d[*d] += 1, of_b[*b] += 1).0);
    let with = |counts: &[usize], some: bool| {
        let counts = counts.iter().enumerate().filter(move |(_, n)| (**n > 0) == some);
        lines(counts.map(|(at, _)| [at]))
    };
    let counted = |counts: &[usize]| lines(counts.iter().enumerate().map(|(at, n)| [at, *n]));
    vec![
        (format!("SELECT d.id, b.id AS bid FROM d JOIN b ON {join}"), lines(pairs())),
        (
            format!("SELECT d.id, b.id AS bid FROM b, d WHERE {join} AND b.id + d.id < 1500"),
            lines(pairs().filter(|[d, b]| b + d < 1500)),
        ),
        (
            format!("SELECT d.id, COUNT(b.id) AS n FROM d LEFT JOIN b ON {join} GROUP BY d.id"),
            counted(&of_d),
        ),
        (
            format!("SELECT d.id, COUNT(b.id) AS n FROM b RIGHT JOIN d ON {join} GROUP BY d.id"),
            counted(&of_d),
        ),
        (
            format!("SELECT b.id, COUNT(d.id) AS n FROM b LEFT JOIN d ON {join} GROUP BY b.id"),
            counted(&of_b),
        ),
        (
            format!("SELECT d.id FROM d WHERE NOT EXISTS (SELECT 1 FROM b WHERE {join})"),
            with(&of_d, false),
        ),
        (
            format!("SELECT b.id FROM b WHERE EXISTS (SELECT 1 FROM d WHERE {join})"),
            with(&of_b, true),
        ),
        (
            format!("SELECT b.id FROM b WHERE NOT EXISTS (SELECT 1 FROM d WHERE {join})"),
            with(&of_b, false),
        ),
    ]
}

/// Rows of the one table with radii of their own, and pairs within those of the other.
fn radii_of_rows(a: &[Row], b: &[Row]) -> Vec<Case> {
    let radius = |row: &Row| (row.dec + 90.0) / 200.0;
    let close = near(a, b, 0.9);
    let within = |of_b: bool| {
        let of = close.iter().filter(move |(at, other)| {
            let radius = radius(if of_b { &b[*other] } else { &a[*at] });
            distance(&a[*at], &b[*other]) < radius
        });
        of.copied().collect::<Vec<_>>()
    };
    let distance = "DISTANCE(a.ra, a.dec, b.ra, b.dec)";
    let (of_a, of_b) = (within(false), within(true));
    let mut matches = vec![0; a.len()];
    of_a.iter().for_each(|(at, _)| matches[*at] += 1);
    vec![
        (
            format!(
                "SELECT a.id, b.id AS bid FROM a JOIN b ON {distance} < (a.dec + 90.0) / 200.0"
            ),
            lines(of_a.iter().map(|(a, b)| [*a, *b])),
        ),
        (
            "SELECT a.id, b.id AS bid FROM a, b WHERE 1 = \
             CONTAINS(POINT(a.ra, a.dec), CIRCLE(b.ra, b.dec, (b.dec + 90.0) / 200.0))"
                .to_owned(),
            lines(of_b.iter().map(|(a, b)| [*a, *b])),
        ),
        (
            format!(
                "SELECT a.id, COUNT(b.id) AS n FROM \
                 (SELECT a.id, a.ra, a.dec, (a.dec + 90.0) / 200.0 AS r FROM a) AS a \
                 LEFT JOIN b ON {distance} < a.r GROUP BY a.id"
            ),
            lines(matches.iter().enumerate().map(|(at, n)| [at, *n])),
        ),
    ]
}

/// Some at the seam, and some at a pole.
fn spots(random: &mut Random) -> Vec<Row> {
    let places = (0..60).map(|at| {
        let (x, y) = (random.unit(), random.unit());
        if at % 2 == 0 { row(2.0 * x - 1.0, 8.0 * y) } else { row(360.0 * x, 91.0 - 3.0 * y) }
    });
    places.collect()
}

/// Pairs and self-joins of tables whose margins reach as far.
fn within_margins(a: &[Row], b: &[Row]) -> Vec<Case> {
    [pairs_of_two(a, b), selves(a), regions(a, b)[..1].to_vec()].concat()
}

/// The same, where what is built has holes in the sky and finer tiles than what streams.
fn over_holes(a: &[Row], e: &[Row]) -> Vec<Case> {
    let close = near(e, a, 0.7);
    let some = close.iter().filter(|(e, a)| e + a > 500).map(|(e, a)| [*e, *a]);
    let query = "SELECT e.id, a.id AS aid FROM e, a \
                 WHERE DISTANCE(e.ra, e.dec, a.ra, a.dec) < 0.7 AND e.id + a.id > 500";
    let mut cases = vec![(query.to_owned(), lines(some))];
    for (radius, condition) in [
        (0.7, "1 = CONTAINS(POINT(e.ra, e.dec), CIRCLE(a.ra, a.dec, 0.7))"),
        (0.02, "DISTANCE(a.ra, a.dec, e.ra, e.dec) < 0.02"),
    ] {
        let close = near(a, e, radius);
        let mut matches = vec![0; a.len()];
        close.iter().for_each(|(at, _)| matches[*at] += 1);
        cases.push((
            format!("SELECT a.id, e.id AS eid FROM a JOIN e ON {condition}"),
            lines(close.iter().map(|(a, e)| [*a, *e])),
        ));
        cases.push((
            format!(
                "SELECT a.id, COUNT(e.id) AS n FROM a LEFT JOIN e ON {condition} GROUP BY a.id"
            ),
            lines(matches.iter().enumerate().map(|(at, n)| [at, *n])),
        ));
    }
    cases
}

async fn check(who: &str, way: &Running, cases: &[Case], in_pieces: bool) {
    for (query, expected) in cases {
        assert!(!expected.is_empty(), "{query}");
        let rows = way.rows(query).await.unwrap_or_else(|e| panic!("{who}: {query}: {e}"));
        let (found, wanted) = (rows.len(), expected.len());
        assert!(rows == *expected, "{who}: {query}: {found} rows, and {wanted} by brute force");
        let plan = way.engine.explain(query, false).await.unwrap();
        assert_eq!(
            plan.contains("CrossMatchExec: in pieces"),
            in_pieces,
            "{who}: {query}:\n{plan}"
        );
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn pairs_are_found_over_the_borders_of_pieces() {
    let folder = TempDir::new().unwrap();
    let mut random = Random::new(20_261_122);
    let (a, b) = (sky(&mut random, 1600), sky(&mut random, 2000));
    let c = children(&mut random, &b);
    import(folder.path(), "a", &a, &["--tile-rows", "300"]);
    import(folder.path(), "b", &b, &["--tile-rows", "700"]);
    import(
        folder.path(),
        "c",
        &c,
        &["--tile-rows", "300", "--parent", "b", "--key", "parent", "--parent-key", "id"],
    );
    let d = spots(&mut random);
    import(folder.path(), "d", &d, &["--tile-rows", "5"]);
    let cases = cases(&a, &b, &c, &d);
    let data = folder.path().join("data");
    let data = data.to_str().unwrap();
    let one = alone(data).await;
    check("one process", &one, &cases, false).await;
    for query in few(&b, &d).iter().take(4).map(|(query, _)| query) {
        let plan = one.engine.explain(query, false).await.unwrap();
        assert!(plan.contains("RangedScanExec"), "only rows near the spots are read:\n{plan}");
    }
    let three = Shape { count: 3, replicas: 1, fallback: false };
    let many = cluster_as(data, three, EngineConfig::embedded(data)).await;
    check("3 workers, small sides", &many, &cases, false).await;
    assert_eq!(many.nonlocal_reads(), 0);
    // Where nothing is known of sizes, no side is taken to be small.
    let unpruned = EngineConfig { prune: false, ..EngineConfig::embedded(data) };
    let mut one = one;
    one.engine = Engine::open(&unpruned).await.unwrap();
    check("one process, in pieces", &one, &cases, true).await;
    for (count, replicas) in [(3, 1), (5, 2)] {
        let shape = Shape { count, replicas, fallback: true };
        let many = cluster_as(data, shape, unpruned.clone()).await;
        check(&format!("{count} workers"), &many, &cases, true).await;
        let plan = many.engine.explain(&cases[0].0, false).await.unwrap();
        let sent = ["NetworkShuffleExec", "NetworkBroadcastExec"];
        assert!(!sent.iter().any(|node| plan.contains(node)), "{plan}");
        let said = ["may be near to each", "tiles of other workers are read"];
        assert!(said.iter().all(|words| plan.contains(words)), "{plan}");
        // Without the range of a radius nobody knows how far a piece has to read.
        let of_rows = radii_of_rows(&a, &b);
        let plan = many.engine.explain(&of_rows[0].0, false).await;
        assert!(!plan.is_ok_and(|plan| plan.contains("in pieces")));
        for table in many.engine.snapshot().tiled_tables() {
            table.learn_ranges(&["dec"]).await;
        }
        check(&format!("{count} workers, radii"), &many, &of_rows, true).await;
    }
}

/// Rows in a few spots, and nothing between them.
fn islands(random: &mut Random, of: &[Row]) -> Vec<Row> {
    let mut islands = Vec::new();
    for (at, place) in of.iter().enumerate().filter(|(at, _)| at % 23 == 0) {
        for _ in 0..(at % 7) * 3 {
            let mut spread = || 2.0 * random.unit() - 1.0;
            let (x, y) = (spread(), spread());
            let dec = place.dec + y;
            islands.push(row(place.ra + x / dec.to_radians().cos().abs().max(0.01), dec));
        }
        islands.extend(std::iter::repeat_n(*place, at % 3));
    }
    islands
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn margins_take_the_place_of_neighbours() {
    let folder = TempDir::new().unwrap();
    let mut random = Random::new(20_261_123);
    let (a, b) = (sky(&mut random, 1600), sky(&mut random, 2000));
    let e = islands(&mut random, &a);
    import(folder.path(), "a", &a, &["--tile-rows", "300", "--margin", "4680"]);
    import(folder.path(), "b", &b, &["--tile-rows", "200", "--margin", "2520"]);
    import(folder.path(), "e", &e, &["--tile-rows", "9", "--margin", "2520"]);
    let data = folder.path().join("data");
    let data = data.to_str().unwrap();
    let (cases, holes) = (within_margins(&a, &b), over_holes(&a, &e));
    let all = [cases.as_slice(), &holes].concat();
    let unpruned = EngineConfig { prune: false, ..EngineConfig::embedded(data) };
    let mut one = alone(data).await;
    one.engine = Engine::open(&unpruned).await.unwrap();
    check("one process, in pieces", &one, &all, true).await;
    let margin = "; along borders rows of the margin public/";
    for (count, replicas) in [(3, 1), (5, 2)] {
        let shape = Shape { count, replicas, fallback: false };
        let many = cluster_as(data, shape, unpruned.clone()).await;
        check(&format!("{count} workers"), &many, &cases, true).await;
        for (query, _) in &cases {
            let plan = many.engine.explain(query, false).await.unwrap();
            assert!(plan.contains(margin) && !plan.contains("of other workers"), "{query}: {plan}");
        }
        // Beyond the margin there are only the neighbours, which these workers may not read.
        let far = "SELECT COUNT(*) AS n FROM a JOIN b ON DISTANCE(a.ra, a.dec, b.ra, b.dec) < 1.31";
        let plan = many.engine.explain(far, false).await;
        assert!(!plan.is_ok_and(|plan| plan.contains("in pieces")));
        // A coarse tile that streams may lie over fine ones of several workers.
        let shape = Shape { fallback: true, ..shape };
        let many = cluster_as(data, shape, unpruned.clone()).await;
        check(&format!("{count} workers, holes"), &many, &holes, true).await;
        let plan = many.engine.explain(&holes[1].0, false).await.unwrap();
        assert!(plan.contains(margin), "{plan}");
    }
}

/// Margins of others have rows beyond their threshold, and may not know the sky between tiles.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn margins_of_others_take_the_place_of_neighbours() {
    let Some(hats) = hats() else { return };
    let data = hats.join("small_sky_order1_collection");
    let data = data.to_str().unwrap();
    let unpruned = EngineConfig { prune: false, ..EngineConfig::embedded(data) };
    let mut one = alone(data).await;
    one.engine = Engine::open(&unpruned).await.unwrap();
    let table = "public.small_sky_order1_collection";
    let all = one.rows(&format!("SELECT id, ra, dec FROM {table}")).await.unwrap();
    let all: Vec<Vec<f64>> = all
        .iter()
        .map(|line| line.split(" | ").map(|cell| cell.parse().unwrap()).collect())
        .collect();
    let rows: Vec<Row> = all.iter().map(|cells| row(cells[1], cells[2])).collect();
    let radii = [(0.99, "margin_1deg"), (1.5, "margin_2deg"), (1.99, "margin_2deg")];
    let cases = radii.map(|(radius, margin)| {
        let found = near(&rows, &rows, radius).len();
        let query = format!(
            "SELECT COUNT(*) AS n FROM {table} AS a JOIN {table} AS b \
             ON DISTANCE(a.ra, a.dec, b.ra, b.dec) < {radius}"
        );
        (query, lines([[found]]), margin)
    });
    let shape = Shape { count: 3, replicas: 1, fallback: false };
    let many = cluster_as(data, shape, unpruned.clone()).await;
    for (query, expected, margin) in cases {
        for (who, way) in [("3 workers", &many), ("one process", &one)] {
            let found = way.rows(&query).await.unwrap();
            assert_eq!(found, expected, "{who}: {query}");
        }
        let plan = many.engine.explain(&query, false).await.unwrap();
        assert!(plan.contains("CrossMatchExec: in pieces"), "{plan}");
        assert!(
            plan.contains("along borders rows of the margin") && plan.contains(margin),
            "{plan}"
        );
    }
    assert_eq!(many.nonlocal_reads(), 0);
}
