//! Names: what they mean, what a query touches, and what its columns are called.

mod sub_queries;

use std::sync::Arc;

use crate::sample::Sample;
use crate::{Limits, Query, Schemas, plan};

fn planned(text: &str) -> Result<Query, String> {
    let schemas: Arc<dyn Schemas> = Arc::new(Sample::new());
    plan(text, schemas.as_ref(), &Limits::default()).map_err(|error| error.to_string())
}

fn check_error(text: &str, expect: &str) {
    assert_eq!(planned(text).map(|_| ()).unwrap_err(), expect, "for {text}");
}

/// Names of the output columns.
fn check_names(text: &str, expect: &str) {
    let columns = planned(text).unwrap().columns;
    let names: Vec<String> = columns.into_iter().map(|column| column.name).collect();
    assert_eq!(names.join(" "), expect, "for {text}");
}

/// Unit, UCD, xtype and description of the output columns.
fn check_metadata(text: &str, expect: &str) {
    let columns = planned(text).unwrap().columns;
    let show = |text: Option<String>| text.unwrap_or_else(|| "-".to_owned());
    let shown: Vec<String> = columns
        .into_iter()
        .map(|c| {
            format!("{} {} {} {}", show(c.unit), show(c.ucd), show(c.xtype), show(c.description))
        })
        .collect();
    assert_eq!(shown.join("; "), expect, "for {text}");
}

#[test]
fn names_of_columns() {
    check_names("SELECT RA, stars.Dec, \"Odd Name\" FROM STARS", "ra dec Odd Name");
    check_names("SELECT * FROM stars", "id ra dec mag name flag Odd Name");
    check_names(
        "SELECT s.*, o.id FROM stars AS s, obs AS o",
        "id ra dec mag name flag Odd Name id_1",
    );
    check_names(
        "SELECT * FROM stars NATURAL JOIN obs",
        "id ra dec mag name flag Odd Name obs_id flux band taken",
    );
    check_names(
        "SELECT COUNT(*), id + 1, id, 'x', id AS ID_1, ID FROM stars GROUP BY id",
        "count_1 column_2 id column_4 ID_1 id_2",
    );
    check_names("SELECT q.count_1 FROM (SELECT COUNT(*) FROM stars) AS q", "count_1");
    check_names("SELECT public.stars.ra, \"_healpix_29\" FROM public.stars", "ra _healpix_29");
    check_names("SELECT ra AS \"a \"\"b\"\"\" FROM stars", "a \"b\"");
}

#[test]
fn unknown_and_ambiguous_names() {
    check_error("SELECT rra FROM stars", "unknown column rra at line 1, column 8; nearest: ra");
    check_error(
        "SELECT stars.raa FROM stars",
        "unknown column stars.raa at line 1, column 8; nearest: ra",
    );
    check_error(
        "SELECT star.ra FROM stars",
        "unknown table star at line 1, column 8; nearest: Stars",
    );
    check_error(
        "SELECT ra\nFROM\n  strs",
        "unknown table strs at line 3, column 3; nearest: public.Stars",
    );
    check_error("SELECT \"RA\" FROM stars", "unknown column RA at line 1, column 8; nearest: ra");
    check_error(
        "SELECT ra FROM \"stars\"",
        "unknown table stars at line 1, column 16; nearest: public.Stars",
    );
    check_error(
        "SELECT n FROM dup",
        "ambiguous table dup at line 1, column 15: write one of a.dup, b.dup",
    );
    check_error(
        "SELECT id FROM stars, obs",
        "ambiguous column id at line 1, column 8: write one of public.Stars.id, public.obs.id",
    );
    check_error(
        "SELECT dup.n FROM a.dup, b.dup",
        "ambiguous table dup at line 1, column 8: write one of a.dup, b.dup",
    );
    check_error(
        "SELECT 1 FROM stars AS x, obs AS X",
        "FROM has two tables of the name X: give one another name with AS at line 1, column 27",
    );
    check_error(
        "SELECT stars.ra FROM stars AS s",
        "unknown table stars: in this query it is named s at line 1, column 8",
    );
    check_error(
        "SELECT x.y.stars.ra FROM stars",
        "unknown table x.y.stars at line 1, column 8; nearest: Stars",
    );
    check_error(
        "SELECT ra FROM stars JOIN obs USING (nmae)",
        "unknown column nmae on the left side of the join at line 1, column 38; nearest: name",
    );
    check_error(
        "SELECT ra FROM stars NATURAL JOIN a.dup",
        "NATURAL JOIN needs a common column, and there is none: write JOIN … ON … at line 1, column 35",
    );
    check_error(
        "SELECT id FROM stars WHERE id IN (SELECT * FROM obs)",
        "a sub-query that is compared has one column, not 5 at line 1, column 35",
    );
    check_error(
        "SELECT ra AS x, dec AS x FROM stars ORDER BY x",
        "ambiguous output column x at line 1, column 46: write one of 1, 2",
    );
    check_error(
        "SELECT 1 FROM (SELECT ra FROM stars) AS q WHERE q.dec = 1",
        "unknown column q.dec at line 1, column 49",
    );
    check_error(
        "WITH q AS (SELECT ra FROM stars), Q AS (SELECT ra FROM stars) SELECT ra FROM q",
        "WITH defines Q twice at line 1, column 35",
    );
}

