//! Texts that nobody would write: whatever they are, they get a plan or an error, and that with
//! work, memory and stack in bounds.
//!
//! Seeded mutations of queries: words, signs and parts are taken away, doubled, swapped and put in
//! from others; chains of operators and parentheses grow long. `TEST_MUTATION_SECONDS` says for how
//! long (a count of texts without it), `TEST_MUTATION_SEED` where to begin.

use std::time::{Duration, Instant};
use std::{env, fs};

use serde_json::Value;

use crate::sample::Sample;
use crate::{Limits, plan, validate};

/// Texts that are tried where no time is given.
const TEXTS: usize = 3_000;

/// A text that takes longer, on the slowest machine in a debug build, hangs.
const HANGS: Duration = Duration::from_secs(20);

/// Over tables of the sample, so that they are planned too.
const QUERIES: [&str; 16] = [
    "SELECT id, mags[2], errors[jplus::rSDSS] FROM a.bands WHERE mags[1 + 1] < 20",
    "SELECT twice(id), in_field(ra, twice(dec)) FROM v.bright WHERE 1 = in_field(ra, dec)",
    "SELECT TOP 5 id, ra, dec FROM stars WHERE mag BETWEEN 1 AND 5 OR NOT name LIKE 'a%' ORDER BY id",
    "SELECT s.id, COUNT(*) AS n FROM stars AS s JOIN obs AS o ON s.id = o.id GROUP BY s.id HAVING COUNT(*) > 1",
    "SELECT * FROM stars WHERE 1 = CONTAINS(POINT('ICRS', ra, dec), CIRCLE(10, 20, 3.5))",
    "WITH w AS (SELECT id FROM stars) SELECT id FROM w UNION ALL (SELECT obs_id FROM obs ORDER BY 1 OFFSET 2)",
    "SELECT a.id FROM stars AS a, obs AS b WHERE DISTANCE(a.ra, a.dec, 1, 2) * 3600 < 1 AND a.id = b.id",
    "SELECT CASE WHEN ra > 1 THEN 'x' ELSE name || 'y' END AS c, CAST(ra AS INTEGER) FROM stars",
    "SELECT id FROM stars WHERE id IN (SELECT id FROM obs WHERE band IN ('g', 'r')) AND EXISTS (SELECT 1 FROM obs)",
    "SELECT COALESCE(mag, -1.5e3), IN_UNIT(DISTANCE(ra, dec, 0, 0), 'arcsec'), MOD(id, 3), ROUND(ra, -2) FROM stars",
    "SELECT n FROM a.dup INTERSECT SELECT n FROM b.dup EXCEPT SELECT n FROM a.dup -- end\n",
    "SELECT \"id\", obs.\"flux\" FROM public.obs NATURAL JOIN stars WHERE taken >= '2000-01-01' ORDER BY 2 DESC",
    "SELECT POLYGON(0, 0, 3, 0, 0, 3), REGION('Union ICRS (Circle 1 2 3 Box 4 5 6 7)'), MOC('3/5 7-9') FROM stars",
    "SELECT ivo_histogram(mag, 0, 20, 5), ivo_string_agg(name, ', '), armilla_coverage(3, ra, dec) FROM stars",
    "SELECT t.m FROM (SELECT MAX(flux) AS m, band FROM obs GROUP BY band) AS t LEFT JOIN stars USING (id)",
    "SELECT id FROM stars WHERE - ( - (ra + 1) * 2 / 3) <> + 4 AND (mag IS NOT NULL OR name IS NULL)",
];

/// Put in anywhere.
const PIECES: [&str; 40] = [
    "(",
    ")",
    ",",
    "'",
    "\"",
    "--",
    "/*",
    "*/",
    ";",
    ".",
    "*",
    "NOT ",
    "AND",
    " OR ",
    "SELECT ",
    " FROM ",
    "WHERE",
    "NULL",
    "1e999",
    "18446744073709551616",
    "0x1F",
    "-",
    "+",
    "||",
    "<>",
    "!=",
    "IN (",
    "BETWEEN",
    "CASE WHEN",
    "END",
    "CAST(",
    "AS ",
    "POINT(",
    "é",
    "\u{0}",
    "\u{200b}",
    "𝄞",
    "\n",
    "\t",
    "TOP 3",
];

struct Random(u64);

