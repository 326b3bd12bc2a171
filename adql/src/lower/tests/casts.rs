//! Casts in groups, beside what they cast; and to geometries.

use std::sync::Arc;

use datafusion::execution::SessionStateBuilder;

use super::{Sample, check};
use crate::rewrite::optimizer_rules;
use crate::{Limits, Schemas, plan};

#[test]
fn a_column_and_its_cast_are_aggregated_side_by_side() {
    check(
        "SELECT AVG(flux) AS a, AVG(CAST(flux AS DOUBLE PRECISION)) AS b FROM obs",
        "2.6666666666666665|2.6666666666666665",
    );
    check(
        "SELECT MIN(CAST(mag AS INTEGER)), MIN(CAST(mag AS BIGINT)), MIN(mag) FROM stars",
        "1|1|1.0",
    );
    check(
        "SELECT MAX(CAST(id AS VARCHAR(1))), MAX(CAST(id AS VARCHAR)), MAX(id) FROM obs",
        "9|9|9",
    );
    check("SELECT COUNT(DISTINCT CAST(mag AS INTEGER)), COUNT(DISTINCT mag) FROM stars", "3|3");
    check(
        "SELECT SUM(CAST(CAST(mag AS INTEGER) AS REAL)), SUM(CAST(mag AS REAL)) FROM stars",
        "13.0|13.5",
    );
    check("SELECT IVO_STRING_AGG(LOWER(band), ',') FROM obs", "g,g,g,r");
    check("SELECT IVO_STRING_AGG(CAST(id AS VARCHAR(1)), ',') FROM obs", "1,1,3,9");
    check("SELECT COUNT(*), CAST(COUNT(*) AS VARCHAR) FROM obs", "4|4");
}

#[test]
fn groups_are_by_a_column_and_its_cast() {
    check(
        "SELECT mag, CAST(mag AS INTEGER) AS m, COUNT(*) FROM stars \
         GROUP BY mag, CAST(mag AS INTEGER) ORDER BY mag",
        "1.0|1|1; 5.0|5|1; 7.5|7|1; ||2",
    );
    check(
        "SELECT CAST(mag AS INTEGER) AS i, CAST(mag AS BIGINT) AS b FROM stars \
         GROUP BY CAST(mag AS INTEGER), CAST(mag AS BIGINT) ORDER BY CAST(mag AS BIGINT) DESC",
        "|; 7|7; 5|5; 1|1",
    );
    check(
        "SELECT CAST(ra AS INTEGER) AS ra, COUNT(*) FROM stars GROUP BY ra ORDER BY 1, 2",
        "0|1; 10|1; 10|1; 200|1; 359|1",
    );
    check(
        "SELECT CAST(dec AS INTEGER) / 10 AS d, MAX(dec) AS m FROM stars GROUP BY CAST(dec AS INTEGER) / 10, dec ORDER BY d",
        "-3|-30.0; 0|0.0; 2|20.0",
    );
}

#[test]
fn groups_are_chosen_and_ordered_by_casts() {
    check(
        "SELECT id FROM obs GROUP BY id \
         HAVING MAX(CAST(flux AS INTEGER)) > 1 AND MAX(flux) > 1 ORDER BY id",
        "1; 9",
    );
    check(
        "SELECT id FROM obs GROUP BY id ORDER BY MAX(CAST(flux AS INTEGER)), MAX(flux), id",
        "1; 9; 3",
    );
    check(
        "SELECT id, AVG(CAST(flux AS DOUBLE PRECISION)) AS a FROM obs GROUP BY id \
         HAVING CAST(COUNT(flux) AS REAL) > 0.5 AND COUNT(flux) < 9 \
         ORDER BY AVG(CAST(flux AS DOUBLE PRECISION)) DESC, AVG(flux)",
        "9|4.0; 1|2.0",
    );
    check(
        "SELECT id FROM stars AS s WHERE CAST(id AS REAL) = (SELECT MAX(CAST(o.id AS INTEGER)) - \
         MAX(o.id) + 3 FROM obs AS o)",
        "3",
    );
}

#[test]
fn texts_become_geometries() {
    check(
        "SELECT CAST('10 20' AS POINT), CAST(' 10 -20.5 1e0 ' AS CIRCLE) FROM b.dup WHERE n = 2",
        "[10.0, 20.0]|[10.0, -20.5, 1.0]",
    );
    check(
        "SELECT CAST('10 20 11 20 11 21' AS POLYGON), CAST('Circle ICRS 10 20 1' AS circle) \
         FROM b.dup WHERE n = 2",
        "[10.0, 20.0, 11.0, 20.0, 11.0, 21.0]|[10.0, 20.0, 1.0]",
    );
    check(
        "SELECT CAST(CAST(n AS VARCHAR) || ' 20' AS POINT) FROM b.dup ORDER BY n",
        "[2.0, 20.0]; [3.0, 20.0]; [3.0, 20.0]; [4.0, 20.0]",
    );
    check(
        "SELECT CAST(CASE WHEN n > 3 THEN 'Position 1 2' END AS POINT), CAST(NULL AS CIRCLE) \
         FROM b.dup WHERE n <> 3 ORDER BY n",
        "|; [1.0, 2.0]|",
    );
    check("SELECT COORD1(CAST('370 20' AS POINT)) FROM b.dup WHERE n = 2", "10.0");
}