#[test]
fn columns_beside_aggregates() {
    let lost = "is neither in GROUP BY nor in an aggregate";
    for (text, expect) in [
        (
            "SELECT band, flux, COUNT(*) FROM obs GROUP BY band",
            format!("flux {lost}: add it to GROUP BY, or write MIN(flux) at line 1, column 14"),
        ),
        (
            "SELECT COUNT(*),\n  band FROM obs",
            format!("band {lost}: add GROUP BY band, or write MIN(band) at line 2, column 3"),
        ),
        (
            "SELECT * FROM stars GROUP BY id",
            format!("ra {lost}: add it to GROUP BY, or write MIN(ra) at line 1, column 8"),
        ),
        (
            "SELECT o.* FROM obs AS o HAVING COUNT(*) > 1",
            format!("obs_id {lost}: add GROUP BY obs_id, or write MIN(obs_id) at line 1, column 8"),
        ),
        (
            "SELECT band FROM obs GROUP BY band HAVING flux > 3",
            format!("flux {lost}: write it in WHERE, or MIN(flux) at line 1, column 43"),
        ),
        (
            "SELECT band FROM obs GROUP BY band ORDER BY flux",
            format!("flux {lost}: add it to GROUP BY, or write MIN(flux) at line 1, column 45"),
        ),
        (
            "SELECT SQRT(id), \"Odd Name\" FROM stars GROUP BY sqrt((id))",
            format!(
                "\"Odd Name\" {lost}: add it to GROUP BY, or write MIN(\"Odd Name\") at line 1, column 18"
            ),
        ),
        (
            "SELECT obs.id FROM stars JOIN obs USING (id) GROUP BY id",
            format!("obs.id {lost}: add it to GROUP BY, or write MIN(obs.id) at line 1, column 8"),
        ),
        (
            "SELECT id FROM stars WHERE id IN (SELECT id FROM obs GROUP BY band)",
            format!("id {lost}: add it to GROUP BY, or write MIN(id) at line 1, column 42"),
        ),
        (
            "SELECT COUNT(*) AS n FROM obs GROUP BY n",
            "n is the aggregate COUNT(*), which cannot stand in GROUP BY at line 1, column 40".into(),
        ),
        (
            "SELECT band, MAX(flux) + 1 FROM obs GROUP BY band, 2",
            "2 holds the aggregate MAX(flux), which cannot stand in GROUP BY at line 1, column 52"
                .into(),
        ),
        (
            "SELECT COUNT(*) AS n FROM stars HAVING MAX(n) > 1",
            "MAX takes no other aggregate, as COUNT(*) is: write that in a sub-query in FROM at line 1, column 40"
                .into(),
        ),
        (
            "SELECT band FROM obs HAVING band = 'g'",
            "HAVING is for groups, and there is neither GROUP BY nor an aggregate: write WHERE at line 1, column 29"
                .into(),
        ),
    ] {
        check_error(text, &expect);
    }
}

/// What depends on the columns of GROUP BY has a value, and so have columns of outer queries.
#[test]
fn columns_that_have_a_value_beside_aggregates() {
    for text in [
        "SELECT q.band, q.n, COUNT(*) FROM (SELECT band, COUNT(*) AS n FROM obs GROUP BY band) AS q \
         GROUP BY q.band",
        "SELECT id FROM stars WHERE id = (SELECT MAX(id) FROM obs WHERE obs.id = stars.id HAVING COUNT(*) > 0)",
        "SELECT (id + 1) * 2, sqrt(id + 1) FROM obs GROUP BY id+1 ORDER BY (id + 1) * 3",
        "SELECT DISTANCE(POINT(ra, dec), POINT('ICRS', 1, 2)) FROM stars GROUP BY DISTANCE(ra, dec, 1, 2)",
        "SELECT IN_UNIT(ra, 'arcsec'), CAST(id AS CHAR) FROM stars GROUP BY ra, CAST(id AS VARCHAR)",
        "SELECT COALESCE(stars.id, obs.id) FROM stars FULL JOIN obs USING (id) GROUP BY id",
    ] {
        assert_eq!(planned(text).map(|_| ()), Ok(()), "for {text}");
    }
}

#[test]
fn names_after_as() {
    check_error(
        "SELECT mag - 1 AS color FROM stars WHERE COLOR > 1",
        "unknown column COLOR: a name after AS is not known in WHERE, write its expression there at line 1, column 42",
    );
    check_error(
        "SELECT mag AS m, m + 1 FROM stars",
        "unknown column m: a name after AS is not known in SELECT, write its expression there at line 1, column 18",
    );
    check_error(
        "SELECT mag AS color FROM stars WHERE colour > 1",
        "unknown column colour at line 1, column 38",
    );
}