impl Random {
    fn below(&mut self, count: usize) -> usize {
        self.0 =
            self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        usize::try_from(self.0 >> 33).unwrap_or(0) % count.max(1)
    }

    fn of<'a>(&mut self, texts: &[&'a str]) -> &'a str {
        texts[self.below(texts.len())]
    }
}

/// A text in pieces: words, and what is between them.
fn pieces(text: &str) -> Vec<String> {
    let mut pieces: Vec<String> = Vec::new();
    let mut in_word = false;
    for letter in text.chars() {
        let is_of_word = letter.is_alphanumeric() || letter == '_';
        match pieces.last_mut() {
            Some(last) if in_word && is_of_word => last.push(letter),
            _ => pieces.push(letter.to_string()),
        }
        in_word = is_of_word;
    }
    pieces
}

fn mutated(random: &mut Random, corpus: &[&str]) -> String {
    let mut text = pieces(random.of(corpus));
    for _ in 0..=random.below(4) {
        let (at, other) = (random.below(text.len()), random.below(text.len()));
        match random.below(9) {
            _ if text.is_empty() => text.push(random.of(&PIECES).to_owned()),
            0 => drop(text.remove(at)),
            1 => text.insert(at, random.of(&PIECES).to_owned()),
            2 => text.swap(at, other),
            3 => {
                let (from, to) = (at.min(other), at.max(other));
                let part: Vec<String> = text[from..to].to_vec();
                text.splice(from..from, part);
            }
            4 => drop(text.drain(at.min(other)..at.max(other))),
            5 => {
                let donor = pieces(random.of(corpus));
                let from = random.below(donor.len());
                let to = from + random.below(donor.len() - from);
                text.splice(at..at, donor[from..to].iter().cloned());
            }
            6 => text[at] = random.of(&PIECES).to_owned(),
            7 => {
                // A chain: of signs, of parentheses, of conditions.
                let chains =
                    ["(", "NOT ", "- ", "+ ", "1 + ", "ra < 1 OR ", "CASE WHEN ", "((", "'a' || "];
                let chain = random.of(&chains).repeat(1 + random.below(3_000));
                text.insert(at, chain);
            }
            _ => {
                let (open, close) =
                    [("(", ")"), ("COALESCE(", ", 1)"), ("(SELECT ", " FROM stars)")]
                        [random.below(3)];
                let levels = 1 + random.below(80);
                let inner = text[at].clone();
                text[at] = format!("{}{inner}{}", open.repeat(levels), close.repeat(levels));
            }
        }
    }
    text.concat()
}

fn setting(name: &str) -> Option<u64> {
    env::var(name).ok()?.parse().ok()
}

#[test]
fn whatever_is_written_gets_a_plan_or_an_error() {
    let shared = fs::read_to_string("../../shared/conformance/adql/lyonetia.json").ok();
    let cases: Vec<Value> =
        shared.and_then(|text| serde_json::from_str(&text).ok()).unwrap_or_default();
    let cases: Vec<&str> = cases.iter().filter_map(|case| case["text"].as_str()).collect();
    if cases.is_empty() {
        println!("SKIPPED: the shared cases are absent, mutations are of our own queries only");
    }
    let corpus = [&QUERIES[..], &cases].concat();
    let schemas = Sample::new().with_definitions();
    let limits = Limits::default();
    let seed = setting("TEST_MUTATION_SEED").unwrap_or(1);
    let seconds = setting("TEST_MUTATION_SECONDS").map(Duration::from_secs);
    let (started, mut random) = (Instant::now(), Random(seed));
    let (mut texts, mut valid, mut planned) = (0, 0, 0);
    while seconds.map_or(texts < TEXTS, |seconds| started.elapsed() < seconds) {
        let text = mutated(&mut random, if texts % 2 == 0 { &QUERIES } else { &corpus });
        let began = Instant::now();
        valid += usize::from(validate(&text, &[], &limits).is_ok());
        planned += usize::from(plan(&text, &schemas, &limits).is_ok());
        assert!(began.elapsed() < HANGS, "seed {seed}, text {texts}: {text:.2000}");
        texts += 1;
    }
    println!("{texts} texts from seed {seed}: {valid} valid, {planned} planned");
    assert!(valid > texts / 50 && planned > texts / 200, "{texts}: {valid}, {planned}");
}
