//! Wrong queries: each is refused by a VOTable that names what is wrong and what would work.

use tests::{Cluster, Server, Tap, places};

/// A query, and the words that its refusal must contain (in any case).
const WRONG: [(&str, &[&str]); 25] = [
    ("SELECT name FRM opengc", &["line 1, column"]),
    ("SELECT name\nFROM opengc\nWHERE AND ra > 1", &["line 3, column 7"]),
    ("SELECT name FROM opengc WHERE", &["line 1, column 30"]),
    ("SELECT name, FROM opengc", &["line 1, column"]),
    ("SELECT name FROM opengc WHERE (ra > 1", &["line 1, column"]),
    ("SELECT name FROM opengc WHERE name = 'x", &["line 1, column"]),
    ("", &["query"]),
    ("SELECT name FROM opengcc", &["opengcc", "opengc", "line 1, column 18"]),
    ("SELECT name FROM nowhere.opengc", &["nowhere.opengc"]),
    ("SELECT nme FROM opengc", &["nme", "name", "line 1, column 8"]),
    ("SELECT g.rra FROM opengc AS g", &["rra", "ra"]),
    ("SELECT h.ra FROM opengc AS g", &["h"]),
    ("SELECT SQROOT(ra) FROM opengc", &["sqroot", "sqrt"]),
    (
        "SELECT id FROM small_sky AS a JOIN small_sky_xmatch AS b ON a.id = b.id",
        &["ambiguous", "a.id"],
    ),
    (
        "SELECT name FROM opengc WHERE CONTAINS(POINT(ra, dec), CIRCLE(1, 2, -1)) = 1",
        &["-1", "circle"],
    ),
    (
        "SELECT name FROM opengc WHERE CONTAINS(POINT(ra, dec), CIRCLE(1, 2, 180.5)) = 1",
        &["180.5", "circle"],
    ),
    ("SELECT name FROM opengc WHERE CONTAINS(POINT(ra, dec), CIRCLE(1, 91, 1)) = 1", &["91"]),
    (
        "SELECT name FROM opengc WHERE CONTAINS(POINT(ra, dec), BOX(1, 2, -3, 4)) = 1",
        &["-3", "box"],
    ),
    (
        "SELECT name FROM opengc WHERE CONTAINS(POINT(ra, dec), POLYGON(1, 2, 3, 4)) = 1",
        &["polygon"],
    ),
    ("SELECT name FROM opengc; SELECT name FROM opengc", &["one"]),
    ("DROP TABLE opengc", &["select"]),
    ("INSERT INTO opengc VALUES (1)", &["select"]),
    ("SELECT name FROM opengc WHERE name > 5 + 'x' * 2", &[]),
    ("SELECT type, COUNT(*) FROM opengc GROUP BY const", &["type"]),
    ("SELECT name FROM opengc WHERE COUNT(*) > 3", &[]),
];

/// Joins by position that do not say how near, or want rows of both sides without a match: valid,
/// and refused with the reason and what would work.
const SPATIAL_JOINS: [(&str, &str); 4] = [
    (
        "SELECT a.id, b.id FROM small_sky AS a JOIN small_sky_xmatch AS b ON DISTANCE(a.ra, a.dec, b.ra, b.dec) > 0.01",
        "how near",
    ),
    (
        "SELECT a.id, b.id FROM small_sky AS a, small_sky_xmatch AS b WHERE 0 = CONTAINS(POINT(a.ra, a.dec), CIRCLE(b.ra, b.dec, 0.01))",
        "how near",
    ),
    (
        "SELECT a.id, b.id FROM small_sky AS a FULL JOIN small_sky_xmatch AS b ON DISTANCE(a.ra, a.dec, b.ra, b.dec) < 0.01",
        "left join",
    ),
    (
        "SELECT a.id, b.id FROM small_sky AS a CROSS JOIN small_sky_xmatch AS b WHERE INTERSECTS(POINT(a.ra, a.dec), CIRCLE(b.ra, b.dec, 0.01)) = 1 OR a.id = b.id",
        "how near",
    ),
];

fn complaint(tap: &Tap, adql: &str, words: &[&str]) -> Option<String> {
    let reply = tap.post(&[("LANG", "ADQL"), ("QUERY", adql)]);
    let Some((value, said)) = reply.query_status() else {
        return Some(format!("{adql:?}: {} without QUERY_STATUS: {}", reply.status, reply.body));
    };
    let missing: Vec<&&str> =
        words.iter().filter(|word| !said.to_lowercase().contains(**word)).collect();
    if value != "ERROR" {
        return Some(format!("{adql:?} was answered"));
    }
    if said.is_empty() || !missing.is_empty() || said.contains("Internal") {
        return Some(format!("{adql:?}: {said:?} lacks {missing:?}"));
    }
    (!(400..500).contains(&reply.status)).then(|| format!("{adql:?}: status {}", reply.status))
}

