//! Casts in groups, beside what they cast; and to geometries.

use super::check;

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