#[test]
fn texts_that_are_no_geometry_are_named() {
    let cast = |text: &str, shape: &str| format!("SELECT CAST('{text}' AS {shape}) FROM b.dup");
    check(
        &cast("10", "POINT"),
        "CAST: '10' is no POINT: write two numbers, as '10 20', or 'Position ICRS 10 20' at line 1, column 13",
    );
    check(
        &cast("10 20 30", "POLYGON"),
        "CAST: '10 20 30' is no POLYGON: write three or more pairs of numbers, as '10 20 11 20 11 21', or 'Polygon ICRS 10 20 11 20 11 21' at line 1, column 13",
    );
    check(
        &cast("10 95", "POINT"),
        "CAST: '10 95' is no POINT: latitudes are within -90 to 90 degrees at line 1, column 13",
    );
    check(
        &cast("10 20 x", "CIRCLE"),
        "CAST: '10 20 x' is no CIRCLE: write three numbers, as '10 20 1', or 'Circle ICRS 10 20 1' at line 1, column 13",
    );
    check(
        &cast("10 20 -1", "CIRCLE"),
        "CAST: '10 20 -1' is no CIRCLE: radius -1 of a circle is not within 0 to 180 degrees at line 1, column 13",
    );
    check(
        &cast("Circle 10 20 1", "POINT"),
        "CAST: 'Circle 10 20 1' is no POINT: write two numbers, as '10 20', or 'Position ICRS 10 20' at line 1, column 13",
    );
    check(
        "SELECT CAST(name AS POINT) FROM stars WHERE id = 1",
        "Arrow error: Cast error: 'Alpha' is no POINT: cannot read 'ALPHA' in the text of a region: write POSITION, CIRCLE, BOX, POLYGON, or UNION of such, with degrees",
    );
    check(
        "SELECT id FROM stars WHERE 1 = CONTAINS(POINT(ra, dec), CAST('10 2' || '0' AS CIRCLE))",
        "Optimizer rule 'region_cover' failed\ncaused by\nArrow error: Cast error: '10 20' is no CIRCLE: write three numbers, as '10 20 1', or 'Circle ICRS 10 20 1'",
    );
    check(
        "SELECT CAST(id AS POINT) FROM stars",
        "CAST AS POINT takes a text, and id is a number at line 1, column 13",
    );
    check(
        "SELECT CAST(q.p AS VARCHAR) FROM (SELECT POINT(ra, dec) AS p FROM stars) AS q",
        "p is a geometry, which is not cast: select it as it is, or its COORD1 and COORD2 at line 1, column 13",
    );
}

#[test]
fn a_cast_prunes_as_the_geometry_does() {
    let schemas: Arc<dyn Schemas> = Arc::new(Sample::new());
    let optimized = |region: &str| {
        let text = format!("SELECT id FROM stars WHERE 1 = CONTAINS(POINT(ra, dec), {region})");
        let query = plan(&text, schemas.as_ref(), &Limits::default()).unwrap();
        let state = SessionStateBuilder::new()
            .with_default_features()
            .with_optimizer_rules(optimizer_rules(Arc::clone(&schemas)))
            .build();
        state.optimize(&query.plan).unwrap().to_string()
    };
    let expected = optimized("CIRCLE(10, 20, 1)");
    assert!(expected.contains("in_region"), "{expected}");
    assert_eq!(optimized("CAST('10 20 1' AS CIRCLE)"), expected);
    assert_eq!(optimized("CAST('Circle ICRS 10 20 1' AS CIRCLE)"), expected);
    assert_eq!(optimized("CAST('10 20' || ' 1' AS CIRCLE)"), expected);
    assert_eq!(optimized("CIRCLE(CAST('10 20' AS POINT), 1)"), expected);
    check(
        "SELECT id FROM stars WHERE 1 = CONTAINS(POINT(ra, dec), CAST('10 20 1' AS CIRCLE)) ORDER BY id",
        "1; 2",
    );
    let query =
        plan("SELECT CAST('1 2' AS POINT) AS p FROM stars", schemas.as_ref(), &Limits::default());
    let column = &query.unwrap().columns[0];
    assert_eq!(column.xtype.as_deref(), Some("point"));
    assert_eq!(column.unit.as_deref(), Some("deg"));
}
