//! Queries that join by position, with what brute force answers.

use std::collections::BTreeMap;

use super::rows::{Row, distance, lines, near, row};

const NEAR: &str = "DISTANCE(a.ra, a.dec, b.ra, b.dec) < 0.7";

/// A query with what brute force answers.
pub(super) type Case = (String, Vec<String>);

pub(super) fn cases(a: &[Row], b: &[Row], c: &[Row], d: &[Row]) -> Vec<Case> {
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
pub(super) fn few(b: &[Row], d: &[Row]) -> Vec<Case> {
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
pub(super) fn radii_of_rows(a: &[Row], b: &[Row]) -> Vec<Case> {
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

/// Pairs and self-joins of tables whose margins reach as far.
pub(super) fn within_margins(a: &[Row], b: &[Row]) -> Vec<Case> {
    [pairs_of_two(a, b), selves(a), regions(a, b)[..1].to_vec()].concat()
}

/// The same, where what is built has holes in the sky and finer tiles than what streams.
pub(super) fn over_holes(a: &[Row], e: &[Row]) -> Vec<Case> {
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
