//! `/help/not-evaluated`: what is valid ADQL and refused, why, and what to write in its place.
//!
//! A test of `tests/tidy` looks for a row for each construct that the sources refuse; one of
//! `tests/clients` sends the queries.

use catalog::xml::escaped;

use crate::tap::examples::lines;

/// A construct that is not evaluated.
struct Refusal {
    /// As the error names it; `…` is any text or none.
    construct: &'static str,
    why: &'static str,
    /// A query with it, where one is refused by that name whatever the tables hold.
    refused: Option<&'static str>,
    /// What to do.
    way: &'static str,
    /// A query that does.
    instead: &'static str,
}

/// The queries are over tables `a` and `b` with the columns `id`, `ra` and `dec`.
const REFUSALS: &[Refusal] = &[
    Refusal {
        construct: "coordinate system '…'",
        why: "Positions are degrees in ICRS, and none is converted unasked.",
        refused: Some(
            "SELECT id FROM a\n\
             WHERE 1 = CONTAINS(POINT('GALACTIC', ra, dec),\n\
             CIRCLE('GALACTIC', 318, -55, 5))",
        ),
        way: "Give places of another frame to ivo_geom_transform.",
        instead: "SELECT id FROM a\n\
             WHERE 1 = CONTAINS(POINT(ra, dec),\n\
             CIRCLE(ivo_geom_transform('GALACTIC', 'ICRS', POINT(318, -55)), 5))",
    },
    Refusal {
        construct: "more than … of EXCEPT ALL and INTERSECT ALL",
        why: "Each of them in a row makes the plan deeper.",
        refused: None,
        way: "Unite what is taken away by UNION ALL.",
        instead: "SELECT id FROM a EXCEPT ALL (SELECT id FROM b UNION ALL SELECT id FROM b WHERE id > 800)",
    },
    Refusal {
        construct: "CENTROID",
        why: "A MOC and a UNION may be of several pieces and have no one middle.",
        refused: Some("SELECT CENTROID(MOC('3/5 7-9')) AS middle FROM a"),
        way: "Ask for the middle of a circle or polygon, or of one part.",
        instead: "SELECT CENTROID(CIRCLE(10, 20, 1)) AS middle FROM a",
    },
    Refusal {
        construct: "ivo_simbadpoint",
        why: "This service asks no other where an object is, unless its operator names one \
              (name_resolver).",
        refused: Some("SELECT ivo_simbadpoint('M31') AS place FROM a"),
        way: "Write the place.",
        instead: "SELECT POINT(10.6847, 41.2687) AS place FROM a",
    },
    Refusal {
        construct: "AREA",
        why: "Parts of a UNION may overlap, so that the sum of their areas is too large.",
        refused: Some(
            "SELECT AREA(REGION('Union ICRS (Circle 1 2 3 Circle 4 5 6)')) AS sq_deg \
         FROM a",
        ),
        way: "Make a MOC of it: the higher its order, the nearer its area.",
        instead: "SELECT AREA(MOC(8, REGION('Union ICRS (Circle 1 2 3 Circle 4 5 6)'))) AS sq_deg \
         FROM a",
    },
    Refusal {
        construct: "CONTAINS",
        why: "A MOC is compared with points and with other MOCs only.",
        refused: Some("SELECT CONTAINS(CIRCLE(ra, dec, 1), MOC('3/5 7-9')) AS inside FROM a"),
        way: "Make a MOC of the region: it has all pixels of its order that the region touches.",
        instead: "SELECT CONTAINS(MOC(9, CIRCLE(ra, dec, 1)), MOC('3/5 7-9')) AS inside FROM a",
    },
    Refusal {
        construct: "CONTAINS",
        why: "A region may lie in several parts of a UNION together, though in none of them alone.",
        refused: Some(
            "SELECT CONTAINS(CIRCLE(ra, dec, 8),\n\
             REGION('Union ICRS (Circle 310 -60 10 Circle 325 -60 10)')) AS inside FROM a",
        ),
        way: "Compare MOCs of both: the higher their order, the nearer the answer. Where one part \
         suffices, compare it with each.",
        instead: "SELECT CONTAINS(MOC(9, CIRCLE(ra, dec, 8)),\n\
             MOC(9, REGION('Union ICRS (Circle 310 -60 10 Circle 325 -60 10)'))) AS inside\n\
             FROM a",
    },
    Refusal {
        construct: "INTERSECTS",
        why: "A MOC is compared with points and with other MOCs only.",
        refused: Some("SELECT INTERSECTS(CIRCLE(ra, dec, 1), MOC('3/5 7-9')) AS meets FROM a"),
        way: "Make a MOC of the region.",
        instead: "SELECT INTERSECTS(MOC(9, CIRCLE(ra, dec, 1)), MOC('3/5 7-9')) AS meets FROM a",
    },
    Refusal {
        construct: "… between columns of two tables",
        why: "Without a distance at most, every row of the one table is compared with every row of \
         the other.",
        refused: Some(
            "SELECT a.id, b.id AS other\n\
             FROM a JOIN b ON DISTANCE(a.ra, a.dec, b.ra, b.dec) > 0.01",
        ),
        way: "Say by AND how near they are at most, by a number or a column.",
        instead: "SELECT a.id, b.id AS other\n\
             FROM a JOIN b ON DISTANCE(a.ra, a.dec, b.ra, b.dec) > 0.01\n\
             AND DISTANCE(a.ra, a.dec, b.ra, b.dec) < 1",
    },
    Refusal {
        construct: "… between columns of two tables",
        why: "Only places are found near each other, not regions of both tables.",
        refused: Some(
            "SELECT a.id, b.id AS other\n\
             FROM a JOIN b ON 1 = INTERSECTS(CIRCLE(a.ra, a.dec, 0.1), CIRCLE(b.ra, b.dec, 0.2))",
        ),
        way: "Two circles meet where their centers are no farther than both radii. For other \
         regions, say by AND how far their places are at most.",
        instead: "SELECT a.id, b.id AS other\n\
             FROM a JOIN b ON DISTANCE(a.ra, a.dec, b.ra, b.dec) <= 0.3",
    },
    Refusal {
        construct: "… between columns of two tables",
        why: "Of a FULL JOIN no worker knows alone which rows of both sides have no match.",
        refused: Some(
            "SELECT a.id, b.id AS other\n\
             FROM a FULL JOIN b ON DISTANCE(a.ra, a.dec, b.ra, b.dec) < 0.1",
        ),
        way: "Add to a LEFT JOIN the rows of the other table that have none.",
        instead: "SELECT a.id, b.id AS other\n\
             FROM a LEFT JOIN b ON DISTANCE(a.ra, a.dec, b.ra, b.dec) < 0.1\n\
             UNION ALL\n\
             SELECT NULL AS id, b.id AS other FROM b\n\
             WHERE NOT EXISTS (SELECT 1 FROM a WHERE DISTANCE(a.ra, a.dec, b.ra, b.dec) < 0.1)",
    },
    Refusal {
        construct: "… between columns of two tables",
        why: "A condition beside the join by OR does not say how near.",
        refused: Some(
            "SELECT id FROM a\n\
             WHERE id = 707 OR EXISTS\n\
             (SELECT 1 FROM b WHERE DISTANCE(a.ra, a.dec, b.ra, b.dec) < 0.1)",
        ),
        way: "Write each as a query and put them together by UNION.",
        instead: "SELECT id FROM a WHERE id = 707\n\
             UNION\n\
             SELECT id FROM a WHERE EXISTS\n\
             (SELECT 1 FROM b WHERE DISTANCE(a.ra, a.dec, b.ra, b.dec) < 0.1)",
    },
    Refusal {
        construct: "a join by position",
        why: "Each worker keeps all rows of the smaller side, of which 256 MiB are the most.",
        refused: None,
        way: "Restrict that side by a region or other conditions, and take fewer of its columns. \
         Of an outer join it is the side that is not kept.",
        instead: "SELECT a.id, b.id AS other\n\
             FROM a LEFT JOIN (SELECT id, ra, dec FROM b\n\
             WHERE 1 = CONTAINS(POINT(ra, dec), CIRCLE(318, -55, 5))) AS b\n\
             ON DISTANCE(a.ra, a.dec, b.ra, b.dec) < 0.1",
    },
    Refusal {
        construct: "a condition on the nearest rows",
        why: "Without a distance at most, the nearest may be anywhere.",
        refused: Some(
            "SELECT a.id, b.id AS other\n\
             FROM a, b\n\
             WHERE 3 > (SELECT COUNT(*) FROM b AS n\n\
             WHERE DISTANCE(a.ra, a.dec, n.ra, n.dec) < DISTANCE(a.ra, a.dec, b.ra, b.dec))",
        ),
        way: "Say by AND how far they are at most.",
        instead: "SELECT a.id, b.id AS other\n\
             FROM a, b\n\
             WHERE DISTANCE(a.ra, a.dec, b.ra, b.dec) < 1 AND 3 > (SELECT COUNT(*) FROM b AS n\n\
             WHERE DISTANCE(a.ra, a.dec, n.ra, n.dec) < DISTANCE(a.ra, a.dec, b.ra, b.dec))",
    },
    Refusal {
        construct: "a condition on the nearest rows",
        why: "What only the sub-query says would make rows near that are not joined.",
        refused: Some(
            "SELECT a.id, b.id AS other\n\
             FROM a JOIN b ON DISTANCE(a.ra, a.dec, b.ra, b.dec) < 1\n\
             WHERE 3 > (SELECT COUNT(*) FROM b AS n\n\
             WHERE n.id > 750\n\
             AND DISTANCE(a.ra, a.dec, n.ra, n.dec) < DISTANCE(a.ra, a.dec, b.ra, b.dec))",
        ),
        way: "Say it of both, or once in a query of WITH that both read.",
        instead: "WITH c AS (SELECT * FROM b WHERE id > 750)\n\
             SELECT a.id, b.id AS other\n\
             FROM a JOIN c AS b ON DISTANCE(a.ra, a.dec, b.ra, b.dec) < 1\n\
             WHERE 3 > (SELECT COUNT(*) FROM c AS n\n\
             WHERE DISTANCE(a.ra, a.dec, n.ra, n.dec) < DISTANCE(a.ra, a.dec, b.ra, b.dec))",
    },
    Refusal {
        construct: "a condition on the nearest rows",
        why: "In WHERE, it would be asked of rows without a match too.",
        refused: Some(
            "SELECT a.id, b.id AS other\n\
             FROM a LEFT JOIN b ON DISTANCE(a.ra, a.dec, b.ra, b.dec) < 1\n\
             WHERE 3 > (SELECT COUNT(*) FROM b AS n\n\
             WHERE DISTANCE(a.ra, a.dec, n.ra, n.dec) < DISTANCE(a.ra, a.dec, b.ra, b.dec))",
        ),
        way: "Write it in the ON of a LEFT JOIN. A FULL JOIN has none.",
        instead: "SELECT a.id, b.id AS other\n\
             FROM a LEFT JOIN b ON DISTANCE(a.ra, a.dec, b.ra, b.dec) < 1\n\
             AND 3 > (SELECT COUNT(*) FROM b AS n\n\
             WHERE DISTANCE(a.ra, a.dec, n.ra, n.dec) < DISTANCE(a.ra, a.dec, b.ra, b.dec))",
    },
    Refusal {
        construct: "a condition on the nearest rows",
        why: "Only the nearest rows of the table that is joined are found, not those beyond them.",
        refused: Some(
            "SELECT a.id, b.id AS other\n\
             FROM a JOIN b ON DISTANCE(a.ra, a.dec, b.ra, b.dec) < 1\n\
             WHERE DISTANCE(a.ra, a.dec, b.ra, b.dec) >\n\
             (SELECT MIN(DISTANCE(a.ra, a.dec, n.ra, n.dec)) FROM b AS n)",
        ),
        way: "Take the nearest away from all pairs.",
        instead: "SELECT a.id, b.id AS other\n\
             FROM a JOIN b ON DISTANCE(a.ra, a.dec, b.ra, b.dec) < 1\n\
             EXCEPT\n\
             SELECT a.id, b.id AS other\n\
             FROM a JOIN b ON DISTANCE(a.ra, a.dec, b.ra, b.dec) < 1\n\
             WHERE DISTANCE(a.ra, a.dec, b.ra, b.dec) =\n\
             (SELECT MIN(DISTANCE(a.ra, a.dec, n.ra, n.dec)) FROM b AS n)",
    },
    Refusal {
        construct: "a condition on the nearest rows",
        why: "A number by chance beside it would choose before the nearest are found, or after.",
        refused: Some(
            "SELECT a.id, b.id AS other\n\
             FROM a JOIN b ON DISTANCE(a.ra, a.dec, b.ra, b.dec) < 1\n\
             WHERE RAND() < 0.5 AND 3 > (SELECT COUNT(*) FROM b AS n\n\
             WHERE DISTANCE(a.ra, a.dec, n.ra, n.dec) < DISTANCE(a.ra, a.dec, b.ra, b.dec))",
        ),
        way: "Write it around the query, with a column of it.",
        instead: "SELECT id, other FROM (SELECT a.id, b.id AS other\n\
             FROM a JOIN b ON DISTANCE(a.ra, a.dec, b.ra, b.dec) < 1\n\
             WHERE 3 > (SELECT COUNT(*) FROM b AS n\n\
             WHERE DISTANCE(a.ra, a.dec, n.ra, n.dec) < DISTANCE(a.ra, a.dec, b.ra, b.dec))\n\
             ) AS near WHERE RAND() + 0 * id < 0.5",
    },
    Refusal {
        construct: "… a sub-query …",
        why: "Where a sub-query names columns of the query around it, it becomes a join with it. \
         As a value it has to compare them by = in its WHERE, and to be made of aggregates, which \
         have one row for each.",
        refused: None,
        way: "Write the join, with GROUP BY for an aggregate.",
        instead: "SELECT a.id, MAX(b.ra) AS largest\n\
             FROM a LEFT JOIN b ON b.id < a.id\n\
             GROUP BY a.id",
    },
    Refusal {
        construct: "… (SELECT …) in …",
        why: "EXISTS and IN of sub-queries are tested in WHERE, HAVING and the ON of an inner join, \
         not in a value or in the ON of an outer join.",
        refused: None,
        way: "Join what it reads, each row once.",
        instead: "SELECT a.id, CASE WHEN c.id IS NULL THEN 0 ELSE 1 END AS has_match\n\
             FROM a LEFT JOIN (SELECT DISTINCT id FROM b) AS c ON c.id = a.id",
    },
];