#[test]
fn values_that_do_not_fit() {
    for (text, expect) in [
        (
            "SELECT CAST('twelve' AS INTEGER) FROM obs",
            "CAST: 'twelve' is no INTEGER at line 1, column 13",
        ),
        (
            "SELECT CAST(-100000 AS SMALLINT) FROM obs",
            "CAST: -100000 is beyond SMALLINT (-32768 to 32767) at line 1, column 14",
        ),
        (
            "SELECT CAST('2021-13-45' AS TIMESTAMP) FROM obs",
            "CAST: '2021-13-45' is no TIMESTAMP at line 1, column 13",
        ),
        (
            "SELECT id FROM stars WHERE CONTAINS(POINT(ra, dec), CIRCLE(1, 2, 3)) = 2",
            "CONTAINS is 1 or 0, and never 2 at line 1, column 28",
        ),
        (
            "SELECT id FROM stars WHERE -1 < INTERSECTS(POINT(ra, dec), CIRCLE(1, 2, 3))",
            "INTERSECTS is 1 or 0, and never -1 at line 1, column 33",
        ),
        (
            "SELECT id FROM stars WHERE id IN (SELECT name FROM stars)",
            "name is a text, and id a number: write CAST(id AS VARCHAR) for it at line 1, column 28",
        ),
        (
            "SELECT 1 FROM stars JOIN (SELECT name AS id FROM stars) AS q USING (id)",
            "id is a text, and id a number: write CAST(id AS VARCHAR) for it at line 1, column 69",
        ),
        (
            "SELECT IN_UNIT(ra, 'archsec') FROM stars",
            "IN_UNIT(ra, 'archsec'): \"archsec\" is no unit of VOUnits: archsec is not known; did you mean arcsec? at line 1, column 8",
        ),
    ] {
        check_error(text, expect);
    }
    for text in [
        "SELECT CAST('12' AS SMALLINT), CAST(1e10 AS BIGINT), CAST('nan' AS REAL), CAST(NULL AS INTEGER) FROM obs",
        "SELECT CAST('2021-01-14 11:25:00' AS TIMESTAMP), CAST('2021-01-14' AS TIMESTAMP) FROM obs",
        "SELECT id FROM stars WHERE CONTAINS(POINT(ra, dec), CIRCLE(1, 2, 3)) IN (0, 1.0)",
        "SELECT id FROM stars WHERE '1' IN (SELECT id FROM obs) AND IN_UNIT(ra, 'arcsec') IN (SELECT id FROM obs)",
    ] {
        assert_eq!(planned(text).map(|_| ()), Ok(()), "for {text}");
    }
}

#[test]
fn metadata_follows_values() {
    check_metadata(
        "SELECT mag, mag AS m, (mag) FROM stars",
        "mag - - brightness; mag - - brightness; mag - - brightness",
    );
    check_metadata(
        "SELECT MIN(ra), MAX(mag), AVG(mag), COUNT(mag) FROM stars",
        "deg pos.eq.ra;meta.main - -; mag - - brightness; mag - - -; - - - -",
    );
    check_metadata(
        "SELECT COALESCE(mag, 0), -mag, mag * 2, ABS(mag) FROM stars",
        "mag - - brightness; mag - - -; - - - -; mag - - -",
    );
    check_metadata(
        "SELECT DISTANCE(ra, dec, 1, 2), POINT(ra, dec), RADIANS(ra) FROM stars",
        "deg - - -; deg - point -; rad - - -",
    );
    check_metadata("SELECT id FROM obs UNION SELECT mag FROM stars", "- - - -");
    check_metadata("SELECT mag FROM stars UNION SELECT id FROM obs", "mag - - brightness");
    check_metadata("SELECT q.m FROM (SELECT MAX(mag) AS m FROM stars) AS q", "mag - - brightness");
    check_metadata("WITH q AS (SELECT mag FROM stars) SELECT * FROM q", "mag - - brightness");
    check_metadata(
        "SELECT CASE WHEN id > 1 THEN ra ELSE 0 END, CASE WHEN id > 1 THEN ra ELSE mag END FROM stars",
        "deg pos.eq.ra;meta.main - -; - - - -",
    );
}

/// A scan has the columns that the query touches and those that place the rows on the sky.
#[test]
fn only_touched_columns_are_scanned() {
    let scanned = |text: &str| {
        let plan = planned(text).unwrap().plan.display_indent_schema().to_string();
        let line = plan.lines().find(|line| line.contains("TableScan")).unwrap().to_owned();
        line.split_once('[')
            .unwrap()
            .1
            .replace(":", " ")
            .split(", ")
            .map(|c| c.split(' ').next().unwrap().to_owned())
            .collect::<Vec<_>>()
            .join(" ")
    };
    assert_eq!(scanned("SELECT name FROM stars"), "ra dec name _healpix_29");
    assert_eq!(scanned("SELECT COUNT(*) FROM obs"), "obs_id");
    assert_eq!(scanned("SELECT band FROM obs WHERE flux > 1 ORDER BY id"), "id flux band");
    assert_eq!(
        planned("SELECT 1 FROM stars, obs")
            .unwrap()
            .tables
            .iter()
            .map(ToString::to_string)
            .collect::<Vec<_>>(),
        ["public.Stars", "public.obs"]
    );
}