fn check(tap: &Tap) {
    let wrong = WRONG.iter().filter_map(|(adql, words)| complaint(tap, adql, words));
    let joins = SPATIAL_JOINS
        .iter()
        .filter_map(|(adql, word)| complaint(tap, adql, &["cannot evaluate", word]));
    let complaints: Vec<String> = wrong.chain(joins).collect();
    assert!(complaints.is_empty(), "{}", complaints.join("\n"));
    assert!(tap.query("SELECT TOP 1 id FROM small_sky").is_ok(), "the service goes on");
}

#[test]
fn wrong_queries_are_refused_by_name_and_place() {
    let Some(hats) = places::hats() else { return };
    let server = Server::serve(&hats, &[]);
    check(&Tap::new(server.url()));
}

#[test]
fn wrong_queries_are_refused_by_a_cluster_too() {
    let Some(hats) = places::hats() else { return };
    let cluster = Cluster::start(&hats);
    check(&cluster.tap());
}

/// Each of them once ended the process: a deep or long tree is dropped recursively.
#[test]
fn boundless_queries_are_refused_and_the_service_lives() {
    let Some(hats) = places::hats() else { return };
    let server = Server::serve(&hats, &[]);
    let tap = Tap::new(server.url());
    let many = 200_000;
    let base = "SELECT id FROM small_sky WHERE ";
    let texts = [
        format!("{base}{}", vec!["id = 1"; many].join(" OR ")),
        format!("{base}{}", vec!["id <> 1"; many].join(" AND ")),
        format!("{base}id = {}1{}", "(".repeat(many), ")".repeat(many)),
        format!("{base}{}id = 1", "NOT ".repeat(many)),
        format!("{base}id = {}", vec!["1"; many].join(" + ")),
        format!("{base}id = {}1", "- ".repeat(many)),
        format!("{base}id IN ({})", vec!["1"; 2 * many].join(",")),
        format!("{base}id = {}1{}", "ABS(".repeat(many), ")".repeat(many)),
        format!("{base}id = {}1{}", "CASE WHEN 1 = 1 THEN ".repeat(many), " END".repeat(many)),
        vec!["SELECT id FROM small_sky"; many].join(" UNION ALL "),
        format!("{}small_sky", "SELECT id FROM (".repeat(many)),
        format!("{base}id = '{}'", "x".repeat(64 << 20)),
        "(".repeat(many),
    ];
    for text in texts {
        let shown: String = text.chars().take(80).collect();
        let reply = tap.post(&[("LANG", "ADQL"), ("QUERY", &text)]);
        let refused = (400..500).contains(&reply.status);
        assert!(refused, "{shown}…: {} {:?}", reply.status, reply.query_status());
        assert!(tap.query("SELECT TOP 1 id FROM small_sky").is_ok(), "it lives after {shown}…");
    }
}

/// What DALI 1.1 and TAP 1.1 say of the parameters.
#[test]
fn wrong_parameters_are_refused_and_unknown_ones_ignored() {
    let Some(hats) = places::hats() else { return };
    let server = Server::serve(&hats, &[]);
    let tap = Tap::new(server.url());
    let query = ("QUERY", "SELECT TOP 1 id FROM small_sky");
    let language = ("LANG", "ADQL");
    let wrong: [&[(&str, &str)]; 7] = [
        &[("LANG", "OOBLECK"), query],
        &[language],
        &[language, query, ("MAXREC", "-1")],
        &[language, query, ("MAXREC", "many")],
        &[language, query, ("RESPONSEFORMAT", "application/x-unheard-of")],
        &[language, query, ("QUERY", "SELECT id FROM small_sky")],
        &[language, query, ("UPLOAD", "mine,http://127.0.0.1:1/x.vot")],
    ];
    for parameters in wrong {
        let reply = tap.post(parameters);
        assert!((400..500).contains(&reply.status), "{parameters:?}: {}", reply.status);
        let status = reply.query_status().map(|(value, _)| value);
        assert_eq!(status.as_deref(), Some("ERROR"), "{parameters:?}: {}", reply.body);
    }
    let right: [&[(&str, &str)]; 5] = [
        &[query],
        &[("lang", "ADQL-2.1"), ("query", query.1), ("request", "doQuery"), ("version", "1.1")],
        &[language, query, ("DUMMY", "DUMMY"), ("RUNID", "my run")],
        &[language, query, ("MAXREC", "0")],
        &[language, query, ("FORMAT", "text/csv")],
    ];
    for parameters in right {
        assert_eq!(tap.post(parameters).status, 200, "POST {parameters:?}");
        assert_eq!(tap.get("sync", parameters).status, 200, "GET {parameters:?}");
    }
}