const INTRODUCTION: &str = "<p>What is valid ADQL and not evaluated here is refused, before it \
    runs or with the first row that shows it: <i>cannot evaluate</i>, the construct, where it is \
    known its place, and why. For each construct there is something else to write. In the queries, \
    <code>a</code> and <code>b</code> are tables with the columns <code>id</code>, \
    <code>ra</code> and <code>dec</code>.</p>";

const OTHERS: &str = "<p>The grammar also has what is refused as an error of the query, with what \
    would work: a JOIN without ON, USING or NATURAL; geometries that are compared by \
    <code>=</code> or <code>&lt;</code>; numbers that are calculated from texts, as in \
    <code>'30' * 2</code>; functions that the service does not have. A query that is too long or \
    too deep is refused with the limit that it exceeds.</p>";

/// What the page says.
pub(super) fn body() -> String {
    let rows: String = REFUSALS.iter().map(row).collect();
    let head = "<tr><th>cannot evaluate</th><th>why</th><th>what to write</th></tr>";
    format!("{INTRODUCTION}<table>{head}{rows}</table>{OTHERS}")
}

fn row(refusal: &Refusal) -> String {
    let Refusal { construct, why, refused, way, instead } = refusal;
    let refused = refused
        .map_or_else(String::new, |query| format!("<pre class=\"refused\">{}</pre>", lines(query)));
    format!(
        "<tr><td><code>{}</code></td><td>{}{refused}</td>\
         <td>{}<pre class=\"adql\">{}</pre></td></tr>",
        escaped(construct),
        escaped(why),
        escaped(way),
        lines(instead)
    )
}
